//! The barrier for a service that keeps its state in PostgreSQL: see [`barrier`](super) for what it is for, what the
//! caller sends, what the service must do, and the rules.
//!
//! ```no_run
//! use saga_core::FencingToken;
//! use saga_core::barrier::{BarrierError, postgres as barrier};
//! use saga_core::store::tokio_postgres::{self, Client, Transaction};
//!
//! async fn add(tx: &Transaction<'_>, cents: i64) -> Result<i64, tokio_postgres::Error> {
//!     let sql = "UPDATE account SET cents = cents + $1 WHERE owner = 'ada' RETURNING cents";
//!     tx.query_one(sql, &[&cents]).await?.try_get(0)
//! }
//!
//! /// Called once when the service starts.
//! async fn start(bank: &Client) -> Result<(), tokio_postgres::Error> {
//!     barrier::install(bank).await
//! }
//!
//! /// The action sends `key` and `token`, and gets the result.
//! async fn withdraw(
//!     bank: &mut Client,
//!     key: &str,
//!     token: FencingToken,
//! ) -> Result<i64, BarrierError<tokio_postgres::Error>> {
//!     barrier::once(bank, key, token, async |tx| add(tx, -30).await).await
//! }
//!
//! /// The undo sends the action's key and its own token.
//! async fn put_back(
//!     bank: &mut Client,
//!     action_key: &str,
//!     token: FencingToken,
//! ) -> Result<(), BarrierError<tokio_postgres::Error>> {
//!     let work = async |tx: &Transaction<'_>, _left: i64| add(tx, 30).await.map(|_| ());
//!     barrier::undo(bank, action_key, token, work).await
//! }
//! ```
//!
//! The client of `deadpool_postgres` or `bb8_postgres` dereferences to the [`Client`] that is needed here. Calls of one key
//! wait for each other; calls of different keys do not. A call that is dropped before it has returned is rolled back, or
//! was committed: the caller finds out by calling again.

use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio_postgres::error::SqlState;
use tokio_postgres::types::{ToSql, Type};
use tokio_postgres::{Client, Error, IsolationLevel, Transaction};

use super::BarrierError;
use super::rules::{StoredCall, columns, stored};
use crate::context::FencingToken;

/// Creates the table `saga_barrier` if it does not exist.
///
/// # Errors
/// The error of PostgreSQL.
pub async fn install(client: &Client) -> Result<(), Error> {
    let create = "CREATE TABLE IF NOT EXISTS saga_barrier (
            key    text    COLLATE \"C\" NOT NULL PRIMARY KEY,
            epoch  bigint  NOT NULL,
            seq    bigint  NOT NULL,
            undone boolean NOT NULL,
            at     bigint  NOT NULL,
            result bytea
        )";
    let mut tries = 0;
    loop {
        match client.batch_execute(create).await {
            // another process creates it at the same time
            Err(error)
                if tries < 10
                    && matches!(
                        error.code(),
                        Some(
                            &SqlState::UNIQUE_VIOLATION
                                | &SqlState::DUPLICATE_TABLE
                                | &SqlState::DUPLICATE_OBJECT
                        )
                    ) =>
            {
                tries += 1;
            }
            other => return other,
        }
    }
}

/// Does the work of an action's call, unless it has been done before: then the earlier result is returned.
///
/// `key` is the action's idempotency key. The work writes through the transaction that is passed to it, and must
/// not end it: it is committed here, together with the barrier's bookkeeping. Its isolation level is `READ COMMITTED`.
///
/// # Errors
/// See [`BarrierError`]. In all cases except [`BarrierError::Ended`], no writes of the work remain.
pub async fn once<T, E>(
    client: &mut Client,
    key: &str,
    token: FencingToken,
    work: impl AsyncFnOnce(&Transaction<'_>) -> Result<T, E>,
) -> Result<T, BarrierError<E>>
where
    T: Serialize + DeserializeOwned,
{
    let (mut call, found) = Call::begin(client, key, token).await?;
    let earlier = match found.earlier(key) {
        Ok(earlier) => earlier,
        Err(error) => return call.end(Err(error)).await,
    };
    if let Some(earlier) = earlier {
        return call.end(Ok(earlier)).await;
    }
    let savepoint = call.savepoint().await?;
    let done = match work(&savepoint).await {
        Ok(result) => stored(key, &result),
        Err(error) => Err(BarrierError::Work(error)),
    };
    let done = match close(savepoint, key, done).await? {
        Ok((json, result)) => {
            call.write(WRITE_RESULT, &[(&key, Type::TEXT), (&json.as_bytes(), Type::BYTEA)])
                .await?;
            Ok(result)
        }
        Err(error) => Err(error),
    };
    call.end(done).await
}

/// Undoes the work of an action's call, unless it has been undone before. If the call was never received, or
/// failed, the undo succeeds without doing anything, and the call is refused from then on.
///
/// `action_key` is the idempotency key of the *action*; that of the undo is not needed. The work gets the
/// result of the call that it undoes.
///
/// # Errors
/// See [`BarrierError`]. In all cases except [`BarrierError::Ended`], no writes of the work remain.
pub async fn undo<T, E>(
    client: &mut Client,
    action_key: &str,
    token: FencingToken,
    work: impl AsyncFnOnce(&Transaction<'_>, T) -> Result<(), E>,
) -> Result<(), BarrierError<E>>
where
    T: DeserializeOwned,
{
    let (mut call, found) = Call::begin(client, action_key, token).await?;
    let result = match found.to_undo(action_key) {
        Ok(result) => result,
        Err(error) => return call.end(Err(error)).await,
    };
    let savepoint = call.savepoint().await?;
    let undone = match result {
        Some(result) => work(&savepoint, result).await.map_err(BarrierError::Work),
        None => Ok(()),
    };
    let undone = close(savepoint, action_key, undone).await?;
    if undone.is_ok() {
        call.write(WRITE_UNDONE, &[(&action_key, Type::TEXT)]).await?;
    }
    call.end(undone).await
}

/// A call, in its transaction, which has the row of its key locked.
struct Call<'c> {
    transaction: Transaction<'c>,
}

impl<'c> Call<'c> {
    /// Waits for earlier calls of the key, refuses a call that is late, and records the token, which remains whether or not
    /// the call succeeds: earlier calls must be kept out also by a call that failed.
    async fn begin<E>(
        client: &'c mut Client,
        key: &str,
        token: FencingToken,
    ) -> Result<(Self, StoredCall<Vec<u8>>), BarrierError<E>> {
        let (epoch, seq) = columns(key, token)?;
        let begin = client.build_transaction().isolation_level(IsolationLevel::ReadCommitted);
        let transaction = begin.start().await?;
        // One statement, which waits for whoever else has the key, and then sees what they have written.
        let sql = "INSERT INTO saga_barrier AS b (key, epoch, seq, undone, at) \
            VALUES ($1, $2, $3, false, extract(epoch FROM clock_timestamp())::bigint) \
            ON CONFLICT (key) DO UPDATE SET at = excluded.at, \
            epoch = CASE WHEN (b.epoch, b.seq) > ($2, $3) THEN b.epoch ELSE $2 END, \
            seq = CASE WHEN (b.epoch, b.seq) > ($2, $3) THEN b.seq ELSE $3 END \
            RETURNING epoch, seq, undone, result";
        let params: Params<'_> = &[(&key, Type::TEXT), (&epoch, Type::INT8), (&seq, Type::INT8)];
        let row = transaction.query_typed_one(sql, params).await?;
        let found = StoredCall {
            token: (row.try_get(0)?, row.try_get(1)?),
            undone: row.try_get(2)?,
            result: row.try_get(3)?,
        };
        found.check(key, token, (epoch, seq))?;
        Ok((Self { transaction }, found))
    }

    async fn savepoint(&mut self) -> Result<Transaction<'_>, Error> {
        self.transaction.savepoint("saga_barrier").await
    }

    async fn write(&self, sql: &str, params: Params<'_>) -> Result<(), Error> {
        self.transaction.query_typed(sql, params).await.map(drop)
    }

    async fn end<T, E>(self, outcome: Result<T, BarrierError<E>>) -> Result<T, BarrierError<E>> {
        self.transaction.commit().await?;
        outcome
    }
}

/// Keeps what was written since the savepoint, or rolls it back. Fails if the savepoint is gone: then the work has ended
/// the transaction.
async fn close<T, E>(
    savepoint: Transaction<'_>,
    key: &str,
    outcome: Result<T, BarrierError<E>>,
) -> Result<Result<T, BarrierError<E>>, BarrierError<E>> {
    let ended = |error: Error| match error.code() {
        Some(&SqlState::NO_ACTIVE_SQL_TRANSACTION | &SqlState::S_E_INVALID_SPECIFICATION) => {
            BarrierError::Ended { key: key.to_string() }
        }
        _ => error.into(),
    };
    match outcome {
        Ok(value) => savepoint.commit().await.map(|()| Ok(value)).map_err(ended),
        Err(outcome) => savepoint.rollback().await.map(|()| Err(outcome)).map_err(ended),
    }
}

type Params<'a> = &'a [(&'a (dyn ToSql + Sync), Type)];

const WRITE_RESULT: &str = "UPDATE saga_barrier SET result = $2 WHERE key = $1";
const WRITE_UNDONE: &str = "UPDATE saga_barrier SET undone = true WHERE key = $1";
