//! One pipeline's steps as a graph.

use jiff::Timestamp;
use serde_json::{Value, json};

use crate::cli::schedules;
use crate::compile;
use crate::compile::checks::durations::worst_case;
use crate::control::dag::{self, Flow};
use crate::control::partition::PartitionSpec;
use crate::control::plan::{PartitionPlan, Plan};
use crate::control::schedule::{self, Schedule};
use crate::drawing::{Arrow, Drawing, Look, Node};
use crate::language::manifest::Manifest;
use crate::language::outline::{Outline, StepOutline};
use crate::language::project::Pipeline;
use crate::source::{Files, Findings};

/// A pipeline as it is shown.
pub struct View<'a> {
    /// The pipeline.
    pub pipeline: &'a Pipeline,
    /// What the account function would know of it.
    pub plan: Plan,
    /// What its file says.
    pub outline: Outline,
    flow: Flow,
    /// Waits that no `needs` asks for.
    added: Vec<(String, String)>,
}

impl<'a> View<'a> {
    /// `None` when something is wrong with it, which is among the findings.
    pub fn of(
        pipeline: &'a Pipeline,
        files: &Files,
        context: &compile::Context,
        findings: &mut Findings,
    ) -> Option<Self> {
        let plan = compile::compile(pipeline, context, findings)?.plan;
        let outline = Outline::of_file(files, pipeline.manifest.name.span);
        let graph = pipeline.manifest.graph();
        let flow = dag::structure(&graph).ok()?;
        let added = dag::added_waits(&graph, &flow);
        Some(Self { pipeline, plan, outline, flow, added })
    }

    /// What its file says, typed.
    pub fn manifest(&self) -> &'a Manifest {
        &self.pipeline.manifest
    }

    /// For people.
    pub fn text(&self, after: Timestamp) -> String {
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
        out += &added(&self.added);
        if let Some(worst) = worst_case(manifest) {
            out += &format!("    ({worst})\n");
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
        let rows = |(drawn, name): (String, &str)| match self.outline.steps.iter().find(|step| step.name == name) {
            Some(step) => rows(step, drawn),
            None => vec![vec![drawn]],
        };
        table(&lines.into_iter().flat_map(rows).collect::<Vec<_>>(), "    ")
    }

    /// For programs.
    pub fn json(&self, after: Timestamp) -> Value {
        let manifest = self.manifest();
        let added = |(step, up): &(String, String)| json!({ "step": step, "waitsFor": up });
        let schedules = self.plan.schedules.iter().filter_map(|plan| Schedule::of_plan(plan).ok());
        json!({
            "pipeline": manifest.name.value,
            "path": self.pipeline.path,
            "partition": self.plan.partition,
            "steps": self.outline.steps.iter().map(of_step).collect::<Vec<_>>(),
            "addedWaits": self.added.iter().map(added).collect::<Vec<_>>(),
            "schedules": schedules.map(|schedule| self.fires(&schedule, after)).collect::<Vec<_>>(),
        })
    }

    /// As a picture: the steps, the clusters that come before and go after them, and the waits that were added.
    pub fn drawing(&self) -> Drawing {
        let name = &self.manifest().name.value;
        let when = self.outline.when.as_ref().map(|when| format!(", when {when}")).unwrap_or_default();
        let mut drawing = inside(&format!("{name}{when}"), "", &self.outline.steps);
        for (step, up) in &self.added {
            drawing.arrows.push(Arrow::new(up, step).label("added wait").dashed());
        }
        self.frame(&mut drawing);
        drawing
    }

    /// Clusters live around the steps that run on them.
    fn frame(&self, drawing: &mut Drawing) {
        let everything: Vec<&StepOutline> = self.outline.all_steps();
        let (mut before, mut after) = (Vec::new(), Vec::new());
        for profile in self.outline.profiles.iter().filter(|profile| profile.kind == "emr") {
            let users = |step: &&&StepOutline| step.profile.as_deref() == Some(profile.name.as_str());
            if !everything.iter().any(|step| users(&step)) {
                continue;
            }
            // A user's name has no space, so these ids are nobody else's.
            let (create, release) = (format!("create {}", profile.name), format!("release {}", profile.name));
            before.push(Node::new(&create, &create, Look::Frame).line(&profile.words));
            after.push(Node::new(&release, &release, Look::Frame).line("whatever happened"));
        }
        let needed: Vec<&String> = drawing.arrows.iter().map(|arrow| &arrow.to).collect();
        let needing: Vec<&String> = drawing.arrows.iter().map(|arrow| &arrow.from).collect();
        let steps = || drawing.nodes.iter().map(|node| node.id.clone());
        let first: Vec<String> = steps().filter(|step| !needed.contains(&step)).collect();
        let last: Vec<String> = steps().filter(|step| !needing.contains(&step)).collect();
        // All clusters exist before the first step starts, and none goes before the last step has ended.
        let chain = |nodes: &[Node]| {
            let pairs = nodes.iter().zip(nodes.iter().skip(1));
            pairs.map(|(one, other)| Arrow::new(&one.id, &other.id).dashed()).collect::<Vec<_>>()
        };
        after.reverse();
        drawing.arrows.extend(chain(&before).into_iter().chain(chain(&after)));
        if let (Some(created), Some(released)) = (before.last(), after.first()) {
            drawing.arrows.extend(first.iter().map(|step| Arrow::new(&created.id, step).dashed()));
            drawing.arrows.extend(last.iter().map(|step| Arrow::new(step, &released.id).dashed()));
        }
        let steps = std::mem::take(&mut drawing.nodes);
        drawing.nodes = before.into_iter().chain(steps).chain(after).collect();
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

/// The waits that no `needs` asks for, a line for the steps that wait for the same.
fn added(waits: &[(String, String)]) -> String {
    let mut groups: Vec<(Vec<&str>, Vec<&str>)> = Vec::new();
    let mut steps: Vec<&str> = waits.iter().map(|(step, _)| step.as_str()).collect();
    steps.dedup();
    for step in steps {
        let ups: Vec<&str> = waits.iter().filter(|(other, _)| other == step).map(|(_, up)| up.as_str()).collect();
        match groups.iter_mut().find(|(_, known)| *known == ups) {
            Some((together, _)) => together.push(step),
            None => groups.push((vec![step], ups)),
        }
    }
    let mut out = String::new();
    for (steps, ups) in &groups {
        let (verb, these) = if steps.len() > 1 { ("wait", "they do") } else { ("waits", "it does") };
        out += &format!("    {} also {verb} for {}, which {these} not need\n", steps.join(", "), ups.join(", "));
    }
    if !groups.is_empty() {
        out += "    (a state machine knows only one after the other and side by side)\n";
    }
    out
}

/// As much of what a step runs as fits into a line of a graph.
fn shortened(words: &str) -> String {
    const MOST: usize = 56;
    if words.chars().count() <= MOST {
        return words.to_owned();
    }
    let front: String = words.chars().take(MOST - 2).collect();
    let whole = front.rsplit_once(' ').map_or(front.as_str(), |(whole, _)| whole);
    format!("{} …", if whole.chars().count() > MOST / 2 { whole } else { front.as_str() })
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

/// Steps and their needs; `around` tells the ids of steps of one name inside two others apart.
fn inside(title: &str, around: &str, steps: &[StepOutline]) -> Drawing {
    let id = |name: &str| format!("{around}{name}");
    let node = |step: &StepOutline| {
        let mut node = Node::new(id(&step.name), &step.name, Look::Plain).line(&step.words);
        node = node.line(step.profile.as_ref().map(|profile| format!("on {profile}")).unwrap_or_default());
        node = node.line(step.when.as_ref().map(|when| format!("when {when}")).unwrap_or_default());
        if !step.inside.is_empty() {
            node.inside = vec![inside("", &format!("{}/", id(&step.name)), &step.inside)];
        }
        node
    };
    let arrow = |step: &StepOutline, (need, skips): &(String, bool)| {
        let arrow = Arrow::new(id(need), id(&step.name));
        if *skips { arrow.label("skipped with it") } else { arrow }
    };
    Drawing {
        title: title.to_owned(),
        nodes: steps.iter().map(node).collect(),
        arrows: steps.iter().flat_map(|step| step.needs.iter().map(|need| arrow(step, need))).collect(),
    }
}

fn needs(step: &StepOutline) -> String {
    let one = |(name, skips): &(String, bool)| if *skips { format!("{name} (skipped with it)") } else { name.clone() };
    let names: Vec<String> = step.needs.iter().map(one).collect();
    if names.is_empty() { "at once".to_owned() } else { format!("after {}", names.join(", ")) }
}

/// The row of a step, and one for each step inside it.
fn rows(step: &StepOutline, drawn: String) -> Vec<Vec<String>> {
    let profile = step.profile.as_ref().map(|profile| format!("on {profile}")).unwrap_or_default();
    let when = step.when.as_ref().map(|when| format!("when {when}")).unwrap_or_default();
    // A step inside stands below the first letter of the one around it.
    let indent: String = drawn.chars().map(|letter| if letter == '│' { letter } else { ' ' }).collect();
    let indent = indent.get(..indent.len() - step.name.len()).unwrap_or_default().to_owned();
    let mut rows_of = vec![vec![drawn, needs(step), profile, shortened(&step.words), when]];
    rows_of.extend(step.inside.iter().flat_map(|inner| rows(inner, format!("{indent}  · {}", inner.name))));
    rows_of
}

fn of_step(step: &StepOutline) -> Value {
    let needs: Vec<&str> = step.needs.iter().map(|(name, _)| name.as_str()).collect();
    let skipped_with: Vec<&str> =
        step.needs.iter().filter(|(_, skips)| *skips).map(|(name, _)| name.as_str()).collect();
    let mut value = json!({ "name": step.name, "needs": needs, "compute": step.profile, "does": step.words });
    if let Some(map) = value.as_object_mut() {
        if !skipped_with.is_empty() {
            map.insert("skippedWith".to_owned(), json!(skipped_with));
        }
        if let Some(when) = &step.when {
            map.insert("when".to_owned(), json!(when));
        }
        if !step.inside.is_empty() {
            map.insert("steps".to_owned(), step.inside.iter().map(of_step).collect());
        }
    }
    value
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
