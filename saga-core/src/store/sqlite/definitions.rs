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

/// The definitions that a connection knows.
#[derive(Default)]
pub(super) struct KnownDefinitions {
    /// Those that were read in the current transaction. A number may mean another definition in the next one, because
    /// SQLite reuses the numbers of removed rows.
    by_number: RefCell<HashMap<i64, Definition>>,
    /// The number and the DAG of the latest definition with a fingerprint and a name. Only the worker's writer adds and
    /// removes definitions, so it knows them across transactions.
    latest: RefCell<HashMap<Key, (i64, Payload)>>,
}

/// A fingerprint and a name.
type Key = (Arc<str>, Arc<str>);

/// How many of the latest definitions are known; more are only used by programs that build their DAGs at run time.
const LATEST_KNOWN: usize = 256;

impl KnownDefinitions {
    /// Must be called when a transaction begins.
    pub(super) fn begin(&self) {
        self.by_number.borrow_mut().clear();
    }

    /// Must be called after a rollback, when a definition is removed, and when another worker may have written.
    pub(super) fn forget(&self) {
        self.by_number.borrow_mut().clear();
        self.latest.borrow_mut().clear();
    }

    fn remember(&self, key: Key, number: i64, dag: Payload) {
        let mut latest = self.latest.borrow_mut();
        if latest.len() >= LATEST_KNOWN {
            latest.clear();
        }
        latest.insert(key, (number, dag));
    }
}

/// Returns a definition; `None` if it is missing.
pub(super) fn find(conn: &Database, number: i64) -> rusqlite::Result<Option<Definition>> {
    if let Some(known) = conn.definitions.by_number.borrow().get(&number) {
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
        conn.definitions.by_number.borrow_mut().insert(number, found.clone());
    }
    Ok(found)
}

impl Definition {
    /// That of a record.
    pub(super) fn of(record: &SagaRecord) -> Self {
        let SagaRecord { name, fingerprint, dag, .. } = record;
        Self { name: name.clone(), fingerprint: fingerprint.clone(), dag: dag.clone() }
    }
}

/// Returns the number of a definition. It is stored if it is new, or encrypted anew.
pub(super) fn number_of(conn: &Database, definition: Definition) -> rusqlite::Result<i64> {
    let key = (definition.fingerprint.clone(), definition.name.clone());
    match conn.definitions.latest.borrow().get(&key) {
        Some((number, dag)) if *dag == definition.dag => return Ok(*number),
        Some(_) | None => {}
    }
    let (fingerprint, name) = (&*definition.fingerprint, &*definition.name);
    let latest = conn
        .prepare_cached(LATEST)?
        .query_row([fingerprint, name], |row| {
            let same = row.get_ref(1)?.as_blob()? == definition.dag.as_bytes();
            Ok(same.then_some(row.get(0)?))
        })
        .optional()?;
    let number = match latest.flatten() {
        Some(number) => number,
        None => insert(conn, &definition)?,
    };
    conn.definitions.remember(key, number, definition.dag);
    Ok(number)
}

fn insert(conn: &Database, definition: &Definition) -> rusqlite::Result<i64> {
    let sql = "INSERT INTO saga_definition (fingerprint, name, dag) VALUES (?1, ?2, ?3)";
    let Definition { name, fingerprint, dag } = definition;
    let values = params![&**fingerprint, &**name, dag.as_bytes()];
    conn.prepare_cached(sql)?.execute(values)?;
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
