//! Parameters have a type, a default of that type, and somebody who reads them.

use crate::language::manifest::Param;
use crate::language::project::Pipeline;
use crate::source::{Code, Finding, Findings, Spanned};
use crate::triggers::Triggers;

const TYPES: [&str; 5] = ["string", "int", "number", "bool", "date"];

pub fn check(pipeline: &Pipeline, findings: &mut Findings) {
    let manifest = &pipeline.manifest;
    let scheduled = manifest.triggers.as_ref().and_then(|triggers| match &triggers.value {
        Triggers { schedule, .. } if !schedule.0.is_empty() => Some("a schedule"),
        Triggers { events, .. } if !events.is_empty() => Some("an event"),
        Triggers { executions: Some(_), .. } => Some("a trigger"),
        _ => None,
    });
    let templates: Vec<&str> = super::templates::rendered(manifest).map(|text| text.value).collect();
    for (name, param) in manifest.params.iter() {
        kind(name, param, findings);
        if let (Some(starter), None) = (scheduled, &param.default) {
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

fn kind(name: &Spanned<String>, param: &Spanned<Param>, findings: &mut Findings) {
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
            _ => None,
        };
        findings.push(match meant {
            Some(meant) => finding.fix(kind.span, meant, format!("did you mean `{meant}`?")),
            None => super::suggest(finding, kind, &TYPES),
        });
        return;
    }
    let Some(default) = &param.default else { return };
    if let Some(example) = does_not_fit(kind, &default.0) {
        findings.push(
            Finding::at(
                Code::BadParameterType,
                default.span,
                format!("`{}` is not a value of type {}", default.0, kind.value),
                format!("default of `{}`", name.value),
            )
            .and(kind.span, "its type")
            .help(format!("write a value such as `{example}`, or change the type")),
        );
    }
}

/// A value that would fit, if this one does not.
fn does_not_fit(kind: &str, text: &str) -> Option<&'static str> {
    match kind {
        "int" if text.parse::<i64>().is_err() => Some("42"),
        "number" if !text.parse::<f64>().is_ok_and(f64::is_finite) => Some("0.5"),
        "bool" if !matches!(text, "true" | "false") => Some("true"),
        "date" if text.len() != 10 || text.parse::<jiff::civil::Date>().is_err() => Some("2026-11-21"),
        _ => None,
    }
}

/// Whether a template reads a parameter: by its name, or all of them at once.
fn reads(text: &str, name: &str) -> bool {
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
    use super::{does_not_fit, reads};

    #[test]
    fn defaults_fit_their_type() {
        for (kind, text) in
            [("string", "x"), ("int", "-7"), ("number", "1e3"), ("bool", "true"), ("date", "2024-02-29")]
        {
            assert_eq!(does_not_fit(kind, text), None, "{kind} {text}");
        }
        for (kind, text) in [
            ("int", "1.5"),
            ("number", "inf"),
            ("bool", "yes"),
            ("date", "2025-02-29"),
            ("date", "21.11.2026"),
            ("date", "20261121"),
        ] {
            assert!(does_not_fit(kind, text).is_some(), "{kind} {text}");
        }
    }

    #[test]
    fn a_parameter_is_read_by_its_whole_name() {
        assert!(reads("{{ params.country }}", "country"));
        assert!(reads("{{ params[\"country\"] }}", "country"));
        assert!(reads("{{ params | tojson }}", "country"));
        assert!(!reads("{{ params.country_code }}", "country"));
        assert!(!reads("{{ run.partition }}", "country"));
    }
}
