//! Which downstream partitions a change may matter to, those that others wait for first.
//!
//! In come (pipeline, partition)s that have changed; out come those below, however far, in an order in which upstreams come
//! before downstreams. Leaves with `offset` or `last` are followed once on each way: what lies behind the second one changes
//! only when the first has run, which is told then. It refuses to know runs.

use std::collections::{BTreeMap, BTreeSet};

use super::process::Touched;
use super::space::Space;

/// A (pipeline, partition).
pub(super) type Spot = (String, String);

/// Those to evaluate.
pub(super) fn affected(space: &Space, touched: &[Touched]) -> Vec<Spot> {
    let reach = Reach::of(space, touched);
    reach.order(touched).into_iter().filter(|spot| reach.evaluated.contains(spot)).collect()
}

/// How far a change reaches.
pub(super) struct Reach<'a> {
    space: &'a Space,
    /// Whether a leaf with `offset` or `last` may still be followed from here.
    leaps: BTreeMap<Spot, bool>,
    pub evaluated: BTreeSet<Spot>,
}

impl<'a> Reach<'a> {
    pub fn of(space: &'a Space, touched: &[Touched]) -> Self {
        let mut reach = Self { space, leaps: BTreeMap::new(), evaluated: BTreeSet::new() };
        let mut open: Vec<(Spot, bool)> = Vec::new();
        for one in touched {
            let spot = spot(one);
            if matches!(one, Touched::Downstream(..)) {
                reach.evaluated.insert(spot.clone());
            }
            open.push((spot, true));
        }
        while let Some((spot, leap)) = open.pop() {
            match reach.leaps.get(&spot) {
                Some(known) if *known || !leap => continue,
                _ => {}
            }
            for below in reach.space.below(&spot.0, &spot.1).iter().filter(|below| leap || !below.alone) {
                let next = (below.pipeline.clone(), below.label.clone());
                open.push((next.clone(), leap && !below.alone));
                reach.evaluated.insert(next);
            }
            reach.leaps.insert(spot, leap);
        }
        reach
    }

    /// The spots below one, as far as they are followed.
    pub fn next(&self, spot: &Spot) -> Vec<Spot> {
        let leap = self.leaps.get(spot).copied().unwrap_or_default();
        let below = self.space.below(&spot.0, &spot.1);
        let below = below.iter().filter(|below| leap || !below.alone);
        below.map(|below| (below.pipeline.clone(), below.label.clone())).collect()
    }

    /// All of them, upstreams first: depth first, the last finished first.
    pub fn order(&self, touched: &[Touched]) -> Vec<Spot> {
        let (mut seen, mut done) = (BTreeSet::new(), Vec::new());
        for one in touched.iter().rev() {
            let start = spot(one);
            if !seen.insert(start.clone()) {
                continue;
            }
            let next = self.next(&start);
            let mut path = vec![(start, next.into_iter().rev().collect::<Vec<_>>().into_iter())];
            while let Some((_, rest)) = path.last_mut() {
                match rest.next() {
                    Some(next) if seen.insert(next.clone()) => {
                        let below: Vec<Spot> = self.next(&next).into_iter().rev().collect();
                        path.push((next, below.into_iter()));
                    }
                    Some(_) => {}
                    None => done.extend(path.pop().map(|(spot, _)| spot)),
                }
            }
        }
        done.reverse();
        done
    }
}

fn spot(touched: &Touched) -> Spot {
    match touched {
        Touched::Upstream(pipeline, label) | Touched::Downstream(pipeline, label) => (pipeline.clone(), label.clone()),
    }
}
