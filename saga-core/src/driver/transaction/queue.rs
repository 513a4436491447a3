//! The transactions that the calls of one saga have requested, and the one in flight.

use std::collections::{BTreeSet, VecDeque};
use std::sync::Arc;
use std::task::{Context, Poll};

use futures_util::future::BoxFuture;

use crate::context::{RunInfo, TransactionRequest, WorkEndCell};
use crate::driver::call::CallEnd;
use crate::driver::task_state::Wakeup;
use crate::log::Entry;
use crate::machine::{AuthorizedCall, Event, VertexId};
use crate::store::StoreError;

/// The transaction that is in flight.
pub(super) struct ActiveTransaction {
    pub(super) call: AuthorizedCall,
    pub(super) undo: bool,
    pub(super) end: WorkEndCell,
    pub(super) seq: u64,
    pub(super) answer: BoxFuture<'static, Result<(), StoreError>>,
}

/// The transactions of one saga.
pub(in crate::driver) struct TransactionQueue {
    /// Has the requests that just arrived.
    run: Arc<RunInfo>,
    waiting: VecDeque<TransactionRequest>,
    pub(super) active: Option<ActiveTransaction>,
    /// What the machine is told after the transaction.
    pub(super) held: Vec<Event>,
    pub(super) ended: Vec<(VertexId, CallEnd)>,
    /// Nodes whose call went on after its transaction was rolled back.
    pub(super) rolled_back: BTreeSet<VertexId>,
    /// The entry that is in the log before the machine appends it.
    pub(super) written: Option<u64>,
}

impl Drop for TransactionQueue {
    fn drop(&mut self) {
        self.run.transactions.close();
    }
}

impl TransactionQueue {
    pub(in crate::driver) fn new(run: Arc<RunInfo>) -> Self {
        Self {
            run,
            waiting: VecDeque::new(),
            active: None,
            held: Vec::new(),
            ended: Vec::new(),
            rolled_back: BTreeSet::new(),
            written: None,
        }
    }

    /// A call of this node begins: what became of an earlier one does not matter any more.
    pub(in crate::driver) fn call_begins(&mut self, vertex: VertexId) {
        self.rolled_back.remove(&vertex);
    }

    /// Keeps calls that have ended until the end of the transaction.
    pub(in crate::driver) fn keep_ended(&mut self, ended: &mut Vec<(VertexId, CallEnd)>) {
        self.ended.append(ended);
    }

    /// True, once, if the call of this node went on after its transaction was rolled back.
    pub(in crate::driver) fn was_rolled_back(&mut self, vertex: VertexId) -> bool {
        self.rolled_back.remove(&vertex)
    }

    /// The next request of a call that may have its transaction, and that still waits for it.
    pub(super) fn next(
        &mut self,
        in_flight: impl Fn(&AuthorizedCall) -> bool,
    ) -> Option<TransactionRequest> {
        loop {
            let request = self.waiting.pop_front()?;
            if in_flight(&request.call) && request.waiting.strong_count() > 0 {
                return Some(request);
            }
        }
    }

    pub(in crate::driver) fn is_active(&self) -> bool {
        self.active.is_some()
    }

    /// True if the machine is told nothing now: these events are held back. Otherwise adds those that were
    /// held back, once no transaction is left.
    ///
    /// Events are held back also while a transaction waits for an append: in a busy saga the next append
    /// would otherwise always come first.
    pub(in crate::driver) fn hold(&mut self, events: &mut Vec<Event>, appending: bool) -> bool {
        let waits = !self.waiting.is_empty();
        if self.is_active() || (waits && appending) {
            self.held.append(events);
            return true;
        }
        if !waits {
            events.append(&mut self.held);
        }
        false
    }

    /// The machine's batch without the entry that is in the log already.
    pub(in crate::driver) fn not_written(&mut self, mut entries: Vec<Entry>) -> Vec<Entry> {
        let first = entries.first().map(|entry| entry.seq);
        if self.written.take().is_some_and(|seq| first == Some(seq)) {
            entries.remove(0);
        }
        entries
    }

    pub(in crate::driver) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Wakeup> {
        if let Some(active) = &mut self.active
            && let Poll::Ready(answer) = active.answer.as_mut().poll(cx)
        {
            return Poll::Ready(Wakeup::Transacted(answer));
        }
        if !self.is_active() && self.waiting.is_empty() && !self.held.is_empty() {
            // the request was dropped meanwhile
            return Poll::Ready(Wakeup::TransactionRequested);
        }
        self.run.transactions.poll(cx).map(|requests| {
            self.waiting.extend(requests);
            Wakeup::TransactionRequested
        })
    }
}
