//! `retry`: how often, when and after which failures a step is tried again.

use schemars::JsonSchema;
use serde::Deserialize;

use super::duration;
use crate::control::duration::Duration;
use crate::documents::states::Retrier;
use crate::source::schema::hints;
use crate::source::{Code, Finding, Findings, Spanned};

/// How often and when a failed step is tried again.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Retry {
    /// Retries after the first attempt, 1 to 99.
    pub attempts: Spanned<u32>,
    /// Wait before the first retry: `30s`, `5m`. Default `1m`.
    #[schemars(transform = hints::duration, transform = hints::default("1m"))]
    pub interval: Option<Spanned<String>>,
    /// Each wait is this many times the one before, 1 to 10. Default 2.
    #[schemars(transform = hints::default(2))]
    pub backoff: Option<Spanned<f64>>,
    /// The longest wait: `1h`. Default: none.
    #[schemars(transform = hints::duration)]
    pub max_delay: Option<Spanned<String>>,
    /// Whether waits are spread at random. Default true.
    #[schemars(transform = hints::default(true))]
    pub jitter: Option<Spanned<bool>>,
    /// Which failures are tried again: transient, throttling, capacity, or all (the default).
    #[serde(default)]
    #[schemars(extend("x-dpc-also" = ["on", "errorEquals"]))]
    pub errors: Vec<Spanned<Errors>>,
}

impl Retry {
    /// Reports values that Step Functions would refuse.
    pub fn check(&self, findings: &mut Findings) {
        if !(1..=99).contains(&self.attempts.value) {
            findings.push(
                Finding::at(Code::BadRetry, self.attempts.span, "`attempts` must lie between 1 and 99", "").help(
                    "leave `retry` out for a step that is tried once; `attempts` counts the tries after the first",
                ),
            );
        }
        if let Some(backoff) = self.backoff.as_ref().filter(|backoff| !(1.0..=10.0).contains(&backoff.value)) {
            findings.push(
                Finding::at(Code::BadRetry, backoff.span, "`backoff` must lie between 1 and 10", "")
                    .why("each wait is this many times the one before; 1 keeps them equal"),
            );
        }
        let first = self.interval.as_ref().map(|interval| duration(interval, "interval", Duration(1), findings));
        let longest = self.max_delay.as_ref().map(|delay| (delay, duration(delay, "maxDelay", Duration(1), findings)));
        // https://docs.aws.amazon.com/step-functions/latest/dg/concepts-error-handling.html: MaxDelaySeconds must be
        // greater than IntervalSeconds.
        let first = first.unwrap_or(Some(Duration::MINUTE));
        if let (Some(first), Some((written, Some(longest)))) = (first, longest)
            && longest <= first
        {
            let message = format!("`maxDelay` must be longer than the first wait, which is {first}");
            findings.push(Finding::at(Code::BadRetry, written.span, message, ""));
        }
    }

    /// As Step Functions takes it.
    pub fn retrier(&self) -> Retrier {
        let seconds = |written: &Spanned<String>| Duration::parse(written).map(Duration::seconds);
        Retrier {
            error_equals: self.error_names(),
            interval_seconds: self.interval.as_ref().and_then(seconds).unwrap_or(60),
            max_attempts: self.attempts.value,
            backoff_rate: self.backoff.as_ref().map_or(2.0, |backoff| backoff.value),
            max_delay_seconds: self.max_delay.as_ref().and_then(seconds),
            jitter_strategy: if self.jitter.as_ref().is_none_or(|jitter| jitter.value) { "FULL" } else { "NONE" },
        }
    }

    /// The names of the errors that are tried again.
    fn error_names(&self) -> Vec<String> {
        let sets: Vec<Errors> = self.errors.iter().map(|errors| errors.value).collect();
        if sets.is_empty() || sets.contains(&Errors::All) {
            return vec!["States.ALL".to_owned()];
        }
        let mut names: Vec<String> = Vec::new();
        for name in sets.iter().flat_map(|errors| errors.names()) {
            if !names.iter().any(|known| known == name) {
                names.push((*name).to_owned());
            }
        }
        names
    }
}

/// A set of errors, by what helps against them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum Errors {
    /// Time-outs and services that were not there: the same again may work.
    Transient,
    /// Too many requests.
    Throttling,
    /// No room: too many runs of a job at once, no machine free.
    Capacity,
    /// Every failure, the step's own command included.
    All,
}

impl Errors {
    /// Names as Step Functions reports them: its own
    /// (<https://docs.aws.amazon.com/step-functions/latest/dg/concepts-error-handling.html>), Lambda's
    /// (<https://docs.aws.amazon.com/step-functions/latest/dg/sfn-best-practices.html>), and those that its integrations
    /// make of a service's name and its exception's. EMR's API has no exception for throttling, so that it comes as the
    /// service's general one, as whoever has met it reports. A command that ends with another code than 0 is `States.TaskFailed`,
    /// which belongs to none of the sets.
    fn names(self) -> &'static [&'static str] {
        match self {
            Errors::Transient => &[
                "States.Timeout",
                "States.HeartbeatTimeout",
                "Lambda.ServiceException",
                "Lambda.AWSLambdaException",
                "Lambda.SdkClientException",
                "Lambda.ClientExecutionTimeoutException",
                "ECS.AmazonECSException",
                "ECS.ServerException",
                "Glue.AWSGlueException",
                "Glue.InternalServiceException",
                "Glue.OperationTimeoutException",
                "Batch.AWSBatchException",
                "Batch.ServerException",
                "EMR.InternalServerErrorException",
                "EMR.InternalServerException",
                "EMRServerless.InternalServerException",
            ],
            Errors::Throttling => &[
                "Lambda.TooManyRequestsException",
                "ECS.ThrottlingException",
                "Glue.ThrottlingException",
                "Batch.TooManyRequestsException",
                "EMR.AmazonElasticMapReduceException",
                "EMRServerless.ThrottlingException",
                "EMRServerless.AWSEMRServerlessException",
            ],
            Errors::Capacity => &[
                "Lambda.ENILimitReachedException",
                "ECS.AmazonECSException",
                "Glue.ConcurrentRunsExceededException",
                "Glue.ResourceNumberLimitExceededException",
                "EMRServerless.ServiceQuotaExceededException",
            ],
            Errors::All => &["States.ALL"],
        }
    }
}
