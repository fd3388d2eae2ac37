//! `dpc rerun`: partitions once more, each with the params of its newest run, and what follows from them downstream.

use serde_json::json;

use super::affected::{self, Affected};
use super::aws::{EnvironmentArg, Here, Tone, act, count};
use super::backfill::print;
use super::run::{current_partition, params, plan_of};
use super::table::Format;
use super::targets::{Target, Targets};
use super::{Exit, Failure, Terminal, ask};
use crate::cloud::{CloudResult, Session};
use crate::control::range;
use crate::control::verbs::{Batch, Reach, Verb};
use crate::source::{Code, Finding, Problem};

/// How many partitions one command runs.
pub const MOST: usize = 10_000;

/// Arguments of `dpc rerun`.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Each partition runs with the params and the event of its newest run, unless --param is given. Downstream\n\
                        pipelines run because of it once all that they wait for has run; --downstream limits them."
)]
pub struct Args {
    /// Pipelines: names, globs, owner:NAME, tag:KEY=VALUE, status:FAILED; or one run, as listings/2026-11-21/1
    #[arg(value_name = "SELECT", required = true)]
    select: Vec<String>,
    /// The partitions: 2026-11-21, or 2026-11-01..2026-11-21; may be given several times, or as a list
    #[arg(long, visible_alias = "date", value_name = "P|A..B", value_delimiter = ',')]
    partition: Vec<String>,
    /// Who runs because of it: all, none, or only:NAME,NAME
    #[arg(long, value_name = "WHO", default_value = "all", value_parser = reach)]
    downstream: Reach,
    /// A value for one of the pipeline's params, instead of those of the earlier runs; may be given several times
    #[arg(long = "param", value_name = "NAME=VALUE")]
    params: Vec<String>,
    #[command(flatten)]
    how: How,
}

/// What rerun and backfill share.
#[derive(Debug, clap::Args)]
pub struct How {
    /// How many runs of a pipeline at once; 1 to 100. Default: 3
    #[arg(long, value_name = "NUMBER", value_parser = clap::value_parser!(u32).range(1..=100))]
    pub max_active: Option<u32>,
    /// Why, for those who wonder
    #[arg(long, value_name = "TEXT")]
    pub why: Option<String>,
    /// Do not ask
    #[arg(long, short)]
    pub yes: bool,
    /// Show what would run, and start nothing
    #[arg(long, conflicts_with = "yes")]
    pub dry_run: bool,
    /// How to print it
    #[arg(long, value_enum, default_value_t)]
    pub format: Format,
    /// Where
    #[command(flatten)]
    pub environment: EnvironmentArg,
}

/// Who runs because of it.
pub fn reach(text: &str) -> Result<Reach, String> {
    match text {
        "all" => return Ok(Reach::All),
        "none" => return Ok(Reach::None),
        _ => {}
    }
    let names = text.strip_prefix("only:").map(|names| names.split(',').map(str::trim).filter(|name| !name.is_empty()));
    let names: Vec<String> = names.into_iter().flatten().map(str::to_owned).collect();
    if names.is_empty() { Err("write all, none, or only:NAME,NAME".to_owned()) } else { Ok(Reach::Only(names)) }
}

/// One pipeline and what of it is to run.
pub struct Wanted {
    /// The pipeline.
    pub target: Target,
    /// Its partitions.
    pub labels: Vec<String>,
    /// What is asked of the account function.
    pub verb: Verb,
}

/// Reruns partitions.
pub async fn run(args: Args, terminal: &Terminal) -> Result<Exit, Failure> {
    let params = if args.params.is_empty() { None } else { Some(params(&args.params)?) };
    let mut here = args.how.environment.read()?;
    let session = here.session().await?;
    let (words, runs) = words(&args.select, &args.partition)?;
    let targets = Targets::select(&mut here, &session, &words, None).await?;
    let partitions = if runs.is_empty() { args.partition.clone() } else { Vec::new() };
    ask::only_here(
        &targets.all,
        &format!("dpc rerun {} --partition {}", args.select.join(" "), args.partition.join(",")),
    )?;
    let mut wanted = Vec::new();
    for target in &targets.all {
        let plan = plan_of(&session, &here, &target.name).await?;
        let mut labels = labels(target, &partitions)?;
        labels.extend(runs.iter().map(|(label, _)| label.clone()));
        if labels.is_empty() {
            return Err(unsaid(target, &plan, &here).into());
        }
        let asked = match runs.as_slice() {
            [(label, Some(number))] => vec![format!("{}/{label}/{number}", target.name)],
            _ => labels.clone(),
        };
        let verb = Verb::Rerun {
            pipeline: target.name.clone(),
            partitions: asked,
            params: params.clone(),
            downstream: args.downstream.clone(),
            max_active: args.how.max_active,
        };
        wanted.push(Wanted { target: target.clone(), labels, verb });
    }
    begin(&here, &session, &targets, wanted, &args.downstream, &args.how, "rr", terminal).await
}

/// Words without runs, and the partitions of runs: `listings/2026-11-21/2`.
#[allow(clippy::type_complexity)] // a label, and a number if one is said
fn words(select: &[String], partition: &[String]) -> CloudResult<(Vec<String>, Vec<(String, Option<u32>)>)> {
    let [word] = select else { return Ok((select.to_vec(), Vec::new())) };
    let mut parts = word.splitn(3, '/');
    let (Some(pipeline), Some(label)) = (parts.next(), parts.next()) else {
        return Ok((select.to_vec(), Vec::new()));
    };
    if !partition.is_empty() {
        let finding = Finding::new(Code::BadRange, format!("`{word}` names a partition, and so does --partition"));
        return Err(Box::new(
            finding.help(format!("write `dpc rerun {pipeline} --partition {}`", partition.join(","))),
        ));
    }
    let number = match parts.next().map(str::parse) {
        None => None,
        Some(Ok(number)) => Some(number),
        Some(Err(_)) => {
            let finding = Finding::new(Code::NoSuchRun, format!("`{word}` is not a run"));
            return Err(Box::new(finding.help(format!("write a number: `{pipeline}/{label}/1`"))));
        }
    };
    Ok((vec![pipeline.to_owned()], vec![(label.to_owned(), number)]))
}

/// Every partition that is asked for, once, in its order.
fn labels(target: &Target, texts: &[String]) -> CloudResult<Vec<String>> {
    let Some(spec) = &target.spec else { return Ok(texts.to_vec()) };
    let mut labels = Vec::new();
    for text in texts {
        labels.extend(range::labels(spec, text, &target.name, MOST).map_err(bad_range)?);
    }
    labels.sort();
    labels.dedup();
    Ok(labels)
}

/// What is wrong with a range, as a finding.
pub fn bad_range(problem: Problem) -> Box<Finding> {
    let finding = Finding::new(Code::BadRange, problem.message);
    Box::new(match problem.help {
        Some(help) => finding.help(help),
        None => finding,
    })
}

/// Nobody has said which partitions.
fn unsaid(target: &Target, plan: &crate::control::plan::Plan, here: &Here) -> Box<Finding> {
    let name = &target.name;
    let label = current_partition(plan).unwrap_or_else(|| "none".to_owned());
    let finding = Finding::new(Code::BadRange, format!("which partitions of `{name}` are to run again is not said"));
    Box::new(finding.help(format!(
        "write `dpc rerun {name} --partition {label}{}`, or a range A..B; `dpc runs {name} --grid` shows what there is",
        here.flag()
    )))
}

/// Shows what would run, asks, and starts it.
#[allow(clippy::too_many_arguments)] // what two commands share, and nothing else
pub async fn begin(
    here: &Here,
    session: &Session,
    targets: &Targets,
    wanted: Vec<Wanted>,
    reach: &Reach,
    how: &How,
    prefix: &str,
    terminal: &Terminal,
) -> Result<Exit, Failure> {
    let mut all: Vec<Affected> =
        wanted.iter().map(|wanted| Affected::asked(&wanted.target, wanted.labels.clone())).collect();
    let asked: Vec<(String, Vec<String>)> =
        wanted.iter().map(|wanted| (wanted.target.name.clone(), wanted.labels.clone())).collect();
    all.extend(targets.downstream_of(session, here, &asked).await?);
    affected::leave_out(&mut all, reach);
    let verb = if prefix == "bf" { "backfill" } else { "rerun" };
    terminal.say(&affected::text(&all, terminal.colour()));
    if *reach == Reach::After {
        terminal.say("downstream pipelines run after the last partition has run");
    }
    if how.dry_run {
        if how.format == Format::Json {
            terminal.data(&format!("{:#}\n", json!({ "affected": affected::json(&all), "batches": [] })));
        }
        return Ok(Exit::Done);
    }
    let total: usize = wanted.iter().map(|wanted| wanted.labels.len()).sum();
    let question = format!("Run {} in {}?", count(total, "partition"), here.place());
    if !ask::confirm(terminal, &question, how.yes, &format!("dpc {verb}")).await? {
        return Ok(Exit::Fault);
    }
    let mut batches = Vec::new();
    for wanted in wanted {
        let id = ask::id(prefix);
        let batch: Batch = ask::ask(session, here, wanted.verb, how.why.as_ref(), Some(id)).await?;
        print::begun(&batch, &here.flag(), terminal);
        batches.push(batch);
    }
    if how.format == Format::Json {
        let batches = serde_json::to_value(&batches).unwrap_or_default();
        terminal.data(&format!("{:#}\n", json!({ "affected": affected::json(&all), "batches": batches })));
    }
    act(terminal, Tone::Calm, "All", &format!("dpc backfill list{}", here.flag()));
    Ok(Exit::Done)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn downstream_is_said_in_three_ways() {
        assert_eq!(reach("all"), Ok(Reach::All));
        assert_eq!(reach("only:a, b"), Ok(Reach::Only(vec!["a".to_owned(), "b".to_owned()])));
        for text in ["only:", "some", "only", ""] {
            assert!(reach(text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_run_may_be_named() {
        let read = |word: &str| words(&[word.to_owned()], &[]).map_err(|finding| finding.message);
        assert_eq!(read("listings/2026-11-21/2").unwrap().1, [("2026-11-21".to_owned(), Some(2))]);
        assert_eq!(read("listings/2026-11-21").unwrap().1, [("2026-11-21".to_owned(), None)]);
        assert_eq!(read("listings").unwrap().1, []);
        assert!(read("listings/2026-11-21/two").unwrap_err().contains("not a run"));
        assert!(words(&["a/b".to_owned()], &["c".to_owned()]).is_err());
    }
}
