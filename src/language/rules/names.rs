//! Names that users give: lower-case letters, digits and hyphens, at most 40 characters, beginning with a letter.
//!
//! They become parts of stack names, state names, table keys and tags, and AWS has another rule for each of them. This
//! one fits all. Parameters are read in `{{ params.name }}`, where a hyphen would be a minus, so they are identifiers.

use crate::language::manifest::ProjectFile;
use crate::language::project::Pipeline;
use crate::source::{Code, Finding, Findings, Spanned};

/// The execution name `<pipeline>.<partition>.<number>` must stay within 80 characters.
const LONGEST: usize = 40;

/// Names whose stacks dpc itself owns: `dpc-account`, `dpc-bootstrap`, `dpc-central`.
const RESERVED: [&str; 3] = ["account", "bootstrap", "central"];

/// The names of a pipeline.
pub fn check(pipeline: &Pipeline, findings: &mut Findings) {
    let manifest = &pipeline.manifest;
    name("pipeline", &manifest.name, findings);
    if RESERVED.contains(&manifest.name.as_str()) {
        let message = format!("a pipeline cannot be named `{}`", manifest.name.value);
        let why = format!("dpc keeps the stack `dpc-{}` for itself", manifest.name.value);
        findings.push(Finding::at(Code::BadName, manifest.name.span, message, "").why(why).help("choose another name"));
    }
    for (profile, _) in manifest.compute.iter() {
        name("compute profile", profile, findings);
    }
    for step in manifest.all_steps() {
        name("step", &step.name, findings);
    }
    for (param, _) in manifest.params.iter() {
        identifier("parameter", "params", param, findings);
    }
}

/// The names of a dpc.yaml.
pub fn project_file(project: &ProjectFile, findings: &mut Findings) {
    name("project", &project.project, findings);
    for (environment, details) in project.environments.iter() {
        name("environment", environment, findings);
        if let Some(space) = &details.space {
            name("space", space, findings);
        }
        for (variable, _) in details.vars.iter() {
            identifier("variable", "vars", variable, findings);
        }
    }
}

/// The name of a job's parameter.
pub fn parameter(name: &Spanned<String>, findings: &mut Findings) {
    identifier("parameter", "params", name, findings);
}

fn name(what: &str, name: &Spanned<String>, findings: &mut Findings) {
    let Some(wrong) = wrong_with(&name.value) else { return };
    let finding =
        Finding::at(Code::BadName, name.span, format!("the {what} name `{}` {wrong}", name.value), "").why(format!(
            "names become parts of AWS names, so they are lower-case letters, digits and hyphens, \
             begin with a letter and have at most {LONGEST} characters"
        ));
    findings.push(match mended(&name.value) {
        Some(mended) => {
            let message = format!("`{mended}` would do");
            finding.fix(name.span, mended, message)
        }
        None => finding.help("choose another name"),
    });
}

/// What is wrong with a name, as the end of a sentence.
pub fn wrong_with(name: &str) -> Option<String> {
    let length = name.chars().count();
    if length == 0 {
        return Some("is empty".to_owned());
    }
    if let Some(letter) = name.chars().find(|letter| !matches!(letter, 'a'..='z' | '0'..='9' | '-')) {
        return Some(match letter {
            ' ' => "holds a space".to_owned(),
            'A'..='Z' => "holds capital letters".to_owned(),
            other => format!("holds `{}`", other.escape_debug()),
        });
    }
    if !name.starts_with(|letter: char| letter.is_ascii_lowercase()) {
        return Some("does not begin with a letter".to_owned());
    }
    if name.ends_with('-') {
        return Some("ends with a hyphen".to_owned());
    }
    (length > LONGEST).then(|| format!("has {length} characters, {} too many", length - LONGEST))
}

/// The nearest name that would do.
pub fn mended(name: &str) -> Option<String> {
    let mut mended = String::new();
    for letter in name.chars() {
        match letter {
            'A'..='Z' => mended.push(letter.to_ascii_lowercase()),
            'a'..='z' | '0'..='9' => mended.push(letter),
            _ if mended.is_empty() || mended.ends_with('-') => {}
            _ => mended.push('-'),
        }
    }
    let mended = mended.trim_end_matches('-').to_owned();
    wrong_with(&mended).is_none().then_some(mended)
}

fn identifier(what: &str, map: &str, name: &Spanned<String>, findings: &mut Findings) {
    let starts = name.starts_with(|letter: char| letter.is_ascii_alphabetic());
    let fits = |name: &str| {
        name.len() <= LONGEST && name.chars().all(|letter| letter.is_ascii_alphanumeric() || letter == '_')
    };
    if starts && fits(name) {
        return;
    }
    let message = format!("the {what} name `{}` cannot be used in `{map}.{}`", name.value, name.value);
    let finding = Finding::at(Code::BadName, name.span, message, "").why(format!(
        "{what} names are letters, digits and underscores, begin with a letter and have at most {LONGEST} characters"
    ));
    let mended = name.replace('-', "_");
    findings.push(if starts && fits(&mended) {
        let message = format!("`{mended}` would do");
        finding.fix(name.span, mended, message)
    } else {
        finding.help("choose another name")
    });
}

#[cfg(test)]
mod tests {
    use super::{mended, wrong_with};

    #[test]
    fn a_name_fits_or_says_why_not() {
        assert_eq!(wrong_with("listings-2"), None);
        assert_eq!(wrong_with("Listings").as_deref(), Some("holds capital letters"));
        assert_eq!(wrong_with("my listings").as_deref(), Some("holds a space"));
        assert_eq!(wrong_with("list_ings").as_deref(), Some("holds `_`"));
        assert_eq!(wrong_with("2nd").as_deref(), Some("does not begin with a letter"));
        assert_eq!(wrong_with("a-").as_deref(), Some("ends with a hyphen"));
        assert_eq!(wrong_with(&"a".repeat(40)), None);
        assert_eq!(wrong_with(&"a".repeat(42)).as_deref(), Some("has 42 characters, 2 too many"));
    }

    #[test]
    fn what_is_offered_instead_is_a_name() {
        assert_eq!(mended("My Listings_2!").as_deref(), Some("my-listings-2"));
        assert_eq!(mended("___"), None);
        assert_eq!(mended(&"a".repeat(41)), None);
    }
}
