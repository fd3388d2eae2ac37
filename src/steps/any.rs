//! Values of any shape: what users write below keys that are not dpc's, such as the payload of a function.
//!
//! In comes YAML with its places; out come trees whose texts are users' templates, and findings about what
//! CloudFormation would read as its own. It refuses to know what a value is for.

use serde_json::{Value, json};

use super::{Argument, Tree};
use crate::documents::states::code;
use crate::source::{self, Code, Finding, Findings, Span, Spanned};

impl From<&source::Tree> for Tree {
    fn from(written: &source::Tree) -> Self {
        match written {
            // JSONata of the user's own, which only the states of the user's own may hold.
            source::Tree::Scalar(Value::String(text)) if text.starts_with("{%") => Tree::Fixed(json!(text)),
            source::Tree::Scalar(Value::String(text)) => Tree::Text(Argument::Users(text.clone())),
            // CloudFormation takes no null in a template.
            source::Tree::Scalar(Value::Null) => Tree::Fixed(json!(code("null"))),
            source::Tree::Scalar(value) => Tree::Fixed(value.clone()),
            source::Tree::List(items) => Tree::List(items.iter().map(|item| (&item.value).into()).collect()),
            source::Tree::Map(entries) => {
                Tree::Map(entries.iter().map(|(key, value)| (key.value.clone(), (&value.value).into())).collect())
            }
        }
    }
}

/// Every text of a value, with its place.
pub(super) fn texts(value: &Spanned<source::Tree>) -> Vec<Spanned<&str>> {
    let mut texts = Vec::new();
    value.value.texts(value.span, &mut |text, span| texts.push(Spanned::new(text, span)));
    texts
}

/// Reports keys that CloudFormation would not leave alone: a definition is part of a template, in which `Ref` and `Fn::…`
/// are functions wherever they stand, and `${…}` is replaced:
/// <https://docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference/intrinsic-function-reference.html>.
pub(super) fn check_keys(value: &source::Tree, findings: &mut Findings) {
    match value {
        source::Tree::Scalar(_) => {}
        source::Tree::List(items) => items.iter().for_each(|item| check_keys(&item.value, findings)),
        source::Tree::Map(entries) => {
            for (key, value) in entries.iter() {
                let alone = entries.len() == 1;
                let function = key.starts_with("Fn::") || (alone && key.value == "Ref");
                if function || key.contains("${") || key.contains("{{") {
                    findings.push(foreign(key, key.span));
                }
                check_keys(&value.value, findings);
            }
        }
    }
}

fn foreign(key: &str, span: Span) -> Finding {
    let finding = Finding::at(Code::ForeignKey, span, format!("`{key}` cannot be a key here"), "");
    if key.contains("{{") {
        return finding
            .why("templates are rendered in values; a key is fixed when the pipeline is deployed")
            .help("write a list of mappings instead: `- { name: \"{{ … }}\", value: … }`");
    }
    finding
        .why("the value becomes part of a CloudFormation template, where this would be replaced")
        .help("choose another key; a value such as a bucket comes from `${vars.name}`")
}
