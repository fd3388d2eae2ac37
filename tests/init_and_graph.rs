//! `dpc init` writes what the other commands take, and `dpc graph` says when it runs.

// Reason: tests start the program and look at what it wrote.
#![allow(clippy::disallowed_methods)]

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

fn dpc(folder: &Path, arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_dpc"))
        .args(arguments)
        .current_dir(folder)
        .env_remove("DPC_ENV")
        .env_remove("AWS_REGION")
        .output()
        .expect("the program starts")
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).expect("dpc prints UTF-8")
}

fn fresh(name: &str) -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    let _absent = std::fs::remove_dir_all(&folder);
    std::fs::create_dir_all(&folder).expect("the test's own folder can be made");
    folder
}

#[test]
fn init_writes_a_project_that_is_fine_as_it_is() {
    let folder = fresh("init");
    let output = dpc(&folder, &["init", "my-team", "--account", "111111111111", "--region", "eu-west-1"]);
    assert!(output.status.success(), "{}", text(&output.stderr));
    let written = text(&output.stdout);
    assert!(written.lines().all(|path| folder.join(path).is_file()), "{written}");
    assert_eq!(written.lines().filter(|path| !path.contains("/.schemas/")).count(), 7);
    assert!(text(&output.stderr).contains("dpc deploy hello"));

    let project = folder.join("my-team");
    let output = dpc(&project, &["validate"]);
    assert_eq!((output.status.code(), text(&output.stderr).as_str()), (Some(0), "1 pipeline is fine, for dev\n"));
    let output = dpc(&project, &["synth", "--out", "out"]);
    assert!(output.status.success(), "{}", text(&output.stderr));
    assert!(project.join("out/hello.template.json").is_file());
}

#[test]
fn every_template_is_fine_as_it_is() {
    for (template, pipelines, environments) in [
        ("spark", "1 pipeline is fine", "dev"),
        ("shell", "1 pipeline is fine", "dev"),
        ("container", "1 pipeline is fine", "dev"),
        ("event-driven", "1 pipeline is fine", "dev"),
        ("fallback", "2 pipelines are fine", "dev"),
        ("backfill-ready", "1 pipeline is fine", "dev"),
        ("multi-account", "1 pipeline is fine", "dev and prod"),
    ] {
        let folder = fresh(&format!("init-{template}"));
        let output = dpc(&folder, &["init", "team", "--template", template, "--account", "111111111111"]);
        assert!(output.status.success(), "{template}: {}", text(&output.stderr));
        let written = text(&output.stdout);
        assert!(written.lines().all(|path| folder.join(path).is_file()), "{written}");
        let project = folder.join("team");
        for line in ["pipeline.yaml", "dpc.yaml"] {
            for path in written.lines().filter(|path| path.ends_with(line)) {
                let first = std::fs::read_to_string(folder.join(path)).expect("it is there");
                let schema = first.lines().next().and_then(|line| line.split("$schema=").nth(1)).unwrap_or_default();
                let beside = folder.join(path).parent().map(|parent| parent.join(schema)).unwrap_or_default();
                assert!(!schema.is_empty() && beside.is_file(), "{template}: {path} names the schema `{schema}`");
            }
        }
        let output = dpc(&project, &["validate"]);
        let said = text(&output.stderr);
        assert_eq!(
            (output.status.code(), said.as_str()),
            (Some(0), format!("{pipelines}, for {environments}\n").as_str())
        );
        if project.join("tests").is_dir() {
            let output = dpc(&project, &["test"]);
            assert!(output.status.success(), "{template}: {}{}", text(&output.stdout), text(&output.stderr));
        }
        let output = dpc(&project, &["synth", "--out", "out", "--env", "dev"]);
        assert!(output.status.success(), "{template}: {}", text(&output.stderr));
    }
}

#[test]
fn init_says_which_templates_there_are() {
    let output = dpc(&fresh("init-which"), &["init", "--template", "sparks"]);
    assert_eq!(output.status.code(), Some(2));
    assert!(
        text(&output.stderr).contains("there are spark, shell, container, event-driven"),
        "{}",
        text(&output.stderr)
    );
}

#[test]
fn init_overwrites_nothing_and_then_writes_nothing() {
    let folder = fresh("init-twice");
    std::fs::write(folder.join("dpc.yaml"), "mine").expect("the test's own folder can be written");
    let output = dpc(&folder, &["init"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(text(&output.stderr).starts_with("error[DPC219]: `dpc.yaml` exists already"), "{}", text(&output.stderr));
    assert_eq!(std::fs::read_to_string(folder.join("dpc.yaml")).expect("it is there"), "mine");
    assert_eq!(std::fs::read_dir(&folder).expect("it is there").count(), 1);
}

#[test]
fn graph_takes_a_day_or_a_time_to_start_from() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/listings");
    let day = dpc(&folder, &["graph", "listings", "--after", "2026-03-28"]);
    assert_eq!(
        text(&day.stdout),
        text(&dpc(&folder, &["graph", "listings", "--after", "2026-03-28T00:00:00Z"]).stdout)
    );
    let word = dpc(&folder, &["graph", "listings", "--after", "yesterday"]);
    assert_eq!(word.status.code(), Some(2));
    assert!(text(&word.stderr).contains("write a day such as 2026-03-28"), "{}", text(&word.stderr));
}

#[test]
fn graph_says_when_it_runs_across_a_change_of_the_clocks() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/listings");
    let output = dpc(&folder, &["graph", "listings", "--after", "2026-03-27T12:00:00Z"]);
    assert!(output.status.success(), "{}", text(&output.stderr));
    let graph = text(&output.stdout);
    for line in [
        "    aggregate  at once          on cluster  spark src/aggregate.py --date {{ run.partition }}",
        "    publish    after aggregate  on cluster  shell bash src/publish.sh",
        "    cron(0 3 * * ? *): every day at 03:00 Europe/Berlin",
        "      Sat 2026-03-28 03:00 CET = 02:00 UTC, for 2026-03-27",
    ] {
        assert!(graph.lines().any(|other| other == line), "{line}\n{graph}");
    }
    assert!(
        graph.contains("Sun 2026-03-29 03:00 CEST = 01:00 UTC, for 2026-03-28 (the clocks have gone forward"),
        "{graph}"
    );
}

#[test]
fn graph_draws_in_three_notations() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/triggers");
    let mermaid = text(&dpc(&folder, &["graph", "orders", "--format", "mermaid"]).stdout);
    assert!(
        mermaid.starts_with("flowchart TB\n") && mermaid.contains("[\"load<br/>shell bash src/load.sh"),
        "{mermaid}"
    );
    let dot = text(&dpc(&folder, &["graph", "--project", "--format", "dot"]).stdout);
    assert!(dot.contains("\"pipeline listings\" -> \"pipeline pipeline-x\" [label=\"SUCCEEDED\"];"), "{dot}");
    let file = fresh("graph-out").join("orders.svg");
    let output = dpc(&folder, &["graph", "orders", "--format", "svg", "--out", &file.to_string_lossy()]);
    assert_eq!(text(&output.stdout).trim_end(), file.to_string_lossy());
    assert!(std::fs::read_to_string(file).expect("it is there").starts_with("<svg xmlns="));
}

#[test]
fn graph_shows_what_starts_what() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/triggers");
    let map = text(&dpc(&folder, &["graph", "--project"]).stdout);
    for line in [
        "    after   searches FAILED or TIMED_OUT",
        "    starts  searches-fallback, FAILED or TIMED_OUT",
        "    at      every day at 03:00 Europe/Berlin",
    ] {
        assert!(map.lines().any(|other| other == line), "{line}\n{map}");
    }
}

#[test]
fn graph_draws_what_runs_side_by_side() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/many-shapes");
    let output = dpc(&folder, &["graph", "close"]);
    let graph = text(&output.stdout);
    let drawn: Vec<&str> = graph
        .lines()
        .skip_while(|line| *line != "  steps")
        .skip(1)
        .take(5)
        .map(|line| line.split("  ").find(|part| !part.is_empty()).unwrap_or_default())
        .collect();
    assert_eq!(drawn, ["├─ bookings", "└─ refunds", "then", "├─ income", "└─ balance"], "{graph}");
}
