//! The script that runs a step's command on a cluster, and the arguments that it takes.
//!
//! It fetches the pipeline's archive, checks and unpacks it, and runs the command in it. Nothing that a user wrote is
//! ever read by a shell: the command is the tail of the argument list, run as `"$@"`.

use super::{Argument, Bench};
use crate::control::{digest, names};

/// The script itself.
pub const SCRIPT: &str = include_str!("../../templates/runner/step.sh");

/// Its SHA-256, in hexadecimal: its name in the bucket.
pub fn sha256() -> String {
    digest::sha256(SCRIPT)
}

/// The arguments that run `command` with `environment`.
pub fn arguments(bench: &Bench<'_>, environment: &[(String, String)], command: Vec<String>) -> Vec<Argument> {
    let in_bucket = |key: String| Argument::Own(format!("s3://{}/{key}", names::BUCKET));
    let own = |text: &str| Argument::Own(text.to_owned());
    let mut arguments = vec![
        in_bucket(names::runner_key(&sha256())),
        own("--archive"),
        in_bucket(names::artifact_key(bench.pipeline, bench.archive)),
        own("--sha256"),
        own(bench.archive),
        own("--step"),
        own(bench.step),
        own("--run"),
        own("{{ run.id }}"),
        own("--env"),
        Argument::Own(format!("DPC_PIPELINE={}", bench.pipeline)),
        own("--env"),
        own("DPC_PARTITION={{ run.partition }}"),
    ];
    for (key, value) in environment {
        arguments.extend([own("--env"), Argument::Users(format!("{key}={value}"))]);
    }
    if let Some(folder) = bench.folder {
        arguments.extend([own("--in"), own(folder)]);
    }
    if bench.wants_output {
        let item = if bench.siblings.is_some() { "/{{ map.index }}" } else { "" };
        let prefix = names::logs_prefix(bench.pipeline);
        let key = format!("{prefix}outputs/{{{{ run.id }}}}/{}{item}.json", bench.step);
        arguments.extend([own("--output"), in_bucket(key)]);
    }
    arguments.push(own("--"));
    arguments.extend(command.into_iter().map(Argument::Users));
    arguments
}
