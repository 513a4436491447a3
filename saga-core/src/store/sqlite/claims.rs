//! The SQL that changes who owns sagas. Each function runs in the writer's transaction.

use std::collections::{HashMap, HashSet};
use std::sync::LazyLock;

use rusqlite::params;

use super::super::{SagaRecord, StoreError, WorkerId};
use super::database::Database;
use super::definitions;
use super::reads::find;
use super::rows::{self, DEFINITION, RECORD, SuspensionRow, WITH_INPUT};
use super::write_job::SqliteError;
use super::writes::UNFINISHED;
use crate::crash_points::crash_point;
use crate::log::{SagaId, Timestamp};

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
    let oldest = oldest.into_iter().map(|(_, number)| number);
    let claimed = claim_some(conn, &free_sql(), oldest, worker, fingerprints, limit)?;
    crash_point("sqlite.claim.written");
    Ok(claimed)
}

/// Claims those of these sagas that the statement `free` finds, up to a limit.
fn claim_some(
    conn: &Database,
    free: &str,
    sagas: impl Iterator<Item = i64>,
    worker: &WorkerId,
    fingerprints: &HashSet<String>,
    limit: usize,
) -> Result<Vec<SagaRecord>, SqliteError> {
    let mut free = conn.prepare_cached(free)?;
    free.raw_bind_parameter(2, worker.as_str())?;
    let (mut claimed, mut numbers) = (Vec::new(), Vec::new());
    for number in sagas {
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
    Ok(claimed)
}

/// Changes a record as [`SagaRecord::suspend`] does.
pub(super) fn suspend(conn: &Database, row: &SuspensionRow) -> Result<(), SqliteError> {
    let changed = conn.prepare_cached(SUSPEND)?.execute(params![
        row.saga.as_str(),
        row.owner.as_str(),
        row.epoch,
        row.next_seq,
        row.wake_at,
        row.suspended_until,
    ])?;
    crash_point("sqlite.suspend.written");
    if changed == 0 {
        let saga = row.saga.clone();
        return Err(match find(conn, &saga)? {
            Some(_) => StoreError::Fenced { saga }.into(),
            None => StoreError::NotFound { saga }.into(),
        });
    }
    conn.numbers.borrow_mut().remove(&row.saga);
    Ok(())
}

pub(super) const SUSPEND: &str = "UPDATE saga SET suspended_until = ?6, wake_at = ?5, owner = NULL, attempts = 0 \
    WHERE id = ?1 AND owner = ?2 AND epoch = ?3 AND next_seq = ?4 AND ended_at IS NULL";

/// `now` is an integer of SQLite.
pub(super) fn claim_due(
    conn: &Database,
    worker: &WorkerId,
    fingerprints: &HashSet<String>,
    now: i64,
    limit: usize,
) -> Result<Vec<SagaRecord>, SqliteError> {
    let mut select = conn.prepare_cached(DUE)?;
    let mut rows = select.query(params![now])?;
    let (mut due, mut known) = (Vec::new(), KnownDefinitions::new(fingerprints));
    // some of them may be parked
    let (mut claimed, mut last) = (Vec::new(), false);
    while claimed.len() < limit && !last {
        let left = limit - claimed.len();
        while due.len() < left && !last {
            match rows.next()? {
                Some(row) if known.has(conn, row.get(2)?)? => due.push(row.get(1)?),
                Some(_) => {}
                None => last = true,
            }
        }
        let page = std::mem::take(&mut due).into_iter();
        claimed.extend(claim_some(conn, &SUSPENDED, page, worker, fingerprints, left)?);
    }
    crash_point("sqlite.claim_due.written");
    Ok(claimed)
}

/// When each suspended saga is due, in order, and its number and definition: all of it is in the index.
pub(super) const DUE: &str = "SELECT suspended_until, number, definition FROM saga INDEXED BY saga_due \
    WHERE suspended_until IS NOT NULL AND suspended_until <= ?1 ORDER BY suspended_until";

pub(super) fn next_due(
    conn: &Database,
    fingerprints: &HashSet<String>,
) -> Result<Option<Timestamp>, SqliteError> {
    let mut select = conn.prepare_cached(DUE)?;
    let mut rows = select.query(params![rows::NEVER - 1])?;
    let mut known = KnownDefinitions::new(fingerprints);
    while let Some(row) = rows.next()? {
        let number: i64 = row.get(1)?;
        if known.has(conn, row.get(2)?)? && !is_parked(conn, number)? {
            return Ok(Some(Timestamp(row.get::<_, i64>(0)?.unsigned_abs())));
        }
    }
    Ok(None)
}

fn is_parked(conn: &Database, number: i64) -> rusqlite::Result<bool> {
    let sql = "SELECT parked_reason IS NOT NULL FROM saga WHERE number = ?1";
    conn.prepare_cached(sql)?.query_row([number], |row| row.get(0))
}

/// Which definitions a worker knows, by their numbers.
struct KnownDefinitions<'a> {
    fingerprints: &'a HashSet<String>,
    seen: HashMap<i64, bool>,
}

impl<'a> KnownDefinitions<'a> {
    fn new(fingerprints: &'a HashSet<String>) -> Self {
        Self { fingerprints, seen: HashMap::new() }
    }

    fn has(&mut self, conn: &Database, definition: i64) -> Result<bool, SqliteError> {
        if let Some(known) = self.seen.get(&definition) {
            return Ok(*known);
        }
        let found = definitions::find(conn, definition)?;
        let known = found.is_some_and(|found| self.fingerprints.contains(&*found.fingerprint));
        self.seen.insert(definition, known);
        Ok(known)
    }
}

/// Changes records as [`SagaRecord::claim`] does.
pub(super) const CLAIM: &str = "UPDATE saga SET owner = ?1, epoch = epoch + 1, attempts = min(attempts + 1, 4294967295), \
    suspended_until = NULL WHERE number IN (SELECT value FROM json_each(?2))";

/// The ages and numbers of all unfinished sagas that are not suspended, which the index knows.
pub(super) fn unfinished_sql() -> String {
    format!(
        "SELECT created_at, number FROM saga INDEXED BY saga_unfinished WHERE {UNFINISHED} AND suspended_until IS NULL"
    )
}

/// One of those that are due, if it can be claimed. Its owner is not compared, since it has none.
static SUSPENDED: LazyLock<String> = LazyLock::new(|| {
    format!(
        "SELECT {RECORD} FROM saga {WITH_INPUT} \
         WHERE number = ?1 AND parked_reason IS NULL AND suspended_until IS NOT NULL AND owner IS NOT ?2"
    )
});

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
         WHERE owner = ?1 AND {UNFINISHED} AND suspended_until IS NULL"
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
    record.suspended = false;
    let epoch = rows::int(record.epoch).map_err(|why| corrupt(id, why))?;
    conn.prepare_cached(
        "UPDATE saga SET owner = ?1, epoch = ?2, suspended_until = NULL WHERE number = ?3",
    )?
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
