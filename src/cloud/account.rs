//! The account function as its callers see it: which version it is, and the one door through which runs start.
//!
//! In come an envelope and a session; out comes the run that the function has started or found. It refuses to know how
//! the function decides.

use aws_sdk_lambda::primitives::Blob;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use crate::cloud::failure::{CloudResult, Explained, sentence};
use crate::cloud::session::Session;
use crate::control::names;
use crate::control::run::{Envelope, RunRef, Status};
use crate::control::verbs::Ask;
use crate::source::{Code, Finding};

/// A run that the account function has started, or had started before for the same key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Started {
    /// The run.
    pub run: RunRef,
    /// Where it stands now.
    pub status: Status,
    /// Its execution; none while it is queued, or when it could not be started.
    pub execution: Option<String>,
    /// The run that it waits for.
    pub waits_for: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Answer {
    run: Option<String>,
    status: Option<Status>,
    execution_arn: Option<String>,
    waits_for: Option<String>,
    error: Option<Refusal>,
}

#[derive(Deserialize)]
struct Refusal {
    code: String,
    message: String,
    help: Option<String>,
}

/// Asks for a run.
///
/// # Errors
/// The function's own refusal; an account without the function; whatever AWS refuses.
pub async fn start(session: &Session, envelope: &Envelope) -> CloudResult<Started> {
    let payload = serde_json::to_vec(envelope).map_err(|error| unreadable(&error.to_string()))?;
    let answer = invoke(session, names::ACCOUNT_FUNCTION, payload).await?;
    let answer: Answer = serde_json::from_value(answer.clone()).map_err(|_| unreadable(&answer.to_string()))?;
    if let Some(refusal) = answer.error {
        let code = Code::ALL.iter().copied().find(|code| code.id() == refusal.code).unwrap_or(Code::NotStarted);
        let message = format!("no run of `{}` was started: {}", envelope.pipeline, sentence(&refusal.message));
        let help =
            refusal.help.unwrap_or_else(|| "mend what the message names, then type the command again".to_owned());
        return Err(Box::new(Finding::new(code, message).help(help)));
    }
    let run = answer.run.as_deref().and_then(|run| run.parse().ok()).ok_or_else(|| unreadable("it names no run"))?;
    let status = answer.status.ok_or_else(|| unreadable("it names no status"))?;
    Ok(Started { run, status, execution: answer.execution_arn, waits_for: answer.waits_for })
}

/// Asks for something that is no run; what is answered depends on the verb.
///
/// # Errors
/// The function's own refusal; an account without the function, or with one that does not know the verb yet.
pub async fn ask<T: DeserializeOwned>(session: &Session, ask: &Ask) -> CloudResult<T> {
    let payload = serde_json::to_vec(ask).map_err(|error| unreadable(&error.to_string()))?;
    let answer = invoke(session, names::ACCOUNT_FUNCTION, payload)
        .await
        .map_err(|finding| if finding.message.contains(UNKNOWN_KIND) { older(session) } else { finding })?;
    let refusal = answer.get("error").map(|error| serde_json::from_value::<Refusal>(error.clone()));
    match refusal {
        None => serde_json::from_value(answer.clone()).map_err(|_| unreadable(&answer.to_string())),
        Some(Err(_)) => Err(unreadable(&answer.to_string())),
        Some(Ok(refusal)) => {
            let code = Code::ALL.iter().copied().find(|code| code.id() == refusal.code).unwrap_or(Code::NotStarted);
            let help =
                refusal.help.unwrap_or_else(|| "mend what the message names, then type the command again".to_owned());
            Err(Box::new(Finding::new(code, sentence(&refusal.message)).help(help)))
        }
    }
}

/// What an account function says to an event that a newer one knows.
const UNKNOWN_KIND: &str = "of no kind that it knows";

/// The account runs a dpc that does not know what this one asks.
fn older(session: &Session) -> Box<Finding> {
    let environment = session.caller.environment.as_deref().map(|name| format!(" --env {name}")).unwrap_or_default();
    let finding =
        Finding::new(Code::VersionDiffers, "the account function is older than this command and does not know it");
    Box::new(finding.why("nothing was written").help(format!(
        "bring the account up to date with `dpc setup account{environment}`; its pipelines go on as they are"
    )))
}

/// Asks which version of dpc the account runs, and refuses one with which this one cannot talk: plan, envelope and table
/// may change with every minor version before 1.0, and with every major one after.
///
/// # Errors
/// An account that is not set up, or not by this version.
pub async fn check_version(session: &Session) -> CloudResult<()> {
    let answer = invoke(session, names::ACCOUNT_FUNCTION, version_question()).await?;
    let theirs = answer.get("version").and_then(Value::as_str).unwrap_or("unknown").to_owned();
    let ours = env!("CARGO_PKG_VERSION");
    if generation(&theirs) == generation(ours) && generation(ours).is_some() {
        return Ok(());
    }
    let environment = session.caller.environment.as_deref().map(|name| format!(" --env {name}")).unwrap_or_default();
    let older = generation(&theirs) < generation(ours);
    let finding = Finding::new(Code::VersionDiffers, format!("the account runs dpc {theirs}, you run dpc {ours}"))
        .why("plans and runs of the two differ; nothing was written");
    Err(Box::new(if older {
        finding.help(format!(
            "bring the account up to date with `dpc setup account{environment}`; its pipelines go on as they are"
        ))
    } else {
        finding.help(format!("install dpc {theirs}"))
    }))
}

/// Asks the central function which version it is; in its own account only.
///
/// # Errors
/// A function that does not start, or not in this version.
pub async fn check_central(session: &Session) -> CloudResult<()> {
    let answer = invoke(session, names::CENTRAL_FUNCTION, version_question()).await?;
    let theirs = answer.get("version").and_then(Value::as_str).unwrap_or("unknown");
    if theirs == env!("CARGO_PKG_VERSION") {
        return Ok(());
    }
    let message =
        format!("the central function says that it is dpc {theirs}, you run dpc {}", env!("CARGO_PKG_VERSION"));
    let finding = Finding::new(Code::VersionDiffers, message).why("somebody else has set it up in the meantime");
    Err(Box::new(finding.help("agree on a version, then type `dpc setup central` with it")))
}

/// Lets the account function ask the central one whether it is there. Answers the central function's version, or why there
/// is none.
///
/// # Errors
/// As [`start`].
pub async fn greet_central(session: &Session) -> CloudResult<Result<String, String>> {
    let answer = invoke(session, names::ACCOUNT_FUNCTION, json!({ "dpc": "hello" }).to_string().into_bytes()).await?;
    if let Some(refusal) = answer.pointer("/error/message").and_then(Value::as_str) {
        return Ok(Err(sentence(refusal)));
    }
    let version = answer.get("dpc").and_then(Value::as_str).ok_or_else(|| unreadable(&answer.to_string()))?;
    Ok(Ok(version.to_owned()))
}

fn version_question() -> Vec<u8> {
    json!({ "dpc": "version" }).to_string().into_bytes()
}

/// Whether one version is newer than the other.
pub fn newer(one: &str, other: &str) -> bool {
    let numbers = |version: &str| -> Vec<u64> { version.split('.').map(|part| part.parse().unwrap_or(0)).collect() };
    numbers(one) > numbers(other)
}

/// What must be equal: `0.3` of `0.3.7`, `2` of `2.1.0`.
fn generation(version: &str) -> Option<(u64, u64)> {
    let mut numbers = version.split('.').map(|part| part.parse::<u64>().ok());
    let (major, minor) = (numbers.next()??, numbers.next()??);
    Some((major, if major == 0 { minor } else { 0 }))
}

async fn invoke(session: &Session, function: &str, payload: Vec<u8>) -> CloudResult<Value> {
    let call = session.clients.lambda().invoke().function_name(function).payload(Blob::new(payload));
    let answer = call.send().await.explained(&session.caller, "lambda:Invoke")?;
    let body =
        answer.payload().map(|payload| String::from_utf8_lossy(payload.as_ref()).into_owned()).unwrap_or_default();
    if let Some(kind) = answer.function_error() {
        let parsed: Option<Value> = serde_json::from_str(&body).ok();
        let said = parsed.as_ref().and_then(|value| value.get("errorMessage")).and_then(Value::as_str).unwrap_or(&body);
        let finding =
            Finding::new(Code::NotStarted, format!("function `{function}` failed ({kind}): {}", sentence(said)));
        let log = format!("`aws logs tail /aws/lambda/{function}`");
        return Err(Box::new(finding.help(format!("its log has the details: {log}; the command can be typed again"))));
    }
    serde_json::from_str(&body).map_err(|_| unreadable(&body))
}

fn unreadable(said: &str) -> Box<Finding> {
    let finding = Finding::new(
        Code::NotStarted,
        format!("the account function gave an answer that dpc does not understand: {said}"),
    );
    Box::new(finding.help("is it the same version? `dpc setup account` brings it to yours"))
}

#[cfg(test)]
mod tests {
    use super::{generation, newer};

    #[test]
    fn versions_compare_as_numbers() {
        assert!(newer("0.10.0", "0.9.3"));
        assert!(!newer("0.9.3", "0.9.3"));
    }

    #[test]
    fn patch_versions_talk_to_each_other() {
        assert_eq!(generation("0.1.0"), generation("0.1.9"));
        assert_ne!(generation("0.1.0"), generation("0.2.0"));
        assert_eq!(generation("1.2.0"), generation("1.9.3"));
        assert_eq!(generation("unknown"), None);
    }
}
