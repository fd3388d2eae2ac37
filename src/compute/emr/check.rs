//! Values that stand for themselves: release, applications, instance types, numbers between two limits.
//!
//! In come values with their places; out come findings. It refuses to know where in a cluster they stand.

use std::ops::RangeInclusive;

use crate::control::duration::Duration;
use crate::source::{Code, Finding, Findings, Spanned, suggest};

/// Applications of EMR releases: <https://docs.aws.amazon.com/emr/latest/ReleaseGuide/emr-release-components.html>.
/// An unknown one is only warned about, because new releases bring new ones.
const APPLICATIONS: &[&str] = &[
    "AmazonCloudWatchAgent",
    "Delta",
    "Flink",
    "Ganglia",
    "HBase",
    "HCatalog",
    "Hadoop",
    "Hive",
    "Hudi",
    "Hue",
    "Iceberg",
    "JupyterEnterpriseGateway",
    "JupyterHub",
    "Livy",
    "Mahout",
    "MXNet",
    "Oozie",
    "Phoenix",
    "Pig",
    "Presto",
    "Spark",
    "Sqoop",
    "TensorFlow",
    "Tez",
    "Trino",
    "Zeppelin",
    "ZooKeeper",
];

/// `AutoTerminationPolicy.IdleTimeout`: 60 to 604,800 seconds,
/// <https://docs.aws.amazon.com/emr/latest/APIReference/API_AutoTerminationPolicy.html>.
const IDLE: (Duration, Duration) = (Duration::MINUTE, Duration(604_800));

/// Major and minor number of `emr-7.5.0`.
pub(super) fn release_of(release: &str) -> Option<(u32, u32)> {
    let numbers: Option<Vec<u32>> =
        release.strip_prefix("emr-")?.split('.').map(|number| number.parse().ok()).collect();
    match numbers.as_deref() {
        Some(&[major, minor, _]) => Some((major, minor)),
        _ => None,
    }
}

/// Reports a number that does not lie between two limits.
pub(crate) fn range(
    code: Code,
    what: &str,
    written: &Spanned<u32>,
    limits: RangeInclusive<u32>,
    unit: &str,
    findings: &mut Findings,
) {
    if limits.contains(&written.value) {
        return;
    }
    let unit = if unit.is_empty() { String::new() } else { format!(" {unit}") };
    let message = format!("{what} is {}", written.value);
    let label = format!("must be {} to {}{unit}", limits.start(), limits.end());
    findings.push(Finding::at(code, written.span, message, label));
}

/// Reports applications that a release may lack, and repeated ones.
pub(super) fn applications(written: &[Spanned<String>], findings: &mut Findings) {
    for (at, application) in written.iter().enumerate() {
        let known = APPLICATIONS.iter().any(|known| known.eq_ignore_ascii_case(application));
        if !known {
            let mut finding = Finding::at(
                Code::UnknownApplication,
                application.span,
                format!("dpc does not know the EMR application `{}`", application.value),
                "",
            )
            .warning()
            .why("EMR refuses to create a cluster with an application that its release lacks");
            if let Some(near) = suggest::near(application, APPLICATIONS.iter().copied()) {
                finding = finding.fix(application.span, near, format!("did you mean `{near}`?"));
            }
            findings.push(finding);
        }
        let before = written.iter().take(at).find(|other| other.eq_ignore_ascii_case(application));
        if let Some(first) = before {
            let message = format!("application `{}` is listed twice", application.value);
            findings.push(
                Finding::at(Code::RepeatedApplication, application.span, message, "")
                    .and(first.span, "first listed here")
                    .help("remove one of them"),
            );
        }
    }
}

/// Releases of EMR Serverless begin with 6.6.0: <https://docs.aws.amazon.com/emr/latest/EMR-Serverless-UserGuide/release-versions.html>.
pub(in crate::compute) fn serverless_release(release: &Spanned<String>, findings: &mut Findings) {
    match release_of(release) {
        None => findings.push(
            Finding::at(Code::BadRelease, release.span, format!("`{}` is not an EMR release", release.value), "")
                .help("write it as EMR does, such as `emr-7.5.0`"),
        ),
        Some(version) if version < (6, 6) => findings.push(
            Finding::at(
                Code::OldRelease,
                release.span,
                format!("EMR Serverless has no release `{}`", release.value),
                "too old",
            )
            .help("use `emr-6.6.0` or newer"),
        ),
        Some(_) => {}
    }
}

/// Idle time-outs came with 5.30.0 and 6.1.0, after step concurrency (5.28.0):
/// <https://docs.aws.amazon.com/emr/latest/ManagementGuide/emr-auto-termination-policy.html>.
pub(super) fn release(release: &Spanned<String>, findings: &mut Findings) {
    let Some((major, minor)) = release_of(release) else {
        findings.push(
            Finding::at(Code::BadRelease, release.span, format!("`{}` is not an EMR release", release.value), "")
                .help("write it as EMR does, such as `emr-7.5.0`"),
        );
        return;
    };
    if (major, minor) < (5, 30) || (major, minor) == (6, 0) {
        findings.push(
            Finding::at(
                Code::OldRelease,
                release.span,
                format!("`{}` cannot terminate a cluster that is left over", release.value),
                "too old",
            )
            .why("every cluster of dpc has an idle time-out as its last net, and EMR keeps one since 5.30.0 and 6.1.0")
            .help("use `emr-5.30.0`, `emr-6.1.0` or newer"),
        );
    }
}

pub(super) fn instance_type(written: &Spanned<String>, findings: &mut Findings) {
    let well_formed = written.split_once('.').is_some_and(|(family, size)| {
        let plain = |part: &str| part.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-');
        let family_ok = family.starts_with(|c: char| c.is_ascii_lowercase())
            && family.contains(|c: char| c.is_ascii_digit())
            && plain(family);
        let size_ok = size.ends_with("xlarge")
            || size.starts_with("metal")
            || ["nano", "micro", "small", "medium", "large"].contains(&size);
        family_ok && size_ok && plain(size)
    });
    if !well_formed {
        findings.push(
            Finding::at(
                Code::BadInstanceType,
                written.span,
                format!("`{}` is not an EC2 instance type", written.value),
                "",
            )
            .help("write family and size, such as `m6g.xlarge`"),
        );
    }
}

pub(in crate::compute) fn idle_timeout(idle: &Spanned<String>, findings: &mut Findings) {
    let (least, most) = IDLE;
    match Duration::parse(idle) {
        None => findings.push(super::not_a_duration(idle)),
        Some(duration) if duration < least || duration > most => findings.push(
            Finding::at(
                Code::DurationOutOfRange,
                idle.span,
                format!("`idleTimeout` must lie between {least} and {most}"),
                "",
            )
            .why("EMR accepts 60 to 604,800 seconds"),
        ),
        Some(_) => {}
    }
}

/// <https://docs.aws.amazon.com/emr/latest/ManagementGuide/emr-plan-debugging.html>: a bucket and a folder of it.
pub(super) fn log_uri(uri: &Spanned<String>, findings: &mut Findings) {
    let bucket = uri.strip_prefix("s3://").and_then(|rest| rest.split('/').next()).unwrap_or_default();
    if bucket.len() < 3 || !uri.ends_with('/') {
        findings.push(
            Finding::at(Code::BadClusterOption, uri.span, format!("`{}` is not a folder of S3", uri.value), "")
                .help("write `s3://bucket/prefix/`, with a slash at the end, and name it under `access.write` too"),
        );
    }
}
