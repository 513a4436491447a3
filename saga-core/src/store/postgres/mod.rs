//! [`PostgresStore`]: sagas in PostgreSQL, for any number of processes.
//!
//! | module | contents |
//! |---|---|
//! | `options` | how to connect |
//! | `connection` | a connection, and how a statement is executed |
//! | `connector` | the pool |
//! | `tls` | which certificates of a server are accepted |
//! | `trouble` | errors: what they mean for the transaction, and what to do about them |
//! | `retries` | trying again after a lost connection or a deadlock |
//! | `schema` | the server's settings, tables and migrations |
//! | `runtime` | the thread on which all of this runs |
//! | `store_impl` | the methods of `Store` |
//! | `group_commit` | many writes in one statement |
//! | `creates`, `inserts`, `appends`, `detailed_appends` | the statements that write sagas and logs |
//! | `transaction` | appends that share their transaction with an action's own writes |
//! | `claims`, `call_shares`, `reads`, `requests`, `removals` | the other statements |
//! | `rows`, `log_columns` | records and logs as columns |
//! | `many_sagas` | a test: a claim reads few pages, however many sagas have ended |

mod appends;
mod call_shares;
mod claims;
mod connection;
mod connector;
mod creates;
mod detailed_appends;
mod due;
mod group_commit;
mod inserts;
mod log_columns;
#[cfg(test)]
mod many_sagas;
mod options;
mod reads;
mod removals;
mod requests;
mod retries;
mod rows;
mod runtime;
mod schema;
mod store_impl;
mod tls;
mod transaction;
mod trouble;

use std::collections::HashSet;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use futures_util::future::BoxFuture;

use self::appends::AppendJob;
use self::connection::{Connection, Database};
use self::creates::{CreateJob, KnownVersions};
use self::group_commit::GroupCommit;
pub use self::options::PostgresOptions;
use self::retries::Tries;
use self::runtime::Runtime;
use self::schema::Tables;
use self::transaction::Transactions;
use self::trouble::Trouble;
use super::{LeaseTerms, StoreError, WorkerId};

/// Keeps sagas in PostgreSQL (14 or newer), for any number of processes that run sagas on one database.
///
/// Each process that runs sagas is a *worker*, and proves several times in the time of a
/// [lease](PostgresOptions::lease) that it is alive. When a worker dies, the others take its sagas over once its lease has
/// ended, each some of them. Every write names the saga's owner and epoch, so that a worker that was taken to be dead, and
/// comes back, cannot write a single entry. A worker that cannot renew its lease in time stops its sagas by itself.
///
/// Every commit is as durable as the database makes it. Writes of many sagas share one statement and one commit. The
/// store has a thread of its own, with a pool of [connections](PostgresOptions::connections), and needs no session of
/// its own: PgBouncer works in transaction mode.
///
/// While the database cannot be reached, sagas stop where they are, and resume from their logs once it can.
///
/// ```no_run
/// use saga_core::prelude::*;
/// use saga_core::store::PostgresStore;
/// # async fn build() -> Result<(), Box<dyn std::error::Error>> {
/// let store = PostgresStore::connect("postgres://shop:secret@localhost/shop").await?;
/// let sec = Coordinator::builder(()).store(store).build().await?;
/// # Ok(()) }
/// ```
#[derive(Clone)]
pub struct PostgresStore {
    inner: Arc<Inner>,
}

struct Inner {
    database: Arc<Database>,
    appends: Arc<GroupCommit<AppendJob>>,
    creates: Arc<GroupCommit<CreateJob>>,
    transactions: Arc<Transactions>,
    terms: LeaseTerms,
    /// Workers that the database knows.
    introduced: Mutex<HashSet<WorkerId>>,
    // dropped last: it waits for the others' writes
    runtime: Runtime,
}

impl PostgresStore {
    /// Connects with the default [options](Self::options).
    ///
    /// # Errors
    /// Those of [`PostgresOptions::connect`].
    pub async fn connect(url: &str) -> Result<Self, StoreError> {
        Self::options(url).connect().await
    }

    /// Options for a connection to this URL: `postgres://user:password@host:port/database`. Its parameters are those of
    /// [`tokio_postgres::Config`](https://docs.rs/tokio-postgres/latest/tokio_postgres/config/struct.Config.html), such
    /// as `?sslmode=require` and `?connect_timeout=5`.
    pub fn options(url: &str) -> PostgresOptions {
        PostgresOptions::new(url)
    }

    async fn connect_with(options: PostgresOptions, tables: Tables) -> Result<Self, StoreError> {
        let database = Arc::new(connector::database(&options)?);
        let runtime = Runtime::start()
            .map_err(|e| database.failed(format!("cannot start the thread of the store: {e}")))?;
        let (relaxed, there) = (options.relaxed_durability, database.clone());
        let prepared = runtime.run(async move {
            prepare(&there, relaxed, tables)
                .await
                .map_err(|trouble| trouble.into_store_error(&there))
        });
        prepared.await.unwrap_or_else(|| Err(database.failed(runtime::GONE)))?;
        // one connection is left for everything else
        let writers = options.connections.saturating_sub(1).clamp(1, 2);
        let versions = Arc::new(KnownVersions::default());
        let (to_append, to_create) = (database.clone(), database.clone());
        let appends = GroupCommit::new(
            writers,
            runtime.spawner(),
            Box::new(move |jobs| {
                let database = to_append.clone();
                Box::pin(async move { appends::commit(&database, jobs).await })
            }),
        );
        let creates = GroupCommit::new(
            writers,
            runtime.spawner(),
            Box::new(move |jobs| {
                let (database, versions) = (to_create.clone(), versions.clone());
                Box::pin(async move { creates::commit(&database, &versions, jobs).await })
            }),
        );
        let terms = options.lease_terms();
        let transactions = Arc::new(Transactions::new(options.connections));
        let introduced = Mutex::default();
        let inner = Inner { database, appends, creates, transactions, terms, introduced, runtime };
        Ok(Self { inner: Arc::new(inner) })
    }

    /// Runs statements on the store's thread. They are tried again where that may help, so they must have the same effect
    /// if an earlier try was committed although it seemed to fail.
    fn run<T: Send + 'static>(
        &self,
        work: impl for<'c> Fn(&'c mut Connection) -> BoxFuture<'c, Result<T, Trouble>>
        + Send
        + Sync
        + 'static,
    ) -> BoxFuture<'static, Result<T, StoreError>> {
        let database = self.inner.database.clone();
        let there = database.clone();
        let result = self.inner.runtime.run(async move {
            let result = run(&there, work).await;
            result.map_err(|trouble| trouble.into_store_error(&there))
        });
        Box::pin(async move { result.await.unwrap_or_else(|| Err(database.failed(runtime::GONE))) })
    }

    /// Runs statements on the store's thread, without trying again once they have begun.
    fn run_once<T: Send + 'static>(
        &self,
        work: impl for<'c> FnOnce(&'c mut Connection) -> BoxFuture<'c, Result<T, Trouble>>
        + Send
        + 'static,
    ) -> BoxFuture<'static, Result<T, StoreError>> {
        let database = self.inner.database.clone();
        let there = database.clone();
        let result = self.inner.runtime.run(async move {
            let failed = |trouble: Trouble| trouble.into_store_error(&there);
            let mut connection = Tries::default().connection(&there).await.map_err(failed)?;
            let result = work(&mut connection).await;
            result.map_err(|trouble| {
                connection.failed(&trouble);
                failed(trouble)
            })
        });
        Box::pin(async move { result.await.unwrap_or_else(|| Err(database.failed(runtime::GONE))) })
    }

    /// Makes a worker known to the database, once, so that others find its sagas when it dies.
    async fn introduce(&self, worker: &WorkerId) -> Result<(), StoreError> {
        let is_known = || self.introduced().contains(worker);
        if is_known() {
            return Ok(());
        }
        let id = worker.clone();
        self.run(move |connection| {
            let id = id.clone();
            Box::pin(async move { claims::introduce(connection, &id).await })
        })
        .await?;
        self.introduced().insert(worker.clone());
        Ok(())
    }

    fn introduced(&self) -> std::sync::MutexGuard<'_, HashSet<WorkerId>> {
        self.inner.introduced.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Checks the server and its tables, or creates them.
async fn prepare(database: &Arc<Database>, relaxed: bool, tables: Tables) -> Result<(), Trouble> {
    let mut tries = Tries::default();
    loop {
        let mut connection = tries.connection(database).await?;
        let prepared = match schema::check_server(&connection, relaxed).await {
            Ok(()) => match tables {
                Tables::Create => schema::migrate(&mut connection).await,
                Tables::AreThere => schema::check_tables(&connection).await,
            },
            Err(trouble) => Err(trouble),
        };
        match prepared {
            Ok(()) => return Ok(()),
            Err(trouble) => tries.failed(connection, trouble).await?,
        }
    }
}

async fn run<T>(
    database: &Arc<Database>,
    work: impl for<'c> Fn(&'c mut Connection) -> BoxFuture<'c, Result<T, Trouble>>,
) -> Result<T, Trouble> {
    let mut tries = Tries::default();
    loop {
        let mut connection = tries.connection(database).await?;
        match work(&mut connection).await {
            Ok(value) => return Ok(value),
            Err(trouble) => tries.failed(connection, trouble).await?,
        }
    }
}

impl fmt::Debug for PostgresStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PostgresStore")
            .field("place", &self.inner.database.place)
            .finish_non_exhaustive()
    }
}
