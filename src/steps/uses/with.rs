//! What a step gives a step type, against the schema of its parameters.
//!
//! In come a value as written and a schema; out come findings at the value, with the type's line beside it, and the value
//! with the schema's defaults. A text that is one `{{ }}` may become anything; what it becomes is not known here.

use serde_json::Value;

use super::schema::{Fields, properties, required, text, types};
use super::{StepType, finding};
use crate::control::render;
use crate::source::{Code, Finding, Findings, Span, Spanned, SpannedMap, Tree, suggest};

/// Reports what does not fit.
pub(super) fn check(step_type: &StepType, place: Span, given: Option<&Spanned<Tree>>, findings: &mut Findings) {
    let Some(schema) = &step_type.with else {
        if let Some(Spanned { value: Tree::Map(entries), .. }) = given
            && let Some((name, _)) = entries.iter().next()
        {
            findings.push(
                finding(Code::UnknownWith, name.span, format!("type `{}` has no parameters", step_type.name.value))
                    .and(step_type.name.span, "the type")
                    .help("remove `with`"),
            );
        }
        return;
    };
    let mut whole = Judge { what: format!("type `{}`", step_type.name.value), findings };
    match given {
        Some(given) => whole.value(given, schema, "with"),
        None => whole.missing(&SpannedMap::default(), schema, place),
    }
}

/// Reports a default that its own schema refuses.
pub(super) fn check_default(default: &Spanned<Tree>, schema: &Spanned<Tree>, findings: &mut Findings) {
    let mut found = Findings::new();
    Judge { what: "the schema".to_owned(), findings: &mut found }.value(default, schema, "`default`");
    findings.extend(found.into_iter().map(|finding| Finding { code: Code::BadStepType, ..finding }));
}

/// The value with the schema's defaults where it is silent.
pub(super) fn filled(given: Option<&Tree>, schema: Option<&Tree>) -> Tree {
    let Some(Tree::Map(fields)) = schema else {
        return given.cloned().unwrap_or_else(|| Tree::Map(SpannedMap::default()));
    };
    let given = match given {
        Some(Tree::Map(entries)) => entries.clone(),
        Some(other) => return other.clone(),
        None => SpannedMap::default(),
    };
    let mut entries = given.0;
    for (name, inner) in properties(fields) {
        match entries.iter_mut().find(|(key, _)| key.value == name.value) {
            Some((_, value)) => value.value = filled(Some(&value.value), Some(&inner.value)),
            None => {
                let Tree::Map(about) = &inner.value else { continue };
                entries.extend(about.get("default").map(|default| (name.clone(), default.clone())));
            }
        }
    }
    Tree::Map(SpannedMap(entries))
}

/// The text of a parameter, if it is known before a run starts.
pub(super) fn text_of(with: &Tree, name: &str) -> Option<String> {
    let Tree::Map(entries) = with else { return None };
    match &entries.get(name)?.value {
        Tree::Scalar(Value::String(text)) if !text.contains("{{") => Some(text.clone()),
        Tree::Scalar(Value::Number(number)) => Some(number.to_string()),
        Tree::Scalar(_) | Tree::List(_) | Tree::Map(_) => None,
    }
}

struct Judge<'f> {
    /// Whose schema it is.
    what: String,
    findings: &'f mut Findings,
}

impl Judge<'_> {
    /// `name` is what messages call the value.
    fn value(&mut self, value: &Spanned<Tree>, schema: &Spanned<Tree>, name: &str) {
        let Tree::Map(fields) = &schema.value else { return };
        let open = text(&value.value).is_some_and(|text| text.contains("{{"));
        if open && text(&value.value).is_some_and(|text| render::only_expression(text).is_some()) {
            return;
        }
        let kinds = types(fields);
        if !kinds.is_empty() && !kinds.iter().any(|kind| fits(&value.value, kind)) {
            let declared = fields.get("type").map_or(schema.span, |kind| kind.span);
            let message = format!("{name} must be {}, not {}", in_words(&kinds), described(&value.value));
            let finding = finding(Code::BadWith, value.span, message).and(declared, "declared here");
            self.findings.push(match (&value.value, open) {
                (_, true) => finding
                    .why("a text with `{{ }}` inside of it stays a text")
                    .help("write one `{{ }}` and nothing around it, which keeps the type of what it names"),
                (Tree::Scalar(Value::Number(_) | Value::Bool(_)), _) if kinds.contains(&"string") => {
                    finding.help("quote it")
                }
                (Tree::Scalar(Value::String(_)), _) => finding.help("write it without quotes"),
                _ => finding,
            });
            return;
        }
        match &value.value {
            _ if open => {}
            Tree::Scalar(scalar) => self.scalar((scalar, value.span), fields, name),
            Tree::List(items) => self.list((items, value.span), fields, name),
            Tree::Map(entries) => self.mapping((entries, value.span), schema, fields, name),
        }
    }

    fn scalar(&mut self, (value, span): (&Value, Span), fields: &Fields, name: &str) {
        let written = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        let allowed = match (fields.get("enum"), fields.get("const")) {
            (Some(Spanned { value: Tree::List(values), span }), _) => {
                Some((values.iter().map(|value| value.value.to_json()).collect::<Vec<_>>(), *span))
            }
            (_, Some(only)) => Some((vec![only.value.to_json()], only.span)),
            _ => None,
        };
        if let Some((values, declared)) = allowed.filter(|(values, _)| !values.contains(value)) {
            let words: Vec<String> =
                values.iter().map(|value| value.as_str().map_or_else(|| value.to_string(), str::to_owned)).collect();
            let listed = words.iter().map(|word| format!("`{word}`")).collect::<Vec<_>>().join(", ");
            let message = format!("`{written}` is not a value of {name}");
            let finding = finding(Code::BadWith, span, message).and(declared, "declared here");
            self.findings.push(match suggest::near(&written, words.iter().map(String::as_str)) {
                Some(near) => finding.fix(span, near, format!("did you mean `{near}`?")),
                None => finding.help(format!("write one of {listed}")),
            });
            return;
        }
        match value {
            Value::String(text) => {
                let count = text.chars().count();
                self.limits(
                    count,
                    (span, &format!("{name} has {count} characters")),
                    fields,
                    ["minLength", "maxLength"],
                );
            }
            Value::Number(number) => {
                let bound = |word: &str| match fields.get(word) {
                    Some(Spanned { value: Tree::Scalar(Value::Number(bound)), span }) => Some((bound.as_f64()?, *span)),
                    _ => None,
                };
                let number = number.as_f64().unwrap_or_default();
                let least = bound("minimum").filter(|(least, _)| number < *least).map(|found| ("at least", found));
                let most = bound("maximum").filter(|(most, _)| number > *most).map(|found| ("at most", found));
                if let Some((word, (limit, declared))) = least.or(most) {
                    let message = format!("{name} is {written} and must be {word} {limit}");
                    self.findings.push(finding(Code::BadWith, span, message).and(declared, "declared here"));
                }
            }
            _ => {}
        }
    }

    /// How much there is of something, between two words of the schema.
    fn limits(&mut self, count: usize, (span, what): (Span, &str), fields: &Fields, [least, most]: [&str; 2]) {
        let bound = |word: &str| match fields.get(word) {
            Some(Spanned { value: Tree::Scalar(Value::Number(bound)), span }) => {
                Some((usize::try_from(bound.as_u64()?).ok()?, *span))
            }
            _ => None,
        };
        let low = bound(least).filter(|(least, _)| count < *least).map(|found| ("at least", found));
        let high = bound(most).filter(|(most, _)| count > *most).map(|found| ("at most", found));
        if let Some((word, (limit, declared))) = low.or(high) {
            let message = format!("{what} and must have {word} {limit}");
            self.findings.push(finding(Code::BadWith, span, message).and(declared, "declared here"));
        }
    }

    fn list(&mut self, (items, span): (&[Spanned<Tree>], Span), fields: &Fields, name: &str) {
        let what = format!("{name} has {} items", items.len());
        self.limits(items.len(), (span, &what), fields, ["minItems", "maxItems"]);
        let Some(of) = fields.get("items") else { return };
        for (at, item) in items.iter().enumerate() {
            self.value(item, of, &format!("item {} of {name}", at + 1));
        }
    }

    fn mapping(&mut self, (entries, span): (&Fields, Span), schema: &Spanned<Tree>, fields: &Fields, name: &str) {
        let known: Vec<&Spanned<String>> = properties(fields).map(|(name, _)| name).collect();
        let mut meant = Vec::new();
        for (key, value) in entries.iter() {
            let named = format!("`{}`", key.value);
            match (properties(fields).find(|(name, _)| name.value == key.value), fields.get("additionalProperties")) {
                (Some((_, inner)), _) => self.value(value, inner, &named),
                (None, Some(Spanned { value: Tree::Scalar(Value::Bool(true)), .. })) => {}
                (None, Some(inner @ Spanned { value: Tree::Map(_), .. })) => self.value(value, inner, &named),
                // An object without a word about its keys is any object.
                (None, None) if known.is_empty() && name != "with" => {}
                (None, _) => meant.extend(self.unknown(key, &known, name)),
            }
        }
        let given = |name: &str| entries.get(name).is_some() || meant.iter().any(|meant| meant == name);
        self.lacking(schema, fields, (span, name), &given);
    }

    /// Reports a key that the schema does not name, and says which one was meant.
    fn unknown(&mut self, key: &Spanned<String>, known: &[&Spanned<String>], name: &str) -> Option<String> {
        let inside = if name == "with" { String::new() } else { format!(", in {name},") };
        let message = format!("{}{inside} has no parameter `{}`", self.what, key.value);
        let finding = finding(Code::UnknownWith, key.span, message);
        let near = suggest::near(&key.value, known.iter().map(|name| name.value.as_str())).map(str::to_owned);
        let place =
            known.iter().find(|name| Some(&name.value) == near.as_ref()).or(known.first()).map(|name| name.span);
        let finding = match place {
            Some(place) if near.is_some() => finding.and(place, "a parameter with a similar name"),
            Some(place) => finding.and(place, "its parameters"),
            None => finding,
        };
        let listed = known.iter().map(|name| format!("`{}`", name.value)).collect::<Vec<_>>().join(", ");
        self.findings.push(match &near {
            Some(near) => finding.fix(key.span, near.as_str(), format!("did you mean `{near}`?")),
            None if known.is_empty() => finding.help("remove it: there are none"),
            None => finding.help(format!("there are {listed}")),
        });
        near
    }

    fn lacking(
        &mut self,
        schema: &Spanned<Tree>,
        fields: &Fields,
        (span, name): (Span, &str),
        given: &dyn Fn(&str) -> bool,
    ) {
        for (wanted, declared) in required(fields) {
            let has_default = properties(fields).any(|(name, about)| {
                name.value == wanted && matches!(&about.value, Tree::Map(about) if about.get("default").is_some())
            });
            if given(wanted) || has_default {
                continue;
            }
            let place =
                properties(fields).find(|(name, _)| name.value == wanted).map_or(declared, |(name, _)| name.span);
            let (message, help) = if name == "with" {
                (format!("{} needs `{wanted}`", self.what), format!("add `with: {{ {wanted}: … }}` to the step"))
            } else {
                (format!("`{wanted}` is missing in {name}"), format!("add `{wanted}: …`"))
            };
            let finding = finding(Code::MissingWith, span, message).and(place, "has no default");
            self.findings.push(match described_in(schema, wanted) {
                Some(about) => finding.why(format!("`{wanted}`: {about}")).help(help),
                None => finding.help(help),
            });
        }
    }

    /// Reports everything that a step without `with` leaves out.
    fn missing(mut self, none: &Fields, schema: &Spanned<Tree>, place: Span) {
        let Tree::Map(fields) = &schema.value else { return };
        self.lacking(schema, fields, (place, "with"), &|name| none.get(name).is_some());
    }
}

/// What the schema says of a parameter, without its full stop.
fn described_in(schema: &Spanned<Tree>, name: &str) -> Option<String> {
    let Tree::Map(fields) = &schema.value else { return None };
    let (_, about) = properties(fields).find(|(known, _)| known.value == name)?;
    let Tree::Map(about) = &about.value else { return None };
    text(&about.get("description")?.value).map(|text| text.trim().trim_end_matches('.').replace('\n', " "))
}

fn fits(value: &Tree, kind: &str) -> bool {
    match (value, kind) {
        (Tree::Map(_), "object") | (Tree::List(_), "array") => true,
        (Tree::Scalar(Value::String(_)), "string") | (Tree::Scalar(Value::Bool(_)), "boolean") => true,
        (Tree::Scalar(Value::Number(_)), "number") => true,
        (Tree::Scalar(Value::Number(number)), "integer") => number.is_i64() || number.is_u64(),
        _ => false,
    }
}

fn in_words(kinds: &[&str]) -> String {
    let word = |kind: &&str| match *kind {
        "object" => "a mapping",
        "array" => "a list",
        "string" => "text",
        "integer" => "a whole number",
        "number" => "a number",
        _ => "`true` or `false`",
    };
    kinds.iter().map(word).collect::<Vec<_>>().join(" or ")
}

fn described(value: &Tree) -> String {
    match value {
        Tree::Map(_) => "a mapping".to_owned(),
        Tree::List(_) => "a list".to_owned(),
        Tree::Scalar(Value::String(_)) => "text".to_owned(),
        Tree::Scalar(Value::Number(number)) => format!("the number `{number}`"),
        Tree::Scalar(Value::Bool(value)) => format!("the boolean `{value}`"),
        Tree::Scalar(_) => "nothing".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::source::{Files, de, yaml};

    fn tree(text: &str) -> Spanned<Tree> {
        let mut files = Files::new();
        let file = files.add("type.yaml", text);
        let node = yaml::read(&files, file, &mut Findings::new()).expect("it is YAML");
        de::from_node(&node).expect("it is a tree")
    }

    const SCHEMA: &str = "properties:\n  table: { type: string, minLength: 2 }\n  share: { type: number, minimum: 0, maximum: 1, default: 0.5 }\n\
                          \x20 on: { type: object, properties: { rows: { type: integer, default: 3 } } }\n  mode: { enum: [all, some] }\nrequired: [table]\n";

    fn said(given: &str) -> Vec<String> {
        let mut findings = Findings::new();
        Judge { what: "type `t`".to_owned(), findings: &mut findings }.value(&tree(given), &tree(SCHEMA), "with");
        findings.iter().map(|finding| finding.message.clone()).collect()
    }

    #[test]
    fn values_fit_or_are_named() {
        assert_eq!(said("{ table: ab, share: 1, on: { rows: 2 }, mode: all }"), Vec::<String>::new());
        assert_eq!(said("{ table: \"{{ params.t }}\", share: \"{{ params.n }}\", mode: \"{{ params.m }}\" }").len(), 0);
        assert_eq!(
            said("{ table: \"a{{ run.id }}\", share: \"0{{ params.n }}\" }"),
            ["`share` must be a number, not text"]
        );
        assert_eq!(said("{ share: 2 }"), ["`share` is 2 and must be at most 1", "type `t` needs `table`"]);
        assert_eq!(said("{ tabel: ab }"), ["type `t` has no parameter `tabel`"]);
        assert_eq!(said("{ table: a }"), ["`table` has 1 characters and must have at least 2"]);
        assert_eq!(said("{ table: ab, on: { rows: 1.5 } }"), ["`rows` must be a whole number, not the number `1.5`"]);
        assert_eq!(said("{ table: ab, mode: none }"), ["`none` is not a value of `mode`"]);
    }

    #[test]
    fn defaults_fill_what_is_left_out() {
        let schema = tree(SCHEMA);
        let filled = filled(Some(&tree("{ table: ab, on: {} }").value), Some(&schema.value));
        assert_eq!(filled.to_json().to_string(), r#"{"table":"ab","on":{"rows":3},"share":0.5}"#);
    }
}
