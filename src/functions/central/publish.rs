//! The outbox: fires that are written and must reach their accounts.
//!
//! In come fires; out go envelopes on the buses of the owners, and a mark in each fire's row. It refuses to let one account
//! hold up another: what a bus does not take stays marked for the sweep, and a person is told once.

use std::collections::BTreeMap;

use jiff::SignedDuration;
use serde_json::{Value, json};

use super::desk::{Desk, Sheet, Written};
use super::outside::Outside;
use super::{Central, lost};
use crate::cloud::CloudResult;
use crate::cloud::bus::Event;
use crate::cloud::central::{Delivery, Rows};
use crate::control::message::{CENTRAL_SOURCE, TRIGGER_TYPE};
use crate::control::names;
use crate::control::run::Envelope;
use crate::control::trigger::fact::FireRecord;
use crate::control::trigger::fire;
use crate::control::trigger::space::Registered;
use crate::control::trigger::store::Write;
use crate::functions::metrics::Metric;

/// A fire that has not been reported after this time is published again: the account function finds the run that it has
/// started for it, so nothing happens twice.
pub const PATIENCE: SignedDuration = SignedDuration::from_mins(15);
/// More upstream runs than people read. The rest is in the fire's row, and `dpc why` reads that.
const TOLD: usize = 50;
/// EventBridge takes 256 KB in one request, all entries together:
/// <https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-putevents.html>.
const REQUEST: usize = 240 * 1024;

/// A fire to be published.
#[derive(Clone, Debug, PartialEq)]
pub struct Due {
    /// The downstream pipeline.
    pub pipeline: String,
    /// Its partition, or `none`.
    pub label: String,
    /// The fire.
    pub fire: FireRecord,
    /// What has been done about it before.
    pub done: Delivery,
}

impl<R: Rows, O: Outside> Central<R, O> {
    /// Publishes fires and marks them. What a bus refuses stays open.
    ///
    /// # Errors
    /// The table cannot be read or written.
    pub async fn publish(&self, desk: &mut Desk, due: Vec<Due>) -> CloudResult<()> {
        let mut by_bus: BTreeMap<String, Vec<(Due, Event)>> = BTreeMap::new();
        for one in due {
            let Some(bus) = desk.space.registered(&one.pipeline).and_then(bus_of) else {
                tracing::warn!(pipeline = one.pipeline, partition = one.label, "fired, but not deployed any more");
                continue;
            };
            let envelope = desk
                .look(&self.rows, |space, snapshot| {
                    fire::envelope(space, snapshot, &one.pipeline, &one.label, &one.fire)
                })
                .await?;
            let event = Event { source: CENTRAL_SOURCE, kind: TRIGGER_TYPE, detail: detail(envelope) };
            by_bus.entry(bus).or_default().push((one, event));
        }
        for (bus, fires) in by_bus {
            for some in requests(fires) {
                let (due, events): (Vec<Due>, Vec<Event>) = some.into_iter().unzip();
                let outcomes = match self.outside.put(&bus, &events).await {
                    Ok(outcomes) => outcomes,
                    Err(finding) => vec![Err(format!("{}: {}", finding.code.id(), finding.message)); due.len()],
                };
                self.mark(desk, &bus, due, outcomes).await?;
            }
        }
        Ok(())
    }

    /// Notes in the fires' rows how it went.
    async fn mark(
        &self,
        desk: &mut Desk,
        bus: &str,
        due: Vec<Due>,
        outcomes: Vec<Result<(), String>>,
    ) -> CloudResult<()> {
        let now = self.outside.now();
        let mut sheet = Sheet::default();
        for (one, outcome) in due.into_iter().zip(outcomes) {
            let Due { pipeline, label, fire, mut done } = one;
            done.attempts += 1;
            let taken = outcome.is_ok();
            match outcome {
                Ok(()) => {
                    tracing::info!(space = desk.space.name(), pipeline, partition = label, key = fire.hash, "fired");
                    done.published_at = Some(now);
                    done.refusal = None;
                }
                Err(refusal) => {
                    tracing::error!(pipeline, partition = label, bus, refusal, "the bus did not take a trigger");
                    // The first time may be an accident; the sweep sees whether it is.
                    if done.attempts > 1 && !done.alarmed {
                        let why = format!("trigger of {pipeline}/{label}: bus {bus} did not take it: {refusal}");
                        self.outside.count(Metric::NeedsAttention, &why);
                        done.alarmed = true;
                    }
                    done.refusal = Some(refusal);
                }
            }
            let fire = FireRecord { rev: fire.rev + 1, published: fire.published || taken, ..fire };
            sheet.done(&pipeline, &label, json!(done));
            desk.note(&mut sheet, [Write::Fire { pipeline, label, fire }]);
        }
        match desk.write(&self.rows, sheet, Sheet::default()).await? {
            Written::Done => Ok(()),
            Written::TooLarge(_) | Written::Lost => Err(lost()),
        }
    }
}

/// The bus of a pipeline's owner: in the partition of its stack, in the region in which it is deployed.
fn bus_of(registered: &Registered) -> Option<String> {
    let Registered { registration, account, .. } = registered;
    let partition = registration.stack.split(':').nth(1).filter(|partition| !partition.is_empty()).unwrap_or("aws");
    if registration.region.is_empty() || account.is_empty() {
        return None;
    }
    Some(format!("arn:{partition}:events:{}:{account}:event-bus/{}", registration.region, names::ACCOUNT_BUS))
}

/// The envelope as the event's detail, with no more upstream runs in its cause than people read.
fn detail(mut envelope: Envelope) -> String {
    let trigger = envelope.cause.as_mut().and_then(|cause| cause.get_mut("trigger")).and_then(Value::as_object_mut);
    if let Some(trigger) = trigger
        && let Some(relied) = trigger.get_mut("relied").and_then(Value::as_array_mut)
        && relied.len() > TOLD
    {
        let more = relied.len() - TOLD;
        relied.truncate(TOLD);
        trigger.insert("more".to_owned(), json!(more));
    }
    json!(envelope).to_string()
}

/// What goes in one request each: ten entries at most, and no more bytes than it takes.
fn requests(fires: Vec<(Due, Event)>) -> Vec<Vec<(Due, Event)>> {
    let (mut requests, mut bytes) = (Vec::<Vec<(Due, Event)>>::new(), 0);
    for (due, event) in fires {
        let size = event.detail.len() + event.source.len() + event.kind.len();
        match requests.last_mut().filter(|request| request.len() < 10 && bytes + size <= REQUEST) {
            Some(request) => {
                request.push((due, event));
                bytes += size;
            }
            None => {
                requests.push(vec![(due, event)]);
                bytes = size;
            }
        }
    }
    requests
}
