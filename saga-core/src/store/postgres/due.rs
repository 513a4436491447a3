//! Sagas that are suspended until their time comes.

use std::sync::LazyLock;

use tokio_postgres::types::Type;

use super::claims::{self, CHANGED};
use super::connection::{Connection, Execute, Params};
use super::rows::{NEVER, due_time, owner_column};
use super::trouble::Trouble;
use crate::crash_points::crash_point;
use crate::log::Timestamp;
use crate::store::{SagaRecord, WorkerId};

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
