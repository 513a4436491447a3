//! `pause` keeps new nodes and undos from starting. Calls in flight run to their end.

use super::{FollowUp, OperatorRequest, Rules, Written};
use crate::log::{Answer, SagaEntry};
use crate::machine::Machine;
use crate::machine::state::SagaState;

pub(super) struct Pause;

impl Rules for Pause {
    fn check(&self, state: &SagaState) -> Result<(), Answer> {
        state.has_not_ended()?;
        if state.paused { state.nothing_to_do() } else { Ok(()) }
    }

    fn follow_up(&self, _machine: &Machine, _request: &OperatorRequest) -> Option<FollowUp> {
        FollowUp::saga(SagaEntry::Paused)
    }

    fn is_answered_by(&self, _state: &SagaState, written: Written<'_>) -> bool {
        matches!(written, Written::Saga(SagaEntry::Paused))
    }
}
