//! Derives which nodes of a saga wait for which others from the positions of their statements: in sequence, side by
//! side in `parallel { .. }`, or in a branch of such a block.
//!
//! This crate is a part of `saga-core`, whose builder uses it to order nodes. It is separate because `saga-macros`
//! needs the same rule, for the list of nodes in rustdoc and for its warning about a redundant `#[after]`, and a
//! procedural macro cannot depend on the crate that re-exports it.

use std::collections::BTreeSet;

/// The number of a node, in order of declaration.
pub type Node = u32;

/// The blocks that are open at a position in a definition.
///
/// ```
/// // let a = ..; parallel { let b = ..; let c = ..; } let d = ..;
/// let mut blocks = saga_order::Blocks::default();
/// assert_eq!(blocks.place(0, &[]), []);
/// blocks.open_parallel(1);
/// assert_eq!(blocks.place(1, &[]), [0]);
/// assert_eq!(blocks.place(2, &[]), [0]);
/// assert!(blocks.close());
/// assert_eq!(blocks.place(3, &[]), [1, 2]);
/// ```
pub struct Blocks {
    /// The definition itself comes first, the innermost block last.
    open: Vec<Block>,
}

enum Block {
    /// Statements run one after another.
    Sequence {
        /// The nodes that the next statement waits for.
        frontier: Vec<Node>,
        /// True until the block contains a node.
        is_empty: bool,
    },
    /// Statements run side by side.
    Parallel {
        /// The first node of the block.
        start: Node,
        /// The first node of the statement that is being added.
        statement: Node,
        /// The nodes that each statement waits for.
        before: Vec<Node>,
        /// The nodes of the block that no other node of it waits for.
        ends: BTreeSet<Node>,
    },
}

impl Default for Blocks {
    fn default() -> Self {
        Self { open: vec![Block::Sequence { frontier: Vec::new(), is_empty: true }] }
    }
}

impl Blocks {
    /// Returns true if a block other than the definition itself is open.
    pub fn is_open(&self) -> bool {
        self.open.len() != 1
    }

    /// Opens a block of statements that run side by side; its first node will be `first`.
    pub fn open_parallel(&mut self, first: Node) {
        self.statement_starts(first);
        let (before, ends) = (self.frontier().to_vec(), BTreeSet::new());
        self.open.push(Block::Parallel { start: first, statement: first, before, ends });
    }

    /// Opens a branch, whose statements run one after the other; its first node will be `first`.
    pub fn open_branch(&mut self, first: Node) {
        self.statement_starts(first);
        let frontier = self.frontier().to_vec();
        self.open.push(Block::Sequence { frontier, is_empty: true });
    }

    /// Closes the innermost block; false if none is open.
    pub fn close(&mut self) -> bool {
        if !self.is_open() {
            return false;
        }
        match self.open.pop() {
            Some(Block::Sequence { frontier, is_empty: false }) => self.finished(frontier),
            Some(Block::Parallel { ends, .. }) if !ends.is_empty() => {
                self.finished(ends.into_iter().collect());
            }
            // A block without nodes changes nothing.
            Some(Block::Sequence { is_empty: true, .. } | Block::Parallel { .. }) | None => {}
        }
        true
    }

    /// Adds the node `node`, which needs the nodes `needs`, and returns the nodes that it waits for, in order. Nodes
    /// before the open blocks are omitted, because they have completed anyway.
    pub fn place(&mut self, node: Node, needs: &[Node]) -> Vec<Node> {
        self.statement_starts(node);
        let needs = needs.iter().copied();
        let needs = needs.filter(|other| *other < node && !self.has_completed(node, *other));
        let mut waits_for = needs.collect::<Vec<_>>();
        // A sibling in the same parallel block has itself waited for the nodes before the block.
        let start = self.beside_since();
        if !waits_for.iter().any(|other| start.is_some_and(|start| *other >= start)) {
            waits_for.extend_from_slice(self.frontier());
        }
        waits_for.sort_unstable();
        waits_for.dedup();
        for block in &mut self.open {
            if let Block::Parallel { ends, .. } = block {
                // The end of the block waits for this node, and through it for these.
                for other in &waits_for {
                    ends.remove(other);
                }
            }
        }
        self.finished(vec![node]);
        waits_for
    }

    /// Returns true if `other`, which was declared earlier, always completes before a node `node` that is added here
    /// can start, whatever that node needs. That is so unless `other` is in another statement of an open parallel
    /// block.
    pub fn has_completed(&self, node: Node, other: Node) -> bool {
        let innermost = self.open.len().saturating_sub(1);
        !self.open.iter().enumerate().any(|(depth, block)| match block {
            Block::Parallel { start, statement, .. } => {
                // Directly in the innermost block, the node is a statement by itself.
                let statement = if depth == innermost { node } else { *statement };
                (*start..statement).contains(&other)
            }
            Block::Sequence { .. } => false,
        })
    }

    /// Records that a statement starts with this node, if the innermost block is parallel.
    fn statement_starts(&mut self, first: Node) {
        if let Some(Block::Parallel { statement, .. }) = self.open.last_mut() {
            *statement = first;
        }
    }

    /// Returns the first node of the innermost parallel block, if the frontier consists of the nodes before it.
    fn beside_since(&self) -> Option<Node> {
        let mut blocks = self.open.iter().rev();
        match (blocks.next()?, blocks.next()) {
            (Block::Parallel { start, .. }, _) => Some(*start),
            (Block::Sequence { is_empty: true, .. }, Some(Block::Parallel { start, .. })) => {
                Some(*start)
            }
            (Block::Sequence { .. }, _) => None,
        }
    }

    /// Returns the nodes that the next statement waits for.
    fn frontier(&self) -> &[Node] {
        match self.open.last() {
            Some(Block::Sequence { frontier, .. }) => frontier,
            Some(Block::Parallel { before, .. }) => before,
            None => &[],
        }
    }

    /// Records that a statement of the innermost block ends with these nodes.
    fn finished(&mut self, nodes: Vec<Node>) {
        match self.open.last_mut() {
            Some(Block::Sequence { frontier, is_empty }) => {
                *frontier = nodes;
                *is_empty = false;
            }
            Some(Block::Parallel { ends, .. }) => ends.extend(nodes),
            None => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Blocks;

    #[test]
    fn a_node_that_needs_a_sibling_waits_only_for_the_sibling() {
        let mut blocks = Blocks::default();
        blocks.place(0, &[]);
        blocks.open_parallel(1);
        blocks.place(1, &[]);
        assert_eq!(blocks.place(2, &[0, 1]), [1]);
        assert!(blocks.close());
        assert_eq!(blocks.place(3, &[]), [2]);
    }

    #[test]
    fn a_branch_runs_beside_its_siblings_and_its_nodes_in_sequence() {
        let mut blocks = Blocks::default();
        blocks.open_parallel(0);
        blocks.place(0, &[]);
        blocks.open_branch(1);
        assert_eq!(blocks.place(1, &[]), []);
        assert!(!blocks.has_completed(2, 0));
        assert!(blocks.has_completed(2, 1));
        assert_eq!(blocks.place(2, &[0]), [0, 1]);
        assert!(blocks.close());
        assert!(blocks.close());
        assert!(!blocks.close());
        assert_eq!(blocks.place(3, &[]), [2]);
    }

    #[test]
    fn a_block_without_nodes_changes_nothing() {
        let mut blocks = Blocks::default();
        blocks.place(0, &[]);
        blocks.open_parallel(1);
        blocks.open_branch(1);
        assert!(blocks.close());
        assert!(blocks.is_open());
        assert!(blocks.close());
        assert_eq!(blocks.place(1, &[]), [0]);
    }
}
