//! Secrets are named, never written.

use crate::language::project::Pipeline;
use crate::source::{Code, Finding, Findings, Span, Spanned};

/// How the names of variables end whose values are secrets.
const SECRET_NAMES: [&str; 8] =
    ["PASSWORD", "PASSWD", "PASSPHRASE", "SECRET", "TOKEN", "API_KEY", "ACCESS_KEY", "PRIVATE_KEY"];

/// How values begin that are secrets whatever their name: issuers publish these prefixes so that scanners find them.
const SECRET_PREFIXES: [(&str, &str); 9] = [
    ("AKIA", "an AWS access key id"),
    ("ASIA", "an AWS access key id"),
    ("ghp_", "a GitHub token"),
    ("github_pat_", "a GitHub token"),
    ("glpat-", "a GitLab token"),
    ("xoxb-", "a Slack token"),
    ("xoxp-", "a Slack token"),
    ("sk_live_", "a Stripe key"),
    ("-----BEGIN ", "a private key"),
];

pub fn check(pipeline: &Pipeline, findings: &mut Findings) {
    let manifest = &pipeline.manifest;
    for secret in manifest.access.iter().flat_map(|access| &access.secrets) {
        name(secret, findings);
    }
    for step in &manifest.steps.value {
        let variables = step.shell.iter().flat_map(|shell| shell.environment.iter());
        let properties = step.spark.iter().flat_map(|spark| spark.conf.iter());
        for (key, text) in variables.chain(properties) {
            named_like_a_secret(key, text, findings);
        }
        let arguments = step.shell.iter().flat_map(|shell| shell.command.iter());
        for argument in arguments.chain(step.spark.iter().flat_map(|spark| spark.args.iter())) {
            if let Some(what) = looks_like_a_secret(argument) {
                findings.push(plain(argument.span, &format!("an argument looks like {what}")));
            }
        }
    }
}

/// <https://docs.aws.amazon.com/secretsmanager/latest/apireference/API_CreateSecret.html>
fn name(secret: &Spanned<String>, findings: &mut Findings) {
    let allowed = |letter: char| letter.is_ascii_alphanumeric() || "/_+=.@-".contains(letter);
    let at = |wrong: &str| Finding::at(Code::BadSecretName, secret.span, format!("`{}` {wrong}", secret.value), "");
    if secret.starts_with("arn:") {
        let short = secret.rsplit(':').next().unwrap_or_default();
        let short = short.rsplit_once('-').filter(|(_, random)| random.len() == 6).map_or(short, |(name, _)| name);
        findings.push(
            at("is an ARN").why("templates hold no account number").help(format!("write the secret's name: `{short}`")),
        );
    } else if secret.is_empty() || secret.len() > 512 || !secret.chars().all(allowed) {
        findings.push(
            at("is not the name of a secret")
                .why("names of secrets have 1 to 512 letters, digits and `/ _ + = . @ -`")
                .help("write the name that Secrets Manager shows"),
        );
    }
}

fn named_like_a_secret(key: &Spanned<String>, text: &Spanned<String>, findings: &mut Findings) {
    if let Some(what) = looks_like_a_secret(text) {
        findings.push(plain(key.span, &format!("the value of `{}` looks like {what}", key.value)));
        return;
    }
    let upper = key.to_ascii_uppercase().replace(['.', '-'], "_");
    // A path, a URI or a template is where a secret comes from, not a secret.
    let reference = text.is_empty() || text.contains("{{") || text.contains('/') || text.starts_with("arn:");
    if SECRET_NAMES.iter().any(|ending| upper.ends_with(ending)) && !reference {
        findings.push(plain(key.span, &format!("`{}` seems to hold a secret", key.value)));
    }
}

/// Whether the text holds a key of a known form. An access key id has 16 more capital letters or digits.
fn looks_like_a_secret(text: &str) -> Option<&'static str> {
    SECRET_PREFIXES.iter().find_map(|(prefix, what)| {
        let (_, rest) = text.split_once(prefix)?;
        let tail =
            rest.chars().take_while(|letter| letter.is_ascii_alphanumeric() || matches!(letter, '_' | '-')).count();
        let fits = match *prefix {
            "AKIA" | "ASIA" => {
                rest.chars().take_while(|letter| letter.is_ascii_uppercase() || letter.is_ascii_digit()).count() == 16
            }
            "-----BEGIN " => rest.contains("PRIVATE KEY"),
            _ => tail >= 10,
        };
        fits.then_some(*what)
    })
}

fn plain(span: Span, message: &str) -> Finding {
    Finding::at(Code::PlainSecret, span, message, "")
        .warning()
        .why("it would stand in the repository, in the account's registration and in the logs of the cluster")
        .help("put it into Secrets Manager, name it in `access.secrets`, and read it in the step")
}

#[cfg(test)]
mod tests {
    use super::looks_like_a_secret;

    #[test]
    fn keys_are_known_by_their_form() {
        let key = format!("{}{}", "AKIA", "ABCDEFGHIJKLMNOP");
        assert_eq!(looks_like_a_secret(&format!("--key={key}")), Some("an AWS access key id"));
        assert_eq!(looks_like_a_secret("AKIA is a prefix"), None);
        assert_eq!(looks_like_a_secret("s3://bucket/prefix"), None);
    }
}
