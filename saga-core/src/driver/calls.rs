//! The calls of one saga: what goes into one, and what its end means.

use std::collections::HashMap;
use std::sync::Arc;

use tracing::Instrument;

use super::Driver;
use super::blocking::{CallLabel, TimedPolls};
use super::call::{self, CallEnd, FailedAttempt, OutputLimits};
use super::current_call::CurrentCall;
use super::in_flight::InFlight;
use super::permits::Caller;
use crate::context::{
    ActionContext, CallInfo, ContextInner, FencingToken, Shared, TransactionHandle,
};
use crate::machine::{ActionResult, Call, Event, VertexId};
use crate::panics::Contained;
use crate::value::Value;

/// Which call a context is for.
pub(super) struct ContextOf {
    pub(super) call: Call,
    pub(super) undo: bool,
    /// How it asks for a transaction; none where no action runs.
    pub(super) transactions: Option<TransactionHandle>,
}

impl<C: Send + Sync + 'static> Driver<C> {
    pub(super) fn start(&mut self, call: Call, undo: bool, in_flight: &mut InFlight) {
        let Some(action) = self.values.action(&self.machine, call.vertex) else {
            // a call is authorized for nodes with an action only
            return;
        };
        let transactions = Some(in_flight.transactions.authorize(call));
        let Some(cx) = self.context(ContextOf { call, undo, transactions }) else { return };
        let room = in_flight.permits.take(call.vertex);
        let caller =
            Caller::new(&self.env.bounds, &self.run.id, &cx.inner.call.path, room.as_ref());
        let inside = CurrentCall::new(&self.env.closing, caller);
        let (repeat, space) = (call.repeat, self.space(call.vertex));
        // what the action logs is found under its saga and node
        let span = tracing::debug_span!(
            target: "saga_core", "node", node = %cx.inner.call.path, attempt = call.attempt, undo
        );
        let label = CallLabel {
            id: self.run.id.clone(),
            saga: self.values.name().into(),
            node: cx.inner.call.path.clone(),
            attempt: call.attempt,
        };
        if undo {
            let output = match self.values.output(&self.machine, call.vertex) {
                Some(output) => Some(output.value),
                None => in_flight.kept.get(&call.vertex).cloned(),
            };
            in_flight.calls.add(
                call.vertex,
                room,
                inside,
                TimedPolls::new(call::undo(action, cx, output, space.max_payload, repeat), label)
                    .instrument(span),
            );
        } else {
            in_flight.calls.add(
                call.vertex,
                room,
                inside,
                TimedPolls::new(call::action(action, cx, space, repeat), label).instrument(span),
            );
        }
    }

    /// How much room there is for the output of a node.
    pub(super) fn space(&self, v: VertexId) -> OutputLimits {
        let max_payload = self.env.limits.max_payload;
        OutputLimits { max_payload, lists: self.values.lists_around(&self.machine, v) }
    }

    pub(super) fn context(&self, of: ContextOf) -> Option<ActionContext<C>> {
        let ContextOf { call, undo, transactions } = of;
        let (opened, node) = self.values.place(&self.machine, call.vertex)?;
        let inner = ContextInner {
            run: self.run.clone(),
            frame: opened.frame,
            call: CallInfo {
                node,
                path: self.machine.state().path(call.vertex),
                attempt: call.attempt,
                undo,
                cancellable: !undo && !call.unwinding,
                token: FencingToken { epoch: self.epoch, seq: call.seq },
                transactions,
            },
        };
        Some(ActionContext { user: self.env.user.clone(), inner: Shared::new(Arc::new(inner)) })
    }

    /// A call ended: what that means for the machine.
    pub(super) fn ended(
        &mut self,
        v: VertexId,
        end: CallEnd,
        kept: &mut HashMap<VertexId, Contained<Value>>,
    ) -> Event {
        match end {
            CallEnd::Action(Ok(output)) => {
                let payload = output.payload.clone();
                self.values.set(&self.machine, v, output);
                Event::ActionDone { vertex: v, result: ActionResult::Ok(payload) }
            }
            CallEnd::Action(Err(FailedAttempt { failure, in_doubt, output })) => {
                let result = match (output, in_doubt) {
                    (Some(output), _) => {
                        kept.insert(v, output);
                        ActionResult::Unstorable(failure)
                    }
                    (None, true) => ActionResult::InDoubt(failure),
                    (None, false) => ActionResult::Failed(failure),
                };
                Event::ActionDone { vertex: v, result }
            }
            CallEnd::Undo(result) => Event::UndoDone { vertex: v, result },
        }
    }
}
