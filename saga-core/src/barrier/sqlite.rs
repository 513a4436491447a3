//! The barrier for a service that keeps its state in SQLite.

use rusqlite::OptionalExtension as _;
use rusqlite::{Connection, Transaction, TransactionBehavior, params};
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::BarrierError;
use super::rules::{StoredCall, columns, stored};
use crate::context::FencingToken;

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
    call(conn, key, token, |tx, found| {
        if let Some(earlier) = found.map(|found| found.earlier(key)).transpose()?.flatten() {
            return Ok(earlier);
        }
        let result = work(tx);
        check_open(tx, key)?;
        let result = result.map_err(BarrierError::Work)?;
        let (json, result) = stored(key, &result)?;
        let sql = "UPDATE saga_barrier SET result = ?2 WHERE key = ?1";
        tx.execute(sql, params![key, json.as_bytes()])?;
        Ok(result)
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
        if let Some(result) = found.map(|found| found.to_undo(action_key)).transpose()?.flatten() {
            let undone = work(tx, result);
            check_open(tx, action_key)?;
            undone.map_err(BarrierError::Work)?;
        }
        tx.execute("UPDATE saga_barrier SET undone = 1 WHERE key = ?1", [action_key])?;
        Ok(())
    })
}

/// Runs one call of a key. The token is recorded whether or not the call succeeds: earlier calls must be kept
/// out also by a call that failed.
fn call<T, E>(
    conn: &mut Connection,
    key: &str,
    token: FencingToken,
    work: impl FnOnce(&Transaction<'_>, Option<StoredCall<Vec<u8>>>) -> Result<T, BarrierError<E>>,
) -> Result<T, BarrierError<E>> {
    let (epoch, seq) = columns(key, token)?;
    // This takes the write lock before the first read, so that the calls of one key run one after the other.
    let tx = conn.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let found = tx
        .prepare_cached("SELECT epoch, seq, undone, result FROM saga_barrier WHERE key = ?1")?
        .query_row([key], |row| {
            let token = (row.get(0)?, row.get(1)?);
            Ok(StoredCall { token, undone: row.get(2)?, result: row.get(3)? })
        })
        .optional()?;
    if let Some(found) = &found {
        found.check(key, token, (epoch, seq))?;
    }
    tx.prepare_cached(
        "INSERT INTO saga_barrier (key, epoch, seq, undone, at) VALUES (?1, ?2, ?3, 0, unixepoch())
         ON CONFLICT (key) DO UPDATE SET epoch = ?2, seq = ?3, at = unixepoch()",
    )?
    .execute(params![key, epoch, seq])?;
    tx.execute_batch("SAVEPOINT saga_barrier")?;
    let outcome = work(&tx, found);
    check_open(&tx, key)?;
    if outcome.is_err() {
        tx.execute_batch("ROLLBACK TO saga_barrier")?;
    }
    tx.commit()?;
    outcome
}

/// Fails if the work has ended the transaction. Nothing is written then: it would be a transaction of its own.
fn check_open<E>(tx: &Transaction<'_>, key: &str) -> Result<(), BarrierError<E>> {
    match tx.is_autocommit() {
        true => Err(BarrierError::Ended { key: key.to_string() }),
        false => Ok(()),
    }
}
