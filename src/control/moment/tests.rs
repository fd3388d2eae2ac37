use proptest::prelude::*;

use super::*;
use crate::control::zone::zone;

const ZONES: [&str; 6] =
    ["UTC", "Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "Asia/Kathmandu", "America/Sao_Paulo"];

fn read(text: &str) -> Moment {
    Moment::read(text).unwrap()
}

fn berlin() -> TimeZone {
    zone("Europe/Berlin").unwrap()
}

fn part(name: &str) -> Part {
    Part::ALL.into_iter().find(|part| part.as_str() == name).unwrap()
}

fn start(text: &str, of: &str) -> String {
    read(text).start_of(part(of), &berlin()).map_or_else(|words| words, |moment| moment.to_string())
}

fn end(text: &str, of: &str) -> String {
    read(text).end_of(part(of), &berlin()).map_or_else(|words| words, |moment| moment.to_string())
}

fn add(text: &str, amount: &str) -> String {
    let sum = Amount::parse(amount).and_then(|amount| read(text).add(&amount, &berlin()));
    sum.map_or_else(|words| words, |moment| moment.to_string())
}

#[test]
fn starts_and_ends_of_dates_are_days() {
    let table = [
        ("2026-11-21", "day", "2026-11-21", "2026-11-21"),
        ("2026-11-21", "week", "2026-11-16", "2026-11-22"),
        ("2026-11-21", "month", "2026-11-01", "2026-11-30"),
        ("2026-11-21", "quarter", "2026-10-01", "2026-12-31"),
        ("2026-11-21", "year", "2026-01-01", "2026-12-31"),
        ("2024-02-29", "month", "2024-02-01", "2024-02-29"),
        ("2023-02-10", "month", "2023-02-01", "2023-02-28"),
        ("2024-02-29", "quarter", "2024-01-01", "2024-03-31"),
        ("2027-01-01", "week", "2026-12-28", "2027-01-03"),
        ("2026-W53", "month", "2026-12-01", "2027-01-31"),
        ("2026-W53", "year", "2026-01-01", "2027-12-31"),
        ("2026-02", "month", "2026-02-01", "2026-02-28"),
        ("2026", "quarter", "2026-01-01", "2026-12-31"),
    ];
    for (text, of, first, last) in table {
        assert_eq!((start(text, of).as_str(), end(text, of).as_str()), (first, last), "{text} {of}");
    }
    assert_eq!(start("2026-11-21", "hour"), "`2026-11-21` is a day, not an hour or an instant");
}

#[test]
fn starts_and_ends_of_instants_are_instants_by_the_clocks_of_the_zone() {
    let table = [
        // 25 hours, then 23.
        ("2026-10-25T12:00:00Z", "day", "2026-10-24T22:00:00Z", "2026-10-25T22:59:59Z"),
        ("2027-03-28T12:00:00Z", "day", "2027-03-27T23:00:00Z", "2027-03-28T21:59:59Z"),
        ("2026-10-15T00:00:00Z", "month", "2026-09-30T22:00:00Z", "2026-10-31T22:59:59Z"),
        // The hour from 02:00 to 03:00 is shown twice.
        ("2026-10-25T00:30:10Z", "hour", "2026-10-25T00:00:00Z", "2026-10-25T00:59:59Z"),
        ("2026-10-25T01:30:10.5Z", "hour", "2026-10-25T01:00:00Z", "2026-10-25T01:59:59Z"),
        ("2026-12-31T23:30:00Z", "year", "2026-12-31T23:00:00Z", "2027-12-31T22:59:59Z"),
        // Hours are of UTC, whatever the zone.
        ("2026-12-31T23Z", "day", "2026-12-31T00Z", "2026-12-31T23Z"),
        ("2026-12-31T23Z", "year", "2026-01-01T00Z", "2026-12-31T23Z"),
        ("2026-12-31T23Z", "hour", "2026-12-31T23Z", "2026-12-31T23Z"),
    ];
    for (text, of, first, last) in table {
        assert_eq!((start(text, of).as_str(), end(text, of).as_str()), (first, last), "{text} {of}");
    }
    let local = read("2026-11-01T12:00:00Z").in_zone(&zone("America/New_York").unwrap(), &berlin()).unwrap();
    assert_eq!(local.to_string(), "2026-11-01T07:00:00-05:00");
    assert_eq!(local.start_of(Part::Day, &berlin()).unwrap().to_string(), "2026-11-01T00:00:00-04:00");
    assert_eq!(local.end_of(Part::Day, &berlin()).unwrap().to_string(), "2026-11-01T23:59:59-05:00");
}

#[test]
fn amounts_are_those_of_the_calendar() {
    let table = [
        ("2026-11-21", "-1d", "2026-11-20"),
        ("2026-11-21", "1d", "2026-11-22"),
        ("2026-12-31", "+1d", "2027-01-01"),
        ("2024-02-29", "1y", "2025-02-28"),
        ("2026-01-31", "1mo", "2026-02-28"),
        ("2026-03-31", "-1mo -1d", "2026-02-27"),
        ("2026-11-21", "1q", "2027-02-21"),
        ("2026-W53", "1w", "2027-W01"),
        ("2020-W53", "-1w", "2020-W52"),
        ("2026-01", "-1mo", "2025-12"),
        ("2026", "-1y", "2025"),
        ("2026-12-31T23Z", "1h", "2027-01-01T00Z"),
        ("2026-12-31T23Z", "1d", "2027-01-01T23Z"),
        // A day over the change of the clocks keeps the local time; 24 hours do not.
        ("2026-10-24T10:00:00Z", "1d", "2026-10-25T11:00:00Z"),
        ("2026-10-24T10:00:00Z", "24h", "2026-10-25T10:00:00Z"),
        ("2026-10-24T10:00:00Z", "-90s 5min", "2026-10-24T10:03:30Z"),
    ];
    for (text, amount, expected) in table {
        assert_eq!(add(text, amount), expected, "{text} {amount}");
    }
    let refused = [
        (
            "2026-11",
            "1d",
            "`2026-11` is a month, and days cannot be added to it; add months or years, or take a day first: `| start_of_month`",
        ),
        (
            "2026-W47",
            "1mo",
            "`2026-W47` is a week, and months cannot be added to it; add weeks, or take a day first: `| start_of_week`",
        ),
        (
            "2026-11-21",
            "1h",
            "`2026-11-21` is a day, and hours cannot be added to it; add days or more, or take its first instant first: `| start`",
        ),
        ("2026-11-21", "1m", "`1m` is not an amount of time; write `mo` for months, `min` for minutes"),
        (
            "2026-11-21",
            "--1d",
            "`--1d` is not an amount of time; write a count and y, q, mo, w, d, h, min or s, such as `-1d`",
        ),
        ("2026-11-21", "", "`` is not an amount of time; write a count and y, q, mo, w, d, h, min or s, such as `-1d`"),
        ("9999-12-31", "1d", "it lies outside the calendar, which ends with the year 9999"),
        ("0000-01-01", "-1d", "it lies outside the calendar, which ends with the year 9999"),
        ("2026-11-21", "9999999y", "it lies outside the calendar, which ends with the year 9999"),
    ];
    for (text, amount, expected) in refused {
        assert_eq!(add(text, amount), expected, "{text} {amount}");
    }
}

#[test]
fn what_is_no_date_says_so() {
    let table = [
        ("20261121", "`20261121` is not a date; did you mean 2026-11-21?"),
        ("2026/11/21", "`2026/11/21` is not a date; did you mean 2026-11-21?"),
        ("2026-02-29", "`2026-02-29` is not in the calendar"),
        ("2025-W53", "`2025-W53` is not in the calendar"),
        ("none", "`none` is no date: the pipeline has no partitions"),
        ("yesterday", "`yesterday` is not a date; write one such as `2026-11-21` or `2026-11-21T03:00:00Z`"),
        (
            "2026-11-21T03:00:01",
            "`2026-11-21T03:00:01` is not a date; an instant ends in `Z` or an offset, such as `2026-11-21T03:00:00Z`",
        ),
    ];
    for (text, expected) in table {
        assert_eq!(Moment::read(text).unwrap_err(), expected);
    }
    assert_eq!(read("2026-11-21T03:00:00+02:00"), read("2026-11-21T01:00:00Z"));
}

#[test]
fn questions_are_answered_for_a_day() {
    let holidays = Holidays::read(["2026-12-25", "2026-12-31"]).unwrap();
    let is = |text: &str, question: &str| read(text).is(question, &holidays, &berlin());
    for (text, question, expected) in [
        ("2026-11-30", "last_day_of_month", true),
        ("2026-11-29", "last_day_of_month", false),
        ("2024-02-29", "last_day_of_month", true),
        ("2023-02-28", "last_day_of_month", true),
        ("2024-02-28", "last_day_of_month", false),
        ("2026-12-01", "first_day_of_month", true),
        ("2026-12-31", "last_day_of_quarter", true),
        ("2026-12-31", "last_day_of_year", true),
        ("2026-10-01", "first_day_of_quarter", true),
        ("2026-11-16", "first_day_of_week", true),
        ("2026-11-22", "last_day_of_week", true),
        ("2026-11-21", "weekend", true),
        ("2026-11-21", "saturday", true),
        ("2026-11-21", "business_day", false),
        ("2026-12-24", "business_day", true),
        ("2026-12-25", "business_day", false),
        ("2026-12-30", "last_business_day_of_month", true),
        ("2026-12-31", "last_business_day_of_month", false),
        ("2026-11-02", "first_business_day_of_month", true),
        ("2026-11-01", "first_business_day_of_month", false),
        ("2024-07-01", "leap_year", true),
        ("1900-07-01", "leap_year", false),
        ("2024", "leap_year", true),
        // 30 November in Berlin, 29 November in UTC.
        ("2026-11-29T23:30:00Z", "last_day_of_month", true),
        ("2026-11-29T23Z", "last_day_of_month", false),
    ] {
        assert_eq!(is(text, question), Ok(expected), "{text} is {question}");
    }
    let words = is("2026-11", "business_day").unwrap_err();
    assert_eq!(words, "`2026-11` is a month, not a day; choose one: `| start_of_month` or `| end_of_month`");
    for question in Moment::QUESTIONS {
        assert!(is("2026-11-30", question).is_ok(), "{question}");
    }
    assert!(Holidays::read(["2026-W52"]).is_err());
}

#[test]
fn numbers_of_a_moment() {
    let number = |text: &str, name: &str| read(text).number(name, &berlin());
    for (text, name, expected) in [
        ("2026-11-21", "year", 2026),
        ("2026-11-21", "quarter", 4),
        ("2026-11-21", "month", 11),
        ("2026-11-21", "day", 21),
        ("2026-11-21", "weekday", 6),
        ("2024-12-31", "day_of_year", 366),
        ("2024-02-01", "days_in_month", 29),
        ("2024-02", "days_in_month", 29),
        ("2027-01-03", "iso_week", 53),
        ("2027-01-03", "iso_year", 2026),
        ("2024-12-30", "iso_week", 1),
        ("2024-12-30", "iso_year", 2025),
        ("2026-W47", "iso_week", 47),
        ("2026-11-21T03Z", "hour", 3),
        ("2026-11-21T03:20:00Z", "hour", 4),
        ("2026-11-21T03:20:00Z", "minute", 20),
        ("2026-11-21", "epoch", 1_795_215_600),
        ("2026-11-20T23:00:00Z", "epoch", 1_795_215_600),
        ("2026-11-20T23:00:00.25Z", "epoch_millis", 1_795_215_600_250),
    ] {
        assert_eq!(number(text, name), Ok(expected), "{text} {name}");
    }
    assert_eq!(
        number("2026-W01", "year").unwrap_err(),
        "`2026-W01` is a week and may lie in two years; write `iso_year`"
    );
    assert_eq!(number("2026-11-21", "hour").unwrap_err(), "`2026-11-21` is a day and has no hour");
    for name in Moment::NUMBERS {
        assert!(number("2026-11-21T03:20:00Z", name).is_ok(), "{name}");
    }
    assert_eq!(read("2026-11-21").days_between(&read("2027-11-21"), &berlin()), 365);
    assert_eq!(read("2026-11-21").days_between(&read("2026-11-20"), &berlin()), -1);
}

#[test]
fn business_days_pass_over_weekends_and_holidays() {
    let holidays = Holidays::read(["2026-12-25"]).unwrap();
    let after = |text: &str, count: i64| read(text).add_business_days(count, &holidays, &berlin()).unwrap().to_string();
    assert_eq!(after("2026-11-20", 1), "2026-11-23");
    assert_eq!(after("2026-11-21", 0), "2026-11-23");
    assert_eq!(after("2026-11-23", 0), "2026-11-23");
    assert_eq!(after("2026-11-23", -1), "2026-11-20");
    assert_eq!(after("2026-12-24", 1), "2026-12-28");
    assert!(read("2026-11-20").add_business_days(10_001, &holidays, &berlin()).is_err());
}

#[test]
fn lists_of_a_partition() {
    let hours = |text: &str, name: &str| read(text).hours(&zone(name).unwrap()).unwrap();
    for (text, name, expected) in [
        ("2026-11-21", "Europe/Berlin", 24),
        ("2026-10-25", "Europe/Berlin", 25),
        ("2027-03-28", "Europe/Berlin", 23),
        ("2026-11-01", "America/New_York", 25),
        ("2026-11-21", "Asia/Kathmandu", 24),
        ("2024", "UTC", 8_784),
    ] {
        assert_eq!(hours(text, name).len(), expected, "{text} {name}");
    }
    assert_eq!(hours("2026-10-25", "Europe/Berlin")[0].to_string(), "2026-10-24T22Z");
    // Kathmandu is 5:45 ahead: its day begins within an hour of UTC, which belongs to the day before.
    assert_eq!(hours("2026-11-21", "Asia/Kathmandu")[0].to_string(), "2026-11-20T19Z");
    let days = read("2024-02").days(&berlin()).unwrap();
    assert_eq!((days.len(), days[28].to_string()), (29, "2024-02-29".to_owned()));
    assert_eq!(read("2026-W53").days(&berlin()).unwrap()[6].to_string(), "2027-01-03");
    assert_eq!(read("2026").months().unwrap()[11].to_string(), "2026-12");
    assert!(read("2026-11").months().is_err());
    assert!(read("2026-11-21T03Z").days(&berlin()).is_err());
}

#[test]
fn labels_of_what_it_lies_in() {
    let label = |text: &str, by: &str| {
        let label = read(text).label(Granularity::parse(by).unwrap(), &berlin());
        label.map_or_else(|words| words, |label| label.to_string())
    };
    for (text, by, expected) in [
        ("2026-11-20T23:30:00Z", "day", "2026-11-21"),
        ("2026-11-20T23:30:00Z", "hour", "2026-11-20T23Z"),
        ("2026-11-20T23Z", "day", "2026-11-20"),
        ("2027-01-01", "week", "2026-W53"),
        ("2027-01-01", "month", "2027-01"),
        ("2026-11", "year", "2026"),
        ("2026-11", "month", "2026-11"),
        ("2026-W53", "year", "`2026-W53` is a week, and lies in no single year; take a day first: `| start_of_week`"),
        (
            "2026-11-21",
            "hour",
            "`2026-11-21` is a day, and lies in no single hour; take its first instant first: `| start`",
        ),
        ("2026", "month", "`2026` is a year, and lies in no single month; take a day first: `| start_of_year`"),
    ] {
        assert_eq!(label(text, by), expected, "{text} {by}");
    }
}

#[test]
fn formats_are_those_of_strftime_in_the_zone() {
    let format = |text: &str, format: &str| read(text).format(format, &berlin());
    assert_eq!(format("2026-11-21", "%Y/%m/%d").unwrap(), "2026/11/21");
    assert_eq!(format("2026-11-20T23:30:00Z", "%Y-%m-%d %H:%M %z").unwrap(), "2026-11-21 00:30 +0100");
    assert_eq!(format("2026-11-20T23Z", "dt=%Y-%m-%d/hour=%H").unwrap(), "dt=2026-11-20/hour=23");
    assert_eq!(format("2026-W53", "%G-W%V %a").unwrap(), "2026-W53 Mon");
    assert_eq!(format("2026-11", "%B %Y").unwrap(), "November 2026");
    assert!(format("2026-11", "%!").is_err());
    // Midnight of this day does not exist in São Paulo.
    let zone = zone("America/Sao_Paulo").unwrap();
    assert_eq!(read("2017-10-15").format("%H:%M", &zone).unwrap(), "01:00");
}

prop_compose! {
    fn instants()(second in -60_000_000_000_i64..250_000_000_000) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }
}

proptest! {
    #[test]
    fn everything_lies_between_its_start_and_its_end(instant in instants(), at in 0..ZONES.len(), of in 0..6_usize) {
        let zone = zone(ZONES[at]).unwrap();
        let moment = Moment::Instant(instant);
        let (start, end) = (moment.start_of(Part::ALL[of], &zone).unwrap(), moment.end_of(Part::ALL[of], &zone).unwrap());
        let instant_of = |moment: &Moment| moment.start(&zone).unwrap().timestamp();
        prop_assert!(instant_of(&start) <= instant && instant <= instant_of(&end), "{start} {instant} {end}");
        // What lies in the same part has the same start and end.
        prop_assert_eq!(start.end_of(Part::ALL[of], &zone).unwrap(), end.clone());
        prop_assert_eq!(end.start_of(Part::ALL[of], &zone).unwrap(), start);
    }

    #[test]
    fn a_label_is_read_as_it_is_written(instant in instants(), at in 0..ZONES.len(), by in 1..6_usize) {
        let zone = zone(ZONES[at]).unwrap();
        let by = Granularity::ALL[by];
        let label = Moment::Instant(instant).label(by, &zone).unwrap();
        prop_assume!((0..=9999).contains(&label.first_day(&zone).year()));
        prop_assert_eq!(Moment::read(&label.to_string()), Ok(label.clone()));
        let next = label.next(1, &zone).unwrap();
        prop_assert_eq!(next.next(-1, &zone).unwrap(), label.clone());
        prop_assert_eq!(label.end(&zone).unwrap(), next.start(&zone).unwrap().timestamp());
        prop_assert_eq!(label.label(by, &zone).unwrap(), label);
    }

    #[test]
    fn hours_of_days_are_all_hours(instant in instants(), at in 0..ZONES.len()) {
        let zone = zone(ZONES[at]).unwrap();
        let day = Moment::Instant(instant).label(Granularity::Day, &zone).unwrap();
        let last = day.hours(&zone).unwrap().pop().unwrap();
        let first = day.next(1, &zone).unwrap().hours(&zone).unwrap().remove(0);
        prop_assert_eq!(last.next(1, &zone).unwrap(), first);
    }

    #[test]
    fn no_text_is_too_odd(text in "\\PC{0,20}", amount in "\\PC{0,8}", format in "[%A-Za-z0-9:. -]{0,12}") {
        let zone = berlin();
        let _read = Moment::read(&text);
        let _amount = Amount::parse(&amount).and_then(|amount| read("2026-11-21").add(&amount, &zone));
        let _format = read("2026-11-21").format(&format, &zone);
    }
}
