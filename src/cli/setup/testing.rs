//! What the tests of setup share.

use crate::source::{Files, Finding, Findings, render};

/// Compares what a person reads with `fixtures/broken/<code>/expected.txt`.
pub(super) fn assert_reads(finding: &Finding) {
    let style = render::TextStyle { colour: false, width: 120 };
    let said = render::text(&Files::new(), &Findings::from(finding.clone()), style);
    let path = format!("{}/fixtures/broken/{}/expected.txt", env!("CARGO_MANIFEST_DIR"), finding.code.id());
    if std::env::var_os("DPC_BLESS").is_some() {
        std::fs::write(&path, format!("{}\n", said.trim_end())).unwrap();
    }
    assert_eq!(said.trim_end(), std::fs::read_to_string(&path).unwrap_or_default().trim_end(), "{path}");
}
