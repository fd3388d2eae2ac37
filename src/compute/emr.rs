//! `emr`: a transient EMR cluster, created before the first step that needs it and terminated after the last.

use schemars::JsonSchema;
use serde::Deserialize;

use crate::source::Spanned;

/// A transient EMR cluster on EC2.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Emr {
    /// The EMR release: `emr-7.5.0`.
    pub release: Spanned<String>,
    /// Applications to install. Default: Spark.
    #[serde(default)]
    pub applications: Vec<Spanned<String>>,
    /// The primary node.
    pub primary: Spanned<Nodes>,
    /// Core nodes; without them the primary node does the work.
    pub core: Option<Spanned<Nodes>>,
    /// Terminate the cluster after this much idleness, whatever else fails: `10m` to `7d`. Default `60m`.
    pub idle_timeout: Option<Spanned<String>>,
}

/// Nodes of one role.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Nodes {
    /// EC2 instance type: `m6g.xlarge`.
    #[serde(rename = "type")]
    pub instance_type: Spanned<String>,
    /// How many. Default 1; the primary node is always one.
    pub count: Option<Spanned<u32>>,
}
