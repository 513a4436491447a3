//! `rollback` unwinds a saga that has completed.

use super::{FollowUp, OperatorRequest, Rules, Written};
use crate::log::{Answer, Cause, Refusal, SagaEntry, SagaStatus};
use crate::machine::Machine;
use crate::machine::state::SagaState;

pub(super) struct Rollback<'a> {
    pub(super) reason: &'a str,
}

impl Rules for Rollback<'_> {
    fn check(&self, state: &SagaState) -> Result<(), Answer> {
        let status = state.status();
        match status {
            SagaStatus::Running | SagaStatus::Failed | SagaStatus::RollingBack => {
                Err(Answer::Refused(Refusal::NotEnded { status }))
            }
            SagaStatus::Completed => state.can_unwind(),
            SagaStatus::RolledBack => state.nothing_to_do(),
            SagaStatus::Stuck => Err(Answer::Refused(Refusal::AlreadyEnded { status })),
        }
    }

    fn follow_up(&self, _machine: &Machine, _request: &OperatorRequest) -> Option<FollowUp> {
        let cause = Cause::Rollback { reason: self.reason.to_string() };
        FollowUp::saga(SagaEntry::Unwinding(cause))
    }

    fn is_answered_by(&self, _state: &SagaState, written: Written<'_>) -> bool {
        matches!(written, Written::Saga(SagaEntry::Unwinding(_)))
    }
}
