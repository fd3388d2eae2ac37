//! IAM statements as sets of what they grant.
//!
//! In come policy documents as JSON; out come grants, and whether one covers another. The order of statements, actions and
//! resources means nothing; wildcards mean what IAM says. It refuses to know whose policy it is.
//!
//! What [`covers`] says is never wrong when it says yes; a no may be a yes that only an evaluation of conditions would find.

use std::collections::BTreeMap;

use serde_json::Value;

use super::values::{canonical, text};

/// One action on one resource (or for one principal), under a condition.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Grant {
    /// Whether it allows; else it denies.
    pub allows: bool,
    /// `s3:GetObject`; with a mark before it where the statement says NotAction.
    pub action: Pattern,
    /// A resource, or for a resource's own policy or a trust policy, a principal.
    pub on: Pattern,
    /// What must hold: operator, key, values.
    pub conditions: Vec<(String, String, Vec<String>)>,
    /// The name of its statement.
    pub sid: String,
}

/// A text with wildcards, or everything that another does not match.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Pattern {
    /// `*` is any text, `?` any letter.
    These(String),
    /// `NotAction`, `NotResource`, `NotPrincipal`.
    AllBut(Vec<String>),
}

impl Pattern {
    pub fn words(&self) -> String {
        match self {
            Pattern::These(text) => text.clone(),
            Pattern::AllBut(list) => format!("everything but {}", list.join(", ")),
        }
    }

    fn covers(&self, other: &Pattern, fold: bool) -> bool {
        match (self, other) {
            (Pattern::These(one), Pattern::These(other)) if fold => {
                matches(&one.to_ascii_lowercase(), &other.to_ascii_lowercase())
            }
            (Pattern::These(one), Pattern::These(other)) => matches(one, other),
            (Pattern::These(one), Pattern::AllBut(_)) => one == "*",
            (Pattern::AllBut(one), Pattern::AllBut(other)) => one == other,
            (Pattern::AllBut(_), Pattern::These(_)) => false,
        }
    }
}

impl Grant {
    /// Whether whatever this is about is about this one too.
    pub fn covers(&self, other: &Grant) -> bool {
        self.allows == other.allows
            && self.action.covers(&other.action, true)
            && self.on.covers(&other.on, false)
            && self.conditions.iter().all(|condition| implied(condition, &other.conditions))
    }

    /// `StringEquals aws:ResourceAccount ${AWS::AccountId}`, joined by `and`.
    pub fn condition(&self) -> String {
        let one = |(operator, key, values): &(String, String, Vec<String>)| {
            format!("{operator} {key} {}", values.join(" or "))
        };
        self.conditions.iter().map(one).collect::<Vec<_>>().join(" and ")
    }
}

/// Operators under which a request passes if one of the values fits, so that fewer values are a stronger condition.
/// <https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_elements_condition_operators.html>.
const ANY_OF: [&str; 7] =
    ["StringEquals", "StringEqualsIgnoreCase", "StringLike", "ArnEquals", "ArnLike", "NumericEquals", "IpAddress"];

/// Whether a condition holds wherever all of these hold.
fn implied((operator, key, values): &(String, String, Vec<String>), given: &[(String, String, Vec<String>)]) -> bool {
    let plain = operator.trim_end_matches("IfExists").trim_start_matches("ForAnyValue:");
    let wild = plain.ends_with("Like") || plain.starts_with("Arn");
    let fits = |value: &String| values.iter().any(|own| own == value || (wild && matches(own, value)));
    given.iter().filter(|(_, other, _)| other.eq_ignore_ascii_case(key)).any(|(stronger, _, theirs)| {
        let same = stronger == operator || (stronger == plain && operator.ends_with("IfExists"));
        let equal_is_like = stronger == "StringEquals" && plain == "StringLike";
        if !same && !equal_is_like {
            return false;
        }
        if ANY_OF.contains(&plain) { theirs.iter().all(fits) } else { theirs == values }
    })
}

/// Whether every text that the second pattern matches is matched by the first: a `*` of the second is matched by a `*` of
/// the first only.
pub(super) fn matches(pattern: &str, text: &str) -> bool {
    let pattern: Vec<char> = pattern.chars().collect();
    let text: Vec<char> = text.chars().collect();
    // Greedy with one way back, to the last star: linear but for that, and never exponential.
    let (mut at, mut seen) = (0, 0);
    let mut back: Option<(usize, usize)> = None;
    while let Some(letter) = text.get(seen) {
        match pattern.get(at) {
            Some('*') => {
                back = Some((at, seen));
                at += 1;
            }
            Some(own) if own == letter || (*own == '?' && *letter != '*') => {
                at += 1;
                seen += 1;
            }
            _ => match back {
                Some((star, from)) => {
                    back = Some((star, from + 1));
                    (at, seen) = (star + 1, from + 1);
                }
                None => return false,
            },
        }
    }
    pattern.iter().skip(at).all(|rest| *rest == '*')
}

/// Every grant in every policy document anywhere in a resource's properties.
pub(super) fn grants(properties: &Value) -> Vec<Grant> {
    let mut found = Vec::new();
    collect(properties, &mut found);
    found
}

fn collect(value: &Value, found: &mut Vec<Grant>) {
    match value {
        Value::Object(map) => {
            if let Some(statements) = map.get("Statement") {
                list(statements).into_iter().for_each(|statement| of_statement(statement, found));
                return;
            }
            map.values().for_each(|inner| collect(inner, found));
        }
        Value::Array(items) => items.iter().for_each(|inner| collect(inner, found)),
        // A policy may come as a text.
        Value::String(text) if text.contains("\"Statement\"") => {
            if let Ok(inner) = serde_json::from_str::<Value>(text) {
                collect(&inner, found);
            }
        }
        Value::String(_) | Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

fn list(value: &Value) -> Vec<&Value> {
    match value {
        Value::Array(items) => items.iter().collect(),
        one => vec![one],
    }
}

fn of_statement(statement: &Value, found: &mut Vec<Grant>) {
    let allows = match statement.get("Effect").and_then(Value::as_str) {
        Some("Allow") => true,
        Some("Deny") => false,
        _ => return,
    };
    let conditions = conditions(statement.get("Condition"));
    let sid = statement.get("Sid").and_then(Value::as_str).unwrap_or_default().to_owned();
    let everything = vec![Pattern::These("*".to_owned())];
    let actions = patterns(statement, "Action", "NotAction").unwrap_or_default();
    let principals = patterns(statement, "Principal", "NotPrincipal");
    let resources = patterns(statement, "Resource", "NotResource");
    for action in &actions {
        for on in principals.as_ref().or(resources.as_ref()).unwrap_or(&everything) {
            found.push(Grant {
                allows,
                action: action.clone(),
                on: on.clone(),
                conditions: conditions.clone(),
                sid: sid.clone(),
            });
        }
    }
}

fn patterns(statement: &Value, key: &str, not: &str) -> Option<Vec<Pattern>> {
    if let Some(value) = statement.get(key) {
        return Some(words(value).into_iter().map(Pattern::These).collect());
    }
    let mut list = words(statement.get(not)?);
    list.sort();
    Some(vec![Pattern::AllBut(list)])
}

/// A text, a list of texts, or a mapping of principals.
fn words(value: &Value) -> Vec<String> {
    match value {
        Value::Array(items) => items.iter().flat_map(words).collect(),
        Value::Object(map)
            if map.keys().any(|key| ["AWS", "Service", "Federated", "CanonicalUser"].contains(&key.as_str())) =>
        {
            map.values().flat_map(words).collect()
        }
        other => vec![text(other)],
    }
}

fn conditions(value: Option<&Value>) -> Vec<(String, String, Vec<String>)> {
    let mut sorted: BTreeMap<(String, String), Vec<String>> = BTreeMap::new();
    for (operator, keys) in value.and_then(Value::as_object).into_iter().flatten() {
        for (key, values) in keys.as_object().into_iter().flatten() {
            let mut values: Vec<String> = list(values).into_iter().map(|value| text(&canonical(value))).collect();
            values.sort();
            sorted.insert((operator.clone(), key.clone()), values);
        }
    }
    sorted.into_iter().map(|((operator, key), values)| (operator, key, values)).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn one(action: &str, resource: &str, condition: Value) -> Grant {
        let statement = json!({ "Effect": "Allow", "Action": action, "Resource": resource, "Condition": condition });
        grants(&json!({ "Statement": [statement] })).remove(0)
    }

    #[test]
    fn wildcards_cover_what_they_match() {
        for (wide, narrow, covered) in [
            ("s3:Get*", "s3:GetObject", true),
            ("s3:Get*", "s3:getobject", true),
            ("s3:GetObject", "s3:Get*", false),
            ("*", "s3:*", true),
            ("s3:*Object", "s3:Get*Object", true),
            ("s3:Get?bject", "s3:GetObject", true),
            ("s3:Get?bject", "s3:Get*bject", false),
            ("s3:*", "sqs:SendMessage", false),
        ] {
            assert_eq!(one(wide, "*", json!({})).covers(&one(narrow, "*", json!({}))), covered, "{wide} {narrow}");
        }
        let bucket = one("s3:GetObject", "arn:aws:s3:::b/*", json!({}));
        assert!(bucket.covers(&one("s3:GetObject", "arn:aws:s3:::b/data/*", json!({}))));
        assert!(!bucket.covers(&one("s3:GetObject", "arn:aws:s3:::B/x", json!({}))), "resources have a case");
    }

    #[test]
    fn fewer_conditions_and_more_values_are_wider() {
        let free = one("a:b", "*", json!({}));
        let bound = one("a:b", "*", json!({ "StringEquals": { "aws:ResourceAccount": "1" } }));
        let either = one("a:b", "*", json!({ "StringEquals": { "aws:resourceaccount": ["2", "1"] } }));
        assert!(free.covers(&bound) && !bound.covers(&free));
        assert!(either.covers(&bound) && !bound.covers(&either));
        let like = one("a:b", "*", json!({ "StringLike": { "s3:prefix": ["data/*"] } }));
        let exact = one("a:b", "*", json!({ "StringEquals": { "s3:prefix": "data/x" } }));
        assert!(like.covers(&exact) && !exact.covers(&like));
        let not = one("a:b", "*", json!({ "StringNotEquals": { "k": ["1", "2"] } }));
        assert!(!not.covers(&one("a:b", "*", json!({ "StringNotEquals": { "k": ["1"] } }))));
    }

    #[test]
    fn a_long_pattern_takes_no_long_time() {
        assert!(!matches(&format!("{}b", "*a".repeat(60)), &"a".repeat(2_000)));
        assert!(matches("a*b*c", "a-b-b-c"));
        assert!(!matches("a*b", "a-c"));
    }

    #[test]
    fn everything_but_is_kept_apart() {
        let statement = json!({ "Effect": "Allow", "NotAction": ["iam:*"], "Resource": "*" });
        let grant = grants(&json!({ "Statement": statement })).remove(0);
        assert_eq!(grant.action.words(), "everything but iam:*");
        assert!(one("*", "*", json!({})).covers(&grant));
        assert!(!grant.covers(&one("s3:GetObject", "*", json!({}))));
    }
}
