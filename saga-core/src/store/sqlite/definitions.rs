//! The definitions of sagas. Each is stored once, and the records of its sagas share it.

use std::cell::RefCell;
use std::collections::HashMap;
use std::sync::Arc;

use rusqlite::{OptionalExtension, params};

use super::super::SagaRecord;
use super::database::Database;
use crate::log::Payload;

/// What all sagas of one definition have in common.
#[derive(Clone)]
pub(super) struct Definition {
    pub(super) name: Arc<str>,
    pub(super) fingerprint: Arc<str>,
    pub(super) dag: Payload,
}

/// The definitions that were read in the current transaction. A number may mean another definition in the next
/// one, because SQLite reuses the numbers of removed rows.
#[derive(Default)]
pub(super) struct KnownDefinitions(RefCell<HashMap<i64, Definition>>);

impl KnownDefinitions {
    /// Must be called when a transaction begins, and when a definition is removed.
    pub(super) fn forget(&self) {
        self.0.borrow_mut().clear();
    }
}

/// Returns a definition; `None` if it is missing.
pub(super) fn find(conn: &Database, number: i64) -> rusqlite::Result<Option<Definition>> {
    if let Some(known) = conn.definitions.0.borrow().get(&number) {
        return Ok(Some(known.clone()));
    }
    let found = conn
        .prepare_cached("SELECT name, fingerprint, dag FROM saga_definition WHERE definition = ?1")?
        .query_row([number], |row| {
            Ok(Definition {
                name: row.get_ref(0)?.as_str()?.into(),
                fingerprint: row.get_ref(1)?.as_str()?.into(),
                dag: row.get_ref(2)?.as_blob()?.into(),
            })
        })
        .optional()?;
    if let Some(found) = &found {
        conn.definitions.0.borrow_mut().insert(number, found.clone());
    }
    Ok(found)
}

/// Returns the number of a record's definition. It is stored if it is new, or encrypted anew.
pub(super) fn number_of(conn: &Database, record: &SagaRecord) -> rusqlite::Result<i64> {
    let (fingerprint, name) = (&*record.fingerprint, &*record.name);
    let latest = conn
        .prepare_cached(LATEST)?
        .query_row([fingerprint, name], |row| {
            let same = row.get_ref(1)?.as_blob()? == record.dag.as_bytes();
            Ok(same.then_some(row.get(0)?))
        })
        .optional()?;
    if let Some(Some(number)) = latest {
        return Ok(number);
    }
    conn.prepare_cached(
        "INSERT INTO saga_definition (fingerprint, name, dag) VALUES (?1, ?2, ?3)",
    )?
    .execute(params![fingerprint, name, record.dag.as_bytes()])?;
    Ok(conn.last_insert_rowid())
}

pub(super) const LATEST: &str = "SELECT definition, dag FROM saga_definition \
    WHERE fingerprint = ?1 AND name = ?2 ORDER BY definition DESC LIMIT 1";

/// Removes a definition if no saga has it any more.
pub(super) fn remove_unused(conn: &Database, number: i64) -> rusqlite::Result<()> {
    let removed = conn.prepare_cached(REMOVE_UNUSED)?.execute([number])?;
    if removed > 0 {
        conn.definitions.forget();
    }
    Ok(())
}

pub(super) const REMOVE_UNUSED: &str = "DELETE FROM saga_definition WHERE definition = ?1 \
    AND NOT EXISTS (SELECT 1 FROM saga WHERE saga.definition = ?1)";
