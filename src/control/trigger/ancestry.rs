//! Ancestry: everything that runs were made from, and whether two of them were made from different versions of the same.
//!
//! In come the runs that leaves rely on; out comes who is behind whom, and who lies between. Direct witnesses are followed
//! when a decision is made, never stored in full. It refuses to know trees.

use std::collections::{BTreeMap, BTreeSet};

use super::fact::Rest;
use super::look::effective;
use super::store::{Missing, Snapshot};

/// Runs and what they rest on, each once.
#[derive(Default)]
pub(super) struct Ancestry {
    nodes: Vec<Rest>,
    below: Vec<Vec<usize>>,
    index: BTreeMap<Rest, usize>,
}

/// One run relied on: which leaf's, and its ancestry.
pub(super) struct Root {
    pub leaf: usize,
    node: usize,
    reach: BTreeSet<usize>,
}

/// A leaf that rests on an older run than another.
#[derive(Clone, Debug)]
pub(super) struct Behind {
    pub leaf: usize,
    /// Which of its runs.
    root: usize,
    /// What it rests on.
    pub has: Rest,
    /// What another rests on.
    pub newest: Rest,
    /// Itself and those between, which rest on that: (run, or that of an upstream).
    pub between: Vec<Rest>,
}

impl Ancestry {
    /// The closure of what these rely on, leaf by leaf.
    ///
    /// # Errors
    /// What must be loaded first.
    pub fn of<'a>(
        snapshot: &Snapshot,
        relied: impl Iterator<Item = (usize, &'a Rest)>,
    ) -> Result<(Self, Vec<Root>), Missing> {
        let (mut all, mut roots, mut missing) = (Self::default(), Vec::new(), Missing::default());
        for (leaf, rest) in relied {
            let node = all.follow(snapshot, rest, &mut missing);
            roots.push(Root { leaf, node, reach: BTreeSet::new() });
        }
        if !missing.keys.is_empty() {
            return Err(missing);
        }
        for root in &mut roots {
            all.reach(root.node, &mut root.reach);
        }
        Ok((all, roots))
    }

    /// The node of a run, with what it rests on, unless it is taken alone.
    fn follow(&mut self, snapshot: &Snapshot, rest: &Rest, missing: &mut Missing) -> usize {
        if let Some(known) = self.index.get(rest) {
            return *known;
        }
        let at = self.nodes.len();
        self.nodes.push(rest.clone());
        self.below.push(Vec::new());
        self.index.insert(rest.clone(), at);
        if rest.alone {
            return at;
        }
        match effective(snapshot, rest) {
            Ok(witness) => {
                let below: Vec<usize> = witness.iter().map(|rest| self.follow(snapshot, rest, missing)).collect();
                if let Some(slot) = self.below.get_mut(at) {
                    *slot = below;
                }
            }
            Err(more) => missing.and(more),
        }
        at
    }

    fn reach(&self, node: usize, found: &mut BTreeSet<usize>) {
        if found.insert(node) {
            for below in self.below.get(node).into_iter().flatten() {
                self.reach(*below, found);
            }
        }
    }

    /// The leaves that are behind another one, the first reason for each. Two runs clash if they rest on different runs of one
    /// (pipeline, partition).
    pub fn behind(&self, roots: &[&Root]) -> Vec<Behind> {
        let mut about: BTreeMap<(&str, &str), Vec<(usize, usize)>> = BTreeMap::new();
        for (at, root) in roots.iter().enumerate() {
            for node in &root.reach {
                if let Some(rest) = self.nodes.get(*node) {
                    about.entry((&rest.pipeline, rest.stretch())).or_default().push((at, *node));
                }
            }
        }
        let mut found: Vec<Behind> = Vec::new();
        for named in about.values() {
            let Some(newest) = self.newest(named) else { continue };
            if !self.clash(named, roots.len()) {
                continue;
            }
            for (at, node) in named {
                let (Some(root), Some(rest)) = (roots.get(*at), self.nodes.get(*node)) else { continue };
                let known = found.iter().any(|behind| behind.root == *at && behind.has.is_about(rest));
                if rest.order() < newest.order() && !known {
                    let between = self.between(root.node, rest);
                    found.push(Behind {
                        leaf: root.leaf,
                        root: *at,
                        has: rest.clone(),
                        newest: newest.clone(),
                        between,
                    });
                }
            }
        }
        found
    }

    fn newest(&self, named: &[(usize, usize)]) -> Option<&Rest> {
        named.iter().filter_map(|(_, node)| self.nodes.get(*node)).max_by_key(|rest| rest.order())
    }

    /// Whether two runs name different versions. The same two versions in both are the same data.
    fn clash(&self, named: &[(usize, usize)], count: usize) -> bool {
        let mut first = named.iter().filter_map(|(_, node)| self.nodes.get(*node)).map(Rest::order);
        let Some(one) = first.next() else { return false };
        if first.all(|other| other == one) {
            return false;
        }
        let mut sets: Vec<BTreeSet<_>> = vec![BTreeSet::new(); count];
        for (at, node) in named {
            if let (Some(set), Some(rest)) = (sets.get_mut(*at), self.nodes.get(*node)) {
                set.insert(rest.order());
            }
        }
        let mut named = sets.into_iter().filter(|set| !set.is_empty());
        let first = named.next();
        named.any(|set| Some(&set) != first.as_ref())
    }

    /// A run and those in its ancestry that rest on something, as far as they could be brought up: the next run of a pipeline
    /// without partitions falls into the stretch of time in which it starts, so what runs above it brings this one nothing.
    fn between(&self, node: usize, on: &Rest) -> Vec<Rest> {
        let (mut open, mut seen, mut found) = (vec![node], BTreeSet::new(), Vec::new());
        while let Some(node) = open.pop() {
            let Some(rest) = self.nodes.get(node).filter(|rest| !rest.is_about(on)) else { continue };
            let mut below = BTreeSet::new();
            self.reach(node, &mut below);
            let rests_on = below.iter().filter_map(|at| self.nodes.get(*at)).any(|rest| rest.is_about(on));
            if rests_on && seen.insert(node) {
                found.push(rest.clone());
                if rest.window.is_none() {
                    open.extend(self.below.get(node).into_iter().flatten());
                }
            }
        }
        found
    }
}
