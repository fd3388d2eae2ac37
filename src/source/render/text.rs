//! Findings in rustc's layout, for people.

use annotate_snippets::{AnnotationKind, Group, Level, Patch, Renderer, Snippet, renderer::DecorStyle};

use crate::source::{Files, Finding, Findings, Label, Severity};

/// More than this many findings help nobody; the rest is counted.
const SHOWN: usize = 50;

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
    out
}

fn groups<'a>(files: &'a Files, finding: &'a Finding) -> Vec<Group<'a>> {
    let level = match finding.severity {
        Severity::Error => Level::ERROR,
        Severity::Warning => Level::WARNING,
        Severity::Note => Level::NOTE,
    };
    let mut group = Group::with_title(level.primary_title(&*finding.message).id(finding.code.id()));
    if let Some(primary) = &finding.primary {
        let source = files.get(primary.span.file);
        let snippet = Snippet::source(&*source.text).path(&*source.path);
        let snippet = snippet.annotation(annotation(AnnotationKind::Primary, primary));
        let context = finding.secondary.iter().filter(|label| label.span.file == primary.span.file);
        group = group.element(snippet.annotations(context.map(|label| annotation(AnnotationKind::Context, label))));
    }
    if let Some(why) = &finding.why {
        group = group.element(Level::NOTE.message(&**why));
    }
    if let Some(help) = &finding.help {
        group = group.element(Level::HELP.message(&**help));
    }
    let mut groups = vec![group];
    if let Some(fix) = &finding.fix {
        let source = files.get(fix.span.file);
        let range = fix.span.start as usize..fix.span.end as usize;
        let snippet = Snippet::source(&*source.text).path(&*source.path).patch(Patch::new(range, &*fix.replacement));
        groups.push(Level::HELP.secondary_title(&*fix.message).element(snippet));
    }
    groups
}

fn annotation<'a>(kind: AnnotationKind, label: &'a Label) -> annotate_snippets::Annotation<'a> {
    let annotation = kind.span(label.span.start as usize..label.span.end as usize);
    if label.text.is_empty() { annotation } else { annotation.label(&*label.text) }
}
