//! The order of the vertices in each layer.

use super::bends::Net;
use super::{at, list};

/// How many times the layers are sorted, once in each direction. Large graphs get fewer: this and [`MAX_BENDS`]
/// bound the time.
///
/// [`MAX_BENDS`]: super::MAX_BENDS
const SWEEPS: usize = 12;
const LARGE: usize = 20_000;
const SWEEPS_IF_LARGE: usize = 3;

/// After this many sweeps without fewer crossings, more will hardly help.
const PATIENCE: usize = 3;

/// Sorts each layer by the mean position of the neighbours in the layer before it, down and up again, and
/// returns the layers with the fewest crossings.
pub(super) fn order(net: &Net) -> Vec<Vec<usize>> {
    let mut layers = first(net);
    let mut best = (crossings(net, &layers), layers.clone());
    let edges = net.below.iter().map(Vec::len).sum::<usize>();
    let sweeps = if edges > LARGE { SWEEPS_IF_LARGE } else { SWEEPS };
    let mut in_vain = 0;
    for _ in 0..sweeps {
        if best.0 == 0 || in_vain == PATIENCE {
            break;
        }
        sweep(net, &mut layers, &net.above, false);
        sweep(net, &mut layers, &net.below, true);
        let count = crossings(net, &layers);
        if count < best.0 {
            best = (count, layers.clone());
            in_vain = 0;
        } else {
            in_vain += 1;
        }
    }
    best.1
}

/// The layers in the order in which a walk along the edges finds the vertices, so that what belongs together is
/// together.
fn first(net: &Net) -> Vec<Vec<usize>> {
    let depth = net.layer.iter().max().map(|last| last + 1).unwrap_or_default();
    let mut layers = vec![Vec::new(); depth];
    let mut seen = vec![false; net.layer.len()];
    let roots = (0..net.layer.len()).filter(|vertex| list(&net.above, *vertex).is_empty());
    let mut open = roots.collect::<Vec<_>>();
    open.reverse();
    while let Some(vertex) = open.pop() {
        match seen.get_mut(vertex) {
            Some(seen) if !*seen => *seen = true,
            _ => continue,
        }
        if let Some(layer) = layers.get_mut(at(&net.layer, vertex)) {
            layer.push(vertex);
        }
        open.extend(list(&net.below, vertex).iter().rev());
    }
    layers
}

fn sweep(net: &Net, layers: &mut [Vec<usize>], neighbours: &[Vec<usize>], upwards: bool) {
    let mut place = places(net, layers);
    let mut sort = |layer: &mut Vec<usize>| {
        let mut keyed = layer
            .iter()
            .map(|vertex| {
                let near = list(neighbours, *vertex);
                let sum = near.iter().map(|other| at(&place, *other)).sum::<usize>();
                let mean = match near.len() {
                    0 => at(&place, *vertex) as f64,
                    count => sum as f64 / count as f64,
                };
                (mean, *vertex)
            })
            .collect::<Vec<_>>();
        keyed.sort_by(|(a, _), (b, _)| a.total_cmp(b));
        *layer = keyed.into_iter().map(|(_, vertex)| vertex).collect();
        for (index, vertex) in layer.iter().enumerate() {
            if let Some(place) = place.get_mut(*vertex) {
                *place = index;
            }
        }
    };
    match upwards {
        true => layers.iter_mut().rev().for_each(&mut sort),
        false => layers.iter_mut().for_each(&mut sort),
    }
}

/// The position of each vertex in its layer.
fn places(net: &Net, layers: &[Vec<usize>]) -> Vec<usize> {
    let mut places = vec![0; net.layer.len()];
    for (index, vertex) in layers.iter().flat_map(|layer| layer.iter().enumerate()) {
        if let Some(place) = places.get_mut(*vertex) {
            *place = index;
        }
    }
    places
}

/// How many pairs of edges cross.
fn crossings(net: &Net, layers: &[Vec<usize>]) -> u64 {
    let places = places(net, layers);
    let mut count = 0;
    for (upper, lower) in layers.iter().zip(layers.iter().skip(1)) {
        let mut ended = Counter::new(lower.len());
        for vertex in upper {
            let mut ends =
                list(&net.below, *vertex).iter().map(|to| at(&places, *to)).collect::<Vec<_>>();
            // Edges from one vertex do not cross.
            ends.sort_unstable();
            count += ends.iter().map(|end| ended.after(*end)).sum::<u64>();
            ends.iter().for_each(|end| ended.add(*end));
        }
    }
    count
}

/// Counts how many numbers so far are larger than another, as a Fenwick tree.
struct Counter {
    tree: Vec<u64>,
    total: u64,
}

impl Counter {
    fn new(len: usize) -> Self {
        Self { tree: vec![0; len + 1], total: 0 }
    }

    fn add(&mut self, number: usize) {
        self.total += 1;
        let mut index = number + 1;
        while let Some(node) = self.tree.get_mut(index) {
            *node += 1;
            index += index & index.wrapping_neg();
        }
    }

    fn after(&self, number: usize) -> u64 {
        let (mut upto, mut index) = (0, number + 1);
        while index > 0 {
            upto += at(&self.tree, index);
            index -= index & index.wrapping_neg();
        }
        self.total - upto
    }
}
