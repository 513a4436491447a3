//! The order in which calls start when there is not room for all of them.

use std::cmp::{Ordering, Reverse};
use std::collections::BinaryHeap;
use std::sync::Arc;

use super::state::{Part, SagaState, VertexId};
use crate::planted::{Mistake, planted};

/// The vertices whose call may start.
#[derive(Debug, Clone, Default)]
pub(super) struct Candidates {
    /// Those that have been added since one was last taken out. In a chain there is one at most, which needs no
    /// priority.
    added: Vec<VertexId>,
    /// Those that were added when none was left, the first one last. They are mostly added in their order, or in
    /// its reverse, and are then ordered in linear time.
    ordered: Vec<(StartPriority, VertexId)>,
    /// Those that were added when others were left.
    later: BinaryHeap<Reverse<(StartPriority, VertexId)>>,
}

impl Candidates {
    pub(super) const fn none() -> Self {
        Self { added: Vec::new(), ordered: Vec::new(), later: BinaryHeap::new() }
    }

    pub(super) fn add(&mut self, v: VertexId) {
        self.added.push(v);
    }

    /// Takes out the one that starts first.
    pub(super) fn pop(&mut self, state: &SagaState) -> Option<VertexId> {
        let none_left = self.ordered.is_empty() && self.later.is_empty();
        if none_left && self.added.len() <= 1 {
            return self.added.pop();
        }
        let added = self.added.drain(..).filter_map(|v| Some((state.start_priority(v)?, v)));
        if none_left {
            self.ordered.extend(added);
            self.ordered.sort_unstable_by(|a, b| b.cmp(a));
        } else {
            self.later.extend(added.map(Reverse));
        }
        match (self.ordered.last(), self.later.peek()) {
            (Some(first), Some(Reverse(later))) if later < first => {}
            (Some(_), _) => return self.ordered.pop().map(|(_, v)| v),
            (None, _) => {}
        }
        self.later.pop().map(|Reverse((_, v))| v)
    }

    pub(super) fn remove(&mut self, v: VertexId) {
        self.retain(|other| other != v);
    }

    /// Keeps only these.
    pub(super) fn retain(&mut self, keep: impl Fn(VertexId) -> bool) {
        self.added.retain(|v| keep(*v));
        self.ordered.retain(|(_, v)| keep(*v));
        self.later.retain(|Reverse((_, v))| keep(*v));
    }

    pub(super) fn clear(&mut self) {
        self.added.clear();
        self.ordered.clear();
        self.later.clear();
    }

    pub(super) fn len(&self) -> usize {
        self.added.len() + self.ordered.len() + self.later.len()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// The priority of a call that may start; the smallest starts first. Actions and undos are never among the same
/// candidates.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
enum StartPriority {
    /// Actions start in the order of their declaration.
    Action(DeclarationOrder),
    /// Undos start in the reverse of the order in which their actions were started.
    Undo(Reverse<u64>),
}

/// A node's place in the order of declaration; the instances of a `for` are in the order of their numbers. The
/// number of a vertex is of no use for this, because frames are opened in the order of events.
#[derive(Debug, Clone, PartialEq, Eq)]
struct DeclarationOrder {
    holders: Holders,
    part: u32,
    node: u32,
}

/// What holds a frame: the part and the node of each holder, from the outermost one inwards. The parts of one
/// holder share it; nothing holds the saga itself.
pub(super) type Holders = Option<Arc<[u32]>>;

impl DeclarationOrder {
    fn steps(&self) -> impl Iterator<Item = &u32> {
        self.holders.iter().flat_map(|holders| holders.iter()).chain([&self.part, &self.node])
    }
}

impl Ord for DeclarationOrder {
    fn cmp(&self, other: &Self) -> Ordering {
        match (&self.holders, &other.holders) {
            (None, None) => (),
            (Some(a), Some(b)) if Arc::ptr_eq(a, b) => (),
            (None | Some(_), None | Some(_)) => return self.steps().cmp(other.steps()),
        }
        (self.part, self.node).cmp(&(other.part, other.node))
    }
}

impl PartialOrd for DeclarationOrder {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Part {
    /// Its number among the parts of its holder.
    fn number(self) -> u32 {
        match self {
            Self::Whole | Self::Arm(_) => 0,
            Self::Instance(i) => i,
        }
    }
}

impl SagaState {
    /// The priority of this vertex's call: of its undo, once the saga unwinds.
    fn start_priority(&self, v: VertexId) -> Option<StartPriority> {
        if self.goes_back(v) {
            let started = self.vertex(v)?.first_start;
            let wrong = planted(Mistake::UndosInStartOrder);
            return Some(StartPriority::Undo(Reverse(if wrong { !started } else { started })));
        }
        let (frame, node, _) = self.place(v)?;
        let frame = self.frames.get(frame as usize)?;
        let (holders, part) = (frame.holders.clone(), frame.part.number());
        let node = if planted(Mistake::DeclarationOrderIgnored) { !node } else { node };
        Some(StartPriority::Action(DeclarationOrder { holders, part, node }))
    }

    /// What holds the parts of this node.
    pub(super) fn holders_in(&self, holder: VertexId) -> Holders {
        let (frame, node, _) = self.place(holder)?;
        let frame = self.frames.get(frame as usize)?;
        let outer = frame.holders.iter().flat_map(|holders| holders.iter().copied());
        Some(outer.chain([frame.part.number(), node]).collect())
    }
}
