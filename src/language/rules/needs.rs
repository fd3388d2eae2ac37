//! Every need names a step, and no step waits for itself, directly or through others.

use crate::control::dag;
use crate::language::manifest::graph_of;
use crate::language::project::Pipeline;
use crate::source::{Code, Finding, Findings, Spanned, suggest};
use crate::steps::{Need, Step};

pub fn check(pipeline: &Pipeline, findings: &mut Findings) {
    let steps = &pipeline.manifest.steps.value;
    body(steps, findings);
    for map in steps.iter().filter_map(|step| step.map.as_ref()) {
        body(&map.steps.value, findings);
    }
}

/// The steps of a pipeline, or of a map: they need each other and nobody else.
fn body(steps: &[Spanned<Step>], findings: &mut Findings) {
    for step in steps {
        for (at, need) in step.needs.iter().enumerate() {
            if !steps.iter().any(|other| other.name.value == need.step) {
                findings.push(unknown(step, need, steps));
            } else if let Some(before) = step.needs.iter().take(at).find(|before| before.step == need.step) {
                findings.push(twice(need, before));
            }
        }
    }
    // Of two steps with one name it is not said which one a need means; that they have one name is.
    let mut names: Vec<&str> = steps.iter().map(|step| step.name.as_str()).collect();
    names.sort_unstable();
    if names.windows(2).any(|pair| pair.first() == pair.last()) {
        return;
    }
    if let Err(cycle) = dag::structure(&graph_of(steps)) {
        findings.push(circular(&cycle, steps));
    }
}

fn unknown(step: &Step, need: &Spanned<Need>, steps: &[Spanned<Step>]) -> Finding {
    let message = format!("step `{}` needs `{}`, which is not a step of this pipeline", step.name.value, need.step);
    let finding = Finding::at(Code::UnknownStep, need.span, message, "no step of this name");
    let others: Vec<&str> =
        steps.iter().map(|other| other.name.as_str()).filter(|other| *other != step.name.value).collect();
    let finding = match suggest::near(&need.step, others.iter().copied())
        .and_then(|near| steps.iter().find(|other| other.name.value == near))
    {
        Some(near) => finding.and(near.name.span, "a step with a similar name"),
        None => finding,
    };
    super::suggest(finding, &Spanned::new(need.step.clone(), need.span), &others)
}

fn twice(need: &Spanned<Need>, before: &Spanned<Need>) -> Finding {
    Finding::at(Code::NeededTwice, need.span, format!("`{}` is needed twice", need.step), "again")
        .warning()
        .and(before.span, "first")
        .help("remove one of them")
}

/// The cycle as a path, each of its needs pointed at.
fn circular(cycle: &dag::Cycle, steps: &[Spanned<Step>]) -> Finding {
    let need_of = |step: &str, need: &str| {
        let step = steps.iter().find(|other| other.name.value == step)?;
        step.needs.iter().find(|other| other.step == need)
    };
    let pairs: Vec<(&str, &str)> =
        cycle.path.iter().zip(cycle.path.iter().skip(1)).map(|(step, need)| (step.as_str(), need.as_str())).collect();
    let mut places = pairs
        .iter()
        .filter_map(|(step, need)| Some((need_of(step, need)?.span, format!("`{step}` waits for `{need}`"))));
    let message = match pairs.as_slice() {
        [(step, _)] => format!("step `{step}` needs itself"),
        _ => format!("steps wait for each other: {}", cycle.path.join(" -> ")),
    };
    let finding = match places.next() {
        Some((span, label)) => Finding::at(Code::StepCycle, span, message, label),
        None => Finding::new(Code::StepCycle, message),
    };
    places
        .fold(finding, |finding, (span, label)| finding.and(span, label))
        .why("none of them could ever start")
        .help("remove one of these needs")
}
