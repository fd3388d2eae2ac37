//! `dpc why`: why a partition has not run, whose turn it is, or what it has run on.
//!
//! In come a pipeline and a partition; out comes an answer whose first line is the answer. It asks the central account, where
//! there is one, and for pipelines of this account the table of runs, which knows more.

mod due;
mod json;
mod story;
#[cfg(test)]
mod tests;
mod text;
mod turns;

use jiff::Timestamp;

use super::aws::{EnvironmentArg, Here};
use super::central::{self, Central};
use super::rerun::bad_range;
use super::run::{current_partition, plan_of};
use super::runs::line::Line;
use super::table::Format;
use super::targets::{Target, Targets};
use super::{Exit, Failure, Terminal, turn};
use crate::cloud::runs::Notes;
use crate::cloud::{CloudResult, Session};
use crate::control::plan::SchedulePlan;
use crate::control::trigger::fact::Signed;
use crate::control::trigger::space::Registered;
use crate::control::trigger::store::Snapshot;
use crate::source::{Code, Finding};
use story::Story;

/// Arguments of `dpc why`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The pipeline, of this account or another one
    pipeline: String,
    /// The partition; without it, the one that comes now, or that its upstream was to produce last
    #[arg(long, visible_alias = "date", value_name = "LABEL")]
    partition: Option<String>,
    /// How to print it
    #[arg(long, value_enum, default_value_t)]
    format: Format,
    #[command(flatten)]
    environment: EnvironmentArg,
}

/// Explains a partition.
pub async fn run(args: Args, terminal: &Terminal) -> Result<Exit, Failure> {
    let mut here = args.environment.read()?;
    let session = here.session().await?;
    let targets = Targets::select(&mut here, &session, std::slice::from_ref(&args.pipeline), None).await?;
    let [target] = targets.all.as_slice() else {
        let finding =
            Finding::new(Code::NothingSelected, format!("`{}` means {} pipelines", args.pipeline, targets.all.len()));
        return Err(finding.help("`dpc why` is about one: name it").into());
    };
    let central = match targets.central {
        Some(_) => None,
        None => Central::find(&session, &here.environment.space).await?,
    };
    let central = central.as_ref().or(targets.central.as_ref());
    let registered = central.and_then(|central| central.space().registered(&target.name));
    if target.here && registered.is_none() {
        plan_of(&session, &here, &target.name).await?;
    }
    let label = label(&args, target, central, registered, terminal)?;
    let story = tell(&session, &here, target, central, registered, label).await?;
    match args.format {
        Format::Text => terminal.data(&text::text(&story, terminal.colour_of_data())),
        Format::Json => terminal.data(&format!("{:#}\n", json::json(&story))),
    }
    Ok(Exit::Done)
}

/// The partition that is asked about.
fn label(
    args: &Args,
    target: &Target,
    central: Option<&Central>,
    registered: Option<&Registered>,
    terminal: &Terminal,
) -> CloudResult<String> {
    let spec = target.spec.clone().or_else(|| registered.and_then(central::spec));
    let Some(spec) = spec else { return Ok(args.partition.clone().unwrap_or_else(|| "none".to_owned())) };
    if let Some(label) = &args.partition {
        return spec.parse(label, &target.name).map(|partition| partition.label).map_err(bad_range);
    }
    let now = Timestamp::now();
    let own = target.plan.as_ref().and_then(current_partition).or_else(|| spec.of_time(now));
    let label = central.zip(registered).and_then(|(central, own)| last_expected(central, own, now)).or(own);
    let label = label.unwrap_or_else(|| "none".to_owned());
    if label != "none" {
        terminal.say(&format!("no --partition: about {label}"));
    }
    Ok(label)
}

/// The partition that upstream schedules have yielded last, where partitions are alike: the earliest of them, which is the
/// one that people wait for.
fn last_expected(central: &Central, own: &Registered, now: Timestamp) -> Option<String> {
    let by = &own.registration.partition.by;
    let last = |name: &String| {
        let up = central.space().registered(name)?;
        let spec = central::spec(up).filter(|_| up.registration.partition.by == *by)?;
        let fired = up.registration.schedules.iter().filter_map(|plan| last_fire(plan, now)).max()?;
        spec.of_time(fired)
    };
    central::upstreams(own).iter().filter_map(last).min()
}

/// When a schedule came last, within five weeks.
fn last_fire(plan: &SchedulePlan, now: Timestamp) -> Option<Timestamp> {
    let schedule = crate::control::schedule::Schedule::of_plan(plan).ok()?;
    let after = now.checked_sub(jiff::SignedDuration::from_hours(35 * 24)).ok()?;
    crate::control::schedule::between(&schedule, after, now).last().map(|fire| fire.utc)
}

/// Looks everything up.
async fn tell(
    session: &Session,
    here: &Here,
    target: &Target,
    central: Option<&Central>,
    registered: Option<&Registered>,
    label: String,
) -> CloudResult<Story> {
    let now = Timestamp::now();
    let mut snapshot = Snapshot::partial();
    let (mut explanation, mut roots) = (None, Vec::new());
    if let (Some(central), Some(_)) = (central, registered) {
        let found = central.explain(&mut snapshot, &target.name, &label).await?;
        roots = turns::of(central, &mut snapshot, &found, now).await?;
        explanation = Some(found);
    }
    let pause = if target.here { session.runs().pause_of(&target.name).await? } else { None };
    let plan = target.plan.as_ref();
    let waits = plan.is_some_and(|plan| plan.executions.is_some());
    let schedules = plan.map(|plan| plan.schedules.clone());
    let schedules = schedules.or_else(|| Some(registered?.registration.schedules.clone())).unwrap_or_default();
    let spec = target.spec.clone().or_else(|| registered.and_then(central::spec));
    let by_event = plan.map(|plan| !plan.events.is_empty()).or_else(|| Some(registered?.registration.by_event));
    Ok(Story {
        pipeline: target.name.clone(),
        account: target.account.clone(),
        owner: target.owner.clone().or_else(|| registered?.registration.owner.clone()),
        explanation,
        unasked: waits && registered.is_none(),
        runs: runs(session, target, central, &label).await?,
        due: spec.map(|spec| due::of(&schedules, &spec, &label)).unwrap_or_default(),
        has_rate: due::has_rate(&schedules),
        has_schedule: !schedules.is_empty(),
        by_event: by_event.unwrap_or_default(),
        paused: pause.is_some() || registered.is_some_and(|known| known.paused),
        pause: pause.map(|pause| Signed { by: pause.by, why: pause.why, at: pause.at }),
        roots,
        now,
        flag: here.flag(),
        label,
    })
}

/// Its runs of the partition: this account's rows, or facts.
async fn runs(session: &Session, target: &Target, central: Option<&Central>, label: &str) -> CloudResult<Vec<Line>> {
    const MOST: u32 = 10;
    if !target.here {
        return match central {
            Some(central) => central.lines(target, Some(label), Some(label), MOST as usize).await,
            None => Ok(Vec::new()),
        };
    }
    let runs = session.runs();
    let mut lines = Vec::new();
    for run in runs.runs_of_partition(&target.name, label, MOST).await? {
        let mut line = Line::of_row(&run, None);
        if let Some(wait) = turn::of(&runs, target.plan.as_ref(), &run).await? {
            line.note = Some(wait.words());
        }
        lines.push(line);
    }
    Ok(lines)
}
