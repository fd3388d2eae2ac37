//! From parser events to a tree: duplicate keys, aliases and their expansion, tags, values left out.

use std::borrow::Cow;
use std::collections::HashMap;
use std::ops::Range;

use granit_parser::{Event, ScalarStyle, StructureStyle};

use super::functions::{self, Function};
use super::trap::Repairs;
use super::{DEPTH, NODES, merge};
use crate::source::node::{Entry, Key, Kind, Node, Scalar, Value};
use crate::source::{Code, FileId, Finding, Findings, Span, suggest};

/// A finished node with what its expansion costs.
#[derive(Clone)]
struct Sized {
    node: Node,
    /// Nodes in it, aliases expanded.
    size: usize,
    /// Collections on its deepest path.
    height: usize,
}

/// A collection that is still open.
struct Frame {
    anchor: usize,
    /// The tag before it.
    function: Option<Function>,
    start: usize,
    flow: bool,
    size: usize,
    height: usize,
    content: Content,
}

enum Content {
    List(Vec<Node>),
    Map { entries: Vec<Entry>, pending: Option<Pending> },
}

/// A key whose value has not come yet.
enum Pending {
    Key(Key),
    /// A key that was reported: its value is read and dropped.
    Refused,
}

/// An anchor: open until its node is finished.
struct Anchor {
    name: String,
    span: Span,
    node: Option<Sized>,
}

pub(super) struct Builder<'a> {
    text: &'a str,
    file: FileId,
    repairs: &'a Repairs<'a>,
    /// Keys of the document below which CloudFormation's tags are read.
    tagged: &'a [&'a str],
    findings: &'a mut Findings,
    open: Vec<Frame>,
    anchors: HashMap<usize, Anchor>,
    /// A finished scalar whose anchor event, if it has one, comes next.
    root: Option<Sized>,
    last_scalar: Option<usize>,
    /// Nodes so far, aliases expanded.
    total: usize,
}

impl<'a> Builder<'a> {
    pub fn new(
        text: &'a str,
        file: FileId,
        repairs: &'a Repairs<'a>,
        tagged: &'a [&'a str],
        findings: &'a mut Findings,
    ) -> Self {
        let (open, anchors) = (Vec::new(), HashMap::new());
        Self { text, file, repairs, tagged, findings, open, anchors, root: None, last_scalar: None, total: 0 }
    }

    /// Where the last scalar started: what follows it may be a trap that belongs to it.
    pub fn last_scalar(&self) -> Option<usize> {
        self.last_scalar
    }

    /// The innermost open `[` or `{`.
    pub fn open_bracket(&self) -> Option<usize> {
        self.open.iter().rev().find(|frame| frame.flow).map(|frame| frame.start)
    }

    /// Reports something that the caller found.
    pub fn refuse(&mut self, finding: Finding) {
        self.findings.push(finding);
    }

    /// The tree, once all events are taken.
    pub fn finish(self) -> Option<Node> {
        self.root.map(|root| root.node)
    }

    /// Takes an event; false when reading must stop.
    pub fn take(&mut self, event: Event<'_>, range: Range<usize>, tag: Option<Range<usize>>) -> bool {
        let function = tag.and_then(|tag| self.function(tag));
        match event {
            Event::Scalar(text, style, anchor, _) => self.scalar(text, style, (anchor, function), range),
            Event::SequenceStart(style, anchor, _) => {
                self.start(style, (anchor, function), &range, Content::List(Vec::new()))
            }
            Event::MappingStart(style, anchor, _) => {
                let content = Content::Map { entries: Vec::new(), pending: None };
                self.start(style, (anchor, function), &range, content)
            }
            Event::SequenceEnd | Event::MappingEnd => self.end(&range),
            Event::Anchor(id, name) => {
                let span = self.span(&range);
                let anchor = self.anchors.entry(id).or_insert_with(|| Anchor { name: String::new(), span, node: None });
                anchor.name = name.into_owned();
                anchor.span = span;
                true
            }
            Event::Alias(id) => self.alias(id, &range),
            Event::UnresolvedAlias(name) => {
                self.unknown_anchor(&name, &range);
                let node = Node { span: self.span(&range), value: Value::Scalar(absent()) };
                self.push(Sized { node, size: 1, height: 0 })
            }
            _ => true,
        }
    }

    fn span(&self, range: &Range<usize>) -> Span {
        Span::new(self.file, range.start, range.end)
    }

    fn scalar(
        &mut self,
        text: Cow<'_, str>,
        style: ScalarStyle,
        (anchor, function): (usize, Option<Function>),
        range: Range<usize>,
    ) -> bool {
        let plain = style == ScalarStyle::Plain;
        self.last_scalar = Some(range.start);
        let raw = self.text.get(range.clone()).unwrap_or_default();
        // A repaired region reads as the plain text that stands there.
        let text: Cow<'_, str> = if self.repairs.covers(&range) { raw.into() } else { text };
        let kind = match plain {
            true if range.is_empty() => Kind::Null,
            true => Kind::of_plain(&text),
            false => Kind::Text,
        };
        let mut span = self.span(&range);
        let between_quotes = raw.get(1..raw.len().saturating_sub(1)).unwrap_or_default();
        if matches!(style, ScalarStyle::SingleQuoted | ScalarStyle::DoubleQuoted)
            && !between_quotes.is_empty()
            && between_quotes == text
        {
            span = span.within(1, raw.len() - 1);
        }
        let is_key = matches!(self.open.last(), Some(Frame { content: Content::Map { pending: None, .. }, .. }));
        if kind == Kind::Null && !is_key {
            span = self.no_value(&range);
        }
        let value = Value::Scalar(Scalar { text: text.into_owned(), kind, plain });
        let sized = self.long_form(function, Sized { node: Node { span, value }, size: 1, height: 0 });
        if anchor != 0 {
            self.anchors.insert(anchor, Anchor { name: String::new(), span, node: Some(sized.clone()) });
        }
        self.push(sized)
    }

    /// Reports a value that was left out, and finds a place for it.
    fn no_value(&mut self, range: &Range<usize>) -> Span {
        let line_end = |at: usize| {
            self.text.get(at..).and_then(|rest| rest.find(['\n', '\r'])).map_or(self.text.len(), |n| at + n)
        };
        let (what, span, after) = match self.open.last() {
            Some(Frame { content: Content::Map { pending: Some(Pending::Key(key)), .. }, .. }) => {
                (format!("`{}`", key.text), key.span, key.span.end as usize)
            }
            Some(Frame { content: Content::List(_), start, .. }) => {
                let line = self.text.get(..range.start).and_then(|before| before.rfind('\n')).map_or(0, |at| at + 1);
                let line = line.max(*start);
                let head = self.text.get(line..range.start).unwrap_or_default();
                let head = head.find(" #").and_then(|comment| head.get(..comment)).unwrap_or(head);
                let dash = line + head.rfind(['-', ',', '[']).unwrap_or(0);
                let letter = self.text.get(dash..).and_then(|rest| rest.chars().next()).map_or(0, char::len_utf8);
                ("this item".to_owned(), Span::new(self.file, dash, dash + letter), dash + letter)
            }
            // A refused key, or an empty document: reported by others.
            _ => return self.span(range),
        };
        let rest = self.text.get(after..line_end(after)).unwrap_or_default();
        let comment = rest
            .find('#')
            .filter(|at| rest.get(..*at).is_some_and(|gap| gap.trim_start_matches(['"', '\'', ':']).trim().is_empty()));
        let written = (!range.is_empty()).then(|| self.text.get(range.clone()).unwrap_or_default());
        let at = if written.is_some() { self.span(range) } else { span };
        let mut finding = Finding::at(Code::NoValue, at, format!("{what} has no value"), "");
        match comment.and_then(|at| rest.get(at..).map(|comment| (after + at, comment.trim_end()))) {
            // `slack: #core-data`: the comment is glued to its `#`, as a value would be.
            Some((start, comment))
                if comment.len() > 1
                    && !comment.get(1..).unwrap_or_default().starts_with([' ', '#', '!', '-', '='])
                    && written.is_none() =>
            {
                let place = Span::new(self.file, start, start + comment.len());
                finding = finding
                    .and(place, "YAML takes this for a comment")
                    .why("a `#` after a space starts a comment")
                    .fix(place, quoted(comment), "if it is the value, quote it:");
            }
            _ => {
                finding = match written {
                    Some(null) => finding.why(format!("`{null}` means “nothing” in YAML")),
                    None => finding,
                };
                finding = finding
                    .help(format!("give it one, or delete {}", if what == "this item" { "it" } else { "the key" }));
            }
        }
        self.findings.push(finding);
        at
    }

    fn start(
        &mut self,
        style: StructureStyle,
        (anchor, function): (usize, Option<Function>),
        range: &Range<usize>,
        content: Content,
    ) -> bool {
        if self.open.len() >= DEPTH {
            self.findings.push(too_deep(self.span(range)));
            return false;
        }
        if anchor != 0 {
            let span = self.span(range);
            self.anchors.insert(anchor, Anchor { name: String::new(), span, node: None });
        }
        let flow = style == StructureStyle::Flow;
        self.open.push(Frame { anchor, function, start: range.start, flow, size: 1, height: 1, content });
        true
    }

    fn end(&mut self, range: &Range<usize>) -> bool {
        let Some(frame) = self.open.pop() else { return true };
        let children_end = match &frame.content {
            Content::List(items) => items.last().map(|item| item.span.end),
            Content::Map { entries, .. } => entries.last().map(|entry| entry.value.span.end.max(entry.key.span.end)),
        };
        // A block collection ends where the next token starts, which may be lines below its last child.
        let end = if frame.flow { range.end } else { children_end.map_or(frame.start, |end| end as usize) };
        let value = match frame.content {
            Content::List(items) => Value::List(items),
            Content::Map { entries, .. } => Value::Map(merge::expand(entries, self.findings)),
        };
        let node = Node { span: Span::new(self.file, frame.start, end), value };
        let sized = self.long_form(frame.function, Sized { node, size: frame.size, height: frame.height });
        if let Some(anchor) = self.anchors.get_mut(&frame.anchor) {
            anchor.node = Some(sized.clone());
        }
        self.push(sized)
    }

    fn alias(&mut self, id: usize, range: &Range<usize>) -> bool {
        let span = self.span(range);
        let Some(anchor) = self.anchors.get(&id) else { return true };
        let Some(target) = &anchor.node else {
            let finding =
                Finding::at(Code::RecursiveAlias, span, format!("`*{}` contains itself", anchor.name), "the alias")
                    .and(anchor.span, "is part of what is defined here")
                    .help("write out what you mean, or move the anchor to a value that does not hold its own alias");
            self.findings.push(finding);
            return false;
        };
        let size = self.total.saturating_add(target.size);
        if size > NODES {
            let finding = alias_bomb(span, size).and(anchor.span, "an alias of this value");
            self.findings.push(finding);
            return false;
        }
        if self.open.len() + target.height > DEPTH {
            self.findings.push(too_deep(span));
            return false;
        }
        let mut copy = target.clone();
        self.total = size - 1; // `push` counts the last one.
        copy.node.span = span;
        self.push(copy)
    }

    fn unknown_anchor(&mut self, name: &str, range: &Range<usize>) {
        let span = self.span(range);
        let near = suggest::near(name, self.anchors.values().map(|anchor| anchor.name.as_str()));
        let mut finding =
            Finding::at(Code::UnknownAnchor, span, format!("there is no anchor `&{name}` above this line"), "")
                .why("an unquoted `*` starts an alias of a value that was marked with `&`");
        let is_name = name.chars().all(|letter| letter.is_alphanumeric() || matches!(letter, '-' | '_'));
        finding = match near {
            Some(near) => finding.fix(span, format!("*{near}"), format!("did you mean `*{near}`?")),
            None if is_name => finding.help(format!("mark the value that you mean by `&{name}`, above this line")),
            None => finding.fix(span, format!("\"*{name}\""), "if the star is part of the text, quote it:"),
        };
        self.findings.push(finding);
    }

    /// A tag of CloudFormation's where such tags are read; any other is reported.
    fn function(&mut self, tag: Range<usize>) -> Option<Function> {
        let is_key = matches!(self.open.last(), Some(Frame { content: Content::Map { pending: None, .. }, .. }));
        let read = !is_key && self.in_tagged();
        let name = self.text.get(tag.clone()).unwrap_or_default();
        let function = Function::of(name, self.span(&tag)).filter(|_| read);
        if function.is_none() {
            self.refuse_tag(tag, read);
        }
        function
    }

    /// Whether what comes next stands below a key of the document that takes tags.
    fn in_tagged(&self) -> bool {
        match self.open.first().map(|frame| &frame.content) {
            Some(Content::Map { pending: Some(Pending::Key(key)), .. }) => self.tagged.contains(&key.text.as_str()),
            _ => false,
        }
    }

    fn long_form(&mut self, function: Option<Function>, sized: Sized) -> Sized {
        let Some(function) = function else { return sized };
        self.total = self.total.saturating_add(1);
        let Sized { node, size, height } = sized;
        Sized { node: function.of_node(node), size: size + 1, height: height + 1 }
    }

    fn refuse_tag(&mut self, tag: Range<usize>, read: bool) {
        let name = self.text.get(tag.clone()).unwrap_or_default();
        if read {
            let finding = Finding::at(
                Code::TagRefused,
                self.span(&tag),
                format!("`{name}` is no function of CloudFormation"),
                "",
            );
            let finding = match functions::near(name) {
                Some(near) => finding.fix(self.span(&tag), near, format!("did you mean `{near}`?")),
                None => finding.help("write it in the long form, such as `Fn::Transform: …`"),
            };
            return self.findings.push(finding);
        }
        let finding = Finding::at(Code::TagRefused, self.span(&tag), format!("the tag `{name}` is not supported"), "")
            .why("a tag would change what the value means; dpc reads plain YAML");
        let finding = match name {
            "!Ref" | "!Sub" | "!GetAtt" | "!ImportValue" => {
                finding
                    .help("CloudFormation functions work in `resources` and `overrides`; `${vars.name}` takes a value from dpc.yaml")
            }
            _ => finding.help("delete it; a value in quotes is always text"),
        };
        self.findings.push(finding);
    }

    /// Puts a finished node where it belongs; false when reading must stop.
    fn push(&mut self, sized: Sized) -> bool {
        let Sized { node, size, height } = sized;
        let is_collection = height > 0;
        // The children of a collection have been counted; an alias counts as a whole.
        self.total = self.total.saturating_add(1);
        if self.total > NODES {
            self.findings.push(too_many(node.span));
            return false;
        }
        let Some(frame) = self.open.last_mut() else {
            self.root = Some(Sized { node, size, height });
            return true;
        };
        frame.size = frame.size.saturating_add(size);
        if is_collection {
            frame.height = frame.height.max(height + 1);
        }
        match &mut frame.content {
            Content::List(items) => items.push(node),
            Content::Map { entries, pending } => match pending.take() {
                Some(Pending::Key(key)) => entries.push(Entry { key, value: node }),
                Some(Pending::Refused) => {}
                None => *pending = Some(key_of(node, entries, self.text, self.findings)),
            },
        }
        true
    }
}

/// Reads a node that stands in a key's place.
fn key_of(node: Node, entries: &[Entry], text: &str, findings: &mut Findings) -> Pending {
    let Value::Scalar(scalar) = &node.value else {
        findings.push(key_not_text(&node, &node.describe()));
        return Pending::Refused;
    };
    if scalar.kind != Kind::Text {
        let written = text.get(node.span.start as usize..node.span.end as usize).unwrap_or_default();
        let finding = key_not_text(&node, &node.describe());
        let finding = if written.is_empty() {
            finding
        } else {
            finding.fix(node.span, quoted(written), "if it is a name, quote it:")
        };
        findings.push(finding);
        return Pending::Refused;
    }
    if let Some(first) = entries.iter().find(|entry| entry.key.text == scalar.text) {
        let message = format!("the key `{}` is here twice", scalar.text);
        let finding = Finding::at(Code::DuplicateKey, node.span, message, "again here")
            .and(first.key.span, "first here")
            .why("YAML does not say which of the two counts")
            .help("keep one of them");
        findings.push(finding);
        return Pending::Refused;
    }
    Pending::Key(Key { text: scalar.text.clone(), span: node.span })
}

fn key_not_text(node: &Node, what: &str) -> Finding {
    Finding::at(Code::KeyNotText, node.span, format!("a key must be text, not {what}"), "")
}

/// The value of an alias that leads nowhere; it has been reported, as a value left out has.
fn absent() -> Scalar {
    Scalar { text: String::new(), kind: Kind::Null, plain: true }
}

fn too_deep(span: Span) -> Finding {
    Finding::at(
        Code::TooDeep,
        span,
        format!("values nest more than {DEPTH} levels deep"),
        "the level that is one too many",
    )
    .help("a pipeline needs fewer than ten: look for a runaway bracket, or for an alias within an alias")
}

fn too_many(span: Span) -> Finding {
    Finding::at(Code::AliasBomb, span, format!("the file holds more than {NODES} values"), "the one that is too many")
        .help("keep data in files of their own, and name them in `args` or `command`")
}

fn alias_bomb(span: Span, size: usize) -> Finding {
    let message = format!("aliases expand to {size} values; at most {NODES} are read");
    Finding::at(Code::AliasBomb, span, message, "the alias that is too many")
        .why("aliases of values that hold aliases multiply: nothing was expanded")
        .help("write out what you mean, or alias smaller values")
}

/// A text in the quotes that need no escapes, if there are such.
pub(super) fn quoted(text: &str) -> String {
    if !text.contains(['"', '\\']) { format!("\"{text}\"") } else { format!("'{}'", text.replace('\'', "''")) }
}
