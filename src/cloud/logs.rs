//! What a run has written: the output of its steps, and the log of its state machine.
//!
//! In come a run's execution and a step's name; out comes text. Step output is in the bucket, under the ids that EMR has
//! given cluster and step; EMR is asked for them, because it alone knows every attempt.

use std::io::Read;

use aws_sdk_emr::primitives::DateTime;
use aws_smithy_types::error::metadata::ProvideErrorMetadata;

use crate::cloud::artifacts;
use crate::cloud::failure::{CloudResult, Explained};
use crate::cloud::jobs::{Job, Place};
use crate::cloud::session::Session;
use crate::control::names;

/// One attempt of a step on a cluster.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Attempt {
    /// The cluster's id.
    pub cluster: String,
    /// The step's id.
    pub id: String,
    /// The step's name.
    pub step: String,
    /// EMR's state: `COMPLETED`, `FAILED` …
    pub state: String,
    /// EMR's reason for a failure.
    pub reason: Option<String>,
}

/// Text that an attempt has written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Output {
    /// `stdout`, `stderr` or `controller`.
    pub stream: String,
    /// The text.
    pub text: String,
}

/// All attempts of all steps on the clusters of a run, oldest first. A run's clusters carry its execution's name;
/// `since`, in seconds since 1970, is when the run began.
///
/// # Errors
/// Whatever AWS refuses.
pub async fn attempts(session: &Session, execution_name: &str, since: i64) -> CloudResult<Vec<Attempt>> {
    let emr = session.clients.emr();
    let mut clusters = Vec::new();
    let mut marker = None;
    loop {
        let call = emr.list_clusters().created_after(DateTime::from_secs(since - 60)).set_marker(marker);
        let page = call.send().await.explained(&session.caller, "elasticmapreduce:ListClusters")?;
        clusters.extend(
            page.clusters()
                .iter()
                .filter(|cluster| cluster.name() == Some(execution_name))
                .filter_map(|c| c.id().map(str::to_owned)),
        );
        marker = page.marker;
        if marker.is_none() {
            break;
        }
    }
    let mut attempts = Vec::new();
    for cluster in clusters.iter().rev() {
        let mut on_cluster = Vec::new();
        let mut marker = None;
        loop {
            let page = emr.list_steps().cluster_id(cluster).set_marker(marker).send().await;
            let page = page.explained(&session.caller, "elasticmapreduce:ListSteps")?;
            on_cluster.extend(page.steps().iter().filter_map(|step| read(cluster, step)));
            marker = page.marker;
            if marker.is_none() {
                break;
            }
        }
        // EMR lists the newest first.
        on_cluster.reverse();
        attempts.extend(on_cluster);
    }
    Ok(attempts)
}

fn read(cluster: &str, step: &aws_sdk_emr::types::StepSummary) -> Option<Attempt> {
    let status = step.status();
    let state = status.and_then(|status| status.state()).map(|state| state.as_str().to_owned());
    let details = status.and_then(|status| status.failure_details());
    Some(Attempt {
        cluster: cluster.to_owned(),
        id: step.id()?.to_owned(),
        step: step.name().unwrap_or_default().to_owned(),
        state: state.unwrap_or_default(),
        reason: details.and_then(|details| details.message().or(details.reason())).map(str::to_owned),
    })
}

/// What an attempt has written so far. EMR copies the files into the bucket every few minutes and at the end, so an
/// attempt that has just begun has none.
///
/// # Errors
/// Whatever AWS refuses.
pub async fn output(session: &Session, pipeline: &str, attempt: &Attempt) -> CloudResult<Vec<Output>> {
    let prefix = format!("{}{}/steps/{}/", names::logs_prefix(pipeline), attempt.cluster, attempt.id);
    let mut outputs = Vec::new();
    for stream in ["stdout", "stderr", "controller"] {
        if let Some(bytes) = artifacts::download(session, &format!("{prefix}{stream}.gz")).await? {
            outputs.push(Output { stream: stream.to_owned(), text: unpack(&bytes) });
        }
    }
    Ok(outputs)
}

/// What a job of ECS or EMR Serverless has written so far: a container line by line, a job run a file at its end.
///
/// # Errors
/// Whatever AWS refuses; what is not there has no lines.
pub async fn of_job(session: &Session, pipeline: &str, job: &Job) -> CloudResult<Vec<Output>> {
    match &job.at {
        Place::Container { .. } => {
            // https://docs.aws.amazon.com/AmazonECS/latest/developerguide/using_awslogs.html: prefix/container/task
            let stream = format!("{}/main/{}", job.step, job.id());
            let text = lines(session, &names::task_log_group(pipeline), &stream).await?;
            Ok(vec![Output { stream: "output".to_owned(), text }])
        }
        Place::Serverless { application, run } => {
            let prefix = format!("{}applications/{application}/jobs/{run}/SPARK_DRIVER/", names::logs_prefix(pipeline));
            let mut outputs = Vec::new();
            for stream in ["stdout", "stderr"] {
                if let Some(bytes) = artifacts::download(session, &format!("{prefix}{stream}.gz")).await? {
                    outputs.push(Output { stream: stream.to_owned(), text: unpack(&bytes) });
                }
            }
            Ok(outputs)
        }
    }
}

/// All lines of a log stream.
async fn lines(session: &Session, group: &str, stream: &str) -> CloudResult<String> {
    let mut text = String::new();
    let mut token: Option<String> = None;
    loop {
        let call = session.clients.logs().get_log_events().log_group_name(group).log_stream_name(stream);
        let page = match call.start_from_head(true).set_next_token(token.clone()).send().await {
            Err(error) if error.code() == Some("ResourceNotFoundException") => return Ok(text),
            other => other.explained(&session.caller, "logs:GetLogEvents")?,
        };
        for message in page.events().iter().filter_map(|event| event.message()) {
            text.push_str(message);
            text.push('\n');
        }
        // At the end, the token is the one that was sent.
        if page.next_forward_token.is_none() || page.next_forward_token == token {
            return Ok(text);
        }
        token = page.next_forward_token;
    }
}

/// The text of a gzip file; what cannot be unpacked (a file still being written) is left out.
fn unpack(bytes: &[u8]) -> String {
    let mut text = Vec::new();
    let _cut_short = flate2::read::MultiGzDecoder::new(bytes).read_to_end(&mut text);
    String::from_utf8_lossy(&text).into_owned()
}

/// The log of the state machine about one execution, a JSON line an event, oldest first. It outlives the execution's
/// history, which Step Functions keeps for 90 days.
///
/// # Errors
/// Whatever AWS refuses; a log group that is gone has no lines.
pub async fn machine(session: &Session, pipeline: &str, execution: &str) -> CloudResult<Vec<String>> {
    let mut lines = Vec::new();
    let mut token = None;
    loop {
        let call = session.clients.logs().filter_log_events().log_group_name(names::log_group(pipeline));
        let call = call.filter_pattern(format!("{{ $.execution_arn = \"{execution}\" }}")).set_next_token(token);
        let page = match call.send().await {
            Err(error) if error.code() == Some("ResourceNotFoundException") => return Ok(lines),
            other => other.explained(&session.caller, "logs:FilterLogEvents")?,
        };
        lines.extend(page.events().iter().filter_map(|event| event.message().map(str::to_owned)));
        token = page.next_token;
        if token.is_none() {
            return Ok(lines);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    #[test]
    fn a_file_cut_short_gives_what_it_has() {
        let mut packed = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
        packed.write_all(b"one\ntwo\n").expect("memory takes it");
        let packed = packed.finish().expect("memory takes it");
        assert_eq!(unpack(&packed), "one\ntwo\n");
        assert_eq!(unpack(&packed[..packed.len() - 8]), "one\ntwo\n");
        assert_eq!(unpack(b"no gzip"), "");
    }
}
