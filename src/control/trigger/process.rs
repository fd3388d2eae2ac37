//! One message after the other: what it changes, whom that touches, and what is due then.
//!
//! In come a message and the account that EventBridge says it is from; out come rows, and fires in batches that may be asked
//! for again at any time. It refuses to know how rows are written and fires published.

use jiff::Timestamp;

use super::fact::FireRecord;
use super::space::Space;
use super::store::{Missing, Snapshot, Write};
use crate::control::message::{Answer, Message, Refusal};

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
    /// The message makes no sense, and never will: to be recorded, nothing else is done.
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
    let _ = (space, snapshot, message, account, now);
    Ok(Applied::default())
}

/// What is due now, at most [`BATCH`] fires, those of upstream pipelines before those of downstream ones. The space must hold
/// what `apply` has written.
pub fn evaluate(space: &Space, snapshot: &mut Snapshot, touched: &[Touched], now: Timestamp) -> Batch {
    let _ = (space, snapshot, touched, now);
    Batch::default()
}
