//! `dpc runs ignore`: a run that counts for nobody any more, or counts again.

use crate::cli::aws::{EnvironmentArg, Tone, act};
use crate::cli::{Exit, Failure, Terminal, ask};
use crate::control::run::RunRef;
use crate::control::verbs::{Asked, Verb};

/// Arguments of `dpc runs ignore`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The run: listings/2026-11-21/1
    #[arg(value_name = "RUN")]
    run: RunRef,
    /// Let it count again
    #[arg(long)]
    restore: bool,
    /// Why, for those who wonder
    #[arg(long, value_name = "TEXT")]
    why: Option<String>,
    #[command(flatten)]
    environment: EnvironmentArg,
}

/// Takes a run out of the facts, or back in.
pub async fn run(args: Args, terminal: &Terminal) -> Result<Exit, Failure> {
    let here = args.environment.read()?;
    let session = here.session().await?;
    let run = args.run.to_string();
    let verb = if args.restore { Verb::Restore { run } } else { Verb::Ignore { run } };
    let asked: Asked = ask::ask(&session, &here, verb, args.why.as_ref(), Some(ask::id("ig"))).await?;
    let RunRef { pipeline, id } = &args.run;
    if args.restore {
        act(terminal, Tone::Good, "Restored", &format!("{} counts again", args.run));
    } else {
        act(terminal, Tone::Good, "Ignored", &format!("{} counts for nobody; the run before it does", args.run));
    }
    asked.warnings.iter().for_each(|warning| act(terminal, Tone::Odd, "Note", warning));
    act(terminal, Tone::Calm, "Look", &format!("dpc why {pipeline} --partition {}{}", id.partition, here.flag()));
    Ok(Exit::Done)
}
