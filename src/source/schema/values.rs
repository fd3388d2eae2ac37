//! Values: their types, the words allowed, the limits of numbers, texts and lists.

use serde_json::Value as Json;

use super::{Check, Place, is_number};
use crate::source::node::{Kind, Node, Scalar, Value};
use crate::source::{Code, Finding, Span, suggest};

/// The type names of a schema; none if anything goes.
pub(super) fn types(schema: &Json) -> Vec<&str> {
    match schema.get("type") {
        Some(Json::String(name)) => vec![name],
        Some(Json::Array(names)) => names.iter().filter_map(Json::as_str).filter(|name| *name != "null").collect(),
        _ => Vec::new(),
    }
}

/// Whether a node is of one of the types; of any, if there are none.
pub(super) fn fits(node: &Node, types: &[&str]) -> bool {
    types.is_empty()
        || types.iter().any(|name| match (&node.value, *name) {
            (Value::Map(_), "object") | (Value::List(_), "array") => true,
            (Value::Scalar(scalar), "string") => scalar.kind == Kind::Text,
            (Value::Scalar(scalar), "integer") => scalar.kind == Kind::Int,
            (Value::Scalar(scalar), "number") => is_number(scalar.kind),
            (Value::Scalar(scalar), "boolean") => matches!(scalar.kind, Kind::Bool(_)),
            _ => false,
        })
}

/// The words of an enumeration, be it written as `enum` or as alternatives that are one word each.
pub(super) fn constants<'s>(schema: &'s Json, branches: &[&'s Json]) -> Option<Vec<&'s str>> {
    if let Some(Json::Array(words)) = schema.get("enum") {
        return words.iter().map(Json::as_str).collect();
    }
    let mut all = Vec::new();
    for branch in branches {
        match (branch.get("const").and_then(Json::as_str), branch.get("enum").and_then(Json::as_array)) {
            (Some(word), _) => all.push(word),
            (None, Some(words)) => all.extend(words.iter().filter_map(Json::as_str)),
            (None, None) => return None,
        }
    }
    (!all.is_empty()).then_some(all)
}

fn in_words(types: &[&str]) -> String {
    let mut words: Vec<&str> = Vec::new();
    for name in types {
        let word = match *name {
            "object" => "a mapping",
            "array" => "a list",
            "string" => "text",
            "integer" => "a whole number",
            "number" => "a number",
            "boolean" => "`true` or `false`",
            other => other,
        };
        if !words.contains(&word) {
            words.push(word);
        }
    }
    words.join(" or ")
}

/// A number or boolean where text belongs.
fn unquoted(node: &Node, scalar: &Scalar, message: String, account: bool) -> Finding {
    let finding = Finding::at(Code::UnquotedNumber, node.span, message, "");
    let digits = scalar.text.len();
    if !(scalar.kind == Kind::Int && (digits == 12 || account && digits < 12)) {
        let finding = finding.why("without quotes YAML decides what a value is by its looks");
        return finding.fix(node.span, format!("\"{}\"", scalar.text), "quote it:");
    }
    let finding =
        finding.why("an account number without quotes is a number, which loses the zeros that it starts with");
    // One or two zeros are what a spreadsheet takes; a shorter number is something else.
    let help = match digits {
        12 => "quote it:",
        10 | 11 => "quote it; an account number has twelve digits, so the zeros before it are probably lost:",
        _ => return finding.help("write the twelve digits in quotes; `aws sts get-caller-identity` prints yours"),
    };
    finding.fix(node.span, format!("\"{:0>12}\"", scalar.text), help)
}

impl<'s> Check<'s, '_> {
    pub(super) fn wrong_type(&mut self, node: &Node, types: &[&str], place: &Place) {
        let message = format!("{} must be {}, not {}", place.name, in_words(types), node.describe());
        let finding = |code| Finding::at(code, node.span, message.clone(), "");
        let finding = match &node.value {
            Value::Scalar(scalar) if types.contains(&"string") => {
                unquoted(node, scalar, message, place.name == "`account`")
            }
            Value::Scalar(scalar) if types.contains(&"boolean") && scalar.kind == Kind::Text => {
                boolean(finding(Code::WrongType), node, scalar)
            }
            Value::Scalar(scalar)
                if scalar.kind == Kind::Text && !scalar.plain && is_number(Kind::of_plain(&scalar.text)) =>
            {
                finding(Code::WrongType).help("write it without quotes")
            }
            Value::Scalar(scalar) if types == ["array"] => as_list(finding(Code::WrongType), node, scalar),
            Value::Scalar(scalar) if types == ["object"] && colon_without_space(scalar) => {
                finding(Code::WrongType).why("a key ends with a colon and a space").help("put a space after the colon")
            }
            Value::List(_) if types == ["object"] => {
                finding(Code::WrongType).help("write `key: value` lines without the `- `")
            }
            Value::Map(_) if types == ["array"] => {
                finding(Code::WrongType).help("write `- ` before each item, also before a single one")
            }
            Value::List(items) if items.len() == 1 => {
                finding(Code::WrongType).help("write the one item without the list around it")
            }
            _ => finding(Code::WrongType),
        };
        self.push(finding);
    }

    pub(super) fn one_of(&mut self, node: &Node, words: &[&'s str], place: &Place) {
        let listed = words.iter().map(|word| format!("`{word}`")).collect::<Vec<_>>().join(", ");
        let Some(text) = node.as_str() else {
            return self.wrong_type(node, &["string"], place);
        };
        if words.contains(&text) {
            return;
        }
        let message = format!("`{}` is not a value of {}", shortened(text), place.name);
        let finding = Finding::at(Code::WrongValue, node.span, message, "");
        self.push(match suggest::near(text, words.iter().copied()) {
            Some(word) => {
                finding.why(format!("it is one of {listed}")).fix(node.span, word, format!("did you mean `{word}`?"))
            }
            None => finding.help(format!("write one of {listed}")),
        });
    }

    pub(super) fn scalar(&mut self, node: &Node, scalar: &Scalar, schema: &'s Json, place: &Place) {
        if let Some(words) = constants(schema, &[]) {
            return self.one_of(node, &words, place);
        }
        let limit = |name: &str| schema.get(name).and_then(Json::as_f64);
        let (value, unit) = match scalar.kind {
            #[allow(clippy::cast_precision_loss)] // Reason: lengths of texts in a file of a megabyte.
            Kind::Text => (Some(scalar.text.chars().count() as f64), " characters"),
            _ => (scalar.text.parse::<f64>().ok(), ""),
        };
        let (least, most) = match scalar.kind {
            Kind::Text => (limit("minLength"), limit("maxLength")),
            _ => (limit("minimum"), limit("maximum")),
        };
        let Some(value) = value else { return };
        let bound = match (least, most) {
            (Some(least), _) if value < least => format!("at least {least}{unit}"),
            (_, Some(most)) if value > most => format!("at most {most}{unit}"),
            _ => return,
        };
        let message = if scalar.kind == Kind::Text {
            format!("{} has {value} characters", place.name)
        } else {
            format!("{} is {}", place.name, scalar.text)
        };
        self.push(Finding::at(Code::WrongValue, node.span, message, format!("must be {bound}")));
    }

    pub(super) fn item_count(&mut self, count: usize, schema: &'s Json, place: &Place, span: Span) {
        let limit = |name: &str| schema.get(name).and_then(Json::as_u64).and_then(|limit| usize::try_from(limit).ok());
        let message = match (limit("minItems"), limit("maxItems")) {
            (Some(least), _) if count < least && count == 0 => format!("{} is an empty list", place.name),
            (Some(least), _) if count < least => format!("{} has {count} items, but needs {least}", place.name),
            (_, Some(most)) if count > most => {
                format!("{} has {count} items, but at most {most} are allowed", place.name)
            }
            _ => return,
        };
        self.push(Finding::at(Code::WrongValue, span, message, "").help("add what is missing, or delete the key"));
    }
}

/// `needs: extract` means a list of one, `command: bash run.sh` one of two.
fn as_list(finding: Finding, node: &Node, scalar: &Scalar) -> Finding {
    let special = |letter: char| "\"'\\{}[]#&*!|>%@`$".contains(letter) || letter.is_control();
    if !scalar.plain || scalar.text.contains(special) {
        return finding.help("write it as a list: `[\"…\", \"…\"]`");
    }
    let words = scalar.text.split([' ', ',']).filter(|word| !word.is_empty()).map(|word| format!("\"{word}\""));
    finding.fix(node.span, format!("[{}]", words.collect::<Vec<_>>().join(", ")), "write it as a list:")
}

/// `yes` and `on` are text in YAML 1.2.
fn boolean(finding: Finding, node: &Node, scalar: &Scalar) -> Finding {
    let finding = finding.why("in YAML 1.2, `yes`, `no`, `on` and `off` are text");
    match scalar.text.to_ascii_lowercase().as_str() {
        "yes" | "y" | "on" | "true" => finding.fix(node.span, "true", "write:"),
        "no" | "n" | "off" | "false" => finding.fix(node.span, "false", "write:"),
        _ => finding,
    }
}

/// `a:b`, where `a: b` was meant.
fn colon_without_space(scalar: &Scalar) -> bool {
    scalar.plain
        && scalar
            .text
            .split_whitespace()
            .next()
            .is_some_and(|word| word.trim_end_matches(':').contains(':') || word.ends_with(':'))
}

fn shortened(text: &str) -> String {
    let line = text.lines().next().unwrap_or_default();
    if line.chars().count() <= 40 {
        line.to_owned()
    } else {
        format!("{}…", line.chars().take(39).collect::<String>())
    }
}
