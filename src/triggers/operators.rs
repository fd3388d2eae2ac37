//! What a field of an event pattern may be: a value, or one of EventBridge's operators.
//!
//! In comes one item of a field's list; out come findings, and whether a value matches it. It refuses to know fields.
//! <https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-create-pattern-operators.html>

use std::net::IpAddr;

use serde_json::Value;

use super::pattern::refused;
use crate::source::{Findings, Span, Spanned, SpannedMap, Tree, suggest};

const OPERATORS: [&str; 8] =
    ["prefix", "suffix", "equals-ignore-case", "wildcard", "anything-but", "exists", "numeric", "cidr"];

/// What may stand inside `anything-but`.
const NEGATED: [&str; 4] = ["prefix", "suffix", "equals-ignore-case", "wildcard"];

/// Numbers between these are compared exactly.
const NUMBERS: f64 = 5.0e9;

/// The operator that stands where fields belong, if the mapping is an operator's: `source: { prefix: aws. }`.
pub fn misplaced(fields: &SpannedMap<Spanned<Tree>>) -> Option<&str> {
    let [(name, value)] = fields.0.as_slice() else { return None };
    // A field may be named like an operator; then its value is a list or a mapping.
    let operand = match (&value.value, name.as_str()) {
        (Tree::Scalar(_), _) | (_, "anything-but") | (Tree::List(_), "numeric") => true,
        (Tree::List(_) | Tree::Map(_), _) => false,
    };
    (operand && OPERATORS.contains(&name.as_str())).then_some(name.as_str())
}

/// Reports what EventBridge would refuse of an item.
pub fn check(field: &str, item: &Spanned<Tree>, findings: &mut Findings) {
    match &item.value {
        Tree::Scalar(_) => {}
        Tree::List(_) => findings.push(
            refused(item.span, format!("a list stands inside the list of `{field}`"))
                .help("write its values side by side"),
        ),
        Tree::Map(fields) => match fields.0.as_slice() {
            [(name, operand)] => operator(name, operand, findings),
            _ => findings.push(
                refused(item.span, format!("what `{field}` may be has {} operators", fields.len()))
                    .why("EventBridge takes one, and joins the items of a list by or: there is no and for one field")
                    .help("keep one; `wildcard: \"in/*.csv\"` is a prefix and a suffix together"),
            ),
        },
    }
}

fn operator(name: &Spanned<String>, operand: &Spanned<Tree>, findings: &mut Findings) {
    let span = operand.span;
    match (name.as_str(), &operand.value) {
        ("prefix" | "suffix", Tree::Map(inner)) if only(inner, "equals-ignore-case") => {
            inner.iter().for_each(|(_, text)| texts("equals-ignore-case", text, false, findings));
        }
        ("prefix" | "suffix" | "equals-ignore-case" | "wildcard", _) => texts(name, operand, false, findings),
        ("exists", Tree::Scalar(Value::Bool(_))) => {}
        ("exists", _) => findings.push(wrong(span, name, "true or false", "exists: false")),
        ("numeric", Tree::List(items)) => numeric(items, span, findings),
        ("numeric", _) => findings.push(wrong(span, name, "a list", "numeric: [\">\", 0]")),
        ("cidr", Tree::Scalar(Value::String(text))) if is_cidr(text) => {}
        ("cidr", _) => findings.push(wrong(span, name, "a range of addresses", "cidr: 10.0.0.0/24")),
        ("anything-but", _) => anything_but(operand, findings),
        _ => {
            let finding = refused(name.span, format!("`{}` is not an operator of EventBridge", name.value));
            let meant = match name.as_str() {
                "startsWith" | "starts-with" | "begins-with" => Some("prefix"),
                "endsWith" | "ends-with" => Some("suffix"),
                "not" | "not-in" => Some("anything-but"),
                "regex" | "glob" | "contains" | "like" => Some("wildcard"),
                other => suggest::near(other, OPERATORS),
            };
            findings.push(match meant {
                Some(meant) => finding.fix(name.span, meant, format!("did you mean `{meant}`?")),
                None => finding.help(format!("there are {}", OPERATORS.join(", "))),
            });
        }
    }
}

fn only(fields: &SpannedMap<Spanned<Tree>>, name: &str) -> bool {
    matches!(fields.0.as_slice(), [(only, _)] if only.value == name)
}

fn wrong(span: Span, operator: &str, wanted: &str, example: &str) -> crate::source::Finding {
    refused(span, format!("the operand of `{operator}` must be {wanted}")).help(format!("write `{example}`"))
}

/// A text, or where `several`, a list of texts.
fn texts(operator: &str, operand: &Spanned<Tree>, several: bool, findings: &mut Findings) {
    match &operand.value {
        Tree::Scalar(Value::String(text)) if operator == "wildcard" => wildcard(text, operand.span, findings),
        Tree::Scalar(Value::String(_)) => {}
        Tree::List(items) if several && !items.is_empty() => {
            items.iter().for_each(|item| texts(operator, item, false, findings));
        }
        _ => findings.push(wrong(operand.span, operator, "a text", &format!("{operator}: in/"))),
    }
}

/// <https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-create-pattern-operators.html#eb-filtering-wildcard-matching>
fn wildcard(text: &str, span: Span, findings: &mut Findings) {
    if text.contains("**") {
        findings.push(
            refused(span, format!("`{text}` has two wildcards in a row"))
                .help(format!("one is enough: `{}`", text.replace("**", "*"))),
        );
    }
    let mut letters = text.chars();
    while let Some(letter) = letters.next() {
        if letter == '\\' && !matches!(letters.next(), Some('*' | '\\')) {
            findings.push(
                refused(span, format!("`{text}` has a `\\` before what needs none"))
                    .help("write `\\\\` for a backslash and `\\*` for a star"),
            );
            return;
        }
    }
}

fn anything_but(operand: &Spanned<Tree>, findings: &mut Findings) {
    let example = "anything-but: [a, b]";
    match &operand.value {
        Tree::Scalar(Value::String(_) | Value::Number(_)) => {}
        Tree::List(items) => {
            let every = |fits: fn(&Value) -> bool| {
                items.iter().all(|item| matches!(&item.value, Tree::Scalar(value) if fits(value)))
            };
            if items.is_empty() || !(every(Value::is_string) || every(Value::is_number)) {
                findings.push(wrong(operand.span, "anything-but", "texts alone or numbers alone", example));
            }
        }
        Tree::Map(inner) => match inner.0.as_slice() {
            [(name, operand)] if NEGATED.contains(&name.as_str()) => texts(name, operand, true, findings),
            _ => findings.push(
                wrong(operand.span, "anything-but", "values or one operator", "anything-but: { prefix: tmp/ }")
                    .why(format!("the operators that it takes are {}", NEGATED.join(", "))),
            ),
        },
        Tree::Scalar(_) => findings.push(wrong(operand.span, "anything-but", "texts or numbers", example)),
    }
}

/// `[">", 0]` or `[">", 0, "<=", 5]`.
fn numeric(items: &[Spanned<Tree>], span: Span, findings: &mut Findings) {
    let sign = |item: Option<&Spanned<Tree>>| match item.map(|item| &item.value) {
        Some(Tree::Scalar(Value::String(sign))) => Some(sign.clone()),
        _ => None,
    };
    let number = |item: Option<&Spanned<Tree>>| match item.map(|item| &item.value) {
        Some(Tree::Scalar(Value::Number(number))) => number.as_f64().filter(|number| number.abs() <= NUMBERS),
        _ => None,
    };
    let (first, one) = (sign(items.first()), number(items.get(1)));
    let (second, other) = (sign(items.get(2)), number(items.get(3)));
    let fits = match (items.len(), first.as_deref(), one, second.as_deref(), other) {
        (2, Some("=" | "<" | "<=" | ">" | ">="), Some(_), _, _) => true,
        (4, Some(">" | ">="), Some(low), Some("<" | "<="), Some(high)) => low < high,
        _ => false,
    };
    if !fits {
        findings.push(
            refused(span, "the operand of `numeric` is no comparison and no range".to_owned())
                .why("numbers lie between -5e9 and 5e9, and a range says its lower end first")
                .help("write `numeric: [\">\", 0]`, or `numeric: [\">=\", 0, \"<\", 5]`"),
        );
    }
}

fn is_cidr(text: &str) -> bool {
    let Some((address, bits)) = text.split_once('/') else { return false };
    let longest = match address.parse::<IpAddr>() {
        Ok(IpAddr::V4(_)) => 32,
        Ok(IpAddr::V6(_)) => 128,
        Err(_) => return false,
    };
    bits.parse::<u8>().is_ok_and(|bits| bits <= longest)
}

/// Whether a value of an event, or its absence, matches an item.
pub fn matches(item: &Tree, found: Option<&Value>) -> bool {
    let fields = match item {
        Tree::Scalar(value) => return found.is_some_and(|found| same(value, found)),
        Tree::List(_) => return false,
        Tree::Map(fields) => fields,
    };
    let [(name, operand)] = fields.0.as_slice() else { return false };
    let Some(found) = found else {
        return name.value == "exists" && matches!(operand.value, Tree::Scalar(Value::Bool(false)));
    };
    match (name.as_str(), &operand.value) {
        ("exists", Tree::Scalar(value)) => *value == Value::Bool(true),
        ("anything-but", Tree::Scalar(value)) => !same(value, found),
        ("anything-but", Tree::List(items)) => !items.iter().any(|item| matches(&item.value, Some(found))),
        ("anything-but", Tree::Map(inner)) => !inner.iter().any(|(name, operand)| match &operand.value {
            Tree::List(items) => items.iter().any(|item| text_matches(name, &item.value, found)),
            one => text_matches(name, one, found),
        }),
        (name, operand) => text_matches(name, operand, found),
    }
}

fn same(value: &Value, found: &Value) -> bool {
    match (value, found) {
        (Value::String(text), Value::String(found)) => *text == as_arn(found, text),
        _ => value == found,
    }
}

fn text_matches(operator: &str, operand: &Tree, found: &Value) -> bool {
    let (text, found, fold) = match (operand, found) {
        (Tree::Scalar(Value::String(text)), Value::String(found)) => {
            (text.clone(), found, operator == "equals-ignore-case")
        }
        (Tree::Map(inner), Value::String(found)) => match inner.0.first().map(|(_, text)| &text.value) {
            Some(Tree::Scalar(Value::String(text))) => (text.clone(), found, true),
            _ => return false,
        },
        _ => return false,
    };
    let found = as_arn(found, &text);
    let (text, found) = if fold { (text.to_lowercase(), found.to_lowercase()) } else { (text, found) };
    match operator {
        "prefix" => found.starts_with(&text),
        "suffix" => found.ends_with(&text),
        "equals-ignore-case" => found == text,
        "wildcard" => wild(&text, &found),
        _ => false,
    }
}

/// An ARN of an unknown region and account, `arn:aws:states:*:*:…`, with those that a pattern's text names.
fn as_arn(found: &str, text: &str) -> String {
    let named = |place: usize| text.split(':').nth(place).filter(|part| !part.is_empty() && !part.contains('*'));
    let part = |(place, part): (usize, &str)| match part {
        "*" => named(place).unwrap_or("unknown").to_owned(),
        part => part.to_owned(),
    };
    found.split(':').enumerate().map(part).collect::<Vec<_>>().join(":")
}

/// Whether a text fits a wildcard; `\*` is a star.
fn wild(pattern: &str, text: &str) -> bool {
    let mut parts = vec![String::new()];
    let mut letters = pattern.chars();
    while let Some(letter) = letters.next() {
        match letter {
            '*' => parts.push(String::new()),
            letter => {
                let letter = if letter == '\\' { letters.next().unwrap_or(letter) } else { letter };
                if let Some(last) = parts.last_mut() {
                    last.push(letter);
                }
            }
        }
    }
    let Some((first, rest)) = parts.split_first() else { return false };
    let Some((last, middle)) = rest.split_last() else { return text == first };
    let Some(mut left) = text.strip_prefix(first.as_str()) else { return false };
    for part in middle {
        match left.split_once(part.as_str()) {
            Some((_, after)) => left = after,
            None => return false,
        }
    }
    left.ends_with(last.as_str())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::source::{Files, de, yaml};

    fn item(text: &str) -> (Files, Spanned<Tree>) {
        let (mut files, mut findings) = (Files::new(), Findings::new());
        let file = files.add("pipeline.yaml", text);
        let node = yaml::read(&files, file, &mut findings).expect("it is YAML");
        (files, de::from_node(&node).expect("anything is a tree"))
    }

    #[test]
    fn operands_have_their_types() {
        for text in [
            "{ prefix: 7 }",
            "{ suffix: [a] }",
            "{ exists: yes }",
            "{ numeric: ['>', x] }",
            "{ numeric: ['<', 5, '>', 0] }",
            "{ numeric: ['>', 5, '<', 5] }",
            "{ numeric: ['>', 6000000000] }",
            "{ cidr: 10.0.0.0/33 }",
            "{ cidr: x }",
            "{ wildcard: 'a**b' }",
            "{ wildcard: 'a\\b' }",
            "{ anything-but: [a, 1] }",
            "{ anything-but: { exists: true } }",
            "{ anything-but: [] }",
            "{ starts-with: a }",
            "{ prefix: a, suffix: b }",
            "[a]",
            "{ prefix: { prefix: a } }",
        ] {
            let (_, item) = item(text);
            let mut findings = Findings::new();
            check("field", &item, &mut findings);
            assert_eq!(findings.iter().count(), 1, "{text}: {findings:?}");
        }
    }

    #[test]
    fn items_match_as_eventbridge_says() {
        let of = |text: &str, value: &str| matches(&item(text).1.value, Some(&Value::from(value)));
        assert!(of("{ wildcard: 'in/*/x*' }", "in/a/b/xyz") && !of("{ wildcard: 'in/*/x' }", "in/a/y"));
        assert!(of("{ wildcard: 'a\\*b' }", "a*b") && !of("{ wildcard: 'a\\*b' }", "axb"));
        assert!(of("{ prefix: { equals-ignore-case: IN/ } }", "in/a") && !of("{ prefix: IN/ }", "in/a"));
        assert!(of("{ anything-but: { suffix: [.tmp, .bak] } }", "a.csv") && !of("{ anything-but: [a, b] }", "b"));
        assert!(matches(&item("{ exists: false }").1.value, None) && !matches(&item("{ prefix: a }").1.value, None));
    }
}
