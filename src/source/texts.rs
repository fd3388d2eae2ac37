//! One text or a list of them, each as the user typed it.

use std::borrow::Cow;
use std::fmt;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::value::SeqAccessDeserializer;
use serde::de::{Deserialize, Deserializer, Error, SeqAccess, Visitor};

use super::Spanned;

/// Reserved name, which `source::de` answers with the text of a scalar or the items of a list.
pub(super) const TEXTS_NAME: &str = "$dpc::Texts";

/// A string, number or boolean, or a list of such, whatever YAML takes them for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Texts {
    /// One.
    One(String),
    /// A list.
    Many(Vec<Spanned<String>>),
}

impl Texts {
    /// Every text.
    pub fn iter(&self) -> impl Iterator<Item = &str> {
        let (one, many) = match self {
            Texts::One(text) => (Some(text), [].as_slice()),
            Texts::Many(texts) => (None, texts.as_slice()),
        };
        one.into_iter().chain(many.iter().map(|text| &text.value)).map(String::as_str)
    }

    /// As JSON: a string, or a list of strings.
    pub fn to_json(&self) -> serde_json::Value {
        match self {
            Texts::One(text) => text.as_str().into(),
            Texts::Many(texts) => texts.iter().map(|text| text.value.as_str()).collect(),
        }
    }
}

impl<'de> Deserialize<'de> for Texts {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct TextsVisitor;
        impl<'de> Visitor<'de> for TextsVisitor {
            type Value = Texts;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a value or a list of values")
            }
            fn visit_str<E: Error>(self, text: &str) -> Result<Texts, E> {
                Ok(Texts::One(text.to_owned()))
            }
            fn visit_seq<A: SeqAccess<'de>>(self, seq: A) -> Result<Texts, A::Error> {
                Vec::deserialize(SeqAccessDeserializer::new(seq)).map(Texts::Many)
            }
        }
        deserializer.deserialize_newtype_struct(TEXTS_NAME, TextsVisitor)
    }
}

impl JsonSchema for Texts {
    fn inline_schema() -> bool {
        true
    }
    fn schema_name() -> Cow<'static, str> {
        "Texts".into()
    }
    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        let one = ["string", "number", "boolean"];
        json_schema!({ "type": ["string", "number", "boolean", "array"], "items": { "type": one } })
    }
}
