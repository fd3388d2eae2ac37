//! `state`: one state in Amazon States Language, as its author wrote it, with the permissions that it needs.
//!
//! It stands alone in a branch of a Parallel, so that its variables, retries and output are its own; what it returns is the
//! step's output. Failures have the names that Step Functions gives them.

use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::{Argument, Bench, Kind, KindOfStep, Output, RunsOn, Tree, Work, any, asl};
use crate::control::render::late;
use crate::documents::policy::Statement;
use crate::documents::states::{Enclosed, code};
use crate::documents::template::sub;
use crate::source::{self, Code, Finding, Findings, Spanned, SpannedMap};

/// Runs one state that you write yourself.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct RawState {
    /// The state in Amazon States Language, JSONata, without `Next` and `End`. Texts may hold `{{ }}`.
    #[schemars(extend("type" = "object"))]
    pub definition: Spanned<source::Tree>,
    /// What the state machine must be allowed for it.
    #[serde(default)]
    pub permissions: Vec<Spanned<Permission>>,
}

/// What the state machine's role is allowed.
#[derive(Clone, Debug, PartialEq, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Permission {
    /// IAM actions: `sns:Publish`.
    pub actions: Vec<Spanned<String>>,
    /// ARNs, in which `${AWS::Region}` and `${AWS::AccountId}` may stand; or `*`, with a reason.
    pub resources: Vec<Spanned<String>>,
    /// IAM conditions: `StringEquals: { "aws:ResourceAccount": "${AWS::AccountId}" }`.
    #[serde(default)]
    pub conditions: SpannedMap<SpannedMap<Spanned<String>>>,
    /// Why its resource is `*`; printed in the template.
    pub reason: Option<Spanned<String>>,
}

/// See [`super::KINDS`].
pub const KIND: KindOfStep = KindOfStep { key: "state", templates: &["definition.**"], integrations: &[] };

impl RawState {
    /// Whether it can have a time limit: only a task can.
    pub fn is_task(&self) -> bool {
        matches!(&self.definition.value, source::Tree::Map(fields)
            if fields.get("Type").is_some_and(|kind| kind.value == source::Tree::Scalar(json!("Task"))))
    }
}

/// Reports permissions that IAM would refuse, and tasks that evidently need more. `of_type`: whether resources may name
/// parameters of a step type.
pub(super) fn check_permissions(
    definition: &source::Tree,
    permissions: &[Spanned<Permission>],
    of_type: bool,
    findings: &mut Findings,
) {
    permissions.iter().for_each(|permission| permission.check(permission.span, of_type, findings));
    for (resource, span) in asl::resources(definition) {
        let Some(action) = asl::action(resource) else { continue };
        let allowed = permissions.iter().flat_map(|permission| &permission.actions);
        if !allowed.into_iter().any(|given| covers(given, &action)) {
            findings.push(
                Finding::at(Code::PermissionMissing, span, format!("`{action}` is not among the permissions"), "")
                    .warning()
                    .why("the state machine's role may do only what its steps name, so the call would be denied")
                    .help(format!(
                        "add `permissions: [{{ actions: [\"{action}\"], resources: [\"arn:…\"] }}]` with the ARN that it is about"
                    )),
            );
        }
    }
}

/// The id of a step's statement.
pub(super) fn of_step(step: &str, at: usize) -> String {
    let words = step.split('-').map(|word| {
        let (first, rest) = word.split_at(1.min(word.len()));
        first.to_ascii_uppercase() + rest
    });
    format!("Step{}{}", words.collect::<String>(), at + 1)
}

impl Permission {
    /// Texts in which a step type may name its parameters.
    pub(super) fn texts(&self) -> impl Iterator<Item = &Spanned<String>> {
        let values = self.conditions.iter().flat_map(|(_, keys)| keys.iter().map(|(_, value)| value));
        self.resources.iter().chain(values)
    }

    fn check(&self, span: crate::source::Span, of_type: bool, findings: &mut Findings) {
        let at = |span, message: String| Finding::at(Code::BadPermission, span, message, "");
        for (list, what) in [(&self.actions, "actions"), (&self.resources, "resources")] {
            if list.is_empty() {
                findings.push(at(span, format!("this permission names no {what}")));
            }
        }
        for action in &self.actions {
            let plain = |text: &str| {
                !text.is_empty()
                    && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'*')
            };
            if !action.split_once(':').is_some_and(|(service, name)| plain(service) && plain(name) && service != "*") {
                findings.push(
                    at(action.span, format!("`{}` is not an IAM action", action.value))
                        .help("write service and action, such as `sns:Publish`"),
                );
            }
        }
        for resource in &self.resources {
            if resource.value == "*" && self.reason.is_none() {
                findings.push(
                    at(resource.span, "`*` needs a reason".to_owned())
                        .why("it allows the actions on everything in the account")
                        .help("name ARNs, or add `reason: …`, such as \"ListClusters takes no resource\""),
                );
            } else if resource.value != "*"
                && !resource.starts_with("arn:")
                && !(of_type && resource.starts_with("${with."))
            {
                findings.push(
                    at(resource.span, format!("`{}` is not an ARN", resource.value))
                        .help("write one such as `arn:aws:sns:${AWS::Region}:${AWS::AccountId}:topic`"),
                );
            }
        }
    }

    /// The statement of a policy; `with` is what a step gives for a parameter of a step type.
    pub(super) fn statement(&self, sid: String, with: &dyn Fn(&str) -> Option<String>) -> Statement {
        let actions = self.actions.iter().map(|action| action.value.clone());
        let mut statement = Statement::of_user(sid, actions, self.reason.as_ref().map(|reason| reason.value.clone()));
        for resource in &self.resources {
            statement = statement.on(with_aws(&given(resource, with)));
        }
        for (operator, keys) in self.conditions.iter() {
            for (key, value) in keys.iter() {
                statement = statement.when(operator.value.clone(), key.value.clone(), with_aws(&given(value, with)));
            }
        }
        statement
    }
}

/// A text with what a step gives in the place of `${with.name}`.
fn given(text: &str, with: &dyn Fn(&str) -> Option<String>) -> String {
    let mut parts = text.split("${with.");
    let mut out = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        match part.split_once('}').and_then(|(name, rest)| Some((with(name)?, rest))) {
            Some((value, rest)) => out.extend([value.as_str(), rest]),
            None => out.extend(["${with.", part]),
        }
    }
    out
}

/// A user's text in which CloudFormation fills in `${AWS::…}` and nothing else.
fn with_aws(text: &str) -> Value {
    if text.contains("${AWS::") { sub(text.replace("${", "${!").replace("${!AWS::", "${AWS::")) } else { json!(text) }
}

/// The same where the tree's texts name the account or the region.
pub(super) fn of_account(tree: Tree) -> Tree {
    match tree {
        Tree::Text(Argument::Users(text)) if text.contains("${AWS::") => {
            Tree::Text(Argument::Own(text.replace("${", "${!").replace("${!AWS::", "${AWS::")))
        }
        Tree::Text(_) | Tree::Typed(_) | Tree::Fixed(_) => tree,
        Tree::List(items) => Tree::List(items.into_iter().map(of_account).collect()),
        Tree::Map(entries) => Tree::Map(entries.into_iter().map(|(key, value)| (key, of_account(value))).collect()),
    }
}

/// Whether an action of a policy, perhaps with `*`, includes this one.
fn covers(given: &str, action: &str) -> bool {
    let (given, action) = (given.to_ascii_lowercase(), action.to_ascii_lowercase());
    let mut parts = given.split('*');
    let first = parts.next().unwrap_or_default();
    let Some(mut rest) = action.strip_prefix(first) else { return false };
    let mut open = false;
    for part in parts {
        let Some(at) = rest.find(part) else { return false };
        rest = rest.get(at + part.len()..).unwrap_or_default();
        open = part.is_empty();
    }
    rest.is_empty() || open
}

impl Kind for RawState {
    fn check(&self, findings: &mut Findings) {
        asl::check_step(&self.definition, findings);
        any::check_keys(&self.definition.value, findings);
        check_permissions(&self.definition.value, &self.permissions, false, findings);
    }

    fn runs_on(&self) -> RunsOn {
        RunsOn::Nothing
    }

    fn output(&self) -> Output {
        Output::Result("$states.result[0]")
    }

    fn texts(&self) -> Vec<&Spanned<String>> {
        Vec::new()
    }

    fn values(&self) -> Vec<&Spanned<source::Tree>> {
        vec![&self.definition]
    }

    fn work(&self, bench: &mut Bench<'_>) -> Option<Work> {
        for (at, permission) in self.permissions.iter().enumerate() {
            bench.statements.push(permission.statement(of_step(bench.step, at), &|_| None));
        }
        let name = asl::prefixed(bench.step, "state");
        let mut names = vec![name.clone()];
        let definition = asl::renamed(&self.definition.value, bench.step, &mut names);
        let reads = any::texts(&self.definition).iter().any(|text| !late::of(text.value).is_empty());
        // Inside the branch, what other steps have put out is in a variable only.
        bench.enclosed = true;
        let mut state = bench.typed("definition", of_account(Tree::from(&definition)));
        bench.enclosed = false;
        if let Some(fields) = state.as_object_mut() {
            fields.insert("End".to_owned(), json!(true));
        }
        let mut states = Map::new();
        let mut start = name.clone();
        if reads {
            start = asl::prefixed(bench.step, "results");
            names.push(start.clone());
            let results = if bench.siblings.is_some() { "$merge([$results, $states.input])" } else { "$states.input" };
            let assign = json!({ "given": code(results) });
            let pass = json!({ "Type": "Pass", "Assign": assign, "Output": {}, "Next": name });
            states.insert(start.clone(), pass);
        }
        states.insert(name, state);
        let branch = json!({ "StartAt": start, "States": states });
        let given = if reads { json!(code("$states.input")) } else { json!({}) };
        Some(Work::Enclosed(Box::new(Enclosed::new(branch, names, given))))
    }
}

#[cfg(test)]
mod tests {
    use super::covers;

    #[test]
    fn actions_are_covered_by_patterns() {
        assert!(covers("sns:Publish", "sns:Publish"));
        assert!(covers("sns:publish", "sns:Publish"));
        assert!(covers("s3:*", "s3:GetObject"));
        assert!(covers("s3:Get*", "s3:GetObject"));
        assert!(covers("s3:*Object", "s3:GetObject"));
        assert!(!covers("s3:Put*", "s3:GetObject"));
        assert!(!covers("s3:Get", "s3:GetObject"));
    }
}
