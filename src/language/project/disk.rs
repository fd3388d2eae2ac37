//! The project's own files: where its root is, its dpc.yaml, and the pipeline files that its globs name.

use std::fs;
use std::path::{Path, PathBuf};

use globset::{GlobBuilder, GlobMatcher};
use ignore::WalkBuilder;

use super::{PROJECT_FILE, folder, reason};
use crate::source::{Code, Files, Finding, Findings, Spanned, text};

/// The folder that holds `dpc.yaml`: `start` or the nearest one above it.
///
/// # Errors
/// When neither holds one.
pub fn find_root(start: &Path) -> Result<PathBuf, Box<Finding>> {
    if let Some(root) = start.ancestors().find(|folder| folder.join(PROJECT_FILE).is_file()) {
        return Ok(root.to_owned());
    }
    Err(Box::new(no_project(start)))
}

/// Why there is no project at `start`.
pub fn no_project(start: &Path) -> Finding {
    let finding = Finding::new(Code::NoProject, format!("there is no `{PROJECT_FILE}` here, nor in a folder above"));
    let misspelt =
        ["dpc.yml", "dpc.yaml.yaml", "Dpc.yaml", "DPC.yaml"].into_iter().find(|name| start.join(name).is_file());
    match misspelt {
        Some(name) => finding.help(format!("rename `{name}` to `{PROJECT_FILE}`")),
        None => finding.help("change into a project, or type `dpc init` to begin one here"),
    }
}

/// The bytes of a manifest.
///
/// # Errors
/// When it cannot be read, is no file, or is larger than a manifest can be.
pub fn manifest(root: &Path, path: &str, files: &mut Files) -> Result<Vec<u8>, Box<Finding>> {
    let unreadable = |why: String| {
        let finding = Finding::new(Code::FileUnreadable, format!("`{path}` cannot be read: {why}"));
        Box::new(finding.help("check its permissions"))
    };
    let on_disk = root.join(path);
    let about = fs::metadata(&on_disk).map_err(|error| unreadable(reason(&error)))?;
    if !about.is_file() {
        return Err(unreadable("it is not a file".to_owned()));
    }
    if about.len() > text::LIMIT {
        return Err(Box::new(text::too_large(files, path, about.len())));
    }
    fs::read(&on_disk).map_err(|error| unreadable(reason(&error)))
}

/// The pipeline files that the globs name, sorted, each once. A glob that names none is a finding at its place.
pub fn pipelines(root: &Path, globs: &[Spanned<String>], findings: &mut Findings) -> Vec<String> {
    let mut found = Vec::new();
    for glob in globs {
        match matcher(glob) {
            Ok(matcher) => {
                let before = found.len();
                found.extend(matching(root, glob, &matcher));
                if found.len() == before {
                    findings.push(matches_nothing(root, glob));
                }
            }
            Err(finding) => findings.push(*finding),
        }
    }
    found.sort();
    found.dedup();
    found
}

/// The job files that the globs name, the same way. The default may name none.
pub fn jobs(root: &Path, globs: &[Spanned<String>], default: bool, findings: &mut Findings) -> Vec<String> {
    let mut found = Vec::new();
    let wrong = |glob: &Spanned<String>, message: String| {
        let help = "write paths of files in a folder, relative to the dpc.yaml: `jobs/*.yaml`, `teams/*/jobs/*.yaml`";
        Finding::at(Code::BadJobFile, glob.span, message, "").help(help)
    };
    for glob in globs {
        let Ok(matcher) = matcher(glob) else {
            findings.push(wrong(glob, format!("`{}` is not a pattern of job files", glob.value)));
            continue;
        };
        let files = matching(root, glob, &matcher);
        if let Some(bare) = files.iter().find(|path| !path.contains('/')) {
            findings.push(
                wrong(glob, format!("job file `{bare}` lies beside the dpc.yaml"))
                    .why("the folder of a job's file travels with every pipeline that uses it"),
            );
            continue;
        }
        if files.is_empty() && !default {
            findings.push(wrong(glob, format!("`{}` matches no file", glob.value)));
        }
        found.extend(files);
    }
    found.sort();
    found.dedup();
    found
}

/// The files that a glob names, sorted.
///
/// # Errors
/// It is no pattern, or leads out of the project.
pub fn matching_glob(root: &Path, glob: &Spanned<String>) -> Result<Vec<String>, Box<Finding>> {
    let mut found = matching(root, glob, &matcher(glob)?);
    found.sort();
    Ok(found)
}

/// The files that a pattern of our own names, sorted.
pub fn below(root: &Path, glob: &str) -> Vec<String> {
    let Ok(matcher) = GlobBuilder::new(glob).literal_separator(true).build() else { return Vec::new() };
    let mut found = matching(root, glob, &matcher.compile_matcher());
    found.sort();
    found
}

fn matcher(glob: &Spanned<String>) -> Result<GlobMatcher, Box<Finding>> {
    let refused = |why: String| {
        let message = format!("`{}` is not a pattern of pipeline files: {why}", glob.value);
        let help = "write paths relative to the dpc.yaml, such as `*/pipeline.yaml` or `teams/**/pipeline.yaml`";
        Box::new(Finding::at(Code::NoPipelineFile, glob.span, message, "").help(help))
    };
    if glob.starts_with('/') || glob.split('/').any(|part| part == "..") {
        return Err(refused("it leads out of the project".to_owned()));
    }
    GlobBuilder::new(glob)
        .literal_separator(true)
        .build()
        .map(|built| built.compile_matcher())
        .map_err(|error| refused(error.kind().to_string()))
}

fn matching(root: &Path, glob: &str, matcher: &GlobMatcher) -> Vec<String> {
    // Without `**` nothing below the pattern's own depth can match, so a large project is not searched.
    let depth = if glob.contains("**") { None } else { Some(glob.split('/').count()) };
    WalkBuilder::new(root)
        .standard_filters(false)
        .max_depth(depth)
        .filter_entry(|entry| {
            let name = entry.file_name().to_str().unwrap_or_default();
            entry.depth() == 0 || !matches!(name, ".git" | "node_modules" | "target" | ".venv")
        })
        .build()
        .filter_map(Result::ok)
        .filter(|entry| entry.path().is_file())
        .filter_map(|entry| folder::relative(root, entry.path()))
        .filter(|path| matcher.is_match(path))
        .collect()
}

fn matches_nothing(root: &Path, glob: &Spanned<String>) -> Finding {
    let finding = Finding::at(Code::NoPipelineFile, glob.span, format!("`{}` matches no file", glob.value), "");
    let candidates: Vec<String> = ["**/pipeline.yaml", "**/pipeline.yml"]
        .iter()
        .filter_map(|glob| Some((glob, GlobBuilder::new(glob).literal_separator(true).build().ok()?.compile_matcher())))
        .flat_map(|(glob, matcher)| matching(root, glob, &matcher))
        .take(3)
        .collect();
    if candidates.is_empty() {
        finding.help("type `dpc init` to write a first pipeline, or correct the pattern")
    } else {
        finding.help(format!(
            "elsewhere there is {}",
            candidates.iter().map(|path| format!("`{path}`")).collect::<Vec<_>>().join(", ")
        ))
    }
}
