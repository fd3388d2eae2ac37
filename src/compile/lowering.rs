//! From a graph of steps to states that run them: every step once, its siblings beside it, its dependents after it.
//!
//! In comes a body of steps whose references hold; out come states, each step's between a question whether it may run and
//! the record of how it went. It refuses to know what a step does, and what happens before the first and after the last.
//!
//! A step's failure is recorded in the results and never leaves its branch, so its siblings go on; what needs it is
//! blocked. No state exists twice: every end of a step leads to the same next state. With `failFast` a failure leaves its
//! branch instead, which makes Step Functions cancel the others, and is caught and recorded around the outermost parallel.

use serde_json::{Map, Value, json};

use super::{Body, Made, Model, map, outputs};
use crate::control::dag::Flow;
use crate::control::render::late;
use crate::documents::frame;
use crate::documents::states::{Catcher, Choice, Fail, Parallel, Pass, Rule, State, States, Succeed, Task, code};
use crate::steps::map::MapWork;
use crate::steps::{Bench, OnSkip, Output, Work};

/// Lowers one body of steps.
pub(super) struct Lowering<'a> {
    pub model: &'a Model<'a>,
    pub body: &'a Body<'a>,
    /// Whether the steps are those of a map.
    pub inside: bool,
}

impl Lowering<'_> {
    /// Adds the flow's states to a scope and returns the name of the first. `outermost` is whether no parallel is around it.
    pub fn flow(&self, flow: &Flow, next: &str, outermost: bool, scope: &mut States) -> String {
        match flow {
            Flow::Step(step) => self.step(step, next, outermost, scope),
            Flow::Sequence(parts) => self.sequence(parts, next, outermost, scope),
            Flow::Parallel(parts) => self.parallel(flow, parts, next, outermost, scope),
        }
    }

    fn sequence(&self, parts: &[Flow], next: &str, outermost: bool, scope: &mut States) -> String {
        // From the last to the first, because a state names the one after it; printed in the order of running.
        let mut next = next.to_owned();
        let mut groups = Vec::new();
        for part in parts.iter().rev() {
            let mut group = States::default();
            next = self.flow(part, &next, outermost, &mut group);
            groups.push(group.states);
        }
        scope.states.extend(groups.into_iter().rev().flatten());
        next
    }

    fn parallel(&self, flow: &Flow, parts: &[Flow], next: &str, outermost: bool, scope: &mut States) -> String {
        let name = name_of_parallel(flow);
        let branch = |part: &Flow| {
            let end = name_of_end(part);
            let mut states = States::default();
            states.start_at = self.flow(part, &end, false, &mut states);
            states.add(end, State::Succeed(Succeed {}));
            states
        };
        let caught = self.model.fail_fast() && outermost;
        let parallel = Parallel {
            branches: parts.iter().map(branch).collect(),
            catch: caught.then(|| Catcher::all(frame::record_carried_failure(), next)).into_iter().collect(),
            assign: Map::new(),
            output: json!(code("$merge($states.result)")),
            next: next.to_owned(),
        };
        scope.add(name.clone(), State::Parallel(parallel));
        name
    }

    fn step(&self, name: &str, next: &str, outermost: bool, scope: &mut States) -> String {
        let Some(made) = self.body.steps.iter().find(|made| made.step.name.value == name) else {
            return next.to_owned();
        };
        let entry = self.question(made, next, scope);
        let on_failure = if self.model.fail_fast() && !outermost { frame::failed(name) } else { next.to_owned() };
        self.work(made, next, &on_failure, scope);
        if on_failure != next {
            let cause = code("$string($states.input)");
            scope.add(on_failure, State::Fail(Fail { error: frame::CARRIED.to_owned(), cause }));
        }
        entry
    }

    /// The state that decides whether the step runs, with the states of the other answers; the step itself if nothing can
    /// keep it from running.
    fn question(&self, made: &Made<'_>, next: &str, scope: &mut States) -> String {
        let name = made.step.name.value.as_str();
        let ready = self.ready(made);
        let cluster = self.cluster(made);
        let wanted = wanted(made);
        if ready.is_empty() && cluster.is_empty() && wanted.is_empty() {
            return name.to_owned();
        }
        let rule = |terms: Vec<String>, next: String| Rule {
            condition: code(&terms.join(" and ")),
            assign: Map::new(),
            output: None,
            next,
        };
        let mut choices = Vec::new();
        let can_be_blocked = !ready.is_empty() || !cluster.is_empty();
        if !wanted.is_empty() && can_be_blocked {
            let unwanted = format!("$not({})", wanted.join(" and "));
            choices.push(rule(ready.iter().cloned().chain([unwanted]).collect(), frame::skipped(name)));
        }
        let mut run: Vec<String> = ready.into_iter().chain(cluster).collect();
        if !can_be_blocked {
            run.extend(wanted.iter().cloned());
        }
        choices.push(rule(run, name.to_owned()));
        let default = if can_be_blocked { frame::blocked(name) } else { frame::skipped(name) };
        let question = frame::needs_met(name);
        scope.add(question.clone(), State::Choice(Choice { comment: None, choices, default }));
        let end = |output: Value| State::Pass(Pass { output, next: next.to_owned(), ..Pass::default() });
        if !wanted.is_empty() {
            scope.add(frame::skipped(name), end(frame::record(name, "SKIPPED")));
        }
        if can_be_blocked {
            scope.add(frame::blocked(name), end(frame::record(name, "BLOCKED")));
        }
        question
    }

    /// What must hold for the step not to be blocked, but for its cluster.
    fn ready(&self, made: &Made<'_>) -> Vec<String> {
        let mut terms: Vec<String> = made.step.needs.iter().map(|need| frame::done(&need.step)).collect();
        if self.model.fail_fast() && !made.step.needs.is_empty() {
            terms.push(frame::no_failure_so_far());
        }
        if self.model.deadline().is_some() && !terms.is_empty() {
            terms.push(frame::in_time());
        }
        terms
    }

    /// That its clusters are there. A step that needs another one on the same cluster has asked already, and so has a map
    /// for the steps in it.
    fn cluster(&self, made: &Made<'_>) -> Vec<String> {
        let on_the_same = |profile: &str, need: &str| {
            let other = self.body.steps.iter().find(|other| other.step.name.value == need);
            other.is_some_and(|other| other.profiles().contains(&profile) && other.step.when.is_none())
        };
        let asked = |profile: &str| made.step.needs.iter().any(|need| on_the_same(profile, &need.step));
        let profiles = made.profiles().into_iter();
        let open = profiles.filter(|profile| !self.inside && self.model.is_provided(profile) && !asked(profile));
        open.map(|profile| frame::succeeded(&frame::cluster_key(profile))).collect()
    }

    /// The states of the step itself. All that can be caught goes to `on_failure`, recorded.
    fn work(&self, made: &Made<'_>, next: &str, on_failure: &str, scope: &mut States) {
        let name = made.step.name.value.as_str();
        let read = match (made.wants_output, made.step.kind().map(|kind| kind.output())) {
            (true, Some(Output::File)) => Some(frame::read_output(name)),
            _ => None,
        };
        let result = match (made.wants_output, made.step.kind().map(|kind| kind.output())) {
            (true, Some(Output::Result(expression))) => Some(expression),
            _ => None,
        };
        let retried = made.step.retry.is_some();
        let after = read.clone().unwrap_or_else(|| next.to_owned());
        match &made.work {
            Work::Task(task) => {
                let mut task = task.as_ref().clone();
                task.comment = made.step.description.as_ref().map(|description| description.value.trim().to_owned());
                task.timeout_seconds = self.model.time_left(made.step.timeout_seconds());
                task.retry.extend(made.step.retry.as_ref().map(|retry| retry.retrier()));
                task.catch.push(self.catcher(name, on_failure));
                task.output = match &read {
                    Some(_) => json!(code("$states.input")),
                    None => frame::record_success(name, retried, result),
                };
                task.next = after;
                scope.add(name, State::Task(Box::new(task)));
            }
            Work::Enclosed(inside) => {
                let mut inside = inside.as_ref().clone();
                inside.comment = made.step.description.as_ref().map(|description| description.value.trim().to_owned());
                inside.limit(self.model.time_left(made.step.timeout_seconds()));
                inside.retry.extend(made.step.retry.as_ref().map(|retry| retry.retrier()));
                inside.catch.push(self.catcher(name, on_failure));
                inside.output = frame::record_success(name, retried, result);
                inside.next = after;
                scope.add(name, State::Enclosed(Box::new(inside)));
            }
            Work::Map(map) => self.map(made, map, next, on_failure, scope),
        }
        if let Some(state) = read {
            let mut task = self.fetch(made);
            task.catch.push(self.catcher(name, on_failure));
            task.output = frame::record_success(name, false, Some("$parse($states.result.Body)"));
            task.next = next.to_owned();
            scope.add(state, State::Task(Box::new(task)));
        }
    }

    /// A map. Of one inside the execution a question follows where failures leave their branch, because the map itself
    /// has not failed when its items have.
    fn map(&self, made: &Made<'_>, work: &MapWork, next: &str, on_failure: &str, scope: &mut States) {
        let Some(inner) = &made.inner else { return };
        let name = made.step.name.value.as_str();
        let mut state = map::state(self.model, made, work, inner);
        state.retry.extend(made.step.retry.as_ref().map(|retry| retry.retrier()));
        state.catch.push(self.catcher(name, on_failure));
        next.clone_into(&mut state.next);
        state.output = if work.distributed {
            frame::record_success(name, made.step.retry.is_some(), None)
        } else {
            frame::record_items(name, &format!("step `{name}`"), work.tolerate, made.wants_output)
        };
        let question = format!("{name}: enough?");
        let asks = !work.distributed && on_failure != next;
        if asks {
            state.next.clone_from(&question);
        }
        scope.add(name, State::Map(Box::new(state)));
        if asks {
            let condition = code(&frame::succeeded(name));
            let rule = Rule { condition, assign: Map::new(), output: None, next: next.to_owned() };
            let choice = Choice { comment: None, choices: vec![rule], default: on_failure.to_owned() };
            scope.add(question, State::Choice(choice));
        }
    }

    fn fetch(&self, made: &Made<'_>) -> Task {
        Task {
            resource: outputs::GET_OBJECT.resource(),
            arguments: json!({
                "Bucket": frame::substitution(frame::BUCKET),
                "Key": outputs::output_key(self.model.name, &made.step.name.value, self.inside),
            }),
            ..Task::default()
        }
    }

    fn catcher(&self, name: &str, next: &str) -> Catcher {
        let what = format!("step `{name}`");
        let timed = self.model.deadline().is_some();
        // What a Fail state carries outwards is the one record, not all of them.
        let output = if next == frame::failed(name) {
            frame::failure_alone(name, &what, timed)
        } else {
            frame::record_failure(name, &what, timed)
        };
        Catcher::all(output, next)
    }
}

/// What must hold for a step not to be skipped.
fn wanted(made: &Made<'_>) -> Vec<String> {
    let name = made.step.name.value.as_str();
    let mut terms = Vec::new();
    if let Some(when) = &made.step.when {
        terms.push(match late::of(when).first() {
            Some(late) => format!("$boolean({})", Bench::path(made.siblings.as_deref(), late)),
            None => frame::wanted(name),
        });
    }
    let skipping = made.step.needs.iter().filter(|need| need.on_skip == OnSkip::Skip);
    terms.extend(skipping.map(|need| frame::succeeded(&need.step)));
    terms
}

/// `in parallel: a, b`, at most 80 characters. A step is part of one parallel at each depth, so the first step and the
/// number of steps tell two of them apart when the names do not fit.
fn name_of_parallel(flow: &Flow) -> String {
    let steps = flow.steps();
    let full = format!("in parallel: {}", steps.join(", "));
    if full.chars().count() <= 80 {
        return full;
    }
    let first = steps.first().copied().unwrap_or_default();
    format!("in parallel: {first} and {} more", steps.len().saturating_sub(1))
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
