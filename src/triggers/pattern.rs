//! Event patterns: what EventBridge would refuse, what can never match, and what would start a pipeline by its own runs.
//!
//! In comes a pattern as the user wrote it, with the place of every part; out come findings, and whether an event of a
//! known shape matches. It refuses to know rules and targets. The syntax is EventBridge's:
//! <https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-create-pattern-operators.html>.

use serde_json::{Value, json};

use super::operators;
use crate::source::{Code, Finding, Findings, Span, Spanned, SpannedMap, Tree, suggest};

/// The longest pattern, in characters: <https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-quota.html>.
pub const LONGEST: usize = 2_048;

/// What every event has, and nothing else stands beside it:
/// <https://docs.aws.amazon.com/eventbridge/latest/ref/overiew-event-structure.html>.
const FIELDS: [&str; 10] =
    ["source", "detail-type", "detail", "account", "region", "resources", "time", "id", "version", "replay-name"];

/// Fields whose values are texts in every event, however much they look like numbers.
const TEXTS: [&str; 3] = ["account", "version", "id"];

/// Reports everything that is wrong with a pattern.
pub fn check(pattern: &Spanned<Tree>, findings: &mut Findings) {
    let Tree::Map(fields) = &pattern.value else {
        let message = "an event pattern is a mapping of fields".to_owned();
        findings.push(refused(pattern.span, message).help("write `pattern: { source: [aws.s3] }`"));
        return;
    };
    let before = findings.iter().count();
    top(fields, findings);
    mapping(fields, pattern.span, findings);
    if findings.iter().count() > before {
        return;
    }
    let length = pattern.to_json().to_string().chars().count();
    if length > LONGEST {
        findings.push(
            Finding::at(
                Code::PatternTooLong,
                pattern.span,
                format!("this pattern has {length} characters, of at most {LONGEST}"),
                "",
            )
            .why("EventBridge counts the pattern as JSON")
            .help("use `prefix` or `wildcard` instead of a list of values, or two `events`"),
        );
    }
    if !["source", "detail-type", "account"].iter().any(|name| names(fields, name)) {
        findings.push(
            Finding::at(
                Code::BroadPattern,
                pattern.span,
                "this pattern names no `source`, `detail-type` or `account`",
                "",
            )
            .warning()
            .why("it is compared with every event of the bus, and AWS adds services and fields")
            .help("add `source: [aws.s3]`, or the `detail-type` that the event carries"),
        );
    }
}

/// Whether a field is named, on top or in every alternative.
fn names(fields: &SpannedMap<Spanned<Tree>>, name: &str) -> bool {
    let inside = |alternative: &Spanned<Tree>| matches!(&alternative.value, Tree::Map(fields) if names(fields, name));
    let alternatives = match fields.get("$or").map(|or| &or.value) {
        Some(Tree::List(items)) => !items.is_empty() && items.iter().all(inside),
        _ => false,
    };
    fields.get(name).is_some() || alternatives
}

/// The fields of the event itself, which are known.
fn top(fields: &SpannedMap<Spanned<Tree>>, findings: &mut Findings) {
    for (name, value) in fields.iter() {
        if name.value == "$or" {
            if let Tree::List(items) = &value.value {
                for item in items {
                    if let Tree::Map(inner) = &item.value {
                        top(inner, findings);
                    }
                }
            }
        } else if !FIELDS.contains(&name.as_str()) {
            let finding = refused(name.span, format!("no event has a field `{}`", name.value))
                .why("what a service says of an event stands below `detail`");
            findings.push(match suggest::near(name, FIELDS) {
                Some(near) => finding.fix(name.span, near, format!("did you mean `{near}`?")),
                None => finding.help(format!("write `detail: {{ {}: … }}`", name.value)),
            });
        } else if TEXTS.contains(&name.as_str()) {
            numbers_for_texts(name, value, findings);
        }
    }
}

/// `account: [111111111111]` matches nothing: in events it is a text.
fn numbers_for_texts(name: &str, value: &Spanned<Tree>, findings: &mut Findings) {
    let Tree::List(items) = &value.value else { return };
    for item in items {
        if let Tree::Scalar(Value::Number(number)) = &item.value {
            findings.push(
                refused(item.span, format!("`{number}` is a number, and `{name}` of an event is a text"))
                    .why("EventBridge compares types too: this would never match")
                    .help(format!("put it in quotes: `{name}: [\"{number}\"]`")),
            );
        }
    }
}

/// A mapping of fields, on top or below `detail`.
fn mapping(fields: &SpannedMap<Spanned<Tree>>, span: Span, findings: &mut Findings) {
    if fields.is_empty() {
        findings.push(refused(span, "this pattern is empty".to_owned()).help("name at least one field"));
    }
    for (name, value) in fields.iter() {
        if name.value == "$or" {
            alternatives(value, findings);
            continue;
        }
        if name.value == "Ref" || name.value == "Condition" || name.value.starts_with("Fn::") {
            let message = format!("CloudFormation would read the field `{}` as a function of its own", name.value);
            findings.push(refused(name.span, message).help("match other fields of the event"));
        }
        match &value.value {
            Tree::Map(inner) => match operators::misplaced(inner) {
                Some(operator) => findings.push(
                    refused(value.span, format!("`{operator}` must stand in a list"))
                        .why("the value of a field is a list of what it may be")
                        .help(format!("write `{}: [{{ {operator}: … }}]`", name.value)),
                ),
                None => mapping(inner, value.span, findings),
            },
            Tree::List(items) if items.is_empty() => findings.push(
                refused(value.span, format!("`{}` may be nothing: the list is empty", name.value))
                    .help("name a value, or leave the field out"),
            ),
            Tree::List(items) => items.iter().for_each(|item| operators::check(&name.value, item, findings)),
            Tree::Scalar(scalar) => findings.push(
                refused(value.span, format!("the value of `{}` must be a list", name.value))
                    .why("a field matches one of the values in its list")
                    .help(format!("write `{}: [{}]`", name.value, plain(scalar))),
            ),
        }
    }
}

fn alternatives(or: &Spanned<Tree>, findings: &mut Findings) {
    let message = match &or.value {
        Tree::List(items) if items.len() >= 2 => {
            for item in items {
                match &item.value {
                    Tree::Map(fields) => mapping(fields, item.span, findings),
                    _ => findings.push(
                        refused(item.span, "an alternative of `$or` is a mapping of fields".to_owned())
                            .help("write `$or: [{ region: [eu-central-1] }, { source: [mine] }]`"),
                    ),
                }
            }
            return;
        }
        Tree::List(_) => "`$or` needs two alternatives or more",
        _ => "`$or` is a list of alternatives",
    };
    findings.push(
        refused(or.span, message.to_owned()).help("write `$or: [{ region: [eu-central-1] }, { source: [mine] }]`"),
    );
}

fn plain(scalar: &Value) -> String {
    scalar.as_str().map_or_else(|| scalar.to_string(), str::to_owned)
}

pub(super) fn refused(span: Span, message: String) -> Finding {
    Finding::at(Code::BadPattern, span, message, "")
}

/// What runs of `pipeline` cause by themselves, and what that event is: a rule that matches it starts run after run.
pub fn loops(pattern: &Tree, pipeline: &str) -> Option<&'static str> {
    let arn = format!("arn:aws:states:*:*:stateMachine:dpc-{pipeline}");
    let status = |status: &str| {
        json!({
            "source": "aws.states", "detail-type": "Step Functions Execution Status Change",
            "detail": { "stateMachineArn": arn, "status": status },
        })
    };
    let own = ["RUNNING", "SUCCEEDED"].map(status);
    if own.iter().any(|event| matches(pattern, event)) {
        return Some("the status of its own runs");
    }
    matches(pattern, &json!({ "source": "dpc" })).then_some("what dpc itself announces")
}

/// Whether a pattern matches an event of which some fields are known. Fields that every event has match anything where
/// they are not; a field of `detail` that is not there does not match.
pub fn matches(pattern: &Tree, event: &Value) -> bool {
    let Tree::Map(fields) = pattern else { return false };
    fields.iter().all(|(name, value)| match (name.as_str(), &value.value, event.get(&name.value)) {
        ("$or", Tree::List(items), _) => items.iter().any(|item| matches(&item.value, event)),
        ("account" | "region" | "resources" | "time" | "id" | "version", _, None) => true,
        (_, inner @ Tree::Map(_), Some(found)) => matches(inner, found),
        (_, Tree::List(items), found) => items.iter().any(|item| operators::matches(&item.value, found)),
        _ => false,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::source::{Files, de, yaml};

    fn tree(text: &str) -> (Files, Spanned<Tree>) {
        let (mut files, mut findings) = (Files::new(), Findings::new());
        let file = files.add("pipeline.yaml", text);
        let node = yaml::read(&files, file, &mut findings).expect("it is YAML");
        assert!(findings.is_empty(), "{findings:?}");
        (files, de::from_node(&node).expect("anything is a tree"))
    }

    fn found(text: &str) -> Vec<String> {
        let (files, tree) = tree(text);
        let mut findings = Findings::new();
        check(&tree, &mut findings);
        findings.iter().map(|finding| finding.told(&files)).collect()
    }

    #[test]
    fn what_eventbridge_takes_is_taken() {
        for text in [
            "{ source: [aws.s3], detail-type: [Object Created], detail: { bucket: { name: [b] } } }",
            "{ source: [mine], detail: { n: [{ numeric: ['>', 0, '<=', 5.5] }], ip: [{ cidr: 10.0.0.0/24 }] } }",
            "{ source: [{ prefix: aws. }, { suffix: .x }], detail: { a: [{ exists: false }], b: [1, true, x] } }",
            "{ source: [x], detail: { a: [{ anything-but: [a, b] }], b: [{ anything-but: { prefix: p } }] } }",
            "{ source: [x], detail: { a: [{ anything-but: { wildcard: ['a*', 'b*'] } }, { anything-but: 7 }] } }",
            "{ source: [x], detail: { a: [{ prefix: { equals-ignore-case: p } }, { equals-ignore-case: q }] } }",
            "{ source: [x], detail: { a: [{ wildcard: 'in/*/x\\*' }] }, $or: [{ region: [a] }, { account: ['1'] }] }",
            "{ $or: [{ source: [a] }, { source: [b] }] }",
        ] {
            assert_eq!(found(text), Vec::<String>::new(), "{text}");
        }
    }

    #[test]
    fn what_it_refuses_is_said_where_it_stands() {
        for (text, expected) in [
            ("{ source: aws.s3 }", "DPC348 the value of `source` must be a list @ aws.s3"),
            ("{ source: [] }", "DPC348 `source` may be nothing: the list is empty @ []"),
            (
                "{ detailType: [x], source: [x] }",
                "DPC348 no event has a field `detailType` @ detailType => detail-type",
            ),
            ("{ source: [x], bucket: [y] }", "DPC348 no event has a field `bucket` @ bucket"),
            (
                "{ source: [x], account: [111111111111] }",
                "DPC348 `111111111111` is a number, and `account` of an event is a text @ 111111111111",
            ),
            ("{ source: { prefix: aws. } }", "DPC348 `prefix` must stand in a list @ { prefix: aws. }"),
            (
                "{ source: [x], $or: [{ region: [x] }] }",
                "DPC348 `$or` needs two alternatives or more @ [{ region: [x] }]",
            ),
            (
                "{ detail: { a: [b] } }",
                "DPC350 this pattern names no `source`, `detail-type` or `account` @ { detail: { a: [b] } }",
            ),
        ] {
            assert_eq!(found(text), [expected], "{text}");
        }
        let long = format!("{{ source: [x], detail: {{ a: [{}] }} }}", vec!["abcdefghij"; 200].join(", "));
        assert!(found(&long).iter().all(|line| line.starts_with("DPC349 this pattern has 2")), "{:?}", found(&long));
    }

    #[test]
    fn a_pipeline_s_own_runs_do_not_start_it() {
        let of = |text: &str| loops(&tree(text).1, "x");
        assert!(of("{ source: [aws.states] }").is_some());
        assert!(of("{ source: [{ prefix: aws. }], account: ['1'] }").is_some());
        assert!(
            of("{ detail-type: [Step Functions Execution Status Change], detail: { status: [SUCCEEDED] } }").is_some()
        );
        let machine = |name: &str| {
            format!(
                "{{ source: [aws.states], detail: {{ stateMachineArn: ['arn:aws:states:eu-central-1:1:stateMachine:{name}'] }} }}"
            )
        };
        assert!(of(&machine("dpc-x")).is_some() && of(&machine("dpc-y")).is_none());
        assert!(
            of("{ source: [aws.states], detail: { stateMachineArn: [{ wildcard: '*:stateMachine:dpc-*' }] } }")
                .is_some()
        );
        assert!(
            of("{ source: [aws.states], detail: { status: [FAILED], stateMachineArn: [{ suffix: dpc-y }] } }")
                .is_none()
        );
        assert!(of("{ source: [dpc] }").is_some() && of("{ source: [aws.s3] }").is_none());
        assert!(of("{ source: [{ anything-but: aws.s3 }] }").is_some());
    }
}
