//! A store in memory of which one chosen write fails.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};

use saga_core::log::{Timestamp, Uuid};
use saga_core::operator::Request;
use saga_core::store::{
    Append, Created, ListFilter, MemoryStore, NewSaga, Purge, SagaRecord, SagaVersion, Store,
    StoreError, StoredSaga, Suspension, WorkerId,
};

use super::world::World;

type StoreFuture<'a, T> =
    std::pin::Pin<Box<dyn Future<Output = Result<T, StoreError>> + Send + 'a>>;

/// Keeps sagas in memory. The write number `at`, counted from 1, fails. `lands` says whether it takes effect all the
/// same, as if the connection had broken during the commit.
#[derive(Clone)]
pub(crate) struct FailingStore {
    pub(crate) memory: MemoryStore,
    pub(crate) at: usize,
    pub(crate) lands: bool,
    pub(crate) world: Arc<World>,
    writes: Arc<AtomicUsize>,
    /// Which `load` after that write fails too, counted from 1; 0 means none.
    pub(crate) bad_load: usize,
    loads: Arc<AtomicUsize>,
    /// The number of calls that had been made when the write failed, plus 1.
    calls: Arc<AtomicUsize>,
}

impl FailingStore {
    pub(crate) fn new(world: &Arc<World>, at: usize, lands: bool) -> Self {
        let (memory, world) = (MemoryStore::new(), world.clone());
        let (writes, calls, loads) = Default::default();
        Self { memory, at, lands, world, writes, bad_load: 0, loads, calls }
    }

    /// Returns how many calls had been made when the write failed, if it has failed.
    pub(crate) fn failed(&self) -> Option<usize> {
        self.calls.load(SeqCst).checked_sub(1)
    }

    /// Counts a write, and returns an error if it is the one that fails.
    fn fail(&self) -> Option<StoreError> {
        (self.writes.fetch_add(1, SeqCst) + 1 == self.at).then(|| {
            self.calls.store(self.world.said().len() + 1, SeqCst);
            no_space()
        })
    }
}

fn no_space() -> StoreError {
    StoreError::Failed { store: "disk".into(), why: "no space left".into() }
}

impl Store for FailingStore {
    fn create(&self, saga: NewSaga) -> StoreFuture<'_, Created> {
        Box::pin(async move {
            match self.fail() {
                Some(error) if !self.lands => Err(error),
                error => {
                    let created = self.memory.create(saga).await;
                    error.map_or(created, Err)
                }
            }
        })
    }
    fn append(&self, append: Append) -> StoreFuture<'_, ()> {
        Box::pin(async move {
            match self.fail() {
                Some(error) if !self.lands => Err(error),
                error => {
                    let appended = self.memory.append(append).await;
                    error.map_or(appended, Err)
                }
            }
        })
    }
    fn load(&self, id: &saga_core::SagaId) -> StoreFuture<'_, Option<StoredSaga>> {
        let nth = self.failed().map_or(0, |_| self.loads.fetch_add(1, SeqCst) + 1);
        if nth == self.bad_load && nth > 0 {
            return Box::pin(async { Err(no_space()) });
        }
        self.memory.load(id)
    }
    fn list(&self, filter: ListFilter) -> StoreFuture<'_, Vec<SagaRecord>> {
        self.memory.list(filter)
    }
    fn versions(&self) -> StoreFuture<'_, Vec<SagaVersion>> {
        self.memory.versions()
    }
    fn claim(
        &self,
        worker: &WorkerId,
        of: &[String],
        limit: usize,
    ) -> StoreFuture<'_, Vec<SagaRecord>> {
        self.memory.claim(worker, of, limit)
    }
    fn suspend(&self, suspension: Suspension) -> StoreFuture<'_, ()> {
        Box::pin(async move {
            match self.fail() {
                Some(error) if !self.lands => Err(error),
                error => {
                    let suspended = self.memory.suspend(suspension).await;
                    error.map_or(suspended, Err)
                }
            }
        })
    }

    fn claim_due(
        &self,
        worker: &WorkerId,
        fingerprints: &[String],
        now: Timestamp,
        limit: usize,
    ) -> StoreFuture<'_, Vec<SagaRecord>> {
        let (worker, fingerprints) = (worker.clone(), fingerprints.to_vec());
        Box::pin(async move {
            match self.fail() {
                Some(error) if !self.lands => Err(error),
                error => {
                    let due = self.memory.claim_due(&worker, &fingerprints, now, limit).await;
                    error.map_or(due, Err)
                }
            }
        })
    }

    fn next_due(&self, fingerprints: &[String]) -> StoreFuture<'_, Option<Timestamp>> {
        self.memory.next_due(fingerprints)
    }

    fn release(&self, worker: &WorkerId) -> StoreFuture<'_, ()> {
        self.memory.release(worker)
    }
    fn take(
        &self,
        worker: &WorkerId,
        id: &saga_core::SagaId,
    ) -> StoreFuture<'_, Option<SagaRecord>> {
        self.memory.take(worker, id)
    }
    fn delete(&self, id: &saga_core::SagaId) -> StoreFuture<'_, bool> {
        self.memory.delete(id)
    }
    fn purge(&self, purge: Purge) -> StoreFuture<'_, u64> {
        self.memory.purge(purge)
    }
    fn request(&self, request: Request) -> StoreFuture<'_, ()> {
        self.memory.request(request)
    }
    fn requests(&self, worker: &WorkerId, limit: usize) -> StoreFuture<'_, Vec<Request>> {
        self.memory.requests(worker, limit)
    }
    fn answer(
        &self,
        worker: &WorkerId,
        request: Uuid,
        answer: saga_core::operator::Answer,
    ) -> StoreFuture<'_, ()> {
        self.memory.answer(worker, request, answer)
    }
    fn answer_to(&self, request: Uuid) -> StoreFuture<'_, Option<saga_core::operator::Answer>> {
        self.memory.answer_to(request)
    }
}
