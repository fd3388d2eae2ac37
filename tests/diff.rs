//! `dpc diff` as whole invocations, without AWS: against templates that `dpc synth` wrote before.

#![allow(clippy::disallowed_methods, clippy::unwrap_used, clippy::panic)] // Tests may touch the world.

mod support;

use support::{Project, Ran};

/// A copy of the example, with its templates as they are before a change.
fn written() -> Project {
    let project = Project::copy("listings");
    project.dpc(&["synth", "--out", "before"], &[]).exits(0);
    project
}

fn diff(project: &Project, more: &[&str]) -> Ran {
    let mut arguments = vec!["diff", "--against", "before"];
    arguments.extend(more);
    project.dpc(&arguments, &[])
}

fn line(ran: &Ran, text: &str) -> String {
    ran.stdout.lines().find(|line| line.contains(text)).unwrap_or_else(|| panic!("{text}\n{}", ran.stdout)).to_owned()
}

#[test]
fn nothing_differs_and_that_is_an_exit_code() {
    let project = written();
    let ran = diff(&project, &["--exit-code"]).exits(0);
    assert_eq!(ran.stdout, "1 pipeline: no difference, compared with `before`\n");
}

#[test]
fn every_line_names_its_cause() {
    let project = written();
    project.edit("listings/pipeline.yaml", "0 3 * * ? *", "30 4 * * ? *");
    project.edit("listings/pipeline.yaml", "release: emr-7.5.0", "release: emr-7.6.0");
    project.edit("listings/pipeline.yaml", "count: 4", "count: 8");
    project.edit("listings/pipeline.yaml", "\"{{ run.partition }}\"]", "\"{{ run.partition }}\", --fast]");
    project.edit("listings/pipeline.yaml", "access:", "access:\n  secrets: [listings/api]");
    let ran = diff(&project, &["--exit-code"]).exits(3);
    let file = std::fs::read_to_string(project.folder.join("listings/pipeline.yaml")).unwrap();
    for (said, written) in [
        ("secretsmanager:GetSecretValue", "secrets: [listings/api]"),
        ("+ cron(30 4 * * ? *): every day at 04:30 Europe/Berlin", "30 4 * * ? *"),
        ("~ `Create cluster`", "release: emr-7.6.0"),
        ("InstanceGroups.core.InstanceCount: 4 -> 8", "count: 8"),
        ("~ step `aggregate`", "--fast"),
    ] {
        let number = file.lines().position(|line| line.contains(written)).unwrap() + 1;
        let said = line(&ran, said);
        // A line without a place of its own has that of the line above it.
        let place = format!("(listings/pipeline.yaml:{number})");
        let above = ran.stdout.lines().take_while(|line| *line != said).filter(|line| line.starts_with("    ~")).last();
        let placed = if said.contains("(listings/") { said.as_str() } else { above.unwrap_or_default() };
        assert!(placed.ends_with(&place), "{said}\n{number}\n{}", ran.stdout);
    }
    assert!(line(&ran, "args: + --fast").starts_with("        "));
    assert!(line(&ran, "ReleaseLabel: emr-7.5.0 -> emr-7.6.0").starts_with("        "));
    assert!(line(&ran, "- cron(0 3 * * ? *)").contains("every day at 03:00 Europe/Berlin"));
    assert_eq!(ran.stdout.lines().filter(|line| line.contains(" UTC, for ")).count(), 6, "{}", ran.stdout);
    assert!(ran.stdout.find("  permissions").unwrap() < ran.stdout.find("  schedule").unwrap());
    assert!(ran.stdout.ends_with("1 pipeline: look twice at the lines with `!` and `±`, and at resources that go\n"));
}

#[test]
fn json_has_the_same_facts() {
    let project = written();
    project.edit("listings/pipeline.yaml", "needs: [aggregate]", "timeout: 2h\n    needs: [aggregate]");
    let ran = diff(&project, &["--format", "json"]).exits(0);
    let json: serde_json::Value = serde_json::from_str(&ran.stdout).unwrap();
    assert_eq!(json.pointer("/pipelines/0/status").unwrap(), "different");
    let steps: Vec<&serde_json::Value> = json
        .pointer("/pipelines/0/differences")
        .and_then(serde_json::Value::as_array)
        .unwrap()
        .iter()
        .filter(|one| one.get("text").is_some_and(|text| text == "step `publish`"))
        .collect();
    assert_eq!(steps.len(), 1, "{}", ran.stdout);
    assert_eq!(steps[0].pointer("/details/0/text").unwrap(), "TimeoutSeconds: + 7200");
    assert_eq!(steps[0].pointer("/place/file").unwrap(), "listings/pipeline.yaml");
}

#[test]
fn pipelines_that_come_and_go() {
    let project = written();
    project.edit("listings/pipeline.yaml", "name: listings", "name: homes");
    diff(&project, &[]).exits(1).says("DPC660");
    let template = std::fs::read_to_string(project.folder.join("before/listings.template.json")).unwrap();
    std::fs::write(project.folder.join("before/homes.template.json"), template.replace("\"listings\"", "\"homes\""))
        .unwrap();
    let ran = diff(&project, &["--exit-code"]).exits(3);
    assert!(ran.stdout.contains("`listings` is no pipeline of the project any more"), "{}", ran.stdout);
}
