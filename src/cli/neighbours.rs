//! A pipeline among those of other accounts: what registration at the central account says, and who waits for it.
//!
//! In come what was compiled and a session; out come findings at the lines that they are about, warnings, and names with
//! their accounts. It refuses to decide: the central function has, or will.

use super::Terminal;
use super::aws::{Here, Tone, act};
use crate::cloud::central::{Place, Reader};
use crate::cloud::runs::Store;
use crate::cloud::{CloudResult, Session};
use crate::compile::Compiled;
use crate::control::condition::Condition;
use crate::control::trigger::space::Registered;
use crate::language::project::Pipeline;
use crate::source::{Code, Finding, Findings, Span};
use crate::triggers::executions;

/// Conditions on other pipelines that nobody would ever look at, because the account has no central one. An account
/// without such pipelines is not even asked.
///
/// # Errors
/// Whatever AWS refuses.
pub async fn refuse_without_central(here: &Here, session: &Session, compiled: &[Compiled]) -> CloudResult<Findings> {
    let mut findings = Findings::new();
    let waiting: Vec<&Compiled> = compiled.iter().filter(|one| one.plan.executions.is_some()).collect();
    if waiting.is_empty() || Place::of_account(session).await?.is_some() {
        return Ok(findings);
    }
    let pipelines = waiting.into_iter().filter_map(|one| here.project.pipeline(&one.pipeline));
    findings.extend(pipelines.filter_map(|pipeline| needs_central(pipeline, here)));
    Ok(findings)
}

fn needs_central(pipeline: &Pipeline, here: &Here) -> Option<Finding> {
    let name = &pipeline.manifest.name.value;
    let tree = pipeline.manifest.triggers.as_ref()?.executions.as_ref()?;
    let message = format!("`{name}` waits for other pipelines, and this account knows no central account");
    let finding = Finding::at(Code::NeedsCentral, tree.span, message, "this trigger")
        .why("who started and ended in which account is known there alone; the pipeline would never start");
    Some(finding.help(match &here.environment.central {
        Some(central) => format!(
            "`dpc setup account{}` connects the account with {}, which `dpc.yaml` names",
            here.flag(),
            central.account
        ),
        None => format!("connect the account with `dpc setup account{} --central ACCOUNT`", here.flag()),
    }))
}

/// Prints what registration had to say: an upstream that nobody knows yet.
///
/// # Errors
/// Whatever AWS refuses.
pub async fn show_warnings(session: &Session, pipeline: &str, terminal: &Terminal) -> CloudResult<()> {
    let Some(registration) = session.runs().registration(pipeline).await? else { return Ok(()) };
    for warning in &registration.warnings {
        act(terminal, Tone::Odd, "Note", &format!("{pipeline}: {warning}"));
    }
    Ok(())
}

/// The place that a refused registration is about: the leaf that names the pipeline which the words name, else the name.
pub fn place_of_refusal(pipeline: &Pipeline, reason: &str) -> (Span, &'static str) {
    let name = &pipeline.manifest.name;
    let tree = pipeline.manifest.triggers.as_ref().and_then(|triggers| triggers.executions.as_ref());
    let leaves = tree.map(|tree| executions::leaves(tree, name, None).leaves).unwrap_or_default();
    let named = |upstream: &str| reason.contains(&format!("`{upstream}`"));
    let others = leaves.iter().find(|placed| placed.leaf.pipeline != name.value && named(&placed.leaf.pipeline));
    let own = || leaves.iter().find(|placed| placed.leaf.pipeline == name.value && reason.contains("its own run"));
    match others.or_else(own) {
        Some(placed) => (placed.span, "this condition"),
        None => (name.span, "this name"),
    }
}

/// A pipeline that waits for another.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Waiting {
    /// Its name.
    pub pipeline: String,
    /// Whose it is.
    pub account: String,
    /// The team, if it says so.
    pub owner: Option<String>,
}

/// Who waits for a pipeline, in all accounts; nobody where there is no central account.
///
/// # Errors
/// The central account cannot be read.
pub async fn waiting_for(session: &Session, space: &str, pipeline: &str) -> CloudResult<Vec<Waiting>> {
    let Some(place) = Place::of_account(session).await? else { return Ok(Vec::new()) };
    let reader = Reader::new(&session.clients, &session.caller, &place).await;
    let space = reader.space(space).await?;
    let own = |row: &&Registered| row.registration.pipeline != pipeline;
    let waits = |row: &&Registered| {
        let leaves = row.registration.executions.as_ref().map(Condition::leaves).unwrap_or_default();
        leaves.iter().any(|leaf| leaf.pipeline == pipeline)
    };
    let mut waiting: Vec<Waiting> = space
        .pipelines()
        .filter(own)
        .filter(waits)
        .map(|row| Waiting {
            pipeline: row.registration.pipeline.clone(),
            account: row.account.clone(),
            owner: row.registration.owner.clone(),
        })
        .collect();
    waiting.sort_by(|one, other| one.pipeline.cmp(&other.pipeline));
    Ok(waiting)
}
