//! What deciding costs, for docs/triggers.md: `make histories HISTORIES=1` prints it, optimised.

// Reason: this measures time.
#![allow(clippy::disallowed_methods)]

use std::time::Instant;

use super::notation::Script;
use crate::control::trigger::process::{Touched, evaluate};

fn script(lines: &[&str]) -> Script {
    let mut script = Script::new();
    for line in lines {
        script.line(line);
    }
    script
}

/// Decisions a second about one (pipeline, partition), and how many it decides at once.
fn rate(name: &str, script: &mut Script, pipeline: &str, label: &str, rounds: u32) {
    let touched = [Touched::Upstream(pipeline.into(), label.into())];
    let now = script.world.now;
    let start = Instant::now();
    for _ in 0..rounds {
        let batch = evaluate(&script.world.space, &mut script.world.snapshot, &touched, now);
        assert!(batch.writes.is_empty(), "everything has fired");
    }
    println!("{name}: {:.0} events a second", f64::from(rounds) / start.elapsed().as_secs_f64());
}

#[test]
fn cost() {
    let mut two = script(&["day L, S", "day X = L & S", "L1 ok", "S1 ok", "X1 ok", "L2 fail"]);
    rate("two leaves, one decision", &mut two, "L", "2026-11-21", 2_000);
    let mut lines = vec!["day A", "day B = A", "day C = A", "day E = C", "day D = B & E"];
    lines.extend(["A1 ok", "B1 ok", "C1 ok", "E1 ok", "D1 ok", "A2 ok", "B2 ok"]);
    let mut diamond = script(&lines);
    rate("a diamond in the middle of a rerun, four decisions", &mut diamond, "A", "2026-11-21", 2_000);
    let days: Vec<String> = (1..=30).map(|day| format!("H1@2026-11-{day:02}T00..23 ok")).collect();
    let mut lines = vec!["at 2026-11-01T00:00:00Z", "hour H", "month M = H"];
    lines.extend(days.iter().map(String::as_str));
    let mut month = script(&lines);
    let facts = month.world.snapshot.partition("M", "2026-11").unwrap();
    let fire = facts.fire.clone().expect("the month is complete");
    assert_eq!(fire.witness.len(), 720);
    println!("720 hours in a witness: {} bytes of JSON", serde_json::to_string(&fire).unwrap().len());
    let run = month.world.snapshot.partition("H", "2026-11-21T00Z").unwrap().runs.first().cloned().unwrap();
    println!("a run without a witness: {} bytes", serde_json::to_string(&run).unwrap().len());
    rate("a month of 720 hours, one decision", &mut month, "H", "2026-11-21T00Z", 20);
}
