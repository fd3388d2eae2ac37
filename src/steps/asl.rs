//! States that users write in Amazon States Language, in its JSONata flavour.
//!
//! In come trees with their places; out come findings about what Step Functions would refuse, and the same trees with names
//! that are unique in the pipeline's machine. The language: <https://states-language.net/spec.html>; with JSONata:
//! <https://docs.aws.amazon.com/step-functions/latest/dg/transforming-data.html>.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

use crate::source::{Code, Finding, Findings, Span, Spanned, SpannedMap, Tree, suggest};

type Fields = SpannedMap<Spanned<Tree>>;

/// The longest name of a state.
const NAME_LIMIT: usize = 80;

/// A type of state: its fields beside `Type` and `Comment`, the required ones first.
struct Type {
    name: &'static str,
    required: &'static [&'static str],
    optional: &'static [&'static str],
}

const ENDS: &[&str] = &["Next", "End"];

const TYPES: &[Type] = &[
    Type {
        name: "Task",
        required: &["Resource"],
        optional: &[
            "Arguments",
            "Output",
            "Assign",
            "Retry",
            "Catch",
            "TimeoutSeconds",
            "HeartbeatSeconds",
            "Credentials",
        ],
    },
    Type { name: "Pass", required: &[], optional: &["Output", "Assign"] },
    Type { name: "Wait", required: &[], optional: &["Seconds", "Timestamp", "Output", "Assign"] },
    Type { name: "Choice", required: &["Choices"], optional: &["Default", "Output", "Assign"] },
    Type { name: "Succeed", required: &[], optional: &["Output"] },
    Type { name: "Fail", required: &[], optional: &["Error", "Cause"] },
    Type { name: "Parallel", required: &["Branches"], optional: &["Arguments", "Output", "Assign", "Retry", "Catch"] },
    Type {
        name: "Map",
        required: &["ItemProcessor"],
        optional: &[
            "Items",
            "ItemReader",
            "ItemSelector",
            "ItemBatcher",
            "ResultWriter",
            "MaxConcurrency",
            "ToleratedFailureCount",
            "ToleratedFailurePercentage",
            "Label",
            "Output",
            "Assign",
            "Retry",
            "Catch",
        ],
    },
];

/// Fields of the JSONPath flavour, and what does their work in JSONata.
const JSON_PATH: &[(&str, &str)] = &[
    ("InputPath", "Arguments"),
    ("Parameters", "Arguments"),
    ("ResultSelector", "Output"),
    ("ResultPath", "Output"),
    ("OutputPath", "Output"),
    ("Result", "Output"),
    ("ItemsPath", "Items"),
    ("MaxConcurrencyPath", "MaxConcurrency"),
    ("ToleratedFailureCountPath", "ToleratedFailureCount"),
    ("ToleratedFailurePercentagePath", "ToleratedFailurePercentage"),
    ("SecondsPath", "Seconds"),
    ("TimestampPath", "Timestamp"),
    ("TimeoutSecondsPath", "TimeoutSeconds"),
    ("HeartbeatSecondsPath", "HeartbeatSeconds"),
    ("ErrorPath", "Error"),
    ("CausePath", "Cause"),
    ("Variable", "Condition"),
];

/// Variables of the pipeline's machine, which a branch may read and not assign:
/// <https://docs.aws.amazon.com/step-functions/latest/dg/workflow-variables.html>.
const TAKEN: [&str; 7] = ["input", "deadline", "item", "index", "count_of_items", "results", "given"];

/// Where states stand.
#[derive(Clone, Copy, Default)]
struct Place {
    /// Whether they run where the machine's variables are not.
    apart: bool,
    /// Whether they are a step type's, which knows its parameters and nothing of the pipeline.
    of_type: bool,
}

/// Checks the definition of a step type: states from `StartAt` to an end.
pub(super) fn check_definition(definition: &Spanned<Tree>, findings: &mut Findings) {
    let Some(fields) = mapping(definition, "a definition", findings) else { return };
    for (name, _) in fields.iter().filter(|(name, _)| !["StartAt", "States", "Comment"].contains(&name.as_str())) {
        let finding = bad(name.span, format!("a definition has no `{}` here", name.value));
        findings.push(match name.value.as_str() {
            "QueryLanguage" => finding.why("dpc's machines speak JSONata").help("remove it"),
            "TimeoutSeconds" => finding.help("give the tasks a `TimeoutSeconds`, or the step that uses it a `timeout`"),
            other => match suggest::near(other, ["StartAt", "States", "Comment"]) {
                Some(near) => finding.fix(name.span, near, format!("did you mean `{near}`?")),
                None => finding.help("write `StartAt` and `States`"),
            },
        });
    }
    scope(definition, &mut BTreeMap::new(), Place { apart: false, of_type: true }, findings);
}

/// Checks the one state of a step, which goes on to whatever comes after the step.
pub(super) fn check_step(state: &Spanned<Tree>, findings: &mut Findings) {
    let Some(fields) = mapping(state, "a state", findings) else { return };
    for end in ENDS.iter().filter_map(|end| key(fields, end)) {
        findings.push(
            bad(end.span, format!("`{}` belongs to dpc", end.value))
                .why("what comes after a step is what needs it")
                .help("remove it; name the step in another step's `needs`"),
        );
    }
    if let Some((kind, span)) = text(fields, "Type")
        && ["Choice", "Succeed", "Fail"].contains(&kind)
    {
        findings.push(
            bad(span, format!("a step cannot be a `{kind}` state"))
                .why("a step has something that comes after it")
                .help("put it into a branch of a `Parallel` state; `when` of a step decides whether it runs"),
        );
        return;
    }
    let mut names = BTreeMap::new();
    state_fields(state.span, fields, &mut names, Place::default(), findings);
}

/// What is wrong with one state but for its `Next`.
fn state_fields(
    span: Span,
    fields: &Fields,
    names: &mut BTreeMap<String, Span>,
    place: Place,
    findings: &mut Findings,
) {
    let Some((kind, at)) = text(fields, "Type") else {
        findings.push(bad(span, "this state has no `Type`").help("add `Type: Task`, or Pass, Wait, Parallel or Map"));
        return;
    };
    let Some(known) = TYPES.iter().find(|known| known.name == kind) else {
        let finding = bad(at, format!("`{kind}` is not a type of states"));
        findings.push(match suggest::near(kind, TYPES.iter().map(|known| known.name)) {
            Some(near) => finding.fix(at, near, format!("did you mean `{near}`?")),
            None => finding.help("write Task, Pass, Wait, Choice, Succeed, Fail, Parallel or Map"),
        });
        return;
    };
    for required in known.required.iter().filter(|required| fields.get(required).is_none()) {
        findings.push(bad(at, format!("a `{kind}` state needs `{required}`")));
    }
    if kind == "Wait" && fields.get("Seconds").is_some() == fields.get("Timestamp").is_some() {
        findings.push(bad(at, "a `Wait` state needs one of `Seconds` and `Timestamp`"));
    }
    for (name, value) in fields.iter() {
        field(known, name, findings);
        if !["Branches", "ItemProcessor"].contains(&name.as_str()) {
            values(value, place, findings);
        }
    }
    assigned(fields, place, findings);
    if let Some((resource, at)) = text(fields, "Resource")
        && kind == "Task"
    {
        check_resource(resource, at, findings);
        check_token(resource, at, fields, place, findings);
    }
    if let Some(Spanned { value: Tree::List(branches), .. }) = fields.get("Branches") {
        branches.iter().for_each(|branch| scope(branch, names, place, findings));
    }
    if let Some(processor) = fields.get("ItemProcessor") {
        scope(processor, names, Place { apart: place.apart || is_distributed(processor), ..place }, findings);
    }
}

/// A variable has one name from the machine to its innermost branch.
fn assigned(fields: &Fields, place: Place, findings: &mut Findings) {
    let catchers = match fields.get("Catch") {
        Some(Spanned { value: Tree::List(items), .. }) => items.as_slice(),
        _ => &[],
    };
    let of_catchers = catchers.iter().filter_map(|item| match &item.value {
        Tree::Map(fields) => fields.get("Assign"),
        Tree::Scalar(_) | Tree::List(_) => None,
    });
    for assign in fields.get("Assign").into_iter().chain(of_catchers) {
        let Tree::Map(variables) = &assign.value else { continue };
        for (name, _) in variables.iter() {
            if TAKEN.contains(&name.as_str()) || place.of_type && name.value == "with" {
                findings.push(
                    bad(name.span, format!("the variable `{}` is dpc's", name.value))
                        .why("a branch cannot assign a variable that exists around it")
                        .help("choose another name"),
                );
            }
        }
    }
}

/// A task that waits for its token gives the token to somebody, and does not wait for ever.
/// <https://docs.aws.amazon.com/step-functions/latest/dg/connect-to-resource.html#connect-wait-token>
fn check_token(resource: &str, span: Span, fields: &Fields, place: Place, findings: &mut Findings) {
    if !resource.ends_with(".waitForTaskToken") {
        return;
    }
    let mut given = false;
    if let Some(arguments) = fields.get("Arguments") {
        arguments.value.texts(arguments.span, &mut |text, _| given |= text.contains("$states.context.Task.Token"));
    }
    if !given {
        findings.push(
            bad(span, "this task waits for a token that it gives to nobody")
                .why("it would wait until it times out: only who has the token can end it")
                .help("pass `\"{% $states.context.Task.Token %}\"` in `Arguments`"),
        );
    }
    let limited = ["TimeoutSeconds", "HeartbeatSeconds"].iter().any(|limit| fields.get(limit).is_some());
    if place.of_type && !limited {
        findings.push(
            bad(span, "this task may wait for a year")
                .why("nobody may come back with the token, and an execution lives that long")
                .help("add `TimeoutSeconds` or `HeartbeatSeconds`"),
        );
    }
}

fn field(known: &Type, name: &Spanned<String>, findings: &mut Findings) {
    let own = |field: &&str| *field == name.value;
    if name.value == "Type" || name.value == "Comment" || ENDS.iter().any(own) {
        return;
    }
    if name.value == "QueryLanguage" {
        findings.push(bad(name.span, "`QueryLanguage` is dpc's").why("its machines speak JSONata").help("remove it"));
    } else if known.required.iter().chain(known.optional).any(own) {
    } else if let Some((_, instead)) = JSON_PATH.iter().find(|(path, _)| *path == name.value) {
        findings.push(json_path(name, instead));
    } else {
        let finding = bad(name.span, format!("a `{}` state has no `{}`", known.name, name.value));
        let fields = known.required.iter().chain(known.optional).chain(&["Comment"]).copied();
        findings.push(match suggest::near(name, fields) {
            Some(near) => finding.fix(name.span, near, format!("did you mean `{near}`?")),
            None => finding.help("see <https://docs.aws.amazon.com/step-functions/latest/dg/workflow-states.html>"),
        });
    }
}

/// Texts are literals, JSONata between `{%` and `%}`, or templates of dpc's; never JSONPath.
fn values(value: &Spanned<Tree>, place: Place, findings: &mut Findings) {
    match &value.value {
        Tree::Scalar(Value::String(text)) => {
            if text.starts_with("{%") != text.ends_with("%}") {
                let finding = Finding::at(Code::BadState, value.span, "this JSONata has only one of its ends", "");
                findings.push(finding.help("write the whole text between `{%` and `%}`"));
            } else if text.starts_with("{%") && text.contains("${") {
                findings.push(
                    bad(value.span, "`${` in JSONata would be CloudFormation's")
                        .why("the definition is part of a template, in which `${…}` is replaced")
                        .help("write `\"$\" & \"{\"` in a text, and a blank between the two elsewhere"),
                );
            } else if place.of_type && text.contains("{{") && !text.starts_with("{%") {
                findings.push(
                    bad(value.span, "a step type has no `{{ }}`")
                        .why("it knows nothing of the pipelines that use it")
                        .help("declare a parameter in `with`, and read it: `\"{% $with.name %}\"`"),
                );
            } else if place.of_type && place.apart && reads_with(text) {
                findings.push(
                    bad(value.span, "`$with` cannot be read inside a distributed map")
                        .why("its items run in executions of their own, which do not know the step")
                        .help("put it into the `ItemSelector` of the map, and read it from `$states.input` here"),
                );
            } else if place.apart && text.contains("{{") && !text.starts_with("{%") {
                findings.push(
                    bad(value.span, "`{{ }}` cannot be read inside a distributed map")
                        .why("its items run in executions of their own, which do not know the run")
                        .help("put it into the `ItemSelector` of the map, and read it from `$states.input` here"),
                );
            }
        }
        Tree::Scalar(_) => {}
        Tree::List(items) => items.iter().for_each(|item| values(item, place, findings)),
        Tree::Map(entries) => {
            for (name, value) in entries.iter() {
                if name.ends_with(".$") {
                    findings.push(json_path(name, "a text between `{%` and `%}`"));
                }
                values(value, place, findings);
            }
        }
    }
}

/// A branch or the processor of a map: its states, and where they lead.
fn scope(scope: &Spanned<Tree>, names: &mut BTreeMap<String, Span>, place: Place, findings: &mut Findings) {
    let Some(fields) = mapping(scope, "a branch", findings) else { return };
    let Some(states) = fields.get("States") else {
        findings.push(bad(scope.span, "this branch has no `States`"));
        return;
    };
    let Some(states) = mapping(states, "`States`", findings) else { return };
    let lead = |target: &str, span: Span, findings: &mut Findings| {
        if states.get(target).is_none() {
            let finding = bad(span, format!("there is no state `{target}` in this branch"));
            findings.push(match suggest::near(target, states.iter().map(|(name, _)| name.as_str())) {
                Some(near) => finding.fix(span, near, format!("did you mean `{near}`?")),
                None => finding,
            });
        }
    };
    match text(fields, "StartAt") {
        Some((start, span)) => lead(start, span, findings),
        None => findings.push(bad(scope.span, "this branch has no `StartAt`")),
    }
    for (name, state) in states.iter() {
        if let Some(first) = names.insert(name.value.clone(), name.span) {
            findings.push(
                bad(name.span, format!("two states are named `{}`", name.value))
                    .and(first, "first")
                    .why("names of states are unique in a whole machine"),
            );
        }
        // The step's own name, at most 40 characters, stands before it.
        if name.chars().count() > NAME_LIMIT - 42 {
            findings
                .push(bad(name.span, format!("the name of a state has at most {} characters here", NAME_LIMIT - 42)));
        }
        let Some(fields) = mapping(state, "a state", findings) else { continue };
        for (target, span) in targets(fields) {
            lead(target, span, findings);
        }
        let kind = text(fields, "Type").map_or("", |(kind, _)| kind);
        let ends = ENDS.iter().filter(|end| fields.get(end).is_some()).count();
        if ["Choice", "Succeed", "Fail"].contains(&kind) == (ends > 0) || ends > 1 {
            let message = match kind {
                "Choice" | "Succeed" | "Fail" => format!("a `{kind}` state has neither `Next` nor `End`"),
                _ => "a state in a branch needs one of `Next` and `End`".to_owned(),
            };
            findings.push(bad(name.span, message));
        }
        state_fields(state.span, fields, names, place, findings);
    }
    if let Some((start, _)) = text(fields, "StartAt") {
        unreached(start, states, findings);
    }
}

/// Step Functions takes no machine with a state that nothing leads to.
fn unreached(start: &str, states: &Fields, findings: &mut Findings) {
    let (mut reached, mut open) = (BTreeSet::new(), vec![start]);
    while let Some(name) = open.pop() {
        if let (true, Some(Spanned { value: Tree::Map(state), .. })) = (reached.insert(name), states.get(name)) {
            open.extend(targets(state).into_iter().map(|(target, _)| target));
        }
    }
    // A name that leads nowhere has been reported, and may be one of these, misspelt.
    if reached.iter().any(|name| states.get(name).is_none()) {
        return;
    }
    for (name, _) in states.iter().filter(|(name, _)| !reached.contains(name.as_str())) {
        findings.push(
            Finding::at(Code::UnreachedState, name.span, format!("state `{}` is never reached", name.value), "")
                .why(format!(
                    "no `Next`, `Default` or `Catch` leads to it from `{start}`, and Step Functions refuses that"
                ))
                .help("lead to it, or remove it"),
        );
    }
}

/// Whether JSONata reads the parameters of a step type.
fn reads_with(text: &str) -> bool {
    text.starts_with("{%")
        && text.match_indices("$with").any(|(at, found)| {
            let next = text.get(at + found.len()..).and_then(|rest| rest.chars().next());
            !next.is_some_and(|next| next.is_alphanumeric() || next == '_')
        })
}

/// Every name of a state that a state leads to.
fn targets(fields: &Fields) -> Vec<(&str, Span)> {
    let mut targets: Vec<(&str, Span)> = ["Next", "Default"].iter().filter_map(|name| text(fields, name)).collect();
    for list in ["Choices", "Catch"] {
        if let Some(Spanned { value: Tree::List(items), .. }) = fields.get(list) {
            targets.extend(items.iter().filter_map(|item| match &item.value {
                Tree::Map(fields) => text(fields, "Next"),
                Tree::Scalar(_) | Tree::List(_) => None,
            }));
        }
    }
    targets
}

/// <https://docs.aws.amazon.com/step-functions/latest/dg/state-task.html#concepts-task-types>
fn check_resource(resource: &str, span: Span, findings: &mut Findings) {
    let words = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
    let service = resource.strip_prefix("arn:aws:states:::").map(|rest| {
        let rest =
            [".sync:2", ".sync", ".waitForTaskToken"].iter().find_map(|way| rest.strip_suffix(way)).unwrap_or(rest);
        let parts: Vec<&str> = rest.split(':').collect();
        let count = if parts.first() == Some(&"aws-sdk") { 3 } else { 2 };
        parts.len() == count && parts.iter().all(|part| words(part))
    });
    let other = resource.starts_with("arn:aws:lambda:")
        || resource.starts_with("arn:aws:states:") && resource.contains(":activity:");
    if !service.unwrap_or(other) {
        findings.push(
            bad(span, format!("`{resource}` is not something that a task can do"))
                .why("a resource is `arn:aws:states:::service:action`, or `arn:aws:states:::aws-sdk:service:action`")
                .help("write one such as `arn:aws:states:::sns:publish` or `arn:aws:states:::aws-sdk:s3:getObject`"),
        );
    }
}

/// The resources of all tasks, with their places.
pub(super) fn resources(state: &Tree) -> Vec<(&str, Span)> {
    let mut found = Vec::new();
    let mut open = vec![state];
    while let Some(next) = open.pop() {
        match next {
            Tree::Scalar(_) => {}
            Tree::List(items) => open.extend(items.iter().rev().map(|item| &item.value)),
            Tree::Map(fields) => {
                if text(fields, "Type").is_some_and(|(kind, _)| kind == "Task") {
                    found.extend(text(fields, "Resource"));
                }
                open.extend(fields.0.iter().rev().map(|(_, value)| &value.value));
            }
        }
    }
    found
}

/// The IAM action that a resource evidently needs; `None` where the names do not tell.
/// <https://docs.aws.amazon.com/step-functions/latest/dg/supported-services-awssdk.html>
pub(super) fn action(resource: &str) -> Option<String> {
    let rest = resource.strip_prefix("arn:aws:states:::")?;
    let rest = rest.split('.').next()?;
    if rest == "lambda:invoke" {
        return Some("lambda:InvokeFunction".to_owned());
    }
    let (service, name) = rest.strip_prefix("aws-sdk:").unwrap_or(rest).split_once(':')?;
    if name.contains(':') {
        return None;
    }
    let prefix = match service {
        "sfn" => "states",
        "eventbridge" => "events",
        "cloudwatchlogs" => "logs",
        "emr" => "elasticmapreduce",
        "emrserverless" => "emr-serverless",
        "redshiftdata" => "redshift-data",
        "http" | "apigateway" => return None,
        other => other,
    };
    let name = match (prefix, name) {
        ("s3", "listObjectsV2" | "listObjects") => "ListBucket".to_owned(),
        ("s3", "headObject") => "GetObject".to_owned(),
        ("elasticmapreduce", "createCluster") => "RunJobFlow".to_owned(),
        ("elasticmapreduce", "addStep") => "AddJobFlowSteps".to_owned(),
        ("elasticmapreduce", "terminateCluster") => "TerminateJobFlows".to_owned(),
        (_, name) => {
            let (first, rest) = name.split_at_checked(1)?;
            first.to_ascii_uppercase() + rest
        }
    };
    Some(format!("{prefix}:{name}"))
}

/// The place of a state of this name, however deep in a definition.
pub(super) fn state_named(definition: &Tree, wanted: &str) -> Option<Span> {
    let mut open = vec![definition];
    while let Some(next) = open.pop() {
        match next {
            Tree::Scalar(_) => {}
            Tree::List(items) => open.extend(items.iter().map(|item| &item.value)),
            Tree::Map(fields) => {
                if let Some(Spanned { value: Tree::Map(states), .. }) = fields.get("States")
                    && let Some(found) = key(states, wanted)
                {
                    return Some(found.span);
                }
                open.extend(fields.0.iter().map(|(_, value)| &value.value));
            }
        }
    }
    None
}

/// The name of a user's state in the machine of the pipeline.
pub(super) fn prefixed(step: &str, name: &str) -> String {
    format!("{step}: {name}")
}

/// The state with the names of all states in it prefixed, which are collected.
pub(super) fn renamed(state: &Tree, step: &str, names: &mut Vec<String>) -> Tree {
    let Tree::Map(fields) = state else { return state.clone() };
    let entry = |(key, value): (&Spanned<String>, &Spanned<Tree>), names: &mut Vec<String>| {
        let tree = match (key.as_str(), &value.value) {
            ("Next" | "Default" | "StartAt", Tree::Scalar(Value::String(name))) => {
                Tree::Scalar(json!(prefixed(step, name)))
            }
            ("Branches" | "Choices" | "Catch", Tree::List(items)) => {
                let renamed = |item: &Spanned<Tree>| Spanned::new(renamed(&item.value, step, names), item.span);
                Tree::List(items.iter().map(renamed).collect())
            }
            ("ItemProcessor", inner) => renamed(inner, step, names),
            ("States", Tree::Map(states)) => {
                let states = states.iter().map(|(name, state)| {
                    let full = prefixed(step, name);
                    names.push(full.clone());
                    let inner = Spanned::new(renamed(&state.value, step, names), state.span);
                    (Spanned::new(full, name.span), inner)
                });
                Tree::Map(SpannedMap(states.collect()))
            }
            (_, other) => other.clone(),
        };
        (key.clone(), Spanned::new(tree, value.span))
    };
    Tree::Map(SpannedMap(fields.iter().map(|field| entry(field, names)).collect()))
}

fn is_distributed(processor: &Spanned<Tree>) -> bool {
    let Tree::Map(fields) = &processor.value else { return false };
    let Some(Spanned { value: Tree::Map(config), .. }) = fields.get("ProcessorConfig") else { return false };
    text(config, "Mode").is_some_and(|(mode, _)| mode == "DISTRIBUTED")
}

fn mapping<'a>(tree: &'a Spanned<Tree>, what: &str, findings: &mut Findings) -> Option<&'a Fields> {
    match &tree.value {
        Tree::Map(fields) => Some(fields),
        Tree::Scalar(_) | Tree::List(_) => {
            findings.push(bad(tree.span, format!("{what} must be a mapping")));
            None
        }
    }
}

fn key<'a>(fields: &'a Fields, name: &str) -> Option<&'a Spanned<String>> {
    fields.iter().map(|(key, _)| key).find(|key| key.value == name)
}

fn text<'a>(fields: &'a Fields, name: &str) -> Option<(&'a str, Span)> {
    match fields.get(name) {
        Some(Spanned { value: Tree::Scalar(Value::String(text)), span }) => Some((text, *span)),
        _ => None,
    }
}

fn bad(span: Span, message: impl Into<String>) -> Finding {
    Finding::at(Code::BadState, span, message, "")
}

fn json_path(name: &Spanned<String>, instead: &str) -> Finding {
    let instead = if instead.contains('`') { instead.to_owned() } else { format!("`{instead}`") };
    Finding::at(Code::JsonPath, name.span, format!("`{}` belongs to JSONPath", name.value), "")
        .why("the pipeline's machine speaks JSONata, and one state cannot speak both")
        .help(format!("write {instead}, in JSONata: `\"{{% $states.input.key %}}\"`"))
}
