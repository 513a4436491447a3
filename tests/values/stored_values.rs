//! What is stored comes back unchanged, or is refused with the name of its field.

use std::error::Error;

use saga_core::prelude::*;
use saga_core::store::SqliteStore;
use saga_core::{BoxError, StartError};
use serde::{Deserialize, Serialize};

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Quote {
    id: u64,
    price: f64,
}

#[derive(Debug, PartialEq, Serialize, Deserialize, thiserror::Error)]
enum PriceError {
    #[error("the offer {offer} has expired")]
    Expired { offer: u64 },
}

/// An error that is not `Serialize`.
#[derive(Debug, thiserror::Error)]
#[error("no quote")]
struct NoQuote(#[source] std::num::ParseIntError);

#[saga_action(no_undo)]
async fn quote(how: &str, budget: f64) -> Result<Quote, NoQuote> {
    match how {
        "nan" => Ok(Quote { id: 1, price: f64::NAN }),
        "none" => Err(NoQuote("x".parse::<u32>().unwrap_err())),
        _ => Ok(Quote { id: u64::MAX - 1, price: budget.min(0.1) }),
    }
}

#[saga_action(no_undo)]
async fn confirm(quote: &Quote, how: &str) -> Result<u64, PriceError> {
    match how {
        "expired" => Err(PriceError::Expired { offer: quote.id }),
        _ => Ok(quote.id),
    }
}

#[saga_action(no_undo)]
async fn nest(levels: usize) -> Result<serde_json::Value, BoxError> {
    Ok((0..levels).fold(serde_json::json!(1), |inner, _| serde_json::json!([inner])))
}

saga! {
    Offer<()>(how: String, budget: f64) -> u64 {
        let quote = quote { how, budget: *budget };
        confirm { quote, how }
    }
}
saga! { Nest<()>(levels: usize) -> serde_json::Value { nest { levels: *levels } } }
saga! {
    Nests<()>(levels: Vec<Vec<usize>>) -> Vec<Vec<serde_json::Value>> {
        let nests = for row in levels { for level in row { nest { levels: *level } } };
        nests
    }
}

fn offer(how: &str) -> Offer {
    Offer { how: how.to_string(), budget: 10.0 }
}

async fn sec(store: SqliteStore) -> Coordinator<()> {
    Coordinator::builder(())
        .store(store)
        .saga::<Offer>()
        .saga::<Nest>()
        .saga::<Nests>()
        .build()
        .await
        .unwrap()
}

async fn failed(sec: &Coordinator<()>, how: &str) -> saga_core::ActionError {
    let Err(SagaError::RolledBack(report)) = sec.run(offer(how)).await else {
        panic!("rolled back")
    };
    report.error.unwrap()
}

#[tokio::test]
async fn a_typed_error_survives_a_restart() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("sagas.db");
    let first = sec(SqliteStore::open(&path).unwrap()).await;
    for how in ["expired", "none"] {
        let _ = first.saga(offer(how)).id(how).start().await.unwrap().await;
    }
    first.shutdown(std::time::Duration::ZERO).await.unwrap();
    drop(first);
    let again = sec(SqliteStore::open(&path).unwrap()).await;
    let error = async |id: &str| {
        let handle = again.get::<Offer>(id).await.unwrap().unwrap();
        let ended = handle.await.unwrap_err();
        let said = ended.to_string();
        let SagaError::RolledBack(report) = ended else { panic!("{said}") };
        (report.error.unwrap(), said)
    };
    let (expired, _) = error("expired").await;
    assert_eq!(
        expired.convert::<PriceError>().unwrap(),
        PriceError::Expired { offer: u64::MAX - 1 }
    );
    let (none, said) = error("none").await;
    // many errors say only that something failed, and their source says why
    let why = "node `quote`: action failed: no quote: invalid digit found in string";
    assert!(said.ends_with(why), "{said}");
    let none = none.convert::<PriceError>().unwrap_err();
    assert_eq!(none.to_string(), "action failed: no quote");
    let source = none.source().unwrap();
    assert_eq!(source.to_string(), "no quote");
    assert_eq!(source.source().unwrap().to_string(), "invalid digit found in string");
}

#[tokio::test]
async fn numbers_are_exact() {
    let directory = tempfile::tempdir().unwrap();
    let sec = sec(SqliteStore::open(directory.path().join("sagas.db")).unwrap()).await;
    assert_eq!(sec.run(offer("fine")).await.unwrap(), u64::MAX - 1);
}

#[tokio::test]
async fn values_that_json_cannot_hold_are_refused_with_their_path() {
    let directory = tempfile::tempdir().unwrap();
    let sec = sec(SqliteStore::open(directory.path().join("sagas.db")).unwrap()).await;
    let error = failed(&sec, "nan").await.to_string();
    assert_eq!(error, "serialize failed: `price` is NaN or infinite, which JSON cannot hold");
    let start = sec.saga(Offer { how: "fine".into(), budget: f64::INFINITY }).start().await;
    let Err(StartError::Params { why, .. }) = start else { panic!("not started") };
    assert!(why.contains("`budget` is NaN or infinite"), "{why}");
}

#[tokio::test]
async fn values_nested_too_deep_are_refused() {
    let directory = tempfile::tempdir().unwrap();
    let sec = sec(SqliteStore::open(directory.path().join("sagas.db")).unwrap()).await;
    assert!(sec.run(Nest { levels: 127 }).await.is_ok());
    let Err(SagaError::RolledBack(report)) = sec.run(Nest { levels: 200 }).await else {
        panic!("rolled back")
    };
    let error = report.error.unwrap().to_string();
    assert_eq!(error, "serialize failed: it is nested more than 127 levels deep");

    // each `for` puts what it gives into a list
    let nests = |levels| Nests { levels: vec![vec![1], vec![levels]] };
    assert!(sec.run(nests(125)).await.is_ok());
    let Err(SagaError::RolledBack(report)) = sec.run(nests(126)).await else {
        panic!("rolled back")
    };
    let error = report.error.unwrap().to_string();
    assert!(error.contains("more than 127 levels deep, with the lists of the `for`"), "{error}");
}
