//! Starts by events and by steps of other pipelines, and what those who wait are told.

use serde_json::{Value, json};

use super::testing::{TestAccount, account, at};
use super::tests::{by_hand, refused, with};
use super::world::Reply;
use crate::cloud::runs::Run;
use crate::control::plan::{EventPlan, ObjectsPlan};
use crate::control::run::RunRef;
use crate::source::Code;

fn event(key: &str, object: &str) -> Value {
    json!({
        "version": 1, "space": "prod", "pipeline": "listings", "source": "event", "key": key, "trigger": "e1",
        "eventTime": "2026-11-22T10:00:00Z",
        "event": { "id": key, "source": "aws.s3", "detail": { "bucket": { "name": "b" }, "object": { "key": object } } },
    })
}

fn plan(account: &TestAccount, change: impl FnOnce(&mut crate::control::plan::Plan)) {
    change(&mut account.store.registrations.borrow_mut().get_mut("listings").unwrap().plan);
}

fn run(account: &TestAccount, name: &str) -> Run {
    account.store.runs.borrow()[&name.parse::<RunRef>().unwrap()].clone()
}

// ------------------------------------------------------------------------------------------------------------- events

#[test]
fn an_event_starts_the_partition_of_its_time_once() {
    let account = account();
    plan(&account, |plan| {
        plan.steps = json!({ "a": { "args": ["{{ event.detail.object.key }}"] } }).as_object().unwrap().clone();
    });
    let answer = account.event(event("id-1", "in/a.csv")).unwrap();
    assert_eq!(answer["run"], "listings/2026-11-21/1", "its offset is a day");
    assert_eq!(account.event(event("id-1", "in/a.csv")).unwrap()["new"], false);
    let run = account.store.only_run();
    assert_eq!(run.event.as_ref().unwrap()["id"], "id-1");
    let input = account.world.inputs.borrow()[run.execution.as_ref().unwrap()].clone();
    assert_eq!(input["steps"]["a"]["args"], json!(["in/a.csv"]));
}

#[test]
fn an_event_may_name_its_partition() {
    let account = account();
    plan(&account, |plan| plan.partition.from = Some("{{ event.detail.object.key | replace('in/', '') }}".into()));
    assert_eq!(account.event(event("id-1", "in/2026-11-03")).unwrap()["run"], "listings/2026-11-03/1");
    assert_eq!(refused(&account, event("id-2", "in/2026-11")).code, Code::WrongPartition);
    plan(&account, |plan| plan.partition.from = Some("{{ event.detail.gone.date }}".into()));
    let refusal = refused(&account, event("id-3", "in/2026-11-03"));
    assert!(refusal.message.contains("`event.detail.gone` is undefined"), "{refusal:?}");
}

#[test]
fn an_object_of_a_deeper_prefix_is_the_other_pipelines() {
    let account = account();
    let deeper = ObjectsPlan { prefix: "in/clicks/".into(), suffix: ".csv".into(), pipeline: "clicks".into() };
    let trigger = EventPlan { id: "e1".into(), words: "objects below in/".into(), except: vec![deeper] };
    plan(&account, |plan| plan.events = vec![trigger]);
    let answer = account.event(event("id-1", "in/clicks/a.csv")).unwrap();
    assert_eq!(answer, json!({ "ignored": "id-1", "takenBy": "clicks" }));
    assert!(account.store.runs.borrow().is_empty());
    account.event(event("id-2", "in/clicks/a.json")).unwrap();
    account.store.only_run();
}

// ------------------------------------------------------------------------------------------------- steps that wait

fn step(key: &str, token: Option<&str>) -> Value {
    let envelope = json!({
        "version": 1, "space": "prod", "pipeline": "listings", "source": "pipeline", "key": key,
        "parent": "site.2026-11-21.1",
    });
    match token {
        Some(token) => with(envelope, "taskToken", json!(token)),
        None => envelope,
    }
}

fn replies(account: &TestAccount) -> Vec<(String, Value)> {
    let said = |reply: &Reply| match reply {
        Reply::Success(output) => output.clone(),
        Reply::Failure { error, cause } => json!([error, cause]),
    };
    account.world.replies.borrow().iter().map(|(token, reply)| (token.clone(), said(reply))).collect()
}

#[test]
fn a_step_is_told_how_the_run_that_it_started_has_ended() {
    let good = json!({ "run": "listings/2026-11-21/1", "status": "SUCCEEDED" });
    let bad = |error: &str, status: &str| json!([error, format!("run `listings/2026-11-21/1` ended {status}")]);
    for (status, expected) in [
        ("SUCCEEDED", good),
        ("FAILED", bad("dpc.RunFailed", "FAILED")),
        ("TIMED_OUT", bad("dpc.RunTimedOut", "TIMED_OUT")),
        ("ABORTED", bad("dpc.RunAborted", "ABORTED")),
    ] {
        let account = account();
        account.event(step("k", Some("t"))).unwrap();
        let started = account.store.only_run();
        assert_eq!((started.parent.as_deref(), started.tokens.len()), (Some("site.2026-11-21.1"), 1));
        let ended = account.end_run("listings/2026-11-21/1", status);
        account.event(ended).unwrap();
        assert_eq!(replies(&account), [("t".to_owned(), expected)]);
        assert!(account.store.only_run().tokens.is_empty());
    }
}

#[test]
fn every_attempt_of_a_step_is_told() {
    let account = account();
    account.event(step("k", Some("t-1"))).unwrap();
    account.event(step("k", Some("t-2"))).unwrap();
    let ended = account.end_run("listings/2026-11-21/1", "SUCCEEDED");
    account.event(ended).unwrap();
    assert_eq!(replies(&account).len(), 2);
    // The answer to the first delivery was lost, and the run has ended in the meantime.
    account.event(step("k", Some("t-3"))).unwrap();
    assert_eq!(replies(&account).len(), 3);
    let run = account.store.only_run();
    assert!(run.tokens.is_empty() && !run.open);
}

#[test]
fn a_step_that_does_not_wait_is_told_nothing() {
    let account = account();
    account.event(step("k", None)).unwrap();
    let ended = account.end_run("listings/2026-11-21/1", "FAILED");
    account.event(ended).unwrap();
    assert!(replies(&account).is_empty());
    assert_eq!(refused(&account, with(step("k2", None), "pipeline", json!("gone"))).code, Code::NotRegistered);
}

#[test]
fn a_refusal_reaches_the_step_that_waits() {
    let account = account();
    let answer = account.event(with(step("k", Some("t")), "pipeline", json!("gone"))).unwrap();
    assert_eq!(answer["error"]["code"], "DPC702");
    let (token, said) = replies(&account).remove(0);
    assert_eq!((token.as_str(), &said[0]), ("t", &json!("dpc.NotStarted")));
    assert!(said[1].as_str().unwrap().starts_with("DPC702: pipeline `gone`"), "{said}");
}

#[test]
fn a_run_that_its_own_precondition_has_skipped_is_no_failure_and_one_that_overlap_has_is() {
    let account = account();
    plan(&account, |plan| plan.when = Some("{{ run.number == 2 }}".into()));
    account.event(step("k", Some("t-1"))).unwrap();
    assert_eq!(replies(&account)[0].1, json!({ "run": "listings/2026-11-21/1", "status": "SKIPPED" }));
    plan(&account, |plan| (plan.when, plan.overlap) = (None, Some("skip".into())));
    account.event(by_hand("2026-11-20", "k-2")).unwrap();
    account.event(step("k-3", Some("t-2"))).unwrap();
    assert_eq!(replies(&account)[1].1[0], "dpc.RunSkipped");
}

#[test]
fn whoever_waits_for_a_superseded_run_waits_for_the_newer_one() {
    let account = account();
    account.event(by_hand("2026-11-21", "k-1")).unwrap();
    account.event(step("k-2", Some("t"))).unwrap();
    account.event(by_hand("2026-11-21", "k-3")).unwrap();
    assert!(replies(&account).is_empty());
    assert!(run(&account, "listings/2026-11-21/2").tokens.is_empty());
    assert_eq!(run(&account, "listings/2026-11-21/3").tokens.len(), 1);
    for name in ["listings/2026-11-21/1", "listings/2026-11-21/3"] {
        let ended = account.end_run(name, "SUCCEEDED");
        account.event(ended).unwrap();
    }
    assert_eq!(replies(&account), [("t".to_owned(), json!({ "run": "listings/2026-11-21/3", "status": "SUCCEEDED" }))]);
}

#[test]
fn a_crash_between_any_two_calls_leaves_no_step_waiting() {
    for dies_in in 0..3 {
        for (late, redelivered) in [(false, false), (false, true), (true, false), (true, true)] {
            for at_call in 0.. {
                let account = account();
                account.event(by_hand("2026-11-21", "k-1")).unwrap();
                let mut died = false;
                let mut deliver = |number: usize, event: Value| {
                    if number == dies_in {
                        account.world.fault.at(at_call, late);
                    }
                    let outcome = account.event(event.clone());
                    died |= account.world.fault.mend();
                    if outcome.is_err() && (redelivered || number == 0) {
                        account.event(event).unwrap();
                    }
                };
                // Step Functions asks again when the function fails; nobody else would.
                deliver(0, step("k-2", Some("t")));
                let ended = account.end_run("listings/2026-11-21/1", "SUCCEEDED");
                deliver(1, ended);
                account.wait(5);
                account.sweep_now();
                let ended = account.end_run("listings/2026-11-21/2", "SUCCEEDED");
                deliver(2, ended);
                for _ in 0..2 {
                    account.wait(5);
                    account.sweep_now();
                }
                let what = format!("dies in {dies_in} at {at_call}, late {late}, redelivered {redelivered}");
                let told = replies(&account);
                assert!(!told.is_empty() && told.len() <= 2, "{what}: {told:?}");
                let run = run(&account, "listings/2026-11-21/2");
                assert!(run.tokens.is_empty() && !run.open, "{what}: {run:?}");
                if !died {
                    break;
                }
            }
        }
    }
}

#[test]
fn a_step_means_its_own_runs_partition_or_the_longer_one_around_it() {
    let of = |by: &str, parent: &str| {
        let account = account();
        plan(&account, |plan| {
            plan.partition.by = by.into();
            plan.partition.offset = "0".into();
        });
        let answer = account.event(with(step("k", Some("t")), "parent", json!(format!("site.{parent}.1")))).unwrap();
        answer["run"].as_str().or(answer["error"]["message"].as_str()).unwrap().to_owned()
    };
    assert_eq!(of("day", "2026-11-21"), "listings/2026-11-21/1");
    assert_eq!(of("month", "2026-11-21"), "listings/2026-11/1");
    assert_eq!(of("week", "2026-11-21"), "listings/2026-W47/1");
    assert_eq!(of("day", "2026-11-21T23Z"), "listings/2026-11-22/1", "Berlin is an hour ahead");
    assert_eq!(of("none", "2026-11-21"), "listings/none/1");
    assert!(of("hour", "2026-11-21").contains("`2026-11-21` is a day, and `listings` is partitioned by hour"));
    assert!(of("month", "2026-W47").contains("weeks do not lie inside months"));
    assert!(of("day", "none").contains("it has none"));
}

#[test]
fn a_step_may_name_the_partition() {
    let account = account();
    let answer = account.event(with(step("k", Some("t")), "partition", json!("2026-11-03"))).unwrap();
    assert_eq!(answer["run"], "listings/2026-11-03/1");
    assert_eq!(account.store.only_run().claimed_at, at("2026-11-22T02:00:01Z"));
}

// ----------------------------------------------------------------------------------------- schedules without a clock

fn fire_at(time: &str) -> Value {
    json!({
        "version": 1, "space": "prod", "pipeline": "listings", "source": "schedule", "key": time, "scheduledTime": time,
    })
}

#[test]
fn a_rate_is_counted_on_from_its_last_run() {
    let account = account();
    plan(&account, |plan| {
        plan.schedules[0].expression = "rate(1 hour)".into();
        plan.partition.by = "hour".into();
        plan.partition.offset = "0".into();
        plan.overlap = Some("allow".into());
    });
    account.wait(90);
    assert_eq!(account.sweep_now()["missed"], 0, "nobody knows when it counts from");
    account.event(fire_at("2026-11-22T03:20:00Z")).unwrap();
    account.wait(60); // 04:30, and the run of 04:20 has not come
    assert_eq!(account.sweep_now()["missed"], 1);
    assert_eq!(run(&account, "listings/2026-11-22T04Z/1").scheduled_time, Some(at("2026-11-22T04:20:00Z")));
    account.wait(5);
    assert_eq!(account.sweep_now()["missed"], 0);
}

#[test]
fn a_single_time_that_never_came_is_started_by_the_sweep() {
    let account = account();
    plan(&account, |plan| plan.schedules[0].expression = "at(2026-11-22T03:10:00)".into());
    account.wait(20);
    assert_eq!(account.sweep_now()["missed"], 1, "02:10 in UTC");
    account.wait(20);
    assert_eq!(account.sweep_now()["missed"], 0);
}
