//! Rows to runs and registrations, and back.
//!
//! In come items of DynamoDB; out come values, or what is wrong with the item. It refuses to know how items are fetched.

use std::collections::HashMap;

use aws_sdk_dynamodb::types::AttributeValue;
use jiff::Timestamp;
use serde_json::{Map, Value};

use super::{Registration, Run};
use crate::control::run::{Downstream, RunId, RunRef, Source, Status, keys};

pub(super) type Item = HashMap<String, AttributeValue>;

/// Value of `open` on a run's row.
pub(super) const OPEN_RUN: &str = "1";
/// Value of `open` on a registration's row: the index serves as the list of pipelines, too.
pub(super) const OPEN_PIPELINE: &str = "PIPELINE";
/// Value of `open` on the row of a rerun or backfill.
pub(super) const OPEN_BATCH: &str = "BATCH";
/// Value of `alert`, and of `report`, on a run's row.
pub(super) const PENDING: &str = "pending";

pub(super) fn text(value: impl Into<String>) -> AttributeValue {
    AttributeValue::S(value.into())
}

pub(super) fn number(value: u64) -> AttributeValue {
    AttributeValue::N(value.to_string())
}

pub(super) fn key(pk: String, sk: String) -> Item {
    HashMap::from([("pk".to_owned(), text(pk)), ("sk".to_owned(), text(sk))])
}

pub(super) fn run_key(reference: &RunRef) -> Item {
    key(keys::pipeline(&reference.pipeline), keys::run(&reference.id))
}

/// Reads attributes and says which one is wrong.
pub(super) struct Reader<'a>(pub &'a Item);

impl Reader<'_> {
    pub fn find(&self, name: &str) -> Option<&str> {
        self.0.get(name)?.as_s().ok().map(String::as_str)
    }

    pub fn text(&self, name: &str) -> Result<String, String> {
        self.find(name).map(str::to_owned).ok_or_else(|| format!("`{name}` is missing"))
    }

    pub fn number(&self, name: &str) -> Result<u64, String> {
        let number = self.0.get(name).and_then(|value| value.as_n().ok()).and_then(|digits| digits.parse().ok());
        number.ok_or_else(|| format!("`{name}` is not a number"))
    }

    /// The number of a run.
    pub fn run_number(&self, name: &str) -> Result<u32, String> {
        u32::try_from(self.number(name)?).map_err(|_| format!("`{name}` is too large"))
    }

    fn find_time(&self, name: &str) -> Result<Option<Timestamp>, String> {
        let Some(text) = self.find(name) else { return Ok(None) };
        text.parse().map(Some).map_err(|_| format!("`{name}` is not a time: `{text}`"))
    }

    pub fn time(&self, name: &str) -> Result<Timestamp, String> {
        self.find_time(name)?.ok_or_else(|| format!("`{name}` is missing"))
    }

    fn json(&self, name: &str) -> Result<Option<Value>, String> {
        self.document(name)
    }

    fn document<T: serde::de::DeserializeOwned>(&self, name: &str) -> Result<Option<T>, String> {
        let Some(text) = self.find(name) else { return Ok(None) };
        serde_json::from_str(text).map(Some).map_err(|_| format!("`{name}` cannot be read"))
    }
}

fn source_text(source: Source) -> String {
    match serde_json::to_value(source) {
        Ok(Value::String(text)) => text,
        _ => String::new(),
    }
}

pub(super) fn source_of(text: &str) -> Result<Source, String> {
    serde_json::from_value(Value::String(text.to_owned())).map_err(|_| format!("`source` is unknown: `{text}`"))
}

/// A value as JSON; those of this file cannot fail to be printed.
fn document<T: serde::Serialize>(value: &T) -> AttributeValue {
    text(serde_json::to_string(value).unwrap_or_default())
}

/// A run as a new row.
pub(super) fn of_run(run: &Run) -> Item {
    let mut item = run_key(&run.reference);
    let mut put = |name: &str, value: Option<AttributeValue>| {
        if let Some(value) = value {
            item.insert(name.to_owned(), value);
        }
    };
    let time = |time: Timestamp| text(time.to_string());
    put("pipeline", Some(text(&run.reference.pipeline)));
    put("partition", Some(text(&run.reference.id.partition)));
    put("number", Some(number(run.reference.id.number.into())));
    put("space", Some(text(&run.space)));
    put("status", Some(text(run.status.as_str())));
    put("ord", Some(number(run.order)));
    put("source", Some(text(source_text(run.source))));
    put("key", Some(text(&run.key)));
    put("scheduledTime", run.scheduled_time.map(time));
    put("time", Some(time(run.time)));
    put("reason", run.reason.as_ref().map(|reason| text(reason.to_string())));
    put("params", (!run.params.is_empty()).then(|| text(Value::Object(run.params.clone()).to_string())));
    put("event", run.event.as_ref().map(|event| text(event.to_string())));
    put("parent", run.parent.as_ref().map(text));
    put("downstream", run.downstream.as_ref().map(document));
    put("reservation", run.reservation.as_ref().map(text));
    // A set of none is no value of DynamoDB's.
    let tokens = || AttributeValue::Ss(run.tokens.iter().cloned().collect());
    put("tokens", (!run.tokens.is_empty()).then(tokens));
    put("slot", run.slot.then_some(AttributeValue::Bool(true)));
    put("supersededBy", run.superseded_by.map(|number_of_it| number(number_of_it.into())));
    put("planDigest", run.plan_digest.as_ref().map(text));
    put("executionArn", run.execution.as_ref().map(text));
    put("claimedAt", Some(time(run.claimed_at)));
    put("startedAt", run.started_at.map(time));
    put("endedAt", run.ended_at.map(time));
    put("error", run.error.as_ref().map(text));
    put("cause", run.cause.as_ref().map(text));
    put("stop", run.stop.as_ref().map(document));
    put("report", run.untold.then(|| text(PENDING)));
    put("alert", run.announce.then(|| text(PENDING)));
    put("released", run.released.then_some(AttributeValue::Bool(true)));
    put("open", run.open.then(|| text(OPEN_RUN)));
    item
}

/// A row as a run.
pub(super) fn to_run(item: &Item) -> Result<Run, String> {
    let row = Reader(item);
    let id = RunId { partition: row.text("partition")?, number: row.run_number("number")? };
    let is = |name: &str| item.get(name).and_then(|value| value.as_bool().ok()).copied().unwrap_or(false);
    let tokens = item.get("tokens").and_then(|value| value.as_ss().ok());
    let status = row.text("status")?;
    let source = row.text("source")?;
    let params = match row.json("params")? {
        Some(Value::Object(params)) => params,
        _ => Map::new(),
    };
    Ok(Run {
        reference: RunRef { pipeline: row.text("pipeline")?, id },
        space: row.text("space")?,
        status: Status::parse(&status).ok_or_else(|| format!("`status` is unknown: `{status}`"))?,
        order: row.number("ord")?,
        source: source_of(&source)?,
        key: row.text("key")?,
        scheduled_time: row.find_time("scheduledTime")?,
        // An older version did not write it.
        time: match row.find_time("time")?.or(row.find_time("scheduledTime")?) {
            Some(time) => time,
            None => row.time("claimedAt")?,
        },
        reason: row.json("reason")?,
        params,
        event: row.json("event")?,
        parent: row.find("parent").map(str::to_owned),
        downstream: row.document::<Downstream>("downstream")?,
        reservation: row.find("reservation").map(str::to_owned),
        tokens: tokens.into_iter().flatten().cloned().collect(),
        slot: is("slot"),
        superseded_by: item.contains_key("supersededBy").then(|| row.run_number("supersededBy")).transpose()?,
        plan_digest: row.find("planDigest").map(str::to_owned),
        execution: row.find("executionArn").map(str::to_owned),
        claimed_at: row.time("claimedAt")?,
        started_at: row.find_time("startedAt")?,
        ended_at: row.find_time("endedAt")?,
        error: row.find("error").map(str::to_owned),
        cause: row.find("cause").map(str::to_owned),
        stop: row.document("stop")?,
        announce: row.find("alert") == Some(PENDING),
        untold: row.find("report") == Some(PENDING),
        released: is("released"),
        open: row.find("open").is_some(),
    })
}

/// A registration as a row. The plan is one JSON string, because DynamoDB's maps would cost it its order.
pub(super) fn of_registration(registration: &Registration) -> Result<Item, String> {
    let plan = &registration.plan;
    let json = serde_json::to_string(plan).map_err(|error| format!("the plan cannot be written: {error}"))?;
    let mut item = key(keys::pipeline(&plan.pipeline), keys::REGISTRATION.to_owned());
    let attributes = [
        ("pipeline", plan.pipeline.clone()),
        ("space", plan.space.clone()),
        ("stateMachine", plan.state_machine.clone()),
        ("plan", json),
        ("planDigest", registration.digest.clone()),
        ("stackId", registration.stack.clone()),
        ("registeredAt", registration.registered_at.to_string()),
        ("schedulesSince", registration.schedules_since.to_string()),
        ("sweptTo", registration.swept_to.to_string()),
        ("open", OPEN_PIPELINE.to_owned()),
    ];
    item.extend(attributes.map(|(name, value)| (name.to_owned(), text(value))));
    if !registration.warnings.is_empty() {
        item.insert("warnings".to_owned(), document(&registration.warnings));
    }
    Ok(item)
}

/// A row as a registration.
pub(super) fn to_registration(item: &Item) -> Result<Registration, String> {
    let row = Reader(item);
    let plan = row.text("plan")?;
    Ok(Registration {
        plan: serde_json::from_str(&plan).map_err(|error| format!("`plan` cannot be read: {error}"))?,
        digest: row.text("planDigest")?,
        stack: row.text("stackId")?,
        warnings: row.document("warnings")?.unwrap_or_default(),
        registered_at: row.time("registeredAt")?,
        // An older version did not write it.
        schedules_since: row.find_time("schedulesSince")?.map_or_else(|| row.time("registeredAt"), Ok)?,
        swept_to: row.time("sweptTo")?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn full() -> Run {
        let id = RunId { partition: "2026-11-21".into(), number: 2 };
        let reference = RunRef { pipeline: "listings".into(), id };
        let at = |text: &str| text.parse::<Timestamp>().unwrap();
        let mut run =
            Run::queued(reference, "prod".into(), Source::Backfill, "k#1".into(), at("2026-11-22T02:00:01.5Z"));
        run.scheduled_time = Some(at("2026-11-22T02:00:00Z"));
        run.reason = Some(serde_json::json!({ "by": "ada" }));
        run.params = serde_json::from_str(r#"{"limit":10,"day":"2026-11-21"}"#).unwrap();
        run.plan_digest = Some("ab12".into());
        run.execution = Some("arn:aws:states:eu-central-1:1:execution:dpc-listings:listings.2026-11-21.2".into());
        run.started_at = Some(at("2026-11-22T02:00:02Z"));
        run.ended_at = Some(at("2026-11-22T03:00:02Z"));
        run.error = Some("dpc.StepFailed".into());
        run.cause = Some("step `aggregate` failed".into());
        run.announce = true;
        run.released = true;
        run.event = Some(serde_json::json!({ "id": "e-1", "detail": { "date": "2026-11-21" } }));
        run.parent = Some("site.2026-11-21.1".into());
        run.tokens = ["t-1", "t-2"].map(str::to_owned).into();
        run.slot = true;
        run.superseded_by = Some(3);
        run.time = at("2026-11-20T23:00:00Z");
        run.downstream = Some(Downstream::Only(vec!["pipeline-x".into()]));
        run.reservation = Some("bf-1".into());
        run.stop =
            Some(super::super::Stop { by: "ada".into(), why: None, at: at("2026-11-22T02:30:00Z"), redrives: 0 });
        run.untold = true;
        run
    }

    #[test]
    fn a_run_survives_its_row() {
        assert_eq!(to_run(&of_run(&full())), Ok(full()));
    }

    #[test]
    fn a_run_without_options_survives_its_row() {
        let run = full();
        let bare = Run::queued(run.reference, run.space, run.source, run.key, run.claimed_at);
        assert_eq!(to_run(&of_run(&bare)), Ok(bare));
    }

    #[test]
    fn a_broken_row_names_the_attribute() {
        let mut item = of_run(&full());
        item.insert("claimedAt".into(), text("yesterday"));
        assert_eq!(to_run(&item), Err("`claimedAt` is not a time: `yesterday`".into()));
    }
}
