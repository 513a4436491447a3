//! What a caller does in the same transaction as its append: [`TransactionWork`].

use std::fmt;

use super::StoreError;
use crate::log::Payload;

/// The caller's part of a [`Store::append_with`](super::Store::append_with), for one kind of database.
pub struct TransactionWork {
    #[cfg(feature = "sqlite")]
    sqlite: SqliteWork,
}

/// Writes rows through the transaction that it is given. `Ok(Some(output))` replaces the output of the
/// append's first entry, which must be a `succeeded`. After an `Err` all of it is rolled back, and the
/// append's answer is this error: [`StoreError::RolledBack`], if the caller means just that.
#[cfg(feature = "sqlite")]
pub type SqliteWork = Box<
    dyn FnOnce(&rusqlite::Transaction<'_>) -> Result<Option<Payload>, StoreError> + Send + 'static,
>;

impl TransactionWork {
    /// TransactionWork for a store in SQLite.
    #[cfg(feature = "sqlite")]
    pub fn sqlite(work: SqliteWork) -> Self {
        Self { sqlite: work }
    }

    /// The work, if it is for a store in SQLite.
    #[cfg(feature = "sqlite")]
    pub fn into_sqlite(self) -> Option<SqliteWork> {
        Some(self.sqlite)
    }

    /// The same work, whose output goes through `then` while the transaction is still open.
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
