//! Which pipelines a command means: names, globs, `owner:`, `tag:`, `status:`, and a `+` for what lies up- or downstream.
//!
//! In come the words that were typed and the pipelines that are known; out come pipelines in their order, each once. A word
//! that selects nothing is an error with near names, because a typo must not look like success.

use std::collections::{BTreeMap, HashMap};

use crate::control::run::Status;
use crate::language::project::{Pipeline, Project};
use crate::source::{Code, Finding, suggest};
use crate::triggers::executions;

/// A pipeline as far as words can select it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Candidate {
    /// Its name.
    pub name: String,
    /// The team that owns it.
    pub owner: Option<String>,
    /// Its tags.
    pub tags: BTreeMap<String, String>,
    /// The pipelines that it waits for.
    pub upstreams: Vec<String>,
    /// How its last run stands; `None` before the first, and where nobody has looked.
    pub status: Option<Status>,
}

/// The pipelines that the words select; all of them when there is no word.
///
/// # Errors
/// A word that selects nothing, and a project without pipelines.
pub fn select<'a>(project: &'a Project, words: &[String]) -> Result<Vec<&'a Pipeline>, Box<Finding>> {
    if project.pipelines.is_empty() {
        let finding = Finding::new(Code::NothingSelected, format!("project `{}` has no pipeline", project.name));
        return Err(Box::new(finding.help("`pipelines:` in `dpc.yaml` says where they are; `dpc init` writes one")));
    }
    if words.is_empty() {
        return Ok(project.pipelines.iter().collect());
    }
    if let Some(word) = words.iter().find(|word| asks_for_status(word)) {
        let finding = Finding::new(
            Code::NothingSelected,
            format!("`{word}` asks how runs stand, and this command reads files alone"),
        );
        return Err(Box::new(
            finding.help("`dpc runs`, `rerun`, `pause` and `lineage` take it; here, write names, `owner:` or `tag:`"),
        ));
    }
    let chosen = choose(&candidates(project), words, &format!("of project `{}`", project.name))?;
    Ok(chosen.into_iter().filter_map(|at| project.pipelines.get(at)).collect())
}

/// Whether a word is about the last runs of pipelines, which somebody has to look up.
pub fn asks_for_status(word: &str) -> bool {
    word.trim_start_matches('+').starts_with("status:")
}

/// The pipelines of a project.
pub fn candidates(project: &Project) -> Vec<Candidate> {
    let one = |pipeline: &Pipeline| {
        let manifest = &pipeline.manifest;
        let tree = manifest.triggers.as_ref().and_then(|triggers| triggers.executions.as_ref());
        let leaves = tree.map(|tree| executions::leaves(tree, &manifest.name, None).leaves).unwrap_or_default();
        Candidate {
            name: manifest.name.value.clone(),
            owner: manifest.owner.as_ref().map(|owner| owner.value.clone()),
            tags: manifest.tags.iter().map(|(key, value)| (key.value.clone(), value.value.clone())).collect(),
            upstreams: leaves.into_iter().map(|placed| placed.leaf.pipeline).collect(),
            status: None,
        }
    };
    project.pipelines.iter().map(one).collect()
}

/// Those that the words select, by their places; `whose` ends the sentence that a word selects none.
///
/// # Errors
/// A word that selects nothing.
pub fn choose(known: &[Candidate], words: &[String], whose: &str) -> Result<Vec<usize>, Box<Finding>> {
    let mut selected = vec![words.is_empty(); known.len()];
    for word in words {
        let (core, up, down) = parts(word);
        let mut hits: Vec<usize> =
            known.iter().enumerate().filter(|(_, one)| matches(one, core)).map(|(at, _)| at).collect();
        if hits.is_empty() {
            return Err(Box::new(nothing(known, core, whose)));
        }
        if up || down {
            hits = reached(known, &hits, up, down);
        }
        for at in hits {
            if let Some(taken) = selected.get_mut(at) {
                *taken = true;
            }
        }
    }
    Ok(selected.into_iter().enumerate().filter(|(_, taken)| *taken).map(|(at, _)| at).collect())
}

/// `+pipeline-x` is it and its upstream, `listings+` it and its downstream.
fn parts(word: &str) -> (&str, bool, bool) {
    let core = word.strip_prefix('+').unwrap_or(word);
    let up = core.len() < word.len();
    match core.strip_suffix('+') {
        Some(core) => (core, up, true),
        None => (core, up, false),
    }
}

/// These and what lies above or below them, at any distance.
fn reached(known: &[Candidate], from: &[usize], up: bool, down: bool) -> Vec<usize> {
    let places: HashMap<&str, usize> = known.iter().enumerate().map(|(at, one)| (one.name.as_str(), at)).collect();
    let mut upstreams = vec![Vec::new(); known.len()];
    let mut downstreams = vec![Vec::new(); known.len()];
    for (below, one) in known.iter().enumerate() {
        for above in one.upstreams.iter().filter_map(|name| places.get(name.as_str()).copied()) {
            if let (Some(ups), Some(downs)) = (upstreams.get_mut(below), downstreams.get_mut(above)) {
                ups.push(above);
                downs.push(below);
            }
        }
    }
    let mut all = Vec::new();
    for edges in [up.then_some(&upstreams), down.then_some(&downstreams)].into_iter().flatten() {
        let mut seen = vec![false; known.len()];
        let mut open = from.to_vec();
        while let Some(at) = open.pop() {
            if seen.get_mut(at).is_some_and(|seen| !std::mem::replace(seen, true)) {
                all.push(at);
                open.extend(edges.get(at).into_iter().flatten());
            }
        }
    }
    all
}

fn matches(one: &Candidate, word: &str) -> bool {
    if let Some(owner) = word.strip_prefix("owner:") {
        return one.owner.as_ref().is_some_and(|own| glob(owner, own));
    }
    if let Some(tag) = word.strip_prefix("tag:") {
        let (key, value) = tag.split_once('=').unwrap_or((tag, "*"));
        return one.tags.get(key).is_some_and(|own| glob(value, own));
    }
    if let Some(status) = word.strip_prefix("status:") {
        let status = status.to_ascii_uppercase();
        return one.status.is_some_and(|own| status.split(',').any(|status| status == own.as_str()));
    }
    glob(word, &one.name)
}

fn glob(pattern: &str, text: &str) -> bool {
    pattern == text || globset::Glob::new(pattern).is_ok_and(|glob| glob.compile_matcher().is_match(text))
}

fn nothing(known: &[Candidate], word: &str, whose: &str) -> Finding {
    let finding = Finding::new(Code::NothingSelected, format!("`{word}` selects no pipeline {whose}"));
    if let Some(status) = word.strip_prefix("status:") {
        let asked = status.to_ascii_uppercase();
        let words = Status::ALL.map(Status::as_str);
        return match words.iter().find(|known| asked.split(',').any(|status| status == **known)) {
            Some(_) => finding
                .why("no last run stands so")
                .help("`dpc runs --status` looks at all runs, not at the last alone"),
            None => finding.help(format!("write {}", words.join(", "))),
        };
    }
    match suggest::near(word, known.iter().map(|one| one.name.as_str())) {
        Some(near) => finding.help(format!("did you mean `{near}`?")),
        None => {
            let names: Vec<String> = known.iter().take(NAMED).map(|one| format!("`{}`", one.name)).collect();
            let more = known.len().saturating_sub(NAMED);
            let more = if more > 0 { format!(" and {more} more") } else { String::new() };
            finding.help(format!("its pipelines: {}{more}", names.join(", ")))
        }
    }
}

/// How many names a message lists.
const NAMED: usize = 30;

#[cfg(test)]
mod tests {
    use super::*;

    fn known() -> Vec<Candidate> {
        let one = |name: &str, owner: &str, upstreams: &[&str], status| Candidate {
            name: name.to_owned(),
            owner: Some(owner.to_owned()),
            tags: BTreeMap::from([("tier".to_owned(), "gold".to_owned())]),
            upstreams: upstreams.iter().map(|name| (*name).to_owned()).collect(),
            status,
        };
        vec![
            one("listings", "core", &[], Some(Status::Succeeded)),
            one("searches", "search", &[], Some(Status::Failed)),
            one("pipeline-x", "rent", &["listings", "searches", "pipeline-x"], None),
            one("report", "rent", &["pipeline-x"], None),
        ]
    }

    fn chosen(words: &[&str]) -> Result<Vec<String>, String> {
        let known = known();
        let words: Vec<String> = words.iter().map(|word| (*word).to_owned()).collect();
        let places = choose(&known, &words, "of project `x`").map_err(|finding| finding.help.unwrap_or_default())?;
        Ok(places.into_iter().map(|at| known.get(at).unwrap().name.clone()).collect())
    }

    #[test]
    fn words_select_in_the_order_of_the_pipelines() {
        assert_eq!(chosen(&["searches", "list*"]).unwrap(), ["listings", "searches"]);
        assert_eq!(chosen(&["owner:rent"]).unwrap(), ["pipeline-x", "report"]);
        assert_eq!(chosen(&["tag:tier=g*"]).unwrap().len(), 4);
        assert_eq!(chosen(&["status:failed,ABORTED"]).unwrap(), ["searches"]);
    }

    #[test]
    fn a_plus_is_everything_above_or_below() {
        assert_eq!(chosen(&["listings+"]).unwrap(), ["listings", "pipeline-x", "report"]);
        assert_eq!(chosen(&["+pipeline-x"]).unwrap(), ["listings", "searches", "pipeline-x"]);
        assert_eq!(chosen(&["+pipeline-x+"]).unwrap().len(), 4);
        // Up from report, and not down again from what is above it.
        assert_eq!(chosen(&["+searches"]).unwrap(), ["searches"]);
        assert_eq!(chosen(&["status:FAILED+"]).unwrap(), ["searches", "pipeline-x", "report"]);
    }

    #[test]
    fn a_word_that_selects_nothing_says_what_was_meant() {
        assert_eq!(chosen(&["listing+"]).unwrap_err(), "did you mean `listings`?");
        assert!(chosen(&["status:running"]).unwrap_err().starts_with("`dpc runs --status`"));
        assert!(chosen(&["status:lost"]).unwrap_err().contains("TIMED_OUT"));
        assert!(chosen(&["zzzzzzzz"]).unwrap_err().starts_with("its pipelines: `listings`"));
    }
}
