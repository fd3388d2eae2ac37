//! `dpc diff`: what a deployment would change, by meaning, each line with the place in the YAML that causes it.
//!
//! In come a checked project and the templates that are deployed, or those in a folder; out come differences in sections and
//! an exit code. It writes nothing, but for the change set that `--change-set` makes and removes again.

pub mod print;
mod truth;

use std::path::{Path, PathBuf};

use jiff::Timestamp;
use serde_json::Value;

use super::aws::{EnvironmentArg, Here};
use super::{Exit, Failure, Terminal, deploy};
use crate::cloud::stack::{self, Phase};
use crate::cloud::{CloudResult, Session};
use crate::compile::Compiled;
use crate::control::names;
use crate::diff::{self, Tags};
use crate::source::{Code, Finding};
use print::Report;

/// Arguments of `dpc diff`.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Exit code: 0 done, with --exit-code 0 for no difference and 3 for some; 1 the input or the deployment is at\n\
                        fault, 2 wrong usage."
)]
pub struct Args {
    /// Pipelines: names, globs, owner:NAME, tag:KEY=VALUE. Without any, all of the project
    #[arg(value_name = "SELECT")]
    select: Vec<String>,
    #[command(flatten)]
    environment: EnvironmentArg,
    /// Compare with a template, or a folder of templates that `dpc synth` wrote, and not with what is deployed; without AWS
    #[arg(long, value_name = "PATH", conflicts_with = "change_set")]
    against: Option<PathBuf>,
    /// Have AWS compare too: only it knows whether resources of your own are made anew. Makes a change set, and removes it
    #[arg(long)]
    change_set: bool,
    /// End with exit code 3 if something differs
    #[arg(long)]
    exit_code: bool,
    /// How to print it
    #[arg(long, value_enum, default_value_t)]
    format: DiffFormat,
}

/// How differences are printed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
enum DiffFormat {
    /// For people
    #[default]
    Text,
    /// One JSON document
    Json,
}

/// What a pipeline is compared with.
pub struct Base {
    /// The template, if there is one.
    pub template: Option<Value>,
    /// The tags of the stack, where they are known.
    pub tags: Option<Tags>,
}

/// Compares every pipeline selected.
pub async fn run(args: Args, terminal: &Terminal) -> Result<Exit, Failure> {
    let mut here = args.environment.read()?;
    let compiled = deploy::compile_selected(&mut here, &args.select)?;
    let mut reports = Vec::new();
    let mut gone = Vec::new();
    let where_to = match &args.against {
        Some(path) => {
            let templates = Templates::read(path, &compiled)?;
            for one in &compiled {
                let base = Base { template: templates.of(&one.pipeline).cloned(), tags: None };
                reports.push(report(one, &base, &here));
            }
            if args.select.is_empty() {
                gone = templates.others(&compiled);
            }
            format!("compared with `{}`", path.display())
        }
        None => {
            let session = here.session().await?;
            for one in &compiled {
                reports.push(deployed(one, &here, &session, args.change_set).await?);
            }
            format!("in {}", here.place())
        }
    };
    let now = Timestamp::now();
    terminal.data(&match args.format {
        DiffFormat::Json => print::json(&reports, &gone, &here.files, now),
        DiffFormat::Text => {
            let hand = print::Hand { files: &here.files, now, colour: terminal.colour_of_data() };
            hand.text(&reports, &gone, &where_to)
        }
    });
    let differs = !gone.is_empty() || reports.iter().any(|report| !report.diff.is_empty());
    Ok(if differs && args.exit_code { Exit::Different } else { Exit::Done })
}

/// What a pipeline and something else differ in.
pub fn report<'a>(compiled: &'a Compiled, base: &Base, here: &'a Here) -> Report<'a> {
    let after = compiled.template.to_value();
    let tags = base.tags.as_ref().map(|tags| (tags, &compiled.tags));
    let diff = diff::diff(base.template.as_ref(), &after, tags);
    Report::new(compiled, diff, after, &here.files, &here.project)
}

async fn deployed<'a>(
    compiled: &'a Compiled,
    here: &'a Here,
    session: &Session,
    change_set: bool,
) -> CloudResult<Report<'a>> {
    let found = stack::describe(session, &names::pipeline_resource(&compiled.pipeline)).await?;
    let Some(stack) = found.filter(|stack| stack.state.phase() != Phase::Gone) else {
        return Ok(report(compiled, &Base { template: None, tags: None }, here));
    };
    deploy::refuse_foreign(&stack, &here.environment.space)?;
    // A first deployment that failed, or a review that was never executed, has left nothing.
    let lives = !matches!(stack.state.phase(), Phase::FailedCreate | Phase::Reviewed);
    let template = if lives { stack::template(session, &stack.id).await? } else { None };
    if lives && template.is_none() {
        return Err(Box::new(
            Finding::new(Code::NotComparable, format!("the template of stack `{}` is no JSON", stack.name))
                .why("dpc sends JSON, so somebody else has deployed this stack")
                .help("`dpc deploy` shows what AWS would change"),
        ));
    }
    let mut report = report(compiled, &Base { template, tags: lives.then_some(stack.tags) }, here);
    if change_set && lives && !report.diff.is_empty() {
        truth::ask(&mut report, session).await?;
    }
    Ok(report)
}

/// Templates that lie in files.
struct Templates {
    found: Vec<(String, Value)>,
}

impl Templates {
    /// Reads one template, or those of a folder; which pipeline a template is of, it says itself.
    fn read(path: &Path, compiled: &[Compiled]) -> Result<Self, Box<Finding>> {
        let unreadable = |path: &Path, why: &str| {
            let finding = Finding::new(Code::NotComparable, format!("cannot compare with `{}`: {why}", path.display()));
            Box::new(finding.help("name a template, or a folder of templates, that `dpc synth --format json` wrote"))
        };
        let paths = if path.is_dir() {
            let entries = std::fs::read_dir(path).map_err(|error| unreadable(path, &error.to_string()))?;
            let paths = entries.flatten().map(|entry| entry.path());
            let mut paths: Vec<PathBuf> =
                paths.filter(|path| path.to_string_lossy().ends_with(".template.json")).collect();
            paths.sort();
            if paths.is_empty() {
                return Err(unreadable(path, "it holds no file that ends in `.template.json`"));
            }
            paths
        } else {
            vec![path.to_owned()]
        };
        let mut found = Vec::new();
        for path in paths {
            let text = std::fs::read_to_string(&path).map_err(|error| unreadable(&path, &error.to_string()))?;
            let template: Value = serde_json::from_str(&text).map_err(|_| unreadable(&path, "it is no JSON"))?;
            let name = template.pointer("/Metadata/dpc/pipeline").and_then(Value::as_str);
            let Some(name) = name else { return Err(unreadable(&path, "it is no template of dpc's")) };
            found.push((name.to_owned(), template));
        }
        let templates = Self { found };
        if compiled.iter().all(|one| templates.of(&one.pipeline).is_none()) {
            return Err(unreadable(path, "it holds none of the pipelines that are compared"));
        }
        Ok(templates)
    }

    fn of(&self, pipeline: &str) -> Option<&Value> {
        self.found.iter().find(|(name, _)| name == pipeline).map(|(_, template)| template)
    }

    /// Pipelines that have a template and are none any more.
    fn others(&self, compiled: &[Compiled]) -> Vec<String> {
        let is_there = |name: &str| compiled.iter().any(|one| one.pipeline == name);
        self.found.iter().map(|(name, _)| name.clone()).filter(|name| !is_there(name)).collect()
    }
}
