//! `shell`: a command, run in the unpacked folder of the pipeline on the primary node of an EMR cluster or in a container.

use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::Value;

use super::{Bench, Kind, KindOfStep, Output, RunsOn, Work, runner};
use crate::compute::ecs::{Container, Ecs};
use crate::compute::{Host, emr};
use crate::documents::states::Task;
use crate::source::{Code, Finding, Findings, Span, Spanned, SpannedMap};

/// Runs a command in the unpacked pipeline folder.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Shell {
    /// Program and arguments, a list: no shell reads them unless you name one. `{{ }}` is rendered when a run starts.
    pub command: Spanned<Vec<Spanned<String>>>,
    /// Environment variables of the command. Values may hold `{{ }}`; secrets belong into `access.secrets`.
    #[serde(default)]
    #[schemars(schema_with = "crate::source::spanned::scalars")]
    pub environment: SpannedMap<Spanned<String>>,
}

/// See [`super::KINDS`].
pub const KIND: KindOfStep =
    KindOfStep { key: "shell", templates: &["command.[]", "environment.*"], integrations: &[] };

impl Kind for Shell {
    fn check(&self, findings: &mut Findings) {
        let program = self.command.value.first();
        if program.is_none_or(|program| program.trim().is_empty()) {
            let span = program.map_or(self.command.span, |program| program.span);
            findings.push(
                Finding::at(Code::EmptyCommand, span, "`command` names no program", "")
                    .help("write program and arguments as a list, such as `[\"bash\", \"src/publish.sh\"]`"),
            );
        }
        for (key, _) in self.environment.iter() {
            check_variable(key, key.span, findings);
        }
    }

    fn runs_on(&self) -> RunsOn {
        RunsOn::OneOf(&["emr", "ecs"])
    }

    fn output(&self) -> Output {
        Output::File
    }

    fn texts(&self) -> Vec<&Spanned<String>> {
        self.command.value.iter().chain(self.environment.iter().map(|(_, value)| value)).collect()
    }

    fn work(&self, bench: &mut Bench<'_>) -> Option<Work> {
        let environment: Vec<_> =
            self.environment.iter().map(|(key, value)| (key.value.clone(), value.value.clone())).collect();
        let command = self.command.value.iter().map(|word| word.value.clone()).collect();
        let arguments = runner::arguments(bench, &environment, command);
        let (profile, compute) = bench.profile?;
        let arguments = bench.command("args", arguments);
        if let Some(ecs) = &compute.ecs {
            return Self::in_container(ecs, arguments, bench).map(|task| Work::Task(Box::new(task)));
        }
        let _emr = compute.emr.as_ref()?;
        bench.hosts.push(Host::Ec2);
        Some(Work::Task(Box::new(emr::run_script(bench.step, profile, arguments))))
    }
}

/// What a container runs: it fetches the script that is its first argument, and becomes that script with the others. The
/// line is the same for every step, and nothing is put into it.
const FETCH: &str =
    "set -eu; script=$(mktemp); aws s3 cp --only-show-errors \"$1\" \"$script\"; shift; exec bash \"$script\" \"$@\"";

impl Shell {
    /// The command in a container of the profile's image; `None` if it names none, which a rule reports.
    fn in_container(ecs: &Ecs, arguments: Value, bench: &mut Bench<'_>) -> Option<Task> {
        let container = Container {
            pipeline: bench.pipeline,
            step: bench.step,
            profile: Some(ecs),
            image: ecs.image.as_ref()?,
            entrypoint: Some(["bash", "-c", FETCH, "dpc"].map(str::to_owned).to_vec()),
            size: (None, None),
            secrets: Vec::new(),
            tags: bench.tags,
        };
        bench.hosts.push(Host::Ecs);
        bench.resources.push((container.logical_id(), container.definition()));
        bench.statements.extend(container.statements());
        Some(container.task(Some(arguments), Vec::new()))
    }
}

pub(super) fn check_variable(name: &str, span: Span, findings: &mut Findings) {
    let well_formed = name.starts_with(|first: char| first.is_ascii_alphabetic() || first == '_')
        && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
    if !well_formed {
        findings.push(
            Finding::at(Code::BadVariableName, span, format!("`{name}` is not a name for an environment variable"), "")
                .help("use letters, digits and `_`, and start with no digit"),
        );
    } else if name.starts_with("DPC_") {
        findings.push(
            Finding::at(Code::BadVariableName, span, format!("`{name}` is dpc's own"), "")
                .why("variables that start with `DPC_` tell a step which run it works for")
                .help("choose another name"),
        );
    }
}
