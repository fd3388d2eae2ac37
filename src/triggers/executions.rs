//! `executions`: a condition tree over the runs of other pipelines.
//!
//! In comes the tree as users wrote it; out come findings about its shape and its values, and the [`Condition`] that the
//! plan carries. It refuses to know whether the pipelines that it names exist. Trees are checked here and carried in the
//! plan; what makes them fire is the control plane.

use std::collections::HashMap;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::Deserialize;
use serde_json::Value;

use crate::control::condition::{self, Condition, Leaf, STATUSES};
use crate::control::partition::{Offset, PartitionSpec};
use crate::control::run::Status;
use crate::source::schema::hints;
use crate::source::{Code, Finding, Findings, Span, Spanned, Tree, suggest};

/// Which runs of other pipelines start this one. At least one of `allOf` and `anyOf`.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schemars(transform = hints::at_least_one(&["allOf", "anyOf"]))]
pub struct Executions {
    /// Conditions that must all hold.
    #[schemars(extend("x-dpc-also" = ["all", "and"]))]
    pub all_of: Option<Spanned<Vec<Spanned<Branch>>>>,
    /// Conditions of which one must hold.
    #[schemars(extend("x-dpc-also" = ["any", "or", "oneOf"]))]
    pub any_of: Option<Spanned<Vec<Spanned<Branch>>>>,
    /// `AND` or `OR`: how `allOf` and `anyOf` are joined when both are there. Default: `AND`.
    #[schemars(transform = hints::words(&["AND", "OR"]), transform = hints::default("AND"))]
    pub operator: Option<Spanned<String>>,
}

/// A condition: exactly one of `allOf`, `anyOf` and `pipeline` with its `status`.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schemars(transform = hints::exactly_one(&["allOf", "anyOf", "pipeline"]))]
pub struct Branch {
    /// Conditions that must all hold.
    #[schemars(extend("x-dpc-also" = ["all", "and"]))]
    pub all_of: Option<Spanned<Vec<Spanned<Branch>>>>,
    /// Conditions of which one must hold.
    #[schemars(extend("x-dpc-also" = ["any", "or", "oneOf"]))]
    pub any_of: Option<Spanned<Vec<Spanned<Branch>>>>,
    /// Name of the upstream pipeline.
    #[schemars(extend("x-dpc-also" = ["name", "upstream", "parent"]))]
    pub pipeline: Option<Spanned<String>>,
    /// RUNNING (has started), SUCCEEDED, FAILED, TIMED_OUT, ABORTED or SKIPPED, or a list of them.
    #[serde(default)]
    #[schemars(schema_with = "statuses", transform = hints::words(&AWAITED), extend("x-dpc-also" = ["state", "statuses"]))]
    pub status: Option<Spanned<Tree>>,
    /// Another partition than this pipeline's own: `-1d` for the day before.
    pub offset: Option<Spanned<String>>,
    /// Each of so many partitions, the own one and those before it: `7d`.
    pub last: Option<Spanned<String>>,
}

/// The words for `status`. QUEUED is none: whoever waits for a run waits for more than that it was asked for.
const AWAITED: [&str; 6] = ["RUNNING", "SUCCEEDED", "FAILED", "TIMED_OUT", "ABORTED", "SKIPPED"];

fn statuses(_: &mut SchemaGenerator) -> Schema {
    json_schema!({ "anyOf": [{ "type": "string" }, { "type": "array", "items": { "type": "string" } }] })
}

const EXAMPLE: &str = "write `{ pipeline: listings, status: SUCCEEDED }`";

/// A leaf with the places that findings about it need.
#[derive(Clone, Debug)]
pub struct PlacedLeaf {
    /// What it says.
    pub leaf: Leaf,
    /// The upstream's name.
    pub name: Span,
    /// The whole leaf.
    pub span: Span,
}

/// What is read of a tree: the condition if nothing of it is wrong, and every leaf that could be read.
#[derive(Clone, Debug, Default)]
pub struct Read {
    /// The condition.
    pub condition: Option<Condition>,
    /// Leaves in the order written.
    pub leaves: Vec<PlacedLeaf>,
}

/// Who reads: the pipeline's own name and partition.
struct Reader<'a> {
    own: &'a str,
    spec: Option<&'a PartitionSpec>,
    findings: Findings,
    leaves: Vec<PlacedLeaf>,
}

/// Reads a tree for the pipeline `own`; `spec` is its partition, if that is sound.
pub fn read(tree: &Spanned<Executions>, own: &str, spec: Option<&PartitionSpec>, findings: &mut Findings) -> Read {
    let mut reader = Reader { own, spec, findings: Findings::new(), leaves: Vec::new() };
    let condition = reader.root(tree);
    let condition = condition.filter(|_| !reader.findings.has_errors());
    findings.extend(reader.findings);
    Read { condition, leaves: reader.leaves }
}

/// The same without findings, for those who come after.
pub fn leaves(tree: &Spanned<Executions>, own: &str, spec: Option<&PartitionSpec>) -> Read {
    read(tree, own, spec, &mut Findings::new())
}

impl Reader<'_> {
    fn root(&mut self, tree: &Spanned<Executions>) -> Option<Condition> {
        let joined = self.operator(tree);
        let all = tree.all_of.as_ref().map(|list| self.list(list, true));
        let any = tree.any_of.as_ref().map(|list| self.list(list, false));
        match (all, any) {
            (None, None) => {
                self.push(
                    Finding::at(Code::BadCondition, tree.span, "`executions` waits for nothing", "")
                        .help("write `allOf: [{ pipeline: listings, status: SUCCEEDED }]`"),
                );
                None
            }
            (Some(only), None) | (None, Some(only)) => only,
            (Some(all), Some(any)) => {
                let both = vec![all?, any?];
                Some(if joined { Condition::All { all_of: both } } else { Condition::Any { any_of: both } })
            }
        }
    }

    /// Whether both lists must hold.
    fn operator(&mut self, tree: &Executions) -> bool {
        let Some(operator) = &tree.operator else { return true };
        if !matches!(operator.as_str(), "AND" | "OR") {
            let finding =
                Finding::at(Code::BadCondition, operator.span, format!("`{}` is no operator", operator.value), "");
            let meant = match operator.to_ascii_uppercase().as_str() {
                "AND" | "ALL" | "&&" => Some("AND"),
                "OR" | "ANY" | "||" => Some("OR"),
                _ => None,
            };
            self.push(match meant {
                Some(meant) => finding.fix(operator.span, meant, format!("did you mean `{meant}`?")),
                None => finding.help("write `AND` or `OR`"),
            });
        } else if tree.all_of.is_some() != tree.any_of.is_some() {
            self.push(
                Finding::at(
                    Code::BadCondition,
                    operator.span,
                    "`operator` joins `allOf` and `anyOf`, and one is not there",
                    "",
                )
                .why("the conditions of one list are joined by its name: `allOf` is and, `anyOf` is or")
                .help("remove it, or write the other list"),
            );
        }
        operator.value != "OR"
    }

    fn list(&mut self, list: &Spanned<Vec<Spanned<Branch>>>, all: bool) -> Option<Condition> {
        let name = if all { "allOf" } else { "anyOf" };
        if list.is_empty() {
            self.push(Finding::at(Code::BadCondition, list.span, format!("`{name}` is empty"), "").help(EXAMPLE));
        }
        let read: Vec<(Option<Condition>, Span)> =
            list.iter().map(|branch| (self.branch(branch), branch.span)).collect();
        self.repeated(&read, all);
        if all {
            self.contradictory(&read);
        }
        let inner: Option<Vec<Condition>> = read.into_iter().map(|(condition, _)| condition).collect();
        let inner = inner.filter(|inner| !inner.is_empty())?;
        Some(if all { Condition::All { all_of: inner } } else { Condition::Any { any_of: inner } })
    }

    fn branch(&mut self, branch: &Spanned<Branch>) -> Option<Condition> {
        let leaf_keys = [
            ("status", branch.status.as_ref().map(|status| status.span)),
            ("offset", branch.offset.as_ref().map(|offset| offset.span)),
            ("last", branch.last.as_ref().map(|last| last.span)),
        ];
        match (&branch.all_of, &branch.any_of, &branch.pipeline) {
            (None, None, Some(pipeline)) => self.leaf(branch, pipeline),
            (None, None, None) => {
                let place = leaf_keys.iter().find_map(|(_, span)| *span).unwrap_or(branch.span);
                self.push(
                    Finding::at(Code::BadCondition, place, "this condition names no `pipeline`", "").help(EXAMPLE),
                );
                None
            }
            (Some(list), None, None) | (None, Some(list), None) => {
                for (name, span) in leaf_keys {
                    if let Some(span) = span {
                        self.push(
                            Finding::at(Code::BadCondition, span, format!("`{name}` belongs to a `pipeline`"), "")
                                .help("write it inside the list, beside the `pipeline` that it is about"),
                        );
                    }
                }
                self.list(list, branch.all_of.is_some())
            }
            (all, any, pipeline) => {
                let spans = [all.as_ref().map(|one| one.span), any.as_ref().map(|one| one.span)];
                let mut spans = spans.into_iter().chain([pipeline.as_ref().map(|one| one.span)]).flatten();
                let (first, second) = (spans.next().unwrap_or(branch.span), spans.next().unwrap_or(branch.span));
                self.push(
                    Finding::at(Code::BadCondition, second, "this condition is two at once", "second")
                        .and(first, "first")
                        .why("below the root, a condition is exactly one of `allOf`, `anyOf` and `pipeline`")
                        .help("write each as an item of its own"),
                );
                None
            }
        }
    }

    fn leaf(&mut self, branch: &Spanned<Branch>, pipeline: &Spanned<String>) -> Option<Condition> {
        let status = self.status(branch, pipeline);
        let offset = match &branch.offset {
            Some(offset) => self.offset(offset),
            None => Some(Offset::ZERO),
        };
        let last = match &branch.last {
            Some(last) => self.last(last).map(Some),
            None => Some(None),
        };
        let (offset, last) = (offset?, last?);
        if pipeline.value == self.own && offset.count() >= 0 {
            let finding =
                Finding::at(Code::WaitsForItself, pipeline.span, format!("`{}` waits for itself", self.own), "")
                    .why("the run that it waits for would have to end before it starts");
            let help = match self.spec {
                Some(spec) if offset == Offset::ZERO => {
                    format!("add `offset: {}` to run after its own last partition, or remove it", example(spec))
                }
                _ => "look back: an `offset` with a minus".to_owned(),
            };
            self.push(finding.help(help));
        }
        let leaf = Leaf { pipeline: pipeline.value.clone(), status: status?, offset, last };
        self.leaves.push(PlacedLeaf { leaf: leaf.clone(), name: pipeline.span, span: branch.span });
        Some(Condition::Leaf(leaf))
    }

    fn status(&mut self, branch: &Branch, pipeline: &Spanned<String>) -> Option<Vec<Status>> {
        let Some(written) = &branch.status else {
            self.push(
                Finding::at(Code::BadCondition, pipeline.span, "this condition names no `status`", "")
                    .help("add `status: SUCCEEDED`, or the status that this pipeline is the answer to"),
            );
            return None;
        };
        let one = |tree: &Tree, span| match tree {
            Tree::Scalar(Value::String(word)) => Some(Spanned::new(word.clone(), span)),
            _ => None,
        };
        let words: Vec<Spanned<String>> = match &written.value {
            Tree::List(items) => items.iter().filter_map(|item| one(&item.value, item.span)).collect(),
            single => one(single, written.span).into_iter().collect(),
        };
        if words.is_empty() {
            self.push(
                Finding::at(Code::BadCondition, written.span, "`status` is empty", "")
                    .help("write `status: SUCCEEDED`"),
            );
        }
        let mut found: Vec<Status> = Vec::new();
        let mut sound = !words.is_empty();
        for word in &words {
            match STATUSES.into_iter().find(|status| status.as_str() == word.value) {
                Some(status) if found.contains(&status) => {
                    self.push(
                        Finding::at(Code::PointlessCondition, word.span, format!("`{status}` is here twice"), "")
                            .warning()
                            .help("remove one"),
                    );
                }
                Some(status) => found.push(status),
                None => {
                    sound = false;
                    self.push(unknown_status(word));
                }
            }
        }
        if let (true, Some(running)) = (found.len() > 1, words.iter().find(|word| word.value == "RUNNING")) {
            self.push(
                Finding::at(Code::PointlessCondition, running.span, "`RUNNING` makes the other statuses pointless", "")
                    .warning()
                    .why("it holds as soon as the run has started, whatever comes after")
                    .help("keep `RUNNING` alone, or remove it to wait for the end"),
            );
        }
        sound.then_some(found)
    }

    fn offset(&mut self, written: &Spanned<String>) -> Option<Offset> {
        let fits = Offset::parse(written).and_then(|offset| {
            self.spec.map_or(Ok(()), |spec| PartitionSpec::new(spec.by, offset, spec.zone.clone()).map(|_| ()))?;
            Ok(offset)
        });
        match fits {
            Ok(offset) => Some(offset),
            Err(problem) => {
                self.push(problem.at(Code::BadLook, written, written.span));
                None
            }
        }
    }

    fn last(&mut self, written: &Spanned<String>) -> Option<Offset> {
        let window = match condition::window(written) {
            Ok(window) => window,
            Err(problem) => {
                self.push(problem.at(Code::BadLook, written, written.span));
                return None;
            }
        };
        let spec = self.spec?;
        if PartitionSpec::new(spec.by, window, spec.zone.clone()).is_ok() {
            return Some(window);
        }
        let message = format!("`{}` does not count partitions by {}", written.value, spec.by.as_str());
        let help = match example(spec).strip_prefix('-') {
            Some(unit) => format!("write a count such as `{}`", unit.replace('1', "7")),
            None => "remove it: there are no other partitions".to_owned(),
        };
        self.push(
            Finding::at(Code::BadLook, written.span, message, "")
                .why("it counts in the granularity of the pipeline that waits")
                .help(help),
        );
        None
    }

    /// The same condition twice in one list, or one that another beside it makes pointless.
    fn repeated(&mut self, list: &[(Option<Condition>, Span)], all: bool) {
        let mut seen: Vec<(&Condition, Span)> = Vec::new();
        let mut leaves: HashMap<&Leaf, Span> = HashMap::new();
        let mut found = Vec::new();
        for (condition, span) in list {
            let Some(condition) = condition else { continue };
            let before = match condition {
                Condition::Leaf(leaf) => leaves.insert(leaf, *span),
                other => {
                    let before = seen.iter().find(|(one, _)| *one == other).map(|(_, span)| *span);
                    seen.push((other, *span));
                    before
                }
            };
            if let Some(before) = before {
                found.push(
                    Finding::at(Code::PointlessCondition, *span, "this condition is written twice", "")
                        .and(before, "first written here")
                        .warning()
                        .help("remove one of them, or correct the name"),
                );
            }
        }
        // A or (A and B) is A; A and (A or B) is A.
        for (condition, span) in list {
            let inner = match condition {
                Some(Condition::Any { any_of }) if all => any_of,
                Some(Condition::All { all_of }) if !all => all_of,
                _ => continue,
            };
            let absorbed = inner.iter().find_map(|one| match one {
                Condition::Leaf(leaf) => leaves.get(leaf).map(|span| (leaf, *span)),
                _ => None,
            });
            if let Some((leaf, first)) = absorbed {
                let message = format!("this list is pointless beside the condition on `{}`", leaf.pipeline);
                let why = if all {
                    "when that holds, so does one of the list"
                } else {
                    "when all of the list hold, so does that"
                };
                found.push(
                    Finding::at(Code::PointlessCondition, *span, message, "")
                        .and(first, "the condition")
                        .warning()
                        .why(why)
                        .help("remove the list, or the condition"),
                );
            }
        }
        self.findings.extend(found);
    }

    /// Leaves of one run that cannot hold together: it ends once.
    fn contradictory(&mut self, list: &[(Option<Condition>, Span)]) {
        let ends = |status: &Status| !matches!(status, Status::Running | Status::Skipped);
        let mut by_run: HashMap<(&str, Offset, Option<Offset>), (&Leaf, Span)> = HashMap::new();
        let mut found = Vec::new();
        for (condition, span) in list {
            let Some(Condition::Leaf(leaf)) = condition else { continue };
            // RUNNING holds whatever comes after; SKIPPED is looked for in another run than the others.
            if !leaf.status.iter().all(ends) {
                continue;
            }
            let run = (leaf.pipeline.as_str(), leaf.offset, leaf.last);
            let Some((other, first)) = by_run.get(&run) else {
                by_run.insert(run, (leaf, *span));
                continue;
            };
            if !leaf.status.iter().any(|status| other.status.contains(status)) {
                found.push(
                    Finding::at(Code::NeverHolds, *span, "this can never hold together with another condition", "")
                        .and(*first, "of the same run")
                        .why("the newest run of a partition has one status")
                        .help("move them into an `anyOf`, or into one `status` list"),
                );
            }
        }
        self.findings.extend(found);
    }

    fn push(&mut self, finding: Finding) {
        self.findings.push(finding);
    }
}

/// The partition before, in a granularity: `-1d`.
fn example(spec: &PartitionSpec) -> &'static str {
    use crate::control::partition::Granularity;
    match spec.by {
        Granularity::None => "0",
        Granularity::Hour => "-1h",
        Granularity::Day => "-1d",
        Granularity::Week => "-1w",
        Granularity::Month => "-1mo",
        Granularity::Year => "-1y",
    }
}

fn unknown_status(word: &Spanned<String>) -> Finding {
    let names = STATUSES.map(Status::as_str);
    let finding = Finding::at(Code::BadStatus, word.span, format!("`{}` is not a status to wait for", word.value), "");
    let meant = match word.to_ascii_uppercase().as_str() {
        "SUCCESS" | "SUCCESSFUL" | "OK" | "DONE" | "COMPLETED" | "FINISHED" => Some("SUCCEEDED"),
        "FAILURE" | "ERROR" | "FAIL" => Some("FAILED"),
        "TIMEOUT" | "TIMED-OUT" => Some("TIMED_OUT"),
        "CANCELLED" | "CANCELED" | "STOPPED" | "KILLED" => Some("ABORTED"),
        "STARTED" => Some("RUNNING"),
        "QUEUED" => return finding.why("a queued run has not done anything yet").help("write `RUNNING` for its start"),
        other => suggest::near(other, names),
    };
    match meant {
        Some(meant) => finding.fix(word.span, meant, format!("did you mean `{meant}`?")),
        None => finding.help(format!("there are {}", names.join(", "))),
    }
}

#[cfg(test)]
#[path = "executions_tests.rs"]
mod tests;
