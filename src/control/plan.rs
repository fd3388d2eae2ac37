//! What the account function must know of a pipeline to start a run: the compiled, unrendered half of it.
//!
//! The plan travels as a property of the stack's registration resource. CloudFormation hands every scalar of a custom
//! resource over as a string, so every scalar here is one.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

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
    /// The schedules, for the sweep that looks for runs which never came.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub schedules: Vec<SchedulePlan>,
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
}

/// One schedule.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct SchedulePlan {
    /// `cron(…)` or `rate(…)` as EventBridge Scheduler takes it.
    pub expression: String,
    /// An IANA zone.
    pub timezone: String,
}

/// One parameter. `default` is absent when a caller must give a value.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ParamPlan {
    /// `string`, `int`, `number`, `bool` or `date`.
    pub r#type: String,
    /// Written as text; parsed by type.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub default: Option<String>,
}
