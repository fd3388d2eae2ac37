//! `dpc destroy`: removes what a pipeline's stack holds, after it was said what goes and what stays.

use super::aws::{EnvironmentArg, Here, Tone, act, count, not_asked, took};
use super::neighbours::{self, Waiting};
use super::stack_progress::{self, Watched};
use super::{Exit, Failure, Terminal};
use crate::cloud::stack::{self, Phase, Stack, StackState, Watch, changes, events};
use crate::cloud::{CloudResult, Session};
use crate::control::names;
use crate::source::{Code, Finding, suggest};

/// Arguments of `dpc destroy`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The pipeline; it need not be in the project any more
    pipeline: String,
    #[command(flatten)]
    environment: EnvironmentArg,
    /// Do not ask for the pipeline's name
    #[arg(long, short)]
    yes: bool,
}

/// Removes a pipeline's stack.
pub async fn run(args: Args, terminal: &Terminal) -> Result<Exit, Failure> {
    let here = args.environment.read()?;
    let session = here.session().await?;
    let name = names::pipeline_resource(&args.pipeline);
    let Some(stack) = stack::describe(&session, &name).await? else {
        refuse_misspelt(&args.pipeline, &here)?;
        let place = format!("in environment `{}`", here.environment.name);
        act(terminal, Tone::Good, "Gone", &format!("{} is not deployed {place}", args.pipeline));
        return Ok(Exit::Done);
    };
    refuse(&stack, &here)?;
    let waiting = neighbours::waiting_for(&session, &here.environment.space, &args.pipeline).await?;
    show(&args.pipeline, &stack, &session, &here, terminal);
    show_waiting(&args.pipeline, &waiting, terminal);
    if !args.yes && !confirm(&args.pipeline, terminal).await? {
        act(terminal, Tone::Odd, "Declined", "nothing was removed");
        return Ok(Exit::Fault);
    }
    Ok(remove(&args.pipeline, &stack, &session, &here, terminal).await?)
}

/// What is not there is gone, and that is what was asked for, unless the name only looks like one of the project's.
fn refuse_misspelt(pipeline: &str, here: &Here) -> CloudResult<()> {
    let known: Vec<&str> = here.project.pipelines.iter().map(|known| known.manifest.name.as_str()).collect();
    let near = if known.contains(&pipeline) { None } else { suggest::near(pipeline, known.iter().copied()) };
    let Some(near) = near else { return Ok(()) };
    let message = format!("pipeline `{pipeline}` is not deployed in environment `{}`", here.environment.name);
    let finding = Finding::new(Code::NotDeployed, message).why("nothing was removed");
    Err(Box::new(finding.help(format!("did you mean `{near}`?"))))
}

/// What is not this pipeline's, or is busy, stays.
fn refuse(stack: &Stack, here: &Here) -> CloudResult<()> {
    let space = &here.environment.space;
    let own = stack.tags.get(names::SPACE_TAG);
    if own.is_none() && stack.state != StackState::ReviewInProgress || own.is_some_and(|own| own != space) {
        let finding = Finding::new(
            Code::ForeignStack,
            format!("stack `{}` was not deployed by dpc for space `{space}`", stack.name),
        );
        return Err(Box::new(
            finding.why("nothing was removed").help("look at its tags in the CloudFormation console"),
        ));
    }
    match stack.state.phase() {
        Phase::Busy if stack.state != StackState::DeleteInProgress => Err(Box::new(changes::busy(stack))),
        Phase::Busy | Phase::Ready | Phase::Reviewed | Phase::FailedCreate | Phase::Stuck | Phase::Gone => Ok(()),
    }
}

fn show(pipeline: &str, stack: &Stack, session: &Session, here: &Here, terminal: &Terminal) {
    terminal.say(&format!("`{pipeline}` will be removed from {}", here.place()));
    terminal.say(&format!(
        "  goes   stack {}: state machine, schedules, roles, alerts and the log of its state machine",
        stack.name
    ));
    terminal.say(&format!("  stays  rows of its runs in table {}", names::RUNS_TABLE));
    terminal.say(&format!("  stays  archives and cluster logs in bucket {}", session.bucket()));
    terminal.say("");
}

/// Others lose what starts them, whoever they belong to.
fn show_waiting(pipeline: &str, waiting: &[Waiting], terminal: &Terminal) {
    if waiting.is_empty() {
        return;
    }
    let (who, their) = if waiting.len() == 1 { ("waits", "it is") } else { ("wait", "they are") };
    let number = count(waiting.len(), "pipeline");
    terminal
        .say(&format!("{number} {who} for `{pipeline}`, and will not start once it is gone, until {their} changed:"));
    let width = waiting.iter().map(|one| one.pipeline.len()).max().unwrap_or(0);
    for one in waiting {
        let owner = one.owner.as_deref().map(|owner| format!(" ({owner})")).unwrap_or_default();
        terminal.say(&format!("  {:width$}  account {}{owner}", one.pipeline, one.account));
    }
    terminal.say("");
}

async fn confirm(pipeline: &str, terminal: &Terminal) -> CloudResult<bool> {
    match terminal.ask(&format!("Type `{pipeline}` to remove it: ")).await {
        Some(answer) => Ok(answer.trim() == pipeline),
        None => Err(Box::new(not_asked("dpc destroy"))),
    }
}

async fn remove(
    pipeline: &str,
    stack: &Stack,
    session: &Session,
    here: &Here,
    terminal: &Terminal,
) -> CloudResult<Exit> {
    let began = std::time::Instant::now();
    let purposes = stack::purposes(session, &stack.id).await?;
    let watch = Watch::begin(session, &stack.id).await?;
    if stack.state != StackState::DeleteInProgress {
        stack::delete(session, stack).await?;
    }
    match stack_progress::follow(session, watch, &purposes, terminal).await? {
        Watched::Interrupted => {
            act(terminal, Tone::Odd, "Interrupted", &format!("AWS goes on removing stack {}", stack.name));
            act(terminal, Tone::Calm, "Resume", &format!("dpc status {pipeline} --watch{}", here.flag()));
            Ok(Exit::Fault)
        }
        Watched::Ended(StackState::DeleteComplete, _) => {
            act(terminal, Tone::Good, "Removed", &format!("{pipeline}  in {}", took(began.elapsed().as_secs_f64())));
            Ok(Exit::Done)
        }
        Watched::Ended(_, seen) => Err(Box::new(events::delete_failed(&stack.name, &seen))),
    }
}
