//! `dpc deploy`: from checked files to stacks that run.
//!
//! The order is what makes it safe: everything is read and compiled, then the caller's account is compared, then the
//! account's set-up, and only then is anything written, and nothing is changed before the changes were shown.

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde_json::Value;

use super::aws::{EnvironmentArg, Here, Tone, act, count, size, took};
use super::change_list::Question;
use super::stack_progress::{self, Purposes, Watched};
use super::{Exit, Failure, Terminal, diff, neighbours, roles, select};
use crate::cloud::artifacts::{self, Uploaded};
use crate::cloud::failure::sentence;
use crate::cloud::stack::{self, Adopt, ChangeSet, Event, Phase, Proposal, Request, Stack, StackState, Watch, changes};
use crate::cloud::{CloudResult, Session, account};
use crate::compile::{self, Compiled};
use crate::control::names;
use crate::diff::Section;
use crate::source::{Code, Finding, Findings};
use crate::steps::runner;

/// Arguments of `dpc deploy`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Pipelines: names, globs, owner:NAME, tag:KEY=VALUE. Without any, all of the project
    #[arg(value_name = "SELECT")]
    select: Vec<String>,
    #[command(flatten)]
    environment: EnvironmentArg,
    /// Check against the rules of this file instead of the project's policy.yaml
    #[arg(long, value_name = "FILE")]
    policy: Option<PathBuf>,
    /// Do not ask before changes are made
    #[arg(long, short)]
    yes: bool,
    /// Do not wait until AWS has made the changes
    #[arg(long)]
    no_wait: bool,
}

/// From this size on an upload is announced before it is done, so that nobody wonders what is going on.
const LARGE: usize = 4_000_000;

/// The custom resource that registers a pipeline.
const REGISTRATION: &str = "Custom::DpcPipeline";

/// How it went with one pipeline.
enum Outcome {
    Unchanged,
    Deployed { created: bool, seconds: f64 },
    Left,
    Declined,
    Interrupted,
    Failed(Box<Finding>),
}

/// Checks, compiles and deploys.
pub async fn run(args: Args, terminal: &Terminal) -> Result<Exit, Failure> {
    let mut here = args.environment.read_under(args.policy.as_deref())?;
    let compiled = compile_selected(&mut here, &args.select)?;
    let session = here.session().await?;
    account::check_version(&session).await?;
    let alone = neighbours::refuse_without_central(&here, &session, &compiled).await?;
    if alone.has_errors() {
        return Err(Failure::new(here.files, alone));
    }
    let lacking = roles::check(&here, &session, &compiled, terminal).await;
    if lacking.has_errors() {
        return Err(Failure::new(here.files, lacking));
    }

    let mut outcomes: Vec<(&Compiled, Outcome)> = Vec::new();
    for one in &compiled {
        let deployment = Deployment { here: &here, session: &session, terminal, args: &args, compiled: one };
        let outcome = deployment.run().await.unwrap_or_else(Outcome::Failed);
        let interrupted = matches!(outcome, Outcome::Interrupted);
        if let Outcome::Failed(finding) = &outcome {
            // At once, beside the progress that led to it; the others go on.
            terminal.findings(&here.files, &Findings::from((**finding).clone()), super::Format::Text);
        }
        outcomes.push((one, outcome));
        if interrupted {
            break;
        }
    }
    Ok(conclude(&outcomes, compiled.len(), &here, terminal))
}

/// Everything that can be found without AWS, before AWS is asked.
pub(super) fn compile_selected(here: &mut Here, words: &[String]) -> Result<Vec<Compiled>, Failure> {
    let context = super::context(&here.environment.space, &here.project);
    let mut findings = std::mem::take(&mut here.findings);
    let mut compiled = Vec::new();
    match select::select(&here.project, words) {
        Ok(pipelines) => {
            for pipeline in pipelines {
                compiled.extend(compile::compile(pipeline, &context, &mut findings));
            }
        }
        // Whoever has mistakes in the files sees those first: they may be why nothing is selected.
        Err(finding) if !findings.has_errors() => findings.push(*finding),
        Err(_) => {}
    }
    if findings.has_errors() {
        return Err(Failure::new(std::mem::take(&mut here.files), findings));
    }
    Ok(compiled)
}

/// One pipeline on its way into one environment.
struct Deployment<'a> {
    here: &'a Here,
    session: &'a Session,
    terminal: &'a Terminal,
    args: &'a Args,
    compiled: &'a Compiled,
}

impl Deployment<'_> {
    async fn run(&self) -> CloudResult<Outcome> {
        let name = &self.compiled.pipeline;
        let before = stack::describe(self.session, &names::pipeline_resource(name)).await?;
        if let Some(stack) = &before {
            refuse_foreign(stack, &self.here.environment.space)?;
            changes::refuse(stack)?;
        }
        let request = self.request().await?;
        let on_cleanup = |reason: &str| act(self.terminal, Tone::Odd, "Cleaning up", &format!("{name}: {reason}"));
        let changes = match changes::propose(self.session, &request, on_cleanup).await? {
            Proposal::Unchanged(_) => return Ok(Outcome::Unchanged),
            Proposal::Changes(changes) => changes,
        };
        let deployed = self.deployed(before.as_ref()).await?;
        let purposes = self.purposes(deployed.as_ref());
        let meaning = self.meaning(deployed, before.as_ref());
        let &Self { here, session, terminal, .. } = self;
        let question =
            Question { here, session, terminal, subject: name, verb: "Deploy", command: "dpc deploy", meaning };
        if !question.agreed(&changes, &purposes, self.args.yes).await? {
            return Ok(Outcome::Declined);
        }
        self.execute(&changes, &purposes).await
    }

    /// Uploads what the template refers to, each content once, and says what the stack shall be.
    async fn request(&self) -> CloudResult<Request> {
        let Compiled { pipeline, artifact, .. } = self.compiled;
        let archive = names::artifact_key(pipeline, &artifact.sha256);
        self.upload("the pipeline's folder", archive, artifact.bytes.clone(), "application/gzip").await?;
        let script = runner::SCRIPT.as_bytes().to_vec();
        let key = names::runner_key(&runner::sha256());
        for (key, bytes) in &self.compiled.uploads {
            self.upload("a file of the pipeline's folder", key.clone(), bytes.clone(), "application/octet-stream")
                .await?;
        }
        self.upload("the script that runs steps", key, script, "text/x-shellscript").await?;
        Ok(Request {
            stack: names::pipeline_resource(pipeline),
            template: artifacts::template(self.session, pipeline, self.compiled.template.to_json()).await?,
            parameters: BTreeMap::new(),
            tags: self.compiled.tags.clone(),
            adopt: Adopt::Nothing,
        })
    }

    async fn upload(&self, what: &str, key: String, bytes: Vec<u8>, kind: &str) -> CloudResult<()> {
        let weight = size(bytes.len());
        if bytes.len() > LARGE && !artifacts::exists(self.session, &key).await? {
            act(self.terminal, Tone::Calm, "Uploading", &format!("{what} ({weight})"));
        }
        if artifacts::upload(self.session, &key, bytes, kind).await? == Uploaded::Sent {
            act(self.terminal, Tone::Good, "Uploaded", &format!("{what} ({weight})"));
        }
        Ok(())
    }

    async fn execute(&self, changes: &ChangeSet, purposes: &Purposes) -> CloudResult<Outcome> {
        let watch = Watch::begin(self.session, &changes.stack_id).await?;
        let began = std::time::Instant::now();
        changes::execute(self.session, changes).await?;
        let resume = format!("dpc status {} --watch{}", self.compiled.pipeline, self.here.flag());
        if self.args.no_wait {
            act(
                self.terminal,
                Tone::Calm,
                "Started",
                &format!("AWS goes on with {}; watch it with `{resume}`", changes.stack),
            );
            return Ok(Outcome::Left);
        }
        let watched = stack_progress::follow(self.session, watch, purposes, self.terminal).await;
        let watched = watched.map_err(|finding| {
            let why = format!("AWS goes on with stack `{}`; only watching it failed", changes.stack);
            Box::new(finding.why(why).help(format!("watch it again with `{resume}`")))
        })?;
        match watched {
            Watched::Interrupted => {
                act(self.terminal, Tone::Odd, "Interrupted", &format!("AWS goes on with stack {}", changes.stack));
                act(self.terminal, Tone::Calm, "Resume", &resume);
                Ok(Outcome::Interrupted)
            }
            Watched::Ended(state, _) if state.is_deployed() => {
                // What is deployed stays deployed, whether its warnings can be read or not.
                let _unread = neighbours::show_warnings(self.session, &self.compiled.pipeline, self.terminal).await;
                Ok(Outcome::Deployed { created: changes.creates, seconds: began.elapsed().as_secs_f64() })
            }
            Watched::Ended(state, events) => Ok(Outcome::Failed(Box::new(self.failed(state, &events)))),
        }
    }

    /// What went wrong first, at the line of YAML that made the resource.
    fn failed(&self, state: StackState, events: &[Event]) -> Finding {
        let Compiled { pipeline, origins, template, .. } = self.compiled;
        let cause = stack::first_cause(events);
        let reason = cause.and_then(|event| event.reason.as_deref()).unwrap_or("CloudFormation gave no reason");
        let reason = sentence(reason);
        let of_resource = cause.filter(|event| !event.of_stack);
        let message = match of_resource {
            Some(event) => {
                let what = template.purpose(&event.resource).map_or_else(|| format!("`{}`", event.resource), uncapital);
                format!("deploying `{pipeline}` failed: {what} {}: {reason}", event.state.words())
            }
            None => format!("deploying `{pipeline}` failed: {reason}"),
        };
        let made = |event: &Event| {
            if event.kind == REGISTRATION
                && let Some(own) = self.here.project.pipeline(pipeline)
            {
                let (span, label) = neighbours::place_of_refusal(own, &reason);
                return Some((span, label.to_owned()));
            }
            Some((*origins.get(&event.resource)?, format!("`{}` was made from this", event.resource)))
        };
        let finding = match of_resource.and_then(made) {
            Some((span, label)) => Finding::at(Code::DeployFailed, span, message, label),
            None => Finding::new(Code::DeployFailed, message),
        };
        finding
            .why(format!(
                "stack `{}` is in state {}: {}",
                names::pipeline_resource(pipeline),
                state.as_str(),
                state.advice()
            ))
            .help(format!("mend the cause, then type `dpc deploy {pipeline}{}` again", self.here.flag()))
    }

    /// The template that is deployed.
    async fn deployed(&self, before: Option<&Stack>) -> CloudResult<Option<Value>> {
        match before.filter(|stack| stack.state.phase() == Phase::Ready) {
            Some(stack) => stack::template(self.session, &stack.id).await,
            None => Ok(None),
        }
    }

    /// What resources are for: those of the stack as it was, and as it shall be.
    fn purposes(&self, deployed: Option<&Value>) -> Purposes {
        let mut purposes = deployed.map(stack::purposes_of).unwrap_or_default();
        let resources = self.compiled.template.resources();
        purposes.extend(resources.map(|(id, resource)| (id.to_owned(), resource.purpose().to_owned())));
        purposes
    }

    /// What the change means; the resources are told by the change set. Of a stack that is new, its file says it better.
    fn meaning(&self, deployed: Option<Value>, before: Option<&Stack>) -> Vec<String> {
        if deployed.is_none() {
            return Vec::new();
        }
        let base = diff::Base { template: deployed, tags: before.map(|stack| stack.tags.clone()) };
        let report = diff::report(self.compiled, &base, self.here);
        let now = jiff::Timestamp::now();
        let hand = diff::print::Hand { files: &self.here.files, now, colour: self.terminal.colour() };
        hand.lines(&report, &|section| section != Section::Resources)
    }
}

/// A stack of this name that dpc did not make, or made for another space, is not touched.
pub(super) fn refuse_foreign(stack: &Stack, space: &str) -> CloudResult<()> {
    // A review that was never executed carries no tags.
    if stack.state == StackState::ReviewInProgress || stack.tags.get(names::SPACE_TAG).is_some_and(|own| own == space) {
        return Ok(());
    }
    let message = match stack.tags.get(names::SPACE_TAG) {
        Some(other) => format!("stack `{}` was deployed for space `{other}`, not for `{space}`", stack.name),
        None => format!("stack `{}` was not made by dpc: it has no tag `{}`", stack.name, names::SPACE_TAG),
    };
    Err(Box::new(
        Finding::new(Code::ForeignStack, message)
            .why("a pipeline's name is unique in an account and region; nothing was changed")
            .help("rename the pipeline, deploy to another account or region, or delete the other stack"),
    ))
}

/// A phrase inside a sentence: `The topic` becomes `the topic`.
fn uncapital(phrase: &str) -> String {
    let mut letters = phrase.chars();
    letters.next().map(|first| first.to_lowercase().collect::<String>() + letters.as_str()).unwrap_or_default()
}

/// One line a pipeline, and what to type next.
fn conclude(outcomes: &[(&Compiled, Outcome)], all: usize, here: &Here, terminal: &Terminal) -> Exit {
    let width = outcomes.iter().map(|(compiled, _)| compiled.pipeline.len()).max().unwrap_or(0);
    let mut exit = Exit::Done;
    let mut deployed = None;
    for (compiled, outcome) in outcomes {
        let name = format!("{:width$}", compiled.pipeline);
        match outcome {
            Outcome::Unchanged => act(terminal, Tone::Good, "Unchanged", compiled.pipeline.as_str()),
            Outcome::Deployed { created, seconds } => {
                let word = if *created { "Created" } else { "Updated" };
                act(terminal, Tone::Good, word, &format!("{name}  in {}", took(*seconds)));
                deployed = deployed.or(Some(*compiled));
            }
            Outcome::Left => {}
            Outcome::Declined => {
                act(terminal, Tone::Odd, "Declined", &format!("{name}  nothing was changed"));
                exit = Exit::Fault;
            }
            Outcome::Interrupted => exit = Exit::Fault,
            Outcome::Failed(finding) => {
                if outcomes.len() > 1 {
                    act(terminal, Tone::Bad, "Failed", &format!("{name}  {}", finding.code.id()));
                }
                exit = Exit::Fault;
            }
        }
    }
    if outcomes.len() < all {
        act(terminal, Tone::Odd, "Not begun", &count(all - outcomes.len(), "pipeline"));
    }
    if let Some(compiled) = deployed.filter(|_| exit == Exit::Done) {
        act(terminal, Tone::Calm, "Next", &next(compiled, here));
    }
    exit
}

/// The command that starts the first run by hand, with a place for each value that only the caller knows.
fn next(compiled: &Compiled, here: &Here) -> String {
    let label = super::run::current_partition(&compiled.plan).map(|label| format!(" --partition {label}"));
    let open = compiled.plan.params.iter().filter(|(_, declared)| declared.get("default").is_none());
    let params: String = open.map(|(name, _)| format!(" --param {name}=VALUE")).collect();
    format!("dpc run {}{}{params}{}", compiled.pipeline, label.unwrap_or_default(), here.flag())
}
