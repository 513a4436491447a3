//! Which nodes of a described DAG come before which.

use std::collections::HashMap;

use super::super::export::DagJson;

/// The nodes of a DAG by name, and the ancestors of each.
pub(super) struct Order {
    names: Vec<String>,
    places: HashMap<String, usize>,
    /// For each node, a bit for each node.
    ancestors: Vec<Vec<u64>>,
}

impl Order {
    pub(super) fn of(dag: &DagJson) -> Self {
        let names = dag.nodes.iter().map(|node| node.name.to_string()).collect::<Vec<_>>();
        let places = names.iter().cloned().zip(0..).collect::<HashMap<String, usize>>();
        let before = dag.nodes.iter().map(|node| {
            let places = node.after.iter().filter_map(|name| places.get(name.as_str()));
            places.copied().collect::<Vec<_>>()
        });
        let before = before.collect::<Vec<_>>();
        let ancestors = ancestors(&before);
        Self { names, places, ancestors }
    }

    pub(super) fn find(&self, name: &str) -> Option<usize> {
        self.places.get(name).copied()
    }

    pub(super) fn name(&self, node: usize) -> String {
        self.names.get(node).cloned().unwrap_or_default()
    }

    /// True if `ancestor` has always completed before `node` begins.
    pub(super) fn is_ancestor(&self, ancestor: usize, node: usize) -> bool {
        let bits = self.ancestors.get(node).and_then(|bits| bits.get(ancestor / 64));
        bits.is_some_and(|bits| bits >> (ancestor % 64) & 1 == 1)
    }
}

/// The ancestors of each node, given the nodes right before it.
fn ancestors(before: &[Vec<usize>]) -> Vec<Vec<u64>> {
    let mut behind = vec![Vec::new(); before.len()];
    let mut waits = before.iter().map(Vec::len).collect::<Vec<_>>();
    for (node, before) in before.iter().enumerate() {
        for pred in before {
            behind.get_mut(*pred).into_iter().for_each(|behind| behind.push(node));
        }
    }
    let mut found = vec![vec![0u64; before.len().div_ceil(64)]; before.len()];
    let mut ready =
        (0..before.len()).filter(|node| waits.get(*node) == Some(&0)).collect::<Vec<_>>();
    while let Some(node) = ready.pop() {
        let mut bits = found.get(node).cloned().unwrap_or_default();
        bits.get_mut(node / 64).into_iter().for_each(|bits| *bits |= 1 << (node % 64));
        for next in behind.get(node).into_iter().flatten() {
            let own = found.get_mut(*next).into_iter().flatten();
            own.zip(&bits).for_each(|(own, bits)| *own |= bits);
            if let Some(waits) = waits.get_mut(*next) {
                *waits -= 1;
                if *waits == 0 {
                    ready.push(*next);
                }
            }
        }
    }
    found
}
