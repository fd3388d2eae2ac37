//! A fire on its way: its start key, and the envelope that starts the run.
//!
//! In come a witness and what is known of its runs; out come the hash that makes the start unique, and the envelope with the
//! cause that people read. It refuses to know buses.

use serde_json::json;

use super::fact::{FireRecord, PartitionFacts, Rest, RunFact, Witness};
use super::space::Space;
use super::store::{Missing, Snapshot, TIMED};
use crate::control::digest;
use crate::control::run::{ENVELOPE_VERSION, Envelope, Source};

/// The start key of a fire: 32 hexadecimal digits.
pub fn hash(space: &str, pipeline: &str, label: &str, witness: &Witness) -> String {
    let mut text = format!("{space}\n{pipeline}\n{label}\n");
    for rest in witness {
        let Rest { pipeline, label, version, window, alone: _ } = rest;
        let window = window.as_deref().unwrap_or_default();
        text.push_str(&format!(
            "{pipeline} {label} {window} {} {} {}\n",
            version.changes, version.number, version.redrives
        ));
    }
    digest::sha256(text).chars().take(32).collect()
}

/// The envelope that starts the run, with its cause: the upstream runs, when they ended, and in which account.
///
/// # Errors
/// What must be loaded first.
pub fn envelope(
    space: &Space,
    snapshot: &Snapshot,
    pipeline: &str,
    label: &str,
    fire: &FireRecord,
) -> Result<Envelope, Missing> {
    let mut missing = Missing::default();
    let mut relied = Vec::new();
    for rest in &fire.witness {
        match snapshot.partition(&rest.pipeline, &rest.label) {
            Ok(facts) => relied.push(cause(space, rest, facts)),
            Err(more) => missing.and(more),
        }
    }
    if !missing.keys.is_empty() {
        return Err(missing);
    }
    Ok(Envelope {
        version: ENVELOPE_VERSION,
        space: space.name().to_owned(),
        pipeline: pipeline.to_owned(),
        source: Source::Trigger,
        key: fire.hash.clone(),
        scheduled_time: None,
        partition: Some(label.to_owned()),
        event_time: None,
        event: None,
        trigger: None,
        parent: None,
        task_token: None,
        cause: Some(json!({ "trigger": { "relied": relied, "at": fire.at } })),
        params: serde_json::Map::new(),
        downstream: fire.downstream.clone(),
        reservation: None,
    })
}

fn cause(space: &Space, rest: &Rest, facts: &PartitionFacts) -> serde_json::Value {
    let partition = if rest.label.starts_with(TIMED) { "none" } else { rest.label.as_str() };
    let run: Option<&RunFact> = facts.run(rest.version.number);
    let mark = facts.overrides.mark.as_ref().filter(|mark| mark.version == rest.version);
    let status = mark.map(|mark| mark.status).or(run.map(|run| run.status));
    let mut said = json!({ "pipeline": rest.pipeline, "partition": partition, "number": rest.version.number });
    if let Some(fields) = said.as_object_mut() {
        fields.extend(status.map(|status| ("status".to_owned(), json!(status))));
        let account = space.known(&rest.pipeline).map(|row| json!(row.account));
        fields.extend(account.map(|account| ("account".to_owned(), account)));
        match mark {
            Some(mark) => {
                fields.insert("markedBy".to_owned(), json!(mark.signed.by));
            }
            None => {
                let ended = run.and_then(|run| run.ended_at).map(|at| ("endedAt".to_owned(), json!(at)));
                fields.extend(ended);
            }
        }
    }
    said
}
