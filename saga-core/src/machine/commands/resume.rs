//! `resume` ends a pause.

use super::{FollowUp, OperatorRequest, Rules, Written};
use crate::log::{Answer, Refusal, SagaEntry};
use crate::machine::Machine;
use crate::machine::state::SagaState;

pub(super) struct Resume;

impl Rules for Resume {
    fn check(&self, state: &SagaState) -> Result<(), Answer> {
        if state.paused { Ok(()) } else { Err(Answer::Refused(Refusal::NotPaused)) }
    }

    fn follow_up(&self, _machine: &Machine, _request: &OperatorRequest) -> Option<FollowUp> {
        FollowUp::saga(SagaEntry::Resumed)
    }

    fn is_answered_by(&self, _state: &SagaState, written: Written<'_>) -> bool {
        matches!(written, Written::Saga(SagaEntry::Resumed))
    }
}
