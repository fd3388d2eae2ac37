//! A range of bytes in one file.

use std::ops::Range;

use super::files::FileId;

/// Bytes `start..end` of a file. Never crosses a file; `start <= end`; both lie on UTF-8 boundaries.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Span {
    /// The file that the bytes belong to.
    pub file: FileId,
    /// First byte.
    pub start: u32,
    /// One past the last byte.
    pub end: u32,
}

impl Span {
    /// A span of `start..end` in `file`.
    pub fn new(file: FileId, start: usize, end: usize) -> Self {
        let clamp = |at: usize| u32::try_from(at).unwrap_or(u32::MAX);
        Self { file, start: clamp(start), end: clamp(end.max(start)) }
    }

    /// The part of this span that `start..end` (counted from its first byte) covers: for a caret under one field of a
    /// cron expression or one `{{ }}` of a plain scalar. Clamped to this span.
    pub fn within(self, start: usize, end: usize) -> Self {
        let base = self.start as usize;
        let limit = self.end as usize;
        Self::new(self.file, (base + start).min(limit), (base + end).min(limit))
    }

    /// The place of a part of `text`, which was read here: exact while the file spells it as it is, the whole span where
    /// escapes or `${vars}` have made it longer or shorter.
    #[must_use]
    pub fn part(self, text: &str, range: Range<usize>) -> Self {
        let as_written = (self.end - self.start) as usize == text.len();
        if as_written { self.within(range.start, range.end) } else { self }
    }
}
