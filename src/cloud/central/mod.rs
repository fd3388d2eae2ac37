//! `dpc-central`: what is registered at the central account, which runs it has heard of, what it has fired.
//!
//! In come keys and conditional writes; out come rows, and whether a write was won. This module refuses to decide anything:
//! `control/trigger` says what the rows mean, `functions/central` writes them, and docs/central.md describes them for
//! operators.

pub mod keys;
mod load;
mod reader;
mod row;
mod table;
mod writes;

pub use load::{load, look, partitions, space};
pub use reader::{Place, Reader, no_central};
pub use row::{Delivery, Key, LARGEST, Open, Row, size};
pub use table::{TOGETHER, Table, unreadable};
pub use writes::{Counter, is_of_space, rows_of};

use crate::cloud::failure::CloudResult;

/// Rows of one partition key between two sort keys, both included.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Range {
    /// The partition key.
    pub pk: String,
    /// The first sort key.
    pub first: String,
    /// The last.
    pub last: String,
    /// At most so many, the last ones, newest first.
    pub limit: Option<usize>,
}

impl Range {
    /// Everything whose sort key begins with `prefix`, which sorts before every letter that stands in a key.
    pub fn of_prefix(pk: impl Into<String>, prefix: &str) -> Self {
        // DynamoDB refuses an empty text as a key to compare with; nothing in a key sorts before a space.
        let first = if prefix.is_empty() { " " } else { prefix }.to_owned();
        Self { pk: pk.into(), first, last: format!("{prefix}\u{7f}"), limit: None }
    }
}

/// One write: only if the row is still at the version that it was read with.
#[derive(Clone, Debug, PartialEq)]
#[allow(clippy::large_enum_variant)] // nearly all are the large one
pub enum Write {
    /// Writes a row in place of this version of it; 0 only where there is none.
    Put(Row, u64),
    /// Takes away this version of a row.
    Delete(Key, u64),
}

impl Write {
    /// The row.
    pub fn key(&self) -> &Key {
        match self {
            Write::Put(row, _) => &row.key,
            Write::Delete(key, _) => key,
        }
    }

    /// The version that it must have.
    pub fn replaces(&self) -> u64 {
        match self {
            Write::Put(_, version) | Write::Delete(_, version) => *version,
        }
    }
}

/// What the central function needs of the table. A trait, so that its logic is tested with crashes and lost writes against
/// rows in memory.
#[allow(async_fn_in_trait)] // one thread runs the function; no future needs to be `Send`
pub trait Rows {
    /// These rows, as many of them as there are.
    async fn get(&self, keys: &[Key]) -> CloudResult<Vec<Row>>;

    /// The rows of each of these ranges.
    async fn ranges(&self, ranges: &[Range]) -> CloudResult<Vec<Vec<Row>>>;

    /// Writes all or none, at most [`TOGETHER`] rows: false if one of them is at another version.
    async fn write(&self, writes: &[Write]) -> CloudResult<bool>;

    /// Keys of the rows about which something is to be done. May lag a little behind writes.
    async fn open(&self, what: Open) -> CloudResult<Vec<Key>>;
}
