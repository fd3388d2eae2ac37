//! The files that belong to a pipeline, as values: what the archive is packed from and what paths in the manifest are looked up in.

/// A pipeline's folder, less what `.dpcignore` leaves out. Sorted by path; the pipeline.yaml is part of it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Folder {
    /// The files, sorted by path.
    pub files: Vec<FolderFile>,
    /// Paths that exist but are left out by `.dpcignore`, sorted: for messages only.
    pub ignored: Vec<String>,
}

/// One file of a pipeline's folder.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FolderFile {
    /// Relative to the folder, `/` as separator.
    pub path: String,
    /// Whether its owner may execute it.
    pub executable: bool,
    /// Its content.
    pub bytes: Vec<u8>,
}

impl Folder {
    /// The file at this path.
    pub fn get(&self, path: &str) -> Option<&FolderFile> {
        self.files.binary_search_by(|file| file.path.as_str().cmp(path)).ok().and_then(|at| self.files.get(at))
    }

    /// Whether a directory of this name holds any file.
    pub fn has_directory(&self, path: &str) -> bool {
        self.files.iter().any(|file| file.path.strip_prefix(path).is_some_and(|rest| rest.starts_with('/')))
    }

    /// All paths.
    pub fn paths(&self) -> impl Iterator<Item = &str> {
        self.files.iter().map(|file| file.path.as_str())
    }
}

/// A path in the form of the folder's own; `None` when it leads out.
pub fn normal(path: &str) -> Option<String> {
    let mut parts: Vec<&str> = Vec::new();
    for part in path.split('/') {
        match part {
            "" | "." => {}
            ".." => {
                parts.pop()?;
            }
            part => parts.push(part),
        }
    }
    Some(parts.join("/"))
}

#[cfg(test)]
mod tests {
    use super::{Folder, FolderFile, normal};

    #[test]
    fn a_file_is_found_by_its_whole_path() {
        let file = |path: &str| FolderFile { path: path.to_owned(), executable: false, bytes: Vec::new() };
        let folder = Folder { files: vec![file("pipeline.yaml"), file("src/a.py"), file("src/b.py")], ignored: vec![] };
        assert_eq!(folder.get("src/b.py").map(|file| file.path.as_str()), Some("src/b.py"));
        assert_eq!(folder.get("b.py"), None);
        assert!(folder.has_directory("src") && !folder.has_directory("sr"));
    }

    #[test]
    fn paths_stay_in_the_folder() {
        assert_eq!(normal("./src//a.py").as_deref(), Some("src/a.py"));
        assert_eq!(normal("src/../a.py").as_deref(), Some("a.py"));
        assert_eq!(normal("../other/a.py"), None);
        assert_eq!(normal("src/../../a.py"), None);
    }
}
