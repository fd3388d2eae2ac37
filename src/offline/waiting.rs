//! What waits in the end, and for whom.
//!
//! In come the engine's explanations; out come pipelines and partitions that are waited for, and whose turn it is, in a few
//! words. It refuses to decide anything: whether a leaf holds is the engine's word.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::world::World;
use crate::control::run::Status;
use crate::control::trigger::explain::{Branch, Explanation, LeafState, Seen, Turn, Verdict};

/// A partition that waits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wait {
    /// The pipeline.
    pub pipeline: String,
    /// Its partition.
    pub label: String,
    /// (pipeline, partition)s that are waited for, each with whose turn it is.
    pub waits_for: BTreeMap<(String, String), String>,
}

/// Every partition that something has come to, and that has not run on it. One that has run before, and whose condition
/// has ceased to hold since, is waited for by nobody.
pub fn all(world: &World<'_>) -> Vec<Wait> {
    let fired = |(pipeline, label): &(String, String)| {
        world.central.explain(pipeline, label).is_some_and(|why| why.fire.is_some() && why.verdict == Verdict::Waits)
    };
    let reached = world.central.reached().into_iter().filter(|place| !fired(place)).collect::<Vec<_>>();
    reached.into_iter().filter_map(|(pipeline, label)| of(world, &pipeline, &label)).collect()
}

/// What this partition waits for, if it waits.
pub fn of(world: &World<'_>, pipeline: &str, label: &str) -> Option<Wait> {
    let explanation = world.central.explain(pipeline, label)?;
    let waits_for = match &explanation.verdict {
        Verdict::Settling(others) => {
            let at_work = |other: &(String, String)| (other.clone(), "runs first".to_owned());
            others.iter().map(at_work).collect()
        }
        Verdict::Waits => missing(&explanation),
        _ => return None,
    };
    Some(Wait { pipeline: pipeline.to_owned(), label: label.to_owned(), waits_for })
}

fn missing(explanation: &Explanation) -> BTreeMap<(String, String), String> {
    let mut found = BTreeMap::new();
    if let Some(tree) = &explanation.tree {
        walk(tree, &mut found);
    }
    found
}

fn walk(branch: &Branch, found: &mut BTreeMap<(String, String), String>) {
    match branch {
        Branch::All(true, _) | Branch::Any(true, _) => {}
        Branch::All(false, inner) | Branch::Any(false, inner) => inner.iter().for_each(|one| walk(one, found)),
        Branch::Leaf(leaf) if leaf.holds => {}
        Branch::Leaf(leaf) => {
            for seen in leaf.partitions.iter().filter(|seen| !seen.holds) {
                found.insert((seen.pipeline.clone(), seen.label.clone()), turn(leaf, seen));
            }
            let behind = leaf.behind.iter().flat_map(|behind| &behind.waits_for);
            found.extend(behind.map(|other| (other.clone(), "runs first".to_owned())));
        }
    }
}

/// Whose turn it is.
fn turn(leaf: &LeafState, seen: &Seen) -> String {
    match (&seen.turn, seen.status) {
        (Some(Turn::Unregistered), _) => "is not registered".to_owned(),
        (Some(Turn::NotRun), _) => "has not run".to_owned(),
        (Some(Turn::Fired(_)), _) => "is about to start".to_owned(),
        (Some(Turn::Run(Status::Queued)), _) => "waits for its turn".to_owned(),
        (Some(Turn::Run(_)), _) => "is at work".to_owned(),
        (Some(Turn::Ended(_)) | None, Some(status)) => {
            let wanted: Vec<&str> = leaf.leaf.status.iter().map(|status| status.as_str()).collect();
            format!("has {status}, not {}", wanted.join(" or "))
        }
        (Some(Turn::Reserved(by)), _) => format!("is going to be run by {by}"),
        (Some(Turn::Unfit), _) => "does not fit".to_owned(),
        (Some(Turn::Ended(_)) | None, None) => "has not run".to_owned(),
    }
}

/// `none` is not said.
pub fn name(pipeline: &str, label: &str) -> String {
    if label == "none" { pipeline.to_owned() } else { format!("{pipeline}/{label}") }
}

impl Wait {
    /// `pipeline-x/2026-11-21 waits for searches/2026-11-21, which has FAILED, not SUCCEEDED`.
    pub fn text(&self) -> String {
        let who = name(&self.pipeline, &self.label);
        let others: Vec<String> = self
            .waits_for
            .iter()
            .map(|((pipeline, label), turn)| format!("{}, which {turn}", name(pipeline, label)))
            .collect();
        if others.is_empty() {
            return format!("{who} waits");
        }
        const SHOWN: usize = 3;
        let shown = others.iter().take(SHOWN).cloned().collect::<Vec<_>>().join("; ");
        match others.len().saturating_sub(SHOWN) {
            0 => format!("{who} waits for {shown}"),
            more => format!("{who} waits for {shown}; and {more} more"),
        }
    }

    /// The same for programs.
    pub fn json(&self) -> Value {
        let others = self
            .waits_for
            .iter()
            .map(|((pipeline, label), turn)| json!({ "pipeline": pipeline, "partition": label, "turn": turn }));
        json!({ "pipeline": self.pipeline, "partition": self.label, "for": others.collect::<Vec<_>>() })
    }
}
