//! The engine: which downstream pipelines run because of what upstream ones did.
//!
//! In come messages of account functions and a look at what is written already; out come rows to write and fires to publish.
//! It refuses to know the clock, the network and where rows lie: whoever drives it loads what it says is [`Missing`], and
//! writes what it answers. docs/triggers.md has the rules, with examples.
//!
//! | what | where |
//! |---|---|
//! | rows of one (pipeline, partition): runs, overrides, the last fire | [`fact`] |
//! | rows of a space: who is registered, which partitions are reserved | [`space`] |
//! | what has been loaded, and what is to be written | [`store`] |
//! | a message in, rows and what they touch out | [`process::apply`] |
//! | what was touched in, due fires out, parents first | [`process::evaluate`] |
//! | a fire in, the envelope for the account function out | [`fire::envelope`] |
//! | why a partition has not run, and whose turn it is | [`explain::explain`] |
//! | what a rerun would start | [`explain::downstream_of`] |
//!
//! A driver does, for one message after the other:
//!
//! ```text
//! loop { match apply(&space, &snapshot, &message, account, now) {   // Err(missing): load it, and again
//!     Ok(applied) => break } }
//! write applied.writes (one transaction; each row on the condition that its `rev` is one less or it is new)
//! loop { let batch = evaluate(&space, &mut snapshot, &applied.touched, now);
//!     write batch.writes (at most 25; the rows are in the snapshot already)
//!     publish batch.due(), mark them published
//!     load batch.missing; stop when nothing is missing and !batch.more }
//! write applied.after, the answer
//! ```
//!
//! A crash anywhere is healed by doing it again: deciding on what is written yields the rest, and nothing twice.
//!
//! [`Missing`]: store::Missing

mod ancestry;
mod decide;
pub mod explain;
pub mod fact;
pub mod fire;
mod look;
mod mapping;
mod overrides;
pub mod process;
mod reach;
mod register;
mod report;
mod reserve;
pub mod space;
pub mod store;

#[cfg(test)]
mod tests;
