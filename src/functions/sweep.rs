//! The sweep: every five minutes, whatever an event should have brought about and did not.
//!
//! In come the open runs and the registered schedules; out come the starts, releases, announcements and closings that
//! were lost on the way. It refuses to stop at the first failure: one broken pipeline must not cost the others theirs.

use std::collections::BTreeSet;

use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use crate::cloud::CloudResult;
use crate::cloud::runs::{Progress, Registration, Run, Store};
use crate::control::message::Message;
use crate::control::run::{RunRef, Status};
use crate::control::schedule::{Schedule, When, between};
use crate::functions::account::{Account, last_call};
use crate::functions::metrics::Metric;
use crate::functions::queue::Overlap;
use crate::functions::settle::is_wanted;
use crate::functions::start::{self, schedule_key};
use crate::functions::stop;
use crate::functions::world::World;
use crate::source::{Code, Finding};

/// Younger runs are left alone: whoever claimed them may be at it.
const GRACE: SignedDuration = SignedDuration::from_mins(1);
/// How late EventBridge Scheduler may be before its schedule counts as missed.
const LATE: SignedDuration = SignedDuration::from_mins(5);
/// Older missed schedules are reported, not started: nobody expects a run of the day before yesterday.
const OLDEST: SignedDuration = SignedDuration::from_hours(24);

/// How long a sweep waits for an answer of the central account.
const PATIENCE: SignedDuration = SignedDuration::from_secs(5);

/// What a sweep has done.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Swept {
    /// Open runs looked at.
    pub runs: usize,
    /// Runs started in place of a schedule.
    pub missed: usize,
    /// What could not be done, and needs a person if it stays.
    pub failures: Vec<String>,
    /// Whether time ran out.
    pub cut_short: bool,
}

impl Swept {
    /// As Lambda's answer, for the log.
    pub fn to_json(&self) -> Value {
        json!({ "runs": self.runs, "missed": self.missed, "failures": self.failures, "cutShort": self.cut_short })
    }
}

impl<S: Store, W: World> Account<S, W> {
    /// One sweep, to its end or until shortly before `deadline`.
    ///
    /// # Errors
    /// The table cannot be read at all.
    pub async fn sweep(&self, deadline: Timestamp) -> CloudResult<Swept> {
        let mut swept = Swept::default();
        let mut queues = BTreeSet::new();
        let last_call = last_call(deadline);
        for reference in self.store.open_runs().await? {
            if self.world.now() >= last_call {
                swept.cut_short = true;
                break;
            }
            swept.runs += 1;
            let outcome = self.sweep_run(&reference, &mut queues).await;
            self.note(&mut swept, &format!("run {reference}"), outcome);
        }
        for pipeline in self.store.pipelines().await? {
            if self.world.now() >= last_call {
                swept.cut_short = true;
                break;
            }
            let outcome = self.sweep_schedules(&pipeline, &mut swept.missed).await;
            self.note(&mut swept, &format!("schedules of {pipeline}"), outcome);
        }
        for id in self.store.open_batches().await? {
            if self.world.now() >= last_call {
                swept.cut_short = true;
                break;
            }
            let outcome = self.drive(&id, PATIENCE, last_call).await.map(|_| ());
            self.note(&mut swept, &format!("batch {id}"), outcome);
        }
        for message in self.store.owed().await? {
            let outcome = self.pay(&message).await;
            self.note(&mut swept, &format!("message {}", message.id), outcome);
        }
        tracing::info!(swept.runs, swept.missed, swept.cut_short, failures = swept.failures.len(), "swept");
        self.world.count(Metric::Sweeps, "");
        Ok(swept)
    }

    fn note(&self, swept: &mut Swept, what: &str, outcome: CloudResult<()>) {
        if let Err(finding) = outcome {
            let why = format!("{what}: {}: {}", finding.code.id(), finding.message);
            tracing::error!(what, code = finding.code.id(), why = finding.why, "{}", finding.message);
            self.world.count(Metric::NeedsAttention, &why);
            swept.failures.push(why);
        }
    }

    async fn sweep_run(&self, reference: &RunRef, queues: &mut BTreeSet<(String, String)>) -> CloudResult<()> {
        // The index lags behind the table, so the row itself is asked.
        let Some(run) = self.store.run(reference).await? else { return Ok(()) };
        if !run.open || self.world.now().duration_since(run.claimed_at) < GRACE {
            return Ok(());
        }
        let registration = self.store.registration(&reference.pipeline).await?;
        match (run.status, &run.execution, &registration) {
            (Status::Queued, _, Some(registration)) if run.is_waiting() => {
                self.sweep_waiting(run, registration, queues).await
            }
            (Status::Queued, _, Some(registration)) => self.carry_on(run, registration).await.map(|_| ()),
            (Status::Queued, _, None) => self.abandon(run, None, "its pipeline was destroyed before it started").await,
            (Status::Running, Some(execution), _) => match self.world.execution(execution).await? {
                Some(found) => self.follow(run, &found).await.map(|_| ()),
                None => self.abandon(run, registration.as_ref(), "its execution does not exist any more").await,
            },
            _ => self.conclude(&run, registration.as_ref()).await,
        }
    }

    /// A run that waits has lost its place to a newer one, or waits for its turn: each queue is looked at once a sweep.
    async fn sweep_waiting(
        &self,
        run: Run,
        registration: &Registration,
        queues: &mut BTreeSet<(String, String)>,
    ) -> CloudResult<()> {
        let RunRef { pipeline, id } = &run.reference;
        if stop::words(&run).is_some() && self.stop_waiting(&run, Some(registration)).await? {
            return self.hand_on(registration, &id.partition).await.map(|_| ());
        }
        let place = self.store.waiting_in(pipeline, &id.partition).await?;
        if place != Some(id.number) {
            let newest = self.store.newest_number(pipeline, &id.partition).await?;
            let by = place.filter(|place| *place > id.number).unwrap_or(newest);
            if by > id.number {
                return self.supersede(&run.reference, by, Some(&registration.plan)).await;
            }
            // Claimed by a dpc that knew no queue: it was started at once, or was about to be.
            return self.carry_on(Run { slot: true, ..run }, registration).await.map(|_| ());
        }
        let queue = if Overlap::of(&registration.plan).is_alone() { String::new() } else { id.partition.clone() };
        if queues.insert((pipeline.clone(), queue)) {
            self.hand_on(registration, &id.partition).await?;
        }
        match if run.untold { self.store.run(&run.reference).await? } else { None } {
            Some(run) if run.is_waiting() => self.report(&run).await,
            _ => Ok(()),
        }
    }

    /// Ends a run that nothing will end any more.
    async fn abandon(&self, run: Run, registration: Option<&Registration>, why: &str) -> CloudResult<()> {
        let plan = registration.map(|registration| &registration.plan);
        let mut progress = Progress::to(Status::Aborted);
        progress.order = run.order.max(progress.order - 1) + 1;
        progress.ended_at = Some(self.world.now());
        progress.cause = Some(why.to_owned());
        progress.announce = plan.is_some_and(|plan| is_wanted(plan, Status::Aborted));
        tracing::warn!(run = %run.reference, why, "the run is given up");
        self.advance(&run.reference, progress).await?;
        if run.is_waiting() {
            self.store.leave(&run.reference).await?;
        }
        match self.store.run(&run.reference).await? {
            Some(run) => self.conclude(&run, registration).await,
            None => Ok(()),
        }
    }

    /// Sends a message that could not be sent before.
    async fn pay(&self, message: &Message) -> CloudResult<()> {
        if self.settings.central {
            self.world.tell(message).await?;
        }
        self.store.paid(&message.id).await
    }

    /// Starts what schedules should have started since the last look.
    async fn sweep_schedules(&self, pipeline: &str, missed: &mut usize) -> CloudResult<()> {
        let Some(registration) = self.store.registration(pipeline).await? else { return Ok(()) };
        let now = self.world.now();
        let (Ok(until), Ok(oldest)) = (now.checked_sub(LATE), now.checked_sub(OLDEST)) else { return Ok(()) };
        if until <= registration.swept_to {
            return Ok(());
        }
        if registration.swept_to < oldest {
            let why =
                format!("schedules of {pipeline} before {oldest:.0} were not looked after and are not started now");
            self.world.count(Metric::NeedsAttention, &why);
            tracing::error!(pipeline, since = %registration.swept_to, "{why}");
        }
        let after = registration.swept_to.max(oldest);
        let mut all = due(&registration, after, until)?;
        all.extend(self.due_by_rate(&registration, after, until).await?);
        for due in all {
            if self.has_started(pipeline, &due).await? {
                continue;
            }
            let answer = self.start(&start::missed(&registration.plan, due.at)).await?;
            tracing::warn!(run = %answer.run.reference, due = %due.at, "the schedule has started no run, so the sweep has");
            self.world.count(Metric::MissedSchedules, pipeline);
            *missed += 1;
        }
        self.store.swept(pipeline, &registration.digest, until).await
    }

    /// When the pipeline's only `rate` schedule was due: it counts on from the last run that it has started. Before the
    /// first, and with several, nobody but EventBridge Scheduler knows.
    async fn due_by_rate(
        &self,
        registration: &Registration,
        after: Timestamp,
        until: Timestamp,
    ) -> CloudResult<Vec<Due>> {
        let schedules = registration.plan.schedules.iter().filter_map(|plan| Schedule::of_plan(plan).ok());
        let mut rates = schedules.filter_map(|schedule| match &schedule.when {
            When::Rate(rate) => Some((rate.interval(), schedule.start, schedule.end)),
            _ => None,
        });
        let (Some((interval, start, end)), None) = (rates.next(), rates.next()) else { return Ok(Vec::new()) };
        // Of the time before the schedules were changed, nothing follows.
        let back = after.checked_sub(interval).unwrap_or(after).max(registration.schedules_since);
        let by_clock = due(registration, back, until)?;
        let fires = self.store.fires(&registration.plan.pipeline, back, until).await?;
        let own = |fire: &Timestamp| by_clock.iter().all(|due| due.at != *fire && due.again != Some(*fire));
        let Some(first) = fires.into_iter().find(own) else { return Ok(Vec::new()) };
        let mut times = Vec::new();
        let mut next = first;
        while let Ok(at) = next.checked_add(interval)
            && at <= until
        {
            next = at;
            if at > after && start.is_none_or(|start| start <= at) && end.is_none_or(|end| at < end) {
                times.push(Due { at, again: None });
            }
        }
        Ok(times)
    }

    async fn has_started(&self, pipeline: &str, due: &Due) -> CloudResult<bool> {
        for instant in [Some(due.at), due.again].into_iter().flatten() {
            if self.store.run_of_key(pipeline, &schedule_key(instant)).await?.is_some() {
                return Ok(true);
            }
        }
        Ok(false)
    }
}

/// When a schedule was due. In the hour that the clocks show twice Scheduler delivers once, and does not say at which of
/// the two instants: only when both have passed without a run is it missed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Due {
    at: Timestamp,
    again: Option<Timestamp>,
}

/// No zone repeats more than this.
const REPEATED: SignedDuration = SignedDuration::from_hours(3);

/// When the schedules of a registration were due by the clock, in order, each time once.
fn due(registration: &Registration, after: Timestamp, until: Timestamp) -> CloudResult<Vec<Due>> {
    let from = after.checked_sub(REPEATED).unwrap_or(after);
    let mut times = Vec::new();
    for plan in &registration.plan.schedules {
        let schedule = Schedule::of_plan(plan).map_err(|problem| {
            let message =
                format!("schedule `{}` of `{}`: {}", plan.expression, registration.plan.pipeline, problem.message);
            Box::new(Finding::new(Code::BadPlan, message).help("deploy the pipeline again with this version of dpc"))
        })?;
        let fires = between(&schedule, from, until).into_iter().map(|fire| Due { at: fire.utc, again: fire.again });
        times.extend(fires.filter(|due| {
            let last = due.again.unwrap_or(due.at);
            after < last && last <= until
        }));
    }
    times.sort();
    times.dedup();
    Ok(times)
}
