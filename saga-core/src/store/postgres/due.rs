//! Sagas that are suspended until their time comes.

use std::sync::LazyLock;

use tokio_postgres::types::Type;

use super::claims::{self, CHANGED};
use super::connection::{Connection, Execute, Params};
use super::reads;
use super::rows::{NEVER, due_time, int, owner_column, suspended_until};
use super::trouble::Trouble;
use crate::crash_points::crash_point;
use crate::log::Timestamp;
use crate::store::{SagaRecord, StoreError, Suspension, WorkerId};

/// Suspends a saga. If an earlier try was committed although it seemed to fail, this one finds it done: nobody but the owner of
/// an epoch suspends a saga under it.
pub(super) async fn suspend(
    connection: &Connection,
    suspension: &Suspension,
) -> Result<(), Trouble> {
    let Suspension { saga, owner, epoch, next_seq, wake_at } = suspension;
    let number = |n| int(n).map_err(|why| connection.database().failed(why));
    let (epoch, next_seq, until) = (number(*epoch)?, number(*next_seq)?, suspended_until(*wake_at));
    let wake_at = wake_at.map(|at| number(at.0)).transpose()?;
    let (id, owner) = (saga.as_str(), owner_column(owner));
    let params: Params<'_> = &[
        (&id, Type::TEXT),
        (&owner, Type::TEXT),
        (&epoch, Type::INT8),
        (&next_seq, Type::INT8),
        (&wake_at, Type::INT8),
        (&until, Type::INT8),
    ];
    let sql = "UPDATE saga SET suspended_until = $6, wake_at = $5, owner = '', attempts = 0 \
        WHERE id = $1 AND epoch = $3 AND next_seq = $4 AND ended_at IS NULL \
        AND (owner = $2 OR suspended_until IS NOT NULL) RETURNING 1";
    crash_point("postgres.suspend.before");
    let changed = connection.query(sql, params).await?;
    crash_point("postgres.suspend.after");
    if !changed.is_empty() {
        return Ok(());
    }
    let saga = saga.clone();
    Err(match reads::find(connection, &saga).await? {
        Some(_) => StoreError::Fenced { saga }.into(),
        None => StoreError::NotFound { saga }.into(),
    })
}

/// Claims suspended sagas whose time has come.
pub(super) async fn claim_due(
    connection: &Connection,
    worker: &WorkerId,
    fingerprints: &[String],
    now: Timestamp,
    limit: usize,
) -> Result<Vec<SagaRecord>, Trouble> {
    let versions = claims::versions(connection, fingerprints).await?;
    if versions.is_empty() || limit == 0 {
        return Ok(Vec::new());
    }
    let limit = i64::try_from(limit).unwrap_or(i64::MAX);
    let (worker, now) = (owner_column(worker), due_time(now));
    let params: Params<'_> = &[
        (&worker, Type::TEXT),
        (&now, Type::INT8),
        (&versions, Type::INT4_ARRAY),
        (&limit, Type::INT8),
    ];
    crash_point("postgres.claim_due.before");
    let rows = connection.query(&CLAIM_DUE, params).await?;
    crash_point("postgres.claim_due.after");
    let mut claimed = claims::records_of(connection, &rows).await?;
    claimed.sort_unstable_by(|a, b| (a.wake_at, &a.id).cmp(&(b.wake_at, &b.id)));
    Ok(claimed)
}

/// Reads the index `saga_due` from its beginning. A saga that another worker is claiming at the same time is skipped.
static CLAIM_DUE: LazyLock<String> = LazyLock::new(|| {
    format!(
        "WITH free AS (SELECT id FROM saga WHERE suspended_until IS NOT NULL AND suspended_until <= $2 \
         AND parked_reason IS NULL AND version = ANY ($3) \
         AND EXISTS (SELECT 1 FROM saga_worker AS w WHERE w.incarnation = $1 AND w.lease_until > clock_timestamp()) \
         ORDER BY suspended_until LIMIT $4 FOR UPDATE SKIP LOCKED), \
         s AS (UPDATE saga SET owner = $1, epoch = epoch + 1, attempts = least(attempts + 1, 4294967295), \
         suspended_until = NULL FROM free WHERE saga.id = free.id RETURNING saga.*) \
         {}",
        *CHANGED
    )
});

/// When the first of the suspended sagas is due.
pub(super) async fn next_due(
    connection: &Connection,
    fingerprints: &[String],
) -> Result<Option<Timestamp>, Trouble> {
    let versions = claims::versions(connection, fingerprints).await?;
    let never = NEVER;
    let params: Params<'_> = &[(&versions, Type::INT4_ARRAY), (&never, Type::INT8)];
    let sql = "SELECT suspended_until FROM saga WHERE suspended_until IS NOT NULL AND suspended_until < $2 \
        AND parked_reason IS NULL AND version = ANY ($1) ORDER BY suspended_until LIMIT 1";
    let rows = connection.query(sql, params).await?;
    let next: Option<i64> =
        rows.first().map(|row| row.try_get(0)).transpose().map_err(Trouble::Sql)?;
    Ok(next.map(|at| Timestamp(at.unsigned_abs())))
}
