//! What an entry means in the state that it is about to change.

use std::sync::Arc;

use super::state::{Part, SagaState, VertexId};
use crate::log::{EarlierAttempts, NodeEntry};
use crate::plan::{Plan, PlanKind};
use crate::planted::{Mistake, planted};
use crate::policy::{Policy, UndoContract};

impl SagaState {
    /// The attempts that come before this entry, and that a migration has not told again.
    pub(super) fn earlier_attempts(
        &self,
        v: VertexId,
        entry: &NodeEntry,
    ) -> Option<EarlierAttempts> {
        let earlier = &self.migrated.as_ref().filter(|_| *entry == NodeEntry::Started)?.earlier;
        let is_first = !earlier.is_empty() && self.vertex(v)?.attempts == 0;
        is_first.then(|| earlier.get(&self.path(v)).copied())?
    }

    /// True if this entry starts an attempt under a key of the next generation: the receiver refuses the one before it, or may
    /// have kept its refusal under it, and no call under that one can have an effect any more.
    pub(super) fn has_fresh_key(&self, v: VertexId, entry: &NodeEntry) -> bool {
        if *entry != NodeEntry::Started {
            return false;
        }
        let closed = self.vertex(v).is_some_and(|x| x.details().closed.is_some());
        if closed && !planted(Mistake::ClosedKeyUsedAgain) {
            return true;
        }
        if !self.policy(v).is_some_and(|policy| policy.fresh_key) {
            return false;
        }
        let in_doubt = self.is_in_doubt(v) && !planted(Mistake::FreshKeyInDoubt);
        let again = self.vertex(v).is_some_and(|x| x.attempts > 0);
        again && !in_doubt && !planted(Mistake::FreshKeyIgnored)
    }

    /// True if an attempt has found out that no earlier one took effect. An undo that needs no output to find
    /// out for itself is called all the same.
    pub(super) fn leaves_no_doubt(&self, v: VertexId, entry: &NodeEntry) -> bool {
        let finds_out = |policy: &Policy| {
            matches!(policy.undo, UndoContract::MaybeOutput | UndoContract::InputsOnly)
        };
        matches!(entry, NodeEntry::Failed(failure) if failure.rolled_back)
            && !self.policy(v).is_some_and(finds_out)
    }

    pub(super) fn chosen_parts(&self, gate: VertexId, n: u64) -> Vec<(Arc<Plan>, Part)> {
        match self.kind(gate) {
            Some(PlanKind::ForEach { body, .. }) => (0..u32::try_from(n).unwrap_or(u32::MAX))
                .map(|i| (body.clone(), Part::Instance(i)))
                .collect(),
            Some(PlanKind::Choose(arms)) => {
                let arm = usize::try_from(n).ok().and_then(|n| arms.get(n));
                arm.map(|body| (body.clone(), Part::Arm(n as u32))).into_iter().collect()
            }
            Some(
                PlanKind::Action(_)
                | PlanKind::Value
                | PlanKind::Wait(_)
                | PlanKind::Subsaga(_)
                | PlanKind::Try { .. },
            )
            | None => Vec::new(),
        }
    }
}
