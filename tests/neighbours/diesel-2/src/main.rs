//! Sagas in a program that uses diesel.

use std::sync::Mutex;

use diesel::sqlite::SqliteConnection;
use diesel::{QueryResult, RunQueryDsl, sql_query};
use saga_core::prelude::*;
use saga_core::store::{SqliteStore, StoreError};

/// The context of the actions.
pub struct Shop(Mutex<SqliteConnection>);

#[saga_action(no_undo = "an example")]
async fn take(cx: &ActionContext<Shop>) -> QueryResult<usize> {
    let mut connection = cx.0.lock().unwrap_or_else(|poison| poison.into_inner());
    sql_query("DELETE FROM article").execute(&mut *connection)
}

saga! {
    pub Sell<Shop>() -> usize {
        take {}
    }
}

fn main() -> Result<(), StoreError> {
    SqliteStore::open(std::env::temp_dir().join("beside-diesel-2.db"))?;
    println!("SQLite {}", saga_core::store::rusqlite::version());
    Ok(())
}
