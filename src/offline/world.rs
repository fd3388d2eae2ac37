//! A script, played: the clock moves from one thing that happens to the next.
//!
//! In comes a script; out come every run, everything that has happened, and the central account as it is in the end. It
//! refuses to know what was expected.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use jiff::{SignedDuration, Timestamp};
use serde_json::{Map, Value};

use super::central::{Central, Told};
use super::script::{Act, Actor, Play, Script};
use super::timeline::{Happening, What};
use crate::cloud::runs::{Progress, Run};
use crate::control::message::{Body, Change, Override, Registration, Report, Skip};
use crate::control::run::{Downstream, Envelope, RunId, RunRef, Source, Status};
use crate::control::schedule::{self, Schedule, When};
use crate::functions::start::schedule_key;

/// Pipelines that no event deploys have been there for so long.
const LONG_AGO: SignedDuration = SignedDuration::from_hours(24 * 400);

/// More runs than a scenario can mean.
pub const MOST_RUNS: usize = 20_000;

/// Who signs what a person does in a scenario.
const SOMEBODY: &str = "the scenario";

/// A run, and what of it only a scenario knows.
#[derive(Clone, Debug)]
pub struct Played {
    /// The run.
    pub run: Run,
    /// Why it was skipped.
    pub skip: Option<Skip>,
    /// The upstream runs that it was started on.
    pub on: Vec<String>,
    /// What its steps are told.
    pub arguments: Map<String, Value>,
    /// Its place among all that started or were skipped.
    pub place: Option<usize>,
    /// Which downstream pipelines may run because of it.
    downstream: Option<Downstream>,
}

impl Played {
    pub(super) fn new(run: Run, envelope: &Envelope) -> Self {
        let relied = envelope.cause.as_ref().and_then(|cause| cause.pointer("/trigger/relied")?.as_array().cloned());
        let on = relied.unwrap_or_default().iter().filter_map(upstream).collect();
        let downstream = envelope.downstream.clone();
        Self { run, skip: None, on, arguments: Map::new(), place: None, downstream }
    }
}

/// `listings/2026-11-21/1` of what an envelope's cause says of it.
fn upstream(relied: &Value) -> Option<String> {
    let text = |name: &str| relied.get(name)?.as_str();
    let number = relied.get("number")?.as_u64()?;
    Some(format!("{}/{}/{number}", text("pipeline")?, text("partition")?))
}

/// How a run that the scenario starts goes on.
#[derive(Clone, Copy, Debug)]
pub(super) struct Fate {
    pub(super) status: Option<Status>,
    takes: Option<SignedDuration>,
}

/// What an account keeps of a pipeline.
#[derive(Debug, Default)]
pub(super) struct State {
    deployed: bool,
    paused: bool,
    pub(super) keys: BTreeSet<String>,
    /// Partition to the number of the run that waits.
    pub(super) waiting: BTreeMap<String, u32>,
    queued: BTreeSet<RunRef>,
}

/// What is to be done at a time.
#[derive(Debug)]
enum Step {
    /// A schedule fires.
    Fire(String),
    /// A run ends.
    End(RunRef, Status),
    /// The scenario says something.
    Act(usize),
}

/// Everything that there is.
#[derive(Debug)]
pub struct World<'s> {
    pub(super) script: &'s Script,
    pub(super) now: Timestamp,
    /// The central account.
    pub central: Central,
    states: BTreeMap<String, State>,
    runs: BTreeMap<RunRef, Played>,
    /// By time, then by what comes first of what happens at once, then in the order in which it was put there.
    agenda: BTreeMap<(Timestamp, u8, usize), Step>,
    turns: usize,
    inbox: VecDeque<Envelope>,
    fates: BTreeMap<String, Fate>,
    /// Actions that end a run which is at work.
    claimed: BTreeSet<usize>,
    next_action: usize,
    places: usize,
    /// What has happened.
    pub timeline: Vec<Happening>,
    /// It was stopped, because it did not come to an end.
    pub endless: bool,
}

/// Plays a script to its end.
pub fn play(script: &Script) -> World<'_> {
    let mut world = World {
        script,
        now: script.start,
        central: Central::new(&script.space),
        states: BTreeMap::new(),
        runs: BTreeMap::new(),
        agenda: BTreeMap::new(),
        turns: 0,
        inbox: VecDeque::new(),
        fates: BTreeMap::new(),
        claimed: BTreeSet::new(),
        next_action: 0,
        places: 0,
        timeline: Vec::new(),
        endless: false,
    };
    world.begin();
    world.go_on();
    world
}

impl<'s> World<'s> {
    fn begin(&mut self) {
        let script = self.script;
        let long_ago = script.start.checked_sub(LONG_AGO).unwrap_or(script.start);
        let actions = script.actions.iter().map(|action| action.at).enumerate();
        for (at, time) in actions.collect::<Vec<_>>() {
            self.put_down(time, 2, Step::Act(at));
        }
        for (name, actor) in script.actors.iter().filter(|(_, actor)| !actor.later) {
            self.register(name, actor, long_ago);
        }
        let scheduled = script.actors.iter().filter(|_| script.schedules);
        let fires: BTreeSet<(Timestamp, &String)> = scheduled
            .flat_map(|(name, actor)| fires(actor, script.start, script.until).into_iter().map(move |at| (at, name)))
            .collect();
        if fires.len() > MOST_RUNS {
            self.endless = true;
            self.agenda.clear();
            return;
        }
        for (at, name) in fires {
            self.put_down(at, 0, Step::Fire(name.clone()));
        }
    }

    fn go_on(&mut self) {
        while let Some(((at, _, _), step)) = self.agenda.pop_first() {
            self.now = self.now.max(at);
            match step {
                Step::Fire(pipeline) => self.fire(&pipeline),
                Step::End(run, status) => self.end(&run, status),
                Step::Act(index) => self.act(index),
            }
            while let Some(envelope) = self.inbox.pop_front() {
                self.start(&envelope);
                if self.runs.len() > MOST_RUNS {
                    self.endless = true;
                    return;
                }
            }
        }
    }

    fn put_down(&mut self, at: Timestamp, class: u8, step: Step) {
        self.turns += 1;
        self.agenda.insert((at, class, self.turns), step);
    }

    fn fire(&mut self, pipeline: &str) {
        if !self.is_deployed(pipeline) {
            return;
        }
        let mut envelope = Envelope::new(&self.script.space, pipeline, Source::Schedule, schedule_key(self.now));
        envelope.scheduled_time = Some(self.now.to_string());
        self.start(&envelope);
    }

    fn act(&mut self, index: usize) {
        let script = self.script;
        let Some(action) = script.actions.get(index) else { return };
        self.next_action = index + 1;
        match &action.act {
            Act::Run(play) => self.run(index, play),
            Act::Mark(pipeline, partition, status) => {
                self.happened(What::Person(format!("{pipeline}/{partition} is marked {status}")));
                self.change(pipeline, partition, Change::Mark(*status));
            }
            Act::Ignore(run) => {
                self.happened(What::Person(format!("{run} is ignored")));
                self.change(&run.pipeline, &run.id.partition, Change::Ignore(run.id.number));
            }
            Act::Pause(pipeline) => {
                self.state(pipeline).paused = true;
                self.happened(What::Person(format!("{pipeline} is paused")));
            }
            Act::Resume(pipeline) => {
                self.state(pipeline).paused = false;
                self.happened(What::Person(format!("{pipeline} goes on")));
            }
            Act::Deploy(pipeline) => {
                if let Some(actor) = script.actors.get(pipeline) {
                    self.happened(What::Deployed(pipeline.clone()));
                    self.register(pipeline, actor, self.now);
                }
            }
            Act::Event(event) => self.deliver(index, event),
        }
    }

    /// A run of the scenario: the end of one that is at work, or a new one.
    fn run(&mut self, index: usize, play: &Play) {
        let open = self.runs_of(&play.pipeline).filter(|played| {
            played.run.reference.id.partition == play.partition && played.run.status == Status::Running
        });
        let open = open.last().map(|played| played.run.reference.clone());
        match (open, play.status) {
            (Some(run), Some(status)) if play.ends() => return self.end(&run, status),
            (Some(_), Some(Status::Running)) if !play.again => return,
            _ => {}
        }
        let source = if play.again { Source::Rerun } else { Source::Run };
        let key = format!("{SOMEBODY} {index}");
        let mut envelope = Envelope::new(&self.script.space, &play.pipeline, source, key.clone());
        envelope.partition = Some(play.partition.clone());
        envelope.params.clone_from(&play.params);
        envelope.downstream.clone_from(&play.downstream);
        // Who says how a run has ended, and not how long it took, means that it has ended now.
        let at_once = play.status.filter(|_| !play.again).map(|_| SignedDuration::ZERO);
        self.fates.insert(key, Fate { status: play.status, takes: play.takes.or(at_once) });
        self.start(&envelope);
    }

    /// An event of EventBridge, to everybody of the team who listens.
    fn deliver(&mut self, index: usize, event: &Value) {
        let script = self.script;
        let mut envelopes = Vec::new();
        for (name, actor) in script.actors.iter().filter(|(name, _)| self.is_deployed(name)) {
            for (id, _) in actor.events.iter().filter(|(_, own)| own.takes(event)) {
                let plan = actor.plan.events.iter().find(|plan| plan.id == *id);
                if plan.is_none_or(|plan| plan.taken_by(event).is_some()) {
                    continue;
                }
                let mut envelope = Envelope::new(&script.space, name, Source::Event, format!("event {index}"));
                envelope.event_time = event.get("time").and_then(Value::as_str).map(str::to_owned);
                envelope.event = Some(event.clone());
                envelope.trigger = Some(id.clone());
                envelopes.push(envelope);
            }
        }
        self.happened(What::Delivered(words(event), envelopes.len()));
        self.inbox.extend(envelopes);
    }

    fn register(&mut self, name: &str, actor: &Actor, at: Timestamp) {
        self.state(name).deployed = true;
        let plan = &actor.plan;
        let registration = Registration {
            pipeline: name.to_owned(),
            owner: None,
            region: self.script.place.1.clone(),
            stack: format!("dpc-{name}"),
            partition: plan.partition.clone(),
            schedules: plan.schedules.clone(),
            by_event: !plan.events.is_empty(),
            executions: plan.executions.clone(),
            at,
        };
        let told = self.central.tell(&actor.account, Body::Register(registration), at);
        if let Some(refusal) = told.answer.as_ref().and_then(|answer| answer.refused.as_ref()) {
            self.happened(What::Refused(name.to_owned(), refusal.message.clone()));
        }
        self.inbox.extend(told.due);
    }

    fn change(&mut self, pipeline: &str, partition: &str, change: Change) {
        let (pipeline, partition, at) = (pipeline.to_owned(), partition.to_owned(), self.now);
        let body = Override { pipeline: pipeline.clone(), partition, change, by: SOMEBODY.to_owned(), why: None, at };
        if let Some(told) = self.tell(&pipeline, Body::Override(body))
            && let Some(refusal) = told.answer.and_then(|answer| answer.refused)
        {
            self.happened(What::NotStarted(pipeline, refusal.message));
        }
    }

    /// Tells the central account something about a pipeline, in the name of its own.
    fn tell(&mut self, pipeline: &str, body: Body) -> Option<Told> {
        let actor = self.script.actors.get(pipeline)?;
        let mut told = self.central.tell(&actor.account, body, self.now);
        self.inbox.extend(told.due.drain(..));
        Some(told)
    }

    /// Ends a run that is at work, and lets others go on.
    fn end(&mut self, reference: &RunRef, status: Status) {
        let now = self.now;
        let Some(played) = self.run_mut(reference).filter(|played| played.run.status == Status::Running) else {
            return;
        };
        Progress { ended_at: Some(now), ..Progress::to(status) }.apply(&mut played.run);
        self.told_end(reference);
        self.hand_on(&reference.pipeline, &reference.id.partition);
    }

    pub(super) fn told_start(&mut self, reference: &RunRef) {
        let place = self.take_place();
        let Some(played) = self.run_mut(reference) else { return };
        played.place = Some(place);
        let (source, on, key) = (played.run.source, played.on.clone(), played.run.key.clone());
        self.happened(What::Started(reference.clone(), source, on));
        self.report(reference);
        let fate = self.fate(&key).copied().unwrap_or(Fate { status: None, takes: None });
        let takes = fate.takes.or_else(|| Some(self.script.actors.get(&reference.pipeline)?.takes));
        let later = fate.status.is_none() && self.claim(reference);
        if fate.status == Some(Status::Running) || later {
            return;
        }
        let end = takes.and_then(|takes| self.now.checked_add(takes).ok()).unwrap_or(self.now);
        self.put_down(end, 1, Step::End(reference.clone(), fate.status.unwrap_or(Status::Succeeded)));
    }

    /// Whether the scenario says later how this run ends.
    fn claim(&mut self, run: &RunRef) -> bool {
        let ends = |act: &Act| match act {
            Act::Run(play) => play.ends() && play.pipeline == run.pipeline && play.partition == run.id.partition,
            _ => false,
        };
        let later = self.script.actions.iter().enumerate().skip(self.next_action);
        let mut later = later.filter(|(index, _)| !self.claimed.contains(index));
        let found = later.find(|(_, action)| ends(&action.act)).map(|(index, _)| index);
        found.is_some_and(|index| self.claimed.insert(index))
    }

    pub(super) fn told_queued(&mut self, run: &RunRef, ahead: RunRef) {
        if self.state(&run.pipeline).queued.insert(run.clone()) {
            self.happened(What::Queued(run.clone(), ahead));
            self.report(run);
        }
    }

    pub(super) fn told_end(&mut self, reference: &RunRef) {
        let place = self.take_place();
        let Some(played) = self.run_mut(reference) else { return };
        played.place.get_or_insert(place);
        let (status, cause) = (played.run.status, played.run.cause.clone());
        self.happened(What::Ended(reference.clone(), status, cause));
        self.report(reference);
    }

    fn take_place(&mut self) -> usize {
        self.places += 1;
        self.places
    }

    fn report(&mut self, reference: &RunRef) {
        let Some(Played { run, skip, downstream, .. }) = self.runs.get(reference) else { return };
        let report = Report {
            pipeline: reference.pipeline.clone(),
            partition: reference.id.partition.clone(),
            number: reference.id.number,
            status: run.status,
            redrives: 0,
            skip: *skip,
            source: run.source,
            key: run.key.clone(),
            time: run.scheduled_time.unwrap_or(run.claimed_at),
            started_at: run.started_at,
            ended_at: run.ended_at,
            downstream: downstream.clone(),
            reservation: None,
        };
        let _told = self.tell(&reference.pipeline, Body::Run(report));
    }

    pub(super) fn happened(&mut self, what: What) {
        self.timeline.push(Happening { at: self.now, what });
    }

    pub(super) fn state(&mut self, pipeline: &str) -> &mut State {
        self.states.entry(pipeline.to_owned()).or_default()
    }

    pub(super) fn is_deployed(&self, pipeline: &str) -> bool {
        self.states.get(pipeline).is_some_and(|state| state.deployed)
    }

    pub(super) fn is_paused(&self, pipeline: &str) -> bool {
        self.states.get(pipeline).is_some_and(|state| state.paused)
    }

    pub(super) fn is_waiting(&self, run: &RunRef) -> bool {
        self.runs.get(run).is_some_and(|played| played.run.is_waiting())
    }

    pub(super) fn fate(&self, key: &str) -> Option<&Fate> {
        self.fates.get(key)
    }

    pub(super) fn put(&mut self, played: Played) {
        self.runs.insert(played.run.reference.clone(), played);
    }

    pub(super) fn run_mut(&mut self, run: &RunRef) -> Option<&mut Played> {
        self.runs.get_mut(run)
    }

    /// Every run, by pipeline, partition and number.
    pub fn runs(&self) -> impl Iterator<Item = &Played> {
        self.runs.values()
    }

    /// The runs of a pipeline.
    pub(super) fn runs_of<'a>(&'a self, pipeline: &'a str) -> impl Iterator<Item = &'a Played> {
        let first = RunId { partition: String::new(), number: 0 };
        let from = RunRef { pipeline: pipeline.to_owned(), id: first };
        self.runs
            .range(from..)
            .map(|(_, played)| played)
            .take_while(move |played| played.run.reference.pipeline == pipeline)
    }

    pub(super) fn newest_number(&self, pipeline: &str, partition: &str) -> u32 {
        let run =
            |number| RunRef { pipeline: pipeline.to_owned(), id: RunId { partition: partition.to_owned(), number } };
        self.runs.range(run(0)..=run(u32::MAX)).next_back().map_or(0, |(reference, _)| reference.id.number)
    }
}

/// When the schedules of a pipeline fire, first and last time included.
fn fires(actor: &Actor, start: Timestamp, until: Timestamp) -> BTreeSet<Timestamp> {
    let just_before = start.checked_sub(SignedDuration::from_nanos(1)).unwrap_or(start);
    let schedules = actor.plan.schedules.iter().filter_map(|plan| Schedule::of_plan(plan).ok());
    let of = |one: Schedule| match &one.when {
        // A rate counts from the moment at which it was made: here, from the start.
        When::Rate(rate) => {
            let (interval, mut fires, mut at) = (rate.interval(), Vec::new(), start);
            while at <= until && fires.len() <= MOST_RUNS {
                let inside = one.start.is_none_or(|first| first <= at) && one.end.is_none_or(|end| at < end);
                fires.extend(inside.then_some(at));
                let Ok(next) = at.checked_add(interval) else { break };
                at = next;
            }
            fires
        }
        When::Cron(_) | When::At(_) => {
            schedule::between(&one, just_before, until).into_iter().map(|fire| fire.utc).collect()
        }
    };
    schedules.flat_map(of).collect()
}

/// An event in a few words.
fn words(event: &Value) -> String {
    let text = |path: &str| event.pointer(path).and_then(Value::as_str).unwrap_or_default();
    match (text("/detail/bucket/name"), text("/detail/object/key")) {
        ("", _) | (_, "") => format!("event `{}` of {}", text("/detail-type"), text("/source")),
        (bucket, key) => format!("s3://{bucket}/{key} is written"),
    }
}
