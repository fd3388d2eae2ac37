//! The types of `tests/*.yaml`: what happens at which time, and which runs should come of it.
//!
//! In comes a tree by `source::de`; out come values that keep their places. `dpc test` compares what happens with what is
//! expected, `dpc simulate` prints it. Nothing here is judged: times and names are the affair of `offline`.

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::Deserialize;

use crate::language::manifest::Partition;
use crate::source::schema::hints;
use crate::source::{OneOrMany, Spanned, SpannedMap, Texts, Tree};
use crate::triggers::executions::Executions;
use crate::triggers::schedule::Schedule;

/// `tests/<name>.yaml`: one case, or several that share what is given.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ScenarioFile {
    /// Version of the language; 1.
    pub version: Option<Spanned<u32>>,
    /// For people. Default: the file's name.
    pub name: Option<Spanned<String>>,
    /// IANA zone of the times in this file. Default: UTC.
    #[schemars(extend("x-dpc-also" = ["zone", "tz"]))]
    pub timezone: Option<Spanned<String>>,
    /// When the clock starts: `2026-11-22`, `2026-11-22T02:00`. Default: midnight before the first event.
    #[schemars(extend("x-dpc-also" = ["from", "clock", "now", "day"]))]
    pub start: Option<Spanned<String>>,
    /// Until when schedules fire by themselves. Default: the last event.
    #[schemars(extend("x-dpc-also" = ["end", "to"]))]
    pub until: Option<Spanned<String>>,
    /// How long runs take, unless said: `10m`.
    #[schemars(transform = hints::duration, transform = hints::default("10m"))]
    #[schemars(extend("x-dpc-also" = ["duration"]))]
    pub takes: Option<Spanned<String>>,
    /// Whether schedules fire by themselves as time goes on. Default: true.
    #[schemars(transform = hints::default(true))]
    pub schedules: Option<Spanned<bool>>,
    /// Pipelines of other teams, and how long runs of one's own take.
    #[serde(default)]
    #[schemars(extend("x-dpc-also" = ["upstreams", "stubs", "pipelines"]))]
    pub given: SpannedMap<Spanned<Given>>,
    /// What happens, in the order of time.
    #[schemars(extend("x-dpc-also" = ["when", "happens"]))]
    pub events: Option<Spanned<Vec<Spanned<Event>>>>,
    /// The runs that start because of it, in this order, and no others. `[]`: none.
    #[schemars(extend("x-dpc-also" = ["expected", "then", "runs"]))]
    pub expect: Option<Spanned<Vec<Spanned<Expected>>>>,
    /// Pipelines, or partitions of them (`pipeline-x/2026-11-21`), that do not run at all.
    #[serde(default)]
    #[schemars(extend("x-dpc-also" = ["not", "none"]))]
    pub never: Vec<Spanned<String>>,
    /// What has not run in the end, and for whom it waits.
    #[serde(default)]
    #[schemars(extend("x-dpc-also" = ["why", "waits"]))]
    pub waiting: Vec<Spanned<Waiting>>,
    /// Several cases. What the file says outside of them holds for each, unless it says otherwise.
    #[serde(default)]
    #[schemars(extend("x-dpc-also" = ["tests"]))]
    pub cases: Vec<Spanned<Case>>,
}

/// One case of several.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Case {
    /// What it shows, in a few words.
    pub name: Spanned<String>,
    /// When the clock starts.
    #[schemars(extend("x-dpc-also" = ["from", "clock", "now", "day"]))]
    pub start: Option<Spanned<String>>,
    /// Until when schedules fire by themselves.
    #[schemars(extend("x-dpc-also" = ["end", "to"]))]
    pub until: Option<Spanned<String>>,
    /// How long runs take, unless said.
    #[schemars(transform = hints::duration)]
    #[schemars(extend("x-dpc-also" = ["duration"]))]
    pub takes: Option<Spanned<String>>,
    /// Whether schedules fire by themselves as time goes on.
    pub schedules: Option<Spanned<bool>>,
    /// Further pipelines of other teams.
    #[serde(default)]
    #[schemars(extend("x-dpc-also" = ["upstreams", "stubs", "pipelines"]))]
    pub given: SpannedMap<Spanned<Given>>,
    /// What happens, in the order of time.
    #[schemars(extend("x-dpc-also" = ["when", "happens"]))]
    pub events: Option<Spanned<Vec<Spanned<Event>>>>,
    /// The runs that start because of it, in this order, and no others. `[]`: none.
    #[schemars(extend("x-dpc-also" = ["expected", "then", "runs"]))]
    pub expect: Option<Spanned<Vec<Spanned<Expected>>>>,
    /// Pipelines, or partitions of them, that do not run at all.
    #[serde(default)]
    #[schemars(extend("x-dpc-also" = ["not", "none"]))]
    pub never: Vec<Spanned<String>>,
    /// What has not run in the end, and for whom it waits.
    #[serde(default)]
    #[schemars(extend("x-dpc-also" = ["why", "waits"]))]
    pub waiting: Vec<Spanned<Waiting>>,
}

/// A pipeline of another team, as far as its runs matter here; of one's own only `takes`.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Given {
    /// How a time becomes the partition that a run produces. Default: by day, UTC.
    pub partition: Option<Spanned<Partition>>,
    /// When it runs. Without one it runs when an event says so.
    #[serde(default)]
    pub schedule: OneOrMany<Schedule>,
    /// What it waits for itself.
    pub executions: Option<Spanned<Executions>>,
    /// How long its runs take.
    #[schemars(transform = hints::duration)]
    #[schemars(extend("x-dpc-also" = ["duration"]))]
    pub takes: Option<Spanned<String>>,
    /// The account that it belongs to, for people.
    pub account: Option<Spanned<String>>,
}

/// Something that happens. Exactly one of `run`, `rerun`, `mark`, `ignore`, `pause`, `resume`, `deploy`, `s3` and `event`.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schemars(transform = hints::exactly_one(&["run", "rerun", "mark", "ignore", "pause", "resume", "deploy", "s3", "event"]))]
pub struct Event {
    /// When: `03:40` on the day of the event before, `2026-11-22T03:40`, or `+10m` after it. Default: at the same time.
    #[schemars(extend("x-dpc-also" = ["time", "on"]))]
    pub at: Option<Spanned<String>>,
    /// A run of this pipeline. With `status`, it has come to that now: the run that is at work, else a new one.
    pub run: Option<Spanned<String>>,
    /// A person runs a partition of this pipeline again.
    pub rerun: Option<Spanned<String>>,
    /// A person says that a partition of this pipeline counts as having `status`, whatever its runs say.
    pub mark: Option<Spanned<String>>,
    /// A person takes a run out of the facts: `listings/2026-11-21/1`.
    pub ignore: Option<Spanned<String>>,
    /// A person pauses this pipeline.
    pub pause: Option<Spanned<String>>,
    /// A person lets a paused pipeline go on.
    pub resume: Option<Spanned<String>>,
    /// This pipeline is deployed for the first time. Those that no event deploys have been there for long.
    pub deploy: Option<Spanned<String>>,
    /// An object is written: `s3://bucket/key`.
    pub s3: Option<Spanned<String>>,
    /// An event of EventBridge: `{ source: aws.glue, detail-type: …, detail: {…} }`.
    #[serde(default)]
    #[schemars(schema_with = "mapping")]
    pub event: Option<Spanned<Tree>>,
    /// The partition. Default: the one that a schedule would take at this time.
    #[schemars(extend("x-dpc-also" = ["date"]))]
    pub partition: Option<Spanned<String>>,
    /// RUNNING, SUCCEEDED, FAILED, TIMED_OUT, ABORTED or SKIPPED.
    #[schemars(transform = hints::words(&STATUSES), extend("x-dpc-also" = ["state"]))]
    pub status: Option<Spanned<String>>,
    /// How long the run takes.
    #[schemars(transform = hints::duration, extend("x-dpc-also" = ["duration"]))]
    pub takes: Option<Spanned<String>>,
    /// Values for the pipeline's params.
    #[serde(default)]
    #[schemars(schema_with = "anything")]
    pub params: SpannedMap<Spanned<Tree>>,
    /// Which downstream pipelines may run because of it: `none`, or a list of names. Default: all.
    pub downstream: Option<Spanned<Texts>>,
}

/// The words for `status`.
pub const STATUSES: [&str; 6] = ["RUNNING", "SUCCEEDED", "FAILED", "TIMED_OUT", "ABORTED", "SKIPPED"];

/// A run that should start.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Expected {
    /// The pipeline.
    #[schemars(extend("x-dpc-also" = ["pipeline"]))]
    pub run: Spanned<String>,
    /// Its partition. Default: any.
    #[schemars(extend("x-dpc-also" = ["date"]))]
    pub partition: Option<Spanned<String>>,
    /// Its number within the partition. Default: any.
    pub number: Option<Spanned<u32>>,
    /// When it starts. Default: at any time.
    #[schemars(extend("x-dpc-also" = ["time"]))]
    pub at: Option<Spanned<String>>,
    /// What it comes to. Default: anything but SKIPPED.
    #[schemars(transform = hints::words(&STATUSES), extend("x-dpc-also" = ["state"]))]
    pub status: Option<Spanned<String>>,
    /// The upstream runs that it is started on, all of them: `listings`, `listings/2026-11-21` or `listings/2026-11-21/2`.
    #[serde(default)]
    #[schemars(extend("x-dpc-also" = ["because", "upstream"]))]
    pub on: Vec<Spanned<String>>,
    /// What steps are told: step name to a value that is among its arguments, items that follow one another in them, or keys.
    #[serde(default)]
    #[schemars(schema_with = "anything", extend("x-dpc-also" = ["args", "steps"]))]
    pub arguments: SpannedMap<Spanned<Tree>>,
}

impl Expected {
    /// `pipeline-x/2026-11-21 at 05:30 on listings, searches`.
    pub fn words(&self) -> String {
        let mut words = self.run.value.clone();
        for part in self.partition.iter().map(|label| &label.value) {
            words += &format!("/{part}");
        }
        if let Some(number) = &self.number {
            words += &format!("/{}", number.value);
        }
        if let Some(at) = &self.at {
            words += &format!(" at {}", at.value);
        }
        let on: Vec<&str> = self.on.iter().map(|on| on.value.as_str()).collect();
        if !on.is_empty() {
            words += &format!(" on {}", on.join(", "));
        }
        if let Some(status) = &self.status {
            words += &format!(", {}", status.value);
        }
        words
    }
}

/// A partition that waits in the end.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Waiting {
    /// The pipeline.
    #[schemars(extend("x-dpc-also" = ["pipeline"]))]
    pub run: Spanned<String>,
    /// Its partition; not for one without.
    #[schemars(extend("x-dpc-also" = ["date"]))]
    pub partition: Option<Spanned<String>>,
    /// For whom, all of them: `searches` or `searches/2026-11-21`.
    #[serde(rename = "for")]
    pub waits_for: Vec<Spanned<String>>,
}

fn mapping(_: &mut SchemaGenerator) -> Schema {
    json_schema!({ "type": "object" })
}

fn anything(_: &mut SchemaGenerator) -> Schema {
    json_schema!({ "type": "object", "additionalProperties": true })
}

/// What a case and its file say together.
#[derive(Clone, Copy, Debug)]
pub struct Whole<'a> {
    file: &'a ScenarioFile,
    case: Option<&'a Case>,
}

impl ScenarioFile {
    /// The cases, each with what holds for all. A file without `cases` is one itself.
    pub fn whole(&self) -> Vec<Whole<'_>> {
        match self.cases.as_slice() {
            [] => vec![Whole { file: self, case: None }],
            cases => cases.iter().map(|case| Whole { file: self, case: Some(&case.value) }).collect(),
        }
    }
}

impl<'a> Whole<'a> {
    fn own<T>(self, case: impl Fn(&'a Case) -> Option<T>, file: impl Fn(&'a ScenarioFile) -> Option<T>) -> Option<T> {
        self.case.and_then(case).or_else(|| file(self.file))
    }

    /// What it shows.
    pub fn name(self) -> Option<&'a Spanned<String>> {
        self.own(|case| Some(&case.name), |file| file.name.as_ref())
    }

    /// Zone of its times.
    pub fn timezone(self) -> Option<&'a Spanned<String>> {
        self.file.timezone.as_ref()
    }

    /// When the clock starts.
    pub fn start(self) -> Option<&'a Spanned<String>> {
        self.own(|case| case.start.as_ref(), |file| file.start.as_ref())
    }

    /// Until when schedules fire.
    pub fn until(self) -> Option<&'a Spanned<String>> {
        self.own(|case| case.until.as_ref(), |file| file.until.as_ref())
    }

    /// How long runs take.
    pub fn takes(self) -> Option<&'a Spanned<String>> {
        self.own(|case| case.takes.as_ref(), |file| file.takes.as_ref())
    }

    /// Whether schedules fire by themselves.
    pub fn schedules(self) -> bool {
        self.own(|case| case.schedules.as_ref(), |file| file.schedules.as_ref()).is_none_or(|said| said.value)
    }

    /// Pipelines that are given; the case's own last, so that they win.
    pub fn given(self) -> impl Iterator<Item = (&'a Spanned<String>, &'a Spanned<Given>)> {
        self.file.given.iter().chain(self.case.into_iter().flat_map(|case| case.given.iter()))
    }

    /// What happens: the file's events before the case's own.
    pub fn events(self) -> impl Iterator<Item = &'a Spanned<Event>> {
        let of = |events: &'a Option<Spanned<Vec<Spanned<Event>>>>| events.iter().flat_map(|events| &events.value);
        of(&self.file.events).chain(self.case.into_iter().flat_map(move |case| of(&case.events)))
    }

    /// Which runs should start.
    pub fn expect(self) -> Option<&'a Spanned<Vec<Spanned<Expected>>>> {
        self.own(|case| case.expect.as_ref(), |file| file.expect.as_ref())
    }

    /// What must not run.
    pub fn never(self) -> impl Iterator<Item = &'a Spanned<String>> {
        self.file.never.iter().chain(self.case.into_iter().flat_map(|case| &case.never))
    }

    /// What waits in the end.
    pub fn waiting(self) -> impl Iterator<Item = &'a Spanned<Waiting>> {
        self.file.waiting.iter().chain(self.case.into_iter().flat_map(|case| &case.waiting))
    }

    /// Whether anything is expected of it at all.
    pub fn expects(self) -> bool {
        self.expect().is_some() || self.never().next().is_some() || self.waiting().next().is_some()
    }
}
