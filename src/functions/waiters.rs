//! Steps of other pipelines that wait for the end of a run.
//!
//! In comes a run that has ended, with the task tokens of those who wait; out goes one answer to each, until Step
//! Functions has taken it. It refuses to forget a token that it could not answer: the run's row stays open for the sweep.

use serde_json::json;

use crate::cloud::CloudResult;
use crate::cloud::runs::{Run, Store};
use crate::control::run::{RunId, RunRef, Status};
use crate::functions::account::Account;
use crate::functions::status::shortened;
use crate::functions::world::{Reply, World};
use crate::source::Finding;

/// What SendTaskFailure takes of a cause is 32,768 characters; a person reads less:
/// <https://docs.aws.amazon.com/step-functions/latest/apireference/API_SendTaskFailure.html>.
const CAUSE_LIMIT: usize = 4_000;

impl<S: Store, W: World> Account<S, W> {
    /// Tells everybody who waits for this ended run how it ended.
    ///
    /// # Errors
    /// What AWS refuses. Who was told is not told again.
    pub async fn answer_waiters(&self, run: &Run) -> CloudResult<()> {
        for token in &run.tokens {
            match run.superseded_by {
                // They wait for the partition, which the newer run is to produce.
                Some(number) => self.hand_over_waiter(run, number, token).await?,
                None => self.world.reply(token, &reply(run)).await?,
            }
            self.store.answered(&run.reference, token).await?;
        }
        Ok(())
    }

    async fn hand_over_waiter(&self, run: &Run, number: u32, token: &str) -> CloudResult<()> {
        let id = RunId { number, ..run.reference.id.clone() };
        let successor = RunRef { id, ..run.reference.clone() };
        if !self.store.await_end(&successor, token).await? {
            return self.world.reply(token, &reply(run)).await;
        }
        // It may have ended already, and been closed: then nobody but the sweep would look at it again.
        match self.store.run(&successor).await? {
            Some(successor) if successor.superseded_by.is_none() && successor.status.is_terminal() => {
                self.world.reply(token, &reply(&successor)).await?;
                self.store.answered(&successor.reference, token).await
            }
            _ => Ok(()),
        }
    }

    /// Tells a step that no run was started for it, so that it does not wait for its time-out.
    ///
    /// # Errors
    /// What AWS refuses.
    pub async fn refuse_waiter(&self, token: &str, refusal: &Finding) -> CloudResult<()> {
        let mut cause = format!("{}: {}", refusal.code.id(), refusal.message);
        for more in [&refusal.why, &refusal.help].into_iter().flatten() {
            cause.push_str("; ");
            cause.push_str(more);
        }
        let reply = Reply::Failure { error: "dpc.NotStarted".to_owned(), cause: shortened(&cause, CAUSE_LIMIT) };
        self.world.reply(token, &reply).await
    }
}

/// What a run's end means for a step that waits for it. A run whose own precondition was false is what its owner wants.
fn reply(run: &Run) -> Reply {
    let Run { reference, status, error, cause, .. } = run;
    let failure = match status {
        Status::Skipped if error.is_none() => None,
        Status::Succeeded => None,
        Status::Skipped => Some("dpc.RunSkipped"),
        Status::TimedOut => Some("dpc.RunTimedOut"),
        Status::Aborted => Some("dpc.RunAborted"),
        Status::Failed | Status::Queued | Status::Running => Some("dpc.RunFailed"),
    };
    let Some(failure) = failure else {
        return Reply::Success(json!({ "run": reference.to_string(), "status": status.as_str() }));
    };
    let said = cause.as_ref().or(error.as_ref()).map(|said| format!(": {said}")).unwrap_or_default();
    let cause = shortened(&format!("run `{reference}` ended {status}{said}"), CAUSE_LIMIT);
    Reply::Failure { error: failure.to_owned(), cause }
}
