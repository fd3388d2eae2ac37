//! Step kinds: one file a kind, the whole of its compile time in it.

pub mod shell;
pub mod spark;

use schemars::JsonSchema;
use serde::Deserialize;

use crate::source::Spanned;

/// One unit of work. Exactly one of the step kinds.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Step {
    /// Unique in the pipeline: lower-case letters, digits and hyphens, at most 40 characters.
    pub name: Spanned<String>,
    /// For people; shown in the console and by `dpc graph`.
    pub description: Option<Spanned<String>>,
    /// Steps that must have succeeded before this one starts.
    #[serde(default)]
    pub needs: Vec<Spanned<String>>,
    /// Name of the compute profile; not needed when the pipeline has one.
    pub compute: Option<Spanned<String>>,
    /// What to do when the step fails.
    pub retry: Option<Spanned<Retry>>,
    /// How long one attempt may take: `45m`, `2h`, `1d`.
    pub timeout: Option<Spanned<String>>,
    /// Runs a Python file or a JAR with spark-submit.
    pub spark: Option<Spanned<spark::Spark>>,
    /// Runs a command in the unpacked pipeline folder.
    pub shell: Option<Spanned<shell::Shell>>,
}

/// How often and when a failed step is tried again.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Retry {
    /// Retries after the first attempt, 1 to 99.
    pub attempts: Spanned<u32>,
    /// Wait before the first retry: `30s`, `5m`. Default `1m`.
    pub interval: Option<Spanned<String>>,
    /// Each wait is this many times the one before, 1 to 10. Default 2.
    pub backoff: Option<Spanned<f64>>,
    /// The longest wait: `1h`. Default: none.
    pub max_delay: Option<Spanned<String>>,
    /// Whether waits are spread at random. Default true.
    pub jitter: Option<Spanned<bool>>,
}
