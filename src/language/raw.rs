//! What a manifest says in CloudFormation's words: resources of its own, and changes of the generated template.
//!
//! In comes YAML; out come values with the place of every part. Nothing here is judged.

use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Map, Value};

use crate::source::{Span, Spanned, Tree};

/// A CloudFormation resource, passed on as it is.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
pub struct RawResource {
    /// Its type: `AWS::S3::Bucket`.
    #[serde(rename = "Type")]
    pub kind: Spanned<String>,
    /// Name of a condition, which an override adds.
    pub condition: Option<Spanned<Tree>>,
    /// Logical ids of resources that are made before it.
    #[serde(default)]
    #[schemars(schema_with = "one_or_many_texts")]
    pub depends_on: Option<Spanned<Tree>>,
    /// For people and tools.
    #[serde(default)]
    #[schemars(schema_with = "mapping")]
    pub metadata: Option<Spanned<Tree>>,
    /// What CloudFormation waits for.
    #[serde(default)]
    #[schemars(schema_with = "mapping")]
    pub creation_policy: Option<Spanned<Tree>>,
    /// How it is updated.
    #[serde(default)]
    #[schemars(schema_with = "mapping")]
    pub update_policy: Option<Spanned<Tree>>,
    /// What becomes of it with its stack: Delete, Retain, RetainExceptOnCreate or Snapshot.
    pub deletion_policy: Option<Spanned<DeletionPolicy>>,
    /// What becomes of it when it is replaced: Delete, Retain or Snapshot.
    pub update_replace_policy: Option<Spanned<UpdateReplacePolicy>>,
    /// What its type takes.
    #[serde(default)]
    #[schemars(schema_with = "mapping")]
    pub properties: Option<Spanned<Tree>>,
}

/// <https://docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference/aws-attribute-deletionpolicy.html>
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[schemars(inline)]
pub enum DeletionPolicy {
    /// It is deleted.
    Delete,
    /// It stays.
    Retain,
    /// It stays, unless the stack that made it could not be made.
    RetainExceptOnCreate,
    /// It is deleted once a snapshot was taken.
    Snapshot,
}

/// <https://docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference/aws-attribute-updatereplacepolicy.html>
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[schemars(inline)]
pub enum UpdateReplacePolicy {
    /// The old one is deleted.
    Delete,
    /// The old one stays.
    Retain,
    /// The old one is deleted once a snapshot was taken.
    Snapshot,
}

impl RawResource {
    /// Its parts that are written in CloudFormation's words, each with its key.
    pub fn parts(&self) -> impl Iterator<Item = (&'static str, &Spanned<Tree>)> {
        [
            ("Condition", &self.condition),
            ("DependsOn", &self.depends_on),
            ("Metadata", &self.metadata),
            ("CreationPolicy", &self.creation_policy),
            ("UpdatePolicy", &self.update_policy),
            ("Properties", &self.properties),
        ]
        .into_iter()
        .filter_map(|(key, part)| Some((key, part.as_ref()?)))
    }

    /// The resource as CloudFormation takes it.
    pub fn to_json(&self) -> Value {
        let word = |policy: String| Value::String(policy);
        let mut all = Map::new();
        all.insert("Type".to_owned(), Value::String(self.kind.value.clone()));
        let mut parts: Vec<(&str, Value)> = self.parts().map(|(key, part)| (key, part.value.to_json())).collect();
        let policies = [
            ("DeletionPolicy", self.deletion_policy.as_ref().map(|policy| word(format!("{:?}", policy.value)))),
            (
                "UpdateReplacePolicy",
                self.update_replace_policy.as_ref().map(|policy| word(format!("{:?}", policy.value))),
            ),
        ];
        let before_properties = parts.iter().position(|(key, _)| *key == "Properties").unwrap_or(parts.len());
        let policies = policies.into_iter().filter_map(|(key, value)| Some((key, value?)));
        parts.splice(before_properties..before_properties, policies);
        all.extend(parts.into_iter().map(|(key, value)| (key.to_owned(), value)));
        Value::Object(all)
    }

    /// The place of what a path inside the resource leads to: `Properties`, `TopicName`.
    pub fn place<'k>(&self, path: impl IntoIterator<Item = &'k str>) -> Option<Span> {
        let mut path = path.into_iter();
        let first = path.next()?;
        let (_, part) = self.parts().find(|(key, _)| *key == first)?;
        Some(part.value.place(part.span, path))
    }
}

/// One operation of RFC 6902 on the generated template.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Override {
    /// add, remove, replace, move, copy or test.
    pub op: Spanned<Op>,
    /// What is changed, as a JSON pointer into the template: `/Resources/LogGroup/Properties/RetentionInDays`.
    pub path: Spanned<String>,
    /// For move and copy: where the value comes from.
    pub from: Option<Spanned<String>>,
    /// For add, replace and test: the value.
    pub value: Option<Spanned<Tree>>,
}

/// The operations of RFC 6902.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(inline)]
pub enum Op {
    /// Puts a value into a mapping or a list.
    Add,
    /// Takes a value out.
    Remove,
    /// Puts a value in the place of another.
    Replace,
    /// Puts a value elsewhere.
    Move,
    /// Puts a value elsewhere too.
    Copy,
    /// Demands that a value is this one.
    Test,
}

impl Op {
    /// As written.
    pub fn word(self) -> &'static str {
        match self {
            Op::Add => "add",
            Op::Remove => "remove",
            Op::Replace => "replace",
            Op::Move => "move",
            Op::Copy => "copy",
            Op::Test => "test",
        }
    }
}

fn mapping(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
    schemars::json_schema!({ "type": "object" })
}

fn one_or_many_texts(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
    schemars::json_schema!({ "anyOf": [{ "type": "string" }, { "type": "array", "items": { "type": "string" } }] })
}
