//! The types of `policy.yaml`: what an organisation demands of every pipeline of a project.
//!
//! In comes a tree by `source::de`; out come rules that keep their places, because a violation points at both files. What
//! they demand is judged in `rules::policy`.

use schemars::JsonSchema;
use serde::Deserialize;

use crate::source::{Severity, Spanned, SpannedMap};

/// `policy.yaml`: the rules of an organisation.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct PolicyFile {
    /// Version of the language; 1.
    pub version: Option<Spanned<u32>>,
    /// What becomes of a violation whose rule does not say: error or warning. Default error.
    pub level: Option<Level>,
    /// EC2 instance types that clusters may have.
    pub instance_types: Option<Spanned<Allowed>>,
    /// How many nodes a cluster may have at most, scaled out.
    pub cluster_nodes: Option<Spanned<Most>>,
    /// Kinds of steps that may be used.
    pub step_kinds: Option<Spanned<Allowed>>,
    /// Regions that environments may be in.
    pub regions: Option<Spanned<Allowed>>,
    /// Tags that every pipeline must have, by name.
    #[serde(default)]
    pub tags: SpannedMap<Spanned<RequiredTag>>,
    /// How pipelines may be named.
    pub names: Option<Spanned<Allowed>>,
    /// Who may own a pipeline; it must have an owner then.
    pub owners: Option<Spanned<Allowed>>,
    /// Statuses that every pipeline must announce.
    pub alerts: Option<Spanned<RequiredAlerts>>,
    /// How long a step may take.
    pub timeout: Option<Spanned<Timeout>>,
}

/// What becomes of a violation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(inline)]
pub enum Level {
    /// Nothing is compiled.
    Error,
    /// It is said, and the command goes on.
    Warning,
}

impl From<Level> for Severity {
    fn from(level: Level) -> Self {
        match level {
            Level::Error => Severity::Error,
            Level::Warning => Severity::Warning,
        }
    }
}

/// A rule that lists what is allowed.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Allowed {
    /// Patterns, of which one must fit: `m6g.*`.
    #[schemars(length(min = 1), extend("x-dpc-also" = ["allowed", "allowlist", "values", "patterns"]))]
    pub allow: Vec<Spanned<String>>,
    /// error or warning. Default: the file's.
    pub level: Option<Level>,
    /// Why there is this rule; printed with a violation.
    pub reason: Option<String>,
}

/// A rule with an upper limit.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Most {
    /// The limit, which is allowed itself.
    #[schemars(extend("x-dpc-also" = ["max", "maximum", "limit"]))]
    pub most: Spanned<u32>,
    /// error or warning. Default: the file's.
    pub level: Option<Level>,
    /// Why there is this rule; printed with a violation.
    pub reason: Option<String>,
}

/// A tag that must be there.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct RequiredTag {
    /// Patterns, of which one must fit the value. Default: any value.
    #[serde(default)]
    pub allow: Vec<Spanned<String>>,
    /// error or warning. Default: the file's.
    pub level: Option<Level>,
    /// Why there is this rule; printed with a violation.
    pub reason: Option<String>,
}

/// Statuses that must be announced to somebody.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct RequiredAlerts {
    /// Statuses: FAILED, TIMED_OUT.
    #[schemars(length(min = 1))]
    pub events: Vec<Spanned<String>>,
    /// error or warning. Default: the file's.
    pub level: Option<Level>,
    /// Why there is this rule; printed with a violation.
    pub reason: Option<String>,
}

/// How long a step may take.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Timeout {
    /// The longest `timeout`: `12h`.
    #[schemars(extend("x-dpc-also" = ["max", "maximum", "limit"]))]
    pub most: Spanned<String>,
    /// Whether every step must have one, if the pipeline has none. Default false.
    #[serde(default)]
    pub required: bool,
    /// error or warning. Default: the file's.
    pub level: Option<Level>,
    /// Why there is this rule; printed with a violation.
    pub reason: Option<String>,
}
