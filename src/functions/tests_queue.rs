//! Histories of runs that wait for one another, with what `overlap` makes of them, and of preconditions.

use serde_json::{Value, json};

use super::testing::{TestAccount, account, fire};
use super::tests::{assert_told_of_all, by_hand, statuses};
use crate::control::run::{RunRef, Status};

fn set_up(overlap: Option<&str>, when: Option<&str>) -> TestAccount {
    let account = account();
    {
        let mut registrations = account.store.registrations.borrow_mut();
        let plan = &mut registrations.get_mut("listings").unwrap().plan;
        plan.overlap = overlap.map(str::to_owned);
        plan.when = when.map(str::to_owned);
        plan.alerts.push("SKIPPED".into());
    }
    account
}

/// Asks for a run of a day of November; answers where it stands then.
fn ask(account: &TestAccount, day: u8) -> String {
    let number = account.store.keys.borrow().len();
    let answer = account.event(by_hand(&format!("2026-11-{day}"), &format!("key-{number}"))).unwrap();
    format!(
        "{} {}",
        answer["run"].as_str().unwrap().trim_start_matches("listings/2026-11-"),
        answer["status"].as_str().unwrap()
    )
}

/// Every run with its status, and with the error of one that was skipped.
fn all(account: &TestAccount) -> Vec<String> {
    let runs = account.store.runs.borrow();
    let line = |(reference, run): (&RunRef, &crate::cloud::runs::Run)| {
        let error = run.error.as_deref().map(|error| format!(" {error}")).unwrap_or_default();
        format!(
            "{}/{} {}{error}",
            reference.id.partition.trim_start_matches("2026-11-"),
            reference.id.number,
            run.status
        )
    };
    runs.iter().map(line).collect()
}

fn end(account: &TestAccount, run: &str) {
    let event = account.end_run(&format!("listings/2026-11-{run}"), "SUCCEEDED");
    account.event(event).unwrap();
}

#[test]
fn two_runs_of_one_partition_never_overlap() {
    for overlap in ["allow", "skip", "queue", "latest"] {
        let account = set_up(Some(overlap), None);
        assert_eq!(ask(&account, 21), "21/1 RUNNING", "{overlap}");
        assert_eq!(ask(&account, 21), "21/2 QUEUED", "{overlap}");
        end(&account, "21/1");
        assert_eq!(all(&account), ["21/1 SUCCEEDED", "21/2 RUNNING"], "{overlap}");
        let input = account.world.inputs.borrow().values().last().unwrap().clone();
        assert_eq!(input["run"]["execution"], "listings.2026-11-21.2");
    }
}

#[test]
fn who_waits_is_told_for_whom() {
    let account = set_up(None, None);
    ask(&account, 21);
    let answer = account.event(by_hand("2026-11-20", "k")).unwrap();
    assert_eq!((&answer["status"], &answer["waitsFor"]), (&json!("QUEUED"), &json!("listings/2026-11-21/1")));
    assert_eq!(account.event(by_hand("2026-11-20", "k")).unwrap()["run"], answer["run"], "asked twice, queued once");
}

#[test]
fn a_newer_run_of_a_partition_takes_the_place_of_a_queued_one() {
    let account = set_up(None, None);
    for expected in ["21/1 RUNNING", "21/2 QUEUED", "21/3 QUEUED"] {
        assert_eq!(ask(&account, 21), expected);
    }
    assert_eq!(all(&account), ["21/1 RUNNING", "21/2 SKIPPED dpc.Superseded", "21/3 QUEUED"]);
    let superseded = account.store.runs.borrow()[&"listings/2026-11-21/2".parse::<RunRef>().unwrap()].clone();
    assert_eq!((superseded.superseded_by, superseded.open), (Some(3), false));
    assert!(superseded.cause.unwrap().contains("`listings/2026-11-21/3`"));
    assert_eq!(statuses(&account), [Status::Skipped]);
    end(&account, "21/1");
    assert_eq!(all(&account)[2], "21/3 RUNNING");
}

#[test]
fn partitions_queue_and_the_oldest_goes_first() {
    let account = set_up(None, None);
    for day in [21, 19, 12, 20] {
        ask(&account, day);
    }
    assert_eq!(all(&account), ["12/1 QUEUED", "19/1 QUEUED", "20/1 QUEUED", "21/1 RUNNING"]);
    for (ended, next) in [("21/1", "12/1 RUNNING"), ("12/1", "19/1 RUNNING"), ("19/1", "20/1 RUNNING")] {
        end(&account, ended);
        assert!(all(&account).contains(&next.to_owned()), "{:?}", all(&account));
    }
}

#[test]
fn partitions_that_may_overlap_do() {
    let account = set_up(Some("allow"), None);
    for (day, expected) in [(21, "21/1 RUNNING"), (20, "20/1 RUNNING"), (21, "21/2 QUEUED"), (19, "19/1 RUNNING")] {
        assert_eq!(ask(&account, day), expected);
    }
    end(&account, "20/1");
    assert_eq!(all(&account)[3], "21/2 QUEUED", "it waits for its own partition");
    end(&account, "21/1");
    assert_eq!(all(&account)[3], "21/2 RUNNING");
}

#[test]
fn partitions_that_are_skipped_say_which_run_was_in_the_way() {
    let account = set_up(Some("skip"), None);
    ask(&account, 21);
    assert_eq!(ask(&account, 20), "20/1 SKIPPED");
    let cause = account.store.runs.borrow()[&"listings/2026-11-20/1".parse::<RunRef>().unwrap()].cause.clone();
    assert_eq!(cause.as_deref(), Some("`overlap: skip`: run `listings/2026-11-21/1` was still at work"));
    end(&account, "21/1");
    assert_eq!(ask(&account, 20), "20/2 RUNNING");
}

#[test]
fn of_those_that_wait_the_latest_is_kept() {
    let account = set_up(Some("latest"), None);
    for (day, expected) in [(21, "21/1 RUNNING"), (22, "22/1 QUEUED"), (23, "23/1 QUEUED"), (20, "20/1 SKIPPED")] {
        assert_eq!(ask(&account, day), expected);
    }
    end(&account, "21/1");
    assert_eq!(
        all(&account),
        ["20/1 SKIPPED dpc.Overlap", "21/1 SUCCEEDED", "22/1 SKIPPED dpc.Overlap", "23/1 RUNNING"]
    );
}

#[test]
fn a_run_that_cannot_start_does_not_hold_up_the_queue() {
    let account = set_up(None, None);
    for day in [21, 22, 23] {
        ask(&account, day);
    }
    account.store.registrations.borrow_mut().get_mut("listings").unwrap().plan.steps =
        json!({ "aggregate": { "args": ["{{ 1 / 0 if run.partition == '2026-11-22' else 2 }}"] } })
            .as_object()
            .unwrap()
            .clone();
    end(&account, "21/1");
    assert_eq!(all(&account), ["21/1 SUCCEEDED", "22/1 FAILED DPC706", "23/1 RUNNING"]);
}

#[test]
fn a_lost_end_keeps_nobody_waiting_for_longer_than_a_sweep() {
    let account = set_up(None, None);
    account.event(fire()).unwrap();
    ask(&account, 22);
    account.end_run("listings/2026-11-21/1", "FAILED"); // the event is lost
    account.wait(5);
    account.sweep_now();
    assert_eq!(all(&account), ["21/1 FAILED", "22/1 RUNNING"]);
}

#[test]
fn an_aborted_run_hands_on_at_once_and_a_redriven_one_is_waited_for() {
    let account = set_up(None, None);
    ask(&account, 21);
    let event = account.end_run("listings/2026-11-21/1", "FAILED");
    account.event(event).unwrap();
    account.world.executions.borrow_mut().values_mut().for_each(|execution| execution.redrives = 1);
    let event = account.end_run("listings/2026-11-21/1", "RUNNING");
    account.event(event).unwrap();
    assert_eq!(ask(&account, 22), "22/1 QUEUED");
    let event = account.end_run("listings/2026-11-21/1", "ABORTED");
    account.event(event).unwrap();
    assert_eq!(all(&account), ["21/1 ABORTED", "22/1 RUNNING"]);
}

// ----------------------------------------------------------------------------------------------------- preconditions

#[test]
fn a_run_whose_precondition_is_false_is_skipped_and_announced() {
    let account = set_up(None, Some("{{ run.partition == '2026-11-30' }}"));
    let answer = account.event(fire()).unwrap();
    assert_eq!((&answer["status"], &answer["executionArn"]), (&json!("SKIPPED"), &Value::Null));
    let run = account.store.only_run();
    assert_eq!(run.cause.as_deref(), Some("its precondition is false: `when: {{ run.partition == '2026-11-30' }}`"));
    assert_eq!((run.error, run.open, run.ended_at), (None, false, Some(run.claimed_at)));
    assert_eq!(statuses(&account), [Status::Skipped]);
    assert!(account.world.published.borrow()[0].text.contains("precondition"));
    assert_eq!(ask(&account, 30), "30/1 RUNNING");
}

#[test]
fn a_precondition_that_is_neither_true_nor_false_is_a_failed_run() {
    for when in ["{{ run.partition }}", "{{ params.gone }}", "sometimes"] {
        let account = set_up(None, Some(when));
        assert_eq!(ask(&account, 21), "21/1 FAILED", "{when}");
        let run = account.store.only_run();
        assert_eq!(run.error.as_deref(), Some("DPC706"), "{when}");
        assert!(!run.open, "{when}");
    }
}

#[test]
fn a_skipped_run_takes_nobodys_place() {
    let account = set_up(None, Some("{{ run.number != 3 }}"));
    for expected in ["21/1 RUNNING", "21/2 QUEUED", "21/3 SKIPPED"] {
        assert_eq!(ask(&account, 21), expected);
    }
    end(&account, "21/1");
    assert_eq!(all(&account), ["21/1 SUCCEEDED", "21/2 RUNNING", "21/3 SKIPPED"]);
}

#[test]
fn the_precondition_of_a_step_travels_as_a_boolean() {
    let account = set_up(None, None);
    account.store.registrations.borrow_mut().get_mut("listings").unwrap().plan.steps =
        json!({ "a": { "args": ["x"], "when": "{{ run.number == 1 }}" }, "b": { "when": "{{ run.number > 1 }}" } })
            .as_object()
            .unwrap()
            .clone();
    ask(&account, 21);
    let input = account.world.inputs.borrow().values().next().unwrap().clone();
    assert_eq!(input["steps"], json!({ "a": { "args": ["x"], "when": true }, "b": { "when": false } }));
}

// ------------------------------------------------------------------------------------------------------------ crashes

/// Five starts of three days; the function dies at one call of one delivery. Afterwards Lambda redelivers what failed, or
/// only the sweep comes round. Every execution succeeds in the end. Says whether the function has died.
fn history(overlap: &str, dies_in: usize, at_call: u32, late: bool, redelivered: bool) -> (TestAccount, bool) {
    let mut account = set_up(Some(overlap), None);
    account.settings.central = true;
    let (mut died, mut alive, mut number) = (false, true, 0);
    let mut deliver = |event: Value| {
        if alive && number == dies_in {
            alive = false;
            account.world.fault.at(at_call, late);
        }
        number += 1;
        let outcome = account.event(event.clone());
        died |= account.world.fault.mend();
        if outcome.is_err() && redelivered {
            account.event(event).unwrap();
        }
    };
    for (key, day) in [("a", 21), ("b", 20), ("c", 20), ("d", 22), ("e", 21)] {
        deliver(by_hand(&format!("2026-11-{day}"), key));
    }
    for _ in 0..6 {
        let arns: Vec<String> = {
            let executions = account.world.executions.borrow();
            let at_work = executions.values().filter(|execution| execution.status == "RUNNING");
            at_work.map(|execution| execution.arn.clone()).collect()
        };
        for arn in arns {
            let run = RunRef::of_execution_name(arn.rsplit(':').next().unwrap()).unwrap();
            let ended = account.end_run(&run.to_string(), "SUCCEEDED");
            deliver(ended);
        }
        account.world.clock.set(account.world.clock.get() + jiff::SignedDuration::from_mins(5));
        deliver(json!({ "dpc": "sweep" }));
    }
    (account, died)
}

#[test]
fn a_crash_between_any_two_calls_loses_nobody_who_waits() {
    let mut crashes = 0;
    for overlap in ["allow", "skip", "queue", "latest"] {
        for dies_in in 0..9 {
            // Dead before the effect and asked again, dead after it and found by the sweep: the two that differ most.
            for (late, redelivered) in [(false, true), (true, false)] {
                for at_call in 0.. {
                    let (account, died) = history(overlap, dies_in, at_call, late, redelivered);
                    let what =
                        format!("{overlap} dies in {dies_in} at {at_call}, late {late}, redelivered {redelivered}");
                    assert_all_settled(&account, overlap, &what);
                    assert_told_of_all(&account, &what);
                    crashes += u32::from(died);
                    if !died {
                        break;
                    }
                }
            }
        }
    }
    assert!(crashes > 1_000, "only {crashes} crashes were tried");
}

fn assert_all_settled(account: &TestAccount, overlap: &str, what: &str) {
    let runs = account.store.runs.borrow();
    for (reference, run) in runs.iter() {
        assert!(!run.open && run.status.is_terminal(), "{what}: {:?}", all(account));
        let skipped = run.status == Status::Skipped;
        assert!(skipped || run.status == Status::Succeeded, "{what}: {:?}", all(account));
        assert_eq!(skipped, run.execution.is_none(), "{what}: {:?}", all(account));
        if matches!(overlap, "allow" | "queue") && skipped {
            let newer = RunRef {
                id: crate::control::run::RunId { number: reference.id.number + 1, ..reference.id.clone() },
                ..reference.clone()
            };
            assert!(runs.contains_key(&newer), "{what}: only a newer run skips one: {:?}", all(account));
        }
    }
    assert!(account.store.waiting.borrow().is_empty(), "{what}");
    for (name, others) in account.world.met.borrow().iter() {
        let run = RunRef::of_execution_name(name).unwrap();
        for other in others {
            let other = RunRef::of_execution_name(other).unwrap();
            assert!(overlap == "allow" && other.id.partition != run.id.partition, "{what}: {run} met {other}");
        }
    }
}
