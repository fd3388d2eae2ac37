//! IAM policies: statements that name their resources, or say why they cannot.
//!
//! In come actions, resources and conditions; out come policy documents and the reason of every `*`. It refuses to know whose
//! policy it is.

use std::borrow::Cow;

use serde_json::{Map, Value, json};

use super::object;

/// One `Allow` statement.
#[derive(Clone, Debug, PartialEq)]
pub struct Statement {
    sid: String,
    actions: Vec<Cow<'static, str>>,
    resources: Vec<Value>,
    conditions: Vec<(Cow<'static, str>, String, Value)>,
    reason: Option<Cow<'static, str>>,
}

impl Statement {
    /// Allows actions on nothing yet. Finish with [`on`](Self::on) or [`everywhere`](Self::everywhere).
    pub fn allow(sid: impl Into<String>, actions: &[&'static str]) -> Self {
        let actions = actions.iter().map(|action| Cow::Borrowed(*action)).collect();
        Self { sid: sid.into(), actions, resources: Vec::new(), conditions: Vec::new(), reason: None }
    }

    /// The same for actions that a user has named, with the user's reason for a `*`.
    pub fn of_user(sid: impl Into<String>, actions: impl Iterator<Item = String>, reason: Option<String>) -> Self {
        Self { actions: actions.map(Cow::Owned).collect(), reason: reason.map(Cow::Owned), ..Self::allow(sid, &[]) }
    }

    /// On this resource as well.
    #[must_use]
    pub fn on(mut self, resource: Value) -> Self {
        self.resources.push(resource);
        self
    }

    /// Whether this resource is among its own.
    pub fn has(&self, resource: &Value) -> bool {
        self.resources.contains(resource)
    }

    /// On `*`, with the reason why nothing narrower is possible. The reason is printed in the template's metadata.
    #[must_use]
    pub fn everywhere(mut self, reason: &'static str) -> Self {
        self.resources.push(json!("*"));
        self.reason = Some(Cow::Borrowed(reason));
        self
    }

    /// Only under this condition.
    #[must_use]
    pub fn when(
        mut self,
        operator: impl Into<Cow<'static, str>>,
        key: impl Into<String>,
        value: impl Into<Value>,
    ) -> Self {
        self.conditions.push((operator.into(), key.into(), value.into()));
        self
    }

    /// Its name.
    pub fn sid(&self) -> &str {
        &self.sid
    }

    /// Why its resource is `*`.
    pub fn reason(&self) -> Option<&str> {
        self.reason.as_deref()
    }

    /// The statement as JSON. One resource or action is written without a list.
    pub fn to_value(&self) -> Value {
        let mut conditions: Map<String, Value> = Map::new();
        for (operator, key, value) in &self.conditions {
            let keys = conditions.entry(operator.to_string()).or_insert_with(|| json!({}));
            if let Some(keys) = keys.as_object_mut() {
                keys.insert(key.clone(), value.clone());
            }
        }
        object([
            ("Sid", json!(self.sid)),
            ("Effect", json!("Allow")),
            ("Action", one_or_many(self.actions.iter().map(|action| json!(action)).collect())),
            ("Resource", one_or_many(self.resources.clone())),
            ("Condition", if conditions.is_empty() { Value::Null } else { Value::Object(conditions) }),
        ])
    }
}

fn one_or_many(mut values: Vec<Value>) -> Value {
    if values.len() == 1 { values.remove(0) } else { Value::Array(values) }
}

/// The statements, those of one name and one condition joined into one with the resources of all.
pub fn joined(statements: impl IntoIterator<Item = Statement>) -> Vec<Statement> {
    let mut joined: Vec<Statement> = Vec::new();
    for statement in statements {
        let same = |other: &&mut Statement| other.sid == statement.sid && other.conditions == statement.conditions;
        match joined.iter_mut().find(same) {
            None => joined.push(statement),
            Some(other) => {
                other.actions.extend(
                    statement
                        .actions
                        .iter()
                        .filter(|action| !other.actions.contains(action))
                        .cloned()
                        .collect::<Vec<_>>(),
                );
                for resource in statement.resources {
                    if !other.has(&resource) {
                        other.resources.push(resource);
                    }
                }
            }
        }
    }
    joined
}

/// A policy document of these statements.
pub fn document(statements: &[Statement]) -> Value {
    json!({ "Version": "2012-10-17", "Statement": statements.iter().map(Statement::to_value).collect::<Vec<_>>() })
}

/// The reasons of all statements on `*`, by statement name.
pub fn reasons(statements: &[Statement]) -> Map<String, Value> {
    let with_reason =
        statements.iter().filter_map(|statement| Some((statement.sid.clone(), json!(statement.reason()?))));
    with_reason.collect()
}

/// Lets a service assume a role on behalf of this account only:
/// <https://docs.aws.amazon.com/IAM/latest/UserGuide/confused-deputy.html>.
pub fn trust(service: &str, conditions: Option<Value>) -> Value {
    let statement = object([
        ("Effect", json!("Allow")),
        ("Principal", json!({ "Service": service })),
        ("Action", json!("sts:AssumeRole")),
        ("Condition", conditions.unwrap_or(Value::Null)),
    ]);
    json!({ "Version": "2012-10-17", "Statement": [statement] })
}

/// Lets several services assume a role.
pub fn trust_all(services: &[&str]) -> Value {
    let principals = one_or_many(services.iter().map(|service| json!(service)).collect());
    let statement = object([
        ("Effect", json!("Allow")),
        ("Principal", json!({ "Service": principals })),
        ("Action", json!("sts:AssumeRole")),
    ]);
    json!({ "Version": "2012-10-17", "Statement": [statement] })
}

/// What IAM counts of an inline policy: its characters without whitespace, in the partition, region and account with the
/// longest names.
pub fn size(document: &Value) -> usize {
    resolved(document).to_string().chars().filter(|character| !character.is_whitespace()).count()
}

/// The document as CloudFormation would hand it to IAM.
fn resolved(value: &Value) -> Value {
    const ROLE: &str =
        "arn:aws-us-gov:iam::000000000000:role/dpc-a-name-that-is-made-by-cloudformation-has-at-most-64-chars";
    match value {
        Value::Array(items) => items.iter().map(resolved).collect(),
        Value::Object(entries) => match entries.iter().next() {
            Some((key, Value::String(text))) if key == "Fn::Sub" => json!(
                text.replace("${AWS::Partition}", "aws-us-gov")
                    .replace("${AWS::Region}", "ap-southeast-2")
                    .replace("${AWS::AccountId}", "000000000000")
            ),
            Some((key, _)) if key == "Ref" => json!("000000000000"),
            Some((key, _)) if key == "Fn::GetAtt" => json!(ROLE),
            Some(_) | None => entries.iter().map(|(key, value)| (key.clone(), resolved(value))).collect(),
        },
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => value.clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_star_carries_its_reason() {
        let statement = Statement::allow("DeliverLogs", &["logs:CreateLogDelivery"]).everywhere("no resource types");
        assert_eq!(reasons(std::slice::from_ref(&statement)).get("DeliverLogs"), Some(&json!("no resource types")));
        assert_eq!(statement.to_value().get("Resource"), Some(&json!("*")));
    }

    #[test]
    fn a_policy_is_measured_as_iam_sees_it() {
        let document = json!({ "Resource": { "Fn::Sub": "arn:${AWS::Partition}:s3:::b" }, "Account": { "Ref": "AWS::AccountId" } });
        assert_eq!(size(&document), r#"{"Resource":"arn:aws-us-gov:s3:::b","Account":"000000000000"}"#.len());
    }

    #[test]
    fn conditions_of_one_operator_stand_together() {
        let statement = Statement::allow("Read", &["s3:GetObject"])
            .on(json!("arn:aws:s3:::a/*"))
            .when("StringEquals", "aws:ResourceAccount", "1")
            .when("StringEquals", "aws:PrincipalTag/x", "2");
        let value = statement.to_value();
        assert_eq!(value.pointer("/Condition/StringEquals").and_then(Value::as_object).map(Map::len), Some(2));
        assert_eq!(value.get("Action"), Some(&json!("s3:GetObject")));
    }
}
