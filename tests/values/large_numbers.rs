//! Integers beyond `u64` are compared and kept by their digits.

use std::sync::{Arc, Mutex};

use saga_core::prelude::*;
use saga_core::store::{FileStore, MemoryStore, SqliteStore, Store};
use serde::{Deserialize, Serialize};

/// 1000 ETH in wei: more than a `u64` holds, and more digits than an `f64` keeps apart.
const WEI: u128 = 1_000_000_000_000_000_000_000;

type Sent = Arc<Mutex<Vec<u128>>>;

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Leg {
    to: String,
    wei: u128,
}

#[saga_action(no_undo)]
async fn send(cx: &ActionContext<Sent>, wei: u128) -> Result<String, String> {
    cx.lock().map_err(|e| e.to_string())?.push(wei);
    Ok(wei.to_string())
}

saga! {
    Transfer<Sent>(wei: u128) -> String { send { wei: *wei } }
    Owe<Sent>(wei: i128) -> String { send { wei: wei.unsigned_abs() } }
    Split<Sent>(legs: Vec<Leg>, share: f64) -> String { let sent = send { wei: legs[0].wei }; { format!("{share} {sent}") } }
}

async fn same_and_other(store: impl Store) {
    let sent = Sent::default();
    let builder = Coordinator::builder(sent.clone()).store(store).saga::<Transfer>();
    let sec = builder.saga::<Owe>().saga::<Split>().build().await.unwrap();
    let conflict = |error: Option<StartError>| match error {
        Some(StartError::IdConflict { differs, .. }) => differs.unwrap(),
        other => panic!("{other:?}"),
    };

    let pay = async |wei| sec.saga(Transfer { wei }).id("pay").start().await;
    assert_eq!(pay(WEI).await.unwrap().await.unwrap(), WEI.to_string());
    assert_eq!(pay(WEI).await.unwrap().await.unwrap(), WEI.to_string());
    let other = pay(WEI + 1).await.err().unwrap();
    let expected = "id conflict: saga pay exists and was started with other parameters \
                    (`wei` differs); use another id";
    assert_eq!(other.to_string(), expected);
    assert_eq!(conflict(Some(other)), "wei");

    let owe = async |wei| sec.saga(Owe { wei }).id("owe").start().await;
    let debt = -i128::try_from(WEI).unwrap();
    owe(debt).await.unwrap().await.unwrap();
    assert!(owe(debt).await.is_ok());
    assert_eq!(conflict(owe(debt - 1).await.err()), "wei");

    let leg = |to: &str, wei| Leg { to: to.to_string(), wei };
    let split = async |last: Leg, share| {
        let legs = vec![leg("a", WEI), last];
        sec.saga(Split { legs, share }).id("split").start().await
    };
    split(leg("b", WEI), 0.0).await.unwrap().await.unwrap();
    assert!(split(leg("b", WEI), -0.0).await.is_ok(), "one number");
    assert_eq!(conflict(split(leg("b", WEI + 1), 0.0).await.err()), "legs[1].wei");
    assert_eq!(conflict(split(leg("c", WEI), 0.0).await.err()), "legs[1].to");
    assert_eq!(conflict(split(leg("b", WEI), 0.1 + 0.2).await.err()), "share");
    assert_eq!(*sent.lock().unwrap(), [WEI, WEI, WEI], "each was sent once");
    sec.shutdown(std::time::Duration::ZERO).await.unwrap();
}

#[tokio::test]
async fn another_amount_under_the_same_id_is_a_conflict() {
    let directory = tempfile::tempdir().unwrap();
    same_and_other(MemoryStore::new()).await;
    same_and_other(SqliteStore::open(directory.path().join("sagas.db")).unwrap()).await;
    same_and_other(FileStore::open(directory.path().join("sagas")).unwrap()).await;
}
