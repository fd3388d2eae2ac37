//! `dpc test` and `dpc simulate`: the case study played through the real engine, and every example of docs/testing.md.

// Reason: tests read the repository, write temporary folders and run the binary.
#![allow(clippy::disallowed_methods)]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use serde_json::Value;

fn repository() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn simulations() -> PathBuf {
    repository().join("fixtures/simulations")
}

fn dpc(folder: &Path, arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_dpc"));
    command.args(arguments).current_dir(folder).env_clear();
    command.env("HOME", folder).env("AWS_EC2_METADATA_DISABLED", "true").output().expect("dpc can be started")
}

fn stdout(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned()
}

fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// The fixture's pipelines, with one test of our own.
fn project_with(name: &str, test: &str) -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("offline-{name}"));
    let _absent = fs::remove_dir_all(&folder);
    copy(&simulations(), &folder);
    fs::remove_dir_all(folder.join("tests")).expect("the copy has tests");
    fs::create_dir_all(folder.join("tests")).expect("the copy can be written");
    fs::write(folder.join("tests/pipeline-x.yaml"), test).expect("the copy can be written");
    folder
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).expect("a temporary folder can be made");
    for entry in fs::read_dir(from).expect("the fixture can be read") {
        let path = entry.expect("the fixture can be read").path();
        let target = to.join(path.file_name().unwrap_or_default());
        if path.is_dir() {
            copy(&path, &target);
        } else {
            fs::copy(&path, &target).expect("a temporary file can be written");
        }
    }
}

#[test]
fn the_case_study_is_as_expected() {
    let output = dpc(&simulations(), &["test"]);
    assert!(output.status.success(), "{}{}", stdout(&output), stderr(&output));
    let told = stdout(&output);
    assert!(told.contains("✓ a failed upstream is fixed, and nobody reruns pipeline-x ("), "{told}");
    assert!(stderr(&output).ends_with(" cases are as expected\n"), "{}", stderr(&output));
}

#[test]
fn build_servers_get_json_and_junit() {
    let json: Value = serde_json::from_str(&stdout(&dpc(&simulations(), &["test", "--format", "json"]))).expect("JSON");
    assert_eq!(json.pointer("/summary/failed"), Some(&Value::from(0)));
    let cases = json.get("cases").and_then(Value::as_array).expect("cases");
    assert!(cases.iter().all(|case| case.get("passed") == Some(&Value::from(true))), "{json:#}");
    let slow: Vec<&Value> =
        cases.iter().filter(|case| case.get("milliseconds").and_then(Value::as_f64) > Some(2_000.0)).collect();
    assert!(slow.is_empty(), "{slow:?}");

    let test = "start: 2026-11-22\nuntil: 2026-11-23\nnever: [pipeline-x]\nwaiting: [{ run: pipeline-x, partition: 2026-11-21, for: [\"a&b\"] }]\n";
    let folder = project_with("junit", &format!("{test}given: {{ listings: {{}}, searches: {{}} }}\n"));
    let output = dpc(&folder, &["test", "--format", "junit"]);
    assert_eq!(output.status.code(), Some(1), "{}", stderr(&output));
    let document = stdout(&output);
    let read = roxmltree::Document::parse(&document).expect("XML");
    let suite = read.descendants().find(|node| node.has_tag_name("testsuite")).expect("a suite");
    assert_eq!((suite.attribute("tests"), suite.attribute("failures")), (Some("1"), Some("1")));
    let failure = read.descendants().find(|node| node.has_tag_name("failure")).and_then(|node| node.text());
    assert!(failure.is_some_and(|text| text.contains("error[DPC80")), "{document}");
}

#[test]
fn expected_and_happened_runs_stand_side_by_side() {
    let test = "start: 2026-11-22\ngiven:\n  listings: { partition: { by: day, offset: -1d, timezone: Europe/Berlin } }\n  \
                searches: { partition: { by: day, offset: -1d, timezone: Europe/Berlin } }\n\
                events:\n  - { at: 03:40, run: listings, status: SUCCEEDED }\n  - { at: 05:30, run: searches, status: SUCCEEDED }\n\
                expect: [{ run: pipeline-x, partition: 2026-11-22 }]\n";
    let output = dpc(&project_with("beside", test), &["test"]);
    assert_eq!(output.status.code(), Some(1), "{}", stdout(&output));
    let told = stdout(&output);
    assert!(told.contains("    - pipeline-x/2026-11-22\n"), "{told}");
    let happened =
        "    + pipeline-x/2026-11-21/1 at 2026-11-22 05:30 on listings/2026-11-21/1, searches/2026-11-21/1\n";
    assert!(told.contains(happened), "{told}");
    assert!(stderr(&output).contains("error[DPC806]"), "{}", stderr(&output));
}

#[test]
fn a_simulation_tells_what_happens_and_who_waits() {
    let case = "neither alone is enough";
    let output = dpc(&simulations(), &["simulate", "tests/pipeline-x.yaml", "--case", case]);
    assert!(output.status.success(), "{}", stderr(&output));
    let expected = "neither alone is enough: from 2026-11-22 00:00, Europe/Berlin\n  \
                    2026-11-22 03:40  listings/2026-11-21/1 starts\n  \
                    2026-11-22 03:40  listings/2026-11-21/1 SUCCEEDED\n  in the end\n    \
                    month-end/2026-11-21 waits for pipeline-x/2026-11-21, which has not run\n    \
                    pipeline-x/2026-11-21 waits for searches/2026-11-21, which has not run\n";
    assert_eq!(stdout(&output), expected);

    let case = "a failed upstream is fixed, and nobody reruns pipeline-x";
    let output = dpc(&simulations(), &["simulate", "tests/pipeline-x.yaml", "--case", case, "--format", "json"]);
    let json: Value = serde_json::from_str(&stdout(&output)).expect("JSON");
    let runs = json.pointer("/0/runs").and_then(Value::as_array).expect("runs");
    let own =
        runs.iter().find(|run| run.get("run") == Some(&Value::from("pipeline-x/2026-11-21/1"))).expect("it has run");
    assert_eq!(own.get("on"), Some(&serde_json::json!(["listings/2026-11-21/1", "searches/2026-11-21/2"])));
    assert!(own.pointer("/arguments/measure").is_some(), "{own:#}");

    let unknown = dpc(&simulations(), &["simulate", "tests/pipeline-x.yaml", "--case", "neither alone is enouhg"]);
    assert_eq!(unknown.status.code(), Some(1));
    assert!(stderr(&unknown).contains("did you mean `neither alone is enough`?"), "{}", stderr(&unknown));
}

#[test]
fn every_example_of_the_page_is_as_it_says() {
    let page = fs::read_to_string(repository().join("docs/testing.md")).expect("the page can be read");
    let examples: Vec<&str> =
        page.split("```yaml test\n").skip(1).filter_map(|rest| rest.split("```").next()).collect();
    assert!(examples.len() >= 2, "only {} examples", examples.len());
    for (number, example) in examples.into_iter().enumerate() {
        let output = dpc(&project_with(&format!("page-{number}"), example), &["test"]);
        assert!(output.status.success(), "{example}\n{}{}", stdout(&output), stderr(&output));
    }
}
