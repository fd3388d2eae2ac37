//! `resources`: raw CloudFormation beside what dpc makes.

use std::collections::BTreeMap;

use crate::documents::template::{Resource, Template};
use crate::language::manifest::Manifest;
use crate::source::{Code, Finding, Findings, Span};

/// The template with the manifest's resources behind dpc's own.
pub(super) fn add(
    manifest: &Manifest,
    mut template: Template,
    origins: &mut BTreeMap<String, Span>,
    findings: &mut Findings,
) -> Template {
    for (id, resource) in manifest.resources.iter() {
        if let Some(own) = template.get(&id.value) {
            findings.push(
                Finding::at(Code::BadLogicalId, id.span, format!("`{}` is a resource of dpc's", id.value), "")
                    .why(format!("the generated template has one of this name: {}", own.purpose()))
                    .help("choose another logical id; to change the generated resource, use `overrides`"),
            );
            continue;
        }
        origins.insert(id.value.clone(), id.span);
        template.add(id.value.clone(), Resource::whole(&id.value, resource.value.to_json()));
    }
    template
}
