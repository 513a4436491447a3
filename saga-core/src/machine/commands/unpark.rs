//! `unpark` lets a parked saga go on. A pivot in doubt is retried, and its attempts are counted from zero again.

use super::{FollowUp, OperatorRequest, Rules, Written};
use crate::log::{Answer, Refusal, SagaEntry};
use crate::machine::Machine;
use crate::machine::state::SagaState;

pub(super) struct Unpark;

impl Rules for Unpark {
    fn check(&self, state: &SagaState) -> Result<(), Answer> {
        match &state.parked {
            Some(_) => Ok(()),
            None => Err(Answer::Refused(Refusal::NotParked)),
        }
    }

    fn follow_up(&self, _machine: &Machine, _request: &OperatorRequest) -> Option<FollowUp> {
        FollowUp::saga(SagaEntry::Unparked)
    }

    fn is_answered_by(&self, _state: &SagaState, written: Written<'_>) -> bool {
        matches!(written, Written::Saga(SagaEntry::Unparked))
    }
}
