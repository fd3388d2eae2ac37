//! Parameters have a type, a default of that type, and somebody who reads them.

use serde_json::Value;

use crate::control::params::{Declared, Type};
use crate::language::manifest::Param;
use crate::language::project::Pipeline;
use crate::source::{Code, Finding, Findings, Span, Spanned, SpannedMap, Texts};
use crate::triggers::Triggers;

const TYPES: [&str; 7] = ["string", "int", "number", "bool", "date", "list", "enum"];

/// Everything about the parameters of a pipeline.
pub fn check(pipeline: &Pipeline, findings: &mut Findings) {
    let manifest = &pipeline.manifest;
    let scheduled = manifest.triggers.as_ref().and_then(|triggers| match &triggers.value {
        Triggers { schedule, .. } if !schedule.0.is_empty() => Some("a schedule"),
        Triggers { events, .. } if !events.is_empty() => Some("an event"),
        Triggers { executions: Some(_), .. } => Some("a trigger"),
        _ => None,
    });
    let whens = manifest.steps.iter().filter_map(|step| step.when.as_ref().map(|when| when.as_str()));
    let templates: Vec<&str> = super::templates::rendered(manifest).map(|text| text.value).chain(whens).collect();
    for (name, param) in manifest.params.iter() {
        kind(name, param, findings);
        let optional = param.required.as_ref().is_some_and(|required| !required.value);
        if let (Some(starter), None, false) = (scheduled, &param.default, optional) {
            findings.push(
                Finding::at(
                    Code::ParameterNeedsDefault,
                    name.span,
                    format!("parameter `{}` has no default", name.value),
                    "",
                )
                .why(format!("the pipeline has {starter}, and {starter} gives no parameters: its runs could not start"))
                .help("add a `default`"),
            );
        }
        // A name that is wrong here or there has been reported, and is most likely the reason.
        let misnamed = findings.iter().any(|finding| match finding.code {
            Code::BadName => finding.primary.as_ref().is_some_and(|label| label.span == name.span),
            code => code == Code::UnknownTemplateName && finding.message.contains("params"),
        });
        if !misnamed && !templates.iter().any(|text| reads(text, &name.value)) {
            let help = format!("remove it, or read it in a step: `{{{{ params.{} }}}}`", name.value);
            findings.push(
                Finding::at(Code::UnusedParameter, name.span, format!("no step reads parameter `{}`", name.value), "")
                    .warning()
                    .help(help),
            );
        }
    }
}

/// A type that there is, with what belongs to it.
pub(super) fn kind(name: &Spanned<String>, param: &Spanned<Param>, findings: &mut Findings) {
    let kind = &param.kind;
    if !TYPES.contains(&kind.as_str()) {
        let finding =
            Finding::at(Code::BadParameterType, kind.span, format!("`{}` is not a type of parameters", kind.value), "");
        let meant = match kind.value.as_str() {
            "str" | "text" => Some("string"),
            "integer" | "long" => Some("int"),
            "float" | "double" | "decimal" => Some("number"),
            "boolean" => Some("bool"),
            "datetime" | "day" => Some("date"),
            "array" | "strings" => Some("list"),
            "choice" | "oneof" => Some("enum"),
            _ => None,
        };
        findings.push(match meant {
            Some(meant) => finding.fix(kind.span, meant, format!("did you mean `{meant}`?")),
            None => super::suggest(finding, kind, &TYPES),
        });
        return;
    }
    if shape(name, param, findings) {
        values(name, param, findings);
    }
}

/// Whether the keys beside `type` belong to it.
fn shape(name: &Spanned<String>, param: &Param, findings: &mut Findings) -> bool {
    let before = findings.iter().count();
    let kind = &param.kind;
    let mut wrong = |code, span: Span, message: String, help: String| {
        findings.push(Finding::at(code, span, message, "").and(kind.span, "its type").help(help));
    };
    match (&param.values, kind.as_str()) {
        (None, "enum") => {
            let message = format!("`{}` is an enum, and no `values` say what it may be", name.value);
            wrong(Code::BadEnum, name.span, message, "add them: `values: [small, large]`".to_owned());
        }
        (Some(values), "enum") if values.value.is_empty() => {
            wrong(Code::BadEnum, values.span, "an enum needs a value".to_owned(), "write at least one".to_owned());
        }
        (Some(values), "enum") => {
            for (at, value) in values.value.iter().enumerate() {
                if values.value.iter().take(at).any(|other| other.value == value.value) {
                    let message = format!("`{}` is there twice", value.value.0);
                    wrong(Code::BadEnum, value.span, message, "remove one".to_owned());
                }
            }
        }
        (Some(values), _) => {
            let message = format!("`values` belongs to an enum, and this is of type {}", kind.value);
            wrong(Code::BadEnum, values.span, message, "write `type: enum`, or remove `values`".to_owned());
        }
        (None, _) => {}
    }
    if let Some(items) = &param.items {
        if kind.value != "list" {
            let message = format!("`items` belongs to a list, and this is of type {}", kind.value);
            wrong(Code::BadListItems, items.span, message, "write `type: list`, or remove `items`".to_owned());
        } else if !Type::parse(items).is_some_and(Type::is_plain) {
            let message = format!("`{}` is not a type of items", items.value);
            wrong(Code::BadListItems, items.span, message, "write string, int, number, bool or date".to_owned());
        }
    }
    if let (Some(required), Some(default)) = (&param.required, &param.default)
        && required.value
    {
        let message = format!("`{}` is required and has a default", name.value);
        findings.push(
            Finding::at(Code::RequiredWithDefault, required.span, message, "")
                .and(default.span, "its default")
                .why("a caller who must give a value never needs the default")
                .help("remove one of the two"),
        );
    }
    findings.iter().count() == before
}

/// Every default fits the type. What holds `{{ }}` is known when a run starts.
fn values(name: &Spanned<String>, param: &Param, findings: &mut Findings) {
    let Some(declared) = param.declared() else { return };
    let of_environments = param.environments.iter().map(|(environment, value)| (value, Some(environment)));
    let own = param.default.iter().map(|value| (value, None));
    let mut seen: Vec<Span> = Vec::new();
    for (value, environment) in of_environments.chain(own) {
        // The default of the environment chosen stands among the others.
        if seen.contains(&value.span) {
            continue;
        }
        seen.push(value.span);
        let Some((span, words)) = does_not_fit(&declared, value) else { continue };
        let of = match environment {
            Some(environment) => format!("value of `{}` in `{}`", name.value, environment.value),
            None => format!("default of `{}`", name.value),
        };
        let finding = Finding::at(Code::BadParameterType, span, words, of).and(param.kind.span, "its type");
        findings.push(finding.help(format!("write a value such as `{}`, or change the type", declared.example())));
    }
}

/// Where and why a value does not fit.
pub(in crate::language) fn does_not_fit(declared: &Declared, value: &Spanned<Texts>) -> Option<(Span, String)> {
    let misfit = |declared: &Declared, text: &str, span: Span| {
        let known = !text.contains("{{");
        let misfit = declared.typed(&Value::from(text)).err().filter(|_| known)?;
        Some((span, misfit))
    };
    match (&value.value, declared.kind) {
        (Texts::Many(items), Type::List) => {
            let of_item = Declared { kind: declared.items, items: Type::String, values: Vec::new() };
            items.iter().find_map(|item| misfit(&of_item, &item.value, item.span))
        }
        (Texts::Many(_), _) => Some((value.span, format!("a list is not {}", declared.words()))),
        (Texts::One(text), Type::List) if !text.contains("{{") => {
            Some((value.span, format!("`{text}` is not {}; write `[{text}]`", declared.words())))
        }
        (Texts::One(text), _) => misfit(declared, text, value.span),
    }
}

/// Environments that parameters name exist.
pub fn environments(params: &SpannedMap<Spanned<Param>>, known: &[String], findings: &mut Findings) {
    let known: Vec<&str> = known.iter().map(String::as_str).collect();
    for (environment, _) in params.iter().flat_map(|(_, param)| param.environments.iter()) {
        if !known.contains(&environment.as_str()) {
            let message = format!("there is no environment `{}`", environment.value);
            let finding = Finding::at(Code::UnknownParameterEnvironment, environment.span, message, "");
            findings.push(super::suggest(finding, environment, &known));
        }
    }
}

/// Whether a template reads a parameter: by its name, or all of them at once.
pub(in crate::language) fn reads(text: &str, name: &str) -> bool {
    text.match_indices("params").any(|(at, word)| {
        let rest = text.get(at + word.len()..).unwrap_or_default().trim_start();
        let key = match rest.strip_prefix('.') {
            Some(rest) => rest,
            None => match rest.strip_prefix("[\"").or_else(|| rest.strip_prefix("['")) {
                Some(rest) => rest,
                None => return true,
            },
        };
        let end = key.find(|letter: char| !letter.is_alphanumeric() && letter != '_').unwrap_or(key.len());
        key.get(..end) == Some(name)
    })
}

#[cfg(test)]
mod tests {
    use super::reads;

    #[test]
    fn a_parameter_is_read_by_its_whole_name() {
        assert!(reads("{{ params.country }}", "country"));
        assert!(reads("{{ params[\"country\"] }}", "country"));
        assert!(reads("{{ params | tojson }}", "country"));
        assert!(!reads("{{ params.country_code }}", "country"));
        assert!(!reads("{{ run.partition }}", "country"));
    }
}
