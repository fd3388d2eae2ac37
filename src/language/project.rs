//! The one reader of files: from a folder on disk to a checked project.
//!
//! In come the folder that holds `dpc.yaml` and the choice of an environment; out come the files read, everything that is
//! wrong with them, and the project where it can be made sense of. It refuses to know AWS, the clock, and what is
//! compiled from a project.

// Reason: this is the module that the ban on reading files elsewhere points to.
#![allow(clippy::disallowed_methods)]

use crate::language::manifest::Manifest;
use crate::source::{Files, Findings};

pub use crate::language::environment::{EnvironmentChoice, Resolved};
pub use crate::language::folder::{Folder, FolderFile};

/// What [`load`] found.
#[derive(Clone, Debug, Default)]
pub struct Loaded {
    /// Every file that a finding may point into.
    pub files: Files,
    /// What is wrong, in any of them.
    pub findings: Findings,
    /// The project. Absent when its `dpc.yaml` cannot be made sense of, or when the choice of environment fails.
    pub project: Option<Project>,
}

/// A project for one environment, `${vars}` replaced and defaults merged.
#[derive(Clone, Debug)]
pub struct Project {
    /// Its name.
    pub name: String,
    /// The environment chosen, if one was asked for.
    pub environment: Option<Resolved>,
    /// Pipelines that could be read, sorted by path. One with findings may be among them.
    pub pipelines: Vec<Pipeline>,
}

/// One pipeline.
#[derive(Clone, Debug)]
pub struct Pipeline {
    /// Path of its file, relative to the project: `listings/pipeline.yaml`.
    pub path: String,
    /// The files beside it.
    pub folder: Folder,
    /// What it says, with the project's defaults where it is silent.
    pub manifest: Manifest,
}

impl Project {
    /// The pipeline of this name.
    pub fn pipeline(&self, name: &str) -> Option<&Pipeline> {
        self.pipelines.iter().find(|pipeline| pipeline.manifest.name.value == name)
    }
}
