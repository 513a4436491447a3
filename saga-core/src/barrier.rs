//! The receiver's side: what makes a service safe to be called by sagas, for services whose state is in
//! SQLite.
//!
//! A saga's calls come more than once (a retry, a re-run after a crash), late (from a process that was
//! replaced, or out of a network that had kept them), and in the wrong order (an undo before the call
//! that it undoes). [`once`] and [`undo`] make all of that harmless: they keep a table beside the
//! service's own, and run the service's work and what they note about it in one transaction.
//!
//! # What the caller sends
//! The action sends its [`idempotency_key`](crate::ActionContext::idempotency_key) and its
//! [`token`](crate::ActionContext::token); the service hands both to [`once`]. The undo sends
//! [`action_key`](crate::ActionContext::action_key), **not** its own key, and its token; the service
//! hands them to [`undo`].
//!
//! # What the service must do
//! - Call [`install`] once at its start.
//! - Do all of the work's writes through the transaction that the work is given. What the work does
//!   elsewhere (a mail, another service) is not covered.
//! - Answer what [`once`] and [`undo`] return. The refusals [`BarrierError::Stale`] and [`BarrierError::Undone`] are
//!   final: the saga that sent this call does not wait for it any more.
//! - Keep the rows of `saga_barrier` for as long as a call may still arrive; after that, delete them by
//!   their `at`, the Unix time of the last call.
//!
//! Both functions block on the database: in an async service, call them in `spawn_blocking`.
//!
//! # Rules
//! For each key of an action, in the order in which its calls arrive:
//! - A call with a lower token than one before is refused; an equal one is not.
//! - A do that succeeded once gives the same result from then on, also after the undo.
//! - An undo runs its work once. One that finds nothing succeeds, and every later do of the key is
//!   refused.
//! - Work that fails leaves nothing but its token.
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
//! (Tokens are the fencing tokens of Kleppmann's *How to do distributed locking*, 2016; the tombstone of
//! an undo that came first is what Seata and DTM call an empty compensation and its suspension.)

use rusqlite::{Connection, OptionalExtension, Transaction, TransactionBehavior, params};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::context::FencingToken;
use crate::json;

/// Why a call was not carried out. `E` is the error of the service's own work.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BarrierError<E> {
    /// The call is older than one that was here before. Nothing was done.
    #[error(
        "call {key} is late: it has token {}.{}, a later call had {}.{}",
        token.epoch, token.seq, highest.epoch, highest.seq
    )]
    Stale {
        /// The action's key.
        key: String,
        /// The call's token.
        token: FencingToken,
        /// The highest token so far.
        highest: FencingToken,
    },
    /// The undo came before the do, which must not happen any more. Nothing was done.
    #[error("call {key} was undone before it was done")]
    Undone {
        /// The action's key.
        key: String,
    },
    /// The work failed. Its writes are rolled back, and it may be tried again.
    #[error("{0}")]
    Work(E),
    /// The result cannot be stored, or not be read back, or what is stored is of another type. Nothing was done.
    #[error("the result of call {key} {why}")]
    Result {
        /// The action's key.
        key: String,
        /// What is wrong.
        why: String,
    },
    /// The work committed or rolled back by itself, so that nobody knows what is in.
    #[error("the work of call {key} ended its transaction; it must leave that to the barrier")]
    Ended {
        /// The action's key.
        key: String,
    },
    /// SQLite failed. Nothing was done, but for a failure of the commit itself, after which the caller
    /// finds out by asking again.
    #[error("the barrier's database: {0}")]
    Sql(#[from] rusqlite::Error),
}

/// Creates the table `saga_barrier`, if it is not there.
///
/// # Errors
/// SQLite's, if it cannot.
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

/// Does the work of an action's call, unless it was done before: then its result is given again.
///
/// `key` is the action's idempotency key. The work writes through the transaction that it is given; it
/// is committed here, with what the barrier notes, and not by the work.
///
/// # Errors
/// [`BarrierError`] says which of its cases it is. In all of them but [`BarrierError::Ended`] the work's writes are
/// not there.
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
        _ => {
            let result = work(tx).map_err(BarrierError::Work)?;
            let json = json::write(&result)
                .map_err(|e| result_error(key, format!("does not serialize: {e}")))?;
            // the caller of a duplicate gets no other
            let result = serde_json::from_slice(&json)
                .map_err(|_| result_error(key, "cannot be read back".to_string()))?;
            tx.execute("UPDATE saga_barrier SET result = ?2 WHERE key = ?1", params![key, json])?;
            Ok(result)
        }
    })
}

/// Undoes the work of an action's call, unless that was done before. The undo of a call that was never
/// here, or failed, succeeds without doing anything, and that call is refused from then on.
///
/// `action_key` is the idempotency key of the *action*; the undo's own is not needed. The work is given
/// the result of the call that it undoes.
///
/// # Errors
/// [`BarrierError`] says which of its cases it is. In all of them but [`BarrierError::Ended`] the work's writes are
/// not there.
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

/// What the table knows of a key.
struct StoredCall {
    token: (i64, i64),
    undone: bool,
    result: Option<Vec<u8>>,
}

/// One call of a key. The token is noted whatever becomes of the call: also a call that failed must keep
/// those before it out.
fn call<T, E>(
    conn: &mut Connection,
    key: &str,
    token: FencingToken,
    work: impl FnOnce(&Transaction<'_>, Option<StoredCall>) -> Result<T, BarrierError<E>>,
) -> Result<T, BarrierError<E>> {
    let int =
        |n: u64| i64::try_from(n).map_err(|e| rusqlite::Error::ToSqlConversionFailure(Box::new(e)));
    let (epoch, seq) = (int(token.epoch)?, int(token.seq)?);
    // takes the write lock before the first look: calls of one key come one after the other
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
