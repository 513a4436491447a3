//! Who waits for whom: frames that open, vertices that complete, and vertices that settle.

use std::sync::Arc;

use super::progress::Progress;
use super::state::{
    FrameState, Need, Part, Parts, SagaState, Settling, UndoProgress, Vertex, VertexId,
};
use crate::plan::{Plan, PlanKind};

impl SagaState {
    /// The gate of a node that holds others.
    pub(super) fn gate(&self, node: VertexId) -> Option<VertexId> {
        let (frame, local, _) = self.place(node)?;
        let f = self.frames.get(frame as usize)?;
        f.plan.gate_of(local).map(|gate| f.base + gate)
    }

    /// The frames that a node holds, once it has chosen.
    pub fn parts(&self, node: VertexId) -> Option<std::ops::Range<u32>> {
        let parts = self.vertex(self.gate(node)?)?.parts?;
        Some(parts.first..parts.first + parts.count)
    }

    /// The frames behind a gate, if it is open.
    fn frames_behind(&self, gate: VertexId) -> &[FrameState] {
        let parts = self.vertex(gate).and_then(|x| x.parts);
        let frames = parts.and_then(|Parts { first, count, .. }| {
            self.frames.get(first as usize..first as usize + count as usize)
        });
        frames.unwrap_or_default()
    }

    /// Calls `each` for every vertex that waits for this one.
    pub(super) fn for_succs(&self, v: VertexId, mut each: impl FnMut(VertexId)) {
        let Some((frame, node, gate)) = self.place(v) else { return };
        let Some(f) = self.frames.get(frame as usize) else { return };
        if gate {
            let mut empty = true;
            for part in self.frames_behind(v) {
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
            for part in self.frames_behind(gate) {
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
    pub(super) fn open_frame(&mut self, plan: Arc<Plan>, holder: Option<VertexId>, part: Part) {
        let (frame, base) = (self.frames.len() as u32, self.vertices.len() as u32);
        for v in 0..plan.vertices() {
            let preds = plan.preds(v).len() as u32;
            let behind_gate = plan.node_of(v).is_some_and(|(n, g)| !g && plan.gate_of(n).is_some());
            let waiting = match (behind_gate, preds) {
                // unknown until its gate opens
                (true, _) => u32::MAX,
                (false, 0) if holder.is_some() => 1,
                (false, n) => n,
            };
            self.vertices.push(Vertex::new(frame, waiting));
        }
        self.incomplete += plan.vertices();
        let rank = self.rank(holder, part);
        let incomplete = plan.vertices();
        self.frames.push(FrameState { plan, base, holder, part, rank, incomplete });
    }

    fn rank(&self, holder: Option<VertexId>, part: Part) -> Arc<[u32]> {
        let place = holder.and_then(|holder| self.place(holder));
        let outer =
            place.and_then(|(frame, node, _)| Some((self.frames.get(frame as usize)?, node)));
        let Some((outer, node)) = outer else { return Arc::default() };
        let number = match part {
            Part::Whole | Part::Arm(_) => 0,
            Part::Instance(i) => i,
        };
        outer.rank.iter().copied().chain([node, number]).collect()
    }

    /// A vertex has completed: every vertex that waits for it waits for one less.
    pub(super) fn complete(&mut self, v: VertexId, touched: &mut Vec<VertexId>) {
        let mut done = vec![v];
        while let Some(v) = done.pop() {
            if let Some(x) = self.vertices.get_mut(v as usize) {
                if x.progress.is_open() {
                    x.progress = Progress::Completed;
                }
                // an earlier attempt's; one that is run again to be undone keeps it, as the saga's reason
                x.failure = None;
                self.incomplete = self.incomplete.saturating_sub(1);
            }
            let mut succs = Vec::new();
            match self.limit(v) {
                Some(limit) => (0..limit).for_each(|_| self.release(v, &mut succs)),
                None => self.for_succs(v, |succ| succs.push(succ)),
            }
            self.leave_frame(v, &mut succs);
            self.walked += succs.len() as u64;
            for succ in succs {
                let Some(x) = self.vertices.get_mut(succ as usize) else { continue };
                x.waiting = x.waiting.saturating_sub(1);
                if x.waiting > 0 {
                    continue;
                }
                let (holds, gate) = match self.place(succ) {
                    Some((_, _, gate)) => (self.gate(succ).is_some() && !gate, gate),
                    None => (false, false),
                };
                if holds {
                    // all of its parts have completed
                    self.collected.push(succ);
                    done.push(succ);
                } else if gate && let Some(PlanKind::Subsaga(plan)) = self.kind(succ).cloned() {
                    self.open_gate(succ, 0, vec![(plan, Part::Whole)]);
                    done.push(succ);
                } else {
                    touched.push(succ);
                }
            }
        }
    }

    /// How many of the instances behind this gate may run at once, if not all of them.
    fn limit(&self, v: VertexId) -> Option<u32> {
        match self.kind(v)? {
            PlanKind::ForEach { concurrency, body } if !body.roots().is_empty() => {
                let parts = self.vertex(v)?.parts?;
                concurrency.map(|n| n.max(1)).filter(|n| *n < parts.count)
            }
            PlanKind::ForEach { .. }
            | PlanKind::Action(_)
            | PlanKind::Value
            | PlanKind::Subsaga(_)
            | PlanKind::Choose(_) => None,
        }
    }

    /// Lets the next instance behind this gate run, if there is one, and adds the vertices that it begins with.
    fn release(&mut self, gate: VertexId, begins: &mut Vec<VertexId>) {
        let Some(parts) = self.vertices.get_mut(gate as usize).and_then(|x| x.parts.as_mut())
        else {
            return;
        };
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
        let first = self.frames.len() as u32;
        let mut leaves = 0;
        for (plan, part) in &parts {
            leaves += plan.leaves().len() as u32;
            self.open_frame(plan.clone(), Some(holder), *part);
        }
        if let Some(x) = self.vertices.get_mut(gate as usize) {
            x.parts = Some(Parts { first, count: parts.len() as u32, released: 0, chosen });
        }
        if let Some(x) = self.vertices.get_mut(holder as usize) {
            x.waiting = leaves.max(1);
        }
    }

    /// Unwinding begins: counts what each vertex waits for, and settles those that need nothing.
    pub(super) fn begin_unwinding(&mut self, touched: &mut Vec<VertexId>) {
        let n = self.vertices.len() as u32;
        self.unsettled = n;
        for v in 0..n {
            let mut succs = 0;
            self.for_succs(v, |_| succs += 1);
            self.walked += u64::from(succs);
            if let Some(x) = self.vertices.get_mut(v as usize) {
                x.settling = Settling::Unsettled { successors: succs };
            }
        }
        for v in (0..n).rev() {
            self.settle(v, touched);
        }
        touched.extend(0..n);
    }

    /// Settles a vertex if all of its successors are settled and nothing is left to do about it; then the same
    /// for the vertices that waited for it.
    pub(super) fn settle(&mut self, v: VertexId, touched: &mut Vec<VertexId>) {
        let mut todo = vec![v];
        while let Some(v) = todo.pop() {
            let Some(x) = self.vertex(v) else { continue };
            if x.settling != (Settling::Unsettled { successors: 0 }) {
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
            let mut preds = Vec::new();
            self.for_preds(v, |pred| preds.push(pred));
            self.walked += preds.len() as u64;
            for pred in preds {
                if let Some(p) = self.vertices.get_mut(pred as usize)
                    && let Settling::Unsettled { successors } = &mut p.settling
                {
                    *successors = successors.saturating_sub(1);
                    if *successors == 0 {
                        todo.push(pred);
                    }
                }
            }
        }
    }
}
