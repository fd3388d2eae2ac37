//! `map`: the same steps once for each item of a list, each of N shards, each object of a prefix, or each row of a file.
//!
//! Inline, the items run inside the execution: at most 40 at once, and each failure is counted. Distributed, each item is
//! an execution of its own, for thousands of them:
//! <https://docs.aws.amazon.com/step-functions/latest/dg/state-map-distributed.html>. In a distributed map nothing of the
//! outer execution can be seen, so what the steps need is handed to each item.

use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::{Argument, Bench, Kind, KindOfStep, Output, RunsOn, Step, Tree, Work};
use crate::control::render;
use crate::documents::frame;
use crate::documents::policy::Statement;
use crate::documents::states::code;
use crate::documents::template::{reference, sub, verbatim};
use crate::source::schema::hints;
use crate::source::{self, Code, Finding, Findings, Spanned};

/// Runs steps once for each of many items.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct MapStep {
    /// What there is an item for. Exactly one.
    pub over: Spanned<Over>,
    /// How many items run at once. Default: 10.
    #[schemars(extend("x-dpc-also" = ["maxConcurrency", "parallelism", "workers"]))]
    pub concurrency: Option<Spanned<u32>>,
    /// How many items may fail before the step does. Default: none.
    pub tolerate: Option<Spanned<Tolerate>>,
    /// inline or distributed. Default: distributed for objects and rows, else inline.
    pub mode: Option<Spanned<Mode>>,
    /// What runs for each item, a graph by `needs`. `{{ item }}`, `{{ item.key }}`, `{{ map.index }}` and `{{ map.count }}`
    /// stand in its texts.
    pub steps: Spanned<Vec<Spanned<Step>>>,
}

/// What there is an item for.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schemars(transform = hints::exactly_one(&["list", "shards", "objects", "csv", "json"]))]
pub struct Over {
    /// A list of anything, or one `{{ }}` that yields a list: `{{ params.countries }}`.
    pub list: Option<Spanned<source::Tree>>,
    /// A number of shards; each item is `{ index, count }`.
    pub shards: Option<Spanned<u32>>,
    /// `s3://bucket/prefix/`: each object, as `{ Key, Size, ETag, … }`.
    pub objects: Option<Spanned<String>>,
    /// `s3://bucket/file.csv`: each row, by the names in the first one.
    pub csv: Option<Spanned<String>>,
    /// `s3://bucket/file.json`, a list, or `.jsonl`: each element.
    pub json: Option<Spanned<String>>,
}

/// How many items may fail.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Tolerate {
    /// At most so many.
    pub failures: Option<Spanned<u32>>,
    /// At most so many of a hundred; 1 to 100.
    pub percent: Option<Spanned<u32>>,
}

/// Where the items run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum Mode {
    /// Inside the execution.
    Inline,
    /// Each in an execution of its own.
    Distributed,
}

/// A map without the steps in it.
#[derive(Clone, Debug, PartialEq)]
pub struct MapWork {
    /// The items, where they are known to the execution.
    pub items: Option<Value>,
    /// What reads the items, where they are not.
    pub reader: Option<Value>,
    /// How many run at once.
    pub concurrency: u32,
    /// How many may fail: a number, or a number of a hundred.
    pub tolerate: (Option<u32>, Option<u32>),
    /// Whether each item is an execution.
    pub distributed: bool,
    /// The most items that there can be, as far as is known.
    pub most: Option<usize>,
}

/// See [`super::KINDS`].
pub const KIND: KindOfStep = KindOfStep {
    key: "map",
    templates: &["over.list", "over.list.**", "over.objects", "over.csv", "over.json"],
    integrations: &[],
};

/// Inline items at once: <https://docs.aws.amazon.com/step-functions/latest/dg/state-map-inline.html>.
const INLINE: u32 = 40;
/// Executions of one distributed map at once: <https://docs.aws.amazon.com/step-functions/latest/dg/service-quotas.html>.
const DISTRIBUTED: u32 = 10_000;
/// Shards of one map.
const SHARDS: u32 = 10_000;

impl MapStep {
    /// Where the items run.
    pub fn mode(&self) -> Mode {
        let many = self.over.objects.is_some() || self.over.csv.is_some() || self.over.json.is_some();
        let default = if many || self.over.shards.as_ref().is_some_and(|shards| shards.value > 1_000) {
            Mode::Distributed
        } else {
            Mode::Inline
        };
        self.mode.as_ref().map_or(default, |mode| mode.value)
    }

    /// How often its steps run one after the other, as far as is known: at least once.
    pub fn rounds(&self) -> u64 {
        let over = &self.over.value;
        let listed = over.list.as_ref().and_then(|list| match &list.value {
            source::Tree::List(items) => u64::try_from(items.len()).ok(),
            source::Tree::Scalar(_) | source::Tree::Map(_) => None,
        });
        let items = over.shards.as_ref().map(|shards| u64::from(shards.value)).or(listed).unwrap_or(1);
        let at_once = self.concurrency.as_ref().map_or(10, |concurrency| u64::from(concurrency.value)).max(1);
        items.div_ceil(at_once).max(1)
    }

    /// The step whose output is an item's: the last one written.
    pub fn last(&self) -> Option<&Step> {
        self.steps.value.last().map(|step| &step.value)
    }

    fn location(&self) -> Option<(&'static str, &Spanned<String>)> {
        let over = &self.over.value;
        let one = |key, uri: &'_ Option<Spanned<String>>| uri.is_some().then_some(key);
        let key = one("objects", &over.objects).or(one("csv", &over.csv)).or(one("json", &over.json))?;
        over.objects.as_ref().or(over.csv.as_ref()).or(over.json.as_ref()).map(|uri| (key, uri))
    }

    fn check_over(&self, findings: &mut Findings) {
        let over = &self.over.value;
        let given: Vec<&str> = [
            ("list", over.list.is_some()),
            ("shards", over.shards.is_some()),
            ("objects", over.objects.is_some()),
            ("csv", over.csv.is_some()),
            ("json", over.json.is_some()),
        ]
        .into_iter()
        .filter_map(|(key, given)| given.then_some(key))
        .collect();
        if given.len() != 1 {
            let message = match given.as_slice() {
                [] => "`over` says no items".to_owned(),
                several => format!("`over` says {} kinds of items: {}", several.len(), several.join(", ")),
            };
            findings.push(
                Finding::at(Code::OneKind, self.over.span, message, "")
                    .help("write one of `list`, `shards`, `objects`, `csv`, `json`"),
            );
        }
        if let Some(list) = &over.list {
            check_list(list, findings);
        }
        if let Some(shards) = over.shards.as_ref().filter(|shards| !(1..=SHARDS).contains(&shards.value)) {
            let message = format!("`shards` must lie between 1 and {SHARDS}");
            findings.push(Finding::at(Code::BadMap, shards.span, message, ""));
        }
        if let Some((key, uri)) = self.location()
            && parts(uri).is_none()
        {
            findings.push(
                Finding::at(Code::BadMap, uri.span, format!("`{}` is not a place in S3", uri.value), "")
                    .why(format!("the bucket of `{key}` is fixed when the pipeline is deployed, because the state machine's role names it"))
                    .help("write `s3://bucket/prefix/`; `{{ }}` is possible after the bucket"),
            );
        }
    }

    fn check_mode(&self, findings: &mut Findings) {
        let at = |span, message: String| Finding::at(Code::BadMap, span, message, "");
        let inline = self.mode() == Mode::Inline;
        if let (true, Some((key, _)), Some(mode)) = (inline, self.location(), &self.mode) {
            findings.push(
                at(mode.span, format!("`{key}` needs a distributed map")).help("remove `mode`, or write `distributed`"),
            );
        }
        let most = if inline { INLINE } else { DISTRIBUTED };
        if let Some(concurrency) = self.concurrency.as_ref().filter(|wanted| !(1..=most).contains(&wanted.value)) {
            let finding = at(concurrency.span, format!("`concurrency` must lie between 1 and {most} here"));
            findings.push(if inline && concurrency.value > INLINE {
                finding
                    .why("Step Functions runs at most 40 items at once inside one execution")
                    .help("add `mode: distributed`")
            } else {
                finding
            });
        }
        if let Some(tolerate) = &self.tolerate {
            match (&tolerate.failures, &tolerate.percent) {
                (Some(_), None) => {}
                (None, Some(percent)) if (1..=100).contains(&percent.value) => {}
                (None, Some(percent)) => {
                    findings.push(at(percent.span, "`percent` must lie between 1 and 100".to_owned()))
                }
                _ => findings.push(
                    Finding::at(Code::OneKind, tolerate.span, "`tolerate` needs one of `failures` and `percent`", "")
                        .help("write `tolerate: { failures: 2 }` or `tolerate: { percent: 10 }`"),
                ),
            }
        }
    }

    fn reader(&self, bench: &mut Bench<'_>) -> Option<Value> {
        let (key, uri) = self.location()?;
        let (bucket, path) = parts(uri)?;
        let place = bench.value("over", Tree::Text(Argument::Users(path.to_owned())));
        let arn = |what: &str| sub(format!("arn:${{AWS::Partition}}:s3:::{}{what}", verbatim(bucket)));
        let statement = match key {
            "objects" => Statement::allow(format!("List{}", sid(bucket)), &["s3:ListBucket"]).on(arn("")),
            _ => Statement::allow(format!("Read{}", sid(bucket)), &["s3:GetObject"]).on(arn("/*")),
        };
        bench.statements.push(statement.when("StringEquals", "aws:ResourceAccount", reference("AWS::AccountId")));
        let arguments = |path: &str| json!({ "Bucket": bucket, path: place });
        Some(match key {
            "objects" => {
                json!({ "Resource": frame::integration("s3:listObjectsV2"), "Arguments": arguments("Prefix") })
            }
            _ => {
                let config = match key {
                    "csv" => json!({ "InputType": "CSV", "CSVHeaderLocation": "FIRST_ROW" }),
                    _ if uri.ends_with(".jsonl") => json!({ "InputType": "JSONL" }),
                    _ => json!({ "InputType": "JSON" }),
                };
                json!({
                    "Resource": frame::integration("s3:getObject"),
                    "ReaderConfig": config,
                    "Arguments": arguments("Key"),
                })
            }
        })
    }

    fn items(&self, bench: &mut Bench<'_>) -> Option<(Value, Option<usize>)> {
        if let Some(shards) = &self.over.shards {
            let count = shards.value;
            let expression = format!("[[0..{}].{{\"index\": $, \"count\": {count}}}]", count.saturating_sub(1));
            return Some((json!(code(&expression)), usize::try_from(count).ok()));
        }
        match &self.over.list.as_ref()?.value {
            source::Tree::Scalar(Value::String(text)) => {
                let late = render::late::of(text);
                if let Some(late) = late.first() {
                    return Some((json!(code(&bench.late(late))), None));
                }
                Some((bench.typed("over", Tree::Typed(text.clone())), None))
            }
            list @ source::Tree::List(items) => Some((bench.typed("over", list.into()), Some(items.len()))),
            source::Tree::Scalar(_) | source::Tree::Map(_) => None,
        }
    }
}

impl Kind for MapStep {
    fn check(&self, findings: &mut Findings) {
        self.check_over(findings);
        self.check_mode(findings);
        if self.steps.value.is_empty() {
            findings.push(
                Finding::at(Code::NoSteps, self.steps.span, "`map` has no steps", "")
                    .help("add a step: `- { name: load, shell: { command: [echo, \"{{ item }}\"] } }`"),
            );
        }
        for step in &self.steps.value {
            if let Some(map) = &step.map {
                findings.push(
                    Finding::at(Code::BadMap, map.span, "a `map` stands inside another", "")
                        .why("the outer item could not be told from the inner one")
                        .help("make the inner one a pipeline of its own and start it with a `pipeline` step"),
                );
            }
            step.check(findings);
        }
    }

    fn runs_on(&self) -> RunsOn {
        RunsOn::Nothing
    }

    fn output(&self) -> Output {
        match self.mode() {
            Mode::Inline => Output::Result("[$states.result.output]"),
            Mode::Distributed => Output::None,
        }
    }

    fn texts(&self) -> Vec<&Spanned<String>> {
        let over = &self.over.value;
        over.objects.iter().chain(&over.csv).chain(&over.json).collect()
    }

    fn values(&self) -> Vec<&Spanned<source::Tree>> {
        self.over.list.iter().collect()
    }

    fn inner(&self) -> &[Spanned<Step>] {
        &self.steps.value
    }

    fn work(&self, bench: &mut Bench<'_>) -> Option<Work> {
        let distributed = self.mode() == Mode::Distributed;
        let reader = self.reader(bench);
        let (items, most) = match &reader {
            Some(_) => (None, None),
            None => self.items(bench).map(|(items, most)| (Some(items), most))?,
        };
        let tolerate = self.tolerate.as_ref();
        let number = |number: Option<&Spanned<u32>>| number.map(|number| number.value);
        Some(Work::Map(Box::new(MapWork {
            items,
            reader,
            concurrency: self.concurrency.as_ref().map_or(10, |concurrency| concurrency.value),
            tolerate: (
                number(tolerate.and_then(|tolerate| tolerate.failures.as_ref())),
                number(tolerate.and_then(|tolerate| tolerate.percent.as_ref())),
            ),
            distributed,
            most,
        })))
    }
}

fn check_list(list: &Spanned<source::Tree>, findings: &mut Findings) {
    let wrong = match &list.value {
        source::Tree::List(items) if items.is_empty() => "an empty `list` has no items",
        source::Tree::List(_) => return,
        source::Tree::Scalar(Value::String(text)) if render::only_expression(text).is_some() => return,
        source::Tree::Scalar(_) | source::Tree::Map(_) => "`list` is neither a list nor one `{{ }}`",
    };
    findings.push(Finding::at(Code::BadMap, list.span, wrong, "").help(
        "write the items, `list: [de, at, ch]`, or a parameter that is a list, `list: \"{{ params.countries }}\"`",
    ));
}

/// Bucket and the rest of `s3://bucket/rest`.
fn parts(uri: &str) -> Option<(&str, &str)> {
    let (bucket, path) = uri.strip_prefix("s3://")?.split_once('/')?;
    let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-' || byte == b'.';
    ((3..=63).contains(&bucket.len()) && bucket.bytes().all(plain)).then_some((bucket, path))
}

/// A bucket's name as part of a statement's, which has letters and digits only.
fn sid(bucket: &str) -> String {
    bucket.split(|letter: char| !letter.is_ascii_alphanumeric()).map(capitalised).collect()
}

fn capitalised(word: &str) -> String {
    let mut letters = word.chars();
    letters.next().map(|first| first.to_ascii_uppercase().to_string() + letters.as_str()).unwrap_or_default()
}

/// What each item of a map gets, beside itself: see [`frame`].
pub fn handed(step: &str, steps: &[&str], profiles: &[&str], timed: bool) -> Map<String, Value> {
    let of = |name: &&str| format!("\"{name}\": $input.steps.`{name}`");
    let own: Vec<String> = steps.iter().map(of).collect();
    let input = format!("{{\"run\": $input.run, \"steps\": {{{}}}, \"vpc\": $input.vpc}}", own.join(", "));
    let mut handed = Map::from_iter([("input".to_owned(), json!(code(&input)))]);
    for profile in profiles {
        let name = frame::variable(profile, "cluster");
        handed.insert(name.clone(), json!(code(&format!("${name}"))));
    }
    if timed {
        handed.insert("deadline".to_owned(), json!(code("$deadline")));
    }
    debug_assert!(!step.is_empty(), "steps have names");
    handed
}
