//! Steps that start pipelines: names that may be misspelt, circles, params and partitions that the other would refuse.
//!
//! Pipelines of other projects in the account are as good as the project's own, so a name that is not here is no mistake by
//! itself; one that is almost one of ours most likely is.

use std::collections::HashMap;

use super::upstreams::{Ties, spec};
use crate::control::nesting::look;
use crate::control::partition::Granularity;
use crate::control::registry::{self, Edge, Look};
use crate::language::manifest::Manifest;
use crate::language::project::Pipeline;
use crate::source::{Code, Finding, Findings, Span, Spanned, suggest};
use crate::steps::pipeline::PipelineStep;

/// A step that starts a pipeline.
struct Start<'a> {
    /// The pipeline whose step it is.
    from: usize,
    /// The one that it starts, if it is the project's.
    to: Option<usize>,
    step: &'a PipelineStep,
}

pub fn check(pipelines: &[Pipeline], ties: &Ties, findings: &mut Findings) {
    let names: HashMap<&str, usize> =
        pipelines.iter().enumerate().rev().map(|(at, pipeline)| (pipeline.manifest.name.as_str(), at)).collect();
    let starts: Vec<Start<'_>> =
        pipelines.iter().enumerate().flat_map(|(from, pipeline)| of(from, pipeline, &names)).collect();
    for start in &starts {
        let own = pipelines.get(start.from).map(|pipeline| &pipeline.manifest);
        let Some(own) = own else { continue };
        match start.to.and_then(|to| pipelines.get(to)) {
            None => unknown(&start.step.name, own, &names, findings),
            Some(other) => {
                params(start.step, &other.manifest, findings);
                partition(start.step, own, &other.manifest, findings);
            }
        }
    }
    circles(pipelines, &starts, findings);
    loops(pipelines, &starts, ties, findings);
}

/// Circles of steps that start pipelines and triggers that do: each run would bring about the next, for ever.
fn loops(pipelines: &[Pipeline], starts: &[Start<'_>], ties: &Ties, findings: &mut Findings) {
    let (mut edges, mut places) = (Vec::new(), Vec::new());
    // A step that names a partition starts another run than its own.
    for start in starts.iter().filter(|start| start.step.partition.is_none()) {
        let Some(to) = start.to else { continue };
        edges.push(Edge { down: to, up: start.from, look: Look::Same });
        places.push((start.step.name.span, true));
    }
    let steps = edges.len();
    for tie in &ties.all {
        let Some(up) = tie.up else { continue };
        edges.push(Edge { down: tie.down, up, look: look(tie.placed.leaf.offset, ties.spec(tie.down), ties.spec(up)) });
        places.push((tie.placed.name, false));
    }
    if steps == 0 || steps == edges.len() {
        return;
    }
    for cycle in registry::cycles(pipelines.len(), &edges) {
        // Circles of one sort are reported as what they are.
        if cycle.iter().all(|at| *at < steps) || cycle.iter().all(|at| *at >= steps) {
            continue;
        }
        let name = |at: usize| pipelines.get(at).map_or("", |pipeline| pipeline.manifest.name.as_str());
        let along: Vec<(&Edge, (Span, bool))> =
            cycle.iter().rev().filter_map(|at| Some((edges.get(*at)?, *places.get(*at)?))).collect();
        let Some((first, (place, _))) = along.first() else { continue };
        let path = std::iter::once(first.up).chain(along.iter().map(|(edge, _)| edge.down));
        let path: Vec<String> = path.map(|at| format!("`{}`", name(at))).collect();
        let message = format!("pipelines start each other: {}", path.join(" → "));
        let mut finding = Finding::at(Code::StartsItself, *place, message, "");
        for (edge, (place, step)) in along.iter().skip(1).take(8) {
            let (up, down) = (name(edge.up), name(edge.down));
            let words = if *step { format!("`{up}` starts `{down}`") } else { format!("`{down}` runs after `{up}`") };
            finding = finding.and(*place, words);
        }
        findings.push(
            finding
                .why("one starts the other with a step, and is itself started when that one ends: there would be no last run")
                .help("remove the step or the condition"),
        );
    }
}

fn of<'a>(from: usize, pipeline: &'a Pipeline, names: &HashMap<&str, usize>) -> Vec<Start<'a>> {
    let steps = pipeline.manifest.all_steps().filter_map(|step| step.pipeline.as_ref());
    steps.map(|step| Start { from, to: names.get(step.name.as_str()).copied(), step: &step.value }).collect()
}

fn unknown(name: &Spanned<String>, own: &Manifest, names: &HashMap<&str, usize>, findings: &mut Findings) {
    let others = names.keys().copied().filter(|other| *other != own.name.value);
    if let Some(near) = suggest::near(name, others) {
        let message = format!("no pipeline of this project is named `{}`", name.value);
        findings.push(
            Finding::at(Code::UnknownStarted, name.span, message, "")
                .warning()
                .why("it may be another project's; if nobody has it in this account, the step fails")
                .fix(name.span, near, format!("did you mean `{near}`?")),
        );
    }
}

fn params(step: &PipelineStep, other: &Manifest, findings: &mut Findings) {
    let known: Vec<&str> = other.params.iter().map(|(name, _)| name.as_str()).collect();
    for (name, _) in step.params.iter().filter(|(name, _)| !known.contains(&name.as_str())) {
        let message = format!("pipeline `{}` has no parameter `{}`", other.name.value, name.value);
        let finding = Finding::at(Code::WrongParams, name.span, message, "").and(other.name.span, "this pipeline");
        let finding = finding.why("the account function would refuse to start it");
        findings.push(match known.as_slice() {
            [] => finding.help("remove it, or declare it there under `params`"),
            known => super::suggest(finding, name, known),
        });
    }
    for (name, param) in other.params.iter() {
        let misspelt = |given: &str| suggest::near(given, known.iter().copied()) == Some(name.as_str());
        let given = step.params.iter().any(|(given, _)| given.value == name.value || misspelt(given));
        let optional = param.default.is_some() || param.required.as_ref().is_some_and(|required| !required.value);
        if !optional && !given {
            let message = format!("parameter `{}` of pipeline `{}` is not given", name.value, other.name.value);
            findings.push(
                Finding::at(Code::WrongParams, step.name.span, message, "started here")
                    .and(name.span, "has no default")
                    .why("the account function would refuse to start it")
                    .help(format!("add `params: {{ {}: … }}` to the step, or a `default` there", name.value)),
            );
        }
    }
}

/// Without a `partition` the other produces the one of the run that starts it, which must be of its granularity.
fn partition(step: &PipelineStep, own: &Manifest, other: &Manifest, findings: &mut Findings) {
    let (Some(here), Some(there)) = (spec(own), spec(other)) else { return };
    if step.partition.is_some() || here.by == there.by || there.by == Granularity::None {
        return;
    }
    let message = format!("pipeline `{}` has other partitions than this one", other.name.value);
    let place = other.partition.as_ref().map_or(other.name.span, |partition| partition.span);
    findings.push(
        Finding::at(Code::OtherGranularity, step.name.span, message, "started here")
            .and(place, "its partitions")
            .why("a step that names no partition starts the run's own, which the other would refuse")
            .help("add `partition:` to the step, in its form: `partition: \"{{ run.partition | format('%Y-%m') }}\"` is a month"),
    );
}

/// Pipelines that start each other go on for ever, or wait for each other for ever.
fn circles(pipelines: &[Pipeline], starts: &[Start<'_>], findings: &mut Findings) {
    for start in starts.iter().filter(|start| start.to == Some(start.from)) {
        let message = format!("pipeline `{}` starts itself", start.step.name.value);
        findings.push(endless(Finding::at(Code::StartsItself, start.step.name.span, message, "")));
    }
    let known: Vec<(&Start<'_>, Edge)> = starts
        .iter()
        .filter(|start| start.to != Some(start.from))
        .filter_map(|start| Some((start, Edge { down: start.from, up: start.to?, look: Look::Same })))
        .collect();
    let edges: Vec<Edge> = known.iter().map(|(_, edge)| *edge).collect();
    for cycle in registry::cycles(pipelines.len(), &edges) {
        let along: Vec<&Start<'_>> = cycle.iter().filter_map(|at| known.get(*at)).map(|(start, _)| *start).collect();
        let name = |at: usize| pipelines.get(at).map_or("", |pipeline| pipeline.manifest.name.as_str());
        let Some((first, rest)) = along.split_first() else { continue };
        let path = std::iter::once(first.from).chain(along.iter().filter_map(|start| start.to));
        let path: Vec<String> = path.map(|at| format!("`{}`", name(at))).collect();
        let message = format!("pipelines start each other: {}", path.join(" → "));
        let finding = Finding::at(Code::StartsItself, first.step.name.span, message, "");
        let finding = rest.iter().take(8).fold(finding, |finding, start| {
            finding.and(start.step.name.span, format!("`{}` starts it", name(start.from)))
        });
        findings.push(endless(finding));
    }
}

fn endless(finding: Finding) -> Finding {
    finding.why("runs would wait for themselves, or start runs without end").help("remove one of these steps")
}
