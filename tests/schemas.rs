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
        for project in projects() {
            for path in files_of(published, &project) {
                let value = json_of(&path);
                let errors: Vec<String> = validator.iter_errors(&value).map(|error| error.to_string()).collect();
                assert!(errors.is_empty(), "{}: {errors:?}", path.display());
                checked += 1;
            }
        }
    }
    assert!(checked >= 12, "only {checked} files");
}

/// Codes about the shape of a file, which an editor shows while it is typed: keys that are not there or too many, values of
/// the wrong type or form, or beside the allowed ones. All of DPC1xx is of this sort, and so are some rules' codes.
const STRUCTURAL: &[&str] = &[
    "DPC101", "DPC102", "DPC103", "DPC104", "DPC105", "DPC106", // shape
    "DPC210", "DPC302", "DPC341", "DPC357", "DPC405", "DPC440", "DPC450", // words, forms, exactly one of
];

/// Broken projects of a structural code in which the schema alone sees nothing wrong, and why.
const BEYOND_SCHEMAS: &[(&str, &str)] = &[
    ("DPC102-partition", "a region of China has the form of a region"),
    ("DPC302-offset", "an offset fits or not by the granularity beside it"),
];

#[test]
fn what_is_structurally_broken_does_not_fit() {
    let validators = Published::ALL.map(|published| {
        (published, jsonschema::validator_for(published.schema().as_value()).expect("it is a schema"))
    });
    let exceptions: Vec<&str> = BEYOND_SCHEMAS.iter().map(|(name, _)| *name).collect();
    let (mut wrong, mut refused) = (Vec::new(), 0);
    for entry in std::fs::read_dir(repository().join("fixtures/broken")).expect("fixtures can be read") {
        let folder = entry.expect("fixtures can be read").path();
        let fixture = folder.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let code = fixture.split('-').next().unwrap_or_default();
        if !STRUCTURAL.contains(&code) || !folder.is_dir() {
            continue;
        }
        let fits = validators.iter().all(|(published, validator)| {
            files_of(*published, &folder).iter().all(|path| validator.is_valid(&json_of(path)))
        });
        refused += usize::from(!fits);
        if fits != exceptions.contains(&fixture.as_str()) {
            wrong.push(format!(
                "{fixture} {}",
                if fits { "fits" } else { "is refused, but stands among the exceptions" }
            ));
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
    assert!(refused >= 30, "only {refused} projects were refused");
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

/// The files of a project that a schema is for.
fn files_of(published: Published, folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).expect("fixtures can be read") {
        let path = entry.expect("fixtures can be read").path();
        let is = |name: &str| path.file_name().is_some_and(|other| other == name);
        let in_jobs = folder.ends_with("jobs") && path.extension().is_some_and(|end| end == "yaml");
        let wanted = match published {
            Published::Project => is("dpc.yaml"),
            Published::Pipeline => is("pipeline.yaml"),
            Published::Policy => is("policy.yaml"),
            Published::Test => folder.ends_with("tests") && path.extension().is_some_and(|end| end == "yaml"),
            Published::Type => is("type.yaml"),
            Published::Job => in_jobs && !["dpc.yaml", "pipeline.yaml", "policy.yaml"].into_iter().any(is),
        };
        if path.is_dir() {
            found.extend(files_of(published, &path));
        } else if wanted {
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
            Kind::Int | Kind::Float => number(&scalar.text),
            Kind::Text => json!(scalar.text),
        },
    }
}

/// A number as YAML has it: with zeros before it, or a sign.
fn number(text: &str) -> Json {
    let integer = text.parse::<i64>().map(|number| json!(number));
    integer.or_else(|_| text.parse::<f64>().map(|number| json!(number))).expect("fixtures hold decimal numbers")
}
