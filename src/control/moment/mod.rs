//! Moments: what templates reckon with, a partition's label or an instant.
//!
//! In come texts (`2026-11-21`, `2026-W47`, `2026-11-20T23:00:00Z`) and a zone; out come other moments, numbers and
//! answers, or what does not fit, in words. A label stays a label and an instant an instant. It refuses to know templates,
//! runs and the clock: there is no "now".

mod calendar;
mod change;

use std::fmt;

use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp, Zoned};

use super::partition::{self, Granularity, Label};

pub use calendar::Holidays;
pub use change::{Amount, Part};

/// What does not fit, in words.
pub type Words<T> = Result<T, String>;

/// A point or a stretch of time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Moment {
    /// An hour of UTC, by its first instant.
    Hour(Timestamp),
    /// A calendar day.
    Day(Date),
    /// A week, by its Monday.
    Week(Date),
    /// A month, by its first day.
    Month(Date),
    /// A year, by its first day.
    Year(Date),
    /// An instant, seen from the pipeline's zone.
    Instant(Timestamp),
    /// An instant, seen from a zone of its own.
    Local(Zoned),
}

impl Moment {
    /// Reads a label or an instant.
    ///
    /// # Errors
    /// A text that is neither.
    pub fn read(text: &str) -> Words<Self> {
        let Some(granularity) = Granularity::of_label(text) else {
            let instant = text.contains(['T', 't', ' ']).then(|| text.parse::<Timestamp>().ok()).flatten();
            return instant.map(Moment::Instant).ok_or_else(|| no_moment(text));
        };
        if granularity == Granularity::None {
            return Err("`none` is no date: the pipeline has no partitions".to_owned());
        }
        Ok(match (partition::read(text).ok_or_else(|| format!("`{text}` is not in the calendar"))?, granularity) {
            (Label::Hour(start), _) => Moment::Hour(start),
            (Label::Dates(first, _), Granularity::Week) => Moment::Week(first),
            (Label::Dates(first, _), Granularity::Month) => Moment::Month(first),
            (Label::Dates(first, _), Granularity::Year) => Moment::Year(first),
            (Label::Dates(first, _), _) => Moment::Day(first),
        })
    }

    /// `a month`, for messages.
    fn kind(&self) -> &'static str {
        match self {
            Moment::Hour(_) => "an hour",
            Moment::Day(_) => "a day",
            Moment::Week(_) => "a week",
            Moment::Month(_) => "a month",
            Moment::Year(_) => "a year",
            Moment::Instant(_) | Moment::Local(_) => "an instant",
        }
    }

    /// The granularity of a label; `None` for an instant.
    fn granularity(&self) -> Option<Granularity> {
        Some(match self {
            Moment::Hour(_) => Granularity::Hour,
            Moment::Day(_) => Granularity::Day,
            Moment::Week(_) => Granularity::Week,
            Moment::Month(_) => Granularity::Month,
            Moment::Year(_) => Granularity::Year,
            Moment::Instant(_) | Moment::Local(_) => return None,
        })
    }

    /// The zone that it is seen from: hours are of UTC, and a moment that was put into a zone keeps it.
    fn zone(&self, pipeline: &TimeZone) -> TimeZone {
        match self {
            Moment::Hour(_) => TimeZone::UTC,
            Moment::Local(zoned) => zoned.time_zone().clone(),
            _ => pipeline.clone(),
        }
    }

    /// Its first instant.
    ///
    /// # Errors
    /// Where the calendar ends.
    pub fn start(&self, zone: &TimeZone) -> Words<Zoned> {
        match self {
            Moment::Hour(start) => Ok(start.to_zoned(TimeZone::UTC)),
            Moment::Day(day) | Moment::Week(day) | Moment::Month(day) | Moment::Year(day) => midnight(*day, zone),
            Moment::Instant(instant) => Ok(instant.to_zoned(zone.clone())),
            Moment::Local(zoned) => Ok(zoned.clone()),
        }
    }

    /// The first instant after it.
    ///
    /// # Errors
    /// An instant, which has no length, and where the calendar ends.
    pub fn end(&self, zone: &TimeZone) -> Words<Timestamp> {
        match self {
            Moment::Hour(start) => start.checked_add(SignedDuration::from_hours(1)).map_err(|_| outside()),
            Moment::Instant(_) | Moment::Local(_) => {
                Err(format!("`{self}` is an instant and has no end; take that of its day: `| date | end`"))
            }
            _ => midnight(self.last_day(zone).tomorrow().map_err(|_| outside())?, zone).map(|end| end.timestamp()),
        }
    }

    /// The day on which it begins.
    pub fn first_day(&self, zone: &TimeZone) -> Date {
        match self {
            Moment::Hour(start) => start.to_zoned(TimeZone::UTC).date(),
            Moment::Day(day) | Moment::Week(day) | Moment::Month(day) | Moment::Year(day) => *day,
            Moment::Instant(instant) => instant.to_zoned(zone.clone()).date(),
            Moment::Local(zoned) => zoned.date(),
        }
    }

    /// The day on which it ends.
    pub fn last_day(&self, zone: &TimeZone) -> Date {
        match self {
            // The last week of the calendar is cut off.
            Moment::Week(monday) => monday.saturating_add(jiff::Span::new().days(6)),
            Moment::Month(first) => first.last_of_month(),
            Moment::Year(first) => first.last_of_year(),
            _ => self.first_day(zone),
        }
    }

    /// The one day that it is or lies in.
    ///
    /// # Errors
    /// A week, month or year.
    pub fn one_day(&self, zone: &TimeZone) -> Words<Date> {
        match self {
            Moment::Week(_) => Err(format!("`{self}` is a week, not a day; choose one: `| start_of_week`")),
            Moment::Month(_) => {
                Err(format!("`{self}` is a month, not a day; choose one: `| start_of_month` or `| end_of_month`"))
            }
            Moment::Year(_) => {
                Err(format!("`{self}` is a year, not a day; choose one: `| start_of_year` or `| end_of_year`"))
            }
            _ => Ok(self.first_day(zone)),
        }
    }

    /// In the words of strftime, seen from its zone.
    ///
    /// # Errors
    /// A format that strftime does not know.
    pub fn format(&self, format: &str, zone: &TimeZone) -> Words<String> {
        let start = self.start(zone)?;
        jiff::fmt::strtime::format(format, &start).map_err(|error| format!("`{format}` is not a format: {error}"))
    }

    /// The instant as seen from another zone.
    ///
    /// # Errors
    /// Where the calendar ends.
    pub fn in_zone(&self, to: &TimeZone, zone: &TimeZone) -> Words<Self> {
        Ok(Moment::Local(self.start(zone)?.with_time_zone(to.clone())))
    }
}

/// As templates print it: a label, or RFC 3339.
impl fmt::Display for Moment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Moment::Hour(start) => write!(f, "{}", start.strftime("%Y-%m-%dT%HZ")),
            Moment::Day(day) => write!(f, "{day}"),
            Moment::Week(monday) => f.write_str(&partition::week_label(*monday)),
            Moment::Month(first) => write!(f, "{}", first.strftime("%Y-%m")),
            Moment::Year(first) => write!(f, "{}", first.strftime("%Y")),
            Moment::Instant(instant) => write!(f, "{instant}"),
            Moment::Local(zoned) => write!(f, "{}", zoned.strftime("%Y-%m-%dT%H:%M:%S%.f%:z")),
        }
    }
}

/// The first instant of a day. Where the clocks skip midnight, it is later.
fn midnight(day: Date, zone: &TimeZone) -> Words<Zoned> {
    day.to_zoned(zone.clone()).map_err(|_| outside())
}

fn outside() -> String {
    "it lies outside the calendar, which ends with the year 9999".to_owned()
}

fn no_moment(text: &str) -> String {
    let near = if text.parse::<jiff::civil::DateTime>().is_ok() && text.contains([':']) {
        Some("an instant ends in `Z` or an offset, such as `2026-11-21T03:00:00Z`".to_owned())
    } else {
        partition::hint(text)
    };
    let near = near.unwrap_or_else(|| "write one such as `2026-11-21` or `2026-11-21T03:00:00Z`".to_owned());
    format!("`{text}` is not a date; {near}")
}

#[cfg(test)]
mod tests;
