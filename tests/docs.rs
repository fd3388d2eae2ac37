//! The documents keep their word: every key of the schemas is in docs/language.md, every example is accepted by dpc,
//! every link between the documents leads somewhere.

#![allow(clippy::disallowed_methods, clippy::panic, clippy::unwrap_used)]

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use dpc::language::manifest::{Manifest, ProjectFile};
use serde_json::Value;

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

fn documents() -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut folders = vec![root().join("docs"), root().join("tests/emulator"), root().join("tests/judges")];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).into_iter().flatten().flatten() {
            let path = entry.path();
            if path.is_dir() && !path.ends_with("node_modules") && !path.ends_with(".venv") {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "md") {
                found.push(path);
            }
        }
    }
    for entry in fs::read_dir(root()).unwrap().flatten() {
        if entry.path().extension().is_some_and(|extension| extension == "md") {
            found.push(entry.path());
        }
    }
    found.sort();
    found
}

/// Every property name anywhere in a schema.
fn keys(schema: &Value, found: &mut BTreeSet<String>) {
    match schema {
        Value::Object(object) => {
            // A property may itself be called `properties`.
            if let Some(Value::Object(properties)) = object.get("properties") {
                found.extend(properties.keys().cloned());
                properties.values().for_each(|value| keys(value, found));
            }
            object.iter().filter(|(key, _)| *key != "properties").for_each(|(_, value)| keys(value, found));
        }
        Value::Array(items) => items.iter().for_each(|value| keys(value, found)),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

#[test]
fn every_key_of_the_language_is_documented() {
    let mut expected = BTreeSet::new();
    keys(&serde_json::to_value(schemars::schema_for!(ProjectFile)).unwrap(), &mut expected);
    keys(&serde_json::to_value(schemars::schema_for!(Manifest)).unwrap(), &mut expected);
    assert!(expected.contains("entrypoint") && expected.contains("timezone"), "the walk finds keys: {expected:?}");

    let text = fs::read_to_string(root().join("docs/language.md")).unwrap();
    let documented: BTreeSet<&str> = text
        .split('`')
        .skip(1)
        .step_by(2)
        .filter_map(|code| code.rsplit('.').next())
        .chain(text.lines().filter_map(|line| line.strip_prefix("**")?.split("**").next()))
        .collect();
    let missing: Vec<_> = expected.iter().filter(|key| !documented.contains(key.as_str())).collect();
    assert!(missing.is_empty(), "docs/language.md does not name {missing:?}");
}

/// Fenced blocks whose info string is `yaml <kind>`.
fn examples(text: &str, kind: &str) -> Vec<String> {
    let fence = format!("```yaml {kind}\n");
    text.split(&fence).skip(1).filter_map(|rest| rest.split("\n```").next()).map(|body| format!("{body}\n")).collect()
}

#[test]
fn every_example_is_accepted() {
    const PROJECT: &str = "project: docs\nenvironments:\n  prod:\n    account: \"111111111111\"\n    region: eu-central-1\n    vars: { bucket: docs }\n";
    let mut checked = 0;
    for document in documents() {
        let text = fs::read_to_string(&document).unwrap();
        let projects = examples(&text, "project");
        for pipeline in examples(&text, "pipeline") {
            let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("docs-example-{checked}"));
            let _fresh = fs::remove_dir_all(&folder);
            fs::create_dir_all(folder.join("example/src")).unwrap();
            fs::write(folder.join("dpc.yaml"), projects.first().map_or(PROJECT, String::as_str)).unwrap();
            fs::write(folder.join("example/pipeline.yaml"), &pipeline).unwrap();
            for script in pipeline.split([' ', '"', ',', ']', '[', '\n']).filter(|word| word.starts_with("src/")) {
                fs::write(folder.join("example").join(script), "").unwrap();
            }
            let output = Command::new(env!("CARGO_BIN_EXE_dpc")).arg("validate").current_dir(&folder).output().unwrap();
            let said = String::from_utf8_lossy(&output.stderr);
            assert!(output.status.success(), "{}: example {checked} is refused:\n{said}", document.display());
            checked += 1;
        }
    }
    assert!(checked >= 2, "only {checked} examples found");
}

#[test]
fn links_between_documents_lead_somewhere() {
    for document in documents() {
        let text = fs::read_to_string(&document).unwrap();
        for target in text.split("](").skip(1).filter_map(|rest| rest.split(')').next()) {
            if target.contains("://") || target.starts_with('#') || target.contains(' ') {
                continue;
            }
            let path = target.split('#').next().unwrap_or_default();
            let found = document.parent().is_some_and(|folder| folder.join(path).exists());
            assert!(found, "{}: broken link {target}", document.display());
        }
    }
}

#[test]
fn every_dependency_has_its_line_of_why() {
    let manifest = fs::read_to_string(root().join("Cargo.toml")).unwrap();
    let why = fs::read_to_string(root().join("docs/decisions/dependencies.md")).unwrap();
    let sections = manifest
        .split("\n[")
        .filter(|section| section.starts_with("dependencies]") || section.starts_with("dev-dependencies]"));
    let names: Vec<&str> =
        sections.flat_map(str::lines).filter_map(|line| line.split_once(" = ")).map(|(name, _)| name).collect();
    assert!(names.len() > 20, "the manifest was read: {names:?}");
    let missing: Vec<_> = names
        .into_iter()
        .filter(|name| {
            let short = name.strip_prefix("aws-sdk").or(name.strip_prefix("aws-smithy")).unwrap_or(name);
            !why.contains(short)
        })
        .collect();
    assert!(missing.is_empty(), "docs/decisions/dependencies.md does not say why {missing:?}");
}
