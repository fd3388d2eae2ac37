//! One run as a line of a table and as JSON, wherever it was read.

use jiff::Timestamp;
use serde_json::{Value, json};

use crate::cli::aws::{Tone, moment, took};
use crate::cli::table::{Cell, Table};
use crate::cloud::runs::Run;
use crate::cloud::timeline;
use crate::control::run::{RunRef, Source, Status};

/// What is printed of a run.
#[derive(Clone, Debug, PartialEq)]
pub struct Line {
    /// The run.
    pub run: RunRef,
    /// The account that it ran in, where several are shown.
    pub account: Option<String>,
    /// Where it stands.
    pub status: Status,
    /// Who asked for it.
    pub source: Source,
    /// When it was asked for, if that is known.
    pub claimed_at: Option<Timestamp>,
    /// When its execution started.
    pub started_at: Option<Timestamp>,
    /// When it ended.
    pub ended_at: Option<Timestamp>,
    /// What more there is to say.
    pub note: Option<String>,
}

impl Line {
    /// Of a row of this account.
    pub fn of_row(run: &Run, account: Option<&str>) -> Self {
        Self {
            run: run.reference.clone(),
            account: account.map(str::to_owned),
            status: run.status,
            source: run.source,
            claimed_at: Some(run.claimed_at),
            started_at: run.started_at,
            ended_at: run.ended_at,
            note: run.cause.as_deref().or(run.error.as_deref()).map(|cause| timeline::plain(cause).to_string()),
        }
    }

    /// The moment by which lines are sorted: the last thing known of its beginning.
    pub fn at(&self) -> Option<Timestamp> {
        self.started_at.or(self.claimed_at).or(self.ended_at)
    }

    /// For programs.
    pub fn json(&self) -> Value {
        let text = |at: Option<Timestamp>| at.map(|at| at.to_string());
        json!({
            "run": self.run.to_string(),
            "pipeline": self.run.pipeline,
            "partition": self.run.id.partition,
            "number": self.run.id.number,
            "account": self.account,
            "status": self.status.as_str(),
            "source": self.source,
            "claimedAt": text(self.claimed_at),
            "startedAt": text(self.started_at),
            "endedAt": text(self.ended_at),
            "note": self.note,
        })
    }
}

/// How a status feels.
pub fn tone(status: Status) -> Tone {
    match status {
        Status::Succeeded => Tone::Good,
        Status::Queued | Status::Running => Tone::Calm,
        Status::Skipped => Tone::Odd,
        Status::Failed | Status::TimedOut | Status::Aborted => Tone::Bad,
    }
}

/// Who asked, as printed.
pub fn source(source: Source) -> &'static str {
    match source {
        Source::Schedule => "schedule",
        Source::Trigger => "trigger",
        Source::Event => "event",
        Source::Pipeline => "pipeline",
        Source::Run => "run",
        Source::Rerun => "rerun",
        Source::Backfill => "backfill",
    }
}

/// The lines as a table; `note` cuts what does not fit.
pub fn table(lines: &[Line], now: Timestamp, colour: bool, note: &dyn Fn(&str) -> String) -> String {
    let mut table = Table::new(&["RUN", "STATUS", "ACCOUNT", "BY", "STARTED", "TOOK", ""]);
    for line in lines {
        let length = line.started_at.map(|began| line.ended_at.unwrap_or(now).duration_since(began));
        let length = length.filter(|_| line.status != Status::Queued).map(|length| took(length.as_secs_f64()));
        table.row([
            Cell::new(line.run.to_string()),
            Cell::new(line.status.as_str()).tone(Some(tone(line.status))),
            Cell::new(line.account.clone().unwrap_or_default()),
            Cell::new(source(line.source)),
            Cell::new(line.at().map(moment).unwrap_or_default()),
            Cell::new(length.unwrap_or_default()).right(),
            Cell::new(line.note.as_deref().map(note).unwrap_or_default()),
        ]);
    }
    table.text("", colour)
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// A run of the pipeline that started at an hour of 22 November and took ten minutes.
    pub fn line(run: &str, status: Status, hour: u32) -> Line {
        let at = |minute| format!("2026-11-22T{hour:02}:{minute:02}:00Z").parse().ok();
        Line {
            run: run.parse().unwrap(),
            account: None,
            status,
            source: Source::Schedule,
            claimed_at: at(0),
            started_at: (status != Status::Queued).then(|| at(0)).flatten(),
            ended_at: status.is_terminal().then(|| at(10)).flatten(),
            note: None,
        }
    }

    #[test]
    fn runs_stand_below_each_other() {
        let mut queued = line("pipeline-x/2026-11-21/2", Status::Queued, 6);
        queued.note = Some("behind pipeline-x/2026-11-20/1".to_owned());
        let lines = [line("listings/2026-11-21/1", Status::Succeeded, 3), queued, line("s/none/1", Status::Running, 7)];
        let now = "2026-11-22T07:00:42Z".parse().unwrap();
        let text = table(&lines, now, false, &str::to_owned);
        let rows: Vec<Vec<&str>> = text.lines().map(|line| line.split_whitespace().collect()).collect();
        assert_eq!(rows.first().unwrap(), &["RUN", "STATUS", "BY", "STARTED", "TOOK"]);
        assert!(text.contains("listings/2026-11-21/1    SUCCEEDED  schedule"), "{text}");
        assert!(text.contains("10m 00s\n") && text.contains("     42s\n"), "{text}");
        assert!(text.contains("behind pipeline-x/2026-11-20/1\n"), "{text}");
    }
}
