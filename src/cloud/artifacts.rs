//! Objects in the account's bucket, named by their content and therefore uploaded once.
//!
//! In come a key and bytes; out comes whether they had to be sent. This module refuses to know what is in them.
//!
//! Every call names the bucket's owner: if the bucket was deleted and somebody else has taken its name, S3 refuses, and
//! nothing of ours lands there (<https://docs.aws.amazon.com/AmazonS3/latest/userguide/bucket-owner-condition.html>).

use aws_sdk_s3::operation::get_object::builders::GetObjectFluentBuilder;
use aws_sdk_s3::primitives::ByteStream;
use aws_smithy_types::error::metadata::ProvideErrorMetadata;
use sha2::{Digest, Sha256};

use crate::cloud::failure::{CloudResult, Explained};
use crate::cloud::session::Session;
use crate::cloud::stack::{Template, changes::INLINE_LIMIT};
use crate::control::{digest, names};

/// What an upload did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Uploaded {
    /// The bytes were sent.
    Sent,
    /// An object of this name, and so of this content, was there.
    Present,
}

/// Whether the bucket holds the key.
///
/// # Errors
/// Whatever AWS refuses; a bucket that is missing counts as an object that is.
pub async fn exists(session: &Session, key: &str) -> CloudResult<bool> {
    let call = session.clients.s3().head_object().bucket(session.bucket()).key(key);
    match call.expected_bucket_owner(&session.account).send().await {
        Ok(_) => Ok(true),
        Err(error) if error.raw_response().is_some_and(|answer| answer.status().as_u16() == 404) => Ok(false),
        Err(error) => Err(error).explained(&session.caller, "s3:HeadObject"),
    }
}

/// Puts bytes under a key that names their content, unless they are there.
///
/// # Errors
/// A bucket that does not exist: the account is not set up. Whatever else AWS refuses.
pub async fn upload(session: &Session, key: &str, bytes: Vec<u8>, content_type: &str) -> CloudResult<Uploaded> {
    if exists(session, key).await? {
        return Ok(Uploaded::Present);
    }
    let bucket = session.bucket();
    let checksum = aws_smithy_types::base64::encode(Sha256::digest(&bytes));
    let call = session
        .clients
        .s3()
        .put_object()
        .bucket(&bucket)
        .key(key)
        .expected_bucket_owner(&session.account)
        .content_type(content_type)
        .checksum_sha256(checksum)
        .body(ByteStream::from(bytes));
    match call.send().await {
        Ok(_) => Ok(Uploaded::Sent),
        Err(error) if error.code() == Some("NoSuchBucket") => {
            Err(Box::new(session.caller.not_set_up(&format!("bucket `{bucket}`"))))
        }
        Err(error) => Err(error).explained(&session.caller, "s3:PutObject"),
    }
}

/// The bytes of an object; `None` when there is none.
///
/// # Errors
/// Whatever AWS refuses.
pub async fn download(session: &Session, key: &str) -> CloudResult<Option<Vec<u8>>> {
    let call = session.clients.s3().get_object().bucket(session.bucket()).key(key);
    body(session, call.expected_bucket_owner(&session.account)).await
}

/// The same of a bucket of anybody's: what is in it must be compared with a digest.
///
/// # Errors
/// Whatever AWS refuses.
pub async fn download_from(session: &Session, bucket: &str, key: &str) -> CloudResult<Option<Vec<u8>>> {
    body(session, session.clients.s3().get_object().bucket(bucket).key(key)).await
}

async fn body(session: &Session, call: GetObjectFluentBuilder) -> CloudResult<Option<Vec<u8>>> {
    let answer = match call.send().await {
        Ok(answer) => answer,
        Err(error) if matches!(error.code(), Some("NoSuchKey" | "NoSuchBucket")) => return Ok(None),
        Err(error) => return Err(error).explained(&session.caller, "s3:GetObject"),
    };
    let body = answer.body.collect().await.map_err(|error| {
        Box::new(session.caller.refused("s3:GetObject", 200, Some("IncompleteBody"), Some(&error.to_string()), None))
    })?;
    Ok(Some(body.to_vec()))
}

/// All keys under a prefix.
///
/// # Errors
/// Whatever AWS refuses.
pub async fn list(session: &Session, prefix: &str) -> CloudResult<Vec<String>> {
    let mut keys = Vec::new();
    let mut token = None;
    loop {
        let call = session.clients.s3().list_objects_v2().bucket(session.bucket()).prefix(prefix);
        let call = call.expected_bucket_owner(&session.account).set_continuation_token(token);
        let page = match call.send().await {
            Ok(page) => page,
            Err(error) if error.code() == Some("NoSuchBucket") => return Ok(keys),
            Err(error) => return Err(error).explained(&session.caller, "s3:ListObjectsV2"),
        };
        keys.extend(page.contents().iter().filter_map(|object| object.key().map(str::to_owned)));
        token = page.next_continuation_token().map(str::to_owned);
        if token.is_none() {
            return Ok(keys);
        }
    }
}

/// A template as CloudFormation can take it: with the request while it is small, else from the bucket.
///
/// # Errors
/// As [`upload`].
pub async fn template(session: &Session, pipeline: &str, text: String) -> CloudResult<Template> {
    if text.len() <= INLINE_LIMIT {
        return Ok(Template::Inline(text));
    }
    let key = names::template_key(pipeline, &digest::sha256(&text));
    upload(session, &key, text.into_bytes(), "application/json").await?;
    Ok(Template::Url(object_url(session, &key)))
}

/// The URL of an object with the bucket in its path, which every endpoint understands; CloudFormation reads it with the
/// caller's own rights.
fn object_url(session: &Session, key: &str) -> String {
    let region = session.region();
    let endpoint = match &session.caller.endpoint {
        Some(endpoint) => endpoint.trim_end_matches('/').to_owned(),
        None if region.starts_with("cn-") => format!("https://s3.{region}.amazonaws.com.cn"),
        None => format!("https://s3.{region}.amazonaws.com"),
    };
    format!("{endpoint}/{}/{key}", session.bucket())
}
