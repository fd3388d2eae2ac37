//! `pipeline`: a run of another pipeline, started through the one door, and waited for with a task token.
//!
//! Failures: `dpc.NotStarted` says that the door refused, and why; `dpc.RunFailed`, `dpc.RunTimedOut`, `dpc.RunAborted` and
//! `dpc.RunSkipped` (another run took its place in the queue) how the run ended. A run that its own `when` skipped is a success.

use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::{Argument, Bench, Kind, KindOfStep, Output, RunsOn, Tree, Work, any};
use crate::control::names;
use crate::control::run::ENVELOPE_VERSION;
use crate::documents::integration::Integration;
use crate::documents::policy::Statement;
use crate::documents::states::{code, quoted};
use crate::documents::template::sub;
use crate::source::schema::hints;
use crate::source::{self, Findings, Spanned, SpannedMap};

/// Starts a run of another pipeline and waits for its end.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct PipelineStep {
    /// Name of the pipeline, of this account and space.
    pub name: Spanned<String>,
    /// The partition that it shall produce: `{{ run.partition }}`. Default: the run's own.
    pub partition: Option<Spanned<String>>,
    /// Values for its `params`. Texts may hold `{{ }}`.
    #[serde(default)]
    pub params: SpannedMap<Spanned<source::Tree>>,
    /// Whether to wait for the run's end, and fail if it fails. Default true.
    #[schemars(transform = hints::default(true))]
    pub wait: Option<Spanned<bool>>,
}

/// See [`super::KINDS`].
pub const KIND: KindOfStep =
    KindOfStep { key: "pipeline", templates: &["partition", "params.**"], integrations: &[START_AND_WAIT] };

/// <https://docs.aws.amazon.com/step-functions/latest/dg/connect-to-resource.html#connect-wait-token>. Without a token it is
/// the integration of `lambda`.
const START_AND_WAIT: Integration = Integration {
    name: "lambda:invoke.waitForTaskToken",
    required: &["FunctionName", "Payload"],
    optional: &[],
    permissions: |_| Vec::new(),
};

impl PipelineStep {
    /// Whether the step waits for the run's end.
    pub fn waits(&self) -> bool {
        self.wait.as_ref().is_none_or(|wait| wait.value)
    }
}

impl Kind for PipelineStep {
    fn check(&self, findings: &mut Findings) {
        for (_, value) in self.params.iter() {
            any::check_keys(&value.value, findings);
        }
    }

    fn runs_on(&self) -> RunsOn {
        RunsOn::Nothing
    }

    fn output(&self) -> Output {
        Output::Result(if self.waits() {
            "$states.result"
        } else {
            "{\"run\": $states.result.Payload.run, \"status\": $states.result.Payload.status}"
        })
    }

    fn texts(&self) -> Vec<&Spanned<String>> {
        self.partition.iter().collect()
    }

    fn values(&self) -> Vec<&Spanned<source::Tree>> {
        self.params.iter().map(|(_, value)| value).collect()
    }

    fn work(&self, bench: &mut Bench<'_>) -> Option<Work> {
        let arguments = Map::from_iter([
            ("FunctionName".to_owned(), json!(names::ACCOUNT_FUNCTION)),
            ("Payload".to_owned(), self.envelope(bench)),
        ]);
        let function = sub(names::account_function_arn());
        bench.statements.push(Statement::allow("StartPipelines", &["lambda:InvokeFunction"]).on(function));
        let integration = if self.waits() { START_AND_WAIT } else { super::lambda::INVOKE };
        let mut task = integration.task(arguments);
        // Of Lambda's hiccups, the one that has surely started nothing.
        task.retry.push(super::lambda::hiccups(&["Lambda.TooManyRequestsException"]));
        Some(Work::Task(Box::new(task)))
    }
}

impl PipelineStep {
    /// What the account function reads. Its key makes it one run a try of the step, however often Lambda delivers it.
    fn envelope(&self, bench: &mut Bench<'_>) -> Value {
        let index = if bench.siblings.is_some() { " & \"/\" & $string($index)" } else { "" };
        let key = format!(
            "$input.run.execution & {}{index} & \"/\" & $states.context.Execution.RedriveCount & \"/\" & \
             $states.context.State.RetryCount",
            quoted(&format!("/{}", bench.step))
        );
        let mut envelope = Map::from_iter([
            ("version".to_owned(), json!(ENVELOPE_VERSION)),
            ("space".to_owned(), json!(code("$input.run.space"))),
            ("pipeline".to_owned(), json!(self.name.value)),
            ("source".to_owned(), json!("pipeline")),
            ("key".to_owned(), json!(code(&key))),
            ("parent".to_owned(), json!(code("$input.run.execution"))),
        ]);
        if self.waits() {
            envelope.insert("taskToken".to_owned(), json!(code("$states.context.Task.Token")));
        }
        if let Some(partition) = &self.partition {
            let text = Argument::Users(partition.value.clone());
            envelope.extend(bench.texts("partition", vec![("partition".to_owned(), text)]));
        }
        if !self.params.is_empty() {
            let given = self.params.iter().map(|(name, value)| (name.value.clone(), Tree::from(&value.value)));
            envelope.insert("params".to_owned(), bench.typed("params", Tree::Map(given.collect())));
        }
        Value::Object(envelope)
    }
}
