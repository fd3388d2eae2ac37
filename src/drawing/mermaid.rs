//! Mermaid, which GitHub, GitLab and many wikis draw.
//!
//! In comes a drawing; out comes a flowchart whose ids are its own and whose labels are all quoted, every letter that means
//! something to Mermaid or to HTML written as an entity: <https://mermaid.js.org/syntax/flowchart.html#entity-codes-to-escape-characters>.

use super::{Arrow, Drawing, Look, Node};

/// The drawing in Mermaid.
pub fn mermaid(drawing: &Drawing) -> String {
    let mut out = String::from("flowchart TB\n");
    let mut writer = Writer { next: 0 };
    writer.body(drawing, 1, &mut out);
    out
}

struct Writer {
    next: usize,
}

impl Writer {
    fn body(&mut self, drawing: &Drawing, depth: usize, out: &mut String) {
        let indent = "  ".repeat(depth);
        let mut names = Vec::new();
        for one in &drawing.nodes {
            // Names of people's may be words of Mermaid's, such as `end`.
            let name = format!("n{}", self.next);
            self.next += 1;
            if one.inside.is_empty() {
                *out += &format!("{indent}{name}{}\n", shape(one));
            } else {
                *out += &format!("{indent}subgraph {name}[\"{}\"]\n", label(one));
                for inside in &one.inside {
                    self.body(inside, depth + 1, out);
                }
                *out += &format!("{indent}end\n");
            }
            names.push(name);
        }
        for (from, to, arrow) in drawing.drawn() {
            if let (Some(from), Some(to)) = (names.get(from), names.get(to)) {
                *out += &format!("{indent}{from} {} {to}\n", line(arrow));
            }
        }
    }
}

fn line(arrow: &Arrow) -> String {
    let line = if arrow.dashed { "-.->" } else { "-->" };
    if arrow.label.is_empty() { line.to_owned() } else { format!("{line}|\"{}\"|", escaped(&arrow.label)) }
}

fn shape(one: &Node) -> String {
    let label = label(one);
    match one.look {
        Look::Plain => format!("[\"{label}\"]"),
        Look::Source => format!("([\"{label}\"])"),
        Look::Frame => format!("(\"{label}\")"),
        Look::Foreign => format!("[[\"{label}\"]]"),
    }
}

fn label(one: &Node) -> String {
    std::iter::once(&one.title).chain(&one.lines).map(|line| escaped(line)).collect::<Vec<_>>().join("<br/>")
}

/// Letters, digits and harmless marks as they are; anything else of ASCII as `#35;`, because Mermaid reads Markdown, HTML
/// and its own marks inside quotes.
fn escaped(text: &str) -> String {
    let mut out = String::new();
    for letter in text.chars() {
        match letter {
            ' ' | '.' | ',' | ':' | '/' | '-' | '(' | ')' | '=' | '?' | '+' | '{' | '}' => out.push(letter),
            letter if letter.is_control() => out.push(' '),
            letter if letter.is_ascii() && !letter.is_ascii_alphanumeric() => {
                out += &format!("#{};", u32::from(letter))
            }
            letter => out.push(letter),
        }
    }
    out
}
