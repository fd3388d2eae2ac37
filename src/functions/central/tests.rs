//! What the central function must do whatever happens: crashes at every call, duplicates, refusals, poison.

use std::collections::BTreeSet;

use serde_json::json;

use super::desk::{Desk, Sheet, Written};
use super::testing::*;
use crate::cloud::central::{Open, keys};
use crate::control::message::{Body, Change, Override, Reserve};
use crate::control::run::Status;
use crate::control::trigger::fact::{FireRecord, Rest, Version};
use crate::control::trigger::store::Write;
use crate::source::Code;

fn expected(code: &str) -> String {
    let path = format!("{}/fixtures/broken/{code}/expected.txt", env!("CARGO_MANIFEST_DIR"));
    std::fs::read_to_string(path).unwrap()
}

/// Compares with the fixture, or writes it where blessing is asked for.
fn reads(code: &str, said: &str) {
    let said = format!("{said}\n");
    if std::env::var_os("DPC_BLESS").is_some() {
        std::fs::write(format!("{}/fixtures/broken/{code}/expected.txt", env!("CARGO_MANIFEST_DIR")), &said).unwrap();
    }
    assert_eq!(said, expected(code), "{code}");
}

#[test]
fn the_last_upstream_starts_the_pipeline_once_whatever_the_order() {
    let mut keys = BTreeSet::new();
    for order in [["listings", "searches"], ["searches", "listings"]] {
        let central = central();
        for pipeline in order {
            assert!(central.published().is_empty(), "{order:?}");
            central.tell(if pipeline == "listings" { A } else { B }, pipeline, ended(pipeline));
        }
        let published = central.published();
        assert_eq!(published.len(), 1, "{order:?}: {published:?}");
        let (bus, envelope) = central.outside.taken.borrow()[0].clone();
        assert_eq!((bus.as_str(), envelope.pipeline.as_str()), (BUS_C, "pipeline-x"));
        assert_eq!(envelope.partition.as_deref(), Some(DAY));
        keys.insert(envelope.key);
        central.sweep_now();
        assert_eq!((central.published().len(), central.swept()), (1, 1), "it is on its way");
    }
    assert_eq!(keys.len(), 1, "both orders rest on the same runs: {keys:?}");
}

#[test]
fn a_fact_and_its_fire_are_one_write_and_the_mark_another() {
    let central = central();
    central.tell(A, "1", ended("listings"));
    let count = || {
        let Memory { trips, reads, writes, items, .. } = &central.rows;
        [trips, reads, writes, items].map(std::cell::Cell::get)
    };
    let before = count();
    central.tell(B, "2", ended("searches"));
    let after = count();
    let [trips, reads, writes, items] = std::array::from_fn(|at| after[at] - before[at]);
    println!("one fact with its fire: {trips} round trips of {reads} questions, {writes} writes of {items} rows");
    assert_eq!(writes, 2, "fact with fire, mark of the fire");
    assert!(trips <= 4 && reads <= 5, "{trips} round trips of {reads} questions");
}

#[test]
fn duplicates_change_nothing() {
    let (once, thrice) = (central(), central());
    for pipeline in ["listings", "searches"] {
        let account = if pipeline == "listings" { A } else { B };
        once.tell(account, pipeline, ended(pipeline));
        for _ in 0..3 {
            thrice.tell(account, pipeline, ended(pipeline));
        }
        thrice.tell(account, "late", Body::Run(report(pipeline, DAY, 1, Status::Running)));
    }
    assert_eq!(once.facts(), thrice.facts());
    assert_eq!(once.published(), thrice.published());
}

/// Lets the function die at every call that it makes of the outside, before and after the call took effect. Then the queue
/// brings the message again, or, if it was taken out of the queue by hand, the sweep comes.
fn survives(before: &dyn Fn() -> TestCentral, account: &str, what: &Body, by_queue: bool) {
    let body = body(account, "m", what.clone()).to_string();
    let clean = before();
    assert!(clean.records(&[record("m", &body, 1)]).is_empty());
    let wanted: BTreeSet<_> = clean.published().into_iter().collect();
    let mut deaths = 0;
    for call in 0.. {
        let mut any = false;
        for late in [false, true] {
            let central = before();
            central.outside.fault.at(call, late);
            let failed = central.records(&[record("m", &body, 1)]);
            if !central.outside.fault.mend() {
                continue;
            }
            any = true;
            deaths += 1;
            assert!(!failed.is_empty(), "call {call}: the queue was told that all is well");
            if by_queue {
                assert!(central.records(&[record("m", &body, 2)]).is_empty(), "call {call}, late {late}");
            } else {
                // Everything is written after the first write; before it, the account's own sweep tells it again.
                assert!(central.sweep_now().is_empty());
                assert!(central.records(&[record("again", &body, 1)]).is_empty());
                assert!(central.sweep_now().is_empty());
            }
            let published: BTreeSet<_> = central.published().into_iter().collect();
            assert_eq!(published, wanted, "call {call}, late {late}");
            let strip = |central: &TestCentral| {
                let facts = central.facts();
                facts
                    .into_iter()
                    .map(|(key, open, fact)| (key, open, fact["status"].clone(), fact["hash"].clone()))
                    .collect::<Vec<_>>()
            };
            assert_eq!(strip(&central), strip(&clean), "call {call}, late {late}");
        }
        if !any {
            break;
        }
    }
    assert!(deaths >= 6, "only {deaths} deaths");
}

#[test]
fn a_crash_at_any_call_loses_nothing_and_does_nothing_twice() {
    let before = || {
        let central = central();
        central.tell(A, "1", ended("listings"));
        central
    };
    survives(&before, B, &ended("searches"), true);
    survives(&before, B, &ended("searches"), false);
}

#[test]
fn more_fires_than_one_transaction_takes_survive_a_crash_too() {
    let before = || {
        let central = empty();
        central.tell(A, "1", Body::Register(registration("monthly", A, "month", &[])));
        central.tell(B, "2", Body::Register(registration("daily", B, "day", &["monthly"])));
        central
    };
    let central = before();
    central.tell(A, "3", Body::Run(report("monthly", "2026-12", 1, Status::Succeeded)));
    assert_eq!(central.published().len(), 31);
    assert_eq!(central.outside.requests.get(), 4, "25 in three requests, 6 in one");
    let what = Body::Run(report("monthly", "2026-12", 1, Status::Succeeded));
    survives(&before, A, &what, true);
    survives(&before, A, &what, false);
}

#[test]
fn registrations_survive_a_crash() {
    let before = || {
        let central = empty();
        central.tell(A, "1", Body::Register(registration("listings", A, "day", &[])));
        central.tell(A, "2", ended("listings"));
        central
    };
    let what = Body::Register(registration("pipeline-x", C, "day", &["listings"]));
    survives(&before, C, &what, true);
    survives(&before, C, &what, false);
}

#[test]
fn after_a_failure_all_behind_it_come_again_in_order() {
    let central = central();
    let messages = ["1", "2", "3"].map(|id| {
        let what = Body::Run(report("listings", DAY, id.parse().unwrap(), Status::Succeeded));
        record(id, &body(A, id, what).to_string(), 1)
    });
    central.rows.loses.set(1);
    assert_eq!(central.records(&messages), ["1", "2", "3"]);
    assert_eq!(
        *central.outside.pauses.borrow(),
        [("receipt-1".into(), 2), ("receipt-2".into(), 0), ("receipt-3".into(), 0)]
    );
    assert!(central.facts().is_empty(), "nothing overtakes what has failed");
    assert!(central.records(&messages).is_empty());
    assert_eq!(central.facts().iter().filter(|(key, ..)| key.sk.starts_with(DAY)).count(), 3);
}

#[test]
fn what_a_bus_does_not_take_is_sent_again_by_the_sweep_and_said_once() {
    let central = central();
    central.outside.takes.set(0);
    central.tell(A, "1", ended("listings"));
    central.tell(B, "2", ended("searches"));
    assert!(central.published().is_empty());
    assert!(central.attention().is_empty(), "the first time may be an accident");
    for _ in 0..3 {
        central.wait(5);
        central.sweep_now();
    }
    assert_eq!(central.attention().len(), 1, "{:?}", central.attention());
    central.outside.takes.set(usize::MAX);
    central.sweep_now();
    assert_eq!(central.published().len(), 1);
    central.sweep_now();
    assert_eq!(central.published().len(), 1);
}

#[test]
fn one_account_that_is_gone_holds_up_no_other() {
    let central = central();
    central.tell(B, "3", Body::Register(registration("other", B, "day", &["listings"])));
    central.tell(C, "4", Body::Register(registration("third", C, "day", &["listings"])));
    central.outside.closed.borrow_mut().insert(BUS_C.into());
    central.tell(A, "5", ended("listings"));
    assert_eq!(central.published().iter().map(|(name, _)| name.as_str()).collect::<Vec<_>>(), ["other"]);
}

#[test]
fn some_of_a_request_may_be_refused() {
    let central = empty();
    central.tell(A, "1", Body::Register(registration("listings", A, "day", &[])));
    for number in 0..12 {
        let name = format!("down-{number:02}");
        central.tell(C, &name, Body::Register(registration(&name, C, "day", &["listings"])));
    }
    central.outside.takes.set(3);
    central.tell(A, "2", ended("listings"));
    assert_eq!(central.published().len(), 5, "three of ten, and two of two");
    central.outside.takes.set(usize::MAX);
    central.wait(5);
    central.sweep_now();
    let published = central.published();
    assert_eq!(published.len(), 12);
    assert_eq!(published.iter().collect::<BTreeSet<_>>().len(), 12);
}

#[test]
fn a_fire_of_which_nothing_is_heard_is_published_again_and_said_once() {
    let central = central();
    central.tell(A, "1", ended("listings"));
    central.tell(B, "2", ended("searches"));
    central.wait(14);
    central.sweep_now();
    assert_eq!(central.published().len(), 1);
    central.wait(2);
    central.sweep_now();
    assert_eq!(central.published().len(), 2);
    assert_eq!(central.published().iter().collect::<BTreeSet<_>>().len(), 1, "the same start key");
    assert_eq!(central.attention().len(), 1);
    central.wait(16);
    central.sweep_now();
    assert_eq!((central.published().len(), central.attention().len()), (3, 1));
    let key = central.published()[0].1.clone();
    let mut queued = report("pipeline-x", DAY, 1, Status::Queued);
    queued.source = crate::control::run::Source::Trigger;
    queued.key = key;
    central.tell(C, "3", Body::Run(queued));
    central.wait(60);
    central.sweep_now();
    assert_eq!(central.published().len(), 3, "it has arrived");
}

#[test]
fn messages_that_cannot_be_read_are_buried_with_the_reason() {
    let central = central();
    let mut unknown = body(A, "x", ended("listings"));
    unknown["detail"]["body"] = json!({ "dance": {} });
    let mut nameless = body(A, "y", ended("listings"));
    nameless["detail"].as_object_mut().unwrap().remove("id");
    let mut foreign = body(A, "z", ended("listings"));
    foreign["source"] = json!("aws.ec2");
    let mut key = report("listings", DAY, 1, Status::Succeeded);
    key.pipeline = "listings#2026".into();
    let bodies = [
        nameless.to_string(),
        "not JSON".into(),
        "{}".into(),
        unknown.to_string(),
        foreign.to_string(),
        body("not-an-account", "a", ended("listings")).to_string(),
        body(A, "b", Body::Run(key)).to_string(),
        body(A, "c", Body::Run(report("listings", "2026-02-30", 1, Status::Succeeded))).to_string(),
        body(A, "d", Body::Run(report("nobody", DAY, 1, Status::Succeeded))).to_string(),
    ];
    let records: Vec<_> = bodies.iter().enumerate().map(|(at, body)| record(&at.to_string(), body, 1)).collect();
    assert!(central.records(&records).is_empty(), "poison holds up nobody");
    let letters = central.outside.letters.borrow();
    assert_eq!(letters.iter().map(|letter| letter.body.clone()).collect::<Vec<_>>(), bodies);
    let codes: Vec<_> = letters.iter().map(|letter| letter.code).collect();
    assert_eq!(codes[..7], ["DPC796"; 7]);
    assert_eq!(codes[7..], ["DPC791", "DPC790"]);
    assert_eq!(central.attention().len(), bodies.len());
    reads("DPC796", &letters[0].reason);
}

#[test]
fn a_region_that_is_none_is_refused() {
    let central = empty();
    let mut asked = registration("listings", A, "day", &[]);
    asked.region = "eu-central-1:444444444444:event-bus/dpc?".into();
    central.tell(A, "r", Body::Register(asked));
    assert_eq!(central.answer_to("r").unwrap().refused.unwrap().code, "DPC796");
    assert!(!central.rows.rows.borrow().contains_key(&keys::pipeline("prod", "listings")));
}

#[test]
fn a_newer_message_is_kept_and_says_what_to_do() {
    let central = central();
    let mut newer = body(A, "n-1", Body::Hello);
    newer["detail"]["version"] = json!(2);
    newer["detail"]["dpc"] = json!("9.1.0");
    newer["detail"]["body"] = json!({ "sing": {} });
    let mut same = newer.clone();
    same["detail"]["version"] = json!(1);
    same["detail"]["id"] = json!("n-2");
    assert!(central.records(&[record("1", &newer.to_string(), 1), record("2", &same.to_string(), 1)]).is_empty());
    let letters = central.outside.letters.borrow();
    assert!(letters.iter().all(|letter| letter.code == Code::NewerMessage.id()), "{letters:?}");
    reads("DPC797", &letters[0].reason.replace(env!("CARGO_PKG_VERSION"), "0.1.0"));
    for id in ["n-1", "n-2"] {
        assert_eq!(central.answer_to(id).unwrap().refused.unwrap().code, "DPC797");
    }
}

#[test]
fn an_account_that_speaks_for_another_is_refused_and_recorded() {
    let central = central();
    let before = central.facts();
    for _ in 0..2 {
        central.tell(B, "spoof", ended("listings"));
    }
    let change = Override {
        pipeline: "listings".into(),
        partition: DAY.into(),
        change: Change::Mark(Status::Succeeded),
        by: "mallory".into(),
        why: None,
        at: at("2026-11-21T13:00:00Z"),
    };
    central.tell(B, "mark", Body::Override(change));
    assert_eq!(central.facts(), before, "nothing is believed");
    assert!(central.outside.letters.borrow().is_empty());
    assert_eq!(central.attention().len(), 3);
    let rows = central.rows.rows.borrow();
    let row = &rows[&keys::spoof("prod", "listings", B)];
    assert_eq!((&row.document["count"], &row.document["owner"]), (&json!(3), &json!(A)));
    assert!(row.expires.is_some());
    drop(rows);
    let refused = central.answer_to("mark").unwrap().refused.unwrap();
    reads("DPC789", &format!("{}: {}; {}", refused.code, refused.message, refused.help.unwrap_or_default()));
}

#[test]
fn refusals_read_well() {
    let central = central();
    let refused = |id: &str, account: &str, what: Body, code: &str| {
        central.tell(account, id, what);
        let answer = central.answer_to(id).unwrap();
        let refused = answer.refused.unwrap_or_else(|| panic!("{code} was not refused"));
        assert_eq!(refused.code, code);
        reads(code, &format!("{}: {}; {}", refused.code, refused.message, refused.help.unwrap_or_default()));
    };
    refused("1", B, Body::Register(registration("listings", B, "day", &[])), "DPC785");
    refused("2", A, Body::Register(registration("listings", A, "day", &["pipeline-x"])), "DPC786");
    central.tell(B, "m", Body::Register(registration("monthly", B, "month", &[])));
    refused("3", A, Body::Register(registration("weekly", A, "week", &["monthly"])), "DPC787");
    refused("4", A, Body::Register(registration("listings", A, "hour", &[])), "DPC788");
    let mark = |pipeline: &str, partition: &str, status| {
        Body::Override(Override {
            pipeline: pipeline.into(),
            partition: partition.into(),
            change: Change::Mark(status),
            by: "ada".into(),
            why: None,
            at: at("2026-11-21T13:00:00Z"),
        })
    };
    refused("5", A, mark("nobody", DAY, Status::Succeeded), "DPC790");
    refused("6", A, mark("listings", "2026-11", Status::Succeeded), "DPC791");
    refused("7", A, mark("listings", DAY, Status::Running), "DPC792");
    refused("8", A, Body::Reserve(reserve("bf-1", "listings", vec!["2026-02-30".into()])), "DPC795");
}

fn reserve(id: &str, pipeline: &str, partitions: Vec<String>) -> Reserve {
    Reserve {
        reservation: id.into(),
        pipeline: pipeline.into(),
        partitions,
        downstream: None,
        together: false,
        by: "ada".into(),
        at: at("2026-11-21T13:00:00Z"),
    }
}

#[test]
fn a_message_that_kills_the_function_is_buried_in_the_end() {
    let central = central();
    *central.rows.deadly.borrow_mut() = Some(keys::facts("prod", "searches"));
    let deadly = record_of("2", B, ended("searches"));
    let next = record_of("3", A, Body::Hello);
    for received in 1..3 {
        assert_eq!(central.records(&[deadly(received), next(received)]), ["2", "3"]);
    }
    assert!(central.answer_to("3").is_none() && central.outside.letters.borrow().is_empty());
    assert!(central.records(&[deadly(3), next(3)]).is_empty());
    assert!(central.answer_to("3").is_some(), "the one behind it is dealt with");
    assert_eq!(central.outside.letters.borrow().len(), 1, "it is kept");
    assert_eq!(central.attention().len(), 4);
}

fn record_of(id: &'static str, account: &'static str, what: Body) -> impl Fn(u32) -> serde_json::Value {
    let body = body(account, id, what).to_string();
    move |received| record(id, &body, received)
}

#[test]
fn what_fails_for_ever_does_not_take_those_behind_it_along() {
    let central = central();
    // A row that somebody has written by hand.
    let key = keys::run("prod", "searches", DAY, 1);
    let mut row = crate::cloud::central::Row::new(key.clone(), &json!("by hand")).unwrap();
    row.version = 1;
    central.rows.rows.borrow_mut().insert(key, row);
    let (broken, next) = (record_of("2", B, ended("searches")), record_of("3", A, Body::Hello));
    for received in 1..3 {
        assert_eq!(central.records(&[broken(received), next(received)]), ["2", "3"]);
    }
    assert!(central.records(&[broken(3), next(3)]).is_empty());
    let letters = central.outside.letters.borrow();
    assert_eq!(letters.len(), 1);
    reads("DPC794", letters[0].reason.split(": invalid").next().unwrap());
    assert!(central.answer_to("3").is_some());
}

#[test]
fn an_outage_is_waited_for() {
    let central = central();
    central.rows.loses.set(u32::MAX);
    let message = record_of("2", B, ended("searches"));
    for received in 1..9 {
        assert_eq!(central.records(&[message(received)]), ["2"]);
    }
    let pauses: Vec<u32> = central.outside.pauses.borrow().iter().map(|(_, pause)| *pause).collect();
    assert_eq!(pauses, [2, 8, 32, 128, 512, 600, 600, 600]);
    assert!(central.records(&[message(9)]).is_empty());
    assert_eq!(central.outside.letters.borrow().len(), 1, "before the queue takes those behind it along");
}

#[test]
fn hello_and_the_version_are_answered() {
    let central = empty();
    central.tell(A, "h", Body::Hello);
    assert_eq!(central.answer_to("h").unwrap().result["dpc"], env!("CARGO_PKG_VERSION"));
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let answer = runtime.block_on(central.handle(json!({ "dpc": "version" }), at("2026-11-21T13:01:00Z"))).unwrap();
    assert_eq!(answer["version"], env!("CARGO_PKG_VERSION"));
    assert!(runtime.block_on(central.handle(json!({ "dpc": "sweep" }), at("2026-11-21T13:01:00Z"))).is_err());
}

#[test]
fn what_is_too_large_for_a_row_is_said_and_the_rest_is_written() {
    let central = central();
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let fire = |witness: Vec<Rest>| FireRecord {
        rev: 1,
        hash: "h".into(),
        witness,
        at: at("2026-11-21T13:00:00Z"),
        published: false,
        muted: false,
        run: None,
        downstream: None,
        brought: None,
        before: Vec::new(),
        generation: 0,
    };
    // Names that nothing repeats: what can be packed never gets here.
    let odd = |seed: u64| {
        let mut random = fastrand::Rng::with_seed(seed);
        let label: String = (0..60).map(|_| random.alphanumeric()).collect();
        Rest { pipeline: label.clone(), label, version: Version::default(), window: None, alone: false }
    };
    let large = fire((0..8_784).map(odd).collect());
    let write = |pipeline: &str, fire: FireRecord| Write::Fire { pipeline: pipeline.into(), label: DAY.into(), fire };
    let mut desk = runtime.block_on(Desk::read(&central.rows, "prod")).unwrap();
    let mut sheet = Sheet::default();
    desk.note(&mut sheet, [write("small", fire(Vec::new())), write("large", large)]);
    let written = runtime.block_on(desk.write(&central.rows, sheet, Sheet::default())).unwrap();
    let Written::TooLarge(rows) = written else { panic!("{written:?}") };
    let [(key, size)] = rows.as_slice() else { panic!("{rows:?}") };
    assert_eq!(*key, keys::fire("prod", "large", DAY));
    assert!(central.rows.rows.borrow().contains_key(&keys::fire("prod", "small", DAY)));
    assert!(*size > 390 * 1024);
    reads("DPC798", &super::decide::too_large(key, 412_345));
}

#[test]
fn a_backfill_of_a_year_of_hours_is_one_row() {
    let central = empty();
    central.tell(A, "1", Body::Register(registration("clicks", A, "hour", &[])));
    central.tell(B, "2", Body::Register(registration("report", B, "day", &["clicks"])));
    let start = at("2026-01-01T00:00:00Z");
    let hour = |hour: i64| (start + jiff::SignedDuration::from_hours(hour)).strftime("%Y-%m-%dT%HZ").to_string();
    let hours: Vec<String> = (0..8_760).map(hour).collect();
    let what = Body::Reserve(reserve("bf-1", "clicks", hours.clone()));
    assert!(body(A, "3", what.clone()).to_string().len() < 256 * 1024, "it must fit into an event");
    central.tell(A, "3", what);
    assert!(central.answer_to("3").unwrap().refused.is_none());
    let row = central.rows.rows.borrow()[&keys::reservation("prod", "bf-1")].clone();
    assert!(crate::cloud::central::size(&row.document) < 100 * 1024, "{}", crate::cloud::central::size(&row.document));
    // A day of it: the day below runs once, at the end.
    for (at, label) in hours[..24].iter().enumerate() {
        let mut run = report("clicks", label, 1, Status::Succeeded);
        run.reservation = Some("bf-1".into());
        run.source = crate::control::run::Source::Backfill;
        central.tell(A, &format!("h{at}"), Body::Run(run));
    }
    assert_eq!(central.published().len(), 1, "{:?}", central.published());
    let open = central.rows.rows.borrow().values().filter(|row| row.open == Some(Open::Evaluate)).count();
    assert_eq!(open, 0, "nothing is left to be decided");
}

/// How many facts a second go through the handler, without the table's and the network's time. Run by hand:
/// `cargo test --lib how_many_facts -- --ignored --nocapture`.
#[test]
#[ignore = "measures"]
#[allow(clippy::disallowed_methods)] // a measurement reads the clock
fn how_many_facts_a_second() {
    let central = central();
    let start = at("2026-11-22T00:00:00Z");
    let mut records = Vec::new();
    for number in 0..2_000_i64 {
        let day = (start + jiff::SignedDuration::from_hours(24 * (number / 4))).strftime("%Y-%m-%d").to_string();
        let (pipeline, account) = if number % 4 < 2 { ("listings", A) } else { ("searches", B) };
        let status = if number % 2 == 0 { Status::Running } else { Status::Succeeded };
        let id = number.to_string();
        records.push(record(&id, &body(account, &id, Body::Run(report(pipeline, &day, 1, status))).to_string(), 1));
    }
    let before = (central.rows.reads.get(), central.rows.writes.get(), central.rows.items.get());
    let clock = std::time::Instant::now();
    for batch in records.chunks(10) {
        assert!(central.records(batch).is_empty());
    }
    let seconds = clock.elapsed().as_secs_f64();
    let facts = records.len() as f64;
    let each = |now: u64, then: u64| (now - then) as f64 / facts;
    println!(
        "{facts} facts, {} fires: {:.0} facts a second; each {:.2} questions, {:.2} writes of {:.2} rows",
        central.published().len(),
        facts / seconds,
        each(central.rows.reads.get(), before.0),
        each(central.rows.writes.get(), before.1),
        each(central.rows.items.get(), before.2),
    );
    assert_eq!(central.published().len(), 500);
}
