//! What a run does: steps that come and go, steps that do something else, and the frame around them.
//!
//! In come two templates; out come differences step by step. The order of states, and what leads from one to the next, is
//! told as the needs of a step and not as such.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value};

use super::values::{Leaf, canonical, digests, leaves, masked};
use super::{Difference, Scope, Section, Side, Sign};

/// Every difference in what runs.
pub(super) fn differences(before: Side<'_>, after: Side<'_>) -> Vec<Difference> {
    let (old, new) = (Machine::of(before), Machine::of(after));
    let mut found = Vec::new();
    for step in new.steps.keys().filter(|step| !old.steps.contains_key(*step)) {
        let after = new.needs.get(*step).map(|needs| format!(", after {}", needs.join(", "))).unwrap_or_default();
        found.push(of_step(step, Sign::Added, format!("step `{step}`{after}"), Vec::new()));
    }
    for step in old.steps.keys().filter(|step| !new.steps.contains_key(*step)) {
        let text = format!("step `{step}` is no longer there");
        found.push(Difference::new(Section::Steps, Sign::Removed, text).because([Scope::key("steps")], []));
    }
    let kept: Vec<&str> = new.steps.keys().filter(|step| old.steps.contains_key(*step)).copied().collect();
    let mut rewired = !found.is_empty();
    for step in &kept {
        if let Some(one) = needs(step, &old, &new) {
            rewired = true;
            found.push(one);
        }
        found.extend(work(step, &old, &new));
    }
    found.extend(files(before, after));
    found.extend(frame(&old, &new, rewired));
    found
}

/// The states and the plan of one side, step by step.
#[derive(Default)]
struct Machine<'a> {
    /// What the plan holds for each step, in the order written.
    steps: BTreeMap<&'a str, &'a Value>,
    needs: BTreeMap<&'a str, Vec<&'a str>>,
    /// Every state by name, those in branches included.
    states: BTreeMap<&'a str, &'a Value>,
}

impl<'a> Machine<'a> {
    fn of(side: Side<'a>) -> Self {
        let mut machine = Self::default();
        let steps = side.plan().and_then(|plan| plan.get("steps")).and_then(Value::as_object);
        machine.steps = steps.into_iter().flatten().map(|(name, plan)| (name.as_str(), plan)).collect();
        let needs = side.template.pointer("/Metadata/dpc/needs").and_then(Value::as_object);
        for (step, list) in needs.into_iter().flatten() {
            let list = list.as_array().into_iter().flatten().filter_map(Value::as_str).collect();
            machine.needs.insert(step, list);
        }
        if let Some(definition) = side.machine() {
            machine.collect(definition);
        }
        machine
    }

    /// The states of a scope. What is inside a map belongs to the map's state.
    fn collect(&mut self, scope: &'a Value) {
        for (name, state) in scope.get("States").and_then(Value::as_object).into_iter().flatten() {
            self.states.insert(name, state);
            for branch in state.get("Branches").and_then(Value::as_array).into_iter().flatten() {
                self.collect(branch);
            }
        }
    }

    /// The states that a step has become: its own, and those named after it.
    fn of_step(&self, step: &str) -> Map<String, Value> {
        let own = |name: &str| name == step || name.strip_prefix(step).is_some_and(|rest| rest.starts_with(':'));
        let states = self.states.iter().filter(|(name, _)| own(name));
        states.map(|(name, state)| ((*name).to_owned(), (*state).clone())).collect()
    }

    fn is_step(&self, state: &str) -> bool {
        let step = state.split(':').next().unwrap_or_default();
        self.steps.contains_key(step) || state.starts_with("in parallel: ")
    }
}

/// What leads from state to state, and how results are kept: dpc's own affair.
const FRAME: [&str; 8] = ["Next", "Default", "StartAt", "End", "Choices", "Catch", "Output", "Assign"];

fn of_step(step: &str, sign: Sign, text: String, hints: Vec<String>) -> Difference {
    Difference::new(Section::Steps, sign, text).because([Scope::step(step), Scope::key("steps")], hints)
}

fn needs(step: &str, old: &Machine<'_>, new: &Machine<'_>) -> Option<Difference> {
    let set = |machine: &Machine<'_>| -> BTreeSet<String> {
        machine.needs.get(step).into_iter().flatten().map(|need| (*need).to_owned()).collect()
    };
    let (before, after) = (set(old), set(new));
    let more = after.difference(&before).map(|need| format!("+ {need}"));
    let fewer = before.difference(&after).map(|need| format!("- {need}"));
    let words: Vec<String> = more.chain(fewer).collect();
    let hints = after.difference(&before).cloned().chain(["needs".to_owned()]).collect();
    (!words.is_empty())
        .then(|| of_step(step, Sign::Changed, format!("step `{step}` needs {}", words.join(", ")), hints))
}

/// What a step of both sides does otherwise.
fn work(step: &str, old: &Machine<'_>, new: &Machine<'_>) -> Option<Difference> {
    let nothing = Value::Null;
    let plan = |machine: &Machine<'_>| machine.steps.get(step).copied().unwrap_or(&nothing).clone();
    let mut leaves = leaves(&plan(old), &plan(new), &|_| false);
    let states = |machine: &Machine<'_>| Value::Object(machine.of_step(step));
    let of_states = super::values::leaves(&states(old), &states(new), &|key| FRAME.contains(&key));
    leaves.extend(of_states.into_iter().map(|mut leaf| {
        // Its own state needs no name, and arguments are what most is about.
        if leaf.path.first().is_some_and(|name| name == step) {
            leaf.path.remove(0);
        }
        if leaf.path.first().is_some_and(|key| key == "Arguments") {
            leaf.path.remove(0);
        }
        leaf
    }));
    // Another archive, or another script that runs it, is told once for all steps.
    leaves.retain(|leaf| !is_archive(leaf));
    if leaves.is_empty() {
        return None;
    }
    let hints = leaves.iter().flat_map(Leaf::hints).collect();
    Some(of_step(step, Sign::Changed, format!("step `{step}`"), hints).leaves(&leaves))
}

/// Whether two texts differ in a digest only.
fn is_archive(leaf: &Leaf) -> bool {
    let text = |value: &Option<Value>| value.as_ref().map(super::values::text).unwrap_or_default();
    let (before, after) = (text(&leaf.before), text(&leaf.after));
    let blank = |text: &str| digests(text).into_iter().fold(text.to_owned(), |text, digest| text.replace(digest, ""));
    !digests(&before).is_empty() && blank(&before) == blank(&after)
}

/// The archive of the pipeline's folder and the script that runs steps, told by the names of their files.
fn files(before: Side<'_>, after: Side<'_>) -> Vec<Difference> {
    let (old, new) = (archives(before), archives(after));
    let mut found = Vec::new();
    for (prefix, text, scope) in [
        ("artifacts/", "files of the pipeline's folder", "name"),
        ("runner/", "the script in which steps run, which is dpc's own", "steps"),
    ] {
        let get = |list: &BTreeSet<String>| list.iter().find(|key| key.starts_with(prefix)).cloned();
        if let (Some(one), Some(other)) = (get(&old), get(&new))
            && one != other
        {
            let short =
                |key: &str| digests(key).first().and_then(|digest| digest.get(..8)).unwrap_or_default().to_owned();
            let difference = Difference::new(Section::Steps, Sign::Changed, text);
            let difference = difference.detail(format!("archive {} -> {}", short(&one), short(&other)));
            found.push(difference.because([Scope::key(scope)], []));
        }
    }
    found
}

/// Keys of the bucket that end in a digest's name, anywhere in the resources.
fn archives(side: Side<'_>) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    let mut open: Vec<&Value> = side.resources().map(|(_, resource)| resource).collect();
    while let Some(value) = open.pop() {
        match value {
            Value::Array(items) => open.extend(items),
            Value::Object(map) => open.extend(map.values()),
            Value::String(text) => {
                for prefix in ["artifacts/", "runner/"] {
                    if let Some(at) = text.find(prefix)
                        && let Some(key) = text.get(at..)
                        && !digests(key).is_empty()
                    {
                        found.insert(key.to_owned());
                    }
                }
            }
            Value::Null | Value::Bool(_) | Value::Number(_) => {}
        }
    }
    found
}

/// The states around the steps: clusters, the check of the input, the end.
fn frame(old: &Machine<'_>, new: &Machine<'_>, rewired: bool) -> Vec<Difference> {
    let names: BTreeSet<&&str> = old.states.keys().chain(new.states.keys()).collect();
    let mut found = Vec::new();
    let mut redrawn = 0;
    for name in names.into_iter().filter(|name| !old.is_step(name) && !new.is_step(name)) {
        match (old.states.get(*name), new.states.get(*name)) {
            (None, Some(_)) => {
                let text = format!("the run also does `{name}`");
                found.push(of_frame(name, Sign::Added, text, Vec::new()));
            }
            (Some(_), None) => {
                let text = format!("the run no longer does `{name}`");
                found.push(of_frame(name, Sign::Removed, text, Vec::new()));
            }
            (Some(one), Some(other)) => {
                let leaves: Vec<Leaf> =
                    leaves(one, other, &|key| ["Next", "Default", "Output", "Catch"].contains(&key));
                let told: Vec<&Leaf> = leaves.iter().filter(|leaf| !is_code(leaf) && !is_archive(leaf)).collect();
                if !told.is_empty() {
                    let hints = told.iter().flat_map(|leaf| leaf.hints()).collect();
                    let mut one = of_frame(name, Sign::Changed, format!("`{name}`"), hints).leaves(told);
                    one.details.iter_mut().for_each(|detail| detail.text = trimmed(&detail.text));
                    found.push(one);
                } else if canonical(one) != canonical(other) {
                    redrawn += 1;
                }
            }
            (None, None) => {}
        }
    }
    let steps = new.states.iter().filter(|(name, state)| {
        new.is_step(name) && old.states.get(*name).is_some_and(|other| framed(other) != framed(state))
    });
    redrawn += steps.count();
    if redrawn > 0 && found.is_empty() && !rewired {
        let text = "how results pass from state to state, as this version of dpc writes it";
        found.push(Difference::new(Section::Steps, Sign::Changed, text).because([Scope::key("steps")], []));
    }
    found
}

/// The part of a state that is dpc's own.
fn framed(state: &Value) -> Value {
    let own = state.as_object().into_iter().flatten().filter(|(key, _)| FRAME.contains(&key.as_str()));
    canonical(&own.map(|(key, value)| (key.clone(), value.clone())).collect())
}

/// Code of dpc's own, which users cannot read a cause from.
fn is_code(leaf: &Leaf) -> bool {
    let code =
        |value: &Option<Value>| value.as_ref().and_then(Value::as_str).is_some_and(|text| text.starts_with("{%"));
    code(&leaf.before) || code(&leaf.after)
}

/// Paths of the frame begin with what every reader would skip.
fn trimmed(words: &str) -> String {
    let words = words.strip_prefix("Choices.").unwrap_or(words);
    masked(words.strip_prefix("Arguments.").unwrap_or(words))
}

fn of_frame(name: &str, sign: Sign, text: String, hints: Vec<String>) -> Difference {
    // `Create cluster`, `Release cluster`: the profile's name is the last word.
    let profile = name.split(' ').next_back().unwrap_or_default().to_owned();
    let scopes = [Scope::key("compute"), Scope::key("timeout"), Scope::key("steps")];
    Difference::new(Section::Steps, sign, text).because(scopes, hints.into_iter().chain([profile]))
}
