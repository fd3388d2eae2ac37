//! What starts a pipeline: one file a kind, the whole of its compile time in it.
//!
//! In come triggers as users wrote them; out come findings about their values, what the plan says of them and the resource
//! that calls the account function. This floor refuses to know what a run does.

pub mod events;
pub mod executions;
pub mod operators;
pub mod pattern;
pub mod schedule;

use schemars::JsonSchema;
use serde::Deserialize;

use crate::source::{OneOrMany, Spanned};

/// What starts the pipeline. Several triggers are alternatives.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Triggers {
    /// One schedule or a list.
    #[serde(default)]
    pub schedule: OneOrMany<schedule::Schedule>,
    /// Objects in S3, or any event of EventBridge. Several are alternatives.
    #[serde(default)]
    #[schemars(extend("x-dpc-also" = ["event", "s3", "on"]))]
    pub events: Vec<Spanned<events::Event>>,
    /// Runs of other pipelines.
    #[schemars(extend("x-dpc-also" = ["execution", "upstream", "upstreams", "dependsOn", "after", "pipelines"]))]
    pub executions: Option<Spanned<executions::Executions>>,
}
