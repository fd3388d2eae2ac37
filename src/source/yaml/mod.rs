//! Reads one YAML document into a tree that knows where everything stands.
//!
//! In comes the text of a file; out comes a [`Node`], and a finding for everything that YAML, or good sense, refuses:
//! duplicate keys, values left out, tags, recursive aliases and those that would expand without end. It knows nothing of
//! what the keys mean.

mod build;
mod functions;
mod merge;
mod syntax;
#[cfg(test)]
mod tests;
mod trap;

use granit_parser::{Event, Parser};

use super::{Code, FileId, Files, Finding, Findings, Node, Span};
use build::Builder;
use trap::Repairs;

/// Collections nest at most this deep, aliases expanded, so that no recursion over a tree overflows the stack.
pub const DEPTH: usize = 64;

/// A document holds at most this many nodes, aliases expanded.
pub const NODES: usize = 100_000;

/// How one attempt to read ended.
enum Outcome {
    /// With a tree, unless what was found leaves none.
    Read(Option<Node>),
    /// With a trap: the region is to be taken as if it stood in quotes, and the document read once more.
    Trap(trap::Trap),
}

/// Reads the document of a file. `None` when there is none to go on with; why is among the findings then.
///
/// A tree is returned also when findings were pushed (a duplicate key, for example), so that what else is wrong can be
/// said in the same run.
pub fn read(files: &Files, file: FileId, findings: &mut Findings) -> Option<Node> {
    read_tagged(files, file, &[], findings)
}

/// The same, with CloudFormation's tags read below these keys of the document: `!Ref Topic` is `Ref: Topic` there.
pub fn read_tagged(files: &Files, file: FileId, tagged: &[&str], findings: &mut Findings) -> Option<Node> {
    let text = &files.get(file).text;
    let mut repairs = Repairs::new(text);
    loop {
        let mut found = Findings::new();
        match attempt(text, file, &repairs, tagged, &mut found) {
            Outcome::Trap(trap) if repairs.add(trap.clone()) => {}
            // Too many traps in one file: say what is known.
            Outcome::Trap(_) => {
                findings.extend(repairs.findings(file));
                return None;
            }
            Outcome::Read(node) => {
                findings.extend(repairs.findings(file));
                findings.extend(found);
                return node;
            }
        }
    }
}

fn attempt(text: &str, file: FileId, repairs: &Repairs<'_>, tagged: &[&str], findings: &mut Findings) -> Outcome {
    let options = granit_parser::options! {
        emit_anchor_events: true,
        emit_unresolved_aliases: true,
        emit_comments: false,
        flow_nesting_limit: DEPTH,
        block_nesting_limit: DEPTH,
    };
    let mut builder = Builder::new(text, file, repairs, tagged, findings);
    let mut documents = 0;
    for next in Parser::new_from_str_with_options(repairs.text(), options) {
        let (event, at) = match next {
            Ok(next) => next,
            Err(error) => {
                let place = error.marker().byte_offset().unwrap_or(text.len()).min(text.len());
                if let Some(trap) = trap::at_error(repairs.text(), place, builder.last_scalar()) {
                    return Outcome::Trap(trap);
                }
                let finding = syntax::explain(text, file, error.kind(), place, builder.open_bracket());
                findings.push(finding);
                return Outcome::Read(None);
            }
        };
        let range = at.byte_range().unwrap_or_default();
        if let Some(trap) = trap::at_event(repairs.text(), &event, &range) {
            return Outcome::Trap(trap);
        }
        if matches!(event, Event::DocumentStart(..)) {
            documents += 1;
            if documents > 1 {
                builder.refuse(several_documents(Span::new(file, range.start, range.end)));
                break;
            }
        }
        let tag = at.tag_span().and_then(|tag| tag.byte_range());
        if !builder.take(event, range, tag) {
            return Outcome::Read(None);
        }
    }
    let root = builder.finish();
    if root.as_ref().is_none_or(Node::is_null) {
        findings.push(empty(files_start(file)));
        return Outcome::Read(None);
    }
    Outcome::Read(root)
}

fn files_start(file: FileId) -> Span {
    Span::new(file, 0, 0)
}

fn empty(span: Span) -> Finding {
    Finding::at(Code::EmptyFile, span, "the file is empty", "")
        .why("a file with nothing but comments describes nothing")
        .help("`dpc init` writes a project to start from; or delete the file")
}

fn several_documents(span: Span) -> Finding {
    Finding::at(Code::SeveralDocuments, span, "a second document starts here", "")
        .why("a file describes one thing: what follows `---` would be ignored")
        .help("move it into a file of its own, or delete the `---`")
}
