//! What is wrong with a small text inside a manifest: a cron expression, an offset, a template.
//!
//! The pure floors know bytes of that text only; whoever knows the file turns a [`Problem`] into a finding by placing its
//! range inside the text's span. It refuses to know codes: the caller has one for each kind of text.

use std::ops::Range;

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
}
