//! Status events of Step Functions: what they say about a run, and what follows from it.
//!
//! In comes a status change of some execution whose state machine is called `dpc-…`; out comes a step forward of the
//! run's row, once, whatever order the events come in. It refuses to believe in executions that have no row: somebody
//! else started them.

use jiff::Timestamp;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::cloud::CloudResult;
use crate::cloud::runs::{Progress, Run, Store};
use crate::control::names;
use crate::control::run::{RunRef, Status};
use crate::functions::account::Account;
use crate::functions::settle::is_wanted;
use crate::functions::stop;
use crate::functions::world::{Execution, World};
use crate::source::{Code, Finding};

/// What a row keeps of a cause.
pub const CAUSE_LIMIT: usize = 4_000;

#[derive(Debug, Deserialize)]
struct Event {
    detail: Detail,
}

/// <https://docs.aws.amazon.com/step-functions/latest/dg/eventbridge-integration.html>
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Detail {
    execution_arn: String,
    state_machine_arn: String,
    name: String,
    status: String,
    start_date: Option<i64>,
    stop_date: Option<i64>,
    redrive_count: Option<u64>,
    error: Option<String>,
    cause: Option<String>,
}

/// Deals with a status event.
///
/// # Errors
/// An event that cannot be read, and what AWS refuses.
pub async fn handle<S: Store, W: World>(
    account: &Account<S, W>,
    event: &Value,
    until: Timestamp,
) -> CloudResult<Value> {
    let detail = Event::deserialize(event).map_err(unreadable)?.detail;
    let Some(reference) = run_of(&detail) else {
        tracing::info!(execution = detail.execution_arn, "ignored: not an execution that dpc named");
        return Ok(json!({ "ignored": detail.execution_arn }));
    };
    let time = |millisecond: Option<i64>| Timestamp::from_millisecond(millisecond?).ok();
    let execution = Execution {
        arn: detail.execution_arn,
        status: detail.status,
        redrives: detail.redrive_count.unwrap_or(0),
        started_at: time(detail.start_date),
        stopped_at: time(detail.stop_date),
        error: detail.error,
        cause: detail.cause,
    };
    let Some(run) = account.store.run(&reference).await? else {
        tracing::info!(run = %reference, execution = execution.arn, "ignored: dpc did not start this execution");
        return Ok(json!({ "ignored": execution.arn }));
    };
    let run = account.follow(run, &execution).await?;
    if run.status.is_terminal() {
        account.drive_batch_of(&run, until).await?;
    }
    Ok(json!({ "run": reference.to_string(), "status": run.status.as_str() }))
}

fn unreadable(error: serde_json::Error) -> Box<Finding> {
    let finding = Finding::new(Code::BadEnvelope, format!("a status event of Step Functions cannot be read: {error}"));
    Box::new(finding.help("the sweep finds out by itself how the run stands"))
}

/// The run that an execution may be: its name is a run's, and it is of that run's pipeline's state machine.
fn run_of(detail: &Detail) -> Option<RunRef> {
    let reference = RunRef::of_execution_name(&detail.name)?;
    let machine = detail.state_machine_arn.rsplit(':').next()?;
    (names::pipeline_of_resource(machine) == Some(&reference.pipeline)).then_some(reference)
}

impl<S: Store, W: World> Account<S, W> {
    /// Moves a run to where its execution is, and does what is owed there. Answers the run as it is then.
    ///
    /// # Errors
    /// What AWS refuses.
    pub async fn follow(&self, run: Run, execution: &Execution) -> CloudResult<Run> {
        if run.execution.as_ref().is_some_and(|known| *known != execution.arn) {
            tracing::info!(run = %run.reference, execution = execution.arn, "ignored: not the run's execution");
            return Ok(run);
        }
        let registration = self.store.registration(&run.reference.pipeline).await?;
        let plan = registration.as_ref().map(|registration| &registration.plan);
        let Some(mut progress) = progress(execution, self.world.now()) else {
            tracing::warn!(run = %run.reference, status = execution.status, "ignored: a status that dpc does not know");
            return Ok(run);
        };
        progress.announce = plan.is_some_and(|plan| is_wanted(plan, progress.status));
        if progress.status == Status::Aborted && progress.cause.is_none() {
            progress.cause = stop::words(&run);
        }
        if self.advance(&run.reference, progress.clone()).await? {
            tracing::info!(run = %run.reference, status = %progress.status, cause = progress.cause, "the run has moved");
            // Others wait for this one in other accounts, so it comes first; what fails is tried again with all the rest.
            let mut moved = run.clone();
            Progress { untold: self.settings.central, ..progress }.apply(&mut moved);
            if let Err(finding) = self.report(&moved).await {
                tracing::warn!(run = %run.reference, why = finding.why, "{}", finding.message);
            }
        }
        // Moved or not: an earlier delivery may have been cut off before everything owed was done.
        let Some(run) = self.store.run(&run.reference).await? else { return Ok(run) };
        self.conclude(&run, registration.as_ref()).await?;
        Ok(run)
    }
}

/// Where an execution's status takes its run; `None` for a status of no meaning here.
fn progress(execution: &Execution, now: Timestamp) -> Option<Progress> {
    let status = Status::of_execution(&execution.status, execution.error.as_deref())?;
    if matches!(status, Status::Queued | Status::Skipped) {
        return None; // ours alone; no execution has them
    }
    let mut progress = Progress::to(status);
    progress.order = status.order(execution.redrives);
    progress.execution = Some(execution.arn.clone());
    progress.started_at = execution.started_at;
    if status.is_terminal() {
        progress.ended_at = Some(execution.stopped_at.unwrap_or(now));
        progress.error.clone_from(&execution.error);
        progress.cause = execution.cause.as_deref().map(|cause| shortened(cause, CAUSE_LIMIT));
    }
    Some(progress)
}

/// At most so many characters; what is cut is said.
pub fn shortened(text: &str, limit: usize) -> String {
    match text.char_indices().nth(limit) {
        Some((end, _)) => format!("{} …", text.get(..end).unwrap_or(text)),
        None => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ended(status: &str, error: Option<&str>, redrives: u64) -> Execution {
        Execution {
            arn: "arn:aws:states:eu-central-1:1:execution:dpc-listings:listings.2026-11-21.1".into(),
            status: status.into(),
            redrives,
            started_at: None,
            stopped_at: None,
            error: error.map(str::to_owned),
            cause: Some("because".into()),
        }
    }

    fn to(execution: &Execution) -> Option<(Status, u64)> {
        progress(execution, Timestamp::UNIX_EPOCH).map(|progress| (progress.status, progress.order))
    }

    #[test]
    fn a_failure_by_the_pipelines_timeout_is_a_time_out() {
        assert_eq!(to(&ended("FAILED", Some("dpc.Timeout"), 0)), Some((Status::TimedOut, 2)));
        assert_eq!(to(&ended("FAILED", Some("dpc.StepFailed"), 0)), Some((Status::Failed, 2)));
    }

    #[test]
    fn a_redrive_outranks_the_failure_before_it() {
        let failed = to(&ended("FAILED", None, 0)).unwrap();
        let redriven = to(&ended("RUNNING", None, 1)).unwrap();
        assert!(redriven.1 > failed.1);
    }

    #[test]
    fn statuses_that_are_not_an_executions_mean_nothing() {
        assert_eq!(to(&ended("PENDING_REDRIVE", None, 0)), None);
        assert_eq!(to(&ended("SKIPPED", None, 0)), None);
    }

    #[test]
    fn an_execution_of_another_state_machine_is_nobodys_run() {
        let detail = |machine: &str, name: &str| Detail {
            execution_arn: String::new(),
            state_machine_arn: format!("arn:aws:states:eu-central-1:1:stateMachine:{machine}"),
            name: name.into(),
            status: "RUNNING".into(),
            start_date: None,
            stop_date: None,
            redrive_count: None,
            error: None,
            cause: None,
        };
        assert!(run_of(&detail("dpc-listings", "listings.2026-11-21.1")).is_some());
        assert!(run_of(&detail("dpc-other", "listings.2026-11-21.1")).is_none());
        assert!(run_of(&detail("dpc-listings", "8d1f-by-hand")).is_none());
    }

    #[test]
    fn a_cause_is_cut_between_characters() {
        assert_eq!(shortened("äöü", 2), "äö …");
        assert_eq!(shortened("äö", 2), "äö");
    }
}
