//! `batch`: a job of AWS Batch, of a definition that exists already; the step ends when the job, or the last of an array, has
//! ended. It puts nothing out.
//!
//! Failures: a job that failed or was terminated is `States.TaskFailed`, its cause Batch's description of the job, with the
//! exit code; `Batch.ClientException` says that the request is wrong or the queue is closed, `Batch.ServerException` that
//! another try may help.

use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::{Argument, Bench, Kind, KindOfStep, Output, RunsOn, Work};
use crate::compute::emr::not_a_duration;
use crate::control::duration::Duration;
use crate::control::names;
use crate::documents::integration::Integration;
use crate::documents::policy::Statement;
use crate::documents::states::{self, code};
use crate::documents::template::sub;
use crate::source::schema::hints;
use crate::source::{Code, Finding, Findings, Spanned, SpannedMap};

/// Submits a job to AWS Batch and waits for its end.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Batch {
    /// Name or ARN of the job queue.
    pub queue: Spanned<String>,
    /// Name of the job definition, with `:revision` if one is meant, or its ARN.
    pub definition: Spanned<String>,
    /// Program and arguments, instead of the definition's. `{{ }}` is rendered when a run starts.
    pub command: Option<Spanned<Vec<Spanned<String>>>>,
    /// Environment variables of the container, beside the definition's.
    #[serde(default)]
    #[schemars(schema_with = "crate::source::spanned::scalars")]
    pub environment: SpannedMap<Spanned<String>>,
    /// Values for the `Ref::name` of the definition's command.
    #[serde(default)]
    #[schemars(schema_with = "crate::source::spanned::scalars")]
    pub parameters: SpannedMap<Spanned<String>>,
    /// Virtual CPUs: 0.25, 0.5, 1, 2 and more. Default: the definition's.
    pub cpu: Option<Spanned<f64>>,
    /// Memory in MiB: 2048. Default: the definition's.
    pub memory: Option<Spanned<u32>>,
    /// Number of GPUs. Default: the definition's.
    pub gpu: Option<Spanned<u32>>,
    /// How many jobs the array has, 2 to 10000; each finds its index in `AWS_BATCH_JOB_ARRAY_INDEX`. Default: one job, no array.
    pub array_size: Option<Spanned<u32>>,
    /// How often Batch tries a job, 1 to 10, the first try included. Default: the definition's.
    pub attempts: Option<Spanned<u32>>,
    /// How long one try may take, at least a minute. Default: the definition's.
    #[schemars(transform = hints::duration)]
    pub timeout: Option<Spanned<String>>,
    /// Tags of the job, beside the pipeline's.
    #[serde(default)]
    #[schemars(schema_with = "crate::source::spanned::scalars")]
    pub tags: SpannedMap<Spanned<String>>,
}

/// See [`super::KINDS`].
pub const KIND: KindOfStep = KindOfStep {
    key: "batch",
    templates: &["command.[]", "environment.*", "parameters.*"],
    integrations: &[SUBMIT_JOB],
};

/// <https://docs.aws.amazon.com/step-functions/latest/dg/connect-batch.html>,
/// <https://docs.aws.amazon.com/batch/latest/APIReference/API_SubmitJob.html>; permissions:
/// <https://docs.aws.amazon.com/step-functions/latest/dg/batch-iam.html>, with the resources of
/// <https://docs.aws.amazon.com/service-authorization/latest/reference/list_awsbatch.html>.
const SUBMIT_JOB: Integration = Integration {
    name: "batch:submitJob.sync",
    required: &["JobName", "JobQueue", "JobDefinition"],
    optional: &["ContainerOverrides", "Parameters", "ArrayProperties", "RetryStrategy", "Timeout", "Tags"],
    permissions,
};

fn permissions(_: &str) -> Vec<Statement> {
    let jobs = sub(names::arn("batch", "job/*"));
    vec![
        Statement::allow("TagAndStopBatchJobs", &["batch:TagResource", "batch:TerminateJob"]).on(jobs),
        Statement::allow("WatchBatchJobs", &["batch:DescribeJobs"]).everywhere("DescribeJobs takes no resource"),
        Statement::allow("HearOfBatchJobs", &["events:DescribeRule", "events:PutRule", "events:PutTargets"])
            .on(sub(names::arn("events", "rule/StepFunctionsGetEventsForBatchJobsRule"))),
    ]
}

impl Kind for Batch {
    fn check(&self, findings: &mut Findings) {
        for (text, kind, what) in
            [(&self.queue, "job-queue", "queue"), (&self.definition, "job-definition", "definition")]
        {
            if resource(text, kind).is_none() {
                findings.push(not_a_resource(text, kind, what));
            }
        }
        if let Some(command) = &self.command
            && command.first().is_none_or(|program| program.trim().is_empty())
        {
            let finding = Finding::at(Code::EmptyCommand, command.span, "`command` names no program", "");
            findings.push(finding.help("write program and arguments as a list, or leave it out for the definition's"));
        }
        for (key, _) in self.environment.iter() {
            if key.starts_with("AWS_BATCH") {
                let message = format!("`{}` is Batch's own", key.value);
                let finding = Finding::at(Code::BadVariableName, key.span, message, "");
                findings.push(
                    finding.why("Batch refuses variables that start with `AWS_BATCH`").help("choose another name"),
                );
            } else {
                super::shell::check_variable(key, key.span, findings);
            }
        }
        self.check_numbers(findings);
        if let Some(timeout) = &self.timeout {
            match Duration::parse(timeout) {
                None => findings.push(not_a_duration(timeout)),
                Some(duration) if duration < Duration::MINUTE => {
                    let message = format!("`timeout` must be at least {}", Duration::MINUTE);
                    findings.push(Finding::at(Code::DurationOutOfRange, timeout.span, message, ""));
                }
                Some(_) => {}
            }
        }
    }

    fn runs_on(&self) -> RunsOn {
        RunsOn::Nothing
    }

    fn output(&self) -> Output {
        Output::None
    }

    fn texts(&self) -> Vec<&Spanned<String>> {
        let maps = self.environment.iter().chain(self.parameters.iter()).map(|(_, value)| value);
        self.command.iter().flat_map(|command| &command.value).chain(maps).collect()
    }

    fn work(&self, bench: &mut Bench<'_>) -> Option<Work> {
        let mut arguments = Map::from_iter([
            ("JobName".to_owned(), json!(format!("{}-{}", bench.pipeline, bench.step))),
            ("JobQueue".to_owned(), json!(self.queue.value)),
            ("JobDefinition".to_owned(), json!(self.definition.value)),
        ]);
        let mut add = |key: &str, value: Option<Value>| {
            arguments.extend(value.map(|value| (key.to_owned(), value)));
        };
        add("ContainerOverrides", Some(self.overrides(bench)));
        let parameters = bench.texts("parameters", users(&self.parameters));
        add("Parameters", (!parameters.is_empty()).then_some(Value::Object(parameters)));
        add("ArrayProperties", self.array_size.as_ref().map(|size| json!({ "Size": size.value })));
        add("RetryStrategy", self.attempts.as_ref().map(|attempts| json!({ "Attempts": attempts.value })));
        let timeout = self.timeout.as_ref().and_then(|timeout| Duration::parse(timeout));
        add("Timeout", timeout.map(|timeout| json!({ "AttemptDurationSeconds": timeout.seconds() })));
        add("Tags", Some(self.tags(bench)));
        let submit = Statement::allow("SubmitBatchJobs", &["batch:SubmitJob"]);
        let submit = resource(&self.queue, "job-queue")?.into_iter().fold(submit, Statement::on);
        bench.statements.push(resource(&self.definition, "job-definition")?.into_iter().fold(submit, Statement::on));
        Some(Work::Task(Box::new(SUBMIT_JOB.task(arguments))))
    }
}

impl Batch {
    fn check_numbers(&self, findings: &mut Findings) {
        let mut refuse = |span, message: &str, help: &str| {
            findings.push(Finding::at(Code::BadBatchJob, span, message, "").help(help));
        };
        // https://docs.aws.amazon.com/batch/latest/APIReference/API_ResourceRequirement.html
        if let Some(cpu) = &self.cpu
            && !(cpu.value == 0.25 || cpu.value == 0.5 || (cpu.value >= 1.0 && cpu.value.fract() == 0.0))
        {
            refuse(
                cpu.span,
                &format!("a job cannot have {} virtual CPUs", cpu.value),
                "write 0.25, 0.5, or a whole number",
            );
        }
        if let Some(memory) = self.memory.as_ref().filter(|memory| memory.value < 4) {
            refuse(memory.span, "`memory` must be at least 4 MiB", "memory is counted in MiB: `memory: 2048` is 2 GiB");
        }
        if let Some(gpu) = self.gpu.as_ref().filter(|gpu| gpu.value == 0) {
            refuse(gpu.span, "`gpu` must be at least 1", "remove it for a job without GPUs");
        }
        if let Some(size) = self.array_size.as_ref().filter(|size| !(2..=10_000).contains(&size.value)) {
            refuse(size.span, "`arraySize` must lie between 2 and 10000", "remove it for a single job");
        }
        if let Some(attempts) = self.attempts.as_ref().filter(|attempts| !(1..=10).contains(&attempts.value)) {
            refuse(attempts.span, "`attempts` must lie between 1 and 10", "it counts the first try too");
        }
    }

    fn overrides(&self, bench: &mut Bench<'_>) -> Value {
        let own = |text: &str| Argument::Own(text.to_owned());
        let mut environment = vec![
            ("DPC_PIPELINE".to_owned(), own(bench.pipeline)),
            ("DPC_STEP".to_owned(), own(bench.step)),
            ("DPC_RUN".to_owned(), own("{{ run.id }}")),
            ("DPC_PARTITION".to_owned(), own("{{ run.partition }}")),
        ];
        environment.extend(users(&self.environment));
        let environment = bench.texts("environment", environment);
        let attempt =
            if bench.retried { code("$string($states.context.State.RetryCount + 1)") } else { "1".to_owned() };
        let environment = environment.into_iter().chain([("DPC_ATTEMPT".to_owned(), json!(attempt))]);
        let variables = environment.map(|(name, value)| json!({ "Name": name, "Value": value }));
        let mut overrides = Map::from_iter([("Environment".to_owned(), variables.collect())]);
        if let Some(command) = &self.command {
            let words = command.iter().map(|word| Argument::Users(word.value.clone())).collect();
            overrides.insert("Command".to_owned(), bench.words("command", words));
        }
        let needs = [
            ("VCPU", self.cpu.as_ref().map(|cpu| cpu.value.to_string())),
            ("MEMORY", self.memory.as_ref().map(|memory| memory.value.to_string())),
            ("GPU", self.gpu.as_ref().map(|gpu| gpu.value.to_string())),
        ];
        let needs = needs.into_iter().filter_map(|(kind, value)| Some(json!({ "Type": kind, "Value": value? })));
        let needs: Vec<Value> = needs.collect();
        if !needs.is_empty() {
            overrides.insert("ResourceRequirements".to_owned(), Value::Array(needs));
        }
        Value::Object(overrides)
    }

    /// Those by which dpc and IAM know whose it is, then the pipeline's and the step's own.
    fn tags(&self, bench: &Bench<'_>) -> Value {
        let users = bench.tags.iter().map(|(key, value)| (key.as_str(), value.as_str()));
        let steps = self.tags.iter().map(|(key, value)| (key.as_str(), value.as_str()));
        let given = users.chain(steps).map(|(key, value)| (key.to_owned(), json!(states::text(value))));
        let mut tags: Map<String, Value> = given.collect();
        tags.insert(names::PIPELINE_TAG.to_owned(), json!(bench.pipeline));
        tags.insert(names::RUN_TAG.to_owned(), json!(code("$input.run.id")));
        Value::Object(tags)
    }
}

fn users(map: &SpannedMap<Spanned<String>>) -> Vec<(String, Argument)> {
    map.iter().map(|(key, text)| (key.value.clone(), Argument::Users(text.value.clone()))).collect()
}

/// The resources that a policy names for a queue or a definition; `None` if it is neither a name nor an ARN. A definition
/// without a revision means its newest, and a policy sees that revision.
fn resource(text: &str, kind: &str) -> Option<Vec<Value>> {
    let revision = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let well_formed = |text: &str| {
        let (name, number) = text.split_once(':').map_or((text, None), |(name, number)| (name, Some(number)));
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
        let number = number.is_none_or(|number| kind == "job-definition" && revision(number));
        number && (1..=128).contains(&name.len()) && name.bytes().all(plain)
    };
    let (arn, name) = match text.strip_prefix("arn:aws:batch:") {
        None => (None, text),
        Some(rest) => {
            let mut parts = rest.splitn(3, ':');
            let (region, account, last) = (parts.next()?, parts.next()?, parts.next()?);
            let sound = region.split('-').count() == 3 && account.len() == 12 && revision(account);
            (Some(text), last.strip_prefix(kind)?.strip_prefix('/').filter(|_| sound)?)
        }
    };
    if !well_formed(name) {
        return None;
    }
    let of = |suffix: &str| match arn {
        Some(arn) => json!(format!("{arn}{suffix}")),
        None => sub(names::arn("batch", &format!("{kind}/{name}{suffix}"))),
    };
    let newest = kind == "job-definition" && !name.contains(':');
    Some(if newest { vec![of(""), of(":*")] } else { vec![of("")] })
}

fn not_a_resource(text: &Spanned<String>, kind: &str, what: &str) -> Finding {
    let message = format!("`{}` is not a job {what} of Batch", text.value);
    let example = if kind == "job-queue" { "nightly" } else { "crunch`, `crunch:7" };
    Finding::at(Code::BadBatchJob, text.span, message, "")
        .why("names have letters, digits, `-` and `_`; the permission to use it names it, so nothing else can stand in it")
        .help(format!("write `{example}`, or an ARN such as `arn:aws:batch:eu-central-1:111111111111:{kind}/name`"))
}

#[cfg(test)]
mod tests {
    use super::resource;

    #[test]
    fn queues_and_definitions_have_names_or_arns() {
        let count = |text: &str, kind: &str| resource(text, kind).map(|resources| resources.len());
        assert_eq!(count("nightly", "job-queue"), Some(1));
        assert_eq!(count("crunch", "job-definition"), Some(2));
        assert_eq!(count("crunch:7", "job-definition"), Some(1));
        assert_eq!(count("arn:aws:batch:eu-central-1:111111111111:job-queue/nightly", "job-queue"), Some(1));
        for (text, kind) in [
            ("", "job-queue"),
            ("nightly:1", "job-queue"),
            ("crunch:latest", "job-definition"),
            ("a b", "job-definition"),
            ("arn:aws:batch:eu-central-1:111111111111:job-queue/nightly", "job-definition"),
            ("arn:aws:batch:eu-central-1:1:job-queue/nightly", "job-queue"),
            ("*", "job-queue"),
        ] {
            assert_eq!(count(text, kind), None, "{text}");
        }
    }
}
