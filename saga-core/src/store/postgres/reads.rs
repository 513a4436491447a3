//! Reading sagas.

use std::collections::HashMap;

use tokio_postgres::Row;
use tokio_postgres::types::Type;

use super::connection::{Connection, Execute, Params};
use super::rows::{self, NUMBER, RECORD, WITH_REST, bound, plain, text, unsigned};
use super::trouble::Trouble;
use crate::causes::with_causes;
use crate::log::{Entry, Halted, InvalidSagaStatus, ListedState, SagaId, SagaStatus, Timestamp};
use crate::store::counts::{Counting, VersionCounts};
use crate::store::{
    ListFilter, Position, ReadableSaga, SagaRecord, SagaVersion, StoreError, StoredSaga, log_rows,
};

/// Returns a saga's record.
pub(super) async fn find(
    connection: &Connection,
    id: &SagaId,
) -> Result<Option<SagaRecord>, Trouble> {
    let sql = format!("SELECT {RECORD} FROM saga AS s {WITH_REST} WHERE s.id = $1");
    let rows = connection.query(&sql, &[(&id.as_str(), Type::TEXT)]).await?;
    rows.first().map(rows::record).transpose()
}

/// Loads sagas, with one result for each.
///
/// A record and its log are read by two statements, between which the saga may go on. The record is read first, and of the
/// log what belongs to it: entries are only ever added.
pub(super) async fn load_many(
    connection: &Connection,
    ids: &[SagaId],
) -> Result<Vec<Result<Option<StoredSaga>, StoreError>>, Trouble> {
    let texts = ids.iter().map(SagaId::as_str).collect::<Vec<_>>();
    let sql = format!("SELECT {RECORD} FROM saga AS s {WITH_REST} WHERE s.id = ANY ($1)");
    let rows = connection.query(&sql, &[(&texts, Type::TEXT_ARRAY)]).await?;
    let mut records = HashMap::with_capacity(rows.len());
    let (mut numbers, mut ends) = (Vec::with_capacity(rows.len()), Vec::with_capacity(rows.len()));
    for row in &rows {
        let id: &str = row.try_get(0).map_err(Trouble::Sql)?;
        let number: i64 = row.try_get(NUMBER).map_err(Trouble::Sql)?;
        let record = match rows::record(row) {
            Ok(record) => Ok(record),
            Err(Trouble::Store(error)) => Err(error),
            Err(trouble) => return Err(trouble),
        };
        if let Ok(record) = &record {
            numbers.push(number);
            ends.push(i64::try_from(record.next_seq).unwrap_or(i64::MAX));
        }
        records.insert(id, (number, record));
    }
    let logs = logs(connection, &numbers, &ends).await?;
    let mut results = Vec::with_capacity(ids.len());
    for id in ids {
        let Some((number, record)) = records.get(id.as_str()) else {
            results.push(Ok(None));
            continue;
        };
        let log = logs.get(number).map_or(&[][..], Vec::as_slice);
        let loaded = match record {
            Ok(record) => entries(record, log)
                .map(|entries| Some(StoredSaga { record: record.clone(), entries })),
            Err(error) => Err(error.clone()),
        };
        // a saga that is deleted meanwhile loses its log
        let is_gone =
            loaded.is_err() && find(connection, id).await.is_ok_and(|found| found.is_none());
        results.push(if is_gone { Ok(None) } else { loaded });
    }
    Ok(results)
}

/// The rows of logs up to these sequence numbers, by the numbers of the sagas.
async fn logs(
    connection: &Connection,
    numbers: &[i64],
    ends: &[i64],
) -> Result<HashMap<i64, Vec<Row>>, Trouble> {
    let sql = "SELECT l.number, l.first_seq, l.entries, l.payloads \
        FROM unnest($1::bigint[], $2::bigint[]) AS a (number, next) \
        JOIN saga_log AS l ON l.number = a.number AND l.first_seq < a.next ORDER BY l.number, l.first_seq";
    let params: Params<'_> = &[(&numbers, Type::INT8_ARRAY), (&ends, Type::INT8_ARRAY)];
    let mut logs = HashMap::<i64, Vec<Row>>::with_capacity(numbers.len());
    for row in connection.query(sql, params).await? {
        logs.entry(row.try_get(0).map_err(Trouble::Sql)?).or_default().push(row);
    }
    Ok(logs)
}

/// A saga with the entries before the first that is corrupt, and what is wrong with that.
pub(super) async fn load_readable(
    connection: &Connection,
    id: &SagaId,
) -> Result<ReadableSaga, Trouble> {
    let sql = format!("SELECT {RECORD} FROM saga AS s {WITH_REST} WHERE s.id = $1");
    let found = connection.query(&sql, &[(&id.as_str(), Type::TEXT)]).await?;
    let row = found.first().ok_or_else(|| StoreError::NotFound { saga: id.clone() })?;
    let number: i64 = row.try_get(NUMBER).map_err(Trouble::Sql)?;
    let record = rows::record(row)?;
    let end = i64::try_from(record.next_seq).unwrap_or(i64::MAX);
    let logs = logs(connection, &[number], &[end]).await?;
    let log = logs.get(&number).map_or(&[][..], Vec::as_slice);
    let mut entries = Vec::new();
    let damage = read_entries(&record, log, &mut entries).err();
    Ok(ReadableSaga { saga: StoredSaga { record, entries }, damage })
}

fn entries(record: &SagaRecord, rows: &[Row]) -> Result<Vec<Entry>, StoreError> {
    let mut entries = Vec::new();
    read_entries(record, rows, &mut entries)?;
    Ok(entries)
}

fn read_entries(
    record: &SagaRecord,
    rows: &[Row],
    entries: &mut Vec<Entry>,
) -> Result<(), StoreError> {
    let corrupt = |(seq, why)| StoreError::Corrupt { saga: record.id.clone(), seq, why };
    for row in rows {
        let next = entries.len() as u64 + 1;
        let columns =
            || Ok::<_, tokio_postgres::Error>((row.try_get(1)?, row.try_get(2)?, row.try_get(3)?));
        let (first_seq, texts, payloads): (i64, &str, &[u8]) =
            columns().map_err(|e| corrupt((next, with_causes(&e))))?;
        log_rows::read(first_seq, texts.as_bytes(), payloads, entries).map_err(corrupt)?;
    }
    let next = entries.len() as u64 + 1;
    if next != record.next_seq {
        let why = format!(
            "the log ends before entry {next}, but its record says that it ends before entry {}",
            record.next_seq
        );
        return Err(corrupt((next, why)));
    }
    Ok(())
}

/// How far sagas have come.
pub(super) async fn positions(
    connection: &Connection,
    ids: &[SagaId],
) -> Result<Vec<Option<Position>>, Trouble> {
    let texts = ids.iter().map(SagaId::as_str).collect::<Vec<_>>();
    let sql =
        "SELECT id, status, next_seq, parked_reason IS NOT NULL FROM saga WHERE id = ANY ($1)";
    let rows = connection.query(sql, &[(&texts, Type::TEXT_ARRAY)]).await?;
    let mut positions = HashMap::with_capacity(rows.len());
    for row in &rows {
        let columns = || Ok((row.try_get(0)?, row.try_get(1)?, row.try_get(2)?, row.try_get(3)?));
        let (id, status, next_seq, parked): (&str, &str, i64, bool) =
            columns().map_err(Trouble::Sql)?;
        let why = |e: InvalidSagaStatus| connection.database().failed(format!("saga {id}: {e}"));
        let status: SagaStatus = status.parse().map_err(why)?;
        positions.insert(id, Position { status, next_seq: next_seq.unsigned_abs(), parked });
    }
    Ok(ids.iter().map(|id| positions.get(id.as_str()).copied()).collect())
}

pub(super) async fn list(
    connection: &Connection,
    filter: &ListFilter,
) -> Result<Vec<SagaRecord>, Trouble> {
    let statuses = filter.statuses_to_read();
    if statuses.is_empty() {
        return page(connection, filter, None).await;
    }
    // the index `saga_by_status` yields one status at a time in order; several would have to be sorted
    let mut records = Vec::new();
    for status in statuses {
        records.extend(page(connection, filter, Some(status)).await?);
    }
    records.sort_unstable_by(|a: &SagaRecord, b| a.id.cmp(&b.id));
    records.truncate(filter.page_size());
    Ok(records)
}

async fn page(
    connection: &Connection,
    filter: &ListFilter,
    status: Option<SagaStatus>,
) -> Result<Vec<SagaRecord>, Trouble> {
    let status = status.map(SagaStatus::as_str);
    let name = filter.name.as_deref().map(text);
    let created_after = filter.created_after.map(bound);
    let created_before = filter.created_before.map(bound);
    let sql = format!(
        "SELECT {RECORD} FROM saga AS s {WITH_REST} WHERE s.id >= $1 AND s.id < $8 AND ($2::text IS NULL OR s.status = $2) \
         AND ($3::text IS NULL OR v.name = $3) AND ($4::bigint IS NULL OR s.created_at > $4) \
         AND ($5::bigint IS NULL OR s.created_at < $5) AND ($6::boolean IS NULL OR (s.parked_reason IS NOT NULL) = $6) \
         AND ($9::boolean IS NULL OR s.paused = $9) AND ($10::text IS NULL OR v.fingerprint = $10) \
         AND ($11::bigint IS NULL OR s.updated_at < $11) \
         AND ($12::boolean IS NULL OR (s.suspended_until IS NOT NULL) = $12) \
         AND ($13::bigint IS NULL OR s.suspended_until < $13) \
         ORDER BY s.id LIMIT $7"
    );
    let mut records = Vec::new();
    let fingerprint = filter.fingerprint.as_deref().map(text);
    let updated_before = filter.updated_before.map(bound);
    let due_before = filter.due_before.map(rows::due_time);
    let (mut first, end) = filter.ids();
    let limit = i64::try_from(filter.page_size()).unwrap_or(i64::MAX);
    loop {
        let params: Params<'_> = &[
            (&first, Type::TEXT),
            (&status, Type::TEXT),
            (&name, Type::TEXT),
            (&created_after, Type::INT8),
            (&created_before, Type::INT8),
            (&filter.parked, Type::BOOL),
            (&limit, Type::INT8),
            (&end, Type::TEXT),
            (&filter.paused, Type::BOOL),
            (&fingerprint, Type::TEXT),
            (&updated_before, Type::INT8),
            (&filter.suspended, Type::BOOL),
            (&due_before, Type::INT8),
        ];
        let rows = connection.query(&sql, params).await?;
        // a record that does not decode is skipped; loading it reports what is wrong
        records.extend(rows.iter().filter_map(|row| rows::record(row).ok()));
        let is_last = i64::try_from(rows.len()).unwrap_or(i64::MAX) < limit;
        match rows.last() {
            Some(last) if !is_last && records.len() < filter.page_size() => {
                // no id is between this one and the one that this leads to
                first = format!("{}-", last.try_get::<_, &str>(0).map_err(Trouble::Sql)?);
            }
            Some(_) | None => break,
        }
    }
    records.truncate(filter.page_size());
    Ok(records)
}

/// The definitions of unfinished sagas.
pub(super) async fn versions(connection: &Connection) -> Result<Vec<SagaVersion>, Trouble> {
    let sql = "SELECT v.name, v.fingerprint, \
        coalesce((SELECT i.dag FROM saga_input AS i WHERE i.number = u.first), v.dag), u.unfinished, u.oldest \
        FROM (SELECT version, min(number) AS first, count(*) AS unfinished, min(created_at) AS oldest \
        FROM saga WHERE ended_at IS NULL GROUP BY version) AS u JOIN saga_version AS v USING (version) \
        ORDER BY v.name, v.fingerprint";
    let rows = connection.query(sql, &[]).await?;
    let version = |row: &Row| {
        let columns = || {
            let names = (row.try_get(0)?, row.try_get(1)?, row.try_get(2)?);
            Ok((names, [row.try_get(3)?, row.try_get(4)?]))
        };
        let ((name, fingerprint, dag), numbers): ((&str, &str, &[u8]), [i64; 2]) =
            columns().map_err(Trouble::Sql)?;
        let number = |n| unsigned(n).map_err(|why| connection.database().failed(why));
        let (unfinished, oldest) = (number(numbers[0])?, Timestamp(number(numbers[1])?));
        let (name, fingerprint) = (plain(name), plain(fingerprint));
        Ok(SagaVersion { name, fingerprint, dag: dag.into(), unfinished, oldest })
    };
    rows.iter().map(version).collect()
}

/// How many sagas there are of each definition in each state.
pub(super) async fn counts(connection: &Connection) -> Result<Vec<VersionCounts>, Trouble> {
    let sql = "SELECT v.name, v.fingerprint, \
        CASE c.place WHEN 1 THEN coalesce((SELECT i.dag FROM saga_input AS i WHERE i.number = c.first), v.dag) ELSE '' END, \
        c.status, c.parked, c.paused, c.suspended, c.sagas, c.oldest \
        FROM (SELECT *, row_number() OVER (PARTITION BY version ORDER BY status, parked, paused, suspended) AS place FROM \
        (SELECT version, status, parked_reason IS NOT NULL AS parked, paused, suspended_until IS NOT NULL AS suspended, count(*) AS sagas, \
        min(created_at) AS oldest, min(number) AS first FROM saga GROUP BY 1, 2, 3, 4, 5) AS g) AS c \
        JOIN saga_version AS v USING (version) ORDER BY v.version, c.place";
    let mut counting = Counting::default();
    for row in connection.query(sql, &[]).await? {
        let columns = || {
            let names = (row.try_get(0)?, row.try_get(1)?, row.try_get(2)?);
            let state = (row.try_get(3)?, row.try_get(4)?, row.try_get(5)?, row.try_get(6)?);
            Ok((names, state, [row.try_get(7)?, row.try_get(8)?]))
        };
        type Columns<'a> = ((&'a str, &'a str, &'a [u8]), (&'a str, bool, bool, bool), [i64; 2]);
        let ((name, fingerprint, dag), (status, parked, paused, suspended), [sagas, oldest]): Columns<'_> =
            columns().map_err(Trouble::Sql)?;
        // a saga whose status does not decode is left out, as in lists; loading it reports what is wrong
        let Ok(status) = status.parse::<SagaStatus>() else { continue };
        let state = ListedState::of(status, Halted { parked, paused, suspended });
        let (sagas, oldest) = (sagas.unsigned_abs(), Timestamp(oldest.unsigned_abs()));
        counting.add_all((plain(name), plain(fingerprint)), state, sagas, oldest, || dag.into());
    }
    Ok(counting.counts())
}
