//! Whether a downstream partition is due.
//!
//! In come a space, a snapshot, and a (pipeline, partition); out comes a fire to record, or why there is none. It is a function
//! of what is written and of nothing else: whoever asks again gets the same answer, until it is recorded. It refuses to know
//! messages.

use std::cell::RefCell;
use std::collections::BTreeMap;

use jiff::Timestamp;

use super::ancestry::{Ancestry, Behind, Root};
use super::fact::{FireRecord, Rest, Witness};
use super::fire;
use super::look::{Rows, Seen, Stand, normal, rest};
use super::mapping::{Places, bounds};
use super::reserve;
use super::space::{Node, Space};
use super::store::{Missing, NONE, Snapshot};
use crate::control::condition::{Condition, Leaf};
use crate::control::message::Downstream;
use crate::control::run::Status;

/// What is decided.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Decision {
    /// It is due.
    Fire(Box<Due>),
    /// It is not registered, or waits for nobody, or the label is none of its own.
    NoTrigger,
    /// It lies before its `since`.
    BeforeSince,
    /// The tree does not hold.
    False,
    /// Leaves rest on different runs, and these (pipeline, partition)s are still to settle.
    Waits(Vec<(String, String)>),
    /// Nothing that it relied on has changed.
    Done,
}

/// A fire that is due.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Due {
    pub hash: String,
    pub witness: Witness,
    pub muted: bool,
    pub downstream: Option<Downstream>,
    pub brought: Option<Timestamp>,
}

/// A look at one space.
pub(super) struct Look<'a> {
    pub space: &'a Space,
    pub snapshot: &'a Snapshot,
    /// What was decided about upstreams on the way; `None` while it is being decided.
    memo: RefCell<BTreeMap<(String, String), Option<Decision>>>,
}

/// What a leaf relies on.
pub(super) struct LeafLook<'a> {
    pub holds: bool,
    pub rests: Vec<Rest>,
    pub stands: Vec<Stand<'a>>,
}

/// What is left of the leaves that hold once those that are behind are given up.
pub(super) struct Settled {
    /// Whether each leaf counts.
    pub kept: Vec<bool>,
    pub holds: bool,
    /// Who must settle first.
    pub waits: Vec<(String, String)>,
    /// Why leaves were given up, or are waited for.
    pub behind: Vec<Behind>,
}

impl<'a> Look<'a> {
    pub fn new(space: &'a Space, snapshot: &'a Snapshot) -> Self {
        Self { space, snapshot, memo: RefCell::default() }
    }

    /// Whether this partition is due.
    ///
    /// # Errors
    /// What must be loaded first.
    pub fn decide(&self, pipeline: &str, label: &str) -> Result<Decision, Missing> {
        let Some((node, tree)) = self.space.node(pipeline).and_then(|node| Some((node, node.tree()?))) else {
            return Ok(Decision::NoTrigger);
        };
        let Some(end) = end(node, label) else { return Ok(Decision::NoTrigger) };
        let places = self.space.above(pipeline, label);
        let (last, leaves) = match (self.last(node, label), self.leaves(tree, &places)) {
            (Ok(last), Ok(leaves)) => (last, leaves),
            (last, leaves) => {
                let mut missing = last.err().unwrap_or_default();
                missing.and(leaves.err().unwrap_or_default());
                return Err(missing);
            }
        };
        if !admitted(node, end, last, &leaves) {
            return Ok(Decision::BeforeSince);
        }
        let all: Vec<bool> = leaves.iter().map(|leaf| leaf.holds).collect();
        if !holds(tree, &all) {
            return Ok(Decision::False);
        }
        if last.is_some_and(|last| relied(&leaves, &all) == last.witness) {
            return Ok(Decision::Done);
        }
        let settled = self.settle(tree, &leaves)?;
        if !settled.waits.is_empty() {
            return Ok(Decision::Waits(settled.waits));
        }
        if !settled.holds {
            return Ok(Decision::False);
        }
        self.against(node, label, last, &leaves, &settled, tree, &places)
    }

    /// Whether what holds is a reason to fire, after the last fire.
    #[allow(clippy::too_many_arguments)]
    fn against(
        &self,
        node: &Node,
        label: &str,
        last: Option<&FireRecord>,
        leaves: &[LeafLook<'_>],
        settled: &Settled,
        tree: &Condition,
        places: &[Places],
    ) -> Result<Decision, Missing> {
        let witness = relied(leaves, &settled.kept);
        if let Some(last) = last {
            let reason = if node.is_timed() {
                self.all_replaced(last, places)?
            } else {
                newer(last, &witness) || {
                    let known: Vec<bool> = leaves
                        .iter()
                        .zip(&settled.kept)
                        .map(|(leaf, kept)| {
                            *kept && leaf.rests.iter().all(|rest| last.witness.iter().any(|old| same(old, rest)))
                        })
                        .collect();
                    if holds(tree, &known) {
                        return Ok(Decision::Done);
                    }
                    let waits = self.unsettled_of(last, places)?;
                    if !waits.is_empty() {
                        return Ok(Decision::Waits(waits));
                    }
                    true
                }
            };
            if !reason {
                return Ok(Decision::Done);
            }
        }
        let name = node.row.registration.pipeline.as_str();
        let hash = fire::hash(self.space.name(), name, label, &witness);
        if last.is_some_and(|last| last.hash == hash || last.before.contains(&hash)) {
            return Ok(Decision::Done);
        }
        let downstream = inherited(last, leaves, &settled.kept);
        let muted = downstream.as_ref().is_some_and(|only| !only.allows(name));
        let kept = leaves.iter().zip(&settled.kept).filter(|(_, kept)| **kept);
        let brought = kept.flat_map(|(leaf, _)| leaf.stands.iter()).filter_map(Stand::brought).max();
        Ok(Decision::Fire(Box::new(Due { hash, witness, muted, downstream, brought })))
    }

    /// The last fire, unless it was another owner's.
    pub fn last(&self, node: &Node, label: &str) -> Result<Option<&'a FireRecord>, Missing> {
        let facts = self.snapshot.partition(&node.row.registration.pipeline, label)?;
        Ok(facts.fire.as_ref().filter(|fire| fire.generation == node.row.generation))
    }

    /// What each leaf sees.
    pub fn leaves<'p>(&self, tree: &Condition, places: &'p [Places]) -> Result<Vec<LeafLook<'p>>, Missing>
    where
        'a: 'p,
    {
        let (mut found, mut missing) = (Vec::with_capacity(places.len()), Missing::default());
        for (leaf, places) in tree.leaves().into_iter().zip(places) {
            match self.leaf(leaf, places) {
                Ok(look) => found.push(look),
                Err(more) => missing.and(more),
            }
        }
        if missing.keys.is_empty() { Ok(found) } else { Err(missing) }
    }

    fn leaf<'p>(&self, leaf: &Leaf, places: &'p Places) -> Result<LeafLook<'p>, Missing>
    where
        'a: 'p,
    {
        let mut look = LeafLook { holds: !places.places.is_empty(), rests: Vec::new(), stands: Vec::new() };
        let Some(node) = self.space.node(&places.pipeline) else {
            look.holds = false;
            return Ok(look);
        };
        let skipped = leaf.status.contains(&Status::Skipped);
        let mut missing = Missing::default();
        for place in &places.places {
            let (rows, label) = match Rows::of(self.snapshot, node, place) {
                Ok(Some(found)) => found,
                Ok(None) => {
                    look.holds = false;
                    continue;
                }
                Err(more) => {
                    missing.and(more);
                    continue;
                }
            };
            match rows.seen(skipped) {
                Seen::Stand(stand) if look.holds && stand.satisfies(leaf) => {
                    if reserve::holding(self.space, &places.pipeline, label, !places.alone).is_some() {
                        look.holds = false;
                    }
                    look.rests.push(rest(places, place, label, &stand));
                    look.stands.push(stand);
                }
                Seen::Stand(_) | Seen::Pending(_) | Seen::Nothing => look.holds = false,
            }
        }
        if missing.keys.is_empty() { Ok(look) } else { Err(missing) }
    }

    /// Gives up leaves that are behind and that nobody will bring up, the one written last first, until the rest agree.
    pub fn settle(&self, tree: &Condition, leaves: &[LeafLook<'_>]) -> Result<Settled, Missing> {
        let mut kept: Vec<bool> = leaves.iter().map(|leaf| leaf.holds).collect();
        let mut settled =
            Settled { holds: holds(tree, &kept), kept: kept.clone(), waits: Vec::new(), behind: Vec::new() };
        let count: usize = leaves.iter().filter(|leaf| leaf.holds).map(|leaf| leaf.rests.len()).sum();
        if !settled.holds || count < 2 {
            return Ok(settled);
        }
        let relied = leaves.iter().enumerate().filter(|(_, leaf)| leaf.holds);
        let rests = relied.flat_map(|(at, leaf)| leaf.rests.iter().map(move |rest| (at, rest)));
        let (ancestry, roots) = Ancestry::of(self.snapshot, rests)?;
        loop {
            let relied: Vec<&Root> = roots.iter().filter(|root| kept.get(root.leaf) == Some(&true)).collect();
            let behind = ancestry.behind(&relied);
            let Some(given_up) = behind.iter().map(|behind| behind.leaf).max() else { break };
            let (mut waits, mut missing) = (Vec::new(), Missing::default());
            for rest in behind.iter().flat_map(|behind| &behind.between) {
                match self.unsettled(rest) {
                    Ok(true) => waits.push((rest.pipeline.clone(), rest.stretch().to_owned())),
                    Ok(false) => {}
                    Err(more) => missing.and(more),
                }
            }
            if !missing.keys.is_empty() {
                return Err(missing);
            }
            settled.behind.extend(behind);
            if !waits.is_empty() {
                waits.sort_unstable();
                waits.dedup();
                settled.waits = waits;
                break;
            }
            if let Some(slot) = kept.get_mut(given_up) {
                *slot = false;
            }
            settled.holds = holds(tree, &kept);
            if !settled.holds {
                break;
            }
        }
        settled.kept = kept;
        Ok(settled)
    }

    /// Whether something is still to come of this (pipeline, partition): due, waiting, fired, queued, running or reserved.
    pub fn unsettled(&self, rest: &Rest) -> Result<bool, Missing> {
        let Some(node) = self.space.node(&rest.pipeline) else { return Ok(false) };
        let own = if node.is_timed() { NONE } else { rest.label.as_str() };
        if self.at_work(node, rest)? || reserve::holding(self.space, &rest.pipeline, own, !rest.alone).is_some() {
            return Ok(true);
        }
        // The next run of a pipeline without partitions falls into the stretch of time in which it starts: it is not this one's.
        if rest.alone || rest.window.is_some() {
            return Ok(false);
        }
        let key = (rest.pipeline.clone(), own.to_owned());
        let known = self.memo.borrow().get(&key).cloned();
        let decision = match known {
            Some(known) => known,
            None => {
                self.memo.borrow_mut().insert(key.clone(), None);
                let made = self.decide(&rest.pipeline, own);
                let made = match made {
                    Ok(made) => made,
                    Err(missing) => {
                        self.memo.borrow_mut().remove(&key);
                        return Err(missing);
                    }
                };
                self.memo.borrow_mut().insert(key, Some(made.clone()));
                Some(made)
            }
        };
        Ok(matches!(decision, Some(Decision::Fire(_) | Decision::Waits(_))))
    }

    /// Whether a run of it is fired, queued or running.
    fn at_work(&self, node: &Node, rest: &Rest) -> Result<bool, Missing> {
        let timed = node.is_timed();
        let window = rest.window.as_deref().and_then(super::look::window_of);
        let label = if timed { NONE } else { rest.label.as_str() };
        let rows = Rows::at(self.snapshot, node, label, timed.then_some(window))?;
        Ok(match rows.seen(false) {
            Seen::Pending(_) => true,
            Seen::Stand(stand) => stand.mark.is_none() && !stand.status.is_terminal(),
            Seen::Nothing => false,
        })
    }

    /// The upstreams of the last fire, of those that the tree still names, that are not settled.
    fn unsettled_of(&self, last: &FireRecord, places: &[Places]) -> Result<Vec<(String, String)>, Missing> {
        let (mut waits, mut missing) = (Vec::new(), Missing::default());
        for rest in last.witness.iter().filter(|rest| places.iter().any(|one| one.pipeline == rest.pipeline)) {
            match self.unsettled(rest) {
                Ok(true) => waits.push((rest.pipeline.clone(), rest.stretch().to_owned())),
                Ok(false) => {}
                Err(more) => missing.and(more),
            }
        }
        if missing.keys.is_empty() { Ok(waits) } else { Err(missing) }
    }

    /// Whether every run of the last fire has been replaced, of those that the tree still names: for a pipeline without
    /// partitions.
    fn all_replaced(&self, last: &FireRecord, places: &[Places]) -> Result<bool, Missing> {
        for places in places {
            let Some(node) = self.space.node(&places.pipeline) else { continue };
            for place in &places.places {
                let Some((rows, label)) = Rows::of(self.snapshot, node, place)? else { continue };
                for skipped in [false, true] {
                    if let Seen::Stand(stand) = rows.seen(skipped) {
                        let now = rest(places, place, label, &stand);
                        if last.witness.iter().any(|old| same(old, &now)) {
                            return Ok(false);
                        }
                    }
                }
            }
        }
        Ok(true)
    }
}

/// The first instant after a partition; the end of time for `none`.
pub(super) fn end(node: &Node, label: &str) -> Option<Timestamp> {
    if node.is_timed() {
        return (label == NONE).then_some(Timestamp::MAX);
    }
    bounds(node.spec.as_ref()?, label).map(|(_, end)| end)
}

/// Whether it may fire by itself: it lies after `since`, has fired before, or a backfill has brought it.
pub(super) fn admitted(node: &Node, end: Timestamp, last: Option<&FireRecord>, leaves: &[LeafLook<'_>]) -> bool {
    let brought = || leaves.iter().flat_map(|leaf| &leaf.stands).filter_map(Stand::brought).max();
    end > node.row.since || last.is_some() || brought().is_some_and(|at| at >= node.row.first_at)
}

/// Whether the tree holds on these leaves, in the order written.
pub(super) fn holds(tree: &Condition, leaves: &[bool]) -> bool {
    // Reason: every leaf is taken, whatever the ones before it say; `all` and `any` would stop early.
    #[allow(clippy::unnecessary_fold)]
    fn walk(tree: &Condition, leaves: &mut std::slice::Iter<'_, bool>) -> bool {
        match tree {
            Condition::All { all_of } => all_of.iter().fold(true, |all, one| walk(one, leaves) && all),
            Condition::Any { any_of } => any_of.iter().fold(false, |any, one| walk(one, leaves) || any),
            Condition::Leaf(_) => leaves.next().copied().unwrap_or_default(),
        }
    }
    walk(tree, &mut leaves.iter())
}

fn relied(leaves: &[LeafLook<'_>], kept: &[bool]) -> Witness {
    let rests = leaves.iter().zip(kept).filter(|(_, kept)| **kept).flat_map(|(leaf, _)| leaf.rests.iter().cloned());
    normal(rests.collect())
}

/// Whether two are one run in one state.
pub(super) fn same(one: &Rest, other: &Rest) -> bool {
    one.is_about(other) && one.order() == other.order()
}

/// Whether a run that the last fire relied on has a newer one.
fn newer(last: &FireRecord, witness: &Witness) -> bool {
    witness.iter().any(|now| last.witness.iter().any(|old| old.is_about(now) && old.order() < now.order()))
}

/// What the youngest of the runs that the last fire did not rely on asks of downstream pipelines: it is the one that makes
/// this fire due.
fn inherited(last: Option<&FireRecord>, leaves: &[LeafLook<'_>], kept: &[bool]) -> Option<Downstream> {
    let kept = leaves.iter().zip(kept).filter(|(_, kept)| **kept).map(|(leaf, _)| leaf);
    let runs = kept.flat_map(|leaf| leaf.rests.iter().zip(&leaf.stands));
    let old = |rest: &Rest| last.is_some_and(|last| last.witness.iter().any(|old| same(old, rest)));
    let mut youngest: Option<(Option<Timestamp>, Option<&Downstream>)> = None;
    for (_, stand) in runs.filter(|(rest, _)| !old(rest)) {
        let (at, asks) = (stand.told_at(), stand.downstream());
        youngest = match youngest {
            Some((before, _)) if before > at => youngest,
            // At one instant, the one that asks for all.
            Some((before, None)) if before == at => youngest,
            _ => Some((at, asks)),
        };
    }
    youngest.and_then(|(_, asks)| asks.cloned())
}
