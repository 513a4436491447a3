//! A connection, and the prefix that distinguishes the store's tables from others in the same file.

use std::borrow::Cow;
use std::cell::RefCell;
use std::collections::HashMap;
use std::ops::Deref;
use std::ptr;

use rusqlite::{CachedStatement, Connection, Params, Statement};

use super::definitions::KnownDefinitions;
use crate::log::SagaId;

/// The prefix of the names of the store's tables and indexes.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Prefix(String);

impl Prefix {
    /// Checks a prefix, because it becomes part of SQL statements.
    pub(super) fn new(prefix: &str) -> Result<Self, String> {
        let first = prefix.starts_with(|c: char| c.is_ascii_lowercase() || c == '_');
        let word = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_';
        if first && prefix.chars().all(word) && prefix.len() <= 31 && !prefix.starts_with("sqlite_")
        {
            return Ok(Self(prefix.to_string()));
        }
        let shown: String = prefix.chars().take(40).collect();
        Err(format!(
            "the table prefix {shown:?} must be 1 to 31 characters from a-z, 0-9 and _, and must not begin with \
             a digit or with `sqlite_`"
        ))
    }

    /// Adds the prefix to every word of the SQL that names a table or an index of the store. The column
    /// `saga_id`, whose name looks like one, stays as it is.
    pub(super) fn sql<'a>(&self, sql: &'a str) -> Cow<'a, str> {
        if self.0.is_empty() {
            return Cow::Borrowed(sql);
        }
        let is_word = |c: char| c.is_ascii_alphanumeric() || c == '_';
        let mut text = String::with_capacity(sql.len() + 64);
        let mut rest = sql;
        while let Some(start) = rest.find(is_word) {
            let (before, from) = rest.split_at(start);
            let (word, after) = from.split_at(from.find(|c| !is_word(c)).unwrap_or(from.len()));
            text.push_str(before);
            if word == "saga" || (word.starts_with("saga_") && word != "saga_id") {
                text.push_str(&self.0);
            }
            text.push_str(word);
            rest = after;
        }
        text.push_str(rest);
        Cow::Owned(text)
    }
}

/// An open connection, which a thread will work with.
pub(super) struct OpenDatabase {
    pub(super) conn: Connection,
    pub(super) prefix: Prefix,
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
    prefix: &'c Prefix,
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_prefix_is_only_accepted_if_it_is_part_of_a_name() {
        let long = "x".repeat(31);
        for prefix in ["x", "_", "shop_", "a1_", &long] {
            assert_eq!(Prefix::new(prefix), Ok(Prefix(prefix.to_string())));
        }
        let too_long = "x".repeat(32);
        for prefix in
            ["", "x\"; drop", "1x", "X", "x-", "x y", "ä", "x\0", "sqlite_x", "x'", &too_long]
        {
            let e = Prefix::new(prefix).unwrap_err();
            assert!(e.contains("must be 1 to 31 characters from a-z, 0-9 and _"), "{e}");
        }
        let e = Prefix::new("x\"; drop").unwrap_err();
        assert!(e.starts_with("the table prefix \"x\\\"; drop\" must be"), "{e}");
    }

    #[test]
    fn the_prefix_is_added_to_all_names_of_the_store() {
        let prefix = Prefix::new("shop_").unwrap();
        let sql =
            "SELECT saga_id, 'saga_meta' FROM saga_event JOIN saga AS s INDEXED BY saga_ended";
        let expected = "SELECT saga_id, 'shop_saga_meta' FROM shop_saga_event JOIN shop_saga AS s \
                        INDEXED BY shop_saga_ended";
        assert_eq!(prefix.sql(sql), expected);
        assert_eq!(Prefix::default().sql(sql), sql);
    }
}
