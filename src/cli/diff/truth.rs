//! What AWS itself says of a difference: a change set is made, read and removed.

use std::collections::BTreeMap;

use super::print::Report;
use crate::cloud::stack::{Action, Adopt, Change, Proposal, Replacement, Request, changes};
use crate::cloud::{CloudResult, Session, artifacts};
use crate::control::names;
use crate::diff::{Cause, Difference, Scope, Section, Sign};

/// Asks, and corrects the report by the answer.
///
/// # Errors
/// Whatever AWS refuses.
pub(super) async fn ask(report: &mut Report<'_>, session: &Session) -> CloudResult<()> {
    let pipeline = &report.compiled.pipeline;
    let request = Request {
        stack: names::pipeline_resource(pipeline),
        template: artifacts::template(session, pipeline, report.compiled.template.to_json()).await?,
        parameters: BTreeMap::new(),
        tags: report.compiled.tags.clone(),
        adopt: Adopt::Nothing,
    };
    if let Proposal::Changes(set) = changes::propose(session, &request, |_| {}).await? {
        changes::discard(session, &set.id, set.creates.then_some(set.stack.as_str())).await?;
        set.changes.iter().for_each(|change| correct(&mut report.diff.differences, change));
        report.diff.differences.sort_by_key(|one| (one.section, one.sign as u8));
    }
    Ok(())
}

/// Replacement is AWS's to say, but for custom resources, whose function decides and keeps what is there.
fn correct(differences: &mut Vec<Difference>, change: &Change) {
    let modified = matches!(change.action, Action::Modify | Action::Dynamic | Action::Sync);
    if !modified || change.kind.starts_with("Custom::") {
        return;
    }
    let word = match change.replacement {
        Replacement::Yes => "AWS makes it anew",
        Replacement::Maybe => "AWS may make it anew; it depends on a value that is not known before",
        Replacement::No => "AWS changes it in place",
    };
    let own = differences
        .iter_mut()
        .find(|one| one.section == Section::Resources && one.resource.as_deref() == Some(change.resource.as_str()));
    match own {
        Some(one) => {
            one.details.retain(|line| !line.text.contains("only AWS can say"));
            one.details.push(word.to_owned().into());
            match change.replacement {
                Replacement::Yes | Replacement::Maybe => one.sign = Sign::Replaced,
                Replacement::No => one.sign = Sign::Changed,
            }
        }
        None if change.replacement != Replacement::No => differences.push(Difference {
            section: Section::Resources,
            sign: Sign::Replaced,
            text: format!("`{}` ({})", change.resource, change.kind),
            details: vec![format!("{word}: {}", change.properties.join(", ")).into()],
            cause: Cause { scopes: vec![Scope::Resource(change.resource.clone())], words: Vec::new() },
            resource: Some(change.resource.clone()),
        }),
        None => {}
    }
}
