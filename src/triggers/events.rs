//! `events`: an object in S3 or any event of EventBridge, delivered by one rule to the account function.
//!
//! In comes an event as users wrote it; out come findings about its values, what the plan says of it, and the rule. It
//! refuses to know other pipelines: which objects they take instead comes from whoever knows the project.

use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Value, json};

use super::pattern;
use crate::control::plan::{EventPlan, ObjectsPlan};
use crate::control::run::ENVELOPE_VERSION;
use crate::control::{digest, names};
use crate::documents::frame;
use crate::documents::template::{Resource, sub};
use crate::source::schema::hints;
use crate::source::{Code, Finding, Findings, Span, Spanned, Tree};

/// An event that starts the pipeline. Exactly one of `s3` and `pattern`.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schemars(transform = hints::exactly_one(&["s3", "pattern"]))]
pub struct Event {
    /// Objects that are written to a bucket. The bucket must send its events to EventBridge.
    pub s3: Option<Spanned<Objects>>,
    /// Any event pattern of EventBridge: `{ source: [aws.glue], detail-type: [Glue Job State Change] }`.
    #[schemars(extend("x-dpc-also" = ["eventPattern"]))]
    pub pattern: Option<Spanned<Tree>>,
    /// Name of the event bus of this account that a `pattern` is for. Default: the account's default bus.
    #[schemars(extend("x-dpc-also" = ["eventBus", "eventBusName"]))]
    pub bus: Option<Spanned<String>>,
}

/// Objects of a bucket.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Objects {
    /// Name of the bucket.
    pub bucket: Spanned<String>,
    /// What their keys begin with: `incoming/`. Default: anything.
    #[schemars(extend("x-dpc-also" = ["folder", "path"]))]
    pub prefix: Option<Spanned<String>>,
    /// What their keys end with: `.csv`. Default: anything.
    #[schemars(extend("x-dpc-also" = ["extension"]))]
    pub suffix: Option<Spanned<String>>,
}

/// <https://docs.aws.amazon.com/AmazonS3/latest/userguide/object-keys.html>: 1,024 bytes.
const LONGEST_KEY: usize = 1_024;

impl Objects {
    /// The prefix, empty for none.
    pub fn prefix(&self) -> &str {
        self.prefix.as_ref().map_or("", |prefix| prefix.value.as_str())
    }

    /// The suffix, empty for none.
    pub fn suffix(&self) -> &str {
        self.suffix.as_ref().map_or("", |suffix| suffix.value.as_str())
    }

    /// What EventBridge compares the key with. It knows no and for one field, but a wildcard is both ends at once.
    fn key(&self) -> Option<Value> {
        let escaped = |text: &str| text.replace('\\', "\\\\").replace('*', "\\*");
        match (self.prefix(), self.suffix()) {
            ("", "") => None,
            (prefix, "") => Some(json!({ "prefix": prefix })),
            ("", suffix) => Some(json!({ "suffix": suffix })),
            (prefix, suffix) => Some(json!({ "wildcard": format!("{}*{}", escaped(prefix), escaped(suffix)) })),
        }
    }

    /// `{"source": ["aws.s3"], …}`: <https://docs.aws.amazon.com/AmazonS3/latest/userguide/ev-events.html>.
    fn pattern(&self) -> Value {
        let mut detail = json!({ "bucket": { "name": [self.bucket.value] } });
        if let (Some(fields), Some(key)) = (detail.as_object_mut(), self.key()) {
            fields.insert("object".to_owned(), json!({ "key": [key] }));
        }
        json!({ "source": ["aws.s3"], "detail-type": ["Object Created"], "detail": detail })
    }

    fn words(&self) -> String {
        format!("objects written to s3://{}/{}*{}", self.bucket.value, self.prefix(), self.suffix())
    }

    fn check(&self, findings: &mut Findings) {
        let keys =
            self.prefix.iter().map(|text| ("prefix", text)).chain(self.suffix.iter().map(|text| ("suffix", text)));
        for (name, text) in keys {
            if let Some((wrong, help)) = wrong_with_key(name, text) {
                findings.push(
                    Finding::at(Code::BadObjects, text.span, format!("`{name}: {}` {wrong}", text.value), "")
                        .help(help),
                );
            }
        }
    }
}

fn wrong_with_key(name: &str, text: &Spanned<String>) -> Option<(String, String)> {
    let part = text.value.as_str();
    if part.is_empty() {
        return Some(("is empty".to_owned(), "leave it out: every key begins and ends with nothing".to_owned()));
    }
    if part.contains('*') || part.contains('?') {
        let plain = part.replace(['*', '?'], "");
        return Some((
            "holds a wildcard, which it would match letter by letter".to_owned(),
            format!("write `{plain}`"),
        ));
    }
    if let Some(path) = part.strip_prefix("s3://") {
        let key = path.split_once('/').map_or("", |(_, key)| key);
        return Some(("is an address, not a part of a key".to_owned(), format!("write `bucket`, and here `{key}`")));
    }
    if name == "prefix" && part.starts_with('/') {
        let key = part.trim_start_matches('/');
        return Some(("begins with `/`, and keys do not".to_owned(), format!("write `{key}`")));
    }
    if part.len() > LONGEST_KEY {
        let length = part.len();
        return Some((format!("has {length} bytes; a key has at most {LONGEST_KEY}"), "shorten it".to_owned()));
    }
    None
}

impl Event {
    /// Reports values that EventBridge would refuse, and events that `pipeline` causes itself.
    pub fn check(&self, pipeline: &str, findings: &mut Findings) {
        if let Some(objects) = &self.s3 {
            objects.check(findings);
        }
        if let Some(own) = &self.pattern {
            let before = findings.iter().count();
            pattern::check(own, findings);
            if findings.iter().count() == before
                && let Some(cause) = pattern::loops(own, pipeline)
            {
                findings.push(
                    Finding::at(Code::EventLoop, own.span, format!("this pattern takes {cause}"), "")
                        .why("every run would start the next one, without an end")
                        .help("use `executions` to wait for pipelines, or name other state machines in `detail`"),
                );
            }
        }
        if let Some(bus) = &self.bus {
            self.check_bus(bus, findings);
        }
    }

    fn check_bus(&self, bus: &Spanned<String>, findings: &mut Findings) {
        let refused = |message: String| Finding::at(Code::BadBus, bus.span, message, "");
        // https://docs.aws.amazon.com/eventbridge/latest/APIReference/API_CreateEventBus.html
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b'_' | b'/');
        let name = bus.value.as_str();
        if self.s3.is_some() {
            findings.push(
                refused("events of S3 come on the default bus alone".to_owned()).help("remove `bus`, or use `pattern`"),
            );
        } else if name.starts_with("arn:") {
            let last = name.rsplit('/').next().unwrap_or_default();
            findings.push(
                refused(format!("`{name}` is an ARN"))
                    .why("a rule listens on a bus of its own account, where a name is enough")
                    .help(format!("write `bus: {last}`; forward events of another account to a bus of this one")),
            );
        } else if name == "default" {
            findings.push(refused("the default bus needs no name".to_owned()).help("remove `bus`"));
        } else if !(1..=256).contains(&name.len()) || !name.bytes().all(plain) {
            findings.push(
                refused(format!("`{name}` is not the name of an event bus"))
                    .help("use letters, digits, `.`, `-`, `_` and `/`, at most 256"),
            );
        }
    }

    /// Where it is reported.
    pub fn span(&self) -> Option<Span> {
        self.s3.as_ref().map(|objects| objects.span).or_else(|| self.pattern.as_ref().map(|pattern| pattern.span))
    }

    /// The pattern that EventBridge takes; `None` when this is no event, which others report.
    fn rule(&self) -> Option<Rule> {
        let (pattern, words) = match (&self.s3, &self.pattern) {
            (Some(objects), None) => (objects.pattern(), objects.words()),
            (None, Some(pattern)) => {
                let pattern = pattern.to_json();
                let on = self.bus.as_ref().map_or(String::new(), |bus| format!(" on bus {}", bus.value));
                let words = format!("events{on} like {}", shortened(&pattern.to_string()));
                (pattern, words)
            }
            (None, None) | (Some(_), Some(_)) => return None,
        };
        let bus = self.bus.as_ref().map(|bus| bus.value.clone());
        let id = digest::short(&format!("{} {pattern}", bus.as_deref().unwrap_or_default()));
        Some(Rule { id, pattern, bus, words })
    }

    /// The id that the plan knows it by.
    pub fn id(&self) -> Option<String> {
        self.rule().map(|rule| rule.id)
    }

    /// Whether EventBridge would deliver this event, as far as its pattern says.
    pub fn takes(&self, event: &Value) -> bool {
        if let Some(pattern) = &self.pattern {
            return pattern::matches(pattern, event);
        }
        let Some(objects) = &self.s3 else { return false };
        let at = |path: &str| event.pointer(path).and_then(Value::as_str).unwrap_or_default();
        let key = at("/detail/object/key");
        (at("/source"), at("/detail-type")) == ("aws.s3", "Object Created")
            && at("/detail/bucket/name") == objects.bucket.value
            && key.strip_prefix(objects.prefix()).is_some_and(|rest| rest.ends_with(objects.suffix()))
    }

    /// As the plan and the template have it, with the objects that other pipelines take instead.
    pub fn compile(&self, except: Vec<ObjectsPlan>, pipeline: &str, space: &str) -> Option<(EventPlan, Resource)> {
        let rule = self.rule()?;
        let resource = rule.resource(pipeline, space);
        Some((EventPlan { id: rule.id, words: rule.words, except }, resource))
    }
}

/// What one event becomes. Its id depends on what it says and not on where it stands.
struct Rule {
    id: String,
    pattern: Value,
    bus: Option<String>,
    words: String,
}

impl Rule {
    /// The rule that makes an envelope of an event and hands it to the account function.
    fn resource(&self, pipeline: &str, space: &str) -> Resource {
        let mut properties = json!({
            "Name": format!("{}-{}", names::pipeline_resource(pipeline), self.id),
            "Description": format!("Starts {pipeline} through the account function"),
        });
        if let (Some(fields), Some(bus)) = (properties.as_object_mut(), &self.bus) {
            fields.insert("EventBusName".to_owned(), json!(bus));
        }
        let more = json!({
            "EventPattern": self.pattern,
            "State": "ENABLED",
            "Targets": [{
                "Id": "account-function",
                "Arn": sub(names::account_function_arn()),
                "InputTransformer": {
                    "InputPathsMap": { "id": "$.id", "time": "$.time" },
                    "InputTemplate": self.envelope(pipeline, space),
                },
                "RetryPolicy": { "MaximumEventAgeInSeconds": 86_400, "MaximumRetryAttempts": 185 },
                "DeadLetterConfig": { "Arn": sub(names::arn("sqs", names::DEAD_LETTERS)) },
            }],
        });
        if let (Some(fields), Value::Object(more)) = (properties.as_object_mut(), more) {
            fields.extend(more);
        }
        // An event before the account function knows the pipeline would be refused.
        let purpose = format!("The rule for {}", self.words);
        Resource::new("AWS::Events::Rule", purpose, properties).after(frame::REGISTRATION)
    }

    /// What the function gets. `<id>` and `<time>` are the event's, the same for every delivery, and EventBridge puts them
    /// in quotes: <https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-transform-target-input.html>.
    fn envelope(&self, pipeline: &str, space: &str) -> String {
        let fixed = json!({
            "version": ENVELOPE_VERSION, "space": space, "pipeline": pipeline, "source": "event", "trigger": self.id,
        });
        let fixed = fixed.to_string();
        let open = fixed.strip_suffix('}').unwrap_or(&fixed);
        format!("{open},\"key\":<id>,\"eventTime\":<time>,\"event\":<aws.events.event.json>}}")
    }
}

/// As much of a pattern as fits on a line or two.
fn shortened(pattern: &str) -> String {
    const MOST: usize = 160;
    match pattern.char_indices().nth(MOST) {
        Some((end, _)) => format!("{}…", pattern.get(..end).unwrap_or_default()),
        None => pattern.to_owned(),
    }
}

/// The logical id of an event's rule.
pub fn logical_id(plan: &EventPlan) -> String {
    format!("Event{}", plan.id)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::source::{Files, de, yaml};

    fn event(text: &str) -> Event {
        let (mut files, mut findings) = (Files::new(), Findings::new());
        let file = files.add("pipeline.yaml", text);
        let node = yaml::read(&files, file, &mut findings).expect("it is YAML");
        de::from_node(&node).expect("it is an event")
    }

    fn key(text: &str) -> Value {
        let (_, resource) = event(text).compile(Vec::new(), "p", "prod").unwrap();
        resource.properties().pointer("/EventPattern/detail/object/key/0").cloned().unwrap_or_default()
    }

    #[test]
    fn keys_are_compared_as_eventbridge_can() {
        assert_eq!(key("s3: { bucket: b }"), Value::Null);
        assert_eq!(key("s3: { bucket: b, prefix: in/ }"), json!({ "prefix": "in/" }));
        assert_eq!(key("s3: { bucket: b, suffix: .csv }"), json!({ "suffix": ".csv" }));
        assert_eq!(key("s3: { bucket: b, prefix: in/, suffix: .csv }"), json!({ "wildcard": "in/*.csv" }));
        assert_eq!(key(r"s3: { bucket: b, prefix: 'a\b/', suffix: .csv }"), json!({ "wildcard": r"a\\b/*.csv" }));
    }

    #[test]
    fn the_rule_makes_an_envelope() {
        let (plan, resource) = event("s3: { bucket: b, prefix: in/ }").compile(Vec::new(), "p", "prod").unwrap();
        let template = resource.properties().pointer("/Targets/0/InputTransformer/InputTemplate").unwrap();
        let filled = template.as_str().unwrap().replace("<id>", "\"7\"").replace("<time>", "\"2026-11-21T03:00:00Z\"");
        let filled = filled.replace("<aws.events.event.json>", "{\"detail\":{}}");
        let envelope: crate::control::run::Envelope = serde_json::from_str(&filled).unwrap();
        assert_eq!((envelope.key.as_str(), envelope.trigger.as_deref()), ("7", Some(plan.id.as_str())));
        assert_eq!(envelope.event, Some(json!({ "detail": {} })));
    }

    #[test]
    fn an_id_stands_for_pattern_and_bus() {
        let id = |text: &str| event(text).rule().unwrap().id;
        assert_eq!(id("s3: { bucket: b }"), id("s3: {bucket: \"b\"}"));
        assert_ne!(id("pattern: { source: [a] }"), id("{ pattern: { source: [a] }, bus: mine }"));
    }

    #[test]
    fn objects_of_another_pipeline_are_known_by_their_key() {
        let except =
            vec![ObjectsPlan { prefix: "in/orders/".into(), suffix: ".csv".into(), pipeline: "orders".into() }];
        let (plan, _) = event("s3: { bucket: b, prefix: in/ }").compile(except, "p", "prod").unwrap();
        let taken = |key: &str| plan.taken_by(&json!({ "detail": { "object": { "key": key } } })).map(str::to_owned);
        assert_eq!(taken("in/orders/1.csv"), Some("orders".to_owned()));
        assert_eq!(taken("in/orders/1.json"), None);
        assert_eq!(taken("in/x.csv"), None);
    }
}
