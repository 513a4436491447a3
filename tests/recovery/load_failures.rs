//! A saga that cannot be loaded when its coordinator is built stops no other saga.

use std::future::Future;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use saga_core::SagaId;
use saga_core::log::{Timestamp, Uuid};
use saga_core::operator::{Answer, Request};
use saga_core::prelude::*;
use saga_core::store::{
    Aad, Append, CodecError, Created, EncodedStore, ListFilter, MemoryStore, NewSaga, PayloadCodec,
    Purge, SagaRecord, SagaVersion, Store, StoreError, StoredSaga, Suspension, WorkerId,
};
use tokio::time::timeout;

#[derive(Default)]
struct World {
    open: AtomicBool,
    holding: AtomicUsize,
}

#[saga_action(no_undo)]
async fn echo(word: &str) -> Result<String, String> {
    Ok(format!("{word}-OUT"))
}

#[saga_action(no_undo)]
async fn hold(cx: &ActionContext<World>, word: &str) -> Result<String, String> {
    cx.holding.fetch_add(1, SeqCst);
    while !cx.open.load(SeqCst) {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    Ok(word.to_string())
}

saga! {
    Two<World>(word: String) -> String {
        let first = echo { word };
        let second = hold { word: first };
        second
    }
}

fn two(word: &str) -> Two {
    Two { word: word.to_string() }
}

/// Leaves these sagas in the store, each of them holding.
async fn fill<S: Store + Clone>(store: &S, sagas: &[(&str, &str)]) {
    let sec = Coordinator::builder(World::default())
        .store(store.clone())
        .saga::<Two>()
        .build()
        .await
        .unwrap();
    for (id, word) in sagas {
        drop(sec.saga(two(word)).id(*id).start().await.unwrap());
    }
    while sec.context().holding.load(SeqCst) < sagas.len() {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    sec.shutdown(Duration::ZERO).await.unwrap();
}

async fn resumed<S: Store + Clone>(store: &S) -> Coordinator<World> {
    let world = World { open: AtomicBool::new(true), ..World::default() };
    Coordinator::builder(world).store(store.clone()).saga::<Two>().build().await.unwrap()
}

#[derive(Clone, Default)]
struct Codec {
    bad: Arc<AtomicBool>,
}

impl PayloadCodec for Codec {
    fn encode(&self, plain: &[u8], _: &Aad<'_>) -> Result<Vec<u8>, CodecError> {
        Ok(plain.into())
    }
    fn decode(&self, stored: &[u8], _: &Aad<'_>) -> Result<Vec<u8>, CodecError> {
        if self.bad.load(SeqCst) && stored.windows(7).any(|w| w == b"BAD-OUT") {
            panic!("the codec panics");
        }
        Ok(stored.into())
    }
}

#[tokio::test]
async fn a_codec_that_panics_for_one_saga_stops_no_other_saga() {
    let codec = Codec::default();
    let store = EncodedStore::new(MemoryStore::new(), codec.clone());
    fill(&store, &[("bad", "BAD"), ("good", "GOOD")]).await;
    codec.bad.store(true, SeqCst);
    let sec = resumed(&store).await;
    let good = sec.get::<Two>("good").await.unwrap().unwrap();
    let end = timeout(Duration::from_secs(5), good).await.expect("it hangs");
    assert_eq!(end.unwrap(), "GOOD-OUT");
}

/// A store in memory, of which the load of one saga takes forever.
#[derive(Clone, Default)]
struct Hangs {
    memory: MemoryStore,
    saga: Arc<Mutex<Option<SagaId>>>,
    claims: Arc<Claims>,
}

/// What happened since claims are counted.
#[derive(Default)]
struct Claims {
    are_counted: AtomicBool,
    count: AtomicUsize,
    loads: AtomicUsize,
    appends: AtomicUsize,
    appends_before_last_claim: AtomicUsize,
}

type Reply<'a, T> = Pin<Box<dyn Future<Output = Result<T, StoreError>> + Send + 'a>>;

impl Store for Hangs {
    fn create(&self, saga: NewSaga) -> Reply<'_, Created> {
        self.memory.create(saga)
    }
    fn append(&self, append: Append) -> Reply<'_, ()> {
        self.claims.appends.fetch_add(1, SeqCst);
        self.memory.append(append)
    }
    fn load(&self, id: &SagaId) -> Reply<'_, Option<StoredSaga>> {
        let id = id.clone();
        self.claims.loads.fetch_add(1, SeqCst);
        Box::pin(async move {
            let hangs = self.saga.lock().unwrap().as_ref() == Some(&id);
            if hangs {
                std::future::pending::<()>().await;
            }
            self.memory.load(&id).await
        })
    }
    fn list(&self, filter: ListFilter) -> Reply<'_, Vec<SagaRecord>> {
        self.memory.list(filter)
    }
    fn versions(&self) -> Reply<'_, Vec<SagaVersion>> {
        self.memory.versions()
    }
    fn claim(&self, worker: &WorkerId, of: &[String], limit: usize) -> Reply<'_, Vec<SagaRecord>> {
        let (worker, of) = (worker.clone(), of.to_vec());
        Box::pin(async move {
            let claims = &self.claims;
            if claims.are_counted.load(SeqCst) && claims.count.fetch_add(1, SeqCst) > 0 {
                while claims.loads.load(SeqCst) == 0 {
                    tokio::time::sleep(Duration::from_millis(5)).await;
                }
                tokio::time::sleep(Duration::from_millis(50)).await;
                claims.appends_before_last_claim.store(claims.appends.load(SeqCst), SeqCst);
            }
            self.memory.claim(&worker, &of, limit).await
        })
    }
    fn suspend(&self, suspension: Suspension) -> Reply<'_, ()> {
        self.memory.suspend(suspension)
    }

    fn claim_due(
        &self,
        worker: &WorkerId,
        fingerprints: &[String],
        now: Timestamp,
        limit: usize,
    ) -> Reply<'_, Vec<SagaRecord>> {
        self.memory.claim_due(worker, fingerprints, now, limit)
    }

    fn next_due(&self, fingerprints: &[String]) -> Reply<'_, Option<Timestamp>> {
        self.memory.next_due(fingerprints)
    }

    fn release(&self, worker: &WorkerId) -> Reply<'_, ()> {
        self.memory.release(worker)
    }
    fn take(&self, worker: &WorkerId, id: &SagaId) -> Reply<'_, Option<SagaRecord>> {
        self.memory.take(worker, id)
    }
    fn delete(&self, id: &SagaId) -> Reply<'_, bool> {
        self.memory.delete(id)
    }
    fn purge(&self, purge: Purge) -> Reply<'_, u64> {
        self.memory.purge(purge)
    }
    fn request(&self, request: Request) -> Reply<'_, ()> {
        self.memory.request(request)
    }
    fn requests(&self, worker: &WorkerId, limit: usize) -> Reply<'_, Vec<Request>> {
        self.memory.requests(worker, limit)
    }
    fn answer(&self, worker: &WorkerId, request: Uuid, answer: Answer) -> Reply<'_, ()> {
        self.memory.answer(worker, request, answer)
    }
    fn answer_to(&self, request: Uuid) -> Reply<'_, Option<Answer>> {
        self.memory.answer_to(request)
    }
}

async fn hanging() -> Hangs {
    let store = Hangs::default();
    fill(&store, &[("bad", "BAD"), ("good", "GOOD")]).await;
    *store.saga.lock().unwrap() = Some("bad".parse().unwrap());
    store
}

#[tokio::test]
async fn a_saga_whose_load_hangs_delays_no_other_saga() {
    let sec = resumed(&hanging().await).await;
    let good = sec.get::<Two>("good").await.unwrap().unwrap();
    let end = timeout(Duration::from_secs(5), good).await.expect("it waits for the other saga");
    assert_eq!(end.unwrap(), "GOOD-OUT");
}

#[tokio::test]
async fn sagas_are_loaded_while_others_are_claimed_but_do_not_run() {
    let store = Hangs::default();
    // one claim does not take all of them
    let names = (0..300).map(|n| format!("s{n}")).collect::<Vec<_>>();
    fill(&store, &names.iter().map(|name| (&**name, "WORD")).collect::<Vec<_>>()).await;
    store.claims.loads.store(0, SeqCst);
    store.claims.appends.store(0, SeqCst);
    store.claims.are_counted.store(true, SeqCst);
    let built = timeout(Duration::from_secs(5), resumed(&store)).await;
    let sec = built.expect("nothing is loaded before all are claimed");
    assert_eq!(store.claims.count.load(SeqCst), 2);
    assert_eq!(store.claims.appends_before_last_claim.load(SeqCst), 0);
    let last = sec.get::<Two>("s299").await.unwrap().unwrap();
    let end = timeout(Duration::from_secs(5), last).await.expect("it hangs");
    assert_eq!(end.unwrap(), "WORD-OUT");
}

#[tokio::test]
async fn a_shutdown_does_not_wait_for_a_load_that_hangs() {
    let sec = resumed(&hanging().await).await;
    tokio::time::sleep(Duration::from_millis(50)).await;
    let shutdown = sec.shutdown(Duration::from_millis(50));
    timeout(Duration::from_secs(5), shutdown).await.expect("the shutdown hangs").unwrap();
}
