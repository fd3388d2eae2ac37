//! What happens to a stack, event by event, and which event was the first cause of a failure.

use std::collections::HashSet;
use std::time::Duration;

use aws_sdk_cloudformation::types::StackEvent;

use super::{Pace, Phase, StackState, describe};
use crate::cloud::failure::{CloudResult, Explained, sentence};
use crate::cloud::session::Session;
use crate::source::{Code, Finding};

/// One event of a stack.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    /// AWS's id of it.
    pub id: String,
    /// Seconds since 1970.
    pub at: i64,
    /// The logical id; the stack's own name for an event of the stack itself.
    pub resource: String,
    /// The type: `AWS::SNS::Topic`.
    pub kind: String,
    /// What happened.
    pub state: ResourceState,
    /// AWS's words, if any.
    pub reason: Option<String>,
    /// Whether it is about the stack itself.
    pub of_stack: bool,
}

/// The status of a resource: what is done, and how far it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ResourceState {
    /// What is done.
    pub verb: Verb,
    /// How far it is.
    pub outcome: Outcome,
}

/// What is done to a resource.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs)] // The names are AWS's own.
pub enum Verb {
    Create,
    Update,
    Delete,
    Import,
    Export,
    Rollback,
    Review,
}

/// How far it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Begun.
    InProgress,
    /// Done.
    Complete,
    /// Failed.
    Failed,
    /// Left alone on purpose.
    Skipped,
}

impl ResourceState {
    /// Reads AWS's spelling: a verb and an outcome, `UPDATE_ROLLBACK_IN_PROGRESS`.
    pub fn parse(text: &str) -> Option<Self> {
        let text = text.strip_suffix("_CLEANUP_IN_PROGRESS").unwrap_or(text);
        let (rest, outcome) = [
            ("_IN_PROGRESS", Outcome::InProgress),
            ("_COMPLETE", Outcome::Complete),
            ("_FAILED", Outcome::Failed),
            ("_SKIPPED", Outcome::Skipped),
        ]
        .into_iter()
        .find_map(|(suffix, outcome)| Some((text.strip_suffix(suffix)?, outcome)))?;
        let verb = match rest {
            "CREATE" => Verb::Create,
            "UPDATE" => Verb::Update,
            "DELETE" => Verb::Delete,
            "IMPORT" => Verb::Import,
            "EXPORT" => Verb::Export,
            "ROLLBACK" | "UPDATE_ROLLBACK" | "IMPORT_ROLLBACK" | "EXPORT_ROLLBACK" => Verb::Rollback,
            "REVIEW" => Verb::Review,
            _ => return None,
        };
        Some(Self { verb, outcome })
    }

    /// As people say it: `creating`, `created`, `could not be created`.
    pub fn words(&self) -> &'static str {
        match (self.verb, self.outcome) {
            (Verb::Create, Outcome::InProgress) => "creating",
            (Verb::Create, Outcome::Complete) => "created",
            (Verb::Create, Outcome::Failed) => "could not be created",
            (Verb::Update, Outcome::InProgress) => "updating",
            (Verb::Update, Outcome::Complete) => "updated",
            (Verb::Update, Outcome::Failed) => "could not be updated",
            (Verb::Delete, Outcome::InProgress) => "deleting",
            (Verb::Delete, Outcome::Complete) => "deleted",
            (Verb::Delete, Outcome::Failed) => "could not be deleted",
            (Verb::Import, Outcome::InProgress) => "importing",
            (Verb::Import, Outcome::Complete) => "imported",
            (Verb::Import, Outcome::Failed) => "could not be imported",
            (Verb::Export, Outcome::InProgress) => "handing over",
            (Verb::Export, Outcome::Complete) => "handed over",
            (Verb::Export, Outcome::Failed) => "could not be handed over",
            (Verb::Rollback, Outcome::InProgress) => "undoing",
            (Verb::Rollback, Outcome::Complete) => "undone",
            (Verb::Rollback, Outcome::Failed) => "could not be undone",
            (Verb::Review, _) => "under review",
            (_, Outcome::Skipped) => "kept",
        }
    }
}

/// What is new since the last question.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Update {
    /// New events, oldest first.
    pub events: Vec<Event>,
    /// The stack's state, once CloudFormation is done with it.
    pub ended: Option<StackState>,
}

/// Follows a stack from a moment on.
#[derive(Debug)]
pub struct Watch {
    stack_id: String,
    seen: HashSet<String>,
    pace: Pace,
    asked: bool,
    /// Questions to ask before a stack that does not move counts as one that has ended.
    patience: u32,
}

const SOON: Duration = Duration::from_millis(300);
const LATE: Duration = Duration::from_secs(5);
/// CloudFormation may go on showing the old state for some seconds after it was asked for a change.
const PATIENCE: u32 = 12;

impl Watch {
    /// Begins now: what has happened to the stack before is not told. Begin before you ask for a change.
    ///
    /// # Errors
    /// Whatever AWS refuses.
    pub async fn begin(session: &Session, stack_id: &str) -> CloudResult<Self> {
        let mut watch = Self::resume(stack_id);
        watch.fresh(session).await?;
        watch.patience = PATIENCE;
        Ok(watch)
    }

    /// Begins with the events that the stack still remembers.
    pub fn resume(stack_id: &str) -> Self {
        let pace = Pace::new(SOON, LATE);
        Self { stack_id: stack_id.to_owned(), seen: HashSet::new(), pace, asked: false, patience: 0 }
    }

    /// Waits a little and tells what is new.
    ///
    /// # Errors
    /// Whatever AWS refuses. What CloudFormation does goes on.
    pub async fn next(&mut self, session: &Session) -> CloudResult<Update> {
        if self.asked {
            self.pace.wait().await;
        }
        self.asked = true;
        // The state first: events that come between the two answers are told, and the last ones are not lost.
        let stack = describe(session, &self.stack_id).await?;
        let events = self.fresh(session).await?;
        if events.is_empty() {
            self.patience = self.patience.saturating_sub(1);
        } else {
            self.patience = 0;
            self.pace.quicken(SOON * 3);
        }
        let state = stack.map_or(StackState::DeleteComplete, |stack| stack.state);
        let ended = match state.phase() {
            Phase::Gone => Some(state),
            Phase::Ready | Phase::FailedCreate | Phase::Stuck => (self.patience == 0).then_some(state),
            // Nobody need wait until the old resources are gone.
            Phase::Busy if state.is_deployed() => Some(state),
            Phase::Busy | Phase::Reviewed => None,
        };
        Ok(Update { events, ended })
    }

    /// Events not seen yet, oldest first. AWS lists the newest first, so the first known one ends the search.
    async fn fresh(&mut self, session: &Session) -> CloudResult<Vec<Event>> {
        let mut fresh = Vec::new();
        let mut token = None;
        loop {
            let call = session.clients.cloudformation().describe_stack_events().stack_name(&self.stack_id);
            let answer = call.set_next_token(token).send().await;
            let answer = match answer {
                // A stack that is gone for good has no events any more.
                Err(error) if error.as_service_error().is_some_and(|said| super::is_missing(said.meta().message())) => {
                    break;
                }
                other => other.explained(&session.caller, "cloudformation:DescribeStackEvents")?,
            };
            let mut known = false;
            for event in answer.stack_events() {
                let Some(id) = event.event_id() else { continue };
                if !self.seen.insert(id.to_owned()) {
                    known = true;
                    break;
                }
                fresh.extend(read(event));
            }
            token = answer.next_token;
            if known || token.is_none() {
                break;
            }
        }
        fresh.reverse();
        Ok(fresh)
    }
}

fn read(event: &StackEvent) -> Option<Event> {
    let resource = event.logical_resource_id()?;
    Some(Event {
        id: event.event_id()?.to_owned(),
        at: event.timestamp().map_or(0, aws_smithy_types::DateTime::secs),
        resource: resource.to_owned(),
        kind: event.resource_type().unwrap_or_default().to_owned(),
        state: ResourceState::parse(event.resource_status()?.as_str())?,
        reason: event.resource_status_reason().filter(|reason| !reason.is_empty()).map(str::to_owned),
        of_stack: event.physical_resource_id().is_some() && event.physical_resource_id() == event.stack_id(),
    })
}

/// The event that made all others fail: the earliest failure that is not itself a consequence. The stack's own event
/// counts only when no resource failed, because it repeats the others.
pub fn first_cause(events: &[Event]) -> Option<&Event> {
    let failed = |event: &&Event| event.state.outcome == Outcome::Failed && !is_consequence(event);
    let of_resource = events.iter().filter(failed).find(|event| !event.of_stack);
    of_resource.or_else(|| events.iter().find(failed)).or_else(|| {
        // A stack that is refused as a whole is never FAILED: it goes straight into its rollback, with the reason.
        events.iter().find(|event| event.of_stack && event.state.verb == Verb::Rollback && event.reason.is_some())
    })
}

fn is_consequence(event: &Event) -> bool {
    let reason = event.reason.as_deref().unwrap_or_default().to_lowercase();
    reason.contains("cancelled") || reason.contains("canceled")
}

/// The finding for a deletion that did not work.
pub fn delete_failed(stack: &str, events: &[Event]) -> Finding {
    let cause = first_cause(events);
    let said = cause.map(|event| {
        let reason = event.reason.as_deref().map_or_else(|| "no reason given".to_owned(), sentence);
        format!(": `{}`: {reason}", event.resource)
    });
    Finding::new(Code::DeleteFailed, format!("stack `{stack}` could not be deleted{}", said.unwrap_or_default()))
        .help("remove what stands in the way, then type the command again; what is deleted already stays deleted")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(resource: &str, state: &str, reason: Option<&str>) -> Event {
        Event {
            id: format!("{resource}-{state}"),
            at: 0,
            resource: resource.into(),
            kind: String::new(),
            state: ResourceState::parse(state).expect("a state of AWS"),
            reason: reason.map(str::to_owned),
            of_stack: resource == "dpc-x",
        }
    }

    #[test]
    fn every_resource_status_of_the_sdk_reads() {
        for value in aws_sdk_cloudformation::types::ResourceStatus::values() {
            assert!(ResourceState::parse(value).is_some(), "{value}");
        }
    }

    #[test]
    fn the_first_cause_is_the_earliest_failure_that_nothing_else_made() {
        let events = [
            event("Role", "CREATE_IN_PROGRESS", None),
            event("Role", "CREATE_FAILED", Some("Resource creation cancelled")),
            event("Schedule", "CREATE_FAILED", Some("Invalid Schedule Expression")),
            event("Topic", "CREATE_FAILED", Some("later")),
            event("dpc-x", "ROLLBACK_IN_PROGRESS", Some("The following resource(s) failed to create: [Schedule]")),
        ];
        assert_eq!(first_cause(&events).map(|event| event.resource.as_str()), Some("Schedule"));
    }

    #[test]
    fn a_stack_refused_as_a_whole_is_its_own_cause() {
        let events = [
            event("dpc-x", "CREATE_IN_PROGRESS", Some("User Initiated")),
            event("dpc-x", "ROLLBACK_IN_PROGRESS", Some("Transform failed")),
        ];
        assert_eq!(first_cause(&events).and_then(|event| event.reason.as_deref()), Some("Transform failed"));
        assert_eq!(first_cause(&events[..1]), None);
    }
}
