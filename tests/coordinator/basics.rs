//! The basics of a coordinator: starting, waiting, ids, limits, failures, shutdown and recovery.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use saga_core::action::RegistryError;
use saga_core::prelude::*;
use saga_core::store::{ListFilter, MemoryStore, SqliteStore, Store};
use saga_core::{BuildError, Limits, SagaStatus, StartError};
use serde::{Deserialize, Serialize};

type Any = Box<dyn std::error::Error + Send + Sync>;

#[derive(Default)]
struct Shop {
    said: Mutex<Vec<String>>,
    /// How often `flaky` still fails.
    failures: AtomicU32,
    hold: Hold,
}

struct Hold(tokio::sync::Semaphore);

impl Default for Hold {
    fn default() -> Self {
        Self(tokio::sync::Semaphore::new(0))
    }
}

impl Shop {
    fn say(&self, what: impl Into<String>) {
        self.said.lock().unwrap().push(what.into());
    }
    fn said(&self) -> Vec<String> {
        self.said.lock().unwrap().clone()
    }
}

type Cx = ActionContext<Arc<Shop>>;

#[derive(Debug, thiserror::Error, Serialize, Deserialize, PartialEq)]
enum ShopError {
    #[error("declined: {0}")]
    Declined(String),
    #[error("the connection broke")]
    Broken,
}

impl ShopError {
    fn is_broken(&self) -> bool {
        *self == Self::Broken
    }
}

#[saga_action(undo = release(output, item))]
async fn reserve(cx: &ActionContext<Arc<Shop>>, item: &str) -> Result<u32, ShopError> {
    cx.say(format!("reserve {item}"));
    Ok(item.len() as u32)
}
async fn release(cx: &Cx, output: &u32, item: &str) -> Result<(), ShopError> {
    cx.say(format!("release {item} {output}"));
    Ok(())
}

#[saga_action(undo = refund(output?), in_doubt = ShopError::is_broken)]
async fn pay(cx: &ActionContext<Arc<Shop>>, how: &str) -> Result<String, ShopError> {
    cx.say(format!("pay {how}"));
    match how {
        "declined" => Err(ShopError::Declined("no funds".into())),
        "broken" => Err(ShopError::Broken),
        "panic" => panic!("the till is on fire"),
        "wait" => {
            let permit = cx.hold.0.acquire().await;
            drop(permit);
            Ok("waited".into())
        }
        how => Ok(how.to_string()),
    }
}
async fn refund(cx: &Cx, output: Option<&String>) -> Result<(), ShopError> {
    cx.say(format!("refund {output:?}"));
    Ok(())
}

#[saga_action(no_undo, retry(max = 3, base = "1ms"))]
async fn flaky(cx: &ActionContext<Arc<Shop>>) -> Result<u32, String> {
    let left = cx.failures.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |n| n.checked_sub(1));
    match left {
        Ok(_) => Err("not yet".to_string()),
        Err(_) => Ok(cx.attempt()),
    }
}

#[saga_action(undo = gone(), timeout = "20ms")]
async fn hang(cx: &ActionContext<Arc<Shop>>) -> Result<(), String> {
    cx.say("hang");
    std::future::pending().await
}
async fn gone(cx: &Cx) -> Result<(), String> {
    cx.say("gone");
    Ok(())
}

saga! {
    Buy<Arc<Shop>>(item: String, how: String) -> String {
        let _n = reserve { item };
        let tries = flaky {};
        let paid = pay { how };
        { format!("{item} {paid} {tries}") }
    }
    Hang<Arc<Shop>>() {
        hang {};
    }
}

async fn coordinator(shop: &Arc<Shop>) -> Result<Coordinator<Arc<Shop>>, BuildError> {
    Coordinator::builder(shop.clone()).saga::<Buy>().saga::<Hang>().build().await
}

fn buy(item: &str, how: &str) -> Buy {
    Buy { item: item.into(), how: how.into() }
}

#[tokio::test]
async fn runs_to_the_end_and_retries() -> Result<(), Any> {
    let shop = Arc::new(Shop::default());
    shop.failures.store(2, Ordering::SeqCst);
    let sec = coordinator(&shop).await?;
    assert_eq!(sec.run(buy("book", "cash")).await?, "book cash 3");
    assert_eq!(shop.said(), ["reserve book", "pay cash"]);
    Ok(())
}

#[tokio::test]
async fn a_failure_undoes_what_was_done_and_keeps_the_typed_error() -> Result<(), Any> {
    let shop = Arc::new(Shop::default());
    let sec = coordinator(&shop).await?;
    let error = sec.run(buy("book", "declined")).await.unwrap_err();
    let report = error.report().ok_or("no report")?;
    assert_eq!(error.failed_node().map(ToString::to_string).as_deref(), Some("paid"));
    assert!(matches!(error, SagaError::RolledBack(_)), "{error}");
    assert_eq!(report.undone().map(ToString::to_string).collect::<Vec<_>>(), ["_n"]);
    let action = error.action_error().cloned().ok_or("no action error")?;
    assert_eq!(action.convert::<ShopError>()?, ShopError::Declined("no funds".into()));
    // a plain error says that nothing was paid
    assert_eq!(shop.said(), ["reserve book", "pay declined", "release book 4"]);
    Ok(())
}

#[tokio::test]
async fn panics_and_timeouts_are_in_doubt_and_undone() -> Result<(), Any> {
    let shop = Arc::new(Shop::default());
    let sec = coordinator(&shop).await?;
    for how in ["broken", "panic"] {
        let error = sec.run(buy("book", how)).await.unwrap_err();
        assert!(matches!(error, SagaError::RolledBack(_)), "{error}");
        if how == "panic" {
            let text = error.to_string();
            assert!(
                text.contains("the till is on fire (at tests/coordinator/basics.rs:"),
                "{text}"
            );
        }
    }
    assert_eq!(shop.said().iter().filter(|s| *s == "refund None").count(), 2);
    let error = sec.run(Hang {}).await.unwrap_err();
    assert!(error.to_string().contains("timed out after 20ms"), "{error}");
    assert_eq!(shop.said().last().map(String::as_str), Some("gone"));
    Ok(())
}

#[tokio::test]
async fn one_id_is_one_saga() -> Result<(), Any> {
    let shop = Arc::new(Shop::default());
    let sec = coordinator(&shop).await?;
    let first = sec.saga(buy("book", "cash")).id("order-1").start().await?;
    let again = sec.saga(buy("book", "cash")).id("order-1").start().await?;
    assert_eq!(first.await?, again.await?);
    let ended = sec.saga(buy("book", "cash")).id("order-1").start().await?;
    assert_eq!(ended.await?, "book cash 1");
    assert_eq!(shop.said().len(), 2);
    let other = sec.saga(buy("pen", "cash")).id("order-1").start().await.unwrap_err();
    assert!(matches!(other, StartError::IdConflict { .. }), "{other}");
    let other = sec.saga(Hang {}).id("order-1").start().await.unwrap_err();
    assert!(other.to_string().contains("started as `Buy`, not `Hang`"), "{other}");
    for bad in ["", "../../etc/passwd", "a\nb", "\u{202e}x"] {
        let error = sec.saga(Hang {}).id(bad).start().await.unwrap_err();
        assert!(matches!(error, StartError::InvalidId(_)), "{error}");
    }
    let found = sec.get::<Buy>("order-1").await?.ok_or("not found")?;
    assert_eq!((found.status(), found.await?), (SagaStatus::Completed, "book cash 1".to_string()));
    assert!(sec.get::<Buy>("order-2").await?.is_none());
    let other = sec.get::<Hang>("order-1").await.unwrap_err();
    assert!(other.to_string().contains("started as `Buy`, not `Hang`"), "{other}");
    Ok(())
}

saga! {
    Stock<Arc<Shop>>(prices: HashMap<String, u32>) {
        let _n = reserve { item: &prices.len().to_string() };
    }
}

/// A map is written in another order each time.
#[tokio::test]
async fn the_same_input_in_another_order_is_the_same() -> Result<(), Any> {
    let shop = Arc::new(Shop::default());
    let sec = Coordinator::builder(shop.clone()).saga::<Stock>().build().await?;
    let stock = |last: u32| Stock {
        prices: (0..20).map(|n| (format!("item {n}"), if n == 19 { last } else { n })).collect(),
    };
    for _ in 0..5 {
        sec.saga(stock(19)).id("order-1").start().await?.await?;
    }
    assert_eq!(shop.said(), ["reserve 20"]);
    let other = sec.saga(stock(7)).id("order-1").start().await.unwrap_err();
    assert!(matches!(other, StartError::IdConflict { .. }), "{other}");
    Ok(())
}

#[tokio::test]
async fn an_unregistered_saga_does_not_start() -> Result<(), Any> {
    let shop = Arc::new(Shop::default());
    let sec = Coordinator::builder(shop.clone()).saga::<Hang>().build().await?;
    let error = sec.saga(buy("book", "cash")).id("order-1").start().await.unwrap_err();
    let expected = "saga `Buy` is not registered; add `.saga::<Buy>()` to the coordinator's builder \
                    (registered: Hang)";
    assert_eq!(error.to_string(), expected);
    assert!(shop.said().is_empty());
    assert!(sec.list(ListFilter::default()).await?.is_empty(), "something was written");
    Ok(())
}

mod elsewhere {
    use super::{Arc, Shop};
    use saga_core::prelude::*;

    #[saga_action(no_undo)]
    pub(super) async fn reserve() -> Result<(), String> {
        Ok(())
    }
    saga! {
        pub(super) Other<Arc<Shop>>() {
            reserve {};
        }
    }
}

#[tokio::test]
async fn two_actions_with_one_name_are_refused() -> Result<(), Any> {
    let shop = Arc::new(Shop::default());
    let builder = Coordinator::builder(shop).saga::<Buy>().saga::<elsewhere::Other>();
    let error = builder.build().await.unwrap_err();
    let BuildError::Registry(RegistryError::AlreadyRegistered { first, second, .. }) = &error
    else {
        return Err(error.into());
    };
    assert!(
        first.contains("tests/coordinator/basics.rs:")
            && second.contains("tests/coordinator/basics.rs:")
    );
    assert!(error.to_string().contains("two actions are named `reserve`"), "{error}");
    Ok(())
}

#[tokio::test]
async fn sizes_are_limited_and_an_output_over_the_limit_is_undone() -> Result<(), Any> {
    let shop = Arc::new(Shop::default());
    let limits = Limits::default().max_payload(100);
    let builder = Coordinator::builder(shop.clone()).saga::<Buy>().limits(limits);
    let sec = builder.build().await?;
    let error = sec.run(buy(&"x".repeat(200), "cash")).await.unwrap_err();
    assert!(error.to_string().contains("more than the limit of 100"), "{error}");
    assert!(shop.said().is_empty());

    let limits = Limits::default().max_payload(120);
    let builder = Coordinator::builder(shop.clone()).saga::<Big>().limits(limits);
    let error = builder.build().await?.run(Big { size: 500 }).await.unwrap_err();
    assert!(matches!(error, SagaError::RolledBack(_)), "{error}");
    assert!(error.to_string().contains("serialize failed: the output has 502 bytes"), "{error}");
    assert_eq!(shop.said(), ["shrink 500"]);
    Ok(())
}

#[saga_action(undo = shrink(output))]
async fn grow(_cx: &ActionContext<Arc<Shop>>, size: usize) -> Result<String, String> {
    Ok("x".repeat(size))
}
async fn shrink(cx: &Cx, output: &str) -> Result<(), String> {
    cx.say(format!("shrink {}", output.len()));
    Ok(())
}

saga! {
    Big<Arc<Shop>>(size: usize) {
        grow { size: *size };
    }
}

#[tokio::test]
async fn a_shutdown_hands_over_and_the_next_coordinator_resumes() -> Result<(), Any> {
    let dir = tempfile::tempdir()?;
    let path = dir.path().join("sagas.db");
    let shop = Arc::new(Shop::default());
    let open = |shop: &Arc<Shop>| -> Result<_, Any> {
        let store = SqliteStore::open(&path)?;
        Ok(Coordinator::builder(shop.clone()).store(store).saga::<Buy>())
    };
    let sec = open(&shop)?.build().await?;
    let handle = sec.saga(buy("book", "wait")).id("order-1").start().await?;
    while !shop.said().contains(&"pay wait".to_string()) {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    let report = sec.shutdown(Duration::from_millis(20)).await?;
    assert_eq!(report.interrupted.len(), 1);
    assert_eq!(report.interrupted[0].1, ["paid"]);
    assert!(matches!(handle.await, Err(SagaError::ShutDown { .. })));
    let late = sec.saga(buy("pen", "cash")).start().await.unwrap_err();
    assert!(matches!(late, StartError::ShutDown), "{late}");
    drop(sec);

    shop.hold.0.add_permits(1);
    let sec = open(&shop)?.build().await?;
    let found = sec.get::<Buy>("order-1").await?.ok_or("not found")?;
    assert_eq!(found.await?, "book waited 1");
    let said = ["reserve book", "pay wait", "pay wait"];
    assert_eq!(shop.said(), said, "run again under the same key, nothing else repeated");
    Ok(())
}

#[tokio::test]
async fn dropping_the_callers_future_does_not_drop_the_saga() -> Result<(), Any> {
    let (shop, store) = (Arc::new(Shop::default()), MemoryStore::new());
    let sec = Coordinator::builder(shop.clone()).store(store.clone()).saga::<Buy>().build().await?;
    let running = sec.run(buy("book", "wait"));
    assert!(tokio::time::timeout(Duration::from_millis(20), running).await.is_err());
    assert_eq!(shop.said(), ["reserve book", "pay wait"]);
    shop.hold.0.add_permits(1);
    let report = sec.shutdown(Duration::from_secs(5)).await?;
    assert_eq!(report.interrupted, []);
    let ended = store.list(ListFilter::default()).await?;
    let ended = ended.iter().map(|saga| saga.status).collect::<Vec<_>>();
    assert_eq!(ended, [SagaStatus::Completed]);
    Ok(())
}

#[saga_action(undo = forget(output))]
async fn odd(_cx: &ActionContext<Arc<Shop>>) -> Result<Pairs, String> {
    Ok(Pairs { by_place: [((1, 2), 3)].into() })
}
async fn forget(cx: &Cx, output: &Pairs) -> Result<(), String> {
    cx.say(format!("forget {:?}", output.by_place));
    Ok(())
}

/// Compiles, but is not JSON: its keys are no strings.
#[derive(Debug, Serialize, Deserialize)]
struct Pairs {
    by_place: std::collections::BTreeMap<(u8, u8), u8>,
}

saga! {
    Odd<Arc<Shop>>() {
        odd {};
    }
}

#[tokio::test]
async fn an_output_that_does_not_serialize_is_undone_from_memory() -> Result<(), Any> {
    let shop = Arc::new(Shop::default());
    let sec = Coordinator::builder(shop.clone()).saga::<Odd>().build().await?;
    let error = sec.run(Odd {}).await.unwrap_err();
    assert!(matches!(error, SagaError::RolledBack(_)), "{error}");
    assert!(
        error.to_string().contains("serialize failed: `by_place`: key must be a string"),
        "{error}"
    );
    assert_eq!(shop.said(), ["forget {(1, 2): 3}"]);
    Ok(())
}
