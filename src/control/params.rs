//! Parameters: what they are declared to be, and values that fit.
//!
//! In come declarations as the plan holds them and values as callers give them, often as text; out come typed values, or
//! what does not fit, in words. It refuses to know who asks and where the values go.

use serde::Deserialize;
use serde_json::{Map, Number, Value};

use super::plan::ParamPlan;
use crate::source::suggest;

/// The type of a parameter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Type {
    /// Any text.
    String,
    /// A whole number of 64 bits.
    Int,
    /// A number.
    Number,
    /// true or false.
    Bool,
    /// A day: `2026-11-21`.
    Date,
    /// Several values of one type.
    List,
    /// One of the texts in `values`.
    Enum,
}

impl Type {
    /// All of them.
    pub const ALL: [Type; 7] = [Type::String, Type::Int, Type::Number, Type::Bool, Type::Date, Type::List, Type::Enum];

    /// As written in `type`.
    pub fn as_str(self) -> &'static str {
        match self {
            Type::String => "string",
            Type::Int => "int",
            Type::Number => "number",
            Type::Bool => "bool",
            Type::Date => "date",
            Type::List => "list",
            Type::Enum => "enum",
        }
    }

    /// The type of this name.
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == name)
    }

    /// Whether it may be the type of a list's items.
    pub fn is_plain(self) -> bool {
        !matches!(self, Type::List | Type::Enum)
    }

    /// A value that fits, as typed on a command line.
    pub fn example(self) -> &'static str {
        match self {
            Type::String | Type::Enum => "text",
            Type::Int => "42",
            Type::Number => "0.5",
            Type::Bool => "true",
            Type::Date => "2026-11-21",
            Type::List => "a,b,c",
        }
    }
}

/// What a parameter is declared to be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Declared {
    /// Its type.
    pub kind: Type,
    /// The type of a list's items.
    pub items: Type,
    /// What an enum may be.
    pub values: Vec<String>,
}

impl Declared {
    /// The declaration in a plan; `None` for a type that is not known.
    pub fn of_plan(plan: &ParamPlan) -> Option<Self> {
        let items = plan.items.as_deref().map_or(Some(Type::String), Type::parse)?;
        Some(Self { kind: Type::parse(&plan.r#type)?, items, values: plan.values.clone() })
    }

    /// `list of int`, for messages.
    pub fn words(&self) -> String {
        match self.kind {
            Type::List => format!("a list of {}", self.items.as_str()),
            Type::Enum => format!("one of {}", self.values.join(", ")),
            kind => format!("of type {}", kind.as_str()),
        }
    }

    /// A value that fits.
    pub fn example(&self) -> String {
        match (self.kind, self.values.first()) {
            (Type::Enum, Some(first)) => first.clone(),
            (Type::List, _) if self.items != Type::String => format!("{0},{0}", self.items.example()),
            (kind, _) => kind.example().to_owned(),
        }
    }

    /// The value as what it is declared to be, also when it comes as text: a list is then separated by commas, or JSON.
    ///
    /// # Errors
    /// A value that does not fit.
    pub fn typed(&self, value: &Value) -> Result<Value, String> {
        let refused = || format!("{} is not {}", quoted(value), self.words());
        match self.kind {
            Type::List => {
                let items = match value {
                    Value::Array(items) => items.clone(),
                    Value::String(text) if text.trim_start().starts_with('[') => {
                        serde_json::from_str(text).map_err(|_| refused())?
                    }
                    Value::String(text) if text.trim().is_empty() => Vec::new(),
                    Value::String(text) => text.split(',').map(|item| Value::from(item.trim())).collect(),
                    _ => return Err(refused()),
                };
                let of_list = |item: &Value| plain(self.items, item).ok_or_else(refused);
                items.iter().map(of_list).collect()
            }
            Type::Enum => {
                let text = plain(Type::String, value).ok_or_else(refused)?;
                let known = |text: &str| self.values.iter().any(|value| value == text);
                match text.as_str() {
                    Some(word) if known(word) => Ok(text),
                    Some(word) => Err(match suggest::near(word, self.values.iter().map(String::as_str)) {
                        Some(near) => format!("{}; did you mean `{near}`?", refused()),
                        None => refused(),
                    }),
                    None => Err(refused()),
                }
            }
            kind => plain(kind, value).ok_or_else(refused),
        }
    }
}

fn quoted(value: &Value) -> String {
    match value {
        Value::String(text) => format!("`{text}`"),
        other => format!("`{other}`"),
    }
}

fn plain(kind: Type, value: &Value) -> Option<Value> {
    let text = value.as_str();
    match kind {
        Type::String => match value {
            Value::String(_) => Some(value.clone()),
            Value::Number(_) | Value::Bool(_) => Some(Value::String(value.to_string())),
            _ => None,
        },
        Type::Int => value.as_i64().or_else(|| text?.parse().ok()).map(Value::from),
        Type::Number => {
            let number = value.as_f64().or_else(|| text?.parse().ok())?;
            Number::from_f64(number).map(Value::Number)
        }
        Type::Bool => value.as_bool().or_else(|| text?.parse().ok()).map(Value::Bool),
        Type::Date => {
            let date = text?.parse::<jiff::civil::Date>().ok().filter(|_| text.is_some_and(|text| text.len() == 10))?;
            Some(Value::String(date.to_string()))
        }
        Type::List | Type::Enum => None,
    }
}

/// Why given values do not fit the parameters that are declared.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Misfit {
    /// What is wrong.
    pub message: String,
    /// Why.
    pub why: Option<String>,
    /// What to type.
    pub help: String,
}

/// What the caller gave, typed. What has a default or need not be there may be missing.
///
/// # Errors
/// A name that is not declared, a value that does not fit, a value that is missing.
pub fn given(
    pipeline: &str,
    declared: &Map<String, Value>,
    given: &Map<String, Value>,
) -> Result<Map<String, Value>, Misfit> {
    if let Some(misfit) = unknown(pipeline, declared, given) {
        return Err(misfit);
    }
    let mut values = Map::new();
    for (name, plan) in declared {
        let plan = read(pipeline, name, plan)?;
        match given.get(name) {
            Some(value) => {
                let declared = known(pipeline, name, &plan)?;
                let typed = declared.typed(value).map_err(|words| Misfit {
                    message: format!("parameter `{name}` of pipeline `{pipeline}`: {words}"),
                    why: None,
                    help: format!("give a value such as `{name}={}`", declared.example()),
                })?;
                values.insert(name.clone(), typed);
            }
            None if plan.default.is_some() || !plan.is_required() => {}
            None => {
                return Err(Misfit {
                    message: format!("parameter `{name}` of pipeline `{pipeline}` has no value"),
                    why: Some("it has no default in `pipeline.yaml`, and the caller gave none".to_owned()),
                    help: format!("give it with `--param {name}=…`, or declare a default"),
                });
            }
        }
    }
    Ok(values)
}

/// What `given` left out, by the defaults; `render` makes of a text with `{{ }}` what it stands for.
///
/// # Errors
/// A default that cannot be rendered, or does not fit then.
pub fn defaults(
    pipeline: &str,
    declared: &Map<String, Value>,
    mut values: Map<String, Value>,
    render: impl Fn(&Value) -> Result<Value, String>,
) -> Result<Map<String, Value>, Misfit> {
    for (name, plan) in declared.iter().filter(|(name, _)| !values.contains_key(*name)).collect::<Vec<_>>() {
        let plan = read(pipeline, name, plan)?;
        let Some(default) = &plan.default else { continue };
        let declared = known(pipeline, name, &plan)?;
        let typed = render(default).and_then(|value| declared.typed(&value)).map_err(|words| Misfit {
            message: format!("the default of parameter `{name}` of pipeline `{pipeline}`: {words}"),
            why: None,
            help: format!("give a value with `--param {name}={}`, or mend the default", declared.example()),
        })?;
        values.insert(name.clone(), typed);
    }
    Ok(values)
}

fn read(pipeline: &str, name: &str, plan: &Value) -> Result<ParamPlan, Misfit> {
    ParamPlan::deserialize(plan).map_err(|error| not_known(pipeline, name, &error.to_string()))
}

fn known(pipeline: &str, name: &str, plan: &ParamPlan) -> Result<Declared, Misfit> {
    Declared::of_plan(plan).ok_or_else(|| not_known(pipeline, name, &plan.r#type))
}

fn not_known(pipeline: &str, name: &str, what: &str) -> Misfit {
    Misfit {
        message: format!("parameter `{name}` of `{pipeline}` is declared in a way that is not known: {what}"),
        why: None,
        help: "deploy the pipeline again with this version of dpc".to_owned(),
    }
}

/// A value for a parameter that the pipeline does not declare.
fn unknown(pipeline: &str, declared: &Map<String, Value>, given: &Map<String, Value>) -> Option<Misfit> {
    let unknown = given.keys().find(|name| !declared.contains_key(*name))?;
    let known: Vec<String> = declared.keys().map(|name| format!("`{name}`")).collect();
    let known = known.join(", ");
    let help = match suggest::near(unknown, declared.keys().map(String::as_str)) {
        _ if known.is_empty() => "it has none".to_owned(),
        Some(near) => format!("did you mean `{near}`? It has {known}"),
        None => format!("it has {known}"),
    };
    Some(Misfit { message: format!("pipeline `{pipeline}` has no parameter `{unknown}`"), why: None, help })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn declared(kind: Type) -> Declared {
        Declared { kind, items: Type::String, values: vec!["de".to_owned(), "fr".to_owned()] }
    }

    fn typed(kind: Type, value: &Value) -> Option<Value> {
        declared(kind).typed(value).ok()
    }

    #[test]
    fn text_becomes_what_its_type_says() {
        assert_eq!(typed(Type::Int, &json!("10")), Some(json!(10)));
        assert_eq!(typed(Type::Int, &json!("1.5")), None);
        assert_eq!(typed(Type::Number, &json!("1.5")), Some(json!(1.5)));
        assert_eq!(typed(Type::Number, &json!("NaN")), None);
        assert_eq!(typed(Type::Bool, &json!("true")), Some(json!(true)));
        assert_eq!(typed(Type::Bool, &json!("yes")), None);
        assert_eq!(typed(Type::Date, &json!("2026-02-30")), None);
        assert_eq!(typed(Type::Date, &json!("20260228")), None);
        assert_eq!(typed(Type::Date, &json!("2026-02-28")), Some(json!("2026-02-28")));
        assert_eq!(typed(Type::String, &json!(7)), Some(json!("7")));
        assert_eq!(typed(Type::Enum, &json!("de")), Some(json!("de")));
        let words = declared(Type::Enum).typed(&json!("d")).unwrap_err();
        assert_eq!(words, "`d` is not one of de, fr; did you mean `de`?");
    }

    #[test]
    fn lists_come_as_lists_as_json_and_with_commas() {
        let list = |items: Type, value: Value| {
            let declared = Declared { kind: Type::List, items, values: Vec::new() };
            declared.typed(&value)
        };
        assert_eq!(list(Type::String, json!("de, fr")), Ok(json!(["de", "fr"])));
        assert_eq!(list(Type::Int, json!("[1, 2]")), Ok(json!([1, 2])));
        assert_eq!(list(Type::Int, json!(["1", 2])), Ok(json!([1, 2])));
        assert_eq!(list(Type::Date, json!("")), Ok(json!([])));
        assert_eq!(list(Type::Int, json!("1,x")), Err("`1,x` is not a list of int".to_owned()));
        assert!(list(Type::Int, json!(7)).is_err());
    }

    #[test]
    fn a_misspelt_parameter_is_recognised() {
        let params = json!({ "sample": { "type": "number", "default": "0.25" }, "rows": { "type": "int" } });
        let params = params.as_object().expect("it is an object").clone();
        let help = |name: &str| {
            let values = [(name.to_owned(), json!("1"))].into_iter().collect();
            given("report", &params, &values).expect_err("it is not declared").help
        };
        assert_eq!(help("sampel"), "did you mean `sample`? It has `sample`, `rows`");
        assert_eq!(help("colour"), "it has `sample`, `rows`");
        let one = [("rows".to_owned(), json!("1"))].into_iter().collect();
        assert_eq!(given("report", &params, &one), Ok([("rows".to_owned(), json!(1))].into_iter().collect()));
        let all = defaults("report", &params, Map::new(), |value| Ok(value.clone()));
        assert_eq!(all, Ok([("sample".to_owned(), json!(0.25))].into_iter().collect()));
    }
}
