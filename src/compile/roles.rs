//! Roles as the organisation wants them: with a boundary, a path and a prefix, or roles that exist already.
//!
//! In comes a generated template; out comes the same with its roles named and bounded, and those that the user brings left
//! out, with what they must be allowed. It refuses to know what any of the roles is for.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use crate::control::names;
use crate::documents::frame;
use crate::documents::template::{Template, sub, verbatim};
use crate::language::manifest::Manifest;
use crate::source::{Code, Finding, Findings, Span, Spanned};

/// A role's name: <https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_iam-quotas.html>. What follows the prefix ends
/// in the region, of which the longest have 14 characters.
const LONGEST_NAME: usize = 64;
const LONGEST_REGION: usize = 14;

/// What a role that the user brings must be allowed.
#[derive(Clone, Debug, PartialEq)]
pub struct Brought {
    /// The role, as written.
    pub role: Spanned<String>,
    /// What it is for.
    pub purpose: String,
    /// The policy that it needs; references in it are CloudFormation's.
    pub policy: Value,
    /// Who must be trusted to take it.
    pub trust: Value,
}

impl Brought {
    /// The policy as IAM takes it, for one account and region. Where CloudFormation has not named something yet, `*`
    /// stands for the end of its name.
    pub fn resolved(&self, pipeline: &str, account: &str, region: &str) -> Value {
        resolved(&self.policy, &|name| match name {
            "AWS::Partition" => "aws".to_owned(),
            "AWS::AccountId" => account.to_owned(),
            "AWS::Region" => region.to_owned(),
            "AWS::URLSuffix" => "amazonaws.com".to_owned(),
            frame::TOPIC => format!("arn:aws:sns:{region}:{account}:dpc-{pipeline}"),
            role if role.ends_with("Role") => format!("arn:aws:iam::{account}:role/dpc-{pipeline}-{role}-*"),
            other => format!("dpc-{pipeline}-{other}-*"),
        })
    }
}

fn resolved(value: &Value, name: &dyn Fn(&str) -> String) -> Value {
    match value {
        Value::Array(items) => items.iter().map(|item| resolved(item, name)).collect(),
        Value::Object(entries) => match entries.iter().next() {
            Some((key, Value::String(text))) if key == "Fn::Sub" => json!(substituted(text, name)),
            Some((key, Value::String(text))) if key == "Ref" => json!(name(text)),
            Some((key, Value::Array(parts))) if key == "Fn::GetAtt" => {
                json!(name(parts.first().and_then(Value::as_str).unwrap_or_default()))
            }
            _ => entries.iter().map(|(key, value)| (key.clone(), resolved(value, name))).collect(),
        },
        other => other.clone(),
    }
}

/// `${AWS::Region}` by its value; `${!x}` is `${x}`.
fn substituted(text: &str, name: &dyn Fn(&str) -> String) -> String {
    let mut parts = text.split("${");
    let mut out = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        match part.split_once('}') {
            Some((inner, rest)) if inner.starts_with('!') => {
                out.extend(["${", inner.trim_start_matches('!'), "}", rest])
            }
            Some((inner, rest)) => {
                out.push_str(&name(inner));
                out.push_str(rest);
            }
            None => out.extend(["${", part]),
        }
    }
    out
}

/// The template with its roles as the manifest and its environment want them.
pub(super) fn apply(
    manifest: &Manifest,
    template: Template,
    origins: &mut BTreeMap<String, Span>,
    findings: &mut Findings,
) -> (Template, Vec<Brought>) {
    let own = manifest.iam.as_ref().map(|iam| &iam.value);
    let demands = &manifest.demands;
    let boundary = own.and_then(|own| own.boundary.as_ref()).or(demands.boundary.as_ref());
    let roles = own.map(|own| own.roles.clone()).unwrap_or_default();
    if boundary.is_none() && demands.path.is_none() && demands.prefix.is_none() && roles.given().next().is_none() {
        return (template, Vec::new());
    }
    let mut document = template.to_value();
    let (path, prefix) = (demands.path.as_ref(), demands.prefix.as_ref());
    if path.is_some() || prefix.is_some() {
        let path = path.map_or("/", |path| path.value.as_str());
        let prefix = prefix.map_or("", |prefix| prefix.value.as_str());
        of_account(&mut document, &verbatim(path), &verbatim(prefix));
    }
    let mut brought = Vec::new();
    // The compute role first: the state machine's policy names it.
    for (id, role) in [(frame::COMPUTE_ROLE, &roles.compute), (frame::STATE_MACHINE_ROLE, &roles.state_machine)] {
        if let Some(role) = role {
            brought.extend(bring(&mut document, id, role, origins));
        }
    }
    if let (Some(role), Some(path)) = (&roles.compute, clusters(manifest)) {
        check_passable(role, demands.path.as_ref(), demands.prefix.as_ref(), path, findings);
    }
    if let Some(resources) = document.get_mut("Resources").and_then(Value::as_object_mut) {
        for (id, resource) in resources.iter_mut() {
            let kind = resource.get("Type").and_then(Value::as_str).unwrap_or_default().to_owned();
            let Some(properties) = resource.get_mut("Properties").and_then(Value::as_object_mut) else { continue };
            match kind.as_str() {
                "AWS::IAM::Role" => {
                    demand(properties, id, manifest, boundary, findings);
                }
                "AWS::IAM::InstanceProfile" => put_path(properties, path),
                _ => {}
            }
        }
    }
    (Template::whole(document), brought)
}

/// The place of the profile that rents a cluster, if one does.
fn clusters(manifest: &Manifest) -> Option<Span> {
    manifest.compute.iter().find(|(_, compute)| compute.value.emr.is_some()).map(|(name, _)| name.span)
}

/// EMR's role in the account may pass roles of dpc's names to nodes, and no others.
fn check_passable(
    role: &Spanned<String>,
    path: Option<&Spanned<String>>,
    prefix: Option<&Spanned<String>>,
    cluster: Span,
    findings: &mut Findings,
) {
    let resource = role.rsplit_once(":role/").map_or(role.value.as_str(), |(_, resource)| resource);
    let path = path.map_or("", |path| path.value.trim_start_matches('/'));
    let wanted = format!("{path}{}dpc-", prefix.map_or("", |prefix| prefix.value.as_str()));
    if !resource.starts_with(&wanted) {
        findings.push(
            Finding::at(
                Code::RoleCannotServe,
                role.span,
                format!("EMR cannot give the role `{}` to the nodes of a cluster", role.value),
                "",
            )
            .and(cluster, "this profile is a cluster")
            .why(format!("the account's EMR role may pass roles whose names begin with `{wanted}` and no others"))
            .help(format!("name the role `{wanted}…`, and its instance profile like the role")),
        );
    }
}

/// Takes a role out of the template, and puts the user's in its place wherever it is named.
fn bring(
    document: &mut Value,
    id: &str,
    role: &Spanned<String>,
    origins: &mut BTreeMap<String, Span>,
) -> Option<Brought> {
    let resources = document.get_mut("Resources")?.as_object_mut()?;
    let made = resources.shift_remove(id)?;
    origins.remove(id);
    let name = role.rsplit(['/', ':']).next().unwrap_or(&role.value).to_owned();
    let arn = match role.starts_with("arn:") {
        true => json!(role.value),
        false => sub(format!("arn:${{AWS::Partition}}:iam::${{AWS::AccountId}}:role/{}", verbatim(&role.value))),
    };
    if id == frame::COMPUTE_ROLE {
        // A role has one instance profile of its name, which several pipelines share.
        resources.shift_remove(frame::COMPUTE_PROFILE);
        origins.remove(frame::COMPUTE_PROFILE);
        replace(document, &json!({ "Ref": frame::COMPUTE_PROFILE }), &json!(name));
    }
    replace(document, &json!({ "Ref": id }), &json!(name));
    replace(document, &json!({ "Fn::GetAtt": [id, "Arn"] }), &arn);
    let text = |pointer: &str| made.pointer(pointer).and_then(Value::as_str).unwrap_or_default().to_owned();
    Some(Brought {
        role: role.clone(),
        purpose: text("/Metadata/dpc/purpose"),
        policy: made.pointer("/Properties/Policies/0/PolicyDocument").cloned().unwrap_or_default(),
        trust: made.pointer("/Properties/AssumeRolePolicyDocument").cloned().unwrap_or_default(),
    })
}

fn replace(value: &mut Value, from: &Value, to: &Value) {
    if value == from {
        value.clone_from(to);
        return;
    }
    match value {
        Value::Array(items) => items.iter_mut().for_each(|item| replace(item, from, to)),
        Value::Object(entries) => entries.values_mut().for_each(|value| replace(value, from, to)),
        _ => {}
    }
}

/// Boundary, path and name of one role.
fn demand(
    properties: &mut Map<String, Value>,
    id: &str,
    manifest: &Manifest,
    boundary: Option<&Spanned<String>>,
    findings: &mut Findings,
) {
    if let Some(prefix) = &manifest.demands.prefix {
        let what = id.strip_suffix("Role").unwrap_or(id).to_ascii_lowercase();
        let what = what.strip_prefix("state").unwrap_or(&what);
        let name = format!("{}dpc-{}-{what}-", prefix.value, manifest.name.value);
        let length = name.len() + LONGEST_REGION;
        if length > LONGEST_NAME {
            let message = format!("with the prefix, the name of the role `{name}…` has up to {length} characters");
            findings.push(
                Finding::at(Code::RoleNameTooLong, manifest.name.span, message, "this pipeline's name is part of it")
                    .and(prefix.span, "this prefix")
                    .why(format!("IAM takes names of {LONGEST_NAME} characters, and the region ends them"))
                    .help(format!("shorten the pipeline's name or the prefix by {}", length - LONGEST_NAME)),
            );
        }
        properties.insert("RoleName".to_owned(), sub(format!("{}${{AWS::Region}}", verbatim(&name))));
    }
    put_path(properties, manifest.demands.path.as_ref());
    if let Some(boundary) = boundary {
        let arn = match boundary.starts_with("arn:") {
            true => json!(boundary.value),
            false => {
                sub(format!("arn:${{AWS::Partition}}:iam::${{AWS::AccountId}}:policy/{}", verbatim(&boundary.value)))
            }
        };
        properties.insert("PermissionsBoundary".to_owned(), arn);
    }
}

fn put_path(properties: &mut Map<String, Value>, path: Option<&Spanned<String>>) {
    if let Some(path) = path {
        properties.insert("Path".to_owned(), json!(path.value));
    }
}

/// The account's own roles, whose names end in the region, carry path and prefix too. EMR wants a role with a path by its
/// ARN.
fn of_account(value: &mut Value, path: &str, prefix: &str) {
    const EMR: &str = names::EMR_SERVICE_ROLE;
    match value {
        Value::String(text) if text == EMR => {
            *text = format!("arn:${{AWS::Partition}}:iam::${{AWS::AccountId}}:role{path}{prefix}{EMR}");
        }
        Value::String(text) if text.contains(":role/dpc-") && text.ends_with("-${AWS::Region}") => {
            *text = text.replace(":role/dpc-", &format!(":role{path}{prefix}dpc-"));
        }
        Value::Array(items) => items.iter_mut().for_each(|item| of_account(item, path, prefix)),
        Value::Object(entries) => entries.values_mut().for_each(|value| of_account(value, path, prefix)),
        _ => {}
    }
}
