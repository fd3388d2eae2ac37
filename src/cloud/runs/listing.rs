//! Runs of a pipeline between two partitions, page by page.
//!
//! In come the ends and how many are wanted; out come rows, the newest partition first. It refuses to know what they are
//! looked up for.

use super::row::{self, text};
use super::{Run, Table};
use crate::cloud::failure::{CloudResult, Explained};
use crate::control::run::{RunRef, keys};

impl Table {
    /// Runs of the partitions from `first` to `last`, both included, newest partition first and newest run within it
    /// first; an absent end is no end. `after` is the last run of the page before; fewer than `limit` mean that there are
    /// no more.
    ///
    /// # Errors
    /// Whatever AWS refuses, and rows that cannot be read.
    pub async fn runs_between(
        &self,
        pipeline: &str,
        first: Option<&str>,
        last: Option<&str>,
        limit: usize,
        after: Option<&RunRef>,
    ) -> CloudResult<Vec<Run>> {
        // `~` sorts behind every label and every number.
        let from = format!("{}{}", keys::RUNS, first.unwrap_or_default());
        let to = last.map_or_else(|| format!("{}~", keys::RUNS), |last| format!("{}{last}#~", keys::RUNS));
        let mut runs = Vec::new();
        let mut start = after.map(row::run_key);
        while runs.len() < limit {
            let answer = self
                .client
                .query()
                .table_name(&self.name)
                .key_condition_expression("pk = :pk AND sk BETWEEN :from AND :to")
                .expression_attribute_values(":pk", text(keys::pipeline(pipeline)))
                .expression_attribute_values(":from", text(&from))
                .expression_attribute_values(":to", text(&to))
                .scan_index_forward(false)
                .consistent_read(true)
                .limit(i32::try_from(limit - runs.len()).unwrap_or(i32::MAX))
                .set_exclusive_start_key(start.take())
                .send()
                .await
                .explained(&self.caller, "dynamodb:Query")?;
            for item in answer.items() {
                runs.push(row::to_run(item).map_err(|wrong| self.unreadable(item, &wrong))?);
            }
            match answer.last_evaluated_key {
                Some(last) => start = Some(last),
                None => break,
            }
        }
        Ok(runs)
    }
}
