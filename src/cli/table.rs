//! Rows in columns.
//!
//! In come cells with the tone that their words have; out comes text: columns two spaces apart, nothing behind the last
//! word of a line, colour only if it is wanted. It refuses to know what a row is about.

use super::aws::{Tone, tint};

/// How a command that prints a table prints it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum Format {
    /// For people
    #[default]
    Text,
    /// One JSON document
    Json,
}

/// One cell.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Cell {
    text: String,
    tone: Option<Tone>,
    right: bool,
}

impl Cell {
    /// A plain cell.
    pub fn new(text: impl Into<String>) -> Self {
        // A line is a row, whatever the text holds.
        let text: String = text.into().chars().map(|letter| if letter.is_control() { ' ' } else { letter }).collect();
        Self { text, tone: None, right: false }
    }

    /// In the colour of this tone.
    #[must_use]
    pub fn tone(mut self, tone: Option<Tone>) -> Self {
        self.tone = tone;
        self
    }

    /// A number, whose ends stand below each other.
    #[must_use]
    pub fn right(mut self) -> Self {
        self.right = true;
        self
    }
}

impl<T: Into<String>> From<T> for Cell {
    fn from(text: T) -> Self {
        Cell::new(text)
    }
}

/// Rows below their titles.
#[derive(Clone, Debug, Default)]
pub struct Table {
    titles: Vec<String>,
    rows: Vec<Vec<Cell>>,
}

impl Table {
    /// An empty table with these titles; without any it has no line of titles.
    pub fn new(titles: &[&str]) -> Self {
        Self { titles: titles.iter().map(|title| (*title).to_owned()).collect(), rows: Vec::new() }
    }

    /// Adds a row.
    pub fn row(&mut self, cells: impl IntoIterator<Item = Cell>) {
        self.rows.push(cells.into_iter().collect());
    }

    /// Whether it has no row.
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// Printed, each line behind `indent`. A column in which no row has a word is left out.
    pub fn text(&self, indent: &str, colour: bool) -> String {
        let titles: Vec<Cell> = self.titles.iter().map(Cell::new).collect();
        let columns = self.rows.iter().map(Vec::len).chain([titles.len()]).max().unwrap_or(0);
        let width = |column: usize| {
            let own = |row: &Vec<Cell>| row.get(column).map_or(0, |cell| cell.text.chars().count());
            let widest = self.rows.iter().map(own).max().unwrap_or(0);
            if widest == 0 { 0 } else { widest.max(own(&titles)) }
        };
        let widths: Vec<usize> = (0..columns).map(width).collect();
        let mut out = String::new();
        for row in std::iter::once(&titles).filter(|titles| !titles.is_empty()).chain(&self.rows) {
            out += &line(row, &widths, indent, colour);
        }
        out
    }
}

fn line(row: &[Cell], widths: &[usize], indent: &str, colour: bool) -> String {
    let mut line = indent.to_owned();
    // Blanks are written before a word, so that none stand behind the last.
    let mut owed = 0;
    for (cell, width) in row.iter().zip(widths).filter(|(_, width)| **width > 0) {
        let room = width.saturating_sub(cell.text.chars().count());
        let (before, after) = if cell.right { (room, 0) } else { (0, room) };
        if !cell.text.is_empty() {
            line.extend(std::iter::repeat_n(' ', owed + before));
            line += &cell.tone.map_or_else(|| cell.text.clone(), |tone| tint(colour, tone, &cell.text));
            owed = after + 2;
        } else {
            owed += width + 2;
        }
    }
    line + "\n"
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_as_wide_as_their_widest_word() {
        let mut table = Table::new(&["RUN", "STATUS", "ACCOUNT", "TOOK"]);
        table.row([Cell::new("a/2026-11-21/1"), "RUNNING".into(), "".into(), Cell::new("4s").right()]);
        table.row([Cell::new("b/none/12"), "".into(), "".into(), Cell::new("12m 04s").right()]);
        let expected =
            "  RUN             STATUS   TOOK\n  a/2026-11-21/1  RUNNING       4s\n  b/none/12                12m 04s\n";
        assert_eq!(table.text("  ", false), expected);
    }

    #[test]
    fn a_line_is_a_row_whatever_it_holds() {
        let mut table = Table::new(&[]);
        table.row([Cell::new("one\ntwo"), Cell::new("F").tone(Some(Tone::Bad))]);
        assert_eq!(table.text("", false), "one two  F\n");
        assert!(table.text("", true).contains("\u{1b}["));
    }
}
