//! Random graphs and random histories: accounts that run, fail, rerun and queue; a network that loses, doubles and reorders;
//! a central function that dies between any two writes. After each message the engine is compared with the model, and at the
//! end the promises of docs/triggers.md are asked for.
//!
//! A history is a seed and the steps of it that are taken, each with random numbers of its own: so steps can be left out,
//! which is how a failure is shrunk.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;

use super::model::{At, By, Fact, Held, MFire, MLeaf, Model, Pipe, Told, Tree, strip};
use super::world::{Fuel, Published, World};
use crate::control::condition::{Condition, Leaf, window};
use crate::control::message::{Body, Downstream, Registration, Report, Reserve, Skip};
use crate::control::partition::Offset;
use crate::control::plan::{PartitionPlan, SchedulePlan};
use crate::control::run::{Source, Status};
use crate::control::trigger::fact::Rest;

/// Small, and the same on every machine.
#[derive(Clone)]
pub struct Random(u64);

impl Random {
    pub fn new(seed: u64) -> Self {
        let mut one = Self(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) ^ 0xD1B5_4A32_D192_ED03);
        one.next();
        one
    }

    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 11
    }

    fn below(&mut self, end: usize) -> usize {
        usize::try_from(self.next() % end.max(1) as u64).unwrap()
    }

    fn percent(&mut self, chance: usize) -> bool {
        self.below(100) < chance
    }

    fn pick<T: Clone>(&mut self, list: &[T]) -> T {
        list[self.below(list.len())].clone()
    }
}

const FIRST: i64 = 1_793_491_200; // 2026-11-01T00:00:00Z

fn instant(time: i64) -> Timestamp {
    Timestamp::from_second(FIRST + time).unwrap()
}

fn label(at: At) -> String {
    match at {
        At::None => "none".into(),
        At::Hour(day, hour) => format!("2026-11-{day:02}T{hour:02}Z"),
        At::Day(day) => format!("2026-11-{day:02}"),
        At::Week(day) => format!("2026-W{:02}", 45 + (day - 2) / 7),
    }
}

fn at_of(label: &str) -> At {
    let number = |from: usize, to: usize| label[from..to].parse::<i32>().unwrap();
    match label.len() {
        14 => At::Hour(number(8, 10), number(11, 13)),
        10 => At::Day(number(8, 10)),
        8 => At::Week(2 + 7 * (number(6, 8) - 45)),
        _ => At::None,
    }
}

/// What happens in a family of graphs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Family {
    Days,
    Hours,
    Weeks,
    Unpartitioned,
}

/// A graph of pipelines.
pub struct Graph {
    family: Family,
    pipes: Vec<Pipe>,
    /// Registered in the middle of the history.
    late: Option<usize>,
    alone: bool,
}

fn tree(random: &mut Random, own: usize, pipes: &[Pipe], by: By, alone: bool) -> Tree {
    let leaf = |random: &mut Random, up: usize| {
        let status = match random.below(20) {
            0..=14 => vec![Status::Succeeded],
            15 => vec![Status::Failed, Status::TimedOut],
            16 => vec![Status::Running],
            17 => vec![Status::Succeeded, Status::Skipped],
            18 => vec![Status::Succeeded, Status::Failed],
            _ => vec![Status::Aborted, Status::Succeeded],
        };
        let may = alone && matches!(by, By::Day | By::Hour);
        let own_day = up == own;
        let offset = if own_day || (may && random.percent(15)) { -1 } else { 0 };
        let last = (may && !own_day && random.percent(10)).then_some(2);
        Tree::Leaf(MLeaf { up, status, offset, last })
    };
    let mut ups: Vec<usize> = Vec::new();
    for _ in 0..=random.below(3) {
        let up = random.below(own);
        if !ups.contains(&up) || random.percent(15) {
            ups.push(up);
        }
    }
    let mut leaves: Vec<Tree> = ups.iter().map(|up| leaf(random, *up)).collect();
    let fits = |up: &usize| pipes.get(*up).is_some();
    assert!(ups.iter().all(fits));
    // With `anyOf` at the root, each day would start the next one for ever.
    let chained = alone && by == By::Day && random.percent(15);
    if chained {
        let other = leaf(random, random.clone().below(own));
        leaves.push(Tree::Any(vec![leaf(random, own), other]));
    }
    match (leaves.len(), random.below(10)) {
        (1, _) => leaves.remove(0),
        _ if chained => Tree::All(leaves),
        (3.., 0..=2) => {
            let first = leaves.remove(0);
            Tree::All(vec![first, Tree::Any(leaves)])
        }
        (3.., 3..=4) => {
            let first = leaves.remove(0);
            Tree::Any(vec![first, Tree::All(leaves)])
        }
        (_, 0..=6) => Tree::All(leaves),
        _ => Tree::Any(leaves),
    }
}

impl Graph {
    pub fn new(random: &mut Random) -> Self {
        let family = match random.below(20) {
            0..=13 => Family::Days,
            14..=15 => Family::Hours,
            16 => Family::Weeks,
            _ => Family::Unpartitioned,
        };
        let alone = random.percent(40);
        let count = 2 + random.below(5);
        let mut pipes: Vec<Pipe> = Vec::new();
        for own in 0..count {
            let is_root = own == 0 || (own < 3 && random.percent(35));
            let by = match family {
                Family::Days => By::Day,
                Family::Hours if is_root && (own == 0 || random.percent(60)) => By::Hour,
                Family::Weeks if random.percent(25) => By::Week,
                Family::Unpartitioned if random.percent(40) => By::None,
                Family::Hours | Family::Weeks | Family::Unpartitioned => By::Day,
            };
            let tree = (!is_root).then(|| tree(random, own, &pipes, by, alone && family != Family::Weeks));
            let hours = (by == By::Hour).then_some(2);
            pipes.push(Pipe { by, tree, hours, since: 20, gone: false, epoch: 0 });
        }
        let late = (family == Family::Days && random.percent(15)).then(|| 1 + random.below(count - 1));
        let late = late.filter(|late| pipes[*late].tree.is_some());
        Self { family, pipes, late, alone }
    }

    fn days(&self) -> Vec<i32> {
        match self.family {
            Family::Weeks => (16..=22).collect(),
            _ if self.alone => (20..=30).collect(),
            _ => vec![20, 21, 22],
        }
    }

    fn registration(&self, of: usize, pipe: &Pipe, at: &str) -> Registration {
        let by = match pipe.by {
            By::None => "none",
            By::Hour => "hour",
            By::Day => "day",
            By::Week => "week",
        };
        let schedule = pipe.hours.map(|hours| SchedulePlan {
            expression: format!("cron(0 0-{} * * ? *)", hours - 1),
            timezone: "UTC".into(),
            start: None,
            end: None,
        });
        Registration {
            pipeline: name(of),
            owner: None,
            region: "eu-central-1".into(),
            stack: "stack".into(),
            partition: PartitionPlan { by: by.into(), offset: "0".into(), timezone: "UTC".into(), from: None },
            schedules: schedule.into_iter().collect(),
            by_event: false,
            executions: pipe.tree.as_ref().map(condition),
            at: at.parse().unwrap(),
        }
    }
}

fn condition(tree: &Tree) -> Condition {
    match tree {
        Tree::All(inner) => Condition::All { all_of: inner.iter().map(condition).collect() },
        Tree::Any(inner) => Condition::Any { any_of: inner.iter().map(condition).collect() },
        Tree::Leaf(leaf) => Condition::Leaf(Leaf {
            pipeline: name(leaf.up),
            status: leaf.status.clone(),
            offset: if leaf.offset == 0 { Offset::ZERO } else { Offset::parse(&format!("{}d", leaf.offset)).unwrap() },
            last: leaf.last.map(|last| window(&format!("{last}d")).unwrap()),
        }),
    }
}

fn name(of: usize) -> String {
    ["a", "b", "c", "d", "e", "f", "g"][of].to_owned()
}

fn number(name: &str) -> usize {
    usize::from(name.as_bytes()[0] - b'a')
}

/// A run as its account knows it.
#[derive(Clone, Debug)]
struct Run {
    number: u32,
    status: Status,
    redrives: u64,
    skip: Option<Skip>,
    key: Option<String>,
    time: i64,
    downstream: Option<Downstream>,
    reservation: Option<String>,
}

#[derive(Clone, Debug, Default)]
struct Account {
    runs: Vec<Run>,
    keys: BTreeSet<String>,
}

/// One history at work.
pub struct History {
    graph: Graph,
    world: World,
    model: Model,
    accounts: BTreeMap<(usize, At), Account>,
    /// Reports on their way, and those that were lost.
    net: Vec<(Report, Told)>,
    lost: Vec<(Report, Told)>,
    /// Fires on their way.
    fires: Vec<Published>,
    published: usize,
    reservations: usize,
    by_hand: bool,
    pub trace: Option<Vec<String>>,
    pub stats: Stats,
}

#[derive(Clone, Copy, Debug, Default)]
pub struct Stats {
    pub messages: usize,
    pub fires: usize,
    pub muted: usize,
    pub crashes: usize,
}

impl History {
    pub fn new(seed: u64) -> Self {
        let mut random = Random::new(seed);
        let graph = Graph::new(&mut random);
        let mut world = World::new(instant(19 * 86_400 + 3_600));
        let mut model = Model {
            names: (0..graph.pipes.len()).map(name).collect(),
            heard: vec![None; graph.pipes.len()],
            days: graph.days(),
            ..Model::default()
        };
        for (of, pipe) in graph.pipes.iter().enumerate() {
            let mut pipe = pipe.clone();
            if Some(of) == graph.late {
                pipe.gone = true;
            } else {
                let registration = graph.registration(of, &pipe, "2026-11-16T00:00:00Z");
                let message = world.message(Body::Register(registration));
                let applied = world.deliver(&message, "A");
                assert!(applied.answer.unwrap().refused.is_none(), "seed {seed}: refused");
                pipe.since = 16;
            }
            model.pipes.push(pipe);
        }
        Self {
            graph,
            world,
            model,
            accounts: BTreeMap::new(),
            net: Vec::new(),
            lost: Vec::new(),
            fires: Vec::new(),
            published: 0,
            reservations: 0,
            by_hand: false,
            trace: None,
            stats: Stats::default(),
        }
    }

    fn say(&mut self, words: impl FnOnce() -> String) {
        if let Some(trace) = &mut self.trace {
            trace.push(words());
        }
    }

    /// One step of the world.
    pub fn step(&mut self, random: &mut Random) -> Result<(), String> {
        match random.below(100) {
            0..=37 => self.deliver_one(random, true),
            38..=52 => {
                self.take_fire(random);
                Ok(())
            }
            53..=74 => {
                self.advance(random, 70);
                Ok(())
            }
            75..=88 => {
                self.start_any(random);
                Ok(())
            }
            89..=91 => {
                self.redrive(random);
                Ok(())
            }
            92..=94 => self.reserve(random),
            95 => self.cancel(),
            96..=97 => self.deploy(random),
            _ => {
                self.sweep();
                Ok(())
            }
        }
    }

    fn roots(&self) -> Vec<usize> {
        (0..self.graph.pipes.len()).filter(|of| self.graph.pipes[*of].tree.is_none()).collect()
    }

    fn a_label(&self, random: &mut Random, of: usize) -> At {
        let day = 20 + i32::try_from(random.below(3)).unwrap();
        match self.graph.pipes[of].by {
            By::None => At::None,
            By::Hour => At::Hour(day, i32::try_from(random.below(2)).unwrap()),
            By::Day => At::Day(if random.percent(60) { 21 } else { day }),
            By::Week => At::Week(16),
        }
    }

    fn start_any(&mut self, random: &mut Random) {
        let roots = self.roots();
        let of = if random.percent(75) { random.pick(&roots) } else { random.below(self.graph.pipes.len()) };
        if self.model.pipes[of].gone {
            return;
        }
        self.by_hand |= self.graph.pipes[of].tree.is_some();
        let at = self.a_label(random, of);
        let downstream = random.percent(6).then(|| {
            if random.percent(50) {
                Downstream::None
            } else {
                Downstream::Only(vec![
                    name(random.below(self.graph.pipes.len())),
                    name(random.below(self.graph.pipes.len())),
                ])
            }
        });
        self.start(random, of, at, None, downstream, None);
    }

    /// The account's one door: a key is used once, a run at work queues the next, and a third takes the second's place.
    fn start(
        &mut self,
        random: &mut Random,
        of: usize,
        at: At,
        key: Option<String>,
        downstream: Option<Downstream>,
        reservation: Option<String>,
    ) {
        let time = if self.graph.pipes[of].by == By::None {
            i64::try_from((19 + random.below(3)) * 24 + random.below(24)).unwrap() * 3_600
        } else {
            0
        };
        let account = self.accounts.entry((of, at)).or_default();
        if key.clone().is_some_and(|key| !account.keys.insert(key)) {
            return;
        }
        let number = u32::try_from(account.runs.len()).unwrap() + 1;
        let mut told = Vec::new();
        let busy = account.runs.iter().any(|run| !run.status.is_terminal());
        let (mut status, mut skip) = (Status::Running, None);
        if random.percent(9) {
            (status, skip) = (Status::Skipped, Some(random.pick(&[Skip::When, Skip::When, Skip::Paused])));
        } else if busy {
            if let Some(queued) = account.runs.iter_mut().find(|run| run.status == Status::Queued) {
                (queued.status, queued.skip) = (Status::Skipped, Some(Skip::Superseded));
                told.push(queued.clone());
            }
            status = Status::Queued;
        } else if random.percent(30) {
            status = Status::Queued;
        }
        let run = Run { number, status, redrives: 0, skip, key, time, downstream, reservation };
        account.runs.push(run.clone());
        told.push(run);
        for run in told {
            self.report(of, at, &run);
        }
    }

    fn report(&mut self, of: usize, at: At, run: &Run) {
        let started = !matches!(run.status, Status::Queued | Status::Skipped);
        let report = Report {
            pipeline: name(of),
            partition: label(at),
            number: run.number,
            status: run.status,
            redrives: run.redrives,
            skip: run.skip,
            source: if run.key.is_some() { Source::Trigger } else { Source::Run },
            key: run.key.clone().unwrap_or_default(),
            time: instant(run.time),
            started_at: started.then(|| instant(0)),
            ended_at: None,
            downstream: run.downstream.clone(),
            reservation: run.reservation.clone(),
        };
        let told = Told {
            of,
            at,
            time: run.time,
            number: run.number,
            status: run.status,
            redrives: run.redrives,
            skip: run.skip,
            started,
            answers: run.key.clone(),
            downstream: run.downstream.clone(),
            reservation: run.reservation.clone(),
        };
        self.net.push((report, told));
    }

    /// A run goes on.
    fn advance(&mut self, random: &mut Random, well: usize) -> bool {
        let open: Vec<(usize, At, usize)> = self
            .accounts
            .iter()
            .flat_map(|((of, at), account)| {
                let busy = account.runs.iter().position(|run| run.status == Status::Running);
                let next = busy.or(account.runs.iter().position(|run| run.status == Status::Queued));
                next.map(|run| (*of, *at, run))
            })
            .collect();
        if open.is_empty() {
            return false;
        }
        let (of, at, run) = random.pick(&open);
        let run = &mut self.accounts.get_mut(&(of, at)).unwrap().runs[run];
        run.status = match run.status {
            Status::Queued => Status::Running,
            _ if random.percent(well) => Status::Succeeded,
            _ => random.pick(&[Status::Failed, Status::Failed, Status::Aborted, Status::TimedOut]),
        };
        let run = run.clone();
        self.report(of, at, &run);
        true
    }

    fn redrive(&mut self, random: &mut Random) {
        let failed: Vec<(usize, At)> = self
            .accounts
            .iter()
            .filter(|(_, account)| {
                let bad = account.runs.last().is_some_and(|run| matches!(run.status, Status::Failed | Status::Aborted));
                bad && account.runs.iter().all(|run| run.status.is_terminal())
            })
            .map(|(key, _)| *key)
            .collect();
        if failed.is_empty() {
            return;
        }
        let (of, at) = random.pick(&failed);
        let run = self.accounts.get_mut(&(of, at)).unwrap().runs.last_mut().unwrap();
        (run.redrives, run.status) = (run.redrives + 1, Status::Running);
        let run = run.clone();
        self.report(of, at, &run);
    }

    fn reserve(&mut self, random: &mut Random) -> Result<(), String> {
        if !self.model.held.is_empty() || self.reservations >= 2 {
            return Ok(());
        }
        let of = random.pick(&self.roots());
        if self.graph.pipes[of].by == By::None {
            return Ok(());
        }
        let labels: BTreeSet<At> = (0..2).map(|_| self.a_label(random, of)).collect();
        self.reservations += 1;
        let id = format!("r{}", self.reservations);
        let together = random.percent(30);
        let downstream = random.percent(20).then(|| Downstream::Only(vec![name(1), name(2)]));
        // Later than a late registration, if that has been.
        let epoch = u8::from(self.graph.late.is_some_and(|late| !self.model.pipes[late].gone));
        let at = if epoch == 1 { instant(25 * 86_400) } else { self.world.now };
        let body = Body::Reserve(Reserve {
            reservation: id.clone(),
            pipeline: name(of),
            partitions: labels.iter().map(|at| label(*at)).collect(),
            downstream: downstream.clone(),
            together,
            by: "me".into(),
            at,
        });
        self.say(|| format!("reserve {id} {} {labels:?} together={together} {downstream:?}", name(of)));
        let message = self.world.message(body);
        self.world.deliver(&message, "A");
        self.model.held.push(Held {
            id: id.clone(),
            of,
            all: labels.iter().copied().collect(),
            waiting: labels.clone(),
            together,
            downstream: downstream.clone(),
            epoch,
        });
        self.compare(&[], &[], "reserve")?;
        for at in labels {
            self.start(random, of, at, None, downstream.clone(), Some(id.clone()));
        }
        Ok(())
    }

    fn cancel(&mut self) -> Result<(), String> {
        let Some(held) = self.model.held.pop() else { return Ok(()) };
        self.say(|| format!("cancel {}", held.id));
        let message = self.world.message(Body::Cancel { reservation: held.id.clone(), by: "me".into() });
        self.world.deliver(&message, "A");
        let freed = held.all.iter().filter(|at| held.together || held.waiting.contains(at));
        let touched: Vec<(usize, At)> = freed.map(|at| (held.of, *at)).collect();
        self.compare(&touched, &[], "cancel")
    }

    /// A pipeline is registered late, or with another tree.
    fn deploy(&mut self, random: &mut Random) -> Result<(), String> {
        if self.graph.family != Family::Days || self.graph.alone {
            return Ok(());
        }
        let late = self.graph.late.filter(|late| self.model.pipes[*late].gone);
        let of = late.unwrap_or_else(|| 1 + random.below(self.graph.pipes.len() - 1));
        if self.graph.pipes[of].tree.is_none() {
            return Ok(());
        }
        if late.is_none() {
            self.graph.pipes[of].tree = Some(tree(random, of, &self.graph.pipes, By::Day, false));
        }
        let pipe = self.graph.pipes[of].clone();
        let registration = self.graph.registration(of, &pipe, "2026-11-22T06:00:00Z");
        self.say(|| format!("deploy {}: {:?}", name(of), pipe.tree));
        let message = self.world.message(Body::Register(registration));
        self.world.deliver(&message, "A");
        let known = &mut self.model.pipes[of];
        if known.gone {
            (known.since, known.gone, known.epoch) = (22, false, 1);
        }
        known.tree = pipe.tree;
        self.compare(&[], &[(of, At::Day(22))], "deploy")
    }

    fn sweep(&mut self) {
        self.world.sweep();
        self.net.append(&mut self.lost);
        self.collect();
    }

    fn collect(&mut self) {
        self.fires.extend(self.world.published.iter().skip(self.published).cloned());
        self.published = self.world.published.len();
    }

    /// A fire reaches its account.
    fn take_fire(&mut self, random: &mut Random) -> bool {
        if self.fires.is_empty() {
            return false;
        }
        let at = random.below(self.fires.len());
        let one = if random.percent(10) { self.fires[at].clone() } else { self.fires.swap_remove(at) };
        let (of, place) = (number(&one.pipeline), at_of(&one.label));
        self.start(random, of, place, Some(one.fire.hash), None, None);
        true
    }

    /// A report reaches the central account; or is lost, doubled, or outlives a crash.
    fn deliver_one(&mut self, random: &mut Random, faults: bool) -> Result<(), String> {
        if self.net.is_empty() {
            return Ok(());
        }
        let at = random.below(self.net.len());
        if faults && random.percent(8) {
            let lost = self.net.swap_remove(at);
            self.lost.push(lost);
            return Ok(());
        }
        let (report, told) = if faults && random.percent(10) { self.net[at].clone() } else { self.net.swap_remove(at) };
        self.say(|| {
            let by = told.answers.as_ref().map_or("", |_| " by trigger");
            format!(
                "{}{} {:?} {} {}{by} t={} {:?}",
                name(told.of),
                told.number,
                told.at,
                told.status,
                told.redrives,
                told.time,
                told.skip
            )
        });
        let message = self.world.message(Body::Run(report));
        if faults && random.percent(12) {
            let fuel = random.below(6);
            if self.world.deliver_until(&message, "A", Some(Fuel(fuel))).is_none() {
                self.stats.crashes += 1;
                self.world.deliver(&message, "A");
            }
        } else {
            self.world.deliver(&message, "A");
        }
        self.model.now = self.world.now.as_second() - FIRST;
        let touched = self.model.tell(&told);
        self.stats.messages += 1;
        self.compare(&touched, &[], "report")
    }

    /// The engine's fires and the model's.
    fn compare(&mut self, touched: &[(usize, At)], own: &[(usize, At)], what: &str) -> Result<(), String> {
        self.model.now = self.world.now.as_second() - FIRST;
        let engine: Vec<Published> = std::mem::take(&mut self.world.recorded);
        let model = self.model.evaluate(touched, own);
        let spelled = |of: usize, at: At, rests: &BTreeSet<Fact>, muted: bool| (of, at, strip(rests), muted);
        let mut one: Vec<_> = engine
            .iter()
            .map(|one| {
                let rests = one.fire.witness.iter().map(fact).collect();
                spelled(number(&one.pipeline), at_of(&one.label), &rests, one.fire.muted)
            })
            .collect();
        let mut other: Vec<_> = model.iter().map(|fire| spelled(fire.of, fire.at, &fire.rests, fire.muted)).collect();
        one.sort();
        other.sort();
        for fire in &one {
            self.say(|| format!("      fires {}@{:?} on {:?} muted={}", name(fire.0), fire.1, fire.2, fire.3));
        }
        if one != other {
            return Err(format!("after a {what} the engine fires {one:?}, the model {other:?}"));
        }
        for fire in &engine {
            let (of, at) = (number(&fire.pipeline), at_of(&fire.label));
            let own = self.model.fires.iter_mut().rev().find(|one| one.of == of && one.at == at);
            let own: &mut MFire = own.expect("they are the same");
            own.key.clone_from(&fire.fire.hash);
        }
        self.stats.fires += engine.len();
        self.stats.muted += engine.iter().filter(|one| one.fire.muted).count();
        self.collect();
        Ok(())
    }

    /// Everything that is under way comes to its end.
    pub fn drain(&mut self, random: &mut Random, faults: bool) -> Result<(), String> {
        for _ in 0..4_000 {
            if self.net.is_empty() && self.fires.is_empty() {
                self.sweep();
            }
            if !self.net.is_empty() && (self.fires.is_empty() || random.percent(60)) {
                self.deliver_one(random, faults)?;
                continue;
            }
            if self.take_fire(random) {
                continue;
            }
            if self.advance(random, if faults { 75 } else { 100 }) {
                continue;
            }
            if self.net.is_empty() && self.lost.is_empty() && self.fires.is_empty() {
                if self.model.held.is_empty() {
                    return Ok(());
                }
                self.cancel()?;
            }
        }
        Err("it does not come to an end".into())
    }

    /// The promises, when nothing is under way any more.
    pub fn promises(&self) -> Result<(), String> {
        // 1, 2: nobody is due who has not fired; the model's rules make a stale witness due.
        let settled = self.graph.late.is_none() && !self.redeployed();
        let due = self.model.due();
        if settled && !due.is_empty() {
            return Err(format!("due and not fired: {due:?}"));
        }
        // 3: each witness once.
        let mut seen = BTreeSet::new();
        for fire in &self.model.fires {
            if !seen.insert((fire.of, fire.at, strip(&fire.rests))) {
                return Err(format!("fired twice: {fire:?}"));
            }
        }
        Ok(())
    }

    fn redeployed(&self) -> bool {
        self.graph.family == Family::Days && !self.graph.alone
    }

    /// Promise 6: one clean rerun of a root runs every downstream partition at most once.
    pub fn clean_rerun(&mut self, random: &mut Random) -> Result<(), String> {
        let of = random.pick(&self.roots());
        let at = self.a_label(random, of);
        let before = self.model.fires.len();
        self.say(|| format!("clean rerun of {} {at:?}", name(of)));
        let account = self.accounts.entry((of, at)).or_default();
        let number = u32::try_from(account.runs.len()).unwrap() + 1;
        let time = if at == At::None { 21 * 86_400 } else { 0 };
        let run = Run {
            number,
            status: Status::Succeeded,
            redrives: 0,
            skip: None,
            key: None,
            time,
            downstream: None,
            reservation: None,
        };
        account.runs.push(run.clone());
        self.report(of, at, &run);
        self.settle_cleanly(random)?;
        // Two partitions of an upstream are two fires of a downstream without partitions, and of what lies below that; what a
        // leaf takes alone brings no ancestry, so a diamond over such a leaf is none that could be seen.
        // A run by hand from before its upstreams ran has no ancestry that could tell.
        let joins = self.by_hand
            || self.graph.alone
            || self.graph.pipes.iter().any(|pipe| pipe.by == By::None && pipe.tree.is_some());
        let mut count: BTreeMap<(usize, At), usize> = BTreeMap::new();
        for fire in &self.model.fires[before..] {
            *count.entry((fire.of, fire.at)).or_default() += 1;
        }
        match count.iter().find(|(_, count)| **count > 1 && !joins) {
            Some(((of, at), count)) => Err(format!("{}@{at:?} runs {count} times for one clean rerun", name(*of))),
            None => Ok(()),
        }
    }

    fn settle_cleanly(&mut self, random: &mut Random) -> Result<(), String> {
        for _ in 0..4_000 {
            if !self.net.is_empty() && random.percent(50) {
                self.deliver_one(random, false)?;
            } else if !self.fires.is_empty() && random.percent(50) {
                let one = self.fires.swap_remove(random.clone().below(self.fires.len()));
                let key = (number(&one.pipeline), at_of(&one.label));
                let account = self.accounts.entry(key).or_default();
                if account.keys.insert(one.fire.hash.clone()) {
                    let number = u32::try_from(account.runs.len()).unwrap() + 1;
                    let time = if key.1 == At::None { 21 * 86_400 } else { 0 };
                    let run = Run {
                        number,
                        status: Status::Running,
                        redrives: 0,
                        skip: None,
                        key: Some(one.fire.hash),
                        time,
                        downstream: None,
                        reservation: None,
                    };
                    account.runs.push(run.clone());
                    self.report(key.0, key.1, &run);
                }
            } else if !self.advance(random, 100) && self.net.is_empty() && self.fires.is_empty() {
                return Ok(());
            }
        }
        Err("a clean rerun does not come to an end".into())
    }
}

fn fact(rest: &Rest) -> Fact {
    let time =
        rest.label.strip_prefix("none#").map_or(0, |time| time.parse::<Timestamp>().unwrap().as_second() - FIRST);
    let stretch = match &rest.window {
        Some(window) => {
            let (start, end) = window.split_once('/').unwrap();
            let (start, end): (Timestamp, Timestamp) = (start.parse().unwrap(), end.parse().unwrap());
            let day = i32::try_from((start.as_second() - FIRST) / 86_400).unwrap() + 1;
            match end.as_second() - start.as_second() {
                3_600 => At::Hour(day, i32::try_from((start.as_second() - FIRST) % 86_400 / 3_600).unwrap()),
                86_400 => At::Day(day),
                _ => At::Week(day),
            }
        }
        None if rest.label.starts_with("none") => At::None,
        None => at_of(&rest.label),
    };
    let version = rest.version;
    Fact {
        up: number(&rest.pipeline),
        stretch,
        time,
        number: version.number,
        redrives: version.redrives.into(),
        alone: false,
    }
}

/// One history: a seed, and which of its steps are left out.
pub fn run(seed: u64, steps: usize, without: &BTreeSet<usize>, trace: bool) -> (Result<(), String>, History) {
    let mut history = History::new(seed);
    history.trace = trace.then(Vec::new);
    if trace {
        for (of, pipe) in history.graph.pipes.iter().enumerate() {
            let line = format!("{} by {:?} {:?}", name(of), pipe.by, pipe.tree);
            history.trace.as_mut().unwrap().push(line);
        }
    }
    let result = (|| {
        for step in (0..steps).filter(|step| !without.contains(step)) {
            history.step(&mut Random::new(seed.wrapping_mul(1_000).wrapping_add(step as u64)))?;
        }
        history.drain(&mut Random::new(seed ^ 0xABCD), true)?;
        history.promises()?;
        if seed.is_multiple_of(3) {
            history.settle_cleanly(&mut Random::new(seed ^ 0x1234))?;
            history.clean_rerun(&mut Random::new(seed ^ 0x5678))?;
            history.promises()?;
        }
        Ok(())
    })();
    (result, history)
}

/// Leaves steps out as long as it still fails.
pub fn shrink(seed: u64, steps: usize) -> (BTreeSet<usize>, String) {
    let mut without = BTreeSet::new();
    let mut words = run(seed, steps, &without, false).0.expect_err("it fails");
    for step in (0..steps).rev() {
        without.insert(step);
        match run(seed, steps, &without, false).0 {
            Err(other) => words = other,
            Ok(()) => {
                without.remove(&step);
            }
        }
    }
    (without, words)
}

/// Many histories, on as many threads as there are processors; panics with the shrunk first failure.
pub fn many(first: u64, count: u64) -> Stats {
    let threads = std::thread::available_parallelism().map_or(1, usize::from) as u64;
    let totals: Vec<Stats> = std::thread::scope(|scope| {
        let work = |thread: u64| {
            move || {
                let mut total = Stats::default();
                let mut seed = first + thread;
                while seed < first + count {
                    let steps = steps_of(seed);
                    let (result, history) = run(seed, steps, &BTreeSet::new(), false);
                    if let Err(words) = result {
                        fail(seed, steps, &words);
                    }
                    total.messages += history.stats.messages;
                    total.fires += history.stats.fires;
                    total.muted += history.stats.muted;
                    total.crashes += history.stats.crashes;
                    seed += threads;
                }
                total
            }
        };
        let handles: Vec<_> = (0..threads).map(|thread| scope.spawn(work(thread))).collect();
        handles
            .into_iter()
            .map(|handle| handle.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)))
            .collect()
    });
    totals.into_iter().fold(Stats::default(), |all, one| Stats {
        messages: all.messages + one.messages,
        fires: all.fires + one.fires,
        muted: all.muted + one.muted,
        crashes: all.crashes + one.crashes,
    })
}

pub fn steps_of(seed: u64) -> usize {
    8 + usize::try_from(seed % 23).unwrap()
}

fn fail(seed: u64, steps: usize, words: &str) -> ! {
    let (without, shrunk) = shrink(seed, steps);
    let trace = run(seed, steps, &without, true).1.trace.unwrap_or_default();
    let lines = trace.join("\n");
    panic!(
        "seed {seed}: {words}\nshrunk to {} of {steps} steps: {shrunk}\n{lines}\nDPC_HISTORY={seed} runs it again",
        steps - without.len()
    );
}

/// A few thousand, because a debug build is slow; `make histories` runs as many as are asked for, optimised.
#[test]
fn random_histories_keep_the_promises() {
    // Reason: which histories run is asked for from outside.
    #[allow(clippy::disallowed_methods)]
    let asked = |name: &str| std::env::var(name).ok().and_then(|text| text.parse::<u64>().ok());
    if let Some(seed) = asked("DPC_HISTORY") {
        let steps = steps_of(seed);
        if let Err(words) = run(seed, steps, &BTreeSet::new(), false).0 {
            fail(seed, steps, &words);
        }
        return;
    }
    let count = asked("DPC_HISTORIES").unwrap_or(2_000);
    let stats = many(asked("DPC_HISTORIES_FROM").unwrap_or(0), count);
    println!("{count} histories: {stats:?}");
}
