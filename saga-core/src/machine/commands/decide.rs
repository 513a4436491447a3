//! `decide` tells a parked saga how its pivot in doubt ended, and lets the saga go on. It also replaces an output
//! that nobody can read; the saga stays parked after that.

use super::{FollowUp, OperatorRequest, Rules, Written};
use crate::log::{Answer, Command, Decision, Failure, FailureKind, NodeEntry, NodePath, Refusal};
use crate::machine::Machine;
use crate::machine::progress::Progress;
use crate::machine::state::{SagaState, VertexId};
use crate::machine::vertex::{UndoProgress, Vertex};
use crate::plan::PlanKind;
use crate::planted::{Mistake, planted};

pub(super) struct Decide<'a> {
    pub(super) node: &'a NodePath,
    pub(super) decision: &'a Decision,
    pub(super) note: &'a str,
}

impl Rules for Decide<'_> {
    fn check(&self, state: &SagaState) -> Result<(), Answer> {
        let v = state.named(self.node)?;
        if state.is_replaceable(v) && self.decision.output().is_some() {
            return Ok(());
        }
        match state.node(v) {
            Some(n) if state.pivot() != Some(v) || !state.is_in_doubt(v) => {
                let (node, state) = (self.node.clone(), n.state);
                Err(Answer::Refused(Refusal::NotInDoubt { node, state }))
            }
            // while it is still retried, what somebody has found out may be wrong by now
            Some(_) | None if state.parked.is_none() => Err(Answer::Refused(Refusal::NotParked)),
            Some(_) | None => Ok(()),
        }
    }

    fn check_now(&self, machine: &Machine) -> Result<(), Answer> {
        if planted(Mistake::DecideDuringCall) { Ok(()) } else { machine.has_no_calls() }
    }

    fn follow_up(&self, machine: &Machine, request: &OperatorRequest) -> Option<FollowUp> {
        let entry = match self.decision.output() {
            Some(output) => NodeEntry::Succeeded(output),
            None => {
                let (by, note) = (&request.by, self.note);
                let why = format!("{by} decided that it did not take effect: {note}");
                NodeEntry::Failed(Failure::new(FailureKind::Failed, why).permanent().into())
            }
        };
        let v = machine.state.resolve(self.node.as_str());
        // after an output is replaced the saga stays parked: there may be more that nobody can read
        let replaces = v.is_some_and(|v| machine.state.is_replacing(v));
        FollowUp::node(v, entry).map(|next| next.unparking(!replaces))
    }

    fn is_answered_by(&self, _state: &SagaState, written: Written<'_>) -> bool {
        use NodeEntry::{Failed, InDoubt, Succeeded};
        matches!(written, Written::Node(Succeeded(_) | Failed(_) | InDoubt(_)))
    }
}

impl SagaState {
    /// True if an open request tells how this vertex, a pivot in doubt, has ended.
    pub(in crate::machine) fn is_deciding(&self, v: VertexId) -> bool {
        self.pivot() == Some(v) && self.is_decided(v)
    }

    fn is_decided(&self, v: VertexId) -> bool {
        self.asked().open.iter().any(|request| {
            matches!(&request.command, Command::Decide { node, .. } if self.resolve(node.as_str()) == Some(v))
        })
    }

    /// True if an operator may replace the output of this vertex, because nobody can read the one in the log. The
    /// machine cannot check that; it only checks that the saga is parked.
    fn is_replaceable(&self, v: VertexId) -> bool {
        if self.parked.is_none() {
            return false;
        }
        let stored = matches!(self.kind(v), Some(PlanKind::Action(_) | PlanKind::Value));
        let done =
            |x: &Vertex| x.progress == Progress::Completed && x.undo == UndoProgress::NotStarted;
        stored && self.vertex(v).is_some_and(done)
    }

    /// True if an open request replaces the output of this vertex.
    pub(in crate::machine) fn is_replacing(&self, v: VertexId) -> bool {
        self.is_replaceable(v) && self.is_decided(v)
    }
}
