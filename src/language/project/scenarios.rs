//! Tests of a project: the files that were asked for, or that its globs name.
//!
//! In come a root, globs and paths; out come decoded scenarios, each with its path. It refuses to know what they mean.

use std::path::{Path, PathBuf};

use super::{disk, tree};
use crate::language::decode;
use crate::language::scenario::ScenarioFile;
use crate::source::{Code, Files, Finding, Findings, Spanned};

/// Which files are tests, unless `tests` of the dpc.yaml says otherwise.
const DEFAULT_TESTS: &str = "tests/*.yaml";

/// Reads the tests of the project at `root`: `asked`, as typed in the folder `from`, or all that `globs` name.
pub fn scenarios(
    root: &Path,
    globs: &[Spanned<String>],
    (from, asked): (&Path, &[PathBuf]),
    files: &mut Files,
    findings: &mut Findings,
) -> Vec<(String, ScenarioFile)> {
    let paths = if asked.is_empty() {
        let paths = named(root, globs, findings);
        if paths.is_empty() && !findings.has_errors() {
            let said = globs.first().map_or(DEFAULT_TESTS, |glob| glob.value.as_str());
            let finding = Finding::new(Code::NoTests, format!("there is no test: no file matches `{said}`"));
            findings.push(finding.help("write one, as `docs/testing.md` shows, or name a file: `dpc test FILE`"));
        }
        paths
    } else {
        asked.iter().flat_map(|path| typed(root, from, path, findings)).collect()
    };
    let schema = decode::schema_of::<ScenarioFile>();
    let mut read = Vec::new();
    for path in paths {
        let Some(node) = tree(root, &path, files, findings) else { continue };
        let scenario = decode::decode::<ScenarioFile>(&node, &schema, findings);
        read.extend(scenario.map(|scenario| (path, scenario)));
    }
    read
}

/// The files that the project's globs name, sorted, each once.
fn named(root: &Path, globs: &[Spanned<String>], findings: &mut Findings) -> Vec<String> {
    if globs.is_empty() {
        return disk::below(root, DEFAULT_TESTS);
    }
    let mut found: Vec<String> = Vec::new();
    for glob in globs {
        match disk::matching_glob(root, glob) {
            Ok(paths) if paths.is_empty() => {
                let finding = Finding::at(Code::NoTests, glob.span, format!("`{}` matches no file", glob.value), "");
                findings.push(finding.help("correct the pattern, or remove it"));
            }
            Ok(paths) => found.extend(paths),
            Err(finding) => findings.push(*finding),
        }
    }
    found.sort();
    found.dedup();
    found
}

/// A path that was typed: a file, or all of a folder; as seen from the root where it lies below it.
fn typed(root: &Path, from: &Path, path: &Path, findings: &mut Findings) -> Vec<String> {
    let there = from.join(path);
    let inside = there.strip_prefix(root).map_or_else(|_| there.clone(), Path::to_path_buf);
    let shown = inside.to_string_lossy().replace('\\', "/");
    if there.is_dir() {
        return disk::below(root, &format!("{}/**/*.yaml", shown.trim_end_matches('/')));
    }
    if there.is_file() {
        return vec![shown];
    }
    let finding = Finding::new(Code::NoTests, format!("there is no test `{}`", path.display()));
    findings.push(finding.help("correct the path; without one, `dpc test` plays all tests of the project"));
    Vec::new()
}
