//! What a call reaches beside its own context: how it requests a transaction from the task of its saga, and who runs that.

use std::any::Any;
use std::panic::resume_unwind;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use super::{ContextInner, Transactions};
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
    #[cfg_attr(
        not(any(feature = "sqlite", feature = "postgres")),
        expect(dead_code, reason = "no store has them")
    )]
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

/// What runs the saga of a call.
pub(crate) trait CallHome: Send + Sync {
    /// Brings a transaction to the task of the saga. If the task has ended, the request is dropped.
    fn send(&self, request: TransactionRequest);

    /// The coordinator, which can start other sagas; none where a single saga is run by hand, and in unit tests.
    fn coordinator(&self) -> Option<Arc<dyn Any + Send + Sync>>;
}

impl ContextInner {
    /// Requests a transaction for this call; `None` where no action runs, or not any more. The caller keeps the
    /// result for as long as it waits. Within a transaction this panics like the action, which fails: a second one
    /// would wait for the first, and the first for it.
    #[cfg_attr(
        not(any(feature = "sqlite", feature = "postgres")),
        expect(dead_code, reason = "no store has them")
    )]
    pub(crate) fn request_transaction(
        &self,
        work: TransactionWork,
        end: WorkEndCell,
    ) -> Option<Arc<()>> {
        match self.call.transactions {
            Transactions::Possible => {}
            Transactions::NoAction => return None,
            Transactions::Within => {
                let why = "this action is a transaction already: use the `tx` that it takes";
                resume_unwind(Box::new(why.to_string()));
            }
        }
        let waits = Arc::new(());
        let waiting = Arc::downgrade(&waits);
        let (call, undo) = (self.call.authorized, self.call.undo);
        // it may hold the context of its call, so the context does not keep the queue that it is in
        let task = self.run.home.upgrade()?;
        task.send(TransactionRequest { call, undo, work, end, waiting });
        Some(waits)
    }
}
