//! A connection to the store's tables.

use std::cell::RefCell;
use std::collections::HashMap;
use std::ops::Deref;
use std::ptr;

use rusqlite::{CachedStatement, Connection, Params, Statement};

use super::super::table_prefix::TablePrefix;
use super::definitions::KnownDefinitions;
use crate::log::SagaId;

/// An open connection, which a thread will work with.
pub(super) struct OpenDatabase {
    pub(super) conn: Connection,
    pub(super) prefix: TablePrefix,
}

impl OpenDatabase {
    pub(super) fn database(&self) -> Database<'_> {
        Database {
            conn: &self.conn,
            prefix: &self.prefix,
            definitions: KnownDefinitions::default(),
            numbers: RefCell::default(),
            kept: RefCell::default(),
        }
    }
}

/// A connection to the store's tables, and what a thread knows about them.
pub(super) struct Database<'c> {
    conn: &'c Connection,
    prefix: &'c TablePrefix,
    pub(super) definitions: KnownDefinitions,
    /// The numbers of running sagas. They are hints: whoever uses one checks the id of the row.
    pub(super) numbers: RefCell<HashMap<SagaId, i64>>,
    /// Statements that stay prepared, by their SQL. There are few.
    kept: RefCell<Vec<(&'static str, Statement<'c>)>>,
}

impl Database<'_> {
    /// Like [`Connection::prepare_cached`], for SQL that names tables of the store.
    pub(super) fn prepare_cached(&self, sql: &str) -> rusqlite::Result<CachedStatement<'_>> {
        self.conn.prepare_cached(&self.prefix.sql(sql))
    }

    /// Executes a statement that runs for each saga or append. It stays prepared, apart from the cache, because finding
    /// a statement there and putting it back took a tenth of the writer's time.
    pub(super) fn execute_kept(
        &self,
        sql: &'static str,
        values: impl Params,
    ) -> rusqlite::Result<usize> {
        let mut kept = self.kept.borrow_mut();
        if let Some((_, statement)) = kept.iter_mut().find(|(known, _)| ptr::eq(*known, sql)) {
            return statement.execute(values);
        }
        let mut statement = self.conn.prepare(&self.prefix.sql(sql))?;
        let changed = statement.execute(values)?;
        kept.push((sql, statement));
        Ok(changed)
    }
}

impl Deref for Database<'_> {
    type Target = Connection;

    fn deref(&self) -> &Connection {
        self.conn
    }
}
