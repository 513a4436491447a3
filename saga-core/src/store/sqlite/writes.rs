//! The SQL that writes. Each function runs in the writer's transaction.

use std::sync::LazyLock;

use rusqlite::{OptionalExtension, params};

use super::super::{Created, Purge, SagaRecord, StoreError, WorkerId};
use super::database::Database;
use super::reads::find;
use super::requests;
use super::rows::{self, AppendRow, EntryRow, NewSagaRow, RECORD, WITH_INPUT};
use super::write_job::{SqliteError, Tally};
use crate::log::{Payload, SagaId};

/// The condition of the index `saga_unfinished`, word for word, because SQLite can use the index only then. If
/// left to choose, SQLite uses `saga_by_status` and sorts.
pub(super) const UNFINISHED: &str = "status IN ('running', 'failed', 'rolling_back')";

pub(super) fn create(
    conn: &Database,
    new: &NewSagaRow,
    tally: &mut Tally,
) -> Result<Created, SqliteError> {
    let record = &new.record;
    let inserted = conn
        .prepare_cached(
            "INSERT INTO saga (id, birth, name, fingerprint, status, owner, epoch, next_seq, \
             attempts, wake_at, deadline, paused, parked_reason, created_at, updated_at, error, \
             context) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, \
             ?16, ?17) ON CONFLICT (id) DO NOTHING",
        )?
        .execute(params![
            record.id.as_str(),
            new.run_key,
            record.name,
            record.fingerprint,
            record.status.as_str(),
            record.owner.as_ref().map(WorkerId::as_str),
            new.epoch,
            new.next_seq,
            record.attempts,
            new.wake_at,
            new.deadline,
            record.paused,
            record.parked_reason,
            new.created_at,
            new.updated_at,
            record.error,
            record.context.as_ref().map(Payload::as_bytes),
        ])?;
    if inserted == 0 {
        let there = find(conn, &record.id)?;
        return match there {
            Some(there) => Ok(Created::Exists(Box::new(there))),
            None => Err(rusqlite::Error::QueryReturnedNoRows.into()),
        };
    }
    let number = conn.last_insert_rowid();
    conn.prepare_cached("INSERT INTO saga_input (number, params, dag) VALUES (?1, ?2, ?3)")?
        .execute(params![number, record.params.as_bytes(), record.dag.as_bytes()])?;
    insert_entries(conn, &record.id, &new.entries, tally)?;
    tally.creates += 1;
    Ok(Created::New)
}

pub(super) fn append(
    conn: &Database,
    row: &AppendRow,
    tally: &mut Tally,
) -> Result<(), SqliteError> {
    // An unchanged status is not written, because that would update its indexes with every append.
    if !update(conn, row, &UPDATE_SAME_STATUS)? && !update(conn, row, &UPDATE)? {
        let saga = row.append.saga.clone();
        let there =
            conn.prepare_cached("SELECT 1 FROM saga WHERE id = ?1")?.exists([saga.as_str()])?;
        let why = if there { StoreError::Fenced { saga } } else { StoreError::NotFound { saga } };
        return Err(why.into());
    }
    insert_entries(conn, &row.append.saga, &row.entries, tally)?;
    for (id, answer) in &row.answers {
        requests::answer(conn, id, answer)?;
    }
    tally.appends += 1;
    Ok(())
}

/// Checks that an append is not fenced, in the same transaction as the append.
pub(super) fn check_fencing(conn: &Database, row: &AppendRow) -> Result<(), SqliteError> {
    let append = &row.append;
    let place = conn
        .prepare_cached("SELECT owner, epoch, next_seq FROM saga WHERE id = ?1")?
        .query_row([append.saga.as_str()], |row| {
            Ok((row.get::<_, Option<String>>(0)?, row.get(1)?, row.get(2)?))
        })
        .optional()?;
    let expected = (Some(append.owner.to_string()), row.epoch, row.expected_next_seq);
    let saga = append.saga.clone();
    match place {
        Some(place) if place == expected => Ok(()),
        Some(_) => Err(StoreError::Fenced { saga }.into()),
        None => Err(StoreError::NotFound { saga }.into()),
    }
}

/// Updates the record if owner, epoch and next sequence number match; returns whether they did.
fn update(conn: &Database, row: &AppendRow, sql: &str) -> rusqlite::Result<bool> {
    let append = &row.append;
    let change = &append.change;
    let parked_reason = change.parked_reason.as_ref();
    let changed = conn.prepare_cached(sql)?.execute(params![
        row.next_seq,
        change.status.as_str(),
        row.wake_at,
        row.updated_at,
        change.error,
        change.context.as_ref().map(Payload::as_bytes),
        change.paused,
        parked_reason.is_some(),
        parked_reason.and_then(Option::as_ref),
        change.progress,
        append.saga.as_str(),
        append.owner.as_str(),
        row.epoch,
        row.expected_next_seq,
    ])?;
    Ok(changed == 1)
}

const COMPARE: &str = "id = ?11 AND owner = ?12 AND epoch = ?13 AND next_seq = ?14";

const CHANGE: &str = "next_seq = ?1, wake_at = ?3, updated_at = ?4, \
    error = coalesce(?5, error), context = coalesce(?6, context), paused = coalesce(?7, paused), \
    parked_reason = iif(?8, ?9, parked_reason), attempts = iif(?10, 1, attempts)";

pub(super) static UPDATE: LazyLock<String> =
    LazyLock::new(|| format!("UPDATE saga SET {CHANGE}, status = ?2 WHERE {COMPARE}"));

pub(super) static UPDATE_SAME_STATUS: LazyLock<String> =
    LazyLock::new(|| format!("UPDATE saga SET {CHANGE} WHERE {COMPARE} AND status = ?2"));

fn insert_entries(
    conn: &Database,
    saga: &SagaId,
    entries: &[EntryRow],
    tally: &mut Tally,
) -> rusqlite::Result<()> {
    let mut insert = conn.prepare_cached(
        "INSERT INTO saga_event (saga_id, seq, epoch, at, node, attempt, kind, payload) \
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
    )?;
    for entry in entries {
        insert.execute(params![
            saga.as_str(),
            entry.seq,
            entry.epoch,
            entry.at,
            entry.node.as_ref().map(|node| node.as_str()),
            entry.attempt,
            entry.kind,
            entry.payload.as_ref().map(Payload::as_bytes),
        ])?;
        tally.entries += 1;
    }
    Ok(())
}

/// `fingerprints` is a JSON array, because there may be more of them than SQLite allows parameters.
pub(super) fn claim(
    conn: &Database,
    worker: &WorkerId,
    fingerprints: &str,
    limit: usize,
) -> Result<Vec<SagaRecord>, SqliteError> {
    let mut free = conn.prepare_cached(&claim_sql())?;
    let mut rows = free.query(params![worker.as_str(), fingerprints])?;
    let mut claimed = Vec::new();
    while claimed.len() < limit {
        let Some(row) = rows.next()? else { break };
        // A record that does not decode is skipped, so that it does not block other sagas. Loading it
        // reports what is wrong.
        let Ok(mut record) = rows::record(row) else { continue };
        record.owner = Some(worker.clone());
        record.epoch += 1;
        record.attempts = record.attempts.saturating_add(1);
        let Ok(epoch) = rows::int(record.epoch) else { continue };
        claimed.push((record, epoch));
    }
    drop(rows);
    let mut take =
        conn.prepare_cached("UPDATE saga SET owner = ?1, epoch = ?2, attempts = ?3 WHERE id = ?4")?;
    for (record, epoch) in &claimed {
        take.execute(params![worker.as_str(), epoch, record.attempts, record.id.as_str()])?;
    }
    Ok(claimed.into_iter().map(|(record, _)| record).collect())
}

pub(super) fn claim_sql() -> String {
    format!(
        "SELECT {RECORD} FROM saga INDEXED BY saga_unfinished {WITH_INPUT} WHERE {UNFINISHED} \
         AND parked_reason IS NULL AND owner IS NOT ?1 \
         AND fingerprint IN (SELECT value FROM json_each(?2)) \
         ORDER BY created_at, id"
    )
}

pub(super) fn release(conn: &Database, worker: &WorkerId) -> Result<(), SqliteError> {
    conn.prepare_cached(&release_sql())?.execute([worker.as_str()])?;
    Ok(())
}

pub(super) fn release_sql() -> String {
    format!(
        "UPDATE saga INDEXED BY saga_by_owner SET owner = NULL, attempts = 0 \
         WHERE owner = ?1 AND {UNFINISHED}"
    )
}

pub(super) fn take(
    conn: &Database,
    worker: &WorkerId,
    id: &SagaId,
) -> Result<Option<SagaRecord>, SqliteError> {
    let Some(mut record) = find(conn, id)? else { return Ok(None) };
    record.owner = Some(worker.clone());
    record.epoch += 1;
    let epoch = rows::int(record.epoch).map_err(|why| corrupt(id, why))?;
    conn.prepare_cached("UPDATE saga SET owner = ?1, epoch = ?2 WHERE id = ?3")?
        .execute(params![worker.as_str(), epoch, id.as_str()])?;
    Ok(Some(record))
}

pub(super) fn delete(conn: &Database, id: &SagaId) -> Result<bool, SqliteError> {
    let owned = conn
        .prepare_cached(&format!(
            "SELECT owner IS NOT NULL AND {UNFINISHED} FROM saga WHERE id = ?1"
        ))?
        .query_row([id.as_str()], |row| row.get::<_, bool>(0))
        .optional()?;
    match owned {
        None => return Ok(false),
        Some(true) => return Err(StoreError::Fenced { saga: id.clone() }.into()),
        Some(false) => {}
    }
    remove(conn, id.as_str())?;
    Ok(true)
}

fn remove(conn: &Database, id: &str) -> rusqlite::Result<()> {
    for sql in [
        "DELETE FROM saga_event WHERE saga_id = ?1",
        "DELETE FROM saga_command WHERE saga_id = ?1",
        "DELETE FROM saga_input WHERE number = (SELECT number FROM saga WHERE id = ?1)",
        "DELETE FROM saga WHERE id = ?1",
    ] {
        conn.prepare_cached(sql)?.execute([id])?;
    }
    Ok(())
}

/// `before` is `purge.ended_before` as an integer of SQLite.
pub(super) fn purge(conn: &Database, purge: &Purge, before: i64) -> Result<u64, SqliteError> {
    let mut select = conn.prepare_cached(PURGE)?;
    let mut old: Vec<String> = Vec::new();
    for status in purge.ends() {
        let left = i64::try_from(purge.limit.saturating_sub(old.len())).unwrap_or(i64::MAX);
        let found = select.query_map(params![status.as_str(), before, left], |row| row.get(0))?;
        for id in found {
            old.push(id?);
        }
    }
    for id in &old {
        remove(conn, id)?;
    }
    Ok(old.len() as u64)
}

/// Repeats the condition of the index `saga_ended`, because SQLite can use the index only then.
pub(super) const PURGE: &str = "SELECT id FROM saga INDEXED BY saga_ended \
    WHERE status IN ('completed', 'rolled_back', 'stuck') AND status = ?1 AND updated_at < ?2 \
    ORDER BY updated_at LIMIT ?3";

fn corrupt(id: &SagaId, why: String) -> StoreError {
    StoreError::Corrupt { saga: id.clone(), seq: 0, why }
}
