//! Reports: what the central account is told of a run, at least once for each status that lasts.
//!
//! In comes a run as its row is; out goes where it stands, as an event on the central account's bus, and a tick in the row.
//! It refuses to tell of a status that has passed: a run that was queued for a moment only is told of as running.
//!
//! **Twice.** A report has the same id and the same body however often it is told: the run and the order of its status. That
//! is safe in both directions. The queue of the central function drops a message whose body it has seen in the last five
//! minutes, but the body is the whole event, and EventBridge gives each event that is put an id of its own: so it drops what
//! EventBridge itself delivers twice, and never what this function tells again because it does not know whether it had told.
//! The central function drops the latter, by the order of the status.

use crate::cloud::CloudResult;
use crate::cloud::runs::{Chore, Progress, Run, Store};
use crate::control::message::{Body, MESSAGE_VERSION, Message, Report, Skip};
use crate::control::run::{RunRef, Status};
use crate::functions::account::Account;
use crate::functions::queue::{PAUSED_ERROR, SUPERSEDED_ERROR};
use crate::functions::world::World;

impl<S: Store, W: World> Account<S, W> {
    /// Tells the central account where the run stands, if it has not been told.
    ///
    /// # Errors
    /// What AWS refuses: the row stays open, and the sweep tells it.
    pub async fn report(&self, run: &Run) -> CloudResult<()> {
        if !run.untold {
            return Ok(());
        }
        // Without a central account there is nobody to be told, any more.
        if self.settings.central {
            self.world.tell(&message(run)).await?;
        }
        self.store.tick(&run.reference, run.order, Chore::Told).await
    }

    /// Moves a run forward; the central account will have to be told.
    ///
    /// # Errors
    /// What AWS refuses.
    pub async fn advance(&self, run: &RunRef, progress: Progress) -> CloudResult<bool> {
        self.store.advance(run, &Progress { untold: self.settings.central, ..progress }).await
    }
}

/// A message of this function to the central account.
pub fn envelope(space: &str, id: String, body: Body) -> Message {
    Message { version: MESSAGE_VERSION, id, space: space.to_owned(), dpc: env!("CARGO_PKG_VERSION").to_owned(), body }
}

fn message(run: &Run) -> Message {
    let RunRef { pipeline, id } = &run.reference;
    let report = Report {
        pipeline: pipeline.clone(),
        partition: id.partition.clone(),
        number: id.number,
        status: run.status,
        redrives: run.redrives(),
        skip: skip(run),
        source: run.source,
        key: run.key.clone(),
        time: run.time,
        started_at: run.started_at,
        ended_at: run.ended_at,
        downstream: run.downstream.clone(),
        reservation: run.reservation.clone(),
    };
    envelope(&run.space, format!("run/{}/{}", run.reference, run.order), Body::Run(report))
}

/// Why a run was skipped. The other errors are those of `overlap`, which count least, as one of a newer dpc should.
fn skip(run: &Run) -> Option<Skip> {
    (run.status == Status::Skipped).then_some(match run.error.as_deref() {
        None => Skip::When,
        Some(SUPERSEDED_ERROR) => Skip::Superseded,
        Some(PAUSED_ERROR) => Skip::Paused,
        Some(_) => Skip::Overlap,
    })
}
