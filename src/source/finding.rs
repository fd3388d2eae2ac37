//! What dpc has to say about a user's input or deployment: one type, whatever it is rendered to.
//!
//! Every stage pushes [`Finding`]s into [`Findings`] and goes on, so that one run reports everything. Rendering lives in
//! `render`; nothing here knows of terminals.

use super::{Code, Span};

/// How bad a finding is. Only errors make a command fail.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// Worth knowing; nothing to do.
    Note,
    /// Works, but will hurt; the command goes on.
    Warning,
    /// The input or the deployment is at fault; nothing is written.
    Error,
}

/// A place and a few words about it. An empty text draws a bare caret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Label {
    /// Where.
    pub span: Span,
    /// What to say there.
    pub text: String,
}

/// A replacement of bytes that would mend the finding: shown as `help:` with the new line, and in SARIF as a fix.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fix {
    /// What is replaced; may be empty (an insertion).
    pub span: Span,
    /// What to put there.
    pub replacement: String,
    /// The sentence above the patch, e.g. "did you mean `timeout`?".
    pub message: String,
}

/// One diagnostic: what is wrong, where, why it matters, what to type.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// Its code; the severity is an error unless changed.
    pub code: Code,
    /// Error, warning or note.
    pub severity: Severity,
    /// One sentence without a full stop; names in backticks.
    pub message: String,
    /// The place that is wrong. `None` only when no line of the user's is at fault (no credentials, for example).
    pub primary: Option<Label>,
    /// Other places that explain it ("first defined here").
    pub secondary: Vec<Label>,
    /// Why it matters, a sentence; rendered as `note:`.
    pub why: Option<String>,
    /// What to type, a sentence; rendered as `help:`.
    pub help: Option<String>,
    /// A patch, rendered as `help:` with the changed line.
    pub fix: Option<Fix>,
}

impl Finding {
    /// An error that no place in a file explains. Give it a `help`.
    pub fn new(code: Code, message: impl Into<String>) -> Self {
        Self {
            code,
            severity: Severity::Error,
            message: message.into(),
            primary: None,
            secondary: Vec::new(),
            why: None,
            help: None,
            fix: None,
        }
    }

    /// An error at a place; `label` is what stands at the caret, and may be empty.
    pub fn at(code: Code, span: Span, message: impl Into<String>, label: impl Into<String>) -> Self {
        let mut finding = Self::new(code, message);
        finding.primary = Some(Label { span, text: label.into() });
        finding
    }

    /// The same as a warning.
    #[must_use]
    pub fn warning(mut self) -> Self {
        self.severity = Severity::Warning;
        self
    }

    /// The same as a note.
    #[must_use]
    pub fn note(mut self) -> Self {
        self.severity = Severity::Note;
        self
    }

    /// With another place that explains it.
    #[must_use]
    pub fn and(mut self, span: Span, text: impl Into<String>) -> Self {
        self.secondary.push(Label { span, text: text.into() });
        self
    }

    /// With the reason why it matters.
    #[must_use]
    pub fn why(mut self, text: impl Into<String>) -> Self {
        self.why = Some(text.into());
        self
    }

    /// With what to type.
    #[must_use]
    pub fn help(mut self, text: impl Into<String>) -> Self {
        self.help = Some(text.into());
        self
    }

    /// With a patch.
    #[must_use]
    pub fn fix(mut self, span: Span, replacement: impl Into<String>, message: impl Into<String>) -> Self {
        self.fix = Some(Fix { span, replacement: replacement.into(), message: message.into() });
        self
    }
}

#[cfg(test)]
impl Finding {
    /// One line for comparison in tests: code, message, the first line of the text at the caret, what the fix puts there.
    pub(crate) fn told(&self, files: &super::Files) -> String {
        let at = self.primary.as_ref().map_or("", |label| files.text_of(label.span)).lines().next().unwrap_or_default();
        let fix = self.fix.as_ref().map(|fix| format!(" => {}", fix.replacement)).unwrap_or_default();
        format!("{} {} @ {at}{fix}", self.code.id(), self.message)
    }
}

/// The sink of one run.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Findings(Vec<Finding>);

impl Findings {
    /// An empty sink.
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes a finding.
    pub fn push(&mut self, finding: Finding) {
        self.0.push(finding);
    }

    /// Takes all findings of another sink.
    pub fn extend(&mut self, other: impl IntoIterator<Item = Finding>) {
        self.0.extend(other);
    }

    /// Whether a command must stop.
    pub fn has_errors(&self) -> bool {
        self.0.iter().any(|finding| finding.severity == Severity::Error)
    }

    /// Whether nothing was found.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// In the order found.
    pub fn iter(&self) -> std::slice::Iter<'_, Finding> {
        self.0.iter()
    }

    /// By file, then place, then code; those without a place first; equal ones once.
    #[must_use]
    pub fn sorted(mut self) -> Self {
        self.0.sort_by_key(|finding| (finding.primary.as_ref().map(|label| label.span), finding.code));
        self.0.dedup();
        self
    }
}

impl IntoIterator for Findings {
    type Item = Finding;
    type IntoIter = std::vec::IntoIter<Finding>;
    fn into_iter(self) -> Self::IntoIter {
        self.0.into_iter()
    }
}

impl From<Finding> for Findings {
    fn from(finding: Finding) -> Self {
        Self(vec![finding])
    }
}
