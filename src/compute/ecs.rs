//! `ecs`: containers on Fargate, one for each attempt of a step.
//!
//! In come a profile and a [`Container`]; out come its task definition, the state that runs it, and what the state machine
//! must be allowed for it. It refuses to know what is in the container: that is the business of the steps' kinds.
//!
//! Step Functions fails the state when an essential container ends with another exit code than 0, and stops the task
//! when the execution is stopped: <https://docs.aws.amazon.com/step-functions/latest/dg/connect-ecs.html>.

use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::emr::check::range;
use super::emr::network::check_id;
use super::fargate::{self, Size};
use super::{Host, Kind};
use crate::control::names;
use crate::documents::frame;
use crate::documents::integration::Integration;
use crate::documents::policy::{self, Statement};
use crate::documents::states::{self, Retrier, Task, code, quoted};
use crate::documents::template::{Resource, attribute, reference, sub, verbatim};
use crate::source::schema::hints;
use crate::source::{Code, Finding, Findings, Spanned};

/// Containers of ECS on Fargate.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Ecs {
    /// Name of the cluster. Default: the account's, `dpc`.
    pub cluster: Option<Spanned<String>>,
    /// The image of `shell` steps: it needs bash, tar, gzip, sha256sum and the AWS CLI.
    pub image: Option<Spanned<String>>,
    /// Processors: 0.25, 0.5, 1, 2, 4, 8 or 16. Default 1.
    #[schemars(extend("x-dpc-also" = ["vcpu", "cpus"]))]
    #[schemars(transform = hints::default(1))]
    pub cpu: Option<Spanned<f64>>,
    /// Memory in GB. Default: the least that goes with `cpu`.
    pub memory: Option<Spanned<f64>>,
    /// Disk in GiB, 21 to 200. Default 20.
    #[schemars(transform = hints::default(20))]
    pub storage: Option<Spanned<u32>>,
    /// `x86_64` or `arm64`. Default `x86_64`.
    pub architecture: Option<Spanned<Architecture>>,
    /// Whether the first attempt runs on spot capacity; those after it run on demand. Default false.
    #[schemars(transform = hints::default(false))]
    pub spot: Option<Spanned<bool>>,
    /// Subnets in place of the account's.
    #[serde(default)]
    pub subnets: Vec<Spanned<String>>,
    /// Security groups in place of the account's.
    #[serde(default)]
    pub security_groups: Vec<Spanned<String>>,
    /// Whether containers get public addresses. Default: in the account's subnets if those are public, else false.
    pub public_ip: Option<Spanned<bool>>,
    /// Name of the role of the containers. Default: the pipeline's compute role, made from `access`.
    pub task_role: Option<Spanned<String>>,
}

/// What an image is built for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Architecture {
    /// Intel and AMD.
    #[default]
    #[serde(rename = "x86_64")]
    X86,
    /// Graviton.
    #[serde(rename = "arm64")]
    Arm,
}

impl Architecture {
    /// As ECS and EMR Serverless spell it.
    pub fn name(self) -> &'static str {
        match self {
            Architecture::X86 => "X86_64",
            Architecture::Arm => "ARM64",
        }
    }
}

/// The account's cluster.
const CLUSTER: &str = "dpc";
/// The name of the one container of a task.
const CONTAINER: &str = "main";
/// The longest that the overrides of a task may be: `containerOverrides`,
/// <https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_TaskOverride.html>.
pub const OVERRIDES_LIMIT: usize = 8_192;

impl Kind for Ecs {
    fn key(&self) -> &'static str {
        "ecs"
    }

    fn host(&self) -> Host {
        Host::Ecs
    }

    fn check(&self, findings: &mut Findings) {
        fargate::check(self.cpu.as_ref(), self.memory.as_ref(), findings);
        if let Some(storage) = &self.storage {
            range(Code::BadSize, "`storage`", storage, 21..=200, "GiB", findings);
        }
        if let Some(image) = &self.image {
            check_image(image, findings);
        }
        for subnet in &self.subnets {
            check_id(subnet, "subnet-", "a subnet", findings);
        }
        for group in &self.security_groups {
            check_id(group, "sg-", "a security group", findings);
        }
        // https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_AwsVpcConfiguration.html
        if let Some(one_too_many) = self.subnets.get(16).or(self.security_groups.get(5)) {
            findings.push(Finding::at(
                Code::BadNetwork,
                one_too_many.span,
                "a container takes 16 subnets and 5 security groups",
                "",
            ));
        }
        if let Some(public) = self.public_ip.as_ref().filter(|_| self.subnets.is_empty()) {
            findings.push(
                Finding::at(Code::BadNetwork, public.span, "`publicIp` goes with `subnets`", "")
                    .why("in the account's subnets a container gets an address when those subnets are public")
                    .help("name the subnets too, or remove it"),
            );
        }
        if let Some(groups) = self.subnets.first().filter(|_| self.security_groups.is_empty()) {
            findings.push(
                Finding::at(Code::BadNetwork, groups.span, "`subnets` without `securityGroups`", "")
                    .why("the account's security group belongs to the account's VPC")
                    .help("add `securityGroups: [sg-…]` of the subnets' VPC"),
            );
        }
        for (key, name) in [("cluster", &self.cluster), ("taskRole", &self.task_role)] {
            let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_+=,.@".contains(&byte);
            if let Some(name) = name.as_ref().filter(|name| name.is_empty() || !name.bytes().all(plain)) {
                findings.push(
                    Finding::at(
                        Code::BadContainer,
                        name.span,
                        format!("`{}` is not a name for `{key}`", name.value),
                        "",
                    )
                    .why("templates hold no account number, so no ARN; names have letters, digits and `- _ + = , . @`")
                    .help(match name.rsplit_once('/') {
                        Some((_, short)) => format!("write `{short}`"),
                        None => "write the name that the console shows".to_owned(),
                    }),
                );
            }
        }
    }
}

/// Reports a text that is no reference to an image: <https://docs.docker.com/reference/cli/docker/image/tag/>.
pub fn check_image(image: &Spanned<String>, findings: &mut Findings) {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"./:@_-".contains(&byte);
    let bare = image.split(['@', ':']).next().unwrap_or_default();
    let upper = image.rsplit('/').next().unwrap_or_default().split([':', '@']).next().unwrap_or_default();
    let wrong = bare.is_empty()
        || image.contains("//")
        || !image.bytes().all(plain)
        || upper.bytes().any(|byte| byte.is_ascii_uppercase());
    if wrong {
        findings.push(
            Finding::at(Code::BadContainer, image.span, format!("`{}` is not an image", image.value), "")
                .help("write it as `docker pull` takes it, such as `public.ecr.aws/docker/library/python:3.13`"),
        );
    } else if !image.contains('@') && (image.ends_with(":latest") || !upper_has_tag(image)) {
        findings.push(
            Finding::at(Code::MovingImage, image.span, format!("`{}` names whatever is newest", image.value), "")
                .warning()
                .why("a rerun may run other code than the run that it repeats")
                .help("write a tag that does not move, or a digest: `image@sha256:…`"),
        );
    }
}

fn upper_has_tag(image: &str) -> bool {
    image.rsplit('/').next().unwrap_or_default().contains(':')
}

/// Where the value of a container's secret lies.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Secret {
    /// The environment variable.
    pub name: String,
    /// The ARN of the secret or parameter, as CloudFormation text.
    pub from: String,
    /// What the role that starts the container may read, as CloudFormation text.
    pub resource: String,
}

impl Secret {
    /// A secret of Secrets Manager by name or ARN, or a parameter of Systems Manager as `ssm:/path` or by its ARN; `None` if
    /// it is neither.
    pub fn parse(name: &str, written: &str) -> Option<Self> {
        let name = name.to_owned();
        let fits = |text: &str, more: &str| {
            !text.is_empty() && text.len() <= 512 && text.chars().all(|c| c.is_ascii_alphanumeric() || more.contains(c))
        };
        if let Some(path) = written.strip_prefix("ssm:") {
            let path = path.strip_prefix('/').unwrap_or(path);
            let arn = names::arn("ssm", &format!("parameter/{path}"));
            return fits(path, "/_.-").then(|| Self { name, from: arn.clone(), resource: arn });
        }
        if written.starts_with("arn:") {
            let parts: Vec<&str> = written.split(':').collect();
            let whole = parts.iter().all(|part| fits(part, "/_+=.@-"));
            let known = match parts.as_slice() {
                [_, _, "secretsmanager", _, _, "secret", _] => true,
                [_, _, "ssm", _, _, path] => path.starts_with("parameter/"),
                _ => false,
            };
            return (whole && known).then(|| Self { name, from: written.to_owned(), resource: written.to_owned() });
        }
        // `name`, or `name:key` for one key of a secret that holds JSON.
        let (secret, key) = written.split_once(':').unwrap_or((written, ""));
        if !fits(secret, "/_+=.@-") || !(key.is_empty() || fits(key, "_.-")) {
            return None;
        }
        let arn = names::arn("secretsmanager", &format!("secret:{secret}"));
        let from = if key.is_empty() { arn.clone() } else { format!("{arn}:{key}::") };
        // Secrets Manager adds a hyphen and six characters to a secret's name:
        // https://docs.aws.amazon.com/secretsmanager/latest/userguide/auth-and-access_iam-policies.html
        Some(Self { name, from, resource: format!("{arn}-??????") })
    }
}

/// A container that does the work of one step.
#[derive(Clone, Debug)]
pub struct Container<'a> {
    /// The pipeline's name.
    pub pipeline: &'a str,
    /// The step's name.
    pub step: &'a str,
    /// The profile, if the step names one.
    pub profile: Option<&'a Ecs>,
    /// The image.
    pub image: &'a str,
    /// What runs in place of the image's own entry point.
    pub entrypoint: Option<Vec<String>>,
    /// Processors and memory; they win over the profile's.
    pub size: (Option<&'a Spanned<f64>>, Option<&'a Spanned<f64>>),
    /// Secrets in its environment.
    pub secrets: Vec<Secret>,
    /// The user's tags.
    pub tags: &'a [(String, String)],
}

impl Container<'_> {
    /// The logical id of its task definition, which is also the substitution that stands for its ARN.
    pub fn logical_id(&self) -> String {
        frame::logical_id("Task", self.step)
    }

    /// Its size; sizes that Fargate does not have were reported.
    fn size(&self) -> Size {
        let cpu = self.size.0.or(self.profile.and_then(|profile| profile.cpu.as_ref()));
        let memory = self.size.1.or(self.profile.and_then(|profile| profile.memory.as_ref()));
        fargate::size(cpu, memory).unwrap_or(Size { cpu: 1_024, memory: 2_048 })
    }

    /// Its task definition.
    pub fn definition(&self) -> Resource {
        let Size { cpu, memory } = self.size();
        let architecture = self.profile.and_then(|profile| profile.architecture.as_ref());
        let architecture = architecture.map_or(Architecture::default(), |architecture| architecture.value);
        let role = self.profile.and_then(|profile| profile.task_role.as_ref());
        let role = role.map_or(attribute(frame::COMPUTE_ROLE, "Arn"), |role| sub(role_arn(role)));
        let mut task = Map::new();
        let mut put = |key: &str, value: Value| {
            task.insert(key.to_owned(), value);
        };
        put("Family", json!(family(self.pipeline, self.step)));
        put("RequiresCompatibilities", json!(["FARGATE"]));
        put("NetworkMode", json!("awsvpc"));
        put("Cpu", json!(cpu.to_string()));
        put("Memory", json!(memory.to_string()));
        put("RuntimePlatform", json!({ "CpuArchitecture": architecture.name(), "OperatingSystemFamily": "LINUX" }));
        if let Some(storage) = self.profile.and_then(|profile| profile.storage.as_ref()) {
            put("EphemeralStorage", json!({ "SizeInGiB": storage.value }));
        }
        put("TaskRoleArn", role);
        put("ExecutionRoleArn", attribute(frame::EXECUTION_ROLE, "Arn"));
        put("ContainerDefinitions", json!([self.container()]));
        Resource::new("AWS::ECS::TaskDefinition", format!("The container of step `{}`", self.step), Value::Object(task))
    }

    fn container(&self) -> Value {
        let mut container = Map::new();
        container.insert("Name".to_owned(), json!(CONTAINER));
        container.insert("Image".to_owned(), json!(self.image));
        container.insert("Essential".to_owned(), json!(true));
        container.extend(self.entrypoint.as_ref().map(|words| ("EntryPoint".to_owned(), json!(words))));
        if !self.secrets.is_empty() {
            let secrets: Vec<Value> =
                self.secrets.iter().map(|it| json!({ "Name": it.name, "ValueFrom": sub(it.from.clone()) })).collect();
            container.insert("Secrets".to_owned(), json!(secrets));
        }
        let log = json!({
            "LogDriver": "awslogs",
            "Options": {
                "awslogs-group": reference(frame::TASK_LOGS),
                "awslogs-region": reference("AWS::Region"),
                "awslogs-stream-prefix": self.step,
            },
        });
        container.insert("LogConfiguration".to_owned(), log);
        Value::Object(container)
    }

    /// The state that runs it. `command` and the values of `environment` are arguments of a state: text or code.
    pub fn task(&self, command: Option<Value>, environment: Vec<(String, Value)>) -> Task {
        let mut container = Map::from_iter([("Name".to_owned(), json!(CONTAINER))]);
        container.extend(command.map(|command| ("Command".to_owned(), command)));
        if !environment.is_empty() {
            let pairs = environment.into_iter().map(|(name, value)| json!({ "Name": name, "Value": value }));
            container.insert("Environment".to_owned(), pairs.collect());
        }
        let spot = self.profile.is_some_and(|profile| profile.spot.as_ref().is_some_and(|spot| spot.value));
        let mut arguments = Map::new();
        let mut put = |key: &str, value: Value| {
            arguments.insert(key.to_owned(), value);
        };
        put("Cluster", json!(cluster(self.profile)));
        put("TaskDefinition", json!(frame::substitution(&self.logical_id())));
        if spot {
            put("CapacityProviderStrategy", json!([{ "CapacityProvider": code(SPOT_FIRST), "Weight": 1 }]));
        } else {
            put("LaunchType", json!("FARGATE"));
        }
        put("NetworkConfiguration", json!({ "AwsvpcConfiguration": network(self.profile) }));
        put("Overrides", json!({ "ContainerOverrides": [container] }));
        // By this `dpc logs` and the account function find the tasks of a run.
        put("Group", json!(code(&format!("$states.context.Execution.Name & {}", quoted(&format!("/{}", self.step))))));
        put("Tags", json!(tags(self.pipeline, self.tags)));
        let mut task = Task {
            comment: None,
            resource: RUN_TASK.resource(),
            arguments: Value::Object(arguments),
            timeout_seconds: None,
            retry: Vec::new(),
            catch: Vec::new(),
            assign: Map::new(),
            output: json!(code("$states.input")),
            next: String::new(),
        };
        if spot {
            task.retry.push(without_spot());
        }
        task
    }

    /// What the state machine must be allowed for it.
    pub fn statements(&self) -> Vec<Statement> {
        let own = names::arn("ecs", &format!("task-definition/{}:*", family(self.pipeline, "*")));
        let tasks = names::arn("ecs", &format!("task/{}/*", cluster(self.profile)));
        let mut roles = Statement::allow("HandRolesToContainers", &["iam:PassRole"])
            .on(attribute(frame::EXECUTION_ROLE, "Arn"))
            .on(attribute(frame::COMPUTE_ROLE, "Arn"));
        if let Some(role) = self.profile.and_then(|profile| profile.task_role.as_ref()) {
            roles = roles.on(sub(role_arn(role)));
        }
        vec![
            Statement::allow("RunOwnContainers", &["ecs:RunTask"]).on(sub(own)),
            Statement::allow("WatchContainers", &["ecs:DescribeTasks", "ecs:StopTask"]).on(sub(tasks.clone())),
            Statement::allow("TagContainers", &["ecs:TagResource"]).on(sub(tasks)).when(
                "StringEquals",
                "ecs:CreateAction",
                "RunTask",
            ),
            roles.when("StringEquals", "iam:PassedToService", "ecs-tasks.amazonaws.com"),
        ]
    }
}

/// Spot capacity for the first attempt, capacity on demand for those after it. Spot capacity that is not there fails the
/// call, and a container that is taken away fails the state.
/// <https://docs.aws.amazon.com/AmazonECS/latest/developerguide/fargate-capacity-providers.html>
const SPOT_FIRST: &str = "$states.context.State.RetryCount > 0 ? \"FARGATE\" : \"FARGATE_SPOT\"";

/// When there is no spot capacity, the next attempt follows at once.
fn without_spot() -> Retrier {
    Retrier {
        error_equals: vec!["AmazonECS.Unknown".to_owned(), "ECS.AmazonECSException".to_owned()],
        interval_seconds: 10,
        max_attempts: 2,
        backoff_rate: 2.0,
        max_delay_seconds: None,
        jitter_strategy: "FULL",
    }
}

fn cluster(profile: Option<&Ecs>) -> String {
    profile.and_then(|profile| profile.cluster.as_ref()).map_or(CLUSTER.to_owned(), |cluster| cluster.value.clone())
}

/// The cluster that a profile's containers run in: where the account function looks for those that were left over.
pub fn cluster_of(profile: Option<&Ecs>) -> String {
    cluster(profile)
}

/// No pipeline's name has an underscore, so no pipeline's families begin like another's.
fn family(pipeline: &str, step: &str) -> String {
    format!("dpc-{pipeline}_{step}")
}

fn role_arn(name: &str) -> String {
    format!("arn:${{AWS::Partition}}:iam::${{AWS::AccountId}}:role/{}", verbatim(name))
}

/// The network: the account's, from the run's input, or the profile's.
fn network(profile: Option<&Ecs>) -> Value {
    let Some(profile) = profile else { return json!(code("$input.vpc")) };
    let ids = |list: &[Spanned<String>]| json!(list.iter().map(|id| id.value.as_str()).collect::<Vec<_>>());
    match (profile.subnets.as_slice(), profile.security_groups.as_slice()) {
        ([], []) => json!(code("$input.vpc")),
        ([], groups) => json!({
            "Subnets": code("$input.vpc.Subnets"),
            "SecurityGroups": ids(groups),
            "AssignPublicIp": code("$input.vpc.AssignPublicIp"),
        }),
        (subnets, groups) => {
            let public = profile.public_ip.as_ref().is_some_and(|public| public.value);
            json!({
                "Subnets": ids(subnets),
                "SecurityGroups": ids(groups),
                "AssignPublicIp": if public { "ENABLED" } else { "DISABLED" },
            })
        }
    }
}

fn tags(pipeline: &str, users: &[(String, String)]) -> Vec<Value> {
    let own = [(names::PIPELINE_TAG, states::text(pipeline)), (names::RUN_TAG, code("$input.run.id"))];
    let users = users.iter().filter(|(key, _)| own.iter().all(|(mine, _)| mine != key));
    let users = users.map(|(key, value)| json!({ "Key": states::text(key), "Value": states::text(value) }));
    own.iter().map(|(key, value)| json!({ "Key": key, "Value": value })).chain(users).collect()
}

/// The log group of a pipeline's containers.
pub fn log_group(pipeline: &str) -> Resource {
    Resource::new(
        "AWS::Logs::LogGroup",
        "The log of containers",
        json!({ "LogGroupName": names::task_log_group(pipeline), "RetentionInDays": 90, "KmsKeyId": names::KEY_ARN }),
    )
    .disposable()
}

/// The role under which ECS starts containers: it fetches images and the secrets of these containers, and writes logs.
/// <https://docs.aws.amazon.com/AmazonECS/latest/developerguide/task_execution_IAM_role.html>
pub fn execution_role(secrets: &[Secret]) -> Resource {
    let mut statements = vec![
        Statement::allow("SignInToRegistry", &["ecr:GetAuthorizationToken"])
            .everywhere("GetAuthorizationToken takes no resource"),
        Statement::allow(
            "FetchImages",
            &["ecr:BatchCheckLayerAvailability", "ecr:BatchGetImage", "ecr:GetDownloadUrlForLayer"],
        )
        // Images of an organisation often lie in one account; its registry says who may fetch them.
        .on(sub("arn:${AWS::Partition}:ecr:${AWS::Region}:*:repository/*")),
        Statement::allow("WriteLogs", &["logs:CreateLogStream", "logs:PutLogEvents"])
            .on(attribute(frame::TASK_LOGS, "Arn")),
    ];
    let mut read = |sid: &str, action: &'static str, service: &str| {
        let of_service = secrets.iter().filter(|secret| secret.from.contains(&format!(":{service}:")));
        let mut resources: Vec<&str> = of_service.map(|secret| secret.resource.as_str()).collect();
        resources.sort_unstable();
        resources.dedup();
        if !resources.is_empty() {
            let statement = Statement::allow(sid, std::slice::from_ref(&action));
            statements.push(resources.into_iter().fold(statement, |it, resource| it.on(sub(resource.to_owned()))));
        }
    };
    read("ReadSecrets", "secretsmanager:GetSecretValue", "secretsmanager");
    read("ReadParameters", "ssm:GetParameters", "ssm");
    if !secrets.is_empty() {
        statements.push(Statement::allow("UseAccountKey", &["kms:Decrypt"]).on(sub(names::arn("kms", "key/*"))).when(
            "ForAnyValue:StringEquals",
            "kms:ResourceAliases",
            names::KEY_ALIAS,
        ));
    }
    let purpose = "What ECS may do to start the pipeline's containers";
    let conditions = json!({
        "StringEquals": { "aws:SourceAccount": reference("AWS::AccountId") },
        "ArnLike": { "aws:SourceArn": sub(names::arn("ecs", "*")) },
    });
    let resource = Resource::new(
        "AWS::IAM::Role",
        purpose,
        json!({
            "Description": purpose,
            "AssumeRolePolicyDocument": policy::trust("ecs-tasks.amazonaws.com", Some(conditions)),
            "Policies": [{ "PolicyName": "start-containers", "PolicyDocument": policy::document(&statements) }],
        }),
    );
    resource.note("reasons", Value::Object(policy::reasons(&statements)))
}

/// The ECS integration. Parameters: <https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_RunTask.html>, spelled
/// with capitals; permissions: <https://docs.aws.amazon.com/step-functions/latest/dg/ecs-iam.html>, those of one container
/// in [`Container::statements`].
pub const INTEGRATIONS: &[Integration] = &[RUN_TASK];

const RUN_TASK: Integration = Integration {
    name: "ecs:runTask.sync",
    required: &["TaskDefinition", "Cluster"],
    optional: &["LaunchType", "CapacityProviderStrategy", "NetworkConfiguration", "Overrides", "Group", "Tags"],
    permissions: |_| {
        vec![
            Statement::allow("HearOfContainers", &["events:DescribeRule", "events:PutRule", "events:PutTargets"])
                .on(sub(names::arn("events", "rule/StepFunctionsGetEventsForECSTaskRule"))),
        ]
    },
};

#[cfg(test)]
mod tests {
    use super::Secret;

    #[test]
    fn secrets_are_names_and_paths() {
        let from = |written: &str| Secret::parse("X", written).map(|secret| secret.from);
        let arn = "arn:${AWS::Partition}:secretsmanager:${AWS::Region}:${AWS::AccountId}:secret:shop/db";
        assert_eq!(from("shop/db").as_deref(), Some(arn));
        assert_eq!(from("shop/db:password"), Some(format!("{arn}:password::")));
        assert!(from("ssm:/shop/token").is_some_and(|arn| arn.ends_with(":parameter/shop/token")));
        let other = "arn:aws:secretsmanager:eu-central-1:222222222222:secret:shop/db-AbCdEf";
        assert_eq!(from(other).as_deref(), Some(other));
        for wrong in ["", "ssm:", "arn:aws:s3:::bucket", "a b", "a:b c", "${x}"] {
            assert_eq!(from(wrong), None, "{wrong}");
        }
    }
}
