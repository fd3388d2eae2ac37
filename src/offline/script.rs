//! From a scenario to a script: every time an instant, every name a pipeline, every partition a label.
//!
//! In come one case of a file and the team's plans; out comes what is to be played, or findings, all of them. It refuses to
//! know what comes of it.

use std::collections::BTreeMap;

use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use serde_json::{Map, Value, json};

use super::clock::{self, Clock};
use super::{Team, given};
use crate::control::partition::PartitionSpec;
use crate::control::plan::Plan;
use crate::control::run::{Downstream, RunRef, Status};
use crate::control::zone;
use crate::language::scenario::{Event, STATUSES, Whole};
use crate::source::{Code, Finding, Findings, Problem, Span, Spanned, Texts, Tree, suggest};
use crate::triggers::events;

/// How long a run takes when nobody says.
const TAKES: SignedDuration = SignedDuration::from_mins(10);

/// The account of a pipeline whose account nobody says.
const SOME_ACCOUNT: &str = "000000000000";

/// What is to be played.
#[derive(Debug)]
pub struct Script {
    /// The space.
    pub space: String,
    /// Account and region of the team's own pipelines.
    pub place: (String, String),
    /// The zone that times are shown in.
    pub zone: TimeZone,
    /// When the clock starts.
    pub start: Timestamp,
    /// Until when schedules fire.
    pub until: Timestamp,
    /// Whether they do.
    pub schedules: bool,
    /// Every pipeline, by name.
    pub actors: BTreeMap<String, Actor>,
    /// What happens, in the order of time.
    pub actions: Vec<Action>,
}

/// A pipeline.
#[derive(Clone, Debug)]
pub struct Actor {
    /// Its plan; of another team's without steps.
    pub plan: Plan,
    /// How its times become partitions.
    pub spec: PartitionSpec,
    /// Whether it is the team's own.
    pub own: bool,
    /// Its account.
    pub account: String,
    /// How long its runs take.
    pub takes: SignedDuration,
    /// Events that start it, each with the id that its plan knows it by.
    pub events: Vec<(String, events::Event)>,
    /// Whether an event of the scenario deploys it.
    pub later: bool,
}

/// Something that happens.
#[derive(Clone, Debug)]
pub struct Action {
    /// When.
    pub at: Timestamp,
    /// Where it is written.
    pub span: Span,
    /// What.
    pub act: Act,
}

/// What happens.
#[derive(Clone, Debug)]
pub enum Act {
    /// A run starts, or comes to a status.
    Run(Box<Play>),
    /// A person marks a partition.
    Mark(String, String, Status),
    /// A person takes a run out of the facts.
    Ignore(RunRef),
    /// A person pauses a pipeline.
    Pause(String),
    /// A person lets it go on.
    Resume(String),
    /// A pipeline is deployed.
    Deploy(String),
    /// EventBridge delivers.
    Event(Value),
}

/// A run that is not started by the clock, an event or a trigger; or the end of one that was.
#[derive(Clone, Debug)]
pub struct Play {
    /// The pipeline.
    pub pipeline: String,
    /// The partition.
    pub partition: String,
    /// What it comes to now; `None`: it goes its way.
    pub status: Option<Status>,
    /// How long it takes.
    pub takes: Option<SignedDuration>,
    /// Whether it is a new one in any case.
    pub again: bool,
    /// Values for parameters.
    pub params: Map<String, Value>,
    /// Which downstream pipelines may run.
    pub downstream: Option<Downstream>,
}

impl Play {
    /// Whether it says how a run of this partition that is at work ends.
    pub fn ends(&self) -> bool {
        !self.again && self.status.is_some_and(|status| status.is_terminal() && status != Status::Skipped)
    }
}

/// Makes a script of a case.
pub fn write(case: Whole<'_>, team: &Team<'_>, findings: &mut Findings) -> Option<Script> {
    let before = findings.iter().count();
    let zone = zone_of(case, findings);
    let mut writer = Writer { clock: Clock { zone, last: None }, actors: BTreeMap::new(), findings };
    writer.actors(case, team);
    let start = writer.start(case);
    writer.clock.last = start;
    let mut actions: Vec<Action> = case.events().filter_map(|event| writer.action(event)).collect();
    let last = writer.clock.last;
    let until = case.until().and_then(|until| writer.time(until));
    if let (None, None, None) = (start, last, until) {
        writer.no_time(case);
    }
    let Writer { clock, actors, findings } = writer;
    if findings.iter().skip(before).any(|finding| finding.severity == crate::source::Severity::Error) {
        return None;
    }
    let first = actions.first().map(|action| action.at).or(until)?;
    let start = start.unwrap_or_else(|| midnight(first, &clock.zone));
    let until = until.or(last).unwrap_or(start);
    actions.sort_by_key(|action| action.at);
    let deployed: Vec<String> = actions
        .iter()
        .filter_map(|action| match &action.act {
            Act::Deploy(pipeline) => Some(pipeline.clone()),
            _ => None,
        })
        .collect();
    let actors = actors.into_iter().map(|(name, actor)| {
        let later = deployed.contains(&name);
        (name, Actor { later, ..actor })
    });
    Some(Script {
        space: team.space.to_owned(),
        place: (team.account.to_owned(), team.region.to_owned()),
        zone: clock.zone,
        start,
        until,
        schedules: case.schedules(),
        actors: actors.collect(),
        actions,
    })
}

fn zone_of(case: Whole<'_>, findings: &mut Findings) -> TimeZone {
    let Some(name) = case.timezone() else { return TimeZone::UTC };
    zone::zone(name).unwrap_or_else(|problem| {
        findings.push(problem.at(Code::UnknownZone, name, name.span));
        TimeZone::UTC
    })
}

fn midnight(time: Timestamp, zone: &TimeZone) -> Timestamp {
    time.to_zoned(zone.clone()).start_of_day().map_or(time, |day| day.timestamp())
}

struct Writer<'f> {
    clock: Clock,
    actors: BTreeMap<String, Actor>,
    findings: &'f mut Findings,
}

impl Writer<'_> {
    fn refuse(&mut self, problem: Problem, code: Code, text: &Spanned<String>) {
        self.findings.push(problem.at(code, text, text.span));
    }

    fn time(&mut self, text: &Spanned<String>) -> Option<Timestamp> {
        match self.clock.read(text) {
            Ok(time) => Some(time),
            Err(problem) => {
                self.refuse(problem, Code::BadTestTime, text);
                None
            }
        }
    }

    fn length(&mut self, text: Option<&Spanned<String>>) -> Option<SignedDuration> {
        let text = text?;
        match clock::length(text) {
            Ok(length) => Some(length),
            Err(problem) => {
                self.refuse(problem, Code::BadTestTime, text);
                None
            }
        }
    }

    fn start(&mut self, case: Whole<'_>) -> Option<Timestamp> {
        case.start().and_then(|start| self.time(start))
    }

    fn no_time(&mut self, case: Whole<'_>) {
        let message = "no time passes: there is no event, and neither `start` nor `until`";
        let finding = match case.name() {
            Some(name) => Finding::at(Code::BadTestTime, name.span, message, ""),
            None => Finding::new(Code::BadTestTime, message),
        };
        self.findings.push(finding.help("write `start: 2026-11-22` and `until: 2026-11-23`, or events"));
    }

    /// The team's own pipelines, and those that are given.
    fn actors(&mut self, case: Whole<'_>, team: &Team<'_>) {
        let takes = self.length(case.takes()).unwrap_or(TAKES);
        for (pipeline, plan) in &team.pipelines {
            let Ok(spec) = PartitionSpec::of_plan(&plan.partition) else { continue };
            let written = pipeline.manifest.triggers.iter().flat_map(|triggers| &triggers.events);
            let events = written.filter_map(|event| Some((event.id()?, event.value.clone()))).collect();
            let (plan, account) = ((*plan).clone(), team.account.to_owned());
            let actor = Actor { plan, spec, own: true, account, takes, events, later: false };
            self.actors.insert(pipeline.manifest.name.value.clone(), actor);
        }
        for (name, given) in case.given() {
            let takes = self.length(given.takes.as_ref()).unwrap_or(takes);
            if let Some(own) = self.actors.get_mut(&name.value).filter(|actor| actor.own) {
                own.takes = takes;
                let said = [
                    given.partition.as_ref().map(|partition| partition.span),
                    given.schedule.0.first().and_then(|schedule| schedule.written()).map(|text| text.span),
                    given.executions.as_ref().map(|tree| tree.span),
                    given.account.as_ref().map(|account| account.span),
                ];
                for span in said.into_iter().flatten() {
                    let message = format!("`{}` is a pipeline of this project", name.value);
                    let finding = Finding::at(Code::BadGiven, span, message, "")
                        .why("tests play it as its pipeline.yaml says")
                        .help("remove this; of one's own pipelines a test gives `takes` alone");
                    self.findings.push(finding);
                }
                continue;
            }
            let Some(plan) = given::plan(name, given, team.space, self.findings) else { continue };
            let Ok(spec) = PartitionSpec::of_plan(&plan.partition) else { continue };
            let account = given.account.as_ref().map_or(SOME_ACCOUNT, |account| &account.value).to_owned();
            let actor = Actor { plan, spec, own: false, account, takes, events: Vec::new(), later: false };
            self.actors.insert(name.value.clone(), actor);
        }
        self.strangers(case, team);
    }

    /// Who is waited for and neither the team's nor given: a test would wait for ever.
    fn strangers(&mut self, case: Whole<'_>, team: &Team<'_>) {
        let leaves = team.pipelines.iter().flat_map(|(pipeline, plan)| {
            let leaves = plan.executions.as_ref().map(|tree| tree.leaves()).unwrap_or_default();
            leaves.into_iter().map(move |leaf| (pipeline, &leaf.pipeline))
        });
        let mut unknown: BTreeMap<&String, Vec<&str>> = BTreeMap::new();
        for (pipeline, upstream) in leaves.filter(|(_, upstream)| !self.actors.contains_key(*upstream)) {
            unknown.entry(upstream).or_default().push(&pipeline.manifest.name.value);
        }
        for (upstream, by) in unknown {
            // Only where it matters: a case about other pipelines need not give everything.
            let names = |text: &Spanned<String>| text.split('/').next().is_some_and(|name| by.contains(&name));
            let expected = case.expect().into_iter().flat_map(|all| &all.value).map(|one| &one.run);
            let Some(place) = expected.chain(case.waiting().map(|one| &one.run)).find(|run| names(run)) else {
                continue;
            };
            let message = format!("`{}` waits for `{upstream}`, which is neither here nor given", place.value);
            let finding = Finding::at(Code::UnknownInTest, place.span, message, "")
                .why("a pipeline of another team is known to a test by what `given` says of it")
                .help(format!("add `{upstream}: {{ partition: {{ by: day }} }}` to `given`, with its offset and zone"));
            self.findings.push(finding);
        }
    }

    fn action(&mut self, event: &Spanned<Event>) -> Option<Action> {
        let at = match &event.at {
            Some(text) => match self.clock.tick(text) {
                Ok(at) => Some(at),
                Err(problem) => {
                    self.refuse(problem, Code::BadTestTime, text);
                    None
                }
            },
            None => self.clock.last.or_else(|| {
                let message = "the first event has no time";
                let finding = Finding::at(Code::BadTestTime, event.span, message, "");
                self.findings
                    .push(finding.help("write `at: 2026-11-22T03:40`, or `start: 2026-11-22` above the events"));
                None
            }),
        };
        let act = self.act(event, at);
        Some(Action { at: at?, span: event.span, act: act? })
    }

    fn bad(&mut self, span: Span, message: impl Into<String>, help: impl Into<String>) {
        self.findings.push(Finding::at(Code::BadTestEvent, span, message, "").help(help));
    }

    fn act(&mut self, event: &Spanned<Event>, at: Option<Timestamp>) -> Option<Act> {
        let Event { run, rerun, mark, ignore, pause, resume, deploy, s3, event: custom, .. } = &event.value;
        let kinds = [run, rerun, mark, ignore, pause, resume, deploy, s3].iter().filter(|kind| kind.is_some()).count()
            + usize::from(custom.is_some());
        if kinds != 1 {
            let message = if kinds == 0 { "this event says nothing" } else { "this event says several things" };
            self.bad(
                event.span,
                message,
                "write one of `run`, `rerun`, `mark`, `ignore`, `pause`, `resume`, `deploy`, `s3` and `event`",
            );
            return None;
        }
        let timed = run.is_some() || rerun.is_some() || mark.is_some();
        for beside in [&event.partition, &event.status].into_iter().flatten().filter(|_| !timed) {
            self.bad(beside.span, "only `run`, `rerun` and `mark` have a partition and a status", "remove it");
        }
        if let Some(name) = run.as_ref().or(rerun.as_ref()) {
            return self.play(event, name, rerun.is_some(), at);
        }
        if let Some(name) = mark {
            let partition = self.partition(name, event.partition.as_ref(), at)?;
            let Some(status) = self.status(event.status.as_ref())? else {
                self.bad(event.span, "a mark needs a status", "write `status: SUCCEEDED`");
                return None;
            };
            return Some(Act::Mark(name.value.clone(), partition, status));
        }
        if let Some(text) = ignore {
            return match text.parse::<RunRef>() {
                Ok(reference) => self.known(text, &reference.pipeline).then_some(Act::Ignore(reference)),
                Err(message) => {
                    self.bad(text.span, message, "write the run as the timeline names it");
                    None
                }
            };
        }
        let named = |name: &Spanned<String>| name.value.clone();
        if let Some(name) = pause.as_ref().or(resume.as_ref()).or(deploy.as_ref()) {
            return self.known(name, name).then(|| match (pause, resume) {
                (Some(_), _) => Act::Pause(named(name)),
                (_, Some(_)) => Act::Resume(named(name)),
                (None, None) => Act::Deploy(named(name)),
            });
        }
        let when = at.unwrap_or(Timestamp::UNIX_EPOCH);
        if let Some(uri) = s3 {
            return self.object(uri, when).map(Act::Event);
        }
        custom.as_ref().and_then(|tree| self.custom(tree, when)).map(Act::Event)
    }

    fn play(&mut self, event: &Event, name: &Spanned<String>, again: bool, at: Option<Timestamp>) -> Option<Act> {
        let partition = self.partition(name, event.partition.as_ref(), at);
        let status = self.status(event.status.as_ref());
        let takes = self.length(event.takes.as_ref());
        let downstream = event.downstream.as_ref().map(|said| match &said.value {
            Texts::One(word) if word == "none" => Downstream::None,
            texts => Downstream::Only(texts.iter().map(str::to_owned).collect()),
        });
        let params = event.params.iter().map(|(name, value)| (name.value.clone(), value.value.to_json())).collect();
        let (pipeline, partition, status) = (name.value.clone(), partition?, status?);
        Some(Act::Run(Box::new(Play { pipeline, partition, status, takes, again, params, downstream })))
    }

    /// Whether there is such a pipeline; says so if not.
    fn known(&mut self, place: &Spanned<String>, name: &str) -> bool {
        if self.actors.contains_key(name) {
            return true;
        }
        let finding = unknown(place.span, name, self.actors.keys());
        self.findings.push(finding);
        false
    }

    fn partition(
        &mut self,
        name: &Spanned<String>,
        written: Option<&Spanned<String>>,
        at: Option<Timestamp>,
    ) -> Option<String> {
        if !self.known(name, name) {
            return None;
        }
        let spec = &self.actors.get(&name.value)?.spec;
        match written {
            None => spec.of_time(at?),
            Some(label) => match spec.parse(label, name) {
                Ok(partition) => Some(partition.label),
                Err(problem) => {
                    self.refuse(problem, Code::BadTestEvent, label);
                    None
                }
            },
        }
    }

    /// The status, if one is written; `None` when it is none.
    #[allow(clippy::option_option)] // Reason: absent, sound and unsound are three things.
    fn status(&mut self, written: Option<&Spanned<String>>) -> Option<Option<Status>> {
        let Some(written) = written else { return Some(None) };
        let status = status(written);
        match status {
            Ok(status) => Some(Some(status)),
            Err(finding) => {
                self.findings.push(*finding);
                None
            }
        }
    }

    /// What S3 tells EventBridge of a new object: <https://docs.aws.amazon.com/AmazonS3/latest/userguide/ev-events.html>.
    fn object(&mut self, uri: &Spanned<String>, at: Timestamp) -> Option<Value> {
        let Some((bucket, key)) = uri.strip_prefix("s3://").and_then(|path| path.split_once('/')) else {
            self.bad(uri.span, format!("`{}` is not an object in S3", uri.value), "write `s3://bucket/key`");
            return None;
        };
        let detail = json!({ "version": "0", "bucket": { "name": bucket }, "object": { "key": key, "size": 1 } });
        Some(delivered("aws.s3", "Object Created", &detail, at))
    }

    fn custom(&mut self, tree: &Spanned<Tree>, at: Timestamp) -> Option<Value> {
        let Value::Object(fields) = tree.value.to_json() else {
            self.bad(
                tree.span,
                "an event is a mapping",
                "write `event: { source: my.app, detail-type: done, detail: {} }`",
            );
            return None;
        };
        let mut event = delivered("test", "test", &json!({}), at);
        if let Some(all) = event.as_object_mut() {
            all.extend(fields);
        }
        Some(event)
    }
}

/// A name that no pipeline has.
pub fn unknown<'n>(span: Span, name: &str, names: impl IntoIterator<Item = &'n String>) -> Finding {
    let finding = Finding::at(Code::UnknownInTest, span, format!("there is no pipeline `{name}` in this test"), "");
    match suggest::near(name, names.into_iter().map(String::as_str)) {
        Some(near) => finding.help(format!("did you mean `{near}`?")),
        None => {
            finding.help(format!("add it to `given`, as far as it matters: `{name}: {{ partition: {{ by: day }} }}`"))
        }
    }
}

/// Reads the status of a run.
///
/// # Errors
/// It is none.
pub fn status(written: &Spanned<String>) -> Result<Status, Box<Finding>> {
    let known = Status::parse(written).filter(|status| STATUSES.contains(&status.as_str()));
    known.ok_or_else(|| {
        let message = format!("`{}` is not a status that a test can ask for", written.value);
        let finding = Finding::at(Code::BadTestEvent, written.span, message, "");
        let meant = match written.to_ascii_uppercase().as_str() {
            "SUCCESS" | "OK" | "DONE" => Some("SUCCEEDED"),
            "FAILURE" | "ERROR" => Some("FAILED"),
            _ => suggest::near(written, STATUSES),
        };
        Box::new(match meant {
            Some(near) => finding.fix(written.span, near, format!("did you mean `{near}`?")),
            None => finding.help(format!("write one of {}", STATUSES.join(", "))),
        })
    })
}

/// <https://docs.aws.amazon.com/eventbridge/latest/ref/overiew-event-structure.html>
fn delivered(source: &str, kind: &str, detail: &Value, at: Timestamp) -> Value {
    json!({
        "version": "0", "id": "00000000-0000-0000-0000-000000000000", "detail-type": kind, "source": source,
        "account": SOME_ACCOUNT, "time": at.to_string(), "region": "eu-central-1", "resources": [], "detail": detail,
    })
}
