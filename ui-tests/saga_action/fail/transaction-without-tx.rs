// A transaction that takes none, or takes it in another way.
use saga_core::prelude::*;
use saga_core::store::rusqlite::Transaction;

#[saga_action(transaction, no_undo)]
fn nothing() -> Result<u32, String> {
    Ok(1)
}

#[saga_action(transaction, no_undo)]
fn an_input(shelf: u32) -> Result<u32, String> {
    Ok(shelf)
}

#[saga_action(transaction, no_undo)]
fn exclusive(tx: &mut Transaction<'_>) -> Result<u32, String> {
    drop(tx);
    Ok(1)
}

fn main() {}
