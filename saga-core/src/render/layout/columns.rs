//! Where each vertex is from left to right.

use super::bends::Net;
use super::{EDGE_GAP, GAP, at, list};

const SWEEPS: usize = 10;

/// The center of each vertex: as near to the mean of its neighbours as the order of its layer and the widths
/// allow. The layers are moved one after the other, down and up again; what is left of the first one is cut off.
pub(super) fn centers(net: &Net, layers: &[Vec<usize>]) -> Vec<f64> {
    let mut x = vec![0.0; net.layer.len()];
    for layer in layers {
        put(net, layer, &mut x, |_, _| None);
    }
    for _ in 0..SWEEPS {
        for layer in layers {
            put(net, layer, &mut x, |vertex, x| mean(net, vertex, &[&net.above], x));
        }
        for layer in layers.iter().rev() {
            put(net, layer, &mut x, |vertex, x| mean(net, vertex, &[&net.below], x));
        }
    }
    for layer in layers.iter().chain(layers.iter().rev()) {
        put(net, layer, &mut x, |vertex, x| mean(net, vertex, &[&net.above, &net.below], x));
    }
    let left = |(vertex, x): (usize, &f64)| x - at(&net.width, vertex) / 2.0;
    let left = x.iter().enumerate().map(left).fold(f64::INFINITY, f64::min);
    x.iter_mut().for_each(|x| *x -= left);
    x
}

/// The mean of the neighbours. The parts of a long edge attract each other more, so that it is straight.
fn mean(net: &Net, vertex: usize, sides: &[&[Vec<usize>]], x: &[f64]) -> Option<f64> {
    let (mut sum, mut weights) = (0.0, 0.0);
    for other in sides.iter().flat_map(|side| list(side, vertex)) {
        let weight = match (net.is_bend(vertex), net.is_bend(*other)) {
            (true, true) => 8.0,
            (true, false) | (false, true) => 2.0,
            (false, false) => 1.0,
        };
        sum += weight * at(x, *other);
        weights += weight;
    }
    (weights > 0.0).then(|| sum / weights)
}

/// Several neighbours that are as close together as they may be.
struct Block {
    len: usize,
    weight: f64,
    weighted: f64,
}

impl Block {
    fn mean(&self) -> f64 {
        self.weighted / self.weight
    }
}

/// Puts the vertices of a layer where they want to be, or as near to it as they can get: the sum of the squares
/// of the distances is the least possible. Without a wish, a vertex stays where it is unless it is pushed.
///
/// What remains after subtracting the room that the vertices to the left need must not decrease from one vertex
/// to the next. So this is isotonic regression, by pooling adjacent violators, in linear time.
fn put(net: &Net, layer: &[usize], x: &mut [f64], wish: impl Fn(usize, &[f64]) -> Option<f64>) {
    let (mut blocks, mut offsets) = (Vec::<Block>::new(), Vec::with_capacity(layer.len()));
    let (mut offset, mut before) = (0.0, None);
    for &vertex in layer {
        if let Some(before) = before {
            offset += distance(net, before, vertex);
        }
        before = Some(vertex);
        offsets.push(offset);
        let (weight, wish) = match wish(vertex, x) {
            Some(wish) if net.is_bend(vertex) => (2.0, wish),
            Some(wish) => (1.0, wish),
            None => (0.05, at(x, vertex)),
        };
        let mut block = Block { len: 1, weight, weighted: weight * (wish - offset) };
        while let Some(last) = blocks.pop() {
            if last.mean() <= block.mean() {
                blocks.push(last);
                break;
            }
            block.len += last.len;
            block.weight += last.weight;
            block.weighted += last.weighted;
        }
        blocks.push(block);
    }
    let means = blocks.iter().flat_map(|block| std::iter::repeat_n(block.mean(), block.len));
    for ((vertex, offset), mean) in layer.iter().zip(offsets).zip(means) {
        if let Some(x) = x.get_mut(*vertex) {
            *x = mean + offset;
        }
    }
}

/// The least distance between the centers of two neighbours.
fn distance(net: &Net, left: usize, right: usize) -> f64 {
    let gap = match (net.is_bend(left), net.is_bend(right)) {
        (false, false) => GAP,
        (true, true) => EDGE_GAP,
        (true, false) | (false, true) => (GAP + EDGE_GAP) / 2.0,
    };
    (at(&net.width, left) + at(&net.width, right)) / 2.0 + gap
}
