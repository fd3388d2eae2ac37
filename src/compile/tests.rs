//! What a pipeline becomes, from text to documents.

// Reason: the example projects are read from disk, to hold every key of theirs to its effect.
#![allow(clippy::disallowed_methods)]

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

use super::{Compiled, Context, checks, compile};
use crate::documents::states::{State, States};
use crate::language::folder::{Folder, FolderFile};
use crate::language::manifest::Manifest;
use crate::language::project::{EnvironmentChoice, Pipeline, load};
use crate::language::{decode, vars};
use crate::source::{Files, Findings, Node, Severity, de, yaml};

const LISTINGS: &str = include_str!("../../fixtures/listings/listings/pipeline.yaml");

fn pipeline(text: &str) -> Pipeline {
    let mut files = Files::new();
    let file = files.add("p/pipeline.yaml", text);
    let mut findings = Findings::new();
    let node = yaml::read(&files, file, &mut findings).unwrap_or_else(|| panic!("{findings:?}"));
    let manifest: Manifest = de::from_node(&node).unwrap_or_else(|finding| panic!("{finding:?}"));
    // Always the same files, so that a manifest changes the output by itself alone.
    let entry = FolderFile { path: "src/work.py".to_owned(), executable: false, bytes: b"print(1)\n".to_vec() };
    let folder = Folder { files: vec![entry], ignored: vec![] };
    Pipeline { path: "p/pipeline.yaml".to_owned(), folder: folder.into(), shared: BTreeMap::new(), manifest }
}

fn found(text: &str) -> (Option<Compiled>, Findings) {
    let context =
        Context { space: "prod".to_owned(), today: jiff::civil::date(2026, 11, 22), listeners: Default::default() };
    let mut findings = Findings::new();
    let compiled = compile(&pipeline(text), &context, &mut findings);
    (compiled, findings)
}

fn compiled(text: &str) -> Compiled {
    let (compiled, findings) = found(text);
    compiled.unwrap_or_else(|| panic!("{findings:?}"))
}

fn definition(compiled: &Compiled) -> Value {
    compiled.machine.to_value()
}

/// A pipeline of one cluster and these steps, each `name` or `name<need,need`.
fn graph(steps: &[&str]) -> String {
    let mut text = String::from(
        "name: g\ncompute:\n  main: { emr: { release: emr-7.5.0, primary: { type: m6g.xlarge } } }\nsteps:\n",
    );
    for step in steps {
        let (name, needs) = step.split_once('<').unwrap_or((step, ""));
        text += &format!("  - {{ name: {name}, needs: [{needs}], shell: {{ command: [\"true\"] }} }}\n");
    }
    text
}

fn states_of(scope: &States) -> Vec<&str> {
    scope.states.iter().map(|(name, _)| name.as_str()).collect()
}

fn at<'a>(value: &'a Value, pointer: &str) -> &'a Value {
    value.pointer(pointer).unwrap_or_else(|| panic!("{pointer} in {value:#}"))
}

#[test]
fn a_chain_runs_between_its_cluster_s_creation_and_release() {
    let compiled = compiled(LISTINGS);
    assert_eq!(
        states_of(&compiled.machine.body),
        [
            "Check input",
            "Refuse",
            "Create cluster",
            "aggregate: needs met?",
            "aggregate: blocked",
            "aggregate",
            "publish: needs met?",
            "publish: blocked",
            "publish",
            "Release cluster?",
            "Release cluster",
            "Outcome",
            "Succeeded",
            "Failed"
        ]
    );
    let definition = definition(&compiled);
    let state = |name: &str| at(at(&definition, "/States"), &format!("/{name}")).clone();
    assert_eq!(state("aggregate")["Catch"][0]["Next"], state("aggregate")["Next"], "both ends lead to one state");
    assert_eq!(state("Create cluster")["Catch"][0]["Next"], state("Create cluster")["Next"]);
    assert_eq!(state("Release cluster?")["Default"], json!("Outcome"), "there may be nothing to release");
    assert_eq!(state("Release cluster")["Catch"][0]["Next"], json!("Outcome"), "a failed release fails no run");
}

#[test]
fn branches_hold_their_failures_and_count_for_the_cluster() {
    let compiled = compiled(&graph(&["a", "b<a", "c<a", "d<b,c"]));
    let body = &compiled.machine.body;
    let Some(State::Parallel(parallel)) = body.get("in parallel: b, c") else { panic!("{:?}", states_of(body)) };
    assert_eq!(parallel.branches.len(), 2);
    assert_eq!(states_of(&parallel.branches[0]), ["b: needs met?", "b: blocked", "b", "b: end"]);
    let definition = definition(&compiled);
    assert_eq!(at(&definition, "/States/Create main/Arguments/StepConcurrencyLevel"), &json!(2));
    assert_eq!(at(&definition, "/States/d: needs met?/Choices/0/Next"), &json!("d"));
}

const TWO: &str = "name: g\ncompute:\n  one: { emr: { release: emr-7.5.0, primary: { type: m6g.xlarge } } }\n  \
                   two: { emr: { release: emr-7.5.0, primary: { type: m6g.xlarge } } }\nsteps:\n";

fn on(name: &str, profile: &str, more: &str) -> String {
    format!("  - {{ name: {name}, compute: {profile}, shell: {{ command: [x] }}{more} }}\n")
}

#[test]
fn clusters_that_are_needed_at_once_are_created_at_once_and_each_is_released() {
    let definition = definition(&compiled(&format!("{TWO}{}{}", on("a", "one", ""), on("b", "two", ""))));
    let both = at(&definition, "/States/Create one, two");
    assert_eq!(at(both, "/Branches/0/States/Create one/Catch/0/Next"), &json!("cluster one: end"));
    assert!(
        at(both, "/Assign/two_cluster").as_str().expect("it is code").contains("$states.result[1].`cluster two`.id")
    );
    assert_eq!(at(&definition, "/States/Release two/Next"), &json!("Release one?"));
    assert_eq!(at(&definition, "/States/Release one/Next"), &json!("Outcome"));
    assert_eq!(at(both, "/Branches/1/States/Create two/Arguments/StepConcurrencyLevel"), &json!(1));
}

#[test]
fn a_cluster_is_created_before_its_first_step_and_released_after_its_last() {
    let text =
        format!("{TWO}{}{}{}", on("a", "one", ""), on("b", "two", ", needs: [a]"), on("c", "two", ", needs: [b]"));
    let compiled = compiled(&text);
    assert_eq!(
        states_of(&compiled.machine.body),
        [
            "Check input",
            "Refuse",
            "Create one",
            "a: needs met?",
            "a: blocked",
            "a",
            "Release one?",
            "Release one",
            "Create two?",
            "Create two",
            "b: needs met?",
            "b: blocked",
            "b",
            "c: needs met?",
            "c: blocked",
            "c",
            "Release two?",
            "Release two",
            "Outcome",
            "Succeeded",
            "Failed",
        ]
    );
    let definition = definition(&compiled);
    assert_eq!(at(&definition, "/States/Create two?/Default"), &json!("b: needs met?"), "nothing will run on it");
}

#[test]
fn a_step_asks_before_it_runs() {
    let text = format!(
        "{TWO}{}{}{}",
        on("a", "one", ", when: \"{{ run.number == 1 }}\""),
        on("b", "one", ", needs: [{ step: a, onSkip: skip }]"),
        on("c", "one", ", needs: [a, b], when: \"{{ steps.a.output.more }}\"")
    );
    let compiled = compiled(&text);
    let definition = definition(&compiled);
    let choices = |step: &str| at(&definition, &format!("/States/{step}: needs met?/Choices")).clone();
    assert_eq!(choices("a")[0]["Next"], json!("a: skipped"));
    assert_eq!(choices("b")[0]["Next"], json!("b: skipped"));
    assert_eq!(choices("b")[1]["Next"], json!("b"));
    let late = choices("c")[0]["Condition"].as_str().expect("it is code").to_owned();
    assert!(late.contains("$not($boolean($states.input.a.output.more))") || late.contains("`a`.output.more"), "{late}");
    assert_eq!(at(&definition, "/States/Create one?/Default"), &json!("a: needs met?"), "all may be skipped");
    assert_eq!(compiled.plan.steps["a"]["when"], json!("{{ run.number == 1 }}"));
    assert!(compiled.plan.steps["c"].get("when").is_none(), "it is known later");
    assert_eq!(at(&definition, "/States/a/Next"), &json!("a: output"), "somebody reads it");
}

#[test]
fn a_failure_leaves_its_branch_only_where_it_is_to_cancel_the_others() {
    let text = graph(&["a", "b", "c<a", "d<b", "e<c,d"]) + "failFast: true\n";
    let compiled = compiled(&text);
    assert_eq!(checks::machine::problems(&compiled.machine), Vec::<String>::new());
    let definition = definition(&compiled);
    let parallel = at(&definition, "/States/in parallel: a, c, b, d");
    assert_eq!(at(parallel, "/Branches/0/States/a/Catch/0/Next"), &json!("a: failed"));
    assert_eq!(at(parallel, "/Branches/0/States/a: failed/Type"), &json!("Fail"));
    assert_eq!(at(parallel, "/Catch/0/Next"), at(parallel, "/Next"));
    assert_eq!(at(&definition, "/States/e/Catch/0/Next"), &json!("Release main?"), "nothing runs beside it");
}

#[test]
fn a_pipeline_s_time_out_is_kept_by_its_tasks() {
    let compiled = compiled(&(graph(&["a", "b<a"]) + "timeout: 2h\n"));
    let definition = definition(&compiled);
    assert_eq!(at(&definition, "/TimeoutSeconds"), &json!(9_000));
    let left = at(&definition, "/States/a/TimeoutSeconds").as_str().expect("it is code");
    assert!(left.contains("$deadline"), "{left}");
    assert!(at(&definition, "/States/Create main/TimeoutSeconds").is_string());
    assert_eq!(at(&definition, "/States/Timed out/Error"), &json!(crate::control::run::TIMEOUT_ERROR));
}

#[test]
fn parallels_of_many_steps_keep_names_that_are_short_and_unique() {
    let names: Vec<String> = (0..30).map(|at| format!("a-step-with-a-rather-long-name-{at:02}")).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    assert_eq!(checks::machine::problems(&compiled(&graph(&names)).machine), Vec::<String>::new());
    // Nested parallels that begin with the same step.
    let nested: Vec<String> = names
        .iter()
        .enumerate()
        .flat_map(|(at, name)| match at % 3 {
            0 => vec![(*name).to_owned(), format!("{name}-x<{name}"), format!("{name}-y<{name}")],
            _ => vec![(*name).to_owned()],
        })
        .collect();
    let nested: Vec<&str> = nested.iter().map(String::as_str).collect();
    assert_eq!(checks::machine::problems(&compiled(&graph(&nested)).machine), Vec::<String>::new());
}

#[test]
fn what_an_earlier_stage_refuses_is_not_compiled_and_stops_nothing() {
    let long = "x".repeat(90);
    for (from, to) in [
        ("name: aggregate", format!("name: {long}")),
        ("name: aggregate", "name: Outcome".to_owned()),
        ("name: aggregate", "name: publish".to_owned()),
        ("name: aggregate", "name: \"a`b\"".to_owned()),
        ("needs: [aggregate]", "needs: [agregate]".to_owned()),
        ("needs: [aggregate]", "needs: [publish]".to_owned()),
        ("name: listings", format!("name: {long}")),
        ("  cluster:", format!("  {long}:")),
        ("cron: \"0 3 * * ? *\"", "cron: \"x\"".to_owned()),
        ("release: emr-7.5.0", "release: \"\"".to_owned()),
    ] {
        let text = LISTINGS.replace(from, &to);
        assert_ne!(text, LISTINGS);
        assert!(found(&text).0.is_none(), "{to}");
    }
}

#[test]
fn users_text_is_code_nowhere() {
    let hostile = "name: g\ntags: { stage: \"a\" }\ncompute:\n  main: { emr: { release: emr-7.5.0, primary: { type: m6g.xlarge } } }\nsteps:\n  \
                   - { name: a, shell: { command: [echo, \"${AWS::AccountId}\", \"$(reboot)\", \"a\\\"b\"] } }\n";
    let compiled = compiled(hostile);
    let args = at(&compiled.template.to_value(), "/Resources/Registration/Properties/Plan/steps/a/args").clone();
    let args = args.as_array().expect("a list");
    // Plain strings: no Fn::Sub, so CloudFormation leaves `${…}` alone.
    assert_eq!(args[args.len() - 3..], [json!("${AWS::AccountId}"), json!("$(reboot)"), json!("a\"b")]);
    assert!(!definition(&compiled).to_string().contains("reboot"), "arguments are not part of the definition");
}

/// The statements of the compute role, by name.
fn compute_statements(access: &str) -> serde_json::Map<String, Value> {
    let compiled = compiled(&format!("{}\naccess:\n{access}\n", graph(&["a"])));
    let template = compiled.template.to_value();
    let statements = at(&template, "/Resources/ComputeRole/Properties/Policies/0/PolicyDocument/Statement");
    let by_name = |statement: &Value| (statement["Sid"].as_str().unwrap().to_owned(), statement.clone());
    statements.as_array().unwrap().iter().map(by_name).collect()
}

#[test]
fn a_folder_is_all_that_sparks_file_systems_take_for_it() {
    let arns = |paths: &[&str]| -> Value {
        paths.iter().map(|path| json!({ "Fn::Sub": format!("arn:${{AWS::Partition}}:s3:::{path}") })).collect()
    };
    let found = compute_statements("  write: [\"s3://out/data/*\", \"s3://out/more/*\", \"s3://all/*\"]");
    let objects =
        ["out/data/*", "out/data", "out/data_$folder$", "out/more/*", "out/more", "out/more_$folder$", "all/*"];
    assert_eq!(found["WriteObjects"]["Resource"], arns(&objects));
    assert_eq!(found["ListUploads"]["Resource"], arns(&["out", "all"]));
    assert_eq!(
        found["List1"]["Condition"],
        json!({
            "StringEquals": { "aws:ResourceAccount": { "Ref": "AWS::AccountId" } },
            "StringLikeIfExists": { "s3:prefix": ["data", "data/", "data/*", "more", "more/", "more/*"] },
        })
    );
    assert_eq!(found["List2"]["Condition"].as_object().unwrap().len(), 1);
    let foreign = compute_statements("  write: [{ s3: \"s3://out/data/*\", account: \"222222222222\" }]");
    for name in ["WriteObjectsOf222222222222", "ListUploadsOf222222222222", "List1"] {
        assert_eq!(at(&foreign[name], "/Condition/StringEquals/aws:ResourceAccount"), "222222222222", "{name}");
    }
}

#[test]
fn no_account_id_but_those_that_access_names() {
    let text = format!("{LISTINGS}\n");
    let text = text.replace("read: [", "read: [{ s3: \"s3://other/*\", account: \"222222222222\" }, ");
    let template = compiled(&text).template.to_json();
    let ids: BTreeSet<&str> =
        template.split(|c: char| !c.is_ascii_alphanumeric()).filter(|word| word.len() == 12).collect();
    // A digest may hold twelve digits in a row, between its letters.
    let ids: BTreeSet<&str> = ids.into_iter().filter(|word| word.bytes().all(|byte| byte.is_ascii_digit())).collect();
    assert_eq!(ids, BTreeSet::from(["222222222222"]));
}

#[test]
fn every_statement_names_its_resources_or_says_why_not() {
    let template = compiled(LISTINGS).template.to_value();
    for role in ["StateMachineRole", "ComputeRole"] {
        let role = at(&template, &format!("/Resources/{role}"));
        for statement in at(role, "/Properties/Policies/0/PolicyDocument/Statement").as_array().expect("a list") {
            let sid = statement["Sid"].as_str().expect("a name");
            let reason = role.pointer(&format!("/Metadata/dpc/reasons/{sid}"));
            assert_eq!(statement["Resource"] == json!("*"), reason.is_some(), "{sid}");
            let of_s3 = statement["Action"].to_string().contains("s3:");
            assert_eq!(of_s3, statement["Condition"].to_string().contains("aws:ResourceAccount"), "{sid}");
        }
    }
}

#[test]
fn schedules_keep_their_names_when_others_come_and_go() {
    let with = |list: &str| {
        let text = LISTINGS
            .replace("schedule: { cron: \"0 3 * * ? *\", timezone: Europe/Berlin }", &format!("schedule: [{list}]"));
        let template = compiled(&text).template.to_value();
        let resources = at(&template, "/Resources").as_object().expect("a map").clone();
        resources.into_iter().filter(|(id, _)| id.starts_with("Schedule")).collect::<std::collections::BTreeMap<_, _>>()
    };
    let (three, four) = ("{ cron: \"0 3 * * ? *\" }", "{ cron: \"0 4 * * ? *\" }");
    assert_eq!(with(&format!("{three}, {four}")), with(&format!("{four}, {three}")));
    let alone = with(three);
    assert_eq!(alone.len(), 1);
    assert!(alone.iter().all(|(id, resource)| with(&format!("{four}, {three}")).get(id) == Some(resource)));
}

#[test]
fn alerts_of_one_address_are_one_subscription() {
    let text = LISTINGS.replace(
        "- { events: [FAILED], email: core-data@example.com }",
        "- { events: [TIMED_OUT], email: a@example.com }\n  - { events: [FAILED, SUCCEEDED], email: a@example.com }",
    );
    let compiled = compiled(&text);
    let mails: Vec<Value> = compiled
        .template
        .resources()
        .filter(|(_, resource)| resource.kind() == "AWS::SNS::Subscription")
        .map(|(_, resource)| at(resource.properties(), "/FilterPolicy/status").clone())
        .collect();
    assert_eq!(mails, [json!(["SUCCEEDED", "FAILED", "TIMED_OUT"])]);
    assert_eq!(compiled.plan.alerts, ["SUCCEEDED", "FAILED", "TIMED_OUT"]);
}

#[test]
fn the_plan_of_the_template_is_the_plan() {
    let compiled = compiled(LISTINGS);
    let plan = at(&compiled.template.to_value(), "/Resources/Registration/Properties/Plan").clone();
    // What CloudFormation hands over: the same shape, with intrinsics resolved and no scalar but strings.
    fn resolve(value: &Value) -> Value {
        match value {
            Value::Object(map) if map.contains_key("Fn::Sub") => map["Fn::Sub"].clone(),
            Value::Object(map) if map.contains_key("Ref") => json!("arn"),
            Value::Object(map) => map.iter().map(|(key, value)| (key.clone(), resolve(value))).collect(),
            Value::Array(items) => items.iter().map(resolve).collect(),
            Value::String(_) => value.clone(),
            Value::Null | Value::Bool(_) | Value::Number(_) => panic!("{value} is no string"),
        }
    }
    let read: crate::control::plan::Plan = serde_json::from_value(resolve(&plan)).expect("the function can read it");
    assert_eq!(read.steps, compiled.plan.steps);
    assert_eq!(read.schedules, compiled.plan.schedules);
}

/// A manifest with every key, and for each key a change of its value.
const EVERY_KEY: &str = r#"version: 1
name: listings
description: one
owner: core
tags: { stage: prod }
partition: { by: day, offset: -1d, timezone: Europe/Berlin, from: "{{ event.time }}" }
params:
  full: { type: bool, description: whether, default: false }
  size: { type: enum, values: [small, large], required: false, environments: { prod: small } }
  days: { type: list, items: date, default: [2026-01-01] }
triggers:
  schedule:
    - { cron: "0 3 * * ? *", timezone: Europe/Rome }
    - { rate: 5 minutes }
    - { cron: "0 9 * * ? *", start: 2097-01-01, end: 2098-01-01 }
    - { at: "2098-01-01T03:00" }
  events:
    - s3: { bucket: core-data, prefix: in/, suffix: .csv }
    - { pattern: { source: [mine] }, bus: partners }
  executions:
    operator: OR
    allOf:
      - { pipeline: upper, status: FAILED, offset: -1d, last: 7d }
      - { allOf: [{ pipeline: a, status: FAILED }, { anyOf: [{ pipeline: b, status: FAILED }] }] }
      - { anyOf: [{ pipeline: c, status: FAILED }] }
    anyOf: [{ pipeline: d, status: FAILED }]
compute:
  wide:
    emr:
      release: emr-7.5.0
      applications: [Spark, Hive]
      primary: { type: m6g.xlarge, count: 1 }
      core: { type: m6g.2xlarge, count: 4 }
      idleTimeout: 30m
  small: { emr: { release: emr-7.5.0, primary: { type: m6g.large } } }
steps:
  - name: first
    compute: small
    when: "{{ run.number == 1 }}"
    spark: { entrypoint: src/work.py, args: [--all], conf: { spark.executor.memory: 4g } }
  - name: second
    description: two
    needs: [{ step: first, onSkip: skip }]
    compute: wide
    retry: { attempts: 3, interval: 2m, backoff: 1.5, maxDelay: 20m, jitter: false, errors: [transient, capacity] }
    timeout: 45m
    shell: { command: [bash, src/a.sh], environment: { KEY: value } }
  - { name: third, compute: wide, spark: { entrypoint: lib/a.jar, class: com.example.Main } }
failFast: true
timeout: 20h
access:
  read: ["s3://in/*", { s3: "s3://other/*", account: "222222222222" }]
  write: ["s3://out/*"]
  secrets: [listings/token]
alerts:
  - { events: [FAILED], email: a@example.com }
"#;

const CHANGES: &[(&str, &str, &str)] = &[
    ("name", "name: listings", "name: searches"),
    ("description", "description: one", "description: two"),
    ("owner", "owner: core", "owner: other"),
    ("tags", "stage: prod", "stage: dev"),
    ("partition", "partition: { by: day, offset: -1d, timezone: Europe/Berlin, from: \"{{ event.time }}\" }\n", ""),
    ("partition.from", "event.time", "event.id"),
    ("partition.by", "by: day", "by: none"),
    ("partition.offset", "offset: -1d", "offset: -2d"),
    ("partition.timezone", "timezone: Europe/Berlin", "timezone: Europe/Lisbon"),
    ("params", "  full: {", "  whole: {"),
    ("params.*.type", "type: bool", "type: string"),
    ("params.*.description", "description: whether", "description: if"),
    ("params.*.default", "default: false", "default: true"),
    ("params.*.values", "[small, large]", "[small, huge]"),
    ("params.*.required", "required: false", "required: true"),
    ("params.*.items", "items: date", "items: string"),
    ("triggers", "pipeline: d,", "pipeline: e,"),
    ("triggers.schedule", "    - { rate: 5 minutes }\n", ""),
    ("triggers.schedule[].cron", "0 3 * * ? *", "0 4 * * ? *"),
    ("triggers.schedule[].rate", "5 minutes", "6 minutes"),
    ("triggers.schedule[].at", "2098-01-01T03:00", "2098-01-01T04:00"),
    ("triggers.schedule[].start", "start: 2097-01-01", "start: 2097-01-02"),
    ("triggers.schedule[].end", "end: 2098-01-01", "end: 2098-01-02"),
    ("triggers.events", "    - { pattern: { source: [mine] }, bus: partners }\n", ""),
    ("triggers.events[].s3", "    - s3: { bucket: core-data, prefix: in/, suffix: .csv }\n", ""),
    ("triggers.events[].s3.bucket", "bucket: core-data", "bucket: core-events"),
    ("triggers.events[].s3.prefix", "prefix: in/", "prefix: out/"),
    ("triggers.events[].s3.suffix", "suffix: .csv", "suffix: .json"),
    ("triggers.events[].pattern", "source: [mine]", "source: [yours]"),
    ("triggers.events[].bus", "bus: partners", "bus: others"),
    ("triggers.executions", "pipeline: d,", "pipeline: e,"),
    ("triggers.executions.operator", "operator: OR", "operator: AND"),
    ("triggers.executions.allOf", "      - { anyOf: [{ pipeline: c, status: FAILED }] }\n", ""),
    ("triggers.executions.anyOf", "anyOf: [{ pipeline: d,", "anyOf: [{ pipeline: e,"),
    ("triggers.executions.allOf[].allOf", "pipeline: a,", "pipeline: e,"),
    ("triggers.executions.allOf[].anyOf", "pipeline: c,", "pipeline: e,"),
    ("triggers.executions.allOf[].pipeline", "pipeline: upper", "pipeline: other"),
    ("triggers.executions.allOf[].status", "upper, status: FAILED", "upper, status: [FAILED, ABORTED]"),
    ("triggers.executions.allOf[].offset", "FAILED, offset: -1d", "FAILED, offset: -2d"),
    ("triggers.executions.allOf[].last", "last: 7d", "last: 8d"),
    ("triggers.schedule[].timezone", "Europe/Rome", "Europe/Paris"),
    ("compute", "wide", "huge"),
    ("compute.*.emr", "emr: { release: emr-7.5.0, primary", "emr: { release: emr-7.6.0, primary"),
    ("compute.*.emr.release", "emr-7.5.0", "emr-7.6.0"),
    ("compute.*.emr.applications", "[Spark, Hive]", "[Spark]"),
    ("compute.*.emr.primary", "primary: { type: m6g.large }", "primary: { type: m6g.medium }"),
    ("compute.*.emr.primary.type", "primary: { type: m6g.xlarge", "primary: { type: m6g.large"),
    ("compute.*.emr.core", "      core: { type: m6g.2xlarge, count: 4 }\n", ""),
    ("compute.*.emr.core.type", "m6g.2xlarge", "m6g.4xlarge"),
    ("compute.*.emr.core.count", "count: 4", "count: 5"),
    ("compute.*.emr.idleTimeout", "30m", "40m"),
    ("steps", "name: third", "name: fourth"),
    ("steps[].name", "name: third", "name: fourth"),
    ("steps[].description", "description: two", "description: three"),
    ("steps[].needs", "    needs: [{ step: first, onSkip: skip }]\n", ""),
    ("steps[].needs[].step", "{ step: first, onSkip: skip }", "{ step: third, onSkip: skip }"),
    ("steps[].needs[].onSkip", "{ step: first, onSkip: skip }", "first"),
    ("steps[].when", "run.number == 1", "run.number == 2"),
    ("steps[].retry.errors", "[transient, capacity]", "[transient]"),
    ("failFast", "failFast: true", "failFast: false"),
    ("timeout", "timeout: 20h", "timeout: 21h"),
    ("steps[].compute", "compute: small", "compute: wide"),
    (
        "steps[].retry",
        "    retry: { attempts: 3, interval: 2m, backoff: 1.5, maxDelay: 20m, jitter: false, errors: [transient, capacity] }\n",
        "",
    ),
    ("steps[].retry.attempts", "attempts: 3", "attempts: 4"),
    ("steps[].retry.interval", "interval: 2m", "interval: 3m"),
    ("steps[].retry.backoff", "backoff: 1.5", "backoff: 2"),
    ("steps[].retry.maxDelay", "maxDelay: 20m", "maxDelay: 30m"),
    ("steps[].retry.jitter", "jitter: false", "jitter: true"),
    ("steps[].timeout", "timeout: 45m", "timeout: 46m"),
    ("steps[].spark", "spark: { entrypoint: lib/a.jar, class: com.example.Main }", "shell: { command: [x] }"),
    ("steps[].spark.entrypoint", "lib/a.jar", "lib/b.jar"),
    ("steps[].spark.args", "[--all]", "[--some]"),
    ("steps[].spark.class", "com.example.Main", "com.example.Other"),
    ("steps[].spark.conf", "spark.executor.memory: 4g", "spark.executor.memory: 5g"),
    (
        "steps[].shell",
        "shell: { command: [bash, src/a.sh], environment: { KEY: value } }",
        "spark: { entrypoint: src/work.py }",
    ),
    ("steps[].shell.command", "src/a.sh", "src/b.sh"),
    ("steps[].shell.environment", "KEY: value", "KEY: other"),
    ("access", "  secrets: [listings/token]\n", ""),
    ("access.read", "s3://in/*", "s3://into/*"),
    ("access.read[].s3", "s3://other/*", "s3://others/*"),
    ("access.read[].account", "222222222222", "222222222223"),
    ("access.write", "s3://out/*", "s3://outer/*"),
    ("access.secrets", "listings/token", "listings/key"),
    ("alerts", "events: [FAILED]", "events: [SUCCEEDED]"),
    ("alerts[].events", "events: [FAILED]", "events: [SUCCEEDED]"),
    ("alerts[].email", "a@example.com", "b@example.com"),
];

/// Keys whose value changes nothing: the language has one version, a primary node is always one, and whoever reads the
/// project puts what a parameter is in an environment into its default.
const WITHOUT_EFFECT: &[&str] = &["version", "compute.*.emr.primary.count", "params.*.environments"];

/// Keys of steps that are about other files: the templates of `fixtures/jobs` and `fixtures/types` show them.
const OF_FILES: &[&str] =
    &["steps[].job", "steps[].params", "steps[].uses", "steps[].uses.type", "steps[].uses.sha256", "steps[].with"];

/// Paths of all keys of a schema; `*` is a name that users choose.
fn keys(schema: &Value, root: &Value, path: &str, out: &mut BTreeSet<String>) {
    // A condition holds conditions, and an EMR configuration configurations: what is in one is in all.
    let keys_in_path: Vec<&str> = path.split(['.', '[', ']']).filter(|key| !matches!(*key, "" | "*")).collect();
    let repeated = |at: usize, key: &&str| keys_in_path.iter().skip(at + 1).any(|other| other == key);
    let is_condition = path.matches(".allOf").count() + path.matches(".anyOf").count() > 1;
    if is_condition
        || keys_in_path.iter().enumerate().any(|(at, key)| repeated(at, key) && key.ends_with("onfigurations"))
    {
        return;
    }
    if let Some(target) = schema.get("$ref").and_then(Value::as_str) {
        // A type that holds itself has no new keys the second time.
        if path.matches(&format!("<{target}>")).count() == 0 {
            let mut inner = BTreeSet::new();
            keys(at(root, target.trim_start_matches('#')), root, &format!("{path}<{target}>"), &mut inner);
            out.extend(inner);
        }
    }
    for (key, inner) in schema.get("properties").and_then(Value::as_object).into_iter().flatten() {
        let path = if path.is_empty() { key.clone() } else { format!("{path}.{key}") };
        out.insert(path.clone());
        keys(inner, root, &path, out);
    }
    if let Some(inner) = schema.get("additionalProperties").filter(|inner| inner.is_object()) {
        keys(inner, root, &format!("{path}.*"), out);
    }
    if let Some(inner) = schema.get("items") {
        keys(inner, root, &format!("{path}[]"), out);
    }
    for union in ["anyOf", "allOf", "oneOf"] {
        let choices = schema.get(union).and_then(Value::as_array).into_iter().flatten();
        choices.for_each(|inner| keys(inner, root, path, out));
    }
}

/// Keys of the example projects without which the same pipeline becomes something else, or nothing at all.
fn effects_of_fixtures() -> BTreeSet<String> {
    let fixtures = concat!(env!("CARGO_MANIFEST_DIR"), "/fixtures");
    let mut effects = BTreeSet::new();
    for entry in std::fs::read_dir(fixtures).expect("there are fixtures").flatten() {
        let root = entry.path();
        if !root.join("dpc.yaml").is_file() {
            continue;
        }
        let project = load(&root, &EnvironmentChoice::Named("prod".to_owned())).project;
        let project = project.unwrap_or_else(|| panic!("{} has no environment prod", root.display()));
        // A step with a job is made of two files: tests of `language::jobs` show what its keys do.
        let of_one_file = |pipeline: &Pipeline| pipeline.manifest.steps.iter().all(|step| step.from_job.is_none());
        for pipeline in project.pipelines.into_iter().filter(of_one_file) {
            let text = std::fs::read_to_string(root.join(&pipeline.path)).expect("it was read before");
            let mut files = Files::new();
            let file = files.add(&pipeline.path, text);
            let mut node = yaml::read(&files, file, &mut Findings::new()).expect("it was read before");
            if let Some(environment) = &project.environment {
                vars::substitute(&mut node, environment, &mut Findings::new());
            }
            drop_each(&node, &pipeline, &mut effects);
        }
    }
    effects
}

/// Whether a path in a file is one of this pattern of [`keys`]. One value and a list of such are the same.
fn fits(found: &str, pattern: &str) -> bool {
    let found: Vec<&str> = found.split('.').collect();
    let pattern: Vec<&str> = pattern.split('.').collect();
    let plain = |part: &str| part.trim_end_matches("[]").to_owned();
    let same = |(found, pattern): (&&str, &&str)| *pattern == "*" || plain(found) == plain(pattern);
    found.len() == pattern.len() && found.iter().zip(&pattern).all(same)
}

/// Compiles a pipeline once without each of its keys.
fn drop_each(node: &Node, pipeline: &Pipeline, effects: &mut BTreeSet<String>) {
    let whole = outcome(node, pipeline);
    assert!(whole.is_some(), "{} does not compile", pipeline.path);
    let mut places = Vec::new();
    entries(node, "", &mut Vec::new(), &mut places);
    for (path, steps) in places {
        // Many places of one key: the first that tells is enough.
        if effects.contains(&path) {
            continue;
        }
        let mut without = node.clone();
        remove(&mut without, &steps);
        if outcome(&without, pipeline) != whole {
            effects.insert(path);
        }
    }
}

fn outcome(node: &Node, pipeline: &Pipeline) -> Option<String> {
    let mut manifest: Manifest = de::from_node(node).ok()?;
    manifest.demands = pipeline.manifest.demands.clone();
    let pipeline =
        Pipeline { manifest, path: pipeline.path.clone(), folder: pipeline.folder.clone(), shared: BTreeMap::new() };
    let context =
        Context { space: "prod".to_owned(), today: jiff::civil::date(2026, 11, 22), listeners: Default::default() };
    let compiled = compile(&pipeline, &context, &mut Findings::new())?;
    Some(format!("{}{:?}{:?}", compiled.template.to_json(), compiled.tags, compiled.uploads.keys()))
}

/// Every entry of every mapping: its path, and the way to it, of keys and numbers.
fn entries(node: &Node, path: &str, way: &mut Vec<Way>, out: &mut Vec<(String, Vec<Way>)>) {
    match &node.value {
        crate::source::Value::Scalar(_) => {}
        crate::source::Value::List(items) => {
            for (at, item) in items.iter().enumerate() {
                way.push(Way::At(at));
                entries(item, &format!("{path}[]"), way, out);
                way.pop();
            }
        }
        crate::source::Value::Map(map) => {
            for entry in map {
                let key = entry.key.text.clone();
                way.push(Way::Key(key.clone()));
                // A dot in a name of the user's is not one between two keys.
                let path = format!("{path}.{}", key.replace('.', "_")).trim_start_matches('.').to_owned();
                out.push((path.clone(), way.clone()));
                entries(&entry.value, &path, way, out);
                way.pop();
            }
        }
    }
}

#[derive(Clone, Debug)]
enum Way {
    Key(String),
    At(usize),
}

fn remove(node: &mut Node, way: &[Way]) {
    match (&mut node.value, way) {
        (crate::source::Value::Map(map), [Way::Key(key)]) => map.retain(|entry| entry.key.text != *key),
        (crate::source::Value::Map(map), [Way::Key(key), rest @ ..]) => {
            map.iter_mut().filter(|entry| entry.key.text == *key).for_each(|entry| remove(&mut entry.value, rest));
        }
        (crate::source::Value::List(items), [Way::At(at), rest @ ..]) => {
            items.get_mut(*at).into_iter().for_each(|item| remove(item, rest));
        }
        _ => {}
    }
}

#[test]
fn every_key_of_the_language_has_an_effect() {
    let output = |text: &str| {
        let (compiled, findings) = found(text);
        let compiled = compiled.unwrap_or_else(|| panic!("{findings:?}\n{text}"));
        assert!(findings.iter().all(|finding| finding.severity != Severity::Error));
        (compiled.template.to_json(), compiled.tags)
    };
    let before = output(EVERY_KEY);
    for (path, from, to) in CHANGES {
        assert!(EVERY_KEY.contains(from), "{path}: `{from}` is not in the manifest");
        assert_ne!(output(&EVERY_KEY.replace(from, to)), before, "{path} changes nothing");
    }
    let root = decode::schema_of::<Manifest>().to_value();
    let mut known = BTreeSet::new();
    keys(&root, &root, "", &mut known);
    let tested: BTreeSet<String> = CHANGES
        .iter()
        .map(|(path, _, _)| *path)
        .chain([WITHOUT_EFFECT, OF_FILES].concat())
        .map(str::to_owned)
        .collect();
    let dropped = effects_of_fixtures();
    // One schedule and a list of them, reading and writing, primary and core nodes, all and any share their types.
    let same = |path: &str| {
        let path =
            path.replace("triggers.schedule.", "triggers.schedule[].").replace("access.write[]", "access.read[]");
        path.replace("executions.anyOf[]", "executions.allOf[]")
    };
    let plain =
        |path: &str| -> String { path.split('<').map(|part| part.rsplit('>').next().unwrap_or(part)).collect() };
    let shown = |path: &str| tested.contains(&same(path)) || dropped.iter().any(|found| fits(found, path));
    // A key of a type has its effect wherever the type is used: one place shows it for all.
    let of_type = |path: &str| path.rsplit('<').next().map(str::to_owned).unwrap_or_default();
    let by_key: BTreeSet<String> = known.iter().filter(|path| shown(&plain(path))).map(|path| of_type(path)).collect();
    let missing: Vec<String> =
        known.iter().filter(|path| !by_key.contains(&of_type(path))).map(|path| plain(path)).collect();
    assert!(missing.is_empty(), "keys that no change stands for: {missing:?}");
}

proptest::proptest! {
    #![proptest_config(proptest::prelude::ProptestConfig::with_cases(64))]

    /// What [`checks::machine::verified`] relies on: no graph, and no name that the rules allow, makes a bad machine.
    #[test]
    fn every_graph_of_allowed_names_is_a_sound_machine(
        needs in proptest::collection::vec(proptest::collection::vec(proptest::bool::weighted(0.25), 12), 1..12),
        names in proptest::collection::hash_set("[a-z][a-z0-9-]{0,4}|[a-z][a-z0-9-]{37,39}", 12),
        profiles in 1usize..4,
    ) {
        let names: Vec<String> = names.into_iter().collect();
        let mut text = "name: p\ncompute:\n".to_owned();
        for profile in 0..profiles {
            text += &format!("  c{profile}: {{ emr: {{ release: emr-7.5.0, primary: {{ type: m6g.xlarge }} }} }}\n");
        }
        text += "steps:\n";
        for (at, row) in needs.iter().enumerate() {
            let needed: Vec<&str> =
                names.iter().zip(row).take(at).filter(|(_, needed)| **needed).map(|(name, _)| name.as_str()).collect();
            text += &format!(
                "  - {{ name: \"{}\", compute: c{}, needs: [{}], shell: {{ command: [\"true\"] }} }}\n",
                names[at],
                at % profiles,
                needed.iter().map(|name| format!("\"{name}\"")).collect::<Vec<_>>().join(", ")
            );
        }
        let (compiled, _) = found(&text);
        let compiled = compiled.expect("a sound pipeline compiles");
        proptest::prop_assert_eq!(checks::machine::problems(&compiled.machine), Vec::<String>::new());
    }
}
