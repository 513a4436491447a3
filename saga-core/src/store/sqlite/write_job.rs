//! One write request: what it does inside the transaction, and whom it answers afterwards.

use tokio::sync::oneshot;

use super::super::StoreError;
use super::database::Database;

/// Why a request did not do what it was asked.
#[derive(Debug)]
pub(super) enum SqliteError {
    /// SQLite refused a statement: the transaction may hold half of the request.
    Sql(rusqlite::Error),
    /// The request's answer is an error, and it has written nothing.
    Store(StoreError),
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

/// What a transaction has put in.
#[derive(Debug, Default)]
pub(super) struct Tally {
    pub(super) creates: u64,
    pub(super) appends: u64,
    pub(super) entries: u64,
}

/// A request as the writer sees it.
pub(super) trait WriteJob: Send {
    /// Does the work inside the writer's transaction. May run again after a rollback.
    fn run(&mut self, conn: &Database, tally: &mut Tally) -> Result<(), rusqlite::Error>;

    /// Sends the outcome of the last run, or why it is void.
    fn answer(self: Box<Self>, committed: Result<(), StoreError>);
}

/// A request whose answer is a `T`.
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
        // A caller that has stopped waiting is no trouble of the store's.
        if let Some(outcome) = outcome {
            let _ = self.reply.send(outcome);
        }
    }
}
