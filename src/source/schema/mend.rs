//! Reads a tree as it was probably meant, so that one mistake does not hide the others.
//!
//! A finding whose patch replaces a key or a value has said what was meant: with the patch applied, the rest of the file
//! can be judged in the same run. The finding stays; nothing is written.

use crate::source::node::{Node, Value};
use crate::source::{Files, Finding, Findings, Fix, Severity, Span, yaml};

/// Applies the patches of errors to a tree. What was mended is returned: those places are sound now.
pub fn mend(node: &mut Node, findings: &Findings) -> Vec<Span> {
    let errors = findings.iter().filter(|finding| finding.severity == Severity::Error);
    errors.filter_map(|finding| patched(node, finding)).collect()
}

/// The place of a finding, if its patch could be applied.
fn patched(node: &mut Node, finding: &Finding) -> Option<Span> {
    let (fix, primary) = (finding.fix.as_ref()?, finding.primary.as_ref()?);
    (fix.span == primary.span && apply(node, fix)).then_some(fix.span)
}

/// Applies a patch where its key or value is; false if it is not in this tree.
fn apply(node: &mut Node, fix: &Fix) -> bool {
    match &mut node.value {
        Value::Scalar(_) => false,
        Value::List(items) => items.iter_mut().any(|item| replaced(item, fix) || apply(item, fix)),
        Value::Map(entries) => {
            let taken = entries.iter().any(|entry| entry.key.text == fix.replacement);
            if let Some(entry) = entries.iter_mut().find(|entry| entry.key.span == fix.span && !taken) {
                entry.key.text.clone_from(&fix.replacement);
                return true;
            }
            entries.iter_mut().any(|entry| replaced(&mut entry.value, fix) || apply(&mut entry.value, fix))
        }
    }
}

fn replaced(node: &mut Node, fix: &Fix) -> bool {
    if node.span != fix.span {
        return false;
    }
    let mut files = Files::new();
    let file = files.add("patch", fix.replacement.as_str());
    let mut ignored = Findings::new();
    let Some(mut meant) = yaml::read(&files, file, &mut ignored).filter(|_| ignored.is_empty()) else { return false };
    place(&mut meant, fix.span);
    *node = meant;
    true
}

/// Puts a whole tree at one place.
fn place(node: &mut Node, span: Span) {
    node.span = span;
    match &mut node.value {
        Value::Scalar(_) => {}
        Value::List(items) => items.iter_mut().for_each(|item| place(item, span)),
        Value::Map(entries) => {
            for entry in entries {
                entry.key.span = span;
                place(&mut entry.value, span);
            }
        }
    }
}
