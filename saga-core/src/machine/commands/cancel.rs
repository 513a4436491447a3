//! `cancel` unwinds a saga, even if it is parked. While the pivot is in flight or in doubt, the request is held.

use super::{FollowUp, OperatorRequest, Rules, Written};
use crate::log::{Answer, Cause, Refusal, SagaEntry};
use crate::machine::Machine;
use crate::machine::state::SagaState;
use crate::planted::{Mistake, planted};

pub(super) struct Cancel<'a> {
    pub(super) reason: &'a str,
}

impl Rules for Cancel<'_> {
    fn check(&self, state: &SagaState) -> Result<(), Answer> {
        state.has_not_ended()?;
        if state.unwinding.is_none() {
            return state.can_unwind();
        }
        // a saga that is parked while it unwinds is unparked
        if state.parked.is_some() { Ok(()) } else { state.nothing_to_do() }
    }

    fn check_now(&self, machine: &Machine) -> Result<(), Answer> {
        let state = &machine.state;
        match state.pivot() {
            Some(pivot) if state.parked.is_some() && state.pivot_is_busy() => {
                Err(Answer::Refused(Refusal::PivotInDoubt { pivot: state.path(pivot) }))
            }
            Some(_) | None => Ok(()),
        }
    }

    fn follow_up(&self, machine: &Machine, request: &OperatorRequest) -> Option<FollowUp> {
        let state = &machine.state;
        let forgotten = state.pivot().is_some() && planted(Mistake::HeldCancelForgotten);
        if state.pivot_is_busy() && !planted(Mistake::CancelOverPivot) || forgotten {
            return None;
        }
        if state.unwinding.is_some() {
            return FollowUp::saga(SagaEntry::Unparked);
        }
        if let Some(pivot) = state.pivot()
            && state.past_pivot()
        {
            let why = Refusal::PastPivot { pivot: state.path(pivot) };
            return FollowUp::saga(SagaEntry::Refused { id: request.id, why: why.into() });
        }
        let cause = Cause::Cancelled { reason: self.reason.to_string() };
        FollowUp::saga(SagaEntry::Unwinding(cause)).map(|next| next.unparking(true))
    }

    fn is_answered_by(&self, state: &SagaState, written: Written<'_>) -> bool {
        match written {
            Written::Saga(SagaEntry::Unwinding(_)) => true,
            // a saga that unwinds already needs only that
            Written::Saga(SagaEntry::Unparked) => state.unwinding.is_some(),
            Written::Saga(_) | Written::Node(_) => false,
        }
    }
}
