//! Names that nobody knows before a step starts: what another step has put out, and the item of a map.
//!
//! In comes a template; out come its pieces, those that are rendered when a run starts and those that Step Functions
//! reads from its own data. Such a name is a plain path and nothing more, because it becomes an expression of another
//! language. It refuses to know which steps there are.

use super::parts::{Part, parts};

/// A piece of a template.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Piece {
    /// Text, and templates that are rendered when a run starts.
    Early(String),
    /// What is read when the step starts.
    Late(Late),
}

/// A path to something that is known when a step starts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Late {
    /// Where it begins.
    pub root: Root,
    /// What is taken from there.
    pub path: Vec<Segment>,
}

/// Where a path begins.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Root {
    /// `steps.<name>.output`.
    Output(String),
    /// `item`: one of the items of a map.
    Item,
    /// `map.index`: which one it is, from 0.
    Index,
    /// `map.count`: how many there are.
    Count,
}

/// One part of a path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Segment {
    /// `.name` or `["name"]`.
    Key(String),
    /// `[0]`.
    At(u32),
}

/// The pieces of a template; text that is no template where its braces do not fit, which the check reports.
pub fn pieces(template: &str) -> Vec<Piece> {
    let mut pieces = Vec::new();
    let mut early = String::new();
    let whole = || vec![Piece::Early(template.to_owned())];
    let Ok(parts) = parts(template) else { return whole() };
    for part in parts {
        match part {
            Part::Text(range) => early.push_str(template.get(range).unwrap_or_default()),
            Part::Expression(range) => {
                let expression = template.get(range).unwrap_or_default();
                match Late::parse(expression) {
                    Some(Ok(late)) => {
                        if !early.is_empty() {
                            pieces.push(Piece::Early(std::mem::take(&mut early)));
                        }
                        pieces.push(Piece::Late(late));
                    }
                    Some(Err(_)) | None => {
                        early.push_str("{{");
                        early.push_str(expression);
                        early.push_str("}}");
                    }
                }
            }
        }
    }
    if !early.is_empty() || pieces.is_empty() {
        pieces.push(Piece::Early(early));
    }
    pieces
}

/// Every late path in a template.
pub fn of(template: &str) -> Vec<Late> {
    let late = |piece| match piece {
        Piece::Late(late) => Some(late),
        Piece::Early(_) => None,
    };
    pieces(template).into_iter().filter_map(late).collect()
}

/// Why an expression that begins like a late path is none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NotPlain;

impl Late {
    /// The path that an expression stands for; `None` if it does not begin with one of the roots.
    pub fn parse(expression: &str) -> Option<Result<Self, NotPlain>> {
        let expression = expression.trim();
        let end = expression.find(|letter: char| !letter.is_ascii_alphanumeric() && letter != '_');
        let (word, rest) = expression.split_at(end.unwrap_or(expression.len()));
        if !matches!(word, "steps" | "item" | "map") {
            return None;
        }
        Some(segments(rest).and_then(|segments| Self::of(word, segments)).ok_or(NotPlain))
    }

    fn of(word: &str, mut segments: Vec<Segment>) -> Option<Self> {
        let key = |at: usize, segments: &[Segment]| match segments.get(at) {
            Some(Segment::Key(key)) => Some(key.clone()),
            Some(Segment::At(_)) | None => None,
        };
        let (root, used) = match word {
            "item" => (Root::Item, 0),
            "map" => match key(0, &segments)?.as_str() {
                "index" => (Root::Index, 1),
                "count" => (Root::Count, 1),
                _ => return None,
            },
            _ if key(1, &segments)? == "output" => (Root::Output(key(0, &segments)?), 2),
            _ => return None,
        };
        let path = segments.split_off(used);
        (path.is_empty() || matches!(root, Root::Item | Root::Output(_))).then_some(Self { root, path })
    }
}

/// `.a`, `["a"]` and `[0]`, one after the other; `None` if there is anything else.
fn segments(mut rest: &str) -> Option<Vec<Segment>> {
    let mut segments = Vec::new();
    while !rest.is_empty() {
        if let Some(after) = rest.strip_prefix('.') {
            let end = after.find(|letter: char| !letter.is_ascii_alphanumeric() && letter != '_' && letter != '-');
            let (key, after) = after.split_at(end.unwrap_or(after.len()));
            if key.is_empty() {
                return None;
            }
            segments.push(Segment::Key(key.to_owned()));
            rest = after;
        } else {
            let (inside, after) = rest.strip_prefix('[')?.split_once(']')?;
            let quoted = |mark: char| inside.strip_prefix(mark).and_then(|inside| inside.strip_suffix(mark));
            segments.push(match quoted('"').or_else(|| quoted('\'')) {
                Some(key) if !key.is_empty() && !key.contains(['\\', '"', '\'', '`']) => Segment::Key(key.to_owned()),
                Some(_) => return None,
                None => Segment::At(inside.parse().ok()?),
            });
            rest = after;
        }
    }
    Some(segments)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(expression: &str) -> Option<Result<Late, NotPlain>> {
        Late::parse(expression)
    }

    #[test]
    fn paths_are_read() {
        let path = vec![Segment::Key("rows".to_owned()), Segment::At(0), Segment::Key("a b".to_owned())];
        let root = Root::Output("load-all".to_owned());
        assert_eq!(parsed(" steps.load-all.output.rows[0]['a b'] "), Some(Ok(Late { root, path })));
        assert_eq!(parsed("map.index"), Some(Ok(Late { root: Root::Index, path: Vec::new() })));
        let path = vec![Segment::Key("key".to_owned())];
        assert_eq!(parsed("item.key"), Some(Ok(Late { root: Root::Item, path })));
        assert_eq!(parsed("run.partition"), None);
        assert_eq!(parsed("items"), None);
    }

    #[test]
    fn anything_more_than_a_path_is_none() {
        for expression in
            ["steps", "steps.a", "steps.a.result", "item | upper", "item.x + 1", "map.size", "map.index.x", "item["]
        {
            assert_eq!(parsed(expression), Some(Err(NotPlain)), "{expression}");
        }
    }

    #[test]
    fn a_template_falls_into_pieces() {
        let early = |text: &str| Piece::Early(text.to_owned());
        let item = Piece::Late(Late { root: Root::Item, path: Vec::new() });
        assert_eq!(
            pieces("{{ run.partition }}/{{ item }}-x"),
            [early("{{ run.partition }}/"), item.clone(), early("-x")]
        );
        assert_eq!(pieces("{{item}}"), [item]);
        assert_eq!(pieces("plain"), [early("plain")]);
        assert_eq!(pieces(""), [early("")]);
        assert_eq!(pieces("{{ open"), [early("{{ open")]);
    }
}
