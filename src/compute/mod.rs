//! Compute profiles: one file a kind, the whole of its compile time in it.

pub mod emr;

use schemars::JsonSchema;
use serde::Deserialize;

use crate::source::Spanned;

/// A compute profile. Exactly one kind.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Compute {
    /// A transient EMR cluster on EC2.
    pub emr: Option<Spanned<emr::Emr>>,
}
