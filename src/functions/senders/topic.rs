//! Announcements to a pipeline's SNS topic, whose subscriptions filter by status.
//!
//! In comes a run; out comes a subject and a text for a tired person, and a message with the status as attribute. It
//! refuses to know who is subscribed.

use std::fmt::Write;

use aws_sdk_sns::operation::publish::PublishError;
use aws_sdk_sns::types::MessageAttributeValue;

use crate::cloud::failure::{Caller, CloudResult, Explained};
use crate::cloud::runs::Run;
use crate::control::run::Status;

/// SNS takes a hundred characters of subject: <https://docs.aws.amazon.com/sns/latest/api/API_Publish.html>.
const SUBJECT_LIMIT: usize = 100;

/// What is said of a run's status.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Announcement {
    /// The status, for subscription filters.
    pub status: Status,
    /// The pipeline, for filters of others.
    pub pipeline: String,
    /// The subject of a mail.
    pub subject: String,
    /// The text.
    pub text: String,
}

/// What to say about a run.
pub fn announcement(run: &Run) -> Announcement {
    let (pipeline, id) = (&run.reference.pipeline, &run.reference.id);
    let status = run.status;
    let mut subject = format!("dpc: {pipeline} {} {status} (run {})", id.partition, id.number);
    subject.truncate(SUBJECT_LIMIT);
    let mut text = String::new();
    // Writing to a string cannot fail.
    let mut line = |name: &str, value: &str| {
        let _ = writeln!(text, "{name:<10} {value}");
    };
    line("pipeline", pipeline);
    line("partition", &id.partition);
    line("run", &id.number.to_string());
    line("space", &run.space);
    line("status", status.as_str());
    let times = [("asked for", Some(run.claimed_at)), ("started", run.started_at), ("ended", run.ended_at)];
    for (name, time) in times {
        if let Some(time) = time {
            line(name, &format!("{time:.0}"));
        }
    }
    if let Some(error) = &run.error {
        line("error", error);
    }
    if let Some(cause) = &run.cause {
        let _ = write!(text, "\n{cause}\n");
    }
    let next = match status {
        Status::Skipped => format!("dpc status {pipeline}"),
        _ if run.execution.is_none() => format!("dpc run {pipeline} --partition {}", id.partition),
        Status::Failed | Status::TimedOut | Status::Aborted => format!("dpc logs {}", run.reference),
        _ => format!("dpc status {pipeline}"),
    };
    let what = if run.execution.is_none() && status != Status::Skipped {
        "To start it again, once it is mended"
    } else {
        "To see more"
    };
    let _ = write!(text, "\n{what}:\n\n    {next}\n");
    Announcement { status, pipeline: pipeline.clone(), subject, text }
}

/// Publishes; false if the topic does not exist, as after the pipeline's stack was deleted.
///
/// # Errors
/// Whatever AWS refuses.
pub async fn publish(
    client: &aws_sdk_sns::Client,
    caller: &Caller,
    topic: &str,
    announcement: &Announcement,
) -> CloudResult<bool> {
    let attribute = |value: &str| {
        let attribute = MessageAttributeValue::builder().data_type("String").string_value(value).build();
        // Only the data type is required, and it is there.
        attribute.ok()
    };
    let attributes = [("status", announcement.status.as_str()), ("pipeline", announcement.pipeline.as_str())];
    let attributes = attributes.into_iter().filter_map(|(name, value)| Some((name.to_owned(), attribute(value)?)));
    let answer = client
        .publish()
        .topic_arn(topic)
        .subject(&announcement.subject)
        .message(&announcement.text)
        .set_message_attributes(Some(attributes.collect()))
        .send()
        .await;
    if let Err(error) = &answer
        && matches!(error.as_service_error(), Some(PublishError::NotFoundException(_)))
    {
        return Ok(false);
    }
    answer.explained(caller, "sns:Publish").map(|_| true)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::control::run::{RunRef, Source};

    fn failed() -> Run {
        let reference: RunRef = "listings/2026-11-21/1".parse().unwrap();
        let at = "2026-11-22T02:00:01.5Z".parse().unwrap();
        let mut run = Run::queued(reference, "prod".into(), Source::Schedule, "k".into(), at);
        run.status = Status::Failed;
        run.execution = Some("arn".into());
        run.started_at = Some("2026-11-22T02:00:02.25Z".parse().unwrap());
        run.ended_at = Some("2026-11-22T02:31:00Z".parse().unwrap());
        run.error = Some("dpc.StepFailed".into());
        run.cause = Some("step `aggregate` failed: exit code 1".into());
        run
    }

    #[test]
    fn a_failure_says_what_when_why_and_what_to_type() {
        let said = announcement(&failed());
        assert_eq!(said.subject, "dpc: listings 2026-11-21 FAILED (run 1)");
        assert_eq!(
            said.text,
            "\
pipeline   listings
partition  2026-11-21
run        1
space      prod
status     FAILED
asked for  2026-11-22T02:00:01Z
started    2026-11-22T02:00:02Z
ended      2026-11-22T02:31:00Z
error      dpc.StepFailed

step `aggregate` failed: exit code 1

To see more:

    dpc logs listings/2026-11-21/1
"
        );
    }

    #[test]
    fn a_run_that_never_started_has_no_logs_to_see() {
        let mut run = failed();
        run.execution = None;
        assert!(announcement(&run).text.ends_with("dpc run listings --partition 2026-11-21\n"));
    }

    #[test]
    fn the_longest_subject_fits() {
        let mut run = failed();
        run.reference.pipeline = "p".repeat(40);
        run.reference.id.number = 999_999;
        assert!(announcement(&run).subject.ends_with("(run 999999)"));
    }
}
