//! Pipelines that wait for each other: none of them would ever start.

use super::upstreams::Ties;
use crate::control::nesting::look;
use crate::control::registry::{self, Edge};
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
