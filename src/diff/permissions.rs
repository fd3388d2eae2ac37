//! What roles may do after a change and not before, and the other way round.
//!
//! In come two templates; out come differences, one for each set of actions that are granted alike. Also the policies that
//! buckets, queues and topics carry count, and who may assume a role.

use std::collections::BTreeSet;

use serde_json::Value;

use super::policy::{Grant, Pattern, grants};
use super::values::{masked, text};
use super::{Difference, Scope, Section, Side, Sign, kind};

/// Every difference in what is allowed.
pub(super) fn differences(before: Side<'_>, after: Side<'_>) -> Vec<Difference> {
    let ids: BTreeSet<&String> = before.resources().chain(after.resources()).map(|(id, _)| id).collect();
    ids.into_iter().flat_map(|id| of_resource(id, before.resource(id), after.resource(id))).collect()
}

fn of_resource(id: &str, before: Option<&Value>, after: Option<&Value>) -> Vec<Difference> {
    let nothing = Value::Null;
    let properties = |side: Option<&Value>| side.and_then(|side| side.get("Properties")).cloned().unwrap_or_default();
    let (old, new) = (properties(before), properties(after));
    let (old_grants, new_grants) = (grants(&old), grants(&new));
    let mut found = Vec::new();
    if let (Some(gone), None) = (before, after) {
        if !old_grants.is_empty() {
            let text = format!("`{id}` goes, with all that it allows");
            found.push(difference(id, kind(gone), Sign::Narrowed, text, &[]));
        }
        return found;
    }
    let kind = after.or(before).map(kind).unwrap_or_default();
    let new_to = |grants: &[Grant], others: &[Grant]| -> Vec<Grant> {
        grants.iter().filter(|grant| !others.iter().any(|other| other.covers(grant))).cloned().collect()
    };
    let (more, fewer) = (new_to(&new_grants, &old_grants), new_to(&old_grants, &new_grants));
    let reasons = after.and_then(|after| after.pointer("/Metadata/dpc/reasons")).unwrap_or(&nothing);
    for group in groups(more) {
        let sign = if group.allows { Sign::Widened } else { Sign::Narrowed };
        let was = same_but_condition(&group, &old_grants);
        let mut one = difference(id, kind, sign, sentence(id, &group, true), &group.hints());
        one.details.extend(was.map(|was| format!("before only if {was}").into()));
        one.details
            .extend(reasons.get(&group.sid).and_then(Value::as_str).map(|reason| format!("reason: {reason}").into()));
        found.push(one);
    }
    for group in groups(fewer) {
        let sign = if group.allows { Sign::Narrowed } else { Sign::Widened };
        // Said above, as what is wider now.
        if same_but_condition(&group, &new_grants).is_some() && found.iter().any(|one| one.sign == sign.opposite()) {
            continue;
        }
        found.push(difference(id, kind, sign, sentence(id, &group, false), &group.hints()));
    }
    found.extend(attached(id, kind, &old, &new));
    found
}

impl Sign {
    fn opposite(self) -> Self {
        match self {
            Sign::Widened => Sign::Narrowed,
            Sign::Narrowed => Sign::Widened,
            other => other,
        }
    }
}

/// Grants that differ in their action only.
struct Group {
    allows: bool,
    actions: Vec<Pattern>,
    on: Pattern,
    condition: String,
    sid: String,
}

impl Group {
    /// Texts that may stand in the manifest: parts of what it is about.
    fn hints(&self) -> Vec<String> {
        let mut hints = vec![self.on.words()];
        hints.extend(self.actions.iter().map(Pattern::words));
        hints
    }
}

fn groups(grants: Vec<Grant>) -> Vec<Group> {
    let mut groups: Vec<Group> = Vec::new();
    for grant in grants {
        let condition = grant.condition();
        let alike =
            |group: &&mut Group| group.allows == grant.allows && group.on == grant.on && group.condition == condition;
        match groups.iter_mut().find(alike) {
            Some(group) if group.actions.contains(&grant.action) => {}
            Some(group) => group.actions.push(grant.action),
            None => groups.push(Group {
                allows: grant.allows,
                actions: vec![grant.action],
                on: grant.on,
                condition,
                sid: grant.sid,
            }),
        }
    }
    groups
}

/// The condition under which the same was granted on the other side.
fn same_but_condition(group: &Group, others: &[Grant]) -> Option<String> {
    let same =
        |other: &&Grant| other.allows == group.allows && other.on == group.on && group.actions.contains(&other.action);
    others.iter().find(same).map(Grant::condition).filter(|condition| !condition.is_empty())
}

/// ``ComputeRole` may now s3:GetObject on arn:…``.
fn sentence(id: &str, group: &Group, now: bool) -> String {
    let verb = match (group.allows, now) {
        (true, true) => "may now",
        (true, false) => "may no longer",
        (false, true) => "is now refused",
        (false, false) => "is no longer refused",
    };
    let actions: Vec<String> = group.actions.iter().map(Pattern::words).collect();
    let on = match &group.on {
        Pattern::These(all) if all == "*" => "everything".to_owned(),
        on => masked(&on.words()),
    };
    let condition = if group.condition.is_empty() { String::new() } else { format!(", if {}", group.condition) };
    if actions.iter().all(|action| action.starts_with("sts:AssumeRole")) {
        let verb = if now { "can now" } else { "can no longer" };
        return format!("`{id}` {verb} be assumed by {on}{condition}");
    }
    format!("`{id}` {verb} {} on {on}{condition}", actions.join(", "))
}

/// Managed policies and the boundary.
fn attached(id: &str, kind: &str, before: &Value, after: &Value) -> Vec<Difference> {
    let policies = |side: &Value| -> BTreeSet<String> {
        side.get("ManagedPolicyArns").and_then(Value::as_array).into_iter().flatten().map(text).collect()
    };
    let (old, new) = (policies(before), policies(after));
    let more = new.difference(&old).map(|policy| (Sign::Widened, "has now", policy));
    let fewer = old.difference(&new).map(|policy| (Sign::Narrowed, "has no longer", policy));
    let mut found: Vec<Difference> = more
        .chain(fewer)
        .map(|(sign, verb, policy)| {
            let text = format!("`{id}` {verb} the managed policy {policy}");
            difference(id, kind, sign, text, std::slice::from_ref(policy))
        })
        .collect();
    let boundary = |side: &Value| side.get("PermissionsBoundary").map(text);
    let (sign, words) = match (boundary(before), boundary(after)) {
        (one, other) if one == other => return found,
        (_, None) => (Sign::Widened, "is no longer bounded".to_owned()),
        (None, Some(_)) if before.is_null() => return found,
        (None, Some(now)) => (Sign::Narrowed, format!("is now bounded by {now}")),
        // Nobody here can say which of the two is narrower.
        (Some(old), Some(now)) => (Sign::Widened, format!("is now bounded by {now}, before by {old}")),
    };
    let hints = boundary(after).into_iter().collect::<Vec<_>>();
    found.push(difference(id, kind, sign, format!("`{id}` {words}"), &hints));
    found
}

fn difference(id: &str, kind: &str, sign: Sign, text: String, hints: &[String]) -> Difference {
    // What compute may touch is said under `access`; what the machine may do follows from steps and compute.
    let first = if id.contains("Compute") { ["access", "steps", "compute"] } else { ["steps", "compute", "access"] };
    let mut scopes: Vec<Scope> = first.into_iter().map(Scope::key).collect();
    if !kind.starts_with("AWS::IAM::") {
        scopes.insert(0, Scope::key("resources"));
    }
    scopes.push(Scope::resource(id));
    Difference::new(Section::Permissions, sign, text).of(id).because(scopes, hints.iter().cloned())
}
