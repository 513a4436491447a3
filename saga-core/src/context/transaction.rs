//! `cx.transaction()`: an action's own SQL in the transaction that writes its outcome.

use std::future::pending;

use super::ActionContext;
use super::transaction_end::{self, written};
use crate::panics::{self, Contained};
use crate::store::TransactionWork;
use crate::store::rusqlite::Transaction;
use crate::value::ActionData;

impl<C: 'static> ActionContext<C> {
    /// Runs the action's own SQL in the transaction that writes the action's outcome to the log, so that either
    /// both are committed or neither is: **exactly once, without an idempotency key**. The tables must be in
    /// the database file of the [`SqliteStore`](crate::store::SqliteStore) that keeps the log.
    ///
    /// ```
    /// use saga_core::prelude::*;
    /// use saga_core::store::{SqliteStore, rusqlite};
    ///
    /// #[saga_action(undo = put_back(shelf, output?))]
    /// async fn take(cx: &ActionContext<()>, shelf: u32) -> Result<u32, rusqlite::Error> {
    ///     cx.transaction(move |tx| {
    ///         let sql = "UPDATE shelf SET items = items - 1 WHERE id = ?1 RETURNING items";
    ///         tx.query_row(sql, [shelf], |row| row.get(0))
    ///     })
    ///     .await
    /// }
    /// async fn put_back(cx: &ActionContext<()>, shelf: u32, left: Option<&u32>) -> Result<(), rusqlite::Error> {
    ///     if left.is_none() {
    ///         return Ok(()); // no output, so nothing was taken
    ///     }
    ///     cx.transaction(move |tx| {
    ///         tx.execute("UPDATE shelf SET items = items + 1 WHERE id = ?1", [shelf]).map(|_| ())
    ///     })
    ///     .await
    /// }
    /// saga! {
    ///     Take<()>(shelf: u32) -> u32 { let left = take { shelf: *shelf }; left }
    /// }
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let directory = tempfile::tempdir()?;
    /// # let path = directory.path().join("shop.db");
    /// let store = SqliteStore::open(&path)?;
    /// let shop = rusqlite::Connection::open(&path)?;
    /// shop.execute_batch("CREATE TABLE shelf (id, items); INSERT INTO shelf VALUES (7, 3)")?;
    /// let sec = Coordinator::builder(()).store(store).saga::<Take>().build().await?;
    /// assert_eq!(sec.run(Take { shelf: 7 }).await?, 2);
    /// # Ok(()) }
    /// ```
    ///
    /// If this is all that the action does, write it as [`#[saga_action(transaction)]`](macro@crate::saga_action#transactions): the
    /// same in fewer lines, and then it is never in doubt. What follows is about an action that does something else before.
    ///
    /// # It is the last thing that the action does
    /// The value of the work is the output of the action. **Once it is committed, this call does not return**:
    /// the action is dropped where it waits, and the code after it never runs. In an undo, the value is
    /// discarded and the undo has succeeded. Await this call in the action itself, not in a spawned task.
    ///
    /// # Its undo takes `output?`
    /// If there is no output, there are no rows: the undo has nothing to do for `None`, even if the outcome of
    /// the action is unknown. Rows that are written in another way, and calls to other services, belong in
    /// actions of their own.
    ///
    /// With `undo = f(output)`, a node in doubt is run again for its output: after a crash, the log does not
    /// know that a transaction was all that the action did. If the action then declines in its transaction
    /// ("sold out"), there is nothing to undo. But if it never reaches the transaction, because what it does
    /// before fails each time, the saga gets stuck although nothing has happened.
    ///
    /// # Errors
    /// The work's own error. Everything that it wrote is then rolled back; return the error, or try something
    /// else. A panic in the work is a panic in the action.
    ///
    /// The attempt ends with an error of this library, and nothing is written, if the store does not support
    /// transactions in SQLite (only [`SqliteStore`](crate::store::SqliteStore) does), if the value is too large or is not
    /// of the action's output type, or if the commit violates a deferred constraint.
    ///
    /// # What the work may do
    /// It runs at most once, on the thread that writes the log, while the writes of all other sagas wait: it
    /// should execute its SQL and do nothing else, and must not block. Calls to other services belong in other
    /// actions. `BEGIN`, `COMMIT`, `ROLLBACK`, `ATTACH`, `PRAGMA` settings, and writes to the tables of the log
    /// are rejected as "not authorized"; savepoints are allowed. If an `OR ROLLBACK` clause takes effect,
    /// everything is rolled back.
    pub async fn transaction<T, E>(
        &self,
        work: impl FnOnce(&Transaction<'_>) -> Result<T, E> + Send + 'static,
    ) -> Result<T, E>
    where
        T: ActionData,
        E: Send + 'static,
    {
        let (teller, waiter, end) = transaction_end::channel(&self.inner.run.id);
        // The thread that writes the log may be the one that drops the work, and must not panic.
        let work = Contained::new(work);
        let work = TransactionWork::sqlite(Box::new(move |tx| {
            teller.tell(panics::contain(|| Some(written(work.take()?(tx)))))
        }));
        let Some(_waiting) = self.inner.request_transaction(work, end) else {
            return pending().await;
        };
        Err(waiter.error().await)
    }
}
