//! Change sets: what a template would change, shown before it is done.
//!
//! A failed first creation is removed here, because it holds nothing; no other stack is ever deleted on the way to a
//! deployment.

use std::collections::BTreeMap;
use std::time::Duration;

use aws_sdk_cloudformation::operation::describe_change_set::DescribeChangeSetOutput;
use aws_sdk_cloudformation::types as sdk;

use serde_json::Value;

use super::{Pace, Phase, Stack, StackState, Watch, delete, describe, token};
use crate::cloud::failure::{CloudResult, Explained, sentence};
use crate::cloud::session::Session;
use crate::source::{Code, Finding};

/// What a stack shall become.
#[derive(Clone, Debug)]
pub struct Request {
    /// The stack's name.
    pub stack: String,
    /// Its template.
    pub template: Template,
    /// Its parameters.
    pub parameters: BTreeMap<String, String>,
    /// Its tags, which its resources inherit.
    pub tags: BTreeMap<String, String>,
    /// What it takes over that exists already.
    pub adopt: Adopt,
}

/// What a stack takes over instead of making it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Adopt {
    /// Nothing: what exists already is in the way.
    #[default]
    Nothing,
    /// Whatever exists under a name that the template gives literally, and that is retained when the stack goes:
    /// <https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/import-resources-automatically.html>.
    Named,
    /// These, and nothing else is done:
    /// <https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/import-resources-manually.html>.
    These(Vec<Import>),
}

/// A resource that exists and is taken over.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Import {
    /// Its logical id in the template.
    pub logical: String,
    /// Its type: `AWS::S3::Bucket`.
    pub kind: String,
    /// What it is known by, and the value: `BucketName`, `dpc-…`.
    pub identifier: (String, String),
}

/// Where CloudFormation gets the template from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Template {
    /// With the request: at most 51,200 bytes.
    Inline(String),
    /// From an S3 object of the account, by its URL.
    Url(String),
}

/// The answer to a [`Request`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Proposal {
    /// The stack is what it shall become.
    Unchanged(Stack),
    /// What would change. Nothing has been done yet.
    Changes(ChangeSet),
}

/// Changes that wait for a yes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChangeSet {
    /// Its ARN.
    pub id: String,
    /// The stack's name.
    pub stack: String,
    /// The stack's ARN.
    pub stack_id: String,
    /// Whether the stack does not exist yet.
    pub creates: bool,
    /// Resource by resource.
    pub changes: Vec<Change>,
}

/// What happens to one resource.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// What is done.
    pub action: Action,
    /// The resource's logical id.
    pub resource: String,
    /// Its type: `AWS::SNS::Topic`.
    pub kind: String,
    /// Whether AWS makes a new one in its place.
    pub replacement: Replacement,
    /// The properties that change, each once.
    pub properties: Vec<String>,
    /// All properties before, when AWS tells them.
    pub before: Option<Value>,
    /// All properties after, when AWS tells them.
    pub after: Option<Value>,
}

/// What is done to a resource.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// It is made.
    Add,
    /// It is changed.
    Modify,
    /// It is deleted.
    Remove,
    /// It exists and is taken over.
    Import,
    /// AWS finds out when it gets there.
    Dynamic,
    /// It is brought back to what the template says.
    Sync,
}

/// Whether a change makes a new resource.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Replacement {
    /// The resource stays.
    No,
    /// It depends on a value that is not known yet.
    Maybe,
    /// The old one goes.
    Yes,
}

/// Asks CloudFormation what the request would change. `on_cleanup` is told the reason before a failed first creation is
/// removed.
///
/// # Errors
/// A stack that is busy or stuck; whatever AWS refuses.
pub async fn propose(session: &Session, request: &Request, on_cleanup: impl Fn(&str)) -> CloudResult<Proposal> {
    let mut current = describe(session, &request.stack).await?;
    if let Some(stack) = &current {
        refuse(stack)?;
        if stack.state.phase() == Phase::FailedCreate {
            on_cleanup("the first deployment had failed; its empty stack is removed and created again");
            remove_failed(session, stack).await?;
            current = None;
        }
    }
    let creates = current.as_ref().is_none_or(|stack| stack.state.phase() != Phase::Ready);
    let id = create(session, request, creates).await?;
    match (settled(session, &id, request, creates).await?, current) {
        (Some(changes), _) => Ok(Proposal::Changes(changes)),
        (None, Some(stack)) => {
            discard(session, &id, None).await?;
            Ok(Proposal::Unchanged(stack))
        }
        (None, None) => Err(Box::new(Finding::new(
            Code::DeployFailed,
            format!("stack `{}` would be empty: its template has no resource", request.stack),
        ))),
    }
}

/// Refuses a stack that takes no change now.
///
/// # Errors
/// A stack that is busy or stuck.
pub fn refuse(stack: &Stack) -> CloudResult<()> {
    match stack.state.phase() {
        Phase::Ready | Phase::Reviewed | Phase::Gone | Phase::FailedCreate => Ok(()),
        Phase::Busy => Err(Box::new(busy(stack))),
        Phase::Stuck => Err(Box::new(stuck(stack))),
    }
}

/// Somebody else is at work on the stack.
pub fn busy(stack: &Stack) -> Finding {
    let finding = Finding::new(
        Code::StackBusy,
        format!("stack `{}` is being changed by somebody else ({})", stack.name, stack.state.as_str()),
    )
    .why("CloudFormation changes a stack for one caller at a time; nothing was written");
    match crate::control::names::pipeline_of_resource(&stack.name) {
        Some(pipeline) => {
            finding.help(format!("watch it with `dpc status {pipeline} --watch`, then type the command again"))
        }
        None => finding.help("wait until it has ended, then type the command again"),
    }
}

fn stuck(stack: &Stack) -> Finding {
    let finding = Finding::new(
        Code::StackStuck,
        format!("stack `{}` takes no update in state {}", stack.name, stack.state.as_str()),
    );
    let finding = match &stack.reason {
        Some(reason) => finding.why(format!("AWS says: {}", sentence(reason))),
        None => finding,
    };
    finding.help(stack.state.advice())
}

async fn remove_failed(session: &Session, stack: &Stack) -> CloudResult<()> {
    let mut watch = Watch::begin(session, &stack.id).await?;
    delete(session, stack).await?;
    let mut seen = Vec::new();
    loop {
        let update = watch.next(session).await?;
        seen.extend(update.events);
        match update.ended {
            None => {}
            Some(StackState::DeleteComplete) => return Ok(()),
            Some(_) => return Err(Box::new(super::events::delete_failed(&stack.name, &seen))),
        }
    }
}

async fn create(session: &Session, request: &Request, creates: bool) -> CloudResult<String> {
    let name = token("change", &request.stack);
    let kind = match &request.adopt {
        Adopt::These(_) => sdk::ChangeSetType::Import,
        Adopt::Named | Adopt::Nothing if creates => sdk::ChangeSetType::Create,
        Adopt::Named | Adopt::Nothing => sdk::ChangeSetType::Update,
    };
    let mut call = session
        .clients
        .cloudformation()
        .create_change_set()
        .stack_name(&request.stack)
        .change_set_name(&name)
        .client_token(&name)
        .change_set_type(kind)
        .description(format!("dpc {}", env!("CARGO_PKG_VERSION")));
    call = match &request.template {
        Template::Inline(text) => call.template_body(text),
        Template::Url(url) => call.template_url(url),
    };
    // Every template of dpc makes roles or instance profiles with names of its own.
    call = call.capabilities(sdk::Capability::CapabilityIam).capabilities(sdk::Capability::CapabilityNamedIam);
    for (key, value) in &request.parameters {
        call = call.parameters(sdk::Parameter::builder().parameter_key(key).parameter_value(value).build());
    }
    for (key, value) in &request.tags {
        call = call.tags(sdk::Tag::builder().key(key).value(value).build());
    }
    match &request.adopt {
        Adopt::Nothing => {}
        Adopt::Named => call = call.import_existing_resources(true),
        Adopt::These(resources) => {
            for Import { logical, kind, identifier: (name, value) } in resources {
                let resource = sdk::ResourceToImport::builder().logical_resource_id(logical).resource_type(kind);
                call = call.resources_to_import(resource.resource_identifier(name, value).build());
            }
        }
    }
    let made = call.send().await.explained(&session.caller, "cloudformation:CreateChangeSet")?;
    Ok(made.id().unwrap_or(&name).to_owned())
}

/// Waits until CloudFormation has compared; `None` when there is nothing to change.
async fn settled(session: &Session, id: &str, request: &Request, creates: bool) -> CloudResult<Option<ChangeSet>> {
    let mut pace = Pace::new(Duration::from_millis(150), Duration::from_secs(4));
    loop {
        let page = page(session, id, &request.stack, None).await?;
        let status = page.status().map_or("", sdk::ChangeSetStatus::as_str);
        match status {
            "CREATE_COMPLETE" => return read_all(session, id, request, creates, page).await.map(Some),
            "CREATE_PENDING" | "CREATE_IN_PROGRESS" => pace.wait().await,
            _ => {
                let reason = page.status_reason().unwrap_or_default();
                if says_unchanged(reason) {
                    return Ok(None);
                }
                // The reason is kept; a change set that cannot be executed is of no further use.
                discard(session, id, creates.then_some(request.stack.as_str())).await?;
                return Err(Box::new(refused(&request.stack, status, reason)));
            }
        }
    }
}

/// CloudFormation has two sentences for it and no code: <https://github.com/aws/aws-cli/issues/2717>.
fn says_unchanged(reason: &str) -> bool {
    reason.contains("didn't contain changes") || reason.contains("No updates are to be performed")
}

fn refused(stack: &str, status: &str, reason: &str) -> Finding {
    let said = if reason.is_empty() { status.to_owned() } else { sentence(reason) };
    Finding::new(Code::DeployFailed, format!("CloudFormation refuses the template of `{stack}`: {said}"))
        .why("the change set failed, so nothing was changed")
        .help("`dpc synth` writes the template; the words of AWS name the place in it")
}

async fn page(session: &Session, id: &str, stack: &str, token: Option<String>) -> CloudResult<DescribeChangeSetOutput> {
    let call = session.clients.cloudformation().describe_change_set().change_set_name(id).stack_name(stack);
    let call = call.include_property_values(true).set_next_token(token);
    call.send().await.explained(&session.caller, "cloudformation:DescribeChangeSet")
}

async fn read_all(
    session: &Session,
    id: &str,
    request: &Request,
    creates: bool,
    first: DescribeChangeSetOutput,
) -> CloudResult<ChangeSet> {
    let stack_id = first.stack_id().unwrap_or(&request.stack).to_owned();
    let mut changes: Vec<Change> = first.changes().iter().filter_map(read).collect();
    let mut token = first.next_token;
    while token.is_some() {
        let next = page(session, id, &request.stack, token).await?;
        changes.extend(next.changes().iter().filter_map(read));
        token = next.next_token;
    }
    Ok(ChangeSet { id: id.to_owned(), stack: request.stack.clone(), stack_id, creates, changes })
}

fn read(change: &sdk::Change) -> Option<Change> {
    let resource = change.resource_change()?;
    let action = match resource.action().map(sdk::ChangeAction::as_str)? {
        "Add" => Action::Add,
        "Modify" => Action::Modify,
        "Remove" => Action::Remove,
        "Import" => Action::Import,
        "SyncWithActual" => Action::Sync,
        _ => Action::Dynamic,
    };
    let replacement = match resource.replacement().map(sdk::Replacement::as_str) {
        Some("True") => Replacement::Yes,
        Some("Conditional") => Replacement::Maybe,
        _ => Replacement::No,
    };
    let mut properties: Vec<String> = Vec::new();
    for target in resource.details().iter().filter_map(sdk::ResourceChangeDetail::target) {
        let attribute = target.attribute().map(sdk::ResourceAttribute::as_str).unwrap_or_default();
        let name = target.name().unwrap_or(attribute).to_owned();
        if !name.is_empty() && !properties.contains(&name) {
            properties.push(name);
        }
    }
    Some(Change {
        action,
        resource: resource.logical_resource_id()?.to_owned(),
        kind: resource.resource_type().unwrap_or_default().to_owned(),
        replacement,
        properties,
        before: resource.before_context().and_then(properties_of),
        after: resource.after_context().and_then(properties_of),
    })
}

/// The properties in one of AWS's contexts, a JSON text that also holds metadata.
fn properties_of(context: &str) -> Option<Value> {
    serde_json::from_str::<Value>(context).ok()?.get("Properties").cloned()
}

/// Does what the change set says. Follow it with [`Watch`], begun before.
///
/// # Errors
/// Whatever AWS refuses; a change set that somebody else's deployment has overtaken.
pub async fn execute(session: &Session, changes: &ChangeSet) -> CloudResult<()> {
    let call = session.clients.cloudformation().execute_change_set().change_set_name(&changes.id);
    let call = call.stack_name(&changes.stack).client_request_token(token("execute", &changes.id));
    call.send().await.explained(&session.caller, "cloudformation:ExecuteChangeSet")?;
    Ok(())
}

/// Removes a change set, and with `stack` the stack too that only it had brought about.
///
/// # Errors
/// Whatever AWS refuses.
pub async fn discard(session: &Session, id: &str, stack: Option<&str>) -> CloudResult<()> {
    let cloudformation = session.clients.cloudformation();
    cloudformation
        .delete_change_set()
        .change_set_name(id)
        .send()
        .await
        .explained(&session.caller, "cloudformation:DeleteChangeSet")?;
    if let Some(name) = stack
        && let Some(stack) = describe(session, name).await?
        && stack.state == StackState::ReviewInProgress
    {
        delete(session, &stack).await?;
    }
    Ok(())
}

/// A template as CloudFormation takes it: inline while it fits.
pub const INLINE_LIMIT: usize = 51_200;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_sentences_for_no_change_are_known() {
        assert!(says_unchanged(
            "The submitted information didn't contain changes. Submit different information to create a change set."
        ));
        assert!(says_unchanged("No updates are to be performed."));
        assert!(!says_unchanged("Template format error"));
    }
}
