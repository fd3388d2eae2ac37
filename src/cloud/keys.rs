//! The account's key, asked of KMS by hand: which one the bucket is under, whether it can be used, and its end.
//!
//! In comes a session; out come ARNs and states. It refuses to know when a key may go (docs/decisions/no-ec2-sdk.md says
//! why there is no SDK crate for three calls).

use aws_smithy_types::error::metadata::ProvideErrorMetadata;
use serde_json::{Value, json};

use crate::cloud::failure::{CloudResult, Explained};
use crate::cloud::session::Session;
use crate::cloud::signed::{self, Request};

/// ARN of the key that the account's bucket is encrypted with; `None` when there is no bucket.
///
/// # Errors
/// Whatever AWS refuses, a bucket of somebody else's above all.
pub async fn of_bucket(session: &Session) -> CloudResult<Option<String>> {
    let call = session.clients.s3().get_bucket_encryption().bucket(session.bucket());
    let answer = match call.expected_bucket_owner(&session.account).send().await {
        Ok(answer) => answer,
        Err(error) if error.code() == Some("NoSuchBucket") => return Ok(None),
        Err(error) => return Err(error).explained(&session.caller, "s3:GetBucketEncryption"),
    };
    let rules = answer.server_side_encryption_configuration().map(|found| found.rules()).unwrap_or_default();
    let key = rules.iter().find_map(|rule| rule.apply_server_side_encryption_by_default()?.kms_master_key_id());
    Ok(key.map(str::to_owned))
}

/// Whether the key is enabled.
///
/// # Errors
/// Whatever AWS refuses.
pub async fn is_usable(session: &Session, key: &str) -> CloudResult<bool> {
    let answer = call(session, "DescribeKey", json!({ "KeyId": key })).await?;
    Ok(answer.pointer("/KeyMetadata/KeyState").and_then(Value::as_str) == Some("Enabled"))
}

/// Lets the key be deleted after these days, and says whether it was not already to be.
///
/// # Errors
/// Whatever AWS refuses.
pub async fn schedule_deletion(session: &Session, key: &str, days: u32) -> CloudResult<bool> {
    let answer = call(session, "DescribeKey", json!({ "KeyId": key })).await?;
    if answer.pointer("/KeyMetadata/KeyState").and_then(Value::as_str) == Some("PendingDeletion") {
        return Ok(false);
    }
    call(session, "ScheduleKeyDeletion", json!({ "KeyId": key, "PendingWindowInDays": days })).await?;
    Ok(true)
}

async fn call(session: &Session, operation: &str, body: Value) -> CloudResult<Value> {
    let request = Request {
        service: "kms",
        operation,
        method: "POST",
        path: "/".to_owned(),
        target: Some(format!("TrentService.{operation}")),
        body: Some(body),
    };
    signed::call(&session.clients, &session.caller, &request).await
}
