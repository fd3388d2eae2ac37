//! A state machine that a user has changed: the graph of its states, as Step Functions would judge it.
//!
//! In comes a definition as JSON; out come problems with the way to each. It refuses to know who changed it.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value};

use crate::documents::integration::Integration;
use crate::documents::patch::Pointer;

/// The longest name of a state: <https://docs.aws.amazon.com/step-functions/latest/dg/statemachine-structure.html>.
const NAME_LIMIT: usize = 80;

const TYPES: [&str; 8] = ["Task", "Parallel", "Map", "Choice", "Pass", "Wait", "Succeed", "Fail"];

/// Something that Step Functions would refuse, or that would never run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Problem {
    /// The way to it from the definition.
    pub at: Pointer,
    /// What is wrong.
    pub message: String,
}

/// Everything that is wrong with a definition.
pub(crate) fn problems(definition: &Value, known: &[Integration]) -> Vec<Problem> {
    let mut judge = Judge { known, names: BTreeMap::new(), problems: Vec::new() };
    judge.scope(definition, &Pointer::of([]));
    let twice: Vec<(String, Pointer)> = std::mem::take(&mut judge.names)
        .into_iter()
        .filter_map(|(name, places)| Some((name, places.get(1)?.clone())))
        .collect();
    for (name, at) in twice {
        judge.push(&at, format!("two states are named `{name}`"));
    }
    judge.problems
}

struct Judge<'a> {
    known: &'a [Integration],
    names: BTreeMap<String, Vec<Pointer>>,
    problems: Vec<Problem>,
}

impl Judge<'_> {
    fn push(&mut self, at: &Pointer, message: String) {
        self.problems.push(Problem { at: at.clone(), message });
    }

    /// A mapping with `StartAt` and `States`.
    fn scope(&mut self, scope: &Value, at: &Pointer) {
        let Some(states) = scope.get("States").and_then(Value::as_object).filter(|states| !states.is_empty()) else {
            return self.push(at, "there are no `States`".to_owned());
        };
        let Some(start) = scope.get("StartAt").and_then(Value::as_str) else {
            return self.push(at, "`StartAt` does not name a state".to_owned());
        };
        let below = at.then("States");
        let mut open = vec![(start.to_owned(), at.then("StartAt"))];
        let (mut reached, mut ends) = (BTreeSet::new(), false);
        while let Some((name, from)) = open.pop() {
            let Some(state) = states.get(&name) else {
                self.push(&from, format!("there is no state `{name}` to go to"));
                continue;
            };
            if reached.insert(name.clone()) {
                let next = targets(state, &below.then(&name));
                ends |= next.is_empty();
                open.extend(next);
            }
        }
        for (name, state) in states {
            let own = below.then(name);
            self.names.entry(name.clone()).or_default().push(own.clone());
            if !reached.contains(name) {
                self.push(&own, format!("state `{name}` is never reached"));
            }
            self.state(name, state, &own);
        }
        if !ends {
            self.push(at, format!("nothing after `{start}` ends"));
        }
    }

    fn state(&mut self, name: &str, state: &Value, at: &Pointer) {
        if name.chars().count() > NAME_LIMIT {
            self.push(at, format!("the name of state `{name}` is longer than {NAME_LIMIT} characters"));
        }
        let kind = state.get("Type").and_then(Value::as_str).unwrap_or_default();
        if !TYPES.contains(&kind) {
            return self.push(at, format!("state `{name}` has no type that Step Functions knows"));
        }
        let flows = !matches!(kind, "Choice" | "Succeed" | "Fail");
        if flows && state.get("Next").is_none() && state.get("End") != Some(&Value::Bool(true)) {
            self.push(at, format!("state `{name}` has neither `Next` nor `End: true`"));
        }
        match kind {
            "Task" => self.task(name, state, at),
            "Parallel" => {
                let branches = state.get("Branches").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
                if branches.is_empty() {
                    self.push(at, format!("state `{name}` has no `Branches`"));
                }
                for (number, branch) in branches.iter().enumerate() {
                    self.scope(branch, &at.then("Branches").then(&number.to_string()));
                }
            }
            "Map" => match state.get("ItemProcessor") {
                Some(processor) => self.scope(processor, &at.then("ItemProcessor")),
                None => self.push(at, format!("state `{name}` has no `ItemProcessor`")),
            },
            _ => {}
        }
    }

    /// A user may know parameters that dpc does not use; those that must be there it knows.
    fn task(&mut self, name: &str, state: &Value, at: &Pointer) {
        let Some(resource) = state.get("Resource").and_then(Value::as_str) else {
            return self.push(at, format!("state `{name}` has no `Resource`"));
        };
        let Some(integration) = self.known.iter().find(|known| known.resource() == resource) else { return };
        let empty = Map::new();
        let arguments = match state.get("Arguments") {
            Some(Value::Object(arguments)) => arguments,
            // An expression yields them when the state is entered.
            Some(Value::String(_)) => return,
            _ => &empty,
        };
        let missing: Vec<&str> =
            integration.required.iter().copied().filter(|required| !arguments.contains_key(*required)).collect();
        for required in missing {
            self.push(&at.then("Arguments"), format!("state `{name}` lacks the parameter `{required}`"));
        }
    }
}

/// The states that a state goes to, each with the place that says so.
fn targets(state: &Value, at: &Pointer) -> Vec<(String, Pointer)> {
    let text = |value: &Value, key: &str, at: &Pointer| {
        value.get(key).and_then(Value::as_str).map(|next| (next.to_owned(), at.then(key)))
    };
    let listed = ["Choices", "Catch"].into_iter().flat_map(|list| {
        let items = state.get(list).and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
        items
            .iter()
            .enumerate()
            .filter_map(move |(number, item)| text(item, "Next", &at.then(list).then(&number.to_string())))
    });
    text(state, "Next", at).into_iter().chain(text(state, "Default", at)).chain(listed).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::problems;

    #[test]
    fn a_sound_definition_has_no_problems() {
        let definition = json!({ "StartAt": "a", "States": {
            "a": { "Type": "Parallel", "Branches": [{ "StartAt": "b", "States": { "b": { "Type": "Pass", "End": true } } }], "Next": "c" },
            "c": { "Type": "Choice", "Choices": [{ "Condition": "{% true %}", "Next": "d" }], "Default": "d" },
            "d": { "Type": "Succeed" },
        } });
        assert_eq!(problems(&definition, &[]), []);
    }

    #[test]
    fn what_step_functions_would_refuse_is_found_where_it_is() {
        let definition = json!({ "StartAt": "a", "States": {
            "a": { "Type": "Task", "Resource": "arn:aws:states:::sqs:sendMessage", "Next": "x" },
            "b": { "Type": "Parallel", "Branches": [{ "StartAt": "a", "States": { "a": { "Type": "Wait" } } }], "End": true },
            "c": { "Type": "Tusk" },
        } });
        let found: Vec<String> =
            problems(&definition, &[]).iter().map(|problem| format!("{} {}", problem.at, problem.message)).collect();
        assert_eq!(
            found,
            [
                "/States/a/Next there is no state `x` to go to",
                "/States/b state `b` is never reached",
                "/States/b/Branches/0/States/a state `a` has neither `Next` nor `End: true`",
                "/States/c state `c` is never reached",
                "/States/c state `c` has no type that Step Functions knows",
                " nothing after `a` ends",
                "/States/b/Branches/0/States/a two states are named `a`",
            ]
        );
    }
}
