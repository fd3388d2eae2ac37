//! Clusters around the parts of a flow that use them: created before the first step that needs one, released after the
//! last.
//!
//! In comes a flow; out come its outermost parts with what is provided before and released after each. A cluster that no
//! step can run on any more, because all were skipped or blocked, is not created. It refuses to know what a cluster is.

use serde_json::{Map, json};

use super::lowering::Lowering;
use super::{Body, Model, map};
use crate::compute::Request;
use crate::control::dag::Flow;
use crate::control::render::late;
use crate::documents::frame;
use crate::documents::states::{Catcher, Choice, Parallel, Rule, State, States, Succeed, Task, code};
use crate::steps::Work;

/// The states of a whole flow with its clusters; returns the name of the first.
pub(super) fn around(model: &Model<'_>, next: &str, scope: &mut States) -> String {
    let whole = [model.body.flow.clone()];
    let parts = match &model.body.flow {
        Flow::Sequence(parts) => parts.as_slice(),
        Flow::Step(_) | Flow::Parallel(_) => &whole,
    };
    let used = |part: &Flow, profile: &str| part.steps().iter().any(|step| model.profiles_of(step).contains(&profile));
    let mut spans: Vec<(&str, usize, usize)> = Vec::new();
    for (profile, _) in &model.clusters {
        let name = profile.value.as_str();
        let first = parts.iter().position(|part| used(part, name));
        let last = parts.iter().rposition(|part| used(part, name));
        if let (true, Some(first), Some(last)) = (model.is_provided(name), first, last) {
            spans.push((name, first, last));
        }
    }
    let mut next = next.to_owned();
    let mut groups = Vec::new();
    for (at, part) in parts.iter().enumerate().rev() {
        let mut group = States::default();
        // The one that was created last is released first.
        for (profile, _, _) in spans.iter().filter(|(_, _, last)| *last == at) {
            let mut states = States::default();
            next = release(model, profile, &next, &mut states);
            group.states.splice(0..0, states.states);
        }
        let mut states = States::default();
        next = Lowering { model, body: &model.body, inside: false }.flow(part, &next, true, &mut states);
        group.states.splice(0..0, states.states);
        let new: Vec<&str> =
            spans.iter().filter(|(_, first, _)| *first == at).map(|(profile, _, _)| *profile).collect();
        let mut states = States::default();
        next = provide(model, &new, &next, &mut states);
        group.states.splice(0..0, states.states);
        groups.push(group.states);
    }
    scope.states.extend(groups.into_iter().rev().flatten());
    next
}

/// One cluster after a question whether anything will run on it; several side by side.
fn provide(model: &Model<'_>, profiles: &[&str], next: &str, scope: &mut States) -> String {
    match profiles {
        [] => next.to_owned(),
        [only] => create(model, only, next, scope),
        several => {
            let name = format!("Create {}", several.join(", "));
            let name = if name.chars().count() <= 80 { name } else { format!("Create {} clusters", several.len()) };
            let mut assign = Map::new();
            let mut branches = Vec::new();
            for (at, profile) in several.iter().enumerate() {
                let end = format!("{}: end", frame::cluster_key(profile));
                let mut branch = States::default();
                branch.start_at = create(model, profile, &end, &mut branch);
                branch.add(end, State::Succeed(Succeed {}));
                branches.push(branch);
                let id = format!("$states.result[{at}].`{}`.id", frame::cluster_key(profile));
                let value = json!(code(&format!("$exists({id}) ? {id} : \"\"")));
                assign.insert(frame::variable(profile, "cluster"), value);
            }
            let output = json!(code("$merge($states.result)"));
            let parallel = Parallel { branches, catch: Vec::new(), assign, output, next: next.to_owned() };
            scope.add(name.clone(), State::Parallel(parallel));
            name
        }
    }
}

fn create(model: &Model<'_>, profile: &str, next: &str, scope: &mut States) -> String {
    let Some(mut task) = provided(model, profile) else { return next.to_owned() };
    let key = frame::cluster_key(profile);
    let timed = model.deadline().is_some();
    task.timeout_seconds = model.time_left(None);
    task.catch.push(Catcher::all(frame::record_failure(&key, &format!("cluster `{profile}`"), timed), next));
    task.output = frame::record_cluster(profile);
    task.next = next.to_owned();
    let state = frame::create_cluster(profile);
    let entry = match anybody(model, profile) {
        None => state.clone(),
        Some(condition) => {
            let rule = Rule { condition, assign: Map::new(), output: None, next: state.clone() };
            let name = format!("{state}?");
            let choice = Choice { comment: None, choices: vec![rule], default: next.to_owned() };
            scope.add(name.clone(), State::Choice(choice));
            name
        }
    };
    scope.add(state, State::Task(Box::new(task)));
    entry
}

fn provided(model: &Model<'_>, profile: &str) -> Option<Task> {
    let (name, kind) = model.clusters.iter().find(|(name, _)| name.value == profile)?;
    let tags = super::users_tags(model.manifest);
    let request = Request {
        profile: name,
        pipeline: model.name,
        space: &model.context.space,
        tags: &tags,
        objects: &model.objects,
        width: width(&model.body, profile).min(WIDEST),
    };
    kind.provide(&request)
}

/// Whether some step may still run on the cluster; `None` if that is certain.
fn anybody(model: &Model<'_>, profile: &str) -> Option<String> {
    let users = || model.body.steps.iter().filter(|made| model.profiles_of(&made.step.name.value).contains(&profile));
    // Who needs another user of the cluster comes after that one, and is blocked with it.
    let is_user = |name: &str| users().any(|made| made.step.name.value == name);
    let mut terms = Vec::new();
    for made in users().filter(|made| !made.step.needs.iter().any(|need| is_user(&need.step))) {
        let mut term: Vec<String> = Vec::new();
        if !made.step.needs.is_empty() {
            term.push(frame::none_failed(made.step.needs.iter().map(|need| need.step.as_str())));
        }
        if made.step.when.as_ref().is_some_and(|when| late::of(when).is_empty()) {
            term.push(frame::wanted(&made.step.name.value));
        }
        if term.is_empty() {
            return None;
        }
        terms.push(format!("({})", term.join(" and ")));
    }
    Some(code(&terms.join(" or ")))
}

fn release(model: &Model<'_>, profile: &str, next: &str, scope: &mut States) -> String {
    let Some((name, kind)) = model.clusters.iter().find(|(name, _)| name.value == profile) else {
        return next.to_owned();
    };
    let Some(task) = kind.release(name, next) else { return next.to_owned() };
    let state = frame::release_cluster(profile);
    let condition = code(&frame::succeeded(&frame::cluster_key(profile)));
    let rule = Rule { condition, assign: Map::new(), output: None, next: state.clone() };
    let question = format!("{state}?");
    scope.add(question.clone(), State::Choice(Choice { comment: None, choices: vec![rule], default: next.to_owned() }));
    scope.add(state, State::Task(Box::new(task)));
    question
}

/// Steps of a cluster at once: <https://docs.aws.amazon.com/emr/latest/APIReference/API_RunJobFlow.html>.
const WIDEST: usize = 256;

/// The largest number of steps that can run on a profile at once: what a cluster must be ready for.
fn width(body: &Body<'_>, profile: &str) -> usize {
    flow_width(&body.flow, &|step| {
        let Some(made) = body.steps.iter().find(|made| made.step.name.value == step) else { return 0 };
        match (&made.work, &made.inner) {
            (Work::Map(work), Some(inner)) => map::width(work).saturating_mul(width(inner, profile)),
            _ => usize::from(made.profile == Some(profile)),
        }
    })
}

fn flow_width(flow: &Flow, of: &dyn Fn(&str) -> usize) -> usize {
    match flow {
        Flow::Step(step) => of(step),
        Flow::Sequence(parts) => parts.iter().map(|part| flow_width(part, of)).max().unwrap_or(0),
        Flow::Parallel(parts) => parts.iter().map(|part| flow_width(part, of)).fold(0, usize::saturating_add),
    }
}
