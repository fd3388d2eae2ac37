//! The command line: one file a verb, each with its own arguments; this file is only the list.
//!
//! In come arguments and environment variables; out come data on stdout, talk on stderr and an exit code. This floor
//! decides nothing about pipelines: it calls `language`, `compile` and `cloud`, and shows what they found.

// Reason: the command line is where the world comes in (arguments, environment, working directory, files it writes).
#![allow(clippy::disallowed_methods)]

pub mod affected;
pub mod ask;
pub mod aws;
pub mod backfill;
pub mod central;
pub mod change_list;
pub mod completions;
pub mod deploy;
pub mod destroy;
pub mod diff;
pub mod explain;
pub mod fetch;
pub mod follow;
pub mod graph;
pub mod guard;
pub mod init;
pub mod lineage;
pub mod logs;
pub mod mark;
pub mod neighbours;
pub mod pause;
pub mod render;
pub mod rerun;
pub mod roles;
pub mod run;
pub mod runs;
pub mod schedules;
pub mod schema;
pub mod select;
pub mod setup;
pub mod simulate;
pub mod spans;
pub mod stack_progress;
pub mod status;
pub mod stop;
pub mod synth;
pub mod table;
pub mod targets;
pub mod terminal;
pub mod test;
pub mod turn;
pub mod uninstall;
pub mod validate;
pub mod why;

use std::ffi::OsString;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, Subcommand};

use crate::compile;
use crate::language::project;
use crate::language::project::Project;
use crate::source::{Files, Finding, Findings};
pub use terminal::{Format, Terminal};

/// Checks pipeline.yaml, compiles it to CloudFormation, deploys it and keeps track of its runs
#[derive(Debug, Parser)]
#[command(name = "dpc", version, max_term_width = 100, disable_help_subcommand = true)]
pub struct Cli {
    /// What to do
    #[command(subcommand)]
    pub verb: Verb,
}

/// The verbs, in the order in which `dpc --help` lists them. Verb files hold the words that help prints.
#[derive(Debug, Subcommand)]
pub enum Verb {
    /// Write a small project that validates, synthesises and deploys as it is
    Init(init::Args),
    /// Check the project: every file, every pipeline, for every environment; writes nothing
    Validate(validate::Args),
    /// Show a pipeline's steps as a graph, and when it runs
    Graph(graph::Args),
    /// Show what every step of a run would be told, without AWS
    Render(render::Args),
    /// Play the project's tests: given events and a clock, do the expected runs start? Without AWS
    Test(test::Args),
    /// Play a file of events and print what would happen, without AWS
    Simulate(simulate::Args),
    /// Fetch the step types that the project pins, so that the rest works without AWS
    Fetch(fetch::Args),
    /// Set up what an account and region needs once
    Setup(setup::Args),
    /// Show what a deployment would change, by meaning
    #[command(alias = "plan")]
    Diff(diff::Args),
    /// Deploy pipelines: check, compile, show what would change, change it
    Deploy(deploy::Args),
    /// Show stacks, the last runs and when the next one comes
    Status(status::Args),
    /// Start a run and follow it
    Run(run::Args),
    /// List runs, of this account and others; say everything about one
    Runs(runs::Args),
    /// Print the timeline of a run and what its steps have written
    Logs(logs::Args),
    /// Say why a partition has not run, and whose turn it is; or what it has run on
    Why(why::Args),
    /// Show which pipeline waits for which, across accounts, and how each ran last
    Lineage(lineage::Args),
    /// Run partitions again, and what follows from them downstream
    Rerun(rerun::Args),
    /// Run a stretch of the calendar, a few partitions at a time
    Backfill(backfill::Args),
    /// End a run
    Stop(stop::Args),
    /// Let a partition count as having a status
    Mark(mark::Args),
    /// Let nothing of a pipeline start by itself
    Pause(pause::PauseArgs),
    /// Let it start by itself again, and say what was missed
    Resume(pause::ResumeArgs),
    /// Remove a pipeline's stack
    Destroy(destroy::Args),
    /// Remove what `dpc setup` made
    Uninstall(uninstall::Args),
    /// Print the JSON Schema of pipeline.yaml or dpc.yaml, for editors
    Schema(schema::Args),
    /// Write the CloudFormation templates, without AWS
    #[command(alias = "compile")]
    Synth(synth::Args),
    /// Explain a diagnostic code, such as DPC101
    Explain(explain::Args),
    /// Print a completion script for a shell
    Completions(completions::Args),
}

impl Verb {
    async fn run(self, terminal: &Terminal) -> Result<Exit, Failure> {
        match self {
            Verb::Init(args) => init::run(args, terminal).await,
            Verb::Validate(args) => validate::run(args, terminal).await,
            Verb::Graph(args) => graph::run(args, terminal).await,
            Verb::Render(args) => render::run(args, terminal).await,
            Verb::Test(args) => test::run(args, terminal).await,
            Verb::Simulate(args) => simulate::run(args, terminal).await,
            Verb::Fetch(args) => fetch::run(args, terminal).await,
            Verb::Setup(args) => setup::run(args, terminal).await,
            Verb::Diff(args) => diff::run(args, terminal).await,
            Verb::Deploy(args) => deploy::run(args, terminal).await,
            Verb::Status(args) => status::run(args, terminal).await,
            Verb::Run(args) => run::run(args, terminal).await,
            Verb::Runs(args) => runs::run(args, terminal).await,
            Verb::Logs(args) => logs::run(args, terminal).await,
            Verb::Why(args) => why::run(args, terminal).await,
            Verb::Lineage(args) => lineage::run(args, terminal).await,
            Verb::Rerun(args) => rerun::run(args, terminal).await,
            Verb::Backfill(args) => backfill::run(args, terminal).await,
            Verb::Stop(args) => stop::run(args, terminal).await,
            Verb::Mark(args) => mark::run(args, terminal).await,
            Verb::Pause(args) => pause::pause(args, terminal).await,
            Verb::Resume(args) => pause::resume(args, terminal).await,
            Verb::Destroy(args) => destroy::run(args, terminal).await,
            Verb::Uninstall(args) => uninstall::run(args, terminal).await,
            Verb::Schema(args) => schema::run(args, terminal).await,
            Verb::Synth(args) => synth::run(args, terminal).await,
            Verb::Explain(args) => explain::run(args, terminal).await,
            Verb::Completions(args) => completions::run(args, terminal).await,
        }
    }
}

/// How a command that did its work ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exit {
    /// Done.
    Done = 0,
    /// The input or the deployment is at fault; what is wrong has been said.
    Fault = 1,
    /// The command line is at fault.
    Usage = 2,
    /// `diff --exit-code`: there are differences.
    Different = 3,
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        ExitCode::from(exit as u8)
    }
}

/// Why a command did not do its work: findings, with the files that they point into. `main` shows them and exits 1.
#[derive(Debug, Default)]
pub struct Failure {
    /// The files that the findings' spans belong to.
    pub files: Files,
    /// What is wrong.
    pub findings: Findings,
}

impl Failure {
    /// A failure with the files that its findings point into.
    pub fn new(files: Files, findings: impl Into<Findings>) -> Self {
        Self { files, findings: findings.into() }
    }
}

impl From<Finding> for Failure {
    fn from(finding: Finding) -> Self {
        Self { files: Files::new(), findings: finding.into() }
    }
}

impl From<Box<Finding>> for Failure {
    fn from(finding: Box<Finding>) -> Self {
        Self::from(*finding)
    }
}

/// The folder of the project that the working directory lies in.
fn root() -> Result<PathBuf, Box<Finding>> {
    project::find_root(&std::env::current_dir().unwrap_or_else(|_| PathBuf::from(".")))
}

/// What every verb compiles with.
fn context(space: &str, project: &Project) -> compile::Context {
    let today = jiff::Timestamp::now().to_zoned(jiff::tz::TimeZone::UTC).date();
    let listeners = std::sync::Arc::new(compile::Listeners::of(&project.pipelines));
    compile::Context { space: space.to_owned(), today, listeners }
}

/// Runs the command line of this process.
pub fn main() -> ExitCode {
    run(std::env::args_os(), &Terminal::detect()).into()
}

/// Runs a command line, its program name first.
pub fn run(arguments: impl IntoIterator<Item = OsString>, terminal: &Terminal) -> Exit {
    let cli = match Cli::try_parse_from(arguments) {
        Ok(cli) => cli,
        Err(error) => return terminal.usage(&error),
    };
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            terminal.say(&format!("error: cannot start: {error}"));
            return Exit::Fault;
        }
    };
    match runtime.block_on(cli.verb.run(terminal)) {
        Ok(exit) => exit,
        Err(failure) => {
            terminal.findings(&failure.files, &failure.findings.sorted(), Format::Text);
            Exit::Fault
        }
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    #[test]
    fn every_verb_can_be_parsed() {
        super::Cli::command().debug_assert();
    }
}
