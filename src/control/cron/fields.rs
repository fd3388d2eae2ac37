//! One field at a time: values, lists, ranges, steps, and the wildcards of AWS's two day fields.

use std::ops::Range;

use super::{Days, MonthDays, ReadDays, WeekDays};
use crate::source::Problem;

/// A field's text and where it stands in the expression.
pub(super) struct Token<'a> {
    pub text: &'a str,
    pub range: Range<usize>,
}

impl<'a> Token<'a> {
    pub fn new(text: &'a str, range: Range<usize>) -> Self {
        Self { text, range }
    }

    /// The parts between separators, each with its place.
    fn split(&self, separator: char) -> impl Iterator<Item = Token<'a>> {
        let mut start = self.range.start;
        self.text.split(separator).map(move |text| {
            let token = Token::new(text, start..start + text.len());
            start += text.len() + separator.len_utf8();
            token
        })
    }
}

/// What a field may hold.
pub(super) struct Spec {
    /// `minute`.
    pub name: &'static str,
    /// `a minute`.
    pub one: &'static str,
    pub min: i16,
    pub max: i16,
    /// Names of the values from `first_name` on.
    pub names: &'static [&'static str],
    pub first_name: i16,
}

pub(super) const MINUTE: Spec = Spec { name: "minute", one: "a minute", min: 0, max: 59, names: &[], first_name: 0 };
pub(super) const HOUR: Spec = Spec { name: "hour", one: "an hour", min: 0, max: 23, names: &[], first_name: 0 };
pub(super) const MONTH_DAY: Spec =
    Spec { name: "day of month", one: "a day of month", min: 1, max: 31, names: &[], first_name: 0 };
pub(super) const MONTH: Spec = Spec { name: "month", one: "a month", min: 1, max: 12, names: MONTHS, first_name: 1 };
pub(super) const WEEK_DAY: Spec =
    Spec { name: "day of week", one: "a day of week", min: 1, max: 7, names: WEEK_DAYS, first_name: 1 };
/// Ordinary cron counts from Sunday, 0, and takes 7 for Sunday too.
pub(super) const ORDINARY_WEEK_DAY: Spec =
    Spec { name: "day of week", one: "a day of week", min: 0, max: 7, names: WEEK_DAYS, first_name: 0 };
pub(super) const YEAR: Spec = Spec { name: "year", one: "a year", min: 1970, max: 2199, names: &[], first_name: 0 };

const MONTHS: &[&str] = &["JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC"];
pub(super) const WEEK_DAYS: &[&str] = &["SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT"];

impl Spec {
    fn range(&self) -> String {
        match self.names {
            [first, .., last] => format!("{} to {} or {first} to {last}", self.min, self.max),
            _ => format!("{} to {}", self.min, self.max),
        }
    }

    /// One number or name.
    fn value(&self, token: &Token<'_>) -> Result<i16, Problem> {
        if let Some(place) = self.names.iter().position(|name| name.eq_ignore_ascii_case(token.text)) {
            return Ok(self.first_name + i16::try_from(place).unwrap_or_default());
        }
        if token.text.is_empty() {
            return Err(Problem::new(token.range.clone(), format!("{} is missing here", self.one))
                .help(format!("write {}", self.range())));
        }
        if !token.text.bytes().all(|byte| byte.is_ascii_digit()) {
            return Err(self.not_a_value(token));
        }
        let value = token.text.parse().ok().filter(|value| (self.min..=self.max).contains(value));
        value.ok_or_else(|| self.out_of_range(token))
    }

    fn not_a_value(&self, token: &Token<'_>) -> Problem {
        let problem = Problem::new(token.range.clone(), format!("`{}` is not {}", token.text, self.one));
        let upper = token.text.to_ascii_uppercase();
        match self.names.iter().find(|name| upper.starts_with(**name)) {
            Some(name) => problem.help(format!("write `{name}`")),
            None => problem.help(format!("write {}, `*`, a list, a range or a step", self.range())),
        }
    }

    fn out_of_range(&self, token: &Token<'_>) -> Problem {
        let problem = Problem::new(token.range.clone(), format!("`{}` is not {}", token.text, self.one));
        match (self.name, token.text) {
            ("day of week", "0") => problem
                .why("in AWS's six fields the week is 1 (SUN) to 7 (SAT); 0 is Sunday in ordinary cron of five fields")
                .help("write `1` or `SUN`"),
            ("hour", "24") => problem.help("midnight is hour `0`"),
            ("minute", _) => problem.help("write 0 to 59; a period that does not divide an hour is a `rate`"),
            _ => problem.help(format!("write {}", self.range())),
        }
    }
}

/// The whole expression without the blanks around it.
pub(super) fn whole(text: &str) -> Range<usize> {
    let start = text.len() - text.trim_start().len();
    start..start.max(text.trim_end().len())
}

/// The fields, which blanks separate.
pub(super) fn tokens(text: &str) -> Vec<Token<'_>> {
    let mut tokens = Vec::new();
    let mut at = 0;
    for part in text.split_inclusive(char::is_whitespace) {
        let field = part.trim_end();
        if !field.is_empty() {
            tokens.push(Token::new(field, at..at + field.len()));
        }
        at += part.len();
    }
    tokens
}

/// The values of a field, ascending. Problems are pushed; then the values do not matter.
pub(super) fn values(spec: &Spec, token: &Token<'_>, problems: &mut Vec<Problem>) -> Vec<i16> {
    let mut values = Vec::new();
    for item in token.split(',') {
        match item_values(spec, &item) {
            Ok(some) => values.extend(some),
            Err(problem) => problems.push(problem),
        }
    }
    values.sort_unstable();
    values.dedup();
    values
}

/// `*`, `5`, `5-9`, each with an optional `/step`.
fn item_values(spec: &Spec, item: &Token<'_>) -> Result<Vec<i16>, Problem> {
    let mut parts = item.split('/');
    let (Some(base), step) = (parts.next(), parts.next()) else { return Ok(Vec::new()) };
    if parts.next().is_some() {
        return Err(Problem::new(item.range.clone(), format!("`{}` has two steps", item.text)).help("write one `/`"));
    }
    let (first, last) = match (base.text, &step) {
        ("*", _) => (spec.min, spec.max),
        ("", Some(_)) => {
            return Err(Problem::new(item.range.clone(), format!("`{}` does not say where to begin", item.text))
                .help(format!("write `*{}`", item.text)));
        }
        _ => bounds(spec, &base, step.is_some())?,
    };
    let step = step.map_or(Ok(1), |step| step_of(spec, &step))?;
    Ok((first..=last).step_by(step).collect())
}

/// `5` or `5-9`; `5/…` goes on to the end.
fn bounds(spec: &Spec, base: &Token<'_>, stepped: bool) -> Result<(i16, i16), Problem> {
    if base.text == "?" {
        return Err(Problem::new(base.range.clone(), format!("`?` cannot be {}", spec.one))
            .why("`?` means \"see the other day field\" and stands in one of the two day fields only")
            .help("write `*`"));
    }
    let ends: Vec<Token<'_>> = base.split('-').collect();
    match ends.as_slice() {
        [first, last] => {
            let (from, to) = (spec.value(first)?, spec.value(last)?);
            if from > to {
                let wrapped = format!("{from}-{},{}-{to}", spec.max, spec.min);
                return Err(Problem::new(base.range.clone(), format!("`{}` runs backwards", base.text))
                    .why("a range goes from the smaller to the larger value")
                    .help(format!("write `{wrapped}`")));
            }
            Ok((from, to))
        }
        _ => spec.value(base).map(|value| (value, if stepped { spec.max } else { value })),
    }
}

fn step_of(spec: &Spec, step: &Token<'_>) -> Result<usize, Problem> {
    let most = spec.max - spec.min;
    let refused = || {
        Problem::new(step.range.clone(), format!("`{}` is not a step of {}s", step.text, spec.name))
            .help(format!("write 1 to {most}"))
    };
    let value: i16 = step.text.parse().map_err(|_| refused())?;
    usize::try_from(value).ok().filter(|_| (1..=most).contains(&value)).ok_or_else(refused)
}

/// The two day fields of six: exactly one is `?`.
pub(super) fn days(
    month_day: &Token<'_>,
    week_day: &Token<'_>,
    all: &[Token<'_>],
    problems: &mut Vec<Problem>,
) -> ReadDays {
    let days = match (month_day.text, week_day.text) {
        ("?", "?") => {
            problems.push(
                Problem::new(week_day.range.clone(), "both day fields are `?`")
                    .why("each `?` points at the other field, so no day is named")
                    .help(format!("for every day write `{}`", with_days(all, "*", "?"))),
            );
            return None;
        }
        ("?", _) => by_week(week_day, problems)?,
        (_, "?") => by_month(month_day, problems)?,
        (month, week) => {
            let mut inner = Vec::new();
            by_month(month_day, &mut inner);
            by_week(week_day, &mut inner);
            problems.append(&mut inner);
            problems.push(both_days(month, week, week_day.range.clone(), all));
            return None;
        }
    };
    let week = match &days {
        Days::OfWeek(WeekDays::Last(day)) => format!("{day}L"),
        Days::OfWeek(WeekDays::Nth(day, nth)) => format!("{day}#{nth}"),
        _ => week_day.text.to_ascii_uppercase(),
    };
    Some((month_day.text.to_ascii_uppercase(), week, days))
}

fn both_days(month: &str, week: &str, range: Range<usize>, all: &[Token<'_>]) -> Problem {
    let problem = Problem::new(range, "both day fields are set")
        .why("AWS reads one of day of month and day of week and wants `?` in the other");
    match (month, week) {
        (_, "*") => problem.help(format!("write `{}`", with_days(all, month, "?"))),
        ("*", _) => problem.help(format!("write `{}`", with_days(all, "?", week))),
        _ => problem.help(format!(
            "for days that match either, write two schedules: `{}` and `{}`",
            with_days(all, month, "?"),
            with_days(all, "?", week)
        )),
    }
}

/// The expression as six fields with other day fields.
pub(super) fn with_days(all: &[Token<'_>], month_day: &str, week_day: &str) -> String {
    let text = |place: usize| all.get(place).map_or("*", |token| token.text);
    format!("{} {} {month_day} {} {week_day} {}", text(0), text(1), text(3), text(5))
}

/// Day of month: values, or one of `L`, `L-3`, `LW`, `15W`.
fn by_month(token: &Token<'_>, problems: &mut Vec<Problem>) -> Option<Days> {
    let upper = token.text.to_ascii_uppercase();
    if !upper.contains(['L', 'W']) {
        let days = values(&MONTH_DAY, token, problems);
        return Some(if days.len() == 31 { Days::Every } else { Days::OfMonth(MonthDays::On(days)) });
    }
    let refuse = |problems: &mut Vec<Problem>, problem: Problem| {
        problems.push(problem);
        None
    };
    let bad =
        |help: &str| Problem::new(token.range.clone(), format!("`{}` is not a day of month", token.text)).help(help);
    if upper.contains(',') {
        let why = "AWS takes `L` and `W` alone, not in a list";
        return refuse(problems, bad("write one schedule for each").why(why));
    }
    if upper == "L" {
        return Some(Days::OfMonth(MonthDays::Last(0)));
    }
    if upper == "LW" {
        return Some(Days::OfMonth(MonthDays::LastWeekday));
    }
    if let Some(back) = upper.strip_prefix("L-") {
        return match back.parse() {
            Ok(back @ 1..=30) => Some(Days::OfMonth(MonthDays::Last(back))),
            _ => refuse(problems, bad("write `L-1` to `L-30`: so many days before the last day of the month")),
        };
    }
    match upper.strip_suffix('W').map(str::parse) {
        Some(Ok(day @ 1..=31)) => Some(Days::OfMonth(MonthDays::Nearest(day))),
        _ => refuse(
            problems,
            bad("write `L` for the last day, `LW` for the last weekday, `15W` for the weekday nearest to the 15th"),
        ),
    }
}

/// Day of week: values, or one of `L`, `6L`, `2#1`.
fn by_week(token: &Token<'_>, problems: &mut Vec<Problem>) -> Option<Days> {
    let upper = token.text.to_ascii_uppercase();
    let single = |day: &str, problems: &mut Vec<Problem>| {
        let day = Token::new(
            token.text.get(..day.len()).unwrap_or_default(),
            token.range.start..token.range.start + day.len(),
        );
        WEEK_DAY.value(&day).map_err(|problem| problems.push(problem)).ok()
    };
    let refuse = |problems: &mut Vec<Problem>, help: &str, why: &str| {
        let problem = Problem::new(token.range.clone(), format!("`{}` is not a day of week", token.text));
        problems.push(problem.why(why).help(help));
        None
    };
    if upper.contains('#') {
        let mut parts = upper.split('#');
        return match (parts.next(), parts.next().map(str::parse), parts.next()) {
            (Some(day), Some(Ok(nth @ 1..=5)), None) => Some(Days::OfWeek(WeekDays::Nth(single(day, problems)?, nth))),
            (_, _, Some(_)) => refuse(problems, "write one schedule for each", "AWS takes one `#` in an expression"),
            _ => {
                refuse(problems, "write `2#1` for the first Monday", "after `#` stands which one of the month, 1 to 5")
            }
        };
    }
    if upper == "L" {
        return Some(Days::OfWeek(WeekDays::On(vec![7])));
    }
    if let Some(day) = upper.strip_suffix('L') {
        if day.contains([',', '-', '/']) {
            let why = "AWS takes `L` with one day, not in a list";
            return refuse(problems, "write one schedule for each", why);
        }
        return Some(Days::OfWeek(WeekDays::Last(single(day, problems)?)));
    }
    let days = values(&WEEK_DAY, token, problems);
    Some(if days.len() == 7 { Days::Every } else { Days::OfWeek(WeekDays::On(days)) })
}
