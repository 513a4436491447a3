//! The state of each node, for reports.

use std::sync::Arc;

use super::progress::Progress;
use super::state::{Part, SagaState, VertexId};
use super::vertex::{UndoProgress, Vertex};
use crate::log::{ActionState, Failure, NodePath, Timestamp};
use crate::names::EventType;
use crate::plan::{Alternative, PlanKind};
use crate::planted::{Mistake, planted};
use crate::policy::UndoContract;

/// The state of a node.
#[derive(Debug, Clone, PartialEq)]
pub struct NodeState {
    /// The vertex of the node.
    pub vertex: VertexId,
    /// The path of the node.
    pub path: NodePath,
    /// What its attempts have come to. That nobody knows how they ended, or that a human took care of the effect, is apart:
    /// [`shown`](Self::shown) puts both in one word.
    pub state: ActionState,
    /// True if the action may have had an effect and has no output: nobody knows how it ended, or it failed
    /// and so did the undo that cleans up after it.
    pub in_doubt: bool,
    /// True if an attempt that is over may have had an effect: what is in doubt is more than the attempt in flight.
    pub ended_in_doubt: bool,
    /// True if its undo failed and a human took care of its effect, of which something may remain.
    pub resolved: bool,
    /// True if its action declares an undo.
    pub has_undo: bool,
    /// True if it is the pivot.
    pub pivot: bool,
    /// How often its action was started.
    pub attempts: u32,
    /// True if the only effect of its action is a transaction of the database that keeps the log.
    pub transaction: bool,
    /// The generation of the key of the last attempt: how many keys its action had before.
    pub generation: u32,
    /// The next attempt of its action or its undo, if one is scheduled.
    pub retry: Option<NextAttempt>,
    /// What it waits for, if it is a wait that has begun and not ended.
    pub wait: Option<WaitState>,
    /// Why its last attempt failed, if it did. Attempts that were made while unwinding, to find out what there
    /// is to undo, do not count.
    pub failure: Option<Arc<Failure>>,
    /// Why its last undo failed, if it did.
    pub undo_failure: Option<Arc<Failure>>,
}

/// What a node waits for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WaitState {
    /// One of these events.
    pub events: Vec<EventType>,
    /// Until this time at most.
    pub until: Option<Timestamp>,
}

impl NodeState {
    /// The state in the word that people are shown.
    pub fn shown(&self) -> ActionState {
        match self.state {
            ActionState::Undone if self.resolved => ActionState::Resolved,
            ActionState::Failed | ActionState::Pending if self.ended_in_doubt => {
                ActionState::InDoubt
            }
            ActionState::Running if self.wait.is_some() => ActionState::Waiting,
            state @ (ActionState::Pending
            | ActionState::Running
            | ActionState::Waiting
            | ActionState::Completed
            | ActionState::Failed
            | ActionState::InDoubt
            | ActionState::Undoing
            | ActionState::Undone
            | ActionState::Resolved
            | ActionState::UndoFailed
            | ActionState::Skipped) => state,
        }
    }
}

/// An attempt that is scheduled.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NextAttempt {
    /// True if it is one of the undo.
    pub undo: bool,
    /// When it is due.
    pub at: Timestamp,
    /// Which of its attempts it is, from 1, as the log counts them.
    pub attempt: u32,
    /// Which attempt is the last one; without a bound if none. Attempts that do not count as tries make it a later one.
    pub of: Option<u32>,
}

impl NextAttempt {
    /// The attempt after this many, of which only these were tries, out of so many at most.
    fn after(before: u32, tries: u32, most: Option<u32>) -> (u32, Option<u32>) {
        let uncounted = before.saturating_sub(tries);
        (before.saturating_add(1), most.map(|most| most.saturating_add(uncounted)))
    }
}

impl SagaState {
    /// The next attempt of a node, if one is scheduled.
    fn next_attempt(&self, v: VertexId, x: &Vertex) -> Option<NextAttempt> {
        if self.ended.is_some() {
            return None;
        }
        let (policy, details) = (self.policy(v)?, x.details());
        if x.undo == UndoProgress::Scheduled {
            let tries = x.undo_tries.saturating_sub(details.undo_from);
            let (attempt, of) = NextAttempt::after(x.undo_tries, tries, policy.undo_retry.max());
            let at = details.undo_at;
            return Some(NextAttempt { undo: true, at, attempt, of });
        }
        let at = x.retry_at()?;
        if self.goes_back(v) {
            // an action is only run again to find out how it ended
            let most = policy.undo_retry.max();
            let (attempt, of) = NextAttempt::after(x.attempts, details.reruns, most);
            return (details.reruns > 0).then_some(NextAttempt { undo: false, at, attempt, of });
        }
        let pivot_in_doubt = x.progress.has_doubt() && self.pivot() == Some(v);
        let retry = if pivot_in_doubt { policy.retry.of_pivot_in_doubt() } else { policy.retry };
        let tries = x.attempts.saturating_sub(details.tries_from);
        let (attempt, of) = NextAttempt::after(x.attempts, tries, retry.max());
        Some(NextAttempt { undo: false, at, attempt, of })
    }

    fn wait_state(&self, v: VertexId, x: &Vertex) -> Option<WaitState> {
        let alternatives = self.alternatives(v).filter(|_| x.progress.is_waiting())?;
        let events = alternatives.iter().filter_map(|alternative| match alternative {
            Alternative::Event(event) => Some(event.clone()),
            Alternative::Sleep | Alternative::SleepUntil => None,
        });
        let until = self.waits_until(v).iter().min().copied();
        Some(WaitState { events: events.collect(), until })
    }

    /// All nodes that exist so far, each before the parts that it holds.
    pub fn nodes(&self) -> Vec<NodeState> {
        let mut nodes = Vec::new();
        // the frames still to list, innermost last, each with its next node
        let mut open = vec![(0u32, 0u32)];
        while let Some((frame, node)) = open.pop() {
            let Some(f) = self.frames.get(frame as usize) else { continue };
            if node as usize >= f.plan.nodes().len() {
                continue;
            }
            open.push((frame, node + 1));
            let v = f.base + node;
            if let Some(state) = self.node_with_parts(v) {
                nodes.push(state);
            }
            open.extend(self.all_parts(v).rev().map(|part| (part, 0)));
        }
        nodes
    }

    /// A node as it is shown: if it holds others and the saga was rolled back, its state is what became of them.
    pub fn node_with_parts(&self, v: VertexId) -> Option<NodeState> {
        let own = self.node(v)?;
        let state = self.state_by_parts(v, own.state).unwrap_or(own.state);
        Some(NodeState { state, ..own })
    }

    /// The state of one node by itself.
    pub fn node(&self, v: VertexId) -> Option<NodeState> {
        use ActionState::{
            Completed, Failed, Pending, Running, Skipped, UndoFailed, Undoing, Undone,
        };
        let x = self.vertex(v)?;
        let gate = self.gate(v).and_then(|gate| self.vertex(gate));
        let failed = x.progress.has_failed() || gate.is_some_and(|g| g.progress.has_failed());
        let running = x.progress.is_running()
            || x.progress.is_waiting()
            || (gate.is_some_and(|g| g.progress == Progress::Completed) && x.progress.is_open());
        let state = match (x.undo, x.progress) {
            (UndoProgress::Started | UndoProgress::Scheduled, _) => Undoing,
            (UndoProgress::Finished | UndoProgress::Resolved, _) => Undone,
            (UndoProgress::Failed, _) if planted(Mistake::ResidueNotListed) => Undone,
            (UndoProgress::Failed, _) => UndoFailed,
            (UndoProgress::NotStarted, Progress::Completed) => Completed,
            (UndoProgress::NotStarted, Progress::Skipped) => Skipped,
            // it stands in a scope that the saga goes on without, and has no effect
            (UndoProgress::NotStarted, Progress::Open(_)) if !failed && self.is_left_behind(v) => {
                Skipped
            }
            (UndoProgress::NotStarted, Progress::Open(_)) if self.scope_unwinds_at(v) => Undoing,
            (UndoProgress::NotStarted, Progress::Open(_)) if running => Running,
            (UndoProgress::NotStarted, Progress::Open(_)) if failed => Failed,
            (UndoProgress::NotStarted, Progress::Open(_)) => Pending,
        };
        let failure =
            x.details().failure.as_ref().or(gate.and_then(|g| g.details().failure.as_ref()));
        let in_doubt = match x.undo {
            UndoProgress::Finished | UndoProgress::Resolved => false,
            UndoProgress::Failed => x.progress.is_open() && !planted(Mistake::DoubtNotReported),
            UndoProgress::NotStarted | UndoProgress::Started | UndoProgress::Scheduled => {
                self.is_in_doubt(v)
            }
        };
        let over = x.progress.has_doubt() && self.leaves_doubt(v);
        Some(NodeState {
            ended_in_doubt: over && in_doubt,
            vertex: v,
            path: self.path(v),
            has_undo: self.policy(v).is_some_and(|p| p.undo != UndoContract::None),
            transaction: self.policy(v).is_some_and(|p| p.transaction.is_some()),
            pivot: self.pivot() == Some(v),
            state,
            resolved: x.undo == UndoProgress::Resolved,
            in_doubt,
            attempts: x.attempts,
            generation: x.details().generation,
            retry: self.next_attempt(v, x),
            wait: self.wait_state(v, x),
            failure: failure.cloned(),
            undo_failure: x.details().undo_failure.clone(),
        })
    }

    /// True if this is the node of a scope that unwinds, and the rest of the saga goes on.
    fn scope_unwinds_at(&self, v: VertexId) -> bool {
        let unwinds = self.ended.is_none() && self.scope_failure(v).is_some();
        unwinds && !self.goes_back(v) && !self.goes_without_scope(v)
    }

    /// The state of a node that holds others, once the saga has ended and was not to complete: nothing runs any more, and
    /// what the node has done was done by its parts. `own` is its state by itself.
    fn state_by_parts(&self, v: VertexId, own: ActionState) -> Option<ActionState> {
        use ActionState::{Completed, Failed, Pending, Running, UndoFailed, Undone};
        let rolled_back = self.ended.is_some() && self.unwinding.is_some();
        if !rolled_back || !self.holds(v) || !matches!(own, Running | Completed) {
            return None;
        }
        let frames = self.parts(v)?.filter_map(|part| self.frames.get(part as usize));
        let parts = frames.flat_map(|f| (f.base..).zip(f.plan.nodes()).map(|(part, _)| part));
        let states = parts.filter_map(|part| self.node_with_parts(part)).map(|node| node.state);
        // the first of these that a part is in; an undo that failed is that of the part alone
        let worst = [UndoFailed, Failed, Undone];
        let found = states.fold(worst.len(), |found, state| {
            found.min(worst.iter().position(|bad| *bad == state).unwrap_or(worst.len()))
        });
        match worst.get(found) {
            Some(UndoFailed) => (own == Running).then_some(Failed),
            Some(state) => Some(*state),
            None => (own == Running).then_some(Pending),
        }
    }

    /// The node that holds a frame, and which of its parts the frame is; none for the saga itself.
    pub fn part_of(&self, frame: u32) -> Option<(VertexId, Part)> {
        let f = self.frames.get(frame as usize)?;
        f.holder.map(|holder| (holder, f.part))
    }

    /// True if the node holds others.
    pub fn holds(&self, v: VertexId) -> bool {
        !matches!(
            self.kind(v),
            Some(PlanKind::Action(_) | PlanKind::Value | PlanKind::Wait(_)) | None
        )
    }
}
