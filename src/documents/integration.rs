//! What dpc knows of a Step Functions integration that it uses: its parameters and the permissions that it needs.
//!
//! No public linter checks either, so each kind of compute and step states them beside the states that it makes.

use serde_json::{Map, Value, json};

use super::policy::Statement;
use super::states::{Task, code};

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
    /// A task that calls it. What comes after, and what is done about failures, is the caller's.
    pub fn task(&self, arguments: Map<String, Value>) -> Task {
        Task {
            comment: None,
            resource: self.resource(),
            arguments: Value::Object(arguments),
            timeout_seconds: None,
            retry: Vec::new(),
            catch: Vec::new(),
            assign: Map::new(),
            output: json!(code("$states.input")),
            next: String::new(),
        }
    }

    /// The ARN that a Task names.
    pub fn resource(&self) -> String {
        super::frame::integration(self.name)
    }
}
