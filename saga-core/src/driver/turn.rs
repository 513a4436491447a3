//! What the task of one saga has under way, and what wakes it.

use std::collections::{HashMap, VecDeque};
use std::pin::Pin;
use std::task::{Context, Poll};

use futures_util::future::BoxFuture;
use tokio::sync::mpsc;
use tokio::time::Sleep;

use super::Control;
use super::call::{CallEnd, Calls};
use super::transaction::Asked;
use crate::action::Value;
use crate::machine::{Effect, VertexId};
use crate::store::{SagaRecord, StoreError};

/// The answer to an append; for a new saga whose id is taken, the one that has it.
pub(super) type Appended = Result<Option<Box<SagaRecord>>, StoreError>;

/// What a task has under way.
pub(super) struct Turn {
    pub(super) todo: VecDeque<Effect>,
    pub(super) calls: Calls,
    pub(super) append: Option<BoxFuture<'static, Appended>>,
    pub(super) transactions: Asked,
    pub(super) timer: Option<Pin<Box<Sleep>>>,
    /// Outputs that could not be stored, for their undos.
    pub(super) kept: HashMap<VertexId, Value>,
    /// Why the last append failed.
    pub(super) store_error: Option<StoreError>,
    pub(super) stopped: bool,
}

/// What woke the task.
pub(super) enum Woken {
    Appended(Appended),
    /// A call asked for a transaction.
    Asked,
    /// The transaction under way has ended.
    Transacted(Result<(), StoreError>),
    Ended(Vec<(VertexId, CallEnd)>),
    Tick,
    Control(Control),
}

impl Turn {
    pub(super) fn new(todo: Vec<Effect>) -> Self {
        Self {
            todo: todo.into(),
            calls: Calls::default(),
            append: None,
            transactions: Asked::default(),
            timer: None,
            kept: HashMap::new(),
            store_error: None,
            stopped: false,
        }
    }

    /// Ready with what happened, or registered for all that can.
    pub(super) fn poll(
        &mut self,
        control: &mut mpsc::UnboundedReceiver<Control>,
        task: &mut Context<'_>,
    ) -> Poll<Woken> {
        // orders and the time first: a saga whose store and calls are always ready must hear them
        if let Poll::Ready(Some(message)) = control.poll_recv(task) {
            return Poll::Ready(Woken::Control(message));
        }
        // what becomes due during a transaction is looked at after it
        if !self.transactions.under_way()
            && let Some(timer) = &mut self.timer
            && timer.as_mut().poll(task).is_ready()
        {
            self.timer = None;
            return Poll::Ready(Woken::Tick);
        }
        if let Some(append) = &mut self.append
            && let Poll::Ready(result) = append.as_mut().poll(task)
        {
            self.append = None;
            return Poll::Ready(Woken::Appended(result));
        }
        if let Poll::Ready(woken) = self.transactions.poll(task) {
            return Poll::Ready(woken);
        }
        let mut ended = Vec::new();
        self.calls.poll_ended(task, &mut ended);
        if ended.is_empty() { Poll::Pending } else { Poll::Ready(Woken::Ended(ended)) }
    }
}
