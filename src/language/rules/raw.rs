//! `resources` and `overrides` are in CloudFormation's words: logical ids, types, operations.

use crate::documents::patch::Pointer;
use crate::language::project::Pipeline;
use crate::language::raw::{Op, Override, RawResource};
use crate::source::{Code, Finding, Findings, Spanned};

/// <https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/resources-section-structure.html>
const LONGEST_ID: usize = 255;

/// More than anybody reads; a template that needs more is another template.
const MOST_OVERRIDES: usize = 200;

pub fn check(pipeline: &Pipeline, findings: &mut Findings) {
    for (id, resource) in pipeline.manifest.resources.iter() {
        logical_id(id, findings);
        kind(&resource.value, findings);
    }
    for one in &pipeline.manifest.overrides {
        operation(one, findings);
    }
    if let Some(surplus) = pipeline.manifest.overrides.get(MOST_OVERRIDES) {
        let message = format!("{} overrides; at most {MOST_OVERRIDES} are applied", pipeline.manifest.overrides.len());
        findings.push(
            Finding::at(Code::BadOverride, surplus.span, message, "this one is too many")
                .help("keep what needs so many changes in a stack of your own"),
        );
    }
}

fn logical_id(id: &Spanned<String>, findings: &mut Findings) {
    let letters = |letter: char| letter.is_ascii_alphanumeric();
    if !id.is_empty() && id.len() <= LONGEST_ID && id.chars().all(letters) {
        return;
    }
    let finding = Finding::at(Code::BadLogicalId, id.span, format!("`{}` is not a logical id", id.value), "")
        .why(format!("CloudFormation takes letters and digits, at most {LONGEST_ID}"));
    let mended: String = id.split(|letter: char| !letters(letter)).map(capital).collect();
    findings.push(match mended.is_empty() || mended.len() > LONGEST_ID {
        true => finding.help("choose another name"),
        false => {
            let message = format!("`{mended}` would do");
            finding.fix(id.span, mended, message)
        }
    });
}

fn capital(word: &str) -> String {
    let mut letters = word.chars();
    letters.next().map(|first| first.to_ascii_uppercase().to_string() + letters.as_str()).unwrap_or_default()
}

/// `AWS::S3::Bucket`, `Custom::Name`, `Organisation::Service::Resource`, `….::MODULE`:
/// <https://docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference/aws-template-resource-type-ref.html>
fn kind(resource: &RawResource, findings: &mut Findings) {
    let kind = &resource.kind;
    let parts: Vec<&str> = kind.split("::").collect();
    let plain = |part: &&str| !part.is_empty() && part.chars().all(|letter| letter.is_ascii_alphanumeric());
    let custom = |part: &str| {
        (1..=60).contains(&part.len())
            && part.chars().all(|letter| letter.is_ascii_alphanumeric() || "_@-".contains(letter))
    };
    let fits = match parts.as_slice() {
        ["Custom", name] => custom(name),
        ["AWS" | "Alexa", _, _] => parts.iter().all(plain),
        [_, _, _] | [_, _, _, "MODULE"] => parts.iter().all(plain),
        _ => false,
    };
    if fits {
        return;
    }
    let finding =
        Finding::at(Code::BadResourceType, kind.span, format!("`{}` is not a type of resources", kind.value), "");
    let glued: Vec<&str> = kind.split([':', '.', '/']).filter(|part| !part.is_empty()).collect();
    findings.push(match glued.as_slice() {
        ["AWS" | "aws" | "Aws", service, resource] if [service, resource].iter().all(|part| plain(part)) => {
            let meant = format!("AWS::{service}::{resource}");
            let message = format!("did you mean `{meant}`?");
            finding.fix(kind.span, meant, message)
        }
        _ => finding.help("write it as CloudFormation does, such as `AWS::S3::Bucket` or `Custom::Name`"),
    });
}

fn operation(written: &Spanned<Override>, findings: &mut Findings) {
    let (one, span) = (&written.value, written.span);
    let op = one.op.value;
    for path in std::iter::once(&one.path).chain(&one.from) {
        pointer(path, findings);
    }
    let (wants_value, wants_from) = (matches!(op, Op::Add | Op::Replace | Op::Test), matches!(op, Op::Move | Op::Copy));
    let missing = |key: &str| Finding::at(Code::BadOverride, one.op.span, format!("`{}` needs `{key}`", op.word()), "");
    if wants_value && one.value.is_none() && !super::unread(findings, span) {
        findings.push(missing("value").help("add `value:`, what shall stand there"));
    }
    if wants_from && one.from.is_none() && !super::unread(findings, span) {
        findings.push(missing("from").help("add `from:`, the path of what shall be put there"));
    }
    let surplus = [
        ("value", one.value.as_ref().map(|value| value.span).filter(|_| !wants_value)),
        ("from", one.from.as_ref().map(|from| from.span).filter(|_| !wants_from)),
    ];
    for (key, span) in surplus {
        let Some(span) = span else { continue };
        findings.push(
            Finding::at(Code::BadOverride, span, format!("`{}` takes no `{key}`", op.word()), "")
                .and(one.op.span, "this operation")
                .help("remove it, or choose another operation: `add`, `replace` and `test` take `value`, `move` and `copy` take `from`"),
        );
    }
}

fn pointer(path: &Spanned<String>, findings: &mut Findings) {
    if Pointer::parse(path).is_some() {
        return;
    }
    let finding = Finding::at(Code::BadOverride, path.span, format!("`{}` is not a JSON pointer", path.value), "")
        .why("a path begins with `/`; `~1` stands for a slash in a key and `~0` for a tilde (RFC 6901)");
    let meant = match path.value.as_str() {
        text if text.contains('~') => None,
        text if text.starts_with("$.") => Some(format!("/{}", text.trim_start_matches("$.").replace('.', "/"))),
        text if !text.starts_with('/') && text.contains('/') => Some(format!("/{text}")),
        text if !text.contains('/') => Some(format!("/{}", text.replace('.', "/"))),
        _ => None,
    };
    findings.push(match meant.filter(|meant| Pointer::parse(meant).is_some()) {
        Some(meant) => {
            let message = format!("did you mean `{meant}`?");
            finding.fix(path.span, meant, message)
        }
        None => finding.help("write it as in `/Resources/LogGroup/Properties/RetentionInDays`"),
    });
}
