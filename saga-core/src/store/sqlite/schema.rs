//! Opens connections with the settings that durability needs, and creates and migrates the tables.

use std::path::Path;
use std::time::Duration;

use rusqlite::config::DbConfig;
use rusqlite::{Connection, ErrorCode, MAIN_DB, OpenFlags, Transaction, TransactionBehavior};

use super::super::StoreError;
use super::super::table_prefix::TablePrefix;
use super::database::OpenDatabase;
use super::io_errors::in_words;
use super::sqlite_version;
use crate::crash_points::crash_point;

/// How long to wait for another program that is writing to the same database.
pub(super) const BUSY_TIMEOUT: Duration = Duration::from_secs(30);

/// At how many pages the WAL is written back to the database: 16 MB. SQLite's default is a quarter of that, with
/// which a page that changes often is written back more often.
pub(super) const CHECKPOINT: u32 = 4000;

/// The oldest schema that is migrated. Schemas 1 to 3 existed only before the first release.
const OLDEST: u32 = 4;

/// The first one creates schema `OLDEST`; each of the others turns a schema into the next one. Only ever append
/// to this list.
pub(super) const MIGRATIONS: &[&str] =
    &[include_str!("schema_4.sql"), include_str!("schema_5.sql")];

/// The schema version that this version of the library writes.
pub(super) const KNOWN: u32 = OLDEST + MIGRATIONS.len() as u32 - 1;

/// Opens the connection that writes, and creates or migrates the tables.
pub(super) fn open_writer(
    resolved: &Path,
    place: &str,
    prefix: &TablePrefix,
) -> Result<OpenDatabase, StoreError> {
    sqlite_version::check(rusqlite::version_number()).map_err(|why| failed(place, why))?;
    let open = connect(resolved, place, prefix)?;
    if open.conn.is_readonly(MAIN_DB).map_err(|e| sql(place, &e))? {
        return Err(failed(place, "the file is read-only; a worker needs write access to it"));
    }
    // Comes before any change, so that the database of a newer version stays untouched.
    found_schema(&open, place)?;
    make_durable(&open.conn, place)?;
    checkpoint_at(&open.conn, CHECKPOINT).map_err(|e| sql(place, &e))?;
    crash_point("sqlite.open.configured");
    migrate(&open, place)?;
    crash_point("sqlite.open.migrated");
    Ok(open)
}

/// Opens a connection that reads a worker's database.
pub(super) fn open_reader(
    resolved: &Path,
    place: &str,
    prefix: &TablePrefix,
) -> Result<OpenDatabase, StoreError> {
    sqlite_version::check(rusqlite::version_number()).map_err(|why| failed(place, why))?;
    let open = connect(resolved, place, prefix)?;
    match found_schema(&open, place)? {
        KNOWN => {}
        0 => {
            return Err(failed(
                place,
                "it is not a saga store yet; a worker creates one with `SqliteStore::open`",
            ));
        }
        older => {
            let why = format!(
                "it has schema {older}, but this program reads schema {KNOWN}; open it with `SqliteStore::open` to migrate it"
            );
            return Err(failed(place, why));
        }
    }
    // The last connection to close checkpoints the WAL, and that may be this one.
    set_and_check(&open.conn, place, "synchronous", "FULL", "2")?;
    set_and_check(&open.conn, place, "query_only", "ON", "1")?;
    Ok(open)
}

/// Opens the connection that leaves requests in a worker's database, after [`open_reader`] has checked its schema.
pub(super) fn open_requester(
    resolved: &Path,
    place: &str,
    prefix: &TablePrefix,
    lock_wait: Duration,
) -> Result<OpenDatabase, StoreError> {
    let open = connect(resolved, place, prefix)?;
    open.conn.busy_timeout(lock_wait).map_err(|e| sql(place, &e))?;
    make_durable(&open.conn, place)?;
    // Only the worker's writer checkpoints; see `sqlite_version`.
    set_and_check(&open.conn, place, "wal_autocheckpoint", "0", "0")?;
    Ok(open)
}

fn connect(resolved: &Path, place: &str, prefix: &TablePrefix) -> Result<OpenDatabase, StoreError> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let conn = Connection::open_with_flags(resolved, flags).map_err(|e| sql(place, &e))?;
    conn.busy_timeout(BUSY_TIMEOUT).map_err(|e| sql(place, &e))?;
    conn.set_prepared_statement_cache_capacity(64);
    // Otherwise SQLite prepares many statements anew whenever another value is bound to them, in case another plan
    // is better for it. That took four fifths of the time of loading a saga.
    conn.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true).map_err(|e| sql(place, &e))?;
    Ok(OpenDatabase { conn, prefix: prefix.clone() })
}

fn make_durable(conn: &Connection, place: &str) -> Result<(), StoreError> {
    set_and_check(conn, place, "journal_mode", "WAL", "wal")?;
    set_and_check(conn, place, "synchronous", "FULL", "2")?;
    // On macOS a plain fsync does not reach the disk; elsewhere this setting has no effect.
    set_and_check(conn, place, "fullfsync", "ON", "1")
}

/// Lets this connection write the WAL back to the database once it has so many pages; with 0, never.
pub(super) fn checkpoint_at(conn: &Connection, pages: u32) -> rusqlite::Result<()> {
    conn.execute_batch(&format!("PRAGMA wal_autocheckpoint = {pages}"))
}

/// `execute_batch` stops at the first row. The switch to WAL gives its row first and is written to the file afterwards, so
/// an error of the disk would go unnoticed, and the store would go on with a rollback journal.
fn run_to_its_end(conn: &Connection, statement: &str) -> rusqlite::Result<()> {
    let mut statement = conn.prepare(statement)?;
    let mut rows = statement.query([])?;
    while rows.next()?.is_some() {}
    Ok(())
}

/// Changes a setting and reads it back, because SQLite silently ignores settings that it cannot apply.
fn set_and_check(
    conn: &Connection,
    place: &str,
    pragma: &str,
    value: &str,
    expected: &str,
) -> Result<(), StoreError> {
    let found = run_to_its_end(conn, &format!("PRAGMA {pragma} = {value}"))
        .and_then(|()| conn.pragma_query_value(None, pragma, |row| row.get(0)))
        .map_err(|e| sql(place, &e))?;
    #[expect(clippy::wildcard_enum_match_arm, reason = "the values are rusqlite's")]
    let found = match found {
        rusqlite::types::Value::Text(text) => text,
        rusqlite::types::Value::Integer(n) => n.to_string(),
        other => format!("{other:?}"),
    };
    if found == expected {
        return Ok(());
    }
    let why = format!(
        "SQLite keeps {pragma} at {found}, with which sagas could be lost; put the file on a local disk \
         where {pragma} = {value} works"
    );
    Err(failed(place, why))
}

/// Returns the schema version of the file; 0 if it does not contain the store's tables.
fn found_schema(open: &OpenDatabase, place: &str) -> Result<u32, StoreError> {
    let found = read_schema(open).map_err(|e| sql(place, &e))?;
    if found > KNOWN {
        let store = place.to_string();
        return Err(StoreError::NewerSchema { store, found, known: KNOWN });
    }
    if (1..OLDEST).contains(&found) {
        let why = format!(
            "it has schema {found}, which only development versions before the first release wrote; schemas before \
             {OLDEST} are not migrated, so choose a new file"
        );
        return Err(failed(place, why));
    }
    Ok(found)
}

fn read_schema(open: &OpenDatabase) -> rusqlite::Result<u32> {
    let database = open.database();
    let ours = "SELECT count(*) FROM sqlite_schema WHERE type = 'table' AND name = 'saga_meta'";
    match database.prepare_cached(ours)?.query_row([], |row| row.get::<_, i64>(0))? {
        0 => Ok(0),
        _ => {
            let mut version = database.prepare_cached("SELECT schema_version FROM saga_meta")?;
            version.query_row([], |row| row.get(0))
        }
    }
}

fn migrate(open: &OpenDatabase, place: &str) -> Result<(), StoreError> {
    // Rolls back when it is dropped without a commit.
    let tx = Transaction::new_unchecked(&open.conn, TransactionBehavior::Immediate)
        .map_err(|e| sql(place, &e))?;
    crash_point("sqlite.migration.begun");
    let found = found_schema(open, place)?;
    for (creates, migration) in (OLDEST..).zip(MIGRATIONS) {
        if creates > found {
            tx.execute_batch(&open.prefix.sql(migration)).map_err(|e| taken(place, &e))?;
            crash_point("sqlite.migration.created");
        }
    }
    if found < KNOWN {
        open.database()
            .prepare_cached("UPDATE saga_meta SET schema_version = ?1")
            .and_then(|mut update| update.execute([KNOWN]))
            .map_err(|e| sql(place, &e))?;
    }
    crash_point("sqlite.migration.written");
    tx.commit().map_err(|e| sql(place, &e))
}

/// Explains the error if a table of the user's has a name that the store needs.
#[expect(clippy::wildcard_enum_match_arm, reason = "the errors are rusqlite's")]
fn taken(place: &str, e: &rusqlite::Error) -> StoreError {
    match e {
        rusqlite::Error::SqlInputError { msg, .. } if msg.ends_with("already exists") => {
            let why = "but it is not a table of the store; use `SqliteStore::open_with_prefix`";
            failed(place, format!("{msg}, {why}"))
        }
        _ => sql(place, e),
    }
}

fn sql(place: &str, e: &rusqlite::Error) -> StoreError {
    match e.sqlite_error_code() {
        Some(ErrorCode::NotADatabase) => {
            failed(place, "the file is not a SQLite database; give another path")
        }
        _ => failed(place, in_words(e)),
    }
}

fn failed(place: &str, why: impl Into<String>) -> StoreError {
    StoreError::Failed { store: place.to_string(), why: why.into() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_setting_without_effect_is_an_error_that_shows_the_actual_value() {
        // A database in memory cannot have a WAL.
        let conn = Connection::open_in_memory().unwrap();
        let e = make_durable(&conn, "sagas.db").unwrap_err().to_string();
        assert!(e.contains("journal_mode at memory"), "{e}");
    }

    #[test]
    fn no_statement_is_prepared_anew_for_other_values() {
        use super::super::definitions;
        use rusqlite::StatementStatus::RePrepare;

        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("sagas.db");
        std::fs::write(&path, "").unwrap();
        let open = connect(&path, "sagas.db", &TablePrefix::default()).unwrap();
        migrate(&open, "sagas.db").unwrap();
        let conn = open.database();
        for value in ["a", "b", "c"] {
            let mut latest = conn.prepare_cached(definitions::LATEST).unwrap();
            assert!(!latest.exists([value, value]).unwrap());
            assert_eq!(latest.get_status(RePrepare), 0);
        }
    }
}
