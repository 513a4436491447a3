//! The transactions that the calls of one saga have requested, and the one in flight.

use std::collections::{BTreeSet, VecDeque};
use std::task::{Context, Poll};

use futures_util::future::BoxFuture;

use crate::context::{TransactionRequest, WorkEndCell};
use crate::driver::call::EndedCall;
use crate::driver::task_state::Wakeup;
use crate::log::Entry;
use crate::machine::{AuthorizedCall, Event, VertexId};
use crate::planted::{Mistake, planted};
use crate::store::StoreError;

/// The transaction that is in flight.
pub(super) struct ActiveTransaction {
    pub(super) call: AuthorizedCall,
    pub(super) undo: bool,
    pub(super) end: WorkEndCell,
    pub(super) seq: u64,
    pub(super) answer: BoxFuture<'static, Result<(), StoreError>>,
}

/// The transactions of one saga, if any of its calls has requested one.
#[derive(Default)]
pub(in crate::driver) struct TransactionQueue(Option<Box<Transactions>>);

#[derive(Default)]
pub(super) struct Transactions {
    waiting: VecDeque<TransactionRequest>,
    pub(super) active: Option<ActiveTransaction>,
    /// What the machine is told after the transaction.
    pub(super) held: Vec<Event>,
    pub(super) ended: Vec<EndedCall>,
    /// Nodes whose call went on after its transaction was rolled back.
    pub(super) rolled_back: BTreeSet<VertexId>,
    /// The entry that is in the log before the machine appends it.
    pub(super) written: Option<u64>,
}

impl TransactionQueue {
    pub(super) fn get(&mut self) -> &mut Transactions {
        self.0.get_or_insert_default()
    }

    /// A call has requested a transaction.
    pub(in crate::driver) fn add(&mut self, request: TransactionRequest) {
        self.get().waiting.push_back(request);
    }

    /// A call of this node begins: what became of an earlier one does not matter any more.
    pub(in crate::driver) fn call_begins(&mut self, vertex: VertexId) {
        if let Some(transactions) = &mut self.0 {
            transactions.rolled_back.remove(&vertex);
        }
    }

    /// Keeps calls that have ended until the end of the transaction.
    pub(in crate::driver) fn keep_ended(&mut self, ended: impl IntoIterator<Item = EndedCall>) {
        self.get().ended.extend(ended);
    }

    /// True, once, if the call of this node went on after its transaction was rolled back.
    pub(in crate::driver) fn was_rolled_back(&mut self, vertex: VertexId) -> bool {
        self.0.as_mut().is_some_and(|transactions| transactions.rolled_back.remove(&vertex))
    }

    /// The next request of a call that may have its transaction, and that still waits for it.
    pub(super) fn next(
        &mut self,
        in_flight: impl Fn(&AuthorizedCall) -> bool,
    ) -> Option<TransactionRequest> {
        let waiting = &mut self.0.as_mut()?.waiting;
        loop {
            let request = waiting.pop_front()?;
            let waits = in_flight(&request.call) && request.waiting.strong_count() > 0;
            if waits || planted(Mistake::TransactionOfEndedCall) {
                return Some(request);
            }
        }
    }

    pub(in crate::driver) fn is_active(&self) -> bool {
        self.0.as_ref().is_some_and(|transactions| transactions.active.is_some())
    }

    /// True if the machine is told nothing now: these events are held back. Otherwise adds those that were
    /// held back, once no transaction is left.
    ///
    /// Events are held back also while a transaction waits for an append: in a busy saga the next append
    /// would otherwise always come first.
    pub(in crate::driver) fn hold(&mut self, events: &mut Vec<Event>, appending: bool) -> bool {
        let Some(transactions) = &mut self.0 else { return false };
        let waits = !transactions.waiting.is_empty();
        if transactions.active.is_some() || (waits && appending) {
            transactions.held.append(events);
            return true;
        }
        if !waits {
            events.append(&mut transactions.held);
        }
        false
    }

    /// The machine's batch without the entry that is in the log already.
    pub(in crate::driver) fn not_written(&mut self, mut entries: Vec<Entry>) -> Vec<Entry> {
        let Some(transactions) = &mut self.0 else { return entries };
        let first = entries.first().map(|entry| entry.seq);
        if transactions.written.take().is_some_and(|seq| first == Some(seq)) {
            entries.remove(0);
        }
        entries
    }

    /// Ready when the transaction in flight has ended, or when what was held back can be told.
    pub(in crate::driver) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Wakeup> {
        let Some(transactions) = &mut self.0 else { return Poll::Pending };
        match &mut transactions.active {
            Some(active) => active.answer.as_mut().poll(cx).map(Wakeup::Transacted),
            // the request was dropped meanwhile
            None if transactions.waiting.is_empty() && !transactions.held.is_empty() => {
                Poll::Ready(Wakeup::TransactionRequested)
            }
            None => Poll::Pending,
        }
    }
}
