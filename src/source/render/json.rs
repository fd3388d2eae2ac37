//! Findings as one JSON document; its fields are described in `docs/diagnostics.md` and keep their names.

use serde::Serialize;

use super::place::Place;
use super::{Counts, MACHINE_LIMIT, severity_word};
use crate::source::{Files, Finding, Findings};

#[derive(Serialize)]
struct Document<'a> {
    version: u32,
    summary: Summary,
    findings: Vec<Item<'a>>,
}

#[derive(Serialize)]
struct Summary {
    errors: usize,
    warnings: usize,
    notes: usize,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Item<'a> {
    code: &'a str,
    title: &'a str,
    severity: &'a str,
    message: &'a str,
    place: Option<Place>,
    label: Option<&'a str>,
    related: Vec<Related<'a>>,
    why: Option<&'a str>,
    help: Option<&'a str>,
    fix: Option<Patch<'a>>,
}

#[derive(Serialize)]
struct Related<'a> {
    place: Place,
    label: &'a str,
}

#[derive(Serialize)]
struct Patch<'a> {
    message: &'a str,
    place: Place,
    replacement: &'a str,
}

/// The document, with a line break at its end.
pub fn json(files: &Files, findings: &Findings) -> String {
    let Counts { errors, warnings, notes } = Counts::of(findings);
    let items = findings.iter().take(MACHINE_LIMIT).map(|finding| item(files, finding)).collect();
    let document = Document { version: 1, summary: Summary { errors, warnings, notes }, findings: items };
    let mut text = serde_json::to_string_pretty(&document).expect("strings and numbers are always JSON");
    text.push('\n');
    text
}

fn item<'a>(files: &Files, finding: &'a Finding) -> Item<'a> {
    let related =
        finding.secondary.iter().map(|label| Related { place: Place::of(files, label.span), label: &label.text });
    let fix = finding.fix.as_ref().map(|fix| Patch {
        message: &fix.message,
        place: Place::of(files, fix.span),
        replacement: &fix.replacement,
    });
    Item {
        code: finding.code.id(),
        title: finding.code.title(),
        severity: severity_word(finding.severity),
        message: &finding.message,
        place: finding.primary.as_ref().map(|label| Place::of(files, label.span)),
        label: finding.primary.as_ref().map(|label| label.text.as_str()).filter(|text| !text.is_empty()),
        related: related.collect(),
        why: finding.why.as_deref(),
        help: finding.help.as_deref(),
        fix,
    }
}
