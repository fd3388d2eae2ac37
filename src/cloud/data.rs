//! What outlives a setup: tables and the bucket, found, counted and deleted.
//!
//! In comes a session; out comes what was there. It refuses to know whether it may go: whoever asks has asked a person.

use aws_sdk_dynamodb::types::AttributeValue;
use aws_sdk_s3::types::{Delete, ObjectIdentifier};
use aws_smithy_types::error::metadata::ProvideErrorMetadata;

use crate::cloud::failure::{CloudResult, Explained};
use crate::cloud::session::Session;
use crate::control::names;

/// Whether a table exists.
///
/// # Errors
/// Whatever AWS refuses.
pub async fn table_exists(session: &Session, table: &str) -> CloudResult<bool> {
    match session.clients.dynamodb().describe_table().table_name(table).send().await {
        Ok(_) => Ok(true),
        Err(error) if error.code() == Some("ResourceNotFoundException") => Ok(false),
        Err(error) => Err(error).explained(&session.caller, "dynamodb:DescribeTable"),
    }
}

/// Deletes a table; false if there is none.
///
/// # Errors
/// Whatever AWS refuses.
pub async fn delete_table(session: &Session, table: &str) -> CloudResult<bool> {
    match session.clients.dynamodb().delete_table().table_name(table).send().await {
        Ok(_) => Ok(true),
        Err(error) if error.code() == Some("ResourceNotFoundException") => Ok(false),
        Err(error) => Err(error).explained(&session.caller, "dynamodb:DeleteTable"),
    }
}

/// All pipelines that are registered at the central account, as `space/pipeline`; in its own account only. It looks through
/// the whole table, because nobody else ever asks for all spaces.
///
/// # Errors
/// Whatever AWS refuses.
pub async fn registered_at_central(session: &Session) -> CloudResult<Vec<String>> {
    if !table_exists(session, names::CENTRAL_TABLE).await? {
        return Ok(Vec::new());
    }
    let mut found = Vec::new();
    let mut start = None;
    loop {
        let call = session.clients.dynamodb().scan().table_name(names::CENTRAL_TABLE).set_exclusive_start_key(start);
        let call = call
            .filter_expression("begins_with(pk, :space) AND begins_with(sk, :pipeline)")
            .expression_attribute_values(":space", AttributeValue::S("SPACE#".to_owned()))
            .expression_attribute_values(":pipeline", AttributeValue::S("PIPELINE#".to_owned()))
            .projection_expression("pk, sk");
        let page = call.send().await.explained(&session.caller, "dynamodb:Scan")?;
        for item in page.items() {
            let part = |name: &str, prefix: &str| item.get(name)?.as_s().ok()?.strip_prefix(prefix);
            let named = part("pk", "SPACE#").zip(part("sk", "PIPELINE#"));
            found.extend(named.map(|(space, pipeline)| format!("{space}/{pipeline}")));
        }
        start = page.last_evaluated_key().cloned();
        if start.is_none() {
            return Ok(found);
        }
    }
}

/// Deletes every version of every object, and says how many there were.
///
/// # Errors
/// Whatever AWS refuses.
pub async fn empty_bucket(session: &Session) -> CloudResult<usize> {
    let (s3, bucket) = (session.clients.s3(), session.bucket());
    let mut deleted = 0;
    loop {
        // A page holds what one DeleteObjects takes, and what is deleted is not on the next.
        let call = s3.list_object_versions().bucket(&bucket).expected_bucket_owner(&session.account);
        let page = call.send().await.explained(&session.caller, "s3:ListObjectVersions")?;
        let versions = page.versions().iter().map(|one| (one.key(), one.version_id()));
        let markers = page.delete_markers().iter().map(|one| (one.key(), one.version_id()));
        let objects: Vec<ObjectIdentifier> = versions
            .chain(markers)
            .filter_map(|(key, version)| {
                ObjectIdentifier::builder().key(key?).set_version_id(version.map(str::to_owned)).build().ok()
            })
            .collect();
        let Some(all) = Delete::builder().set_objects(Some(objects)).quiet(true).build().ok() else {
            return Ok(deleted);
        };
        if all.objects().is_empty() {
            return Ok(deleted);
        }
        let number = all.objects().len();
        let call = s3.delete_objects().bucket(&bucket).expected_bucket_owner(&session.account).delete(all);
        let answer = call.send().await.explained(&session.caller, "s3:DeleteObjects")?;
        if let Some(kept) = answer.errors().first() {
            return Err(Box::new(session.caller.refused("s3:DeleteObjects", 403, kept.code(), kept.message(), None)));
        }
        deleted += number;
    }
}

/// Deletes the empty bucket; false if there is none.
///
/// # Errors
/// Whatever AWS refuses.
pub async fn delete_bucket(session: &Session) -> CloudResult<bool> {
    let call = session.clients.s3().delete_bucket().bucket(session.bucket());
    match call.expected_bucket_owner(&session.account).send().await {
        Ok(_) => Ok(true),
        Err(error) if error.code() == Some("NoSuchBucket") => Ok(false),
        Err(error) => Err(error).explained(&session.caller, "s3:DeleteBucket"),
    }
}
