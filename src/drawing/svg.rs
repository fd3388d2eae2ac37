//! SVG that stands on its own: no script, no font to fetch, dark where the reader's screen is dark.
//!
//! In comes a drawing; out comes an image whose every text is escaped. Colours are plain rules first, so that programs which
//! know no media query draw the light one.

use super::layout::{self, Placed, Point, Size};
use super::{Arrow, Drawing, Look, Node, cut};

/// Columns of the longest line that is shown whole; the rest is in the tooltip.
const COLUMNS: usize = 44;
/// Width of a letter of the two hands, somewhat more than it takes in most fonts.
const TITLE_LETTER: f64 = 7.6;
const LINE_LETTER: f64 = 6.5;
const TITLE_HEIGHT: f64 = 20.0;
const LINE_HEIGHT: f64 = 15.0;
/// Empty space inside a box.
const INNER: f64 = 12.0;
/// Empty space around everything.
const OUTER: f64 = 20.0;

const STYLE: &str = "
  text { font-family: system-ui, -apple-system, 'Segoe UI', Roboto, Helvetica, Arial, sans-serif; fill: #1f2328 }
  .head { font-size: 15px; font-weight: 600 }
  .title { font-size: 13px; font-weight: 600 }
  .line, .label { font-size: 11px; fill: #59636e }
  .paper { fill: #ffffff }
  .label { paint-order: stroke; stroke: #ffffff; stroke-width: 4px; stroke-linejoin: round }
  .plain { fill: #f6f8fa; stroke: #818b98 }
  .source { fill: #ddf4ff; stroke: #0969da }
  .frame { fill: #ffffff; stroke: #818b98; stroke-dasharray: 4 3 }
  .foreign { fill: #ffffff; stroke: #818b98; stroke-dasharray: 2 3 }
  .arrow { fill: none; stroke: #59636e; stroke-width: 1.3 }
  .dashed { stroke-dasharray: 5 4 }
  .tip { fill: #59636e }
  @media (prefers-color-scheme: dark) {
    text { fill: #e6edf3 }
    .line, .label { fill: #9198a1 }
    .paper { fill: #0d1117 }
    .label { stroke: #0d1117 }
    .plain { fill: #151b23; stroke: #656c76 }
    .source { fill: #0c2d6b; stroke: #4493f8 }
    .frame, .foreign { fill: #0d1117; stroke: #656c76 }
    .arrow { stroke: #9198a1 }
    .tip { fill: #9198a1 }
  }
";

/// The drawing as an SVG document.
pub fn svg(drawing: &Drawing) -> String {
    let part = Part::of(drawing);
    let head = cut(&drawing.title, 2 * COLUMNS);
    let head_width = columns(&head) * 8.4;
    let width = part.placed.size.width.max(head_width) + 2.0 * OUTER;
    let top = OUTER + 28.0;
    let height = top + part.placed.size.height + OUTER;
    let mut out = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width:.0} {height:.0}\" width=\"{width:.0}\" height=\"{height:.0}\" role=\"img\" aria-labelledby=\"title\">\n"
    );
    out += &format!("<title id=\"title\">{}</title>\n<style>{STYLE}</style>\n", escaped(&drawing.title));
    out += "<defs><marker id=\"tip\" viewBox=\"0 0 8 8\" refX=\"7\" refY=\"4\" markerWidth=\"7\" markerHeight=\"7\" orient=\"auto\"><path class=\"tip\" d=\"M0 0.8 L8 4 L0 7.2 z\"/></marker></defs>\n";
    out += &format!("<rect class=\"paper\" width=\"{width:.0}\" height=\"{height:.0}\" rx=\"8\"/>\n");
    out += &text("head", Point { x: OUTER, y: OUTER + 13.0 }, &head, "start");
    let left = (width - part.placed.size.width) / 2.0;
    part.write(Point { x: left, y: top }, &mut out);
    out + "</svg>\n"
}

/// A drawing with everything in its place.
struct Part<'a> {
    drawing: &'a Drawing,
    placed: Placed,
    inside: Vec<Vec<Part<'a>>>,
    arrows: Vec<&'a Arrow>,
}

impl<'a> Part<'a> {
    fn of(drawing: &'a Drawing) -> Self {
        let inside: Vec<Vec<Part<'a>>> =
            drawing.nodes.iter().map(|one| one.inside.iter().map(Part::of).collect()).collect();
        let sizes: Vec<Size> = drawing.nodes.iter().zip(&inside).map(|(one, parts)| size(one, parts)).collect();
        let (mut ends, mut arrows) = (Vec::new(), Vec::new());
        for (from, to, arrow) in drawing.drawn() {
            ends.push((from, to));
            arrows.push(arrow);
        }
        let placed = layout::place(&sizes, &ends);
        Self { drawing, placed, inside, arrows }
    }

    fn write(&self, origin: Point, out: &mut String) {
        for (arrow, path) in self.arrows.iter().zip(&self.placed.paths) {
            let dashed = if arrow.dashed { " dashed" } else { "" };
            let path: Vec<Point> = path.iter().map(|point| shifted(*point, origin)).collect();
            *out += &format!("<path class=\"arrow{dashed}\" d=\"{}\" marker-end=\"url(#tip)\"/>\n", curve(&path));
        }
        let boxes = self.drawing.nodes.iter().zip(&self.placed.corners).zip(&self.inside);
        for ((one, corner), inside) in boxes {
            write_box(one, shifted(*corner, origin), size(one, inside), inside, out);
        }
        for (arrow, path) in self.arrows.iter().zip(&self.placed.paths) {
            if let (false, [.., before, end]) = (arrow.label.is_empty(), path.as_slice()) {
                let middle = Point { x: (before.x + end.x) / 2.0, y: (before.y + end.y) / 2.0 + 3.0 };
                *out += &text("label", shifted(middle, origin), &cut(&arrow.label, COLUMNS), "middle");
            }
        }
    }
}

fn write_box(one: &Node, at: Point, size: Size, inside: &[Part<'_>], out: &mut String) {
    let (class, radius) = match one.look {
        Look::Plain => ("plain", 6.0),
        Look::Source => ("source", 14.0),
        Look::Frame => ("frame", 14.0),
        Look::Foreign => ("foreign", 6.0),
    };
    let whole: Vec<&str> = std::iter::once(&one.title).chain(&one.lines).map(String::as_str).collect();
    *out += &format!("<g><title>{}</title>", escaped(&whole.join("\n")));
    *out += &format!(
        "<rect class=\"{class}\" x=\"{:.1}\" y=\"{:.1}\" width=\"{:.1}\" height=\"{:.1}\" rx=\"{radius}\"/>\n",
        at.x, at.y, size.width, size.height
    );
    let (x, anchor) = if inside.is_empty() { (at.x + size.width / 2.0, "middle") } else { (at.x + INNER, "start") };
    let mut y = at.y + INNER + 10.0;
    *out += &text("title", Point { x, y }, &cut(&one.title, COLUMNS), anchor);
    for line in &one.lines {
        y += LINE_HEIGHT;
        *out += &text("line", Point { x, y: y + 1.0 }, &cut(line, COLUMNS), anchor);
    }
    let mut top = at.y + head_height(one) + INNER;
    for part in inside {
        let left = at.x + (size.width - part.placed.size.width) / 2.0;
        part.write(Point { x: left, y: top }, out);
        top += part.placed.size.height + INNER;
    }
    *out += "</g>\n";
}

fn head_height(one: &Node) -> f64 {
    INNER + TITLE_HEIGHT - 4.0 + one.lines.len() as f64 * LINE_HEIGHT
}

fn size(one: &Node, inside: &[Part<'_>]) -> Size {
    let title = columns(&cut(&one.title, COLUMNS)) * TITLE_LETTER;
    let lines = one.lines.iter().map(|line| columns(&cut(line, COLUMNS)) * LINE_LETTER);
    let parts = inside.iter().map(|part| part.placed.size.width);
    let widest = lines.chain(parts).chain([title, 60.0]).fold(0.0, f64::max);
    let below: f64 = inside.iter().map(|part| part.placed.size.height + INNER).sum();
    let bottom = if inside.is_empty() { INNER - 2.0 } else { INNER };
    Size { width: (widest + 2.0 * INNER).round(), height: head_height(one) + below + bottom }
}

/// Columns of a text: wide letters take two.
fn columns(text: &str) -> f64 {
    let wide = |letter: char| matches!(u32::from(letter), 0x1100..=0x115f | 0x2e80..=0xa4cf | 0xac00..=0xd7a3 | 0xf900..=0xfaff | 0xfe30..=0xfe6f | 0xff00..=0xff60 | 0x1f300..=0x1faff);
    text.chars().map(|letter| if wide(letter) { 2.0 } else { 1.0 }).sum()
}

fn shifted(point: Point, origin: Point) -> Point {
    Point { x: point.x + origin.x, y: point.y + origin.y }
}

/// Straight through rows, bent between them.
fn curve(points: &[Point]) -> String {
    let mut out = String::new();
    let mut before: Option<Point> = None;
    for (number, point) in points.iter().enumerate() {
        let Point { x, y } = *point;
        match before {
            None => out += &format!("M{x:.1} {y:.1}"),
            Some(from) if number % 2 == 1 => {
                let middle = (from.y + y) / 2.0;
                out += &format!(" C{:.1} {middle:.1} {x:.1} {middle:.1} {x:.1} {y:.1}", from.x);
            }
            Some(_) => out += &format!(" L{x:.1} {y:.1}"),
        }
        before = Some(*point);
    }
    out
}

fn text(class: &str, at: Point, words: &str, anchor: &str) -> String {
    format!(
        "<text class=\"{class}\" x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"{anchor}\">{}</text>\n",
        at.x,
        at.y,
        escaped(words)
    )
}

/// Text inside an element or a quoted attribute; XML knows no other control characters than these.
fn escaped(text: &str) -> String {
    let mut out = String::new();
    for letter in text.chars() {
        match letter {
            '&' => out += "&amp;",
            '<' => out += "&lt;",
            '>' => out += "&gt;",
            '"' => out += "&quot;",
            '\n' | '\t' => out.push(letter),
            letter if letter.is_control() || matches!(u32::from(letter), 0xfffe | 0xffff) => out.push(' '),
            letter => out.push(letter),
        }
    }
    out
}
