//! Cron expressions: AWS's six fields, and ordinary cron's five, which are rewritten to six.
//!
//! In comes the text that a user typed; out comes a [`Cron`] in AWS form, or every [`Problem`] with its bytes. It refuses
//! to know time zones and what is scheduled. The rules are those of EventBridge Scheduler:
//! <https://docs.aws.amazon.com/scheduler/latest/UserGuide/schedule-types.html#cron-based>.

mod fields;
mod ordinary;

use std::fmt;
use std::ops::Range;

use jiff::civil::{Date, DateTime, Weekday};

use crate::source::Problem;
use fields::{HOUR, MINUTE, MONTH, Spec, Token, YEAR};

/// A cron expression that EventBridge Scheduler takes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cron {
    text: String,
    /// 0 to 59, ascending.
    pub minutes: Vec<i16>,
    /// 0 to 23, ascending.
    pub hours: Vec<i16>,
    /// Which days of the months.
    pub days: Days,
    /// 1 to 12, ascending.
    pub months: Vec<i16>,
    /// 1970 to 2199, ascending.
    pub years: Vec<i16>,
    /// Where the user typed the years.
    year_at: Range<usize>,
}

/// The two day fields, of which AWS reads one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Days {
    /// Each.
    Every,
    /// By day of month.
    OfMonth(MonthDays),
    /// By day of week.
    OfWeek(WeekDays),
}

/// Days by their place in the month.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum MonthDays {
    /// These days, ascending.
    On(Vec<i16>),
    /// `L`: the last day; `L-3`: so many days before it.
    Last(i16),
    /// `15W`: the Monday-to-Friday day of the same month that is nearest.
    Nearest(i16),
    /// `LW`: the last Monday-to-Friday day.
    LastWeekday,
}

/// Days by their place in the week; 1 is Sunday.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum WeekDays {
    /// These days, ascending.
    On(Vec<i16>),
    /// `6L`: the last Friday of the month.
    Last(i16),
    /// `2#1`: the first Monday of the month.
    Nth(i16, i16),
}

/// In AWS's form, without the `cron( )` around it.
impl fmt::Display for Cron {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

/// Reads an expression; all its problems, if it has any.
pub fn parse(text: &str) -> Result<Cron, Vec<Problem>> {
    let all = fields::whole(text);
    if let Some(problem) = not_fields(text, &all) {
        return Err(vec![problem]);
    }
    let tokens = fields::tokens(text);
    match tokens.as_slice() {
        [minute, hour, month_day, month, week_day, year] => {
            if let Some(problem) = seconds_first(&tokens) {
                return Err(vec![problem]);
            }
            build(&[minute, hour, month, year], |problems| fields::days(month_day, week_day, &tokens, problems))
        }
        [minute, hour, month_day, month, week_day] => ordinary::read(&tokens).and_then(|()| {
            let year = Token::new("*", all.end..all.end);
            build(&[minute, hour, month, &year], |problems| ordinary::days(month_day, week_day, &tokens, problems))
        }),
        _ => Err(vec![wrong_count(&tokens, all)]),
    }
}

type ReadDays = Option<(String, String, Days)>;

/// Reads the plain fields and the two day fields, then asks whether any day is left.
fn build(plain: &[&Token<'_>; 4], days: impl FnOnce(&mut Vec<Problem>) -> ReadDays) -> Result<Cron, Vec<Problem>> {
    let mut problems = Vec::new();
    let mut read = |spec: &Spec, token: &Token<'_>| fields::values(spec, token, &mut problems);
    let [minute, hour, month, year] = plain;
    let (minutes, hours) = (read(&MINUTE, minute), read(&HOUR, hour));
    let (months, years) = (read(&MONTH, month), read(&YEAR, year));
    let days = days(&mut problems);
    problems.sort_by_key(|problem| problem.range.start);
    let Some((month_day, week_day, days)) = days.filter(|_| problems.is_empty()) else { return Err(problems) };
    let typed = |token: &Token<'_>| token.text.to_ascii_uppercase();
    let text = format!("{} {} {month_day} {} {week_day} {}", typed(minute), typed(hour), typed(month), typed(year));
    let cron = Cron { text, minutes, hours, days, months, years, year_at: year.range.clone() };
    let fires = cron.dates(Date::constant(1970, 1, 1)).next().is_some();
    if fires { Ok(cron) } else { Err(vec![no_such_day(&cron, minute.range.start..year.range.end)]) }
}

impl Cron {
    /// The dates on which it fires, from `first` on.
    pub fn dates(&self, first: Date) -> impl Iterator<Item = Date> + '_ {
        let years = self.years.iter().copied().filter(move |year| *year >= first.year());
        let months = years.flat_map(|year| self.months.iter().map(move |month| (year, *month)));
        months.flat_map(|(year, month)| self.dates_in(year, month)).filter(move |date| *date >= first)
    }

    /// The local times at which it fires, from the start of `first` on, whether or not the clocks show them.
    pub fn times(&self, first: Date) -> impl Iterator<Item = DateTime> + '_ {
        self.dates(first).flat_map(move |date| {
            self.hours.iter().flat_map(move |hour| {
                // Fields are in range, so narrowing keeps them.
                self.minutes.iter().map(move |minute| date.at(*hour as i8, *minute as i8, 0, 0))
            })
        })
    }

    /// Says so if no time is left after `now`, a local date: `0 3 1 1 ? 2020`.
    pub fn past(&self, now: Date) -> Option<Problem> {
        if self.dates(now).next().is_some() {
            return None;
        }
        let last = self.years.last().copied().unwrap_or_default();
        let problem =
            Problem::new(self.year_at.clone(), format!("this schedule has fired for the last time in {last}"));
        Some(problem.why("all its times are in the past, so it would never start a run").help("write `*` for the year"))
    }

    fn dates_in(&self, year: i16, month: i16) -> Vec<Date> {
        let Ok(first) = Date::new(year, month as i8, 1) else { return Vec::new() };
        let last = first.days_in_month();
        let day = |day: i16| Date::new(year, month as i8, i8::try_from(day).ok()?).ok();
        let of_week =
            |week_day: i16| (1..=i16::from(last)).filter_map(day).filter(move |date| number(*date) == week_day);
        match &self.days {
            Days::Every => (1..=i16::from(last)).filter_map(day).collect(),
            Days::OfMonth(MonthDays::On(days)) => days.iter().copied().filter_map(day).collect(),
            Days::OfMonth(MonthDays::Last(back)) => day(i16::from(last) - back).into_iter().collect(),
            Days::OfMonth(MonthDays::Nearest(wanted)) => day(*wanted).and_then(nearest_weekday).into_iter().collect(),
            Days::OfMonth(MonthDays::LastWeekday) => nearest_weekday(first.last_of_month()).into_iter().collect(),
            Days::OfWeek(WeekDays::On(days)) => {
                (1..=i16::from(last)).filter_map(day).filter(|date| days.contains(&number(*date))).collect()
            }
            Days::OfWeek(WeekDays::Last(week_day)) => of_week(*week_day).next_back().into_iter().collect(),
            Days::OfWeek(WeekDays::Nth(week_day, nth)) => {
                of_week(*week_day).nth(usize::try_from(nth - 1).unwrap_or(0)).into_iter().collect()
            }
        }
    }
}

/// AWS's number of a day's weekday: Sunday is 1.
fn number(date: Date) -> i16 {
    i16::from(date.weekday().to_sunday_one_offset())
}

/// The Monday to Friday nearest to a date within its month.
fn nearest_weekday(date: Date) -> Option<Date> {
    let shift = match date.weekday() {
        Weekday::Saturday if date.day() == 1 => 2,
        Weekday::Saturday => -1,
        Weekday::Sunday if date == date.last_of_month() => -2,
        Weekday::Sunday => 1,
        _ => 0,
    };
    date.checked_add(jiff::Span::new().days(shift)).ok()
}

/// Texts that are not fields at all.
fn not_fields(text: &str, all: &Range<usize>) -> Option<Problem> {
    let trimmed = text.trim();
    if trimmed.is_empty() {
        return Some(Problem::new(0..text.len(), "the cron expression is empty").help(SIX_FIELDS));
    }
    if trimmed.starts_with('@') {
        let problem = Problem::new(all.clone(), format!("`{trimmed}` is not a cron expression of AWS"));
        return Some(match nickname(&trimmed.to_ascii_lowercase()) {
            Some(fields) => problem.help(format!("did you mean `{fields}`?")),
            None => problem.help(SIX_FIELDS),
        });
    }
    let inner = trimmed.strip_prefix("cron(")?;
    let inner = inner.strip_suffix(')').unwrap_or(inner).trim();
    Some(Problem::new(all.clone(), "`cron( )` is added by dpc").help(format!("write `{inner}`")))
}

const SIX_FIELDS: &str = "write minute, hour, day of month, month, day of week and year, such as `0 3 * * ? *`";

fn nickname(name: &str) -> Option<&'static str> {
    Some(match name {
        "@hourly" => "0 * * * ? *",
        "@daily" | "@midnight" => "0 0 * * ? *",
        "@weekly" => "0 0 ? * SUN *",
        "@monthly" => "0 0 1 * ? *",
        "@yearly" | "@annually" => "0 0 1 1 ? *",
        _ => return None,
    })
}

/// `0 0 3 * * ?`: the cron of Quartz and Spring, which begins with seconds and has no year.
fn seconds_first(tokens: &[Token<'_>]) -> Option<Problem> {
    let year = tokens.last().filter(|token| token.text == "?")?;
    let without: Vec<&str> = tokens.iter().skip(1).map(|token| token.text).chain(["*"]).collect();
    Some(
        Problem::new(year.range.clone(), "`?` is not a year")
            .why("AWS reads minute, hour, day of month, month, day of week, year; other tools put seconds first")
            .help(format!("if the first field is seconds, write `{}`", without.join(" "))),
    )
}

fn wrong_count(tokens: &[Token<'_>], all: Range<usize>) -> Problem {
    let problem = Problem::new(all, format!("a cron expression has five or six fields, this has {}", tokens.len()));
    if tokens.len() == 7 {
        let without: Vec<&str> = tokens.iter().skip(1).map(|token| token.text).collect();
        return problem.help(format!("AWS has no seconds: if they come first, write `{}`", without.join(" ")));
    }
    problem.help(SIX_FIELDS)
}

fn no_such_day(cron: &Cron, all: Range<usize>) -> Problem {
    Problem::new(all, format!("`{cron}` never fires"))
        .why("no month and year that it names has such a day")
        .help("check day of month, month and year; `L` is the last day of any month")
}

#[cfg(test)]
mod tests;
