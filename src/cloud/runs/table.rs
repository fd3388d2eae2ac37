//! The store in DynamoDB.
//!
//! In come the calls of [`Store`]; out come requests with conditions, and which conditions failed. It refuses to decide
//! what a lost race means.

use aws_sdk_dynamodb::error::SdkError;
use aws_sdk_dynamodb::operation::delete_item::DeleteItemError;
use aws_sdk_dynamodb::operation::put_item::PutItemError;
use aws_sdk_dynamodb::operation::transact_write_items::TransactWriteItemsError;
use aws_sdk_dynamodb::operation::update_item::UpdateItemError;
use aws_sdk_dynamodb::operation::update_item::builders::UpdateItemFluentBuilder;
use aws_sdk_dynamodb::types::{AttributeValue, Put, ReturnConsumedCapacity, TransactWriteItem, Update};
use jiff::Timestamp;

use super::row::{self, Item, OPEN_PIPELINE, OPEN_RUN, PENDING, Reader, number, text};
use super::{Chore, Progress, Registration, Run, Store};
use crate::cloud::failure::{Caller, CloudResult, Explained};
use crate::control::names;
use crate::control::run::{RunId, RunRef, keys};
use crate::source::{Code, Finding};

/// How often a transaction is tried when two collide without either having won.
const ATTEMPTS: u32 = 8;

/// `dpc-runs` of one account and region.
#[derive(Clone, Debug)]
pub struct Table {
    pub(super) client: aws_sdk_dynamodb::Client,
    pub(super) caller: Caller,
    pub(super) name: String,
}

impl Table {
    /// The table of the account that these clients belong to.
    pub fn new(client: aws_sdk_dynamodb::Client, caller: Caller) -> Self {
        Self { client, caller, name: names::RUNS_TABLE.to_owned() }
    }

    /// Runs of a pipeline, newest partition first and newest run within it first; `after` is the last run of the page
    /// before.
    ///
    /// # Errors
    /// Whatever AWS refuses, and rows that cannot be read.
    pub async fn runs(&self, pipeline: &str, limit: u32, after: Option<&RunRef>) -> CloudResult<Vec<Run>> {
        self.query_runs(pipeline, keys::RUNS.to_owned(), limit, after).await
    }

    /// Runs of one partition, newest first.
    ///
    /// # Errors
    /// Whatever AWS refuses, and rows that cannot be read.
    pub async fn runs_of_partition(&self, pipeline: &str, partition: &str, limit: u32) -> CloudResult<Vec<Run>> {
        self.query_runs(pipeline, format!("{}{partition}#", keys::RUNS), limit, None).await
    }

    async fn query_runs(
        &self,
        pipeline: &str,
        prefix: String,
        limit: u32,
        after: Option<&RunRef>,
    ) -> CloudResult<Vec<Run>> {
        let mut runs = Vec::new();
        let mut start = after.map(row::run_key);
        let limit = usize::try_from(limit).unwrap_or(usize::MAX);
        while runs.len() < limit {
            let page = i32::try_from(limit - runs.len()).unwrap_or(i32::MAX);
            let answer = self
                .client
                .query()
                .table_name(&self.name)
                .key_condition_expression("pk = :pk AND begins_with(sk, :prefix)")
                .expression_attribute_values(":pk", text(keys::pipeline(pipeline)))
                .expression_attribute_values(":prefix", text(&prefix))
                .scan_index_forward(false)
                .consistent_read(true)
                .limit(page)
                .set_exclusive_start_key(start.take())
                .send()
                .await
                .explained(&self.caller, "dynamodb:Query")?;
            for item in answer.items() {
                runs.push(row::to_run(item).map_err(|wrong| self.unreadable(item, &wrong))?);
            }
            match answer.last_evaluated_key {
                Some(last) => start = Some(last),
                None => break,
            }
        }
        Ok(runs)
    }

    pub(super) async fn get(&self, key: Item) -> CloudResult<Option<Item>> {
        let request = self.client.get_item().table_name(&self.name).set_key(Some(key)).consistent_read(true);
        Ok(request.send().await.explained(&self.caller, "dynamodb:GetItem")?.item)
    }

    /// Keys of everything whose `open` has this value.
    pub(super) async fn open(&self, value: &str) -> CloudResult<Vec<Item>> {
        let mut items = Vec::new();
        let mut start = None;
        loop {
            let answer = self
                .client
                .query()
                .table_name(&self.name)
                .index_name(names::OPEN_INDEX)
                .key_condition_expression("#open = :open")
                .expression_attribute_names("#open", "open")
                .expression_attribute_values(":open", text(value))
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

    fn update(&self, key: Item) -> UpdateItemFluentBuilder {
        self.client.update_item().table_name(&self.name).set_key(Some(key))
    }

    pub(super) fn unreadable(&self, item: &Item, wrong: &str) -> Box<Finding> {
        let row = Reader(item);
        let (pk, sk) = (row.find("pk").unwrap_or("?"), row.find("sk").unwrap_or("?"));
        let message = format!("row `{pk}`, `{sk}` of table `{}` cannot be read: {wrong}", self.name);
        let finding = Finding::new(Code::AwsRefused, message);
        Box::new(
            finding.why("somebody or another version of dpc has written it").help("see docs/runs.md for the layout"),
        )
    }

    /// One transaction, all or none: false if a condition did not hold.
    pub(super) async fn transact(&self, writes: Vec<TransactWriteItem>) -> CloudResult<bool> {
        // One token for all attempts: an attempt whose answer was lost is not done twice.
        let token = format!("{:016x}{:016x}", fastrand::u64(..), fastrand::u64(..));
        let mut attempt = 1;
        loop {
            let answer = self
                .client
                .transact_write_items()
                .set_transact_items(Some(writes.clone()))
                .client_request_token(&token)
                .return_consumed_capacity(ReturnConsumedCapacity::None)
                .send()
                .await;
            match outcome(&answer) {
                Transaction::Refused => return Ok(false),
                Transaction::Collided if attempt < ATTEMPTS => {
                    let longest = 20 << attempt;
                    tokio::time::sleep(std::time::Duration::from_millis(fastrand::u64(longest / 2..longest))).await;
                    attempt += 1;
                }
                Transaction::Collided | Transaction::Other => {
                    return answer.explained(&self.caller, "dynamodb:TransactWriteItems").map(|_| true);
                }
            }
        }
    }

    /// The writes of a claim: key, counter, run and, for a run that is to start, its place in the queue.
    fn claim_writes(&self, run: &Run) -> Result<Vec<TransactWriteItem>, Box<Finding>> {
        let RunRef { pipeline, id } = &run.reference;
        let built = |error: aws_sdk_dynamodb::error::BuildError| unwritable(&error);
        let put = |item: Item| {
            let put = Put::builder().table_name(&self.name).set_item(Some(item));
            put.condition_expression("attribute_not_exists(pk)").build()
        };
        let mut key = row::key(keys::pipeline(pipeline), keys::start_key(&run.key));
        key.insert("partition".to_owned(), text(&id.partition));
        key.insert("number".to_owned(), number(id.number.into()));
        key.insert("claimedAt".to_owned(), text(run.claimed_at.to_string()));

        let counter = Update::builder()
            .table_name(&self.name)
            .set_key(Some(row::key(keys::pipeline(pipeline), keys::partition(&id.partition))))
            .update_expression("SET #number = :new")
            .expression_attribute_names("#number", "number")
            .expression_attribute_values(":new", number(id.number.into()));
        let counter = if id.number == 1 {
            counter.condition_expression("attribute_not_exists(#number)")
        } else {
            let old = number(u64::from(id.number) - 1);
            counter.condition_expression("#number = :old").expression_attribute_values(":old", old)
        };
        let mut writes = vec![
            TransactWriteItem::builder().put(put(key).map_err(built)?).build(),
            TransactWriteItem::builder().update(counter.build().map_err(built)?).build(),
            TransactWriteItem::builder().put(put(row::of_run(run)).map_err(built)?).build(),
        ];
        if run.is_waiting() {
            // Whoever waits there now is older, by the counter's condition, and loses its place.
            let mut place = row::key(keys::pipeline(pipeline), keys::waiting(&id.partition));
            place.insert("number".to_owned(), number(id.number.into()));
            let place = Put::builder().table_name(&self.name).set_item(Some(place)).build().map_err(built)?;
            writes.push(TransactWriteItem::builder().put(place).build());
        }
        Ok(writes)
    }
}

pub(super) fn unwritable(error: &dyn std::fmt::Display) -> Box<Finding> {
    Box::new(Finding::new(Code::AwsRefused, format!("a row cannot be written: {error}")))
}

impl Store for Table {
    async fn registration(&self, pipeline: &str) -> CloudResult<Option<Registration>> {
        let item = self.get(row::key(keys::pipeline(pipeline), keys::REGISTRATION.to_owned())).await?;
        item.map(|item| row::to_registration(&item).map_err(|wrong| self.unreadable(&item, &wrong))).transpose()
    }

    async fn register(&self, registration: &Registration, instead_of: Option<&str>) -> CloudResult<bool> {
        let item = row::of_registration(registration).map_err(|wrong| {
            Box::new(Finding::new(Code::AwsRefused, format!("a registration cannot be written: {wrong}")))
        })?;
        let answer = self
            .client
            .put_item()
            .table_name(&self.name)
            .set_item(Some(item))
            .condition_expression("attribute_not_exists(pk) OR stackId = :stack OR stackId = :old")
            .expression_attribute_values(":stack", text(&registration.stack))
            .expression_attribute_values(":old", text(instead_of.unwrap_or(&registration.stack)))
            .send()
            .await;
        let lost = matches!(service(&answer), Some(PutItemError::ConditionalCheckFailedException(_)));
        won(answer, lost, &self.caller, "dynamodb:PutItem")
    }

    async fn unregister(&self, pipeline: &str, stack: &str) -> CloudResult<bool> {
        let answer = self
            .client
            .delete_item()
            .table_name(&self.name)
            .set_key(Some(row::key(keys::pipeline(pipeline), keys::REGISTRATION.to_owned())))
            .condition_expression("stackId = :stack")
            .expression_attribute_values(":stack", text(stack))
            .send()
            .await;
        let lost = matches!(service(&answer), Some(DeleteItemError::ConditionalCheckFailedException(_)));
        won(answer, lost, &self.caller, "dynamodb:DeleteItem")
    }

    async fn pipelines(&self) -> CloudResult<Vec<String>> {
        let items = self.open(OPEN_PIPELINE).await?;
        let name = |item: &Item| Some(Reader(item).find("pk")?.strip_prefix(&keys::pipeline(""))?.to_owned());
        let mut pipelines: Vec<String> = items.iter().filter_map(name).collect();
        pipelines.sort();
        Ok(pipelines)
    }

    async fn swept(&self, pipeline: &str, digest: &str, to: Timestamp) -> CloudResult<()> {
        let answer = self
            .update(row::key(keys::pipeline(pipeline), keys::REGISTRATION.to_owned()))
            .update_expression("SET sweptTo = :to")
            .condition_expression("planDigest = :digest")
            .expression_attribute_values(":to", text(to.to_string()))
            .expression_attribute_values(":digest", text(digest))
            .send()
            .await;
        let lost = matches!(service(&answer), Some(UpdateItemError::ConditionalCheckFailedException(_)));
        won(answer, lost, &self.caller, "dynamodb:UpdateItem").map(|_| ())
    }

    async fn run_of_key(&self, pipeline: &str, key: &str) -> CloudResult<Option<RunId>> {
        let Some(item) = self.get(row::key(keys::pipeline(pipeline), keys::start_key(key))).await? else {
            return Ok(None);
        };
        let row = Reader(&item);
        let id = row.text("partition").and_then(|partition| {
            let number = row.run_number("number")?;
            Ok(RunId { partition, number })
        });
        id.map(Some).map_err(|wrong| self.unreadable(&item, &wrong))
    }

    async fn newest_number(&self, pipeline: &str, partition: &str) -> CloudResult<u32> {
        let Some(item) = self.get(row::key(keys::pipeline(pipeline), keys::partition(partition))).await? else {
            return Ok(0);
        };
        Reader(&item).run_number("number").map_err(|wrong| self.unreadable(&item, &wrong))
    }

    async fn claim(&self, run: &Run) -> CloudResult<bool> {
        self.transact(self.claim_writes(run)?).await
    }

    async fn run(&self, reference: &RunRef) -> CloudResult<Option<Run>> {
        let item = self.get(row::run_key(reference)).await?;
        item.map(|item| row::to_run(&item).map_err(|wrong| self.unreadable(&item, &wrong))).transpose()
    }

    async fn advance(&self, reference: &RunRef, progress: &Progress) -> CloudResult<bool> {
        let mut request = self
            .update(row::run_key(reference))
            .condition_expression(match progress.only_waiting {
                true => "attribute_exists(pk) AND ord < :ord AND attribute_not_exists(slot)",
                false => "attribute_exists(pk) AND ord < :ord",
            })
            .expression_attribute_names("#status", "status")
            .expression_attribute_names("#open", "open")
            .expression_attribute_values(":status", text(progress.status.as_str()))
            .expression_attribute_values(":ord", number(progress.order))
            .expression_attribute_values(":open", text(OPEN_RUN));
        let mut set = vec!["#status = :status".to_owned(), "ord = :ord".to_owned(), "#open = :open".to_owned()];
        let mut remove = vec!["released".to_owned()];
        let time = |time: Option<Timestamp>| time.map(|time| time.to_string());
        // Name, value, and whether an absent value removes the row's.
        let changes = [
            ("executionArn", progress.execution.clone(), false),
            ("startedAt", time(progress.started_at), false),
            ("planDigest", progress.plan_digest.clone(), false),
            ("endedAt", time(progress.ended_at), true),
            ("error", progress.error.clone(), true),
            ("cause", progress.cause.clone(), true),
            ("alert", progress.announce.then(|| PENDING.to_owned()), true),
            ("report", progress.untold.then(|| PENDING.to_owned()), true),
        ];
        for (name, value, removes) in changes {
            match value {
                Some(value) => {
                    request = request
                        .expression_attribute_names(format!("#{name}"), name)
                        .expression_attribute_values(format!(":{name}"), text(value));
                    set.push(format!("#{name} = :{name}"));
                }
                None if removes => {
                    request = request.expression_attribute_names(format!("#{name}"), name);
                    remove.push(format!("#{name}"));
                }
                None => {}
            }
        }
        if let Some(successor) = progress.superseded_by {
            request = request.expression_attribute_values(":successor", number(successor.into()));
            set.push("supersededBy = :successor".to_owned());
        }
        let expression = format!("SET {} REMOVE {}", set.join(", "), remove.join(", "));
        let answer = request.update_expression(expression).send().await;
        let lost = matches!(service(&answer), Some(UpdateItemError::ConditionalCheckFailedException(_)));
        won(answer, lost, &self.caller, "dynamodb:UpdateItem")
    }

    async fn tick(&self, reference: &RunRef, order: u64, chore: Chore) -> CloudResult<()> {
        let request = self.update(row::run_key(reference)).expression_attribute_values(":ord", number(order));
        let request = match chore {
            Chore::Announced => request.update_expression("REMOVE alert").condition_expression("ord = :ord"),
            Chore::Told => request
                .update_expression("REMOVE #report")
                .condition_expression("ord = :ord")
                .expression_attribute_names("#report", "report"),
            Chore::Released => request
                .update_expression("SET released = :true")
                .condition_expression("ord = :ord")
                .expression_attribute_values(":true", AttributeValue::Bool(true)),
            Chore::Closed => request
                .update_expression("REMOVE #open")
                .condition_expression(
                    "ord = :ord AND attribute_not_exists(alert) AND attribute_not_exists(#report) \
                     AND attribute_not_exists(tokens) AND released = :true",
                )
                .expression_attribute_names("#report", "report")
                .expression_attribute_names("#open", "open")
                .expression_attribute_values(":true", AttributeValue::Bool(true)),
        };
        let answer = request.send().await;
        let lost = matches!(service(&answer), Some(UpdateItemError::ConditionalCheckFailedException(_)));
        won(answer, lost, &self.caller, "dynamodb:UpdateItem").map(|_| ())
    }

    async fn await_end(&self, reference: &RunRef, token: &str) -> CloudResult<bool> {
        let answer = self
            .update(row::run_key(reference))
            .update_expression("ADD tokens :token SET #open = :open")
            .condition_expression("attribute_exists(pk)")
            .expression_attribute_names("#open", "open")
            .expression_attribute_values(":token", AttributeValue::Ss(vec![token.to_owned()]))
            .expression_attribute_values(":open", text(OPEN_RUN))
            .send()
            .await;
        let lost = matches!(service(&answer), Some(UpdateItemError::ConditionalCheckFailedException(_)));
        won(answer, lost, &self.caller, "dynamodb:UpdateItem")
    }

    async fn answered(&self, reference: &RunRef, token: &str) -> CloudResult<()> {
        let answer = self
            .update(row::run_key(reference))
            .update_expression("DELETE tokens :token")
            .condition_expression("attribute_exists(pk)")
            .expression_attribute_values(":token", AttributeValue::Ss(vec![token.to_owned()]))
            .send()
            .await;
        let lost = matches!(service(&answer), Some(UpdateItemError::ConditionalCheckFailedException(_)));
        won(answer, lost, &self.caller, "dynamodb:UpdateItem").map(|_| ())
    }

    async fn fires(&self, pipeline: &str, after: Timestamp, until: Timestamp) -> CloudResult<Vec<Timestamp>> {
        let mut fires = Vec::new();
        let mut start = None;
        loop {
            let answer = self
                .client
                .query()
                .table_name(&self.name)
                .key_condition_expression("pk = :pk AND sk BETWEEN :after AND :until")
                .expression_attribute_values(":pk", text(keys::pipeline(pipeline)))
                .expression_attribute_values(":after", text(keys::start_key(&after.to_string())))
                .expression_attribute_values(":until", text(keys::start_key(&until.to_string())))
                .consistent_read(true)
                .set_exclusive_start_key(start.take())
                .send()
                .await
                .explained(&self.caller, "dynamodb:Query")?;
            // Keys of other sources that happen to sort between two times are no times.
            let time = |item: &Item| Reader(item).find("sk")?.strip_prefix(&keys::start_key(""))?.parse().ok();
            fires.extend(answer.items().iter().filter_map(time).filter(|fire| after < *fire && *fire <= until));
            match answer.last_evaluated_key {
                Some(last) => start = Some(last),
                None => return Ok(fires),
            }
        }
    }

    async fn open_runs(&self) -> CloudResult<Vec<RunRef>> {
        let items = self.open(OPEN_RUN).await?;
        let read = |item: &Item| {
            let row = Reader(item);
            let pipeline = row.find("pk")?.strip_prefix(&keys::pipeline(""))?.to_owned();
            let (partition, number) = row.find("sk")?.strip_prefix(keys::RUNS)?.rsplit_once('#')?;
            Some(RunRef { pipeline, id: RunId { partition: partition.to_owned(), number: number.parse().ok()? } })
        };
        items.iter().map(|item| read(item).ok_or_else(|| self.unreadable(item, "its keys are not a run's"))).collect()
    }
}

pub(super) fn service<O, E>(answer: &Result<O, SdkError<E>>) -> Option<&E> {
    answer.as_ref().err().and_then(SdkError::as_service_error)
}

/// Whether a conditional write was won, lost, or failed for another reason.
pub(super) fn won<O, E>(answer: Result<O, SdkError<E>>, lost: bool, caller: &Caller, call: &str) -> CloudResult<bool>
where
    Result<O, SdkError<E>>: Explained<O>,
{
    if lost {
        return Ok(false);
    }
    answer.explained(caller, call).map(|_| true)
}

/// How a transaction ended.
enum Transaction {
    /// A condition did not hold: look again.
    Refused,
    /// Another transaction was on the same rows at the same time; neither condition is known to have failed.
    Collided,
    /// Won, or an error of another kind.
    Other,
}

fn outcome<O>(answer: &Result<O, SdkError<TransactWriteItemsError>>) -> Transaction {
    let Some(TransactWriteItemsError::TransactionCanceledException(canceled)) = service(answer) else {
        return Transaction::Other;
    };
    let has = |code: &str| canceled.cancellation_reasons().iter().any(|reason| reason.code() == Some(code));
    if has("ConditionalCheckFailed") {
        Transaction::Refused
    } else if has("TransactionConflict") || has("ThrottlingError") || has("ProvisionedThroughputExceeded") {
        Transaction::Collided
    } else {
        Transaction::Other
    }
}
