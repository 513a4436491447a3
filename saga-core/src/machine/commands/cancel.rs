//! `cancel` unwinds a saga, even if it is parked. While the pivot is in flight or in doubt, the request is held.

use super::{FollowUp, OperatorRequest, Rules, Written};
use crate::log::{Answer, Cause, Failure, FailureKind, NodeEntry, Refusal, SagaEntry};
use crate::machine::Machine;
use crate::machine::state::{SagaState, VertexId};
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
            Some(pivot) if state.parked.is_some() && state.is_in_doubt(pivot) => {
                Err(Answer::Refused(Refusal::PivotInDoubt { pivot: state.path(pivot) }))
            }
            Some(_) | None => Ok(()),
        }
    }

    fn follow_up(&self, machine: &Machine, request: &OperatorRequest) -> Option<FollowUp> {
        let state = &machine.state;
        let not_done = machine.pivot_not_done();
        let busy = state.pivot_is_busy() && not_done.is_none();
        let forgotten = state.pivot().is_some() && planted(Mistake::HeldCancelForgotten);
        if busy && !planted(Mistake::CancelOverPivot) || forgotten {
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
        let unwinds = FollowUp::saga(SagaEntry::Unwinding(cause));
        unwinds.map(|next| next.unparking(true).after(not_done))
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

impl Machine {
    /// If the pivot is a transaction that was cut off, the entry which says that it has not happened: nothing has to be
    /// run again to find that out.
    fn pivot_not_done(&self) -> Option<(VertexId, NodeEntry)> {
        let pivot = self.state.pivot()?;
        let in_flight = self.under_way.of(pivot).is_call();
        let in_flight = in_flight && !planted(Mistake::TransactionInFlightGivenUp);
        if self.state.leaves_doubt(pivot) || !self.state.pivot_is_busy() || in_flight {
            return None;
        }
        let why = Failure::new(FailureKind::Cancelled, "its process ended before its transaction");
        Some((pivot, self.without_outcome(pivot, why)))
    }
}
