//! Sagas in a program that uses SeaORM.

use saga_core::prelude::*;
use saga_core::store::{SqliteStore, StoreError};
use sea_orm::{ConnectionTrait, DatabaseConnection, DbErr};

/// The context of the actions.
pub struct Shop(DatabaseConnection);

#[saga_action(no_undo = "an example")]
async fn take(cx: &ActionContext<Shop>) -> Result<u64, DbErr> {
    Ok(cx.0.execute_unprepared("DELETE FROM article").await?.rows_affected())
}

saga! {
    pub Sell<Shop>() -> u64 {
        take {}
    }
}

fn main() -> Result<(), StoreError> {
    SqliteStore::open(std::env::temp_dir().join("beside-sea-orm-1.db"))?;
    println!("SQLite {}", saga_core::store::rusqlite::version());
    Ok(())
}
