//! What an execution has handed to ECS and EMR Serverless: containers and job runs, with the step that each belongs to.
//!
//! In comes an execution; out come its jobs, from its history, and a way to stop those that still run. It refuses to know
//! jobs of other executions: nothing is looked for by a name or a tag.

use std::collections::HashMap;

use aws_sdk_sfn::types::HistoryEvent;
use aws_smithy_types::error::metadata::ProvideErrorMetadata;
use serde_json::{Value, json};

use crate::cloud::Clients;
use crate::cloud::failure::{Caller, CloudResult, Explained};
use crate::cloud::signed::{self, Request};

/// A job of an execution.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Job {
    /// The name of the state, which is the step's.
    pub step: String,
    /// Where it runs.
    pub at: Place,
    /// How it ended, as far as the execution knows: `None` while it does not.
    pub succeeded: Option<bool>,
}

/// Where a job runs, and its id there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Place {
    /// A task of ECS.
    Container {
        /// ARN of the cluster.
        cluster: String,
        /// ARN of the task.
        task: String,
    },
    /// A job run of EMR Serverless.
    Serverless {
        /// Id of the application.
        application: String,
        /// Id of the job run.
        run: String,
    },
}

impl Job {
    /// The id by which its service and its logs know it.
    pub fn id(&self) -> &str {
        match &self.at {
            Place::Container { task, .. } => task.rsplit('/').next().unwrap_or(task),
            Place::Serverless { run, .. } => run,
        }
    }
}

/// The jobs of an execution, in the order in which they were submitted.
///
/// # Errors
/// Whatever AWS refuses.
pub async fn of(clients: &Clients, caller: &Caller, execution: &str) -> CloudResult<Vec<Job>> {
    let mut events = Vec::new();
    let mut token = None;
    loop {
        let call = clients.sfn().get_execution_history().execution_arn(execution).max_results(1000);
        let page = call.include_execution_data(true).set_next_token(token).send().await;
        // Step Functions forgets an execution 90 days after its end.
        if page.as_ref().is_err_and(|error| error.code() == Some("ExecutionDoesNotExist")) {
            return Ok(Vec::new());
        }
        let page = page.explained(caller, "states:GetExecutionHistory")?;
        events.extend(page.events);
        token = page.next_token;
        if token.is_none() {
            return Ok(read(&events));
        }
    }
}

fn read(events: &[HistoryEvent]) -> Vec<Job> {
    let mut jobs: Vec<Job> = Vec::new();
    // Each event names the one before it in its branch, so a chain leads to the state and to the job it has submitted.
    let mut states: HashMap<i64, &str> = HashMap::new();
    let mut submitted: HashMap<i64, Option<usize>> = HashMap::new();
    for event in events {
        let (id, before) = (event.id(), event.previous_event_id());
        let state = event.state_entered_event_details().map(|entered| entered.name());
        let state = state.or_else(|| states.get(&before).copied());
        states.extend(state.map(|state| (id, state)));
        let mut job = submitted.get(&before).copied().flatten();
        if event.state_entered_event_details().is_some() || event.task_scheduled_event_details().is_some() {
            job = None;
        }
        if let Some(details) = event.task_submitted_event_details() {
            let output = details.output().and_then(|output| serde_json::from_str(output).ok());
            if let (Some(at), Some(state)) = (place(details.resource_type(), output.as_ref()), state) {
                job = Some(jobs.len());
                jobs.push(Job { step: state.to_owned(), at, succeeded: None });
            }
        }
        let ended = match event.r#type().as_str() {
            "TaskSucceeded" => Some(true),
            "TaskFailed" | "TaskTimedOut" => Some(false),
            _ => None,
        };
        if let (Some(ended), Some(job)) = (ended, job.and_then(|at| jobs.get_mut(at))) {
            job.succeeded = Some(ended);
        }
        submitted.insert(id, job);
    }
    jobs
}

/// What a service has answered to the start of a job.
fn place(service: &str, output: Option<&Value>) -> Option<Place> {
    let text = |value: &Value, key: &str| value.get(key).and_then(Value::as_str).map(str::to_owned);
    let output = output?;
    match service {
        "ecs" => {
            let task = output.get("Tasks")?.get(0)?;
            Some(Place::Container { cluster: text(task, "ClusterArn")?, task: text(task, "TaskArn")? })
        }
        "emr-serverless" => {
            Some(Place::Serverless { application: text(output, "ApplicationId")?, run: text(output, "JobRunId")? })
        }
        _ => None,
    }
}

/// States of a job run that has ended: <https://docs.aws.amazon.com/emr-serverless/latest/APIReference/API_JobRun.html>.
const ENDED: [&str; 3] = ["SUCCESS", "FAILED", "CANCELLED"];

/// Stops a job, unless it has ended; says whether it had not.
///
/// # Errors
/// Whatever AWS refuses; a job that its service has forgotten has ended.
pub async fn stop(clients: &Clients, caller: &Caller, job: &Job) -> CloudResult<bool> {
    let known = match &job.at {
        Place::Container { cluster, task } => stop_container(clients, caller, cluster, task).await,
        Place::Serverless { application, run } => cancel(clients, caller, application, run).await,
    };
    let forgotten = ["InvalidParameterException", "ResourceNotFoundException"];
    match known {
        Err(finding) if forgotten.iter().any(|code| finding.message.contains(code)) => Ok(false),
        other => other,
    }
}

/// ECS answers with the task, whether it ran or not.
async fn stop_container(clients: &Clients, caller: &Caller, cluster: &str, task: &str) -> CloudResult<bool> {
    let request = Request {
        service: "ecs",
        operation: "StopTask",
        method: "POST",
        path: "/".to_owned(),
        target: Some("AmazonEC2ContainerServiceV20141113.StopTask".to_owned()),
        body: Some(json!({ "cluster": cluster, "task": task, "reason": "dpc: the run has ended" })),
    };
    let answer = signed::call(clients, caller, &request).await?;
    Ok(answer.pointer("/task/lastStatus").and_then(Value::as_str) != Some("STOPPED"))
}

async fn cancel(clients: &Clients, caller: &Caller, application: &str, run: &str) -> CloudResult<bool> {
    let request = |operation, method| Request {
        service: "emr-serverless",
        operation,
        method,
        path: format!("/applications/{application}/jobruns/{run}"),
        target: None,
        body: None,
    };
    let answer = signed::call(clients, caller, &request("GetJobRun", "GET")).await?;
    let state = answer.pointer("/jobRun/state").and_then(Value::as_str).unwrap_or_default();
    if ENDED.contains(&state) {
        return Ok(false);
    }
    if state != "CANCELLING" {
        signed::call(clients, caller, &request("CancelJobRun", "DELETE")).await?;
    }
    Ok(true)
}

#[cfg(test)]
mod tests {
    use aws_sdk_sfn::types::{HistoryEventType, StateEnteredEventDetails, TaskSubmittedEventDetails};
    use aws_smithy_types::DateTime;

    use super::*;

    fn event(id: i64, before: i64, kind: HistoryEventType) -> aws_sdk_sfn::types::builders::HistoryEventBuilder {
        HistoryEvent::builder().id(id).previous_event_id(before).r#type(kind).timestamp(DateTime::from_secs(id))
    }

    fn entered(id: i64, name: &str) -> HistoryEvent {
        let details = StateEnteredEventDetails::builder().name(name).build().expect("a name is all it needs");
        let event = event(id, 0, HistoryEventType::TaskStateEntered).state_entered_event_details(details);
        event.build().expect("complete")
    }

    fn submitted(id: i64, before: i64, service: &str, output: &Value) -> HistoryEvent {
        let details =
            TaskSubmittedEventDetails::builder().resource("r").resource_type(service).output(output.to_string());
        let details = details.build().expect("complete");
        let event = event(id, before, HistoryEventType::TaskSubmitted).task_submitted_event_details(details);
        event.build().expect("complete")
    }

    #[test]
    fn jobs_belong_to_the_states_that_submitted_them() {
        let task = json!({ "Tasks": [{ "TaskArn": "arn:aws:ecs:r:1:task/dpc/abc", "ClusterArn": "arn:aws:ecs:r:1:cluster/dpc" }] });
        let run = json!({ "ApplicationId": "00f", "JobRunId": "00g" });
        let events = [
            entered(1, "fetch"),
            entered(2, "clean"),
            submitted(3, 1, "ecs", &task),
            submitted(4, 2, "emr-serverless", &run),
            event(5, 3, HistoryEventType::TaskSucceeded).build().expect("complete"),
        ];
        let jobs = read(&events);
        let told: Vec<_> = jobs.iter().map(|job| (job.step.as_str(), job.id(), job.succeeded)).collect();
        assert_eq!(told, [("fetch", "abc", Some(true)), ("clean", "00g", None)]);
    }
}
