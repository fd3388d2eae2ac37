//! Which partitions of its upstreams a downstream partition looks at, and the other way round.
//!
//! In come registered pipelines and a label; out come places to look at, and labels that look here. It refuses to know
//! runs. Both directions are kept, because the same few labels are asked for with every message.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use jiff::{SignedDuration, Timestamp};

use super::space::{Node, Space};
use super::store::{NONE, TIMED};
use crate::control::condition::{Condition, Leaf};
use crate::control::nesting::{Nesting, nesting};
use crate::control::partition::{Granularity, Offset, PartitionSpec};
use crate::control::schedule::{self, Schedule, When};

/// Where an upstream is looked at.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) enum Place {
    /// One of its partitions.
    Label(String),
    /// Its runs without partition: of a stretch of time, which is spelled beside it, or all.
    Timed(Option<((Timestamp, Timestamp), String)>),
    /// The partition that was heard of last.
    Received,
}

/// What one leaf of a downstream partition looks at.
#[derive(Debug)]
pub(super) struct Places {
    /// The upstream pipeline.
    pub pipeline: String,
    /// By `offset` or `last`.
    pub alone: bool,
    /// Where; empty if it can never hold: the upstream is unknown, does not nest, or is expected nowhere.
    pub places: Vec<Place>,
}

/// A downstream partition that looks at an upstream one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Below {
    pub pipeline: String,
    pub label: String,
    /// By a leaf with `offset` or `last` only.
    pub alone: bool,
}

type Named = HashMap<String, HashMap<String, Arc<Vec<Places>>>>;
type Belows = HashMap<String, HashMap<String, Arc<Vec<Below>>>>;

/// What was asked for before.
#[derive(Debug, Default)]
pub(super) struct Maps {
    above: Mutex<Named>,
    below: Mutex<Belows>,
}

/// More labels than are kept of one pipeline.
const KEPT: usize = 4_096;

impl Space {
    /// What each leaf of a downstream partition looks at, in the order written.
    pub(super) fn above(&self, pipeline: &str, label: &str) -> Arc<Vec<Places>> {
        let mut kept = self.maps.above.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        if let Some(found) = kept.get(pipeline).and_then(|labels| labels.get(label)) {
            return Arc::clone(found);
        }
        let node = self.node(pipeline);
        let tree = node.and_then(Node::tree).zip(node);
        let leaves =
            tree.map(|(tree, node)| tree.leaves().into_iter().map(|leaf| self.places(node, leaf, label)).collect());
        let made: Arc<Vec<Places>> = Arc::new(leaves.unwrap_or_default());
        let labels = kept.entry(pipeline.to_owned()).or_default();
        if labels.len() >= KEPT {
            labels.clear();
        }
        labels.insert(label.to_owned(), Arc::clone(&made));
        made
    }

    /// The downstream partitions that look at this one; `none#<time>` for a run without partition.
    pub(super) fn below(&self, pipeline: &str, label: &str) -> Arc<Vec<Below>> {
        let mut kept = self.maps.below.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        if let Some(found) = kept.get(pipeline).and_then(|labels| labels.get(label)) {
            return Arc::clone(found);
        }
        let mut made: Vec<Below> = Vec::new();
        for name in self.downstream(pipeline) {
            let Some(node) = self.node(name) else { continue };
            for leaf in node.tree().map(Condition::leaves).unwrap_or_default() {
                if leaf.pipeline == pipeline {
                    self.look_here(node, leaf, label, &mut made);
                }
            }
        }
        let made = Arc::new(made);
        let labels = kept.entry(pipeline.to_owned()).or_default();
        if labels.len() >= KEPT {
            labels.clear();
        }
        labels.insert(label.to_owned(), Arc::clone(&made));
        made
    }

    fn places(&self, down: &Node, leaf: &Leaf, label: &str) -> Places {
        let places = self.node(&leaf.pipeline).and_then(|up| places(up, down, leaf, label)).unwrap_or_default();
        Places { pipeline: leaf.pipeline.clone(), alone: is_alone(leaf), places }
    }

    fn look_here(&self, down: &Node, leaf: &Leaf, label: &str, made: &mut Vec<Below>) {
        let Some(labels) = self.node(&leaf.pipeline).and_then(|up| looking(up, down, leaf, label)) else { return };
        let (pipeline, alone) = (&down.row.registration.pipeline, is_alone(leaf));
        for label in labels {
            match made.iter_mut().find(|one| one.pipeline == *pipeline && one.label == label) {
                Some(one) => one.alone &= alone,
                None => made.push(Below { pipeline: pipeline.clone(), label, alone }),
            }
        }
    }
}

/// Whether what a leaf's runs rest on is none of the downstream's.
pub(super) fn is_alone(leaf: &Leaf) -> bool {
    leaf.last.is_some() || leaf.offset != Offset::ZERO
}

/// The same spec for times that are not scheduled: without its offset.
pub(super) fn plain(spec: &PartitionSpec) -> PartitionSpec {
    PartitionSpec { by: spec.by, offset: Offset::ZERO, zone: spec.zone.clone() }
}

/// The instants between which a label lies; `None` for `none` and for what is no partition of this spec.
pub(super) fn bounds(spec: &PartitionSpec, label: &str) -> Option<(Timestamp, Timestamp)> {
    spec.parse(label, "").ok()?.bounds
}

/// Every label of a spec that begins between two instants.
pub(super) fn labels_between(spec: &PartitionSpec, start: Timestamp, end: Timestamp) -> Vec<String> {
    let (spec, mut at, mut found) = (plain(spec), start, Vec::new());
    while at < end {
        let Some(label) = spec.of_time(at) else { break };
        let next = match bounds(&spec, &label) {
            Some((_, next)) if next > at => {
                found.push(label);
                next
            }
            // A zone that crosses the date line loses a day.
            _ => at.checked_add(SignedDuration::from_hours(24)).unwrap_or(end),
        };
        at = next;
    }
    found
}

fn places(up: &Node, down: &Node, leaf: &Leaf, label: &str) -> Option<Vec<Place>> {
    let (theirs, own) = (up.spec.as_ref()?, down.spec.as_ref()?);
    if own.by == Granularity::None {
        let timed = theirs.by == Granularity::None;
        return (label == NONE).then(|| vec![if timed { Place::Timed(None) } else { Place::Received }]);
    }
    let nesting = nesting(theirs, own).ok()?;
    let labels = leaf.partitions(own, label)?;
    let mut found = Vec::new();
    for label in labels {
        let whole = bounds(own, &label)?;
        match nesting {
            Nesting::Unpartitioned => found.push(Place::Timed(Some((whole, format!("{}/{}", whole.0, whole.1))))),
            Nesting::Same => found.push(Place::Label(label)),
            Nesting::Coarser => found.push(Place::Label(plain(theirs).of_time(whole.0)?)),
            Nesting::Finer => {
                let inside = expected(up, theirs, whole);
                if inside.is_empty() {
                    return None;
                }
                found.extend(inside.into_iter().map(Place::Label));
            }
        }
    }
    // A month serves many days of one window.
    let mut seen = std::collections::HashSet::new();
    found.retain(|place| seen.insert(place.clone()));
    Some(found)
}

/// The partitions of an upstream that must be there between two instants: those that its schedules yield, else all.
fn expected(up: &Node, spec: &PartitionSpec, (start, end): (Timestamp, Timestamp)) -> Vec<String> {
    let all = || labels_between(spec, start, end);
    let plans = &up.row.registration.schedules;
    let schedules: Vec<Schedule> = plans.iter().filter_map(|plan| Schedule::of_plan(plan).ok()).collect();
    let known = |schedule: &Schedule| !matches!(schedule.when, When::Rate(_));
    if schedules.is_empty() || schedules.len() != plans.len() || !schedules.iter().all(known) {
        return all();
    }
    let far = SignedDuration::from_hours(i64::from(spec.offset.count().unsigned_abs()) * spec.offset.hours() + 48);
    let (Ok(from), Ok(to)) = (start.checked_sub(far), end.checked_add(far)) else { return all() };
    let fires = schedules.iter().flat_map(|schedule| schedule::between(schedule, from, to));
    let labels: std::collections::BTreeSet<String> = fires.filter_map(|fire| spec.of_time(fire.utc)).collect();
    let inside = |label: &String| bounds(spec, label).is_some_and(|(first, _)| start <= first && first < end);
    labels.into_iter().filter(inside).collect()
}

/// The downstream labels whose leaf looks at this label of the upstream.
fn looking(up: &Node, down: &Node, leaf: &Leaf, label: &str) -> Option<Vec<String>> {
    let (theirs, own) = (up.spec.as_ref()?, down.spec.as_ref()?);
    if own.by == Granularity::None {
        return Some(vec![NONE.to_owned()]);
    }
    let own = plain(own);
    let seen = match nesting(theirs, &own).ok()? {
        Nesting::Unpartitioned => vec![own.of_time(label.strip_prefix(TIMED)?.parse().ok()?)?],
        Nesting::Same => vec![label.to_owned()],
        Nesting::Finer => vec![own.of_time(bounds(theirs, label)?.0)?],
        Nesting::Coarser => {
            let (start, end) = bounds(theirs, label)?;
            labels_between(&own, start, end)
        }
    };
    let shifted = |offset: Offset, label: &str| {
        let shift = PartitionSpec::new(own.by, offset, own.zone.clone()).ok()?;
        shift.of_time(bounds(&own, label)?.0)
    };
    let ahead = |offset: Offset| offset.times(-offset.count());
    let mut found = Vec::new();
    for label in seen {
        let base = if leaf.offset == Offset::ZERO { label } else { shifted(ahead(leaf.offset), &label)? };
        match leaf.last {
            None => found.push(base),
            Some(last) => {
                for back in 0..last.count() {
                    found.extend(if back == 0 { Some(base.clone()) } else { shifted(last.times(back), &base) });
                }
            }
        }
    }
    Some(found)
}
