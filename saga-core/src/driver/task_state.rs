//! What the task of one saga has in flight, and what wakes it.

use std::collections::{BTreeMap, VecDeque};
use std::task::{Context, Poll};

use super::call::{CallEnd, CallsInFlight};
use super::events::SagaEvent;
use super::link::{Control, TaskLink};
use super::permits::SagaPermits;
use super::requests::WaitingOperators;
use super::transaction::TransactionQueue;
use crate::log::{Answer, NodePath, Uuid};
use crate::machine::{Effect, VertexId};
use crate::panics::Contained;
use crate::store::{SagaRecord, StoreError};
use crate::value::Value;
use futures_util::future::BoxFuture;

/// The answer to an append; for a new saga whose id is taken, the saga that has it.
pub(super) type AppendResult = Result<Option<Box<SagaRecord>>, StoreError>;

/// What a task has in flight.
#[derive(Default)]
pub(super) struct TaskState {
    /// What the machine has decided and is not done yet.
    pub(super) effects: VecDeque<Effect>,
    pub(super) calls: CallsInFlight,
    pub(super) permits: SagaPermits,
    pub(super) append: Option<BoxFuture<'static, AppendResult>>,
    /// The events of the append in flight, for observers.
    pub(super) written: Vec<SagaEvent>,
    /// The answers that the append in flight carries.
    pub(super) answers: Vec<(Uuid, Answer)>,
    pub(super) operators: WaitingOperators,
    pub(super) transactions: TransactionQueue,
    pub(super) timer: Option<BoxFuture<'static, ()>>,
    /// Outputs that could not be stored, for their undos.
    pub(super) unstorable: BTreeMap<VertexId, Contained<Value>>,
    /// Why the last append failed.
    pub(super) store_error: Option<StoreError>,
    /// True once a shutdown has stopped the saga.
    pub(super) stopped: bool,
    /// The nodes whose calls the shutdown interrupted.
    pub(super) interrupted: Vec<NodePath>,
    /// True if the append in flight records progress.
    pub(super) appends_progress: bool,
    /// True if the saga has made progress since it was loaded.
    pub(super) made_progress: bool,
    /// True once an operator has decided the output of a node, which then comes from the log.
    pub(super) output_decided: bool,
}

/// What woke the task.
pub(super) enum Wakeup {
    Appended(AppendResult),
    /// A call requested a transaction.
    TransactionRequested,
    /// The transaction in flight has ended.
    Transacted(Result<(), StoreError>),
    CallsEnded(Vec<(VertexId, CallEnd)>),
    PermitsGranted(Vec<VertexId>),
    Tick,
    Control(Control),
}

impl TaskState {
    /// The answers of the append are true now that it is durable.
    pub(super) fn send_answers(&mut self) {
        for (id, answer) in std::mem::take(&mut self.answers) {
            self.operators.answer(id, &answer);
        }
    }

    /// True if nothing is left to wait for but calls that a shutdown has interrupted.
    pub(super) fn only_interrupted_calls_left(&self) -> bool {
        let busy = self.calls.vertices().next().is_some()
            || self.append.is_some()
            || self.transactions.is_active();
        !busy && self.effects.is_empty() && !self.calls.interrupted().is_empty()
    }

    /// Ready with what happened; otherwise registers for everything that can happen.
    pub(super) fn poll(&mut self, link: &TaskLink, cx: &mut Context<'_>) -> Poll<Wakeup> {
        // messages and time come first: a saga whose store and calls are always ready must hear them too
        if let Poll::Ready(message) = link.poll_message(cx) {
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
            && let Poll::Ready(result) = append.as_mut().poll(cx)
        {
            self.append = None;
            return Poll::Ready(Wakeup::Appended(result));
        }
        if let Poll::Ready(wakeup) = self.transactions.poll(cx) {
            return Poll::Ready(wakeup);
        }
        let mut ended = Vec::new();
        let interrupted = self.calls.interrupted().len();
        self.calls.poll_ended(cx, &mut ended);
        if !ended.is_empty() || self.calls.interrupted().len() > interrupted {
            return Poll::Ready(Wakeup::CallsEnded(ended));
        }
        let mut granted = Vec::new();
        self.permits.poll_granted(cx, &mut granted);
        if granted.is_empty() {
            Poll::Pending
        } else {
            Poll::Ready(Wakeup::PermitsGranted(granted))
        }
    }
}
