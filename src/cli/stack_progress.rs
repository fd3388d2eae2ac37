//! A stack at work, shown as it happens: bars for a person, one line a transition for a log.
//!
//! In comes a [`Watch`]; out come lines, and at the end all events and the state that the stack ended in. It refuses to
//! judge that state.

use std::collections::BTreeMap;
use std::time::Duration;

use indicatif::{MultiProgress, ProgressBar, ProgressStyle};

use super::Terminal;
use super::aws::{Tone, line, took};
use crate::cloud::stack::{Event, Outcome, StackState, Verb, Watch};
use crate::cloud::{CloudResult, Session};

/// What resources are for, by logical id: the `purpose` of their metadata.
pub type Purposes = BTreeMap<String, String>;

/// Columns of a line's first word, with the space behind it.
const FIRST_WORD: usize = 13;
/// Columns that a bar keeps for the time that has passed.
const ELAPSED: usize = 8;

/// How watching ended.
#[derive(Debug)]
pub enum Watched {
    /// CloudFormation is done with the stack.
    Ended(StackState, Vec<Event>),
    /// The person pressed Ctrl-C; CloudFormation goes on.
    Interrupted,
}

/// Shows what happens to a stack until it ends or somebody presses Ctrl-C.
///
/// # Errors
/// As [`Watch::next`]. CloudFormation goes on.
pub async fn follow(
    session: &Session,
    mut watch: Watch,
    purposes: &Purposes,
    terminal: &Terminal,
) -> CloudResult<Watched> {
    let mut view = View::new(terminal, purposes);
    let mut all = Vec::new();
    loop {
        let update = tokio::select! {
            update = watch.next(session) => update?,
            _ = tokio::signal::ctrl_c() => return Ok(Watched::Interrupted),
        };
        for event in &update.events {
            view.show(event);
        }
        all.extend(update.events);
        if let Some(state) = update.ended {
            return Ok(Watched::Ended(state, all));
        }
    }
}

struct View<'a> {
    terminal: &'a Terminal,
    purposes: &'a Purposes,
    bars: Option<MultiProgress>,
    open: BTreeMap<String, (i64, Option<ProgressBar>)>,
    width: usize,
}

impl<'a> View<'a> {
    fn new(terminal: &'a Terminal, purposes: &'a Purposes) -> Self {
        let width = purposes.keys().map(String::len).max().unwrap_or(24).clamp(8, 32);
        let bars = terminal.interactive().then(MultiProgress::new);
        Self { terminal, purposes, bars, open: BTreeMap::new(), width }
    }

    fn show(&mut self, event: &Event) {
        if event.of_stack {
            if event.state.verb == Verb::Rollback && event.state.outcome == Outcome::InProgress {
                self.print(Tone::Odd, "Undoing", "what was done, because a resource failed");
            }
            return;
        }
        match event.state.outcome {
            Outcome::InProgress => self.begin(event),
            Outcome::Complete | Outcome::Skipped => {
                let began = self.end(&event.resource);
                let took = began.filter(|began| event.at > *began).map(|began| took((event.at - began) as f64));
                let took = took.map(|took| format!("  {took}")).unwrap_or_default();
                let about = self.about(event, took.len());
                self.print(Tone::Good, &capital(event.state.words()), &format!("{about}{took}"));
            }
            Outcome::Failed => {
                self.end(&event.resource);
                let reason = event.reason.as_deref().unwrap_or("no reason given");
                // What was only cancelled says nothing new.
                if !reason.contains("cancelled") {
                    let about = self.about(event, 0);
                    self.print(Tone::Bad, "Failed", &format!("{about}: {reason}"));
                }
            }
        }
    }

    /// AWS reports the beginning twice: when it begins, and when the resource has got its id.
    fn begin(&mut self, event: &Event) {
        if self.open.contains_key(&event.resource) {
            return;
        }
        let bar = self.bars.as_ref().map(|bars| {
            let bar = bars.add(ProgressBar::new_spinner());
            if let Ok(style) = ProgressStyle::with_template("{spinner:>12.cyan} {msg}  {elapsed:.dim}") {
                bar.set_style(style);
            }
            let word = event.state.words();
            bar.set_message(format!("{word} {}", self.about(event, word.len() + 1 + ELAPSED)));
            bar.enable_steady_tick(Duration::from_millis(120));
            bar
        });
        if bar.is_none() {
            self.print(Tone::Calm, &capital(event.state.words()), &self.about(event, 0));
        }
        self.open.insert(event.resource.clone(), (event.at, bar));
    }

    fn end(&mut self, resource: &str) -> Option<i64> {
        let (began, bar) = self.open.remove(resource)?;
        if let Some(bar) = bar {
            bar.finish_and_clear();
        }
        Some(began)
    }

    /// A resource and what it is for, on a line that holds `more` columns beside its first word.
    fn about(&self, event: &Event, more: usize) -> String {
        let purpose = self.purposes.get(&event.resource).map_or(event.kind.as_str(), String::as_str);
        let resource = format!("{:width$}", event.resource, width = self.width);
        let used = FIRST_WORD + resource.chars().count() + 2 + more;
        format!("{resource}  {}", self.terminal.fit(used, purpose)).trim_end().to_owned()
    }

    fn print(&self, tone: Tone, word: &str, text: &str) {
        let line = line(self.terminal, tone, word, text.trim_end());
        match &self.bars {
            Some(bars) => {
                let _gone = bars.println(line);
            }
            None => self.terminal.say(&line),
        }
    }
}

impl Drop for View<'_> {
    fn drop(&mut self) {
        if let Some(bars) = &self.bars {
            let _gone = bars.clear();
        }
    }
}

fn capital(words: &str) -> String {
    let mut letters = words.chars();
    letters.next().map(|first| first.to_uppercase().collect::<String>() + letters.as_str()).unwrap_or_default()
}
