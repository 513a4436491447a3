//! Actions that say that their only effect is a transaction: never in doubt, whatever happens around it.

use std::sync::Arc;

use saga_core::BuildError;
use saga_core::action::ActionFunc;
use saga_core::prelude::*;
use saga_core::store::rusqlite::{self, Transaction};
use saga_core::store::{DatabaseKind, MemoryStore, SqliteStore};

use super::shop::{Any, Cx, Place, Shop, SoldOut, take_items};

/// Everything that such an action can take: a context, borrowed, optional and owned inputs.
#[saga_action(transaction, undo = put_back(output, n))]
fn take(
    cx: &Cx,
    tx: &Transaction<'_>,
    n: u32,
    why: &str,
    whom: Option<&String>,
    notes: Vec<String>,
) -> Result<u32, SoldOut> {
    cx.told.lock().unwrap().push(format!("{why} {whom:?} {notes:?}"));
    take_items(tx, n)
}

fn put_back(cx: &Cx, tx: &Transaction<'_>, left: &u32, n: u32) -> Result<(), rusqlite::Error> {
    cx.told.lock().unwrap().push(format!("put back {n} to {left}"));
    tx.execute("UPDATE shelf SET items = items + ?1", [n]).map(|_| ())
}

#[saga_action(no_undo)]
async fn check(fails: bool, left: u32) -> Result<u32, String> {
    if fails { Err("told to fail".to_string()) } else { Ok(left) }
}

saga! {
    Take<Arc<Shop>>(n: u32, fails: bool, whom: Option<String>) -> u32 {
        let left = take { n: *n, why: "a gift", whom: whom.as_ref(), notes: vec!["soon".to_string()] };
        check { fails: *fails, left: *left }
    }
}

async fn coordinator(place: &Place) -> Result<Coordinator<Arc<Shop>>, Any> {
    let store = SqliteStore::open(place.file())?;
    Ok(Coordinator::builder(place.shop.clone()).store(store).saga::<Take>().build().await?)
}

fn request(n: u32, fails: bool) -> Take {
    Take { n, fails, whom: Some("Ada".to_string()) }
}

#[tokio::test]
async fn rows_and_outcome_are_committed_together() -> Result<(), Any> {
    let place = Place::new()?;
    let sec = coordinator(&place).await?;
    assert_eq!(sec.run(request(3, false)).await?, 7);
    assert_eq!(place.items(), 7);
    assert_eq!(place.told(), [r#"a gift Some("Ada") ["soon"]"#]);
    Ok(())
}

#[tokio::test]
async fn the_undo_is_a_transaction_as_well() -> Result<(), Any> {
    let place = Place::new()?;
    let sec = coordinator(&place).await?;
    let error = sec.run(request(3, true)).await.unwrap_err();
    assert!(matches!(error, SagaError::RolledBack(_)), "{error}");
    assert_eq!(place.items(), 10);
    assert_eq!(place.told()[1..], ["put back 3 to 7"]);
    assert_eq!(place.log("left"), ["started", "succeeded", "undo_started", "undo_finished"]);
    Ok(())
}

#[tokio::test]
async fn a_refusal_rolls_the_rows_back_and_keeps_its_type() -> Result<(), Any> {
    let place = Place::new()?;
    let sec = coordinator(&place).await?;
    let Err(SagaError::RolledBack(report)) = sec.run(request(30, false)).await else {
        panic!("there are ten")
    };
    let error = report.error.ok_or("an error")?;
    assert_eq!(error.convert::<SoldOut>()?, SoldOut { left: 10 });
    assert_eq!(place.items(), 10);
    assert_eq!(place.log("left"), ["started", "failed"]);
    Ok(())
}

/// It panics in its transaction.
#[saga_action(transaction, undo = put_back_nothing(output))]
fn panics(tx: &Transaction<'_>, n: u32) -> Result<u32, SoldOut> {
    take_items(tx, n)?;
    panic!("in the middle")
}
fn put_back_nothing(_tx: &Transaction<'_>, _left: &u32) -> Result<(), SoldOut> {
    Ok(())
}

saga! {
    Panics<Arc<Shop>>(n: u32) -> u32 { panics { n: *n } }
}

#[tokio::test]
async fn a_panic_is_a_plain_failure() -> Result<(), Any> {
    let place = Place::new()?;
    let store = SqliteStore::open(place.file())?;
    let sec = Coordinator::builder(place.shop.clone()).store(store).saga::<Panics>();
    let error = sec.build().await?.run(Panics { n: 3 }).await.unwrap_err();
    assert!(matches!(error, SagaError::RolledBack(_)), "{error}");
    assert!(error.to_string().contains("in the middle"), "{error}");
    assert_eq!(place.items(), 10);
    assert_eq!(place.log("panics"), ["started", "failed"]);
    Ok(())
}

#[tokio::test]
async fn a_store_without_such_transactions_is_refused_when_the_coordinator_is_built() {
    let shop = Place::new().unwrap().shop.clone();
    let built = Coordinator::builder(shop).store(MemoryStore::new()).saga::<Take>().build().await;
    let Err(BuildError::Transactions(why)) = built else { panic!("it has none") };
    let said = "action `take` is a transaction of SQLite, and a `MemoryStore` has none: keep the log in a `SqliteStore`";
    assert_eq!(why.to_string(), said);
}

#[tokio::test]
async fn an_action_of_closures_can_be_one() -> Result<(), Any> {
    let place = Place::new()?;
    let takes = |cx: Cx| async move { cx.transaction(|tx| take_items(tx, 11)).await };
    let gives = |_: Cx, _: Arc<u32>| async { Err::<(), _>("never called") };
    let action = ActionFunc::new("take", takes, gives)?;
    let (sec, saga) = place.alone(action.transaction(DatabaseKind::Sqlite)).await?;
    let handle = sec.saga_dag(saga).start().await?;
    let error = handle.await.unwrap_err();
    assert!(matches!(error, SagaError::RolledBack(_)), "{error}");
    assert_eq!(place.items(), 10);
    assert_eq!(place.log("only"), ["started", "failed"]);
    Ok(())
}
