//! What is known of one (pipeline, partition): its runs, what people overrode, and its last fire as a downstream pipeline.
//!
//! In come rows as they are stored; out come the run that counts, and versions to compare. It refuses to know which
//! pipelines there are.

use std::collections::BTreeSet;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::store::{NONE, TIMED};
use crate::control::message::{Downstream, Skip};
use crate::control::run::{Source, Status};

/// Which state of a partition a fire relied on. A later one is greater: overrides first, because a person's word is the
/// newest, then the run's number, then how often it was redriven.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Version {
    /// Which owner of the name, 0 for the first.
    #[serde(rename = "g", default, skip_serializing_if = "zero")]
    pub generation: u32,
    /// How many overrides had changed what counts.
    #[serde(rename = "c", default, skip_serializing_if = "zero")]
    pub changes: u32,
    /// The run's number; of a mark, that of the newest run when it was made.
    #[serde(rename = "n")]
    pub number: u32,
    /// How often it was redriven.
    #[serde(rename = "r", default, skip_serializing_if = "zero")]
    pub redrives: u32,
}

/// One run that another was started on.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Rest {
    /// The upstream pipeline.
    #[serde(rename = "p")]
    pub pipeline: String,
    /// Its partition; `none#2026-11-21T03:00:00Z` for a run without.
    #[serde(rename = "l")]
    pub label: String,
    /// Which state of it.
    #[serde(flatten)]
    pub version: Version,
    /// The stretch of time for which a run without partition was taken, `start/end`: two runs of it for one stretch are two
    /// versions of the same data.
    #[serde(rename = "w", default, skip_serializing_if = "Option::is_none")]
    pub window: Option<String>,
    /// By a leaf with `offset` or `last`: what that run rests on is none of ours.
    #[serde(rename = "a", default, skip_serializing_if = "std::ops::Not::not")]
    pub alone: bool,
}

impl Rest {
    /// What it is a version of: the partition, or the stretch of time for which a run without was taken.
    pub fn stretch(&self) -> &str {
        match &self.window {
            Some(window) => window,
            None if self.label.starts_with(TIMED) => NONE,
            None => &self.label,
        }
    }

    /// Whether another is about the same pipeline and stretch.
    pub fn is_about(&self, other: &Rest) -> bool {
        self.pipeline == other.pipeline && self.stretch() == other.stretch()
    }

    /// Which of two about one stretch is newer: the owner and overrides first, then the time of a run without partition,
    /// then its number.
    pub fn order(&self) -> (u32, u32, &str, u32, u32) {
        let Version { generation, changes, number, redrives } = self.version;
        (generation, changes, &self.label, number, redrives)
    }
}

/// The runs that a run was started on, in their order, each once.
pub type Witness = Vec<Rest>;

/// One run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RunFact {
    /// Bumped by each write of this row.
    pub rev: u32,
    /// 1, 2, 3 … within (pipeline, partition); of a pipeline without partitions, within it.
    pub number: u32,
    /// Where it stands.
    pub status: Status,
    /// How often its execution was redriven.
    #[serde(default, skip_serializing_if = "zero")]
    pub redrives: u32,
    /// Why it was skipped.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub skip: Option<Skip>,
    /// Who asked for it.
    pub source: Source,
    /// Its start key.
    pub key: String,
    /// What time it is about.
    pub time: Timestamp,
    /// When its execution started.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub started_at: Option<Timestamp>,
    /// When it ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ended_at: Option<Timestamp>,
    /// When its status reached the central account.
    pub told_at: Timestamp,
    /// Which downstream pipelines may run because of it; from its report, or inherited from its fire.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub downstream: Option<Downstream>,
    /// The reservation that it fulfils.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reservation: Option<String>,
    /// When the rerun or backfill that it comes from, itself or through its fire, was asked for: downstream pipelines that
    /// were registered before may run for it although it lies before their `since`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub brought: Option<Timestamp>,
    /// What it was started on.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub witness: Witness,
    /// Which owner of the name reported it.
    pub generation: u32,
    /// Written and not evaluated yet: the sweep looks for these.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub evaluate: bool,
}

/// What people overrode in a partition. Row `<label>#~mark`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Overrides {
    /// Bumped by each write of this row.
    pub rev: u32,
    /// How often one of them has changed what counts.
    pub changes: u32,
    /// Runs that do not count.
    #[serde(skip_serializing_if = "BTreeSet::is_empty")]
    pub ignored: BTreeSet<u32>,
    /// The last mark that was made.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mark: Option<Mark>,
    /// Who overrode last, for people.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub signed: Option<Signed>,
    /// Which owner of the name reported it.
    pub generation: u32,
    /// Written and not evaluated yet.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub evaluate: bool,
}

impl Overrides {
    /// Nothing was overridden.
    pub const NONE: &'static Overrides = &Overrides {
        rev: 0,
        changes: 0,
        ignored: BTreeSet::new(),
        mark: None,
        signed: None,
        generation: 0,
        evaluate: false,
    };
}

/// A partition counts as having a status, until a newer run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Mark {
    /// The status.
    pub status: Status,
    /// Its version; the number is that of the newest run that it stands above.
    pub version: Version,
    /// The fire that had not been reported then, and is passed over too.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub over: Option<String>,
    /// What it rests on.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub witness: Witness,
    /// Who, why and when.
    #[serde(flatten)]
    pub signed: Signed,
    /// Taken back.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub gone: bool,
}

/// Who said so.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Signed {
    /// Who.
    pub by: String,
    /// Why.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub why: Option<String>,
    /// When.
    pub at: Timestamp,
}

/// The last fire of a downstream (pipeline, partition). Row `<label>#~fire`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct FireRecord {
    /// Bumped by each write of this row.
    pub rev: u32,
    /// The start key: hash of pipeline, partition and witness.
    pub hash: String,
    /// The runs relied on.
    pub witness: Witness,
    /// When it was decided.
    pub at: Timestamp,
    /// Handed to the owner's bus.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub published: bool,
    /// Recorded as done, because what caused it asked for no downstream runs.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub muted: bool,
    /// The run that was started by it; absent until the account function has reported it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub run: Option<u32>,
    /// Which downstream pipelines may run because of what it starts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub downstream: Option<Downstream>,
    /// See [`RunFact::brought`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub brought: Option<Timestamp>,
    /// Start keys of earlier fires, the newest last, at most [`FireRecord::REMEMBERED`].
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub before: Vec<String>,
    /// Which owner of the name it was decided for.
    pub generation: u32,
}

impl FireRecord {
    /// How many earlier start keys are kept.
    pub const REMEMBERED: usize = 50;

    /// Decided, and neither reported by the account function nor muted: counts as a queued run.
    pub fn is_pending(&self) -> bool {
        self.run.is_none() && !self.muted
    }
}

/// All rows of one (pipeline, partition).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PartitionFacts {
    /// Its runs, by number.
    pub runs: Vec<RunFact>,
    /// What people overrode.
    pub overrides: Overrides,
    /// Its last fire.
    pub fire: Option<FireRecord>,
}

impl PartitionFacts {
    /// The run with this number.
    pub fn run(&self, number: u32) -> Option<&RunFact> {
        let at = self.runs.binary_search_by_key(&number, |run| run.number).ok()?;
        self.runs.get(at)
    }

    /// Puts a run in its place.
    pub fn put(&mut self, run: RunFact) {
        match self.runs.binary_search_by_key(&run.number, |one| one.number) {
            Ok(at) => {
                if let Some(slot) = self.runs.get_mut(at) {
                    *slot = run;
                }
            }
            Err(at) => self.runs.insert(at, run),
        }
    }
}

// Reason: serde's `skip_serializing_if` hands over a reference to the field.
#[allow(clippy::trivially_copy_pass_by_ref)]
fn zero(count: &u32) -> bool {
    *count == 0
}
