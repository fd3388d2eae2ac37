//! JSON Patch, RFC 6902, on a document that is changed in place.
//!
//! In come a document and operations; out comes the document changed, or the first thing that does not fit. It refuses
//! to know what the document is. Members that stay keep their order, because the order of a template is its bytes.

use std::fmt;

use serde_json::{Map, Value};

/// A JSON Pointer, RFC 6901: the way to one value of a document.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pointer(Vec<String>);

impl Pointer {
    /// Reads `/Resources/Topic`; `~1` stands for a slash in a key, `~0` for a tilde.
    pub fn parse(text: &str) -> Option<Self> {
        if text.is_empty() {
            return Some(Self(Vec::new()));
        }
        text.strip_prefix('/')?.split('/').map(unescaped).collect::<Option<Vec<String>>>().map(Self)
    }

    /// The pointer to what these keys lead to.
    pub fn of<'k>(keys: impl IntoIterator<Item = &'k str>) -> Self {
        Self(keys.into_iter().map(str::to_owned).collect())
    }

    /// Its keys.
    pub fn keys(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(String::as_str)
    }

    /// How many keys it has.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether it is the whole document.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The key at a depth.
    pub fn key(&self, depth: usize) -> Option<&str> {
        self.0.get(depth).map(String::as_str)
    }

    /// The way to what holds it, cut at a depth.
    #[must_use]
    pub fn upto(&self, depth: usize) -> Self {
        Self(self.0.iter().take(depth).cloned().collect())
    }

    /// One key further.
    #[must_use]
    pub fn then(&self, key: &str) -> Self {
        let mut keys = self.0.clone();
        keys.push(key.to_owned());
        Self(keys)
    }

    /// Whether this is the other, or the way to something that holds it.
    pub fn leads_to(&self, other: &Self) -> bool {
        self.0.len() <= other.0.len() && self.0.iter().zip(&other.0).all(|(one, two)| one == two)
    }

    /// What it leads to, and how many of its keys led somewhere.
    pub fn follow<'v>(&self, document: &'v Value) -> (&'v Value, usize) {
        let mut at = document;
        for (depth, key) in self.0.iter().enumerate() {
            let next = match at {
                Value::Object(entries) => entries.get(key),
                Value::Array(items) => index(key).and_then(|index| items.get(index)),
                _ => None,
            };
            let Some(next) = next else { return (at, depth) };
            at = next;
        }
        (at, self.0.len())
    }

    fn get<'v>(&self, document: &'v Value) -> Result<&'v Value, Fault> {
        match self.follow(document) {
            (value, depth) if depth == self.0.len() => Ok(value),
            (_, depth) => Err(Fault::Missing { pointer: self.clone(), depth }),
        }
    }

    /// What holds the value, and the value's own key there; `None` for the whole document.
    fn split(&self) -> Option<(Self, &str)> {
        let (last, rest) = self.0.split_last()?;
        Some((Self(rest.to_vec()), last))
    }

    fn get_mut<'v>(&self, document: &'v mut Value) -> Result<&'v mut Value, Fault> {
        self.get(document)?;
        let found = self.0.iter().try_fold(document, |at, key| match at {
            Value::Object(entries) => entries.get_mut(key),
            Value::Array(items) => index(key).and_then(|index| items.get_mut(index)),
            _ => None,
        });
        found.ok_or_else(|| Fault::Missing { pointer: self.clone(), depth: 0 })
    }
}

impl fmt::Display for Pointer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|key| write!(f, "/{}", key.replace('~', "~0").replace('/', "~1")))
    }
}

fn unescaped(key: &str) -> Option<String> {
    let mut parts = key.split('~');
    let mut out = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        match part.strip_prefix('0') {
            Some(rest) => out.extend(["~", rest]),
            None => out.extend(["/", part.strip_prefix('1')?]),
        }
    }
    Some(out)
}

/// The position that a key names in a list: digits without a leading zero.
fn index(key: &str) -> Option<usize> {
    let plain = key.bytes().all(|byte| byte.is_ascii_digit()) && (key == "0" || !key.starts_with('0'));
    if plain { key.parse().ok() } else { None }
}

/// One operation of a patch.
#[derive(Clone, Debug, PartialEq)]
pub enum Operation {
    /// Puts a value into a mapping, or into a list before the position (`-`: at its end).
    Add(Pointer, Value),
    /// Takes a value out.
    Remove(Pointer),
    /// Puts a value where there is one.
    Replace(Pointer, Value),
    /// Takes a value out, and puts it elsewhere.
    Move {
        /// From here.
        from: Pointer,
        /// To there.
        to: Pointer,
    },
    /// Puts the value of one place into another too.
    Copy {
        /// From here.
        from: Pointer,
        /// To there.
        to: Pointer,
    },
    /// Fails unless the value is this.
    Test(Pointer, Value),
}

/// Why an operation cannot be done.
#[derive(Clone, Debug, PartialEq)]
pub enum Fault {
    /// The pointer leads nowhere after `depth` keys.
    Missing {
        /// The way that was to be gone.
        pointer: Pointer,
        /// How many of its keys lead somewhere.
        depth: usize,
    },
    /// A tested value is another.
    Differs {
        /// What stands there.
        found: Value,
    },
    /// A value cannot be moved into itself.
    IntoItself,
}

/// Does one operation. A document that an operation does not fit is unchanged.
///
/// # Errors
/// A [`Fault`].
pub fn apply(document: &mut Value, operation: &Operation) -> Result<(), Fault> {
    match operation {
        Operation::Add(path, value) => add(document, path, value.clone()),
        Operation::Remove(path) => remove(document, path).map(drop),
        Operation::Replace(path, value) => {
            *path.get_mut(document)? = value.clone();
            Ok(())
        }
        Operation::Move { from, to } if from == to => from.get(document).map(drop),
        Operation::Move { from, to } if from.leads_to(to) => Err(Fault::IntoItself),
        Operation::Move { from, to } => {
            let mut moved = document.clone();
            let value = remove(&mut moved, from)?;
            add(&mut moved, to, value)?;
            *document = moved;
            Ok(())
        }
        Operation::Copy { from, to } => {
            let value = from.get(document)?.clone();
            add(document, to, value)
        }
        Operation::Test(path, value) => match path.get(document)? {
            found if equal(found, value) => Ok(()),
            found => Err(Fault::Differs { found: found.clone() }),
        },
    }
}

fn add(document: &mut Value, path: &Pointer, value: Value) -> Result<(), Fault> {
    let Some((parent, key)) = path.split() else {
        *document = value;
        return Ok(());
    };
    let missing = Fault::Missing { pointer: path.clone(), depth: parent.len() };
    match parent.get_mut(document).map_err(|fault| at(fault, path))? {
        Value::Object(entries) => {
            entries.insert(key.to_owned(), value);
            Ok(())
        }
        Value::Array(items) => {
            let position = if key == "-" { Some(items.len()) } else { index(key) };
            match position.filter(|position| *position <= items.len()) {
                Some(position) => {
                    items.insert(position, value);
                    Ok(())
                }
                None => Err(missing),
            }
        }
        _ => Err(missing),
    }
}

fn remove(document: &mut Value, path: &Pointer) -> Result<Value, Fault> {
    path.get(document)?;
    let missing = || Fault::Missing { pointer: path.clone(), depth: path.len().saturating_sub(1) };
    let Some((parent, key)) = path.split() else {
        return Ok(std::mem::replace(document, Value::Object(Map::new())));
    };
    match parent.get_mut(document).map_err(|fault| at(fault, path))? {
        // `remove` would put the last member where the removed one was.
        Value::Object(entries) => entries.shift_remove(key).ok_or_else(missing),
        Value::Array(items) => match index(key).filter(|index| *index < items.len()) {
            Some(index) => Ok(items.remove(index)),
            None => Err(missing()),
        },
        _ => Err(missing()),
    }
}

/// The same fault, about the whole way.
fn at(fault: Fault, path: &Pointer) -> Fault {
    match fault {
        Fault::Missing { depth, .. } => Fault::Missing { pointer: path.clone(), depth },
        other => other,
    }
}

/// Numbers are equal by value, mappings whatever their order: RFC 6902, 4.6.
fn equal(one: &Value, other: &Value) -> bool {
    match (one, other) {
        (Value::Number(one), Value::Number(other)) => one == other || one.as_f64() == other.as_f64(),
        (Value::Array(one), Value::Array(other)) => {
            one.len() == other.len() && one.iter().zip(other).all(|(one, other)| equal(one, other))
        }
        (Value::Object(one), Value::Object(other)) => {
            one.len() == other.len()
                && one.iter().all(|(key, value)| other.get(key).is_some_and(|other| equal(value, other)))
        }
        (one, other) => one == other,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn pointer(text: &str) -> Pointer {
        Pointer::parse(text).expect("the test gives a pointer")
    }

    fn operation(patch: &Value) -> Operation {
        let text = |key: &str| pointer(patch.get(key).and_then(Value::as_str).unwrap_or_default());
        let value = || patch.get("value").cloned().unwrap_or(Value::Null);
        match patch.get("op").and_then(Value::as_str) {
            Some("add") => Operation::Add(text("path"), value()),
            Some("remove") => Operation::Remove(text("path")),
            Some("replace") => Operation::Replace(text("path"), value()),
            Some("move") => Operation::Move { from: text("from"), to: text("path") },
            Some("copy") => Operation::Copy { from: text("from"), to: text("path") },
            _ => Operation::Test(text("path"), value()),
        }
    }

    fn patched(mut document: Value, patch: &Value) -> Result<Value, Fault> {
        for one in patch.as_array().into_iter().flatten() {
            apply(&mut document, &operation(one))?;
        }
        Ok(document)
    }

    /// The examples of RFC 6902, appendix A, and what the text says beside them.
    #[test]
    fn the_examples_of_the_rfc() {
        for (document, patch, expected) in [
            (
                json!({"foo": "bar"}),
                json!([{"op": "add", "path": "/baz", "value": "qux"}]),
                json!({"foo": "bar", "baz": "qux"}),
            ),
            (
                json!({"foo": ["bar", "baz"]}),
                json!([{"op": "add", "path": "/foo/1", "value": "qux"}]),
                json!({"foo": ["bar", "qux", "baz"]}),
            ),
            (json!({"baz": "qux", "foo": "bar"}), json!([{"op": "remove", "path": "/baz"}]), json!({"foo": "bar"})),
            (
                json!({"foo": ["bar", "qux", "baz"]}),
                json!([{"op": "remove", "path": "/foo/1"}]),
                json!({"foo": ["bar", "baz"]}),
            ),
            (
                json!({"baz": "qux", "foo": "bar"}),
                json!([{"op": "replace", "path": "/baz", "value": "boo"}]),
                json!({"baz": "boo", "foo": "bar"}),
            ),
            (
                json!({"foo": {"bar": "baz", "waldo": "fred"}, "qux": {"corge": "grault"}}),
                json!([{"op": "move", "from": "/foo/waldo", "path": "/qux/thud"}]),
                json!({"foo": {"bar": "baz"}, "qux": {"corge": "grault", "thud": "fred"}}),
            ),
            (
                json!({"foo": ["all", "grass", "cows", "eat"]}),
                json!([{"op": "move", "from": "/foo/1", "path": "/foo/3"}]),
                json!({"foo": ["all", "cows", "eat", "grass"]}),
            ),
            (
                json!({"foo": "bar"}),
                json!([{"op": "add", "path": "/child", "value": {"grandchild": {}}}]),
                json!({"foo": "bar", "child": {"grandchild": {}}}),
            ),
            (json!({"foo": null}), json!([{"op": "test", "path": "/foo", "value": null}]), json!({"foo": null})),
            (
                json!({"/": 9, "~1": 10}),
                json!([{"op": "test", "path": "/~01", "value": 10.0}]),
                json!({"/": 9, "~1": 10}),
            ),
            (
                json!({"foo": ["bar"]}),
                json!([{"op": "add", "path": "/foo/-", "value": ["abc", "def"]}]),
                json!({"foo": ["bar", ["abc", "def"]]}),
            ),
            (
                json!({"a": {"b": 1}}),
                json!([{"op": "copy", "from": "/a", "path": "/c"}]),
                json!({"a": {"b": 1}, "c": {"b": 1}}),
            ),
        ] {
            assert_eq!(patched(document, &patch).as_ref(), Ok(&expected), "{patch}");
        }
    }

    #[test]
    fn what_does_not_fit_is_named() {
        let document = json!({"foo": {"bar": [1, 2]}});
        for (patch, depth) in [
            (json!([{"op": "add", "path": "/baz/bat", "value": 1}]), 0),
            (json!([{"op": "replace", "path": "/foo/baz", "value": 1}]), 1),
            (json!([{"op": "remove", "path": "/foo/bar/2"}]), 2),
            (json!([{"op": "add", "path": "/foo/bar/3", "value": 1}]), 2),
            (json!([{"op": "remove", "path": "/foo/bar/-"}]), 2),
            (json!([{"op": "remove", "path": "/foo/bar/01"}]), 2),
            (json!([{"op": "add", "path": "/foo/bar/0/x", "value": 1}]), 3),
        ] {
            match patched(document.clone(), &patch) {
                Err(Fault::Missing { depth: found, .. }) => assert_eq!(found, depth, "{patch}"),
                other => panic!("{patch}: {other:?}"),
            }
        }
        let test = json!([{"op": "test", "path": "/foo/bar/0", "value": "1"}]);
        assert_eq!(patched(document.clone(), &test), Err(Fault::Differs { found: json!(1) }));
        let into = json!([{"op": "move", "from": "/foo", "path": "/foo/bar/0"}]);
        assert_eq!(patched(document, &into), Err(Fault::IntoItself));
    }

    #[test]
    fn what_stays_keeps_its_order() {
        let document = json!({"a": 1, "b": 2, "c": 3});
        let patch = json!([{"op": "remove", "path": "/a"}, {"op": "replace", "path": "/b", "value": 4}]);
        assert_eq!(patched(document, &patch).map(|value| value.to_string()), Ok(r#"{"b":4,"c":3}"#.to_owned()));
    }

    #[test]
    fn pointers_are_read_and_printed() {
        for text in ["", "/", "/a/b", "/a~1b/~0", "/0"] {
            assert_eq!(pointer(text).to_string(), text);
        }
        assert_eq!(Pointer::parse("a"), None);
        assert_eq!(Pointer::parse("/~2"), None);
        assert_eq!(Pointer::parse("/~"), None);
        assert!(pointer("/a").leads_to(&pointer("/a/b")) && !pointer("/a").leads_to(&pointer("/ab")));
    }
}
