//! `retry_undo` retries the failed undo of a node; its attempts are counted from zero again. It is done when it is
//! granted.

use super::{Granted, Rules};
use crate::log::{Answer, NodePath, Refusal};
use crate::machine::Machine;
use crate::machine::progress::{Activity, Progress};
use crate::machine::state::{SagaState, VertexId};
use crate::machine::vertex::UndoProgress;
use crate::planted::{Mistake, planted};

pub(super) struct RetryUndo<'a> {
    pub(super) node: &'a NodePath,
}

impl Rules for RetryUndo<'_> {
    fn check(&self, state: &SagaState) -> Result<(), Answer> {
        state.undo_has_failed(self.node)
    }

    fn check_now(&self, machine: &Machine) -> Result<(), Answer> {
        if planted(Mistake::RetryUndoDuringCall) { Ok(()) } else { machine.has_no_calls() }
    }

    fn reorders(&self) -> bool {
        true
    }

    fn grant(&self, state: &mut SagaState, touched: &mut Vec<VertexId>) -> Granted {
        if let Some(v) = state.resolve(self.node.as_str()) {
            state.undo_again(v, touched);
        }
        Granted::Done
    }
}

impl SagaState {
    /// Refuses the command if the undo of this node has not failed.
    pub(super) fn undo_has_failed(&self, node: &NodePath) -> Result<(), Answer> {
        let v = self.named(node)?;
        match self.node(v) {
            Some(n) if self.vertex(v).is_some_and(|x| x.undo != UndoProgress::Failed) => {
                let (node, state) = (node.clone(), n.state);
                Err(Answer::Refused(Refusal::UndoNotFailed { node, state }))
            }
            Some(_) | None => Ok(()),
        }
    }

    /// A failed undo starts again, and its attempts are counted from zero.
    pub(super) fn undo_again(&mut self, v: VertexId, touched: &mut Vec<VertexId>) {
        let path = self.path(v);
        self.ended = None;
        if let Some(x) = self.vertices.get_mut(v as usize) {
            x.undo = UndoProgress::NotStarted;
            let undo_from = if planted(Mistake::RetryUndoKeepsTries) { 0 } else { x.undo_tries };
            let details = x.details_mut();
            (details.undo_from, details.reruns) = (undo_from, 0);
            if let Progress::Open(Activity::RetryScheduled { doubt }) = x.progress {
                x.progress = Progress::Open(Activity::Failed { doubt });
            }
        }
        if let Some(faults) = self.asked_mut().faults.get_mut(&path) {
            faults.undo_error = false;
        }
        touched.push(v);
    }
}
