//! When a pipeline runs, in words and as the next five times: for `validate -v` and `graph`.

use jiff::Timestamp;
use jiff::tz::TimeZone;

use crate::control::condition::Condition;
use crate::control::partition::PartitionSpec;
use crate::control::plan::{EventPlan, ObjectsPlan, Plan, SchedulePlan};
use crate::control::schedule::moment::{self, Change};
use crate::control::schedule::{self, Fire, Schedule, When};

/// How many times are listed.
pub const NEXT: usize = 5;

/// What to say of the schedules of a pipeline, after an instant.
pub fn lines(plan: &Plan, now: Timestamp) -> Vec<String> {
    let partition = PartitionSpec::of_plan(&plan.partition).ok();
    let mut lines: Vec<String> =
        plan.schedules.iter().flat_map(|schedule| of_schedule(schedule, partition.as_ref(), now, NEXT)).collect();
    lines.extend(plan.events.iter().flat_map(|event| of_event(event, plan.partition.from.as_deref())));
    lines.extend(plan.executions.iter().flat_map(of_executions));
    if lines.is_empty() {
        lines.push("no schedule: `dpc run` starts it".to_owned());
    }
    lines
}

/// What starts it beside times, and what does not although it looks alike.
fn of_event(event: &EventPlan, from: Option<&str>) -> Vec<String> {
    let mut lines = vec![format!("on {}", event.words)];
    lines.extend(from.map(|from| format!("  for the partition {from}")));
    lines.extend(event.except.iter().map(|objects| {
        let ObjectsPlan { prefix, suffix, pipeline } = objects;
        format!("  not on {prefix}*{suffix}, which {pipeline} takes")
    }));
    lines
}

/// The condition on other pipelines, a line a node.
fn of_executions(condition: &Condition) -> Vec<String> {
    let title = "when, for its partition,".to_owned();
    std::iter::once(title).chain(condition.words().into_iter().map(|line| format!("  {line}"))).collect()
}

/// A schedule in words, then as many of the next times.
pub fn of_schedule(
    plan: &SchedulePlan,
    partition: Option<&PartitionSpec>,
    now: Timestamp,
    count: usize,
) -> Vec<String> {
    // The compiler has read it: it has nothing to say that was not said there.
    let Ok(schedule) = Schedule::of_plan(plan) else { return Vec::new() };
    let mut lines = vec![format!("{}: {}", plan.expression, schedule::describe(&schedule))];
    let fires = schedule::next(&schedule, now, count);
    if let (When::At(time), []) = (&schedule.when, fires.as_slice()) {
        lines.push(match moment::change(*time, &schedule.zone) {
            Some(Change::Skipped(_)) => "  never: the clocks skip this time".to_owned(),
            _ => "  it is over".to_owned(),
        });
    }
    lines.extend(fires.iter().map(|fire| format!("  {}", time(fire, partition))));
    lines
}

/// `2026-11-22 03:00 CET = 02:00 UTC, for 2026-11-21`.
fn time(fire: &Fire, partition: Option<&PartitionSpec>) -> String {
    let local = fire.local.strftime("%a %Y-%m-%d %H:%M %Z");
    let utc = fire.utc.to_zoned(TimeZone::UTC);
    let mut line = local.to_string();
    if fire.local.time_zone() != &TimeZone::UTC {
        let format = if utc.date() == fire.local.date() { "%H:%M" } else { "%Y-%m-%d %H:%M" };
        line.push_str(&format!(" = {} UTC", utc.strftime(format)));
    }
    if let Some(label) = partition.and_then(|partition| partition.of_time(fire.utc)).filter(|label| label != "none") {
        line.push_str(&format!(", for {label}"));
    }
    if let Some(note) = &fire.note {
        line.push_str(&format!(" ({note})"));
    }
    line
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;

    use super::lines;
    use crate::control::plan::{PartitionPlan, Plan, SchedulePlan};

    #[test]
    fn five_times_local_and_utc_across_a_change_of_the_clocks() {
        let schedule = SchedulePlan {
            expression: "cron(0 1 * * ? *)".to_owned(),
            timezone: "Europe/Berlin".to_owned(),
            start: None,
            end: None,
        };
        let partition = PartitionPlan {
            by: "day".to_owned(),
            offset: "-1d".to_owned(),
            timezone: "Europe/Berlin".to_owned(),
            from: None,
        };
        let plan = Plan {
            version: "1".to_owned(),
            pipeline: "listings".to_owned(),
            space: "dev".to_owned(),
            state_machine: String::new(),
            topic: None,
            alerts: Vec::new(),
            when: None,
            overlap: None,
            partition,
            schedules: vec![schedule],
            events: Vec::new(),
            executions: None,
            params: serde_json::Map::new(),
            steps: serde_json::Map::new(),
        };
        let now: Timestamp = "2026-10-23T12:00:00Z".parse().expect("a time");
        let lines = lines(&plan, now);
        assert_eq!(lines.len(), 6, "{lines:#?}");
        assert_eq!(
            lines.get(1).map(String::as_str),
            Some("  Sat 2026-10-24 01:00 CEST = 2026-10-23 23:00 UTC, for 2026-10-23")
        );
        let changed = lines.get(3).expect("six lines");
        assert!(changed.starts_with("  Mon 2026-10-26 01:00 CET = 00:00 UTC, for 2026-10-25"), "{changed}");
        assert!(changed.contains("the clocks have gone back"), "{changed}");
    }
}
