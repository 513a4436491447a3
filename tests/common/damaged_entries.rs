//! Damage to single entries in a SQLite file.

use saga_core::store::rusqlite::{self, Connection};

/// Runs statements in which `saga_event` is a table that may be changed.
pub(crate) fn damage_entries(connection: &Connection, sql: &str) -> rusqlite::Result<()> {
    let around = include_str!("../../saga-core/tests/stores/sqlite/damage_entries.sql");
    connection.execute_batch(&around.replace("-- DAMAGE", sql))
}
