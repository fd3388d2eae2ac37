//! A space: which pipelines are registered, and which partitions are reserved. Small, read with every message, and kept in
//! memory between them.
//!
//! In come rows of `SPACE#<space>`; out come specs, upstreams and downstreams, ready to be looked up. It refuses to know
//! runs.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::mapping::Maps;
use super::store::Write;
use crate::control::condition::Condition;
use crate::control::message::{Downstream, Registration};
use crate::control::partition::{Granularity, PartitionSpec};

/// A registered pipeline. Row `PIPELINE#<name>`. It stays when the stack is deleted, so that `since` and the facts' owner
/// are known when the stack is created again.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Registered {
    /// Bumped by each write of this row.
    pub rev: u32,
    /// As its account last said.
    pub registration: Registration,
    /// The account that owns the name.
    pub account: String,
    /// Partitions that end later than this may fire by themselves. Set by the account's first registration.
    pub since: Timestamp,
    /// When this account registered it first.
    pub first_at: Timestamp,
    /// Bumped when another account takes the name: facts of an earlier generation count for nothing.
    pub generation: u32,
    /// Its stack is deleted.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub gone: bool,
    /// Its account said that it starts nothing by itself for now. Its fires go out all the same.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub paused: bool,
    /// Written and not evaluated yet.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub evaluate: bool,
}

/// Partitions that a rerun or backfill is going to run. Row `RESERVATION#<id>`. While one of them waits, leaves on it and on
/// what lies below do not hold.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Reservation {
    /// Bumped by each write of this row.
    pub rev: u32,
    /// Its id.
    pub id: String,
    /// The pipeline.
    pub pipeline: String,
    /// All of its partitions, in their order.
    pub partitions: Vec<String>,
    /// Those whose run has not ended yet.
    pub waiting: BTreeSet<String>,
    /// Which downstream pipelines will run because of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub downstream: Option<Downstream>,
    /// All of them stay reserved until the last one's run has ended.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub together: bool,
    /// Who asked for it.
    pub by: String,
    /// When.
    pub at: Timestamp,
    /// Over or cancelled; the row goes once what it held back has been evaluated.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub closed: bool,
}

impl Reservation {
    /// Whether it holds this partition back.
    pub fn holds(&self, pipeline: &str, label: &str) -> bool {
        let waits = || self.waiting.contains(label);
        let all = || self.together && !self.waiting.is_empty() && self.partitions.iter().any(|one| one == label);
        !self.closed && self.pipeline == pipeline && (waits() || all())
    }
}

/// A pipeline, ready to be looked up.
#[derive(Debug)]
pub(super) struct Node {
    pub row: Registered,
    /// How times become its partitions; `None` if that cannot be read, which registration refuses.
    pub spec: Option<PartitionSpec>,
}

impl Node {
    /// What it waits for, while it is registered.
    pub fn tree(&self) -> Option<&Condition> {
        self.row.registration.executions.as_ref().filter(|_| !self.row.gone)
    }

    /// Whether it has no partitions.
    pub fn is_timed(&self) -> bool {
        self.spec.as_ref().is_some_and(|spec| spec.by == Granularity::None)
    }
}

/// What is registered and reserved in a space.
#[derive(Debug, Default)]
pub struct Space {
    name: String,
    nodes: BTreeMap<String, Node>,
    /// Upstream to those that wait for it.
    downs: BTreeMap<String, Vec<String>>,
    reservations: BTreeMap<String, Reservation>,
    pub(super) maps: Maps,
}

impl Space {
    /// A space from its rows.
    pub fn new(
        name: &str,
        pipelines: impl IntoIterator<Item = Registered>,
        reservations: impl IntoIterator<Item = Reservation>,
    ) -> Self {
        let mut space = Self { name: name.to_owned(), ..Self::default() };
        for row in pipelines {
            space.insert(row);
        }
        space.tie();
        for row in reservations {
            space.reserve(row);
        }
        space
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Takes a row in.
    pub fn register(&mut self, row: Registered) {
        let tied = |row: &Registered| (row.registration.clone(), row.gone);
        let same = self.known(&row.registration.pipeline).is_some_and(|old| tied(old) == tied(&row));
        self.insert(row);
        if !same {
            self.tie();
        }
    }

    fn insert(&mut self, row: Registered) {
        let spec = PartitionSpec::of_plan(&row.registration.partition).ok();
        self.nodes.insert(row.registration.pipeline.clone(), Node { row, spec });
    }

    /// Who waits for whom, anew.
    fn tie(&mut self) {
        self.downs.clear();
        self.maps = Maps::default();
        for (name, node) in &self.nodes {
            for leaf in node.tree().map(Condition::leaves).unwrap_or_default() {
                let list = self.downs.entry(leaf.pipeline.clone()).or_default();
                if list.last() != Some(name) {
                    list.push(name.clone());
                }
            }
        }
    }

    /// Takes a row in.
    pub fn reserve(&mut self, row: Reservation) {
        self.reservations.insert(row.id.clone(), row);
    }

    /// Forgets a reservation.
    pub fn release(&mut self, id: &str) {
        self.reservations.remove(id);
    }

    /// Takes in what was written; rows of facts are none of its business.
    pub fn write(&mut self, write: &Write) {
        match write {
            Write::Registered(row) => self.register(row.clone()),
            Write::Reservation(row) => self.reserve(row.clone()),
            Write::Released(id) => self.release(id),
            Write::Run { .. } | Write::Fire { .. } | Write::Overrides { .. } | Write::Received { .. } => {}
        }
    }

    /// The pipeline with this name, registered now or once.
    pub fn known(&self, pipeline: &str) -> Option<&Registered> {
        self.nodes.get(pipeline).map(|node| &node.row)
    }

    /// The pipeline with this name, if it is registered now.
    pub fn registered(&self, pipeline: &str) -> Option<&Registered> {
        self.known(pipeline).filter(|row| !row.gone)
    }

    /// All that are registered now.
    pub fn pipelines(&self) -> impl Iterator<Item = &Registered> {
        self.nodes.values().map(|node| &node.row).filter(|row| !row.gone)
    }

    /// All reservations.
    pub fn reservations(&self) -> impl Iterator<Item = &Reservation> {
        self.reservations.values()
    }

    /// The reservation with this id.
    pub fn reservation(&self, id: &str) -> Option<&Reservation> {
        self.reservations.get(id)
    }

    /// The registered pipelines that wait for this one, by name.
    pub fn downstream(&self, pipeline: &str) -> &[String] {
        self.downs.get(pipeline).map(Vec::as_slice).unwrap_or_default()
    }

    pub(super) fn node(&self, pipeline: &str) -> Option<&Node> {
        self.nodes.get(pipeline)
    }
}
