//! Which pipelines a command means: names, globs, `owner:` and `tag:`.
//!
//! In come the words that were typed and the project's pipelines; out come pipelines in the project's order, each once.
//! A word that selects nothing is an error with near names, because a typo must not look like success.

use crate::language::project::{Pipeline, Project};
use crate::source::{Code, Finding, suggest};

/// The pipelines that the words select; all of them when there is no word.
///
/// # Errors
/// A word that selects nothing, and a project without pipelines.
pub fn select<'a>(project: &'a Project, words: &[String]) -> Result<Vec<&'a Pipeline>, Box<Finding>> {
    if project.pipelines.is_empty() {
        let finding = Finding::new(Code::NothingSelected, format!("project `{}` has no pipeline", project.name));
        return Err(Box::new(finding.help("`pipelines:` in `dpc.yaml` says where they are; `dpc init` writes one")));
    }
    let mut selected = vec![words.is_empty(); project.pipelines.len()];
    for word in words {
        let mut any = false;
        for (pipeline, taken) in project.pipelines.iter().zip(&mut selected) {
            let hit = matches(pipeline, word);
            any |= hit;
            *taken |= hit;
        }
        if !any {
            return Err(Box::new(nothing(project, word)));
        }
    }
    Ok(project.pipelines.iter().zip(selected).filter(|(_, taken)| *taken).map(|(pipeline, _)| pipeline).collect())
}

fn matches(pipeline: &Pipeline, word: &str) -> bool {
    let manifest = &pipeline.manifest;
    if let Some(owner) = word.strip_prefix("owner:") {
        return manifest.owner.as_ref().is_some_and(|own| glob(owner, &own.value));
    }
    if let Some(tag) = word.strip_prefix("tag:") {
        let (key, value) = tag.split_once('=').unwrap_or((tag, "*"));
        return manifest.tags.get(key).is_some_and(|own| glob(value, &own.value));
    }
    glob(word, &manifest.name.value)
}

fn glob(pattern: &str, text: &str) -> bool {
    pattern == text || globset::Glob::new(pattern).is_ok_and(|glob| glob.compile_matcher().is_match(text))
}

fn nothing(project: &Project, word: &str) -> Finding {
    let names: Vec<&str> = project.pipelines.iter().map(|pipeline| pipeline.manifest.name.value.as_str()).collect();
    let finding =
        Finding::new(Code::NothingSelected, format!("`{word}` selects no pipeline of project `{}`", project.name));
    match suggest::near(word, names.iter().copied()) {
        Some(near) => finding.help(format!("did you mean `{near}`?")),
        None => finding.help(format!(
            "its pipelines: {}",
            names.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ")
        )),
    }
}
