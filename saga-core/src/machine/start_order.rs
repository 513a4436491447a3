//! Whose turn it is: the order in which calls start when there is no room for all of them.

use std::cmp::{Ordering, Reverse};
use std::sync::Arc;

use super::state::{SagaState, VertexId};

/// A place in the line of calls that may start. The two directions never stand in one line.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum StartPriority {
    /// Actions, by declaration.
    Action(DeclarationOrder),
    /// Undos, the action that was started last first.
    Undo(Reverse<u64>),
}

/// A node's place in the order of declaration, parts of one node by number. Frames open in the order of
/// events, so the number of a vertex does not tell.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct DeclarationOrder {
    /// Of the frame: node and part, from the outermost holder inwards.
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
    /// Where the start of this action stands in line.
    pub(super) fn action_priority(&self, v: VertexId) -> Option<StartPriority> {
        let (frame, node, _) = self.place(v)?;
        let frame = self.frames.get(frame as usize)?.rank.clone();
        Some(StartPriority::Action(DeclarationOrder { frame, node }))
    }

    /// Where the undo of this action stands in line.
    pub(super) fn undo_priority(&self, v: VertexId) -> Option<StartPriority> {
        Some(StartPriority::Undo(Reverse(self.vertex(v)?.first_start)))
    }
}
