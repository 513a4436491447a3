//! How each log entry changes the state, and which entries may follow on which.

use std::sync::Arc;

use super::state::{Illegal, Part, Progress, State, Undo, VertexId, target};
use crate::dag::{PlanKind, UndoKind};
use crate::log::{Entry, EntryKind, Failure, SagaStatus};

/// No log may open more instances at once than this, whatever it says.
const MAX_WIDTH: u64 = 1 << 20;

/// A log that does not make sense at one place.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Corrupt {
    /// The entry cannot follow on the ones before it.
    #[error("entry {seq}: {why}")]
    Illegal {
        /// Where.
        seq: u64,
        /// What is wrong.
        why: Illegal,
    },
    /// The sequence numbers are not dense.
    #[error("entry {found} follows where entry {expected} should be")]
    Gap {
        /// The number that should be there.
        expected: u64,
        /// The one that is.
        found: u64,
    },
    /// The DAG has no such node.
    #[error("entry {seq}: the saga has no node `{node}`")]
    NoSuchNode {
        /// Where.
        seq: u64,
        /// Which node.
        node: String,
    },
}

impl State {
    /// Applies a stored entry: finds its node by its path, and checks that it comes next.
    pub(super) fn replay(
        &mut self,
        entry: &Entry,
        touched: &mut Vec<VertexId>,
    ) -> Result<(), Corrupt> {
        if entry.seq != self.next_seq {
            return Err(Corrupt::Gap { expected: self.next_seq, found: entry.seq });
        }
        let vertex = match &entry.node {
            None => None,
            Some(path) => {
                let found = self.resolve(path.as_str());
                let node = found.ok_or_else(|| Corrupt::NoSuchNode {
                    seq: entry.seq,
                    node: path.to_string(),
                })?;
                Some(target(self, node, &entry.kind))
            }
        };
        self.apply(vertex, &entry.kind, touched)
            .map_err(|why| Corrupt::Illegal { seq: entry.seq, why })
    }

    /// Applies the next entry. `touched` collects the vertices about which there may be something new to
    /// decide. On an error nothing has changed.
    pub(super) fn apply(
        &mut self,
        vertex: Option<VertexId>,
        kind: &EntryKind,
        touched: &mut Vec<VertexId>,
    ) -> Result<(), Illegal> {
        if !self.allows(vertex, kind) {
            return Err(Illegal {
                event: kind.name(),
                status: self.describe(vertex),
                node: vertex.map(|v| self.path(v)),
            });
        }
        let seq = self.next_seq;
        self.next_seq += 1;
        match vertex {
            Some(v) => self.apply_to_node(v, kind, seq, touched),
            None => self.apply_to_saga(kind, touched),
        }
        Ok(())
    }

    fn apply_to_saga(&mut self, kind: &EntryKind, touched: &mut Vec<VertexId>) {
        match kind {
            EntryKind::Created { birth } => {
                self.birth = Some(*birth);
                if let Some(frame) = self.frames.first() {
                    let (base, plan) = (frame.base, frame.plan.clone());
                    touched.extend(plan.roots().iter().map(|root| base + root));
                    self.open_ready_subsagas(&plan, base, touched);
                }
            }
            EntryKind::Unwinding(cause) => {
                self.unwinding = Some(cause.clone());
                self.ended = None;
                self.begin_unwinding(touched);
            }
            EntryKind::Paused => self.paused = true,
            EntryKind::Resumed => self.paused = false,
            EntryKind::Parked { reason } => self.parked = Some(reason.clone()),
            EntryKind::Unparked => {
                self.parked = None;
                // a parked saga decides nothing
                touched.extend(0..self.len());
            }
            EntryKind::Ended(status) => self.ended = Some(*status),
            // what was asked for, not what came of it
            _ => {}
        }
    }

    /// A subsaga without predecessors opens with the frame that it is in.
    fn open_ready_subsagas(
        &mut self,
        plan: &Arc<crate::dag::Plan>,
        base: VertexId,
        touched: &mut Vec<VertexId>,
    ) {
        for root in plan.roots() {
            let v = base + root;
            if self.is_gate(v)
                && let Some(PlanKind::Subsaga(inner)) = self.kind(v).cloned()
            {
                self.open_gate(v, vec![(inner, Part::Whole)]);
                self.complete(v, touched);
            }
        }
    }

    fn apply_to_node(
        &mut self,
        v: VertexId,
        kind: &EntryKind,
        seq: u64,
        touched: &mut Vec<VertexId>,
    ) {
        let unwinding = self.unwinding.is_some();
        match kind {
            EntryKind::Chosen(n) => {
                let parts = self.chosen_parts(v, *n);
                self.open_gate(v, parts);
                self.complete(v, touched);
                return;
            }
            EntryKind::Skipped => {
                if let Some(x) = self.vertices.get_mut(v as usize) {
                    x.progress = Progress::Skipped;
                }
                self.complete(v, touched);
                return;
            }
            _ => {}
        }
        let Some(x) = self.vertices.get_mut(v as usize) else { return };
        // an attempt that was started going forward ends with this entry, one way or the other
        let forward_ends = x.open && x.reruns == 0;
        match kind {
            EntryKind::Started => {
                x.doubt |= x.open;
                x.attempts = x.attempts.saturating_add(1);
                x.open = true;
                x.failed = false;
                x.retry_at = None;
                if x.first_start == 0 {
                    x.first_start = seq;
                }
                if unwinding {
                    x.reruns = x.reruns.saturating_add(1);
                    // an operator retries, or the undo had an output in memory that is lost
                    x.undo = Undo::NotStarted;
                    self.ended = None;
                    self.opened(-i32::from(forward_ends));
                } else {
                    self.opened(i32::from(!forward_ends));
                }
                return;
            }
            EntryKind::Succeeded(_) => {
                x.open = false;
                x.doubt = false;
                x.failed = false;
                self.opened(-i32::from(forward_ends));
                if unwinding {
                    if let Some(x) = self.vertices.get_mut(v as usize) {
                        x.progress = Progress::Completed;
                    }
                } else {
                    self.complete(v, touched);
                }
            }
            EntryKind::Failed(failure) | EntryKind::InDoubt(failure) => {
                x.open = false;
                x.doubt |= matches!(kind, EntryKind::InDoubt(_));
                x.failed = true;
                x.failure = Some(Arc::new(failure.clone()));
                self.opened(-i32::from(forward_ends));
            }
            EntryKind::RetryScheduled { at } => x.retry_at = Some(*at),
            EntryKind::UndoStarted => {
                x.doubt |= x.open;
                x.open = false;
                x.undo = Undo::Started;
                x.undo_tries = x.undo_tries.saturating_add(1);
                self.ended = None;
                self.opened(-i32::from(forward_ends));
                return;
            }
            EntryKind::UndoFinished => x.undo = Undo::Finished,
            EntryKind::UndoRetryScheduled { at, failure } => {
                x.undo = Undo::Scheduled(*at);
                x.undo_failure = Some(Arc::new(failure.clone()));
            }
            EntryKind::UndoFailed(failure) => {
                x.doubt |= x.open;
                x.open = false;
                x.undo = Undo::Failed;
                x.undo_failure = Some(Arc::new(failure.clone()));
                self.opened(-i32::from(forward_ends));
            }
            EntryKind::Resolved { .. } => {
                x.undo = Undo::Resolved;
                self.ended = None;
            }
            _ => {}
        }
        touched.push(v);
        if unwinding {
            self.settle(v, touched);
        }
    }

    fn chosen_parts(&self, gate: VertexId, n: u64) -> Vec<(Arc<crate::dag::Plan>, Part)> {
        match self.kind(gate) {
            Some(PlanKind::ForEach { body, .. }) => (0..u32::try_from(n).unwrap_or(u32::MAX))
                .map(|i| (body.clone(), Part::Instance(i)))
                .collect(),
            Some(PlanKind::Choose(arms)) => {
                let arm = usize::try_from(n).ok().and_then(|n| arms.get(n));
                arm.map(|body| (body.clone(), Part::Arm(n as u32))).into_iter().collect()
            }
            _ => Vec::new(),
        }
    }

    /// The rules of the log: which entry may follow in this state.
    fn allows(&self, vertex: Option<VertexId>, kind: &EntryKind) -> bool {
        match vertex {
            Some(v) => self.allows_for_node(v, kind),
            None => self.allows_for_saga(kind),
        }
    }

    fn allows_for_saga(&self, kind: &EntryKind) -> bool {
        if let EntryKind::Created { .. } = kind {
            return self.birth.is_none();
        }
        if self.birth.is_none() {
            return false;
        }
        match kind {
            EntryKind::Unwinding(cause) => match self.ended {
                None => self.unwinding.is_none(),
                Some(SagaStatus::Completed) => matches!(cause, crate::log::Cause::Rollback { .. }),
                Some(_) => false,
            },
            EntryKind::Ended(status) => {
                let fits = match status {
                    SagaStatus::Completed => self.unwinding.is_none() && self.all_completed(),
                    SagaStatus::RolledBack => self.unwinding.is_some() && self.all_settled(),
                    SagaStatus::Stuck => self.unwinding.is_some() && !self.all_settled(),
                    _ => false,
                };
                self.ended.is_none() && fits
            }
            EntryKind::Paused => self.ended.is_none() && !self.paused,
            EntryKind::Resumed => self.paused,
            EntryKind::Parked { .. } => self.ended.is_none() && self.parked.is_none(),
            EntryKind::Unparked => self.parked.is_some(),
            EntryKind::Requested { .. }
            | EntryKind::Refused { .. }
            | EntryKind::Injected { .. }
            | EntryKind::Migrated { .. } => true,
            _ => false,
        }
    }

    fn allows_for_node(&self, v: VertexId, kind: &EntryKind) -> bool {
        let Some(x) = self.vertex(v) else { return false };
        if self.birth.is_none() {
            return false;
        }
        let stuck = self.ended == Some(SagaStatus::Stuck) && x.undo == Undo::Failed;
        if self.ended.is_some() && !stuck {
            return false;
        }
        let unwinding = self.unwinding.is_some();
        let policy = self.policy(v);
        let action = policy.is_some();
        let rerun = unwinding
            && policy.is_some_and(|p| p.undo == UndoKind::Output)
            && !matches!(x.undo, Undo::Finished | Undo::Resolved)
            && (x.open || x.doubt);
        // what an operator has not asked for
        let own_rerun = rerun && x.undo != Undo::Failed;
        let fresh = x.progress == Progress::Open && x.waiting == 0;
        match kind {
            EntryKind::Started if unwinding => action && fresh && rerun,
            EntryKind::Started => action && fresh,
            EntryKind::Succeeded(_) if action => fresh && x.open,
            EntryKind::Succeeded(_) => {
                fresh && self.kind(v) == Some(&PlanKind::Value) && !unwinding
            }
            EntryKind::Failed(_) if action => fresh && x.open,
            EntryKind::Failed(_) => fresh && !unwinding,
            EntryKind::InDoubt(_) => action && fresh && x.open,
            EntryKind::RetryScheduled { .. } => {
                action && fresh && x.failed && x.retry_at.is_none() && (!unwinding || own_rerun)
            }
            EntryKind::Chosen(_) => {
                let choice = match (self.kind(v), kind) {
                    (Some(PlanKind::ForEach { .. }), EntryKind::Chosen(n)) => *n <= MAX_WIDTH,
                    (Some(PlanKind::Choose(_)), _) => true,
                    _ => false,
                };
                fresh && !unwinding && self.is_gate(v) && choice
            }
            EntryKind::Skipped => fresh && !unwinding && action && x.attempts == 0,
            EntryKind::UndoStarted => {
                let undoable = policy.is_some_and(|p| match p.undo {
                    // without an output in the log it may still be in memory
                    UndoKind::Output => x.progress == Progress::Completed || x.doubt,
                    UndoKind::MaybeOutput | UndoKind::NoOutput => x.attempts > 0,
                    UndoKind::Nothing => false,
                });
                unwinding && undoable && !matches!(x.undo, Undo::Finished | Undo::Resolved)
            }
            EntryKind::UndoFinished | EntryKind::UndoRetryScheduled { .. } => {
                unwinding && x.undo == Undo::Started
            }
            EntryKind::UndoFailed(_) => {
                unwinding && (x.undo == Undo::Started || own_rerun && fresh)
            }
            EntryKind::Resolved { .. } => unwinding && x.undo == Undo::Failed,
            _ => false,
        }
    }

    /// What a node, or the saga, is at the moment: the words of error messages.
    fn describe(&self, vertex: Option<VertexId>) -> String {
        let Some(x) = vertex.and_then(|v| self.vertex(v)) else {
            return match self.birth {
                None => "not created".to_string(),
                Some(_) => self.status().to_string(),
            };
        };
        let state = match (x.undo, x.progress) {
            (Undo::Started, _) => "undo_started",
            (Undo::Scheduled(_), _) => "undo_retry_scheduled",
            (Undo::Finished, _) => "undo_finished",
            (Undo::Failed, _) => "undo_failed",
            (Undo::Resolved, _) => "resolved",
            (Undo::NotStarted, Progress::Completed) => "succeeded",
            (Undo::NotStarted, Progress::Skipped) => "skipped",
            (Undo::NotStarted, Progress::Open) if x.open => "started",
            (Undo::NotStarted, Progress::Open) if x.retry_at.is_some() => "retry_scheduled",
            (Undo::NotStarted, Progress::Open) if x.failed && x.doubt => "in_doubt",
            (Undo::NotStarted, Progress::Open) if x.failed => "failed",
            (Undo::NotStarted, Progress::Open) => "never_started",
        };
        match self.ended {
            Some(status) => format!("{state} (saga {status})"),
            None => state.to_string(),
        }
    }

    /// The last failure of a vertex.
    pub(super) fn failure(&self, v: VertexId) -> Option<&Arc<Failure>> {
        self.vertex(v)?.failure.as_ref()
    }
}
