//! Whose turn it is: runs wait for the one before them, and what waits is handed on when a run ends.
//!
//! In comes a pipeline in which something has changed: a run was asked for, one has ended, the sweep came round. Out come
//! runs that are started, and queued ones that will never be. It refuses to remember anything: who waits and who ran last
//! is in the table, so any invocation can go on from where another died.

use std::fmt;

use crate::cloud::CloudResult;
use crate::cloud::runs::{Progress, Registration, Run, Slots, Store};
use crate::control::plan::Plan;
use crate::control::run::{RunId, RunRef, Status};
use crate::functions::account::Account;
use crate::functions::settle::is_wanted;
use crate::functions::world::World;

/// Error of a run that `overlap` has not let in.
pub const OVERLAP_ERROR: &str = "dpc.Overlap";
/// Error of a run that was asked for while its pipeline was paused.
pub const PAUSED_ERROR: &str = "dpc.Paused";
/// Error of a run that a newer one of its partition has replaced in the queue.
pub const SUPERSEDED_ERROR: &str = "dpc.Superseded";

/// How many runs one invocation starts of a queue in which each fails at once; the next sweep goes on.
const HANDED_ON: u32 = 25;

/// What a run does while one of another partition is at work. Runs of one partition never overlap.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Overlap {
    /// Partitions run side by side.
    Allow,
    /// It is skipped.
    Skip,
    /// It waits; the oldest partition goes first.
    Queue,
    /// It waits, and only the newest partition of those that wait is kept.
    Latest,
}

impl Overlap {
    /// The plan's. An unknown word is of a newer dpc, whose default is still the safest.
    pub fn of(plan: &Plan) -> Self {
        match plan.overlap.as_deref() {
            Some("allow") => Overlap::Allow,
            Some("skip") => Overlap::Skip,
            Some("latest") => Overlap::Latest,
            _ => Overlap::Queue,
        }
    }

    /// Whether only one run of the pipeline may be at work.
    pub fn is_alone(self) -> bool {
        self != Overlap::Allow
    }
}

impl fmt::Display for Overlap {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Overlap::Allow => "allow",
            Overlap::Skip => "skip",
            Overlap::Queue => "queue",
            Overlap::Latest => "latest",
        })
    }
}

impl<S: Store, W: World> Account<S, W> {
    /// Starts whichever waiting runs may start now: of this partition where partitions run side by side, else of the whole
    /// pipeline. Answers the run that is in the way of the others, if one was met.
    ///
    /// # Errors
    /// What AWS refuses.
    pub async fn hand_on(&self, registration: &Registration, partition: &str) -> CloudResult<Option<RunRef>> {
        let overlap = Overlap::of(&registration.plan);
        for _ in 0..HANDED_ON {
            let waiting = self.candidates(registration, overlap, partition).await?;
            let Some(reference) = next(overlap, &waiting) else { return Ok(None) };
            let (run, slots) = tokio::join!(
                self.waiting_run(&reference),
                self.store.slots(&reference.pipeline, &reference.id.partition, overlap.is_alone()),
            );
            let (Some(run), slots) = (run?, slots?) else { continue };
            let ahead = self.ahead(&slots, &reference).await?;
            self.drop_others(registration, overlap, &waiting, ahead.as_ref()).await?;
            if ahead.is_some() {
                return Ok(ahead);
            }
            // Lost: somebody else has handed on in the meantime, or a newer run has taken the place.
            if self.store.take(&reference, &slots, overlap.is_alone()).await? {
                tracing::info!(run = %reference, %overlap, "its turn has come");
                self.launch(Run { slot: true, ..run }, registration).await?;
            }
        }
        Ok(None)
    }

    /// Who waits, oldest partition first: all of whom something must be decided.
    async fn candidates(
        &self,
        registration: &Registration,
        overlap: Overlap,
        partition: &str,
    ) -> CloudResult<Vec<RunRef>> {
        let pipeline = &registration.plan.pipeline;
        let ids = match overlap {
            Overlap::Allow => {
                let number = self.store.waiting_in(pipeline, partition).await?;
                number.map(|number| RunId { partition: partition.to_owned(), number }).into_iter().collect()
            }
            Overlap::Queue => self.store.waiting(pipeline, Some(1)).await?,
            Overlap::Skip | Overlap::Latest => self.store.waiting(pipeline, None).await?,
        };
        Ok(ids.into_iter().map(|id| RunRef { pipeline: pipeline.clone(), id }).collect())
    }

    /// The run that stands in the queue, unless it ended there and was not taken out.
    async fn waiting_run(&self, reference: &RunRef) -> CloudResult<Option<Run>> {
        match self.store.run(reference).await? {
            Some(run) if run.is_waiting() => Ok(Some(run)),
            _ => self.store.leave(reference).await.map(|()| None),
        }
    }

    /// The run at work that this one must wait for.
    async fn ahead(&self, slots: &Slots, reference: &RunRef) -> CloudResult<Option<RunRef>> {
        let of_partition = (slots.partition > 0).then(|| RunId { number: slots.partition, ..reference.id.clone() });
        for id in slots.pipeline.iter().chain(of_partition.as_ref().filter(|id| slots.pipeline.as_ref() != Some(id))) {
            let holder = RunRef { pipeline: reference.pipeline.clone(), id: id.clone() };
            // A row that somebody has deleted holds nothing.
            if self.store.run(&holder).await?.is_some_and(|run| !run.status.is_terminal()) {
                return Ok(Some(holder));
            }
        }
        Ok(None)
    }

    /// Ends those that `skip` and `latest` do not let wait.
    async fn drop_others(
        &self,
        registration: &Registration,
        overlap: Overlap,
        waiting: &[RunRef],
        ahead: Option<&RunRef>,
    ) -> CloudResult<()> {
        let newest = waiting.last();
        for reference in waiting {
            let cause = match (overlap, ahead) {
                (Overlap::Skip, Some(ahead)) if reference.id.partition != ahead.id.partition => {
                    format!("`overlap: skip`: run `{ahead}` was still at work")
                }
                (Overlap::Latest, _) if Some(reference) != newest => {
                    let newest = newest.map(|newest| newest.to_string()).unwrap_or_default();
                    format!("`overlap: latest`: run `{newest}` waits for a newer partition")
                }
                _ => continue,
            };
            let mut progress = Progress::to(Status::Skipped);
            progress.error = Some(OVERLAP_ERROR.to_owned());
            progress.cause = Some(cause);
            self.end_waiting(reference, progress, Some(&registration.plan)).await?;
            self.store.leave(reference).await?;
        }
        Ok(())
    }

    /// Ends a run whose place in the queue a newer run of its partition has taken.
    ///
    /// # Errors
    /// What AWS refuses.
    pub async fn supersede(&self, reference: &RunRef, by: u32, plan: Option<&Plan>) -> CloudResult<()> {
        let successor = RunRef { id: RunId { number: by, ..reference.id.clone() }, ..reference.clone() };
        let mut progress = Progress::to(Status::Skipped);
        progress.error = Some(SUPERSEDED_ERROR.to_owned());
        progress.cause = Some(format!("superseded: run `{successor}` was asked for before this one had started"));
        progress.superseded_by = Some(by);
        self.end_waiting(reference, progress, plan).await
    }

    /// Ends a run that has not started, unless its turn has come in the meantime.
    ///
    /// # Errors
    /// What AWS refuses.
    pub async fn end_waiting(
        &self,
        reference: &RunRef,
        mut progress: Progress,
        plan: Option<&Plan>,
    ) -> CloudResult<()> {
        progress.only_waiting = true;
        progress.ended_at = Some(self.world.now());
        progress.announce = plan.is_some_and(|plan| is_wanted(plan, progress.status));
        if self.advance(reference, progress.clone()).await? {
            tracing::info!(run = %reference, status = %progress.status, cause = progress.cause, "it does not start");
        }
        match self.store.run(reference).await? {
            Some(run) if run.status.is_terminal() && run.open => self.settle(&run, plan).await,
            _ => Ok(()),
        }
    }
}

/// Who is to start first.
fn next(overlap: Overlap, waiting: &[RunRef]) -> Option<RunRef> {
    match overlap {
        Overlap::Latest => waiting.last().cloned(),
        Overlap::Allow | Overlap::Skip | Overlap::Queue => waiting.first().cloned(),
    }
}
