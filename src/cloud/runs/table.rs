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

/// How often a claim is tried when two transactions collide without either having won.
const CLAIM_ATTEMPTS: u32 = 8;

/// `dpc-runs` of one account and region.
#[derive(Clone, Debug)]
pub struct Table {
    client: aws_sdk_dynamodb::Client,
    caller: Caller,
    name: String,
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

    async fn get(&self, key: Item) -> CloudResult<Option<Item>> {
        let request = self.client.get_item().table_name(&self.name).set_key(Some(key)).consistent_read(true);
        Ok(request.send().await.explained(&self.caller, "dynamodb:GetItem")?.item)
    }

    /// Keys of everything whose `open` has this value.
    async fn open(&self, value: &str) -> CloudResult<Vec<Item>> {
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

    fn unreadable(&self, item: &Item, wrong: &str) -> Box<Finding> {
        let row = Reader(item);
        let (pk, sk) = (row.find("pk").unwrap_or("?"), row.find("sk").unwrap_or("?"));
        let message = format!("row `{pk}`, `{sk}` of table `{}` cannot be read: {wrong}", self.name);
        let finding = Finding::new(Code::AwsRefused, message);
        Box::new(
            finding.why("somebody or another version of dpc has written it").help("see docs/runs.md for the layout"),
        )
    }

    /// The three writes of a claim.
    fn claim_writes(&self, run: &Run) -> Result<Vec<TransactWriteItem>, Box<Finding>> {
        let RunRef { pipeline, id } = &run.reference;
        let built = |error: aws_sdk_dynamodb::error::BuildError| {
            Box::new(Finding::new(Code::AwsRefused, format!("a claim cannot be written: {error}")))
        };
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
        Ok(vec![
            TransactWriteItem::builder().put(put(key).map_err(built)?).build(),
            TransactWriteItem::builder().update(counter.build().map_err(built)?).build(),
            TransactWriteItem::builder().put(put(row::of_run(run)).map_err(built)?).build(),
        ])
    }
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
            let number = row.number("number")?;
            let number = u32::try_from(number).map_err(|_| "`number` is too large".to_owned())?;
            Ok(RunId { partition, number })
        });
        id.map(Some).map_err(|wrong| self.unreadable(&item, &wrong))
    }

    async fn newest_number(&self, pipeline: &str, partition: &str) -> CloudResult<u32> {
        let Some(item) = self.get(row::key(keys::pipeline(pipeline), keys::partition(partition))).await? else {
            return Ok(0);
        };
        let number = Reader(&item).number("number");
        let number = number.and_then(|number| u32::try_from(number).map_err(|_| "`number` is too large".to_owned()));
        number.map_err(|wrong| self.unreadable(&item, &wrong))
    }

    async fn claim(&self, run: &Run) -> CloudResult<bool> {
        // One token for all attempts: an attempt whose answer was lost is not done twice.
        let token = format!("{:016x}{:016x}", fastrand::u64(..), fastrand::u64(..));
        let mut attempt = 1;
        loop {
            let answer = self
                .client
                .transact_write_items()
                .set_transact_items(Some(self.claim_writes(run)?))
                .client_request_token(&token)
                .return_consumed_capacity(ReturnConsumedCapacity::None)
                .send()
                .await;
            match outcome(&answer) {
                Claim::Taken => return Ok(false),
                Claim::Collided if attempt < CLAIM_ATTEMPTS => {
                    let longest = 20 << attempt;
                    tokio::time::sleep(std::time::Duration::from_millis(fastrand::u64(longest / 2..longest))).await;
                    attempt += 1;
                }
                Claim::Collided | Claim::Other => {
                    return answer.explained(&self.caller, "dynamodb:TransactWriteItems").map(|_| true);
                }
            }
        }
    }

    async fn run(&self, reference: &RunRef) -> CloudResult<Option<Run>> {
        let item = self.get(row::run_key(reference)).await?;
        item.map(|item| row::to_run(&item).map_err(|wrong| self.unreadable(&item, &wrong))).transpose()
    }

    async fn advance(&self, reference: &RunRef, progress: &Progress) -> CloudResult<bool> {
        let mut request = self
            .update(row::run_key(reference))
            .condition_expression("attribute_exists(pk) AND ord < :ord")
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
        let expression = format!("SET {} REMOVE {}", set.join(", "), remove.join(", "));
        let answer = request.update_expression(expression).send().await;
        let lost = matches!(service(&answer), Some(UpdateItemError::ConditionalCheckFailedException(_)));
        won(answer, lost, &self.caller, "dynamodb:UpdateItem")
    }

    async fn tick(&self, reference: &RunRef, order: u64, chore: Chore) -> CloudResult<()> {
        let request = self.update(row::run_key(reference)).expression_attribute_values(":ord", number(order));
        let request = match chore {
            Chore::Announced => request.update_expression("REMOVE alert").condition_expression("ord = :ord"),
            Chore::Released => request
                .update_expression("SET released = :true")
                .condition_expression("ord = :ord")
                .expression_attribute_values(":true", AttributeValue::Bool(true)),
            Chore::Closed => request
                .update_expression("REMOVE #open")
                .condition_expression("ord = :ord AND attribute_not_exists(alert) AND released = :true")
                .expression_attribute_names("#open", "open")
                .expression_attribute_values(":true", AttributeValue::Bool(true)),
        };
        let answer = request.send().await;
        let lost = matches!(service(&answer), Some(UpdateItemError::ConditionalCheckFailedException(_)));
        won(answer, lost, &self.caller, "dynamodb:UpdateItem").map(|_| ())
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

fn service<O, E>(answer: &Result<O, SdkError<E>>) -> Option<&E> {
    answer.as_ref().err().and_then(SdkError::as_service_error)
}

/// Whether a conditional write was won, lost, or failed for another reason.
fn won<O, E>(answer: Result<O, SdkError<E>>, lost: bool, caller: &Caller, call: &str) -> CloudResult<bool>
where
    Result<O, SdkError<E>>: Explained<O>,
{
    if lost {
        return Ok(false);
    }
    answer.explained(caller, call).map(|_| true)
}

/// How a claim ended.
enum Claim {
    /// The key is used or the number is gone: look again.
    Taken,
    /// Another transaction was on the same rows at the same time; neither condition is known to have failed.
    Collided,
    /// Won, or an error of another kind.
    Other,
}

fn outcome<O>(answer: &Result<O, SdkError<TransactWriteItemsError>>) -> Claim {
    let Some(TransactWriteItemsError::TransactionCanceledException(canceled)) = service(answer) else {
        return Claim::Other;
    };
    let has = |code: &str| canceled.cancellation_reasons().iter().any(|reason| reason.code() == Some(code));
    if has("ConditionalCheckFailed") {
        Claim::Taken
    } else if has("TransactionConflict") || has("ThrottlingError") || has("ProvisionedThroughputExceeded") {
        Claim::Collided
    } else {
        Claim::Other
    }
}
