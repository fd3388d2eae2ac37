//! Every way in which AWS, or the way to it, says no: the exact words, and that nothing was written.
//!
//! Each test provokes one code of DPC6xx or DPC7xx and compares with `fixtures/broken/<code>/expected.txt`.

#![allow(clippy::disallowed_methods, clippy::unwrap_used)] // Tests may touch the world.

mod support;

use dpc::cloud::Caller;
use dpc::cloud::runs::{Progress, Registration, Run, Store, Table};
use dpc::control::plan::Plan;
use dpc::control::run::{RunRef, Source, Status};
use support::{ACCOUNT, Emulator, OnFailure, Project, Ran, Stacks, answering, closed_port, set_up, set_up_with};

fn keys(endpoint: &str) -> Vec<(String, String)> {
    [("AWS_ENDPOINT_URL", endpoint), ("AWS_ACCESS_KEY_ID", ACCOUNT), ("AWS_SECRET_ACCESS_KEY", "test")]
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .to_vec()
}

fn deploy(environment: &[(String, String)]) -> Ran {
    Project::copy("listings").dpc(&["deploy", "--yes"], environment).exits(1)
}

/// An answer of STS, in the words of the query protocol.
macro_rules! sts {
    ($code:literal, $message:literal) => {
        concat!(
            "<ErrorResponse xmlns=\"https://sts.amazonaws.com/doc/2011-06-15/\"><Error><Type>Sender</Type><Code>",
            $code,
            "</Code><Message>",
            $message,
            "</Message></Error><RequestId>5f1c0d3e-0000-4000-8000-000000000001</RequestId></ErrorResponse>"
        )
    };
}

const XML: &str = "content-type: text/xml\r\nx-amzn-requestid: 5f1c0d3e-0000-4000-8000-000000000001\r\n";

#[test]
fn dpc601_no_credentials() {
    deploy(&[]).matches_text_of("DPC601", &[]);
}

#[test]
fn dpc602_expired_credentials() {
    let body = sts!("ExpiredToken", "The security token included in the request is expired");
    deploy(&keys(&answering("403 Forbidden", XML, body))).matches_text_of("DPC602", &[]);
}

#[test]
fn dpc603_credentials_that_aws_does_not_know() {
    let body = sts!("InvalidClientTokenId", "The security token included in the request is invalid.");
    deploy(&keys(&answering("403 Forbidden", XML, body))).matches_text_of("DPC603", &[]);
}

#[test]
fn dpc604_nobody_listens() {
    let endpoint = format!("http://127.0.0.1:{}", closed_port());
    deploy(&keys(&endpoint)).matches_text_of("DPC604", &[(&endpoint, "http://127.0.0.1:PORT")]);
}

#[test]
fn dpc604_an_answer_that_is_not_of_aws() {
    let endpoint = answering("200 OK", "content-type: text/html\r\n", "<html>please log in</html>");
    deploy(&keys(&endpoint)).matches_text_of("DPC604-not-aws", &[(&endpoint, "http://127.0.0.1:PORT")]);
}

#[test]
fn dpc605_a_permission_is_missing() {
    let emulator = set_up();
    emulator.fault("deny", r#"{"action": "cloudformation:CreateChangeSet"}"#);
    deploy(&emulator.credentials(ACCOUNT)).findings().matches_text_of("DPC605", &[]);
    assert_eq!(Stacks::of(&emulator).state("dpc-listings"), None);
}

#[test]
fn dpc606_credentials_of_another_account() {
    let emulator = set_up();
    deploy(&emulator.credentials("222222222222")).matches_text_of("DPC606", &[]);
    // The environment's account has got nothing, and in the caller's there is nothing that could have taken anything.
    assert_eq!(Stacks::of(&emulator).all(), ["stand-in"]);
    assert!(emulator.keys(ACCOUNT).is_empty());
}

#[test]
fn dpc607_an_account_without_setup() {
    let emulator = Emulator::start(&[]);
    deploy(&emulator.credentials(ACCOUNT)).matches_text_of("DPC607", &[]);
    assert!(Stacks::of(&emulator).all().is_empty());
}

#[test]
fn dpc608_throttled_to_the_end() {
    let body = sts!("Throttling", "Rate exceeded");
    deploy(&keys(&answering("400 Bad Request", XML, body))).matches_text_of("DPC608", &[]);
}

#[test]
fn dpc609_any_other_refusal() {
    let body = sts!("RegionDisabledException", "STS is not activated in this region for account:111111111111.");
    deploy(&keys(&answering("403 Forbidden", XML, body))).matches_text_of("DPC609", &[]);
}

#[test]
fn dpc610_an_account_of_another_version() {
    let emulator = set_up_with(|template| template.replace("\"0.1.0\"", "\"0.0.9\""));
    deploy(&emulator.credentials(ACCOUNT)).matches_text_of("DPC610", &[]);
    assert_eq!(Stacks::of(&emulator).state("dpc-listings"), None);
}

/// A stack that CloudFormation waits on: its custom resource never answers.
const NEVER_READY: &str = r#"{"Resources":{"Never":{"Type":"Custom::Never","Properties":{
    "ServiceToken":"arn:aws:lambda:eu-central-1:111111111111:function:dpc-account","ServiceTimeout":"60"}}}}"#;

#[test]
fn dpc611_somebody_else_deploys() {
    let emulator = set_up_with(|template| template.replace("if \"RequestType\" in event", "if \"Nothing\" in event"));
    Stacks::of(&emulator).begin("dpc-listings", NEVER_READY, &[("dpc-space", "prod")], OnFailure::Rollback);
    deploy(&emulator.credentials(ACCOUNT)).matches_text_of("DPC611", &[]);
    assert!(emulator.keys(ACCOUNT).is_empty(), "nothing was written, it says");
}

const BROKEN: &str = r#"{"Resources":{"Topic":{"Type":"AWS::SNS::Topic"}}}"#;

#[test]
fn dpc612_a_stack_that_takes_no_update() {
    let emulator = set_up();
    emulator.fault("fail-resource", r#"{"logicalId": "Topic", "reason": "no"}"#);
    let stacks = Stacks::of(&emulator);
    stacks.begin("dpc-listings", BROKEN, &[("dpc-space", "prod")], OnFailure::DoNothing);
    assert_eq!(stacks.end("dpc-listings"), "CREATE_FAILED");
    deploy(&emulator.credentials(ACCOUNT)).matches_text_of("DPC612", &[]);
    assert_eq!(stacks.state("dpc-listings").as_deref(), Some("CREATE_FAILED"));
}

#[test]
fn dpc613_a_resource_that_aws_refuses() {
    let emulator = set_up();
    let reason = "Invalid Schedule Expression cron(0 3 * * ? *). (Service: Scheduler, Status Code: 400)";
    let fault = format!(r#"{{"type": "AWS::Scheduler::Schedule", "reason": "{reason}"}}"#);
    emulator.fault("fail-resource", &fault);
    let ran = deploy(&emulator.credentials(ACCOUNT));
    ran.findings().matches_text_of("DPC613", &[]);
}

#[test]
fn dpc614_a_stack_that_cannot_be_deleted() {
    let emulator = set_up_with(|template| {
        template.replace(
            "Status=\"SUCCESS\"",
            "Status=\"FAILED\" if event[\"RequestType\"] == \"Delete\" else \"SUCCESS\", Reason=\"still in use\"",
        )
    });
    let project = Project::copy("listings");
    let aws = emulator.credentials(ACCOUNT);
    project.dpc(&["deploy", "--yes"], &aws).exits(0);
    let ran = project.dpc(&["destroy", "listings", "--yes"], &aws).exits(1);
    ran.findings().matches_text_of("DPC614", &[]);
}

#[test]
fn dpc615_a_stack_that_dpc_did_not_make() {
    let emulator = set_up();
    let stacks = Stacks::of(&emulator);
    assert_eq!(stacks.create("dpc-listings", BROKEN), "CREATE_COMPLETE");
    let ran = deploy(&emulator.credentials(ACCOUNT));
    ran.findings().matches_text_of("DPC615", &[]);
}

#[test]
fn dpc616_nobody_to_ask() {
    let emulator = set_up();
    let project = Project::copy("listings");
    let ran = project.dpc(&["deploy"], &emulator.credentials(ACCOUNT)).exits(1);
    ran.findings().matches_text_of("DPC616", &[]);
    assert_eq!(Stacks::of(&emulator).state("dpc-listings"), None, "the review is cleaned up");
}

#[test]
fn dpc617_nothing_selected() {
    let project = Project::copy("listings");
    project.dpc(&["deploy", "listing", "--yes"], &[]).exits(1).matches_text_of("DPC617", &[]);
}

#[test]
fn dpc751_not_deployed() {
    let emulator = set_up();
    let project = Project::copy("listings");
    let run = project.dpc(&["run", "listings", "--partition", "2026-11-21"], &emulator.credentials(ACCOUNT));
    run.exits(1).matches_text_of("DPC751", &[]);
}

/// A table in which `listings` is registered and has run once, without success.
fn with_a_failed_run(emulator: &Emulator) {
    let config = aws_sdk_dynamodb::Config::builder()
        .behavior_version(aws_sdk_dynamodb::config::BehaviorVersion::latest())
        .region(aws_sdk_dynamodb::config::Region::new("eu-central-1"))
        .endpoint_url(&emulator.endpoint)
        .credentials_provider(aws_sdk_dynamodb::config::Credentials::new(ACCOUNT, "test", None, None, "test"))
        .http_client(aws_smithy_http_client::Builder::new().build_http())
        .build();
    let table = Table::new(aws_sdk_dynamodb::Client::from_conf(config), Caller::default());
    let began: jiff::Timestamp = "2026-11-22T02:00:00Z".parse().unwrap();
    let plan: Plan = serde_json::from_value(serde_json::json!({
        "version": "1", "pipeline": "listings", "space": "prod", "stateMachine": "arn:aws:states:::dpc-listings",
        "partition": { "by": "day", "offset": "-1d", "timezone": "Europe/Berlin" }, "steps": {}
    }))
    .unwrap();
    let registration = Registration {
        plan,
        digest: "0".into(),
        stack: "arn".into(),
        warnings: Vec::new(),
        registered_at: began,
        schedules_since: began,
        swept_to: began,
    };
    let reference: RunRef = "listings/2026-11-21/1".parse().unwrap();
    let run = Run::queued(reference.clone(), "prod".into(), Source::Run, "key".into(), began);
    let mut ended = Progress::to(Status::Failed);
    ended.cause = Some("step `aggregate` cannot be rendered: `params.limit` is not defined".into());
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(async {
        assert!(table.register(&registration, None).await.unwrap());
        assert!(table.claim(&run).await.unwrap());
        assert!(table.advance(&reference, &ended).await.unwrap());
    });
}

#[test]
fn dpc752_no_such_run() {
    let emulator = set_up();
    with_a_failed_run(&emulator);
    let project = Project::copy("listings");
    let logs = project.dpc(&["logs", "listings/2026-11-21/3"], &emulator.credentials(ACCOUNT));
    logs.exits(1).matches_text_of("DPC752", &[]);
}

#[test]
fn dpc753_a_run_that_failed() {
    let emulator = set_up_with(|template| {
        let answer = r#"return {"error": {"code": "DPC755", "message": "the stand-in starts no run"}}"#;
        assert!(template.contains(answer));
        template.replace(answer, r#"return {"run": "listings/2026-11-21/1", "status": "FAILED"}"#)
    });
    with_a_failed_run(&emulator);
    let project = Project::copy("listings");
    let run = project.dpc(&["run", "listings", "--date", "2026-11-21"], &emulator.credentials(ACCOUNT));
    run.exits(1).matches_text_of("DPC753", &[]);
}

#[test]
fn dpc755_the_account_function_refuses() {
    let emulator = set_up();
    with_a_failed_run(&emulator);
    let project = Project::copy("listings");
    let run = project.dpc(&["run", "listings", "--partition", "2026-11-21"], &emulator.credentials(ACCOUNT));
    run.exits(1).matches_text_of("DPC755", &[]);
}

#[test]
fn dpc754_not_name_and_value() {
    let project = Project::copy("listings");
    project.dpc(&["run", "listings", "--param", "limit"], &[]).exits(1).matches_text_of("DPC754", &[]);
}
