//! `dpc logs`: the timeline of a run, and what its steps have written.

use super::aws::{EnvironmentArg, Here, Tone, act};
use super::follow::{self, Followed, Printer};
use super::{Exit, Failure, Terminal};
use crate::cloud::jobs;
use crate::cloud::logs::{self, Attempt, Output};
use crate::cloud::runs::{Run, Store};
use crate::cloud::timeline::{self, Timeline};
use crate::cloud::{CloudResult, Session};
use crate::control::run::{RunId, RunRef};
use crate::source::{Code, Finding};

/// Arguments of `dpc logs`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// listings for its newest run, listings/2026-11-21 for the partition's newest, listings/2026-11-21/1 for that one
    #[arg(value_name = "RUN")]
    run: String,
    /// Only this step
    #[arg(long, value_name = "NAME")]
    step: Option<String>,
    /// Wait for the run's end
    #[arg(long, short)]
    follow: bool,
    /// Print the state machine's log instead: one JSON line an event
    #[arg(long, conflicts_with_all = ["step", "follow"])]
    states: bool,
    #[command(flatten)]
    environment: EnvironmentArg,
}

/// Prints a run's timeline and output.
pub async fn run(args: Args, terminal: &Terminal) -> Result<Exit, Failure> {
    let here = args.environment.read()?;
    let session = here.session().await?;
    let run = find(&session, &here, &args.run).await?;
    let name = run.reference.clone();
    act(terminal, Tone::Calm, run.status.as_str(), &format!("{name}  {}", said_about(&run)));
    let Some(execution) = run.execution.clone() else {
        // Nothing ran, so nothing was written.
        return Ok(Exit::Done);
    };
    if args.states {
        for line in logs::machine(&session, &name.pipeline, &execution).await? {
            terminal.data(&format!("{line}\n"));
        }
        return Ok(Exit::Done);
    }
    if args.follow {
        match follow::follow(&session, &execution, terminal).await? {
            Followed::Interrupted => {
                follow::interrupted(&name, &here.flag(), terminal);
                return Ok(Exit::Fault);
            }
            Followed::Ended(_) | Followed::Forgotten => {}
        }
    } else {
        print_timeline(&session, &execution, args.step.as_deref(), terminal).await?;
    }
    print_output(&session, &run, args.step.as_deref(), terminal).await?;
    if args.follow {
        let ended = timeline::standing(&session, &execution).await?;
        if let Some(ended) = ended {
            follow::conclude_execution(&name, &ended, &here.flag(), terminal)?;
        }
    }
    Ok(Exit::Done)
}

fn said_about(run: &Run) -> String {
    run.cause.as_deref().or(run.error.as_deref()).map(timeline::plain).unwrap_or_default()
}

/// The run that `pipeline`, `pipeline/partition` or `pipeline/partition/number` means.
///
/// # Errors
/// There is no such run.
pub(super) async fn find(session: &Session, here: &Here, word: &str) -> CloudResult<Run> {
    let mut parts = word.splitn(3, '/').filter(|part| !part.is_empty());
    let pipeline = parts.next().unwrap_or_default();
    let (partition, number) = (parts.next(), parts.next());
    let found = match (partition, number) {
        (Some(partition), Some(number)) => match number.parse() {
            Ok(number) => {
                let id = RunId { partition: partition.to_owned(), number };
                session.runs().run(&RunRef { pipeline: pipeline.to_owned(), id }).await?
            }
            Err(_) => None,
        },
        (Some(partition), None) => session.runs().runs_of_partition(pipeline, partition, 1).await?.into_iter().next(),
        (None, _) => newest(session, pipeline).await?,
    };
    if let Some(run) = found {
        return Ok(run);
    }
    // Either the pipeline is unknown, which has its own words, or it is known and has not run so.
    super::run::plan_of(session, here, pipeline).await?;
    let message = match partition {
        None => format!("pipeline `{pipeline}` has not run yet"),
        Some(_) => format!("there is no run `{word}`"),
    };
    let status = format!("`dpc status {pipeline}{}` lists the last runs", here.flag());
    Err(Box::new(Finding::new(Code::NoSuchRun, message).help(status)))
}

/// The run that was claimed last. Rows are sorted by partition, so a rerun of an old partition is looked for among the
/// newest hundred.
async fn newest(session: &Session, pipeline: &str) -> CloudResult<Option<Run>> {
    let runs = session.runs().runs(pipeline, 100, None).await?;
    Ok(runs.into_iter().max_by_key(|run| run.claimed_at))
}

async fn print_timeline(
    session: &Session,
    execution: &str,
    step: Option<&str>,
    terminal: &Terminal,
) -> CloudResult<()> {
    let Some(standing) = timeline::standing(session, execution).await? else {
        act(
            terminal,
            Tone::Odd,
            "Forgotten",
            "Step Functions keeps a history for 90 days; `--states` reads the log instead",
        );
        return Ok(());
    };
    let mut printer = Printer::new(&standing.steps);
    for moment in Timeline::new(execution, standing.steps.clone()).news(session).await? {
        if step.is_none_or(|step| step == moment.state) {
            terminal.say(&printer.line(&moment, terminal));
        }
    }
    Ok(())
}

async fn print_output(session: &Session, run: &Run, step: Option<&str>, terminal: &Terminal) -> CloudResult<()> {
    let began = run.started_at.unwrap_or(run.claimed_at).as_second();
    let attempts = logs::attempts(session, &run.reference.execution_name(), began).await?;
    let mut number = std::collections::BTreeMap::<String, u32>::new();
    for attempt in &attempts {
        let count = number.entry(attempt.step.clone()).or_default();
        *count += 1;
        if step.is_none_or(|step| step == attempt.step) {
            print_attempt(session, &run.reference.pipeline, attempt, *count, terminal).await?;
        }
    }
    // What ran in containers and on EMR Serverless, the execution's history tells.
    let execution = run.execution.as_deref().unwrap_or_default();
    let jobs = jobs::of(&session.clients, &session.caller, execution).await?;
    for job in jobs.iter().filter(|job| step.is_none_or(|step| step == job.step)) {
        let count = number.entry(job.step.clone()).or_default();
        *count += 1;
        let state = match job.succeeded {
            Some(true) => "COMPLETED",
            Some(false) => "FAILED",
            None => "RUNNING or stopped",
        };
        terminal.say(&format!("\n--- {}, attempt {count}: {state} ({})", job.step, job.id()));
        print_outputs(&logs::of_job(session, &run.reference.pipeline, job).await?, terminal);
    }
    Ok(())
}

async fn print_attempt(
    session: &Session,
    pipeline: &str,
    attempt: &Attempt,
    number: u32,
    terminal: &Terminal,
) -> CloudResult<()> {
    let outputs = logs::output(session, pipeline, attempt).await?;
    let Attempt { step, id, cluster, state, .. } = attempt;
    terminal.say(&format!("\n--- {step}, attempt {number}: {state} ({id} on {cluster})"));
    if let Some(reason) = &attempt.reason {
        terminal.say(&format!("    {reason}"));
    }
    let own: Vec<_> =
        outputs.iter().filter(|output| output.stream != "controller" && !output.text.is_empty()).collect();
    // EMR's own account of the step matters only when the step itself has left nothing.
    let shown: Vec<_> = if own.is_empty() { outputs.iter().collect() } else { own };
    if shown.is_empty() {
        terminal.say("    nothing written yet; EMR copies output into the bucket every few minutes and at the end");
    }
    shown.into_iter().for_each(|output| print_output_of(output, terminal));
    Ok(())
}

/// Everything that an attempt has written; a word when that is nothing.
fn print_outputs(outputs: &[Output], terminal: &Terminal) {
    if outputs.iter().all(|output| output.text.is_empty()) {
        terminal.say("    nothing written yet");
    }
    outputs.iter().filter(|output| !output.text.is_empty()).for_each(|output| print_output_of(output, terminal));
}

fn print_output_of(output: &Output, terminal: &Terminal) {
    terminal.say(&format!("[{}]", output.stream));
    terminal.data(&output.text);
    if !output.text.is_empty() && !output.text.ends_with('\n') {
        terminal.data("\n");
    }
}
