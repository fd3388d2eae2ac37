//! Everything that is known of one partition of one pipeline, and the words for it.
//!
//! In come facts that others have looked up; out comes the first line that a tired person reads, and what has to happen
//! next. It refuses to look anything up itself, so that every history has a test.

use jiff::Timestamp;

use super::due::Due;
use super::turns::Root;
use crate::cli::aws::{Tone, moment, took};
use crate::cli::runs::line::Line;
use crate::cli::status::in_zones;
use crate::control::run::{RunId, RunRef, Status};
use crate::control::trigger::explain::{Branch, Explanation, LeafState, Seen, Turn, Verdict};
use crate::control::trigger::fact::Signed;

/// What is known.
#[derive(Debug)]
pub struct Story {
    /// The pipeline.
    pub pipeline: String,
    /// The partition.
    pub label: String,
    /// The account that it is deployed in.
    pub account: String,
    /// The team that owns it.
    pub owner: Option<String>,
    /// What the central account decides on; absent without one, and for a pipeline that waits for nobody.
    pub explanation: Option<Explanation>,
    /// Its condition, where no central account could be asked about it.
    pub unasked: bool,
    /// Its runs of the partition, the newest first.
    pub runs: Vec<Line>,
    /// When its schedules yield the partition.
    pub due: Vec<Due>,
    /// It has schedules whose times only AWS knows.
    pub has_rate: bool,
    /// It has schedules at all.
    pub has_schedule: bool,
    /// Something else starts it too: events.
    pub by_event: bool,
    /// Who has paused it; only known of one that is here.
    pub pause: Option<Signed>,
    /// It is paused, whoever has done so.
    pub paused: bool,
    /// Whose turn it is, down to the first who is not waiting for somebody else.
    pub roots: Vec<Root>,
    /// When this was looked up.
    pub now: Timestamp,
    /// ` --env prod`.
    pub flag: String,
}

/// The first line: how it stands, in a word and a sentence.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Headline {
    /// How it feels.
    pub tone: Tone,
    /// The word.
    pub word: &'static str,
    /// The sentence.
    pub says: String,
}

/// How long a fire may be on its way: then the sweep sends it again, and an alarm is raised.
const ON_ITS_WAY: i64 = 15 * 60;
/// How long a schedule may be late before it counts as missed.
const LATE: i64 = 5 * 60;
/// What was missed longer ago is not started any more.
const FORGOTTEN: i64 = 24 * 60 * 60;

impl Story {
    /// The sentence of all this.
    pub fn headline(&self) -> Headline {
        let at_work = self.runs.first().filter(|run| !run.status.is_terminal());
        if let Some(run) = at_work {
            return self.at_work(run);
        }
        if self.paused && self.is_open() {
            let who = self.pause.as_ref().map_or_else(String::new, |pause| {
                let why = pause.why.as_ref().map(|why| format!(" ({why})")).unwrap_or_default();
                format!(" since {}, by {}{why}", moment(pause.at), pause.by)
            });
            let says =
                format!("{who}: nothing of it starts by itself until `dpc resume {}{}`", self.pipeline, self.flag);
            return head(Tone::Odd, "PAUSED", says.trim_start());
        }
        if self.unasked {
            let says = "what it waits for only a central account knows, and this account has none";
            return head(Tone::Odd, "UNKNOWN", says);
        }
        match self.explanation.as_ref().filter(|explanation| explanation.verdict != Verdict::NoTrigger) {
            Some(explanation) => self.triggered(explanation),
            None => self.scheduled(),
        }
    }

    /// Whether something is still expected to come.
    fn is_open(&self) -> bool {
        match self.explanation.as_ref().map(|explanation| &explanation.verdict) {
            Some(Verdict::Waits | Verdict::Settling(_) | Verdict::Due) => true,
            Some(Verdict::Done | Verdict::NotReliedOn | Verdict::BeforeSince(_)) => false,
            Some(Verdict::NoTrigger) | None => {
                self.runs.first().is_none_or(|run| run.status == Status::Skipped && run.ended_at.is_some())
            }
        }
    }

    fn at_work(&self, run: &Line) -> Headline {
        let since = run.at().map(|at| format!(" for {}", self.ago(at))).unwrap_or_default();
        let note = run.note.as_ref().map(|note| format!(": {note}")).unwrap_or_default();
        match run.status {
            Status::Running => head(Tone::Calm, "RUNNING", format!("{} is at work{since}", run.run)),
            _ => head(Tone::Calm, "QUEUED", format!("{} is queued{since}{note}", run.run)),
        }
    }

    fn triggered(&self, explanation: &Explanation) -> Headline {
        let pending = explanation.fire.as_ref().filter(|fire| fire.is_pending());
        if let Some(fire) = pending {
            let ago = self.ago(fire.at);
            let says =
                format!("its start was decided {ago} ago, and account {} has not reported the run yet", self.account);
            return if self.seconds(fire.at) > ON_ITS_WAY {
                let says = format!("{says}; the sweep sends it again, and the alarm of the central account is on");
                head(Tone::Bad, "STUCK", says)
            } else {
                head(Tone::Calm, "STARTING", says)
            };
        }
        match &explanation.verdict {
            Verdict::Due => head(
                Tone::Calm,
                "DUE",
                "everything that it waits for is there; the central account starts it within seconds",
            ),
            Verdict::Settling(others) => {
                let others: Vec<String> =
                    others.iter().map(|(pipeline, label)| format!("{pipeline}/{label}")).collect();
                let says =
                    format!("for {} to run on the newest data, so that it never mixes two versions", and(&others));
                head(Tone::Calm, "WAITS", says)
            }
            Verdict::BeforeSince(since) => head(
                Tone::Odd,
                "NEVER",
                format!(
                    "by itself: the partition ended before {}, since when the pipeline is there; `dpc backfill {} --from {l} --to {l}{}` runs it",
                    moment(*since),
                    self.pipeline,
                    self.flag,
                    l = self.label
                ),
            ),
            Verdict::Waits => {
                let unmet = explanation.tree.as_ref().map(|tree| self.unmet(tree)).unwrap_or_default();
                let again = if self.runs.is_empty() { "" } else { ", before it runs again" };
                head(Tone::Odd, "WAITS", format!("for {unmet}{again}"))
            }
            Verdict::Done | Verdict::NotReliedOn | Verdict::NoTrigger => self.done(explanation),
        }
    }

    /// It has run on what there is.
    fn done(&self, explanation: &Explanation) -> Headline {
        let newest = match explanation.verdict {
            Verdict::NotReliedOn => "; what has changed since is not what it ran on",
            _ => " on the newest of everything that it waits for",
        };
        let muted = explanation.fire.as_ref().is_some_and(|fire| fire.muted);
        if muted {
            let says = "to run: what it waits for was rerun with --downstream, which left it out";
            return head(Tone::Odd, "NOT ASKED", says);
        }
        let Some(run) = self.runs.first() else {
            return head(Tone::Good, "FIRED", format!("it was started{newest}, and its run is not known here"));
        };
        let again = || format!("`dpc rerun {} --partition {}{}` runs it again", self.pipeline, self.label, self.flag);
        match run.status {
            Status::Succeeded => head(Tone::Good, "SUCCEEDED", format!("{} has run{newest}", run.run)),
            Status::Skipped => {
                let note = run.note.as_deref().unwrap_or("its `when` was false");
                head(Tone::Odd, "SKIPPED", format!("{}: {note}; {}", run.run, again()))
            }
            status => head(
                Tone::Bad,
                status.as_str(),
                format!("{} has run{newest}, and ended {status}; {}", run.run, again()),
            ),
        }
    }

    /// A pipeline that waits for no other.
    fn scheduled(&self) -> Headline {
        let (flag, pipeline, label) = (&self.flag, &self.pipeline, &self.label);
        let run_it = format!("`dpc run {pipeline} --partition {label}{flag}` runs it");
        if let Some(run) = self.runs.first() {
            let note = run.note.as_ref().map(|note| format!(": {note}")).unwrap_or_default();
            let ago = run.ended_at.map(|at| format!(" {} ago", self.ago(at))).unwrap_or_default();
            let tone = crate::cli::runs::line::tone(run.status);
            let again = if run.status == Status::Succeeded {
                String::new()
            } else {
                format!("; `dpc rerun {pipeline} --partition {label}{flag}` runs it again")
            };
            return head(tone, run.status.as_str(), format!("{} ended{ago}{note}{again}", run.run));
        }
        let next = self.due.iter().find(|due| due.at > self.now);
        let missed = self.due.iter().rfind(|due| due.at <= self.now);
        match (missed, next) {
            (Some(due), _) if self.seconds(due.at) <= LATE => head(
                Tone::Calm,
                "DUE",
                format!("its schedule came {} ago; the run is about to appear", self.ago(due.at)),
            ),
            (Some(due), _) if self.seconds(due.at) <= FORGOTTEN => {
                let says = format!(
                    "its schedule was due {} ago, at {}, and no run is known",
                    self.ago(due.at),
                    in_zones(due.at, &due.zone)
                );
                head(Tone::Bad, "MISSED", format!("{says}; the sweep starts it within five minutes, or {run_it}"))
            }
            (Some(due), _) => {
                let says = format!(
                    "its schedule was due at {}, more than a day ago, and no run is known",
                    in_zones(due.at, &due.zone)
                );
                head(Tone::Bad, "MISSED", format!("{says}; {run_it}"))
            }
            (None, Some(due)) => {
                let left = took(due.at.duration_since(self.now).as_secs_f64());
                head(Tone::Calm, "WAITS", format!("for its schedule: {}, in {left}", in_zones(due.at, &due.zone)))
            }
            (None, None) if self.has_rate => {
                head(Tone::Calm, "WAITS", "for its schedule, a rate whose next time only AWS knows")
            }
            (None, None) if self.by_event => head(Tone::Calm, "WAITS", "for an event that starts it"),
            (None, None) if self.has_schedule => {
                head(Tone::Odd, "NEVER", format!("by itself: no schedule of it yields this partition; {run_it}"))
            }
            (None, None) => head(Tone::Odd, "NEVER", format!("by itself: it has no schedule and no trigger; {run_it}")),
        }
    }

    /// What is missing of a tree, in words: `a, which FAILED, and b, which has not run`.
    fn unmet(&self, branch: &Branch) -> String {
        match branch {
            Branch::All(_, inner) => {
                let words: Vec<String> = inner.iter().filter(|one| !holds(one)).map(|one| self.unmet(one)).collect();
                and(&words)
            }
            Branch::Any(_, inner) => {
                let words: Vec<String> = inner.iter().map(|one| self.unmet(one)).collect();
                format!("one of these: {}", words.join(", or "))
            }
            Branch::Leaf(state) => self.unmet_leaf(state),
        }
    }

    fn unmet_leaf(&self, state: &LeafState) -> String {
        if let Some(behind) = &state.behind {
            return format!(
                "{}, which has not run on the newest {}/{}",
                state.leaf.pipeline, behind.pipeline, behind.label
            );
        }
        let unmet: Vec<&Seen> = state.partitions.iter().filter(|seen| !seen.holds).collect();
        match unmet.as_slice() {
            [] => state.leaf.pipeline.clone(),
            [seen] => format!("{}, which {}", place(seen), which(seen)),
            [first, ..] => {
                let all = state.partitions.len();
                format!(
                    "{} of {all} partitions of {}, the first of them {}, which {}",
                    unmet.len(),
                    first.pipeline,
                    first.label,
                    which(first)
                )
            }
        }
    }

    /// How long ago.
    pub fn ago(&self, at: Timestamp) -> String {
        took(self.now.duration_since(at).as_secs_f64())
    }

    fn seconds(&self, at: Timestamp) -> i64 {
        self.now.duration_since(at).as_secs()
    }
}

/// Whether a node holds.
pub fn holds(branch: &Branch) -> bool {
    match branch {
        Branch::All(holds, _) | Branch::Any(holds, _) => *holds,
        Branch::Leaf(state) => state.holds,
    }
}

/// How an upstream partition stands, after `which`.
pub fn which(seen: &Seen) -> String {
    match &seen.turn {
        Some(Turn::Unregistered) => "is not deployed in this space".to_owned(),
        Some(Turn::NotRun) => "has not run".to_owned(),
        Some(Turn::Fired(_)) => "is about to start".to_owned(),
        Some(Turn::Run(Status::Queued)) => "is queued".to_owned(),
        Some(Turn::Run(_)) => "is at work".to_owned(),
        Some(Turn::Ended(status)) => match status {
            Status::Succeeded => "SUCCEEDED".to_owned(),
            status => format!("ended {status}"),
        },
        Some(Turn::Reserved(id)) => format!("`{id}` is going to run"),
        Some(Turn::Unfit) => "does not fit: its partitions or its owner have changed".to_owned(),
        None => seen.status.map_or_else(|| "has not run".to_owned(), |status| format!("is {status}")),
    }
}

/// `listings/2026-11-21/2`, or without a number what has not run.
pub fn place(seen: &Seen) -> String {
    let partition = seen.label.split('#').next().unwrap_or(&seen.label);
    match seen.run {
        Some(version) if version.number > 0 => {
            let id = RunId { partition: partition.to_owned(), number: version.number };
            RunRef { pipeline: seen.pipeline.clone(), id }.to_string()
        }
        _ => format!("{}/{partition}", seen.pipeline),
    }
}

fn head(tone: Tone, word: &'static str, says: impl Into<String>) -> Headline {
    Headline { tone, word, says: says.into() }
}

/// `a`, `a and b`, `a, b and c`.
pub fn and(words: &[String]) -> String {
    match words {
        [] => "nothing".to_owned(),
        [one] => one.clone(),
        [start @ .., last] => format!("{} and {last}", start.join(", ")),
    }
}
