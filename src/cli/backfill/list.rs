//! `dpc backfill list`, `show` and `cancel`: what was asked for, how far it is, and no more of it.

use super::print;
use crate::cli::aws::{EnvironmentArg, Tone, act};
use crate::cli::table::Format;
use crate::cli::{Exit, Failure, Terminal, ask};
use crate::control::verbs::{Batch, BatchState, Batches, Verb};

/// Arguments of the list.
#[derive(Debug, clap::Args)]
pub struct ListArgs {
    /// Only those of this pipeline
    pipeline: Option<String>,
    /// How many
    #[arg(long, value_name = "NUMBER", default_value_t = 20)]
    limit: usize,
    /// How to print it
    #[arg(long, value_enum, default_value_t)]
    format: Format,
    #[command(flatten)]
    environment: EnvironmentArg,
}

/// Arguments of the look at one.
#[derive(Debug, clap::Args)]
pub struct ShowArgs {
    /// Its id: bf-… or rr-…
    id: String,
    /// How to print it
    #[arg(long, value_enum, default_value_t)]
    format: Format,
    #[command(flatten)]
    environment: EnvironmentArg,
}

/// Arguments of its end.
#[derive(Debug, clap::Args)]
pub struct CancelArgs {
    /// Its id: bf-… or rr-…
    id: String,
    /// Stop its runs at work as well
    #[arg(long)]
    stop: bool,
    /// Why, for those who wonder
    #[arg(long, value_name = "TEXT")]
    why: Option<String>,
    #[command(flatten)]
    environment: EnvironmentArg,
}

/// Lists backfills and reruns.
pub async fn list(args: ListArgs, terminal: &Terminal) -> Result<Exit, Failure> {
    let here = args.environment.read()?;
    let session = here.session().await?;
    let verb = Verb::Batches { pipeline: args.pipeline };
    let Batches { mut batches } = ask::ask(&session, &here, verb, None, None).await?;
    batches.truncate(args.limit);
    match args.format {
        Format::Json => terminal.data(&print::json(&Batches { batches })),
        Format::Text if batches.is_empty() => {
            terminal.say("there is none; `dpc backfill PIPELINE --from LABEL --to LABEL` begins one");
        }
        Format::Text => terminal.data(&print::table(&batches, terminal.colour_of_data())),
    }
    Ok(Exit::Done)
}

/// Shows one.
pub async fn show(args: ShowArgs, terminal: &Terminal) -> Result<Exit, Failure> {
    let here = args.environment.read()?;
    let session = here.session().await?;
    let batch: Batch = ask::ask(&session, &here, Verb::Batch { batch: args.id }, None, None).await?;
    match args.format {
        Format::Json => terminal.data(&print::json(&batch)),
        Format::Text => terminal.data(&print::one(&batch, &here.flag(), terminal.colour_of_data())),
    }
    Ok(Exit::Done)
}

/// Cancels one.
pub async fn cancel(args: CancelArgs, terminal: &Terminal) -> Result<Exit, Failure> {
    let here = args.environment.read()?;
    let session = here.session().await?;
    let verb = Verb::CancelBatch { batch: args.id, stop: args.stop };
    let batch: Batch = ask::ask(&session, &here, verb, args.why.as_ref(), None).await?;
    let left = batch.total.saturating_sub(batch.started);
    match batch.state {
        BatchState::Cancelled => {
            act(
                terminal,
                Tone::Good,
                "Cancelled",
                &format!("{}  {left} of {} were never started", batch.id, batch.total),
            );
        }
        BatchState::Cancelling => {
            let active = batch.active.len();
            let goes_on = if args.stop { "are being stopped" } else { "go on to their end; --stop ends them too" };
            act(
                terminal,
                Tone::Calm,
                "Cancelling",
                &format!("{}  nothing new starts; {active} at work {goes_on}", batch.id),
            );
        }
        state => act(terminal, Tone::Odd, "Over", &format!("{}  it was {} already", batch.id, print::state(state))),
    }
    act(terminal, Tone::Calm, "Look", &format!("dpc backfill show {}{}", batch.id, here.flag()));
    Ok(Exit::Done)
}
