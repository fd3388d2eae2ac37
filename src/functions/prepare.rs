//! From an envelope and a plan to a run: which partition, which start key, which arguments.
//!
//! In come what was asked for and what was deployed; out come the partition and key that the claim takes, and the input of
//! the execution. Pure: no call, no clock. It refuses to start anything.

use jiff::Timestamp;
use serde_json::{Map, Value};

use crate::cloud::runs::Run;
use crate::control::arguments::{self, bad_partition, bad_plan};
use crate::control::nesting::{Nesting, nesting};
use crate::control::partition::{Granularity, Offset, PartitionSpec};
use crate::control::plan::Plan;
use crate::control::render;
use crate::control::run::{ENVELOPE_VERSION, Envelope, ExecutionInput, RunIdentity, RunRef, Source};
use crate::functions::account::Settings;
use crate::functions::start::schedule_key;
use crate::source::{Code, Finding};

/// Step Functions takes 262,144 bytes of input: <https://docs.aws.amazon.com/step-functions/latest/dg/service-quotas.html>.
const INPUT_LIMIT: usize = 262_144;

/// What is kept of an event: a row of the table holds 400 KB, and EventBridge delivers 256 KB.
const EVENT_LIMIT: usize = 100 * 1024;

/// What an envelope wants, made definite.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wish {
    /// The partition's label.
    pub partition: String,
    /// The start key.
    pub key: String,
    /// For a schedule: when it was due.
    pub scheduled_time: Option<Timestamp>,
    /// What time the run is about.
    pub time: Timestamp,
}

/// What this envelope wants of this pipeline.
///
/// # Errors
/// A time or partition that is missing or does not fit; parameters that do not.
pub fn wish(plan: &Plan, envelope: &Envelope, now: Timestamp) -> Result<Wish, Box<Finding>> {
    let pipeline = &envelope.pipeline;
    let spec = PartitionSpec::of_plan(&plan.partition).map_err(|problem| bad_plan(pipeline, &problem))?;
    arguments::check_given(plan, &envelope.params)?;
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
        (Source::Event, _, _) => match (&plan.partition.from, event(envelope)?) {
            (Some(from), event) => arguments::partition_of_event(plan, from, event)?,
            (None, _) => of_time(time(pipeline, "eventTime", envelope.event_time.as_deref())?)?,
        },
        (_, Some(label), _) => spec.parse(label, pipeline).map_err(|problem| bad_partition(&problem))?.label,
        (Source::Pipeline, None, _) => of_parent(&spec, envelope)?,
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
    let event_time = || envelope.event_time.as_deref()?.parse().ok();
    // The start of a partition, else, for a run without one, the time of the event or of the run that is run again.
    let start = || spec.parse(&partition, pipeline).ok()?.bounds.map(|(start, _)| start);
    let time = match envelope.source {
        Source::Event => event_time(),
        _ => scheduled_time.or_else(start).or_else(event_time),
    };
    Ok(Wish { partition, key, scheduled_time, time: time.unwrap_or(now) })
}

/// The event of an envelope, small enough to be kept.
fn event(envelope: &Envelope) -> Result<&Value, Box<Finding>> {
    let pipeline = &envelope.pipeline;
    let Some(event) = &envelope.event else {
        let message = format!("a request to start `{pipeline}` for an event does not hold the event");
        return Err(Box::new(Finding::new(Code::BadEnvelope, message).help("deploy the pipeline again")));
    };
    let size = event.to_string().len();
    if size > EVENT_LIMIT {
        let message =
            format!("an event for `{pipeline}` has {size} bytes, and at most {EVENT_LIMIT} are kept with a run");
        return Err(Box::new(
            Finding::new(Code::EventTooLarge, message)
                .why("a run that could not say what it was started for could not be started again")
                .help("let the sender put the payload into S3 and send its address, or start the run with `dpc run`"),
        ));
    }
    Ok(event)
}

/// The partition that a step of another pipeline means when it names none: its own run's, or the longer one around it.
fn of_parent(spec: &PartitionSpec, envelope: &Envelope) -> Result<String, Box<Finding>> {
    let pipeline = &envelope.pipeline;
    let parent = envelope.parent.as_deref().unwrap_or_default();
    let Some(run) = RunRef::of_execution_name(parent) else {
        let message = format!("a request to start `{pipeline}` names neither a partition nor a run: `{parent}`");
        return Err(Box::new(Finding::new(Code::BadEnvelope, message).help("deploy the pipeline that asks again")));
    };
    if spec.by == Granularity::None {
        return Ok("none".to_owned());
    }
    let label = &run.id.partition;
    let refused = |why: String| {
        let message = format!("run `{run}` cannot say which partition of `{pipeline}` it means: {why}");
        let help = format!("write it in the step: `pipeline: {{ name: {pipeline}, partition: \"{{{{ … }}}}\" }}`");
        Box::new(Finding::new(Code::WrongPartition, message).help(help))
    };
    let by = Granularity::of_label(label).unwrap_or(Granularity::None);
    if by == Granularity::None {
        return Err(refused(format!("it has none, and `{pipeline}` is partitioned by {}", spec.by.as_str())));
    }
    // The label is a stretch of the calendar; that of the run's own pipeline and this one's are taken to be the same.
    let plain = |by| PartitionSpec::new(by, Offset::ZERO, spec.zone.clone()).map_err(|problem| bad_partition(&problem));
    match nesting(&plain(by)?, &plain(spec.by)?) {
        Ok(Nesting::Same) => Ok(label.clone()),
        Ok(Nesting::Finer) => {
            let start = plain(by)?.parse(label, pipeline).map_err(|problem| bad_partition(&problem))?.bounds;
            let around = start.and_then(|(start, _)| plain(spec.by).ok()?.of_time(start));
            around.ok_or_else(|| refused(format!("`{label}` is not in the calendar")))
        }
        Ok(Nesting::Coarser | Nesting::Unpartitioned) => Err(refused(format!(
            "`{label}` is a {}, and `{pipeline}` is partitioned by {}",
            by.as_str(),
            spec.by.as_str()
        ))),
        Err((why, _)) => Err(refused(why)),
    }
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

/// The input of a run's execution, as JSON.
///
/// # Errors
/// Arguments that cannot be rendered, and input that is too large: the run has failed.
pub fn input(plan: &Plan, run: &Run, settings: &Settings) -> Result<String, Box<Finding>> {
    let identity = identity(run);
    let network = network(settings, identity.number);
    let scope = arguments::scope(plan, &identity, &run.params, run.event.as_ref())?;
    let steps = arguments::render(plan, &scope)?;
    let vpc = vpc(settings);
    let input = ExecutionInput { version: ENVELOPE_VERSION, run: identity, network, vpc, steps };
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

fn identity(run: &Run) -> RunIdentity {
    RunIdentity {
        id: run.reference.id.to_string(),
        execution: run.reference.execution_name(),
        pipeline: run.reference.pipeline.clone(),
        partition: run.reference.id.partition.clone(),
        number: run.reference.id.number,
        space: run.space.clone(),
        source: run.source,
    }
}

/// Why the pipeline's precondition keeps this run from starting; `None` if it holds, or there is none.
///
/// # Errors
/// A precondition that cannot be evaluated: the run has failed.
pub fn precondition(plan: &Plan, run: &Run) -> Result<Option<String>, Box<Finding>> {
    let Some(template) = &plan.when else { return Ok(None) };
    let scope = arguments::scope(plan, &identity(run), &run.params, run.event.as_ref())?;
    let holds =
        render::condition(template, &scope).map_err(|said| arguments::not_rendered(&format!("`when`: {said}")))?;
    Ok((!holds).then(|| format!("its precondition is false: `when: {template}`")))
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

/// Where this run's containers go. ECS looks for room in all subnets; in public ones a container reaches the registry of its
/// image only with an address of its own:
/// <https://docs.aws.amazon.com/AmazonECS/latest/developerguide/fargate-task-networking.html>.
fn vpc(settings: &Settings) -> Map<String, Value> {
    let public = if settings.service_group.is_some() { "DISABLED" } else { "ENABLED" };
    Map::from_iter([
        ("Subnets".to_owned(), settings.subnets.clone().into()),
        ("SecurityGroups".to_owned(), vec![settings.task_group.clone()].into()),
        ("AssignPublicIp".to_owned(), public.into()),
    ])
}
