//! A store in memory that outlives the processes of a run, and in which they die.

use std::future::pending;
use std::sync::Arc;

use futures_util::future::BoxFuture;

use super::stage::Stage;
use crate::log::{Answer, Entry, Request, SagaId, Uuid};
use crate::panics;
use crate::store::{
    Append, Created, ListFilter, MemoryStore, NewSaga, Purge, SagaRecord, SagaVersion, Store,
    StoreError, StoredSaga, WorkerId,
};

/// What is checked whenever something has become durable.
pub(super) type Always = Arc<dyn Fn() + Send + Sync>;

#[derive(Clone)]
pub(super) struct StagedStore {
    pub(super) memory: MemoryStore,
    pub(super) stage: Arc<Stage>,
    pub(super) always: Option<Always>,
}

impl StagedStore {
    /// Something is durable now. Does not return if the process dies.
    async fn appended(&self, number: usize, entries: &[Entry]) {
        let goes_on = self.stage.appended(number, entries);
        if let Some(always) = &self.always
            && let Err(message) = panics::finding(|| always())
        {
            self.stage.seen().violation.get_or_insert(message);
        }
        if !goes_on {
            pending().await
        }
    }

    /// The number of the append that begins. Does not return if the process dies.
    async fn begins(&self) -> usize {
        match self.stage.append_begins() {
            Some(number) => number,
            None => pending().await,
        }
    }
}

impl Store for StagedStore {
    fn create(&self, saga: NewSaga) -> BoxFuture<'_, Result<Created, StoreError>> {
        Box::pin(async move {
            let (number, entries) = (self.begins().await, saga.entries.clone());
            let created = self.memory.create(saga).await?;
            if matches!(created, Created::New) {
                self.appended(number, &entries).await;
            }
            Ok(created)
        })
    }

    fn append(&self, append: Append) -> BoxFuture<'_, Result<(), StoreError>> {
        Box::pin(async move {
            let (number, entries) = (self.begins().await, append.entries.clone());
            self.memory.append(append).await?;
            self.appended(number, &entries).await;
            Ok(())
        })
    }

    fn load(&self, id: &SagaId) -> BoxFuture<'_, Result<Option<StoredSaga>, StoreError>> {
        self.memory.load(id)
    }

    fn list(&self, filter: ListFilter) -> BoxFuture<'_, Result<Vec<SagaRecord>, StoreError>> {
        self.memory.list(filter)
    }

    fn versions(&self) -> BoxFuture<'_, Result<Vec<SagaVersion>, StoreError>> {
        self.memory.versions()
    }

    fn claim(
        &self,
        worker: &WorkerId,
        fingerprints: &[String],
        limit: usize,
    ) -> BoxFuture<'_, Result<Vec<SagaRecord>, StoreError>> {
        self.memory.claim(worker, fingerprints, limit)
    }

    fn release(&self, worker: &WorkerId) -> BoxFuture<'_, Result<(), StoreError>> {
        self.memory.release(worker)
    }

    fn take(
        &self,
        worker: &WorkerId,
        id: &SagaId,
    ) -> BoxFuture<'_, Result<Option<SagaRecord>, StoreError>> {
        self.memory.take(worker, id)
    }

    fn delete(&self, id: &SagaId) -> BoxFuture<'_, Result<bool, StoreError>> {
        self.memory.delete(id)
    }

    fn purge(&self, purge: Purge) -> BoxFuture<'_, Result<u64, StoreError>> {
        self.memory.purge(purge)
    }

    fn request(&self, request: Request) -> BoxFuture<'_, Result<(), StoreError>> {
        self.memory.request(request)
    }

    fn requests(
        &self,
        worker: &WorkerId,
        limit: usize,
    ) -> BoxFuture<'_, Result<Vec<Request>, StoreError>> {
        self.memory.requests(worker, limit)
    }

    fn requested(&self) -> Option<BoxFuture<'static, ()>> {
        self.memory.requested()
    }

    fn answer(&self, request: Uuid, answer: Answer) -> BoxFuture<'_, Result<(), StoreError>> {
        self.memory.answer(request, answer)
    }

    fn answer_to(&self, request: Uuid) -> BoxFuture<'_, Result<Option<Answer>, StoreError>> {
        self.memory.answer_to(request)
    }
}
