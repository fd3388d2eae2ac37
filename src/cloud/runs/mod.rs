//! `dpc-runs`: what is registered, which runs there are, where each stands.
//!
//! In come runs and registrations in dpc's own words; out come the same, and whether a conditional write was won. This
//! module refuses to know why a run moves: `functions` decides, and docs/runs.md describes the rows for operators.

mod batches;
mod listing;
mod notes;
mod queue;
mod row;
mod table;

use std::collections::BTreeSet;

use jiff::Timestamp;
use serde_json::{Map, Value};

use crate::cloud::failure::CloudResult;
use crate::control::plan::Plan;
use crate::control::run::{Downstream, RunId, RunRef, Source, Status};

pub use batches::{BatchRow, Batches};
pub use notes::{Brief, Notes, Stop};
pub use queue::{Queue, Slots};
pub use table::Table;

/// One run, as its row holds it.
#[derive(Clone, Debug, PartialEq)]
pub struct Run {
    /// Which run.
    pub reference: RunRef,
    /// The space of its pipeline.
    pub space: String,
    /// Where it stands.
    pub status: Status,
    /// [`Status::order`]; a change needs a higher one.
    pub order: u64,
    /// Who asked for it.
    pub source: Source,
    /// The start key.
    pub key: String,
    /// For a schedule: when it was due.
    pub scheduled_time: Option<Timestamp>,
    /// What time it is about: when it was due, the event's, the start of its partition, or when it was asked for. Fixed when
    /// it is asked for, whatever is deployed later.
    pub time: Timestamp,
    /// Why it was asked for, for people; the envelope's `cause`.
    pub reason: Option<Value>,
    /// The params that the caller gave.
    pub params: Map<String, Value>,
    /// The event that started it.
    pub event: Option<Value>,
    /// The execution whose step started it.
    pub parent: Option<String>,
    /// Which downstream pipelines may run because of it; absent is all.
    pub downstream: Option<Downstream>,
    /// The reservation at the central account that it fulfils.
    pub reservation: Option<String>,
    /// Task tokens of the steps that wait for its end and have not been told of it yet.
    pub tokens: BTreeSet<String>,
    /// Whether its turn has come: from then on its execution may exist, and until then it does not.
    pub slot: bool,
    /// The newer run of its partition that has taken its place in the queue.
    pub superseded_by: Option<u32>,
    /// SHA-256 of the plan that its arguments were rendered from.
    pub plan_digest: Option<String>,
    /// Its execution, once started.
    pub execution: Option<String>,
    /// When its number was taken.
    pub claimed_at: Timestamp,
    /// When its execution started.
    pub started_at: Option<Timestamp>,
    /// When it ended.
    pub ended_at: Option<Timestamp>,
    /// Name of the error that it ended with.
    pub error: Option<String>,
    /// What that error says.
    pub cause: Option<String>,
    /// Who wanted it to end.
    pub stop: Option<Stop>,
    /// Whether the announcement of its status is not confirmed yet.
    pub announce: bool,
    /// Whether the central account has not been told of its status yet, as far as is known.
    pub untold: bool,
    /// Whether nothing of it costs money any more, as far as is known.
    pub released: bool,
    /// Whether the sweep must look at it.
    pub open: bool,
}

impl Run {
    /// A run that has just been asked for.
    pub fn queued(reference: RunRef, space: String, source: Source, key: String, claimed_at: Timestamp) -> Self {
        Self {
            reference,
            space,
            status: Status::Queued,
            order: Status::Queued.order(0),
            source,
            key,
            scheduled_time: None,
            time: claimed_at,
            reason: None,
            params: Map::new(),
            event: None,
            parent: None,
            downstream: None,
            reservation: None,
            tokens: BTreeSet::new(),
            slot: false,
            superseded_by: None,
            plan_digest: None,
            execution: None,
            claimed_at,
            started_at: None,
            ended_at: None,
            error: None,
            cause: None,
            stop: None,
            announce: false,
            untold: false,
            released: false,
            open: true,
        }
    }

    /// How often its execution was redriven.
    pub fn redrives(&self) -> u64 {
        Status::redrives(self.order)
    }

    /// Whether it waits for its turn.
    pub fn is_waiting(&self) -> bool {
        self.status == Status::Queued && !self.slot
    }
}

/// A step forward of a run: written only if its order is higher than the row's.
#[derive(Clone, Debug, PartialEq)]
pub struct Progress {
    /// The new status.
    pub status: Status,
    /// Its order.
    pub order: u64,
    /// The execution; an absent one leaves the row's.
    pub execution: Option<String>,
    /// When the execution started; an absent one leaves the row's.
    pub started_at: Option<Timestamp>,
    /// The plan that was rendered; an absent one leaves the row's.
    pub plan_digest: Option<String>,
    /// When the run ended; absent removes the row's, as after a redrive.
    pub ended_at: Option<Timestamp>,
    /// The error; absent removes the row's.
    pub error: Option<String>,
    /// What the error says; absent removes the row's.
    pub cause: Option<String>,
    /// Whether somebody wants to hear of the new status.
    pub announce: bool,
    /// Whether the central account is to be told of it.
    pub untold: bool,
    /// The newer run of its partition that has taken its place; an absent one leaves the row's.
    pub superseded_by: Option<u32>,
    /// Only if the run still waits for its turn.
    pub only_waiting: bool,
}

impl Progress {
    /// To a status of the first, not redriven, attempt; nothing else changes.
    pub fn to(status: Status) -> Self {
        Self {
            status,
            order: status.order(0),
            execution: None,
            started_at: None,
            plan_digest: None,
            ended_at: None,
            error: None,
            cause: None,
            announce: false,
            untold: false,
            superseded_by: None,
            only_waiting: false,
        }
    }

    /// What the row becomes.
    pub fn apply(&self, run: &mut Run) {
        run.status = self.status;
        run.order = self.order;
        run.execution = self.execution.clone().or(run.execution.take());
        run.started_at = self.started_at.or(run.started_at);
        run.plan_digest = self.plan_digest.clone().or(run.plan_digest.take());
        run.ended_at = self.ended_at;
        run.error.clone_from(&self.error);
        run.cause.clone_from(&self.cause);
        run.announce = self.announce;
        run.untold = self.untold;
        run.superseded_by = self.superseded_by.or(run.superseded_by);
        run.released = false;
        run.open = true;
    }
}

/// Something after the end of a run that is done now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Chore {
    /// Whoever wanted to hear of the status has been told.
    Announced,
    /// The central account has been told of the status.
    Told,
    /// What the run held is released.
    Released,
    /// Nothing is left to do; the sweep need not look again.
    Closed,
}

/// A pipeline's registration: its plan and the stack that it belongs to.
#[derive(Clone, Debug, PartialEq)]
pub struct Registration {
    /// The plan.
    pub plan: Plan,
    /// SHA-256 of the plan's JSON.
    pub digest: String,
    /// The stack that registered it; only this stack may change or remove it.
    pub stack: String,
    /// What the central account had to say about it, for whoever deploys: an upstream that is not registered yet.
    pub warnings: Vec<String>,
    /// When it was registered last.
    pub registered_at: Timestamp,
    /// Since when its schedules are as they are.
    pub schedules_since: Timestamp,
    /// Until when its schedules have been checked for runs that never came.
    pub swept_to: Timestamp,
}

/// What the account function needs of the table. A trait, so that its logic is tested with duplicates, crashes and lost
/// events against a store in memory.
#[allow(async_fn_in_trait)] // one thread runs the function; no future needs to be `Send`
pub trait Store: Queue + Batches + Notes {
    /// The registration of a pipeline.
    async fn registration(&self, pipeline: &str) -> CloudResult<Option<Registration>>;

    /// Writes a registration, if the row is free, this stack's, or `instead_of`'s. False if another stack's.
    async fn register(&self, registration: &Registration, instead_of: Option<&str>) -> CloudResult<bool>;

    /// Removes a registration, if it is this stack's. False if there was nothing to remove.
    async fn unregister(&self, pipeline: &str, stack: &str) -> CloudResult<bool>;

    /// The names of all pipelines registered.
    async fn pipelines(&self) -> CloudResult<Vec<String>>;

    /// Notes until when schedules have been checked, if the registration is still the one with this digest.
    async fn swept(&self, pipeline: &str, digest: &str, to: Timestamp) -> CloudResult<()>;

    /// The run that a start key has started.
    async fn run_of_key(&self, pipeline: &str, key: &str) -> CloudResult<Option<RunId>>;

    /// The number of the newest run of a partition; 0 before the first.
    async fn newest_number(&self, pipeline: &str, partition: &str) -> CloudResult<u32>;

    /// Takes a start key, the run's number and, for a run that is to start, the partition's place in the queue, all or
    /// none: false if the key is used, or if the number is not the next one of its partition any more.
    async fn claim(&self, run: &Run) -> CloudResult<bool>;

    /// A run.
    async fn run(&self, reference: &RunRef) -> CloudResult<Option<Run>>;

    /// Moves a run forward; false if there is none, or if it is there or further already.
    async fn advance(&self, reference: &RunRef, progress: &Progress) -> CloudResult<bool>;

    /// Ticks off a chore, unless the run has moved on from `order`. `Closed` needs the others to be done, and everybody
    /// who waits for the run's end to have been told.
    async fn tick(&self, reference: &RunRef, order: u64, chore: Chore) -> CloudResult<()>;

    /// Notes that somebody waits for the end of a run, and opens the row for it; false if there is no such run.
    async fn await_end(&self, reference: &RunRef, token: &str) -> CloudResult<bool>;

    /// Notes that this one has been told, or cannot be told any more.
    async fn answered(&self, reference: &RunRef, token: &str) -> CloudResult<()>;

    /// The times whose schedules have started runs, after one and up to another, in order.
    async fn fires(&self, pipeline: &str, after: Timestamp, until: Timestamp) -> CloudResult<Vec<Timestamp>>;

    /// Runs that the sweep must look at, oldest partition first. May lag a little behind writes.
    async fn open_runs(&self) -> CloudResult<Vec<RunRef>>;
}
