//! Where a run stands: the fact that a report becomes.
//!
//! In comes a report of the pipeline's owner; out come its row and whom it touches. Late and doubled reports change nothing,
//! and are evaluated all the same, because the first delivery may have got no further. It refuses to know fires but the one
//! that the run answers.

use jiff::Timestamp;

use super::fact::{FireRecord, PartitionFacts, RunFact, Witness};
use super::look::by_hand;
use super::process::{Applied, Touched};
use super::reserve;
use super::space::{Node, Space};
use super::store::{Missing, NONE, Received, Snapshot, Write, timed_label};
use crate::control::message::{Refusal, Report};
use crate::control::run::{Source, Status};

/// What a report changes.
///
/// # Errors
/// What must be loaded first.
pub(super) fn apply(
    space: &Space,
    snapshot: &Snapshot,
    told: &Report,
    now: Timestamp,
) -> Result<Result<Applied, Refusal>, Missing> {
    let Some(node) = space.node(&told.pipeline) else { return Ok(Err(unknown(&told.pipeline))) };
    if !reserve::is_label(node, &told.partition) {
        return Ok(Err(no_partition(told)));
    }
    let name = &told.pipeline;
    let label = if node.is_timed() { timed_label(told.time) } else { told.partition.clone() };
    let (facts, fire) = rows(snapshot, node, name, &label)?;
    let known = facts.run(told.number).filter(|run| run.generation == node.row.generation);
    let mut applied = Applied { touched: vec![Touched::Upstream(name.clone(), label.clone())], ..Applied::default() };
    let news = known.is_none_or(|run| told.status.order(told.redrives) > run.status.order(run.redrives.into()));
    let told_brought = told.reservation.as_deref().and_then(|id| space.reservation(id)).map(|one| one.at);
    let answers = fire.filter(|fire| told.source == Source::Trigger && fire.hash == told.key);
    // Until now the fire counted as a queued run of its own time, which need not be the run's.
    let fired = answers.filter(|_| node.is_timed()).map(|fire| timed_label(fire.at));
    applied.touched.extend(fired.map(|label| Touched::Upstream(name.clone(), label)));
    if news {
        let witness = match known {
            Some(run) if told.source == Source::Trigger || run.status != Status::Queued => run.witness.clone(),
            _ => match answers {
                Some(fire) => fire.witness.clone(),
                None => by_hand(space, snapshot, name, if node.is_timed() { NONE } else { &label })?,
            },
        };
        let evaluate = !space.downstream(name).is_empty();
        let rev = facts.run(told.number).map_or(0, |run| run.rev) + 1;
        let run = fact(told, known, answers, witness, told_brought, now);
        let run = RunFact { rev, generation: node.row.generation, evaluate, ..run };
        applied.writes.push(Write::Run { pipeline: name.clone(), label: label.clone(), run });
        if let Some(fire) = answers.filter(|fire| fire.run.is_none()) {
            let fire = FireRecord { rev: fire.rev + 1, run: Some(told.number), ..fire.clone() };
            let of = if node.is_timed() { NONE.to_owned() } else { label.clone() };
            applied.writes.push(Write::Fire { pipeline: name.clone(), label: of, fire });
        }
        if !node.is_timed() {
            received(snapshot, name, &label, &mut applied)?;
        }
    }
    if told.status.is_terminal()
        && let Some(one) = told.reservation.as_deref().and_then(|id| space.reservation(id))
        && one.pipeline == *name
    {
        reserve::ended(one, &told.partition, &mut applied);
    }
    done(facts, told.number, &label, &mut applied);
    Ok(Ok(applied))
}

/// The run's rows, and the last fire of its partition.
fn rows<'a>(
    snapshot: &'a Snapshot,
    node: &Node,
    name: &str,
    label: &str,
) -> Result<(&'a PartitionFacts, Option<&'a FireRecord>), Missing> {
    let facts = snapshot.partition(name, label);
    let own = if node.is_timed() { snapshot.partition(name, NONE) } else { facts.clone() };
    match (facts, own) {
        (Ok(facts), Ok(own)) => Ok((facts, own.fire.as_ref().filter(|fire| fire.generation == node.row.generation))),
        (facts, own) => {
            let mut missing = facts.err().unwrap_or_default();
            missing.and(own.err().unwrap_or_default());
            Err(missing)
        }
    }
}

fn fact(
    told: &Report,
    known: Option<&RunFact>,
    answers: Option<&FireRecord>,
    witness: Witness,
    told_brought: Option<Timestamp>,
    now: Timestamp,
) -> RunFact {
    let inherited = || answers.and_then(|fire| fire.downstream.clone());
    let kept = || known.and_then(|run| run.downstream.clone());
    let brought = [told_brought, known.and_then(|run| run.brought), answers.and_then(|fire| fire.brought)];
    RunFact {
        rev: 0,
        number: told.number,
        status: told.status,
        redrives: u32::try_from(told.redrives).unwrap_or(u32::MAX),
        skip: told.skip,
        source: told.source,
        key: told.key.clone(),
        time: told.time,
        started_at: told.started_at.or(known.and_then(|run| run.started_at)),
        ended_at: told.ended_at,
        told_at: now,
        downstream: told.downstream.clone().or_else(kept).or_else(inherited),
        reservation: told.reservation.clone(),
        brought: brought.into_iter().flatten().max(),
        witness,
        generation: 0,
        evaluate: false,
    }
}

/// Which label was heard of last.
fn received(snapshot: &Snapshot, name: &str, label: &str, applied: &mut Applied) -> Result<(), Missing> {
    let known = snapshot.received(name)?;
    if known.is_none_or(|known| known.label != label) {
        let received = Received { rev: known.map_or(0, |known| known.rev) + 1, label: label.to_owned() };
        applied.writes.push(Write::Received { pipeline: name.to_owned(), received });
    }
    Ok(())
}

/// Once everything due is on its way, the sweep need not look at the run any more.
fn done(facts: &PartitionFacts, number: u32, label: &str, applied: &mut Applied) {
    let written = applied.writes.iter().find_map(|write| match write {
        Write::Run { pipeline, run, .. } => Some((pipeline.clone(), run.clone())),
        _ => None,
    });
    let pipeline = || match applied.touched.first() {
        Some(Touched::Upstream(pipeline, _) | Touched::Downstream(pipeline, _)) => pipeline.clone(),
        None => String::new(),
    };
    let row = written.or_else(|| Some((pipeline(), facts.run(number)?.clone())));
    if let Some((pipeline, run)) = row.filter(|(_, run)| run.evaluate) {
        let run = RunFact { rev: run.rev + 1, evaluate: false, ..run };
        applied.after.push(Write::Run { pipeline, label: label.to_owned(), run });
    }
}

fn unknown(pipeline: &str) -> Refusal {
    Refusal {
        code: "DPC790".to_owned(),
        message: format!("`{pipeline}` is not registered at the central account"),
        help: Some("deploy it: `dpc deploy` registers it".to_owned()),
    }
}

fn no_partition(told: &Report) -> Refusal {
    Refusal {
        code: "DPC791".to_owned(),
        message: format!("`{}` is not a partition of `{}`", told.partition, told.pipeline),
        help: Some("deploy the pipeline again: the central account knows other partitions of it".to_owned()),
    }
}
