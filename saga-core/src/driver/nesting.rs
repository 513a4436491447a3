//! Composite nodes (subsagas, `for`, `if` and `match`): the frames of their parts, the decision how many parts
//! there are, and when their outputs can be made of those of the parts.

use std::sync::Arc;

use super::values::{Opened, Values};
use crate::context::{Frame, Outer};
use crate::dag::{AnyDag, CompositeInput, NodeBody};
use crate::error::ActionError;
use crate::log::{Failure, Payload};
use crate::machine::{Machine, Part, SagaState, VertexId};
use crate::names::Source;
use crate::panics;
use crate::plan::PlanKind;
use crate::planted::{Mistake, planted};
use crate::value::ActionOutput;

impl Values {
    /// Opens the frames that the machine has opened, and provides the outputs of composite nodes that
    /// have completed. Each may need the other, and both wait for outputs that are not read yet.
    pub(crate) fn follow(&mut self, state: &SagaState) {
        loop {
            let (opened, collected) = (self.opened(), self.collected);
            while let Some((holder, _)) = state.part_of(self.opened()) {
                let Some(opened) = self.open(state, self.opened(), holder) else { break };
                self.add_frames(opened);
            }
            while let Some(&holder) = state.collected().get(self.collected) {
                let Some(()) = self.collect(state, holder) else { break };
                self.collected += 1;
                self.gathered = 0;
            }
            if (opened, collected) == (self.opened(), self.collected) {
                return;
            }
        }
    }

    /// The frames of one node, of which this is the first; `None` as long as something that they need is missing. The `else`
    /// of a `try` is opened when it begins.
    fn open(&self, state: &SagaState, first: u32, holder: VertexId) -> Option<Vec<Opened>> {
        let (outer, node) = self.place_in(state, holder)?;
        let items = match &outer.dag.node(node)?.body {
            NodeBody::ForEach(each) => each.item_source(),
            NodeBody::Action(_)
            | NodeBody::Constant { .. }
            | NodeBody::Computed(_)
            | NodeBody::Subsaga { .. }
            | NodeBody::Wait(_)
            | NodeBody::Choose(_)
            | NodeBody::Try(_) => None,
        };
        let inside = |dag: &Arc<AnyDag>, frame, instance: Option<u32>| {
            let around = outer.frame.clone();
            let lists = around.lists + u32::from(instance.is_some());
            let outer = Outer { frame: around, node, instance, items: items.clone() };
            let frame = Arc::new(Frame { outer: Some(outer), lists, ..frame });
            Opened { dag: dag.clone(), frame }
        };
        let part = |dag: &Arc<AnyDag>, params, instance| inside(dag, dag.frame(params), instance);
        let same = || outer.params.clone();
        let parts = state.parts(holder)?;
        match &outer.dag.node(node)?.body {
            NodeBody::Action(_)
            | NodeBody::Constant { .. }
            | NodeBody::Computed(_)
            | NodeBody::Wait(_) => None,
            NodeBody::Subsaga { dag, params } => {
                let made = match params {
                    CompositeInput::Output(name) => {
                        let node = outer.dag.node_index(name.as_str())?;
                        match (outer.output(node), outer.broken(node)) {
                            (Some(output), _) => Ok(output.clone()),
                            (None, broken) => Err(broken?.clone()),
                        }
                    }
                    CompositeInput::Closure(closure, sources) => {
                        if !sources.iter().all(|source| is_there(outer, *source)) {
                            return None;
                        }
                        let path = || state.path(holder);
                        self.evaluations.params(path, || closure.make(outer, sources));
                        panics::contain(|| closure.make(outer, sources)).unwrap_or_else(|message| {
                            Err(ActionError::SubsagaCreateFailed { message })
                        })
                    }
                };
                let frame = match made {
                    Ok(params) => dag.frame(params),
                    Err(error) => dag.refused_frame(error),
                };
                Some(vec![Opened { dag: dag.clone(), frame: Arc::new(frame) }])
            }
            NodeBody::ForEach(each) => match each.items.node() {
                None => Some(
                    (0..parts.len() as u32).map(|i| part(&each.body, same(), Some(i))).collect(),
                ),
                Some(items) => {
                    let items = outer.dag.node_index(items.as_str())?;
                    if let Some(error) = outer.broken(items) {
                        let refused = |i| {
                            let frame = each.body.refused_frame(error.clone());
                            inside(&each.body, frame, Some(i))
                        };
                        return Some((0..parts.len() as u32).map(refused).collect());
                    }
                    outer.output(items)?;
                    // an item that is gone reads as null, which `recheck` reports before anything runs
                    let mut items = each.listed(outer).unwrap_or_default();
                    if planted(Mistake::ItemOfAnotherInstance) {
                        items.reverse();
                    }
                    let items = items.into_iter();
                    let items = items.map(|item| Payload::from(item.get().as_bytes()));
                    let items = items.chain(std::iter::repeat(Payload::from(&b"null"[..])));
                    let frames = (0..parts.len() as u32).zip(items).map(|(i, item)| {
                        let item = ActionOutput::decode::<serde_json::Value>(&item).ok()?;
                        Some(part(&each.body, item, Some(i)))
                    });
                    frames.collect()
                }
            },
            NodeBody::Try(attempt) => match state.part_of(first)? {
                (_, Part::Arm(arm)) => {
                    Some(vec![part(attempt.parts.get(arm as usize)?, same(), None)])
                }
                (_, Part::Whole | Part::Instance(_)) => None,
            },
            NodeBody::Choose(choose) => {
                let frames = parts.map(|frame| match state.part_of(frame)? {
                    (_, Part::Arm(arm)) => Some(part(choose.arms.get(arm as usize)?, same(), None)),
                    (_, Part::Whole | Part::Instance(_)) => None,
                });
                frames.collect()
            }
        }
    }

    /// Provides the output of a composite node, or of a wait; `None` as long as the output of a part is missing.
    fn collect(&mut self, state: &SagaState, holder: VertexId) -> Option<()> {
        if let Some(waited) = state.waited(holder) {
            return self.received(state, holder, waited);
        }
        let parts = state.parts(holder)?;
        while let Some(frame) = parts.clone().nth(self.gathered as usize) {
            let frame = self.frame(frame)?;
            if frame.dag.output().is_some_and(|output| !frame.is_known(output)) {
                return None;
            }
            self.gathered += 1;
        }
        let (outer, node) = self.place_in(state, holder)?;
        match &outer.dag.node(node)?.body {
            NodeBody::Subsaga { .. } => {
                let inner = self.frame(parts.start)?;
                let output = match inner.dag.output() {
                    None => ActionOutput::new(()),
                    Some(output) => match (inner.output(output), inner.broken(output)) {
                        (Some(output), _) => Ok(output.clone()),
                        (None, error) => Err(error.cloned().unwrap_or_else(lost)),
                    },
                };
                outer.put(node, output);
            }
            NodeBody::Action(_)
            | NodeBody::Constant { .. }
            | NodeBody::Computed(_)
            | NodeBody::ForEach(_)
            | NodeBody::Wait(_)
            | NodeBody::Choose(_)
            | NodeBody::Try(_) => match self.parts_output(state, holder) {
                Ok(output) => outer.put_later(node, move || output.make()),
                Err(error) => outer.put(node, Err(error)),
            },
        }
        Some(())
    }

    /// Decides how many instances a `for` has, or which arm is taken.
    pub(super) fn choose(&self, machine: &Machine, v: VertexId) -> Result<u64, Failure> {
        let state = machine.state();
        let max = self.max_width as u64;
        let is_width = matches!(state.kind(v), Some(PlanKind::ForEach { .. }));
        self.evaluations.decision(|| state.path(v), is_width, || self.decide(state, v));
        let chosen = self.decide(state, v).and_then(|n| match state.kind(v) {
            Some(PlanKind::ForEach { .. }) if n > max => Err(ActionError::from_error(format!(
                "node `{}` would have {n} instances, more than the limit of {max}; raise `Limits::max_width`",
                state.path(v)
            ))),
            _ => Ok(n),
        });
        chosen.map_err(|error| error.to_failure(false))
    }

    fn decide(&self, state: &SagaState, v: VertexId) -> Result<u64, ActionError> {
        let (frame, node) = self.place_in(state, v).ok_or_else(lost)?;
        match frame.dag.node(node).map(|node| &node.body) {
            Some(NodeBody::Choose(choose)) => choose.arm(frame),
            Some(NodeBody::ForEach(each)) => each.width(frame),
            Some(
                NodeBody::Action(_)
                | NodeBody::Constant { .. }
                | NodeBody::Computed(_)
                | NodeBody::Wait(_)
                | NodeBody::Subsaga { .. }
                | NodeBody::Try(_),
            )
            | None => Err(lost()),
        }
    }

    /// Repeats the decisions that the log records, and says why the saga must not resume if one differs. A
    /// saga that rolls back needs no decisions.
    pub(crate) fn recheck(&self, state: &SagaState) -> Option<String> {
        if state.cause().is_some() {
            return None;
        }
        let refused = (0..self.opened()).find_map(|i| {
            let frame = self.frame(i)?;
            let error = frame.refused.as_ref().filter(|_| frame.has_outputs())?;
            let holder = state.path(state.part_of(i)?.0);
            Some(format!("nondeterministic: subsaga `{holder}` ran, and now: {error}"))
        });
        if refused.is_some() {
            return refused;
        }
        (0..state.len()).find_map(|v| {
            let is_node = state.place(v).is_some_and(|(_, _, gate)| !gate);
            let parts = state.parts(v).filter(|_| is_node)?;
            let (what, then) = match state.kind(v)? {
                PlanKind::ForEach { .. } => ("width", parts.len() as u64),
                PlanKind::Choose(arms) => {
                    let arm = parts.clone().next().and_then(|part| state.part_of(part));
                    match arm {
                        Some((_, Part::Arm(arm))) => ("arm", u64::from(arm)),
                        Some((_, Part::Whole | Part::Instance(_))) | None => {
                            ("arm", arms.len() as u64)
                        }
                    }
                }
                PlanKind::Action(_)
                | PlanKind::Value
                | PlanKind::Wait(_)
                | PlanKind::Subsaga(_)
                | PlanKind::Try { .. } => return None,
            };
            let now = match self.decide(state, v) {
                Ok(now) if now == then => return None,
                Ok(now) => now.to_string(),
                Err(error) => error.to_string(),
            };
            Some(format!(
                "nondeterministic: node `{}` decided for {what} {then}, and decides now: {now}",
                state.path(v)
            ))
        })
    }
}

pub(super) fn lost() -> ActionError {
    ActionError::from_error("an output that was recorded is not there")
}

/// True once the value of this source is known.
fn is_there(frame: &Frame, source: Source) -> bool {
    match source {
        Source::Node(body, node) => frame.enclosing(body).is_some_and(|frame| frame.is_known(node)),
        // an item represents the sources of its `for`, which are listed with it
        Source::Param(_) | Source::Item(_) => true,
    }
}
