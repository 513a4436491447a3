//! `retry_all` retries all failed undos of a saga. It is done when it is granted.

use super::{Granted, Rules};
use crate::log::Answer;
use crate::machine::Machine;
use crate::machine::state::{SagaState, VertexId};
use crate::machine::vertex::UndoProgress;

pub(super) struct RetryAll;

impl Rules for RetryAll {
    fn check(&self, state: &SagaState) -> Result<(), Answer> {
        match state.vertices.iter().any(|x| x.undo == UndoProgress::Failed) {
            true => Ok(()),
            false => state.nothing_to_do(),
        }
    }

    fn check_now(&self, machine: &Machine) -> Result<(), Answer> {
        machine.has_no_calls()
    }

    fn reorders(&self) -> bool {
        true
    }

    fn grant(&self, state: &mut SagaState, touched: &mut Vec<VertexId>) -> Granted {
        for v in 0..state.len() {
            if state.vertex(v).is_some_and(|x| x.undo == UndoProgress::Failed) {
                state.undo_again(v, touched);
            }
        }
        Granted::Done
    }
}
