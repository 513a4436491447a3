//! Which entries may follow on which.

use std::sync::Arc;

use super::progress::{Activity, Progress};
use super::state::{SagaState, VertexId};
use super::vertex::UndoProgress;
use crate::log::{Cause, Failure, NodeEntry, SagaEntry, SagaStatus};
use crate::plan::PlanKind;
use crate::planted::{Mistake, planted};
use crate::policy::UndoContract;

/// No log may open more instances at once than this, whatever it says.
const MAX_WIDTH: u64 = 1 << 20;

impl SagaState {
    /// Whether this entry about the saga may follow in this state.
    pub(super) fn allows_saga_entry(&self, entry: &SagaEntry) -> bool {
        if let SagaEntry::Created { .. } = entry {
            return self.run_key.is_none();
        }
        if self.run_key.is_none() {
            return false;
        }
        match entry {
            SagaEntry::Unwinding(cause) => match self.ended {
                // behind the pivot there is no way back, and while it is in doubt nobody knows
                _ if self.unwinds_over_pivot(cause) => true,
                _ if self.past_pivot() || self.pivot_is_busy() => false,
                None => self.unwinding.is_none() && !matches!(cause, Cause::Rollback { .. }),
                Some(SagaStatus::Completed) => matches!(cause, Cause::Rollback { .. }),
                Some(_) => false,
            },
            SagaEntry::Ended(status) => {
                let fits = match status {
                    SagaStatus::Completed => self.unwinding.is_none() && self.all_completed(),
                    SagaStatus::RolledBack => self.unwinding.is_some() && self.all_settled(),
                    SagaStatus::Stuck if self.unwinding.is_some() => !self.all_settled(),
                    SagaStatus::Stuck => {
                        let stops = |v| self.has_given_up(v) || self.has_failed_undo_in_scope(v);
                        self.past_pivot() && (0..self.len()).any(stops)
                    }
                    SagaStatus::Running | SagaStatus::Failed | SagaStatus::RollingBack => false,
                };
                self.ended.is_none() && self.parked.is_none() && fits
            }
            SagaEntry::Paused => self.ended.is_none() && !self.paused,
            SagaEntry::Resumed => self.paused,
            SagaEntry::Parked { .. } => self.ended.is_none() && self.parked.is_none(),
            SagaEntry::Unparked => self.parked.is_some(),
            SagaEntry::Suspected { .. } | SagaEntry::Cleared => {
                self.ended.is_none() && self.parked.is_none()
            }
            SagaEntry::Requested { id, command, .. } => {
                !self.is_known(*id) && self.check(command).is_ok()
            }
            SagaEntry::Refused { id, .. } => self.is_held(*id),
            SagaEntry::Injected { .. } => self.ended.is_none(),
            // one machine runs one version; what comes before a migration is not replayed
            SagaEntry::Migrated(_) | SagaEntry::Created { .. } => false,
        }
    }

    /// Whether this entry about a node may follow in this state.
    pub(super) fn allows_node_entry(&self, v: VertexId, entry: &NodeEntry) -> bool {
        let Some(x) = self.vertex(v) else { return false };
        if self.run_key.is_none() {
            return false;
        }
        if self.ended.is_some() {
            return false;
        }
        let parked = self.parked.is_some() && !planted(Mistake::StartsWhileParked);
        let paused = self.paused && self.steps == 0 && !planted(Mistake::StartsWhilePaused);
        if entry.is_start() && (parked || paused) {
            return false;
        }
        let unwinding = self.goes_back(v);
        let kind = self.kind(v);
        let policy = kind.and_then(PlanKind::policy);
        let action = policy.is_some();
        // an undo that has failed is tried again when an operator says so, and not before
        let over = matches!(
            x.undo,
            UndoProgress::Finished | UndoProgress::Resolved | UndoProgress::Failed
        );
        let rerun = unwinding
            && policy.is_some_and(|p| p.undo == UndoContract::Output)
            && !over
            && self.is_in_doubt(v);
        let fresh = x.progress.is_open() && x.waiting == 0;
        match entry {
            NodeEntry::Started if unwinding => action && fresh && rerun,
            NodeEntry::Started => action && fresh,
            NodeEntry::Succeeded(_) if x.progress == Progress::Completed => self.is_replacing(v),
            NodeEntry::Succeeded(_) if action => {
                let told = x.progress.is_running() || self.is_deciding(v);
                fresh && (told || self.is_in_doubt(v) && x.undo == UndoProgress::NotStarted)
            }
            NodeEntry::Succeeded(_) => fresh && matches!(kind, Some(PlanKind::Value)) && !unwinding,
            NodeEntry::Failed(_) if action => {
                fresh && (x.progress.is_running() || self.is_deciding(v))
            }
            NodeEntry::Failed(_) => fresh && !unwinding && !x.progress.is_waiting(),
            NodeEntry::InDoubt(_) => {
                action && fresh && x.progress.is_running() && self.leaves_doubt(v)
            }
            // a migration tells the last attempt only, and it may be an earlier one that was in doubt
            NodeEntry::NotDone => {
                let in_doubt = self.is_in_doubt(v) || self.migrated.is_some();
                let asked = x.attempts > 0 && in_doubt && x.undo == UndoProgress::NotStarted;
                action && fresh && asked
            }
            NodeEntry::RetryScheduled { .. } => {
                let failed = matches!(x.progress, Progress::Open(Activity::Failed { .. }));
                action && fresh && failed && (!unwinding || rerun)
            }
            NodeEntry::Chosen(n) => {
                let choice = match kind {
                    Some(PlanKind::ForEach { .. }) => *n <= MAX_WIDTH,
                    Some(PlanKind::Choose(_)) => true,
                    Some(PlanKind::Try { .. }) => {
                        return self.allows_to_go_without_scope(v, *n);
                    }
                    Some(
                        PlanKind::Action(_)
                        | PlanKind::Value
                        | PlanKind::Wait(_)
                        | PlanKind::Subsaga(_),
                    )
                    | None => false,
                };
                let fresh = fresh || planted(Mistake::ChosenAgain);
                fresh && !unwinding && self.is_gate(v) && choice
            }
            NodeEntry::ScopeUnwinding(why) => self.allows_scope_unwinding(v, why),
            NodeEntry::Skipped => fresh && !unwinding && action && x.attempts == 0,
            NodeEntry::Waiting { until } => fresh && !unwinding && self.may_wait(v, until),
            NodeEntry::Waited(won) => !unwinding && self.may_have_waited(v, *won),
            NodeEntry::UndoStarted => {
                let undoable = policy.is_some_and(|p| match p.undo {
                    // without an output in the log it may still be in memory
                    UndoContract::Output => {
                        x.progress == Progress::Completed || x.progress.has_doubt()
                    }
                    UndoContract::MaybeOutput | UndoContract::InputsOnly => {
                        let unclear = self.is_in_doubt(v) || p.undoes_failures();
                        x.progress == Progress::Completed || x.attempts > 0 && unclear
                    }
                    UndoContract::None => false,
                });
                unwinding && undoable && !over
            }
            NodeEntry::UndoFinished | NodeEntry::UndoRetryScheduled { .. } => {
                unwinding && x.undo == UndoProgress::Started
            }
            NodeEntry::UndoFailed(_) => {
                unwinding && (x.undo == UndoProgress::Started || rerun && fresh)
            }
            NodeEntry::Resolved(_) => {
                unwinding && x.undo == UndoProgress::Failed && self.is_resolving(v)
            }
        }
    }

    /// True if a planted mistake lets this cause unwind the saga although its pivot is in the way.
    fn unwinds_over_pivot(&self, cause: &Cause) -> bool {
        match cause {
            Cause::DeadlineExceeded => planted(Mistake::DeadlineOverPivot),
            Cause::Cancelled { .. } => planted(Mistake::CancelOverPivot),
            Cause::Failed { .. } => {
                planted(Mistake::UnwindsBehindPivot) || planted(Mistake::PivotInDoubtGivenUp)
            }
            Cause::Rollback { .. } => false,
        }
    }

    /// What a node, or the saga, is at the moment: the words of error messages.
    pub(super) fn describe(&self, vertex: Option<VertexId>) -> String {
        let Some(x) = vertex.and_then(|v| self.vertex(v)) else {
            return match self.run_key {
                None => "not created".to_string(),
                Some(_) => self.status().to_string(),
            };
        };
        let state = match (x.undo, x.progress) {
            (UndoProgress::Started, _) => "undo_started",
            (UndoProgress::Scheduled, _) => "undo_retry_scheduled",
            (UndoProgress::Finished, _) => "undo_finished",
            (UndoProgress::Failed, _) => "undo_failed",
            (UndoProgress::Resolved, _) => "resolved",
            (UndoProgress::NotStarted, Progress::Completed) => "succeeded",
            (UndoProgress::NotStarted, Progress::Skipped) => "skipped",
            (UndoProgress::NotStarted, Progress::Open(activity)) => match activity {
                Activity::Idle { .. } => "never_started",
                Activity::Running { .. } => "started",
                Activity::Failed { doubt: true } => "in_doubt",
                Activity::Failed { doubt: false } => "failed",
                Activity::RetryScheduled { .. } => "retry_scheduled",
                Activity::NotDone => "not_done",
                Activity::Waiting => "waiting",
            },
        };
        match self.ended {
            Some(status) => format!("{state} (saga {status})"),
            None => state.to_string(),
        }
    }

    /// The last failure of a vertex.
    pub(super) fn failure(&self, v: VertexId) -> Option<&Arc<Failure>> {
        self.vertex(v)?.details().failure.as_ref()
    }
}
