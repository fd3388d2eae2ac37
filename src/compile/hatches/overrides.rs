//! `overrides`: RFC 6902 on the generated template.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::documents::frame;
use crate::documents::patch::{self, Fault, Operation, Pointer};
use crate::documents::template::Template;
use crate::language::manifest::Manifest;
use crate::language::raw::{Op, Override};
use crate::source::{Code, Finding, Findings, Span, Spanned, suggest};

/// A template is at most this many values, and this deep: copies of copies grow without end.
const VALUES: usize = 100_000;
const DEPTH: usize = 128;

/// What an override changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// What was added, replaced, moved or removed.
    pub path: Pointer,
    /// The override.
    pub span: Span,
    /// Its number in the manifest.
    at: usize,
}

impl Change {
    /// The place of a part of what was put there.
    pub(super) fn place(&self, manifest: &Manifest, pointer: &Pointer) -> Span {
        let value = manifest.overrides.get(self.at).and_then(|one| one.value.value.as_ref());
        value.map_or(self.span, |value| value.value.place(value.span, pointer.keys().skip(self.path.len())))
    }
}

/// The patched template, and what was changed in it.
pub(super) fn patch(
    manifest: &Manifest,
    template: &Template,
    origins: &mut BTreeMap<String, Span>,
    findings: &mut Findings,
) -> (Template, Vec<Change>) {
    let mut document = template.to_value();
    let mut changes = Vec::new();
    for (at, one) in manifest.overrides.iter().enumerate() {
        let Some(operation) = operation(&one.value) else { continue };
        if let Some(why) = kept(&operation) {
            findings.push(
                Finding::at(
                    Code::OverrideRefused,
                    one.path.span,
                    format!("`{}` cannot be overridden", one.path.value),
                    "",
                )
                .why(why)
                .help("remove this override; the keys of the pipeline.yaml change what is registered"),
            );
            continue;
        }
        match patch::apply(&mut document, &operation) {
            Err(fault) => findings.push(refused(&one.value, &fault, &document)),
            Ok(()) if too_large(&document) => {
                findings.push(grown(one));
                return (template.clone(), changes);
            }
            Ok(()) => changes.extend(changed(&operation, &document).map(|path| Change { path, span: one.span, at })),
        }
    }
    for (id, span) in new_resources(template, &document, &changes) {
        origins.insert(id, span);
    }
    check_resources(&document, &changes, manifest, findings);
    (Template::whole(document), changes)
}

/// The operation that an override asks for; `None` for one whose keys do not fit, which a rule reports.
fn operation(one: &Override) -> Option<Operation> {
    let path = Pointer::parse(&one.path.value)?;
    let value = || one.value.as_ref().map(|value| value.value.to_json());
    let from = || one.from.as_ref().and_then(|from| Pointer::parse(&from.value));
    Some(match one.op.value {
        Op::Add => Operation::Add(path, value()?),
        Op::Remove => Operation::Remove(path),
        Op::Replace => Operation::Replace(path, value()?),
        Op::Move => Operation::Move { from: from()?, to: path },
        Op::Copy => Operation::Copy { from: from()?, to: path },
        Op::Test => Operation::Test(path, value()?),
    })
}

/// Why an operation changes what dpc lives on, if it does.
fn kept(operation: &Operation) -> Option<&'static str> {
    const REGISTRATION: &str = "the account function takes the registration for what the pipeline.yaml says";
    const NAME: &str = "dpc knows runs by the name of their state machine";
    let touched = match operation {
        Operation::Add(path, _) | Operation::Remove(path) | Operation::Replace(path, _) => vec![path],
        Operation::Move { from, to } => vec![from, to],
        Operation::Copy { to, .. } => vec![to],
        Operation::Test(..) => return None,
    };
    let kept = [
        (vec!["Resources", frame::REGISTRATION, "Properties"], REGISTRATION),
        (vec!["Resources", frame::REGISTRATION, "Type"], REGISTRATION),
        (vec!["Resources", frame::STATE_MACHINE, "Type"], NAME),
        (vec!["Resources", frame::STATE_MACHINE, "Properties", "StateMachineName"], NAME),
        (vec!["Resources", frame::STATE_MACHINE, "Properties", "StateMachineType"], NAME),
    ];
    let meets = |keys: &[&str]| {
        let own = Pointer::of(keys.iter().copied());
        touched.iter().any(|path| path.leads_to(&own) || own.leads_to(path))
    };
    kept.iter().find(|(keys, _)| meets(keys)).map(|(_, why)| *why)
}

/// What was put or removed where. `-` is the item that is the last one now.
fn changed(operation: &Operation, document: &Value) -> impl Iterator<Item = Pointer> {
    let end = |path: &Pointer| match path.key(path.len().saturating_sub(1)) {
        Some("-") => {
            let parent = path.upto(path.len().saturating_sub(1));
            let items = parent.follow(document).0.as_array().map_or(0, Vec::len);
            if items == 0 { path.clone() } else { parent.then(&(items - 1).to_string()) }
        }
        _ => path.clone(),
    };
    match operation {
        Operation::Add(path, _) | Operation::Replace(path, _) | Operation::Copy { to: path, .. } => vec![end(path)],
        Operation::Remove(path) => vec![path.clone()],
        Operation::Move { from, to } => vec![from.clone(), end(to)],
        Operation::Test(..) => Vec::new(),
    }
    .into_iter()
}

fn too_large(document: &Value) -> bool {
    fn count(value: &Value, depth: usize, values: &mut usize) -> bool {
        *values += 1;
        *values > VALUES
            || depth > DEPTH
            || match value {
                Value::Array(items) => items.iter().any(|item| count(item, depth + 1, values)),
                Value::Object(entries) => entries.values().any(|value| count(value, depth + 1, values)),
                _ => false,
            }
    }
    count(document, 0, &mut 0)
}

fn grown(one: &Spanned<Override>) -> Finding {
    let message =
        format!("with this override the template has more than {VALUES} values, or is more than {DEPTH} deep");
    Finding::at(Code::BadOverride, one.span, message, "")
        .why("AWS takes templates of a megabyte; copies of copies grow without end")
        .help("copy less, or write the value out")
}

/// Resources that overrides added.
fn new_resources(before: &Template, after: &Value, changes: &[Change]) -> Vec<(String, Span)> {
    let resources = after.get("Resources").and_then(Value::as_object).into_iter().flatten();
    let new = resources.filter(|(id, _)| before.get(id).is_none());
    let span = |id: &str| {
        let own = Pointer::of(["Resources", id]);
        changes.iter().rev().find(|change| change.path.leads_to(&own)).map(|change| change.span)
    };
    new.filter_map(|(id, _)| Some((id.clone(), span(id)?))).collect()
}

/// Every resource is a mapping with a type, whatever was done to it.
fn check_resources(document: &Value, changes: &[Change], manifest: &Manifest, findings: &mut Findings) {
    let Some(resources) = document.get("Resources").and_then(Value::as_object) else { return };
    for (id, resource) in resources {
        if resource.get("Type").is_some_and(Value::is_string) {
            continue;
        }
        let own = Pointer::of(["Resources", id]);
        let change = changes.iter().rev().find(|change| change.path.leads_to(&own) || own.leads_to(&change.path));
        let span = change.map_or(manifest.name.span, |change| change.span);
        findings.push(
            Finding::at(Code::BadOverride, span, format!("`{own}` is no resource any more"), "")
                .why("a resource is a mapping with `Type`")
                .help("give it a `Type`, such as `{ Type: AWS::SNS::Topic, Properties: { … } }`"),
        );
    }
}

fn refused(one: &Override, fault: &Fault, document: &Value) -> Finding {
    match fault {
        Fault::Missing { pointer, depth } => missing(one, pointer, *depth, document),
        Fault::Differs { found } => {
            let message = format!("`{}` is {}, not what is tested for", one.path.value, shortened(found));
            let place = one.value.as_ref().map_or(one.path.span, |value| value.span);
            Finding::at(Code::OverrideTestFailed, place, message, "")
                .why("a test says what the overrides were written for, and that is no longer what dpc generates")
                .help("look at the template with `dpc synth`, then change or remove the overrides and their test")
        }
        Fault::IntoItself => Finding::at(
            Code::BadOverride,
            one.path.span,
            "a value cannot be moved into itself",
            "inside of what is moved",
        )
        .help("use `copy`, or another `path`"),
    }
}

/// The pointer leads nowhere: how far it leads, and where it was probably to lead.
fn missing(one: &Override, pointer: &Pointer, depth: usize, document: &Value) -> Finding {
    let written = match &one.from {
        Some(from) if from.value == pointer.to_string() => from,
        _ => &one.path,
    };
    let key = pointer.key(depth).unwrap_or_default();
    let reached = pointer.upto(depth);
    let message = format!("there is nothing at `{}`", written.value);
    let finding = Finding::at(Code::OverrideMissesPath, written.span, message, "");
    let inside = if reached.is_empty() { "the template".to_owned() } else { format!("`{reached}`") };
    let (holder, _) = reached.follow(document);
    let finding = match holder {
        Value::Object(_) => finding.why(format!("{inside} has no `{key}`")),
        Value::Array(items) => {
            finding.why(format!("{inside} is a list of {}, and `{key}` is none of its positions", items.len()))
        }
        other => finding.why(format!("{inside} is {}, which holds nothing", shortened(other))),
    };
    let near = near(pointer, depth, document);
    match near.as_slice() {
        [] => finding.help("`dpc synth` writes the template that the path leads into"),
        [only] => finding.fix(written.span, only.clone(), format!("did you mean `{only}`?")),
        several => {
            let listed: Vec<String> = several.iter().map(|path| format!("`{path}`")).collect();
            finding.help(format!("near are {}", listed.join(", ")))
        }
    }
}

/// Paths that exist and are near one that does not: the one whose first wrong key is misspelt, else those that end in
/// the same key, else what there is at the place where it goes wrong.
fn near(pointer: &Pointer, depth: usize, document: &Value) -> Vec<String> {
    let reached = pointer.upto(depth);
    let (holder, _) = reached.follow(document);
    let key = pointer.key(depth).unwrap_or_default();
    let children: Vec<String> = match holder {
        Value::Object(entries) => entries.keys().cloned().collect(),
        Value::Array(items) => (0..items.len()).map(|at| at.to_string()).collect(),
        _ => Vec::new(),
    };
    if let Some(child) = suggest::near(key, children.iter().map(String::as_str)) {
        let mended = pointer.keys().skip(depth + 1).fold(reached.then(child), |path, key| path.then(key));
        let (_, length) = mended.follow(document);
        // If more is wrong behind it, what is right is still worth saying.
        return vec![mended.upto(length).to_string()];
    }
    let mut same = Vec::new();
    // Positions are everywhere.
    let named = |key: &&str| *key != "-" && !key.bytes().all(|byte| byte.is_ascii_digit());
    if let Some(last) = pointer.key(pointer.len().saturating_sub(1)).filter(named) {
        ending_in(document, last, &Pointer::of([]), &mut same);
    }
    let shared = |path: &Pointer| path.keys().zip(pointer.keys()).take_while(|(one, other)| one == other).count();
    same.sort_by_key(|path| (std::cmp::Reverse(shared(path)), path.len()));
    if same.is_empty() {
        same.extend(children.iter().map(|child| reached.then(child)));
    }
    same.iter().take(4).map(Pointer::to_string).collect()
}

fn ending_in(value: &Value, last: &str, at: &Pointer, found: &mut Vec<Pointer>) {
    let mut below = |key: &str, value: &Value| {
        let path = at.then(key);
        if suggest::same(key, last) && !last.is_empty() {
            found.push(path.clone());
        }
        ending_in(value, last, &path, found);
    };
    match value {
        Value::Object(entries) => entries.iter().for_each(|(key, value)| below(key, value)),
        Value::Array(items) => items.iter().enumerate().for_each(|(at, item)| below(&at.to_string(), item)),
        _ => {}
    }
}

fn shortened(value: &Value) -> String {
    match value {
        Value::Object(_) => "a mapping".to_owned(),
        Value::Array(items) => format!("a list of {}", items.len()),
        Value::String(text) if text.chars().count() > 40 => {
            format!("`{}…`", text.chars().take(39).collect::<String>())
        }
        Value::String(text) => format!("`{text}`"),
        other => format!("`{other}`"),
    }
}
