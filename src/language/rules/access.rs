//! What `access` names exists as a form: `s3://bucket/prefix/*`, with an account of twelve digits where it is another's.

use super::environments;
use crate::language::project::Pipeline;
use crate::language::values::Location;
use crate::source::{Code, Finding, Findings, Span, Spanned};

const WHY: &str = "it becomes a statement in the policy of the pipeline's compute role";

pub fn check(pipeline: &Pipeline, findings: &mut Findings) {
    let Some(access) = &pipeline.manifest.access else { return };
    for location in access.read.iter().chain(&access.write) {
        uri(location, findings);
        if let Some(account) = &location.account {
            environments::account(account, findings);
        }
    }
}

fn uri(location: &Spanned<Location>, findings: &mut Findings) {
    let text = location.s3.as_str();
    let span = location.span;
    let Some((scheme, rest)) = text.split_once("://") else {
        let help = match text.strip_prefix("arn:").and_then(|arn| arn.split_once(":::")) {
            Some((_, path)) => format!("write `s3://{path}`"),
            None => format!("write `s3://{}`", if text.contains('/') { text.to_owned() } else { format!("{text}/*") }),
        };
        findings.push(refused(span, text, "is not an S3 location").help(help));
        return;
    };
    if scheme != "s3" {
        findings.push(refused(span, text, &format!("begins with `{scheme}://`")).help(format!("write `s3://{rest}`")));
        return;
    }
    let (bucket, key) = rest.split_once('/').unwrap_or((rest, ""));
    if let Some(wrong) = wrong_with_bucket(bucket) {
        let name = if bucket.is_empty() { "the bucket".to_owned() } else { format!("the bucket `{bucket}`") };
        findings.push(
            Finding::at(Code::BadLocation, span, format!("{name} in `{text}` {wrong}"), "")
                .why("bucket names have 3 to 63 lower-case letters, digits, dots and hyphens")
                .help("write `s3://bucket/prefix/*`"),
        );
        return;
    }
    if key.is_empty() {
        findings.push(
            refused(span, text, "names no object")
                .why(WHY)
                .help(format!("for the whole bucket write `s3://{bucket}/*`")),
        );
    } else if key.ends_with('/') {
        findings.push(
            refused(span, text, "names the one object whose key ends with `/`")
                .why(WHY)
                .help(format!("for all below it write `{text}*`")),
        );
    } else if key.contains("{{") || key.contains("${") {
        findings.push(
            refused(span, text, "holds a placeholder")
                .why("a policy is fixed when the pipeline is deployed, and IAM reads `${…}` as a variable of its own")
                .help("name the prefix that all runs share, such as `s3://bucket/prefix/*`"),
        );
    }
}

fn refused(span: Span, text: &str, wrong: &str) -> Finding {
    Finding::at(Code::BadLocation, span, format!("`{text}` {wrong}"), "")
}

/// <https://docs.aws.amazon.com/AmazonS3/latest/userguide/bucketnamingrules.html>
pub(super) fn wrong_with_bucket(bucket: &str) -> Option<String> {
    let length = bucket.chars().count();
    if length == 0 {
        return Some("is missing".to_owned());
    }
    if bucket.contains('*') {
        return Some("holds `*`; a role may reach named buckets only".to_owned());
    }
    if let Some(letter) = bucket.chars().find(|letter| !matches!(letter, 'a'..='z' | '0'..='9' | '.' | '-')) {
        return Some(format!("holds `{}`", letter.escape_debug()));
    }
    if !(3..=63).contains(&length) {
        return Some(format!("has {length} characters"));
    }
    let edge = |letter: Option<char>| letter.is_some_and(|letter| letter.is_ascii_alphanumeric());
    if !edge(bucket.chars().next()) || !edge(bucket.chars().last()) {
        return Some("does not begin and end with a letter or digit".to_owned());
    }
    if bucket.contains("..") {
        return Some("holds two dots in a row".to_owned());
    }
    let address = bucket.split('.').count() == 4 && bucket.split('.').all(|part| part.parse::<u8>().is_ok());
    address.then(|| "looks like an IP address".to_owned())
}

#[cfg(test)]
mod tests {
    use super::wrong_with_bucket;

    #[test]
    fn bucket_names_follow_the_rules_of_s3() {
        for fits in ["core-data-listings", "a.b.c", "123"] {
            assert_eq!(wrong_with_bucket(fits), None, "{fits}");
        }
        for wrong in ["", "ab", "Core", "a_b", "-ab", "ab-", "a..b", "10.0.0.1", "my-*", &"a".repeat(64)] {
            assert!(wrong_with_bucket(wrong).is_some(), "{wrong}");
        }
    }
}
