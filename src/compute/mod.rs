//! Compute profiles: one file a kind, the whole of its compile time in it.
//!
//! In come profiles as users wrote them; out come findings about their values, the states that provide and release
//! them, and the permissions for it. This floor refuses to know steps.

pub mod ecs;
pub mod emr;
pub mod fargate;
mod machines;
pub mod serverless;

use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Map, Value};

use crate::documents::integration::Integration;
use crate::documents::policy::Statement;
use crate::documents::states::Task;
use crate::documents::template::Resource;
use crate::source::schema::hints;
use crate::source::{Findings, Span, Spanned};

pub use machines::Machines;

/// A compute profile. Exactly one kind.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schemars(transform = hints::exactly_one(&KINDS))]
pub struct Compute {
    /// A transient EMR cluster on EC2.
    pub emr: Option<Spanned<emr::Emr>>,
    /// An application of EMR Serverless.
    pub emr_serverless: Option<Spanned<serverless::Serverless>>,
    /// Containers of ECS on Fargate.
    pub ecs: Option<Spanned<ecs::Ecs>>,
}

/// The key of each kind in `compute`.
pub const KINDS: [&str; 3] = ["emr", "emrServerless", "ecs"];

/// What a kind of compute must provide; the compiler asks for nothing else.
pub trait Kind {
    /// Its key in `compute`.
    fn key(&self) -> &'static str;

    /// The service under which the work runs, and which so assumes the pipeline's compute role.
    fn host(&self) -> Host;

    /// Reports values that AWS would refuse.
    fn check(&self, findings: &mut Findings);

    /// The applications that it installs, if it is a matter of choice.
    fn applications(&self) -> Option<Vec<&str>> {
        None
    }

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

    /// Resources of its own, by logical id.
    fn resources(&self, _request: &Request<'_>) -> Vec<(String, Resource)> {
        Vec::new()
    }

    /// What to do before and after the steps, if it lives only as long as a run.
    fn transient(&self) -> Option<&dyn Transient> {
        None
    }
}

/// Compute that is made for a run and goes with it.
pub trait Transient {
    /// Variables to set before anything is provided.
    fn variables(&self, profile: &str) -> Map<String, Value>;

    /// The task that provides it, if a run does. Its output, its catcher and its next state are the caller's.
    fn provide(&self, request: &Request<'_>) -> Option<Task>;

    /// The task that releases it; goes to `next` whatever happens.
    fn release(&self, profile: &str, next: &str) -> Option<Task>;
}

/// The service under which work runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Host {
    /// Nodes of EMR clusters.
    Ec2,
    /// Containers.
    Ecs,
    /// Jobs of EMR Serverless.
    EmrServerless,
}

impl Host {
    /// The service that assumes the compute role.
    pub fn principal(self) -> &'static str {
        match self {
            Host::Ec2 => "ec2.amazonaws.com",
            Host::Ecs => "ecs-tasks.amazonaws.com",
            Host::EmrServerless => "emr-serverless.amazonaws.com",
        }
    }
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
    /// Every kind that the user has given, with its place: more than one, or none, is a mistake.
    pub fn kinds(&self) -> Vec<(Span, &dyn Kind)> {
        fn one<K: Kind>(given: Option<&Spanned<K>>) -> Option<(Span, &dyn Kind)> {
            given.map(|given| (given.span, &given.value as &dyn Kind))
        }
        [one(self.emr.as_ref()), one(self.emr_serverless.as_ref()), one(self.ecs.as_ref())]
            .into_iter()
            .flatten()
            .collect()
    }

    /// The kind that was chosen.
    pub fn kind(&self) -> Option<&dyn Kind> {
        self.kinds().first().map(|(_, kind)| *kind)
    }
}

/// Every integration that some kind of compute uses, for itself or for the steps on it.
pub const INTEGRATIONS: &[&[Integration]] = &[emr::INTEGRATIONS, serverless::INTEGRATIONS, ecs::INTEGRATIONS];
