//! Four accounts on one emulator: three teams' and the central one, everything in them deployed by dpc.
//!
//! Runs are started the way schedules and people start them; what came of it is read from Step Functions and from the central
//! table, so that dpc is not asked whether dpc is right.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::process::Command;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::support::{Emulator, Project, Ran};

/// The central account.
pub const CENTRAL: &str = "999999999999";

/// The organisation of all accounts of the emulator.
const ORGANIZATION: &str = "o-emulated00";

/// Who owns what.
pub struct Team {
    /// Its account.
    pub account: &'static str,
    /// Its project, one repository.
    pub project: Project,
    environment: &'static str,
}

/// The emulator and everybody on it.
pub struct World {
    /// What everything runs on.
    pub emulator: Emulator,
    /// Name of the team's project -> team.
    teams: BTreeMap<&'static str, Team>,
    binary: PathBuf,
    begun: Instant,
}

/// A project as text: its name, its account, its pipelines and their texts.
pub struct Repository {
    /// Its name.
    pub name: &'static str,
    /// The account of its environment `prod`.
    pub account: &'static str,
    /// Another environment, of its own account.
    pub other: Option<(&'static str, &'static str)>,
    /// Pipelines: name, text without the line that names it.
    pub pipelines: Vec<(&'static str, String)>,
}

impl World {
    /// Sets all accounts up and deploys everything.
    pub fn of(repositories: Vec<Repository>) -> Self {
        let settings = ["DPC_VISIBILITY_SCALE=0.002", "SFN_WAIT_SCALE=0", "LAMBDA_ASYNC_RETRY_BASE_SECONDS=0.05"];
        let emulator = Emulator::start(&settings);
        let binary = lean(&emulator);
        let mut world = Self { emulator, teams: BTreeMap::new(), binary, begun: Instant::now() };
        let central = project("central", CENTRAL, None, &[]);
        world.set_up(&central, CENTRAL, "prod", &["central", "--organization", ORGANIZATION]);
        for repository in &repositories {
            let files = project(repository.name, repository.account, None, &[]);
            world.set_up(&files, repository.account, "prod", &["account", "--central", CENTRAL]);
        }
        for repository in repositories {
            let Repository { name, account, other, pipelines } = repository;
            let files = project(name, account, other, &pipelines);
            world.teams.insert(name, Team { account, project: files, environment: "prod" });
        }
        world.say("four accounts are set up");
        world
    }

    fn set_up(&self, project: &Project, account: &str, environment: &str, what: &[&str]) {
        let binary = self.binary.to_str().unwrap();
        let arguments = [&["setup"], what, &["--env", environment, "--yes", "--function-binary", binary]].concat();
        project.dpc(&arguments, &self.emulator.credentials(account)).exits(0);
    }

    /// Deploys the pipelines of a team, those whose upstreams are in the same project in their order.
    pub fn deploy(&self, team: &str, pipelines: &[&str]) -> Ran {
        let arguments = [&["deploy"], pipelines, &["--env", self.team(team).environment, "--yes"]].concat();
        self.dpc(team, &arguments).exits(0)
    }

    /// Runs dpc as a team.
    pub fn dpc(&self, team: &str, arguments: &[&str]) -> Ran {
        let team = self.team(team);
        team.project.dpc(arguments, &self.emulator.credentials(team.account))
    }

    /// A team by its project's name.
    pub fn team(&self, name: &str) -> &Team {
        self.teams.get(name).unwrap_or_else(|| panic!("there is no team {name}"))
    }

    /// Says what happened, with the time since the beginning.
    pub fn say(&self, text: &str) {
        println!("{:6.1} s  {text}", self.begun.elapsed().as_secs_f32());
    }

    // ---- starting

    /// The pipeline's schedule fires, as at that time.
    pub fn fire(&self, team: &str, pipeline: &str, time: &str) {
        let account = self.team(team).account;
        let body = json!({ "name": format!("dpc-{pipeline}-*"), "account": account, "scheduledTime": time });
        let answer = self.emulator.post("/_dpc/fire", &body.to_string());
        assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    }

    /// Somebody runs a pipeline by hand.
    pub fn run(&self, account: &str, space: &str, pipeline: &str, partition: &str) -> Value {
        let key = format!("by-hand-{:016x}", fastrand::u64(..));
        let envelope = json!({
            "version": 1, "space": space, "pipeline": pipeline, "source": "run", "key": key, "partition": partition
        });
        self.invoke(account, "dpc-account", &envelope)
    }

    /// Calls a function and returns its answer.
    pub fn invoke(&self, account: &str, function: &str, event: &Value) -> Value {
        let path = format!("/2015-03-31/functions/{function}/invocations");
        body(&self.emulator.call("POST", account, "lambda", &path, &event.to_string(), ""))
    }

    /// The five minutes are over: account functions look for what was lost, or the central one does.
    pub fn sweep(&self, account: &str) {
        let rule = if account == CENTRAL { "dpc-central-sweep" } else { "dpc-sweep" };
        let body = json!({ "rule": rule, "account": account });
        let answer = self.emulator.post("/_dpc/fire", &body.to_string());
        assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    }

    /// The run was claimed long ago, as far as the sweep can tell: it lets young ones be.
    pub fn age(&self, account: &str, pipeline: &str, partition: &str, number: u32) {
        let update = json!({
            "TableName": "dpc-runs", "UpdateExpression": "SET claimedAt = :long", "ConditionExpression": "attribute_exists(pk)",
            "Key": { "pk": { "S": format!("PIPELINE#{pipeline}") }, "sk": { "S": format!("RUN#{partition}#{number:06}") } },
            "ExpressionAttributeValues": { ":long": { "S": "2026-11-20T00:00:00Z" } }
        });
        self.json(account, "dynamodb", "DynamoDB_20120810.UpdateItem", &update);
    }

    /// Plans a fault.
    pub fn fault(&self, kind: &str, body: Value) {
        self.emulator.fault(kind, &body.to_string());
    }

    // ---- looking

    /// Waits until nothing is under way any more: for a moment, functions, executions and messages have come to rest.
    pub fn settle(&self) {
        let (began, mut quiet) = (Instant::now(), Instant::now());
        loop {
            let answer = self.emulator.request("GET", "/_dpc/busy", "", &[]);
            if body(&answer) != json!({}) {
                quiet = Instant::now();
            }
            if quiet.elapsed() > Duration::from_millis(250) {
                return;
            }
            assert!(began.elapsed() < Duration::from_secs(60), "never at rest: {answer}");
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// The statuses of a pipeline's executions for a partition, by the numbers of their runs.
    pub fn runs(&self, account: &str, pipeline: &str, partition: &str) -> Vec<String> {
        let arn = format!("arn:aws:states:eu-central-1:{account}:stateMachine:dpc-{pipeline}");
        let found = self.json(account, "states", "AWSStepFunctions.ListExecutions", &json!({ "stateMachineArn": arn }));
        let prefix = format!("{pipeline}.{partition}.");
        let mut runs: Vec<(u32, String)> = Vec::new();
        for execution in found["executions"].as_array().unwrap() {
            let (name, status) = (execution["name"].as_str().unwrap(), execution["status"].as_str().unwrap());
            if let Some(number) = name.strip_prefix(&prefix) {
                runs.push((number.parse().unwrap(), status.to_owned()));
            }
        }
        runs.sort();
        runs.into_iter().map(|(_, status)| status).collect()
    }

    /// Rows of the central table whose key begins so.
    pub fn rows(&self, prefix: &str) -> Vec<Value> {
        let mut rows = Vec::new();
        let mut ask = json!({ "TableName": "dpc-central", "ConsistentRead": true });
        loop {
            let found = self.json(CENTRAL, "dynamodb", "DynamoDB_20120810.Scan", &ask);
            let begins = |row: &&Value| row["pk"]["S"].as_str().is_some_and(|key| key.starts_with(prefix));
            rows.extend(found["Items"].as_array().unwrap().iter().filter(begins).cloned());
            match found.get("LastEvaluatedKey") {
                Some(key) if !key.is_null() => ask["ExclusiveStartKey"] = key.clone(),
                _ => return rows,
            }
        }
    }

    /// How many messages lie in a queue.
    pub fn messages(&self, account: &str, queue: &str) -> u64 {
        let url = format!("{}/{account}/{queue}", self.emulator.endpoint);
        let ask = json!({ "QueueUrl": url, "AttributeNames": ["ApproximateNumberOfMessages"] });
        let found = self.json(account, "sqs", "AmazonSQS.GetQueueAttributes", &ask);
        found["Attributes"]["ApproximateNumberOfMessages"].as_str().unwrap().parse().unwrap()
    }

    /// Calls an API with JSON.
    pub fn json(&self, account: &str, service: &str, target: &str, ask: &Value) -> Value {
        body(&self.emulator.call("POST", account, service, "/", &ask.to_string(), target))
    }

    /// Calls EventBridge as the account function of an account would, with its role.
    pub fn put_event_as_function(&self, account: &str, entry: &Value) -> Value {
        let token = format!("arn:aws:lambda:eu-central-1:{account}:function:dpc-account");
        let who = format!(
            "AWS4-HMAC-SHA256 Credential={account}/20261122/eu-central-1/events/aws4_request, SignedHeaders=host, Signature=0"
        );
        let headers = [
            ("Authorization", who.as_str()),
            ("X-Amz-Security-Token", token.as_str()),
            ("X-Amz-Target", "AWSEvents.PutEvents"),
            ("Content-Type", "application/x-amz-json-1.1"),
        ];
        body(&self.emulator.request("POST", "/", &json!({ "Entries": [entry] }).to_string(), &headers))
    }
}

/// The JSON of an answer, or a panic with all of it.
#[track_caller]
fn body(answer: &str) -> Value {
    let (head, rest) = answer.split_once("\r\n\r\n").unwrap();
    assert!(head.starts_with("HTTP/1.1 20"), "{answer}");
    // A chunked answer: the longest line is the one that counts.
    let text = match head.to_lowercase().contains("transfer-encoding: chunked") {
        true => rest.lines().max_by_key(|line| line.len()).unwrap_or_default(),
        false => rest,
    };
    serde_json::from_str(text).unwrap_or_else(|_| panic!("{answer}"))
}

/// The binary without what only a debugger reads: five accounts get a copy.
fn lean(emulator: &Emulator) -> PathBuf {
    let (full, lean) = (PathBuf::from(env!("CARGO_BIN_EXE_dpc")), emulator.folder().join("dpc"));
    let stripped = Command::new("strip").arg("-o").arg(&lean).arg(&full).status();
    if stripped.is_ok_and(|status| status.success()) { lean } else { full }
}

fn project(name: &str, account: &str, other: Option<(&str, &str)>, pipelines: &[(&'static str, String)]) -> Project {
    let mut environments = format!("  prod: {{ account: \"{account}\", region: eu-central-1 }}\n");
    if let Some((name, account)) = other {
        environments += &format!("  {name}: {{ account: \"{account}\", region: eu-central-1 }}\n");
    }
    let mut files = vec![("dpc.yaml".to_owned(), format!("project: {name}\nenvironments:\n{environments}"))];
    for (pipeline, text) in pipelines {
        files.push((format!("{pipeline}/pipeline.yaml"), format!("name: {pipeline}\n{text}")));
    }
    Project::of(&files)
}
