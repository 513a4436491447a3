//! The SQL that reads sagas.

use std::sync::LazyLock;

use rusqlite::{CachedStatement, OptionalExtension, Row, Statement, params};

use super::super::counts::{Counting, VersionCounts};
use super::super::{
    ListFilter, ReadableSaga, SagaRecord, SagaVersion, StoreError, StoredSaga, WorkerId, log_rows,
};
use super::database::Database;
use super::definitions;
use super::rows::{self, NUMBER, RECORD, WITH_INPUT};
use super::write_job::SqliteError;
use super::writes::UNFINISHED;
use crate::log::{Entry, Halted, ListedState, SagaId, SagaStatus, Timestamp};

/// Returns a saga's record and its number.
pub(super) fn find(conn: &Database, id: &SagaId) -> Result<Option<(SagaRecord, i64)>, SqliteError> {
    let mut find = conn.prepare_cached(&FIND)?;
    find_with(&mut find, conn, id)
}

fn find_with(
    find: &mut Statement<'_>,
    conn: &Database,
    id: &SagaId,
) -> Result<Option<(SagaRecord, i64)>, SqliteError> {
    let mut rows = find.query([id.as_str()])?;
    let Some(row) = rows.next()? else { return Ok(None) };
    Ok(Some((rows::record(conn, row)?, row.get(NUMBER)?)))
}

static FIND: LazyLock<String> =
    LazyLock::new(|| format!("SELECT {RECORD} FROM saga {WITH_INPUT} WHERE id = ?1"));

pub(super) fn load(conn: &Database, id: &SagaId) -> Result<Option<StoredSaga>, SqliteError> {
    Loader::new(conn)?.load(id)
}

pub(super) fn load_readable(conn: &Database, id: &SagaId) -> Result<ReadableSaga, SqliteError> {
    let mut loader = Loader::new(conn)?;
    let Some((record, number)) = find_with(&mut loader.find, conn, id)? else {
        return Err(StoreError::NotFound { saga: id.clone() }.into());
    };
    let (saga, damage) = loader.readable(record, number)?;
    Ok(ReadableSaga { saga, damage })
}

/// One result for each of several sagas.
pub(super) type Loads = Vec<Result<Option<StoredSaga>, SqliteError>>;

pub(super) fn load_many(conn: &Database, ids: &[SagaId]) -> Result<Loads, SqliteError> {
    let mut loader = Loader::new(conn)?;
    Ok(ids.iter().map(|id| loader.load(id)).collect())
}

/// Loads the logs of sagas that were claimed, and the records of those that have changed since.
pub(super) fn load_claimed(
    conn: &Database,
    claimed: Vec<SagaRecord>,
) -> Result<Loads, SqliteError> {
    let mut loader = Loader::new(conn)?;
    let mut unchanged = conn.prepare_cached(UNCHANGED)?;
    let mut load = |record: SagaRecord| {
        let owner = record.owner.as_ref().map(WorkerId::as_str);
        // no row has numbers that SQLite cannot store
        let number = match (rows::int(record.epoch), rows::int(record.next_seq)) {
            (Ok(epoch), Ok(next_seq)) => unchanged
                .query_row(params![record.id.as_str(), owner, epoch, next_seq], |row| row.get(0))
                .optional()?,
            _ => None,
        };
        match number {
            Some(number) => loader.with_log(record, number).map(Some),
            None => loader.load(&record.id),
        }
    };
    Ok(claimed.into_iter().map(&mut load).collect())
}

/// Whoever changes a record also changes one of these columns, except for an operator at the file.
pub(super) const UNCHANGED: &str =
    "SELECT number FROM saga WHERE id = ?1 AND owner = ?2 AND epoch = ?3 AND next_seq = ?4";

/// The rows of a log, in order; see [`log_key`](super::log_key).
pub(super) const READ_LOG: &str = "SELECT key & 16777215, entries, payloads FROM saga_log \
    WHERE key BETWEEN ?1 << 24 AND (?1 << 24) + 16777215 ORDER BY key";

/// The statements that load a saga.
struct Loader<'a, 'c> {
    conn: &'a Database<'c>,
    find: CachedStatement<'a>,
    log: CachedStatement<'a>,
}

impl<'a, 'c> Loader<'a, 'c> {
    fn new(conn: &'a Database<'c>) -> rusqlite::Result<Self> {
        Ok(Self { conn, find: conn.prepare_cached(&FIND)?, log: conn.prepare_cached(READ_LOG)? })
    }

    fn load(&mut self, id: &SagaId) -> Result<Option<StoredSaga>, SqliteError> {
        match find_with(&mut self.find, self.conn, id)? {
            Some((record, number)) => self.with_log(record, number).map(Some),
            None => Ok(None),
        }
    }

    fn with_log(&mut self, record: SagaRecord, number: i64) -> Result<StoredSaga, SqliteError> {
        let (saga, damage) = self.readable(record, number)?;
        damage.map_or(Ok(saga), |damage| Err(damage.into()))
    }

    /// A saga with the entries before the first that is corrupt, and what is wrong with that.
    fn readable(
        &mut self,
        record: SagaRecord,
        number: i64,
    ) -> Result<(StoredSaga, Option<StoreError>), SqliteError> {
        let corrupt = |(seq, why)| StoreError::Corrupt { saga: record.id.clone(), seq, why };
        let mut rows = self.log.query([number])?;
        let (mut entries, mut damage) = (Vec::new(), None);
        while let Some(row) = rows.next()? {
            damage = read_log_row(row, &mut entries).err().map(corrupt);
            if damage.is_some() {
                break;
            }
        }
        let next = entries.len() as u64 + 1;
        if damage.is_none() && next != record.next_seq {
            let why = format!(
                "the log ends before entry {next}, but its record says that it ends before entry {}",
                record.next_seq
            );
            damage = Some(corrupt((next, why)));
        }
        Ok((StoredSaga { record, entries }, damage))
    }
}

/// Adds the entries of a row of [`READ_LOG`] to those before it.
///
/// # Errors
/// Which entry is damaged, and how.
fn read_log_row(row: &Row<'_>, log: &mut Vec<Entry>) -> Result<(), (u64, String)> {
    let columns = || Ok::<_, rusqlite::Error>((row.get(0)?, row.get_ref(1)?, row.get_ref(2)?));
    let damaged = |e: &dyn std::fmt::Display| (log.len() as u64 + 1, e.to_string());
    let (first_seq, entries, payloads) = columns().map_err(|e| damaged(&e))?;
    let entries = entries.as_bytes().map_err(|e| damaged(&e))?;
    let payloads = payloads.as_bytes().map_err(|e| damaged(&e))?;
    log_rows::read(first_seq, entries, payloads, log)
}

pub(super) fn list(conn: &Database, filter: &ListFilter) -> Result<Vec<SagaRecord>, SqliteError> {
    let statuses = filter.statuses_to_read();
    if statuses.is_empty() {
        return page(conn, filter, None);
    }
    // An index yields one status at a time in order; several would have to be sorted.
    let mut records = Vec::new();
    for status in statuses {
        records.extend(page(conn, filter, Some(status))?);
    }
    records.sort_unstable_by(|a: &SagaRecord, b| a.id.cmp(&b.id));
    records.truncate(filter.page_size());
    Ok(records)
}

fn page(
    conn: &Database,
    filter: &ListFilter,
    status: Option<SagaStatus>,
) -> Result<Vec<SagaRecord>, SqliteError> {
    let mut select = conn.prepare_cached(&page_sql(status))?;
    let (first, end) = filter.ids();
    let mut rows = select.query(params![
        first,
        filter.name,
        // No limit, because rows are counted below.
        -1,
        status.map(SagaStatus::as_str),
        filter.created_after.map(rows::bound),
        filter.created_before.map(rows::bound),
        filter.parked,
        end,
        filter.paused,
        filter.fingerprint,
        filter.updated_before.map(rows::bound),
        filter.suspended,
        filter.due_before.map(rows::due_time),
    ])?;
    let mut records = Vec::new();
    while records.len() < filter.page_size()
        && let Some(row) = rows.next()?
    {
        // A record that does not decode is skipped. Loading it reports what is wrong.
        records.extend(rows::record(conn, row).ok());
    }
    Ok(records)
}

/// Each status has an index that yields its sagas in order. Of those that have completed it is the one of all ids, since
/// most sagas have completed.
pub(super) fn page_sql(status: Option<SagaStatus>) -> String {
    let (index, of_status) = match status {
        None => ("", "?4 IS NULL".to_string()),
        Some(SagaStatus::Completed) => ("", "status = ?4".to_string()),
        Some(SagaStatus::RolledBack | SagaStatus::Stuck) => {
            ("INDEXED BY saga_not_completed", format!("{NOT_COMPLETED} AND status = ?4"))
        }
        Some(SagaStatus::Running | SagaStatus::Failed | SagaStatus::RollingBack) => {
            ("INDEXED BY saga_unfinished", format!("{UNFINISHED} AND status = ?4"))
        }
    };
    format!(
        "SELECT {RECORD} FROM saga {index} {WITH_INPUT} WHERE {of_status} AND id >= ?1 AND id < ?8 \
         AND (?2 IS NULL OR ?2 = \
              (SELECT name FROM saga_definition AS d WHERE d.definition = saga.definition)) \
         AND (?10 IS NULL OR ?10 = \
              (SELECT fingerprint FROM saga_definition AS d WHERE d.definition = saga.definition)) \
         AND (?5 IS NULL OR created_at > ?5) AND (?6 IS NULL OR created_at < ?6) \
         AND (?7 IS NULL OR (parked_reason IS NOT NULL) = ?7) \
         AND (?9 IS NULL OR paused = ?9) AND (?11 IS NULL OR updated_at < ?11) \
         AND (?12 IS NULL OR (suspended_until IS NOT NULL) = ?12) \
         AND (?13 IS NULL OR suspended_until < ?13) \
         ORDER BY id LIMIT ?3"
    )
}

/// The condition of the index `saga_not_completed`, word for word, because SQLite can use the index only then.
const NOT_COMPLETED: &str = "ended_at IS NOT NULL AND status <> 'completed'";

pub(super) fn versions(conn: &Database) -> Result<Vec<SagaVersion>, SqliteError> {
    let mut select = conn.prepare_cached(&versions_sql())?;
    let version = |row: &Row<'_>| {
        Ok(SagaVersion {
            name: row.get(0)?,
            fingerprint: row.get(1)?,
            dag: row.get::<_, Vec<u8>>(2)?.into(),
            unfinished: row.get::<_, i64>(3)?.unsigned_abs(),
            oldest: Timestamp(row.get::<_, i64>(4)?.unsigned_abs()),
        })
    };
    Ok(select.query_map([], version)?.collect::<rusqlite::Result<_>>()?)
}

pub(super) fn versions_sql() -> String {
    format!(
        "SELECT name, fingerprint, (SELECT dag FROM saga_definition WHERE definition = first), unfinished, oldest \
         FROM (SELECT d.name, d.fingerprint, min(definition) AS first, sum(v.unfinished) AS unfinished, \
                   min(v.oldest) AS oldest \
               FROM (SELECT definition, count(*) AS unfinished, min(created_at) AS oldest \
                     FROM saga INDEXED BY saga_unfinished WHERE {UNFINISHED} GROUP BY definition) AS v \
               JOIN saga_definition AS d USING (definition) GROUP BY d.name, d.fingerprint) \
         ORDER BY name, fingerprint"
    )
}

/// How many sagas there are of each definition in each state.
pub(super) fn counts(conn: &Database) -> Result<Vec<VersionCounts>, SqliteError> {
    let mut select = conn.prepare_cached(COUNTS)?;
    let mut rows = select.query([])?;
    let mut counting = Counting::default();
    while let Some(row) = rows.next()? {
        let status: String = row.get(1)?;
        // A saga whose status or definition does not decode is left out, as in lists. Loading it reports what is wrong.
        let Ok(status) = status.parse::<SagaStatus>() else { continue };
        let Some(definition) = definitions::find(conn, row.get(0)?)? else { continue };
        let key = (definition.name.to_string(), definition.fingerprint.to_string());
        let state = ListedState::of(
            status,
            Halted { parked: row.get(2)?, paused: row.get(3)?, suspended: row.get(4)? },
        );
        let sagas = row.get::<_, i64>(5)?.unsigned_abs();
        let oldest = Timestamp(row.get::<_, i64>(6)?.unsigned_abs());
        counting.add_all(key, state, sagas, oldest, || definition.dag.clone());
    }
    Ok(counting.counts())
}

const COUNTS: &str = "SELECT definition, status, parked_reason IS NOT NULL AS parked, paused, \
    suspended_until IS NOT NULL AS suspended, count(*), min(created_at) \
    FROM saga GROUP BY definition, status, parked, paused, suspended";
