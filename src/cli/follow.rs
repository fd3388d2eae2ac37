//! A run, followed step by step until it ends.
//!
//! In come a run and its execution; out come lines as steps begin and end, and how the run ended. Looking on changes
//! nothing: whoever stops looking leaves the run as it is.

use std::time::Duration;

use super::Terminal;
use super::aws::{Tone, act, clock, paint, took};
use crate::cloud::timeline::{self, Moment, Standing, Timeline, What};
use crate::cloud::{CloudResult, Session};
use crate::control::run::{RunRef, Status};
use crate::source::{Code, Finding};

/// How following ended.
#[derive(Debug)]
pub enum Followed {
    /// The run has ended so.
    Ended(Standing),
    /// The person pressed Ctrl-C; the run goes on.
    Interrupted,
    /// Step Functions knows the execution no more.
    Forgotten,
}

/// Prints what happens in an execution until it ends or somebody presses Ctrl-C.
///
/// # Errors
/// Whatever AWS refuses. The run goes on.
pub async fn follow(session: &Session, execution: &str, terminal: &Terminal) -> CloudResult<Followed> {
    let Some(mut standing) = timeline::standing(session, execution).await? else { return Ok(Followed::Forgotten) };
    let mut timeline = Timeline::new(execution, standing.steps.clone());
    let mut printer = Printer::new(&standing.steps);
    let mut wait = Duration::from_millis(500);
    loop {
        // The status first: what happens between the two answers is told with the next, and the last is not lost.
        let news = timeline.news(session).await?;
        if !news.is_empty() {
            wait = Duration::from_millis(700);
        }
        for moment in &news {
            terminal.say(&printer.line(moment, terminal));
        }
        if standing.status.is_terminal() {
            return Ok(Followed::Ended(standing));
        }
        tokio::select! {
            () = tokio::time::sleep(wait) => {}
            _ = tokio::signal::ctrl_c() => return Ok(Followed::Interrupted),
        }
        wait = (wait * 3 / 2).min(Duration::from_secs(5));
        let Some(now) = timeline::standing(session, execution).await? else { return Ok(Followed::Forgotten) };
        standing = now;
    }
}

/// Aligns the names of states.
pub struct Printer {
    width: usize,
}

impl Printer {
    /// A printer for a run with these steps.
    pub fn new(steps: &[String]) -> Self {
        let longest = steps.iter().map(|step| step.chars().count()).max().unwrap_or(0);
        Self { width: longest.max("Release cluster".len()) }
    }

    /// A line of the timeline.
    pub fn line(&mut self, moment: &Moment, terminal: &Terminal) -> String {
        self.width = self.width.max(moment.state.chars().count());
        let (tone, word) = match &moment.what {
            What::Began => (Tone::Calm, "began".to_owned()),
            What::Succeeded(seconds) => (Tone::Good, format!("done in {}", took(*seconds))),
            What::AttemptFailed(reason) => (Tone::Odd, format!("attempt failed: {}", first_line(reason))),
            What::Failed(seconds, reason) => {
                (Tone::Bad, format!("failed after {}: {}", took(*seconds), first_line(reason)))
            }
            What::Skipped => (Tone::Odd, "skipped by its `when`, or with a step that it needs".to_owned()),
            What::Blocked => (Tone::Odd, "not run, because something that it needs did not succeed".to_owned()),
        };
        let (first, rest) = word.split_once(' ').unwrap_or((&word, ""));
        let said = format!("{} {rest}", paint(terminal, tone, first));
        format!("    {}  {:width$}  {}", clock(moment.at), moment.state, said.trim_end(), width = self.width)
    }
}

fn first_line(reason: &str) -> &str {
    reason.lines().next().unwrap_or(reason)
}

/// The last line about a run that ended well, or the finding about one that did not.
///
/// # Errors
/// The finding, when the run did not succeed.
pub fn conclude(
    run: &RunRef,
    status: Status,
    error: Option<&str>,
    cause: Option<&str>,
    flag: &str,
    terminal: &Terminal,
) -> CloudResult<()> {
    if matches!(status, Status::Succeeded | Status::Skipped) {
        let why = cause.filter(|_| status == Status::Skipped).map(|cause| format!("  {cause}")).unwrap_or_default();
        let tone = if status == Status::Skipped { Tone::Odd } else { Tone::Good };
        act(terminal, tone, status.as_str(), &format!("{run}{why}"));
        return Ok(());
    }
    let said = cause.or(error).map(timeline::plain).filter(|said| !said.is_empty());
    let said = said.map(|said| format!(": {said}")).unwrap_or_default();
    let step = cause.and_then(failed_step).map(|step| format!(" --step {step}")).unwrap_or_default();
    let finding = Finding::new(Code::RunFailed, format!("run `{run}` ended {}{said}", status.as_str()));
    Err(Box::new(finding.help(format!("`dpc logs {run}{step}{flag}` prints what it has written"))))
}

/// The step in "step `publish` failed: …".
fn failed_step(cause: &str) -> Option<&str> {
    cause.strip_prefix("step `")?.split_once('`').map(|(step, _)| step)
}

/// [`conclude`] for an execution that was followed.
///
/// # Errors
/// As [`conclude`].
pub fn conclude_execution(run: &RunRef, standing: &Standing, flag: &str, terminal: &Terminal) -> CloudResult<()> {
    if let (Status::Succeeded, Some(seconds)) = (standing.status, standing.seconds) {
        act(terminal, Tone::Good, standing.status.as_str(), &format!("{run}  in {}", took(seconds)));
        return Ok(());
    }
    conclude(run, standing.status, standing.error.as_deref(), standing.cause.as_deref(), flag, terminal)
}

/// What to say to somebody who stops looking on.
pub fn interrupted(run: &RunRef, flag: &str, terminal: &Terminal) {
    act(terminal, Tone::Odd, "Interrupted", &format!("the run goes on in AWS: {run}"));
    act(terminal, Tone::Calm, "Follow", &format!("dpc logs {run} --follow{flag}"));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_failed_step_is_named_in_the_command() {
        assert_eq!(failed_step("step `publish` failed: States.TaskFailed: exit 3"), Some("publish"));
        assert_eq!(failed_step("something else"), None);
    }

    #[test]
    fn a_run_that_failed_is_a_finding_with_the_command_for_its_log() {
        let run: RunRef = "listings/2026-11-21/1".parse().expect("a run");
        let cause = Some("step `publish` failed: exit 3");
        let finding =
            conclude(&run, Status::Failed, None, cause, " --env prod", &Terminal::plain()).expect_err("it failed");
        assert_eq!(finding.message, "run `listings/2026-11-21/1` ended FAILED: step `publish` failed: exit 3");
        let help = "`dpc logs listings/2026-11-21/1 --step publish --env prod` prints what it has written";
        assert_eq!(finding.help.as_deref(), Some(help));
    }
}
