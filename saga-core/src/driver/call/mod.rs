//! One call of an action or an undo, from the machine's decision to the event that reports its end.
//!
//! Out: [`Driver::start_call`] makes the call's context and adds the call to [`CallsInFlight`];
//! [`GuardedAttempt`] runs it with its timeout and contains its panics; from there on it is the action's own
//! `do_it`. Back: `CallsInFlight::poll_ended` finds that the call has ended, and [`Driver::calls_ended`] makes
//! an event of it.

mod attempt;
mod blocking;
mod by_vertex;
#[cfg_attr(not(feature = "testing"), path = "no_faults.rs")]
mod faults;
mod in_flight;
mod output_limits;
mod probe;
mod several;
mod timeout;

use std::sync::Arc;

use super::current_call::CurrentCall;
use super::task_state::TaskState;
use super::trace_links::call_span;
use super::values::Opened;
use super::{Driver, Lease, Stopwatch};
use crate::context::{
    ActionContext, AnyContext, CallInfo, ContextInner, Shared, StartCount, Transactions,
};
use crate::crash_points::crash_point;
use crate::machine::{ActionResult, AuthorizedCall, Effect, Event, VertexId};
use crate::names::NodeIndex;
use crate::panics::Contained;
use crate::store::StoreError;
pub(super) use attempt::{CallEnd, FailedAttempt};
use attempt::{Called, GuardedAttempt};
use blocking::PollTimes;
use faults::InjectedFault;
#[cfg(feature = "testing")]
pub(crate) use faults::{
    CallFaults, CallPlan, FaultEffect, FaultyCall, InjectedFailure, MockedAction,
};
use in_flight::Call;
pub(super) use in_flight::{CallsInFlight, EndedCall};
pub(super) use output_limits::{OutputLimits, check_len};

/// What is called.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum CallKind {
    Action,
    Undo,
    Probe,
}

impl Driver {
    /// Runs a call that the log authorizes, or asks an action whether it took effect.
    pub(super) fn start_call(
        &mut self,
        authorized: AuthorizedCall,
        kind: CallKind,
        task: &mut TaskState<'_>,
    ) {
        let v = authorized.vertex;
        match kind {
            CallKind::Action => crash_point("driver.call.starting"),
            CallKind::Undo => crash_point("driver.undo.starting"),
            CallKind::Probe => crash_point("driver.probe.starting"),
        }
        let undo = kind == CallKind::Undo;
        // the machine authorizes calls only of nodes that have an action
        let Some(node) = task.dags.node(self.machine.state(), v) else { return };
        let Some(action) = node.body.action() else { return };
        let Some((opened, at)) = self.values.place(&self.machine, v) else { return };
        let called = match opened.refused(&self.machine, v, at) {
            None => Called::Action { node, action },
            Some(refused) => Called::Refused(Arc::new(refused)),
        };
        let transactions = match kind {
            CallKind::Action | CallKind::Undo => Transactions::Possible,
            CallKind::Probe => Transactions::NoAction,
        };
        let context = self.call_context(opened, at, authorized, undo, transactions);
        if matches!(called, Called::Action { .. }) {
            let path = &context.call.path;
            let context = || ActionContext { user: self.env.user.clone(), inner: context.clone() };
            self.values.evaluations.arguments(path, &**action, context);
        }
        let saga = (&self.run.id, self.values.name());
        let fault = InjectedFault::of(&self.env, saga, node, action, &context.call, kind);
        task.transactions.call_begins(v);
        let permit = task.permits.take(v);
        let span = call_span(&context.call.path, authorized.attempt, kind);
        self.origin.link(&span);
        let span = (!span.is_disabled()).then(|| Box::new(span));
        let current = CurrentCall::new(context, &self.env, permit.as_ref());
        let output = match undo.then(|| opened.output(at)) {
            None => Contained::default(),
            Some(Some(output)) => output.value.clone(),
            Some(None) => task.kept(v).cloned().unwrap_or_default(),
        };
        let limits = self.limits_within(opened.lists);
        let attempt = GuardedAttempt::new(called, (kind, output), limits, authorized.repeat, fault);
        let (attempt, times) = (Some(attempt), PollTimes::default());
        let stopwatch = Stopwatch::default();
        task.calls.add(Call { vertex: v, attempt, current, span, times, stopwatch, permit });
    }

    /// Why this call may not begin, if it is one: the lease of this process has ended since the log authorized it.
    pub(super) fn may_not_begin(
        &self,
        effect: &Effect,
        task: &mut TaskState<'_>,
    ) -> Option<StoreError> {
        let (Effect::RunAction(call) | Effect::RunUndo(call) | Effect::Probe(call)) = effect else {
            return None;
        };
        if matches!(effect, Effect::Probe(_)) && task.lease_term == 0 {
            // a saga that was just loaded asks without an append before it
            task.lease_term = self.env.lease_term();
        }
        let is_lost = || task.permits.is_lost(call.vertex);
        let lost = || is_lost().then(|| self.env.lease.as_ref().map(Lease::error));
        self.env.lease_error(task.lease_term).or_else(|| lost().flatten())
    }

    /// The execution context of a computed value, which has no transactions.
    pub(super) fn context(&self, authorized: AuthorizedCall) -> Option<ActionContext<AnyContext>> {
        let (opened, node) = self.values.place(&self.machine, authorized.vertex)?;
        let inner = self.call_context(opened, node, authorized, false, Transactions::NoAction);
        Some(ActionContext { user: self.env.user.clone(), inner })
    }

    /// The part of the context of a call that does not depend on the user's type.
    fn call_context(
        &self,
        opened: &Opened,
        node: NodeIndex,
        authorized: AuthorizedCall,
        undo: bool,
        transactions: Transactions,
    ) -> Shared<ContextInner> {
        let path = self.machine.state().path(authorized.vertex);
        Shared::new(Arc::new(ContextInner {
            run: self.run.clone(),
            frame: opened.frame.clone(),
            call: CallInfo {
                node,
                path,
                authorized,
                undo,
                epoch: self.epoch,
                transactions,
                starts: StartCount::default(),
            },
        }))
    }

    /// How large the output of a node may be.
    pub(super) fn output_limits(&self, v: VertexId) -> OutputLimits {
        let place = self.values.place(&self.machine, v);
        self.limits_within(place.map_or(0, |(opened, _)| opened.lists))
    }

    fn limits_within(&self, lists: u32) -> OutputLimits {
        OutputLimits { max_payload: self.env.limits.max_payload, lists: lists as usize }
    }

    /// Calls have ended. During a transaction it is not known yet what that means: it may be the very call whose
    /// transaction is in flight, ended by its timeout.
    pub(super) fn calls_ended(
        &mut self,
        lone: Option<EndedCall>,
        task: &mut TaskState<'_>,
        events: &mut Vec<Event>,
    ) {
        if task.transactions.is_active() {
            task.transactions.keep_ended(lone);
            task.transactions.keep_ended(task.calls.take_ended());
            return;
        }
        events.extend(lone.map(|(vertex, end)| self.call_ended(vertex, end, task)));
        let mut ended = task.calls.take_ended();
        events.extend(ended.drain(..).map(|(vertex, end)| self.call_ended(vertex, end, task)));
        task.calls.use_again(ended);
    }

    /// What the end of a call means to the machine.
    pub(super) fn call_ended(
        &mut self,
        vertex: VertexId,
        end: CallEnd,
        task: &mut TaskState<'_>,
    ) -> Event {
        let result = match end {
            CallEnd::Undo(result) => {
                crash_point("driver.undo.ended");
                return Event::UndoDone { vertex, result: result.map_err(|failure| *failure) };
            }
            CallEnd::Probe(answer) => {
                crash_point("driver.probe.ended");
                return Event::Probed { vertex, answer: self.probed(vertex, answer) };
            }
            CallEnd::Action(Ok(output)) => {
                crash_point("driver.call.ended");
                let payload = output.payload.clone();
                self.values.set(&self.machine, vertex, output);
                ActionResult::Ok(payload)
            }
            CallEnd::Action(Err(failed)) => {
                crash_point("driver.call.failed");
                let FailedAttempt { mut failure, in_doubt, output } = *failed;
                match (output, in_doubt) {
                    (Some(output), _) => {
                        task.keep(vertex, output);
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
