//! What resources say of each other: every name that is referred to is there, and nothing waits for itself.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::Places;
use crate::documents::patch::Pointer;
use crate::source::{Code, Finding, Findings, suggest};

/// A reference in the template.
struct Reference {
    /// Where it stands.
    at: Pointer,
    /// The logical id, or the name of a parameter.
    to: String,
}

/// Reports references that lead nowhere, and resources that wait for each other.
pub(super) fn check(template: &Value, places: &Places<'_>, findings: &mut Findings) {
    let keys = |section: &str| template.get(section).and_then(Value::as_object).into_iter().flatten().map(|(id, _)| id);
    let resources: Vec<&str> = keys("Resources").map(String::as_str).collect();
    let known: Vec<&str> = resources.iter().copied().chain(keys("Parameters").map(String::as_str)).collect();
    let mut references = Vec::new();
    for section in ["Resources", "Outputs", "Conditions"] {
        if let Some(value) = template.get(section) {
            collect(value, &Pointer::of([section]), &mut references);
        }
    }
    let mut sound = true;
    for reference in &references {
        if known.contains(&reference.to.as_str()) || reference.to.starts_with("AWS::") {
            continue;
        }
        sound = false;
        findings.push(unknown(reference, &known, places));
    }
    if sound {
        cycle(&resources, &references, places, findings);
    }
}

fn unknown(reference: &Reference, known: &[&str], places: &Places<'_>) -> Finding {
    let (span, written) = places.of(&reference.at);
    let to = &reference.to;
    let removed = places.changes.iter().rev().find(|change| change.path == Pointer::of(["Resources", to]));
    if let (Some(change), false) = (removed, written) {
        let by = reference.at.key(1).unwrap_or_default();
        return Finding::at(
            Code::UnknownReference,
            change.span,
            format!("`{by}` still refers to `{to}`"),
            "removed here",
        )
        .why("CloudFormation refuses a template with a reference to nothing")
        .help(format!(
            "keep `{to}`, or remove what refers to it too: `{}`",
            reference.at.upto(reference.at.len() - 1)
        ));
    }
    let finding = Finding::at(Code::UnknownReference, span, format!("there is no resource `{to}` to refer to"), "");
    match suggest::near(to, known.iter().copied()) {
        Some(near) => finding.help(format!("did you mean `{near}`?")),
        None => {
            let all: Vec<String> = known.iter().take(12).map(|id| format!("`{id}`")).collect();
            let more = if known.len() > all.len() { " and more" } else { "" };
            finding.help(format!("there are {}{more}; `dpc synth` writes them all", all.join(", ")))
        }
    }
}

/// Everything that a part of a template refers to.
fn collect(value: &Value, at: &Pointer, found: &mut Vec<Reference>) {
    match value {
        Value::Array(items) => {
            items.iter().enumerate().for_each(|(index, item)| collect(item, &at.then(&index.to_string()), found));
        }
        Value::Object(entries) => {
            for (key, value) in entries {
                let below = at.then(key);
                let inside_resource = at.len() == 2 && at.key(0) == Some("Resources");
                match (key.as_str(), value) {
                    ("Ref", Value::String(id)) if entries.len() == 1 => {
                        found.push(Reference { at: below, to: id.clone() });
                    }
                    ("Fn::GetAtt", _) if entries.len() == 1 => found.extend(attribute(value, below)),
                    ("Fn::Sub", _) if entries.len() == 1 => substitution(value, &below, found),
                    ("DependsOn", _) if inside_resource => depends(value, &below, found),
                    // Text for people and tools; references in it are none.
                    ("Metadata", _) if inside_resource => {}
                    _ => collect(value, &below, found),
                }
            }
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

fn attribute(value: &Value, at: Pointer) -> Option<Reference> {
    let id = match value {
        Value::Array(parts) => parts.first()?.as_str()?,
        other => other.as_str()?.split('.').next()?,
    };
    Some(Reference { to: id.to_owned(), at })
}

fn depends(value: &Value, at: &Pointer, found: &mut Vec<Reference>) {
    match value {
        Value::String(id) => found.push(Reference { at: at.clone(), to: id.clone() }),
        Value::Array(items) => {
            items.iter().enumerate().for_each(|(index, item)| depends(item, &at.then(&index.to_string()), found));
        }
        _ => {}
    }
}

/// `${Topic}`, `${Topic.TopicArn}`; `${!x}` is literal, and names of the function's own map are no resources.
fn substitution(value: &Value, at: &Pointer, found: &mut Vec<Reference>) {
    let (text, own) = match value {
        Value::String(text) => (text.as_str(), None),
        Value::Array(parts) => (parts.first().and_then(Value::as_str).unwrap_or_default(), parts.get(1)),
        _ => return,
    };
    if let Some(own) = own {
        collect(own, &at.then("1"), found);
    }
    let place = if value.is_array() { at.then("0") } else { at.clone() };
    for part in text.split("${").skip(1) {
        let Some((name, _)) = part.split_once('}') else { continue };
        let name = name.trim();
        if name.starts_with('!') || own.is_some_and(|own| own.get(name).is_some()) {
            continue;
        }
        let id = name.split('.').next().unwrap_or_default();
        found.push(Reference { at: place.clone(), to: id.to_owned() });
    }
}

/// CloudFormation makes what is referred to first, so references must not lead back.
fn cycle(resources: &[&str], references: &[Reference], places: &Places<'_>, findings: &mut Findings) {
    let mut needs: BTreeMap<&str, Vec<String>> = BTreeMap::new();
    for reference in references.iter().filter(|reference| reference.at.key(0) == Some("Resources")) {
        let (Some(from), true) = (reference.at.key(1), resources.contains(&reference.to.as_str())) else { continue };
        let of = needs.entry(from).or_default();
        if !of.contains(&reference.to) {
            of.push(reference.to.clone());
        }
    }
    let Some(ring) = ring_of(resources, &needs) else { return };
    let words: Vec<String> = ring.iter().chain(ring.first()).map(|id| format!("`{id}`")).collect();
    // The place where a user made the ring close.
    let in_ring = references.iter().filter(|reference| {
        reference.at.key(1).is_some_and(|from| ring.iter().any(|id| id == from)) && ring.contains(&reference.to)
    });
    let written = in_ring.map(|reference| places.of(&reference.at)).find(|(_, written)| *written);
    let span = written.map_or(places.manifest.name.span, |(span, _)| span);
    findings.push(
        Finding::at(Code::ResourceCycle, span, format!("resources wait for each other: {}", words.join(" → ")), "")
            .why("CloudFormation makes what is referred to first, and here nothing can be first")
            .help("write one of the names out instead of referring to the resource"),
    );
}

/// The ids of a ring, if there is one: what is left when everything that can be made has been made holds one, and
/// whoever follows needs in it comes back.
fn ring_of(resources: &[&str], needs: &BTreeMap<&str, Vec<String>>) -> Option<Vec<String>> {
    let needed = |id: &str| needs.get(id).map(Vec::as_slice).unwrap_or_default();
    let mut left: BTreeSet<&str> = resources.iter().copied().collect();
    loop {
        let ready: Vec<&str> =
            left.iter().copied().filter(|id| !needed(id).iter().any(|need| left.contains(need.as_str()))).collect();
        if ready.is_empty() {
            break;
        }
        left.retain(|id| !ready.contains(id));
    }
    let mut path: Vec<String> = Vec::new();
    let mut at = (*left.first()?).to_owned();
    while !path.contains(&at) {
        let next = needed(&at).iter().find(|need| left.contains(need.as_str()))?.clone();
        path.push(std::mem::replace(&mut at, next));
    }
    let start = path.iter().position(|id| *id == at)?;
    Some(path.split_off(start))
}
