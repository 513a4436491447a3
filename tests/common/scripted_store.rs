//! A store in memory that waits or fails at whichever calls a test chooses.

use std::pin::Pin;
use std::sync::{Arc, Mutex};

use saga_core::SagaId;
use saga_core::log::Uuid;
use saga_core::operator::Request;
use saga_core::store::{
    Append, Created, ListFilter, MemoryStore, NewSaga, Purge, SagaRecord, SagaVersion, Store,
    StoreError, StoredSaga, WorkerId,
};

/// A call of the store.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Call {
    Create(String),
    /// The saga, and the kinds of the entries.
    Append(String, Vec<&'static str>),
    Load(String),
    Claim,
    Release,
    Close,
    Take(String),
    Requests,
    Other,
}

type StoreFuture<'a, T> = Pin<Box<dyn Future<Output = Result<T, StoreError>> + Send + 'a>>;
type Hook = dyn Fn(&Call) -> Option<StoreFuture<'static, ()>> + Send + Sync;

/// Keeps sagas in memory, and records all calls.
#[derive(Clone, Default)]
pub(crate) struct ScriptedStore {
    pub(crate) memory: MemoryStore,
    hook: Arc<Mutex<Option<Arc<Hook>>>>,
    calls: Arc<Mutex<Vec<Call>>>,
}

impl ScriptedStore {
    /// Runs a hook before each call from now on. If the hook fails, so does the call.
    pub(crate) fn before(
        &self,
        hook: impl Fn(&Call) -> Option<StoreFuture<'static, ()>> + Send + Sync + 'static,
    ) {
        *self.hook.lock().unwrap() = Some(Arc::new(hook));
    }

    /// Removes the hook.
    pub(crate) fn heal(&self) {
        *self.hook.lock().unwrap() = None;
    }

    /// Returns all calls so far.
    pub(crate) fn calls(&self) -> Vec<Call> {
        self.calls.lock().unwrap().clone()
    }

    /// Returns how many other clones of the store exist.
    pub(crate) fn others(&self) -> usize {
        Arc::strong_count(&self.calls) - 1
    }

    fn call<'a, T: 'a>(&'a self, call: Call, then: StoreFuture<'a, T>) -> StoreFuture<'a, T> {
        self.calls.lock().unwrap().push(call.clone());
        let hook = self.hook.lock().unwrap().clone();
        let before = hook.and_then(|hook| hook(&call));
        Box::pin(async move {
            if let Some(before) = before {
                before.await?;
            }
            then.await
        })
    }
}

/// The error of a store that cannot write now.
pub(crate) fn no_space() -> StoreError {
    StoreError::Failed { store: "disk".into(), why: "no space left".into() }
}

impl Store for ScriptedStore {
    fn create(&self, saga: NewSaga) -> StoreFuture<'_, Created> {
        self.call(Call::Create(saga.record.id.to_string()), self.memory.create(saga))
    }
    fn append(&self, append: Append) -> StoreFuture<'_, ()> {
        let kinds = append.entries.iter().map(|entry| entry.kind.name()).collect();
        self.call(Call::Append(append.saga.to_string(), kinds), self.memory.append(append))
    }
    fn load(&self, id: &SagaId) -> StoreFuture<'_, Option<StoredSaga>> {
        self.call(Call::Load(id.to_string()), self.memory.load(id))
    }
    fn list(&self, filter: ListFilter) -> StoreFuture<'_, Vec<SagaRecord>> {
        self.call(Call::Other, self.memory.list(filter))
    }
    fn versions(&self) -> StoreFuture<'_, Vec<SagaVersion>> {
        self.call(Call::Other, self.memory.versions())
    }
    fn claim(
        &self,
        worker: &WorkerId,
        of: &[String],
        limit: usize,
    ) -> StoreFuture<'_, Vec<SagaRecord>> {
        self.call(Call::Claim, self.memory.claim(worker, of, limit))
    }
    fn release(&self, worker: &WorkerId) -> StoreFuture<'_, ()> {
        self.call(Call::Release, self.memory.release(worker))
    }
    fn close(&self) -> StoreFuture<'_, ()> {
        self.call(Call::Close, self.memory.close())
    }
    fn take(&self, worker: &WorkerId, id: &SagaId) -> StoreFuture<'_, Option<SagaRecord>> {
        self.call(Call::Take(id.to_string()), self.memory.take(worker, id))
    }
    fn delete(&self, id: &SagaId) -> StoreFuture<'_, bool> {
        self.call(Call::Other, self.memory.delete(id))
    }
    fn purge(&self, purge: Purge) -> StoreFuture<'_, u64> {
        self.call(Call::Other, self.memory.purge(purge))
    }
    fn request(&self, request: Request) -> StoreFuture<'_, ()> {
        self.call(Call::Other, self.memory.request(request))
    }
    fn requests(&self, worker: &WorkerId, limit: usize) -> StoreFuture<'_, Vec<Request>> {
        self.call(Call::Requests, self.memory.requests(worker, limit))
    }
    fn answer(&self, request: Uuid, answer: saga_core::operator::Answer) -> StoreFuture<'_, ()> {
        self.call(Call::Other, self.memory.answer(request, answer))
    }
    fn answer_to(&self, request: Uuid) -> StoreFuture<'_, Option<saga_core::operator::Answer>> {
        self.call(Call::Other, self.memory.answer_to(request))
    }
}
