//! One write: what it does in the writer's transaction, and whom it replies to afterwards.

use tokio::sync::oneshot;

use super::super::StoreError;
use super::database::Database;
use super::failed;
use super::io_errors::in_words;

/// Why a read or a write failed.
#[derive(Debug)]
pub(super) enum SqliteError {
    /// SQLite failed; the transaction may contain half of the write.
    Sql(rusqlite::Error),
    /// The result is an error of the store, and nothing was written.
    Store(StoreError),
}

impl SqliteError {
    /// The error of the store at this place.
    pub(super) fn of(self, place: &str) -> StoreError {
        match self {
            Self::Store(e) => e,
            Self::Sql(e) => failed(place, in_words(&e)),
        }
    }
}

impl From<rusqlite::Error> for SqliteError {
    fn from(e: rusqlite::Error) -> Self {
        Self::Sql(e)
    }
}

impl From<StoreError> for SqliteError {
    fn from(e: StoreError) -> Self {
        Self::Store(e)
    }
}

/// Counts what a transaction writes.
#[derive(Debug, Default)]
pub(super) struct Tally {
    pub(super) creates: u64,
    pub(super) appends: u64,
    pub(super) entries: u64,
}

/// A write, as the writer thread sees it.
pub(super) trait WriteJob: Send {
    /// Runs in the writer's transaction. May run again after a rollback.
    fn run(&mut self, conn: &Database, tally: &mut Tally) -> Result<(), rusqlite::Error>;

    /// Replies with the result of the last run, or with the error that undid it.
    fn answer(self: Box<Self>, committed: Result<(), StoreError>);
}

/// A write made of a closure that returns a `T`.
pub(super) struct ClosureJob<T, F> {
    work: F,
    outcome: Option<Result<T, StoreError>>,
    reply: oneshot::Sender<Result<T, StoreError>>,
}

impl<T, F> ClosureJob<T, F> {
    pub(super) fn new(work: F) -> (Self, oneshot::Receiver<Result<T, StoreError>>) {
        let (reply, answer) = oneshot::channel();
        (Self { work, outcome: None, reply }, answer)
    }
}

impl<T, F> WriteJob for ClosureJob<T, F>
where
    T: Send,
    F: FnMut(&Database, &mut Tally) -> Result<T, SqliteError> + Send,
{
    fn run(&mut self, conn: &Database, tally: &mut Tally) -> Result<(), rusqlite::Error> {
        self.outcome = Some(match (self.work)(conn, tally) {
            Ok(value) => Ok(value),
            Err(SqliteError::Store(e)) => Err(e),
            Err(SqliteError::Sql(e)) => return Err(e),
        });
        Ok(())
    }

    fn answer(self: Box<Self>, committed: Result<(), StoreError>) {
        let outcome = match committed {
            Ok(()) => self.outcome,
            Err(e) => Some(Err(e)),
        };
        // The caller may have stopped waiting.
        if let Some(outcome) = outcome {
            let _ = self.reply.send(outcome);
        }
    }
}
