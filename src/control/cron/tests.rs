use proptest::prelude::*;

use super::*;

fn rewritten(text: &str) -> String {
    parse(text).map_or_else(|problems| panic!("{text}: {problems:?}"), |cron| cron.to_string())
}

fn problems(text: &str) -> Vec<Problem> {
    parse(text).expect_err(text)
}

/// `^^` under the bytes, then what is said: what a user sees.
fn refused(text: &str) -> String {
    let said: Vec<String> = problems(text)
        .into_iter()
        .map(|problem| {
            let carets = format!("{}{}", " ".repeat(problem.range.start), "^".repeat(problem.range.len().max(1)));
            let rest = [problem.why.map(|why| format!("; {why}")), problem.help.map(|help| format!("; {help}"))];
            format!("{carets} {}{}", problem.message, rest.into_iter().flatten().collect::<String>())
        })
        .collect();
    format!("{text}\n{}", said.join("\n"))
}

fn dates(text: &str, from: Date, count: usize) -> Vec<String> {
    parse(text).expect(text).dates(from).take(count).map(|date| date.to_string()).collect()
}

const NOVEMBER: Date = Date::constant(2026, 11, 22);

#[test]
fn six_fields_stay_as_typed() {
    for text in [
        "0 3 * * ? *",
        "0/15 8-17 ? * MON-FRI *",
        "*/5 * * * ? *",
        "15 10 L * ? *",
        "15 10 L-3 * ? *",
        "0 18 15W * ? *",
        "0 18 LW * ? *",
        "0 8 ? * 2#1 *",
        "15 10 ? * 6L 2027-2028",
        "0 0 1,15 JAN,jul ? 2027/2",
        "0 0 29 2 ? *",
        "0-59/7 0 ? * L *",
    ] {
        assert_eq!(rewritten(text), text.to_uppercase());
    }
    assert_eq!(rewritten("  0  3 * * ? *  "), "0 3 * * ? *");
    assert_eq!(rewritten("0 3 ? * mon#2 *"), "0 3 ? * 2#2 *");
    assert_eq!(rewritten("0 3 ? * FRIL *"), "0 3 ? * 6L *");
}

#[test]
fn five_fields_become_six() {
    assert_eq!(rewritten("0 3 * * *"), "0 3 * * ? *");
    assert_eq!(rewritten("*/15 * * * *"), "*/15 * * * ? *");
    assert_eq!(rewritten("0 3 1 * *"), "0 3 1 * ? *");
    assert_eq!(rewritten("0 3 * * 1"), "0 3 ? * MON *");
    assert_eq!(rewritten("0 3 * * 1-5"), "0 3 ? * MON-FRI *");
    assert_eq!(rewritten("0 3 * * 0"), "0 3 ? * SUN *");
    assert_eq!(rewritten("0 3 * * 7"), "0 3 ? * SUN *");
    assert_eq!(rewritten("0 3 * * 5-7"), "0 3 ? * SUN,FRI,SAT *");
    assert_eq!(rewritten("0 3 * * 0-6"), "0 3 * * ? *");
    assert_eq!(rewritten("0 3 * * */2"), "0 3 ? * SUN,TUE,THU,SAT *");
    assert_eq!(rewritten("0 3 * jul wed"), "0 3 ? JUL WED *");
}

#[test]
fn each_mistake_is_shown_where_it_is() {
    let table = [
        "75 3 * * ? *\n^^ `75` is not a minute; write 0 to 59; a period that does not divide an hour is a `rate`",
        "0 24 * * ? *\n  ^^ `24` is not an hour; midnight is hour `0`",
        "0 3 * 13 ? *\n      ^^ `13` is not a month; write 1 to 12 or JAN to DEC",
        "0 3 32 * ? *\n    ^^ `32` is not a day of month; write 1 to 31",
        "0 3 * * ? 1969\n          ^^^^ `1969` is not a year; write 1970 to 2199",
        "0 3 ? * 0 *\n        ^ `0` is not a day of week; in AWS's six fields the week is 1 (SUN) to 7 (SAT); 0 is Sunday in ordinary cron of five fields; write `1` or `SUN`",
        "0 3 ? * MONDAY *\n        ^^^^^^ `MONDAY` is not a day of week; write `MON`",
        "0 3,,4 * * ? *\n    ^ an hour is missing here; write 0 to 23",
        "0 22-4 * * ? *\n  ^^^^ `22-4` runs backwards; a range goes from the smaller to the larger value; write `22-23,0-4`",
        "/5 3 * * ? *\n^^ `/5` does not say where to begin; write `*/5`",
        "*/0 3 * * ? *\n  ^ `0` is not a step of minutes; write 1 to 59",
        "*/60 3 * * ? *\n  ^^ `60` is not a step of minutes; write 1 to 59",
        "0/5/5 3 * * ? *\n^^^^^ `0/5/5` has two steps; write one `/`",
        "? 3 * * ? *\n^ `?` cannot be a minute; `?` means \"see the other day field\" and stands in one of the two day fields only; write `*`",
        "0 3 ? * ? *\n        ^ both day fields are `?`; each `?` points at the other field, so no day is named; for every day write `0 3 * * ? *`",
        "0 3 * * * *\n        ^ both day fields are set; AWS reads one of day of month and day of week and wants `?` in the other; write `0 3 * * ? *`",
        "0 3 * * MON *\n        ^^^ both day fields are set; AWS reads one of day of month and day of week and wants `?` in the other; write `0 3 ? * MON *`",
        "0 3 1 * MON 2027\n        ^^^ both day fields are set; AWS reads one of day of month and day of week and wants `?` in the other; for days that match either, write two schedules: `0 3 1 * ? 2027` and `0 3 ? * MON 2027`",
        "0 3 ? * 2#1,3#1 *\n        ^^^^^^^ `2#1,3#1` is not a day of week; AWS takes one `#` in an expression; write one schedule for each",
        "0 3 ? * 2#6 *\n        ^^^ `2#6` is not a day of week; after `#` stands which one of the month, 1 to 5; write `2#1` for the first Monday",
        "0 3 W * ? *\n    ^ `W` is not a day of month; write `L` for the last day, `LW` for the last weekday, `15W` for the weekday nearest to the 15th",
        "0 3 1,L * ? *\n    ^^^ `1,L` is not a day of month; AWS takes `L` and `W` alone, not in a list; write one schedule for each",
        "0 3 31 2 ? *\n^^^^^^^^^^^^ `0 3 31 2 ? *` never fires; no month and year that it names has such a day; check day of month, month and year; `L` is the last day of any month",
        "0 0 3 * * ?\n          ^ `?` is not a year; AWS reads minute, hour, day of month, month, day of week, year; other tools put seconds first; if the first field is seconds, write `0 3 * * ? *`",
        "0 0 3 * * ? *\n^^^^^^^^^^^^^ a cron expression has five or six fields, this has 7; AWS has no seconds: if they come first, write `0 3 * * ? *`",
        "0 3 *\n^^^^^ a cron expression has five or six fields, this has 3; write minute, hour, day of month, month, day of week and year, such as `0 3 * * ? *`",
        "@daily\n^^^^^^ `@daily` is not a cron expression of AWS; did you mean `0 0 * * ? *`?",
        "@Hourly\n^^^^^^^ `@Hourly` is not a cron expression of AWS; did you mean `0 * * * ? *`?",
        "cron(0 3 * * ? *)\n^^^^^^^^^^^^^^^^^ `cron( )` is added by dpc; write `0 3 * * ? *`",
        "0 3 ? * 1\n    ^ `?` belongs to AWS's six fields, and this has five; the sixth field is the year; write `0 3 ? * 1 *`",
        "0 3 L * *\n    ^ `L` belongs to AWS's six fields, and this has five; the sixth field is the year; write `0 3 L * * *`",
        "0 3 1 * 1\n        ^ both day fields are set, and AWS reads one; ordinary cron fires when either matches, which one schedule of AWS cannot say; write two schedules: `0 3 1 * ? *` and `0 3 ? * MON *`",
        "0 3 */2 * 1\n          ^ both day fields are set, and AWS reads one; with a step of `*` ordinary cron wants both to match, which AWS cannot say; keep one of them: `0 3 */2 * ? *` or `0 3 ? * MON *`",
        "99999999999999 3 * * ? *\n^^^^^^^^^^^^^^ `99999999999999` is not a minute; write 0 to 59; a period that does not divide an hour is a `rate`",
        "é 3 * * ? *\n^^ `é` is not a minute; write 0 to 59, `*`, a list, a range or a step",
    ];
    for expected in table {
        let (text, _) = expected.split_once('\n').expect("a table of pictures");
        assert_eq!(refused(text), expected);
    }
}

#[test]
fn all_mistakes_are_reported_in_order() {
    let ranges: Vec<_> = problems("75 25 ? 13 0 *").into_iter().map(|problem| problem.range).collect();
    assert_eq!(ranges, [0..2, 3..5, 8..10, 11..12]);
}

#[test]
fn nothing_is_an_error_with_an_example() {
    assert!(problems("")[0].help.as_deref().is_some_and(|help| help.contains("0 3 * * ? *")));
    assert!(problems("   ")[0].message.contains("empty"));
}

#[test]
fn days_are_those_of_the_calendar() {
    assert_eq!(dates("0 3 L * ? *", NOVEMBER, 4), ["2026-11-30", "2026-12-31", "2027-01-31", "2027-02-28"]);
    assert_eq!(dates("0 3 L-3 2 ? *", NOVEMBER, 2), ["2027-02-25", "2028-02-26"]);
    assert_eq!(dates("0 3 29 2 ? *", NOVEMBER, 2), ["2028-02-29", "2032-02-29"]);
    // 2027-05-15 is a Saturday, 2027-08-15 a Sunday, 2027-05-01 a Saturday, 2027-10-31 a Sunday.
    assert_eq!(dates("0 3 15W 5,8 ? *", NOVEMBER, 2), ["2027-05-14", "2027-08-16"]);
    assert_eq!(dates("0 3 1W 5 ? *", NOVEMBER, 1), ["2027-05-03"]);
    assert_eq!(dates("0 3 31W 10 ? *", NOVEMBER, 1), ["2027-10-29"]);
    assert_eq!(dates("0 3 LW * ? *", NOVEMBER, 3), ["2026-11-30", "2026-12-31", "2027-01-29"]);
    assert_eq!(dates("0 3 ? * 2#1 *", NOVEMBER, 2), ["2026-12-07", "2027-01-04"]);
    assert_eq!(dates("0 3 ? * 6L *", NOVEMBER, 2), ["2026-11-27", "2026-12-25"]);
    assert_eq!(dates("0 3 ? * 1 *", NOVEMBER, 2), ["2026-11-22", "2026-11-29"]);
    assert_eq!(dates("0 3 * * 0", NOVEMBER, 2), ["2026-11-22", "2026-11-29"]);
}

#[test]
fn a_schedule_whose_years_are_over_says_so() {
    let cron = parse("0 3 1 1 ?  2020-2026").unwrap();
    assert_eq!(cron.past(Date::constant(2025, 12, 31)), None);
    let problem = cron.past(NOVEMBER).unwrap();
    assert_eq!(problem.range, 11..20);
    assert_eq!(problem.message, "this schedule has fired for the last time in 2026");
}

/// Fields that are mostly right, so that whole expressions often are.
fn field(min: i16, max: i16, special: &'static str) -> impl Strategy<Value = String> {
    prop_oneof![
        4 => Just("*".to_owned()),
        4 => (min..=max).prop_map(|value| value.to_string()),
        2 => (min..=max, min..=max).prop_map(|(one, other)| format!("{}-{}", one.min(other), one.max(other))),
        2 => (min..=max, 1i16..30).prop_map(|(from, step)| format!("{from}/{step}")),
        1 => proptest::collection::vec(min..=max + 1, 1..4)
            .prop_map(|values| values.iter().map(i16::to_string).collect::<Vec<_>>().join(",")),
        3 => special,
        1 => "[0-9A-Z*?,/#LW-]{1,6}",
    ]
}

fn expression() -> impl Strategy<Value = String> {
    let day = prop_oneof![
        (field(1, 31, "L|LW|(L-[1-9])|([12][0-9]W)"), Just("?".to_owned())),
        (Just("?".to_owned()), field(1, 7, "L|[1-7]L|[1-7]#[1-5]|MON-FRI")),
        (field(1, 31, "L|15W"), field(0, 7, "SUN|sat")),
    ];
    let rest = (field(0, 59, "0/15"), field(0, 23, "8-17/2"), field(1, 12, "JAN|feb-jun"));
    (rest, day, proptest::option::of(field(2020, 2199, "2026-2030"))).prop_map(
        |((minute, hour, month), (day, week), year)| {
            format!("{minute} {hour} {day} {month} {week} {}", year.unwrap_or_default())
        },
    )
}

proptest! {
    #[test]
    fn a_rewritten_expression_means_what_it_meant(text in expression()) {
        match parse(&text) {
            Ok(cron) => {
                let again = parse(&cron.to_string()).expect("what dpc writes, dpc reads");
                prop_assert_eq!(again.to_string(), cron.to_string());
                let from = |cron: &Cron| cron.times(NOVEMBER).take(50).collect::<Vec<_>>();
                prop_assert_eq!(from(&again), from(&cron));
            }
            Err(problems) => {
                prop_assert!(!problems.is_empty());
                for problem in problems {
                    prop_assert!(text.get(problem.range).is_some());
                }
            }
        }
    }

    #[test]
    fn any_text_is_read_or_refused_at_its_own_bytes(text in "\\PC{0,40}") {
        for problem in parse(&text).err().into_iter().flatten() {
            prop_assert!(text.get(problem.range).is_some());
        }
    }

    /// Against the plainest reading: a time matches if each of its parts is in the field's set.
    #[test]
    fn times_are_exactly_those_that_match(
        minute in 0i16..60, hour in 0i16..24, day in 1i16..32, month in 1i16..13, offset in 0i64..1500,
    ) {
        let cron = parse(&format!("{minute}/20 {hour} {day} {month}/3 ? *")).ok();
        let Some(cron) = cron else { return Ok(()) };
        let first = NOVEMBER.checked_add(jiff::Span::new().days(offset)).unwrap();
        let expected = (0..1700i64)
            .filter_map(|days| first.checked_add(jiff::Span::new().days(days)).ok())
            .filter(|date| i16::from(date.day()) == day && (i16::from(date.month()) - month) % 3 == 0 && i16::from(date.month()) >= month)
            .flat_map(|date| (minute..60).step_by(20).map(move |minute| date.at(hour as i8, minute as i8, 0, 0)))
            .take(3)
            .collect::<Vec<_>>();
        let found: Vec<_> = cron.times(first).take(expected.len()).collect();
        prop_assert_eq!(found, expected);
    }
}
