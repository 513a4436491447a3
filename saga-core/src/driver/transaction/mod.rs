//! Calls that end with a transaction: the action's own rows and the entry about its outcome are one commit.
//!
//! Why that is sound:
//!
//! - `cx.transaction(work)` hands the work to the task of its saga, and does not return if the work is
//!   committed: the value of the work *is* the output, and no code of the action can run after it.
//! - The task waits until no append is in flight. Then the store writes one entry, the node's `succeeded` (or
//!   `undo_finished`), in one transaction with the work. Everything that follows from that entry (the next
//!   `started`, a computed value, the width of a `for`) may depend on the output, so it goes into the next
//!   append. A crash in between leaves a prefix of the log, and every prefix can be recovered.
//! - The machine knows nothing of this. During the transaction it is told nothing: ends of calls, requests
//!   and time are held back, so its next sequence number stays the same. Once the transaction is committed, the
//!   machine learns the outcome first, and the first entry of its batch is the very one that is in
//!   the log already; that one is not appended again. Should the two ever differ in number, the append would be
//!   fenced.
//! - If the transaction is not committed, the work has had no effect. If the work itself failed, the call gets
//!   its error and continues; otherwise the call ends here. If the outcome is unknown (a commit that failed, a lost
//!   lease), this process stops the saga, as after every failed append.
//! - If it is rolled back and the action then fails, no attempt of the action has had an effect: had an earlier
//!   one, interrupted by a crash, been committed, its output would be in the log. So nothing is in doubt any more.
//! - The work runs at most once, and only for a call that the log authorizes: the request of a call that has
//!   ended or was dropped before its turn is ignored.

mod queue;

use super::Driver;
use super::call::{CallEnd, FailedAttempt};
use super::task_state::TaskState;
use crate::context::{TransactionRequest, WorkEnd, WorkEndCell};
use crate::crash_points::crash_point;
use crate::error::ActionError;
use crate::log::{Entry, NodeEntry, Payload};
use crate::machine::{ActionResult, Event, VertexId};
use crate::panics;
use crate::store::{Append, StoreError, TransactionWork};
use crate::value::AttemptError;
use queue::ActiveTransaction;
pub(super) use queue::TransactionQueue;

impl Driver {
    /// Begins the next transaction, if nothing else is being written.
    pub(super) fn begin_transaction(&mut self, task: &mut TaskState<'_>) {
        if task.append.is_some() || task.transactions.is_active() || task.stopped {
            return;
        }
        let calls = &task.calls;
        if let Some(request) = task.transactions.next(|call| calls.contains(call)) {
            task.transactions.get().active = Some(self.transaction(request));
        }
    }

    fn transaction(&mut self, request: TransactionRequest) -> ActiveTransaction {
        let TransactionRequest { call, undo, work, end, .. } = request;
        let at = self.machine.entry_time(self.env.clock.now());
        let state = self.machine.state();
        let recorded = match undo {
            true => NodeEntry::UndoFinished,
            // the store puts the work's output in its place
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
        crash_point("driver.transaction.asking");
        let store = self.env.store.clone();
        let answer = Box::pin(async move { store.append_with(append, work).await });
        ActiveTransaction { call, undo, end, seq, answer }
    }

    /// The work, followed by a check that its value is what the action returns: nothing else may be committed
    /// as its output.
    fn checked(&self, v: VertexId, work: TransactionWork, end: WorkEndCell) -> TransactionWork {
        let action = self.values.action(&self.machine, v).cloned();
        let limits = self.output_limits(v);
        let saga = self.run.id.clone();
        work.and_then(move |payload| {
            // decoding it runs user code
            let read = panics::contain(|| {
                let action = action.ok_or_else(|| ActionError::from_error("it is no action"))?;
                let output = action.decode(&payload)?;
                limits.check(&output)?;
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

    /// The transaction has ended: what that means to the machine, and what was held back.
    pub(super) fn transacted(
        &mut self,
        answer: Result<(), StoreError>,
        task: &mut TaskState<'_>,
    ) -> Vec<Event> {
        let mut ended = std::mem::take(&mut task.transactions.get().ended);
        let mut events = Vec::new();
        if let Some(ActiveTransaction { call, undo, end, seq, .. }) =
            task.transactions.get().active.take()
        {
            let v = call.vertex;
            match answer {
                Ok(()) => {
                    crash_point("driver.transaction.durable");
                    task.made_progress = true;
                    ended.retain(|(other, _)| *other != v);
                    task.calls.drop_call(v);
                    task.transactions.get().written = Some(seq);
                    events.push(self.committed(v, undo, end.take()));
                }
                Err(error @ (StoreError::RolledBack { .. } | StoreError::NoTransactions)) => {
                    if !undo && error != StoreError::NoTransactions {
                        task.transactions.get().rolled_back.insert(v);
                    }
                    let over = ended.iter().any(|(other, _)| *other == v);
                    if let Some(end) =
                        not_committed(undo, end.take(), error, self.env.limits.max_payload)
                        && !over
                    {
                        task.calls.drop_call(v);
                        ended.push((v, end));
                    }
                }
                Err(error) => {
                    task.store_error = Some(error.into());
                    events.push(Event::AppendFailed);
                }
            }
        }
        let ended = ended.into_iter().map(|(v, end)| self.call_ended(v, end, task));
        events.extend(ended);
        // they come before the next transaction in the queue, which would hold them back again
        events.append(&mut task.transactions.get().held);
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
            // the store claims to have done the work, and has not
            WorkEnd::Open | WorkEnd::Told | WorkEnd::Refused(_) => Event::AppendFailed,
        }
    }
}

/// How a call ends whose transaction was not committed; `None` if the call continues by itself.
fn not_committed(undo: bool, end: WorkEnd, why: StoreError, max_payload: usize) -> Option<CallEnd> {
    let permanent = matches!(end, WorkEnd::Refused(_)) || why == StoreError::NoTransactions;
    let error = match end {
        WorkEnd::Told => return None,
        WorkEnd::Refused(error) => error,
        WorkEnd::Open | WorkEnd::Output(_) => ActionError::from_error(why),
    };
    let failed = AttemptError { retryable: !permanent, ..AttemptError::from(error) };
    let missed = FailedAttempt::of(failed, max_payload);
    Some(match undo {
        true => CallEnd::Undo(Err(Box::new(missed.failure))),
        false => CallEnd::Action(Err(missed)),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_transaction_that_failed_is_tried_again_unless_that_is_of_no_use() {
        let why = || StoreError::Failed { store: "x".into(), why: "busy".into() };
        let retried = |end, why| match not_committed(false, end, why, 100) {
            Some(CallEnd::Action(Err(missed))) => Some(missed.failure.retryable),
            _ => None,
        };
        let refused = || WorkEnd::Refused(ActionError::Injected);
        assert_eq!(retried(WorkEnd::Open, why()), Some(true));
        assert_eq!(retried(WorkEnd::Open, StoreError::NoTransactions), Some(false));
        assert_eq!(retried(refused(), why()), Some(false));
        assert_eq!(retried(WorkEnd::Told, why()), None);
    }
}
