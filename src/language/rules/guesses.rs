//! Schedules that work against a trigger: one guessed from when the upstream usually ends, or an upstream that runs again and
//! again for one partition.

use jiff::Timestamp;

use super::upstreams::{Tie, Ties};
use crate::control::partition::{Granularity, PartitionSpec};
use crate::control::schedule::{self, Fire, Schedule, When};
use crate::language::manifest::Manifest;
use crate::language::project::Pipeline;
use crate::source::{Code, Finding, Findings, Span};

/// Schedules are compared from here on, so that what is said does not depend on the day: a Sunday before a common week.
const START: Timestamp = Timestamp::constant(1_796_515_200, 0); // 2026-12-06T00:00:00Z
/// How many fires are looked at, at most.
const FIRES: usize = 60;

pub fn check(pipelines: &[Pipeline], ties: &Ties, findings: &mut Findings) {
    let mut said_down = vec![false; pipelines.len()];
    let mut said_up = vec![false; pipelines.len()];
    let first = |said: &mut Vec<bool>, at: usize| said.get_mut(at).is_some_and(|said| !std::mem::replace(said, true));
    for tie in &ties.all {
        let manifest = |at: usize| pipelines.get(at).map(|pipeline| &pipeline.manifest);
        let Some(downstream) = manifest(tie.down) else { continue };
        let upstream = tie.up.filter(|up| *up != tie.down).and_then(manifest);
        let scheduled = downstream.triggers.as_ref().is_some_and(|triggers| !triggers.schedule.0.is_empty());
        if scheduled && tie.up != Some(tie.down) && first(&mut said_down, tie.down) {
            guessed(downstream, upstream, tie, ties, findings);
        }
        if let (Some(up), Some(upstream)) = (tie.up, upstream)
            && first(&mut said_up, up)
        {
            again(upstream, downstream, (tie, ties.spec(up)), findings);
        }
    }
}

/// Schedules with the place of each.
fn schedules(manifest: &Manifest, spec: &PartitionSpec) -> Vec<(Schedule, Span)> {
    let zone = spec.zone.iana_name().unwrap_or("UTC");
    let written = manifest.triggers.iter().flat_map(|triggers| &triggers.schedule.0);
    let read = |schedule: &crate::triggers::schedule::Schedule| {
        Some((Schedule::of_plan(&schedule.plan(zone)?).ok()?, schedule.written()?.span))
    };
    written.filter_map(read).collect()
}

/// A pipeline that waits for another and has a schedule too: the schedule does not wait.
fn guessed(downstream: &Manifest, upstream: Option<&Manifest>, tie: &Tie, ties: &Ties, findings: &mut Findings) {
    let Some(own) = ties.spec(tie.down) else { return };
    let name = &tie.placed.leaf.pipeline;
    let mut all = schedules(downstream, own).into_iter();
    let Some((schedule, span)) = all.next() else { return };
    let early = upstream.and_then(|upstream| {
        let theirs = ties.spec(tie.up?)?;
        let times: Vec<(Schedule, Span)> = schedules(upstream, theirs);
        std::iter::once((schedule, span)).chain(all).find_map(|(schedule, span)| {
            times
                .iter()
                .find_map(|(other, place)| early(&schedule, own, other, theirs).map(|said| (said, span, *place)))
        })
    });
    let finding = match early {
        Some((said, span, place)) => {
            Finding::at(Code::GuessedSchedule, span, format!("this schedule is too early for `{name}`"), said)
                .and(place, format!("when `{name}` starts"))
        }
        None => Finding::at(Code::GuessedSchedule, span, format!("this schedule does not wait for `{name}`"), ""),
    };
    findings.push(
        finding
            .and(tie.placed.name, "the trigger waits for it")
            .warning()
            .why("several triggers are alternatives: the pipeline runs at that time, whatever its upstream has done, and again when the trigger fires")
            .help("remove the schedule; the trigger starts the pipeline as soon as its upstream has ended"),
    );
}

/// Says so if one fires for a partition before, or when, the other does for the same.
fn early(own: &Schedule, spec: &PartitionSpec, other: &Schedule, theirs: &PartitionSpec) -> Option<String> {
    if spec.by != theirs.by || spec.by == Granularity::None || spec.zone != theirs.zone {
        return None;
    }
    let upstream: Vec<Fire> = schedule::next(other, START, FIRES);
    schedule::next(own, START, FIRES).into_iter().skip(1).find_map(|fire| {
        let label = spec.of_time(fire.utc)?;
        let same = upstream.iter().find(|up| theirs.of_time(up.utc).as_deref() == Some(label.as_str()))?;
        (fire.utc <= same.utc).then(|| {
            let clock = |fire: &Fire| fire.local.strftime("%H:%M %Z").to_string();
            format!("at {} it runs for a partition that its upstream begins at {}", clock(&fire), clock(same))
        })
    })
}

/// An upstream whose schedule fires several times within one of its partitions: each time is a new run of that partition.
fn again(
    upstream: &Manifest,
    downstream: &Manifest,
    (tie, spec): (&Tie, Option<&PartitionSpec>),
    findings: &mut Findings,
) {
    let Some(spec) = spec.filter(|spec| spec.by != Granularity::None) else { return };
    let mut labels: Vec<(String, Span)> = Vec::new();
    // A rate counts from its deployment, whenever that is: any beginning will do.
    for (schedule, span) in schedules(upstream, spec) {
        let fires: Vec<Timestamp> = match &schedule.when {
            When::Rate(rate) => (0..2).filter_map(|nth| START.checked_add(rate.interval() * nth).ok()).collect(),
            _ => schedule::next(&schedule, START, FIRES).into_iter().map(|fire| fire.utc).collect(),
        };
        labels.extend(fires.into_iter().filter_map(|fire| Some((spec.of_time(fire)?, span))));
    }
    labels.sort_by(|(one, _), (other, _)| one.cmp(other));
    let inner = labels.windows(2).find(|pair| matches!(pair, [(one, _), (other, _)] if one == other));
    let Some([(label, span), ..]) = inner else { return };
    let name = &upstream.name.value;
    findings.push(
        Finding::at(
            Code::ManyRunsAPartition,
            *span,
            format!("`{name}` runs several times for one {}", spec.by.as_str()),
            format!("more than once for {label}, for example"),
        )
        .and(tie.placed.name, format!("`{}` runs again after each", downstream.name.value))
        .warning()
        .why("a new run of a partition replaces the one before, and everything downstream of it follows")
        .help(
            "partition by what one run produces, such as `partition: { by: hour }`, or run it once for each partition",
        ),
    );
}
