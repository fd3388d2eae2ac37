//! From a tree to typed values, with everything that is wrong about its shape found on the way.
//!
//! In comes a tree after substitution; out comes a manifest and findings. What is wrong is taken out of the tree before
//! it is decoded, where that is possible, so that a misspelt key does not hide what else is wrong in the file. It refuses
//! to know files and rules.

use schemars::{JsonSchema, Schema};
use serde::de::DeserializeOwned;

use crate::source::{Findings, Node, Severity, Span, Value, de, schema};

/// The published JSON Schema of a type, which the check of shapes uses too.
pub fn schema_of<T: JsonSchema>() -> Schema {
    let mut schema = schemars::schema_for!(T);
    schema::without_null(&mut schema);
    schema
}

/// Checks the shape of a tree and decodes it. `None` when what is wrong leaves nothing to judge.
pub fn decode<T: DeserializeOwned>(node: &Node, schema: &Schema, findings: &mut Findings) -> Option<T> {
    let mut found = Findings::new();
    schema::check(node, schema, &mut found);
    let mut sound = node.clone();
    let mended = schema::mend(&mut sound, &found);
    let wrong: Vec<Span> = errors(&found).into_iter().filter(|span| !mended.contains(span)).collect();
    remove(&mut sound, &wrong);
    findings.extend(found);
    match de::from_node(&sound) {
        Ok(value) => Some(value),
        Err(finding) => {
            // What the schema lets pass and the type refuses is said here; otherwise the reason has been said.
            if !findings.has_errors() {
                findings.push(*finding);
            }
            None
        }
    }
}

/// Where errors are.
fn errors(findings: &Findings) -> Vec<Span> {
    findings
        .iter()
        .filter(|finding| finding.severity == Severity::Error)
        .filter_map(|finding| finding.primary.as_ref().map(|label| label.span))
        .collect()
}

/// Takes entries out whose key or value is wrong or left out. Items of lists stay: others may name them.
fn remove(node: &mut Node, wrong: &[Span]) {
    match &mut node.value {
        Value::Scalar(_) => {}
        Value::List(items) => items.iter_mut().for_each(|item| remove(item, wrong)),
        Value::Map(entries) => {
            let is_wrong = |span: Span| wrong.contains(&span);
            entries.retain(|entry| !(is_wrong(entry.key.span) || is_wrong(entry.value.span) || entry.value.is_null()));
            entries.iter_mut().for_each(|entry| remove(&mut entry.value, wrong));
        }
    }
}
