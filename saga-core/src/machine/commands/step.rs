//! `step` lets one node or undo of a paused saga start. It is done when it is granted.

use super::{Granted, Rules};
use crate::log::{Answer, Refusal};
use crate::machine::Machine;
use crate::machine::state::{SagaState, VertexId};
use crate::planted::{Mistake, planted};

pub(super) struct StepOnce;

impl Rules for StepOnce {
    fn check(&self, state: &SagaState) -> Result<(), Answer> {
        if !state.paused {
            return Err(Answer::Refused(Refusal::NotPaused));
        }
        if state.parked.is_some() {
            return Err(Answer::Refused(Refusal::NothingToStart));
        }
        Ok(())
    }

    fn check_now(&self, machine: &Machine) -> Result<(), Answer> {
        match machine.has_candidates() {
            true => Ok(()),
            false => Err(Answer::Refused(Refusal::NothingToStart)),
        }
    }

    fn grant(&self, state: &mut SagaState, _touched: &mut Vec<VertexId>) -> Granted {
        let steps = if planted(Mistake::StepStartsTwo) { 2 } else { 1 };
        state.steps = state.steps.saturating_add(steps);
        Granted::Done
    }
}
