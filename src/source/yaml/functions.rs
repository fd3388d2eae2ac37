//! CloudFormation's short forms, `!Ref Topic`, read as their long ones, `Ref: Topic`.
//!
//! In come a tag and the node that it stands before; out comes the mapping of one key that the tag abbreviates. It
//! refuses to know where such tags may stand and what they mean.

use crate::source::node::{Entry, Key, Kind, Node, Scalar, Value};
use crate::source::{Span, suggest};

/// The tags, and the keys that they stand for:
/// <https://docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference/intrinsic-function-reference.html>.
const FUNCTIONS: [(&str, &str); 19] = [
    ("!Ref", "Ref"),
    ("!Condition", "Condition"),
    ("!GetAtt", "Fn::GetAtt"),
    ("!Sub", "Fn::Sub"),
    ("!Join", "Fn::Join"),
    ("!Split", "Fn::Split"),
    ("!Select", "Fn::Select"),
    ("!Base64", "Fn::Base64"),
    ("!Cidr", "Fn::Cidr"),
    ("!FindInMap", "Fn::FindInMap"),
    ("!GetAZs", "Fn::GetAZs"),
    ("!ImportValue", "Fn::ImportValue"),
    ("!Length", "Fn::Length"),
    ("!ToJsonString", "Fn::ToJsonString"),
    ("!If", "Fn::If"),
    ("!Equals", "Fn::Equals"),
    ("!Not", "Fn::Not"),
    ("!And", "Fn::And"),
    ("!Or", "Fn::Or"),
];

/// A tag that stands before a node.
#[derive(Clone, Copy, Debug)]
pub(super) struct Function {
    name: &'static str,
    span: Span,
}

impl Function {
    /// What a tag abbreviates, if it is one of CloudFormation's.
    pub fn of(tag: &str, span: Span) -> Option<Self> {
        FUNCTIONS.iter().find(|(short, _)| *short == tag).map(|(_, name)| Self { name, span })
    }

    /// The long form of a tagged node.
    pub fn of_node(self, mut node: Node) -> Node {
        let whole = Span::new(node.span.file, self.span.start as usize, node.span.end as usize);
        if self.name == "Fn::GetAtt" {
            split(&mut node);
        }
        let key = Key { text: self.name.to_owned(), span: self.span };
        Node { span: whole, value: Value::Map(vec![Entry { key, value: node }]) }
    }
}

/// The tag that was probably meant.
pub(super) fn near(tag: &str) -> Option<&'static str> {
    suggest::near(tag, FUNCTIONS.iter().map(|(short, _)| *short))
}

/// `Topic.TopicArn` becomes `[Topic, TopicArn]`: the text is a form of YAML templates only, and templates are JSON.
fn split(node: &mut Node) {
    let Value::Scalar(Scalar { text, kind: Kind::Text, .. }) = &node.value else { return };
    let Some((id, attribute)) = text.split_once('.') else { return };
    let at = |start: usize, end: usize| node.span.part(text, start..end);
    let items = vec![Node::text(id, at(0, id.len())), Node::text(attribute, at(id.len() + 1, text.len()))];
    node.value = Value::List(items);
}
