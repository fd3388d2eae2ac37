//! Who may run now: the slots of a pipeline and of its partitions, and the runs that wait for one.
//!
//! In come runs that want a slot; out comes whether a transaction gave it to them. A slot names the run that took it last
//! and is free once that run has ended, so nothing has to be given back, and a crash cannot lock a pipeline. This module
//! refuses to know which of two runs should go first.

use aws_sdk_dynamodb::types::{AttributeValue, Delete, TransactWriteItem, Update};

use super::row::{self, Item, Reader, number, text};
use super::table::Table;
use crate::cloud::failure::{CloudResult, Explained};
use crate::control::run::{RunId, RunRef, keys};

/// Who took the slots that a run needs last.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Slots {
    /// The pipeline's; `None` before the first, and where it is not asked for.
    pub pipeline: Option<RunId>,
    /// The partition's, by number; 0 before the first.
    pub partition: u32,
}

/// What the account function needs of the queue.
#[allow(async_fn_in_trait)] // one thread runs the function; no future needs to be `Send`
pub trait Queue {
    /// The runs of a pipeline that wait, oldest partition first, the newest run of each; at most `limit`.
    async fn waiting(&self, pipeline: &str, limit: Option<u16>) -> CloudResult<Vec<RunId>>;

    /// The number of the run that waits in a partition.
    async fn waiting_in(&self, pipeline: &str, partition: &str) -> CloudResult<Option<u32>>;

    /// Who took a partition's slot last and, if partitions do not run side by side (`alone`), the pipeline's.
    async fn slots(&self, pipeline: &str, partition: &str, alone: bool) -> CloudResult<Slots>;

    /// Gives a waiting run its slots, all or none: false if it does not wait, or if they have changed hands since `seen`.
    async fn take(&self, run: &RunRef, seen: &Slots, alone: bool) -> CloudResult<bool>;

    /// Takes a run that ended while it waited out of the queue.
    async fn leave(&self, run: &RunRef) -> CloudResult<()>;
}

impl Queue for Table {
    async fn waiting(&self, pipeline: &str, limit: Option<u16>) -> CloudResult<Vec<RunId>> {
        let mut waiting = Vec::new();
        let mut start = None;
        loop {
            let answer = self
                .client
                .query()
                .table_name(&self.name)
                .key_condition_expression("pk = :pk AND begins_with(sk, :prefix)")
                .expression_attribute_values(":pk", text(keys::pipeline(pipeline)))
                .expression_attribute_values(":prefix", text(keys::WAITING))
                .consistent_read(true)
                .set_limit(limit.map(i32::from))
                .set_exclusive_start_key(start.take())
                .send()
                .await
                .explained(&self.caller, "dynamodb:Query")?;
            for item in answer.items() {
                let label = Reader(item).text("sk").map(|sk| sk.trim_start_matches(keys::WAITING).to_owned());
                let id =
                    label.and_then(|partition| Ok(RunId { partition, number: Reader(item).run_number("number")? }));
                waiting.push(id.map_err(|wrong| self.unreadable(item, &wrong))?);
            }
            match answer.last_evaluated_key {
                Some(last) if limit.is_none_or(|limit| waiting.len() < usize::from(limit)) => start = Some(last),
                _ => return Ok(waiting),
            }
        }
    }

    async fn waiting_in(&self, pipeline: &str, partition: &str) -> CloudResult<Option<u32>> {
        let item = self.get(row::key(keys::pipeline(pipeline), keys::waiting(partition))).await?;
        let read = |item: Item| Reader(&item).run_number("number").map_err(|wrong| self.unreadable(&item, &wrong));
        item.map(read).transpose()
    }

    async fn slots(&self, pipeline: &str, partition: &str, alone: bool) -> CloudResult<Slots> {
        let mut slots = Slots::default();
        let of_pipeline = async {
            if alone { self.get(row::key(keys::pipeline(pipeline), keys::SLOT.to_owned())).await } else { Ok(None) }
        };
        let of_partition = self.get(row::key(keys::pipeline(pipeline), keys::partition(partition)));
        let (of_pipeline, counter) = tokio::join!(of_pipeline, of_partition);
        if let Some(item) = of_pipeline? {
            let row = Reader(&item);
            let id = row.text("partition").and_then(|partition| {
                let number = row.run_number("number")?;
                Ok(RunId { partition, number })
            });
            slots.pipeline = Some(id.map_err(|wrong| self.unreadable(&item, &wrong))?);
        }
        if let Some(item) = counter?.filter(|item| item.contains_key("slot")) {
            slots.partition = Reader(&item).run_number("slot").map_err(|wrong| self.unreadable(&item, &wrong))?;
        }
        Ok(slots)
    }

    async fn take(&self, run: &RunRef, seen: &Slots, alone: bool) -> CloudResult<bool> {
        let writes = self.take_writes(run, seen, alone).map_err(unwritable)?;
        self.transact(writes).await
    }

    async fn leave(&self, run: &RunRef) -> CloudResult<()> {
        let leave = self.leave_write(run).map_err(unwritable)?;
        self.transact(vec![TransactWriteItem::builder().delete(leave).build()]).await.map(|_| ())
    }
}

fn unwritable(error: aws_sdk_dynamodb::error::BuildError) -> Box<crate::source::Finding> {
    super::table::unwritable(&error)
}

type Built<T> = Result<T, aws_sdk_dynamodb::error::BuildError>;

impl Table {
    fn leave_write(&self, run: &RunRef) -> Built<Delete> {
        Delete::builder()
            .table_name(&self.name)
            .set_key(Some(row::key(keys::pipeline(&run.pipeline), keys::waiting(&run.id.partition))))
            .condition_expression("#number = :own")
            .expression_attribute_names("#number", "number")
            .expression_attribute_values(":own", number(run.id.number.into()))
            .build()
    }

    /// The writes by which a run leaves the queue and gets its slots. The mark in its own row keeps everybody else from
    /// ending it as one that waits: from here on its execution may exist.
    fn take_writes(&self, run: &RunRef, seen: &Slots, alone: bool) -> Built<Vec<TransactWriteItem>> {
        let own = number(run.id.number.into());
        let update = |key: Item| Update::builder().table_name(&self.name).set_key(Some(key));
        let mark = update(row::run_key(run))
            .update_expression("SET slot = :true")
            .condition_expression("ord = :queued AND attribute_not_exists(slot)")
            .expression_attribute_values(":true", AttributeValue::Bool(true))
            .expression_attribute_values(":queued", number(0));
        let partition = update(row::key(keys::pipeline(&run.pipeline), keys::partition(&run.id.partition)))
            .update_expression("SET slot = :own")
            .expression_attribute_values(":own", own.clone());
        let partition = match seen.partition {
            0 => partition.condition_expression("attribute_not_exists(slot)"),
            seen => {
                partition.condition_expression("slot = :seen").expression_attribute_values(":seen", number(seen.into()))
            }
        };
        let mut updates = vec![mark, partition];
        if alone {
            let pipeline = update(row::key(keys::pipeline(&run.pipeline), keys::SLOT.to_owned()))
                .update_expression("SET #partition = :partition, #number = :own")
                .expression_attribute_names("#partition", "partition")
                .expression_attribute_names("#number", "number")
                .expression_attribute_values(":partition", text(&run.id.partition))
                .expression_attribute_values(":own", own);
            updates.push(match &seen.pipeline {
                None => pipeline.condition_expression("attribute_not_exists(pk)"),
                Some(seen) => pipeline
                    .condition_expression("#partition = :seenPartition AND #number = :seenNumber")
                    .expression_attribute_values(":seenPartition", text(&seen.partition))
                    .expression_attribute_values(":seenNumber", number(seen.number.into())),
            });
        }
        let mut writes = vec![TransactWriteItem::builder().delete(self.leave_write(run)?).build()];
        for update in updates {
            writes.push(TransactWriteItem::builder().update(update.build()?).build());
        }
        Ok(writes)
    }
}
