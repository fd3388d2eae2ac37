//! `dpc mark`: a partition counts as having a status, whatever its runs say, until a newer run.

use super::ask;
use super::aws::{EnvironmentArg, Tone, act};
use super::runs::status;
use super::targets::Targets;
use super::{Exit, Failure, Terminal};
use crate::control::run::Status;
use crate::control::verbs::{Asked, Verb};
use crate::source::{Code, Finding};

/// Arguments of `dpc mark`.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "A mark is signed with your ARN, is shown by `dpc why`, and ends with the next run of the partition.\n\
                        Downstream pipelines that wait for the status run because of it."
)]
pub struct Args {
    /// The pipeline
    pipeline: String,
    /// The partition: 2026-11-21, 2026-11-21T03Z, 2026-W47, 2026-11, 2026, none
    #[arg(long, visible_alias = "date", value_name = "LABEL")]
    partition: String,
    /// The status that it counts as having
    #[arg(long, value_name = "STATUS", value_parser = outcome, required_unless_present = "remove")]
    status: Option<Status>,
    /// Why, for those who meet the mark
    #[arg(long, value_name = "TEXT", required_unless_present = "remove")]
    why: Option<String>,
    /// Take the mark back
    #[arg(long, conflicts_with = "status")]
    remove: bool,
    #[command(flatten)]
    environment: EnvironmentArg,
}

/// A mark stands for what has happened.
fn outcome(text: &str) -> Result<Status, String> {
    let status = status(text)?;
    let what = match status {
        Status::Queued | Status::Running => "a mark stands for an end",
        _ => return Ok(status),
    };
    Err(format!("{what}: write SUCCEEDED, FAILED, TIMED_OUT, ABORTED or SKIPPED"))
}

/// Marks a partition, or takes the mark back.
pub async fn run(args: Args, terminal: &Terminal) -> Result<Exit, Failure> {
    let mut here = args.environment.read()?;
    let session = here.session().await?;
    let Args { pipeline, partition, .. } = &args;
    let targets = Targets::select(&mut here, &session, std::slice::from_ref(pipeline), None).await?;
    let [target] = targets.all.as_slice() else {
        let finding =
            Finding::new(Code::NothingSelected, format!("`{pipeline}` means {} pipelines", targets.all.len()));
        return Err(finding.help("a mark is about one: name it").into());
    };
    let flag = here.flag();
    ask::only_here(&targets.all, &format!("dpc mark {} --partition {partition}", target.name))?;
    let (pipeline, partition) = (target.name.clone(), partition.clone());
    let place = format!("{pipeline}/{partition}");
    let verb = match args.status {
        Some(status) => Verb::Mark { pipeline, partition, status },
        None => Verb::Unmark { pipeline, partition },
    };
    let asked: Asked = ask::ask(&session, &here, verb, args.why.as_ref(), Some(ask::id("mk"))).await?;
    match args.status {
        Some(status) => act(terminal, Tone::Good, "Marked", &format!("{place} as {status}, until a newer run")),
        None => act(terminal, Tone::Good, "Unmarked", &format!("{place}: its runs count again")),
    }
    asked.warnings.iter().for_each(|warning| act(terminal, Tone::Odd, "Note", warning));
    act(terminal, Tone::Calm, "Look", &format!("dpc why {} --partition {}{flag}", target.name, args.partition));
    Ok(Exit::Done)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mark_is_an_end() {
        assert_eq!(outcome("succeeded"), Ok(Status::Succeeded));
        assert!(outcome("running").unwrap_err().contains("SUCCEEDED"));
    }
}
