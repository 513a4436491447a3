//! `retry` retries a node whose retries are exhausted after the pivot; its attempts are counted from zero again.
//! It is done when it is granted.

use super::{Granted, Rules};
use crate::log::{Answer, NodePath, Refusal};
use crate::machine::progress::{Activity, Progress};
use crate::machine::state::{SagaState, VertexId};

pub(super) struct RetryNode<'a> {
    pub(super) node: &'a NodePath,
}

impl Rules for RetryNode<'_> {
    fn check(&self, state: &SagaState) -> Result<(), Answer> {
        let v = state.named(self.node)?;
        match state.node(v) {
            Some(n) if !(state.past_pivot() && state.has_given_up(state.failing(v))) => {
                let (node, state) = (self.node.clone(), n.state);
                Err(Answer::Refused(Refusal::NotFailed { node, state }))
            }
            Some(_) | None => Ok(()),
        }
    }

    fn grant(&self, state: &mut SagaState, touched: &mut Vec<VertexId>) -> Granted {
        if let Some(v) = state.resolve(self.node.as_str()) {
            state.try_again(state.failing(v), touched);
        }
        Granted::Done
    }
}

impl SagaState {
    /// True if the retries of a vertex are exhausted and only an operator can have it retried: a node after the
    /// pivot, or the pivot itself.
    pub(in crate::machine) fn has_given_up(&self, v: VertexId) -> bool {
        self.vertex(v)
            .is_some_and(|x| matches!(x.progress, Progress::Open(Activity::Failed { .. })))
            && !self.goes_back(v)
    }

    /// The vertex that carries a node's failure: its gate, if the node holds others.
    fn failing(&self, node: VertexId) -> VertexId {
        self.gate(node).unwrap_or(node)
    }

    /// A failed node starts again, and its attempts are counted from zero. It stays in doubt if it was.
    pub(in crate::machine) fn try_again(&mut self, v: VertexId, touched: &mut Vec<VertexId>) {
        let path = self.path(v);
        self.ended = None;
        if let Some(x) = self.vertices.get_mut(v as usize) {
            x.details_mut().tries_from = x.attempts;
            if let Progress::Open(Activity::Failed { doubt }) = x.progress {
                x.progress = Progress::Open(Activity::Idle { doubt });
            }
        }
        if let Some(faults) = self.asked_mut().faults.get_mut(&path) {
            faults.error = false;
        }
        touched.push(v);
    }
}
