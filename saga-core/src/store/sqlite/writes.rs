//! The SQL that writes. Each function runs in the writer's transaction.

use rusqlite::types::{ToSqlOutput, ValueRef};
use rusqlite::{OptionalExtension, params};

use super::super::log_rows::LogRows;
use super::super::{Created, NewDefinition, Purge, RecordChange, StoreError, WorkerId};
use super::database::Database;
use super::definitions::Definition;
use super::reads::find;
use super::rows::{AppendRow, NewSagaRow};
use super::write_job::{SqliteError, Tally};
use super::{definitions, log_key, requests};
use crate::crash_points::crash_point;
use crate::log::{Payload, SagaId};

/// The condition of the index `saga_unfinished`, word for word, because SQLite can use the index only then.
pub(super) const UNFINISHED: &str = "ended_at IS NULL";

pub(super) fn create(
    conn: &Database,
    new: &NewSagaRow,
    tally: &mut Tally,
) -> Result<Created, SqliteError> {
    let record = &new.record;
    let definition = definitions::number_of(conn, Definition::of(record))?;
    let inserted = conn.execute_kept(
        CREATE,
        params![
            record.id.as_str(),
            definition,
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
            new.ended_at,
            record.error,
            record.context.as_ref().map(Payload::as_bytes),
            new.suspended_until,
        ],
    )?;
    if inserted == 0 {
        definitions::remove_unused(conn, definition)?;
        return match find(conn, &record.id)? {
            Some((there, _)) => Ok(Created::Exists(Box::new(there))),
            None => Err(rusqlite::Error::QueryReturnedNoRows.into()),
        };
    }
    let number = conn.last_insert_rowid();
    let input = params![number, new.run_key, record.params.as_bytes()];
    conn.execute_kept(INSERT_INPUT, input)?;
    crash_point("sqlite.create.inserted");
    insert_log(conn, number, &new.log, tally)?;
    crash_point("sqlite.create.logged");
    if new.ended_at.is_none() {
        conn.numbers.borrow_mut().insert(record.id.clone(), number);
    }
    tally.creates += 1;
    Ok(Created::New)
}

const INSERT_INPUT: &str = "INSERT INTO saga_input (number, birth, params) VALUES (?1, ?2, ?3)";

pub(super) const CREATE: &str = "INSERT INTO saga (id, definition, status, owner, epoch, next_seq, attempts, \
    wake_at, deadline, paused, parked_reason, created_at, updated_at, ended_at, error, context, \
    suspended_until) \
    VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17) \
    ON CONFLICT (id) DO NOTHING";

pub(super) fn append(
    conn: &Database,
    row: &AppendRow,
    tally: &mut Tally,
) -> Result<(), SqliteError> {
    let number = match advance(conn, row)? {
        Some(number) => number,
        None => {
            let saga = compare(conn, row)?;
            if let Some(new) = &row.append.change.definition {
                redefine(conn, &row.append.saga, saga.number, new)?;
            }
            update(conn, row, &saga)?;
            remember(conn, row, saga.number);
            saga.number
        }
    };
    crash_point("sqlite.append.advanced");
    insert_log(conn, number, &row.log, tally)?;
    crash_point("sqlite.append.logged");
    for (id, answer) in &row.answers {
        requests::answer(conn, id, answer)?;
        crash_point("sqlite.append.answered");
    }
    tally.appends += 1;
    Ok(())
}

/// Compares and changes the record in one statement, which suffices for most appends of a running saga, and for the
/// last one. Returns its number; `None` if nothing was changed, because more is to be changed or something differs.
fn advance(conn: &Database, row: &AppendRow) -> rusqlite::Result<Option<i64>> {
    let append = &row.append;
    if has_details(&append.change) || append.change.definition.is_some() {
        return Ok(None);
    }
    let Some(number) = conn.numbers.borrow().get(&append.saga).copied() else { return Ok(None) };
    let update = if row.ended_at.is_some() { FINISH } else { ADVANCE };
    let values = params![
        number,
        row.next_seq,
        row.wake_at,
        row.updated_at,
        append.change.progress,
        append.saga.as_str(),
        append.owner.as_str(),
        row.epoch,
        row.expected_next_seq,
        append.change.status.as_str(),
    ];
    let changed = conn.execute_kept(update, values)?;
    if changed == 1 && row.ended_at.is_some() {
        conn.numbers.borrow_mut().remove(&append.saga);
    }
    Ok((changed == 1).then_some(number))
}

/// Keeps the number of a saga that runs, and forgets that of one that has ended.
fn remember(conn: &Database, row: &AppendRow, number: i64) {
    let mut numbers = conn.numbers.borrow_mut();
    match row.ended_at {
        None => numbers.insert(row.append.saga.clone(), number),
        Some(_) => numbers.remove(&row.append.saga),
    };
}

/// The saga that an append was compared with.
pub(super) struct ComparedSaga {
    number: i64,
    /// True if the append keeps the saga's status.
    same_status: bool,
}

/// Checks that an append is not fenced, in the same transaction as the append.
pub(super) fn compare(conn: &Database, row: &AppendRow) -> Result<ComparedSaga, SqliteError> {
    let append = &row.append;
    let mut select = conn.prepare_cached(COMPARE)?;
    let mut rows = select.query([append.saga.as_str()])?;
    let Some(found) = rows.next()? else {
        return Err(StoreError::NotFound { saga: append.saga.clone() }.into());
    };
    let is = |column: usize, expected: &str| -> rusqlite::Result<bool> {
        Ok(found.get_ref(column)?.as_str_or_null()? == Some(expected))
    };
    let ours = is(1, append.owner.as_str())?
        && found.get::<_, i64>(2)? == row.epoch
        && found.get::<_, i64>(3)? == row.expected_next_seq;
    if !ours {
        return Err(StoreError::Fenced { saga: append.saga.clone() }.into());
    }
    Ok(ComparedSaga { number: found.get(0)?, same_status: is(4, append.change.status.as_str())? })
}

pub(super) const COMPARE: &str =
    "SELECT number, owner, epoch, next_seq, status FROM saga WHERE id = ?1";

/// Gives a saga, which an append was compared with, the definition that the append brings.
fn redefine(
    conn: &Database,
    id: &SagaId,
    number: i64,
    new: &NewDefinition,
) -> Result<(), SqliteError> {
    let before: i64 = conn.prepare_cached(DEFINITION_OF)?.query_row([number], |row| row.get(0))?;
    // read before anything is written: an error of the store undoes nothing of the transaction
    let Some(Definition { name, .. }) = definitions::find(conn, before)? else {
        let why = "its definition is missing".to_string();
        return Err(StoreError::Corrupt { saga: id.clone(), seq: 0, why }.into());
    };
    let NewDefinition { fingerprint, params, dag } = new.clone();
    let after = definitions::number_of(conn, Definition { name, fingerprint, dag })?;
    crash_point("sqlite.append.defined");
    conn.prepare_cached(REDEFINE)?.execute(params![number, after])?;
    conn.prepare_cached(UPDATE_PARAMS)?.execute(params![number, params.as_bytes()])?;
    crash_point("sqlite.append.redefined");
    definitions::remove_unused(conn, before)?;
    Ok(())
}

pub(super) const DEFINITION_OF: &str = "SELECT definition FROM saga WHERE number = ?1";

pub(super) const REDEFINE: &str = "UPDATE saga SET definition = ?2 WHERE number = ?1";

pub(super) const UPDATE_PARAMS: &str = "UPDATE saga_input SET params = ?2 WHERE number = ?1";

/// Changes the record. Only what changes is written, because each further column costs time.
fn update(conn: &Database, row: &AppendRow, saga: &ComparedSaga) -> rusqlite::Result<()> {
    let change = &row.append.change;
    if !saga.same_status || row.ended_at.is_some() {
        conn.prepare_cached(UPDATE_STATUS)?.execute(params![
            saga.number,
            change.status.as_str(),
            row.ended_at,
        ])?;
    }
    let parked_reason = change.parked_reason.as_ref();
    if has_details(change) {
        conn.prepare_cached(UPDATE_DETAILS)?.execute(params![
            saga.number,
            change.error,
            change.context.as_ref().map(Payload::as_bytes),
            change.paused,
            parked_reason.is_some(),
            parked_reason.and_then(Option::as_ref),
        ])?;
    }
    conn.prepare_cached(UPDATE)?.execute(params![
        saga.number,
        row.next_seq,
        row.wake_at,
        row.updated_at,
        change.progress,
    ])?;
    Ok(())
}

fn has_details(change: &RecordChange) -> bool {
    change.error.is_some()
        || change.context.is_some()
        || change.paused.is_some()
        || change.parked_reason.is_some()
}

/// [`COMPARE`] and [`UPDATE`] in one.
pub(super) const ADVANCE: &str = "UPDATE saga SET next_seq = ?2, wake_at = ?3, updated_at = ?4, \
    attempts = iif(?5, 1, attempts) WHERE number = ?1 AND id = ?6 AND owner = ?7 AND epoch = ?8 \
    AND next_seq = ?9 AND status = ?10";

/// The same for the last append of a saga, which changes its status.
pub(super) const FINISH: &str = "UPDATE saga SET next_seq = ?2, wake_at = ?3, updated_at = ?4, ended_at = ?4, \
    attempts = iif(?5, 1, attempts), status = ?10 WHERE number = ?1 AND id = ?6 AND owner = ?7 \
    AND epoch = ?8 AND next_seq = ?9";

/// What every append changes; no index has any of it.
pub(super) const UPDATE: &str = "UPDATE saga SET next_seq = ?2, wake_at = ?3, updated_at = ?4, \
    attempts = iif(?5, 1, attempts) WHERE number = ?1";

pub(super) const UPDATE_STATUS: &str =
    "UPDATE saga SET status = ?2, ended_at = ?3 WHERE number = ?1";

pub(super) const UPDATE_DETAILS: &str = "UPDATE saga SET error = coalesce(?2, error), \
    context = coalesce(?3, context), paused = coalesce(?4, paused), \
    parked_reason = iif(?5, ?6, parked_reason) WHERE number = ?1";

fn insert_log(
    conn: &Database,
    number: i64,
    log: &LogRows,
    tally: &mut Tally,
) -> rusqlite::Result<()> {
    for row in log.iter() {
        let entries = ToSqlOutput::Borrowed(ValueRef::Text(&row.entries));
        let key = log_key::key(number, row.first_seq)?;
        conn.execute_kept(INSERT_LOG, params![key, entries, row.payloads.as_bytes()])?;
        tally.entries += row.count;
    }
    Ok(())
}

const INSERT_LOG: &str = "INSERT INTO saga_log (key, entries, payloads) VALUES (?1, ?2, ?3)";

/// Removes a saga's log; see [`log_key`].
pub(super) const DELETE_LOG: &str =
    "DELETE FROM saga_log WHERE key BETWEEN ?1 << 24 AND (?1 << 24) + 16777215";

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
    crash_point("sqlite.delete.removed");
    conn.numbers.borrow_mut().remove(id);
    Ok(true)
}

fn remove(conn: &Database, id: &str) -> rusqlite::Result<()> {
    let (number, definition): (i64, i64) = conn
        .prepare_cached("SELECT number, definition FROM saga WHERE id = ?1")?
        .query_row([id], |row| Ok((row.get(0)?, row.get(1)?)))?;
    for sql in [
        DELETE_LOG,
        "DELETE FROM saga_input WHERE number = ?1",
        "DELETE FROM saga WHERE number = ?1",
    ] {
        conn.prepare_cached(sql)?.execute([number])?;
        crash_point("sqlite.remove.part");
    }
    conn.prepare_cached("DELETE FROM saga_command WHERE saga_id = ?1")?.execute([id])?;
    definitions::remove_unused(conn, definition)
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
        crash_point("sqlite.purge.removed");
    }
    Ok(old.len() as u64)
}

/// Repeats the condition of the index `saga_ended`, because SQLite can use the index only then.
pub(super) const PURGE: &str = "SELECT id FROM saga INDEXED BY saga_ended \
    WHERE ended_at IS NOT NULL AND status = ?1 AND ended_at < ?2 AND NOT EXISTS \
    (SELECT 1 FROM saga_command AS c WHERE c.saga_id = saga.id AND c.answer IS NULL) ORDER BY ended_at LIMIT ?3";
