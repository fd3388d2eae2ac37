//! `dpc uninstall`: removes what `dpc setup` made, after it was said what goes and what stays.
//!
//! In come an environment and which of the two stacks is meant; out comes an account without it. It refuses while pipelines
//! are registered, and keeps tables, bucket and key, which the next setup takes over, unless it is told to delete them.

use super::aws::{EnvironmentArg, Here, Tone, act, count, not_asked, took};
use super::setup::SETUP_TAG;
use super::stack_progress::{self, Watched};
use super::{Exit, Failure, Terminal};
use crate::cloud::runs::Store;
use crate::cloud::stack::{self, Phase, Stack, StackState, Watch, changes, events};
use crate::cloud::{CloudResult, Session, data, keys};
use crate::control::names;
use crate::source::{Code, Finding};

/// Arguments of `dpc uninstall`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// What to remove
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, clap::Subcommand)]
enum What {
    /// Remove the account function, its rules, roles and alarms from this environment's account and region
    Account(Common),
    /// Remove the central function, its bus, queue, roles and alarms
    Central(Common),
}

#[derive(Debug, clap::Args)]
struct Common {
    #[command(flatten)]
    environment: EnvironmentArg,
    /// Delete the table too, and the bucket and the key unless the account is still used otherwise
    #[arg(long)]
    delete_data: bool,
    /// Do not ask for the environment's name
    #[arg(long, short)]
    yes: bool,
}

/// Days that AWS waits before it deletes the key; until then it can be kept.
const DAYS: u32 = 30;
/// How many names a message lists.
const NAMED: usize = 8;

/// Removes one of the two.
pub async fn run(args: Args, terminal: &Terminal) -> Result<Exit, Failure> {
    let (kind, args) = match args.what {
        What::Account(args) => (Kind::Account, args),
        What::Central(args) => (Kind::Central, args),
    };
    let here = args.environment.read()?;
    let session = here.session().await?;
    let removal = Removal { kind, here: &here, session: &session, terminal, delete_data: args.delete_data };
    Ok(removal.run(args.yes).await?)
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Account,
    Central,
}

impl Kind {
    fn stack(self) -> &'static str {
        match self {
            Kind::Account => names::ACCOUNT_STACK,
            Kind::Central => names::CENTRAL_STACK,
        }
    }

    fn table(self) -> &'static str {
        match self {
            Kind::Account => names::RUNS_TABLE,
            Kind::Central => names::CENTRAL_TABLE,
        }
    }

    fn word(self) -> &'static str {
        match self {
            Kind::Account => "account",
            Kind::Central => "central",
        }
    }

    fn other(self) -> Self {
        match self {
            Kind::Account => Kind::Central,
            Kind::Central => Kind::Account,
        }
    }
}

struct Removal<'a> {
    kind: Kind,
    here: &'a Here,
    session: &'a Session,
    terminal: &'a Terminal,
    delete_data: bool,
}

impl Removal<'_> {
    async fn run(&self, yes: bool) -> CloudResult<Exit> {
        let Self { kind, session, terminal, .. } = self;
        let stack = stack::describe(session, kind.stack()).await?;
        if stack.is_none() && !self.delete_data {
            act(terminal, Tone::Good, "Gone", &format!("stack {} is not in {}", kind.stack(), self.here.place()));
            return Ok(Exit::Done);
        }
        stack.iter().try_for_each(refuse_foreign)?;
        self.refuse_registered().await?;
        // Whatever else is set up here needs bucket and key.
        let other = stack::describe(session, kind.other().stack()).await?;
        let other = other.is_some_and(|stack| stack.state.holds_resources());
        self.show(stack.as_ref(), other);
        if !yes && !self.confirm().await? {
            act(terminal, Tone::Odd, "Declined", "nothing was removed");
            return Ok(Exit::Fault);
        }
        if let Some(stack) = &stack
            && !self.remove(stack, kind.stack()).await?
        {
            return Ok(Exit::Fault);
        }
        if self.delete_data {
            return self.delete_data(other).await;
        }
        act(terminal, Tone::Calm, "Again", &format!("dpc setup {}{}", kind.word(), self.here.flag()));
        Ok(Exit::Done)
    }

    /// Pipelines that are still there would never run again, and their stacks could not even be removed.
    async fn refuse_registered(&self) -> CloudResult<()> {
        let (mut registered, what) = match self.kind {
            Kind::Account if !data::table_exists(self.session, names::RUNS_TABLE).await? => return Ok(()),
            Kind::Account => (self.session.runs().pipelines().await?, "in this account and region"),
            Kind::Central => (data::registered_at_central(self.session).await?, "at this central account"),
        };
        registered.sort();
        if registered.is_empty() {
            return Ok(());
        }
        let more = registered.len().saturating_sub(NAMED);
        let named: Vec<String> = registered.iter().take(NAMED).map(|name| format!("`{name}`")).collect();
        let more = if more > 0 { format!(" and {more} more") } else { String::new() };
        let number = count(registered.len(), "pipeline");
        let message = format!("{number} registered {what}: {}{more}", named.join(", "));
        let finding = Finding::new(Code::StillRegistered, message);
        let first = registered.first().cloned().unwrap_or_default();
        Err(Box::new(match self.kind {
            Kind::Account => finding
                .why("without the account function they would never run again; nothing was removed")
                .help(format!("remove each of them first: `dpc destroy {first}{}`", self.here.flag())),
            Kind::Central => finding
                .why("those that wait for others would never start again; nothing was removed")
                .help(
                    "in each account, `dpc destroy` them or leave with `dpc setup account --no-central` after deploying \
                     them without `executions`",
                ),
        }))
    }

    fn show(&self, stack: Option<&Stack>, other: bool) {
        let say = |line: String| self.terminal.say(&line);
        let kind = self.kind;
        let data = |stays: bool| if self.delete_data && !stays { "goes " } else { "stays" };
        say(format!("what `dpc setup {}` made will be removed from {}", kind.word(), self.here.place()));
        if stack.is_some() {
            let parts = match kind {
                Kind::Account => "account function, rules, roles, security groups, alarms, undelivered events",
                Kind::Central => "central function, bus, queue with what waits in it, roles, alarms",
            };
            say(format!("  goes   stack {}: {parts}", kind.stack()));
        }
        let rows = match kind {
            Kind::Account => "all runs and their history",
            Kind::Central => "everything that is known of runs and what they started",
        };
        say(format!("  {}  table {}: {rows}", data(false), kind.table()));
        let shared = if other { format!("; stack {} needs it", kind.other().stack()) } else { String::new() };
        say(format!("  {}  bucket {}: archives, logs{shared}", data(other), self.session.bucket()));
        let days = if self.delete_data && !other { format!(", {DAYS} days from now") } else { shared };
        say(format!("  {}  key {}{days}", data(other), names::KEY_ALIAS));
        say(String::new());
    }

    async fn confirm(&self) -> CloudResult<bool> {
        let name = &self.here.environment.name;
        match self.terminal.ask(&format!("Type `{name}` to remove it: ")).await {
            Some(answer) => Ok(answer.trim() == name),
            None => Err(Box::new(not_asked(match self.kind {
                Kind::Account => "dpc uninstall account",
                Kind::Central => "dpc uninstall central",
            }))),
        }
    }

    /// Removes a stack and follows its end; false when somebody pressed Ctrl-C.
    async fn remove(&self, stack: &Stack, name: &str) -> CloudResult<bool> {
        let &Self { session, terminal, .. } = self;
        let began = std::time::Instant::now();
        let purposes = super::setup::purposes_of_stack(name);
        let watch = Watch::begin(session, &stack.id).await?;
        if stack.state != StackState::DeleteInProgress {
            stack::delete(session, stack).await?;
        }
        match stack_progress::follow(session, watch, &purposes, terminal).await? {
            Watched::Interrupted => {
                act(terminal, Tone::Odd, "Interrupted", &format!("AWS goes on removing stack {name}"));
                let resume = format!("dpc uninstall {}{}", self.kind.word(), self.here.flag());
                act(terminal, Tone::Calm, "Resume", &format!("{resume}, when AWS is done with it"));
                Ok(false)
            }
            Watched::Ended(StackState::DeleteComplete, _) => {
                act(terminal, Tone::Good, "Removed", &format!("{name}  in {}", took(began.elapsed().as_secs_f64())));
                Ok(true)
            }
            Watched::Ended(_, seen) => Err(Box::new(events::delete_failed(name, &seen))),
        }
    }

    /// Table, and with the last stack bucket and key. Each step can be done again: whoever is interrupted types the same
    /// command once more. The key goes before the bucket, because only the bucket knows which one it is.
    async fn delete_data(&self, other: bool) -> CloudResult<Exit> {
        let &Self { session, terminal, kind, .. } = self;
        if data::delete_table(session, kind.table()).await? {
            act(terminal, Tone::Good, "Deleted", &format!("table {}", kind.table()));
        }
        if other {
            return Ok(Exit::Done);
        }
        let key = keys::of_bucket(session).await?;
        if key.is_some() {
            let objects = data::empty_bucket(session).await?;
            act(
                terminal,
                Tone::Good,
                "Emptied",
                &format!("bucket {} of {}", session.bucket(), count(objects, "object")),
            );
        }
        if let Some(key) = &key
            && keys::schedule_deletion(session, key, DAYS).await?
        {
            act(terminal, Tone::Good, "Scheduled", &format!("key {key} is deleted in {DAYS} days"));
            act(terminal, Tone::Calm, "Keep it", &format!("aws kms cancel-key-deletion --key-id {key}"));
        }
        if let Some(stack) = stack::describe(session, names::BOOTSTRAP_STACK).await? {
            refuse_foreign(&stack)?;
            if !self.remove(&stack, names::BOOTSTRAP_STACK).await? {
                return Ok(Exit::Fault);
            }
        }
        if key.is_some() && data::delete_bucket(session).await? {
            act(terminal, Tone::Good, "Deleted", &format!("bucket {}", session.bucket()));
        }
        Ok(Exit::Done)
    }
}

/// What setup did not make, or is busy, stays.
fn refuse_foreign(stack: &Stack) -> CloudResult<()> {
    if !stack.tags.contains_key(SETUP_TAG) && stack.state != StackState::ReviewInProgress {
        let message = format!("stack `{}` was not made by `dpc setup`: it has no tag `{SETUP_TAG}`", stack.name);
        let finding = Finding::new(Code::ForeignStack, message).why("nothing was removed");
        return Err(Box::new(finding.help("look at its tags in the CloudFormation console")));
    }
    match stack.state.phase() {
        Phase::Busy if stack.state != StackState::DeleteInProgress => Err(Box::new(changes::busy(stack))),
        Phase::Busy | Phase::Ready | Phase::Reviewed | Phase::FailedCreate | Phase::Stuck | Phase::Gone => Ok(()),
    }
}
