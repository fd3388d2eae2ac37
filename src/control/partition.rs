//! Partitions: the logical dates that runs produce.
//!
//! In come `by`, `offset` and `timezone`, and instants or labels; out come labels (`2026-11-21`, `2026-11-21T03Z`,
//! `2026-W47`, `2026-11`, `2026`, `none`) and the instants between which a partition lies. Hours are UTC instants, so no
//! change of the clocks doubles or drops one; days, weeks, months and years are calendar dates in the zone. It refuses
//! to know runs and schedules.

use std::fmt;

use jiff::civil::{Date, ISOWeekDate, Weekday};
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Span, Timestamp, ToSpan};

use super::plan::PartitionPlan;
use super::zone;
use crate::source::{Problem, suggest};

/// The length of a partition.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Granularity {
    /// The pipeline has no partitions.
    None,
    /// An hour of UTC.
    Hour,
    /// A calendar day of the zone.
    Day,
    /// An ISO week of the zone: Monday to Sunday.
    Week,
    /// A calendar month of the zone.
    Month,
    /// A calendar year of the zone.
    Year,
}

impl Granularity {
    /// All of them, from fine to coarse.
    pub const ALL: [Granularity; 6] = [
        Granularity::None,
        Granularity::Hour,
        Granularity::Day,
        Granularity::Week,
        Granularity::Month,
        Granularity::Year,
    ];

    /// As written in `by`.
    pub fn as_str(self) -> &'static str {
        match self {
            Granularity::None => "none",
            Granularity::Hour => "hour",
            Granularity::Day => "day",
            Granularity::Week => "week",
            Granularity::Month => "month",
            Granularity::Year => "year",
        }
    }

    /// What a label looks like.
    pub fn example(self) -> &'static str {
        match self {
            Granularity::None => "none",
            Granularity::Hour => "2026-11-21T03Z",
            Granularity::Day => "2026-11-21",
            Granularity::Week => "2026-W47",
            Granularity::Month => "2026-11",
            Granularity::Year => "2026",
        }
    }

    /// Reads `by`.
    pub fn parse(text: &str) -> Result<Self, Problem> {
        Self::ALL.into_iter().find(|granularity| granularity.as_str() == text).ok_or_else(|| {
            let problem = Problem::new(0..text.len(), format!("`{text}` is not a granularity"));
            let adverb = match text {
                "hourly" => Some("hour"),
                "daily" | "date" => Some("day"),
                "weekly" => Some("week"),
                "monthly" => Some("month"),
                "yearly" | "annual" => Some("year"),
                _ => suggest::near(text, Self::ALL.map(Granularity::as_str)),
            };
            match adverb {
                Some(near) => problem.help(format!("did you mean `{near}`?")),
                None => problem.help("write hour, day, week, month, year or none"),
            }
        })
    }

    /// The granularity of a label, by its form alone.
    pub fn of_label(label: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|granularity| has_form_of(label, granularity.example()))
    }
}

/// Whether two texts have digits in the same places and are equal elsewhere.
fn has_form_of(text: &str, example: &str) -> bool {
    let same = |(one, other): (u8, u8)| if other.is_ascii_digit() { one.is_ascii_digit() } else { one == other };
    text.len() == example.len() && text.bytes().zip(example.bytes()).all(same)
}

/// Units of an offset.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
enum Unit {
    Hour,
    Day,
    Week,
    Month,
    Year,
}

/// A shift of the scheduled time: `-1d`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Offset {
    count: i32,
    unit: Unit,
}

impl Offset {
    /// No shift.
    pub const ZERO: Offset = Offset { count: 0, unit: Unit::Day };

    /// Reads `-1d`, `+2h`, `-1w`, `-3mo`, `-1y` or `0`.
    pub fn parse(text: &str) -> Result<Self, Problem> {
        let refused = |help: &str| {
            let problem = Problem::new(0..text.len(), format!("`{text}` is not an offset"));
            problem.help(help.to_owned())
        };
        if text == "0" {
            return Ok(Self::ZERO);
        }
        let example = || refused("write a signed count and h, d, w, mo or y, such as `-1d` for the day before");
        let unsigned = text.strip_prefix(['-', '+']).ok_or_else(|| match text.bytes().next() {
            Some(b'0'..=b'9') => refused(&format!("write a sign: `-{text}` is the past, `+{text}` the future")),
            _ => example(),
        })?;
        let digits = unsigned.find(|letter: char| !letter.is_ascii_digit()).unwrap_or(unsigned.len());
        let (count, unit) = unsigned.split_at_checked(digits).ok_or_else(example)?;
        let unit = match unit {
            "h" => Unit::Hour,
            "d" => Unit::Day,
            "w" => Unit::Week,
            "mo" => Unit::Month,
            "y" => Unit::Year,
            "m" => return Err(refused("write `mo` for months; minutes are finer than any partition")),
            _ => return Err(example()),
        };
        let count: i32 = count.parse().map_err(|_| example())?;
        if count > 10_000 {
            return Err(refused("write at most 10000"));
        }
        Ok(Self { count: if text.starts_with('-') { -count } else { count }, unit })
    }

    /// How many units; negative is the past.
    pub fn count(self) -> i32 {
        self.count
    }

    /// About how long one of its units is, in hours: at least as long as it ever is.
    pub fn hours(self) -> i64 {
        match self.unit {
            Unit::Hour => 1,
            Unit::Day => 24,
            Unit::Week => 7 * 24,
            Unit::Month => 31 * 24,
            Unit::Year => 366 * 24,
        }
    }

    /// This many of its unit instead: `-1d` becomes `-3d`.
    #[must_use]
    pub fn times(self, count: i32) -> Self {
        Self { count, ..self }
    }

    fn span(self) -> Span {
        let count = i64::from(self.count);
        match self.unit {
            Unit::Hour => count.hours(),
            Unit::Day => count.days(),
            Unit::Week => count.weeks(),
            Unit::Month => count.months(),
            Unit::Year => count.years(),
        }
    }
}

impl Default for Offset {
    fn default() -> Self {
        Self::ZERO
    }
}

/// Reads back as it was parsed.
impl fmt::Display for Offset {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let unit = match self.unit {
            Unit::Hour => "h",
            Unit::Day => "d",
            Unit::Week => "w",
            Unit::Month => "mo",
            Unit::Year => "y",
        };
        if self.count == 0 { f.write_str("0") } else { write!(f, "{:+}{unit}", self.count) }
    }
}

/// How a time becomes a partition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PartitionSpec {
    /// The length of a partition.
    pub by: Granularity,
    /// Added to the scheduled time before its partition is taken.
    pub offset: Offset,
    /// The zone of the calendar.
    pub zone: TimeZone,
}

impl PartitionSpec {
    /// A spec whose offset fits its granularity; the problem is the offset's.
    pub fn new(by: Granularity, offset: Offset, zone: TimeZone) -> Result<Self, Problem> {
        let text = offset.to_string();
        let problem = |help: &str| {
            let message = format!("an offset of `{text}` does not fit a partition by {}", by.as_str());
            Err(Problem::new(0..text.len(), message).help(help.to_owned()))
        };
        // Only shifts that keep different partitions different: a month before 30 and 31 March is one day.
        match (by, offset.unit) {
            _ if offset.count == 0 => {}
            (Granularity::None, _) => return problem("leave it out: there is no partition to shift"),
            (Granularity::Hour, Unit::Hour | Unit::Day | Unit::Week) => {}
            (Granularity::Hour, _) => return problem("write hours, days or weeks: `-1h`"),
            (Granularity::Day, Unit::Day | Unit::Week) => {}
            (Granularity::Day, _) => return problem("write days or weeks: `-1d` is the day before"),
            (Granularity::Week, Unit::Week) => {}
            (Granularity::Week, _) => return problem("write weeks: `-1w` is the week before"),
            (Granularity::Month, Unit::Month | Unit::Year) => {}
            (Granularity::Month, _) => return problem("write months or years: `-1mo` is the month before"),
            (Granularity::Year, Unit::Year) => {}
            (Granularity::Year, _) => return problem("write years: `-1y` is the year before"),
        }
        Ok(Self { by, offset, zone })
    }

    /// The spec of a plan, which was checked when it was compiled.
    pub fn of_plan(plan: &PartitionPlan) -> Result<Self, Problem> {
        Self::new(Granularity::parse(&plan.by)?, Offset::parse(&plan.offset)?, zone::zone(&plan.timezone)?)
    }

    /// The partition of a run that was scheduled for `time`. `None` only where the calendar ends.
    ///
    /// The shift is one of the calendar, not of the clock: a day before is the day before, even if it has 23 hours, and a
    /// month before 31 March is February.
    pub fn of_time(&self, time: Timestamp) -> Option<String> {
        let shift = self.offset.span();
        let date = time.to_zoned(self.zone.clone()).date();
        Some(match self.by {
            Granularity::None => "none".to_owned(),
            Granularity::Hour => {
                // Days of UTC have 24 hours, and so have the days of this offset.
                let zoned = time.to_zoned(TimeZone::UTC).checked_add(shift).ok()?;
                zoned.strftime("%Y-%m-%dT%HZ").to_string()
            }
            Granularity::Day => date.checked_add(shift).ok()?.to_string(),
            Granularity::Week => week_label(date.checked_add(shift).ok()?),
            Granularity::Month => date.first_of_month().checked_add(shift).ok()?.strftime("%Y-%m").to_string(),
            Granularity::Year => date.first_of_year().checked_add(shift).ok()?.strftime("%Y").to_string(),
        })
    }

    /// Reads a label that a person wrote for `pipeline`.
    pub fn parse(&self, label: &str, pipeline: &str) -> Result<Partition, Problem> {
        let problem = |message: String| Problem::new(0..label.len(), message);
        let wanted = match self.by {
            Granularity::None => format!("{pipeline} has no partitions: leave it out, or write none"),
            by => format!("{pipeline} is partitioned by {}, such as {}", by.as_str(), by.example()),
        };
        let Some(form) = Granularity::of_label(label) else {
            return Err(problem(format!("`{label}` is not a partition")).help(hint(label).unwrap_or(wanted)));
        };
        if form != self.by {
            let article = if form == Granularity::Hour { "an" } else { "a" };
            let kind =
                if form == Granularity::None { "no partition".into() } else { format!("{article} {}", form.as_str()) };
            return Err(problem(format!("`{label}` is {kind}")).help(wanted));
        }
        let missing = || problem(format!("`{label}` is not in the calendar")).help(wanted.clone());
        let bounds = match form {
            Granularity::None => None,
            _ => Some(self.bounds(label).ok_or_else(missing)?),
        };
        Ok(Partition { label: label.to_owned(), bounds })
    }

    fn bounds(&self, label: &str) -> Option<(Timestamp, Timestamp)> {
        let (first, length) = match read(label)? {
            Label::Hour(start) => return Some((start, start.checked_add(SignedDuration::from_hours(1)).ok()?)),
            Label::Dates(first, length) => (first, length),
        };
        let instant = |date: Date| date.to_zoned(self.zone.clone()).ok().map(|zoned| zoned.timestamp());
        let (start, end) = (instant(first)?, instant(first.checked_add(length).ok()?)?);
        // A zone that crosses the date line loses a day.
        (start < end).then_some((start, end))
    }
}

/// What a label of any granularity stands for, whatever the zone.
pub(super) enum Label {
    /// The instant at which the hour begins.
    Hour(Timestamp),
    /// The first day, and how long it goes on.
    Dates(Date, Span),
}

/// Reads a label by its form; `None` for `none`, for another form, and for what is not in the calendar.
pub(super) fn read(label: &str) -> Option<Label> {
    let number = |from: usize, to: usize| label.get(from..to)?.parse::<i16>().ok();
    let day = |from, to| i8::try_from(number(from, to)?).ok();
    let date = || Date::new(number(0, 4)?, day(5, 7)?, day(8, 10)?).ok();
    Some(match Granularity::of_label(label)? {
        Granularity::None => return None,
        Granularity::Hour => {
            let hour = day(11, 13).filter(|hour| *hour < 24)?;
            Label::Hour(date()?.at(hour, 0, 0, 0).to_zoned(TimeZone::UTC).ok()?.timestamp())
        }
        Granularity::Day => Label::Dates(date()?, 1.days()),
        Granularity::Week => {
            let week = ISOWeekDate::new(number(0, 4)?, day(6, 8)?, Weekday::Monday).ok()?;
            Label::Dates(week.date(), 1.weeks())
        }
        Granularity::Month => Label::Dates(Date::new(number(0, 4)?, day(5, 7)?, 1).ok()?, 1.months()),
        Granularity::Year => Label::Dates(Date::new(number(0, 4)?, 1, 1).ok()?, 1.years()),
    })
}

/// A label that was read, and the instants between which it lies.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Partition {
    /// As stored and printed.
    pub label: String,
    /// First instant, and the first instant after it; `None` for a pipeline without partitions.
    pub bounds: Option<(Timestamp, Timestamp)>,
}

pub(super) fn week_label(date: Date) -> String {
    let week = date.iso_week_date();
    format!("{:04}-W{:02}", week.year(), week.week())
}

/// Near misses of a label's form.
pub(super) fn hint(label: &str) -> Option<String> {
    let digits = |form: &str| has_form_of(label, form);
    let part = |from: usize, to: usize| label.get(from..to).unwrap_or_default();
    if digits("20261121") {
        return Some(format!("did you mean {}-{}-{}?", part(0, 4), part(4, 6), part(6, 8)));
    }
    if digits("2026/11/21") {
        return Some(format!("did you mean {}?", label.replace('/', "-")));
    }
    if digits("2026-11-21T03") || digits("2026-11-21 03") {
        return Some(format!("did you mean {}T{}Z? hours are UTC", part(0, 10), part(11, 13)));
    }
    if digits("2026-11-21T03:00Z") || digits("2026-11-21T03:00:00Z") {
        return Some(format!("did you mean {}Z?", part(0, 13)));
    }
    digits("2026W47").then(|| format!("did you mean {}-{}?", part(0, 4), part(4, 7)))
}

#[cfg(test)]
#[path = "partition_tests.rs"]
mod tests;
