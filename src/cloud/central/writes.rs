//! From what the engine wants written to rows.
//!
//! In come the engine's writes, several of one row among them; out comes one conditional write a row. It refuses to judge
//! them.

use std::collections::BTreeMap;

use super::{Key, Open, Row, Write, keys};
use crate::control::trigger::fact::RunFact;
use crate::control::trigger::store;

/// The counter of a space, as it is in the table now.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counter(pub u64);

/// One write for each row that these writes change, in the order of the rows' first mention, and one of the space's counter
/// if any of them is the space's. `released` holds the version of each reservation that goes.
///
/// # Errors
/// A row that has no JSON.
pub fn rows_of(
    space: &str,
    counter: Counter,
    writes: &[store::Write],
    released: &BTreeMap<String, u64>,
) -> Result<Vec<Write>, String> {
    let mut made: Vec<Write> = Vec::new();
    let mut places: BTreeMap<Key, usize> = BTreeMap::new();
    for write in writes {
        let next = row_of(space, write, released)?;
        match places.get(next.key()).and_then(|place| made.get_mut(*place)) {
            // The later one stands; what it replaces is what the first one replaced.
            Some(earlier) => *earlier = with(next, earlier.replaces()),
            None => {
                places.insert(next.key().clone(), made.len());
                made.push(next);
            }
        }
    }
    if writes.iter().any(is_of_space) {
        let mut row = Row::new(keys::version(space), &serde_json::Value::Null)?;
        row.version = counter.0 + 1;
        made.push(Write::Put(row, counter.0));
    }
    // A row that came and went was never there.
    made.retain(|write| !matches!(write, Write::Delete(_, 0)));
    Ok(made)
}

/// Whether it changes what is registered or reserved.
pub fn is_of_space(write: &store::Write) -> bool {
    matches!(write, store::Write::Registered(_) | store::Write::Reservation(_) | store::Write::Released(_))
}

fn with(write: Write, replaces: u64) -> Write {
    match write {
        Write::Put(row, _) => Write::Put(row, replaces),
        Write::Delete(key, _) => Write::Delete(key, replaces),
    }
}

fn row_of(name: &str, write: &store::Write, released: &BTreeMap<String, u64>) -> Result<Write, String> {
    use store::Write as W;
    Ok(match write {
        W::Run { pipeline, label, run } => {
            let mut row = Row::new(keys::run(name, pipeline, label, run.number), run)?;
            row.open = run.evaluate.then_some(Open::Evaluate);
            row.notes = notes(run);
            put(row, run.rev)
        }
        W::Fire { pipeline, label, fire } => {
            let mut row = Row::new(keys::fire(name, pipeline, label), fire)?;
            row.open = fire.is_pending().then_some(Open::Fire);
            put(row, fire.rev)
        }
        W::Overrides { pipeline, label, overrides } => {
            let mut row = Row::new(keys::mark(name, pipeline, label), overrides)?;
            row.open = overrides.evaluate.then_some(Open::Evaluate);
            put(row, overrides.rev)
        }
        W::Received { pipeline, received } => put(Row::new(keys::received(name, pipeline), received)?, received.rev),
        W::Registered(registered) => {
            let mut row = Row::new(keys::pipeline(name, &registered.registration.pipeline), registered)?;
            row.open = registered.evaluate.then_some(Open::Evaluate);
            put(row, registered.rev)
        }
        W::Reservation(reservation) => {
            let mut row = Row::new(keys::reservation(name, &reservation.id), reservation)?;
            row.open = reservation.closed.then_some(Open::Evaluate);
            put(row, reservation.rev)
        }
        W::Released(id) => Write::Delete(keys::reservation(name, id), released.get(id).copied().unwrap_or_default()),
    })
}

fn put(mut row: Row, rev: u32) -> Write {
    row.version = u64::from(rev);
    let replaces = row.version.saturating_sub(1);
    Write::Put(row, replaces)
}

/// What people see in the table's list.
fn notes(run: &RunFact) -> BTreeMap<&'static str, String> {
    let at = ("toldAt", run.told_at.to_string());
    BTreeMap::from([("status", run.status.as_str().to_owned()), at])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::control::trigger::fact::FireRecord;
    use crate::control::trigger::space::Reservation;

    fn fire(rev: u32, published: bool) -> store::Write {
        let fire = FireRecord {
            rev,
            hash: "h".into(),
            witness: Vec::new(),
            at: jiff::Timestamp::UNIX_EPOCH,
            published,
            muted: false,
            run: None,
            downstream: None,
            brought: None,
            before: Vec::new(),
            generation: 1,
        };
        store::Write::Fire { pipeline: "x".into(), label: "2026-11-21".into(), fire }
    }

    #[test]
    fn several_writes_of_a_row_are_one() {
        let rows = rows_of("prod", Counter(0), &[fire(4, false), fire(5, true)], &BTreeMap::new()).unwrap();
        let [Write::Put(row, replaces)] = rows.as_slice() else { panic!("{rows:?}") };
        assert_eq!((row.version, *replaces, row.open), (5, 3, Some(Open::Fire)));
        assert_eq!(row.key.sk, "2026-11-21#~fire");
    }

    #[test]
    fn the_counter_of_a_space_goes_up_with_its_rows() {
        let reservation = Reservation {
            rev: 1,
            id: "bf-1".into(),
            pipeline: "x".into(),
            partitions: Vec::new(),
            waiting: Default::default(),
            downstream: None,
            together: false,
            by: "ada".into(),
            at: jiff::Timestamp::UNIX_EPOCH,
            closed: false,
        };
        let reserve = store::Write::Reservation(reservation);
        let rows = rows_of("prod", Counter(7), std::slice::from_ref(&reserve), &BTreeMap::new()).unwrap();
        assert_eq!(rows.len(), 2);
        assert_eq!((rows[1].key(), rows[1].replaces()), (&keys::version("prod"), 7));
        let gone = store::Write::Released("bf-1".into());
        let rows = rows_of("prod", Counter(7), &[reserve, gone.clone()], &BTreeMap::new()).unwrap();
        assert_eq!(rows.len(), 1, "what came and went was never there: {rows:?}");
        let rows = rows_of("prod", Counter(7), &[gone], &BTreeMap::from([("bf-1".into(), 3)])).unwrap();
        assert_eq!(rows[0], Write::Delete(keys::reservation("prod", "bf-1"), 3));
    }
}
