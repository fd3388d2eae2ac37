//! What starts a pipeline, as plan and template have it.
//!
//! In come a manifest and who else of the project listens to buckets; out come schedules, event rules and the condition on
//! other pipelines. It refuses to know their values, which `triggers/` does.

use std::collections::BTreeMap;

use super::{Context, partition};
use crate::control::condition::Condition;
use crate::control::partition::PartitionSpec;
use crate::control::plan::{EventPlan, ObjectsPlan, SchedulePlan};
use crate::documents::template::Resource;
use crate::language::manifest::Manifest;
use crate::language::project::Pipeline;
use crate::source::Span;
use crate::triggers::events::Objects;
use crate::triggers::executions;

/// Who listens to which objects: bucket and prefix to the suffixes and pipelines that do.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Listeners(BTreeMap<(String, String), Vec<(String, String)>>);

impl Listeners {
    /// Those of a project.
    pub fn of(pipelines: &[Pipeline]) -> Self {
        let mut listeners: BTreeMap<(String, String), Vec<(String, String)>> = BTreeMap::new();
        for manifest in pipelines.iter().map(|pipeline| &pipeline.manifest) {
            let events = manifest.triggers.iter().flat_map(|triggers| &triggers.events);
            for objects in events.filter_map(|event| event.s3.as_ref()) {
                let place = (objects.bucket.value.clone(), objects.prefix().to_owned());
                listeners.entry(place).or_default().push((objects.suffix().to_owned(), manifest.name.value.clone()));
            }
        }
        Self(listeners)
    }

    /// The objects of deeper prefixes that pipelines other than `own` listen to.
    fn below(&self, objects: &Objects, own: &str) -> Vec<ObjectsPlan> {
        let (bucket, prefix) = (objects.bucket.value.as_str(), objects.prefix());
        let start = (bucket.to_owned(), prefix.to_owned());
        let inside = self.0.range(start..).take_while(|((at, key), _)| at == bucket && key.starts_with(prefix));
        let deeper = inside.filter(|((_, key), _)| key.len() > prefix.len());
        let mut except: Vec<ObjectsPlan> = deeper
            .flat_map(|((_, key), who)| who.iter().map(move |(suffix, pipeline)| (key, suffix, pipeline)))
            .filter(|(_, suffix, pipeline)| *pipeline != own && may_share(suffix, objects.suffix()))
            .map(|(prefix, suffix, pipeline)| ObjectsPlan {
                prefix: prefix.clone(),
                suffix: suffix.clone(),
                pipeline: pipeline.clone(),
            })
            .collect();
        except.sort();
        except.dedup();
        except
    }
}

/// Whether a key can end with both.
fn may_share(one: &str, other: &str) -> bool {
    one.ends_with(other) || other.ends_with(one)
}

/// Schedules in the order written; one that says the same as another once, which a check reports.
pub(super) fn schedules(manifest: &Manifest) -> Vec<(SchedulePlan, Span)> {
    let zone = partition(manifest).timezone;
    let mut schedules: Vec<(SchedulePlan, Span)> = Vec::new();
    let written = manifest.triggers.iter().flat_map(|triggers| &triggers.schedule.0);
    for schedule in written {
        if let (Some(plan), Some(text)) = (schedule.plan(&zone), schedule.written())
            && !schedules.iter().any(|(other, _)| *other == plan)
        {
            schedules.push((plan, text.span));
        }
    }
    schedules
}

/// Events in the order written, each with its rule; one that says the same as another once, which a check reports.
pub(super) fn events(manifest: &Manifest, context: &Context) -> Vec<(EventPlan, Resource, Span)> {
    let name = manifest.name.value.as_str();
    let mut events: Vec<(EventPlan, Resource, Span)> = Vec::new();
    for event in manifest.triggers.iter().flat_map(|triggers| &triggers.events) {
        let except = event.s3.as_ref().map(|objects| context.listeners.below(objects, name)).unwrap_or_default();
        if let (Some((plan, rule)), Some(span)) = (event.compile(except, name, &context.space), event.span())
            && !events.iter().any(|(other, _, _)| other.id == plan.id)
        {
            events.push((plan, rule, span));
        }
    }
    events
}

/// The condition on other pipelines, if it is sound.
pub(super) fn executions(manifest: &Manifest) -> Option<Condition> {
    let tree = manifest.triggers.as_ref()?.executions.as_ref()?;
    let spec = PartitionSpec::of_plan(&partition(manifest)).ok();
    executions::leaves(tree, &manifest.name.value, spec.as_ref()).condition
}
