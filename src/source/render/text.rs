//! Findings in rustc's layout, for people.

use std::ops::Range;

use annotate_snippets::{
    Annotation, AnnotationKind, Group, Level, Origin, Patch, Renderer, Snippet, renderer::DecorStyle,
};

use super::Counts;
use crate::source::{FileId, Files, Finding, Findings, Label, Severity, Span};

/// More than this many findings help nobody; the rest is counted.
const SHOWN: usize = 50;

/// Lines of a file given to the renderer around what it marks; more would only be scanned.
const AROUND: usize = 3;

/// Labels of one file further apart than this many bytes are drawn apart.
const APART: usize = 20_000;

/// A fix of more lines than these is told, not drawn: the renderer's work grows with the square of their number.
const PATCHED: usize = 60;

/// How text is drawn.
#[derive(Clone, Copy, Debug)]
pub struct TextStyle {
    /// ANSI colours.
    pub colour: bool,
    /// Columns of the terminal; longer source lines are cut around the caret.
    pub width: usize,
}

/// All findings, each followed by an empty line, then a line that counts them.
pub fn text(files: &Files, findings: &Findings, style: TextStyle) -> String {
    let renderer = if style.colour { Renderer::styled() } else { Renderer::plain() };
    let renderer = renderer.term_width(style.width.max(40)).decor_style(DecorStyle::Ascii);
    let mut out = String::new();
    for finding in findings.iter().take(SHOWN) {
        out.push_str(&renderer.render(&groups(files, finding)));
        out.push_str("\n\n");
    }
    let error = findings.iter().find(|finding| finding.severity == Severity::Error);
    if let Some(first) = error.or(findings.iter().next()) {
        out.push_str(&summary(findings, first));
    }
    out
}

/// `3 errors, 1 warning; …`.
fn summary(findings: &Findings, first: &Finding) -> String {
    let Counts { errors, warnings, notes } = Counts::of(findings);
    let counted = [(errors, "error"), (warnings, "warning"), (notes, "note")];
    let words = counted.iter().filter(|(count, _)| *count > 0);
    let words =
        words.map(|(count, word)| format!("{count} {word}{}", if *count == 1 { "" } else { "s" })).collect::<Vec<_>>();
    let hidden = findings.iter().count().saturating_sub(SHOWN);
    let hidden = if hidden > 0 { format!(" ({hidden} more not shown)") } else { String::new() };
    format!("{}{hidden}; `dpc explain {}` tells more\n", words.join(", "), first.code.id())
}

fn groups<'a>(files: &'a Files, finding: &'a Finding) -> Vec<Group<'a>> {
    let level = match finding.severity {
        Severity::Error => Level::ERROR,
        Severity::Warning => Level::WARNING,
        Severity::Note => Level::NOTE,
    };
    let mut group = Group::with_title(level.primary_title(&*finding.message).id(finding.code.id()));
    for (file, marks) in by_file(files, finding) {
        group = if files.get(file).text.is_empty() {
            group.element(Origin::path(&*files.get(file).path))
        } else {
            group.element(snippet(files, file, &marks))
        };
    }
    if let Some(why) = &finding.why {
        group = group.element(Level::NOTE.message(&**why));
    }
    if let Some(help) = &finding.help {
        group = group.element(Level::HELP.message(&**help));
    }
    let mut groups = vec![group];
    let fix = finding.fix.as_ref();
    if let Some(fix) = fix.filter(|fix| files.text_of(fix.span).lines().nth(PATCHED).is_some()) {
        groups.push(Group::with_title(Level::HELP.secondary_title(&*fix.message)));
    } else if let Some(fix) = fix {
        let window = Window::around(files, fix.span.file, fix.span.start as usize..fix.span.end as usize);
        let patch = Patch::new(window.range(fix.span), &*fix.replacement);
        let snippet =
            Snippet::source(window.text).line_start(window.line).path(&*files.get(fix.span.file).path).patch(patch);
        groups.push(Level::HELP.secondary_title(&*fix.message).element(snippet));
    }
    groups
}

type Mark<'a> = (AnnotationKind, &'a Label);

/// The labels of a finding, those that are drawn together together; the primary one is in the first.
fn by_file<'a>(files: &Files, finding: &'a Finding) -> Vec<(FileId, Vec<Mark<'a>>)> {
    let mut drawings: Vec<(FileId, Vec<Mark<'a>>)> = Vec::new();
    let Some(primary) = &finding.primary else { return drawings };
    drawings.push((primary.span.file, vec![(AnnotationKind::Primary, primary)]));
    for label in &finding.secondary {
        let near = |(file, marks): &&mut (FileId, Vec<Mark<'_>>)| {
            *file == label.span.file
                && !files.get(*file).text.is_empty()
                && marks.iter().all(|(_, mark)| mark.span.start.abs_diff(label.span.start) as usize <= APART)
        };
        match drawings.iter_mut().find(near) {
            Some((_, marks)) => marks.push((AnnotationKind::Context, label)),
            None => drawings.push((label.span.file, vec![(AnnotationKind::Context, label)])),
        }
    }
    drawings
}

fn snippet<'a>(files: &'a Files, file: FileId, marks: &[Mark<'a>]) -> Snippet<'a, Annotation<'a>> {
    let start = marks.iter().map(|(_, label)| label.span.start).min().unwrap_or_default();
    // Only the first line of each is marked: what follows would be given to the renderer for nothing.
    let ends = marks.iter().map(|(_, label)| label.span.start as usize + first_line(files.text_of(label.span)).len());
    let window = Window::around(files, file, start as usize..ends.max().unwrap_or_default());
    let annotations = marks.iter().map(|(kind, label)| {
        let annotation = kind.span(window.first_line_of(label.span));
        if label.text.is_empty() { annotation } else { annotation.label(&*label.text) }
    });
    Snippet::source(window.text).line_start(window.line).path(&*files.get(file).path).annotations(annotations)
}

/// A few lines of a file.
struct Window<'a> {
    text: &'a str,
    /// First byte in the file.
    start: usize,
    /// Number of the first line.
    line: usize,
}

impl<'a> Window<'a> {
    fn around(files: &'a Files, file: FileId, bytes: Range<usize>) -> Self {
        let text = files.get(file).text.as_str();
        let before = text.get(..bytes.start.min(text.len())).unwrap_or_default();
        let start = before.match_indices('\n').rev().nth(AROUND).map_or(0, |(at, _)| at + 1);
        let after = bytes.end.clamp(bytes.start, text.len());
        let rest = text.get(after..).unwrap_or_default();
        let end = rest.match_indices('\n').nth(AROUND).map_or(text.len(), |(at, _)| after + at + 1);
        let line = text.get(..start).unwrap_or_default().matches('\n').count() + 1;
        Self { text: text.get(start..end).unwrap_or_default(), start, line }
    }

    fn range(&self, span: Span) -> Range<usize> {
        let inside = |at: u32| (at as usize).saturating_sub(self.start).min(self.text.len());
        inside(span.start)..inside(span.end)
    }

    /// A span that runs over several lines is marked on its first: the picture stays small.
    fn first_line_of(&self, span: Span) -> Range<usize> {
        let range = self.range(span);
        let marked = self.text.get(range.clone()).unwrap_or_default();
        range.start..range.start + first_line(marked).len()
    }
}

fn first_line(text: &str) -> &str {
    text.split(['\n', '\r']).next().unwrap_or_default().trim_end()
}
