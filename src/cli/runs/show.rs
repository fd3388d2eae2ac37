//! `dpc runs show`: everything about one run, above all why it started.

use jiff::Timestamp;
use jiff::tz::TimeZone;
use serde_json::{Value, json};

use super::line::{source, tone};
use crate::cli::aws::{EnvironmentArg, moment, tint, took};
use crate::cli::table::{Cell, Format, Table};
use crate::cli::turn::{self, Wait};
use crate::cli::{Exit, Failure, Terminal, logs, targets};
use crate::cloud::runs::{Run, Store};
use crate::cloud::timeline;
use crate::control::partition::PartitionSpec;
use crate::control::run::{Downstream, RunRef, Source, Status};

/// Arguments of `dpc runs show`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// listings for its newest run, listings/2026-11-21 for the partition's newest, listings/2026-11-21/1 for that one
    #[arg(value_name = "RUN")]
    run: String,
    /// How to print it
    #[arg(long, value_enum, default_value_t)]
    format: Format,
    #[command(flatten)]
    environment: EnvironmentArg,
}

/// Prints a run.
pub async fn run(args: Args, terminal: &Terminal) -> Result<Exit, Failure> {
    let here = args.environment.read()?;
    let session = here.session().await?;
    let run = logs::find(&session, &here, &args.run).await?;
    let runs = session.runs();
    let plan = runs.registration(&run.reference.pipeline).await?.map(|registration| registration.plan);
    let shown = Shown {
        wait: turn::of(&runs, plan.as_ref(), &run).await?,
        spec: targets::spec_of(plan.as_ref()),
        account: session.account.clone(),
        region: session.region().to_owned(),
        flag: here.flag(),
        run,
    };
    match args.format {
        Format::Text => terminal.data(&shown.text(Timestamp::now(), terminal.colour_of_data())),
        Format::Json => terminal.data(&format!("{:#}\n", shown.json())),
    }
    Ok(Exit::Done)
}

/// A run, and what its row does not say.
struct Shown {
    run: Run,
    wait: Option<Wait>,
    spec: Option<PartitionSpec>,
    account: String,
    region: String,
    flag: String,
}

impl Shown {
    fn text(&self, now: Timestamp, colour: bool) -> String {
        let run = &self.run;
        let status = tint(colour, tone(run.status), run.status.as_str());
        let length = run.started_at.map(|began| took(run.ended_at.unwrap_or(now).duration_since(began).as_secs_f64()));
        let length = match (run.status, length) {
            (Status::Queued | Status::Skipped, _) | (_, None) => String::new(),
            (Status::Running, Some(length)) => format!("  for {length}"),
            (_, Some(length)) => format!("  after {length}"),
        };
        let mut out = format!("{}  {status}{length}\n\n", run.reference);
        let mut table = Table::new(&[]);
        for (name, value) in self.rows() {
            table.row([Cell::new(name), Cell::new(value)]);
        }
        out += &table.text("  ", false);
        out += &format!("\n  why it started\n{}", self.why());
        if let Some(cause) = self.ending() {
            out += &format!("\n  how it ended\n    {cause}\n");
        }
        out + &format!("\n{}\n", self.next())
    }

    fn rows(&self) -> Vec<(&'static str, String)> {
        let run = &self.run;
        let RunRef { pipeline, id } = &run.reference;
        let mut rows =
            vec![("pipeline", format!("{pipeline}, space {}, account {}, {}", run.space, self.account, self.region))];
        if let Some((start, end)) = self.spec.as_ref().and_then(|spec| spec.parse(&id.partition, pipeline).ok()?.bounds)
        {
            rows.push(("partition", format!("{}, from {} to {} UTC", id.partition, minute(start), minute(end))));
        }
        rows.push(("asked for", moment(run.claimed_at)));
        if let Some(wait) = &self.wait {
            rows.push(("waits", wait.words()));
        }
        rows.extend(run.started_at.map(|at| {
            let waited = at.duration_since(run.claimed_at).as_secs_f64();
            let queue =
                if waited >= 1.0 { format!(", {} after it was asked for", took(waited)) } else { String::new() };
            ("started", format!("{}{queue}", moment(at)))
        }));
        rows.extend(run.ended_at.map(|at| ("ended", moment(at))));
        let params: Vec<String> = run.params.iter().map(|(name, value)| format!("{name}={}", plain(value))).collect();
        rows.extend((!params.is_empty()).then(|| ("params", params.join("  "))));
        rows.extend(run.superseded_by.map(|number| ("replaced by", format!("{pipeline}/{}/{number}", id.partition))));
        rows.extend((!run.tokens.is_empty()).then(|| ("awaited by", crate::cli::aws::count(run.tokens.len(), "step"))));
        let redrives = run.order / 10;
        rows.extend((redrives > 0).then(|| ("redriven", times(redrives))));
        rows.extend(run.downstream.as_ref().map(|downstream| {
            let words = match downstream {
                Downstream::None => "starts nobody downstream".to_owned(),
                Downstream::Only(names) => format!("starts only {} downstream", names.join(", ")),
            };
            ("downstream", words)
        }));
        let batch = run.reservation.as_ref();
        rows.extend(batch.map(|id| ("part of", format!("{id}; `dpc backfill show {id}{}`", self.flag))));
        rows.push(("key", run.key.clone()));
        rows.extend(run.execution.clone().map(|execution| ("execution", execution)));
        let open = match (run.open, run.released, run.announce) {
            (true, _, true) if run.status.is_terminal() => {
                Some("its announcement has not been confirmed; the sweep tries again")
            }
            (true, false, _) if run.status.is_terminal() => {
                Some("what it held is not known to be released; the sweep looks again")
            }
            _ => None,
        };
        rows.extend(open.map(|open| ("still open", open.to_owned())));
        rows
    }

    /// Why there is this run, each line four blanks in.
    fn why(&self) -> String {
        let run = &self.run;
        let mut lines = Vec::new();
        match run.source {
            Source::Schedule => {
                let due = run.scheduled_time.map(|at| format!(", due {} UTC", minute(at))).unwrap_or_default();
                lines.push(format!("its schedule{due}"));
            }
            Source::Trigger => {
                if let Some(relied) = trigger(run.reason.as_ref()) {
                    return relied;
                }
                lines.push("what it waits for had come true at the central account".to_owned());
            }
            Source::Event => lines.push("an event; `--format json` prints it".to_owned()),
            Source::Pipeline => {
                let parent = run.parent.as_deref().unwrap_or("another pipeline's step");
                let parent = RunRef::of_execution_name(parent).map_or_else(|| parent.to_owned(), |run| run.to_string());
                lines.push(format!("a step of {parent}"));
            }
            by @ (Source::Run | Source::Rerun | Source::Backfill) => {
                lines.push(format!("a person, by `dpc {}`", source(by)))
            }
        }
        if let Some(reason) = run.reason.as_ref().filter(|reason| !reason.is_null()) {
            lines.push(plain(reason));
        }
        lines.into_iter().map(|line| format!("    {line}\n")).collect()
    }

    fn ending(&self) -> Option<String> {
        let run = &self.run;
        let cause = run.cause.as_deref().map(|cause| timeline::plain(cause).to_string());
        match (run.error.as_deref(), cause) {
            (Some(error), Some(cause)) => Some(format!("{cause} ({error})")),
            (Some(error), None) => Some(error.to_owned()),
            (None, Some(cause)) => Some(cause),
            (None, None) if run.status == Status::Skipped => {
                Some("its `when` was false, so nothing was started".to_owned())
            }
            (None, None) => None,
        }
    }

    /// What a person does next.
    fn next(&self) -> String {
        let (run, flag) = (&self.run.reference, &self.flag);
        match self.run.status {
            Status::Queued | Status::Running => {
                format!("`dpc stop {run}{flag}` ends it, `dpc logs {run} --follow{flag}` looks on")
            }
            Status::Succeeded => format!("`dpc logs {run}{flag}` prints what it has written"),
            Status::Failed | Status::TimedOut | Status::Aborted => format!(
                "`dpc logs {run}{flag}` prints what it has written; once mended, `dpc rerun {} --partition {}{flag}`",
                run.pipeline, run.id.partition
            ),
            Status::Skipped => {
                format!(
                    "`dpc rerun {} --partition {}{flag}` asks for the partition again",
                    run.pipeline, run.id.partition
                )
            }
        }
    }

    fn json(&self) -> Value {
        let run = &self.run;
        let time = |at: Option<Timestamp>| at.map(|at| at.to_string());
        json!({
            "run": run.reference.to_string(),
            "pipeline": run.reference.pipeline,
            "partition": run.reference.id.partition,
            "number": run.reference.id.number,
            "space": run.space,
            "account": self.account,
            "region": self.region,
            "status": run.status.as_str(),
            "redrives": run.order / 10,
            "source": run.source,
            "key": run.key,
            "reason": run.reason,
            "scheduledTime": time(run.scheduled_time),
            "event": run.event,
            "parent": run.parent,
            "params": run.params,
            "waitsFor": self.wait.as_ref().and_then(Wait::run).map(RunRef::to_string),
            "supersededBy": run.superseded_by,
            "downstream": run.downstream,
            "reservation": run.reservation,
            "claimedAt": run.claimed_at.to_string(),
            "startedAt": time(run.started_at),
            "endedAt": time(run.ended_at),
            "execution": run.execution,
            "planDigest": run.plan_digest,
            "error": run.error,
            "cause": run.cause,
            "open": run.open,
        })
    }
}

/// The upstream runs that a fire relied on, as the trigger's cause names them.
fn trigger(reason: Option<&Value>) -> Option<String> {
    let trigger = reason?.get("trigger")?;
    let text = |value: &Value, key: &str| value.get(key).and_then(Value::as_str).unwrap_or_default().to_owned();
    let time = |value: &Value, key: &str| text(value, key).parse::<Timestamp>().ok().map(moment);
    let at = time(trigger, "at").map(|at| format!(" at {at}")).unwrap_or_default();
    let mut table = Table::new(&[]);
    for relied in trigger.get("relied")?.as_array()? {
        let number = relied.get("number").and_then(Value::as_u64).unwrap_or_default();
        let status = text(relied, "status");
        let feels = Status::parse(&status).map(tone);
        let ended = time(relied, "endedAt").map(|at| format!("ended {at}")).unwrap_or_default();
        let account = text(relied, "account");
        table.row([
            Cell::new(format!("{}/{}/{number}", text(relied, "pipeline"), text(relied, "partition"))),
            Cell::new(status).tone(feels),
            Cell::new(ended),
            Cell::new(if account.is_empty() { account } else { format!("account {account}") }),
        ]);
    }
    Some(format!("    what it waits for had come true{at}:\n{}", table.text("      ", false)))
}

fn plain(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

fn minute(at: Timestamp) -> String {
    at.to_zoned(TimeZone::UTC).strftime("%Y-%m-%d %H:%M").to_string()
}

fn times(count: u64) -> String {
    if count == 1 { "once".to_owned() } else { format!("{count} times") }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(source: Source, change: impl FnOnce(&mut Run)) -> Shown {
        let at: Timestamp = "2026-11-22T05:40:02Z".parse().unwrap();
        let mut run = Run::queued("pipeline-x/2026-11-21/1".parse().unwrap(), "prod".into(), source, "k".into(), at);
        change(&mut run);
        Shown {
            run,
            wait: None,
            spec: None,
            account: "333333333333".into(),
            region: "eu-central-1".into(),
            flag: " --env prod".into(),
        }
    }

    #[test]
    fn a_trigger_names_the_runs_that_it_relied_on() {
        let reason = json!({ "trigger": { "at": "2026-11-22T05:40:01Z", "relied": [
            { "pipeline": "listings", "partition": "2026-11-21", "number": 2, "status": "SUCCEEDED",
              "account": "111111111111", "endedAt": "2026-11-22T05:39:50Z" },
            { "pipeline": "searches", "partition": "2026-11-21", "number": 1, "status": "FAILED", "account": "222222222222" },
        ] } });
        let text = shown(Source::Trigger, |run| run.reason = Some(reason)).why();
        let words: Vec<Vec<&str>> = text.lines().map(|line| line.split_whitespace().collect()).collect();
        assert!(text.starts_with("    what it waits for had come true at 2026-11-22"), "{text}");
        assert_eq!(words.get(1).unwrap().first(), Some(&"listings/2026-11-21/2"));
        assert_eq!(words.get(2).unwrap(), &["searches/2026-11-21/1", "FAILED", "account", "222222222222"]);
    }

    #[test]
    fn every_run_says_what_to_do_next() {
        let next = |status| shown(Source::Schedule, |run| run.status = status).next();
        assert!(next(Status::Running).starts_with("`dpc stop pipeline-x/2026-11-21/1 --env prod`"));
        assert!(next(Status::Failed).ends_with("`dpc rerun pipeline-x --partition 2026-11-21 --env prod`"));
        for status in Status::ALL {
            assert!(next(status).contains("`dpc "), "{status}");
        }
    }

    #[test]
    fn a_skipped_run_says_why() {
        let ending = |error: Option<&str>| {
            let change = |run: &mut Run| {
                run.status = Status::Skipped;
                run.error = error.map(str::to_owned);
                run.cause = error.map(|_| "superseded: run `x` was asked for".to_owned());
            };
            shown(Source::Trigger, change).ending().unwrap()
        };
        assert!(ending(None).starts_with("its `when` was false"));
        assert_eq!(ending(Some("dpc.Superseded")), "superseded: run `x` was asked for (dpc.Superseded)");
    }
}
