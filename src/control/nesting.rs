//! Which partitions of an upstream pipeline belong to one of its downstream's.
//!
//! In come two specs; out comes how the partitions of one lie in those of the other, or why they do not. It refuses to know
//! runs and facts. Hours are hours of UTC; all that is longer is a stretch of one zone's calendar.

use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan};

use super::partition::{Granularity, Offset, PartitionSpec};
use super::registry::Look;

/// How an upstream's partitions meet a downstream's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Nesting {
    /// One of the two has none.
    Unpartitioned,
    /// One to one.
    Same,
    /// Several of the upstream's lie inside one of the downstream's; all that are expected must hold.
    Finer,
    /// One of the upstream's serves several of the downstream's.
    Coarser,
}

/// How the partitions of `upstream` lie in those of `downstream`.
///
/// # Errors
/// They do not nest: the reason as the end of a sentence, and what to change.
pub fn nesting(upstream: &PartitionSpec, downstream: &PartitionSpec) -> Result<Nesting, (String, String)> {
    let (up, down) = (upstream.by, downstream.by);
    if up == Granularity::None || down == Granularity::None {
        return Ok(Nesting::Unpartitioned);
    }
    let (fine, coarse) = if up <= down { (upstream, downstream) } else { (downstream, upstream) };
    if up != down {
        let Some(steps) = steps(fine.by, coarse.by) else {
            let why = format!("{}s do not lie inside {}s", fine.by.as_str(), coarse.by.as_str());
            return Err((why, "put a pipeline by day between them".to_owned()));
        };
        if steps > 2 {
            let why = format!("there are {steps} steps from {} to {}", fine.by.as_str(), coarse.by.as_str());
            return Err((why, "put a pipeline by day between them: at most two steps are possible".to_owned()));
        }
    }
    zones(fine, coarse)?;
    Ok(match up.cmp(&down) {
        std::cmp::Ordering::Less => Nesting::Finer,
        std::cmp::Ordering::Equal => Nesting::Same,
        std::cmp::Ordering::Greater => Nesting::Coarser,
    })
}

/// Whether a leaf's offset leads to older partitions of the upstream alone. A day back is the same month, most days.
pub fn look(offset: Offset, downstream: Option<&PartitionSpec>, upstream: Option<&PartitionSpec>) -> Look {
    let hours = |by: Granularity| match by {
        Granularity::None => 0,
        Granularity::Hour => 1,
        Granularity::Day => 24,
        Granularity::Week => 7 * 24,
        Granularity::Month => 31 * 24,
        Granularity::Year => 366 * 24,
    };
    let far = i64::from(offset.count().unsigned_abs()) * offset.hours();
    let coarser = downstream.zip(upstream).is_some_and(|(down, up)| up.by > down.by && far < hours(up.by));
    match offset.count() {
        0 => Look::Same,
        count if count > 0 => Look::Ahead,
        _ if coarser || upstream.is_some_and(|up| up.by == Granularity::None) => Look::Same,
        _ => Look::Back,
    }
}

/// Steps of hour, day, month, year, or of hour, day, week. Weeks lie in no month and no year.
fn steps(fine: Granularity, coarse: Granularity) -> Option<usize> {
    const LADDERS: [&[Granularity]; 2] = [
        &[Granularity::Hour, Granularity::Day, Granularity::Month, Granularity::Year],
        &[Granularity::Hour, Granularity::Day, Granularity::Week],
    ];
    LADDERS.iter().find_map(|ladder| {
        let place = |wanted| ladder.iter().position(|one| *one == wanted);
        Some(place(coarse)?.abs_diff(place(fine)?))
    })
}

fn zones(fine: &PartitionSpec, coarse: &PartitionSpec) -> Result<(), (String, String)> {
    let name = |spec: &PartitionSpec| spec.zone.iana_name().unwrap_or("UTC").to_owned();
    if fine.by == Granularity::Hour {
        // Hours of UTC have no zone of their own; they lie inside a day if that begins on the hour.
        if coarse.by == Granularity::Hour || on_the_hour(&coarse.zone) {
            return Ok(());
        }
        let why = format!("days of {} do not begin on an hour of UTC", name(coarse));
        return Err((why, "partition the longer one in UTC or in a zone of whole hours".to_owned()));
    }
    if fine.zone == coarse.zone {
        return Ok(());
    }
    let why = format!("a {} of {} is not one of {}", fine.by.as_str(), name(fine), name(coarse));
    Err((why, "give both the same `partition.timezone`".to_owned()))
}

/// Whether local midnights of these years are whole hours of UTC. Rules of a zone change rarely, and what a rule change
/// brings is decided when it is here.
fn on_the_hour(zone: &TimeZone) -> bool {
    let first = Timestamp::constant(1_735_689_600, 0).to_zoned(TimeZone::UTC); // 2025-01-01
    (0..24).all(|month| {
        let time = first.checked_add(month.months()).map(|zoned| zoned.timestamp());
        time.is_ok_and(|time| zone.to_offset(time).seconds() % 3_600 == 0)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::control::zone::zone;

    fn of(up: (&str, &str), down: (&str, &str)) -> Result<Nesting, String> {
        let spec = |(by, name): (&str, &str)| {
            PartitionSpec::new(Granularity::parse(by).unwrap(), Offset::ZERO, zone(name).unwrap()).unwrap()
        };
        nesting(&spec(up), &spec(down)).map_err(|(why, _)| why)
    }

    #[test]
    fn partitions_nest_at_most_two_steps_apart() {
        assert_eq!(of(("day", "UTC"), ("day", "UTC")), Ok(Nesting::Same));
        assert_eq!(of(("hour", "UTC"), ("day", "Europe/Berlin")), Ok(Nesting::Finer));
        assert_eq!(of(("hour", "UTC"), ("week", "UTC")), Ok(Nesting::Finer));
        assert_eq!(of(("hour", "UTC"), ("month", "UTC")), Ok(Nesting::Finer));
        assert_eq!(of(("year", "UTC"), ("day", "UTC")), Ok(Nesting::Coarser));
        assert_eq!(of(("none", "UTC"), ("day", "UTC")), Ok(Nesting::Unpartitioned));
        assert!(of(("hour", "UTC"), ("year", "UTC")).is_err());
    }

    #[test]
    fn weeks_lie_in_no_month_and_zones_apart() {
        assert_eq!(of(("week", "UTC"), ("month", "UTC")), Err("weeks do not lie inside months".to_owned()));
        assert_eq!(of(("year", "UTC"), ("week", "UTC")), Err("weeks do not lie inside years".to_owned()));
        assert!(of(("day", "UTC"), ("day", "Europe/Berlin")).is_err());
        assert!(of(("day", "UTC"), ("month", "Europe/Berlin")).is_err());
        assert!(of(("hour", "UTC"), ("day", "Asia/Kolkata")).is_err());
        assert_eq!(of(("hour", "Asia/Kolkata"), ("hour", "UTC")), Ok(Nesting::Same));
    }
}
