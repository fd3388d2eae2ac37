//! `dpc runs [SELECT]`: runs of this account, the newest first, or as a grid.

use std::collections::BTreeMap;

use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use super::grid;
use super::line::{self, Line};
use crate::cli::aws::{EnvironmentArg, Here};
use crate::cli::table::Format;
use crate::cli::targets::{Target, Targets};
use crate::cli::{Exit, Failure, Terminal, turn};
use crate::cloud::{CloudResult, Session};
use crate::control::partition::{Granularity, PartitionSpec};
use crate::control::range::{self, Range};
use crate::control::run::Status;
use crate::source::{Code, Finding};

/// Arguments of the list.
#[derive(Debug, clap::Args)]
#[group(skip)] // two structs of one name would be two groups of one name
pub struct Args {
    /// Pipelines: names, globs, owner:NAME, tag:KEY=VALUE, status:FAILED, listings+ with its downstream, +pipeline-x with
    /// its upstream. Without any, all of the project
    #[arg(value_name = "SELECT")]
    select: Vec<String>,
    /// Only runs with this status; may be given several times, or as a list
    #[arg(long, value_name = "STATUS", value_parser = status, value_delimiter = ',')]
    status: Vec<Status>,
    /// Only runs of these partitions: 2026-11-21, 2026-11-01..2026-11-21, 2026-11, 2026-11-01..
    #[arg(long, visible_alias = "date", value_name = "A..B", value_parser = range)]
    partition: Option<Range>,
    /// Only runs that were asked for since then: 2d, 12h, 2026-11-20, 2026-11-20T06:00:00Z
    #[arg(long, value_name = "TIME", value_parser = since)]
    since: Option<Timestamp>,
    /// Only pipelines of this account; needs a central account unless it is this one
    #[arg(long, value_name = "ACCOUNT")]
    account: Option<String>,
    /// How many runs to list
    #[arg(long, value_name = "NUMBER", default_value_t = 20)]
    limit: usize,
    /// Pipelines by partitions, one letter for the newest run of each
    #[arg(long, conflicts_with_all = ["status", "since", "limit"])]
    grid: bool,
    /// How to print it
    #[arg(long, value_enum, default_value_t)]
    format: Format,
    #[command(flatten)]
    environment: EnvironmentArg,
}

/// A status in any case.
pub fn status(text: &str) -> Result<Status, String> {
    let spelled = text.to_ascii_uppercase().replace('-', "_");
    let words = || Status::ALL.map(Status::as_str).join(", ");
    Status::parse(&spelled).ok_or_else(|| format!("write one of {}", words()))
}

fn range(text: &str) -> Result<Range, String> {
    Range::parse(text).map_err(|problem| match problem.help {
        Some(help) => format!("{}; {help}", problem.message),
        None => problem.message,
    })
}

fn since(text: &str) -> Result<Timestamp, String> {
    let now = Timestamp::now();
    moment(text, now, &TimeZone::system()).ok_or_else(|| {
        "write a length such as 2d or 12h, a day such as 2026-11-20, or a time such as 2026-11-20T06:00:00Z".to_owned()
    })
}

/// A moment in the past: a length before now, a day of the zone, or an instant.
fn moment(text: &str, now: Timestamp, zone: &TimeZone) -> Option<Timestamp> {
    if let Ok(at) = text.parse::<Timestamp>() {
        return Some(at);
    }
    if let Ok(day) = text.parse::<Date>() {
        return Some(day.to_zoned(zone.clone()).ok()?.timestamp());
    }
    let digits = text.find(|letter: char| !letter.is_ascii_digit())?;
    let (count, unit) = text.split_at_checked(digits)?;
    let hours = match unit {
        "m" | "min" => return now.checked_sub(SignedDuration::from_mins(count.parse().ok()?)).ok(),
        "h" => 1,
        "d" => 24,
        "w" => 7 * 24,
        _ => return None,
    };
    now.checked_sub(SignedDuration::from_hours(count.parse::<i64>().ok()?.checked_mul(hours)?)).ok()
}

/// Prints runs.
pub async fn run(args: Args, terminal: &Terminal) -> Result<Exit, Failure> {
    let mut here = args.environment.read()?;
    let session = here.session().await?;
    let targets = Targets::select(&mut here, &session, &args.select, args.account.as_deref()).await?;
    if args.grid {
        let mut rows = Vec::new();
        for target in &targets.all {
            rows.push(grid_row(&session, &targets, target, args.partition.as_ref()).await?);
        }
        let rows: Vec<grid::Row> = rows.into_iter().flatten().collect();
        match args.format {
            Format::Text => terminal.data(&grid::text(&rows, terminal.width(), terminal.colour_of_data())),
            Format::Json => terminal.data(&format!("{:#}\n", grid::json(&rows))),
        }
        return Ok(Exit::Done);
    }
    let mut lines = Vec::new();
    let mut more = false;
    for target in &targets.all {
        let found = of_target(&session, &targets, target, &args).await?;
        more |= found.more;
        lines.extend(found.lines);
    }
    lines.sort_by_key(|line| std::cmp::Reverse(line.at()));
    more |= lines.len() > args.limit;
    lines.truncate(args.limit);
    print(&lines, more, &args, &here, terminal);
    Ok(Exit::Done)
}

fn print(lines: &[Line], more: bool, args: &Args, here: &Here, terminal: &Terminal) {
    let environment = &here.environment;
    match args.format {
        Format::Json => {
            let runs: Vec<Value> = lines.iter().map(Line::json).collect();
            let all = json!({
                "environment": environment.name,
                "account": environment.account,
                "region": environment.region,
                "runs": runs,
                "more": more,
            });
            terminal.data(&format!("{all:#}\n"));
        }
        Format::Text if lines.is_empty() => {
            let filtered = !args.status.is_empty() || args.since.is_some() || args.partition.is_some();
            let why = if filtered { "no run is like that" } else { "none has run yet" };
            terminal.say(&format!("{why}; `dpc status{}` shows what is deployed", here.flag()));
        }
        Format::Text => {
            let note = |text: &str| terminal.fit(NOTE, text);
            terminal.data(&line::table(lines, Timestamp::now(), terminal.colour_of_data(), &note));
            if more {
                terminal.say(&format!(
                    "there are more: --limit {} shows them, --partition and --since less",
                    args.limit * 5
                ));
            }
        }
    }
}

/// About how many columns stand before a note.
const NOTE: usize = 84;
/// Rows that are read at once.
const PAGE: usize = 200;
/// Rows of one pipeline that are looked through for those wanted.
const MOST: usize = 4_000;

struct Found {
    lines: Vec<Line>,
    more: bool,
}

async fn of_target(session: &Session, targets: &Targets, target: &Target, args: &Args) -> CloudResult<Found> {
    let Some((first, last)) = ends(args.partition.as_ref(), target) else {
        return Ok(Found { lines: Vec::new(), more: false });
    };
    if !target.here {
        return targets.facts(target, first.as_deref(), last.as_deref(), args.limit + 1).await.map(|lines| {
            let wanted = lines.into_iter().filter(|line| is_wanted(line, args));
            Found { lines: wanted.collect(), more: false }
        });
    }
    let runs = session.runs();
    let (mut lines, mut read, mut after) = (Vec::new(), 0, None);
    loop {
        let page = runs.runs_between(&target.name, first.as_deref(), last.as_deref(), PAGE, after.as_ref()).await?;
        let full = page.len() == PAGE;
        read += page.len();
        after = page.last().map(|run| run.reference.clone());
        for run in &page {
            let mut line = Line::of_row(run, targets.shown(target));
            if !is_wanted(&line, args) {
                continue;
            }
            if let Some(wait) = turn::of(&runs, target.plan.as_ref(), run).await? {
                line.note = Some(wait.words());
            }
            lines.push(line);
        }
        // Rows come by partition: of a rerun of an old one only those who read on know.
        let enough = args.since.is_none() && lines.len() > args.limit;
        if !full || enough || read >= MOST {
            return Ok(Found { lines, more: full });
        }
    }
}

fn is_wanted(line: &Line, args: &Args) -> bool {
    let status = args.status.is_empty() || args.status.contains(&line.status);
    status && args.since.is_none_or(|since| line.claimed_at.or(line.at()).is_some_and(|at| at >= since))
}

/// The labels to look between; `None` for a pipeline to which the range means nothing.
fn ends(range: Option<&Range>, target: &Target) -> Option<(Option<String>, Option<String>)> {
    let Some(range) = range else { return Some((None, None)) };
    range.ends(target.spec.as_ref()?)
}

/// The newest run of each partition that is asked for, or of the last ones until now.
async fn grid_row(
    session: &Session,
    targets: &Targets,
    target: &Target,
    range: Option<&Range>,
) -> CloudResult<Option<grid::Row>> {
    let Some(spec) = &target.spec else { return Ok(None) };
    let Some((first, last)) = ends(range, target) else { return Ok(None) };
    let labels = labels(spec, first, last, &target.name)?;
    let (Some(first), Some(last)) = (labels.first().cloned(), labels.last().cloned()) else { return Ok(None) };
    let lines = if target.here {
        let mut lines = Vec::new();
        let mut after = None;
        loop {
            let page =
                session.runs().runs_between(&target.name, Some(&first), Some(&last), PAGE, after.as_ref()).await?;
            lines.extend(page.iter().map(|run| Line::of_row(run, None)));
            after = page.last().map(|run| run.reference.clone());
            if page.len() < PAGE {
                break lines;
            }
        }
    } else {
        targets.facts(target, Some(&first), Some(&last), usize::MAX).await?
    };
    let mut runs: BTreeMap<String, Line> = BTreeMap::new();
    for line in lines {
        let label = line.run.id.partition.clone();
        if runs.get(&label).is_none_or(|known| known.run.id.number < line.run.id.number) {
            runs.insert(label, line);
        }
    }
    Ok(Some(grid::Row { pipeline: target.name.clone(), by: spec.by, labels, runs }))
}

/// The columns of a grid: what is asked for, else about a screen of them until the one that a schedule would take now.
fn labels(
    spec: &PartitionSpec,
    first: Option<String>,
    last: Option<String>,
    pipeline: &str,
) -> CloudResult<Vec<String>> {
    let refused = |message: String| Box::new(Finding::new(Code::BadRange, message));
    let now = || spec.of_time(Timestamp::now()).unwrap_or_default();
    let last = last.unwrap_or_else(now);
    let first = first.unwrap_or_else(|| {
        let back = |label: String, _| range::previous(spec, &label).unwrap_or(label);
        (1..screen(spec.by)).fold(last.clone(), back)
    });
    range::between(spec, &first, &last, pipeline, GRID).map_err(|problem| {
        let finding = refused(problem.message);
        Box::new(match problem.help {
            Some(help) => finding.help(help),
            None => *finding,
        })
    })
}

/// The most columns that are looked up.
const GRID: usize = 2_000;

fn screen(by: Granularity) -> usize {
    match by {
        Granularity::None => 1,
        Granularity::Hour => 48,
        Granularity::Day => 30,
        Granularity::Week => 26,
        Granularity::Month => 24,
        Granularity::Year => 10,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn since_is_a_length_a_day_or_an_instant() {
        let now: Timestamp = "2026-11-22T06:00:00Z".parse().unwrap();
        let berlin = TimeZone::get("Europe/Berlin").unwrap();
        let read = |text| moment(text, now, &berlin).map(|at| at.to_string());
        assert_eq!(read("2d").as_deref(), Some("2026-11-20T06:00:00Z"));
        assert_eq!(read("90m").as_deref(), Some("2026-11-22T04:30:00Z"));
        assert_eq!(read("1w").as_deref(), Some("2026-11-15T06:00:00Z"));
        assert_eq!(read("2026-11-20").as_deref(), Some("2026-11-19T23:00:00Z"));
        assert_eq!(read("2026-11-20T06:00:00Z").as_deref(), Some("2026-11-20T06:00:00Z"));
        for text in ["2", "d", "two days", "", "2 d", "99999999999999999999d"] {
            assert_eq!(read(text), None, "{text}");
        }
    }

    #[test]
    fn a_status_is_read_in_any_case() {
        assert_eq!(status("timed-out"), Ok(Status::TimedOut));
        assert!(status("lost").unwrap_err().contains("TIMED_OUT"));
    }

    #[test]
    fn a_grid_ends_with_today() {
        let spec =
            PartitionSpec::new(Granularity::Month, crate::control::partition::Offset::ZERO, TimeZone::UTC).unwrap();
        let labels = labels(&spec, None, Some("2026-11".to_owned()), "x").unwrap();
        assert_eq!((labels.len(), labels.first().map(String::as_str)), (24, Some("2024-12")));
    }
}
