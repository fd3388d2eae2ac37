//! Reruns and backfills: how far each has come.
//!
//! In come batches and the list of their partitions, which is written once; out come the same, and whether a change was
//! the first one after what was seen. This module refuses to know when the next partition may start.

use aws_sdk_dynamodb::operation::put_item::PutItemError;
use serde::{Deserialize, Serialize};

use super::notes::json;
use super::row::{self, Item, OPEN_BATCH, Reader, number, text};
use super::table::{Table, service, won};
use crate::cloud::failure::{CloudResult, Explained};
use crate::control::run::keys;
use crate::control::verbs::Batch;

/// How many partitions are in one row: whoever starts the next few reads little.
pub const CHUNK: usize = 500;

/// A batch and what the function remembers of it beside what people see.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct BatchRow {
    /// What people see.
    pub batch: Batch,
    /// Whether the central account has been asked to reserve its partitions.
    pub reserved: bool,
    /// Who has cancelled it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cancelled_by: Option<String>,
    /// Whether that stops its runs at work as well.
    #[serde(default)]
    pub stop: bool,
    /// Counts changes, so that of two writers who have seen the same one is told.
    #[serde(skip)]
    pub revision: u64,
}

/// What the account function needs of them. A partition of a batch is a label, or `<label>#<number>` for a certain run.
#[allow(async_fn_in_trait)] // one thread runs the function; no future needs to be `Send`
pub trait Batches {
    /// Writes a new batch and its partitions; false if the id is taken.
    async fn create_batch(&self, row: &BatchRow, partitions: &[String]) -> CloudResult<bool>;

    /// A batch.
    async fn batch(&self, id: &str) -> CloudResult<Option<BatchRow>>;

    /// Its partitions from one place in the list on, at least one while there are more, and at most to the end of their row.
    async fn partitions_of(&self, id: &str, from: usize) -> CloudResult<Vec<String>>;

    /// Writes a batch that nobody has written since it was read; false if somebody has.
    async fn save_batch(&self, row: &BatchRow) -> CloudResult<bool>;

    /// All batches, oldest first.
    async fn batches(&self) -> CloudResult<Vec<BatchRow>>;

    /// The ids of those for which something is left to do. May lag a little behind writes.
    async fn open_batches(&self) -> CloudResult<Vec<String>>;
}

impl Batches for Table {
    async fn create_batch(&self, row: &BatchRow, partitions: &[String]) -> CloudResult<bool> {
        let id = &row.batch.id;
        if self.batch(id).await?.is_some() {
            return Ok(false);
        }
        for (at, chunk) in partitions.chunks(CHUNK).enumerate() {
            let mut item = row::key(keys::batch(id), keys::batch_partitions(at));
            item.insert("partitions".to_owned(), text(chunk.join(" ")));
            let put = self.client.put_item().table_name(&self.name).set_item(Some(item)).send().await;
            put.explained(&self.caller, "dynamodb:PutItem")?;
        }
        let put = self.client.put_item().table_name(&self.name).set_item(Some(item(row)?));
        let answer = put.condition_expression("attribute_not_exists(pk)").send().await;
        let lost = matches!(service(&answer), Some(PutItemError::ConditionalCheckFailedException(_)));
        won(answer, lost, &self.caller, "dynamodb:PutItem")
    }

    async fn batch(&self, id: &str) -> CloudResult<Option<BatchRow>> {
        let item = self.get(row::key(keys::BATCHES.to_owned(), id.to_owned())).await?;
        item.map(|item| self.read_batch(&item)).transpose()
    }

    async fn partitions_of(&self, id: &str, from: usize) -> CloudResult<Vec<String>> {
        let key = row::key(keys::batch(id), keys::batch_partitions(from / CHUNK));
        let Some(item) = self.get(key).await? else { return Ok(Vec::new()) };
        let all = Reader(&item).text("partitions").map_err(|wrong| self.unreadable(&item, &wrong))?;
        Ok(all.split(' ').skip(from % CHUNK).map(str::to_owned).collect())
    }

    async fn save_batch(&self, row: &BatchRow) -> CloudResult<bool> {
        let next = BatchRow { revision: row.revision + 1, ..row.clone() };
        let put = self.client.put_item().table_name(&self.name).set_item(Some(item(&next)?));
        let put = put.condition_expression("revision = :seen");
        let answer = put.expression_attribute_values(":seen", number(row.revision)).send().await;
        let lost = matches!(service(&answer), Some(PutItemError::ConditionalCheckFailedException(_)));
        won(answer, lost, &self.caller, "dynamodb:PutItem")
    }

    async fn batches(&self) -> CloudResult<Vec<BatchRow>> {
        let items = self.all_of(keys::BATCHES).await?;
        let mut rows: Vec<BatchRow> = items.iter().map(|item| self.read_batch(item)).collect::<CloudResult<_>>()?;
        rows.sort_by(|one, other| (one.batch.at, &one.batch.id).cmp(&(other.batch.at, &other.batch.id)));
        Ok(rows)
    }

    async fn open_batches(&self) -> CloudResult<Vec<String>> {
        let items = self.open(OPEN_BATCH).await?;
        Ok(items.iter().filter_map(|item| Reader(item).find("sk").map(str::to_owned)).collect())
    }
}

fn item(row: &BatchRow) -> CloudResult<Item> {
    let mut item = row::key(keys::BATCHES.to_owned(), row.batch.id.clone());
    item.insert("batch".to_owned(), text(json(row)?));
    item.insert("pipeline".to_owned(), text(&row.batch.pipeline));
    item.insert("revision".to_owned(), number(row.revision));
    if !row.batch.state.is_final() {
        item.insert("open".to_owned(), text(OPEN_BATCH));
    }
    Ok(item)
}

impl Table {
    fn read_batch(&self, item: &Item) -> CloudResult<BatchRow> {
        let revision = Reader(item).number("revision").map_err(|wrong| self.unreadable(item, &wrong))?;
        Ok(BatchRow { revision, ..self.document(item, "batch")? })
    }
}
