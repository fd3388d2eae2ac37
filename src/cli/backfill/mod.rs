//! `dpc backfill`: a stretch of the calendar, a few partitions at a time; and the list of those that were asked for.

mod list;
pub mod print;

use serde_json::{Map, Value};

use super::aws::{Tone, act};
use super::rerun::{self, How, MOST, Wanted, bad_range, begin};
use super::run::{params, plan_of};
use super::targets::Targets;
use super::{Exit, Failure, Terminal, ask};
use crate::control::range;
use crate::control::verbs::{Batch, Only, Reach, Verb};
use crate::source::{Code, Finding};

/// Arguments of `dpc backfill`.
#[derive(Debug, clap::Args)]
#[command(args_conflicts_with_subcommands = true, subcommand_negates_reqs = true)]
pub struct Args {
    #[command(subcommand)]
    verb: Option<Sub>,
    #[command(flatten)]
    begin: BeginArgs,
}

/// What may be done with one that exists.
#[derive(Debug, clap::Subcommand)]
enum Sub {
    /// List backfills and reruns, the newest first
    List(list::ListArgs),
    /// Show one: how far it is, and how each partition ended
    Show(list::ShowArgs),
    /// Start no more of it, and take what it has queued out of the queue
    Cancel(list::CancelArgs),
}

/// Arguments of a new one.
#[derive(Debug, clap::Args)]
pub struct BeginArgs {
    /// Pipelines: names, globs, owner:NAME, tag:KEY=VALUE
    #[arg(value_name = "SELECT", required = true)]
    select: Vec<String>,
    /// The first partition
    #[arg(long, value_name = "LABEL", required = true)]
    from: Option<String>,
    /// The last partition
    #[arg(long, value_name = "LABEL", required = true)]
    to: Option<String>,
    /// Which of them: those that never ran, those whose newest run ended badly, or all
    #[arg(long, value_enum, default_value_t)]
    only: OnlyArg,
    /// Who runs because of it: all, none, after (all, once the last partition has run), or only:NAME,NAME
    #[arg(long, value_name = "WHO", default_value = "all", value_parser = reach)]
    downstream: Reach,
    /// A value for one of the pipeline's params; may be given several times
    #[arg(long = "param", value_name = "NAME=VALUE")]
    params: Vec<String>,
    #[command(flatten)]
    how: How,
}

/// Which partitions of a stretch.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
enum OnlyArg {
    /// Those that never ran
    #[default]
    Missing,
    /// Those whose newest run ended badly
    Failed,
    /// All
    All,
}

impl OnlyArg {
    fn only(self) -> Only {
        match self {
            OnlyArg::Missing => Only::Missing,
            OnlyArg::Failed => Only::Failed,
            OnlyArg::All => Only::All,
        }
    }

    /// Why there is nothing to run.
    fn says(self, from: &str, to: &str) -> String {
        match self {
            OnlyArg::Missing => {
                format!("every partition from {from} to {to} has run; `--only failed` or `--only all` runs some again")
            }
            OnlyArg::Failed => format!("no newest run from {from} to {to} has ended badly"),
            OnlyArg::All => format!("there is no partition from {from} to {to}"),
        }
    }
}

fn reach(text: &str) -> Result<Reach, String> {
    if text == "after" {
        return Ok(Reach::After);
    }
    rerun::reach(text).map_err(|_| "write all, none, after, or only:NAME,NAME".to_owned())
}

/// Begins a backfill, or deals with one that exists.
pub async fn run(args: Args, terminal: &Terminal) -> Result<Exit, Failure> {
    match args.verb {
        Some(Sub::List(args)) => list::list(args, terminal).await,
        Some(Sub::Show(args)) => list::show(args, terminal).await,
        Some(Sub::Cancel(args)) => list::cancel(args, terminal).await,
        None => new(args.begin, terminal).await,
    }
}

async fn new(args: BeginArgs, terminal: &Terminal) -> Result<Exit, Failure> {
    // Absent only beside a subcommand, which is done with.
    let (Some(from), Some(to)) = (&args.from, &args.to) else {
        let finding = Finding::new(Code::BadRange, "from where to where is not said");
        return Err(finding.help("write `dpc backfill PIPELINE --from LABEL --to LABEL`").into());
    };
    let params: Map<String, Value> = params(&args.params)?;
    let mut here = args.how.environment.read()?;
    let session = here.session().await?;
    let targets = Targets::select(&mut here, &session, &args.select, None).await?;
    let stretch = format!("--from {from} --to {to}");
    ask::only_here(&targets.all, &format!("dpc backfill {} {stretch}", args.select.join(" ")))?;
    let mut wanted = Vec::new();
    for target in &targets.all {
        plan_of(&session, &here, &target.name).await?;
        // Said here, because what is wrong with it is wrong in the words that were typed.
        if let Some(spec) = &target.spec {
            range::between(spec, from, to, &target.name, MOST).map_err(bad_range)?;
        }
        let verb = |dry_run| Verb::Backfill {
            pipeline: target.name.clone(),
            from: from.clone(),
            to: to.clone(),
            only: args.only.only(),
            params: params.clone(),
            downstream: args.downstream.clone(),
            max_active: args.how.max_active,
            dry_run,
        };
        let id = Some(ask::id("bf"));
        let plan = ask::ask::<Batch>(&session, &here, verb(true), args.how.why.as_ref(), id).await;
        let plan = match plan {
            // Done before is done: the same backfill typed twice is no mistake.
            Err(finding) if finding.code == Code::NothingToRun => {
                let says = args.only.says(from, to);
                act(terminal, Tone::Good, "Nothing", &format!("{}  {says}", target.name));
                continue;
            }
            plan => plan?,
        };
        let labels: Vec<String> = plan.partitions.into_iter().map(|one| one.partition).collect();
        wanted.push(Wanted { target: target.clone(), labels, verb: verb(false) });
    }
    if wanted.is_empty() {
        return Ok(Exit::Done);
    }
    begin(&here, &session, &targets, wanted, &args.downstream, &args.how, "bf", terminal).await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn after_is_a_way_of_backfills_alone() {
        assert_eq!(reach("after"), Ok(Reach::After));
        assert!(rerun::reach("after").is_err());
        assert!(reach("later").unwrap_err().contains("after"));
    }
}
