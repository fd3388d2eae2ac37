//! `dpc run`: starts a run through the account function, like every other start, and follows it.

use serde_json::{Map, Value};

use super::aws::{EnvironmentArg, Here, Tone, act};
use super::follow::{self, Followed};
use super::{Exit, Failure, Terminal};
use crate::cloud::account;
use crate::cloud::runs::Store;
use crate::cloud::{CloudResult, Session};
use crate::control::partition::PartitionSpec;
use crate::control::plan::Plan;
use crate::control::run::{Envelope, Source, Status};
use crate::source::{Code, Finding, suggest};

/// Arguments of `dpc run`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The pipeline
    pipeline: String,
    /// The partition to produce: 2026-11-21, 2026-11-21T03Z, 2026-W47, 2026-11, 2026
    #[arg(long, visible_alias = "date", value_name = "LABEL")]
    partition: Option<String>,
    /// A value for one of the pipeline's params; may be given several times
    #[arg(long = "param", value_name = "NAME=VALUE")]
    params: Vec<String>,
    /// Start it and return at once
    #[arg(long)]
    no_follow: bool,
    #[command(flatten)]
    environment: EnvironmentArg,
}

/// Starts and follows a run.
pub async fn run(args: Args, terminal: &Terminal) -> Result<Exit, Failure> {
    let params = params(&args.params)?;
    let here = args.environment.read()?;
    let session = here.session().await?;
    account::check_version(&session).await?;
    let plan = plan_of(&session, &here, &args.pipeline).await?;
    // New with each command and the same for each retry inside it: one command starts one run.
    let key = format!("run-{:016x}", fastrand::u64(..));
    let mut envelope = Envelope::new(&here.environment.space, &args.pipeline, Source::Run, key);
    envelope.partition = Some(partition(&args, &plan, &here)?);
    envelope.cause = session.caller.arn.as_deref().map(|arn| Value::String(format!("dpc run by {arn}")));
    envelope.params = params;
    let started = account::start(&session, &envelope).await?;
    let flag = here.flag();
    let Some(execution) = started.execution.filter(|_| started.status != Status::Queued) else {
        return ended_before_it_began(&session, &started.run, started.waits_for, &flag, terminal).await;
    };
    act(terminal, Tone::Good, "Started", &started.run.to_string());
    if args.no_follow {
        act(terminal, Tone::Calm, "Follow", &format!("dpc logs {} --follow{flag}", started.run));
        return Ok(Exit::Done);
    }
    match follow::follow(&session, &execution, terminal).await? {
        Followed::Ended(standing) => {
            follow::conclude_execution(&started.run, &standing, &flag, terminal)?;
            Ok(Exit::Done)
        }
        Followed::Interrupted => {
            follow::interrupted(&started.run, &flag, terminal);
            Ok(Exit::Fault)
        }
        Followed::Forgotten => Ok(Exit::Done),
    }
}

/// A run that has no execution was queued, or ended as it was claimed: its row says why.
async fn ended_before_it_began(
    session: &Session,
    run: &crate::control::run::RunRef,
    waits_for: Option<String>,
    flag: &str,
    terminal: &Terminal,
) -> Result<Exit, Failure> {
    let row = session.runs().run(run).await?;
    let Some(row) = row.filter(|row| row.status.is_terminal()) else {
        let ahead =
            waits_for.map(|ahead| format!(" behind {ahead}, and starts when that has ended")).unwrap_or_default();
        act(terminal, Tone::Calm, "Queued", &format!("{run}{ahead}"));
        act(terminal, Tone::Calm, "Look", &format!("dpc status {}{flag}", run.pipeline));
        return Ok(Exit::Done);
    };
    follow::conclude(run, row.status, row.error.as_deref(), row.cause.as_deref(), flag, terminal).map_err(
        |finding| {
            let again = format!("dpc run {} --partition {}{flag}", run.pipeline, run.id.partition);
            let why = "the run ended before any step began, so there is no log";
            Box::new(finding.why(why).help(format!("mend the cause, deploy, then start the next run with `{again}`")))
        },
    )?;
    Ok(Exit::Done)
}

/// What the account knows of the pipeline.
///
/// # Errors
/// A pipeline that is not deployed in the environment.
pub async fn plan_of(session: &Session, here: &Here, pipeline: &str) -> CloudResult<Plan> {
    if let Some(registration) = session.runs().registration(pipeline).await? {
        return Ok(registration.plan);
    }
    let environment = &here.environment.name;
    let message = format!("pipeline `{pipeline}` is not deployed in environment `{environment}`");
    let finding = Finding::new(Code::NotDeployed, message);
    let known: Vec<&str> =
        here.project.pipelines.iter().map(|pipeline| pipeline.manifest.name.value.as_str()).collect();
    Err(Box::new(if known.contains(&pipeline) {
        finding.help(format!("deploy it with `dpc deploy {pipeline}{}`", here.flag()))
    } else {
        match suggest::near(pipeline, known.iter().copied()) {
            Some(near) => finding.help(format!("did you mean `{near}`?")),
            None => finding.help(format!("`dpc status{}` lists what is deployed", here.flag())),
        }
    }))
}

/// The partition asked for. A pipeline that has partitions wants it said: a default would be a guess about whether
/// today's data is there yet.
fn partition(args: &Args, plan: &Plan, here: &Here) -> CloudResult<String> {
    if let Some(label) = &args.partition {
        return Ok(label.clone());
    }
    if plan.partition.by == "none" {
        return Ok("none".to_owned());
    }
    let label = current_partition(plan).unwrap_or_else(|| "LABEL".to_owned());
    let message =
        format!("pipeline `{}` is partitioned by {}: say which partition to produce", args.pipeline, plan.partition.by);
    Err(Box::new(
        Finding::new(Code::NotStarted, message).why(format!("a schedule would produce `{label}` now")).help(format!(
            "type `dpc run {} --partition {label}{}`",
            args.pipeline,
            here.flag()
        )),
    ))
}

/// The partition that a schedule would produce now; `None` for a pipeline without.
pub fn current_partition(plan: &Plan) -> Option<String> {
    if plan.partition.by == "none" {
        return None;
    }
    PartitionSpec::of_plan(&plan.partition).ok()?.of_time(jiff::Timestamp::now())
}

/// Values as typed on the command line.
///
/// # Errors
/// A word that is not NAME=VALUE.
pub fn params(words: &[String]) -> CloudResult<Map<String, Value>> {
    let mut params = Map::new();
    for word in words {
        let Some((name, value)) = word.split_once('=').filter(|(name, _)| !name.is_empty()) else {
            let name = word.trim_start_matches('=');
            let finding = Finding::new(Code::BadParameter, format!("`--param {word}` is not NAME=VALUE"));
            return Err(Box::new(
                finding.help(format!("write `--param {name}=VALUE`; an empty value is `--param {name}=`")),
            ));
        };
        params.insert(name.to_owned(), Value::String(value.to_owned()));
    }
    Ok(params)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_may_hold_anything() {
        let read = params(&["query=a=b".to_owned(), "empty=".to_owned()]).expect("both are NAME=VALUE");
        assert_eq!(read.get("query"), Some(&Value::String("a=b".into())));
        assert_eq!(read.get("empty"), Some(&Value::String(String::new())));
        assert_eq!(params(&["limit".to_owned()]).expect_err("it has no value").code, Code::BadParameter);
        assert_eq!(params(&["=1".to_owned()]).expect_err("it has no name").code, Code::BadParameter);
    }
}
