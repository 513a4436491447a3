//! `inject` puts a fault into a node, for a test. The fault is in the log, so it survives a crash.

use super::{FollowUp, OperatorRequest, Rules, Written};
use crate::log::{Answer, Fault, NodePath, Refusal, SagaEntry};
use crate::machine::Machine;
use crate::machine::state::{SagaState, VertexId};
use crate::plan::PlanKind;

pub(super) struct Inject<'a> {
    pub(super) node: &'a NodePath,
    pub(super) fault: Fault,
}

impl Rules for Inject<'_> {
    /// A node that does not exist yet can be named too, if its outermost holder exists.
    fn check(&self, state: &SagaState) -> Result<(), Answer> {
        state.has_not_ended()?;
        let node = self.node;
        let first = node.as_str().split(['/', '[', '#']).next().unwrap_or_default();
        if state.resolve(first).is_none() {
            return Err(Answer::Refused(Refusal::NoSuchNode { node: node.clone() }));
        }
        match state.resolve(node.as_str()).and_then(|v| state.kind(v)) {
            None | Some(PlanKind::Action(_)) => Ok(()),
            Some(
                PlanKind::Value
                | PlanKind::Wait(_)
                | PlanKind::Subsaga(_)
                | PlanKind::ForEach { .. }
                | PlanKind::Choose(_)
                | PlanKind::Try { .. },
            ) => {
                let why = format!("node `{node}` has no action of its own, name one that has");
                Err(Answer::Refused(Refusal::Invalid { why }))
            }
        }
    }

    fn follow_up(&self, machine: &Machine, _request: &OperatorRequest) -> Option<FollowUp> {
        let state = &machine.state;
        // the path as the log writes it, if the node exists
        let found = state.resolve(self.node.as_str());
        let at = found.map_or_else(|| self.node.clone(), |v| state.path(v));
        FollowUp::saga(SagaEntry::Injected { at, fault: self.fault })
    }

    fn is_answered_by(&self, _state: &SagaState, written: Written<'_>) -> bool {
        matches!(written, Written::Saga(SagaEntry::Injected { .. }))
    }
}

/// The faults that tests have injected into one node.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(in crate::machine) struct Faults {
    pub(in crate::machine) error: bool,
    pub(in crate::machine) undo_error: bool,
    pub(in crate::machine) repeat: Option<u32>,
}

impl SagaState {
    pub(in crate::machine) fn injected(&mut self, at: &NodePath, fault: Fault) {
        let faults = self.asked_mut().faults.entry(at.clone()).or_default();
        match fault {
            Fault::Error => faults.error = true,
            Fault::UndoError => faults.undo_error = true,
            Fault::Repeat(n) => faults.repeat = Some(n),
        }
    }

    /// The faults that tests have injected into this node.
    pub(in crate::machine) fn faults(&self, v: VertexId) -> Faults {
        let faults = &self.asked().faults;
        if faults.is_empty() {
            return Faults::default();
        }
        faults.get(&self.path(v)).copied().unwrap_or_default()
    }
}
