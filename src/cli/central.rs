//! What the command line reads of the central account: pipelines of other accounts, their runs, and why one waits.
//!
//! In come a session and a space; out come what is registered there and what is known of its runs, in this floor's words. It
//! refuses to write: whoever wants a change asks the account function for it.

use std::collections::BTreeMap;

use jiff::Timestamp;

use super::affected::{Affected, Why};
use super::runs::line::Line;
use super::targets::Target;
use crate::cloud::central::{Place, Range, Reader, Rows, keys, no_central};
use crate::cloud::{CloudResult, Session};
use crate::control::condition::Condition;
use crate::control::message::Skip;
use crate::control::partition::{Granularity, PartitionSpec};
use crate::control::range;
use crate::control::run::{RunId, RunRef};
use crate::control::trigger::explain::{self, Explanation};
use crate::control::trigger::fact::{PartitionFacts, RunFact};
use crate::control::trigger::space::{Registered, Space};
use crate::control::trigger::store::Snapshot;
use crate::source::Finding;

/// The central account of an account, for one space.
#[derive(Debug)]
pub struct Central {
    reader: Reader,
    space: Space,
}

/// The pipelines that a registered one waits for, each once.
pub fn upstreams(registered: &Registered) -> Vec<String> {
    let leaves = registered.registration.executions.as_ref().map(Condition::leaves).unwrap_or_default();
    let mut names: Vec<String> = leaves.into_iter().map(|leaf| leaf.pipeline.clone()).collect();
    names.sort();
    names.dedup();
    names
}

/// How the partitions of a registered pipeline are.
pub fn spec(registered: &Registered) -> Option<PartitionSpec> {
    PartitionSpec::of_plan(&registered.registration.partition).ok()
}

/// An account that is complete for itself was asked for what only a central one knows.
pub fn missing(session: &Session) -> Finding {
    no_central(&session.caller)
}

impl Central {
    /// The one that this account is connected with, if it is.
    ///
    /// # Errors
    /// Whatever AWS refuses.
    pub async fn find(session: &Session, space: &str) -> CloudResult<Option<Self>> {
        let Some(place) = Place::of_account(session).await? else { return Ok(None) };
        let reader = Reader::new(&session.clients, &session.caller, &place).await;
        let space = reader.space(space).await?;
        Ok(Some(Self { reader, space }))
    }

    /// What is registered.
    pub fn space(&self) -> &Space {
        &self.space
    }

    /// The runs of a pipeline, the newest partition first; without ends, those of the last while.
    ///
    /// # Errors
    /// Whatever AWS refuses.
    pub async fn lines(
        &self,
        target: &Target,
        first: Option<&str>,
        last: Option<&str>,
        limit: usize,
    ) -> CloudResult<Vec<Line>> {
        let Some(spec) = &target.spec else { return Ok(Vec::new()) };
        let (first, last) = ends(spec, first, last, limit);
        let facts = self.reader.partitions(self.space.name(), &target.name, &first, &last).await?;
        let mut lines: Vec<Line> =
            facts.iter().rev().flat_map(|(label, facts)| of_facts(target, label, facts)).collect();
        lines.truncate(limit);
        Ok(lines)
    }

    /// The newest run of the newest partition of each pipeline, by name.
    ///
    /// # Errors
    /// Whatever AWS refuses.
    pub async fn newest(&self, targets: &[Target]) -> CloudResult<BTreeMap<String, Line>> {
        let registered: Vec<&Target> =
            targets.iter().filter(|target| self.space.known(&target.name).is_some()).collect();
        let range = |target: &&Target| {
            // Runs without partition are kept by their time, the others by a label, which begins with a digit.
            let none = target.spec.as_ref().is_some_and(|spec| spec.by == Granularity::None);
            let (first, last) = if none { ("none#0", "none#:") } else { ("0", ":") };
            let pk = keys::facts(self.space.name(), &target.name);
            Range { pk, first: first.to_owned(), last: last.to_owned(), limit: Some(NEWEST) }
        };
        let ranges: Vec<Range> = registered.iter().map(range).collect();
        let found = self.reader.ranges(&ranges).await?;
        let mut newest = BTreeMap::new();
        for (target, rows) in registered.into_iter().zip(found) {
            let run = rows.iter().find_map(|row| {
                let (label, number) = row.key.sk.rsplit_once('#')?;
                let run = number.bytes().all(|byte| byte.is_ascii_digit()).then(|| row.read::<RunFact>().ok())??;
                let facts = PartitionFacts { runs: vec![run], ..PartitionFacts::default() };
                of_facts(target, label, &facts).pop()
            });
            newest.extend(run.map(|line| (target.name.clone(), line)));
        }
        Ok(newest)
    }

    /// What may run because these partitions run, upstreams first, a line a pipeline.
    pub fn downstream_of(&self, asked: &[(String, Vec<String>)]) -> Vec<Affected> {
        let mut all: Vec<(usize, Affected)> = Vec::new();
        for (pipeline, labels) in asked {
            for reached in explain::downstream_of(&self.space, pipeline, labels) {
                let is_asked = |(name, labels): &(String, Vec<String>)| {
                    *name == reached.pipeline && labels.contains(&reached.label)
                };
                if asked.iter().any(is_asked) {
                    continue;
                }
                let known = all.iter_mut().find(|(_, one)| one.pipeline == reached.pipeline);
                let Some((depth, one)) = known else {
                    let registered = self.space.known(&reached.pipeline);
                    let affected = Affected {
                        owner: registered.and_then(|known| known.registration.owner.clone()),
                        spec: registered.and_then(spec),
                        pipeline: reached.pipeline,
                        account: reached.account,
                        labels: vec![reached.label],
                        why: Why::After(reached.by),
                    };
                    all.push((reached.depth, affected));
                    continue;
                };
                *depth = (*depth).max(reached.depth);
                one.labels.push(reached.label);
                if let Why::After(ups) = &mut one.why {
                    ups.extend(reached.by);
                }
            }
        }
        all.sort_by_key(|(depth, _)| *depth);
        all.into_iter().map(|(_, one)| tidy(one)).collect()
    }

    /// Why a partition runs or does not.
    ///
    /// # Errors
    /// Whatever AWS refuses.
    pub async fn explain(&self, snapshot: &mut Snapshot, pipeline: &str, label: &str) -> CloudResult<Explanation> {
        let question = |snapshot: &Snapshot| explain::explain(&self.space, snapshot, pipeline, label);
        self.reader.look(self.space.name(), snapshot, question).await
    }
}

/// Rows of a partition that are no runs come before its runs when read backwards; a fire without a run may come before them.
const NEWEST: usize = 8;

/// Everything once, in order.
fn tidy(mut one: Affected) -> Affected {
    one.labels.sort();
    one.labels.dedup();
    if let Why::After(ups) = &mut one.why {
        ups.sort();
        ups.dedup();
    }
    one
}

/// The labels between which facts are read.
fn ends(spec: &PartitionSpec, first: Option<&str>, last: Option<&str>, limit: usize) -> (String, String) {
    if spec.by == Granularity::None {
        return ("none".to_owned(), "none$".to_owned());
    }
    // What people list without a range is recent.
    let last = last.map_or_else(|| "~".to_owned(), str::to_owned);
    let first = first.map(str::to_owned).unwrap_or_else(|| {
        let now = spec.of_time(Timestamp::now()).unwrap_or_default();
        (0..limit.clamp(40, 400)).fold(now, |label, _| range::previous(spec, &label).unwrap_or(label))
    });
    (first, last)
}

/// The runs of one partition, the newest first.
fn of_facts(target: &Target, label: &str, facts: &PartitionFacts) -> Vec<Line> {
    // Runs without partition are kept by their time.
    let partition = label.split('#').next().unwrap_or(label);
    let newest = facts.runs.last().map(|run| run.number);
    let mark =
        facts.overrides.mark.as_ref().filter(|mark| !mark.gone && newest.is_none_or(|n| n <= mark.version.number));
    let line = |run: &RunFact| {
        let id = RunId { partition: partition.to_owned(), number: run.number };
        let ignored = facts.overrides.ignored.contains(&run.number).then(|| "ignored: it counts for nobody".to_owned());
        let marked = mark.filter(|_| Some(run.number) == newest).map(|mark| {
            let why = mark.signed.why.as_ref().map(|why| format!(": {why}")).unwrap_or_default();
            format!("counts as {}, marked by {}{why}", mark.status, mark.signed.by)
        });
        Line {
            run: RunRef { pipeline: target.name.clone(), id },
            account: Some(target.account.clone()),
            status: run.status,
            source: run.source,
            claimed_at: run.started_at.is_none().then_some(run.told_at),
            started_at: run.started_at,
            ended_at: run.ended_at,
            note: ignored.or(marked).or(run.skip.map(|skip| skipped(skip).to_owned())),
        }
    };
    facts.runs.iter().rev().map(line).collect()
}

/// Why nothing was started.
pub fn skipped(skip: Skip) -> &'static str {
    match skip {
        Skip::When => "its `when` was false",
        Skip::Overlap => "`overlap` did not let it in",
        Skip::Superseded => "a newer start of the partition took its place",
        Skip::Paused => "the pipeline was paused",
    }
}
