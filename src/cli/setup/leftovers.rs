//! What an earlier setup has left and the next one takes over: the bucket and the key it is encrypted with.
//!
//! In comes a session; out come resources to import, and the part of a template that may be imported. Tables need none of
//! this: CloudFormation takes over by itself what a template names literally. It refuses to take over a key that is about
//! to be deleted.

use super::part::resource_of;
use crate::cloud::stack::Import;
use crate::cloud::{CloudResult, Session, keys};
use crate::source::{Code, Finding};

/// Bucket and key, if the bucket is there.
pub(super) async fn of_bootstrap(session: &Session) -> CloudResult<Vec<Import>> {
    let Some(key) = keys::of_bucket(session).await? else { return Ok(Vec::new()) };
    if !keys::is_usable(session, &key).await? {
        return Err(Box::new(key_is_gone(&session.bucket(), &key)));
    }
    let import = |logical: &str, kind: &str, name: &str, value: &str| Import {
        logical: logical.to_owned(),
        kind: kind.to_owned(),
        identifier: (name.to_owned(), value.to_owned()),
    };
    let id = key.rsplit('/').next().unwrap_or(&key);
    Ok(vec![
        import("Key", "AWS::KMS::Key", "KeyId", id),
        import("Bucket", "AWS::S3::Bucket", "BucketName", &session.bucket()),
    ])
}

fn key_is_gone(bucket: &str, key: &str) -> Finding {
    Finding::new(Code::KeyIsGone, format!("the key of bucket `{bucket}` is disabled or about to be deleted"))
        .why("the bucket is left from an earlier setup, and nothing in it can be read without that key; nothing was written")
        .help(format!(
            "keep it with `aws kms cancel-key-deletion --key-id {key}` and `aws kms enable-key`, or delete the bucket"
        ))
}

/// The template without all resources but these.
pub(super) fn only(template: &str, resources: &[&str]) -> String {
    let mut kept = String::new();
    let mut keep = true;
    let mut inside = false;
    for line in template.lines() {
        if !line.starts_with(' ') && !line.is_empty() && !line.starts_with('#') {
            inside = line == "Resources:";
            keep = inside || !line.ends_with(':');
        } else if inside && let Some(name) = resource_of(line) {
            keep = resources.contains(&name);
        }
        if keep && !line.trim_start().starts_with('#') {
            kept.push_str(line);
            kept.push('\n');
        }
    }
    kept
}

#[cfg(test)]
mod tests {
    use super::super::testing::assert_reads;
    use super::*;

    #[test]
    fn a_part_of_a_template_holds_what_was_asked_for() {
        let part = only(super::super::part::BOOTSTRAP, &["Key", "Bucket"]);
        let resources: Vec<&str> = part.lines().filter_map(resource_of).collect();
        assert_eq!(resources, ["Key", "Bucket"]);
        assert!(part.starts_with("AWSTemplateFormatVersion"), "{part}");
        assert!(!part.contains("AWS::SSM::Parameter"), "{part}");
        assert_eq!(part.matches("DeletionPolicy").count(), 2, "an import wants one for each");
    }

    #[test]
    fn a_key_that_goes_is_not_taken_over() {
        let key = "arn:aws:kms:eu-central-1:111111111111:key/0c9e2a66-9a5b-4c0b-9a38-5d2f5b1b7b11";
        assert_reads(&key_is_gone("dpc-111111111111-eu-central-1", key));
    }
}
