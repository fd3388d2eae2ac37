//! From files to a checked manifest: `project` reads, `manifest` types, `rules` judge.

pub mod decode;
pub mod environment;
pub mod folder;
pub mod later;
pub mod manifest;
pub mod project;
pub mod rules;
pub mod schemas;
pub mod values;
pub mod vars;
