//! The DAGs that a saga runs, as its calls borrow them: the DAG of the saga contains all of them.

use crate::dag::{Dag, Node};
use crate::machine::{Part, SagaState, VertexId};
use crate::names::NodeIndex;

/// The DAGs of the machine's frames.
pub(super) struct RunDags<'a, C> {
    root: &'a Dag<C>,
    /// By frame, as far as they were needed.
    dags: Vec<&'a Dag<C>>,
}

impl<'a, C: 'static> RunDags<'a, C> {
    pub(super) fn new(root: &'a Dag<C>) -> Self {
        Self { root, dags: Vec::new() }
    }

    /// The node of a vertex.
    pub(super) fn node(&mut self, state: &SagaState, v: VertexId) -> Option<&'a Node<C>> {
        let (frame, node, _) = state.place(v)?;
        let dag = match frame {
            0 => self.root,
            _ => self.dag(state, frame as usize)?,
        };
        dag.node(NodeIndex(node))
    }

    fn dag(&mut self, state: &SagaState, frame: usize) -> Option<&'a Dag<C>> {
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
