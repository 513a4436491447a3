//! How a call requests a transaction from the task of its saga.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use tokio::sync::mpsc;

use crate::error::ActionError;
use crate::machine::Call;
use crate::store::TransactionWork;
use crate::value::ActionOutput;

/// The outcome of the work, where the answer of the store does not tell.
#[derive(Default)]
pub(crate) enum WorkEnd {
    /// It has not run, or was rolled back after it had.
    #[default]
    Open,
    /// It returned an error, which the call knows.
    #[cfg_attr(not(feature = "sqlite"), expect(dead_code, reason = "only SQLite has them"))]
    Told,
    /// Its value is not acceptable as the output.
    Refused(ActionError),
    /// It has an output.
    Output(ActionOutput),
}

/// The outcome of a piece of work, set by its closure.
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

/// The request of one call.
pub(crate) struct TransactionRequest {
    pub(crate) call: Call,
    pub(crate) undo: bool,
    pub(crate) work: TransactionWork,
    pub(crate) end: WorkEndCell,
    /// Dead once the call is no longer waiting.
    pub(crate) asks: Weak<()>,
}

/// The means by which one call requests its transaction.
#[derive(Clone)]
pub(crate) struct TransactionHandle {
    pub(crate) sender: mpsc::UnboundedSender<TransactionRequest>,
    pub(crate) call: Call,
}

impl TransactionHandle {
    /// Sends the request. The caller must keep what is returned for as long as it waits.
    #[cfg_attr(not(feature = "sqlite"), expect(dead_code, reason = "only SQLite has them"))]
    pub(crate) fn ask(&self, undo: bool, work: TransactionWork, end: WorkEndCell) -> Arc<()> {
        let asking = Arc::new(());
        let asks = Arc::downgrade(&asking);
        // If the task is gone, the request is never answered.
        let _ = self.sender.send(TransactionRequest { call: self.call, undo, work, end, asks });
        asking
    }
}
