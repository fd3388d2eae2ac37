//! How what was expected is compared with what has happened: names of runs, arguments, orders.
//!
//! In come texts, JSON and tables of what fits what; out comes whether they fit, and the longest order of what does. It
//! refuses to know scenarios.

use serde_json::Value;

/// `listings` and `listings/2026-11-21` mean `listings/2026-11-21/1`.
pub fn means(pattern: &str, run: &str) -> bool {
    run == pattern || run.strip_prefix(pattern).is_some_and(|rest| rest.starts_with('/'))
}

/// Whether what was expected is among what a step was told: a value, items that follow one another, or keys with values.
pub fn says(told: &Value, wanted: &Value) -> bool {
    let inside = match told {
        Value::Array(items) => items.iter().any(|item| says(item, wanted)),
        Value::Object(fields) => fields.values().any(|value| says(value, wanted)),
        _ => false,
    };
    inside || is(told, wanted)
}

fn is(told: &Value, wanted: &Value) -> bool {
    let text = |value: &Value| match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        Value::Bool(yes) => Some(yes.to_string()),
        _ => None,
    };
    match (told, wanted) {
        (Value::Object(told), Value::Object(wanted)) => {
            wanted.iter().all(|(key, wanted)| told.get(key).is_some_and(|told| is(told, wanted)))
        }
        (Value::Array(told), Value::Array(wanted)) => {
            let follow = |part: &[Value]| part.iter().zip(wanted).all(|(told, wanted)| is(told, wanted));
            wanted.is_empty() && told.is_empty() || !wanted.is_empty() && told.windows(wanted.len()).any(follow)
        }
        (Value::Null, Value::Null) => true,
        _ => text(told).is_some_and(|told| Some(told) == text(wanted)),
    }
}

/// As much of what a step was told as fits beside a caret.
pub fn short(told: &Value) -> String {
    const MOST: usize = 100;
    let text = told.to_string();
    match text.char_indices().rev().nth(MOST) {
        // What is the user's own stands last.
        Some((start, _)) => format!("…{}", text.get(start..).unwrap_or_default()),
        None => text,
    }
}

/// The longest list of pairs (expectation, run) that fit, both in their order.
pub fn aligned(fits: &[Vec<bool>], expected: usize, happened: usize) -> Vec<(usize, usize)> {
    let fit = |one: usize, run: usize| fits.get(one).and_then(|row| row.get(run)).copied().unwrap_or(false);
    let mut best = vec![vec![0_usize; happened + 1]; expected + 1];
    let at = |best: &Vec<Vec<usize>>, one: usize, run: usize| {
        best.get(one).and_then(|row| row.get(run)).copied().unwrap_or(0)
    };
    for one in (0..expected).rev() {
        for run in (0..happened).rev() {
            let both = if fit(one, run) { at(&best, one + 1, run + 1) + 1 } else { 0 };
            let longest = both.max(at(&best, one + 1, run)).max(at(&best, one, run + 1));
            if let Some(slot) = best.get_mut(one).and_then(|row| row.get_mut(run)) {
                *slot = longest;
            }
        }
    }
    let (mut one, mut run, mut pairs) = (0, 0, Vec::new());
    while one < expected && run < happened {
        if fit(one, run) && at(&best, one, run) == at(&best, one + 1, run + 1) + 1 {
            pairs.push((one, run));
            (one, run) = (one + 1, run + 1);
        } else if at(&best, one + 1, run) >= at(&best, one, run + 1) {
            one += 1;
        } else {
            run += 1;
        }
    }
    pairs
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_a_step_is_told_is_found_wherever_it_stands() {
        let told = json!({ "args": ["--", "bash", "measure.sh", "2026-11-21"], "conf": { "rows": 7, "deep": [{ "a": 1, "b": 2 }] } });
        for wanted in [
            json!("2026-11-21"),
            json!(["bash", "measure.sh"]),
            json!({ "rows": "7" }),
            json!({ "a": 1 }),
            json!([{ "b": 2 }]),
        ] {
            assert!(says(&told, &wanted), "{wanted}");
        }
        for wanted in [json!("2026-11"), json!(["bash", "2026-11-21"]), json!({ "rows": 8 }), json!([])] {
            assert!(!says(&told, &wanted), "{wanted}");
        }
    }

    #[test]
    fn the_longest_order_is_kept() {
        let fits = vec![vec![false, true, false], vec![true, false, false], vec![false, false, true]];
        assert_eq!(aligned(&fits, 3, 3).len(), 2);
        assert_eq!(aligned(&[vec![true], vec![true]], 2, 1).len(), 1);
        assert!(aligned(&[], 0, 3).is_empty());
    }

    #[test]
    fn runs_are_meant_by_their_beginning() {
        assert!(means("listings", "listings/2026-11-21/1") && means("listings/2026-11-21/1", "listings/2026-11-21/1"));
        assert!(!means("list", "listings/2026-11-21/1") && !means("listings/2026-11", "listings/2026-11-21/1"));
    }
}
