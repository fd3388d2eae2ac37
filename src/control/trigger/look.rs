//! What a partition counts as: which of its runs stands for it, whether a leaf holds on that, and what that run rests on.
//!
//! In come rows of one (pipeline, partition); out comes the run or mark that counts. It refuses to know other pipelines.

use jiff::Timestamp;

use super::fact::{FireRecord, Mark, Overrides, Rest, RunFact, Version, Witness};
use super::mapping::{Place, Places};
use super::space::{Node, Space};
use super::store::{Missing, NONE, Snapshot};
use crate::control::condition::Leaf;
use crate::control::message::{Downstream, Skip};
use crate::control::run::Status;

/// What stands for a partition.
#[derive(Clone, Debug)]
pub(super) struct Stand<'a> {
    /// Where its row is: the label, or `none#<time>`.
    pub label: &'a str,
    pub version: Version,
    pub status: Status,
    /// It has been at work, whatever came after.
    pub started: bool,
    pub run: Option<&'a RunFact>,
    pub mark: Option<&'a Mark>,
}

impl Stand<'_> {
    /// Whether a leaf holds on it.
    pub fn satisfies(&self, leaf: &Leaf) -> bool {
        leaf.status.contains(&self.status) || (self.started && leaf.status.contains(&Status::Running))
    }

    /// When it reached the central account.
    pub fn told_at(&self) -> Option<Timestamp> {
        self.mark.map(|mark| mark.signed.at).or(self.run.map(|run| run.told_at))
    }

    /// Which downstream pipelines may run because of it.
    pub fn downstream(&self) -> Option<&Downstream> {
        self.run.filter(|_| self.mark.is_none()).and_then(|run| run.downstream.as_ref())
    }

    /// Since when a backfill has brought it.
    pub fn brought(&self) -> Option<Timestamp> {
        self.run.filter(|_| self.mark.is_none()).and_then(|run| run.brought)
    }
}

/// What a place shows.
#[derive(Clone, Debug)]
pub(super) enum Seen<'a> {
    /// Nothing that counts.
    Nothing,
    /// A fire that has not been reported yet: as good as a queued run.
    Pending(&'a FireRecord),
    /// A run, or a mark.
    Stand(Stand<'a>),
}

/// Rows of one stretch, with what is needed to tell what counts.
pub(super) struct Rows<'a> {
    overrides: &'a Overrides,
    fire: Option<&'a FireRecord>,
    /// Runs with their labels, the newest first.
    runs: Vec<(&'a str, &'a RunFact)>,
    generation: u32,
    registered: bool,
    timed: bool,
}

/// Whether a run counts, if it was not skipped by its `when`.
fn counts(run: &RunFact) -> bool {
    run.status != Status::Skipped
}

/// Whether a run was skipped by its `when`.
pub(super) fn by_when(run: &RunFact) -> bool {
    run.status == Status::Skipped && run.skip.is_none_or(|skip| skip == Skip::When)
}

impl<'a> Rows<'a> {
    /// The rows of a place, and the label under which its overrides and fire are.
    ///
    /// # Errors
    /// What must be loaded first.
    pub fn of(snapshot: &'a Snapshot, node: &'a Node, place: &'a Place) -> Result<Option<(Self, &'a str)>, Missing> {
        let name = node.row.registration.pipeline.as_str();
        let label = match place {
            Place::Label(label) => label,
            Place::Timed(_) => NONE,
            Place::Received => match snapshot.received(name)? {
                Some(received) => received.label.as_str(),
                None => return Ok(None),
            },
        };
        let window = match place {
            Place::Timed(window) => Some(window.as_ref().map(|(window, _)| *window)),
            Place::Label(_) | Place::Received => None,
        };
        Ok(Some((Self::at(snapshot, node, label, window)?, label)))
    }

    /// The rows of a label, or of a stretch of time.
    pub fn at(
        snapshot: &'a Snapshot,
        node: &'a Node,
        label: &'a str,
        window: Option<Option<(Timestamp, Timestamp)>>,
    ) -> Result<Self, Missing> {
        let name = node.row.registration.pipeline.as_str();
        let facts = snapshot.partition(name, label);
        let (facts, runs) = match window {
            None => {
                let facts = facts?;
                (facts, facts.runs.iter().rev().map(|run| (label, run)).collect())
            }
            Some(window) => match (facts, snapshot.timed(name, window)) {
                (Ok(facts), Ok(runs)) => (facts, runs.collect()),
                (facts, runs) => {
                    let mut missing = facts.err().unwrap_or_default();
                    missing.and(runs.err().unwrap_or_default());
                    return Err(missing);
                }
            },
        };
        let generation = node.row.generation;
        let within = |at: Timestamp| window.flatten().is_none_or(|(start, end)| start <= at && at < end);
        let fire = facts.fire.as_ref().filter(|fire| window.is_none() || within(fire.at));
        let own = facts.overrides.generation == generation;
        let overrides = if own { &facts.overrides } else { Overrides::NONE };
        let runs = runs_of(runs, generation);
        Ok(Self { overrides, fire, runs, generation, registered: !node.row.gone, timed: window.is_some() })
    }

    /// The same, as if these were the overrides.
    pub fn at_with(
        snapshot: &'a Snapshot,
        node: &'a Node,
        label: &'a str,
        window: Option<Option<(Timestamp, Timestamp)>>,
        overrides: &'a Overrides,
    ) -> Result<Self, Missing> {
        Ok(Self { overrides, ..Self::at(snapshot, node, label, window)? })
    }

    fn live(&self) -> impl Iterator<Item = (&'a str, &'a RunFact)> {
        let ignored = &self.overrides.ignored;
        self.runs.iter().copied().filter(move |(_, run)| ignored.is_empty() || !ignored.contains(&run.number))
    }

    /// The mark, if no newer run counts.
    fn mark(&self, newest: Option<&RunFact>) -> Option<&'a Mark> {
        let newer = |mark: &Mark| match newest {
            Some(run) if self.timed => run.time > mark.signed.at,
            Some(run) => run.number > mark.version.number,
            None => false,
        };
        self.overrides.mark.as_ref().filter(|mark| !mark.gone && !newer(mark))
    }

    /// What counts, for a leaf that looks at skipped runs too or does not.
    pub fn seen(&self, skipped: bool) -> Seen<'a> {
        let newest = self.live().find(|(_, run)| counts(run) || (skipped && by_when(run)));
        let mark = self.mark(newest.map(|(_, run)| run));
        let mark = mark.filter(|mark| skipped || mark.status != Status::Skipped);
        if let Some(fire) = self.pending(mark) {
            return Seen::Pending(fire);
        }
        self.stand(newest, mark).map_or(Seen::Nothing, Seen::Stand)
    }

    /// What counts and has been at work: what a run rests on that no trigger started.
    pub fn started(&self, skipped: bool) -> Option<Stand<'a>> {
        let newest = self.live().find(|(_, run)| match run.status {
            Status::Queued => false,
            Status::Skipped => skipped && by_when(run),
            _ => true,
        });
        let mark = self.mark(newest.map(|(_, run)| run)).filter(|mark| skipped || mark.status != Status::Skipped);
        self.stand(newest, mark)
    }

    /// The fire that counts as a queued run.
    fn pending(&self, mark: Option<&Mark>) -> Option<&'a FireRecord> {
        let fire =
            self.fire.filter(|fire| self.registered && fire.generation == self.generation && fire.is_pending())?;
        mark.is_none_or(|mark| mark.over.as_ref() != Some(&fire.hash)).then_some(fire)
    }

    fn stand(&self, newest: Option<(&'a str, &'a RunFact)>, mark: Option<&'a Mark>) -> Option<Stand<'a>> {
        if let Some(mark) = mark {
            let started = mark.status != Status::Skipped;
            let label = if self.timed { NONE } else { newest.map_or(NONE, |(label, _)| label) };
            return Some(Stand {
                label,
                version: mark.version,
                status: mark.status,
                started,
                run: None,
                mark: Some(mark),
            });
        }
        let (label, run) = newest?;
        let version = Version {
            generation: self.generation,
            changes: self.overrides.changes,
            number: run.number,
            redrives: run.redrives,
        };
        let started = match run.status {
            Status::Queued | Status::Skipped => false,
            Status::Running | Status::Succeeded | Status::TimedOut => true,
            Status::Failed | Status::Aborted => run.started_at.is_some(),
        };
        Some(Stand { label, version, status: run.status, started, run: Some(run), mark: None })
    }

    /// What stands, as overrides compare it: before and after one.
    pub fn standing(&self) -> [Option<(bool, u32)>; 2] {
        [false, true].map(|skipped| {
            let newest = self.live().find(|(_, run)| counts(run) || (skipped && by_when(run)));
            let mark = self.mark(newest.map(|(_, run)| run)).filter(|mark| skipped || mark.status != Status::Skipped);
            mark.map(|mark| (true, mark.version.changes)).or(newest.map(|(_, run)| (false, run.number)))
        })
    }
}

fn runs_of<'a>(mut runs: Vec<(&'a str, &'a RunFact)>, generation: u32) -> Vec<(&'a str, &'a RunFact)> {
    runs.retain(|(_, run)| run.generation == generation);
    runs
}

/// What stands at a place, as an upstream run to rest on.
pub(super) fn rest(places: &Places, place: &Place, label: &str, stand: &Stand<'_>) -> Rest {
    let window = match place {
        Place::Timed(Some((_, window))) => Some(window.clone()),
        _ => None,
    };
    let label = match place {
        Place::Timed(_) => stand.label,
        Place::Label(_) | Place::Received => label,
    };
    Rest {
        pipeline: places.pipeline.clone(),
        label: label.to_owned(),
        version: stand.version,
        window,
        alone: places.alone,
    }
}

/// In order and each once. What two leaves rest on, one of them alone, is rested on wholly.
pub(super) fn normal(mut witness: Witness) -> Witness {
    witness.sort_unstable();
    witness.dedup_by(|next, kept| {
        let same = next.pipeline == kept.pipeline
            && next.label == kept.label
            && next.version == kept.version
            && next.window == kept.window;
        if same {
            kept.alone &= next.alone;
        }
        same
    });
    witness
}

/// What a run or mark rests on now: a run that was skipped by its `when` lends what it was started on to the run before it.
///
/// # Errors
/// What must be loaded first.
pub(super) fn effective<'a>(snapshot: &'a Snapshot, rest: &Rest) -> Result<&'a [Rest], Missing> {
    let version = rest.version;
    let of_owner = |run: &RunFact| run.generation == version.generation;
    let timed = rest.window.is_some() || rest.stretch() == NONE;
    let (overrides, runs) = if timed {
        let window = rest.window.as_deref().and_then(window_of);
        let runs = snapshot.timed(&rest.pipeline, window);
        let overrides = snapshot.partition(&rest.pipeline, NONE);
        match (overrides, runs) {
            (Ok(facts), Ok(runs)) => (&facts.overrides, runs.map(|(_, run)| run).collect::<Vec<_>>()),
            (facts, runs) => {
                let mut missing = facts.err().unwrap_or_default();
                missing.and(runs.err().unwrap_or_default());
                return Err(missing);
            }
        }
    } else {
        let facts = snapshot.partition(&rest.pipeline, &rest.label)?;
        (&facts.overrides, facts.runs.iter().rev().collect())
    };
    let overrides = if overrides.generation == version.generation { overrides } else { Overrides::NONE };
    let mark = overrides.mark.as_ref();
    let marked = mark.filter(|mark| mark.version == version);
    // What comes after the run that a mark stands above lends to the mark.
    let covered = marked.is_none() && mark.is_some_and(|mark| !mark.gone && mark.version.number == version.number);
    let (mut lent, mut own) = (None, marked.map(|mark| mark.witness.as_slice()));
    for run in runs.into_iter().filter(|run| of_owner(run)) {
        let is_own = run.number == version.number;
        if is_own && own.is_none() {
            own = Some(&run.witness);
        }
        let before = match marked {
            Some(mark) if timed => run.time <= mark.signed.at,
            _ => is_own || (!timed && run.number < version.number),
        };
        if before {
            break;
        }
        if overrides.ignored.contains(&run.number) {
            continue;
        }
        match (counts(run), by_when(run)) {
            (true, _) => lent = None,
            (false, true) => {
                lent.get_or_insert(run.witness.as_slice());
            }
            (false, false) => {}
        }
    }
    Ok(match (own, lent) {
        (Some(_), Some(lent)) if !covered => lent,
        (Some(own), _) => own,
        (None, _) => &[],
    })
}

/// The instants of a window as it is spelled in a witness.
pub(super) fn window_of(text: &str) -> Option<(Timestamp, Timestamp)> {
    let (start, end) = text.split_once('/')?;
    Some((start.parse().ok()?, end.parse().ok()?))
}

/// What a run of this partition rests on that no trigger started: the newest of each of its upstreams that has been at work.
///
/// # Errors
/// What must be loaded first.
pub(super) fn by_hand(space: &Space, snapshot: &Snapshot, pipeline: &str, label: &str) -> Result<Witness, Missing> {
    let above = space.above(pipeline, label);
    let leaves = space.node(pipeline).and_then(Node::tree).map(|tree| tree.leaves()).unwrap_or_default();
    let (mut witness, mut missing) = (Vec::new(), Missing::default());
    for (leaf, places) in leaves.iter().zip(above.iter()) {
        let Some(node) = space.node(&places.pipeline) else { continue };
        let skipped = leaf.status.contains(&Status::Skipped);
        for place in &places.places {
            match Rows::of(snapshot, node, place) {
                Ok(Some((rows, label))) => {
                    witness.extend(rows.started(skipped).map(|stand| rest(places, place, label, &stand)));
                }
                Ok(None) => {}
                Err(more) => missing.and(more),
            }
        }
    }
    if missing.keys.is_empty() { Ok(normal(witness)) } else { Err(missing) }
}
