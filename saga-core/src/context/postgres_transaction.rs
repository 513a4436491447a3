//! `cx.postgres_transaction()`: an action's own SQL in the transaction that writes its outcome, in PostgreSQL.

use std::future::pending;

use super::ActionContext;
use super::transaction_end::{self, written};
use crate::panics::{self, Contained};
use crate::store::TransactionWork;
use crate::store::tokio_postgres::Transaction;
use crate::value::ActionData;

/// Work for [`ActionContext::postgres_transaction`] whose future is `Send`: an `async` closure or function that takes a
/// transaction. You never implement or call this.
pub trait PostgresTransactionFn<'t, T, E>: FnOnce(&'t Transaction<'t>) -> Self::Work {
    /// The future.
    type Work: Future<Output = Result<T, E>> + Send + 't;
}

impl<'t, T, E, F, W> PostgresTransactionFn<'t, T, E> for F
where
    F: FnOnce(&'t Transaction<'t>) -> W,
    W: Future<Output = Result<T, E>> + Send + 't,
{
    type Work = W;
}

impl<C: 'static> ActionContext<C> {
    /// Runs the action's own SQL in the transaction that writes the action's outcome to the log, so that either
    /// both are committed or neither is: **exactly once, without an idempotency key**. The tables must be in
    /// the database of the [`PostgresStore`](crate::store::PostgresStore) that keeps the log.
    ///
    /// ```no_run
    /// use saga_core::prelude::*;
    /// use saga_core::store::{PostgresStore, tokio_postgres};
    ///
    /// #[saga_action(undo = put_back(shelf, output?))]
    /// async fn take(cx: &ActionContext<()>, shelf: i32) -> Result<i64, tokio_postgres::Error> {
    ///     cx.postgres_transaction(async move |tx| {
    ///         let sql = "UPDATE shelf SET items = items - 1 WHERE id = $1 RETURNING items";
    ///         tx.query_one(sql, &[&shelf]).await?.try_get(0)
    ///     })
    ///     .await
    /// }
    /// async fn put_back(cx: &ActionContext<()>, shelf: i32, left: Option<&i64>) -> Result<(), tokio_postgres::Error> {
    ///     if left.is_none() {
    ///         return Ok(()); // no output, so nothing was taken
    ///     }
    ///     cx.postgres_transaction(async move |tx| {
    ///         tx.execute("UPDATE shelf SET items = items + 1 WHERE id = $1", &[&shelf]).await?;
    ///         Ok(())
    ///     })
    ///     .await
    /// }
    /// saga! {
    ///     Take<()>(shelf: i32) -> i64 { let left = take { shelf: *shelf }; left }
    /// }
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let store = PostgresStore::connect("postgres://shop:secret@localhost/shop").await?;
    /// let sec = Coordinator::builder(()).store(store).saga::<Take>().build().await?;
    /// println!("{} are left", sec.run(Take { shelf: 7 }).await?);
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
    /// transactions in PostgreSQL (only [`PostgresStore`](crate::store::PostgresStore) does), if the value is too large
    /// or is not of the action's output type, or if the commit violates a deferred constraint, ends a deadlock or is
    /// refused for another reason. The action may then be retried, as after an error of its own.
    ///
    /// If the connection is lost during the commit, the store finds out how it ended. While it cannot, the saga stops,
    /// and resumes from its log.
    ///
    /// # What the work may do
    /// It runs at most once, on the thread of the store and on one of its
    /// [connections](crate::store::PostgresOptions::connections). It should execute its SQL and await nothing else, and
    /// must not block. Calls to other services belong in other actions.
    ///
    /// - The isolation level is `READ COMMITTED`: lock the rows that a decision depends on (`SELECT .. FOR UPDATE`), or
    ///   decide in the statement that writes.
    /// - `BEGIN`, `COMMIT` and `ROLLBACK` are not allowed: the attempt fails, but what was committed by them remains.
    ///   Savepoints are allowed. After a statement that failed, nothing can be committed unless the work goes back to a
    ///   savepoint.
    /// - Each statement, and the pause between two of them, may take as long as the
    ///   [statement timeout](crate::store::PostgresOptions::statement_timeout); a statement that needs longer comes after
    ///   `SET LOCAL statement_timeout = ..`. When the action's own timeout ends the attempt, the statement is cancelled.
    /// - Use `SET LOCAL` for settings, never `SET`: other sagas share the connection. The tables of the log must not be
    ///   written.
    pub async fn postgres_transaction<T, E, W>(&self, work: W) -> Result<T, E>
    where
        T: ActionData,
        E: Send + 'static,
        W: AsyncFnOnce(&Transaction<'_>) -> Result<T, E>
            + for<'t> PostgresTransactionFn<'t, T, E>
            + Send
            + 'static,
    {
        let (mut teller, waiter, end) = transaction_end::channel(&self.inner.run.id);
        // The thread of the store may be the one that drops the work, and must not panic.
        let work = Contained::new(work);
        let work = TransactionWork::postgres(Box::new(move |tx| {
            let worked = panics::contained(async move { Some(written(work.take()?(tx).await)) });
            Box::pin(async move {
                let worked = teller.as_long_as_called(worked).await;
                teller.tell(worked)
            })
        }));
        let Some(_waiting) = self.inner.request_transaction(work, end) else {
            return pending().await;
        };
        Err(waiter.error().await)
    }
}
