//! Edges one by one, and what follows from all of them: ancestors, levels, an order.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap};

use petgraph::graph::DiGraph;

use super::topology;
use super::{Dag, DagBuilder, DagError};
use crate::names::{NodeIndex, NodeName};

/// The nodes and edges, kept from one search to the next.
#[derive(Default)]
pub(super) struct EdgeGraph {
    graph: DiGraph<(), ()>,
    /// How many of the builder's edges are among them.
    edges: usize,
    /// True if one of them leads to a node that was declared before.
    back: bool,
}

impl<C: Send + Sync + 'static> DagBuilder<C> {
    /// The second node waits for the first one. Both are there already; for one that is added later, see
    /// [`Placed::after`](super::Placed::after). Once an edge leads back in the order of declaration, each
    /// call looks for a cycle among all that comes after the second node.
    ///
    /// ```
    /// use saga_core::dag::{DagBuilder, Node};
    /// let mut dag = DagBuilder::<()>::new("Chain")?;
    /// for name in ["A", "B", "C"] {
    ///     dag.append(Node::constant(name, 0)?)?;
    /// }
    /// let error = dag.add_edge("C", "A").err().map(|e| e.to_string());
    /// assert_eq!(error.as_deref(), Some("circular dependency: A -> B -> C -> A"));
    /// # Ok::<(), saga_core::dag::DagError>(())
    /// ```
    ///
    /// # Errors
    /// [`DagError::NoSuchNode`], or [`DagError::Circular`] with the nodes of the circle; the builder is
    /// then unchanged.
    pub fn add_edge(&mut self, from: &str, to: &str) -> Result<&mut Self, DagError> {
        let (from, to) = (self.resolve(from)?, self.resolve(to)?);
        self.place_named();
        if let Some(way) = self.way(to, from) {
            return Err(DagError::Circular(way));
        }
        self.edges.push((from, to));
        Ok(self)
    }

    /// Edges by name become edges; `build` looks at those whose node is not there yet.
    fn place_named(&mut self) {
        for (node, name) in std::mem::take(&mut self.named) {
            match self.by_name.get(name.as_str()) {
                Some(pred) => self.edges.push((*pred, node)),
                None => self.named.push((node, name)),
            }
        }
    }

    /// The nodes on a way along the edges, and the first one once more.
    fn way(&mut self, from: u32, to: u32) -> Option<Vec<NodeName>> {
        let EdgeGraph { graph, edges, back } = &mut self.ways;
        while graph.node_count() < self.nodes.len() {
            graph.add_node(());
        }
        for &(a, b) in self.edges.iter().skip(*edges) {
            graph.add_edge(a.into(), b.into(), ());
            *back |= a > b;
        }
        *edges = self.edges.len();
        if to < from && !*back {
            return None;
        }
        let way = topology::way(graph, from.into(), |node| node == to.into())?;
        let way = way.into_iter().chain([from.into()]);
        let names = way.filter_map(|node| self.nodes.get(node.index()));
        Some(names.map(|node| node.name().clone()).collect())
    }
}

impl<C: 'static> Dag<C> {
    /// All nodes that have always ended before this one starts, in the order of declaration.
    pub fn ancestors(&self, node: NodeIndex) -> Vec<NodeIndex> {
        self.plan.ancestors(node)
    }

    /// How many nodes stand in a line before each node: 0 for the first ones.
    pub(crate) fn levels(&self) -> Vec<usize> {
        let mut levels = vec![0; self.len()];
        for node in self.order() {
            let level = self.predecessors(node).filter_map(|pred| levels.get(pred.index()));
            let level = level.map(|level| level + 1).max().unwrap_or_default();
            if let Some(own) = levels.get_mut(node.index()) {
                *own = level;
            }
        }
        levels
    }

    /// The order in which the nodes run one by one: after all that they wait for, ties by declaration.
    pub fn order(&self) -> Vec<NodeIndex> {
        let nodes = (0..self.len() as u32).map(NodeIndex);
        let mut waiting =
            nodes.map(|n| (n, self.predecessors(n).count())).collect::<HashMap<_, _>>();
        let free = waiting.iter().filter(|(_, count)| **count == 0).map(|(node, _)| Reverse(*node));
        let mut ready = free.collect::<BinaryHeap<_>>();
        let mut order = Vec::with_capacity(self.len());
        while let Some(Reverse(node)) = ready.pop() {
            order.push(node);
            for succ in self.successors(node) {
                let Some(count) = waiting.get_mut(&succ) else { continue };
                *count -= 1;
                if *count == 0 {
                    ready.push(Reverse(succ));
                }
            }
        }
        order
    }
}
