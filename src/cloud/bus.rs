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

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use aws_sdk_eventbridge::config::{BehaviorVersion, Credentials, SharedCredentialsProvider};
    use aws_smithy_runtime_api::client::http::{
        HttpConnector, HttpConnectorFuture, SharedHttpConnector, http_client_fn,
    };
    use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse};
    use aws_smithy_types::body::SdkBody;
    use serde_json::{Value, json};

    use super::*;

    /// An EventBridge that refuses some details for so often, and remembers what it was sent.
    #[derive(Clone, Debug, Default)]
    struct Flaky {
        refuses: Arc<Mutex<Vec<(String, u32)>>>,
        sent: Arc<Mutex<Vec<Vec<String>>>>,
    }

    impl HttpConnector for Flaky {
        fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
            let body: Value = serde_json::from_slice(request.body().bytes().unwrap()).unwrap();
            let details: Vec<String> = body["Entries"]
                .as_array()
                .unwrap()
                .iter()
                .map(|entry| entry["Detail"].as_str().unwrap().to_owned())
                .collect();
            let mut refuses = self.refuses.lock().unwrap();
            let mut answer = |detail: &String| match refuses.iter_mut().find(|(of, left)| of == detail && *left > 0) {
                Some((_, left)) => {
                    *left -= 1;
                    json!({ "ErrorCode": "ThrottlingException", "ErrorMessage": "Rate exceeded" })
                }
                None => json!({ "EventId": "e" }),
            };
            let entries: Vec<Value> = details.iter().map(&mut answer).collect();
            let failed = entries.iter().filter(|entry| entry.get("ErrorCode").is_some()).count();
            self.sent.lock().unwrap().push(details);
            let answer = json!({ "FailedEntryCount": failed, "Entries": entries }).to_string();
            HttpConnectorFuture::ready(Ok(HttpResponse::new(200.try_into().unwrap(), SdkBody::from(answer))))
        }
    }

    fn put(flaky: &Flaky, details: &[&str]) -> Vec<Result<(), String>> {
        let connector = SharedHttpConnector::new(flaky.clone());
        let config = aws_sdk_eventbridge::Config::builder()
            .behavior_version(BehaviorVersion::latest())
            .region(Region::new("eu-central-1"))
            .credentials_provider(SharedCredentialsProvider::new(Credentials::new("a", "b", None, None, "test")))
            .http_client(http_client_fn(move |_, _| connector.clone()))
            .build();
        let client = aws_sdk_eventbridge::Client::from_conf(config);
        let bus = Bus { client, caller: Caller::default(), arn: "arn:aws:events:eu-central-1:1:event-bus/dpc".into() };
        let event = |detail: &&str| Event { source: "dpc.account", kind: "dpc message", detail: (*detail).to_owned() };
        let events: Vec<Event> = details.iter().map(event).collect();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(bus.put(&events)).unwrap()
    }

    #[test]
    fn what_was_refused_for_now_is_sent_again_and_nothing_else_is() {
        let flaky = Flaky::default();
        flaky.refuses.lock().unwrap().push(("b".into(), 2));
        assert_eq!(put(&flaky, &["a", "b", "c"]), [Ok(()), Ok(()), Ok(())]);
        assert_eq!(*flaky.sent.lock().unwrap(), [vec!["a", "b", "c"], vec!["b"], vec!["b"]]);
    }

    #[test]
    fn what_stays_refused_is_named() {
        let flaky = Flaky::default();
        flaky.refuses.lock().unwrap().push(("b".into(), 99));
        let outcomes = put(&flaky, &["a", "b"]);
        assert_eq!(outcomes, [Ok(()), Err("ThrottlingException: Rate exceeded".to_owned())]);
    }

    #[test]
    fn more_than_ten_events_are_several_requests() {
        let flaky = Flaky::default();
        let details: Vec<String> = (0..23).map(|number| format!("{{\"n\":{number}}}")).collect();
        let details: Vec<&str> = details.iter().map(String::as_str).collect();
        assert!(put(&flaky, &details).iter().all(Result::is_ok));
        assert_eq!(flaky.sent.lock().unwrap().iter().map(Vec::len).collect::<Vec<_>>(), [10, 10, 3]);
    }
}
