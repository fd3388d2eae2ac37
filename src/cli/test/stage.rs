//! What `dpc test` and `dpc simulate` share: a checked project, its plans, and the scenarios to play.
//!
//! In come an environment and paths; out come plans and decoded scenarios, or what is wrong with any of them. It refuses to
//! know what comes of playing.

use std::path::PathBuf;

use crate::cli::aws::{EnvironmentArg, Here};
use crate::cli::{Failure, context, root};
use crate::compile;
use crate::control::plan::Plan;
use crate::language::project::{self, Pipeline, Project, Resolved};
use crate::language::scenario::ScenarioFile;
use crate::offline::Team;
use crate::source::{Files, Findings};

/// Everything that is needed to play.
#[derive(Debug)]
pub struct Stage {
    /// The files that findings point into.
    pub files: Files,
    /// Scenarios by path.
    pub scenarios: Vec<(String, ScenarioFile)>,
    project: Project,
    environment: Resolved,
    plans: Vec<Option<Plan>>,
}

impl Stage {
    /// Reads the project that the working directory belongs to, and these scenarios; without any, all of its tests.
    ///
    /// # Errors
    /// What is wrong with the project or a scenario's shape. Warnings are `dpc validate`'s affair.
    pub fn read(environment: &EnvironmentArg, asked: &[PathBuf]) -> Result<Self, Failure> {
        let Here { mut files, mut findings, project, environment } = environment.read()?;
        let (root, here) = (root()?, std::env::current_dir().unwrap_or_else(|_| PathBuf::from(".")));
        let scenarios = project::scenarios(&root, &project.tests, (&here, asked), &mut files, &mut findings);
        let context = context(&environment.space, &project);
        let mut compile = |pipeline: &Pipeline| -> Option<Plan> {
            let mut found = Findings::new();
            let compiled = compile::compile(pipeline, &context, &mut found);
            findings.extend(found);
            compiled.map(|compiled| compiled.plan)
        };
        let plans = project.pipelines.iter().map(&mut compile).collect();
        if findings.has_errors() {
            return Err(Failure::new(files, findings));
        }
        Ok(Self { files, scenarios, project, environment, plans })
    }

    /// The team whose project it is.
    pub fn team(&self) -> Team<'_> {
        let pairs = self.project.pipelines.iter().zip(&self.plans);
        Team {
            space: &self.environment.space,
            account: &self.environment.account,
            region: &self.environment.region,
            pipelines: pairs.filter_map(|(pipeline, plan)| Some((pipeline, plan.as_ref()?))).collect(),
        }
    }
}
