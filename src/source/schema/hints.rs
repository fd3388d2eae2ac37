//! What a schema says to editors beside shapes: words to complete, defaults, and which keys exclude each other.
//!
//! In comes a schema as `schemars` writes it for a type or a field; out goes the same with more said. dpc's own walk knows
//! none of it, because rules say the same with reasons; other people's validators do. A value with `${…}` in it fits every
//! pattern, as what will stand there is not known yet.

use schemars::Schema;
use serde_json::{Value as Json, json};

/// A text that is one of these words.
pub fn words(words: &[&str]) -> impl FnMut(&mut Schema) + use<> {
    let (pattern, examples) = (format!("^({})$|{VARIABLE}", words.join("|").replace('.', "\\.")), json!(words));
    move |schema| texts(schema, &pattern, &examples)
}

/// A text of this form, such as these.
pub fn form(pattern: &str, examples: &[&str]) -> impl FnMut(&mut Schema) + use<> {
    let (pattern, examples) = (format!("{pattern}|{VARIABLE}"), json!(examples));
    move |schema| texts(schema, &pattern, &examples)
}

/// `45m`, `2h`.
pub fn duration(schema: &mut Schema) {
    form("^[0-9]{1,9}[smhd]$", &["30m", "2h", "1d"])(schema);
}

/// Lower-case letters, digits and hyphens.
pub fn name(schema: &mut Schema) {
    form("^[a-z][a-z0-9-]{0,39}$", &[])(schema);
}

/// What holds when the key is left out.
pub fn default(value: impl Into<Json>) -> impl FnMut(&mut Schema) {
    let value = value.into();
    move |schema| drop(schema.insert("default".to_owned(), value.clone()))
}

/// A mapping with exactly one of these keys, as far as it has them.
pub fn exactly_one(keys: &[&str]) -> impl FnMut(&mut Schema) + use<> {
    let keys: Vec<String> = keys.iter().map(|key| (*key).to_owned()).collect();
    move |schema| choose(schema, &keys, "oneOf", "exactly one")
}

/// A mapping with at least one of these keys.
pub fn at_least_one(keys: &[&str]) -> impl FnMut(&mut Schema) + use<> {
    let keys: Vec<String> = keys.iter().map(|key| (*key).to_owned()).collect();
    move |schema| choose(schema, &keys, "anyOf", "at least one")
}

const VARIABLE: &str = r"\$\{";

/// Below `allOf`, because a type's own alternatives stand at its top.
fn choose(schema: &mut Schema, keys: &[String], union: &str, how_many: &str) {
    let known = |key: &&String| schema.get("properties").is_some_and(|known| known.get(key.as_str()).is_some());
    let keys: Vec<&String> = keys.iter().filter(known).collect();
    let branches: Vec<Json> = keys.iter().map(|key| json!({ "required": [key] })).collect();
    let listed = keys.iter().map(|key| format!("`{key}`")).collect::<Vec<_>>().join(", ");
    let rule = json!([{ union: branches, "errorMessage": format!("{how_many} of {listed}") }]);
    schema.insert("allOf".to_owned(), rule);
}

/// Texts are the schema itself, its items, or one of its alternatives.
fn texts(schema: &mut Schema, pattern: &str, examples: &Json) {
    fn within(schema: &mut Json, pattern: &str, examples: &Json) {
        let Json::Object(map) = schema else { return };
        let is_text = match map.get("type") {
            Some(Json::Array(types)) => types.iter().any(|one| one == "string"),
            Some(one) => one == "string",
            None => false,
        };
        if is_text {
            map.insert("pattern".to_owned(), json!(pattern));
            if examples.as_array().is_some_and(|examples| !examples.is_empty()) {
                map.insert("examples".to_owned(), examples.clone());
            }
        }
        map.get_mut("items").into_iter().for_each(|items| within(items, pattern, examples));
        let branches = map.get_mut("anyOf").and_then(Json::as_array_mut);
        branches.into_iter().flatten().for_each(|branch| within(branch, pattern, examples));
    }
    let mut value = std::mem::take(schema).to_value();
    within(&mut value, pattern, examples);
    if let Ok(hinted) = Schema::try_from(value) {
        *schema = hinted;
    }
}
