//! Connections to the database, and how one statement is executed.

use std::borrow::Cow;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use deadpool_postgres::{Object, Pool, PoolError, TimeoutType, Transaction};
use futures_util::future::BoxFuture;
use tokio::time::timeout;
use tokio_postgres::types::{ToSql, Type};
use tokio_postgres::{CancelToken, Client, IsolationLevel, Row};

use super::trouble::Trouble;
use crate::store::StoreError;
use crate::store::table_prefix::TablePrefix;

/// The values of a statement, with the types that the server is told.
pub(super) type Params<'a> = &'a [(&'a (dyn ToSql + Sync), Type)];

/// The database, as the tasks of a store use it.
pub(super) struct Database {
    pool: Pool,
    pub(super) prefix: TablePrefix,
    /// What errors call the store: the address without the password.
    pub(super) place: Arc<str>,
    /// How long a statement, and waiting for a connection, may take.
    pub(super) timeout: Duration,
    /// Whether frequent statements are prepared.
    prepared: AtomicBool,
    /// Whether each statement is in a transaction that begins with its isolation level, because the user's or the
    /// database's default is another one.
    isolated: AtomicBool,
    cancel: Cancel,
}

/// Asks the server to give up a statement.
pub(super) type Cancel = Box<dyn Fn(CancelToken) -> BoxFuture<'static, ()> + Send + Sync>;

/// A connection that nobody else uses.
pub(super) struct Connection {
    client: Option<Object>,
    database: Arc<Database>,
}

impl Database {
    pub(super) fn new(
        pool: Pool,
        prefix: TablePrefix,
        place: Arc<str>,
        timeout: Duration,
        prepared: bool,
        cancel: Cancel,
    ) -> Self {
        let (prepared, isolated) = (AtomicBool::new(prepared), AtomicBool::new(false));
        Self { pool, prefix, place, timeout, prepared, isolated, cancel }
    }

    /// Waits for a connection that is free, or connects.
    pub(super) async fn connection(self: &Arc<Self>) -> Result<Connection, Trouble> {
        match timeout(self.timeout, self.pool.get()).await {
            Ok(Ok(client)) => Ok(Connection { client: Some(client), database: self.clone() }),
            Ok(Err(PoolError::Backend(error))) => Err(Trouble::NotConnected(error)),
            Ok(Err(PoolError::Timeout(TimeoutType::Wait))) | Err(_) => Err(Trouble::NoConnection),
            Ok(Err(PoolError::Timeout(TimeoutType::Create | TimeoutType::Recycle))) => {
                let why = format!(
                    "the server does not answer: there was no connection within {:?}; check that it runs, and that nothing holds \
                     it up",
                    self.timeout
                );
                Err(Trouble::Pool(why))
            }
            Ok(Err(error)) => Err(Trouble::Pool(error.to_string())),
        }
    }

    /// Nothing was heard from a connection for this long. Those that nobody has used in the second half of that time are
    /// given up as well: the network may have swallowed them all, and each would take as long to find out.
    fn doubt_idle_connections(&self, silence: Duration) {
        self.pool.retain(|_, metrics| metrics.last_used() < silence / 2);
    }

    /// Waits for the server's answer, for the time that a statement may take.
    async fn limited<T>(
        &self,
        execute: impl Future<Output = Result<T, tokio_postgres::Error>>,
    ) -> Result<T, Trouble> {
        match timeout(self.timeout, execute).await {
            Ok(Ok(value)) => Ok(value),
            Ok(Err(error)) => Err(Trouble::Sql(error)),
            Err(_) => Err(Trouble::TimedOut(self.timeout)),
        }
    }

    /// Returns an error with the name of this store.
    pub(super) fn failed(&self, why: impl Into<String>) -> StoreError {
        StoreError::Failed { store: self.place.to_string(), why: why.into() }
    }

    /// The default isolation level is not READ COMMITTED: each statement sets it from now on.
    pub(super) fn set_isolation(&self) {
        self.isolated.store(true, Ordering::Relaxed);
    }

    /// The pooler between this process and the database does not pass prepared statements on: they are not used any more.
    pub(super) fn give_up_prepared_statements(&self) {
        if self.prepared.swap(false, Ordering::Relaxed) {
            tracing::warn!(
                target: "saga_core", store = &*self.place,
                "a pooler does not pass on prepared statements, so none are used from now on; set \
                 `PostgresOptions::prepared_statements(false)`"
            );
        }
    }
}

/// An open transaction. If it is dropped, it is rolled back.
pub(super) struct OpenTransaction<'c> {
    transaction: Transaction<'c>,
    database: Arc<Database>,
}

/// What executes statements: a connection, where each is a transaction of its own, or an open transaction.
pub(super) trait Execute: Sync {
    /// Executes a statement that the server plans anew each time, for the sizes that the tables have then.
    fn query(
        &self,
        sql: &str,
        params: Params<'_>,
    ) -> impl Future<Output = Result<Vec<Row>, Trouble>> + Send;

    /// Executes a statement that is executed for each saga or append, so that it is prepared once for each connection.
    fn query_often(
        &self,
        sql: &str,
        params: Params<'_>,
    ) -> impl Future<Output = Result<Vec<Row>, Trouble>> + Send;
}

impl Execute for Connection {
    async fn query(&self, sql: &str, params: Params<'_>) -> Result<Vec<Row>, Trouble> {
        let sql = self.database.prefix.sql(sql);
        self.read_committed(self.object()?.query_typed(&sql, params)).await
    }

    async fn query_often(&self, sql: &str, params: Params<'_>) -> Result<Vec<Row>, Trouble> {
        if !self.database.prepared.load(Ordering::Relaxed) {
            return self.query(sql, params).await;
        }
        let sql = self.database.prefix.sql(sql);
        let (values, types): (Vec<_>, Vec<_>) = params.iter().cloned().unzip();
        let client = self.object()?;
        self.read_committed(async {
            let statement = client.prepare_typed_cached(&sql, &types).await?;
            client.query(&statement, &values).await
        })
        .await
    }
}

impl Execute for OpenTransaction<'_> {
    async fn query(&self, sql: &str, params: Params<'_>) -> Result<Vec<Row>, Trouble> {
        let sql = self.database.prefix.sql(sql);
        self.database.limited(self.transaction.query_typed(&sql, params)).await
    }

    async fn query_often(&self, sql: &str, params: Params<'_>) -> Result<Vec<Row>, Trouble> {
        if !self.database.prepared.load(Ordering::Relaxed) {
            return self.query(sql, params).await;
        }
        let sql = self.database.prefix.sql(sql);
        let (values, types): (Vec<_>, Vec<_>) = params.iter().cloned().unzip();
        let execute = async {
            let statement = self.transaction.prepare_typed_cached(&sql, &types).await?;
            self.transaction.query(&statement, &values).await
        };
        self.database.limited(execute).await
    }
}

impl OpenTransaction<'_> {
    /// The transaction as an action's own work gets it.
    pub(super) fn of_driver(&self) -> &tokio_postgres::Transaction<'_> {
        &self.transaction
    }

    pub(super) async fn commit(self) -> Result<(), Trouble> {
        self.database.limited(self.transaction.commit()).await
    }

    pub(super) async fn roll_back(self) -> Result<(), Trouble> {
        self.database.limited(self.transaction.rollback()).await
    }
}

impl Connection {
    /// Begins a transaction.
    pub(super) async fn transaction(&mut self) -> Result<OpenTransaction<'_>, Trouble> {
        let database = self.database.clone();
        let object = self.client.as_mut().ok_or(Trouble::NoConnection)?;
        let begin = object.build_transaction().isolation_level(IsolationLevel::ReadCommitted);
        let transaction = database.limited(begin.start()).await?;
        Ok(OpenTransaction { transaction, database })
    }

    /// Executes a statement, which is a transaction of its own, with the isolation level READ COMMITTED.
    async fn read_committed<T>(
        &self,
        execute: impl Future<Output = Result<T, tokio_postgres::Error>>,
    ) -> Result<T, Trouble> {
        if !self.database.isolated.load(Ordering::Relaxed) {
            return self.database.limited(execute).await;
        }
        let client = self.object()?;
        let transaction = async {
            client.batch_execute("BEGIN ISOLATION LEVEL READ COMMITTED").await?;
            match execute.await {
                Ok(value) => client.batch_execute("COMMIT").await.map(|()| value),
                Err(error) => {
                    // if that fails, the connection is lost, and the transaction with it
                    let _ = client.batch_execute("ROLLBACK").await;
                    Err(error)
                }
            }
        };
        self.database.limited(transaction).await
    }

    /// Executes a statement that must not take longer than this.
    pub(super) async fn query_within(
        &self,
        limit: Duration,
        sql: &str,
        params: Params<'_>,
    ) -> Result<Vec<Row>, Trouble> {
        match timeout(limit, self.query(sql, params)).await {
            Ok(result) => result,
            Err(_) => Err(Trouble::TimedOut(limit)),
        }
    }

    /// Executes statements without parameters.
    pub(super) async fn batch(&self, sql: &str) -> Result<(), Trouble> {
        let sql = self.database.prefix.sql(sql);
        self.database.limited(self.object()?.batch_execute(&sql)).await
    }

    /// The connection itself, for a transaction.
    pub(super) fn client(&mut self) -> Result<&mut Client, Trouble> {
        // two derefs: of the pool's object, and of deadpool's client
        self.client.as_mut().map(|object| &mut ***object).ok_or(Trouble::NoConnection)
    }

    /// The SQL with the names of this store's tables.
    pub(super) fn sql<'s>(&self, sql: &'s str) -> Cow<'s, str> {
        self.database.prefix.sql(sql)
    }

    pub(super) fn database(&self) -> &Arc<Database> {
        &self.database
    }

    /// A statement has failed: says what that means for the connection.
    pub(super) fn failed(&mut self, trouble: &Trouble) {
        if let Trouble::TimedOut(limit) = trouble {
            self.cancel(*limit);
            self.database.doubt_idle_connections(*limit);
        }
        if trouble.spoils_the_connection() {
            self.discard();
        }
        if trouble.is_about_prepared_statements() {
            self.database.give_up_prepared_statements();
        }
        if trouble.is_about_isolation() {
            self.database.set_isolation();
        }
    }

    /// Asks the server to give up the statement that it executes. Without that, statements that wait for a lock would pile
    /// up there, each with a connection.
    fn cancel(&self, limit: Duration) {
        if let Some(client) = &self.client {
            let cancel = (self.database.cancel)(client.cancel_token());
            // nobody waits for that
            tokio::spawn(timeout(limit, cancel));
        }
    }

    /// The connection is in the middle of a statement that nobody waits for: it is cancelled, and the connection closed.
    pub(super) fn give_up(&mut self) {
        self.cancel(self.database.timeout);
        self.discard();
    }

    /// The connection is not used again: it may be in the middle of something.
    pub(super) fn discard(&mut self) {
        if let Some(client) = self.client.take() {
            drop(Object::take(client));
        }
    }

    fn object(&self) -> Result<&Object, Trouble> {
        self.client.as_ref().ok_or(Trouble::NoConnection)
    }
}
