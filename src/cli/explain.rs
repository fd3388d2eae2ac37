//! `dpc explain CODE`: prints the page of a diagnostic code.

use super::{Exit, Failure, Terminal};
use crate::source::{Code, suggest};

/// Arguments of `dpc explain`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The code, as printed: DPC101. Without one, all codes are listed
    code: Option<String>,
}

/// Prints the page, or the list of codes.
pub async fn run(args: Args, terminal: &Terminal) -> Result<Exit, Failure> {
    let Some(asked) = args.code else {
        let lines: Vec<String> = Code::ALL.iter().map(|code| format!("{}  {}\n", code.id(), code.title())).collect();
        terminal.data(&lines.concat());
        return Ok(Exit::Done);
    };
    if let Some(code) = Code::parse(&asked) {
        terminal.data(code.page());
        return Ok(Exit::Done);
    }
    let ids: Vec<&str> = Code::ALL.iter().map(|code| code.id()).collect();
    let near = suggest::near(&asked.to_ascii_uppercase(), ids.iter().copied());
    let hint = near.map(|id| format!("; did you mean `{id}`?")).unwrap_or_default();
    terminal.say(&format!("error: there is no code `{asked}`{hint}"));
    terminal.say("help: `dpc explain` without a code lists all of them");
    Ok(Exit::Usage)
}
