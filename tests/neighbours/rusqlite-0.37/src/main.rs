//! Sagas in a program that chooses its own version of rusqlite, which the sagas then use too.

use rusqlite::Transaction;
use saga_core::prelude::*;
use saga_core::store::{SqliteStore, StoreError};

fn sell(tx: &Transaction<'_>) -> rusqlite::Result<usize> {
    tx.execute("DELETE FROM article", [])
}

#[saga_action(no_undo = "an example")]
async fn take(cx: &ActionContext<()>) -> rusqlite::Result<usize> {
    cx.transaction(sell).await
}

saga! {
    pub Sell<()>() -> usize {
        take {}
    }
}

fn main() -> Result<(), StoreError> {
    SqliteStore::open(std::env::temp_dir().join("beside-rusqlite-0.37.db"))?;
    println!("SQLite {}", rusqlite::version());
    Ok(())
}
