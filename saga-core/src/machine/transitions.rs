//! How each log entry changes the state. Which entries may follow on which is in [`legality`](super::legality).

use std::sync::Arc;

use super::commands::Written;
use super::progress::{Activity, Progress};
use super::state::{Illegal, Part, SagaState, VertexId};
use super::vertex::{ClosedKey, UndoProgress, Vertex};
use crate::log::{EarlierAttempts, Entry, EntryKind, NodeEntry, SagaEntry, Timestamp};
use crate::plan::PlanKind;
use crate::planted::{Mistake, planted};

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
    /// The entry counts attempts in another way than the ones before it.
    #[error("entry {seq}: attempt {found} where {expected} should be")]
    Attempt {
        /// Where.
        seq: u64,
        /// The attempt that it should be.
        expected: u32,
        /// The one that it says.
        found: u32,
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

impl SagaState {
    /// Applies a stored entry: finds its node by its path, and checks that it comes next. `near` is the node of
    /// the last entry that was about one.
    pub(super) fn replay(
        &mut self,
        entry: &Entry,
        near: &mut VertexId,
        touched: &mut Vec<VertexId>,
    ) -> Result<(), Corrupt> {
        let seq = entry.seq;
        if seq != self.next_seq {
            return Err(Corrupt::Gap { expected: self.next_seq, found: seq });
        }
        let (vertex, entry, attempt) = match &entry.kind {
            EntryKind::Saga(entry) => {
                return self
                    .apply_saga_entry(entry, touched)
                    .map_err(|why| Corrupt::Illegal { seq, why });
            }
            EntryKind::Node { node, attempt, entry } => {
                let found = self.resolve_near(*near, node.as_str());
                let found =
                    found.ok_or_else(|| Corrupt::NoSuchNode { seq, node: node.to_string() })?;
                *near = found;
                (self.target(found, entry), entry, *attempt)
            }
        };
        self.apply_node_entry(vertex, entry, touched)
            .map_err(|why| Corrupt::Illegal { seq, why })?;
        let expected = self.attempt(vertex, entry);
        if attempt != expected {
            return Err(Corrupt::Attempt { seq, expected, found: attempt });
        }
        Ok(())
    }

    /// Entries about a node that holds others are about its gate.
    fn target(&self, node: VertexId, entry: &NodeEntry) -> VertexId {
        match entry {
            NodeEntry::Chosen(_) | NodeEntry::Failed(_) | NodeEntry::ScopeUnwinding(_) => {
                self.gate(node).unwrap_or(node)
            }
            NodeEntry::Started
            | NodeEntry::Succeeded(_)
            | NodeEntry::InDoubt(_)
            | NodeEntry::NotDone
            | NodeEntry::RetryScheduled { .. }
            | NodeEntry::Skipped
            | NodeEntry::UndoStarted
            | NodeEntry::UndoFinished
            | NodeEntry::UndoFailed(_)
            | NodeEntry::UndoRetryScheduled { .. }
            | NodeEntry::Resolved(_)
            | NodeEntry::Waiting { .. }
            | NodeEntry::Waited(_) => node,
        }
    }

    /// The attempt that an entry which was just applied is about.
    pub(super) fn attempt(&self, v: VertexId, entry: &NodeEntry) -> u32 {
        let attempts = |x: &Vertex| if entry.is_of_undo() { x.undo_tries } else { x.attempts };
        self.vertex(v).map_or(0, attempts)
    }

    /// Applies the next entry, which is about the saga. `touched` collects the vertices about which there may
    /// be something new to decide. On an error nothing has changed.
    pub(super) fn apply_saga_entry(
        &mut self,
        entry: &SagaEntry,
        touched: &mut Vec<VertexId>,
    ) -> Result<(), Illegal> {
        if !self.allows_saga_entry(entry) {
            return Err(self.illegal(entry.name(), None));
        }
        self.next_seq += 1;
        self.follow_saga_entry(entry, touched);
        self.answer_open(Written::Saga(entry));
        Ok(())
    }

    /// The same for an entry about a node.
    pub(super) fn apply_node_entry(
        &mut self,
        v: VertexId,
        entry: &NodeEntry,
        touched: &mut Vec<VertexId>,
    ) -> Result<(), Illegal> {
        if !self.allows_node_entry(v, entry) {
            return Err(self.illegal(entry.name(), Some(v)));
        }
        let seq = self.next_seq;
        self.next_seq += 1;
        self.follow_node_entry(v, entry, seq, touched);
        self.answer_open(Written::Node(entry));
        Ok(())
    }

    pub(super) fn illegal(&self, event: &'static str, v: Option<VertexId>) -> Illegal {
        Illegal { event, status: self.describe(v), node: v.map(|v| self.path(v)) }
    }

    fn follow_saga_entry(&mut self, entry: &SagaEntry, touched: &mut Vec<VertexId>) {
        match entry {
            SagaEntry::Created { run_key, traceparent: _, starts_at } => {
                self.run_key = Some(*run_key);
                self.starts_at = starts_at.unwrap_or(Timestamp(0));
                if let Some(frame) = self.frames.first() {
                    let (base, plan) = (frame.base, frame.plan.clone());
                    touched.extend(plan.roots().iter().map(|root| base + root));
                    self.open_ready_gates(&plan, base, touched);
                }
            }
            SagaEntry::Unwinding(cause) => {
                self.unwinding = Some(Box::new(cause.clone()));
                self.ended = None;
                self.end_all_waits();
                self.begin_unwinding(touched);
            }
            SagaEntry::Paused => self.paused = true,
            SagaEntry::Resumed => {
                (self.paused, self.steps) = (false, 0);
                // timers do not fire while it is paused
                touched.extend(self.waits());
            }
            SagaEntry::Parked { reason } => self.parked = Some(reason.clone()),
            SagaEntry::Unparked => {
                self.parked = None;
                // a pivot in doubt whose tries are used up is what it was parked for
                if let Some(pivot) = self.pivot().filter(|v| self.has_given_up(*v))
                    && !planted(Mistake::UnparkKeepsTries)
                {
                    self.try_again(pivot, touched);
                }
                // a parked saga decides nothing
                touched.extend(0..self.len());
            }
            SagaEntry::Requested { id, by, command } => self.grant(*id, by, command, touched),
            SagaEntry::Refused { id, why } => self.refuse(*id, why),
            SagaEntry::Injected { at, fault } => self.injected(at, *fault),
            SagaEntry::Ended(status) => {
                self.ended = Some(*status);
                // should it be rolled back later, then not step by step
                (self.paused, self.steps) = (false, 0);
            }
            // what they say concerns the process that runs the saga, or the definition
            SagaEntry::Suspected { .. } | SagaEntry::Cleared | SagaEntry::Migrated(_) => {}
        }
    }

    /// A subsaga without predecessors opens with the frame that it is in, and so does a scope.
    fn open_ready_gates(
        &mut self,
        plan: &Arc<crate::plan::Plan>,
        base: VertexId,
        touched: &mut Vec<VertexId>,
    ) {
        for root in plan.roots() {
            let v = base + root;
            if !self.is_gate(v) {
                continue;
            }
            let part = match self.kind(v) {
                Some(PlanKind::Subsaga(inner)) => (inner.clone(), Part::Whole),
                Some(PlanKind::Try { body, .. }) => (body.clone(), Part::Arm(0)),
                Some(
                    PlanKind::Action(_)
                    | PlanKind::Value
                    | PlanKind::Wait(_)
                    | PlanKind::ForEach { .. }
                    | PlanKind::Choose(_),
                )
                | None => continue,
            };
            self.open_gate(v, 0, vec![part]);
            self.complete(v, touched);
        }
    }

    fn follow_node_entry(
        &mut self,
        v: VertexId,
        entry: &NodeEntry,
        seq: u64,
        touched: &mut Vec<VertexId>,
    ) {
        let unwinding = self.goes_back(v);
        let ends_badly = matches!(entry, NodeEntry::Failed(_) | NodeEntry::InDoubt(_));
        let decided = ends_badly && (self.is_deciding(v) || self.leaves_no_doubt(v, entry));
        if entry.is_start() && self.paused {
            self.steps = self.steps.saturating_sub(1);
        }
        if let NodeEntry::Succeeded(_) = entry
            && self.is_replacing(v)
        {
            return; // it has succeeded before, and only its output is another one now
        }
        let earlier = self.earlier_attempts(v, entry);
        let leaves_doubt = self.leaves_doubt(v);
        let fresh_key = self.has_fresh_key(v, entry);
        let without_scope = matches!(self.kind(v), Some(PlanKind::Try { .. }));
        let Some(x) = self.vertices.get_mut(v as usize) else { return };
        if let Some(EarlierAttempts { attempts, uncounted, generation }) = earlier {
            x.attempts = attempts;
            let details = x.details_mut();
            (details.tries_from, details.generation) = (uncounted, generation);
        } else if fresh_key {
            let details = x.details_mut();
            details.generation = details.generation.saturating_add(1);
        }
        // an attempt that was started going forward ends with this entry, one way or the other
        let forward_ends = x.runs_forward();
        match entry {
            NodeEntry::Started => {
                x.attempts = x.attempts.saturating_add(1);
                // one that was cut off by the end of its process does not use up a try
                let closed = x.details.as_mut().and_then(|details| details.closed.take());
                let cut_off = x.progress.is_running() || closed.is_some_and(|key| key.cut_off);
                x.progress.start(leaves_doubt);
                if x.first_start == 0 {
                    x.first_start = seq;
                }
                if unwinding {
                    let details = x.details_mut();
                    let again = cut_off && details.reruns > 0;
                    details.reruns = details.reruns.saturating_add(u32::from(!again));
                    // the undo had an output in memory that is lost
                    x.undo = UndoProgress::NotStarted;
                    self.opened(-i32::from(forward_ends));
                } else {
                    if cut_off && !planted(Mistake::CutOffUsesATry) {
                        let details = x.details_mut();
                        details.tries_from = details.tries_from.saturating_add(1);
                    }
                    self.opened(i32::from(!forward_ends));
                }
                return;
            }
            NodeEntry::Succeeded(_) => {
                x.progress = Progress::Completed;
                self.opened(-i32::from(forward_ends));
                if !unwinding {
                    // there is nothing to decide about the node itself
                    self.complete(v, touched);
                    return;
                }
            }
            NodeEntry::Failed(failure) | NodeEntry::InDoubt(failure) => {
                let doubt = x.progress.has_doubt() && !planted(Mistake::DoubtClearedByFailure)
                    || matches!(entry, NodeEntry::InDoubt(_));
                // not if somebody found out that its effect is not there
                x.progress.fail(doubt && !decided);
                x.details_mut().failure = Some(failure.clone());
                self.opened(-i32::from(forward_ends));
            }
            NodeEntry::NotDone => {
                let cut_off = x.progress.is_running();
                x.progress.not_done();
                x.details_mut().closed = Some(ClosedKey { cut_off });
                self.opened(-i32::from(forward_ends));
            }
            NodeEntry::RetryScheduled { at } => {
                let doubt = x.progress.has_doubt();
                x.progress = Progress::Open(Activity::RetryScheduled { doubt });
                x.details_mut().retry_at = *at;
            }
            NodeEntry::UndoStarted => {
                x.progress.abandon(leaves_doubt);
                if x.undo == UndoProgress::Started {
                    let details = x.details_mut();
                    details.undo_from = details.undo_from.saturating_add(1);
                }
                x.undo = UndoProgress::Started;
                x.undo_tries = x.undo_tries.saturating_add(1);
                self.opened(-i32::from(forward_ends));
                return;
            }
            NodeEntry::UndoFinished => {
                x.undo = UndoProgress::Finished;
                if let Some(details) = &mut x.details {
                    details.undo_failure = None;
                }
            }
            NodeEntry::UndoRetryScheduled { at, failure } => {
                x.undo = UndoProgress::Scheduled;
                let details = x.details_mut();
                details.undo_at = *at;
                details.undo_failure = Some(failure.clone());
            }
            NodeEntry::UndoFailed(failure) => {
                x.progress.abandon(leaves_doubt);
                x.undo = UndoProgress::Failed;
                x.details_mut().undo_failure = Some(failure.clone());
                self.opened(-i32::from(forward_ends));
            }
            NodeEntry::Resolved(_) => x.undo = UndoProgress::Resolved,
            NodeEntry::ScopeUnwinding(why) => {
                self.begin_scope_unwinding(v, why, touched);
                return;
            }
            NodeEntry::Chosen(_) if without_scope => {
                self.go_without_scope(v, touched);
                return;
            }
            NodeEntry::Chosen(n) => {
                let parts = self.chosen_parts(v, *n);
                self.open_gate(v, *n, parts);
                self.complete(v, touched);
                return;
            }
            NodeEntry::Waiting { until } => {
                self.begin_wait(v, until, touched);
                return;
            }
            NodeEntry::Waited(won) => {
                self.end_wait(v, *won, touched);
                self.complete(v, touched);
                return;
            }
            NodeEntry::Skipped => {
                x.progress = Progress::Skipped;
                self.complete(v, touched);
                return;
            }
        }
        touched.push(v);
        if unwinding {
            self.settle(v, touched);
        }
    }
}
