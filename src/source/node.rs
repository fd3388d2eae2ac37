//! The tree of a YAML file, every key and value with its place.

use super::Span;

/// A value and its place.
///
/// The span of a scalar covers what stands between its quotes when that is the value byte for byte, so that an offset
/// in the value is an offset in the span; else it covers the quotes too. An alias has the span of the alias itself, its
/// children those of the anchor's definition.
#[derive(Clone, Debug, PartialEq)]
pub struct Node {
    /// Where it stands.
    pub span: Span,
    /// What it is.
    pub value: Value,
}

/// What a node is.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    /// A text, number or boolean.
    Scalar(Scalar),
    /// A list.
    List(Vec<Node>),
    /// A mapping, in the order written. Keys are unique.
    Map(Vec<Entry>),
}

/// One key of a mapping and its value.
#[derive(Clone, Debug, PartialEq)]
pub struct Entry {
    /// The key.
    pub key: Key,
    /// Its value.
    pub value: Node,
}

/// A key and its place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Key {
    /// The text.
    pub text: String,
    /// Where it stands.
    pub span: Span,
}

/// A scalar: the text that the user typed, and what YAML takes it for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Scalar {
    /// The text, without quotes, escapes resolved.
    pub text: String,
    /// What YAML 1.2 takes it for.
    pub kind: Kind,
    /// Whether it was written without quotes, so that its kind was guessed from its text.
    pub plain: bool,
}

/// What YAML 1.2 (core schema) takes a scalar for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// No value. The reader has reported it: nobody else needs to.
    Null,
    /// `true` or `false`.
    Bool(bool),
    /// A whole number.
    Int,
    /// Any other number.
    Float,
    /// Text.
    Text,
}

impl Node {
    /// A text at a place.
    pub fn text(text: impl Into<String>, span: Span) -> Self {
        Self { span, value: Value::Scalar(Scalar { text: text.into(), kind: Kind::Text, plain: false }) }
    }

    /// The value of a key, if this is a mapping that has it.
    pub fn get(&self, key: &str) -> Option<&Node> {
        self.entry(key).map(|entry| &entry.value)
    }

    /// The entry of a key, if this is a mapping that has it.
    pub fn entry(&self, key: &str) -> Option<&Entry> {
        self.entries().iter().find(|entry| entry.key.text == key)
    }

    /// The entries of a mapping; none for anything else.
    pub fn entries(&self) -> &[Entry] {
        match &self.value {
            Value::Map(entries) => entries,
            _ => &[],
        }
    }

    /// The items of a list; none for anything else.
    pub fn items(&self) -> &[Node] {
        match &self.value {
            Value::List(items) => items,
            _ => &[],
        }
    }

    /// The text of a scalar as typed, whatever its kind.
    pub fn as_str(&self) -> Option<&str> {
        match &self.value {
            Value::Scalar(scalar) => Some(&scalar.text),
            _ => None,
        }
    }

    /// Whether this is a value left out (`owner:`), which the reader has reported.
    pub fn is_null(&self) -> bool {
        matches!(&self.value, Value::Scalar(Scalar { kind: Kind::Null, .. }))
    }

    /// What this is, in words: "a list", "the number 3".
    pub fn describe(&self) -> String {
        match &self.value {
            Value::List(_) => "a list".to_owned(),
            Value::Map(_) => "a mapping".to_owned(),
            Value::Scalar(scalar) => match scalar.kind {
                Kind::Null => "nothing".to_owned(),
                Kind::Bool(_) => format!("the boolean `{}`", scalar.text),
                Kind::Int | Kind::Float => format!("the number `{}`", scalar.text),
                Kind::Text => "text".to_owned(),
            },
        }
    }
}

impl Kind {
    /// What the text of a plain scalar stands for.
    pub fn of_plain(text: &str) -> Self {
        match text {
            "" | "~" | "null" | "Null" | "NULL" => Kind::Null,
            "true" | "True" | "TRUE" => Kind::Bool(true),
            "false" | "False" | "FALSE" => Kind::Bool(false),
            _ if whole_number(text).is_some() => Kind::Int,
            _ if is_float(text) => Kind::Float,
            _ => Kind::Text,
        }
    }
}

/// The digits of a whole number without its sign, and their base: decimal, `0o17`, `0xff`.
pub fn whole_number(text: &str) -> Option<(&str, u32)> {
    let unsigned = text.strip_prefix(['-', '+']).unwrap_or(text);
    let (digits, base) = match (text.strip_prefix("0o"), text.strip_prefix("0x")) {
        (Some(octal), _) => (octal, 8),
        (_, Some(hexadecimal)) => (hexadecimal, 16),
        _ => (unsigned, 10),
    };
    (!digits.is_empty() && digits.chars().all(|digit| digit.is_digit(base))).then_some((digits, base))
}

fn is_float(text: &str) -> bool {
    let unsigned = text.strip_prefix(['-', '+']).unwrap_or(text);
    if matches!(unsigned, ".inf" | ".Inf" | ".INF") || matches!(text, ".nan" | ".NaN" | ".NAN") {
        return true;
    }
    // What Rust reads beyond YAML (`inf`, `nan`) starts with a letter.
    unsigned.starts_with(|first: char| first == '.' || first.is_ascii_digit())
        && unsigned.contains(|digit: char| digit.is_ascii_digit())
        && unsigned.parse::<f64>().is_ok()
}

#[cfg(test)]
mod tests {
    use super::Kind;

    #[test]
    fn plain_scalars_follow_yaml_1_2() {
        for text in ["yes", "on", "No", "12:30", "1_000", "0b1", "e3", "-", ".", "inf", "nan", "2026-11-21", "0x"] {
            assert_eq!(Kind::of_plain(text), Kind::Text, "{text}");
        }
        for text in ["0", "-7", "+7", "012", "0o17", "0xFf", "111111111111"] {
            assert_eq!(Kind::of_plain(text), Kind::Int, "{text}");
        }
        for text in ["1.5", "-.5", "1e3", ".inf", "-.INF", ".nan", "1."] {
            assert_eq!(Kind::of_plain(text), Kind::Float, "{text}");
        }
        assert_eq!(Kind::of_plain("True"), Kind::Bool(true));
        assert_eq!(Kind::of_plain("~"), Kind::Null);
    }
}
