//! `dpc graph`: a pipeline's steps as a graph, and when it runs.
//!
//! In come a checked project and the time of day; out comes text for people, or the same facts as JSON. It refuses to
//! know AWS: what is printed is what the files say.

use clap::ValueEnum;
use jiff::Timestamp;
use serde_json::{Value, json};

use super::{Exit, Failure, Terminal, schedules, select};
use crate::compile;
use crate::control::dag::{self, Flow};
use crate::control::partition::PartitionSpec;
use crate::control::plan::{PartitionPlan, Plan};
use crate::control::schedule::{self, Schedule};
use crate::language::manifest::Manifest;
use crate::language::project::{self, EnvironmentChoice, Pipeline};
use crate::source::Findings;
use crate::steps::Step;

/// Arguments of `dpc graph`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Pipelines: names, globs, owner:NAME, tag:KEY=VALUE. Without any, all of the project
    #[arg(value_name = "SELECT")]
    select: Vec<String>,
    /// Environment whose variables are filled in; the first one unless said
    #[arg(long = "env", env = "DPC_ENV", value_name = "NAME")]
    environment: Option<String>,
    /// List the times after this day or time, such as 2026-03-28 or 2026-03-28T12:00:00Z, instead of from now on
    #[arg(long, value_name = "TIME", value_parser = moment)]
    after: Option<Timestamp>,
    /// How to print it
    #[arg(long, value_enum, default_value_t)]
    format: GraphFormat,
}

fn moment(text: &str) -> Result<Timestamp, String> {
    let day = || text.parse::<jiff::civil::Date>().ok()?.to_zoned(jiff::tz::TimeZone::UTC).ok();
    let time = text.parse().ok().or_else(|| Some(day()?.timestamp()));
    time.ok_or_else(|| "write a day such as 2026-03-28, or a time such as 2026-03-28T12:00:00Z".to_owned())
}

/// How a graph is printed.
#[derive(Clone, Copy, Debug, Default, ValueEnum)]
enum GraphFormat {
    /// For people
    #[default]
    Text,
    /// One JSON document
    Json,
}

/// Prints the graph of every pipeline selected.
pub async fn run(args: Args, terminal: &Terminal) -> Result<Exit, Failure> {
    let choice = args.environment.map_or(EnvironmentChoice::Any, EnvironmentChoice::Named);
    let loaded = project::load(&super::root()?, &choice);
    let mut findings = loaded.findings;
    let Some(project) = &loaded.project else { return Err(Failure::new(loaded.files, findings)) };
    let selected = match select::select(project, &args.select) {
        Ok(selected) => selected,
        Err(finding) => return Err(Failure::new(loaded.files, *finding)),
    };
    let space = project.environment.as_ref().map_or("", |chosen| chosen.space.as_str());
    let context = super::context(space);
    let views: Vec<View<'_>> =
        selected.into_iter().filter_map(|pipeline| View::of(pipeline, &context, &mut findings)).collect();
    if findings.has_errors() {
        return Err(Failure::new(loaded.files, findings));
    }
    let after = args.after.unwrap_or_else(Timestamp::now);
    terminal.data(&match args.format {
        GraphFormat::Text => views.iter().map(|view| view.text(after)).collect::<Vec<_>>().join("\n"),
        GraphFormat::Json => {
            let list: Vec<Value> = views.iter().map(|view| view.json(after)).collect();
            serde_json::to_string_pretty(&list).expect("a graph is printable") + "\n"
        }
    });
    Ok(Exit::Done)
}

/// A pipeline as it is shown.
struct View<'a> {
    pipeline: &'a Pipeline,
    plan: Plan,
    flow: Flow,
    /// Waits that no `needs` asks for.
    added: Vec<(String, String)>,
}

impl<'a> View<'a> {
    fn of(pipeline: &'a Pipeline, context: &compile::Context, findings: &mut Findings) -> Option<Self> {
        let plan = compile::compile(pipeline, context, findings)?.plan;
        let graph = pipeline.manifest.graph();
        let flow = dag::structure(&graph).ok()?;
        let added = dag::added_waits(&graph, &flow);
        Some(Self { pipeline, plan, flow, added })
    }

    fn manifest(&self) -> &'a Manifest {
        &self.pipeline.manifest
    }

    fn text(&self, after: Timestamp) -> String {
        let manifest = self.manifest();
        let mut out = format!("{}\n", manifest.name.value);
        if let Some(description) = &manifest.description {
            out += &format!("  {}\n", description.value.trim());
        }
        out += &format!("  {}\n", partition(&self.plan.partition));
        if let Some(owner) = &manifest.owner {
            out += &format!("  owner {}\n", owner.value);
        }
        out += &format!("\n  steps\n{}", self.steps());
        for (step, up) in &self.added {
            out += &format!(
                "    {step} also waits for {up}, which it does not need: a state machine knows only one after the other and side by side\n"
            );
        }
        out += "\n  runs\n";
        for line in schedules::lines(&self.plan, after) {
            out += &format!("    {line}\n");
        }
        out
    }

    /// The graph: what stands side by side behind `├─` and `└─` runs at once, what stands below runs after.
    fn steps(&self) -> String {
        let mut lines = Vec::new();
        draw(&self.flow, "", &mut lines);
        let row = |(drawn, name): (String, &str)| {
            let Some(step) = self.manifest().steps.iter().find(|step| step.name.value == name) else {
                return vec![drawn];
            };
            let profile = self.manifest().profile_of(step).map(|(name, _)| name.as_str()).unwrap_or_default();
            vec![drawn, needs(step), format!("on {profile}"), does(step)]
        };
        table(&lines.into_iter().map(row).collect::<Vec<_>>(), "    ")
    }

    fn json(&self, after: Timestamp) -> Value {
        let manifest = self.manifest();
        let step = |step: &Step| {
            let needs: Vec<&str> = step.needs.iter().map(|need| need.step.as_str()).collect();
            let compute = manifest.profile_of(step).map(|(name, _)| name.as_str());
            json!({ "name": step.name.value, "needs": needs, "compute": compute, "does": does(step) })
        };
        let added = |(step, up): &(String, String)| json!({ "step": step, "waitsFor": up });
        let schedules = self.plan.schedules.iter().filter_map(|plan| Schedule::of_plan(plan).ok());
        json!({
            "pipeline": manifest.name.value,
            "path": self.pipeline.path,
            "partition": self.plan.partition,
            "steps": manifest.steps.iter().map(|spanned| step(spanned)).collect::<Vec<_>>(),
            "addedWaits": self.added.iter().map(added).collect::<Vec<_>>(),
            "schedules": schedules.map(|schedule| self.fires(&schedule, after)).collect::<Vec<_>>(),
        })
    }

    fn fires(&self, schedule: &Schedule, after: Timestamp) -> Value {
        let partition = PartitionSpec::of_plan(&self.plan.partition).ok();
        let fire = |fire: schedule::Fire| {
            json!({
                "utc": fire.utc.to_string(),
                "local": fire.local.strftime("%Y-%m-%dT%H:%M:%S%:z").to_string(),
                "partition": partition.as_ref().and_then(|spec| spec.of_time(fire.utc)),
                "note": fire.note,
            })
        };
        json!({
            "expression": schedule.expression(),
            "timezone": schedule.zone.iana_name(),
            "words": schedule::describe(schedule),
            "next": schedule::next(schedule, after, schedules::NEXT).into_iter().map(fire).collect::<Vec<_>>(),
        })
    }
}

/// `partition by day in Europe/Berlin, shifted by -1d`.
fn partition(plan: &PartitionPlan) -> String {
    let shift = if plan.offset == "0" { String::new() } else { format!(", shifted by {}", plan.offset) };
    match plan.by.as_str() {
        "none" => "no partitions".to_owned(),
        // Hours are instants of UTC, whatever the zone.
        "hour" => format!("partition by hour{shift}"),
        by => format!("partition by {by} in {}{shift}", plan.timezone),
    }
}

/// One line a step: the line as drawn, and the step's name.
fn draw<'a>(flow: &'a Flow, prefix: &str, lines: &mut Vec<(String, &'a str)>) {
    match flow {
        Flow::Step(name) => lines.push((format!("{prefix}{name}"), name)),
        Flow::Sequence(parts) => {
            let mut fork = false;
            for part in parts {
                // Two forks in a row would look like one.
                if fork && matches!(part, Flow::Parallel(_)) {
                    lines.push((format!("{prefix}then"), ""));
                }
                fork = matches!(part, Flow::Parallel(_));
                draw(part, prefix, lines);
            }
        }
        Flow::Parallel(branches) => {
            for (at, branch) in branches.iter().enumerate() {
                let (first, rest) = if at + 1 == branches.len() { ("└─ ", "   ") } else { ("├─ ", "│  ") };
                let mut inner = Vec::new();
                draw(branch, "", &mut inner);
                for (line, (drawn, name)) in inner.into_iter().enumerate() {
                    let lead = if line == 0 { first } else { rest };
                    lines.push((format!("{prefix}{lead}{drawn}"), name));
                }
            }
        }
    }
}

fn needs(step: &Step) -> String {
    let names: Vec<&str> = step.needs.iter().map(|need| need.step.as_str()).collect();
    if names.is_empty() { "at once".to_owned() } else { format!("after {}", names.join(", ")) }
}

/// What a step runs, as it would be typed.
fn does(step: &Step) -> String {
    let words: Vec<&str> = match (&step.spark, &step.shell) {
        (Some(spark), _) => {
            let entrypoint = std::iter::once(spark.entrypoint.as_str());
            std::iter::once("spark").chain(entrypoint).chain(spark.args.iter().map(|text| text.as_str())).collect()
        }
        (None, Some(shell)) => std::iter::once("shell").chain(shell.command.iter().map(|text| text.as_str())).collect(),
        (None, None) => Vec::new(),
    };
    words.join(" ")
}

/// Rows in columns, two spaces apart, nothing after the last word of a line.
fn table(rows: &[Vec<String>], indent: &str) -> String {
    let columns = rows.iter().map(Vec::len).max().unwrap_or(0);
    let width = |column: usize| {
        let cells = rows.iter().filter_map(|row| row.get(column));
        cells.map(|cell| cell.chars().count()).max().unwrap_or(0)
    };
    let widths: Vec<usize> = (0..columns).map(width).collect();
    let mut out = String::new();
    for row in rows {
        let cells: Vec<String> = row.iter().zip(&widths).map(|(cell, width)| format!("{cell:<width$}")).collect();
        out += format!("{indent}{}", cells.join("  ")).trim_end();
        out.push('\n');
    }
    out
}
