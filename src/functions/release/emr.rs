//! EMR clusters of a run that ended without releasing them.
//!
//! In comes the name of an execution, which is the name of each of its clusters; out go terminations. It refuses to touch
//! a cluster of any other name.
//!
//! A state machine terminates its clusters itself, but not when it is aborted or times out: no state runs then, and Step
//! Functions does not terminate a cluster by itself (<https://docs.aws.amazon.com/step-functions/latest/dg/connect-emr.html>).

use aws_sdk_emr::types::ClusterState;
use jiff::Timestamp;

use crate::cloud::failure::{Caller, CloudResult, Explained};

/// Clusters of this name that still run or are about to, created since a time.
///
/// # Errors
/// Whatever AWS refuses.
pub async fn active(
    client: &aws_sdk_emr::Client,
    caller: &Caller,
    name: &str,
    since: Timestamp,
) -> CloudResult<Vec<String>> {
    let mut found = Vec::new();
    let mut marker = None;
    loop {
        let answer = client
            .list_clusters()
            // A minute earlier: the table's clock and EMR's need not agree.
            .created_after(aws_smithy_types::DateTime::from_secs(since.as_second() - 60))
            .cluster_states(ClusterState::Starting)
            .cluster_states(ClusterState::Bootstrapping)
            .cluster_states(ClusterState::Running)
            .cluster_states(ClusterState::Waiting)
            .set_marker(marker.take())
            .send()
            .await
            .explained(caller, "elasticmapreduce:ListClusters")?;
        let named = answer.clusters().iter().filter(|cluster| cluster.name() == Some(name));
        found.extend(named.filter_map(|cluster| cluster.id().map(str::to_owned)));
        match answer.marker {
            Some(next) => marker = Some(next),
            None => return Ok(found),
        }
    }
}

/// Terminates clusters. One that is gone already is no error to EMR.
///
/// # Errors
/// Whatever AWS refuses.
pub async fn terminate(client: &aws_sdk_emr::Client, caller: &Caller, clusters: &[String]) -> CloudResult<()> {
    // Ten at a time is what the call takes.
    for ids in clusters.chunks(10) {
        let request = client.terminate_job_flows().set_job_flow_ids(Some(ids.to_vec()));
        request.send().await.explained(caller, "elasticmapreduce:TerminateJobFlows")?;
    }
    Ok(())
}
