//! What must be true of a project beyond the shape of its files: one rule a file, each with codes of its own.
//!
//! In come decoded manifests with the files around them; out come findings at the places that are wrong. Rules refuse to
//! know AWS and each other: what only concerns one kind of step, compute, trigger or alert stands in that kind's file.

mod access;
mod compute;
mod cycles;
mod environments;
mod events;
mod guesses;
mod iam;
pub mod jobs;
mod kinds;
pub mod names;
mod needs;
mod outputs;
mod overlap;
pub mod params;
mod paths;
mod pipelines;
pub mod policy;
mod raw;
pub mod secrets;
mod starts;
mod steps;
mod tags;
pub mod templates;
mod time;
pub mod upstreams;
mod version;

use crate::language::environment::Resolved;
use crate::language::manifest::ProjectFile;
use crate::language::project::Pipeline;
use crate::source::{Code, Finding, Findings, Span, Spanned, suggest};

type Rule = fn(&Pipeline, &mut Findings);

/// The rules about one pipeline, in the order in which a reader would check.
const RULES: &[Rule] = &[
    version::check,
    names::check,
    tags::check,
    time::check,
    events::check,
    overlap::check,
    params::check,
    kinds::check,
    steps::check,
    needs::check,
    outputs::check,
    compute::check,
    paths::check,
    jobs::check,
    access::check,
    secrets::check,
    raw::check,
    iam::check,
];

/// Everything that is wrong within one pipeline.
pub fn pipeline(pipeline: &Pipeline, findings: &mut Findings) {
    for rule in RULES {
        rule(pipeline, findings);
    }
}

/// Everything that is wrong within a dpc.yaml.
pub fn project_file(project: &ProjectFile, findings: &mut Findings) {
    version::project_file(project, findings);
    names::project_file(project, findings);
    environments::check(project, findings);
    tags::project_file(project, findings);
    iam::project_file(project, findings);
}

/// What is wrong with a pipeline in this environment.
pub fn in_environment(pipeline: &Pipeline, environment: &Resolved, findings: &mut Findings) {
    iam::in_environment(pipeline, environment, findings);
}

/// Everything that is wrong between pipelines.
pub fn project(pipelines: &[Pipeline], findings: &mut Findings) {
    pipelines::check(pipelines, findings);
    let ties = upstreams::ties(pipelines);
    upstreams::check(pipelines, &ties, findings);
    cycles::check(pipelines, &ties, findings);
    guesses::check(pipelines, &ties, findings);
    starts::check(pipelines, &ties, findings);
}

/// "did you mean" as a patch if a candidate is near, else what there is.
fn suggest(finding: Finding, wrong: &Spanned<String>, candidates: &[&str]) -> Finding {
    match (suggest::near(&wrong.value, candidates.iter().copied()), candidates) {
        (Some(near), _) => finding.fix(wrong.span, near, format!("did you mean `{near}`?")),
        (None, []) => finding,
        (None, [only]) => finding.help(format!("there is only `{only}`")),
        (None, several) => finding.help(format!("there are {}", list(several))),
    }
}

/// `a`, `b` and `c`.
fn list(words: &[&str]) -> String {
    let ticked: Vec<String> = words.iter().map(|word| format!("`{word}`")).collect();
    match ticked.split_last() {
        Some((last, [])) => last.clone(),
        Some((last, rest)) => format!("{} and {last}", rest.join(", ")),
        None => String::new(),
    }
}

/// Whether something inside `span` could not be read: a misspelt key, or one of a later version. What is missing there is
/// not judged then, because it may be just that.
fn unread(findings: &Findings, span: Span) -> bool {
    let codes = [Code::NotSupportedYet, Code::UnknownKey, Code::MissingKey, Code::NoValue, Code::WrongType];
    findings.iter().filter(|finding| codes.contains(&finding.code)).any(|finding| {
        finding.primary.as_ref().is_some_and(|label| {
            label.span.file == span.file && span.start <= label.span.start && label.span.end <= span.end
        })
    })
}

/// Whether something outside this place, in the same file, has a wrong shape or no value.
fn misread(findings: &Findings, span: Span) -> bool {
    findings.iter().filter(|finding| matches!(finding.code, Code::WrongType | Code::NoValue)).any(|finding| {
        finding.primary.as_ref().is_some_and(|label| {
            label.span.file == span.file && (label.span.end <= span.start || span.end <= label.span.start)
        })
    })
}
