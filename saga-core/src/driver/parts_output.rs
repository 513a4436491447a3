//! The outputs of composite nodes, which are made of those of their parts when they are first read. Mostly nobody
//! reads the list of a `for`.

use std::sync::Arc;

use super::nesting::lost;
use super::unreadable::unreadable_part;
use super::values::Values;
use crate::dag::{AnyDag, NodeBody};
use crate::error::ActionError;
use crate::log::{Payload, TryFailure};
use crate::machine::{SagaState, VertexId};
use crate::names::NodeIndex;
use crate::panics;
use crate::value::ActionOutput;

/// What the output of a composite node is made of.
pub(super) struct PartsOutput {
    dag: Arc<AnyDag>,
    node: NodeIndex,
    parts: Vec<PartOutput>,
    /// Why the body of a `try` has no output.
    failure: Option<Arc<TryFailure>>,
}

/// The output of a part.
enum PartOutput {
    /// It is `()`.
    Nothing,
    /// That of a node which has one of its own.
    Stored(Arc<AnyDag>, NodeIndex, Payload),
    /// That of a composite node.
    OfParts(PartsOutput),
}

impl Values {
    /// What the output of this node is made of. All of its parts have completed.
    pub(super) fn parts_output(
        &self,
        state: &SagaState,
        holder: VertexId,
    ) -> Result<PartsOutput, ActionError> {
        let (outer, node) = self.place_in(state, holder).ok_or_else(lost)?;
        let parts = state.parts(holder).ok_or_else(lost)?.map(|part| {
            let base = state.frames().get(part as usize).ok_or_else(lost)?.base;
            match self.frame(part).ok_or_else(lost)?.dag.output() {
                None => Ok(PartOutput::Nothing),
                Some(output) => self.part_output(state, base + output.0),
            }
        });
        let parts = parts.collect::<Result<_, _>>()?;
        let failure = state.scope_failure(holder).cloned();
        Ok(PartsOutput { dag: outer.dag.clone(), node, parts, failure })
    }

    fn part_output(&self, state: &SagaState, v: VertexId) -> Result<PartOutput, ActionError> {
        let (frame, at) = self.place_in(state, v).ok_or_else(lost)?;
        let node = frame.dag.node(at).ok_or_else(lost)?;
        if !node.body.parts().is_empty() {
            return self.parts_output(state, v).map(PartOutput::OfParts);
        }
        let unread = || match frame.broken(at) {
            Some(error) => unreadable_part(&state.path(v), error),
            None => lost(),
        };
        let payload = frame.output(at).ok_or_else(unread)?.payload.clone();
        Ok(PartOutput::Stored(frame.dag.clone(), at, payload))
    }
}

impl PartsOutput {
    /// Makes it. User code decodes the outputs of the parts once more, because a list owns what is in it.
    pub(super) fn make(self) -> Result<ActionOutput, ActionError> {
        panics::contain(|| self.gather())
            .unwrap_or_else(|message| Err(ActionError::DeserializeFailed { message }))
    }

    fn gather(self) -> Result<ActionOutput, ActionError> {
        let parts = self.parts.into_iter().map(PartOutput::gather);
        let mut parts = parts.collect::<Result<Vec<_>, _>>()?;
        match &self.dag.node(self.node).ok_or_else(lost)?.body {
            NodeBody::ForEach(each) => (each.gather)(parts),
            NodeBody::Choose(choose) => (choose.gather)(parts),
            NodeBody::Try(attempt) => match (parts.pop(), self.failure) {
                (Some(part), _) => (attempt.gather)(Ok(part)),
                (None, failure) => {
                    (attempt.gather)(Err(Arc::unwrap_or_clone(failure.ok_or_else(lost)?)))
                }
            },
            NodeBody::Action(_)
            | NodeBody::Constant { .. }
            | NodeBody::Computed(_)
            | NodeBody::Wait(_)
            | NodeBody::Subsaga { .. } => parts.pop().ok_or_else(lost),
        }
    }
}

impl PartOutput {
    fn gather(self) -> Result<ActionOutput, ActionError> {
        match self {
            Self::Nothing => ActionOutput::new(()),
            Self::Stored(dag, node, payload) => dag.node(node).ok_or_else(lost)?.decode(&payload),
            Self::OfParts(parts) => parts.gather(),
        }
    }
}
