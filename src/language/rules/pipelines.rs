//! No two pipelines of a project have one name.

use std::collections::HashMap;

use crate::language::project::Pipeline;
use crate::source::{Code, Finding, Findings};

pub fn check(pipelines: &[Pipeline], findings: &mut Findings) {
    let mut first: HashMap<&str, &Pipeline> = HashMap::new();
    for pipeline in pipelines {
        let name = &pipeline.manifest.name;
        let Some(other) = first.get(name.as_str()) else {
            first.insert(name.as_str(), pipeline);
            continue;
        };
        findings.push(
            Finding::at(
                Code::DuplicatePipeline,
                name.span,
                format!("two pipelines are named `{}`", name.value),
                "second",
            )
            .and(other.manifest.name.span, "first")
            .why(format!("the name is the identity: both would own the stack `dpc-{}`", name.value))
            .help("rename one of them"),
        );
    }
}
