//! `dpc render`: what every step of a run would be told, without AWS.
//!
//! In come a checked project and the partition that a run would be for; out comes every argument as the account function
//! would render it, from the same plan, by the same code. It refuses to guess what only a run knows: a text that holds
//! another step's output, or an item of a map, is shown with that part as it was written.

use std::path::PathBuf;

use jiff::Timestamp;
use serde_json::{Map, Value, json};

use super::aws::{EnvironmentArg, Here};
use super::run::params;
use super::{Exit, Failure, Format, Terminal, select};
use crate::compile::{self, Compiled};
use crate::control::arguments;
use crate::control::moment::Moment;
use crate::control::partition::{Granularity, PartitionSpec};
use crate::control::plan::Plan;
use crate::control::render::{self, Context, late};
use crate::control::run::{RunId, RunIdentity, RunRef, Source};
use crate::language::project::{Pipeline, Resolved};
use crate::source::{Code, Finding, suggest};
use crate::steps::templates;

/// Arguments of `dpc render`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Pipelines: names, globs, owner:NAME, tag:KEY=VALUE. Without any, all of the project
    #[arg(value_name = "SELECT")]
    select: Vec<String>,
    /// The partition that a run would be for: 2026-11-21, 2026-11-21T03Z, 2026-W47, 2026-11, 2026. Without it, the one that
    /// a schedule would take now
    #[arg(long, visible_alias = "date", value_name = "LABEL")]
    partition: Option<String>,
    /// The run's number within its partition
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..))]
    run_number: u32,
    /// A value for one of the pipeline's params; may be given several times
    #[arg(long = "param", value_name = "NAME=VALUE")]
    params: Vec<String>,
    /// The event that would start the run: a file with its JSON
    #[arg(long, value_name = "FILE")]
    event: Option<PathBuf>,
    #[command(flatten)]
    environment: EnvironmentArg,
    /// How to print it
    #[arg(long, value_enum, default_value_t)]
    format: RenderFormat,
}

/// How rendered arguments are printed.
#[derive(Clone, Copy, Debug, Default, clap::ValueEnum)]
enum RenderFormat {
    /// For people
    #[default]
    Text,
    /// One JSON document
    Json,
}

/// Prints the arguments of every pipeline selected.
pub async fn run(args: Args, terminal: &Terminal) -> Result<Exit, Failure> {
    let given = params(&args.params)?;
    let event = args.event.as_ref().map(read_event).transpose()?;
    let Here { files, mut findings, project, environment } = args.environment.read()?;
    let selected = select::select(&project, &args.select)?;
    let context = super::context(&environment.space, &project);
    let compiled: Vec<(&Pipeline, Compiled)> = selected
        .into_iter()
        .filter_map(|pipeline| Some((pipeline, compile::compile(pipeline, &context, &mut findings)?)))
        .collect();
    if findings.has_errors() {
        return Err(Failure::new(files, findings));
    }
    terminal.findings(&files, &findings.sorted(), Format::Text);
    known_somewhere(&given, &compiled)?;
    let mut views = Vec::new();
    for (pipeline, compiled) in &compiled {
        let plan = &compiled.plan;
        let label = label(plan, args.partition.as_deref(), event.as_ref())?;
        if let Some(asked) = args.partition.as_deref().filter(|asked| *asked != label) {
            terminal.say(&format!("{}: {asked} lies in its partition {label}", plan.pipeline));
        }
        let source = if event.is_some() { Source::Event } else { Source::Run };
        let run = identity(plan, label, args.run_number, source);
        let given = given.iter().filter(|(name, _)| compiled.plan.params.contains_key(*name));
        let given = given.map(|(name, value)| (name.clone(), value.clone())).collect();
        views.push(View::of(pipeline, plan, run, &given, event.as_ref(), &environment)?);
    }
    terminal.data(&match args.format {
        RenderFormat::Text => views.iter().map(View::text).collect::<Vec<_>>().join("\n"),
        RenderFormat::Json => {
            let list: Vec<Value> = views.iter().map(View::json).collect();
            serde_json::to_string_pretty(&list).expect("rendered arguments are printable") + "\n"
        }
    });
    Ok(Exit::Done)
}

/// Of several pipelines each takes the parameters that it has; one that none has is a mistake.
fn known_somewhere(given: &Map<String, Value>, compiled: &[(&Pipeline, Compiled)]) -> Result<(), Box<Finding>> {
    let declared = || compiled.iter().flat_map(|(_, one)| one.plan.params.keys().map(String::as_str));
    let Some(unknown) = given.keys().find(|name| declared().all(|known| known != *name)) else { return Ok(()) };
    if let [(_, only)] = compiled {
        return arguments::check_given(&only.plan, given);
    }
    let finding = Finding::new(Code::BadParams, format!("no pipeline selected has a parameter `{unknown}`"));
    Err(Box::new(match suggest::near(unknown, declared()) {
        Some(near) => finding.help(format!("did you mean `{near}`?")),
        None => finding.help("`params:` of a `pipeline.yaml` declares them"),
    }))
}

fn read_event(path: &PathBuf) -> Result<Value, Box<Finding>> {
    let refused = |what: String| {
        let finding =
            Finding::new(Code::FileUnreadable, format!("cannot read the event in `{}`: {what}", path.display()));
        Box::new(finding.help("name a file with one JSON object, as EventBridge delivers it"))
    };
    let text = std::fs::read_to_string(path).map_err(|error| refused(error.to_string()))?;
    serde_json::from_str(&text).map_err(|error| refused(error.to_string()))
}

/// The partition that was asked for, the event's, or the one of now. A finer label stands for the partition that it lies
/// in, because one date is asked of pipelines of every granularity.
fn label(plan: &Plan, asked: Option<&str>, event: Option<&Value>) -> Result<String, Box<Finding>> {
    let pipeline = &plan.pipeline;
    let spec = PartitionSpec::of_plan(&plan.partition).map_err(|problem| arguments::bad_plan(pipeline, &problem))?;
    let now = || spec.of_time(Timestamp::now()).unwrap_or_else(|| "none".to_owned());
    match (asked, event, &plan.partition.from) {
        (Some(_), _, _) if spec.by == Granularity::None => Ok("none".to_owned()),
        (Some(asked), _, _) => spec.parse(asked, pipeline).map(|partition| partition.label).or_else(|problem| {
            let holder = Moment::read(asked).and_then(|moment| moment.label(spec.by, &spec.zone));
            holder.map(|label| label.to_string()).map_err(|_| arguments::bad_partition(&problem))
        }),
        (None, Some(event), Some(from)) => arguments::partition_of_event(plan, from, event),
        (None, _, _) => Ok(now()),
    }
}

fn identity(plan: &Plan, partition: String, number: u32, source: Source) -> RunIdentity {
    let reference = RunRef { pipeline: plan.pipeline.clone(), id: RunId { partition, number } };
    RunIdentity {
        id: reference.id.to_string(),
        execution: reference.execution_name(),
        pipeline: reference.pipeline,
        partition: reference.id.partition,
        number,
        space: plan.space.clone(),
        source,
    }
}

/// What one pipeline's steps would be told.
struct View {
    run: RunIdentity,
    /// `run`, `params` and `event`, as templates know them.
    names: Value,
    /// The precondition and its answer.
    when: Option<(String, bool)>,
    steps: Vec<Step>,
}

struct Step {
    name: String,
    kind: &'static str,
    arguments: Value,
    /// Texts that are complete only when the step starts.
    late: Vec<String>,
}

impl View {
    fn of(
        pipeline: &Pipeline,
        plan: &Plan,
        run: RunIdentity,
        given: &Map<String, Value>,
        event: Option<&Value>,
        environment: &Resolved,
    ) -> Result<Self, Box<Finding>> {
        let scope = arguments::scope(plan, &run, given, event)?;
        let when = plan.when.as_ref().map(|template| {
            let answer = render::condition(template, &scope);
            answer
                .map(|answer| (template.clone(), answer))
                .map_err(|said| arguments::not_rendered(&format!("`when`: {said}")))
        });
        let mut rendered = arguments::render(plan, &scope).map_err(|finding| without_event(finding, event))?;
        let steps = pipeline.manifest.steps.iter().map(|step| {
            let name = step.name.value.clone();
            let (kind, texts) =
                step.kinds().first().map_or(("", Vec::new()), |(key, _, kind)| (*key, templates(*kind)));
            let given = rendered.remove(&name).unwrap_or(Value::Null);
            let late = texts.into_iter().filter_map(|text| late_text(text.value, &scope)).collect();
            Step { name, kind, arguments: arguments::in_place(given, &environment.account, &environment.region), late }
        });
        let steps = steps.collect();
        let names = serde_json::to_value(&scope).unwrap_or_default();
        Ok(Self { run, names, when: when.transpose()?, steps })
    }

    fn text(&self) -> String {
        let RunIdentity { pipeline, partition, number, .. } = &self.run;
        let mut out = format!("{pipeline}/{partition}/{number}\n");
        let part = |name: &str| self.names.get("run").and_then(|run| run.get(name)).and_then(Value::as_str);
        if let (Some(start), Some(end)) = (part("start"), part("end")) {
            out += &format!("  from {start} to {end}\n");
        }
        if let Some((template, answer)) = &self.when {
            out += &format!("  when {template}: {answer}\n");
        }
        if let Some(params) =
            self.names.get("params").filter(|params| params.as_object().is_some_and(|all| !all.is_empty()))
        {
            out += "\n  params\n";
            out += &table(&leaves(params));
        }
        for Step { name, kind, arguments, late } in &self.steps {
            out += &format!("\n  {name}: {kind}\n");
            let mut rows = leaves(arguments);
            rows.extend(late.iter().map(|text| ("when it starts".to_owned(), text.clone())));
            out += &table(&rows);
        }
        out
    }

    fn json(&self) -> Value {
        let step = |step: &Step| json!({ "name": step.name, "kind": step.kind, "arguments": step.arguments, "whenItStarts": step.late });
        let when = self.when.as_ref().map(|(template, answer)| json!({ "template": template, "answer": answer }));
        json!({
            "run": self.names.get("run"),
            "params": self.names.get("params"),
            "when": when,
            "steps": self.steps.iter().map(step).collect::<Vec<_>>(),
        })
    }
}

/// Where templates name an event and none was given, it is not the pipeline.yaml that must be mended.
fn without_event(mut finding: Box<Finding>, event: Option<&Value>) -> Box<Finding> {
    if event.is_none() && finding.message.contains("`event` is undefined") {
        finding.help = Some("give the event that would start the run: `--event event.json`".to_owned());
    }
    finding
}

/// A text that holds something of another step or of an item, the rest of it rendered.
fn late_text(template: &str, scope: &Context) -> Option<String> {
    if late::of(template).is_empty() {
        return None;
    }
    render::but_late(template, scope).ok().or_else(|| Some(template.to_owned()))
}

/// Every leaf with the path to it.
fn leaves(value: &Value) -> Vec<(String, String)> {
    fn walk(value: &Value, path: String, rows: &mut Vec<(String, String)>) {
        match value {
            Value::Array(items) if items.is_empty() => rows.push((path, "[]".to_owned())),
            Value::Array(items) => {
                items.iter().enumerate().for_each(|(at, item)| walk(item, format!("{path}[{at}]"), rows));
            }
            Value::Object(entries) => {
                let dot = if path.is_empty() { "" } else { "." };
                entries.iter().for_each(|(key, value)| walk(value, format!("{path}{dot}{key}"), rows));
            }
            Value::Null if path.is_empty() => {}
            Value::String(text) => rows.push((path, text.clone())),
            other => rows.push((path, other.to_string())),
        }
    }
    let mut rows = Vec::new();
    walk(value, String::new(), &mut rows);
    rows
}

/// Names in one column, values in the next; a value of several lines goes on below.
fn table(rows: &[(String, String)]) -> String {
    let width = rows.iter().map(|(name, _)| name.chars().count()).max().unwrap_or(0);
    let indent = " ".repeat(width + 6);
    let row = |(name, value): &(String, String)| {
        let value = value.replace('\n', &format!("\n{indent}"));
        format!("    {name:<width$}  {value}").trim_end().to_owned() + "\n"
    };
    rows.iter().map(row).collect()
}
