// What it takes is no transaction of its database: SQLite never waits, PostgreSQL does.
use saga_core::prelude::*;
use saga_core::store::rusqlite;

#[saga_action(transaction, no_undo)]
async fn awaits_sqlite(tx: &rusqlite::Transaction<'_>, shelf: u32) -> Result<u32, String> {
    tx.execute("DELETE FROM shelf WHERE id = ?1", [shelf]).map_err(|why| why.to_string())?;
    Ok(shelf)
}

#[saga_action(transaction, no_undo)]
fn borrows_an_input(sku: &str) -> Result<String, String> {
    Ok(sku.to_string())
}

fn main() {}
