//! `dpc test`: plays the project's tests and compares the runs that start with those that are expected.
//!
//! In come `tests/*.yaml`; out come a line a case, and for each that fails what differs, at its line. It refuses to know
//! AWS: what is played is the real engine, in memory.

mod report;
pub mod stage;

use std::path::PathBuf;
use std::time::Instant;

use super::aws::EnvironmentArg;
use super::{Exit, Failure, Format, Terminal};
use crate::language::scenario::Whole;
use crate::offline::judge::{self, Line};
use crate::offline::{Team, script, world};
use crate::source::{Code, Finding, Findings};
use stage::Stage;

/// Arguments of `dpc test`.
#[derive(Debug, clap::Args)]
#[command(after_help = "A test says what happens and which runs should come of it:\n\n  \
                        start: 2026-11-22\n  \
                        events: [{ at: 03:40, run: listings, status: SUCCEEDED }]\n  \
                        expect: [{ run: pipeline-x, partition: 2026-11-21, on: [listings] }]\n\n\
                        Exit code: 0 all are as expected, 1 not all, 2 wrong usage. `dpc simulate FILE` prints what happens.")]
pub struct Args {
    /// Files or folders. Without any, all that `tests` of the dpc.yaml names: tests/*.yaml
    #[arg(value_name = "FILE")]
    files: Vec<PathBuf>,
    #[command(flatten)]
    environment: EnvironmentArg,
    /// How to print it
    #[arg(long, value_enum, default_value_t)]
    format: ReportFormat,
}

/// How results are printed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
enum ReportFormat {
    /// For people
    #[default]
    Text,
    /// One JSON document
    Json,
    /// JUnit's XML, for build servers
    Junit,
}

/// How a case went.
pub(super) struct Played {
    /// The file.
    file: String,
    /// The case.
    name: String,
    /// How long it took, in milliseconds.
    took: f64,
    /// What is not as expected, or wrong with the case.
    findings: Findings,
    /// Expected and happened runs, side by side.
    lines: Vec<Line>,
}

/// Plays the tests.
pub async fn run(args: Args, terminal: &Terminal) -> Result<Exit, Failure> {
    let stage = Stage::read(&args.environment, &args.files)?;
    let team = stage.team();
    let mut played = Vec::new();
    for (path, file) in &stage.scenarios {
        for case in file.whole() {
            played.push(play(path, case, &team));
        }
    }
    match args.format {
        ReportFormat::Text => {
            terminal.data(&report::text(&played, terminal.colour_of_data()));
            let mut all = Findings::new();
            all.extend(played.iter().flat_map(|case| case.findings.iter().cloned()));
            terminal.findings(&stage.files, &all, Format::Text);
            terminal.say(&report::summary(&played));
        }
        ReportFormat::Json => terminal.data(&report::json(&played, &stage.files)),
        ReportFormat::Junit => terminal.data(&report::junit(&played, &stage.files)),
    }
    let failed = played.iter().any(|case| case.findings.has_errors());
    Ok(if failed { Exit::Fault } else { Exit::Done })
}

/// The name of a case; of one without, its file's.
pub(super) fn name_of(path: &str, case: Whole<'_>) -> String {
    let file = path.rsplit('/').next().unwrap_or(path).trim_end_matches(".yaml");
    case.name().map_or(file, |name| name.value.as_str()).to_owned()
}

fn play(path: &str, case: Whole<'_>, team: &Team<'_>) -> Played {
    let begun = Instant::now();
    let (mut findings, mut lines) = (Findings::new(), Vec::new());
    if !case.expects() {
        findings.push(nothing(path, case));
    }
    if let Some(script) = script::write(case, team, &mut findings) {
        let world = world::play(&script);
        lines = judge::judge(case, &script, &world, &mut findings);
    }
    let took = begun.elapsed().as_secs_f64() * 1_000.0;
    Played { file: path.to_owned(), name: name_of(path, case), took, findings, lines }
}

fn nothing(path: &str, case: Whole<'_>) -> Finding {
    let message = format!("`{}` expects nothing", name_of(path, case));
    let finding = match case.name() {
        Some(name) => Finding::at(Code::ExpectsNothing, name.span, message, ""),
        None => match case.events().next() {
            Some(event) => Finding::at(Code::ExpectsNothing, event.span, message, ""),
            None => Finding::new(Code::ExpectsNothing, format!("{message}: {path}")),
        },
    };
    finding
        .why("a test that expects nothing is always fine")
        .help("write `expect`, `never` or `waiting`; `expect: []` is that nothing starts")
}
