//! Asking the account function for what only it may write, and asking the person first.
//!
//! In come a verb and who wants it; out comes the function's answer. It refuses to write anything itself: there is one door
//! for changes, and it is the function's.

use serde::de::DeserializeOwned;

use super::Terminal;
use super::aws::{Here, Tone, act, not_asked};
use super::targets::Target;
use crate::cloud::{CloudResult, Session, account};
use crate::control::verbs::{Ask, Verb};
use crate::source::{Code, Finding};

/// Asks the account function, after its version was compared.
///
/// # Errors
/// Its refusal; an account that is not set up, or not by this version.
pub async fn ask<T: DeserializeOwned>(
    session: &Session,
    here: &Here,
    verb: Verb,
    why: Option<&String>,
    id: Option<String>,
) -> CloudResult<T> {
    account::check_version(session).await?;
    let by = session.caller.arn.clone().unwrap_or_else(|| session.account.clone());
    let ask = Ask { space: here.environment.space.clone(), by, why: why.cloned(), id, verb };
    account::ask(session, &ask).await
}

/// A new id: one command is one change, however often it is sent.
pub fn id(prefix: &str) -> String {
    format!("{prefix}-{:010x}", fastrand::u64(..) >> 24)
}

/// Lets a person decide; `--yes` decides before.
///
/// # Errors
/// There is nobody to ask.
pub async fn confirm(terminal: &Terminal, question: &str, yes: bool, command: &str) -> CloudResult<bool> {
    if yes {
        return Ok(true);
    }
    let Some(answer) = terminal.ask(&format!("{question} [y/N] ")).await else {
        return Err(Box::new(not_asked(command)));
    };
    let agreed = matches!(answer.trim().to_ascii_lowercase().as_str(), "y" | "yes");
    if !agreed {
        act(terminal, Tone::Odd, "Declined", "nothing was changed");
    }
    Ok(agreed)
}

/// Refuses pipelines of other accounts: they are changed by their own account alone.
///
/// # Errors
/// The first that is not of this account.
pub fn only_here(targets: &[Target], command: &str) -> CloudResult<()> {
    let Some(target) = targets.iter().find(|target| !target.here) else { return Ok(()) };
    let Target { name, account, owner, .. } = target;
    let finding = Finding::new(Code::ForeignPipeline, format!("pipeline `{name}` belongs to account {account}"));
    let team = owner.as_ref().map(|owner| format!("its team `{owner}`")).unwrap_or_else(|| "its team".to_owned());
    Err(Box::new(
        finding
            .why("runs are started, stopped and marked by the account that owns them")
            .help(format!("{team} types it there: `{command}`")),
    ))
}
