//! The schemas in `schemas/` are those of the types, and every example fits them in the eyes of a validator that is not
//! dpc's own.

// Reason: tests read the repository.
#![allow(clippy::disallowed_methods)]

use std::path::{Path, PathBuf};

use dpc::language::schemas::Published;
use dpc::source::{Files, Findings, Kind, Node, Value, text, yaml};
use serde_json::{Value as Json, json};

fn repository() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

#[test]
fn the_published_schemas_are_current() {
    for published in Published::ALL {
        let path = repository().join("schemas").join(published.file_name());
        if std::env::var_os("UPDATE").is_some() {
            std::fs::write(&path, published.text()).expect("the repository can be written");
        }
        let there = std::fs::read_to_string(&path).unwrap_or_default();
        assert!(
            there == published.text(),
            "{} is not current: run `UPDATE=1 cargo test --test schemas`",
            path.display()
        );
    }
}

#[test]
fn every_example_fits() {
    let mut checked = 0;
    for published in Published::ALL {
        let schema: Json = serde_json::from_str(&published.text()).expect("it is JSON");
        let validator = jsonschema::validator_for(&schema).expect("it is a schema");
        let name = match published {
            Published::Project => "dpc.yaml",
            Published::Pipeline => "pipeline.yaml",
            Published::Policy => "policy.yaml",
            Published::Job => continue,
        };
        for project in projects() {
            for path in files_named(name, &project) {
                let value = json_of(&path);
                let errors: Vec<String> = validator.iter_errors(&value).map(|error| error.to_string()).collect();
                assert!(errors.is_empty(), "{}: {errors:?}", path.display());
                checked += 1;
            }
        }
    }
    assert!(checked >= 12, "only {checked} files");
}

#[test]
fn a_misspelt_key_does_not_fit() {
    let validator = jsonschema::validator_for(Published::Project.schema().as_value()).expect("it is a schema");
    assert!(!validator.is_valid(&json!({ "project": "x", "environments": {}, "pipeline": [] })));
}

/// Every project in `fixtures/` that is not broken.
fn projects() -> Vec<PathBuf> {
    let folders = std::fs::read_dir(repository().join("fixtures")).expect("fixtures can be read");
    let folders = folders.map(|entry| entry.expect("fixtures can be read").path());
    folders.filter(|folder| folder.join("dpc.yaml").exists()).collect()
}

fn files_named(name: &str, folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).expect("fixtures can be read") {
        let path = entry.expect("fixtures can be read").path();
        if path.is_dir() {
            found.extend(files_named(name, &path));
        } else if path.file_name().is_some_and(|other| other == name) {
            found.push(path);
        }
    }
    found
}

fn json_of(path: &Path) -> Json {
    let bytes = std::fs::read(path).expect("fixtures can be read");
    let (mut files, mut findings) = (Files::new(), Findings::new());
    let file = text::add(&mut files, "fixture", &bytes, &mut findings).expect("fixtures are text");
    let tagged = ["resources", "overrides"];
    let node = yaml::read_tagged(&files, file, &tagged, &mut findings).expect("fixtures are YAML");
    assert!(findings.is_empty(), "{findings:?}");
    view(&node)
}

fn view(node: &Node) -> Json {
    match &node.value {
        Value::List(items) => items.iter().map(view).collect(),
        Value::Map(entries) => entries.iter().map(|entry| (entry.key.text.clone(), view(&entry.value))).collect(),
        Value::Scalar(scalar) => match scalar.kind {
            Kind::Null => Json::Null,
            Kind::Bool(value) => json!(value),
            Kind::Int | Kind::Float => serde_json::from_str(&scalar.text).expect("fixtures hold plain numbers"),
            Kind::Text => json!(scalar.text),
        },
    }
}
