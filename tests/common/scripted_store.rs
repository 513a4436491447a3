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

/// What the store was asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Call {
    Create(String),
    /// With the words of its entries.
    Append(String, Vec<&'static str>),
    Load(String),
    Claim,
    Release,
    Close,
    Take(String),
    Requests,
    Other,
}

type Answer<'a, T> = Pin<Box<dyn Future<Output = Result<T, StoreError>> + Send + 'a>>;
type Hook = dyn Fn(&Call) -> Option<Answer<'static, ()>> + Send + Sync;

/// Keeps sagas in memory.
#[derive(Clone, Default)]
pub(crate) struct ScriptedStore {
    pub(crate) memory: MemoryStore,
    hook: Arc<Mutex<Option<Arc<Hook>>>>,
    calls: Arc<Mutex<Vec<Call>>>,
}

impl ScriptedStore {
    /// What comes before each call from now on; one whose hook fails does nothing else.
    pub(crate) fn before(
        &self,
        hook: impl Fn(&Call) -> Option<Answer<'static, ()>> + Send + Sync + 'static,
    ) {
        *self.hook.lock().unwrap() = Some(Arc::new(hook));
    }

    /// As it would be without a hook.
    pub(crate) fn heal(&self) {
        *self.hook.lock().unwrap() = None;
    }

    /// All that it was asked so far.
    pub(crate) fn calls(&self) -> Vec<Call> {
        self.calls.lock().unwrap().clone()
    }

    /// How many others hold this store.
    pub(crate) fn others(&self) -> usize {
        Arc::strong_count(&self.calls) - 1
    }

    fn call<'a, T: 'a>(&'a self, call: Call, then: Answer<'a, T>) -> Answer<'a, T> {
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
    fn create(&self, saga: NewSaga) -> Answer<'_, Created> {
        self.call(Call::Create(saga.record.id.to_string()), self.memory.create(saga))
    }
    fn append(&self, append: Append) -> Answer<'_, ()> {
        let kinds = append.entries.iter().map(|entry| entry.kind.name()).collect();
        self.call(Call::Append(append.saga.to_string(), kinds), self.memory.append(append))
    }
    fn load(&self, id: &SagaId) -> Answer<'_, Option<StoredSaga>> {
        self.call(Call::Load(id.to_string()), self.memory.load(id))
    }
    fn list(&self, filter: ListFilter) -> Answer<'_, Vec<SagaRecord>> {
        self.call(Call::Other, self.memory.list(filter))
    }
    fn versions(&self) -> Answer<'_, Vec<SagaVersion>> {
        self.call(Call::Other, self.memory.versions())
    }
    fn claim(&self, worker: &WorkerId, of: &[String], limit: usize) -> Answer<'_, Vec<SagaRecord>> {
        self.call(Call::Claim, self.memory.claim(worker, of, limit))
    }
    fn release(&self, worker: &WorkerId) -> Answer<'_, ()> {
        self.call(Call::Release, self.memory.release(worker))
    }
    fn close(&self) -> Answer<'_, ()> {
        self.call(Call::Close, self.memory.close())
    }
    fn take(&self, worker: &WorkerId, id: &SagaId) -> Answer<'_, Option<SagaRecord>> {
        self.call(Call::Take(id.to_string()), self.memory.take(worker, id))
    }
    fn delete(&self, id: &SagaId) -> Answer<'_, bool> {
        self.call(Call::Other, self.memory.delete(id))
    }
    fn purge(&self, purge: Purge) -> Answer<'_, u64> {
        self.call(Call::Other, self.memory.purge(purge))
    }
    fn request(&self, request: Request) -> Answer<'_, ()> {
        self.call(Call::Other, self.memory.request(request))
    }
    fn requests(&self, worker: &WorkerId, limit: usize) -> Answer<'_, Vec<Request>> {
        self.call(Call::Requests, self.memory.requests(worker, limit))
    }
    fn answer(&self, request: Uuid, answer: saga_core::operator::Answer) -> Answer<'_, ()> {
        self.call(Call::Other, self.memory.answer(request, answer))
    }
    fn answer_to(&self, request: Uuid) -> Answer<'_, Option<saga_core::operator::Answer>> {
        self.call(Call::Other, self.memory.answer_to(request))
    }
}
