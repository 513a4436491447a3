//! A transaction of the log's own database is never in doubt, so there is nothing to ask.
#![allow(unused)]

use saga_core::Probe;
use saga_core::prelude::*;
use saga_core::store::rusqlite;

#[saga_action(transaction, no_undo, probe = find)]
fn charge(tx: &rusqlite::Transaction<'_>, cents: u32) -> Result<u32, String> {
    Ok(cents)
}

async fn find(cents: u32) -> Result<Probe<u32>, String> {
    Ok(Probe::Done(cents))
}

fn main() {}
