//! Merge keys: `<<: *base` and `<<: [*one, *other]`. Explicit keys win, then the first in the list.

use crate::source::node::{Entry, Node, Value};
use crate::source::{Code, Finding, Findings};

/// The entries of a mapping with its merge key replaced by what it merges.
pub(super) fn expand(mut entries: Vec<Entry>, findings: &mut Findings) -> Vec<Entry> {
    let Some(at) = entries.iter().position(|entry| entry.key.text == "<<") else { return entries };
    let merge = entries.remove(at);
    let sources = match merge.value.value {
        Value::List(items) => items,
        _ => vec![merge.value],
    };
    for source in sources {
        take(&mut entries, source, findings);
    }
    entries
}

fn take(entries: &mut Vec<Entry>, source: Node, findings: &mut Findings) {
    let (span, what, reported) = (source.span, source.describe(), source.is_null());
    let Value::Map(merged) = source.value else {
        if !reported {
            let finding = Finding::at(Code::BadMerge, span, format!("`<<` merges mappings, not {what}"), "")
                .help("give it an alias of a mapping, `<<: *base`, or a list of them");
            findings.push(finding);
        }
        return;
    };
    for entry in merged {
        if !entries.iter().any(|known| known.key.text == entry.key.text) {
            entries.push(entry);
        }
    }
}
