//! What has been loaded, and what is to be written.
//!
//! In come rows; out come lookups that say what is missing instead of guessing. A [`Snapshot`] that is complete, as in tests
//! and simulations, takes what it lacks for absent. It refuses to know tables.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;

use super::fact::{FireRecord, Overrides, PartitionFacts, RunFact};
use super::space::{Registered, Reservation};

/// The label of a pipeline without partitions.
pub const NONE: &str = "none";

/// Labels of runs without partition begin so; their time follows.
pub const TIMED: &str = "none#";

/// How many runs of a pipeline without partitions are looked at, the newest first.
pub const TIMED_RUNS: usize = 20;

/// Something to load.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Key {
    /// All rows of one (pipeline, partition): `begins_with(sk, "<label>#")`. Of a pipeline without partitions and the label
    /// `none`: its overrides and its fire alone.
    Partition(String, String),
    /// The newest [`TIMED_RUNS`] runs of a pipeline without partitions, of all or of those between two times:
    /// `sk BETWEEN "none#<start>" AND "none#<end>"` (the end is exclusive), backwards.
    Timed(String, Option<(Timestamp, Timestamp)>),
    /// Row `~received` of a pipeline: the label that was heard of last.
    Received(String),
}

/// What a look needs and has not got, all of it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Missing {
    /// The keys.
    pub keys: BTreeSet<Key>,
}

impl Missing {
    /// One thing.
    pub fn one(key: Key) -> Self {
        Self { keys: BTreeSet::from([key]) }
    }

    /// Also what another look misses.
    pub fn and(&mut self, other: Missing) {
        self.keys.extend(other.keys);
    }
}

/// The label that a pipeline's facts came with last. Row `~received`; only pipelines without partitions look at it.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Received {
    /// Bumped by each write of this row.
    pub rev: u32,
    /// The label.
    pub label: String,
}

/// Rows of one space, as far as they have been loaded.
#[derive(Clone, Debug, Default)]
pub struct Snapshot {
    complete: bool,
    partitions: BTreeMap<String, BTreeMap<String, PartitionFacts>>,
    received: BTreeMap<String, Option<Received>>,
    windows: BTreeSet<(String, Option<(Timestamp, Timestamp)>)>,
    none: PartitionFacts,
}

impl Snapshot {
    /// Nothing has been loaded.
    pub fn partial() -> Self {
        Self::default()
    }

    /// What is not in here does not exist.
    pub fn complete() -> Self {
        Self { complete: true, ..Self::default() }
    }

    /// Takes in what a [`Key::Partition`] has brought; empty where there are no rows.
    pub fn load(&mut self, pipeline: &str, label: &str, facts: PartitionFacts) {
        self.partitions.entry(pipeline.to_owned()).or_default().insert(label.to_owned(), facts);
    }

    /// Takes in what a [`Key::Timed`] has brought: each run with its label.
    pub fn load_timed(
        &mut self,
        pipeline: &str,
        window: Option<(Timestamp, Timestamp)>,
        runs: impl IntoIterator<Item = (String, RunFact)>,
    ) {
        for (label, run) in runs {
            let facts = self.partition_mut(pipeline, &label);
            // What was decided a moment ago is not in the table yet.
            if facts.runs.iter().all(|known| known.number != run.number || known.rev <= run.rev) {
                facts.put(run);
            }
        }
        self.windows.insert((pipeline.to_owned(), window));
    }

    /// Takes in what a [`Key::Received`] has brought.
    pub fn load_received(&mut self, pipeline: &str, received: Option<Received>) {
        self.received.insert(pipeline.to_owned(), received);
    }

    /// All rows of one (pipeline, partition).
    ///
    /// # Errors
    /// They have not been loaded.
    pub fn partition(&self, pipeline: &str, label: &str) -> Result<&PartitionFacts, Missing> {
        match self.partitions.get(pipeline).and_then(|labels| labels.get(label)) {
            Some(facts) => Ok(facts),
            None if self.complete => Ok(&self.none),
            None => Err(Missing::one(Key::Partition(pipeline.to_owned(), label.to_owned()))),
        }
    }

    /// Runs without partition, the newest first, by (time, number).
    ///
    /// # Errors
    /// They have not been loaded.
    pub fn timed(
        &self,
        pipeline: &str,
        window: Option<(Timestamp, Timestamp)>,
    ) -> Result<impl Iterator<Item = (&str, &RunFact)>, Missing> {
        let key = (pipeline.to_owned(), window);
        if !self.complete && !self.windows.contains(&key) {
            return Err(Missing::one(Key::Timed(key.0, key.1)));
        }
        let (first, end) = match window {
            Some((start, end)) => (timed_label(start), timed_label(end)),
            None => (TIMED.to_owned(), "none$".to_owned()),
        };
        let labels = self
            .partitions
            .get(pipeline)
            .into_iter()
            .flat_map(move |labels| labels.range(first.clone()..end.clone()).rev());
        let runs = labels.flat_map(|(label, facts)| facts.runs.iter().rev().map(move |run| (label.as_str(), run)));
        Ok(runs.take(TIMED_RUNS))
    }

    /// The label that was heard of last.
    ///
    /// # Errors
    /// It has not been loaded.
    pub fn received(&self, pipeline: &str) -> Result<Option<&Received>, Missing> {
        match self.received.get(pipeline) {
            Some(received) => Ok(received.as_ref()),
            None if self.complete => Ok(None),
            None => Err(Missing::one(Key::Received(pipeline.to_owned()))),
        }
    }

    /// Every (pipeline, partition) that there is, for commands and tests.
    pub fn partitions(&self) -> impl Iterator<Item = (&str, &str, &PartitionFacts)> {
        self.partitions.iter().flat_map(|(pipeline, labels)| {
            labels.iter().map(move |(label, facts)| (pipeline.as_str(), label.as_str(), facts))
        })
    }

    /// Takes in what was written; rows of the space are none of its business.
    pub fn write(&mut self, write: &Write) {
        match write {
            Write::Run { pipeline, label, run } => self.partition_mut(pipeline, label).put(run.clone()),
            Write::Fire { pipeline, label, fire } => self.partition_mut(pipeline, label).fire = Some(fire.clone()),
            Write::Overrides { pipeline, label, overrides } => {
                self.partition_mut(pipeline, label).overrides = overrides.clone();
            }
            Write::Received { pipeline, received } => {
                self.received.insert(pipeline.clone(), Some(received.clone()));
            }
            Write::Registered(_) | Write::Reservation(_) | Write::Released(_) => {}
        }
    }

    fn partition_mut(&mut self, pipeline: &str, label: &str) -> &mut PartitionFacts {
        if !self.partitions.contains_key(pipeline) {
            self.partitions.insert(pipeline.to_owned(), BTreeMap::new());
        }
        self.partitions.entry(pipeline.to_owned()).or_default().entry(label.to_owned()).or_default()
    }
}

/// The label under which a run without partition is kept.
pub fn timed_label(time: Timestamp) -> String {
    time.strftime("none#%Y-%m-%dT%H:%M:%SZ").to_string()
}

/// One row to write, whole. Its `rev` is one more than that of the row that it replaces, or 1 where there was none: write it
/// on that condition.
#[derive(Clone, Debug, PartialEq)]
pub enum Write {
    /// `FACT#<space>#<pipeline>` / `<label>#<number>`.
    Run {
        /// The pipeline.
        pipeline: String,
        /// The label; `none#<time>` for a run without partition.
        label: String,
        /// The row.
        run: RunFact,
    },
    /// The same / `<label>#~fire`.
    Fire {
        /// The downstream pipeline.
        pipeline: String,
        /// The label, or `none`.
        label: String,
        /// The row.
        fire: FireRecord,
    },
    /// The same / `<label>#~mark`.
    Overrides {
        /// The pipeline.
        pipeline: String,
        /// The label, or `none`.
        label: String,
        /// The row.
        overrides: Overrides,
    },
    /// The same / `~received`.
    Received {
        /// The pipeline.
        pipeline: String,
        /// The row.
        received: Received,
    },
    /// `SPACE#<space>` / `PIPELINE#<name>`; bump `VERSION`.
    Registered(Registered),
    /// `SPACE#<space>` / `RESERVATION#<id>`; bump `VERSION`.
    Reservation(Reservation),
    /// Delete that row; bump `VERSION`.
    Released(String),
}
