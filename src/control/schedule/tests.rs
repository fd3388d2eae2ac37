use jiff::civil::date;
use proptest::prelude::*;

use super::*;

fn of(when: When, zone: TimeZone) -> Schedule {
    Schedule { when, zone, start: None, end: None }
}

fn schedule(text: &str, zone: &str) -> Schedule {
    of(When::Cron(cron::parse(text).expect(text)), zone::zone(zone).expect(zone))
}

fn berlin(text: &str) -> String {
    describe(&schedule(text, "Europe/Berlin"))
}

fn at(text: &str) -> Timestamp {
    text.parse().expect(text)
}

/// `2026-10-25T02:30:00+02:00`, with the note if there is one.
fn fires_after(text: &str, zone: &str, after: &str, count: usize) -> Vec<String> {
    let shown = |fire: Fire| {
        let note = fire.note.map(|note| format!(" ({note})")).unwrap_or_default();
        format!("{}{note}", fire.local.strftime("%Y-%m-%d %H:%M %:z"))
    };
    next(&schedule(text, zone), at(after), count).into_iter().map(shown).collect()
}

#[test]
fn schedules_in_words() {
    let table = [
        ("0 3 * * ? *", "every day at 03:00 Europe/Berlin"),
        ("0 3,15 * * ? *", "every day at 03:00 and 15:00 Europe/Berlin"),
        ("30 6 ? * MON-FRI *", "at 06:30 Europe/Berlin, Monday to Friday"),
        ("30 6 ? * MON,THU *", "at 06:30 Europe/Berlin, every Monday and Thursday"),
        ("0 3 L * ? *", "at 03:00 Europe/Berlin on the last day of each month"),
        ("0 3 L-3 * ? *", "at 03:00 Europe/Berlin on the day that is 3 days before the last of each month"),
        ("0 3 15W * ? *", "at 03:00 Europe/Berlin on the weekday nearest to the 15th of each month"),
        ("0 3 LW 3,6,9,12 ? *", "at 03:00 Europe/Berlin on the last weekday of March, June, September and December"),
        ("0 3 1,2,11,22,23 * ? *", "at 03:00 Europe/Berlin on the 1st, 2nd, 11th, 22nd and 23rd of each month"),
        ("0 3 ? * 2#1 *", "at 03:00 Europe/Berlin on the 1st Monday of each month"),
        ("0 3 ? * 6L *", "at 03:00 Europe/Berlin on the last Friday of each month"),
        ("0 3 * JUN-AUG ? *", "at 03:00 Europe/Berlin every day in June to August"),
        ("0/15 8-17 ? * MON-FRI *", "every 15 minutes from 08:00 to 17:59, Monday to Friday, Europe/Berlin"),
        ("* * * * ? *", "every minute, Europe/Berlin"),
        ("*/5 * * * ? *", "every 5 minutes, Europe/Berlin"),
        ("0 * * * ? *", "every hour at minute 0, Europe/Berlin"),
        ("20 */2 * * ? *", "every 2 hours at minute 20 from 00:20 to 22:20, Europe/Berlin"),
        ("0 8-17 * * ? *", "every hour at minute 0 from 08:00 to 17:00, Europe/Berlin"),
        ("5,20 * * * ? *", "at the minutes 5 and 20 of each hour, Europe/Berlin"),
        ("*/25 * * * ? *", "at the minutes 0, 25 and 50 of each hour, Europe/Berlin"),
        ("0 6,7,9,13,20 * * ? *", "every day at 06:00, 07:00, 09:00, 13:00 and 20:00 Europe/Berlin"),
        ("*/30 6,7,9,13,20 * * ? *", "every 30 minutes in the hours 6, 7, 9, 13 and 20, Europe/Berlin"),
        ("*/10 6 * * ? *", "every 10 minutes from 06:00 to 06:59, Europe/Berlin"),
        ("0 3 * * ? 2027-2030", "every day at 03:00 Europe/Berlin, in 2027 to 2030"),
    ];
    for (text, words) in table {
        assert_eq!(berlin(text), words, "{text}");
    }
    let rate = |text| describe(&of(When::Rate(rate(text).unwrap()), TimeZone::UTC));
    assert_eq!(rate("1 minute"), "every minute, counted from its deployment");
    assert_eq!(rate("7 days"), "every 7 days, counted from its deployment");
}

/// The rows of docs/time.md that begin with something in backticks, cell by cell.
fn documented() -> Vec<Vec<&'static str>> {
    let rows = include_str!("../../../docs/time.md").lines().filter(|line| line.starts_with("| `"));
    rows.map(|row| row.trim_matches('|').split(" | ").map(|cell| cell.trim().trim_matches('`')).collect()).collect()
}

#[test]
fn the_page_on_time_describes_expressions_as_dpc_does() {
    let mut checked = 0;
    for row in documented() {
        if let ([text, words], Ok(cron)) = (row.as_slice(), cron::parse(row[0])) {
            let said = describe(&of(When::Cron(cron), TimeZone::UTC));
            assert_eq!(said.replace(", UTC", "").replace(" UTC", ""), *words, "{text}");
            checked += 1;
        }
    }
    assert!(checked >= 7, "the table has gone");
}

#[test]
fn the_page_on_time_works_its_examples_out_as_dpc_does() {
    use crate::control::partition::{Granularity, Offset, PartitionSpec};
    let spec = |by, offset, name| {
        PartitionSpec::new(Granularity::parse(by).unwrap(), Offset::parse(offset).unwrap(), zone::zone(name).unwrap())
            .unwrap()
    };
    let (daily, monthly) = (spec("day", "-1d", "Europe/Berlin"), spec("month", "-1mo", "UTC"));
    let mut checked = 0;
    for row in documented() {
        match (row.as_slice(), row[0].parse::<Timestamp>()) {
            ([_, _, label, start, end], Ok(time)) => {
                let label = label.split(['`', ',']).next().unwrap();
                assert_eq!(daily.of_time(time).as_deref(), Some(label));
                let bounds = daily.parse(label, "listings").unwrap().bounds;
                assert_eq!(bounds, Some((at(start), at(end))), "{label}");
            }
            ([_, label], Ok(time)) => assert_eq!(monthly.of_time(time).as_deref(), Some(*label)),
            _ => continue,
        }
        checked += 1;
    }
    assert_eq!(checked, 5);
}

#[test]
fn a_time_that_the_clocks_skip_is_skipped() {
    assert_eq!(
        fires_after("30 2 * * ? *", "Europe/Berlin", "2027-03-26T12:00:00Z", 3),
        [
            "2027-03-27 02:30 +01:00",
            "2027-03-29 02:30 +02:00 (02:30 on 2027-03-28 does not exist, the clocks go forward: no run then)",
            "2027-03-30 02:30 +02:00",
        ]
    );
    assert_eq!(
        fires_after("30 2 * * ? *", "America/New_York", "2027-03-13T00:00:00Z", 2),
        [
            "2027-03-13 02:30 -05:00",
            "2027-03-15 02:30 -04:00 (02:30 on 2027-03-14 does not exist, the clocks go forward: no run then)",
        ]
    );
}

#[test]
fn a_time_that_the_clocks_show_twice_fires_once() {
    assert_eq!(
        fires_after("30 2 * * ? *", "Europe/Berlin", "2026-10-24T12:00:00Z", 2),
        [
            "2026-10-25 02:30 +02:00 (the clocks go back and show this time twice: one run)",
            "2026-10-26 02:30 +01:00 (the clocks have gone back: UTC+01:00 now, UTC+02:00 before)",
        ]
    );
    assert_eq!(
        fires_after("30 1 * * ? *", "America/New_York", "2026-10-31T12:00:00Z", 2),
        [
            "2026-11-01 01:30 -04:00 (the clocks go back and show this time twice: one run)",
            "2026-11-02 01:30 -05:00 (the clocks have gone back: UTC-05:00 now, UTC-04:00 before)",
        ]
    );
    let fire = &next(&schedule("30 2 * * ? *", "Europe/Berlin"), at("2026-10-24T12:00:00Z"), 1)[0];
    assert_eq!((fire.utc, fire.again), (at("2026-10-25T00:30:00Z"), Some(at("2026-10-25T01:30:00Z"))));
    // From within the second of the two hours, the first is over.
    assert_eq!(next(&schedule("30 2 * * ? *", "Europe/Berlin"), at("2026-10-25T01:10:00Z"), 1)[0].local.day(), 26);
}

#[test]
fn a_change_of_the_clocks_between_two_fires_is_told() {
    assert_eq!(
        fires_after("0 3 * * ? *", "Europe/Berlin", "2027-03-26T12:00:00Z", 3),
        [
            "2027-03-27 03:00 +01:00",
            "2027-03-28 03:00 +02:00 (the clocks have gone forward: UTC+02:00 now, UTC+01:00 before)",
            "2027-03-29 03:00 +02:00",
        ]
    );
}

#[test]
fn quarter_hours_across_both_changes() {
    let count = |zone, from: &str, to: &str| between(&schedule("0/15 * * * ? *", zone), at(from), at(to)).len();
    // 23 hours have 92 quarters; of 25 hours one hour's quarters fire once only.
    assert_eq!(count("Europe/Berlin", "2027-03-27T22:59:00Z", "2027-03-28T21:59:00Z"), 92);
    assert_eq!(count("Europe/Berlin", "2026-10-24T21:59:00Z", "2026-10-25T22:59:00Z"), 96);
    assert_eq!(count("America/New_York", "2027-03-14T04:59:00Z", "2027-03-15T03:59:00Z"), 92);
    assert_eq!(count("America/New_York", "2026-11-01T03:59:00Z", "2026-11-02T04:59:00Z"), 96);
    assert_eq!(count("UTC", "2026-10-24T23:59:00Z", "2026-10-25T23:59:00Z"), 96);
}

#[test]
fn between_is_open_at_its_start_and_closed_at_its_end() {
    let daily = schedule("0 3 * * ? *", "UTC");
    let (first, second) = (at("2026-11-21T03:00:00Z"), at("2026-11-22T03:00:00Z"));
    assert_eq!(between(&daily, first, second).into_iter().map(|fire| fire.utc).collect::<Vec<_>>(), [second]);
}

#[test]
fn a_plan_is_read_back() {
    let plan = |expression: &str| SchedulePlan {
        expression: expression.to_owned(),
        timezone: "Europe/Berlin".into(),
        start: None,
        end: None,
    };
    for expression in ["cron(0 3 * * ? *)", "rate(5 minutes)", "rate(1 day)"] {
        assert_eq!(Schedule::of_plan(&plan(expression)).unwrap().expression(), expression);
    }
    assert_eq!(Schedule::of_plan(&plan("at(2026-11-22T00:00:00)")).unwrap().expression(), "at(2026-11-22T00:00:00)");
    assert!(Schedule::of_plan(&plan("at(2026-11-22)")).is_err());
    assert!(Schedule::of_plan(&plan("cron(0 75 * * ? *)")).is_err());
}

#[test]
fn rates() {
    assert_eq!(rate("5 minutes").unwrap().interval(), SignedDuration::from_mins(5));
    assert_eq!(rate("1 day").unwrap().interval(), SignedDuration::from_hours(24));
    let help = |text| rate(text).unwrap_err().help.unwrap();
    assert_eq!(help("1 minutes"), "write `1 minute`");
    assert_eq!(help("5 minute"), "write `5 minutes`");
    assert_eq!(help("5 min"), "write `5 minutes`");
    assert_eq!(help("5m"), "write `5 minutes`");
    assert_eq!(help("2H"), "write `2 hours`");
    assert_eq!(help(" 5  minutes "), "write `5 minutes`");
    assert_eq!(help("0 minutes"), "the shortest rate is `1 minute`");
    assert_eq!(help("30 seconds"), "the shortest rate is `1 minute`");
    assert_eq!(help("rate(5 minutes)"), "`rate( )` is added by dpc: write `5 minutes`");
    for text in ["", "minutes", "5", "-5 minutes", "1.5 hours", "5 weeks", "99999999999 days", "é"] {
        assert_eq!(help(text), "write such as `5 minutes`, `1 hour` or `7 days`", "{text}");
    }
}

proptest! {
    /// Against the plainest reading: every minute of the zone's clock, once.
    #[test]
    fn fires_are_the_minutes_whose_local_time_matches(
        minute in 0i8..60, hour in 0i8..5, day in 0i64..800, zone in prop::sample::select(vec![
            "UTC", "Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "America/Santiago", "Africa/Cairo",
        ]),
    ) {
        let schedule = schedule(&format!("{minute} {hour}/6 * * ? *"), zone);
        let start = date(2026, 1, 1).to_zoned(TimeZone::UTC).unwrap().timestamp() + SignedDuration::from_hours(24 * day);
        let end = start + SignedDuration::from_hours(72);
        let mut seen = std::collections::BTreeSet::new();
        let expected: Vec<Timestamp> = (-24 * 60..=72 * 60)
            .map(|minutes| start + SignedDuration::from_mins(minutes))
            .filter(|time| {
                let local = time.to_zoned(schedule.zone.clone());
                local.minute() == minute && local.hour() % 6 == hour && seen.insert(local.datetime())
            })
            .filter(|time| *time > start && *time <= end)
            .collect();
        let found: Vec<Timestamp> = between(&schedule, start, end).into_iter().map(|fire| fire.utc).collect();
        prop_assert_eq!(found, expected);
    }
}

#[test]
fn a_schedule_fires_from_its_start_until_its_end() {
    let instant = |text: &str| Some(text.parse::<Timestamp>().unwrap());
    let bounded = Schedule {
        start: instant("2026-11-21T02:00:00Z"),
        end: instant("2026-11-23T02:00:00Z"),
        ..schedule("0 3 * * ? *", "Europe/Berlin")
    };
    let fires: Vec<String> = next(&bounded, "2026-01-01T00:00:00Z".parse().unwrap(), 5)
        .into_iter()
        .map(|fire| fire.utc.to_string())
        .collect();
    assert_eq!(fires, ["2026-11-21T02:00:00Z", "2026-11-22T02:00:00Z"]);
    assert_eq!(describe(&bounded), "every day at 03:00 Europe/Berlin, from 2026-11-21 03:00, until 2026-11-23 03:00");
    assert!(next(&bounded, "2027-01-01T00:00:00Z".parse().unwrap(), 5).is_empty());
}

#[test]
fn at_fires_once() {
    let at = |text: &str| of(When::At(moment::time(text).unwrap()), zone::zone("Europe/Berlin").unwrap());
    let after: Timestamp = "2026-01-01T00:00:00Z".parse().unwrap();
    let once = at("2026-11-21T03:00");
    assert_eq!(next(&once, after, 5).len(), 1);
    assert_eq!(once.expression(), "at(2026-11-21T03:00:00)");
    assert_eq!(describe(&once), "once, on Sat 2026-11-21 at 03:00 Europe/Berlin");
    assert!(next(&at("2027-03-28T02:30"), after, 5).is_empty(), "the clocks skip it");
    assert_eq!(next(&at("2026-10-25T02:30"), after, 5).len(), 1);
    assert!(next(&at("2025-10-25T02:30"), after, 5).is_empty());
}
