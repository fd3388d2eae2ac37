//! `dpc setup central`: the account where pipelines of all accounts learn of each other, and who may report to it.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use super::function::Function;
use super::part::{CENTRAL, Part, Setup, Step};
use super::{account_number, demands, refuse_downgrade, subscription};
use crate::cli::aws::{EnvironmentArg, Here, Tone, act};
use crate::cli::{Exit, Failure, Terminal};
use crate::cloud::account;
use crate::cloud::stack::{self, Stack};
use crate::control::names;
use crate::language::project::Central;
use crate::source::{Code, Finding};

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(flatten)]
    environment: EnvironmentArg,
    /// Who may report and read: every account of this organisation
    #[arg(long, value_name = "ID", value_parser = organization)]
    organization: Option<String>,
    /// Who may report and read: these accounts, and no others
    #[arg(long, value_name = "ACCOUNT", value_delimiter = ',', value_parser = account_number, conflicts_with = "organization")]
    accounts: Vec<String>,
    /// These accounts too
    #[arg(long, value_name = "ACCOUNT", value_delimiter = ',', value_parser = account_number, conflicts_with = "organization")]
    add_account: Vec<String>,
    /// These accounts no longer
    #[arg(long, value_name = "ACCOUNT", value_delimiter = ',', value_parser = account_number, conflicts_with = "organization")]
    remove_account: Vec<String>,
    /// A dpc built for Linux, to run as the central function. Default: this very binary
    #[arg(long, value_name = "PATH")]
    function_binary: Option<PathBuf>,
    /// Do not ask before changes are made
    #[arg(long, short)]
    yes: bool,
}

pub(super) async fn run(args: Args, terminal: &Terminal) -> Result<Exit, Failure> {
    let here = args.environment.read()?;
    refuse_elsewhere(&here)?;
    let session = here.session().await?;
    let before = stack::describe(&session, names::CENTRAL_STACK).await?;
    refuse_downgrade(before.as_ref())?;
    let members = Members::of(&args, before.as_ref(), &here)?;
    let function = Function::read(args.function_binary.as_deref())?;
    let setup = Setup { here: &here, session: &session, terminal, yes: args.yes, command: "dpc setup central" };

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
    let parameters = own.chain(members.parameters()).chain(demands(&here)).collect();
    let central = Part { stack: names::CENTRAL_STACK, template: CENTRAL, parameters };
    match (first, setup.make(&central).await?) {
        (_, Step::Stopped) => return Ok(Exit::Fault),
        (Step::Unchanged, Step::Unchanged) => {
            act(terminal, Tone::Good, "Unchanged", &format!("{}; {}", here.place(), members.words()));
            return Ok(Exit::Done);
        }
        _ => {}
    }
    // A function that cannot start would leave every report in the queue, and nobody would know before the alarm.
    account::check_central(&session).await?;
    act(terminal, Tone::Good, "Set up", &format!("{}; {}", here.place(), members.words()));
    next_steps(&here, terminal);
    Ok(Exit::Done)
}

/// What to type in the accounts, and what to write into their projects.
fn next_steps(here: &Here, terminal: &Terminal) {
    let (account, region) = (&here.environment.account, &here.environment.region);
    act(terminal, Tone::Calm, "Next", &format!("in each account: dpc setup account --central {account}:{region}"));
    let demands = &here.project.demands;
    let text = |demand: &Option<crate::source::Spanned<String>>| {
        demand.as_ref().map(|demand| demand.value.trim_matches('/').to_owned()).filter(|text| !text.is_empty())
    };
    let path = text(&demands.path).map(|path| format!("{path}/")).unwrap_or_default();
    let reader = format!("{path}{}{}", text(&demands.prefix).unwrap_or_default(), names::central_reader(region));
    let named = if reader == names::central_reader(region) { String::new() } else { format!(", reader: {reader}") };
    let line = format!("central: {{ account: \"{account}\", region: {region}{named} }}");
    act(terminal, Tone::Calm, "Or write", &format!("`{line}` into their dpc.yaml, once"));
    act(terminal, Tone::Calm, "Alarms", &subscription(here, "dpc_central_alarms"));
}

/// The project says which account is the central one; another is most likely a slip of `--env`.
fn refuse_elsewhere(here: &Here) -> Result<(), Box<Finding>> {
    let environment = &here.environment;
    match &environment.central {
        Some(Central { account, region, .. }) if (account, region) != (&environment.account, &environment.region) => {
            let message = format!(
                "environment `{}` is account {} in {}, and `dpc.yaml` names {account} in {region} as the central account",
                environment.name, environment.account, environment.region
            );
            let finding = Finding::new(Code::NotTheCentral, message);
            Err(Box::new(
                finding
                    .why("accounts would go on reporting to the one that is named; nothing was written")
                    .help("choose its environment with `--env`, or change `central` in `dpc.yaml`"),
            ))
        }
        _ => Ok(()),
    }
}

/// `o-` and ten to thirty-two letters and digits:
/// <https://docs.aws.amazon.com/organizations/latest/APIReference/API_Organization.html>.
fn organization(text: &str) -> Result<String, String> {
    let rest = text.strip_prefix("o-").unwrap_or_default();
    let fits =
        (10..=32).contains(&rest.len()) && rest.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit());
    if fits {
        Ok(text.to_owned())
    } else {
        Err("an organisation's id begins with `o-`; `aws organizations describe-organization` prints yours".to_owned())
    }
}

/// Who may report and read.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Members {
    Organization(String),
    Accounts(BTreeSet<String>),
}

impl Members {
    /// As the command line says, else as before. The central account itself is always among them: it may be a member, too.
    fn of(args: &Args, before: Option<&Stack>, here: &Here) -> Result<Self, Box<Finding>> {
        let known = |name: &str| before?.parameters.get(name).filter(|value| !value.is_empty());
        if let Some(organization) = &args.organization {
            return Ok(Self::Organization(organization.clone()));
        }
        let by_list = !args.accounts.is_empty() || !args.add_account.is_empty() || !args.remove_account.is_empty();
        if !by_list && let Some(organization) = known("Organization") {
            return Ok(Self::Organization(organization.clone()));
        }
        let listed = known("Accounts").map(|list| list.split(',').map(str::to_owned).collect()).unwrap_or_default();
        let mut accounts: BTreeSet<String> =
            if args.accounts.is_empty() { listed } else { args.accounts.iter().cloned().collect() };
        accounts.extend(args.add_account.iter().cloned());
        accounts.retain(|account| !args.remove_account.contains(account));
        accounts.insert(here.environment.account.clone());
        if !by_list && known("Accounts").is_none() {
            return Err(Box::new(nobody(here)));
        }
        Ok(Self::Accounts(accounts))
    }

    fn parameters(&self) -> BTreeMap<String, String> {
        let (organization, accounts) = match self {
            Members::Organization(id) => (id.clone(), String::new()),
            Members::Accounts(list) => (String::new(), list.iter().cloned().collect::<Vec<_>>().join(",")),
        };
        [("Organization", organization), ("Accounts", accounts)].map(|(name, value)| (name.to_owned(), value)).into()
    }

    fn words(&self) -> String {
        match self {
            Members::Organization(id) => format!("open to organisation {id}"),
            Members::Accounts(list) => {
                format!("open to {}", list.iter().map(String::as_str).collect::<Vec<_>>().join(", "))
            }
        }
    }
}

fn nobody(here: &Here) -> Finding {
    Finding::new(Code::NobodyMayReport, "nobody is said to be allowed to report to the central account")
        .why("the bus admits the account functions of an organisation, or of listed accounts; nothing was written")
        .help(format!(
            "type `dpc setup central --organization o-…{0}` or `dpc setup central --accounts 111111111111,…{0}`",
            here.flag()
        ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn organisations_are_known_by_their_id() {
        assert_eq!(organization("o-a1b2c3d4e5"), Ok("o-a1b2c3d4e5".to_owned()));
        assert!(organization("a1b2c3d4e5").is_err());
        assert!(organization("o-A1B2C3D4E5").is_err());
    }
}
