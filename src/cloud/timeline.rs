//! An execution's history as a run's timeline: which step began when, how it ended, and why.
//!
//! In come the history events of Step Functions; out come [`Moment`]s in the order in which they happened. The folding
//! is pure. It refuses to know how a state machine is laid out, but for two things that `compile` promises: a step's
//! state carries the step's name, and the output of a state holds each step's result under that name.

use std::collections::{BTreeMap, HashMap};

use aws_sdk_sfn::types::HistoryEvent;
use aws_smithy_types::error::metadata::ProvideErrorMetadata;
use serde_json::Value;

use crate::cloud::failure::{CloudResult, Explained};
use crate::cloud::session::Session;
use crate::control::run::{ExecutionInput, Status};

/// Something that happened in a run.
#[derive(Clone, Debug, PartialEq)]
pub struct Moment {
    /// Seconds since 1970.
    pub at: f64,
    /// The state it happened to; for a step, the step's name.
    pub state: String,
    /// Whether the state is one of the user's steps.
    pub is_step: bool,
    /// What happened.
    pub what: What,
}

/// What happened to a state.
#[derive(Clone, Debug, PartialEq)]
pub enum What {
    /// It began.
    Began,
    /// It ended well, after so many seconds.
    Succeeded(f64),
    /// An attempt failed; another follows or the state ends.
    AttemptFailed(String),
    /// It ended badly, after so many seconds, for this reason.
    Failed(f64, String),
    /// It never began, because a step that it needs did not succeed.
    Skipped,
    /// Kept from running: something that it needs has failed.
    Blocked,
}

/// How an execution stands.
#[derive(Clone, Debug, PartialEq)]
pub struct Standing {
    /// Its status.
    pub status: Status,
    /// Error name, when it ended badly.
    pub error: Option<String>,
    /// In words, when it ended badly.
    pub cause: Option<String>,
    /// The run's steps, from the execution's input, in the order of the file.
    pub steps: Vec<String>,
    /// How long it took, once it has ended.
    pub seconds: Option<f64>,
}

/// How the execution stands; `None` when Step Functions has forgotten it, 90 days after its end.
///
/// # Errors
/// Whatever AWS refuses.
pub async fn standing(session: &Session, execution: &str) -> CloudResult<Option<Standing>> {
    let answer = session.clients.sfn().describe_execution().execution_arn(execution).send().await;
    if answer.as_ref().is_err_and(|error| error.code() == Some("ExecutionDoesNotExist")) {
        return Ok(None);
    }
    let answer = answer.explained(&session.caller, "states:DescribeExecution")?;
    let status = Status::of_execution(answer.status().as_str(), answer.error()).unwrap_or(Status::Running);
    let input = answer.input().and_then(|input| serde_json::from_str::<ExecutionInput>(input).ok());
    let steps = input.map(|input| input.steps.keys().cloned().collect()).unwrap_or_default();
    let seconds = answer.stop_date().map(|stop| stop.as_secs_f64() - answer.start_date().as_secs_f64());
    Ok(Some(Standing { status, error: answer.error, cause: answer.cause, steps, seconds }))
}

/// Folds an execution's history, question by question, into moments.
#[derive(Debug)]
pub struct Timeline {
    execution: String,
    steps: Vec<String>,
    last: i64,
    /// Event id to the name of the state that it belongs to.
    owner: HashMap<i64, String>,
    /// States that have begun and not ended: when, and the last attempt's failure.
    open: BTreeMap<String, (f64, Option<String>)>,
}

impl Timeline {
    /// A timeline of an execution with these steps, from its beginning.
    pub fn new(execution: &str, steps: Vec<String>) -> Self {
        Self { execution: execution.to_owned(), steps, last: 0, owner: HashMap::new(), open: BTreeMap::new() }
    }

    /// What has happened since the last question.
    ///
    /// # Errors
    /// Whatever AWS refuses.
    pub async fn news(&mut self, session: &Session) -> CloudResult<Vec<Moment>> {
        let mut fresh: Vec<HistoryEvent> = Vec::new();
        let mut token = None;
        loop {
            // Newest first, so that a long history is not read again with every question.
            let call = session.clients.sfn().get_execution_history().execution_arn(&self.execution);
            let call = call.reverse_order(true).max_results(1000).include_execution_data(true).set_next_token(token);
            let page = call.send().await.explained(&session.caller, "states:GetExecutionHistory")?;
            let known = page.events().iter().any(|event| event.id() <= self.last);
            fresh.extend(page.events.into_iter().filter(|event| event.id() > self.last));
            token = page.next_token;
            if known || token.is_none() {
                break;
            }
        }
        fresh.sort_by_key(HistoryEvent::id);
        Ok(last_attempts_once(fresh.iter().filter_map(|event| self.fold(event)).collect()))
    }

    fn fold(&mut self, event: &HistoryEvent) -> Option<Moment> {
        self.last = self.last.max(event.id());
        let at = event.timestamp().as_secs_f64();
        let kind = event.r#type().as_str();
        if let Some(entered) = event.state_entered_event_details() {
            self.owner.insert(event.id(), entered.name().to_owned());
            return self.entered(kind, entered.name(), at);
        }
        if let Some(exited) = event.state_exited_event_details() {
            let output = exited.output().and_then(|output| serde_json::from_str(output).ok());
            return self.exited(kind, exited.name(), at, &output.unwrap_or(Value::Null));
        }
        let owner = self.owner.get(&event.previous_event_id()).cloned();
        if let Some(owner) = &owner {
            self.owner.insert(event.id(), owner.clone());
        }
        let reason = attempt_failure(event)?;
        // Without a chain of events there is no doubt only while a single state is open.
        let state = owner.or_else(|| if self.open.len() == 1 { self.open.keys().next().cloned() } else { None })?;
        self.open.get_mut(&state)?.1 = Some(reason.clone());
        Some(self.moment(at, &state, What::AttemptFailed(reason)))
    }

    fn entered(&mut self, kind: &str, name: &str, at: f64) -> Option<Moment> {
        match kind {
            "TaskStateEntered" => {
                self.open.insert(name.to_owned(), (at, None));
                Some(self.moment(at, name, What::Began))
            }
            "PassStateEntered" => {
                let skipped = name.strip_suffix(": skipped").map(|step| (step.to_owned(), What::Skipped));
                let blocked = || name.strip_suffix(": blocked").map(|step| (step.to_owned(), What::Blocked));
                let (step, what) = skipped.or_else(blocked)?;
                Some(self.moment(at, &step, what))
            }
            _ => None,
        }
    }

    fn exited(&mut self, kind: &str, name: &str, at: f64, output: &Value) -> Option<Moment> {
        if kind != "TaskStateExited" {
            return None;
        }
        let (began, failure) = self.open.remove(name)?;
        let took = (at - began).max(0.0);
        let result = output.get(name);
        let status = result.and_then(|result| result.get("status")).and_then(Value::as_str);
        let what = match (status, failure) {
            (Some("FAILED"), failure) => What::Failed(took, reason_of(result).or(failure).unwrap_or_default()),
            (Some(_), _) | (None, None) => What::Succeeded(took),
            (None, Some(failure)) => What::Failed(took, failure),
        };
        Some(self.moment(at, name, what))
    }

    fn moment(&self, at: f64, state: &str, what: What) -> Moment {
        Moment { at, state: state.to_owned(), is_step: self.steps.iter().any(|step| step == state), what }
    }
}

/// The failure of the last attempt is the failure of the state, which says it again.
fn last_attempts_once(moments: Vec<Moment>) -> Vec<Moment> {
    let mut kept: Vec<Moment> = Vec::with_capacity(moments.len());
    for moment in moments {
        if matches!(moment.what, What::Failed(..)) {
            let attempt = kept.iter().rposition(|before| before.state == moment.state);
            if let Some(at) =
                attempt.filter(|at| kept.get(*at).is_some_and(|it| matches!(it.what, What::AttemptFailed(_))))
            {
                kept.remove(at);
            }
        }
        kept.push(moment);
    }
    kept
}

fn attempt_failure(event: &HistoryEvent) -> Option<String> {
    let details = if let Some(failed) = event.task_failed_event_details() {
        (failed.error(), failed.cause())
    } else if let Some(timed_out) = event.task_timed_out_event_details() {
        (timed_out.error().or(Some("States.Timeout")), timed_out.cause())
    } else if let Some(submit) = event.task_submit_failed_event_details() {
        (submit.error(), submit.cause())
    } else if let Some(start) = event.task_start_failed_event_details() {
        (start.error(), start.cause())
    } else {
        return None;
    };
    Some(join(details.0, details.1))
}

fn reason_of(result: Option<&Value>) -> Option<String> {
    let text = |name: &str| result?.get(name)?.as_str();
    let reason = join(text("error"), text("cause"));
    (!reason.is_empty()).then_some(reason)
}

/// `error: cause`. The name that Step Functions gives to every failure of a job says nothing that the cause does not.
fn join(error: Option<&str>, cause: Option<&str>) -> String {
    let cause = cause.map(plain);
    match (error.filter(|error| !error.is_empty()), cause.filter(|cause| !cause.is_empty())) {
        (Some("States.TaskFailed"), Some(cause)) => cause,
        (Some(error), Some(cause)) => format!("{error}: {cause}"),
        (Some(only), None) => only.to_owned(),
        (None, Some(only)) => only,
        (None, None) => String::new(),
    }
}

/// A cause as people want it. EMR hands over its whole description of the step or the cluster as JSON, and what records
/// it may have cut it short: the message in it is taken out, the rest left away.
pub fn plain(cause: &str) -> String {
    let Some((head, json)) = cause.split_once('{').filter(|(_, json)| json.trim_start().starts_with('"')) else {
        return super::failure::sentence(cause);
    };
    let said = field(json, "\"Message\"").or_else(|| field(json, "\"Reason\""));
    let head = head.trim_end_matches([' ', ':']);
    match said {
        Some(said) if head.is_empty() => super::failure::sentence(&said),
        Some(said) => format!("{head}: {}", super::failure::sentence(&said)),
        None if head.is_empty() => super::failure::sentence(cause),
        None => head.to_owned(),
    }
}

/// The text of a field in JSON that may end anywhere.
fn field(json: &str, name: &str) -> Option<String> {
    let (_, rest) = json.split_once(name)?;
    let rest = rest.trim_start().strip_prefix(':')?.trim_start().strip_prefix('"')?;
    let mut text = String::new();
    let mut letters = rest.chars();
    while let Some(letter) = letters.next() {
        match letter {
            '"' => return Some(text).filter(|text| !text.is_empty()),
            '\\' => text.push(match letters.next() {
                Some('n' | 't' | 'r') | None => ' ',
                Some(other) => other,
            }),
            other => text.push(other),
        }
    }
    text.push('…');
    Some(text)
}

#[cfg(test)]
mod tests {
    use aws_sdk_sfn::types::{
        HistoryEventType, StateEnteredEventDetails, StateExitedEventDetails, TaskFailedEventDetails,
    };
    use aws_smithy_types::DateTime;

    use super::*;

    fn event(id: i64, previous: i64, kind: HistoryEventType) -> aws_sdk_sfn::types::builders::HistoryEventBuilder {
        HistoryEvent::builder().id(id).previous_event_id(previous).r#type(kind).timestamp(DateTime::from_secs(100 + id))
    }

    fn entered(id: i64, name: &str) -> HistoryEvent {
        let details = StateEnteredEventDetails::builder().name(name).build().expect("a name is all it needs");
        event(id, id - 1, HistoryEventType::TaskStateEntered)
            .state_entered_event_details(details)
            .build()
            .expect("complete")
    }

    fn exited(id: i64, name: &str, output: &str) -> HistoryEvent {
        let details =
            StateExitedEventDetails::builder().name(name).output(output).build().expect("a name is all it needs");
        event(id, id - 1, HistoryEventType::TaskStateExited)
            .state_exited_event_details(details)
            .build()
            .expect("complete")
    }

    #[test]
    fn a_caught_failure_is_a_failure() {
        let mut timeline = Timeline::new("arn", vec!["publish".into()]);
        let output = r#"{"aggregate":{"status":"SUCCEEDED"},"publish":{"status":"FAILED","error":"States.TaskFailed","cause":"exit 3"}}"#;
        let moments: Vec<_> = [entered(2, "publish"), exited(5, "publish", output)]
            .iter()
            .filter_map(|event| timeline.fold(event))
            .collect();
        assert_eq!(moments[0].what, What::Began);
        assert!(moments[0].is_step);
        assert_eq!(moments[1].what, What::Failed(3.0, "exit 3".into()));
    }

    #[test]
    fn an_attempt_belongs_to_the_state_that_its_chain_of_events_leads_to() {
        let mut timeline = Timeline::new("arn", vec!["a".into(), "b".into()]);
        let failed =
            TaskFailedEventDetails::builder().resource("r").resource_type("t").error("E").cause("boom").build();
        let failed = event(4, 2, HistoryEventType::TaskFailed).task_failed_event_details(failed.expect("complete"));
        let events = [entered(2, "a"), entered(3, "b"), failed.build().expect("complete")];
        let moments: Vec<_> = events.iter().filter_map(|event| timeline.fold(event)).collect();
        assert_eq!((moments[2].state.as_str(), &moments[2].what), ("a", &What::AttemptFailed("E: boom".into())));
    }

    #[test]
    fn the_message_inside_emrs_answer_is_what_people_see() {
        let cause = r#"{"Step":{"Status":{"FailureDetails":{"Reason":"Unknown Error.","Message":"thread \"main\": exit code 3"}}}}"#;
        assert_eq!(join(Some("States.TaskFailed"), Some(cause)), "thread \"main\": exit code 3");
        // Cut short inside the message, and before it.
        assert_eq!(plain(r#"step `a` failed: E: {"Step": {"Message": "script r"#), "step `a` failed: E: script r…");
        assert_eq!(plain(r#"step `a` failed: E: {"Step": {"Id": "s-1", "Na"#), "step `a` failed: E");
        assert_eq!(plain("took longer than 3600 seconds."), "took longer than 3600 seconds");
    }
}
