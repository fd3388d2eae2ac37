use std::collections::BTreeSet;

use serde_json::Value as Json;

use super::{check, without_null};
use crate::language::manifest::{Manifest, ProjectFile};
use crate::source::{Files, Findings, yaml};

/// The findings of a pipeline.yaml: code, message, what the caret points at, and the fix.
fn pipeline(text: &str) -> Vec<String> {
    let mut files = Files::new();
    let file = files.add("pipeline.yaml", text);
    let mut findings = Findings::new();
    let node = yaml::read(&files, file, &mut findings).expect("the test gives YAML");
    check(&node, &schemars::schema_for!(Manifest), &mut findings);
    findings.sorted().iter().map(|finding| finding.told(&files)).collect()
}

const GOOD: &str = "name: a\nsteps:\n  - name: s\n    shell: { command: [x] }\n";

#[test]
fn a_good_file_has_no_findings() {
    assert_eq!(pipeline(GOOD), Vec::<String>::new());
}

#[test]
fn a_misspelt_key_is_reported_once_with_its_word() {
    let found = pipeline("nmae: a\nsteps:\n  - name: s\n    shel: { command: [x] }\n");
    assert_eq!(
        found,
        ["DPC101 unknown key `nmae` @ nmae => name", "DPC101 unknown key `shel` in item 1 of `steps` @ shel => shell"]
    );
}

#[test]
fn a_key_of_another_level_is_sent_there() {
    let mut files = Files::new();
    let text = "name: a\ncron: x\nsteps:\n  - name: s\n    shell: { command: [x], timeout: 5m }\ntriggers: { cron: \"0 3 * * *\" }\n";
    let file = files.add("pipeline.yaml", text);
    let mut findings = Findings::new();
    let node = yaml::read(&files, file, &mut findings).expect("the test gives YAML");
    check(&node, &schemars::schema_for!(Manifest), &mut findings);
    let help: Vec<_> = findings.iter().map(|finding| finding.help.clone().unwrap_or_default()).collect();
    assert!(help.iter().any(|help| help == "`timeout` belongs one level up, beside `shell`"), "{help:?}");
    assert!(help.iter().any(|help| help == "`cron` belongs into `schedule`"), "{help:?}");
}

#[test]
fn all_problems_of_a_file_come_in_one_run() {
    let found =
        pipeline("name: 7\nowner: [a]\nsteps:\n  - shell: { command: x }\n    retry: { attempts: many }\ntags: [a]\n");
    assert_eq!(
        found,
        [
            "DPC106 `name` must be text, not the number `7` @ 7 => \"7\"",
            "DPC104 `owner` must be text, not a list @ [a]",
            "DPC103 `name` is missing in item 1 of `steps` @ shell",
            "DPC104 `command` must be a list, not text @ x => [\"x\"]",
            "DPC104 `attempts` must be a whole number, not text @ many",
            "DPC104 `tags` must be a mapping, not a list @ [a]",
        ]
    );
}

#[test]
fn alternatives_are_judged_by_the_one_that_was_meant() {
    let head = "name: a\nsteps: []\n";
    assert_eq!(
        pipeline(&format!("{head}access: {{ read: [\"s3://a\", {{ s3: \"s3://b\", acount: \"1\" }}] }}\n")),
        ["DPC101 unknown key `acount` in item 2 of `read` @ acount => account"]
    );
    assert_eq!(
        pipeline(&format!("{head}triggers: {{ schedule: nightly }}\n")),
        ["DPC104 `schedule` must be a mapping or a list, not text @ nightly"]
    );
    assert_eq!(pipeline(&format!("{head}triggers: {{ schedule: [] }}\n")), ["DPC105 `schedule` is an empty list @ []"]);
}

#[test]
fn a_tree_can_be_read_as_it_was_meant() {
    let mut files = Files::new();
    let text = "nmae: 7\nsteps:\n  - name: s\n    neds: a\n    shell: { command: bash run.sh }\n    retry: { attempts: 1, jitter: yes }\n";
    let file = files.add("pipeline.yaml", text);
    let mut findings = Findings::new();
    let mut node = yaml::read(&files, file, &mut findings).expect("the test gives YAML");
    let schema = schemars::schema_for!(Manifest);
    // A wrong value of a misspelt key is found once the key is mended.
    for errors in [4, 6, 6] {
        check(&node, &schema, &mut findings);
        let found = findings.clone().sorted();
        assert_eq!(found.iter().count(), errors, "{found:#?}");
        super::mend(&mut node, &found);
    }
    let manifest: Manifest = crate::source::de::from_node(&node).expect("it is sound now");
    assert_eq!(manifest.name.value, "7");
    let step = manifest.steps.value.first().expect("there is a step");
    assert_eq!(step.needs.first().map(|need| need.value.step.as_str()), Some("a"));
}

#[test]
fn numbers_have_limits() {
    let found = pipeline("name: a\nversion: -1\nsteps: []\n");
    assert_eq!(found, ["DPC105 `version` is -1 @ -1"]);
}

/// Keywords that change what is valid and that [`check`] enforces, and annotations that change nothing.
const KNOWN: &[&str] = &[
    "$ref",
    "type",
    "properties",
    "additionalProperties",
    "required",
    "items",
    "anyOf",
    "oneOf",
    "enum",
    "const",
    "minimum",
    "maximum",
    "minLength",
    "maxLength",
    "minItems",
    "maxItems",
    "$schema",
    "$defs",
    "title",
    "description",
    "default",
    "format",
    "examples",
    "x-dpc-also",
    // For editors: rules say the same, with reasons.
    "pattern",
    "allOf",
];

fn keywords<'s>(schema: &'s Json, found: &mut BTreeSet<&'s str>) {
    let Some(map) = schema.as_object() else { return };
    for (keyword, value) in map {
        found.insert(keyword);
        match keyword.as_str() {
            "properties" | "$defs" => {
                value.as_object().into_iter().flat_map(|map| map.values()).for_each(|schema| keywords(schema, found))
            }
            "anyOf" | "oneOf" => value.as_array().into_iter().flatten().for_each(|schema| keywords(schema, found)),
            "items" | "additionalProperties" => keywords(value, found),
            _ => {}
        }
    }
}

#[test]
fn every_keyword_of_our_schemas_is_enforced() {
    for schema in [schemars::schema_for!(Manifest), schemars::schema_for!(ProjectFile)] {
        let mut found = BTreeSet::new();
        keywords(schema.as_value(), &mut found);
        let unknown: Vec<_> = found.into_iter().filter(|keyword| !KNOWN.contains(keyword)).collect();
        assert_eq!(unknown, Vec::<&str>::new(), "teach source::schema these keywords");
    }
}

#[test]
fn the_published_schema_knows_no_null() {
    let mut schema = schemars::schema_for!(Manifest);
    without_null(&mut schema);
    assert!(!schema.as_value().to_string().contains("\"null\""));
    assert_eq!(schema.pointer("/properties/partition/$ref"), Some(&Json::from("#/$defs/Partition")));
}
