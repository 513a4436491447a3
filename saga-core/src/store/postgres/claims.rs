//! Who owns which sagas: leases, claims, takes and releases.

use std::sync::LazyLock;
use std::time::Duration;

use tokio_postgres::Row;
use tokio_postgres::types::Type;

use super::connection::{Connection, Execute, Params};
use super::reads;
use super::rows::{self, EPOCH, RECORD, SUSPENDED, WITH_REST, owner_column, plain, text};
use super::trouble::Trouble;
use crate::crash_points::crash_point;
use crate::log::{SagaId, Timestamp};
use crate::store::{SagaRecord, StoreError, Worker, WorkerId};

/// Begins or renews a lease, on the database's clock.
pub(super) async fn renew(
    connection: &Connection,
    worker: &WorkerId,
    lease: Duration,
    limit: Duration,
) -> Result<(), Trouble> {
    let (worker, lease) = (owner_column(worker), lease.as_secs_f64());
    let params: Params<'_> = &[(&worker, Type::TEXT), (&lease, Type::FLOAT8)];
    crash_point("postgres.renew.before");
    connection.query_within(limit, RENEW, params).await?;
    crash_point("postgres.renew.after");
    Ok(())
}

const RENEW: &str = "INSERT INTO saga_worker (incarnation, started_at, lease_until) \
    VALUES ($1, clock_timestamp(), clock_timestamp() + make_interval(secs => $2)) \
    ON CONFLICT (incarnation) DO UPDATE SET lease_until = excluded.lease_until";

/// Makes a worker known that has not begun a lease, so that others find its sagas.
pub(super) async fn introduce(connection: &Connection, worker: &WorkerId) -> Result<(), Trouble> {
    let worker = owner_column(worker);
    let sql = "INSERT INTO saga_worker (incarnation, started_at, lease_until) \
        VALUES ($1, clock_timestamp(), clock_timestamp()) ON CONFLICT (incarnation) DO NOTHING";
    crash_point("postgres.introduce.before");
    connection.query(sql, &[(&worker, Type::TEXT)]).await?;
    crash_point("postgres.introduce.after");
    Ok(())
}

/// The workers that are alive, longest first.
pub(super) async fn workers(connection: &Connection) -> Result<Vec<Worker>, Trouble> {
    let sql = "SELECT w.incarnation, (extract(epoch FROM w.started_at) * 1000)::bigint, \
        (extract(epoch FROM w.lease_until) * 1000)::bigint, \
        (SELECT count(*) FROM saga AS s WHERE s.owner = w.incarnation AND s.ended_at IS NULL) \
        FROM saga_worker AS w WHERE w.lease_until > clock_timestamp() ORDER BY w.started_at, w.incarnation";
    let rows = connection.query(sql, &[]).await?;
    rows.iter().map(worker).collect()
}

fn worker(row: &Row) -> Result<Worker, Trouble> {
    let number = |column| -> Result<u64, Trouble> {
        Ok(row.try_get::<_, i64>(column).map_err(Trouble::Sql)?.unsigned_abs())
    };
    let id: &str = row.try_get(0).map_err(Trouble::Sql)?;
    let lease_until = Some(Timestamp(number(2)?));
    Ok(Worker::new(WorkerId::from(&*plain(id)), Timestamp(number(1)?), lease_until, number(3)?))
}

/// Claims sagas without an owner, and those of workers that have died.
pub(super) async fn claim(
    connection: &Connection,
    worker: &WorkerId,
    fingerprints: &[String],
    limit: usize,
) -> Result<Vec<SagaRecord>, Trouble> {
    let versions = versions(connection, fingerprints).await?;
    if versions.is_empty() || limit == 0 {
        return Ok(Vec::new());
    }
    let mut owners = vec![String::new()];
    let (dead, busy) = dead_workers(connection, worker, &versions).await?;
    owners.extend(busy);
    let mut claimed = Vec::new();
    for owner in &owners {
        let left = limit.saturating_sub(claimed.len());
        if left == 0 {
            break;
        }
        claimed.extend(claim_of(connection, worker, owner, &versions, left).await?);
    }
    if dead > 0 {
        forget_dead_workers(connection, worker).await?;
    }
    claimed.sort_unstable_by(|a, b| (a.created_at, &a.id).cmp(&(b.created_at, &b.id)));
    Ok(claimed)
}

/// The numbers of versions.
pub(super) async fn versions(
    connection: &Connection,
    fingerprints: &[String],
) -> Result<Vec<i32>, Trouble> {
    let fingerprints = fingerprints.iter().map(|fingerprint| text(fingerprint)).collect::<Vec<_>>();
    let sql = "SELECT version FROM saga_version WHERE fingerprint = ANY ($1)";
    let rows = connection.query(sql, &[(&fingerprints, Type::TEXT_ARRAY)]).await?;
    rows.iter().map(|row| row.try_get(0).map_err(Trouble::Sql)).collect()
}

/// Workers that have died, and owners of unfinished sagas that are no workers any more: a write that was on its way when its
/// worker released everything, or was forgotten, may leave such a saga.
///
/// The owners are found by jumping through an index from each to the next. Returns how many there are, and which of them have
/// sagas to be claimed: those of the others may be parked, or of an unknown version, for as long as nobody looks after them.
async fn dead_workers(
    connection: &Connection,
    worker: &WorkerId,
    versions: &[i32],
) -> Result<(usize, Vec<String>), Trouble> {
    let sql = "WITH RECURSIVE o AS ((SELECT owner FROM saga WHERE ended_at IS NULL AND owner > '' ORDER BY owner LIMIT 1) \
        UNION ALL SELECT (SELECT s.owner FROM saga AS s WHERE s.ended_at IS NULL AND s.owner > o.owner ORDER BY s.owner LIMIT 1) \
        FROM o WHERE o.owner IS NOT NULL), \
        d AS (SELECT incarnation FROM saga_worker WHERE lease_until <= clock_timestamp() AND incarnation <> $1 \
        UNION SELECT o.owner FROM o WHERE o.owner <> $1 \
        AND NOT EXISTS (SELECT 1 FROM saga_worker AS w WHERE w.incarnation = o.owner)) \
        SELECT incarnation, (SELECT true FROM saga AS s WHERE s.owner = d.incarnation AND (s.parked_reason IS NULL AND s.suspended_until IS NULL) \
        AND s.version = ANY ($2) AND s.ended_at IS NULL LIMIT 1) IS NOT NULL FROM d";
    let params: Params<'_> = &[(&owner_column(worker), Type::TEXT), (&versions, Type::INT4_ARRAY)];
    let rows = connection.query(sql, params).await?;
    let mut busy = Vec::new();
    for row in &rows {
        if row.try_get(1).map_err(Trouble::Sql)? {
            busy.push(row.try_get(0).map_err(Trouble::Sql)?);
        }
    }
    Ok((rows.len(), busy))
}

/// Claims sagas of one owner. A saga that another worker is claiming at the same time is skipped.
async fn claim_of(
    connection: &Connection,
    worker: &WorkerId,
    owner: &str,
    versions: &[i32],
    limit: usize,
) -> Result<Vec<SagaRecord>, Trouble> {
    let limit = i64::try_from(limit).unwrap_or(i64::MAX);
    let worker = owner_column(worker);
    let params: Params<'_> = &[
        (&worker, Type::TEXT),
        (&owner, Type::TEXT),
        (&versions, Type::INT4_ARRAY),
        (&limit, Type::INT8),
    ];
    crash_point("postgres.claim.before");
    let rows = connection.query(&claim_sql(), params).await?;
    crash_point("postgres.claim.after");
    records_of(connection, &rows).await
}

/// The records that a claim has changed.
pub(super) async fn records_of(
    connection: &Connection,
    rows: &[Row],
) -> Result<Vec<SagaRecord>, Trouble> {
    let mut claimed = Vec::with_capacity(rows.len());
    for row in rows {
        match record_of(connection, row).await {
            Ok(record) => claimed.extend(record),
            // A record that does not decode is skipped, so that it does not block other sagas: its owner is now this
            // worker, so that it is not found again. Loading it reports what is wrong.
            Err(Trouble::Store(_)) => {}
            Err(trouble) => return Err(trouble),
        }
    }
    Ok(claimed)
}

/// Which of the columns of a claim or a take says that the saga has gone on meanwhile.
const HAS_GONE_ON: usize = SUSPENDED + 1;

/// The record that a claim or a take has changed; `None` if another one has changed it since.
///
/// Such a statement changes the newest row of `saga`, even one that was written after the statement had begun, and joins it
/// with the rows of other tables as they were when it began. If the saga was migrated in between, the record would have the
/// parameters of the old definition, or a version that cannot be found yet; so it is read again.
async fn record_of(connection: &Connection, row: &Row) -> Result<Option<SagaRecord>, Trouble> {
    let has_gone_on: bool = row.try_get(HAS_GONE_ON).map_err(Trouble::Sql)?;
    if !has_gone_on {
        return rows::record(row).map(Some);
    }
    let id: &str = row.try_get(0).map_err(Trouble::Sql)?;
    let epoch: i64 = row.try_get(EPOCH).map_err(Trouble::Sql)?;
    // what is no id was not written by a store
    let Ok(id) = id.parse() else { return Ok(None) };
    let found = reads::find(connection, &id).await?;
    Ok(found.filter(|found| i64::try_from(found.epoch) == Ok(epoch)))
}

/// The subquery uses the index `saga_unfinished` from its first column to its last, and so reads nothing but what it
/// claims. Whether the owner is alive is checked in the same statement, by the same clock.
pub(super) fn claim_sql() -> String {
    format!(
        "WITH free AS (SELECT id FROM saga WHERE owner = $2 AND (parked_reason IS NULL AND suspended_until IS NULL) \
         AND version = ANY ($3) AND ended_at IS NULL \
         AND NOT EXISTS (SELECT 1 FROM saga_worker AS w WHERE w.incarnation = $2 AND w.lease_until > clock_timestamp()) \
         AND EXISTS (SELECT 1 FROM saga_worker AS w WHERE w.incarnation = $1 AND w.lease_until > clock_timestamp()) \
         LIMIT $4 FOR UPDATE SKIP LOCKED), \
         s AS (UPDATE saga SET owner = $1, epoch = epoch + 1, attempts = least(attempts + 1, 4294967295) \
         FROM free WHERE saga.id = free.id RETURNING saga.*) \
         {}",
        *CHANGED
    )
}

/// The records of the rows `s` that a statement has changed. `seen` is the row that it has seen when it began.
pub(super) static CHANGED: LazyLock<String> = LazyLock::new(|| {
    format!(
        "SELECT {RECORD}, seen.next_seq IS DISTINCT FROM s.next_seq FROM s {WITH_REST} \
         LEFT JOIN saga AS seen ON seen.id = s.id"
    )
});

/// Removes workers that have died, once they own nothing that has not ended. As above, an index is looked into for each of
/// them.
async fn forget_dead_workers(connection: &Connection, worker: &WorkerId) -> Result<(), Trouble> {
    let sql = "DELETE FROM saga_worker AS w WHERE w.incarnation <> $1 AND w.lease_until <= clock_timestamp() \
        AND (SELECT true FROM saga AS s WHERE s.owner = w.incarnation AND s.ended_at IS NULL LIMIT 1) IS NULL";
    crash_point("postgres.forget.before");
    connection.query(sql, &[(&owner_column(worker), Type::TEXT)]).await?;
    crash_point("postgres.forget.after");
    Ok(())
}

/// The unfinished sagas of a worker, except those that are parked.
pub(super) async fn owned(
    connection: &Connection,
    worker: &WorkerId,
) -> Result<Vec<SagaId>, Trouble> {
    let sql = "SELECT id FROM saga WHERE owner = $1 AND (parked_reason IS NULL AND suspended_until IS NULL) AND ended_at IS NULL";
    let rows = connection.query(sql, &[(&owner_column(worker), Type::TEXT)]).await?;
    let ids = rows.iter().map(|row| row.try_get::<_, &str>(0).map_err(Trouble::Sql));
    // what is no id was not written by a store
    ids.filter_map(|id| id.map(|id| id.parse().ok()).transpose()).collect()
}

/// Gives up all sagas of a worker.
pub(super) async fn release(connection: &Connection, worker: &WorkerId) -> Result<(), Trouble> {
    let worker = owner_column(worker);
    let release = "UPDATE saga SET owner = '', attempts = 0 WHERE owner = $1 AND ended_at IS NULL";
    crash_point("postgres.release.before");
    connection.query(release, &[(&worker, Type::TEXT)]).await?;
    crash_point("postgres.release.between");
    let forget = "DELETE FROM saga_worker WHERE incarnation = $1";
    connection.query(forget, &[(&worker, Type::TEXT)]).await?;
    crash_point("postgres.release.after");
    Ok(())
}

/// Makes the worker the owner of one saga, unless another one that is alive owns it.
pub(super) async fn take(
    connection: &Connection,
    worker: &WorkerId,
    id: &SagaId,
) -> Result<Option<SagaRecord>, Trouble> {
    let (worker, saga) = (owner_column(worker), id.as_str());
    let params: Params<'_> = &[(&worker, Type::TEXT), (&saga, Type::TEXT)];
    crash_point("postgres.take.before");
    let rows = connection.query(&take_sql(), params).await?;
    crash_point("postgres.take.after");
    match rows.first() {
        Some(row) => match record_of(connection, row).await? {
            Some(record) => Ok(Some(record)),
            None => Err(StoreError::Fenced { saga: id.clone() }.into()),
        },
        None => match reads::find(connection, id).await? {
            Some(_) => Err(StoreError::Fenced { saga: id.clone() }.into()),
            None => Ok(None),
        },
    }
}

fn take_sql() -> String {
    format!(
        "WITH s AS (UPDATE saga SET owner = $1, epoch = epoch + 1, suspended_until = NULL WHERE id = $2 AND (owner IN ('', $1) \
         OR NOT EXISTS (SELECT 1 FROM saga_worker AS w WHERE w.incarnation = saga.owner AND w.lease_until > clock_timestamp())) \
         RETURNING *) {}",
        *CHANGED
    )
}
