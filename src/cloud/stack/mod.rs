//! CloudFormation stacks: what state one is in, what a template would change in it, and how the change went.
//!
//! In come a template and a stack's name; out come a list of changes to show, and then events as they happen. This
//! module refuses to know pipelines: `cli` knows what a resource is for and which line of YAML it was made from.

pub mod changes;
pub mod events;
pub mod state;

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::Value;

pub use changes::{Action, Adopt, Change, ChangeSet, Import, Proposal, Replacement, Request, Template};
pub use events::{Event, Outcome, ResourceState, Update, Verb, Watch, first_cause};
pub use state::{Phase, StackState};

use crate::cloud::failure::{CloudResult, Explained};
use crate::cloud::session::Session;
use crate::control::digest;
use crate::source::{Code, Finding};

/// A stack as CloudFormation describes it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stack {
    /// Its name.
    pub name: String,
    /// Its ARN, which stays valid after its deletion.
    pub id: String,
    /// Its state.
    pub state: StackState,
    /// AWS's words about the state, if any.
    pub reason: Option<String>,
    /// Its tags.
    pub tags: BTreeMap<String, String>,
    /// Its parameters.
    pub parameters: BTreeMap<String, String>,
    /// Its outputs.
    pub outputs: BTreeMap<String, String>,
    /// When it was created or changed last, in seconds since 1970.
    pub changed_at: Option<i64>,
}

/// The stack of this name or ARN; `None` when there is none. A deleted stack is found by its ARN only.
///
/// # Errors
/// Whatever AWS refuses.
pub async fn describe(session: &Session, name: &str) -> CloudResult<Option<Stack>> {
    let answer = session.clients.cloudformation().describe_stacks().stack_name(name).send().await;
    if let Err(error) = &answer
        && error.as_service_error().is_some_and(|refused| is_missing(refused.meta().message()))
    {
        return Ok(None);
    }
    let answer = answer.explained(&session.caller, "cloudformation:DescribeStacks")?;
    answer.stacks().first().map(read).transpose()
}

/// CloudFormation has no error code of its own for a stack that does not exist.
fn is_missing(message: Option<&str>) -> bool {
    message.is_some_and(|message| message.contains("does not exist"))
}

fn read(stack: &aws_sdk_cloudformation::types::Stack) -> CloudResult<Stack> {
    let name = stack.stack_name().unwrap_or_default();
    let spelled = stack.stack_status().map(|status| status.as_str()).unwrap_or_default();
    let state = StackState::parse(spelled).ok_or_else(|| {
        let message = format!("stack `{name}` is in a state that dpc does not know: `{spelled}`");
        let finding = Finding::new(Code::AwsRefused, message);
        Box::new(finding.help("look at the stack in the CloudFormation console, and install a newer dpc"))
    })?;
    let changed_at = stack.last_updated_time().or_else(|| stack.creation_time()).map(aws_smithy_types::DateTime::secs);
    let pair = |key: Option<&str>, value: Option<&str>| Some((key?.to_owned(), value?.to_owned()));
    Ok(Stack {
        name: name.to_owned(),
        id: stack.stack_id().unwrap_or(name).to_owned(),
        state,
        reason: stack.stack_status_reason().map(str::to_owned),
        tags: stack.tags().iter().filter_map(|tag| pair(tag.key(), tag.value())).collect(),
        parameters: stack
            .parameters()
            .iter()
            .filter_map(|given| pair(given.parameter_key(), given.parameter_value()))
            .collect(),
        outputs: stack.outputs().iter().filter_map(|output| pair(output.output_key(), output.output_value())).collect(),
        changed_at,
    })
}

/// The template that a stack was made from; `None` for one that is no JSON, which dpc has not written.
///
/// # Errors
/// Whatever AWS refuses.
pub async fn template(session: &Session, stack_id: &str) -> CloudResult<Option<Value>> {
    let answer = session.clients.cloudformation().get_template().stack_name(stack_id).send().await;
    let answer = answer.explained(&session.caller, "cloudformation:GetTemplate")?;
    Ok(answer.template_body().and_then(|body| serde_json::from_str(body).ok()))
}

/// What a stack's resources are for, by logical id, as the template that it was made from says.
///
/// # Errors
/// Whatever AWS refuses.
pub async fn purposes(session: &Session, stack_id: &str) -> CloudResult<BTreeMap<String, String>> {
    Ok(template(session, stack_id).await?.as_ref().map(purposes_of).unwrap_or_default())
}

/// What resources are for, by logical id, as their template says.
pub fn purposes_of(template: &Value) -> BTreeMap<String, String> {
    let resources = template.get("Resources").and_then(Value::as_object);
    let purpose =
        |resource: &Value| resource.pointer("/Metadata/dpc/purpose").and_then(Value::as_str).map(str::to_owned);
    resources.into_iter().flatten().filter_map(|(id, resource)| Some((id.clone(), purpose(resource)?))).collect()
}

/// Asks CloudFormation to delete the stack. Follow it with [`Watch`], begun before.
///
/// # Errors
/// Whatever AWS refuses.
pub async fn delete(session: &Session, stack: &Stack) -> CloudResult<()> {
    let token = token("delete", &stack.id);
    let request = session.clients.cloudformation().delete_stack().stack_name(&stack.id).client_request_token(token);
    request.send().await.explained(&session.caller, "cloudformation:DeleteStack")?;
    Ok(())
}

/// A name for a change set or a request: letters, digits and hyphens, new with each call of dpc, so that retries inside
/// the SDK are one request and two people's requests are two.
fn token(what: &str, seed: &str) -> String {
    let digest = digest::sha256(format!("{seed}{}", fastrand::u64(..)));
    format!("dpc-{what}-{:.16}", digest)
}

/// How long to wait before the next question: short at first, because much ends at once, then ever longer, because
/// CloudFormation throttles those who ask often.
#[derive(Clone, Debug)]
pub(crate) struct Pace {
    next: Duration,
    longest: Duration,
}

impl Pace {
    pub(crate) fn new(first: Duration, longest: Duration) -> Self {
        Self { next: first, longest }
    }

    /// Sleeps, and sleeps longer the next time.
    pub(crate) async fn wait(&mut self) {
        tokio::time::sleep(self.next).await;
        self.next = (self.next * 3 / 2).min(self.longest);
    }

    /// Something happened: ask again soon.
    pub(crate) fn quicken(&mut self, to: Duration) {
        self.next = self.next.min(to);
    }
}
