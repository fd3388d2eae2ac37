//! `dpc render` prints what every step of a run would be told, for the partition, the params and the event given.

// Reason: tests start the program and write the event that it reads.
#![allow(clippy::disallowed_methods)]

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use serde_json::{Value, json};

fn render(project: &str, arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_dpc"))
        .arg("render")
        .args(arguments)
        .current_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures").join(project))
        .env_remove("DPC_ENV")
        .env_remove("AWS_REGION")
        .output()
        .expect("the program starts")
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).expect("dpc prints UTF-8")
}

/// What is printed of a run that can be rendered.
fn printed(project: &str, arguments: &[&str]) -> String {
    let output = render(project, arguments);
    assert!(output.status.success(), "{}", text(&output.stderr));
    text(&output.stdout)
}

/// The same as JSON.
fn document(project: &str, arguments: &[&str]) -> Value {
    serde_json::from_str(&printed(project, &[arguments, &["--format", "json"]].concat())).expect("it is JSON")
}

/// What is said of one that cannot.
fn refused(project: &str, arguments: &[&str]) -> String {
    let output = render(project, arguments);
    assert_eq!((output.status.code(), text(&output.stdout).as_str()), (Some(1), ""));
    text(&output.stderr)
}

fn event(name: &str, text: &str) -> PathBuf {
    let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    std::fs::write(&path, text).expect("the test's own folder can be written");
    path
}

/// The arguments of a step behind those of the runner.
fn command<'v>(document: &'v Value, pipeline: usize, step: &str) -> Vec<&'v str> {
    let steps = document.pointer(&format!("/{pipeline}/steps")).and_then(Value::as_array).into_iter().flatten();
    let step =
        steps.filter(|other| other["name"] == step).filter_map(|step| step.pointer("/arguments/args")?.as_array());
    let args = step.flatten().filter_map(Value::as_str);
    args.skip_while(|argument| *argument != "--").skip(1).collect()
}

const REPORT: &[&str] = &["report", "--env", "prod", "--partition", "2026-11-21"];

#[test]
fn a_run_is_rendered_with_its_defaults() {
    let found = document("many-shapes", REPORT);
    assert_eq!(found.pointer("/0/run/id"), Some(&json!("2026-11-21.1")));
    assert_eq!(found.pointer("/0/run/start"), Some(&json!("2026-11-21T00:00:00Z")));
    assert_eq!(found.pointer("/0/params/since"), Some(&json!("2026-08-01")));
    assert_eq!(found.pointer("/0/params/detail"), Some(&json!("streets")), "of the environment");
    assert_eq!(command(&found, 0, "headlines"), ["bash", "src/headlines.sh", "false", "pt,es"]);
    assert_eq!(command(&found, 0, "extract"), ["bash", "src/extract.sh", "2026-11-21"]);
}

#[test]
fn params_take_the_place_of_defaults() {
    let own = ["--param", "sample=0.5", "--param", "countries=de,at", "--run-number", "3"];
    let found = document("many-shapes", &[REPORT, &own].concat());
    assert_eq!(found.pointer("/0/run/id"), Some(&json!("2026-11-21.3")));
    assert_eq!(found.pointer("/0/params/sample"), Some(&json!(0.5)));
    assert_eq!(command(&found, 0, "headlines"), ["bash", "src/headlines.sh", "false", "de,at"]);
}

#[test]
fn people_read_a_table() {
    let found = printed("many-shapes", REPORT);
    for line in [
        "report/2026-11-21/1",
        "  from 2026-11-21T00:00:00Z to 2026-11-22T00:00:00Z",
        "    countries[1]  es",
        "  extract: shell",
        "    args[20]  PATH_OF_DAY=2026/11/21",
        "    args[22]  NEXT_BUSINESS_DAY=2026-11-23",
        "    args[24]  LITERAL=${HOME} stays as it is, and so does ${HOME}",
    ] {
        assert!(found.lines().any(|other| other == line), "{line}\n{found}");
    }
    assert!(!found.contains("${AWS::"), "what CloudFormation puts in stands in place:\n{found}");
}

#[test]
fn one_date_is_asked_of_pipelines_of_every_granularity() {
    let output = render("many-shapes", &["close", "report", "--env", "prod", "--partition", "2026-11-21"]);
    assert_eq!(text(&output.stderr), "close: 2026-11-21 lies in its partition 2026-11\n");
    let found = text(&output.stdout);
    // A month of Berlin begins in the evening of the month before, as the world counts.
    assert!(found.starts_with("close/2026-11/1\n  from 2026-10-31T23:00:00Z to 2026-11-30T23:00:00Z\n"), "{found}");
    assert!(found.contains("\nreport/2026-11-21/1\n"), "{found}");
}

#[test]
fn pipelines_are_selected_as_everywhere() {
    let ids = |select: &[&str]| -> Vec<String> {
        let arguments = [select, &["--env", "prod", "--partition", "2026-11-21"]].concat();
        let found = document("services", &arguments);
        let runs = found.as_array().into_iter().flatten();
        runs.map(|run| run["run"]["pipeline"].as_str().unwrap_or_default().to_owned()).collect()
    };
    assert_eq!(ids(&["c*"]), ["convert", "crunch"]);
    assert_eq!(ids(&[]).len(), 5);
}

#[test]
fn what_a_step_learns_when_it_starts_stays_as_it_was_written() {
    let found = document("marketplace", &["daily", "--env", "prod", "--partition", "2026-11-30"]);
    let steps = found.pointer("/0/steps").and_then(Value::as_array).into_iter().flatten();
    let step = steps.filter(|step| step["name"] == "clean-payments").collect::<Vec<_>>();
    assert_eq!(step.len(), 1);
    assert_eq!(step[0]["whenItStarts"], json!(["--rate={{ steps.fetch-rates.output.CHF }}"]));
}

#[test]
fn an_event_names_the_partition_and_what_is_in_it() {
    let file = event("render-event.json", r#"{"detail":{"object":{"key":"incoming/orders/2026-11-21/part-0.csv"}}}"#);
    let found = document("triggers", &["orders", "--event", &file.to_string_lossy()]);
    assert_eq!(found.pointer("/0/run/partition"), Some(&json!("2026-11-21")));
    assert_eq!(found.pointer("/0/run/source"), Some(&json!("event")));
    assert_eq!(command(&found, 0, "load"), ["bash", "src/load.sh", "incoming/orders/2026-11-21/part-0.csv"]);
}

#[test]
fn what_cannot_be_rendered_is_said() {
    let other = event("render-other.json", r#"{"detail":{"object":{"key":"x"}}}"#);
    let broken = event("render-broken.json", "{");
    for (project, arguments, said) in [
        ("many-shapes", "reprot", "error[DPC617]: `reprot` selects no pipeline"),
        ("many-shapes", "reprot", "did you mean `report`?"),
        ("many-shapes", "report --partition yesterday", "error[DPC704]: `yesterday` is not a partition"),
        ("many-shapes", "report --param smaple=1", "did you mean `sample`?"),
        ("many-shapes", "report --param sample=x", "`x` is not of type number"),
        ("many-shapes", "report close --param smaple=1", "no pipeline selected has a parameter `smaple`"),
        ("triggers", "orders --partition 2026-11-21", "`event` is undefined"),
        ("triggers", "orders --partition 2026-11-21", "give the event that would start the run: `--event event.json`"),
        (
            "triggers",
            &format!("orders --event {}", other.display()),
            "`partition.from` is `{{ event.detail.object.key[16:26] }}`",
        ),
        ("triggers", &format!("orders --event {}", broken.display()), "error[DPC202]: cannot read the event in"),
        ("triggers", "orders --event nowhere.json", "error[DPC202]: cannot read the event in `nowhere.json`"),
    ] {
        let mut arguments: Vec<&str> = arguments.split(' ').collect();
        arguments.extend(["--env", "prod"]);
        let found = refused(project, &arguments);
        assert!(found.contains(said), "{arguments:?}: {said}\n{found}");
    }
}
