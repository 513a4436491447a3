//! Limits over all workers of a store, here in one process and in memory. `tests/workers/limits.rs` has the same with
//! processes and a PostgreSQL.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::time::{Duration, Instant};

use saga_core::CoordinatorBuilder;
use saga_core::prelude::*;
use saga_core::store::{LeaseTerms, StoreError};

use crate::common::scripted_store::{Call, ScriptedStore};

/// What the actions of all workers have in common.
#[derive(Default)]
struct Service {
    now: AtomicUsize,
    most: AtomicUsize,
    begun: AtomicUsize,
}

/// A worker, and how many calls it has made.
#[derive(Clone, Default)]
struct W {
    service: Arc<Service>,
    calls: Arc<AtomicUsize>,
}

#[saga_action(no_undo, timeout = "2s")]
async fn charge(cx: &ActionContext<W>, millis: &u64) -> Result<(), String> {
    let W { service, calls } = &**cx.user_context();
    calls.fetch_add(1, SeqCst);
    service.begun.fetch_add(1, SeqCst);
    service.most.fetch_max(service.now.fetch_add(1, SeqCst) + 1, SeqCst);
    // also if the call is dropped
    let _end = End(service);
    tokio::time::sleep(Duration::from_millis(*millis)).await;
    Ok(())
}

struct End<'a>(&'a Service);

impl Drop for End<'_> {
    fn drop(&mut self) {
        self.0.now.fetch_sub(1, SeqCst);
    }
}

saga! {
    Pay<W>(millis: u64) { charge { millis }; }
    PayMany<W>(millis: u64, items: Vec<u32>) {
        let _all = for _item in items { charge { millis } };
    }
}

const LEASE: Duration = Duration::from_secs(2);

/// Looks at the shares every 25 ms.
fn store() -> ScriptedStore {
    let mut terms = LeaseTerms::new(LEASE);
    terms.poll_every = Duration::from_millis(100);
    ScriptedStore::leased(terms)
}

async fn worker(
    service: &Arc<Service>,
    store: &ScriptedStore,
    limit: impl Fn(CoordinatorBuilder<W>) -> CoordinatorBuilder<W>,
) -> Coordinator<W> {
    let builder = Coordinator::builder(W { service: service.clone(), ..W::default() });
    let builder = builder.saga::<Pay>().saga::<PayMany>().store(store.clone());
    limit(builder).build().await.unwrap()
}

fn many(millis: u64, items: u32) -> PayMany {
    PayMany { millis, items: (0..items).collect() }
}

fn calls(worker: &Coordinator<W>) -> usize {
    worker.context().calls.load(SeqCst)
}

#[tokio::test]
async fn two_workers_share_a_limit() {
    let (service, store) = (Arc::default(), store());
    let four = |builder: CoordinatorBuilder<W>| builder.max_calls_of_everywhere("charge", 4);
    let (one, two) = (worker(&service, &store, four).await, worker(&service, &store, four).await);
    let began = Instant::now();
    let (a, b) = tokio::join!(one.run(many(10, 400)), two.run(many(10, 400)));
    let (took, most) = (began.elapsed(), service.most.load(SeqCst));
    let asked = |what| store.calls().iter().filter(|call| **call == what).count();
    let (reads, changes) = (asked(Call::ReadShares), asked(Call::ChangeShares));
    println!("800 calls of 10 ms, 4 at once: {took:?}, {reads} reads, {changes} changes");
    a.unwrap();
    b.unwrap();
    assert_eq!(most, 4);
    assert!(reads < 300 && changes < 60, "{reads} reads and {changes} changes for 800 calls");
    // once more, while one has nothing to do
    one.run(many(10, 400)).await.unwrap();
    assert_eq!(service.most.load(SeqCst), 4);
}

#[tokio::test]
async fn a_worker_that_comes_late_gets_its_part() {
    let (service, store) = (Arc::default(), store());
    let four = |builder: CoordinatorBuilder<W>| builder.max_calls_of_everywhere("charge", 4);
    let (one, two) = (worker(&service, &store, four).await, worker(&service, &store, four).await);
    let _busy = one.saga(many(20, 1_000)).start().await.unwrap();
    tokio::time::sleep(Duration::from_millis(200)).await;
    assert_eq!(store.held("charge"), [4]);
    let _too = two.saga(many(20, 1_000)).start().await.unwrap();
    tokio::time::sleep(Duration::from_millis(500)).await;
    assert_eq!(store.held("charge"), [2, 2]);
    assert!(calls(&two) > 10, "{}", calls(&two));
    // its part is free when it is gone
    one.shutdown(Duration::ZERO).await.unwrap();
    let before = calls(&two);
    tokio::time::sleep(Duration::from_millis(500)).await;
    assert_eq!(store.held("charge"), [4]);
    assert!(calls(&two) > before + 50, "{}", calls(&two) - before);
    assert_eq!(service.most.load(SeqCst), 4);
}

#[tokio::test]
async fn a_saga_that_waits_for_another_worker_can_be_cancelled_and_its_timeout_has_not_begun() {
    let (service, store) = (Arc::default(), store());
    let one = |builder: CoordinatorBuilder<W>| builder.max_calls_of_everywhere("charge", 1);
    let (first, second) =
        (worker(&service, &store, one).await, worker(&service, &store, one).await);
    let long = first.saga(Pay { millis: 1_900 }).start().await.unwrap();
    while service.begun.load(SeqCst) == 0 {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    let cancelled = second.saga(Pay { millis: 0 }).id("cancelled").start().await.unwrap();
    // with the wait, this would take longer than the timeout of the call
    let waits = second.saga(Pay { millis: 1_000 }).start().await.unwrap();
    tokio::time::sleep(Duration::from_millis(300)).await;
    let [first_one, second_one] = [&first, &second].map(|worker| worker.health().limited.remove(0));
    assert_eq!((first_one.under_way, first_one.waiting), (1, 0));
    assert_eq!((second_one.under_way, second_one.waiting, second_one.may), (0, 2, 0));
    second.operator("ann").cancel("cancelled", "too slow").await.unwrap();
    assert!(matches!(cancelled.await, Err(SagaError::RolledBack(_))));
    assert_eq!(service.begun.load(SeqCst), 1, "the first call is still under way");
    long.await.unwrap();
    waits.await.unwrap();
    assert_eq!((service.begun.load(SeqCst), service.most.load(SeqCst)), (2, 1));
}

#[tokio::test]
async fn what_a_dead_worker_held_is_free_after_its_lease() {
    let (service, store) = (Arc::<Service>::default(), store());
    let two = |builder: CoordinatorBuilder<W>| builder.max_calls_of_everywhere("charge", 2);
    let second = worker(&service, &store, two).await;
    let first = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    let (service_of_first, store_of_first) = (service.clone(), store.clone());
    let dies = first.spawn(async move {
        let first = worker(&service_of_first, &store_of_first, two).await;
        first.saga(many(1_000, 2)).start().await.unwrap();
    });
    dies.await.unwrap();
    while service.begun.load(SeqCst) < 2 {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    first.shutdown_background();
    let began = Instant::now();
    second.run(many(10, 20)).await.unwrap();
    let took = began.elapsed();
    assert!(took > LEASE / 2 && took < LEASE * 4, "{took:?}");
    assert_eq!(service.most.load(SeqCst), 2);
}

#[tokio::test]
async fn both_limits_hold() {
    let (service, store) = (Arc::default(), store());
    let both = |builder: CoordinatorBuilder<W>| {
        builder.max_calls_of("charge", 1).max_calls_of_everywhere("charge", 10)
    };
    let (one, two) = (worker(&service, &store, both).await, worker(&service, &store, both).await);
    let (a, b) = tokio::join!(one.run(many(20, 50)), two.run(many(20, 50)));
    a.unwrap();
    b.unwrap();
    assert_eq!(service.most.load(SeqCst), 2);
}

#[tokio::test(start_paused = true)]
async fn in_a_store_of_one_worker_it_is_a_limit_of_that_worker() {
    let service = Arc::<Service>::default();
    let context = W { service: service.clone(), ..W::default() };
    let builder = Coordinator::builder(context).saga::<PayMany>();
    let builder = builder.max_calls_of("charge", 9).max_calls_of_everywhere("charge", 3);
    builder.build().await.unwrap().run(many(10, 50)).await.unwrap();
    assert_eq!(service.most.load(SeqCst), 3);
}

#[tokio::test]
async fn it_must_be_an_action_that_is_registered() {
    let builder = Coordinator::builder(W::default()).saga::<Pay>();
    let error = builder.max_calls_of_everywhere("charg", 3).build().await.err();
    let expected = "action `charg` is not registered; did you mean `charge`?";
    assert_eq!(error.map(|error| error.to_string()).as_deref(), Some(expected));
}

#[tokio::test]
async fn a_store_that_cannot_do_it_says_so_when_the_coordinator_is_built() {
    let store = store();
    store.before(|call| {
        let is_it = *call == Call::ReadShares;
        is_it.then(|| Box::pin(async { Err(StoreError::NoCallShares) }) as _)
    });
    let builder = Coordinator::builder(W::default()).saga::<Pay>().store(store);
    let error = builder.max_calls_of_everywhere("charge", 3).build().await.err();
    let error = error.map(|error| error.to_string());
    let expected = "the store cannot limit the calls of all of its workers together; use `max_calls_of`, which limits those \
        of one process, or a `PostgresStore`";
    assert_eq!(error.as_deref(), Some(expected));
}
