//! The only place that knows whether it talks to a terminal.
//!
//! In come texts and findings; out come bytes on stdout (data) and stderr (talk), with colour and progress only where a
//! person watches. It knows nothing of what the texts say.

#![allow(clippy::print_stdout, clippy::print_stderr)]

use std::io::{IsTerminal, Write};

use crate::cli::Exit;
use crate::source::render;
use crate::source::{Files, Findings};

/// How findings are printed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum Format {
    /// For people, on stderr
    #[default]
    Text,
    /// One JSON document
    Json,
    /// SARIF 2.1.0, for code scanning
    Sarif,
    /// Annotations of a GitHub workflow
    Github,
}

/// Columns of a line that no terminal limits.
const WIDTH: usize = 120;

/// Stdout and stderr of this process.
#[derive(Clone, Debug)]
pub struct Terminal {
    colour: bool,
    colour_of_data: bool,
    interactive: bool,
    width: usize,
}

impl Terminal {
    /// Looks at the process: `NO_COLOR`, `CLICOLOR_FORCE`, `CI`, `TERM`, `COLUMNS` and whether stderr is a terminal.
    pub fn detect() -> Self {
        let stderr = std::io::stderr();
        let watched = stderr.is_terminal();
        let colour = anstream::AutoStream::choice(&stderr) != anstream::ColorChoice::Never;
        let said = std::env::var("COLUMNS").ok().and_then(|columns| columns.parse().ok());
        let own = || terminal_size::terminal_size_of(&stderr).map(|(width, _)| usize::from(width.0));
        let width = said.or_else(own).filter(|width| *width > 0).unwrap_or(WIDTH);
        let colour_of_data = anstream::AutoStream::choice(&std::io::stdout()) != anstream::ColorChoice::Never;
        Self { colour, colour_of_data, interactive: watched && std::env::var_os("CI").is_none(), width }
    }

    /// A terminal that nobody watches: no colour, no progress.
    pub fn plain() -> Self {
        Self { colour: false, colour_of_data: false, interactive: false, width: WIDTH }
    }

    /// A text cut to what is left of a line of which `used` columns are taken, where a person watches; a log gets all of
    /// it. Of a text for which there is no room nothing is left.
    pub fn fit(&self, used: usize, text: &str) -> String {
        let room = self.width.saturating_sub(used);
        if !self.interactive || text.chars().count() <= room {
            return text.to_owned();
        }
        if room < 8 {
            return String::new();
        }
        let kept: String = text.chars().take(room - 1).collect();
        format!("{}…", kept.trim_end())
    }

    /// Columns of a line, where a person watches; of a file, as many as read well.
    pub fn width(&self) -> usize {
        self.width
    }

    /// Whether a person watches stderr: progress bars and redrawn lines are welcome.
    pub fn interactive(&self) -> bool {
        self.interactive
    }

    /// Whether stderr shows colour.
    pub fn colour(&self) -> bool {
        self.colour
    }

    /// Whether stdout shows colour.
    pub fn colour_of_data(&self) -> bool {
        self.colour_of_data
    }

    /// Prints data on stdout, as it is. A reader that has gone away is no error.
    pub fn data(&self, text: &str) {
        let mut out = std::io::stdout().lock();
        let _gone = out.write_all(text.as_bytes()).and_then(|()| out.flush());
    }

    /// Prints a line of talk on stderr.
    pub fn say(&self, line: &str) {
        let _gone = writeln!(std::io::stderr().lock(), "{line}");
    }

    /// Asks a question on the terminal. `None` when there is nobody to ask: stdin or stderr is not a terminal, or CI.
    ///
    /// The line is read by a thread of its own, so that Ctrl-C ends the wait; a thread still reading keeps nothing alive.
    pub async fn ask(&self, question: &str) -> Option<String> {
        if !self.interactive || !std::io::stdin().is_terminal() {
            return None;
        }
        let _gone = write!(std::io::stderr().lock(), "{question}");
        let (answer, answered) = tokio::sync::oneshot::channel();
        std::thread::spawn(move || {
            let mut line = String::new();
            let read = std::io::stdin().read_line(&mut line);
            let _nobody_waits = answer.send(read.map(|_| line).unwrap_or_default());
        });
        tokio::select! {
            line = answered => line.ok(),
            _ = tokio::signal::ctrl_c() => {
                self.say("");
                Some(String::new())
            }
        }
    }

    /// Prints findings: text is talk, everything else is data.
    pub fn findings(&self, files: &Files, findings: &Findings, format: Format) {
        match format {
            Format::Text => {
                let text = render::text(files, findings, render::TextStyle { colour: self.colour, width: self.width });
                let _gone = std::io::stderr().lock().write_all(text.as_bytes());
            }
            Format::Json => self.data(&render::json(files, findings)),
            Format::Sarif => self.data(&render::sarif(files, findings)),
            Format::Github => self.data(&render::github(files, findings)),
        }
    }

    /// Prints what clap has to say: help and version are data and no fault.
    pub(super) fn usage(&self, error: &clap::Error) -> Exit {
        let _gone = error.print();
        if error.use_stderr() { Exit::Usage } else { Exit::Done }
    }
}

#[cfg(test)]
mod tests {
    use super::Terminal;

    #[test]
    fn what_a_person_watches_keeps_to_its_line() {
        let narrow = Terminal { interactive: true, width: 30, ..Terminal::plain() };
        assert_eq!(narrow.fit(10, "as long as the line"), "as long as the line");
        assert_eq!(narrow.fit(10, "a little longer than it"), "a little longer tha…");
        assert_eq!(narrow.fit(10, "cut between two words, twice"), "cut between two wor…");
        assert_eq!(narrow.fit(24, "no room for this"), "");
        assert_eq!(Terminal::plain().fit(119, "a log holds everything"), "a log holds everything");
    }
}
