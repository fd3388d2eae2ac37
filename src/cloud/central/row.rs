//! Rows of `dpc-central` as items of DynamoDB, and back.
//!
//! In come rows, each a document under a key; out come items, or what is wrong with one. It refuses to know what the
//! documents say.

use std::collections::{BTreeMap, HashMap};
use std::io::{Read, Write as _};

use aws_sdk_dynamodb::primitives::Blob;
use aws_sdk_dynamodb::types::AttributeValue;
use flate2::Compression;
use flate2::read::DeflateDecoder;
use flate2::write::DeflateEncoder;
use jiff::Timestamp;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::Value;

pub(super) type Item = HashMap<String, AttributeValue>;

/// Longer documents are compressed: a window of a year of hours is a few hundred kilobytes of much the same.
const PLAIN: usize = 16 * 1024;
/// DynamoDB takes 400 KB an item, names of attributes included; the rest of a row is far below the difference:
/// <https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/Constraints.html>.
pub const LARGEST: usize = 390 * 1024;
/// More than this never comes out of a compressed document that dpc wrote.
const LARGEST_UNPACKED: u64 = 64 * 1024 * 1024;

/// Where a row is.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Key {
    /// The partition key.
    pub pk: String,
    /// The sort key.
    pub sk: String,
}

impl Key {
    /// This key.
    pub fn new(pk: impl Into<String>, sk: impl Into<String>) -> Self {
        Self { pk: pk.into(), sk: sk.into() }
    }
}

/// What the sweep must do about a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Open {
    /// Decide what follows from it.
    Evaluate,
    /// Publish it, or see that what was published has arrived.
    Fire,
}

impl Open {
    /// All of them.
    pub const ALL: [Open; 2] = [Open::Evaluate, Open::Fire];

    /// The value of the attribute `open`.
    pub fn as_str(self) -> &'static str {
        match self {
            Open::Evaluate => "evaluate",
            Open::Fire => "fire",
        }
    }
}

/// What has been done about a fire. Attribute `done` of its row.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Delivery {
    /// How often it was put on its owner's bus, or should have been.
    pub attempts: u32,
    /// When the bus took it last.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub published_at: Option<Timestamp>,
    /// Why the bus did not.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub refusal: Option<String>,
    /// Whether a person has been told.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub alarmed: bool,
}

impl Delivery {
    /// What a row says.
    pub fn of(row: &Row) -> Self {
        row.done.as_ref().and_then(|done| Self::deserialize(done).ok()).unwrap_or_default()
    }
}

/// One row: a document, and what the table itself must know of it.
#[derive(Clone, Debug, PartialEq)]
pub struct Row {
    /// Where it is.
    pub key: Key,
    /// Bumped by each write; what is written names the version that it replaces.
    pub version: u64,
    /// The document.
    pub document: Value,
    /// What is still to be done about it.
    pub open: Option<Open>,
    /// What has been done about it: of a fire, how it was published.
    pub done: Option<Value>,
    /// When it may go. Facts never do.
    pub expires: Option<Timestamp>,
    /// Attributes for people who look at the table; never read.
    pub notes: BTreeMap<&'static str, String>,
}

impl Row {
    /// The first version of a row.
    ///
    /// # Errors
    /// A value that has no JSON, which dpc's own all have.
    pub fn new<T: Serialize>(key: Key, document: &T) -> Result<Self, String> {
        let document = serde_json::to_value(document).map_err(|error| format!("it has no JSON: {error}"))?;
        Ok(Self { key, version: 1, document, open: None, done: None, expires: None, notes: BTreeMap::new() })
    }

    /// Reads the document.
    ///
    /// # Errors
    /// Another version of dpc wrote it, or somebody by hand.
    pub fn read<T: DeserializeOwned>(&self) -> Result<T, String> {
        T::deserialize(&self.document).map_err(|error| error.to_string())
    }
}

pub(super) fn text(value: impl Into<String>) -> AttributeValue {
    AttributeValue::S(value.into())
}

pub(super) fn key(key: &Key) -> Item {
    HashMap::from([("pk".to_owned(), text(&key.pk)), ("sk".to_owned(), text(&key.sk))])
}

/// The bytes that a document takes in its row.
pub fn size(document: &Value) -> usize {
    let json = document.to_string();
    if json.len() <= PLAIN { json.len() } else { pack(&json).len() }
}

/// A row as an item.
pub(super) fn to_item(row: &Row) -> Item {
    let mut item = key(&row.key);
    let json = row.document.to_string();
    if json.len() <= PLAIN {
        item.insert("document".to_owned(), text(json));
    } else {
        item.insert("packed".to_owned(), AttributeValue::B(Blob::new(pack(&json))));
    }
    item.insert("version".to_owned(), AttributeValue::N(row.version.to_string()));
    if let Some(open) = row.open {
        item.insert("open".to_owned(), text(open.as_str()));
    }
    if let Some(done) = &row.done {
        item.insert("done".to_owned(), text(done.to_string()));
    }
    if let Some(expires) = row.expires {
        item.insert("expires".to_owned(), AttributeValue::N(expires.as_second().to_string()));
    }
    item.extend(row.notes.iter().map(|(name, note)| ((*name).to_owned(), text(note))));
    item
}

/// An item as a row. Notes are not read: nothing may depend on them.
pub(super) fn to_row(item: &Item) -> Result<Row, String> {
    let find = |name: &str| item.get(name).and_then(|value| value.as_s().ok());
    let number = |name: &str| item.get(name).and_then(|value| value.as_n().ok()).and_then(|digits| digits.parse().ok());
    let missing = |name: &str| format!("`{name}` is missing");
    let json = match item.get("packed").and_then(|packed| packed.as_b().ok()) {
        Some(packed) => unpack(packed.as_ref())?,
        None => find("document").ok_or_else(|| missing("document"))?.clone(),
    };
    let document = serde_json::from_str(&json).map_err(|error| format!("`document` is not JSON: {error}"))?;
    let open = find("open").and_then(|open| Open::ALL.into_iter().find(|one| one.as_str() == open));
    let expires = number("expires").and_then(|second: u64| Timestamp::from_second(i64::try_from(second).ok()?).ok());
    Ok(Row {
        key: to_key(item).ok_or_else(|| missing("pk"))?,
        version: number("version").ok_or_else(|| missing("version"))?,
        document,
        open,
        done: find("done").and_then(|done| serde_json::from_str(done).ok()),
        expires,
        notes: BTreeMap::new(),
    })
}

pub(super) fn to_key(item: &Item) -> Option<Key> {
    let find = |name: &str| item.get(name)?.as_s().ok().cloned();
    Some(Key { pk: find("pk")?, sk: find("sk")? })
}

fn pack(json: &str) -> Vec<u8> {
    let mut encoder = DeflateEncoder::new(Vec::new(), Compression::default());
    // A vector takes whatever it is given.
    let written = encoder.write_all(json.as_bytes());
    written.and_then(|()| encoder.finish()).expect("writing to memory does not fail")
}

fn unpack(packed: &[u8]) -> Result<String, String> {
    let mut json = String::new();
    let mut decoder = DeflateDecoder::new(packed).take(LARGEST_UNPACKED);
    decoder.read_to_string(&mut json).map_err(|error| format!("`packed` cannot be unpacked: {error}"))?;
    Ok(json)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_row_survives_its_item() {
        let mut row = Row::new(Key::new("FACT#prod#listings", "2026-11-21#000001"), &json!({ "number": 1 })).unwrap();
        row.open = Some(Open::Evaluate);
        row.done = Some(json!({ "published": 1 }));
        row.expires = Some(Timestamp::from_second(1_800_000_000).unwrap());
        row.notes.insert("status", "SUCCEEDED".to_owned());
        let read = to_row(&to_item(&row)).unwrap();
        assert_eq!(read, Row { notes: BTreeMap::new(), ..row });
    }

    #[test]
    fn what_is_long_is_packed() {
        let runs: Vec<_> =
            (0..8_784).map(|hour| json!({ "pipeline": "clicks", "partition": hour, "number": 1 })).collect();
        let row = Row::new(Key::new("a", "b"), &runs).unwrap();
        assert!(row.document.to_string().len() > LARGEST, "otherwise this shows nothing");
        assert!(size(&row.document) < 100 * 1024, "{}", size(&row.document));
        let item = to_item(&row);
        assert!(!item.contains_key("document"));
        assert_eq!(to_row(&item).unwrap().document, row.document);
    }

    #[test]
    fn a_broken_item_says_what_is_wrong() {
        let mut item = to_item(&Row::new(Key::new("a", "b"), &1).unwrap());
        item.insert("document".to_owned(), text("{"));
        assert!(to_row(&item).unwrap_err().starts_with("`document` is not JSON"));
        item.remove("document");
        assert_eq!(to_row(&item).unwrap_err(), "`document` is missing");
    }
}
