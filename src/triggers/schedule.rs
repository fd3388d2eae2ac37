//! `schedule`: a cron or rate expression in a time zone, delivered by EventBridge Scheduler to the account function.

use schemars::JsonSchema;
use serde::Deserialize;

use crate::source::Spanned;

/// When the pipeline runs. Exactly one of `cron` and `rate`.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Schedule {
    /// AWS six-field cron, `0 3 * * ? *`, or ordinary five-field cron, `0 3 * * *`. Quote it.
    pub cron: Option<Spanned<String>>,
    /// `5 minutes`, `1 hour`, `7 days`.
    pub rate: Option<Spanned<String>>,
    /// IANA zone of the cron expression. Default: the partition's zone, else UTC.
    pub timezone: Option<Spanned<String>>,
}
