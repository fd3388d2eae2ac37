//! What is owed after a run has reached a status: release what it holds, tell who wants to hear, close the row.
//!
//! In comes a run as its row is; out go the calls, and a tick in the row for each that is done. It refuses to know how
//! the status came about. Every step can be done again: whatever a crash leaves undone keeps the row open for the sweep.

use jiff::{SignedDuration, Timestamp};

use crate::cloud::CloudResult;
use crate::cloud::runs::{Chore, Registration, Run, Store};
use crate::control::plan::Plan;
use crate::control::run::Status;
use crate::functions::account::Account;
use crate::functions::senders::topic::announcement;
use crate::functions::world::World;

/// After an abort or a time-out, a cluster whose creation was under way may appear late: look again after this.
const LATE_CLUSTERS: SignedDuration = SignedDuration::from_mins(3);

impl<S: Store, W: World> Account<S, W> {
    /// Does what is owed for the run's present status. `plan` is absent when the pipeline is not registered any more.
    ///
    /// # Errors
    /// The first thing that could not be done; the others were tried all the same.
    pub async fn settle(&self, run: &Run, plan: Option<&Plan>) -> CloudResult<()> {
        let reported = self.report(run).await;
        let stopped = self.stop_if_asked(run).await;
        let release = self.release(run).await;
        let announced = self.announce(run, plan).await;
        let answered = if run.status.is_terminal() { self.answer_waiters(run).await } else { Ok(()) };
        let released = release?;
        stopped?;
        announced?;
        answered?;
        match reported {
            // Whoever has asked for the run shall not be told that it failed; the row is open, and the sweep tells it.
            Err(finding) if !run.status.is_terminal() => {
                tracing::warn!(run = %run.reference, why = finding.why, "{}", finding.message);
            }
            reported => reported?,
        }
        if run.status.is_terminal() && released && run.open {
            self.store.tick(&run.reference, run.order, Chore::Closed).await?;
        }
        Ok(())
    }

    /// [`Self::settle`], and whoever waits for a run that has ended gets its turn.
    ///
    /// # Errors
    /// As [`Self::settle`]; neither of the two keeps the other from being tried.
    pub async fn conclude(&self, run: &Run, registration: Option<&Registration>) -> CloudResult<()> {
        let plan = registration.map(|registration| &registration.plan);
        let settled = if run.open { self.settle(run, plan).await } else { Ok(()) };
        if let Some(registration) = registration.filter(|_| run.status.is_terminal()) {
            self.hand_on(registration, &run.reference.id.partition).await?;
        }
        settled
    }

    /// Whether nothing of the run costs money any more.
    async fn release(&self, run: &Run) -> CloudResult<bool> {
        if run.released || !run.status.is_terminal() {
            return Ok(run.released);
        }
        let clusters = match &run.execution {
            Some(_) => self.world.clusters(&run.reference.execution_name(), run.claimed_at).await?,
            None => Vec::new(), // it never started, so it holds nothing
        };
        if !clusters.is_empty() {
            tracing::warn!(run = %run.reference, ?clusters, "the run has ended, its clusters have not: terminating them");
            self.world.terminate(&clusters).await?;
        }
        let jobs = self.stop_jobs(run).await?;
        if !is_final(run, clusters.len() + jobs, self.world.now()) {
            return Ok(false);
        }
        self.store.tick(&run.reference, run.order, Chore::Released).await?;
        Ok(true)
    }

    /// Stops containers and job runs that an execution left behind, and says how many there were. Step Functions stops them
    /// itself when it can (<https://docs.aws.amazon.com/step-functions/latest/dg/connect-to-resource.html>); an execution that
    /// has succeeded has waited for all of them.
    async fn stop_jobs(&self, run: &Run) -> CloudResult<usize> {
        let Some(execution) = run.execution.as_ref().filter(|_| run.status != Status::Succeeded) else { return Ok(0) };
        let mut left = 0;
        for job in self.world.jobs(execution).await? {
            if self.world.stop_job(&job).await? {
                left += 1;
                tracing::warn!(run = %run.reference, step = job.step, id = job.id(), "the run has ended, its job had not: stopped");
            }
        }
        Ok(left)
    }

    /// Tells who wants to hear of the status, at least once.
    async fn announce(&self, run: &Run, plan: Option<&Plan>) -> CloudResult<()> {
        if !run.announce {
            return Ok(());
        }
        match plan.and_then(|plan| plan.topic.as_deref()) {
            Some(topic) if self.world.publish(topic, &announcement(run)).await? => {}
            // The topic belongs to the pipeline's stack: it goes with it.
            _ => tracing::warn!(run = %run.reference, status = %run.status, "nobody is left to hear of the run"),
        }
        self.store.tick(&run.reference, run.order, Chore::Announced).await
    }
}

/// Whether one look that found `active` clusters settles the matter.
fn is_final(run: &Run, active: usize, now: Timestamp) -> bool {
    if active > 0 {
        return false;
    }
    match (run.status, &run.execution, run.ended_at) {
        (Status::Aborted | Status::TimedOut, Some(_), Some(ended)) => now.duration_since(ended) >= LATE_CLUSTERS,
        _ => true,
    }
}

/// Whether some alert of the plan is about this status.
pub fn is_wanted(plan: &Plan, status: Status) -> bool {
    plan.topic.is_some() && plan.alerts.iter().any(|wanted| wanted == status.as_str())
}
