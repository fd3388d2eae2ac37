//! What the calendar says of a moment: numbers, lists, and yes or no.

use jiff::civil::{Date, Weekday};
use jiff::tz::TimeZone;
use jiff::{SignedDuration, ToSpan};

use super::change::Part;
use super::{Moment, Words, outside};

/// Days that are no business days although they are no weekend.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Holidays(Vec<Date>);

impl Holidays {
    /// Reads a list of days.
    ///
    /// # Errors
    /// One that is no day.
    pub fn read<'a>(days: impl IntoIterator<Item = &'a str>) -> Words<Self> {
        let day = |text: &str| match Moment::read(text)? {
            Moment::Day(day) => Ok(day),
            other => Err(format!("a holiday is a day such as `2026-12-25`; `{other}` is {}", other.kind())),
        };
        days.into_iter().map(day).collect::<Words<_>>().map(Self)
    }

    fn is_business_day(&self, day: Date) -> bool {
        !is_weekend(day) && !self.0.contains(&day)
    }

    /// The business day so many business days on: 1 is the next, -1 the one before, 0 the day itself or the next.
    fn after(&self, day: Date, count: i64) -> Words<Date> {
        // A year has about 260; whoever is further off reckons in years.
        if count.abs() > 10_000 {
            return Err("at most 10000 business days can be added".to_owned());
        }
        let step = |day: Date| if count < 0 { day.yesterday() } else { day.tomorrow() };
        let mut day = day;
        let mut left = count.abs();
        if count == 0 {
            while !self.is_business_day(day) {
                day = day.tomorrow().map_err(|_| outside())?;
            }
        }
        while left > 0 {
            day = step(day).map_err(|_| outside())?;
            left -= i64::from(self.is_business_day(day));
        }
        Ok(day)
    }
}

fn is_weekend(day: Date) -> bool {
    matches!(day.weekday(), Weekday::Saturday | Weekday::Sunday)
}

const WEEKDAYS: [(&str, Weekday); 7] = [
    ("monday", Weekday::Monday),
    ("tuesday", Weekday::Tuesday),
    ("wednesday", Weekday::Wednesday),
    ("thursday", Weekday::Thursday),
    ("friday", Weekday::Friday),
    ("saturday", Weekday::Saturday),
    ("sunday", Weekday::Sunday),
];

impl Moment {
    /// Questions that a day answers; the last three take holidays.
    pub const QUESTIONS: &'static [&'static str] = &[
        "first_day_of_week",
        "first_day_of_month",
        "first_day_of_quarter",
        "first_day_of_year",
        "last_day_of_week",
        "last_day_of_month",
        "last_day_of_quarter",
        "last_day_of_year",
        "leap_year",
        "weekend",
        "monday",
        "tuesday",
        "wednesday",
        "thursday",
        "friday",
        "saturday",
        "sunday",
        "business_day",
        "first_business_day_of_month",
        "last_business_day_of_month",
    ];

    /// The answer to one of [`Moment::QUESTIONS`].
    ///
    /// # Errors
    /// A week, month or year, which has several days and so several answers.
    pub fn is(&self, question: &str, holidays: &Holidays, zone: &TimeZone) -> Words<bool> {
        if let (Moment::Month(first) | Moment::Year(first), "leap_year") = (self, question) {
            return Ok(first.in_leap_year());
        }
        let day = self.one_day(zone)?;
        let part = |name: &str| Part::ALL.into_iter().find(|part| part.as_str() == name);
        if let Some(part) = question.strip_prefix("first_day_of_").and_then(part) {
            return Ok(part.first(day) == day);
        }
        if let Some(part) = question.strip_prefix("last_day_of_").and_then(part) {
            return Ok(part.last(day) == day);
        }
        if let Some((_, weekday)) = WEEKDAYS.into_iter().find(|(name, _)| *name == question) {
            return Ok(day.weekday() == weekday);
        }
        match question {
            "leap_year" => Ok(day.in_leap_year()),
            "weekend" => Ok(is_weekend(day)),
            "business_day" => Ok(holidays.is_business_day(day)),
            "first_business_day_of_month" => Ok(holidays.after(day.first_of_month(), 0)? == day),
            "last_business_day_of_month" => {
                let next = holidays.after(day, 1)?;
                Ok(holidays.is_business_day(day) && next.first_of_month() != day.first_of_month())
            }
            _ => Err(format!("there is no test `{question}`")),
        }
    }

    /// Numbers that a moment has.
    pub const NUMBERS: &'static [&'static str] = &[
        "year",
        "quarter",
        "month",
        "day",
        "hour",
        "minute",
        "weekday",
        "day_of_year",
        "days_in_month",
        "iso_week",
        "iso_year",
        "epoch",
        "epoch_millis",
    ];

    /// One of [`Moment::NUMBERS`].
    ///
    /// # Errors
    /// A number that this kind of moment does not have.
    pub fn number(&self, name: &str, zone: &TimeZone) -> Words<i64> {
        let first = self.first_day(zone);
        let number = match (name, self) {
            ("epoch", _) => self.start(zone)?.timestamp().as_second(),
            ("epoch_millis", _) => self.start(zone)?.timestamp().as_millisecond(),
            ("year", Moment::Month(_) | Moment::Year(_)) => first.year().into(),
            ("month", Moment::Month(_)) => first.month().into(),
            ("quarter", Moment::Month(_)) => quarter(first),
            ("days_in_month", Moment::Month(_)) => first.days_in_month().into(),
            ("iso_week", Moment::Week(_)) => first.iso_week_date().week().into(),
            ("iso_year", Moment::Week(_)) => first.iso_week_date().year().into(),
            ("year", Moment::Week(_)) => {
                return Err(format!("`{self}` is a week and may lie in two years; write `iso_year`"));
            }
            ("hour" | "minute", Moment::Day(_) | Moment::Week(_) | Moment::Month(_) | Moment::Year(_)) => {
                return Err(format!("`{self}` is {} and has no {name}", self.kind()));
            }
            ("hour", _) => self.start(zone)?.hour().into(),
            ("minute", _) => self.start(zone)?.minute().into(),
            _ => return number_of_day(name, self.one_day(zone)?),
        };
        Ok(number)
    }

    /// How many days from this one's first day to another's: negative if the other is earlier.
    pub fn days_between(&self, other: &Moment, zone: &TimeZone) -> i64 {
        let (from, to) = (self.first_day(zone), other.first_day(zone));
        from.until(to).map_or(0, |span| span.get_days().into())
    }

    /// The business day so many business days on.
    ///
    /// # Errors
    /// A week, month or year.
    pub fn add_business_days(&self, count: i64, holidays: &Holidays, zone: &TimeZone) -> Words<Self> {
        Ok(Moment::Day(holidays.after(self.one_day(zone)?, count)?))
    }

    /// Every day of it, in order.
    ///
    /// # Errors
    /// What is shorter than a day.
    pub fn days(&self, zone: &TimeZone) -> Words<Vec<Self>> {
        if matches!(self, Moment::Hour(_) | Moment::Instant(_) | Moment::Local(_)) {
            return Err(format!("`{self}` is {} and has no days", self.kind()));
        }
        let last = self.last_day(zone);
        Ok(self.first_day(zone).series(1.day()).take_while(|day| *day <= last).map(Moment::Day).collect())
    }

    /// Every hour that begins in it, in order: 23, 24 or 25 in a day of the zone.
    ///
    /// # Errors
    /// An instant; where the calendar ends.
    pub fn hours(&self, zone: &TimeZone) -> Words<Vec<Self>> {
        let (start, end) = (self.start(zone)?.timestamp(), self.end(zone)?);
        let hour = |at: i64| jiff::Timestamp::from_second(at).map(Moment::Hour).map_err(|_| outside());
        let first = start.as_second() + (-start.as_second()).rem_euclid(3_600);
        let hours = usize::try_from(SignedDuration::from_hours(1).as_secs()).unwrap_or(3_600);
        (first..end.as_second()).step_by(hours).map(hour).collect()
    }

    /// The twelve months of a year.
    ///
    /// # Errors
    /// Anything but a year.
    pub fn months(&self) -> Words<Vec<Self>> {
        match self {
            Moment::Year(first) => Ok(first.series(1.month()).take(12).map(Moment::Month).collect()),
            _ => Err(format!("`{self}` is {} and has no months", self.kind())),
        }
    }
}

fn quarter(day: Date) -> i64 {
    i64::from((day.month() - 1) / 3 + 1)
}

fn number_of_day(name: &str, day: Date) -> Words<i64> {
    Ok(match name {
        "year" => day.year().into(),
        "quarter" => quarter(day),
        "month" => day.month().into(),
        "day" => day.day().into(),
        "weekday" => day.weekday().to_monday_one_offset().into(),
        "day_of_year" => day.day_of_year().into(),
        "days_in_month" => day.days_in_month().into(),
        "iso_week" => day.iso_week_date().week().into(),
        "iso_year" => day.iso_week_date().year().into(),
        _ => return Err(format!("there is no filter `{name}`")),
    })
}
