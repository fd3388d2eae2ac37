//! Ordinary cron of five fields, said in AWS's six.

use super::fields::{MONTH_DAY, ORDINARY_WEEK_DAY, Token, WEEK_DAYS, values, with_days};
use super::{Days, MonthDays, ReadDays, WeekDays};
use crate::source::Problem;

/// Refuses five fields that are really AWS's with one missing.
pub(super) fn read(tokens: &[Token<'_>]) -> Result<(), Vec<Problem>> {
    let foreign = |token: &&Token<'_>| token.text.contains(['?', '#']) || is_last(token.text);
    let Some(token) = tokens.iter().skip(2).find(foreign) else { return Ok(()) };
    let typed: Vec<&str> = tokens.iter().map(|token| token.text).collect();
    Err(vec![
        Problem::new(token.range.clone(), format!("`{}` belongs to AWS's six fields, and this has five", token.text))
            .why("the sixth field is the year")
            .help(format!("write `{} *`", typed.join(" "))),
    ])
}

/// `L`, `LW`, `15W`, `6L`, but not `JUL` or `WED`.
fn is_last(text: &str) -> bool {
    let upper = text.to_ascii_uppercase();
    upper.starts_with('L')
        || upper.strip_suffix(['L', 'W']).is_some_and(|rest| rest.bytes().all(|b| b.is_ascii_digit()))
}

/// The two day fields of five: `*` in one of them leaves the other to decide.
pub(super) fn days(
    month_day: &Token<'_>,
    week_day: &Token<'_>,
    all: &[Token<'_>],
    problems: &mut Vec<Problem>,
) -> ReadDays {
    let before = problems.len();
    let month = values(&MONTH_DAY, month_day, problems);
    let week = aws_numbers(values(&ORDINARY_WEEK_DAY, week_day, problems));
    if problems.len() > before {
        return None;
    }
    match (month_day.text, week_day.text) {
        ("*", "*") => Some(("*".into(), "?".into(), Days::Every)),
        (text, "*") => Some((text.into(), "?".into(), Days::OfMonth(MonthDays::On(month)))),
        ("*", _) if week.len() == 7 => Some(("*".into(), "?".into(), Days::Every)),
        ("*", _) => Some(("?".into(), names(&week), Days::OfWeek(WeekDays::On(week)))),
        (text, _) => {
            problems.push(both_days(week_day, with_days(all, text, "?"), with_days(all, "?", &names(&week)), all));
            None
        }
    }
}

fn both_days(at: &Token<'_>, by_month: String, by_week: String, all: &[Token<'_>]) -> Problem {
    let problem = Problem::new(at.range.clone(), "both day fields are set, and AWS reads one");
    let starred = all.iter().skip(2).any(|token| token.text.starts_with("*/"));
    if starred {
        return problem
            .why("with a step of `*` ordinary cron wants both to match, which AWS cannot say")
            .help(format!("keep one of them: `{by_month}` or `{by_week}`"));
    }
    problem
        .why("ordinary cron fires when either matches, which one schedule of AWS cannot say")
        .help(format!("write two schedules: `{by_month}` and `{by_week}`"))
}

/// From 0 (or 7) = Sunday to 1 = Sunday.
fn aws_numbers(days: Vec<i16>) -> Vec<i16> {
    let mut days: Vec<i16> = days.into_iter().map(|day| day % 7 + 1).collect();
    days.sort_unstable();
    days.dedup();
    days
}

/// `MON-FRI`, `SUN,SAT`: names, because they mean the same in both dialects.
fn names(days: &[i16]) -> String {
    let name = |day: i16| usize::try_from(day - 1).ok().and_then(|place| WEEK_DAYS.get(place)).copied().unwrap_or("?");
    days.chunk_by(|one, next| one + 1 == *next)
        .map(|run| match run {
            [first, _, .., last] => format!("{}-{}", name(*first), name(*last)),
            _ => run.iter().map(|day| name(*day)).collect::<Vec<_>>().join(","),
        })
        .collect::<Vec<_>>()
        .join(",")
}
