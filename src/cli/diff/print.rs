//! Differences as text and as JSON.
//!
//! In come reports and the time of day; out come lines. Signs say what colour only repeats: `!` more is allowed, `±` made
//! anew, `+` comes, `-` goes or is no longer allowed, `~` changes.

use jiff::Timestamp;
use serde_json::{Value, json};

use crate::cli::aws::{Tone, count, tint};
use crate::cli::schedules;
use crate::compile::Compiled;
use crate::control::partition::PartitionSpec;
use crate::control::plan::{PartitionPlan, SchedulePlan};
use crate::diff::{Cause, Detail, Diff, Difference, Scope, Section, Sign, find};
use crate::language::outline::Outline;
use crate::language::project::Project;
use crate::source::{Files, Findings, Span, yaml};

/// How many times of a schedule are listed.
const NEXT: usize = 3;

/// What is said of one pipeline.
pub struct Report<'a> {
    /// The pipeline as it would be.
    pub compiled: &'a Compiled,
    /// What differs.
    pub diff: Diff,
    /// The path of its file.
    path: String,
    /// Its template as it would be.
    after: Value,
    tree: Option<crate::source::Node>,
    downstream: Vec<(String, Span)>,
}

impl<'a> Report<'a> {
    /// A report of differences; the project tells who is downstream.
    pub fn new(compiled: &'a Compiled, diff: Diff, after: Value, files: &Files, project: &Project) -> Self {
        let pipeline = project.pipeline(&compiled.pipeline);
        let name = pipeline.map(|pipeline| pipeline.manifest.name.span);
        let tree = name.and_then(|span| yaml::read(files, span.file, &mut Findings::new()));
        let path = pipeline.map(|pipeline| pipeline.path.clone()).unwrap_or_default();
        let downstream = if diff.is_empty() { Vec::new() } else { downstream(&compiled.pipeline, files, project) };
        Self { compiled, diff, path, after, tree, downstream }
    }

    /// The place that causes a difference.
    fn place(&self, cause: &Cause) -> Option<Span> {
        find::place(self.tree.as_ref()?, &self.compiled.origins, cause)
    }

    /// The place that causes one of several lines.
    fn place_of_detail(&self, one: &Difference, detail: &Detail) -> Option<Span> {
        if detail.words.is_empty() {
            return None;
        }
        self.place(&Cause { scopes: one.cause.scopes.clone(), words: detail.words.clone() })
    }

    /// The place that a schedule of the new side comes from.
    fn place_of(&self, schedule: &SchedulePlan) -> Option<Span> {
        let resources = self.after.get("Resources").and_then(Value::as_object);
        let is_it = |resource: &Value, key: &str, text: &str| {
            resource.pointer(&format!("/Properties/{key}")).and_then(Value::as_str) == Some(text)
        };
        let found = resources.into_iter().flatten().find(|(_, resource)| {
            is_it(resource, "ScheduleExpression", &schedule.expression)
                && is_it(resource, "ScheduleExpressionTimezone", &schedule.timezone)
        });
        self.compiled.origins.get(found?.0).copied()
    }

    fn triggers(&self) -> Option<Span> {
        let words = vec!["schedule".to_owned()];
        self.place(&Cause { scopes: vec![Scope::Key("triggers".to_owned()), Scope::Key("name".to_owned())], words })
    }
}

/// Pipelines of the project that wait for this one, and those that wait for them.
fn downstream(pipeline: &str, files: &Files, project: &Project) -> Vec<(String, Span)> {
    let outlines: Vec<(&str, Outline)> = project
        .pipelines
        .iter()
        .map(|one| (one.manifest.name.value.as_str(), Outline::of_file(files, one.manifest.name.span)))
        .collect();
    let mut found: Vec<(String, Span)> = Vec::new();
    let mut seen = vec![pipeline.to_owned()];
    let mut at = 0;
    while let Some(upstream) = seen.get(at).cloned() {
        for (name, outline) in &outlines {
            for leaf in outline.upstreams.iter().filter(|leaf| leaf.pipeline == upstream) {
                found.push((format!("`{name}` waits for `{upstream}`: {}", leaf.words), leaf.span));
                if !seen.iter().any(|known| known == name) {
                    seen.push((*name).to_owned());
                }
            }
            for step in outline.all_steps().into_iter().filter(|step| step.starts.as_deref() == Some(&upstream)) {
                found.push((format!("`{name}` starts `{upstream}`: step `{}`", step.name), step.span));
            }
        }
        at += 1;
    }
    found
}

/// How reports are written.
#[derive(Clone, Copy)]
pub struct Hand<'a> {
    /// The files that places lie in.
    pub files: &'a Files,
    /// The time from which runs are listed.
    pub now: Timestamp,
    /// Whether colour repeats what signs say.
    pub colour: bool,
}

const SECTIONS: [(Section, &str); 7] = [
    (Section::Permissions, "permissions"),
    (Section::Resources, "resources"),
    (Section::Schedule, "schedule"),
    (Section::Triggers, "triggers"),
    (Section::Steps, "steps"),
    (Section::Runs, "runs"),
    (Section::Downstream, "downstream"),
];

impl Hand<'_> {
    /// All reports, and a sentence at the end.
    pub fn text(&self, reports: &[Report<'_>], gone: &[String], where_to: &str) -> String {
        let mut out = String::new();
        for report in reports.iter().filter(|report| !report.diff.is_empty()) {
            let what = if report.diff.creates { " is new" } else { " would change" };
            out += &format!("`{}`{what} ({})\n", report.compiled.pipeline, report.path);
            for line in self.lines(report, &|_| true) {
                out += &format!("{line}\n");
            }
            out.push('\n');
        }
        for name in gone {
            out +=
                &format!("`{name}` is no pipeline of the project any more; `dpc destroy {name}` removes its stack\n\n");
        }
        let differ = reports.iter().filter(|report| !report.diff.is_empty()).count();
        let heed = reports.iter().filter(|report| !report.diff.creates && report.diff.needs_attention()).count();
        let same = count(reports.len() - differ, "pipeline");
        out += &match (differ, gone.is_empty()) {
            (0, true) => format!("{same}: no difference, {where_to}\n"),
            _ => {
                let ending = if differ == 1 { "s" } else { "" };
                let rest = if differ < reports.len() { format!(", {same} the same") } else { String::new() };
                format!("{} differ{ending}{rest}, {where_to}\n", count(differ, "pipeline"))
            }
        };
        if heed > 0 {
            let lines = "look twice at the lines with `!` and `±`, and at resources that go\n";
            out += &format!("{}: {lines}", count(heed, "pipeline"));
        }
        out
    }

    /// The lines of a report, section by section.
    pub fn lines(&self, report: &Report<'_>, wanted: &dyn Fn(Section) -> bool) -> Vec<String> {
        let mut lines = Vec::new();
        for (section, title) in SECTIONS.iter().filter(|(section, _)| wanted(*section)) {
            let differences = report.diff.differences.iter().filter(|one| one.section == *section);
            let mut body: Vec<String> = differences.flat_map(|one| self.difference(one, report)).collect();
            match section {
                Section::Schedule => body.extend(self.times(report)),
                Section::Downstream => body.extend(
                    report.downstream.iter().map(|(text, span)| format!("    > {text}{}", self.at(Some(*span)))),
                ),
                _ => {}
            }
            if !body.is_empty() {
                lines.push(format!("  {title}"));
                lines.extend(body);
            }
        }
        if report.diff.unexplained && wanted(Section::Resources) {
            lines.push("  resources".to_owned());
            lines
                .push("    ~ the template is written otherwise; nothing that runs, or may be done, differs".to_owned());
        }
        lines
    }

    fn difference(&self, one: &Difference, report: &Report<'_>) -> Vec<String> {
        // Of a new pipeline nothing is wider than it was.
        let sign = if report.diff.creates && one.sign == Sign::Widened { Sign::Added } else { one.sign };
        let (sign, tone) = sign_of(sign);
        let place = self.at(report.place(&one.cause));
        let mut lines = vec![format!("    {} {}{place}", tint(self.colour, tone, sign), one.text)];
        for detail in &one.details {
            let own = self.at(report.place_of_detail(one, detail));
            let own = if own == place { "" } else { &own };
            lines.push(format!("        {}{own}", detail.text));
        }
        lines
    }

    /// Schedules with their next times, before and after.
    fn times(&self, report: &Report<'_>) -> Vec<String> {
        let Some(times) = &report.diff.times else { return Vec::new() };
        let (old, new) = (&times.partition.0, &times.partition.1);
        let mut lines = Vec::new();
        for schedule in &times.removed {
            lines.extend(self.schedule(Sign::Removed, schedule, old.as_ref(), report.triggers()));
        }
        for schedule in &times.added {
            lines.extend(self.schedule(Sign::Added, schedule, new.as_ref(), report.place_of(schedule)));
        }
        for schedule in &times.kept {
            let cause = Cause { scopes: vec![Scope::Key("partition".to_owned())], words: Vec::new() };
            lines.extend(self.schedule(Sign::Removed, schedule, old.as_ref(), report.place(&cause)));
            lines.extend(self.schedule(Sign::Added, schedule, new.as_ref(), report.place(&cause)));
        }
        lines
    }

    fn schedule(
        &self,
        sign: Sign,
        plan: &SchedulePlan,
        partition: Option<&PartitionPlan>,
        place: Option<Span>,
    ) -> Vec<String> {
        let spec = partition.and_then(|partition| PartitionSpec::of_plan(partition).ok());
        let mut fires = schedules::of_schedule(plan, spec.as_ref(), self.now, NEXT).into_iter();
        let head = fires.next().unwrap_or_else(|| format!("{} in {}", plan.expression, plan.timezone));
        let (sign, tone) = sign_of(sign);
        let head = format!("    {} {head}{}", tint(self.colour, tone, sign), self.at(place));
        std::iter::once(head).chain(fires.map(|line| format!("        {}", line.trim_start()))).collect()
    }

    /// `  (listings/pipeline.yaml:12)`.
    fn at(&self, span: Option<Span>) -> String {
        span.map(|span| format!("  ({})", place(self.files, span))).unwrap_or_default()
    }
}

fn sign_of(sign: Sign) -> (&'static str, Tone) {
    match sign {
        Sign::Widened => ("!", Tone::Odd),
        Sign::Replaced => ("±", Tone::Bad),
        Sign::Removed => ("-", Tone::Bad),
        Sign::Added => ("+", Tone::Good),
        Sign::Changed => ("~", Tone::Calm),
        Sign::Narrowed => ("-", Tone::Calm),
    }
}

fn place(files: &Files, span: Span) -> String {
    format!("{}:{}", files.get(span.file).path, files.line_column(span.file, span.start).0)
}

/// All reports as one document.
pub fn json(reports: &[Report<'_>], gone: &[String], files: &Files, now: Timestamp) -> String {
    let list: Vec<Value> = reports.iter().map(|report| of_report(report, files, now)).collect();
    let value = json!({ "pipelines": list, "gone": gone });
    serde_json::to_string_pretty(&value).expect("differences are printable") + "\n"
}

fn of_report(report: &Report<'_>, files: &Files, now: Timestamp) -> Value {
    let at = |span: Option<Span>| {
        span.map(|span| {
            let (line, column) = files.line_column(span.file, span.start);
            json!({ "file": files.get(span.file).path, "line": line, "column": column })
        })
    };
    let name = |section: Section| SECTIONS.iter().find(|(known, _)| *known == section).map(|(_, name)| *name);
    let mut differences: Vec<Value> = report
        .diff
        .differences
        .iter()
        .map(|one| {
            json!({
                "section": name(one.section),
                "change": word(one.sign),
                "text": one.text,
                "details": one.details.iter().map(|detail| json!({
                    "text": detail.text,
                    "place": at(report.place_of_detail(one, detail)),
                })).collect::<Vec<_>>(),
                "resource": one.resource,
                "place": at(report.place(&one.cause)),
            })
        })
        .collect();
    let times = report.diff.times.iter().flat_map(|times| {
        let removed = times.removed.iter().map(|plan| (Sign::Removed, plan, &times.partition.0, report.triggers()));
        let added = times.added.iter().map(|plan| (Sign::Added, plan, &times.partition.1, report.place_of(plan)));
        let kept = times.kept.iter().map(|plan| (Sign::Changed, plan, &times.partition.1, report.place_of(plan)));
        removed.chain(added).chain(kept)
    });
    differences.extend(times.map(|(sign, plan, partition, span)| {
        let spec = partition.as_ref().and_then(|partition| PartitionSpec::of_plan(partition).ok());
        let lines = schedules::of_schedule(plan, spec.as_ref(), now, NEXT);
        json!({
            "section": "schedule",
            "change": word(sign),
            "text": format!("{} in {}", plan.expression, plan.timezone),
            "details": lines.iter().skip(1).map(|line| json!({ "text": line.trim(), "place": null })).collect::<Vec<_>>(),
            "resource": null,
            "place": at(span),
        })
    }));
    let downstream = report.downstream.iter().map(|(text, span)| json!({ "text": text, "place": at(Some(*span)) }));
    json!({
        "pipeline": report.compiled.pipeline,
        "path": report.path,
        "status": if report.diff.creates { "new" } else if report.diff.is_empty() { "same" } else { "different" },
        "needsAttention": !report.diff.creates && report.diff.needs_attention(),
        "differences": differences,
        "downstream": downstream.collect::<Vec<_>>(),
    })
}

fn word(sign: Sign) -> &'static str {
    match sign {
        Sign::Widened => "widened",
        Sign::Replaced => "replaced",
        Sign::Removed => "removed",
        Sign::Added => "added",
        Sign::Changed => "changed",
        Sign::Narrowed => "narrowed",
    }
}
