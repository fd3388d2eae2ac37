//! What has happened, in the order of time.
//!
//! In come happenings as they are played; out come lines for people and JSON for programs. It refuses to know why.

use jiff::Timestamp;
use jiff::tz::TimeZone;
use serde_json::{Value, json};

use crate::control::run::{RunRef, Source, Status};

/// Something that has happened.
#[derive(Clone, Debug, PartialEq)]
pub struct Happening {
    /// When.
    pub at: Timestamp,
    /// What.
    pub what: What,
}

/// What has happened.
#[derive(Clone, Debug, PartialEq)]
pub enum What {
    /// A pipeline was deployed.
    Deployed(String),
    /// The central account would refuse it.
    Refused(String, String),
    /// A run started.
    Started(RunRef, Source, Vec<String>),
    /// A run waits for one that is at work.
    Queued(RunRef, RunRef),
    /// A run ended, or never started; with the reason where there is one.
    Ended(RunRef, Status, Option<String>),
    /// An event came, and started so many runs.
    Delivered(String, usize),
    /// Nobody may start that.
    NotStarted(String, String),
    /// A person did something.
    Person(String),
}

impl Happening {
    /// `2026-11-22 05:30  pipeline-x/2026-11-21/1 starts on listings/2026-11-21/1, searches/2026-11-21/1`.
    pub fn text(&self, zone: &TimeZone) -> String {
        format!("{}  {}", local(self.at, zone), self.what.text())
    }

    /// The same for programs.
    pub fn json(&self) -> Value {
        let mut json = self.what.json();
        if let Some(fields) = json.as_object_mut() {
            fields.shift_insert(0, "at".to_owned(), json!(self.at));
        }
        json
    }
}

/// A time as a scenario writes it, to the second where it has seconds.
pub fn local(at: Timestamp, zone: &TimeZone) -> String {
    let zoned = at.to_zoned(zone.clone());
    let form = if zoned.second() == 0 { "%Y-%m-%d %H:%M" } else { "%Y-%m-%d %H:%M:%S" };
    zoned.strftime(form).to_string()
}

impl What {
    fn text(&self) -> String {
        match self {
            What::Deployed(pipeline) => format!("{pipeline} is deployed"),
            What::Refused(pipeline, why) => format!("{pipeline} is refused by the central account: {why}"),
            What::Started(run, source, on) => match source {
                Source::Trigger => format!("{run} starts on {}", on.join(", ")),
                Source::Schedule => format!("{run} starts by its schedule"),
                Source::Event => format!("{run} starts on an event"),
                Source::Rerun => format!("{run} starts again, by hand"),
                Source::Run | Source::Backfill | Source::Pipeline => format!("{run} starts"),
            },
            What::Queued(run, ahead) => format!("{run} waits for {ahead} to end"),
            What::Ended(run, status, None) => format!("{run} {status}"),
            What::Ended(run, status, Some(why)) => format!("{run} {status}: {why}"),
            What::Delivered(event, 0) => format!("{event}, which starts nothing"),
            What::Delivered(event, _) => event.clone(),
            What::NotStarted(pipeline, why) => format!("{pipeline} does not start: {why}"),
            What::Person(what) => what.clone(),
        }
    }

    fn json(&self) -> Value {
        match self {
            What::Deployed(pipeline) => json!({ "what": "deployed", "pipeline": pipeline }),
            What::Refused(pipeline, why) => json!({ "what": "refused", "pipeline": pipeline, "why": why }),
            What::Started(run, source, on) => {
                json!({ "what": "started", "run": run.to_string(), "source": source, "on": on })
            }
            What::Queued(run, ahead) => {
                json!({ "what": "queued", "run": run.to_string(), "waitsFor": ahead.to_string() })
            }
            What::Ended(run, status, why) => {
                json!({ "what": "ended", "run": run.to_string(), "status": status, "why": why })
            }
            What::Delivered(event, started) => json!({ "what": "event", "event": event, "started": started }),
            What::NotStarted(pipeline, why) => json!({ "what": "notStarted", "pipeline": pipeline, "why": why }),
            What::Person(what) => json!({ "what": "person", "said": what }),
        }
    }
}
