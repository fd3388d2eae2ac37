//! Backfills and reruns as text.

use serde::Serialize;

use crate::cli::Terminal;
use crate::cli::aws::{Tone, act, count, moment, tint};
use crate::cli::runs::line;
use crate::cli::table::{Cell, Table};
use crate::control::run::{Source, Status};
use crate::control::verbs::{Batch, BatchPartition, BatchState, Only, Reach};

/// What is said of a new one.
pub fn begun(batch: &Batch, flag: &str, terminal: &Terminal) {
    let Batch { id, pipeline, total, max_active, .. } = batch;
    let (tone, word) = match batch.state {
        BatchState::Refused => (Tone::Bad, "Refused"),
        BatchState::Reserving => (Tone::Calm, "Reserving"),
        _ => (Tone::Good, "Started"),
    };
    let cause = batch.cause.as_ref().map(|cause| format!(": {cause}")).unwrap_or_default();
    let most = (*max_active).min(*total);
    act(
        terminal,
        tone,
        word,
        &format!("{id}  {} of {pipeline}, {most} at a time{cause}", count(*total as usize, "partition")),
    );
    batch.warnings.iter().for_each(|warning| act(terminal, Tone::Odd, "Note", warning));
    act(terminal, Tone::Calm, "Look", &format!("dpc backfill show {id}{flag}"));
}

/// A state in a word.
pub fn state(state: BatchState) -> &'static str {
    match state {
        BatchState::Reserving => "RESERVING",
        BatchState::Running => "RUNNING",
        BatchState::Cancelling => "CANCELLING",
        BatchState::Cancelled => "CANCELLED",
        BatchState::Refused => "REFUSED",
        BatchState::Done => "DONE",
    }
}

fn feels(batch: &Batch) -> Tone {
    match batch.state {
        BatchState::Reserving | BatchState::Running | BatchState::Cancelling => Tone::Calm,
        BatchState::Cancelled => Tone::Odd,
        BatchState::Refused => Tone::Bad,
        BatchState::Done if bad(batch) > 0 => Tone::Bad,
        BatchState::Done => Tone::Good,
    }
}

/// How many of its runs have ended badly.
fn bad(batch: &Batch) -> u32 {
    let is_bad = |status: &str| Status::parse(status).is_some_and(|status| line::tone(status) == Tone::Bad);
    batch.ended.iter().filter(|(status, _)| is_bad(status)).map(|(_, count)| count).sum()
}

/// `12 SUCCEEDED, 1 FAILED`.
fn ended(batch: &Batch) -> String {
    let words: Vec<String> = batch.ended.iter().map(|(status, count)| format!("{count} {status}")).collect();
    words.join(", ")
}

/// A line each.
pub fn table(batches: &[Batch], colour: bool) -> String {
    let mut table = Table::new(&["ID", "PIPELINE", "PARTITIONS", "STATE", "STARTED", "ENDED", "BEGUN", "BY"]);
    for batch in batches {
        table.row([
            Cell::new(batch.id.clone()),
            Cell::new(batch.pipeline.clone()),
            Cell::new(stretch(batch)),
            Cell::new(state(batch.state)).tone(Some(feels(batch))),
            Cell::new(format!("{}/{}", batch.started, batch.total)).right(),
            Cell::new(ended(batch)),
            Cell::new(moment(batch.at)),
            Cell::new(who(&batch.by)),
        ]);
    }
    table.text("", colour)
}

fn stretch(batch: &Batch) -> String {
    if batch.from == batch.to { batch.from.clone() } else { format!("{}..{}", batch.from, batch.to) }
}

/// The end of an ARN: whom a colleague would know.
pub fn who(arn: &str) -> String {
    arn.rsplit_once(':').map_or(arn, |(_, name)| name).to_owned()
}

/// Everything about one.
pub fn one(batch: &Batch, flag: &str, colour: bool) -> String {
    let word = tint(colour, feels(batch), state(batch.state));
    let kind = if batch.source == Source::Rerun { "rerun" } else { "backfill" };
    let mut out = format!("{}  {word}  {kind} of {}, {}\n\n", batch.id, batch.pipeline, stretch(batch));
    let mut table = Table::new(&[]);
    let mut row = |name: &str, value: String| table.row([Cell::new(name), Cell::new(value)]);
    if let Some(cause) = &batch.cause {
        row("cause", cause.clone());
    }
    if let Some(only) = batch.only {
        let only = match only {
            Only::Missing => "partitions that had never run",
            Only::Failed => "partitions whose newest run had ended badly",
            Only::All => "all partitions",
        };
        row("only", only.to_owned());
    }
    let downstream = match &batch.downstream {
        Reach::All => "all".to_owned(),
        Reach::None => "none".to_owned(),
        Reach::After => "all, after the last partition has run".to_owned(),
        Reach::Only(names) => format!("only {}", names.join(", ")),
    };
    row("downstream", downstream);
    row("at a time", batch.max_active.to_string());
    row("started", format!("{} of {}", batch.started, batch.total));
    if !batch.ended.is_empty() {
        row("ended", ended(batch));
    }
    let why = batch.why.as_ref().map(|why| format!(": {why}")).unwrap_or_default();
    row("begun", format!("{}, by {}{why}", moment(batch.at), batch.by));
    out += &table.text("  ", false);
    out += &partitions(batch, colour);
    out + &next(batch, flag)
}

/// The partitions that a person looks for: those at work and those that ended badly; of the others how many.
fn partitions(batch: &Batch, colour: bool) -> String {
    let quiet = |one: &&BatchPartition| matches!(one.status, Some(Status::Succeeded | Status::Skipped) | None);
    let long = batch.partitions.len() > SHOWN;
    let mut table = Table::new(&[]);
    for one in batch.partitions.iter().filter(|one| !long || !quiet(one)).take(SHOWN) {
        let run = one
            .number
            .map_or_else(|| one.partition.clone(), |number| format!("{}/{}/{number}", batch.pipeline, one.partition));
        let (word, tone) = match one.status {
            Some(status) => (status.as_str(), Some(line::tone(status))),
            None if batch.state.is_final() => ("never started", Some(Tone::Odd)),
            None => ("not started yet", None),
        };
        table.row([Cell::new(run), Cell::new(word).tone(tone)]);
    }
    let mut out = if table.is_empty() { String::new() } else { format!("\n{}", table.text("  ", colour)) };
    if long {
        out += "\n  the others have gone well or have not started; `--format json` lists all\n";
    }
    out
}

/// Lines of a long one that are shown.
const SHOWN: usize = 40;

fn next(batch: &Batch, flag: &str) -> String {
    let Batch { id, pipeline, from, to, .. } = batch;
    if !batch.state.is_final() {
        return format!("\n`dpc backfill cancel {id}{flag}` ends it\n");
    }
    if bad(batch) > 0 {
        return format!(
            "\nonce mended, `dpc backfill {pipeline} --from {from} --to {to} --only failed{flag}` runs those again\n"
        );
    }
    if batch.started < batch.total {
        return format!("\n`dpc backfill {pipeline} --from {from} --to {to}{flag}` runs what is missing\n");
    }
    format!("\n`dpc runs {pipeline} --partition {from}..{to} --grid{flag}` shows what there is\n")
}

/// For programs.
pub fn json<T: Serialize>(value: &T) -> String {
    serde_json::to_string_pretty(value).unwrap_or_default() + "\n"
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    fn batch(state: BatchState, ended: &[(&str, u32)]) -> Batch {
        let partition =
            |day: u32, number, status| BatchPartition { partition: format!("2026-11-{day:02}"), number, status };
        Batch {
            id: "bf-1".into(),
            source: Source::Backfill,
            pipeline: "listings".into(),
            space: "prod".into(),
            state,
            cause: None,
            from: "2026-11-01".into(),
            to: "2026-11-03".into(),
            only: Some(Only::Missing),
            downstream: Reach::After,
            max_active: 3,
            params: None,
            by: "arn:aws:sts::111111111111:assumed-role/dev/ada".into(),
            why: Some("new column".into()),
            at: "2026-11-22T06:00:00Z".parse().unwrap(),
            total: 3,
            started: 2,
            ended: ended.iter().map(|(status, count)| ((*status).to_owned(), *count)).collect::<BTreeMap<_, _>>(),
            active: Vec::new(),
            partitions: vec![
                partition(1, Some(1), Some(Status::Succeeded)),
                partition(2, Some(2), Some(Status::Failed)),
                partition(3, None, None),
            ],
            warnings: Vec::new(),
        }
    }

    #[test]
    fn a_list_says_how_far_each_is() {
        let text = table(&[batch(BatchState::Running, &[("FAILED", 1), ("SUCCEEDED", 1)])], false);
        let row: Vec<&str> =
            text.lines().nth(1).unwrap().split("  ").map(str::trim).filter(|word| !word.is_empty()).collect();
        assert_eq!(
            row.get(..6).unwrap(),
            ["bf-1", "listings", "2026-11-01..2026-11-03", "RUNNING", "2/3", "1 FAILED, 1 SUCCEEDED"]
        );
        assert_eq!(row.last(), Some(&"assumed-role/dev/ada"));
    }

    #[test]
    fn one_says_what_to_do_next() {
        let text = one(&batch(BatchState::Done, &[("FAILED", 1), ("SUCCEEDED", 1)]), " --env prod", false);
        assert!(text.starts_with("bf-1  DONE  backfill of listings, 2026-11-01..2026-11-03\n"), "{text}");
        assert!(text.contains("  listings/2026-11-02/2  FAILED\n  2026-11-03             never started\n"), "{text}");
        assert!(text.contains("--only failed --env prod` runs those again"), "{text}");
        let text = one(&batch(BatchState::Running, &[]), "", false);
        assert!(text.contains("not started yet") && text.ends_with("`dpc backfill cancel bf-1` ends it\n"), "{text}");
    }
}
