//! How long runs take because a state machine has only sequences and parallels: the lowering of `control::dag` against
//! stages of equal depth with a barrier between them, and against the graph itself, which no state machine can say.
//!
//! In comes nothing, or a number of graphs; out comes a table for `docs/benchmarks.md`. The same numbers come out on every machine:
//! the graphs and the durations are drawn from fixed seeds. `cargo run --example dag_lowering`

#![allow(clippy::print_stdout, clippy::expect_used)] // Reason: a program that prints a table

use std::collections::HashMap;

use dpc::control::dag::{self, Flow};

/// A step: its name and the names of those that it needs.
type Steps = Vec<(String, Vec<String>)>;

/// How graphs are drawn: name and drawer.
type Shape = (&'static str, fn(&mut fastrand::Rng, usize) -> Steps);

const SHAPES: [Shape; 4] =
    [("series-parallel", series_parallel), ("chains joined at random", chains), ("layers", layers), ("any", any)];
const SIZES: [usize; 5] = [5, 10, 20, 40, 60];

fn main() {
    let graphs = std::env::args().nth(1).and_then(|count| count.parse().ok()).unwrap_or(1000);
    println!(
        "| graphs | steps | added waits | longer than the graph: dpc | dpc, worst | barriers | barriers, worst | dpc no later than barriers |"
    );
    println!("|---|---|---|---|---|---|---|---|");
    for (name, draw) in SHAPES {
        for size in SIZES {
            println!("{}", row(name, draw, size, graphs));
        }
    }
}

/// Runs `graphs` graphs of one shape and size.
fn row(name: &str, draw: fn(&mut fastrand::Rng, usize) -> Steps, size: usize, graphs: usize) -> String {
    let mut rng = fastrand::Rng::with_seed(20_261_121 + size as u64);
    let (mut waits, mut ours, mut barriers, mut no_later) = (0, Vec::new(), Vec::new(), 0);
    for _ in 0..graphs {
        let steps = draw(&mut rng, size);
        // Most steps take minutes and some take hours.
        let durations: HashMap<&str, f64> =
            steps.iter().map(|(name, _)| (name.as_str(), (rng.f64() * 4.0).exp())).collect();
        let flow = dag::structure(&steps).expect("drawn without cycles");
        waits += dag::added_waits(&steps, &flow).len();
        let ideal = ideal(&steps, &durations);
        let (lowered, staged) = (length(&flow, &durations), staged(&steps, &durations));
        assert!(lowered >= ideal * 0.999_999, "a lowering that is quicker than its graph has lost a need");
        no_later += usize::from(lowered <= staged * 1.000_001);
        ours.push(lowered / ideal - 1.0);
        barriers.push(staged / ideal - 1.0);
    }
    #[allow(clippy::cast_precision_loss)] // Reason: small counts
    let mean = |of: &[f64]| of.iter().sum::<f64>() / of.len() as f64 * 100.0;
    let worst = |of: &[f64]| of.iter().copied().fold(0.0, f64::max) * 100.0;
    #[allow(clippy::cast_precision_loss)] // Reason: small counts
    let per = |count: usize| count as f64 / graphs as f64;
    format!(
        "| {name} | {size} | {:.1} | {:.1} % | {:.0} % | {:.1} % | {:.0} % | {:.1} % |",
        per(waits),
        mean(&ours),
        worst(&ours),
        mean(&barriers),
        worst(&barriers),
        per(no_later) * 100.0,
    )
}

/// When the last step ends if each starts as soon as its needs have ended.
fn ideal(steps: &Steps, durations: &HashMap<&str, f64>) -> f64 {
    let mut ends: HashMap<&str, f64> = HashMap::new();
    // Needs stand before the steps that need them.
    for (name, needs) in steps {
        let start = needs.iter().filter_map(|need| ends.get(need.as_str())).copied().fold(0.0, f64::max);
        ends.insert(name, start + duration(durations, name));
    }
    ends.into_values().fold(0.0, f64::max)
}

/// The same if all steps of one depth end before any of the next starts.
fn staged(steps: &Steps, durations: &HashMap<&str, f64>) -> f64 {
    let mut depths: HashMap<&str, usize> = HashMap::new();
    let mut longest: Vec<f64> = Vec::new();
    for (name, needs) in steps {
        let depth = needs.iter().filter_map(|need| depths.get(need.as_str())).map(|depth| depth + 1).max().unwrap_or(0);
        depths.insert(name, depth);
        longest.resize(longest.len().max(depth + 1), 0.0);
        if let Some(slot) = longest.get_mut(depth) {
            *slot = slot.max(duration(durations, name));
        }
    }
    longest.into_iter().sum()
}

/// The same for a flow.
fn length(flow: &Flow, durations: &HashMap<&str, f64>) -> f64 {
    match flow {
        Flow::Step(name) => duration(durations, name),
        Flow::Sequence(parts) => parts.iter().map(|part| length(part, durations)).sum(),
        Flow::Parallel(parts) => parts.iter().map(|part| length(part, durations)).fold(0.0, f64::max),
    }
}

fn duration(durations: &HashMap<&str, f64>, step: &str) -> f64 {
    durations.get(step).copied().unwrap_or_default()
}

fn name(step: usize) -> String {
    format!("s{step}")
}

/// Halves put one after the other or side by side, again and again.
fn series_parallel(rng: &mut fastrand::Rng, size: usize) -> Steps {
    /// Adds `size` steps that come after `before`; returns those that nothing of theirs comes after.
    fn grow(rng: &mut fastrand::Rng, size: usize, before: &[String], steps: &mut Steps) -> Vec<String> {
        if size == 1 {
            let own = name(steps.len());
            steps.push((own.clone(), before.to_vec()));
            return vec![own];
        }
        let first = rng.usize(1..size);
        let mut ends = grow(rng, first, before, steps);
        if rng.bool() {
            return grow(rng, size - first, &ends, steps);
        }
        ends.extend(grow(rng, size - first, before, steps));
        ends
    }
    let mut steps = Vec::new();
    grow(rng, size, &[], &mut steps);
    steps
}

/// A few chains, with a need from one to another here and there: what teams write.
fn chains(rng: &mut fastrand::Rng, size: usize) -> Steps {
    let count = rng.usize(2..=(size / 3).clamp(2, 6));
    (0..size)
        .map(|step| {
            let mut needs: Vec<String> = step.checked_sub(count).map(name).into_iter().collect();
            if step > 0 && rng.f64() < 0.2 {
                needs.push(name(rng.usize(0..step)));
            }
            (name(step), needs)
        })
        .collect()
}

/// Layers of four, each step needing one or two of the layer before.
fn layers(rng: &mut fastrand::Rng, size: usize) -> Steps {
    (0..size)
        .map(|step| {
            let above = (step / 4).checked_sub(1).map(|layer| layer * 4);
            let needs = above.map(|first| (0..rng.usize(1..=2)).map(|_| name(first + rng.usize(0..4))).collect());
            (name(step), needs.unwrap_or_default())
        })
        .collect()
}

/// Any two steps joined with the same chance: about two needs a step.
fn any(rng: &mut fastrand::Rng, size: usize) -> Steps {
    #[allow(clippy::cast_precision_loss)] // Reason: small counts
    let chance = (4.0 / size as f64).min(0.5);
    (0..size).map(|step| (name(step), (0..step).filter(|_| rng.f64() < chance).map(name).collect())).collect()
}
