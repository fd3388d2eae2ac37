//! Runs the value checks of every kind over a manifest, and those that need two of them.
//!
//! In comes a manifest; out come findings about what AWS or a program would refuse. It refuses to know the kinds themselves:
//! each knows its own values.

use std::collections::BTreeMap;

use crate::compile::{partition, schedules};
use crate::control::duration::Duration;
use crate::control::partition::PartitionSpec;
use crate::language::manifest::Manifest;
use crate::source::{Code, Finding, Findings, Span, Spanned};
use crate::triggers::executions;
use crate::{alerts, steps};

/// Reports everything that AWS or a program would refuse, however well the manifest is formed.
pub fn check(manifest: &Manifest, today: jiff::civil::Date, findings: &mut Findings) {
    for (_, compute) in manifest.compute.iter() {
        if let Some(kind) = compute.value.kind() {
            kind.check(findings);
        }
    }
    for step in &manifest.steps.value {
        step.value.check(findings);
    }
    if let Some(timeout) = &manifest.timeout {
        steps::duration(timeout, "timeout", Duration::MINUTE, findings);
    }
    for schedule in manifest.triggers.iter().flat_map(|triggers| &triggers.schedule.0) {
        schedule.check(&partition(manifest).timezone, today, findings);
    }
    check_triggers(manifest, findings);
    for alert in &manifest.alerts {
        alerts::check(&alert.value, alert.span, findings);
    }
    check_applications(manifest, findings);
    check_dynamic_references(manifest, findings);
    check_repeated_schedules(manifest, findings);
}

fn check_applications(manifest: &Manifest, findings: &mut Findings) {
    for step in &manifest.steps.value {
        let Some(kind) = step.value.kind() else { continue };
        let Some((name, compute)) = manifest.profile_of(step) else { continue };
        let Some(profile) = compute.value.kind() else { continue };
        let Some(installed) = profile.applications() else { continue };
        for wanted in kind.applications() {
            if !installed.iter().any(|application| application.eq_ignore_ascii_case(wanted)) {
                findings.push(
                    Finding::at(
                        Code::MissingApplication,
                        step.value.name.span,
                        format!(
                            "step `{}` needs {wanted}, which profile `{}` does not install",
                            step.value.name.value, name.value
                        ),
                        "",
                    )
                    .and(name.span, "this profile")
                    .help(format!("add `{wanted}` to its `applications`")),
                );
            }
        }
    }
}

fn check_triggers(manifest: &Manifest, findings: &mut Findings) {
    let Some(triggers) = &manifest.triggers else { return };
    for event in &triggers.events {
        event.check(&manifest.name, findings);
    }
    if let Some(tree) = &triggers.executions {
        let spec = PartitionSpec::of_plan(&partition(manifest)).ok();
        executions::read(tree, &manifest.name, spec.as_ref(), findings);
    }
    let mut seen: BTreeMap<String, Span> = BTreeMap::new();
    for event in &triggers.events {
        let (Some((plan, _)), Some(span)) = (event.compile(Vec::new(), "", ""), event.span()) else { continue };
        if let Some(before) = seen.insert(plan.id, span) {
            findings.push(
                Finding::at(Code::RepeatedEvent, span, "this event is written twice", "")
                    .and(before, "first written here")
                    .why("one event starts one run, however many rules it matches")
                    .help("remove one of them"),
            );
        }
    }
}

fn check_repeated_schedules(manifest: &Manifest, findings: &mut Findings) {
    let kept = schedules(manifest);
    let mut seen = BTreeMap::new();
    let zone = partition(manifest).timezone;
    for schedule in manifest.triggers.iter().flat_map(|triggers| &triggers.schedule.0) {
        let Some(written) = schedule.written() else { continue };
        let Some(plan) = schedule.plan(&zone) else { continue };
        let Some(first) = kept.iter().position(|(other, _)| *other == plan) else { continue };
        if let Some(before) = seen.insert(first, written.span) {
            findings.push(
                Finding::at(Code::RepeatedSchedule, written.span, "this schedule is written twice", "")
                    .and(before, "first written here")
                    .why("two schedules that fire at the same time start one run")
                    .help("remove one of them"),
            );
        }
    }
}

/// CloudFormation replaces `{{resolve:…}}` wherever it stands, even in a description, and so would put a secret where
/// everybody reads it: <https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/dynamic-references.html>.
fn check_dynamic_references(manifest: &Manifest, findings: &mut Findings) {
    let params = manifest.params.iter().filter_map(|(_, param)| param.value.description.as_ref());
    let steps = manifest.steps.value.iter().map(|step| &step.value);
    let templates: Vec<_> = steps.clone().filter_map(|step| step.kind()).flat_map(steps::templates).collect();
    let descriptions = manifest.description.iter().chain(params).chain(steps.flat_map(|step| &step.description));
    let descriptions = descriptions.map(|text| Spanned::new(text.value.as_str(), text.span));
    for text in descriptions.chain(templates) {
        if text.value.contains("{{resolve:") {
            findings.push(
                Finding::at(Code::DynamicReference, text.span, "CloudFormation would replace `{{resolve:…}}` here", "")
                    .why("what it stands for would be readable in the template and in every run")
                    .help("name the secret under `access.secrets` and read it in the step"),
            );
        }
    }
}
