//! CloudFormation Guard rules, held against a compiled template.
//!
//! In come a template and the text of a rule file; out come findings at the lines of the pipeline that made the resources.
//! It refuses to know where rule files come from. Without the feature `guard` it says that it cannot judge.

use crate::compile::Compiled;
use crate::source::{Code, FileId, Files, Finding, Findings, Span};

/// Reports everything in which a template does not meet the rules of a file; `name` is the place of the pipeline's name.
pub fn check(compiled: &Compiled, name: Span, rules: FileId, files: &Files, findings: &mut Findings) {
    match failures(&compiled.template.to_json(), files, rules) {
        Ok(failures) => {
            for failure in failures {
                let id = failure.path.split('/').nth(2).unwrap_or_default();
                let place = compiled.origins.get(id).copied().unwrap_or(name);
                findings.push(failure.finding(place, rules, files));
            }
        }
        Err(why) => {
            let path = &files.get(rules).path;
            findings.push(
                Finding::at(Code::BadGuardRules, Span::new(rules, 0, 0), format!("`{path}` cannot be used: {why}"), "")
                    .help("mend the rules; nothing was held against them"),
            );
        }
    }
}

/// A clause of a rule that a template does not meet.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Failure {
    rule: String,
    /// Where in the template: `/Resources/LogGroup/Properties/RetentionInDays`.
    path: String,
    /// The clause.
    clause: String,
    /// What the rule's author says of it.
    message: Option<String>,
}

impl Failure {
    fn finding(&self, place: Span, rules: FileId, files: &Files) -> Finding {
        let message = match &self.message {
            Some(message) => format!("rule `{}` is not met: {message}", self.rule),
            None => format!("rule `{}` is not met", self.rule),
        };
        let text = &files.get(rules).text;
        let head = format!("rule {}", self.rule);
        let finding = Finding::at(Code::GuardViolated, place, message, "");
        let finding = match text.find(&head) {
            Some(at) => finding.and(Span::new(rules, at, at + head.len()), "this rule"),
            None => finding,
        };
        finding
            .why(format!("`{}` does not hold at `{}`", self.clause, self.path))
            .help("change the keys that make the resource, or patch it with `overrides`")
    }
}

#[cfg(not(feature = "guard"))]
fn failures(_: &str, _: &Files, _: FileId) -> Result<Vec<Failure>, String> {
    Err("this dpc was built without the feature `guard`, `cargo build --features guard` has it".to_owned())
}

#[cfg(feature = "guard")]
fn failures(template: &str, files: &Files, rules: FileId) -> Result<Vec<Failure>, String> {
    use std::panic::{AssertUnwindSafe, catch_unwind};

    use cfn_guard::{ValidateInput, run_checks};

    let file = files.get(rules);
    let data = || ValidateInput { content: template, file_name: "template" };
    let rules = || ValidateInput { content: &file.text, file_name: &file.path };
    // The record of all that was evaluated: the report for people is cut at eight kilobytes.
    let record = catch_unwind(AssertUnwindSafe(|| run_checks(data(), rules(), true)))
        .map_err(|_| "the Guard library gave up on it".to_owned())?
        .map_err(|error| error.to_string().lines().next().unwrap_or_default().to_owned())?;
    if record.is_empty() {
        return Ok(Vec::new());
    }
    let record: serde_json::Value = serde_json::from_str(&record).map_err(|error| error.to_string())?;
    Ok(record::failures(&record))
}

#[cfg(feature = "guard")]
mod record {
    //! What Guard's record of an evaluation says.

    use serde_json::Value;

    use super::Failure;

    /// The clauses that failed, of the rules that failed.
    pub(super) fn failures(record: &Value) -> Vec<Failure> {
        let mut found: Vec<Failure> = Vec::new();
        for rule in children(record) {
            let check = rule.pointer("/container/RuleCheck");
            if check.and_then(|check| check.get("status")).and_then(Value::as_str) != Some("FAIL") {
                continue;
            }
            let name = check.and_then(|check| check.get("name")).and_then(Value::as_str).unwrap_or_default();
            let before = found.len();
            clauses(rule, name, &mut found);
            if found.len() == before {
                found.push(Failure {
                    rule: name.to_owned(),
                    path: String::new(),
                    clause: name.to_owned(),
                    message: None,
                });
            }
        }
        found.dedup();
        found
    }

    fn children(record: &Value) -> &[Value] {
        record.get("children").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default()
    }

    /// Failing clauses below a record; those of conditions and filters only choose what is judged.
    fn clauses(record: &Value, rule: &str, found: &mut Vec<Failure>) {
        for child in children(record) {
            let container = child.get("container").and_then(Value::as_object);
            let kind = container.and_then(|container| container.keys().next()).map(String::as_str).unwrap_or_default();
            match kind {
                "Filter" | "RuleCondition" | "TypeCondition" | "WhenCondition" => {}
                "ClauseValueCheck" => {
                    let check = container.and_then(|container| container.values().next());
                    let failed = check.filter(|check| text(check, "status").as_deref() == Some("FAIL"));
                    found.extend(failed.map(|check| Failure {
                        rule: rule.to_owned(),
                        path: text(check, "path").unwrap_or_default(),
                        clause: child.get("context").and_then(Value::as_str).unwrap_or_default().trim().to_owned(),
                        message: text(check, "custom_message").filter(|message| !message.trim().is_empty()),
                    }));
                }
                _ => clauses(child, rule, found),
            }
        }
    }

    /// The first text of this key, wherever it stands.
    fn text(value: &Value, key: &str) -> Option<String> {
        match value {
            Value::Object(entries) => match entries.get(key) {
                Some(Value::String(text)) if !text.is_empty() => Some(text.clone()),
                _ => entries.values().find_map(|value| text(value, key)),
            },
            Value::Array(items) => items.iter().find_map(|item| text(item, key)),
            _ => None,
        }
    }
}

#[cfg(all(test, feature = "guard"))]
mod tests {
    use super::failures;
    use crate::source::Files;

    const TEMPLATE: &str =
        r#"{"Resources":{"LogGroup":{"Type":"AWS::Logs::LogGroup","Properties":{"RetentionInDays":90}}}}"#;

    #[test]
    fn what_fails_is_named_with_its_place() {
        let mut files = Files::new();
        let rules = "let logs = Resources.*[ Type == 'AWS::Logs::LogGroup' ]\n\
                     rule short_logs when %logs !empty {\n  %logs.Properties.RetentionInDays <= 30 <<thirty days>>\n  %logs.Properties.KmsKeyId exists\n}\n\
                     rule fine { Resources.LogGroup exists }\nrule skipped when Resources.X exists { Resources.X.Type == 'a' }\n";
        let file = files.add("logs.guard", rules);
        let found: Vec<String> = failures(TEMPLATE, &files, file)
            .expect("the rules can be read")
            .iter()
            .map(|failure| format!("{} {} {:?}", failure.rule, failure.path, failure.message))
            .collect();
        assert_eq!(
            found,
            [
                "short_logs /Resources/LogGroup/Properties/RetentionInDays Some(\"thirty days\")",
                "short_logs /Resources/LogGroup/Properties None",
            ]
        );
    }

    #[test]
    fn rules_that_are_none_are_refused() {
        let mut files = Files::new();
        let file = files.add("bad.guard", "rule x { a == }\n");
        assert!(failures(TEMPLATE, &files, file).is_err());
    }
}
