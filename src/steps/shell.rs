//! `shell`: a command, run in the unpacked folder of the pipeline on the primary node of an EMR cluster.

use schemars::JsonSchema;
use serde::Deserialize;

use crate::source::{Spanned, SpannedMap};

/// Runs a command in the unpacked pipeline folder.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Shell {
    /// Program and arguments, a list: no shell reads them unless you name one. `{{ }}` is rendered when a run starts.
    pub command: Vec<Spanned<String>>,
    /// Environment variables of the command. Values may hold `{{ }}`; secrets belong into `access.secrets`.
    #[serde(default)]
    pub environment: SpannedMap<Spanned<String>>,
}
