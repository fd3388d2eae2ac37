//! Everything outside of the central function but its table: the buses of the owners, its queue, the dead letters, the clock.
//!
//! In come the few orders that the function has; out comes what was taken. [`Outside`] is a trait, so that the logic is tested
//! with crashes, throttling and buses that refuse; [`Aws`] refuses to decide anything.

use jiff::Timestamp;
use serde_json::{Value, json};

use super::Settings;
use crate::cloud::Clients;
use crate::cloud::bus::{Bus, Event};
use crate::cloud::failure::{Caller, CloudResult};
use crate::cloud::signed::{self, Request};
use crate::control::names;
use crate::functions::metrics::{self, Metric};

/// A message that goes to the dead letters.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Letter {
    /// The message's id in the queue that it comes from.
    pub id: String,
    /// The message, as it was.
    pub body: String,
    /// A code of dpc: `DPC796`.
    pub code: &'static str,
    /// Why nothing can be done with it.
    pub reason: String,
}

/// What the function needs of the outside.
#[allow(async_fn_in_trait)] // one thread runs the function; no future needs to be `Send`
pub trait Outside {
    /// The time.
    fn now(&self) -> Timestamp;

    /// Counts something that a person may have to see.
    fn count(&self, metric: Metric, why: &str);

    /// Puts events on a bus; says of each whether the bus has it, or the refusal.
    async fn put(&self, bus: &str, events: &[Event]) -> CloudResult<Vec<Result<(), String>>>;

    /// Puts a message among the dead letters.
    async fn bury(&self, letter: &Letter) -> CloudResult<()>;

    /// Lets a message of the queue come back after so many seconds.
    async fn again_in(&self, receipt: &str, seconds: u32) -> CloudResult<()>;
}

/// AWS.
#[derive(Debug)]
pub struct Aws {
    clients: Clients,
    caller: Caller,
    settings: Settings,
}

impl Aws {
    /// The outside of these clients.
    pub fn new(clients: Clients, caller: Caller, settings: Settings) -> Self {
        Self { clients, caller, settings }
    }

    /// One call of SQS, with its JSON protocol.
    async fn sqs(&self, operation: &str, body: Value) -> CloudResult<()> {
        let request = Request {
            service: "sqs",
            operation,
            method: "POST",
            path: "/".to_owned(),
            target: Some(format!("AmazonSQS.{operation}")),
            body: Some(body),
        };
        signed::call(&self.clients, &self.caller, &request).await.map(|_| ())
    }
}

impl Outside for Aws {
    fn now(&self) -> Timestamp {
        let now = Timestamp::now();
        Timestamp::from_millisecond(now.as_millisecond()).unwrap_or(now)
    }

    fn count(&self, metric: Metric, why: &str) {
        metrics::count_of(names::CENTRAL_FUNCTION, metric, why, self.now());
    }

    async fn put(&self, bus: &str, events: &[Event]) -> CloudResult<Vec<Result<(), String>>> {
        Bus::new(&self.clients, &self.caller, bus).put(events).await
    }

    async fn bury(&self, letter: &Letter) -> CloudResult<()> {
        let attribute = |text: &str| json!({ "DataType": "String", "StringValue": text });
        let mut body = json!({
            "QueueUrl": self.settings.dead_letters,
            "MessageBody": letter.body,
            "MessageAttributes": { "code": attribute(letter.code), "reason": attribute(&letter.reason) },
        });
        if self.settings.dead_letters.ends_with(".fifo")
            && let Some(fields) = body.as_object_mut()
        {
            // The same letter, buried again after a crash, is one.
            fields.insert("MessageGroupId".to_owned(), json!("dead"));
            fields.insert("MessageDeduplicationId".to_owned(), json!(letter.id));
        }
        self.sqs("SendMessage", body).await
    }

    async fn again_in(&self, receipt: &str, seconds: u32) -> CloudResult<()> {
        let queue = &self.settings.queue;
        let body = json!({ "QueueUrl": queue, "ReceiptHandle": receipt, "VisibilityTimeout": seconds });
        self.sqs("ChangeMessageVisibility", body).await
    }
}
