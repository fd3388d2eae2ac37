//! Every step has a compute profile, every profile a step.

use crate::compute::fargate;
use crate::language::manifest::Manifest;
use crate::language::project::Pipeline;
use crate::source::{Code, Finding, Findings, Spanned};
use crate::steps::{RunsOn, Step};

const EXAMPLE: &str = "compute: { cluster: { emr: { release: emr-7.5.0, primary: { type: m6g.xlarge } } } }";

pub fn check(pipeline: &Pipeline, findings: &mut Findings) {
    let manifest = &pipeline.manifest;
    let steps: Vec<&Spanned<Step>> = manifest.all_steps().collect();
    let profiles: Vec<&str> = manifest.compute.iter().map(|(name, _)| name.as_str()).collect();

    // Profiles that could not be read are not missing as well.
    let lost = profiles.is_empty() && super::misread(findings, manifest.steps.span);

    let mut silent = Vec::new();
    for step in &steps {
        match &step.compute {
            Some(named) if step.kind().is_some_and(|kind| kind.runs_on() == RunsOn::Nothing) => {
                findings.push(needless(step, named));
            }
            Some(named) if !profiles.contains(&named.as_str()) => findings.push(unknown(step, named, &profiles)),
            None if profiles.len() != 1 && !lost && needs_one(step) && !super::unread(findings, step.span) => {
                silent.push(&step.name);
            }
            Some(_) | None => {}
        }
    }
    for step in &steps {
        findings.extend(wrong_profile(manifest, step));
        size(manifest, step, findings);
    }
    if let Some((first, rest)) = silent.split_first() {
        let finding =
            rest.iter().fold(unsaid(first, &profiles), |finding, name| finding.and(name.span, "nor does this one"));
        findings.push(finding);
    }
    if profiles.len() < 2 || !silent.is_empty() {
        return;
    }
    for (profile, _) in manifest.compute.iter() {
        if !steps.iter().any(|step| step.compute.as_ref().is_some_and(|named| named.value == profile.value)) {
            findings.push(
                Finding::at(Code::UnusedCompute, profile.span, format!("no step runs on `{}`", profile.value), "")
                    .warning()
                    .why("a profile that no step uses is never created")
                    .help("remove it, or name it in a step's `compute`"),
            );
        }
    }
}

/// The size of a container: its own, and its profile's where it is silent.
fn size(manifest: &Manifest, step: &Step, findings: &mut Findings) {
    let Some(container) = &step.container else { return };
    let profile = manifest.profile_of(step).and_then(|(_, compute)| compute.value.ecs.as_ref());
    let cpu = container.cpu.as_ref().or(profile.and_then(|profile| profile.cpu.as_ref()));
    let memory = container.memory.as_ref().or(profile.and_then(|profile| profile.memory.as_ref()));
    // A profile that is wrong in itself is reported there.
    if container.cpu.is_some() || container.memory.is_some() {
        fargate::check(cpu, memory, findings);
    }
}

/// A step on a profile of a kind that it cannot run on, or whose profile lacks what it needs there.
fn wrong_profile(manifest: &Manifest, step: &Step) -> Option<Finding> {
    let (key, _, kind) = *step.kinds().first()?;
    let possible = kind.runs_on().possible();
    let name = &step.name.value;
    let (profile, compute) = manifest.profile_of(step)?;
    let [(_, on)] = *compute.value.kinds().as_slice() else { return None };
    let chosen = step.compute.is_some() || matches!(kind.runs_on(), RunsOn::OneOf(_));
    if chosen && !possible.is_empty() && !possible.contains(&on.key()) {
        let place = step.compute.as_ref().map_or(step.name.span, |named| named.span);
        let message = format!("step `{name}` cannot run on `{}`, which is `{}`", profile.value, on.key());
        let fitting = manifest
            .compute
            .iter()
            .find(|(_, other)| other.value.kind().is_some_and(|other| possible.contains(&other.key())));
        let help = match fitting {
            Some((other, _)) => format!("write `compute: {}`", other.value),
            None => format!("declare a profile of one of these kinds: {}", super::list(possible)),
        };
        return Some(
            Finding::at(Code::WrongCompute, place, message, "")
                .and(profile.span, "the profile")
                .why(format!("`{key}` runs on {}", super::list(possible).replace(" and ", " or ")))
                .help(help),
        );
    }
    let without_image = compute.value.ecs.as_ref().is_some_and(|ecs| ecs.image.is_none());
    (key == "shell" && without_image).then(|| {
        Finding::at(Code::NoImage, profile.span, format!("`{}` has no image for step `{name}`", profile.value), "")
            .and(step.name.span, "a `shell` step")
            .why("a container needs bash, tar, gzip, sha256sum and the AWS CLI to run a command of the folder")
            .help("add `image: public.ecr.aws/aws-cli/aws-cli:2.31.0`, or an image of your own with them")
    })
}

fn needs_one(step: &Step) -> bool {
    step.kind().is_none_or(|kind| matches!(kind.runs_on(), RunsOn::OneOf(_)))
}

fn needless(step: &Step, named: &Spanned<String>) -> Finding {
    let kind = step.kinds().first().map(|(key, _, _)| *key).unwrap_or_default();
    let message = format!("step `{}` is of kind `{kind}`, which runs on no compute profile", step.name.value);
    Finding::at(Code::NeedlessCompute, named.span, message, "")
        .why("Step Functions calls the service itself, so no cluster would be used")
        .help("remove `compute` from the step")
}

fn unknown(step: &Step, named: &Spanned<String>, profiles: &[&str]) -> Finding {
    let message = format!("step `{}` runs on `{}`, which is not a compute profile", step.name.value, named.value);
    let finding = Finding::at(Code::UnknownCompute, named.span, message, "");
    match profiles {
        [] => finding.why("the pipeline declares no compute profile").help(format!("declare one: `{EXAMPLE}`")),
        _ => super::suggest(finding, named, profiles),
    }
}

fn unsaid(step: &Spanned<String>, profiles: &[&str]) -> Finding {
    let at = |message| Finding::at(Code::NoCompute, step.span, message, "");
    match profiles {
        [] => at(format!("step `{}` has nothing to run on", step.value))
            .why("`spark` and `shell` run on a cluster, and the pipeline declares none")
            .help(format!("declare one: `{EXAMPLE}`")),
        [first, ..] => at(format!("step `{}` does not say what it runs on", step.value))
            .why(format!("the pipeline has several compute profiles: {}", super::list(profiles)))
            .help(format!("add `compute: {first}` to the step, or another of them")),
    }
}
