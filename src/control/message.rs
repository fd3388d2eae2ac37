//! What account functions tell the central account, and what they ask of it: the details of events on the `dpc-central` bus.
//!
//! In come the shapes that both functions and the command line share; out comes their one spelling as JSON. It refuses to
//! know who sent a message: that is the event's `account`, which EventBridge sets, and never a field in here.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::condition::Condition;
use super::plan::{PartitionPlan, SchedulePlan};
use super::run::{RunId, RunRef, Source, Status};

pub use super::run::Downstream;

/// The messages' only version so far.
pub const MESSAGE_VERSION: u32 = 1;

/// `source` of the events of account functions.
pub const ACCOUNT_SOURCE: &str = "dpc.account";

/// `source` of the events of the central function.
pub const CENTRAL_SOURCE: &str = "dpc.central";

/// `detail-type` of events that carry a [`Message`].
pub const MESSAGE_TYPE: &str = "dpc message";

/// `detail-type` of events that carry an [`Envelope`](super::run::Envelope) of source `trigger`.
pub const TRIGGER_TYPE: &str = "dpc trigger";

/// One message from an account function to the central function.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Message {
    /// [`MESSAGE_VERSION`].
    pub version: u32,
    /// Unique; an answer, where one is waited for, is kept under it. The same message sent again has the same.
    pub id: String,
    /// The namespace of the pipelines' names.
    pub space: String,
    /// The sender's dpc, for the handshake.
    pub dpc: String,
    /// What it says.
    pub body: Body,
}

/// What a message says.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Body {
    /// Where a run stands. Told at each change of status, at least once.
    Run(Report),
    /// A pipeline was deployed. Answered.
    Register(Registration),
    /// A pipeline's stack is gone. Changes nothing unless that stack owns the registration.
    Deregister {
        /// The pipeline.
        pipeline: String,
        /// ARN of the stack.
        stack: String,
    },
    /// Facts that a person wants otherwise. Answered.
    Override(Override),
    /// A rerun or a backfill takes partitions for itself. Answered.
    Reserve(Reserve),
    /// A reservation is given up; what it held back is looked at again. Answered.
    Cancel {
        /// Its id.
        reservation: String,
        /// Who says so.
        by: String,
    },
    /// Is anybody there? Changes nothing. Answered with the central function's version: `{"dpc": "0.1.0"}`.
    Hello,
}

/// Where a run stands: identity and status, never its input or output.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Report {
    /// The pipeline; the sender must own it.
    pub pipeline: String,
    /// The partition's label, or `none`.
    pub partition: String,
    /// The run's number.
    pub number: u32,
    /// Its status.
    pub status: Status,
    /// How often its execution was redriven.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub redrives: u64,
    /// Why it was skipped, if it was.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub skip: Option<Skip>,
    /// Who asked for it.
    pub source: Source,
    /// Its start key. For `trigger` the hash of the fire that it answers.
    pub key: String,
    /// What time it is about: the scheduled time, the event's, or when it was asked for.
    pub time: Timestamp,
    /// When its execution started.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub started_at: Option<Timestamp>,
    /// When it ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ended_at: Option<Timestamp>,
    /// Which downstream pipelines may run because of it; absent is all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub downstream: Option<Downstream>,
    /// The reservation that it fulfils.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reservation: Option<String>,
}

impl Report {
    /// The run.
    pub fn run(&self) -> RunRef {
        let id = RunId { partition: self.partition.clone(), number: self.number };
        RunRef { pipeline: self.pipeline.clone(), id }
    }
}

/// Why a run was skipped.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Skip {
    /// Its `when` was false: what it was started on counts for the run before it.
    When,
    /// `overlap` did not let it in. Never counts.
    Overlap,
    /// A newer start of its partition took its place in the queue. Never counts.
    Superseded,
    /// The pipeline was paused. Never counts.
    Paused,
}

/// A pipeline as the central account knows it. Scalars of the plan stay texts, as they travel.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Registration {
    /// The pipeline.
    pub pipeline: String,
    /// The owning team, for people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub owner: Option<String>,
    /// Where it is deployed.
    pub region: String,
    /// ARN of its stack.
    pub stack: String,
    /// How a time becomes one of its partitions.
    pub partition: PartitionPlan,
    /// When it runs by the clock: which partitions of it may be expected.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub schedules: Vec<SchedulePlan>,
    /// Whether anything but a schedule starts it too, such as an event.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub by_event: bool,
    /// What it waits for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub executions: Option<Condition>,
    /// When it was deployed so.
    pub at: Timestamp,
}

/// Facts that a person wants otherwise. Each is a new version of the fact, signed, and can be taken back.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Override {
    /// The pipeline; the sender must own it.
    pub pipeline: String,
    /// The partition.
    pub partition: String,
    /// What to do.
    pub change: Change,
    /// Who says so.
    pub by: String,
    /// Why, for people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub why: Option<String>,
    /// When.
    pub at: Timestamp,
}

/// What an override does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Change {
    /// Takes a run out of the facts.
    Ignore(u32),
    /// Takes it back in.
    Restore(u32),
    /// The partition counts as having this status, whatever its runs say; until a newer run.
    Mark(Status),
    /// Takes the mark back.
    Unmark,
}

/// Partitions that a rerun or a backfill is going to run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Reserve {
    /// Its id, made by the caller: the rerun's or backfill's own.
    pub reservation: String,
    /// The pipeline; the sender must own it.
    pub pipeline: String,
    /// The partitions, in their order.
    pub partitions: Vec<String>,
    /// Which downstream pipelines will run because of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub downstream: Option<Downstream>,
    /// Whether the first partition ends being reserved only when the last one has run.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub together: bool,
    /// Who says so.
    pub by: String,
    /// When.
    pub at: Timestamp,
}

/// What the central function answers to a message that is waited for; kept for a day under the message's id.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Answer {
    /// The message.
    pub id: String,
    /// Code and sentence of a refusal.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub refused: Option<Refusal>,
    /// What a person should know all the same: an upstream that is not registered yet.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub warnings: Vec<String>,
    /// What came of it; depends on the message.
    #[serde(default, skip_serializing_if = "Value::is_null")]
    pub result: Value,
}

/// Why a message was refused.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Refusal {
    /// A diagnostic's code: `DPC791`.
    pub code: String,
    /// The sentence.
    pub message: String,
    /// What to do.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub help: Option<String>,
}

// Reason: serde's `skip_serializing_if` hands over a reference to the field.
#[allow(clippy::trivially_copy_pass_by_ref)]
fn is_zero(count: &u64) -> bool {
    *count == 0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_report_is_spelled_as_documented() {
        let message = Message {
            version: MESSAGE_VERSION,
            id: "m-1".into(),
            space: "prod".into(),
            dpc: "0.1.0".into(),
            body: Body::Run(Report {
                pipeline: "listings".into(),
                partition: "2026-11-21".into(),
                number: 2,
                status: Status::Succeeded,
                redrives: 0,
                skip: None,
                source: Source::Schedule,
                key: "2026-11-22T02:00:00Z".into(),
                time: "2026-11-22T02:00:00Z".parse().unwrap(),
                started_at: None,
                ended_at: None,
                downstream: Some(Downstream::Only(vec!["pipeline-x".into()])),
                reservation: None,
            }),
        };
        let json = serde_json::to_value(&message).unwrap();
        assert_eq!(
            json,
            serde_json::json!({ "version": 1, "id": "m-1", "space": "prod", "dpc": "0.1.0", "body": { "run": {
                "pipeline": "listings", "partition": "2026-11-21", "number": 2, "status": "SUCCEEDED", "source": "schedule",
                "key": "2026-11-22T02:00:00Z", "time": "2026-11-22T02:00:00Z", "downstream": { "only": ["pipeline-x"] } } } })
        );
        assert_eq!(serde_json::from_value::<Message>(json).unwrap(), message);
    }
}
