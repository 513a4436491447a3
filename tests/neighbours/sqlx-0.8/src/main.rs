//! Sagas in a program that uses sqlx: its tables and the sagas are in one SQLite file.

use std::error::Error;

use saga_core::prelude::*;
use saga_core::store::SqliteStore;
use saga_core::store::rusqlite::{self, Transaction};
use saga_core::testing::store_conformance;
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode};
use sqlx::{PgPool, SqlitePool};

/// The context of the actions.
struct Shop {
    articles: SqlitePool,
    /// The database of another service, which this program never queries.
    _orders: Option<PgPool>,
}

/// Takes an article through sqlx, so that only the key of the call shows whether it was taken.
#[saga_action(undo = put_back())]
async fn take(cx: &ActionContext<Shop>, sku: &str) -> Result<(), sqlx::Error> {
    let sql = "INSERT INTO taken (key, sku) VALUES (?1, ?2) ON CONFLICT DO NOTHING";
    let key = cx.idempotency_key().to_string();
    sqlx::query(sql).bind(key).bind(sku).execute(&cx.articles).await.map(drop)
}

async fn put_back(cx: &ActionContext<Shop>) -> Result<(), sqlx::Error> {
    let sql = "DELETE FROM taken WHERE key = ?1";
    sqlx::query(sql).bind(cx.action_key().to_string()).execute(&cx.articles).await.map(drop)
}

/// Records the sale in the same transaction as the log entry that says so.
#[saga_action(no_undo = "the last one")]
async fn note(cx: &ActionContext<Shop>, sku: &str, fails: bool) -> Result<i64, rusqlite::Error> {
    let sku = sku.to_string();
    let work = move |tx: &Transaction<'_>| {
        tx.execute("INSERT INTO noted (sku) VALUES (?1)", [&sku])?;
        let how_many = if fails { "SELECT n FROM nowhere" } else { "SELECT count(*) FROM noted" };
        tx.query_row(how_many, [], |row| row.get(0))
    };
    cx.transaction(work).await
}

saga! {
    Sell<Shop>(sku: String, fails: bool) -> i64 {
        take { sku };
        #[pivot]
        let noted = note { sku, fails: *fails };
        noted
    }
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let directory = tempfile::tempdir()?;
    let mut stores = 0;
    store_conformance(async || {
        stores += 1;
        SqliteStore::open(directory.path().join(stores.to_string()))
    })
    .await?;

    let file = directory.path().join("shop.db");
    let store = SqliteStore::open(&file)?;
    let options = SqliteConnectOptions::new()
        .filename(&file)
        .journal_mode(SqliteJournalMode::Wal)
        // Only the store should checkpoint with SQLite before 3.51.3.
        .pragma("wal_autocheckpoint", "0");
    let articles = SqlitePool::connect_with(options).await?;
    for sql in
        ["CREATE TABLE taken (key TEXT PRIMARY KEY, sku TEXT)", "CREATE TABLE noted (sku TEXT)"]
    {
        sqlx::query(sql).execute(&articles).await?;
    }

    let shop = Shop { articles: articles.clone(), _orders: None };
    let sec = Coordinator::builder(shop).store(store).saga::<Sell>().build().await?;
    let pen = |fails| Sell { sku: "pen".to_string(), fails };
    assert_eq!(sec.run(pen(false)).await?, 1);
    let error = sec.run(pen(true)).await.err().ok_or("there is no such table")?;
    assert!(matches!(error, SagaError::RolledBack(_)), "{error}");
    assert_eq!(sec.run(pen(false)).await?, 2);
    sec.shutdown(std::time::Duration::from_secs(5)).await?;

    let count = "SELECT (SELECT count(*) FROM taken), (SELECT count(*) FROM noted)";
    let counts: (i64, i64) = sqlx::query_as(count).fetch_one(&articles).await?;
    assert_eq!(counts, (2, 2), "the failed saga left nothing behind");
    println!("sagas and sqlx work on one file, with SQLite {}", rusqlite::version());
    Ok(())
}
