// It takes a transaction, and does not say so.
use saga_core::prelude::*;
use saga_core::store::rusqlite::Transaction;

#[saga_action(no_undo)]
async fn take(tx: &Transaction<'_>, shelf: u32) -> Result<u32, String> {
    let _ = tx;
    Ok(shelf)
}

fn main() {}
