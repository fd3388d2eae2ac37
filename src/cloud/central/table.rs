//! `dpc-central` in DynamoDB.
//!
//! In come keys, ranges and conditional writes; out come rows, strongly consistent, and whether the writes were won. It
//! refuses to know what the rows mean, and to decide what a lost write does.

use std::collections::HashMap;
use std::time::Duration;

use aws_sdk_dynamodb::error::SdkError;
use aws_sdk_dynamodb::operation::delete_item::DeleteItemError;
use aws_sdk_dynamodb::operation::put_item::PutItemError;
use aws_sdk_dynamodb::operation::transact_write_items::TransactWriteItemsError;
use aws_sdk_dynamodb::types::{AttributeValue, Delete, KeysAndAttributes, Put, TransactWriteItem};
use tokio::task::JoinSet;

use super::row::{self, Item, Key, Open, Row, text};
use super::{Range, Rows, Write};
use crate::cloud::failure::{Caller, CloudResult, Explained};
use crate::control::names;
use crate::source::{Code, Finding};

/// What one transaction may write:
/// <https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_TransactWriteItems.html>.
pub const TOGETHER: usize = 100;
/// What one BatchGetItem may ask for.
const KEYS: usize = 100;
/// How often unfinished batches and colliding transactions are tried.
const ATTEMPTS: u32 = 8;
/// Questions on their way at the same time.
const AT_ONCE: usize = 16;

/// The table of one central account.
#[derive(Clone, Debug)]
pub struct Table {
    client: aws_sdk_dynamodb::Client,
    caller: Caller,
    name: String,
}

impl Table {
    /// The table with this name, of the account that these clients belong to.
    pub fn new(client: aws_sdk_dynamodb::Client, caller: Caller, name: impl Into<String>) -> Self {
        Self { client, caller, name: name.into() }
    }

    async fn batch(self, keys: Vec<Key>) -> CloudResult<Vec<Row>> {
        let mut rows = Vec::with_capacity(keys.len());
        let mut left: Vec<Item> = keys.iter().map(row::key).collect();
        let mut attempt = 0;
        while !left.is_empty() {
            let wanted = KeysAndAttributes::builder().set_keys(Some(left)).consistent_read(true).build();
            let wanted = wanted.map_err(|error| unwritable(&error))?;
            let answer = self.client.batch_get_item().request_items(&self.name, wanted).send().await;
            let answer = answer.explained(&self.caller, "dynamodb:BatchGetItem")?;
            for item in answer.responses.unwrap_or_default().into_values().flatten() {
                rows.push(self.read(&item)?);
            }
            left = answer.unprocessed_keys.unwrap_or_default().into_values().flat_map(|rest| rest.keys).collect();
            attempt += 1;
            if !left.is_empty() {
                // Throttled, or more than 16 MB: the rest is asked for again.
                if attempt == ATTEMPTS {
                    let refused =
                        self.caller.refused("dynamodb:BatchGetItem", 400, Some("ThrottlingException"), None, None);
                    return Err(Box::new(refused));
                }
                pause(attempt).await;
            }
        }
        Ok(rows)
    }

    async fn query(self, range: Range) -> CloudResult<Vec<Row>> {
        let mut rows = Vec::new();
        let mut start = None;
        loop {
            let answer = self
                .client
                .query()
                .table_name(&self.name)
                .key_condition_expression("pk = :pk AND sk BETWEEN :first AND :last")
                .expression_attribute_values(":pk", text(&range.pk))
                .expression_attribute_values(":first", text(&range.first))
                .expression_attribute_values(":last", text(&range.last))
                .consistent_read(true)
                .scan_index_forward(range.limit.is_none())
                .set_limit(range.limit.map(|limit| i32::try_from(limit).unwrap_or(i32::MAX)))
                .set_exclusive_start_key(start.take())
                .send()
                .await
                .explained(&self.caller, "dynamodb:Query")?;
            for item in answer.items() {
                rows.push(self.read(item)?);
            }
            match answer.last_evaluated_key {
                Some(last) if range.limit.is_none_or(|limit| rows.len() < limit) => start = Some(last),
                _ => return Ok(rows),
            }
        }
    }

    fn read(&self, item: &Item) -> CloudResult<Row> {
        row::to_row(item).map_err(|wrong| {
            let key = row::to_key(item).unwrap_or_else(|| Key::new("?", "?"));
            unreadable(&self.name, &key, &wrong)
        })
    }

    /// One write, without the price of a transaction, which is twice as much.
    async fn single(&self, write: &Write) -> CloudResult<bool> {
        let expected = write.replaces();
        match write {
            Write::Put(row, _) => {
                let answer = self
                    .client
                    .put_item()
                    .table_name(&self.name)
                    .set_item(Some(row::to_item(row)))
                    .condition_expression(condition(expected))
                    .set_expression_attribute_names(names_of(expected))
                    .set_expression_attribute_values(values_of(expected))
                    .send()
                    .await;
                let lost = matches!(service(&answer), Some(PutItemError::ConditionalCheckFailedException(_)));
                if lost { Ok(false) } else { answer.explained(&self.caller, "dynamodb:PutItem").map(|_| true) }
            }
            Write::Delete(key, _) => {
                let answer = self
                    .client
                    .delete_item()
                    .table_name(&self.name)
                    .set_key(Some(row::key(key)))
                    .condition_expression(condition(expected))
                    .set_expression_attribute_names(names_of(expected))
                    .set_expression_attribute_values(values_of(expected))
                    .send()
                    .await;
                let lost = matches!(service(&answer), Some(DeleteItemError::ConditionalCheckFailedException(_)));
                if lost { Ok(false) } else { answer.explained(&self.caller, "dynamodb:DeleteItem").map(|_| true) }
            }
        }
    }

    fn part(&self, write: &Write) -> CloudResult<TransactWriteItem> {
        let expected = write.replaces();
        Ok(match write {
            Write::Put(row, _) => {
                let put = Put::builder()
                    .table_name(&self.name)
                    .set_item(Some(row::to_item(row)))
                    .condition_expression(condition(expected))
                    .set_expression_attribute_names(names_of(expected))
                    .set_expression_attribute_values(values_of(expected));
                TransactWriteItem::builder().put(put.build().map_err(|error| unwritable(&error))?).build()
            }
            Write::Delete(key, _) => {
                let delete = Delete::builder()
                    .table_name(&self.name)
                    .set_key(Some(row::key(key)))
                    .condition_expression(condition(expected))
                    .set_expression_attribute_names(names_of(expected))
                    .set_expression_attribute_values(values_of(expected));
                TransactWriteItem::builder().delete(delete.build().map_err(|error| unwritable(&error))?).build()
            }
        })
    }

    async fn transact(&self, writes: &[Write]) -> CloudResult<bool> {
        let parts = writes.iter().map(|write| self.part(write)).collect::<CloudResult<Vec<_>>>()?;
        // One token for all attempts: an attempt whose answer was lost is not done twice.
        let token = format!("{:016x}{:016x}", fastrand::u64(..), fastrand::u64(..));
        let mut attempt = 0;
        loop {
            let request = self.client.transact_write_items().set_transact_items(Some(parts.clone()));
            let answer = request.client_request_token(&token).send().await;
            attempt += 1;
            match outcome(&answer) {
                Some(Lost::Refused) => return Ok(false),
                Some(Lost::Collided) if attempt < ATTEMPTS => pause(attempt).await,
                _ => return answer.explained(&self.caller, "dynamodb:TransactWriteItems").map(|_| true),
            }
        }
    }
}

impl Rows for Table {
    async fn get(&self, keys: &[Key]) -> CloudResult<Vec<Row>> {
        let batches = keys.chunks(KEYS).map(|keys| self.clone().batch(keys.to_vec()));
        Ok(gather(batches).await?.into_iter().flatten().collect())
    }

    async fn ranges(&self, ranges: &[Range]) -> CloudResult<Vec<Vec<Row>>> {
        gather(ranges.iter().map(|range| self.clone().query(range.clone()))).await
    }

    async fn write(&self, writes: &[Write]) -> CloudResult<bool> {
        match writes {
            [] => Ok(true),
            [one] => self.single(one).await,
            several => self.transact(several).await,
        }
    }

    async fn open(&self, what: Open) -> CloudResult<Vec<Key>> {
        let mut keys = Vec::new();
        let mut start = None;
        loop {
            let answer = self
                .client
                .query()
                .table_name(&self.name)
                .index_name(names::OPEN_INDEX)
                .key_condition_expression("#open = :open")
                .expression_attribute_names("#open", "open")
                .expression_attribute_values(":open", text(what.as_str()))
                .set_exclusive_start_key(start.take())
                .send()
                .await
                .explained(&self.caller, "dynamodb:Query")?;
            keys.extend(answer.items().iter().filter_map(row::to_key));
            match answer.last_evaluated_key {
                Some(last) => start = Some(last),
                None => return Ok(keys),
            }
        }
    }
}

/// Asks several questions at the same time; the answers come in the order of the questions.
async fn gather<F>(questions: impl Iterator<Item = F>) -> CloudResult<Vec<Vec<Row>>>
where
    F: Future<Output = CloudResult<Vec<Row>>> + Send + 'static,
{
    let mut answers: Vec<(usize, Vec<Row>)> = Vec::new();
    let mut running = JoinSet::new();
    let mut questions = questions.enumerate().peekable();
    loop {
        while running.len() < AT_ONCE
            && let Some((at, question)) = questions.next()
        {
            running.spawn(async move { (at, question.await) });
        }
        let Some(joined) = running.join_next().await else { break };
        let (at, answer) = joined.map_err(|error| {
            Box::new(Finding::new(Code::AwsRefused, format!("a question to the table did not end: {error}")))
        })?;
        answers.push((at, answer?));
    }
    answers.sort_by_key(|(at, _)| *at);
    Ok(answers.into_iter().map(|(_, rows)| rows).collect())
}

/// Longer from time to time, and never the same.
async fn pause(attempt: u32) {
    let longest = 20 << attempt;
    tokio::time::sleep(Duration::from_millis(fastrand::u64(longest / 2..longest))).await;
}

fn condition(expected: u64) -> &'static str {
    if expected == 0 { "attribute_not_exists(pk)" } else { "#version = :version" }
}

fn names_of(expected: u64) -> Option<HashMap<String, String>> {
    (expected > 0).then(|| HashMap::from([("#version".to_owned(), "version".to_owned())]))
}

fn values_of(expected: u64) -> Option<HashMap<String, AttributeValue>> {
    (expected > 0).then(|| HashMap::from([(":version".to_owned(), AttributeValue::N(expected.to_string()))]))
}

fn unwritable(error: &aws_sdk_dynamodb::error::BuildError) -> Box<Finding> {
    Box::new(Finding::new(Code::AwsRefused, format!("a request to DynamoDB cannot be made: {error}")))
}

/// A row that dpc cannot read.
pub fn unreadable(table: &str, key: &Key, wrong: &str) -> Box<Finding> {
    let message = format!("row `{}`, `{}` of table `{table}` cannot be read: {wrong}", key.pk, key.sk);
    let finding = Finding::new(Code::UnreadableRow, message).why("somebody or another version of dpc has written it");
    Box::new(finding.help("see docs/central.md for the layout"))
}

fn service<O, E>(answer: &Result<O, SdkError<E>>) -> Option<&E> {
    answer.as_ref().err().and_then(SdkError::as_service_error)
}

/// Why a transaction was not won.
enum Lost {
    /// A row is not at the version that was expected.
    Refused,
    /// Another request was on the same rows, or there are too many; no condition is known to have failed.
    Collided,
}

fn outcome<O>(answer: &Result<O, SdkError<TransactWriteItemsError>>) -> Option<Lost> {
    let Some(TransactWriteItemsError::TransactionCanceledException(canceled)) = service(answer) else { return None };
    let has = |code: &str| canceled.cancellation_reasons().iter().any(|reason| reason.code() == Some(code));
    if has("ConditionalCheckFailed") {
        Some(Lost::Refused)
    } else if ["TransactionConflict", "ThrottlingError", "ProvisionedThroughputExceeded"].into_iter().any(has) {
        Some(Lost::Collided)
    } else {
        None
    }
}
