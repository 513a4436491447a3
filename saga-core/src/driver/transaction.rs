//! Calls that end with a transaction: their own rows and the entry about their outcome are one commit.
//!
//! How that is sound:
//!
//! - `cx.transaction(work)` hands the work to its saga's task, and never comes back if the work is
//!   committed: the work's value *is* the output, and no code of the action can run after it.
//! - The task waits until no append is under way, then has the store write one entry, the node's
//!   `succeeded` (or `undo_finished`), in one transaction with the work. What follows from that entry
//!   (the next `started`, the value of a computed node, the width of a `for`) may depend on the output,
//!   so it is not part of it: it is the next append. A crash in between leaves a prefix of the log, and
//!   every prefix recovers.
//! - The machine knows nothing of this. During the transaction it is told nothing: what happens is held
//!   back (a call that ends, an order, the time), and so its next sequence number stays what it was.
//!   Once the transaction is in, the machine hears of the outcome first, and writes as the first entry
//!   of its batch the very entry that is in already; that one is not appended again. Should they ever
//!   differ in number, the append would be fenced.
//! - If the transaction is not in, the work has had no effect. If it said so itself, the call gets its
//!   error and goes on; otherwise the call ends here. If nobody knows (a failed commit, a lost lease),
//!   the saga stops in this process, as after every failed append.
//! - If it is rolled back and the action then fails, no attempt of the action has had an effect: that of an
//!   earlier one, cut off by a crash, would have its output in the log. So nothing is in doubt any more.
//! - The work runs at most once, and only for the call that the log authorizes: a call that has ended or
//!   was dropped before its turn asks in vain.

use std::collections::{HashMap, HashSet, VecDeque};
use std::task::{Context, Poll};

use futures_util::future::BoxFuture;
use tokio::sync::mpsc;

use super::Driver;
use super::call::{CallEnd, FailedAttempt};
use super::in_flight::{InFlight, Wakeup};
use crate::context::{TransactionHandle, TransactionRequest, WorkEnd, WorkEndCell};
use crate::error::ActionError;
use crate::log::{Entry, NodeEntry, Payload};
use crate::machine::{ActionResult, Call, Event, VertexId};
use crate::panics;
use crate::store::{Append, StoreError, TransactionWork};
use crate::value::AttemptError;

/// The transaction that the store has under way.
struct ActiveTransaction {
    call: Call,
    undo: bool,
    end: WorkEndCell,
    seq: u64,
    answer: BoxFuture<'static, Result<(), StoreError>>,
}

/// The transactions of one saga.
pub(super) struct TransactionQueue {
    sender: mpsc::UnboundedSender<TransactionRequest>,
    receiver: mpsc::UnboundedReceiver<TransactionRequest>,
    waiting: VecDeque<TransactionRequest>,
    under_way: Option<ActiveTransaction>,
    /// The last call of each node.
    authorized: HashMap<VertexId, Call>,
    /// What the machine is told after the transaction.
    held: Vec<Event>,
    ended: Vec<(VertexId, CallEnd)>,
    /// Nodes whose call goes on after its transaction was rolled back.
    rolled_back: HashSet<VertexId>,
    /// The entry that is in the log before the machine writes it.
    written: Option<u64>,
}

impl Default for TransactionQueue {
    fn default() -> Self {
        let (sender, receiver) = mpsc::unbounded_channel();
        Self {
            sender,
            receiver,
            waiting: VecDeque::new(),
            under_way: None,
            authorized: HashMap::new(),
            held: Vec::new(),
            ended: Vec::new(),
            rolled_back: HashSet::new(),
            written: None,
        }
    }
}

impl TransactionQueue {
    /// The means by which this call asks; those of the node's earlier calls ask in vain from now on.
    pub(super) fn authorize(&mut self, call: Call) -> TransactionHandle {
        self.authorized.insert(call.vertex, call);
        self.rolled_back.remove(&call.vertex);
        TransactionHandle { sender: self.sender.clone(), call }
    }

    pub(super) fn under_way(&self) -> bool {
        self.under_way.is_some()
    }

    /// True if the machine is told nothing now: these events are kept for later. Otherwise adds those
    /// that were kept, if their time has come.
    ///
    /// They are also kept while a transaction waits for an append, or in a busy saga the next append would
    /// always be there first.
    pub(super) fn hold(&mut self, events: &mut Vec<Event>, appending: bool) -> bool {
        let waits = !self.waiting.is_empty();
        if self.under_way() || (waits && appending) {
            self.held.append(events);
            return true;
        }
        if !waits {
            events.append(&mut self.held);
        }
        false
    }

    /// The machine's batch without the entry that is in already.
    pub(super) fn not_written(&mut self, mut entries: Vec<Entry>) -> Vec<Entry> {
        let first = entries.first().map(|entry| entry.seq);
        if self.written.take().is_some_and(|seq| first == Some(seq)) {
            entries.remove(0);
        }
        entries
    }

    pub(super) fn poll(&mut self, task: &mut Context<'_>) -> Poll<Wakeup> {
        if let Some(under_way) = &mut self.under_way
            && let Poll::Ready(answer) = under_way.answer.as_mut().poll(task)
        {
            return Poll::Ready(Wakeup::Transacted(answer));
        }
        if !self.under_way() && self.waiting.is_empty() && !self.held.is_empty() {
            // what asked was dropped meanwhile
            return Poll::Ready(Wakeup::TransactionRequested);
        }
        match self.receiver.poll_recv(task) {
            Poll::Ready(Some(want)) => {
                self.waiting.push_back(want);
                Poll::Ready(Wakeup::TransactionRequested)
            }
            // never without a sender: this has one
            Poll::Ready(None) | Poll::Pending => Poll::Pending,
        }
    }
}

impl<C: Send + Sync + 'static> Driver<C> {
    /// Begins the next transaction, if nothing else is being written.
    pub(super) fn begin_transaction(&mut self, in_flight: &mut InFlight) {
        if in_flight.append.is_some() || in_flight.transactions.under_way() || in_flight.stopped {
            return;
        }
        while let Some(want) = in_flight.transactions.waiting.pop_front() {
            let v = want.call.vertex;
            let current = in_flight.transactions.authorized.get(&v) == Some(&want.call)
                && in_flight.calls.is_in_flight(v)
                && want.asks.strong_count() > 0;
            if current {
                in_flight.transactions.under_way = Some(self.transaction(want));
                return;
            }
        }
    }

    fn transaction(&mut self, want: TransactionRequest) -> ActiveTransaction {
        let TransactionRequest { call, undo, work, end, .. } = want;
        let at = self.machine.entry_time(self.env.clock.now());
        let state = self.machine.state();
        let recorded = match undo {
            true => NodeEntry::UndoFinished,
            // the work's output comes in its place
            false => NodeEntry::Succeeded(Payload::default()),
        };
        let entry = Entry {
            seq: state.next_seq(),
            epoch: self.epoch,
            at,
            kind: recorded.about(state.path(call.vertex), call.attempt),
        };
        let seq = entry.seq;
        let entries = vec![entry];
        let change = match self.change(&entries) {
            Ok(change) => change,
            Err(error) => {
                let answer = Box::pin(async { Err(error) });
                return ActiveTransaction { call, undo, end, seq, answer };
            }
        };
        let append = Append {
            saga: self.run.id.clone(),
            owner: self.env.worker.clone(),
            epoch: self.epoch,
            expected_next_seq: seq,
            change,
            answers: Vec::new(),
            entries,
        };
        let work = match undo {
            true => work.and_then(|_| Ok(None)),
            false => self.checked(call.vertex, work, end.clone()),
        };
        let store = self.env.store.clone();
        let answer = Box::pin(async move { store.append_with(append, work).await });
        ActiveTransaction { call, undo, end, seq, answer }
    }

    /// The work, whose value must be what the action returns: nothing else may be committed as its output.
    fn checked(&self, v: VertexId, work: TransactionWork, end: WorkEndCell) -> TransactionWork {
        let action = self.values.action(&self.machine, v);
        let space = self.space(v);
        let saga = self.run.id.clone();
        work.and_then(move |payload| {
            // reading it runs code of the user's
            let read = panics::contain(|| {
                let action = action.ok_or_else(|| ActionError::from_error("it is no action"))?;
                let output = action.decode(&payload)?;
                space.check(&output)?;
                Ok(output)
            });
            let panicked = |message| Err(ActionError::Panicked { message });
            match read.unwrap_or_else(panicked) {
                Ok(output) => {
                    end.set(WorkEnd::Output(output));
                    Ok(Some(payload))
                }
                Err(error) => {
                    let why = error.to_string();
                    end.set(WorkEnd::Refused(error));
                    Err(StoreError::RolledBack { saga, why })
                }
            }
        })
    }

    /// Calls have ended. During a transaction nobody knows yet what that means: it may be the call whose
    /// transaction it is, by a timeout.
    pub(super) fn all_ended(
        &mut self,
        ended: Vec<(VertexId, CallEnd)>,
        in_flight: &mut InFlight,
    ) -> Vec<Event> {
        if in_flight.transactions.under_way() {
            in_flight.transactions.ended.extend(ended);
            return Vec::new();
        }
        self.all_over(ended, in_flight)
    }

    /// A failure behind a transaction that was rolled back says so.
    fn all_over(
        &mut self,
        ended: Vec<(VertexId, CallEnd)>,
        in_flight: &mut InFlight,
    ) -> Vec<Event> {
        let events = ended.into_iter().map(|(v, end)| {
            let mut event = self.ended(v, end, &mut in_flight.kept);
            if let Event::ActionDone { vertex, result: ActionResult::Failed(failure) } = &mut event
            {
                failure.rolled_back = in_flight.transactions.rolled_back.remove(vertex);
            }
            event
        });
        events.collect()
    }

    /// The transaction has ended: what that means for the machine, and what was held back.
    pub(super) fn transacted(
        &mut self,
        answer: Result<(), StoreError>,
        in_flight: &mut InFlight,
    ) -> Vec<Event> {
        let mut ended = std::mem::take(&mut in_flight.transactions.ended);
        let mut events = Vec::new();
        if let Some(ActiveTransaction { call, undo, end, seq, .. }) =
            in_flight.transactions.under_way.take()
        {
            let v = call.vertex;
            match answer {
                Ok(()) => {
                    in_flight.got_on = true;
                    ended.retain(|(other, _)| *other != v);
                    in_flight.calls.drop_call(v);
                    in_flight.transactions.written = Some(seq);
                    events.push(self.committed(v, undo, end.take()));
                }
                Err(error @ (StoreError::RolledBack { .. } | StoreError::NoTransactions)) => {
                    if !undo && error != StoreError::NoTransactions {
                        in_flight.transactions.rolled_back.insert(v);
                    }
                    let over = ended.iter().any(|(other, _)| *other == v);
                    if let Some(end) =
                        not_committed(undo, end.take(), error, self.env.limits.max_payload)
                        && !over
                    {
                        in_flight.calls.drop_call(v);
                        ended.push((v, end));
                    }
                }
                Err(error) => {
                    in_flight.store_error = Some(error);
                    events.push(Event::AppendFailed);
                }
            }
        }
        events.extend(self.all_over(ended, in_flight));
        // before the next transaction in the queue, which would hold them back again
        events.append(&mut in_flight.transactions.held);
        events
    }

    fn committed(&self, vertex: VertexId, undo: bool, end: WorkEnd) -> Event {
        match end {
            _ if undo => Event::UndoDone { vertex, result: Ok(()) },
            WorkEnd::Output(output) => {
                let payload = output.payload.clone();
                self.values.set(&self.machine, vertex, output);
                Event::ActionDone { vertex, result: ActionResult::Ok(payload) }
            }
            // a store that says it did the work, and did not
            _ => Event::AppendFailed,
        }
    }
}

/// How a call ends whose transaction is not in; none if it goes on by itself.
fn not_committed(undo: bool, end: WorkEnd, why: StoreError, max: usize) -> Option<CallEnd> {
    let permanent = matches!(end, WorkEnd::Refused(_)) || why == StoreError::NoTransactions;
    let error = match end {
        WorkEnd::Told => return None,
        WorkEnd::Refused(error) => error,
        WorkEnd::Open | WorkEnd::Output(_) => ActionError::from_error(why),
    };
    let failed = AttemptError { retryable: !permanent, ..AttemptError::from(error) };
    let missed = FailedAttempt::of(failed, max);
    Some(match undo {
        true => CallEnd::Undo(Err(missed.failure)),
        false => CallEnd::Action(Err(missed)),
    })
}
