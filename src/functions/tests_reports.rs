//! Histories: what the central account hears of an account's runs, and what the account makes of its triggers.

use serde_json::{Value, json};

use super::metrics::Metric;
use super::testing::{TestAccount, at, fire, member, status_event};
use super::tests::{by_hand, refused, with};
use crate::control::message::{Body, Message, Report};
use crate::control::run::{Source, Status};

/// Everything that was told of runs, in order.
pub(super) fn reports(account: &TestAccount) -> Vec<Report> {
    let told = account.world.told.borrow();
    let report = |message: &Message| match &message.body {
        Body::Run(report) => Some(report.clone()),
        _ => None,
    };
    told.iter().filter_map(report).collect()
}

fn said(account: &TestAccount) -> Vec<String> {
    let one = |report: Report| {
        let skip = report.skip.map(|skip| format!(" {skip:?}")).unwrap_or_default();
        format!("{} {}{skip}", report.run(), report.status)
    };
    reports(account).into_iter().map(one).collect()
}

pub(super) fn trigger(partition: &str, key: &str) -> Value {
    let relied = json!([{ "pipeline": "events", "partition": partition, "number": 1, "status": "SUCCEEDED" }]);
    json!({
        "version": 1, "space": "prod", "pipeline": "listings", "source": "trigger", "key": key, "partition": partition,
        "cause": { "trigger": { "relied": relied, "at": "2026-11-22T01:59:59Z" } },
    })
}

#[test]
fn the_central_account_hears_of_every_status_that_lasts() {
    let account = member();
    account.event(fire()).unwrap();
    account.event(account.status_event()).unwrap();
    account.wait(30);
    account.end("SUCCEEDED", None, true);
    account.event(account.status_event()).unwrap();
    assert_eq!(said(&account), ["listings/2026-11-21/1 RUNNING", "listings/2026-11-21/1 SUCCEEDED"]);
    let last = reports(&account).pop().unwrap();
    assert_eq!(
        (last.source, last.key.as_str(), last.time),
        (Source::Schedule, "2026-11-22T02:00:00Z", at("2026-11-22T02:00:00Z"))
    );
    assert_eq!((last.started_at, last.ended_at), (Some(at("2026-11-22T02:00:01Z")), Some(at("2026-11-22T02:30:01Z"))));
    let told = account.world.told.borrow();
    assert_eq!((told[0].space.as_str(), told[1].id.as_str()), ("prod", "run/listings/2026-11-21/1/2"));
    let run = account.store.only_run();
    assert_eq!((run.untold, run.open), (false, false));
}

#[test]
fn an_account_without_a_central_one_tells_nobody() {
    let account = super::testing::account();
    account.event(fire()).unwrap();
    account.end("SUCCEEDED", None, true);
    account.event(account.status_event()).unwrap();
    assert!(account.world.told.borrow().is_empty());
    assert!(!account.store.only_run().open);
}

#[test]
fn a_run_that_waits_is_told_of_as_queued_and_a_superseded_one_as_such() {
    let account = member();
    account.event(by_hand("2026-11-20", "k-1")).unwrap();
    account.event(trigger("2026-11-21", "w-1")).unwrap();
    account.event(trigger("2026-11-21", "w-2")).unwrap();
    account.event(account.end_run("listings/2026-11-20/1", "SUCCEEDED")).unwrap();
    assert_eq!(
        said(&account),
        [
            "listings/2026-11-20/1 RUNNING",
            "listings/2026-11-21/1 QUEUED",
            "listings/2026-11-21/1 SKIPPED Superseded",
            "listings/2026-11-21/2 QUEUED",
            "listings/2026-11-20/1 SUCCEEDED",
            "listings/2026-11-21/2 RUNNING",
        ]
    );
    let last = reports(&account).pop().unwrap();
    assert_eq!((last.source, last.key.as_str(), last.time), (Source::Trigger, "w-2", at("2026-11-20T23:00:00Z")));
}

#[test]
fn the_cause_of_a_trigger_is_kept_with_its_run() {
    let account = member();
    account.event(trigger("2026-11-21", "w-1")).unwrap();
    let reason = account.store.only_run().reason.unwrap();
    assert_eq!(reason["trigger"]["relied"][0]["pipeline"], "events");
    let again = account.event(trigger("2026-11-21", "w-1")).unwrap();
    assert_eq!((&again["run"], &again["new"]), (&json!("listings/2026-11-21/1"), &json!(false)));
}

#[test]
fn an_event_that_was_not_unwrapped_is_understood_too() {
    let account = member();
    let event = json!({ "version": "0", "id": "e", "source": "dpc.central", "detail-type": "dpc trigger",
        "account": "999999999999", "detail": trigger("2026-11-21", "w-1") });
    assert_eq!(account.event(event).unwrap()["run"], "listings/2026-11-21/1");
}

#[test]
fn a_precondition_that_is_false_is_told_of_as_such() {
    let account = member();
    account.store.registrations.borrow_mut().get_mut("listings").unwrap().plan.when = Some("{{ false }}".into());
    account.event(trigger("2026-11-21", "w-1")).unwrap();
    assert_eq!(said(&account), ["listings/2026-11-21/1 SKIPPED When"]);
}

#[test]
fn a_redrive_is_told_of() {
    let account = member();
    account.event(fire()).unwrap();
    account.end("FAILED", None, true);
    account.event(account.status_event()).unwrap();
    account.world.executions.borrow_mut().values_mut().for_each(|execution| execution.redrives = 1);
    account.end("RUNNING", None, true);
    account.event(account.status_event()).unwrap();
    let told: Vec<(Status, u64)> = reports(&account).iter().map(|report| (report.status, report.redrives)).collect();
    assert_eq!(told, [(Status::Running, 0), (Status::Failed, 0), (Status::Running, 1)]);
}

#[test]
fn another_offset_in_the_meantime_does_not_move_a_run() {
    let account = member();
    account.event(fire()).unwrap();
    account.store.registrations.borrow_mut().get_mut("listings").unwrap().plan.partition.offset = "0".into();
    account.end("SUCCEEDED", None, true);
    account.event(account.status_event()).unwrap();
    let told = reports(&account);
    assert!(told.iter().all(|report| report.partition == "2026-11-21" && report.time == told[0].time), "{told:?}");
}

#[test]
fn a_run_without_partitions_is_about_the_time_of_its_envelope() {
    let account = member();
    let partition = |by: &str, offset: &str| {
        let mut registrations = account.store.registrations.borrow_mut();
        let plan = &mut registrations.get_mut("listings").unwrap().plan;
        (plan.partition.by, plan.partition.offset) = (by.into(), offset.into());
    };
    partition("none", "0");
    account.wait(7);
    account.event(fire()).unwrap();
    let event = json!({ "id": "e-1" });
    let event = with(with(fire(), "source", json!("event")), "event", event);
    account.event(with(with(event, "eventTime", json!("2026-11-22T01:00:00Z")), "key", json!("e-1"))).unwrap();
    account.event(by_hand("none", "k-1")).unwrap();
    let times: Vec<_> = account.store.runs.borrow().values().map(|run| run.time).collect();
    assert_eq!(times, [at("2026-11-22T02:00:00Z"), at("2026-11-22T01:00:00Z"), account.world.clock.get()]);
}

#[test]
fn what_was_not_told_is_told_by_the_sweep_with_the_same_id() {
    // Every call of the start is the last one before the function dies; the sweep comes round later.
    for call in 0.. {
        let account = member();
        account.world.fault.at(call, false);
        let _ = account.event(fire());
        let died = account.world.fault.mend();
        account.wait(5);
        let _ = account.sweep_now();
        assert_eq!(said(&account).last().map(String::as_str), Some("listings/2026-11-21/1 RUNNING"), "call {call}");
        let ids: Vec<String> = account.world.told.borrow().iter().map(|message| message.id.clone()).collect();
        assert!(ids.iter().all(|id| *id == ids[0]), "{ids:?}");
        if !died {
            assert_eq!(ids.len(), 1);
            return;
        }
    }
}

#[test]
fn a_clock_that_is_behind_changes_nothing_that_counts() {
    // Step Functions' clock is ten minutes ahead of the function's.
    let account = member();
    account.event(fire()).unwrap();
    let mut execution = account.world.executions.borrow().values().next().unwrap().clone();
    execution.started_at = Some(at("2026-11-22T02:10:00Z"));
    execution.stopped_at = Some(at("2026-11-22T02:10:05Z"));
    execution.status = "ABORTED".into();
    *account.world.executions.borrow_mut().values_mut().next().unwrap() = execution.clone();
    account.world.clusters.borrow_mut().clear();
    account.event(status_event(&execution)).unwrap();
    for _ in 0..4 {
        account.wait(5);
        account.sweep_now();
    }
    let run = account.store.only_run();
    assert_eq!((run.status, run.open), (Status::Aborted, false));
    assert_eq!(said(&account), ["listings/2026-11-21/1 RUNNING", "listings/2026-11-21/1 ABORTED"]);
}

#[test]
fn an_event_without_its_input_is_enough() {
    // Step Functions leaves `input` and `output` out of events beyond 248 KB, and says so.
    let account = member();
    account.event(fire()).unwrap();
    account.end("SUCCEEDED", None, true);
    let mut event = account.status_event();
    event["detail"]["inputDetails"] = Value::Null;
    event["detail"]["input"] = Value::Null;
    account.event(event).unwrap();
    assert_eq!(account.store.only_run().status, Status::Succeeded);
}

// ------------------------------------------------------------------------------------------------- triggers that cannot be

#[test]
fn a_trigger_of_a_pipeline_that_is_gone_is_a_failed_run_that_the_central_account_hears_of() {
    for case in ["gone", "other space", "other calendar"] {
        let account = member();
        let mut plan = super::testing::plan();
        match case {
            "other space" => plan.space = "dev".into(),
            _ => (plan.partition.by, plan.partition.offset) = ("month".into(), "0".into()),
        }
        account.store.registrations.borrow_mut().get_mut("listings").unwrap().plan = plan;
        if case == "gone" {
            account.store.registrations.borrow_mut().clear();
        }
        for _ in 0..2 {
            let answer = account.event(trigger("2026-11-21", "w-1")).unwrap();
            assert_eq!(
                (&answer["run"], &answer["status"]),
                (&json!("listings/2026-11-21/1"), &json!("FAILED")),
                "{case}"
            );
        }
        assert_eq!(said(&account), ["listings/2026-11-21/1 FAILED"], "{case}");
        assert_eq!(reports(&account)[0].key, "w-1");
        let run = account.store.only_run();
        assert!(!run.open && run.error.is_some_and(|error| error.starts_with("DPC70")), "{case}");
        let counted =
            account.world.counted.borrow().iter().filter(|(metric, _)| *metric == Metric::NeedsAttention).count();
        assert_eq!(counted, 1, "{case}");
    }
}

#[test]
fn a_request_of_another_version_says_so() {
    let account = member();
    assert_reads_as(
        &refused(&account, with(trigger("2026-11-21", "w-1"), "version", json!(2))),
        "has version 2, not 1",
    );
    let mut without = trigger("2026-11-21", "w-1");
    without.as_object_mut().unwrap().remove("version");
    assert_reads_as(&refused(&account, without), "has no version");
    let unknown = with(trigger("2026-11-21", "w-1"), "shard", json!(2));
    assert_reads_as(&refused(&account, unknown), "unknown field `shard`");
}

fn assert_reads_as(finding: &crate::source::Finding, part: &str) {
    assert!(finding.message.contains(part), "{}", finding.message);
    assert!(finding.help.as_ref().is_some_and(|help| help.contains("dpc setup account")), "{:?}", finding.help);
}
