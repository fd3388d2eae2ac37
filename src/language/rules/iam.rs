//! Roles and policies are named as IAM names them, and stay in the account that they are used in.

use crate::language::environment::Resolved;
use crate::language::iam::Iam;
use crate::language::manifest::ProjectFile;
use crate::language::project::Pipeline;
use crate::source::{Code, Finding, Findings, Spanned};

/// The longest path of IAM's: <https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_iam-quotas.html>.
const LONGEST_PATH: usize = 512;
/// A role's name has 64 characters, and the pipeline's name and more must fit behind a prefix.
const LONGEST_PREFIX: usize = 20;

pub fn check(pipeline: &Pipeline, findings: &mut Findings) {
    let Some(iam) = &pipeline.manifest.iam else { return };
    if let Some(boundary) = &iam.boundary {
        name(boundary, "policy", findings);
    }
    for (_, role) in iam.roles.given() {
        name(role, "role", findings);
    }
}

pub fn project_file(project: &ProjectFile, findings: &mut Findings) {
    let of_environments = project.environments.iter().filter_map(|(_, environment)| environment.iam.as_ref());
    for iam in of_environments.chain(&project.defaults.iam) {
        demands(&iam.value, findings);
    }
}

/// What names the environment's account, or should.
pub fn in_environment(pipeline: &Pipeline, environment: &Resolved, findings: &mut Findings) {
    let roles = pipeline.manifest.iam.iter().flat_map(|iam| iam.roles.given());
    for (_, role) in roles {
        let account = role.strip_prefix("arn:").and_then(|rest| rest.split(':').nth(3));
        if let Some(other) = account.filter(|account| *account != environment.account) {
            let message = format!(
                "the role belongs to account {other}, and `{}` is account {}",
                environment.name, environment.account
            );
            findings.push(
                Finding::at(Code::ForeignRole, role.span, message, "")
                    .why("a service takes roles of its own account only")
                    .help(
                        "write the role's name, which stands for the role of that name in each account, or `${vars.…}`",
                    ),
            );
        }
    }
}

fn demands(iam: &Iam, findings: &mut Findings) {
    if let Some(boundary) = &iam.boundary {
        name(boundary, "policy", findings);
    }
    if let Some(path) = &iam.path {
        let visible = path.bytes().all(|byte| (0x21..=0x7e).contains(&byte));
        if !(path.starts_with('/') && path.ends_with('/') && visible && path.len() <= LONGEST_PATH) {
            let finding =
                Finding::at(Code::BadRolePath, path.span, format!("`{}` is not a path of roles", path.value), "")
                    .why("a path begins and ends with `/`");
            let mended = format!("/{}/", path.trim_matches('/'));
            findings.push(match visible && path.len() + 2 <= LONGEST_PATH && mended != "//" {
                true => finding.fix(path.span, mended.clone(), format!("`{mended}` would do")),
                false => finding.help("write it as in `/data/`"),
            });
        }
    }
    if let Some(prefix) = &iam.prefix
        && (prefix.is_empty() || prefix.len() > LONGEST_PREFIX || !prefix.chars().all(of_name))
    {
        findings.push(
            Finding::at(
                Code::BadRolePath,
                prefix.span,
                format!("`{}` cannot begin the names of roles", prefix.value),
                "",
            )
            .why(format!(
                "names of roles hold letters, digits and `+ = , . @ - _`, and a prefix at most {LONGEST_PREFIX} of them"
            ))
            .help("write it as in `data-`; a path such as `/data/` is the key `path`"),
        );
    }
}

fn of_name(letter: char) -> bool {
    letter.is_ascii_alphanumeric() || "+=,.@-_".contains(letter)
}

/// `Boundary`, `team/Boundary` or `arn:aws:iam::111111111111:policy/team/Boundary`.
fn name(written: &Spanned<String>, what: &str, findings: &mut Findings) {
    let resource = match written.strip_prefix("arn:") {
        None => Some(written.value.as_str()),
        Some(rest) => {
            let parts: Vec<&str> = rest.splitn(5, ':').collect();
            match parts.as_slice() {
                [_, "iam", "", account, resource]
                    if *account == "aws" && what == "policy"
                        || account.len() == 12 && account.bytes().all(|byte| byte.is_ascii_digit()) =>
                {
                    resource.strip_prefix(what).and_then(|rest| rest.strip_prefix('/'))
                }
                _ => None,
            }
        }
    };
    let fits = resource.is_some_and(|resource| {
        let parts: Vec<&str> = resource.split('/').collect();
        let longest = if what == "role" { 64 } else { 128 };
        parts.iter().all(|part| !part.is_empty() && part.chars().all(of_name))
            && parts.last().is_some_and(|name| name.len() <= longest)
    });
    if fits || written.contains("${") {
        return;
    }
    let example = if what == "role" { "role/data-machine" } else { "policy/DataBoundary" };
    findings.push(
        Finding::at(
            Code::BadRole,
            written.span,
            format!("`{}` is not the name or the ARN of a {what}", written.value),
            "",
        )
        .help(format!(
            "write its name, with its path if it has one, or its ARN: `arn:aws:iam::111111111111:{example}`"
        )),
    );
}
