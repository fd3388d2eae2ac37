//! From files to a checked manifest: `project` reads, `manifest` types, `rules` judge.

pub mod environment;
pub mod folder;
pub mod manifest;
pub mod project;
pub mod values;
