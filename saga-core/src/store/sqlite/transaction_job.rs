//! Appends that share their transaction with rows of the user's.
//!
//! Such an append has a transaction of its own, and no group commit: a closure of the user's can make the
//! whole transaction fail (an `INSERT OR ROLLBACK`, a deferred constraint at the commit), and those that
//! shared it could not be tried again, because a closure runs once. So nobody suffers for another.

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
use crate::log::SagaId;

/// An append with the user's part of it.
pub(super) struct TransactionJob {
    saga: SagaId,
    row: AppendRow,
    work: SqliteWork,
    reply: oneshot::Sender<Result<(), StoreError>>,
}

/// Why it was not done.
pub(super) enum NotCommitted {
    /// Nothing of it is in.
    Store(StoreError),
    /// SQLite failed, and not because of what the user's part did.
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
        Ok((Self { saga, row: AppendRow::new(append)?, work, reply }, answer))
    }

    /// Does all of it, and commits. The answer is for [`answer`](TransactionReply::answer).
    pub(super) fn run(
        self,
        conn: &Database,
        guard: &LogGuard,
        tally: &mut Tally,
    ) -> (TransactionReply, Result<(), NotCommitted>) {
        let Self { saga, row, work, reply } = self;
        (TransactionReply(reply), run(conn, guard, tally, saga, row, work))
    }

    /// Answers without doing anything.
    pub(super) fn refuse(self, why: StoreError) {
        TransactionReply(self.reply).answer(Err(why));
    }
}

/// Whom to answer.
pub(super) struct TransactionReply(oneshot::Sender<Result<(), StoreError>>);

impl TransactionReply {
    pub(super) fn answer(self, answer: Result<(), StoreError>) {
        // a caller that has stopped waiting is no trouble of the store's
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
    // dropped without a commit, it rolls back
    let tx = Transaction::new_unchecked(conn, TransactionBehavior::Immediate)
        .map_err(NotCommitted::Sql)?;
    // what was fenced must not even run
    writes::check_place(conn, &row)?;
    let worked = guard.on(|| catch_unwind(AssertUnwindSafe(|| work(&tx))));
    let rolled_back =
        |why: String| NotCommitted::Store(StoreError::RolledBack { saga: saga.clone(), why });
    let output = match worked {
        Ok(Ok(output)) => output,
        Ok(Err(error)) => return Err(NotCommitted::Store(error)),
        Err(_) => return Err(rolled_back("the work panicked".to_string())),
    };
    if tx.is_autocommit() {
        let why = "one of its statements ended the transaction; use no `OR ROLLBACK`";
        return Err(rolled_back(why.to_string()));
    }
    if let Some(output) = output
        && let Some(first) = row.entries.first_mut()
    {
        first.payload = Some(output);
    }
    writes::append(conn, &row, tally)?;
    match conn.execute_batch("COMMIT") {
        Ok(()) => Ok(()),
        // a deferred foreign key: the transaction is still open, so nothing of it is in
        Err(e) if e.sqlite_error_code() == Some(ErrorCode::ConstraintViolation) => {
            Err(rolled_back(e.to_string()))
        }
        Err(error) => Err(NotCommitted::Sql(error)),
    }
}
