//! What the store asks of SQLite: the writes, each inside the writer's transaction, and the reads.

use std::sync::LazyLock;

use rusqlite::{Connection, OptionalExtension, Row, params};

use super::super::{
    Created, ListFilter, SagaRecord, SagaVersion, StoreError, StoredSaga, WorkerId,
};
use super::job::{Tally, Trouble};
use super::rows::{self, AppendRow, ENTRY, EntryRow, NewSagaRow, RECORD};
use crate::log::{Payload, SagaId, SagaStatus};

/// Word for word the condition of the index `saga_unfinished`, or SQLite could not use it. Left to
/// itself it takes `saga_by_status` and sorts.
const UNFINISHED: &str = "status IN ('running', 'failed', 'rolling_back')";

pub(super) fn create(
    conn: &Connection,
    new: &NewSagaRow,
    tally: &mut Tally,
) -> Result<Created, Trouble> {
    let record = &new.record;
    let inserted = conn
        .prepare_cached(&format!(
            "INSERT INTO saga ({RECORD}) VALUES \
             (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17, ?18, \
              ?19) ON CONFLICT (id) DO NOTHING"
        ))?
        .execute(params![
            record.id.as_str(),
            new.birth,
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
            record.params.as_bytes(),
            record.dag.as_bytes(),
        ])?;
    if inserted == 0 {
        let there = find(conn, &record.id)?;
        return match there {
            Some(there) => Ok(Created::Exists(Box::new(there))),
            None => Err(rusqlite::Error::QueryReturnedNoRows.into()),
        };
    }
    insert_entries(conn, &record.id, &new.entries, tally)?;
    tally.creates += 1;
    Ok(Created::New)
}

pub(super) fn append(conn: &Connection, row: &AppendRow, tally: &mut Tally) -> Result<(), Trouble> {
    // A status that stays is not written: that would rewrite the indexes on it with each append.
    if !update(conn, row, &UPDATE_SAME_STATUS)? && !update(conn, row, &UPDATE)? {
        let saga = row.append.saga.clone();
        let there =
            conn.prepare_cached("SELECT 1 FROM saga WHERE id = ?1")?.exists([saga.as_str()])?;
        let why = if there { StoreError::Fenced { saga } } else { StoreError::NotFound { saga } };
        return Err(why.into());
    }
    insert_entries(conn, &row.append.saga, &row.entries, tally)?;
    tally.appends += 1;
    Ok(())
}

/// Checks that an append would not be fenced, inside of the transaction that it is for.
pub(super) fn check_place(conn: &Connection, row: &AppendRow) -> Result<(), Trouble> {
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

/// The compare half of compare and append: true if the saga was where the append says.
fn update(conn: &Connection, row: &AppendRow, sql: &str) -> rusqlite::Result<bool> {
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

static UPDATE: LazyLock<String> =
    LazyLock::new(|| format!("UPDATE saga SET {CHANGE}, status = ?2 WHERE {COMPARE}"));

static UPDATE_SAME_STATUS: LazyLock<String> =
    LazyLock::new(|| format!("UPDATE saga SET {CHANGE} WHERE {COMPARE} AND status = ?2"));

fn insert_entries(
    conn: &Connection,
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

/// `fingerprints` is a JSON array: there may be more of them than SQLite has parameters.
pub(super) fn claim(
    conn: &Connection,
    worker: &WorkerId,
    fingerprints: &str,
    limit: usize,
) -> Result<Vec<SagaRecord>, Trouble> {
    let mut free = conn.prepare_cached(&claim_sql())?;
    let mut rows = free.query(params![worker.as_str(), fingerprints])?;
    let mut claimed = Vec::new();
    while claimed.len() < limit {
        let Some(row) = rows.next()? else { break };
        // A record that does not decode stays where it is, and keeps no other saga from going on;
        // loading it says what is wrong.
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

fn claim_sql() -> String {
    format!(
        "SELECT {RECORD} FROM saga INDEXED BY saga_unfinished WHERE {UNFINISHED} \
         AND NOT paused AND parked_reason IS NULL AND owner IS NOT ?1 \
         AND fingerprint IN (SELECT value FROM json_each(?2)) \
         ORDER BY created_at, id"
    )
}

pub(super) fn release(conn: &Connection, worker: &WorkerId) -> Result<(), Trouble> {
    conn.prepare_cached("UPDATE saga SET owner = NULL, attempts = 0 WHERE owner = ?1")?
        .execute([worker.as_str()])?;
    Ok(())
}

pub(super) fn delete(conn: &Connection, id: &SagaId) -> Result<bool, Trouble> {
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
    for sql in [
        "DELETE FROM saga_event WHERE saga_id = ?1",
        "DELETE FROM saga_command WHERE saga_id = ?1",
        "DELETE FROM saga WHERE id = ?1",
    ] {
        conn.prepare_cached(sql)?.execute([id.as_str()])?;
    }
    Ok(true)
}

fn find(conn: &Connection, id: &SagaId) -> Result<Option<SagaRecord>, Trouble> {
    let mut select = conn.prepare_cached(&format!("SELECT {RECORD} FROM saga WHERE id = ?1"))?;
    let mut rows = select.query([id.as_str()])?;
    rows.next()?.map(rows::record).transpose()
}

pub(super) fn load(conn: &Connection, id: &SagaId) -> Result<Option<StoredSaga>, Trouble> {
    let Some(record) = find(conn, id)? else { return Ok(None) };
    let mut select = conn.prepare_cached(&format!(
        "SELECT {ENTRY} FROM saga_event WHERE saga_id = ?1 ORDER BY seq"
    ))?;
    let mut rows = select.query([id.as_str()])?;
    let mut entries = Vec::new();
    let mut expected = 1;
    while let Some(row) = rows.next()? {
        entries.push(rows::entry(row, id, expected)?);
        expected += 1;
    }
    if expected != record.next_seq {
        let why = format!(
            "the log ends before entry {expected}, its record says before entry {}",
            record.next_seq
        );
        return Err(StoreError::Corrupt { saga: id.clone(), seq: expected, why }.into());
    }
    Ok(Some(StoredSaga { record, entries }))
}

pub(super) fn list(conn: &Connection, filter: &ListFilter) -> Result<Vec<SagaRecord>, Trouble> {
    if filter.statuses.is_empty() {
        return page(conn, filter, None);
    }
    // One status at a time comes out of `saga_by_status` in order; several would have to be sorted.
    let mut statuses = filter.statuses.clone();
    statuses.sort_unstable();
    statuses.dedup();
    let mut records = Vec::new();
    for status in statuses {
        records.extend(page(conn, filter, Some(status))?);
    }
    records.sort_unstable_by(|a: &SagaRecord, b| a.id.cmp(&b.id));
    records.truncate(filter.page_size());
    Ok(records)
}

fn page(
    conn: &Connection,
    filter: &ListFilter,
    status: Option<SagaStatus>,
) -> Result<Vec<SagaRecord>, Trouble> {
    let mut select = conn.prepare_cached(&page_sql(status.is_some()))?;
    let mut rows = select.query(params![
        filter.after.as_ref().map_or("", SagaId::as_str),
        filter.name,
        i64::try_from(filter.page_size()).unwrap_or(i64::MAX),
        status.map(SagaStatus::as_str),
    ])?;
    let mut records = Vec::new();
    while let Some(row) = rows.next()? {
        records.push(rows::record(row)?);
    }
    Ok(records)
}

fn page_sql(of_status: bool) -> String {
    let of_status = if of_status { "status = ?4" } else { "?4 IS NULL" };
    format!(
        "SELECT {RECORD} FROM saga WHERE {of_status} AND id > ?1 AND (?2 IS NULL OR name = ?2) \
         ORDER BY id LIMIT ?3"
    )
}

pub(super) fn versions(conn: &Connection) -> Result<Vec<SagaVersion>, Trouble> {
    let mut select = conn.prepare_cached(&versions_sql())?;
    let version = |row: &Row<'_>| {
        Ok(SagaVersion {
            name: row.get(0)?,
            fingerprint: row.get(1)?,
            dag: row.get::<_, Vec<u8>>(2)?.into(),
            unfinished: row.get::<_, i64>(3)?.unsigned_abs(),
        })
    };
    Ok(select.query_map([], version)?.collect::<rusqlite::Result<_>>()?)
}

fn versions_sql() -> String {
    // Grouped without the DAGs, which may be large, and are the same within a group.
    format!(
        "SELECT v.name, v.fingerprint, first.dag, v.unfinished FROM \
         (SELECT name, fingerprint, count(*) AS unfinished, min(id) AS first_id \
          FROM saga INDEXED BY saga_unfinished WHERE {UNFINISHED} GROUP BY name, fingerprint) AS v \
         JOIN saga AS first ON first.id = v.first_id ORDER BY v.name, v.fingerprint"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plan(sql: &str) -> String {
        let conn = Connection::open_in_memory().unwrap();
        conn.execute_batch(include_str!("schema_1.sql")).unwrap();
        let mut explain = conn.prepare(&format!("EXPLAIN QUERY PLAN {sql}")).unwrap();
        // A parameter that is not bound is NULL.
        let mut rows = explain.raw_query();
        let mut plan = String::new();
        while let Some(row) = rows.next().unwrap() {
            plan += &row.get::<_, String>("detail").unwrap();
            plan += "\n";
        }
        plan
    }

    #[test]
    fn claim_walks_the_unfinished_sagas_in_order() {
        let plan = plan(&claim_sql());
        assert!(plan.contains("USING INDEX saga_unfinished"), "{plan}");
        assert!(!plan.contains("ORDER BY"), "sorts: {plan}");
    }

    #[test]
    fn a_page_is_read_in_order_and_not_sorted() {
        for (of_status, index) in [(true, "saga_by_status"), (false, "sqlite_autoindex_saga_1")] {
            let plan = plan(&page_sql(of_status));
            assert!(plan.contains(index), "{plan}");
            assert!(!plan.contains("ORDER BY"), "sorts: {plan}");
        }
    }

    #[test]
    fn versions_reads_no_ended_saga() {
        let plan = plan(&versions_sql());
        assert!(plan.contains("SCAN saga USING INDEX saga_unfinished"), "{plan}");
    }

    #[test]
    fn an_append_finds_its_saga_by_id() {
        for sql in [&*UPDATE_SAME_STATUS, &*UPDATE] {
            let plan = plan(sql);
            assert!(plan.contains("sqlite_autoindex_saga_1 (id=?)"), "{plan}");
        }
    }

    #[test]
    fn release_finds_its_sagas_by_owner() {
        let plan = plan("UPDATE saga SET owner = NULL, attempts = 0 WHERE owner = ?1");
        assert!(plan.contains("saga_by_owner"), "{plan}");
    }
}
