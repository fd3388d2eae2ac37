//! What dpc knows of a Step Functions integration that it uses: its parameters and the permissions that it needs.
//!
//! No public linter checks either, so each kind of compute and step states them beside the states that it makes.

use super::policy::Statement;

/// One optimised integration.
#[derive(Clone, Copy, Debug)]
pub struct Integration {
    /// As in the ARN: `elasticmapreduce:addStep.sync`.
    pub name: &'static str,
    /// Parameters that must be there.
    pub required: &'static [&'static str],
    /// Parameters that may be there: those of them that dpc uses.
    pub optional: &'static [&'static str],
    /// What the state machine's role must be allowed, for a pipeline of this name.
    pub permissions: fn(pipeline: &str) -> Vec<Statement>,
}

impl Integration {
    /// The ARN that a Task names.
    pub fn resource(&self) -> String {
        super::frame::integration(self.name)
    }
}
