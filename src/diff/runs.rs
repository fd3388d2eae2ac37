//! What the account function knows of a pipeline: schedules, other triggers, partition, parameters, alerts.

use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

use super::values::{canonical, leaves, short};
use super::{Difference, Scope, Section, Side, Sign, Times};
use crate::control::plan::{EventPlan, SchedulePlan};

/// The schedules, where they or the partition of their runs differ.
pub(super) fn times(before: Side<'_>, after: Side<'_>) -> Option<Times> {
    let schedules = |side: Side<'_>| -> Vec<SchedulePlan> { list(side, "schedules") };
    let (old, new) = (schedules(before), schedules(after));
    let partition = |side: Side<'_>| side.plan()?.get("partition").and_then(read);
    let partition = (partition(before), partition(after));
    let not_in = |list: &[SchedulePlan], other: &[SchedulePlan]| -> Vec<SchedulePlan> {
        list.iter().filter(|schedule| !other.contains(schedule)).cloned().collect()
    };
    let (removed, added) = (not_in(&old, &new), not_in(&new, &old));
    let moved = partition.0.is_some() && partition.0 != partition.1;
    let kept = if moved { not_in(&new, &added) } else { Vec::new() };
    let any = !removed.is_empty() || !added.is_empty() || !kept.is_empty();
    any.then_some(Times { removed, added, kept, partition })
}

fn list<T: DeserializeOwned>(side: Side<'_>, key: &str) -> Vec<T> {
    let items = side.plan().and_then(|plan| plan.get(key)).and_then(Value::as_array);
    items.into_iter().flatten().filter_map(read).collect()
}

/// What another version of dpc may have written otherwise is not read.
fn read<T: DeserializeOwned>(value: &Value) -> Option<T> {
    serde_json::from_value(value.clone()).ok()
}

/// Keys of a plan that other sections tell, or that say where it lies.
const TOLD: [&str; 9] =
    ["version", "pipeline", "space", "stateMachine", "topic", "schedules", "steps", "events", "executions"];

/// Everything else that the plan says.
pub(super) fn differences(before: Side<'_>, after: Side<'_>) -> Vec<Difference> {
    let mut found = events(before, after);
    let nothing = Map::new();
    let (old, new) = (before.plan(), after.plan().unwrap_or(&nothing));
    let get = |plan: &Map<String, Value>, key: &str| plan.get(key).cloned().unwrap_or_default();
    found.extend(executions(old.map(|old| get(old, "executions")), &get(new, "executions")));
    // What a new pipeline is stands in its file.
    let Some(old) = old else { return found };
    let mut keys: Vec<&String> = old.keys().chain(new.keys()).collect();
    keys.sort();
    keys.dedup();
    for key in keys.into_iter().filter(|key| !TOLD.contains(&key.as_str())) {
        let (one, other) = (get(old, key), get(new, key));
        if canonical(&one) == canonical(&other) {
            continue;
        }
        let leaves = leaves(&one, &other, &|_| false);
        let hints = leaves.iter().flat_map(|leaf| leaf.hints()).collect::<Vec<_>>();
        let new = |text: String| Difference::new(Section::Runs, Sign::Changed, text);
        let one = match leaves.as_slice() {
            [only] => new(format!("{key}: {}", only.words())),
            several => new(key.clone()).leaves(several),
        };
        found.push(one.because([Scope::key(key)], hints));
    }
    found
}

/// Events that start runs, by what they wait for.
fn events(before: Side<'_>, after: Side<'_>) -> Vec<Difference> {
    let (old, new): (Vec<EventPlan>, Vec<EventPlan>) = (list(before, "events"), list(after, "events"));
    let without = |list: &[EventPlan], other: &[EventPlan]| -> Vec<EventPlan> {
        list.iter().filter(|one| !other.iter().any(|other| other.words == one.words)).cloned().collect()
    };
    let difference = |sign: Sign, event: &EventPlan| {
        let text = if sign == Sign::Added { "starts on" } else { "starts no longer on" };
        let one = Difference::new(Section::Triggers, sign, format!("{text} {}", event.words));
        one.because([Scope::key("triggers")], [event.words.clone(), "events".to_owned()])
    };
    let come = without(&new, &old).into_iter().map(|event| difference(Sign::Added, &event));
    let go = without(&old, &new).into_iter().map(|event| difference(Sign::Removed, &event));
    let mut found: Vec<Difference> = come.chain(go).collect();
    for event in &new {
        let same = old.iter().find(|other| other.words == event.words && other.except != event.except);
        if same.is_some() {
            let text = format!("other keys are left to other pipelines: {}", event.words);
            let one = Difference::new(Section::Triggers, Sign::Changed, text);
            found.push(one.because([Scope::key("triggers")], [event.words.clone(), "events".to_owned()]));
        }
    }
    found
}

/// The condition on other pipelines.
fn executions(before: Option<Value>, after: &Value) -> Vec<Difference> {
    let before = before.unwrap_or_default();
    let because = |one: Difference| one.because([Scope::key("triggers")], ["executions".to_owned()]);
    let section = Section::Triggers;
    let one = match (before.is_null(), after.is_null()) {
        (true, true) => return Vec::new(),
        (false, false) if canonical(&before) == canonical(after) => return Vec::new(),
        (true, false) => Difference::new(section, Sign::Added, "waits for other pipelines").detail(short(after)),
        (false, true) => Difference::new(section, Sign::Removed, "waits for no other pipeline any more"),
        (false, false) => {
            let one = Difference::new(section, Sign::Changed, "waits for other pipelines otherwise");
            one.leaves(&leaves(&before, after, &|_| false))
        }
    };
    vec![because(one)]
}
