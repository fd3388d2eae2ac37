//! A table and a world in memory, with the faults that real ones have: calls that fail before or after they took effect,
//! events that come twice, late, in any order or not at all.

use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use crate::cloud::CloudResult;
use crate::cloud::jobs::Job;
use crate::cloud::runs::{
    BatchRow, Batches, Brief, Chore, Notes, Progress, Queue, Registration, Run, Slots, Stop, Store,
};
use crate::control::message::{Answer, Message};
use crate::control::plan::{PartitionPlan, Plan, SchedulePlan};
use crate::control::run::{RunId, RunRef};
use crate::control::verbs::Pause;
use crate::functions::account::{Account, Settings};
use crate::functions::metrics::Metric;
use crate::functions::senders::topic::Announcement;
use crate::functions::world::{Execution, Reply, Started, World};
use crate::source::{Code, Finding};

pub(super) const STACK: &str = "arn:aws:cloudformation:eu-central-1:111111111111:stack/dpc-listings/8d1f";

/// The one call that is to fail, counted over table and world together.
#[derive(Debug, Default)]
pub(super) struct Fault {
    calls: Cell<u32>,
    fails: Cell<Option<(u32, bool)>>,
}

impl Fault {
    /// The call number `call` will fail, after its effect if `late`.
    pub(super) fn at(&self, call: u32, late: bool) {
        self.calls.set(0);
        self.fails.set(Some((call, late)));
    }

    /// Nothing fails from now on. Says whether anything has failed.
    pub(super) fn mend(&self) -> bool {
        let failed = self.fails.get().is_some_and(|(call, _)| self.calls.get() > call);
        self.fails.set(None);
        failed
    }

    /// Runs one outside call.
    pub(super) fn call<T>(&self, effect: impl FnOnce() -> T) -> CloudResult<T> {
        let number = self.calls.get();
        self.calls.set(number + 1);
        let crash = || Box::new(Finding::new(Code::Unreachable, format!("the function dies at call {number}")));
        match self.fails.get() {
            // Once dead, a process makes no further calls.
            Some((call, late)) if call == number && late => {
                effect();
                Err(crash())
            }
            Some((call, _)) if number >= call => Err(crash()),
            _ => Ok(effect()),
        }
    }
}

/// `dpc-runs` in memory.
#[derive(Debug, Default)]
pub(super) struct Memory {
    pub(super) fault: std::rc::Rc<Fault>,
    pub(super) registrations: RefCell<BTreeMap<String, Registration>>,
    pub(super) keys: RefCell<BTreeMap<(String, String), RunId>>,
    pub(super) runs: RefCell<BTreeMap<RunRef, Run>>,
    pub(super) waiting: RefCell<BTreeMap<(String, String), u32>>,
    pub(super) pipeline_slots: RefCell<BTreeMap<String, RunId>>,
    pub(super) partition_slots: RefCell<BTreeMap<(String, String), u32>>,
    pub(super) pauses: RefCell<BTreeMap<String, Pause>>,
    pub(super) owed: RefCell<BTreeMap<String, Message>>,
    pub(super) batches: RefCell<BTreeMap<String, BatchRow>>,
    pub(super) batch_partitions: RefCell<BTreeMap<String, Vec<String>>>,
}

impl Memory {
    pub(super) fn only_run(&self) -> Run {
        let runs = self.runs.borrow();
        assert_eq!(runs.len(), 1, "{:?}", runs.keys());
        runs.values().next().unwrap().clone()
    }
}

impl Store for Memory {
    async fn registration(&self, pipeline: &str) -> CloudResult<Option<Registration>> {
        self.fault.call(|| self.registrations.borrow().get(pipeline).cloned())
    }

    async fn register(&self, registration: &Registration, instead_of: Option<&str>) -> CloudResult<bool> {
        self.fault.call(|| {
            let mut rows = self.registrations.borrow_mut();
            let free = rows
                .get(&registration.plan.pipeline)
                .is_none_or(|row| row.stack == registration.stack || Some(row.stack.as_str()) == instead_of);
            if free {
                rows.insert(registration.plan.pipeline.clone(), registration.clone());
            }
            free
        })
    }

    async fn unregister(&self, pipeline: &str, stack: &str) -> CloudResult<bool> {
        self.fault.call(|| {
            let mut rows = self.registrations.borrow_mut();
            let own = rows.get(pipeline).is_some_and(|row| row.stack == stack);
            if own {
                rows.remove(pipeline);
            }
            own
        })
    }

    async fn pipelines(&self) -> CloudResult<Vec<String>> {
        self.fault.call(|| self.registrations.borrow().keys().cloned().collect())
    }

    async fn swept(&self, pipeline: &str, digest: &str, to: Timestamp) -> CloudResult<()> {
        self.fault.call(|| {
            if let Some(row) = self.registrations.borrow_mut().get_mut(pipeline).filter(|row| row.digest == digest) {
                row.swept_to = to;
            }
        })
    }

    async fn run_of_key(&self, pipeline: &str, key: &str) -> CloudResult<Option<RunId>> {
        self.fault.call(|| self.keys.borrow().get(&(pipeline.to_owned(), key.to_owned())).cloned())
    }

    async fn newest_number(&self, pipeline: &str, partition: &str) -> CloudResult<u32> {
        self.fault.call(|| self.newest(pipeline, partition))
    }

    async fn claim(&self, run: &Run) -> CloudResult<bool> {
        self.fault.call(|| {
            let RunRef { pipeline, id } = &run.reference;
            let key = (pipeline.clone(), run.key.clone());
            if self.keys.borrow().contains_key(&key) || self.newest(pipeline, &id.partition) + 1 != id.number {
                return false;
            }
            self.keys.borrow_mut().insert(key, id.clone());
            if run.is_waiting() {
                self.waiting.borrow_mut().insert((pipeline.clone(), id.partition.clone()), id.number);
            }
            self.runs.borrow_mut().insert(run.reference.clone(), run.clone());
            true
        })
    }

    async fn run(&self, reference: &RunRef) -> CloudResult<Option<Run>> {
        self.fault.call(|| self.runs.borrow().get(reference).cloned())
    }

    async fn advance(&self, reference: &RunRef, progress: &Progress) -> CloudResult<bool> {
        self.fault.call(|| {
            let mut runs = self.runs.borrow_mut();
            let Some(run) = runs.get_mut(reference).filter(|run| run.order < progress.order) else { return false };
            if progress.only_waiting && run.slot {
                return false;
            }
            progress.apply(run);
            true
        })
    }

    async fn tick(&self, reference: &RunRef, order: u64, chore: Chore) -> CloudResult<()> {
        self.fault.call(|| {
            let mut runs = self.runs.borrow_mut();
            let Some(run) = runs.get_mut(reference).filter(|run| run.order == order) else { return };
            match chore {
                Chore::Announced => run.announce = false,
                Chore::Told => run.untold = false,
                Chore::Released => run.released = true,
                Chore::Closed if run.announce || run.untold || !run.released || !run.tokens.is_empty() => {}
                Chore::Closed => run.open = false,
            }
        })
    }

    async fn await_end(&self, reference: &RunRef, token: &str) -> CloudResult<bool> {
        self.fault.call(|| {
            let mut runs = self.runs.borrow_mut();
            let Some(run) = runs.get_mut(reference) else { return false };
            run.tokens.insert(token.to_owned());
            run.open = true;
            true
        })
    }

    async fn answered(&self, reference: &RunRef, token: &str) -> CloudResult<()> {
        self.fault.call(|| {
            if let Some(run) = self.runs.borrow_mut().get_mut(reference) {
                run.tokens.remove(token);
            }
        })
    }

    async fn fires(&self, pipeline: &str, after: Timestamp, until: Timestamp) -> CloudResult<Vec<Timestamp>> {
        self.fault.call(|| {
            let keys = self.keys.borrow();
            let times = keys.keys().filter(|(of, _)| of == pipeline).filter_map(|(_, key)| key.parse().ok());
            times.filter(|time| after < *time && *time <= until).collect()
        })
    }

    async fn open_runs(&self) -> CloudResult<Vec<RunRef>> {
        self.fault.call(|| {
            let runs = self.runs.borrow();
            runs.values().filter(|run| run.open).map(|run| run.reference.clone()).collect()
        })
    }
}

impl Queue for Memory {
    async fn waiting(&self, pipeline: &str, limit: Option<u16>) -> CloudResult<Vec<RunId>> {
        self.fault.call(|| {
            let waiting = self.waiting.borrow();
            let ids = waiting.iter().filter(|((of, _), _)| of == pipeline);
            let ids = ids.map(|((_, partition), number)| RunId { partition: partition.clone(), number: *number });
            ids.take(limit.map_or(usize::MAX, usize::from)).collect()
        })
    }

    async fn waiting_in(&self, pipeline: &str, partition: &str) -> CloudResult<Option<u32>> {
        self.fault.call(|| self.waiting.borrow().get(&(pipeline.to_owned(), partition.to_owned())).copied())
    }

    async fn slots(&self, pipeline: &str, partition: &str, alone: bool) -> CloudResult<Slots> {
        self.fault.call(|| Slots {
            pipeline: self.pipeline_slots.borrow().get(pipeline).filter(|_| alone).cloned(),
            partition: self.slot_of(pipeline, partition),
        })
    }

    async fn take(&self, run: &RunRef, seen: &Slots, alone: bool) -> CloudResult<bool> {
        self.fault.call(|| {
            let RunRef { pipeline, id } = run;
            let place = (pipeline.clone(), id.partition.clone());
            let mut runs = self.runs.borrow_mut();
            let Some(row) = runs.get_mut(run).filter(|row| row.order == 0 && !row.slot) else { return false };
            if self.waiting.borrow().get(&place) != Some(&id.number)
                || self.slot_of(pipeline, &id.partition) != seen.partition
                || alone && self.pipeline_slots.borrow().get(pipeline) != seen.pipeline.as_ref()
            {
                return false;
            }
            row.slot = true;
            self.waiting.borrow_mut().remove(&place);
            self.partition_slots.borrow_mut().insert(place, id.number);
            if alone {
                self.pipeline_slots.borrow_mut().insert(pipeline.clone(), id.clone());
            }
            true
        })
    }

    async fn leave(&self, run: &RunRef) -> CloudResult<()> {
        self.fault.call(|| {
            let mut waiting = self.waiting.borrow_mut();
            let place = (run.pipeline.clone(), run.id.partition.clone());
            if waiting.get(&place) == Some(&run.id.number) {
                waiting.remove(&place);
            }
        })
    }
}

impl Notes for Memory {
    async fn pause_of(&self, pipeline: &str) -> CloudResult<Option<Pause>> {
        self.fault.call(|| self.pauses.borrow().get(pipeline).cloned())
    }

    async fn pause(&self, pipeline: &str, pause: &Pause) -> CloudResult<bool> {
        self.fault.call(|| {
            let mut pauses = self.pauses.borrow_mut();
            let new = !pauses.contains_key(pipeline);
            pauses.entry(pipeline.to_owned()).or_insert_with(|| pause.clone());
            new
        })
    }

    async fn resume(&self, pipeline: &str) -> CloudResult<Option<Pause>> {
        self.fault.call(|| self.pauses.borrow_mut().remove(pipeline))
    }

    async fn note_stop(&self, run: &RunRef, stop: &Stop) -> CloudResult<bool> {
        self.fault.call(|| {
            let mut runs = self.runs.borrow_mut();
            let Some(run) = runs.get_mut(run).filter(|run| !run.status.is_terminal()) else { return false };
            run.stop = Some(stop.clone());
            true
        })
    }

    async fn briefs(&self, pipeline: &str, between: Option<(&str, &str)>) -> CloudResult<Vec<Brief>> {
        self.fault.call(|| {
            let runs = self.runs.borrow();
            let within = |label: &str| between.is_none_or(|(first, last)| first <= label && label <= last);
            let of = runs.values().filter(|run| run.reference.pipeline == pipeline);
            let of = of.filter(|run| within(&run.reference.id.partition));
            let brief = |run: &Run| Brief {
                id: run.reference.id.clone(),
                status: run.status,
                source: run.source,
                key: run.key.clone(),
                error: run.error.clone(),
                claimed_at: run.claimed_at,
            };
            of.map(brief).collect()
        })
    }

    async fn owe(&self, message: &Message) -> CloudResult<()> {
        self.fault.call(|| drop(self.owed.borrow_mut().insert(message.id.clone(), message.clone())))
    }

    async fn owed(&self) -> CloudResult<Vec<Message>> {
        self.fault.call(|| self.owed.borrow().values().cloned().collect())
    }

    async fn paid(&self, id: &str) -> CloudResult<()> {
        self.fault.call(|| drop(self.owed.borrow_mut().remove(id)))
    }
}

impl Batches for Memory {
    async fn create_batch(&self, row: &BatchRow, partitions: &[String]) -> CloudResult<bool> {
        self.fault.call(|| {
            let id = row.batch.id.clone();
            if self.batches.borrow().contains_key(&id) {
                return false;
            }
            self.batch_partitions.borrow_mut().insert(id.clone(), partitions.to_vec());
            self.batches.borrow_mut().insert(id, row.clone());
            true
        })
    }

    async fn batch(&self, id: &str) -> CloudResult<Option<BatchRow>> {
        self.fault.call(|| self.batches.borrow().get(id).cloned())
    }

    async fn partitions_of(&self, id: &str, from: usize) -> CloudResult<Vec<String>> {
        self.fault.call(|| {
            let all = self.batch_partitions.borrow().get(id).cloned().unwrap_or_default();
            all.into_iter().skip(from).take(500).collect()
        })
    }

    async fn save_batch(&self, row: &BatchRow) -> CloudResult<bool> {
        self.fault.call(|| {
            let mut batches = self.batches.borrow_mut();
            let Some(old) = batches.get_mut(&row.batch.id).filter(|old| old.revision == row.revision) else {
                return false;
            };
            *old = BatchRow { revision: row.revision + 1, ..row.clone() };
            true
        })
    }

    async fn batches(&self) -> CloudResult<Vec<BatchRow>> {
        self.fault.call(|| {
            let mut rows: Vec<BatchRow> = self.batches.borrow().values().cloned().collect();
            rows.sort_by(|one, other| (one.batch.at, &one.batch.id).cmp(&(other.batch.at, &other.batch.id)));
            rows
        })
    }

    async fn open_batches(&self) -> CloudResult<Vec<String>> {
        self.fault.call(|| {
            let batches = self.batches.borrow();
            batches.values().filter(|row| !row.batch.state.is_final()).map(|row| row.batch.id.clone()).collect()
        })
    }
}

impl Memory {
    fn slot_of(&self, pipeline: &str, partition: &str) -> u32 {
        let slots = self.partition_slots.borrow();
        slots.get(&(pipeline.to_owned(), partition.to_owned())).copied().unwrap_or(0)
    }

    fn newest(&self, pipeline: &str, partition: &str) -> u32 {
        let id = |number| RunId { partition: partition.to_owned(), number };
        let run = |number| RunRef { pipeline: pipeline.to_owned(), id: id(number) };
        self.runs.borrow().range(run(0)..=run(u32::MAX)).next_back().map_or(0, |(run, _)| run.id.number)
    }
}

/// Step Functions, EMR, SNS and CloudFormation in memory.
#[derive(Debug)]
pub(super) struct Fake {
    pub(super) fault: std::rc::Rc<Fault>,
    pub(super) clock: Cell<Timestamp>,
    pub(super) executions: RefCell<BTreeMap<String, Execution>>,
    pub(super) inputs: RefCell<BTreeMap<String, Value>>,
    /// Each execution with those that ran when it was started.
    pub(super) met: RefCell<Vec<(String, Vec<String>)>>,
    pub(super) refuses: RefCell<Option<String>>,
    pub(super) clusters: RefCell<Vec<(String, String)>>,
    pub(super) jobs: RefCell<Vec<Job>>,
    pub(super) published: RefCell<Vec<Announcement>>,
    pub(super) replies: RefCell<Vec<(String, Reply)>>,
    pub(super) stacks_gone: RefCell<BTreeSet<String>>,
    pub(super) responses: RefCell<Vec<Value>>,
    pub(super) counted: RefCell<Vec<(Metric, String)>>,
    /// What the central account was told, in order.
    pub(super) told: RefCell<Vec<Message>>,
    /// What it answers to everything; `None` if it does not answer at all.
    pub(super) says: RefCell<Option<Answer>>,
}

impl World for Fake {
    fn now(&self) -> Timestamp {
        self.clock.get()
    }

    fn count(&self, metric: Metric, why: &str) {
        self.counted.borrow_mut().push((metric, why.to_owned()));
    }

    async fn start(&self, machine: &str, name: &str, input: &str) -> CloudResult<Started> {
        self.fault.call(|| {
            if let Some(words) = self.refuses.borrow().clone() {
                return Started::Refused(words);
            }
            let arn = format!("{}:{name}", machine.replace(":stateMachine:", ":execution:"));
            if self.executions.borrow().contains_key(&arn) {
                return Started::Before;
            }
            let at_work = |others: &BTreeMap<String, Execution>| {
                let others = others.values().filter(|other| other.status == "RUNNING");
                others.map(|other| other.arn.rsplit(':').next().unwrap().to_owned()).collect()
            };
            let others = at_work(&self.executions.borrow());
            self.met.borrow_mut().push((name.to_owned(), others));
            let execution = Execution {
                arn: arn.clone(),
                status: "RUNNING".into(),
                redrives: 0,
                started_at: Some(self.now()),
                stopped_at: None,
                error: None,
                cause: None,
            };
            self.executions.borrow_mut().insert(arn.clone(), execution);
            self.inputs.borrow_mut().insert(arn.clone(), serde_json::from_str(input).unwrap());
            self.clusters.borrow_mut().push((name.to_owned(), format!("j-{}", self.executions.borrow().len())));
            Started::Now(arn, self.now())
        })
    }

    async fn stop(&self, execution: &str, error: &str, cause: &str) -> CloudResult<bool> {
        self.fault.call(|| {
            let mut executions = self.executions.borrow_mut();
            let Some(found) = executions.get_mut(execution) else { return false };
            if found.status == "RUNNING" {
                found.status = "ABORTED".to_owned();
                found.stopped_at = Some(self.now());
                (found.error, found.cause) = (Some(error.to_owned()), Some(cause.to_owned()));
            }
            true
        })
    }

    async fn tell(&self, message: &Message) -> CloudResult<()> {
        self.fault.call(|| self.told.borrow_mut().push(message.clone()))
    }

    async fn answer(&self, id: &str) -> CloudResult<Option<Answer>> {
        self.fault.call(|| {
            let told = self.told.borrow().iter().any(|message| message.id == id);
            self.says.borrow().clone().filter(|_| told).map(|answer| Answer { id: id.to_owned(), ..answer })
        })
    }

    async fn wait(&self, time: Duration) {
        self.clock.set(self.now() + time);
    }

    async fn execution(&self, arn: &str) -> CloudResult<Option<Execution>> {
        self.fault.call(|| self.executions.borrow().get(arn).cloned())
    }

    async fn reply(&self, token: &str, reply: &Reply) -> CloudResult<()> {
        self.fault.call(|| self.replies.borrow_mut().push((token.to_owned(), reply.clone())))
    }

    async fn clusters(&self, name: &str, _since: Timestamp) -> CloudResult<Vec<String>> {
        self.fault.call(|| {
            let clusters = self.clusters.borrow();
            clusters.iter().filter(|(named, _)| named == name).map(|(_, id)| id.clone()).collect()
        })
    }

    async fn terminate(&self, clusters: &[String]) -> CloudResult<()> {
        self.fault.call(|| self.clusters.borrow_mut().retain(|(_, id)| !clusters.contains(id)))
    }

    async fn jobs(&self, _execution: &str) -> CloudResult<Vec<Job>> {
        Ok(self.jobs.borrow().clone())
    }

    async fn stop_job(&self, job: &Job) -> CloudResult<bool> {
        self.fault.call(|| {
            let mut jobs = self.jobs.borrow_mut();
            let before = jobs.len();
            jobs.retain(|other| other != job);
            jobs.len() < before
        })
    }

    async fn publish(&self, _topic: &str, announcement: &Announcement) -> CloudResult<bool> {
        self.fault.call(|| {
            self.published.borrow_mut().push(announcement.clone());
            true
        })
    }

    async fn stack_is_gone(&self, stack: &str) -> CloudResult<bool> {
        self.fault.call(|| self.stacks_gone.borrow().contains(stack))
    }

    async fn respond(&self, _url: &str, body: &str) -> CloudResult<()> {
        self.fault.call(|| self.responses.borrow_mut().push(serde_json::from_str(body).unwrap()))
    }
}

pub(super) type TestAccount = Account<Memory, Fake>;

pub(super) fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

/// An account with `listings` deployed the day before, at 04:00 Berlin time of 22 November.
pub(super) fn account() -> TestAccount {
    let fault = std::rc::Rc::new(Fault::default());
    let store = Memory { fault: fault.clone(), ..Memory::default() };
    let registration = Registration {
        plan: plan(),
        digest: "d1".into(),
        stack: STACK.into(),
        warnings: Vec::new(),
        registered_at: at("2026-11-21T12:00:00Z"),
        schedules_since: at("2026-11-21T12:00:00Z"),
        swept_to: at("2026-11-22T01:55:00Z"),
    };
    store.registrations.borrow_mut().insert("listings".into(), registration);
    let world = Fake {
        fault,
        clock: Cell::new(at("2026-11-22T02:00:01Z")),
        executions: RefCell::default(),
        inputs: RefCell::default(),
        met: RefCell::default(),
        refuses: RefCell::default(),
        clusters: RefCell::default(),
        jobs: RefCell::default(),
        published: RefCell::default(),
        replies: RefCell::default(),
        stacks_gone: RefCell::default(),
        responses: RefCell::default(),
        counted: RefCell::default(),
        told: RefCell::default(),
        says: RefCell::new(Some(yes())),
    };
    let settings = Settings {
        subnets: vec!["subnet-a".into(), "subnet-b".into()],
        primary_group: "sg-p".into(),
        core_group: "sg-c".into(),
        task_group: "sg-t".into(),
        service_group: None,
        central: false,
    };
    Account { store, world, settings }
}

/// The same, of an account that has a central one.
pub(super) fn member() -> TestAccount {
    let mut account = account();
    account.settings.central = true;
    account
}

/// The central account agrees.
pub(super) fn yes() -> Answer {
    Answer { id: String::new(), refused: None, warnings: Vec::new(), result: Value::Null }
}

pub(super) fn plan() -> Plan {
    let steps = json!({ "aggregate": { "args": ["--date", "{{ run.partition }}"] } });
    Plan {
        version: "1".into(),
        pipeline: "listings".into(),
        space: "prod".into(),
        state_machine: "arn:aws:states:eu-central-1:111111111111:stateMachine:dpc-listings".into(),
        topic: Some("arn:aws:sns:eu-central-1:111111111111:dpc-listings".into()),
        alerts: vec!["FAILED".into(), "TIMED_OUT".into(), "ABORTED".into(), "SUCCEEDED".into()],
        when: None,
        overlap: None,
        partition: PartitionPlan {
            by: "day".into(),
            offset: "-1d".into(),
            timezone: "Europe/Berlin".into(),
            from: None,
        },
        schedules: vec![SchedulePlan {
            expression: "cron(0 3 * * ? *)".into(),
            timezone: "Europe/Berlin".into(),
            start: None,
            end: None,
        }],
        events: Vec::new(),
        executions: None,
        params: serde_json::Map::new(),
        steps: steps.as_object().unwrap().clone(),
    }
}

/// What EventBridge Scheduler delivers at 03:00 Berlin time.
pub(super) fn fire() -> Value {
    json!({
        "version": 1, "space": "prod", "pipeline": "listings", "source": "schedule",
        "key": "2026-11-22T02:00:00Z", "scheduledTime": "2026-11-22T02:00:00Z",
    })
}

impl TestAccount {
    /// Hands the function an event, as Lambda would.
    pub(super) fn event(&self, event: Value) -> CloudResult<Value> {
        let deadline = self.world.now() + SignedDuration::from_secs(120);
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(self.handle(event, deadline))
    }

    pub(super) fn sweep_now(&self) -> Value {
        self.event(json!({ "dpc": "sweep" })).unwrap()
    }

    pub(super) fn wait(&self, minutes: i64) {
        self.world.clock.set(self.world.now() + SignedDuration::from_mins(minutes));
    }

    /// The execution ends, and its machine may or may not have released its cluster. No event is delivered.
    pub(super) fn end(&self, status: &str, error: Option<&str>, releases: bool) {
        let mut executions = self.world.executions.borrow_mut();
        let execution = executions.values_mut().next().unwrap();
        execution.status = status.to_owned();
        execution.stopped_at = Some(self.world.now());
        execution.error = error.map(str::to_owned);
        if releases {
            self.world.clusters.borrow_mut().clear();
        }
    }

    /// The execution of this run ends, and its machine has released its cluster. Answers the event about it.
    pub(super) fn end_run(&self, run: &str, status: &str) -> Value {
        let name = run.parse::<RunRef>().unwrap().execution_name();
        let mut executions = self.world.executions.borrow_mut();
        let execution = executions.values_mut().find(|execution| execution.arn.ends_with(&format!(":{name}"))).unwrap();
        execution.status = status.to_owned();
        execution.stopped_at = Some(self.world.now());
        self.world.clusters.borrow_mut().retain(|(of, _)| *of != name);
        status_event(execution)
    }

    /// The status event that Step Functions sends about the execution as it is now.
    pub(super) fn status_event(&self) -> Value {
        let executions = self.world.executions.borrow();
        let execution = executions.values().next().unwrap();
        status_event(execution)
    }
}

pub(super) fn status_event(execution: &Execution) -> Value {
    let name = execution.arn.rsplit(':').next().unwrap();
    let machine = execution.arn.rsplit_once(':').unwrap().0.replace(":execution:", ":stateMachine:");
    let millisecond = |time: Option<Timestamp>| time.map(Timestamp::as_millisecond);
    json!({
        "version": "0", "source": "aws.states", "detail-type": "Step Functions Execution Status Change",
        "detail": {
            "executionArn": execution.arn, "stateMachineArn": machine, "name": name, "status": execution.status,
            "startDate": millisecond(execution.started_at), "stopDate": millisecond(execution.stopped_at),
            "redriveCount": execution.redrives, "error": execution.error, "cause": execution.cause,
        },
    })
}
