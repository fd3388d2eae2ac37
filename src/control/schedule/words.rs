//! A schedule in plain words: "every 15 minutes from 08:00 to 17:59, Monday to Friday, Europe/Berlin".

use super::{Rate, RateUnit, Schedule, When};
use crate::control::cron::{Cron, Days, MonthDays, WeekDays};

/// Says when a schedule fires.
pub fn describe(schedule: &Schedule) -> String {
    let zone = schedule.zone.iana_name().unwrap_or("UTC");
    let said = match &schedule.when {
        When::Rate(rate) => format!("every {}, counted from {}", every(*rate), begins(schedule)),
        When::Cron(cron) => at_times(cron, zone),
        When::At(time) => format!("once, on {} {zone}", time.strftime("%a %Y-%m-%d at %H:%M")),
    };
    said + &bounds(schedule)
}

fn begins(schedule: &Schedule) -> &'static str {
    if schedule.start.is_some() { "its start" } else { "its deployment" }
}

/// ", from 2026-11-21 00:00 until 2026-12-01 00:00".
fn bounds(schedule: &Schedule) -> String {
    let bound = |word: &str, instant: Option<jiff::Timestamp>| {
        let local = instant.map(|instant| instant.to_zoned(schedule.zone.clone()));
        local.map_or(String::new(), |local| format!(", {word} {}", local.strftime("%Y-%m-%d %H:%M")))
    };
    bound("from", schedule.start) + &bound("until", schedule.end)
}

fn every(rate: Rate) -> String {
    match (rate.count, rate.unit) {
        (1, RateUnit::Minute) => "minute".to_owned(),
        (1, RateUnit::Hour) => "hour".to_owned(),
        (1, RateUnit::Day) => "24 hours".to_owned(),
        _ => rate.to_string(),
    }
}

fn at_times(cron: &Cron, zone: &str) -> String {
    let every_month = cron.months.len() == 12;
    let in_months = if every_month { String::new() } else { format!(" in {}", list(&cron.months, month)) };
    let years = match cron.years.as_slice() {
        [first, .., 2199] if cron.years.len() == 2200 - usize::try_from(*first).unwrap_or(0) && *first <= 1970 => None,
        years => Some(format!("in {}", list(years, |year| year.to_string()))),
    };
    let (clock, fixed) = match times_of_day(cron) {
        Some(times) => (format!("at {}", join(times)), true),
        None => (within_day(cron), false),
    };
    let said = match &cron.days {
        Days::Every if fixed && every_month => format!("every day {clock} {zone}"),
        Days::Every if every_month => format!("{clock}, {zone}"),
        Days::Every if fixed => format!("{clock} {zone} every day{in_months}"),
        Days::Every => format!("{clock}, every day{in_months}, {zone}"),
        Days::OfWeek(WeekDays::On(days)) if fixed => format!("{clock} {zone}, {}{in_months}", week_days(days)),
        Days::OfWeek(WeekDays::On(days)) => format!("{clock}, {}{in_months}, {zone}", week_days(days)),
        days => {
            let of = if every_month { "each month".to_owned() } else { list(&cron.months, month) };
            let on = format!("on {} of {of}", day_of(days));
            if fixed { format!("{clock} {zone} {on}") } else { format!("{clock}, {on}, {zone}") }
        }
    };
    [Some(said), years].into_iter().flatten().collect::<Vec<_>>().join(", ")
}

/// The times of a day, if they are few or follow no pattern: "03:00".
fn times_of_day(cron: &Cron) -> Option<Vec<String>> {
    let count = cron.minutes.len() * cron.hours.len();
    let irregular = cron.minutes.len() == 1 && step(&cron.hours, 24).is_none();
    let times = || cron.hours.iter().flat_map(|hour| cron.minutes.iter().map(move |minute| time(*hour, *minute)));
    (count <= 4 || irregular).then(|| times().collect())
}

/// The pattern of a day: "every 15 minutes from 08:00 to 17:59".
fn within_day(cron: &Cron) -> String {
    let (minutes, hours) = (cron.minutes.as_slice(), cron.hours.as_slice());
    match (minutes, step(hours, 24)) {
        ([minute], Some(1)) => format!("every hour at minute {minute}{}", span(hours, *minute, *minute)),
        ([minute], Some(apart)) => format!("every {apart} hours at minute {minute}{}", span(hours, *minute, *minute)),
        _ => format!("{}{}", within_hour(minutes), span(hours, 0, 59)),
    }
}

/// The minutes of each hour: "every 15 minutes".
fn within_hour(minutes: &[i16]) -> String {
    match (step(minutes, 60), minutes.first()) {
        (Some(1), _) if minutes.len() == 60 => "every minute".to_owned(),
        (Some(apart), Some(0)) if minutes.len() > 1 && 60 % apart == 0 => format!("every {apart} minutes"),
        _ => format!("at the minutes {} of each hour", list(minutes, |minute| minute.to_string())),
    }
}

/// Which hours: nothing for all, " from 08:00 to 17:59", " in the hours 8, 12 and 18".
fn span(hours: &[i16], first_minute: i16, last_minute: i16) -> String {
    match hours {
        [_, ..] if hours.len() == 24 => String::new(),
        [first, .., last] if step(hours, 24).is_some() && (first_minute == last_minute || contiguous(hours)) => {
            format!(" from {} to {}", time(*first, first_minute), time(*last, last_minute))
        }
        [only] => format!(" from {} to {}", time(*only, first_minute), time(*only, last_minute)),
        _ => format!(" in the hours {}", list(hours, |hour| hour.to_string())),
    }
}

/// The distance between values, if it is the same between all and, where it is more than 1, they fill the circle.
fn step(values: &[i16], circle: i16) -> Option<i16> {
    let [first, second, ..] = values else { return None };
    let apart = second - first;
    let even = values.iter().zip(values.iter().skip(1)).all(|(one, next)| next - one == apart);
    let fills = values.last().is_some_and(|last| last + apart >= circle);
    (even && (apart == 1 || fills || values.len() > 4)).then_some(apart)
}

fn contiguous(values: &[i16]) -> bool {
    values.iter().zip(values.iter().skip(1)).all(|(one, next)| one + 1 == *next)
}

fn day_of(days: &Days) -> String {
    match days {
        Days::OfMonth(MonthDays::On(days)) => format!("the {}", list(days, ordinal)),
        Days::OfMonth(MonthDays::Last(0)) => "the last day".to_owned(),
        Days::OfMonth(MonthDays::Last(1)) => "the day before the last".to_owned(),
        Days::OfMonth(MonthDays::Last(back)) => format!("the day that is {back} days before the last"),
        Days::OfMonth(MonthDays::Nearest(day)) => format!("the weekday nearest to the {}", ordinal(*day)),
        Days::OfMonth(MonthDays::LastWeekday) => "the last weekday".to_owned(),
        Days::OfWeek(WeekDays::Last(day)) => format!("the last {}", week_day(*day)),
        Days::OfWeek(WeekDays::Nth(day, nth)) => format!("the {} {}", ordinal(*nth), week_day(*day)),
        Days::Every | Days::OfWeek(WeekDays::On(_)) => "every day".to_owned(),
    }
}

/// "Monday to Friday", "every Monday and Thursday".
fn week_days(days: &[i16]) -> String {
    match days {
        [first, _, .., last] if contiguous(days) => format!("{} to {}", week_day(*first), week_day(*last)),
        _ => format!("every {}", list(days, week_day)),
    }
}

/// "8, 12 and 18", with runs of three or more as "8 to 12".
fn list<S: AsRef<str>>(values: &[i16], name: impl Fn(i16) -> S) -> String {
    let say = |value: &i16| name(*value).as_ref().to_owned();
    let runs = values.chunk_by(|one, next| one + 1 == *next).flat_map(|run| match run {
        [first, _, .., last] => vec![format!("{} to {}", say(first), say(last))],
        _ => run.iter().map(say).collect(),
    });
    join(runs.collect())
}

fn join(mut words: Vec<String>) -> String {
    match words.pop() {
        Some(last) if !words.is_empty() => format!("{} and {last}", words.join(", ")),
        last => last.unwrap_or_default(),
    }
}

fn time(hour: i16, minute: i16) -> String {
    format!("{hour:02}:{minute:02}")
}

fn ordinal(day: i16) -> String {
    let suffix = match (day % 10, day % 100) {
        (_, 11..=13) => "th",
        (1, _) => "st",
        (2, _) => "nd",
        (3, _) => "rd",
        _ => "th",
    };
    format!("{day}{suffix}")
}

fn week_day(day: i16) -> &'static str {
    match day {
        1 => "Sunday",
        2 => "Monday",
        3 => "Tuesday",
        4 => "Wednesday",
        5 => "Thursday",
        6 => "Friday",
        _ => "Saturday",
    }
}

fn month(month: i16) -> &'static str {
    match month {
        1 => "January",
        2 => "February",
        3 => "March",
        4 => "April",
        5 => "May",
        6 => "June",
        7 => "July",
        8 => "August",
        9 => "September",
        10 => "October",
        11 => "November",
        _ => "December",
    }
}
