//! `resolve` tells a saga that a human has dealt with the effect that a failed undo has left.

use super::{FollowUp, Granted, OperatorRequest, Rules, Written};
use crate::log::{Answer, Command, NodeEntry, NodePath, Resolution};
use crate::machine::Machine;
use crate::machine::state::{SagaState, VertexId};
use crate::planted::{Mistake, planted};

pub(super) struct Resolve<'a> {
    pub(super) node: &'a NodePath,
    pub(super) note: &'a str,
}

impl Rules for Resolve<'_> {
    fn check(&self, state: &SagaState) -> Result<(), Answer> {
        state.undo_has_failed(self.node)
    }

    fn check_now(&self, machine: &Machine) -> Result<(), Answer> {
        if planted(Mistake::ResolveDuringCall) { Ok(()) } else { machine.has_no_calls() }
    }

    fn reorders(&self) -> bool {
        true
    }

    fn grant(&self, state: &mut SagaState, _touched: &mut Vec<VertexId>) -> Granted {
        state.ended = None;
        Granted::Open
    }

    fn follow_up(&self, machine: &Machine, request: &OperatorRequest) -> Option<FollowUp> {
        let how = Resolution { by: request.by.clone(), note: self.note.to_string() };
        let resolved = NodeEntry::Resolved(how.into());
        FollowUp::node(machine.state.resolve(self.node.as_str()), resolved)
    }

    fn is_answered_by(&self, _state: &SagaState, written: Written<'_>) -> bool {
        matches!(written, Written::Node(NodeEntry::Resolved(_)))
    }
}

impl SagaState {
    /// True if an open request says that a human has dealt with the effect of this vertex.
    pub(in crate::machine) fn is_resolving(&self, v: VertexId) -> bool {
        self.asked().open.iter().any(|request| {
            matches!(&request.command, Command::Resolve { node, .. } if self.resolve(node.as_str()) == Some(v))
        })
    }
}
