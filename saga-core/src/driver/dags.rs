//! The DAGs that a saga runs, as its calls borrow them: the DAG of the saga contains all of them.

use crate::dag::{AnyDag, AnyNode};
use crate::machine::{Part, SagaState, VertexId};
use crate::names::NodeIndex;

/// The DAGs of the machine's frames.
pub(super) struct RunDags<'a> {
    root: &'a AnyDag,
    /// By frame, as far as they were needed.
    dags: Vec<&'a AnyDag>,
}

impl<'a> RunDags<'a> {
    pub(super) fn new(root: &'a AnyDag) -> Self {
        Self { root, dags: Vec::new() }
    }

    /// The node of a vertex.
    pub(super) fn node(&mut self, state: &SagaState, v: VertexId) -> Option<&'a AnyNode> {
        let (frame, node, _) = state.place(v)?;
        let dag = match frame {
            0 => self.root,
            _ => self.dag(state, frame as usize)?,
        };
        dag.node(NodeIndex(node))
    }

    fn dag(&mut self, state: &SagaState, frame: usize) -> Option<&'a AnyDag> {
        while self.dags.len() <= frame {
            let dag = match state.part_of(self.dags.len() as u32) {
                None => self.root,
                // a frame opens after the one that it is in
                Some((holder, part)) => {
                    let (outer, node, _) = state.place(holder)?;
                    let holder = self.dags.get(outer as usize)?.node(NodeIndex(node))?;
                    let part = match part {
                        Part::Whole | Part::Instance(_) => 0,
                        Part::Arm(arm) => arm as usize,
                    };
                    holder.body.parts().get(part)?
                }
            };
            self.dags.push(dag);
        }
        self.dags.get(frame).copied()
    }
}
