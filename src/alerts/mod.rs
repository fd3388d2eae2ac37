//! Who hears of a run's end: one file a channel, the whole of its compile time in it.
//!
//! In come alerts as users wrote them; out come findings about their values and what each channel subscribes to. This
//! floor refuses to know who publishes.

pub mod email;

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Deserialize;

use crate::control::run::Status;
use crate::documents::template::Resource;
use crate::source::schema::hints;
use crate::source::{Code, Finding, Findings, Span, Spanned, suggest};

/// Who is told when a run reaches a status. Exactly one channel.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Alert {
    /// Statuses of a run: RUNNING, SUCCEEDED, FAILED, TIMED_OUT, ABORTED, SKIPPED.
    #[schemars(transform = hints::words(&ANNOUNCED.iter().map(|status| status.as_str()).collect::<Vec<_>>()))]
    pub events: Vec<Spanned<String>>,
    /// An e-mail address; SNS asks it to confirm once.
    #[schemars(transform = hints::form("@", &["team@example.com"]))]
    pub email: Option<Spanned<String>>,
}

/// The statuses that can be announced. QUEUED is none: a run that waits will start or be skipped.
const ANNOUNCED: &[Status] =
    &[Status::Running, Status::Succeeded, Status::Failed, Status::TimedOut, Status::Aborted, Status::Skipped];

/// Reports values that would announce nothing; `span` is the alert's.
pub fn check(alert: &Alert, span: Span, findings: &mut Findings) {
    if alert.events.is_empty() {
        findings.push(
            Finding::at(Code::BadAlertEvent, span, "alert names no event", "nobody would ever hear of anything")
                .help("list statuses, such as `events: [FAILED, TIMED_OUT, ABORTED]`"),
        );
    }
    for event in &alert.events {
        if announced(event).is_none() {
            findings.push(unknown(event));
        }
    }
    if let Some(address) = &alert.email {
        email::check(address, findings);
    }
}

fn unknown(event: &Spanned<String>) -> Finding {
    let names: Vec<&str> = ANNOUNCED.iter().map(|status| status.as_str()).collect();
    let finding =
        Finding::at(Code::BadAlertEvent, event.span, format!("no run is ever announced as `{}`", event.value), "");
    match suggest::near(event, names.iter().copied()) {
        Some(near) => finding.fix(event.span, near, format!("did you mean `{near}`?")),
        None => finding.help(format!("use one of {}", names.join(", "))),
    }
}

fn announced(event: &str) -> Option<Status> {
    ANNOUNCED.iter().copied().find(|status| status.as_str() == event)
}

/// Every status that some alert wants, in the order of [`Status::ALL`].
pub fn statuses<'a>(alerts: impl IntoIterator<Item = &'a Alert>) -> Vec<Status> {
    let wanted: Vec<Status> =
        alerts.into_iter().flat_map(|alert| &alert.events).filter_map(|event| announced(event)).collect();
    Status::ALL.into_iter().filter(|status| wanted.contains(status)).collect()
}

/// The subscriptions with the place of each: one an address, sorted by address, whatever the order and number of alerts
/// that name it. SNS keeps one subscription of an address, so its alerts are joined.
pub fn subscriptions(alerts: &[Spanned<Alert>]) -> Vec<(String, Resource, Span)> {
    let mut by_address: BTreeMap<&str, (Vec<&Alert>, Span)> = BTreeMap::new();
    for alert in alerts {
        if let Some(address) = &alert.email {
            by_address.entry(&address.value).or_insert_with(|| (Vec::new(), address.span)).0.push(&alert.value);
        }
    }
    let subscribe = |(address, (alerts, span)): (&str, (Vec<&Alert>, Span))| {
        let (id, resource) = email::subscription(address, &statuses(alerts));
        (id, resource, span)
    };
    by_address.into_iter().map(subscribe).collect()
}
