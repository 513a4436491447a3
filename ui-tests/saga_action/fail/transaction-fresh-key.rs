// It has no receiver that keeps answers to keys.
use saga_core::prelude::*;
use saga_core::store::rusqlite::{Error, Transaction};

#[saga_action(transaction, no_undo, retry(max = 3, fresh_key))]
fn again(tx: &Transaction<'_>) -> Result<usize, Error> {
    tx.execute("DELETE FROM shelf", [])
}

fn main() {}
