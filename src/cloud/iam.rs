//! What a role may do, asked of IAM itself.
//!
//! In come a role and a policy that it needs; out come the actions that it is not allowed. IAM's simulator judges, so
//! every policy of the role counts, its boundary too. It refuses to know what the role is for.
//! <https://docs.aws.amazon.com/IAM/latest/APIReference/API_SimulatePrincipalPolicy.html>

use serde_json::Value;

use crate::cloud::failure::CloudResult;
use crate::cloud::query::{self, AnyNamespace, Service, text};
use crate::cloud::session::Session;

const IAM: Service = Service { name: "iam", version: "2010-05-08", global: true };

/// An action that a role lacks, and on what.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Missing {
    /// `s3:GetObject`.
    pub action: String,
    /// The ARN, or `*`.
    pub resource: String,
    /// Whether some policy denies it, so that allowing it does not help.
    pub denied: bool,
}

/// The actions of a policy that the role is not allowed, each with its resource.
///
/// # Errors
/// Whatever AWS refuses; the caller may not be allowed to simulate.
pub async fn missing(session: &Session, role: &str, policy: &Value) -> CloudResult<Vec<Missing>> {
    let mut missing = Vec::new();
    for statement in policy.get("Statement").and_then(Value::as_array).into_iter().flatten() {
        let parameters = parameters(role, statement);
        let borrowed: Vec<(&str, &str)> =
            parameters.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        let answer = query::query(session, &IAM, "SimulatePrincipalPolicy", &borrowed).await?;
        missing.extend(refused(&answer));
    }
    missing.sort();
    missing.dedup();
    Ok(missing)
}

/// One statement as a question: all its actions on all its resources, in the context that its conditions ask for.
fn parameters(role: &str, statement: &Value) -> Vec<(String, String)> {
    let mut parameters = vec![("PolicySourceArn".to_owned(), role.to_owned())];
    let mut list = |name: &str, values: Vec<String>| {
        let numbered = values.into_iter().enumerate().map(|(at, value)| (format!("{name}.member.{}", at + 1), value));
        parameters.extend(numbered);
    };
    list("ActionNames", texts(statement.get("Action")));
    list("ResourceArns", texts(statement.get("Resource")));
    let operators = statement.get("Condition").and_then(Value::as_object).into_iter().flatten();
    let conditions: Vec<(&String, &Value)> = operators.filter_map(|(_, keys)| keys.as_object()).flatten().collect();
    for (at, (key, value)) in conditions.iter().enumerate() {
        let entry = format!("ContextEntries.member.{}", at + 1);
        parameters.push((format!("{entry}.ContextKeyName"), (*key).clone()));
        parameters.push((format!("{entry}.ContextKeyType"), "string".to_owned()));
        // Any of the values fulfils the condition.
        let value = texts(Some(value)).into_iter().next().unwrap_or_default();
        parameters.push((format!("{entry}.ContextKeyValues.member.1"), value));
    }
    parameters
}

fn texts(value: Option<&Value>) -> Vec<String> {
    match value {
        Some(Value::String(text)) => vec![text.clone()],
        Some(Value::Array(items)) => items.iter().filter_map(Value::as_str).map(str::to_owned).collect(),
        _ => Vec::new(),
    }
}

/// What the simulator did not allow.
fn refused(xml: &str) -> Vec<Missing> {
    let Ok(document) = roxmltree::Document::parse(xml) else { return Vec::new() };
    let results = document.descendants().filter(|node| {
        node.has_tag_name_in("member") && node.children().any(|child| child.has_tag_name_in("EvalActionName"))
    });
    let mut missing = Vec::new();
    for result in results {
        let action = text(result, "EvalActionName").unwrap_or_default();
        let specific = result.children().find(|child| child.has_tag_name_in("ResourceSpecificResults"));
        let members: Vec<_> =
            specific.iter().flat_map(|list| list.children()).filter(|node| node.has_tag_name_in("member")).collect();
        let judged: Vec<(Option<String>, Option<String>)> = match members.is_empty() {
            true => vec![(text(result, "EvalResourceName"), text(result, "EvalDecision"))],
            false => members
                .iter()
                .map(|member| (text(*member, "EvalResourceName"), text(*member, "EvalResourceDecision")))
                .collect(),
        };
        for (resource, decision) in judged {
            let decision = decision.unwrap_or_default();
            if decision != "allowed" {
                let resource = resource.unwrap_or_else(|| "*".to_owned());
                missing.push(Missing { action: action.clone(), resource, denied: decision == "explicitDeny" });
            }
        }
    }
    missing
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_statement_is_asked_as_a_whole() {
        let statement = json!({
            "Action": ["s3:GetObject"], "Resource": "arn:aws:s3:::a/*",
            "Condition": { "StringEquals": { "aws:ResourceAccount": "1" } },
        });
        let asked: Vec<String> = parameters("arn:aws:iam::1:role/r", &statement)
            .iter()
            .map(|(name, value)| format!("{name}={value}"))
            .collect();
        assert_eq!(
            asked,
            [
                "PolicySourceArn=arn:aws:iam::1:role/r",
                "ActionNames.member.1=s3:GetObject",
                "ResourceArns.member.1=arn:aws:s3:::a/*",
                "ContextEntries.member.1.ContextKeyName=aws:ResourceAccount",
                "ContextEntries.member.1.ContextKeyType=string",
                "ContextEntries.member.1.ContextKeyValues.member.1=1",
            ]
        );
    }

    #[test]
    fn what_is_not_allowed_is_missing() {
        let xml = "<SimulatePrincipalPolicyResponse xmlns=\"https://iam.amazonaws.com/doc/2010-05-08/\"><SimulatePrincipalPolicyResult><EvaluationResults>\
            <member><EvalActionName>s3:GetObject</EvalActionName><EvalResourceName>a</EvalResourceName><EvalDecision>allowed</EvalDecision></member>\
            <member><EvalActionName>s3:PutObject</EvalActionName><EvalResourceName>a</EvalResourceName><EvalDecision>implicitDeny</EvalDecision></member>\
            <member><EvalActionName>s3:DeleteObject</EvalActionName><EvalDecision>explicitDeny</EvalDecision><ResourceSpecificResults>\
            <member><EvalResourceName>b</EvalResourceName><EvalResourceDecision>explicitDeny</EvalResourceDecision></member>\
            <member><EvalResourceName>c</EvalResourceName><EvalResourceDecision>allowed</EvalResourceDecision></member>\
            </ResourceSpecificResults></member></EvaluationResults></SimulatePrincipalPolicyResult></SimulatePrincipalPolicyResponse>";
        let found: Vec<String> = refused(xml)
            .iter()
            .map(|missing| format!("{} {} {}", missing.action, missing.resource, missing.denied))
            .collect();
        assert_eq!(found, ["s3:PutObject a false", "s3:DeleteObject b true"]);
    }
}
