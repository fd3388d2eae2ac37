//! Everything outside of the function but its table: Step Functions, EMR, SNS, CloudFormation, the clock.
//!
//! In come the few questions and orders that the function has; out come answers in its own words. [`World`] is a trait, so
//! that the logic is tested with crashes and lost answers; [`Aws`] refuses to decide anything.

use std::sync::OnceLock;
use std::time::Duration;

use aws_sdk_sfn::error::SdkError;
use aws_sdk_sfn::operation::describe_execution::{DescribeExecutionError, DescribeExecutionOutput};
use aws_sdk_sfn::operation::start_execution::StartExecutionError;
use aws_smithy_runtime_api::client::http::{HttpConnector, SharedHttpConnector};
use aws_smithy_runtime_api::client::orchestrator::HttpRequest;
use aws_smithy_types::body::SdkBody;
use aws_smithy_types::error::metadata::ProvideErrorMetadata;
use jiff::Timestamp;
use serde_json::Value;
use tokio::sync::OnceCell;

use crate::cloud::Clients;
use crate::cloud::bus::{Bus, Event};
use crate::cloud::central::{Place, Reader, no_central};
use crate::cloud::clients::connector;
use crate::cloud::failure::{Caller, CloudResult, Explained, sentence};
use crate::cloud::jobs::{self, Job};
use crate::control::message::{ACCOUNT_SOURCE, Answer, MESSAGE_TYPE, Message};
use crate::functions::metrics::{self, Metric};
use crate::functions::release::emr;
use crate::functions::senders::topic::{self, Announcement};
use crate::source::{Code, Finding};

/// An execution as Step Functions tells of it, by event or by question.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Execution {
    /// Its ARN.
    pub arn: String,
    /// As Step Functions spells it.
    pub status: String,
    /// How often it was redriven.
    pub redrives: u64,
    /// When it started.
    pub started_at: Option<Timestamp>,
    /// When it stopped.
    pub stopped_at: Option<Timestamp>,
    /// The error of a failure.
    pub error: Option<String>,
    /// Its cause.
    pub cause: Option<String>,
}

/// How a start ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Started {
    /// It runs, since then.
    Now(String, Timestamp),
    /// An execution of this name was there before.
    Before,
    /// Step Functions will never start this: its words.
    Refused(String),
}

/// What a step that waits is told.
#[derive(Clone, Debug, PartialEq)]
pub enum Reply {
    /// Its output.
    Success(Value),
    /// Why it has failed.
    Failure {
        /// Name of the error, for `retry` and catchers.
        error: String,
        /// What a person reads.
        cause: String,
    },
}

/// What the function needs of the outside.
#[allow(async_fn_in_trait)] // one thread runs the function; no future needs to be `Send`
pub trait World {
    /// The time.
    fn now(&self) -> Timestamp;

    /// Counts something that a person may have to see.
    fn count(&self, metric: Metric, why: &str);

    /// Starts an execution.
    async fn start(&self, machine: &str, name: &str, input: &str) -> CloudResult<Started>;

    /// Stops an execution; false if there is none (yet). One that has ended is no error: nothing is left to be stopped.
    async fn stop(&self, execution: &str, error: &str, cause: &str) -> CloudResult<bool>;

    /// Asks about an execution; `None` if there is none.
    async fn execution(&self, arn: &str) -> CloudResult<Option<Execution>>;

    /// Answers a task token. One that nobody waits for any more is no error: nothing is left to be said.
    async fn reply(&self, token: &str, reply: &Reply) -> CloudResult<()>;

    /// Clusters of this name, created after that time, that still cost money.
    async fn clusters(&self, name: &str, since: Timestamp) -> CloudResult<Vec<String>>;

    /// Terminates clusters.
    async fn terminate(&self, clusters: &[String]) -> CloudResult<()>;

    /// Containers and job runs that an execution has started, and of whose end it does not know.
    async fn jobs(&self, execution: &str) -> CloudResult<Vec<Job>>;

    /// Stops one of them, and says whether it had not ended by itself.
    async fn stop_job(&self, job: &Job) -> CloudResult<bool>;

    /// Publishes an announcement; false if the topic does not exist (any more).
    async fn publish(&self, topic: &str, announcement: &Announcement) -> CloudResult<bool>;

    /// Sends a message to the central account. It has arrived once this returns: EventBridge keeps it.
    async fn tell(&self, message: &Message) -> CloudResult<()>;

    /// What the central account has answered to a message; `None` as long as it has not.
    async fn answer(&self, id: &str) -> CloudResult<Option<Answer>>;

    /// Lets some time pass.
    async fn wait(&self, time: Duration);

    /// Whether a stack has been deleted, or never was.
    async fn stack_is_gone(&self, stack: &str) -> CloudResult<bool>;

    /// Sends an answer to CloudFormation.
    async fn respond(&self, url: &str, body: &str) -> CloudResult<()>;
}

/// AWS.
#[derive(Debug)]
pub struct Aws {
    clients: Clients,
    caller: Caller,
    http: SharedHttpConnector,
    central: Option<Place>,
    bus: OnceLock<Bus>,
    reader: OnceCell<Reader>,
}

impl Aws {
    /// The world of these clients.
    pub fn new(clients: Clients, caller: Caller, central: Option<Place>) -> Self {
        Self { clients, caller, http: connector(), central, bus: OnceLock::new(), reader: OnceCell::new() }
    }

    fn central(&self) -> CloudResult<&Place> {
        self.central.as_ref().ok_or_else(|| Box::new(no_central(&self.caller)))
    }
}

impl World for Aws {
    fn now(&self) -> Timestamp {
        // Milliseconds are what Step Functions tells times in.
        let now = Timestamp::now();
        Timestamp::from_millisecond(now.as_millisecond()).unwrap_or(now)
    }

    fn count(&self, metric: Metric, why: &str) {
        metrics::count(metric, why, self.now());
    }

    async fn start(&self, machine: &str, name: &str, input: &str) -> CloudResult<Started> {
        let request = self.clients.sfn().start_execution().state_machine_arn(machine).name(name).input(input);
        let answer = request.send().await;
        if let Err(SdkError::ServiceError(refused)) = &answer {
            use StartExecutionError as E;
            match refused.err() {
                E::ExecutionAlreadyExists(_) => return Ok(Started::Before),
                E::InvalidArn(_)
                | E::InvalidExecutionInput(_)
                | E::InvalidName(_)
                | E::StateMachineDeleting(_)
                | E::StateMachineDoesNotExist(_)
                | E::ValidationException(_) => {
                    let code = refused.err().code().unwrap_or_default();
                    let message = sentence(refused.err().message().unwrap_or_default());
                    return Ok(Started::Refused(format!("{code}: {message}")));
                }
                _ => {}
            }
        }
        let answer = answer.explained(&self.caller, "states:StartExecution")?;
        Ok(Started::Now(answer.execution_arn().to_owned(), time(Some(answer.start_date())).unwrap_or(self.now())))
    }

    async fn stop(&self, execution: &str, error: &str, cause: &str) -> CloudResult<bool> {
        use aws_sdk_sfn::operation::stop_execution::StopExecutionError as E;
        let request = self.clients.sfn().stop_execution().execution_arn(execution).error(error).cause(cause);
        let answer = request.send().await;
        if let Err(error) = &answer
            && let Some(E::ExecutionDoesNotExist(_)) = error.as_service_error()
        {
            return Ok(false);
        }
        answer.explained(&self.caller, "states:StopExecution").map(|_| true)
    }

    async fn execution(&self, arn: &str) -> CloudResult<Option<Execution>> {
        let answer = self.clients.sfn().describe_execution().execution_arn(arn).send().await;
        if let Err(error) = &answer
            && matches!(error.as_service_error(), Some(DescribeExecutionError::ExecutionDoesNotExist(_)))
        {
            return Ok(None);
        }
        Ok(Some(read(&answer.explained(&self.caller, "states:DescribeExecution")?)))
    }

    async fn reply(&self, token: &str, reply: &Reply) -> CloudResult<()> {
        use aws_sdk_sfn::operation::send_task_failure::SendTaskFailureError as F;
        use aws_sdk_sfn::operation::send_task_success::SendTaskSuccessError as S;
        match reply {
            Reply::Success(output) => {
                let request = self.clients.sfn().send_task_success().task_token(token).output(output.to_string());
                let answer = request.send().await;
                if let Err(error) = &answer
                    && let Some(S::InvalidToken(_) | S::TaskDoesNotExist(_) | S::TaskTimedOut(_)) =
                        error.as_service_error()
                {
                    return Ok(());
                }
                answer.explained(&self.caller, "states:SendTaskSuccess").map(|_| ())
            }
            Reply::Failure { error, cause } => {
                let request = self.clients.sfn().send_task_failure().task_token(token).error(error).cause(cause);
                let answer = request.send().await;
                if let Err(error) = &answer
                    && let Some(F::InvalidToken(_) | F::TaskDoesNotExist(_) | F::TaskTimedOut(_)) =
                        error.as_service_error()
                {
                    return Ok(());
                }
                answer.explained(&self.caller, "states:SendTaskFailure").map(|_| ())
            }
        }
    }

    async fn clusters(&self, name: &str, since: Timestamp) -> CloudResult<Vec<String>> {
        emr::active(self.clients.emr(), &self.caller, name, since).await
    }

    async fn terminate(&self, clusters: &[String]) -> CloudResult<()> {
        emr::terminate(self.clients.emr(), &self.caller, clusters).await
    }

    async fn jobs(&self, execution: &str) -> CloudResult<Vec<Job>> {
        let jobs = jobs::of(&self.clients, &self.caller, execution).await?;
        Ok(jobs.into_iter().filter(|job| job.succeeded.is_none()).collect())
    }

    async fn stop_job(&self, job: &Job) -> CloudResult<bool> {
        jobs::stop(&self.clients, &self.caller, job).await
    }

    async fn publish(&self, topic: &str, announcement: &Announcement) -> CloudResult<bool> {
        topic::publish(self.clients.sns(), &self.caller, topic, announcement).await
    }

    async fn tell(&self, message: &Message) -> CloudResult<()> {
        let place = self.central()?;
        let bus = self.bus.get_or_init(|| Bus::new(&self.clients, &self.caller, &place.bus));
        let detail = serde_json::to_string(message).map_err(|error| bus.refused(&error.to_string()))?;
        bus.put_one(Event { source: ACCOUNT_SOURCE, kind: MESSAGE_TYPE, detail }).await
    }

    async fn answer(&self, id: &str) -> CloudResult<Option<Answer>> {
        let place = self.central()?;
        let reader = self.reader.get_or_init(|| Reader::new(&self.clients, &self.caller, place)).await;
        reader.answer(id).await
    }

    async fn wait(&self, time: Duration) {
        tokio::time::sleep(time).await;
    }

    async fn stack_is_gone(&self, stack: &str) -> CloudResult<bool> {
        use aws_sdk_cloudformation::types::StackStatus;
        let answer = self.clients.cloudformation().describe_stacks().stack_name(stack).send().await;
        if let Err(error) = &answer
            && error.as_service_error().and_then(|refused| refused.meta().message()).is_some_and(is_unknown_stack)
        {
            return Ok(true);
        }
        let answer = answer.explained(&self.caller, "cloudformation:DescribeStacks")?;
        let status = answer.stacks().first().and_then(|stack| stack.stack_status());
        Ok(matches!(status, None | Some(StackStatus::DeleteComplete)))
    }

    async fn respond(&self, url: &str, body: &str) -> CloudResult<()> {
        let failed = |why: String| {
            let finding = Finding::new(Code::AwsRefused, "CloudFormation's answer address cannot be reached");
            Box::new(finding.why(why).help("the stack operation waits for its time-out, and can then be repeated"))
        };
        let mut request = HttpRequest::new(SdkBody::from(body));
        request.set_method("PUT").map_err(|error| failed(error.to_string()))?;
        request.set_uri(url).map_err(|error| failed(error.to_string()))?;
        // The address is signed for an empty content type; any other is refused.
        request.headers_mut().insert("content-type", "");
        request.headers_mut().insert("content-length", body.len().to_string());
        let answer = self.http.call(request).await.map_err(|error| failed(error.to_string()))?;
        if answer.status().is_success() {
            Ok(())
        } else {
            Err(failed(format!("HTTP status {}", answer.status().as_u16())))
        }
    }
}

fn read(answer: &DescribeExecutionOutput) -> Execution {
    Execution {
        arn: answer.execution_arn().to_owned(),
        status: answer.status().as_str().to_owned(),
        redrives: answer.redrive_count().and_then(|count| u64::try_from(count).ok()).unwrap_or(0),
        started_at: time(Some(answer.start_date())),
        stopped_at: time(answer.stop_date()),
        error: answer.error().map(str::to_owned),
        cause: answer.cause().map(str::to_owned),
    }
}

/// CloudFormation has no error code of its own for a stack that does not exist.
fn is_unknown_stack(message: &str) -> bool {
    message.contains("does not exist")
}

fn time(time: Option<&aws_smithy_types::DateTime>) -> Option<Timestamp> {
    Timestamp::from_millisecond(time?.to_millis().ok()?).ok()
}
