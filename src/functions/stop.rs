//! Stopping runs: a queued one leaves the queue, one at work is stopped by Step Functions.
//!
//! In comes a run that somebody wants to end; out comes a note in its row, and what follows from the note. It refuses to
//! forget the note: a crash between writing it and stopping the execution is made good by the next event about the run, or by
//! the sweep.

use crate::cloud::CloudResult;
use crate::cloud::runs::{Progress, Registration, Run, Stop, Store};
use crate::control::run::{RunRef, Status};
use crate::control::verbs::Stopped;
use crate::functions::account::Account;
use crate::functions::start::execution_arn;
use crate::functions::world::World;
use crate::source::{Code, Finding};

/// Error of a run that a person has stopped.
pub const STOPPED_ERROR: &str = "dpc.Stopped";

impl<S: Store, W: World> Account<S, W> {
    /// Stops a run.
    ///
    /// # Errors
    /// There is no such run, or it has ended; what AWS refuses.
    pub async fn stop(&self, reference: &RunRef, stop: Stop) -> CloudResult<Stopped> {
        let Some(run) = self.store.run(reference).await? else {
            let finding = Finding::new(Code::NoSuchRun, format!("there is no run `{reference}`"));
            return Err(Box::new(finding.help(format!("`dpc runs {}` lists its runs", reference.pipeline))));
        };
        let stop = Stop { redrives: run.redrives(), ..stop };
        if !self.store.note_stop(reference, &stop).await? {
            let run = self.store.run(reference).await?.unwrap_or(run);
            let message = format!("run `{reference}` has ended: {}", run.status);
            let finding = Finding::new(Code::RunHasEnded, message).why("only what is queued or at work can be stopped");
            return Err(Box::new(finding.help(format!("`dpc runs show {reference}` tells how it ended"))));
        }
        let was = run.status;
        let run = Run { stop: Some(stop), ..run };
        let registration = self.store.registration(&reference.pipeline).await?;
        let run = self.obey(run, registration.as_ref()).await?;
        Ok(Stopped { run: reference.clone(), was, status: run.status })
    }

    /// Does what the note in a run's row says, and answers the run as it is then.
    async fn obey(&self, run: Run, registration: Option<&Registration>) -> CloudResult<Run> {
        if run.is_waiting() && self.stop_waiting(&run, registration).await? {
            return Ok(self.store.run(&run.reference).await?.unwrap_or(run));
        }
        let machine = registration.map(|registration| execution_arn(&registration.plan.state_machine, &run.reference));
        let Some(arn) = run.execution.clone().or(machine) else { return Ok(run) };
        let Some(words) = words(&run) else { return Ok(run) };
        // One that does not exist yet is stopped by whoever is starting it: the note is read after the start.
        if !self.world.stop(&arn, STOPPED_ERROR, &words).await? {
            return Ok(run);
        }
        match self.world.execution(&arn).await? {
            Some(execution) => self.follow(run, &execution).await,
            None => Ok(run),
        }
    }

    /// Takes a run out of the queue; false if its turn has come in the meantime.
    ///
    /// # Errors
    /// What AWS refuses.
    pub async fn stop_waiting(&self, run: &Run, registration: Option<&Registration>) -> CloudResult<bool> {
        let mut progress = Progress::to(Status::Aborted);
        progress.error = Some(STOPPED_ERROR.to_owned());
        progress.cause = words(run);
        self.end_waiting(&run.reference, progress, registration.map(|registration| &registration.plan)).await?;
        let run = self.store.run(&run.reference).await?;
        if run.as_ref().is_some_and(|run| !run.status.is_terminal()) {
            return Ok(false);
        }
        if let Some(run) = run {
            self.store.leave(&run.reference).await?;
        }
        Ok(true)
    }

    /// Stops the execution of a run that is at work and should not be: the note came while it was being started, or
    /// whoever wrote it was cut off.
    ///
    /// # Errors
    /// What AWS refuses.
    pub async fn stop_if_asked(&self, run: &Run) -> CloudResult<()> {
        match (run.status, &run.execution, words(run)) {
            (Status::Running, Some(execution), Some(words)) => {
                self.world.stop(execution, STOPPED_ERROR, &words).await.map(|_| ())
            }
            _ => Ok(()),
        }
    }
}

/// Who has stopped the run, if its present execution was to be stopped.
pub fn words(run: &Run) -> Option<String> {
    let stop = run.stop.as_ref().filter(|stop| stop.redrives == run.redrives())?;
    let why = stop.why.as_ref().map(|why| format!(": {why}")).unwrap_or_default();
    Some(format!("stopped by {}{why}", stop.by))
}
