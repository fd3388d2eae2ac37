//! Roles that exist already: what they must be allowed, printed, and compared with what they are where IAM tells.

use super::Terminal;
use super::aws::{Here, Tone, act};
use crate::cloud::{Session, iam};
use crate::compile::Compiled;
use crate::source::{Code, Finding, Findings};

/// The policies that the roles of a pipeline need, as IAM takes them.
pub fn needed(compiled: &Compiled, account: &str, region: &str) -> Vec<String> {
    let one = |brought: &crate::compile::roles::Brought| {
        let policy = brought.resolved(&compiled.pipeline, account, region);
        let policy = serde_json::to_string_pretty(&policy).expect("a policy is printable");
        let who = brought.trust.pointer("/Statement/0/Principal/Service").and_then(serde_json::Value::as_str);
        let who = who.map(|who| format!(", trusts {who},")).unwrap_or_default();
        let policy = policy.replace('\n', "\n  ");
        format!("role `{}`{who} and needs this policy:\n  {policy}", brought.role.value)
    };
    compiled.brought.iter().map(one).collect()
}

/// Compares with what the roles are allowed, before anything is written. What is missing is an error, and where IAM does
/// not tell, that is said.
pub async fn check(here: &Here, session: &Session, compiled: &[Compiled], terminal: &Terminal) -> Findings {
    let mut findings = Findings::new();
    let environment = &here.environment;
    for (compiled, brought) in compiled.iter().flat_map(|one| one.brought.iter().map(move |role| (one, role))) {
        let role = &brought.role.value;
        let arn = match role.starts_with("arn:") {
            true => role.clone(),
            false => format!("arn:aws:iam::{}:role/{role}", environment.account),
        };
        let policy = brought.resolved(&compiled.pipeline, &environment.account, &environment.region);
        match iam::missing(session, &arn, &policy).await {
            Ok(missing) if missing.is_empty() => {}
            Ok(missing) => {
                let lines: Vec<String> = missing
                    .iter()
                    .map(|one| {
                        format!("{} on {}{}", one.action, one.resource, if one.denied { " (denied)" } else { "" })
                    })
                    .collect();
                let message = format!(
                    "role `{role}` lacks {} of `{}`",
                    super::aws::count(lines.len(), "permission"),
                    compiled.pipeline
                );
                findings.push(
                    Finding::at(Code::RoleLacks, brought.role.span, message, "")
                        .why(format!("IAM says that it is not allowed {}", lines.join("; ")))
                        .help(format!(
                            "allow it; `dpc validate -v --env {}` prints the policy that it needs",
                            environment.name
                        )),
                );
            }
            Err(finding) => {
                let text = format!("role {role} could not be compared with what it needs: {}", finding.message);
                act(terminal, Tone::Odd, "Not checked", &text);
            }
        }
    }
    findings
}
