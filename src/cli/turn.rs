//! For whom a queued run waits.
//!
//! In come a run that has not started and the pipeline's `overlap`; out comes the run that is in its way, in words too. It
//! looks at the same rows as the account function, and refuses to change any.

use crate::cloud::CloudResult;
use crate::cloud::runs::{Run, Store};
use crate::control::plan::Plan;
use crate::control::run::{RunId, RunRef, Status};
use crate::functions::queue::Overlap;

/// Why a queued run has not started.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Wait {
    /// This run is at work.
    Behind(RunRef),
    /// This one goes first, by its partition.
    After(RunRef),
    /// Its turn has come: whoever handed on to it was interrupted, and the sweep goes on.
    Turn,
}

impl Wait {
    /// As the end of a line about the run.
    pub fn words(&self) -> String {
        match self {
            Wait::Behind(run) => format!("behind {run}, which is at work"),
            Wait::After(run) => format!("after {run}, whose partition comes first"),
            Wait::Turn => "its turn has come; the sweep starts it within five minutes".to_owned(),
        }
    }

    /// The run waited for.
    pub fn run(&self) -> Option<&RunRef> {
        match self {
            Wait::Behind(run) | Wait::After(run) => Some(run),
            Wait::Turn => None,
        }
    }
}

/// What a run waits for; `None` for one that is not queued.
///
/// # Errors
/// Whatever AWS refuses.
pub async fn of<S: Store>(runs: &S, plan: Option<&Plan>, run: &Run) -> CloudResult<Option<Wait>> {
    if run.status != Status::Queued {
        return Ok(None);
    }
    let overlap = plan.map_or(Overlap::Queue, Overlap::of);
    let RunRef { pipeline, id } = &run.reference;
    let reference = |id: RunId| RunRef { pipeline: pipeline.clone(), id };
    if run.slot {
        return Ok(Some(Wait::Turn));
    }
    let slots = runs.slots(pipeline, &id.partition, overlap.is_alone()).await?;
    let own = (slots.partition > 0).then(|| RunId { number: slots.partition, ..id.clone() });
    for holder in slots.pipeline.into_iter().chain(own).map(reference) {
        if holder != run.reference && runs.run(&holder).await?.is_some_and(|run| !run.status.is_terminal()) {
            return Ok(Some(Wait::Behind(holder)));
        }
    }
    let first = match overlap {
        Overlap::Queue => runs.waiting(pipeline, Some(1)).await?.into_iter().next(),
        Overlap::Latest => runs.waiting(pipeline, None).await?.pop(),
        Overlap::Allow | Overlap::Skip => None,
    };
    Ok(Some(
        first.filter(|first| first.partition != id.partition).map_or(Wait::Turn, |first| Wait::After(reference(first))),
    ))
}
