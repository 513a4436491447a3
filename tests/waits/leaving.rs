//! A saga that only waits leaves memory: it is a row of the store until its time comes, or until somebody asks something of it.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::SeqCst};
use std::time::{Duration, SystemTime};

use saga_core::operator::{Answer, ListedState, Operator};
use saga_core::prelude::*;
use saga_core::store::{FileStore, ListFilter, MemoryStore, SqliteStore, Store};
use tokio::time::{Instant, sleep};

use crate::{Approval, Approved, Both, Failed, HOUR, Wire, Within, approved, coordinator};

/// Until no saga is in memory.
pub(crate) async fn leave_memory(sec: &Coordinator<()>) {
    while sec.health().running > 0 {
        sleep(Duration::from_millis(20)).await;
    }
}

/// A wall clock that can be set forward: where a store works in threads of its own, tokio's clock cannot be paused.
#[derive(Clone, Default)]
struct Hands(Arc<AtomicU64>);

impl Hands {
    fn forward(&self, by: Duration) {
        self.0.fetch_add(by.as_secs(), SeqCst);
    }

    async fn coordinator(&self, store: impl Store) -> Result<Coordinator<()>, Failed> {
        let hands = self.0.clone();
        let now = move || SystemTime::now() + Duration::from_secs(hands.load(SeqCst));
        let sec = Coordinator::builder(()).store(store).wall_clock(now).saga::<Approval>();
        Ok(sec.saga::<Within>().saga::<Both>().build().await?)
    }
}

/// The sagas that wait in the store.
async fn waiting(sec: &Coordinator<()>) -> Result<Vec<String>, Failed> {
    let filter = ListFilter { suspended: Some(true), ..ListFilter::default() };
    let records = sec.list(filter).await?;
    assert!(records.iter().all(|record| record.owner.is_none() && record.attempts == 0));
    assert!(records.iter().all(|record| record.listed_state() == ListedState::Waiting));
    Ok(records.into_iter().map(|record| record.id.to_string()).collect())
}

/// One that waits for a time comes back when that has come, one that waits for an event when that has come, and in between none of
/// them is in memory. Whoever holds a handle notices nothing.
async fn sagas_leave_memory_and_come_back(store: impl Store) -> Result<(), Failed> {
    let hands = Hands::default();
    let sec = hands.coordinator(store).await?;
    let within = sec.saga(Within { hours: 3 }).id("within").start().await?;
    let article = || Approval { article: "it".into() };
    let approval = sec.saga(article()).id("approval").start().await?;
    leave_memory(&sec).await;
    assert_eq!(waiting(&sec).await?, ["approval", "within"]);

    let found = sec.get::<Approval>("approval").await?.ok_or("it is in the store")?;
    let again = sec.saga(article()).id("approval").start().await?;
    leave_memory(&sec).await;
    assert_eq!(again.status(), SagaStatus::Running);
    assert_eq!(sec.signal("approval", approved("Ada")).event_id("e-1").await?, Answer::Done);
    for handle in [approval, found, again] {
        assert_eq!(handle.await?, "took it, approved by Ada");
    }
    let twice = sec.signal("approval", approved("Ada")).event_id("e-1").await?;
    assert_eq!(twice, Answer::Duplicate);

    hands.forward(2 * HOUR);
    assert_eq!(waiting(&sec).await?, ["within"]);
    hands.forward(HOUR);
    assert_eq!(within.await?, None);
    assert!(waiting(&sec).await?.is_empty());
    sec.shutdown(Duration::ZERO).await?;
    Ok(())
}

/// What is asked of a saga that waits finds it, from this process and through the store.
async fn requests_find_a_saga_that_waits(store: impl Store + Clone) -> Result<(), Failed> {
    let sec = Hands::default().coordinator(store.clone()).await?;
    let both = sec.saga(Both {}).id("both").start().await?;
    let cancelled = sec.saga(Approval { article: "it".into() }).id("cancelled").start().await?;
    leave_memory(&sec).await;

    // an event that comes before its wait is kept, and the saga waits for the other one
    let webhook = Operator::attach(store, "webhook", Duration::from_secs(30));
    assert_eq!(webhook.signal("both", Wire { cents: 7 }).await?, Answer::Done);
    leave_memory(&sec).await;
    assert_eq!(waiting(&sec).await?, ["both", "cancelled"]);

    sec.operator("bob").cancel("cancelled", "enough").await?;
    assert!(matches!(cancelled.await, Err(SagaError::RolledBack(_))));
    sec.signal("both", approved("Ada")).await?;
    assert_eq!(both.await?, 7 + 3);
    sec.shutdown(Duration::ZERO).await?;
    Ok(())
}

/// A process that starts loads none that waits and is not due, and those that have become due meanwhile at once.
async fn a_process_that_starts_loads_what_is_due(store: impl Store + Clone) -> Result<(), Failed> {
    let hands = Hands::default();
    let sec = hands.coordinator(store.clone()).await?;
    let handle = sec.saga(Within { hours: 1 }).id("soon").start().await?;
    sec.saga(Within { hours: 5 }).id("late").start().await?;
    sec.saga(Approval { article: "it".into() }).id("open").start().await?;
    leave_memory(&sec).await;
    sec.shutdown(Duration::ZERO).await?;
    // its handles are told that this process does not run sagas any more
    assert!(matches!(handle.await, Err(SagaError::ShutDown { .. })));

    let sec = hands.coordinator(store.clone()).await?;
    assert_eq!(sec.health().running, 0);
    assert_eq!(waiting(&sec).await?, ["late", "open", "soon"]);
    sec.shutdown(Duration::ZERO).await?;
    hands.forward(2 * HOUR);

    let sec = hands.coordinator(store).await?;
    let soon = sec.get::<Within>("soon").await?.ok_or("it is in the store")?;
    assert_eq!(soon.await?, None);
    assert_eq!(waiting(&sec).await?, ["late", "open"]);
    sec.shutdown(Duration::ZERO).await?;
    Ok(())
}

/// Tests with each of the stores that need no server.
macro_rules! with_each_store {
    ($($test:ident),* $(,)?) => {
        mod memory {
            $(
                #[tokio::test]
                async fn $test() -> Result<(), super::Failed> {
                    super::$test(super::MemoryStore::new()).await
                }
            )*
        }
        mod file {
            $(
                #[tokio::test]
                async fn $test() -> Result<(), super::Failed> {
                    let directory = tempfile::tempdir()?;
                    super::$test(super::FileStore::open(directory.path())?).await
                }
            )*
        }
        mod sqlite {
            $(
                #[tokio::test]
                async fn $test() -> Result<(), super::Failed> {
                    let directory = tempfile::tempdir()?;
                    super::$test(super::SqliteStore::open(directory.path().join("db"))?).await
                }
            )*
        }
    };
}

with_each_store!(
    sagas_leave_memory_and_come_back,
    requests_find_a_saga_that_waits,
    a_process_that_starts_loads_what_is_due,
);

/// An event that comes soon finds the saga in memory, and a short sleep is no reason to leave.
#[tokio::test(start_paused = true)]
async fn a_saga_that_waits_for_a_moment_stays_in_memory() -> Result<(), Failed> {
    saga! { Nap<()>() { sleep { duration: Duration::from_millis(1900) }; } }

    let sec = Coordinator::builder(()).saga::<Nap>().saga::<Approval>().build().await?;
    let (nap, other) = (sec.saga(Nap {}), sec.saga(Approval { article: "it".into() }).id("a"));
    let (nap, other) = (nap.start().await?, other.start().await?);
    sleep(Duration::from_millis(900)).await;
    assert_eq!(sec.health().running, 2);
    sec.signal("a", approved("Ada")).await?;
    other.await?;
    sleep(Duration::from_millis(900)).await;
    assert_eq!(sec.health().running, 1);
    nap.await?;
    Ok(())
}

/// The earlier of two sagas is woken first, even if the later one left memory first.
#[tokio::test(start_paused = true)]
async fn the_first_that_is_due_is_woken_first() -> Result<(), Failed> {
    let sec = coordinator(MemoryStore::new()).await?;
    let late = sec.saga(Within { hours: 9 }).start().await?;
    leave_memory(&sec).await;
    let begun = Instant::now();
    let soon = sec.saga(Within { hours: 1 }).start().await?;
    leave_memory(&sec).await;
    soon.await?;
    assert!(begun.elapsed() < 2 * HOUR);
    late.await?;
    Ok(())
}

/// The deadline of a saga holds while it waits, and that of one which an operator has paused, too.
#[tokio::test(start_paused = true)]
async fn a_deadline_passes_while_a_saga_waits() -> Result<(), Failed> {
    let sec = coordinator(MemoryStore::new()).await?;
    let start =
        |id: &str| sec.saga(Approval { article: "it".into() }).id(id).deadline(2 * HOUR).start();
    let begun = Instant::now();
    let (waits, paused) = (start("waits").await?, start("paused").await?);
    leave_memory(&sec).await;
    sec.operator("bob").pause("paused").await?;
    leave_memory(&sec).await;
    for handle in [waits] {
        let error = handle.await.err().ok_or("it has a deadline")?.to_string();
        assert!(error.contains("deadline"), "{error}");
    }
    assert!(begun.elapsed() >= 2 * HOUR && begun.elapsed() < 3 * HOUR);
    // its undo waits for the end of the pause
    sec.operator("bob").resume("paused").await?;
    assert!(matches!(paused.await, Err(SagaError::RolledBack(_))));
    Ok(())
}

/// What becomes due while a saga is paused happens when it resumes.
#[tokio::test(start_paused = true)]
async fn a_paused_saga_sleeps_past_its_time() -> Result<(), Failed> {
    let sec = coordinator(MemoryStore::new()).await?;
    let handle = sec.saga(Within { hours: 1 }).id("w").start().await?;
    leave_memory(&sec).await;
    sec.operator("bob").pause("w").await?;
    leave_memory(&sec).await;
    sleep(5 * HOUR).await;
    assert_eq!((handle.status(), sec.health().running), (SagaStatus::Running, 0));
    let log = sec.inspect("w").await?.ok_or("there is one")?.log.pretty();
    assert!(!log.contains("waited"), "{log}");
    let why = sec.operator("bob").why("w").await?.sentence;
    assert!(why.starts_with("paused by bob"), "{why}");
    sec.operator("bob").resume("w").await?;
    assert_eq!(handle.await?, None);
    Ok(())
}

/// A process that dies leaves sagas that wait as they are: no crash is counted against them.
#[tokio::test(start_paused = true)]
async fn a_wait_is_no_reason_for_a_crash() -> Result<(), Failed> {
    let store = MemoryStore::new();
    for _ in 0..5 {
        let sec = coordinator(store.clone()).await?;
        sec.saga(Approval { article: "it".into() }).id("a").start().await?;
        sec.signal("a", Wire { cents: 1 }).await.err().ok_or("it has no such wait")?;
        leave_memory(&sec).await;
        // it is in memory because of the request, and dies there
        sec.signal("a", Wire { cents: 1 }).await.err().ok_or("it has no such wait")?;
        std::mem::forget(sec);
    }
    let sec = coordinator(store).await?;
    sec.signal("a", Approved { by: "Ada".into() }).await?;
    let handle = sec.get::<Approval>("a").await?.ok_or("there is one")?;
    assert_eq!(handle.await?, "took it, approved by Ada");
    Ok(())
}

/// Sagas run on when their coordinator is dropped, and those that wait are woken.
#[tokio::test(start_paused = true)]
async fn dropping_the_coordinator_strands_no_saga() -> Result<(), Failed> {
    let sec = coordinator(MemoryStore::new()).await?;
    let handle = sec.saga(Within { hours: 3 }).start().await?;
    leave_memory(&sec).await;
    drop(sec);
    assert_eq!(handle.await?, None);
    Ok(())
}
