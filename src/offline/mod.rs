//! What would happen: a file of events played through the real engine, in memory, without AWS.
//!
//! In come a scenario (`tests/*.yaml`), the plans of a project, and nothing else; out come a timeline, what waits in the
//! end, and findings where it is not as expected. It refuses to know files, terminals and the real clock: time is what the
//! scenario says.
//!
//! | what | where |
//! |---|---|
//! | a scenario and a project in, a script out: times, partitions and names resolved, or findings | [`script`] |
//! | pipelines that other teams own, as far as a scenario gives them | [`given`] |
//! | a script in, all that happens out | [`world`] |
//! | an envelope in, a run that starts, waits or is skipped out: what the account function does | [`door`] |
//! | a message in, envelopes out: what the central function does | [`central`] |
//! | what has happened, for people and programs | [`timeline`] |
//! | what waits in the end, and for whom | [`waiting`] |
//! | what was expected beside what has happened | [`judge`], with [`compare`] |
//! | times as scenarios write them | [`clock`] |

pub mod central;
pub mod clock;
pub mod compare;
pub mod door;
pub mod given;
pub mod judge;
pub mod script;
pub mod timeline;
pub mod waiting;
pub mod world;

use crate::control::plan::Plan;
use crate::language::project::Pipeline;

/// The team whose project is played.
#[derive(Clone, Debug)]
pub struct Team<'a> {
    /// The space of its pipelines' names.
    pub space: &'a str,
    /// Its account.
    pub account: &'a str,
    /// Its region.
    pub region: &'a str,
    /// Its pipelines, each with its compiled plan.
    pub pipelines: Vec<(&'a Pipeline, &'a Plan)>,
}
