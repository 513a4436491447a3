//! Going forward: which nodes are ready, and what follows from a failure.

use super::state::VertexId;
use super::under_way::Work;
use super::{ActionResult, Effect, Machine};
use crate::log::{Failure, NodeEntry, Payload, SagaEntry};
use crate::plan::PlanKind;
use crate::planted::{Mistake, planted};

impl Machine {
    pub(super) fn decide_forward(&mut self, v: VertexId, effects: &mut Vec<Effect>) {
        let Some(x) = self.state.vertex(v) else { return };
        let chosen_again = planted(Mistake::ChosenAgain) && x.parts().is_some() && self.epoch > 1;
        if (x.waiting > 0 || !x.progress.is_open()) && !chosen_again {
            return;
        }
        if self.waits_for_others_to_settle(v) && !planted(Mistake::SettlingStartsNodes) {
            return;
        }
        if x.progress.has_failed() {
            self.after_failure(v);
            return;
        }
        if self.state.is_gate(v) {
            // the gates of a subsaga and of a scope open by themselves
            if matches!(self.state.kind(v), Some(PlanKind::ForEach { .. } | PlanKind::Choose(_))) {
                self.under_way.set(v, Work::Evaluation);
                effects.push(Effect::Choose(v));
            }
            return;
        }
        match self.state.kind(v) {
            Some(PlanKind::Action(_)) => {
                // it is ready; or its process died during the call, and then it is retried whatever the policy says
                self.line_up(v);
            }
            Some(PlanKind::Wait(_)) => self.decide_wait(v),
            Some(PlanKind::Value) => {
                self.under_way.set(v, Work::Evaluation);
                effects.push(Effect::Compute(v));
            }
            // a node that holds others completes when its parts have
            Some(
                PlanKind::Subsaga(_)
                | PlanKind::ForEach { .. }
                | PlanKind::Choose(_)
                | PlanKind::Try { .. },
            )
            | None => {}
        }
    }

    /// The last attempt failed or is in doubt: retry, park, or unwind.
    fn after_failure(&mut self, v: VertexId) {
        let Some(x) = self.state.vertex(v) else { return };
        if let Some(at) = x.retry_at() {
            let forgotten = planted(Mistake::RetryWaitForgotten) && self.epoch > 1;
            if self.is_due(at) || forgotten {
                self.line_up(v);
            } else {
                self.rare_mut().timers.insert((at, v));
            }
            return;
        }
        let details = x.details();
        let retryable = details.failure.as_ref().is_some_and(|failure| failure.retryable)
            || planted(Mistake::PermanentRetried);
        let (attempts, doubt) = (x.attempts, x.progress.has_doubt());
        let tries = attempts.saturating_sub(details.tries_from);
        let tries = if planted(Mistake::TriesForgotten) && self.epoch > 1 { 1 } else { tries };
        let tries = tries.saturating_sub(u32::from(planted(Mistake::OneTryTooMany)));
        let tries = tries + u32::from(planted(Mistake::OneTryTooFew));
        let pivot_in_doubt = doubt && self.state.pivot() == Some(v);
        let retry = self.state.policy(v).map(|policy| match pivot_in_doubt {
            true => policy.retry.of_pivot_in_doubt(),
            false => policy.retry,
        });
        match retry {
            Some(retry) if retryable && retry.allows_after(tries) => {
                let delay = retry.delay_after(tries, self.jitter(v, 0, attempts));
                self.write_about(v, NodeEntry::RetryScheduled { at: self.waited().after(delay) });
            }
            // it is asked first
            _ if self.can_be_asked(v) && !planted(Mistake::GivenUpUnasked) => self.line_up(v),
            _ if pivot_in_doubt && !planted(Mistake::PivotInDoubtGivenUp) => {
                let node = self.state.path(v);
                let last = match self.state.failure(v) {
                    None => "its call was cut off",
                    Some(failure) if failure.message.is_empty() => "its error has no message",
                    Some(failure) => &failure.message,
                };
                let reason = format!(
                    "nobody knows whether the pivot `{node}` took effect: {last}; find out and decide"
                );
                self.write(SagaEntry::Parked { reason });
            }
            // past the pivot there is no way back: the saga is stuck once nothing else is left to do
            _ => self.unwind_around(v),
        }
    }

    /// An action has ended, started either forward or as a rerun.
    pub(super) fn action_done(&mut self, v: VertexId, result: ActionResult) {
        if !matches!(self.under_way.of(v), Work::Action | Work::Rerun) {
            return; // dropped before it ended
        }
        self.under_way.end(v);
        let kind = match result {
            ActionResult::Ok(_) if planted(Mistake::OutputCleared) => {
                NodeEntry::Succeeded(Payload::default())
            }
            ActionResult::Ok(output) => NodeEntry::Succeeded(output),
            ActionResult::Failed(failure) => NodeEntry::Failed(failure.into()),
            // an attempt in doubt is always retryable, whatever the policy's `when` says about the error
            ActionResult::InDoubt(failure) => {
                self.without_outcome(v, Failure { retryable: true, ..failure })
            }
            // its output is not in the log, so its rows are not in the database
            ActionResult::Unstorable(failure) if !self.state.leaves_doubt(v) => {
                NodeEntry::Failed(failure.permanent().into())
            }
            ActionResult::Unstorable(failure) => {
                self.rare_mut().kept_outputs.insert(v);
                NodeEntry::InDoubt(failure.permanent().into())
            }
        };
        self.write_about(v, kind);
    }

    /// The entry about an attempt that ended without an answer, for this reason. Nobody knows whether it took effect,
    /// unless it was a transaction: that one did not.
    pub(super) fn without_outcome(&self, v: VertexId, why: Failure) -> NodeEntry {
        match self.state.leaves_doubt(v) {
            true => NodeEntry::InDoubt(why.into()),
            false => NodeEntry::Failed(why.into()),
        }
    }

    /// The result of evaluating a value or a choice.
    pub(super) fn evaluated(&mut self, v: VertexId, answer: Result<NodeEntry, Failure>) {
        if self.under_way.of(v) != Work::Evaluation {
            return;
        }
        self.under_way.end(v);
        if self.state.goes_back(v) {
            return;
        }
        match answer {
            Ok(kind) => self.write_about(v, kind),
            Err(failure) => self.write_about(v, NodeEntry::Failed(failure.permanent().into())),
        }
    }
}
