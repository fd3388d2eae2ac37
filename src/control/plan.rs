//! What the account function must know of a pipeline to start a run: the compiled, unrendered half of it.
//!
//! The plan travels as a property of the stack's registration resource. CloudFormation hands every scalar of a custom
//! resource over as a string, so every scalar here is one.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::condition::Condition;

/// The plan of one pipeline.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Plan {
    /// `"1"`.
    pub version: String,
    /// The pipeline.
    pub pipeline: String,
    /// The space that it was deployed for.
    pub space: String,
    /// ARN of the state machine.
    pub state_machine: String,
    /// ARN of the alert topic, if any status is announced.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub topic: Option<String>,
    /// Statuses that some alert wants, as spelled by `Status::as_str`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub alerts: Vec<String>,
    /// How a time becomes a partition.
    pub partition: PartitionPlan,
    /// The precondition of every run: a template that yields `true` or `false`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub when: Option<String>,
    /// What partitions do when another still runs: `allow`, `skip`, `queue` or `latest`; absent is `queue`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub overlap: Option<String>,
    /// The schedules, for the sweep that looks for runs which never came.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub schedules: Vec<SchedulePlan>,
    /// The events that start it, in the order written.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub events: Vec<EventPlan>,
    /// The condition on upstream pipelines that starts it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub executions: Option<Condition>,
    /// Parameter name to its type and default.
    #[serde(default, skip_serializing_if = "Map::is_empty")]
    pub params: Map<String, Value>,
    /// Step name to its arguments; every string in them is a template.
    pub steps: Map<String, Value>,
}

/// `partition:` as strings.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct PartitionPlan {
    /// `none`, `hour`, `day`, `week`, `month` or `year`.
    pub by: String,
    /// `0` or a signed count with a unit: `-1d`.
    pub offset: String,
    /// An IANA zone.
    pub timezone: String,
    /// A template that names the partition of an event: `{{ event.detail.date }}`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<String>,
}

/// One schedule.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct SchedulePlan {
    /// `cron(…)`, `rate(…)` or `at(…)` as EventBridge Scheduler takes it.
    pub expression: String,
    /// An IANA zone.
    pub timezone: String,
    /// The first instant at which it may fire: `2026-11-21T03:00:00Z`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub start: Option<String>,
    /// The first instant at which it may not fire any more.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub end: Option<String>,
}

/// One kind of event that starts the pipeline, which is one rule.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct EventPlan {
    /// Which it is; the envelope's `trigger` names it.
    pub id: String,
    /// For people: what the rule waits for.
    pub words: String,
    /// Objects in S3 whose events other pipelines of the project take: the run is not started.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub except: Vec<ObjectsPlan>,
}

/// Objects of a bucket by their keys; the bucket is the event's own.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ObjectsPlan {
    /// What the key begins with.
    pub prefix: String,
    /// What the key ends with.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub suffix: String,
    /// The pipeline that takes them.
    pub pipeline: String,
}

impl EventPlan {
    /// The pipeline that takes this event instead, if it is about an object of another pipeline's.
    pub fn taken_by(&self, event: &Value) -> Option<&str> {
        let key = event.get("detail")?.get("object")?.get("key")?.as_str()?;
        self.except.iter().find(|objects| objects.hold(key)).map(|objects| objects.pipeline.as_str())
    }
}

impl ObjectsPlan {
    /// Whether an object with this key is among them.
    pub fn hold(&self, key: &str) -> bool {
        key.strip_prefix(self.prefix.as_str()).is_some_and(|rest| rest.ends_with(self.suffix.as_str()))
    }
}

/// One parameter.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ParamPlan {
    /// `string`, `int`, `number`, `bool`, `date`, `list` or `enum`.
    pub r#type: String,
    /// The type of a list's items; `string` unless said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub items: Option<String>,
    /// What an enum may be.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub values: Vec<String>,
    /// A text, or a list of texts; rendered with the names of the run, then read as the type says. For a step made from a
    /// job, its value, rendered with the names of the pipeline.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub default: Option<Value>,
    /// `false` for one that may be absent although it has no default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub required: Option<String>,
}

impl ParamPlan {
    /// Whether a caller must give a value when there is no default.
    pub fn is_required(&self) -> bool {
        self.required.as_deref() != Some("false")
    }
}
