//! Adds edges one by one, and derives an order, levels and ancestors from all of them.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap};

use petgraph::graph::DiGraph;

use super::topology;
use super::{AnyBuilder, AnyDag, DagBuilder, DagError};
use crate::names::{NodeIndex, NodeName};

/// The graph of nodes and edges, kept from one search for cycles to the next.
#[derive(Default)]
pub(super) struct EdgeGraph {
    graph: DiGraph<(), ()>,
    /// How many of the builder's edges it already has.
    edges: usize,
    /// True if an edge leads to a node that was declared earlier.
    back: bool,
}

impl<C: Send + Sync + 'static> DagBuilder<C> {
    /// Makes the second node wait for the first. Both must exist already; for nodes that are added later, see
    /// [`Placed::after`](super::Placed::after). Once any edge leads to an earlier declaration, each call
    /// searches everything after the second node for a cycle.
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
    /// [`DagError::NoSuchNode`], or [`DagError::Circular`] with the nodes of the cycle; the builder is then
    /// unchanged.
    pub fn add_edge(&mut self, from: &str, to: &str) -> Result<&mut Self, DagError> {
        self.any.add_edge(from, to)?;
        Ok(self)
    }
}

impl AnyBuilder {
    fn add_edge(&mut self, from: &str, to: &str) -> Result<(), DagError> {
        let (from, to) = (self.resolve(from)?, self.resolve(to)?);
        self.place_named();
        if let Some(way) = self.way(to, from) {
            return Err(DagError::Circular(way));
        }
        self.edges.push((from, to));
        Ok(())
    }

    /// Turns edges by name into edges. Those whose node does not exist yet are left to `build`.
    fn place_named(&mut self) {
        for (node, name) in std::mem::take(&mut self.named) {
            match self.by_name.get(name.as_str()) {
                Some(pred) => self.edges.push((*pred, node)),
                None => self.named.push((node, name)),
            }
        }
    }

    /// The nodes on a path along the edges, followed by the first of them.
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

impl AnyDag {
    /// All nodes that have always completed before this one starts, in order of declaration.
    pub fn ancestors(&self, node: NodeIndex) -> Vec<NodeIndex> {
        self.plan.ancestors(node)
    }

    /// The level of each node: the length of the longest path to it, 0 for the first nodes.
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

    /// An order in which the nodes could run one by one: each after everything that it waits for, ties by order
    /// of declaration.
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
