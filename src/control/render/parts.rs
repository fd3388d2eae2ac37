//! A template as text and expressions, and an expression as words: enough to say where a mistake is.

use std::ops::Range;

/// A piece of a template, by its bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Part {
    /// Stays as it is.
    Text(Range<usize>),
    /// What stands between `{{` and `}}`.
    Expression(Range<usize>),
}

/// Splits a template; the place of a `{{` that is never closed, if there is one. `{{-` and `-}}` take away the blanks
/// before and after, as in Jinja.
pub(super) fn parts(template: &str) -> Result<Vec<Part>, Range<usize>> {
    let mut parts = Vec::new();
    let mut at = 0;
    let mut trim = false;
    let text = |from: usize, to: usize, trim_start: bool, trim_end: bool| {
        let piece = template.get(from..to).unwrap_or_default();
        let from = if trim_start { to - piece.trim_start().len() } else { from };
        let kept = template.get(from..to).unwrap_or_default();
        let to = if trim_end { from + kept.trim_end().len() } else { to };
        (from < to).then_some(Part::Text(from..to))
    };
    while let Some(found) = template.get(at..).and_then(|rest| rest.find("{{")) {
        let open = at + found;
        let inside = template.get(open + 2..).unwrap_or_default();
        let close = close(inside).map(|length| open + 2 + length).ok_or(open..open + 2)?;
        let mut start = open + 2;
        let mut end = close;
        let (trim_before, marked) = (inside.starts_with('-'), inside.starts_with(['-', '+']));
        start += usize::from(marked && start < end);
        parts.extend(text(at, open, trim, trim_before));
        trim = template.get(start..end).is_some_and(|inner| inner.ends_with('-'));
        end -= usize::from(trim);
        parts.push(Part::Expression(start..end));
        at = close + 2;
    }
    parts.extend(text(at, template.len(), trim, false));
    Ok(parts)
}

/// Where the `}}` is that closes an expression: outside strings and brackets, or else the first.
fn close(inside: &str) -> Option<usize> {
    let mut depth = 0_usize;
    for word in words(inside) {
        match word.text(inside) {
            "(" | "[" | "{" => depth += 1,
            ")" | "]" => depth = depth.saturating_sub(1),
            "}" if depth == 0 && inside.get(word.range.start..).is_some_and(|rest| rest.starts_with("}}")) => {
                return Some(word.range.start);
            }
            "}" => depth = depth.saturating_sub(1),
            _ => {}
        }
    }
    inside.find("}}")
}

/// What a word is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Name,
    Text,
    Number,
    Sign,
}

/// A word of an expression.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Word {
    pub kind: Kind,
    pub range: Range<usize>,
}

impl Word {
    pub fn text<'a>(&self, of: &'a str) -> &'a str {
        of.get(self.range.clone()).unwrap_or_default()
    }
}

/// The words of an expression. A string that is not closed goes on to the end.
pub(super) fn words(expression: &str) -> impl Iterator<Item = Word> + '_ {
    let mut at = 0;
    std::iter::from_fn(move || {
        let rest = expression.get(at..)?;
        let start = at + (rest.len() - rest.trim_start().len());
        let rest = rest.trim_start();
        let first = rest.chars().next()?;
        let (kind, length) = match first {
            '\'' | '"' => (Kind::Text, string(rest, first)),
            _ if first.is_alphabetic() || first == '_' => {
                (Kind::Name, run(rest, |letter| letter.is_alphanumeric() || letter == '_'))
            }
            _ if first.is_ascii_digit() => (Kind::Number, run(rest, |letter| letter.is_ascii_digit() || letter == '_')),
            _ => (Kind::Sign, first.len_utf8()),
        };
        at = start + length;
        Some(Word { kind, range: start..at })
    })
}

fn run(text: &str, belongs: impl Fn(char) -> bool) -> usize {
    text.find(|letter| !belongs(letter)).unwrap_or(text.len())
}

/// The length of a string with its quotes.
fn string(text: &str, quote: char) -> usize {
    let mut escaped = false;
    for (at, letter) in text.char_indices().skip(1) {
        match letter {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            _ if letter == quote => return at + 1,
            _ => {}
        }
    }
    text.len()
}
