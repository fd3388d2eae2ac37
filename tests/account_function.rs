//! The account function as it is deployed: the real binary behind Lambda, with a real table and real executions.
//!
//! One test, because setting an account up with a debug binary takes a while; its parts are histories of one account.

#![allow(clippy::disallowed_methods, clippy::indexing_slicing, clippy::panic, clippy::unwrap_used)] // Tests may touch the world.

mod support;

use std::time::{Duration, Instant};

use aws_config::{BehaviorVersion, Region, SdkConfig};
use aws_sdk_cloudformation::config::{Credentials, SharedCredentialsProvider};
use aws_sdk_dynamodb::types::AttributeValue;
use aws_sdk_emr::types::ClusterState;
use aws_sdk_sfn::types::ExecutionStatus;
use serde_json::{Value, json};
use support::{ACCOUNT, Emulator, Project};

const MACHINE: &str = "arn:aws:states:eu-central-1:111111111111:stateMachine:dpc-listings";

struct Aws {
    lambda: aws_sdk_lambda::Client,
    table: aws_sdk_dynamodb::Client,
    sfn: aws_sdk_sfn::Client,
    emr: aws_sdk_emr::Client,
}

impl Aws {
    fn of(emulator: &Emulator) -> Self {
        let config = SdkConfig::builder()
            .behavior_version(BehaviorVersion::latest())
            .region(Region::new("eu-central-1"))
            .endpoint_url(&emulator.endpoint)
            .credentials_provider(SharedCredentialsProvider::new(Credentials::new(ACCOUNT, "test", None, None, "test")))
            .http_client(aws_smithy_http_client::Builder::new().build_http())
            .build();
        Self {
            lambda: aws_sdk_lambda::Client::new(&config),
            table: aws_sdk_dynamodb::Client::new(&config),
            sfn: aws_sdk_sfn::Client::new(&config),
            emr: aws_sdk_emr::Client::new(&config),
        }
    }

    async fn invoke(&self, event: Value) -> Value {
        let payload = event.to_string().into_bytes().into();
        let answer = self.lambda.invoke().function_name("dpc-account").payload(payload).send().await.unwrap();
        let body = String::from_utf8(answer.payload().unwrap().as_ref().to_vec()).unwrap();
        assert_eq!(answer.function_error(), None, "{body}");
        serde_json::from_str(&body).unwrap()
    }

    /// An attribute of a row, if row and attribute exist.
    async fn attribute(&self, sk: &str, name: &str) -> Option<String> {
        let item = self.table.get_item().table_name("dpc-runs").consistent_read(true);
        let item = item.key("pk", text("PIPELINE#listings")).key("sk", text(sk)).send().await.unwrap().item?;
        item.get(name)?.as_s().ok().cloned()
    }

    async fn set(&self, sk: &str, name: &str, value: &str) {
        let update = self.table.update_item().table_name("dpc-runs");
        let update = update.key("pk", text("PIPELINE#listings")).key("sk", text(sk));
        let update = update.update_expression("SET #name = :value").expression_attribute_names("#name", name);
        update.expression_attribute_values(":value", text(value)).send().await.unwrap();
    }

    /// Waits until a run's row shows this status.
    async fn reaches(&self, run: &str, status: &str) {
        let began = Instant::now();
        loop {
            let now = self.attribute(run, "status").await;
            if now.as_deref() == Some(status) {
                return;
            }
            assert!(began.elapsed() < Duration::from_secs(60), "{run} is {now:?} and should be {status}");
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
    }

    async fn ends(&self, execution: &str) -> (ExecutionStatus, Option<String>, Option<String>) {
        let began = Instant::now();
        loop {
            let found = self.sfn.describe_execution().execution_arn(execution).send().await.unwrap();
            if *found.status() != ExecutionStatus::Running {
                return (found.status().clone(), found.error().map(str::to_owned), found.cause().map(str::to_owned));
            }
            assert!(began.elapsed() < Duration::from_secs(60), "{execution} still runs");
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
    }

    async fn executions(&self) -> Vec<String> {
        let found = self.sfn.list_executions().state_machine_arn(MACHINE).send().await.unwrap();
        found.executions().iter().map(|execution| execution.name().to_owned()).collect()
    }

    async fn active_clusters(&self, name: &str) -> usize {
        let states =
            [ClusterState::Starting, ClusterState::Bootstrapping, ClusterState::Running, ClusterState::Waiting];
        let found = self.emr.list_clusters().set_cluster_states(Some(states.to_vec())).send().await.unwrap();
        found.clusters().iter().filter(|cluster| cluster.name() == Some(name)).count()
    }
}

fn text(value: &str) -> AttributeValue {
    AttributeValue::S(value.to_owned())
}

fn fire(day: u8) -> Value {
    let due = format!("2026-11-{day:02}T02:00:00Z");
    json!({
        "version": 1, "space": "prod", "pipeline": "listings", "source": "schedule", "key": due, "scheduledTime": due,
    })
}

fn by_hand(partition: &str) -> Value {
    json!({
        "version": 1, "space": "prod", "pipeline": "listings", "source": "run", "key": format!("by-hand-{partition}"),
        "partition": partition,
    })
}

#[test]
fn the_account_function_keeps_its_promises() {
    let emulator = Emulator::start(&[]);
    let project = Project::copy("listings");
    let credentials = emulator.credentials(ACCOUNT);
    project.dpc(&["setup", "account", "--yes"], &credentials).exits(0).says("Set up environment `prod`");
    project.dpc(&["setup", "account", "--yes"], &credentials).exits(0).says("Unchanged environment `prod`");
    project.dpc(&["deploy", "--yes"], &credentials).exits(0).says("Created listings");
    let aws = Aws::of(&emulator);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        one_schedule_delivered_twice_is_one_run(&aws).await;
        a_lost_end_is_healed_by_the_sweep(&aws, &emulator).await;
        an_aborted_run_loses_its_cluster(&aws).await;
        an_execution_started_by_hand_is_refused(&aws).await;
        runs_wait_for_one_another(&aws).await;
        a_step_that_waits_is_told_once(&aws).await;
        a_pause_keeps_back_what_nobody_has_asked_for(&aws).await;
        a_backfill_goes_on_by_itself_and_can_be_cancelled(&aws).await;
        runs_are_stopped(&aws).await;
        what_cannot_be_rendered_is_a_failed_run(&aws).await;
    });
    project.dpc(&["destroy", "listings", "--yes"], &credentials).exits(0);
    runtime.block_on(async {
        let answer = aws.invoke(by_hand("2026-11-10")).await;
        assert_eq!(answer["error"]["code"], "DPC702", "{answer}");
    });
}

async fn one_schedule_delivered_twice_is_one_run(aws: &Aws) {
    let (one, two, three) = tokio::join!(aws.invoke(fire(22)), aws.invoke(fire(22)), aws.invoke(fire(22)));
    let new = [&one, &two, &three].iter().filter(|answer| answer["new"] == true).count();
    assert_eq!((new, &one["run"], &two["run"]), (1, &json!("listings/2026-11-21/1"), &three["run"]), "{one} {two}");
    aws.reaches("RUN#2026-11-21#000001", "SUCCEEDED").await;
    assert_eq!(aws.executions().await, ["listings.2026-11-21.1"]);
    assert_eq!(aws.active_clusters("listings.2026-11-21.1").await, 0);
}

async fn a_lost_end_is_healed_by_the_sweep(aws: &Aws, emulator: &Emulator) {
    emulator.fault("drop-status-events", r#"{"stateMachine": "dpc-listings", "statuses": ["SUCCEEDED"]}"#);
    let run = "RUN#2026-11-20#000001";
    let answer = aws.invoke(fire(21)).await;
    let (status, ..) = aws.ends(answer["executionArn"].as_str().unwrap()).await;
    assert_eq!(status, ExecutionStatus::Succeeded);
    aws.invoke(json!({ "dpc": "sweep" })).await;
    assert_eq!(aws.attribute(run, "status").await.as_deref(), Some("RUNNING"), "it is too young for the sweep");
    aws.set(run, "claimedAt", "2026-11-21T02:00:00Z").await;
    let swept = aws.invoke(json!({ "dpc": "sweep" })).await;
    assert_eq!((&swept["failures"], aws.attribute(run, "status").await.as_deref()), (&json!([]), Some("SUCCEEDED")));
    assert_eq!(aws.attribute(run, "open").await, None, "nothing is left to do");
}

async fn an_aborted_run_loses_its_cluster(aws: &Aws) {
    let answer = aws.invoke(by_hand("2026-11-12")).await;
    let began = Instant::now();
    while aws.active_clusters("listings.2026-11-12.1").await == 0 {
        assert!(began.elapsed() < Duration::from_secs(30), "no cluster was created");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    aws.sfn.stop_execution().execution_arn(answer["executionArn"].as_str().unwrap()).send().await.unwrap();
    aws.reaches("RUN#2026-11-12#000001", "ABORTED").await;
    let began = Instant::now();
    while aws.active_clusters("listings.2026-11-12.1").await > 0 {
        assert!(began.elapsed() < Duration::from_secs(30), "the cluster was not terminated");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

async fn an_execution_started_by_hand_is_refused(aws: &Aws) {
    let found = aws.executions().await.len();
    let arn = format!("{}:listings.2026-11-21.1", MACHINE.replace("stateMachine", "execution"));
    let copied = aws.sfn.describe_execution().execution_arn(arn).send().await.unwrap().input().unwrap().to_owned();
    let start = aws.sfn.start_execution().state_machine_arn(MACHINE).name("listings.2026-11-21.2").input(copied);
    let (status, error, cause) = aws.ends(start.send().await.unwrap().execution_arn()).await;
    assert_eq!((status, error.as_deref()), (ExecutionStatus::Failed, Some("dpc.NotStartedByDpc")));
    assert!(cause.is_some_and(|cause| cause.contains("dpc run")));
    assert_eq!(aws.executions().await.len(), found + 1);
    assert_eq!(aws.attribute("RUN#2026-11-21#000002", "status").await, None, "it is nobody's run");
}

async fn what_cannot_be_rendered_is_a_failed_run(aws: &Aws) {
    // As if another version of dpc had deployed the pipeline: this one's `validate` finds such a template.
    let plan = aws.attribute("REGISTRATION", "plan").await.unwrap();
    aws.set("REGISTRATION", "plan", &plan.replace("{{ run.partition }}", "{{ params.gone }}")).await;
    let answer = aws.invoke(fire(16)).await;
    assert_eq!((&answer["status"], &answer["executionArn"]), (&json!("FAILED"), &Value::Null), "{answer}");
    let run = "RUN#2026-11-15#000001";
    assert_eq!(aws.attribute(run, "error").await.as_deref(), Some("DPC706"));
    let cause = aws.attribute(run, "cause").await.unwrap();
    assert!(cause.contains("`{{ params.gone }}`"), "{cause}");
}

async fn runs_wait_for_one_another(aws: &Aws) {
    let ask = async |partition: &str, key: &str| {
        let mut envelope = by_hand(partition);
        envelope["key"] = json!(key);
        aws.invoke(envelope).await
    };
    let first = ask("2026-11-05", "q-1").await;
    let second = ask("2026-11-04", "q-2").await;
    assert_eq!((&first["status"], &second["status"]), (&json!("RUNNING"), &json!("QUEUED")), "{second}");
    assert_eq!(second["waitsFor"], "listings/2026-11-05/1");
    assert_eq!(ask("2026-11-04", "q-3").await["status"], "QUEUED");
    assert_eq!(aws.attribute("RUN#2026-11-04#000001", "status").await.as_deref(), Some("SKIPPED"));
    assert_eq!(aws.attribute("RUN#2026-11-04#000001", "error").await.as_deref(), Some("dpc.Superseded"));
    assert_eq!(aws.attribute("RUN#2026-11-04#000001", "open").await, None);
    aws.reaches("RUN#2026-11-05#000001", "SUCCEEDED").await;
    aws.reaches("RUN#2026-11-04#000002", "SUCCEEDED").await;
    let plan = aws.attribute("REGISTRATION", "plan").await.unwrap();
    aws.set("REGISTRATION", "plan", &plan.replacen('{', r#"{"when":"{{ run.number > 1 }}","#, 1)).await;
    let answer = ask("2026-11-03", "q-4").await;
    assert_eq!((&answer["status"], &answer["executionArn"]), (&json!("SKIPPED"), &Value::Null), "{answer}");
    aws.set("REGISTRATION", "plan", &plan).await;
}

fn ask(verb: &str, more: Value) -> Value {
    let mut event = json!({ "dpc": verb, "space": "prod", "by": "ada" });
    event.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    event
}

async fn a_pause_keeps_back_what_nobody_has_asked_for(aws: &Aws) {
    let pause = json!({ "pipeline": "listings", "why": "bad data" });
    assert_eq!(aws.invoke(ask("pause", pause.clone())).await["new"], true);
    assert_eq!(aws.invoke(ask("pause", pause)).await["new"], false);
    let skipped = aws.invoke(fire(19)).await;
    assert_eq!((&skipped["status"], &skipped["runError"]), (&json!("SKIPPED"), &json!("dpc.Paused")), "{skipped}");
    let resumed = aws.invoke(ask("resume", json!({ "pipeline": "listings" }))).await;
    assert_eq!(resumed["pause"]["why"], "bad data");
    assert_eq!(resumed["missed"][0]["run"], "listings/2026-11-18/1", "{resumed}");
    let rerun = json!({ "pipeline": "listings", "partitions": ["listings/2026-11-18/1"], "id": "missed" });
    assert_eq!(aws.invoke(ask("rerun", rerun)).await["id"], "rr-missed");
    aws.reaches("RUN#2026-11-18#000002", "SUCCEEDED").await;
}

async fn a_backfill_goes_on_by_itself_and_can_be_cancelled(aws: &Aws) {
    let backfill = |to: &str, id: &str| json!({ "pipeline": "listings", "from": "2026-10-01", "to": to, "id": id });
    let begun = aws.invoke(ask("backfill", backfill("2026-10-03", "bf-e2e"))).await;
    assert_eq!((&begun["total"], &begun["state"]), (&json!(3), &json!("RUNNING")), "{begun}");
    aws.reaches("RUN#2026-10-03#000001", "SUCCEEDED").await;
    let began = Instant::now();
    let done = loop {
        let shown = aws.invoke(ask("batch", json!({ "batch": "bf-e2e" }))).await;
        if shown["state"] == "DONE" {
            break shown;
        }
        assert!(began.elapsed() < Duration::from_secs(30), "{shown}");
        tokio::time::sleep(Duration::from_millis(200)).await;
    };
    assert_eq!(done["ended"], json!({ "SUCCEEDED": 3 }));
    assert_eq!(done["partitions"][1], json!({ "partition": "2026-10-02", "number": 1, "status": "SUCCEEDED" }));
    let begun = aws.invoke(ask("backfill", backfill("2026-10-20", "bf-two"))).await;
    assert_eq!(begun["active"], json!(["2026-10-04", "2026-10-05", "2026-10-06"]), "what has run is not missing");
    let cancelled = aws.invoke(ask("cancel-batch", json!({ "batch": "bf-two", "stop": true }))).await;
    assert_eq!(cancelled["state"], "CANCELLED", "{cancelled}");
    for day in ["04", "05", "06"] {
        aws.reaches(&format!("RUN#2026-10-{day}#000001"), "ABORTED").await;
    }
    assert_eq!(aws.attribute("RUN#2026-10-07#000001", "status").await, None);
    let batches = aws.invoke(ask("batches", json!({ "pipeline": "listings" }))).await;
    let ids: Vec<&Value> = batches["batches"].as_array().unwrap().iter().map(|batch| &batch["id"]).collect();
    assert_eq!(ids, ["bf-two", "bf-e2e", "rr-missed"]);
}

async fn runs_are_stopped(aws: &Aws) {
    let first = aws.invoke(by_hand("2026-10-25")).await;
    assert_eq!(first["status"], "RUNNING", "{first}");
    assert_eq!(aws.invoke(by_hand("2026-10-26")).await["status"], "QUEUED");
    let stopped = aws.invoke(ask("stop", json!({ "run": "listings/2026-10-26/1", "why": "not now" }))).await;
    assert_eq!((&stopped["was"], &stopped["status"]), (&json!("QUEUED"), &json!("ABORTED")), "{stopped}");
    let stopped = aws.invoke(ask("stop", json!({ "run": "listings/2026-10-25/1" }))).await;
    assert_eq!(stopped["was"], "RUNNING", "{stopped}");
    aws.reaches("RUN#2026-10-25#000001", "ABORTED").await;
    assert_eq!(aws.attribute("RUN#2026-10-25#000001", "cause").await.as_deref(), Some("stopped by ada"));
    let cause = aws.attribute("RUN#2026-10-26#000001", "cause").await;
    assert_eq!(cause.as_deref(), Some("stopped by ada: not now"));
    let over = aws.invoke(ask("stop", json!({ "run": "listings/2026-10-25/1" }))).await;
    assert_eq!(over["error"]["code"], "DPC777", "{over}");
}

async fn a_step_that_waits_is_told_once(aws: &Aws) {
    let step = json!({
        "version": 1, "space": "prod", "pipeline": "listings", "source": "pipeline", "key": "site.2026-11-02.1/load/0",
        "parent": "site.2026-11-02.1",
    });
    for token in ["nobody-waits-for-this", "nor-for-this"] {
        let mut step = step.clone();
        step["taskToken"] = json!(token);
        assert_eq!(aws.invoke(step).await["run"], "listings/2026-11-02/1");
    }
    let run = "RUN#2026-11-02#000001";
    aws.reaches(run, "SUCCEEDED").await;
    let began = Instant::now();
    while aws.attribute(run, "open").await.is_some() {
        assert!(began.elapsed() < Duration::from_secs(30), "both tokens are answered, and the row is closed");
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
}
