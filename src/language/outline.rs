//! A pipeline in outline: its steps in a line each, what starts it and whom it starts, as its file says it.
//!
//! In comes the tree of a pipeline.yaml that has been checked; out come names and short phrases with their places, for
//! graphs and for differences. It refuses to know what a kind of step does: a kind is a key, and its words are shown.

use crate::source::{Files, Findings, Node, Span, Value, yaml};

/// A pipeline in outline.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Outline {
    /// The steps in the order written.
    pub steps: Vec<StepOutline>,
    /// The compute profiles in the order written.
    pub profiles: Vec<Profile>,
    /// The precondition of a run.
    pub when: Option<String>,
    /// The conditions on other pipelines.
    pub upstreams: Vec<Upstream>,
    /// How those are joined, in words.
    pub condition: Option<String>,
    /// The events that start a run.
    pub events: Vec<Phrase>,
}

/// A phrase and the place that it stands for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Phrase {
    /// The phrase.
    pub text: String,
    /// The place.
    pub span: Span,
}

/// A compute profile.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Profile {
    /// Its name.
    pub name: String,
    /// Its kind: `emr`.
    pub kind: String,
    /// What it is in a few words: `emr-7.5.0, m6g.xlarge, 4 × m6g.2xlarge`.
    pub words: String,
}

/// Another pipeline whose runs this one waits for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Upstream {
    /// Its name.
    pub pipeline: String,
    /// What is waited for: `SUCCEEDED`, `FAILED or TIMED_OUT, -1d`.
    pub words: String,
    /// Where that is written.
    pub span: Span,
}

/// A step.
#[derive(Clone, Debug, PartialEq)]
pub struct StepOutline {
    /// Its name.
    pub name: String,
    /// The steps that it needs, and whether it is skipped with them.
    pub needs: Vec<(String, bool)>,
    /// The key of its kind.
    pub kind: String,
    /// What it runs, as it would be typed.
    pub words: String,
    /// The compute profile, where it has one.
    pub profile: Option<String>,
    /// Its precondition.
    pub when: Option<String>,
    /// The pipeline that it starts.
    pub starts: Option<String>,
    /// The steps inside it.
    pub inside: Vec<StepOutline>,
    /// Where it stands.
    pub span: Span,
}

/// The keys that make a step's kind.
const KINDS: [&str; 14] = [
    "spark",
    "shell",
    "container",
    "lambda",
    "glue",
    "batch",
    "pipeline",
    "map",
    "state",
    "uses",
    "job",
    "sql",
    "check",
    "worker",
];
/// The kinds that run on a compute profile without naming it, when there is only one.
const ON_THE_ONLY_PROFILE: [&str; 3] = ["spark", "shell", "job"];

impl Outline {
    /// The outline of the file that a span lies in.
    pub fn of_file(files: &Files, span: Span) -> Self {
        // Whatever is wrong with the file has been said by those who have read it before.
        yaml::read(files, span.file, &mut Findings::new()).map(|node| Self::of(&node)).unwrap_or_default()
    }

    /// The outline of a pipeline's tree.
    pub fn of(node: &Node) -> Self {
        let profiles: Vec<Profile> = entries(node, "compute").iter().map(profile).collect();
        let only = match profiles.as_slice() {
            [one] => Some(one.name.as_str()),
            _ => None,
        };
        let triggers = node.get("triggers");
        let mut upstreams = Vec::new();
        let condition = triggers.and_then(|triggers| triggers.get("executions")).and_then(|tree| {
            collect(tree, &mut upstreams);
            condition(tree)
        });
        let events = triggers.and_then(|triggers| triggers.get("events"));
        let each = |node: &Node| match &node.value {
            Value::List(items) => items.iter().map(event).collect(),
            Value::Map(_) => vec![event(node)],
            Value::Scalar(_) => Vec::new(),
        };
        Self {
            steps: steps(node, only),
            profiles,
            when: text(node, "when"),
            upstreams,
            condition,
            events: events.map(each).unwrap_or_default(),
        }
    }

    /// Every step, those inside others included, outer ones first.
    pub fn all_steps(&self) -> Vec<&StepOutline> {
        let mut found = Vec::new();
        let mut open: Vec<&StepOutline> = self.steps.iter().rev().collect();
        while let Some(step) = open.pop() {
            found.push(step);
            open.extend(step.inside.iter().rev());
        }
        found
    }
}

fn entries<'a>(node: &'a Node, key: &str) -> &'a [crate::source::Entry] {
    node.get(key).map(Node::entries).unwrap_or_default()
}

fn text(node: &Node, key: &str) -> Option<String> {
    node.get(key).and_then(Node::as_str).map(str::to_owned)
}

fn steps(node: &Node, only: Option<&str>) -> Vec<StepOutline> {
    let items = node.get("steps").map(Node::items).unwrap_or_default();
    items.iter().filter_map(|item| step(item, only)).collect()
}

fn step(node: &Node, only: Option<&str>) -> Option<StepOutline> {
    let kind = node.entries().iter().find(|entry| KINDS.contains(&entry.key.text.as_str()));
    let name = kind.map_or("", |entry| entry.key.text.as_str());
    let value = kind.map(|entry| &entry.value);
    let profile = text(node, "compute");
    let on_only = only.filter(|_| ON_THE_ONLY_PROFILE.contains(&name)).map(str::to_owned);
    Some(StepOutline {
        name: text(node, "name")?,
        needs: node.get("needs").map(Node::items).unwrap_or_default().iter().filter_map(need).collect(),
        kind: name.to_owned(),
        words: value.map(|value| words(name, value)).unwrap_or_default(),
        profile: profile.or(on_only),
        when: text(node, "when"),
        starts: value.filter(|_| name == "pipeline").and_then(named),
        inside: value.filter(|_| name == "map").map(|value| steps(value, only)).unwrap_or_default(),
        span: node.span,
    })
}

/// A name, or a mapping that holds it.
fn named(node: &Node) -> Option<String> {
    node.as_str().map(str::to_owned).or_else(|| text(node, "name"))
}

fn need(node: &Node) -> Option<(String, bool)> {
    match node.as_str() {
        Some(name) => Some((name.to_owned(), false)),
        None => Some((text(node, "step")?, node.get("onSkip").and_then(Node::as_str) == Some("skip"))),
    }
}

/// What a step runs, as it would be typed.
fn words(kind: &str, value: &Node) -> String {
    let first: &[&str] = match kind {
        "spark" => &["entrypoint", "args"],
        "shell" => &["command"],
        "container" => &["image", "command"],
        "lambda" => &["function"],
        "glue" => &["job"],
        "batch" => &["definition", "command"],
        "pipeline" => &["name"],
        "uses" => &["type"],
        "map" => return over(value),
        "state" => return state(value),
        _ => &[],
    };
    let list = match value.as_str() {
        Some(text) => vec![text.to_owned()],
        None => first.iter().filter_map(|key| value.get(key)).flat_map(scalars).collect(),
    };
    std::iter::once(kind.to_owned()).chain(list).collect::<Vec<_>>().join(" ")
}

/// `map over 8 shards`, `map over s3://bucket/prefix/`.
fn over(value: &Node) -> String {
    let Some(over) = value.get("over") else { return "map".to_owned() };
    let what = match over.entries().first() {
        Some(entry) if entry.key.text == "shards" => format!("{} shards", flat(&entry.value)),
        Some(entry) if entry.key.text == "list" && !entry.value.items().is_empty() => {
            format!("{} items", entry.value.items().len())
        }
        Some(entry) => flat(&entry.value),
        None => flat(over),
    };
    format!("map over {what}")
}

/// `state arn:aws:states:::sqs:sendMessage`, or its type.
fn state(value: &Node) -> String {
    let definition = value.get("definition");
    let says = |key: &str| definition.and_then(|definition| text(definition, key));
    let what = says("Resource").or_else(|| says("Type")).unwrap_or_default();
    format!("state {what}").trim_end().to_owned()
}

fn scalars(node: &Node) -> Vec<String> {
    match &node.value {
        Value::Scalar(scalar) => vec![scalar.text.clone()],
        Value::List(items) => items.iter().flat_map(scalars).collect(),
        Value::Map(entries) => entries.iter().flat_map(|entry| scalars(&entry.value)).collect(),
    }
}

fn flat(node: &Node) -> String {
    scalars(node).join(" ")
}

fn profile(entry: &crate::source::Entry) -> Profile {
    let kind = entry.value.entries().first();
    let value = kind.map(|kind| &kind.value);
    let says = |keys: &[&str]| {
        let found = keys.iter().try_fold(value?, |node, key| node.get(key))?;
        found.as_str().map(str::to_owned)
    };
    let core = says(&["core", "type"]).map(|core| match says(&["core", "count"]) {
        Some(count) if count != "1" => format!("{count} × {core}"),
        _ => core,
    });
    let words = [says(&["release"]), says(&["primary", "type"]), core, says(&["cluster"])];
    Profile {
        name: entry.key.text.clone(),
        kind: kind.map(|kind| kind.key.text.clone()).unwrap_or_default(),
        words: words.into_iter().flatten().collect::<Vec<_>>().join(", "),
    }
}

/// The leaves of a condition tree.
fn collect(node: &Node, found: &mut Vec<Upstream>) {
    if let Some(pipeline) = text(node, "pipeline") {
        found.push(Upstream { pipeline, words: waited_for(node), span: node.span });
        return;
    }
    for entry in node.entries() {
        entry.value.items().iter().for_each(|item| collect(item, found));
    }
    node.items().iter().for_each(|item| collect(item, found));
}

/// `FAILED or TIMED_OUT, -1d`.
fn waited_for(leaf: &Node) -> String {
    let status = leaf.get("status").map(scalars).unwrap_or_default();
    let status = if status.is_empty() { "SUCCEEDED".to_owned() } else { status.join(" or ") };
    let last = text(leaf, "last").map(|last| format!("each of the last {last}"));
    [Some(status), text(leaf, "offset"), last].into_iter().flatten().collect::<Vec<_>>().join(", ")
}

/// A condition tree in words: `listings SUCCEEDED and (searches FAILED or views FAILED)`.
fn condition(node: &Node) -> Option<String> {
    if let Some(pipeline) = text(node, "pipeline") {
        return Some(format!("{pipeline} {}", waited_for(node)));
    }
    let list = |key: &str, word: &str| {
        let parts: Vec<String> = node.get(key)?.items().iter().filter_map(inner).collect();
        (!parts.is_empty()).then(|| (parts.len(), parts.join(word)))
    };
    match (list("allOf", " and "), list("anyOf", " or ")) {
        (Some((_, all)), None) => Some(all),
        (None, Some((_, any))) => Some(any),
        (None, None) => None,
        (Some((_, all)), Some((count, any))) => Some(match text(node, "operator").as_deref() {
            Some("OR") => format!("({all}) or {any}"),
            _ if count == 1 => format!("{all} and {any}"),
            _ => format!("{all} and ({any})"),
        }),
    }
}

/// A part of a condition, in brackets where it has several parts of its own.
fn inner(node: &Node) -> Option<String> {
    let words = condition(node)?;
    let leaf = node.get("pipeline").is_some() || collected(node) < 2;
    Some(if leaf { words } else { format!("({words})") })
}

fn collected(node: &Node) -> usize {
    let mut leaves = Vec::new();
    collect(node, &mut leaves);
    leaves.len()
}

/// `s3://bucket/prefix*.csv`, or what a pattern asks for.
fn event(node: &Node) -> Phrase {
    let says = |node: &Node, key: &str| text(node, key).unwrap_or_default();
    let words = match (node.get("s3"), node.get("pattern")) {
        (Some(s3), _) => {
            let star = if s3.get("suffix").is_some() { "*" } else { "" };
            format!("s3://{}/{}{star}{}", says(s3, "bucket"), says(s3, "prefix"), says(s3, "suffix"))
        }
        (None, Some(pattern)) => {
            let what = ["source", "detail-type"].into_iter().filter_map(|key| pattern.get(key)).map(flat);
            let what = what.collect::<Vec<_>>().join(" ");
            if what.is_empty() { "an event".to_owned() } else { what }
        }
        (None, None) => flat(node),
    };
    Phrase { text: words, span: node.span }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn outline(text: &str) -> Outline {
        let mut files = Files::new();
        let file = files.add("pipeline.yaml", text);
        let mut findings = Findings::new();
        let node = yaml::read(&files, file, &mut findings).expect("it is YAML");
        assert!(findings.is_empty(), "{findings:?}");
        Outline::of(&node)
    }

    #[test]
    fn steps_in_a_line_each() {
        let found = outline(
            "compute: { main: { emr: { release: emr-7.5.0, primary: { type: m6g.xlarge }, core: { type: m6g.2xlarge, count: 4 } } } }\n\
             steps:\n\
             - { name: a, spark: { entrypoint: a.py, args: [--date, \"{{ run.partition }}\"] } }\n\
             - { name: b, needs: [a, { step: c, onSkip: skip }], lambda: { function: \"load:live\" } }\n\
             - name: each\n  map:\n    over: { shards: 8 }\n    steps: [{ name: one, shell: { command: [bash, one.sh] } }]\n\
             - { name: go, pipeline: { name: other } }\n",
        );
        let words: Vec<&str> = found.all_steps().iter().map(|step| step.words.as_str()).collect();
        assert_eq!(
            words,
            [
                "spark a.py --date {{ run.partition }}",
                "lambda load:live",
                "map over 8 shards",
                "shell bash one.sh",
                "pipeline other"
            ]
        );
        assert_eq!(found.profiles[0].words, "emr-7.5.0, m6g.xlarge, 4 × m6g.2xlarge");
        assert_eq!(found.steps[0].profile.as_deref(), Some("main"));
        assert_eq!(found.steps[1].profile, None);
        assert_eq!(found.steps[1].needs, [("a".to_owned(), false), ("c".to_owned(), true)]);
        assert_eq!(found.steps[3].starts.as_deref(), Some("other"));
    }

    #[test]
    fn conditions_in_words() {
        let found = outline(
            "triggers:\n  executions:\n    allOf:\n    - { pipeline: listings, status: SUCCEEDED }\n\
             \x20   - anyOf:\n      - { pipeline: searches, status: [FAILED, TIMED_OUT] }\n      - { pipeline: views, offset: -1d }\n",
        );
        assert_eq!(
            found.condition.as_deref(),
            Some("listings SUCCEEDED and (searches FAILED or TIMED_OUT or views SUCCEEDED, -1d)")
        );
        assert_eq!(found.upstreams.len(), 3);
    }

    #[test]
    fn events_in_words() {
        let found = outline(
            "triggers:\n  events:\n  - { s3: { bucket: b, prefix: in/, suffix: .csv } }\n\
             \x20 - { pattern: { source: [aws.glue], detail-type: [Glue Job State Change] } }\n",
        );
        let words: Vec<&str> = found.events.iter().map(|event| event.text.as_str()).collect();
        assert_eq!(words, ["s3://b/in/*.csv", "aws.glue Glue Job State Change"]);
    }
}
