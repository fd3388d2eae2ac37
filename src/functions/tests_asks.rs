//! Histories: what people ask for beside runs, with the central account agreeing, refusing and silent.

use serde_json::{Value, json};

use super::testing::{TestAccount, account, at, fire, member, yes};
use super::tests::{assert_reads_aloud, by_hand, run};
use super::tests_reports::{reports, trigger};
use crate::control::message::{Answer, Body, Change, Override, Refusal, Reserve};
use crate::control::run::{Downstream, Source, Status};
use crate::source::Code;

fn ask(verb: &str, more: Value) -> Value {
    let mut event = json!({ "dpc": verb, "space": "prod", "by": "ada" });
    event.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    event
}

fn asked(account: &TestAccount, verb: &str, more: Value) -> Value {
    account.event(ask(verb, more)).unwrap()
}

/// The code of a refusal; what a person reads is compared with the code's fixture.
fn refusal(account: &TestAccount, verb: &str, more: Value) -> String {
    let answer = asked(account, verb, more);
    let error = answer.get("error").unwrap_or_else(|| panic!("{answer}"));
    let code = error["code"].as_str().unwrap().to_owned();
    assert_reads_aloud(Code::parse(&code).unwrap(), error);
    code
}

fn bodies(account: &TestAccount) -> Vec<Body> {
    account.world.told.borrow().iter().map(|message| message.body.clone()).collect()
}

fn refuse(account: &TestAccount, code: &str) {
    let refusal = Refusal { code: code.into(), message: "no".into(), help: Some("mend it".into()) };
    *account.world.says.borrow_mut() = Some(Answer { refused: Some(refusal), ..yes() });
}

// ----------------------------------------------------------------------------------------------------------- overrides

#[test]
fn a_mark_is_asked_of_the_central_account_and_signed() {
    let account = member();
    let mut answer = yes();
    answer.warnings = vec!["pipeline-x runs again".into()];
    *account.world.says.borrow_mut() = Some(answer);
    let mark = json!({ "pipeline": "listings", "partition": "2026-11-20", "status": "SUCCEEDED", "why": "checked", "id": "q-1" });
    let answer = asked(&account, "mark", mark.clone());
    assert_eq!(answer["warnings"], json!(["pipeline-x runs again"]));
    let told = bodies(&account);
    let Body::Override(Override { change, by, why, partition, .. }) = &told[0] else { panic!("{told:?}") };
    assert_eq!(
        (change, by.as_str(), why.as_deref(), partition.as_str()),
        (&Change::Mark(Status::Succeeded), "ada", Some("checked"), "2026-11-20")
    );
    assert_eq!(account.world.told.borrow()[0].id, "ask/q-1");
    asked(&account, "mark", mark);
    assert_eq!(account.world.told.borrow().len(), 1, "the same question has been answered");
}

#[test]
fn a_run_is_ignored_by_its_number_if_there_is_one() {
    let account = member();
    account.event(fire()).unwrap();
    asked(&account, "ignore", json!({ "run": "listings/2026-11-21/1" }));
    asked(&account, "restore", json!({ "run": "listings/2026-11-21/1" }));
    let changes: Vec<Change> = bodies(&account)
        .into_iter()
        .filter_map(|body| if let Body::Override(change) = body { Some(change.change) } else { None })
        .collect();
    assert_eq!(changes, [Change::Ignore(1), Change::Restore(1)]);
    let answer = asked(&account, "ignore", json!({ "run": "listings/2026-11-21/2" }));
    assert_eq!(answer["error"]["code"], "DPC752");
}

#[test]
fn what_the_central_account_says_is_what_the_person_reads() {
    let account = member();
    let mark = || json!({ "pipeline": "listings", "partition": "2026-11-20", "status": "SUCCEEDED" });
    refuse(&account, "DPC9999");
    assert_eq!(refusal(&account, "mark", mark()), "DPC776");
    *account.world.says.borrow_mut() = None;
    let before = account.world.clock.get();
    assert_eq!(refusal(&account, "mark", mark()), "DPC775");
    assert!(account.world.clock.get().duration_since(before).as_secs() < 35);
    let answer =
        asked(&account, "mark", json!({ "pipeline": "listings", "partition": "2026-11", "status": "SUCCEEDED" }));
    assert_eq!(answer["error"]["code"], "DPC704");
}

#[test]
fn what_cannot_be_read_is_answered() {
    let account = member();
    assert_eq!(asked(&account, "mark", json!({}))["error"]["code"], "DPC701");
    assert_eq!(asked(&account, "pause", json!({ "pipeline": "listings", "id": "../x" }))["error"]["code"], "DPC701");
    assert_eq!(asked(&account, "pause", json!({ "pipeline": "nobody" }))["error"]["code"], "DPC702");
    let other = json!({ "dpc": "pause", "space": "dev", "by": "ada", "pipeline": "listings" });
    assert_eq!(account.event(other).unwrap()["error"]["code"], "DPC703");
    assert!(account.event(json!({ "dpc": "shout" })).is_err());
}

// --------------------------------------------------------------------------------------------------------------- pause

#[test]
fn a_paused_pipeline_skips_what_nobody_has_asked_for_and_resume_says_what() {
    let account = member();
    assert_eq!(asked(&account, "pause", json!({ "pipeline": "listings", "why": "bad data" }))["new"], true);
    let again = asked(&account, "pause", json!({ "pipeline": "listings" }));
    assert_eq!((&again["new"], &again["pause"]["why"]), (&json!(false), &json!("bad data")));
    account.event(fire()).unwrap();
    account.event(trigger("2026-11-19", "w-1")).unwrap();
    account.event(trigger("2026-11-20", "w-2")).unwrap();
    let answer = account.event(by_hand("2026-11-19", "k-1")).unwrap();
    assert_eq!((&answer["status"], &answer["paused"]["by"]), (&json!("RUNNING"), &json!("ada")), "a person may");
    let skipped = run(&account, "listings/2026-11-21/1");
    assert_eq!((skipped.status, skipped.error.as_deref(), skipped.open), (Status::Skipped, Some("dpc.Paused"), false));
    let at_pause = account.world.clock.get();
    assert_eq!(skipped.cause.unwrap(), format!("the pipeline was paused by ada at {at_pause:.0}: bad data"));
    assert!(reports(&account)[0].skip.is_some());
    let resumed = asked(&account, "resume", json!({ "pipeline": "listings" }));
    let missed: Vec<&str> =
        resumed["missed"].as_array().unwrap().iter().map(|one| one["run"].as_str().unwrap()).collect();
    assert_eq!(missed, ["listings/2026-11-20/1", "listings/2026-11-21/1"], "of 2026-11-19 a newer run is at work");
    assert_eq!(resumed["pause"]["why"], "bad data");
    let nothing = asked(&account, "resume", json!({ "pipeline": "listings" }));
    assert_eq!((&nothing["missed"], nothing.get("pause")), (&json!([]), None));
    assert_eq!(account.event(trigger("2026-11-18", "w-3")).unwrap()["status"], "QUEUED");
}

#[test]
fn a_schedule_that_is_missed_in_a_pause_is_skipped_by_the_sweep() {
    let account = account();
    asked(&account, "pause", json!({ "pipeline": "listings" }));
    account.wait(10);
    assert_eq!(account.sweep_now()["missed"], 1);
    assert_eq!(account.store.only_run().error.as_deref(), Some("dpc.Paused"));
}

#[test]
fn a_step_that_asks_a_paused_pipeline_is_told() {
    let account = account();
    asked(&account, "pause", json!({ "pipeline": "listings" }));
    let step = json!({ "version": 1, "space": "prod", "pipeline": "listings", "source": "pipeline", "key": "site.2026-11-21.1/a/0",
        "parent": "site.2026-11-21.1", "taskToken": "t" });
    account.event(step).unwrap();
    let replies = account.world.replies.borrow();
    assert!(format!("{:?}", replies[0]).contains("dpc.RunSkipped"), "{replies:?}");
}

// ---------------------------------------------------------------------------------------------------------------- stop

#[test]
fn a_run_at_work_is_stopped_and_says_by_whom() {
    let account = member();
    account.event(fire()).unwrap();
    let stopped = asked(&account, "stop", json!({ "run": "listings/2026-11-21/1", "why": "wrong input" }));
    assert_eq!((&stopped["was"], &stopped["status"]), (&json!("RUNNING"), &json!("ABORTED")));
    let run = account.store.only_run();
    assert_eq!(
        (run.error.as_deref(), run.cause.as_deref()),
        (Some("dpc.Stopped"), Some("stopped by ada: wrong input"))
    );
    assert_eq!(reports(&account).last().map(|report| report.status), Some(Status::Aborted));
    assert!(account.world.clusters.borrow().is_empty(), "its cluster is released at once");
    assert_eq!(refusal(&account, "stop", json!({ "run": "listings/2026-11-21/1" })), "DPC777");
}

#[test]
fn a_queued_run_leaves_the_queue() {
    let account = member();
    account.event(by_hand("2026-11-20", "k-1")).unwrap();
    account.event(by_hand("2026-11-21", "k-2")).unwrap();
    let stopped = asked(&account, "stop", json!({ "run": "listings/2026-11-21/1" }));
    assert_eq!((&stopped["was"], &stopped["status"]), (&json!("QUEUED"), &json!("ABORTED")));
    assert!(account.store.waiting.borrow().is_empty());
    account.event(account.end_run("listings/2026-11-20/1", "SUCCEEDED")).unwrap();
    assert_eq!(account.world.executions.borrow().len(), 1);
    assert!(!run(&account, "listings/2026-11-21/1").open);
}

#[test]
fn a_crash_while_stopping_stops_the_run_all_the_same() {
    for queued in [false, true] {
        for late in [false, true] {
            for call in 0.. {
                let account = member();
                without_schedules(&account);
                account.event(by_hand("2026-11-20", "k-1")).unwrap();
                let reference = if queued { "listings/2026-11-21/1" } else { "listings/2026-11-20/1" };
                if queued {
                    account.event(by_hand("2026-11-21", "k-2")).unwrap();
                }
                account.world.fault.at(call, late);
                let _ = account.event(ask("stop", json!({ "run": reference })));
                let died = account.world.fault.mend();
                for _ in 0..3 {
                    account.wait(5);
                    account.sweep_now();
                }
                let stopped = run(&account, reference);
                // The note is the first write: before it, nothing was asked.
                let asked = stopped.stop.is_some();
                let what = format!("queued {queued}, late {late}, call {call}");
                assert_eq!(stopped.status == Status::Aborted, asked, "{what}");
                assert!(!asked || !stopped.open, "{what}");
                assert!(asked || call < 3, "{what}");
                if !died {
                    break;
                }
            }
        }
    }
}

#[test]
fn a_redrive_after_a_stop_is_left_alone() {
    let account = member();
    account.event(fire()).unwrap();
    asked(&account, "stop", json!({ "run": "listings/2026-11-21/1" }));
    account.world.executions.borrow_mut().values_mut().for_each(|execution| execution.redrives = 1);
    account.end("RUNNING", None, true);
    account.event(account.status_event()).unwrap();
    account.wait(5);
    account.sweep_now();
    assert_eq!(account.store.only_run().status, Status::Running);
}

// ------------------------------------------------------------------------------------------------- reruns and backfills

fn days(from: &str, to: &str) -> Value {
    json!({ "pipeline": "listings", "from": from, "to": to, "id": "bf-1" })
}

/// Partitions run side by side, and no schedule joins in.
fn allow_overlap(account: &TestAccount) {
    without_schedules(account);
    account.store.registrations.borrow_mut().get_mut("listings").unwrap().plan.overlap = Some("allow".into());
}

fn without_schedules(account: &TestAccount) {
    account.store.registrations.borrow_mut().get_mut("listings").unwrap().plan.schedules.clear();
}

fn show(account: &TestAccount) -> Value {
    asked(account, "batch", json!({ "batch": "bf-1" }))
}

/// Ends whatever is at work, again and again, until nothing is.
fn run_all(account: &TestAccount, status: &str) -> Vec<String> {
    let mut order = Vec::new();
    loop {
        let runs = account.store.runs.borrow();
        let running = runs.values().filter(|run| run.status == Status::Running).map(|run| run.reference.to_string());
        let running: Vec<String> = running.collect();
        drop(runs);
        if running.is_empty() {
            return order;
        }
        for run in running {
            account.event(account.end_run(&run, status)).unwrap();
            order.push(run);
        }
    }
}

#[test]
fn a_backfill_runs_what_is_missing_a_few_at_a_time_and_reserves_it_first() {
    let account = member();
    allow_overlap(&account);
    account.event(by_hand("2026-11-03", "k-1")).unwrap();
    account.event(account.end_run("listings/2026-11-03/1", "FAILED")).unwrap();
    let mut wanted = days("2026-11-01", "2026-11-06");
    wanted["maxActive"] = json!(2);
    wanted["downstream"] = json!({ "only": ["pipeline-x"] });
    let batch = asked(&account, "backfill", wanted.clone());
    assert_eq!((&batch["id"], &batch["state"], &batch["total"]), (&json!("bf-1"), &json!("RUNNING"), &json!(5)));
    assert_eq!(batch["active"], json!(["2026-11-01", "2026-11-02"]));
    let reserve =
        bodies(&account).into_iter().find_map(|body| if let Body::Reserve(it) = body { Some(it) } else { None });
    let Some(Reserve { partitions, downstream, together, reservation, .. }) = reserve else {
        panic!("nothing is reserved")
    };
    assert_eq!((partitions.len(), partitions[2].as_str(), together), (5, "2026-11-04", false));
    assert_eq!((downstream, reservation.as_str()), (Some(Downstream::Only(vec!["pipeline-x".into()])), "bf-1"));
    assert_eq!(asked(&account, "backfill", wanted)["started"], 2, "the same question is answered with what it did");
    let order = run_all(&account, "SUCCEEDED");
    assert_eq!(order.len(), 5);
    let last = reports(&account).pop().unwrap();
    assert_eq!((last.source, last.reservation.as_deref()), (Source::Backfill, Some("bf-1")));
    assert!(last.key.starts_with("bf-1/2026-11-0") && last.downstream.is_some());
    let done = show(&account);
    assert_eq!((&done["state"], &done["ended"]), (&json!("DONE"), &json!({ "SUCCEEDED": 5 })));
    assert_eq!(done["partitions"][2], json!({ "partition": "2026-11-04", "number": 1, "status": "SUCCEEDED" }));
    assert_eq!(run(&account, "listings/2026-11-04/1").reason.unwrap()["by"], "ada");
    let list = asked(&account, "batches", json!({ "pipeline": "listings" }));
    assert_eq!(list["batches"][0]["id"], "bf-1");
}

#[test]
fn of_those_that_failed_each_is_run_once_more() {
    let account = account();
    allow_overlap(&account);
    for (day, end) in [("2026-11-01", "FAILED"), ("2026-11-02", "SUCCEEDED"), ("2026-11-03", "TIMED_OUT")] {
        account.event(by_hand(day, day)).unwrap();
        account.event(account.end_run(&format!("listings/{day}/1"), end)).unwrap();
    }
    let mut wanted = days("2026-11-01", "2026-11-30");
    wanted["only"] = json!("failed");
    wanted["dryRun"] = json!(true);
    let would = asked(&account, "backfill", wanted.clone());
    let labels: Vec<&Value> = would["partitions"].as_array().unwrap().iter().map(|one| &one["partition"]).collect();
    assert_eq!(labels, ["2026-11-01", "2026-11-03"]);
    assert!(account.store.batches.borrow().is_empty());
    wanted["dryRun"] = json!(false);
    asked(&account, "backfill", wanted);
    assert_eq!(run_all(&account, "SUCCEEDED"), ["listings/2026-11-01/2", "listings/2026-11-03/2"]);
    let mut nothing = days("2026-11-01", "2026-11-03");
    nothing["id"] = json!("bf-2");
    assert_eq!(refusal(&account, "backfill", nothing), "DPC778");
}

#[test]
fn a_rerun_takes_the_params_the_event_and_the_time_of_the_run_before() {
    let account = member();
    account.store.registrations.borrow_mut().get_mut("listings").unwrap().plan.params =
        json!({ "limit": { "type": "int", "default": "5" } }).as_object().unwrap().clone();
    let mut first = by_hand("2026-11-20", "k-1");
    first["params"] = json!({ "limit": 7 });
    account.event(first).unwrap();
    account.event(account.end_run("listings/2026-11-20/1", "FAILED")).unwrap();
    let batch = asked(
        &account,
        "rerun",
        json!({ "pipeline": "listings", "partitions": ["2026-11-20"], "id": "q", "downstream": "none" }),
    );
    assert_eq!(
        (&batch["id"], &batch["active"], &batch["state"]),
        (&json!("rr-q"), &json!(["2026-11-20"]), &json!("RUNNING"))
    );
    let rerun = run(&account, "listings/2026-11-20/2");
    assert_eq!((rerun.source, &rerun.params["limit"]), (Source::Rerun, &json!(7)));
    assert_eq!(rerun.reason.unwrap()["rerunOf"], "listings/2026-11-20/1");
    assert_eq!(reports(&account).pop().unwrap().downstream, Some(Downstream::None));
    assert!(!bodies(&account).iter().any(|body| matches!(body, Body::Reserve(_))), "one partition is seen coming");
    account.event(account.end_run("listings/2026-11-20/2", "SUCCEEDED")).unwrap();
    assert_eq!(asked(&account, "batch", json!({ "batch": "rr-q" }))["state"], "DONE");
    let named = json!({ "pipeline": "listings", "partitions": ["listings/2026-11-20/1"], "params": { "limit": 9 } });
    asked(&account, "rerun", named);
    assert_eq!(run(&account, "listings/2026-11-20/3").params["limit"], json!(9));
    let unknown = asked(&account, "rerun", json!({ "pipeline": "listings", "partitions": ["listings/2026-11-20/8"] }));
    assert_eq!(unknown["error"]["code"], "DPC752");
}

#[test]
fn a_rerun_of_a_run_without_partition_is_about_the_same_time() {
    let account = member();
    {
        let mut registrations = account.store.registrations.borrow_mut();
        let plan = &mut registrations.get_mut("listings").unwrap().plan;
        (plan.partition.by, plan.partition.offset) = ("none".into(), "0".into());
    }
    account.event(fire()).unwrap();
    account.event(account.end_run("listings/none/1", "FAILED")).unwrap();
    account.wait(24 * 60);
    asked(&account, "rerun", json!({ "pipeline": "listings", "partitions": ["listings/none/1"] }));
    assert_eq!(run(&account, "listings/none/2").time, at("2026-11-22T02:00:00Z"), "yesterday is repaired");
}

#[test]
fn a_cancelled_backfill_starts_nothing_more() {
    for stop in [false, true] {
        let account = member(); // one at a time: two of the three wait in the queue
        without_schedules(&account);
        asked(&account, "backfill", days("2026-11-01", "2026-11-20"));
        assert_eq!(account.store.waiting.borrow().len(), 2);
        let cancelled = asked(&account, "cancel-batch", json!({ "batch": "bf-1", "stop": stop }));
        assert_eq!((&cancelled["state"], &cancelled["cause"]), (&json!("CANCELLED"), &json!("cancelled by ada")));
        assert!(bodies(&account).contains(&Body::Cancel { reservation: "bf-1".into(), by: "ada".into() }));
        assert!(account.store.waiting.borrow().is_empty());
        let at_work = account.store.runs.borrow().values().filter(|run| run.status == Status::Running).count();
        assert_eq!(at_work, usize::from(!stop));
        run_all(&account, "SUCCEEDED");
        account.wait(5);
        account.sweep_now();
        assert_eq!(account.store.runs.borrow().len(), 3);
        assert_eq!(refusal(&account, "cancel-batch", json!({ "batch": "bf-1" })), "DPC780");
    }
    assert_eq!(refusal(&account(), "batch", json!({ "batch": "bf-1" })), "DPC779");
}

#[test]
fn a_backfill_that_the_central_account_refuses_starts_nothing() {
    let account = member();
    refuse(&account, "DPC790");
    let batch = asked(&account, "backfill", days("2026-11-01", "2026-11-20"));
    assert_eq!((&batch["state"], account.store.runs.borrow().len()), (&json!("REFUSED"), 0));
    assert!(batch["cause"].as_str().unwrap().contains("no"));
}

#[test]
fn a_backfill_that_the_central_account_does_not_answer_begins_when_it_does() {
    let account = member();
    *account.world.says.borrow_mut() = None;
    let batch = asked(&account, "backfill", days("2026-11-01", "2026-11-02"));
    assert_eq!((&batch["state"], account.store.runs.borrow().len()), (&json!("RESERVING"), 0));
    *account.world.says.borrow_mut() = Some(yes());
    account.wait(5);
    account.sweep_now();
    assert_eq!(show(&account)["state"], "RUNNING");
    let ids: Vec<String> = account.world.told.borrow().iter().map(|message| message.id.clone()).collect();
    assert!(ids[1..].iter().all(|id| id != &ids[0]), "the answer to the first question was found: {ids:?}");
}

#[test]
fn a_pipeline_that_is_destroyed_ends_its_backfill() {
    let account = member();
    allow_overlap(&account);
    asked(&account, "backfill", days("2026-11-01", "2026-11-20"));
    let plan = account.store.registrations.borrow_mut().remove("listings").unwrap();
    let event = account.end_run("listings/2026-11-01/1", "SUCCEEDED");
    account.event(event).unwrap();
    account.store.registrations.borrow_mut().insert("listings".into(), plan);
    let batch = show(&account);
    assert_eq!(batch["state"], "REFUSED");
    assert!(batch["cause"].as_str().unwrap().starts_with("DPC702"), "{batch}");
}

#[test]
fn a_year_of_hours_is_walked_to_its_end() {
    let account = member();
    {
        let mut registrations = account.store.registrations.borrow_mut();
        let plan = &mut registrations.get_mut("listings").unwrap().plan;
        (plan.partition.by, plan.partition.offset, plan.overlap) = ("hour".into(), "0".into(), Some("allow".into()));
        // Most of them end as they are claimed; every tenth runs.
        plan.when = Some("{{ run.partition[-2] == '5' }}".into());
    }
    let wanted = json!({ "pipeline": "listings", "from": "2025-01-01T00Z", "to": "2025-12-31T23Z", "id": "bf-1", "maxActive": 100 });
    let batch = asked(&account, "backfill", wanted);
    assert_eq!(batch["total"], 8760);
    let told = account.world.told.borrow()[0].clone();
    assert!(serde_json::to_string(&told).unwrap().len() < 200_000, "one event takes 256 KB");
    run_all(&account, "SUCCEEDED");
    let done = show(&account);
    assert_eq!((&done["state"], &done["started"]), (&json!("DONE"), &json!(8760)));
    assert_eq!(done["partitions"].as_array().unwrap().len(), 8760);
    assert!(done.to_string().len() < 1_000_000, "an answer takes 6 MB");
    let row = &account.store.batches.borrow()["bf-1"];
    assert!(serde_json::to_string(row).unwrap().len() < 10_000, "the row that is written again and again is small");
}

/// A backfill of five days with a crash at one call of one of its deliveries; the sweep comes round, the runs end.
fn backfill(dies_in: usize, call: u32, late: bool, cancels: bool) -> (TestAccount, bool) {
    let account = member();
    allow_overlap(&account);
    let mut died = false;
    let mut deliver = |step: usize, event: Value| {
        if step == dies_in {
            account.world.fault.at(call, late);
        }
        let _ = account.event(event);
        died |= account.world.fault.mend();
    };
    let mut wanted = days("2026-11-01", "2026-11-05");
    wanted["maxActive"] = json!(2);
    deliver(0, ask("backfill", wanted));
    account.wait(5);
    deliver(9, json!({ "dpc": "sweep" }));
    let first = account.store.runs.borrow().keys().next().map(ToString::to_string);
    if let Some(first) = first.filter(|first| self::run(&account, first).status == Status::Running) {
        let event = account.end_run(&first, "SUCCEEDED");
        deliver(1, event);
    }
    if cancels {
        deliver(2, ask("cancel-batch", json!({ "batch": "bf-1", "stop": true })));
    }
    for _ in 0..3 {
        account.wait(5);
        deliver(3, json!({ "dpc": "sweep" }));
    }
    for _ in 0..6 {
        run_all(&account, "SUCCEEDED");
        account.wait(5);
        deliver(9, json!({ "dpc": "sweep" }));
    }
    (account, died)
}

#[test]
fn a_crash_between_any_two_calls_costs_a_backfill_nothing() {
    let mut crashes = 0;
    for cancels in [false, true] {
        for dies_in in 0..4 {
            for late in [false, true] {
                for call in 0.. {
                    let (account, died) = backfill(dies_in, call, late, cancels);
                    let what = format!("dies in {dies_in} at {call}, late {late}, cancels {cancels}");
                    crashes += u32::from(died);
                    assert_backfilled(&account, cancels, &what);
                    if !died {
                        break;
                    }
                }
            }
        }
    }
    assert!(crashes > 200, "only {crashes} crashes were tried");
}

fn assert_backfilled(account: &TestAccount, cancels: bool, what: &str) {
    let runs = account.store.runs.borrow();
    assert!(runs.keys().all(|run| run.id.number == 1), "{what}: nothing runs twice");
    assert!(runs.values().all(|run| run.status.is_terminal() && !run.open), "{what}: {runs:?}");
    // Every end was told of.
    let told = reports(account);
    for run in runs.values() {
        let of_it =
            |report: &crate::control::message::Report| report.run() == run.reference && report.status == run.status;
        assert!(told.iter().any(of_it), "{what}: {} was not told of", run.reference);
    }
    let batches = account.store.batches.borrow();
    let Some(row) = batches.get("bf-1") else {
        return assert!(runs.is_empty(), "{what}: asked for nothing");
    };
    assert!(row.batch.state.is_final(), "{what}: {:?}", row.batch);
    if row.cancelled_by.is_none() {
        assert_eq!((runs.len(), row.batch.ended.get("SUCCEEDED")), (5, Some(&5)), "{what}");
    } else {
        assert!(cancels && bodies(account).iter().any(|body| matches!(body, Body::Cancel { .. })), "{what}");
    }
}
