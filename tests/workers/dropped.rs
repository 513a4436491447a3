//! Transactions whose action ends first: the statement that runs is cancelled, and nothing is left of it.

use std::time::{Duration, Instant};

use saga_core::prelude::*;
use saga_core::store::{PostgresStore, tokio_postgres};

use crate::database::connect;
use crate::shop::{LEASE, database};

/// Takes much longer than any test, which the server does not mind.
const SLOW: &str =
    "SET LOCAL statement_timeout = 0; INSERT INTO slept VALUES (1); SELECT pg_sleep(60)";

/// Sessions that are in the middle of that, or of anything else that was begun and has not ended.
const BUSY: &str = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() \
    AND application_name = 'saga-core' AND (state LIKE 'idle in transaction%' OR query LIKE '%pg_sleep%')";

#[derive(Debug, thiserror::Error)]
enum Failed {
    #[error("it took too long")]
    TooLong,
    #[error(transparent)]
    Sql(#[from] tokio_postgres::Error),
}

async fn sleep(cx: &ActionContext<()>) -> Result<i64, Failed> {
    cx.postgres_transaction(async |tx| {
        tx.batch_execute(SLOW).await?;
        Ok(1)
    })
    .await
}

#[saga_action(no_undo, timeout = "500ms", retry(max = 1))]
async fn be_late(cx: &ActionContext<()>) -> Result<i64, Failed> {
    sleep(cx).await
}

#[saga_action(no_undo)]
async fn take_long(cx: &ActionContext<()>) -> Result<i64, Failed> {
    sleep(cx).await
}

/// Stops waiting for its statement by itself.
#[saga_action(no_undo, retry(max = 1))]
async fn lose_patience(cx: &ActionContext<()>) -> Result<i64, Failed> {
    cx.postgres_transaction(async |tx| {
        let slow = tx.batch_execute(SLOW);
        tokio::time::timeout(Duration::from_millis(300), slow)
            .await
            .map_err(|_| Failed::TooLong)??;
        Ok(1)
    })
    .await
}

#[saga_action(no_undo)]
async fn insert(cx: &ActionContext<()>) -> Result<i64, Failed> {
    cx.postgres_transaction(async |tx| {
        tx.execute("INSERT INTO slept VALUES (2)", &[]).await?;
        Ok(2)
    })
    .await
}

saga! {
    Late<()>() -> i64 { let n = be_late {}; n }
    Long<()>() -> i64 { let n = take_long {}; n }
    Impatient<()>() -> i64 { let n = lose_patience {}; n }
    Quick<()>() -> i64 { let n = insert {}; n }
}

async fn coordinator(url: &str) -> Coordinator<()> {
    // one of three for transactions
    let store = PostgresStore::options(url).lease(LEASE).connections(3).connect().await.unwrap();
    let builder = Coordinator::builder(()).store(store).saga::<Late>().saga::<Long>();
    builder.saga::<Impatient>().saga::<Quick>().build().await.unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_statement_does_not_outlive_its_action() {
    let url = database();
    let client = connect(&url).await.unwrap();
    client.batch_execute("CREATE TABLE slept (x int)").await.unwrap();
    let busy = async || client.query_one(BUSY, &[]).await.unwrap().get::<_, i64>(0);
    let sec = coordinator(&url).await;
    let began = Instant::now();
    let late = sec.run(Late {}).await.unwrap_err().to_string();
    assert!(late.contains("500ms"), "{late}");
    let impatient = sec.run(Impatient {}).await.unwrap_err().to_string();
    assert!(impatient.contains("it took too long"), "{impatient}");
    // the next transaction has another connection
    assert_eq!(sec.run(Quick {}).await.unwrap(), 2);
    println!("all three had ended after {:?}", began.elapsed());
    assert!(began.elapsed() < Duration::from_secs(8), "{:?}", began.elapsed());
    assert_eq!(busy().await, 0);

    let _handle = sec.saga(Long {}).id("long").start().await.unwrap();
    while busy().await == 0 {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    let began = Instant::now();
    sec.shutdown(Duration::ZERO).await.unwrap();
    while busy().await > 0 {
        assert!(began.elapsed() < Duration::from_secs(30), "the statement is not cancelled");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    println!("nothing was left {:?} after the shutdown began", began.elapsed());
    assert!(began.elapsed() < Duration::from_secs(5), "{:?}", began.elapsed());
    let slept = client.query("SELECT x FROM slept", &[]).await.unwrap();
    assert_eq!(slept.len(), 1, "only that of the quick one");
}
