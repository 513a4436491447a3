//! A saga that goes on under another version of its definition: whether it may, and the entries that say what its nodes have
//! done in the words of the new version.
//!
//! Only the nodes of the outermost DAG are mapped. A node that holds others is carried over with everything that it holds,
//! which must be the same in both versions.

mod left_behind;
mod retell;

use std::collections::BTreeMap;

use super::progress::{Activity, Progress};
use super::state::{Need, SagaState, VertexId};
use super::vertex::Vertex;
use crate::log::{Entry, EntryKind, NodePath, Payload, SagaEntry, since_migration};
use crate::names::NodeIndex;
use crate::plan::{Plan, PlanKind};
use crate::planted::{Mistake, planted};
use retell::in_order;

/// What becomes of a node of the old version.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fate {
    /// It is this node of the new version.
    Becomes {
        /// The index of the node in the new plan.
        node: u32,
        /// False if it holds other nodes, and these have changed.
        same_parts: bool,
    },
    /// The new version does not have it. A saga in which it has begun keeps the old version.
    Dropped,
    /// The new version does not have it, and its effect remains if there is one.
    EffectKept,
    /// The new version does not have it, and it has no effect to undo.
    Forgotten,
}

/// How one version becomes another.
pub struct Mapping<'a> {
    /// The plan of the new version.
    pub plan: &'a Plan,
    /// What becomes of each node of the old version, in its order.
    pub fates: &'a [Fate],
    /// The old version, the new one, and the fingerprint of the old one.
    pub versions: (u32, u32, &'a str),
    /// Turns a stored output of a node of the old version, given by its index, into an output of the new version.
    pub convert: &'a dyn Fn(u32, &Payload) -> Result<Payload, String>,
}

/// Why a saga keeps the version that it has.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Ineligible {
    /// It has ended.
    #[error("it has ended")]
    Ended,
    /// It is rolling back, which the version does that has done what is to be undone.
    #[error("it is rolling back")]
    RollingBack,
    /// It is behind its point of no return.
    #[error("its pivot `{pivot}` has succeeded")]
    PastPivot {
        /// The pivot.
        pivot: NodePath,
    },
    /// An attempt of a node is in flight, or nobody knows how it ended. The old version finds out; then the saga may be
    /// eligible.
    #[error("it is not known yet how an attempt of node `{node}` ended")]
    InDoubt {
        /// The node.
        node: NodePath,
    },
    /// The body of a `try` is being undone, which the version does that has done it. Then the saga may be eligible.
    #[error("the body of `{node}` is being undone")]
    ScopeUnwinds {
        /// The node of the `try`.
        node: NodePath,
    },
    /// A request of an operator is held until the pivot has ended.
    #[error("a request of an operator is held until its pivot has ended")]
    RequestHeld,
    /// An operator has told a node to be tried again, with all of its tries, and that has not begun yet.
    #[error("node `{node}` is about to be tried again, as an operator has told it")]
    TriedAgain {
        /// The node.
        node: NodePath,
    },
    /// A node has begun that the new version does not have.
    #[error("node `{node}` has begun, and the new version does not have it")]
    NodeDropped {
        /// The node.
        node: NodePath,
    },
    /// A node that holds others has begun, and what it holds has changed.
    #[error("node `{node}` has begun, and what it holds is different in the new version")]
    PartsChanged {
        /// The node.
        node: NodePath,
    },
    /// A wait has begun, and is not the same wait in the new version.
    #[error("node `{node}` has begun to wait, and is not the same wait in the new version")]
    WaitChanged {
        /// The node.
        node: NodePath,
    },
    /// A node has begun that waits for another one in the new version, and that one has not completed.
    #[error(
        "node `{begun}` has begun; in the new version it waits for `{node}`, which has not completed"
    )]
    WaitsForOther {
        /// The node that has not completed, by its name in the new version.
        node: NodePath,
        /// The node that has begun, by its name in the new version.
        begun: NodePath,
    },
    /// A node has begun that is the point of no return in the new version.
    #[error("node `{node}` has begun, and is the pivot in the new version")]
    BecomesPivot {
        /// The node.
        node: NodePath,
    },
    /// An output or the parameters cannot be converted.
    #[error("{what} cannot be converted: {why}")]
    NotConverted {
        /// Which value: `the output of node ..`, or `the parameters`.
        what: String,
        /// Why.
        why: String,
    },
    /// The list of a `for` or the condition of an `if` or `match` is evaluated again for the new version, and decides otherwise than
    /// the log says.
    #[error("{why}")]
    DecidesOtherwise {
        /// Which node, and how.
        why: String,
    },
    /// A node has begun whose undo would be called with other inputs by the new version, and the migration does not say that this
    /// is right.
    #[error(
        "node `{node}` has begun, and {why}; if the undo of the new version undoes what the old one did, say so with \
         `.undo_accepted(..)`"
    )]
    UndoDiffers {
        /// The node.
        node: NodePath,
        /// Which input, and how.
        why: String,
    },
    /// Its log cannot be read, or not be told in the words of the new version.
    #[error("{why}")]
    Unreadable {
        /// Why.
        why: String,
    },
}

impl Ineligible {
    /// True if the old version only has to find out how its calls have ended.
    pub(crate) fn may_pass(&self) -> bool {
        match self {
            Self::InDoubt { .. } | Self::ScopeUnwinds { .. } | Self::RequestHeld => true,
            Self::Ended
            | Self::RollingBack
            | Self::PastPivot { .. }
            | Self::TriedAgain { .. }
            | Self::NodeDropped { .. }
            | Self::PartsChanged { .. }
            | Self::WaitChanged { .. }
            | Self::WaitsForOther { .. }
            | Self::BecomesPivot { .. }
            | Self::NotConverted { .. }
            | Self::DecidesOtherwise { .. }
            | Self::UndoDiffers { .. }
            | Self::Unreadable { .. } => false,
        }
    }
}

/// The entries about one node of the outermost DAG and all that it holds.
#[derive(Default)]
struct Told<'a> {
    entries: Vec<&'a Entry>,
}

impl SagaState {
    /// The nodes that may have to be undone, which another version must do as this one would, each with its path there.
    pub(crate) fn undone_under<'a>(
        &'a self,
        to: &'a Mapping<'_>,
    ) -> impl Iterator<Item = (VertexId, u32, NodePath)> + 'a {
        (0..self.len()).filter(|v| self.need(*v) != Need::Nothing).filter_map(|v| {
            let path = self.path(v);
            let (name, within) = split(path.as_str());
            let old = self.outermost_plan()?.find(name)?;
            let Some(Fate::Becomes { node, .. }) = to.fates.get(old as usize) else { return None };
            let new = &to.plan.nodes().get(*node as usize)?.name;
            Some((v, old, NodePath::from(format!("{new}{within}"))))
        })
    }

    /// The entries with which the saga goes on under another version: `migrated`, and what its nodes have done. `log` is the
    /// whole log that led to this state.
    ///
    /// # Errors
    /// [`Ineligible`] says why it keeps its version.
    pub fn migrate(&self, log: &[Entry], to: &Mapping<'_>) -> Result<Vec<EntryKind>, Ineligible> {
        self.check_direction()?;
        let told = self.told(log);
        let carried = self.carried(&told, to)?;
        // last: whoever waits for this shall not find another reason then
        self.check_at_rest()?;
        let mut entries = Vec::new();
        for new in in_order(to.plan, &carried, &told) {
            let Some(old) = carried.get(&new) else { continue };
            self.retell(*old, new, &told, to, &mut entries)?;
        }
        self.retell_saga(log, to, &mut entries);
        let mut migrated = self.migrated(log, &told, &carried, to);
        migrated.retold = entries.len() as u64;
        entries.insert(0, SagaEntry::Migrated(migrated.into()).into());
        Ok(entries)
    }

    /// The saga has not come to where it can only go on as it is.
    fn check_direction(&self) -> Result<(), Ineligible> {
        if self.ended.is_some() {
            return Err(Ineligible::Ended);
        }
        if self.unwinding.is_some() {
            return Err(Ineligible::RollingBack);
        }
        if let Some(pivot) = self.pivot().filter(|_| self.past_pivot()) {
            return Err(Ineligible::PastPivot { pivot: self.path(pivot) });
        }
        // the log could not tell that its tries count anew
        let again = |x: &Vertex| {
            x.attempts > 0 && x.progress == Progress::Open(Activity::Idle { doubt: false })
        };
        if let Some((v, _)) = (0..).zip(&self.vertices).find(|(_, x)| again(x)) {
            return Err(Ineligible::TriedAgain { node: self.path(v) });
        }
        Ok(())
    }

    /// It is known how all calls have ended.
    fn check_at_rest(&self) -> Result<(), Ineligible> {
        if let Some(v) = self.first_in_doubt()
            && !planted(Mistake::MigratedInDoubt)
        {
            return Err(Ineligible::InDoubt { node: self.path(v) });
        }
        if let Some(v) = self.first_unwinding_scope() {
            return Err(Ineligible::ScopeUnwinds { node: self.path(v) });
        }
        if self.holds_requests() {
            return Err(Ineligible::RequestHeld);
        }
        Ok(())
    }

    fn outermost_plan(&self) -> Option<&Plan> {
        self.frames.first().map(|frame| &*frame.plan)
    }

    /// What the log tells about each node of the outermost DAG, as far as it is of the version that the saga has.
    fn told<'a>(&self, log: &'a [Entry]) -> Vec<Told<'a>> {
        let nodes = self.outermost_plan().map_or(0, Plan::len);
        let mut told = Vec::with_capacity(nodes);
        told.resize_with(nodes, Told::default);
        for entry in since_migration(log) {
            let node = entry.node().and_then(|path| {
                let (name, _) = split(path.as_str());
                self.outermost_plan()?.find(name)
            });
            if let Some(told) = node.and_then(|node| told.get_mut(node as usize)) {
                told.entries.push(entry);
            }
        }
        told
    }

    fn has_completed(&self, node: u32) -> bool {
        self.vertex(node)
            .is_some_and(|x| matches!(x.progress, Progress::Completed | Progress::Skipped))
    }

    /// True if a node is a wait, and becomes something else or a wait for something else.
    fn waits_otherwise(&self, old: u32, plan: &Plan, new: u32) -> bool {
        let new = plan.nodes().get(new as usize).map(|node| &node.kind);
        let becomes_wait = matches!(new, Some(PlanKind::Wait(_)));
        let old = self.outermost_plan().and_then(|plan| plan.nodes().get(old as usize));
        let old = old.map(|node| &node.kind);
        (becomes_wait || matches!(old, Some(PlanKind::Wait(_)))) && old != new
    }

    /// The nodes of the new plan that take over what a node of the old plan has done, with that node.
    fn carried(
        &self,
        told: &[Told<'_>],
        to: &Mapping<'_>,
    ) -> Result<BTreeMap<u32, u32>, Ineligible> {
        let path = |node: u32| self.path(node);
        let new_path = |node: NodeIndex| match to.plan.node(node) {
            Some(node) => NodePath::from(node.name.shared()),
            None => NodePath::from("?"),
        };
        // values are computed anew, unless a call has been made with them
        let (mut calls, mut values) = (BTreeMap::new(), BTreeMap::new());
        for ((old, told), fate) in (0..).zip(told).zip(to.fates) {
            let has_begun = !told.entries.is_empty();
            match *fate {
                Fate::Becomes { node, .. }
                    if has_begun && self.waits_otherwise(old, to.plan, node) =>
                {
                    return Err(Ineligible::WaitChanged { node: path(old) });
                }
                Fate::Becomes { node, .. }
                    if matches!(
                        to.plan.nodes().get(node as usize).map(|n| &n.kind),
                        Some(PlanKind::Value)
                    ) =>
                {
                    values.insert(node, old);
                }
                Fate::Becomes { same_parts: false, .. }
                    if has_begun && !planted(Mistake::ChangedPartsAccepted) =>
                {
                    return Err(Ineligible::PartsChanged { node: path(old) });
                }
                Fate::Becomes { node, .. } if has_begun => {
                    if to.plan.pivot() == Some(node) && self.pivot() != Some(old) {
                        return Err(Ineligible::BecomesPivot { node: path(old) });
                    }
                    calls.insert(node, old);
                }
                Fate::Dropped if has_begun && !planted(Mistake::BegunNodeDropped) => {
                    return Err(Ineligible::NodeDropped { node: path(old) });
                }
                Fate::Becomes { .. } | Fate::Dropped | Fate::EffectKept | Fate::Forgotten => {}
            }
        }
        let mut open = calls.keys().copied().map(NodeIndex).collect::<Vec<_>>();
        let mut carried = calls;
        while let Some(begun) = open.pop() {
            for before in to.plan.predecessors(begun) {
                if let Some(old) = values.get(&before.0).filter(|old| self.has_completed(**old)) {
                    if carried.insert(before.0, *old).is_none() {
                        open.push(before);
                    }
                } else if !carried.get(&before.0).is_some_and(|old| self.has_completed(*old))
                    && !planted(Mistake::NewAncestorIgnored)
                {
                    let (node, begun) = (new_path(before), new_path(begun));
                    return Err(Ineligible::WaitsForOther { node, begun });
                }
            }
        }
        Ok(carried)
    }
}

/// The name of the node of the outermost DAG that a path begins with, and the rest of the path.
fn split(path: &str) -> (&str, &str) {
    path.split_at(path.find(['/', '[', '#']).unwrap_or(path.len()))
}
