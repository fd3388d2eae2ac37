//! DOT, for Graphviz.
//!
//! In comes a drawing; out comes a digraph whose names and labels are all quoted strings. Grammar and escapes:
//! <https://graphviz.org/doc/info/lang.html>, <https://graphviz.org/docs/attr-types/escString/>.

use super::{Arrow, Drawing, Look, Node};

/// The drawing in DOT.
pub fn dot(drawing: &Drawing) -> String {
    let mut out = format!("digraph {} {{\n", quoted(&drawing.title));
    out += "  graph [compound=true, rankdir=TB, fontname=\"sans-serif\"];\n";
    out += "  node [shape=box, style=rounded, fontname=\"sans-serif\"];\n";
    out += "  edge [fontname=\"sans-serif\", fontsize=10];\n";
    body(drawing, 1, &mut out);
    out + "}\n"
}

fn body(drawing: &Drawing, depth: usize, out: &mut String) {
    let indent = "  ".repeat(depth);
    for one in &drawing.nodes {
        if one.inside.is_empty() {
            *out += &format!("{indent}{} [label={}{}];\n", quoted(&one.id), quoted(&label(one)), look(one.look));
            continue;
        }
        *out += &format!("{indent}subgraph {} {{\n", quoted(&format!("cluster_{}", one.id)));
        *out += &format!("{indent}  graph [label={}, style=rounded, labeljust=l];\n", quoted(&label(one)));
        // Arrows lead to nodes only: this one stands for the whole.
        *out += &format!("{indent}  {} [shape=point, style=invis, label=\"\"];\n", quoted(&one.id));
        for inside in &one.inside {
            body(inside, depth + 1, out);
        }
        *out += &format!("{indent}}}\n");
    }
    for (from, to, arrow) in drawing.drawn() {
        let whole = |at: usize| drawing.nodes.get(at).filter(|one| !one.inside.is_empty());
        let mut attributes = attributes(arrow);
        if let Some(one) = whole(from) {
            attributes.push(format!("ltail={}", quoted(&format!("cluster_{}", one.id))));
        }
        if let Some(one) = whole(to) {
            attributes.push(format!("lhead={}", quoted(&format!("cluster_{}", one.id))));
        }
        let attributes = if attributes.is_empty() { String::new() } else { format!(" [{}]", attributes.join(", ")) };
        *out += &format!("{indent}{} -> {}{attributes};\n", quoted(&arrow.from), quoted(&arrow.to));
    }
}

fn attributes(arrow: &Arrow) -> Vec<String> {
    let mut attributes = Vec::new();
    if !arrow.label.is_empty() {
        attributes.push(format!("label={}", quoted(&arrow.label)));
    }
    if arrow.dashed {
        attributes.push("style=dashed".to_owned());
    }
    attributes
}

fn label(one: &Node) -> String {
    std::iter::once(&one.title).chain(&one.lines).cloned().collect::<Vec<_>>().join("\n")
}

fn look(look: Look) -> &'static str {
    match look {
        Look::Plain => "",
        Look::Source => ", shape=cds, style=solid",
        Look::Frame => ", style=\"rounded,dashed\"",
        Look::Foreign => ", style=dashed",
    }
}

/// A quoted string. A backslash would begin an escape such as `\N`, the node's name, so it is doubled; a line break is `\n`.
fn quoted(text: &str) -> String {
    let escaped = text.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n");
    format!("\"{}\"", escaped.replace(|letter: char| letter.is_control(), " "))
}
