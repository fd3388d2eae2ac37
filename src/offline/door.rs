//! The one door, in memory: an envelope in, a run that starts, waits, or is skipped.
//!
//! In come envelopes and the ends of runs; out come runs, and reports of them to the central account. It follows the account
//! function step by step (start key, partition, number, precondition, overlap, arguments) and calls the same code for what
//! the rules are; only its table is a map. It refuses to know what an execution does.

use serde_json::{Map, Value};

use super::script::Actor;
use super::timeline::What;
use super::world::{Played, World};
use crate::cloud::runs::{Progress, Run};
use crate::control::arguments;
use crate::control::message::Skip;
use crate::control::run::{Envelope, RunId, RunIdentity, RunRef, Source, Status};
use crate::functions::prepare;
use crate::functions::queue::Overlap;
use crate::source::Finding;

impl World<'_> {
    /// Lets an envelope in. Answers the run that it stands for, if it made one.
    pub(super) fn start(&mut self, envelope: &Envelope) -> Option<RunRef> {
        let pipeline = &envelope.pipeline;
        let Some(actor) = self.script.actors.get(pipeline).filter(|_| self.is_deployed(pipeline)) else {
            self.happened(What::NotStarted(pipeline.clone(), "it is not deployed yet".to_owned()));
            return None;
        };
        let wish = match prepare::wish(&actor.plan, envelope, self.now) {
            Ok(wish) => wish,
            Err(finding) => {
                self.happened(What::NotStarted(pipeline.clone(), sentence(&finding)));
                return None;
            }
        };
        if !self.state(pipeline).keys.insert(wish.key.clone()) {
            return None;
        }
        let number = self.newest_number(pipeline, &wish.partition) + 1;
        let id = RunId { partition: wish.partition, number };
        let reference = RunRef { pipeline: pipeline.clone(), id };
        let mut run = Run::queued(reference.clone(), envelope.space.clone(), envelope.source, wish.key, self.now);
        run.scheduled_time = wish.scheduled_time;
        run.reason.clone_from(&envelope.cause);
        run.params.clone_from(&envelope.params);
        run.event.clone_from(&envelope.event);
        let mut played = Played::new(run, envelope);
        self.judge(&mut played, actor);
        let waits = played.run.is_waiting();
        self.put(played);
        if !waits {
            self.told_end(&reference);
            return Some(reference);
        }
        if let Some(before) = self.state(pipeline).waiting.insert(reference.id.partition.clone(), number) {
            let older = RunRef { id: RunId { number: before, ..reference.id.clone() }, ..reference.clone() };
            let why = format!("run {reference} was asked for before this one had started");
            self.pass_over(&older, Skip::Superseded, why);
        }
        self.hand_on(pipeline, &reference.id.partition);
        Some(reference)
    }

    /// Looks at what keeps a run from waiting for its turn: a pause, a scenario that says so, its precondition.
    fn judge(&self, played: &mut Played, actor: &Actor) {
        let Some((status, skip, cause)) = self.verdict(&played.run, actor) else { return };
        let progress = Progress { ended_at: Some(self.now), cause: Some(cause), ..Progress::to(status) };
        progress.apply(&mut played.run);
        played.skip = skip;
    }

    fn verdict(&self, run: &Run, actor: &Actor) -> Option<(Status, Option<Skip>, String)> {
        let by_itself = matches!(run.source, Source::Schedule | Source::Trigger | Source::Event);
        if by_itself && self.is_paused(&actor.plan.pipeline) {
            return Some((Status::Skipped, Some(Skip::Paused), "the pipeline is paused".to_owned()));
        }
        if self.fate(&run.key).is_some_and(|fate| fate.status == Some(Status::Skipped)) {
            return Some((Status::Skipped, Some(Skip::When), "the scenario says so".to_owned()));
        }
        match prepare::precondition(&actor.plan, run) {
            Ok(None) => None,
            Ok(Some(cause)) => Some((Status::Skipped, Some(Skip::When), cause)),
            Err(finding) => Some((Status::Failed, None, sentence(&finding))),
        }
    }

    /// Starts whichever waiting runs may start now.
    pub(super) fn hand_on(&mut self, pipeline: &str, partition: &str) {
        let Some(actor) = self.script.actors.get(pipeline) else { return };
        let overlap = Overlap::of(&actor.plan);
        loop {
            let waiting = self.candidates(pipeline, overlap, partition);
            let next = if overlap == Overlap::Latest { waiting.last() } else { waiting.first() };
            let Some(next) = next.cloned() else { return };
            let ahead = self.ahead(&next, overlap);
            self.drop_others(overlap, &waiting, ahead.as_ref());
            if let Some(ahead) = ahead {
                if self.is_waiting(&next) {
                    self.told_queued(&next, ahead);
                }
                return;
            }
            self.state(pipeline).waiting.remove(&next.id.partition);
            self.launch(&next, actor);
        }
    }

    fn candidates(&mut self, pipeline: &str, overlap: Overlap, partition: &str) -> Vec<RunRef> {
        let wanted = |label: &str| overlap.is_alone() || label == partition;
        let waiting = self.state(pipeline).waiting.iter().filter(|(label, _)| wanted(label));
        let run = |(label, number): (&String, &u32)| RunRef {
            pipeline: pipeline.to_owned(),
            id: RunId { partition: label.clone(), number: *number },
        };
        waiting.map(run).collect()
    }

    /// The run at work that this one must wait for.
    fn ahead(&self, run: &RunRef, overlap: Overlap) -> Option<RunRef> {
        let at_work = |other: &&Played| {
            let Played { run: Run { reference, status, .. }, .. } = other;
            *status == Status::Running && (overlap.is_alone() || reference.id.partition == run.id.partition)
        };
        self.runs_of(&run.pipeline).find(at_work).map(|other| other.run.reference.clone())
    }

    /// Ends those that `skip` and `latest` do not let wait.
    fn drop_others(&mut self, overlap: Overlap, waiting: &[RunRef], ahead: Option<&RunRef>) {
        let newest = waiting.last();
        for run in waiting {
            let why = match (overlap, ahead) {
                (Overlap::Skip, Some(ahead)) if run.id.partition != ahead.id.partition => {
                    format!("`overlap: skip`: run {ahead} was still at work")
                }
                (Overlap::Latest, _) if Some(run) != newest => {
                    let newest = newest.map(|newest| newest.to_string()).unwrap_or_default();
                    format!("`overlap: latest`: run {newest} waits for a newer partition")
                }
                _ => continue,
            };
            self.pass_over(run, Skip::Overlap, why);
            self.state(&run.pipeline).waiting.remove(&run.id.partition);
        }
    }

    /// Ends a run that has not started.
    fn pass_over(&mut self, run: &RunRef, skip: Skip, why: String) {
        let now = self.now;
        let Some(played) = self.run_mut(run).filter(|played| played.run.is_waiting()) else { return };
        Progress { ended_at: Some(now), cause: Some(why), ..Progress::to(Status::Skipped) }.apply(&mut played.run);
        played.skip = Some(skip);
        self.told_end(run);
    }

    /// Its turn has come: renders what its steps are told, and starts it.
    fn launch(&mut self, reference: &RunRef, actor: &Actor) {
        let now = self.now;
        let place = self.script.place.clone();
        let Some(played) = self.run_mut(reference) else { return };
        played.run.slot = true;
        match rendered(actor, &played.run) {
            Ok(all) => {
                played.arguments = all
                    .into_iter()
                    .map(|(step, value)| (step, arguments::in_place(value, &place.0, &place.1)))
                    .collect();
                Progress { started_at: Some(now), ..Progress::to(Status::Running) }.apply(&mut played.run);
                self.told_start(reference);
            }
            Err(finding) => {
                let cause = Some(sentence(&finding));
                Progress { ended_at: Some(now), cause, ..Progress::to(Status::Failed) }.apply(&mut played.run);
                self.told_end(reference);
            }
        }
    }
}

fn rendered(actor: &Actor, run: &Run) -> Result<Map<String, Value>, Box<Finding>> {
    let identity = RunIdentity {
        id: run.reference.id.to_string(),
        execution: run.reference.execution_name(),
        pipeline: run.reference.pipeline.clone(),
        partition: run.reference.id.partition.clone(),
        number: run.reference.id.number,
        space: run.space.clone(),
        source: run.source,
    };
    let scope = arguments::scope(&actor.plan, &identity, &run.params, run.event.as_ref())?;
    arguments::render(&actor.plan, &scope)
}

/// A finding inside a line.
fn sentence(finding: &Finding) -> String {
    [Some(&finding.message), finding.why.as_ref()].into_iter().flatten().cloned().collect::<Vec<_>>().join("; ")
}
