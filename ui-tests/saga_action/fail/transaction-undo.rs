// The undo of a transaction is one as well.
use saga_core::prelude::*;
use saga_core::store::rusqlite::{Error, Transaction};

#[saga_action(transaction, undo = awaits(output))]
fn one(tx: &Transaction<'_>) -> Result<usize, Error> {
    tx.execute("DELETE FROM shelf", [])
}
async fn awaits(_: &Transaction<'_>, _: &usize) -> Result<(), Error> {
    Ok(())
}

#[saga_action(transaction, undo = takes_none(output))]
fn two(tx: &Transaction<'_>) -> Result<usize, Error> {
    tx.execute("DELETE FROM shelf", [])
}
fn takes_none(_: &usize) -> Result<(), Error> {
    Ok(())
}

#[saga_action(transaction, undo = of_other_output(output))]
fn three(tx: &Transaction<'_>) -> Result<usize, Error> {
    tx.execute("DELETE FROM shelf", [])
}
fn of_other_output(_: &Transaction<'_>, _: &String) -> Result<(), Error> {
    Ok(())
}

fn main() {}
