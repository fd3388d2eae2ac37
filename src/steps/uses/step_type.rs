//! A step type: what its `type.yaml` says, and whether that makes sense.

use std::collections::BTreeSet;

use schemars::JsonSchema;
use serde::Deserialize;

use super::{finding, schema, with};
use crate::source::schema::hints;
use crate::source::{Code, Findings, Span, Spanned, Tree};
use crate::steps::state::{Permission, check_permissions};
use crate::steps::{any, asl};

/// A kind of step of one's own: states that a step runs, the permissions that they need, and their parameters.
#[derive(Clone, Debug, PartialEq, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct StepType {
    /// Version of the language; 1.
    pub version: Option<Spanned<u32>>,
    /// What it is called in messages: lower-case letters, digits and hyphens, at most 40 characters.
    #[schemars(transform = hints::name)]
    pub name: Spanned<String>,
    /// For people.
    pub description: Option<Spanned<String>>,
    /// A JSON Schema of the parameters, an object. Keys that it does not name are refused.
    #[schemars(extend("type" = "object", "x-dpc-also" = ["params", "parameters", "inputs", "schema"]))]
    pub with: Option<Spanned<Tree>>,
    /// `StartAt` and `States` in the Amazon States Language, JSONata. The parameters are in `$with`; what the last state
    /// returns is the step's output.
    #[schemars(extend("type" = "object", "x-dpc-also" = ["states", "machine"]))]
    pub definition: Spanned<Tree>,
    /// What the state machine's role must be allowed. `${with.name}` in a resource is what a step gives.
    #[serde(default)]
    pub permissions: Vec<Spanned<Permission>>,
}

impl StepType {
    /// What is wrong with it, whoever uses it.
    pub fn check(&self, findings: &mut Findings) {
        if let Some(version) = self.version.as_ref().filter(|version| version.value != 1) {
            findings.push(
                finding(Code::UnknownVersion, version.span, format!("version {} is not known", version.value))
                    .help("write `version: 1`, or leave it out"),
            );
        }
        let known = self.with.as_ref().map(|with| schema::check(with, findings)).unwrap_or_default();
        asl::check_definition(&self.definition, findings);
        any::check_keys(&self.definition.value, findings);
        check_permissions(&self.definition.value, &self.permissions, true, findings);
        for (name, span) in self.read_by_permissions() {
            if !known.contains(&name) {
                findings.push(
                    finding(Code::BadStepType, span, format!("`${{with.{name}}}` is not a parameter of the type"))
                        .help("name a key of `with.properties`"),
                );
            }
        }
        let first = super::FIRST;
        if let Some(span) = asl::state_named(&self.definition.value, first) {
            findings.push(
                finding(Code::BadStepType, span, format!("a state cannot be called `{first}`"))
                    .why("dpc puts the parameters into `$with` in a state of that name")
                    .help("choose another name"),
            );
        }
    }

    /// What is wrong with what a step gives; `place` is where it says that it uses the type.
    pub(super) fn check_use(&self, place: Span, given: Option<&Spanned<Tree>>, findings: &mut Findings) {
        let before = findings.iter().count();
        with::check(self, place, given, findings);
        if findings.iter().count() > before {
            return;
        }
        let filled = with::filled(given.map(|given| &given.value), self.with.as_ref().map(|schema| &schema.value));
        let mut told = BTreeSet::new();
        for (name, span) in self.read_by_permissions() {
            if with::text_of(&filled, &name).is_some() || !told.insert(name.clone()) {
                continue;
            }
            let by = format!("a permission of type `{}` names it", self.name.value);
            let given_here = given.filter(|given| matches!(&given.value, Tree::Map(all) if all.get(&name).is_some()));
            let Some(given_here) = given_here else {
                let message = format!("type `{}` needs `{name}`", self.name.value);
                let help = format!("add `with: {{ {name}: … }}` to the step, or a `default` to the type");
                findings.push(finding(Code::MissingWith, place, message).and(span, by).help(help));
                continue;
            };
            let at = given_here.value.place(given_here.span, [name.as_str()]);
            findings.push(
                finding(Code::BadWith, at, format!("`{name}` decides what the step is allowed"))
                    .and(span, by)
                    .why("permissions are fixed when the pipeline is deployed; this is known when a run starts")
                    .help("write a text without `{{ }}`; `${vars.…}` is possible"),
            );
        }
    }

    /// The parameters that permissions name, with the places.
    fn read_by_permissions(&self) -> Vec<(String, Span)> {
        let texts = self.permissions.iter().flat_map(|permission| permission.texts());
        texts.flat_map(|text| named(text).into_iter().map(|name| (name.to_owned(), text.span))).collect()
    }
}

/// The names in `${with.…}`.
fn named(text: &str) -> Vec<&str> {
    let after = text.split("${with.").skip(1);
    after.filter_map(|rest| rest.split_once('}').map(|(name, _)| name)).collect()
}
