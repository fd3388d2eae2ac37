//! A `map` around a body of steps: each item runs the body once, and says at its end how it went.
//!
//! In come the map's own parts and the lowered body; out comes one state. An item never fails the map by itself: the map
//! counts failures when all have ended, so that siblings finish; only where each item is an execution of its own does
//! Step Functions count. It refuses to know what the steps in it do.

use serde_json::{Map, Value, json};

use super::lowering::Lowering;
use super::{Body, Made, Model};
use crate::control::names;
use crate::documents::frame;
use crate::documents::policy::Statement;
use crate::documents::states::{Choice, Fail, MapState, Pass, Processor, Rule, State, States, Succeed, code, quoted};
use crate::documents::template::{reference, sub};
use crate::steps::map::{MapWork, handed};

/// The state of a map. Retry, catchers and the next state are the caller's.
pub(super) fn state(model: &Model<'_>, made: &Made<'_>, work: &MapWork, inner: &Body<'_>) -> MapState {
    let name = made.step.name.value.as_str();
    let timed = model.deadline().is_some();
    let steps: Vec<&str> = inner.steps.iter().map(|made| made.step.name.value.as_str()).collect();
    let clusters: Vec<&str> = made.profiles().into_iter().filter(|profile| model.is_provided(profile)).collect();
    let mut selector = Map::from_iter([
        ("item".to_owned(), json!(code("$states.context.Map.Item.Value"))),
        ("index".to_owned(), json!(code("$states.context.Map.Item.Index"))),
        ("results".to_owned(), outer_results(inner)),
    ]);
    if let Some(items) = &work.items {
        selector.insert("count_of_items".to_owned(), count(items));
    }
    if work.distributed {
        selector.extend(handed(name, &steps, &clusters, timed));
    }
    let assign: Map<String, Value> =
        selector.keys().map(|key| (key.clone(), json!(code(&format!("$states.input.{key}"))))).collect();
    MapState {
        comment: made.step.description.as_ref().map(|description| description.value.trim().to_owned()),
        items: work.items.clone(),
        item_reader: work.reader.clone(),
        item_selector: Value::Object(selector),
        max_concurrency: work.concurrency,
        tolerated_failure_count: work.tolerate.0.filter(|_| work.distributed),
        tolerated_failure_percentage: work.tolerate.1.filter(|_| work.distributed),
        label: None,
        item_processor: processor(model, name, work, inner, assign),
        result_writer: work.distributed.then(|| writer(model.name, name)),
        retry: Vec::new(),
        catch: Vec::new(),
        output: json!(code("$states.input")),
        next: String::new(),
    }
}

/// How often the body may run at once.
pub(super) fn width(work: &MapWork) -> usize {
    let at_once = usize::try_from(work.concurrency).unwrap_or(usize::MAX);
    work.most.map_or(at_once, |most| most.min(at_once))
}

fn processor(model: &Model<'_>, name: &str, work: &MapWork, inner: &Body<'_>, assign: Map<String, Value>) -> Processor {
    let begin = format!("{name}: item");
    let outcome = format!("{name}: item outcome");
    let mut states = States { start_at: begin.clone(), ..States::default() };
    let mut body = States::default();
    let first = Lowering { model, body: inner, inside: true }.flow(&inner.flow, &outcome, true, &mut body);
    states.add(begin, State::Pass(Pass { assign, output: json!({}), next: first }));
    states.states.extend(body.states);
    let well = format!("{name}: item done");
    let rule = Rule { condition: frame::all_is_well(), assign: Map::new(), output: None, next: well.clone() };
    let ill = format!("{name}: item failed");
    states.add(outcome, State::Choice(Choice { comment: None, choices: vec![rule], default: ill.clone() }));
    let ended = format!("{name}: item end");
    let last = inner.steps.last().filter(|made| made.wants_output).map(|made| made.step.name.value.as_str());
    states.add(well, State::Pass(Pass { output: frame::item_done(last), next: ended.clone(), ..Pass::default() }));
    if work.distributed {
        let cause = frame::earliest_failure();
        states.add(ill, State::Fail(Fail { error: "dpc.ItemFailed".to_owned(), cause }));
    } else {
        states.add(ill, State::Pass(Pass { output: frame::item_failed(), next: ended.clone(), ..Pass::default() }));
    }
    states.add(ended, State::Succeed(Succeed {}));
    let config = if work.distributed {
        json!({ "Mode": "DISTRIBUTED", "ExecutionType": "STANDARD" })
    } else {
        json!({ "Mode": "INLINE" })
    };
    Processor { processor_config: config, states }
}

/// The outputs that steps inside read of steps outside, handed over with each item.
fn outer_results(inner: &Body<'_>) -> Value {
    let mut outer = Map::new();
    for step in inner.outer_outputs() {
        outer.insert(step.clone(), json!(code(&format!("{{\"output\": $states.input.`{step}`.output}}"))));
    }
    Value::Object(outer)
}

fn count(items: &Value) -> Value {
    match items {
        Value::String(text) => {
            let expression = text.trim_start_matches("{%").trim_end_matches("%}").trim();
            json!(code(&format!("$count({expression})")))
        }
        Value::Array(items) => json!(items.len()),
        _ => json!(1),
    }
}

/// Results of many items are more than a state's output can hold, so they go to the account's bucket.
fn writer(pipeline: &str, step: &str) -> Value {
    let prefix = format!("{}maps/", names::logs_prefix(pipeline));
    json!({
        "Resource": frame::integration("s3:putObject"),
        "Arguments": {
            "Bucket": frame::substitution(frame::BUCKET),
            "Prefix": code(&format!("{} & $input.run.id & {}", quoted(&prefix), quoted(&format!("/{step}")))),
        },
    })
}

/// What a distributed map's own executions and results need:
/// <https://docs.aws.amazon.com/step-functions/latest/dg/iam-policies-eg-dist-map.html>.
pub(super) fn statements(pipeline: &str) -> Vec<Statement> {
    let machine = format!("stateMachine:{}", names::pipeline_resource(pipeline));
    let runs = format!("execution:{}/*", names::pipeline_resource(pipeline));
    let results = format!("arn:${{AWS::Partition}}:s3:::{}/{}maps/*", names::BUCKET, names::logs_prefix(pipeline));
    vec![
        Statement::allow("StartItems", &["states:StartExecution"]).on(sub(names::arn("states", &machine))),
        Statement::allow("WatchItems", &["states:DescribeExecution", "states:StopExecution"])
            .on(sub(names::arn("states", &runs))),
        Statement::allow(
            "KeepResultsOfItems",
            &["s3:AbortMultipartUpload", "s3:GetObject", "s3:ListMultipartUploadParts", "s3:PutObject"],
        )
        .on(sub(results))
        .when("StringEquals", "aws:ResourceAccount", reference("AWS::AccountId")),
        Statement::allow("EncryptResultsOfItems", &["kms:Decrypt", "kms:GenerateDataKey"])
            .on(sub(names::arn("kms", "key/*")))
            .when("ForAnyValue:StringEquals", "kms:ResourceAliases", names::KEY_ALIAS),
    ]
}
