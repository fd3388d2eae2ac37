//! What is wrong with a small text inside a manifest: a cron expression, an offset, a template.
//!
//! Who reads such a text knows its bytes only; whoever knows where it stands turns the [`Problem`] into a finding. It
//! refuses to know codes: the caller has one for each kind of text.

use std::ops::Range;

use super::{Code, Finding, Span};

/// A mistake in a text, in the words of a finding.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// Bytes of the text.
    pub range: Range<usize>,
    /// What is wrong.
    pub message: String,
    /// Why it matters.
    pub why: Option<String>,
    /// What to type.
    pub help: Option<String>,
}

impl Problem {
    /// A problem at `range`.
    pub fn new(range: Range<usize>, message: impl Into<String>) -> Self {
        Self { range, message: message.into(), why: None, help: None }
    }

    /// With the reason.
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

    /// As a finding about `text`, which stands at `span`.
    pub fn at(self, code: Code, text: &str, span: Span) -> Finding {
        let place = span.part(text, self.range);
        Finding { why: self.why, help: self.help, ..Finding::at(code, place, self.message, "") }
    }
}
