//! From files to a checked manifest: `project` reads, `manifest` types, `rules` judge.

pub mod manifest;
pub mod values;
