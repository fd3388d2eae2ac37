//! `dpc stop`: ends a run that is at work, or takes a queued one out of the queue.

use super::aws::{EnvironmentArg, Tone, act};
use super::{Exit, Failure, Terminal, ask, logs};
use crate::control::run::Status;
use crate::control::verbs::{Stopped, Verb};

/// Arguments of `dpc stop`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// listings/2026-11-21/1, or listings/2026-11-21 for the partition's newest run, or listings for its newest
    #[arg(value_name = "RUN")]
    run: String,
    /// Why, for those who meet it
    #[arg(long, value_name = "TEXT")]
    why: Option<String>,
    #[command(flatten)]
    environment: EnvironmentArg,
}

/// Stops a run.
pub async fn run(args: Args, terminal: &Terminal) -> Result<Exit, Failure> {
    let here = args.environment.read()?;
    let session = here.session().await?;
    let run = logs::find(&session, &here, &args.run).await?.reference;
    let verb = Verb::Stop { run: run.to_string() };
    let stopped: Stopped = ask::ask(&session, &here, verb, args.why.as_ref(), None).await?;
    let flag = here.flag();
    match (stopped.was, stopped.status) {
        (Status::Queued, now) if now.is_terminal() => {
            act(terminal, Tone::Good, "Stopped", &format!("{run}  it was queued, and nothing of it has run"));
        }
        (_, now) if now.is_terminal() => {
            act(terminal, Tone::Good, "Stopped", &format!("{run}  {now}; what it held is released"));
        }
        _ => {
            act(terminal, Tone::Calm, "Stopping", &format!("{run}  Step Functions ends it within seconds"));
            act(terminal, Tone::Calm, "Look", &format!("dpc runs show {run}{flag}"));
        }
    }
    let again = format!("dpc rerun {} --partition {}{flag}", run.pipeline, run.id.partition);
    act(terminal, Tone::Calm, "Again", &again);
    Ok(Exit::Done)
}
