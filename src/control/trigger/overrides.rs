//! What people want otherwise: runs that do not count, and partitions that count as something.
//!
//! In comes an override of the pipeline's owner; out comes the row of the partition. Whatever changes what stands for the
//! partition makes a new version of it, so that downstream pipelines run again; whatever does not, changes nothing for them.
//! It refuses to know runs that are to come.

use super::fact::{Mark, Overrides, PartitionFacts, Signed, Version};
use super::look::{Rows, by_hand};
use super::process::{Applied, Touched};
use super::reserve;
use super::space::{Node, Space};
use super::store::{Missing, NONE, Snapshot, Write, timed_label};
use crate::control::message::{Change, Override, Refusal};
use crate::control::run::Status;

/// What an override changes.
///
/// # Errors
/// What must be loaded first.
pub(super) fn apply(space: &Space, snapshot: &Snapshot, asked: &Override) -> Result<Result<Applied, Refusal>, Missing> {
    let refused = |code: &str, message: String, help: &str| {
        Ok(Err(Refusal { code: code.to_owned(), message, help: Some(help.to_owned()) }))
    };
    let name = &asked.pipeline;
    let Some(node) = space.node(name) else {
        return refused("DPC790", format!("`{name}` is not registered at the central account"), "deploy it first");
    };
    if !reserve::is_label(node, &asked.partition) {
        let message = format!("`{}` is not a partition of `{name}`", asked.partition);
        return refused("DPC791", message, "name partitions as `dpc runs` prints them");
    }
    if let Change::Mark(Status::Queued | Status::Running) = asked.change {
        let message = "a partition cannot be marked as queued or running".to_owned();
        return refused("DPC792", message, "mark it as SUCCEEDED, FAILED, TIMED_OUT, ABORTED or SKIPPED");
    }
    let window = node.is_timed().then_some(None);
    let facts = snapshot.partition(name, &asked.partition)?;
    let rows = Rows::at(snapshot, node, &asked.partition, window)?;
    let before = rows.standing();
    let mut row = Overrides { rev: facts.overrides.rev, generation: node.row.generation, ..Overrides::default() };
    if facts.overrides.generation == node.row.generation {
        row = facts.overrides.clone();
    }
    let changed = match asked.change {
        Change::Ignore(number) => row.ignored.insert(number),
        Change::Restore(number) => row.ignored.remove(&number),
        Change::Mark(status) => mark(space, snapshot, node, facts, asked, status, &mut row)?,
        Change::Unmark => unmark(&mut row),
    };
    let mut applied = Applied { touched: touched(snapshot, node, asked)?, ..Applied::default() };
    if changed {
        row.signed = Some(signed(asked));
        row.rev += 1;
        row.evaluate = true;
        let after = Rows::at_with(snapshot, node, &asked.partition, window, &row)?.standing();
        if before != after && !matches!(asked.change, Change::Mark(_)) {
            row.changes += 1;
        }
        applied.writes.push(Write::Overrides {
            pipeline: name.clone(),
            label: asked.partition.clone(),
            overrides: row.clone(),
        });
    }
    if row.evaluate {
        let done = Overrides { rev: row.rev + 1, evaluate: false, ..row };
        applied.after.push(Write::Overrides {
            pipeline: name.clone(),
            label: asked.partition.clone(),
            overrides: done,
        });
    }
    Ok(Ok(applied))
}

fn signed(asked: &Override) -> Signed {
    Signed { by: asked.by.clone(), why: asked.why.clone(), at: asked.at }
}

/// A mark above all runs that are known, and above a fire that has not been reported.
fn mark(
    space: &Space,
    snapshot: &Snapshot,
    node: &Node,
    facts: &PartitionFacts,
    asked: &Override,
    status: Status,
    row: &mut Overrides,
) -> Result<bool, Missing> {
    let again = |mark: &Mark| !mark.gone && mark.status == status && mark.signed == signed(asked);
    if row.mark.as_ref().is_some_and(again) {
        return Ok(false);
    }
    let generation = node.row.generation;
    let number = if node.is_timed() {
        snapshot
            .timed(&asked.pipeline, None)?
            .map(|(_, run)| run)
            .filter(|run| run.generation == generation)
            .map(|run| run.number)
            .max()
    } else {
        facts.runs.iter().filter(|run| run.generation == generation).map(|run| run.number).max()
    };
    row.changes += 1;
    let fire = facts.fire.as_ref().filter(|fire| fire.is_pending() && fire.generation == generation);
    row.mark = Some(Mark {
        status,
        version: Version { generation, changes: row.changes, number: number.unwrap_or_default(), redrives: 0 },
        over: fire.map(|fire| fire.hash.clone()),
        witness: by_hand(space, snapshot, &asked.pipeline, &asked.partition)?,
        signed: signed(asked),
        gone: false,
    });
    Ok(true)
}

fn unmark(row: &mut Overrides) -> bool {
    match row.mark.as_mut().filter(|mark| !mark.gone) {
        Some(mark) => {
            mark.gone = true;
            true
        }
        None => false,
    }
}

/// The row whose run changes; of a pipeline without partitions, that of the run's time.
fn touched(snapshot: &Snapshot, node: &Node, asked: &Override) -> Result<Vec<Touched>, Missing> {
    let touch = |label: String| vec![Touched::Upstream(asked.pipeline.clone(), label)];
    if !node.is_timed() {
        return Ok(touch(asked.partition.clone()));
    }
    Ok(match asked.change {
        Change::Ignore(number) | Change::Restore(number) => {
            let mut runs = snapshot.timed(&asked.pipeline, None)?;
            runs.find(|(_, run)| run.number == number).map(|(label, _)| touch(label.to_owned())).unwrap_or_default()
        }
        Change::Mark(_) => touch(timed_label(asked.at)),
        Change::Unmark => {
            let facts = snapshot.partition(&asked.pipeline, NONE)?;
            facts.overrides.mark.as_ref().map(|mark| touch(timed_label(mark.signed.at))).unwrap_or_default()
        }
    })
}
