//! Where a step's kind makes what the state machine and the plan need of it.
//!
//! In come texts as users wrote them; out come the arguments of a state, and the templates that the account function
//! renders for it when a run starts. No text of a user's becomes part of an expression: what is a template travels in the
//! run's input, what is none stands as a literal.

use serde_json::{Map, Value, json};

use super::{Argument, Tree};
use crate::compute::ecs::Secret;
use crate::compute::{Compute, Host};
use crate::control::render;
use crate::control::render::late::{self, Late, Piece, Root, Segment};
use crate::control::{digest, names};
use crate::documents::policy::Statement;
use crate::documents::states::{self, code, quoted};
use crate::documents::template::{Resource, sub};

/// What a step is made for, and what its kind has made so far.
#[derive(Clone, Debug)]
pub struct Bench<'a> {
    /// The pipeline's name.
    pub pipeline: &'a str,
    /// The step's name.
    pub step: &'a str,
    /// SHA-256 of the pipeline's archive.
    pub archive: &'a str,
    /// The compute profile that it runs on, if its kind runs on one.
    pub profile: Option<(&'a str, &'a Compute)>,
    /// The user's tags.
    pub tags: &'a [(String, String)],
    /// Whether it may be tried again.
    pub retried: bool,
    /// Whether another step reads its output.
    pub wants_output: bool,
    /// The steps beside it, when it stands inside a map; what any other step has put out is in the variable `results`.
    pub siblings: Option<&'a [&'a str]>,
    /// Whether what is being made stands in a branch that has all of these in the variable `given`.
    pub enclosed: bool,
    /// The folder of the archive that its work runs in; the archive's own if there is none.
    pub folder: Option<&'a str>,
    /// What the plan holds for the step: every string is a template.
    pub plan: Vec<(String, Tree)>,
    /// What the state machine must be allowed for it, beyond what its integrations need.
    pub statements: Vec<Statement>,
    /// Resources of its own, by logical id.
    pub resources: Vec<(String, Resource)>,
    /// The files of the pipeline's folder: path and bytes.
    pub files: &'a [(&'a str, &'a [u8])],
    /// Files that must lie in the account's bucket under a key: (key, bytes).
    pub uploads: Vec<(String, Vec<u8>)>,
    /// The services under which its work runs, which so assume the pipeline's compute role.
    pub hosts: Vec<Host>,
    /// Secrets that ECS puts into the environment of its container.
    pub secrets: Vec<Secret>,
}

impl Bench<'_> {
    /// Makes a file of the folder an object of its own, and returns its key; `None` if there is none, which a rule reports.
    pub fn object(&mut self, path: &str) -> Option<String> {
        let path = self.inside(path.strip_prefix("./").unwrap_or(path));
        let (_, bytes) = self.files.iter().find(|(file, _)| *file == path)?;
        let key = names::file_key(self.pipeline, &digest::sha256(bytes), &path);
        self.uploads.push((key.clone(), bytes.to_vec()));
        Some(key)
    }

    /// The path in the archive of a file that the step names.
    pub fn inside(&self, path: &str) -> String {
        match self.folder {
            Some(folder) => format!("{folder}/{path}"),
            None => path.to_owned(),
        }
    }

    /// A list of words, each a text when the step starts: the value of a state's argument.
    pub fn words(&mut self, key: &str, words: Vec<Argument>) -> Value {
        if !words.iter().any(is_late) {
            self.plan.push((key.to_owned(), Tree::List(words.into_iter().map(Tree::Text).collect())));
            return json!(code(&self.read(&[key])));
        }
        let mut kept = Vec::new();
        let placed = |(at, word): (usize, Argument)| self.text(&word, &at.to_string(), key, true, &mut kept);
        let list = words.into_iter().enumerate().map(placed).collect();
        if !kept.is_empty() {
            self.plan.push((key.to_owned(), Tree::Map(kept)));
        }
        list
    }

    /// [`words`](Self::words) for the runner: the first names its script, and after that it is told which attempt this is,
    /// where there may be several.
    pub fn command(&mut self, key: &str, words: Vec<Argument>) -> Value {
        let value = self.words(key, words);
        if !self.retried {
            return value;
        }
        let attempt = "$string($states.context.State.RetryCount + 1)";
        match value {
            Value::Array(mut list) => {
                let at = 1.min(list.len());
                list.splice(at..at, [json!("--attempt"), json!(code(attempt))]);
                Value::Array(list)
            }
            _ => json!(code(&format!(
                "($all := {}; $append([$all[0], \"--attempt\", {attempt}], $all[[1..$count($all) - 1]]))",
                self.read(&[key])
            ))),
        }
    }

    /// A mapping of texts, each a text when the step starts.
    pub fn texts(&mut self, key: &str, entries: Vec<(String, Argument)>) -> Map<String, Value> {
        let mut kept = Vec::new();
        let placed = |(name, text): (String, Argument)| {
            let value = self.text(&text, &name, key, true, &mut kept);
            (name, value)
        };
        let texts = entries.into_iter().map(placed).collect();
        if !kept.is_empty() {
            self.plan.push((key.to_owned(), Tree::Map(kept)));
        }
        texts
    }

    /// Any value whose texts may be templates, for who takes more than texts: a text that is one `{{ }}` and nothing else
    /// keeps the type of what it stands for.
    pub fn typed(&mut self, key: &str, tree: Tree) -> Value {
        self.value(key, with_types(tree))
    }

    /// Any value whose texts may be templates and become texts. Only what is nothing but a late path keeps its type.
    pub fn value(&mut self, key: &str, tree: Tree) -> Value {
        let mut kept = Vec::new();
        let value = self.place(tree, &mut vec![key.to_owned()], &mut kept);
        match kept.pop() {
            Some((_, Tree::Map(inner))) if inner.is_empty() => {}
            Some(entry) => self.plan.push(entry),
            None => {}
        }
        value
    }

    fn place(&self, tree: Tree, path: &mut Vec<String>, kept: &mut Vec<(String, Tree)>) -> Value {
        let last = path.last().cloned().unwrap_or_default();
        let mut inner = Vec::new();
        let mut below = |name: String, tree: Tree, inner: &mut Vec<(String, Tree)>| {
            path.push(name);
            let value = self.place(tree, path, inner);
            path.pop();
            value
        };
        let value = match tree {
            Tree::Fixed(value) => return value,
            Tree::Typed(template) => {
                let here: Vec<&str> = path.iter().map(String::as_str).collect();
                let read = json!(code(&self.read(&here)));
                kept.push((last, Tree::Typed(template)));
                return read;
            }
            Tree::Text(text) => {
                let parent = path.iter().take(path.len().saturating_sub(1)).map(String::as_str).collect::<Vec<_>>();
                return self.text_at(&text, &last, &parent, false, kept);
            }
            Tree::List(items) => {
                let items = items.into_iter().enumerate();
                items.map(|(at, item)| below(at.to_string(), item, &mut inner)).collect()
            }
            Tree::Map(entries) => {
                let entries = entries.into_iter();
                Value::Object(
                    entries.map(|(key, value)| (key.clone(), below(key, value, &mut inner))).collect::<Map<_, _>>(),
                )
            }
        };
        if !inner.is_empty() {
            kept.push((last, Tree::Map(inner)));
        }
        value
    }

    fn text(&self, text: &Argument, name: &str, key: &str, as_text: bool, kept: &mut Vec<(String, Tree)>) -> Value {
        self.text_at(text, name, &[key], as_text, kept)
    }

    /// One text at `parent.name` of what the plan keeps for the step.
    fn text_at(
        &self,
        text: &Argument,
        name: &str,
        parent: &[&str],
        as_text: bool,
        kept: &mut Vec<(String, Tree)>,
    ) -> Value {
        let needs_plan = |text: &Argument| match text {
            Argument::Own(text) => text.contains("${") || text.contains("{{"),
            Argument::Users(text) => text.contains("{{"),
        };
        let here: Vec<&str> = parent.iter().copied().chain([name]).collect();
        if !is_late(text) {
            if !needs_plan(text) {
                return json!(states::text(text.text()));
            }
            kept.push((name.to_owned(), Tree::Text(text.clone())));
            return json!(code(&self.read(&here)));
        }
        let pieces = late::pieces(text.text());
        if let ([Piece::Late(only)], false) = (pieces.as_slice(), as_text) {
            return json!(code(&self.late(only)));
        }
        let mut inner = Vec::new();
        let terms: Vec<String> = pieces
            .into_iter()
            .enumerate()
            .map(|(at, piece)| match piece {
                Piece::Late(late) => format!("$string({})", self.late(&late)),
                Piece::Early(early) if early.contains("{{") || is_own(text) && early.contains("${") => {
                    let at = at.to_string();
                    let early = match text {
                        Argument::Own(_) => Argument::Own(early),
                        Argument::Users(_) => Argument::Users(early),
                    };
                    inner.push((at.clone(), Tree::Text(early)));
                    self.read(&here.iter().copied().chain([at.as_str()]).collect::<Vec<_>>())
                }
                Piece::Early(early) => states::literal(&early),
            })
            .collect();
        if !inner.is_empty() {
            kept.push((name.to_owned(), Tree::Map(inner)));
        }
        json!(code(&terms.join(" & ")))
    }

    /// The expression that reads something of the step's from the run's input.
    fn read(&self, path: &[&str]) -> String {
        let mut expression = format!("$input.steps.`{}`", self.step);
        for key in path {
            expression = member(expression, key);
        }
        expression
    }

    /// The expression of a late path.
    pub fn late(&self, late: &Late) -> String {
        match &late.root {
            Root::Output(step) if self.enclosed => inside(format!("$given.`{step}`.output"), late),
            _ => Self::path(self.siblings, late),
        }
    }

    /// The same for a step among these inside a map, or outside of any.
    pub fn path(siblings: Option<&[&str]>, late: &Late) -> String {
        let root = match &late.root {
            Root::Output(step) => {
                let beside = siblings.is_none_or(|siblings| siblings.contains(&step.as_str()));
                let results = if beside { "$states.input" } else { "$results" };
                format!("{results}.`{step}`.output")
            }
            Root::Item => "$item".to_owned(),
            Root::Index => "$index".to_owned(),
            Root::Count => "$count_of_items".to_owned(),
        };
        inside(root, late)
    }
}

/// The part of an expression's value that a late path leads to.
fn inside(root: String, late: &Late) -> String {
    late.path.iter().fold(root, |expression, segment| match segment {
        Segment::Key(key) => member(expression, key),
        Segment::At(at) => format!("{expression}[{at}]"),
    })
}

/// `expression.key`, whatever the key's letters are.
fn member(expression: String, key: &str) -> String {
    let plain = key.starts_with(|first: char| first.is_ascii_alphabetic())
        && key.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
    // Words that JSONata reads as operators.
    if plain && !["and", "or", "in", "true", "false", "null", "function"].contains(&key) {
        format!("{expression}.{key}")
    } else if key.contains(['`', '\\']) || key.contains("${") {
        format!("$lookup({expression}, {})", quoted(key).replace("${", "$\" & \"{"))
    } else {
        format!("{expression}.`{key}`")
    }
}

/// The tree with those texts marked that may stand for anything. The names of a run are texts, but its number.
fn with_types(tree: Tree) -> Tree {
    match tree {
        Tree::Text(Argument::Users(text)) if !late::of(&text).is_empty() => Tree::Text(Argument::Users(text)),
        Tree::Text(Argument::Users(text)) => match render::only_expression(&text).map(|only| only.strip_prefix("run."))
        {
            None => Tree::Text(Argument::Users(text)),
            Some(Some(name)) if name != "number" && name.bytes().all(|byte| byte.is_ascii_alphabetic()) => {
                Tree::Text(Argument::Users(text))
            }
            Some(_) => Tree::Typed(text),
        },
        Tree::Text(_) | Tree::Typed(_) | Tree::Fixed(_) => tree,
        Tree::List(items) => Tree::List(items.into_iter().map(with_types).collect()),
        Tree::Map(entries) => Tree::Map(entries.into_iter().map(|(key, value)| (key, with_types(value))).collect()),
    }
}

fn is_own(text: &Argument) -> bool {
    matches!(text, Argument::Own(_))
}

fn is_late(text: &Argument) -> bool {
    text.text().contains("{{") && !late::of(text.text()).is_empty()
}

impl Tree {
    /// As the plan holds it: every leaf a string.
    pub fn plan(&self) -> Value {
        self.leaves(&|text| json!(text.text()))
    }

    /// As the template holds it, with CloudFormation's own substitutions.
    pub fn property(&self) -> Value {
        self.leaves(&|text| match text {
            Argument::Own(text) if text.contains("${") => sub(text.clone()),
            Argument::Own(text) | Argument::Users(text) => json!(text),
        })
    }

    /// How many characters its texts have.
    pub fn length(&self) -> usize {
        match self {
            Tree::Text(text) => text.text().chars().count(),
            Tree::Typed(template) => template.chars().count(),
            Tree::Fixed(_) => 0,
            Tree::List(items) => items.iter().map(Tree::length).sum(),
            Tree::Map(entries) => entries.iter().map(|(_, value)| value.length()).sum(),
        }
    }

    fn leaves(&self, leaf: &dyn Fn(&Argument) -> Value) -> Value {
        match self {
            Tree::Text(text) => leaf(text),
            Tree::Typed(template) => json!({ render::TYPED: template }),
            Tree::Fixed(value) => value.clone(),
            Tree::List(items) => items.iter().map(|item| item.leaves(leaf)).collect(),
            Tree::Map(entries) => {
                Value::Object(entries.iter().map(|(key, value)| (key.clone(), value.leaves(leaf))).collect())
            }
        }
    }
}
