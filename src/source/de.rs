//! Typed values from a tree, through serde.
//!
//! In comes a [`Node`] that `schema::check` found nothing wrong with; out comes a value of the type that the schema was
//! made from, places included where the type asks for them with `Spanned`. Whoever asks for a string gets the text that
//! the user typed, whatever YAML takes it for.

use std::fmt;

use serde::de::value::StrDeserializer;
use serde::de::{self, DeserializeOwned, Deserializer, IntoDeserializer, Visitor};
use serde::forward_to_deserialize_any;

use super::node::{Entry, Key, Kind, Node, Scalar, Value, whole_number};
use super::spanned::SPANNED_NAME;
use super::texts::TEXTS_NAME;
use super::{Code, Finding, Span};

/// Reads a value of type `T`. An error points at the innermost node that did not fit.
pub fn from_node<T: DeserializeOwned>(node: &Node) -> Result<T, Box<Finding>> {
    T::deserialize(At(node)).map_err(|error| {
        let span = error.span.unwrap_or(node.span);
        Box::new(Finding::at(Code::WrongType, span, error.message, ""))
    })
}

/// What did not fit, and where.
#[derive(Debug)]
pub struct Error {
    message: String,
    span: Option<Span>,
}

impl Error {
    /// The innermost place wins: outer ones find it set.
    fn or_at(mut self, span: Span) -> Self {
        self.span.get_or_insert(span);
        self
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Error {}

impl de::Error for Error {
    fn custom<T: fmt::Display>(message: T) -> Self {
        Self { message: message.to_string(), span: None }
    }
}

/// A node as a source of values.
#[derive(Clone, Copy)]
struct At<'n>(&'n Node);

impl<'n> At<'n> {
    fn scalar(self) -> Result<&'n Scalar, Error> {
        match &self.0.value {
            Value::Scalar(scalar) => Ok(scalar),
            _ => Err(self.mismatch("a single value")),
        }
    }

    fn mismatch(self, wanted: &str) -> Error {
        Error { message: format!("expected {wanted}, found {}", self.0.describe()), span: Some(self.0.span) }
    }

    /// A whole number of any sign and base.
    fn integer(self) -> Result<i128, Error> {
        let scalar = self.scalar()?;
        let number = (scalar.kind == Kind::Int).then(|| whole_number(&scalar.text)).flatten();
        let value = number.and_then(|(digits, base)| i128::from_str_radix(digits, base).ok());
        let value = value.ok_or_else(|| self.mismatch("a whole number"))?;
        Ok(if scalar.text.starts_with('-') { -value } else { value })
    }

    fn float(self) -> Result<f64, Error> {
        let scalar = self.scalar()?;
        let text = scalar.text.to_ascii_lowercase();
        let value = match (scalar.kind, text.trim_start_matches(['+', '-'])) {
            (Kind::Int, _) => {
                #[allow(clippy::cast_precision_loss)] // Reason: that is what a float of a large number is.
                return self.integer().map(|value| value as f64);
            }
            (Kind::Float, ".inf") => Some(f64::INFINITY.copysign(if text.starts_with('-') { -1.0 } else { 1.0 })),
            (Kind::Float, ".nan") => Some(f64::NAN),
            (Kind::Float, _) => text.parse().ok(),
            _ => None,
        };
        value.ok_or_else(|| self.mismatch("a number"))
    }
}

macro_rules! integers {
    ($($method:ident $visit:ident $type:ty;)*) => {$(
        fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
            let value = self.integer()?;
            let value = <$type>::try_from(value).map_err(|_| self.mismatch(&format!("a number from {} to {}", <$type>::MIN, <$type>::MAX)))?;
            visitor.$visit(value).map_err(|error: Error| error.or_at(self.0.span))
        }
    )*};
}

impl<'de> Deserializer<'de> for At<'_> {
    type Error = Error;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        match &self.0.value {
            Value::List(items) => visitor.visit_seq(Items(items.iter())),
            Value::Map(entries) => visitor.visit_map(Entries { entries: entries.iter(), value: None }),
            Value::Scalar(scalar) => match scalar.kind {
                Kind::Null => visitor.visit_unit(),
                Kind::Bool(value) => visitor.visit_bool(value),
                Kind::Int => match self.integer().map(i64::try_from) {
                    Ok(Ok(value)) => visitor.visit_i64(value),
                    _ => visitor.visit_str(&scalar.text),
                },
                Kind::Float => visitor.visit_f64(self.float()?),
                Kind::Text => visitor.visit_str(&scalar.text),
            },
        }
        .map_err(|error: Error| error.or_at(self.0.span))
    }

    fn deserialize_str<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        visitor.visit_str(&self.scalar()?.text).map_err(|error: Error| error.or_at(self.0.span))
    }

    fn deserialize_string<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        self.deserialize_str(visitor)
    }

    integers! {
        deserialize_u8 visit_u8 u8;
        deserialize_u16 visit_u16 u16;
        deserialize_u32 visit_u32 u32;
        deserialize_u64 visit_u64 u64;
        deserialize_i8 visit_i8 i8;
        deserialize_i16 visit_i16 i16;
        deserialize_i32 visit_i32 i32;
        deserialize_i64 visit_i64 i64;
    }

    fn deserialize_f64<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        visitor.visit_f64(self.float()?).map_err(|error: Error| error.or_at(self.0.span))
    }

    fn deserialize_f32<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        self.deserialize_f64(visitor)
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        if self.0.is_null() { visitor.visit_none() } else { visitor.visit_some(self) }
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(self, name: &'static str, visitor: V) -> Result<V::Value, Error> {
        if name == TEXTS_NAME {
            return match &self.0.value {
                Value::List(items) => visitor.visit_seq(Items(items.iter())),
                _ => self.deserialize_str(visitor),
            };
        }
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        name: &'static str,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Error> {
        if name == SPANNED_NAME {
            return visitor.visit_seq(Place::new(self.0.span, self));
        }
        self.deserialize_map(visitor)
    }

    fn deserialize_map<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        match &self.0.value {
            Value::Map(_) => self.deserialize_any(visitor),
            _ => Err(self.mismatch("a mapping")),
        }
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        name: &'static str,
        variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Error> {
        let result = match &self.0.value {
            Value::Scalar(scalar) => visitor.visit_enum(scalar.text.as_str().into_deserializer()),
            Value::Map(entries) => match entries.as_slice() {
                [entry] => visitor.visit_enum(Variant(entry)),
                _ => Err(self.mismatch(&format!("one of {}", variants.join(", ")))),
            },
            Value::List(_) => Err(self.mismatch(name)),
        };
        result.map_err(|error: Error| error.or_at(self.0.span))
    }

    forward_to_deserialize_any! {
        bool i128 u128 char bytes byte_buf unit unit_struct seq tuple tuple_struct identifier ignored_any
    }
}

/// The items of a list.
struct Items<'n>(std::slice::Iter<'n, Node>);

impl<'de> de::SeqAccess<'de> for Items<'_> {
    type Error = Error;
    fn next_element_seed<T: de::DeserializeSeed<'de>>(&mut self, seed: T) -> Result<Option<T::Value>, Error> {
        self.0.next().map(|node| seed.deserialize(At(node))).transpose()
    }
    fn size_hint(&self) -> Option<usize> {
        Some(self.0.len())
    }
}

/// The entries of a mapping.
struct Entries<'n> {
    entries: std::slice::Iter<'n, Entry>,
    value: Option<&'n Entry>,
}

impl<'de> de::MapAccess<'de> for Entries<'_> {
    type Error = Error;
    fn next_key_seed<K: de::DeserializeSeed<'de>>(&mut self, seed: K) -> Result<Option<K::Value>, Error> {
        let Some(entry) = self.entries.next() else { return Ok(None) };
        self.value = Some(entry);
        seed.deserialize(AtKey(&entry.key)).map(Some).map_err(|error| error.or_at(entry.key.span))
    }
    fn next_value_seed<V: de::DeserializeSeed<'de>>(&mut self, seed: V) -> Result<V::Value, Error> {
        let entry = self.value.take().ok_or_else(|| <Error as de::Error>::custom("a value comes after its key"))?;
        seed.deserialize(At(&entry.value)).map_err(|error| error.or_at(entry.value.span))
    }
}

/// A key as a source of values: a text, with its place if asked.
#[derive(Clone, Copy)]
struct AtKey<'n>(&'n Key);

impl<'de> Deserializer<'de> for AtKey<'_> {
    type Error = Error;
    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        visitor.visit_str(&self.0.text)
    }
    fn deserialize_struct<V: Visitor<'de>>(
        self,
        name: &'static str,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Error> {
        if name == SPANNED_NAME {
            visitor.visit_seq(Place::new(self.0.span, self))
        } else {
            self.deserialize_any(visitor)
        }
    }
    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf option unit unit_struct
        newtype_struct seq tuple tuple_struct map enum identifier ignored_any
    }
}

/// The answer to `Spanned`: file, start, end, then the value itself.
struct Place<D> {
    numbers: std::array::IntoIter<u32, 3>,
    value: Option<D>,
}

impl<D> Place<D> {
    fn new(span: Span, value: D) -> Self {
        Self { numbers: [span.file.index(), span.start, span.end].into_iter(), value: Some(value) }
    }
}

impl<'de, D: Deserializer<'de, Error = Error>> de::SeqAccess<'de> for Place<D> {
    type Error = Error;
    fn next_element_seed<T: de::DeserializeSeed<'de>>(&mut self, seed: T) -> Result<Option<T::Value>, Error> {
        match self.numbers.next() {
            Some(number) => seed.deserialize(number.into_deserializer()).map(Some),
            None => self.value.take().map(|value| seed.deserialize(value)).transpose(),
        }
    }
}

/// `variant: content`.
struct Variant<'n>(&'n Entry);

impl<'de, 'n> de::EnumAccess<'de> for Variant<'n> {
    type Error = Error;
    type Variant = Content<'n>;
    fn variant_seed<V: de::DeserializeSeed<'de>>(self, seed: V) -> Result<(V::Value, Content<'n>), Error> {
        let name: StrDeserializer<'_, Error> = self.0.key.text.as_str().into_deserializer();
        let variant = seed.deserialize(name).map_err(|error| error.or_at(self.0.key.span))?;
        Ok((variant, Content(&self.0.value)))
    }
}

struct Content<'n>(&'n Node);

impl<'de> de::VariantAccess<'de> for Content<'_> {
    type Error = Error;
    fn unit_variant(self) -> Result<(), Error> {
        Err(At(self.0).mismatch("no value"))
    }
    fn newtype_variant_seed<T: de::DeserializeSeed<'de>>(self, seed: T) -> Result<T::Value, Error> {
        seed.deserialize(At(self.0))
    }
    fn tuple_variant<V: Visitor<'de>>(self, _: usize, visitor: V) -> Result<V::Value, Error> {
        At(self.0).deserialize_any(visitor)
    }
    fn struct_variant<V: Visitor<'de>>(self, _: &'static [&'static str], visitor: V) -> Result<V::Value, Error> {
        At(self.0).deserialize_map(visitor)
    }
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;

    use super::from_node;
    use crate::language::manifest::{Manifest, ProjectFile};
    use crate::source::{Files, Findings, Node, Spanned, SpannedMap, yaml};

    fn node(text: &str) -> (Files, Node) {
        let mut files = Files::new();
        let file = files.add("test.yaml", text);
        let mut findings = Findings::new();
        let node = yaml::read(&files, file, &mut findings);
        assert!(findings.is_empty(), "{findings:?}");
        (files, node.expect("the test gives a document"))
    }

    #[derive(Debug, Deserialize)]
    struct Sample {
        text: Spanned<String>,
        count: u32,
        share: f64,
        flag: bool,
        names: SpannedMap<Spanned<String>>,
        #[serde(default)]
        missing: Option<Spanned<String>>,
    }

    #[test]
    fn strings_keep_the_typed_text_and_places_are_true() {
        let text = "text: 007\ncount: 0x10\nshare: 2\nflag: true\nnames: { \"a\": 'it', b: 1.50 }\n";
        let (files, node) = node(text);
        let sample: Sample = from_node(&node).expect("it fits");
        assert_eq!(sample.text.value, "007");
        assert_eq!(files.text_of(sample.text.span), "007");
        assert_eq!((sample.count, sample.flag, sample.missing.is_none()), (16, true, true));
        assert!((sample.share - 2.0).abs() < f64::EPSILON);
        let names: Vec<_> =
            sample.names.iter().map(|(key, value)| (files.text_of(key.span), files.text_of(value.span))).collect();
        assert_eq!(names, [("a", "it"), ("b", "1.50")]);
        assert_eq!(sample.names.get("b").map(|b| b.value.as_str()), Some("1.50"));
    }

    #[test]
    fn an_error_points_at_the_innermost_value() {
        let (files, node) = node("text: a\ncount: -1\nshare: 1\nflag: true\nnames: {}\n");
        let finding = from_node::<Sample>(&node).expect_err("a count is not negative");
        assert_eq!(finding.message, "expected a number from 0 to 4294967295, found the number `-1`");
        assert_eq!(finding.primary.map(|label| files.text_of(label.span).to_owned()), Some("-1".to_owned()));
    }

    #[test]
    fn the_manifest_reads_itself() {
        let text = "name: listings\ntriggers:\n  schedule: { cron: \"0 3 * * ? *\", timezone: Europe/Berlin }\n\
                    steps:\n  - name: publish\n    shell: { command: [bash, src/publish.sh] }\n    retry: { attempts: 2, backoff: 1.5 }\n\
                    access:\n  read: [\"s3://a/*\", { s3: \"s3://b/*\", account: \"111111111111\" }]\n\
                    alerts:\n  - { events: [FAILED], email: a@example.com }\n";
        let (files, node) = node(text);
        let manifest: Manifest = from_node(&node).expect("it fits");
        let triggers = manifest.triggers.expect("it has triggers");
        assert_eq!(triggers.schedule.0.len(), 1);
        let cron =
            triggers.value.schedule.0.into_iter().next().and_then(|schedule| schedule.cron).expect("it has a cron");
        assert_eq!(files.text_of(cron.span.within(2, 3)), "3");
        let access = manifest.access.expect("it has access");
        assert_eq!(access.read.iter().map(|location| location.account.is_some()).collect::<Vec<_>>(), [false, true]);
    }

    #[test]
    fn a_project_reads_itself() {
        let (_, node) = node(
            "project: p\nenvironments:\n  dev: { account: \"111111111111\", region: eu-central-1, vars: { a: b } }\n",
        );
        let project: ProjectFile = from_node(&node).expect("it fits");
        assert_eq!(project.environments.len(), 1);
    }
}
