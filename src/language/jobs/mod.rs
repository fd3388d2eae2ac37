//! `jobs/<name>.yaml`: steps without a place in a graph, written once and used by several.
//!
//! In comes the tree of a job's file; out come what it declares, and the tree that stands in for the step which uses it.
//! It refuses to know files and folders.

mod shape;
mod using;

use schemars::{JsonSchema, Schema};
use serde::Deserialize;

use crate::language::environment::Resolved;
use crate::language::manifest::Param;
use crate::language::{decode, vars};
use crate::source::{Entry, Findings, Node, Span, Spanned, SpannedMap};
use crate::steps::KINDS;

pub use shape::schema;
pub use using::{Used, attach, expand};

/// The head of a job's file: what is not a key of steps.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct JobFile {
    /// Version of the language; 1.
    pub version: Option<Spanned<u32>>,
    /// For people.
    pub description: Option<Spanned<String>>,
    /// Values that a step gives, for `{{ params.name }}` in this file.
    #[serde(default)]
    pub params: SpannedMap<Spanned<Param>>,
}

/// A job for one environment, `${vars}` replaced.
#[derive(Clone, Debug)]
pub struct Job {
    /// The name of its file, without the ending.
    pub name: String,
    /// Path of its file, relative to the project.
    pub path: String,
    /// What it says.
    pub node: Node,
    /// What it declares; `None` when its shape is wrong, and then nothing can be said about those who use it.
    pub file: Option<JobFile>,
}

impl Job {
    /// Decodes a job's tree. `own` holds what has been said of it, and takes what is wrong with its shape.
    pub fn of(path: &str, node: &Node, schema: &Schema, environment: Option<&Resolved>, own: &mut Findings) -> Self {
        let mut node = node.clone();
        if let Some(environment) = environment {
            vars::substitute(&mut node, environment, own);
        }
        let file: Option<JobFile> = decode::decode(&node, schema, own);
        let mut file = file.filter(|_| !own.has_errors());
        if let (Some(file), Some(environment)) = (&mut file, environment) {
            file.params.0.iter_mut().for_each(|(_, param)| param.value.choose(&environment.name));
        }
        Self { name: name_of(path).to_owned(), path: path.to_owned(), node, file }
    }

    /// The folder of its file, relative to the project.
    pub fn folder(&self) -> &str {
        self.path.rsplit_once('/').map_or("", |(folder, _)| folder)
    }

    /// Where its file begins, for what is wrong with all of it.
    pub fn place(&self) -> Span {
        self.node.entries().first().map_or(self.node.span, |entry| entry.key.span)
    }

    /// The kinds of step that it writes.
    pub fn kinds(&self) -> Vec<&Entry> {
        let is_kind = |entry: &&Entry| KINDS.iter().any(|kind| kind.key == entry.key.text);
        self.node.entries().iter().filter(is_kind).collect()
    }

    /// Everything that stands for a step: all but the head.
    pub fn body(&self) -> impl Iterator<Item = &Entry> {
        let head = ["version", "description", "params"];
        self.node.entries().iter().filter(move |entry| !head.contains(&entry.key.text.as_str()))
    }
}

/// The name of the job in a file.
pub fn name_of(path: &str) -> &str {
    let file = path.rsplit_once('/').map_or(path, |(_, file)| file);
    file.rsplit_once('.').map_or(file, |(name, _)| name)
}
