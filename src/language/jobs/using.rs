//! A step that uses a job becomes the step that the job describes.
//!
//! In come the tree of a pipeline and the jobs; out comes the tree with the jobs' keys in it, what each step keeps of its
//! job, and findings where a step says `job`, with the job's line beside it.

use std::sync::Arc;

use super::{Job, JobFile};
use crate::control::plan::ParamPlan;
use crate::control::render::late::{self, Piece};
use crate::language::manifest::Param;
use crate::language::rules::params::does_not_fit;
use crate::source::{Code, Entry, Finding, Findings, Node, Span, Spanned, Texts, Value, suggest};
use crate::steps::{FromJob, KINDS, Step};

/// A step that uses a job.
#[derive(Clone, Debug)]
pub struct Used {
    /// The step.
    span: Span,
    /// Which of the jobs.
    pub job: usize,
    from: Arc<FromJob>,
}

/// Puts the jobs into the steps that use them, those inside of others too.
pub fn expand(pipeline: &mut Node, jobs: &[Job], findings: &mut Findings) -> Vec<Used> {
    let mut used = Vec::new();
    let Value::Map(entries) = &mut pipeline.value else { return used };
    for entry in entries.iter_mut().filter(|entry| entry.key.text == "steps") {
        steps(&mut entry.value, jobs, &mut used, findings);
    }
    used
}

fn steps(list: &mut Node, jobs: &[Job], used: &mut Vec<Used>, findings: &mut Findings) {
    let Value::List(items) = &mut list.value else { return };
    for step in items {
        let Value::Map(entries) = &mut step.value else { continue };
        for entry in entries.iter_mut().filter(|entry| entry.key.text == "map") {
            used.extend(expand(&mut entry.value, jobs, findings));
        }
        used.extend(one(step, jobs, findings));
    }
}

/// What steps keep of their jobs.
pub fn attach(steps: &mut [Spanned<Step>], used: &[Used]) {
    for step in steps {
        let from = used.iter().find(|used| used.span == step.span);
        step.value.from_job = from.map(|used| Arc::clone(&used.from));
    }
}

fn one(step: &mut Node, jobs: &[Job], findings: &mut Findings) -> Option<Used> {
    let Some(written) = step.entry("job") else {
        findings.extend(step.entry("params").map(|params| without_job(params, step)));
        return None;
    };
    // What is no text is reported as such.
    let name = written.value.as_str()?.to_owned();
    let place = written.value.span;
    let Some(at) = jobs.iter().position(|job| job.name == name) else {
        findings.push(unknown(&name, place, jobs));
        return None;
    };
    let job = jobs.get(at)?;
    let mut used = Used { span: step.span, job: at, from: Arc::default() };
    if let Some(kind) = step.entries().iter().find(|entry| KINDS.iter().any(|kind| kind.key == entry.key.text)) {
        findings.push(two_kinds(&kind.key.text, kind.key.span, place));
        return Some(used);
    }
    // What is wrong with the job is said where it is written.
    let Some(file) = &job.file else { return Some(used) };
    let given = step.get("params").map(Node::entries).unwrap_or_default();
    let values = Values { job, file, place, step: step.get("name").and_then(Node::as_str).unwrap_or_default() };
    let (params, late) = values.take(given, findings);
    let has = |step: &Node, key: &str| step.entry(key).is_some();
    let mut body: Vec<Entry> = job.body().filter(|entry| !has(step, &entry.key.text)).cloned().collect();
    let when = body.iter().any(|entry| entry.key.text == "when");
    body.iter_mut().for_each(|entry| put(&mut entry.value, &late, findings));
    used.from = Arc::new(FromJob { job: name, folder: job.folder().to_owned(), params, when });
    if let Value::Map(entries) = &mut step.value {
        entries.extend(body);
    }
    Some(used)
}

/// A parameter whose value is known when the step starts: its name, its text, its place.
type Late = (String, String, Span);

/// What one step gives to a job.
struct Values<'a> {
    job: &'a Job,
    file: &'a JobFile,
    place: Span,
    step: &'a str,
}

impl Values<'_> {
    /// The parameters as the plan holds them, and those whose values are known later than that.
    fn take(&self, given: &[Entry], findings: &mut Findings) -> (Vec<(String, ParamPlan)>, Vec<Late>) {
        let (mut params, mut late) = (Vec::new(), Vec::new());
        for entry in given.iter().filter(|entry| self.file.params.get(&entry.key.text).is_none()) {
            findings.push(self.unknown(entry));
        }
        for (name, param) in self.file.params.iter() {
            let entry = given.iter().find(|entry| entry.key.text == name.value);
            let value = entry.and_then(|entry| texts(&entry.value));
            let Some(value) = value else {
                if entry.is_none() && param.default.is_none() && param.required.as_ref().is_none_or(|it| it.value) {
                    findings.push(self.missing(name));
                }
                params.push((name.value.clone(), plan(param, param.default.as_ref())));
                continue;
            };
            match late_text(&value) {
                Some(Ok(text)) => late.push((name.value.clone(), text, value.span)),
                Some(Err(finding)) => findings.push(*finding),
                None => {
                    findings.extend(self.misfit(name, param, &value));
                    params.push((name.value.clone(), plan(param, Some(&value))));
                }
            }
        }
        (params, late)
    }

    fn missing(&self, name: &Spanned<String>) -> Finding {
        let message = format!("step `{}` gives no `{}` to job `{}`", self.step, name.value, self.job.name);
        Finding::at(Code::MissingJobParam, self.place, message, "")
            .and(name.span, "has no default")
            .help(format!("add `params: {{ {}: … }}` to the step, or give the parameter a `default`", name.value))
    }

    fn unknown(&self, entry: &Entry) -> Finding {
        let name = &entry.key.text;
        let message = format!("job `{}` has no parameter `{name}`", self.job.name);
        let known: Vec<&str> = self.file.params.iter().map(|(name, _)| name.value.as_str()).collect();
        let finding = Finding::at(Code::UnknownJobParam, entry.key.span, message, "");
        let near = suggest::near(name, known.iter().copied());
        let meant = self.file.params.iter().find(|(name, _)| near == Some(name.value.as_str()));
        match (meant, known.as_slice()) {
            (Some((meant, _)), _) => finding.and(meant.span, "a parameter with a similar name").fix(
                entry.key.span,
                &meant.value,
                format!("did you mean `{}`?", meant.value),
            ),
            (None, []) => finding.and(self.job.place(), "the job").help("remove it: the job has no `params`"),
            (None, _) => finding.and(self.job.place(), "the job").help(format!("it has {}", listed(&known))),
        }
    }

    fn misfit(&self, name: &Spanned<String>, param: &Spanned<Param>, value: &Spanned<Texts>) -> Option<Finding> {
        let declared = param.declared()?;
        let (span, words) = does_not_fit(&declared, value)?;
        let message = format!("parameter `{}` of job `{}`: {words}", name.value, self.job.name);
        let declaration = param.values.as_ref().map_or(param.kind.span, |values| values.span);
        let finding = Finding::at(Code::BadJobParam, span, message, "").and(declaration, "declared here");
        Some(finding.help(format!("write a value such as `{}`", declared.example())))
    }
}

/// `a`, `b` and `c`.
fn listed(names: &[&str]) -> String {
    names.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ")
}

fn unknown(name: &str, place: Span, jobs: &[Job]) -> Finding {
    let known: Vec<&str> = jobs.iter().map(|job| job.name.as_str()).collect();
    let finding = Finding::at(Code::UnknownJob, place, format!("there is no job `{name}`"), "");
    match jobs.iter().find(|job| suggest::near(name, known.iter().copied()) == Some(job.name.as_str())) {
        Some(near) => finding.and(near.place(), "a job with a similar name").fix(
            place,
            near.name.as_str(),
            format!("did you mean `{}`?", near.name),
        ),
        None if known.is_empty() => finding.help(format!("write it as `jobs/{name}.yaml`")),
        None => finding.help(format!("there are {}; or write `jobs/{name}.yaml`", listed(&known))),
    }
}

fn two_kinds(kind: &str, at: Span, job: Span) -> Finding {
    Finding::at(Code::OneKind, at, format!("the step uses a job and is of kind `{kind}` as well"), "second")
        .and(job, "first: the job, which says what the step does")
        .help("keep one of them")
}

fn without_job(params: &Entry, step: &Node) -> Finding {
    let message = "`params` belong to a `job`, and this step uses none";
    let finding = Finding::at(Code::ParamsWithoutJob, params.key.span, message, "");
    let has = |key: &str| step.entry(key).is_some();
    if has("pipeline") {
        return finding.help("the params of another pipeline are written inside `pipeline`");
    }
    finding.help("add `job: <name>`, or remove them; the params of a pipeline are declared at its top")
}

/// What the plan holds for a parameter with this value.
fn plan(param: &Param, value: Option<&Spanned<Texts>>) -> ParamPlan {
    let values = param.values.iter().flat_map(|values| &values.value).map(|value| value.value.0.clone());
    ParamPlan {
        r#type: param.kind.value.clone(),
        items: param.items.as_ref().map(|items| items.value.clone()),
        values: values.collect(),
        default: value.map(|value| value.value.to_json()),
        required: value.is_none().then(|| "false".to_owned()),
    }
}

/// A value as text, or as a list of texts; what is neither is reported as such.
fn texts(node: &Node) -> Option<Spanned<Texts>> {
    let texts = match &node.value {
        Value::Scalar(scalar) => Texts::One(scalar.text.clone()),
        Value::List(items) => {
            let one = |item: &Node| item.as_str().map(|text| Spanned::new(text.to_owned(), item.span));
            Texts::Many(items.iter().map(one).collect::<Option<_>>()?)
        }
        Value::Map(_) => return None,
    };
    Some(Spanned::new(texts, node.span))
}

/// The text of a value that is known when the step starts. It takes the parameter's place in the job, so nothing else that
/// is rendered may stand beside it.
fn late_text(value: &Spanned<Texts>) -> Option<Result<String, Box<Finding>>> {
    let all: Vec<&str> = value.value.iter().collect();
    if all.iter().all(|text| late::of(text).is_empty()) {
        return None;
    }
    let refused = |why: &str| {
        let finding = Finding::at(Code::LateInJob, value.span, "this value cannot be given to a job", "");
        Some(Err(Box::new(finding.why(why.to_owned()).help("give the parts as parameters of their own"))))
    };
    let (Texts::One(text), [_]) = (&value.value, all.as_slice()) else {
        return refused("what an earlier step has put out is no item of a list that a job knows when the run starts");
    };
    if late::pieces(text).iter().any(|piece| matches!(piece, Piece::Early(early) if early.contains("{{"))) {
        return refused("one part of it is known when the run starts, another when the step does");
    }
    Some(Ok(text.clone()))
}

/// Puts late values where the job's texts name their parameters.
fn put(node: &mut Node, late: &[Late], findings: &mut Findings) {
    match &mut node.value {
        Value::List(items) => items.iter_mut().for_each(|item| put(item, late, findings)),
        Value::Map(entries) => entries.iter_mut().for_each(|entry| put(&mut entry.value, late, findings)),
        Value::Scalar(scalar) => {
            for (name, value, given) in late {
                scalar.text = replaced(&scalar.text, name, value);
                if reads(&scalar.text, name) {
                    let message = format!("`params.{name}` is more than a plain name here");
                    findings.push(
                        Finding::at(Code::LateInJob, *given, message, "known when the step starts")
                            .and(node.span, "the job reads it here")
                            .why("Step Functions reads the value, and knows no filters and operators of ours")
                            .help("give a value that is known when the run starts, or change the job"),
                    );
                }
            }
        }
    }
}

/// The text with the value in place of `{{ params.name }}`.
fn replaced(text: &str, name: &str, value: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, inside)) = rest.split_once("{{") {
        let Some((expression, after)) = inside.split_once("}}") else { break };
        out.push_str(before);
        match expression.trim().strip_prefix("params.") {
            Some(found) if found == name => out.push_str(value),
            _ => out.extend(["{{", expression, "}}"]),
        }
        rest = after;
    }
    out + rest
}

fn reads(text: &str, name: &str) -> bool {
    crate::language::rules::params::reads(text, name)
}

#[cfg(test)]
mod tests {
    use super::replaced;

    #[test]
    fn a_late_value_stands_for_its_name_alone() {
        let put = |text| replaced(text, "rows", "{{ steps.a.output.rows }}");
        assert_eq!(put("--rows={{ params.rows }}!"), "--rows={{ steps.a.output.rows }}!");
        assert_eq!(put("{{ params.rows + 1 }} {{ params.row }}"), "{{ params.rows + 1 }} {{ params.row }}");
        assert_eq!(put("{{ open"), "{{ open");
    }
}
