//! The line of a manifest that causes a difference.
//!
//! In come the tree of the file and what to look for; out comes a place. It refuses to guess wildly: where no word is found,
//! it points to the part that the words would stand in.

use std::collections::BTreeMap;

use super::{Cause, Scope};
use crate::source::{Entry, Node, Span, Value};

/// The place that causes a difference, in the tree of the pipeline's file; `origins` are the places of resources.
pub fn place(tree: &Node, origins: &BTreeMap<String, Span>, cause: &Cause) -> Option<Span> {
    let parts: Vec<Part<'_>> = cause.scopes.iter().filter_map(|scope| Part::of(tree, origins, scope)).collect();
    for exact in [true, false] {
        for word in &cause.words {
            let found = parts.iter().filter_map(|part| part.node).find_map(|node| search(node, word, exact));
            if found.is_some() {
                return found;
            }
        }
    }
    parts.first().map(|part| part.span)
}

/// A part of the manifest: where it begins and what is in it.
struct Part<'a> {
    span: Span,
    node: Option<&'a Node>,
}

impl<'a> Part<'a> {
    fn of(tree: &'a Node, origins: &BTreeMap<String, Span>, scope: &Scope) -> Option<Self> {
        match scope {
            Scope::Key(key) => {
                let entry: &Entry = tree.entry(key)?;
                Some(Self { span: entry.key.span, node: Some(&entry.value) })
            }
            Scope::Step(name) => {
                let step = step(tree, name)?;
                Some(Self { span: step.get("name").map_or(step.span, |name| name.span), node: Some(step) })
            }
            Scope::Resource(id) => {
                let span = *origins.get(id)?;
                Some(Self { span, node: at(tree, span) })
            }
        }
    }
}

/// The step of this name, be it inside another.
fn step<'a>(node: &'a Node, name: &str) -> Option<&'a Node> {
    let steps = node.get("steps").map(Node::items).unwrap_or_default();
    let own = steps.iter().find(|step| step.get("name").and_then(Node::as_str) == Some(name));
    own.or_else(|| steps.iter().find_map(|step_of| step_of.get("map").and_then(|map| step(map, name))))
}

/// The node that stands exactly there.
fn at(node: &Node, span: Span) -> Option<&Node> {
    if node.span == span {
        return Some(node);
    }
    let inside = node.items().iter().chain(node.entries().iter().map(|entry| &entry.value));
    inside
        .filter(|child| child.span.start <= span.start && span.end <= child.span.end)
        .find_map(|child| at(child, span))
}

/// The first scalar or key that is the word, or (less exactly) that the word is made of: a location of `access` stands in
/// the ARN that it becomes.
fn search(node: &Node, word: &str, exact: bool) -> Option<Span> {
    match &node.value {
        Value::Scalar(scalar) => fits(&scalar.text, word, exact).then_some(node.span),
        Value::List(items) => items.iter().find_map(|item| search(item, word, exact)),
        Value::Map(entries) => entries.iter().find_map(|entry| {
            search(&entry.value, word, exact).or_else(|| {
                (exact && !word.is_empty() && entry.key.text.eq_ignore_ascii_case(word)).then_some(entry.key.span)
            })
        }),
    }
}

fn fits(written: &str, word: &str, exact: bool) -> bool {
    if exact {
        return written == word;
    }
    let core = written.strip_prefix("s3://").unwrap_or(written).trim_end_matches(['*', '/']);
    // A short text stands in too much.
    core.len() >= 4 && (word.contains(core) || (word.len() >= 4 && written.contains(word)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::source::{Files, Findings, yaml};

    const TEXT: &str = "name: x\naccess:\n  read:\n  - s3://events/*\n  - s3://listings/data/*\nsteps:\n- name: a\n  spark:\n    entrypoint: a.py\n    args: [--date, x]\n";

    fn line(scopes: Vec<Scope>, words: &[&str]) -> Option<usize> {
        let mut files = Files::new();
        let file = files.add("pipeline.yaml", TEXT);
        let tree = yaml::read(&files, file, &mut Findings::new()).expect("it is YAML");
        let words = words.iter().map(|word| (*word).to_owned()).collect();
        let span = place(&tree, &BTreeMap::new(), &Cause { scopes, words })?;
        Some(files.line_column(file, span.start).0)
    }

    #[test]
    fn the_word_the_part_or_nothing() {
        assert_eq!(line(vec![Scope::step("a")], &["--date"]), Some(10));
        assert_eq!(line(vec![Scope::step("a")], &["nowhere"]), Some(7));
        assert_eq!(line(vec![Scope::step("b")], &["--date"]), None);
        let arn = "arn:${AWS::Partition}:s3:::listings/data/*";
        assert_eq!(line(vec![Scope::key("access"), Scope::key("steps")], &[arn]), Some(5));
    }
}
