//! Registration: who owns a name, what it waits for, and from which partition on it runs by itself.
//!
//! In come registrations as stacks are deployed and deleted; out come rows, refusals that fail the deployment, and the
//! partitions to look at once. It refuses to know facts.

use jiff::{SignedDuration, Timestamp};

use super::mapping::{bounds, is_alone, labels_between, plain};
use super::process::{Applied, Touched};
use super::space::{Node, Registered, Space};
use super::store::{NONE, Write};
use crate::control::condition::{Condition, Leaf};
use crate::control::message::{Answer, Refusal, Registration};
use crate::control::nesting::{look, nesting};
use crate::control::partition::{Granularity, PartitionSpec};
use crate::control::registry::{self, Edge};
use crate::control::schedule::{self, Schedule, When};

/// A pipeline was deployed.
pub(super) fn register(space: &Space, asked: &Registration, account: &str) -> Result<Applied, Refusal> {
    let name = &asked.pipeline;
    let known = space.known(name);
    let spec = PartitionSpec::of_plan(&asked.partition).map_err(|problem| {
        refusal("DPC791", format!("the partitions of `{name}` cannot be read: {}", problem.message), "deploy it again")
    })?;
    owner(known, asked, account)?;
    let late = known.is_some_and(|row| !row.gone && row.account == account && row.registration.at > asked.at);
    if late {
        return Ok(Applied::default());
    }
    let mut warnings = fits(space, asked, &spec)?;
    regranulated(space, known, asked, &spec)?;
    circle(space, asked, &spec)?;
    let own = known.filter(|row| row.account == account);
    let now = since(space, asked, &spec, asked.at);
    let row = Registered {
        rev: known.map_or(0, |row| row.rev) + 1,
        registration: asked.clone(),
        account: account.to_owned(),
        since: own.map_or(now, |row| row.since),
        first_at: own.map_or(asked.at, |row| row.first_at),
        generation: known.map_or(0, |row| row.generation + u32::from(row.account != account)),
        gone: false,
        paused: own.is_some_and(|row| row.paused),
        evaluate: true,
    };
    let mut touched = Vec::new();
    if asked.executions.is_some() {
        let from = now.max(row.since);
        touched.extend(
            labels(space, asked, &spec, from).into_iter().map(|label| Touched::Downstream(name.clone(), label)),
        );
    }
    if known.is_some_and(|row| row.registration.schedules != asked.schedules) {
        touched.extend(expecting(space, name, asked.at));
    }
    let result = serde_json::json!({ "since": row.since });
    warnings.sort_unstable();
    warnings.dedup();
    let answer = Answer { id: String::new(), refused: None, warnings, result };
    let done = Registered { rev: row.rev + 1, evaluate: false, ..row.clone() };
    Ok(Applied {
        writes: vec![Write::Registered(row)],
        touched,
        after: vec![Write::Registered(done)],
        answer: Some(answer),
        ..Applied::default()
    })
}

/// A pipeline's stack is gone. Its facts stay, and so does `since`.
pub(super) fn deregister(space: &Space, pipeline: &str, stack: &str) -> Applied {
    let known = space.known(pipeline).filter(|row| !row.gone && row.registration.stack == stack);
    let row = known.map(|row| Registered { rev: row.rev + 1, gone: true, evaluate: false, ..row.clone() });
    Applied { writes: row.into_iter().map(Write::Registered).collect(), ..Applied::default() }
}

fn refusal(code: &str, message: String, help: &str) -> Refusal {
    Refusal { code: code.to_owned(), message, help: Some(help.to_owned()) }
}

fn owner(known: Option<&Registered>, asked: &Registration, account: &str) -> Result<(), Refusal> {
    let Some(row) = known.filter(|row| !row.gone) else { return Ok(()) };
    let name = &asked.pipeline;
    if row.account != account {
        let message = format!("pipeline `{name}` belongs to account {} already", row.account);
        return Err(refusal("DPC785", message, "choose another name, or another space for this environment"));
    }
    if row.registration.region != asked.region {
        let message = format!("pipeline `{name}` is deployed in {} already", row.registration.region);
        return Err(refusal("DPC785", message, "destroy it there first, or choose another name"));
    }
    Ok(())
}

/// Whether its partitions fit those of its upstreams; and which upstreams nobody knows.
fn fits(space: &Space, asked: &Registration, spec: &PartitionSpec) -> Result<Vec<String>, Refusal> {
    let mut warnings = Vec::new();
    for leaf in leaves(asked) {
        let name = &leaf.pipeline;
        if *name == asked.pipeline {
            if !is_alone(leaf) {
                let message = format!("pipeline `{name}` waits for its own run of the same partition");
                return Err(refusal("DPC786", message, "let it look at an older partition with an `offset`"));
            }
            continue;
        }
        let Some(up) = space.node(name).filter(|up| !up.row.gone) else {
            warnings.push(format!("`{name}` is not registered: nothing starts until it is, and has run"));
            continue;
        };
        let Some(theirs) = &up.spec else { continue };
        if let Err((why, help)) = nesting(theirs, spec) {
            let message = format!("partitions of `{name}` and `{}` do not fit together: {why}", asked.pipeline);
            return Err(refusal("DPC787", message, &help));
        }
    }
    for name in space.downstream(&asked.pipeline) {
        let Some(theirs) = space.node(name).and_then(|down| down.spec.as_ref()) else { continue };
        if let Err((why, _)) = nesting(spec, theirs) {
            warnings.push(format!("`{name}` waits for this pipeline and will not be started: {why}"));
        }
    }
    Ok(warnings)
}

/// Facts by another calendar would stay behind, and downstream pipelines would wait for partitions that never come.
fn regranulated(
    space: &Space,
    known: Option<&Registered>,
    asked: &Registration,
    spec: &PartitionSpec,
) -> Result<(), Refusal> {
    let old = known.filter(|row| !row.gone).and_then(|row| PartitionSpec::of_plan(&row.registration.partition).ok());
    let Some(old) = old else { return Ok(()) };
    let zoned = |spec: &PartitionSpec| !matches!(spec.by, Granularity::None | Granularity::Hour);
    let same = old.by == spec.by && (!zoned(spec) || old.zone == spec.zone);
    let waiting: Vec<&String> =
        space.downstream(&asked.pipeline).iter().filter(|name| **name != asked.pipeline).collect();
    if same || waiting.is_empty() {
        return Ok(());
    }
    let names: Vec<String> = waiting.iter().map(|name| format!("`{name}`")).collect();
    let message =
        format!("the partitions of `{}` cannot change while others wait for it: {}", asked.pipeline, names.join(", "));
    Err(refusal("DPC788", message, "deploy it under a new name, and let them wait for that one"))
}

/// Whether it would wait for itself in the end.
fn circle(space: &Space, asked: &Registration, spec: &PartitionSpec) -> Result<(), Refusal> {
    let mut names: Vec<&str> = space.pipelines().map(|row| row.registration.pipeline.as_str()).collect();
    names.retain(|name| *name != asked.pipeline);
    names.push(&asked.pipeline);
    names.sort_unstable();
    let spec_of = |name: &str| {
        if name == asked.pipeline { Some(spec) } else { space.node(name).and_then(|node| node.spec.as_ref()) }
    };
    let mut edges = Vec::new();
    for (down, name) in names.iter().enumerate() {
        let tree =
            if *name == asked.pipeline { asked.executions.as_ref() } else { space.node(name).and_then(Node::tree) };
        for leaf in tree.map(Condition::leaves).unwrap_or_default() {
            if let Ok(up) = names.binary_search(&leaf.pipeline.as_str()) {
                let look = look(leaf.offset, spec_of(name), spec_of(&leaf.pipeline));
                edges.push(Edge { down, up, look });
            }
        }
    }
    let own = names.binary_search(&asked.pipeline.as_str()).ok();
    for cycle in registry::cycles(names.len(), &edges) {
        let along: Vec<&Edge> = cycle.iter().filter_map(|at| edges.get(*at)).collect();
        if !along.iter().any(|edge| Some(edge.down) == own) {
            continue;
        }
        let named = |at: usize| {
            let name = names.get(at).copied().unwrap_or_default();
            let account = space.registered(name).map(|row| format!(" of account {}", row.account)).unwrap_or_default();
            format!("`{name}`{account}")
        };
        let first = along.first().map(|edge| edge.down);
        let path: Vec<String> = first.into_iter().chain(along.iter().map(|edge| edge.up)).map(named).collect();
        let message = format!("pipelines wait for each other: {}", path.join(" → "));
        let help = "remove one of these conditions, or let it look at an older partition with an `offset`";
        return Err(refusal("DPC786", message, help));
    }
    Ok(())
}

fn leaves(asked: &Registration) -> Vec<&Leaf> {
    asked.executions.as_ref().map(Condition::leaves).unwrap_or_default()
}

/// The earliest, over its upstreams, of the partition that each has yielded last: it runs by itself from there on.
fn since(space: &Space, asked: &Registration, spec: &PartitionSpec, at: Timestamp) -> Timestamp {
    let own = || plain(spec).of_time(at).and_then(|label| bounds(spec, &label)).map_or(at, |(start, _)| start);
    let others = leaves(asked).into_iter().filter(|leaf| leaf.pipeline != asked.pipeline);
    let yielded = others.map(|leaf| yielded(space, &leaf.pipeline, at, 0).map_or_else(own, |(start, _)| start));
    // The last instant before it, so that a partition that ends there is older.
    yielded.min().unwrap_or_else(own)
}

/// The partition that a pipeline's schedule yielded last, after its offset; of one without a schedule, that of its upstreams.
fn yielded(space: &Space, pipeline: &str, at: Timestamp, depth: usize) -> Option<(Timestamp, Timestamp)> {
    let node = space.node(pipeline).filter(|_| depth < 50)?;
    let spec = node.spec.as_ref()?;
    let of = |time: Timestamp| match spec.by {
        Granularity::None => Some((time, time)),
        _ => bounds(spec, &spec.of_time(time)?),
    };
    let plans = &node.row.registration.schedules;
    let times = plans.iter().filter_map(|plan| Schedule::of_plan(plan).ok()).filter_map(|schedule| last(&schedule, at));
    if let Some(time) = times.max() {
        return of(time);
    }
    let leaves = leaves(&node.row.registration).into_iter().filter(|leaf| leaf.pipeline != pipeline);
    let above = leaves.filter_map(|leaf| yielded(space, &leaf.pipeline, at, depth + 1)).min();
    match above {
        Some((start, _)) => {
            let label = plain(spec).of_time(start)?;
            bounds(spec, &label).or(Some((start, start)))
        }
        None => of(at),
    }
}

/// When a schedule fired last.
fn last(schedule: &Schedule, at: Timestamp) -> Option<Timestamp> {
    if let When::Rate(rate) = &schedule.when {
        return at.checked_sub(rate.interval()).ok();
    }
    [2, 40, 800].into_iter().find_map(|days| {
        let from = at.checked_sub(SignedDuration::from_hours(24 * days)).ok()?;
        schedule::between(schedule, from, at).last().map(|fire| fire.utc)
    })
}

/// The partitions to look at once: from the one that is current on.
fn labels(space: &Space, asked: &Registration, spec: &PartitionSpec, from: Timestamp) -> Vec<String> {
    if spec.by == Granularity::None {
        return vec![NONE.to_owned()];
    }
    let ends =
        leaves(asked).into_iter().filter_map(|leaf| yielded(space, &leaf.pipeline, asked.at, 0)).map(|(_, end)| end);
    let after = asked.at.checked_add(SignedDuration::from_secs(1)).unwrap_or(asked.at);
    let until = ends.chain(std::iter::once(after)).max().unwrap_or(after);
    labels_between(spec, from, until)
}

/// Downstream partitions of a pipeline whose schedule has changed: others of its partitions are expected now.
fn expecting(space: &Space, pipeline: &str, at: Timestamp) -> Vec<Touched> {
    let mut found = Vec::new();
    for name in space.downstream(pipeline) {
        let Some((node, spec)) = space.node(name).and_then(|node| Some((node, node.spec.as_ref()?))) else { continue };
        let asked = Registration { at, ..node.row.registration.clone() };
        let from = since(space, &asked, spec, at).max(node.row.since);
        found.extend(
            labels(space, &asked, spec, from).into_iter().map(|label| Touched::Downstream(name.clone(), label)),
        );
    }
    found
}
