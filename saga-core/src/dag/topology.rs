//! Finds cycles and the nodes on them.

use petgraph::algo::{astar, toposort};
use petgraph::graph::{DiGraph, NodeIndex};

/// The error is a cycle, with its first node repeated at the end.
pub(super) fn check_acyclic<N>(graph: &DiGraph<N, ()>) -> Result<(), Vec<NodeIndex>> {
    match toposort(graph, None) {
        Ok(_) => Ok(()),
        Err(cycle) => Err(round(graph, cycle.node_id())),
    }
}

/// The shortest path along the edges, including both ends.
pub(super) fn way<N>(
    graph: &DiGraph<N, ()>,
    from: NodeIndex,
    is_end: impl FnMut(NodeIndex) -> bool,
) -> Option<Vec<NodeIndex>> {
    astar(graph, from, is_end, |_| 1, |_| 0).map(|(_, way)| way)
}

/// A shortest cycle through this node, starting at the node that was declared first.
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

    fn told(nodes: u32, edges: &[(u32, u32)]) -> Result<(), Vec<usize>> {
        let mut graph = DiGraph::<(), ()>::new();
        for _ in 0..nodes {
            graph.add_node(());
        }
        graph.extend_with_edges(edges.iter().copied());
        check_acyclic(&graph).map_err(|cycle| cycle.into_iter().map(NodeIndex::index).collect())
    }

    #[test]
    fn a_graph_without_a_cycle_is_accepted() {
        assert_eq!(told(4, &[(3, 1), (1, 0), (3, 0), (0, 2)]), Ok(()));
        assert_eq!(told(0, &[]), Ok(()));
    }

    #[test]
    fn a_cycle_is_a_short_one_from_its_first_node_on() {
        assert_eq!(told(2, &[(1, 1)]), Err(vec![1, 1]));
        assert_eq!(told(4, &[(3, 2), (2, 1), (1, 3), (0, 1)]), Err(vec![1, 3, 2, 1]));
        // The long way round goes through 1 and 2, the short one does not.
        let edges = [(0, 1), (1, 2), (2, 3), (0, 3), (3, 0)];
        assert_eq!(told(4, &edges), Err(vec![0, 3, 0]));
    }
}
