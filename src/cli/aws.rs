//! What the verbs that talk to AWS share: the environment they work on, its session, and how they say things.
//!
//! In comes `--env`; out come a project, an environment and a session whose account was compared with it. It refuses to
//! know what a verb does with them.

use std::path::Path;

use anstyle::{AnsiColor, Style};
use jiff::Timestamp;
use jiff::tz::TimeZone;

use super::{Failure, Terminal};
use crate::cloud::{CloudResult, Place, Session};
use crate::language::project::{self, EnvironmentChoice, Loaded, Project, Resolved};
use crate::source::{Code, Files, Finding, Findings};

/// Which environment a command works on.
#[derive(Clone, Debug, clap::Args)]
pub struct EnvironmentArg {
    /// Environment of dpc.yaml; not needed when there is only one
    #[arg(long = "env", env = "DPC_ENV", value_name = "NAME")]
    name: Option<String>,
}

/// A project, read for one environment.
#[derive(Debug)]
pub struct Here {
    /// The files that findings point into.
    pub files: Files,
    /// What was found in them. May hold errors in single pipelines.
    pub findings: Findings,
    /// The project.
    pub project: Project,
    /// The environment.
    pub environment: Resolved,
}

impl EnvironmentArg {
    /// Reads the project that the working directory belongs to.
    ///
    /// # Errors
    /// No project, or none that resolves to one environment.
    pub fn read(&self) -> Result<Here, Failure> {
        self.read_under(None)
    }

    /// The same, under the rules of this file instead of the project's own.
    ///
    /// # Errors
    /// As [`EnvironmentArg::read`].
    pub fn read_under(&self, policy: Option<&Path>) -> Result<Here, Failure> {
        let choice = EnvironmentChoice::from_option(self.name.clone());
        let Loaded { files, findings, project } = project::load_under(&super::root()?, policy, &choice);
        match project {
            Some(mut project) => match project.environment.take() {
                Some(environment) => Ok(Here { files, findings, project, environment }),
                None => Err(Failure::new(files, findings)),
            },
            None => Err(Failure::new(files, findings)),
        }
    }
}

impl Here {
    /// Clients of the environment's account, once AWS has said that they are.
    ///
    /// # Errors
    /// As [`Session::open`].
    pub async fn session(&self) -> CloudResult<Session> {
        let Resolved { name, account, region, profile, .. } = &self.environment;
        let place = Place {
            environment: name.clone(),
            account: account.clone(),
            region: region.clone(),
            profile: profile.clone(),
        };
        Session::open(&place).await
    }

    /// The environment and where it is, inside a sentence.
    pub fn place(&self) -> String {
        let Resolved { name, account, region, .. } = &self.environment;
        format!("environment `{name}` (account {account}, {region})")
    }

    /// ` --env prod`, for commands that a message tells people to type.
    pub fn flag(&self) -> String {
        format!(" --env {}", self.environment.name)
    }
}

/// A command that asks has nobody to ask.
pub fn not_asked(command: &str) -> Finding {
    Finding::new(Code::NotConfirmed, format!("`{command}` asks before it writes, and there is no terminal to ask on"))
        .why("nothing was changed")
        .help("look at what would change, then type the command with `--yes`")
}

/// How a line of progress feels.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tone {
    /// Something was done.
    Good,
    /// Something goes on.
    Calm,
    /// Something wants attention.
    Odd,
    /// Something failed.
    Bad,
}

/// A line of progress: a word in a column of its own, then what it is about.
pub fn act(terminal: &Terminal, tone: Tone, word: &str, text: &str) {
    terminal.say(&line(terminal, tone, word, text));
}

/// The line that [`act`] prints.
pub fn line(terminal: &Terminal, tone: Tone, word: &str, text: &str) -> String {
    format!("{} {}", paint(terminal, tone, &format!("{word:>12}")), text.trim_end())
}

/// A word in the colour of its tone, where there is colour.
pub fn paint(terminal: &Terminal, tone: Tone, word: &str) -> String {
    tint(terminal.colour(), tone, word)
}

/// A word in the colour of its tone, if colour is wanted.
pub fn tint(colour: bool, tone: Tone, word: &str) -> String {
    if !colour {
        return word.to_owned();
    }
    let colour = match tone {
        Tone::Good => AnsiColor::Green,
        Tone::Calm => AnsiColor::Cyan,
        Tone::Odd => AnsiColor::Yellow,
        Tone::Bad => AnsiColor::Red,
    };
    let style = Style::new().bold().fg_color(Some(colour.into()));
    format!("{style}{word}{style:#}")
}

/// A length of time as people say it: `4s`, `2m 05s`, `1h 03m`, `3d 04h`.
pub fn took(seconds: f64) -> String {
    let whole = seconds.max(0.0).round() as u64;
    match whole {
        0..60 => format!("{whole}s"),
        60..3_600 => format!("{}m {:02}s", whole / 60, whole % 60),
        3_600..86_400 => format!("{}h {:02}m", whole / 3_600, whole % 3_600 / 60),
        _ => format!("{}d {:02}h", whole / 86_400, whole % 86_400 / 3_600),
    }
}

/// Seconds since 1970 as a local time of day.
pub fn clock(seconds: f64) -> String {
    at(seconds)
        .map_or_else(|| "--:--:--".to_owned(), |at| at.to_zoned(TimeZone::system()).strftime("%H:%M:%S").to_string())
}

/// A moment as a local date and time.
pub fn moment(at: Timestamp) -> String {
    at.to_zoned(TimeZone::system()).strftime("%Y-%m-%d %H:%M:%S").to_string()
}

/// Seconds since 1970 as a moment.
pub fn at(seconds: f64) -> Option<Timestamp> {
    Timestamp::from_millisecond((seconds * 1000.0) as i64).ok()
}

/// A size as people say it: `840 B`, `12 kB`, `3.1 MB`.
pub fn size(bytes: usize) -> String {
    match bytes {
        0..1_000 => format!("{bytes} B"),
        1_000..1_000_000 => format!("{} kB", bytes.div_ceil(1_000)),
        _ => format!("{:.1} MB", bytes as f64 / 1e6),
    }
}

/// `1 run`, `2 runs`.
pub fn count(number: usize, what: &str) -> String {
    format!("{number} {what}{}", if number == 1 { "" } else { "s" })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_of_time_are_short() {
        let said: Vec<String> = [0.4, 59.6, 125.0, 3_780.0, 273_600.0].into_iter().map(took).collect();
        assert_eq!(said, ["0s", "1m 00s", "2m 05s", "1h 03m", "3d 04h"]);
    }

    #[test]
    fn sizes_are_short() {
        let said: Vec<String> = [840, 1_001, 3_140_000].into_iter().map(size).collect();
        assert_eq!(said, ["840 B", "2 kB", "3.1 MB"]);
    }
}
