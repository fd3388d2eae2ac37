//! `dpc completions SHELL`: prints a completion script.

use clap::CommandFactory;

use super::{Cli, Exit, Failure, Terminal};

/// Arguments of `dpc completions`.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example: dpc completions bash > ~/.local/share/bash-completion/completions/dpc")]
pub struct Args {
    /// The shell that will read it
    #[arg(value_enum)]
    shell: clap_complete::Shell,
}

/// Prints the script.
pub async fn run(args: Args, terminal: &Terminal) -> Result<Exit, Failure> {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut Cli::command(), "dpc", &mut script);
    terminal.data(&String::from_utf8_lossy(&script));
    Ok(Exit::Done)
}
