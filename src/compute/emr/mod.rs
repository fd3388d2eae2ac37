//! `emr`: a transient EMR cluster, created before the first step that needs it and terminated after the last.
//!
//! Step Functions watches clusters and steps by asking: every 60 seconds for ten minutes, then every 300 seconds
//! (<https://docs.aws.amazon.com/step-functions/latest/dg/connect-emr.html>), so a short step still takes a minute.

mod bootstrap;
pub(in crate::compute) mod check;
pub mod configurations;
pub mod fleets;
pub mod instances;
pub(in crate::compute) mod network;
mod permissions;
pub mod scaling;

use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Map, Value, json};

use crate::compute::{Host, Kind, Request, Transient};
use crate::control::duration::Duration;
use crate::control::names;
use crate::documents::frame;
use crate::documents::integration::Integration;
use crate::documents::policy::Statement;
use crate::documents::states::{self, Catcher, Retrier, Task, code};
use crate::documents::template::{attribute, sub};
use crate::source::schema::hints;
use crate::source::{Code, Finding, Findings, OneOrMany, Spanned, SpannedMap};

pub use permissions::{INTEGRATIONS, service_role};

/// A transient EMR cluster on EC2.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Emr {
    /// The EMR release: `emr-7.5.0`.
    #[schemars(transform = hints::form("^emr-[0-9]+[.][0-9]+[.][0-9]+$", &["emr-7.5.0"]))]
    pub release: Spanned<String>,
    /// Applications to install. Default: Spark.
    #[serde(default)]
    pub applications: Vec<Spanned<String>>,
    /// The primary node, as an instance group.
    pub primary: Option<Spanned<instances::Nodes>>,
    /// Core nodes; without them the primary node does the work.
    pub core: Option<Spanned<instances::Nodes>>,
    /// Task nodes, one group or several: they hold no data and may go at any time.
    #[serde(default)]
    pub task: OneOrMany<instances::Nodes>,
    /// Instance fleets, in place of `primary`, `core` and `task`.
    pub fleets: Option<Spanned<fleets::Fleets>>,
    /// Lets EMR add and remove core and task nodes.
    pub scaling: Option<Spanned<scaling::Scaling>>,
    /// Scripts that every node runs before the applications start.
    #[serde(default)]
    #[schemars(extend("x-dpc-also" = ["bootstrapActions"]))]
    pub bootstrap: Vec<Spanned<bootstrap::Bootstrap>>,
    /// Configurations of applications.
    #[serde(default)]
    pub configurations: Vec<Spanned<configurations::Configuration>>,
    /// How many steps run at once, 1 to 256. Default: as many as the pipeline can run at once.
    pub step_concurrency: Option<Spanned<u32>>,
    /// Where logs go: `s3://bucket/prefix/`. Default: the account's bucket, where `dpc logs` finds them.
    pub log_uri: Option<Spanned<String>>,
    /// Name of an EMR security configuration.
    pub security_configuration: Option<Spanned<String>>,
    /// Subnets in place of the account's: groups take them in turn, run by run, fleets choose among all.
    #[serde(default)]
    pub subnets: Vec<Spanned<String>>,
    /// Security groups in place of the account's.
    pub security_groups: Option<Spanned<network::SecurityGroups>>,
    /// The root volume of every instance.
    pub root_volume: Option<Spanned<network::RootVolume>>,
    /// Machine image of every instance.
    #[schemars(extend("x-dpc-also" = ["customAmiId", "ami"]))]
    pub custom_ami: Option<Spanned<String>>,
    /// Terminate the cluster after this much idleness, whatever else fails: `1m` to `7d`. Default `60m`.
    #[schemars(transform = hints::duration, transform = hints::default("60m"))]
    pub idle_timeout: Option<Spanned<String>>,
    /// Tags of this cluster, beside the pipeline's.
    #[serde(default)]
    #[schemars(schema_with = "crate::source::spanned::scalars")]
    pub tags: SpannedMap<Spanned<String>>,
}

/// The applications that a cluster installs.
pub(super) fn installed(emr: &Emr) -> Vec<&str> {
    if emr.applications.is_empty() {
        return vec!["Spark"];
    }
    emr.applications.iter().map(|application| application.value.as_str()).collect()
}

impl Kind for Emr {
    fn key(&self) -> &'static str {
        "emr"
    }

    fn host(&self) -> Host {
        Host::Ec2
    }

    fn check(&self, findings: &mut Findings) {
        check::release(&self.release, findings);
        check::applications(&self.applications, findings);
        self.check_composition(findings);
        instances::check(self, findings);
        if let Some(fleets) = &self.fleets {
            fleets.check(findings);
        }
        if let Some(scaling) = &self.scaling {
            scaling.check(self, findings);
        }
        bootstrap::check(&self.bootstrap, findings);
        configurations::check(&self.configurations, findings);
        network::check(self, findings);
        if let Some(idle) = &self.idle_timeout {
            check::idle_timeout(idle, findings);
        }
        if let Some(concurrency) = &self.step_concurrency {
            // https://docs.aws.amazon.com/emr/latest/APIReference/API_RunJobFlow.html
            check::range(Code::BadClusterOption, "`stepConcurrency`", concurrency, 1..=256, "steps", findings);
        }
        if let Some(uri) = &self.log_uri {
            check::log_uri(uri, findings);
        }
        if let Some(name) = self.security_configuration.as_ref().filter(|name| name.trim().is_empty()) {
            findings.push(
                Finding::at(Code::BadClusterOption, name.span, "`securityConfiguration` is empty", "")
                    .help("write the name that `aws emr list-security-configurations` prints"),
            );
        }
    }

    fn applications(&self) -> Option<Vec<&str>> {
        Some(installed(self))
    }

    fn files(&self) -> Vec<&Spanned<String>> {
        self.bootstrap.iter().filter_map(|action| action.value.file()).collect()
    }

    fn secrets(&self) -> Vec<&Spanned<String>> {
        configurations::secrets(self.configurations.iter().map(|configuration| &configuration.value))
    }

    fn statements(&self) -> Vec<Statement> {
        let mut statements = vec![permissions::hand_over_role(!self.secrets().is_empty())];
        statements.extend(self.scaling.as_ref().map(|_| permissions::scale()));
        statements
    }

    fn transient(&self) -> Option<&dyn Transient> {
        Some(self)
    }
}

impl Transient for Emr {
    fn variables(&self, profile: &str) -> Map<String, Value> {
        let mut instances = Map::new();
        match &self.fleets {
            Some(fleets) => instances.insert("InstanceFleets".to_owned(), json!(fleets.value.value())),
            None => instances.insert("InstanceGroups".to_owned(), json!(instances::groups(self))),
        };
        instances.insert("KeepJobFlowAliveWhenNoSteps".to_owned(), json!(true));
        instances.insert("TerminationProtected".to_owned(), json!(false));
        let mut variables = Map::from_iter([(frame::variable(profile, "instances"), Value::Object(instances))]);
        let own = network::own(self).map(|own| (frame::variable(profile, "network"), Value::Object(own)));
        variables.extend(own);
        variables
    }

    fn provide(&self, request: &Request<'_>) -> Option<Task> {
        let profile = request.profile;
        let mut task = task(&permissions::CREATE_CLUSTER, Value::Object(self.cluster(request)));
        task.assign.insert(frame::variable(profile, "cluster"), json!(code("$states.result.ClusterId")));
        Some(task)
    }

    fn release(&self, profile: &str, next: &str) -> Option<Task> {
        let mut task = task(&permissions::TERMINATE_CLUSTER, json!({ "ClusterId": cluster(profile) }));
        task.comment = Some("What this cannot release, the account function does".to_owned());
        task.retry.push(Retrier {
            error_equals: vec!["States.ALL".to_owned()],
            interval_seconds: 30,
            max_attempts: 3,
            backoff_rate: 2.0,
            max_delay_seconds: None,
            jitter_strategy: "FULL",
        });
        task.catch.push(Catcher::all(json!(code("$states.input")), next));
        task.next = next.to_owned();
        Some(task)
    }
}

impl Emr {
    /// Groups or fleets, one of them, with a core below every task.
    fn check_composition(&self, findings: &mut Findings) {
        let task = self.task.0.first().map(|task| ("task", task.instance_type.span));
        let groups = [
            self.primary.as_ref().map(|nodes| ("primary", nodes.span)),
            self.core.as_ref().map(|nodes| ("core", nodes.span)),
            task,
        ];
        let groups: Vec<(&str, crate::source::Span)> = groups.into_iter().flatten().collect();
        match (&self.fleets, groups.first()) {
            (Some(fleets), Some((group, span))) => findings.push(
                Finding::at(Code::BadComposition, *span, format!("`{group}` stands beside `fleets`"), "")
                    .and(fleets.span, "the fleets")
                    .why("a cluster consists of instance groups or of instance fleets")
                    .help(format!("move it below `fleets` as `{group}: {{ types: […] }}`, or remove `fleets`")),
            ),
            (None, _) if self.primary.is_none() => {
                let span = groups.first().map_or(self.release.span, |(_, span)| *span);
                findings.push(
                    Finding::at(Code::BadComposition, span, "the cluster has no primary node", "")
                        .help("add `primary: { type: m6g.xlarge }`, or `fleets`"),
                );
            }
            (Some(_), None) | (None, _) => {}
        }
        let fleets = self.fleets.as_ref().map(|fleets| &fleets.value);
        let lonely = match fleets {
            Some(fleets) if fleets.core.is_none() => fleets.task.as_ref().map(|task| task.span),
            None if self.core.is_none() => task.map(|(_, span)| span),
            Some(_) | None => None,
        };
        if let Some(span) = lonely {
            findings.push(
                Finding::at(Code::BadComposition, span, "`task` without `core`", "")
                    .why("task nodes hold no data, so a cluster with them has core nodes")
                    .help("call it `core`, or add one"),
            );
        }
    }

    /// The parameters of RunJobFlow.
    fn cluster(&self, request: &Request<'_>) -> Map<String, Value> {
        let applications: Vec<Value> =
            installed(self).iter().map(|name| json!({ "Name": states::text(name) })).collect();
        let log_uri = self.log_uri.as_ref().map_or(frame::substitution(frame::LOG_URI), |uri| states::text(uri));
        let concurrency = self.step_concurrency.as_ref().map_or(json!(request.width), |most| json!(most.value));
        let mut cluster = Map::new();
        let mut put = |name: &str, value: Value| {
            cluster.insert(name.to_owned(), value);
        };
        put("Name", json!(code("$states.context.Execution.Name")));
        put("ReleaseLabel", json!(self.release.value));
        put("Applications", json!(applications));
        put("Instances", json!(code(&self.placed_instances(request.profile))));
        put("ServiceRole", json!(frame::substitution(frame::SERVICE_ROLE)));
        put("JobFlowRole", json!(frame::substitution(frame::INSTANCE_PROFILE)));
        put("LogUri", json!(log_uri));
        put("StepConcurrencyLevel", concurrency);
        put("AutoTerminationPolicy", json!({ "IdleTimeout": self.idle_seconds() }));
        put("VisibleToAllUsers", json!(true));
        if let Some(scaling) = &self.scaling {
            put("ManagedScalingPolicy", scaling.value.value(self.fleets.is_some()));
        }
        if !self.bootstrap.is_empty() {
            put("BootstrapActions", json!(bootstrap::actions(&self.bootstrap, request)));
        }
        if !self.configurations.is_empty() {
            let all = self.configurations.iter().map(|configuration| &configuration.value);
            put("Configurations", json!(configurations::values(all)));
        }
        if let Some(name) = &self.security_configuration {
            put("SecurityConfiguration", json!(states::text(name)));
        }
        if let Some(image) = &self.custom_ami {
            put("CustomAmiId", json!(image.value));
        }
        if let Some(volume) = &self.root_volume {
            let parts = [("Size", &volume.size), ("Iops", &volume.iops), ("Throughput", &volume.throughput)];
            for (name, part) in parts {
                if let Some(part) = part {
                    put(&format!("EbsRootVolume{name}"), json!(part.value));
                }
            }
        }
        put("Tags", json!(tags(request, &self.tags)));
        cluster
    }

    /// The expression for `Instances`: the nodes in the account's network, in so far as the profile names none.
    fn placed_instances(&self, profile: &str) -> String {
        let instances = frame::variable(profile, "instances");
        if network::own(self).is_none() {
            return format!("$merge([${instances}, $input.network])");
        }
        let accounts = if self.fleets.is_some() { network::ACCOUNTS_WITHOUT_SUBNET } else { "$input.network" };
        format!("$merge([${instances}, {accounts}, ${}])", frame::variable(profile, "network"))
    }

    fn idle_seconds(&self) -> u64 {
        let written = self.idle_timeout.as_ref().and_then(|idle| Duration::parse(idle));
        written.unwrap_or(Duration::HOUR).seconds()
    }
}

/// The tags of a cluster: the profile's, the pipeline's, and those by which dpc and IAM know whose it is.
fn tags(request: &Request<'_>, profile: &SpannedMap<Spanned<String>>) -> Vec<Value> {
    let own = [
        (names::PIPELINE_TAG, states::text(request.pipeline)),
        (names::SPACE_TAG, states::text(request.space)),
        (names::RUN_TAG, code("$input.run.id")),
    ];
    let profiles = profile.iter().map(|(key, value)| (key.value.as_str(), value.value.as_str()));
    let pipelines = request.tags.iter().map(|(key, value)| (key.as_str(), value.as_str()));
    let pipelines = pipelines.filter(|(key, _)| profile.get(key).is_none());
    let users = pipelines.chain(profiles).filter(|(key, _)| own.iter().all(|(mine, _)| mine != key));
    let users = users.map(|(key, value)| json!({ "Key": states::text(key), "Value": states::text(value) }));
    own.iter().map(|(key, value)| json!({ "Key": key, "Value": value })).chain(users).collect()
}

fn cluster(profile: &str) -> String {
    code(&format!("${}", frame::variable(profile, "cluster")))
}

fn task(integration: &Integration, arguments: Value) -> Task {
    let output = json!(code("$states.input"));
    Task { resource: integration.resource(), arguments, output, ..Task::default() }
}

/// The task that runs a script on a profile's cluster, with these arguments.
/// EMR goes on with other steps when one fails, because they may be running beside it.
pub fn run_script(step: &str, profile: &str, arguments: Value) -> Task {
    task(
        &permissions::ADD_STEP,
        json!({
            "ClusterId": cluster(profile),
            "Step": {
                "Name": step,
                "ActionOnFailure": "CONTINUE",
                "HadoopJarStep": {
                    "Jar": frame::substitution(frame::SCRIPT_RUNNER),
                    "Args": arguments,
                },
            },
        }),
    )
}

/// What EMR needs beside parameters of its own, as text for `Fn::Sub` or a reference: see `DefinitionSubstitutions`.
pub fn substitutions(pipeline: &str, own_role: bool) -> Vec<(&'static str, Value)> {
    let logs = format!("s3://{}/{}", names::BUCKET, names::logs_prefix(pipeline));
    let role = if own_role { attribute(frame::EMR_ROLE, "Arn") } else { sub(names::EMR_SERVICE_ROLE) };
    vec![
        (frame::SERVICE_ROLE, role),
        (frame::INSTANCE_PROFILE, crate::documents::template::reference(frame::COMPUTE_PROFILE)),
        (frame::LOG_URI, sub(logs)),
        (frame::BUCKET, sub(names::BUCKET)),
        (frame::COMPUTE_ROLE_ARN, attribute(frame::COMPUTE_ROLE, "Arn")),
        (frame::SECRET_ARNS, sub(names::arn("secretsmanager", "secret:"))),
        // https://docs.aws.amazon.com/emr/latest/ReleaseGuide/emr-commandrunner.html, "Run a script"
        (frame::SCRIPT_RUNNER, sub("s3://${AWS::Region}.elasticmapreduce/libs/script-runner/script-runner.jar")),
    ]
}

/// The finding about text that is no duration, the same wherever one may stand.
pub fn not_a_duration(written: &Spanned<String>) -> Finding {
    Finding::at(Code::BadDuration, written.span, format!("`{}` is not a duration", written.value), "")
        .help("write a whole number and one of s, m, h, d, such as `45m` or `2h`")
}
