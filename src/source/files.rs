//! The table of files that one run has read: an id for each, its path as shown to the user, and its text.

use std::collections::HashMap;
use std::sync::Arc;

/// The id of a file in a [`Files`] table.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FileId(u32);

impl FileId {
    /// The id with this number; `source::de` hands ids through serde as numbers.
    pub(crate) fn from_index(index: u32) -> Self {
        Self(index)
    }

    /// The number of this id.
    pub(crate) fn index(self) -> u32 {
        self.0
    }
}

/// One file: the path as it is printed (relative to the project's root, `/` as separator) and its text.
#[derive(Clone, Debug)]
pub struct SourceFile {
    /// The path as printed.
    pub path: String,
    /// The whole text.
    pub text: String,
}

/// Every file read in this run, in the order of reading.
#[derive(Clone, Debug, Default)]
pub struct Files {
    files: Vec<Arc<SourceFile>>,
    by_path: HashMap<String, FileId>,
}

impl Files {
    /// An empty table.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a file; a path that is there already keeps its id and its first text.
    pub fn add(&mut self, path: impl Into<String>, text: impl Into<String>) -> FileId {
        let path = path.into();
        if let Some(id) = self.by_path.get(&path) {
            return *id;
        }
        let id = FileId(u32::try_from(self.files.len()).unwrap_or(u32::MAX));
        self.by_path.insert(path.clone(), id);
        self.files.push(Arc::new(SourceFile { path, text: text.into() }));
        id
    }

    /// The file with this id.
    pub fn get(&self, id: FileId) -> &SourceFile {
        self.files.get(id.0 as usize).expect("a FileId comes from `add` of the same table")
    }

    /// All files with their ids.
    pub fn iter(&self) -> impl Iterator<Item = (FileId, &SourceFile)> {
        self.files.iter().enumerate().map(|(at, file)| (FileId(u32::try_from(at).unwrap_or(u32::MAX)), &**file))
    }

    /// The text that a span covers.
    pub fn text_of(&self, span: super::Span) -> &str {
        self.get(span.file).text.get(span.start as usize..span.end as usize).unwrap_or_default()
    }

    /// Line and column of a byte, both from 1; the column counts characters, as editors do.
    pub fn line_column(&self, file: FileId, byte: u32) -> (usize, usize) {
        let text = &self.get(file).text;
        let before = text.get(..(byte as usize).min(text.len())).unwrap_or(text);
        let line = before.bytes().filter(|byte| *byte == b'\n').count() + 1;
        let column = before.rsplit('\n').next().unwrap_or_default().chars().count() + 1;
        (line, column)
    }
}
