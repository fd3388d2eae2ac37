//! Many partitions in few words: `2026-11-01..2026-11-20, 2026-11-22`.
//!
//! In come labels in their order; out come stretches without a hole. It refuses to guess where there is no calendar.

use crate::control::partition::PartitionSpec;
use crate::control::range;

/// The stretches that labels form; labels of no calendar stand alone.
pub fn of(spec: Option<&PartitionSpec>, labels: &[&str]) -> Vec<String> {
    let mut spans: Vec<(&str, &str)> = Vec::new();
    for label in labels {
        let after = |last: &str| spec.and_then(|spec| range::next(spec, last));
        match spans.last_mut() {
            Some((_, last)) if after(last).as_deref() == Some(label) => *last = label,
            Some((_, last)) if last == label => {}
            _ => spans.push((label, label)),
        }
    }
    let words = |(first, last): (&str, &str)| {
        if first == last { first.to_owned() } else { format!("{first}..{last}") }
    };
    spans.into_iter().map(words).collect()
}

/// The same for a cell of a table: the first few.
pub fn short(spec: Option<&PartitionSpec>, labels: &[&str]) -> String {
    let spans = of(spec, labels);
    let more = spans.len().saturating_sub(SHOWN);
    let more = if more > 0 { format!(" and {more} more") } else { String::new() };
    spans.into_iter().take(SHOWN).collect::<Vec<_>>().join(", ") + &more
}

const SHOWN: usize = 3;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::control::partition::{Granularity, Offset};
    use jiff::tz::TimeZone;

    #[test]
    fn neighbours_are_one_stretch() {
        let spec = PartitionSpec::new(Granularity::Day, Offset::ZERO, TimeZone::UTC).unwrap();
        let labels = ["2026-02-27", "2026-02-28", "2026-03-01", "2026-03-03", "2026-03-05", "2026-03-07", "2026-03-09"];
        assert_eq!(of(Some(&spec), &labels).first().map(String::as_str), Some("2026-02-27..2026-03-01"));
        assert_eq!(short(Some(&spec), &labels), "2026-02-27..2026-03-01, 2026-03-03, 2026-03-05 and 2 more");
        assert_eq!(of(None, &["none"]), ["none"]);
    }
}
