//! Appends that share their transaction with rows of the user's.
//!
//! Such an append has a transaction of its own, and no group commit: a closure of the user's can make the
//! whole transaction fail (an `INSERT OR ROLLBACK`, a deferred constraint at the commit), and those that
//! shared it could not be tried again, because a closure runs once. So nobody suffers for another.

use std::panic::{AssertUnwindSafe, catch_unwind};

use rusqlite::{ErrorCode, Transaction, TransactionBehavior};
use tokio::sync::oneshot;

use super::super::work::SqliteWork;
use super::super::{Append, StoreError};
use super::database::Database;
use super::guard::Guard;
use super::job::{Tally, Trouble};
use super::rows::AppendRow;
use super::writes;
use crate::log::SagaId;

/// An append with the user's part of it.
pub(super) struct WorkJob {
    saga: SagaId,
    row: AppendRow,
    work: SqliteWork,
    reply: oneshot::Sender<Result<(), StoreError>>,
}

/// Why it was not done.
pub(super) enum Undone {
    /// Nothing of it is in.
    Answer(StoreError),
    /// SQLite failed, and not because of what the user's part did.
    Sql(rusqlite::Error),
}

impl From<Trouble> for Undone {
    fn from(trouble: Trouble) -> Self {
        match trouble {
            Trouble::Sql(error) => Self::Sql(error),
            Trouble::Answer(error) => Self::Answer(error),
        }
    }
}

impl WorkJob {
    pub(super) fn new(
        append: Append,
        work: SqliteWork,
    ) -> Result<(Self, oneshot::Receiver<Result<(), StoreError>>), String> {
        let (reply, answer) = oneshot::channel();
        let saga = append.saga.clone();
        Ok((Self { saga, row: AppendRow::new(append)?, work, reply }, answer))
    }

    /// Does all of it, and commits. The answer is for [`answer`](Reply::answer).
    pub(super) fn run(
        self,
        conn: &Database,
        guard: &Guard,
        tally: &mut Tally,
    ) -> (Reply, Result<(), Undone>) {
        let Self { saga, row, work, reply } = self;
        (Reply(reply), run(conn, guard, tally, saga, row, work))
    }

    /// Answers without doing anything.
    pub(super) fn refuse(self, why: StoreError) {
        Reply(self.reply).answer(Err(why));
    }
}

/// Whom to answer.
pub(super) struct Reply(oneshot::Sender<Result<(), StoreError>>);

impl Reply {
    pub(super) fn answer(self, answer: Result<(), StoreError>) {
        // a caller that has stopped waiting is no trouble of the store's
        let _ = self.0.send(answer);
    }
}

fn run(
    conn: &Database,
    guard: &Guard,
    tally: &mut Tally,
    saga: SagaId,
    mut row: AppendRow,
    work: SqliteWork,
) -> Result<(), Undone> {
    // dropped without a commit, it rolls back
    let tx =
        Transaction::new_unchecked(conn, TransactionBehavior::Immediate).map_err(Undone::Sql)?;
    // what was fenced must not even run
    writes::check_place(conn, &row)?;
    let worked = guard.on(|| catch_unwind(AssertUnwindSafe(|| work(&tx))));
    let rolled_back =
        |why: String| Undone::Answer(StoreError::RolledBack { saga: saga.clone(), why });
    let output = match worked {
        Ok(Ok(output)) => output,
        Ok(Err(error)) => return Err(Undone::Answer(error)),
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
        Err(error) => Err(Undone::Sql(error)),
    }
}
