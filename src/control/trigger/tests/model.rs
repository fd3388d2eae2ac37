//! The same rules a second time, written from docs/triggers.md: slow, without a store, without any cleverness, and without
//! the engine's code. Labels are numbers here, and every question is answered by looking at everything that was ever told.

use std::collections::BTreeSet;

use crate::control::message::{Downstream, Skip};
use crate::control::run::Status;

/// A day is a number; hours lie in it; a pipeline without partitions has one label.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum At {
    None,
    Hour(i32, i32),
    Day(i32),
    Week(i32),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum By {
    None,
    Hour,
    Day,
    Week,
}

#[derive(Clone, Debug)]
pub struct MLeaf {
    pub up: usize,
    pub status: Vec<Status>,
    /// Days; negative is the past.
    pub offset: i32,
    pub last: Option<i32>,
}

#[derive(Clone, Debug)]
pub enum Tree {
    All(Vec<Tree>),
    Any(Vec<Tree>),
    Leaf(MLeaf),
}

impl Tree {
    pub fn leaves(&self) -> Vec<&MLeaf> {
        match self {
            Tree::All(inner) | Tree::Any(inner) => inner.iter().flat_map(Tree::leaves).collect(),
            Tree::Leaf(leaf) => vec![leaf],
        }
    }

    fn true_if(&self, kept: &mut std::vec::IntoIter<bool>) -> bool {
        match self {
            Tree::All(inner) => {
                inner.iter().map(|one| one.true_if(kept)).collect::<Vec<_>>().into_iter().all(|one| one)
            }
            Tree::Any(inner) => {
                inner.iter().map(|one| one.true_if(kept)).collect::<Vec<_>>().into_iter().any(|one| one)
            }
            Tree::Leaf(_) => kept.next().unwrap(),
        }
    }
}

#[derive(Clone, Debug)]
pub struct Pipe {
    pub by: By,
    pub tree: Option<Tree>,
    /// Hours that its schedule yields; `None`: all.
    pub hours: Option<i32>,
    /// The first day that it runs by itself.
    pub since: i32,
    pub gone: bool,
    /// 1 if it was registered in the middle: what was asked for before does not bring it.
    pub epoch: u8,
}

/// A run as it was relied on. The fields in this order make the newer one greater.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Fact {
    pub up: usize,
    /// The partition, or the stretch for which a run without was taken.
    pub stretch: At,
    pub time: i64,
    pub number: u32,
    pub redrives: u64,
    pub alone: bool,
}

#[derive(Clone, Debug)]
pub struct MRun {
    pub of: usize,
    pub at: At,
    /// Seconds since the first of the month; 0 for pipelines with partitions.
    pub time: i64,
    pub number: u32,
    pub status: Status,
    pub redrives: u64,
    pub skip: Option<Skip>,
    pub started: bool,
    pub told: usize,
    pub downstream: Option<Downstream>,
    pub brought: Option<u8>,
    pub rests: BTreeSet<Fact>,
}

#[derive(Clone, Debug)]
pub struct MFire {
    pub of: usize,
    pub at: At,
    pub key: String,
    pub rests: BTreeSet<Fact>,
    pub run: Option<u32>,
    pub muted: bool,
    pub downstream: Option<Downstream>,
    pub brought: Option<u8>,
    /// When it was decided, as runs have their time.
    pub time: i64,
}

#[derive(Clone, Debug)]
pub struct Held {
    pub id: String,
    pub of: usize,
    pub all: Vec<At>,
    pub waiting: BTreeSet<At>,
    pub together: bool,
    pub downstream: Option<Downstream>,
    pub epoch: u8,
}

#[derive(Clone, Debug, Default)]
pub struct Model {
    pub names: Vec<String>,
    pub pipes: Vec<Pipe>,
    pub runs: Vec<MRun>,
    pub fires: Vec<MFire>,
    pub held: Vec<Held>,
    /// The label that each pipeline was heard of with last.
    pub heard: Vec<Option<At>>,
    pub days: Vec<i32>,
    pub messages: usize,
    pub now: i64,
}

/// What a leaf looks at.
enum Sight {
    Nothing,
    Queued,
    Run(MRun),
}

#[derive(Debug)]
enum Verdict {
    Fire(BTreeSet<Fact>),
    Wait,
    No,
}

fn monday(day: i32) -> i32 {
    // 2026-11-02 is a Monday.
    day - (day - 2).rem_euclid(7)
}

/// What is told of a run.
#[derive(Clone, Debug)]
pub struct Told {
    pub of: usize,
    pub at: At,
    pub time: i64,
    pub number: u32,
    pub status: Status,
    pub redrives: u64,
    pub skip: Option<Skip>,
    pub started: bool,
    /// The key of the fire that it answers.
    pub answers: Option<String>,
    pub downstream: Option<Downstream>,
    pub reservation: Option<String>,
}

impl Model {
    fn labels(&self, by: By) -> Vec<At> {
        match by {
            By::None => vec![At::None],
            By::Day => self.days.iter().map(|day| At::Day(*day)).collect(),
            By::Hour => self.days.iter().flat_map(|day| (0..24).map(|hour| At::Hour(*day, hour))).collect(),
            By::Week => {
                self.days.iter().map(|day| At::Week(monday(*day))).collect::<BTreeSet<_>>().into_iter().collect()
            }
        }
    }

    /// What a leaf of a downstream partition looks at; `None`: it cannot hold.
    fn looks(&self, down: usize, at: At, leaf: &MLeaf) -> Option<Vec<At>> {
        let (own, up) = (self.pipes[down].by, &self.pipes[leaf.up]);
        if own == By::None {
            return if up.by == By::None { Some(vec![At::None]) } else { Some(vec![self.heard[leaf.up]?]) };
        }
        let shift = |days: i32| match at {
            At::Hour(day, hour) => At::Hour(day + days, hour),
            At::Day(day) => At::Day(day + days),
            At::Week(day) => At::Week(day + days),
            At::None => At::None,
        };
        let bases: Vec<At> = (0..leaf.last.unwrap_or(1)).map(|back| shift(leaf.offset - back)).collect();
        let mut found = Vec::new();
        for base in bases {
            match (base, up.by) {
                (base, By::None) => found.push(base),
                (At::Day(day), By::Hour) => found.extend((0..up.hours.unwrap_or(24)).map(|hour| At::Hour(day, hour))),
                (At::Week(day), By::Day) => found.extend((day..day + 7).map(At::Day)),
                (At::Hour(day, _), By::Day) => found.push(At::Day(day)),
                (At::Day(day), By::Week) => found.push(At::Week(monday(day))),
                (base, _) => found.push(base),
            }
        }
        let mut seen = BTreeSet::new();
        found.retain(|one| seen.insert(*one));
        Some(found)
    }

    /// Whether a run is one of a stretch.
    fn lies(&self, run: &MRun, up: usize, stretch: At) -> bool {
        run.of == up && if self.pipes[up].by == By::None { within(run.time, stretch) } else { run.at == stretch }
    }

    fn sight(&self, up: usize, stretch: At, skipped: bool) -> Sight {
        let own = if self.pipes[up].by == By::None { At::None } else { stretch };
        let last = self.fires.iter().rev().find(|fire| fire.of == up && fire.at == own);
        let near = |fire: &&MFire| self.pipes[up].by != By::None || within(fire.time, stretch);
        if !self.pipes[up].gone && last.filter(near).is_some_and(|fire| fire.run.is_none() && !fire.muted) {
            return Sight::Queued;
        }
        self.newest(up, stretch, skipped, true).map_or(Sight::Nothing, Sight::Run)
    }

    fn newest(&self, up: usize, stretch: At, skipped: bool, queued: bool) -> Option<MRun> {
        let runs = self.runs.iter().filter(|run| self.lies(run, up, stretch));
        let runs = runs.filter(|run| run.status != Status::Skipped || (skipped && run.skip == Some(Skip::When)));
        runs.filter(|run| queued || run.status != Status::Queued).max_by_key(|run| (run.time, run.number)).cloned()
    }

    fn satisfies(run: &MRun, leaf: &MLeaf) -> bool {
        leaf.status.contains(&run.status) || (run.started && leaf.status.contains(&Status::Running))
    }

    fn fact(&self, run: &MRun, stretch: At, alone: bool) -> Fact {
        Fact { up: run.of, stretch, time: run.time, number: run.number, redrives: run.redrives, alone }
    }

    /// Whether a reservation holds a partition back, or what it is made from; one leap over days at most.
    fn held_back(&self, of: usize, at: At, leap: bool) -> bool {
        self.held.iter().any(|held| self.holds(held, of, at) || self.reached(held, of, at, leap))
    }

    fn holds(&self, held: &Held, of: usize, at: At) -> bool {
        held.of == of
            && !held.waiting.is_empty()
            && (held.waiting.contains(&at) || (held.together && held.all.contains(&at)))
    }

    fn reached(&self, held: &Held, of: usize, at: At, leap: bool) -> bool {
        if held.waiting.is_empty() || !held.downstream.as_ref().is_none_or(|only| only.allows(&self.names[of])) {
            return false;
        }
        let Some(tree) = self.pipes[of].tree.as_ref().filter(|_| !self.pipes[of].gone) else { return false };
        tree.leaves().into_iter().any(|leaf| {
            let alone = leaf.offset != 0 || leaf.last.is_some();
            if alone && !leap || (self.pipes[of].by == By::None && self.pipes[leaf.up].by != By::None) {
                return false;
            }
            self.looks(of, at, leaf).unwrap_or_default().into_iter().any(|place| {
                let place = if self.pipes[leaf.up].by == By::None { At::None } else { place };
                self.holds(held, leaf.up, place) || self.reached(held, leaf.up, place, leap && !alone)
            })
        })
    }

    /// What a run rests on now: what a later skip by `when` lends it.
    fn rests_now(&self, fact: &Fact) -> BTreeSet<Fact> {
        let of_fact = |run: &&MRun| self.lies(run, fact.up, fact.stretch);
        let Some(own) = self.runs.iter().filter(of_fact).find(|run| (run.time, run.number) == (fact.time, fact.number))
        else {
            return BTreeSet::new();
        };
        let mut after: Vec<&MRun> =
            self.runs.iter().filter(of_fact).filter(|run| (run.time, run.number) > (fact.time, fact.number)).collect();
        after.sort_by_key(|run| (run.time, run.number));
        let until = after.iter().position(|run| run.status != Status::Skipped).unwrap_or(after.len());
        let lent = after[..until].iter().rev().find(|run| run.skip == Some(Skip::When));
        lent.map_or(own, |run| run).rests.clone()
    }

    fn ancestry(&self, fact: &Fact) -> BTreeSet<Fact> {
        let mut all = BTreeSet::from([Fact { alone: false, ..fact.clone() }]);
        if !fact.alone {
            for below in self.rests_now(fact) {
                all.extend(self.ancestry(&below));
            }
        }
        all
    }

    /// Every run below a fact that rests on another version of something, itself included.
    fn between(&self, fact: &Fact, on: &Fact) -> Vec<Fact> {
        let names =
            |one: &Fact| self.ancestry(one).iter().any(|other| (other.up, other.stretch) == (on.up, on.stretch));
        if (fact.up, fact.stretch) == (on.up, on.stretch) || !names(fact) {
            return Vec::new();
        }
        let mut all = vec![fact.clone()];
        if !fact.alone && (self.pipes[fact.up].by != By::None || fact.stretch == At::None) {
            for below in self.rests_now(fact) {
                all.extend(self.between(&below, on));
            }
        }
        all
    }

    fn unsettled(&self, fact: &Fact) -> bool {
        let own = if self.pipes[fact.up].by == By::None { At::None } else { fact.stretch };
        let working = match self.sight(fact.up, fact.stretch, false) {
            Sight::Queued => true,
            Sight::Run(run) => matches!(run.status, Status::Queued | Status::Running),
            Sight::Nothing => false,
        };
        working
            || self.held_back(fact.up, own, !fact.alone)
            || (!fact.alone
                && (self.pipes[fact.up].by != By::None || fact.stretch == At::None)
                && matches!(self.verdict(fact.up, own), Verdict::Fire(_) | Verdict::Wait))
    }

    fn verdict(&self, of: usize, at: At) -> Verdict {
        let Some(tree) = self.pipes[of].tree.as_ref().filter(|_| !self.pipes[of].gone) else { return Verdict::No };
        let last = self.fires.iter().rev().find(|fire| fire.of == of && fire.at == at);
        // What each leaf relies on.
        let mut runs = Vec::new();
        let relied: Vec<Option<Vec<Fact>>> = tree
            .leaves()
            .into_iter()
            .map(|leaf| {
                let alone = leaf.offset != 0 || leaf.last.is_some();
                let skipped = leaf.status.contains(&Status::Skipped);
                self.looks(of, at, leaf)?
                    .into_iter()
                    .map(|place| match self.sight(leaf.up, place, skipped) {
                        Sight::Run(run) if Self::satisfies(&run, leaf) => {
                            let own = if self.pipes[leaf.up].by == By::None { At::None } else { place };
                            runs.push(run.clone());
                            (!self.held_back(leaf.up, own, !alone)).then(|| self.fact(&run, place, alone))
                        }
                        _ => None,
                    })
                    .collect()
            })
            .collect();
        let day = match at {
            At::Day(day) | At::Hour(day, _) => day,
            At::Week(day) => day + 6,
            At::None => i32::MAX,
        };
        if day < self.pipes[of].since
            && last.is_none()
            && !runs.iter().any(|run| run.brought >= Some(self.pipes[of].epoch))
        {
            return Verdict::No;
        }
        let mut kept: Vec<bool> = relied.iter().map(Option::is_some).collect();
        loop {
            if !tree.true_if(&mut kept.clone().into_iter()) {
                return Verdict::No;
            }
            let facts: Vec<(usize, &Fact)> = relied
                .iter()
                .enumerate()
                .filter(|(at, _)| kept[*at])
                .flat_map(|(at, facts)| facts.iter().flatten().map(move |fact| (at, fact)))
                .collect();
            let mut behind = BTreeSet::new();
            let mut wait = false;
            let ancestries: Vec<BTreeSet<Fact>> = facts.iter().map(|(_, fact)| self.ancestry(fact)).collect();
            let stretches: BTreeSet<(usize, At)> =
                ancestries.iter().flatten().map(|one| (one.up, one.stretch)).collect();
            for stretch in stretches {
                let of_stretch = |ancestry: &BTreeSet<Fact>| -> BTreeSet<Fact> {
                    ancestry.iter().filter(|one| (one.up, one.stretch) == stretch).cloned().collect()
                };
                let named: Vec<BTreeSet<Fact>> = ancestries.iter().map(of_stretch).collect();
                let different: BTreeSet<&BTreeSet<Fact>> = named.iter().filter(|set| !set.is_empty()).collect();
                if different.len() < 2 {
                    continue;
                }
                let newest = named.iter().flatten().max().unwrap().clone();
                for ((leaf, fact), named) in facts.iter().zip(&named) {
                    if named.iter().any(|one| *one < newest) {
                        behind.insert(*leaf);
                        wait |= self.between(fact, &newest).iter().any(|one| self.unsettled(one));
                    }
                }
            }
            if wait {
                return Verdict::Wait;
            }
            match behind.into_iter().max() {
                Some(last) => kept[last] = false,
                None => break,
            }
        }
        let mut witness: BTreeSet<Fact> =
            relied.iter().zip(&kept).filter(|(_, kept)| **kept).flat_map(|(facts, _)| facts.clone().unwrap()).collect();
        // What one leaf relies on alone and another wholly is relied on wholly.
        let wholly: Vec<Fact> = witness.iter().filter(|one| !one.alone).cloned().collect();
        witness.retain(|one| !one.alone || !wholly.contains(&Fact { alone: false, ..one.clone() }));
        let same =
            |one: &Fact, other: &Fact| Fact { alone: false, ..one.clone() } == Fact { alone: false, ..other.clone() };
        if let Some(last) = last {
            if self.pipes[of].by == By::None {
                let now: Vec<Fact> = tree
                    .leaves()
                    .into_iter()
                    .flat_map(|leaf| {
                        let places = self.looks(of, at, leaf).unwrap_or_default();
                        let up = leaf.up;
                        places.into_iter().flat_map(move |place| {
                            [false, true].map(|skipped| match self.sight(up, place, skipped) {
                                Sight::Run(run) => Some(self.fact(&run, place, false)),
                                _ => None,
                            })
                        })
                    })
                    .flatten()
                    .collect();
                if last.rests.iter().any(|old| now.iter().any(|now| same(old, now))) {
                    return Verdict::No;
                }
            } else {
                let about = |one: &Fact, other: &Fact| (one.up, one.stretch) == (other.up, other.stretch);
                let newer = |now: &Fact| {
                    last.rests.iter().any(|old| {
                        about(old, now) && (old.time, old.number, old.redrives) < (now.time, now.number, now.redrives)
                    })
                };
                if !witness.iter().any(newer) {
                    let still: Vec<bool> = relied
                        .iter()
                        .zip(&kept)
                        .map(|(facts, kept)| {
                            *kept && facts.iter().flatten().all(|fact| last.rests.iter().any(|old| same(old, fact)))
                        })
                        .collect();
                    if tree.true_if(&mut still.into_iter()) {
                        return Verdict::No;
                    }
                    let named = |old: &&Fact| tree.leaves().iter().any(|leaf| leaf.up == old.up);
                    if last.rests.iter().filter(named).any(|old| self.unsettled(old)) {
                        return Verdict::Wait;
                    }
                }
            }
        }
        let before = |fire: &MFire| fire.of == of && fire.at == at && strip(&fire.rests) == strip(&witness);
        if self.fires.iter().any(before) { Verdict::No } else { Verdict::Fire(witness) }
    }

    /// Every (pipeline, partition) that something may matter to.
    fn rests_upon(&self, of: usize, at: At, touched: &[(usize, At)], depth: usize) -> bool {
        let Some(tree) = self.pipes[of].tree.as_ref().filter(|_| !self.pipes[of].gone) else { return false };
        tree.leaves().into_iter().any(|leaf| {
            let places = if self.pipes[of].by == By::None && self.pipes[leaf.up].by != By::None {
                self.labels(self.pipes[leaf.up].by)
            } else {
                self.looks(of, at, leaf).unwrap_or_default()
            };
            places.into_iter().any(|place| {
                let timed = self.pipes[leaf.up].by == By::None;
                let hit = |(up, what): &(usize, At)| {
                    *up == leaf.up && (*what == place || timed && (place == At::None || inside(*what, place)))
                };
                touched.iter().any(hit)
                    || depth > 0 && self.rests_upon(leaf.up, if timed { At::None } else { place }, touched, depth - 1)
            })
        })
    }

    /// What has changed, and the fires that are due then, upstreams first.
    pub fn evaluate(&mut self, touched: &[(usize, At)], own: &[(usize, At)]) -> Vec<MFire> {
        let mut found = Vec::new();
        for of in 0..self.pipes.len() {
            for at in self.labels(self.pipes[of].by) {
                if !own.contains(&(of, at)) && !self.rests_upon(of, at, touched, 8) && !self.rests_upon(of, at, own, 8)
                {
                    continue;
                }
                if let Verdict::Fire(rests) = self.verdict(of, at) {
                    let fire = self.fire(of, at, rests);
                    self.fires.push(fire.clone());
                    found.push(fire);
                }
            }
        }
        found
    }

    /// Everything that would be due now, whoever is asked.
    pub fn due(&self) -> Vec<(usize, At)> {
        let all =
            (0..self.pipes.len()).flat_map(|of| self.labels(self.pipes[of].by).into_iter().map(move |at| (of, at)));
        all.filter(|(of, at)| matches!(self.verdict(*of, *at), Verdict::Fire(_))).collect()
    }

    fn fire(&self, of: usize, at: At, rests: BTreeSet<Fact>) -> MFire {
        let last = self.fires.iter().rev().find(|fire| fire.of == of && fire.at == at);
        let run = |fact: &Fact| {
            let mut runs = self.runs.iter().filter(|run| self.lies(run, fact.up, fact.stretch));
            runs.find(|run| (run.time, run.number) == (fact.time, fact.number))
        };
        let old =
            |fact: &Fact| last.is_some_and(|last| strip(&last.rests).contains(&Fact { alone: false, ..fact.clone() }));
        let new: Vec<&MRun> = rests.iter().filter(|fact| !old(fact)).filter_map(run).collect();
        let youngest = new.iter().map(|run| run.told).max();
        let youngest: Vec<&&MRun> = new.iter().filter(|run| Some(run.told) == youngest).collect();
        let downstream = if youngest.iter().any(|run| run.downstream.is_none()) {
            None
        } else {
            youngest.first().and_then(|run| run.downstream.clone())
        };
        let brought = rests.iter().filter_map(run).map(|run| run.brought).max().flatten();
        let muted = downstream.as_ref().is_some_and(|only| !only.allows(&self.names[of]));
        MFire { of, at, key: String::new(), rests, run: None, muted, downstream, brought, time: self.now }
    }

    /// A report; what it touches.
    pub fn tell(&mut self, told: &Told) -> Vec<(usize, At)> {
        self.messages += 1;
        let known = self.runs.iter().position(|run| (run.of, run.at, run.number) == (told.of, told.at, told.number));
        let fire = self.fires.iter().rposition(|fire| fire.of == told.of && fire.at == told.at);
        let fire = fire.filter(|fire| told.answers.as_deref() == Some(&self.fires[*fire].key));
        let rank = |status: Status, redrives: u64| {
            (redrives, usize::from(status != Status::Queued) + usize::from(status.is_terminal()))
        };
        let news = known
            .is_none_or(|at| rank(told.status, told.redrives) > rank(self.runs[at].status, self.runs[at].redrives));
        let held = self.held.iter().position(|held| Some(&held.id) == told.reservation.as_ref());
        if news {
            let old = known.map(|at| self.runs[at].clone());
            let kept = old.as_ref().filter(|old| told.answers.is_some() || old.status != Status::Queued);
            let rests = match (kept, fire) {
                (Some(old), _) => old.rests.clone(),
                (None, Some(fire)) => self.fires[fire].rests.clone(),
                (None, None) => self.by_hand(told.of, told.at),
            };
            let fired = fire.map(|fire| self.fires[fire].clone());
            let run = MRun {
                of: told.of,
                at: told.at,
                time: told.time,
                number: told.number,
                status: told.status,
                redrives: told.redrives,
                skip: told.skip,
                started: told.started || old.as_ref().is_some_and(|old| old.started),
                told: self.messages,
                downstream: told
                    .downstream
                    .clone()
                    .or(old.as_ref().and_then(|old| old.downstream.clone()))
                    .or(fired.as_ref().and_then(|fire| fire.downstream.clone())),
                brought: held
                    .map(|held| self.held[held].epoch)
                    .max(old.as_ref().and_then(|old| old.brought))
                    .max(fired.as_ref().and_then(|fire| fire.brought)),
                rests,
            };
            match known {
                Some(at) => self.runs[at] = run,
                None => self.runs.push(run),
            }
            if let Some(fire) = fire {
                self.fires[fire].run.get_or_insert(told.number);
            }
            self.heard[told.of] = Some(told.at);
        }
        let place = if self.pipes[told.of].by == By::None { day_of(told.time) } else { told.at };
        let mut touched = vec![(told.of, place)];
        if let Some(fire) = fire.filter(|_| self.pipes[told.of].by == By::None) {
            touched.push((told.of, day_of(self.fires[fire].time)));
        }
        if let Some(at) = held.filter(|_| told.status.is_terminal()) {
            self.held[at].waiting.remove(&told.at);
            if self.held[at].waiting.is_empty() {
                let gone = self.held.remove(at);
                touched.extend(gone.all.iter().filter(|_| gone.together).map(|at| (gone.of, *at)));
            }
        }
        touched
    }

    fn by_hand(&self, of: usize, at: At) -> BTreeSet<Fact> {
        let leaves = self.pipes[of].tree.iter().filter(|_| !self.pipes[of].gone).flat_map(Tree::leaves);
        let facts = leaves.flat_map(|leaf| {
            let alone = leaf.offset != 0 || leaf.last.is_some();
            let skipped = leaf.status.contains(&Status::Skipped);
            let places = self.looks(of, at, leaf).unwrap_or_default();
            let newest = places
                .into_iter()
                .filter_map(move |place| Some(self.fact(&self.newest(leaf.up, place, skipped, false)?, place, alone)));
            newest.collect::<Vec<_>>()
        });
        let all: BTreeSet<Fact> = facts.collect();
        let wholly: Vec<Fact> = all.iter().filter(|one| !one.alone).cloned().collect();
        all.into_iter().filter(|one| !one.alone || !wholly.contains(&Fact { alone: false, ..one.clone() })).collect()
    }
}

/// The same without how they were looked at.
pub fn strip(facts: &BTreeSet<Fact>) -> BTreeSet<Fact> {
    facts.iter().map(|one| Fact { alone: false, ..one.clone() }).collect()
}

fn day_of(time: i64) -> At {
    let day = i32::try_from(time.div_euclid(86_400)).unwrap() + 1;
    At::Hour(day, i32::try_from(time.rem_euclid(86_400) / 3_600).unwrap())
}

fn within(time: i64, stretch: At) -> bool {
    stretch == At::None || inside(day_of(time), stretch)
}

fn inside(hour: At, stretch: At) -> bool {
    let At::Hour(day, hour) = hour else { return hour == stretch };
    match stretch {
        At::None => true,
        At::Hour(other, clock) => (day, hour) == (other, clock),
        At::Day(other) => day == other,
        At::Week(other) => monday(day) == other,
    }
}
