//! Checks the shape of a tree against the JSON Schema that was generated from the types that it will be read into.
//!
//! In come a [`Node`] and a schema; out come findings, all of them in one pass, each at the key or value that is wrong,
//! with the word that was probably meant. It knows JSON Schema, as far as `schemars` writes it for our types, and no
//! word of the language: names and explanations come from the schema.
//!
//! Values left out (`owner:`) were reported by the reader and fit everything here.

pub mod hints;
mod keys;
mod mend;
mod values;

use serde_json::Value as Json;

use super::node::{Kind, Node, Value};
use super::{Finding, Findings, Span};
pub use mend::mend;

/// A schema's extension: other words that people use for a key (`needs`: `depends_on`), for did-you-mean.
pub const ALSO: &str = "x-dpc-also";

/// Checks a tree; what does not fit is pushed.
pub fn check(node: &Node, schema: &schemars::Schema, findings: &mut Findings) {
    let root = schema.as_value();
    let mut check = Check { root, findings, parents: Vec::new() };
    check.node(node, root, &Place { name: "the file".to_owned(), head: head(node) });
}

/// The schema without the nulls that `schemars` writes for what may be left out: a key without a value is an error.
pub fn without_null(schema: &mut schemars::Schema) {
    let mut value = std::mem::take(schema).to_value();
    strip_null(&mut value);
    if let Ok(stripped) = schemars::Schema::try_from(value) {
        *schema = stripped;
    }
}

fn strip_null(schema: &mut Json) {
    match schema {
        Json::Array(items) => items.iter_mut().for_each(strip_null),
        Json::Object(map) => {
            if let Some(Json::Array(types)) = map.get_mut("type") {
                types.retain(|name| name != "null");
                if let [only] = types.as_slice() {
                    let only = only.clone();
                    map.insert("type".to_owned(), only);
                }
            }
            if let Some(Json::Array(branches)) = map.get_mut("anyOf") {
                branches.retain(|branch| branch.get("type").is_none_or(|name| name != "null"));
                if let [Json::Object(only)] = branches.as_slice() {
                    let only = only.clone();
                    map.remove("anyOf");
                    // A description beside the reference is nearer to the key than the type's own.
                    for (key, value) in only {
                        map.entry(key).or_insert(value);
                    }
                }
            }
            map.values_mut().for_each(strip_null);
        }
        _ => {}
    }
}

/// What a node is called in messages, and where to point when something in it is missing.
struct Place {
    /// "`needs`", "item 2 of `needs`", "the file".
    name: String,
    /// The key that leads to it, or its own first line.
    head: Span,
}

struct Check<'s, 'f> {
    root: &'s Json,
    findings: &'f mut Findings,
    /// The schemas of the mappings around this one, with the key that leads inwards.
    parents: Vec<(&'s Json, String)>,
}

impl<'s> Check<'s, '_> {
    fn push(&mut self, finding: Finding) {
        self.findings.push(finding);
    }

    /// Follows references.
    fn resolve(&self, mut schema: &'s Json) -> &'s Json {
        // A chain of references is as long as a type's wrappers are deep.
        for _ in 0..16 {
            let Some(pointer) = schema.get("$ref").and_then(Json::as_str).and_then(|text| text.strip_prefix('#'))
            else {
                break;
            };
            let Some(target) = self.root.pointer(pointer) else { break };
            schema = target;
        }
        schema
    }

    fn node(&mut self, node: &Node, schema: &'s Json, place: &Place) {
        if node.is_null() {
            return;
        }
        let schema = self.resolve(schema);
        let branches: Vec<&'s Json> = self.branches(schema);
        match branches.as_slice() {
            [] => self.plain(node, schema, place),
            [only] => self.node(node, only, place),
            _ => self.choose(node, schema, &branches, place),
        }
    }

    /// The alternatives of `anyOf` and `oneOf`, less null.
    fn branches(&self, schema: &'s Json) -> Vec<&'s Json> {
        let listed = schema.get("anyOf").or_else(|| schema.get("oneOf")).and_then(Json::as_array);
        let branches = listed.into_iter().flatten().map(|branch| self.resolve(branch));
        branches.filter(|branch| branch.get("type").is_none_or(|name| name != "null")).collect()
    }

    /// Judges a node by the alternative that was most probably meant: one of the node's own type.
    fn choose(&mut self, node: &Node, schema: &'s Json, branches: &[&'s Json], place: &Place) {
        if let Some(words) = values::constants(schema, branches) {
            return self.one_of(node, &words, place);
        }
        let fitting: Vec<&&Json> =
            branches.iter().filter(|branch| values::fits(node, &values::types(branch))).collect();
        match fitting.as_slice() {
            [] => {
                let types = branches.iter().flat_map(|branch| values::types(branch)).collect::<Vec<_>>();
                self.wrong_type(node, &types, place);
            }
            [only] => self.plain(node, only, place),
            several => {
                // The alternative with the fewest complaints; the first of equals.
                let best = several.iter().map(|branch| self.trial(node, branch, place)).min_by_key(Vec::len);
                self.findings.extend(best.into_iter().flatten());
            }
        }
    }

    fn trial(&self, node: &Node, schema: &'s Json, place: &Place) -> Vec<Finding> {
        let mut findings = Findings::new();
        let mut check = Check { root: self.root, findings: &mut findings, parents: self.parents.clone() };
        check.node(node, schema, place);
        findings.into_iter().collect()
    }

    /// A schema without alternatives.
    fn plain(&mut self, node: &Node, schema: &'s Json, place: &Place) {
        let types = values::types(schema);
        if !values::fits(node, &types) {
            return self.wrong_type(node, &types, place);
        }
        match &node.value {
            Value::Map(entries) => self.mapping(node, entries, schema, place),
            Value::List(items) => self.list(items, schema, place, node.span),
            Value::Scalar(scalar) => self.scalar(node, scalar, schema, place),
        }
    }

    fn list(&mut self, items: &[Node], schema: &'s Json, place: &Place, span: Span) {
        self.item_count(items.len(), schema, place, span);
        let Some(of) = schema.get("items") else { return };
        for (at, item) in items.iter().enumerate() {
            let name = format!("item {} of {}", at + 1, place.name);
            self.node(item, of, &Place { name, head: head(item) });
        }
    }
}

/// What to point at when something in a node is missing: its first key, or all of it.
fn head(node: &Node) -> Span {
    match &node.value {
        Value::Map(entries) => entries.first().map_or(node.span, |entry| entry.key.span),
        Value::List(items) => items.first().map_or(node.span, head),
        Value::Scalar(_) => node.span,
    }
}

/// Whether a scalar is a number in YAML's eyes.
fn is_number(kind: Kind) -> bool {
    matches!(kind, Kind::Int | Kind::Float)
}

#[cfg(test)]
mod tests;
