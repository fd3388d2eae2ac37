//! The JSON Schema of a step type's parameters: which of its words dpc knows, and whether they make sense.
//!
//! What is not known is refused rather than passed over: a limit that nobody checks would be a promise that nobody keeps.

use serde_json::{Number, Value};

use super::{finding, with};
use crate::source::{Code, Finding, Findings, Span, Spanned, SpannedMap, Tree, suggest};

pub(super) type Fields = SpannedMap<Spanned<Tree>>;

/// The types of JSON that YAML has.
const TYPES: [&str; 6] = ["string", "number", "integer", "boolean", "object", "array"];

/// Words that say something about a value.
const WORDS: [&str; 17] = [
    "type",
    "properties",
    "required",
    "additionalProperties",
    "items",
    "enum",
    "const",
    "default",
    "minimum",
    "maximum",
    "minLength",
    "maxLength",
    "minItems",
    "maxItems",
    "description",
    "title",
    "examples",
];

/// Words that say nothing about one.
const SILENT: [&str; 4] = ["$schema", "$id", "$comment", "deprecated"];

/// Reports what is wrong with the schema of a type's parameters, and says which there are.
pub(super) fn check(schema: &Spanned<Tree>, findings: &mut Findings) -> Vec<String> {
    // A table of parameters, without the schema around it.
    let table = matches!(&schema.value, Tree::Map(fields)
        if fields.get("properties").is_none() && fields.iter().any(|(name, _)| !is_word(name)));
    part(schema, table, findings);
    let Tree::Map(fields) = &schema.value else { return Vec::new() };
    if let Some(kind) = fields.get("type").filter(|kind| kind.value != Tree::Scalar("object".into())) {
        let finding = bad(kind.span, "the parameters of a step type are an `object`");
        findings.push(finding.why("a step gives them by name, below `with`").help("write `type: object`"));
    }
    if let Some((name, value)) = fields.iter().find(|(name, _)| table && !is_word(name)) {
        let finding = bad(name.span, format!("`with` is a JSON Schema, and `{}` is no word of one", name.value));
        let inside = if matches!(value.value, Tree::Map(_)) { "{ … }" } else { "…" };
        findings.push(finding.help(format!("write `with: {{ properties: {{ {}: {inside} }} }}`", name.value)));
    }
    properties(fields).map(|(name, _)| name.value.clone()).collect()
}

/// The schemas of the keys of an object.
pub(super) fn properties(schema: &Fields) -> impl Iterator<Item = (&Spanned<String>, &Spanned<Tree>)> {
    let inner = schema.get("properties").and_then(|inner| match &inner.value {
        Tree::Map(inner) => Some(inner),
        Tree::Scalar(_) | Tree::List(_) => None,
    });
    inner.into_iter().flat_map(SpannedMap::iter)
}

/// The types that a schema allows; none if it says nothing.
pub(super) fn types(schema: &Fields) -> Vec<&str> {
    match schema.get("type").map(|kind| &kind.value) {
        Some(Tree::Scalar(Value::String(name))) => vec![name],
        Some(Tree::List(names)) => names.iter().filter_map(|name| text(&name.value)).collect(),
        _ => Vec::new(),
    }
}

/// The names that must be there, with their places.
pub(super) fn required(schema: &Fields) -> Vec<(&str, Span)> {
    match schema.get("required").map(|required| &required.value) {
        Some(Tree::List(names)) => names.iter().filter_map(|name| Some((text(&name.value)?, name.span))).collect(),
        _ => Vec::new(),
    }
}

pub(super) fn text(tree: &Tree) -> Option<&str> {
    match tree {
        Tree::Scalar(Value::String(text)) => Some(text),
        Tree::Scalar(_) | Tree::List(_) | Tree::Map(_) => None,
    }
}

fn is_word(name: &str) -> bool {
    WORDS.contains(&name) || SILENT.contains(&name)
}

fn part(schema: &Spanned<Tree>, table: bool, findings: &mut Findings) {
    let Tree::Map(fields) = &schema.value else {
        findings.push(bad(schema.span, "a JSON Schema is a mapping").help("write `{ type: string }`"));
        return;
    };
    let before = findings.iter().count();
    for (name, value) in fields.iter() {
        match name.value.as_str() {
            "type" => kinds(value, findings),
            "properties" => match &value.value {
                Tree::Map(inner) => inner.iter().for_each(|(_, inner)| part(inner, false, findings)),
                Tree::Scalar(_) | Tree::List(_) => findings.push(wrong(value.span, "properties", "a mapping")),
            },
            "required" => names(fields, value, findings),
            "additionalProperties" => match &value.value {
                Tree::Scalar(Value::Bool(_)) => {}
                _ => part(value, false, findings),
            },
            "items" => part(value, false, findings),
            "enum" => match &value.value {
                Tree::List(values) if !values.is_empty() => {}
                _ => findings.push(wrong(value.span, "enum", "a list of values")),
            },
            "minimum" | "maximum" if !matches!(value.value, Tree::Scalar(Value::Number(_))) => {
                findings.push(wrong(value.span, name, "a number"));
            }
            "minLength" | "maxLength" | "minItems" | "maxItems" => {
                if !matches!(&value.value, Tree::Scalar(Value::Number(number)) if Number::is_u64(number)) {
                    findings.push(wrong(value.span, name, "a whole number"));
                }
            }
            known if is_word(known) => {}
            // Said once for the whole table, by who knows that it is the outermost.
            _ if table => {}
            other => findings.push(unknown(name, other)),
        }
    }
    if let Some(default) = fields.get("default").filter(|_| findings.iter().count() == before) {
        with::check_default(default, schema, findings);
    }
}

fn kinds(value: &Spanned<Tree>, findings: &mut Findings) {
    let listed = match &value.value {
        Tree::List(names) => names.iter().collect(),
        Tree::Scalar(_) | Tree::Map(_) => vec![value],
    };
    for name in listed {
        let Some(written) = text(&name.value) else {
            findings.push(wrong(name.span, "type", "the name of a type"));
            continue;
        };
        if !TYPES.contains(&written) {
            let finding = bad(name.span, format!("`{written}` is not a type of JSON"));
            let near = match written {
                "str" | "text" | "date" => Some("string"),
                "int" => Some("integer"),
                "bool" => Some("boolean"),
                "float" | "double" => Some("number"),
                "list" => Some("array"),
                "map" | "dict" | "mapping" => Some("object"),
                other => suggest::near(other, TYPES),
            };
            findings.push(match near {
                Some(near) => finding.fix(name.span, near, format!("did you mean `{near}`?")),
                None => finding.help("write one of string, number, integer, boolean, object, array"),
            });
        }
    }
}

fn names(fields: &Fields, value: &Spanned<Tree>, findings: &mut Findings) {
    let Tree::List(_) = &value.value else {
        let finding = wrong(value.span, "required", "a list of names");
        findings.push(finding.help("write `required: [table]` beside `properties`, not inside of them"));
        return;
    };
    for (name, span) in required(fields) {
        let known: Vec<&str> = properties(fields).map(|(name, _)| name.value.as_str()).collect();
        if !known.contains(&name) {
            let finding = bad(span, format!("`{name}` is required and not among the `properties`"));
            findings.push(match suggest::near(name, known) {
                Some(near) => finding.fix(span, near, format!("did you mean `{near}`?")),
                None => finding.help(format!("add `{name}: {{ type: string }}` to the `properties`")),
            });
        }
    }
}

fn unknown(name: &Spanned<String>, written: &str) -> Finding {
    let finding = bad(name.span, format!("dpc does not check `{written}` of a JSON Schema"));
    let finding = finding.why("a limit that nobody checks would be a promise that nobody keeps");
    match suggest::near(written, WORDS) {
        Some(near) => finding.fix(name.span, near, format!("did you mean `{near}`?")),
        None => finding.help(format!("remove it, or use one of {}", WORDS.map(|word| format!("`{word}`")).join(", "))),
    }
}

fn wrong(span: Span, name: &str, what: &str) -> Finding {
    bad(span, format!("`{name}` must be {what}"))
}

fn bad(span: Span, message: impl Into<String>) -> Finding {
    finding(Code::BadStepType, span, message)
}
