//! `dpc status`: stacks, the last runs, when the next one comes, and what may be done.

use jiff::Timestamp;
use jiff::tz::TimeZone;
use serde_json::{Value, json};

use super::aws::{EnvironmentArg, Here, Tone, act, moment, took};
use super::stack_progress::{self, Watched};
use super::turn::{self, Wait};
use super::{Exit, Failure, Terminal, select};
use crate::cloud::runs::{Run, Store};
use crate::cloud::stack::{self, Phase, Stack, Watch};
use crate::cloud::timeline;
use crate::cloud::{CloudResult, Session};
use crate::control::names;
use crate::control::plan::SchedulePlan;
use crate::control::run::RunRef;
use crate::control::schedule::{self, Schedule};
use crate::source::Findings;

/// Arguments of `dpc status`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Pipelines: names, globs, owner:NAME, tag:KEY=VALUE. Without any, all of the project
    #[arg(value_name = "SELECT")]
    select: Vec<String>,
    /// Follow a deployment or a deletion that is at work
    #[arg(long, short)]
    watch: bool,
    /// How many runs to list
    #[arg(long, value_name = "NUMBER", default_value_t = 5)]
    runs: u32,
    /// How to print it
    #[arg(long, value_enum, default_value_t)]
    format: Format,
    #[command(flatten)]
    environment: EnvironmentArg,
}

/// How status is printed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum Format {
    /// For people
    #[default]
    Text,
    /// One JSON document
    Json,
}

/// What is known of one pipeline.
struct Known {
    pipeline: String,
    stack: Option<Stack>,
    /// The last runs, and for whom those wait that are queued.
    runs: Vec<(Run, Option<Wait>)>,
    schedules: Vec<SchedulePlan>,
}

/// Prints the state of pipelines.
pub async fn run(args: Args, terminal: &Terminal) -> Result<Exit, Failure> {
    let mut here = args.environment.read()?;
    let names = match select::select(&here.project, &args.select) {
        Ok(pipelines) => pipelines.iter().map(|pipeline| pipeline.manifest.name.value.clone()).collect::<Vec<_>>(),
        Err(finding) => {
            let mut findings = std::mem::take(&mut here.findings);
            if !findings.has_errors() {
                findings = Findings::from(*finding);
            }
            return Err(Failure::new(here.files, findings));
        }
    };
    let session = here.session().await?;
    if args.watch {
        let mut exit = Exit::Done;
        for name in &names {
            exit = worse(exit, watch(&session, &here, name, terminal).await?);
        }
        return Ok(exit);
    }
    let mut all = Vec::new();
    for name in names {
        all.push(known(&session, name, args.runs).await?);
    }
    match args.format {
        Format::Text => terminal.data(&text(&all, &here)),
        Format::Json => terminal.data(&format!("{:#}\n", as_json(&all, &here))),
    }
    Ok(Exit::Done)
}

fn worse(one: Exit, other: Exit) -> Exit {
    if one == Exit::Done { other } else { one }
}

async fn known(session: &Session, pipeline: String, limit: u32) -> CloudResult<Known> {
    let stack = stack::describe(session, &names::pipeline_resource(&pipeline)).await?;
    // Runs outlive their pipeline's stack.
    let plan = session.runs().registration(&pipeline).await?.map(|registration| registration.plan);
    let mut runs = Vec::new();
    for run in session.runs().runs(&pipeline, limit, None).await? {
        let wait = turn::of(&session.runs(), plan.as_ref(), &run).await?;
        runs.push((run, wait));
    }
    let schedules = plan.map(|plan| plan.schedules).unwrap_or_default();
    Ok(Known { pipeline, stack, runs, schedules })
}

async fn watch(session: &Session, here: &Here, pipeline: &str, terminal: &Terminal) -> CloudResult<Exit> {
    let name = names::pipeline_resource(pipeline);
    let Some(stack) = stack::describe(session, &name).await? else {
        act(terminal, Tone::Calm, "Not deployed", pipeline);
        return Ok(Exit::Done);
    };
    if stack.state.phase() != Phase::Busy {
        act(
            terminal,
            Tone::Calm,
            "At rest",
            &format!("{pipeline}: {} ({})", stack.state.advice(), stack.state.as_str()),
        );
        return Ok(if stack.state.is_deployed() { Exit::Done } else { Exit::Fault });
    }
    let purposes = stack::purposes(session, &stack.id).await?;
    let watch = Watch::begin(session, &stack.id).await?;
    match stack_progress::follow(session, watch, &purposes, terminal).await? {
        Watched::Interrupted => {
            act(terminal, Tone::Odd, "Interrupted", &format!("AWS goes on with stack {name}"));
            act(terminal, Tone::Calm, "Resume", &format!("dpc status {pipeline} --watch{}", here.flag()));
            Ok(Exit::Fault)
        }
        Watched::Ended(state, _) => {
            let good = state.is_deployed() || state.phase() == Phase::Gone;
            let (tone, word) = if good { (Tone::Good, "Ended") } else { (Tone::Bad, "Failed") };
            act(terminal, tone, word, &format!("{pipeline}: {} ({})", state.advice(), state.as_str()));
            Ok(if good { Exit::Done } else { Exit::Fault })
        }
    }
}

fn text(all: &[Known], here: &Here) -> String {
    let mut text = String::new();
    for known in all {
        if !text.is_empty() {
            text.push('\n');
        }
        text.push_str(&one(known, here));
    }
    text
}

fn one(known: &Known, here: &Here) -> String {
    let name = &known.pipeline;
    let Some(stack) = &known.stack else {
        let runs = if known.runs.is_empty() { String::new() } else { runs(&known.runs) };
        return format!("{name}  not deployed; `dpc deploy {name}{}`\n{runs}", here.flag());
    };
    let since = stack.changed_at.and_then(|at| Timestamp::from_second(at).ok()).map(|at| format!(", {}", moment(at)));
    let mut text =
        format!("{name}  {}  ({}{})\n", stack.state.advice(), stack.state.as_str(), since.unwrap_or_default());
    for plan in &known.schedules {
        let Ok(schedule) = Schedule::of_plan(plan) else { continue };
        let next = schedule::next(&schedule, Timestamp::now(), 1);
        let next = next.first().map(|fire| format!("; next {}", in_zones(fire.utc, &plan.timezone)));
        text.push_str(&format!("  schedule  {}{}\n", schedule::describe(&schedule), next.unwrap_or_default()));
    }
    if known.runs.is_empty() {
        text.push_str("  runs      none yet\n");
    }
    text.push_str(&runs(&known.runs));
    text
}

/// A fire in the schedule's own zone, and in UTC where that differs.
pub(super) fn in_zones(at: Timestamp, zone: &str) -> String {
    let utc = at.to_zoned(TimeZone::UTC);
    match TimeZone::get(zone) {
        Ok(own) if zone != "UTC" => {
            let own = at.to_zoned(own);
            format!("{} ({} UTC)", own.strftime("%Y-%m-%d %H:%M %Z"), utc.strftime("%H:%M"))
        }
        _ => format!("{} UTC", utc.strftime("%Y-%m-%d %H:%M")),
    }
}

fn runs(runs: &[(Run, Option<Wait>)]) -> String {
    let label = |run: &Run| format!("{}/{}", run.reference.id.partition, run.reference.id.number);
    let width = runs.iter().map(|(run, _)| label(run).len()).max().unwrap_or(0);
    let mut text = String::new();
    for (run, wait) in runs {
        let began = run.started_at.unwrap_or(run.claimed_at);
        let length = run.ended_at.map(|ended| format!("  {}", took(ended.duration_since(began).as_secs_f64())));
        let cause = run.cause.as_deref().map(|cause| timeline::plain(cause).to_string());
        let cause = wait.as_ref().map(Wait::words).or(cause).map(|said| format!("  {said}")).unwrap_or_default();
        text.push_str(&format!(
            "  {:width$}  {:<9}  {}{}{cause}\n",
            label(run),
            run.status.as_str(),
            moment(began),
            length.unwrap_or_default()
        ));
    }
    text
}

fn as_json(all: &[Known], here: &Here) -> Value {
    let pipelines: Vec<Value> = all.iter().map(one_as_json).collect();
    let environment = &here.environment;
    json!({
        "environment": environment.name,
        "account": environment.account,
        "region": environment.region,
        "pipelines": pipelines,
    })
}

fn one_as_json(known: &Known) -> Value {
    let stack = known.stack.as_ref().map(|stack| {
        let changed = stack.changed_at.and_then(|at| Timestamp::from_second(at).ok()).map(|at| at.to_string());
        json!({ "name": stack.name, "state": stack.state.as_str(), "advice": stack.state.advice(), "changedAt": changed })
    });
    let schedules = known.schedules.iter().map(|plan| {
        let next = Schedule::of_plan(plan).map(|schedule| schedule::next(&schedule, Timestamp::now(), 5));
        let next: Vec<String> = next.unwrap_or_default().iter().map(|fire| fire.utc.to_string()).collect();
        json!({ "expression": plan.expression, "timezone": plan.timezone, "next": next })
    });
    let runs = known.runs.iter().map(|(run, wait)| {
        json!({
            "run": run.reference.to_string(),
            "status": run.status.as_str(),
            "source": run.source,
            "waitsFor": wait.as_ref().and_then(Wait::run).map(RunRef::to_string),
            "claimedAt": run.claimed_at.to_string(),
            "startedAt": run.started_at.map(|at| at.to_string()),
            "endedAt": run.ended_at.map(|at| at.to_string()),
            "execution": run.execution,
            "error": run.error,
            "cause": run.cause,
        })
    });
    json!({ "pipeline": known.pipeline, "stack": stack, "schedules": schedules.collect::<Vec<_>>(), "runs": runs.collect::<Vec<_>>() })
}
