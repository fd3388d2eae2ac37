use proptest::prelude::*;

use super::*;

fn spec(by: &str, offset: &str, zone: &str) -> PartitionSpec {
    PartitionSpec::new(Granularity::parse(by).unwrap(), Offset::parse(offset).unwrap(), zone::zone(zone).unwrap())
        .unwrap()
}

fn label(by: &str, offset: &str, zone: &str, time: &str) -> String {
    spec(by, offset, zone).of_time(time.parse().unwrap()).unwrap()
}

fn bounds(by: &str, zone: &str, label: &str) -> (String, String) {
    let (start, end) = spec(by, "0", zone).parse(label, "listings").unwrap().bounds.unwrap();
    (start.to_string(), end.to_string())
}

/// `message; help`.
fn refused(by: &str, label: &str) -> String {
    let problem = spec(by, "0", "Europe/Berlin").parse(label, "listings").unwrap_err();
    format!("{}; {}", problem.message, problem.help.unwrap_or_default())
}

#[test]
fn a_run_at_night_handles_the_day_before() {
    // 03:00 in Berlin.
    assert_eq!(label("day", "-1d", "Europe/Berlin", "2026-11-22T02:00:00Z"), "2026-11-21");
    // Summer time: 00:30 in Berlin is the evening before in UTC.
    assert_eq!(label("day", "0", "Europe/Berlin", "2026-07-01T22:30:00Z"), "2026-07-02");
    assert_eq!(label("day", "0", "UTC", "2026-07-01T22:30:00Z"), "2026-07-01");
}

#[test]
fn every_granularity_has_its_label() {
    let time = "2026-11-22T03:30:00Z";
    assert_eq!(label("hour", "0", "Europe/Berlin", time), "2026-11-22T03Z");
    assert_eq!(label("hour", "-4h", "Europe/Berlin", time), "2026-11-21T23Z");
    assert_eq!(label("hour", "-1d", "Europe/Berlin", time), "2026-11-21T03Z");
    assert_eq!(label("day", "+1d", "UTC", time), "2026-11-23");
    assert_eq!(label("week", "0", "UTC", time), "2026-W47");
    assert_eq!(label("week", "-1w", "UTC", time), "2026-W46");
    assert_eq!(label("month", "-1mo", "UTC", time), "2026-10");
    assert_eq!(label("year", "-1y", "UTC", time), "2025");
    assert_eq!(label("none", "0", "UTC", time), "none");
}

#[test]
fn leap_days_and_ends_of_months() {
    assert_eq!(label("day", "-1d", "UTC", "2028-03-01T05:00:00Z"), "2028-02-29");
    assert_eq!(label("day", "-1d", "UTC", "2027-03-01T05:00:00Z"), "2027-02-28");
    assert_eq!(label("month", "-1mo", "UTC", "2027-03-31T05:00:00Z"), "2027-02");
    assert_eq!(label("month", "-1y", "UTC", "2028-02-29T05:00:00Z"), "2027-02");
    assert!(spec("day", "0", "UTC").parse("2028-02-29", "p").is_ok());
    assert_eq!(
        refused("day", "2027-02-29"),
        "`2027-02-29` is not in the calendar; listings is partitioned by day, such as 2026-11-21"
    );
}

#[test]
fn the_year_of_a_week_is_the_iso_year() {
    assert_eq!(label("week", "0", "UTC", "2027-01-03T12:00:00Z"), "2026-W53");
    assert_eq!(label("week", "0", "UTC", "2027-01-04T12:00:00Z"), "2027-W01");
    assert_eq!(label("week", "-1w", "UTC", "2027-01-04T12:00:00Z"), "2026-W53");
    assert_eq!(label("week", "0", "UTC", "2024-12-30T12:00:00Z"), "2025-W01");
    assert_eq!(bounds("week", "UTC", "2026-W53"), ("2026-12-28T00:00:00Z".into(), "2027-01-04T00:00:00Z".into()));
    assert!(refused("week", "2027-W53").starts_with("`2027-W53` is not in the calendar"));
    assert!(refused("week", "2027-W00").starts_with("`2027-W00` is not in the calendar"));
}

#[test]
fn days_are_as_long_as_the_clocks_make_them() {
    let hours = |zone, label| {
        let (start, end) = spec("day", "0", zone).parse(label, "p").unwrap().bounds.unwrap();
        start.duration_until(end).as_hours()
    };
    assert_eq!(hours("Europe/Berlin", "2027-03-28"), 23);
    assert_eq!(hours("Europe/Berlin", "2026-10-25"), 25);
    assert_eq!(hours("America/New_York", "2026-11-01"), 25);
    // Cairo's clocks go forward at midnight: the day begins at 01:00.
    assert_eq!(hours("Africa/Cairo", "2026-04-24"), 23);
    assert_eq!(bounds("day", "Africa/Cairo", "2026-04-24").0, "2026-04-23T22:00:00Z");
    assert_eq!(bounds("day", "Europe/Berlin", "2026-11-21").0, "2026-11-20T23:00:00Z");
}

#[test]
fn no_hour_is_doubled_or_dropped() {
    let hours = spec("hour", "0", "Europe/Berlin");
    let start: Timestamp = "2026-10-24T22:00:00Z".parse().unwrap();
    let labels: std::collections::BTreeSet<String> =
        (0..25).filter_map(|hour| hours.of_time(start + SignedDuration::from_hours(hour))).collect();
    assert_eq!(labels.len(), 25);
}

#[test]
fn far_zones() {
    assert_eq!(label("day", "0", "Pacific/Kiritimati", "2026-11-21T10:00:00Z"), "2026-11-22");
    assert_eq!(label("day", "0", "Pacific/Pago_Pago", "2026-11-21T10:00:00Z"), "2026-11-20");
    assert_eq!(label("day", "0", "Asia/Kathmandu", "2026-11-20T18:15:00Z"), "2026-11-21");
    // Samoa crossed the date line: there was no 30 December 2011.
    assert!(spec("day", "0", "Pacific/Apia").parse("2011-12-30", "p").is_err());
    assert!(spec("day", "0", "Pacific/Apia").parse("2011-12-29", "p").is_ok());
}

#[test]
fn labels_that_do_not_fit_say_what_they_are() {
    let table = [
        ("day", "2026-11", "`2026-11` is a month; listings is partitioned by day, such as 2026-11-21"),
        ("day", "2026-11-21T03Z", "`2026-11-21T03Z` is an hour; listings is partitioned by day, such as 2026-11-21"),
        ("hour", "2026-11-21", "`2026-11-21` is a day; listings is partitioned by hour, such as 2026-11-21T03Z"),
        ("month", "2026-W47", "`2026-W47` is a week; listings is partitioned by month, such as 2026-11"),
        ("day", "none", "`none` is no partition; listings is partitioned by day, such as 2026-11-21"),
        ("none", "2026", "`2026` is a year; listings has no partitions: leave it out, or write none"),
        ("day", "20261121", "`20261121` is not a partition; did you mean 2026-11-21?"),
        ("day", "2026/11/21", "`2026/11/21` is not a partition; did you mean 2026-11-21?"),
        ("hour", "2026-11-21T03", "`2026-11-21T03` is not a partition; did you mean 2026-11-21T03Z? hours are UTC"),
        ("hour", "2026-11-21T03:00Z", "`2026-11-21T03:00Z` is not a partition; did you mean 2026-11-21T03Z?"),
        (
            "hour",
            "2026-11-21T24Z",
            "`2026-11-21T24Z` is not in the calendar; listings is partitioned by hour, such as 2026-11-21T03Z",
        ),
        (
            "day",
            "2026-13-01",
            "`2026-13-01` is not in the calendar; listings is partitioned by day, such as 2026-11-21",
        ),
        ("day", "yesterday", "`yesterday` is not a partition; listings is partitioned by day, such as 2026-11-21"),
        ("day", "", "`` is not a partition; listings is partitioned by day, such as 2026-11-21"),
        ("day", "２026-11-2", "`２026-11-2` is not a partition; listings is partitioned by day, such as 2026-11-21"),
    ];
    for (by, label, expected) in table {
        assert_eq!(refused(by, label), expected);
    }
}

#[test]
fn offsets() {
    for text in ["0", "-1d", "+2h", "-1w", "-3mo", "-1y"] {
        assert_eq!(Offset::parse(text).unwrap().to_string(), text);
    }
    let help = |text| Offset::parse(text).unwrap_err().help.unwrap();
    assert_eq!(help("1d"), "write a sign: `-1d` is the past, `+1d` the future");
    assert_eq!(help("-1m"), "write `mo` for months; minutes are finer than any partition");
    assert_eq!(help("-99999d"), "write at most 10000");
    for text in ["", "-", "-d", "-1", "-1 d", "yesterday", "--1d", "-1.5d", "-99999999999d"] {
        assert_eq!(help(text), "write a signed count and h, d, w, mo or y, such as `-1d` for the day before", "{text}");
    }
}

#[test]
fn an_offset_must_fit() {
    let refused = |by: &str, offset: &str| {
        let spec = PartitionSpec::new(Granularity::parse(by).unwrap(), Offset::parse(offset).unwrap(), TimeZone::UTC);
        spec.err().map(|problem| format!("{}; {}", problem.message, problem.help.unwrap_or_default()))
    };
    assert_eq!(
        refused("day", "-2h").unwrap(),
        "an offset of `-2h` does not fit a partition by day; write days or weeks: `-1d` is the day before"
    );
    for (by, offset) in
        [("none", "-1d"), ("week", "-1d"), ("month", "-1d"), ("year", "-1mo"), ("hour", "-1mo"), ("day", "-1mo")]
    {
        assert!(refused(by, offset).is_some(), "{by} {offset}");
    }
    assert_eq!(refused("none", "0"), None);
}

#[test]
fn misspelt_granularities() {
    let help = |text| Granularity::parse(text).unwrap_err().help.unwrap();
    assert_eq!(help("daily"), "did you mean `day`?");
    assert_eq!(help("days"), "did you mean `day`?");
    assert_eq!(help("Month"), "did you mean `month`?");
    assert_eq!(help("quarter"), "write hour, day, week, month, year or none");
}

fn zones() -> impl Strategy<Value = &'static str> {
    let zones = vec![
        "UTC",
        "Europe/Berlin",
        "America/New_York",
        "Asia/Kolkata",
        "Australia/Lord_Howe",
        "Africa/Cairo",
        "Pacific/Kiritimati",
        "Pacific/Pago_Pago",
        "America/Santiago",
    ];
    prop::sample::select(zones)
}

fn partitioned() -> impl Strategy<Value = &'static str> {
    prop::sample::select(vec!["hour", "day", "week", "month", "year"])
}

proptest! {
    #[test]
    fn a_time_lies_in_its_partition(by in partitioned(), zone in zones(), second in 1_577_836_800i64..2_082_758_400) {
        let spec = spec(by, "0", zone);
        let time = Timestamp::from_second(second).unwrap();
        let label = spec.of_time(time).unwrap();
        prop_assert!(label.len() <= 14);
        let (start, end) = spec.parse(&label, "p").unwrap().bounds.unwrap();
        prop_assert!(start <= time && time < end);
        // Partitions follow each other without gap or overlap, and sort as text.
        let following = spec.of_time(end).unwrap();
        prop_assert_eq!(spec.parse(&following, "p").unwrap().bounds.unwrap().0, end);
        prop_assert!(label < following);
    }

    #[test]
    fn an_offset_keeps_different_partitions_different(
        (by, offset) in prop::sample::select(vec![
            ("hour", "-1h"), ("hour", "-1d"), ("day", "-1d"), ("day", "-5w"), ("week", "-1w"), ("month", "-1mo"),
            ("month", "+1y"), ("year", "-1y"),
        ]),
        zone in zones(),
        second in 1_577_836_800i64..2_082_758_400,
    ) {
        let (plain, shifted) = (spec(by, "0", zone), spec(by, offset, zone));
        let time = Timestamp::from_second(second).unwrap();
        let (_, end) = plain.parse(&plain.of_time(time).unwrap(), "p").unwrap().bounds.unwrap();
        let (here, next) = (shifted.of_time(time).unwrap(), shifted.of_time(end).unwrap());
        let (_, here_end) = shifted.parse(&here, "p").unwrap().bounds.unwrap();
        prop_assert_eq!(shifted.parse(&next, "p").unwrap().bounds.unwrap().0, here_end);
    }

    #[test]
    fn any_label_is_read_or_refused(by in partitioned(), label in "\\PC{0,20}|[0-9TWZ:-]{4,14}") {
        if let Ok(partition) = spec(by, "0", "Europe/Berlin").parse(&label, "p") {
            let (start, _) = partition.bounds.unwrap();
            prop_assert_eq!(spec(by, "0", "Europe/Berlin").of_time(start), Some(label));
        }
    }

    #[test]
    fn a_plan_reads_back(by in partitioned(), zone in zones()) {
        let plan = PartitionPlan { by: by.to_owned(), offset: "0".to_owned(), timezone: zone.to_owned(), from: None };
        prop_assert_eq!(PartitionSpec::of_plan(&plan), Ok(spec(by, "0", zone)));
    }
}
