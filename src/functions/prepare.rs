//! From an envelope and a plan to a run: which partition, which start key, which arguments.
//!
//! In come what was asked for and what was deployed; out come the partition and key that the claim takes, and the input of
//! the execution. Pure: no call, no clock. It refuses to start anything.

use jiff::Timestamp;
use serde_json::{Map, Value};

use crate::cloud::runs::Run;
use crate::control::partition::PartitionSpec;
use crate::control::plan::Plan;
use crate::control::render::{Context, render_args};
use crate::control::run::{ENVELOPE_VERSION, Envelope, ExecutionInput, RunIdentity, Source};
use crate::functions::account::Settings;
use crate::functions::params;
use crate::functions::start::schedule_key;
use crate::source::{Code, Finding, Problem};

/// Step Functions takes 262,144 bytes of input: <https://docs.aws.amazon.com/step-functions/latest/dg/service-quotas.html>.
const INPUT_LIMIT: usize = 262_144;

/// What an envelope wants, made definite.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wish {
    /// The partition's label.
    pub partition: String,
    /// The start key.
    pub key: String,
    /// For a schedule: when it was due.
    pub scheduled_time: Option<Timestamp>,
}

/// What this envelope wants of this pipeline.
///
/// # Errors
/// A time or partition that is missing or does not fit; parameters that do not.
pub fn wish(plan: &Plan, envelope: &Envelope, now: Timestamp) -> Result<Wish, Box<Finding>> {
    let pipeline = &envelope.pipeline;
    let spec = PartitionSpec::of_plan(&plan.partition).map_err(|problem| bad_plan(pipeline, &problem))?;
    params::resolve(plan, &envelope.params)?;
    let scheduled_time = match envelope.source {
        Source::Schedule => Some(time(pipeline, "scheduledTime", envelope.scheduled_time.as_deref())?),
        _ => None,
    };
    let of_time = |time: Timestamp| {
        let message = format!("`{time}` lies in no partition of pipeline `{pipeline}`");
        spec.of_time(time).ok_or_else(|| Box::new(Finding::new(Code::WrongPartition, message)))
    };
    let partition = match (envelope.source, &envelope.partition, scheduled_time) {
        (_, _, Some(due)) => of_time(due)?,
        (Source::Event, _, _) => of_time(time(pipeline, "eventTime", envelope.event_time.as_deref())?)?,
        (_, Some(label), _) => spec.parse(label, pipeline).map_err(|problem| bad_partition(&problem))?.label,
        // A person who names none means the one that a schedule would take now.
        (_, None, _) => of_time(now)?,
    };
    let key = match scheduled_time {
        Some(due) => schedule_key(due),
        None => envelope.key.clone(),
    };
    if key.is_empty() || key.len() > 512 {
        let message = format!("a request to start `{pipeline}` has no usable start key");
        return Err(Box::new(Finding::new(Code::BadEnvelope, message).help("give a `key` of 1 to 512 bytes")));
    }
    Ok(Wish { partition, key, scheduled_time })
}

fn time(pipeline: &str, name: &str, text: Option<&str>) -> Result<Timestamp, Box<Finding>> {
    let text = text.unwrap_or_default();
    text.parse().map_err(|_| {
        let finding = Finding::new(
            Code::BadEnvelope,
            format!("a request to start `{pipeline}` has no time in `{name}`: `{text}`"),
        );
        Box::new(finding.help("give an instant such as 2026-11-21T03:00:00Z"))
    })
}

fn bad_partition(problem: &Problem) -> Box<Finding> {
    let mut finding = Finding::new(Code::WrongPartition, &problem.message);
    finding.why.clone_from(&problem.why);
    finding.help.clone_from(&problem.help);
    Box::new(finding)
}

fn bad_plan(pipeline: &str, problem: &Problem) -> Box<Finding> {
    let message = format!("the plan of pipeline `{pipeline}` cannot be read: {}", problem.message);
    Box::new(Finding::new(Code::BadPlan, message).help("deploy the pipeline again with this version of dpc"))
}

/// The input of a run's execution, as JSON.
///
/// # Errors
/// Arguments that cannot be rendered, and input that is too large: the run has failed.
pub fn input(plan: &Plan, run: &Run, settings: &Settings) -> Result<String, Box<Finding>> {
    let identity = RunIdentity {
        id: run.reference.id.to_string(),
        execution: run.reference.execution_name(),
        pipeline: run.reference.pipeline.clone(),
        partition: run.reference.id.partition.clone(),
        number: run.reference.id.number,
        space: run.space.clone(),
        source: run.source,
    };
    let network = network(settings, identity.number);
    let steps = render(plan, run, &identity)?;
    let input = ExecutionInput { version: ENVELOPE_VERSION, run: identity, network, steps };
    let json = serde_json::to_string(&input)
        .map_err(|error| Box::new(Finding::new(Code::NotRendered, format!("the input cannot be written: {error}"))))?;
    if json.len() > INPUT_LIMIT {
        let message =
            format!("the arguments of all steps have {} bytes, and Step Functions takes {INPUT_LIMIT}", json.len());
        return Err(Box::new(
            Finding::new(Code::InputTooLarge, message).help("read long values from a file in S3 instead"),
        ));
    }
    Ok(json)
}

/// Every step's arguments, rendered.
fn render(plan: &Plan, run: &Run, identity: &RunIdentity) -> Result<Map<String, Value>, Box<Finding>> {
    let pipeline = &identity.pipeline;
    let spec = PartitionSpec::of_plan(&plan.partition).map_err(|problem| bad_plan(pipeline, &problem))?;
    // Claimed under one plan and started under the next: the label may not fit any more.
    let partition = spec.parse(&identity.partition, pipeline).map_err(|problem| bad_partition(&problem))?;
    let context = Context::new(identity, &partition, &spec.zone, params::resolve(plan, &run.params)?);
    render_args(&plan.steps, &context).map_err(|error| {
        let finding = Finding::new(Code::NotRendered, error.to_string());
        Box::new(finding.help("mend `pipeline.yaml`, deploy it, and start the partition again with `dpc run`"))
    })
}

/// Where this run's clusters go. The number picks the subnet, so that a rerun after a lack of capacity tries the next.
fn network(settings: &Settings, number: u32) -> Map<String, Value> {
    let turn = usize::try_from(number).unwrap_or(0).saturating_sub(1) % settings.subnets.len().max(1);
    let mut network = Map::new();
    let mut put = |name: &str, value: Option<&String>| {
        if let Some(value) = value {
            network.insert(name.to_owned(), value.clone().into());
        }
    };
    put("Ec2SubnetId", settings.subnets.get(turn));
    put("EmrManagedMasterSecurityGroup", Some(&settings.primary_group));
    put("EmrManagedSlaveSecurityGroup", Some(&settings.core_group));
    put("ServiceAccessSecurityGroup", settings.service_group.as_ref());
    network
}
