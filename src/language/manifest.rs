//! The types of `dpc.yaml` and `pipeline.yaml`: what the JSON Schemas are generated from, and what rules and compiler read.
//!
//! In comes a tree by `source::de`; out come values that keep their places. Nothing here is judged: the shape is the
//! schema's affair, the meaning that of rules and kinds.

use schemars::JsonSchema;
use serde::Deserialize;

use crate::alerts::Alert;
use crate::compute::Compute;
use crate::control::params::{Declared, Type};
use crate::control::partition::Granularity;
use crate::language::iam::{Iam, PipelineIam};
use crate::language::raw::{Override, RawResource};
use crate::language::values::{Location, Scalar};
use crate::source::schema::hints;
use crate::source::{Spanned, SpannedMap, Texts};
use crate::steps::Step;
use crate::triggers::Triggers;

/// `dpc.yaml`: a project.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ProjectFile {
    /// Version of the language; 1.
    pub version: Option<Spanned<u32>>,
    /// Name of the project: lower-case letters, digits and hyphens.
    #[schemars(transform = hints::name)]
    pub project: Spanned<String>,
    /// Named targets.
    pub environments: SpannedMap<Spanned<Environment>>,
    /// Globs of the project's pipeline files, relative to the dpc.yaml. Default: `*/pipeline.yaml`.
    #[serde(default)]
    pub pipelines: Vec<Spanned<String>>,
    /// Globs of the project's job files, relative to the dpc.yaml. Default: `jobs/*.yaml`.
    #[serde(default)]
    pub jobs: Vec<Spanned<String>>,
    /// Globs of the project's tests, relative to the dpc.yaml. Default: `tests/*.yaml`.
    #[serde(default)]
    pub tests: Vec<Spanned<String>>,
    /// File with the organisation's rules, relative to the dpc.yaml. Default: `policy.yaml`, if there is one.
    pub policy: Option<Spanned<String>>,
    /// The central account, where pipelines of different accounts learn of each other.
    pub central: Option<Spanned<CentralAccount>>,
    /// Values for every pipeline that does not say otherwise.
    #[serde(default)]
    pub defaults: Defaults,
}

/// The central account, as `dpc setup central` made it.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct CentralAccount {
    /// Twelve digits, in quotes: "999999999999".
    #[schemars(transform = hints::form("^[0-9]{12}$", &["999999999999"]))]
    pub account: Spanned<String>,
    /// Where it was set up. Default: the environment's own region.
    #[schemars(transform = hints::form("^[a-z]{2,3}(-[a-z]+)+-[0-9]+$", &["eu-central-1", "eu-west-1", "us-east-1"]))]
    pub region: Option<Spanned<String>>,
    /// The role that reads its table, with its path if it has one. Default: `dpc-central-reader-<region>`.
    pub reader: Option<Spanned<String>>,
}

/// A target of deployment.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Environment {
    /// Twelve digits, in quotes: "111111111111".
    #[schemars(transform = hints::form("^[0-9]{12}$", &["111111111111"]))]
    pub account: Spanned<String>,
    /// AWS region: eu-central-1.
    #[schemars(transform = hints::form("^[a-z]{2,3}(-[a-z]+)+-[0-9]+$", &["eu-central-1", "eu-west-1", "us-east-1"]))]
    pub region: Spanned<String>,
    /// Profile of the AWS configuration files. Default: the standard credential chain.
    pub profile: Option<Spanned<String>>,
    /// Namespace of pipeline names. Default: the environment's name.
    pub space: Option<Spanned<String>>,
    /// The central account of this environment. Default: the project's.
    pub central: Option<Spanned<CentralAccount>>,
    /// What every role that is made there must be like.
    pub iam: Option<Spanned<Iam>>,
    /// Values for `${vars.name}`.
    #[serde(default)]
    #[schemars(schema_with = "crate::source::spanned::scalars")]
    pub vars: SpannedMap<Spanned<String>>,
}

/// Values for every pipeline that does not say otherwise.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Defaults {
    /// The team that owns the pipelines.
    pub owner: Option<Spanned<String>>,
    /// What every role that is made must be like, where the environment does not say.
    pub iam: Option<Spanned<Iam>>,
    /// Tags of every stack; a pipeline's own win.
    #[serde(default)]
    #[schemars(schema_with = "crate::source::spanned::scalars")]
    pub tags: SpannedMap<Spanned<String>>,
}

/// `pipeline.yaml`: a pipeline.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Manifest {
    /// Version of the language; 1.
    pub version: Option<Spanned<u32>>,
    /// Unique in the space: lower-case letters, digits and hyphens, at most 40 characters.
    #[schemars(transform = hints::name)]
    pub name: Spanned<String>,
    /// For people.
    pub description: Option<Spanned<String>>,
    /// The team that owns it. Default: the project's.
    #[schemars(extend("x-dpc-also" = ["team"]))]
    pub owner: Option<Spanned<String>>,
    /// Tags of the stack and of its clusters.
    #[serde(default)]
    #[schemars(schema_with = "crate::source::spanned::scalars")]
    pub tags: SpannedMap<Spanned<String>>,
    /// The logical date of a run. Default: by day, UTC, no offset.
    pub partition: Option<Spanned<Partition>>,
    /// Values that a caller may give, for `{{ params.name }}`.
    #[serde(default)]
    pub params: SpannedMap<Spanned<Param>>,
    /// Precondition of a run, looked at when it is asked for: one `{{ }}` that is true or false. When it is false, the run
    /// is recorded as SKIPPED and nothing starts.
    pub when: Option<Spanned<String>>,
    /// What a run does while one of another partition is at work: allow, skip, queue or latest. Default: queue. Runs of
    /// one partition never overlap.
    #[schemars(transform = hints::words(&["queue", "latest", "skip", "allow"]), transform = hints::default("queue"))]
    pub overlap: Option<Spanned<String>>,
    /// What starts it; `dpc run` always can.
    pub triggers: Option<Spanned<Triggers>>,
    /// Compute profiles by name.
    #[serde(default)]
    pub compute: SpannedMap<Spanned<Compute>>,
    /// The work, a graph by `needs`.
    pub steps: Spanned<Vec<Spanned<Step>>>,
    /// Whether the first failed step cancels the ones beside it. Default false: they finish, and only what needs the
    /// failed one is blocked.
    #[schemars(transform = hints::default(false))]
    pub fail_fast: Option<Spanned<bool>>,
    /// How long a run may take: `45m`, `6h`, `2d`. After that its steps are cancelled, clusters are released, and the run
    /// ends TIMED_OUT.
    #[schemars(transform = hints::duration)]
    pub timeout: Option<Spanned<String>>,
    /// What the pipeline's compute may touch beside its artifacts and its logs.
    pub access: Option<Spanned<Access>>,
    /// Who hears of a run's end.
    #[serde(default)]
    pub alerts: Vec<Spanned<Alert>>,
    /// Under which roles it works. Default: roles of its own.
    #[schemars(extend("x-dpc-also" = ["roles"]))]
    pub iam: Option<Spanned<PipelineIam>>,
    /// What the environment demands of roles.
    #[serde(skip)]
    #[schemars(skip)]
    pub demands: Iam,
    /// CloudFormation resources of your own, by logical id.
    #[serde(default)]
    pub resources: SpannedMap<Spanned<RawResource>>,
    /// Changes of the generated template, RFC 6902.
    #[serde(default)]
    pub overrides: Vec<Spanned<Override>>,
}

impl Manifest {
    /// Every step with its needs, in the order written; those inside a map are the map's own affair.
    pub fn graph(&self) -> Vec<(String, Vec<String>)> {
        graph_of(&self.steps.value)
    }

    /// Every step, those inside a map after it.
    pub fn all_steps(&self) -> impl Iterator<Item = &Spanned<Step>> {
        self.steps
            .value
            .iter()
            .flat_map(|step| std::iter::once(step).chain(step.map.iter().flat_map(|map| map.steps.value.iter())))
    }

    /// The profile that a step runs on: the one that it names, or the only one.
    pub fn profile_of(&self, step: &Step) -> Option<(&Spanned<String>, &Spanned<Compute>)> {
        let mut profiles = self.compute.iter();
        match &step.compute {
            Some(named) => profiles.find(|(name, _)| name.value == named.value),
            None => profiles.next().filter(|_| self.compute.len() == 1),
        }
    }
}

/// Steps with their needs, in the order written.
pub fn graph_of(steps: &[Spanned<Step>]) -> Vec<(String, Vec<String>)> {
    let needs = |step: &Step| step.needs.iter().map(|need| need.value.step.clone()).collect();
    steps.iter().map(|step| (step.name.value.clone(), needs(&step.value))).collect()
}

/// How a time becomes the partition that a run produces.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Partition {
    /// none, hour, day, week, month or year.
    #[schemars(transform = hints::words(&Granularity::ALL.map(Granularity::as_str)))]
    pub by: Spanned<String>,
    /// Shift of the scheduled time, in whole units: `-1d` for the day before.
    #[schemars(transform = hints::form("^-?[0-9]+[a-z]+$", &["-1d", "-1h"]))]
    pub offset: Option<Spanned<String>>,
    /// IANA zone of the calendar. Default: UTC.
    #[schemars(extend("x-dpc-also" = ["zone", "tz"]))]
    pub timezone: Option<Spanned<String>>,
    /// For `events`: a template that names the partition, `{{ event.detail.date }}`. Default: the event's time.
    pub from: Option<Spanned<String>>,
}

/// A value that a caller may give.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Param {
    /// string, int, number, bool, date, list or enum.
    #[serde(rename = "type")]
    #[schemars(transform = hints::words(&Type::ALL.map(Type::as_str)))]
    pub kind: Spanned<String>,
    /// For people.
    pub description: Option<Spanned<String>>,
    /// Used when the caller gives none. Required for a pipeline with a schedule, which gives none. May hold `{{ run.… }}`.
    pub default: Option<Spanned<Texts>>,
    /// What an enum may be.
    pub values: Option<Spanned<Vec<Spanned<Scalar>>>>,
    /// Type of a list's items: string, int, number, bool or date. Default: string.
    #[schemars(transform = hints::words(&["string", "int", "number", "bool", "date"]), transform = hints::default("string"))]
    pub items: Option<Spanned<String>>,
    /// Whether a caller must give a value. Default: true, unless there is a default.
    pub required: Option<Spanned<bool>>,
    /// Defaults of single environments, by the environment's name; the others have `default`.
    #[serde(default)]
    pub environments: SpannedMap<Spanned<Texts>>,
}

impl Param {
    /// With the default that one environment has.
    pub fn choose(&mut self, environment: &str) {
        if let Some(own) = self.environments.get(environment) {
            self.default = Some(own.clone());
        }
    }

    /// What it is declared to be; `None` for a type that there is not.
    pub fn declared(&self) -> Option<Declared> {
        let items = self.items.as_ref().map_or(Some(Type::String), |items| Type::parse(items))?;
        let values = self.values.iter().flat_map(|values| &values.value).map(|value| value.value.0.clone());
        Some(Declared { kind: Type::parse(&self.kind)?, items, values: values.collect() })
    }
}

/// What the pipeline's compute may touch.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Access {
    /// S3 locations to read: `s3://bucket/prefix/*`.
    #[serde(default)]
    pub read: Vec<Spanned<Location>>,
    /// S3 locations to write and delete.
    #[serde(default)]
    pub write: Vec<Spanned<Location>>,
    /// Names of Secrets Manager secrets that it may read.
    #[serde(default)]
    pub secrets: Vec<Spanned<String>>,
}
