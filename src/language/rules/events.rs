//! Events: buckets that can be, partitions that only events have, and pipelines that would start themselves.

use super::access::wrong_with_bucket;
use crate::language::manifest::Manifest;
use crate::language::project::Pipeline;
use crate::source::{Code, Finding, Findings, Spanned};
use crate::triggers::events::Objects;

pub fn check(pipeline: &Pipeline, findings: &mut Findings) {
    let manifest = &pipeline.manifest;
    let events = manifest.triggers.as_ref().map(|triggers| triggers.events.as_slice()).unwrap_or_default();
    for objects in events.iter().filter_map(|event| event.s3.as_ref()) {
        bucket(&objects.bucket, findings);
        written(manifest, objects, findings);
    }
    let from = manifest.partition.as_ref().and_then(|partition| partition.from.as_ref());
    let unread = manifest.triggers.as_ref().is_some_and(|triggers| super::unread(findings, triggers.span));
    if let Some(from) = from.filter(|_| events.is_empty() && !unread) {
        findings.push(
            Finding::at(
                Code::FromWithoutEvents,
                from.span,
                "`from` reads an event, and no event starts this pipeline",
                "",
            )
            .why("a schedule has a time, from which `by`, `offset` and `timezone` make the partition")
            .help("remove it, or add `triggers.events`"),
        );
    }
    if let Some(from) = from.filter(|from| !from.contains("{{")) {
        findings.push(
            Finding::at(
                Code::FromWithoutEvents,
                from.span,
                format!("`{}` is the same for every event", from.value),
                "",
            )
            .help("write a template such as `\"{{ event.detail.date }}\"`"),
        );
    }
}

fn bucket(bucket: &Spanned<String>, findings: &mut Findings) {
    let refused = |message: String| Finding::at(Code::BadLocation, bucket.span, message, "");
    let name = bucket.value.as_str();
    if let Some(path) = name.strip_prefix("s3://") {
        let (bucket, key) = path.split_once('/').unwrap_or((path, ""));
        let prefix = if key.is_empty() { String::new() } else { format!(", prefix: {}", key.trim_end_matches('*')) };
        findings.push(
            refused(format!("`{name}` is an address, not the name of a bucket"))
                .help(format!("write `{{ bucket: {bucket}{prefix} }}`")),
        );
    } else if let Some(wrong) = wrong_with_bucket(name) {
        let name = if name.is_empty() { "the bucket".to_owned() } else { format!("the bucket `{name}`") };
        findings.push(
            refused(format!("{name} {wrong}"))
                .why("bucket names have 3 to 63 lower-case letters, digits, dots and hyphens"),
        );
    } else if own_bucket(name) {
        findings.push(
            Finding::at(Code::EventLoop, bucket.span, format!("`{name}` is dpc's own bucket"), "")
                .why("every run writes logs to it, and would start the next one, without an end")
                .help("name the bucket that the data comes to"),
        );
    }
}

/// `dpc-111111111111-eu-central-1`.
fn own_bucket(name: &str) -> bool {
    let account = name.strip_prefix("dpc-").and_then(|rest| rest.split('-').next());
    account.is_some_and(|account| account.len() == 12 && account.bytes().all(|byte| byte.is_ascii_digit()))
}

/// What the pipeline may write where it listens.
fn written(manifest: &Manifest, objects: &Spanned<Objects>, findings: &mut Findings) {
    let prefix = objects.prefix();
    for location in manifest.access.iter().flat_map(|access| &access.write) {
        let Some((bucket, key)) = location.s3.strip_prefix("s3://").and_then(|path| path.split_once('/')) else {
            continue;
        };
        let own = key.split('*').next().unwrap_or_default();
        if bucket != objects.bucket.value || !(own.starts_with(prefix) || prefix.starts_with(own)) {
            continue;
        }
        let place = objects.prefix.as_ref().unwrap_or(&objects.bucket);
        findings.push(
            Finding::at(Code::EventLoop, place.span, "this pipeline may write where it listens", "it listens here")
                .and(location.span, "it may write here")
                .warning()
                .why("an object that a run writes starts the next run")
                .help("write to another prefix, or listen to a deeper one"),
        );
    }
}
