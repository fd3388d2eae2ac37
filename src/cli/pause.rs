//! `dpc pause` and `dpc resume`: nothing starts by itself for a while, and then it is said what would have.

use serde_json::json;

use super::aws::{EnvironmentArg, Here, Tone, act, count, moment};
use super::runs::line::source;
use super::table::{Cell, Format, Table};
use super::targets::Targets;
use super::{Exit, Failure, Terminal, ask, spans};
use crate::control::verbs::{Paused, Resumed, Verb};

/// Arguments of `dpc pause`.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Schedules, triggers, events and steps of other pipelines start nothing until `dpc resume`: each such\n\
                        start is recorded as a SKIPPED run. `dpc run`, `rerun` and `backfill` work as before."
)]
pub struct PauseArgs {
    /// Pipelines: names, globs, owner:NAME, tag:KEY=VALUE, status:FAILED, listings+
    #[arg(value_name = "SELECT", required = true)]
    select: Vec<String>,
    /// Why, for those who wonder
    #[arg(long, value_name = "TEXT")]
    why: Option<String>,
    /// How to print it
    #[arg(long, value_enum, default_value_t)]
    format: Format,
    #[command(flatten)]
    environment: EnvironmentArg,
}

/// Arguments of `dpc resume`.
#[derive(Debug, clap::Args)]
pub struct ResumeArgs {
    /// Pipelines: names, globs, owner:NAME, tag:KEY=VALUE, listings+
    #[arg(value_name = "SELECT", required = true)]
    select: Vec<String>,
    /// How to print what was missed
    #[arg(long, value_enum, default_value_t)]
    format: Format,
    #[command(flatten)]
    environment: EnvironmentArg,
}

/// Pauses pipelines.
pub async fn pause(args: PauseArgs, terminal: &Terminal) -> Result<Exit, Failure> {
    let mut here = args.environment.read()?;
    let session = here.session().await?;
    let targets = Targets::select(&mut here, &session, &args.select, None).await?;
    ask::only_here(&targets.all, &format!("dpc pause {}", args.select.join(" ")))?;
    let mut all = Vec::new();
    for target in &targets.all {
        let verb = Verb::Pause { pipeline: target.name.clone() };
        let paused: Paused = ask::ask(&session, &here, verb, args.why.as_ref(), None).await?;
        let pause = &paused.pause;
        if paused.new {
            act(terminal, Tone::Good, "Paused", &format!("{}  nothing starts by itself", target.name));
        } else {
            let why = pause.why.as_ref().map(|why| format!(": {why}")).unwrap_or_default();
            let since = format!("{}  since {}, by {}{why}", target.name, moment(pause.at), pause.by);
            act(terminal, Tone::Odd, "Was paused", &since);
        }
        all.push(json!(paused));
    }
    if args.format == Format::Json {
        terminal.data(&format!("{:#}\n", json!({ "paused": all })));
    }
    act(terminal, Tone::Calm, "Resume", &format!("dpc resume {}{}", args.select.join(" "), here.flag()));
    Ok(Exit::Done)
}

/// Lets pipelines start by themselves again.
pub async fn resume(args: ResumeArgs, terminal: &Terminal) -> Result<Exit, Failure> {
    let mut here = args.environment.read()?;
    let session = here.session().await?;
    let targets = Targets::select(&mut here, &session, &args.select, None).await?;
    ask::only_here(&targets.all, &format!("dpc resume {}", args.select.join(" ")))?;
    let mut all = Vec::new();
    for target in &targets.all {
        let verb = Verb::Resume { pipeline: target.name.clone() };
        let resumed: Resumed = ask::ask(&session, &here, verb, None, None).await?;
        say(&resumed, &here, terminal);
        if args.format == Format::Text {
            terminal.data(&missed(&resumed));
        }
        all.push(resumed);
    }
    if args.format == Format::Json {
        terminal.data(&format!("{:#}\n", json!({ "resumed": all })));
    }
    for (resumed, target) in all.iter().zip(&targets.all).filter(|(resumed, _)| !resumed.missed.is_empty()) {
        let labels: Vec<&str> = resumed.missed.iter().map(|missed| missed.run.id.partition.as_str()).collect();
        let labels = spans::of(target.spec.as_ref(), &labels).join(",");
        act(terminal, Tone::Calm, "Rerun", &format!("dpc rerun {} --partition {labels}{}", target.name, here.flag()));
    }
    Ok(Exit::Done)
}

fn say(resumed: &Resumed, here: &Here, terminal: &Terminal) {
    let Resumed { pipeline, pause, missed } = resumed;
    let Some(pause) = pause else {
        act(terminal, Tone::Odd, "Not paused", &format!("{pipeline}  in {}", here.place()));
        return;
    };
    let since = moment(pause.at);
    let missed = match missed.len() {
        0 => "it has missed nothing".to_owned(),
        many => format!("it has missed {}", count(many, "partition")),
    };
    act(terminal, Tone::Good, "Resumed", &format!("{pipeline}  paused since {since}: {missed}"));
}

/// What would have run.
fn missed(resumed: &Resumed) -> String {
    let mut table = Table::new(&["MISSED", "BY", "AT"]);
    for missed in &resumed.missed {
        table.row([Cell::new(missed.run.to_string()), Cell::new(source(missed.source)), Cell::new(moment(missed.at))]);
    }
    if table.is_empty() { String::new() } else { table.text("", false) }
}
