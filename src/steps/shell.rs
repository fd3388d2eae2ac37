//! `shell`: a command, run in the unpacked folder of the pipeline on the primary node of an EMR cluster.

use schemars::JsonSchema;
use serde::Deserialize;

use super::{Bench, Kind, KindOfStep, Output, RunsOn, Work, runner};
use crate::compute::emr;
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
        RunsOn::OneOf(&["emr"])
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
        let (profile, _) = bench.profile.filter(|(_, compute)| compute.emr.is_some())?;
        let arguments = bench.command("args", arguments);
        Some(Work::Task(Box::new(emr::run_script(bench.step, profile, arguments))))
    }
}

fn check_variable(name: &str, span: Span, findings: &mut Findings) {
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
