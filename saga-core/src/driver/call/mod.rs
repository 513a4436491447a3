//! One call of an action or an undo, from the machine's decision to the event that reports its end.
//!
//! Out: [`Driver::start_call`] makes the call's context and adds its future to [`CallsInFlight`];
//! [`run_action`] (or [`run_undo`]) runs it with its timeout and contains its panics; from there on it is the
//! action's own `do_it`. Back: `CallsInFlight::poll_ended` finds that the call has ended, and
//! [`Driver::calls_ended`] makes an event of it.

mod attempt;
mod blocking;
mod in_flight;
mod output_limits;

use std::sync::Arc;

use futures_util::FutureExt;
use tracing::Instrument;

use super::Driver;
use super::current_call::CurrentCall;
use super::permits::Caller;
use super::task_state::TaskState;
use crate::context::{
    ActionContext, CallInfo, ContextInner, FencingToken, Shared, TransactionHandle,
};
use crate::machine::{ActionResult, AuthorizedCall, Event, VertexId};
pub(super) use attempt::{CallEnd, FailedAttempt};
use attempt::{run_action, run_undo};
use blocking::{CallLabel, TimedPolls};
pub(super) use in_flight::CallsInFlight;
pub(super) use output_limits::{OutputLimits, check_len};

impl<C: Send + Sync + 'static> Driver<C> {
    /// Runs a call that the log authorizes.
    pub(super) fn start_call(&mut self, call: AuthorizedCall, undo: bool, task: &mut TaskState) {
        // the machine authorizes calls only of nodes that have an action
        let Some(action) = self.values.action(&self.machine, call.vertex) else { return };
        let transactions = task.transactions.authorize(call);
        let Some(cx) = self.context(call, undo, Some(transactions)) else { return };
        let node = cx.inner.call.path.clone();
        let limits = self.output_limits(call.vertex);
        let permit = task.permits.take(call.vertex);
        let caller = Caller::new(&self.env.call_limits, &self.run.id, &node, permit.as_ref());
        let current = CurrentCall::new(&self.env.closing, caller);
        // what the action logs is found under its saga and node
        let span = tracing::debug_span!(
            target: "saga_core", "node", node = %node, attempt = call.attempt, undo
        );
        let (id, saga) = (self.run.id.clone(), self.values.name().into());
        let label = CallLabel { id, saga, node, attempt: call.attempt };
        let attempt = if undo {
            let output = match self.values.output(&self.machine, call.vertex) {
                Some(output) => Some(output.value),
                None => task.unstorable.get(&call.vertex).cloned(),
            };
            run_undo(action, cx, output, limits.max_payload, call.repeat).boxed()
        } else {
            run_action(action, cx, limits, call.repeat).boxed()
        };
        let attempt = TimedPolls::new(attempt, label).instrument(span);
        task.calls.add(call.vertex, permit, current, attempt);
    }

    /// The execution context of a call. `transactions` is `None` for a computed value, which has none.
    pub(super) fn context(
        &self,
        call: AuthorizedCall,
        undo: bool,
        transactions: Option<TransactionHandle>,
    ) -> Option<ActionContext<C>> {
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

    /// How large the output of a node may be.
    pub(super) fn output_limits(&self, v: VertexId) -> OutputLimits {
        let max_payload = self.env.limits.max_payload;
        OutputLimits { max_payload, lists: self.values.lists_around(&self.machine, v) }
    }

    /// Calls have ended. During a transaction it is not known yet what that means: it may be the very call whose
    /// transaction is in flight, ended by its timeout.
    pub(super) fn calls_ended(
        &mut self,
        ended: Vec<(VertexId, CallEnd)>,
        task: &mut TaskState,
    ) -> Vec<Event> {
        if task.transactions.is_active() {
            task.transactions.keep_ended(ended);
            return Vec::new();
        }
        ended.into_iter().map(|(vertex, end)| self.call_ended(vertex, end, task)).collect()
    }

    /// What the end of a call means to the machine.
    pub(super) fn call_ended(
        &mut self,
        vertex: VertexId,
        end: CallEnd,
        task: &mut TaskState,
    ) -> Event {
        let result = match end {
            CallEnd::Undo(result) => return Event::UndoDone { vertex, result },
            CallEnd::Action(Ok(output)) => {
                let payload = output.payload.clone();
                self.values.set(&self.machine, vertex, output);
                ActionResult::Ok(payload)
            }
            CallEnd::Action(Err(FailedAttempt { mut failure, in_doubt, output })) => {
                match (output, in_doubt) {
                    (Some(output), _) => {
                        task.unstorable.insert(vertex, output);
                        ActionResult::Unstorable(failure)
                    }
                    (None, true) => ActionResult::InDoubt(failure),
                    (None, false) => {
                        failure.rolled_back = task.transactions.was_rolled_back(vertex);
                        ActionResult::Failed(failure)
                    }
                }
            }
        };
        Event::ActionDone { vertex, result }
    }
}
