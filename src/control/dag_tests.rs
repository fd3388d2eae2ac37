use std::collections::{HashMap, HashSet};

use proptest::prelude::*;

use super::*;

fn steps(text: &str) -> Vec<(String, Vec<String>)> {
    text.split_whitespace()
        .map(|step| {
            let (name, needs) = step.split_once(':').unwrap_or((step, ""));
            (name.to_owned(), needs.split(',').filter(|need| !need.is_empty()).map(str::to_owned).collect())
        })
        .collect()
}

/// `a, (b | c), d`
fn show(flow: &Flow) -> String {
    let join = |parts: &[Flow], with: &str| parts.iter().map(show).collect::<Vec<_>>().join(with);
    match flow {
        Flow::Step(name) => name.clone(),
        Flow::Sequence(parts) => format!("({})", join(parts, " > ")),
        Flow::Parallel(parts) => format!("({})", join(parts, " | ")),
    }
}

fn shown(text: &str) -> String {
    show(&structure(&steps(text)).unwrap())
}

fn added(text: &str) -> Vec<(String, String)> {
    let steps = steps(text);
    added_waits(&steps, &structure(&steps).unwrap())
}

fn pair(step: &str, up: &str) -> (String, String) {
    (step.to_owned(), up.to_owned())
}

#[test]
fn one_step_and_none() {
    assert_eq!(shown("a"), "a");
    assert_eq!(structure(&[]).unwrap().width(), 0);
}

#[test]
fn series_parallel_graphs_keep_their_shape() {
    assert_eq!(shown("a b:a c:b"), "(a > b > c)");
    assert_eq!(shown("b a"), "(b | a)");
    assert_eq!(shown("a b:a c:a d:b,c"), "(a > (b | c) > d)");
    assert_eq!(shown("a b c:a,b d:a,b"), "((a | b) > (c | d))");
    assert_eq!(shown("a x b:a y:x z:b,y w"), "((((a > b) | (x > y)) > z) | w)");
    assert_eq!(added("a b:a c:a d:b,c"), []);
}

#[test]
fn a_need_that_others_imply_changes_nothing() {
    assert_eq!(shown("a b:a c:a,b"), "(a > b > c)");
    assert_eq!(shown("a b:a c:b d:c,a,b,b"), "(a > b > c > d)");
}

#[test]
fn the_order_of_writing_does_not_have_to_be_the_order_of_needs() {
    assert_eq!(shown("c:b b:a a"), "(a > b > c)");
    assert_eq!(shown("d:c,b c:a b:a a"), "(a > (c | b) > d)");
}

#[test]
fn the_smallest_graph_that_is_not_series_parallel_gets_one_wait() {
    assert_eq!(shown("a b c:a,b d:b"), "((a | b) > (c | d))");
    assert_eq!(added("a b c:a,b d:b"), [pair("d", "a")]);
}

#[test]
fn a_long_branch_is_not_held_up_for_a_short_one() {
    assert_eq!(added("a1 a2:a1 a3:a2 a4:a3 b1 b2:b1 b3:b2 b4:b3,a1"), [pair("b1", "a1")]);
}

#[test]
fn width_counts_what_can_run_at_once() {
    assert_eq!(structure(&steps("a b:a c:a d:b,c")).unwrap().width(), 2);
    assert_eq!(structure(&steps("a b c d:a e:a")).unwrap().width(), 4);
}

#[test]
fn a_cycle_is_a_closed_path_that_starts_at_its_first_step() {
    let path = |text| structure(&steps(text)).unwrap_err().to_string();
    assert_eq!(path("a:a"), "a -> a");
    assert_eq!(path("a:b b:a"), "a -> b -> a");
    assert_eq!(path("before after:c b:c c:d,before d:b"), "b -> c -> d -> b");
}

#[test]
fn five_hundred_steps_are_quick_whatever_their_shape() {
    let dense: Vec<_> = (0..500).map(|i| (format!("s{i}"), (0..i).map(|j| format!("s{j}")).collect())).collect();
    assert_eq!(structure(&dense).unwrap().width(), 1);
    // Each step needs two of the layer before, shifted: nowhere series-parallel.
    let zigzag: Vec<_> = (0..500)
        .map(|i: usize| {
            let needs = i.checked_sub(25).map(|j| vec![format!("s{j}"), format!("s{}", j / 25 * 25 + (j + 1) % 25)]);
            (format!("s{i}"), needs.unwrap_or_default())
        })
        .collect();
    let flow = structure(&zigzag).unwrap();
    assert_eq!(flow.steps().len(), 500);
    // A comb: parallel inside sequence inside parallel, 250 deep.
    let comb: Vec<_> = (0..500)
        .map(|i: usize| (format!("s{i}"), i.checked_sub(2).map(|j| format!("s{}", j / 2 * 2)).into_iter().collect()))
        .collect();
    assert_eq!(added_waits(&comb, &structure(&comb).unwrap()), []);
}

/// All pairs (downstream, upstream) that needs imply.
fn closure(steps: &[(String, Vec<String>)]) -> HashSet<(String, String)> {
    let mut pairs: HashSet<(String, String)> =
        steps.iter().flat_map(|(name, needs)| needs.iter().map(|need| (name.clone(), need.clone()))).collect();
    for (middle, _) in steps {
        let ups: Vec<_> = pairs.iter().filter(|(down, _)| down == middle).map(|(_, up)| up.clone()).collect();
        let downs: Vec<_> = pairs.iter().filter(|(_, up)| up == middle).map(|(down, _)| down.clone()).collect();
        for down in &downs {
            pairs.extend(ups.iter().map(|up| (down.clone(), up.clone())));
        }
    }
    pairs
}

/// All pairs (downstream, upstream) that a flow orders.
fn ordered(flow: &Flow) -> HashSet<(String, String)> {
    let mut pairs = HashSet::new();
    match flow {
        Flow::Step(_) => {}
        Flow::Parallel(parts) => parts.iter().for_each(|part| pairs.extend(ordered(part))),
        Flow::Sequence(parts) => {
            for (place, part) in parts.iter().enumerate() {
                pairs.extend(ordered(part));
                for up in parts[..place].iter().flat_map(Flow::steps) {
                    pairs.extend(part.steps().into_iter().map(|down| pair(down, up)));
                }
            }
        }
    }
    pairs
}

/// Four steps of which `a < c`, `b < c`, `b < d` and no others are ordered.
fn has_n(steps: &[(String, Vec<String>)], pairs: &HashSet<(String, String)>) -> bool {
    let names: Vec<&String> = steps.iter().map(|(name, _)| name).collect();
    let below = |down: &String, up: &String| pairs.contains(&(down.clone(), up.clone()));
    let apart = |x: &String, y: &String| x != y && !below(x, y) && !below(y, x);
    names.iter().any(|b| {
        let downs: Vec<_> = names.iter().filter(|d| below(d, b)).collect();
        downs.iter().any(|c| {
            names.iter().any(|a| below(c, a) && apart(a, b) && downs.iter().any(|d| apart(c, d) && apart(a, d)))
        })
    })
}

fn dag() -> impl Strategy<Value = Vec<(String, Vec<String>)>> {
    (1usize..13, 1u32..60).prop_flat_map(|(count, percent)| {
        let edges = proptest::collection::vec(0u32..100, count * count);
        (Just((0..count).collect::<Vec<_>>()).prop_shuffle(), edges).prop_map(move |(written, edges)| {
            let needs = |i: usize| (0..i).filter(|j| edges[i * count + j] < percent).map(|j| format!("s{j}")).collect();
            written.iter().map(|&i| (format!("s{i}"), needs(i))).collect()
        })
    })
}

fn series_parallel() -> impl Strategy<Value = Flow> {
    let leaf = Just(Flow::Step(String::new()));
    leaf.prop_recursive(5, 40, 4, |inner| {
        let parts = proptest::collection::vec(inner, 2..4);
        prop_oneof![parts.clone().prop_map(Flow::Sequence), parts.prop_map(Flow::Parallel)]
    })
}

/// Names the steps of a flow and writes down what it orders as needs.
fn written(flow: &Flow) -> Vec<(String, Vec<String>)> {
    fn name(flow: &Flow, count: &mut usize) -> Flow {
        match flow {
            Flow::Step(_) => {
                *count += 1;
                Flow::Step(format!("s{count}"))
            }
            Flow::Sequence(parts) => Flow::Sequence(parts.iter().map(|part| name(part, count)).collect()),
            Flow::Parallel(parts) => Flow::Parallel(parts.iter().map(|part| name(part, count)).collect()),
        }
    }
    let flow = name(flow, &mut 0);
    let mut needs: HashMap<String, Vec<String>> = HashMap::new();
    for (step, up) in flow.waits() {
        needs.entry(step.to_owned()).or_default().push(up.to_owned());
    }
    flow.steps().into_iter().rev().map(|step| (step.to_owned(), needs.remove(step).unwrap_or_default())).collect()
}

proptest! {
    #[test]
    fn every_need_is_kept_and_every_wait_beyond_is_named(steps in dag()) {
        let flow = structure(&steps).unwrap();
        let mut names = flow.steps();
        names.sort_unstable();
        let mut expected: Vec<&str> = steps.iter().map(|(name, _)| name.as_str()).collect();
        expected.sort_unstable();
        prop_assert_eq!(names, expected);

        let needed = closure(&steps);
        let kept = ordered(&flow);
        prop_assert!(needed.is_subset(&kept));
        let added = added_waits(&steps, &flow);
        prop_assert!(added.iter().all(|pair| !needed.contains(pair)));
        let mut with_added = steps.clone();
        for (step, up) in &added {
            with_added.iter_mut().filter(|(name, _)| name == step).for_each(|(_, needs)| needs.push(up.clone()));
        }
        prop_assert_eq!(closure(&with_added), kept);
        prop_assert_eq!(added.is_empty(), !has_n(&steps, &needed));
    }

    #[test]
    fn series_parallel_graphs_get_no_added_wait(flow in series_parallel()) {
        let steps = written(&flow);
        let flow = structure(&steps).unwrap();
        prop_assert_eq!(added_waits(&steps, &flow), vec![]);
    }

    #[test]
    fn a_cycle_is_made_of_needs(steps in dag(), extra in proptest::collection::vec((0usize..12, 0usize..12), 1..6)) {
        let mut steps = steps;
        let count = steps.len();
        for (from, to) in extra {
            let need = steps[to % count].0.clone();
            steps[from % count].1.push(need);
        }
        let pairs = closure(&steps);
        match structure(&steps) {
            Ok(_) => prop_assert!(steps.iter().all(|(name, _)| !pairs.contains(&(name.clone(), name.clone())))),
            Err(Cycle { path }) => {
                prop_assert_eq!(path.first(), path.last());
                for (step, need) in path.iter().zip(path.iter().skip(1)) {
                    let (_, needs) = steps.iter().find(|(name, _)| name == step).unwrap();
                    prop_assert!(needs.contains(need));
                }
                let unique: HashSet<_> = path.iter().skip(1).collect();
                prop_assert_eq!(unique.len(), path.len() - 1);
            }
        }
    }
}
