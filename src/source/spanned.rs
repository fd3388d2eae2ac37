//! Typed values that remember where they were written.

use std::ops::Deref;

use super::Span;

/// A value and its place. Deserialises through `source::de` only, whose nodes know their spans.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Spanned<T> {
    /// The value.
    pub value: T,
    /// Where it stands in its file.
    pub span: Span,
}

impl<T> Spanned<T> {
    /// A value with its place.
    pub fn new(value: T, span: Span) -> Self {
        Self { value, span }
    }
}

impl<T> Deref for Spanned<T> {
    type Target = T;
    fn deref(&self) -> &T {
        &self.value
    }
}

/// A mapping in the order written, its keys with their places. Keys are unique: the reader reports a second one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SpannedMap<T>(pub Vec<(Spanned<String>, T)>);

impl<T> Default for SpannedMap<T> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<T> SpannedMap<T> {
    /// The value of a key.
    pub fn get(&self, key: &str) -> Option<&T> {
        self.0.iter().find(|(name, _)| name.value == key).map(|(_, value)| value)
    }

    /// Keys and values in the order written.
    pub fn iter(&self) -> impl Iterator<Item = (&Spanned<String>, &T)> {
        self.0.iter().map(|(name, value)| (name, value))
    }

    /// How many.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// One value or a list of them: `schedule: {…}` or `schedule: [{…}, {…}]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OneOrMany<T>(pub Vec<T>);

impl<T> Default for OneOrMany<T> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

mod read {
    //! How the wrappers read themselves from a node: a spanned value asks for a struct of a reserved name, which only
    //! `source::de` knows how to answer.

    use std::fmt;
    use std::marker::PhantomData;

    use serde::de::value::{MapAccessDeserializer, SeqAccessDeserializer};
    use serde::de::{Deserialize, Deserializer, Error, MapAccess, SeqAccess, Visitor};

    use super::{OneOrMany, Spanned, SpannedMap};
    use crate::source::{FileId, Span};

    /// Reserved struct name; fields in this order: file, start, end, value.
    pub const SPANNED: &str = "$dpc::Spanned";
    pub const FIELDS: &[&str] = &["$file", "$start", "$end", "$value"];

    impl<'de, T: Deserialize<'de>> Deserialize<'de> for Spanned<T> {
        fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
            struct SpannedVisitor<T>(PhantomData<T>);
            impl<'de, T: Deserialize<'de>> Visitor<'de> for SpannedVisitor<T> {
                type Value = Spanned<T>;
                fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                    f.write_str("a value with its place")
                }
                fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Self::Value, A::Error> {
                    let missing = || A::Error::custom("a place has a file, a start and an end");
                    let file: u32 = seq.next_element()?.ok_or_else(missing)?;
                    let start: u32 = seq.next_element()?.ok_or_else(missing)?;
                    let end: u32 = seq.next_element()?.ok_or_else(missing)?;
                    let value = seq.next_element()?.ok_or_else(missing)?;
                    let span = Span { file: FileId::from_index(file), start, end };
                    Ok(Spanned { value, span })
                }
            }
            deserializer.deserialize_struct(SPANNED, FIELDS, SpannedVisitor(PhantomData))
        }
    }

    impl<'de, T: Deserialize<'de>> Deserialize<'de> for SpannedMap<T> {
        fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
            struct MapVisitor<T>(PhantomData<T>);
            impl<'de, T: Deserialize<'de>> Visitor<'de> for MapVisitor<T> {
                type Value = SpannedMap<T>;
                fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                    f.write_str("a mapping")
                }
                fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                    let mut entries = Vec::new();
                    while let Some(entry) = map.next_entry()? {
                        entries.push(entry);
                    }
                    Ok(SpannedMap(entries))
                }
            }
            deserializer.deserialize_map(MapVisitor(PhantomData))
        }
    }

    impl<'de, T: Deserialize<'de>> Deserialize<'de> for OneOrMany<T> {
        fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
            struct EitherVisitor<T>(PhantomData<T>);
            impl<'de, T: Deserialize<'de>> Visitor<'de> for EitherVisitor<T> {
                type Value = OneOrMany<T>;
                fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                    f.write_str("a mapping or a list of mappings")
                }
                fn visit_seq<A: SeqAccess<'de>>(self, seq: A) -> Result<Self::Value, A::Error> {
                    Vec::deserialize(SeqAccessDeserializer::new(seq)).map(OneOrMany)
                }
                fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Self::Value, A::Error> {
                    T::deserialize(MapAccessDeserializer::new(map)).map(|value| OneOrMany(vec![value]))
                }
            }
            deserializer.deserialize_any(EitherVisitor(PhantomData))
        }
    }
}
pub(crate) use read::SPANNED as SPANNED_NAME;

/// The schema of a mapping whose values may be texts, numbers or booleans, all kept as typed: Spark properties, tags.
/// For `#[schemars(schema_with = "…")]` on a `SpannedMap<Spanned<String>>`.
pub fn scalars(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
    schemars::json_schema!({ "type": "object", "additionalProperties": { "type": ["string", "number", "boolean"] } })
}

mod schema {
    //! The wrappers are invisible in the published JSON Schemas.

    use std::borrow::Cow;

    use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};

    use super::{OneOrMany, Spanned, SpannedMap};

    impl<T: JsonSchema> JsonSchema for Spanned<T> {
        fn inline_schema() -> bool {
            T::inline_schema()
        }
        fn schema_name() -> Cow<'static, str> {
            T::schema_name()
        }
        fn schema_id() -> Cow<'static, str> {
            T::schema_id()
        }
        fn json_schema(generator: &mut SchemaGenerator) -> Schema {
            T::json_schema(generator)
        }
    }

    impl<T: JsonSchema> JsonSchema for SpannedMap<T> {
        fn inline_schema() -> bool {
            true
        }
        fn schema_name() -> Cow<'static, str> {
            format!("MapOf{}", T::schema_name()).into()
        }
        fn json_schema(generator: &mut SchemaGenerator) -> Schema {
            json_schema!({ "type": "object", "additionalProperties": generator.subschema_for::<T>() })
        }
    }

    impl<T: JsonSchema> JsonSchema for OneOrMany<T> {
        fn inline_schema() -> bool {
            true
        }
        fn schema_name() -> Cow<'static, str> {
            format!("OneOrMany{}", T::schema_name()).into()
        }
        fn json_schema(generator: &mut SchemaGenerator) -> Schema {
            let one = generator.subschema_for::<T>();
            json_schema!({ "anyOf": [one.clone(), { "type": "array", "items": one, "minItems": 1 }] })
        }
    }
}
