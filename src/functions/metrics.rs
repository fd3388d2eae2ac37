//! Metrics of both functions, written into its log in CloudWatch's embedded metric format.
//!
//! In come counts; out come lines that CloudWatch turns into metrics, without a call that could fail:
//! <https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/CloudWatch_Embedded_Metric_Format_Specification.html>.
//! It refuses to know who looks at them; the alarms are in `templates/`.

use std::io::Write;

use jiff::Timestamp;
use serde_json::{Value, json};

use crate::control::names;

/// What is counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Metric {
    /// Something that the function cannot settle itself.
    NeedsAttention,
    /// A sweep that came to its end.
    Sweeps,
    /// A schedule that produced no run, which the sweep started instead.
    MissedSchedules,
}

impl Metric {
    /// Its name in CloudWatch.
    pub fn name(self) -> &'static str {
        match self {
            Metric::NeedsAttention => "NeedsAttention",
            Metric::Sweeps => "Sweeps",
            Metric::MissedSchedules => "MissedSchedules",
        }
    }
}

/// The line that counts one of a function, and says why.
pub fn line(function: &str, metric: Metric, why: &str, at: Timestamp) -> Value {
    let name = metric.name();
    json!({
        "_aws": {
            "Timestamp": at.as_millisecond(),
            "CloudWatchMetrics": [
                { "Namespace": "dpc", "Dimensions": [["Function"]], "Metrics": [{ "Name": name, "Unit": "Count" }] }
            ]
        },
        "Function": function,
        name: 1,
        "why": why,
    })
}

/// Writes that line for the account function.
pub fn count(metric: Metric, why: &str, at: Timestamp) {
    count_of(names::ACCOUNT_FUNCTION, metric, why, at);
}

/// Writes that line.
pub fn count_of(function: &str, metric: Metric, why: &str, at: Timestamp) {
    // A metric that cannot be written must not fail what it counts.
    let _ = writeln!(std::io::stdout().lock(), "{}", line(function, metric, why, at));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_metric_is_where_the_format_wants_it() {
        let line = line("dpc-account", Metric::Sweeps, "", Timestamp::from_second(1).unwrap());
        assert_eq!(line["_aws"]["CloudWatchMetrics"][0]["Metrics"][0]["Name"], "Sweeps");
        assert_eq!(line["Sweeps"], 1);
        assert_eq!(line["Function"], "dpc-account");
        assert_eq!(line["_aws"]["Timestamp"], 1000);
    }

    #[test]
    fn every_metric_but_one_that_nobody_must_act_on_has_an_alarm() {
        for template in [include_str!("../../templates/account.yaml"), include_str!("../../templates/central.yaml")] {
            for metric in [Metric::NeedsAttention, Metric::Sweeps] {
                assert!(template.contains(&format!("MetricName: {}\n", metric.name())), "{}", metric.name());
            }
        }
    }
}
