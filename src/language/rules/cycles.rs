//! Pipelines that wait for each other: none of them would ever start.

use super::upstreams::Ties;
use crate::control::partition::{Granularity, Offset, PartitionSpec};
use crate::control::registry::{self, Edge, Look};
use crate::language::project::Pipeline;
use crate::source::{Code, Finding, Findings};

pub fn check(pipelines: &[Pipeline], ties: &Ties, findings: &mut Findings) {
    let (mut edges, mut placed) = (Vec::new(), Vec::new());
    for tie in &ties.all {
        let Some(up) = tie.up else { continue };
        let look = look(tie.placed.leaf.offset, ties.spec(tie.down), ties.spec(up));
        edges.push(Edge { down: tie.down, up, look });
        placed.push(&tie.placed);
    }
    for cycle in registry::cycles(pipelines.len(), &edges) {
        let name = |at: usize| pipelines.get(at).map_or("", |pipeline| pipeline.manifest.name.as_str());
        let along: Vec<&Edge> = cycle.iter().filter_map(|at| edges.get(*at)).collect();
        let mut places = cycle.iter().filter_map(|at| placed.get(*at).copied());
        let (Some(first), Some(start)) = (places.next(), along.first()) else { continue };
        let path: Vec<String> = std::iter::once(start.down)
            .chain(along.iter().map(|edge| edge.up))
            .map(|at| format!("`{}`", name(at)))
            .collect();
        let mut finding = Finding::at(
            Code::PipelineCycle,
            first.name,
            format!("pipelines wait for each other: {}", path.join(" → ")),
            "",
        );
        for (edge, place) in along.iter().skip(1).zip(places).take(8) {
            finding = finding.and(place.name, format!("`{}` waits for it", name(edge.down)));
        }
        findings.push(
            finding
                .why("each would start after the other, so none of them ever would")
                .help("remove one of these conditions, or let it look at an older partition with an `offset`"),
        );
    }
}

/// Whether an offset leads to older partitions of the upstream alone. A day back is the same month, most days.
fn look(offset: Offset, down: Option<&PartitionSpec>, up: Option<&PartitionSpec>) -> Look {
    let hours = |by: Granularity| match by {
        Granularity::None => 0,
        Granularity::Hour => 1,
        Granularity::Day => 24,
        Granularity::Week => 7 * 24,
        Granularity::Month => 31 * 24,
        Granularity::Year => 366 * 24,
    };
    let far = i64::from(offset.count().unsigned_abs()) * offset.hours();
    let coarser = down.zip(up).is_some_and(|(down, up)| up.by > down.by && far < hours(up.by));
    match offset.count() {
        0 => Look::Same,
        count if count > 0 => Look::Ahead,
        _ if coarser || up.is_some_and(|up| up.by == Granularity::None) => Look::Same,
        _ => Look::Back,
    }
}
