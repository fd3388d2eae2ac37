//! `schedule`: a cron or rate expression or one time, delivered by EventBridge Scheduler to the account function.
//!
//! A schedule that has fired for the last time stays, as Scheduler's ActionAfterCompletion is NONE unless said: one that
//! deleted itself would be missing when its stack is next changed.
//! <https://docs.aws.amazon.com/scheduler/latest/UserGuide/managing-schedule-delete.html>

use jiff::civil::Date;
use jiff::tz::TimeZone;
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::json;

use crate::control::plan::SchedulePlan;
use crate::control::run::{Envelope, Source};
use crate::control::schedule::moment::{self, Change};
use crate::control::{cron, digest, names, schedule, zone};
use crate::documents::frame;
use crate::documents::template::{Resource, sub};
use crate::source::schema::hints;
use crate::source::{Code, Finding, Findings, Spanned};

/// When the pipeline runs. Exactly one of `cron`, `rate` and `at`.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schemars(transform = hints::exactly_one(&["cron", "rate", "at"]))]
pub struct Schedule {
    /// AWS six-field cron, `0 3 * * ? *`, or ordinary five-field cron, `0 3 * * *`. Quote it.
    #[schemars(transform = hints::form("^(cron)?[(]?([^ ]+ +){4,5}[^ ]+$", &["0 3 * * ? *", "0 6 ? * MON-FRI *"]))]
    pub cron: Option<Spanned<String>>,
    /// `5 minutes`, `1 hour`, `7 days`.
    #[schemars(transform = hints::form("^(rate)?[(]?[0-9]+ +[a-z]+[)]?$", &["15 minutes", "1 hour", "7 days"]))]
    pub rate: Option<Spanned<String>>,
    /// Once, at this local time: `2026-11-21T03:00`.
    pub at: Option<Spanned<String>>,
    /// IANA zone of local times. Default: the partition's zone, else UTC.
    #[schemars(extend("x-dpc-also" = ["zone", "tz"]))]
    pub timezone: Option<Spanned<String>>,
    /// Does not fire before this day or local time: `2026-11-21`, `2026-11-21T03:00`.
    #[schemars(extend("x-dpc-also" = ["from", "startDate", "after"]))]
    pub start: Option<Spanned<String>>,
    /// Does not fire after this day, or from this local time on.
    #[schemars(extend("x-dpc-also" = ["to", "until", "endDate", "before"]))]
    pub end: Option<Spanned<String>>,
}

impl Schedule {
    /// The expression as written, whichever it is.
    pub fn written(&self) -> Option<&Spanned<String>> {
        self.cron.as_ref().or(self.rate.as_ref()).or(self.at.as_ref())
    }

    /// Reports what EventBridge Scheduler would refuse, or that never fires. `default_zone` is the partition's.
    pub fn check(&self, default_zone: &str, today: Date, findings: &mut Findings) {
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
        // A zone that does not exist is reported elsewhere; times in it are read as they stand.
        let zone = zone::zone(self.zone(default_zone)).unwrap_or(TimeZone::UTC);
        if let Some(at) = &self.at {
            check_at(at, &zone, today, findings);
        }
        self.check_bounds(&zone, today, findings);
    }

    fn zone<'a>(&'a self, default_zone: &'a str) -> &'a str {
        self.timezone.as_ref().map_or(default_zone, |zone| zone.value.as_str())
    }

    fn check_bounds(&self, zone: &TimeZone, today: Date, findings: &mut Findings) {
        let (start, end) = (
            read_bound(self.start.as_ref(), zone, false, findings),
            read_bound(self.end.as_ref(), zone, true, findings),
        );
        if self.at.is_some() {
            for (name, bound) in [("start", &self.start), ("end", &self.end)] {
                if let Some(bound) = bound {
                    findings.push(
                        Finding::at(Code::BadBounds, bound.span, format!("`{name}` does nothing beside `at`"), "")
                            .why("a schedule that fires once has no time before and after")
                            .help("remove it"),
                    );
                }
            }
            return;
        }
        if let (Some((_, start)), Some((written, end))) = (start, end)
            && start >= end
        {
            let first = self.start.as_ref().map_or(written.span, |start| start.span);
            findings.push(
                Finding::at(Code::BadBounds, written.span, "this schedule ends before it starts", "the end")
                    .and(first, "the start")
                    .help("change one of them; a day as `end` is the last on which it fires"),
            );
            return;
        }
        let is_past = |instant: jiff::Timestamp| instant.to_zoned(zone.clone()).date() < today;
        if let Some((written, _)) = end.filter(|(_, end)| is_past(*end)) {
            findings.push(
                Finding::at(Code::ScheduleOver, written.span, "this schedule has ended", "")
                    .why("it would never start a run")
                    .help("remove the schedule, or change its `end`"),
            );
        }
        // The StartDate you specify cannot be earlier than 5 minutes ago, says Scheduler.
        if let Some((written, _)) = start.filter(|(_, start)| is_past(*start)) {
            findings.push(
                Finding::at(Code::ScheduleOver, written.span, "this `start` lies in the past", "")
                    .warning()
                    .why("a schedule that runs already goes on, but AWS refuses to create or change one with such a start")
                    .help("remove `start`"),
            );
        }
    }

    /// As the plan and EventBridge Scheduler take it; `None` when it is no schedule, which others report.
    pub fn plan(&self, default_zone: &str) -> Option<SchedulePlan> {
        let expression = match (&self.cron, &self.rate, &self.at) {
            (Some(cron), None, None) => format!("cron({})", cron::parse(cron).ok()?),
            (None, Some(rate), None) => format!("rate({})", schedule::rate(rate).ok()?),
            (None, None, Some(at)) => format!("at({})", moment::time(at).ok()?.strftime("%Y-%m-%dT%H:%M:%S")),
            _ => return None,
        };
        let timezone = self.zone(default_zone).to_owned();
        let zone = zone::zone(&timezone).unwrap_or(TimeZone::UTC);
        let bound = |written: Option<&Spanned<String>>, is_end| match written {
            Some(written) => moment::bound(written, &zone, is_end).map(|instant| Some(instant.to_string())),
            None => Ok(None),
        };
        let (start, end) = (bound(self.start.as_ref(), false).ok()?, bound(self.end.as_ref(), true).ok()?);
        Some(SchedulePlan { expression, timezone, start, end })
    }
}

fn read_bound<'a>(
    written: Option<&'a Spanned<String>>,
    zone: &TimeZone,
    is_end: bool,
    findings: &mut Findings,
) -> Option<(&'a Spanned<String>, jiff::Timestamp)> {
    let written = written?;
    match moment::bound(written, zone, is_end) {
        Ok(instant) => Some((written, instant)),
        Err(problem) => {
            findings.push(problem.at(Code::BadSchedule, written, written.span));
            None
        }
    }
}

/// One time: one that is over, that the clocks skip, or that they show twice.
fn check_at(at: &Spanned<String>, zone: &TimeZone, today: Date, findings: &mut Findings) {
    let time = match moment::time(at) {
        Ok(time) => time,
        Err(problem) => return findings.push(problem.at(Code::BadSchedule, at, at.span)),
    };
    if time.date() < today {
        return findings.push(
            Finding::at(Code::ScheduleOver, at.span, "this time lies in the past", "")
                .why("it would never start a run")
                .help("remove the schedule; `dpc run` starts a run now"),
        );
    }
    let name = zone.iana_name().unwrap_or("UTC");
    let clock = |time: jiff::civil::DateTime| time.strftime("%Y-%m-%dT%H:%M").to_string();
    match moment::change(time, zone) {
        None => {}
        Some(Change::Skipped(instead)) => findings.push(
            Finding::at(Code::ClockChange, at.span, format!("`{}` does not exist in {name}", at.value), "")
                .why("the clocks go forward and skip it, and so does EventBridge Scheduler")
                .help(format!("write `{}`", clock(instead))),
        ),
        Some(Change::Repeated(first, second)) => findings.push(
            Finding::at(Code::ClockChange, at.span, format!("`{}` comes twice in {name}", at.value), "")
                .warning()
                .why(format!(
                    "the clocks go back: it is {first} and {second}, and EventBridge Scheduler fires at one of them"
                ))
                .help(format!(
                    "to choose, write it in UTC: `at: {}` with `timezone: UTC`",
                    clock(first.to_zoned(TimeZone::UTC).datetime())
                )),
        ),
    }
}

/// What EventBridge Scheduler puts in place of this is the time that a delivery was due, in RFC 3339, the same for every
/// attempt: <https://docs.aws.amazon.com/scheduler/latest/UserGuide/managing-schedule-context-attributes.html>.
const SCHEDULED_TIME: &str = "<aws.scheduler.scheduled-time>";

/// The schedule of an account function's call. Its name depends on what it says and not on where it stands, so that
/// reordering a list, or adding to it, touches no other schedule.
pub fn resource(schedule: &SchedulePlan, pipeline: &str, space: &str) -> (String, Resource) {
    let bounds: String =
        [&schedule.start, &schedule.end].into_iter().flatten().map(|bound| format!(" {bound}")).collect();
    let hash = digest::short(&format!("{} {}{bounds}", schedule.expression, schedule.timezone));
    let mut envelope = Envelope::new(space, pipeline, Source::Schedule, SCHEDULED_TIME);
    envelope.scheduled_time = Some(SCHEDULED_TIME.to_owned());
    let input = serde_json::to_string(&envelope).expect("an envelope is printable");
    let mut properties = json!({
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
    if let Some(properties) = properties.as_object_mut() {
        let bounds = [("StartDate", &schedule.start), ("EndDate", &schedule.end)];
        properties
            .extend(bounds.into_iter().filter_map(|(name, bound)| Some((name.to_owned(), json!(bound.as_ref()?)))));
    }
    let purpose = format!("The schedule {} in {}", schedule.expression, schedule.timezone);
    // A schedule that fires before the account function knows the pipeline would be refused.
    let resource = Resource::new("AWS::Scheduler::Schedule", purpose, properties).after(frame::REGISTRATION);
    (format!("Schedule{hash}"), resource)
}
