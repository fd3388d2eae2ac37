//! `version` heads a file that is to be read by a dpc which knows it.

use crate::language::jobs::JobFile;
use crate::language::manifest::ProjectFile;
use crate::language::project::Pipeline;
use crate::source::{Code, Finding, Findings, Spanned};

/// The only version so far.
const KNOWN: u32 = 1;

pub fn check(pipeline: &Pipeline, findings: &mut Findings) {
    version(pipeline.manifest.version.as_ref(), findings);
}

pub fn project_file(project: &ProjectFile, findings: &mut Findings) {
    version(project.version.as_ref(), findings);
}

pub fn job(job: &JobFile, findings: &mut Findings) {
    version(job.version.as_ref(), findings);
}

fn version(version: Option<&Spanned<u32>>, findings: &mut Findings) {
    if let Some(version) = version.filter(|version| version.value != KNOWN) {
        let message = format!("version {} of the language is not known", version.value);
        findings.push(
            Finding::at(Code::UnknownVersion, version.span, message, "")
                .why(format!("this dpc knows version {KNOWN}"))
                .help("write `version: 1`, or use a newer dpc if the file was written for one"),
        );
    }
}
