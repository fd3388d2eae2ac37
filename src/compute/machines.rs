//! What a profile rents: instance types, and how many nodes there may be at once.
//!
//! In comes a profile; out comes what rules about size and cost ask for. It refuses to know those rules.

use crate::compute::Compute;
use crate::compute::emr::{Emr, fleets::Fleet, scaling::Unit};
use crate::source::{Span, Spanned};

/// The machines of a profile.
#[derive(Clone, Debug)]
pub struct Machines<'a> {
    /// Every instance type that it may use.
    pub types: Vec<&'a Spanned<String>>,
    /// The largest number of nodes, the primary one counted.
    pub most: u64,
    /// The place that says most of it.
    pub span: Option<Span>,
}

impl Compute {
    /// The machines of a profile that rents any by name.
    pub fn machines(&self) -> Option<Machines<'_>> {
        let emr = &self.emr.as_ref()?.value;
        let groups = emr.primary.iter().chain(&emr.core).map(|nodes| &nodes.value).chain(&emr.task.0);
        let fleets = emr
            .fleets
            .iter()
            .flat_map(|fleets| std::iter::once(&fleets.primary).chain(&fleets.core).chain(&fleets.task));
        let of_fleets = fleets.flat_map(|fleet| fleet.types.value.iter().map(|one| &one.instance_type));
        let (most, span) = largest(emr);
        Some(Machines { types: groups.map(|nodes| &nodes.instance_type).chain(of_fleets).collect(), most, span })
    }
}

/// One primary node, and what scaling allows beside it, or what the groups and fleets say.
fn largest(emr: &Emr) -> (u64, Option<Span>) {
    let parts: Vec<(u64, Span)> = match &emr.fleets {
        Some(fleets) => fleets
            .core
            .iter()
            .chain(&fleets.task)
            .map(|fleet| (instances(fleet, capacity(fleet)), fleet.span))
            .collect(),
        None => {
            let groups = emr.core.iter().map(|nodes| &nodes.value).chain(&emr.task.0);
            let count = |count: Option<&Spanned<u32>>| count.map_or(1, |count| u64::from(count.value));
            groups
                .map(|nodes| {
                    (
                        count(nodes.count.as_ref()),
                        nodes.count.as_ref().map_or(nodes.instance_type.span, |count| count.span),
                    )
                })
                .collect()
        }
    };
    // Virtual cores are not nodes: what the groups begin with is all that is known then.
    let scaled =
        emr.scaling.as_ref().filter(|scaling| !scaling.unit.as_ref().is_some_and(|unit| unit.value == Unit::Vcpu));
    if let Some(scaling) = scaled {
        let units = u64::from(scaling.max.value);
        let fleets = emr.fleets.iter().flat_map(|fleets| fleets.core.iter().chain(&fleets.task));
        let most = fleets.map(|fleet| instances(fleet, units)).max().unwrap_or(units);
        return (1 + most, Some(scaling.max.span));
    }
    let most = parts.iter().map(|(count, _)| count).sum::<u64>();
    (1 + most, parts.iter().max_by_key(|(count, _)| *count).map(|(_, span)| *span))
}

fn capacity(fleet: &Fleet) -> u64 {
    [&fleet.on_demand, &fleet.spot].into_iter().flatten().map(|units| u64::from(units.value)).sum()
}

/// The most instances that fill so many units: those of the lightest type.
fn instances(fleet: &Fleet, units: u64) -> u64 {
    let weights = fleet.types.value.iter().map(|one| one.weight.as_ref().map_or(1, |weight| u64::from(weight.value)));
    units.div_ceil(weights.min().unwrap_or(1).max(1))
}
