//! Where boxes and arrows lie: rows from top to bottom, every arrow pointing down.
//!
//! In come the sizes of boxes and the arrows between them; out come their places. It refuses to know what is in a box.
//!
//! The method is Sugiyama's: each box lies one row below the lowest of those that point to it; an arrow over several rows
//! gets a waypoint in each; rows are ordered by the middle of the neighbours, the order with the fewest crossings wins;
//! places within a row come as near to the neighbours as the order and the gaps allow, which is isotonic regression.

/// The empty space between boxes of a row, and beside a waypoint.
const GAP: f64 = 28.0;
/// The empty space between rows, through which arrows pass.
const ROW_GAP: f64 = 44.0;
/// How often rows are ordered and places are moved; both settle sooner.
const SWEEPS: usize = 12;

/// A width and a height.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Size {
    pub width: f64,
    pub height: f64,
}

/// A place.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Point {
    pub x: f64,
    pub y: f64,
}

/// Where everything lies.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Placed {
    /// The size of the whole.
    pub size: Size,
    /// The upper left corner of each box.
    pub corners: Vec<Point>,
    /// The points of each arrow: it runs straight through a row, from an odd point to the next, and bends between rows.
    pub paths: Vec<Vec<Point>>,
}

/// A box or a waypoint.
struct Item {
    size: Size,
    row: usize,
    /// The middle.
    x: f64,
    above: Vec<usize>,
    below: Vec<usize>,
    /// How much it resists being moved from its neighbours: waypoints do more, so that long arrows are straight.
    weight: f64,
}

/// Places boxes of these sizes and the arrows between them, each a pair of positions.
pub(super) fn place(sizes: &[Size], arrows: &[(usize, usize)]) -> Placed {
    let rows_of = rows(sizes.len(), arrows);
    let mut items: Vec<Item> = sizes
        .iter()
        .zip(&rows_of)
        .map(|(size, row)| Item { size: *size, row: *row, x: 0.0, above: vec![], below: vec![], weight: 1.0 })
        .collect();
    let chains: Vec<Vec<usize>> = arrows.iter().map(|arrow| chain(*arrow, &mut items)).collect();
    let mut rows: Vec<Vec<usize>> = vec![Vec::new(); rows_of.iter().max().map_or(0, |last| last + 1)];
    for (at, item) in items.iter().enumerate() {
        if let Some(row) = rows.get_mut(item.row) {
            row.push(at);
        }
    }
    let rows = order(rows, &items);
    spread(&rows, &mut items);
    measure(&rows, &items, sizes.len(), &chains)
}

/// The row of each box: one below the lowest of those that point to it. An arrow that closes a circle is not counted.
fn rows(count: usize, arrows: &[(usize, usize)]) -> Vec<usize> {
    let mut rows = vec![0; count];
    // Without circles, no row is below the number of boxes, and that many rounds settle it; mostly a few do.
    for _ in 0..count {
        let mut settled = true;
        for (from, to) in arrows {
            let least = rows.get(*from).map_or(0, |row: &usize| row + 1);
            if let Some(row) = rows.get_mut(*to)
                && *row < least
                && least < count
            {
                *row = least;
                settled = false;
            }
        }
        if settled {
            break;
        }
    }
    rows
}

/// The items that an arrow passes, its ends included, joined to one another.
fn chain((from, to): (usize, usize), items: &mut Vec<Item>) -> Vec<usize> {
    let row = |at: usize, items: &[Item]| items.get(at).map_or(0, |item| item.row);
    let (top, bottom) = (row(from, items), row(to, items));
    let mut chain = vec![from];
    for row in top + 1..bottom {
        chain.push(items.len());
        let size = Size { width: 0.0, height: 0.0 };
        items.push(Item { size, row, x: 0.0, above: vec![], below: vec![], weight: 4.0 });
    }
    chain.push(to);
    if top < bottom {
        for (upper, lower) in chain.iter().zip(chain.iter().skip(1)) {
            if let Some(item) = items.get_mut(*upper) {
                item.below.push(*lower);
            }
            if let Some(item) = items.get_mut(*lower) {
                item.above.push(*upper);
            }
        }
    }
    chain
}

/// Orders each row by the middle of its neighbours in the row before, down and up in turn, and keeps the best.
fn order(mut rows: Vec<Vec<usize>>, items: &[Item]) -> Vec<Vec<usize>> {
    let mut best = rows.clone();
    let mut fewest = crossings(&rows, items);
    for sweep in 0..SWEEPS {
        let down = sweep % 2 == 0;
        let mut places = positions(&rows, items.len());
        let range: Vec<usize> = if down { (0..rows.len()).collect() } else { (0..rows.len()).rev().collect() };
        for at in range {
            let Some(row) = rows.get_mut(at) else { continue };
            let middle = |item: &usize| {
                let neighbours = items.get(*item).map(|item| if down { &item.above } else { &item.below });
                let known: Vec<f64> =
                    neighbours.into_iter().flatten().filter_map(|other| places.get(*other).copied()).collect();
                mean(&known).or_else(|| places.get(*item).copied()).unwrap_or(0.0)
            };
            let mut keyed: Vec<(f64, usize)> = row.iter().map(|item| (middle(item), *item)).collect();
            keyed.sort_by(|one, other| one.0.total_cmp(&other.0));
            *row = keyed.into_iter().map(|(_, item)| item).collect();
            for (place, item) in row.iter().enumerate() {
                if let Some(known) = places.get_mut(*item) {
                    *known = place as f64;
                }
            }
        }
        let now = crossings(&rows, items);
        if now < fewest {
            (fewest, best) = (now, rows.clone());
        }
    }
    best
}

fn positions(rows: &[Vec<usize>], count: usize) -> Vec<f64> {
    let mut places = vec![0.0; count];
    for row in rows {
        for (place, item) in row.iter().enumerate() {
            if let Some(known) = places.get_mut(*item) {
                *known = place as f64;
            }
        }
    }
    places
}

/// How many pairs of arrows cross.
fn crossings(rows: &[Vec<usize>], items: &[Item]) -> usize {
    let places = positions(rows, items.len());
    let place = |at: usize| places.get(at).copied().unwrap_or(0.0);
    let mut crossings = 0;
    for row in rows {
        let mut ends: Vec<(f64, f64)> = Vec::new();
        for at in row {
            let below = items.get(*at).map(|item| item.below.as_slice()).unwrap_or_default();
            ends.extend(below.iter().map(|lower| (place(*at), place(*lower))));
        }
        for (number, (upper, lower)) in ends.iter().enumerate() {
            let crossed = |other: &&(f64, f64)| (other.0 - upper) * (other.1 - lower) < 0.0;
            crossings += ends.iter().skip(number + 1).filter(crossed).count();
        }
    }
    crossings
}

/// Moves every item as near to the middle of its neighbours as its row allows.
fn spread(rows: &[Vec<usize>], items: &mut [Item]) {
    for sweep in 0..SWEEPS * 2 {
        let last = sweep + 2 >= SWEEPS * 2;
        let down = sweep % 2 == 0;
        let sequence: Vec<&Vec<usize>> = if down { rows.iter().collect() } else { rows.iter().rev().collect() };
        for row in sequence {
            let wish = |at: &usize| {
                let item = items.get(*at)?;
                let neighbours: Vec<usize> = match (down, last) {
                    (_, true) => item.above.iter().chain(&item.below).copied().collect(),
                    (true, false) => item.above.clone(),
                    (false, false) => item.below.clone(),
                };
                let known: Vec<f64> =
                    neighbours.iter().filter_map(|other| items.get(*other)).map(|item| item.x).collect();
                Some((mean(&known).unwrap_or(item.x), item.weight, item.size.width))
            };
            let wishes: Vec<(f64, f64, f64)> = row.iter().filter_map(wish).collect();
            for (at, x) in row.iter().zip(settle(&wishes)) {
                if let Some(item) = items.get_mut(*at) {
                    item.x = x;
                }
            }
        }
    }
}

/// The middles of a row, each `(wish, weight, width)`: in order, far enough apart, and as near to the wishes as can be in
/// the sense of least squares. Neighbours whose wishes contradict their order are pooled and moved as one.
fn settle(wishes: &[(f64, f64, f64)]) -> Vec<f64> {
    // Shifted by the gaps before it, the order of the places is all that there is to keep.
    let mut shift = 0.0;
    let mut before: Option<f64> = None;
    let mut pools: Vec<(f64, f64, Vec<f64>)> = Vec::new();
    for (wish, weight, width) in wishes {
        if let Some(before) = before {
            shift += (before + width) / 2.0 + GAP;
        }
        before = Some(*width);
        let mut pool = (*wish - shift, *weight, vec![shift]);
        while let Some((place, mass, shifts)) = pools.pop_if(|last| last.0 > pool.0) {
            let whole = mass + pool.1;
            let joined = shifts.into_iter().chain(pool.2).collect();
            pool = ((place * mass + pool.0 * pool.1) / whole, whole, joined);
        }
        pools.push(pool);
    }
    pools.into_iter().flat_map(|(place, _, shifts)| shifts.into_iter().map(move |shift| place + shift)).collect()
}

fn mean(values: &[f64]) -> Option<f64> {
    (!values.is_empty()).then(|| values.iter().sum::<f64>() / values.len() as f64)
}

/// Turns middles and rows into places that begin at nought.
fn measure(rows: &[Vec<usize>], items: &[Item], boxes: usize, chains: &[Vec<usize>]) -> Placed {
    let edge = |side: f64| move |item: &Item| item.x + side * item.size.width / 2.0;
    let left = items.iter().map(edge(-1.0)).fold(f64::INFINITY, f64::min);
    let right = items.iter().map(edge(1.0)).fold(f64::NEG_INFINITY, f64::max);
    let mut tops = Vec::new();
    let mut y = 0.0;
    for row in rows {
        let height = row.iter().filter_map(|at| items.get(*at)).map(|item| item.size.height).fold(0.0, f64::max);
        tops.push((y, height));
        y += height + ROW_GAP;
    }
    let row_of = |item: &Item| tops.get(item.row).copied().unwrap_or((0.0, 0.0));
    let top = |item: &Item| row_of(item).0 + if is_waypoint(item) { 0.0 } else { spare(item, row_of(item).1) };
    let bottom =
        |item: &Item| if is_waypoint(item) { row_of(item).0 + row_of(item).1 } else { top(item) + item.size.height };
    let corner = |item: &Item| Point { x: item.x - item.size.width / 2.0 - left, y: top(item) };
    let path = |chain: &Vec<usize>| {
        let mut points = Vec::new();
        for (number, item) in chain.iter().filter_map(|at| items.get(*at)).enumerate() {
            let x = item.x - left;
            if number > 0 {
                points.push(Point { x, y: top(item) });
            }
            if number + 1 < chain.len() {
                points.push(Point { x, y: bottom(item) });
            }
        }
        points
    };
    let empty = items.is_empty();
    Placed {
        size: Size { width: if empty { 0.0 } else { right - left }, height: (y - ROW_GAP).max(0.0) },
        corners: items.iter().take(boxes).map(corner).collect(),
        paths: chains.iter().map(path).collect(),
    }
}

fn is_waypoint(item: &Item) -> bool {
    item.size.height == 0.0
}

/// How much lower a box lies than its row begins: boxes lie in the middle of their row.
fn spare(item: &Item, height: f64) -> f64 {
    (height - item.size.height) / 2.0
}

#[cfg(test)]
mod tests {
    use super::*;

    fn squares(count: usize) -> Vec<Size> {
        vec![Size { width: 100.0, height: 40.0 }; count]
    }

    #[test]
    fn arrows_point_down_and_boxes_of_a_row_keep_apart() {
        let arrows = [(0, 1), (0, 2), (1, 3), (2, 3), (0, 3)];
        let placed = place(&squares(4), &arrows);
        for (from, to) in arrows {
            assert!(placed.corners[from].y + 40.0 < placed.corners[to].y);
        }
        assert!((placed.corners[1].x - placed.corners[2].x).abs() >= 100.0 + GAP);
        assert_eq!(placed.paths[4].len(), 4, "one waypoint");
    }

    #[test]
    fn crossings_that_need_not_be_are_not() {
        // Written in the order that crosses: 0 -> 3, 1 -> 2.
        let placed = place(&squares(4), &[(0, 3), (1, 2)]);
        let x = |at: usize| placed.corners[at].x;
        assert_eq!(x(0) < x(1), x(3) < x(2));
    }

    #[test]
    fn a_lone_box_and_none_at_all() {
        assert_eq!(place(&squares(1), &[]).size, Size { width: 100.0, height: 40.0 });
        assert_eq!(place(&[], &[]).size, Size { width: 0.0, height: 0.0 });
    }

    #[test]
    fn a_circle_is_drawn_all_the_same() {
        let placed = place(&squares(3), &[(0, 1), (1, 2), (2, 0)]);
        assert_eq!(placed.corners.len(), 3);
        assert!(placed.size.width.is_finite());
    }

    #[test]
    fn wishes_that_contradict_the_order_share_the_distance() {
        let settled = settle(&[(100.0, 1.0, 10.0), (0.0, 1.0, 10.0)]);
        assert_eq!(settled, [50.0 - 19.0, 50.0 + 19.0]);
    }
}
