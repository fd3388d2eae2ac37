//! The traps of unquoted values: `date: {{ run.partition }}` is a mapping for YAML, `cron: * 3 * * *` an alias.
//!
//! A trap is reported once, its text is taken as if it stood in quotes, and the rest of the file is read as well: the
//! region is masked by letters of the same length, so that every span stays true.

use std::cell::RefCell;
use std::ops::Range;

use granit_parser::Event;

use super::build::quoted;
use crate::source::{Code, FileId, Finding, Span};

/// After this many traps, reading stops: each costs a pass over the file.
const LIMIT: usize = 32;

/// A region that YAML misreads.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Trap {
    region: Range<usize>,
    kind: Kind,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    /// `{{ … }}` or `${…}` where a brace opens a mapping.
    Expression,
    /// `{% … %}`: refused by the language, whose message is better; quoted here so that it gets there.
    Statement,
    /// A cron expression that starts with a star.
    Star,
}

/// The text with the traps found so far masked.
pub(super) struct Repairs<'a> {
    original: &'a str,
    masked: String,
    traps: Vec<Trap>,
    /// The scalars that hold a trap; what is reported, and put into quotes, is the whole scalar.
    scalars: RefCell<Vec<Range<usize>>>,
}

impl<'a> Repairs<'a> {
    pub fn new(original: &'a str) -> Self {
        Self { original, masked: original.to_owned(), traps: Vec::new(), scalars: RefCell::default() }
    }

    /// The text to parse.
    pub fn text(&self) -> &str {
        &self.masked
    }

    /// Masks a trap; false when there are too many, or nothing is left to mask.
    pub fn add(&mut self, trap: Trap) -> bool {
        let length = trap.region.len();
        if self.traps.len() >= LIMIT || length == 0 || self.masked.get(trap.region.clone()).is_none() {
            return false;
        }
        self.masked.replace_range(trap.region.clone(), &"x".repeat(length));
        self.traps.push(trap);
        self.scalars.borrow_mut().clear();
        true
    }

    /// Whether a scalar holds a masked region; its text is the original's then.
    pub fn covers(&self, scalar: &Range<usize>) -> bool {
        let covers = self.traps.iter().any(|trap| overlap(&trap.region, scalar));
        if covers {
            self.scalars.borrow_mut().push(scalar.clone());
        }
        covers
    }

    /// One finding a scalar that holds traps.
    pub fn findings(&self, file: FileId) -> Vec<Finding> {
        let scalars = self.scalars.borrow();
        let mut regions: Vec<(Range<usize>, Kind)> = Vec::new();
        for trap in &self.traps {
            let scalar = scalars.iter().find(|scalar| overlap(&trap.region, scalar)).unwrap_or(&trap.region);
            if trap.kind != Kind::Statement && !regions.iter().any(|(known, _)| known == scalar) {
                regions.push((scalar.clone(), trap.kind));
            }
        }
        regions.into_iter().map(|(region, kind)| self.finding(file, &region, kind)).collect()
    }

    fn finding(&self, file: FileId, region: &Range<usize>, kind: Kind) -> Finding {
        let text = self.original.get(region.clone()).unwrap_or_default();
        let span = Span::new(file, region.start, region.end);
        let finding = match kind {
            Kind::Star => Finding::at(Code::UnquotedStar, span, format!("`{text}` must be quoted"), "")
                .why("an unquoted `*` starts an alias in YAML"),
            Kind::Expression | Kind::Statement => {
                Finding::at(Code::UnquotedExpression, span, format!("`{text}` must be quoted"), "")
                    .why("an unquoted `{` starts a mapping in YAML")
            }
        };
        finding.fix(span, quoted(text), "quote it:")
    }
}

fn overlap(one: &Range<usize>, other: &Range<usize>) -> bool {
    one.start < other.end && other.start < one.end
}

/// The trap that an event shows, if it does.
pub(super) fn at_event(text: &str, event: &Event<'_>, range: &Range<usize>) -> Option<Trap> {
    match event {
        Event::MappingStart(..) => braces(text, range.start, range.start),
        Event::UnresolvedAlias(_) => star(text, range.start),
        _ => None,
    }
}

/// The trap that explains a syntax error, if one does.
pub(super) fn at_error(text: &str, at: usize, last_scalar: Option<usize>) -> Option<Trap> {
    if let Some(trap) = star(text, at) {
        return Some(trap);
    }
    // `[a {{ b }}]`, `[s3://${vars.b}/x]`: the error is at the brace, the value began before it.
    let dollar = text.get(..at).is_some_and(|before| before.ends_with('$'));
    let opening = text.get(at..).unwrap_or_default();
    if opening.starts_with("{{") || (dollar && opening.starts_with('{')) {
        let start = last_scalar.filter(|start| *start < at && !text.get(*start..at).unwrap_or("\n").contains('\n'));
        return braces(text, start.unwrap_or(at), at);
    }
    // `{{ a["x"] }}`: the error is inside; the braces stand where a value starts.
    let line = text.get(..at)?.rfind('\n').map_or(0, |newline| newline + 1);
    let end = text.get(at..)?.find('\n').map_or(text.len(), |newline| at + newline);
    let starts_value = |brace: usize| {
        let before = text.get(line..brace).unwrap_or_default();
        before.trim().is_empty()
            || before.ends_with([' ', '[', ',', '{']) && before.trim_end().ends_with([':', '-', '[', ',', '{'])
    };
    let (brace, _) = text
        .get(line..end)?
        .match_indices("{{")
        .map(|(at, braces)| (line + at, braces))
        .find(|(at, _)| starts_value(*at))?;
    braces(text, brace, brace)
}

/// The trap of an expression whose brace stands at `brace`, in a value that starts at `start`.
fn braces(text: &str, start: usize, brace: usize) -> Option<Trap> {
    let rest = text.get(brace..)?;
    let (closing, kind) = if rest.starts_with("{{") {
        ("}}", Kind::Expression)
    } else if rest.starts_with("{%") {
        ("%}", Kind::Statement)
    } else if rest.starts_with('{') && text.get(..brace)?.ends_with('$') {
        ("}", Kind::Expression)
    } else {
        return None;
    };
    let line = rest.split(['\n', '\r']).next().unwrap_or_default();
    let closed = line.find(closing).map_or(line.trim_end().len(), |at| at + closing.len());
    // In a block, what follows the braces joins them by itself; within brackets, the value ends at the next of these.
    let tail = line.get(closed..).unwrap_or_default();
    let end = closed + tail.find([',', ']', '}', '#', '{']).unwrap_or(tail.len());
    let region = start..brace + line.get(..end).unwrap_or_default().trim_end().len();
    Some(Trap { region, kind })
}

/// The trap of a cron expression whose star stands at `at`.
fn star(text: &str, at: usize) -> Option<Trap> {
    let line = text.get(at..)?.split(['\n', '\r']).next()?;
    let after = line.strip_prefix('*')?;
    if !after.is_empty() && !after.starts_with([' ', '/', ',', '}', ']']) {
        return None;
    }
    let end = line.find([',', ']', '}']).unwrap_or(line.len());
    let end = line.find(" #").map_or(end, |comment| end.min(comment));
    let region = at..at + line.get(..end)?.trim_end().len();
    Some(Trap { region, kind: Kind::Star })
}
