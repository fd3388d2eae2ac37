//! Tags as AWS takes them: <https://docs.aws.amazon.com/tag-editor/latest/userguide/best-practices-and-strats.html>.

use crate::language::manifest::ProjectFile;
use crate::language::project::Pipeline;
use crate::source::{Code, Finding, Findings, Spanned, SpannedMap};

/// AWS allows 50 on a resource; dpc and CloudFormation put some of their own there.
const MOST: usize = 40;
const LONGEST_KEY: usize = 128;
const LONGEST_VALUE: usize = 256;

pub fn check(pipeline: &Pipeline, findings: &mut Findings) {
    let manifest = &pipeline.manifest;
    all(&manifest.tags, findings);
    if let Some(owner) = &manifest.owner {
        value("owner", owner, findings);
    }
    if let (true, Some((surplus, _))) = (manifest.tags.len() > MOST, manifest.tags.iter().nth(MOST)) {
        let message =
            format!("{} tags, the project's defaults counted; at most {MOST} are possible", manifest.tags.len());
        findings.push(
            Finding::at(Code::BadTag, surplus.span, message, "this one is too many")
                .why("AWS takes 50 on a resource, and some of them are taken by dpc and CloudFormation")
                .help("remove some"),
        );
    }
}

pub fn project_file(project: &ProjectFile, findings: &mut Findings) {
    all(&project.defaults.tags, findings);
    if let Some(owner) = &project.defaults.owner {
        value("owner", owner, findings);
    }
}

fn all(tags: &SpannedMap<Spanned<String>>, findings: &mut Findings) {
    for (name, text) in tags.iter() {
        key(name, findings);
        value("tag value", text, findings);
    }
}

fn key(key: &Spanned<String>, findings: &mut Findings) {
    let lower = key.to_ascii_lowercase();
    let wrong = if key.is_empty() {
        "is empty".to_owned()
    } else if lower.starts_with("aws:") {
        "begins with `aws:`, which AWS keeps for itself".to_owned()
    } else if lower.starts_with("dpc-") {
        "begins with `dpc-`, which dpc keeps for itself".to_owned()
    } else {
        match wrong_with(key, LONGEST_KEY) {
            Some(wrong) => wrong,
            None => return,
        }
    };
    findings.push(
        Finding::at(Code::BadTag, key.span, format!("tag name `{}` {wrong}", key.value), "")
            .help("choose another name"),
    );
}

fn value(what: &str, text: &Spanned<String>, findings: &mut Findings) {
    if let Some(wrong) = wrong_with(&text.value, LONGEST_VALUE) {
        findings.push(
            Finding::at(Code::BadTag, text.span, format!("{what} `{}` {wrong}", text.value), "")
                .why("it becomes the value of a tag: letters, digits, spaces and `_ . : / = + - @`")
                .help("leave the other characters out"),
        );
    }
}

fn wrong_with(text: &str, longest: usize) -> Option<String> {
    let allowed = |letter: &char| {
        letter.is_alphanumeric() || matches!(letter, ' ' | '_' | '.' | ':' | '/' | '=' | '+' | '-' | '@')
    };
    if let Some(letter) = text.chars().find(|letter| !allowed(letter)) {
        return Some(format!("holds `{}`", letter.escape_debug()));
    }
    let length = text.chars().count();
    (length > longest).then(|| format!("has {length} characters; at most {longest} are possible"))
}
