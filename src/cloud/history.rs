//! Rows of `dpc-runs`, read for people: which runs there were and how they ended.
//!
//! In come a pipeline and perhaps a partition; out come [`Run`]s, newest first. This module only reads: who claims and
//! ends runs is the account function.

use std::collections::HashMap;

use aws_sdk_dynamodb::types::AttributeValue;
use aws_smithy_types::error::metadata::ProvideErrorMetadata;

use crate::cloud::failure::{CloudResult, Explained};
use crate::cloud::session::Session;
use crate::control::names;
use crate::control::run::{RunId, RunRef, Status, keys};

/// One run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Run {
    /// Who it is.
    pub name: RunRef,
    /// Where it stands.
    pub status: Status,
    /// Who asked: `schedule`, `run` …
    pub source: String,
    /// When it was claimed, RFC 3339.
    pub claimed_at: String,
    /// When its execution began.
    pub started_at: Option<String>,
    /// When it ended.
    pub ended_at: Option<String>,
    /// Its execution, once there is one.
    pub execution: Option<String>,
    /// Error name of a run that ended badly.
    pub error: Option<String>,
    /// What was wrong, in words.
    pub cause: Option<String>,
}

/// Whether the account knows the pipeline, and for which space.
///
/// # Errors
/// Whatever AWS refuses; a missing table means that the account is not set up.
pub async fn space_of(session: &Session, pipeline: &str) -> CloudResult<Option<String>> {
    let row = get(session, pipeline, keys::REGISTRATION.to_owned()).await?;
    Ok(row.as_ref().and_then(|row| text(row, "space")))
}

/// The run of this name.
///
/// # Errors
/// As [`space_of`].
pub async fn run(session: &Session, name: &RunRef) -> CloudResult<Option<Run>> {
    let row = get(session, &name.pipeline, keys::run(&name.id)).await?;
    Ok(row.as_ref().and_then(|row| read(&name.pipeline, row)))
}

/// The newest runs of a pipeline, or of one of its partitions, by the time of their claim.
///
/// # Errors
/// As [`space_of`].
pub async fn newest(session: &Session, pipeline: &str, partition: Option<&str>, limit: usize) -> CloudResult<Vec<Run>> {
    let prefix = partition.map_or_else(|| keys::RUNS.to_owned(), |label| format!("{}{label}#", keys::RUNS));
    let call = session
        .clients
        .dynamodb()
        .query()
        .table_name(names::RUNS_TABLE)
        .key_condition_expression("pk = :pk AND begins_with(sk, :prefix)")
        .expression_attribute_values(":pk", AttributeValue::S(keys::pipeline(pipeline)))
        .expression_attribute_values(":prefix", AttributeValue::S(prefix))
        // Newest partitions first. One page, a megabyte, holds about two thousand runs: an older partition that was
        // rerun lately is found among them.
        .scan_index_forward(false);
    let answer = match call.send().await {
        Err(error) if error.code() == Some("ResourceNotFoundException") => return Err(Box::new(no_table(session))),
        other => other.explained(&session.caller, "dynamodb:Query")?,
    };
    let mut runs: Vec<Run> = answer.items().iter().filter_map(|row| read(pipeline, row)).collect();
    runs.sort_by(|one, other| (&other.claimed_at, &other.name).cmp(&(&one.claimed_at, &one.name)));
    runs.truncate(limit);
    Ok(runs)
}

async fn get(session: &Session, pipeline: &str, sort: String) -> CloudResult<Option<Row>> {
    let call = session
        .clients
        .dynamodb()
        .get_item()
        .table_name(names::RUNS_TABLE)
        .key("pk", AttributeValue::S(keys::pipeline(pipeline)))
        .key("sk", AttributeValue::S(sort))
        .consistent_read(true);
    match call.send().await {
        Err(error) if error.code() == Some("ResourceNotFoundException") => Err(Box::new(no_table(session))),
        other => Ok(other.explained(&session.caller, "dynamodb:GetItem")?.item),
    }
}

fn no_table(session: &Session) -> crate::source::Finding {
    session.caller.not_set_up(&format!("table `{}`", names::RUNS_TABLE))
}

type Row = HashMap<String, AttributeValue>;

fn text(row: &Row, name: &str) -> Option<String> {
    row.get(name)?.as_s().ok().cloned()
}

fn read(pipeline: &str, row: &Row) -> Option<Run> {
    let number = row.get("number")?.as_n().ok()?.parse().ok()?;
    let id = RunId { partition: text(row, "partition")?, number };
    Some(Run {
        name: RunRef { pipeline: pipeline.to_owned(), id },
        status: Status::parse(&text(row, "status")?)?,
        source: text(row, "source").unwrap_or_default(),
        claimed_at: text(row, "claimedAt").unwrap_or_default(),
        started_at: text(row, "startedAt"),
        ended_at: text(row, "endedAt"),
        execution: text(row, "executionArn"),
        error: text(row, "error"),
        cause: text(row, "cause"),
    })
}
