//! `dpc setup account`: what an account and region needs once, before its first pipeline.
//!
//! Two stacks, because of a hen and an egg: the account function is code in a bucket, and the bucket is made by a stack. So
//! `dpc-bootstrap` holds key and bucket, then the function is uploaded, then `dpc-account` makes the rest. Each is shown
//! before it is made; neither is touched when nothing changes.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::aws::{EnvironmentArg, Here, Tone, act, size, took};
use super::change_list::Question;
use super::stack_progress::{self, Purposes, Watched};
use super::{Exit, Failure, Terminal};
use crate::cloud::artifacts;
use crate::cloud::binary::{self, Architecture, Binary, LAMBDA_GLIBC, LAMBDA_SIZE};
use crate::cloud::failure::sentence;
use crate::cloud::network::{self, Subnet};
use crate::cloud::stack::{self, ChangeSet, Event, Proposal, Request, StackState, Template, Watch, changes};
use crate::cloud::{CloudResult, Session};
use crate::control::{archive, digest, names};
use crate::source::{Code, Finding, Spanned};

const BOOTSTRAP: &str = include_str!("../../templates/bootstrap.yaml");
const ACCOUNT: &str = include_str!("../../templates/account.yaml");
/// The tag by which setup knows its own stacks.
const SETUP_TAG: &str = "dpc-setup";

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
    Account(AccountArgs),
}

#[derive(Debug, clap::Args)]
struct AccountArgs {
    #[command(flatten)]
    environment: EnvironmentArg,
    /// Subnets for clusters, best one for each zone. Default: those of the default VPC
    #[arg(long, value_name = "ID", value_delimiter = ',')]
    subnets: Vec<String>,
    /// A dpc built for Linux, to run as the account function. Default: this very binary
    #[arg(long, value_name = "PATH")]
    function_binary: Option<PathBuf>,
    /// Do not ask before changes are made
    #[arg(long, short)]
    yes: bool,
}

/// Sets an account up.
pub async fn run(args: Args, terminal: &Terminal) -> Result<Exit, Failure> {
    let What::Account(args) = args.what;
    let here = args.environment.read()?;
    let session = here.session().await?;
    refuse_downgrade(&session).await?;
    let function = Function::read(args.function_binary.as_deref())?;
    let network = Network::find(&session, &args.subnets).await?;
    let setup = Setup { here: &here, session: &session, terminal, yes: args.yes };

    let bootstrap = Half { stack: names::BOOTSTRAP_STACK, template: BOOTSTRAP, parameters: BTreeMap::new() };
    let first = setup.make(&bootstrap).await?;
    if let Step::Stopped = first {
        return Ok(Exit::Fault);
    }
    let key = function.upload(&session, terminal).await?;
    let account = Half {
        stack: names::ACCOUNT_STACK,
        template: ACCOUNT,
        parameters: network.parameters(key, function.architecture).into_iter().chain(demands(&here)).collect(),
    };
    match (first, setup.make(&account).await?) {
        (_, Step::Stopped) => return Ok(Exit::Fault),
        (Step::Unchanged, Step::Unchanged) => act(terminal, Tone::Good, "Unchanged", &here.place()),
        _ => setup.conclude(),
    }
    Ok(Exit::Done)
}

/// An older dpc must not take an account back behind the pipelines that are deployed there.
async fn refuse_downgrade(session: &Session) -> CloudResult<()> {
    let Some(stack) = stack::describe(session, names::ACCOUNT_STACK).await? else { return Ok(()) };
    let Some(theirs) = stack.outputs.get("Version") else { return Ok(()) };
    let ours = env!("CARGO_PKG_VERSION");
    if numbers(theirs) <= numbers(ours) {
        return Ok(());
    }
    let message = format!("the account runs dpc {theirs}, you run the older dpc {ours}");
    let finding = Finding::new(Code::VersionDiffers, message);
    let finding = finding.why("its pipelines may rely on what the older one does not know; nothing was written");
    Err(Box::new(finding.help(format!("install dpc {theirs} or newer"))))
}

fn numbers(version: &str) -> Vec<u64> {
    version.split('.').map(|part| part.parse().unwrap_or(0)).collect()
}

/// The account function's code.
struct Function {
    program: Vec<u8>,
    architecture: Architecture,
}

impl Function {
    fn read(path: Option<&Path>) -> CloudResult<Self> {
        let own = std::env::current_exe().ok();
        let path = path.or(own.as_deref()).unwrap_or(Path::new("dpc"));
        let program = std::fs::read(path).map_err(|error| unusable(path, error.to_string()))?;
        let found = binary::inspect(&program).map_err(|why| unusable(path, why))?;
        runs_in_lambda(path, &found, program.len())?;
        Ok(Self { program, architecture: found.architecture })
    }

    /// Uploads it, unless this very program is there. The key is the program's digest, so that one that is there need not
    /// be packed to be known.
    async fn upload(&self, session: &Session, terminal: &Terminal) -> CloudResult<String> {
        let key = names::function_key(&digest::sha256(&self.program));
        if artifacts::exists(session, &key).await? {
            return Ok(key);
        }
        act(terminal, Tone::Calm, "Packing", &format!("the account function ({})", size(self.program.len())));
        let zip = archive::function(&self.program).bytes;
        let weight = size(zip.len());
        artifacts::upload(session, &key, zip, "application/zip").await?;
        act(terminal, Tone::Good, "Uploaded", &format!("{key} ({weight})"));
        Ok(key)
    }
}

fn runs_in_lambda(path: &Path, found: &Binary, bytes: usize) -> CloudResult<()> {
    if let Some(needed) = found.glibc.filter(|needed| *needed > LAMBDA_GLIBC) {
        let message = format!("`{}` needs glibc {needed}, and Lambda has {LAMBDA_GLIBC}", path.display());
        let finding = Finding::new(Code::GlibcTooNew, message);
        let finding = finding.why("it was built on a newer system than the function runs on; nothing was written");
        return Err(Box::new(finding.help(OTHER_BINARY)));
    }
    if bytes > LAMBDA_SIZE {
        let sizes = format!("it has {}, and a function may have {}", size(bytes), size(LAMBDA_SIZE));
        return Err(unusable(path, format!("{sizes}; is it a debug build?")));
    }
    Ok(())
}

fn unusable(path: &Path, why: String) -> Box<Finding> {
    let message = format!("`{}` is no program that Lambda can run", path.display());
    Box::new(
        Finding::new(Code::NotALinuxProgram, message).why(format!("{why}; nothing was written")).help(OTHER_BINARY),
    )
}

const OTHER_BINARY: &str = "pass the dpc of a Linux release with `--function-binary PATH`";

/// Where clusters run.
struct Network {
    vpc: String,
    subnets: Vec<String>,
    private: bool,
}

impl Network {
    async fn find(session: &Session, wanted: &[String]) -> CloudResult<Self> {
        if !wanted.is_empty() {
            return Self::of(&network::subnets(session, wanted).await?);
        }
        let found = network::default_subnets(session).await?;
        if found.is_empty() {
            return Err(no_network(session.region()));
        }
        Self::of(&found)
    }

    /// The network of these subnets, if they fit together.
    fn of(subnets: &[Subnet]) -> CloudResult<Self> {
        let mixed = |message: String| {
            let help = "name subnets of one VPC and of one kind, best one for each zone";
            Box::new(Finding::new(Code::MixedSubnets, message).why("nothing was written").help(help))
        };
        let Some(first) = subnets.first() else { return Err(mixed("no subnet was found".to_owned())) };
        if let Some(other) = subnets.iter().find(|other| other.vpc != first.vpc) {
            return Err(mixed(format!("subnets `{}` and `{}` belong to different VPCs", first.id, other.id)));
        }
        if let Some(other) = subnets.iter().find(|other| other.public != first.public) {
            let (public, private) = if first.public { (first, other) } else { (other, first) };
            return Err(mixed(format!("subnet `{}` is public, and `{}` is private", public.id, private.id)));
        }
        let ids = subnets.iter().map(|subnet| subnet.id.clone()).collect();
        Ok(Self { vpc: first.vpc.clone(), subnets: ids, private: !first.public })
    }

    fn parameters(&self, key: String, architecture: Architecture) -> BTreeMap<String, String> {
        let parameters = [
            ("Version", env!("CARGO_PKG_VERSION").to_owned()),
            ("FunctionKey", key),
            ("Architecture", architecture.as_str().to_owned()),
            ("Vpc", self.vpc.clone()),
            ("Subnets", self.subnets.join(",")),
            ("PrivateSubnets", self.private.to_string()),
        ];
        parameters.map(|(name, value)| (name.to_owned(), value)).into()
    }
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

fn no_network(region: &str) -> Box<Finding> {
    let message = format!("no network for clusters: {region} has no default VPC");
    let finding = Finding::new(Code::NoNetwork, message).why("nothing was written");
    Box::new(finding.help("name subnets of a VPC with `dpc setup account --subnets subnet-…,subnet-…`"))
}

/// One of the two stacks.
struct Half {
    stack: &'static str,
    template: &'static str,
    parameters: BTreeMap<String, String>,
}

enum Step {
    Unchanged,
    Made,
    /// By the person: declined, or Ctrl-C. What goes on has been said.
    Stopped,
}

struct Setup<'a> {
    here: &'a Here,
    session: &'a Session,
    terminal: &'a Terminal,
    yes: bool,
}

impl Setup<'_> {
    async fn make(&self, half: &Half) -> CloudResult<Step> {
        self.refuse_foreign(half.stack).await?;
        let request = Request {
            stack: half.stack.to_owned(),
            template: Template::Inline(half.template.to_owned()),
            parameters: half.parameters.clone(),
            tags: [(SETUP_TAG.to_owned(), "account".to_owned())].into(),
        };
        let on_cleanup =
            |reason: &str| act(self.terminal, Tone::Odd, "Cleaning up", &format!("{}: {reason}", half.stack));
        let changes = match changes::propose(self.session, &request, on_cleanup).await? {
            Proposal::Unchanged(_) => return Ok(Step::Unchanged),
            Proposal::Changes(changes) => changes,
        };
        let purposes = purposes(half.template);
        let &Self { here, session, terminal, .. } = self;
        let subject = half.stack;
        let meaning = Vec::new();
        let question =
            Question { here, session, terminal, subject, verb: "Make", command: "dpc setup account", meaning };
        if !question.agreed(&changes, &purposes, self.yes).await? {
            act(self.terminal, Tone::Odd, "Declined", &format!("{}  nothing was changed", half.stack));
            return Ok(Step::Stopped);
        }
        self.execute(&changes, &purposes).await
    }

    async fn refuse_foreign(&self, name: &str) -> CloudResult<()> {
        let Some(stack) = stack::describe(self.session, name).await? else { return Ok(()) };
        if stack.state == StackState::ReviewInProgress || stack.tags.contains_key(SETUP_TAG) {
            return Ok(());
        }
        let message = format!("stack `{name}` was not made by `dpc setup`: it has no tag `{SETUP_TAG}`");
        let finding = Finding::new(Code::ForeignStack, message).why("nothing was changed");
        Err(Box::new(finding.help("set up another region, or delete that stack if nobody needs it")))
    }

    async fn execute(&self, changes: &ChangeSet, purposes: &Purposes) -> CloudResult<Step> {
        let watch = Watch::begin(self.session, &changes.stack_id).await?;
        let began = std::time::Instant::now();
        changes::execute(self.session, changes).await?;
        let name = &changes.stack;
        match stack_progress::follow(self.session, watch, purposes, self.terminal).await? {
            Watched::Interrupted => {
                let resume = format!("dpc setup account{}", self.here.flag());
                act(self.terminal, Tone::Odd, "Interrupted", &format!("AWS goes on with stack {name}"));
                act(self.terminal, Tone::Calm, "Resume", &format!("{resume}, when AWS is done with it"));
                Ok(Step::Stopped)
            }
            Watched::Ended(state, _) if state.is_deployed() => {
                let word = if changes.creates { "Created" } else { "Updated" };
                act(self.terminal, Tone::Good, word, &format!("{name}  in {}", took(began.elapsed().as_secs_f64())));
                Ok(Step::Made)
            }
            Watched::Ended(state, events) => Err(Box::new(self.failed(name, state, &events, purposes))),
        }
    }

    fn failed(&self, name: &str, state: StackState, events: &[Event], purposes: &Purposes) -> Finding {
        let cause = stack::first_cause(events);
        let reason = cause.and_then(|event| event.reason.as_deref()).unwrap_or("CloudFormation gave no reason");
        let reason = sentence(reason);
        let what =
            cause.and_then(|event| purposes.get(&event.resource)).map_or(String::new(), |what| format!(" ({what})"));
        let resource = cause.map_or(name, |event| event.resource.as_str());
        let message = format!("setting up `{name}` failed: `{resource}`{what}: {reason}");
        let help = if reason.contains("already exists") {
            "it is left from an earlier setup, which keeps key, bucket and table: import it into the stack in the \
             CloudFormation console, or delete it if nobody needs what is in it"
                .to_owned()
        } else {
            format!("mend the cause, then type `dpc setup account{}` again", self.here.flag())
        };
        let why = format!("the stack is in state {}: {}", state.as_str(), state.advice());
        Finding::new(Code::DeployFailed, message).why(why).help(help)
    }

    fn conclude(&self) {
        let environment = &self.here.environment;
        let topic = format!("arn:aws:sns:{}:{}:dpc_alarms", environment.region, environment.account);
        act(self.terminal, Tone::Good, "Set up", &self.here.place());
        act(self.terminal, Tone::Calm, "Next", &format!("dpc deploy{}", self.here.flag()));
        let subscribe =
            format!("aws sns subscribe --topic-arn {topic} --protocol email --notification-endpoint YOU@EXAMPLE.COM");
        act(self.terminal, Tone::Calm, "Alarms", &subscribe);
    }
}

/// What each resource of one of our own templates is for: the `purpose` of its metadata. The templates are YAML with
/// CloudFormation's short tags, which no reader of plain YAML takes; they are ours, and a test holds them to this form.
fn purposes(template: &str) -> Purposes {
    let mut purposes = Purposes::new();
    let mut resource = None;
    for line in template.lines() {
        let name = line.strip_prefix("  ").and_then(|rest| rest.strip_suffix(':'));
        if let Some(name) = name.filter(|name| name.chars().all(|letter| letter.is_ascii_alphanumeric())) {
            resource = Some(name.to_owned());
        }
        let purpose = line.trim().strip_prefix("dpc: { purpose: \"").and_then(|rest| rest.strip_suffix("\" }"));
        if let (Some(name), Some(purpose)) = (&resource, purpose) {
            purposes.insert(name.clone(), purpose.to_owned());
        }
    }
    purposes
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::source::{Files, Findings, render};

    /// Compares what a person reads with `fixtures/broken/<code>/expected.txt`.
    fn assert_reads(finding: &Finding) {
        let style = render::TextStyle { colour: false, width: 120 };
        let said = render::text(&Files::new(), &Findings::from(finding.clone()), style);
        let path = format!("{}/fixtures/broken/{}/expected.txt", env!("CARGO_MANIFEST_DIR"), finding.code.id());
        if std::env::var_os("DPC_BLESS").is_some() {
            std::fs::write(&path, format!("{}\n", said.trim_end())).unwrap();
        }
        assert_eq!(said.trim_end(), std::fs::read_to_string(&path).unwrap_or_default().trim_end(), "{path}");
    }

    fn subnet(id: &str, vpc: &str, public: bool) -> Subnet {
        Subnet { id: id.into(), vpc: vpc.into(), zone: "eu-central-1a".into(), public }
    }

    #[test]
    fn every_resource_says_what_it_is_for() {
        for template in [BOOTSTRAP, ACCOUNT] {
            let types = template.lines().filter(|line| line.starts_with("    Type: AWS::") && !line.contains("::Id"));
            assert_eq!(purposes(template).len(), types.count());
        }
    }

    #[test]
    fn the_templates_travel_with_the_request() {
        for template in [BOOTSTRAP, ACCOUNT] {
            assert!(template.len() <= changes::INLINE_LIMIT * 9 / 10);
        }
    }

    #[test]
    fn subnets_must_fit_together() {
        let fit = Network::of(&[subnet("subnet-0a", "vpc-1", false), subnet("subnet-0b", "vpc-1", false)]).unwrap();
        assert_eq!((fit.private, fit.subnets.join(",")), (true, "subnet-0a,subnet-0b".to_owned()));
        let refused = |subnets: &[Subnet]| Network::of(subnets).err().unwrap();
        assert_reads(&refused(&[subnet("subnet-0a", "vpc-1", true), subnet("subnet-0b", "vpc-2", true)]));
        assert_eq!(
            refused(&[subnet("subnet-0a", "vpc-1", false), subnet("subnet-0b", "vpc-1", true)]).message,
            "subnet `subnet-0b` is public, and `subnet-0a` is private"
        );
        assert_reads(&no_network("eu-central-1"));
    }

    #[test]
    fn what_lambda_cannot_run_is_refused() {
        assert_reads(&Function::read(Some(Path::new("templates/account.yaml"))).err().unwrap());
        let newer = Binary { architecture: Architecture::Arm, glibc: Some(binary::Version(2, 38)) };
        assert_reads(&runs_in_lambda(Path::new("target/release/dpc"), &newer, 1).unwrap_err());
        let fits = Binary { architecture: Architecture::X86, glibc: Some(LAMBDA_GLIBC) };
        assert_eq!(runs_in_lambda(Path::new("dpc"), &fits, LAMBDA_SIZE), Ok(()));
        let why = runs_in_lambda(Path::new("dpc"), &fits, LAMBDA_SIZE + 1).unwrap_err().why.unwrap();
        assert!(why.contains("debug build"), "{why}");
    }

    #[test]
    fn versions_compare_as_numbers() {
        assert!(numbers("0.10.0") > numbers("0.9.3"));
    }
}
