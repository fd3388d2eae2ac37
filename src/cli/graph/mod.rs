//! `dpc graph`: a pipeline's steps as a graph, and when it runs; or the project's pipelines and what starts what.
//!
//! In come a checked project and the time of day; out comes text for people, a drawing in one of three notations, or the
//! same facts as JSON. It refuses to know AWS: what is printed is what the files say.

mod project;
mod steps;

use std::path::{Path, PathBuf};

use clap::ValueEnum;
use jiff::Timestamp;
use serde_json::Value;

use super::{Exit, Failure, Terminal, select};
use crate::drawing::{self, Drawing};
use crate::language::project::{EnvironmentChoice, load};
use crate::source::{Code, Finding};
use project::Map;
use steps::View;

/// Arguments of `dpc graph`.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "A drawing (mermaid, dot, svg) shows the steps of one pipeline, or, when several are meant, the\n\
                        pipelines and what starts them."
)]
pub struct Args {
    /// Pipelines: names, globs, owner:NAME, tag:KEY=VALUE. Without any, all of the project
    #[arg(value_name = "SELECT")]
    select: Vec<String>,
    /// Show the pipelines and what starts them, not their steps
    #[arg(long)]
    project: bool,
    /// Environment whose variables are filled in; the first one unless said
    #[arg(long = "env", env = "DPC_ENV", value_name = "NAME")]
    environment: Option<String>,
    /// List the times after this day or time, such as 2026-03-28 or 2026-03-28T12:00:00Z, instead of from now on
    #[arg(long, value_name = "TIME", value_parser = moment)]
    after: Option<Timestamp>,
    /// How to print it
    #[arg(long, value_enum, default_value_t)]
    format: GraphFormat,
    /// Write it to this file, not to stdout
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
}

fn moment(text: &str) -> Result<Timestamp, String> {
    let day = || text.parse::<jiff::civil::Date>().ok()?.to_zoned(jiff::tz::TimeZone::UTC).ok();
    let time = text.parse().ok().or_else(|| Some(day()?.timestamp()));
    time.ok_or_else(|| "write a day such as 2026-03-28, or a time such as 2026-03-28T12:00:00Z".to_owned())
}

/// How a graph is printed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
enum GraphFormat {
    /// For people
    #[default]
    Text,
    /// A flowchart in Mermaid, which GitHub and GitLab draw
    Mermaid,
    /// A digraph for Graphviz
    Dot,
    /// An image that stands on its own
    Svg,
    /// One JSON document
    Json,
}

/// Prints the graph of every pipeline selected, or of the project.
pub async fn run(args: Args, terminal: &Terminal) -> Result<Exit, Failure> {
    let choice = args.environment.clone().map_or(EnvironmentChoice::Any, EnvironmentChoice::Named);
    let loaded = load(&super::root()?, &choice);
    let mut findings = loaded.findings;
    let Some(project) = &loaded.project else { return Err(Failure::new(loaded.files, findings)) };
    let selected = match select::select(project, &args.select) {
        Ok(selected) => selected,
        Err(finding) => return Err(Failure::new(loaded.files, *finding)),
    };
    let space = project.environment.as_ref().map_or("", |chosen| chosen.space.as_str());
    let context = super::context(space, project);
    let views: Vec<View<'_>> = selected
        .into_iter()
        .filter_map(|pipeline| View::of(pipeline, &loaded.files, &context, &mut findings))
        .collect();
    if findings.has_errors() {
        return Err(Failure::new(loaded.files, findings));
    }
    let text = printed(&args, &project.name, &views);
    match &args.out {
        None => terminal.data(&text),
        Some(path) => {
            write(path, &text)?;
            terminal.data(&format!("{}\n", path.display()));
        }
    }
    Ok(Exit::Done)
}

fn printed(args: &Args, project: &str, views: &[View<'_>]) -> String {
    let after = args.after.unwrap_or_else(Timestamp::now);
    let map = || Map::of(project, views);
    // A file holds one drawing.
    let drawing = || match views {
        [one] if !args.project => one.drawing(),
        _ => map().drawing(),
    };
    match args.format {
        GraphFormat::Text if args.project => map().text(),
        GraphFormat::Text => views.iter().map(|view| view.text(after)).collect::<Vec<_>>().join("\n"),
        GraphFormat::Json if args.project => json(&map().json()),
        GraphFormat::Json => json(&views.iter().map(|view| view.json(after)).collect()),
        GraphFormat::Mermaid => drawn(drawing::mermaid, &drawing()),
        GraphFormat::Dot => drawn(drawing::dot, &drawing()),
        GraphFormat::Svg => drawn(drawing::svg, &drawing()),
    }
}

fn drawn(notation: fn(&Drawing) -> String, drawing: &Drawing) -> String {
    notation(drawing)
}

fn json(value: &Value) -> String {
    serde_json::to_string_pretty(value).expect("a graph is printable") + "\n"
}

fn write(path: &Path, text: &str) -> Result<(), Box<Finding>> {
    std::fs::write(path, text).map_err(|error| {
        let finding = Finding::new(Code::NotWritten, format!("cannot write `{}`: {error}", path.display()));
        Box::new(finding.help("name a file in a folder that you may write to: `--out FILE`"))
    })
}
