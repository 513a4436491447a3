//! Connections that are cut at the `COMMIT` of an action's transaction: the action's rows and its outcome are both there, or
//! neither is, and the action takes effect exactly once.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering::Relaxed};
use std::time::{Duration, Instant};

use saga_core::prelude::*;
use saga_core::store::{PostgresStore, tokio_postgres};

use crate::database::connect;
use crate::proxy::Proxy;
use crate::shop::{LEASE, database};

/// How often the work of the actions has run.
type Runs = Arc<AtomicU32>;

#[saga_action(no_undo)]
async fn book(cx: &ActionContext<Runs>, number: i64) -> Result<i64, tokio_postgres::Error> {
    let runs = cx.user_context().clone();
    cx.postgres_transaction(async move |tx| {
        runs.fetch_add(1, Relaxed);
        let saga = number.to_string();
        let sql = "INSERT INTO booked (saga) VALUES ($1) RETURNING number";
        tx.query_one(sql, &[&saga]).await?.try_get(0)
    })
    .await
}

saga! {
    Book<Runs>(number: i64) -> i64 { let booked = book { number: *number }; booked }
}

/// Sagas with rows or with an outcome, and how many of each: in one statement, so that nothing happens in between.
const SEEN: &str = "SELECT coalesce(b.saga, e.id), coalesce(b.rows, 0), coalesce(e.succeeded, 0) \
    FROM (SELECT saga, count(*) AS rows FROM booked GROUP BY saga) AS b \
    FULL JOIN (SELECT s.id, count(*) AS succeeded FROM saga_event AS e JOIN saga AS s ON s.number = e.number \
        WHERE e.kind = 'succeeded' GROUP BY s.id) AS e ON e.id = b.saga";

#[test]
fn rows_and_outcome_are_both_there_or_both_absent_wherever_the_connection_is_cut() {
    const SAGAS: i64 = 250;
    let seed = std::env::var("WORKERS_SEED")
        .map_or_else(|_| uuid::Uuid::new_v4().as_u64_pair().0 >> 16, |seed| seed.parse().unwrap());
    println!("WORKERS_SEED={seed}");
    let url = database();
    let proxy = Proxy::to(&url);
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build();
    runtime.unwrap().block_on(async {
        let client = connect(&url).await.unwrap();
        let table = "CREATE TABLE booked (number bigint GENERATED ALWAYS AS IDENTITY, saga text NOT NULL)";
        client.batch_execute(table).await.unwrap();
        let runs = Runs::default();
        let store = PostgresStore::options(proxy.url()).lease(LEASE).connections(6);
        let builder = Coordinator::builder(runs.clone()).store(store.connect().await.unwrap());
        let sec = builder.saga::<Book>().build().await.unwrap();
        // the whole statement, and not a part of `BEGIN ISOLATION LEVEL READ COMMITTED`
        proxy.cut_at("COMMIT\0", seed);
        let mut handles = Vec::new();
        for number in 0..SAGAS {
            let id = number.to_string();
            handles.push(sec.saga(Book { number }).id(id.as_str()).start().await.unwrap());
        }
        let (began, mut looks) = (Instant::now(), 0);
        loop {
            looks += 1;
            let seen = client.query(SEEN, &[]).await.unwrap();
            for row in &seen {
                let (saga, rows, outcomes): (String, i64, i64) = (row.get(0), row.get(1), row.get(2));
                assert_eq!((rows, outcomes), (1, 1), "saga {saga}, WORKERS_SEED={seed}");
            }
            if seen.len() == SAGAS as usize {
                break;
            }
            assert!(began.elapsed() < Duration::from_secs(120), "{} are booked", seen.len());
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        for handle in handles {
            handle.await.unwrap();
        }
        let (before, after) = proxy.cuts_at();
        println!("{before} connections were cut before COMMIT, and {after} before its reply; looked {looks} times");
        assert!(before > 20 && after > 20, "{before} and {after} cuts");
        // a commit whose reply is lost is found, and its work is not run again
        assert_eq!(i64::from(runs.load(Relaxed)), SAGAS + i64::from(before));
    });
}
