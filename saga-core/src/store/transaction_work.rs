//! [`TransactionWork`]: an action's own writes, made in the same transaction as an append.

use std::fmt;

use super::StoreError;
use crate::log::Payload;

/// The caller's own writes in a [`Store::append_with`](super::Store::append_with), for one kind of database.
pub struct TransactionWork {
    #[cfg(feature = "sqlite")]
    sqlite: SqliteWork,
}

/// Writes rows through the given transaction. `Ok(Some(output))` replaces the output of the append's first
/// entry, which must be a `succeeded`. An `Err` rolls the whole transaction back and becomes the result of the
/// append; return [`StoreError::RolledBack`] to roll back deliberately.
#[cfg(feature = "sqlite")]
pub type SqliteWork = Box<
    dyn FnOnce(&rusqlite::Transaction<'_>) -> Result<Option<Payload>, StoreError> + Send + 'static,
>;

impl TransactionWork {
    /// Creates work for a store in SQLite.
    #[cfg(feature = "sqlite")]
    pub fn sqlite(work: SqliteWork) -> Self {
        Self { sqlite: work }
    }

    /// Returns the work, if it is for a store in SQLite.
    #[cfg(feature = "sqlite")]
    pub fn into_sqlite(self) -> Option<SqliteWork> {
        Some(self.sqlite)
    }

    /// Passes the output of the work through `then` while the transaction is still open.
    pub fn and_then(
        self,
        then: impl FnOnce(Payload) -> Result<Option<Payload>, StoreError> + Send + 'static,
    ) -> Self {
        #[cfg(feature = "sqlite")]
        return Self::sqlite(Box::new(move |tx| match (self.sqlite)(tx)? {
            Some(output) => then(output),
            None => Ok(None),
        }));
        #[cfg(not(feature = "sqlite"))]
        {
            let _ = then;
            self
        }
    }
}

impl fmt::Debug for TransactionWork {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("TransactionWork(..)")
    }
}
