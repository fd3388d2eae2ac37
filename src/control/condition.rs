//! Conditions on other pipelines' runs: when does a downstream pipeline start?
//!
//! In comes a tree of `allOf`, `anyOf` and leaves as the plan holds it, and a way to look a leaf up; out comes whether the
//! tree holds, what it rests on, and the partitions that each leaf looks at. It refuses to know where facts are stored and
//! what a fire is.

use serde::{Deserialize, Serialize};

use super::partition::{Offset, PartitionSpec};
use super::run::Status;
use crate::source::Problem;

/// A tree of conditions. In the plan every scalar is a string.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Condition {
    /// Every one must hold.
    All {
        /// The conditions; at least one.
        #[serde(rename = "allOf")]
        all_of: Vec<Condition>,
    },
    /// One must hold.
    Any {
        /// The conditions; at least one.
        #[serde(rename = "anyOf")]
        any_of: Vec<Condition>,
    },
    /// A pipeline's run has a status.
    Leaf(Leaf),
}

/// A pipeline, the statuses that count, and which of its partitions are looked at.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Leaf {
    /// The upstream pipeline.
    pub pipeline: String,
    /// Any of these; at least one. `RUNNING` holds as soon as the run has started, whatever came after.
    pub status: Vec<Status>,
    /// How far from the downstream's own partition to look, in its granularity.
    #[serde(default, with = "signed", skip_serializing_if = "is_zero")]
    pub offset: Offset,
    /// How many partitions back from there, each of which must hold: `7d` is that one and the six before it.
    #[serde(default, with = "unsigned", skip_serializing_if = "Option::is_none")]
    pub last: Option<Offset>,
}

/// Statuses that a leaf may wait for, in the order of the docs. A queued run has not done anything yet.
pub const STATUSES: [Status; 6] =
    [Status::Running, Status::Succeeded, Status::Failed, Status::TimedOut, Status::Aborted, Status::Skipped];

/// More partitions than a leaf may look at: a year of days.
pub const LONGEST_WINDOW: i32 = 366;

impl Condition {
    /// Whether it holds, if `leaf` says which leaves do.
    pub fn holds(&self, leaf: &dyn Fn(&Leaf) -> bool) -> bool {
        match self {
            Condition::All { all_of } => all_of.iter().all(|one| one.holds(leaf)),
            Condition::Any { any_of } => any_of.iter().any(|one| one.holds(leaf)),
            Condition::Leaf(own) => leaf(own),
        }
    }

    /// Every leaf, in the order written.
    pub fn leaves(&self) -> Vec<&Leaf> {
        match self {
            Condition::All { all_of: inner } | Condition::Any { any_of: inner } => {
                inner.iter().flat_map(Condition::leaves).collect()
            }
            Condition::Leaf(own) => vec![own],
        }
    }

    /// Every leaf that holds: what a fire relies on.
    pub fn relied_on(&self, leaf: &dyn Fn(&Leaf) -> bool) -> Vec<&Leaf> {
        self.leaves().into_iter().filter(|own| leaf(own)).collect()
    }

    /// In words, a line a node, two blanks deeper for each level.
    pub fn words(&self) -> Vec<String> {
        let (title, inner) = match self {
            Condition::All { all_of } => ("all of", all_of),
            Condition::Any { any_of } => ("any of", any_of),
            Condition::Leaf(own) => return vec![own.words()],
        };
        let inner = inner.iter().flat_map(Condition::words).map(|line| format!("  {line}"));
        std::iter::once(title.to_owned()).chain(inner).collect()
    }
}

impl Leaf {
    /// The partitions of the downstream pipeline's own granularity that this leaf looks at for one of its partitions, the
    /// newest first. `None` when the label is none of this pipeline's, or the calendar ends.
    pub fn partitions(&self, spec: &PartitionSpec, label: &str) -> Option<Vec<String>> {
        let shifted = |offset: Offset, label: &str| {
            let shift = PartitionSpec::new(spec.by, offset, spec.zone.clone()).ok()?;
            match spec.parse(label, "").ok()?.bounds {
                Some((start, _)) => shift.of_time(start),
                None => Some(label.to_owned()),
            }
        };
        let newest = shifted(self.offset, label)?;
        let Some(last) = self.last else { return Some(vec![newest]) };
        (0..last.count()).map(|back| shifted(last.times(-back), &newest)).collect()
    }

    /// `listings has SUCCEEDED or FAILED for the partition -1d from its own`.
    fn words(&self) -> String {
        let statuses: Vec<&str> = self.status.iter().map(|status| status.as_str()).collect();
        let status = match statuses.as_slice() {
            ["RUNNING"] => "has started".to_owned(),
            _ => format!("has {}", statuses.join(" or ")),
        };
        let pipeline = &self.pipeline;
        match (self.last, self.offset == Offset::ZERO) {
            (None, true) => format!("{pipeline} {status}"),
            (None, false) => format!("{pipeline} {status}, {} from its partition", self.offset),
            (Some(last), true) => format!("{pipeline} {status}, for each of the last {}", window_text(last)),
            (Some(last), false) => {
                format!(
                    "{pipeline} {status}, for each of the last {} that end {} from its partition",
                    window_text(last),
                    self.offset
                )
            }
        }
    }
}

/// Reads `7d`: a count without a sign, and a unit.
///
/// # Errors
/// What is wrong with it, at its bytes.
pub fn window(text: &str) -> Result<Offset, Problem> {
    let refused = |help: String| {
        let problem = Problem::new(0..text.len(), format!("`{text}` is not a number of partitions"));
        problem.why("`last` looks at so many partitions, each of which must hold").help(help)
    };
    let example = || "write a count and h, d, w, mo or y, such as `7d` for each of the last seven days".to_owned();
    if let Some(unsigned) = text.strip_prefix(['-', '+']) {
        return Err(refused(format!("write it without a sign: `{unsigned}`")));
    }
    if !text.starts_with(|first: char| first.is_ascii_digit()) {
        return Err(refused(example()));
    }
    match Offset::parse(&format!("+{text}")) {
        Ok(window) if (1..=LONGEST_WINDOW).contains(&window.count()) => Ok(window),
        Ok(_) => Err(refused(format!("write 1 to {LONGEST_WINDOW}"))),
        Err(_) if text.ends_with('m') => Err(refused("write `mo` for months".to_owned())),
        Err(_) => Err(refused(example())),
    }
}

fn window_text(window: Offset) -> String {
    window.to_string().trim_start_matches('+').to_owned()
}

fn is_zero(offset: &Offset) -> bool {
    *offset == Offset::ZERO
}

/// An offset as its text.
mod signed {
    use serde::{Deserialize, Deserializer, Serializer, de};

    use super::Offset;

    pub fn serialize<S: Serializer>(offset: &Offset, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(offset)
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Offset, D::Error> {
        let text = String::deserialize(deserializer)?;
        Offset::parse(&text).map_err(|problem| de::Error::custom(problem.message))
    }
}

/// A window as its text.
mod unsigned {
    use serde::{Deserialize, Deserializer, Serializer, de};

    use super::{Offset, window, window_text};

    // Reason: serde's `with` hands over a reference to the field.
    #[allow(clippy::ref_option)]
    pub fn serialize<S: Serializer>(last: &Option<Offset>, serializer: S) -> Result<S::Ok, S::Error> {
        match last {
            Some(last) => serializer.collect_str(&window_text(*last)),
            None => serializer.serialize_none(),
        }
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Offset>, D::Error> {
        let text = String::deserialize(deserializer)?;
        window(&text).map(Some).map_err(|problem| de::Error::custom(problem.message))
    }
}

#[cfg(test)]
mod tests {
    use jiff::tz::TimeZone;
    use serde_json::json;

    use super::*;
    use crate::control::partition::Granularity;

    fn leaf(pipeline: &str) -> Leaf {
        Leaf { pipeline: pipeline.to_owned(), status: vec![Status::Succeeded], offset: Offset::ZERO, last: None }
    }

    fn tree() -> Condition {
        let any_of = ["b", "c"].map(|name| Condition::Leaf(leaf(name))).to_vec();
        Condition::All { all_of: vec![Condition::Leaf(leaf("a")), Condition::Any { any_of }] }
    }

    #[test]
    fn a_tree_holds_as_its_words_say() {
        let holds = |names: &[&str]| tree().holds(&|leaf| names.contains(&leaf.pipeline.as_str()));
        assert!(holds(&["a", "c"]) && holds(&["a", "b", "c"]));
        assert!(!holds(&["a"]) && !holds(&["b", "c"]) && !holds(&[]));
        assert_eq!(
            tree().words(),
            ["all of", "  a has SUCCEEDED", "  any of", "    b has SUCCEEDED", "    c has SUCCEEDED"]
        );
    }

    #[test]
    fn it_relies_on_every_leaf_that_holds() {
        let tree = tree();
        let relied: Vec<&str> =
            tree.relied_on(&|leaf| leaf.pipeline != "b").into_iter().map(|leaf| leaf.pipeline.as_str()).collect();
        assert_eq!(relied, ["a", "c"]);
    }

    #[test]
    fn the_plan_holds_strings_alone() {
        let mut own = leaf("a");
        own.offset = Offset::parse("-1d").unwrap();
        own.last = Some(window("7d").unwrap());
        let tree = Condition::All {
            all_of: vec![Condition::Leaf(own), Condition::Any { any_of: vec![Condition::Leaf(leaf("b"))] }],
        };
        let written = serde_json::to_value(&tree).unwrap();
        let expected = json!({ "allOf": [
            { "pipeline": "a", "status": ["SUCCEEDED"], "offset": "-1d", "last": "7d" },
            { "anyOf": [{ "pipeline": "b", "status": ["SUCCEEDED"] }] },
        ]});
        assert_eq!(written, expected);
        assert_eq!(serde_json::from_value::<Condition>(written).unwrap(), tree);
    }

    #[test]
    fn a_leaf_looks_at_its_window_of_partitions() {
        let spec = |by| PartitionSpec::new(by, Offset::ZERO, TimeZone::UTC).unwrap();
        let of = |offset: &str, last: Option<&str>, by, label: &str| {
            let last = last.map(|last| window(last).unwrap());
            Leaf { offset: Offset::parse(offset).unwrap(), last, ..leaf("a") }.partitions(&spec(by), label)
        };
        assert_eq!(of("-1d", None, Granularity::Day, "2026-03-01").unwrap(), ["2026-02-28"]);
        assert_eq!(
            of("0", Some("3d"), Granularity::Day, "2026-03-01").unwrap(),
            ["2026-03-01", "2026-02-28", "2026-02-27"]
        );
        assert_eq!(of("-1w", Some("2d"), Granularity::Day, "2026-03-01").unwrap(), ["2026-02-22", "2026-02-21"]);
        assert_eq!(of("-1mo", Some("2mo"), Granularity::Month, "2026-01").unwrap(), ["2025-12", "2025-11"]);
        assert_eq!(of("-1h", None, Granularity::Hour, "2026-01-01T00Z").unwrap(), ["2025-12-31T23Z"]);
        assert_eq!(of("0", None, Granularity::None, "none").unwrap(), ["none"]);
        assert_eq!(of("0", None, Granularity::Day, "2026-W01"), None);
    }

    #[test]
    fn windows_are_counts_without_a_sign() {
        assert_eq!(window("7d").unwrap().count(), 7);
        for text in ["-7d", "+7d", "0d", "7", "d", "7m", "367d", "1.5d", ""] {
            assert!(window(text).is_err(), "{text}");
        }
    }
}
