//! Resources that come, go, are made anew, or are changed in a way that no other section tells.

use std::collections::BTreeMap;

use serde_json::Value;

use super::replacement::{Fate, fate, is_known};
use super::values::{Leaf, canonical, leaves};
use super::{Difference, Scope, Section, Side, Sign, Tags, kind};

/// Every difference of resources.
pub(super) fn differences(before: Side<'_>, after: Side<'_>) -> Vec<Difference> {
    let mut found = Vec::new();
    for (id, resource) in before.resources().filter(|(id, _)| after.resource(id).is_none()) {
        if !told_elsewhere(resource) {
            let text = format!("`{id}` goes: {}", purpose(resource));
            found.push(Difference::new(Section::Resources, Sign::Removed, text).of(id).because([parent(resource)], []));
        }
    }
    for (id, resource) in after.resources().filter(|(id, _)| before.resource(id).is_none()) {
        if !told_elsewhere(resource) {
            let text = format!("`{id}`: {}", purpose(resource));
            let hints = resource.get("Properties").map(hints).unwrap_or_default();
            let scopes = [Scope::resource(id)];
            found.push(Difference::new(Section::Resources, Sign::Added, text).of(id).because(scopes, hints));
        }
    }
    let changed: Vec<Changed<'_>> =
        after.resources().filter_map(|(id, new)| Changed::of(id, before.resource(id)?, new)).collect();
    let replaced = replaced(&changed, after);
    found.extend(changed.iter().filter_map(|one| one.difference(replaced.get(one.id))));
    for (id, because) in replaced.iter().filter(|(id, _)| !changed.iter().any(|one| one.id == id.as_str())) {
        let what = after.resource(id).map(purpose).unwrap_or_default();
        let text = format!("`{id}` is made anew: {what}");
        let one = Difference::new(Section::Resources, Sign::Replaced, text).of(id).detail(because.clone());
        found.push(one.because([Scope::resource(id)], []));
    }
    found
}

/// Schedules and what is told of mails stand in sections of their own.
fn told_elsewhere(resource: &Value) -> bool {
    matches!(kind(resource), "AWS::Scheduler::Schedule")
}

fn purpose(resource: &Value) -> String {
    let said = resource.pointer("/Metadata/dpc/purpose").and_then(Value::as_str);
    said.unwrap_or_else(|| kind(resource)).to_owned()
}

/// Where a resource that goes was probably written.
fn parent(resource: &Value) -> Scope {
    let key = match kind(resource) {
        "AWS::SNS::Subscription" | "AWS::SNS::Topic" => "alerts",
        "AWS::Scheduler::Schedule" | "AWS::Events::Rule" => "triggers",
        "AWS::ECS::TaskDefinition" | "AWS::Logs::LogGroup" => "steps",
        _ => "resources",
    };
    Scope::key(key)
}

fn hints(properties: &Value) -> Vec<String> {
    let told = ["Endpoint", "Family", "Name"];
    told.iter().filter_map(|key| properties.get(key)).map(super::values::text).collect()
}

/// A resource of both sides that is not the same.
struct Changed<'a> {
    id: &'a str,
    resource: &'a Value,
    kind_before: &'a str,
    leaves: Vec<Leaf>,
}

impl<'a> Changed<'a> {
    fn of(id: &'a str, before: &'a Value, after: &'a Value) -> Option<Self> {
        let part = |resource: &Value| {
            let mut part = resource.clone();
            if let Some(map) = part.as_object_mut() {
                map.remove("Metadata");
            }
            part
        };
        let (old, new) = (part(before), part(after));
        if canonical(&old) == canonical(&new) {
            return None;
        }
        let leaves = leaves(&old, &new, &|_| false);
        let strip = |mut leaf: Leaf| {
            if leaf.path.first().is_some_and(|key| key == "Properties") {
                leaf.path.remove(0);
            }
            leaf
        };
        let leaves = leaves.into_iter().map(strip).collect();
        Some(Self { id, resource: after, kind_before: kind(before), leaves })
    }

    /// The first leaf whose change replaces the resource.
    fn replacing(&self) -> Option<&Leaf> {
        let kind = kind(self.resource);
        self.leaves
            .iter()
            .find(|leaf| leaf.path.first().is_some_and(|key| key == "Type" || fate(kind, key) == Fate::Replaced))
    }

    fn difference(&self, replaced: Option<&String>) -> Option<Difference> {
        let kind = kind(self.resource);
        let what = purpose(self.resource);
        let own = self.replacing();
        if own.is_some() || replaced.is_some() {
            let text = if self.kind_before == kind {
                format!("`{}` is made anew: {what}", self.id)
            } else {
                format!("`{}` is made anew, as {kind} in place of {}", self.id, self.kind_before)
            };
            let one = Difference::new(Section::Resources, Sign::Replaced, text).of(self.id).leaves(own);
            let one = if own.is_none() { one.detail(replaced.cloned().unwrap_or_default()) } else { one };
            let hints = own.map(Leaf::hints).unwrap_or_default();
            return Some(one.because([Scope::resource(self.id)], hints));
        }
        let told: Vec<&Leaf> = self.leaves.iter().filter(|leaf| !told_of(kind, leaf)).collect();
        let first = told.first()?;
        let text = format!("`{}` changes: {what}", self.id);
        let mut one = Difference::new(Section::Resources, Sign::Changed, text).of(self.id).leaves(told.iter().copied());
        if !is_known(kind) {
            one = one.detail("whether it is made anew only AWS can say: `--change-set` asks");
        }
        Some(one.because([Scope::resource(self.id)], first.hints()))
    }
}

/// What other sections say.
fn told_of(kind: &str, leaf: &Leaf) -> bool {
    let key = leaf.path.first().map(String::as_str).unwrap_or_default();
    match kind {
        "AWS::StepFunctions::StateMachine" => key == "Definition",
        "AWS::IAM::Role" => {
            matches!(key, "Policies" | "AssumeRolePolicyDocument" | "ManagedPolicyArns" | "PermissionsBoundary")
        }
        "AWS::IAM::Policy" | "AWS::IAM::ManagedPolicy" => key == "PolicyDocument",
        "Custom::DpcPipeline" => key == "Plan",
        _ => false,
    }
}

/// Every resource that is made anew, with the reason: its own property, or that it names another which is.
fn replaced(changed: &[Changed<'_>], after: Side<'_>) -> BTreeMap<String, String> {
    let own = changed.iter().filter_map(|one| Some((one.id.to_owned(), one.replacing()?.words())));
    let mut replaced: BTreeMap<String, String> = own.collect();
    loop {
        let mut more = Vec::new();
        for (id, resource) in after.resources().filter(|(id, _)| !replaced.contains_key(*id)) {
            let properties = resource.get("Properties").and_then(Value::as_object);
            for (key, value) in properties.into_iter().flatten() {
                let named = replaced.keys().find(|other| names(value, other));
                if let Some(other) = named.filter(|_| fate(kind(resource), key) == Fate::Replaced) {
                    more.push((id.clone(), format!("{key} names `{other}`, which is made anew")));
                    break;
                }
            }
        }
        if more.is_empty() {
            return replaced;
        }
        replaced.extend(more);
    }
}

/// Whether a value refers to a resource.
fn names(value: &Value, id: &str) -> bool {
    match value {
        Value::Array(items) => items.iter().any(|item| names(item, id)),
        Value::Object(map) => map.iter().any(|(key, inner)| match (key.as_str(), inner) {
            ("Ref", Value::String(name)) => name == id,
            ("Fn::GetAtt", Value::Array(parts)) => parts.first().and_then(Value::as_str) == Some(id),
            ("Fn::GetAtt", Value::String(name)) => name.split('.').next() == Some(id),
            ("Fn::Sub", Value::String(text)) => {
                text.contains(&format!("${{{id}}}")) || text.contains(&format!("${{{id}."))
            }
            (_, inner) => names(inner, id),
        }),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => false,
    }
}

/// Tags of the stack, which all its resources carry.
pub(super) fn tags(before: &Tags, after: &Tags) -> Vec<Difference> {
    let mut keys: Vec<&String> = before.keys().chain(after.keys()).collect();
    keys.sort();
    keys.dedup();
    let one = |key: &String| {
        let (sign, words) = match (before.get(key), after.get(key)) {
            (old, new) if old == new => return None,
            (Some(old), Some(new)) => (Sign::Changed, format!("{old} -> {new}")),
            (None, Some(new)) => (Sign::Added, new.clone()),
            (Some(old), None) => (Sign::Removed, old.clone()),
            (None, None) => return None,
        };
        let text = format!("tag {key} of every resource: {words}");
        // A tag that goes is no resource that goes.
        let sign = if sign == Sign::Removed { Sign::Changed } else { sign };
        let scopes = [Scope::key("tags"), Scope::key("owner")];
        Some(Difference::new(Section::Resources, sign, text).because(scopes, [key.clone()]))
    };
    keys.into_iter().filter_map(one).collect()
}
