//! Values of a template, compared and printed.
//!
//! In come JSON values; out come the leaves that differ, each with its path. An intrinsic function is one leaf; a list of
//! things with names is compared by name; a list of texts by what was put in and taken out.

use std::collections::BTreeSet;

use serde_json::{Map, Value};

/// Something that differs.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Leaf {
    /// Keys from the outside in.
    pub path: Vec<String>,
    /// What was there.
    pub before: Option<Value>,
    /// What is there.
    pub after: Option<Value>,
}

impl Leaf {
    /// `Retry.MaxAttempts: 2 -> 3`, without a path `2 -> 3`.
    pub fn words(&self) -> String {
        let path = self.path.join(".");
        let change = match (&self.before, &self.after) {
            (Some(before), Some(after)) => format!("{} -> {}", short(before), short(after)),
            (None, Some(after)) => format!("+ {}", short(after)),
            (Some(before), None) => format!("- {}", short(before)),
            (None, None) => String::new(),
        };
        if path.is_empty() { change } else { format!("{path}: {change}") }
    }

    /// The texts by which the line that causes it may be found.
    pub fn hints(&self) -> Vec<String> {
        let value = self.after.as_ref().or(self.before.as_ref());
        let mut hints = value.map(texts).unwrap_or_default();
        hints.extend(self.path.last().cloned());
        hints
    }
}

/// All that differs, except below keys that are to be left out.
pub(super) fn leaves(before: &Value, after: &Value, left_out: &dyn Fn(&str) -> bool) -> Vec<Leaf> {
    let mut found = Vec::new();
    walk(&mut Vec::new(), Some(before), Some(after), left_out, &mut found);
    found
}

type Found<'a> = &'a mut Vec<Leaf>;

fn walk(
    path: &mut Vec<String>,
    before: Option<&Value>,
    after: Option<&Value>,
    left_out: &dyn Fn(&str) -> bool,
    found: Found<'_>,
) {
    match (before, after) {
        (Some(one), Some(other)) if canonical(one) == canonical(other) => {}
        (Some(Value::Object(one)), Some(Value::Object(other))) if !is_function(one) && !is_function(other) => {
            let keys: BTreeSet<&String> = one.keys().chain(other.keys()).collect();
            for key in keys.into_iter().filter(|key| !left_out(key)) {
                path.push(key.clone());
                walk(path, one.get(key), other.get(key), left_out, found);
                path.pop();
            }
        }
        (Some(Value::Array(one)), Some(Value::Array(other))) => match (by_name(one), by_name(other)) {
            (Some(one), Some(other)) => {
                let mut names: Vec<&String> = one.iter().map(|(name, _)| name).collect();
                names.extend(
                    other.iter().map(|(name, _)| name).filter(|name| !one.iter().any(|(known, _)| known == *name)),
                );
                let get = |list: &[(String, &Value)], name: &str| {
                    list.iter().find(|(other, _)| other == name).map(|(_, value)| (*value).clone())
                };
                for name in names {
                    path.push(name.clone());
                    walk(path, get(&one, name).as_ref(), get(&other, name).as_ref(), left_out, found);
                    path.pop();
                }
            }
            _ => edits(path, one, other, left_out, found),
        },
        (one, other) => found.push(Leaf { path: path.clone(), before: one.cloned(), after: other.cloned() }),
    }
}

/// The items by their names, if each has one of its own.
fn by_name(items: &[Value]) -> Option<Vec<(String, &Value)>> {
    let name = |item: &Value| {
        let names = ["Name", "Key", "Sid", "PolicyName", "name", "NodeType", "Classification"];
        names.iter().find_map(|key| item.get(key).and_then(Value::as_str)).map(str::to_owned)
    };
    let named: Vec<(String, &Value)> = items.iter().map(|item| Some((name(item)?, item))).collect::<Option<_>>()?;
    let distinct: BTreeSet<&String> = named.iter().map(|(name, _)| name).collect();
    (distinct.len() == named.len()).then_some(named)
}

/// What was taken out of a list and what was put in, by the longest common subsequence.
fn edits(path: &mut Vec<String>, before: &[Value], after: &[Value], left_out: &dyn Fn(&str) -> bool, found: Found<'_>) {
    let kept = common(before, after);
    let (mut old, mut new) = (before.iter(), after.iter());
    for end in kept.iter().map(Some).chain([None]) {
        let is_end = |value: &&Value| end.is_some_and(|end: &&Value| *end == *value);
        let gone: Vec<&Value> = old.by_ref().take_while(|value| !is_end(value)).collect();
        let come: Vec<&Value> = new.by_ref().take_while(|value| !is_end(value)).collect();
        for at in 0..gone.len().max(come.len()) {
            match (gone.get(at).copied(), come.get(at).copied()) {
                // Two things without names, one in the place of the other.
                (Some(one @ Value::Object(_)), Some(other @ Value::Object(_))) => {
                    walk(path, Some(one), Some(other), left_out, found);
                }
                (one, other) => found.push(Leaf { path: path.clone(), before: one.cloned(), after: other.cloned() }),
            }
        }
    }
}

/// The longest common subsequence of two lists; of very long ones, their common front and back.
fn common<'a>(before: &'a [Value], after: &[Value]) -> Vec<&'a Value> {
    const LONG: usize = 1_000;
    let front = before.iter().zip(after).take_while(|(one, other)| one == other).count();
    let (before_rest, after_rest) = (before.get(front..).unwrap_or_default(), after.get(front..).unwrap_or_default());
    let mut kept: Vec<&Value> = before.iter().take(front).collect();
    if before_rest.len() > LONG || after_rest.len() > LONG {
        return kept;
    }
    // The lengths of what is common from each pair of places on, row by row from the end.
    let mut table = vec![vec![0_u32; after_rest.len() + 1]];
    for one in before_rest.iter().rev() {
        let below = table.last().cloned().unwrap_or_default();
        let mut row = vec![0_u32; after_rest.len() + 1];
        for (at, other) in after_rest.iter().enumerate().rev() {
            let get = |row: &[u32], at: usize| row.get(at).copied().unwrap_or(0);
            let best = if one == other { get(&below, at + 1) + 1 } else { get(&below, at).max(get(&row, at + 1)) };
            if let Some(cell) = row.get_mut(at) {
                *cell = best;
            }
        }
        table.push(row);
    }
    table.reverse();
    let length = |old: usize, new: usize| table.get(old).and_then(|row| row.get(new)).copied().unwrap_or(0);
    let (mut old, mut new) = (0, 0);
    while let (Some(one), Some(other)) = (before_rest.get(old), after_rest.get(new)) {
        if one == other {
            kept.push(one);
            (old, new) = (old + 1, new + 1);
        } else if length(old + 1, new) >= length(old, new + 1) {
            old += 1;
        } else {
            new += 1;
        }
    }
    kept
}

/// `Ref`, `Fn::Sub` and their like.
fn is_function(map: &Map<String, Value>) -> bool {
    map.len() == 1 && map.keys().all(|key| key == "Ref" || key.starts_with("Fn::"))
}

/// A value whose keys are sorted, so that equal meanings are equal.
pub(super) fn canonical(value: &Value) -> Value {
    match value {
        Value::Array(items) => items.iter().map(canonical).collect(),
        Value::Object(map) => {
            let mut entries: Vec<(&String, &Value)> = map.iter().collect();
            entries.sort_by_key(|(key, _)| *key);
            entries.into_iter().map(|(key, value)| (key.clone(), canonical(value))).collect()
        }
        // What CloudFormation hands over as a text is the same as a number or a boolean of that text.
        Value::Number(number) => Value::String(number.to_string()),
        Value::Bool(flag) => Value::String(flag.to_string()),
        Value::Null | Value::String(_) => value.clone(),
    }
}

/// A value as one text: functions as CloudFormation would write them inside `Fn::Sub`.
pub(super) fn text(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Object(map) if is_function(map) => match map.iter().next() {
            Some((key, Value::String(name))) if key == "Ref" => format!("${{{name}}}"),
            Some((key, Value::String(text))) if key == "Fn::Sub" => text.clone(),
            Some((key, Value::Array(parts))) if key == "Fn::Sub" => parts.first().map(text).unwrap_or_default(),
            Some((key, Value::Array(parts))) if key == "Fn::GetAtt" => {
                format!("${{{}}}", parts.iter().map(text).collect::<Vec<_>>().join("."))
            }
            Some((key, Value::String(name))) if key == "Fn::GetAtt" => format!("${{{name}}}"),
            Some((key, Value::Array(parts))) if key == "Fn::Join" => {
                let separator = parts.first().map(text).unwrap_or_default();
                let list = parts.get(1).and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
                list.iter().map(text).collect::<Vec<_>>().join(&separator)
            }
            _ => value.to_string(),
        },
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::Array(_) | Value::Object(_) => value.to_string(),
    }
}

/// A value in a line; long ones are cut.
pub(super) fn short(value: &Value) -> String {
    const MOST: usize = 120;
    let text = text(value).replace('\n', " ");
    let text = masked(&text);
    if text.chars().count() <= MOST {
        return text;
    }
    text.chars().take(MOST - 1).collect::<String>() + "…"
}

/// Every text in a value.
fn texts(value: &Value) -> Vec<String> {
    match value {
        Value::Array(items) => items.iter().flat_map(texts).collect(),
        Value::Object(map) if !is_function(map) => map.values().flat_map(texts).collect(),
        other => vec![text(other)],
    }
}

/// A text with every SHA-256 cut to what tells two apart.
pub(super) fn masked(text: &str) -> String {
    let mut out = String::new();
    let mut run = String::new();
    for letter in text.chars().map(Some).chain([None]) {
        match letter.filter(char::is_ascii_hexdigit) {
            Some(digit) => run.push(digit),
            None => {
                if run.len() == 64 {
                    run.truncate(8);
                }
                out.push_str(&run);
                run.clear();
                out.extend(letter);
            }
        }
    }
    out
}

/// Every SHA-256 in a text.
pub(super) fn digests(text: &str) -> Vec<&str> {
    let runs = text.split(|letter: char| !letter.is_ascii_hexdigit());
    runs.filter(|run| run.len() == 64).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn words(before: &Value, after: &Value) -> Vec<String> {
        leaves(before, after, &|_| false).iter().map(Leaf::words).collect()
    }

    #[test]
    fn order_of_keys_and_numbers_as_texts_are_no_difference() {
        assert!(words(&json!({ "a": 1, "b": true }), &json!({ "b": "true", "a": "1" })).is_empty());
    }

    #[test]
    fn lists_of_texts_say_what_came_and_went() {
        let before = json!({ "args": ["--date", "x", "--country", "de"] });
        assert_eq!(
            words(&before, &json!({ "args": ["--date", "x", "--fast", "--country", "at"] })),
            ["args: + --fast", "args: de -> at"]
        );
        assert_eq!(words(&before, &json!({ "args": ["--country", "de"] })), ["args: - --date", "args: - x"]);
        assert_eq!(words(&json!(["a", "a", "b"]), &json!(["a", "b", "a"])), ["- a", "+ a"]);
    }

    #[test]
    fn things_with_names_are_compared_by_name() {
        let before = json!([{ "Name": "core", "Count": 4 }, { "Name": "primary", "Count": 1 }]);
        let after = json!([{ "Name": "primary", "Count": 1 }, { "Name": "core", "Count": 8 }]);
        assert_eq!(words(&before, &after), ["core.Count: 4 -> 8"]);
    }

    #[test]
    fn functions_are_one_leaf() {
        assert_eq!(
            words(&json!({ "Arn": { "Ref": "A" } }), &json!({ "Arn": { "Fn::GetAtt": ["B", "Arn"] } })),
            ["Arn: ${A} -> ${B.Arn}"]
        );
    }

    #[test]
    fn digests_are_short() {
        let digest = "0123456789abcdef".repeat(4);
        assert_eq!(masked(&format!("s3://b/{digest}.tar.gz")), "s3://b/01234567.tar.gz");
        assert_eq!(digests(&format!("s3://b/{digest}.tar.gz")), [digest]);
    }
}
