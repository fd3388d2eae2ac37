//! Objects and events that start runs: from the put to the run's own output, through the deployed rule and the account
//! function.

#![allow(clippy::disallowed_methods, clippy::unwrap_used, clippy::panic)] // Tests may touch the world.

mod support;

use std::time::{Duration, Instant};

use support::{Emulator, Project};

const ACCOUNT: &str = "333333333333";

/// Whatever prints this text within a minute.
fn eventually(text: &str, mut look: impl FnMut() -> String) {
    let until = Instant::now() + Duration::from_secs(60);
    loop {
        let said = look();
        if said.contains(text) {
            return;
        }
        assert!(Instant::now() < until, "`{text}` is not in\n{said}");
        std::thread::sleep(Duration::from_millis(500));
    }
}

#[test]
fn an_object_starts_the_pipeline_of_the_deepest_prefix_alone() {
    let emulator = Emulator::start(&[]);
    let aws = emulator.credentials(ACCOUNT);
    let project = Project::copy("triggers");
    let put = |path: &str, body: &str| {
        let answer = emulator.call("PUT", ACCOUNT, "s3", &format!("/rent-journey-data{path}"), body, "");
        assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    };
    let here = "<LocationConstraint>eu-central-1</LocationConstraint>";
    put("", &format!("<CreateBucketConfiguration>{here}</CreateBucketConfiguration>"));
    put(
        "?notification",
        "<NotificationConfiguration><EventBridgeConfiguration></EventBridgeConfiguration></NotificationConfiguration>",
    );
    let events = |target: &str, body: &str| {
        let answer = emulator.call("POST", ACCOUNT, "events", "/", body, &format!("AWSEvents.{target}"));
        assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    };
    events("CreateEventBus", r#"{"Name":"partners"}"#);
    project.dpc(&["setup", "account", "--yes"], &aws).exits(0);
    project.dpc(&["deploy", "orders", "exports", "--yes"], &aws).exits(0);

    // The partition is in the key; the rule of the outer prefix matches too, and its run is not started.
    put("/incoming/orders/2026-11-21/part-0.csv", "1,2");
    let logs = |run: &str| {
        let ran = project.dpc(&["logs", run, "--step", "load"], &aws);
        format!("{}{}", ran.stdout, ran.stderr)
    };
    eventually("load of incoming/orders/2026-11-21/part-0.csv", || logs("orders/2026-11-21/1"));
    let status = || project.dpc(&["status", "exports"], &aws).exits(0).stdout;
    assert!(status().contains("none yet"), "{}", status());

    // Beside the deeper prefix, the outer pipeline runs, for the day of the event.
    put("/incoming/other.csv", "3,4");
    eventually("load of ", || logs("exports"));

    // An event of another bus, as a pattern describes it.
    let detail = r#"{\"size\":7,\"name\":\"a.csv\"}"#;
    let entry = format!(
        r#"{{"Entries":[{{"EventBusName":"partners","Source":"partner.files","DetailType":"File Ready","Detail":"{detail}"}}]}}"#
    );
    events("PutEvents", &entry);
    eventually("/2 ", status);
}
