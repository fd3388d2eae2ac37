//! `emrServerless`: an application of EMR Serverless, which starts by itself when a job comes and stops when none does.
//!
//! In come a profile and a [`Job`]; out come the application, the state that runs the job, and what the state machine must be
//! allowed for it. It refuses to know what the job computes.
//! <https://docs.aws.amazon.com/step-functions/latest/dg/connect-emr-serverless.html>

use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::ecs::Architecture;
use super::emr::check::{range, serverless_release};
use super::emr::network::check_id;
use super::{Host, Kind, Request};
use crate::control::duration::Duration;
use crate::control::names;
use crate::documents::frame;
use crate::documents::integration::Integration;
use crate::documents::policy::Statement;
use crate::documents::states::{Task, code, quoted};
use crate::documents::template::{Resource, attribute, sub};
use crate::source::schema::hints;
use crate::source::{Code, Finding, Findings, Spanned};

/// An application of EMR Serverless: one that dpc makes, or one that exists.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Serverless {
    /// Id of an application that exists, in place of all the rest.
    #[schemars(extend("x-dpc-also" = ["applicationId"]))]
    pub application: Option<Spanned<String>>,
    /// The EMR release: `emr-7.5.0`.
    #[schemars(transform = hints::form("^emr-[0-9]+[.][0-9]+[.][0-9]+$", &["emr-7.5.0"]))]
    pub release: Option<Spanned<String>>,
    /// `x86_64` or `arm64`. Default `x86_64`.
    pub architecture: Option<Spanned<Architecture>>,
    /// The most that all jobs together may use. Default: the account's quota.
    pub maximum_capacity: Option<Spanned<Capacity>>,
    /// Workers that are kept ready while the application is started, so that jobs begin at once. They cost money.
    pub initial_capacity: Option<Spanned<InitialCapacity>>,
    /// The application stops after this much idleness: `1m` to `7d`. Default `15m`.
    #[schemars(transform = hints::duration, transform = hints::default("15m"))]
    pub idle_timeout: Option<Spanned<String>>,
    /// Subnets, for jobs that must reach into a VPC. Default: none; jobs reach S3 and no network.
    #[serde(default)]
    pub subnets: Vec<Spanned<String>>,
    /// Security groups; they go with `subnets`.
    #[serde(default)]
    pub security_groups: Vec<Spanned<String>>,
}

/// An amount of processors, memory and disk.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Capacity {
    /// Processors.
    #[schemars(extend("x-dpc-also" = ["vcpu", "vCpu"]))]
    pub cpu: Spanned<u32>,
    /// Memory in GB.
    pub memory: Spanned<u32>,
    /// Disk in GB.
    pub disk: Option<Spanned<u32>>,
}

/// Workers that are kept ready.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct InitialCapacity {
    /// For drivers: one a job.
    pub driver: Option<Spanned<Workers>>,
    /// For executors.
    pub executor: Option<Spanned<Workers>>,
}

/// Workers that are alike.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Workers {
    /// How many.
    pub count: Spanned<u32>,
    /// Processors of each: 1, 2, 4, 8 or 16.
    pub cpu: Spanned<u32>,
    /// Memory of each in GB.
    pub memory: Spanned<u32>,
    /// Disk of each in GB, 20 to 200.
    pub disk: Option<Spanned<u32>>,
}

/// Processors of a worker, and its least and most memory in GB:
/// <https://docs.aws.amazon.com/emr/latest/EMR-Serverless-UserGuide/app-behavior.html>, "Worker configurations".
const WORKERS: [(u32, u32, u32); 5] = [(1, 2, 8), (2, 4, 16), (4, 8, 30), (8, 16, 60), (16, 32, 120)];

impl Kind for Serverless {
    fn key(&self) -> &'static str {
        "emrServerless"
    }

    fn host(&self) -> Host {
        Host::EmrServerless
    }

    fn check(&self, findings: &mut Findings) {
        self.check_choice(findings);
        if let Some(release) = &self.release {
            serverless_release(release, findings);
        }
        if let Some(id) = &self.application {
            // https://docs.aws.amazon.com/emr-serverless/latest/APIReference/API_GetApplication.html
            let plain = id.bytes().all(|byte| byte.is_ascii_digit() || byte.is_ascii_lowercase());
            if !plain || !(1..=64).contains(&id.len()) {
                findings.push(
                    Finding::at(
                        Code::BadApplication,
                        id.span,
                        format!("`{}` is not the id of an application", id.value),
                        "",
                    )
                    .help(
                        "write the id that `aws emr-serverless list-applications` prints, such as `00fabc123def4567`",
                    ),
                );
            }
        }
        if let Some(idle) = &self.idle_timeout {
            super::emr::check::idle_timeout(idle, findings);
        }
        let initial = self.initial_capacity.as_ref();
        let workers = initial.map(|initial| [initial.driver.as_ref(), initial.executor.as_ref()]);
        for workers in workers.into_iter().flatten().flatten() {
            workers.check(findings);
        }
        self.check_network(findings);
        self.check_capacity(findings);
    }

    fn resources(&self, request: &Request<'_>) -> Vec<(String, Resource)> {
        let Some(release) = &self.release else { return Vec::new() };
        vec![(frame::logical_id("Application", request.profile), self.made(request, release))]
    }
}

impl Serverless {
    /// An application that exists, or a release; of the rest nothing beside an application that exists.
    fn check_choice(&self, findings: &mut Findings) {
        let rest = [
            ("release", self.release.as_ref().map(|it| it.span)),
            ("architecture", self.architecture.as_ref().map(|it| it.span)),
            ("maximumCapacity", self.maximum_capacity.as_ref().map(|it| it.span)),
            ("initialCapacity", self.initial_capacity.as_ref().map(|it| it.span)),
            ("idleTimeout", self.idle_timeout.as_ref().map(|it| it.span)),
            ("subnets", self.subnets.first().map(|it| it.span)),
            ("securityGroups", self.security_groups.first().map(|it| it.span)),
        ];
        let mut rest = rest.into_iter().filter_map(|(key, span)| Some((key, span?)));
        match (&self.application, rest.next()) {
            (Some(id), Some((key, span))) => findings.push(
                Finding::at(Code::BadApplication, span, format!("`{key}` of an application that exists"), "")
                    .and(id.span, "the application")
                    .why("dpc changes nothing that it did not make")
                    .help(format!("remove `{key}`, or remove `application` to let dpc make one")),
            ),
            (None, first) if self.release.is_none() => {
                if let Some((_, span)) = first {
                    findings.push(
                        Finding::at(Code::BadApplication, span, "the application has no release", "")
                            .help("add `release: emr-7.5.0`"),
                    );
                }
            }
            (Some(_), None) | (None, _) => {}
        }
    }

    fn check_network(&self, findings: &mut Findings) {
        for subnet in &self.subnets {
            check_id(subnet, "subnet-", "a subnet", findings);
        }
        for group in &self.security_groups {
            check_id(group, "sg-", "a security group", findings);
        }
        let lonely = match (self.subnets.first(), self.security_groups.first()) {
            (Some(subnet), None) => Some(subnet),
            (None, Some(group)) => Some(group),
            (Some(_), Some(_)) | (None, None) => None,
        };
        if let Some(lonely) = lonely {
            findings.push(
                Finding::at(Code::BadNetwork, lonely.span, "`subnets` and `securityGroups` go together", "")
                    .why("EMR Serverless takes both or neither")
                    .help("add the other, or remove both"),
            );
        }
    }

    /// What is kept ready is part of what there may be at most.
    fn check_capacity(&self, findings: &mut Findings) {
        let (Some(most), Some(initial)) = (&self.maximum_capacity, &self.initial_capacity) else { return };
        let all = [initial.driver.as_ref(), initial.executor.as_ref()];
        let sum = |part: fn(&Workers) -> u32| -> u32 {
            all.iter().flatten().map(|workers| workers.count.value.saturating_mul(part(workers))).sum()
        };
        let parts = [
            ("cpu", sum(|workers| workers.cpu.value), &most.cpu),
            ("memory", sum(|workers| workers.memory.value), &most.memory),
        ];
        for (key, ready, most) in parts.into_iter().filter(|(_, ready, most)| *ready > most.value) {
            let message = format!("`{key}` of `maximumCapacity` is {}, less than the {ready} kept ready", most.value);
            findings.push(Finding::at(Code::BadSize, most.span, message, "").and(initial.span, "kept ready"));
        }
    }

    /// The application that dpc makes. Its log is every job's own matter: see [`Job::task`].
    fn made(&self, request: &Request<'_>, release: &Spanned<String>) -> Resource {
        let mut name = format!("dpc-{}-{}", request.pipeline, request.profile);
        // https://docs.aws.amazon.com/emr-serverless/latest/APIReference/API_CreateApplication.html: 64 characters; names
        // need not be unique.
        name.truncate(64);
        let architecture = self.architecture.as_ref().map_or(Architecture::default(), |it| it.value);
        let idle = self.idle_timeout.as_ref().and_then(|idle| Duration::parse(idle));
        let mut made = Map::new();
        let mut put = |key: &str, value: Value| {
            made.insert(key.to_owned(), value);
        };
        put("Name", json!(name));
        put("Type", json!("SPARK"));
        put("ReleaseLabel", json!(release.value));
        put("Architecture", json!(architecture.name()));
        put("AutoStartConfiguration", json!({ "Enabled": true }));
        let minutes = idle.map_or(15, |idle| idle.seconds().div_ceil(60));
        put("AutoStopConfiguration", json!({ "Enabled": true, "IdleTimeoutMinutes": minutes }));
        if let Some(most) = &self.maximum_capacity {
            put("MaximumCapacity", amounts(most.cpu.value, most.memory.value, most.disk.as_ref()));
        }
        if let Some(initial) = &self.initial_capacity {
            let kinds = [("Driver", &initial.driver), ("Executor", &initial.executor)];
            let kept = kinds.into_iter().filter_map(|(key, workers)| Some((key, workers.as_ref()?)));
            let kept = kept.map(|(key, workers)| {
                let one = amounts(workers.cpu.value, workers.memory.value, workers.disk.as_ref());
                json!({ "Key": key, "Value": { "WorkerCount": workers.count.value, "WorkerConfiguration": one } })
            });
            put("InitialCapacity", kept.collect());
        }
        if !self.subnets.is_empty() {
            let ids = |list: &[Spanned<String>]| json!(list.iter().map(|id| id.value.as_str()).collect::<Vec<_>>());
            put(
                "NetworkConfiguration",
                json!({ "SubnetIds": ids(&self.subnets), "SecurityGroupIds": ids(&self.security_groups) }),
            );
        }
        let purpose = format!("The application of profile `{}`", request.profile);
        Resource::new("AWS::EMRServerless::Application", purpose, Value::Object(made))
    }
}

fn amounts(cpu: u32, memory: u32, disk: Option<&Spanned<u32>>) -> Value {
    let mut amounts = json!({ "Cpu": format!("{cpu} vCPU"), "Memory": format!("{memory} GB") });
    if let (Some(amounts), Some(disk)) = (amounts.as_object_mut(), disk) {
        amounts.insert("Disk".to_owned(), json!(format!("{} GB", disk.value)));
    }
    amounts
}

impl Workers {
    fn check(&self, findings: &mut Findings) {
        range(Code::BadSize, "`count` of workers", &self.count, 1..=1_000_000, "", findings);
        if let Some(disk) = &self.disk {
            range(Code::BadSize, "`disk` of a worker", disk, 20..=200, "GB", findings);
        }
        match WORKERS.iter().find(|(cpu, ..)| *cpu == self.cpu.value) {
            None => findings.push(
                Finding::at(Code::BadSize, self.cpu.span, format!("no worker has {} processors", self.cpu.value), "")
                    .help("write 1, 2, 4, 8 or 16"),
            ),
            Some((_, least, most)) => {
                let what = format!("`memory` of a worker with {} vCPU", self.cpu.value);
                range(Code::BadSize, &what, &self.memory, *least..=*most, "GB", findings);
            }
        }
    }
}

/// A job that does the work of one step.
#[derive(Clone, Debug)]
pub struct Job<'a> {
    /// The pipeline's name.
    pub pipeline: &'a str,
    /// The step's name.
    pub step: &'a str,
    /// The name of its profile.
    pub name: &'a str,
    /// The profile.
    pub profile: &'a Serverless,
    /// Key of the program in the account's bucket.
    pub entrypoint: &'a str,
    /// The main class.
    pub class: Option<&'a str>,
}

impl Job<'_> {
    /// Its application's id: text, or the substitution that stands for it.
    fn application(&self) -> String {
        match &self.profile.application {
            Some(id) => id.value.clone(),
            None => frame::substitution(&frame::logical_id("Application", self.name)),
        }
    }

    /// The state that runs it. `arguments` and `properties` are arguments of a state: text or code.
    pub fn task(&self, arguments: Value, properties: Value) -> Task {
        let bucket = frame::substitution(frame::BUCKET);
        let mut submit = Map::new();
        submit.insert("EntryPoint".to_owned(), json!(format!("s3://{bucket}/{}", self.entrypoint)));
        submit.insert("EntryPointArguments".to_owned(), arguments);
        // A class is letters, digits and dots, which a check holds it to: nothing that splits words.
        submit.extend(self.class.map(|class| ("SparkSubmitParameters".to_owned(), json!(format!("--class {class}")))));
        let name = format!("$states.context.Execution.Name & {}", quoted(&format!("/{}", self.step)));
        Task {
            comment: None,
            resource: START_JOB.resource(),
            arguments: json!({
                "ApplicationId": self.application(),
                "ExecutionRoleArn": frame::substitution(frame::COMPUTE_ROLE_ARN),
                // By this `dpc logs` and the account function find the jobs of a run.
                "Name": code(&name),
                "JobDriver": { "SparkSubmit": submit },
                "ConfigurationOverrides": {
                    "ApplicationConfiguration": [{ "Classification": "spark-defaults", "Properties": properties }],
                    "MonitoringConfiguration": {
                        // Nothing leaves the account: logs lie in its bucket, under its key.
                        "ManagedPersistenceMonitoringConfiguration": { "Enabled": false },
                        "S3MonitoringConfiguration": { "LogUri": frame::substitution(frame::LOG_URI) },
                    },
                },
                // A job ends by itself after 12 hours; the step's own `timeout` is what limits it.
                "ExecutionTimeoutMinutes": 0,
                "Tags": { names::PIPELINE_TAG: self.pipeline, names::RUN_TAG: code("$input.run.id") },
            }),
            timeout_seconds: None,
            retry: Vec::new(),
            catch: Vec::new(),
            assign: Map::new(),
            output: json!(code("$states.input")),
            next: String::new(),
        }
    }

    /// What the state machine must be allowed for it:
    /// <https://docs.aws.amazon.com/step-functions/latest/dg/emr-serverless-iam.html>.
    pub fn statements(&self) -> Vec<Statement> {
        let application = match &self.profile.application {
            Some(id) => sub(names::arn("emr-serverless", &format!("/applications/{}", id.value))),
            None => attribute(&frame::logical_id("Application", self.name), "Arn"),
        };
        let runs = match &self.profile.application {
            Some(id) => sub(names::arn("emr-serverless", &format!("/applications/{}/jobruns/*", id.value))),
            None => sub(format!("${{{}.Arn}}/jobruns/*", frame::logical_id("Application", self.name))),
        };
        vec![
            Statement::allow("StartJobs", &["emr-serverless:StartJobRun"]).on(application.clone()),
            Statement::allow("TagJobs", &["emr-serverless:TagResource"]).on(runs.clone()),
            Statement::allow("WatchJobs", &["emr-serverless:CancelJobRun", "emr-serverless:GetJobRun"]).on(runs),
            Statement::allow("HandRoleToJobs", &["iam:PassRole"]).on(attribute(frame::COMPUTE_ROLE, "Arn")).when(
                "StringEquals",
                "iam:PassedToService",
                "emr-serverless.amazonaws.com",
            ),
        ]
    }
}

/// The EMR Serverless integration; the permissions of one job are in [`Job::statements`].
pub const INTEGRATIONS: &[Integration] = &[START_JOB];

const START_JOB: Integration = Integration {
    name: "emr-serverless:startJobRun.sync",
    required: &["ApplicationId", "ExecutionRoleArn"],
    optional: &["Name", "JobDriver", "ConfigurationOverrides", "ExecutionTimeoutMinutes", "Tags"],
    permissions: |_| {
        vec![
            Statement::allow("HearOfJobs", &["events:DescribeRule", "events:PutRule", "events:PutTargets"])
                .on(sub(names::arn("events", "rule/StepFunctionsGetEventsForEMRServerlessJobRule"))),
        ]
    },
};
