//! What a step reads of others is there when it starts: the output of a step before it, or the item of a map around it.

use std::collections::{HashMap, HashSet};

use crate::control::render::late::{self, Root};
use crate::language::project::Pipeline;
use crate::source::{Code, Finding, Findings, Span, Spanned, suggest};
use crate::steps::{self, Output, Step};

type Steps<'a> = HashMap<&'a str, &'a Step>;

pub fn check(pipeline: &Pipeline, findings: &mut Findings) {
    let manifest = &pipeline.manifest;
    let all: Steps<'_> = manifest.all_steps().map(|step| (step.name.as_str(), &step.value)).collect();
    let mut inside: HashMap<&str, &Step> = HashMap::new();
    for step in manifest.steps.iter() {
        for inner in step.map.iter().flat_map(|map| map.steps.value.iter()) {
            inside.insert(inner.name.as_str(), &step.value);
        }
    }
    for step in manifest.all_steps() {
        let map = inside.get(step.name.as_str()).copied();
        let look = |text: &str, span: Span, findings: &mut Findings| {
            for path in late::of(text) {
                findings.extend(problem((step, map), span, &path.root, (&all, &inside)));
            }
        };
        for text in read_here(step) {
            look(text.value, text.span, findings);
        }
        findings.extend(step.when.as_ref().and_then(|when| condition(when, "step")));
    }
    findings.extend(manifest.when.as_ref().and_then(|when| condition(when, "pipeline")));
}

/// What a step reads in its own file: a job's texts name no steps, but the values that are given to it may.
fn read_here(step: &Step) -> Vec<Spanned<&str>> {
    let mut texts = step.own_texts();
    if step.job.is_none() {
        texts.extend(step.kinds().into_iter().flat_map(|(_, _, kind)| steps::templates(kind)));
    }
    texts
}

fn problem(
    (step, map): (&Step, Option<&Step>),
    span: Span,
    root: &Root,
    (steps, inside): (&Steps<'_>, &HashMap<&str, &Step>),
) -> Option<Finding> {
    let at = |code, message: String| Finding::at(code, span, message, "");
    let Root::Output(name) = root else {
        return item_of_no_map(step, map, span, root);
    };
    let other = steps.get(name.as_str()).filter(|_| {
        // What is inside a map is seen from inside that map alone.
        let around = inside.get(name.as_str());
        around.is_none_or(|around| map.is_some_and(|map| map.name.value == around.name.value))
    });
    let Some(other) = other else {
        let message = format!("step `{}` reads the output of `{name}`, which is not a step", step.name.value);
        let others = steps.keys().copied().filter(|other| *other != step.name.value && !inside.contains_key(other));
        let near = suggest::near(name, others);
        let finding = at(Code::UnknownOutput, message);
        return Some(match (near, inside.get(name.as_str())) {
            (_, Some(around)) => {
                finding.help(format!("it is inside a map: read `steps.{}.output`, a list", around.name.value))
            }
            (Some(near), None) => finding.help(format!("did you mean `steps.{near}.output`?")),
            (None, None) => finding.help("name a step of this pipeline"),
        });
    };
    let before = upstream(step, steps).into_iter().chain(map.map(|map| upstream(map, steps)).unwrap_or_default());
    if !before.into_iter().any(|before| before == name.as_str()) {
        let message = format!("step `{}` reads the output of `{name}` and does not wait for it", step.name.value);
        return Some(
            at(Code::NotUpstream, message)
                .and(other.name.span, "this step")
                .why("its output is there when it has ended")
                .help(format!("add `{name}` to `needs`")),
        );
    }
    (other.kind().is_some_and(|kind| kind.output() == Output::None)).then(|| {
        let kind = other.kinds().first().map_or("step", |(key, _, _)| key);
        at(Code::NoOutput, format!("step `{name}` has no output"))
            .and(other.name.span, format!("a `{kind}` step that hands nothing on"))
            .help("pass data through S3, under a path with `{{ run.partition }}`")
    })
}

fn item_of_no_map(step: &Step, map: Option<&Step>, span: Span, root: &Root) -> Option<Finding> {
    let word = if *root == Root::Item { "item" } else { "map" };
    let Some(map) = map else {
        return Some(
            Finding::at(Code::OutsideMap, span, format!("there is no `{word}` in step `{}`", step.name.value), "")
                .why("it stands in no `map`, whose steps run once for each item")
                .help("move the step into the `steps` of a `map`"),
        );
    };
    let unknown = map.map.as_ref().is_some_and(|map| {
        let over = &map.over.value;
        over.objects.is_some() || over.csv.is_some() || over.json.is_some()
    });
    (*root == Root::Count && unknown).then(|| {
        Finding::at(Code::OutsideMap, span, "nobody knows how many items there are", "")
            .and(map.name.span, "they are read while the map runs")
            .help("leave `map.count` out; `map.index` is there")
    })
}

/// The steps that have ended when this one starts.
fn upstream<'a>(step: &'a Step, steps: &Steps<'a>) -> HashSet<&'a str> {
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
fn condition(when: &Spanned<String>, what: &str) -> Option<Finding> {
    let text = when.trim();
    let inner = text.strip_prefix("{{").and_then(|rest| rest.strip_suffix("}}"));
    if inner.is_some_and(|inner| !inner.contains("{{") && !inner.contains("}}")) {
        return None;
    }
    let finding = Finding::at(Code::BadWhen, when.span, "`when` is not one `{{ }}`", "");
    Some(match text {
        "true" => finding.why(format!("the {what} always runs")).help("remove `when`"),
        "false" => finding.why(format!("the {what} never runs")).help("let a parameter decide, or remove it"),
        _ => finding.help("write one expression that yields true or false: `\"{{ params.full == true }}\"`"),
    })
}
