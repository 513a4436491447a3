//! Scopes: the bodies of `try`. When a node of a scope fails for good, only the nodes of the scope unwind; the rest of the
//! saga goes on. Once they are settled, the `else` runs, or the node completes.
//!
//! A scope is the first part of its node, and the `else` the second one, which is opened when it begins. The gate of the
//! node stands before both. While the scope unwinds, the gate counts the nodes that the scope began with and that are not
//! settled, as any vertex counts its successors; when none is left, all of the scope is settled.
//!
//! Two entries of the node tell all of it: `scope_unwinding` when the scope begins to unwind, and `chosen(1)` when it is
//! settled and the saga goes on without it. A saga that begins to unwind meanwhile, or a scope around this one, unwinds the
//! nodes of this scope together with its own, and then `chosen(1)` does not follow.

use std::ops::Range;
use std::sync::Arc;

use super::state::{FrameState, Part, SagaState, VertexId};
use super::under_way::Work;
use super::vertex::{Parts, Settling, UndoProgress};
use super::{Effect, Machine};
use crate::log::{Cause, Failure, FailureKind, NodeEntry, SagaEntry, Timestamp, TryFailure};
use crate::plan::PlanKind;
use crate::planted::{Mistake, planted};

/// What a `try` has chosen when its scope has been undone.
const WITHOUT_ITS_SCOPE: u64 = 1;

impl SagaState {
    /// True if this vertex has nothing to do but to be undone: the saga unwinds, or a scope that it stands in.
    pub(crate) fn goes_back(&self, v: VertexId) -> bool {
        self.unwinding.is_some() || self.scope_that_unwinds(v).is_some()
    }

    /// The node whose scope unwinds, or was undone, and takes this vertex with it: the outermost one.
    pub(super) fn scope_that_unwinds(&self, v: VertexId) -> Option<VertexId> {
        self.frames.get(self.vertex(v)?.frame as usize)?.unwinds
    }

    /// The innermost scope that this vertex stands in, by the node that it is the scope of.
    pub(super) fn scope_around(&self, v: VertexId) -> Option<VertexId> {
        let mut found = None;
        let mut frame = self.frames.get(self.vertex(v)?.frame as usize)?;
        while let Some(holder) = frame.holder {
            let body = frame.part == Part::Arm(0) || planted(Mistake::ElseIsInItsScope);
            if body && matches!(self.kind(holder), Some(PlanKind::Try { .. })) {
                found = Some(holder);
                if !planted(Mistake::OutermostScopeUnwinds) {
                    break;
                }
            }
            frame = self.frames.get(self.vertex(holder)?.frame as usize)?;
        }
        found
    }

    /// Why the scope of this node began to unwind, if it has.
    pub fn scope_failure(&self, node: VertexId) -> Option<&Arc<TryFailure>> {
        self.vertex(self.gate(node)?)?.details().scope_failure.as_ref()
    }

    /// True if this node goes on without its scope, which has been undone.
    pub(super) fn goes_without_scope(&self, node: VertexId) -> bool {
        let is_try = matches!(self.kind(node), Some(PlanKind::Try { .. }));
        is_try && self.vertex(node).is_some_and(|x| x.parts().is_some())
    }

    /// True if this vertex belongs to a scope that has been undone, and that the saga goes on without.
    pub(super) fn is_left_behind(&self, v: VertexId) -> bool {
        self.scope_that_unwinds(v).is_some_and(|node| self.goes_without_scope(node))
    }

    /// The same of any scope around this vertex, also if a scope around that one unwinds by now.
    pub(super) fn stands_in_undone_scope(&self, v: VertexId) -> bool {
        let frame = |v| self.frames.get(self.vertex(v)?.frame as usize);
        let frames = std::iter::successors(frame(v), |f| frame(f.holder?));
        let mut scopes = frames.filter(|f| f.part == Part::Arm(0)).filter_map(|f| f.holder);
        scopes.any(|holder| self.goes_without_scope(holder))
    }

    /// A node whose scope unwinds while the rest of the saga goes on.
    pub(super) fn first_unwinding_scope(&self) -> Option<VertexId> {
        let of_scope = |f: &&FrameState| f.part == Part::Arm(0) && f.unwinds == f.holder;
        let mut holders = self.frames.iter().filter(of_scope).filter_map(|f| f.unwinds);
        holders.find(|holder| !self.goes_without_scope(*holder))
    }

    /// Why a scope began to unwind that is not left yet, while the rest of the saga goes forward.
    pub(crate) fn unwinding_scope(&self) -> Option<&TryFailure> {
        self.scope_failure(self.first_unwinding_scope()?).map(|why| &**why)
    }

    /// The frames of all parts of a node, also of a scope that was undone.
    pub(super) fn all_parts(&self, node: VertexId) -> impl DoubleEndedIterator<Item = u32> + use<> {
        let range = |v: Option<VertexId>| -> Range<u32> {
            let parts = v.and_then(|v| self.vertex(v)?.parts());
            parts.map_or(0..0, |Parts { first, count, .. }| first..first + count)
        };
        range(self.gate(node)).chain(range(Some(node)))
    }

    /// The frames of a scope: its own, and those of all nodes in it.
    fn frames_of_scope(&self, gate: VertexId) -> Vec<u32> {
        let body = self.vertex(gate).and_then(|x| x.parts()).map(|parts| parts.first);
        let mut found = body.into_iter().collect::<Vec<_>>();
        let mut next = 0;
        while let Some(f) = found.get(next).and_then(|frame| self.frames.get(*frame as usize)) {
            let gates = f.plan.nodes().len() as u32..f.plan.vertices();
            let nodes =
                gates.filter_map(|gate| f.plan.node_of(gate)).map(|(node, _)| f.base + node);
            let inner = nodes.flat_map(|node| self.all_parts(node)).collect::<Vec<_>>();
            found.extend(inner);
            next += 1;
        }
        found
    }

    /// The vertices of a frame.
    fn vertices_of(&self, frame: u32) -> Range<VertexId> {
        let f = self.frames.get(frame as usize);
        f.map_or(0..0, |f| f.base..f.base + f.plan.vertices())
    }

    /// The scope behind this gate begins to unwind.
    pub(super) fn begin_scope_unwinding(
        &mut self,
        gate: VertexId,
        why: &Arc<TryFailure>,
        touched: &mut Vec<VertexId>,
    ) {
        let Some((frame, node, _)) = self.place(gate) else { return };
        let Some(holder) = self.frames.get(frame as usize).map(|f| f.base + node) else { return };
        let frames = self.frames_of_scope(gate);
        for frame in &frames {
            let vertices = self.vertices_of(*frame);
            let open = vertices.filter_map(|v| self.vertex(v)).filter(|x| x.progress.is_open());
            let open = open.count() as u32;
            let Some(f) = self.frames.get_mut(*frame as usize) else { continue };
            // those of a scope that unwound before are not waited for any more
            if f.unwinds.replace(holder).is_none() {
                self.incomplete = self.incomplete.saturating_sub(open);
            }
        }
        let vertices = frames.iter().map(|frame| self.vertices_of(*frame)).collect::<Vec<_>>();
        for v in vertices.iter().cloned().flatten() {
            self.count_successors(v, |state, succ| succ != holder && !state.is_overlooked(succ));
        }
        self.count_successors(gate, |_, succ| succ != holder);
        if let Some(x) = self.vertices.get_mut(gate as usize) {
            x.details_mut().scope_failure = Some(why.clone());
        }
        self.end_waits_in(holder, touched);
        for v in vertices.iter().cloned().rev().flat_map(Iterator::rev) {
            self.settle(v, touched);
        }
        for v in vertices.into_iter().flatten() {
            if self.vertex(v).is_some_and(|x| x.progress.is_in_doubt()) {
                touched.push(v);
            }
        }
    }

    /// Counts the successors that this vertex waits for when it unwinds.
    pub(super) fn count_successors(
        &mut self,
        v: VertexId,
        counts: impl Fn(&Self, VertexId) -> bool,
    ) {
        let mut successors = 0;
        self.for_succs(v, |succ| successors += u32::from(counts(self, succ)));
        self.walked += u64::from(successors);
        if let Some(x) = self.vertices.get_mut(v as usize) {
            x.settling = Settling::Unsettled { successors };
        }
    }

    /// True if the scope behind this gate unwinds by itself and is settled.
    pub(super) fn scope_is_settled(&self, gate: VertexId) -> bool {
        let Some(x) = self.vertex(gate) else { return false };
        let settled = x.settling == Settling::Unsettled { successors: 0 };
        x.details().scope_failure.is_some()
            && (settled || planted(Mistake::ElseBeforeItsScopeIsUndone))
            && !self.goes_back(gate)
    }

    /// True if this gate may go on without its scope.
    pub(super) fn allows_to_go_without_scope(&self, gate: VertexId, chosen: u64) -> bool {
        let holder = self
            .place(gate)
            .and_then(|(frame, node, _)| Some(self.frames.get(frame as usize)?.base + node));
        chosen == WITHOUT_ITS_SCOPE
            && self.scope_is_settled(gate)
            && holder.is_some_and(|holder| !self.goes_without_scope(holder))
    }

    /// True if the scope behind this gate may begin to unwind.
    pub(super) fn allows_scope_unwinding(&self, gate: VertexId, why: &TryFailure) -> bool {
        let Some(holder) = self.place(gate).and_then(|(frame, node, is_gate)| {
            Some(self.frames.get(frame as usize).filter(|_| is_gate)?.base + node)
        }) else {
            return false;
        };
        let failed = self.resolve(why.node.as_str());
        let inside = failed.is_some_and(|v| {
            self.scope_around(v) == Some(holder)
                && [Some(v), self.gate(v)]
                    .into_iter()
                    .flatten()
                    .any(|v| self.vertex(v).is_some_and(|x| x.progress.is_open() && x.waiting == 0))
        });
        matches!(self.kind(gate), Some(PlanKind::Try { .. }))
            && self.scope_failure(holder).is_none()
            && !self.goes_back(gate)
            && inside
    }

    /// The saga goes on without the scope behind this gate: with the `else`, if there is one.
    pub(super) fn go_without_scope(&mut self, gate: VertexId, touched: &mut Vec<VertexId>) {
        let Some((frame, node, _)) = self.place(gate) else { return };
        let Some(holder) = self.frames.get(frame as usize).map(|f| f.base + node) else { return };
        let otherwise = match self.kind(gate) {
            Some(PlanKind::Try { otherwise, .. }) => otherwise.clone(),
            Some(
                PlanKind::Action(_)
                | PlanKind::Value
                | PlanKind::Wait(_)
                | PlanKind::Subsaga(_)
                | PlanKind::ForEach { .. }
                | PlanKind::Choose(_),
            )
            | None => None,
        };
        let parts = otherwise.map(|plan| (plan, Part::Arm(1))).into_iter().collect();
        self.open_parts(holder, holder, WITHOUT_ITS_SCOPE, parts);
        self.run_parts(holder, touched);
    }
}

impl Machine {
    /// A node has failed for good: the innermost scope that it stands in unwinds, or else the saga. Neither does behind the
    /// pivot and outside of scopes.
    pub(super) fn unwind_around(&mut self, v: VertexId) {
        let node = self.state.path(v);
        if let Some(scope) = self.state.scope_around(v)
            && let Some(gate) = self.state.gate(scope)
            && !planted(Mistake::FailureInScopeFailsTheSaga)
        {
            let failure = self.state.failure(v).map(|failure| Failure::clone(failure));
            let failure = failure
                .unwrap_or_else(|| Failure::new(FailureKind::Cancelled, "its call was cut off"));
            self.write_about(gate, NodeEntry::ScopeUnwinding(TryFailure { node, failure }.into()));
        } else if !self.state.past_pivot() || planted(Mistake::UnwindsBehindPivot) {
            self.write(SagaEntry::Unwinding(Cause::Failed { node }));
        }
    }

    /// Lets the saga go on without the scope behind this gate, if the scope is settled.
    pub(super) fn decide_scope(&mut self, v: VertexId) {
        if self.state.is_gate(v) && self.state.allows_to_go_without_scope(v, WITHOUT_ITS_SCOPE) {
            self.write_about(v, NodeEntry::Chosen(WITHOUT_ITS_SCOPE));
        }
    }

    /// The undo of this vertex has failed for good. If only a scope unwinds, the saga does now, because the effect is still
    /// there; its reason is that of the scope. Behind the pivot there is no way back, and the saga is stuck once nothing else
    /// is left to do.
    pub(super) fn undo_in_scope_failed(&mut self, v: VertexId) {
        if self.state.unwinding.is_some()
            || self.state.past_pivot()
            || planted(Mistake::FailedUndoInScopeIgnored)
        {
            return;
        }
        let scope = self.state.scope_that_unwinds(v);
        if let Some(why) = scope.and_then(|scope| self.state.scope_failure(scope)) {
            let node = why.node.clone();
            self.write(SagaEntry::Unwinding(Cause::Failed { node }));
        }
    }

    /// The scope behind this gate has just begun to unwind: what of it has not started does not start any more, and its
    /// actions in flight are told.
    pub(super) fn stop_scope(&mut self, gate: VertexId) {
        let Some((frame, node, _)) = self.state.place(gate) else { return };
        let Some(holder) = self.state.frames.get(frame as usize).map(|f| f.base + node) else {
            return;
        };
        let state = &self.state;
        let within = |v: &VertexId| state.scope_that_unwinds(*v) == Some(holder);
        self.candidates.retain(|v| !within(&v));
        if let Some(rare) = &mut self.rare {
            rare.timers.retain(|(_, v)| !within(v));
            rare.alarms.retain(|(_, v)| !within(v));
            rare.begins.retain(|v| !within(&v));
            rare.undos.retain(|v| !within(&v));
        }
        let all = self.under_way.all(|work| work != Work::Nothing);
        let all = all.into_iter().filter(within).collect::<Vec<_>>();
        for v in all {
            match self.under_way.of(v) {
                Work::Candidate | Work::Evaluation => self.under_way.end(v),
                Work::AwaitsPermit => self.forget(v),
                Work::Action if planted(Mistake::ScopeNotTold) => {}
                Work::Action => self.hold(Effect::SignalCancelOf(v)),
                Work::Nothing | Work::Rerun | Work::Undo | Work::Probe => {}
            }
        }
    }

    /// The calls that are told that their scope unwinds are dropped after a while.
    pub(super) fn will_abandon(&mut self) {
        let told = self.held.iter().filter_map(|effect| {
            let Effect::SignalCancelOf(v) = effect else { return None };
            Some(*v)
        });
        let told = told.collect::<Vec<_>>();
        if !told.is_empty() {
            let at = self.waited().after(self.config.abandon_after);
            self.rare_mut().abandon_calls.extend(told.into_iter().map(|v| (at, v)));
        }
    }

    /// When the next call is dropped whose scope unwinds.
    pub(super) fn abandons_call_at(&self) -> Option<Timestamp> {
        let mut calls = self.rare().abandon_calls.iter();
        let next = calls.find(|(_, v)| self.under_way.of(*v) == Work::Action);
        next.map(|(at, _)| *at).filter(|_| !planted(Mistake::ScopeCallsNotDropped))
    }

    /// Drops the calls of scopes that have unwound for long enough.
    pub(super) fn abandon_in_scopes(&mut self, effects: &mut Vec<Effect>) {
        let waited = self.waited();
        let due = |(at, _): &(Timestamp, VertexId)| *at <= waited;
        while let Some((_, v)) = self.rare().abandon_calls.first().copied().filter(due)
            && !planted(Mistake::ScopeCallsNotDropped)
        {
            self.rare_mut().abandon_calls.pop_first();
            if self.under_way.of(v) != Work::Action {
                continue;
            }
            self.under_way.end(v);
            effects.push(Effect::DropCall(v));
            let after = self.config.abandon_after;
            let why = format!("still running {after:?} after its scope began to unwind; dropped");
            let failure = Failure::new(FailureKind::Cancelled, why);
            let entry = self.without_outcome(v, failure);
            self.write_about(v, entry);
        }
    }
}

impl SagaState {
    /// True if the undo of a vertex has failed, whose scope unwinds while the saga can only go forward.
    pub(super) fn has_failed_undo_in_scope(&self, v: VertexId) -> bool {
        self.vertex(v).is_some_and(|x| x.undo == UndoProgress::Failed)
            && self.scope_that_unwinds(v).is_some()
    }
}
