//! `{{ }}` stands where it is rendered when a run starts, and nowhere else.

use crate::language::manifest::Manifest;
use crate::source::{Code, Finding, Findings, Node, Span, Spanned, Value};

/// Everything that is rendered when a run starts.
pub fn rendered(manifest: &Manifest) -> impl Iterator<Item = &Spanned<String>> {
    manifest.steps.iter().flat_map(|step| {
        let spark =
            step.spark.iter().flat_map(|spark| spark.args.iter().chain(spark.conf.iter().map(|(_, value)| value)));
        let shell = step
            .shell
            .iter()
            .flat_map(|shell| shell.command.iter().chain(shell.environment.iter().map(|(_, value)| value)));
        spark.chain(shell)
    })
}

/// Where [`rendered`] texts stand in the tree; `[]` is any item, `*` any value.
const RENDERED: [&str; 4] =
    ["steps.[].spark.args.[]", "steps.[].spark.conf.*", "steps.[].shell.command.[]", "steps.[].shell.environment.*"];

/// Reports templates where none is rendered, and statements anywhere, in a pipeline's whole tree.
pub fn tree(pipeline: &Node, findings: &mut Findings) {
    walk(pipeline, &mut Vec::new(), findings);
}

fn walk<'a>(node: &'a Node, path: &mut Vec<&'a str>, findings: &mut Findings) {
    match &node.value {
        Value::Scalar(scalar) => text(&scalar.text, node.span, path, findings),
        Value::List(items) => {
            path.push("[]");
            items.iter().for_each(|item| walk(item, path, findings));
            path.pop();
        }
        Value::Map(entries) => {
            for entry in entries {
                path.push(&entry.key.text);
                walk(&entry.value, path, findings);
                path.pop();
            }
        }
    }
}

fn text(text: &str, span: Span, path: &[&str], findings: &mut Findings) {
    let part = |start: usize, length: usize| {
        let whole = (span.end - span.start) as usize == text.len();
        if whole { span.within(start, start + length) } else { span }
    };
    if let Some((at, opening)) =
        ["{%", "{#"].into_iter().filter_map(|opening| Some((text.find(opening)?, opening))).min()
    {
        let finding =
            Finding::at(Code::BadTemplate, part(at, 2), format!("`{opening}` is not possible in a pipeline"), "");
        findings.push(if opening == "{%" {
            finding
                .why("Step Functions reads `{% %}` as code of its own, so dpc knows expressions only: `{{ … }}`")
                .help("write an expression, such as `{{ 'a' if params.full else 'b' }}`, or decide in the step")
        } else {
            finding
                .why("templates know `{# #}` as a comment, so it would vanish without a trace")
                .help("write it in the step's script, or a comment of YAML's own: `# …`")
        });
        return;
    }
    let is_rendered = RENDERED.iter().any(|pattern| matches(path, pattern));
    if let (false, Some(at)) = (is_rendered || path.last() == Some(&"description"), text.find("{{")) {
        let key = path.iter().rev().find(|part| **part != "[]").copied().unwrap_or_default();
        findings.push(
            Finding::at(Code::TemplateElsewhere, part(at, 2), format!("`{{{{ }}}}` is not rendered in `{key}`"), "")
                .why("templates are rendered when a run starts; this is fixed when the pipeline is deployed")
                .help("`{{ }}` is possible in `args`, `conf`, `command` and `environment`; `${vars.…}` everywhere"),
        );
    }
}

fn matches(path: &[&str], pattern: &str) -> bool {
    let parts: Vec<&str> = pattern.split('.').collect();
    parts.len() == path.len() && parts.iter().zip(path).all(|(part, key)| *part == "*" || part == key)
}
