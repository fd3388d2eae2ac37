//! A batch of the queue: one message after the other, in order.
//!
//! In come up to ten records; out comes which of them must come again. It refuses to deal with a message after one that must
//! come again: order is what the queue is for. What can never be dealt with does not hold up the others: it goes to the dead
//! letters, with the reason.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::pin;
use std::task::Poll;

use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use super::Central;
use super::decide::{Decided, answer_to};
use super::desk::Desk;
use super::letter::{LONGEST_ID, Letter, Record};
use super::outside::{self, Outside};
use crate::cloud::CloudResult;
use crate::cloud::central::Rows;
use crate::control::message::{Answer, Refusal};
use crate::functions::metrics::Metric;
use crate::source::{Code, Finding};

/// What Lambda is left for the answer, and a message for its last write.
const RESERVE: SignedDuration = SignedDuration::from_secs(8);
/// How often a message may kill what deals with it, or meet a row that cannot be read.
const DEATHS: u32 = 3;
/// Characters of a reason: message and attributes together have the limit that the message had alone.
const REASON: usize = 1_000;
/// How often a message may fail. One less than the queue allows: left to the queue, those behind it would go to the dead
/// letters with it, because they have come as often, and without a reason.
const LAST: u32 = 9;
/// How often a sweep is tried; the next one is never far.
const SWEEPS: u32 = 3;
/// Spaces that are kept in memory from batch to batch. A name of a space is what an account says it is.
const DESKS: usize = 100;
/// The queue's own time until a message comes again is that of a function that hangs. After a failure it is this, and longer
/// each time.
const SOON: u32 = 2;

impl<R: Rows, O: Outside> Central<R, O> {
    /// Deals with a batch; answers as Lambda wants it of a queue:
    /// <https://docs.aws.amazon.com/lambda/latest/dg/services-sqs-errorhandling.html>.
    pub async fn batch(&self, records: &[Value], deadline: Timestamp) -> Value {
        let last_call = deadline.checked_sub(RESERVE).unwrap_or(deadline);
        let mut failed: Vec<String> = Vec::new();
        let mut again = false;
        for value in records {
            let Some(record) = Record::of(value) else {
                // Lambda reads the queue and sends nothing else; without an id it cannot be named a failure either.
                self.outside.count(Metric::NeedsAttention, "Lambda handed over a record that is none of SQS");
                continue;
            };
            again |= record.received > 1;
            if failed.is_empty() {
                let outcome = match self.outside.now() >= last_call {
                    true => Err(Failure::Time),
                    false => self.record(&record, last_call).await,
                };
                if outcome.is_ok() {
                    continue;
                }
            }
            // In a group the first that fails takes all behind it along.
            let pause = if failed.is_empty() { pause(record.received) } else { 0 };
            self.come_again(&record, pause).await;
            failed.push(record.id);
        }
        if again && failed.is_empty() {
            // Something has gone wrong before: its fires may be written and not published.
            if let Err(died) = guarded(self.sweep_after_failure(last_call)).await {
                tracing::error!("the sweep after a failure died: {died}");
                self.desks.borrow_mut().clear();
            }
        }
        let mut desks = self.desks.borrow_mut();
        if desks.len() > DESKS {
            desks.clear();
        }
        desks.values_mut().for_each(Desk::close);
        drop(desks);
        let failures: Vec<Value> = failed.iter().map(|id| json!({ "itemIdentifier": id })).collect();
        json!({ "batchItemFailures": failures })
    }

    /// Deals with one record. A panic is the end of its message, not of the batch.
    async fn record(&self, record: &Record, deadline: Timestamp) -> Result<(), Failure> {
        let outcome = guarded(self.dispatch(record, deadline)).await;
        match outcome {
            Ok(Ok(())) => Ok(()),
            Ok(Err(finding)) => {
                self.desks.borrow_mut().clear();
                let received = record.received;
                tracing::error!(code = finding.code.id(), message = record.id, received, "{}", finding.message);
                // A row that cannot be read stays so. All else may be an outage, which every message would meet.
                let last = if finding.code == Code::UnreadableRow { DEATHS } else { LAST };
                if received < last {
                    return Err(Failure::Retry);
                }
                self.bury(record, &finding).await.map_err(|_| Failure::Retry)
            }
            Err(died) => {
                self.desks.borrow_mut().clear();
                let why = format!("a message kills the central function: {died}");
                tracing::error!(message = record.id, received = record.received, "{why}");
                self.outside.count(Metric::NeedsAttention, &why);
                if record.received < DEATHS {
                    return Err(Failure::Retry);
                }
                let finding = Finding::new(Code::BadMessage, why).help("this is a bug of dpc; the message is kept");
                self.bury(record, &finding).await.map_err(|_| Failure::Retry)
            }
        }
    }

    async fn dispatch(&self, record: &Record, deadline: Timestamp) -> CloudResult<()> {
        match Letter::of(&record.body) {
            Letter::Sweep if record.received > SWEEPS => {
                self.outside.count(Metric::NeedsAttention, "a sweep did not come to its end");
                Ok(())
            }
            Letter::Sweep => self.sweep(deadline).await,
            Letter::Message { account, message } => {
                let mut desk = self.desk(&message.space).await?;
                let decided = self.decide(&mut desk, &message, &account, deadline).await?;
                self.put_back(desk);
                match decided {
                    Decided::Done => Ok(()),
                    Decided::Rejected(refusal) => {
                        let code = Code::parse(&refusal.code).unwrap_or(Code::BadMessage);
                        self.bury(record, &Finding::new(code, refusal.message)).await
                    }
                }
            }
            Letter::Poison { finding, asked } => {
                if let Some(id) = asked {
                    self.answer_poison(&id, &finding).await?;
                }
                self.bury(record, &finding).await
            }
        }
    }

    /// The desk of a space, as it was left if nobody else has written since.
    ///
    /// # Errors
    /// The table cannot be read.
    pub async fn desk(&self, space: &str) -> CloudResult<Desk> {
        let kept = self.desks.borrow_mut().remove(space);
        if let Some(mut desk) = kept
            && desk.is_current(&self.rows).await?
        {
            return Ok(desk);
        }
        Desk::read(&self.rows, space).await
    }

    /// Keeps a desk for the next message, if what lies on it is in the table.
    pub fn put_back(&self, desk: Desk) {
        if !desk.spoiled {
            self.desks.borrow_mut().insert(desk.space.name().to_owned(), desk);
        }
    }

    /// Puts a message among the dead letters, and calls a person.
    async fn bury(&self, record: &Record, finding: &Finding) -> CloudResult<()> {
        tracing::error!(code = finding.code.id(), why = finding.why, message = record.id, "{}", finding.message);
        let reason = [Some(&finding.message), finding.why.as_ref(), finding.help.as_ref()];
        let reason: Vec<&str> = reason.into_iter().flatten().map(String::as_str).collect();
        let letter = outside::Letter {
            id: record.id.clone(),
            body: record.body.clone(),
            code: finding.code.id(),
            reason: reason.join("; ").chars().take(REASON).collect(),
        };
        self.outside.bury(&letter).await?;
        self.outside.count(Metric::NeedsAttention, &format!("{}: {}", finding.code.id(), finding.message));
        Ok(())
    }

    /// Whoever waits for an answer to a message that cannot be read is told so.
    async fn answer_poison(&self, id: &str, finding: &Finding) -> CloudResult<()> {
        if id.is_empty() || id.len() > LONGEST_ID {
            return Ok(());
        }
        let refusal = Refusal {
            code: finding.code.id().to_owned(),
            message: finding.message.clone(),
            help: finding.help.clone(),
        };
        self.answer(&Answer { refused: Some(refusal), ..answer_to(id) }).await
    }

    /// A message comes again after a while instead of after the queue's own, long one. If that cannot be said, it does later.
    async fn come_again(&self, record: &Record, seconds: u32) {
        if let Err(finding) = self.outside.again_in(&record.receipt, seconds).await {
            tracing::warn!(code = finding.code.id(), message = record.id, "{}", finding.message);
        }
    }
}

/// Why a message must come again.
enum Failure {
    /// There is no time left for it.
    Time,
    /// Something failed that may go better next time.
    Retry,
}

/// Seconds until a message that has failed comes again: 2, 8, 32, at most ten minutes. With its nine times that makes three
/// quarters of an hour.
fn pause(received: u32) -> u32 {
    SOON.saturating_mul(4_u32.saturating_pow(received.saturating_sub(1))).min(600)
}

/// Runs a future and catches its panic.
async fn guarded<T>(future: impl Future<Output = T>) -> Result<T, String> {
    let mut future = pin!(future);
    std::future::poll_fn(|context| {
        // Whatever the panic has left behind is thrown away by the caller.
        match catch_unwind(AssertUnwindSafe(|| future.as_mut().poll(context))) {
            Ok(Poll::Pending) => Poll::Pending,
            Ok(Poll::Ready(value)) => Poll::Ready(Ok(value)),
            Err(died) => Poll::Ready(Err(words(died.as_ref()))),
        }
    })
    .await
}

fn words(died: &(dyn Any + Send)) -> String {
    let text = died.downcast_ref::<&str>().map(|text| (*text).to_owned());
    text.or_else(|| died.downcast_ref::<String>().cloned()).unwrap_or_else(|| "without a word".to_owned())
}
