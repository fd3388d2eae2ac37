//! One of a step's `needs`: a name, or a name and what to do when that step was skipped.

use std::borrow::Cow;
use std::fmt;
use std::ops::Deref;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::value::MapAccessDeserializer;
use serde::de::{Deserialize, Deserializer, Error, MapAccess, Visitor};

/// A step that must have succeeded, or been skipped by its own `when`, before this one starts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Need {
    /// Its name.
    pub step: String,
    /// What this step does when that one was skipped.
    pub on_skip: OnSkip,
}

/// What a step does when one that it needs was skipped by its `when`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum OnSkip {
    /// It runs all the same.
    #[default]
    Run,
    /// It is skipped too.
    Skip,
}

impl Deref for Need {
    type Target = str;
    fn deref(&self) -> &str {
        &self.step
    }
}

/// The long form.
#[derive(serde::Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct LongNeed {
    /// The step's name.
    step: String,
    /// What to do when that step was skipped by its `when`: run (the default) or skip.
    #[serde(default)]
    on_skip: OnSkip,
}

impl<'de> Deserialize<'de> for Need {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct EitherVisitor;
        impl<'de> Visitor<'de> for EitherVisitor {
            type Value = Need;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("the name of a step, or a mapping with step and onSkip")
            }
            fn visit_str<E: Error>(self, text: &str) -> Result<Need, E> {
                Ok(Need { step: text.to_owned(), on_skip: OnSkip::Run })
            }
            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Need, A::Error> {
                let LongNeed { step, on_skip } = LongNeed::deserialize(MapAccessDeserializer::new(map))?;
                Ok(Need { step, on_skip })
            }
        }
        deserializer.deserialize_any(EitherVisitor)
    }
}

impl JsonSchema for Need {
    fn inline_schema() -> bool {
        true
    }
    fn schema_name() -> Cow<'static, str> {
        "Need".into()
    }
    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        json_schema!({ "anyOf": [{ "type": "string" }, generator.subschema_for::<LongNeed>()] })
    }
}
