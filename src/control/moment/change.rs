//! From one moment to another: the start and end of what it lies in, so much later, the next of its kind.

use jiff::civil::{Date, Weekday};
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Span, ToSpan, Zoned};

use super::{Moment, Words, midnight, outside};
use crate::control::partition::Granularity;

/// What a moment lies in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// An hour of the clock.
    Hour,
    /// A calendar day.
    Day,
    /// Monday to Sunday.
    Week,
    /// A calendar month.
    Month,
    /// January to March, and so on.
    Quarter,
    /// A calendar year.
    Year,
}

impl Part {
    /// All of them.
    pub const ALL: [Part; 6] = [Part::Hour, Part::Day, Part::Week, Part::Month, Part::Quarter, Part::Year];

    /// Its name in filters.
    pub fn as_str(self) -> &'static str {
        match self {
            Part::Hour => "hour",
            Part::Day => "day",
            Part::Week => "week",
            Part::Month => "month",
            Part::Quarter => "quarter",
            Part::Year => "year",
        }
    }

    pub(super) fn first(self, day: Date) -> Date {
        match self {
            Part::Hour | Part::Day => day,
            Part::Week => day.saturating_sub(Span::new().days(i64::from(day.weekday().since(Weekday::Monday)))),
            Part::Month => day.first_of_month(),
            Part::Quarter => {
                let months_in = i64::from((day.month() - 1) % 3);
                day.first_of_month().saturating_sub(Span::new().months(months_in))
            }
            Part::Year => day.first_of_year(),
        }
    }

    pub(super) fn last(self, day: Date) -> Date {
        match self {
            Part::Hour | Part::Day => day,
            Part::Week => self.first(day).saturating_add(6.days()),
            Part::Month => day.last_of_month(),
            Part::Quarter => self.first(day).saturating_add(2.months()).last_of_month(),
            Part::Year => day.last_of_year(),
        }
    }
}

/// So much time: `-1d`, `1mo -1d`, or by the names of units.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Amount(Vec<(i64, Unit)>);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Unit {
    Years,
    Quarters,
    Months,
    Weeks,
    Days,
    Hours,
    Minutes,
    Seconds,
}

const UNITS: [(Unit, &str, &str); 8] = [
    (Unit::Years, "y", "years"),
    (Unit::Quarters, "q", "quarters"),
    (Unit::Months, "mo", "months"),
    (Unit::Weeks, "w", "weeks"),
    (Unit::Days, "d", "days"),
    (Unit::Hours, "h", "hours"),
    (Unit::Minutes, "min", "minutes"),
    (Unit::Seconds, "s", "seconds"),
];

/// More than any calendar has.
const MOST: i64 = 10_000_000;

impl Amount {
    /// The names that units have as arguments.
    pub const NAMES: &'static [&'static str] =
        &["years", "quarters", "months", "weeks", "days", "hours", "minutes", "seconds"];

    /// Reads `-1d`, `+2h`, `3mo`, or several, which are added one after the other.
    ///
    /// # Errors
    /// Another text.
    pub fn parse(text: &str) -> Words<Self> {
        let refused = || {
            format!("`{text}` is not an amount of time; write a count and y, q, mo, w, d, h, min or s, such as `-1d`")
        };
        let one = |word: &str| {
            let digits = word.trim_start_matches(['-', '+']);
            let split = digits.find(|letter: char| !letter.is_ascii_digit()).ok_or_else(refused)?;
            let (count, unit) = digits.split_at_checked(split).ok_or_else(refused)?;
            if unit == "m" {
                return Err(format!("`{text}` is not an amount of time; write `mo` for months, `min` for minutes"));
            }
            let (unit, _, _) = UNITS.into_iter().find(|(_, short, _)| *short == unit).ok_or_else(refused)?;
            let count: i64 = count.parse().ok().filter(|count| *count <= MOST).ok_or_else(refused)?;
            match word.len() - digits.len() {
                0 => Ok((count, unit)),
                1 => Ok((if word.starts_with('-') { -count } else { count }, unit)),
                _ => Err(refused()),
            }
        };
        let amounts = text.split_whitespace().map(one).collect::<Words<Vec<_>>>()?;
        if amounts.is_empty() { Err(refused()) } else { Ok(Self(amounts)) }
    }

    /// With so many of a unit more.
    ///
    /// # Errors
    /// A unit that there is not, and more than the calendar has.
    pub fn and(mut self, count: i64, name: &str) -> Words<Self> {
        let (unit, _, _) = UNITS
            .into_iter()
            .find(|(_, _, long)| *long == name)
            .ok_or_else(|| format!("there is no unit `{name}`; there are {}", Self::NAMES.join(", ")))?;
        if count.abs() > MOST {
            return Err(format!("`{name}={count}` is too much"));
        }
        self.0.push((count, unit));
        Ok(self)
    }
}

impl Unit {
    fn span(self, count: i64) -> Words<Span> {
        let span = Span::new();
        match self {
            Unit::Years => span.try_years(count),
            Unit::Quarters => span.try_months(count * 3),
            Unit::Months => span.try_months(count),
            Unit::Weeks => span.try_weeks(count),
            Unit::Days => span.try_days(count),
            Unit::Hours => span.try_hours(count),
            Unit::Minutes => span.try_minutes(count),
            Unit::Seconds => span.try_seconds(count),
        }
        .map_err(|_| outside())
    }

    /// Whether a label of this granularity has whole units of it.
    fn fits(self, granularity: Granularity) -> bool {
        match self {
            Unit::Years | Unit::Quarters | Unit::Months if granularity == Granularity::Day => true,
            Unit::Years => matches!(granularity, Granularity::Month | Granularity::Year),
            Unit::Quarters | Unit::Months => granularity == Granularity::Month,
            Unit::Weeks => matches!(granularity, Granularity::Hour | Granularity::Day | Granularity::Week),
            Unit::Days => matches!(granularity, Granularity::Hour | Granularity::Day),
            Unit::Hours => granularity == Granularity::Hour,
            Unit::Minutes | Unit::Seconds => false,
        }
    }
}

impl Moment {
    /// The start of the day, week, … that it lies in: a day for a date, an hour for an hour, an instant for an instant.
    ///
    /// # Errors
    /// The start of an hour of something longer; where the calendar ends.
    pub fn start_of(&self, part: Part, zone: &TimeZone) -> Words<Self> {
        if part == Part::Hour {
            return self.of_the_hour(zone, Ok);
        }
        let first = part.first(self.first_day(zone));
        match self {
            Moment::Hour(_) | Moment::Instant(_) | Moment::Local(_) => self.like(midnight(first, &self.zone(zone))?),
            _ => Ok(Moment::Day(first)),
        }
    }

    /// The end of the day, week, … that it lies in: the last day for a date, the last hour for an hour, the last second
    /// for an instant.
    ///
    /// # Errors
    /// The end of an hour of something longer; where the calendar ends.
    pub fn end_of(&self, part: Part, zone: &TimeZone) -> Words<Self> {
        if part == Part::Hour {
            let last = |hour: Zoned| hour.checked_add(SignedDuration::from_secs(3_599)).map_err(|_| outside());
            return self.of_the_hour(zone, last);
        }
        let last = part.last(self.last_day(zone));
        match self {
            Moment::Hour(_) | Moment::Instant(_) | Moment::Local(_) => {
                let after = midnight(last.tomorrow().map_err(|_| outside())?, &self.zone(zone))?;
                self.like(after.checked_sub(SignedDuration::from_secs(1)).map_err(|_| outside())?)
            }
            _ => Ok(Moment::Day(last)),
        }
    }

    fn of_the_hour(&self, zone: &TimeZone, change: impl FnOnce(Zoned) -> Words<Zoned>) -> Words<Self> {
        match self {
            Moment::Hour(_) => Ok(self.clone()),
            Moment::Instant(_) | Moment::Local(_) => {
                let start = self.start(zone)?;
                // By the instant, not by the clock, which may show this hour twice.
                let into = i64::from(start.minute()) * 60 + i64::from(start.second());
                let hour = start.checked_sub(SignedDuration::new(into, start.subsec_nanosecond()));
                self.like(change(hour.map_err(|_| outside())?)?)
            }
            _ => Err(format!("`{self}` is {}, not an hour or an instant", self.kind())),
        }
    }

    /// What this instant is for a moment of this kind.
    fn like(&self, zoned: Zoned) -> Words<Self> {
        Ok(match self {
            Moment::Hour(_) => hour(&zoned)?,
            Moment::Instant(_) => Moment::Instant(zoned.timestamp()),
            Moment::Local(_) => Moment::Local(zoned),
            _ => Moment::Day(zoned.date()),
        })
    }

    /// So much later. Days, weeks, months and years are those of the calendar: a month after 31 January is the end of
    /// February.
    ///
    /// # Errors
    /// Units that do not fit; where the calendar ends.
    pub fn add(&self, amount: &Amount, zone: &TimeZone) -> Words<Self> {
        amount.0.iter().try_fold(self.clone(), |moment, (count, unit)| moment.add_one(*count, *unit, zone))
    }

    fn add_one(&self, count: i64, unit: Unit, zone: &TimeZone) -> Words<Self> {
        let span = unit.span(count)?;
        if self.granularity().is_some_and(|granularity| !unit.fits(granularity)) {
            return Err(self.does_not_take(unit));
        }
        let later = |day: &Date| day.checked_add(span).ok().filter(|day| (0..=9999).contains(&day.year()));
        let later = |day: &Date| later(day).ok_or_else(outside);
        Ok(match self {
            Moment::Day(day) => Moment::Day(later(day)?),
            Moment::Week(day) => Moment::Week(later(day)?),
            Moment::Month(day) => Moment::Month(later(day)?),
            Moment::Year(day) => Moment::Year(later(day)?),
            Moment::Hour(_) | Moment::Instant(_) | Moment::Local(_) => {
                let sum = self.start(zone)?.checked_add(span).map_err(|_| outside())?;
                self.like(Some(sum).filter(|sum| (0..=9999).contains(&sum.year())).ok_or_else(outside)?)?
            }
        })
    }

    fn does_not_take(&self, unit: Unit) -> String {
        let name = UNITS.into_iter().find(|(other, _, _)| *other == unit).map_or("", |(_, _, name)| name);
        let what = match self {
            Moment::Hour(_) => "add hours, days or weeks, or take its instant first: `| start`",
            Moment::Day(_) => "add days or more, or take its first instant first: `| start`",
            Moment::Week(_) => "add weeks, or take a day first: `| start_of_week`",
            Moment::Month(_) => "add months or years, or take a day first: `| start_of_month`",
            Moment::Year(_) => "add years, or take a day first: `| start_of_year`",
            Moment::Instant(_) | Moment::Local(_) => "",
        };
        format!("`{self}` is {}, and {name} cannot be added to it; {what}", self.kind())
    }

    /// The label so many places on.
    ///
    /// # Errors
    /// An instant; where the calendar ends.
    pub fn next(&self, count: i64, zone: &TimeZone) -> Words<Self> {
        let unit = match self {
            Moment::Hour(_) => "hours",
            Moment::Day(_) => "days",
            Moment::Week(_) => "weeks",
            Moment::Month(_) => "months",
            Moment::Year(_) => "years",
            Moment::Instant(_) | Moment::Local(_) => {
                return Err(format!("`{self}` is an instant and has no next; say how much later: `| add('1d')`"));
            }
        };
        self.add(&Amount::default().and(count, unit)?, zone)
    }

    /// The label of this granularity that it lies in.
    ///
    /// # Errors
    /// A finer one; one that does not nest.
    pub fn label(&self, granularity: Granularity, zone: &TimeZone) -> Words<Self> {
        let wanted = granularity.as_str();
        let finer = self.granularity().is_some_and(|own| own > granularity);
        // A week may lie in two months and two years.
        let split = matches!(self, Moment::Week(_)) && granularity > Granularity::Week;
        if granularity == Granularity::None || finer || split {
            let help = match self {
                _ if granularity == Granularity::None => "write hour, day, week, month or year",
                Moment::Week(_) => "take a day first: `| start_of_week`",
                Moment::Month(_) => "take a day first: `| start_of_month`",
                Moment::Year(_) => "take a day first: `| start_of_year`",
                _ => "take its first instant first: `| start`",
            };
            return Err(format!("`{self}` is {}, and lies in no single {wanted}; {help}", self.kind()));
        }
        let day = self.first_day(zone);
        Ok(match granularity {
            Granularity::None | Granularity::Hour => hour(&self.start(zone)?)?,
            Granularity::Day => Moment::Day(day),
            Granularity::Week => Moment::Week(Part::Week.first(day)),
            Granularity::Month => Moment::Month(day.first_of_month()),
            Granularity::Year => Moment::Year(day.first_of_year()),
        })
    }
}

/// The hour of UTC that holds an instant.
fn hour(zoned: &Zoned) -> Words<Moment> {
    let instant = zoned.timestamp();
    let into = instant.as_second().rem_euclid(3_600);
    let start = instant.checked_sub(SignedDuration::new(into, instant.subsec_nanosecond())).map_err(|_| outside())?;
    Ok(Moment::Hour(start))
}
