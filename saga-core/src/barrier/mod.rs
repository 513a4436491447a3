//! The receiver's side: makes a service that keeps its state in SQLite or PostgreSQL safe for sagas to call.
//!
//! The calls of a saga may arrive more than once (a retry, or a repetition after a crash), late (from a process
//! that has been replaced, or delayed by the network), and in the wrong order (an undo before the call that it
//! undoes). `once` and `undo` make all of that harmless: they keep a table next to those of the service,
//! and run the service's work and their own bookkeeping in one transaction.
//!
//! # What the caller sends
//! The action sends its [`idempotency_key`](crate::ActionContext::idempotency_key) and its
//! [`token`](crate::ActionContext::token); the service hands both to `once`. The undo sends
//! [`action_key`](crate::ActionContext::action_key), **not** its own key, and its token; the service
//! hands them to `undo`.
//!
//! # What the service must do
//! - Call `install` once when it starts.
//! - Make all writes of the work through the transaction that is passed to it. Anything that the work does
//!   elsewhere (sending a mail, calling another service) is not covered.
//! - Return the result of `once` or `undo` to the caller. [`BarrierError::Stale`] and [`BarrierError::Undone`] are
//!   final: the saga that sent the call is no longer waiting for it.
//! - Keep the rows of `saga_barrier` for as long as a call may still arrive. After that, delete them by their
//!   column `at`, the Unix time of the last call.
//!
//! The functions of this module are for SQLite (feature `sqlite`), and block on the database: in an async service, call
//! them in `spawn_blocking`. Those of the module `postgres` (feature `postgres`) are for PostgreSQL, and are awaited.
//!
//! # Rules
//! For each key of an action, in the order in which its calls arrive:
//! - A call with a lower token than an earlier call is refused; an equal token is accepted.
//! - Once a call has succeeded, every repetition returns the same result, even after the undo.
//! - An undo runs its work once. If there is nothing to undo, it succeeds, and every later call of the key is
//!   refused.
//! - Work that fails leaves nothing behind but its token.
//!
#![cfg_attr(feature = "sqlite", doc = "```")]
#![cfg_attr(not(feature = "sqlite"), doc = "```ignore")]
//! use saga_core::FencingToken;
//! use saga_core::barrier;
//! use saga_core::store::rusqlite::{self, Connection};
//!
//! let mut bank = Connection::open_in_memory()?;
//! bank.execute_batch("CREATE TABLE account (owner TEXT, cents INTEGER);
//!                     INSERT INTO account VALUES ('ada', 100)")?;
//! barrier::install(&bank)?;
//! let add = |tx: &rusqlite::Transaction<'_>, cents: i64| {
//!     let sql = "UPDATE account SET cents = cents + ?1 RETURNING cents";
//!     tx.query_row(sql, [cents], |row| row.get::<_, i64>(0))
//! };
//! let (first, later) = (FencingToken { epoch: 1, seq: 3 }, FencingToken { epoch: 1, seq: 7 });
//! assert_eq!(barrier::once(&mut bank, "key", first, |tx| add(tx, -30))?, 70);
//! assert_eq!(barrier::once(&mut bank, "key", first, |tx| add(tx, -30))?, 70, "a duplicate");
//! barrier::undo(&mut bank, "key", later, |tx, _left: i64| add(tx, 30).map(|_| ()))?;
//! let late = barrier::once(&mut bank, "key", first, |tx| add(tx, -30));
//! assert!(matches!(late, Err(barrier::BarrierError::Stale { .. })));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! (Tokens are the fencing tokens of Kleppmann's *How to do distributed locking*, 2016. What Seata and DTM call
//! empty compensation and suspension is here the tombstone of an undo that came first.)

#[cfg(feature = "postgres")]
pub mod postgres;
#[cfg(all(test, feature = "postgres"))]
mod random;
mod rules;
#[cfg(feature = "sqlite")]
mod sqlite;

use crate::context::FencingToken;

#[cfg(feature = "sqlite")]
pub use sqlite::{install, once, undo};

/// Why a call was not carried out. `E` is the error of the service's own work.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BarrierError<E> {
    /// A later call has already been received. Nothing was done.
    #[error(
        "call {key} is late: its token is {}.{}, but a later call with token {}.{} has already arrived",
        token.epoch, token.seq, highest.epoch, highest.seq
    )]
    Stale {
        /// The action's key.
        key: String,
        /// The call's token.
        token: FencingToken,
        /// The highest token that has been received.
        highest: FencingToken,
    },
    /// The call was undone before it arrived, and must not take effect any more. Nothing was done.
    #[error("call {key} was undone before it arrived")]
    Undone {
        /// The action's key.
        key: String,
    },
    /// The work failed. Its writes were rolled back, and the call may be retried.
    #[error("{0}")]
    Work(E),
    /// The result cannot be stored or read back, or the stored result is of another type. Nothing was done.
    #[error("the result of call {key} {why}")]
    Result {
        /// The action's key.
        key: String,
        /// What is wrong.
        why: String,
    },
    /// The work ended its transaction itself, so it is unknown what was committed.
    #[error("the work of call {key} ended its transaction, which only the barrier may do")]
    Ended {
        /// The action's key.
        key: String,
    },
    /// SQLite failed. Nothing was done, unless the commit itself failed: then the caller finds out by calling
    /// again.
    #[cfg(feature = "sqlite")]
    #[error("the barrier's database failed: {0}")]
    Sql(#[from] rusqlite::Error),
    /// PostgreSQL failed. Nothing was done, unless the commit itself failed: then the caller finds out by calling
    /// again.
    #[cfg(feature = "postgres")]
    #[error("the barrier's database failed: {}", with_cause(.0))]
    Postgres(#[from] tokio_postgres::Error),
    /// The call's token has a number that no saga has.
    #[error("the token {}.{} of call {key} is too large", token.epoch, token.seq)]
    Token {
        /// The action's key.
        key: String,
        /// The call's token.
        token: FencingToken,
    },
}

/// The error with what the server said, which it does not show by itself.
#[cfg(feature = "postgres")]
fn with_cause(error: &tokio_postgres::Error) -> String {
    match error.as_db_error() {
        Some(cause) => format!("{error}: {}", cause.message()),
        None => error.to_string(),
    }
}
