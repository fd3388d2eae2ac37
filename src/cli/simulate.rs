//! `dpc simulate`: plays a file of events and prints what would happen.
//!
//! In comes a scenario, the format of `dpc test`; out come its timeline and what waits in the end. It refuses to know AWS,
//! and what was expected.

use std::path::PathBuf;

use serde_json::{Value, json};

use super::aws::EnvironmentArg;
use super::test::name_of;
use super::test::stage::Stage;
use super::{Exit, Failure, Terminal};
use crate::language::scenario::Whole;
use crate::offline::script::{self, Script};
use crate::offline::world::World;
use crate::offline::{judge, timeline, waiting, world};
use crate::source::{Code, Finding, Findings, suggest};

/// Arguments of `dpc simulate`.
#[derive(Debug, clap::Args)]
#[command(after_help = "The file says what happens, and may say nothing else:\n\n  \
                        start: 2026-11-22\n  \
                        given: { listings: { schedule: { cron: \"0 3 * * ? *\" } } }\n  \
                        events: [{ at: 03:40, run: listings, status: FAILED }, { at: 09:00, rerun: listings }]")]
pub struct Args {
    /// The scenario
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// The case to play, where the file has several; without it, all
    #[arg(long, value_name = "NAME")]
    case: Option<String>,
    #[command(flatten)]
    environment: EnvironmentArg,
    /// How to print it
    #[arg(long, value_enum, default_value_t)]
    format: TimelineFormat,
}

/// How timelines are printed.
#[derive(Clone, Copy, Debug, Default, clap::ValueEnum)]
enum TimelineFormat {
    /// For people
    #[default]
    Text,
    /// One JSON document
    Json,
}

/// Plays the scenario.
pub async fn run(args: Args, terminal: &Terminal) -> Result<Exit, Failure> {
    let stage = Stage::read(&args.environment, std::slice::from_ref(&args.file))?;
    let team = stage.team();
    let (mut findings, mut shown) = (Findings::new(), Vec::new());
    let cases: Vec<(String, Whole<'_>)> = stage
        .scenarios
        .iter()
        .flat_map(|(path, file)| file.whole().into_iter().map(move |case| (name_of(path, case), case)))
        .collect();
    let wanted = |name: &str| args.case.as_deref().is_none_or(|wanted| wanted == name);
    if let Some(unknown) = args.case.as_deref().filter(|wanted| cases.iter().all(|(name, _)| name != wanted)) {
        return Err(no_such_case(unknown, &cases).into());
    }
    for (name, case) in cases.iter().filter(|(name, _)| wanted(name)) {
        let Some(script) = script::write(*case, &team, &mut findings) else { continue };
        let world = world::play(&script);
        if world.endless {
            findings.push(judge::endless(*case));
        }
        shown.push(match args.format {
            TimelineFormat::Text => (text(name, &script, &world), Value::Null),
            TimelineFormat::Json => (String::new(), document(name, &world)),
        });
    }
    match args.format {
        TimelineFormat::Text => terminal.data(&shown.into_iter().map(|(text, _)| text).collect::<Vec<_>>().join("\n")),
        TimelineFormat::Json => {
            let list: Vec<Value> = shown.into_iter().map(|(_, json)| json).collect();
            terminal.data(&(serde_json::to_string_pretty(&list).expect("JSON is printable") + "\n"));
        }
    }
    if findings.has_errors() {
        return Err(Failure::new(stage.files, findings));
    }
    Ok(Exit::Done)
}

fn no_such_case(name: &str, cases: &[(String, Whole<'_>)]) -> Finding {
    let finding = Finding::new(Code::NoTests, format!("there is no case `{name}` in this file"));
    let names = || cases.iter().map(|(name, _)| name.as_str());
    match suggest::near(name, names()) {
        Some(near) => finding.help(format!("did you mean `{near}`?")),
        None => {
            finding.help(format!("it has {}", names().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ")))
        }
    }
}

fn text(name: &str, script: &Script, world: &World<'_>) -> String {
    let zone = script.zone.iana_name().unwrap_or("UTC");
    let mut out = format!("{name}: from {}, {zone}\n", timeline::local(script.start, &script.zone));
    for happening in &world.timeline {
        out += &format!("  {}\n", happening.text(&script.zone));
    }
    if world.timeline.is_empty() {
        out += "  nothing happens\n";
    }
    let waits = waiting::all(world);
    if !waits.is_empty() {
        out += "  in the end\n";
    }
    for wait in waits {
        out += &format!("    {}\n", wait.text());
    }
    out
}

fn document(name: &str, world: &World<'_>) -> Value {
    let runs = world.runs().map(|played| {
        let run = &played.run;
        json!({
            "run": run.reference.to_string(),
            "status": run.status,
            "source": run.source,
            "on": played.on,
            "startedAt": run.started_at,
            "endedAt": run.ended_at,
            "arguments": played.arguments,
        })
    });
    json!({
        "case": name,
        "timeline": world.timeline.iter().map(|happening| happening.json()).collect::<Vec<_>>(),
        "runs": runs.collect::<Vec<_>>(),
        "waiting": waiting::all(world).iter().map(|wait| wait.json()).collect::<Vec<_>>(),
    })
}
