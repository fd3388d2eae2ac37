//! `uses`: a step type of one's own or one's organisation's, from a folder with a `type.yaml`.
//!
//! In come a type (a definition in the Amazon States Language, the permissions that it needs, a schema of its parameters)
//! and what a step gives it; out come the states in a branch of their own, which read the parameters as `$with`. It
//! refuses to know where the type was read, and what the step's neighbours do.

mod schema;
mod step_type;
mod with;

use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::value::MapAccessDeserializer;
use serde::de::{Deserialize, Deserializer, Error, MapAccess, Visitor};
use serde_json::{Map, Value, json};

use super::state::{of_account, of_step};
use super::{Bench, Kind, KindOfStep, Output, RunsOn, Tree, Work, asl};
use crate::documents::states::{Enclosed, code};
use crate::source::{self, Finding, Findings, Span, Spanned};

pub use step_type::StepType;

/// A step type, and what a step gives it.
#[derive(Clone, Debug, PartialEq)]
pub struct Uses {
    /// A path from the file that says it, or `s3://bucket/key.tar.gz`.
    pub place: Spanned<String>,
    /// What the archive must be.
    pub sha256: Option<Spanned<String>>,
    /// What the step gives.
    pub with: Option<Spanned<source::Tree>>,
    /// The type; `None` while nobody has read it, and when it cannot be read.
    pub step_type: Option<Arc<StepType>>,
}

/// The long form.
#[derive(serde::Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct LongUses {
    /// A path from this file, or `s3://bucket/key.tar.gz`.
    #[schemars(extend("x-dpc-also" = ["path", "uri", "source", "from"]))]
    r#type: Spanned<String>,
    /// SHA-256 of the archive: 64 hexadecimal digits. Required for `s3://`.
    #[schemars(extend("x-dpc-also" = ["digest", "checksum", "hash"]))]
    sha256: Option<Spanned<String>>,
}

/// See [`super::KINDS`].
pub const KIND: KindOfStep = KindOfStep { key: "uses", templates: &[], integrations: &[] };

/// The state that puts the parameters into `$with`.
const FIRST: &str = "with";

impl<'de> Deserialize<'de> for Uses {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct EitherVisitor;
        impl<'de> Visitor<'de> for EitherVisitor {
            type Value = Uses;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("the path of a step type, or a mapping with type and sha256")
            }
            fn visit_str<E: Error>(self, text: &str) -> Result<Uses, E> {
                let nowhere = Span { file: source::FileId::from_index(0), start: 0, end: 0 };
                let place = Spanned::new(text.to_owned(), nowhere);
                Ok(Uses { place, sha256: None, with: None, step_type: None })
            }
            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Uses, A::Error> {
                let LongUses { r#type, sha256 } = LongUses::deserialize(MapAccessDeserializer::new(map))?;
                Ok(Uses { place: r#type, sha256, with: None, step_type: None })
            }
        }
        deserializer.deserialize_any(EitherVisitor)
    }
}

impl JsonSchema for Uses {
    fn inline_schema() -> bool {
        true
    }
    fn schema_name() -> Cow<'static, str> {
        "Uses".into()
    }
    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        json_schema!({ "anyOf": [{ "type": "string" }, generator.subschema_for::<LongUses>()] })
    }
}

impl Uses {
    /// What the step gives, and what the type has for the rest.
    fn given(&self, step_type: &StepType) -> source::Tree {
        let given = self.with.as_ref().map(|with| &with.value);
        with::filled(given, step_type.with.as_ref().map(|schema| &schema.value))
    }
}

impl Kind for Uses {
    fn check(&self, findings: &mut Findings) {
        let Some(step_type) = &self.step_type else { return };
        step_type.check_use(self.place.span, self.with.as_ref(), findings);
    }

    fn runs_on(&self) -> RunsOn {
        RunsOn::Nothing
    }

    fn output(&self) -> Output {
        Output::Result("$states.result[0]")
    }

    fn texts(&self) -> Vec<&Spanned<String>> {
        Vec::new()
    }

    fn values(&self) -> Vec<&Spanned<source::Tree>> {
        self.with.iter().collect()
    }

    fn work(&self, bench: &mut Bench<'_>) -> Option<Work> {
        let step_type = self.step_type.as_ref()?;
        let with = self.given(step_type);
        let fixed = |name: &str| with::text_of(&with, name);
        for (at, permission) in step_type.permissions.iter().enumerate() {
            bench.statements.push(permission.statement(of_step(bench.step, at), &fixed));
        }
        let mut names = vec![asl::prefixed(bench.step, FIRST)];
        let definition = asl::renamed(&step_type.definition.value, bench.step, &mut names);
        let with = bench.typed("with", Tree::from(&with));
        let Value::Object(mut branch) = bench.value("definition", of_account(Tree::from(&definition))) else {
            return None;
        };
        branch.retain(|key, _| key != "Comment");
        let next = branch.insert("StartAt".to_owned(), json!(names.first()))?;
        let first = json!({ "Type": "Pass", "Assign": { "with": with }, "Output": {}, "Next": next });
        let states = branch.get_mut("States")?.as_object_mut()?;
        let rest = std::mem::take(states);
        *states = Map::from_iter(names.first().map(|name| (name.clone(), first)).into_iter().chain(rest));
        Some(Work::Enclosed(Box::new(Enclosed::new(Value::Object(branch), names, json!(code("$states.input"))))))
    }
}

fn finding(code: source::Code, span: Span, message: impl Into<String>) -> Finding {
    Finding::at(code, span, message, "")
}
