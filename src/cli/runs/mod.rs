//! `dpc runs`: which runs there are, everything about one, and which ones do not count.

mod grid;
mod ignore;
pub mod line;
mod list;
mod show;

pub use list::status;

use super::{Exit, Failure, Terminal};

/// Arguments of `dpc runs`.
#[derive(Debug, clap::Args)]
#[command(args_conflicts_with_subcommands = true)]
pub struct Args {
    #[command(subcommand)]
    verb: Option<Verb>,
    #[command(flatten)]
    list: list::Args,
}

/// What may be done with one run.
#[derive(Debug, clap::Subcommand)]
enum Verb {
    /// Say everything about one run, and why it started
    Show(show::Args),
    /// Let a run count for nobody, or again with --restore
    Ignore(ignore::Args),
}

/// Lists runs, or deals with one.
pub async fn run(args: Args, terminal: &Terminal) -> Result<Exit, Failure> {
    match args.verb {
        None => list::run(args.list, terminal).await,
        Some(Verb::Show(args)) => show::run(args, terminal).await,
        Some(Verb::Ignore(args)) => ignore::run(args, terminal).await,
    }
}
