//! What can be said of a template before any run: syntax, names and filters, each at its bytes.

use std::ops::Range;
use std::sync::LazyLock;

use jiff::tz::TimeZone;
use minijinja::Environment;
use serde_json::{Value, json};

use super::dates::{self, Signature};
use super::filters::{filters, tests};
use super::late::Late;
use super::parts::{Kind, Part, Word, parts, words};
use super::{engine, in_words};
use crate::control::partition::Granularity;
use crate::source::{Code, Problem, suggest};

/// Made once: it holds dozens of filters, and a project has thousands of templates.
static ENGINE: LazyLock<Environment<'static>> = LazyLock::new(|| engine(&TimeZone::UTC));

/// The names that a pipeline's templates may use.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Names {
    params: Vec<String>,
    by: Granularity,
    run: bool,
    events: bool,
}

impl Names {
    /// `run.…` for a granularity, and `params.…`.
    pub fn new<'a>(by: Granularity, params: impl IntoIterator<Item = &'a str>) -> Self {
        Self { params: params.into_iter().map(str::to_owned).collect(), by, run: true, events: false }
    }

    /// With `event.…`, if events start the pipeline.
    #[must_use]
    pub fn with_events(mut self, events: bool) -> Self {
        self.events = events;
        self
    }

    /// `event.…` alone, for what must be known before there is a run.
    #[must_use]
    pub fn only_event(&self) -> Self {
        Self { params: Vec::new(), by: self.by, run: false, events: true }
    }

    /// Without `params.…`, for what they are made of.
    #[must_use]
    pub fn without_params(&self) -> Self {
        Self { params: Vec::new(), ..self.clone() }
    }

    fn run(&self) -> &'static [&'static str] {
        match self.by {
            _ if !self.run => &[],
            Granularity::None => &["id", "pipeline", "partition", "number", "space", "source"],
            _ => &["id", "pipeline", "partition", "number", "space", "source", "start", "end"],
        }
    }

    /// What a run knows by these names.
    fn sample(&self) -> Value {
        let mut run = json!({
            "id": "1.1", "pipeline": "pipeline", "partition": self.by.example(), "number": 1, "space": "prod",
            "source": "schedule",
        });
        if let (Some(run), true) = (run.as_object_mut(), self.by != Granularity::None) {
            run.insert("start".into(), "2026-11-21T03:00:00Z".into());
            run.insert("end".into(), "2026-11-21T04:00:00Z".into());
        }
        json!({ "run": run })
    }

    fn all(&self) -> Vec<String> {
        let run = self.run().iter().map(|name| format!("run.{name}"));
        let event = self.events.then(|| "event.detail".to_owned());
        run.chain(self.params.iter().map(|name| format!("params.{name}"))).chain(event).collect()
    }
}

/// What kind of mistake it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TemplateFault {
    /// `{%` or `{#`.
    Statement,
    /// `{{` without `}}`, or something between them that is no expression.
    Syntax,
    /// A name that nothing has.
    UnknownName,
    /// A filter or test that does not exist.
    UnknownFilter,
    /// A filter or test on dates that what it is given does not fit.
    Unfit,
    /// Something that is read when a step starts, with more to it than a path.
    LatePath,
}

/// A mistake in a template.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TemplateProblem {
    /// Its kind.
    pub kind: TemplateFault,
    /// What to say, and where.
    pub problem: Problem,
}

/// Everything that is wrong with a template, whatever a run will be.
pub fn check(template: &str, known: &Names) -> Vec<TemplateProblem> {
    let statements: Vec<TemplateProblem> = statements(template).collect();
    if !statements.is_empty() {
        return statements;
    }
    let parts = match parts(template) {
        Ok(parts) => parts,
        Err(open) => {
            let problem = Problem::new(open, "`{{` is not closed")
                .help("write `}}` after the expression; for two braces as they are, write `{{ '{{' }}`");
            return vec![TemplateProblem { kind: TemplateFault::Syntax, problem }];
        }
    };
    let expressions = parts.into_iter().filter_map(|part| match part {
        Part::Expression(range) => Some(range),
        Part::Text(_) => None,
    });
    expressions.flat_map(|range| Expression::new(template, range).problems(known)).collect()
}

fn statements(template: &str) -> impl Iterator<Item = TemplateProblem> + '_ {
    let at = |(start, opening): (usize, &str)| {
        let problem = Problem::new(start..start + opening.len(), format!("`{opening}` is not possible in a template"));
        let problem = match opening {
            "{%" => problem
                .why("there are no statements: Step Functions would read `{% %}` as code of its own")
                .help("write an expression, such as `{{ 'a' if params.full else 'b' }}`, or decide in the step"),
            _ => problem
                .why("there are no comments: what follows would vanish")
                .help("move it into the step's script, or write a comment of YAML: `# …`"),
        };
        TemplateProblem { kind: TemplateFault::Statement, problem }
    };
    let mut found: Vec<(usize, &str)> = template.match_indices("{%").chain(template.match_indices("{#")).collect();
    found.sort_unstable();
    found.into_iter().map(at)
}

/// One expression and where it stands.
struct Expression<'a> {
    text: &'a str,
    start: usize,
    words: Vec<Word>,
}

impl<'a> Expression<'a> {
    fn new(template: &'a str, range: Range<usize>) -> Self {
        let text = template.get(range.clone()).unwrap_or_default();
        Self { text, start: range.start, words: words(text).collect() }
    }

    fn problems(&self, known: &Names) -> Vec<TemplateProblem> {
        if self.words.is_empty() {
            let around = self.start.saturating_sub(2)..self.start + self.text.len() + 2;
            let problem = Problem::new(around, "`{{ }}` is empty").help("write a name, such as `{{ run.partition }}`");
            return vec![TemplateProblem { kind: TemplateFault::Syntax, problem }];
        }
        if let Some(Ok(_)) = Late::parse(self.text) {
            return Vec::new();
        }
        if let Err(error) = ENGINE.compile_expression(self.text) {
            // The engine counts on after a letter that it does not know, and may stop inside one.
            let inside =
                error.range().filter(|range| self.text.get(range.clone()).is_some_and(|text| !text.is_empty()));
            let range = self.shift(inside.unwrap_or_else(|| self.all()));
            let problem = Problem::new(range, format!("this is not an expression: {}", in_words(&error)));
            return vec![TemplateProblem { kind: TemplateFault::Syntax, problem }];
        }
        let found: Vec<_> = (0..self.words.len()).filter_map(|place| self.problem_at(place, known)).collect();
        if found.is_empty() { self.trial(known).into_iter().collect() } else { found }
    }

    /// Evaluates it for a run as there will be many, and reports a date filter that does not fit what it is put on. What
    /// depends on texts that only a run has is not tried.
    fn trial(&self, known: &Names) -> Option<TemplateProblem> {
        let is_sure = |word: &Word| word.text(self.text) != "event";
        let is_sure = |word: &Word| is_sure(word) && word.text(self.text) != "params";
        if !self.words.iter().filter(|word| word.kind == Kind::Name).all(is_sure) {
            return None;
        }
        let sample = minijinja::Value::from(minijinja::value::Serde(known.sample()));
        let error = ENGINE.compile_expression(self.text).ok()?.eval(sample).err()?;
        dates::is_unfit(&error).then(|| TemplateProblem {
            kind: TemplateFault::Unfit,
            problem: Problem::new(self.shift(self.all()), in_words(&error)),
        })
    }

    /// What is wrong with the arguments of a date filter or test at a word, as far as they are written out.
    fn arguments(&self, place: usize, signature: Option<Signature>, is_test: bool) -> Option<TemplateProblem> {
        let Signature { takes, least, names } = signature?;
        let name = self.word(place);
        // `'%04d' | format(…)` is about no date.
        if name == "format" && self.words.get(place.checked_sub(2)?).is_none_or(|word| word.kind == Kind::Text) {
            return None;
        }
        let unfit = |range: Range<usize>, message: String| {
            Some(TemplateProblem { kind: TemplateFault::Unfit, problem: Problem::new(self.shift(range), message) })
        };
        let whole = self.words.get(place)?.range.clone();
        let arguments = self.split_arguments(place + 1);
        let mut count = 0;
        for argument in &arguments {
            let (first, last) = (argument.first()?, argument.last()?);
            let range = first.range.start..last.range.end;
            if argument.get(1).is_some_and(|word| word.text(self.text) == "=") {
                let key = first.text(self.text);
                if !names.contains(&key) {
                    let known = if names.is_empty() { String::new() } else { format!("; it has {}", names.join(", ")) };
                    return unfit(first.range.clone(), format!("`{name}` has no argument `{key}`{known}"));
                }
                count += 1;
                continue;
            }
            let Some(takes) = takes.get(count) else {
                return unfit(range, format!("`{name}` takes {} arguments, not {}", takes.len(), arguments.len()));
            };
            count += 1;
            let text = first.text(self.text);
            if argument.len() == 1
                && first.kind == Kind::Text
                && !text.contains('\\')
                && let Err(message) = takes.check(text.trim_matches(['"', '\'']))
            {
                return unfit(range, message);
            }
        }
        let bare = arguments.is_empty() && (!is_test || self.word(place + 1) == "(");
        let needs_one = least > count || (name == "add" && count == 0);
        (bare && needs_one).then(|| {
            let example = takes.first().map_or("", |takes| takes.example());
            let problem = Problem::new(self.shift(whole), format!("`{name}` needs an argument"));
            TemplateProblem { kind: TemplateFault::Unfit, problem: problem.help(format!("write `{name}({example})`")) }
        })
    }

    /// The words of each argument in the brackets that open at a place.
    fn split_arguments(&self, open: usize) -> Vec<&[Word]> {
        let mut arguments = Vec::new();
        if self.word(open) != "(" {
            return arguments;
        }
        let (mut depth, mut from) = (0_usize, open + 1);
        for at in open..self.words.len() {
            let ends = match self.word(at) {
                "(" | "[" | "{" => {
                    depth += 1;
                    false
                }
                ")" | "]" | "}" => {
                    depth = depth.saturating_sub(1);
                    depth == 0
                }
                "," => depth == 1,
                _ => false,
            };
            if ends {
                arguments.extend(self.words.get(from..at).filter(|words| !words.is_empty()));
                from = at + 1;
            }
            if depth == 0 {
                break;
            }
        }
        arguments
    }

    /// The expression without the blanks around it.
    fn all(&self) -> Range<usize> {
        let start = self.words.first().map_or(0, |word| word.range.start);
        start..self.words.last().map_or(start, |word| word.range.end)
    }

    fn shift(&self, range: Range<usize>) -> Range<usize> {
        range.start + self.start..range.end + self.start
    }

    fn word(&self, place: usize) -> &'a str {
        self.words.get(place).map(|word| word.text(self.text)).unwrap_or_default()
    }

    fn word_before(&self, place: usize) -> &'a str {
        place.checked_sub(1).map(|before| self.word(before)).unwrap_or_default()
    }

    fn problem_at(&self, place: usize, known: &Names) -> Option<TemplateProblem> {
        let word = self.words.get(place).filter(|word| word.kind == Kind::Name)?;
        let name = word.text(self.text);
        let at = |kind, problem: Problem| Some(TemplateProblem { kind, problem });
        let before = match self.word_before(place) {
            "not" if place >= 2 && self.word_before(place - 1) == "is" => "is",
            before => before,
        };
        match before {
            "." => None,
            "|" if has(filters(), name) => self.arguments(place, dates::filter(name), false),
            "|" => at(TemplateFault::UnknownFilter, self.unknown(word, "filter", filters())),
            "is" if name == "not" => None,
            "is" if has(tests(), name) => self.arguments(place, dates::test(name), true),
            "is" => at(TemplateFault::UnknownFilter, self.unknown(word, "test", tests())),
            _ if KEYWORDS.contains(&name) || self.is_argument_name(place) => None,
            _ => self.path(place, known),
        }
    }

    /// `boolean` in `default('x', boolean=true)`.
    fn is_argument_name(&self, place: usize) -> bool {
        self.word(place + 1) == "=" && self.word(place + 2) != "="
    }

    fn unknown(&self, word: &Word, kind: &str, known: &[String]) -> Problem {
        let name = word.text(self.text);
        let problem = Problem::new(self.shift(word.range.clone()), format!("there is no {kind} `{name}`"));
        match suggest::near(name, known.iter().map(String::as_str)) {
            Some(near) => problem.help(format!("did you mean `{near}`?")),
            None => problem.help(format!("`dpc explain {}` lists the {kind}s", Code::BadTemplate.id())),
        }
    }

    /// A path such as `run.partition` that begins at a word.
    fn path(&self, place: usize, known: &Names) -> Option<TemplateProblem> {
        let (segments, end) = self.segments(place);
        let start = self.words.get(place)?.range.start;
        let range = self.shift(start..end);
        let unknown = |problem: Problem| Some(TemplateProblem { kind: TemplateFault::UnknownName, problem });
        let path = segments.join(".");
        let missing = |help: String| unknown(Problem::new(range.clone(), format!("there is no `{path}`")).help(help));
        match segments.as_slice() {
            [root @ ("steps" | "item" | "map"), ..] => Some(TemplateProblem {
                kind: TemplateFault::LatePath,
                problem: Problem::new(range, format!("`{root}.…` is more than a plain path here"))
                    .why("it is read when the step starts, by Step Functions, which knows no filters and operators of ours")
                    .help(match *root {
                        "steps" => "write a path between the braces, such as `{{ steps.extract.output.rows }}`, and do the rest in the step",
                        "map" => "there are `{{ map.index }}` and `{{ map.count }}`",
                        _ => "write a path between the braces, such as `{{ item.key }}`, and do the rest in the step",
                    }),
            }),
            [root @ ("vars" | "env"), ..] => {
                let problem = Problem::new(range, format!("there is no `{path}` when a run starts"));
                unknown(
                    problem.why(format!("`{root}` is replaced when dpc compiles")).help(format!("write `${{{path}}}`")),
                )
            }
            ["event", ..] if known.events => None,
            ["event", ..] => missing("only a pipeline with `triggers.events` has one".to_owned()),
            ["run", ..] if !known.run => {
                missing("there is no run yet: the partition of an event is made from `event` alone".to_owned())
            }
            ["run", "start" | "end"] if known.by == Granularity::None => {
                missing("a pipeline without partitions has no start and end".to_owned())
            }
            ["run", name, rest @ ..] if known.run().contains(name) => no_inside(range, "run", name, rest),
            ["params", name, rest @ ..] if known.params.iter().any(|param| param == name) => {
                no_inside(range, "params", name, rest)
            }
            ["params", name, ..] => {
                let params = known.params.iter().map(String::as_str);
                missing(match suggest::near(name, params) {
                    _ if !known.run => "the partition of an event is made from `event` alone".to_owned(),
                    Some(near) => format!("did you mean `params.{near}`?"),
                    None => format!("declare `{name}` under `params:`"),
                })
            }
            _ => missing(self.near(&path, known)),
        }
    }

    /// The names of a path, `run.x` or `run["x"]`, and where it ends.
    fn segments(&self, place: usize) -> (Vec<&'a str>, usize) {
        let mut segments = vec![self.word(place)];
        let mut next = place + 1;
        loop {
            let is = |at: usize, kind: Kind| self.words.get(at).is_some_and(|word| word.kind == kind);
            match self.word(next) {
                "." if is(next + 1, Kind::Name) => {
                    segments.push(self.word(next + 1));
                    next += 2;
                }
                "[" if is(next + 1, Kind::Text) && self.word(next + 2) == "]" => {
                    segments.push(self.word(next + 1).trim_matches(['"', '\'']));
                    next += 3;
                }
                _ => break,
            }
        }
        (segments, self.words.get(next - 1).map_or(0, |word| word.range.end))
    }

    fn near(&self, path: &str, known: &Names) -> String {
        let all = known.all();
        let last = |name: &'_ str| name.rsplit('.').next().unwrap_or_default().to_owned();
        let same_end = all.iter().find(|name| last(name) == last(path));
        let near = same_end.map(String::as_str).or_else(|| suggest::near(path, all.iter().map(String::as_str)));
        match (near, path) {
            (Some(near), _) => format!("did you mean `{near}`?"),
            (None, "date" | "ds" | "day" | "logical_date" | "execution_date") => {
                "did you mean `run.partition`?".to_owned()
            }
            (None, _) => format!("there are {}", all.join(", ")),
        }
    }
}

fn has(list: &[String], name: &str) -> bool {
    list.iter().any(|known| known == name)
}

const KEYWORDS: &[&str] =
    &["and", "or", "not", "in", "is", "if", "else", "true", "false", "none", "True", "False", "None"];

/// `run.partition.upper()`: values have no members.
fn no_inside(range: Range<usize>, root: &str, name: &str, rest: &[&str]) -> Option<TemplateProblem> {
    let inner = rest.first()?;
    let problem = Problem::new(range, format!("`{root}.{name}` is a value and has no `{inner}`"));
    let problem = match filters().iter().find(|filter| filter == inner) {
        Some(filter) => problem.help(format!("write `{root}.{name} | {filter}`")),
        None => problem.help(format!("write `{root}.{name}`, with filters after `|` if need be")),
    };
    Some(TemplateProblem { kind: TemplateFault::UnknownName, problem })
}
