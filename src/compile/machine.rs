//! The frame of the state machine: check of the input, clusters, the steps, release, an honest end.
//!
//! In comes a model whose references hold; out comes a machine in which every failure that can be caught reaches the
//! release of the clusters, and a failed run ends FAILED. It refuses to know resources and permissions.
//!
//! A step's failure is recorded in the results and never leaves its branch, so its siblings go on; what needs it is
//! skipped. No state exists twice: both ends of a step lead to the same next state.

use serde_json::{Map, json};

use super::Model;
use crate::compute::Request;
use crate::control::dag::Flow;
use crate::documents::frame;
use crate::documents::states::{Catcher, Choice, Fail, Machine, Parallel, Pass, Rule, State, States, Succeed, code};
use crate::steps::Work;

/// The machine of a pipeline.
pub(super) fn build(model: &Model<'_>) -> Machine {
    let mut body = States { start_at: frame::CHECK_INPUT.to_owned(), ..States::default() };
    let first_release = model.profiles.last().map(|(profile, _)| frame::release_cluster(profile));
    let after_steps = first_release.unwrap_or_else(|| frame::OUTCOME.to_owned());

    let mut steps = States::default();
    let first_step = Lowering { model }.flow(&model.body.flow, &after_steps, &mut steps);
    let first = model.profiles.first().map_or(first_step.clone(), |(profile, _)| frame::create_cluster(profile));

    check_input(model, &first, &mut body);
    provide(model, &first_step, &mut body);
    body.states.extend(steps.states);
    release(model, &mut body);
    outcome(&mut body);
    let comment = model.manifest.description.as_ref().map(|description| description.value.trim().to_owned());
    Machine { comment: comment.unwrap_or_else(|| format!("The pipeline {}", model.name)), body }
}

fn check_input(model: &Model<'_>, first: &str, body: &mut States) {
    let mut assign = Map::from_iter([("input".to_owned(), json!(code("$states.input")))]);
    for (profile, kind) in &model.profiles {
        assign.extend(kind.variables(profile));
    }
    let rule = Rule {
        condition: code("$states.input.run.execution = $states.context.Execution.Name"),
        assign,
        output: Some(json!({})),
        next: first.to_owned(),
    };
    let comment = Some("Only the account function knows the name of its own execution".to_owned());
    body.add(
        frame::CHECK_INPUT,
        State::Choice(Choice { comment, choices: vec![rule], default: frame::REFUSE.to_owned() }),
    );
    let cause = format!("this execution was not started by dpc; start a run with: dpc run {}", model.name);
    body.add(frame::REFUSE, State::Fail(Fail { error: "dpc.NotStartedByDpc".to_owned(), cause }));
}

/// Clusters one after the other; where one fails, the ones before it are released.
fn provide(model: &Model<'_>, first_step: &str, body: &mut States) {
    let tags = super::users_tags(model.manifest);
    for (at, (profile, kind)) in model.profiles.iter().enumerate() {
        let request = Request {
            profile,
            pipeline: model.name,
            space: &model.context.space,
            tags: &tags,
            objects: &model.objects,
            width: width(&model.body.flow, &|step| model.profile(step) == Some(profile.value.as_str())),
        };
        let mut task = kind.provide(&request);
        let before = at.checked_sub(1).and_then(|before| model.profiles.get(before));
        let on_failure = before.map_or(frame::OUTCOME.to_owned(), |(earlier, _)| frame::release_cluster(earlier));
        let key = format!("cluster {}", profile.value);
        let what = format!("cluster `{}`", profile.value);
        task.catch.push(Catcher::all(frame::record_failure(&key, &what), on_failure));
        let after = model.profiles.get(at + 1);
        task.next = after.map_or(first_step.to_owned(), |(later, _)| frame::create_cluster(later));
        body.add(frame::create_cluster(profile), State::Task(Box::new(task)));
    }
}

/// Clusters in the opposite order, so that the failure of one to start falls in at the right place.
fn release(model: &Model<'_>, body: &mut States) {
    let mut next = frame::OUTCOME.to_owned();
    let mut states = Vec::new();
    for (profile, kind) in &model.profiles {
        let name = frame::release_cluster(profile);
        states.push((name.clone(), State::Task(Box::new(kind.release(profile, &next)))));
        next = name;
    }
    body.states.extend(states.into_iter().rev());
}

fn outcome(body: &mut States) {
    let rule = Rule {
        condition: frame::nothing_failed(),
        assign: Map::new(),
        output: None,
        next: frame::SUCCEEDED.to_owned(),
    };
    body.add(
        frame::OUTCOME,
        State::Choice(Choice { comment: None, choices: vec![rule], default: frame::FAILED.to_owned() }),
    );
    body.add(frame::SUCCEEDED, State::Succeed(Succeed {}));
    body.add(frame::FAILED, State::Fail(Fail { error: "dpc.StepFailed".to_owned(), cause: frame::earliest_failure() }));
}

/// The largest number of steps of one kind that the flow can run at once: what a cluster must be ready for.
fn width(flow: &Flow, counts: &dyn Fn(&str) -> bool) -> usize {
    match flow {
        Flow::Step(step) => usize::from(counts(step)),
        Flow::Sequence(parts) => parts.iter().map(|part| width(part, counts)).max().unwrap_or(0),
        Flow::Parallel(parts) => parts.iter().map(|part| width(part, counts)).sum(),
    }
}

/// Turns a flow into states that end in a given one.
struct Lowering<'a> {
    model: &'a Model<'a>,
}

impl Lowering<'_> {
    /// Adds the flow's states to a scope and returns the name of the first.
    fn flow(&self, flow: &Flow, next: &str, scope: &mut States) -> String {
        match flow {
            Flow::Step(step) => self.step(step, next, scope),
            Flow::Sequence(parts) => self.sequence(parts, next, scope),
            Flow::Parallel(parts) => self.parallel(flow, parts, next, scope),
        }
    }

    fn sequence(&self, parts: &[Flow], next: &str, scope: &mut States) -> String {
        // From the last to the first, because a state names the one after it; printed in the order of running.
        let mut next = next.to_owned();
        let mut groups = Vec::new();
        for part in parts.iter().rev() {
            let mut group = States::default();
            next = self.flow(part, &next, &mut group);
            groups.push(group.states);
        }
        scope.states.extend(groups.into_iter().rev().flatten());
        next
    }

    fn parallel(&self, flow: &Flow, parts: &[Flow], next: &str, scope: &mut States) -> String {
        let name = self.name_of_parallel(flow);
        let branch = |part: &Flow| {
            let end = name_of_end(part);
            let mut states = States::default();
            states.start_at = self.flow(part, &end, &mut states);
            states.add(end, State::Succeed(Succeed {}));
            states
        };
        let parallel = Parallel {
            branches: parts.iter().map(branch).collect(),
            output: json!(code("$merge($states.result)")),
            next: next.to_owned(),
        };
        scope.add(name.clone(), State::Parallel(parallel));
        name
    }

    /// `in parallel: a, b`, at most 80 characters. A step is part of one parallel at each depth, so the first step and
    /// the number of steps tell two of them apart when the names do not fit.
    fn name_of_parallel(&self, flow: &Flow) -> String {
        let steps = flow.steps();
        let full = format!("in parallel: {}", steps.join(", "));
        if full.chars().count() <= 80 {
            return full;
        }
        let first = steps.first().copied().unwrap_or_default();
        format!("in parallel: {first} and {} more", steps.len().saturating_sub(1))
    }

    fn step(&self, name: &str, next: &str, scope: &mut States) -> String {
        let Some(made) = self.model.body.steps.iter().find(|made| made.step.name.value == name) else {
            return next.to_owned();
        };
        let step = made.step;
        let Work::Task(task) = &made.work;
        let mut task = task.as_ref().clone();
        task.comment = step.description.as_ref().map(|description| description.value.trim().to_owned());
        task.timeout_seconds = step.timeout_seconds();
        task.retry.extend(step.retry.as_ref().map(|retry| retry.retrier()));
        task.catch.push(Catcher::all(frame::record_failure(name, &format!("step `{name}`")), next));
        task.output = frame::record_success(name);
        task.next = next.to_owned();
        let entry = if step.needs.is_empty() { name.to_owned() } else { frame::needs_met(name) };
        if !step.needs.is_empty() {
            let needs: Vec<&str> = step.needs.iter().map(|need| need.value.step.as_str()).collect();
            let rule = Rule {
                condition: frame::all_succeeded(&needs),
                assign: Map::new(),
                output: None,
                next: name.to_owned(),
            };
            let choice = Choice { comment: None, choices: vec![rule], default: frame::skipped(name) };
            scope.add(entry.clone(), State::Choice(choice));
        }
        scope.add(name, State::Task(Box::new(task)));
        if !step.needs.is_empty() {
            scope.add(
                frame::skipped(name),
                State::Pass(Pass { output: frame::record_skip(name), next: next.to_owned() }),
            );
        }
        entry
    }
}

/// Both ends of a branch's last step need a state to go to. Of two branches that end with one step, one lies within the
/// other and has fewer steps, so the two names differ.
fn name_of_end(branch: &Flow) -> String {
    match branch.steps().as_slice() {
        [.., last] if matches!(branch, Flow::Step(_)) => format!("{last}: end"),
        [all @ .., last] => format!("{last}: end of {} steps", all.len() + 1),
        [] => "end".to_owned(),
    }
}

impl Model<'_> {
    fn profile(&self, step: &str) -> Option<&str> {
        self.body.steps.iter().find(|made| made.step.name.value == step).and_then(|made| made.profile)
    }
}
