//! Where a span lies, in the words of editors.

use serde::Serialize;

use crate::source::{Files, Span};

/// Lines and columns from 1, columns in characters; the end is the first column after the span.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Place {
    pub file: String,
    pub line: usize,
    pub column: usize,
    pub end_line: usize,
    pub end_column: usize,
}

impl Place {
    pub fn of(files: &Files, span: Span) -> Self {
        let (line, column) = files.line_column(span.file, span.start);
        let (end_line, end_column) = files.line_column(span.file, span.end);
        Self { file: files.get(span.file).path.clone(), line, column, end_line, end_column }
    }
}
