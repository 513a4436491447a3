// The transaction runs on another thread, which reads copies of its inputs.
use saga_core::prelude::*;
use saga_core::store::rusqlite::{Error, Transaction};

pub struct Card;

#[saga_action(transaction, no_undo)]
fn not_clone(tx: &Transaction<'_>, card: &Card) -> Result<usize, Error> {
    let _ = card;
    tx.execute("DELETE FROM shelf", [])
}

#[saga_action(transaction, no_undo)]
fn borrows_within(tx: &Transaction<'_>, names: Vec<&str>) -> Result<usize, Error> {
    tx.execute("DELETE FROM shelf WHERE name = ?1", [names[0]])
}

fn main() {}
