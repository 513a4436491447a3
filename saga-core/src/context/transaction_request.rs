//! How a call requests a transaction from the task of its saga.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use tokio::sync::mpsc;

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

/// How a call requests a transaction.
#[derive(Clone)]
pub(crate) struct TransactionHandle {
    pub(crate) sender: mpsc::UnboundedSender<TransactionRequest>,
    pub(crate) call: AuthorizedCall,
}

impl TransactionHandle {
    /// Requests a transaction. The caller keeps the result for as long as it waits.
    #[cfg_attr(not(feature = "sqlite"), expect(dead_code, reason = "only SQLite has them"))]
    pub(crate) fn request(&self, undo: bool, work: TransactionWork, end: WorkEndCell) -> Arc<()> {
        let waiting = Arc::new(());
        let weak = Arc::downgrade(&waiting);
        // a task that is gone answers nothing
        let _ = self.sender.send(TransactionRequest {
            call: self.call,
            undo,
            work,
            end,
            waiting: weak,
        });
        waiting
    }
}
