//! Local times as users write them in a schedule: `2026-11-21T03:00`, and days where a bound is one.

use jiff::Timestamp;
use jiff::civil::{Date, DateTime, Time};
use jiff::tz::{AmbiguousOffset, TimeZone};

use crate::source::Problem;

/// The local time of an `at`.
///
/// # Errors
/// What is wrong with it.
pub fn time(text: &str) -> Result<DateTime, Problem> {
    let refused = |help: String| {
        let problem = Problem::new(0..text.len(), format!("`{text}` is not a time"));
        problem.why("a time is local, in the schedule's `timezone`").help(help)
    };
    let example = || "write a day and a time, such as `2026-11-21T03:00`".to_owned();
    if let Some(inner) = text.strip_prefix("at(") {
        let inner = inner.strip_suffix(')').unwrap_or(inner);
        return Err(refused(format!("`at( )` is added by dpc: write `{inner}`")));
    }
    if day(text).is_some() {
        return Err(refused(format!("write a time too: `{text}T03:00`")));
    }
    let (date, clock) = text.split_once(['T', ' ']).ok_or_else(|| refused(example()))?;
    let local = clock.trim_end_matches(['Z', 'z']);
    let local = local.split_once(['+', '-']).map_or(local, |(local, _)| local);
    let Some(time) = day(date).and_then(|date| Some(date.to_datetime(of_day(local)?))) else {
        return Err(refused(example()));
    };
    if local != clock {
        let zone = if clock.ends_with(['Z', 'z']) { "UTC" } else { "Europe/Berlin" };
        return Err(refused(format!("write `{date}T{local}`, and its zone in `timezone`, such as `timezone: {zone}`")));
    }
    Ok(time)
}

/// The first instant of a `start`, or the first after an `end`: a day alone counts as a whole.
///
/// # Errors
/// What is wrong with it.
pub fn bound(text: &str, zone: &TimeZone, is_end: bool) -> Result<Timestamp, Problem> {
    let local = match day(text) {
        Some(date) if is_end => date.tomorrow().unwrap_or(date).to_datetime(Time::midnight()),
        Some(date) => date.to_datetime(Time::midnight()),
        None => time(text)?,
    };
    instant(local, zone).ok_or_else(|| Problem::new(0..text.len(), format!("`{text}` lies beyond the calendar")))
}

/// The instant of a local time: the first of two, and after a gap by as much as the clocks go forward.
pub fn instant(local: DateTime, zone: &TimeZone) -> Option<Timestamp> {
    zone.to_ambiguous_timestamp(local).compatible().ok()
}

/// What a change of the clocks does to a local time.
pub enum Change {
    /// The clocks skip it; the time that they show instead.
    Skipped(DateTime),
    /// They show it twice, at these instants.
    Repeated(Timestamp, Timestamp),
}

/// What a change of the clocks does to this local time, if it falls into one.
pub fn change(local: DateTime, zone: &TimeZone) -> Option<Change> {
    let ambiguous = zone.to_ambiguous_timestamp(local);
    match ambiguous.offset() {
        AmbiguousOffset::Unambiguous { .. } => None,
        AmbiguousOffset::Gap { .. } => {
            Some(Change::Skipped(ambiguous.compatible().ok()?.to_zoned(zone.clone()).datetime()))
        }
        AmbiguousOffset::Fold { .. } => Some(Change::Repeated(ambiguous.earlier().ok()?, ambiguous.later().ok()?)),
    }
}

fn day(text: &str) -> Option<Date> {
    let shaped = text.len() == 10 && text.bytes().all(|byte| byte.is_ascii_digit() || byte == b'-');
    text.parse().ok().filter(|_| shaped)
}

fn of_day(text: &str) -> Option<Time> {
    let shaped = matches!(text.len(), 5 | 8) && text.bytes().all(|byte| byte.is_ascii_digit() || byte == b':');
    text.parse().ok().filter(|_| shaped)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::control::zone::zone;

    #[test]
    fn times_are_local_and_exact_to_the_second() {
        for text in ["2026-11-21T03:00", "2026-11-21T03:00:00", "2026-11-21 03:00"] {
            assert_eq!(time(text).unwrap().to_string(), "2026-11-21T03:00:00", "{text}");
        }
        for text in [
            "2026-11-21",
            "03:00",
            "2026-02-30T03:00",
            "2026-11-21T25:00",
            "2026-11-21T03:00Z",
            "at(2026-11-21T03:00:00)",
            "2026-11-21T03:00+01:00",
            "tomorrow",
            "",
            "2026-11-21T03:00:00.5",
        ] {
            assert!(time(text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_day_is_a_bound_as_a_whole() {
        let berlin = zone("Europe/Berlin").unwrap();
        assert_eq!(bound("2026-11-21", &berlin, false).unwrap().to_string(), "2026-11-20T23:00:00Z");
        assert_eq!(bound("2026-11-21", &berlin, true).unwrap().to_string(), "2026-11-21T23:00:00Z");
        assert_eq!(bound("2026-11-21T03:00", &berlin, true).unwrap().to_string(), "2026-11-21T02:00:00Z");
    }

    #[test]
    fn changes_of_the_clocks_are_seen() {
        let berlin = zone("Europe/Berlin").unwrap();
        let of = |text: &str| change(time(text).unwrap(), &berlin);
        assert!(matches!(of("2027-03-28T02:30"), Some(Change::Skipped(to)) if to.to_string() == "2027-03-28T03:30:00"));
        assert!(matches!(of("2026-10-25T02:30"), Some(Change::Repeated(..))));
        assert!(of("2026-10-25T03:30").is_none());
    }
}
