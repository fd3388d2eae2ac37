//! Reruns and backfills: many partitions of one pipeline, a few at a time.
//!
//! In come a stretch of the calendar or a list of partitions; out come runs, started through the one door, each under a key
//! made of the batch and the partition. It refuses to remember what has run: the start keys and the runs say it, and the
//! batch's own row only how far the list has been walked. So any invocation goes on from where another died, and two that
//! walk at the same time start nothing twice.

use std::collections::{BTreeMap, BTreeSet};

use jiff::{SignedDuration, Timestamp};
use serde_json::json;

use crate::cloud::CloudResult;
use crate::cloud::runs::{BatchRow, Run, Stop, Store};
use crate::control::arguments::{bad_partition, bad_plan, check_given};
use crate::control::message::{Body, Reserve};
use crate::control::partition::PartitionSpec;
use crate::control::range;
use crate::control::run::{Downstream, Envelope, RunId, RunRef, Source, Status};
use crate::control::verbs::{Ask, Batch, BatchPartition, BatchState, Only, Reach, Verb};
use crate::functions::account::Account;
use crate::functions::ask::{PATIENCE, accepted};
use crate::functions::report::envelope;
use crate::functions::start::is_refusal;
use crate::functions::world::World;
use crate::source::{Code, Finding};

/// A year of hours, and some: the labels of one reservation must fit into one event of 256 KB.
const MOST: usize = 10_000;
/// How many runs of a batch are at work or queued at once unless somebody says so, and at most.
const ACTIVE: (u32, u32) = (3, 100);
/// How many runs are started between two writes of a batch's row.
const STARTS: u32 = 25;

impl<S: Store, W: World> Account<S, W> {
    /// A rerun or backfill that somebody asks for: written down, reserved, and begun.
    ///
    /// # Errors
    /// There is nothing to run; what the caller gave does not fit; what AWS refuses.
    pub async fn begin_batch(&self, ask: &Ask, until: Timestamp) -> CloudResult<Batch> {
        let (row, partitions) = match &ask.verb {
            Verb::Backfill { .. } => self.plan_backfill(ask).await?,
            _ => self.plan_rerun(ask).await?,
        };
        if let Verb::Backfill { dry_run: true, .. } = ask.verb {
            let partition = |entry: String| BatchPartition { partition: entry, number: None, status: None };
            return Ok(Batch { partitions: partitions.into_iter().map(partition).collect(), ..row.batch });
        }
        let id = row.batch.id.clone();
        let new = self.store.create_batch(&row, &partitions).await?;
        tracing::info!(batch = id, by = ask.by, total = row.batch.total, new, "a batch was asked for");
        Ok(self.drive(&id, PATIENCE, until).await?.unwrap_or(row.batch))
    }

    async fn plan_backfill(&self, ask: &Ask) -> CloudResult<(BatchRow, Vec<String>)> {
        let Verb::Backfill { pipeline, from, to, only, params, downstream, max_active, .. } = &ask.verb else {
            return Err(nothing("nothing was asked for"));
        };
        let registration = self.registered(pipeline, &ask.space).await?;
        let plan = &registration.plan;
        check_given(plan, params)?;
        let spec = PartitionSpec::of_plan(&plan.partition).map_err(|problem| bad_plan(pipeline, &problem))?;
        let mut labels = range::between(&spec, from, to, pipeline, MOST).map_err(|problem| bad_partition(&problem))?;
        if *only != Only::All {
            let newest = self.newest_that_count(pipeline, from, to).await?;
            labels.retain(|label| match (only, newest.get(label)) {
                (Only::Missing, found) => found.is_none(),
                (_, Some(Status::Failed | Status::TimedOut | Status::Aborted)) => true,
                _ => false,
            });
        }
        if labels.is_empty() {
            let what = if *only == Only::Failed { "has failed" } else { "is missing" };
            return Err(nothing(&format!("no partition of `{pipeline}` from `{from}` to `{to}` {what}")));
        }
        let mut row = self.new_batch(ask, Source::Backfill, pipeline, &labels, downstream, *max_active);
        row.batch.only = Some(*only);
        row.batch.from.clone_from(from);
        row.batch.to.clone_from(to);
        row.batch.params = (!params.is_empty()).then(|| params.clone());
        Ok((row, labels))
    }

    /// The status of the newest run of each partition that was not skipped.
    async fn newest_that_count(&self, pipeline: &str, from: &str, to: &str) -> CloudResult<BTreeMap<String, Status>> {
        let runs = self.store.briefs(pipeline, Some((from, to))).await?;
        let counts = runs.into_iter().filter(|run| run.status != Status::Skipped);
        Ok(counts.map(|run| (run.id.partition, run.status)).collect())
    }

    async fn plan_rerun(&self, ask: &Ask) -> CloudResult<(BatchRow, Vec<String>)> {
        let Verb::Rerun { pipeline, partitions, params, downstream, max_active } = &ask.verb else {
            return Err(nothing("nothing was asked for"));
        };
        let registration = self.registered(pipeline, &ask.space).await?;
        let plan = &registration.plan;
        check_given(plan, params.as_ref().unwrap_or(&serde_json::Map::new()))?;
        let spec = PartitionSpec::of_plan(&plan.partition).map_err(|problem| bad_plan(pipeline, &problem))?;
        let mut entries = BTreeSet::new();
        for named in partitions {
            let run = named.contains('/').then(|| named.parse::<RunRef>()).transpose();
            let run = run.map_err(|wrong| Box::new(Finding::new(Code::NoSuchRun, wrong)))?;
            let label = run.as_ref().map_or(named, |run| &run.id.partition);
            spec.parse(label, pipeline).map_err(|problem| bad_partition(&problem))?;
            let Some(run) = run else {
                entries.insert(named.clone());
                continue;
            };
            if run.pipeline != *pipeline || self.store.run(&run).await?.is_none() {
                let finding = Finding::new(Code::NoSuchRun, format!("there is no run `{run}` of `{pipeline}`"));
                return Err(Box::new(finding.help(format!("`dpc runs {pipeline}` lists its runs"))));
            }
            entries.insert(format!("{}#{}", run.id.partition, run.id.number));
        }
        let entries: Vec<String> = entries.into_iter().collect();
        if entries.is_empty() || entries.len() > MOST {
            return Err(nothing(&format!("a rerun of {} partitions; it takes 1 to {MOST}", entries.len())));
        }
        let mut row = self.new_batch(ask, Source::Rerun, pipeline, &entries, downstream, *max_active);
        row.batch.params.clone_from(params);
        Ok((row, entries))
    }

    fn new_batch(
        &self,
        ask: &Ask,
        source: Source,
        pipeline: &str,
        entries: &[String],
        downstream: &Reach,
        max_active: Option<u32>,
    ) -> BatchRow {
        let now = self.world.now();
        let prefix = if source == Source::Rerun { "rr" } else { "bf" };
        let made = || format!("{}-{:08x}", now.strftime("%Y%m%d-%H%M%S"), fastrand::u32(..));
        let id = ask.id.clone().unwrap_or_else(made);
        let id = if id.starts_with(&format!("{prefix}-")) { id } else { format!("{prefix}-{id}") };
        let label = |entry: Option<&String>| entry.map(|entry| label_of(entry).to_owned()).unwrap_or_default();
        // One partition is run again like any other: its downstream sees it coming.
        let reserved = self.settings.central && entries.len() > 1;
        let batch = Batch {
            id,
            source,
            pipeline: pipeline.to_owned(),
            space: ask.space.clone(),
            state: if reserved { BatchState::Reserving } else { BatchState::Running },
            cause: None,
            from: label(entries.first()),
            to: label(entries.last()),
            only: None,
            downstream: downstream.clone(),
            max_active: max_active.unwrap_or(ACTIVE.0).clamp(1, ACTIVE.1),
            params: None,
            by: ask.by.clone(),
            why: ask.why.clone(),
            at: now,
            total: u32::try_from(entries.len()).unwrap_or(u32::MAX),
            started: 0,
            ended: BTreeMap::new(),
            active: Vec::new(),
            partitions: Vec::new(),
            warnings: Vec::new(),
        };
        BatchRow { batch, reserved, cancelled_by: None, stop: false, revision: 0 }
    }

    /// Goes on with the batch that a run belongs to, now that the run has ended.
    ///
    /// # Errors
    /// What AWS refuses.
    pub async fn drive_batch_of(&self, run: &Run, until: Timestamp) -> CloudResult<()> {
        let id = run.key.split_once('/').map(|(id, _)| id).filter(|id| id.starts_with("bf-") || id.starts_with("rr-"));
        match id {
            Some(id) if matches!(run.source, Source::Rerun | Source::Backfill) => {
                self.drive(id, SignedDuration::ZERO, until).await.map(|_| ())
            }
            _ => Ok(()),
        }
    }

    /// Does what can be done for a batch now, and answers it as it is then. `patience` is how long to wait for the central
    /// account.
    ///
    /// # Errors
    /// What AWS refuses.
    pub async fn drive(&self, id: &str, patience: SignedDuration, until: Timestamp) -> CloudResult<Option<Batch>> {
        loop {
            let Some(seen) = self.store.batch(id).await? else { return Ok(None) };
            let mut row = seen.clone();
            match seen.batch.state {
                BatchState::Reserving => self.reserve(&mut row, patience).await?,
                BatchState::Running => self.walk(&mut row, until).await?,
                BatchState::Cancelling => self.unwind(&mut row).await?,
                BatchState::Cancelled | BatchState::Refused | BatchState::Done => {}
            }
            if row == seen {
                return Ok(Some(row.batch));
            }
            // Lost: somebody else drives it, or has cancelled it. What was started is found again by its key.
            let saved = self.store.save_batch(&row).await?;
            if saved && row.batch.state.is_final() {
                tracing::info!(batch = id, state = ?row.batch.state, ended = ?row.batch.ended, "a batch has ended");
            }
            if self.world.now() >= until {
                return Ok(Some(row.batch));
            }
        }
    }

    /// Asks the central account to keep what is downstream from running too early.
    async fn reserve(&self, row: &mut BatchRow, patience: SignedDuration) -> CloudResult<()> {
        let Batch { id, pipeline, downstream, .. } = &row.batch;
        let mut partitions: Vec<String> = Vec::new();
        for entry in self.entries(&row.batch).await? {
            let label = label_of(&entry).to_owned();
            if partitions.last() != Some(&label) {
                partitions.push(label);
            }
        }
        let body = Body::Reserve(Reserve {
            reservation: id.clone(),
            pipeline: pipeline.clone(),
            partitions,
            downstream: downstream_of(downstream),
            together: *downstream == Reach::After,
            by: row.batch.by.clone(),
            at: row.batch.at,
        });
        let message = envelope(&row.batch.space, format!("{id}/reserve"), body);
        let Some(answer) = self.answer_of_central(&message, patience).await? else { return Ok(()) };
        match accepted(answer) {
            Ok(asked) => {
                row.batch.warnings = asked.warnings;
                row.batch.state = BatchState::Running;
            }
            Err(refusal) => refuse(&mut row.batch, &refusal),
        }
        Ok(())
    }

    /// Notes what has ended, and starts what may start.
    async fn walk(&self, row: &mut BatchRow, until: Timestamp) -> CloudResult<()> {
        let reservation = row.reserved.then(|| row.batch.id.clone());
        let batch = &mut row.batch;
        let active = std::mem::take(&mut batch.active);
        for entry in active {
            match self.run_of(batch, &entry).await? {
                Some(run) if run.status.is_terminal() => count(batch, &run),
                _ => batch.active.push(entry),
            }
        }
        let mut starts = 0;
        let at = usize::try_from(batch.started).unwrap_or(usize::MAX);
        let next =
            if batch.started < batch.total { self.store.partitions_of(&batch.id, at).await? } else { Vec::new() };
        for entry in next {
            let full = batch.active.len() >= usize::try_from(batch.max_active).unwrap_or(usize::MAX);
            if full || starts >= STARTS || self.world.now() >= until {
                break;
            }
            let envelope = self.envelope_of(batch, reservation.clone(), &entry).await?;
            match self.start(&envelope).await {
                Ok(answer) if answer.run.status.is_terminal() => count(batch, &answer.run),
                Ok(_) => batch.active.push(entry),
                Err(refusal) if is_refusal(refusal.code) => {
                    refuse(batch, &refusal);
                    return self.give_up(row).await;
                }
                Err(finding) => return Err(finding),
            }
            batch.started += 1;
            starts += 1;
        }
        if batch.started >= batch.total && batch.active.is_empty() {
            batch.state = BatchState::Done;
        }
        Ok(())
    }

    /// The request for the run of one partition.
    async fn envelope_of(&self, batch: &Batch, reservation: Option<String>, entry: &str) -> CloudResult<Envelope> {
        let key = format!("{}/{entry}", batch.id);
        let mut envelope = Envelope::new(&batch.space, &batch.pipeline, batch.source, key);
        envelope.partition = Some(label_of(entry).to_owned());
        envelope.downstream = downstream_of(&batch.downstream);
        envelope.reservation = reservation;
        let mut cause = json!({ "batch": batch.id, "by": batch.by });
        if let (Some(why), Some(cause)) = (&batch.why, cause.as_object_mut()) {
            cause.insert("why".to_owned(), why.clone().into());
        }
        if batch.source == Source::Rerun
            && let Some(earlier) = self.earlier(batch, entry).await?
        {
            if let Some(cause) = cause.as_object_mut() {
                cause.insert("rerunOf".to_owned(), earlier.reference.to_string().into());
            }
            envelope.event = earlier.event;
            envelope.event_time = Some(earlier.time.to_string());
            envelope.params = earlier.params;
        }
        if let Some(params) = &batch.params {
            envelope.params.clone_from(params);
        }
        envelope.cause = Some(cause);
        Ok(envelope)
    }

    /// The run that is to be run again: the one named, else the newest of its partition before this batch.
    async fn earlier(&self, batch: &Batch, entry: &str) -> CloudResult<Option<Run>> {
        let partition = label_of(entry).to_owned();
        let number = match entry.split_once('#').and_then(|(_, number)| number.parse().ok()) {
            Some(number) => number,
            None => self.store.newest_number(&batch.pipeline, &partition).await?,
        };
        let id = RunId { partition, number };
        self.store.run(&RunRef { pipeline: batch.pipeline.clone(), id }).await
    }

    /// The run of a partition of a batch, if it was started.
    async fn run_of(&self, batch: &Batch, entry: &str) -> CloudResult<Option<Run>> {
        let key = format!("{}/{entry}", batch.id);
        let Some(id) = self.store.run_of_key(&batch.pipeline, &key).await? else { return Ok(None) };
        self.store.run(&RunRef { pipeline: batch.pipeline.clone(), id }).await
    }

    /// Ends what a cancelled batch has begun, as far as that was asked for.
    async fn unwind(&self, row: &mut BatchRow) -> CloudResult<()> {
        let batch = &row.batch;
        let by = row.cancelled_by.clone().unwrap_or_default();
        let stop = Stop { by, why: Some(format!("{} was cancelled", batch.id)), at: self.world.now(), redrives: 0 };
        // Whoever was walking the list when it was cancelled may have started some more than the row says.
        let at = usize::try_from(batch.started).unwrap_or(usize::MAX);
        let started = self.store.partitions_of(&batch.id, at).await?;
        let more = usize::try_from(STARTS.max(batch.max_active)).unwrap_or(usize::MAX);
        let entries: Vec<String> = batch.active.iter().cloned().chain(started.into_iter().take(more)).collect();
        // Those that wait come first: the end of one at work would start them.
        for waiting in [true, false] {
            for entry in &entries {
                let Some(run) = self.run_of(batch, entry).await? else { continue };
                if run.status.is_terminal() || run.is_waiting() != waiting || !waiting && !row.stop {
                    continue;
                }
                match self.stop(&run.reference, stop.clone()).await {
                    Err(finding) if finding.code != Code::RunHasEnded => return Err(finding),
                    _ => {}
                }
            }
        }
        self.give_up(row).await?;
        row.batch.state = BatchState::Cancelled;
        Ok(())
    }

    /// Tells the central account that nothing more will come.
    async fn give_up(&self, row: &BatchRow) -> CloudResult<()> {
        let Batch { id, space, by, .. } = &row.batch;
        if !row.reserved || !self.settings.central {
            return Ok(());
        }
        let by = row.cancelled_by.as_ref().unwrap_or(by).clone();
        let body = Body::Cancel { reservation: id.clone(), by };
        self.world.tell(&envelope(space, format!("{id}/cancel"), body)).await
    }

    /// Cancels a batch.
    ///
    /// # Errors
    /// There is none, or it has ended; what AWS refuses.
    pub async fn cancel_batch(&self, ask: &Ask, id: &str, stop: bool, until: Timestamp) -> CloudResult<Batch> {
        loop {
            let mut row = self.batch_of(&ask.space, id).await?;
            if row.batch.state == BatchState::Cancelling {
                break;
            }
            if row.batch.state.is_final() {
                let message = format!("`{id}` is over: {}", in_words(row.batch.state));
                let finding = Finding::new(Code::BatchIsOver, message);
                return Err(Box::new(finding.help(format!("`dpc backfill show {id}` tells how its runs ended"))));
            }
            let why = ask.why.as_ref().map(|why| format!(": {why}")).unwrap_or_default();
            row.batch.state = BatchState::Cancelling;
            row.batch.cause = Some(format!("cancelled by {}{why}", ask.by));
            row.cancelled_by = Some(ask.by.clone());
            row.stop = stop;
            if self.store.save_batch(&row).await? {
                break;
            }
        }
        match self.drive(id, SignedDuration::ZERO, until).await? {
            Some(batch) => Ok(batch),
            None => Err(no_such_batch(id)),
        }
    }

    /// A batch with its partitions.
    ///
    /// # Errors
    /// There is none; what AWS refuses.
    pub async fn show_batch(&self, space: &str, id: &str) -> CloudResult<Batch> {
        let mut batch = self.batch_of(space, id).await?.batch;
        let runs = self.store.briefs(&batch.pipeline, Some((&batch.from, &batch.to))).await?;
        let of_it = runs.iter().filter_map(|run| Some((run.key.strip_prefix(id)?.strip_prefix('/')?, run)));
        let by_entry: BTreeMap<&str, _> = of_it.collect();
        let partition = |entry: String| {
            let run = by_entry.get(entry.as_str());
            BatchPartition {
                partition: label_of(&entry).to_owned(),
                number: run.map(|run| run.id.number),
                status: run.map(|run| run.status),
            }
        };
        batch.partitions = self.entries(&batch).await?.into_iter().map(partition).collect();
        Ok(batch)
    }

    async fn batch_of(&self, space: &str, id: &str) -> CloudResult<BatchRow> {
        let row = self.store.batch(id).await?.filter(|row| row.batch.space == space);
        row.ok_or_else(|| no_such_batch(id))
    }

    /// All partitions of a batch.
    async fn entries(&self, batch: &Batch) -> CloudResult<Vec<String>> {
        let total = usize::try_from(batch.total).unwrap_or(usize::MAX);
        let mut entries = Vec::new();
        while entries.len() < total {
            let some = self.store.partitions_of(&batch.id, entries.len()).await?;
            if some.is_empty() {
                break;
            }
            entries.extend(some);
        }
        Ok(entries)
    }
}

fn count(batch: &mut Batch, run: &Run) {
    *batch.ended.entry(run.status.as_str().to_owned()).or_default() += 1;
}

fn refuse(batch: &mut Batch, refusal: &Finding) {
    batch.state = BatchState::Refused;
    batch.cause = Some(format!("{}: {}", refusal.code.id(), refusal.message));
}

fn label_of(entry: &str) -> &str {
    entry.split('#').next().unwrap_or(entry)
}

fn downstream_of(reach: &Reach) -> Option<Downstream> {
    match reach {
        Reach::All | Reach::After => None,
        Reach::None => Some(Downstream::None),
        Reach::Only(names) => Some(Downstream::Only(names.clone())),
    }
}

fn in_words(state: BatchState) -> &'static str {
    match state {
        BatchState::Cancelled => "it was cancelled",
        BatchState::Refused => "it was refused",
        BatchState::Done => "all of its partitions have run",
        BatchState::Reserving | BatchState::Running | BatchState::Cancelling => "it is at work",
    }
}

fn nothing(message: &str) -> Box<Finding> {
    Box::new(Finding::new(Code::NothingToRun, message).help("`--only all` runs partitions again that have succeeded"))
}

fn no_such_batch(id: &str) -> Box<Finding> {
    let finding = Finding::new(Code::NoSuchBatch, format!("there is no rerun or backfill `{id}` in this space"));
    Box::new(finding.help("`dpc backfill list` names all"))
}
