//! When a schedule fires: in words, and as instants.
//!
//! In come a cron, rate or one-time expression and a zone; out come the times at which EventBridge Scheduler delivers. It refuses to
//! know the clock: "after" is always an argument. Across a change of the clocks the rules are Scheduler's own: a local
//! time that the clocks skip is skipped, and one that they show twice fires once, here taken to be the first. See
//! <https://docs.aws.amazon.com/scheduler/latest/UserGuide/schedule-types.html#daylist-savings-time>.

pub mod moment;
mod words;

use jiff::civil::DateTime;
use jiff::tz::{AmbiguousOffset, Offset, TimeZone};
use jiff::{SignedDuration, Span, Timestamp, Zoned};

use super::cron::{self, Cron};
use super::plan::SchedulePlan;
use super::zone;
use crate::source::Problem;
pub use words::describe;

/// An expression in a zone, and the bounds within which it holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Schedule {
    /// When.
    pub when: When,
    /// The zone that local times are read in.
    pub zone: TimeZone,
    /// The first instant at which it may fire.
    pub start: Option<Timestamp>,
    /// The first instant at which it may not any more.
    pub end: Option<Timestamp>,
}

/// The kinds of expression.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum When {
    /// At these local times.
    Cron(Cron),
    /// At this interval.
    Rate(Rate),
    /// Once, at this local time.
    At(DateTime),
}

/// `5 minutes`: an interval that is counted from the moment at which the schedule was created.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rate {
    /// At least 1.
    pub count: u32,
    /// Its unit.
    pub unit: RateUnit,
}

/// Units of a rate. A day is 24 hours here, whatever the clocks do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RateUnit {
    /// 60 seconds.
    Minute,
    /// 60 minutes.
    Hour,
    /// 24 hours.
    Day,
}

/// One delivery.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fire {
    /// The instant.
    pub utc: Timestamp,
    /// The same in the schedule's zone.
    pub local: Zoned,
    /// The second instant at which the clocks show this local time. Scheduler promises one delivery and not which.
    pub again: Option<Timestamp>,
    /// What a change of the clocks does to it, or to a time just before it that is skipped.
    pub note: Option<String>,
}

impl Schedule {
    /// The schedule of a plan, whose expressions were checked when it was compiled.
    pub fn of_plan(plan: &SchedulePlan) -> Result<Self, Problem> {
        let inner = |kind: &str| plan.expression.strip_prefix(kind)?.strip_prefix('(')?.strip_suffix(')');
        let when = match (inner("cron"), inner("rate"), inner("at")) {
            (Some(text), _, _) => cron::parse(text).map(When::Cron).map_err(|problems| problems.into_iter().next()),
            (_, Some(text), _) => rate(text).map(When::Rate).map_err(Some),
            (_, _, Some(text)) => moment::time(text).map(When::At).map_err(Some),
            (None, None, None) => Err(None),
        };
        let unknown = || Problem::new(0..plan.expression.len(), format!("`{}` is not a schedule", plan.expression));
        let when = when.map_err(|problem| problem.unwrap_or_else(unknown))?;
        let instant = |text: &Option<String>| match text {
            Some(text) => {
                let unknown = || Problem::new(0..text.len(), format!("`{text}` is not an instant"));
                text.parse().map(Some).map_err(|_| unknown())
            }
            None => Ok(None),
        };
        Ok(Self { when, zone: zone::zone(&plan.timezone)?, start: instant(&plan.start)?, end: instant(&plan.end)? })
    }

    /// As EventBridge Scheduler takes it: `cron(0 3 * * ? *)`.
    pub fn expression(&self) -> String {
        match &self.when {
            When::Cron(cron) => format!("cron({cron})"),
            When::Rate(rate) => format!("rate({rate})"),
            When::At(time) => format!("at({})", time.strftime("%Y-%m-%dT%H:%M:%S")),
        }
    }
}

/// The next `count` deliveries after an instant. A rate has none that could be known: it counts from its creation.
pub fn next(schedule: &Schedule, after: Timestamp, count: usize) -> Vec<Fire> {
    fires(schedule, after).take(count).collect()
}

/// The deliveries after one instant, up to and including another.
pub fn between(schedule: &Schedule, after: Timestamp, until: Timestamp) -> Vec<Fire> {
    fires(schedule, after).take_while(|fire| fire.utc <= until).collect()
}

fn fires(schedule: &Schedule, after: Timestamp) -> impl Iterator<Item = Fire> + '_ {
    let zone = &schedule.zone;
    // Before its start it does not fire: nothing is gained by looking there.
    let just_before = |start: Timestamp| start.checked_sub(SignedDuration::from_nanos(1)).unwrap_or(start);
    let after = schedule.start.map_or(after, |start| after.max(just_before(start)));
    // A day early: in the hour that the clocks show twice, the local time of `after` may lie behind an earlier fire.
    let start = after.to_zoned(zone.clone()).date().checked_sub(Span::new().days(1)).unwrap_or(jiff::civil::Date::MIN);
    let (cron, once) = match &schedule.when {
        When::Cron(cron) => (Some(cron), None),
        When::At(time) => (None, Some(*time)),
        When::Rate(_) => (None, None),
    };
    let times = cron.into_iter().flat_map(move |cron| cron.times(start)).chain(once);
    let mut offset = None;
    let mut skipped = None;
    let all = times.filter_map(move |time| {
        let Some((utc, again)) = instants(zone, time) else {
            skipped.get_or_insert(time);
            return None;
        };
        let local = utc.to_zoned(zone.clone());
        let before = offset.replace(local.offset());
        let skipped = skipped.take();
        let note = note(skipped, again.is_some(), before, &local);
        (utc > after).then_some(Fire { utc, local, again, note })
    });
    let end = schedule.end;
    all.take_while(move |fire| end.is_none_or(|end| fire.utc < end))
}

/// When the clocks show a time, and when again; `None` if they skip it.
fn instants(zone: &TimeZone, time: DateTime) -> Option<(Timestamp, Option<Timestamp>)> {
    let ambiguous = zone.to_ambiguous_timestamp(time);
    let kind = ambiguous.offset();
    let first = ambiguous.earlier().ok()?;
    match kind {
        AmbiguousOffset::Gap { .. } => None,
        AmbiguousOffset::Unambiguous { .. } => Some((first, None)),
        AmbiguousOffset::Fold { .. } => Some((first, ambiguous.later().ok())),
    }
}

fn note(skipped: Option<DateTime>, repeated: bool, before: Option<Offset>, local: &Zoned) -> Option<String> {
    if let Some(time) = skipped {
        let (date, time) = (time.date(), time.strftime("%H:%M"));
        return Some(format!("{time} on {date} does not exist, the clocks go forward: no run then"));
    }
    if repeated {
        return Some("the clocks go back and show this time twice: one run".to_owned());
    }
    let before = before.filter(|before| *before != local.offset())?;
    let way = if before < local.offset() { "forward" } else { "back" };
    Some(format!("the clocks have gone {way}: UTC{} now, UTC{} before", local.strftime("%:z"), offset_text(before)))
}

fn offset_text(offset: Offset) -> String {
    Timestamp::UNIX_EPOCH.to_zoned(TimeZone::fixed(offset)).strftime("%:z").to_string()
}

impl Rate {
    /// The interval.
    pub fn interval(self) -> SignedDuration {
        let minutes = match self.unit {
            RateUnit::Minute => 1,
            RateUnit::Hour => 60,
            RateUnit::Day => 24 * 60,
        };
        SignedDuration::from_mins(i64::from(self.count) * minutes)
    }
}

/// As AWS wants it: `1 minute`, `5 minutes`.
impl std::fmt::Display for Rate {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let plural = if self.count == 1 { "" } else { "s" };
        write!(f, "{} {}{plural}", self.count, self.unit.name())
    }
}

impl RateUnit {
    const ALL: [RateUnit; 3] = [RateUnit::Minute, RateUnit::Hour, RateUnit::Day];

    fn name(self) -> &'static str {
        match self {
            RateUnit::Minute => "minute",
            RateUnit::Hour => "hour",
            RateUnit::Day => "day",
        }
    }
}

/// Reads `5 minutes`, `1 hour`, `7 days`.
pub fn rate(text: &str) -> Result<Rate, Problem> {
    let refused = |help: String| {
        let problem = Problem::new(0..text.len(), format!("`{text}` is not a rate"));
        problem.why("a rate is a whole number and minutes, hours or days").help(help)
    };
    let example = || refused("write such as `5 minutes`, `1 hour` or `7 days`".to_owned());
    let trimmed = text.trim();
    if let Some(inner) = trimmed.strip_prefix("rate(") {
        let inner = inner.strip_suffix(')').unwrap_or(inner);
        return Err(refused(format!("`rate( )` is added by dpc: write `{inner}`")));
    }
    let digits = trimmed.find(|letter: char| !letter.is_ascii_digit()).unwrap_or(trimmed.len());
    let (count, unit) = trimmed.split_at_checked(digits).ok_or_else(example)?;
    let (count, word) = (count.parse::<u32>().map_err(|_| example())?, unit.trim());
    if count == 0 {
        return Err(refused("the shortest rate is `1 minute`".to_owned()));
    }
    let found = RateUnit::ALL.into_iter().find(|unit| meant(*unit, word));
    let Some(unit) = found else {
        let seconds = word.to_ascii_lowercase().starts_with("sec") || word == "s";
        return Err(if seconds { refused("the shortest rate is `1 minute`".to_owned()) } else { example() });
    };
    let rate = Rate { count, unit };
    if rate.to_string() == text {
        return Ok(rate);
    }
    Err(refused(format!("write `{rate}`")))
}

/// Whether a word stands for a unit, however it is spelled.
fn meant(unit: RateUnit, word: &str) -> bool {
    let word = word.to_ascii_lowercase();
    let singular = word.strip_suffix('s').unwrap_or(&word);
    let short: &[&str] = match unit {
        RateUnit::Minute => &["m", "min", "mn"],
        RateUnit::Hour => &["h", "hr"],
        RateUnit::Day => &["d"],
    };
    singular == unit.name() || short.contains(&singular)
}

#[cfg(test)]
mod tests;
