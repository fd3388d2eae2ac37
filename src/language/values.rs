//! Values that a manifest may write in more than one way.

use std::borrow::Cow;
use std::fmt;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::value::MapAccessDeserializer;
use serde::de::{Deserialize, Deserializer, Error, MapAccess, Visitor};

use crate::source::Spanned;

/// A string, number or boolean, kept as the user typed it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Scalar(pub String);

impl<'de> Deserialize<'de> for Scalar {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        // `source::de` gives the text of any scalar to whoever asks for a string.
        String::deserialize(deserializer).map(Scalar)
    }
}

impl JsonSchema for Scalar {
    fn inline_schema() -> bool {
        true
    }
    fn schema_name() -> Cow<'static, str> {
        "Scalar".into()
    }
    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": ["string", "number", "boolean"] })
    }
}

/// `s3://bucket/prefix/*`, or `{ s3: …, account: "…" }` for a bucket of another account.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Location {
    /// The URI.
    pub s3: String,
    /// The account that owns the bucket, when it is not the pipeline's own.
    pub account: Option<Spanned<String>>,
}

/// The long form.
#[derive(serde::Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct LocationOfAccount {
    /// The URI: `s3://bucket/prefix/*`.
    s3: String,
    /// Twelve digits, in quotes: the account that owns the bucket.
    account: Option<Spanned<String>>,
}

impl<'de> Deserialize<'de> for Location {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct EitherVisitor;
        impl<'de> Visitor<'de> for EitherVisitor {
            type Value = Location;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an S3 URI, or a mapping with s3 and account")
            }
            fn visit_str<E: Error>(self, text: &str) -> Result<Location, E> {
                Ok(Location { s3: text.to_owned(), account: None })
            }
            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Location, A::Error> {
                let long = LocationOfAccount::deserialize(MapAccessDeserializer::new(map))?;
                Ok(Location { s3: long.s3, account: long.account })
            }
        }
        deserializer.deserialize_any(EitherVisitor)
    }
}

impl JsonSchema for Location {
    fn inline_schema() -> bool {
        true
    }
    fn schema_name() -> Cow<'static, str> {
        "Location".into()
    }
    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let long = generator.subschema_for::<LocationOfAccount>();
        json_schema!({ "anyOf": [{ "type": "string" }, long] })
    }
}
