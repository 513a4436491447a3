//! The DAGs that a saga runs, as its calls borrow them: the DAG of the saga contains all of them.

use crate::dag::{AnyDag, AnyNode};
use crate::machine::{Part, SagaState, VertexId};
use crate::names::NodeIndex;

/// The DAGs of the machine's frames.
pub(super) struct RunDags<'a> {
    root: &'a AnyDag,
}

impl<'a> RunDags<'a> {
    pub(super) fn new(root: &'a AnyDag) -> Self {
        Self { root }
    }

    /// The node of a vertex.
    pub(super) fn node(&self, state: &SagaState, v: VertexId) -> Option<&'a AnyNode> {
        let (frame, node, _) = state.place(v)?;
        self.dag(state, frame)?.node(NodeIndex(node))
    }

    fn dag(&self, state: &SagaState, frame: u32) -> Option<&'a AnyDag> {
        let Some((holder, part)) = state.part_of(frame) else { return Some(self.root) };
        let (outer, node, _) = state.place(holder)?;
        let part = match part {
            Part::Whole | Part::Instance(_) => 0,
            Part::Arm(arm) => arm as usize,
        };
        let holder = self.dag(state, outer)?.node(NodeIndex(node))?;
        Some(holder.body.parts().get(part)?)
    }
}
