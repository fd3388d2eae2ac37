//! An event bus that takes messages: `dpc-central` of the central account, `dpc` of a member.
//!
//! In come events and the ARN of a bus, of any account and region; out comes what the bus did not take, event by event,
//! after some attempts. It refuses to know what the events say.

use std::time::Duration;

use aws_sdk_eventbridge::config::Region;
use aws_sdk_eventbridge::types::PutEventsRequestEntry;

use super::clients::Clients;
use super::failure::{Caller, CloudResult, Explained};
use crate::source::{Code, Finding};

/// PutEvents takes ten entries: <https://docs.aws.amazon.com/eventbridge/latest/APIReference/API_PutEvents.html>.
const ENTRIES: usize = 10;
/// How often an entry is sent that EventBridge refuses for now. The SDK repeats whole requests that are throttled; entries
/// that are refused inside an accepted request it does not see.
const ATTEMPTS: u32 = 4;

/// An event to put.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    /// Its `source`.
    pub source: &'static str,
    /// Its `detail-type`.
    pub kind: &'static str,
    /// Its `detail`, as JSON.
    pub detail: String,
}

/// A bus.
#[derive(Clone, Debug)]
pub struct Bus {
    client: aws_sdk_eventbridge::Client,
    caller: Caller,
    arn: String,
}

impl Bus {
    /// The bus with this ARN. Events are put in the bus's own region: an endpoint of another one does not know it.
    pub fn new(clients: &Clients, caller: &Caller, arn: &str) -> Self {
        let region = arn.split(':').nth(3).filter(|region| !region.is_empty()).unwrap_or(&caller.region).to_owned();
        let config = aws_sdk_eventbridge::config::Builder::from(clients.config()).region(Region::new(region.clone()));
        let client = aws_sdk_eventbridge::Client::from_conf(config.build());
        Self { client, caller: Caller { region, ..caller.clone() }, arn: arn.to_owned() }
    }

    /// Puts events; answers for each whether the bus has it, or the last refusal.
    ///
    /// # Errors
    /// Whatever AWS refuses of a whole request. Events of earlier requests may have been taken.
    pub async fn put(&self, events: &[Event]) -> CloudResult<Vec<Result<(), String>>> {
        let mut outcomes: Vec<Result<(), String>> = events.iter().map(|_| Err("not sent".to_owned())).collect();
        for attempt in 1..=ATTEMPTS {
            let left: Vec<usize> =
                (0..events.len()).filter(|at| outcomes.get(*at).is_some_and(Result::is_err)).collect();
            if left.is_empty() {
                break;
            }
            if attempt > 1 {
                let longest = 50 << attempt;
                tokio::time::sleep(Duration::from_millis(fastrand::u64(longest / 2..longest))).await;
            }
            for some in left.chunks(ENTRIES) {
                let chosen: Vec<&Event> = some.iter().filter_map(|at| events.get(*at)).collect();
                let answers = self.send(&chosen).await?;
                for (at, answer) in some.iter().zip(answers) {
                    if let Some(outcome) = outcomes.get_mut(*at) {
                        *outcome = answer;
                    }
                }
            }
        }
        Ok(outcomes)
    }

    /// Puts one event.
    ///
    /// # Errors
    /// The bus did not take it; whatever AWS refuses.
    pub async fn put_one(&self, event: Event) -> CloudResult<()> {
        let outcomes = self.put(&[event]).await?;
        outcomes.into_iter().find_map(Result::err).map_or(Ok(()), |refusal| Err(self.refused(&refusal)))
    }

    /// An event that the bus did not take, as a person reads it.
    pub fn refused(&self, refusal: &str) -> Box<Finding> {
        let finding = Finding::new(Code::AwsRefused, format!("bus `{}` does not take an event: {refusal}", self.arn));
        Box::new(finding.help("the event is sent again by itself; if it stays so, look at the policy of the bus"))
    }

    async fn send(&self, events: &[&Event]) -> CloudResult<Vec<Result<(), String>>> {
        let entry = |event: &&Event| {
            let entry = PutEventsRequestEntry::builder().event_bus_name(&self.arn).source(event.source);
            entry.detail_type(event.kind).detail(&event.detail).build()
        };
        let request = self.client.put_events().set_entries(Some(events.iter().map(entry).collect()));
        let answer = request.send().await.explained(&self.caller, "events:PutEvents")?;
        let mut outcomes: Vec<Result<(), String>> = answer
            .entries()
            .iter()
            .map(|entry| match entry.error_code() {
                None => Ok(()),
                Some(code) => Err(format!("{code}: {}", entry.error_message().unwrap_or_default())),
            })
            .collect();
        // One answer an entry, in their order; anything else is not believed.
        if outcomes.len() != events.len() {
            outcomes = events.iter().map(|_| Err("the answer does not say which events were taken".into())).collect();
        }
        Ok(outcomes)
    }
}
