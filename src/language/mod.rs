//! From files to a checked manifest: `project` reads, `manifest` types, `rules` judge.
//!
//! In comes a folder; out come a project and everything that is wrong with its files, in one run. This floor refuses to know
//! AWS, and what is compiled from a manifest.

pub mod decode;
pub mod environment;
pub mod folder;
pub mod iam;
pub mod jobs;
pub mod later;
pub mod manifest;
pub mod outline;
pub mod policy;
pub mod project;
pub mod raw;
pub mod rules;
pub mod scenario;
pub mod schemas;
pub mod values;
pub mod vars;
