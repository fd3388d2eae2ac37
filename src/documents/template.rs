//! A CloudFormation template: resources in the order added, each with its purpose in words.
//!
//! The order is the order of the bytes, and the purpose is what a deployment prints beside a resource's progress.

use std::borrow::Cow;

use serde::ser::{Serialize, SerializeMap, Serializer};
use serde_json::{Map, Value, json};

use super::Count;

/// A template under construction.
#[derive(Clone, Debug, PartialEq)]
pub struct Template {
    description: String,
    metadata: Map<String, Value>,
    resources: Vec<(String, Resource)>,
    /// The whole of it, once users have changed it; resources are parts of it then.
    whole: Option<Value>,
}

/// One resource.
#[derive(Clone, Debug, PartialEq)]
pub struct Resource {
    kind: Cow<'static, str>,
    purpose: String,
    metadata: Map<String, Value>,
    depends_on: Vec<String>,
    disposable: bool,
    properties: Value,
    /// The whole of it, when a user wrote or changed it.
    whole: Option<Value>,
}

impl Resource {
    /// A resource of a CloudFormation type; `purpose` is a short phrase that says what it is for.
    pub fn new(kind: &'static str, purpose: impl Into<String>, properties: Value) -> Self {
        Self {
            kind: Cow::Borrowed(kind),
            purpose: purpose.into(),
            metadata: Map::new(),
            depends_on: Vec::new(),
            disposable: false,
            properties,
            whole: None,
        }
    }

    /// A resource as it stands in a template. Its purpose is what its metadata says, or its logical id.
    pub fn whole(logical_id: &str, resource: Value) -> Self {
        let text = |pointer: &str| resource.pointer(pointer).and_then(Value::as_str).map(str::to_owned);
        Self {
            kind: Cow::Owned(text("/Type").unwrap_or_default()),
            purpose: text("/Metadata/dpc/purpose").unwrap_or_else(|| format!("The resource `{logical_id}`")),
            metadata: Map::new(),
            depends_on: Vec::new(),
            disposable: false,
            properties: resource.get("Properties").cloned().unwrap_or_else(|| json!({})),
            whole: Some(resource),
        }
    }

    /// Created after, and deleted before, another resource that no property refers to.
    #[must_use]
    pub fn after(mut self, logical_id: impl Into<String>) -> Self {
        self.depends_on.push(logical_id.into());
        self
    }

    /// Deleted with its stack, said aloud because it holds data.
    #[must_use]
    pub fn disposable(mut self) -> Self {
        self.disposable = true;
        self
    }

    /// With a further entry in its `dpc` metadata.
    #[must_use]
    pub fn note(mut self, key: &str, value: Value) -> Self {
        self.metadata.insert(key.to_owned(), value);
        self
    }

    /// Its CloudFormation type.
    pub fn kind(&self) -> &str {
        &self.kind
    }

    /// What it is for.
    pub fn purpose(&self) -> &str {
        &self.purpose
    }

    /// Its properties.
    pub fn properties(&self) -> &Value {
        &self.properties
    }

    /// The resource as it stands in the template.
    pub fn to_value(&self) -> Value {
        serde_json::to_value(self).expect("a resource is printable")
    }
}

impl Serialize for Resource {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if let Some(whole) = &self.whole {
            return whole.serialize(serializer);
        }
        let mut dpc = Map::new();
        dpc.insert("purpose".to_owned(), json!(self.purpose));
        dpc.extend(self.metadata.clone());
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("Type", &self.kind)?;
        map.serialize_entry("Metadata", &json!({ "dpc": dpc }))?;
        if !self.depends_on.is_empty() {
            map.serialize_entry("DependsOn", &self.depends_on)?;
        }
        if self.disposable {
            map.serialize_entry("DeletionPolicy", "Delete")?;
            map.serialize_entry("UpdateReplacePolicy", "Delete")?;
        }
        if !self.properties.is_null() {
            map.serialize_entry("Properties", &self.properties)?;
        }
        map.end()
    }
}

impl Template {
    /// An empty template.
    pub fn new(description: impl Into<String>) -> Self {
        Self { description: description.into(), metadata: Map::new(), resources: Vec::new(), whole: None }
    }

    /// A template that users have changed.
    pub fn whole(template: Value) -> Self {
        let resources = template.get("Resources").and_then(Value::as_object).into_iter().flatten();
        let resources = resources.map(|(id, resource)| (id.clone(), Resource::whole(id, resource.clone()))).collect();
        let description = template.get("Description").and_then(Value::as_str).unwrap_or_default().to_owned();
        Self { description, metadata: Map::new(), resources, whole: Some(template) }
    }

    /// Adds an entry to the template's own `dpc` metadata.
    pub fn note(&mut self, key: &str, value: Value) {
        self.metadata.insert(key.to_owned(), value);
    }

    /// Adds a resource. Logical ids are made from checked names, so a second one of a name is a mistake of dpc's.
    pub fn add(&mut self, logical_id: impl Into<String>, resource: Resource) {
        let logical_id = logical_id.into();
        debug_assert!(self.get(&logical_id).is_none(), "logical id {logical_id} is used twice");
        // A template that is one value already is printed as that value.
        let resources = self.whole.as_mut().and_then(|whole| whole.get_mut("Resources")).and_then(Value::as_object_mut);
        if let Some(resources) = resources {
            resources.insert(logical_id.clone(), resource.to_value());
        }
        self.resources.push((logical_id, resource));
    }

    /// Resources in the order added.
    pub fn resources(&self) -> impl Iterator<Item = (&str, &Resource)> {
        self.resources.iter().map(|(id, resource)| (id.as_str(), resource))
    }

    /// The resource with this logical id.
    pub fn get(&self, logical_id: &str) -> Option<&Resource> {
        self.resources.iter().find(|(id, _)| id == logical_id).map(|(_, resource)| resource)
    }

    /// What a logical id is for, if it is one of this template's.
    pub fn purpose(&self, logical_id: &str) -> Option<&str> {
        self.get(logical_id).map(Resource::purpose)
    }

    /// The template as a value.
    pub fn to_value(&self) -> Value {
        serde_json::to_value(self).expect("a template is printable")
    }

    /// The template as text: two spaces, a newline at the end, the same bytes for the same input.
    pub fn to_json(&self) -> String {
        let mut text = serde_json::to_string_pretty(self).expect("a template is printable");
        text.push('\n');
        text
    }

    /// How many bytes [`Template::to_json`] has.
    pub fn size(&self) -> usize {
        let mut count = Count::default();
        serde_json::to_writer_pretty(&mut count, self).expect("a template is printable");
        count.0 + 1
    }
}

impl Serialize for Template {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        struct Resources<'a>(&'a [(String, Resource)]);
        impl Serialize for Resources<'_> {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_map(self.0.iter().map(|(id, resource)| (id, resource)))
            }
        }
        if let Some(whole) = &self.whole {
            return whole.serialize(serializer);
        }
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("AWSTemplateFormatVersion", "2010-09-09")?;
        map.serialize_entry("Description", &self.description)?;
        if !self.metadata.is_empty() {
            map.serialize_entry("Metadata", &json!({ "dpc": self.metadata }))?;
        }
        map.serialize_entry("Resources", &Resources(&self.resources))?;
        map.end()
    }
}

/// `{"Ref": …}`.
pub fn reference(logical_id: &str) -> Value {
    json!({ "Ref": logical_id })
}

/// `{"Fn::GetAtt": […]}`.
pub fn attribute(logical_id: &str, name: &str) -> Value {
    json!({ "Fn::GetAtt": [logical_id, name] })
}

/// `{"Fn::Sub": …}` of text in which only dpc's own `${AWS::…}` may stand: escape what users wrote with [`verbatim`].
pub fn sub(text: impl Into<String>) -> Value {
    let text = text.into();
    // Nothing to put in: linters ask why.
    if !text.contains("${") {
        return json!(text);
    }
    json!({ "Fn::Sub": text })
}

/// Text of a user's, safe inside [`sub`]: `${` becomes `${!`, which CloudFormation prints as `${`.
pub fn verbatim(text: &str) -> String {
    text.replace("${", "${!")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prints_in_the_order_added_and_without_nulls() {
        let mut template = Template::new("Two resources");
        template.add("B", Resource::new("AWS::SNS::Topic", "Announces", json!({ "TopicName": "b" })).after("A"));
        template.add("A", Resource::new("AWS::Logs::LogGroup", "Logs", json!({})).disposable());
        let text = template.to_json();
        assert!(text.find("\"B\"") < text.find("\"A\""));
        assert!(!text.contains("null"));
        assert!(text.ends_with("}\n"));
        assert_eq!(text.matches("DeletionPolicy").count(), 1);
    }

    #[test]
    fn what_is_added_to_a_whole_template_is_in_it() {
        let mut template = Template::whole(json!({ "Resources": { "A": { "Type": "AWS::SNS::Topic" } } }));
        template.add("B", Resource::new("AWS::SNS::Topic", "Announces", json!({})));
        assert_eq!(template.to_value().pointer("/Resources/B/Type"), Some(&json!("AWS::SNS::Topic")));
        assert!(template.get("B").is_some());
    }

    #[test]
    fn users_text_is_never_substituted() {
        assert_eq!(verbatim("echo ${HOME} ${AWS::AccountId}"), "echo ${!HOME} ${!AWS::AccountId}");
    }
}
