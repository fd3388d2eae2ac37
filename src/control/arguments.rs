//! From a plan and the identity of a run to what its steps are told: the one way, in the account and in `dpc render`.
//!
//! In come the plan, who the run is, what its caller gave, and the event that started it; out come typed parameters and
//! rendered arguments, or what cannot be made of them. It refuses to know how a run came to its partition and its number.

use serde_json::{Map, Value};

use super::params::{self, Misfit};
use super::partition::PartitionSpec;
use super::plan::Plan;
use super::render::{self, Context};
use super::run::RunIdentity;
use crate::source::{Code, Finding, Problem};

/// What a template may name in a run of this plan.
///
/// # Errors
/// A partition that does not fit the plan, parameters that do not.
pub fn scope(
    plan: &Plan,
    run: &RunIdentity,
    given: &Map<String, Value>,
    event: Option<&Value>,
) -> Result<Context, Box<Finding>> {
    let pipeline = &run.pipeline;
    let spec = PartitionSpec::of_plan(&plan.partition).map_err(|problem| bad_plan(pipeline, &problem))?;
    // Claimed under one plan and started under the next: the label may not fit any more.
    let partition = spec.parse(&run.partition, pipeline).map_err(|problem| bad_partition(&problem))?;
    let given = params::given(pipeline, &plan.params, given).map_err(misfit)?;
    let scope = Context::new(run, &partition, &spec.zone, Map::new()).with_event(event.cloned());
    let params = params::defaults(pipeline, &plan.params, given, |default| render::value_of(default, &scope));
    Ok(scope.with_params(params.map_err(misfit)?))
}

/// Every step's arguments, rendered.
///
/// # Errors
/// What cannot be rendered: the run has failed.
pub fn render(plan: &Plan, scope: &Context) -> Result<Map<String, Value>, Box<Finding>> {
    render::render_args(&plan.steps, scope).map_err(|error| not_rendered(&error.to_string()))
}

/// With what CloudFormation puts in for an account and region.
pub fn in_place(value: Value, account: &str, region: &str) -> Value {
    match value {
        Value::String(text) if text.contains("${AWS::") => text
            .replace("${AWS::AccountId}", account)
            .replace("${AWS::Region}", region)
            .replace("${AWS::Partition}", "aws")
            .into(),
        Value::Array(items) => items.into_iter().map(|item| in_place(item, account, region)).collect(),
        Value::Object(entries) => {
            entries.into_iter().map(|(key, value)| (key, in_place(value, account, region))).collect()
        }
        other => other,
    }
}

/// A template that has no value in this run.
pub fn not_rendered(said: &str) -> Box<Finding> {
    let finding = Finding::new(Code::NotRendered, said);
    Box::new(finding.help("mend `pipeline.yaml`, deploy it, and start the partition again with `dpc run`"))
}

/// What the caller gave fits the plan.
///
/// # Errors
/// Why it does not.
pub fn check_given(plan: &Plan, given: &Map<String, Value>) -> Result<(), Box<Finding>> {
    params::given(&plan.pipeline, &plan.params, given).map(|_| ()).map_err(misfit)
}

/// The partition that an event is about, by `partition.from`.
///
/// # Errors
/// A template that cannot be rendered on this event, and what is no partition of the plan.
pub fn partition_of_event(plan: &Plan, from: &str, event: &Value) -> Result<String, Box<Finding>> {
    let pipeline = &plan.pipeline;
    let spec = PartitionSpec::of_plan(&plan.partition).map_err(|problem| bad_plan(pipeline, &problem))?;
    let label = render::of_event(from, event, &spec.zone).map_err(|message| {
        let finding =
            Finding::new(Code::WrongPartition, format!("the partition of an event cannot be made: {message}"));
        Box::new(finding.why("`partition.from` says how").help("mend `partition.from`, and deploy the pipeline"))
    })?;
    match spec.parse(&label, pipeline) {
        Ok(partition) => Ok(partition.label),
        Err(problem) => {
            let mut finding = bad_partition(&problem);
            if label.is_empty() {
                finding.message = "`partition.from` makes an empty text of this event".to_owned();
            }
            finding.why = Some(format!("`partition.from` is `{from}`"));
            if label.parse::<jiff::Timestamp>().is_ok() {
                let by = &plan.partition.by;
                finding.help = Some(format!("an instant becomes a label with `| label('{by}')`"));
            }
            Err(finding)
        }
    }
}

fn misfit(misfit: Misfit) -> Box<Finding> {
    let mut finding = Finding::new(Code::BadParams, misfit.message).help(misfit.help);
    finding.why = misfit.why;
    Box::new(finding)
}

/// A label that does not fit the pipeline.
pub fn bad_partition(problem: &Problem) -> Box<Finding> {
    let mut finding = Finding::new(Code::WrongPartition, &problem.message);
    finding.why.clone_from(&problem.why);
    finding.help.clone_from(&problem.help);
    Box::new(finding)
}

/// A plan that this version of dpc did not write.
pub fn bad_plan(pipeline: &str, problem: &Problem) -> Box<Finding> {
    let message = format!("the plan of pipeline `{pipeline}` cannot be read: {}", problem.message);
    Box::new(Finding::new(Code::BadPlan, message).help("deploy the pipeline again with this version of dpc"))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn of(by: &str, timezone: &str, from: &str, event: Value) -> Result<String, Box<Finding>> {
        let plan = json!({
            "version": "1", "pipeline": "orders", "space": "prod", "stateMachine": "arn", "steps": {},
            "partition": { "by": by, "offset": "0", "timezone": timezone, "from": from },
        });
        partition_of_event(&serde_json::from_value(plan).expect("it is a plan"), from, &event)
    }

    #[test]
    fn an_event_names_its_partition() {
        let event = json!({ "detail": { "date": "2026-11-21", "key": "in/2026-11/x.csv" } });
        let found = |by, from| of(by, "UTC", from, event.clone()).expect("it has a partition");
        assert_eq!(found("day", "{{ event.detail.date }}"), "2026-11-21");
        assert_eq!(found("month", "{{ event.detail.key[3:10] }}"), "2026-11");
        assert_eq!(found("month", "{{ event.detail.date[:7] }}"), "2026-11");
    }

    #[test]
    fn an_instant_becomes_a_label_in_the_zone_of_the_calendar() {
        let event = json!({ "time": "2026-11-21T23:30:00Z" });
        let found =
            |zone| of("day", zone, "{{ event.time | label('day') }}", event.clone()).expect("it has a partition");
        assert_eq!((found("UTC").as_str(), found("Europe/Berlin").as_str()), ("2026-11-21", "2026-11-22"));
    }

    #[test]
    fn what_is_no_partition_is_refused_with_what_made_it() {
        let refused = |from: &str, event| *of("day", "UTC", from, event).expect_err("it is no partition");
        let instant = refused("{{ event.time }}", json!({ "time": "2026-11-21T23:30:00Z" }));
        assert_eq!(instant.code, Code::WrongPartition);
        assert_eq!(instant.help.as_deref(), Some("an instant becomes a label with `| label('day')`"));
        let text = refused("{{ event.name }}", json!({ "name": "orders" }));
        assert_eq!(text.why.as_deref(), Some("`partition.from` is `{{ event.name }}`"));
        let nothing = refused("{{ event.name[9:] }}", json!({ "name": "orders" }));
        assert_eq!(nothing.message, "`partition.from` makes an empty text of this event");
        let absent = refused("{{ event.detail.date }}", json!({}));
        assert!(absent.message.starts_with("the partition of an event cannot be made: "), "{}", absent.message);
    }
}
