//! Configurations of applications: classifications with properties, some of which are secrets.
//!
//! In come classifications; out come `Configurations` of RunJobFlow, the names of the secrets in them, and findings. It
//! refuses to know a secret's value: EMR fetches it with the role of the service while nodes start, and its own
//! description of the cluster shows the ARN. <https://docs.aws.amazon.com/emr/latest/ReleaseGuide/storing-sensitive-data.html>

use std::borrow::Cow;
use std::fmt;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::value::MapAccessDeserializer;
use serde::de::{Deserialize, Deserializer, Error, MapAccess, Visitor};
use serde_json::{Map, Value, json};

use crate::documents::{frame, states};
use crate::source::{Code, Finding, Findings, Spanned, SpannedMap};

/// One classification.
#[derive(Clone, Debug, serde::Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Configuration {
    /// Which file of which application: `spark-defaults`, `hive-site`, `yarn-site`.
    pub classification: Spanned<String>,
    /// What stands in it. A value is a text, or `{ secret: name }` for one that Secrets Manager holds.
    #[serde(default)]
    pub properties: SpannedMap<Property>,
    /// Classifications inside it: `export` in `spark-env`.
    #[serde(default)]
    pub configurations: Vec<Configuration>,
}

/// The value of a property.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Property {
    /// As it is.
    Plain(String),
    /// What Secrets Manager holds under this name.
    Secret(Spanned<String>),
}

/// The long form.
#[derive(serde::Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct SecretProperty {
    /// Name of a secret of Secrets Manager that holds plain text.
    secret: Spanned<String>,
}

impl<'de> Deserialize<'de> for Property {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct EitherVisitor;
        impl<'de> Visitor<'de> for EitherVisitor {
            type Value = Property;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a text, or a mapping with secret")
            }
            fn visit_str<E: Error>(self, text: &str) -> Result<Property, E> {
                Ok(Property::Plain(text.to_owned()))
            }
            fn visit_bool<E: Error>(self, value: bool) -> Result<Property, E> {
                Ok(Property::Plain(value.to_string()))
            }
            fn visit_i64<E: Error>(self, value: i64) -> Result<Property, E> {
                Ok(Property::Plain(value.to_string()))
            }
            fn visit_f64<E: Error>(self, value: f64) -> Result<Property, E> {
                // Debug keeps the `.0` of 1.0.
                Ok(Property::Plain(format!("{value:?}")))
            }
            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Property, A::Error> {
                let long = SecretProperty::deserialize(MapAccessDeserializer::new(map))?;
                Ok(Property::Secret(long.secret))
            }
        }
        deserializer.deserialize_any(EitherVisitor)
    }
}

impl JsonSchema for Property {
    fn inline_schema() -> bool {
        true
    }
    fn schema_name() -> Cow<'static, str> {
        "Property".into()
    }
    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let long = generator.subschema_for::<SecretProperty>();
        json_schema!({ "anyOf": [{ "type": ["string", "number", "boolean"] }, long] })
    }
}

/// How names of properties end whose values are secrets.
const SECRET_ENDINGS: [&str; 7] =
    ["password", "passwd", "passphrase", "secret", "secret-key", "secret.key", "secretkey"];

/// EMR's own mark of a property whose value is the ARN of a secret.
const MARK: &str = "EMR.secret@";

/// The most that key and value of a secret may have together: the page above.
const LONGEST_KEY: usize = 1_024;

/// Reports configurations that EMR would refuse, and secrets written as text.
pub(super) fn check(configurations: &[Spanned<Configuration>], findings: &mut Findings) {
    let all: Vec<&Configuration> = configurations.iter().map(|configuration| &configuration.value).collect();
    check_level(&all, findings);
}

fn check_level(configurations: &[&Configuration], findings: &mut Findings) {
    for (at, configuration) in configurations.iter().enumerate() {
        configuration.check(findings);
        let same = |other: &&&Configuration| *other.classification == *configuration.classification;
        if let Some(first) = configurations.iter().take(at).find(same) {
            let message = format!("classification `{}` is written twice", configuration.classification.value);
            findings.push(
                Finding::at(Code::BadConfiguration, configuration.classification.span, message, "")
                    .and(first.classification.span, "first written here")
                    .why("EMR refuses a classification that is repeated at one level")
                    .help("put all of its `properties` into one"),
            );
        }
        check_level(&configuration.configurations.iter().collect::<Vec<_>>(), findings);
    }
}

impl Configuration {
    fn check(&self, findings: &mut Findings) {
        let name = &self.classification;
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
        if name.is_empty() || !name.bytes().all(plain) {
            let message = format!("`{}` is not a classification", name.value);
            findings.push(
                Finding::at(Code::BadConfiguration, name.span, message, "")
                    .help("write it as EMR does, such as `spark-defaults` or `hive-site`"),
            );
        }
        for (key, property) in self.properties.iter() {
            check_property(key, property, findings);
        }
    }
}

fn check_property(key: &Spanned<String>, property: &Property, findings: &mut Findings) {
    if let Some(bare) = key.strip_prefix(MARK) {
        let secret = match property {
            Property::Plain(arn) => arn.rsplit(':').next().unwrap_or_default().to_owned(),
            Property::Secret(name) => name.value.clone(),
        };
        findings.push(
            Finding::at(Code::BadConfiguration, key.span, format!("`{MARK}` is written by dpc"), "")
                .why("the ARN of a secret holds an account number, and a template holds none")
                .help(format!("write `{bare}: {{ secret: {secret} }}`")),
        );
        return;
    }
    match property {
        Property::Secret(name) => {
            check_secret_name(name, findings);
            if key.len() >= LONGEST_KEY {
                let message = format!("the name of this property has {} characters", key.len());
                findings.push(
                    Finding::at(Code::BadConfiguration, key.span, message, "")
                        .why("EMR takes 1,024 characters for the name of a property and its secret together"),
                );
            }
        }
        Property::Plain(text) if is_secret(key, text) => findings.push(
            Finding::at(Code::PlainSecretProperty, key.span, format!("`{}` holds a secret as text", key.value), "")
                .why("it would stand in the repository, in the template and in EMR's description of the cluster")
                .help(format!(
                    "put it into Secrets Manager as plain text, and write `{}: {{ secret: its-name }}`",
                    key.value
                )),
        ),
        Property::Plain(_) => {}
    }
}

/// Whether a text is a secret by its property's name. A path and a reference to another property are none.
fn is_secret(key: &str, text: &str) -> bool {
    let lower = key.to_ascii_lowercase();
    let reference = text.is_empty() || text.contains('/') || text.contains("${") || text.starts_with("jceks:");
    !reference && SECRET_ENDINGS.iter().any(|ending| lower.ends_with(ending))
}

/// <https://docs.aws.amazon.com/secretsmanager/latest/apireference/API_CreateSecret.html>
pub fn check_secret_name(name: &Spanned<String>, findings: &mut Findings) {
    let allowed = |letter: char| letter.is_ascii_alphanumeric() || "/_+=.@-".contains(letter);
    let refused = |wrong: &str| Finding::at(Code::BadSecretName, name.span, format!("`{}` {wrong}", name.value), "");
    if name.starts_with("arn:") {
        let short = name.rsplit(':').next().unwrap_or_default();
        let short = short.rsplit_once('-').filter(|(_, random)| random.len() == 6).map_or(short, |(name, _)| name);
        findings.push(
            refused("is an ARN")
                .why("templates hold no account number")
                .help(format!("write the secret's name: `{short}`")),
        );
    } else if name.is_empty() || name.len() > 512 || !name.chars().all(allowed) {
        findings.push(
            refused("is not the name of a secret")
                .why("names of secrets have 1 to 512 letters, digits and `/ _ + = . @ -`")
                .help("write the name that Secrets Manager shows"),
        );
    }
}

/// `Configurations`.
pub(super) fn values<'a>(configurations: impl Iterator<Item = &'a Configuration>) -> Vec<Value> {
    configurations.map(value).collect()
}

fn value(configuration: &Configuration) -> Value {
    let properties = configuration.properties.iter().map(|(key, property)| match property {
        Property::Plain(text) => (key.value.clone(), json!(states::text(text))),
        Property::Secret(name) => {
            let arn = format!("{}{}", frame::substitution(frame::SECRET_ARNS), name.value);
            (format!("{MARK}{}", key.value), json!(arn))
        }
    });
    let mut value = Map::new();
    value.insert("Classification".to_owned(), json!(configuration.classification.value));
    value.insert("Properties".to_owned(), Value::Object(properties.collect()));
    if !configuration.configurations.is_empty() {
        value.insert("Configurations".to_owned(), json!(values(configuration.configurations.iter())));
    }
    Value::Object(value)
}

/// The names of all secrets in them.
pub(super) fn secrets<'a>(configurations: impl Iterator<Item = &'a Configuration>) -> Vec<&'a Spanned<String>> {
    let mut found = Vec::new();
    for configuration in configurations {
        found.extend(configuration.properties.iter().filter_map(|(_, property)| match property {
            Property::Secret(name) => Some(name),
            Property::Plain(_) => None,
        }));
        found.extend(secrets(configuration.configurations.iter()));
    }
    found
}

#[cfg(test)]
mod tests {
    use super::is_secret;

    #[test]
    fn passwords_are_known_by_the_name_of_their_property() {
        assert!(is_secret("javax.jdo.option.ConnectionPassword", "hunter2"));
        assert!(is_secret("fs.s3a.secret.key", "abc"));
        assert!(!is_secret("javax.jdo.option.ConnectionUserName", "hive"));
        assert!(!is_secret("ssl.key.password", "/etc/password"));
        assert!(!is_secret("hive.metastore.password", "${other}"));
    }
}
