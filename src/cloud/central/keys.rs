//! Keys of `dpc-central`: one place in which they are spelled.
//!
//! In come spaces, pipelines, partitions and ids; out come keys. It refuses to know what stands under them.

use super::{Key, Range};

/// Partition key of all that is registered in a space.
pub fn space(space: &str) -> String {
    format!("SPACE#{space}")
}

/// A registration.
pub fn pipeline(of: &str, pipeline: &str) -> Key {
    Key::new(space(of), format!("PIPELINE#{pipeline}"))
}

/// All rows of a space: registrations, reservations, the counter.
pub fn all(of: &str) -> Range {
    Range::of_prefix(space(of), "")
}

/// The counter of a space that goes up with each change of its registrations.
pub fn version(of: &str) -> Key {
    Key::new(space(of), "VERSION")
}

/// Partition key of all that is known of a pipeline's partitions. Neither spaces nor pipelines hold a `#`.
pub fn facts(space: &str, pipeline: &str) -> String {
    format!("FACT#{space}#{pipeline}")
}

/// A run. Six digits sort as numbers do.
pub fn run(space: &str, pipeline: &str, label: &str, number: u32) -> Key {
    Key::new(facts(space, pipeline), format!("{label}#{number:06}"))
}

/// The last fire of a partition as a downstream's.
pub fn fire(space: &str, pipeline: &str, label: &str) -> Key {
    Key::new(facts(space, pipeline), format!("{label}#~fire"))
}

/// What persons have changed about a partition.
pub fn mark(space: &str, pipeline: &str, label: &str) -> Key {
    Key::new(facts(space, pipeline), format!("{label}#~mark"))
}

/// What a pipeline was heard of last.
pub fn received(space: &str, pipeline: &str) -> Key {
    Key::new(facts(space, pipeline), "~received")
}

/// Fire and overrides of a pipeline without partitions, without its runs.
pub fn unpartitioned(space: &str, pipeline: &str) -> Range {
    Range::of_prefix(facts(space, pipeline), "none#~")
}

/// All of one partition.
pub fn partition(space: &str, pipeline: &str, label: &str) -> Range {
    Range::of_prefix(facts(space, pipeline), &format!("{label}#"))
}

/// All of the partitions from one to another, both included.
pub fn partitions(space: &str, pipeline: &str, first: &str, last: &str) -> Range {
    let last = Range::of_prefix("", &format!("{last}#")).last;
    Range { pk: facts(space, pipeline), first: format!("{first}#"), last, limit: None }
}

/// The answer to a message.
pub fn answer(id: &str) -> Key {
    Key::new(format!("ANSWER#{id}"), "ANSWER")
}

/// A reservation.
pub fn reservation(of: &str, id: &str) -> Key {
    Key::new(space(of), format!("RESERVATION#{id}"))
}

/// An account that has spoken of a pipeline of another's.
pub fn spoof(space: &str, pipeline: &str, account: &str) -> Key {
    Key::new(format!("SPOOF#{space}"), format!("{pipeline}#{account}"))
}

/// All of these of a space.
pub fn spoofs(space: &str) -> Range {
    Range::of_prefix(format!("SPOOF#{space}"), "")
}
