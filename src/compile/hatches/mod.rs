//! What a manifest says in CloudFormation's words, done to the template: `resources` added, `overrides` applied.
//!
//! In come the generated template and the manifest; out comes the template that is deployed, with the place in the manifest
//! of everything that users put there. It refuses to know what resources mean: it knows how they refer to each other.

mod overrides;
mod references;
mod resources;

use std::collections::BTreeMap;

use crate::compile::checks;
use crate::documents::frame;
use crate::documents::patch::Pointer;
use crate::documents::template::Template;
use crate::language::manifest::Manifest;
use crate::source::{Code, Finding, Findings, Span};

pub use overrides::Change;

/// Adds, patches, and checks that what is referred to is there.
pub(super) fn apply(
    manifest: &Manifest,
    template: Template,
    origins: &mut BTreeMap<String, Span>,
    findings: &mut Findings,
) -> (Template, Vec<Change>) {
    if manifest.resources.is_empty() && manifest.overrides.is_empty() {
        return (template, Vec::new());
    }
    let mut template = resources::add(manifest, template, origins, findings);
    let mut changes = Vec::new();
    if !manifest.overrides.is_empty() {
        (template, changes) = overrides::patch(manifest, &template, origins, findings);
    }
    if !findings.has_errors() {
        let places = Places { manifest, origins, changes: &changes };
        references::check(&template.to_value(), &places, findings);
        if !changes.is_empty() {
            machine(&template, &places, findings);
        }
    }
    (template, changes)
}

/// The state machine is still one that Step Functions takes.
fn machine(template: &Template, places: &Places<'_>, findings: &mut Findings) {
    let own = Pointer::of(["Resources", frame::STATE_MACHINE, "Properties", "Definition"]);
    if !places.changes.iter().any(|change| change.path.leads_to(&own) || own.leads_to(&change.path)) {
        return;
    }
    let whole = template.to_value();
    let (definition, _) = own.follow(&whole);
    let known: Vec<_> = checks::machine::known().copied().collect();
    for problem in checks::definition::problems(definition, &known) {
        let at = problem.at.keys().fold(own.clone(), |at, key| at.then(key));
        // What is broken elsewhere was broken by what was changed last.
        let last = places.changes.iter().rev().find(|change| own.leads_to(&change.path));
        let span = match (places.of(&at), last) {
            ((span, true), _) => span,
            ((span, false), last) => last.map_or(span, |change| change.span),
        };
        findings.push(
            Finding::at(Code::BrokenDefinition, span, format!("the state machine is broken: {}", problem.message), "")
                .why(format!("this is so at `{at}`, and Step Functions would refuse it or never get there"))
                .help("`dpc synth` writes the template that the overrides change"),
        );
    }
}

/// Where in the manifest a part of the template comes from.
struct Places<'a> {
    manifest: &'a Manifest,
    origins: &'a BTreeMap<String, Span>,
    changes: &'a [Change],
}

impl Places<'_> {
    /// The place of a part, and whether a user wrote it there.
    fn of(&self, pointer: &Pointer) -> (Span, bool) {
        let changed = self.changes.iter().rev().find(|change| change.path.leads_to(pointer));
        if let Some(change) = changed {
            return (change.place(self.manifest, pointer), true);
        }
        let Some(id) = pointer.key(1) else { return (self.manifest.name.span, false) };
        let written = self.manifest.resources.iter().find(|(name, _)| name.value == id);
        if let Some((name, resource)) = written {
            return (resource.value.place(pointer.keys().skip(2)).unwrap_or(name.span), true);
        }
        (self.origins.get(id).copied().unwrap_or(self.manifest.name.span), false)
    }
}
