//! Step kinds: one file a kind, the whole of its compile time in it.
//!
//! In come steps as users wrote them; out come findings about their values, the task that each becomes, and the
//! arguments that are rendered when a run starts. This floor refuses to know the graph of steps and the template.

mod any;
mod asl;
pub mod batch;
mod bench;
pub mod container;
pub mod glue;
mod job;
pub mod lambda;
pub mod map;
mod need;
pub mod pipeline;
mod retry;
pub mod runner;
pub mod shell;
pub mod spark;
pub mod state;
pub mod uses;

use std::sync::Arc;

use schemars::JsonSchema;
use serde::Deserialize;

use crate::compute::emr::not_a_duration;
use crate::control::duration::Duration;
use crate::documents::integration::Integration;
use crate::documents::states::{Enclosed, Task};
use crate::source::schema::hints;
use crate::source::{self, Code, Finding, Findings, Span, Spanned, SpannedMap, Texts};

pub use bench::Bench;
pub use job::FromJob;
pub use need::{Need, OnSkip};
pub use retry::Retry;

/// One unit of work. Exactly one of the step kinds.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schemars(transform = hints::exactly_one(&KINDS.iter().map(|kind| kind.key).chain(["job"]).collect::<Vec<_>>()))]
pub struct Step {
    /// Unique in the pipeline: lower-case letters, digits and hyphens, at most 40 characters.
    #[schemars(transform = hints::name)]
    pub name: Spanned<String>,
    /// For people; shown in the console and by `dpc graph`.
    pub description: Option<Spanned<String>>,
    /// Steps that must have succeeded before this one starts.
    #[serde(default)]
    #[schemars(extend("x-dpc-also" = ["dependsOn", "after", "requires", "upstream", "runAfter"]))]
    pub needs: Vec<Spanned<Need>>,
    /// Whether the step runs: one `{{ }}` that yields true or false, rendered when a run starts, or the plain path of a
    /// flag in an earlier step's output. Steps that need a skipped one run all the same, unless they say `onSkip: skip`.
    #[schemars(extend("x-dpc-also" = ["if", "condition", "only"]))]
    pub when: Option<Spanned<String>>,
    /// Name of the compute profile; not needed when the pipeline has one.
    pub compute: Option<Spanned<String>>,
    /// What to do when the step fails.
    pub retry: Option<Spanned<Retry>>,
    /// How long one attempt may take: `45m`, `2h`, `1d`.
    #[schemars(transform = hints::duration)]
    pub timeout: Option<Spanned<String>>,
    /// Name of a job: the step does what `jobs/<name>.yaml` says.
    pub job: Option<Spanned<String>>,
    /// Values for the job's parameters; they may hold `{{ }}` of this pipeline.
    #[serde(default)]
    pub params: SpannedMap<Spanned<Texts>>,
    /// What the step keeps of its job.
    #[serde(skip)]
    #[schemars(skip)]
    pub from_job: Option<Arc<FromJob>>,
    /// Runs a Python file or a JAR with spark-submit.
    pub spark: Option<Spanned<spark::Spark>>,
    /// Runs a command in the unpacked pipeline folder.
    pub shell: Option<Spanned<shell::Shell>>,
    /// Runs an image on Fargate.
    pub container: Option<Spanned<container::Container>>,
    /// Invokes a Lambda function.
    pub lambda: Option<Spanned<lambda::Lambda>>,
    /// Runs steps once for each of many items.
    pub map: Option<Spanned<map::MapStep>>,
    /// Runs a Glue job.
    pub glue: Option<Spanned<glue::Glue>>,
    /// Submits a job to AWS Batch.
    pub batch: Option<Spanned<batch::Batch>>,
    /// Starts a run of another pipeline.
    pub pipeline: Option<Spanned<pipeline::PipelineStep>>,
    /// Runs one state in Amazon States Language.
    pub state: Option<Spanned<state::RawState>>,
    /// Runs a step type of your own: the path of its folder from this file, or an archive in S3 with its digest.
    pub uses: Option<Spanned<uses::Uses>>,
    /// What the step type is given, by the names of its parameters. Texts may hold `{{ }}`.
    #[schemars(extend("type" = "object"))]
    pub with: Option<Spanned<source::Tree>>,
}

/// What a kind of step must provide; the compiler asks for nothing else.
pub trait Kind {
    /// Reports values that AWS or the program would refuse.
    fn check(&self, findings: &mut Findings);

    /// The compute profiles that it can run on.
    fn runs_on(&self) -> RunsOn;

    /// Applications that the step's compute profile must install, where a profile installs any.
    fn applications(&self) -> &'static [&'static str] {
        &[]
    }

    /// What of its work others can read as `{{ steps.<name>.output }}`.
    fn output(&self) -> Output;

    /// Every text of the user's that may hold `{{ }}`: those at the places that [`KINDS`] names.
    fn texts(&self) -> Vec<&Spanned<String>>;

    /// The same for values of any shape.
    fn values(&self) -> Vec<&Spanned<source::Tree>> {
        Vec::new()
    }

    /// The steps inside it.
    fn inner(&self) -> &[Spanned<Step>] {
        &[]
    }

    /// What it becomes. Retry, time-out, catcher, output and next state are the caller's. `None` where the profile is of a
    /// kind that it cannot run on, which a rule reports.
    fn work(&self, bench: &mut Bench<'_>) -> Option<Work>;
}

/// The compute profiles that a kind can run on, by their keys in `compute`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RunsOn {
    /// It needs none, and a step of this kind that names one is wrong.
    Nothing,
    /// It needs one of these.
    OneOf(&'static [&'static str]),
    /// It takes one of these, or what the account has.
    MaybeOneOf(&'static [&'static str]),
}

impl RunsOn {
    /// The kinds of profile that are possible.
    pub fn possible(self) -> &'static [&'static str] {
        match self {
            RunsOn::Nothing => &[],
            RunsOn::OneOf(kinds) | RunsOn::MaybeOneOf(kinds) => kinds,
        }
    }
}

/// What others can read of a step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Output {
    /// Nothing.
    None,
    /// What it wrote to `$DPC_OUTPUT`; another state fetches it.
    File,
    /// What this expression makes of the state's result.
    Result(&'static str),
}

/// What a step becomes.
#[derive(Clone, Debug, PartialEq)]
pub enum Work {
    /// One task.
    Task(Box<Task>),
    /// States as a user wrote them.
    Enclosed(Box<Enclosed>),
    /// The steps inside it, for each of many items.
    Map(Box<map::MapWork>),
}

/// A kind of step: its key, and where in it texts may hold `{{ }}` (`[]` is any item, `*` any value, `**` anything below).
#[derive(Clone, Copy, Debug)]
pub struct KindOfStep {
    /// The key of a step that chooses it.
    pub key: &'static str,
    /// Places of templates, relative to that key's value.
    pub templates: &'static [&'static str],
    /// The Step Functions integrations that it uses.
    pub integrations: &'static [Integration],
}

/// Every kind of step. A new kind is a field of [`Step`], a line here, and a line in [`Step::kinds`].
pub const KINDS: &[KindOfStep] = &[
    spark::KIND,
    shell::KIND,
    container::KIND,
    lambda::KIND,
    glue::KIND,
    batch::KIND,
    pipeline::KIND,
    map::KIND,
    state::KIND,
    uses::KIND,
];

/// One argument.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Argument {
    /// dpc's own text: `${AWS::Region}` in it is CloudFormation's.
    Own(String),
    /// A user's: only `{{ }}` means anything in it.
    Users(String),
}

impl Argument {
    /// The text, whoever's it is.
    pub fn text(&self) -> &str {
        match self {
            Argument::Own(text) | Argument::Users(text) => text,
        }
    }
}

/// A value with texts in it, for a state's arguments.
#[derive(Clone, Debug, PartialEq)]
pub enum Tree {
    /// A text that may be a template.
    Text(Argument),
    /// A template that is one `{{ }}`, and stands for a value of any type.
    Typed(String),
    /// A number, a boolean or nothing.
    Fixed(serde_json::Value),
    /// A list.
    List(Vec<Tree>),
    /// A mapping in the order written.
    Map(Vec<(String, Tree)>),
}

/// Step Functions retries for at most a year, the longest that an execution lives:
/// <https://docs.aws.amazon.com/step-functions/latest/dg/service-quotas.html>.
const LONGEST: Duration = Duration(365 * 86_400);

/// Every text of a kind that may hold `{{ }}`, with its place.
pub fn templates(kind: &dyn Kind) -> Vec<Spanned<&str>> {
    let named = kind.texts().into_iter().map(|text| Spanned::new(text.value.as_str(), text.span));
    named.chain(kind.values().into_iter().flat_map(any::texts)).collect()
}

impl Step {
    /// Every kind that the user has given, with its key and its place: more than one, or none, is a mistake.
    pub fn kinds(&self) -> Vec<(&'static str, Span, &dyn Kind)> {
        fn one<'a, K: Kind>(
            kind: &KindOfStep,
            given: Option<&'a Spanned<K>>,
        ) -> Option<(&'static str, Span, &'a dyn Kind)> {
            given.map(|given| (kind.key, given.span, &given.value as &dyn Kind))
        }
        [
            one(&spark::KIND, self.spark.as_ref()),
            one(&shell::KIND, self.shell.as_ref()),
            one(&container::KIND, self.container.as_ref()),
            one(&lambda::KIND, self.lambda.as_ref()),
            one(&glue::KIND, self.glue.as_ref()),
            one(&batch::KIND, self.batch.as_ref()),
            one(&pipeline::KIND, self.pipeline.as_ref()),
            one(&state::KIND, self.state.as_ref()),
            one(&uses::KIND, self.uses.as_ref()),
            one(&map::KIND, self.map.as_ref()),
        ]
        .into_iter()
        .flatten()
        .collect()
    }

    /// The kind that was chosen.
    pub fn kind(&self) -> Option<&dyn Kind> {
        self.kinds().first().map(|(_, _, kind)| *kind)
    }

    /// Reports values that AWS or the program would refuse.
    pub fn check(&self, findings: &mut Findings) {
        if let (Some(timeout), Some(state)) = (&self.timeout, &self.state)
            && !state.is_task()
        {
            findings.push(
                Finding::at(Code::BadState, timeout.span, "only a `Task` state has a `timeout`", "")
                    .help("put `TimeoutSeconds` into the tasks inside"),
            );
        }
        if let Some(timeout) = &self.timeout {
            duration(timeout, "timeout", Duration::MINUTE, findings);
        }
        if let (Some(timeout), Some(_)) = (&self.timeout, &self.map) {
            findings.push(
                Finding::at(Code::MapTimeout, timeout.span, "a `map` has no `timeout` of its own", "")
                    .why("Step Functions keeps time for tasks, and a map is none")
                    .help("give its steps a `timeout`, or the pipeline"),
            );
        }
        if let Some(retry) = &self.retry {
            retry.check(findings);
        }
        if let Some(kind) = self.kind() {
            kind.check(findings);
        }
    }

    /// What stands in the pipeline's file and may hold `{{ }}`, beside the kind: the values for the job, and `when` if it
    /// is not the job's.
    pub fn own_texts(&self) -> Vec<Spanned<&str>> {
        let mut texts = Vec::new();
        for (_, value) in self.params.iter() {
            match &value.value {
                Texts::One(text) => texts.push(Spanned::new(text.as_str(), value.span)),
                Texts::Many(items) => texts.extend(items.iter().map(|item| Spanned::new(item.as_str(), item.span))),
            }
        }
        let of_job = self.from_job.as_ref().is_some_and(|from| from.when);
        texts.extend(self.when.iter().filter(|_| !of_job).map(|when| Spanned::new(when.as_str(), when.span)));
        texts
    }

    /// How long one attempt may take, in seconds.
    pub fn timeout_seconds(&self) -> Option<u64> {
        self.timeout.as_ref().and_then(|timeout| Duration::parse(timeout)).map(Duration::seconds)
    }
}

/// A duration between `least` and the longest that an execution lives, or a finding.
pub fn duration(written: &Spanned<String>, key: &str, least: Duration, findings: &mut Findings) -> Option<Duration> {
    let Some(duration) = Duration::parse(written) else {
        findings.push(not_a_duration(written));
        return None;
    };
    if duration < least || duration > LONGEST {
        let message = format!("`{key}` must lie between {least} and {LONGEST}");
        findings.push(Finding::at(Code::DurationOutOfRange, written.span, message, ""));
        return None;
    }
    Some(duration)
}

/// The longest that all strings of a step of EMR may be together:
/// <https://docs.aws.amazon.com/emr/latest/APIReference/API_HadoopJarStepConfig.html>.
pub const ARGUMENTS_LIMIT: usize = 10_240;

/// Reports arguments of a step of this name that a service would refuse for their length.
pub fn check_length(arguments: &Tree, step: &Spanned<String>, limit: (&str, usize), findings: &mut Findings) {
    let (service, limit) = limit;
    let length = arguments.length();
    if length > limit {
        findings.push(
            Finding::at(
                Code::StepTooLong,
                step.span,
                format!("arguments of step `{}` have {length} characters", step.value),
                format!("{service} takes {limit}"),
            )
            .help("put long values into a file of the pipeline's folder and pass its name"),
        );
    }
}
