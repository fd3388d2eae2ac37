//! From rows to what the engine decides on.
//!
//! In come what a look misses, and rows; out come snapshots with it. It refuses to know why something is missed: the same
//! serves the central function and the commands that look over its shoulder.

use std::collections::{BTreeMap, BTreeSet};

use serde::de::DeserializeOwned;

use super::{Range, Row, Rows, keys, unreadable};
use crate::cloud::failure::CloudResult;
use crate::control::names;
use crate::control::trigger::fact::{PartitionFacts, RunFact};
use crate::control::trigger::space::Space;
use crate::control::trigger::store::{Key, Missing, Snapshot, TIMED, TIMED_RUNS, timed_label};

/// What is registered and reserved in a space, and the version of its counter, 0 where there is none.
///
/// # Errors
/// Whatever AWS refuses; rows that cannot be read.
pub async fn space<R: Rows>(rows: &R, name: &str) -> CloudResult<(Space, u64)> {
    let found = rows.ranges(&[keys::all(name)]).await?;
    let (mut pipelines, mut reservations, mut version) = (Vec::new(), Vec::new(), 0);
    for row in found.iter().flatten() {
        match row.key.sk.split_once('#') {
            Some(("PIPELINE", _)) => pipelines.push(read(row)?),
            Some(("RESERVATION", _)) => reservations.push(read(row)?),
            _ if row.key == keys::version(name) => version = row.version,
            _ => {}
        }
    }
    Ok((Space::new(name, pipelines, reservations), version))
}

/// Asks a question, loads what it misses, and asks again.
///
/// # Errors
/// Whatever AWS refuses; rows that cannot be read.
pub async fn look<R: Rows, T>(
    rows: &R,
    space: &str,
    snapshot: &mut Snapshot,
    mut question: impl FnMut(&Snapshot) -> Result<T, Missing>,
) -> CloudResult<T> {
    loop {
        match question(snapshot) {
            Ok(answer) => return Ok(answer),
            Err(missing) => load(rows, space, snapshot, &missing).await?,
        }
    }
}

/// Loads all that is missing, in one go.
///
/// # Errors
/// Whatever AWS refuses; rows that cannot be read.
pub async fn load<R: Rows>(rows: &R, space: &str, snapshot: &mut Snapshot, missing: &Missing) -> CloudResult<()> {
    let plan = Plan::of(space, missing);
    let wanted: Vec<_> = plan.received.iter().map(|pipeline| keys::received(space, pipeline)).collect();
    let received = async { if wanted.is_empty() { Ok(Vec::new()) } else { rows.get(&wanted).await } };
    let ranges = async { if plan.ranges.is_empty() { Ok(Vec::new()) } else { rows.ranges(&plan.ranges).await } };
    // At the same time: a decision is as slow as its questions, one after the other.
    let (found, received) = tokio::try_join!(ranges, received)?;
    let mut found = found.into_iter();
    for (pipeline, window) in &plan.timed {
        let mut runs = Vec::new();
        for row in found.next().unwrap_or_default() {
            let Some((label, _)) = row.key.sk.rsplit_once('#') else { continue };
            runs.push((label.to_owned(), read::<RunFact>(&row)?));
        }
        snapshot.load_timed(pipeline, *window, runs);
    }
    let rows: Vec<Row> = found.flatten().collect();
    for ((pipeline, label), facts) in arranged(&plan.partitions, &rows)? {
        snapshot.load(&pipeline, &label, facts);
    }
    for (pipeline, key) in plan.received.iter().zip(&wanted) {
        let row = received.iter().find(|row| row.key == *key);
        snapshot.load_received(pipeline, row.map(read).transpose()?);
    }
    Ok(())
}

/// The partitions that were asked for. A range brings what lies between them too, which the snapshot may know better: what was
/// decided a moment ago is not in the table yet.
fn arranged(wanted: &[(String, String)], rows: &[Row]) -> CloudResult<BTreeMap<(String, String), PartitionFacts>> {
    let mut partitions: BTreeMap<(String, String), PartitionFacts> =
        wanted.iter().map(|one| (one.clone(), PartitionFacts::default())).collect();
    for row in rows {
        let (Some(pipeline), Some((label, _))) = (pipeline_of(row), row.key.sk.rsplit_once('#')) else { continue };
        if let Some(facts) = partitions.get_mut(&(pipeline.to_owned(), label.to_owned())) {
            take(facts, row)?;
        }
    }
    Ok(partitions)
}

/// All that is known of a pipeline's partitions between two labels, both included.
///
/// # Errors
/// Whatever AWS refuses; rows that cannot be read.
pub async fn partitions<R: Rows>(
    rows: &R,
    space: &str,
    pipeline: &str,
    first: &str,
    last: &str,
) -> CloudResult<BTreeMap<String, PartitionFacts>> {
    let found = rows.ranges(&[keys::partitions(space, pipeline, first, last)]).await?;
    let mut partitions: BTreeMap<String, PartitionFacts> = BTreeMap::new();
    for row in found.iter().flatten() {
        let Some((label, _)) = row.key.sk.rsplit_once('#') else { continue };
        take(partitions.entry(label.to_owned()).or_default(), row)?;
    }
    Ok(partitions)
}

/// What to ask the table for.
#[derive(Debug, Default, PartialEq)]
struct Plan {
    /// First those of `timed`, one each, then those of `partitions`.
    ranges: Vec<Range>,
    timed: Vec<(String, Option<(jiff::Timestamp, jiff::Timestamp)>)>,
    partitions: Vec<(String, String)>,
    received: Vec<String>,
}

impl Plan {
    fn of(space: &str, missing: &Missing) -> Self {
        let mut plan = Self::default();
        let mut bundles: BTreeMap<(&str, &str), BTreeSet<&str>> = BTreeMap::new();
        let many = missing.keys.len() > MANY;
        for key in &missing.keys {
            match key {
                Key::Received(pipeline) => plan.received.push(pipeline.clone()),
                Key::Timed(pipeline, window) => {
                    let (first, last) = match window {
                        // The end itself has a `#` and a number behind it, so it lies beyond.
                        Some((start, end)) => (timed_label(*start), timed_label(*end)),
                        // From the first digit to what follows the last.
                        None => (format!("{TIMED}0"), format!("{TIMED}:")),
                    };
                    plan.ranges.push(Range { pk: keys::facts(space, pipeline), first, last, limit: Some(TIMED_RUNS) });
                    plan.timed.push((pipeline.clone(), *window));
                }
                Key::Partition(pipeline, label) => {
                    plan.partitions.push((pipeline.clone(), label.clone()));
                    bundles.entry((pipeline, bundle(label, many))).or_default().insert(label);
                }
            }
        }
        for ((pipeline, _), labels) in bundles {
            let (Some(first), Some(last)) = (labels.first(), labels.last()) else { continue };
            plan.ranges.push(match *first {
                "none" => keys::unpartitioned(space, pipeline),
                _ => keys::partitions(space, pipeline, first, last),
            });
        }
        plan
    }
}

/// More keys than this are asked for by the month, even if they are hours.
const MANY: usize = 72;

/// Partitions that are asked for by one range from the first to the last of them: those of a month, or the hours of a day. So
/// a window takes a query or two, and no query reads more than a month that nobody has asked for.
fn bundle(label: &str, many: bool) -> &str {
    let hours = label.contains('T') && !many;
    let stem = if label.starts_with(TIMED) || label == "none" {
        label.len()
    } else if hours {
        10
    } else {
        7
    };
    label.get(..stem).unwrap_or(label)
}

/// Puts a row into its partition.
fn take(facts: &mut PartitionFacts, row: &Row) -> CloudResult<()> {
    match row.key.sk.rsplit_once('#').map(|(_, kind)| kind) {
        Some("~fire") => facts.fire = Some(read(row)?),
        Some("~mark") => facts.overrides = read(row)?,
        Some(number) if number.bytes().all(|byte| byte.is_ascii_digit()) => facts.put(read(row)?),
        _ => {}
    }
    Ok(())
}

fn pipeline_of(row: &Row) -> Option<&str> {
    row.key.pk.rsplit_once('#').map(|(_, pipeline)| pipeline)
}

/// The document of a row.
pub(super) fn read<T: DeserializeOwned>(row: &Row) -> CloudResult<T> {
    row.read().map_err(|wrong| unreadable(names::CENTRAL_TABLE, &row.key, &wrong))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn missing(keys: &[(&str, &str)]) -> Missing {
        Missing {
            keys: keys.iter().map(|(pipeline, label)| Key::Partition((*pipeline).into(), (*label).into())).collect(),
        }
    }

    #[test]
    fn a_window_is_one_question() {
        let hours: Vec<String> = (0..24).map(|hour| format!("2026-11-21T{hour:02}Z")).collect();
        let asked: Vec<(&str, &str)> = hours.iter().map(|hour| ("clicks", hour.as_str())).collect();
        let plan = Plan::of("prod", &missing(&asked));
        assert_eq!(plan.ranges, [keys::partitions("prod", "clicks", "2026-11-21T00Z", "2026-11-21T23Z")]);
        assert_eq!(plan.partitions.len(), 24);
        let weeks = missing(&[("a", "2026-10-31"), ("a", "2026-11-01"), ("a", "2026-11-02"), ("b", "2026-11-01")]);
        assert_eq!(Plan::of("prod", &weeks).ranges.len(), 3);
    }

    #[test]
    fn what_a_range_brings_beyond_the_question_is_left_alone() {
        let run = serde_json::json!({
            "rev": 1, "number": 1, "status": "SUCCEEDED", "source": "run", "key": "k", "time": "2026-11-21T00:00:00Z",
            "toldAt": "2026-11-21T00:00:00Z", "generation": 0
        });
        let row = |label: &str| Row::new(keys::run("prod", "clicks", label, 1), &run).unwrap();
        let rows = ["2026-11-21T00Z", "2026-11-21T06Z", "2026-11-21T12Z"].map(row);
        let wanted =
            ["2026-11-21T00Z", "2026-11-21T12Z", "2026-11-21T18Z"].map(|label| ("clicks".into(), label.into()));
        let found = arranged(&wanted, &rows).unwrap();
        let runs: Vec<(&str, usize)> =
            found.iter().map(|((_, label), facts)| (label.as_str(), facts.runs.len())).collect();
        assert_eq!(runs, [("2026-11-21T00Z", 1), ("2026-11-21T12Z", 1), ("2026-11-21T18Z", 0)]);
    }

    #[test]
    fn runs_without_partition_are_asked_for_from_the_newest() {
        let at = |text: &str| text.parse().unwrap();
        let window = Some((at("2026-11-21T00:00:00Z"), at("2026-11-22T00:00:00Z")));
        let keys = BTreeSet::from([Key::Timed("n".into(), None), Key::Timed("n".into(), window)]);
        let plan = Plan::of("prod", &Missing { keys });
        let bounds: Vec<_> = plan.ranges.iter().map(|range| (range.first.as_str(), range.last.as_str())).collect();
        assert_eq!(bounds, [("none#0", "none#:"), ("none#2026-11-21T00:00:00Z", "none#2026-11-22T00:00:00Z")]);
        assert!(plan.ranges.iter().all(|range| range.limit == Some(TIMED_RUNS)));
        let last = keys::run("prod", "n", "none#2026-11-21T23:59:59Z", 7).sk;
        assert!(bounds.iter().all(|(first, end)| *first <= last.as_str() && last.as_str() <= *end));
        assert!(keys::run("prod", "n", "none#2026-11-22T00:00:00Z", 1).sk.as_str() > bounds[1].1);
        assert!(keys::fire("prod", "n", "none").sk.as_str() > bounds[0].1, "a fire is no run");
    }
}
