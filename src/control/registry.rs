//! The graph of pipelines: who waits for whom, and who waits for itself in the end.
//!
//! In come edges from downstream to upstream; out come cycles, each as the edges along it. Linear in pipelines and edges,
//! however they are tied. It refuses to know what an edge stands for and where it was written.

use std::collections::hash_map::Entry;
use std::collections::{HashMap, VecDeque};

/// A pipeline waits for another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Edge {
    /// The one that waits, by its index.
    pub down: usize,
    /// The one waited for.
    pub up: usize,
    /// Which partitions it looks at, as seen from its own.
    pub look: Look,
}

/// In which direction an edge leads in time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Look {
    /// To older partitions alone: going round such an edge never comes back to the same run.
    Back,
    /// To the same time.
    Same,
    /// To newer ones.
    Ahead,
}

/// One cycle for each group of `count` pipelines that wait for each other, as indexes into `edges`: each edge's upstream is
/// the next one's downstream. A pipeline's edges to itself are left out.
pub fn cycles(count: usize, edges: &[Edge]) -> Vec<Vec<usize>> {
    let graph = Graph::of(count, edges);
    let apart = |edge: &Edge| edge.down != edge.up;
    let group = graph.groups(&apart);
    let same = |group: &[usize], edge: &Edge| group.get(edge.down) == group.get(edge.up);
    // With an edge ahead, steps back may be made good again. Without one, a step back is a step out of the cycle.
    let mut ahead = vec![false; count];
    for edge in edges.iter().filter(|edge| edge.look == Look::Ahead && same(&group, edge)) {
        if let Some(ahead) = group.get(edge.down).and_then(|group| ahead.get_mut(*group)) {
            *ahead = true;
        }
    }
    let is_ahead = |edge: &Edge| group.get(edge.down).and_then(|group| ahead.get(*group)).copied().unwrap_or(false);
    let stays = |edge: &Edge| apart(edge) && same(&group, edge) && (edge.look != Look::Back || is_ahead(edge));
    let group = graph.groups(&stays);
    let inside = |edge: &Edge| stays(edge) && same(&group, edge);
    let mut seen = vec![false; count];
    let mut found = Vec::new();
    for edge in edges.iter().filter(|edge| inside(edge)) {
        let of = group.get(edge.down).copied().unwrap_or_default();
        if let Some(seen) = seen.get_mut(of).filter(|seen| !**seen) {
            *seen = true;
            found.push(graph.round(edge.down, &inside));
        }
    }
    found
}

/// Edges by the pipeline that waits.
struct Graph<'a> {
    edges: &'a [Edge],
    from: Vec<Vec<usize>>,
}

impl<'a> Graph<'a> {
    fn of(count: usize, edges: &'a [Edge]) -> Self {
        let mut from = vec![Vec::new(); count];
        for (at, edge) in edges.iter().enumerate() {
            if let (Some(list), true) = (from.get_mut(edge.down), edge.up < count) {
                list.push(at);
            }
        }
        Self { edges, from }
    }

    fn next(&self, node: usize) -> impl Iterator<Item = (usize, &'a Edge)> + '_ {
        let list = self.from.get(node).map(Vec::as_slice).unwrap_or_default();
        list.iter().filter_map(|at| Some((*at, self.edges.get(*at)?)))
    }

    /// For each pipeline a number that it shares with those that it reaches and that reach it: Tarjan's strongly connected
    /// components, with a stack of our own, because chains may be as long as there are pipelines.
    fn groups(&self, keep: &dyn Fn(&Edge) -> bool) -> Vec<usize> {
        let count = self.from.len();
        let mut order: Vec<Option<usize>> = vec![None; count];
        let mut low = vec![0; count];
        let mut group: Vec<Option<usize>> = vec![None; count];
        let (mut clock, mut path) = (0, Vec::new());
        for root in 0..count {
            let mut open: Vec<(usize, usize)> = vec![(root, 0)];
            while let Some((node, place)) = open.pop() {
                if place == 0 {
                    if order.get(node).copied().flatten().is_some() {
                        continue;
                    }
                    set(&mut order, node, Some(clock));
                    set(&mut low, node, clock);
                    clock += 1;
                    path.push(node);
                }
                let next = self.next(node).skip(place).enumerate().find(|(_, (_, edge))| keep(edge));
                if let Some((skipped, (_, edge))) = next {
                    open.push((node, place + skipped + 1));
                    match (get(&order, edge.up).flatten(), get(&group, edge.up).flatten()) {
                        (None, _) => open.push((edge.up, 0)),
                        (Some(before), None) => set_low(&mut low, node, before),
                        (Some(_), Some(_)) => {}
                    }
                    continue;
                }
                let own = get(&low, node).unwrap_or_default();
                if get(&order, node).flatten() == Some(own) {
                    while let Some(member) = path.pop() {
                        set(&mut group, member, Some(node));
                        if member == node {
                            break;
                        }
                    }
                } else if let Some((parent, _)) = open.last() {
                    set_low(&mut low, *parent, own);
                }
            }
        }
        group.into_iter().enumerate().map(|(node, group)| group.unwrap_or(node)).collect()
    }

    /// The shortest way from a pipeline back to itself.
    fn round(&self, start: usize, keep: &dyn Fn(&Edge) -> bool) -> Vec<usize> {
        let mut by: HashMap<usize, usize> = HashMap::new();
        let mut queue = VecDeque::from([start]);
        while let Some(node) = queue.pop_front() {
            for (at, edge) in self.next(node).filter(|(_, edge)| keep(edge)) {
                if edge.up == start {
                    return self.way(start, node, at, &by);
                }
                if let Entry::Vacant(entry) = by.entry(edge.up) {
                    entry.insert(at);
                    queue.push_back(edge.up);
                }
            }
        }
        Vec::new()
    }

    /// The edges from `start` to `node`, then the last one.
    fn way(&self, start: usize, node: usize, last: usize, by: &HashMap<usize, usize>) -> Vec<usize> {
        let (mut way, mut node) = (vec![last], node);
        while node != start {
            let Some((at, edge)) = by.get(&node).and_then(|at| Some((*at, self.edges.get(*at)?))) else { break };
            way.push(at);
            node = edge.down;
        }
        way.reverse();
        way
    }
}

fn get<T: Copy>(list: &[T], at: usize) -> Option<T> {
    list.get(at).copied()
}

fn set<T>(list: &mut [T], at: usize, value: T) {
    if let Some(slot) = list.get_mut(at) {
        *slot = value;
    }
}

fn set_low(low: &mut [usize], at: usize, value: usize) {
    if let Some(slot) = low.get_mut(at) {
        *slot = value.min(*slot);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(count: usize, edges: &[(usize, usize, Look)]) -> Vec<Vec<usize>> {
        let edges: Vec<Edge> =
            edges.iter().map(|(down, up, look)| Edge { down: *down, up: *up, look: *look }).collect();
        let names = |cycle: Vec<usize>| cycle.into_iter().map(|at| edges.get(at).unwrap().down).collect();
        cycles(count, &edges).into_iter().map(names).collect()
    }

    #[test]
    fn a_cycle_is_found_once_and_by_its_shortest_way() {
        use Look::Same;
        assert_eq!(found(3, &[(0, 1, Same), (1, 2, Same)]), Vec::<Vec<usize>>::new());
        assert_eq!(found(3, &[(0, 1, Same), (1, 2, Same), (2, 0, Same)]), [[0, 1, 2]]);
        assert_eq!(found(4, &[(0, 1, Same), (1, 2, Same), (2, 0, Same), (1, 0, Same), (3, 0, Same)]), [[0, 1]]);
        let two = [(0, 1, Same), (1, 0, Same), (1, 2, Same), (2, 3, Same), (3, 2, Same)];
        assert_eq!(found(4, &two), [[0, 1], [2, 3]]);
        assert!(found(2, &[(0, 0, Same), (0, 9, Same)]).is_empty());
    }

    #[test]
    fn a_step_back_in_time_breaks_a_cycle_unless_another_leads_ahead() {
        use Look::{Ahead, Back, Same};
        assert!(found(2, &[(0, 1, Same), (1, 0, Back)]).is_empty());
        assert_eq!(found(2, &[(0, 1, Ahead), (1, 0, Back)]), [[0, 1]]);
        assert_eq!(found(3, &[(0, 1, Same), (1, 0, Back), (1, 2, Same), (2, 1, Same)]), [[1, 2]]);
    }

    #[test]
    fn long_chains_are_no_trouble() {
        let count = 50_000;
        let mut edges: Vec<_> = (1..count).map(|at| (at, at - 1, Look::Same)).collect();
        assert!(found(count, &edges).is_empty());
        edges.push((0, count - 1, Look::Same));
        assert_eq!(found(count, &edges).first().map(Vec::len), Some(count));
    }
}
