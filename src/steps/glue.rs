//! `glue`: a run of a Glue job, which exists already; the step ends when the run has ended. It puts nothing out.
//!
//! Failures: a run that failed, timed out or was stopped is `States.TaskFailed`, its cause Glue's description of the run;
//! `Glue.ConcurrentRunsExceededException` says that the job's `MaxConcurrentRuns` run already, `Glue.InvalidInputException` and
//! `Glue.EntityNotFoundException` that no other try will help.

use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::{Argument, Bench, Kind, KindOfStep, Output, RunsOn, Work};
use crate::compute::emr::not_a_duration;
use crate::control::duration::Duration;
use crate::control::names;
use crate::documents::integration::Integration;
use crate::documents::policy::Statement;
use crate::documents::template::sub;
use crate::source::schema::hints;
use crate::source::{Code, Finding, Findings, Span, Spanned, SpannedMap};

/// Runs a Glue job and waits for its end.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Glue {
    /// Name of the job, in this account.
    pub job: Spanned<String>,
    /// Arguments of this run, as Glue takes them: `--date: "{{ run.partition }}"`. They win over the job's own.
    #[serde(default)]
    #[schemars(schema_with = "crate::source::spanned::scalars")]
    pub arguments: SpannedMap<Spanned<String>>,
    /// Size of the workers: `G.1X`, `G.2X`. Needs `workers`. Default: the job's.
    #[schemars(transform = hints::words(WORKER_TYPES))]
    pub worker_type: Option<Spanned<String>>,
    /// Number of workers. Needs `workerType`. Default: the job's.
    pub workers: Option<Spanned<u32>>,
    /// Data processing units, for jobs that have no workers: 0.0625 or 1 for a Python shell. Default: the job's.
    pub max_capacity: Option<Spanned<f64>>,
    /// STANDARD, or FLEX: cheaper, starts when there is room. Default: the job's.
    pub execution_class: Option<Spanned<ExecutionClass>>,
    /// Name of a Glue security configuration. Default: the job's.
    pub security_configuration: Option<Spanned<String>>,
    /// How long the run may take, in whole minutes: `90m`. Default: the job's.
    #[schemars(transform = hints::duration)]
    pub timeout: Option<Spanned<String>>,
}

/// Whether a run gets its workers at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
pub enum ExecutionClass {
    /// At once.
    #[serde(rename = "STANDARD")]
    Standard,
    /// When there is room.
    #[serde(rename = "FLEX")]
    Flex,
}

/// See [`super::KINDS`].
pub const KIND: KindOfStep = KindOfStep { key: "glue", templates: &["arguments.*"], integrations: &[START_JOB_RUN] };

/// <https://docs.aws.amazon.com/step-functions/latest/dg/connect-glue.html>,
/// <https://docs.aws.amazon.com/glue/latest/webapi/API_StartJobRun.html>
const START_JOB_RUN: Integration = Integration {
    name: "glue:startJobRun.sync",
    required: &["JobName"],
    optional: &[
        "Arguments",
        "WorkerType",
        "NumberOfWorkers",
        "MaxCapacity",
        "ExecutionClass",
        "SecurityConfiguration",
        "Timeout",
    ],
    permissions: |_| Vec::new(),
};

/// <https://docs.aws.amazon.com/glue/latest/webapi/API_StartJobRun.html>, "WorkerType"
const WORKER_TYPES: &[&str] =
    &["Standard", "G.025X", "G.1X", "G.2X", "G.4X", "G.8X", "G.12X", "G.16X", "R.1X", "R.2X", "R.4X", "R.8X", "Z.2X"];

/// Arguments that are Glue's own:
/// <https://docs.aws.amazon.com/glue/latest/dg/aws-glue-programming-etl-glue-arguments.html>.
const RESERVED: &[&str] = &["--debug", "--mode", "--JOB_NAME", "--JOB_RUN_ID"];

/// Seven days: <https://docs.aws.amazon.com/glue/latest/webapi/API_StartJobRun.html>, "Timeout".
const LONGEST: Duration = Duration(7 * 86_400);

impl Kind for Glue {
    fn check(&self, findings: &mut Findings) {
        if !is_job(&self.job) {
            findings.push(not_a_job(&self.job));
        }
        for (key, _) in self.arguments.iter() {
            check_argument(key, findings);
        }
        self.check_capacity(findings);
        if let Some(timeout) = &self.timeout {
            check_timeout(timeout, findings);
        }
    }

    fn runs_on(&self) -> RunsOn {
        RunsOn::Nothing
    }

    fn output(&self) -> Output {
        Output::None
    }

    fn texts(&self) -> Vec<&Spanned<String>> {
        self.arguments.iter().map(|(_, value)| value).collect()
    }

    fn work(&self, bench: &mut Bench<'_>) -> Option<Work> {
        let mut arguments = Map::from_iter([("JobName".to_owned(), json!(self.job.value))]);
        let mut add = |key: &str, value: Option<Value>| {
            arguments.extend(value.map(|value| (key.to_owned(), value)));
        };
        let given = self.arguments.iter().map(|(key, text)| (key.value.clone(), Argument::Users(text.value.clone())));
        let given = bench.texts("arguments", given.collect());
        add("Arguments", (!given.is_empty()).then_some(Value::Object(given)));
        add("WorkerType", self.worker_type.as_ref().map(|kind| json!(kind.value)));
        add("NumberOfWorkers", self.workers.as_ref().map(|workers| json!(workers.value)));
        add("MaxCapacity", self.max_capacity.as_ref().map(|capacity| json!(capacity.value)));
        add(
            "ExecutionClass",
            self.execution_class.as_ref().map(|class| match class.value {
                ExecutionClass::Standard => json!("STANDARD"),
                ExecutionClass::Flex => json!("FLEX"),
            }),
        );
        let configuration = self.security_configuration.as_ref();
        add("SecurityConfiguration", configuration.map(|name| json!(crate::documents::states::text(&name.value))));
        let minutes = self.timeout.as_ref().and_then(|timeout| Duration::parse(timeout));
        add("Timeout", minutes.map(|timeout| json!(timeout.seconds() / 60)));
        // https://docs.aws.amazon.com/step-functions/latest/dg/glue-iam.html
        let job = sub(names::arn("glue", &format!("job/{}", self.job.value)));
        let actions = ["glue:BatchStopJobRun", "glue:GetJobRun", "glue:GetJobRuns", "glue:StartJobRun"];
        bench.statements.push(Statement::allow("RunGlueJobs", &actions).on(job));
        Some(Work::Task(Box::new(START_JOB_RUN.task(arguments))))
    }
}

impl Glue {
    /// Workers by size and number, or units: Glue takes one of the two.
    fn check_capacity(&self, findings: &mut Findings) {
        let at = |span, message: &str| Finding::at(Code::BadGlueRun, span, message, "");
        match (&self.worker_type, &self.workers) {
            (Some(only), None) => {
                let finding = at(only.span, "`workerType` stands without `workers`");
                findings.push(finding.why("Glue takes both or neither").help("add `workers: 10`, or remove it"));
            }
            (None, Some(only)) => {
                let finding = at(only.span, "`workers` stands without `workerType`");
                findings.push(finding.why("Glue takes both or neither").help("add `workerType: G.1X`, or remove it"));
            }
            (Some(_), Some(_)) | (None, None) => {}
        }
        if let (Some(capacity), Some(workers)) =
            (&self.max_capacity, self.workers.as_ref().map(|workers| workers.span).or(self.worker_span()))
        {
            findings.push(
                at(capacity.span, "`maxCapacity` and workers exclude each other")
                    .and(workers, "the workers")
                    .why("Glue takes units for jobs without workers, and workers for all others")
                    .help("keep one of them"),
            );
        }
        if let Some(kind) = self.worker_type.as_ref().filter(|kind| !WORKER_TYPES.contains(&kind.as_str())) {
            let finding = at(kind.span, &format!("`{}` is not a type of workers", kind.value));
            let near = crate::source::suggest::near(kind, WORKER_TYPES.iter().copied());
            findings.push(match near {
                Some(near) => finding.fix(kind.span, near, format!("did you mean `{near}`?")),
                None => finding.help("write one such as `G.1X`, `G.2X` or `R.1X`"),
            });
        }
        if let Some(workers) = self.workers.as_ref().filter(|workers| workers.value == 0) {
            findings.push(at(workers.span, "`workers` must be at least 1"));
        }
        if let Some(capacity) =
            self.max_capacity.as_ref().filter(|capacity| capacity.value.is_nan() || capacity.value <= 0.0)
        {
            findings.push(at(capacity.span, "`maxCapacity` must be above 0").help("a Python shell takes 0.0625 or 1"));
        }
    }

    fn worker_span(&self) -> Option<Span> {
        self.worker_type.as_ref().map(|kind| kind.span)
    }
}

/// <https://docs.aws.amazon.com/glue/latest/webapi/API_CreateJob.html> takes more; what a policy could not name is left out.
fn is_job(name: &str) -> bool {
    let plain = |letter: char| letter.is_ascii_alphanumeric() || " _-.+=@()".contains(letter);
    (1..=255).contains(&name.len()) && name.trim() == name && name.chars().all(plain)
}

fn not_a_job(job: &Spanned<String>) -> Finding {
    let finding = Finding::at(Code::BadGlueRun, job.span, format!("`{}` is not the name of a Glue job", job.value), "");
    let last = job.rsplit('/').next().unwrap_or_default();
    if job.starts_with("arn:") && is_job(last) {
        return finding.why("templates hold no account number").fix(job.span, last, "write only its name");
    }
    finding
        .why("the permission to run it names it, so no `*`, `$` or `/` can stand in it")
        .help("write the name that Glue shows")
}

fn check_argument(key: &Spanned<String>, findings: &mut Findings) {
    let at = |message: String| Finding::at(Code::BadGlueRun, key.span, message, "");
    if RESERVED.contains(&key.as_str()) {
        let finding = at(format!("`{}` is Glue's own", key.value));
        findings.push(
            finding.why("Glue sets it for itself, and a second value breaks the run").help("choose another name"),
        );
    } else if !key.starts_with("--") || key.len() < 3 {
        let meant = format!("--{}", key.trim_start_matches('-'));
        let finding =
            at(format!("`{}` is not an argument of a Glue job", key.value)).why("Glue's arguments begin with `--`");
        findings.push(finding.fix(key.span, meant.clone(), format!("write `{meant}`")));
    } else if key.contains("${") || key.contains(char::is_whitespace) {
        findings.push(
            at(format!("`{}` is not an argument of a Glue job", key.value))
                .help("write a name without blanks and `${`"),
        );
    }
}

fn check_timeout(timeout: &Spanned<String>, findings: &mut Findings) {
    match Duration::parse(timeout) {
        None => findings.push(not_a_duration(timeout)),
        Some(duration) if duration < Duration::MINUTE || duration > LONGEST => {
            let message = format!("`timeout` must lie between {} and {LONGEST}", Duration::MINUTE);
            findings.push(Finding::at(Code::DurationOutOfRange, timeout.span, message, ""));
        }
        Some(duration) if duration.seconds() % 60 != 0 => findings.push(
            Finding::at(Code::DurationOutOfRange, timeout.span, "`timeout` must be whole minutes", "")
                .why("Glue counts in minutes"),
        ),
        Some(_) => {}
    }
}
