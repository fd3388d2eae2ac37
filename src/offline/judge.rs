//! What was expected, beside what has happened.
//!
//! In come a case and the world after it; out come findings at the lines of the expectations, none where all is as it
//! should be. It refuses to know how the world came to be so.

use serde_json::Value;

use super::clock::Clock;
use super::compare::{aligned, means, says, short};
use super::script::{self, Script};
use super::timeline::local;
use super::waiting;
use super::world::{MOST_RUNS, Played, World};
use crate::control::run::{RunRef, Source, Status};
use crate::language::scenario::{Expected, Waiting, Whole};
use crate::source::{Code, Finding, Findings, Span, Spanned};

/// More differences than anybody reads.
const MOST: usize = 10;

/// A run that was expected, has happened, or both.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Line {
    /// Both.
    Both(String),
    /// Expected alone.
    Expected(String),
    /// Happened alone.
    Happened(String),
}

/// Everything that is not as expected; answers expected and happened runs side by side.
pub fn judge(case: Whole<'_>, script: &Script, world: &World<'_>, findings: &mut Findings) -> Vec<Line> {
    if world.endless {
        findings.push(endless(case));
        return Vec::new();
    }
    let mut judge = Judge { case, script, world, findings: Findings::new(), lines: Vec::new() };
    judge.refused();
    if let Some(expect) = case.expect() {
        judge.runs(expect.span, &expect.value);
    }
    case.never().for_each(|name| judge.never(name));
    case.waiting().for_each(|one| judge.waiting(one));
    findings.extend(judge.findings);
    judge.lines
}

/// A scenario whose runs start one another for ever, or that is far too long.
pub fn endless(case: Whole<'_>) -> Finding {
    let message = format!("more than {MOST_RUNS} runs start");
    let finding = match case.until().or(case.name()) {
        Some(place) => Finding::at(Code::EndlessTest, place.span, message, ""),
        None => Finding::new(Code::EndlessTest, message),
    };
    finding
        .why("the play was stopped there")
        .help("write an earlier `until`, or give pipelines a schedule that fires less often")
}

struct Judge<'a> {
    case: Whole<'a>,
    script: &'a Script,
    world: &'a World<'a>,
    findings: Findings,
    lines: Vec<Line>,
}

impl<'a> Judge<'a> {
    /// Pipelines that could not be deployed: nothing else can be as expected then.
    fn refused(&mut self) {
        for happening in &self.world.timeline {
            if let super::timeline::What::Refused(pipeline, why) = &happening.what {
                let message = format!("the central account would refuse `{pipeline}`: {why}");
                let finding = match self.case.name() {
                    Some(name) => Finding::at(Code::RefusedInTest, name.span, message, ""),
                    None => Finding::new(Code::RefusedInTest, message),
                };
                self.findings.push(finding.help("mend its `executions`, or what `given` says of others"));
            }
        }
    }

    /// Runs in the order in which they started, as far as anything may be expected of them.
    fn happened(&self, expected: &[Spanned<Expected>]) -> Vec<&'a Played> {
        let named = |pipeline: &str| expected.iter().any(|one| one.run.value == pipeline);
        let skips = |pipeline: &str| {
            let mut of = expected.iter().filter(|one| one.run.value == pipeline);
            of.any(|one| one.status.as_ref().is_some_and(|status| status.value == "SKIPPED"))
        };
        let own = |pipeline: &str| self.script.actors.get(pipeline).is_some_and(|actor| actor.own);
        let mut runs: Vec<&Played> = self
            .world
            .runs()
            .filter(|played| {
                let pipeline = played.run.reference.pipeline.as_str();
                let by_itself = match played.run.source {
                    Source::Trigger | Source::Event => own(pipeline) || named(pipeline),
                    Source::Schedule => named(pipeline),
                    _ => false,
                };
                let starts = played.run.status != Status::Queued;
                by_itself && starts && (played.run.status != Status::Skipped || skips(pipeline))
            })
            .collect();
        runs.sort_by_key(|played| played.place);
        runs
    }

    fn runs(&mut self, place: Span, expected: &[Spanned<Expected>]) {
        let before = self.findings.iter().count();
        expected.iter().for_each(|one| self.sound(one));
        if self.findings.iter().count() > before {
            return;
        }
        let happened = self.happened(expected);
        let fits: Vec<Vec<bool>> = expected
            .iter()
            .map(|one| happened.iter().map(|run| self.differences(one, run).is_empty()).collect())
            .collect();
        let pairs = aligned(&fits, expected.len(), happened.len());
        self.lines = self.beside(expected, &happened, &pairs);
        let mut left: Vec<(usize, &Played)> = happened.iter().copied().enumerate().collect();
        left.retain(|(at, _)| !pairs.iter().any(|(_, run)| run == at));
        let missing = expected.iter().enumerate().filter(|(at, _)| !pairs.iter().any(|(one, _)| one == at));
        for (at, one) in missing {
            let out_of_order =
                left.iter().position(|(run, _)| fits.get(at).and_then(|row| row.get(*run)) == Some(&true));
            let near = || left.iter().position(|(_, run)| self.is_near(one, run, true));
            let same = || left.iter().position(|(_, run)| self.is_near(one, run, false));
            let finding = if let Some(found) = out_of_order {
                let (run, played) = left.remove(found);
                self.out_of_order(one, run, played, &happened)
            } else if let Some(found) = near().or_else(same) {
                let (_, played) = left.remove(found);
                self.differs(one, played)
            } else {
                self.missing(one)
            };
            self.findings.push(finding);
        }
        let more = left.len().saturating_sub(MOST);
        for (_, played) in left.into_iter().take(MOST) {
            self.findings.push(self.unexpected(place, played));
        }
        if more > 0 {
            let message = format!("{more} more runs started that the case does not expect");
            self.findings
                .push(Finding::at(Code::RunUnexpected, place, message, "").help("look at them with `dpc simulate`"));
        }
    }

    /// Expected and happened runs in one order.
    fn beside(&self, expected: &[Spanned<Expected>], happened: &[&Played], pairs: &[(usize, usize)]) -> Vec<Line> {
        let mut lines = Vec::new();
        let (mut one, mut run) = (0, 0);
        let until = |lines: &mut Vec<Line>, one: &mut usize, run: &mut usize, to: (usize, usize)| {
            let wanted = expected.get(*one..to.0).unwrap_or_default();
            lines.extend(wanted.iter().map(|wanted| Line::Expected(wanted.words())));
            let ran = happened.get(*run..to.1).unwrap_or_default();
            lines.extend(ran.iter().map(|played| Line::Happened(self.line(played))));
            (*one, *run) = (to.0 + 1, to.1 + 1);
        };
        for pair in pairs {
            until(&mut lines, &mut one, &mut run, *pair);
            lines.extend(happened.get(pair.1).map(|played| Line::Both(self.line(played))));
        }
        until(&mut lines, &mut one, &mut run, (expected.len(), happened.len()));
        lines
    }

    fn line(&self, played: &Played) -> String {
        let status = match played.run.status {
            Status::Succeeded => String::new(),
            other => format!(", {other}"),
        };
        format!("{} at {}{status}", played.run.reference, self.told(played))
    }

    /// Whether an expectation makes sense.
    fn sound(&mut self, expected: &Expected) {
        let Some(actor) = self.script.actors.get(&expected.run.value) else {
            let finding = script::unknown(expected.run.span, &expected.run, self.script.actors.keys());
            self.findings.push(finding);
            return;
        };
        if let Some(label) = &expected.partition
            && let Err(problem) = actor.spec.parse(label, &expected.run)
        {
            self.findings.push(problem.at(Code::BadTestEvent, label, label.span));
        }
        if let Some(written) = &expected.status
            && let Err(finding) = script::status(written)
        {
            self.findings.push(*finding);
        }
        if let Some(at) = &expected.at
            && let Err(problem) = self.clock().read(at)
        {
            self.findings.push(problem.at(Code::BadTestTime, at, at.span));
        }
        for (step, value) in expected.arguments.iter().filter(|(step, _)| !actor.plan.steps.contains_key(&step.value)) {
            let message = format!("`{}` has no step `{}` that is told anything", expected.run.value, step.value);
            let finding = Finding::at(Code::UnknownInTest, step.span, message, "").and(value.span, "expected of it");
            let near = crate::source::suggest::near(step, actor.plan.steps.keys().map(String::as_str));
            self.findings.push(match near {
                Some(near) => finding.fix(step.span, near, format!("did you mean `{near}`?")),
                None => finding.help("see what its steps are told with `dpc render`"),
            });
        }
    }

    /// Times of day are those of the first day.
    fn clock(&self) -> Clock {
        Clock { zone: self.script.zone.clone(), last: Some(self.script.start) }
    }

    /// Whether a run is the one that somebody who wrote this most likely meant.
    fn is_near(&self, expected: &Expected, played: &Played, strictly: bool) -> bool {
        let RunRef { pipeline, id } = &played.run.reference;
        let same = expected.partition.as_ref().is_none_or(|label| label.value == id.partition);
        *pipeline == expected.run.value && (same || !strictly)
    }

    /// How a run differs from what was expected of it.
    fn differences(&self, expected: &Expected, played: &Played) -> Vec<(Span, String)> {
        let RunRef { pipeline, id } = &played.run.reference;
        let mut found = Vec::new();
        if *pipeline != expected.run.value {
            found.push((expected.run.span, format!("it was {pipeline}")));
            return found;
        }
        if let Some(label) = expected.partition.as_ref().filter(|label| label.value != id.partition) {
            found.push((label.span, format!("it ran for {}", id.partition)));
        }
        if let Some(number) = expected.number.as_ref().filter(|number| number.value != id.number) {
            found.push((number.span, format!("it was number {}", id.number)));
        }
        let started = played.run.started_at.unwrap_or(played.run.claimed_at);
        let at_another = |at: &&Spanned<String>| !self.is_at(at, started);
        if let Some(at) = expected.at.as_ref().filter(at_another) {
            found.push((at.span, format!("it started at {}", local(started, &self.script.zone))));
        }
        let status = played.run.status;
        match &expected.status {
            Some(wanted) if wanted.value != status.as_str() => found.push((wanted.span, self.came_to(played))),
            None if status == Status::Skipped => found.push((expected.run.span, self.came_to(played))),
            _ => {}
        }
        if let (Some(first), false) = (expected.on.first(), expected.on.is_empty())
            && !self.rests_on(&expected.on, &played.on)
        {
            let on = if played.on.is_empty() { "nothing".to_owned() } else { played.on.join(", ") };
            let span = expected.on.last().map_or(first.span, |last| Span { end: last.span.end, ..first.span });
            found.push((span, format!("it started on {on}")));
        }
        for (step, wanted) in expected.arguments.iter() {
            let told = played.arguments.get(&step.value).unwrap_or(&Value::Null);
            if !says(told, &wanted.value.to_json()) {
                found.push((wanted.span, format!("`{}` was told {}", step.value, short(told))));
            }
        }
        found
    }

    fn is_at(&self, written: &str, started: jiff::Timestamp) -> bool {
        let zoned = started.to_zoned(self.script.zone.clone());
        // A time of day alone may be that of any day.
        let of_day = [zoned.strftime("%H:%M:%S").to_string(), zoned.strftime("%H:%M").to_string()];
        match of_day.iter().any(|time| time == written) {
            true => written.len() == 8 || zoned.second() == 0,
            false => written.contains('-') && self.clock().read(written).is_ok_and(|time| time == started),
        }
    }

    fn came_to(&self, played: &Played) -> String {
        match &played.run.cause {
            Some(cause) => format!("it was {}: {cause}", played.run.status),
            None => format!("it was {}", played.run.status),
        }
    }

    /// Whether each of the runs is meant by a pattern, and each pattern means one.
    fn rests_on(&self, patterns: &[Spanned<String>], runs: &[String]) -> bool {
        let meant = |run: &String| patterns.iter().any(|pattern| means(pattern, run));
        runs.iter().all(meant) && patterns.iter().all(|pattern| runs.iter().any(|run| means(pattern, run)))
    }

    fn missing(&self, expected: &Expected) -> Finding {
        let what = match &expected.partition {
            Some(label) => format!("{}/{}", expected.run.value, label.value),
            None => expected.run.value.clone(),
        };
        let message = format!("no run of `{what}` started here");
        let finding = Finding::at(Code::RunMissing, expected.run.span, message, "");
        let label = expected.partition.as_ref().map(|label| label.value.clone());
        let waits = waiting::all(self.world).into_iter().find(|wait| {
            wait.pipeline == expected.run.value && label.as_ref().is_none_or(|label| *label == wait.label)
        });
        match waits {
            Some(wait) => finding.why(format!("in the end, {}", wait.text())),
            None => finding.help("look at what happens with `dpc simulate`, or mend the expectation"),
        }
    }

    fn differs(&self, expected: &Expected, played: &Played) -> Finding {
        let run = &played.run.reference;
        let mut differences = self.differences(expected, played).into_iter();
        let (span, first) = differences.next().unwrap_or((expected.run.span, String::new()));
        let message = format!("run `{run}` is not as expected: {first}");
        let mut finding = Finding::at(Code::RunDiffers, span, message, "");
        for (span, more) in differences {
            finding = finding.and(span, more);
        }
        finding.why(format!("{run} started at {}", self.told(played)))
    }

    /// `2026-11-22 05:30 on listings/2026-11-21/1`.
    fn told(&self, played: &Played) -> String {
        let at = local(played.run.started_at.unwrap_or(played.run.claimed_at), &self.script.zone);
        match (played.run.source, played.on.is_empty()) {
            (Source::Trigger, false) => format!("{at} on {}", played.on.join(", ")),
            (Source::Event, _) => format!("{at} on an event"),
            (Source::Schedule, _) => format!("{at} by its schedule"),
            _ => at,
        }
    }

    fn unexpected(&self, place: Span, played: &Played) -> Finding {
        let message = format!("run `{}` started, which the case does not expect", played.run.reference);
        let finding = Finding::at(Code::RunUnexpected, place, message, "");
        finding.why(format!("it started at {}", self.told(played)))
    }

    fn out_of_order(&self, expected: &Expected, at: usize, played: &Played, happened: &[&Played]) -> Finding {
        let message = format!("run `{}` started in another place of the order", played.run.reference);
        let order: Vec<String> = happened.iter().map(|played| played.run.reference.to_string()).collect();
        let finding = Finding::at(Code::RunOutOfOrder, expected.run.span, message, format!("it was number {}", at + 1));
        finding.why(format!("they started in this order: {}", order.join(", ")))
    }

    fn never(&mut self, name: &Spanned<String>) {
        let (pipeline, label) = name.split_once('/').map_or((name.as_str(), None), |(one, two)| (one, Some(two)));
        if !self.script.actors.contains_key(pipeline) {
            let finding = script::unknown(name.span, pipeline, self.script.actors.keys());
            self.findings.push(finding);
            return;
        }
        let ran = self.world.runs().find(|played| {
            let RunRef { pipeline: own, id } = &played.run.reference;
            own == pipeline
                && label.is_none_or(|label| label == id.partition)
                && !matches!(played.run.status, Status::Skipped | Status::Queued)
        });
        if let Some(played) = ran {
            let message = format!("run `{}` started, which must not be", played.run.reference);
            let finding = Finding::at(Code::RunUnexpected, name.span, message, "");
            self.findings.push(finding.why(format!("it started at {}", self.told(played))));
        }
    }

    fn waiting(&mut self, expected: &Waiting) {
        let Some(actor) = self.script.actors.get(&expected.run.value) else {
            let finding = script::unknown(expected.run.span, &expected.run, self.script.actors.keys());
            self.findings.push(finding);
            return;
        };
        let label = expected.partition.as_ref().map_or("none", |label| label.value.as_str());
        if let (Err(problem), place) = (actor.spec.parse(label, &expected.run), &expected.partition) {
            self.findings.push(match place {
                Some(written) => problem.at(Code::BadTestEvent, written, written.span),
                None => Finding::at(Code::BadTestEvent, expected.run.span, "say which partition waits", "")
                    .help("write `partition`"),
            });
            return;
        }
        let who = waiting::name(&expected.run, label);
        let Some(wait) = waiting::of(self.world, &expected.run, label) else {
            let of = self.world.runs().map(|played| played.run.reference.to_string());
            let ran = of.filter(|run| run.starts_with(&format!("{}/{label}/", expected.run.value))).last();
            let message = format!("`{who}` does not wait in the end");
            let finding = Finding::at(Code::NotWaiting, expected.run.span, message, "");
            self.findings.push(match ran {
                Some(run) => finding.why(format!("run {run} is there")),
                None => finding.why("nothing that it could wait on has happened, or it waits for nobody"),
            });
            return;
        };
        let for_whom: Vec<String> =
            wait.waits_for.keys().map(|(pipeline, label)| format!("{pipeline}/{label}")).collect();
        if self.rests_on(&expected.waits_for, &for_whom) {
            return;
        }
        let span = expected.waits_for.first().map_or(expected.run.span, |first| first.span);
        let message = format!("`{who}` waits for others than these");
        self.findings.push(Finding::at(Code::NotWaiting, span, message, "").why(wait.text()));
    }
}
