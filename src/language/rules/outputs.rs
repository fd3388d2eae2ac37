//! What a step reads of others is there when it starts: the output of a step before it, or the item of a map around it.

use std::collections::{HashMap, HashSet};

use crate::control::render::late::{self, Root};
use crate::language::project::Pipeline;
use crate::source::{Code, Finding, Findings, Spanned};
use crate::steps::{self, Step};

pub fn check(pipeline: &Pipeline, findings: &mut Findings) {
    let steps = &pipeline.manifest.steps.value;
    let by_name: HashMap<&str, &Step> = steps.iter().map(|step| (step.name.as_str(), &step.value)).collect();
    for step in steps {
        for text in read_here(step).iter().filter(|text| text.contains("{{")) {
            for path in late::of(text.value) {
                findings.extend(problem(step, text, &path.root, &by_name));
            }
        }
        if let Some(when) = &step.when {
            findings.extend(condition(when));
        }
    }
}

/// What a step reads in its own file: a job's texts name no steps, but the values that are given to it may.
fn read_here(step: &Step) -> Vec<Spanned<&str>> {
    let mut texts = step.own_texts();
    if step.job.is_none() {
        texts.extend(step.kinds().into_iter().flat_map(|(_, _, kind)| steps::templates(kind)));
    }
    texts
}

fn problem(step: &Step, text: &Spanned<&str>, root: &Root, steps: &HashMap<&str, &Step>) -> Option<Finding> {
    let Root::Output(name) = root else {
        let word = if *root == Root::Item { "item" } else { "map" };
        return Some(
            Finding::at(Code::OutsideMap, text.span, format!("there is no `{word}` in step `{}`", step.name.value), "")
                .why("it stands in no `map`, whose steps run once for each item")
                .help("move the step into the `steps` of a `map`"),
        );
    };
    let at = |code, message: String| Finding::at(code, text.span, message, "");
    let Some(other) = steps.get(name.as_str()) else {
        let message = format!("step `{}` reads the output of `{name}`, which is not a step", step.name.value);
        let others: Vec<&str> = steps.keys().copied().filter(|other| *other != step.name.value).collect();
        let near = crate::source::suggest::near(name, others.iter().copied());
        let finding = at(Code::UnknownOutput, message);
        return Some(match near {
            Some(near) => finding.help(format!("did you mean `steps.{near}.output`?")),
            None => finding.help("name a step of this pipeline"),
        });
    };
    if !upstream(step, steps).contains(name.as_str()) {
        let message = format!("step `{}` reads the output of `{name}` and does not wait for it", step.name.value);
        return Some(
            at(Code::NotUpstream, message)
                .and(other.name.span, "this step")
                .why("its output is there when it has ended")
                .help(format!("add `{name}` to `needs`")),
        );
    }
    None
}

/// The steps that have ended when this one starts.
fn upstream<'a>(step: &'a Step, steps: &HashMap<&'a str, &'a Step>) -> HashSet<&'a str> {
    let mut found = HashSet::new();
    let mut open: Vec<&str> = step.needs.iter().map(|need| need.step.as_str()).collect();
    while let Some(name) = open.pop() {
        if found.insert(name) {
            open.extend(steps.get(name).into_iter().flat_map(|step| step.needs.iter().map(|need| need.step.as_str())));
        }
    }
    found
}

/// A `when` is one expression: text around it would be neither true nor false.
fn condition(when: &Spanned<String>) -> Option<Finding> {
    let text = when.trim();
    let inner = text.strip_prefix("{{").and_then(|rest| rest.strip_suffix("}}"));
    if inner.is_some_and(|inner| !inner.contains("{{") && !inner.contains("}}")) {
        return None;
    }
    let finding = Finding::at(Code::BadWhen, when.span, "`when` is not one `{{ }}`", "");
    Some(match text {
        "true" => finding.why("the step always runs").help("remove `when`"),
        "false" => finding.why("the step never runs").help("remove the step, or let a parameter decide"),
        _ => finding.help("write one expression that yields true or false: `\"{{ params.full == true }}\"`"),
    })
}
