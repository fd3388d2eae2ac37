//! `emr`: a transient EMR cluster, created before the first step that needs it and terminated after the last.
//!
//! Step Functions watches clusters and steps by asking: every 60 seconds for ten minutes, then every 300 seconds
//! (<https://docs.aws.amazon.com/step-functions/latest/dg/connect-emr.html>), so a short step still takes a minute.

use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Map, Value, json};

use crate::compute::{Kind, Request};
use crate::control::duration::Duration;
use crate::control::names;
use crate::documents::frame;
use crate::documents::integration::Integration;
use crate::documents::policy::Statement;
use crate::documents::states::{self, Catcher, Retrier, Task, code};
use crate::documents::template::{attribute, sub};
use crate::source::{Code, Finding, Findings, Spanned, suggest};

/// A transient EMR cluster on EC2.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Emr {
    /// The EMR release: `emr-7.5.0`.
    pub release: Spanned<String>,
    /// Applications to install. Default: Spark.
    #[serde(default)]
    pub applications: Vec<Spanned<String>>,
    /// The primary node.
    pub primary: Spanned<Nodes>,
    /// Core nodes; without them the primary node does the work.
    pub core: Option<Spanned<Nodes>>,
    /// Terminate the cluster after this much idleness, whatever else fails: `1m` to `7d`. Default `60m`.
    pub idle_timeout: Option<Spanned<String>>,
}

/// Nodes of one role.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Nodes {
    /// EC2 instance type: `m6g.xlarge`.
    #[serde(rename = "type")]
    #[schemars(extend("x-dpc-also" = ["instanceType", "size"]))]
    pub instance_type: Spanned<String>,
    /// How many. Default 1; the primary node is always one.
    #[schemars(extend("x-dpc-also" = ["instances", "nodes", "instanceCount"]))]
    pub count: Option<Spanned<u32>>,
}

/// Applications of EMR releases: <https://docs.aws.amazon.com/emr/latest/ReleaseGuide/emr-release-components.html>.
/// An unknown one is only warned about, because new releases bring new ones.
const APPLICATIONS: &[&str] = &[
    "AmazonCloudWatchAgent",
    "Delta",
    "Flink",
    "Ganglia",
    "HBase",
    "HCatalog",
    "Hadoop",
    "Hive",
    "Hudi",
    "Hue",
    "Iceberg",
    "JupyterEnterpriseGateway",
    "JupyterHub",
    "Livy",
    "Mahout",
    "MXNet",
    "Oozie",
    "Phoenix",
    "Pig",
    "Presto",
    "Spark",
    "Sqoop",
    "TensorFlow",
    "Tez",
    "Trino",
    "Zeppelin",
    "ZooKeeper",
];

/// `AutoTerminationPolicy.IdleTimeout`: 60 to 604,800 seconds,
/// <https://docs.aws.amazon.com/emr/latest/APIReference/API_AutoTerminationPolicy.html>.
const IDLE: (Duration, Duration) = (Duration::MINUTE, Duration(604_800));

impl Kind for Emr {
    fn check(&self, findings: &mut Findings) {
        check_release(&self.release, findings);
        self.check_applications(findings);
        check_instance_type(&self.primary.instance_type, findings);
        if let Some(count) = self.primary.count.as_ref().filter(|count| count.value != 1) {
            findings.push(
                Finding::at(Code::BadNodeCount, count.span, "a cluster has one primary node", "must be 1")
                    .help("remove `count` here, and set it under `core`"),
            );
        }
        if let Some(core) = &self.core {
            check_instance_type(&core.instance_type, findings);
            if let Some(count) = core.count.as_ref().filter(|count| count.value == 0) {
                findings.push(
                    Finding::at(Code::BadNodeCount, count.span, "`core` needs at least one node", "must be 1 or more")
                        .help("leave `core` out to let the primary node do the work"),
                );
            }
        }
        if let Some(idle) = &self.idle_timeout {
            check_idle_timeout(idle, findings);
        }
    }

    fn applications(&self) -> Vec<&str> {
        if self.applications.is_empty() {
            return vec!["Spark"];
        }
        self.applications.iter().map(|application| application.value.as_str()).collect()
    }

    fn variables(&self, profile: &str) -> Map<String, Value> {
        let mut groups = vec![self.group("primary", "MASTER", &self.primary)];
        groups.extend(self.core.as_ref().map(|core| self.group("core", "CORE", core)));
        let instances = json!({
            "InstanceGroups": groups,
            "KeepJobFlowAliveWhenNoSteps": true,
            "TerminationProtected": false,
        });
        Map::from_iter([(frame::variable(profile, "instances"), instances)])
    }

    fn provide(&self, request: &Request<'_>) -> Task {
        let profile = request.profile;
        let applications: Vec<Value> =
            self.applications().iter().map(|name| json!({ "Name": states::text(name) })).collect();
        let mut task = task(
            &CREATE_CLUSTER,
            json!({
                "Name": code("$states.context.Execution.Name"),
                "ReleaseLabel": self.release.value,
                "Applications": applications,
                "Instances": code(&format!("$merge([${}, $input.network])", frame::variable(profile, "instances"))),
                "ServiceRole": frame::substitution(frame::SERVICE_ROLE),
                "JobFlowRole": frame::substitution(frame::INSTANCE_PROFILE),
                "LogUri": frame::substitution(frame::LOG_URI),
                "StepConcurrencyLevel": request.width,
                "AutoTerminationPolicy": { "IdleTimeout": self.idle_seconds() },
                "VisibleToAllUsers": true,
                "Tags": tags(request),
            }),
        );
        task.assign.insert(frame::variable(profile, "cluster"), json!(code("$states.result.ClusterId")));
        task
    }

    fn release(&self, profile: &str, next: &str) -> Task {
        let mut task = task(&TERMINATE_CLUSTER, json!({ "ClusterId": cluster(profile) }));
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
        task
    }
}

impl Emr {
    fn check_applications(&self, findings: &mut Findings) {
        for (at, application) in self.applications.iter().enumerate() {
            let known = APPLICATIONS.iter().any(|known| known.eq_ignore_ascii_case(application));
            if !known {
                let mut finding = Finding::at(
                    Code::UnknownApplication,
                    application.span,
                    format!("dpc does not know the EMR application `{}`", application.value),
                    "",
                )
                .warning()
                .why("EMR refuses to create a cluster with an application that its release lacks");
                if let Some(near) = suggest::near(application, APPLICATIONS.iter().copied()) {
                    finding = finding.fix(application.span, near, format!("did you mean `{near}`?"));
                }
                findings.push(finding);
            }
            let before = self.applications.iter().take(at).find(|other| other.eq_ignore_ascii_case(application));
            if let Some(first) = before {
                let message = format!("application `{}` is listed twice", application.value);
                findings.push(
                    Finding::at(Code::RepeatedApplication, application.span, message, "")
                        .and(first.span, "first listed here")
                        .help("remove one of them"),
                );
            }
        }
    }

    fn group(&self, name: &str, role: &str, nodes: &Nodes) -> Value {
        json!({
            "Name": name,
            "InstanceRole": role,
            "InstanceType": nodes.instance_type.value,
            "InstanceCount": nodes.count.as_ref().map_or(1, |count| count.value),
            "Market": "ON_DEMAND",
        })
    }

    fn idle_seconds(&self) -> u64 {
        let written = self.idle_timeout.as_ref().and_then(|idle| Duration::parse(idle));
        written.unwrap_or(Duration::HOUR).seconds()
    }
}

/// The tags of a cluster: the user's, and those by which dpc and IAM know whose it is.
fn tags(request: &Request<'_>) -> Vec<Value> {
    let own = [
        (names::PIPELINE_TAG, states::text(request.pipeline)),
        (names::SPACE_TAG, states::text(request.space)),
        (names::RUN_TAG, code("$input.run.id")),
    ];
    let users = request.tags.iter().filter(|(key, _)| own.iter().all(|(mine, _)| mine != key));
    let users = users.map(|(key, value)| json!({ "Key": states::text(key), "Value": states::text(value) }));
    own.iter().map(|(key, value)| json!({ "Key": key, "Value": value })).chain(users).collect()
}

fn cluster(profile: &str) -> String {
    code(&format!("${}", frame::variable(profile, "cluster")))
}

fn task(integration: &Integration, arguments: Value) -> Task {
    Task {
        comment: None,
        resource: integration.resource(),
        arguments,
        timeout_seconds: None,
        retry: Vec::new(),
        catch: Vec::new(),
        assign: Map::new(),
        output: json!(code("$states.input")),
        next: String::new(),
    }
}

/// The task that runs a script on a profile's cluster with these arguments.
/// EMR goes on with other steps when one fails, because they may be running beside it.
pub fn run_script(step: &str, profile: &str, arguments: Value) -> Task {
    task(
        &ADD_STEP,
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
pub fn substitutions(pipeline: &str) -> Vec<(&'static str, Value)> {
    let logs = format!("s3://{}/{}", names::BUCKET, names::logs_prefix(pipeline));
    vec![
        (frame::SERVICE_ROLE, sub(names::EMR_SERVICE_ROLE)),
        (frame::INSTANCE_PROFILE, crate::documents::template::reference(frame::COMPUTE_PROFILE)),
        (frame::LOG_URI, sub(logs)),
        // https://docs.aws.amazon.com/emr/latest/ReleaseGuide/emr-commandrunner.html, "Run a script"
        (frame::SCRIPT_RUNNER, sub("s3://${AWS::Region}.elasticmapreduce/libs/script-runner/script-runner.jar")),
    ]
}

/// The EMR integrations that dpc uses. Parameters:
/// <https://docs.aws.amazon.com/step-functions/latest/dg/connect-emr.html>; permissions:
/// <https://docs.aws.amazon.com/step-functions/latest/dg/emr-iam.html>; which of them take a resource or a tag condition:
/// <https://docs.aws.amazon.com/service-authorization/latest/reference/list_amazonelasticmapreduce.html>.
pub const INTEGRATIONS: &[Integration] = &[CREATE_CLUSTER, ADD_STEP, TERMINATE_CLUSTER];

const CREATE_CLUSTER: Integration = Integration {
    name: "elasticmapreduce:createCluster.sync",
    required: &["Name", "Instances", "ServiceRole", "JobFlowRole"],
    optional: &[
        "ReleaseLabel",
        "Applications",
        "LogUri",
        "StepConcurrencyLevel",
        "AutoTerminationPolicy",
        "VisibleToAllUsers",
        "Tags",
    ],
    permissions: create_permissions,
};

const ADD_STEP: Integration = Integration {
    name: "elasticmapreduce:addStep.sync",
    required: &["ClusterId", "Step"],
    optional: &[],
    permissions: |pipeline| {
        vec![on_own_clusters(
            "RunStepsOnOwnClusters",
            &["elasticmapreduce:AddJobFlowSteps", "elasticmapreduce:CancelSteps", "elasticmapreduce:DescribeStep"],
            pipeline,
        )]
    },
};

const TERMINATE_CLUSTER: Integration = Integration {
    name: "elasticmapreduce:terminateCluster.sync",
    required: &["ClusterId"],
    optional: &[],
    permissions: |pipeline| {
        vec![on_own_clusters(
            "WatchAndReleaseOwnClusters",
            &["elasticmapreduce:DescribeCluster", "elasticmapreduce:TerminateJobFlows"],
            pipeline,
        )]
    },
};

/// `.sync` needs DescribeCluster and TerminateJobFlows too; terminateCluster, which always comes with it, brings them.
fn create_permissions(pipeline: &str) -> Vec<Statement> {
    let own_request = format!("elasticmapreduce:RequestTag/{}", names::PIPELINE_TAG);
    vec![
        Statement::allow("CreateOwnClusters", &["elasticmapreduce:RunJobFlow"])
            .everywhere("RunJobFlow takes no resource; the tag that the request must carry is the limit")
            .when("StringEquals", own_request.clone(), pipeline),
        Statement::allow("TagOwnClusters", &["elasticmapreduce:AddTags"])
            .on(sub(CLUSTERS))
            .when("StringEquals", own_request, pipeline),
        // The cluster is still being made, so no tag of it can be asked for.
        // https://docs.aws.amazon.com/emr/latest/ManagementGuide/emr-auto-termination-policy.html
        Statement::allow("EndIdleClusters", &["elasticmapreduce:PutAutoTerminationPolicy"]).on(sub(CLUSTERS)),
        Statement::allow("HandRolesToEmr", &["iam:PassRole"])
            .on(sub(format!("arn:${{AWS::Partition}}:iam::${{AWS::AccountId}}:role/{}", names::EMR_SERVICE_ROLE)))
            .when("StringEquals", "iam:PassedToService", "elasticmapreduce.amazonaws.com"),
        Statement::allow("HandRolesToNodes", &["iam:PassRole"])
            .on(attribute(frame::COMPUTE_ROLE, "Arn"))
            .when("StringEquals", "iam:PassedToService", "ec2.amazonaws.com"),
        // Only the first cluster of an account needs it:
        // https://docs.aws.amazon.com/emr/latest/ManagementGuide/using-service-linked-roles-cleanup.html
        Statement::allow("MakeEmrCleanupRole", &["iam:CreateServiceLinkedRole"])
            .on(sub(
                "arn:${AWS::Partition}:iam::${AWS::AccountId}:role/aws-service-role/elasticmapreduce.amazonaws.com/AWSServiceRoleForEMRCleanup",
            ))
            .when("StringEquals", "iam:AWSServiceName", "elasticmapreduce.amazonaws.com"),
    ]
}

const CLUSTERS: &str = "arn:${AWS::Partition}:elasticmapreduce:${AWS::Region}:${AWS::AccountId}:cluster/*";

fn on_own_clusters(sid: &str, actions: &[&'static str], pipeline: &str) -> Statement {
    let own = format!("elasticmapreduce:ResourceTag/{}", names::PIPELINE_TAG);
    Statement::allow(sid, actions).on(sub(CLUSTERS)).when("StringEquals", own, pipeline)
}

/// Idle time-outs came with 5.30.0 and 6.1.0, after step concurrency (5.28.0):
/// <https://docs.aws.amazon.com/emr/latest/ManagementGuide/emr-auto-termination-policy.html>.
fn check_release(release: &Spanned<String>, findings: &mut Findings) {
    let numbers: Option<Vec<u32>> = release
        .strip_prefix("emr-")
        .map(|numbers| numbers.split('.').map(|number| number.parse().ok()).collect())
        .unwrap_or_default();
    let Some(&[major, minor, _]) = numbers.as_deref() else {
        findings.push(
            Finding::at(Code::BadRelease, release.span, format!("`{}` is not an EMR release", release.value), "")
                .help("write it as EMR does, such as `emr-7.5.0`"),
        );
        return;
    };
    if (major, minor) < (5, 30) || (major, minor) == (6, 0) {
        findings.push(
            Finding::at(
                Code::OldRelease,
                release.span,
                format!("`{}` cannot terminate a cluster that is left over", release.value),
                "too old",
            )
            .why("every cluster of dpc has an idle time-out as its last net, and EMR keeps one since 5.30.0 and 6.1.0")
            .help("use `emr-5.30.0`, `emr-6.1.0` or newer"),
        );
    }
}

fn check_instance_type(written: &Spanned<String>, findings: &mut Findings) {
    let well_formed = written.split_once('.').is_some_and(|(family, size)| {
        let plain = |part: &str| part.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-');
        let family_ok = family.starts_with(|c: char| c.is_ascii_lowercase())
            && family.contains(|c: char| c.is_ascii_digit())
            && plain(family);
        let size_ok = size.ends_with("xlarge")
            || size.starts_with("metal")
            || ["nano", "micro", "small", "medium", "large"].contains(&size);
        family_ok && size_ok && plain(size)
    });
    if !well_formed {
        findings.push(
            Finding::at(
                Code::BadInstanceType,
                written.span,
                format!("`{}` is not an EC2 instance type", written.value),
                "",
            )
            .help("write family and size, such as `m6g.xlarge`"),
        );
    }
}

fn check_idle_timeout(idle: &Spanned<String>, findings: &mut Findings) {
    let (least, most) = IDLE;
    match Duration::parse(idle) {
        None => findings.push(not_a_duration(idle)),
        Some(duration) if duration < least || duration > most => findings.push(
            Finding::at(
                Code::DurationOutOfRange,
                idle.span,
                format!("`idleTimeout` must lie between {least} and {most}"),
                "",
            )
            .why("EMR accepts 60 to 604,800 seconds"),
        ),
        Some(_) => {}
    }
}

/// The finding about text that is no duration, the same wherever one may stand.
pub fn not_a_duration(written: &Spanned<String>) -> Finding {
    Finding::at(Code::BadDuration, written.span, format!("`{}` is not a duration", written.value), "")
        .help("write a whole number and one of s, m, h, d, such as `45m` or `2h`")
}
