//! Why a partition has run, or has not: for `dpc why` and the tables of rerun and backfill.
//!
//! In come a pipeline, a partition and a snapshot; out come trees of facts to print. It refuses to know terminals: words
//! are the command's.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;

use super::decide::{Decision, LeafLook, Look, end, same};
use super::fact::{FireRecord, Rest, Signed, Version};
use super::look::{self, Rows};
use super::mapping::{Places, is_alone};
use super::process::Touched;
use super::reach::{Reach, Spot};
use super::reserve;
use super::space::{Node, Space};
use super::store::{Missing, NONE, Snapshot};
use crate::control::condition::{Condition, Leaf};
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
    let nothing = Explanation { tree: None, verdict: Verdict::NoTrigger, fire: None };
    let Some((node, tree)) = space.node(pipeline).and_then(|node| Some((node, node.tree()?))) else {
        return Ok(nothing);
    };
    if end(node, label).is_none() {
        return Ok(nothing);
    }
    let look = Look::new(space, snapshot);
    let places = space.above(pipeline, label);
    let fire = look.last(node, label);
    let leaves = look.leaves(tree, &places);
    let (fire, leaves) = match (fire, leaves) {
        (Ok(fire), Ok(leaves)) => (fire, leaves),
        (fire, leaves) => {
            let mut missing = fire.err().unwrap_or_default();
            missing.and(leaves.err().unwrap_or_default());
            return Err(missing);
        }
    };
    let settled = look.settle(tree, &leaves)?;
    let mut states = Vec::new();
    for (at, (leaf, places)) in tree.leaves().into_iter().zip(places.iter()).enumerate() {
        // One that counts although it was behind a leaf that has been given up is behind nobody any more.
        let counts = settled.kept.get(at) == Some(&true) && settled.waits.is_empty();
        let behind = settled.behind.iter().find(|behind| behind.leaf == at && !counts);
        let behind = behind.map(|behind| told(&look, behind)).transpose()?;
        let partitions = partitions(&look, leaf, places)?;
        let holds = settled.kept.get(at) == Some(&true) && behind.is_none();
        states.push(LeafState { leaf: leaf.clone(), holds, partitions, behind });
    }
    let verdict = verdict(&look, node, label, fire, &leaves)?;
    let tree = branch(tree, &mut states.into_iter());
    Ok(Explanation { tree, verdict, fire: fire.cloned() })
}

fn verdict(
    look: &Look<'_>,
    node: &Node,
    label: &str,
    fire: Option<&FireRecord>,
    leaves: &[LeafLook<'_>],
) -> Result<Verdict, Missing> {
    Ok(match look.decide(&node.row.registration.pipeline, label)? {
        Decision::Fire(_) => Verdict::Due,
        Decision::NoTrigger => Verdict::NoTrigger,
        Decision::BeforeSince => Verdict::BeforeSince(node.row.since),
        Decision::False => Verdict::Waits,
        Decision::Waits(whom) => Verdict::Settling(whom),
        Decision::Done => {
            let now = leaves.iter().filter(|leaf| leaf.holds).flat_map(|leaf| &leaf.rests);
            let relied = |rest: &Rest| fire.is_some_and(|fire| fire.witness.iter().any(|old| same(old, rest)));
            if now.into_iter().all(relied) { Verdict::Done } else { Verdict::NotReliedOn }
        }
    })
}

fn branch(tree: &Condition, states: &mut std::vec::IntoIter<LeafState>) -> Option<Branch> {
    Some(match tree {
        Condition::All { all_of } => {
            let inner: Vec<Branch> = all_of.iter().filter_map(|one| branch(one, states)).collect();
            Branch::All(inner.iter().all(Branch::holds), inner)
        }
        Condition::Any { any_of } => {
            let inner: Vec<Branch> = any_of.iter().filter_map(|one| branch(one, states)).collect();
            Branch::Any(inner.iter().any(Branch::holds), inner)
        }
        Condition::Leaf(_) => Branch::Leaf(Box::new(states.next()?)),
    })
}

impl Branch {
    /// Whether it holds.
    pub fn holds(&self) -> bool {
        match self {
            Branch::All(holds, _) | Branch::Any(holds, _) => *holds,
            Branch::Leaf(leaf) => leaf.holds,
        }
    }
}

fn told(look: &Look<'_>, behind: &super::ancestry::Behind) -> Result<Behind, Missing> {
    let (mut waits_for, mut missing) = (Vec::new(), Missing::default());
    for rest in &behind.between {
        match look.unsettled(rest) {
            Ok(true) => waits_for.push((rest.pipeline.clone(), rest.stretch().to_owned())),
            Ok(false) => {}
            Err(more) => missing.and(more),
        }
    }
    if !missing.keys.is_empty() {
        return Err(missing);
    }
    let (pipeline, label) = (behind.has.pipeline.clone(), behind.has.stretch().to_owned());
    Ok(Behind { pipeline, label, has: behind.has.version, newest: behind.newest.version, waits_for })
}

/// What a leaf sees, place by place.
fn partitions(look: &Look<'_>, leaf: &Leaf, places: &Places) -> Result<Vec<Seen>, Missing> {
    let (mut found, mut missing) = (Vec::new(), Missing::default());
    let unfit = |turn: Turn| {
        let pipeline = places.pipeline.clone();
        Seen {
            pipeline,
            label: NONE.to_owned(),
            run: None,
            status: None,
            since: None,
            holds: false,
            turn: Some(turn),
            mark: None,
        }
    };
    let Some(node) = look.space.node(&places.pipeline) else { return Ok(vec![unfit(Turn::Unregistered)]) };
    if places.places.is_empty() {
        return Ok(vec![unfit(Turn::Unfit)]);
    }
    for place in &places.places {
        match Rows::of(look.snapshot, node, place) {
            Ok(Some((rows, label))) => found.push(seen(look.space, node, leaf, &rows, label)),
            Ok(None) => found.push(unfit(Turn::NotRun)),
            Err(more) => missing.and(more),
        }
    }
    if missing.keys.is_empty() { Ok(found) } else { Err(missing) }
}

fn seen(space: &Space, node: &Node, leaf: &Leaf, rows: &Rows<'_>, label: &str) -> Seen {
    let pipeline = &node.row.registration.pipeline;
    let reserved = reserve::holding(space, pipeline, label, !is_alone(leaf)).map(|one| Turn::Reserved(one.id.clone()));
    let mut seen = Seen {
        pipeline: pipeline.clone(),
        label: label.to_owned(),
        run: None,
        status: None,
        since: None,
        holds: false,
        turn: None,
        mark: None,
    };
    let turn = match rows.seen(leaf.status.contains(&Status::Skipped)) {
        look::Seen::Nothing if node.row.gone => Turn::Unregistered,
        look::Seen::Nothing => Turn::NotRun,
        look::Seen::Pending(fire) => {
            (seen.status, seen.since) = (Some(Status::Queued), Some(fire.at));
            Turn::Fired(fire.at)
        }
        look::Seen::Stand(stand) => {
            seen.run = Some(stand.version);
            seen.status = Some(stand.status);
            seen.since = stand.run.and_then(|run| run.ended_at.or(run.started_at)).or(stand.told_at());
            seen.mark = stand.mark.map(|mark| mark.signed.clone());
            seen.holds = stand.satisfies(leaf) && reserved.is_none();
            if stand.status.is_terminal() { Turn::Ended(stand.status) } else { Turn::Run(stand.status) }
        }
    };
    if !seen.holds {
        seen.turn = Some(reserved.unwrap_or(turn));
    }
    seen
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
/// with `offset` or `last` are followed once: what a pipeline does to its own next day is not followed for ever. For a pipeline
/// without partitions give [`timed_label`](super::store::timed_label) of the time that its run will be about.
pub fn downstream_of(space: &Space, pipeline: &str, labels: &[String]) -> Vec<Reached> {
    let start: Vec<Touched> =
        labels.iter().map(|label| Touched::Upstream(pipeline.to_owned(), label.clone())).collect();
    let reach = Reach::of(space, &start);
    let mut depths: BTreeMap<Spot, usize> = BTreeMap::new();
    let mut by: BTreeMap<Spot, BTreeSet<String>> = BTreeMap::new();
    let order = reach.order(&start);
    for spot in &order {
        let depth = depths.get(spot).copied().unwrap_or_default();
        for next in reach.next(spot) {
            let known = depths.entry(next.clone()).or_default();
            *known = (*known).max(depth + 1);
            by.entry(next).or_default().insert(spot.0.clone());
        }
    }
    let given = |spot: &Spot| spot.0 == pipeline && labels.contains(&spot.1);
    let mut found = Vec::new();
    for spot in order.into_iter().filter(|spot| reach.evaluated.contains(spot) && !given(spot)) {
        let Some(node) = space.node(&spot.0) else { continue };
        let depth = depths.get(&spot).copied().unwrap_or_default().saturating_sub(1);
        let by = by.remove(&spot).unwrap_or_default().into_iter().collect();
        let before_since = end(node, &spot.1).is_some_and(|end| end <= node.row.since);
        let (pipeline, label) = spot;
        found.push(Reached { depth, pipeline, label, account: node.row.account.clone(), before_since, by });
    }
    found
}
