//! `schedule`: a cron or rate expression in a time zone, delivered by EventBridge Scheduler to the account function.

use jiff::civil::Date;
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::json;

use crate::control::plan::SchedulePlan;
use crate::control::run::{ENVELOPE_VERSION, Envelope, Source};
use crate::control::{cron, digest, names, schedule};
use crate::documents::frame;
use crate::documents::template::{Resource, sub};
use crate::source::{Code, Findings, Spanned};

/// When the pipeline runs. Exactly one of `cron` and `rate`.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Schedule {
    /// AWS six-field cron, `0 3 * * ? *`, or ordinary five-field cron, `0 3 * * *`. Quote it.
    pub cron: Option<Spanned<String>>,
    /// `5 minutes`, `1 hour`, `7 days`.
    pub rate: Option<Spanned<String>>,
    /// IANA zone of the cron expression. Default: the partition's zone, else UTC.
    #[schemars(extend("x-dpc-also" = ["zone", "tz"]))]
    pub timezone: Option<Spanned<String>>,
}

impl Schedule {
    /// Reports an expression that EventBridge Scheduler would refuse, or that never fires.
    pub fn check(&self, today: Date, findings: &mut Findings) {
        if let Some(cron) = &self.cron {
            let problems =
                cron::parse(cron).map_or_else(|problems| problems, |read| read.past(today).into_iter().collect());
            for problem in problems {
                findings.push(problem.at(Code::BadSchedule, cron, cron.span));
            }
        }
        if let Some(rate) = &self.rate
            && let Err(problem) = schedule::rate(rate)
        {
            findings.push(problem.at(Code::BadSchedule, rate, rate.span));
        }
    }

    /// As the plan and EventBridge Scheduler take it; `None` when it is no schedule, which others report.
    pub fn plan(&self, default_zone: &str) -> Option<SchedulePlan> {
        let expression = match (&self.cron, &self.rate) {
            (Some(cron), None) => format!("cron({})", cron::parse(cron).ok()?),
            (None, Some(rate)) => format!("rate({})", schedule::rate(rate).ok()?),
            (None, None) | (Some(_), Some(_)) => return None,
        };
        let timezone = self.timezone.as_ref().map_or(default_zone, |zone| zone.value.as_str()).to_owned();
        Some(SchedulePlan { expression, timezone, start: None, end: None })
    }
}

/// What EventBridge Scheduler puts in place of this is the time that a delivery was due, in RFC 3339, the same for every
/// attempt: <https://docs.aws.amazon.com/scheduler/latest/UserGuide/managing-schedule-context-attributes.html>.
const SCHEDULED_TIME: &str = "<aws.scheduler.scheduled-time>";

/// The schedule of an account function's call. Its name depends on what it says and not on where it stands, so that
/// reordering a list, or adding to it, touches no other schedule.
pub fn resource(schedule: &SchedulePlan, pipeline: &str, space: &str) -> (String, Resource) {
    let hash = digest::short(&format!("{} {}", schedule.expression, schedule.timezone));
    let envelope = Envelope {
        version: ENVELOPE_VERSION,
        space: space.to_owned(),
        pipeline: pipeline.to_owned(),
        source: Source::Schedule,
        key: SCHEDULED_TIME.to_owned(),
        scheduled_time: Some(SCHEDULED_TIME.to_owned()),
        partition: None,
        event_time: None,
        event: None,
        trigger: None,
        parent: None,
        task_token: None,
        cause: None,
        params: serde_json::Map::new(),
    };
    let input = serde_json::to_string(&envelope).expect("an envelope is printable");
    let properties = json!({
        "Name": format!("{}-{hash}", names::pipeline_resource(pipeline)),
        "Description": format!("Starts {pipeline} through the account function"),
        "ScheduleExpression": schedule.expression,
        "ScheduleExpressionTimezone": schedule.timezone,
        "FlexibleTimeWindow": { "Mode": "OFF" },
        "KmsKeyArn": names::KEY_ARN,
        "State": "ENABLED",
        "Target": {
            "Arn": sub(names::account_function_arn()),
            "RoleArn": sub(format!("arn:${{AWS::Partition}}:iam::${{AWS::AccountId}}:role/{}", names::SCHEDULER_ROLE)),
            "Input": input,
            "RetryPolicy": { "MaximumEventAgeInSeconds": 86_400, "MaximumRetryAttempts": 185 },
            "DeadLetterConfig": {
                "Arn": sub(names::arn("sqs", names::DEAD_LETTERS)),
            },
        },
    });
    let purpose = format!("The schedule {} in {}", schedule.expression, schedule.timezone);
    // A schedule that fires before the account function knows the pipeline would be refused.
    let resource = Resource::new("AWS::Scheduler::Schedule", purpose, properties).after(frame::REGISTRATION);
    (format!("Schedule{hash}"), resource)
}
