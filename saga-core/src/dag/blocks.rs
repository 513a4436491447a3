//! Which nodes a statement waits for, from where it stands: in sequence, side by side, in a branch.

use std::collections::BTreeSet;

/// The open blocks: the innermost is last, the first is the saga itself.
pub(super) struct Blocks(Vec<Block>);

enum Block {
    /// One after the other; the next statement waits for `frontier`.
    Sequence { frontier: Vec<u32>, first: bool },
    /// Side by side: each statement waits for `before` only; `ends` are what the block ends with.
    /// Its nodes are those from `start` on, those of the statement being added from `child` on.
    Parallel { start: u32, child: u32, before: Vec<u32>, ends: BTreeSet<u32> },
}

impl Default for Blocks {
    fn default() -> Self {
        Self(vec![Block::Sequence { frontier: Vec::new(), first: true }])
    }
}

impl Blocks {
    /// True if a block beside the saga itself is open.
    pub(super) fn is_open(&self) -> bool {
        self.0.len() != 1
    }

    /// Opens a parallel block whose first node will be `here`.
    pub(super) fn parallel(&mut self, here: u32) {
        self.child_starts(here);
        let before = self.frontier().to_vec();
        self.0.push(Block::Parallel { start: here, child: here, before, ends: BTreeSet::new() });
    }

    /// Opens a branch whose first node will be `here`.
    pub(super) fn branch(&mut self, here: u32) {
        self.child_starts(here);
        let frontier = self.frontier().to_vec();
        self.0.push(Block::Sequence { frontier, first: true });
    }

    /// Closes the innermost block; false if none is open.
    pub(super) fn end(&mut self) -> bool {
        if !self.is_open() {
            return false;
        }
        match self.0.pop() {
            Some(Block::Sequence { frontier, first: false }) => self.finished(frontier),
            Some(Block::Parallel { ends, .. }) if !ends.is_empty() => {
                self.finished(ends.into_iter().collect());
            }
            // a block without nodes changes nothing
            _ => {}
        }
        true
    }

    /// Adds a node that needs `deps`, and says what it waits for. What follows from other edges is left
    /// out: what stood before the open blocks has completed anyway.
    pub(super) fn place(&mut self, node: u32, deps: &[u32]) -> Vec<u32> {
        self.child_starts(node);
        let named = deps.iter().copied().filter(|d| *d < node && !self.implied(*d));
        let mut preds = named.collect::<Vec<_>>();
        // a sibling in this parallel block has itself waited for what stands before the block
        let from = self.beside_since();
        if !preds.iter().any(|d| from.is_some_and(|start| *d >= start)) {
            preds.extend_from_slice(self.frontier());
        }
        preds.sort_unstable();
        preds.dedup();
        for block in &mut self.0 {
            if let Block::Parallel { ends, .. } = block {
                // what waits for the block's end waits for this node, and so for its predecessors
                for pred in &preds {
                    ends.remove(pred);
                }
            }
        }
        self.finished(vec![node]);
        preds
    }

    /// Directly in a parallel block, the next statement starts here.
    fn child_starts(&mut self, here: u32) {
        if let Some(Block::Parallel { child, .. }) = self.0.last_mut() {
            *child = here;
        }
    }

    /// True if an earlier node has completed before the current statement starts, whatever it names:
    /// it is not in another child of an open parallel block.
    fn implied(&self, node: u32) -> bool {
        !self.0.iter().any(|block| {
            matches!(block, Block::Parallel { start, child, .. } if (*start..*child).contains(&node))
        })
    }

    /// Where the innermost parallel block starts, if the frontier is what stands before that block.
    fn beside_since(&self) -> Option<u32> {
        let mut blocks = self.0.iter().rev();
        match (blocks.next(), blocks.next()) {
            (Some(Block::Parallel { start, .. }), _) => Some(*start),
            (Some(Block::Sequence { first: true, .. }), Some(Block::Parallel { start, .. })) => {
                Some(*start)
            }
            _ => None,
        }
    }

    fn frontier(&self) -> &[u32] {
        match self.0.last() {
            Some(Block::Sequence { frontier, .. }) => frontier,
            Some(Block::Parallel { before, .. }) => before,
            None => &[],
        }
    }

    fn finished(&mut self, nodes: Vec<u32>) {
        match self.0.last_mut() {
            Some(Block::Sequence { frontier, first }) => {
                *frontier = nodes;
                *first = false;
            }
            Some(Block::Parallel { ends, .. }) => ends.extend(nodes),
            None => {}
        }
    }
}
