//! The order in which calls start when there is not room for all of them.

use std::cmp::{Ordering, Reverse};
use std::sync::Arc;

use super::state::{SagaState, VertexId};

/// The priority of a call that may start; the smallest starts first. Actions and undos are never candidates at
/// the same time.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum StartPriority {
    /// Actions start in the order of their declaration.
    Action(DeclarationOrder),
    /// Undos start in the reverse of the order in which their actions were started.
    Undo(Reverse<u64>),
}

/// A node's place in the order of declaration; the instances of a `for` are in the order of their numbers. The
/// number of a vertex is of no use for this, because frames are opened in the order of events.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct DeclarationOrder {
    /// The place of its frame: node and part, from the outermost holder inwards.
    frame: Arc<[u32]>,
    node: u32,
}

impl DeclarationOrder {
    fn steps(&self) -> impl Iterator<Item = &u32> {
        self.frame.iter().chain([&self.node])
    }
}

impl Ord for DeclarationOrder {
    fn cmp(&self, other: &Self) -> Ordering {
        self.steps().cmp(other.steps())
    }
}

impl PartialOrd for DeclarationOrder {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl SagaState {
    /// The priority of starting this action.
    pub(super) fn action_priority(&self, v: VertexId) -> Option<StartPriority> {
        let (frame, node, _) = self.place(v)?;
        let frame = self.frames.get(frame as usize)?.rank.clone();
        Some(StartPriority::Action(DeclarationOrder { frame, node }))
    }

    /// The priority of undoing this action.
    pub(super) fn undo_priority(&self, v: VertexId) -> Option<StartPriority> {
        Some(StartPriority::Undo(Reverse(self.vertex(v)?.first_start)))
    }
}
