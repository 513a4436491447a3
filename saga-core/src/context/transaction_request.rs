//! How a call asks the task of its saga for a transaction.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use tokio::sync::mpsc;

use crate::error::ActionError;
use crate::machine::Call;
use crate::store::TransactionWork;
use crate::value::ActionOutput;

/// What became of the work, as far as the store does not say it.
#[derive(Default)]
pub(crate) enum WorkEnd {
    /// It has not run, or was rolled back after it had.
    #[default]
    Open,
    /// It declined, and the call knows why.
    #[cfg_attr(not(feature = "sqlite"), expect(dead_code, reason = "only SQLite has them"))]
    Told,
    /// Its value cannot be the output.
    Refused(ActionError),
    /// It has an output.
    Output(ActionOutput),
}

/// The end of a work, which its closure writes.
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

/// A call that asks for its transaction.
pub(crate) struct TransactionRequest {
    pub(crate) call: Call,
    pub(crate) undo: bool,
    pub(crate) work: TransactionWork,
    pub(crate) end: WorkEndCell,
    /// Gone once the call does not wait any more.
    pub(crate) asks: Weak<()>,
}

/// How one call asks.
#[derive(Clone)]
pub(crate) struct TransactionHandle {
    pub(crate) sender: mpsc::UnboundedSender<TransactionRequest>,
    pub(crate) call: Call,
}

impl TransactionHandle {
    /// Asks. What is returned must be kept for as long as the caller waits.
    #[cfg_attr(not(feature = "sqlite"), expect(dead_code, reason = "only SQLite has them"))]
    pub(crate) fn ask(&self, undo: bool, work: TransactionWork, end: WorkEndCell) -> Arc<()> {
        let asking = Arc::new(());
        let asks = Arc::downgrade(&asking);
        // a task that is gone answers nothing, and so does this
        let _ = self.sender.send(TransactionRequest { call: self.call, undo, work, end, asks });
        asking
    }
}
