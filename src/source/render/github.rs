//! Findings as commands of a GitHub workflow, which shows them at their lines of a pull request.

use super::place::Place;
use super::{MACHINE_LIMIT, severity_word};
use crate::source::{Files, Finding, Findings, Severity};

/// One line a finding.
pub fn github(files: &Files, findings: &Findings) -> String {
    findings.iter().take(MACHINE_LIMIT).map(|finding| line(files, finding)).collect()
}

fn line(files: &Files, finding: &Finding) -> String {
    let command = match finding.severity {
        Severity::Note => "notice",
        other => severity_word(other),
    };
    let mut properties = Vec::new();
    if let Some(primary) = &finding.primary {
        let place = Place::of(files, primary.span);
        properties.push(format!("file={}", property(&place.file)));
        properties.push(format!("line={}", place.line));
        properties.push(format!("col={}", place.column));
        properties.push(format!("endLine={}", place.end_line));
        // GitHub takes the last column, not the one after it.
        let last = if place.end_line == place.line {
            place.column.max(place.end_column.saturating_sub(1))
        } else {
            place.end_column
        };
        properties.push(format!("endColumn={last}"));
    }
    properties.push(format!("title={}", property(&format!("{} {}", finding.code.id(), finding.code.title()))));
    format!("::{command} {}::{}\n", properties.join(","), data(&message(finding)))
}

/// The whole finding, a part a line.
fn message(finding: &Finding) -> String {
    let label = finding.primary.as_ref().map(|label| label.text.as_str()).filter(|text| !text.is_empty());
    let fix = finding.fix.as_ref().map(|fix| format!("{} `{}`", fix.message, fix.replacement));
    let parts = [
        label.map(str::to_owned),
        finding.why.as_ref().map(|why| format!("note: {why}")),
        finding.help.as_ref().map(|help| format!("help: {help}")),
        fix.map(|fix| format!("help: {fix}")),
    ];
    let mut text = finding.message.clone();
    for part in parts.into_iter().flatten() {
        text.push('\n');
        text.push_str(&part);
    }
    text
}

fn data(text: &str) -> String {
    text.replace('%', "%25").replace('\r', "%0D").replace('\n', "%0A")
}

fn property(text: &str) -> String {
    data(text).replace(':', "%3A").replace(',', "%2C")
}
