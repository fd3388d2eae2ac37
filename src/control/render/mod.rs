//! Templates: the `{{ }}` of steps, checked when a pipeline is compiled and rendered when a run starts.
//!
//! In come a step's arguments as the plan holds them and who the run is; out come the arguments as strings. Only
//! expressions exist, in minijinja's language; an undefined name is an error, nothing is escaped, the result is always
//! text, and work and memory are bounded. It refuses to know what an argument is for.

mod check;
mod dates;
mod filters;
pub mod late;
mod parts;

use std::fmt;

use minijinja::value::{Serde, ValueKind};
use minijinja::{Environment, ErrorKind, UndefinedBehavior};
use serde::Serialize;
use serde_json::{Map, Value};

use jiff::tz::TimeZone;

use super::params;
use super::partition::Partition;
use super::run::RunIdentity;
use parts::Part;

pub use check::{Names, TemplateFault, TemplateProblem, check};

/// The longest argument, in bytes: what EMR takes in one string of a step.
pub const MAX_ARGUMENT: usize = 10_240;
/// The most that one step's arguments may come to as JSON, in bytes.
const MAX_STEP: usize = 200 * 1024;
/// Work and memory for one expression: about 20,000 instructions, or 1.3 MB.
const FUEL: u64 = 20_000;
const MAX_DEPTH: usize = 64;

/// What templates may name.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Context {
    run: RunContext,
    params: Map<String, Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    event: Option<Value>,
    /// From where filters see instants.
    #[serde(skip)]
    zone: TimeZone,
}

/// `run.…`.
#[derive(Clone, Debug, PartialEq, Serialize)]
struct RunContext {
    id: String,
    pipeline: String,
    partition: String,
    number: u32,
    space: String,
    source: super::run::Source,
    #[serde(skip_serializing_if = "Option::is_none")]
    start: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    end: Option<String>,
}

impl Context {
    /// The names of one run, its calendar that of `zone`. `params` are typed already.
    pub fn new(run: &RunIdentity, partition: &Partition, zone: &TimeZone, params: Map<String, Value>) -> Self {
        let (start, end) = partition.bounds.map(|(start, end)| (start.to_string(), end.to_string())).unzip();
        let run = RunContext {
            id: run.id.clone(),
            pipeline: run.pipeline.clone(),
            partition: run.partition.clone(),
            number: run.number,
            space: run.space.clone(),
            source: run.source,
            start,
            end,
        };
        Self { run, params, event: None, zone: zone.clone() }
    }

    /// With the event that started the run.
    #[must_use]
    pub fn with_event(mut self, event: Option<Value>) -> Self {
        self.event = event;
        self
    }

    /// With other parameters: those of a job.
    #[must_use]
    pub fn with_params(&self, params: Map<String, Value>) -> Self {
        Self { params, ..self.clone() }
    }
}

/// Why the arguments of a run cannot be made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RenderError {
    /// The step.
    pub step: String,
    /// Where in its arguments: `args[3]`.
    pub place: String,
    /// What is wrong.
    pub message: String,
}

impl fmt::Display for RenderError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let RenderError { step, place, message } = self;
        write!(f, "step `{step}`, `{place}`: {message}")
    }
}

impl std::error::Error for RenderError {}

/// Renders every string in the arguments of every step; all else stays as it is.
///
/// # Errors
/// The first string that cannot be rendered, or the first step whose arguments are too large.
pub fn render_args(steps: &Map<String, Value>, context: &Context) -> Result<Map<String, Value>, RenderError> {
    let engine = engine(&context.zone);
    let values = minijinja::Value::from(Serde(context));
    let mut rendered = Map::new();
    for (step, arguments) in steps {
        let error = |(place, message)| RenderError { step: step.clone(), place, message };
        let own = job(arguments, context).map_err(|message| error((PARAMS.to_owned(), message)))?;
        let own = own.map_or_else(|| values.clone(), |own| minijinja::Value::from(Serde(own)));
        let arguments = render_step(&engine, (&own, &values), arguments).map_err(error)?;
        let size = arguments.to_string().len();
        if size > MAX_STEP {
            let message = format!("its arguments are {size} bytes, at most {MAX_STEP} are possible");
            return Err(error(("args".to_owned(), message)));
        }
        rendered.insert(step.clone(), arguments);
    }
    Ok(rendered)
}

/// The only key of a mapping in a plan that stands for the value of its template, whatever its type: no user's key may hold
/// `{{`.
pub const TYPED: &str = "{{ }}";

/// In what the plan holds for a step made from a job: the job's parameters, the only ones that its texts know.
const PARAMS: &str = "jobParams";
/// In what the plan holds for a step: whether it runs at all.
const WHEN: &str = "when";

/// The same as its job says it, in terms of the job's parameters; the step's own knows the pipeline's.
const JOB_WHEN: &str = "jobWhen";

/// The scope of a step that was made from a job; `None` for one that was not.
fn job(step: &Value, context: &Context) -> Result<Option<Context>, String> {
    let Some(declared) = step.get(PARAMS).and_then(Value::as_object) else { return Ok(None) };
    let render = |value: &Value| value_of(value, context);
    let params = params::defaults(&context.run.pipeline, declared, Map::new(), render);
    params.map(|params| Some(context.with_params(params))).map_err(|misfit| misfit.message)
}

/// Of the two scopes the first is that of the step's job, if it has one, and the second the pipeline's.
fn render_step(
    engine: &Environment<'_>,
    (context, pipeline): (&minijinja::Value, &minijinja::Value),
    step: &Value,
) -> Placed<Value> {
    let Value::Object(entries) = step else { return render_value(engine, context, step, "") };
    let decide = |scope: &minijinja::Value, template: &str| {
        yes_or_no(engine, scope, template).map(Value::Bool).map_err(|message| (WHEN.to_owned(), message))
    };
    let mut rendered = Map::new();
    for (key, value) in entries.iter().filter(|(key, _)| *key != PARAMS) {
        let (key, made) = match (key.as_str(), value) {
            (WHEN, Value::String(template)) => (WHEN, decide(pipeline, template)?),
            (JOB_WHEN, Value::String(template)) => (WHEN, decide(context, template)?),
            (key, value) => (key, render_value(engine, context, value, key)?),
        };
        rendered.insert(key.to_owned(), made);
    }
    Ok(Value::Object(rendered))
}

/// The answer of a `when`: one expression that is true or false.
///
/// # Errors
/// Anything else, in words.
pub fn condition(template: &str, context: &Context) -> Result<bool, String> {
    yes_or_no(&engine(&context.zone), &minijinja::Value::from(Serde(context)), template)
}

fn yes_or_no(engine: &Environment<'_>, context: &minijinja::Value, template: &str) -> Result<bool, String> {
    let expression = only_expression(template)
        .ok_or_else(|| format!("`{template}` is not one `{{{{ }}}}`, and nothing else, that is true or false"))?;
    let value = result_of(engine, context, expression)?;
    match value.kind() {
        ValueKind::Bool => Ok(value.is_true()),
        ValueKind::Undefined | ValueKind::None => Err(format!("`{{{{ {expression} }}}}` has no value")),
        _ => Err(format!("`{{{{ {expression} }}}}` is `{value}`, neither true nor false")),
    }
}

/// What a value stands for: one that is nothing but `{{ }}` keeps its type, every other text stays one.
///
/// # Errors
/// What cannot be rendered, in words.
pub fn value_of(value: &Value, context: &Context) -> Result<Value, String> {
    let engine = engine(&context.zone);
    let names = minijinja::Value::from(Serde(context));
    let one = |value: &Value| match value {
        Value::String(template) => match only_expression(template) {
            Some(expression) => {
                let result = result_of(&engine, &names, expression)?;
                if result.is_undefined() || result.is_none() {
                    return Err(format!("`{{{{ {expression} }}}}` has no value"));
                }
                serde_json::to_value(&result).map_err(|error| format!("`{{{{ {expression} }}}}`: {error}"))
            }
            None => render(&engine, &names, template).map(Value::String),
        },
        other => Ok(other.clone()),
    };
    match value {
        Value::Array(items) => items.iter().map(one).collect(),
        other => one(other),
    }
}

/// A template with everything rendered but what is only known when the step starts, which stays as it was written.
///
/// # Errors
/// What cannot be rendered, in words.
pub fn but_late(template: &str, context: &Context) -> Result<String, String> {
    let engine = engine(&context.zone);
    let names = minijinja::Value::from(Serde(context));
    let mut text = String::new();
    for part in parts::parts(template).map_err(|_| format!("`{template}` has a `{{{{` without `}}}}`"))? {
        match part {
            Part::Text(range) => text.push_str(template.get(range).unwrap_or_default()),
            Part::Expression(range) => {
                let expression = template.get(range).unwrap_or_default().trim();
                match late::Late::parse(expression) {
                    Some(_) => text.push_str(&format!("{{{{ {expression} }}}}")),
                    None => text.push_str(&evaluate(&engine, &names, expression)?),
                }
            }
        }
    }
    Ok(text)
}

/// A template that knows nothing but an event, as text.
///
/// # Errors
/// What cannot be rendered, in words.
pub fn of_event(template: &str, event: &Value, zone: &TimeZone) -> Result<String, String> {
    let names = minijinja::Value::from(Serde(serde_json::json!({ "event": event })));
    render(&engine(zone), &names, template)
}

/// What stands in a template that is one `{{ }}` and nothing else.
pub fn only_expression(template: &str) -> Option<&str> {
    match parts::parts(template.trim()).ok()?.as_slice() {
        [Part::Expression(range)] => template.trim().get(range.clone()).map(str::trim),
        _ => None,
    }
}

type Placed<T> = Result<T, (String, String)>;

fn render_value(engine: &Environment<'_>, context: &minijinja::Value, value: &Value, place: &str) -> Placed<Value> {
    Ok(match value {
        Value::String(template) => {
            Value::String(render(engine, context, template).map_err(|message| (place.to_owned(), message))?)
        }
        Value::Array(items) => {
            let item = |(index, item)| render_value(engine, context, item, &format!("{place}[{index}]"));
            Value::Array(items.iter().enumerate().map(item).collect::<Placed<_>>()?)
        }
        Value::Object(entries) if entries.len() == 1 && entries.contains_key(TYPED) => {
            let template = entries.get(TYPED).and_then(Value::as_str).unwrap_or_default();
            typed(engine, context, template).map_err(|message| (place.to_owned(), message))?
        }
        Value::Object(entries) => {
            let dot = if place.is_empty() { "" } else { "." };
            let entry = |(key, value): (&String, &Value)| {
                Ok((key.clone(), render_value(engine, context, value, &format!("{place}{dot}{key}"))?))
            };
            Value::Object(entries.iter().map(entry).collect::<Placed<_>>()?)
        }
        Value::Null | Value::Bool(_) | Value::Number(_) => value.clone(),
    })
}

/// What a template that is one `{{ }}` stands for. A parameter without a value is null.
fn typed(engine: &Environment<'_>, context: &minijinja::Value, template: &str) -> Result<Value, String> {
    let Some(expression) = only_expression(template) else {
        return render(engine, context, template).map(Value::String);
    };
    let result = result_of(engine, context, expression)?;
    if result.is_undefined() {
        return Err(format!("`{{{{ {expression} }}}}` has no value"));
    }
    serde_json::to_value(&result).map_err(|error| format!("`{{{{ {expression} }}}}`: {error}"))
}

fn render(engine: &Environment<'_>, context: &minijinja::Value, template: &str) -> Result<String, String> {
    let mut text = String::new();
    for part in parts::parts(template).map_err(|_| format!("`{template}` has a `{{{{` without `}}}}`"))? {
        match part {
            Part::Text(range) => text.push_str(template.get(range).unwrap_or_default()),
            Part::Expression(range) => {
                let expression = template.get(range).unwrap_or_default().trim();
                text.push_str(&evaluate(engine, context, expression)?);
            }
        }
        if text.len() > MAX_ARGUMENT {
            return Err(format!("it is longer than {MAX_ARGUMENT} bytes"));
        }
    }
    Ok(text)
}

fn result_of(
    engine: &Environment<'_>,
    context: &minijinja::Value,
    expression: &str,
) -> Result<minijinja::Value, String> {
    let failed = |error: minijinja::Error| format!("`{{{{ {expression} }}}}`: {}", in_words(&error));
    engine.compile_expression(expression).and_then(|compiled| compiled.eval(context.clone())).map_err(failed)
}

fn evaluate(engine: &Environment<'_>, context: &minijinja::Value, expression: &str) -> Result<String, String> {
    let value = result_of(engine, context, expression)?;
    match value.kind() {
        // As YAML and JSON spell it; Jinja would say `True`.
        ValueKind::Bool => Ok(value.is_true().to_string()),
        ValueKind::String | ValueKind::Number | ValueKind::Plain => Ok(value.to_string()),
        ValueKind::Undefined | ValueKind::None => Err(format!("`{{{{ {expression} }}}}` has no value")),
        kind => Err(format!("`{{{{ {expression} }}}}` is a {kind}, not a text; write `| join(',')` or `| tojson`")),
    }
}

fn in_words(error: &minijinja::Error) -> String {
    match error.kind() {
        ErrorKind::OutOfFuel => "it is too much work or too much text".to_owned(),
        _ => error.detail().map_or_else(|| error.kind().to_string(), str::to_owned),
    }
}

fn engine(zone: &TimeZone) -> Environment<'static> {
    let mut engine = Environment::new();
    engine.set_undefined_behavior(UndefinedBehavior::Strict);
    engine.set_fuel(Some(FUEL));
    engine.set_recursion_limit(MAX_DEPTH);
    // Functions make sense in loops and statements, which do not exist.
    for function in ["range", "dict", "debug", "namespace"] {
        engine.remove_global(function);
    }
    dates::add(&mut engine, zone);
    engine
}

#[cfg(test)]
mod tests;
