//! Ranges of partitions, as people type them: `2026-11-01..2026-11-21`.
//!
//! In come a text and a pipeline's calendar; out come labels, each in the calendar, the oldest first. It refuses to know
//! which of them have run.

use jiff::Timestamp;
use jiff::tz::TimeZone;

use super::partition::{Granularity, Offset, Partition, PartitionSpec};
use crate::source::Problem;

/// What stands between the ends of a range.
const DOTS: &str = "..";

/// The partition after this one; `None` for a label that is not this pipeline's, and where the calendar ends.
pub fn next(spec: &PartitionSpec, label: &str) -> Option<String> {
    let (_, end) = spec.parse(label, "").ok()?.bounds?;
    unshifted(spec).of_time(end)
}

/// The partition before this one.
pub fn previous(spec: &PartitionSpec, label: &str) -> Option<String> {
    let (start, _) = spec.parse(label, "").ok()?.bounds?;
    unshifted(spec).of_time(start.checked_sub(jiff::SignedDuration::from_nanos(1)).ok()?)
}

/// The partitions that `2026-11-21`, `2026-11-01..2026-11-21` or `none` means for a pipeline; at most `most`.
///
/// # Errors
/// What is wrong with the text, at its bytes.
pub fn labels(spec: &PartitionSpec, text: &str, pipeline: &str, most: usize) -> Result<Vec<String>, Problem> {
    let Some((first, last)) = text.split_once(DOTS) else {
        return spec.parse(text, pipeline).map_err(|problem| longer(spec, text, problem)).map(|one| vec![one.label]);
    };
    let whole = |message: String| Problem::new(0..text.len(), message);
    if first.is_empty() || last.is_empty() {
        let problem = whole(format!("`{text}` has only one end"));
        return Err(problem.help(format!("write both, such as {}", example(spec.by))));
    }
    between(spec, first, last, pipeline, most).map_err(|problem| Problem { range: 0..text.len(), ..problem })
}

/// The partitions from one to another, both included; at most `most`.
///
/// # Errors
/// What is wrong with one of the ends, or with both together.
pub fn between(
    spec: &PartitionSpec,
    first: &str,
    last: &str,
    pipeline: &str,
    most: usize,
) -> Result<Vec<String>, Problem> {
    let one = |label: &str| spec.parse(label, pipeline).map_err(|problem| longer(spec, label, problem));
    let (first, last) = (one(first)?, one(last)?);
    let problem = |message: String| Problem::new(0..first.label.len(), message);
    if spec.by == Granularity::None {
        return Ok(vec![first.label]);
    }
    // Labels of one granularity sort by time.
    if first.label > last.label {
        let message = format!("`{}{DOTS}{}` is empty: it ends before it begins", first.label, last.label);
        return Err(problem(message).help(format!("write `{}{DOTS}{}`", last.label, first.label)));
    }
    let mut labels = Vec::new();
    let mut at = Some(first.label.clone());
    while let Some(label) = at.filter(|label| *label <= last.label) {
        if labels.len() == most {
            let message = format!("`{}{DOTS}{}` is more than {most} partitions", first.label, last.label);
            return Err(problem(message).help("split it: one range after the other"));
        }
        at = next(spec, &label);
        labels.push(label);
    }
    Ok(labels)
}

/// A range by which runs are looked up, of pipelines by any granularity: those whose partition lies in it, or around it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Range {
    first: Option<String>,
    last: Option<String>,
}

impl Range {
    /// Reads `2026-11-21`, `2026-11-01..2026-11-21`, `2026-11..`, `..2026-W47`. The ends may be of different granularities.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn parse(text: &str) -> Result<Self, Problem> {
        let end = |label: &str| match (label.is_empty(), any(label, &TimeZone::UTC)) {
            (true, _) => Ok(None),
            (false, Ok(_)) => Ok(Some(label.to_owned())),
            (false, Err(problem)) => Err(Problem { range: 0..text.len(), ..problem }),
        };
        let (first, last) = text.split_once(DOTS).unwrap_or((text, text));
        let range = Self { first: end(first)?, last: end(last)? };
        if range.first.is_none() && range.last.is_none() {
            let problem = Problem::new(0..text.len(), format!("`{text}` is no range of partitions"));
            return Err(problem.help(format!("write {}", example(Granularity::Day))));
        }
        let instant = |label: &Option<String>| any(label.as_deref()?, &TimeZone::UTC).ok()?.bounds;
        match (instant(&range.first), instant(&range.last)) {
            (Some((start, _)), Some((_, end))) if end <= start => {
                let problem = Problem::new(0..text.len(), format!("`{text}` is empty: it ends before it begins"));
                Err(problem.help(format!("write `{last}{DOTS}{first}`")))
            }
            _ => Ok(range),
        }
    }

    /// The first and the last label of a pipeline's that the range means; absent where it has no end. `None` if none can
    /// be meant, as for a pipeline without partitions.
    pub fn ends(&self, spec: &PartitionSpec) -> Option<(Option<String>, Option<String>)> {
        if [&self.first, &self.last].into_iter().any(|end| end.as_deref() == Some("none")) {
            return (spec.by == Granularity::None).then(|| (Some("none".to_owned()), Some("none".to_owned())));
        }
        if spec.by == Granularity::None {
            return None;
        }
        let own = unshifted(spec);
        let bounds = |label: &str| any(label, &spec.zone).ok()?.bounds;
        let first = match &self.first {
            Some(label) => Some(own.of_time(bounds(label)?.0)?),
            None => None,
        };
        let last = match &self.last {
            Some(label) => Some(own.of_time(before(bounds(label)?.1)?)?),
            None => None,
        };
        Some((first, last))
    }
}

/// A label of any granularity in a zone.
fn any(label: &str, zone: &TimeZone) -> Result<Partition, Problem> {
    let by = Granularity::of_label(label).unwrap_or(Granularity::Day);
    PartitionSpec { by, offset: Offset::ZERO, zone: zone.clone() }.parse(label, "a pipeline").map_err(|problem| {
        let known = "2026-11-21, 2026-11-21T03Z, 2026-W47, 2026-11 or 2026";
        if Granularity::of_label(label).is_some() {
            Problem { help: Some(format!("partitions look like {known}")), ..problem }
        } else {
            problem
        }
    })
}

fn before(end: Timestamp) -> Option<Timestamp> {
    end.checked_sub(jiff::SignedDuration::from_nanos(1)).ok()
}

/// The calendar without its shift, which belongs to scheduled times.
fn unshifted(spec: &PartitionSpec) -> PartitionSpec {
    PartitionSpec { offset: Offset::ZERO, ..spec.clone() }
}

fn example(by: Granularity) -> &'static str {
    match by {
        Granularity::None => "none",
        Granularity::Hour => "2026-11-21T00Z..2026-11-21T23Z",
        Granularity::Day => "2026-11-01..2026-11-21",
        Granularity::Week => "2026-W40..2026-W47",
        Granularity::Month => "2026-01..2026-11",
        Granularity::Year => "2020..2026",
    }
}

/// A label of a longer granularity stands for a range here, which the help spells out.
fn longer(spec: &PartitionSpec, label: &str, problem: Problem) -> Problem {
    let form = Granularity::of_label(label).filter(|form| *form > spec.by && spec.by != Granularity::None);
    let range = form.and_then(|_| {
        let whole = Range { first: Some(label.to_owned()), last: Some(label.to_owned()) };
        match whole.ends(spec)? {
            (Some(first), Some(last)) => Some(format!("{first}{DOTS}{last}")),
            _ => None,
        }
    });
    match range {
        Some(range) => {
            let own = format!("{} is partitioned by {}", "the pipeline", spec.by.as_str());
            Problem { help: Some(format!("{own}: write `{range}` for all of them")), ..problem }
        }
        None => problem,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::control::zone::zone;

    fn spec(by: Granularity, name: &str) -> PartitionSpec {
        PartitionSpec::new(by, Offset::ZERO, zone(name).unwrap()).unwrap()
    }

    fn read(by: Granularity, text: &str) -> Result<Vec<String>, String> {
        labels(&spec(by, "Europe/Berlin"), text, "listings", 10_000)
            .map_err(|problem| format!("{}; {}", problem.message, problem.help.unwrap_or_default()))
    }

    #[test]
    fn a_range_holds_both_its_ends() {
        use Granularity::*;
        assert_eq!(read(Day, "2026-11-21").unwrap(), ["2026-11-21"]);
        assert_eq!(read(Day, "2026-02-27..2026-03-01").unwrap(), ["2026-02-27", "2026-02-28", "2026-03-01"]);
        assert_eq!(read(Hour, "2026-03-28T23Z..2026-03-29T01Z").unwrap().len(), 3);
        assert_eq!(read(Week, "2026-W52..2027-W01").unwrap(), ["2026-W52", "2026-W53", "2027-W01"]);
        assert_eq!(read(Month, "2025-12..2026-02").unwrap(), ["2025-12", "2026-01", "2026-02"]);
        assert_eq!(read(Year, "2024..2026").unwrap(), ["2024", "2025", "2026"]);
        assert_eq!(read(None, "none").unwrap(), ["none"]);
        // Both changes of the clocks lie in it.
        assert_eq!(read(Day, "2026-01-01..2026-12-31").unwrap().len(), 365);
        assert_eq!(read(Hour, "2026-01-01T00Z..2026-12-31T23Z").unwrap().len(), 8_760);
    }

    #[test]
    fn what_is_no_range_is_refused_with_what_to_write() {
        use Granularity::*;
        let refused = |by, text: &str| read(by, text).unwrap_err();
        assert_eq!(
            refused(Day, "2026-11-21..2026-11-01"),
            "`2026-11-21..2026-11-01` is empty: it ends before it begins; write `2026-11-01..2026-11-21`"
        );
        assert!(refused(Day, "2026-02-27..2026-02-30").starts_with("`2026-02-30` is not in the calendar"));
        assert!(refused(Day, "2026-11-01..").contains("only one end"));
        assert!(refused(Day, "2026-11").ends_with("write `2026-11-01..2026-11-30` for all of them"));
        assert!(refused(Hour, "2026-11-21").ends_with("write `2026-11-20T23Z..2026-11-21T22Z` for all of them"));
        assert!(refused(Month, "2026-11-21").contains("is a day"));
        assert!(refused(Day, "yesterday").contains("is not a partition"));
        assert!(refused(Hour, "2020-01-01T00Z..2026-01-01T00Z").contains("more than 10000 partitions"));
        assert!(refused(Day, "0001-01-01..9998-12-31").contains("more than 10000 partitions"));
    }

    #[test]
    fn a_filter_means_the_partitions_of_any_pipeline() {
        let ends = |text: &str, by| {
            let ends = Range::parse(text).unwrap().ends(&spec(by, "Europe/Berlin"))?;
            Some((ends.0.unwrap_or_default(), ends.1.unwrap_or_default()))
        };
        let pair = |one: &str, other: &str| Some((one.to_owned(), other.to_owned()));
        assert_eq!(ends("2026-11-21", Granularity::Day), pair("2026-11-21", "2026-11-21"));
        assert_eq!(ends("2026-11-21", Granularity::Hour), pair("2026-11-20T23Z", "2026-11-21T22Z"));
        assert_eq!(ends("2026-11-21", Granularity::Month), pair("2026-11", "2026-11"));
        assert_eq!(ends("2026-11-01..", Granularity::Week), pair("2026-W44", ""));
        assert_eq!(ends("..2026-11", Granularity::Day), pair("", "2026-11-30"));
        assert_eq!(ends("2026-11-21", Granularity::None), None);
        assert_eq!(ends("none", Granularity::None), pair("none", "none"));
        assert!(Range::parse("2026-11-21..2026-11").is_ok(), "the month has not ended yet");
        assert!(Range::parse("2026-12..2026-11").is_err());
        for text in ["..", "", "tomorrow", "2026-13"] {
            assert!(Range::parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn neighbours() {
        let samoa = spec(Granularity::Day, "Pacific/Apia");
        assert_eq!(next(&samoa, "2011-12-29").unwrap(), "2011-12-31");
        assert_eq!(previous(&samoa, "2011-12-31").unwrap(), "2011-12-29");
        assert_eq!(previous(&spec(Granularity::Month, "UTC"), "2026-01").unwrap(), "2025-12");
        assert_eq!(next(&spec(Granularity::None, "UTC"), "none"), None);
    }
}
