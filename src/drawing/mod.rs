//! Graphs as pictures: boxes with lines of text, arrows between them, boxes inside boxes.
//!
//! In comes a [`Drawing`]; out comes the same picture as DOT, as Mermaid or as SVG. It refuses to know what the boxes
//! stand for: every text is only text, and is escaped for the notation that it goes into.

mod dot;
mod layout;
mod mermaid;
mod svg;

pub use dot::dot;
pub use mermaid::mermaid;
pub use svg::svg;

/// A graph to be drawn.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Drawing {
    /// What it shows.
    pub title: String,
    /// The boxes, in the order in which they are drawn where nothing else decides.
    pub nodes: Vec<Node>,
    /// The arrows. One whose ends are not both boxes of this drawing is left out.
    pub arrows: Vec<Arrow>,
}

/// A box.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Node {
    /// Unique in its drawing, those inside its boxes included; not shown.
    pub id: String,
    /// The first line.
    pub title: String,
    /// Further lines, in a quieter hand.
    pub lines: Vec<String>,
    /// How it looks.
    pub look: Look,
    /// What is inside; nothing for most.
    pub inside: Vec<Drawing>,
}

/// How a box looks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Look {
    /// What the graph is about.
    Plain,
    /// What starts something.
    Source,
    /// What comes and goes around the work.
    Frame,
    /// What is known by name only.
    Foreign,
}

/// An arrow.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Arrow {
    /// The box that it leaves.
    pub from: String,
    /// The box that it reaches.
    pub to: String,
    /// What stands beside it.
    pub label: String,
    /// Whether it is a weaker tie than the others.
    pub dashed: bool,
}

impl Node {
    /// A box of this id and title.
    pub fn new(id: impl Into<String>, title: impl Into<String>, look: Look) -> Self {
        Self { id: id.into(), title: title.into(), lines: Vec::new(), look, inside: Vec::new() }
    }

    /// With a further line, unless it is empty.
    #[must_use]
    pub fn line(mut self, line: impl Into<String>) -> Self {
        let line = line.into();
        if !line.is_empty() {
            self.lines.push(line);
        }
        self
    }
}

impl Arrow {
    /// A plain arrow.
    pub fn new(from: impl Into<String>, to: impl Into<String>) -> Self {
        Self { from: from.into(), to: to.into(), label: String::new(), dashed: false }
    }

    /// With a word beside it.
    #[must_use]
    pub fn label(mut self, label: impl Into<String>) -> Self {
        self.label = label.into();
        self
    }

    /// As a weaker tie.
    #[must_use]
    pub fn dashed(mut self) -> Self {
        self.dashed = true;
        self
    }
}

impl Drawing {
    /// Arrows both of whose ends are boxes of this drawing, not of one inside it.
    fn drawn(&self) -> impl Iterator<Item = (usize, usize, &Arrow)> {
        let at = |id: &str| self.nodes.iter().position(|one| one.id == id);
        self.arrows.iter().filter_map(move |arrow| Some((at(&arrow.from)?, at(&arrow.to)?, arrow)))
    }
}

/// A text cut to a number of characters, with a mark where it was cut; control characters are spaces.
fn cut(text: &str, most: usize) -> String {
    let clean = |letter: char| if letter.is_control() { ' ' } else { letter };
    let mut letters = text.trim().chars().map(clean);
    let mut kept: String = letters.by_ref().take(most).collect();
    if letters.next().is_some() {
        kept.pop();
        kept = format!("{}…", kept.trim_end());
    }
    kept
}

#[cfg(test)]
mod tests;
