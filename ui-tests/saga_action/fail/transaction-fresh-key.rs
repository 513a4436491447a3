// What has no meaning for a transaction: it is never in doubt, and leaves nothing when it fails.
use saga_core::prelude::*;
use saga_core::store::rusqlite::{Error, Transaction};

#[saga_action(transaction, no_undo, retry(max = 3, fresh_key))]
fn doubts(tx: &Transaction<'_>) -> Result<usize, Error> {
    tx.execute("DELETE FROM shelf", [])
}
fn is_lost(_: &Error) -> bool {
    true
}

#[saga_action(transaction, undo = put_back(output?))]
fn maybe(tx: &Transaction<'_>) -> Result<usize, Error> {
    tx.execute("DELETE FROM shelf", [])
}
fn put_back(_: &Transaction<'_>, _: Option<&usize>) -> Result<(), Error> {
    Ok(())
}

#[saga_action(transaction, undo = fill(), undo_on_failure)]
fn cleans_up(tx: &Transaction<'_>) -> Result<usize, Error> {
    tx.execute("DELETE FROM shelf", [])
}
fn fill(_: &Transaction<'_>) -> Result<(), Error> {
    Ok(())
}

fn main() {}
