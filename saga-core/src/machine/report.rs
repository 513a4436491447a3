//! The state of each node, for reports.

use std::sync::Arc;

use super::progress::Progress;
use super::state::{Part, SagaState, VertexId};
use super::vertex::UndoProgress;
use crate::log::{ActionState, Failure, NodePath};
use crate::plan::PlanKind;
use crate::policy::UndoContract;

/// The state of a node.
#[derive(Debug, Clone, PartialEq)]
pub struct NodeState {
    /// The vertex of the node.
    pub vertex: VertexId,
    /// The path of the node.
    pub path: NodePath,
    /// The state's name: one of those of [`ActionState`].
    pub state: ActionState,
    /// True if the action may have had an effect and has no output: nobody knows how it ended, or it failed
    /// and so did the undo that cleans up after it.
    pub in_doubt: bool,
    /// True if its undo failed and a human took care of its effect, of which something may remain.
    pub resolved: bool,
    /// True if its action declares an undo.
    pub has_undo: bool,
    /// How often its action was started.
    pub attempts: u32,
    /// Why its last attempt failed, if it did. Attempts that were made while unwinding, to find out what there
    /// is to undo, do not count.
    pub failure: Option<Arc<Failure>>,
    /// Why its last undo failed, if it did.
    pub undo_failure: Option<Arc<Failure>>,
}

impl SagaState {
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
            if let Some(state) = self.node(v) {
                nodes.push(state);
            }
            if let Some(parts) = self.parts(v) {
                open.extend(parts.rev().map(|part| (part, 0)));
            }
        }
        nodes
    }

    /// The state of one node.
    pub fn node(&self, v: VertexId) -> Option<NodeState> {
        use ActionState::{
            Completed, Failed, Pending, Running, Skipped, UndoFailed, Undoing, Undone,
        };
        let x = self.vertex(v)?;
        let gate = self.gate(v).and_then(|gate| self.vertex(gate));
        let failed = x.progress.has_failed() || gate.is_some_and(|g| g.progress.has_failed());
        let running = x.progress.is_running()
            || (gate.is_some_and(|g| g.progress == Progress::Completed) && x.progress.is_open());
        let state = match (x.undo, x.progress) {
            (UndoProgress::Started | UndoProgress::Scheduled, _) => Undoing,
            (UndoProgress::Finished | UndoProgress::Resolved, _) => Undone,
            (UndoProgress::Failed, _) => UndoFailed,
            (UndoProgress::NotStarted, Progress::Completed) => Completed,
            (UndoProgress::NotStarted, Progress::Skipped) => Skipped,
            (UndoProgress::NotStarted, Progress::Open(_)) if running => Running,
            (UndoProgress::NotStarted, Progress::Open(_)) if failed => Failed,
            (UndoProgress::NotStarted, Progress::Open(_)) => Pending,
        };
        let failure =
            x.details().failure.as_ref().or(gate.and_then(|g| g.details().failure.as_ref()));
        let in_doubt = match x.undo {
            UndoProgress::Finished | UndoProgress::Resolved => false,
            UndoProgress::Failed => x.progress.is_open(),
            UndoProgress::NotStarted | UndoProgress::Started | UndoProgress::Scheduled => {
                x.progress.is_in_doubt()
            }
        };
        Some(NodeState {
            vertex: v,
            path: self.path(v),
            has_undo: self.policy(v).is_some_and(|p| p.undo != UndoContract::None),
            state,
            resolved: x.undo == UndoProgress::Resolved,
            in_doubt,
            attempts: x.attempts,
            failure: failure.cloned(),
            undo_failure: x.details().undo_failure.clone(),
        })
    }

    /// The node that holds a frame, and which of its parts the frame is; none for the saga itself.
    pub fn part_of(&self, frame: u32) -> Option<(VertexId, Part)> {
        let f = self.frames.get(frame as usize)?;
        f.holder.map(|holder| (holder, f.part))
    }

    /// True if the node holds others.
    pub fn holds(&self, v: VertexId) -> bool {
        !matches!(self.kind(v), Some(PlanKind::Action(_) | PlanKind::Value) | None)
    }
}
