//! Sagas that wait: for events from outside, and for times.

#[path = "../common/mod.rs"]
mod common;
mod crashes;
mod later;
mod leaving;
mod select;
mod woken;

use std::time::{Duration, UNIX_EPOCH};

use saga_core::operator::{Answer, OperateError, Operator, Refusal};
use saga_core::prelude::*;
use saga_core::store::{MemoryStore, Store};

type Failed = Box<dyn std::error::Error>;

const HOUR: Duration = Duration::from_secs(3600);

#[saga_event]
#[derive(Debug, Clone, PartialEq)]
struct Approved {
    by: String,
}

#[saga_event(name = "wire-transfer", rev = 2)]
struct Wire {
    cents: u64,
}

#[saga_action(undo = give_back(what))]
async fn take(what: &str) -> Result<String, String> {
    Ok(format!("took {what}"))
}

async fn give_back(_what: &str) -> Result<(), String> {
    Ok(())
}

saga! {
    Approval<()>(article: String) -> String {
        let taken = take { what: article };
        let approved = wait_for::<Approved> {};
        { format!("{taken}, approved by {}", approved.by) }
    }

    Within<()>(hours: u64) -> Option<Approved> {
        let approved = wait_for::<Approved> { timeout: HOUR * (*hours as u32) };
        approved
    }

    Each<()>(names: Vec<String>) -> Vec<String> {
        let all = for name in names {
            let approved = wait_for::<Approved> {};
            { format!("{name} by {}", approved.by) }
        };
        all
    }

    Both<()>() -> u64 {
        let approved = wait_for::<Approved> {};
        let wire = wait_for::<Wire> {};
        { wire.cents + approved.by.len() as u64 }
    }

    Paid<()>() -> u64 {
        sleep { duration: HOUR };
        sleep_until { at: UNIX_EPOCH };
        let wire = wait_for::<Wire> {};
        { wire.cents }
    }
}

fn approved(by: &str) -> Approved {
    Approved { by: by.to_string() }
}

async fn coordinator(store: impl Store) -> Result<Coordinator<()>, Failed> {
    let sec = Coordinator::builder(()).store(store).saga::<Approval>().saga::<Within>();
    Ok(sec.saga::<Each>().saga::<Paid>().build().await?)
}

fn refusal<T: std::fmt::Debug>(result: Result<T, OperateError>) -> Refusal {
    match result {
        Err(OperateError::Refused { refusal, .. }) => refusal,
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_saga_waits_for_an_event_and_reads_it() -> Result<(), Failed> {
    let sec = coordinator(MemoryStore::new()).await?;
    let handle = sec.saga(Approval { article: "the article".into() }).id("a").start().await?;
    assert_eq!(sec.signal("a", approved("Ada")).event_id("e-1").await?, Answer::Done);
    assert_eq!(handle.await?, "took the article, approved by Ada");
    let again = sec.operator("bob").signal("a", approved("Bob")).event_id("e-1").await?;
    assert_eq!(again, Answer::Duplicate);
    let log = sec.inspect("a").await?.ok_or("there is one")?.log.pretty();
    assert!(log.contains("waiting approved") && log.contains("waited approved"), "{log}");
    Ok(())
}

#[tokio::test]
async fn an_event_that_nobody_waits_for_is_refused() -> Result<(), Failed> {
    let sec = coordinator(MemoryStore::new()).await?;
    let handle = sec.saga(Approval { article: "it".into() }).id("a").start().await?;
    let refused = refusal(sec.signal("a", Wire { cents: 1 }).await);
    let words = "the saga has no wait (left) that could take an event `wire-transfer` (rev 2)";
    assert_eq!(refused.to_string(), words);
    sec.operator("bob").cancel("a", "enough").await?;
    assert!(matches!(handle.await, Err(SagaError::RolledBack(_))));
    let refused = refusal(sec.signal("a", approved("Ada")).await);
    assert_eq!(refused, Refusal::AlreadyEnded { status: SagaStatus::RolledBack });
    let unknown = sec.signal("b", approved("Ada")).await;
    assert!(matches!(unknown, Err(OperateError::NotFound { .. })), "{unknown:?}");
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn a_timeout_ends_a_wait_and_so_does_an_event_in_time() -> Result<(), Failed> {
    let sec = coordinator(MemoryStore::new()).await?;
    let begun = tokio::time::Instant::now();
    assert_eq!(sec.run(Within { hours: 3 }).await?, None);
    assert!(begun.elapsed() >= 3 * HOUR);
    let handle = sec.saga(Within { hours: 3 }).id("w").start().await?;
    sec.signal("w", approved("Ada")).await?;
    assert_eq!(handle.await?, Some(approved("Ada")));
    Ok(())
}

#[tokio::test]
async fn each_instance_of_a_for_gets_the_next_event() -> Result<(), Failed> {
    let sec = coordinator(MemoryStore::new()).await?;
    let names = vec!["x".to_string(), "y".to_string()];
    let handle = sec.saga(Each { names }).id("e").start().await?;
    sec.signal("e", approved("Ada")).await?;
    sec.signal("e", approved("Bob")).await?;
    assert_eq!(handle.await?, ["x by Ada", "y by Bob"]);
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn an_event_that_comes_before_its_wait_survives_the_process() -> Result<(), Failed> {
    let store = MemoryStore::new();
    let sec = coordinator(store.clone()).await?;
    sec.saga(Paid {}).id("p").start().await?;
    assert_eq!(sec.signal("p", Wire { cents: 7 }).await?, Answer::Done);
    tokio::time::sleep(HOUR / 2).await;
    sec.shutdown(Duration::ZERO).await?;
    let sec = coordinator(store).await?;
    assert_eq!(sec.get::<Paid>("p").await?.ok_or("there is one")?.await?, 7);
    // the time until which it sleeps is that of the first process
    let log = sec.inspect("p").await?.ok_or("there is one")?.log.pretty();
    assert_eq!(log.matches(" waiting sleep:").count(), 1, "{log}");
    Ok(())
}

#[tokio::test]
async fn another_process_leaves_an_event_in_the_store() -> Result<(), Failed> {
    let store = MemoryStore::new();
    let sec = coordinator(store.clone()).await?;
    let handle = sec.saga(Approval { article: "it".into() }).id("a").start().await?;
    let operator = Operator::attach(store, "webhook", Duration::from_secs(30));
    assert_eq!(operator.signal("a", approved("Ada")).event_id("e-1").await?, Answer::Done);
    assert_eq!(handle.await?, "took it, approved by Ada");
    Ok(())
}

#[tokio::test]
async fn operators_see_what_a_saga_waits_for() -> Result<(), Failed> {
    let sec = coordinator(MemoryStore::new()).await?;
    sec.saga(Approval { article: "it".into() }).id("a").start().await?;
    sec.saga(Within { hours: 3 }).id("w").start().await?;
    let why = async |id: &str| -> Result<String, Failed> {
        Ok(sec.operator("bob").why(id).await?.sentence)
    };
    // the nodes in front of the waits may still be in flight
    while !why("a").await?.contains("event") || !why("w").await?.contains("event") {
        tokio::task::yield_now().await;
    }
    let (forever, within) = (why("a").await?, why("w").await?);
    assert!(forever.starts_with("`approved` has waited "), "{forever}");
    assert!(forever.ends_with(" for event `Approved`"), "{forever}");
    assert!(within.contains(" for event `Approved`, and waits until "), "{within}");
    Ok(())
}
