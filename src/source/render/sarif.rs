//! Findings as a SARIF 2.1.0 log, for code scanning.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::place::Place;
use super::{MACHINE_LIMIT, severity_word};
use crate::source::{Code, Files, Finding, Findings, Fix, Label};

const SCHEMA: &str = "https://json.schemastore.org/sarif-2.1.0.json";

/// Paths are relative to the folder of the dpc.yaml.
const BASE: &str = "PROJECT";

/// The log, with a line break at its end. Codes that were found come as rules, each with its page.
pub fn sarif(files: &Files, findings: &Findings) -> String {
    let shown = || findings.iter().take(MACHINE_LIMIT);
    let codes: Vec<Code> = shown().map(|finding| finding.code).collect::<BTreeSet<_>>().into_iter().collect();
    let results: Vec<Value> = shown().map(|finding| result(files, finding, &codes)).collect();
    let driver = json!({
        "name": "dpc",
        "semanticVersion": env!("CARGO_PKG_VERSION"),
        "rules": codes.iter().map(|code| rule(*code)).collect::<Vec<_>>(),
    });
    let run = json!({
        "tool": { "driver": driver },
        "columnKind": "unicodeCodePoints",
        "originalUriBaseIds": { BASE: { "description": { "text": "The folder of the dpc.yaml" } } },
        "results": results,
    });
    let log = json!({ "$schema": SCHEMA, "version": "2.1.0", "runs": [run] });
    let mut text = serde_json::to_string_pretty(&log).expect("a JSON value is always JSON");
    text.push('\n');
    text
}

fn rule(code: Code) -> Value {
    json!({
        "id": code.id(),
        "shortDescription": { "text": code.title() },
        "help": { "text": code.page(), "markdown": code.page() },
        "defaultConfiguration": { "level": "error" },
    })
}

fn result(files: &Files, finding: &Finding, codes: &[Code]) -> Value {
    let mut result = json!({
        "ruleId": finding.code.id(),
        "ruleIndex": codes.iter().position(|code| *code == finding.code),
        "level": severity_word(finding.severity),
        "message": { "text": message(finding) },
    });
    let Some(fields) = result.as_object_mut() else { return result };
    if let Some(primary) = &finding.primary {
        fields
            .insert("locations".to_owned(), json!([{ "physicalLocation": location(&Place::of(files, primary.span)) }]));
    }
    if !finding.secondary.is_empty() {
        let related = finding.secondary.iter().enumerate().map(|(at, label)| related(files, at, label));
        fields.insert("relatedLocations".to_owned(), related.collect());
    }
    if let Some(fix) = &finding.fix {
        fields.insert("fixes".to_owned(), json!([patch(files, fix)]));
    }
    result
}

/// SARIF has one text a result: what is wrong, why it matters, what to type.
fn message(finding: &Finding) -> String {
    let parts = [Some(&finding.message), finding.why.as_ref(), finding.help.as_ref()];
    parts.into_iter().flatten().map(String::as_str).collect::<Vec<_>>().join("\n")
}

fn related(files: &Files, at: usize, label: &Label) -> Value {
    json!({
        "id": at + 1,
        "physicalLocation": location(&Place::of(files, label.span)),
        "message": { "text": label.text },
    })
}

fn patch(files: &Files, fix: &Fix) -> Value {
    let place = Place::of(files, fix.span);
    json!({
        "description": { "text": fix.message },
        "artifactChanges": [{
            "artifactLocation": artifact(&place),
            "replacements": [{ "deletedRegion": region(&place), "insertedContent": { "text": fix.replacement } }],
        }],
    })
}

fn location(place: &Place) -> Value {
    json!({ "artifactLocation": artifact(place), "region": region(place) })
}

fn artifact(place: &Place) -> Value {
    json!({ "uri": uri(&place.file), "uriBaseId": BASE })
}

fn region(place: &Place) -> Value {
    json!({
        "startLine": place.line,
        "startColumn": place.column,
        "endLine": place.end_line,
        "endColumn": place.end_column,
    })
}

/// A path as a relative URI reference.
fn uri(path: &str) -> String {
    let mut uri = String::with_capacity(path.len());
    for byte in path.bytes() {
        if byte.is_ascii_alphanumeric() || b"/-._~".contains(&byte) {
            uri.push(char::from(byte));
        } else {
            uri.push_str(&format!("%{byte:02X}"));
        }
    }
    uri
}
