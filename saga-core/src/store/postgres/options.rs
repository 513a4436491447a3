//! How a [`PostgresStore`](super::PostgresStore) connects.

use std::fmt;
use std::time::Duration;

use super::PostgresStore;
use super::schema::Tables;
use crate::store::table_prefix::TablePrefix;
use crate::store::{LeaseTerms, StoreError};

/// The shortest lease: what a busy machine needs to renew it in time.
const SHORTEST_LEASE: Duration = Duration::from_secs(1);

/// How a [`PostgresStore`] connects, from [`PostgresStore::options`].
///
/// ```no_run
/// use std::time::Duration;
/// use saga_core::store::PostgresStore;
/// # async fn connect() -> Result<(), Box<dyn std::error::Error>> {
/// let store = PostgresStore::options("postgres://shop:secret@db.example/shop?sslmode=require")
///     .table_prefix("shop_")
///     .connections(8)
///     .lease(Duration::from_secs(30))
///     .connect()
///     .await?;
/// # Ok(()) }
/// ```
#[derive(Clone)]
#[must_use = "nothing is connected before `.connect().await`"]
pub struct PostgresOptions {
    pub(super) url: String,
    pub(super) prefix: String,
    pub(super) connections: usize,
    pub(super) lease: Duration,
    pub(super) poll_every: Duration,
    pub(super) statement_timeout: Duration,
    pub(super) root_certificates: Option<Vec<u8>>,
    pub(super) prepared_statements: bool,
    pub(super) relaxed_durability: bool,
}

impl PostgresOptions {
    pub(super) fn new(url: &str) -> Self {
        Self {
            url: url.to_string(),
            prefix: String::new(),
            connections: 4,
            lease: Duration::from_secs(15),
            poll_every: Duration::from_secs(1),
            statement_timeout: Duration::from_secs(10),
            root_certificates: None,
            prepared_statements: true,
            relaxed_durability: false,
        }
    }

    /// Begins the names of all tables and indexes with this, for a database that already has a table `saga`: 1 to 31
    /// characters from `a-z`, `0-9` and `_`, not beginning with a digit. By default empty.
    pub fn table_prefix(mut self, prefix: impl Into<String>) -> Self {
        self.prefix = prefix.into();
        self
    }

    /// How many connections to the database this process has at most; by default 4, at least 1. Writes of many sagas
    /// share a connection and a commit, so that more connections make a worker hardly faster. Only
    /// [transactions of actions](crate::ActionContext::postgres_transaction) need one each: as many as this number less
    /// two are open at the same time, and at least one.
    pub fn connections(mut self, connections: usize) -> Self {
        self.connections = connections.max(1);
        self
    }

    /// How long this process is taken to be alive after it last said so; by default 15 s, at least 1 s. It says so five
    /// times in that time. If it dies, others take its sagas over after that time; if it cannot reach the database for
    /// that long, it stops running its sagas. All workers on one database should have the same.
    pub fn lease(mut self, duration: Duration) -> Self {
        self.lease = duration.max(SHORTEST_LEASE);
        self
    }

    /// How often this process looks for sagas to take over, and for news of sagas that another worker runs and somebody
    /// waits for here; by default every second, at least every 10 ms.
    pub fn poll_every(mut self, interval: Duration) -> Self {
        self.poll_every = interval.max(Duration::from_millis(10));
        self
    }

    /// How long a statement may take before its connection is given up; by default 10 s. A saga whose append failed so
    /// stops, and resumes from its log once the database answers again.
    pub fn statement_timeout(mut self, timeout: Duration) -> Self {
        self.statement_timeout = timeout.max(Duration::from_millis(10));
        self
    }

    /// Checks the server's certificate and name against these authorities, in PEM, instead of those of the system.
    ///
    /// With `sslmode=require` in the URL, a connection without TLS or with a certificate that is not trusted is refused.
    /// Without it, TLS is used if the server has it, and the certificate is checked only if authorities are passed here.
    pub fn root_certificates(mut self, pem: impl Into<Vec<u8>>) -> Self {
        self.root_certificates = Some(pem.into());
        self
    }

    /// Whether statements are prepared once for each connection, which is faster; by default true. Pass false behind a
    /// pooler in transaction mode that does not pass prepared statements on: PgBouncer before 1.21, or one with
    /// `max_prepared_statements = 0`.
    pub fn prepared_statements(mut self, prepared: bool) -> Self {
        self.prepared_statements = prepared;
        self
    }

    /// Accepts a server with `fsync = off`, `full_page_writes = off` or `synchronous_commit = off`, which may lose or
    /// damage sagas when it crashes. For tests.
    pub fn accept_data_loss(mut self) -> Self {
        self.relaxed_durability = true;
        self
    }

    /// Connects, checks the server's settings, and creates or migrates the tables.
    ///
    /// # Errors
    /// [`StoreError::Failed`] says what is wrong and what to do; [`StoreError::NewerSchema`] if a newer version of this
    /// library has written the tables. No error contains the password.
    pub async fn connect(self) -> Result<PostgresStore, StoreError> {
        PostgresStore::connect_with(self, Tables::Create).await
    }

    /// Connects as an operator does, with [`Operator::attach`](crate::operator::Operator::attach): like
    /// [`connect`](Self::connect), but creates and migrates no tables.
    ///
    /// ```no_run
    /// use std::time::Duration;
    /// use saga_core::operator::Operator;
    /// use saga_core::store::PostgresStore;
    /// # async fn look() -> Result<(), Box<dyn std::error::Error>> {
    /// let store = PostgresStore::options("postgres://shop:secret@localhost/shop").attach().await?;
    /// println!("{}", Operator::attach(store, "alice", Duration::from_secs(10)).fleet().await?);
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    /// Those of [`connect`](Self::connect), and [`StoreError::Failed`] if no worker has created the tables yet, or those there
    /// are have an older schema.
    pub async fn attach(self) -> Result<PostgresStore, StoreError> {
        PostgresStore::connect_with(self, Tables::AreThere).await
    }

    pub(super) fn table_names(&self) -> Result<TablePrefix, String> {
        match &*self.prefix {
            "" => Ok(TablePrefix::default()),
            prefix => TablePrefix::new(prefix),
        }
    }

    pub(super) fn lease_terms(&self) -> LeaseTerms {
        LeaseTerms { poll_every: self.poll_every, ..LeaseTerms::new(self.lease) }
    }
}

/// Does not show the URL, which may contain a password.
impl fmt::Debug for PostgresOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PostgresOptions")
            .field("prefix", &self.prefix)
            .field("connections", &self.connections)
            .field("lease", &self.lease)
            .finish_non_exhaustive()
    }
}
