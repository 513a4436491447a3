//! [`TransactionWork`]: an action's own writes, made in the same transaction as an append.

use std::fmt;

#[cfg(feature = "postgres")]
use futures_util::future::BoxFuture;

use super::StoreError;
use crate::log::Payload;

/// The caller's own writes in a [`Store::append_with`](super::Store::append_with), for one kind of database.
pub struct TransactionWork {
    database: Database,
}

/// The work for each kind of database that has some. There may be none.
enum Database {
    #[cfg(feature = "sqlite")]
    Sqlite(SqliteWork),
    #[cfg(feature = "postgres")]
    Postgres(PostgresWork),
}

/// Writes rows through the given transaction. `Ok(Some(output))` replaces the output of the append's first
/// entry, which must be a `succeeded`. An `Err` rolls the whole transaction back and becomes the result of the
/// append; return [`StoreError::RolledBack`] to roll back deliberately.
#[cfg(feature = "sqlite")]
pub type SqliteWork = Box<
    dyn FnOnce(&rusqlite::Transaction<'_>) -> Result<Option<Payload>, StoreError> + Send + 'static,
>;

/// Writes rows through the given transaction, on the store's thread. `Ok(Some(output))` replaces the output of the
/// append's first entry, which must be a `succeeded`. An `Err` rolls the whole transaction back and becomes the result
/// of the append; return [`StoreError::RolledBack`] to roll back deliberately.
#[cfg(feature = "postgres")]
pub type PostgresWork = Box<
    dyn for<'t> FnOnce(
            &'t tokio_postgres::Transaction<'t>,
        ) -> BoxFuture<'t, Result<Option<Payload>, StoreError>>
        + Send
        + 'static,
>;

impl TransactionWork {
    /// Creates work for a store in SQLite.
    #[cfg(feature = "sqlite")]
    pub fn sqlite(work: SqliteWork) -> Self {
        Self { database: Database::Sqlite(work) }
    }

    /// Creates work for a store in PostgreSQL.
    #[cfg(feature = "postgres")]
    pub fn postgres(work: PostgresWork) -> Self {
        Self { database: Database::Postgres(work) }
    }

    /// Returns the work, if it is for a store in SQLite.
    #[cfg(feature = "sqlite")]
    pub fn into_sqlite(self) -> Option<SqliteWork> {
        match self.database {
            Database::Sqlite(work) => Some(work),
            #[cfg(feature = "postgres")]
            Database::Postgres(_) => None,
        }
    }

    /// Returns the work, if it is for a store in PostgreSQL.
    #[cfg(feature = "postgres")]
    pub fn into_postgres(self) -> Option<PostgresWork> {
        match self.database {
            Database::Postgres(work) => Some(work),
            #[cfg(feature = "sqlite")]
            Database::Sqlite(_) => None,
        }
    }

    /// Passes the output of the work through `then` while the transaction is still open.
    pub fn and_then(
        self,
        then: impl FnOnce(Payload) -> Result<Option<Payload>, StoreError> + Send + 'static,
    ) -> Self {
        // without a database there is no work
        let _ = &then;
        match self.database {
            #[cfg(feature = "sqlite")]
            Database::Sqlite(work) => Self::sqlite(Box::new(move |tx| match work(tx)? {
                Some(output) => then(output),
                None => Ok(None),
            })),
            #[cfg(feature = "postgres")]
            Database::Postgres(work) => Self::postgres(Box::new(move |tx| {
                let worked = work(tx);
                Box::pin(async move {
                    match worked.await? {
                        Some(output) => then(output),
                        None => Ok(None),
                    }
                })
            })),
        }
    }
}

impl fmt::Debug for TransactionWork {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("TransactionWork(..)")
    }
}
