//! The central function: messages of account functions in, facts and fires into the table, triggers out to accounts.
//!
//! In come batches of one FIFO queue, in order, and the tick of the sweep through the same queue: one writer, so nothing has
//! to be locked. Out come rows of `dpc-central`, triggers on the `dpc` buses of the owners, answers. It refuses to decide
//! when a pipeline runs; `control/trigger` does, on what it is given here.
//!
//! What the stack must give it (`templates/central.yaml`):
//!
//! | variable | value |
//! |---|---|
//! | `DPC_CENTRAL_TABLE` | name of the table; a function that has it is the central function |
//! | `DPC_CENTRAL_QUEUE` | URL of the queue |
//! | `DPC_CENTRAL_DEAD_LETTERS` | URL of the queue that takes what cannot be dealt with |
//!
//! | module | what it does |
//! |---|---|
//! | [`batch`] | a batch of the queue in, what must come again out |
//! | [`letter`] | one message of the queue: what is it, who sent it, is it poison |
//! | [`decide`] | one message: facts, fires and answer, in as few transactions as they fit in |
//! | [`desk`] | the rows of a space while they are worked on |
//! | [`publish`] | the outbox |
//! | [`sweep`] | what was left undone |

pub mod batch;
pub mod decide;
pub mod desk;
pub mod letter;
pub mod outside;
pub mod publish;
pub mod sweep;
#[cfg(test)]
mod testing;
#[cfg(test)]
mod tests;

use std::cell::RefCell;
use std::collections::BTreeMap;

use jiff::Timestamp;
use serde_json::{Value, json};

use crate::cloud::CloudResult;
use crate::cloud::central::Rows;
use crate::source::{Code, Finding};
use desk::Desk;
use outside::Outside;

/// The function and its surroundings. `R` is `dpc-central`, `O` everything else outside.
#[derive(Debug)]
pub struct Central<R, O> {
    /// The table.
    pub rows: R,
    /// The rest.
    pub outside: O,
    /// What is registered, kept from batch to batch; compared with the table's counter before it is used.
    pub desks: RefCell<BTreeMap<String, Desk>>,
}

/// What the central stack says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// Name of the table.
    pub table: String,
    /// URL of the queue.
    pub queue: String,
    /// URL of the dead-letter queue.
    pub dead_letters: String,
}

impl Settings {
    /// Whether this process is the central function.
    pub fn are_given() -> bool {
        std::env::var_os("DPC_CENTRAL_TABLE").is_some_and(|table| !table.is_empty())
    }

    /// Reads the environment variables that `templates/central.yaml` sets.
    ///
    /// # Errors
    /// One is missing.
    pub fn from_environment() -> Result<Self, String> {
        let read = |name: &str| {
            let value = std::env::var(name).ok().filter(|value| !value.is_empty());
            value.ok_or_else(|| format!("environment variable `{name}` is not set"))
        };
        Ok(Self {
            table: read("DPC_CENTRAL_TABLE")?,
            queue: read("DPC_CENTRAL_QUEUE")?,
            dead_letters: read("DPC_CENTRAL_DEAD_LETTERS")?,
        })
    }
}

impl<R: Rows, O: Outside> Central<R, O> {
    /// A function that knows nothing yet.
    pub fn new(rows: R, outside: O) -> Self {
        Self { rows, outside, desks: RefCell::default() }
    }

    /// Deals with one event of Lambda; `deadline` is when Lambda ends this invocation.
    ///
    /// # Errors
    /// An event of no kind that it knows.
    pub async fn handle(&self, event: Value, deadline: Timestamp) -> CloudResult<Value> {
        if event.get("dpc").and_then(Value::as_str) == Some("version") {
            return Ok(json!({ "version": env!("CARGO_PKG_VERSION"), "function": "central" }));
        }
        match event.get("Records").and_then(Value::as_array) {
            Some(records) => Ok(self.batch(records, deadline).await),
            None => Err(Box::new(
                Finding::new(Code::BadMessage, "the central function was sent an event of no kind that it knows")
                    .why("it reads its queue alone: whoever came past the queue would write beside the one writer")
                    .help("send messages to the bus `dpc-central`; the sweep comes through the queue, too"),
            )),
        }
    }
}

/// Somebody else has written in between. Nobody should: the queue lets one function work at a time.
fn lost() -> Box<Finding> {
    let finding = Finding::new(Code::Unreachable, "a row of the central table was changed while it was decided on");
    Box::new(finding.help("the message is dealt with again by itself"))
}
