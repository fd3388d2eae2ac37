//! Histories: what the account function makes of events that come twice, late, in the wrong order or not at all, and of
//! its own death between any two calls.

use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use super::metrics::Metric;
use super::testing::{TestAccount, account, at, fire, member, status_event};
use super::tests_reports::reports;
use crate::cloud::jobs::{Job, Place};
use crate::cloud::runs::Run;
use crate::control::run::Status;
use crate::source::{Code, Files, Finding, Findings};

/// The central account knows the end of every run, and heard of nothing that comes after it.
pub(super) fn assert_told_of_all(account: &TestAccount, what: &str) {
    let told = reports(account);
    for run in account.store.runs.borrow().values() {
        assert!(!run.untold, "{what}: {run:?}");
        let mut of_it = told.iter().filter(|report| report.run() == run.reference);
        assert_eq!(of_it.next_back().map(|report| report.status), Some(run.status), "{what}: {run:?}");
    }
}

/// Compares what a person reads with `fixtures/broken/<code>/expected.txt`.
pub(super) fn assert_reads(finding: &Finding) {
    use crate::source::render::{TextStyle, text};
    assert_says(
        finding.code,
        &text(&Files::new(), &Findings::from(finding.clone()), TextStyle { colour: false, width: 120 }),
    );
}

/// The same for what is no finding by then: the cause of a run, the reason that CloudFormation shows.
pub(super) fn assert_says(code: Code, said: &str) {
    let path = format!("{}/fixtures/broken/{}/expected.txt", env!("CARGO_MANIFEST_DIR"), code.id());
    let said = format!("{}\n", said.trim_end());
    if std::env::var_os("DPC_BLESS").is_some() {
        std::fs::write(&path, &said).unwrap();
    }
    assert_eq!(said, std::fs::read_to_string(&path).unwrap_or_default(), "{path}");
}

/// The same for a refusal as it is answered.
pub(super) fn assert_reads_aloud(code: Code, error: &Value) {
    let parts = ["message", "why", "help"].map(|name| error[name].as_str().unwrap_or_default());
    let parts: Vec<&str> = parts.into_iter().filter(|part| !part.is_empty()).collect();
    assert_says(code, &parts.join("\n"));
}

pub(super) fn run(account: &TestAccount, name: &str) -> Run {
    account.store.runs.borrow()[&name.parse().unwrap()].clone()
}

pub(super) fn refused(account: &TestAccount, event: Value) -> Box<Finding> {
    account.event(event).expect_err("the function should refuse")
}

pub(super) fn with(mut event: Value, name: &str, value: Value) -> Value {
    event[name] = value;
    event
}

pub(super) fn by_hand(partition: &str, key: &str) -> Value {
    json!({ "version": 1, "space": "prod", "pipeline": "listings", "source": "run", "key": key, "partition": partition })
}

pub(super) fn statuses(account: &TestAccount) -> Vec<Status> {
    account.world.published.borrow().iter().map(|said| said.status).collect()
}

// ------------------------------------------------------------------------------------------------------------ start

#[test]
fn a_schedule_starts_the_run_of_the_day_before() {
    let account = account();
    let answer = account.event(fire()).unwrap();
    assert_eq!(answer["run"], "listings/2026-11-21/1");
    assert_eq!((&answer["status"], &answer["new"]), (&json!("RUNNING"), &json!(true)));
    let run = account.store.only_run();
    let input = account.world.inputs.borrow()[run.execution.as_ref().unwrap()].clone();
    assert_eq!(input["run"]["execution"], "listings.2026-11-21.1");
    assert_eq!(input["steps"]["aggregate"]["args"], json!(["--date", "2026-11-21"]));
    assert_eq!(input["network"]["Ec2SubnetId"], "subnet-a");
    assert_eq!(input["network"].get("ServiceAccessSecurityGroup"), None);
}

#[test]
fn a_schedule_delivered_twice_starts_one_run() {
    let account = account();
    let first = account.event(fire()).unwrap();
    let second = account.event(fire()).unwrap();
    assert_eq!(first["executionArn"], second["executionArn"]);
    assert_eq!(second["new"], false);
    assert_eq!(account.world.executions.borrow().len(), 1);
}

#[test]
fn two_schedules_that_coincide_start_one_run() {
    let account = account();
    account.event(fire()).unwrap();
    account.event(with(fire(), "scheduledTime", json!("2026-11-22T03:00:00+01:00"))).unwrap();
    assert_eq!(account.store.only_run().reference.to_string(), "listings/2026-11-21/1");
}

#[test]
fn a_second_run_of_a_partition_has_the_next_number_and_the_next_subnet() {
    let account = account();
    account.event(fire()).unwrap();
    account.end("SUCCEEDED", None, true);
    account.event(account.status_event()).unwrap();
    let answer = account.event(by_hand("2026-11-21", "k-2")).unwrap();
    assert_eq!(answer["run"], "listings/2026-11-21/2");
    let input = account.world.inputs.borrow()[answer["executionArn"].as_str().unwrap()].clone();
    assert_eq!(input["network"]["Ec2SubnetId"], "subnet-b");
}

#[test]
fn what_cannot_be_rendered_is_a_failed_run_with_its_cause_and_its_alert() {
    let account = account();
    account.store.registrations.borrow_mut().get_mut("listings").unwrap().plan.steps =
        json!({ "aggregate": { "args": ["{{ params.gone }}"] } }).as_object().unwrap().clone();
    let answer = account.event(fire()).unwrap();
    assert_eq!(answer["status"], "FAILED");
    let run = account.store.only_run();
    assert_eq!(run.error.as_deref(), Some("DPC706"));
    assert_says(Code::NotRendered, run.cause.as_deref().unwrap());
    assert!(!run.open);
    assert_eq!(statuses(&account), [Status::Failed]);
    assert!(account.world.executions.borrow().is_empty());
}

#[test]
fn arguments_beyond_the_limit_are_a_failed_run() {
    let account = account();
    let long: Vec<String> = (0..15).map(|_| "x".repeat(10_000)).collect();
    account.store.registrations.borrow_mut().get_mut("listings").unwrap().plan.steps =
        json!({ "aggregate": { "args": long }, "publish": { "args": long } }).as_object().unwrap().clone();
    account.event(fire()).unwrap();
    let run = account.store.only_run();
    assert_eq!(run.error.as_deref(), Some("DPC707"));
    assert_says(Code::InputTooLarge, &run.cause.unwrap());
}

#[test]
fn a_start_that_step_functions_refuses_is_a_failed_run() {
    let account = account();
    *account.world.refuses.borrow_mut() = Some("StateMachineDeleting: State Machine is being deleted".into());
    account.event(fire()).unwrap();
    let run = account.store.only_run();
    assert_eq!((run.status, run.error.as_deref()), (Status::Failed, Some("DPC708")));
    assert_says(Code::StartRefused, &run.cause.unwrap());
}

#[test]
fn a_person_is_told_why_nothing_starts_and_a_schedule_is_not_lost_silently() {
    let account = account();
    let unknown = |event: Value| with(event, "pipeline", json!("listing"));
    let answer = account.event(unknown(by_hand("2026-11-21", "k"))).unwrap();
    assert_eq!(answer["error"]["code"], "DPC702");
    assert_eq!(refused(&account, unknown(fire())).code, Code::NotRegistered);
}

#[test]
fn refusals_read_well() {
    let account = account();
    assert_reads(&refused(&account, json!({ "some": "event" })));
    assert_reads(&refused(&account, with(fire(), "pipeline", json!("searches"))));
    assert_reads(&refused(&account, with(fire(), "space", json!("dev"))));
    let step = |partition: &str| with(by_hand(partition, "k"), "source", json!("pipeline"));
    assert_reads(&refused(&account, step("2026-11")));
    assert_reads(&refused(&account, with(step("2026-11-21"), "params", json!({ "limit": 1 }))));
    let large = with(with(fire(), "source", json!("event")), "event", json!({ "detail": "x".repeat(110_000) }));
    assert_reads(&refused(&account, with(large, "eventTime", json!("2026-11-22T02:00:00Z"))));
    assert!(account.store.runs.borrow().is_empty());
}

// ----------------------------------------------------------------------------------------------------------- status

#[test]
fn a_run_is_followed_to_its_end_announced_and_closed() {
    let account = account();
    account.event(fire()).unwrap();
    account.event(account.status_event()).unwrap();
    account.wait(30);
    account.end("SUCCEEDED", None, true);
    account.event(account.status_event()).unwrap();
    let run = account.store.only_run();
    assert_eq!((run.status, run.open, run.released), (Status::Succeeded, false, true));
    assert_eq!(run.ended_at, Some(at("2026-11-22T02:30:01Z")));
    assert_eq!(statuses(&account), [Status::Succeeded]);
}

#[test]
fn late_and_doubled_events_change_nothing_and_announce_nothing() {
    let account = account();
    account.event(fire()).unwrap();
    let running = account.status_event();
    account.end("FAILED", Some("dpc.StepFailed"), true);
    let failed = account.status_event();
    for event in [&failed, &running, &failed, &running] {
        account.event(event.clone()).unwrap();
    }
    assert_eq!(account.store.only_run().status, Status::Failed);
    assert_eq!(statuses(&account), [Status::Failed]);
}

#[test]
fn a_timeout_of_the_pipeline_is_recorded_as_one() {
    let account = account();
    account.event(fire()).unwrap();
    account.end("FAILED", Some("dpc.Timeout"), true);
    account.event(account.status_event()).unwrap();
    assert_eq!(statuses(&account), [Status::TimedOut]);
}

#[test]
fn a_redrive_takes_the_run_up_again() {
    let account = account();
    account.event(fire()).unwrap();
    account.end("FAILED", None, true);
    account.event(account.status_event()).unwrap();
    account.world.executions.borrow_mut().values_mut().for_each(|execution| execution.redrives = 1);
    account.end("RUNNING", None, true);
    account.event(account.status_event()).unwrap();
    let run = account.store.only_run();
    assert_eq!((run.status, run.open, run.error, run.ended_at), (Status::Running, true, None, None));
    account.end("SUCCEEDED", None, true);
    account.event(account.status_event()).unwrap();
    assert_eq!(account.store.only_run().status, Status::Succeeded);
}

#[test]
fn executions_without_a_row_are_ignored() {
    let account = account();
    account.event(fire()).unwrap();
    let mut execution = account.world.executions.borrow().values().next().unwrap().clone();
    for name in ["8d1f-console", "listings.2026-11-21.2", "searches.2026-11-21.1"] {
        let (machine, _) = execution.arn.rsplit_once(':').unwrap();
        execution.arn = format!("{machine}:{name}");
        execution.status = "SUCCEEDED".into();
        let answer = account.event(status_event(&execution)).unwrap();
        assert_eq!(answer["ignored"], json!(execution.arn));
    }
    assert_eq!(account.store.only_run().status, Status::Running);
}

// ---------------------------------------------------------------------------------------------------------- release

#[test]
fn an_aborted_run_loses_its_cluster_and_stays_open_for_late_ones() {
    let account = account();
    account.event(fire()).unwrap();
    account.end("ABORTED", None, false);
    account.event(account.status_event()).unwrap();
    assert!(account.world.clusters.borrow().is_empty(), "terminated at once");
    assert!(account.store.only_run().open);
    // A cluster whose creation was under way when the run was aborted.
    account.world.clusters.borrow_mut().push(("listings.2026-11-21.1".into(), "j-late".into()));
    account.wait(5);
    account.sweep_now();
    assert!(account.world.clusters.borrow().is_empty(), "terminated by the sweep");
    account.wait(5);
    account.sweep_now();
    let run = account.store.only_run();
    assert_eq!((run.status, run.open), (Status::Aborted, false));
    assert_eq!(statuses(&account), [Status::Aborted]);
}

#[test]
fn a_succeeded_run_whose_release_failed_is_released() {
    let account = account();
    account.event(fire()).unwrap();
    account.end("SUCCEEDED", None, false);
    account.event(account.status_event()).unwrap();
    assert!(account.world.clusters.borrow().is_empty());
}

#[test]
fn clusters_of_other_runs_are_left_alone() {
    let account = account();
    account.event(fire()).unwrap();
    account.world.clusters.borrow_mut().push(("listings.2026-11-20.1".into(), "j-other".into()));
    account.end("ABORTED", None, false);
    account.event(account.status_event()).unwrap();
    assert_eq!(account.world.clusters.borrow().len(), 1);
}

#[test]
fn containers_and_job_runs_of_a_stopped_run_are_stopped() {
    let account = account();
    account.event(fire()).unwrap();
    let at = Place::Serverless { application: "00f".into(), run: "00g".into() };
    account.world.jobs.borrow_mut().push(Job { step: "clean".into(), at, succeeded: None });
    account.end("ABORTED", None, false);
    account.event(account.status_event()).unwrap();
    assert!(account.world.jobs.borrow().is_empty());
    assert!(account.store.only_run().open, "it looks once more");
}

// ------------------------------------------------------------------------------------------------------------ sweep

#[test]
fn a_lost_end_is_found_by_the_sweep() {
    let account = account();
    account.event(fire()).unwrap();
    account.end("SUCCEEDED", None, true);
    account.wait(5);
    account.sweep_now();
    assert_eq!(account.store.only_run().status, Status::Succeeded);
    assert_eq!(statuses(&account), [Status::Succeeded]);
    account.event(account.status_event()).unwrap(); // it was only late
    assert_eq!(statuses(&account), [Status::Succeeded]);
}

#[test]
fn an_execution_that_is_gone_ends_its_run() {
    let account = account();
    account.event(fire()).unwrap();
    account.world.executions.borrow_mut().clear();
    account.wait(5);
    account.sweep_now();
    let run = account.store.only_run();
    assert_eq!(run.status, Status::Aborted);
    assert!(run.cause.unwrap().contains("does not exist"));
}

#[test]
fn a_schedule_that_never_came_is_started_by_the_sweep_once() {
    let account = account();
    account.wait(3);
    account.sweep_now();
    assert!(account.store.runs.borrow().is_empty(), "it may still come");
    account.wait(5);
    assert_eq!(account.sweep_now()["missed"], 1);
    let run = account.store.only_run();
    assert_eq!(run.reference.to_string(), "listings/2026-11-21/1");
    assert_eq!(run.reason, Some(json!("missed schedule, started by the sweep")));
    account.event(fire()).unwrap(); // it was only late
    account.wait(5);
    assert_eq!(account.sweep_now()["missed"], 0);
    account.store.only_run();
}

#[test]
fn a_time_that_the_clocks_show_twice_is_missed_only_when_both_have_passed() {
    // 02:30 in Berlin is 00:30 UTC, and 01:30 UTC once more.
    let account = account();
    account.world.clock.set(at("2026-10-25T00:50:00Z"));
    {
        let mut registrations = account.store.registrations.borrow_mut();
        let listings = registrations.get_mut("listings").unwrap();
        listings.swept_to = at("2026-10-25T00:00:00Z");
        listings.plan.schedules[0].expression = "cron(30 2 * * ? *)".into();
    }
    assert_eq!(account.sweep_now()["missed"], 0, "Scheduler may deliver at the second");
    account.wait(50);
    let second = json!({
        "version": 1, "space": "prod", "pipeline": "listings", "source": "schedule",
        "key": "2026-10-25T01:30:00Z", "scheduledTime": "2026-10-25T01:30:00Z",
    });
    account.event(second).unwrap();
    assert_eq!(account.sweep_now()["missed"], 0);
    account.store.only_run();

    account.store.registrations.borrow_mut().get_mut("listings").unwrap().swept_to = at("2026-10-25T01:00:00Z");
    account.store.keys.borrow_mut().clear();
    assert_eq!(account.sweep_now()["missed"], 1);
    assert_eq!(account.sweep_now()["missed"], 0);
}

#[test]
fn schedules_of_days_ago_are_reported_and_not_started() {
    let account = account();
    account.store.registrations.borrow_mut().get_mut("listings").unwrap().swept_to = at("2026-11-19T00:00:00Z");
    account.wait(10);
    assert_eq!(account.sweep_now()["missed"], 1);
    account.store.only_run();
    assert!(account.world.counted.borrow().iter().any(|(metric, _)| *metric == Metric::NeedsAttention));
}

#[test]
fn one_broken_pipeline_does_not_cost_the_others_their_sweep() {
    let account = account();
    let mut broken = account.store.registrations.borrow()["listings"].clone();
    broken.plan.pipeline = "aaa".into();
    broken.plan.schedules[0].expression = "cron(nonsense)".into();
    account.store.registrations.borrow_mut().insert("aaa".into(), broken);
    account.wait(10);
    let swept = account.sweep_now();
    assert_eq!(swept["missed"], 1);
    assert_eq!(swept["failures"].as_array().unwrap().len(), 1);
    let counted = account.world.counted.borrow();
    assert!(counted.iter().any(|(metric, why)| *metric == Metric::NeedsAttention && why.contains("aaa")));
    assert!(counted.iter().any(|(metric, _)| *metric == Metric::Sweeps));
}

#[test]
fn a_queued_run_whose_pipeline_was_destroyed_is_given_up() {
    let account = account();
    account.world.fault.at(6, false); // dies after the claim
    account.event(fire()).unwrap_err();
    account.world.fault.mend();
    assert_eq!(account.store.only_run().status, Status::Queued);
    account.store.registrations.borrow_mut().clear();
    account.wait(5);
    account.sweep_now();
    let run = account.store.only_run();
    assert_eq!((run.status, run.open), (Status::Aborted, false));
}

// ---------------------------------------------------------------------------------------------------------- crashes

/// Whatever a history has gone through, this must hold when it is over.
fn assert_one_good_run(account: &TestAccount, wanted: Status, what: &str) -> Run {
    let run = account.store.only_run();
    assert_eq!(run.reference.to_string(), "listings/2026-11-21/1", "{what}");
    assert_eq!(account.world.executions.borrow().len(), 1, "{what}");
    assert_eq!((run.status, run.open, run.announce), (wanted, false, false), "{what}: {run:?}");
    assert!(account.world.clusters.borrow().is_empty(), "{what}");
    assert!(statuses(account).contains(&wanted), "{what}: {:?}", statuses(account));
    run
}

/// One schedule, one end; at one moment the function dies. Afterwards Lambda redelivers what failed, or, when
/// `redelivered` is false, only the sweep comes round. Says whether it has died.
fn history(dies_in: usize, at_call: u32, late: bool, redelivered: bool, end: Status) -> (TestAccount, bool) {
    let account = member();
    let (mut died, mut alive) = (false, true);
    let mut deliver = |number: usize, event: Value| {
        if alive && number == dies_in {
            alive = false;
            account.world.fault.at(at_call, late);
        }
        let outcome = account.event(event.clone());
        died |= account.world.fault.mend();
        if outcome.is_err() && redelivered {
            account.event(event).unwrap();
        }
    };
    deliver(0, fire());
    for _ in 0..3 {
        account.wait(5);
        deliver(1, json!({ "dpc": "sweep" }));
    }
    account.end(end.as_str(), None, end == Status::Succeeded);
    deliver(2, account.status_event());
    for _ in 0..3 {
        account.wait(5);
        deliver(3, json!({ "dpc": "sweep" }));
    }
    (account, died)
}

#[test]
fn a_crash_between_any_two_calls_costs_nothing() {
    let mut crashes = 0;
    for end in [Status::Succeeded, Status::Failed, Status::Aborted, Status::TimedOut] {
        for dies_in in 0..4 {
            for late in [false, true] {
                for redelivered in [false, true] {
                    for at_call in 0.. {
                        let (account, died) = history(dies_in, at_call, late, redelivered, end);
                        let what =
                            format!("{end} dies in {dies_in} at {at_call}, late {late}, redelivered {redelivered}");
                        assert_one_good_run(&account, end, &what);
                        assert_told_of_all(&account, &what);
                        crashes += u32::from(died);
                        if !died {
                            break;
                        }
                    }
                }
            }
        }
    }
    assert!(crashes > 300, "only {crashes} crashes were tried");
}

#[test]
fn any_order_of_lost_late_and_doubled_events_ends_well() {
    // Every sequence of four deliveries out of: RUNNING, the end, the schedule again, the sweep, nothing.
    for choice in 0..5_u32.pow(4) {
        let account = account();
        account.event(fire()).unwrap();
        let running = account.status_event();
        account.wait(5);
        account.end("FAILED", Some("dpc.StepFailed"), false);
        let ended = account.status_event();
        for place in 0..4 {
            match choice / 5_u32.pow(place) % 5 {
                0 => drop(account.event(running.clone()).unwrap()),
                1 => drop(account.event(ended.clone()).unwrap()),
                2 => drop(account.event(fire()).unwrap()),
                3 => drop(account.sweep_now()),
                _ => account.wait(5),
            }
        }
        for _ in 0..2 {
            account.wait(5);
            account.sweep_now();
        }
        assert_one_good_run(&account, Status::Failed, &format!("choice {choice}"));
        assert_eq!(statuses(&account), [Status::Failed], "choice {choice}: announced once");
    }
}

// ------------------------------------------------------------------------------------------------------------- rest

#[test]
fn the_function_says_its_version() {
    assert_eq!(account().event(json!({ "dpc": "version" })).unwrap(), json!({ "version": env!("CARGO_PKG_VERSION") }));
}

#[test]
fn a_sweep_stops_in_time_and_says_so() {
    let account = account();
    account.event(fire()).unwrap();
    account.wait(5);
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let soon: Timestamp = account.world.clock.get() + SignedDuration::from_secs(10);
    let swept = runtime.block_on(account.sweep(soon)).unwrap();
    assert!(swept.cut_short);
    assert_eq!(swept.runs, 0);
}
