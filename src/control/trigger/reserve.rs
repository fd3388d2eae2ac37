//! Reservations: partitions that a rerun or backfill is going to run hold back what lies below them.
//!
//! In come reservations, and reports of the runs that they wait for; out come rows, and whom to evaluate when they end.
//! Reservations are a few rows of the space, so nothing is written below and nothing has to be found there again. It refuses
//! to know who drives the runs.

use super::mapping::{Place, bounds};
use super::process::{Applied, Touched};
use super::space::{Node, Reservation, Space};
use super::store::{NONE, Write};
use crate::control::message::{Refusal, Reserve};

/// The reservation that holds a (pipeline, partition) back: its own, or that of what it is made from. One leaf with `offset` or
/// `last` may lie on the way from the downstream that asks: not here any more if its own leaf was one.
pub(super) fn holding<'a>(space: &'a Space, pipeline: &str, label: &str, may_leap: bool) -> Option<&'a Reservation> {
    let mut open = space.reservations().filter(|one| !one.closed && !one.waiting.is_empty()).peekable();
    open.peek()?;
    let all: Vec<&Reservation> = open.collect();
    all.into_iter().find(|one| one.holds(pipeline, label) || above(space, one, pipeline, label, may_leap))
}

/// Whether one of the upstreams is held back by it, and this pipeline is going to run because of it.
fn above(space: &Space, one: &Reservation, pipeline: &str, label: &str, may_leap: bool) -> bool {
    if !one.downstream.as_ref().is_none_or(|only| only.allows(pipeline)) {
        return false;
    }
    let leaves = space.above(pipeline, label);
    leaves.iter().filter(|leaf| may_leap || !leaf.alone).any(|leaf| {
        let may_leap = may_leap && !leaf.alone;
        leaf.places.iter().any(|place| match place {
            Place::Label(label) => {
                one.holds(&leaf.pipeline, label) || above(space, one, &leaf.pipeline, label, may_leap)
            }
            Place::Timed(_) => one.holds(&leaf.pipeline, NONE) || above(space, one, &leaf.pipeline, NONE, may_leap),
            Place::Received => false,
        })
    })
}

/// A rerun or backfill takes partitions for itself.
pub(super) fn reserve(space: &Space, asked: &Reserve) -> Result<Applied, Refusal> {
    let refused =
        |message: String, help: &str| Refusal { code: "DPC795".to_owned(), message, help: Some(help.to_owned()) };
    let node = space.node(&asked.pipeline);
    for label in &asked.partitions {
        if !node.is_some_and(|node| is_label(node, label)) {
            let message = format!("`{label}` is not a partition of `{}`", asked.pipeline);
            return Err(refused(message, "name partitions as `dpc runs` prints them"));
        }
    }
    if asked.partitions.is_empty() {
        return Err(refused("no partition is to be reserved".to_owned(), "name at least one"));
    }
    match space.reservation(&asked.reservation) {
        Some(known) if known.pipeline == asked.pipeline && known.partitions == asked.partitions => {
            Ok(Applied::default())
        }
        Some(known) => {
            let message = format!("`{}` is already a reservation for `{}`", known.id, known.pipeline);
            Err(refused(message, "ask again: each rerun and backfill has an id of its own"))
        }
        None => {
            let row = Reservation {
                rev: 1,
                id: asked.reservation.clone(),
                pipeline: asked.pipeline.clone(),
                partitions: asked.partitions.clone(),
                waiting: asked.partitions.iter().cloned().collect(),
                downstream: asked.downstream.clone(),
                together: asked.together,
                by: asked.by.clone(),
                at: asked.at,
                closed: false,
            };
            Ok(Applied { writes: vec![Write::Reservation(row)], ..Applied::default() })
        }
    }
}

/// Whether a label is one of this pipeline's.
pub(super) fn is_label(node: &Node, label: &str) -> bool {
    match &node.spec {
        Some(_) if node.is_timed() => label == NONE,
        Some(spec) => bounds(spec, label).is_some(),
        None => false,
    }
}

/// A reservation is given up.
pub(super) fn cancel(known: &Reservation) -> Applied {
    let mut applied = Applied::default();
    if !known.closed {
        let row = Reservation { rev: known.rev + 1, closed: true, ..known.clone() };
        applied.writes.push(Write::Reservation(row));
    }
    let held = known.partitions.iter().filter(|label| known.together || known.waiting.contains(*label));
    applied.touched = held.map(|label| Touched::Upstream(known.pipeline.clone(), label.clone())).collect();
    applied.after.push(Write::Released(known.id.clone()));
    applied
}

/// The run that a reservation waits for has ended.
pub(super) fn ended(known: &Reservation, label: &str, applied: &mut Applied) {
    let mut row = Reservation { rev: known.rev + 1, ..known.clone() };
    let waited = row.waiting.remove(label);
    if waited {
        row.closed = row.waiting.is_empty();
        applied.writes.push(Write::Reservation(row.clone()));
    }
    if row.closed {
        if row.together {
            let all = row.partitions.iter().filter(|one| *one != label);
            applied.touched.extend(all.map(|one| Touched::Upstream(row.pipeline.clone(), one.clone())));
        }
        applied.after.push(Write::Released(row.id));
    }
}
