//! `dpc setup`: what an account and region needs once, and what the central account does.
//!
//! In come an environment and a few flags; out come two stacks, or three where one account is both: `dpc-bootstrap` with key
//! and bucket, because functions are code in a bucket, then `dpc-account` or `dpc-central`. Each is shown before it is made;
//! none is touched when nothing changes; what was said once need not be said again.

mod account;
mod central;
mod function;
mod leftovers;
mod network;
mod part;
#[cfg(test)]
mod testing;

use super::aws::Here;
use super::{Exit, Failure, Terminal};
use crate::cloud::stack::Stack;
use crate::cloud::{CloudResult, account::newer};
use crate::control::names;
use crate::source::{Code, Finding, Spanned};
pub(super) use part::SETUP_TAG;

/// Arguments of `dpc setup`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// What to set up
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, clap::Subcommand)]
enum What {
    /// Make what this environment's account and region needs once: key, bucket, table, account function, roles, alarms
    Account(account::Args),
    /// Make this environment's account the central one, where pipelines of all accounts learn of each other
    Central(central::Args),
}

/// Sets an account up.
pub async fn run(args: Args, terminal: &Terminal) -> Result<Exit, Failure> {
    match args.what {
        What::Account(args) => account::run(args, terminal).await,
        What::Central(args) => central::run(args, terminal).await,
    }
}

/// What the resources of one of the stacks are for.
pub(super) fn purposes_of_stack(stack: &str) -> super::stack_progress::Purposes {
    part::purposes(match stack {
        names::ACCOUNT_STACK => part::ACCOUNT,
        names::CENTRAL_STACK => part::CENTRAL,
        _ => part::BOOTSTRAP,
    })
}

/// An older dpc must not take an account back behind the pipelines that are deployed there.
fn refuse_downgrade(stack: Option<&Stack>) -> CloudResult<()> {
    let ours = env!("CARGO_PKG_VERSION");
    let Some(theirs) = stack.and_then(|stack| stack.outputs.get("Version")).filter(|theirs| newer(theirs, ours)) else {
        return Ok(());
    };
    let message = format!("the account runs dpc {theirs}, you run the older dpc {ours}");
    let finding = Finding::new(Code::VersionDiffers, message);
    let finding = finding.why("its pipelines may rely on what the older one does not know; nothing was written");
    Err(Box::new(finding.help(format!("install dpc {theirs} or newer"))))
}

/// What the environment demands of the account's own roles.
fn demands(here: &Here) -> impl Iterator<Item = (String, String)> {
    let text = |demand: &Option<Spanned<String>>| demand.as_ref().map(|demand| demand.value.clone());
    let demands = &here.project.demands;
    let boundary = text(&demands.boundary).map(|boundary| match boundary.starts_with("arn:") {
        true => boundary,
        false => format!("arn:aws:iam::{}:policy/{boundary}", here.environment.account),
    });
    let given = [
        ("RolePath", text(&demands.path).unwrap_or_else(|| "/".to_owned())),
        ("RolePrefix", text(&demands.prefix).unwrap_or_default()),
        ("RoleBoundary", boundary.unwrap_or_default()),
    ];
    given.into_iter().map(|(name, value)| (name.to_owned(), value))
}

/// How to be told what needs a person.
fn subscription(here: &Here, topic: &str) -> String {
    let environment = &here.environment;
    let arn = format!("arn:aws:sns:{}:{}:{topic}", environment.region, environment.account);
    format!("aws sns subscribe --topic-arn {arn} --protocol email --notification-endpoint YOU@EXAMPLE.COM")
}

/// Twelve digits, as typed on the command line.
fn account_number(text: &str) -> Result<String, String> {
    let compact = text.replace(['-', ' '], "");
    if compact.len() == 12 && compact.bytes().all(|byte| byte.is_ascii_digit()) {
        Ok(compact)
    } else {
        Err("an account number has twelve digits".to_owned())
    }
}
