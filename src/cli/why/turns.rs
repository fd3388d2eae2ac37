//! Whose turn it is: the first pipelines that wait for nobody else, and what has to be done about each.
//!
//! In comes a tree; out come those of its leaves that are missing, and for each of them that itself waits for others, what
//! these wait for, down to where somebody or a clock can do something. It refuses to know the terminal.

use std::collections::{BTreeSet, VecDeque};

use jiff::Timestamp;

use super::due;
use super::story::{holds, place};
use crate::cli::aws::{moment, took};
use crate::cli::central::{self, Central};
use crate::cli::status::in_zones;
use crate::cloud::CloudResult;
use crate::control::run::Status;
use crate::control::trigger::explain::{Branch, Explanation, Seen, Turn, Verdict};
use crate::control::trigger::space::Registered;
use crate::control::trigger::store::Snapshot;

/// Somebody's or something's turn.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Root {
    /// The run or partition that it is about.
    pub what: String,
    /// The account that it is in.
    pub account: Option<String>,
    /// The team that owns it.
    pub owner: Option<String>,
    /// How it stands.
    pub says: String,
    /// What to type, in the project of that account.
    pub todo: Option<String>,
    /// The pipelines between it and the one that was asked about, the nearest to the asked one first.
    pub via: Vec<String>,
}

/// Far enough for every graph that people draw, and short enough for a terminal.
const DEEPEST: usize = 12;
const MOST: usize = 20;

/// Follows what is missing to its roots.
///
/// # Errors
/// Whatever AWS refuses.
pub async fn of(
    central: &Central,
    snapshot: &mut Snapshot,
    explanation: &Explanation,
    now: Timestamp,
) -> CloudResult<Vec<Root>> {
    let mut open: VecDeque<(Seen, Vec<String>)> =
        missing(explanation).into_iter().map(|seen| (seen, Vec::new())).collect();
    let mut met: BTreeSet<(String, String)> = BTreeSet::new();
    let mut roots = Vec::new();
    while let Some((seen, via)) = open.pop_front() {
        if roots.len() == MOST || !met.insert((seen.pipeline.clone(), seen.label.clone())) {
            continue;
        }
        let registered = central.space().registered(&seen.pipeline);
        let waits = registered.is_some_and(|known| known.registration.executions.is_some());
        if seen.turn == Some(Turn::NotRun) && waits && via.len() < DEEPEST {
            let inner = central.explain(snapshot, &seen.pipeline, &seen.label).await?;
            let missing = missing(&inner);
            if !missing.is_empty() && !matches!(inner.verdict, Verdict::BeforeSince(_)) {
                let via: Vec<String> = via.iter().cloned().chain([seen.pipeline.clone()]).collect();
                open.extend(missing.into_iter().map(|seen| (seen, via.clone())));
                continue;
            }
            roots.push(Root { via, ..waiting(&seen, registered, &inner, now) });
            continue;
        }
        roots.push(Root { via, ..root(&seen, registered, now) });
    }
    Ok(roots)
}

/// The partitions of upstream pipelines that are missing, those of a branch that holds left out.
fn missing(explanation: &Explanation) -> Vec<Seen> {
    fn walk(branch: &Branch, found: &mut Vec<Seen>) {
        match branch {
            _ if holds(branch) => {}
            Branch::All(_, inner) | Branch::Any(_, inner) => inner.iter().for_each(|one| walk(one, found)),
            Branch::Leaf(state) => found.extend(state.partitions.iter().filter(|seen| !seen.holds).cloned()),
        }
    }
    let mut found = Vec::new();
    if matches!(explanation.verdict, Verdict::Waits | Verdict::Settling(_)) {
        explanation.tree.iter().for_each(|tree| walk(tree, &mut found));
    }
    found
}

/// A triggered upstream that has not run although nothing that it waits for is missing.
fn waiting(seen: &Seen, registered: Option<&Registered>, inner: &Explanation, now: Timestamp) -> Root {
    let mut root = root(seen, registered, now);
    match &inner.verdict {
        Verdict::BeforeSince(since) => {
            root.says = format!("never runs by itself: it is there since {}, after this partition", moment(*since));
            let (pipeline, label) = (&seen.pipeline, &seen.label);
            root.todo = Some(format!("dpc backfill {pipeline} --from {label} --to {label}"));
        }
        Verdict::Due => {
            root.says = "is due: the central account starts it within seconds".to_owned();
            root.todo = None;
        }
        _ => {}
    }
    root
}

/// What has to happen about one partition.
fn root(seen: &Seen, registered: Option<&Registered>, now: Timestamp) -> Root {
    let since = seen.since.map(|since| took(now.duration_since(since).as_secs_f64()));
    let ago = since.as_ref().map(|since| format!(" {since} ago")).unwrap_or_default();
    let lasting = since.map(|since| format!(" for {since}")).unwrap_or_default();
    let label = seen.label.split('#').next().unwrap_or(&seen.label);
    let rerun = || Some(format!("dpc rerun {} --partition {label}", seen.pipeline));
    let (says, todo) = match &seen.turn {
        Some(Turn::Unregistered) => (
            "is not deployed in this space: no account has registered it".to_owned(),
            Some(format!("dpc deploy {}", seen.pipeline)),
        ),
        Some(Turn::NotRun) | None => unstarted(seen, registered, now),
        Some(Turn::Fired(at)) => {
            let ago = took(now.duration_since(*at).as_secs_f64());
            (format!("is about to start: its start was sent {ago} ago"), None)
        }
        Some(Turn::Run(Status::Queued)) => {
            (format!("is queued{lasting}"), Some(format!("dpc runs show {}", place(seen))))
        }
        Some(Turn::Run(_)) => (format!("is at work{lasting}; nothing to do but wait"), None),
        Some(Turn::Ended(status)) => (format!("ended {status}{ago}, and nothing reruns it by itself"), rerun()),
        Some(Turn::Reserved(id)) => {
            (format!("is held for `{id}`, which is going to run it"), Some(format!("dpc backfill show {id}")))
        }
        Some(Turn::Unfit) => ("cannot serve: its partitions, or its owner, are not what they were".to_owned(), None),
    };
    let paused = registered.is_some_and(|known| known.paused);
    let (says, todo) = match (&seen.turn, paused) {
        (Some(Turn::NotRun), true) => (format!("{says}; it is paused"), Some(format!("dpc resume {}", seen.pipeline))),
        _ => (says, todo),
    };
    Root {
        what: place(seen),
        account: registered.map(|known| known.account.clone()),
        owner: registered.and_then(|known| known.registration.owner.clone()),
        says,
        todo,
        via: Vec::new(),
    }
}

/// A partition that nobody has run: is its time still to come?
fn unstarted(seen: &Seen, registered: Option<&Registered>, now: Timestamp) -> (String, Option<String>) {
    let run = Some(format!("dpc run {} --partition {}", seen.pipeline, seen.label));
    let Some(registered) = registered else { return ("has not run".to_owned(), None) };
    let registration = &registered.registration;
    let due =
        central::spec(registered).map(|spec| due::of(&registration.schedules, &spec, &seen.label)).unwrap_or_default();
    let (past, coming): (Vec<_>, Vec<_>) = due.into_iter().partition(|due| due.at <= now);
    match (past.last(), coming.first()) {
        (_, Some(due)) => {
            let left = took(due.at.duration_since(now).as_secs_f64());
            (format!("has not run yet: its schedule comes at {}, in {left}", in_zones(due.at, &due.zone)), None)
        }
        (Some(due), None) => {
            let ago = took(now.duration_since(due.at).as_secs_f64());
            let look = Some(format!("dpc why {} --partition {}", seen.pipeline, seen.label));
            (format!("has not run, although its schedule came at {}, {ago} ago", in_zones(due.at, &due.zone)), look)
        }
        (None, None) if registration.by_event => ("has not run: it waits for an event".to_owned(), run),
        (None, None) if due::has_rate(&registration.schedules) => {
            ("has not run: its schedule is a rate".to_owned(), run)
        }
        (None, None) => ("has not run, and no schedule of it yields this partition".to_owned(), run),
    }
}
