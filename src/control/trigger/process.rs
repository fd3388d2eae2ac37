//! One message after the other: what it changes, whom that touches, and what is due then.
//!
//! In come a message and the account that EventBridge says it is from; out come rows, and fires in batches that may be asked
//! for again at any time. It refuses to know how rows are written and fires published.

use jiff::Timestamp;

use super::decide::{Decision, Due, Look};
use super::fact::FireRecord;
use super::space::Space;
use super::store::{Missing, Snapshot, Write};
use super::{overrides, reach, register, report, reserve};
use crate::control::message::{Answer, Body, Message, Refusal};

/// How many fires are written at once.
pub const BATCH: usize = 25;

/// What a message comes to.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Applied {
    /// Rows to write before anything is evaluated, in one transaction.
    pub writes: Vec<Write>,
    /// Whom to evaluate: (pipeline, label) whose own rows have changed.
    pub touched: Vec<Touched>,
    /// Rows to write once the last batch has been written and published.
    pub after: Vec<Write>,
    /// For messages that are waited for.
    pub answer: Option<Answer>,
    /// A foreign account spoke of a pipeline that is not its own: to be recorded, nothing else is done.
    pub spoof: Option<Spoof>,
    /// The message, which nobody waits for, makes no sense and never will: to be recorded, nothing else is done.
    pub rejected: Option<Refusal>,
}

/// An account that speaks of what another one owns.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Spoof {
    /// The pipeline.
    pub pipeline: String,
    /// Who owns it.
    pub owner: String,
    /// Who sent the message.
    pub account: String,
}

/// A (pipeline, partition) of which something has changed.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Touched {
    /// An upstream: what lies below it is evaluated.
    Upstream(String, String),
    /// A downstream: itself, and what lies below it.
    Downstream(String, String),
}

/// Some of what is due.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Batch {
    /// Rows to write; they are in the snapshot already.
    pub writes: Vec<Write>,
    /// There is more: evaluate again.
    pub more: bool,
    /// What must be loaded before the rest can be decided: load it, evaluate again.
    pub missing: Missing,
}

impl Batch {
    /// The fires that must be published: (pipeline, label, fire).
    pub fn due(&self) -> impl Iterator<Item = (&str, &str, &FireRecord)> {
        self.writes.iter().filter_map(|write| match write {
            Write::Fire { pipeline, label, fire } if fire.is_pending() => {
                Some((pipeline.as_str(), label.as_str(), fire))
            }
            _ => None,
        })
    }
}

/// What a message changes.
///
/// # Errors
/// What must be loaded first.
pub fn apply(
    space: &Space,
    snapshot: &Snapshot,
    message: &Message,
    account: &str,
    now: Timestamp,
) -> Result<Applied, Missing> {
    let about = match &message.body {
        Body::Run(report) => Some(report.pipeline.as_str()),
        Body::Deregister { pipeline, .. } => Some(pipeline.as_str()),
        Body::Override(change) => Some(change.pipeline.as_str()),
        Body::Reserve(reserve) => Some(reserve.pipeline.as_str()),
        Body::Cancel { reservation, .. } => space.reservation(reservation).map(|known| known.pipeline.as_str()),
        Body::Register(_) | Body::Hello => None,
    };
    if let Some(owned) = about.and_then(|name| space.known(name)).filter(|row| row.account != account) {
        let pipeline = owned.registration.pipeline.clone();
        let message = format!("`{pipeline}` belongs to account {}, not to {account}", owned.account);
        let help = "name pipelines of your own account".to_owned();
        let refusal = Refusal { code: "DPC789".to_owned(), message, help: Some(help) };
        let spoof = Spoof { pipeline, owner: owned.account.clone(), account: account.to_owned() };
        return Ok(Applied { spoof: Some(spoof), rejected: Some(refusal), ..Applied::default() });
    }
    let applied = match &message.body {
        Body::Run(told) => report::apply(space, snapshot, told, now)?,
        Body::Register(asked) => register::register(space, asked, account),
        Body::Deregister { pipeline, stack } => Ok(register::deregister(space, pipeline, stack)),
        Body::Override(change) => overrides::apply(space, snapshot, change)?,
        Body::Reserve(asked) => reserve::reserve(space, asked),
        Body::Cancel { reservation, .. } => Ok(space.reservation(reservation).map(reserve::cancel).unwrap_or_default()),
        Body::Hello => Ok(Applied::default()),
    };
    let mut applied = applied.unwrap_or_else(|refusal| Applied { rejected: Some(refusal), ..Applied::default() });
    let waited = !matches!(message.body, Body::Run(_) | Body::Deregister { .. });
    if waited {
        let answer = applied.answer.take();
        let (warnings, result) = answer.map(|answer| (answer.warnings, answer.result)).unwrap_or_default();
        let refused = applied.rejected.take();
        applied.answer = Some(Answer { id: message.id.clone(), refused, warnings, result });
    }
    Ok(applied)
}

/// What is due now, at most [`BATCH`] fires, those of upstream pipelines before those of downstream ones. The space must hold
/// what `apply` has written. What it answers is in the snapshot already.
pub fn evaluate(space: &Space, snapshot: &mut Snapshot, touched: &[Touched], now: Timestamp) -> Batch {
    let mut batch = Batch::default();
    for (pipeline, label) in reach::affected(space, touched) {
        if batch.writes.len() >= BATCH {
            batch.more = true;
            break;
        }
        match Look::new(space, snapshot).decide(&pipeline, &label) {
            // Whoever comes after a gap may depend on what fills it: from there on, gaps alone are collected.
            Ok(Decision::Fire(due)) if batch.missing.keys.is_empty() => {
                let Ok(facts) = snapshot.partition(&pipeline, &label) else { continue };
                let generation = space.known(&pipeline).map_or(0, |row| row.generation);
                let fire = record(facts.fire.as_ref(), *due, generation, now);
                let write = Write::Fire { pipeline, label, fire };
                snapshot.write(&write);
                batch.writes.push(write);
            }
            Ok(_) => {}
            Err(missing) => batch.missing.and(missing),
        }
    }
    batch
}

/// Whether anything downstream looks at what was touched.
#[must_use]
pub fn reaches(space: &Space, touched: &[Touched]) -> bool {
    touched.iter().any(|one| match one {
        Touched::Upstream(pipeline, _) => !space.downstream(pipeline).is_empty(),
        Touched::Downstream(..) => true,
    })
}

fn record(old: Option<&FireRecord>, due: Due, generation: u32, at: Timestamp) -> FireRecord {
    let mut before = Vec::new();
    if let Some(old) = old.filter(|old| old.generation == generation) {
        let kept = old.before.len().saturating_sub(FireRecord::REMEMBERED - 1);
        before = old.before.iter().skip(kept).cloned().chain(std::iter::once(old.hash.clone())).collect();
    }
    let Due { hash, witness, muted, downstream, brought } = due;
    FireRecord {
        rev: old.map_or(1, |old| old.rev + 1),
        hash,
        witness,
        at,
        published: false,
        muted,
        run: None,
        downstream,
        brought,
        before,
        generation,
    }
}
