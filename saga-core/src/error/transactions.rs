//! Why an action that is a transaction cannot run here.

use crate::policy::DatabaseKind;

/// An action is a transaction of a database, and the store of the coordinator has no transactions of that kind.
///
/// ```
/// use saga_core::prelude::*;
/// use saga_core::BuildError;
///
/// # #[cfg(feature = "sqlite")]
/// # mod sqlite {
/// # use saga_core::prelude::*;
/// use saga_core::store::rusqlite::{self, Transaction};
///
/// #[saga_action(transaction, no_undo)]
/// fn note(tx: &Transaction<'_>, text: &str) -> Result<(), rusqlite::Error> {
///     tx.execute("INSERT INTO notes VALUES (?1)", [text]).map(|_| ())
/// }
/// saga! { pub Note<()>(text: String) -> () { note { text } } }
/// # }
/// # #[cfg(feature = "sqlite")]
/// # use sqlite::Note;
///
/// # #[cfg(feature = "sqlite")]
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() {
/// let built = Coordinator::builder(()).saga::<Note>().build().await;
/// let Err(BuildError::Transactions(why)) = built else { panic!("a store in memory has none") };
/// assert_eq!(
///     why.to_string(),
///     "action `note` is a transaction of SQLite, and a `MemoryStore` has none: keep the log in a `SqliteStore`"
/// );
/// # }
/// # #[cfg(not(feature = "sqlite"))]
/// # fn main() {}
/// ```
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "action `{action}` is a transaction of {database}, and a `{store}` has none: keep the log in a `{}`",
    store_of(*.database)
)]
pub struct MissingTransactions {
    /// The action.
    pub action: String,
    /// The database that it needs.
    pub database: DatabaseKind,
    /// The type of the store that the coordinator has.
    pub store: String,
}

fn store_of(database: DatabaseKind) -> &'static str {
    match database {
        DatabaseKind::Sqlite => "SqliteStore",
        DatabaseKind::Postgres => "PostgresStore",
    }
}
