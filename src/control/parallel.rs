//! One function over many values, on every core.
//!
//! In come values and a function; out come its results, in the order of the values, whoever was first. It refuses to know
//! what is computed.

use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

/// How many values a thread takes at a time.
const BATCH: usize = 8;

/// Applies `work` to all values, like `iter().map()`.
pub fn map<T: Sync, R: Send>(values: &[T], work: impl Fn(&T) -> R + Sync) -> Vec<R> {
    let batches = values.len().div_ceil(BATCH);
    let threads = thread::available_parallelism().map_or(1, usize::from).min(batches);
    if threads < 2 {
        return values.iter().map(work).collect();
    }
    let next = AtomicUsize::new(0);
    let done = Mutex::new(Vec::with_capacity(batches));
    let worker = || {
        while let Some((number, batch)) = take(values, &next) {
            let results: Vec<R> = batch.iter().map(&work).collect();
            done.lock().expect("a worker that panics ends them all").push((number, results));
        }
    };
    thread::scope(|scope| {
        for _ in 1..threads {
            // Where no thread can be had, those that there are do the work.
            let _ = thread::Builder::new().spawn_scoped(scope, worker);
        }
        worker();
    });
    let mut done = done.into_inner().expect("a worker that panics ends them all");
    done.sort_unstable_by_key(|(number, _)| *number);
    done.into_iter().flat_map(|(_, results)| results).collect()
}

/// The next batch that nobody has taken yet, and its number.
fn take<'a, T>(values: &'a [T], next: &AtomicUsize) -> Option<(usize, &'a [T])> {
    let number = next.fetch_add(1, Ordering::Relaxed);
    let rest = values.get(number.checked_mul(BATCH)?..)?;
    let batch = rest.get(..BATCH).unwrap_or(rest);
    (!batch.is_empty()).then_some((number, batch))
}

#[cfg(test)]
mod tests {
    use super::map;

    #[test]
    fn results_come_in_the_order_of_the_values() {
        for count in [0, 1, 7, 8, 9, 16, 1000] {
            let values: Vec<usize> = (0..count).collect();
            let uneven = |value: &usize| (0..value % 50 * 100).fold(*value, |sum, _| std::hint::black_box(sum));
            assert_eq!(map(&values, uneven), values, "{count}");
        }
    }

    #[test]
    #[should_panic]
    fn a_panic_of_one_is_a_panic_of_all() {
        map(&(0..100).collect::<Vec<_>>(), |value| assert_ne!(*value, 99));
    }
}
