//! The parameters of a run: what the caller gave, with the plan's defaults, each of its type.
//!
//! In come the plan's declarations and given values; out come typed values for templates, or what does not fit. It
//! refuses to know where the values go.

use serde::Deserialize;
use serde_json::{Map, Number, Value};

use crate::control::plan::{ParamPlan, Plan};
use crate::source::{Code, Finding, suggest};

/// Every parameter of the plan with its value.
///
/// # Errors
/// A value of the wrong type, a name that is not declared, a value that is missing.
pub fn resolve(plan: &Plan, given: &Map<String, Value>) -> Result<Map<String, Value>, Box<Finding>> {
    let pipeline = &plan.pipeline;
    let refused = |message: String| Finding::new(Code::BadParams, message);
    if let Some(finding) = unknown(pipeline, &plan.params, given) {
        return Err(Box::new(finding));
    }
    let mut values = Map::new();
    for (name, declared) in &plan.params {
        let declared = ParamPlan::deserialize(declared).map_err(|error| {
            Box::new(refused(format!(
                "parameter `{name}` of `{pipeline}` is declared in a way that is not known: {error}"
            )))
        })?;
        let default = declared.default.map(Value::String);
        let Some(value) = given.get(name).or(default.as_ref()) else {
            let finding = refused(format!("parameter `{name}` of pipeline `{pipeline}` has no value"));
            let finding = finding.why("it has no default in `pipeline.yaml`, and the caller gave none");
            return Err(Box::new(finding.help(format!("give it with `--param {name}=…`, or declare a default"))));
        };
        let typed = typed(&declared.r#type, value).ok_or_else(|| {
            let message =
                format!("parameter `{name}` of pipeline `{pipeline}` is not of type `{}`: {value}", declared.r#type);
            Box::new(refused(message).help(format!("give a value such as `{name}={}`", example(&declared.r#type))))
        })?;
        values.insert(name.clone(), typed);
    }
    Ok(values)
}

/// A value for a parameter that the pipeline does not declare.
fn unknown(pipeline: &str, declared: &Map<String, Value>, given: &Map<String, Value>) -> Option<Finding> {
    let unknown = given.keys().find(|name| !declared.contains_key(*name))?;
    let finding = Finding::new(Code::BadParams, format!("pipeline `{pipeline}` has no parameter `{unknown}`"));
    let known: Vec<String> = declared.keys().map(|name| format!("`{name}`")).collect();
    let known = known.join(", ");
    Some(finding.help(match suggest::near(unknown, declared.keys().map(String::as_str)) {
        _ if known.is_empty() => "it has none".to_owned(),
        Some(near) => format!("did you mean `{near}`? It has {known}"),
        None => format!("it has {known}"),
    }))
}

/// The value as its type, also when it comes as text, as it does from the command line and from CloudFormation.
fn typed(kind: &str, value: &Value) -> Option<Value> {
    let text = value.as_str();
    match kind {
        "string" => match value {
            Value::String(_) => Some(value.clone()),
            Value::Number(_) | Value::Bool(_) => Some(Value::String(value.to_string())),
            _ => None,
        },
        "int" => value.as_i64().or_else(|| text?.parse().ok()).map(Value::from),
        "number" => {
            let number = value.as_f64().or_else(|| text?.parse().ok())?;
            Number::from_f64(number).map(Value::Number)
        }
        "bool" => value.as_bool().or_else(|| text?.parse().ok()).map(Value::Bool),
        "date" => text?.parse::<jiff::civil::Date>().ok().map(|date| Value::String(date.to_string())),
        _ => None,
    }
}

fn example(kind: &str) -> &'static str {
    match kind {
        "int" => "10",
        "number" => "0.5",
        "bool" => "true",
        "date" => "2026-11-21",
        _ => "text",
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn text_becomes_what_its_type_says() {
        assert_eq!(typed("int", &json!("10")), Some(json!(10)));
        assert_eq!(typed("int", &json!("1.5")), None);
        assert_eq!(typed("number", &json!("1.5")), Some(json!(1.5)));
        assert_eq!(typed("number", &json!("NaN")), None);
        assert_eq!(typed("bool", &json!("true")), Some(json!(true)));
        assert_eq!(typed("bool", &json!("yes")), None);
        assert_eq!(typed("date", &json!("2026-02-30")), None);
        assert_eq!(typed("date", &json!("2026-02-28")), Some(json!("2026-02-28")));
        assert_eq!(typed("string", &json!(7)), Some(json!("7")));
    }

    #[test]
    fn a_misspelt_parameter_is_recognised() {
        let params = json!({ "sample": { "type": "number", "default": "0.25" }, "rows": { "type": "int" } });
        let params = params.as_object().expect("it is an object").clone();
        let given = |name: &str| [(name.to_owned(), json!("1"))].into_iter().collect();
        let help = |name: &str| {
            let finding = unknown("report", &params, &given(name)).expect("it is not declared");
            finding.help.unwrap_or_default()
        };
        assert_eq!(help("sampel"), "did you mean `sample`? It has `sample`, `rows`");
        assert_eq!(help("colour"), "it has `sample`, `rows`");
        assert!(unknown("report", &params, &given("rows")).is_none());
    }
}
