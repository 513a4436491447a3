//! How the code of `#[saga_action(transaction)]` calls the user's function in a transaction.
//!
//! Without the feature of a database there is no transaction that the function could take, which rustc reports where the
//! function names its type. The functions of this module exist all the same, so that it reports nothing else.

use std::future::Future;

use crate::context::{ActionContext, StepResult};
use crate::error::UndoError;
use crate::value::ActionData;

/// Stands for a transaction where there is none.
#[cfg(not(all(feature = "sqlite", feature = "postgres")))]
pub struct NoTransaction<'t>(std::marker::PhantomData<&'t ()>);

#[cfg(feature = "postgres")]
pub type PostgresTx<'t> = crate::store::tokio_postgres::Transaction<'t>;
#[cfg(not(feature = "postgres"))]
pub type PostgresTx<'t> = NoTransaction<'t>;
#[cfg(feature = "sqlite")]
pub type SqliteTx<'t> = crate::store::rusqlite::Transaction<'t>;
#[cfg(not(feature = "sqlite"))]
pub type SqliteTx<'t> = NoTransaction<'t>;

/// What the first parameter of an `fn` with `transaction` is: `&rusqlite::Transaction<'_>`.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not the transaction that a `fn` with `transaction` takes",
    label = "expected `&saga_core::store::rusqlite::Transaction<'_>`",
    note = "if the log is in a `SqliteStore` (feature `sqlite`): `fn f(tx: &rusqlite::Transaction<'_>, ..)`",
    note = "if the log is in a `PostgresStore` (feature `postgres`): `async fn f(tx: &tokio_postgres::Transaction<'_>, ..)`"
)]
pub trait TakesSqlite<'t> {
    #[doc(hidden)]
    fn of(tx: &'t SqliteTx<'t>) -> Self;
}

#[cfg(feature = "sqlite")]
impl<'t> TakesSqlite<'t> for &'t SqliteTx<'t> {
    fn of(tx: &'t SqliteTx<'t>) -> Self {
        tx
    }
}

/// What the first parameter of an `async fn` with `transaction` is: `&tokio_postgres::Transaction<'_>`.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not the transaction that an `async fn` with `transaction` takes",
    label = "expected `&saga_core::store::tokio_postgres::Transaction<'_>`",
    note = "if the log is in a `PostgresStore` (feature `postgres`): `async fn f(tx: &tokio_postgres::Transaction<'_>, ..)`",
    note = "if the log is in a `SqliteStore` (feature `sqlite`): `fn f(tx: &rusqlite::Transaction<'_>, ..)`, without `async`, because SQLite never waits"
)]
pub trait TakesPostgres<'t> {
    #[doc(hidden)]
    fn of(tx: &'t PostgresTx<'t>) -> Self;
}

#[cfg(feature = "postgres")]
impl<'t> TakesPostgres<'t> for &'t PostgresTx<'t> {
    fn of(tx: &'t PostgresTx<'t>) -> Self {
        tx
    }
}

/// An input that a transaction takes by reference. The transaction runs on another thread, where it reads a copy.
#[diagnostic::on_unimplemented(
    message = "an input of a transaction is copied for the thread that writes, and `{Self}` cannot be",
    label = "must be `Clone + Send + 'static`",
    note = "derive `Clone`, or take the input by value"
)]
pub trait TransactionInput {
    /// The copy.
    type Copy: Send + 'static;

    #[doc(hidden)]
    fn copied(&self) -> Self::Copy;

    #[doc(hidden)]
    fn lent(copy: &Self::Copy) -> &Self;
}

#[diagnostic::do_not_recommend]
impl<T: ?Sized + ToOwned<Owned: Send + 'static>> TransactionInput for T {
    type Copy = T::Owned;

    fn copied(&self) -> T::Owned {
        self.to_owned()
    }

    fn lent(copy: &T::Owned) -> &T {
        std::borrow::Borrow::borrow(copy)
    }
}

/// Runs an action, or its undo, as a transaction in SQLite.
#[cfg(feature = "sqlite")]
pub fn sqlite<C: Send + Sync + 'static, T: ActionData, E: Send + 'static>(
    cx: &ActionContext<C>,
    work: impl FnOnce(&SqliteTx<'_>) -> Result<T, E> + Send + 'static,
) -> impl Future<Output = Result<T, E>> + Send {
    cx.transaction(work)
}

#[cfg(not(feature = "sqlite"))]
pub fn sqlite<C: Send + Sync + 'static, T: ActionData, E: Send + 'static>(
    _cx: &ActionContext<C>,
    _work: impl FnOnce(&SqliteTx<'_>) -> Result<T, E> + Send + 'static,
) -> impl Future<Output = Result<T, E>> + Send {
    std::future::pending()
}

/// Runs an action, or its undo, as a transaction in PostgreSQL.
#[cfg(feature = "postgres")]
pub fn postgres<C: Send + Sync + 'static, T, E, W>(
    cx: &ActionContext<C>,
    work: W,
) -> impl Future<Output = Result<T, E>> + Send
where
    T: ActionData,
    E: Send + 'static,
    W: AsyncFnOnce(&PostgresTx<'_>) -> Result<T, E>
        + for<'t> crate::context::PostgresTransactionFn<'t, T, E>
        + Send
        + 'static,
{
    cx.postgres_transaction(work)
}

#[cfg(not(feature = "postgres"))]
pub fn postgres<C: Send + Sync + 'static, T, E, W>(
    _cx: &ActionContext<C>,
    _work: W,
) -> impl Future<Output = Result<T, E>> + Send
where
    T: ActionData,
    E: Send + 'static,
    W: AsyncFnOnce(&PostgresTx<'_>) -> Result<T, E> + Send + 'static,
{
    std::future::pending()
}

/// What an undo returns, as the result of its transaction.
pub fn undone(returned: StepResult) -> Result<(), UndoError> {
    match returned {
        StepResult::Undone(result) => result,
        StepResult::Output(_)
        | StepResult::Failed(_)
        | StepResult::Probed(_)
        | StepResult::UndoInputs(_) => Ok(()),
    }
}

/// An undo that needs the output of its action was called without one.
pub fn missing_output() -> UndoError {
    UndoError::permanent("this undo needs an output, and there is none")
}

/// The context of a call for its transaction: the same, except that no other transaction can begin within.
pub fn inside_transaction<C>(cx: &ActionContext<C>) -> ActionContext<C> {
    cx.inside_transaction()
}
