//! What the task of one saga has in flight, and what wakes it.

use std::collections::BTreeMap;
use std::task::{Context, Poll};

use futures_util::future::BoxFuture;
use tokio::task::coop::poll_proceed;

use super::append::AppendInFlight;
use super::call::{CallsInFlight, EndedCall};
use super::dags::RunDags;
use super::events::SagaEvent;
use super::link::{Control, TaskLink};
use super::permits::SagaPermits;
use super::requests::WaitingOperators;
use super::transaction::TransactionQueue;
use super::{Environment, Stopwatch};
use crate::clock::ClockView;
use crate::dag::AnyDag;
use crate::log::SagaStatus;
use crate::machine::{Effect, VertexId};
use crate::panics::Contained;
use crate::store::{SagaRecord, StoreError};
use crate::value::Value;

/// The answer to an append; for a new saga whose id is taken, the saga that has it.
pub(super) type AppendResult = Result<Option<Box<SagaRecord>>, StoreError>;

/// What a task has in flight. What is in flight borrows the store and the DAGs. There may be very many tasks that
/// only wait, so what few of them have is boxed.
pub(super) struct TaskState<'a> {
    pub(super) env: &'a Environment,
    pub(super) dags: RunDags<'a>,
    /// What the machine has decided and is not done yet.
    pub(super) effects: Vec<Effect>,
    pub(super) calls: CallsInFlight<'a>,
    pub(super) permits: SagaPermits,
    pub(super) append: Option<AppendInFlight<'a>>,
    pub(super) append_time: Stopwatch,
    /// The events of the append in flight, for observers.
    pub(super) written: Box<[SagaEvent]>,
    pub(super) operators: WaitingOperators,
    pub(super) transactions: TransactionQueue,
    pub(super) timer: Option<BoxFuture<'static, ()>>,
    /// When the saga leaves memory, if nothing happens until then.
    pub(super) lingers: Option<BoxFuture<'static, ()>>,
    /// Outputs that could not be stored, for their undos.
    unstorable: Option<Box<UnstorableOutputs>>,
    /// The term of the lease in which the store was asked for the last append, if the store is shared.
    pub(super) lease_term: u64,
    /// Why the last append failed.
    pub(super) store_error: Option<Box<StoreError>>,
    /// True once a shutdown has stopped the saga.
    pub(super) stopped: bool,
    /// True once handles know that the saga is in the store.
    pub(super) created: bool,
    /// The status that handles were last told.
    pub(super) reported: Option<SagaStatus>,
    /// True if the append in flight records progress.
    pub(super) appends_progress: bool,
    /// True if the saga has made progress since it was loaded.
    pub(super) made_progress: bool,
    /// True once an operator has decided the output of a node, which then comes from the log.
    pub(super) output_decided: bool,
}

#[derive(Default)]
struct UnstorableOutputs(BTreeMap<VertexId, Contained<Value>>);

/// What woke the task.
pub(super) enum Wakeup {
    Appended(AppendResult),
    /// A call requested a transaction.
    TransactionRequested,
    /// The transaction in flight has ended.
    Transacted(Result<(), StoreError>),
    /// Calls have ended: the only one, or one or more of several.
    CallsEnded(Option<EndedCall>),
    PermitsGranted(Vec<VertexId>),
    Tick,
    /// The saga has only waited for a while.
    Lingered,
    Control(Control),
}

impl<'a> TaskState<'a> {
    pub(super) fn new(env: &'a Environment, dag: &'a AnyDag) -> Self {
        Self {
            env,
            dags: RunDags::new(dag),
            // mostly there is one at a time
            effects: Vec::with_capacity(1),
            calls: CallsInFlight::default(),
            permits: SagaPermits::default(),
            append: None,
            append_time: Stopwatch::default(),
            written: Box::default(),
            operators: WaitingOperators::default(),
            transactions: TransactionQueue::default(),
            timer: None,
            lingers: None,
            unstorable: None,
            lease_term: 0,
            store_error: None,
            stopped: false,
            created: false,
            reported: None,
            appends_progress: false,
            made_progress: false,
            output_decided: false,
        }
    }

    /// Keeps an output that could not be stored.
    pub(super) fn keep(&mut self, vertex: VertexId, output: Contained<Value>) {
        self.unstorable.get_or_insert_default().0.insert(vertex, output);
    }

    /// An output that could not be stored.
    pub(super) fn kept(&self, vertex: VertexId) -> Option<&Contained<Value>> {
        self.unstorable.as_ref()?.0.get(&vertex)
    }

    /// True if nothing is left to wait for but calls that a shutdown has interrupted.
    pub(super) fn only_interrupted_calls_left(&self) -> bool {
        let busy = self.calls.vertices().next().is_some()
            || self.append.is_some()
            || self.transactions.is_active();
        !busy && self.effects.is_empty() && self.calls.interrupted().next().is_some()
    }

    /// True if nothing of the saga is in flight, and nobody here waits for an answer of it.
    pub(super) fn is_at_rest(&self) -> bool {
        let idle =
            self.effects.is_empty() && self.append.is_none() && !self.transactions.is_active();
        idle && self.created && !self.stopped && self.operators.is_empty()
    }

    /// Ready with what happened; otherwise the task sleeps until something happens.
    pub(super) fn poll(
        &mut self,
        link: &TaskLink,
        clock: &mut ClockView,
        cx: &mut Context<'_>,
    ) -> Poll<Wakeup> {
        // yields to other tasks now and then, however much is ready here
        let polled = poll_proceed(cx).map(|budget| {
            let polled = self.poll_all(link, clock, cx);
            if polled.is_ready() {
                budget.made_progress();
            }
            polled
        });
        match polled {
            Poll::Ready(Poll::Ready(wakeup)) => Poll::Ready(wakeup),
            Poll::Ready(Poll::Pending) | Poll::Pending => {
                clock.sleeps();
                Poll::Pending
            }
        }
    }

    fn poll_all(
        &mut self,
        link: &TaskLink,
        clock: &mut ClockView,
        cx: &mut Context<'_>,
    ) -> Poll<Wakeup> {
        // messages and time come first: a saga whose store and calls are always ready must hear them too
        if let Some(message) = link.next_message() {
            return Poll::Ready(Wakeup::Control(message));
        }
        // what becomes due during a transaction waits for its end
        if !self.transactions.is_active()
            && let Some(timer) = &mut self.timer
            && timer.as_mut().poll(cx).is_ready()
        {
            self.timer = None;
            return Poll::Ready(Wakeup::Tick);
        }
        if let Some(append) = &mut self.append
            && let Poll::Ready(result) = append.poll(cx)
        {
            self.append = None;
            return Poll::Ready(Wakeup::Appended(result));
        }
        if let Poll::Ready(wakeup) = self.transactions.poll(cx) {
            return Poll::Ready(wakeup);
        }
        // an earlier call may have kept the thread for longer than the lease
        let may_begin = || self.env.lease_error(self.lease_term).is_none();
        if let Poll::Ready(ended) = self.calls.poll_ended(cx, clock, &may_begin) {
            return Poll::Ready(Wakeup::CallsEnded(ended));
        }
        let mut granted = Vec::new();
        self.permits.poll_granted(cx, &mut granted);
        if !granted.is_empty() {
            return Poll::Ready(Wakeup::PermitsGranted(granted));
        }
        if let Some(lingers) = &mut self.lingers
            && lingers.as_mut().poll(cx).is_ready()
        {
            return Poll::Ready(Wakeup::Lingered);
        }
        // it is about to sleep: only now a message must wake it
        link.poll_message(cx).map(Wakeup::Control)
    }
}
