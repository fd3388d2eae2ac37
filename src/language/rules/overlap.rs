//! What runs of one pipeline do when they meet.

use crate::language::project::Pipeline;
use crate::source::{Code, Finding, Findings};

const WAYS: [&str; 4] = ["allow", "skip", "queue", "latest"];

pub fn check(pipeline: &Pipeline, findings: &mut Findings) {
    let Some(overlap) = &pipeline.manifest.overlap else { return };
    if !WAYS.contains(&overlap.as_str()) {
        let message = format!("`{}` is not a way for runs to overlap", overlap.value);
        let finding = Finding::at(Code::BadOverlap, overlap.span, message, "");
        let meant = match overlap.to_ascii_lowercase().as_str() {
            "true" | "yes" | "parallel" | "allowall" => Some("allow"),
            "false" | "no" | "wait" | "bufferall" | "serial" | "sequential" => Some("queue"),
            "bufferone" | "newest" | "last" => Some("latest"),
            "forbid" | "drop" | "ignore" => Some("skip"),
            _ => None,
        };
        findings.push(match meant {
            Some(meant) => finding.fix(overlap.span, meant, format!("did you mean `{meant}`?")),
            None => super::suggest(finding, overlap, &WAYS),
        });
    }
    let executions = pipeline.manifest.triggers.as_ref().and_then(|triggers| triggers.executions.as_ref());
    if let (Some(executions), "skip") = (executions, overlap.as_str()) {
        let message = "`overlap: skip` on a pipeline that other pipelines start";
        findings.push(
            Finding::at(Code::SkipsTriggers, overlap.span, message, "")
                .and(executions.span, "started by these")
                .why("what they have made meanwhile would never be handled: a trigger that is skipped does not come again")
                .help("write `overlap: latest` to handle only the newest partition, or leave it out to handle each"),
        );
    }
}
