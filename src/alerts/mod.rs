//! Who hears of a run's end: one file a channel, the whole of its compile time in it.

pub mod email;

use schemars::JsonSchema;
use serde::Deserialize;

use crate::source::Spanned;

/// Who is told when a run reaches a status. Exactly one channel.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Alert {
    /// Statuses of a run: RUNNING, SUCCEEDED, FAILED, TIMED_OUT, ABORTED.
    pub events: Vec<Spanned<String>>,
    /// An e-mail address; SNS asks it to confirm once.
    pub email: Option<Spanned<String>>,
}
