//! The stack of a pipeline: its state machine and everything that only it needs.
//!
//! In come a model, its machine and its plan; out come a template and the place in the manifest that each resource
//! comes from. It holds no account id but those that `access` names.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value, json};

use super::{Model, permissions};
use crate::alerts;
use crate::compute::ecs::{self, Secret};
use crate::compute::{self, Host, Request, emr};
use crate::control::names;
use crate::control::plan::Plan;
use crate::documents::frame;
use crate::documents::integration::Integration;
use crate::documents::object;
use crate::documents::policy;
use crate::documents::states::Machine;
use crate::documents::template::{Resource, Template, attribute, reference, sub};
use crate::source::{Span, Spanned};
use crate::steps::Tree;
use crate::triggers::{events, schedule};

type Origins = BTreeMap<String, Span>;

struct Builder {
    template: Template,
    origins: Origins,
}

impl Builder {
    fn add(&mut self, logical_id: impl Into<String>, span: Span, resource: Resource) {
        let logical_id = logical_id.into();
        self.origins.insert(logical_id.clone(), span);
        self.template.add(logical_id, resource);
    }
}

/// The template with the origins of its resources.
pub(super) fn build(
    model: &Model<'_>,
    machine: &Machine,
    integrations: &[Integration],
    plan: &Plan,
) -> (Template, Origins) {
    let manifest = model.manifest;
    let name = manifest.name.span;
    let mut out = Builder { template: Template::new(description(model)), origins: Origins::new() };
    notes(model, &mut out.template);
    out.add(frame::STATE_MACHINE, manifest.steps.span, state_machine(model, machine));
    out.add(frame::STATE_MACHINE_ROLE, manifest.steps.span, machine_role(model, integrations));
    out.add(frame::LOG_GROUP, name, log_group(model.name));
    let access = manifest.access.as_ref().map_or(name, |access| access.span);
    let compute = model.profiles.first().map_or(name, |(profile, _)| profile.span);
    let hosts = hosts(model);
    if !hosts.is_empty() {
        out.add(frame::COMPUTE_ROLE, access, compute_role(model, &hosts));
    }
    if hosts.contains(&Host::Ec2) {
        out.add(frame::COMPUTE_PROFILE, compute, instance_profile());
    }
    if hosts.contains(&Host::Ecs) {
        let secrets: Vec<Secret> = model.body.all().into_iter().flat_map(|made| made.secrets.iter().cloned()).collect();
        out.add(frame::TASK_LOGS, name, ecs::log_group(model.name));
        out.add(frame::EXECUTION_ROLE, compute, ecs::execution_role(&secrets));
    }
    for (id, resource, span) in of_profiles(model) {
        out.add(id, span, resource);
    }
    if let [first, ..] = secrets_of_clusters(model).as_slice() {
        let secrets: BTreeSet<&str> = secrets_of_clusters(model).iter().map(|secret| secret.value.as_str()).collect();
        out.add(frame::EMR_ROLE, first.span, emr::service_role(&secrets.into_iter().collect::<Vec<_>>()));
    }
    if !model.announced.is_empty() {
        let first = manifest.alerts.first().map_or(name, |alert| alert.span);
        out.add(frame::TOPIC, first, topic(model.name));
        for (id, resource, span) in alerts::subscriptions(&manifest.alerts) {
            out.add(id, span, resource);
        }
    }
    out.add(frame::REGISTRATION, name, registration(model, plan));
    for made in model.body.all() {
        for (id, resource) in &made.resources {
            out.add(id.clone(), made.span, resource.clone());
        }
    }
    for (plan, span) in &model.schedules {
        let (id, resource) = schedule::resource(plan, model.name, &model.context.space);
        out.add(id, *span, resource);
    }
    for (plan, rule, span) in &model.events {
        out.add(events::logical_id(plan), *span, rule.clone());
    }
    (out.template, out.origins)
}

fn description(model: &Model<'_>) -> String {
    let users = model.manifest.description.as_ref().map(|description| description.value.trim());
    let text = users.unwrap_or("a data pipeline");
    // https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/template-description-structure.html: 1,024 bytes
    let mut description = format!("{}: {text}", model.name);
    while description.len() > 1_024 {
        description.pop();
    }
    description
}

/// What is said for people only, so that the template holds all of the manifest.
fn notes(model: &Model<'_>, template: &mut Template) {
    template.note("pipeline", json!(model.name));
    if let Some(owner) = &model.manifest.owner {
        template.note("owner", json!(owner.value));
    }
    // `dpc diff` tells the needs of what is deployed from these.
    let needs = model.manifest.graph().into_iter().filter(|(_, needs)| !needs.is_empty());
    let needs: Map<String, Value> = needs.map(|(step, needs)| (step, json!(needs))).collect();
    if !needs.is_empty() {
        template.note("needs", Value::Object(needs));
    }
    let described = model.manifest.params.iter().filter_map(|(name, param)| {
        param.description.as_ref().map(|description| (name.value.clone(), json!(description.value)))
    });
    let described: Map<String, Value> = described.collect();
    if !described.is_empty() {
        template.note("params", Value::Object(described));
    }
}

/// The secrets that EMR fetches while it makes the pipeline's clusters.
fn secrets_of_clusters<'a>(model: &Model<'a>) -> Vec<&'a Spanned<String>> {
    model.profiles.iter().flat_map(|(_, kind)| kind.secrets()).collect()
}

/// The services under which some step runs.
fn hosts(model: &Model<'_>) -> BTreeSet<Host> {
    model.body.all().into_iter().flat_map(|made| made.hosts.iter().copied()).collect()
}

/// Resources of profiles, each with the place of its profile.
fn of_profiles(model: &Model<'_>) -> Vec<(String, Resource, Span)> {
    let resources = |(profile, kind): &(&Spanned<String>, &dyn compute::Kind)| {
        let request = Request {
            profile: &profile.value,
            pipeline: model.name,
            space: &model.context.space,
            tags: &[],
            width: 1,
            objects: &model.objects,
        };
        let span = profile.span;
        kind.resources(&request).into_iter().map(move |(id, resource)| (id, resource, span)).collect::<Vec<_>>()
    };
    model.profiles.iter().flat_map(resources).collect()
}

fn state_machine(model: &Model<'_>, machine: &Machine) -> Resource {
    let definition = machine.to_value();
    let text = definition.to_string();
    let own_role = !secrets_of_clusters(model).is_empty();
    let known = emr::substitutions(model.name, own_role).into_iter().map(|(key, value)| (key.to_owned(), value));
    // A resource of a step or a profile is known to the machine by its logical id.
    let of_steps = model.body.steps.iter().flat_map(|made| made.resources.iter().map(|(id, _)| id.clone()));
    let ids = of_profiles(model).into_iter().map(|(id, ..)| id).chain(of_steps);
    let substitutions: Map<String, Value> = known
        .chain(ids.map(|id| (id.clone(), reference(&id))))
        .filter(|(key, _)| text.contains(&frame::substitution(key)))
        .collect();
    let properties = object([
        ("StateMachineName", json!(names::pipeline_resource(model.name))),
        ("StateMachineType", json!("STANDARD")),
        ("RoleArn", attribute(frame::STATE_MACHINE_ROLE, "Arn")),
        (
            "LoggingConfiguration",
            json!({
                "Level": "ALL",
                "IncludeExecutionData": true,
                "Destinations": [
                    { "CloudWatchLogsLogGroup": { "LogGroupArn": attribute(frame::LOG_GROUP, "Arn") } }
                ],
            }),
        ),
        ("TracingConfiguration", json!({ "Enabled": true })),
        // CloudFormation takes none that is empty.
        ("DefinitionSubstitutions", if substitutions.is_empty() { Value::Null } else { Value::Object(substitutions) }),
        ("Definition", definition),
    ]);
    Resource::new("AWS::StepFunctions::StateMachine", "The state machine that runs the steps", properties)
}

fn machine_role(model: &Model<'_>, integrations: &[Integration]) -> Resource {
    let statements = permissions::of_machine(integrations, model);
    let machine = sub(names::arn("states", &format!("stateMachine:{}", names::pipeline_resource(model.name))));
    let conditions = json!({
        "StringEquals": { "aws:SourceAccount": reference("AWS::AccountId") },
        "ArnEquals": { "aws:SourceArn": machine },
    });
    role(
        "What the state machine may do",
        policy::trust("states.amazonaws.com", Some(conditions)),
        "state-machine",
        &statements,
    )
}

fn compute_role(model: &Model<'_>, hosts: &BTreeSet<Host>) -> Resource {
    let services: Vec<&str> = hosts.iter().map(|host| host.principal()).collect();
    let trust = policy::trust_all(&services);
    role("What the pipeline's own compute may touch", trust, "compute", &permissions::of_compute(model))
}

/// A role with its policy inside, because a state machine that is created before its policy is refused its log group.
fn role(purpose: &str, trust: Value, policy_name: &str, statements: &[policy::Statement]) -> Resource {
    let resource = Resource::new(
        "AWS::IAM::Role",
        purpose,
        json!({
            "Description": purpose,
            "AssumeRolePolicyDocument": trust,
            "Policies": [{ "PolicyName": policy_name, "PolicyDocument": policy::document(statements) }],
        }),
    );
    let reasons = policy::reasons(statements);
    if reasons.is_empty() { resource } else { resource.note("reasons", Value::Object(reasons)) }
}

/// Named after its role, which CloudFormation names: EMR calls a profile whose name differs from its role's invalid.
/// <https://docs.aws.amazon.com/emr/latest/ManagementGuide/emr-iam-role-for-ec2.html>, in its note on custom roles.
fn instance_profile() -> Resource {
    Resource::new(
        "AWS::IAM::InstanceProfile",
        "The way in which cluster nodes get the compute role",
        json!({
            "InstanceProfileName": reference(frame::COMPUTE_ROLE),
            "Roles": [reference(frame::COMPUTE_ROLE)],
        }),
    )
}

fn log_group(pipeline: &str) -> Resource {
    Resource::new(
        "AWS::Logs::LogGroup",
        "The state machine's log",
        json!({ "LogGroupName": names::log_group(pipeline), "RetentionInDays": 90, "KmsKeyId": names::KEY_ARN }),
    )
    .disposable()
}

fn topic(pipeline: &str) -> Resource {
    Resource::new(
        "AWS::SNS::Topic",
        "The topic on which the end of a run is announced",
        json!({ "TopicName": names::pipeline_resource(pipeline), "KmsMasterKeyId": names::KEY_ALIAS }),
    )
}

/// CloudFormation hands the plan to the account function, which keeps it:
/// <https://docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference/aws-resource-cloudformation-customresource.html>.
fn registration(model: &Model<'_>, plan: &Plan) -> Resource {
    let mut properties = serde_json::to_value(plan).expect("a plan is printable");
    if let Some(properties) = properties.as_object_mut() {
        properties.insert("stateMachine".to_owned(), reference(frame::STATE_MACHINE));
        if plan.topic.is_some() {
            properties.insert("topic".to_owned(), reference(frame::TOPIC));
        }
        properties.insert("steps".to_owned(), Value::Object(model.body.plan(&Tree::property)));
    }
    Resource::new(
        "Custom::DpcPipeline",
        "The entry by which the account function knows the pipeline",
        json!({ "ServiceToken": sub(names::account_function_arn()), "ServiceTimeout": "120", "Plan": properties }),
    )
}
