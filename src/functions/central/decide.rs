//! One message: what it changes, what is due because of it, and what is answered.
//!
//! In come messages that can be read; out come rows, fires on their way, answers. It refuses to leave half of a decision
//! behind: fact, fires and answer are one transaction wherever they fit in one, and where they do not, a mark in the fact
//! brings the sweep back to it.

use jiff::{SignedDuration, Timestamp};
use serde_json::json;

use super::desk::{Desk, Sheet, Written};
use super::letter::{generation, is_name};
use super::outside::Outside;
use super::publish::Due;
use super::{Central, lost};
use crate::cloud::CloudResult;
use crate::cloud::central::{self, Delivery, Row, Rows, keys};
use crate::control::message::{Answer, Body, Message, Refusal};
use crate::control::trigger::process::{self, Applied, Spoof, Touched};
use crate::control::trigger::store::Write;
use crate::functions::metrics::Metric;
use crate::source::{Code, Finding};

/// How long an answer is kept.
const ANSWERS: SignedDuration = SignedDuration::from_hours(24);
/// How long it is known who spoke of what is not his.
const SPOOFS: SignedDuration = SignedDuration::from_hours(90 * 24);
/// The id of messages that the sweep makes from rows: whoever waited for an answer has it, or has gone.
pub const SWEPT: &str = "sweep";
/// A decision that takes more steps than this does not end.
const STEPS: usize = 10_000;

/// How a message ended.
#[derive(Clone, Debug, PartialEq)]
pub enum Decided {
    /// It is dealt with.
    Done,
    /// It makes no sense, and never will.
    Rejected(Refusal),
}

impl<R: Rows, O: Outside> Central<R, O> {
    /// Deals with a message.
    ///
    /// # Errors
    /// The table cannot be read or written, or time is up: it must come again.
    pub async fn decide(
        &self,
        desk: &mut Desk,
        message: &Message,
        account: &str,
        deadline: Timestamp,
    ) -> CloudResult<Decided> {
        let now = self.outside.now();
        let answered = is_waited_for(message);
        if let Some(refusal) = unusable(&message.body) {
            self.refuse(message, &refusal).await?;
            return Ok(Decided::Rejected(refusal));
        }
        if matches!(message.body, Body::Hello) {
            let answer = Answer { result: json!({ "dpc": env!("CARGO_PKG_VERSION") }), ..answer_to(&message.id) };
            return self.answer(&answer).await.map(|()| Decided::Done);
        }
        let applied =
            desk.look(&self.rows, |space, snapshot| process::apply(space, snapshot, message, account, now)).await?;
        if let Some(spoof) = &applied.spoof {
            return self.spoofed(desk, message, spoof).await.map(|()| Decided::Done);
        }
        if let Some(refusal) = &applied.rejected {
            self.refuse(message, refusal).await?;
            return Ok(Decided::Rejected(refusal.clone()));
        }
        let Applied { writes, touched, after, answer, .. } = applied;
        let mut last = Sheet::default();
        if let (true, Some(answer)) = (answered, &answer) {
            let mut answer = answer.clone();
            answer.warnings.extend(older(message, account));
            let (row, replaces) = self.answer_row(&answer).await?;
            last.put(row, replaces);
        }
        let mut sheet = Sheet::default();
        desk.note(&mut sheet, writes);
        self.follow(desk, &touched, sheet, (last, after), deadline).await?;
        Ok(Decided::Done)
    }

    /// Decides on all that was touched, writes it with what has been noted before, and publishes it. `last` is written once
    /// nothing is left.
    ///
    /// # Errors
    /// The table cannot be read or written, or time is up.
    pub async fn follow(
        &self,
        desk: &mut Desk,
        touched: &[Touched],
        mut sheet: Sheet,
        (mut last, after): (Sheet, Vec<Write>),
        deadline: Timestamp,
    ) -> CloudResult<()> {
        let now = self.outside.now();
        let mut due: Vec<Due> = Vec::new();
        for _ in 0..STEPS {
            if self.outside.now() >= deadline {
                return Err(time_is_up());
            }
            let batch = process::evaluate(&desk.space, &mut desk.snapshot, touched, now);
            due.extend(batch.due().map(|(pipeline, label, fire)| Due {
                pipeline: pipeline.to_owned(),
                label: label.to_owned(),
                fire: fire.clone(),
                done: Delivery::default(),
            }));
            desk.note(&mut sheet, batch.writes);
            if !batch.missing.keys.is_empty() {
                desk.load(&self.rows, &batch.missing).await?;
            } else if batch.more {
                let left_out = self.finish(desk, std::mem::take(&mut sheet), Sheet::default()).await?;
                self.publish(desk, written(desk, std::mem::take(&mut due), &left_out)).await?;
            } else {
                desk.note(&mut last, after);
                let left_out = self.finish(desk, sheet, last).await?;
                return self.publish(desk, written(desk, due, &left_out)).await;
            }
        }
        Err(Box::new(Finding::new(Code::AwsRefused, "a decision does not end").help("this is a bug of dpc")))
    }

    /// Writes, and says what is too large to be written.
    async fn finish(&self, desk: &mut Desk, sheet: Sheet, last: Sheet) -> CloudResult<Vec<central::Key>> {
        match desk.write(&self.rows, sheet, last).await? {
            Written::Done => Ok(Vec::new()),
            Written::Lost => Err(lost()),
            Written::TooLarge(rows) => {
                for (key, size) in &rows {
                    let why = too_large(key, *size);
                    tracing::error!(code = Code::FactTooLarge.id(), "{why}");
                    self.outside.count(Metric::NeedsAttention, &why);
                }
                Ok(rows.into_iter().map(|(key, _)| key).collect())
            }
        }
    }

    /// Somebody spoke of what is not his: recorded, refused, and nothing else.
    async fn spoofed(&self, desk: &mut Desk, message: &Message, spoof: &Spoof) -> CloudResult<()> {
        let space = desk.space.name().to_owned();
        let Spoof { pipeline, owner, account } = spoof;
        let why =
            format!("account {account} spoke of pipeline {pipeline} of space {space}, which is account {owner}'s");
        tracing::error!(code = Code::NotOwner.id(), message = message.id, "{why}");
        self.outside.count(Metric::NeedsAttention, &why);
        let key = keys::spoof(&space, pipeline, account);
        let found = self.rows.get(std::slice::from_ref(&key)).await?.into_iter().next();
        let replaces = found.as_ref().map_or(0, |row| row.version);
        let before = |name: &str| found.as_ref().and_then(|row| row.document.get(name)).cloned();
        let now = self.outside.now();
        let document = json!({
            "pipeline": pipeline, "owner": owner, "account": account,
            "first": before("first").unwrap_or_else(|| json!(now)), "last": now,
            "count": before("count").and_then(|count| count.as_u64()).unwrap_or_default() + 1,
            "message": message.id,
        });
        let mut row = Row::new(key, &document).map_err(|wrong| Box::new(Finding::new(Code::AwsRefused, wrong)))?;
        row.version = replaces + 1;
        row.expires = now.checked_add(SPOOFS).ok();
        let mut sheet = Sheet::default();
        sheet.put(row, replaces);
        if is_waited_for(message) {
            let refusal = Refusal {
                code: Code::NotOwner.id().to_owned(),
                message: format!("pipeline `{pipeline}` of space `{space}` belongs to account `{owner}`"),
                help: Some("give this pipeline another name, or destroy it there first if it moves here".to_owned()),
            };
            let answer = Answer { refused: Some(refusal), ..answer_to(&message.id) };
            let (row, replaces) = self.answer_row(&answer).await?;
            sheet.put(row, replaces);
        }
        self.finish(desk, sheet, Sheet::default()).await.map(|_| ())
    }

    /// Answers a message that makes no sense, if somebody waits for an answer.
    async fn refuse(&self, message: &Message, refusal: &Refusal) -> CloudResult<()> {
        if !is_waited_for(message) {
            return Ok(());
        }
        self.answer(&Answer { refused: Some(refusal.clone()), ..answer_to(&message.id) }).await
    }

    /// Writes an answer and nothing else.
    ///
    /// # Errors
    /// The table cannot be read or written.
    pub async fn answer(&self, answer: &Answer) -> CloudResult<()> {
        let (row, replaces) = self.answer_row(answer).await?;
        if self.rows.write(&[central::Write::Put(row, replaces)]).await? { Ok(()) } else { Err(lost()) }
    }

    /// An answer's row, and the version that it replaces: a message that comes again is answered again.
    async fn answer_row(&self, answer: &Answer) -> CloudResult<(Row, u64)> {
        let key = keys::answer(&answer.id);
        let found = self.rows.get(std::slice::from_ref(&key)).await?;
        let replaces = found.first().map_or(0, |row| row.version);
        let mut row = Row::new(key, answer).map_err(|wrong| Box::new(Finding::new(Code::AwsRefused, wrong)))?;
        row.version = replaces + 1;
        row.expires = self.outside.now().checked_add(ANSWERS).ok();
        Ok((row, replaces))
    }
}

/// The fires that have been written.
fn written(desk: &Desk, due: Vec<Due>, left_out: &[central::Key]) -> Vec<Due> {
    let space = desk.space.name();
    due.into_iter().filter(|due| !left_out.contains(&keys::fire(space, &due.pipeline, &due.label))).collect()
}

/// What is said of a row that the table does not take.
pub fn too_large(key: &central::Key, size: usize) -> String {
    let central::Key { pk, sk } = key;
    format!("{}: row {pk}, {sk} has {size} bytes, and the table takes {}", Code::FactTooLarge.id(), central::LARGEST)
}

/// Whether somebody waits for an answer.
fn is_waited_for(message: &Message) -> bool {
    message.id != SWEPT && !matches!(message.body, Body::Run(_) | Body::Deregister { .. })
}

/// An account that was set up with an older dpc is told so when it deploys.
fn older(message: &Message, account: &str) -> Option<String> {
    let (theirs, ours) = (message.dpc.as_str(), env!("CARGO_PKG_VERSION"));
    let is_older = matches!(message.body, Body::Register(_)) && generation(theirs) < generation(ours);
    is_older.then(|| {
        format!(
            "account {account} runs dpc {theirs}, the central account {ours}: `dpc setup account` brings it up to date"
        )
    })
}

/// An answer that says nothing yet.
pub fn answer_to(id: &str) -> Answer {
    Answer { id: id.to_owned(), refused: None, warnings: Vec::new(), result: serde_json::Value::Null }
}

/// Names that cannot be part of a key. The account function checks them; a key must not depend on that.
fn unusable(body: &Body) -> Option<Refusal> {
    let (pipeline, labels): (&str, &[String]) = match body {
        Body::Run(report) => (&report.pipeline, std::slice::from_ref(&report.partition)),
        Body::Register(registration) => (&registration.pipeline, &[]),
        Body::Deregister { pipeline, .. } => (pipeline, &[]),
        Body::Override(change) => (&change.pipeline, std::slice::from_ref(&change.partition)),
        Body::Reserve(reserve) => (&reserve.pipeline, &reserve.partitions),
        Body::Cancel { .. } | Body::Hello => return None,
    };
    // It becomes part of the ARN of a bus.
    let region = match &body {
        Body::Register(registration) => Some(registration.region.as_str()),
        _ => None,
    };
    let names = std::iter::once(pipeline).chain(labels.iter().map(String::as_str)).chain(region);
    let wrong = names.into_iter().find(|name| !is_name(name))?;
    Some(Refusal {
        code: Code::BadMessage.id().to_owned(),
        message: format!("a message to the central account cannot be read: `{wrong}` is no name"),
        help: None,
    })
}

/// Lambda's time is over: what is written stays, and the message comes again for the rest.
fn time_is_up() -> Box<Finding> {
    let finding =
        Finding::new(Code::Unreachable, "the time of this invocation is over before the message is dealt with");
    Box::new(finding.help("it goes on by itself with the next one"))
}
