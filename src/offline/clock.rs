//! Times as scenarios write them: `03:40`, `2026-11-22T03:40`, `2026-11-22`, `+10m`.
//!
//! In come texts, the zone of the file and the time before; out come instants, or what is wrong. It refuses to know what
//! happens then.

use jiff::civil::Time;
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};

use crate::control::duration::Duration;
use crate::control::schedule::moment;
use crate::source::Problem;

/// The zone of a file, and how far its time has come.
#[derive(Clone, Debug)]
pub struct Clock {
    /// The zone that times are read in.
    pub zone: TimeZone,
    /// The last time that was read; `None` before the first.
    pub last: Option<Timestamp>,
}

impl Clock {
    /// Reads the time of an event, and stands there.
    ///
    /// # Errors
    /// What is wrong with it: also a time before the last one.
    pub fn tick(&mut self, text: &str) -> Result<Timestamp, Problem> {
        let time = self.read(text)?;
        if let Some(last) = self.last.filter(|last| time < *last) {
            let problem = Problem::new(0..text.len(), format!("`{text}` lies before the event above it"));
            let next = last.to_zoned(self.zone.clone()).date().tomorrow().map(|day| format!("{day}T{text}"));
            let help = match next {
                Ok(next) if text.contains(':') && !text.contains('-') => {
                    format!("put the events into the order of time; the day after is `{next}`")
                }
                _ => "put the events into the order of time".to_owned(),
            };
            return Err(problem.why("events happen in the order written").help(help));
        }
        self.last = Some(time);
        Ok(time)
    }

    /// Reads a time.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn read(&self, text: &str) -> Result<Timestamp, Problem> {
        let refused = |help: &str| Problem::new(0..text.len(), format!("`{text}` is not a time")).help(help);
        if let Some(after) = text.strip_prefix('+') {
            let last = self.last.ok_or_else(|| refused("say when with `start`, or write a date and a time"))?;
            let length = length(after)?;
            return last.checked_add(length).map_err(|_| refused("write a shorter time"));
        }
        if let Some(time) = time_of_day(text) {
            let last = self.last.ok_or_else(|| {
                refused("write the day too, such as `2026-11-22T03:40`, or say on which day with `start: 2026-11-22`")
            })?;
            let day = last.to_zoned(self.zone.clone()).date();
            return moment::instant(day.to_datetime(time), &self.zone).ok_or_else(|| refused("write an earlier day"));
        }
        if let Ok(instant) = text.parse::<Timestamp>() {
            return Ok(instant);
        }
        moment::bound(text, &self.zone, false)
            .map_err(|_| refused("write `03:40`, `2026-11-22T03:40`, or `+10m` for so much later"))
    }
}

/// Reads `10m`, a length of time.
///
/// # Errors
/// What is wrong with it.
pub fn length(text: &str) -> Result<SignedDuration, Problem> {
    let refused = || {
        let problem = Problem::new(0..text.len(), format!("`{text}` is not a length of time"));
        problem.help("write a whole number and s, m, h or d: `40m`")
    };
    let zero = matches!(text, "0" | "0s" | "0m");
    let seconds = if zero { 0 } else { Duration::parse(text).ok_or_else(refused)?.seconds() };
    i64::try_from(seconds).map(SignedDuration::from_secs).map_err(|_| refused())
}

fn time_of_day(text: &str) -> Option<Time> {
    let shaped = matches!(text.len(), 5 | 8) && text.bytes().all(|byte| byte.is_ascii_digit() || byte == b':');
    text.parse().ok().filter(|_| shaped)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn clock() -> Clock {
        let zone = TimeZone::get("Europe/Berlin").unwrap();
        Clock { zone, last: Some("2026-11-22T01:00:00Z".parse().unwrap()) }
    }

    #[test]
    fn times_follow_one_another() {
        let mut clock = clock();
        let mut tick = |text: &str| clock.tick(text).map(|time| time.to_string());
        assert_eq!(tick("03:40").as_deref(), Ok("2026-11-22T02:40:00Z"));
        assert_eq!(tick("+10m").as_deref(), Ok("2026-11-22T02:50:00Z"));
        assert_eq!(tick("2026-11-22T04:00").as_deref(), Ok("2026-11-22T03:00:00Z"));
        assert_eq!(tick("2026-11-22T04:00:00Z").as_deref(), Ok("2026-11-22T04:00:00Z"));
        assert_eq!(tick("2026-11-23").as_deref(), Ok("2026-11-22T23:00:00Z"));
        let late = tick("23:00").map_err(|problem| problem.help.unwrap_or_default());
        assert_eq!(late.as_deref(), Ok("2026-11-23T22:00:00Z"));
        let before = tick("03:00").unwrap_err();
        assert_eq!(before.message, "`03:00` lies before the event above it");
        assert!(before.help.unwrap().contains("`2026-11-24T03:00`"));
    }

    #[test]
    fn what_is_no_time_is_refused() {
        for text in ["3:40", "25:00", "tomorrow", "", "+10", "+m", "2026-02-30"] {
            assert!(clock().tick(text).is_err(), "{text}");
        }
        let none = Clock { last: None, ..clock() };
        assert!(none.read("03:40").unwrap_err().help.unwrap().contains("start"));
        assert!(length("0").is_ok() && length("1.5h").is_err());
    }
}
