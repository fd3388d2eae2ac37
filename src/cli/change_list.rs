//! A change set as a table, and the question whether to make it: what is done to which resource, what it is for, and
//! what to look at twice.
//!
//! In come changes and purposes; out come lines and a yes or no. Marked are resources that AWS makes anew and roles that
//! may do more than before.

use std::collections::BTreeSet;

use serde_json::Value;

use super::Terminal;
use super::aws::{Here, Tone, count, not_asked, paint};
use super::stack_progress::Purposes;
use crate::cloud::stack::{Action, Change, ChangeSet, Replacement, changes};
use crate::cloud::{CloudResult, Session};

/// The question whether to make a change set.
pub struct Question<'a> {
    /// The environment that is changed.
    pub here: &'a Here,
    /// Its session.
    pub session: &'a Session,
    /// Whom to ask.
    pub terminal: &'a Terminal,
    /// What is changed, by its name.
    pub subject: &'a str,
    /// What is done to it: `Deploy`.
    pub verb: &'static str,
    /// The command that asks.
    pub command: &'static str,
    /// What the change means, beside what is done to which resource.
    pub meaning: Vec<String>,
}

impl Question<'_> {
    /// Shows the changes, and asks unless `yes` has been said. What is not wanted is discarded, and so is what nobody can
    /// be asked about.
    ///
    /// # Errors
    /// Nobody to ask, and whatever AWS refuses.
    pub async fn agreed(&self, set: &ChangeSet, purposes: &Purposes, yes: bool) -> CloudResult<bool> {
        self.show(set, purposes);
        if yes {
            return Ok(true);
        }
        let question = format!("{} {}? [y/N] ", self.verb, count(set.changes.len(), "change"));
        let answer = self.terminal.ask(&question).await;
        if answer.as_ref().is_some_and(|answer| matches!(answer.trim().to_lowercase().as_str(), "y" | "yes")) {
            return Ok(true);
        }
        let made_by_us = set.creates.then_some(set.stack.as_str());
        changes::discard(self.session, &set.id, made_by_us).await?;
        answer.map(|_| false).ok_or_else(|| Box::new(not_asked(self.command)))
    }

    fn show(&self, set: &ChangeSet, purposes: &Purposes) {
        let what = if set.creates { "creates" } else { "changes" };
        let number = count(set.changes.len(), "resource");
        self.terminal.say("");
        self.terminal.say(&format!("`{}` {what} {number} in {}", self.subject, self.here.place()));
        for line in lines(&set.changes, purposes, self.terminal) {
            self.terminal.say(&line);
        }
        self.meaning.iter().for_each(|line| self.terminal.say(line));
        self.terminal.say("");
    }
}

const INDENT: &str = "  ";

/// One line a change: resources that go or are replaced last, because there lies the risk.
fn lines(changes: &[Change], purposes: &Purposes, terminal: &Terminal) -> Vec<String> {
    let mut sorted: Vec<&Change> = changes.iter().collect();
    sorted.sort_by_key(|change| (risk(change), &change.resource));
    let width = changes.iter().map(|change| change.resource.len()).max().unwrap_or(0);
    sorted.into_iter().map(|change| one(change, purposes, width, terminal)).collect()
}

fn risk(change: &Change) -> u8 {
    match (change.action, change.replacement) {
        (Action::Remove, _) => 3,
        (_, Replacement::Yes | Replacement::Maybe) => 2,
        (Action::Modify | Action::Dynamic | Action::Sync, Replacement::No) => 1,
        (Action::Add | Action::Import, Replacement::No) => 0,
    }
}

fn one(change: &Change, purposes: &Purposes, width: usize, terminal: &Terminal) -> String {
    // What becomes of a custom resource is its function's affair: the account function updates in place.
    let replacement = if change.kind.starts_with("Custom::") { Replacement::No } else { change.replacement };
    let (tone, word) = match (change.action, replacement) {
        (Action::Add, _) => (Tone::Good, "+ add"),
        (Action::Import, _) => (Tone::Calm, "> import"),
        (Action::Remove, _) => (Tone::Bad, "- remove"),
        (_, Replacement::Yes) => (Tone::Bad, "± replace"),
        (_, Replacement::Maybe) => (Tone::Odd, "± replace?"),
        (Action::Modify | Action::Dynamic | Action::Sync, Replacement::No) => (Tone::Calm, "~ change"),
    };
    let purpose = purposes.get(&change.resource).map_or(change.kind.as_str(), String::as_str);
    let changed = change.action == Action::Modify && !change.properties.is_empty();
    let properties = if changed { format!(" ({})", change.properties.join(", ")) } else { String::new() };
    let (word, resource) = (format!("{word:<10}"), format!("{:width$}", change.resource));
    let purpose = terminal.fit(INDENT.len() + word.len() + 1 + width + 2 + properties.chars().count(), purpose);
    let mut text = format!("{INDENT}{} {resource}  {purpose}{properties}", paint(terminal, tone, &word));
    if let Some(wider) = widened(change) {
        text.push_str(&format!("  {}", paint(terminal, Tone::Odd, &wider)));
    }
    text
}

/// What a role may do after the change and not before, in a few words; for other resources nothing.
fn widened(change: &Change) -> Option<String> {
    if !change.kind.starts_with("AWS::IAM::") || change.action != Action::Modify {
        return None;
    }
    let (Some(before), Some(after)) = (&change.before, &change.after) else {
        return Some("its permissions may widen".to_owned());
    };
    let new: Vec<String> = allowed(after).difference(&allowed(before)).cloned().collect();
    match new.as_slice() {
        [] => None,
        [one] => Some(format!("may now {one}")),
        [one, rest @ ..] => Some(format!("may now {one}, and {} more", rest.len())),
    }
}

/// Every pair of action and resource that some statement allows, as text; trust counts as permission.
fn allowed(value: &Value) -> BTreeSet<String> {
    let mut pairs = BTreeSet::new();
    collect(value, &mut pairs);
    pairs
}

fn collect(value: &Value, pairs: &mut BTreeSet<String>) {
    match value {
        Value::Object(map) => {
            if map.get("Effect").and_then(Value::as_str) == Some("Allow") {
                let conditions = map.get("Condition").map(|condition| format!(" if {condition}")).unwrap_or_default();
                for action in texts(map.get("Action")) {
                    for resource in texts(map.get("Resource").or_else(|| map.get("Principal"))) {
                        pairs.insert(format!("{action} on {resource}{conditions}"));
                    }
                }
            }
            map.values().for_each(|inner| collect(inner, pairs));
        }
        Value::Array(items) => items.iter().for_each(|inner| collect(inner, pairs)),
        // A policy may come as a text.
        Value::String(text) if text.contains("\"Statement\"") => {
            if let Ok(inner) = serde_json::from_str::<Value>(text) {
                collect(&inner, pairs);
            }
        }
        Value::String(_) | Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

fn texts(value: Option<&Value>) -> Vec<String> {
    match value {
        Some(Value::String(text)) => vec![text.clone()],
        Some(Value::Array(items)) => items.iter().flat_map(|item| texts(Some(item))).collect(),
        Some(other) => vec![other.to_string()],
        None => Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn role(action: &str) -> Value {
        json!({ "Policies": [{ "PolicyDocument": { "Statement": [
            { "Effect": "Allow", "Action": ["s3:GetObject", action], "Resource": "arn:aws:s3:::b/*" },
            { "Effect": "Deny", "Action": "s3:DeleteObject", "Resource": "*" }
        ] } }] })
    }

    fn change(before: Option<Value>, after: Option<Value>) -> Change {
        Change {
            action: Action::Modify,
            resource: "ComputeRole".into(),
            kind: "AWS::IAM::Role".into(),
            replacement: Replacement::No,
            properties: vec!["Policies".into()],
            before,
            after,
        }
    }

    #[test]
    fn a_role_that_may_do_more_is_marked_with_what() {
        let wider = widened(&change(Some(role("s3:ListBucket")), Some(role("s3:PutObject"))));
        assert_eq!(wider.as_deref(), Some("may now s3:PutObject on arn:aws:s3:::b/*"));
        assert_eq!(widened(&change(Some(role("s3:PutObject")), Some(role("s3:PutObject")))), None);
    }

    #[test]
    fn without_the_contents_a_role_is_marked_to_be_on_the_safe_side() {
        assert_eq!(widened(&change(None, None)).as_deref(), Some("its permissions may widen"));
    }

    #[test]
    fn what_goes_comes_last() {
        let mut gone = change(None, None);
        gone.action = Action::Remove;
        let printed = lines(&[gone, change(None, None)], &Purposes::new(), &Terminal::plain());
        assert!(printed[0].starts_with("  ~ change"), "{printed:?}");
        assert!(printed[1].starts_with("  - remove"), "{printed:?}");
    }
}
