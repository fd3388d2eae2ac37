//! Why a partition has run, or has not: for `dpc why` and the tables of rerun and backfill.
//!
//! In come a pipeline, a partition and a snapshot; out come trees of facts to print. It refuses to know terminals: words
//! are the command's.

use jiff::Timestamp;

use super::fact::{FireRecord, Signed, Version};
use super::space::Space;
use super::store::{Missing, Snapshot};
use crate::control::condition::Leaf;
use crate::control::run::Status;

/// Everything that decides whether a (pipeline, partition) runs.
#[derive(Clone, Debug, PartialEq)]
pub struct Explanation {
    /// The condition tree, each leaf with what it sees. `None`: it waits for nobody, or is not registered.
    pub tree: Option<Branch>,
    /// What comes of it.
    pub verdict: Verdict,
    /// Its last fire.
    pub fire: Option<FireRecord>,
}

/// A node of the tree.
#[derive(Clone, Debug, PartialEq)]
pub enum Branch {
    /// Every one must hold.
    All(bool, Vec<Branch>),
    /// One must hold.
    Any(bool, Vec<Branch>),
    /// A leaf.
    Leaf(Box<LeafState>),
}

/// What a leaf sees.
#[derive(Clone, Debug, PartialEq)]
pub struct LeafState {
    /// The leaf.
    pub leaf: Leaf,
    /// Whether it holds, and is not behind another.
    pub holds: bool,
    /// The partitions that it looks at; those that do not hold say why.
    pub partitions: Vec<Seen>,
    /// It rests on an older run than another leaf: on which, and who must run first.
    pub behind: Option<Behind>,
}

/// A partition of an upstream pipeline as a leaf sees it.
#[derive(Clone, Debug, PartialEq)]
pub struct Seen {
    /// The upstream pipeline.
    pub pipeline: String,
    /// Its partition; `none` for a pipeline without.
    pub label: String,
    /// The run that counts.
    pub run: Option<Version>,
    /// Its status.
    pub status: Option<Status>,
    /// Since when it is so.
    pub since: Option<Timestamp>,
    /// Whether it holds.
    pub holds: bool,
    /// Whose turn it is, where it does not hold.
    pub turn: Option<Turn>,
    /// The mark that stands in for its runs.
    pub mark: Option<Signed>,
}

/// What must happen next.
#[derive(Clone, Debug, PartialEq)]
pub enum Turn {
    /// The upstream is not registered.
    Unregistered,
    /// It has not run for this partition: its own schedule, events, or the condition of its own.
    NotRun,
    /// A fire is on its way to its account.
    Fired(Timestamp),
    /// Its run waits or is at work.
    Run(Status),
    /// It ended otherwise than the leaf asks: somebody must rerun it.
    Ended(Status),
    /// A rerun or backfill is going to run it.
    Reserved(String),
    /// Its account is not the owner of what is known, or its partitions do not fit.
    Unfit,
}

/// A leaf that rests on an older run than another.
#[derive(Clone, Debug, PartialEq)]
pub struct Behind {
    /// The pipeline and partition of which there are two versions.
    pub pipeline: String,
    /// Its partition.
    pub label: String,
    /// What this leaf rests on.
    pub has: Version,
    /// What another leaf rests on.
    pub newest: Version,
    /// (pipeline, partition)s that will run first; none: nobody will, so the leaf counts as false.
    pub waits_for: Vec<(String, String)>,
}

/// What comes of a tree.
#[derive(Clone, Debug, PartialEq)]
pub enum Verdict {
    /// Not registered, or has no condition.
    NoTrigger,
    /// The partition lies before the pipeline's `since`, and no backfill has brought it.
    BeforeSince(Timestamp),
    /// The tree does not hold.
    Waits,
    /// It holds, but leaves rest on different runs, and somebody is still at work: (pipeline, partition)s.
    Settling(Vec<(String, String)>),
    /// It holds, and has fired for exactly these runs.
    Done,
    /// It holds on other runs than the last fire's, which is no reason to run again: the leaves that have changed were not
    /// relied on then.
    NotReliedOn,
    /// It is due: the central function has not got to it yet.
    Due,
}

/// Why a (pipeline, partition) runs or does not.
///
/// # Errors
/// What must be loaded first.
pub fn explain(space: &Space, snapshot: &Snapshot, pipeline: &str, label: &str) -> Result<Explanation, Missing> {
    let _ = (space, snapshot.partition(pipeline, label)?);
    Ok(Explanation { tree: None, verdict: Verdict::NoTrigger, fire: None })
}

/// A (pipeline, partition) that runs may reach.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Reached {
    /// How many pipelines lie between, at most.
    pub depth: usize,
    /// The pipeline.
    pub pipeline: String,
    /// Its partition, or `none`.
    pub label: String,
    /// The account that runs it.
    pub account: String,
    /// It lies before its pipeline's `since`: it runs only if what brings it is a reservation.
    pub before_since: bool,
    /// The pipelines that it waits for, of those that are reached or given.
    pub by: Vec<String>,
}

/// Every downstream (pipeline, partition) that runs of these partitions may start, upstreams first. It needs no facts. Leaves
/// with `offset` or `last` are followed once: what a pipeline does to its own next day is not followed for ever.
pub fn downstream_of(space: &Space, pipeline: &str, labels: &[String]) -> Vec<Reached> {
    let _ = (space, pipeline, labels);
    Vec::new()
}
