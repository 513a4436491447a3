//! Unwinding: which nodes need an undo or a rerun, in which order, and what follows from its failure.

use super::Machine;
use super::state::{Need, VertexId};
use super::under_way::Work;
use super::vertex::{Settling, UndoProgress};
use crate::log::{Failure, FailureKind, NodeEntry};
use crate::planted::{Mistake, planted};
use crate::policy::UndoContract;

impl Machine {
    pub(super) fn decide_unwinding(&mut self, v: VertexId) {
        let Some(x) = self.state.vertex(v) else { return };
        let Settling::Unsettled { successors } = x.settling else { return };
        match x.undo {
            UndoProgress::Finished | UndoProgress::Resolved => return,
            UndoProgress::Failed => return self.undo_in_scope_failed(v),
            UndoProgress::NotStarted | UndoProgress::Started | UndoProgress::Scheduled => {}
        }
        let (running, undo, undo_at) = (x.progress.is_running(), x.undo, x.details().undo_at);
        match self.need_now(v) {
            // its process died during the call. It has no undo, so its effect stays, if there is one; or it is a
            // transaction, which was not committed
            Need::Nothing if running => {
                let why = Failure::new(FailureKind::Cancelled, "the process ended during the call");
                let entry = self.without_outcome(v, why);
                self.write_about(v, entry);
            }
            Need::Nothing => {}
            Need::Rerun => self.decide_rerun(v),
            Need::Undo if successors > 0 && !planted(Mistake::UndoBeforeSuccessors) => {}
            Need::Undo => match undo {
                UndoProgress::Scheduled
                    if !self.is_due(undo_at) && !planted(Mistake::UndoRetryWaitIgnored) =>
                {
                    self.rare_mut().timers.insert((undo_at, v));
                }
                UndoProgress::Scheduled
                | UndoProgress::NotStarted
                | UndoProgress::Started
                | UndoProgress::Finished
                | UndoProgress::Failed
                | UndoProgress::Resolved => self.line_up(v),
            },
        }
    }

    /// What unwinding must do about a vertex, given the outputs that this process has in memory.
    pub(super) fn need_now(&self, v: VertexId) -> Need {
        match self.state.need(v) {
            Need::Rerun if self.rare().kept_outputs.contains(&v) => Need::Undo,
            need @ (Need::Nothing | Need::Undo | Need::Rerun) => need,
        }
    }

    /// Nobody knows how the action ended, and its undo needs the output: runs it again under the same key.
    fn decide_rerun(&mut self, v: VertexId) {
        let (Some(x), Some(policy)) = (self.state.vertex(v), self.state.policy(v)) else { return };
        let retry = policy.undo_retry;
        let (reruns, retry_at) = (x.details().reruns, x.retry_at());
        match retry_at {
            Some(at) if reruns > 0 && !self.is_due(at) => {
                self.rare_mut().timers.insert((at, v));
            }
            _ if self.reruns_now(v) => self.line_up(v),
            _ if retry.allows_after(reruns) => {
                let delay = retry.delay_after(reruns, self.jitter(v, 1, reruns));
                self.write_about(v, NodeEntry::RetryScheduled { at: self.waited().after(delay) });
            }
            // it is asked once more
            _ if self.can_be_asked(v) && !planted(Mistake::GivenUpUnasked) => self.line_up(v),
            _ => {
                let last = self.state.failure(v).map(|f| f.message.as_str()).unwrap_or_default();
                let why = format!(
                    "nobody knows whether the action took effect, and running it again {reruns} times \
                     did not tell: {last}"
                );
                let kind = self.state.failure(v).map_or(FailureKind::Failed, |f| f.kind);
                self.write_about(
                    v,
                    NodeEntry::UndoFailed(Failure::new(kind, why).permanent().into()),
                );
            }
        }
    }

    /// True if an action in doubt is to be run again without another wait: it was cut off, or its undo was, which had the output
    /// in memory; or this is the first time while unwinding; or the wait is over.
    pub(super) fn reruns_now(&self, v: VertexId) -> bool {
        let Some(x) = self.state.vertex(v) else { return false };
        let cut_off = x.progress.is_running() || x.undo != UndoProgress::NotStarted;
        cut_off || x.details().reruns == 0 || x.retry_at().is_some()
    }

    pub(super) fn undo_done(&mut self, v: VertexId, result: Result<(), Failure>) {
        if self.under_way.of(v) != Work::Undo {
            return;
        }
        self.under_way.end(v);
        let Err(failure) = result else {
            self.write_about(v, NodeEntry::UndoFinished);
            return;
        };
        let (tries, all) = self
            .state
            .vertex(v)
            .map_or((1, 1), |x| (x.undo_tries.saturating_sub(x.details().undo_from), x.undo_tries));
        let tries = tries + u32::from(planted(Mistake::OneUndoTryTooFew));
        let retry = self.state.policy(v).map(|policy| policy.undo_retry);
        let retry = retry.filter(|retry| failure.retryable && retry.allows_after(tries));
        let kind = match retry {
            Some(retry) => {
                let delay = retry.delay_after(tries, self.jitter(v, 2, all));
                let at = self.waited().after(delay);
                NodeEntry::UndoRetryScheduled { at, failure: failure.into() }
            }
            None => NodeEntry::UndoFailed(failure.into()),
        };
        self.write_about(v, kind);
    }

    /// True if the undo of this node takes an output that exists in the memory of this process only.
    pub fn output_is_kept(&self, v: VertexId) -> bool {
        let output = self
            .state
            .policy(v)
            .is_some_and(|p| matches!(p.undo, UndoContract::Output | UndoContract::MaybeOutput));
        output && self.rare().kept_outputs.contains(&v)
    }
}
