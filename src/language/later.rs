//! What the language will know and this version does not: refused by name, never accepted without effect.
//!
//! In comes the tree of a pipeline.yaml; out comes the tree without those keys, so that nothing else stumbles over them,
//! and one finding for each. The table is all that there is to maintain: a feature that arrives leaves it.

use crate::source::{Code, Entry, Finding, Findings, Key as Name, Node, Value};

/// A key of a later version: where it may stand, its name, and what to do until then.
struct Key {
    at: &'static str,
    name: &'static str,
    instead: &'static str,
}

const fn key(at: &'static str, name: &'static str, instead: &'static str) -> Key {
    Key { at, name, instead }
}

const STEP_KIND: &str = "use `shell` with a script of the pipeline's folder, or `spark`";
const NOT_HERE: &str = "use `alerts: [{ events: [FAILED], email: team@example.com }]` of the pipeline";

/// In paths, `*` is every value of a mapping, and `[]` every item of a list, or the value itself where it is no list.
const KEYS: &[Key] = &[
    key("steps.[]", "sql", STEP_KIND),
    key("steps.[]", "check", "compare in a `shell` step that fails when the numbers differ"),
    key("steps.[]", "worker", STEP_KIND),
    key("", "slack", NOT_HERE),
    key("", "opsgenie", NOT_HERE),
    key("steps.[]", "slack", NOT_HERE),
    key("steps.[]", "opsgenie", NOT_HERE),
    key("alerts.[]", "slack", "use `email`; Slack channels have an address under \"Send emails to this channel\""),
    key("alerts.[]", "opsgenie", "use `email`; Opsgenie has an e-mail integration"),
];

/// Takes everything of a later version out of a pipeline's tree.
pub fn refuse(pipeline: &mut Node, findings: &mut Findings) {
    for Key { at, name, instead } in KEYS {
        for map in at_path(pipeline, at) {
            let Value::Map(entries) = &mut map.value else { continue };
            // A key without a value has been reported by the reader; its being early is said once it has one.
            for entry in entries.extract_if(.., |entry| entry.key.text == *name).filter(|entry| !entry.value.is_null())
            {
                findings.push(Finding::at(Code::NotSupportedYet, entry.key.span, message(name), "").help(*instead));
            }
        }
    }
    for alerts in at_path(pipeline, "alerts") {
        let Value::List(items) = &mut alerts.value else { continue };
        // The alert goes with it: what is left of one on steps is not what was meant.
        items.retain(|alert| {
            let events = alert.get("events");
            let items = events.map(Node::items).unwrap_or_default();
            let step = items.iter().chain(events).find(|event| event.as_str() == Some("step"));
            findings.extend(step.map(|step| refused("step", step, "use statuses of the run, such as `FAILED`")));
            step.is_none()
        });
    }
}

/// The same for a tree that stands for one step.
pub fn refuse_in_step(step: Node, findings: &mut Findings) -> Node {
    let span = step.span;
    let steps = Node { span, value: Value::List(vec![step]) };
    let key = Name { text: "steps".to_owned(), span };
    let mut pipeline = Node { span, value: Value::Map(vec![Entry { key, value: steps }]) };
    refuse(&mut pipeline, findings);
    let step = |node: &Node| node.get("steps").and_then(|steps| steps.items().first()).cloned();
    step(&pipeline).unwrap_or(pipeline)
}

fn refused(word: &str, node: &Node, instead: &str) -> Finding {
    Finding::at(Code::NotSupportedYet, node.span, message(word), "").help(instead)
}

fn message(name: &str) -> String {
    format!("`{name}` is not supported yet")
}

/// Every node that a path leads to.
fn at_path<'a>(node: &'a mut Node, path: &str) -> Vec<&'a mut Node> {
    let mut nodes = vec![node];
    for part in path.split('.').filter(|part| !part.is_empty()) {
        nodes = nodes.into_iter().flat_map(|node| below(node, part)).collect();
    }
    nodes
}

fn below<'a>(node: &'a mut Node, part: &str) -> Vec<&'a mut Node> {
    if part == "[]" && !matches!(node.value, Value::List(_)) {
        return vec![node];
    }
    match (&mut node.value, part) {
        (Value::List(items), "[]") => items.iter_mut().collect(),
        (Value::Map(entries), "*") => entries.iter_mut().map(|entry| &mut entry.value).collect(),
        (Value::Map(entries), name) => {
            entries.iter_mut().filter(|entry| entry.key.text == name).map(|entry| &mut entry.value).collect()
        }
        _ => Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::refuse;
    use crate::source::{Files, Findings, text, yaml};

    fn refused(yaml: &str) -> Vec<String> {
        let (mut files, mut findings) = (Files::new(), Findings::new());
        let file = text::add(&mut files, "pipeline.yaml", yaml.as_bytes(), &mut findings).expect("it is text");
        let mut node = yaml::read(&files, file, &mut findings).expect("it is YAML");
        assert!(findings.is_empty(), "{findings:?}");
        refuse(&mut node, &mut findings);
        let first = findings.iter().map(|finding| finding.message.clone()).collect();
        let mut again = Findings::new();
        refuse(&mut node, &mut again);
        assert!(again.is_empty(), "keys are taken out: {again:?}");
        first
    }

    #[test]
    fn keys_of_later_versions_are_refused_where_they_stand() {
        assert_eq!(refused("slack: x\nname: x\n"), ["`slack` is not supported yet"]);
        assert_eq!(
            refused("alerts: [{ events: [step], email: a@b.c }, { events: [FAILED], slack: '#x' }]\n"),
            ["`slack` is not supported yet", "`step` is not supported yet"]
        );
        assert_eq!(refused("alerts: [{ events: step, email: a@b.c }]\n"), ["`step` is not supported yet"]);
        assert_eq!(refused("steps: [{ name: x, slack: '#x' }]\n"), ["`slack` is not supported yet"]);
    }

    #[test]
    fn the_same_words_elsewhere_are_the_users_own() {
        assert!(
            refused("steps: [{ name: map, shell: { environment: { slack: x } } }]\ntags: { when: now }\n").is_empty()
        );
    }
}
