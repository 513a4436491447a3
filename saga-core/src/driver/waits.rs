//! Nodes that wait: when their timers are due, what events they read, and their outputs.

use super::nesting::lost;
use super::unreadable::UnreadableValue;
use super::values::Values;
use crate::dag::{AnyDag, NodeBody, ReadEvent};
use crate::error::ActionError;
use crate::json::has_room;
use crate::log::{Failure, Payload};
use crate::machine::{Due, Machine, SagaState, VertexId, Waited};
use crate::names::EventType;
use crate::panics;

impl Values {
    /// When the timers of a wait are due that begins now.
    pub(super) fn times(&self, machine: &Machine, v: VertexId) -> Result<Vec<Due>, Failure> {
        let times = || {
            let (frame, node) = self.place(machine, v).ok_or_else(lost)?;
            match frame.dag.node(node).map(|node| &node.body) {
                Some(NodeBody::Wait(wait)) => wait.times(frame),
                Some(
                    NodeBody::Action(_)
                    | NodeBody::Constant { .. }
                    | NodeBody::Computed(_)
                    | NodeBody::Subsaga { .. }
                    | NodeBody::ForEach(_)
                    | NodeBody::Choose(_)
                    | NodeBody::Try(_),
                )
                | None => Err(lost()),
            }
        };
        times().map_err(|error| error.to_failure(false))
    }

    /// Provides the output of a wait that has ended.
    pub(super) fn received(
        &mut self,
        state: &SagaState,
        v: VertexId,
        waited: &Waited,
    ) -> Option<()> {
        let (frame, node) = self.place_in(state, v)?;
        let NodeBody::Wait(wait) = &frame.dag.node(node)?.body else { return None };
        let output = panics::contain(|| wait.make(waited))
            .unwrap_or_else(|message| Err(ActionError::DeserializeFailed { message }));
        let error = output.as_ref().err().cloned();
        frame.put(node, output);
        if let Some(error) = error {
            self.unreadable.note(UnreadableValue::output(state.path(v), error));
        }
        Some(())
    }

    /// Checks that a payload is an event that this saga can read. A type of event for which it has no wait is left to the
    /// machine.
    pub(super) fn check_event(&self, event: &EventType, payload: &Payload) -> Result<(), String> {
        let Some(read) = reader(&self.root().dag, event) else { return Ok(()) };
        let read = panics::contain(|| read(payload).map(drop))
            .unwrap_or_else(|message| Err(ActionError::DeserializeFailed { message }));
        match read {
            Err(error) => Err(format!("this is not an event {event}: {error}")),
            // the entry of the request contains it
            Ok(()) if !has_room(payload.as_bytes()) => {
                Err(format!("the event {event} is nested too deep for a log entry"))
            }
            Ok(()) if payload.as_bytes() == b"null" => {
                Err(format!("the event {event} is `null`, which means that there is none"))
            }
            Ok(()) => Ok(()),
        }
    }
}

/// How an event of this type is read, if a node of this DAG waits for it.
fn reader(dag: &AnyDag, event: &EventType) -> Option<ReadEvent> {
    dag.nodes().find_map(|node| match &node.body {
        NodeBody::Wait(wait) => wait.reader(event),
        NodeBody::Action(_)
        | NodeBody::Constant { .. }
        | NodeBody::Computed(_)
        | NodeBody::Subsaga { .. }
        | NodeBody::ForEach(_)
        | NodeBody::Choose(_)
        | NodeBody::Try(_) => node.body.parts().iter().find_map(|part| reader(part, event)),
    })
}
