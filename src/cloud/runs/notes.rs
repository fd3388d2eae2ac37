//! What else the table remembers for people: pauses, wishes to stop a run, messages that are owed to the central account.
//!
//! In come notes and the pipeline or run that they are about; out come the same, and runs in short where many are looked
//! at. This module refuses to know what follows from a note.

use aws_sdk_dynamodb::operation::delete_item::DeleteItemError;
use aws_sdk_dynamodb::operation::put_item::PutItemError;
use aws_sdk_dynamodb::operation::update_item::UpdateItemError;
use aws_sdk_dynamodb::types::ReturnValue;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::row::{self, Item, Reader, text};
use super::table::{Table, service, won};
use crate::cloud::failure::{CloudResult, Explained};
use crate::control::message::Message;
use crate::control::run::{RunId, RunRef, Source, Status, keys};
use crate::control::verbs::Pause;

/// A run was to be stopped.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Stop {
    /// Who says so.
    pub by: String,
    /// Why.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub why: Option<String>,
    /// When.
    pub at: Timestamp,
    /// How often its execution had been redriven then: a later redrive is not stopped.
    #[serde(default)]
    pub redrives: u64,
}

/// A run in short.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Brief {
    /// Which run of its pipeline.
    pub id: RunId,
    /// Where it stands.
    pub status: Status,
    /// Who asked for it.
    pub source: Source,
    /// Its start key.
    pub key: String,
    /// Name of the error that it ended with.
    pub error: Option<String>,
    /// When it was asked for.
    pub claimed_at: Timestamp,
}

/// What the account function notes.
#[allow(async_fn_in_trait)] // one thread runs the function; no future needs to be `Send`
pub trait Notes {
    /// The pause of a pipeline.
    async fn pause_of(&self, pipeline: &str) -> CloudResult<Option<Pause>>;

    /// Pauses a pipeline; false if it is paused already.
    async fn pause(&self, pipeline: &str, pause: &Pause) -> CloudResult<bool>;

    /// Ends a pause, and says which.
    async fn resume(&self, pipeline: &str) -> CloudResult<Option<Pause>>;

    /// Notes that a run is to be stopped; false if it has ended, or if there is none.
    async fn note_stop(&self, run: &RunRef, stop: &Stop) -> CloudResult<bool>;

    /// All runs of a pipeline from one partition to another, both included, or of all; oldest partition first.
    async fn briefs(&self, pipeline: &str, between: Option<(&str, &str)>) -> CloudResult<Vec<Brief>>;

    /// Keeps a message that could not be sent.
    async fn owe(&self, message: &Message) -> CloudResult<()>;

    /// The messages that are owed.
    async fn owed(&self) -> CloudResult<Vec<Message>>;

    /// A message has been sent.
    async fn paid(&self, id: &str) -> CloudResult<()>;
}

impl Notes for Table {
    async fn pause_of(&self, pipeline: &str) -> CloudResult<Option<Pause>> {
        let item = self.get(row::key(keys::pipeline(pipeline), keys::PAUSE.to_owned())).await?;
        item.map(|item| self.document(&item, "pause")).transpose()
    }

    async fn pause(&self, pipeline: &str, pause: &Pause) -> CloudResult<bool> {
        let mut item = row::key(keys::pipeline(pipeline), keys::PAUSE.to_owned());
        item.insert("pause".to_owned(), text(json(pause)?));
        let put = self.client.put_item().table_name(&self.name).set_item(Some(item));
        let answer = put.condition_expression("attribute_not_exists(pk)").send().await;
        let lost = matches!(service(&answer), Some(PutItemError::ConditionalCheckFailedException(_)));
        won(answer, lost, &self.caller, "dynamodb:PutItem")
    }

    async fn resume(&self, pipeline: &str) -> CloudResult<Option<Pause>> {
        let key = row::key(keys::pipeline(pipeline), keys::PAUSE.to_owned());
        let delete = self.client.delete_item().table_name(&self.name).set_key(Some(key));
        let answer = delete.return_values(ReturnValue::AllOld).send().await;
        let old = answer.explained(&self.caller, "dynamodb:DeleteItem")?.attributes;
        old.map(|item| self.document(&item, "pause")).transpose()
    }

    async fn note_stop(&self, run: &RunRef, stop: &Stop) -> CloudResult<bool> {
        let answer = self
            .client
            .update_item()
            .table_name(&self.name)
            .set_key(Some(row::run_key(run)))
            .update_expression("SET #stop = :stop")
            .condition_expression("#status = :queued OR #status = :running")
            .expression_attribute_names("#stop", "stop")
            .expression_attribute_names("#status", "status")
            .expression_attribute_values(":stop", text(json(stop)?))
            .expression_attribute_values(":queued", text(Status::Queued.as_str()))
            .expression_attribute_values(":running", text(Status::Running.as_str()))
            .send()
            .await;
        let lost = matches!(service(&answer), Some(UpdateItemError::ConditionalCheckFailedException(_)));
        won(answer, lost, &self.caller, "dynamodb:UpdateItem")
    }

    async fn briefs(&self, pipeline: &str, between: Option<(&str, &str)>) -> CloudResult<Vec<Brief>> {
        let id = |partition: &str, number| keys::run(&RunId { partition: partition.to_owned(), number });
        let (first, last) = match between {
            Some((first, last)) => (id(first, 0), id(last, 999_999)),
            None => (keys::RUNS.to_owned(), keys::RUNS.replace('#', "$")),
        };
        let mut briefs = Vec::new();
        let mut start = None;
        loop {
            let answer = self
                .client
                .query()
                .table_name(&self.name)
                .key_condition_expression("pk = :pk AND sk BETWEEN :first AND :last")
                .projection_expression("#p, #n, #s, #source, #k, #e, claimedAt")
                .expression_attribute_names("#p", "partition")
                .expression_attribute_names("#n", "number")
                .expression_attribute_names("#s", "status")
                .expression_attribute_names("#source", "source")
                .expression_attribute_names("#k", "key")
                .expression_attribute_names("#e", "error")
                .expression_attribute_values(":pk", text(keys::pipeline(pipeline)))
                .expression_attribute_values(":first", text(&first))
                .expression_attribute_values(":last", text(&last))
                .consistent_read(true)
                .set_exclusive_start_key(start.take())
                .send()
                .await
                .explained(&self.caller, "dynamodb:Query")?;
            for item in answer.items() {
                briefs.push(brief(item).map_err(|wrong| self.unreadable(item, &wrong))?);
            }
            match answer.last_evaluated_key {
                Some(last) => start = Some(last),
                None => return Ok(briefs),
            }
        }
    }

    async fn owe(&self, message: &Message) -> CloudResult<()> {
        let mut item = row::key(keys::OWED.to_owned(), message.id.clone());
        item.insert("message".to_owned(), text(json(message)?));
        let put = self.client.put_item().table_name(&self.name).set_item(Some(item)).send().await;
        put.explained(&self.caller, "dynamodb:PutItem").map(|_| ())
    }

    async fn owed(&self) -> CloudResult<Vec<Message>> {
        let items = self.all_of(keys::OWED).await?;
        items.iter().map(|item| self.document(item, "message")).collect()
    }

    async fn paid(&self, id: &str) -> CloudResult<()> {
        let key = row::key(keys::OWED.to_owned(), id.to_owned());
        let answer = self.client.delete_item().table_name(&self.name).set_key(Some(key)).send().await;
        let gone = matches!(service(&answer), Some(DeleteItemError::ResourceNotFoundException(_)));
        won(answer, gone, &self.caller, "dynamodb:DeleteItem").map(|_| ())
    }
}

fn brief(item: &Item) -> Result<Brief, String> {
    let row = Reader(item);
    let (status, source) = (row.text("status")?, row.text("source")?);
    Ok(Brief {
        id: RunId { partition: row.text("partition")?, number: row.run_number("number")? },
        status: Status::parse(&status).ok_or_else(|| format!("`status` is unknown: `{status}`"))?,
        source: row::source_of(&source)?,
        key: row.text("key")?,
        error: row.find("error").map(str::to_owned),
        claimed_at: row.time("claimedAt")?,
    })
}

/// A document as an attribute.
pub(super) fn json<T: Serialize>(document: &T) -> CloudResult<String> {
    serde_json::to_string(document).map_err(|error| super::table::unwritable(&error))
}

impl Table {
    /// The document in an attribute of a row.
    pub(super) fn document<T: serde::de::DeserializeOwned>(&self, item: &Item, name: &str) -> CloudResult<T> {
        let found = Reader(item).text(name);
        let read = found
            .and_then(|text| serde_json::from_str(&text).map_err(|error| format!("`{name}` cannot be read: {error}")));
        read.map_err(|wrong| self.unreadable(item, &wrong))
    }

    /// All rows of a partition key.
    pub(super) async fn all_of(&self, pk: &str) -> CloudResult<Vec<Item>> {
        let mut items = Vec::new();
        let mut start = None;
        loop {
            let answer = self
                .client
                .query()
                .table_name(&self.name)
                .key_condition_expression("pk = :pk")
                .expression_attribute_values(":pk", text(pk))
                .consistent_read(true)
                .set_exclusive_start_key(start.take())
                .send()
                .await
                .explained(&self.caller, "dynamodb:Query")?;
            items.extend(answer.items.unwrap_or_default());
            match answer.last_evaluated_key {
                Some(last) => start = Some(last),
                None => return Ok(items),
            }
        }
    }
}
