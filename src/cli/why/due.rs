//! When a schedule yields a partition.
//!
//! In come schedules, a calendar and a label; out come the times that stand for it. It refuses to know whether they were
//! kept.

use jiff::{SignedDuration, Timestamp};

use crate::control::partition::{Offset, PartitionSpec};
use crate::control::plan::SchedulePlan;
use crate::control::schedule::{self, Schedule, When};

/// A time at which a schedule starts a partition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Due {
    /// The instant.
    pub at: Timestamp,
    /// The schedule's zone.
    pub zone: String,
}

/// When these schedules yield the partition, the earliest first; `rate` counts from a moment that only AWS knows.
pub fn of(schedules: &[SchedulePlan], spec: &PartitionSpec, label: &str) -> Vec<Due> {
    let Some((start, end)) = window(spec, label) else { return Vec::new() };
    let before = start.checked_sub(SignedDuration::from_nanos(1)).unwrap_or(start);
    let mut due = Vec::new();
    for plan in schedules {
        let Ok(schedule) = Schedule::of_plan(plan) else { continue };
        let fires = schedule::between(&schedule, before, end).into_iter().map(|fire| fire.utc);
        // The offset is one of the calendar: what the window lets in is looked at once more.
        let own = fires.filter(|at| spec.of_time(*at).as_deref() == Some(label));
        due.extend(own.map(|at| Due { at, zone: plan.timezone.clone() }));
    }
    due.sort_by_key(|due| due.at);
    due.dedup_by_key(|due| due.at);
    due
}

/// Whether one of them only AWS can tell the times of.
pub fn has_rate(schedules: &[SchedulePlan]) -> bool {
    schedules
        .iter()
        .filter_map(|plan| Schedule::of_plan(plan).ok())
        .any(|schedule| matches!(schedule.when, When::Rate(_)))
}

/// The instants whose partition, after the shift, may be this one.
fn window(spec: &PartitionSpec, label: &str) -> Option<(Timestamp, Timestamp)> {
    let unshifted = PartitionSpec { offset: Offset::ZERO, ..spec.clone() };
    let (start, end) = unshifted.parse(label, "").ok()?.bounds?;
    let back = PartitionSpec { offset: spec.offset.times(-spec.offset.count()), ..spec.clone() };
    let last = end.checked_sub(SignedDuration::from_nanos(1)).ok()?;
    let first = unshifted.parse(&back.of_time(start)?, "").ok()?.bounds?.0;
    let last = unshifted.parse(&back.of_time(last)?, "").ok()?.bounds?.1;
    Some((first, last))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::control::partition::Granularity;
    use crate::control::zone::zone;

    #[test]
    fn a_partition_is_due_when_its_schedule_yields_it() {
        let spec = |by, offset: &str| {
            PartitionSpec::new(by, Offset::parse(offset).unwrap(), zone("Europe/Berlin").unwrap()).unwrap()
        };
        let plan = |expression: &str| SchedulePlan {
            expression: expression.to_owned(),
            timezone: "Europe/Berlin".to_owned(),
            start: None,
            end: None,
        };
        let due = |plans: &[SchedulePlan], spec: &PartitionSpec, label: &str| {
            of(plans, spec, label).into_iter().map(|due| due.at.to_string()).collect::<Vec<_>>()
        };
        let daily = [plan("cron(0 3 * * ? *)")];
        assert_eq!(due(&daily, &spec(Granularity::Day, "-1d"), "2026-11-21"), ["2026-11-22T02:00:00Z"]);
        assert_eq!(due(&daily, &spec(Granularity::Day, "0"), "2026-11-21"), ["2026-11-21T02:00:00Z"]);
        let monthly = [plan("cron(0 4 2 * ? *)")];
        assert_eq!(due(&monthly, &spec(Granularity::Month, "-1mo"), "2026-02"), ["2026-03-02T03:00:00Z"]);
        let hourly = [plan("cron(5 * * * ? *)")];
        assert_eq!(due(&hourly, &spec(Granularity::Hour, "-1h"), "2026-11-21T03Z"), ["2026-11-21T04:05:00Z"]);
        // The clocks skip 02:30 on this day, and Scheduler with them.
        let night = [plan("cron(30 2 * * ? *)")];
        assert_eq!(due(&night, &spec(Granularity::Day, "0"), "2026-03-29"), Vec::<String>::new());
        assert!(has_rate(&[plan("rate(1 hour)")]));
    }
}
