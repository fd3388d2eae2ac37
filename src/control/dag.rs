//! From steps and their `needs` to nested sequences and parallels, the only shapes that a state machine has.
//!
//! In come names and needs in the order written; out comes a [`Flow`] that keeps every need, or the [`Cycle`] that makes
//! one impossible. This module refuses to know what a step does; that every need names a step is the caller's check.
//!
//! # Method
//!
//! A flow can say exactly the *series-parallel* orders. So a set of steps is split like this, again and again:
//!
//! 1. Groups that no need joins, directly or through others, run in **parallel**.
//! 2. Otherwise, wherever every step of a front part is already upstream of every step of the rest, the set is cut into
//!    a **sequence**. Neither split adds a wait, and one of them applies wherever the order is series-parallel.
//! 3. Otherwise something must wait although it need not. The front parts considered are those of two orders that keep
//!    all needs: by how many steps of the set are upstream (few first), and by how many are downstream (many first). The
//!    cut that orders the fewest new pairs of steps is taken, of equal ones the most even, because it keeps chains
//!    short. Where such cuts add up to a longer run than plain stages of equal depth, the stages are taken: how long either
//!    takes is estimated with durations that are drawn once and for all. [`added_waits`] names what was added.
//!
//! How many pairs a cut adds is known for all cuts of an order in one pass. For a front part F of the set S,
//! pairs(F before rest) = pairs(S) - pairs(inside F) - pairs(inside the rest), and the last two are running sums of the
//! numbers of upstream and downstream steps. Sets are kept as bits, so that a few hundred steps are quick.

use std::collections::{HashMap, VecDeque};

/// A step graph as a state machine can say it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Flow {
    /// One step.
    Step(String),
    /// One after the other.
    Sequence(Vec<Flow>),
    /// All at once; ends when the last has ended.
    Parallel(Vec<Flow>),
}

impl Flow {
    /// The largest number of steps that can run at once.
    pub fn width(&self) -> usize {
        match self {
            Flow::Step(_) => 1,
            Flow::Sequence(parts) => parts.iter().map(Flow::width).max().unwrap_or(0),
            Flow::Parallel(parts) => parts.iter().map(Flow::width).sum(),
        }
    }

    /// The names of all steps, in the order of the flow.
    pub fn steps(&self) -> Vec<&str> {
        match self {
            Flow::Step(name) => vec![name],
            Flow::Sequence(parts) | Flow::Parallel(parts) => parts.iter().flat_map(Flow::steps).collect(),
        }
    }

    /// The steps that nothing in this flow comes before.
    fn first(&self) -> Vec<&str> {
        match self {
            Flow::Step(name) => vec![name],
            Flow::Sequence(parts) => parts.first().map(Flow::first).unwrap_or_default(),
            Flow::Parallel(parts) => parts.iter().flat_map(Flow::first).collect(),
        }
    }

    /// The steps that nothing in this flow comes after.
    fn last(&self) -> Vec<&str> {
        match self {
            Flow::Step(name) => vec![name],
            Flow::Sequence(parts) => parts.last().map(Flow::last).unwrap_or_default(),
            Flow::Parallel(parts) => parts.iter().flat_map(Flow::last).collect(),
        }
    }

    /// Every (step, step that it waits for directly).
    fn waits(&self) -> Vec<(&str, &str)> {
        match self {
            Flow::Step(_) => Vec::new(),
            Flow::Parallel(parts) => parts.iter().flat_map(Flow::waits).collect(),
            Flow::Sequence(parts) => {
                let inside = parts.iter().flat_map(Flow::waits);
                let between = parts.iter().zip(parts.iter().skip(1)).flat_map(|(before, after)| {
                    let last = before.last();
                    after.first().into_iter().flat_map(move |step| last.clone().into_iter().map(move |up| (step, up)))
                });
                inside.chain(between).collect()
            }
        }
    }
}

/// Steps that wait for each other.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cycle {
    /// Each needs the next; the last is the first again: `a -> b -> a`.
    pub path: Vec<String>,
}

impl std::fmt::Display for Cycle {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.path.join(" -> "))
    }
}

/// Structures steps, each given as (name, names of the steps that it needs). Names are unique; a need that names no step
/// is left out. The same input gives the same flow, and steps side by side keep the order written.
pub fn structure(steps: &[(String, Vec<String>)]) -> Result<Flow, Cycle> {
    let order = Order::of(steps)?;
    let all: Vec<usize> = (0..steps.len()).collect();
    Ok(order.flow(&all).0)
}

/// The waits of `flow` that no need asks for: (step, step that it additionally waits for), in the order written. Empty
/// if the graph is series-parallel.
pub fn added_waits(steps: &[(String, Vec<String>)], flow: &Flow) -> Vec<(String, String)> {
    let Ok(order) = Order::of(steps) else { return Vec::new() };
    let index = index_of(steps);
    let place = |name: &str| index.get(name).copied();
    let mut added: Vec<(usize, usize)> = flow
        .waits()
        .into_iter()
        .filter_map(|(step, up)| Some((place(step)?, place(up)?)))
        .filter(|(step, up)| !order.upstream(*step).contains(*up))
        .collect();
    added.sort_unstable();
    added.into_iter().map(|(step, up)| (order.name(step).to_owned(), order.name(up).to_owned())).collect()
}

/// The strict partial order that the needs make, closed under transitivity.
struct Order<'a> {
    steps: &'a [(String, Vec<String>)],
    upstream: Vec<Bits>,
    downstream: Vec<Bits>,
}

impl<'a> Order<'a> {
    fn of(steps: &'a [(String, Vec<String>)]) -> Result<Self, Cycle> {
        let index = index_of(steps);
        let needs: Vec<Vec<usize>> = steps
            .iter()
            .map(|(_, needs)| needs.iter().filter_map(|need| index.get(need.as_str()).copied()).collect())
            .collect();
        let sorted = sort(&needs).map_err(|stuck| cycle_among(steps, &needs, &stuck))?;
        let mut upstream = vec![Bits::new(steps.len()); steps.len()];
        let mut downstream = upstream.clone();
        for &step in &sorted {
            let mut above = Bits::new(steps.len());
            for &need in needs.get(step).into_iter().flatten() {
                above.insert(need);
                above.add_all(at(&upstream, need));
            }
            for up in above.iter() {
                if let Some(below) = downstream.get_mut(up) {
                    below.insert(step);
                }
            }
            if let Some(slot) = upstream.get_mut(step) {
                *slot = above;
            }
        }
        Ok(Self { steps, upstream, downstream })
    }

    fn name(&self, step: usize) -> &str {
        self.steps.get(step).map(|(name, _)| name.as_str()).unwrap_or_default()
    }

    fn upstream(&self, step: usize) -> &Bits {
        at(&self.upstream, step)
    }

    fn downstream(&self, step: usize) -> &Bits {
        at(&self.downstream, step)
    }

    /// The flow of `members`, which are in the order written, and how long it takes.
    fn flow(&self, members: &[usize]) -> (Flow, Lengths) {
        match members {
            [] => return (Flow::Sequence(Vec::new()), Lengths::default()),
            [only] => return (Flow::Step(self.name(*only).to_owned()), Lengths::of_step(*only)),
            _ => {}
        }
        let groups = self.groups(members);
        if groups.len() > 1 {
            let (parts, lengths): (Vec<Flow>, Vec<Lengths>) = groups.iter().map(|group| self.flow(group)).unzip();
            return (Flow::Parallel(parts), Lengths::longest(lengths));
        }
        let (stages, free) = self.stages(members);
        let cut = self.sequence(&stages);
        if free {
            return cut;
        }
        let barriers = self.sequence_of_levels(members);
        if barriers.1.sum() < cut.1.sum() { barriers } else { cut }
    }

    fn sequence(&self, stages: &[Vec<usize>]) -> (Flow, Lengths) {
        let (mut parts, mut lengths) = (Vec::new(), Lengths::default());
        for (flow, length) in stages.iter().map(|stage| self.flow(stage)) {
            lengths.add(&length);
            match flow {
                Flow::Sequence(inner) => parts.extend(inner),
                other => parts.push(other),
            }
        }
        (Flow::Sequence(parts), lengths)
    }

    /// All steps of one depth at once, then all of the next.
    fn sequence_of_levels(&self, members: &[usize]) -> (Flow, Lengths) {
        let set = Bits::of(self.steps.len(), members);
        let mut ranks = self.ranked(members, &set);
        ranks.sort_by_key(|rank| rank.upstream);
        let mut depths: HashMap<usize, usize> = HashMap::new();
        let mut levels: Vec<Vec<usize>> = Vec::new();
        for Rank { step, .. } in ranks {
            let above = set.common(self.upstream(step)).filter_map(|up| depths.get(&up)).max();
            let depth = above.map_or(0, |depth| depth + 1);
            depths.insert(step, depth);
            levels.resize(levels.len().max(depth + 1), Vec::new());
            levels.get_mut(depth).into_iter().for_each(|level| level.push(step));
        }
        levels.iter_mut().for_each(|level| level.sort_unstable());
        self.sequence(&levels)
    }

    /// Splits `members` into groups that no need joins.
    fn groups(&self, members: &[usize]) -> Vec<Vec<usize>> {
        let mut left = Bits::of(self.steps.len(), members);
        let mut groups = Vec::new();
        for &member in members {
            if !left.contains(member) {
                continue;
            }
            left.remove(member);
            let mut group = vec![member];
            let mut next = 0;
            while let Some(&step) = group.get(next) {
                next += 1;
                let joined: Vec<usize> =
                    left.common(self.upstream(step)).chain(left.common(self.downstream(step))).collect();
                joined.iter().for_each(|&other| left.remove(other));
                group.extend(joined);
            }
            group.sort_unstable();
            groups.push(group);
        }
        groups
    }

    /// Cuts `members`, of which there are at least two and which needs join, into at least two stages, and says whether that
    /// adds no wait.
    fn stages(&self, members: &[usize]) -> (Vec<Vec<usize>>, bool) {
        let set = Bits::of(self.steps.len(), members);
        let mut by_upstream = self.ranked(members, &set);
        by_upstream.sort_by_key(|rank| rank.upstream);
        let cuts = cuts(&by_upstream);
        let free: Vec<usize> = cuts.iter().filter(|cut| cut.added == 0).map(|cut| cut.size).collect();
        if !free.is_empty() {
            return (split(&by_upstream, &free), true);
        }
        let mut by_downstream = self.ranked(members, &set);
        by_downstream.sort_by_key(|rank| std::cmp::Reverse(rank.downstream));
        let cheapest = |ranks: &[Rank]| self::cuts(ranks).into_iter().min_by_key(|cut| (cut.added, cut.uneven));
        let stages = match (cheapest(&by_upstream), cheapest(&by_downstream)) {
            (Some(one), Some(other)) if (other.added, other.uneven) < (one.added, one.uneven) => {
                split(&by_downstream, &[other.size])
            }
            (Some(one), _) => split(&by_upstream, &[one.size]),
            (None, _) => vec![members.to_vec()],
        };
        (stages, false)
    }

    fn ranked(&self, members: &[usize], set: &Bits) -> Vec<Rank> {
        let count = |of: &Bits| set.count_common(of);
        members
            .iter()
            .map(|&step| Rank { step, upstream: count(self.upstream(step)), downstream: count(self.downstream(step)) })
            .collect()
    }
}

/// How often durations are drawn.
const DRAWS: u64 = 32;

/// How long a part of a flow takes, once for each draw of durations.
///
/// Nobody knows how long steps take, but that some take an hour and most a few minutes. Whole numbers, and not drawn anew:
/// the same graph gives the same flow on every machine.
#[derive(Clone, Debug)]
struct Lengths(Vec<u64>);

impl Default for Lengths {
    fn default() -> Self {
        Self((0..DRAWS).map(|_| 0).collect())
    }
}

impl Lengths {
    fn of_step(step: usize) -> Self {
        Self((1..=DRAWS).map(|draw| duration(step as u64, draw)).collect())
    }

    fn longest(parts: Vec<Self>) -> Self {
        let mut all = Self::default();
        for part in parts {
            all.0.iter_mut().zip(part.0).for_each(|(longest, other)| *longest = (*longest).max(other));
        }
        all
    }

    fn add(&mut self, other: &Self) {
        self.0.iter_mut().zip(&other.0).for_each(|(length, other)| *length += other);
    }

    fn sum(&self) -> u64 {
        self.0.iter().sum()
    }
}

/// Minutes, spread evenly on a logarithmic scale: SplitMix64 of the two numbers picks one.
fn duration(step: u64, draw: u64) -> u64 {
    const MINUTES: [u64; 16] = [1, 1, 2, 2, 3, 4, 5, 7, 9, 11, 14, 18, 24, 30, 39, 55];
    let mut mixed = step.wrapping_mul(64).wrapping_add(draw).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    let pick = usize::try_from((mixed ^ (mixed >> 31)) % 16).unwrap_or_default();
    MINUTES.get(pick).copied().unwrap_or(1)
}

/// A step and how many steps of the set at hand are up- and downstream of it.
struct Rank {
    step: usize,
    upstream: usize,
    downstream: usize,
}

/// The first `size` steps of an order before all others.
struct Cut {
    size: usize,
    /// How many pairs of steps it orders that had no order.
    added: usize,
    /// How much larger one side is than the other.
    uneven: usize,
}

/// All cuts of an order that keeps all needs.
fn cuts(ranks: &[Rank]) -> Vec<Cut> {
    let pairs: usize = ranks.iter().map(|rank| rank.upstream).sum();
    let (mut inside_front, mut inside_rest) = (0, pairs);
    let mut cuts = Vec::new();
    for (size, rank) in (1..ranks.len()).zip(ranks) {
        inside_front += rank.upstream;
        inside_rest -= rank.downstream;
        let rest = ranks.len() - size;
        let added = size * rest - (pairs - inside_front - inside_rest);
        cuts.push(Cut { size, added, uneven: size.abs_diff(rest) });
    }
    cuts
}

/// The parts of an order between cuts, each back in the order written.
fn split(ranks: &[Rank], cuts: &[usize]) -> Vec<Vec<usize>> {
    let bounds = cuts.iter().copied().chain([ranks.len()]);
    let mut from = 0;
    bounds
        .map(|to| {
            let mut part: Vec<usize> = ranks.iter().take(to).skip(from).map(|rank| rank.step).collect();
            part.sort_unstable();
            from = to;
            part
        })
        .collect()
}

fn index_of(steps: &[(String, Vec<String>)]) -> HashMap<&str, usize> {
    steps.iter().enumerate().map(|(index, (name, _))| (name.as_str(), index)).collect()
}

/// An order in which each step follows its needs, or else the steps that are in a cycle or downstream of one.
fn sort(needs: &[Vec<usize>]) -> Result<Vec<usize>, Vec<usize>> {
    let mut open: Vec<usize> = needs.iter().map(Vec::len).collect();
    let mut needed_by = vec![Vec::new(); needs.len()];
    for (step, needs) in needs.iter().enumerate() {
        for &need in needs {
            needed_by.get_mut(need).into_iter().for_each(|steps: &mut Vec<usize>| steps.push(step));
        }
    }
    let mut ready: VecDeque<usize> = (0..needs.len()).filter(|&step| open.get(step) == Some(&0)).collect();
    let mut sorted = Vec::with_capacity(needs.len());
    while let Some(step) = ready.pop_front() {
        sorted.push(step);
        for &next in needed_by.get(step).into_iter().flatten() {
            if let Some(open) = open.get_mut(next) {
                *open -= 1;
                if *open == 0 {
                    ready.push_back(next);
                }
            }
        }
    }
    let stuck: Vec<usize> = (0..needs.len()).filter(|&step| open.get(step) != Some(&0)).collect();
    if stuck.is_empty() { Ok(sorted) } else { Err(stuck) }
}

/// A cycle among steps of which each needs another of them. It starts at its step that was written first.
fn cycle_among(steps: &[(String, Vec<String>)], needs: &[Vec<usize>], stuck: &[usize]) -> Cycle {
    let among = Bits::of(steps.len(), stuck);
    let mut seen = Bits::new(steps.len());
    let mut walk = Vec::new();
    let mut here = stuck.first().copied();
    while let Some(step) = here.filter(|&step| !seen.contains(step)) {
        seen.insert(step);
        walk.push(step);
        here = needs.get(step).and_then(|needs| needs.iter().copied().find(|&need| among.contains(need)));
    }
    let start = walk.iter().position(|&step| Some(step) == here).unwrap_or(0);
    let mut path = walk.split_off(start);
    let first = path.iter().enumerate().min_by_key(|(_, step)| **step).map_or(0, |(place, _)| place);
    path.rotate_left(first);
    path.extend(path.first().copied());
    let name = |step: &usize| steps.get(*step).map(|(name, _)| name.clone()).unwrap_or_default();
    Cycle { path: path.iter().map(name).collect() }
}

fn at(sets: &[Bits], step: usize) -> &Bits {
    sets.get(step).expect("one set for each step")
}

/// A set of steps.
#[derive(Clone)]
struct Bits(Vec<u64>);

impl Bits {
    fn new(steps: usize) -> Self {
        Self(vec![0; steps.div_ceil(64)])
    }

    fn of(steps: usize, members: &[usize]) -> Self {
        let mut bits = Self::new(steps);
        members.iter().for_each(|&member| bits.insert(member));
        bits
    }

    fn insert(&mut self, step: usize) {
        if let Some(word) = self.0.get_mut(step / 64) {
            *word |= 1 << (step % 64);
        }
    }

    fn remove(&mut self, step: usize) {
        if let Some(word) = self.0.get_mut(step / 64) {
            *word &= !(1 << (step % 64));
        }
    }

    fn contains(&self, step: usize) -> bool {
        self.0.get(step / 64).is_some_and(|word| word >> (step % 64) & 1 == 1)
    }

    fn add_all(&mut self, other: &Bits) {
        self.0.iter_mut().zip(&other.0).for_each(|(word, other)| *word |= other);
    }

    fn count_common(&self, other: &Bits) -> usize {
        self.0.iter().zip(&other.0).map(|(one, other)| (one & other).count_ones() as usize).sum()
    }

    fn iter(&self) -> impl Iterator<Item = usize> {
        self.common(self)
    }

    /// What both hold, in ascending order.
    fn common<'a>(&'a self, other: &'a Bits) -> impl Iterator<Item = usize> + 'a {
        self.0.iter().zip(&other.0).enumerate().flat_map(|(place, (one, other))| {
            let mut word = one & other;
            std::iter::from_fn(move || {
                let bit = word.trailing_zeros() as usize;
                (word != 0).then(|| {
                    word &= word - 1;
                    place * 64 + bit
                })
            })
        })
    }
}

#[cfg(test)]
#[path = "dag_tests.rs"]
mod tests;
