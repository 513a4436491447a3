//! A topological order, or why there is none.

use petgraph::algo::{astar, toposort};
use petgraph::graph::{DiGraph, NodeIndex};

/// The place of each node in a topological order; or a cycle, its first node also at the end.
pub(super) fn ranks<N>(graph: &DiGraph<N, ()>) -> Result<Vec<u32>, Vec<NodeIndex>> {
    let order = toposort(graph, None).map_err(|cycle| round(graph, cycle.node_id()))?;
    let mut ranks = vec![0; order.len()];
    for (rank, node) in (0..).zip(order) {
        if let Some(place) = ranks.get_mut(node.index()) {
            *place = rank;
        }
    }
    Ok(ranks)
}

/// The shortest way along the edges, with both of its ends.
pub(super) fn way<N>(
    graph: &DiGraph<N, ()>,
    from: NodeIndex,
    is_end: impl FnMut(NodeIndex) -> bool,
) -> Option<Vec<NodeIndex>> {
    astar(graph, from, is_end, |_| 1, |_| 0).map(|(_, way)| way)
}

/// A shortest cycle with this node in it, from the node on that was declared first.
fn round<N>(graph: &DiGraph<N, ()>, node: NodeIndex) -> Vec<NodeIndex> {
    let closes = |last| graph.contains_edge(last, node);
    let mut cycle = way(graph, node, closes).unwrap_or_else(|| vec![node]);
    let first = cycle.iter().enumerate().min_by_key(|(_, node)| **node).map(|(at, _)| at);
    cycle.rotate_left(first.unwrap_or_default());
    cycle.extend(cycle.first().copied());
    cycle
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(nodes: u32, edges: &[(u32, u32)]) -> Result<Vec<u32>, Vec<usize>> {
        let mut graph = DiGraph::<(), ()>::new();
        for _ in 0..nodes {
            graph.add_node(());
        }
        graph.extend_with_edges(edges.iter().copied());
        ranks(&graph).map_err(|cycle| cycle.into_iter().map(NodeIndex::index).collect())
    }

    #[test]
    fn each_node_comes_after_all_that_it_waits_for() {
        let edges = [(3, 1), (1, 0), (3, 0), (0, 2)];
        assert_eq!(told(4, &edges), Ok(vec![2, 1, 3, 0]));
        assert_eq!(told(0, &[]), Ok(vec![]));
    }

    #[test]
    fn a_cycle_is_a_short_one_from_its_first_node_on() {
        assert_eq!(told(2, &[(1, 1)]), Err(vec![1, 1]));
        assert_eq!(told(4, &[(3, 2), (2, 1), (1, 3), (0, 1)]), Err(vec![1, 3, 2, 1]));
        // the long way round goes through 1 and 2, the short one does not
        let edges = [(0, 1), (1, 2), (2, 3), (0, 3), (3, 0)];
        assert_eq!(told(4, &edges), Err(vec![0, 3, 0]));
    }
}
