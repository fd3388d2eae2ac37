//! `--rules`: CloudFormation Guard files, read and held against what was compiled.

use std::path::{Path, PathBuf};

use crate::compile::{Compiled, guard};
use crate::source::{Code, FileId, Files, Finding, Findings, Span, text};

/// The rule files of a command.
#[derive(Debug, Default)]
pub struct Rules {
    /// Path as typed, and content.
    files: Vec<(String, Vec<u8>)>,
}

impl Rules {
    /// Reads files, and of folders every `.guard` file.
    ///
    /// # Errors
    /// A path that cannot be read, or a folder without rules.
    pub fn read(paths: &[PathBuf]) -> Result<Self, Box<Finding>> {
        let mut rules = Self::default();
        for path in paths {
            let mut files = if path.is_dir() { in_folder(path) } else { vec![path.clone()] };
            files.sort();
            if files.is_empty() {
                return Err(unreadable(path, "it holds no file that ends in `.guard`"));
            }
            for file in files {
                let content = std::fs::read(&file).map_err(|error| unreadable(&file, &error.to_string()))?;
                rules.files.push((file.to_string_lossy().into_owned(), content));
            }
        }
        Ok(rules)
    }

    /// Enters the files into the table, so that findings can point into them.
    pub fn entered(&self, files: &mut Files, findings: &mut Findings) -> Entered {
        Entered(self.files.iter().filter_map(|(path, content)| text::add(files, path, content, findings)).collect())
    }
}

/// Rule files of a table.
#[derive(Debug)]
pub struct Entered(Vec<FileId>);

impl Entered {
    /// Holds a pipeline's template against all of them; `name` is the place of the pipeline's name.
    pub fn judge(&self, compiled: &Compiled, name: Span, files: &Files, findings: &mut Findings) {
        self.0.iter().for_each(|file| guard::check(compiled, name, *file, files, findings));
    }
}

fn in_folder(folder: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path());
    entries.filter(|path| path.extension().is_some_and(|extension| extension == "guard")).collect()
}

fn unreadable(path: &Path, why: &str) -> Box<Finding> {
    let why = why.split(" (os error").next().unwrap_or(why);
    let message = format!("`{}` cannot be used: {why}", path.display());
    Box::new(
        Finding::new(Code::BadGuardRules, message).help("`--rules` takes a Guard file, or a folder of `.guard` files"),
    )
}
