//! Invariants of the state machine, which no public linter checks in full: the graph of states, and the parameters of
//! every integration.
//!
//! A user's input cannot break them, so a broken one is a mistake in the compiler: it stops there, in words, before
//! anything is written.

use std::collections::{BTreeMap, HashSet};

use serde_json::Value;

use crate::compile::outputs;
use crate::documents::integration::Integration;
use crate::documents::states::{Machine, State, States, Task};
use crate::{compute, steps};

/// The longest name of a state: <https://docs.aws.amazon.com/step-functions/latest/dg/statemachine-structure.html>.
const NAME_LIMIT: usize = 80;

/// The integrations that a machine uses, once each, in the order of their table.
pub(crate) fn verified(machine: &Machine) -> Vec<Integration> {
    let problem = problems(machine).into_iter().next();
    assert!(problem.is_none(), "the compiler made a bad state machine: {}", problem.unwrap_or_default());
    let mut used = HashSet::new();
    each_task(&machine.body, &mut |_, task| {
        used.insert(task.resource.clone());
    });
    known().filter(|integration| used.contains(&integration.resource())).copied().collect()
}

/// Everything that is wrong with a machine.
pub fn problems(machine: &Machine) -> Vec<String> {
    let mut problems = Vec::new();
    let mut names = BTreeMap::new();
    graph(&machine.body, Place::Outermost, &mut names, &mut problems);
    for (name, count) in names {
        if count > 1 {
            problems.push(format!("{count} states are called `{name}`"));
        }
        if name.chars().count() > NAME_LIMIT {
            problems.push(format!("state name `{name}` is longer than {NAME_LIMIT} characters"));
        }
    }
    each_task(&machine.body, &mut |name, task| problems.extend(parameters(name, task)));
    problems
}

/// Where a scope lies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    /// It is the machine's own.
    Outermost,
    /// In a branch whose failure nobody catches.
    Inside,
    /// In a branch whose failure is caught around it.
    Caught,
}

/// Every target exists in its scope, every state is reached, and the scope ends.
fn graph(scope: &States, place: Place, names: &mut BTreeMap<String, usize>, problems: &mut Vec<String>) {
    let mut reached = HashSet::new();
    let mut open = vec![scope.start_at.as_str()];
    let mut ends = false;
    while let Some(name) = open.pop() {
        if !reached.insert(name) {
            continue;
        }
        match scope.get(name) {
            None => problems.push(format!("there is no state `{name}` to go to")),
            Some(state) => {
                let next = state.next();
                ends |= next.is_empty();
                open.extend(next);
            }
        }
    }
    for (name, state) in &scope.states {
        *names.entry(name.clone()).or_insert(0) += 1;
        if let State::Enclosed(inside) = state {
            inside.names.iter().for_each(|name| *names.entry(name.clone()).or_insert(0) += 1);
        }
        if !reached.contains(name.as_str()) {
            problems.push(format!("state `{name}` is never reached"));
        }
        // A Fail state in a branch would end the whole execution past the release.
        if place == Place::Inside && matches!(state, State::Fail(_)) {
            problems.push(format!("state `{name}` ends the execution from inside a branch"));
        }
        let caught = match state {
            State::Parallel(parallel) => !parallel.catch.is_empty(),
            State::Map(map) => !map.catch.is_empty(),
            _ => false,
        };
        let within = if caught || place == Place::Caught { Place::Caught } else { Place::Inside };
        for branch in state.branches() {
            graph(branch, within, names, problems);
        }
    }
    if !ends {
        problems.push(format!("nothing after `{}` ends", scope.start_at));
    }
}

/// Every integration that dpc uses.
pub(crate) fn known() -> impl Iterator<Item = &'static Integration> {
    let of_compute = compute::INTEGRATIONS.iter().flat_map(|integrations| integrations.iter());
    of_compute.chain(steps::KINDS.iter().flat_map(|kind| kind.integrations)).chain([&outputs::GET_OBJECT])
}

fn parameters(name: &str, task: &Task) -> Vec<String> {
    let Some(integration) = known().find(|integration| integration.resource() == task.resource) else {
        return vec![format!("state `{name}` uses `{}`, which dpc does not know", task.resource)];
    };
    let empty = serde_json::Map::new();
    let arguments = task.arguments.as_object().unwrap_or(&empty);
    let missing = integration.required.iter().filter(|required| !arguments.contains_key(**required));
    let missing = missing.map(|required| format!("state `{name}` lacks the parameter `{required}`"));
    let known = |key: &str| integration.required.contains(&key) || integration.optional.contains(&key);
    let strange = arguments.keys().filter(|key| !known(key));
    let strange = strange.map(|key| format!("state `{name}` has a parameter `{key}` that its integration lacks"));
    let null = arguments.values().any(has_null).then(|| format!("state `{name}` has a parameter that is null"));
    missing.chain(strange).chain(null).collect()
}

fn has_null(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::Array(items) => items.iter().any(has_null),
        Value::Object(entries) => entries.values().any(has_null),
        Value::Bool(_) | Value::Number(_) | Value::String(_) => false,
    }
}

fn each_task(scope: &States, visit: &mut dyn FnMut(&str, &Task)) {
    for (name, state) in &scope.states {
        if let State::Task(task) = state {
            visit(name, task);
        }
        for branch in state.branches() {
            each_task(branch, visit);
        }
    }
}

/// The most events that one execution can write into its history. Standard executions end at 25,000:
/// <https://docs.aws.amazon.com/step-functions/latest/dg/service-quotas.html>.
pub(crate) fn worst_history(machine: &Machine) -> usize {
    // ExecutionStarted and the last event.
    2 + scope_history(&machine.body)
}

/// How many items a list is taken to have that is only known when a run starts.
const ITEMS: usize = 40;

/// A scope without loops enters each state at most once.
fn scope_history(scope: &States) -> usize {
    scope.states.iter().map(|(_, state)| state_history(state)).sum()
}

fn state_history(state: &State) -> usize {
    match state {
        // Entered and exited around Scheduled, Started, Submitted, and Succeeded, Failed or TimedOut of every attempt.
        State::Task(task) => {
            let retries: u32 = task.retry.iter().map(|retrier| retrier.max_attempts).sum();
            2 + 4 * (1 + retries as usize)
        }
        // Entered, Started, Succeeded, Exited, and for every branch nothing of its own.
        State::Parallel(parallel) => 4 + parallel.branches.iter().map(scope_history).sum::<usize>(),
        // As a parallel, and each state of the user's once, as a task.
        State::Enclosed(inside) => {
            let retries: u32 = inside.retry.iter().map(|retrier| retrier.max_attempts).sum();
            4 + 6 * inside.names.len() * (1 + retries as usize)
        }
        // As often as there are items; a distributed one's are executions with histories of their own.
        State::Map(map) => {
            let distributed = map.item_processor.processor_config.get("Mode").is_some_and(|mode| mode == "DISTRIBUTED");
            let items = map.items.as_ref().and_then(Value::as_array).map_or(ITEMS, Vec::len);
            let items = if distributed { 0 } else { items };
            let attempts = 1 + map.retry.iter().map(|retrier| retrier.max_attempts as usize).sum::<usize>();
            4 + attempts * items * (3 + scope_history(&map.item_processor.states))
        }
        State::Choice(_) | State::Pass(_) | State::Succeed(_) => 2,
        State::Fail(_) => 1,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::documents::states::{Fail, Machine, Pass, Succeed};

    fn machine(states: Vec<(&str, State)>) -> Machine {
        let start_at = states.first().map(|(name, _)| (*name).to_owned()).unwrap_or_default();
        let states = states.into_iter().map(|(name, state)| (name.to_owned(), state)).collect();
        Machine { comment: String::new(), timeout_seconds: None, body: States { start_at, states } }
    }

    fn pass(next: &str) -> State {
        State::Pass(Pass { output: json!({}), next: next.to_owned(), ..Pass::default() })
    }

    #[test]
    fn a_chain_is_sound() {
        assert_eq!(problems(&machine(vec![("a", pass("b")), ("b", State::Succeed(Succeed {}))])), Vec::<String>::new());
    }

    #[test]
    fn a_dangling_target_a_lost_state_and_a_loop_are_found() {
        let found = problems(&machine(vec![("a", pass("b")), ("b", pass("a")), ("c", pass("nowhere"))]));
        assert!(found.iter().any(|problem| problem.contains("`c` is never reached")), "{found:?}");
        assert!(found.iter().any(|problem| problem.contains("nothing after `a` ends")), "{found:?}");
        let found = problems(&machine(vec![("a", pass("nowhere"))]));
        assert!(found.iter().any(|problem| problem.contains("no state `nowhere`")), "{found:?}");
    }

    #[test]
    fn names_are_unique_and_short() {
        let long = "x".repeat(81);
        let found = problems(&machine(vec![(&long, State::Succeed(Succeed {}))]));
        assert!(found.iter().any(|problem| problem.contains("longer than 80")), "{found:?}");
        let found = problems(&machine(vec![("a", pass("b")), ("b", State::Succeed(Succeed {})), ("b", pass("a"))]));
        assert!(found.iter().any(|problem| problem.contains("2 states")), "{found:?}");
    }

    #[test]
    fn a_misspelt_parameter_is_found() {
        let mut task = crate::compute::emr::run_script("a", "main", json!([]));
        task.arguments = json!({ "ClusterID": "x", "Step": null });
        task.next = "end".to_owned();
        let found = problems(&machine(vec![("a", State::Task(Box::new(task))), ("end", State::Succeed(Succeed {}))]));
        assert_eq!(found.len(), 3, "{found:?}");
    }

    #[test]
    fn a_fail_state_has_no_place_in_a_branch() {
        let inner = machine(vec![("x", State::Fail(Fail { error: "E".to_owned(), cause: String::new() }))]).body;
        let parallel = crate::documents::states::Parallel {
            branches: vec![inner],
            catch: Vec::new(),
            assign: serde_json::Map::new(),
            output: json!({}),
            next: "end".to_owned(),
        };
        let found = problems(&machine(vec![("p", State::Parallel(parallel)), ("end", State::Succeed(Succeed {}))]));
        assert!(found.iter().any(|problem| problem.contains("inside a branch")), "{found:?}");
    }
}
