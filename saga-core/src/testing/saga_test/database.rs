//! The user's tables of one run, for actions with a `cx.transaction`: in memory, and on the thread of the saga, because a
//! paused clock does not wait for other threads.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Mutex, MutexGuard, PoisonError};

use futures_util::FutureExt;
use rusqlite::{Connection, Transaction, TransactionBehavior};

use crate::store::{Append, MemoryStore, SqliteWork, Store, StoreError};

/// Creates the tables of a run.
pub(super) type Prepare = dyn Fn(&mut Connection) -> rusqlite::Result<()> + Send + Sync;

pub(super) struct Database(Mutex<Connection>);

impl Database {
    pub(super) fn new(prepare: &Prepare) -> rusqlite::Result<Self> {
        let mut connection = Connection::open_in_memory()?;
        prepare(&mut connection)?;
        Ok(Self(Mutex::new(connection)))
    }

    pub(super) fn connection(&self) -> MutexGuard<'_, Connection> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Does the work of an action and appends its outcome, or does neither. As with a `SqliteStore`.
    pub(super) fn append_with(
        &self,
        memory: &MemoryStore,
        mut append: Append,
        work: SqliteWork,
    ) -> Result<(), StoreError> {
        let saga = append.saga.clone();
        let rolled_back = |why: String| StoreError::RolledBack { saga: saga.clone(), why };
        let failed = |e: rusqlite::Error| rolled_back(e.to_string());
        let mut connection = self.connection();
        // rolls back when it is dropped without a commit
        let tx =
            Transaction::new(&mut connection, TransactionBehavior::Immediate).map_err(failed)?;
        let output = match catch_unwind(AssertUnwindSafe(|| work(&tx))) {
            Ok(output) => output?,
            Err(_) => return Err(rolled_back("the action's work panicked".to_string())),
        };
        if tx.is_autocommit() {
            let why =
                "one of the action's statements ended the transaction; do not use `OR ROLLBACK`";
            return Err(rolled_back(why.to_string()));
        }
        if let Some(output) = output {
            append.replace_output(output);
        }
        // a deferred foreign key may be violated: then nothing is committed
        tx.commit().map_err(failed)?;
        // what is in memory is appended at the first poll, and this process is the only one
        memory.append(append).now_or_never().unwrap_or_else(|| {
            Err(rolled_back("the store in memory did not answer at once".to_string()))
        })
    }
}
