//! Findings as text for people and as documents for machines.
//!
//! In come findings and the files that they point into; out come strings. What a finding says is the same in all four;
//! nothing here knows where the strings go.

mod github;
mod json;
mod place;
mod sarif;
mod text;

pub use github::github;
pub use json::json;
pub use sarif::sarif;
pub use text::{TextStyle, text};

use super::{Findings, Severity};

/// Machines get at most this many findings, and how many there were.
const MACHINE_LIMIT: usize = 1_000;

/// How many there are of each severity.
struct Counts {
    errors: usize,
    warnings: usize,
    notes: usize,
}

impl Counts {
    fn of(findings: &Findings) -> Self {
        let count = |severity| findings.iter().filter(|finding| finding.severity == severity).count();
        Self { errors: count(Severity::Error), warnings: count(Severity::Warning), notes: count(Severity::Note) }
    }
}

fn severity_word(severity: Severity) -> &'static str {
    match severity {
        Severity::Error => "error",
        Severity::Warning => "warning",
        Severity::Note => "note",
    }
}

#[cfg(test)]
mod tests;
