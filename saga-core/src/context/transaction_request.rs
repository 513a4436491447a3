//! How a call requests a transaction from the task of its saga.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::task::{Context, Poll, Waker};

use super::ContextInner;
use crate::error::ActionError;
use crate::machine::AuthorizedCall;
use crate::store::TransactionWork;
use crate::value::ActionOutput;

/// What became of the work, beyond what the store reports.
#[derive(Default)]
pub(crate) enum WorkEnd {
    /// It has not run, or was rolled back afterwards.
    #[default]
    Open,
    /// It failed, and the call has been told why.
    #[cfg_attr(not(feature = "sqlite"), expect(dead_code, reason = "only SQLite has them"))]
    Told,
    /// Its value cannot be the output.
    Refused(ActionError),
    /// It has an output.
    Output(ActionOutput),
}

/// The end of the work, which its closure fills in.
#[derive(Clone, Default)]
pub(crate) struct WorkEndCell(Arc<Mutex<WorkEnd>>);

impl WorkEndCell {
    fn lock(&self) -> MutexGuard<'_, WorkEnd> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn set(&self, end: WorkEnd) {
        *self.lock() = end;
    }

    pub(crate) fn take(&self) -> WorkEnd {
        std::mem::take(&mut *self.lock())
    }
}

/// A transaction that a call has requested.
pub(crate) struct TransactionRequest {
    pub(crate) call: AuthorizedCall,
    pub(crate) undo: bool,
    pub(crate) work: TransactionWork,
    pub(crate) end: WorkEndCell,
    /// Gone once the call has stopped waiting.
    pub(crate) waiting: Weak<()>,
}

/// The transactions that the calls of one saga have requested, on their way to its task.
#[derive(Default)]
pub(crate) struct TransactionRequests(Mutex<Inbox>);

#[derive(Default)]
struct Inbox {
    requests: Vec<TransactionRequest>,
    /// True once nobody reads them any more.
    closed: bool,
    /// Wakes the task at the next request.
    task: Option<Waker>,
}

impl TransactionRequests {
    fn lock(&self) -> MutexGuard<'_, Inbox> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn send(&self, request: TransactionRequest) {
        let task = {
            let mut inbox = self.lock();
            if inbox.closed {
                drop(inbox);
                return drop(request);
            }
            inbox.requests.push(request);
            inbox.task.take()
        };
        task.into_iter().for_each(Waker::wake);
    }

    /// The task has ended. A request may hold the context of its call, and with it this inbox, so none is kept.
    pub(crate) fn close(&self) {
        let inbox = {
            let mut inbox = self.lock();
            std::mem::replace(&mut *inbox, Inbox { closed: true, ..Inbox::default() })
        };
        drop(inbox);
    }

    /// The requests since the last call. For the task alone, which is woken when there are some.
    pub(crate) fn poll(&self, cx: &Context<'_>) -> Poll<Vec<TransactionRequest>> {
        let mut inbox = self.lock();
        if !inbox.requests.is_empty() {
            return Poll::Ready(std::mem::take(&mut inbox.requests));
        }
        if !inbox.task.as_ref().is_some_and(|task| task.will_wake(cx.waker())) {
            // a waker runs code when it is dropped, so it is not dropped under the lock
            let before = inbox.task.replace(cx.waker().clone());
            drop(inbox);
            drop(before);
        }
        Poll::Pending
    }
}

impl ContextInner {
    /// Requests a transaction for this call; `None` where no action runs. The caller keeps the result for as
    /// long as it waits.
    #[cfg_attr(not(feature = "sqlite"), expect(dead_code, reason = "only SQLite has them"))]
    pub(crate) fn request_transaction(
        &self,
        work: TransactionWork,
        end: WorkEndCell,
    ) -> Option<Arc<()>> {
        if !self.call.has_transactions {
            return None;
        }
        let waits = Arc::new(());
        let waiting = Arc::downgrade(&waits);
        let (call, undo) = (self.call.authorized, self.call.undo);
        self.run.transactions.send(TransactionRequest { call, undo, work, end, waiting });
        Some(waits)
    }
}
