//! Who waits for whom: frames that open, vertices that complete, and vertices that settle.

use std::sync::Arc;

use super::node_paths::Paths;
use super::progress::Progress;
use super::state::{FrameState, Need, Part, SagaState, VertexId};
use super::vertex::{Parts, Settling, UndoProgress, Vertex};
use crate::plan::{Plan, PlanKind};
use crate::planted::{Mistake, planted};
use crate::policy::{Policy, UndoContract};

impl FrameState {
    /// The frame of the saga itself.
    pub(super) fn outermost(plan: Arc<Plan>) -> Self {
        Self {
            base: 0,
            holder: None,
            part: Part::Whole,
            holders: None,
            incomplete: plan.vertices(),
            paths: Paths::Names,
            unwinds: None,
            plan,
        }
    }
}

impl SagaState {
    /// The gate of a node that holds others.
    pub(super) fn gate(&self, node: VertexId) -> Option<VertexId> {
        let (frame, local, _) = self.place(node)?;
        let f = self.frames.get(frame as usize)?;
        f.plan.gate_of(local).map(|gate| f.base + gate)
    }

    /// The frames that a node holds, once it has chosen; of a `try` whose scope was undone, that of its `else`.
    pub fn parts(&self, node: VertexId) -> Option<std::ops::Range<u32>> {
        let gate = self.gate(node)?;
        let without_scope = self.vertex(node)?.parts();
        let parts = without_scope.or_else(|| self.vertex(gate)?.parts())?;
        Some(parts.first..parts.first + parts.count)
    }

    /// The frames behind a gate, if it is open.
    fn frames_behind(&self, gate: VertexId, node: VertexId) -> impl Iterator<Item = &FrameState> {
        let frames = |v: VertexId| {
            let parts = self.vertex(v).and_then(Vertex::parts);
            let frames = parts.and_then(|Parts { first, count, .. }| {
                self.frames.get(first as usize..first as usize + count as usize)
            });
            frames.unwrap_or_default()
        };
        frames(gate).iter().chain(frames(node))
    }

    /// Calls `each` for every vertex that waits for this one.
    pub(super) fn for_succs(&self, v: VertexId, mut each: impl FnMut(VertexId)) {
        let Some((frame, node, gate)) = self.place(v) else { return };
        let Some(f) = self.frames.get(frame as usize) else { return };
        if gate {
            let mut empty = true;
            for part in self.frames_behind(v, f.base + node) {
                empty &= part.plan.roots().is_empty();
                part.plan.roots().iter().for_each(|root| each(part.base + root));
            }
            if empty {
                each(f.base + node);
            }
            return;
        }
        let succs = f.plan.succs(v - f.base);
        succs.iter().for_each(|succ| each(f.base + succ));
        if succs.is_empty()
            && let Some(holder) = f.holder
        {
            each(holder);
        }
    }

    /// Calls `each` for every vertex that this one waits for.
    pub(super) fn for_preds(&self, v: VertexId, mut each: impl FnMut(VertexId)) {
        let Some((frame, node, is_gate)) = self.place(v) else { return };
        let Some(f) = self.frames.get(frame as usize) else { return };
        if !is_gate && let Some(gate) = f.plan.gate_of(node) {
            let gate = f.base + gate;
            // a gate that is not open yet has no parts: then the node stands right behind it
            let mut empty = true;
            for part in self.frames_behind(gate, v) {
                empty &= part.plan.leaves().is_empty();
                part.plan.leaves().iter().for_each(|leaf| each(part.base + leaf));
            }
            if empty {
                each(gate);
            }
            return;
        }
        let preds = f.plan.preds(v - f.base);
        preds.iter().for_each(|pred| each(f.base + pred));
        if preds.is_empty()
            && let Some(gate) = f.holder.and_then(|holder| self.gate(holder))
        {
            each(gate);
        }
    }

    /// Opens a frame and adds its vertices, none of which is ready yet.
    pub(super) fn open_frame(&mut self, opened: FrameState) {
        let frame = self.frames.len() as u32;
        let FrameState { plan, holder, .. } = &opened;
        self.vertices.extend((0..plan.vertices()).map(|v| {
            let behind_gate = plan.node_of(v).is_some_and(|(n, g)| !g && plan.gate_of(n).is_some());
            let waiting = match (behind_gate, plan.preds(v).len() as u32) {
                // unknown until its gate opens
                (true, _) => u32::MAX,
                (false, 0) if holder.is_some() => 1,
                (false, n) => n,
            };
            Vertex::new(frame, waiting)
        }));
        self.incomplete += plan.vertices();
        self.frames.push(opened);
    }

    /// A vertex has completed: every vertex that waits for it waits for one less.
    pub(super) fn complete(&mut self, v: VertexId, touched: &mut Vec<VertexId>) {
        let mut done = std::mem::take(&mut self.to_visit);
        done.push(v);
        while let Some(v) = done.pop() {
            if let Some(x) = self.vertices.get_mut(v as usize) {
                if x.progress.is_open() {
                    x.progress = Progress::Completed;
                }
                // an earlier attempt's; one that is run again to be undone keeps it, as the saga's reason
                if let Some(details) = &mut x.details {
                    details.failure = None;
                }
                self.incomplete = self.incomplete.saturating_sub(1);
            }
            let first = touched.len();
            match self.limit(v) {
                Some(limit) => (0..limit).for_each(|_| self.release(v, touched)),
                None => self.for_succs(v, |succ| touched.push(succ)),
            }
            self.leave_frame(v, touched);
            self.walked += (touched.len() - first) as u64;
            self.wait_for_one_less(first, touched, &mut done);
        }
        self.to_visit = done;
    }

    /// Every vertex from the place `first` in `touched` on waits for one less. Those that wait for others, and
    /// those that are `done` without a decision, are taken out.
    fn wait_for_one_less(
        &mut self,
        first: usize,
        touched: &mut Vec<VertexId>,
        done: &mut Vec<VertexId>,
    ) {
        let mut ready = first;
        for i in first..touched.len() {
            let Some(&v) = touched.get(i) else { break };
            let Some(x) = self.vertices.get_mut(v as usize) else { continue };
            x.waiting = x.waiting.saturating_sub(1);
            if x.waiting > u32::from(planted(Mistake::PredecessorNotAwaited)) {
                continue;
            }
            match self.kind(v) {
                None | Some(PlanKind::Action(_) | PlanKind::Value | PlanKind::Wait(_)) => {}
                Some(
                    PlanKind::Subsaga(_)
                    | PlanKind::ForEach { .. }
                    | PlanKind::Choose(_)
                    | PlanKind::Try { .. },
                ) if !self.is_gate(v) => {
                    // all of its parts have completed
                    self.collected.push(v);
                    done.push(v);
                    continue;
                }
                Some(PlanKind::Subsaga(plan)) => {
                    self.open_gate(v, 0, vec![(plan.clone(), Part::Whole)]);
                    done.push(v);
                    continue;
                }
                Some(PlanKind::Try { body, .. }) => {
                    self.open_gate(v, 0, vec![(body.clone(), Part::Arm(0))]);
                    done.push(v);
                    continue;
                }
                Some(PlanKind::ForEach { .. } | PlanKind::Choose(_)) => {}
            }
            if let Some(place) = touched.get_mut(ready) {
                *place = v;
                ready += 1;
            }
        }
        touched.truncate(ready);
    }

    /// How many of the instances behind this gate may run at once, if not all of them.
    fn limit(&self, v: VertexId) -> Option<u32> {
        match self.kind(v)? {
            PlanKind::ForEach { concurrency, body } if !body.roots().is_empty() => {
                let parts = self.vertex(v)?.parts()?;
                let one_more = u32::from(planted(Mistake::OneInstanceTooMany));
                concurrency.map(|n| n.max(1) + one_more).filter(|n| *n < parts.count)
            }
            PlanKind::ForEach { .. }
            | PlanKind::Action(_)
            | PlanKind::Value
            | PlanKind::Wait(_)
            | PlanKind::Subsaga(_)
            | PlanKind::Choose(_)
            | PlanKind::Try { .. } => None,
        }
    }

    /// Lets the next instance behind this gate run, if there is one, and adds the vertices that it begins with.
    fn release(&mut self, gate: VertexId, begins: &mut Vec<VertexId>) {
        let details = self.vertices.get_mut(gate as usize).and_then(|x| x.details.as_mut());
        let Some(parts) = details.and_then(|details| details.parts.as_mut()) else { return };
        if parts.released < parts.count {
            let next = parts.first + parts.released;
            parts.released += 1;
            if let Some(f) = self.frames.get(next as usize) {
                begins.extend(f.plan.roots().iter().map(|root| f.base + root));
            }
        }
    }

    /// A vertex of a frame has completed. If it is the last one of an instance, the next instance may run.
    fn leave_frame(&mut self, v: VertexId, begins: &mut Vec<VertexId>) {
        let frame = self.vertex(v).map_or(0, |x| x.frame);
        let Some(f) = self.frames.get_mut(frame as usize) else { return };
        f.incomplete = f.incomplete.saturating_sub(1);
        if f.incomplete == 0
            && let Some(gate) = f.holder.and_then(|holder| self.gate(holder))
            && self.limit(gate).is_some()
        {
            self.release(gate, begins);
        }
    }

    /// Opens the frames behind a gate. The gate itself is completed by the caller.
    pub(super) fn open_gate(&mut self, gate: VertexId, chosen: u64, parts: Vec<(Arc<Plan>, Part)>) {
        let Some((frame, node, _)) = self.place(gate) else { return };
        let Some(f) = self.frames.get(frame as usize) else { return };
        let holder = f.base + node;
        self.open_parts(gate, holder, chosen, parts);
    }

    /// Opens parts of a node, and notes them at one of its vertices. The node completes with their last vertices.
    pub(super) fn open_parts(
        &mut self,
        at: VertexId,
        holder: VertexId,
        chosen: u64,
        parts: Vec<(Arc<Plan>, Part)>,
    ) {
        let first = self.frames.len() as u32;
        let count = parts.len() as u32;
        let holders = self.holders_in(holder);
        let mut path = self.path(holder).as_str().to_string();
        let mut leaves = 0;
        self.frames.reserve(parts.len());
        self.vertices.reserve(parts.iter().map(|(plan, _)| plan.vertices() as usize).sum());
        for (plan, part) in parts {
            leaves += plan.leaves().len() as u32;
            self.open_frame(FrameState {
                base: self.vertices.len() as u32,
                holder: Some(holder),
                part,
                holders: holders.clone(),
                incomplete: plan.vertices(),
                paths: Paths::of_part(&mut path, part, &plan),
                unwinds: None,
                plan,
            });
        }
        if let Some(x) = self.vertices.get_mut(at as usize) {
            x.details_mut().parts = Some(Parts { first, count, released: 0, chosen });
        }
        if let Some(x) = self.vertices.get_mut(holder as usize) {
            x.waiting = if planted(Mistake::CompletedByFirstPart) { 1 } else { leaves.max(1) };
        }
    }

    /// Lets the parts run that were opened last for a node which has no gate before them; without any it completes.
    pub(super) fn run_parts(&mut self, node: VertexId, touched: &mut Vec<VertexId>) {
        let (first, mut done) = (touched.len(), Vec::new());
        for part in self
            .vertex(node)
            .and_then(Vertex::parts)
            .into_iter()
            .flat_map(|p| p.first..p.first + p.count)
        {
            let Some(f) = self.frames.get(part as usize) else { continue };
            touched.extend(f.plan.roots().iter().map(|root| f.base + root));
        }
        if touched.len() == first {
            touched.push(node);
        }
        self.walked += (touched.len() - first) as u64;
        self.wait_for_one_less(first, touched, &mut done);
        done.into_iter().for_each(|v| self.complete(v, touched));
    }

    /// Unwinding begins: counts what each vertex waits for, and settles those that need nothing.
    pub(super) fn begin_unwinding(&mut self, touched: &mut Vec<VertexId>) {
        let n = self.vertices.len() as u32;
        self.unsettled = n;
        for v in 0..n {
            self.count_successors(v, |state, succ| !state.is_overlooked(succ));
        }
        for v in (0..n).rev() {
            self.settle(v, touched);
        }
        // those that only wait for their successors are decided about when these are settled
        let in_doubt = |v: &VertexId| self.vertex(*v).is_some_and(|x| x.progress.is_in_doubt());
        touched.extend((0..n).filter(in_doubt));
    }

    /// With a mistake planted, whether an undo does not wait for this vertex and what came after it.
    pub(super) fn is_overlooked(&self, succ: VertexId) -> bool {
        let no_undo = |policy: &Policy| policy.undo == UndoContract::None;
        planted(Mistake::DirectSuccessorsOnly) && self.need(succ) == Need::Nothing
            || planted(Mistake::NoUndoEndsTheSearch) && self.policy(succ).is_some_and(no_undo)
    }

    /// Settles a vertex if all of its successors are settled and nothing is left to do about it; then the same
    /// for the vertices that waited for it.
    pub(super) fn settle(&mut self, v: VertexId, touched: &mut Vec<VertexId>) {
        let mut to_visit = std::mem::take(&mut self.to_visit);
        to_visit.push(v);
        while let Some(v) = to_visit.pop() {
            let Some(x) = self.vertex(v) else { continue };
            if x.settling != (Settling::Unsettled { successors: 0 }) {
                continue;
            }
            if !self.goes_back(v) {
                // the gate before a scope, all of which is settled now
                touched.push(v);
                continue;
            }
            if x.progress.is_running() {
                // it is in flight or was cut off; the machine knows which
                touched.push(v);
                continue;
            }
            let gone = matches!(x.undo, UndoProgress::Finished | UndoProgress::Resolved);
            if !gone && (x.undo != UndoProgress::NotStarted || self.need(v) != Need::Nothing) {
                touched.push(v);
                continue;
            }
            if let Some(x) = self.vertices.get_mut(v as usize) {
                x.settling = Settling::Settled;
            }
            self.unsettled = self.unsettled.saturating_sub(1);
            let first = to_visit.len();
            self.for_preds(v, |pred| to_visit.push(pred));
            self.walked += (to_visit.len() - first) as u64;
            self.one_successor_less(first, &mut to_visit);
        }
        self.to_visit = to_visit;
    }

    /// Every vertex from the place `first` in `to_visit` on has one unsettled successor less. Those that have
    /// others are taken out.
    fn one_successor_less(&mut self, first: usize, to_visit: &mut Vec<VertexId>) {
        let mut last = first;
        for i in first..to_visit.len() {
            let Some(&v) = to_visit.get(i) else { break };
            if let Some(x) = self.vertices.get_mut(v as usize)
                && let Settling::Unsettled { successors } = &mut x.settling
            {
                *successors = successors.saturating_sub(1);
                if *successors == 0
                    && let Some(place) = to_visit.get_mut(last)
                {
                    *place = v;
                    last += 1;
                }
            }
        }
        to_visit.truncate(last);
    }
}
