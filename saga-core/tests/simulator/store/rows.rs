//! Rows in the database that keeps the log, for actions that are transactions: what a table of the user's would have.
//!
//! The statements count effects, so that one which is committed twice is seen.

use std::sync::Mutex;

use rusqlite::{Connection, OptionalExtension, Transaction, params};
use saga_core::log::{EntryKind, NodeEntry};
use saga_core::store::{Append, StoreError, TransactionWork, rusqlite};
use serde_json::Value;
use uuid::Uuid;

use super::medium::Medium;

/// The rows of one run.
pub(super) struct Rows(Mutex<Connection>);

/// What a row says.
pub(crate) struct Row {
    /// How often the effect is there.
    pub(crate) effects: i32,
    pub(crate) undos: u32,
    pub(crate) answer: Option<Value>,
}

impl Default for Rows {
    fn default() -> Self {
        let connection = Connection::open_in_memory().expect("a database in memory");
        let table = "CREATE TABLE effect (key TEXT PRIMARY KEY, effects INTEGER, undos INTEGER, answer TEXT)";
        connection.execute_batch(table).expect("a table");
        Self(Mutex::new(connection))
    }
}

/// What an action does in its transaction.
pub(crate) fn act(tx: &Transaction<'_>, key: Uuid, answer: &Value) {
    let sql = "INSERT INTO effect VALUES (?1, 1, 0, ?2)
               ON CONFLICT (key) DO UPDATE SET effects = effects + 1, answer = ?2";
    tx.execute(sql, params![key.to_string(), answer.to_string()]).expect("a row");
}

/// What its undo does.
pub(crate) fn undo(tx: &Transaction<'_>, key: Uuid) {
    let sql = "INSERT INTO effect VALUES (?1, -1, 1, NULL)
               ON CONFLICT (key) DO UPDATE SET effects = effects - 1, undos = undos + 1";
    tx.execute(sql, params![key.to_string()]).expect("a row");
}

impl Medium {
    /// An append whose transaction also does this work, or neither of them. The worker has not lost the saga if the append is
    /// accepted by a copy of its record.
    pub(super) fn append_with(
        &self,
        mut append: Append,
        work: TransactionWork,
        process: u32,
    ) -> Result<(), StoreError> {
        let Some(work) = work.into_sqlite() else { return Err(StoreError::NoTransactions) };
        let Some(mut record) = self.record(&append.saga) else {
            return Err(StoreError::NotFound { saga: append.saga });
        };
        append.clone().apply_to(&mut record)?;
        self.rows.transact(|tx| {
            let output = work(tx)?;
            let first = append.entries.first_mut().map(|entry| &mut entry.kind);
            if let (Some(output), Some(EntryKind::Node { entry: NodeEntry::Succeeded(of), .. })) =
                (output, first)
            {
                *of = output;
            }
            self.append(append, process)
        })?;
        self.trace.count("a transaction");
        Ok(())
    }

    /// What the tables of the user's say about this key.
    pub(crate) fn row(&self, key: &Uuid) -> Option<Row> {
        self.rows.get(key)
    }
}

impl Rows {
    /// Does this in a transaction, which is committed if it returns `Ok`.
    pub(super) fn transact<T, E>(
        &self,
        work: impl FnOnce(&Transaction<'_>) -> Result<T, E>,
    ) -> Result<T, E> {
        let mut connection = self.0.lock().unwrap();
        let tx = connection.transaction().expect("a transaction");
        let done = work(&tx)?;
        tx.commit().expect("a commit");
        Ok(done)
    }

    pub(super) fn get(&self, key: &Uuid) -> Option<Row> {
        let sql = "SELECT effects, undos, answer FROM effect WHERE key = ?1";
        let connection = self.0.lock().unwrap();
        let row = connection.query_row(sql, [key.to_string()], |row| {
            let answer = row.get::<_, Option<String>>(2)?;
            let answer = answer.map(|answer| serde_json::from_str(&answer).expect("JSON"));
            Ok(Row { effects: row.get(0)?, undos: row.get(1)?, answer })
        });
        row.optional().expect("a row")
    }
}
