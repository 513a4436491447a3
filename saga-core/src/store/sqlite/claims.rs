//! The SQL that changes who owns sagas. Each function runs in the writer's transaction.

use std::collections::{HashMap, HashSet};

use rusqlite::params;

use super::super::{SagaRecord, StoreError, WorkerId};
use super::database::Database;
use super::definitions;
use super::reads::find;
use super::rows::{self, DEFINITION, RECORD, WITH_INPUT};
use super::write_job::SqliteError;
use super::writes::UNFINISHED;
use crate::crash_points::crash_point;
use crate::log::SagaId;

pub(super) fn claim(
    conn: &Database,
    worker: &WorkerId,
    fingerprints: &HashSet<String>,
    limit: usize,
) -> Result<Vec<SagaRecord>, SqliteError> {
    let mut unfinished = conn.prepare_cached(&unfinished_sql())?;
    let unfinished =
        unfinished.query_map([], |row| Ok((row.get::<_, i64>(0)?, row.get::<_, i64>(1)?)))?;
    let mut oldest = unfinished.collect::<rusqlite::Result<Vec<_>>>()?;
    // SQLite takes several times as long
    oldest.sort_unstable();
    let mut free = conn.prepare_cached(&free_sql())?;
    free.raw_bind_parameter(2, worker.as_str())?;
    let (mut claimed, mut numbers) = (Vec::new(), Vec::new());
    for (_, number) in oldest {
        if claimed.len() >= limit {
            break;
        }
        free.raw_bind_parameter(1, number)?;
        let mut rows = free.raw_query();
        let Some(row) = rows.next()? else { continue };
        let definition = definitions::find(conn, row.get(DEFINITION)?)?;
        if !definition.is_some_and(|found| fingerprints.contains(&*found.fingerprint)) {
            continue;
        }
        // A record that does not decode is skipped, so that it does not block other sagas. Loading it
        // reports what is wrong.
        let Ok(mut record) = rows::record(conn, row) else { continue };
        record.claim(worker);
        if rows::int(record.epoch).is_err() {
            continue;
        }
        conn.numbers.borrow_mut().insert(record.id.clone(), number);
        numbers.push(number);
        claimed.push(record);
    }
    let numbers = serde_json::to_string(&numbers)
        .map_err(|e| rusqlite::Error::ToSqlConversionFailure(e.into()))?;
    conn.prepare_cached(CLAIM)?.execute(params![worker.as_str(), numbers])?;
    crash_point("sqlite.claim.written");
    Ok(claimed)
}

/// Changes records as [`SagaRecord::claim`] does.
pub(super) const CLAIM: &str = "UPDATE saga SET owner = ?1, epoch = epoch + 1, attempts = min(attempts + 1, 4294967295) \
    WHERE number IN (SELECT value FROM json_each(?2))";

/// The ages and numbers of all unfinished sagas, which the index knows.
pub(super) fn unfinished_sql() -> String {
    format!("SELECT created_at, number FROM saga INDEXED BY saga_unfinished WHERE {UNFINISHED}")
}

/// One of them, if it can be claimed.
pub(super) fn free_sql() -> String {
    format!(
        "SELECT {RECORD} FROM saga {WITH_INPUT} \
         WHERE number = ?1 AND parked_reason IS NULL AND owner IS NOT ?2"
    )
}

pub(super) fn release(conn: &Database, worker: &WorkerId) -> Result<(), SqliteError> {
    conn.prepare_cached(&release_sql())?.execute([worker.as_str()])?;
    crash_point("sqlite.release.written");
    *conn.numbers.borrow_mut() = HashMap::new();
    Ok(())
}

pub(super) fn release_sql() -> String {
    format!(
        "UPDATE saga INDEXED BY saga_unfinished SET owner = NULL, attempts = 0 \
         WHERE owner = ?1 AND {UNFINISHED}"
    )
}

pub(super) fn take(
    conn: &Database,
    worker: &WorkerId,
    id: &SagaId,
) -> Result<Option<SagaRecord>, SqliteError> {
    let Some((mut record, number)) = find(conn, id)? else { return Ok(None) };
    record.owner = Some(worker.clone());
    record.epoch += 1;
    let epoch = rows::int(record.epoch).map_err(|why| corrupt(id, why))?;
    conn.prepare_cached("UPDATE saga SET owner = ?1, epoch = ?2 WHERE number = ?3")?
        .execute(params![worker.as_str(), epoch, number])?;
    crash_point("sqlite.take.written");
    if !record.status.is_ended() {
        conn.numbers.borrow_mut().insert(id.clone(), number);
    }
    Ok(Some(record))
}

fn corrupt(id: &SagaId, why: String) -> StoreError {
    StoreError::Corrupt { saga: id.clone(), seq: 0, why }
}
