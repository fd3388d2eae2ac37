//! Secrets are named, never written.

use crate::language::project::Pipeline;
use crate::source::{Code, Finding, Findings, Key, Node, Span, Spanned, Value};

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

/// Secrets have names, and nothing that looks like a secret is written out.
pub fn check(pipeline: &Pipeline, findings: &mut Findings) {
    let manifest = &pipeline.manifest;
    for secret in manifest.access.iter().flat_map(|access| &access.secrets) {
        name(secret, findings);
    }
}

/// Mappings whose keys users choose, and whose values reach programs.
const FREE: [&str; 7] = ["environment", "conf", "arguments", "parameters", "payload", "params", "with"];

/// Secrets in any text of a pipeline's tree, wherever it stands.
pub fn tree(pipeline: &Node, findings: &mut Findings) {
    walk(pipeline, None, findings);
}

/// `key` is the entry that the node is the value of, and whether users choose such keys.
fn walk(node: &Node, key: Option<(&Key, bool)>, findings: &mut Findings) {
    match &node.value {
        Value::Scalar(scalar) => text(&scalar.text, node.span, key, findings),
        Value::List(items) => {
            options(items, findings);
            items.iter().for_each(|item| walk(item, None, findings));
        }
        Value::Map(entries) => {
            let free = key.is_some_and(|(key, inside)| inside || FREE.contains(&key.text.as_str()));
            // What stands under `secrets` are names of secrets.
            for entry in entries.iter().filter(|entry| entry.key.text != "secrets") {
                match (free, entry.value.get("default")) {
                    // `params: { password: { default: … } }`
                    (true, Some(default)) if default.as_str().is_some() => {
                        walk(default, Some((&entry.key, true)), findings)
                    }
                    _ => walk(&entry.value, Some((&entry.key, free)), findings),
                }
            }
        }
    }
}

fn text(text: &str, span: Span, key: Option<(&Key, bool)>, findings: &mut Findings) {
    match (key, looks_like_a_secret(text)) {
        (Some((key, _)), Some(what)) => {
            findings.push(plain(key.span, &format!("the value of `{}` looks like {what}", key.text)));
        }
        (None, Some(what)) => findings.push(plain(span, &format!("an argument looks like {what}"))),
        (Some((key, true)), None) if named_like_a_secret(&key.text) && !is_reference(text) => {
            findings.push(plain(key.span, &format!("`{}` seems to hold a secret", key.text)));
        }
        _ => {}
    }
}

/// `--password hunter2` and `--password=hunter2`.
fn options(items: &[Node], findings: &mut Findings) {
    let secret = |option: &str| option.starts_with("--") && named_like_a_secret(option.trim_start_matches('-'));
    for (at, item) in items.iter().enumerate() {
        let Some(text) = item.as_str() else { continue };
        let next = items.get(at + 1);
        let found = match (text.split_once('='), next.and_then(Node::as_str)) {
            (Some((option, value)), _) if secret(option) && !is_reference(value) => Some((option, item)),
            (None, Some(value)) if secret(text) && !value.starts_with('-') && !is_reference(value) => {
                next.map(|next| (text, next))
            }
            _ => None,
        };
        if let Some((option, place)) = found.filter(|(_, place)| place.as_str().and_then(looks_like_a_secret).is_none())
        {
            findings.push(plain(place.span, &format!("the argument of `{option}` seems to be a secret")));
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

/// Whether values of this name are secrets.
fn named_like_a_secret(name: &str) -> bool {
    let upper = name.to_ascii_uppercase().replace(['.', '-'], "_");
    SECRET_NAMES.iter().any(|ending| upper.ends_with(ending))
}

/// A path, a URI or a template is where a secret comes from, not a secret.
fn is_reference(text: &str) -> bool {
    let code = text.contains("{{") || text.contains("${") || text.starts_with("{%");
    text.is_empty() || code || text.contains('/') || text.starts_with("arn:")
}

/// Whether the text holds a key of a known form. An access key id has 16 more capital letters or digits.
fn looks_like_a_secret(text: &str) -> Option<&'static str> {
    if holds_a_password(text) {
        return Some("a URL with a password");
    }
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

/// `postgres://user:hunter2@host`.
fn holds_a_password(text: &str) -> bool {
    let Some((_, rest)) = text.split_once("://") else { return false };
    let authority = rest.split(['/', '?', '#', ' ']).next().unwrap_or_default();
    let user = authority.rsplit_once('@').map(|(user, _)| user);
    user.and_then(|user| user.split_once(':')).is_some_and(|(_, password)| !is_reference(password))
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
        assert_eq!(looks_like_a_secret("jdbc:postgresql://etl:hunter2@db/x"), Some("a URL with a password"));
        for text in
            ["https://user@host/x", "jdbc:postgresql://db:5432/x", "https://{{ params.user }}:{{ params.x }}@host"]
        {
            assert_eq!(looks_like_a_secret(text), None, "{text}");
        }
    }
}
