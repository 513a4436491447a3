//! Starts, lookups, stops and panics that race: nothing hangs, nothing is lost, and every caller gets a
//! true answer.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::SeqCst};
use std::time::Duration;

use saga_core::log::{Timestamp, Uuid};
use saga_core::operator::Request;
use saga_core::prelude::*;
use saga_core::store::{
    Append, Created, ListFilter, MemoryStore, NewSaga, Purge, SagaRecord, SagaVersion, Store,
    StoreError, StoredSaga, Suspension, WorkerId,
};
use saga_core::{Limits, SagaId, SagaStatus, StartError};

type Answer<'a, T> = Pin<Box<dyn Future<Output = Result<T, StoreError>> + Send + 'a>>;

/// A memory store that takes its time, and can fail to create.
#[derive(Clone, Default)]
struct Slow {
    memory: MemoryStore,
    create: Arc<AtomicU64>,
    append: Arc<AtomicU64>,
    load: Arc<AtomicU64>,
    refuse: Arc<AtomicBool>,
    /// How often it was asked for requests, whose answer takes so long.
    asked: Arc<AtomicU64>,
    requests: Arc<AtomicU64>,
}

async fn nap(millis: &AtomicU64) {
    tokio::time::sleep(Duration::from_millis(millis.load(SeqCst))).await;
}

impl Store for Slow {
    fn create(&self, saga: NewSaga) -> Answer<'_, Created> {
        Box::pin(async move {
            nap(&self.create).await;
            if self.refuse.load(SeqCst) {
                return Err(StoreError::Failed { store: "slow".into(), why: "refused".into() });
            }
            self.memory.create(saga).await
        })
    }
    fn append(&self, append: Append) -> Answer<'_, ()> {
        Box::pin(async move {
            nap(&self.append).await;
            self.memory.append(append).await
        })
    }
    fn load(&self, id: &SagaId) -> Answer<'_, Option<StoredSaga>> {
        let id = id.clone();
        Box::pin(async move {
            nap(&self.load).await;
            self.memory.load(&id).await
        })
    }
    fn list(&self, filter: ListFilter) -> Answer<'_, Vec<SagaRecord>> {
        self.memory.list(filter)
    }
    fn versions(&self) -> Answer<'_, Vec<SagaVersion>> {
        self.memory.versions()
    }
    fn claim(
        &self,
        worker: &WorkerId,
        fingerprints: &[String],
        limit: usize,
    ) -> Answer<'_, Vec<SagaRecord>> {
        self.memory.claim(worker, fingerprints, limit)
    }
    fn suspend(&self, suspension: Suspension) -> Answer<'_, ()> {
        self.memory.suspend(suspension)
    }

    fn claim_due(
        &self,
        worker: &WorkerId,
        fingerprints: &[String],
        now: Timestamp,
        limit: usize,
    ) -> Answer<'_, Vec<SagaRecord>> {
        self.memory.claim_due(worker, fingerprints, now, limit)
    }

    fn next_due(&self, fingerprints: &[String]) -> Answer<'_, Option<Timestamp>> {
        self.memory.next_due(fingerprints)
    }

    fn release(&self, worker: &WorkerId) -> Answer<'_, ()> {
        self.memory.release(worker)
    }
    fn delete(&self, id: &SagaId) -> Answer<'_, bool> {
        self.memory.delete(id)
    }
    fn take(&self, worker: &WorkerId, id: &SagaId) -> Answer<'_, Option<SagaRecord>> {
        self.memory.take(worker, id)
    }
    fn purge(&self, purge: Purge) -> Answer<'_, u64> {
        self.memory.purge(purge)
    }
    fn request(&self, request: Request) -> Answer<'_, ()> {
        self.memory.request(request)
    }
    fn requests(&self, worker: &WorkerId, limit: usize) -> Answer<'_, Vec<Request>> {
        let worker = worker.clone();
        Box::pin(async move {
            self.asked.fetch_add(1, SeqCst);
            nap(&self.requests).await;
            self.memory.requests(&worker, limit).await
        })
    }
    fn answer(
        &self,
        worker: &WorkerId,
        request: Uuid,
        answer: saga_core::operator::Answer,
    ) -> Answer<'_, ()> {
        self.memory.answer(worker, request, answer)
    }
    fn answer_to(&self, request: Uuid) -> Answer<'_, Option<saga_core::operator::Answer>> {
        self.memory.answer_to(request)
    }
}

/// A value whose drop panics.
struct Boom;

impl Drop for Boom {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            panic!("a destructor panicked");
        }
    }
}

#[saga_action(no_undo)]
async fn echo(word: &str) -> Result<String, String> {
    if word == "wait" {
        tokio::time::sleep(Duration::from_millis(300)).await;
    }
    Ok(word.to_string())
}

#[saga_action(undo = nothing(), timeout = "20ms")]
async fn boom() -> Result<u32, String> {
    let _boom = Boom;
    std::future::pending().await
}
async fn nothing() -> Result<(), String> {
    Ok(())
}

#[saga_action(no_undo, retry(max = 4_000_000_000, base = "0ms"))]
async fn never_works() -> Result<u32, String> {
    Err("no".into())
}

saga! { Echo<()>(word: String) -> String { echo { word } } }
saga! { Explode<()>() -> u32 { boom {} } }
saga! { Busy<()>() -> u32 { never_works {} } }
saga! {
    Repeat<()>(times: usize) -> String {
        let word = echo { word: "x" };
        { word.repeat(*times) }
    }
}

fn word(word: &str) -> Echo {
    Echo { word: word.to_string() }
}

async fn slow(store: &Slow) -> Coordinator<()> {
    let sec = Coordinator::builder(()).store(store.clone());
    sec.saga::<Echo>().saga::<Explode>().build().await.unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_busy_saga_notices_the_shutdown() {
    let sec = Coordinator::builder(()).saga::<Busy>().build().await.unwrap();
    let handle = sec.saga(Busy {}).start().await.unwrap();
    let shutdown = sec.shutdown(Duration::from_millis(20));
    let report = tokio::time::timeout(Duration::from_secs(30), shutdown).await;
    assert_eq!(report.expect("it ends").unwrap().interrupted.len(), 1);
    assert!(matches!(handle.await, Err(SagaError::ShutDown { .. })));
}

#[tokio::test(start_paused = true)]
async fn after_a_shutdown_nothing_holds_the_store() {
    let store = Slow::default();
    store.requests.store(3_600_000, SeqCst);
    let sec = slow(&store).await;
    sec.run(word("a")).await.unwrap();
    while store.asked.load(SeqCst) == 0 {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    sec.shutdown(Duration::ZERO).await.unwrap();
    drop(sec);
    // the next worker may open it at once
    assert_eq!(Arc::strong_count(&store.asked), 1);
}

#[tokio::test(flavor = "current_thread")]
async fn a_busy_saga_lets_others_run() {
    let sec = Coordinator::builder(()).saga::<Busy>().saga::<Echo>().build().await.unwrap();
    let _busy = sec.saga(Busy {}).start().await.unwrap();
    let other = tokio::time::timeout(Duration::from_secs(30), sec.run(word("hello"))).await;
    assert_eq!(other.expect("it ends").unwrap(), "hello");
    sec.shutdown(Duration::ZERO).await.unwrap();
}

#[tokio::test]
async fn concurrent_starts_are_compared_with_the_stored_saga() {
    let store = Slow::default();
    let sec = slow(&store).await;
    sec.saga(word("book")).id("x").start().await.unwrap().await.unwrap();
    store.create.store(50, SeqCst);
    let start = |input: &str| sec.saga(word(input)).id("x").start();
    let (first, second, same) = tokio::join!(start("car"), start("car"), start("book"));
    assert!(matches!(first, Err(StartError::IdConflict { .. })), "{first:?}");
    assert!(matches!(second, Err(StartError::IdConflict { .. })), "{second:?}");
    assert_eq!(same.expect("the stored input").await.unwrap(), "book");
}

#[tokio::test]
async fn concurrent_starts_all_learn_that_the_store_failed() {
    let store = Slow::default();
    let sec = slow(&store).await;
    store.create.store(50, SeqCst);
    store.refuse.store(true, SeqCst);
    let start = || sec.saga(word("y")).id("y").start();
    let (first, second, found) = tokio::join!(start(), start(), sec.get::<Echo>("y"));
    assert!(matches!(first, Err(StartError::Store(_))), "{first:?}");
    assert!(matches!(second, Err(StartError::Store(_))), "{second:?}");
    assert!(found.unwrap().is_none());
}

#[tokio::test]
async fn concurrent_starts_with_one_id_are_one_saga() {
    let store = Slow::default();
    let sec = slow(&store).await;
    store.create.store(20, SeqCst);
    let start = || sec.saga(word("z")).id("z").start();
    let (first, second) = tokio::join!(start(), start());
    assert_eq!(first.unwrap().await.unwrap(), "z");
    assert_eq!(second.unwrap().await.unwrap(), "z");
    assert_eq!(store.list(ListFilter::default()).await.unwrap().len(), 1);
}

#[tokio::test]
async fn a_lookup_during_a_start_finds_the_saga() {
    let store = Slow::default();
    let sec = slow(&store).await;
    store.load.store(50, SeqCst);
    let lookup = tokio::spawn({
        let sec = sec.clone();
        async move { sec.get::<Echo>("x").await }
    });
    tokio::time::sleep(Duration::from_millis(5)).await;
    let started = sec.saga(word("wait")).id("x").start().await.unwrap();
    let found = lookup.await.unwrap().unwrap().expect("it is there");
    assert_eq!(found.await.unwrap(), "wait");
    assert_eq!(started.await.unwrap(), "wait");
}

#[tokio::test]
async fn a_stop_during_the_last_append_does_not_interrupt() {
    let store = Slow::default();
    let sec = slow(&store).await;
    store.append.store(200, SeqCst);
    let handle = sec.saga(word("book")).start().await.unwrap();
    tokio::time::sleep(Duration::from_millis(50)).await;
    let report = sec.shutdown(Duration::from_millis(20)).await.unwrap();
    assert!(report.interrupted.is_empty(), "{report:?}");
    assert_eq!(handle.await.unwrap(), "book");
}

#[tokio::test]
async fn a_panic_while_a_call_is_dropped_is_contained() {
    let store = Slow::default();
    let sec = slow(&store).await;
    // dropped by its timeout
    let handle = sec.saga(Explode {}).start().await.unwrap();
    let ended = tokio::time::timeout(Duration::from_secs(30), handle.clone()).await;
    let Err(SagaError::RolledBack(report)) = ended.expect("it ends") else { panic!("rolled back") };
    assert!(report.error.as_ref().unwrap().to_string().contains("timed out"), "{report:?}");
    let stored = store.load(handle.id()).await.unwrap().unwrap();
    assert_eq!(stored.record.status, SagaStatus::RolledBack);
    // dropped by a stop
    let handle = sec.saga(Explode {}).start().await.unwrap();
    let report = sec.shutdown(Duration::ZERO).await.unwrap();
    assert_eq!(report.interrupted.len(), 1);
    assert!(matches!(handle.await, Err(SagaError::ShutDown { .. })));
}

#[tokio::test]
async fn a_computed_value_over_the_limit_fails_its_node() {
    let limits = Limits::default().max_payload(100);
    let sec = Coordinator::builder(()).limits(limits).saga::<Repeat>().build().await.unwrap();
    assert_eq!(sec.run(Repeat { times: 98 }).await.unwrap().len(), 98);
    let Err(SagaError::RolledBack(report)) = sec.run(Repeat { times: 99 }).await else {
        panic!("rolled back")
    };
    assert!(report.error.as_ref().unwrap().to_string().contains("101 bytes"), "{report:?}");
}

#[tokio::test]
async fn a_saga_that_nobody_runs_says_why() {
    let store = Slow::default();
    let sec = slow(&store).await;
    sec.saga(word("wait")).id("x").start().await.unwrap();
    sec.shutdown(Duration::ZERO).await.unwrap();
    let other = Coordinator::builder(()).store(store.clone()).saga::<Busy>().build().await.unwrap();
    assert_eq!(other.unknown_versions().len(), 1);
    let error = other.get::<Echo>("x").await.unwrap_err().to_string();
    assert!(
        error.contains("a version of `Echo` that is not registered here, so nothing runs it"),
        "{error}"
    );
}

#[test]
fn a_retry_without_a_base_never_waits() {
    let retry = saga_core::Retry::forever().base(Duration::ZERO);
    for tries in [1, 2, 1024, 1025, 1026, u32::MAX] {
        assert_eq!(retry.delay_after(tries, 7), Duration::ZERO, "after try {tries}");
    }
}
