//! Compute profiles: one file a kind, the whole of its compile time in it.
//!
//! In come profiles as users wrote them; out come findings about their values, the states that provide and release
//! them, and the permissions for it. This floor refuses to know steps.

pub mod emr;
mod machines;

use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Map, Value};

use crate::documents::integration::Integration;
use crate::documents::policy::Statement;
use crate::documents::states::Task;
use crate::source::{Findings, Spanned};

pub use machines::Machines;

/// A compute profile. Exactly one kind.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Compute {
    /// A transient EMR cluster on EC2.
    pub emr: Option<Spanned<emr::Emr>>,
}

/// What a kind of compute must provide; the compiler asks for nothing else.
pub trait Kind {
    /// Reports values that AWS would refuse.
    fn check(&self, findings: &mut Findings);

    /// The applications that it installs.
    fn applications(&self) -> Vec<&str>;

    /// Files of the pipeline's folder that AWS fetches one by one, so that they must be objects of their own.
    fn files(&self) -> Vec<&Spanned<String>> {
        Vec::new()
    }

    /// Secrets of Secrets Manager that AWS reads on its behalf.
    fn secrets(&self) -> Vec<&Spanned<String>> {
        Vec::new()
    }

    /// What the state machine must be allowed for it, beyond what its integrations need.
    fn statements(&self) -> Vec<Statement> {
        Vec::new()
    }

    /// Variables to set before anything is provided.
    fn variables(&self, profile: &str) -> Map<String, Value>;

    /// Whether a run creates it and releases it, as it does with a cluster.
    fn is_provided(&self) -> bool;

    /// The task that provides it, if a run does. Its output, its catcher and its next state are the caller's.
    fn provide(&self, request: &Request<'_>) -> Option<Task>;

    /// The task that releases it; goes to `next` whatever happens.
    fn release(&self, profile: &str, next: &str) -> Option<Task>;
}

/// What a profile is provided for.
#[derive(Clone, Copy, Debug)]
pub struct Request<'a> {
    /// The profile's name.
    pub profile: &'a str,
    /// The pipeline's name.
    pub pipeline: &'a str,
    /// The space of the pipeline.
    pub space: &'a str,
    /// The user's tags.
    pub tags: &'a [(String, String)],
    /// The largest number of its steps that can run at once.
    pub width: usize,
    /// Files of the pipeline's folder that are objects of their own: path and key in the account's bucket.
    pub objects: &'a [(String, String)],
}

impl Request<'_> {
    /// The key under which the bucket holds a file.
    pub fn key(&self, file: &str) -> Option<&str> {
        self.objects.iter().find(|(path, _)| path == file).map(|(_, key)| key.as_str())
    }
}

impl Compute {
    /// The kind that was chosen.
    pub fn kind(&self) -> Option<&dyn Kind> {
        self.emr.as_ref().map(|emr| &emr.value as &dyn Kind)
    }
}

/// Every integration that some kind of compute uses, for itself or for the steps on it.
pub const INTEGRATIONS: &[&[Integration]] = &[emr::INTEGRATIONS];
