//! What a rerun or backfill runs, here and downstream, before anybody is asked.
//!
//! In come the partitions that are run again and what lies below them; out comes a table, a line a pipeline. It refuses to
//! know how the central account finds out what lies below.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::aws::{Tone, count};
use super::spans;
use super::table::{Cell, Table};
use super::targets::Target;
use crate::control::partition::PartitionSpec;
use crate::control::verbs::Reach;

/// A pipeline of which something runs.
#[derive(Clone, Debug)]
pub struct Affected {
    /// The pipeline.
    pub pipeline: String,
    /// The account that it runs in.
    pub account: String,
    /// The team that owns it.
    pub owner: Option<String>,
    /// Its partitions, in their order.
    pub labels: Vec<String>,
    /// How its partitions are, to say them in few words.
    pub spec: Option<PartitionSpec>,
    /// Why it is here.
    pub why: Why,
}

/// Why a pipeline is in the table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Why {
    /// It was asked for.
    Asked,
    /// It waits for these.
    After(Vec<String>),
    /// It waits for these, and does not run, because `--downstream` leaves it out.
    LeftOut(Vec<String>),
}

impl Affected {
    /// What is asked for itself.
    pub fn asked(target: &Target, labels: Vec<String>) -> Self {
        Self {
            pipeline: target.name.clone(),
            account: target.account.clone(),
            owner: target.owner.clone(),
            labels,
            spec: target.spec.clone(),
            why: Why::Asked,
        }
    }
}

/// Downstream pipelines that do not run although they could: what starts a run decides for all that follows.
pub fn leave_out(all: &mut [Affected], reach: &Reach) {
    for one in all {
        let Why::After(ups) = &one.why else { continue };
        let runs = match reach {
            Reach::All | Reach::After => true,
            Reach::None => false,
            Reach::Only(names) => names.contains(&one.pipeline),
        };
        if !runs {
            one.why = Why::LeftOut(ups.clone());
        }
    }
}

/// The table, and how many runs it stands for.
pub fn text(all: &[Affected], colour: bool) -> String {
    let accounts: BTreeMap<&str, usize> = all.iter().fold(BTreeMap::new(), |mut counts, one| {
        *counts.entry(one.account.as_str()).or_default() += 1;
        counts
    });
    let several = accounts.len() > 1;
    let mut table = Table::new(&["PIPELINE", "ACCOUNT", "OWNER", "RUNS", "PARTITIONS", "WHY"]);
    let mut total = 0;
    for one in all {
        let labels: Vec<&str> = one.labels.iter().map(String::as_str).collect();
        let (why, runs, tone) = match &one.why {
            Why::Asked => ("asked for".to_owned(), labels.len(), None),
            Why::After(ups) => (format!("after {}", ups.join(", ")), labels.len(), None),
            Why::LeftOut(ups) => (
                format!("stays as it is: waits for {}, but --downstream leaves it out", ups.join(", ")),
                0,
                Some(Tone::Odd),
            ),
        };
        total += runs;
        table.row([
            Cell::new(one.pipeline.clone()),
            Cell::new(if several { one.account.as_str() } else { "" }),
            Cell::new(one.owner.clone().unwrap_or_default()),
            Cell::new(runs.to_string()).right(),
            Cell::new(spans::short(one.spec.as_ref(), &labels)),
            Cell::new(why).tone(tone),
        ]);
    }
    let accounts = if several { format!(" in {}", count(accounts.len(), "account")) } else { String::new() };
    format!("{}\n{}{accounts}\n", table.text("  ", colour), count(total, "run"))
}

/// For programs.
pub fn json(all: &[Affected]) -> Value {
    let one = |one: &Affected| {
        let (runs, after) = match &one.why {
            Why::Asked => (true, &[][..]),
            Why::After(ups) => (true, ups.as_slice()),
            Why::LeftOut(ups) => (false, ups.as_slice()),
        };
        json!({ "pipeline": one.pipeline, "account": one.account, "owner": one.owner, "partitions": one.labels,
            "after": after, "runs": runs })
    };
    all.iter().map(one).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::control::partition::{Granularity, Offset};
    use jiff::tz::TimeZone;

    fn affected() -> Vec<Affected> {
        let spec = PartitionSpec::new(Granularity::Day, Offset::ZERO, TimeZone::UTC).ok();
        let one = |pipeline: &str, account: &str, why| Affected {
            pipeline: pipeline.to_owned(),
            account: account.to_owned(),
            owner: Some("core".to_owned()),
            labels: ["2026-11-20", "2026-11-21"].map(str::to_owned).into(),
            spec: spec.clone(),
            why,
        };
        vec![
            one("listings", "111111111111", Why::Asked),
            one("pipeline-x", "333333333333", Why::After(vec!["listings".to_owned()])),
            one("report", "333333333333", Why::After(vec!["pipeline-x".to_owned()])),
        ]
    }

    #[test]
    fn a_rerun_says_whom_it_touches() {
        let expected = "  PIPELINE    ACCOUNT       OWNER  RUNS  PARTITIONS              WHY
  listings    111111111111  core      2  2026-11-20..2026-11-21  asked for
  pipeline-x  333333333333  core      2  2026-11-20..2026-11-21  after listings
  report      333333333333  core      2  2026-11-20..2026-11-21  after pipeline-x

6 runs in 2 accounts
";
        assert_eq!(text(&affected(), false), expected);
    }

    #[test]
    fn what_is_left_out_is_said_and_not_counted() {
        let mut all = affected();
        leave_out(&mut all, &Reach::Only(vec!["pipeline-x".to_owned()]));
        let said = text(&all, false);
        assert!(said.contains("report      333333333333  core      0") && said.contains("stays as it is"), "{said}");
        assert!(said.ends_with("4 runs in 2 accounts\n"), "{said}");
        assert_eq!(json(&all)[2]["runs"], json!(false));
    }
}
