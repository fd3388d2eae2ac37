//! The sweep: every five minutes, through the queue, whatever a crash or a lost event has left undone.
//!
//! In come rows that are marked open; out come the decisions and the triggers that were missing. It refuses to stop at the
//! first failure: a broken row must not cost the others theirs.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;

use super::Central;
use super::decide::SWEPT;
use super::desk::{Desk, Sheet, fire_of};
use super::outside::Outside;
use super::publish::{Due, PATIENCE};
use crate::cloud::CloudResult;
use crate::cloud::central::{Delivery, Key, Open, Row, Rows};
use crate::control::message::{Body, MESSAGE_VERSION, Message, Report};
use crate::control::trigger::fact::{FireRecord, Overrides, RunFact};
use crate::control::trigger::process::Touched;
use crate::control::trigger::space::{Registered, Reservation};
use crate::control::trigger::store::{TIMED, Write};
use crate::functions::metrics::Metric;

/// Rows that are read and dealt with together.
const SOME: usize = 100;

/// What a sweep has done.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Swept {
    rows: usize,
    fires: usize,
    failures: usize,
    cut_short: bool,
}

impl<R: Rows, O: Outside> Central<R, O> {
    /// One sweep, to its end or until shortly before `deadline`; the next one goes on.
    ///
    /// # Errors
    /// The table cannot be read at all.
    pub async fn sweep(&self, deadline: Timestamp) -> CloudResult<()> {
        let mut swept = Swept::default();
        for what in Open::ALL {
            self.sweep_open(what, deadline, &mut swept).await?;
        }
        let Swept { rows, fires, failures, cut_short } = swept;
        tracing::info!(rows, fires, failures, cut_short, "swept");
        self.outside.count(Metric::Sweeps, "");
        Ok(())
    }

    /// After something has gone wrong: the fires that are written and perhaps not published, now rather than in five minutes.
    pub async fn sweep_after_failure(&self, deadline: Timestamp) {
        if let Err(finding) = self.sweep_open(Open::Fire, deadline, &mut Swept::default()).await {
            tracing::warn!(code = finding.code.id(), "left to the sweep: {}", finding.message);
        }
    }

    async fn sweep_open(&self, what: Open, deadline: Timestamp, swept: &mut Swept) -> CloudResult<()> {
        let mut by_space: BTreeMap<String, BTreeSet<Key>> = BTreeMap::new();
        for key in self.rows.open(what).await? {
            let Some(space) = space_of(&key) else { continue };
            by_space.entry(space.to_owned()).or_default().insert(key);
        }
        for (space, keys) in by_space {
            let keys: Vec<Key> = keys.into_iter().collect();
            for some in keys.chunks(SOME) {
                if self.outside.now() >= deadline {
                    swept.cut_short = true;
                    return Ok(());
                }
                // The index lags behind the table, so the rows themselves are asked.
                let rows = self.rows.get(some).await?;
                let rows = rows.into_iter().filter(|row| row.open == Some(what)).collect();
                match what {
                    Open::Evaluate => self.sweep_decisions(&space, rows, deadline, swept).await,
                    Open::Fire => self.sweep_fires(&space, rows, swept).await,
                }
            }
        }
        Ok(())
    }

    /// Rows that were written, and whose consequences may not have been.
    async fn sweep_decisions(&self, space: &str, rows: Vec<Row>, deadline: Timestamp, swept: &mut Swept) {
        for row in rows {
            swept.rows += 1;
            let outcome = async {
                let mut desk = self.desk(space).await?;
                self.take_up(&mut desk, &row, deadline).await?;
                self.put_back(desk);
                CloudResult::Ok(())
            };
            let outcome = outcome.await;
            self.note(&format!("row {}, {}", row.key.pk, row.key.sk), outcome, swept);
        }
    }

    /// Decides on a row again. What it has brought about already is there, and is not done twice.
    async fn take_up(&self, desk: &mut Desk, row: &Row, deadline: Timestamp) -> CloudResult<()> {
        let unreadable = |wrong: String| crate::cloud::central::unreadable("dpc-central", &row.key, &wrong);
        match Kind::of(&row.key) {
            Some(Kind::Run { pipeline, label }) => {
                let run: RunFact = row.read().map_err(unreadable)?;
                let Some(owner) = desk.space.known(pipeline).map(|known| known.account.clone()) else { return Ok(()) };
                let partition = if label.starts_with(TIMED) { "none" } else { label };
                let message = message(desk, Body::Run(report(pipeline, partition, &run)));
                self.decide(desk, &message, &owner, deadline).await?;
            }
            Some(Kind::Registered) => {
                let Registered { registration, account, .. } = row.read().map_err(unreadable)?;
                let message = message(desk, Body::Register(registration));
                self.decide(desk, &message, &account, deadline).await?;
            }
            Some(Kind::Reservation) => {
                let Reservation { id, pipeline, by, .. } = row.read().map_err(unreadable)?;
                let Some(owner) = desk.space.known(&pipeline).map(|known| known.account.clone()) else { return Ok(()) };
                let message = message(desk, Body::Cancel { reservation: id, by });
                self.decide(desk, &message, &owner, deadline).await?;
            }
            Some(Kind::Overrides { pipeline, label }) => {
                let overrides: Overrides = row.read().map_err(unreadable)?;
                let overrides = Overrides { rev: overrides.rev + 1, evaluate: false, ..overrides };
                let (pipeline, label) = (pipeline.to_owned(), label.to_owned());
                let touched = [Touched::Downstream(pipeline.clone(), label.clone())];
                let after = vec![Write::Overrides { pipeline, label, overrides }];
                self.follow(desk, &touched, Sheet::default(), (Sheet::default(), after), deadline).await?;
            }
            None => {}
        }
        Ok(())
    }

    /// Fires that were written, and of which nothing has been heard.
    async fn sweep_fires(&self, space: &str, rows: Vec<Row>, swept: &mut Swept) {
        let now = self.outside.now();
        let mut due = Vec::new();
        for row in rows {
            let (Some((pipeline, label)), Ok(fire)) = (fire_of(&row.key), row.read::<FireRecord>()) else {
                let why = Err(crate::cloud::central::unreadable("dpc-central", &row.key, "it is no fire"));
                self.note("a fire", why, swept);
                continue;
            };
            let done = Delivery::of(&row);
            let since = done.published_at.unwrap_or(fire.at);
            if fire.is_pending() && (!fire.published || now.duration_since(since) >= PATIENCE) {
                due.push(Due { pipeline: pipeline.to_owned(), label: label.to_owned(), fire, done });
            }
        }
        if due.is_empty() {
            return;
        }
        swept.fires += due.len();
        let outcome = async {
            let mut desk = self.desk(space).await?;
            self.publish_again(&mut desk, due).await?;
            self.put_back(desk);
            CloudResult::Ok(())
        };
        let outcome = outcome.await;
        self.note(&format!("fires of space {space}"), outcome, swept);
    }

    /// Publishes fires once more. A person is told, once, of those that were taken before and have come to nothing.
    async fn publish_again(&self, desk: &mut Desk, mut due: Vec<Due>) -> CloudResult<()> {
        for one in &mut due {
            let Due { pipeline, label, fire, done } = one;
            if fire.published && !done.alarmed && desk.space.registered(pipeline).is_some() {
                let minutes = PATIENCE.as_mins();
                let why = format!("trigger of {pipeline}/{label}: nothing was heard of it for {minutes} minutes");
                tracing::error!(space = desk.space.name(), key = fire.hash, "{why}");
                self.outside.count(Metric::NeedsAttention, &why);
                done.alarmed = true;
            }
        }
        self.publish(desk, due).await
    }

    fn note(&self, what: &str, outcome: CloudResult<()>, swept: &mut Swept) {
        if let Err(finding) = outcome {
            self.desks.borrow_mut().clear();
            let why = format!("{what}: {}: {}", finding.code.id(), finding.message);
            tracing::error!(what, code = finding.code.id(), why = finding.why, "{}", finding.message);
            self.outside.count(Metric::NeedsAttention, &why);
            swept.failures += 1;
        }
    }
}

/// What a row is that may wait for a decision.
enum Kind<'a> {
    Run { pipeline: &'a str, label: &'a str },
    Overrides { pipeline: &'a str, label: &'a str },
    Registered,
    Reservation,
}

impl<'a> Kind<'a> {
    fn of(key: &'a Key) -> Option<Self> {
        match key.sk.split_once('#')? {
            ("PIPELINE", _) => return Some(Kind::Registered),
            ("RESERVATION", _) => return Some(Kind::Reservation),
            _ => {}
        }
        let (_, pipeline) = key.pk.strip_prefix("FACT#")?.rsplit_once('#')?;
        let (label, kind) = key.sk.rsplit_once('#')?;
        match kind {
            "~mark" => Some(Kind::Overrides { pipeline, label }),
            number if number.bytes().all(|byte| byte.is_ascii_digit()) => Some(Kind::Run { pipeline, label }),
            _ => None,
        }
    }
}

/// The space of a row.
fn space_of(key: &Key) -> Option<&str> {
    match key.pk.split_once('#')? {
        ("SPACE", space) => Some(space),
        ("FACT", rest) => rest.split_once('#').map(|(space, _)| space),
        _ => None,
    }
}

/// The message that a row came from. Nobody waits for its answer any more.
fn message(desk: &Desk, body: Body) -> Message {
    let id = SWEPT.to_owned();
    let dpc = env!("CARGO_PKG_VERSION").to_owned();
    Message { version: MESSAGE_VERSION, id, space: desk.space.name().to_owned(), dpc, body }
}

/// The report that a run's row came from.
fn report(pipeline: &str, partition: &str, run: &RunFact) -> Report {
    Report {
        pipeline: pipeline.to_owned(),
        partition: partition.to_owned(),
        number: run.number,
        status: run.status,
        redrives: run.redrives.into(),
        skip: run.skip,
        source: run.source,
        key: run.key.clone(),
        time: run.time,
        started_at: run.started_at,
        ended_at: run.ended_at,
        downstream: run.downstream.clone(),
        reservation: run.reservation.clone(),
    }
}
