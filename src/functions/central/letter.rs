//! One message of the queue: what it is, who sent it, and whether anything can be done with it.
//!
//! In comes a record of SQS; out comes a tick, a message with its sender, or why it is poison. It refuses to read who sent it
//! from anything but the event's `account`, which EventBridge sets.

use serde::Deserialize;
use serde_json::Value;

use crate::control::message::{ACCOUNT_SOURCE, MESSAGE_TYPE, MESSAGE_VERSION, Message};
use crate::source::{Code, Finding};

/// Longer ids of messages are none: an answer's key holds its message's.
pub const LONGEST_ID: usize = 1_000;

/// A record of the queue.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    /// The message's id in the queue.
    pub id: String,
    /// The right to say something about it.
    pub receipt: String,
    /// What was sent.
    pub body: String,
    /// How often it has been received, this time included.
    pub received: u32,
}

impl Record {
    /// Reads what Lambda hands over; `None` if it is no record of SQS.
    pub fn of(value: &Value) -> Option<Self> {
        let text = |name: &str| value.get(name)?.as_str().map(str::to_owned);
        let received = value.get("attributes").and_then(|all| all.get("ApproximateReceiveCount"));
        let received = received.and_then(Value::as_str).and_then(|count| count.parse().ok()).unwrap_or(1);
        Some(Self {
            id: text("messageId")?,
            receipt: text("receiptHandle").unwrap_or_default(),
            body: text("body")?,
            received,
        })
    }
}

/// What a record is.
#[derive(Clone, Debug, PartialEq)]
pub enum Letter {
    /// The sweep's tick.
    Sweep,
    /// A message of an account function.
    Message {
        /// Who sent it.
        account: String,
        /// What it says.
        message: Box<Message>,
    },
    /// Nothing can be done with it, now or ever.
    Poison {
        /// Why.
        finding: Box<Finding>,
        /// The message's own id, if it can be read: somebody may wait for an answer.
        asked: Option<String>,
    },
}

/// The part of a message that every version has.
#[derive(Deserialize)]
struct Head {
    version: u32,
    id: String,
    #[serde(default)]
    dpc: String,
}

impl Letter {
    /// Reads a record's body.
    pub fn of(body: &str) -> Self {
        let event: Value = match serde_json::from_str(body) {
            Ok(event) => event,
            Err(error) => return poison(bad(format!("it is not JSON: {error}")), None),
        };
        let text = |name: &str| event.get(name).and_then(Value::as_str).unwrap_or_default();
        let kind = (text("source"), text("detail-type"));
        // The rule's event as it is, with an id of its own; nobody else may say `aws.`:
        // <https://docs.aws.amazon.com/eventbridge/latest/APIReference/API_PutEventsRequestEntry.html>.
        if kind == ("aws.events", "Scheduled Event") {
            return Letter::Sweep;
        }
        if kind != (ACCOUNT_SOURCE, MESSAGE_TYPE) {
            return poison(bad(format!("its source is `{}` and its type `{}`", kind.0, kind.1)), None);
        }
        let account = text("account").to_owned();
        if account.len() != 12 || !account.bytes().all(|byte| byte.is_ascii_digit()) {
            return poison(bad("its event names no account".to_owned()), None);
        }
        let Some(detail) = event.get("detail") else { return poison(bad("it has no `detail`".to_owned()), None) };
        let head = match Head::deserialize(detail) {
            Ok(head) => head,
            Err(error) => return poison(bad(error.to_string()), None),
        };
        let asked = Some(head.id.clone());
        if head.version > MESSAGE_VERSION {
            return poison(newer(&head, &account), asked);
        }
        match Message::deserialize(detail) {
            Ok(message) if !is_name(&message.space) => poison(bad(format!("`{}` is no space", message.space)), asked),
            Ok(message) if message.id.is_empty() || message.id.len() > LONGEST_ID => {
                poison(bad("its `id` is empty or too long".to_owned()), None)
            }
            Ok(message) => Letter::Message { account, message: Box::new(message) },
            // A dpc that knows more words than this one, though it calls them the same version.
            Err(_) if generation(&head.dpc) > generation(env!("CARGO_PKG_VERSION")) => {
                poison(newer(&head, &account), asked)
            }
            Err(error) => poison(bad(error.to_string()), asked),
        }
    }
}

/// Whether a text can be part of a key: what pipelines and spaces are called.
pub fn is_name(text: &str) -> bool {
    let known = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.');
    !text.is_empty() && text.len() <= 128 && text.bytes().all(known)
}

/// Major and minor number.
pub fn generation(version: &str) -> Option<(u64, u64)> {
    let mut numbers = version.split('.').map(|part| part.parse::<u64>().ok());
    Some((numbers.next()??, numbers.next()??))
}

fn poison(finding: Finding, asked: Option<String>) -> Letter {
    Letter::Poison { finding: Box::new(finding), asked }
}

fn bad(why: String) -> Finding {
    Finding::new(Code::BadMessage, format!("a message to the central account cannot be read: {why}"))
        .help("only account functions send such messages; `dpc setup account` brings one to this version")
}

fn newer(head: &Head, account: &str) -> Finding {
    let theirs = if head.dpc.is_empty() { "a newer version" } else { head.dpc.as_str() };
    let ours = env!("CARGO_PKG_VERSION");
    let message = format!(
        "account `{account}` runs dpc {theirs}, the central account dpc {ours}, which does not know its message"
    );
    Finding::new(Code::NewerMessage, message)
        .why(format!("the message has version {}, and {MESSAGE_VERSION} is the newest known here", head.version))
        .help(format!("run `dpc setup central` with dpc {theirs}, then send the dead letters to the queue again"))
}
