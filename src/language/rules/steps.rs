//! There is at least one step, and no two have one name.

use std::collections::HashMap;

use crate::language::project::Pipeline;
use crate::source::{Code, Finding, Findings, Span};

pub fn check(pipeline: &Pipeline, findings: &mut Findings) {
    let manifest = &pipeline.manifest;
    if manifest.steps.is_empty() {
        let message = format!("pipeline `{}` has no steps", manifest.name.value);
        findings.push(
            Finding::at(Code::NoSteps, manifest.steps.span, message, "")
                .why("a run without steps would succeed without having done anything")
                .help("add a step: `- { name: hello, shell: { command: [echo, hello] } }`"),
        );
    }
    let mut first: HashMap<&str, Span> = HashMap::new();
    for step in manifest.all_steps() {
        let name = &step.name;
        match first.get(name.as_str()) {
            None => {
                first.insert(name.as_str(), name.span);
            }
            Some(span) => findings.push(
                Finding::at(Code::DuplicateStep, name.span, format!("two steps are named `{}`", name.value), "second")
                    .and(*span, "first")
                    .why(format!("`needs: [{}]` could mean either", name.value))
                    .help("rename one of them"),
            ),
        }
    }
}
