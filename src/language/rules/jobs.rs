//! A job is one step that can be used: it has one kind, parameters of types that there are, and somebody who uses it.

use std::collections::HashMap;

use super::{kinds, params, templates};
use crate::control::partition::Granularity;
use crate::control::render::late;
use crate::language::folder::Folder;
use crate::language::jobs::Job;
use crate::language::manifest::Manifest;
use crate::language::project::Pipeline;
use crate::source::{Code, Finding, Findings, Node, Span, Spanned, Value};
use crate::steps::KINDS;

/// Takes the job out that a job uses: a chain of files would hide what a step does.
pub fn of_jobs(job: &mut Node, findings: &mut Findings) {
    let Value::Map(entries) = &mut job.value else { return };
    for used in entries.extract_if(.., |entry| entry.key.text == "job") {
        findings.push(
            Finding::at(Code::JobOfJob, used.key.span, "a job uses no other job", "")
                .why("what a step does would then be spread over a chain of files")
                .help("write the step kind itself, or let the pipeline have two steps"),
        );
    }
}

/// Everything that is wrong with a job, whoever uses it.
pub fn job(job: &Job, environments: &[String], findings: &mut Findings) {
    let Some(file) = &job.file else { return };
    super::version::job(file, findings);
    let given = job.kinds();
    let span_of = |key| given.iter().find(|entry| entry.key.text == key).map(|entry| entry.key.span);
    let kinds: Vec<(&str, Option<Span>)> = KINDS.iter().map(|kind| (kind.key, span_of(kind.key))).collect();
    let what = format!("job `{}`", job.name);
    kinds::exactly_one(&what, "does nothing", (job.node.span, job.place()), &kinds, findings);
    params::environments(&file.params, environments, findings);
    let mut texts = Vec::new();
    job.body().for_each(|entry| scalars(&entry.value, &mut texts));
    for (name, param) in file.params.iter() {
        super::names::parameter(name, findings);
        params::kind(name, param, findings);
        if !texts.iter().any(|text| params::reads(text.value, &name.value)) {
            let message = format!("the job does not read its parameter `{}`", name.value);
            let help = format!("remove it, or read it: `{{{{ params.{} }}}}`", name.value);
            findings.push(Finding::at(Code::UnusedParameter, name.span, message, "").warning().help(help));
        }
    }
    for text in texts.iter().filter(|text| !late::of(text.value).is_empty()) {
        findings.push(
            Finding::at(Code::LateInJob, text.span, "a job knows no steps and no items of a pipeline", "")
                .why("it may be used where there is no such step, and no `map`")
                .help("declare a parameter, and let the step give it: `params: { rows: \"{{ steps.extract.output.rows }}\" }`"),
        );
    }
}

/// A job that nobody uses: a warning, and its templates as a run of every day would read them.
pub fn unused(job: &Job, findings: &mut Findings) {
    templates::job(job, Granularity::Day, true, findings);
    let message = format!("no step uses job `{}`", job.name);
    findings.push(
        Finding::at(Code::UnusedJob, job.place(), message, "")
            .warning()
            .help(format!("remove `{}`, or use it: `job: {}`", job.path, job.name)),
    );
}

/// Files that lie at one path of the archive: the pipeline's own, and those of the jobs that it uses.
pub fn check(pipeline: &Pipeline, findings: &mut Findings) {
    let mut seen: Vec<&str> = Vec::new();
    for step in &pipeline.manifest.steps.value {
        let (Some(job), Some(from)) = (&step.job, &step.from_job) else { continue };
        let Some(shared) = pipeline.shared.get(&from.folder).filter(|_| !seen.contains(&from.folder.as_str())) else {
            continue;
        };
        seen.push(&from.folder);
        let taken = shared.files.iter().find(|file| {
            let own = pipeline.folder.get(&format!("{}/{}", from.folder, file.path));
            own.is_some_and(|own| own.bytes != file.bytes)
        });
        if let Some(taken) = taken {
            let path = format!("{}/{}", from.folder, taken.path);
            let message = format!("`{path}` is in the pipeline's folder, and with the jobs of the project");
            findings.push(
                Finding::at(Code::JobsFolderTaken, job.span, message, "this job brings the other")
                    .why("both are unpacked into one folder, where a path leads to one file")
                    .help(format!("give the folder `{}` of the pipeline another name", from.folder)),
            );
        }
    }
}

/// Jobs have names of their own, and names that a step can write.
pub fn names(jobs: &[(String, Span)], findings: &mut Findings) {
    let mut first: HashMap<&str, (&str, Span)> = HashMap::new();
    for (path, place) in jobs {
        let name = crate::language::jobs::name_of(path);
        if let Some(wrong) = super::names::wrong_with(name) {
            let finding = Finding::at(Code::BadJobFile, *place, format!("the name of job `{name}` {wrong}"), "");
            findings.push(match super::names::mended(name) {
                Some(mended) => finding.help(format!("rename `{path}` to `{mended}.yaml`")),
                None => finding.help("rename the file: lower-case letters, digits and hyphens"),
            });
        }
        match first.get(name) {
            Some((other, at)) => findings.push(
                Finding::at(Code::BadJobFile, *place, format!("there are two jobs `{name}`"), "second")
                    .and(*at, format!("first: {other}"))
                    .help("rename one of the files"),
            ),
            None => {
                first.insert(name, (path, *place));
            }
        }
    }
}

/// What a step reads in its own file: the values that it gives to its job, and its own `when`.
pub fn own_texts(manifest: &Manifest) -> impl Iterator<Item = Spanned<&str>> {
    manifest.steps.iter().filter(|step| step.job.is_some()).flat_map(|step| step.value.own_texts())
}

/// The folder that a step's files lie in, and its path in the project.
pub fn folder<'a>(pipeline: &'a Pipeline, step: &'a crate::steps::Step) -> Option<(&'a Folder, &'a str)> {
    let from = step.from_job.as_ref()?;
    Some((pipeline.shared.get(&from.folder)?, from.folder.as_str()))
}

fn scalars<'a>(node: &'a Node, found: &mut Vec<Spanned<&'a str>>) {
    match &node.value {
        Value::Scalar(scalar) => found.push(Spanned::new(scalar.text.as_str(), node.span)),
        Value::List(items) => items.iter().for_each(|item| scalars(item, found)),
        Value::Map(entries) => entries.iter().for_each(|entry| scalars(&entry.value, found)),
    }
}
