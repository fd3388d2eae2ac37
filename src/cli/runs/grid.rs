//! Pipelines by partitions, a letter for each newest run: where the holes are.
//!
//! In come the newest runs of each pipeline; out come one grid for each granularity, and a legend of the letters that
//! occur. It refuses to know where the runs were read.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value, json};

use super::line::{Line, tone};
use crate::cli::aws::{Tone, tint};
use crate::control::partition::Granularity;
use crate::control::run::Status;

/// A row: a pipeline and the newest run of each of its partitions.
#[derive(Clone, Debug)]
pub struct Row {
    /// The pipeline.
    pub pipeline: String,
    /// By which its partitions are.
    pub by: Granularity,
    /// The labels that are asked for, the oldest first.
    pub labels: Vec<String>,
    /// The newest run of each, by its label.
    pub runs: BTreeMap<String, Line>,
}

/// What stands for a run. A run that went well is quiet, so that the others are seen.
fn letter(status: Status) -> char {
    match status {
        Status::Succeeded => '.',
        Status::Failed => 'F',
        Status::TimedOut => 'T',
        Status::Aborted => 'A',
        Status::Skipped => 's',
        Status::Running => 'R',
        Status::Queued => 'Q',
    }
}

/// What stands for a partition that never ran.
const NONE: char = '-';

/// The grids, in at most `width` columns: what does not fit is left out on the old side, and said.
pub fn text(rows: &[Row], width: usize, colour: bool) -> String {
    let mut out = String::new();
    let mut seen: BTreeSet<Option<u8>> = BTreeSet::new();
    let granularities: BTreeSet<Granularity> = rows.iter().map(|row| row.by).collect();
    for by in granularities {
        let rows: Vec<&Row> = rows.iter().filter(|row| row.by == by).collect();
        if !out.is_empty() {
            out.push('\n');
        }
        out += &one(by, &rows, width, colour, &mut seen);
    }
    if !out.is_empty() {
        out += &format!("\n{}\n", legend(&seen));
    }
    out
}

fn one(by: Granularity, rows: &[&Row], width: usize, colour: bool, seen: &mut BTreeSet<Option<u8>>) -> String {
    let labels: BTreeSet<&String> = rows.iter().flat_map(|row| &row.labels).collect();
    let names = rows.iter().map(|row| row.pipeline.len()).max().unwrap_or(0);
    let room = width.saturating_sub(names + 2).max(8);
    let hidden = labels.len().saturating_sub(room);
    let labels: Vec<&String> = labels.into_iter().skip(hidden).collect();
    let mut out = heads(by, &labels, names + 2);
    for row in rows {
        out += &format!("{:names$}  ", row.pipeline);
        for label in &labels {
            // A pipeline of another zone may not have this label at all.
            let run = row.runs.get(*label);
            seen.insert(run.map(|run| run.status as u8));
            out += &match run {
                Some(run) if tone(run.status) != Tone::Good => {
                    tint(colour, tone(run.status), &letter(run.status).to_string())
                }
                Some(run) => letter(run.status).to_string(),
                None => NONE.to_string(),
            };
        }
        out.push('\n');
    }
    if hidden > 0 {
        out += &format!("{hidden} older partitions do not fit: name fewer with --partition\n");
    }
    out
}

/// A line for what neighbours share, and the rest of each label from top to bottom.
fn heads(by: Granularity, labels: &[&String], indent: usize) -> String {
    let parts: Vec<(&str, &str)> = labels.iter().map(|label| split(by, label)).collect();
    let blank = " ".repeat(indent);
    if by == Granularity::None {
        return String::new();
    }
    let mut shared = String::new();
    let mut at = 0;
    while let Some((group, _)) = parts.get(at) {
        let many = parts.iter().skip(at).take_while(|(other, _)| other == group).count();
        let last = at + many == parts.len();
        // The last group may stand over the edge; the others get as much as they are wide, or nothing.
        let word = [*group, group.get(5..).unwrap_or_default()].into_iter().find(|word| last || word.len() < many);
        let word = word.unwrap_or_default();
        shared += word;
        shared.extend(std::iter::repeat_n(' ', many.saturating_sub(word.len())));
        at += many;
    }
    let mut out = format!("{}\n", format!("{blank}{shared}").trim_end());
    for digit in 0..2 {
        let line: String = parts.iter().map(|(_, rest)| rest.chars().nth(digit).unwrap_or(' ')).collect();
        out += &format!("{blank}{line}\n");
    }
    out
}

/// What a label shares with its neighbours, and two digits of its own.
fn split(by: Granularity, label: &str) -> (&str, &str) {
    let (group, rest) = match by {
        Granularity::None => return ("", ""),
        Granularity::Hour => (0..10, 11..13),
        Granularity::Day => (0..7, 8..10),
        Granularity::Week => (0..4, 6..8),
        Granularity::Month => (0..4, 5..7),
        Granularity::Year => (0..2, 2..4),
    };
    (label.get(group).unwrap_or_default(), label.get(rest).unwrap_or_default())
}

fn legend(seen: &BTreeSet<Option<u8>>) -> String {
    let occurs = |status: &Status| seen.contains(&Some(*status as u8));
    let one = |status: Status| format!("{} {}", letter(status), status.as_str());
    let mut words: Vec<String> = Status::ALL.into_iter().filter(occurs).map(one).collect();
    if seen.contains(&None) {
        words.push(format!("{NONE} no run"));
    }
    words.join("   ")
}

/// For programs.
pub fn json(rows: &[Row]) -> Value {
    let row = |row: &Row| {
        let cell = |label: &String| {
            let run = row.runs.get(label);
            (
                label.clone(),
                run.map_or(Value::Null, |run| json!({ "run": run.run.to_string(), "status": run.status.as_str() })),
            )
        };
        let cells: Map<String, Value> = row.labels.iter().map(cell).collect();
        json!({ "pipeline": row.pipeline, "by": row.by.as_str(), "partitions": cells })
    };
    rows.iter().map(row).collect()
}

#[cfg(test)]
mod tests {
    use super::super::line::tests::line;
    use super::*;

    fn row(pipeline: &str, by: Granularity, labels: &[&str], letters: &str) -> Row {
        let status = |letter| Status::ALL.into_iter().find(|status| super::letter(*status) == letter);
        let run = |(label, letter): (&&str, char)| {
            let run = line(&format!("{pipeline}/{label}/1"), status(letter)?, 3);
            Some(((*label).to_owned(), run))
        };
        let runs = labels.iter().zip(letters.chars()).filter_map(run).collect();
        Row {
            pipeline: pipeline.to_owned(),
            by,
            labels: labels.iter().map(|label| (*label).to_owned()).collect(),
            runs,
        }
    }

    #[test]
    fn a_hole_is_seen() {
        let days = ["2026-10-30", "2026-10-31", "2026-11-01", "2026-11-02"];
        let rows = [row("listings", Granularity::Day, &days, "...F"), row("x", Granularity::Day, &days, ".s-Q")];
        let expected = "            2026-11
          3300
          0112
listings  ...F
x         .s-Q

Q QUEUED   . SUCCEEDED   F FAILED   s SKIPPED   - no run
";
        assert_eq!(text(&rows, 80, false), expected);
    }

    #[test]
    fn granularities_have_grids_of_their_own_and_old_columns_give_way() {
        let hours: Vec<String> = (0..24).map(|hour| format!("2026-11-21T{hour:02}Z")).collect();
        let hours: Vec<&str> = hours.iter().map(String::as_str).collect();
        let rows = [
            row("clicks", Granularity::Hour, &hours, &".".repeat(24)),
            row("month", Granularity::Month, &["2026-10", "2026-11"], ".R"),
            row("none", Granularity::None, &["none"], "."),
        ];
        let text = text(&rows, 20, false);
        let expected = "none  .

        2026-11-21
        111111112222
        234567890123
clicks  ............
12 older partitions do not fit: name fewer with --partition

       2026
       11
       01
month  .R

R RUNNING   . SUCCEEDED
";
        assert_eq!(text, expected);
    }

    #[test]
    fn programs_get_every_partition() {
        let rows = [row("x", Granularity::Day, &["2026-11-20", "2026-11-21"], ".-")];
        let expected = json!([{ "pipeline": "x", "by": "day", "partitions": {
            "2026-11-20": { "run": "x/2026-11-20/1", "status": "SUCCEEDED" }, "2026-11-21": null } }]);
        assert_eq!(json(&rows), expected);
    }
}
