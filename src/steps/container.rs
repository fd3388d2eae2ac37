//! `container`: an image of your own, run on Fargate; its exit code says whether the step has succeeded.
//!
//! dpc brings nothing into the image: no script and no folder, so there is no `$DPC_OUTPUT`. What the container is told
//! travels as its command and its environment.

use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Value, json};

use super::shell::check_variable;
use super::{Argument, Bench, Kind, KindOfStep, Output, RunsOn, Tree, Work};
use crate::compute::{Host, ecs};
use crate::control::render::late;
use crate::documents::states::code;
use crate::source::{Code, Finding, Findings, Spanned, SpannedMap};

/// Runs an image on Fargate.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Container {
    /// The image, with a tag or a digest.
    pub image: Spanned<String>,
    /// Arguments of the image's entry point; `{{ }}` is rendered when a run starts. Default: the image's own.
    #[serde(default)]
    pub command: Vec<Spanned<String>>,
    /// Program in place of the image's entry point, the same in every run.
    #[serde(default)]
    pub entrypoint: Vec<Spanned<String>>,
    /// Processors: 0.25, 0.5, 1, 2, 4, 8 or 16. Default: the profile's, else 1.
    #[schemars(extend("x-dpc-also" = ["vcpu", "cpus"]))]
    pub cpu: Option<Spanned<f64>>,
    /// Memory in GB. Default: the profile's, else the least that goes with `cpu`.
    pub memory: Option<Spanned<f64>>,
    /// Environment variables; values may hold `{{ }}`.
    #[serde(default)]
    #[schemars(schema_with = "crate::source::spanned::scalars")]
    pub environment: SpannedMap<Spanned<String>>,
    /// Environment variables whose values are secrets: the name of a Secrets Manager secret (`name:key` for one key of
    /// it), its ARN, or `ssm:/path` of a parameter.
    #[serde(default)]
    pub secrets: SpannedMap<Spanned<String>>,
}

/// See [`super::KINDS`].
pub const KIND: KindOfStep =
    KindOfStep { key: "container", templates: &["command.[]", "environment.*"], integrations: &[] };

impl Kind for Container {
    fn check(&self, findings: &mut Findings) {
        ecs::check_image(&self.image, findings);
        for (name, _) in self.environment.iter().chain(self.secrets.iter()) {
            check_variable(name, name.span, findings);
        }
        for (name, secret) in self.secrets.iter() {
            if let Some((other, _)) = self.environment.iter().find(|(other, _)| other.value == name.value) {
                let message = format!("`{}` is a variable and a secret", name.value);
                findings.push(
                    Finding::at(Code::BadContainer, name.span, message, "a secret")
                        .and(other.span, "a variable")
                        .why("ECS takes each name once")
                        .help("remove one of them"),
                );
            }
            if ecs::Secret::parse(name, secret).is_none() {
                findings.push(
                    Finding::at(Code::BadSecretName, secret.span, format!("`{}` names no secret", secret.value), "")
                        .why("a secret is named, never written: ECS fetches its value when the container starts")
                        .help("write the name of a secret, `name:key`, its ARN without a version, or `ssm:/path`"),
                );
            }
        }
    }

    fn runs_on(&self) -> RunsOn {
        RunsOn::MaybeOneOf(&["ecs"])
    }

    fn output(&self) -> Output {
        Output::None
    }

    fn texts(&self) -> Vec<&Spanned<String>> {
        self.command.iter().chain(self.environment.iter().map(|(_, value)| value)).collect()
    }

    fn work(&self, bench: &mut Bench<'_>) -> Option<Work> {
        let words = |words: &[Spanned<String>]| words.iter().map(|word| word.value.clone()).collect::<Vec<_>>();
        let secrets: Vec<_> =
            self.secrets.iter().filter_map(|(name, secret)| ecs::Secret::parse(name, secret)).collect();
        let container = ecs::Container {
            pipeline: bench.pipeline,
            step: bench.step,
            profile: bench.profile.and_then(|(_, compute)| compute.ecs.as_ref()).map(|ecs| &ecs.value),
            image: &self.image,
            entrypoint: Some(words(&self.entrypoint)).filter(|words| !words.is_empty()),
            size: (self.cpu.as_ref(), self.memory.as_ref()),
            secrets: secrets.clone(),
            tags: bench.tags,
        };
        let command = words(&self.command).into_iter().map(Argument::Users).collect::<Vec<_>>();
        let command = (!command.is_empty()).then(|| bench.words("args", command));
        let environment = self.variables(bench);
        bench.hosts.push(Host::Ecs);
        bench.resources.push((container.logical_id(), container.definition()));
        bench.statements.extend(container.statements());
        bench.secrets.extend(secrets);
        Some(Work::Task(Box::new(container.task(command, environment))))
    }
}

impl Container {
    /// What the container is told: which run it works for, and the user's own. ECS takes texts alone.
    fn variables(&self, bench: &mut Bench<'_>) -> Vec<(String, Value)> {
        let own = [
            ("DPC_PIPELINE", bench.pipeline),
            ("DPC_STEP", bench.step),
            ("DPC_RUN", "{{ run.id }}"),
            ("DPC_PARTITION", "{{ run.partition }}"),
        ];
        let own = own.map(|(name, value)| (name.to_owned(), Argument::Own(value.to_owned())));
        let users =
            self.environment.iter().map(|(name, value)| (name.value.clone(), Argument::Users(value.value.clone())));
        let all: Vec<(String, Argument)> = own.into_iter().chain(users).collect();
        let late: Vec<bool> = all.iter().map(|(_, value)| !late::of(value.text()).is_empty()).collect();
        let tree = all.into_iter().map(|(name, value)| (name, Tree::Text(value))).collect();
        let Value::Object(values) = bench.value("environment", Tree::Map(tree)) else { return Vec::new() };
        let text = |(value, late): (Value, bool)| match value.as_str().and_then(expression).filter(|_| late) {
            Some(expression) => json!(code(&format!("$string({expression})"))),
            None => value,
        };
        let mut variables: Vec<(String, Value)> =
            values.into_iter().zip(late).map(|((name, value), late)| (name, text((value, late)))).collect();
        if bench.retried {
            let attempt = code("$string($states.context.State.RetryCount + 1)");
            variables.push(("DPC_ATTEMPT".to_owned(), json!(attempt)));
        }
        variables
    }
}

/// What stands in `{% %}`.
fn expression(text: &str) -> Option<&str> {
    text.strip_prefix("{%")?.strip_suffix("%}").map(str::trim)
}
