//! Any YAML, with the place of every part: for what dpc passes on without knowing its keys.

use std::borrow::Cow;
use std::fmt;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::value::{MapAccessDeserializer, SeqAccessDeserializer};
use serde::de::{Deserialize, Deserializer, Error, MapAccess, SeqAccess, Visitor};
use serde_json::Value as Json;

use super::{Span, Spanned, SpannedMap};

/// A value whose keys are not dpc's.
#[derive(Clone, Debug, PartialEq)]
pub enum Tree {
    /// A text, number or boolean, as YAML reads it.
    Scalar(Json),
    /// A list.
    List(Vec<Spanned<Tree>>),
    /// A mapping, in the order written.
    Map(SpannedMap<Spanned<Tree>>),
}

impl Tree {
    /// The same as JSON, in the order written.
    pub fn to_json(&self) -> Json {
        match self {
            Tree::Scalar(value) => value.clone(),
            Tree::List(items) => items.iter().map(|item| item.value.to_json()).collect(),
            Tree::Map(entries) => {
                entries.iter().map(|(key, value)| (key.value.clone(), value.value.to_json())).collect()
            }
        }
    }

    /// Every text in it that is a value, with its place.
    pub fn texts<'a>(&'a self, span: Span, visit: &mut dyn FnMut(&'a str, Span)) {
        match self {
            Tree::Scalar(Json::String(text)) => visit(text, span),
            Tree::Scalar(_) => {}
            Tree::List(items) => items.iter().for_each(|item| item.value.texts(item.span, visit)),
            Tree::Map(entries) => entries.iter().for_each(|(_, value)| value.value.texts(value.span, visit)),
        }
    }

    /// The place of the innermost part that the keys of a path lead to, as far as they lead.
    pub fn place<'k>(&self, span: Span, path: impl IntoIterator<Item = &'k str>) -> Span {
        let (mut at, mut place) = (self, span);
        for key in path {
            let next = match at {
                Tree::Map(entries) => entries.get(key),
                Tree::List(items) => key.parse().ok().and_then(|index: usize| items.get(index)),
                Tree::Scalar(_) => None,
            };
            let Some(next) = next else { break };
            (at, place) = (&next.value, next.span);
        }
        place
    }
}

impl<'de> Deserialize<'de> for Tree {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct TreeVisitor;
        impl<'de> Visitor<'de> for TreeVisitor {
            type Value = Tree;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("any value")
            }
            fn visit_unit<E: Error>(self) -> Result<Tree, E> {
                Ok(Tree::Scalar(Json::Null))
            }
            fn visit_bool<E: Error>(self, value: bool) -> Result<Tree, E> {
                Ok(Tree::Scalar(value.into()))
            }
            fn visit_i64<E: Error>(self, value: i64) -> Result<Tree, E> {
                Ok(Tree::Scalar(value.into()))
            }
            fn visit_f64<E: Error>(self, value: f64) -> Result<Tree, E> {
                Ok(Tree::Scalar(value.into()))
            }
            fn visit_str<E: Error>(self, value: &str) -> Result<Tree, E> {
                Ok(Tree::Scalar(value.into()))
            }
            fn visit_seq<A: SeqAccess<'de>>(self, seq: A) -> Result<Tree, A::Error> {
                Vec::deserialize(SeqAccessDeserializer::new(seq)).map(Tree::List)
            }
            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Tree, A::Error> {
                SpannedMap::deserialize(MapAccessDeserializer::new(map)).map(Tree::Map)
            }
        }
        deserializer.deserialize_any(TreeVisitor)
    }
}

impl JsonSchema for Tree {
    fn inline_schema() -> bool {
        true
    }
    fn schema_name() -> Cow<'static, str> {
        "Any".into()
    }
    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({})
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::Tree;
    use crate::source::{Files, Findings, Spanned, de, yaml};

    fn tree(text: &str) -> (Files, Spanned<Tree>) {
        let mut files = Files::new();
        let file = files.add("pipeline.yaml", text);
        let mut findings = Findings::new();
        let node = yaml::read_tagged(&files, file, &["resources"], &mut findings).expect("it is YAML");
        assert!(findings.is_empty(), "{findings:?}");
        (files, de::from_node(&node).expect("anything is a tree"))
    }

    #[test]
    fn values_keep_their_types_their_order_and_their_places() {
        let (files, tree) = tree("b: [1, 0.5, true, x]\na: { c: '007' }\n");
        assert_eq!(tree.to_json().to_string(), r#"{"b":[1,0.5,true,"x"],"a":{"c":"007"}}"#);
        assert_eq!(files.text_of(tree.place(tree.span, ["a", "c"])), "007");
        assert_eq!(files.text_of(tree.place(tree.span, ["b", "3", "d"])), "x");
    }

    #[test]
    fn short_forms_are_read_as_long_ones() {
        let (files, tree) = tree(
            "resources:\n  a: !Ref Topic\n  b: !GetAtt Topic.TopicArn\n  c: !Sub ['${x}', { x: !Ref Topic }]\n  d: !Join\n    - ''\n    - [a]\n",
        );
        let expected = json!({ "resources": {
            "a": { "Ref": "Topic" },
            "b": { "Fn::GetAtt": ["Topic", "TopicArn"] },
            "c": { "Fn::Sub": ["${x}", { "x": { "Ref": "Topic" } }] },
            "d": { "Fn::Join": ["", ["a"]] },
        } });
        assert_eq!(tree.to_json(), expected);
        assert_eq!(files.text_of(tree.place(tree.span, ["resources", "b", "Fn::GetAtt", "1"])), "TopicArn");
    }

    #[test]
    fn elsewhere_and_unknown_tags_are_refused() {
        for (text, message) in [
            ("name: !Ref Topic\n", "the tag `!Ref` is not supported"),
            ("resources: { a: !Reff Topic }\n", "`!Reff` is no function of CloudFormation"),
            ("resources: { !Ref a: b }\n", "the tag `!Ref` is not supported"),
        ] {
            let mut files = Files::new();
            let file = files.add("pipeline.yaml", text);
            let mut findings = Findings::new();
            yaml::read_tagged(&files, file, &["resources"], &mut findings);
            let messages: Vec<&str> = findings.iter().map(|finding| finding.message.as_str()).collect();
            assert_eq!(messages, [message], "{text}");
        }
    }
}
