//! Appends that share their transaction with an action's own writes.
//!
//! Such an append does not take part in the group commit, but has a transaction of its own: an action's
//! statements can make the whole transaction fail (by `INSERT OR ROLLBACK`, or by a deferred constraint at the
//! commit), and actions sharing the transaction could not be run again, because their work runs only once.

use std::panic::{AssertUnwindSafe, catch_unwind};

use rusqlite::{ErrorCode, Transaction, TransactionBehavior};
use tokio::sync::oneshot;

use super::super::transaction_work::SqliteWork;
use super::super::{Append, StoreError};
use super::database::Database;
use super::log_guard::LogGuard;
use super::rows::AppendRow;
use super::write_job::{SqliteError, Tally};
use super::writes;
use crate::crash_points::crash_point;
use crate::log::SagaId;

/// An append together with an action's own writes.
pub(super) struct TransactionJob {
    saga: SagaId,
    row: AppendRow,
    work: SqliteWork,
    reply: oneshot::Sender<Result<(), StoreError>>,
}

/// Why nothing was committed.
pub(super) enum NotCommitted {
    /// The result is an error of the store or of the action.
    Store(StoreError),
    /// SQLite failed, for a reason other than the action's statements.
    Sql(rusqlite::Error),
}

impl From<SqliteError> for NotCommitted {
    fn from(trouble: SqliteError) -> Self {
        match trouble {
            SqliteError::Sql(error) => Self::Sql(error),
            SqliteError::Store(error) => Self::Store(error),
        }
    }
}

impl TransactionJob {
    pub(super) fn new(
        append: Append,
        work: SqliteWork,
    ) -> Result<(Self, oneshot::Receiver<Result<(), StoreError>>), String> {
        let (reply, answer) = oneshot::channel();
        let saga = append.saga.clone();
        Ok((Self { saga, row: AppendRow::with_entries(append)?, work, reply }, answer))
    }

    /// Runs and commits the transaction. Pass the result to [`TransactionReply::answer`].
    pub(super) fn run(
        self,
        conn: &Database,
        guard: &LogGuard,
        tally: &mut Tally,
    ) -> (TransactionReply, Result<(), NotCommitted>) {
        let Self { saga, row, work, reply } = self;
        (TransactionReply(reply), run(conn, guard, tally, saga, row, work))
    }

    /// Replies with an error, without running anything.
    pub(super) fn refuse(self, why: StoreError) {
        TransactionReply(self.reply).answer(Err(why));
    }
}

/// Whom to reply to.
pub(super) struct TransactionReply(oneshot::Sender<Result<(), StoreError>>);

impl TransactionReply {
    pub(super) fn answer(self, answer: Result<(), StoreError>) {
        // The caller may have stopped waiting.
        let _ = self.0.send(answer);
    }
}

fn run(
    conn: &Database,
    guard: &LogGuard,
    tally: &mut Tally,
    saga: SagaId,
    mut row: AppendRow,
    work: SqliteWork,
) -> Result<(), NotCommitted> {
    // Rolls back when it is dropped without a commit.
    let tx = Transaction::new_unchecked(conn, TransactionBehavior::Immediate)
        .map_err(NotCommitted::Sql)?;
    conn.definitions.begin();
    crash_point("sqlite.transaction.begun");
    // The work of a fenced append must not run at all.
    writes::compare(conn, &row)?;
    let worked = guard.while_on(|| catch_unwind(AssertUnwindSafe(|| work(&tx))));
    crash_point("sqlite.transaction.worked");
    let rolled_back =
        |why: String| NotCommitted::Store(StoreError::RolledBack { saga: saga.clone(), why });
    let output = match worked {
        Ok(Ok(output)) => output,
        Ok(Err(error)) => return Err(NotCommitted::Store(error)),
        Err(_) => return Err(rolled_back("the action's work panicked".to_string())),
    };
    if tx.is_autocommit() {
        let why = "one of the action's statements ended the transaction; do not use `OR ROLLBACK`";
        return Err(rolled_back(why.to_string()));
    }
    if let Some(output) = output {
        row.replace_output(output).map_err(rolled_back)?;
    }
    writes::append(conn, &row, tally)?;
    crash_point("sqlite.transaction.written");
    match conn.execute_batch("COMMIT") {
        Ok(()) => Ok(()),
        // A deferred foreign key is violated. The transaction is still open, so nothing is committed.
        Err(e) if e.sqlite_error_code() == Some(ErrorCode::ConstraintViolation) => {
            Err(rolled_back(e.to_string()))
        }
        Err(error) => Err(NotCommitted::Sql(error)),
    }
}
