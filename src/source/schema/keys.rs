//! Keys: unknown ones and missing ones.

use serde_json::{Map, Value as Json};

use super::{ALSO, Check, Place};
use crate::source::node::{Entry, Key, Node};
use crate::source::{Code, Finding, suggest};

type Properties = Map<String, Json>;

impl<'s> Check<'s, '_> {
    pub(super) fn mapping(&mut self, node: &Node, entries: &[Entry], schema: &'s Json, place: &Place) {
        let none = &Properties::new();
        let properties = schema.get("properties").and_then(Json::as_object);
        let rest = schema.get("additionalProperties");
        let mut meant = Vec::new();
        for entry in entries {
            let known = properties.and_then(|properties| properties.get(&entry.key.text));
            match (known, rest) {
                (Some(inner), _) | (None, Some(inner @ Json::Object(_))) => {
                    self.parents.push((schema, entry.key.text.clone()));
                    let name = format!("`{}`", entry.key.text);
                    self.node(&entry.value, inner, &Place { name, head: entry.key.span });
                    self.parents.pop();
                }
                (None, Some(Json::Bool(false))) => {
                    let (finding, word) = self.unknown(&entry.key, properties.unwrap_or(none), node, place);
                    meant.extend(word);
                    self.push(finding);
                }
                (None, _) => {}
            }
        }
        self.missing(node, schema, properties.unwrap_or(none), &meant, place);
    }

    /// The finding for an unknown key, and the known key that was meant, if that is clear.
    fn unknown(&self, key: &Key, properties: &Properties, node: &Node, place: &Place) -> (Finding, Option<String>) {
        let here = if place.name == "the file" { String::new() } else { format!(" in {}", place.name) };
        let finding = Finding::at(Code::UnknownKey, key.span, format!("unknown key `{}`{here}", key.text), "");
        if let Some(beside) = self.belongs_outside(&key.text) {
            return (finding.help(format!("`{}` belongs one level up, beside `{beside}`", key.text)), None);
        }
        if let Some(inside) = self.belongs_inside(&key.text, properties) {
            return (finding.help(format!("`{}` belongs into `{inside}`", key.text)), None);
        }
        let free = properties.iter().filter(|(name, _)| node.get(name).is_none());
        if let Some(word) = meant(&key.text, free) {
            return (finding.fix(key.span, word, format!("did you mean `{word}`?")), Some(word.to_owned()));
        }
        if let Some(word) = meant(&key.text, properties.iter()) {
            return (finding.help(format!("did you mean `{word}`? That key is here already")), None);
        }
        let known: Vec<String> = properties.keys().map(|name| format!("`{name}`")).collect();
        let help = if known.is_empty() {
            "no keys are known here".to_owned()
        } else {
            format!("known keys here: {}", known.join(", "))
        };
        (finding.help(help), None)
    }

    /// The key beside which an unknown one would be known, one level further out.
    fn belongs_outside(&self, key: &str) -> Option<&str> {
        let (schema, inwards) = self.parents.last()?;
        schema.get("properties")?.get(key).map(|_| inwards.as_str())
    }

    /// The key in whose mapping an unknown one would be known.
    fn belongs_inside<'p>(&self, key: &str, properties: &'p Properties) -> Option<&'p str>
    where
        's: 'p,
    {
        let mut inside = properties.iter().filter(|(_, schema)| self.knows(schema, key));
        match (inside.next(), inside.next()) {
            (Some((name, _)), None) => Some(name),
            _ => None,
        }
    }

    /// Whether a mapping of this schema, or an item of a list of this schema, has the key.
    fn knows(&self, schema: &Json, key: &str) -> bool {
        let resolve = |schema: &Json| -> Option<Json> {
            let pointer = schema.get("$ref")?.as_str()?.strip_prefix('#')?;
            self.root.pointer(pointer).cloned()
        };
        let target = resolve(schema);
        let schema = target.as_ref().unwrap_or(schema);
        schema.get("properties").is_some_and(|properties| properties.get(key).is_some())
            || schema.get("items").is_some_and(|items| self.knows(items, key))
            || schema
                .get("anyOf")
                .and_then(Json::as_array)
                .is_some_and(|any| any.iter().any(|branch| self.knows(branch, key)))
    }

    fn missing(&mut self, node: &Node, schema: &'s Json, properties: &Properties, meant: &[String], place: &Place) {
        let required = schema.get("required").and_then(Json::as_array).into_iter().flatten().filter_map(Json::as_str);
        for name in required {
            // A misspelt key was reported as such.
            if node.get(name).is_some() || meant.iter().any(|word| word == name) {
                continue;
            }
            let message = if place.name == "the file" {
                format!("`{name}` is missing")
            } else {
                format!("`{name}` is missing in {}", place.name)
            };
            let mut finding = Finding::at(Code::MissingKey, place.head, message, format!("add `{name}:` here"));
            if let Some(about) = properties.get(name).and_then(|property| self.about(property)) {
                finding = finding.help(format!("`{name}`: {about}"));
            }
            self.push(finding);
        }
    }

    /// The description of a property, without its full stop.
    fn about(&self, property: &Json) -> Option<String> {
        let text = property.get("description")?.as_str()?;
        let text = text.trim_end_matches('.').replace('\n', " ");
        // "EC2 instance type" keeps its capitals, "The team" does not.
        let mut letters = text.chars();
        let (first, second) = (letters.next()?, letters.next());
        let is_word = second.is_none_or(|letter| letter.is_lowercase() || letter == ' ');
        Some(if is_word { text.replacen(first, &first.to_lowercase().to_string(), 1) } else { text })
    }
}

/// The known key that an unknown one stands for: by another word for it, or by its spelling.
fn meant<'p>(key: &str, properties: impl Iterator<Item = (&'p String, &'p Json)> + Clone) -> Option<&'p str> {
    let also = |schema: &Json| -> bool {
        let words = schema.get(ALSO).and_then(Json::as_array).into_iter().flatten();
        words.filter_map(Json::as_str).any(|word| suggest::same(word, key))
    };
    let by_word = properties.clone().find(|(_, schema)| also(schema)).map(|(name, _)| name.as_str());
    by_word.or_else(|| suggest::near(key, properties.map(|(name, _)| name.as_str())))
}
