//! Appends that share their transaction with an action's own writes.
//!
//! Such an append does not take part in the group commit: an action's statements can make the whole transaction fail, and
//! its work runs only once.
//!
//! - The transaction first locks the saga's row and compares it, so that the work of a fenced append does not run. As long
//!   as the transaction is open, nobody else can append to the saga or take it: a claim skips it, and a take waits. Whoever
//!   gets the row afterwards sees how the transaction ended.
//! - If this process dies or is cut off, the server ends the transaction: each statement of the work may take as long as
//!   one of the store, and so may the pause between two of them.
//! - Work that ends while one of its statements runs leaves no such statement behind: it is cancelled, and its connection is
//!   closed.
//! - A commit whose result is unknown is resolved by waiting for the row's lock and reading the log. If that is not
//!   possible either, the saga stops, and whoever takes it next waits for the lock.

use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::{Either, select};
use tokio::sync::Semaphore;
use tokio::time::timeout;
use tokio_postgres::types::Type;

use super::appends::{self, AppendRow, Found};
use super::connection::{Connection, Database, Execute, OpenTransaction, Params};
use super::retries::Tries;
use super::rows::owner_column;
use super::schema;
use super::trouble::Trouble;
use crate::crash_points::crash_point;
use crate::log::Payload;
use crate::panics::{self, Contained};
use crate::store::transaction_work::PostgresWork;
use crate::store::{Append, StoreError};

/// How long the server may take to roll a transaction back, before the connection is given up.
const ROLL_BACK: Duration = Duration::from_secs(1);

/// The transactions of a store.
pub(super) struct Transactions {
    /// One for each transaction that may be open.
    permits: Semaphore,
    limit: u32,
}

impl Transactions {
    /// Leaves two of the connections for everything else: the lease must be renewed whatever an action's work waits for.
    pub(super) fn new(connections: usize) -> Self {
        let limit = u32::try_from(connections.saturating_sub(2).max(1)).unwrap_or(u32::MAX);
        let limit = limit.min(1000);
        Self { permits: Semaphore::new(limit as usize), limit }
    }

    /// Waits until those that have been asked for have ended.
    pub(super) async fn idle(&self) {
        // an error would say that the semaphore is closed, which it never is
        let _ = self.permits.acquire_many(self.limit).await;
    }

    pub(super) async fn commit(
        &self,
        database: &Arc<Database>,
        append: Append,
        work: PostgresWork,
    ) -> Result<(), StoreError> {
        let work = Contained::new(work);
        let row = AppendRow::new(append).map_err(|why| database.failed(why))?;
        let _permit = self.permits.acquire().await;
        commit(database, row, work).await
    }
}

/// Why a transaction was not committed.
enum NotCommitted {
    /// The work has not begun, and all may be tried again.
    BeforeWork(Trouble),
    /// It was rolled back.
    RolledBack(StoreError),
    /// It is unknown whether it was.
    Unknown(Trouble),
}

async fn commit(
    database: &Arc<Database>,
    mut row: AppendRow,
    work: Contained<PostgresWork>,
) -> Result<(), StoreError> {
    let error = |trouble: Trouble| trouble.into_store_error(database);
    let mut work = Some(work);
    let mut tries = Tries::default();
    loop {
        let mut connection = tries.connection(database).await.map_err(error)?;
        match run(&mut connection, &mut row, &mut work).await {
            Ok(()) => {
                crash_point("postgres.transaction.committed");
                return Ok(());
            }
            Err(NotCommitted::BeforeWork(trouble)) => {
                tries.failed(connection, trouble).await.map_err(error)?;
            }
            Err(NotCommitted::RolledBack(error)) => return Err(error),
            Err(NotCommitted::Unknown(trouble)) => {
                crash_point("postgres.transaction.unknown");
                // It is not cancelled: a commit that waits for a standby would then be durable on one machine only.
                connection.discard();
                drop(connection);
                return match is_committed(database, &row).await {
                    Ok(true) => Ok(()),
                    Ok(false) => Err(error(trouble)),
                    Err(trouble) => Err(error(trouble)),
                };
            }
        }
    }
}

async fn run(
    connection: &mut Connection,
    row: &mut AppendRow,
    work: &mut Option<Contained<PostgresWork>>,
) -> Result<(), NotCommitted> {
    let database = connection.database().clone();
    let open = connection.transaction().await.map_err(NotCommitted::BeforeWork)?;
    crash_point("postgres.transaction.begun");
    let written = write(&database, &open, row, work).await;
    crash_point("postgres.transaction.ending");
    match written {
        Ok(()) => open.commit().await.map_err(|trouble| match trouble.blames_the_work() {
            Some(why) => NotCommitted::RolledBack(rolled_back(row, why)),
            None => NotCommitted::Unknown(trouble),
        }),
        Err(error) => {
            // one that waits is behind a statement of the work, which nobody waits for any more
            if !matches!(timeout(ROLL_BACK, open.roll_back()).await, Ok(Ok(()))) {
                connection.give_up();
            }
            Err(error)
        }
    }
}

/// Everything that the transaction does.
async fn write(
    database: &Database,
    open: &OpenTransaction<'_>,
    row: &mut AppendRow,
    work: &mut Option<Contained<PostgresWork>>,
) -> Result<(), NotCommitted> {
    let compared = compare(open, database, row).await.map_err(NotCommitted::BeforeWork)?;
    let begun = compared.map_err(NotCommitted::RolledBack)?;
    crash_point("postgres.transaction.compared");
    let refused = |row: &AppendRow, why| NotCommitted::RolledBack(rolled_back(row, why));
    let failed = |row: &AppendRow, trouble| after_work(database, row, trouble);
    let work = work.take().and_then(Contained::take);
    let work = work.ok_or_else(|| refused(row, "the action's work is gone".to_string()))?;
    let output = match perform(database, open, work).await {
        Ok(worked) => worked.map_err(NotCommitted::RolledBack)?,
        Err(why) => return Err(refused(row, why)),
    };
    crash_point("postgres.transaction.worked");
    if !begun.is_still_open(open).await.map_err(|trouble| failed(row, trouble))? {
        let why = "one of the action's statements ended the transaction, which only the store may do: what the action wrote \
                   before may have been committed; do not use `COMMIT` or `ROLLBACK`";
        return Err(refused(row, why.to_string()));
    }
    if let Some(output) = output {
        row.replace_output(output).map_err(|why| refused(row, why))?;
    }
    let written = appends::append(open, &[row]).await.map_err(|trouble| failed(row, trouble))?;
    crash_point("postgres.transaction.written");
    match written.as_slice() {
        [true] => Ok(()),
        _ => Err(refused(row, "the action's work has changed the tables of the log".to_string())),
    }
}

/// What the work must not change.
struct Begun {
    transaction: String,
    search_path: String,
    role: String,
    synchronous_commit: String,
}

/// Locks the saga's row and compares it; returns why the append is refused.
async fn compare(
    open: &OpenTransaction<'_>,
    database: &Database,
    row: &AppendRow,
) -> Result<Result<Begun, StoreError>, Trouble> {
    let sql = "SELECT pg_current_xact_id()::text, current_setting('search_path'), current_setting('role'), \
        current_setting('synchronous_commit'), set_config('statement_timeout', $5, true), \
        set_config('idle_in_transaction_session_timeout', $5, true) \
        FROM saga AS s WHERE s.id = $1 AND s.owner = $2 AND s.epoch = $3 AND s.next_seq = $4 FOR NO KEY UPDATE";
    let (id, owner) = (row.append.saga.as_str(), owner_column(&row.append.owner));
    let limit = format!("{}ms", database.timeout.as_millis());
    let params: Params<'_> = &[
        (&id, Type::TEXT),
        (&owner, Type::TEXT),
        (&row.epoch, Type::INT8),
        (&row.expected_next_seq, Type::INT8),
        (&limit, Type::TEXT),
    ];
    let rows = open.query_often(sql, params).await?;
    if let Some(row) = rows.first() {
        let text = |column| row.try_get::<_, String>(column).map_err(Trouble::Sql);
        return Ok(Ok(Begun {
            transaction: text(0)?,
            search_path: text(1)?,
            role: text(2)?,
            synchronous_commit: text(3)?,
        }));
    }
    let there = open.query("SELECT 1 FROM saga WHERE id = $1", &[(&id, Type::TEXT)]).await?;
    let saga = row.append.saga.clone();
    Ok(Err(match there.is_empty() {
        true => StoreError::NotFound { saga },
        false => StoreError::Fenced { saga },
    }))
}

impl Begun {
    /// True if the work has left the transaction open. What the work has set for its own statements is set back: the
    /// entry must be written to the tables of the store, by its user, and be durable.
    async fn is_still_open(&self, open: &OpenTransaction<'_>) -> Result<bool, Trouble> {
        let sql = "SELECT pg_current_xact_id_if_assigned()::text, set_config('role', $1, true), \
            set_config('search_path', $2, true), set_config('synchronous_commit', $3, true)";
        let params: Params<'_> = &[
            (&self.role, Type::TEXT),
            (&self.search_path, Type::TEXT),
            (&self.synchronous_commit, Type::TEXT),
        ];
        let rows = open.query_often(sql, params).await?;
        let now = rows.first().map(|row| row.try_get::<_, Option<&str>>(0)).transpose();
        Ok(now.map_err(Trouble::Sql)?.flatten() == Some(&*self.transaction))
    }
}

/// Runs the action's own work.
///
/// # Errors
/// Why it has no result.
async fn perform(
    database: &Database,
    open: &OpenTransaction<'_>,
    work: PostgresWork,
) -> Result<Result<Option<Payload>, StoreError>, String> {
    let transaction = open.of_driver();
    let worked = panics::contained(async move { work(transaction).await });
    // The server has ended it, and the work does not notice if it waits for something else.
    let lost = async {
        loop {
            tokio::time::sleep(database.timeout / 4).await;
            if transaction.client().is_closed() {
                // a statement that failed with the connection has returned by now
                tokio::time::sleep(database.timeout / 4).await;
                return;
            }
        }
    };
    match select(pin!(worked), pin!(lost)).await {
        Either::Left((Ok(worked), _)) => Ok(worked),
        Either::Left((Err(panic), _)) => Err(format!("the action's work panicked: {panic}")),
        Either::Right(_) => Err(format!(
            "the connection was lost during the action's work; the server ends it when there is no statement for {:?}",
            database.timeout
        )),
    }
}

/// Trouble that came after the work, and before the commit.
fn after_work(database: &Database, row: &AppendRow, trouble: Trouble) -> NotCommitted {
    if trouble.is_about_prepared_statements() {
        database.give_up_prepared_statements();
    }
    NotCommitted::RolledBack(match trouble.blames_the_work() {
        Some(why) => rolled_back(row, why),
        None => trouble.into_store_error(database),
    })
}

fn rolled_back(row: &AppendRow, why: String) -> StoreError {
    StoreError::RolledBack { saga: row.append.saga.clone(), why }
}

/// Finds out whether a transaction was committed, once it has ended.
async fn is_committed(database: &Arc<Database>, row: &AppendRow) -> Result<bool, Trouble> {
    let mut tries = Tries::default();
    loop {
        let mut connection = tries.connection(database).await?;
        match read_back(&mut connection, row).await {
            Ok(found) => return Ok(found == Found::Written),
            Err(trouble) => tries.failed(connection, trouble).await?,
        }
    }
}

async fn read_back(connection: &mut Connection, row: &AppendRow) -> Result<Found, Trouble> {
    let open = connection.transaction().await?;
    let id = row.append.saga.as_str();
    let wait = "SELECT FROM saga WHERE id = $1 FOR SHARE";
    open.query(wait, &[(&id, Type::TEXT)]).await?;
    // sees what was committed before this statement, and so before the row was locked
    let found = appends::why_not(&open, &[row]).await?;
    open.roll_back().await?;
    crash_point("postgres.transaction.found");
    if found.first() == Some(&Found::Written) {
        schema::wait_for_standbys(connection).await?;
    }
    Ok(found.first().copied().unwrap_or(Found::Nothing))
}
