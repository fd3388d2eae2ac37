//! A project's pipelines, and what starts them: schedules, events, other pipelines and their steps.

use serde_json::{Value, json};

use super::steps::View;
use crate::control::schedule::{self, Schedule};
use crate::drawing::{Arrow, Drawing, Look, Node};

/// The pipelines of a project and the ties between them.
pub struct Map<'a> {
    project: &'a str,
    views: &'a [View<'a>],
    ties: Vec<Tie>,
}

/// One thing that starts a pipeline.
struct Tie {
    from: From,
    /// The pipeline that is started.
    to: String,
    /// How: `SUCCEEDED`, ``step `load` ``.
    how: String,
}

/// What starts a pipeline.
#[derive(Clone, PartialEq, Eq)]
enum From {
    Pipeline(String),
    /// A schedule, in words.
    Schedule(String),
    Event(String),
}

impl<'a> Map<'a> {
    /// The map of these pipelines.
    pub fn of(project: &'a str, views: &'a [View<'a>]) -> Self {
        let ties = views.iter().flat_map(ties).collect();
        Self { project, views, ties }
    }

    /// As a picture; pipelines that are not the project's are drawn as known by name only.
    pub fn drawing(&self) -> Drawing {
        let mut drawing = Drawing { title: format!("project {}", self.project), ..Drawing::default() };
        for view in self.views {
            let manifest = view.manifest();
            let owner = manifest.owner.as_ref().map(|owner| format!("owner {}", owner.value)).unwrap_or_default();
            let count = view.outline.steps.len();
            let steps = if count == 1 { "1 step".to_owned() } else { format!("{count} steps") };
            let node = Node::new(pipeline_id(&manifest.name.value), &manifest.name.value, Look::Plain);
            drawing.nodes.push(node.line(steps).line(owner));
        }
        for tie in &self.ties {
            let (from, title, look) = match &tie.from {
                From::Pipeline(name) => (pipeline_id(name), name, Look::Foreign),
                From::Schedule(words) => (format!("schedule {words}"), words, Look::Source),
                From::Event(words) => (format!("event {words}"), words, Look::Source),
            };
            for (id, title, look) in [(from.clone(), title, look), (pipeline_id(&tie.to), &tie.to, Look::Foreign)] {
                if !drawing.nodes.iter().any(|node| node.id == id) {
                    drawing.nodes.push(Node::new(id, title, look));
                }
            }
            drawing.arrows.push(Arrow::new(from, pipeline_id(&tie.to)).label(&tie.how));
        }
        drawing
    }

    /// For people.
    pub fn text(&self) -> String {
        let mut out = format!("project {}\n", self.project);
        for view in self.views {
            let name = &view.manifest().name.value;
            out += &format!("\n  {name}\n");
            let mut lines: Vec<(&str, String)> = Vec::new();
            for tie in self.ties.iter().filter(|tie| tie.to == *name) {
                match &tie.from {
                    From::Schedule(words) => lines.push(("at", words.clone())),
                    From::Event(words) => lines.push(("on", words.clone())),
                    From::Pipeline(up) if view.outline.upstreams.iter().any(|other| other.pipeline == *up) => {}
                    From::Pipeline(up) => lines.push(("after", format!("{up}, {}", tie.how))),
                }
            }
            lines.extend(view.outline.condition.clone().map(|condition| ("after", condition)));
            if lines.is_empty() {
                lines.push(("at", "no time: `dpc run` starts it".to_owned()));
            }
            for tie in self.ties.iter().filter(|tie| tie.from == From::Pipeline(name.clone())) {
                lines.push(("starts", format!("{}, {}", tie.to, tie.how)));
            }
            for (word, words) in lines {
                out += &format!("    {word:<6}  {words}\n");
            }
        }
        out
    }

    /// For programs.
    pub fn json(&self) -> Value {
        let pipeline = |view: &View<'_>| {
            let manifest = view.manifest();
            let owner = manifest.owner.as_ref().map(|owner| &owner.value);
            json!({ "pipeline": manifest.name.value, "path": view.pipeline.path, "owner": owner })
        };
        let tie = |tie: &Tie| {
            let (kind, from) = match &tie.from {
                From::Pipeline(name) => ("pipeline", name),
                From::Schedule(words) => ("schedule", words),
                From::Event(words) => ("event", words),
            };
            json!({ "kind": kind, "from": from, "to": tie.to, "how": tie.how })
        };
        json!({
            "project": self.project,
            "pipelines": self.views.iter().map(pipeline).collect::<Vec<_>>(),
            "ties": self.ties.iter().map(tie).collect::<Vec<_>>(),
        })
    }
}

/// Ids of pipelines and of what starts them are told apart by the word before them.
fn pipeline_id(name: &str) -> String {
    format!("pipeline {name}")
}

fn ties(view: &View<'_>) -> Vec<Tie> {
    let name = &view.manifest().name.value;
    let to = |from: From, how: &str| Tie { from, to: name.clone(), how: how.to_owned() };
    let schedules = view.plan.schedules.iter().filter_map(|plan| Schedule::of_plan(plan).ok());
    let mut ties: Vec<Tie> = schedules.map(|schedule| to(From::Schedule(schedule::describe(&schedule)), "")).collect();
    ties.extend(view.outline.events.iter().map(|event| to(From::Event(event.text.clone()), "")));
    ties.extend(view.outline.upstreams.iter().map(|up| to(From::Pipeline(up.pipeline.clone()), &up.words)));
    for step in view.outline.all_steps() {
        if let Some(started) = &step.starts {
            let from = From::Pipeline(name.clone());
            ties.push(Tie { from, to: started.clone(), how: format!("step `{}`", step.name) });
        }
    }
    ties
}
