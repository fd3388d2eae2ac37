//! A step, a compute profile, a schedule and an alert each have exactly one kind.

use crate::language::project::Pipeline;
use crate::source::{Code, Finding, Findings, Span, Spanned};
use crate::steps::{KINDS, Step};

pub fn check(pipeline: &Pipeline, findings: &mut Findings) {
    let manifest = &pipeline.manifest;
    for (name, profile) in manifest.compute.iter() {
        let given = profile.kinds();
        let span_of = |key| given.iter().find(|(_, kind)| kind.key() == key).map(|(span, _)| *span);
        let kinds = crate::compute::KINDS.map(|key| (key, span_of(key)));
        let what = format!("compute profile `{}`", name.value);
        exactly_one(&what, "says no kind", (profile.span, name.span), &kinds, findings);
    }
    for step in manifest.all_steps() {
        let given = step.kinds();
        let span_of = |key| given.iter().find(|(given, _, _)| *given == key).map(|(_, span, _)| *span);
        let kinds: Vec<(&str, Option<Span>)> = KINDS.iter().map(|kind| (kind.key, span_of(kind.key))).collect();
        findings.extend(with_of_nothing(step));
        // What is wrong with a job is said where it is written.
        if step.job.is_some() {
            continue;
        }
        exactly_one(
            &format!("step `{}`", step.name.value),
            "does nothing",
            (step.span, step.name.span),
            &kinds,
            findings,
        );
    }
    if let Some(triggers) = &manifest.triggers {
        for schedule in &triggers.schedule.0 {
            let kinds = [
                ("cron", schedule.cron.as_ref().map(|kind| kind.span)),
                ("rate", schedule.rate.as_ref().map(|kind| kind.span)),
                ("at", schedule.at.as_ref().map(|kind| kind.span)),
            ];
            let other = schedule.timezone.as_ref().or(schedule.start.as_ref()).or(schedule.end.as_ref());
            let place = other.map_or(triggers.span, |other| other.span);
            exactly_one("this schedule", "says no time", (triggers.span, place), &kinds, findings);
        }
        for event in &triggers.events {
            let kinds = [
                ("s3", event.s3.as_ref().map(|kind| kind.span)),
                ("pattern", event.pattern.as_ref().map(|kind| kind.span)),
            ];
            exactly_one("this event", "waits for nothing", (event.span, event.span), &kinds, findings);
        }
    }
    for alert in &manifest.alerts {
        let kinds = [("email", alert.email.as_ref().map(|kind| kind.span))];
        let place = alert.events.first().map_or(alert.span, |event| event.span);
        exactly_one("this alert", "tells nobody", (alert.span, place), &kinds, findings);
    }
}

/// `with` is for the step type that the same file names.
fn with_of_nothing(step: &Spanned<Step>) -> Option<Finding> {
    let with = step.with.as_ref()?;
    let here = step.uses.as_ref().filter(|uses| uses.span.file == with.span.file);
    if here.is_some() {
        return None;
    }
    let finding = |message| Finding::at(Code::WithWithoutUses, with.span, message, "");
    Some(match &step.job {
        Some(_) => finding("`with` belongs to a step type, and this step uses a job").help("give the job `params`"),
        None => finding("`with` belongs to a step type, and this step uses none")
            .help("add `uses: ../step-types/name`, or remove it"),
    })
}

/// `none` ends the sentence when no kind is given. Of the places, the first is searched for what could not be read, and
/// the second is where a missing kind is reported.
pub(super) fn exactly_one(
    what: &str,
    none: &str,
    (whole, place): (Span, Span),
    kinds: &[(&str, Option<Span>)],
    findings: &mut Findings,
) {
    let names: Vec<&str> = kinds.iter().map(|(name, _)| *name).collect();
    let given: Vec<(&str, Span)> = kinds.iter().filter_map(|(name, span)| Some((*name, (*span)?))).collect();
    match given.as_slice() {
        [_] => {}
        [] if super::unread(findings, whole) => {}
        [] => {
            let one_of = if names.len() > 1 { "one of " } else { "" };
            findings.push(
                Finding::at(Code::OneKind, place, format!("{what} {none}"), "")
                    .help(format!("add {one_of}{}", super::list(&names))),
            );
        }
        [(first, at), rest @ ..] => {
            let all: Vec<&str> = given.iter().map(|(name, _)| *name).collect();
            let message = format!("{what} has {} kinds: {}", all.len(), super::list(&all));
            let finding = Finding::at(Code::OneKind, rest.first().map_or(*at, |(_, span)| *span), message, "second")
                .and(*at, format!("first: `{first}`"))
                .help("keep one of them");
            findings.push(finding);
        }
    }
}
