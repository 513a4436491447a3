//! What the task of one saga has under way, and what wakes it.

use std::collections::{HashMap, VecDeque};
use std::task::{Context, Poll};

use futures_util::future::BoxFuture;
use tokio::sync::{mpsc, oneshot};

use super::call::{CallEnd, Calls};
use super::events::SagaEvent;
use super::permits::SagaPermits;
use super::transaction::TransactionQueue;
use super::{Asked, Control, Reply};
use crate::error::SagaError;
use crate::log::{Answer, Command, Uuid};
use crate::machine::{Effect, Event, VertexId};
use crate::panics::Contained;
use crate::store::{SagaRecord, StoreError};
use crate::value::Value;

/// The answer to an append; for a new saga whose id is taken, the one that has it.
pub(super) type Appended = Result<Option<Box<SagaRecord>>, StoreError>;

/// What a task has under way.
#[derive(Default)]
pub(super) struct InFlight {
    pub(super) todo: VecDeque<Effect>,
    pub(super) calls: Calls,
    pub(super) permits: SagaPermits,
    pub(super) append: Option<BoxFuture<'static, Appended>>,
    /// What the append carries, for those who watch.
    pub(super) written: Vec<SagaEvent>,
    /// What the append answers.
    pub(super) answers: Vec<(Uuid, Answer)>,
    /// Who waits for an answer.
    asked: HashMap<Uuid, Vec<oneshot::Sender<Reply>>>,
    pub(super) transactions: TransactionQueue,
    pub(super) timer: Option<BoxFuture<'static, ()>>,
    /// Outputs that could not be stored, for their undos.
    pub(super) kept: HashMap<VertexId, Contained<Value>>,
    /// Why the last append failed.
    pub(super) store_error: Option<StoreError>,
    pub(super) stopped: bool,
    /// True if the append under way says that the saga gets on.
    pub(super) gets_on: bool,
    /// True if the saga got on since it was loaded.
    pub(super) got_on: bool,
    /// True once an operator said how a node ended, whose output then comes from the log.
    pub(super) decides: bool,
}

/// What woke the task.
pub(super) enum Wakeup {
    Appended(Appended),
    /// A call asked for a transaction.
    TransactionRequested,
    /// The transaction under way has ended.
    Transacted(Result<(), StoreError>),
    Ended(Vec<(VertexId, CallEnd)>),
    Granted(Vec<VertexId>),
    Tick,
    Control(Control),
}

impl InFlight {
    /// Remembers who waits for the answer.
    pub(super) fn ask(&mut self, asked: Asked) -> Event {
        let Asked { id, by, command, answer } = asked;
        self.asked.entry(id).or_default().push(answer);
        self.decides |= matches!(command, Command::Decide { .. });
        Event::Operator { id, by, command }
    }

    /// The answers of the append hold now.
    pub(super) fn answer(&mut self) {
        for (id, answer) in std::mem::take(&mut self.answers) {
            self.tell(id, &answer);
        }
    }

    /// Tells those who asked. What an append carries is told when that is durable, and not before.
    pub(super) fn tell(&mut self, id: Uuid, answer: &Answer) {
        for waits in self.asked.remove(&id).unwrap_or_default() {
            // whoever asked may have gone away
            let _ = waits.send(Ok(answer.clone()));
        }
    }

    /// Nobody gets an answer any more, for this reason.
    pub(super) fn give_up(&mut self, why: &SagaError) {
        for waits in self.asked.drain().flat_map(|(_, waits)| waits) {
            let _ = waits.send(Err(why.clone()));
        }
    }

    /// Those whose requests are in the log and wait for a human, like the saga.
    pub(super) fn hold(&mut self, is_held: impl Fn(Uuid) -> bool) {
        for (_, waits) in self.asked.extract_if(|id, _| is_held(*id)) {
            for waits in waits {
                let _ = waits.send(Ok(Answer::Held));
            }
        }
    }

    /// True if nothing but calls that a shutdown has interrupted is left to wait for.
    pub(super) fn waits_in_vain(&self) -> bool {
        let busy = self.calls.vertices().next().is_some()
            || self.append.is_some()
            || self.transactions.under_way();
        !busy && self.todo.is_empty() && !self.calls.interrupted().is_empty()
    }

    /// Ready with what happened, or registered for all that can.
    pub(super) fn poll(
        &mut self,
        control: &mut mpsc::UnboundedReceiver<Control>,
        task: &mut Context<'_>,
    ) -> Poll<Wakeup> {
        // orders and the time first: a saga whose store and calls are always ready must hear them
        if let Poll::Ready(Some(message)) = control.poll_recv(task) {
            return Poll::Ready(Wakeup::Control(message));
        }
        // what becomes due during a transaction is looked at after it
        if !self.transactions.under_way()
            && let Some(timer) = &mut self.timer
            && timer.as_mut().poll(task).is_ready()
        {
            self.timer = None;
            return Poll::Ready(Wakeup::Tick);
        }
        if let Some(append) = &mut self.append
            && let Poll::Ready(result) = append.as_mut().poll(task)
        {
            self.append = None;
            return Poll::Ready(Wakeup::Appended(result));
        }
        if let Poll::Ready(woken) = self.transactions.poll(task) {
            return Poll::Ready(woken);
        }
        let mut ended = Vec::new();
        let interrupted = self.calls.interrupted().len();
        self.calls.poll_ended(task, &mut ended);
        if !ended.is_empty() || self.calls.interrupted().len() > interrupted {
            return Poll::Ready(Wakeup::Ended(ended));
        }
        let mut granted = Vec::new();
        self.permits.poll_granted(task, &mut granted);
        if granted.is_empty() { Poll::Pending } else { Poll::Ready(Wakeup::Granted(granted)) }
    }
}
