//! The published JSON Schemas, for editors: the same types that files are read into, as text.
//!
//! In comes nothing; out come the texts that `dpc schema` prints and that lie in `schemas/`. It refuses to know where
//! they are written.

use schemars::Schema;
use serde_json::json;

use crate::language::decode::schema_of;
use crate::language::jobs;
use crate::language::manifest::{Manifest, ProjectFile};
use crate::language::policy::PolicyFile;
use crate::language::scenario::ScenarioFile;
use crate::steps::uses::StepType;

/// A published schema.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Published {
    /// Of `dpc.yaml`.
    Project,
    /// Of `pipeline.yaml`.
    Pipeline,
    /// Of `policy.yaml`.
    Policy,
    /// Of `jobs/<name>.yaml`.
    Job,
    /// Of `tests/<name>.yaml`.
    Test,
    /// Of `type.yaml`.
    Type,
}

impl Published {
    /// All of them.
    pub const ALL: [Published; 6] =
        [Published::Project, Published::Pipeline, Published::Policy, Published::Job, Published::Test, Published::Type];

    /// The name of its file in `schemas/`.
    pub fn file_name(self) -> &'static str {
        match self {
            Published::Project => "project.schema.json",
            Published::Pipeline => "pipeline.schema.json",
            Published::Policy => "policy.schema.json",
            Published::Job => "job.schema.json",
            Published::Test => "test.schema.json",
            Published::Type => "type.schema.json",
        }
    }

    /// The schema.
    pub fn schema(self) -> Schema {
        match self {
            Published::Project => schema_of::<ProjectFile>(),
            Published::Pipeline => schema_of::<Manifest>(),
            Published::Policy => schema_of::<PolicyFile>(),
            Published::Job => jobs::schema(),
            Published::Test => schema_of::<ScenarioFile>(),
            Published::Type => schema_of::<StepType>(),
        }
    }

    /// As printed: two spaces, and a newline at the end.
    pub fn text(self) -> String {
        let mut schema = self.schema();
        let title = match self {
            Published::Project => "dpc.yaml",
            Published::Pipeline => "pipeline.yaml",
            Published::Policy => "policy.yaml",
            Published::Job => "jobs/<name>.yaml",
            Published::Test => "tests/<name>.yaml",
            Published::Type => "type.yaml",
        };
        schema.insert("title".to_owned(), json!(title));
        let text = serde_json::to_string_pretty(schema.as_value()).expect("a schema is JSON already");
        text + "\n"
    }
}
