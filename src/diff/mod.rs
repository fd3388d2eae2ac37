//! What differs between two templates of one pipeline, by meaning.
//!
//! In come the template that is deployed, if there is one, and the one that would be; out come differences in sections, each
//! with what to look for in the manifest to find the line that causes it. It refuses to know AWS, files and where the
//! templates come from; the order of statements, keys and states is no difference.

pub mod find;
mod permissions;
mod policy;
mod replacement;
mod resources;
mod runs;
mod state_machine;
mod values;

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use crate::control::plan::{PartitionPlan, SchedulePlan};

/// A part of what is printed, in the order of printing: what can do the most harm comes first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Section {
    /// What roles may do.
    Permissions,
    /// Resources that come, go, or are made anew.
    Resources,
    /// When runs start.
    Schedule,
    /// What else starts runs.
    Triggers,
    /// What a run does.
    Steps,
    /// What a run is: partition, parameters, who hears of it.
    Runs,
    /// Other pipelines that rely on this one.
    Downstream,
}

/// What kind of difference it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sign {
    /// More is allowed.
    Widened,
    /// Something is made anew, which loses what it held.
    Replaced,
    /// Something goes.
    Removed,
    /// Something comes.
    Added,
    /// Something is different.
    Changed,
    /// Less is allowed.
    Narrowed,
}

/// One difference.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Difference {
    /// Where it is printed.
    pub section: Section,
    /// What kind it is.
    pub sign: Sign,
    /// A phrase.
    pub text: String,
    /// Further lines.
    pub details: Vec<Detail>,
    /// How to find the line that causes it.
    pub cause: Cause,
    /// The logical id of the resource that it is about.
    pub resource: Option<String>,
}

/// A further line of a difference.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Detail {
    /// What it says.
    pub text: String,
    /// Texts to look for, in the scopes of the difference, to find the line that causes this one.
    pub words: Vec<String>,
}

/// How to find the line of the manifest that causes a difference: the first of the scopes in which one of the words stands,
/// else the first scope there is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Cause {
    /// Parts of the manifest, the most likely first.
    pub scopes: Vec<Scope>,
    /// Texts to look for, the most telling first.
    pub words: Vec<String>,
}

/// A part of a manifest.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Scope {
    /// A key at the top: `access`.
    Key(String),
    /// The step of this name.
    Step(String),
    /// What made this resource.
    Resource(String),
}

/// The schedules of both sides, where they or the partition differ: whoever knows the time says when runs come.
#[derive(Clone, Debug, PartialEq)]
pub struct Times {
    /// Schedules that go.
    pub removed: Vec<SchedulePlan>,
    /// Schedules that come.
    pub added: Vec<SchedulePlan>,
    /// Schedules that stay, although their partition may be another.
    pub kept: Vec<SchedulePlan>,
    /// The partition before and after.
    pub partition: (Option<PartitionPlan>, Option<PartitionPlan>),
}

/// Everything that differs.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Diff {
    /// Whether there is nothing yet.
    pub creates: bool,
    /// The differences, by section; within one, by sign.
    pub differences: Vec<Difference>,
    /// What to say of the times.
    pub times: Option<Times>,
    /// Whether the bytes differ although nothing that is known to matter does.
    pub unexplained: bool,
}

impl Diff {
    /// Whether both sides are the same.
    pub fn is_empty(&self) -> bool {
        self.differences.is_empty() && self.times.is_none() && !self.creates && !self.unexplained
    }

    /// Whether something is made anew or deleted, or some role may do more: what to look at twice.
    pub fn needs_attention(&self) -> bool {
        let grave = |one: &Difference| {
            matches!(one.sign, Sign::Widened | Sign::Replaced)
                || (one.section == Section::Resources && one.sign == Sign::Removed)
        };
        self.differences.iter().any(grave)
    }
}

/// A side of the comparison.
#[derive(Clone, Copy, Debug)]
struct Side<'a> {
    template: &'a Value,
}

impl<'a> Side<'a> {
    fn resources(self) -> impl Iterator<Item = (&'a String, &'a Value)> {
        self.template.get("Resources").and_then(Value::as_object).into_iter().flatten()
    }

    fn resource(self, id: &str) -> Option<&'a Value> {
        self.template.get("Resources")?.get(id)
    }

    /// The plan that the registration carries.
    fn plan(self) -> Option<&'a Map<String, Value>> {
        let mut resources = self.resources().map(|(_, resource)| resource);
        let registration = resources.find(|resource| kind(resource) == "Custom::DpcPipeline")?;
        registration.pointer("/Properties/Plan")?.as_object()
    }

    fn machine(self) -> Option<&'a Value> {
        let mut resources = self.resources().map(|(_, resource)| resource);
        let machine = resources.find(|resource| kind(resource) == "AWS::StepFunctions::StateMachine")?;
        machine.pointer("/Properties/Definition")
    }
}

/// The type of a resource.
fn kind(resource: &Value) -> &str {
    resource.get("Type").and_then(Value::as_str).unwrap_or_default()
}

/// Compares; the tags are the stack's, where they are known.
pub fn diff(before: Option<&Value>, after: &Value, tags: Option<(&Tags, &Tags)>) -> Diff {
    let nothing = Value::Null;
    let creates = before.is_none();
    let before = Side { template: before.unwrap_or(&nothing) };
    let after = Side { template: after };
    let mut differences = permissions::differences(before, after);
    differences.extend(resources::differences(before, after));
    if let Some((old, new)) = tags {
        differences.extend(resources::tags(old, new));
    }
    let times = runs::times(before, after);
    differences.extend(runs::differences(before, after));
    if !creates {
        differences.extend(state_machine::differences(before, after));
    }
    differences.sort_by_key(|one| (one.section, one.sign as u8));
    let known = !differences.is_empty() || times.is_some() || creates;
    let unexplained = !known && !same(before.template, after.template);
    Diff { creates, differences, times, unexplained }
}

/// Tags of a stack.
pub type Tags = BTreeMap<String, String>;

/// Whether two templates say the same: the order of keys is nothing, and so is what is said for people only.
fn same(before: &Value, after: &Value) -> bool {
    let part = |template: &Value| template.get("Resources").cloned().unwrap_or_default();
    values::canonical(&part(before)) == values::canonical(&part(after))
}

impl Difference {
    fn new(section: Section, sign: Sign, text: impl Into<String>) -> Self {
        Self { section, sign, text: text.into(), details: Vec::new(), cause: Cause::default(), resource: None }
    }

    fn of(mut self, resource: &str) -> Self {
        self.resource = Some(resource.to_owned());
        self
    }

    fn because(mut self, scopes: impl IntoIterator<Item = Scope>, words: impl IntoIterator<Item = String>) -> Self {
        self.cause.scopes.extend(scopes);
        self.cause.words.extend(words);
        self
    }

    fn detail(mut self, line: impl Into<String>) -> Self {
        self.details.push(Detail::from(line.into()));
        self
    }

    /// With a line for each leaf.
    fn leaves<'a>(mut self, leaves: impl IntoIterator<Item = &'a values::Leaf>) -> Self {
        self.details.extend(leaves.into_iter().map(|leaf| Detail { text: leaf.words(), words: leaf.hints() }));
        self
    }
}

impl From<String> for Detail {
    fn from(text: String) -> Self {
        Self { text, words: Vec::new() }
    }
}

impl Scope {
    fn key(key: &str) -> Self {
        Scope::Key(key.to_owned())
    }

    fn step(step: &str) -> Self {
        Scope::Step(step.to_owned())
    }

    fn resource(id: &str) -> Self {
        Scope::Resource(id.to_owned())
    }
}

#[cfg(test)]
mod tests;
