//! `{{ }}` stands where it is rendered when a run starts, and nowhere else.

use crate::control::partition::Granularity;
use crate::control::render::{self, Names, TemplateFault, TemplateProblem};
use crate::language::jobs::Job;
use crate::language::manifest::Manifest;
use crate::source::{Code, Finding, Findings, Node, Span, Spanned, Value};
use crate::steps::{self, KINDS};

/// Everything that is rendered when a run starts.
pub fn rendered(manifest: &Manifest) -> impl Iterator<Item = Spanned<&str>> {
    // What a job says knows the job's parameters alone.
    let own = manifest.all_steps().filter(|step| step.job.is_none());
    let own = own.flat_map(|step| step.kinds().into_iter().flat_map(|(_, _, kind)| steps::templates(kind)));
    let whens = manifest.when.iter().map(|when| Spanned { value: when.value.as_str(), span: when.span });
    whens.chain(own).chain(manifest.all_steps().flat_map(|step| step.value.own_texts()))
}

/// Whether a template may stand at this path of the tree.
fn is_rendered(path: &[&str]) -> bool {
    let path = match path {
        ["steps", "[]", "map", inner @ ..] if matches!(inner, ["steps", "[]", ..]) => inner,
        path => path,
    };
    match path {
        ["when"] | ["steps", "[]", "when"] | ["partition", "from"] => return true,
        ["steps", "[]", "params", _] | ["steps", "[]", "params", _, "[]"] | ["steps", "[]", "with", ..] => return true,
        _ if is_default(path) => return true,
        _ => {}
    }
    let Some(["steps", "[]", kind, rest @ ..]) = path.get(..) else { return false };
    let kind = KINDS.iter().find(|known| known.key == *kind);
    kind.is_some_and(|kind| kind.templates.iter().any(|pattern| matches(rest, pattern)))
}

/// The value of a parameter, which knows the run and no other parameter.
fn is_default(path: &[&str]) -> bool {
    matches!(path, ["params", _, "default"] | ["params", _, "default", "[]"])
        || matches!(path, ["params", _, "environments", _] | ["params", _, "environments", _, "[]"])
}

/// Everything that is wrong with the templates of a pipeline's tree.
pub fn tree(pipeline: &Node, findings: &mut Findings) {
    let (by, events) = surroundings(pipeline);
    let params = pipeline.get("params").map(Node::entries).unwrap_or_default();
    let names = Names::new(by, params.iter().map(|entry| entry.key.text.as_str())).with_events(events);
    walk(pipeline, &mut Vec::new(), &names, findings);
}

/// Everything that is wrong with the templates of a job, in a pipeline whose partitions are these.
pub fn job(job: &Job, by: Granularity, events: bool, findings: &mut Findings) {
    let params = job.file.iter().flat_map(|file| file.params.iter()).map(|(name, _)| name.value.as_str());
    let names = Names::new(by, params).with_events(events);
    for entry in job.node.entries() {
        let mut path = match entry.key.text.as_str() {
            "params" => Vec::new(),
            _ => vec!["steps", "[]"],
        };
        path.push(&entry.key.text);
        walk(&entry.value, &mut path, &names, findings);
    }
}

/// How a pipeline's tree is partitioned, and whether events start it.
pub fn surroundings(pipeline: &Node) -> (Granularity, bool) {
    let by = pipeline.get("partition").and_then(|partition| partition.get("by")).and_then(Node::as_str);
    let by = by.and_then(|by| Granularity::parse(by).ok()).unwrap_or(Granularity::Day);
    let events = pipeline.get("triggers").is_some_and(|triggers| triggers.get("events").is_some());
    let from = pipeline.get("partition").is_some_and(|partition| partition.get("from").is_some());
    // A `from` without events is reported as such.
    (by, events || from)
}

/// Takes back that a template is not rendered where it stands, if that place has no name or not its shape: once that is
/// mended, it may be one where templates are rendered.
pub fn keep_to_the_known(pipeline: &Node, findings: &mut Findings) {
    let at = |code, span| {
        let mut same = findings.iter().filter(|finding| finding.code == code);
        same.any(|finding| finding.primary.as_ref().is_some_and(|label| label.span == span))
    };
    let mut unknown = Vec::new();
    let mut open = vec![pipeline];
    while let Some(node) = open.pop() {
        match &node.value {
            Value::Scalar(_) => continue,
            _ if at(Code::WrongType, node.span) => unknown.push(node.span),
            Value::List(items) => open.extend(items),
            Value::Map(entries) => {
                for entry in entries {
                    if at(Code::UnknownKey, entry.key.span) {
                        unknown.push(entry.value.span);
                    }
                    open.push(&entry.value);
                }
            }
        }
    }
    if unknown.is_empty() {
        return;
    }
    let is_inside = |span: Span| {
        unknown.iter().any(|outer| outer.file == span.file && outer.start <= span.start && span.end <= outer.end)
    };
    let known = std::mem::take(findings).into_iter().filter(|finding| {
        let inside = finding.primary.as_ref().is_some_and(|label| is_inside(label.span));
        finding.code != Code::TemplateElsewhere || !inside
    });
    findings.extend(known);
}

fn walk<'a>(node: &'a Node, path: &mut Vec<&'a str>, names: &Names, findings: &mut Findings) {
    match &node.value {
        Value::Scalar(scalar) => text(&scalar.text, node.span, path, names, findings),
        Value::List(items) => {
            path.push("[]");
            items.iter().for_each(|item| walk(item, path, names, findings));
            path.pop();
        }
        Value::Map(entries) => {
            for entry in entries {
                path.push(&entry.key.text);
                walk(&entry.value, path, names, findings);
                path.pop();
            }
        }
    }
}

fn text(text: &str, span: Span, path: &[&str], names: &Names, findings: &mut Findings) {
    if matches!(path.first(), Some(&("resources" | "overrides"))) {
        findings.extend(in_cloudformation(text, span));
        return;
    }
    // JSONata of the user's own.
    if matches!(path, ["steps", "[]", "state", "definition", ..]) && text.starts_with("{%") {
        return;
    }
    let is_rendered = is_rendered(path);
    let mut statement = false;
    let few = match path {
        ["partition", "from"] => Some(names.only_event()),
        _ if is_default(path) => Some(names.without_params()),
        _ => None,
    };
    for TemplateProblem { kind, problem } in render::check(text, few.as_ref().unwrap_or(names)) {
        statement |= kind == TemplateFault::Statement;
        if is_rendered || kind == TemplateFault::Statement {
            findings.push(problem.at(code(kind), text, span));
        }
    }
    let talk = path.last() == Some(&"description");
    if let (false, Some(at)) = (is_rendered || statement || talk, text.find("{{")) {
        let key = path.iter().rev().find(|part| **part != "[]").copied().unwrap_or_default();
        let message = format!("`{{{{ }}}}` is not rendered in `{key}`");
        findings.push(
            Finding::at(Code::TemplateElsewhere, span.part(text, at..at + 2), message, "")
                .why("templates are rendered when a run starts; this is fixed when the pipeline is deployed")
                .help("`{{ }}` is possible in what a step is given: arguments, commands, environments, payloads; `${vars.…}` everywhere"),
        );
    }
}

/// In CloudFormation's words `{{resolve:…}}` is CloudFormation's own, and `{% %}` may be Step Functions'.
fn in_cloudformation(text: &str, span: Span) -> Option<Finding> {
    let (at, _) =
        text.match_indices("{{").find(|(at, _)| !text.get(at + 2..).unwrap_or_default().starts_with("resolve:"))?;
    let message = "`{{ }}` is not rendered in CloudFormation's words";
    Some(
        Finding::at(Code::TemplateElsewhere, span.part(text, at..at + 2), message, "")
            .why("templates are rendered when a run starts; resources are made when the pipeline is deployed")
            .help("use `${vars.…}`, an intrinsic function such as `!Sub`, or `{{resolve:…}}`, which CloudFormation replaces"),
    )
}

fn code(kind: TemplateFault) -> Code {
    match kind {
        TemplateFault::Statement => Code::TemplateStatement,
        TemplateFault::Syntax | TemplateFault::UnknownFilter => Code::BadTemplate,
        TemplateFault::UnknownName => Code::UnknownTemplateName,
        TemplateFault::Unfit => Code::UnfitDate,
        TemplateFault::LatePath => Code::LatePath,
    }
}

/// In patterns, `[]` is any item, `*` any one value, and a `**` at the end anything below.
fn matches(path: &[&str], pattern: &str) -> bool {
    let parts: Vec<&str> = pattern.split('.').collect();
    let fits = |parts: &[&str], path: &[&str]| {
        parts.len() == path.len() && parts.iter().zip(path).all(|(part, key)| *part == "*" || part == key)
    };
    match parts.split_last() {
        Some((&"**", front)) => path.get(..front.len()).is_some_and(|path| fits(front, path)),
        _ => fits(&parts, path),
    }
}
