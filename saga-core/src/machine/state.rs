//! What a saga's log says: the state that follows from its entries, and nothing else.
//!
//! A state changes only by applying entries, live and in recovery alike. So the state after a crash is the state
//! before it, for every prefix of every log.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::commands::Asked;
use super::mailbox::Mailbox;
use super::node_paths::Paths;
use super::progress::Progress;
use super::start_order::Holders;
use super::vertex::{UndoProgress, Vertex};
use crate::log::{Cause, KeptKey, Migrated, NodePath, SagaStatus, Timestamp, Uuid};
use crate::names::NodeName;
use crate::plan::{Plan, PlanKind};
use crate::planted::{Mistake, planted};
use crate::policy::{Policy, UndoContract};

/// A vertex of the run: a node, or the gate of a node that holds others. The vertices of one frame are
/// next to each other, in the order of its plan.
pub type VertexId = u32;

/// One run of a plan: the saga itself, a subsaga, an instance of a `for`, an arm.
#[derive(Debug, Clone, PartialEq)]
pub struct FrameState {
    /// What runs.
    pub plan: Arc<Plan>,
    /// Its first vertex.
    pub base: VertexId,
    /// The node that holds it; none for the saga itself.
    pub holder: Option<VertexId>,
    /// Which of the holder's parts it is.
    pub part: Part,
    /// What holds it, for the order of declaration (see [`start_order`](super::start_order)).
    pub(super) holders: Holders,
    /// How many of its vertices have not completed.
    pub(super) incomplete: u32,
    pub(super) paths: Paths,
    /// The node whose scope unwinds, or was undone, and takes this frame with it.
    pub(super) unwinds: Option<VertexId>,
}

/// Which part of its holder a frame is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Part {
    /// All of it: the saga, or a subsaga.
    Whole,
    /// An instance of a `for`.
    Instance(u32),
    /// An arm of a choice.
    Arm(u32),
}

/// What unwinding must do about a node (the table of undo contracts in README.md).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Need {
    Nothing,
    Undo,
    Rerun,
}

/// An entry that cannot follow on the ones before it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("illegal event {event} for current load status {status}{}", at(.node))]
pub struct Illegal {
    /// The entry's kind.
    pub event: &'static str,
    /// What the node, or the saga, was.
    pub status: String,
    /// Which node.
    pub node: Option<NodePath>,
}

fn at(node: &Option<NodePath>) -> String {
    node.as_ref().map(|n| format!(" of node `{n}`")).unwrap_or_default()
}

/// The state of a saga.
#[derive(Debug, Clone, PartialEq)]
pub struct SagaState {
    pub(super) frames: Vec<FrameState>,
    pub(super) vertices: Vec<Vertex>,
    pub(super) run_key: Option<Uuid>,
    pub(super) next_seq: u64,
    /// Nothing starts before this time, unless the saga unwinds.
    pub(super) starts_at: Timestamp,
    pub(super) unwinding: Option<Box<Cause>>,
    pub(super) ended: Option<SagaStatus>,
    pub(super) paused: bool,
    /// How many nodes or undos may start although the saga is paused.
    pub(super) steps: u32,
    pub(super) parked: Option<String>,
    /// None if nobody has asked for anything.
    pub(super) asked: Option<Box<Asked>>,
    /// None before the first wait or event.
    pub(super) mailbox: Option<Box<Mailbox>>,
    /// What its last migration left; none if it has the version that it was started with.
    pub(super) migrated: Option<Box<Migrated>>,
    /// Vertices that have not completed.
    pub(super) incomplete: u32,
    /// Vertices that are not settled, while unwinding.
    pub(super) unsettled: u32,
    /// Actions in flight that were started going forward.
    forward_open: u32,
    /// Nodes whose outputs are not in the log and that have completed, in that order: those that hold others, whose outputs are
    /// made of their parts', and waits, whose outputs are made of events.
    pub(super) collected: Vec<VertexId>,
    /// Edges that were walked so far: shows that the cost is linear.
    pub(super) walked: u64,
    /// A buffer for walks along the edges, which is empty between them.
    pub(super) to_visit: Vec<VertexId>,
}

impl SagaState {
    /// Before the first entry.
    pub(super) fn new(plan: Arc<Plan>) -> Self {
        let mut state = Self {
            // most sagas have one
            frames: Vec::with_capacity(1),
            vertices: Vec::new(),
            run_key: None,
            next_seq: 1,
            starts_at: Timestamp(0),
            unwinding: None,
            ended: None,
            paused: false,
            steps: 0,
            parked: None,
            asked: None,
            mailbox: None,
            migrated: None,
            incomplete: 0,
            unsettled: 0,
            forward_open: 0,
            collected: Vec::new(),
            walked: 0,
            to_visit: Vec::new(),
        };
        state.open_frame(FrameState::outermost(plan));
        state
    }

    /// What the saga is doing.
    pub fn status(&self) -> SagaStatus {
        match (&self.ended, &self.unwinding) {
            (Some(ended), _) => *ended,
            (None, None) => SagaStatus::Running,
            (None, Some(_)) if self.forward_open > 0 => SagaStatus::Failed,
            (None, Some(_)) => SagaStatus::RollingBack,
        }
    }

    /// Why it unwinds, if it does.
    pub fn cause(&self) -> Option<&Cause> {
        self.unwinding.as_deref()
    }

    /// True while no node and no undo starts by itself.
    pub fn is_paused(&self) -> bool {
        self.paused
    }

    /// Why it waits for a human, if it does.
    pub fn parked(&self) -> Option<&str> {
        self.parked.as_deref()
    }

    /// True once the pivot has succeeded: the saga can only go forward.
    pub fn past_pivot(&self) -> bool {
        self.pivot_vertex().is_some_and(|x| x.progress == Progress::Completed)
    }

    /// True while nobody knows whether the pivot takes effect, because it is in flight, was cut off, or is in doubt: the
    /// saga must not unwind.
    pub(super) fn pivot_is_busy(&self) -> bool {
        self.pivot_vertex().is_some_and(|x| x.progress.is_in_doubt())
    }

    /// The point of no return. It stands in the outermost frame, whose vertices come first.
    pub(super) fn pivot(&self) -> Option<VertexId> {
        self.frames.first()?.plan.pivot()
    }

    fn pivot_vertex(&self) -> Option<&Vertex> {
        self.vertex(self.pivot()?)
    }

    /// What was chosen at each gate of a `for` (its width) and of a choice (the arm) that is open.
    pub fn chosen(&self) -> impl Iterator<Item = (VertexId, u64)> {
        let gates = (0..).zip(&self.vertices).filter_map(|(v, x)| Some((v, x.parts()?.chosen)));
        gates.filter(|(v, _)| {
            matches!(self.kind(*v), Some(PlanKind::ForEach { .. } | PlanKind::Choose(_)))
        })
    }

    /// The random id of this run, once it is created.
    pub fn run_key(&self) -> Option<Uuid> {
        self.run_key
    }

    /// Under which names the nodes of the outermost DAG make their idempotency keys, where these are not their own; none if
    /// the saga has not been migrated.
    pub fn keys(&self) -> Option<&BTreeMap<NodeName, String>> {
        self.migrated.as_ref().map(|migrated| &migrated.keys)
    }

    /// Nodes of earlier versions whose effects remain, because a migration said so.
    pub fn kept_effects(&self) -> &[NodePath] {
        self.migrated.as_ref().map_or(&[], |migrated| &migrated.kept)
    }

    /// What the keys of these nodes are made of, in the same order.
    pub fn kept_keys(&self) -> impl Iterator<Item = KeptKey> {
        let keys = self.migrated.as_ref().map_or(&[][..], |migrated| &migrated.kept_keys);
        (0..).zip(self.kept_effects()).map(|(i, path): (usize, _)| {
            let own = || KeptKey { name: path.to_string(), generation: 0 };
            keys.get(i).cloned().unwrap_or_else(own)
        })
    }

    /// The sequence number of the next entry.
    pub fn next_seq(&self) -> u64 {
        self.next_seq
    }

    /// The frames, in the order in which they were opened.
    pub fn frames(&self) -> &[FrameState] {
        &self.frames
    }

    /// The nodes that have completed and whose outputs are not in the log, in that order: those that hold others, and waits.
    pub fn collected(&self) -> &[VertexId] {
        &self.collected
    }

    pub(super) fn all_completed(&self) -> bool {
        self.incomplete == 0
    }

    pub(super) fn all_settled(&self) -> bool {
        self.unsettled == 0
    }

    pub(super) fn vertex(&self, v: VertexId) -> Option<&Vertex> {
        self.vertices.get(v as usize)
    }

    /// The frame of a vertex, its node in that frame's plan, and whether it is that node's gate.
    pub fn place(&self, v: VertexId) -> Option<(u32, u32, bool)> {
        let frame = self.vertex(v)?.frame;
        let f = self.frames.get(frame as usize)?;
        let (node, gate) = f.plan.node_of(v - f.base)?;
        Some((frame, node, gate))
    }

    /// What the vertex runs.
    pub fn kind(&self, v: VertexId) -> Option<&PlanKind> {
        let f = self.frames.get(self.vertex(v)?.frame as usize)?;
        let (node, _) = f.plan.node_of(v - f.base)?;
        Some(&f.plan.nodes().get(node as usize)?.kind)
    }

    /// What it declares, if it is an action; gates and holding nodes are not.
    pub(super) fn policy(&self, v: VertexId) -> Option<&Policy> {
        self.kind(v)?.policy()
    }

    /// True if an attempt of this vertex that ends without an outcome may have taken effect. That of a transaction has
    /// not: its rows are committed together with `succeeded`, or not at all.
    pub(super) fn leaves_doubt(&self, v: VertexId) -> bool {
        let transaction = self.policy(v).is_some_and(|policy| policy.transaction.is_some());
        !transaction || planted(Mistake::TransactionInDoubt)
    }

    /// True if an attempt of this vertex, over or not, may have taken effect and nobody knows.
    pub(super) fn is_in_doubt(&self, v: VertexId) -> bool {
        self.vertex(v).is_some_and(|x| x.progress.is_in_doubt()) && self.leaves_doubt(v)
    }

    /// The generation of the key under which the last attempt of this vertex was made.
    pub(super) fn generation(&self, v: VertexId) -> u32 {
        self.vertex(v).map_or(0, |x| x.details().generation)
    }

    /// True for the vertex before the parts of a node that holds others.
    pub(super) fn is_gate(&self, v: VertexId) -> bool {
        self.place(v).is_some_and(|(_, _, gate)| gate)
    }

    /// What unwinding must do about a vertex.
    pub(super) fn need(&self, v: VertexId) -> Need {
        let (Some(x), Some(policy)) = (self.vertex(v), self.policy(v)) else {
            return Need::Nothing;
        };
        let gone = matches!(x.undo, UndoProgress::Finished | UndoProgress::Resolved);
        if policy.undo == UndoContract::None || gone {
            return Need::Nothing;
        }
        if planted(Mistake::NestedLeftOut) && x.frame > 0
            || planted(Mistake::RollbackSkipsLeaves) && self.is_rolled_back_leaf(v)
        {
            return Need::Nothing;
        }
        let in_doubt = self.is_in_doubt(v);
        match (policy.undo, x.progress) {
            (_, Progress::Skipped) if planted(Mistake::SkippedUndone) => Need::Undo,
            (_, Progress::Skipped) => Need::Nothing,
            (_, Progress::Completed) => Need::Undo,
            (_, Progress::Open(_)) if x.attempts == 0 => Need::Nothing,
            (UndoContract::Output, Progress::Open(_)) if planted(Mistake::RerunLeftOut) => {
                Need::Nothing
            }
            (UndoContract::Output, Progress::Open(_)) if in_doubt => Need::Rerun,
            (UndoContract::MaybeOutput | UndoContract::InputsOnly, Progress::Open(_))
                if in_doubt && !planted(Mistake::DoubtNotUndone) =>
            {
                Need::Undo
            }
            (_, Progress::Open(_)) if planted(Mistake::UndoOnFailureIgnored) => Need::Nothing,
            (_, Progress::Open(_)) if policy.undoes_failures() => Need::Undo,
            // an `Err` says that the attempt left no effect
            (_, Progress::Open(_)) => Need::Nothing,
        }
    }

    /// For the mistake [`Mistake::RollbackSkipsLeaves`].
    fn is_rolled_back_leaf(&self, v: VertexId) -> bool {
        let mut leaf = true;
        self.for_succs(v, |_| leaf = false);
        leaf && matches!(self.cause(), Some(Cause::Rollback { .. }))
    }

    pub(super) fn opened(&mut self, by: i32) {
        self.forward_open = self.forward_open.saturating_add_signed(by);
    }

    /// How many vertices there are now.
    pub fn len(&self) -> u32 {
        self.vertices.len() as u32
    }

    /// True before there is a vertex, which is never: a plan has nodes.
    pub fn is_empty(&self) -> bool {
        self.vertices.is_empty()
    }
}
