//! `${vars.bucket}` and `${env.region}`, replaced when dpc compiles.
//!
//! In come the tree of a pipeline.yaml and the environment; out comes the same tree with its places kept and findings for
//! names that the environment does not know. `$${` is a literal `${`, and every other `${…}` is the user's own. Nothing
//! here knows `{{ }}`, which is rendered when a run starts.

use std::ops::Range;

use crate::language::environment::Resolved;
use crate::source::{Code, Finding, Findings, Kind, Node, Span, Spanned, Value, suggest};

/// What `env.` knows. The account is left out on purpose: a template has the same bytes in every account.
const ENV_NAMES: [&str; 3] = ["name", "region", "space"];

/// Replaces in every value of the tree. Keys stay as they are.
pub fn substitute(node: &mut Node, environment: &Resolved, findings: &mut Findings) {
    match &mut node.value {
        Value::Scalar(scalar) => {
            let Some(replaced) = replace(&scalar.text, node.span, environment, findings) else { return };
            // A value that is one placeholder and nothing else is read like what it stands for: `count: ${vars.nodes}`.
            if scalar.plain && is_one_placeholder(&scalar.text) {
                scalar.kind = match Kind::of_plain(&replaced) {
                    Kind::Null => Kind::Text,
                    kind => kind,
                };
            }
            scalar.text = replaced;
        }
        Value::List(items) => items.iter_mut().for_each(|item| substitute(item, environment, findings)),
        Value::Map(entries) => {
            entries.iter_mut().for_each(|entry| substitute(&mut entry.value, environment, findings));
        }
    }
}

/// Replaces in one decoded text.
pub fn substitute_text(text: &mut Spanned<String>, environment: &Resolved, findings: &mut Findings) {
    if let Some(replaced) = replace(&text.value, text.span, environment, findings) {
        text.value = replaced;
    }
}

/// The text with every placeholder replaced; `None` when it holds none.
fn replace(text: &str, span: Span, environment: &Resolved, findings: &mut Findings) -> Option<String> {
    if !text.contains("${") {
        return None;
    }
    let mut out = String::with_capacity(text.len());
    for piece in pieces(text) {
        match piece {
            Piece::Text(range) => out.push_str(text.get(range).unwrap_or_default()),
            Piece::Literal => out.push_str("${"),
            Piece::Unclosed(range) => {
                findings.push(unclosed(text.get(range.clone()).unwrap_or_default(), span.part(text, range.clone())));
                out.push_str(text.get(range).unwrap_or_default());
            }
            Piece::Own(range) => {
                let own = text.get(range.clone()).unwrap_or_default();
                findings.extend(misspelt(own, span.part(text, range.clone())));
                out.push_str(own);
            }
            Piece::Name { range, map, name } => match value(map, name, environment) {
                Some(value) => out.push_str(value),
                None => {
                    findings.push(unknown(map, name, span.part(text, range.clone()), environment));
                    out.push_str(text.get(range).unwrap_or_default());
                }
            },
        }
    }
    Some(out)
}

/// A part of a text.
enum Piece<'a> {
    Text(Range<usize>),
    /// `$${`.
    Literal,
    /// `${vars.x}` or `${env.x}`.
    Name {
        range: Range<usize>,
        map: &'a str,
        name: &'a str,
    },
    /// Any other `${…}`.
    Own(Range<usize>),
    /// `${vars.x` to the end.
    Unclosed(Range<usize>),
}

fn pieces(text: &str) -> Vec<Piece<'_>> {
    let mut pieces = Vec::new();
    let mut at = 0;
    while let Some(found) = text.get(at..).and_then(|rest| rest.find("${")) {
        let start = at + found;
        if text.get(..start).is_some_and(|before| before.get(at..).is_some_and(|before| before.ends_with('$'))) {
            pieces.push(Piece::Text(at..start - 1));
            pieces.push(Piece::Literal);
            at = start + 2;
            continue;
        }
        pieces.push(Piece::Text(at..start));
        let inside = text.get(start + 2..).unwrap_or_default();
        let closed = inside.find('}').and_then(|end| Some((inside.get(..end)?, start + 2 + end + 1)));
        let named = |inner: &'_ str| inner.trim_start().starts_with("vars.") || inner.trim_start().starts_with("env.");
        let Some((inner, end)) = closed else {
            pieces.push(if named(inside) {
                Piece::Unclosed(start..text.len())
            } else {
                Piece::Text(start..text.len())
            });
            at = text.len();
            break;
        };
        pieces.push(match inner.trim().split_once('.') {
            Some((map @ ("vars" | "env"), name)) => Piece::Name { range: start..end, map, name },
            _ => Piece::Own(start..end),
        });
        at = end;
    }
    pieces.push(Piece::Text(at..text.len()));
    pieces
}

fn is_one_placeholder(text: &str) -> bool {
    let pieces = pieces(text);
    let text = |piece: &Piece<'_>| matches!(piece, Piece::Text(range) if !range.is_empty());
    pieces.iter().filter(|piece| matches!(piece, Piece::Name { .. })).count() == 1
        && !pieces.iter().any(|piece| text(piece) || matches!(piece, Piece::Own(_) | Piece::Literal))
}

fn value<'a>(map: &str, name: &str, environment: &'a Resolved) -> Option<&'a str> {
    match (map, name) {
        ("vars", name) => environment.vars.get(name).map(String::as_str),
        (_, "name") => Some(&environment.name),
        (_, "region") => Some(&environment.region),
        (_, "space") => Some(&environment.space),
        _ => None,
    }
}

fn unknown(map: &str, name: &str, span: Span, environment: &Resolved) -> Finding {
    let known: Vec<&str> = match map {
        "vars" => environment.known_vars.iter().map(String::as_str).collect(),
        _ => ENV_NAMES.to_vec(),
    };
    let message = match map {
        // Said once, and not once for each environment.
        "vars" if !known.contains(&name) => format!("variable `{name}` is not set in any environment"),
        "vars" => format!("variable `{name}` is not set in environment `{}`", environment.name),
        _ => format!("`env.{name}` does not exist"),
    };
    let finding = Finding::at(Code::UnknownVariable, span, message, "");
    let finding = match (map, name) {
        ("env", "account") => finding.why("a template has the same bytes in every account"),
        _ => finding,
    };
    let elsewhere = known.contains(&name);
    match suggest::near(name, known.iter().copied()).filter(|_| !elsewhere) {
        Some(near) => finding.fix(span, format!("${{{map}.{near}}}"), format!("did you mean `{near}`?")),
        None if elsewhere => {
            finding.help(format!("set it in dpc.yaml under `environments.{}.vars`, as in the others", environment.name))
        }
        None if map == "vars" => {
            finding.help("set it in dpc.yaml under `vars` of each environment; `$${` stands for a literal `${`")
        }
        None => finding.help("there are `env.name`, `env.region` and `env.space`"),
    }
}

fn unclosed(text: &str, span: Span) -> Finding {
    let inner = text.trim_start_matches("${").trim_start();
    let part = |letter: char| letter.is_ascii_alphanumeric() || matches!(letter, '.' | '_');
    let name = inner.split(|letter: char| !part(letter)).next().unwrap_or(inner);
    Finding::at(Code::UnknownVariable, span, "this `${` is not closed", "")
        .help(format!("write `${{{name}}}`; `$${{` stands for a literal `${{`"))
}

/// `${var.x}` is no shell and no Hadoop variable: most likely it was to be `${vars.x}`.
fn misspelt(own: &str, span: Span) -> Option<Finding> {
    let inner = own.trim_start_matches("${").trim_end_matches('}').trim();
    let (map, name) = inner.split_once('.')?;
    let meant = match map {
        "var" | "Vars" | "variables" | "variable" | "VARS" => "vars",
        "environment" | "Env" | "ENV" | "environments" => "env",
        _ => return None,
    };
    let finding = Finding::at(Code::UnknownVariable, span, format!("`{own}` is not replaced by dpc"), "").warning();
    Some(finding.why("only `${vars.…}` and `${env.…}` are; any other `${…}` reaches the step as it is").fix(
        span,
        format!("${{{meant}.{name}}}"),
        format!("did you mean `{meant}.{name}`?"),
    ))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::{replace, substitute};
    use crate::language::environment::Resolved;
    use crate::source::{Files, Findings, Kind, Node, Scalar, Span, Value};

    fn environment() -> Resolved {
        let vars = [("bucket", "core-data"), ("nodes", "4")].map(|(name, value)| (name.to_owned(), value.to_owned()));
        Resolved {
            name: "prod".to_owned(),
            account: "111111111111".to_owned(),
            region: "eu-central-1".to_owned(),
            profile: None,
            space: "main".to_owned(),
            central: None,
            known_vars: vars.iter().map(|(name, _)| name.clone()).collect(),
            vars: BTreeMap::from(vars),
        }
    }

    fn replaced(text: &str) -> (Option<String>, Vec<String>) {
        let mut files = Files::new();
        let file = files.add("pipeline.yaml", text);
        let mut findings = Findings::new();
        let out = replace(text, Span::new(file, 0, text.len()), &environment(), &mut findings);
        let found = findings
            .iter()
            .map(|finding| {
                let place = finding.primary.as_ref().map(|label| files.text_of(label.span)).unwrap_or_default();
                format!("{place}: {}", finding.message)
            })
            .collect();
        (out, found)
    }

    #[test]
    fn vars_and_env_are_replaced_and_nothing_else() {
        assert_eq!(
            replaced("s3://${vars.bucket}/${env.region}/${ env.space }").0.as_deref(),
            Some("s3://core-data/eu-central-1/main")
        );
        assert_eq!(replaced("${HOME} $HOME ${x:-y}").0.as_deref(), Some("${HOME} $HOME ${x:-y}"));
        assert_eq!(replaced("$${vars.bucket} $$${env.name}").0.as_deref(), Some("${vars.bucket} $${env.name}"));
        assert_eq!(replaced("no placeholder"), (None, vec![]));
        assert_eq!(replaced("${open").0.as_deref(), Some("${open"));
    }

    #[test]
    fn what_the_environment_does_not_know_is_found_at_its_place() {
        let (text, found) = replaced("s3://${vars.buket}/x");
        assert_eq!(text.as_deref(), Some("s3://${vars.buket}/x"));
        assert_eq!(found, ["${vars.buket}: variable `buket` is not set in any environment"]);
        assert_eq!(replaced("${env.account}").1, ["${env.account}: `env.account` does not exist"]);
        assert_eq!(replaced("a ${vars.bucket").1, ["${vars.bucket: this `${` is not closed"]);
        assert_eq!(replaced("${var.bucket}").1, ["${var.bucket}: `${var.bucket}` is not replaced by dpc"]);
    }

    #[test]
    fn a_lone_placeholder_without_quotes_is_read_like_its_value() {
        let mut files = Files::new();
        let file = files.add("pipeline.yaml", "");
        for (text, plain, kind) in [
            ("${vars.nodes}", true, Kind::Int),
            ("${vars.nodes}", false, Kind::Text),
            ("${vars.nodes}0", true, Kind::Text),
        ] {
            let scalar = Scalar { text: text.to_owned(), kind: Kind::Text, plain };
            let mut node = Node { span: Span::new(file, 0, 0), value: Value::Scalar(scalar) };
            substitute(&mut node, &environment(), &mut Findings::new());
            let Value::Scalar(scalar) = node.value else { panic!("a scalar stays one") };
            assert_eq!(scalar.kind, kind, "{text}");
        }
    }
}
