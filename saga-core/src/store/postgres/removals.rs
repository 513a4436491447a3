//! Deleting and purging sagas.

use tokio_postgres::types::Type;

use super::connection::{Connection, Execute, Params};
use super::reads;
use super::rows::bound;
use super::trouble::Trouble;
use crate::crash_points::crash_point;
use crate::log::{SagaId, SagaStatus};
use crate::store::{Purge, StoreError};

/// Removes the sagas `gone` with all that belongs to them.
const REMOVE: &str = "r AS (DELETE FROM saga AS s USING gone WHERE s.id = gone.id RETURNING s.number, s.id), \
    i AS (DELETE FROM saga_input AS i USING r WHERE i.number = r.number), \
    l AS (DELETE FROM saga_log AS l USING r WHERE l.number = r.number), \
    c AS (DELETE FROM saga_command AS c USING r WHERE c.saga_id = r.id) \
    SELECT count(*) FROM r";

/// Removes a saga, unless a worker owns it and it has not ended.
pub(super) async fn delete(connection: &Connection, id: &SagaId) -> Result<bool, Trouble> {
    let sql = format!(
        "WITH gone AS (SELECT id FROM saga WHERE id = $1 AND (owner = '' OR ended_at IS NOT NULL) FOR UPDATE), {REMOVE}"
    );
    crash_point("postgres.delete.before");
    let rows = connection.query(&sql, &[(&id.as_str(), Type::TEXT)]).await?;
    crash_point("postgres.delete.after");
    if count(&rows)? > 0 {
        return Ok(true);
    }
    match reads::find(connection, id).await? {
        Some(record) if record.is_held() => Err(StoreError::Fenced { saga: id.clone() }.into()),
        // it was released or has ended meanwhile, and can be removed by the next call
        Some(_) => Err(StoreError::Fenced { saga: id.clone() }.into()),
        None => Ok(false),
    }
}

/// Removes old ended sagas to which no request is unanswered, and returns how many. For each version, they are read from the index `saga_ended` in order.
pub(super) async fn purge(connection: &Connection, purge: &Purge) -> Result<u64, Trouble> {
    let before = bound(purge.ended_before);
    let sql = format!(
        "WITH gone AS (SELECT e.id FROM saga_version AS v CROSS JOIN LATERAL (SELECT s.id FROM saga AS s \
         WHERE s.version = v.version AND s.status = $1 AND s.ended_at IS NOT NULL AND s.ended_at < $2 \
         AND NOT EXISTS (SELECT 1 FROM saga_command AS c WHERE c.saga_id = s.id AND c.answer IS NULL) \
         ORDER BY s.ended_at LIMIT $3 FOR UPDATE SKIP LOCKED) AS e LIMIT $3), {REMOVE}"
    );
    let mut removed = 0;
    for status in purge.ends().into_iter().map(SagaStatus::as_str) {
        let limit = u64::try_from(purge.limit).unwrap_or(u64::MAX).saturating_sub(removed);
        let limit = i64::try_from(limit).unwrap_or(i64::MAX);
        let params: Params<'_> =
            &[(&status, Type::TEXT), (&before, Type::INT8), (&limit, Type::INT8)];
        crash_point("postgres.purge.before");
        removed += count(&connection.query(&sql, params).await?)?;
        crash_point("postgres.purge.after");
    }
    Ok(removed)
}

fn count(rows: &[tokio_postgres::Row]) -> Result<u64, Trouble> {
    let count = rows.first().map_or(Ok(0), |row| row.try_get::<_, i64>(0)).map_err(Trouble::Sql)?;
    Ok(count.unsigned_abs())
}

/// Removes versions that no saga has any more. A version is marked first, and from then on no saga is created with it
/// without removing the mark; it is removed an hour later, when every statement that did not see the mark has ended.
pub(super) async fn retire_versions(connection: &Connection) -> Result<(), Trouble> {
    // each of the two can use an index
    let unused = "NOT (EXISTS (SELECT 1 FROM saga AS s WHERE s.version = v.version AND s.ended_at IS NOT NULL) \
        OR v.version IN (SELECT DISTINCT s.version FROM saga AS s WHERE s.ended_at IS NULL))";
    let remove = format!(
        "DELETE FROM saga_version AS v WHERE v.retired_at < clock_timestamp() - interval '1 hour' AND {unused}"
    );
    crash_point("postgres.retire.before");
    connection.query(&remove, &[]).await?;
    crash_point("postgres.retire.removed");
    let restore = format!(
        "UPDATE saga_version AS v SET retired_at = NULL WHERE v.retired_at IS NOT NULL AND NOT {unused}"
    );
    connection.query(&restore, &[]).await?;
    crash_point("postgres.retire.restored");
    let mark = format!(
        "UPDATE saga_version AS v SET retired_at = clock_timestamp() WHERE v.retired_at IS NULL AND {unused}"
    );
    connection.query(&mark, &[]).await.map(drop)
}
