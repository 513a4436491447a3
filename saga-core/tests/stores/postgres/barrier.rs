//! A service behind the barrier in PostgreSQL.

use std::sync::atomic::{AtomicU32, Ordering};

use saga_core::FencingToken;
use saga_core::barrier::{BarrierError, postgres as barrier};
use saga_core::store::tokio_postgres::Transaction;

use super::*;

fn token(epoch: u64, seq: u64) -> FencingToken {
    FencingToken { epoch, seq }
}

async fn service() -> (TestDatabase, Client) {
    let url = database();
    let client = client(&url).await;
    let effects = "CREATE TABLE effect (id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY, n int)";
    client.batch_execute(effects).await.unwrap();
    barrier::install(&client).await.unwrap();
    barrier::install(&client).await.unwrap();
    (url, client)
}

async fn add(tx: &Transaction<'_>) -> Result<i32, String> {
    let sql = "INSERT INTO effect (n) VALUES (1) RETURNING id";
    Ok(tx.query_one(sql, &[]).await.map_err(|e| e.to_string())?.get(0))
}

async fn fails(tx: &Transaction<'_>) -> Result<i32, String> {
    add(tx).await?;
    Err("no".to_string())
}

async fn remove(tx: &Transaction<'_>, id: i32) -> Result<(), String> {
    match tx.execute("DELETE FROM effect WHERE id = $1", &[&id]).await.unwrap() {
        1 => Ok(()),
        _ => Err("there is nothing to undo".to_string()),
    }
}

async fn effects(client: &Client) -> i64 {
    client.query_one("SELECT count(*) FROM effect", &[]).await.unwrap().get(0)
}

#[tokio::test]
async fn a_repeated_do_gives_the_same_result_also_after_the_undo() {
    let (_url, mut c) = service().await;
    let first = barrier::once(&mut c, "k", token(1, 1), add).await.unwrap();
    assert_eq!(barrier::once(&mut c, "k", token(1, 1), add).await.unwrap(), first);
    assert_eq!(barrier::once(&mut c, "k", token(2, 3), fails).await.unwrap(), first);
    assert_eq!(effects(&c).await, 1);
    barrier::undo(&mut c, "k", token(2, 5), remove).await.unwrap();
    barrier::undo(&mut c, "k", token(2, 5), remove).await.unwrap();
    assert_eq!(effects(&c).await, 0);
    assert_eq!(barrier::once(&mut c, "k", token(2, 6), add).await.unwrap(), first);
    assert_eq!(effects(&c).await, 0, "it was not done again");
    barrier::once(&mut c, "other", token(1, 1), add).await.unwrap();
    assert_eq!(effects(&c).await, 1, "keys have nothing to do with each other");
}

#[tokio::test]
async fn a_do_that_comes_after_an_undo_that_found_nothing_is_refused() {
    for late in [token(1, 2), token(1, 4), token(9, 9)] {
        let (_url, mut c) = service().await;
        barrier::undo(&mut c, "k", token(1, 4), remove).await.unwrap();
        let error = barrier::once(&mut c, "k", late, add).await.unwrap_err();
        let expected = match late < token(1, 4) {
            true => {
                "call k is late: its token is 1.2, but a later call with token 1.4 has already arrived"
            }
            false => "call k was undone before it arrived",
        };
        assert_eq!(error.to_string(), expected);
        assert_eq!(effects(&c).await, 0);
    }
}

#[tokio::test]
async fn calls_with_an_older_token_are_refused() {
    let (_url, mut c) = service().await;
    let error = barrier::once(&mut c, "k", token(2, 3), fails).await.unwrap_err();
    assert!(matches!(&error, BarrierError::Work(why) if why == "no"), "{error}");
    assert_eq!(effects(&c).await, 0, "what failed is rolled back");
    let highest = token(2, 3);
    for late in [token(1, 9), token(2, 2)] {
        let done = barrier::once(&mut c, "k", late, add).await;
        assert!(matches!(done, Err(BarrierError::Stale { highest: h, .. }) if h == highest));
        let undone = barrier::undo(&mut c, "k", late, remove).await;
        assert!(matches!(undone, Err(BarrierError::Stale { highest: h, .. }) if h == highest));
    }
    barrier::once(&mut c, "k", token(2, 3), add).await.unwrap();
    assert_eq!(effects(&c).await, 1, "the same call again is welcome");
    let no = async |_: &Transaction<'_>, _: i32| Err("not now".to_string());
    let refused = barrier::undo(&mut c, "k", token(2, 4), no).await;
    assert!(matches!(refused, Err(BarrierError::Work(_))));
    let late = barrier::once(&mut c, "k", token(2, 3), add).await;
    assert!(matches!(late, Err(BarrierError::Stale { .. })));
    barrier::undo(&mut c, "k", token(2, 4), remove).await.unwrap();
    assert_eq!(effects(&c).await, 0);
}

#[tokio::test]
async fn mistakes_of_the_service_are_reported() {
    let (_url, mut c) = service().await;
    barrier::once(&mut c, "k", token(1, 1), add).await.unwrap();
    let text = async |_: &Transaction<'_>| Ok::<_, String>("text".to_string());
    let other = barrier::once(&mut c, "k", token(1, 1), text).await;
    assert_eq!(other.unwrap_err().to_string(), "the result of call k is stored as another type");
    let large = barrier::once(&mut c, "m", token(u64::MAX, 1), add).await;
    assert!(matches!(large, Err(BarrierError::Token { .. })), "{large:?}");
    // the row of the key is there, and has no result
    barrier::once(&mut c, "l", token(1, 1), fails).await.unwrap_err();
    for end in ["COMMIT", "ROLLBACK", "ROLLBACK; BEGIN", "COMMIT; BEGIN"] {
        let ends =
            async |tx: &Transaction<'_>| tx.batch_execute(end).await.map_err(|e| e.to_string());
        let ended = barrier::once(&mut c, "l", token(1, 1), ends).await;
        assert!(matches!(ended, Err(BarrierError::Ended { .. })), "{ended:?}");
    }
    assert_eq!(effects(&c).await, 1);
    barrier::once(&mut c, "l", token(1, 1), add).await.unwrap();
    assert_eq!(effects(&c).await, 2, "no result was written where there is none");
    let hides = async |tx: &Transaction<'_>| {
        tx.batch_execute("SELECT 1 / 0").await.unwrap_err();
        Ok::<_, String>(1)
    };
    let aborted = barrier::once(&mut c, "n", token(1, 1), hides).await.unwrap_err().to_string();
    assert!(aborted.contains("current transaction is aborted"), "{aborted}");
    let lost = barrier::once(&mut c, "o", token(1, 1), async |tx| add(tx).await.map(|_| f64::NAN));
    let error = lost.await.unwrap_err().to_string();
    assert!(error.contains("result of call o does not serialize: the value is NaN"), "{error}");
    assert_eq!(effects(&c).await, 2);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn calls_of_one_key_at_the_same_time_are_done_once() {
    static WORKED: AtomicU32 = AtomicU32::new(0);
    let (url, c) = service().await;
    let mut calls = Vec::new();
    for number in 0..20 {
        let mut client = client(&url).await;
        // spawned: the future can be sent
        calls.push(tokio::spawn(async move {
            let done = barrier::once(&mut client, "k", token(1, 1), async |tx| {
                let failed = WORKED.fetch_add(1, Ordering::Relaxed) == 0;
                let id = add(tx).await?;
                if failed { Err(format!("the first one: {number}")) } else { Ok(id) }
            });
            done.await
        }));
    }
    let mut results = Vec::new();
    for call in calls {
        results.push(call.await.unwrap());
    }
    // one after the other: the first one fails and is rolled back, the next one does it, all others repeat it
    assert_eq!(results.iter().filter(|result| result.is_err()).count(), 1);
    let done = results.iter().flatten().collect::<std::collections::BTreeSet<_>>();
    assert_eq!((done.len(), WORKED.load(Ordering::Relaxed), effects(&c).await), (1, 2, 1));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn processes_that_start_at_the_same_time_create_the_table_once() {
    let url = database();
    let mut installs = Vec::new();
    for _ in 0..10 {
        let client = client(&url).await;
        installs.push(tokio::spawn(async move { barrier::install(&client).await }));
    }
    for install in installs {
        install.await.unwrap().unwrap();
    }
}
