//! The receiver's side: makes a service that keeps its state in SQLite safe for sagas to call.
//!
//! The calls of a saga may arrive more than once (a retry, or a repetition after a crash), late (from a process
//! that has been replaced, or delayed by the network), and in the wrong order (an undo before the call that it
//! undoes). [`once`] and [`undo`] make all of that harmless: they keep a table next to those of the service,
//! and run the service's work and their own bookkeeping in one transaction.
//!
//! # What the caller sends
//! The action sends its [`idempotency_key`](crate::ActionContext::idempotency_key) and its
//! [`token`](crate::ActionContext::token); the service hands both to [`once`]. The undo sends
//! [`action_key`](crate::ActionContext::action_key), **not** its own key, and its token; the service
//! hands them to [`undo`].
//!
//! # What the service must do
//! - Call [`install`] once when it starts.
//! - Make all writes of the work through the transaction that is passed to it. Anything that the work does
//!   elsewhere (sending a mail, calling another service) is not covered.
//! - Return the result of [`once`] or [`undo`] to the caller. [`BarrierError::Stale`] and [`BarrierError::Undone`] are
//!   final: the saga that sent the call is no longer waiting for it.
//! - Keep the rows of `saga_barrier` for as long as a call may still arrive. After that, delete them by their
//!   column `at`, the Unix time of the last call.
//!
//! Both functions block on the database. In an async service, call them in `spawn_blocking`.
//!
//! # Rules
//! For each key of an action, in the order in which its calls arrive:
//! - A call with a lower token than an earlier call is refused; an equal token is accepted.
//! - Once a call has succeeded, every repetition returns the same result, even after the undo.
//! - An undo runs its work once. If there is nothing to undo, it succeeds, and every later call of the key is
//!   refused.
//! - Work that fails leaves nothing behind but its token.
//!
//! ```
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

use rusqlite::{Connection, OptionalExtension, Transaction, TransactionBehavior, params};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::context::FencingToken;
use crate::json;

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
    #[error("the barrier's database failed: {0}")]
    Sql(#[from] rusqlite::Error),
}

/// Creates the table `saga_barrier` if it does not exist.
///
/// # Errors
/// The error of SQLite.
pub fn install(conn: &Connection) -> rusqlite::Result<()> {
    conn.execute_batch(
        "CREATE TABLE IF NOT EXISTS saga_barrier (
             key    TEXT    NOT NULL PRIMARY KEY,
             epoch  INTEGER NOT NULL,
             seq    INTEGER NOT NULL,
             undone INTEGER NOT NULL,
             at     INTEGER NOT NULL,
             result BLOB
         ) STRICT, WITHOUT ROWID",
    )
}

/// Does the work of an action's call, unless it has been done before: then the earlier result is returned.
///
/// `key` is the action's idempotency key. The work writes through the transaction that is passed to it, and must
/// not end it: it is committed here, together with the barrier's bookkeeping.
///
/// # Errors
/// See [`BarrierError`]. In all cases except [`BarrierError::Ended`], no writes of the work remain.
pub fn once<T, E>(
    conn: &mut Connection,
    key: &str,
    token: FencingToken,
    work: impl FnOnce(&Transaction<'_>) -> Result<T, E>,
) -> Result<T, BarrierError<E>>
where
    T: Serialize + DeserializeOwned,
{
    call(conn, key, token, |tx, found| match found {
        Some(StoredCall { result: Some(json), .. }) => decode(key, &json),
        Some(StoredCall { undone: true, .. }) => Err(BarrierError::Undone { key: key.to_string() }),
        Some(StoredCall { result: None, undone: false, .. }) | None => {
            let result = work(tx).map_err(BarrierError::Work)?;
            let json = json::write(&result)
                .map_err(|e| result_error(key, format!("does not serialize: {e}")))?;
            // The caller of a duplicate gets the same.
            let result = serde_json::from_slice(json.as_bytes())
                .map_err(|_| result_error(key, "cannot be read back".to_string()))?;
            tx.execute(
                "UPDATE saga_barrier SET result = ?2 WHERE key = ?1",
                params![key, json.as_bytes()],
            )?;
            Ok(result)
        }
    })
}

/// Undoes the work of an action's call, unless it has been undone before. If the call was never received, or
/// failed, the undo succeeds without doing anything, and the call is refused from then on.
///
/// `action_key` is the idempotency key of the *action*; that of the undo is not needed. The work gets the
/// result of the call that it undoes.
///
/// # Errors
/// See [`BarrierError`]. In all cases except [`BarrierError::Ended`], no writes of the work remain.
pub fn undo<T, E>(
    conn: &mut Connection,
    action_key: &str,
    token: FencingToken,
    work: impl FnOnce(&Transaction<'_>, T) -> Result<(), E>,
) -> Result<(), BarrierError<E>>
where
    T: DeserializeOwned,
{
    call(conn, action_key, token, |tx, found| {
        let found = found.filter(|found| !found.undone);
        if let Some(StoredCall { result: Some(json), .. }) = found {
            work(tx, decode(action_key, &json)?).map_err(BarrierError::Work)?;
        }
        tx.execute("UPDATE saga_barrier SET undone = 1 WHERE key = ?1", [action_key])?;
        Ok(())
    })
}

/// What the table has about a key.
struct StoredCall {
    token: (i64, i64),
    undone: bool,
    result: Option<Vec<u8>>,
}

/// Runs one call of a key. The token is recorded whether or not the call succeeds: earlier calls must be kept
/// out also by a call that failed.
fn call<T, E>(
    conn: &mut Connection,
    key: &str,
    token: FencingToken,
    work: impl FnOnce(&Transaction<'_>, Option<StoredCall>) -> Result<T, BarrierError<E>>,
) -> Result<T, BarrierError<E>> {
    let int =
        |n: u64| i64::try_from(n).map_err(|e| rusqlite::Error::ToSqlConversionFailure(Box::new(e)));
    let (epoch, seq) = (int(token.epoch)?, int(token.seq)?);
    // This takes the write lock before the first read, so that the calls of one key run one after the other.
    let tx = conn.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let found = tx
        .prepare_cached("SELECT epoch, seq, undone, result FROM saga_barrier WHERE key = ?1")?
        .query_row([key], |row| {
            let token = (row.get(0)?, row.get(1)?);
            Ok(StoredCall { token, undone: row.get(2)?, result: row.get(3)? })
        })
        .optional()?;
    if let Some(StoredCall { token: highest, .. }) = &found
        && (epoch, seq) < *highest
    {
        let highest =
            FencingToken { epoch: highest.0.unsigned_abs(), seq: highest.1.unsigned_abs() };
        return Err(BarrierError::Stale { key: key.to_string(), token, highest });
    }
    tx.prepare_cached(
        "INSERT INTO saga_barrier (key, epoch, seq, undone, at) VALUES (?1, ?2, ?3, 0, unixepoch())
         ON CONFLICT (key) DO UPDATE SET epoch = ?2, seq = ?3, at = unixepoch()",
    )?
    .execute(params![key, epoch, seq])?;
    tx.execute_batch("SAVEPOINT saga_barrier")?;
    let outcome = work(&tx, found);
    if tx.is_autocommit() {
        return Err(BarrierError::Ended { key: key.to_string() });
    }
    if outcome.is_err() {
        tx.execute_batch("ROLLBACK TO saga_barrier")?;
    }
    tx.commit()?;
    outcome
}

fn decode<T: DeserializeOwned, E>(key: &str, json: &[u8]) -> Result<T, BarrierError<E>> {
    serde_json::from_slice(json)
        .map_err(|_| result_error(key, "is stored as another type".to_string()))
}

fn result_error<E>(key: &str, why: String) -> BarrierError<E> {
    BarrierError::Result { key: key.to_string(), why }
}
