//! Actions that commit rows of their own together with their outcome.

mod declared;
mod meanwhile;
mod shop;

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use saga_core::action::ActionFunc;
use saga_core::prelude::*;
use saga_core::store::SqliteStore;
use saga_core::store::rusqlite::{self, Connection};
use saga_core::{BoxError, Saga};

use self::shop::*;

#[tokio::test]
async fn rows_and_outcome_are_committed_together() -> Result<(), Any> {
    let place = Place::new()?;
    let sec = place.coordinator().await?;
    assert_eq!(sec.run(Buy { n: 3, fails: false }).await?, 14, "what follows reads the output");
    assert_eq!(place.items(), 7);
    assert_eq!(place.log("left"), ["started", "succeeded"]);
    assert_eq!(place.told(), [""; 0], "code behind a transaction that is committed never runs");
    Ok(())
}

#[tokio::test]
async fn an_undo_can_use_a_transaction() -> Result<(), Any> {
    let place = Place::new()?;
    let sec = place.coordinator().await?;
    let error = sec.run(Buy { n: 3, fails: true }).await.unwrap_err();
    assert!(matches!(error, SagaError::RolledBack(_)), "{error}");
    assert_eq!(place.items(), 10);
    assert_eq!(place.log("left"), ["started", "succeeded", "undo_started", "undo_finished"]);
    Ok(())
}

/// As `take`, but its first attempt never comes to its transaction.
#[saga_action(undo = put_back(output?, n))]
async fn take_late(cx: &Cx, n: u32) -> Result<u32, SoldOut> {
    late(cx, n).await
}

/// With an undo that thinks of no crash.
#[saga_action(undo = put_back_what_was_taken(output, n))]
async fn take_naively(cx: &Cx, n: u32) -> Result<u32, SoldOut> {
    late(cx, n).await
}
async fn put_back_what_was_taken(cx: &Cx, left: &u32, n: u32) -> Result<(), rusqlite::Error> {
    shop::put_back(cx, Some(left), n).await
}

/// It is the point of no return, and nobody is asked whether it was passed.
#[saga_action(no_undo)]
async fn take_for_good(cx: &Cx, n: u32) -> Result<u32, SoldOut> {
    late(cx, n).await
}

async fn late(cx: &Cx, n: u32) -> Result<u32, SoldOut> {
    if cx.attempt() == 1 {
        cx.told.lock().unwrap().push("begun".to_string());
        std::future::pending::<()>().await;
    }
    cx.transaction(move |tx| take_items(tx, n)).await
}

saga! {
    BuyLate<Arc<Shop>>(n: u32) -> u32 { let left = take_late { n: *n }; left }
    BuyNaively<Arc<Shop>>(n: u32) -> u32 { let left = take_naively { n: *n }; left }
    BuyForGood<Arc<Shop>>(n: u32) -> u32 {
        #[pivot]
        let left = take_for_good { n: *n };
        left
    }
}

#[tokio::test]
async fn a_refusal_after_a_crash_is_rolled_back() -> Result<(), Any> {
    let told = refused_after_a_crash(BuyLate { n: 6 }).await?;
    assert_eq!(told, ["begun", "nothing to put back"], "nobody knew whether there was something");
    assert_eq!(refused_after_a_crash(BuyNaively { n: 6 }).await?, ["begun"]);
    assert_eq!(refused_after_a_crash(BuyForGood { n: 6 }).await?, ["begun"]);
    Ok(())
}

/// What a saga says whose only attempt is cut off, and that is then sold out.
async fn refused_after_a_crash<S: Saga<Context = Arc<Shop>>>(saga: S) -> Result<Vec<String>, Any> {
    let place = Place::new()?;
    let build = async || -> Result<_, Any> {
        let store = SqliteStore::open(place.file())?;
        Ok(Coordinator::builder(place.shop.clone()).store(store).saga::<S>().build().await?)
    };
    let sec = build().await?;
    let handle = sec.saga(saga).id("one").start().await?;
    while place.told().is_empty() {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    // as when the process dies, its call has begun and has no outcome
    sec.shutdown(Duration::ZERO).await?;
    assert!(handle.await.is_err());
    drop(sec);
    assert_eq!(place.log("left"), ["started"]);
    // meanwhile somebody else was faster
    Connection::open(place.file())?.execute_batch("UPDATE shelf SET items = 5")?;

    let sec = build().await?;
    let handle = sec.get::<S>("one").await?.ok_or("it is lost")?;
    let Err(SagaError::RolledBack(report)) = handle.await else { panic!("there are 5") };
    assert_eq!(report.error.unwrap().convert::<SoldOut>()?, SoldOut { left: 5 });
    assert_eq!(place.items(), 5);
    Ok(place.told())
}

#[tokio::test]
async fn work_that_fails_is_rolled_back_and_its_error_is_the_actions() -> Result<(), Any> {
    let place = Place::new()?;
    let sec = place.coordinator().await?;
    let Err(SagaError::RolledBack(report)) = sec.run(Buy { n: 11, fails: false }).await else {
        panic!("there are 10");
    };
    assert_eq!(report.error.unwrap().convert::<SoldOut>()?, SoldOut { left: 10 });
    assert_eq!(place.items(), 10);
    assert_eq!(place.log("left"), ["started", "failed"]);
    assert_eq!(place.told(), ["after the transaction: Err(SoldOut { left: 10 })"]);
    Ok(())
}

#[tokio::test]
async fn after_an_error_the_action_may_try_something_else() -> Result<(), Any> {
    let place = Place::new()?;
    let action = ActionFunc::new_noop_undo("only", |cx: Cx| async move {
        let mut n = 16;
        while n > 0 {
            let left = cx.transaction(move |tx| take_items(tx, n)).await;
            cx.told.lock().unwrap().push(format!("{n}: {left:?}"));
            n /= 2;
        }
        Err::<u32, _>("never")
    })?;
    let (sec, saga) = place.alone(action).await?;
    sec.saga_dag(saga).start().await?.await?;
    assert_eq!((place.items(), place.told()), (2, vec!["16: Err(SoldOut { left: 10 })".into()]));
    Ok(())
}

#[tokio::test]
async fn a_panic_in_a_transaction_is_a_panic_of_the_action() -> Result<(), Any> {
    let place = Place::new()?;
    let (sec, saga) = place
        .alone(only(|tx| {
            take_items(tx, 1)?;
            if true {
                panic!("in the work")
            }
            Ok::<_, SoldOut>(1_u32)
        }))
        .await?;
    let error = sec.saga_dag(saga).start().await?.await.unwrap_err().to_string();
    assert!(
        error.contains("panicked: in the work (at tests/compensation/transactions/mod.rs"),
        "{error}"
    );
    assert_eq!((place.items(), place.log("only")), (10, vec!["started".into(), "in_doubt".into()]));
    Ok(())
}

#[tokio::test]
async fn a_value_that_cannot_be_the_output_is_not_committed() -> Result<(), Any> {
    let place = Place::new()?;
    let wrong = ActionFunc::new_noop_undo("only", |cx: Cx| async move {
        let work =
            |tx: &rusqlite::Transaction<'_>| take_items(tx, 1).map(|left| format!("{left} left"));
        cx.transaction(work).await.map(|_| 7_u32)
    })?;
    let (sec, saga) = place.alone(wrong).await?;
    let error = sec.saga_dag(saga).start().await?.await.unwrap_err().to_string();
    assert!(error.contains("deserialize failed: invalid type: string"), "{error}");
    drop(sec);

    let large = only(|tx| take_items(tx, 1).map(|_| "x".repeat(2000)));
    let (sec, saga) = place.alone(large).await?;
    let error = sec.saga_dag(saga).start().await?.await.unwrap_err().to_string();
    assert!(error.contains("the output has 2002 bytes, more than the limit of 1000"), "{error}");
    drop(sec);

    let odd = only(|tx| take_items(tx, 1).map(|left| HashMap::from([((left, left), 1)])));
    let (sec, saga) = place.alone(odd).await?;
    let error = sec.saga_dag(saga).start().await?.await.unwrap_err().to_string();
    assert!(error.contains("serialize failed: key must be a string"), "{error}");

    assert_eq!(place.items(), 10);
    let conn = Connection::open(place.file())?;
    let sql = "SELECT count(*) FROM saga_event WHERE kind = 'failed'";
    assert_eq!(conn.query_row(sql, [], |row| row.get::<_, u32>(0))?, 3, "none is in doubt");
    Ok(())
}

#[tokio::test]
async fn a_store_without_transactions_says_so() -> Result<(), Any> {
    let shop = Place::new()?.shop.clone();
    let sec = Coordinator::builder(shop.clone()).saga::<Buy>().build().await?;
    let error = sec.run(Buy { n: 1, fails: false }).await.unwrap_err().to_string();
    assert!(error.contains("the store has no transactions for actions; use a"), "{error}");
    assert!(shop.told.lock().unwrap().is_empty());
    Ok(())
}

#[tokio::test]
async fn a_fenced_worker_writes_neither_rows_nor_log() -> Result<(), Any> {
    let place = Place::new()?;
    let action = ActionFunc::new_noop_undo("only", |cx: Cx| async move {
        // as another worker's claim would
        Connection::open(&cx.file)?.execute_batch("UPDATE saga SET epoch = epoch + 1")?;
        Ok::<_, BoxError>(cx.transaction(|tx| take_items(tx, 1)).await?)
    })?;
    let (sec, saga) = place.alone(action).await?;
    let error = sec.saga_dag(saga).start().await?.await.unwrap_err();
    assert!(matches!(error, SagaError::LostOwnership { .. }), "{error}");
    assert_eq!((place.items(), place.log("only")), (10, vec!["started".to_string()]));
    Ok(())
}
