//! `dpc setup account`: everything that pipelines of one account and region share, and its way to the central account.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use super::function::Function;
use super::part::{ACCOUNT, Part, Setup, Step};
use super::{account_number, demands, network, refuse_downgrade, subscription};
use crate::cli::aws::{EnvironmentArg, Here, Tone, act};
use crate::cli::{Exit, Failure, Terminal};
use crate::cloud::account;
use crate::cloud::stack::{self, Stack};
use crate::cloud::{CloudResult, Session};
use crate::control::names;
use crate::language::project::Central;
use crate::source::{Code, Finding};

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(flatten)]
    environment: EnvironmentArg,
    /// The central account, which must have been set up: ACCOUNT or ACCOUNT:REGION. Default: `central` of dpc.yaml, or the
    /// one that the account was set up with
    #[arg(long, value_name = "ACCOUNT", value_parser = place)]
    central: Option<(String, Option<String>)>,
    /// Without a central account, whatever dpc.yaml says: nothing is reported, no pipeline waits for others
    #[arg(long, conflicts_with = "central")]
    no_central: bool,
    /// Subnets for clusters, best one for each zone. Default: those of the setup before, or of the default VPC
    #[arg(long, value_name = "ID", value_delimiter = ',')]
    subnets: Vec<String>,
    /// A dpc built for Linux, to run as the account function. Default: this very binary
    #[arg(long, value_name = "PATH")]
    function_binary: Option<PathBuf>,
    /// Do not ask before changes are made
    #[arg(long, short)]
    yes: bool,
}

pub(super) async fn run(args: Args, terminal: &Terminal) -> Result<Exit, Failure> {
    let here = args.environment.read()?;
    let session = here.session().await?;
    let before = stack::describe(&session, names::ACCOUNT_STACK).await?;
    refuse_downgrade(before.as_ref())?;
    let function = Function::read(args.function_binary.as_deref())?;
    let network = network::parameters(&session, &args.subnets, before.as_ref()).await?;
    let central = central(&args, &here, before.as_ref());
    let setup = Setup { here: &here, session: &session, terminal, yes: args.yes, command: "dpc setup account" };

    let first = setup.bootstrap().await?;
    if first == Step::Stopped {
        return Ok(Exit::Fault);
    }
    let own = [
        ("Version", env!("CARGO_PKG_VERSION").to_owned()),
        ("FunctionKey", function.upload(&session, terminal).await?),
        ("Architecture", function.architecture.as_str().to_owned()),
    ];
    let own = own.map(|(name, value)| (name.to_owned(), value)).into_iter();
    let parameters = own.chain(network).chain(connection(central.as_ref())).chain(demands(&here)).collect();
    let account = Part { stack: names::ACCOUNT_STACK, template: ACCOUNT, parameters };
    let step = match (first, setup.make(&account).await?) {
        (_, Step::Stopped) => return Ok(Exit::Fault),
        (Step::Unchanged, Step::Unchanged) => Step::Unchanged,
        _ => Step::Made,
    };
    if let Some(central) = &central {
        let version = greet(&session, central, step).await?;
        act(terminal, Tone::Good, "Connected", &format!("central account {} answers (dpc {version})", at(central)));
    }
    if step == Step::Unchanged {
        act(terminal, Tone::Good, "Unchanged", &here.place());
        return Ok(Exit::Done);
    }
    act(terminal, Tone::Good, "Set up", &here.place());
    act(terminal, Tone::Calm, "Next", &format!("dpc deploy{}", here.flag()));
    act(terminal, Tone::Calm, "Alarms", &subscription(&here, "dpc_alarms"));
    Ok(Exit::Done)
}

/// `999999999999`, or `999999999999:eu-west-1`.
fn place(text: &str) -> Result<(String, Option<String>), String> {
    let (account, region) = text.split_once(':').map_or((text, None), |(account, region)| (account, Some(region)));
    if region.is_some_and(|region| region.split('-').count() < 3) {
        return Err("behind the colon stands a region: 999999999999:eu-west-1".to_owned());
    }
    Ok((account_number(account)?, region.map(str::to_owned)))
}

/// Which central account: that of the command line, else of the project, else of the setup before.
fn central(args: &Args, here: &Here, before: Option<&Stack>) -> Option<Central> {
    if args.no_central {
        return None;
    }
    let written = here.environment.central.clone();
    if let Some((account, region)) = &args.central {
        let typed = Central::new(account, region.as_ref().unwrap_or(&here.environment.region));
        // The project may know more of the same one: how its role is called.
        let same = |written: &Central| (&written.account, &written.region) == (&typed.account, &typed.region);
        return Some(written.filter(same).unwrap_or(typed));
    }
    let known = |name: &str| before?.parameters.get(name).filter(|value| !value.is_empty()).cloned();
    let earlier = || {
        let (account, region, reader) = (known("Central")?, known("CentralRegion")?, known("CentralReader")?);
        Some(Central { account, region, reader })
    };
    written.or_else(earlier)
}

/// The way to the central account, as parameters.
fn connection(central: Option<&Central>) -> BTreeMap<String, String> {
    let value = |of: fn(&Central) -> &String| central.map(of).cloned().unwrap_or_default();
    let given = [
        ("Central", value(|central| &central.account)),
        ("CentralRegion", value(|central| &central.region)),
        ("CentralReader", value(|central| &central.reader)),
    ];
    given.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
}

fn at(central: &Central) -> String {
    format!("{} in {}", central.account, central.region)
}

/// Asks the central account whether it is there, through the account function, which alone may.
async fn greet(session: &Session, central: &Central, step: Step) -> CloudResult<String> {
    // A right that was given a second ago may not hold everywhere yet:
    // https://docs.aws.amazon.com/IAM/latest/UserGuide/troubleshoot.html#troubleshoot_general_eventual-consistency
    let mut patience = if step == Step::Made { 3 } else { 0 };
    loop {
        match account::greet_central(session).await? {
            Ok(version) => return Ok(version),
            Err(why) if patience == 0 => return Err(Box::new(not_admitted(session, central, &why))),
            Err(_) => {
                patience -= 1;
                tokio::time::sleep(Duration::from_secs(2)).await;
            }
        }
    }
}

fn not_admitted(session: &Session, central: &Central, why: &str) -> Finding {
    let message = format!("the central account {} does not answer: {why}", at(central));
    let finding = Finding::new(Code::NotAdmitted, message);
    let finding = finding.why("the account itself is set up; until central answers, its runs are reported later");
    finding.help(format!(
        "in the central account, admit this one with `dpc setup central --add-account {}`, then type the command again",
        session.account
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_central_account_is_typed_with_or_without_its_region() {
        assert_eq!(place("999999999999"), Ok(("999999999999".into(), None)));
        assert_eq!(place("9999-9999-9999:eu-west-1"), Ok(("999999999999".into(), Some("eu-west-1".into()))));
        assert!(place("99999999999").is_err());
        assert!(place("999999999999:ireland").is_err());
    }
}
