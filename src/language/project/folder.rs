//! A pipeline's folder: every file in it, less what `.dpcignore` leaves out.

use std::fs;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use ignore::gitignore::{Gitignore, GitignoreBuilder};
use ignore::{DirEntry, WalkBuilder};

use super::{IGNORE_FILE, reason};
use crate::language::folder::{Folder, FolderFile};
use crate::source::{Code, Finding, Findings};

/// What the files of one folder may weigh together, before packing. A pipeline's code is small; what is larger is data
/// that was left lying about, and every run would download it.
const FOLDER_LIMIT: u64 = 256 * 1024 * 1024;

/// Never code: left out without being asked.
const NEVER: [&str; 4] = [".git", "__pycache__", ".DS_Store", ".dpc"];

/// Reads the folder `inside` (relative to `root`, may be empty).
pub fn read(root: &Path, inside: &str, findings: &mut Findings) -> Folder {
    let base = if inside.is_empty() { root.to_owned() } else { root.join(inside) };
    let ignores = ignores(root, &base, inside, findings);
    let ignored = Arc::new(Mutex::new(Vec::new()));
    let mut folder = Folder::default();
    let mut left = FOLDER_LIMIT;

    for entry in walk(&base, ignores, Arc::clone(&ignored)) {
        let entry = match entry {
            Ok(entry) => entry,
            Err(error) => {
                findings.push(unreadable(&shown(inside, ""), &reason(&error)));
                continue;
            }
        };
        if entry.depth() == 0 || entry.file_type().is_some_and(|kind| kind.is_dir()) {
            continue;
        }
        let Some(path) = relative(&base, entry.path()) else {
            let name = entry.path().strip_prefix(root).unwrap_or(entry.path()).to_string_lossy().into_owned();
            findings.push(refused(&name, "its name is not UTF-8", "rename it"));
            continue;
        };
        match content(root, &entry, &mut left) {
            Ok((executable, bytes)) => folder.files.push(FolderFile { path, executable, bytes }),
            Err(Refusal::Unreadable(why)) => findings.push(unreadable(&shown(inside, &path), &why)),
            Err(Refusal::Kind(why)) => {
                let help = format!("copy it to where the link is, or name it in `{IGNORE_FILE}`");
                findings.push(refused(&shown(inside, &path), why, &help));
            }
            Err(Refusal::TooMuch) => {
                findings.push(too_much(inside, &path));
                break;
            }
        }
    }
    folder.files.sort_by(|one, other| one.path.cmp(&other.path));
    folder.ignored = std::mem::take(&mut *ignored.lock().unwrap_or_else(PoisonError::into_inner));
    folder.ignored.sort();
    folder
}

/// The matchers of the project's `.dpcignore` and the folder's own.
fn ignores(root: &Path, base: &Path, inside: &str, findings: &mut Findings) -> Vec<Gitignore> {
    let mut matchers = Vec::new();
    let mut places = vec![(root, IGNORE_FILE.to_owned())];
    if base != root {
        places.push((base, shown(inside, IGNORE_FILE)));
    }
    for (place, name) in places {
        let file = place.join(IGNORE_FILE);
        if !file.is_file() {
            continue;
        }
        let mut builder = GitignoreBuilder::new(place);
        if let Some(error) = builder.add(&file) {
            findings.push(bad_pattern(&name, error));
        }
        matchers.extend(builder.build().ok());
    }
    matchers
}

fn walk(base: &Path, ignores: Vec<Gitignore>, ignored: Arc<Mutex<Vec<String>>>) -> ignore::Walk {
    let start = base.to_owned();
    WalkBuilder::new(base)
        .standard_filters(false)
        .follow_links(false)
        .filter_entry(move |entry| {
            if entry.depth() == 0 {
                return true;
            }
            if entry.file_name().to_str().is_some_and(|name| NEVER.contains(&name)) {
                return false;
            }
            let directory = entry.file_type().is_some_and(|kind| kind.is_dir());
            // The nearest file that says anything of a path wins, as in git.
            let verdict = ignores.iter().rev().map(|matcher| matcher.matched(entry.path(), directory));
            let out = verdict.into_iter().find(|verdict| !verdict.is_none()).is_some_and(|verdict| verdict.is_ignore());
            if out && let Some(path) = relative(&start, entry.path()) {
                ignored.lock().unwrap_or_else(PoisonError::into_inner).push(path);
            }
            !out
        })
        .build()
}

enum Refusal {
    Unreadable(String),
    Kind(&'static str),
    TooMuch,
}

fn content(root: &Path, entry: &DirEntry, left: &mut u64) -> Result<(bool, Vec<u8>), Refusal> {
    let path = if entry.path_is_symlink() { target(root, entry.path())? } else { entry.path().to_owned() };
    let about = fs::metadata(&path).map_err(|error| Refusal::Unreadable(reason(&error)))?;
    if !about.is_file() {
        // Opening a pipe would wait for ever, and a device has no end.
        return Err(Refusal::Kind("it is neither a file nor a directory"));
    }
    if about.len() > *left {
        return Err(Refusal::TooMuch);
    }
    let mut bytes = Vec::new();
    let file = fs::File::open(&path).map_err(|error| Refusal::Unreadable(reason(&error)))?;
    file.take(*left + 1).read_to_end(&mut bytes).map_err(|error| Refusal::Unreadable(reason(&error)))?;
    *left = left.checked_sub(bytes.len() as u64).ok_or(Refusal::TooMuch)?;
    Ok((executable(&about), bytes))
}

/// What a link leads to, if that is a file of the project: its content is packed, so that the archive stands alone.
fn target(root: &Path, link: &Path) -> Result<PathBuf, Refusal> {
    let target = fs::canonicalize(link).map_err(|_| Refusal::Kind("it is a link that leads nowhere"))?;
    let root = fs::canonicalize(root).map_err(|error| Refusal::Unreadable(reason(&error)))?;
    if !target.starts_with(&root) {
        return Err(Refusal::Kind("it is a link to a file outside the project, which others may not have"));
    }
    if target.is_dir() {
        return Err(Refusal::Kind("it is a link to a directory"));
    }
    Ok(target)
}

#[cfg(unix)]
fn executable(about: &fs::Metadata) -> bool {
    use std::os::unix::fs::PermissionsExt;
    about.permissions().mode() & 0o100 != 0
}

#[cfg(not(unix))]
fn executable(_: &fs::Metadata) -> bool {
    false
}

/// The path below `base` with `/` as separator, if it is UTF-8.
pub fn relative(base: &Path, path: &Path) -> Option<String> {
    let parts: Option<Vec<&str>> = path.strip_prefix(base).ok()?.iter().map(|part| part.to_str()).collect();
    Some(parts?.join("/"))
}

/// A path as printed: relative to the project.
fn shown(inside: &str, path: &str) -> String {
    match (inside, path) {
        ("", "") => ".".to_owned(),
        ("", path) => path.to_owned(),
        (inside, "") => inside.to_owned(),
        (inside, path) => format!("{inside}/{path}"),
    }
}

fn unreadable(path: &str, why: &str) -> Finding {
    Finding::new(Code::FileUnreadable, format!("`{path}` cannot be read: {why}"))
        .why("every file of a pipeline's folder goes into the archive that its steps run in")
        .help(format!("make it readable, or name it in `{IGNORE_FILE}`"))
}

/// A line of a `.dpcignore` that is no pattern; the path inside the error is this machine's.
fn bad_pattern(path: &str, error: ignore::Error) -> Finding {
    let (line, pattern) = match &error {
        ignore::Error::Partial(errors) => errors.first().map_or((None, error.to_string()), line_of),
        error => line_of(error),
    };
    let place = line.map(|line| format!(", line {line}")).unwrap_or_default();
    Finding::new(Code::FileUnreadable, format!("`{path}`{place}: {pattern}"))
        .why("what it leaves out of the archive cannot be known")
        .help("correct the pattern; its syntax is that of `.gitignore`")
}

fn line_of(error: &ignore::Error) -> (Option<u64>, String) {
    match error {
        ignore::Error::WithPath { err, .. } | ignore::Error::WithDepth { err, .. } => line_of(err),
        ignore::Error::WithLineNumber { line, err } => (Some(*line), line_of(err).1),
        ignore::Error::Glob { glob: Some(glob), err } => (None, format!("`{glob}` is not a pattern: {err}")),
        other => (None, reason(other)),
    }
}

fn refused(path: &str, why: &str, help: &str) -> Finding {
    Finding::new(Code::NotPackable, format!("`{path}` cannot go into the archive: {why}")).help(help)
}

fn too_much(inside: &str, path: &str) -> Finding {
    let mib = FOLDER_LIMIT / 1024 / 1024;
    let name = shown(inside, "");
    Finding::new(
        Code::FolderTooLarge,
        format!("the folder `{name}` holds more than {mib} MB; reading stopped at `{path}`"),
    )
    .why("the folder is packed into one archive, which every step of every run downloads")
    .help(format!("keep data in S3, and name what is not code in `{name}/{IGNORE_FILE}`"))
}
