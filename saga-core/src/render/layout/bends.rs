//! Bends: a place for a long edge in each layer that it passes.

use super::{MAX_BENDS, Size, at, list};

/// Nodes and bends as one graph whose edges lead from each layer to the next. Nodes come first.
pub(super) struct Net {
    pub(super) nodes: usize,
    pub(super) layer: Vec<usize>,
    pub(super) width: Vec<f64>,
    /// Where the edges of each vertex lead to, and where they come from.
    pub(super) below: Vec<Vec<usize>>,
    pub(super) above: Vec<Vec<usize>>,
    /// For each node, its bends, from the layer below it downwards: the long edges of a node share them.
    pub(super) chains: Vec<Vec<usize>>,
}

impl Net {
    pub(super) fn new(sizes: &[Size], edges: &[(usize, usize)], layer: Vec<usize>) -> Self {
        let nodes = sizes.len();
        let mut net = Self {
            nodes,
            layer,
            width: sizes.iter().map(|size| size.width).collect(),
            below: vec![Vec::new(); nodes],
            above: vec![Vec::new(); nodes],
            chains: vec![Vec::new(); nodes],
        };
        net.bend(edges);
        for &(from, to) in edges {
            let passed = net.span(from, to).saturating_sub(1);
            let last = match passed {
                0 => Some(from),
                _ => list(&net.chains, from).get(passed - 1).copied(),
            };
            if let Some(last) = last {
                net.connect(last, to);
            }
        }
        net
    }

    pub(super) fn is_bend(&self, vertex: usize) -> bool {
        vertex >= self.nodes
    }

    /// By how many layers an edge leads down.
    pub(super) fn span(&self, from: usize, to: usize) -> usize {
        at(&self.layer, to).saturating_sub(at(&self.layer, from))
    }

    /// Adds the chains, the short ones first.
    fn bend(&mut self, edges: &[(usize, usize)]) {
        let mut lengths = vec![0; self.nodes];
        for &(from, to) in edges {
            let passed = self.span(from, to).saturating_sub(1);
            if let Some(length) = lengths.get_mut(from) {
                *length = passed.max(*length);
            }
        }
        let mut chains =
            lengths.into_iter().enumerate().filter(|(_, n)| *n > 0).collect::<Vec<_>>();
        chains.sort_by_key(|(node, length)| (*length, *node));
        let mut left = MAX_BENDS;
        for (node, length) in chains {
            if length > left {
                return;
            }
            left -= length;
            let first = at(&self.layer, node) + 1;
            let mut last = node;
            for layer in first..first + length {
                let bend = self.layer.len();
                self.layer.push(layer);
                self.width.push(0.0);
                self.below.push(Vec::new());
                self.above.push(Vec::new());
                self.connect(last, bend);
                if let Some(chain) = self.chains.get_mut(node) {
                    chain.push(bend);
                }
                last = bend;
            }
        }
    }

    fn connect(&mut self, from: usize, to: usize) {
        if let (Some(below), Some(above)) = (self.below.get_mut(from), self.above.get_mut(to)) {
            below.push(to);
            above.push(from);
        }
    }
}
