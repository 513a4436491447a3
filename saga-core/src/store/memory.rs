//! [`MemoryStore`]: sagas in memory, for tests and for sagas that need not outlive their process.

use std::collections::BTreeSet;
use std::collections::hash_map::Entry;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use futures_util::future::BoxFuture;
use tokio::sync::Notify;

use uuid::Uuid;

use super::{
    Append, Created, ListFilter, NewSaga, Purge, RequestsWithAnswers, SagaRecord, SagaVersion,
    Store, StoreError, StoredSaga, Suspension, VersionCounts, WorkerId,
};
use crate::ambient::HashMap;
use crate::log::{Answer, Request, SagaId, SagaMap, Timestamp};

/// A store in memory. Clones share their content, which is lost when the last clone is dropped.
///
/// Like the stores on disk it has one worker at a time: a claim takes sagas over from another worker, and that
/// worker's next append is fenced.
///
/// ```
/// use saga_core::store::{ListFilter, MemoryStore, Store};
/// # tokio::runtime::Builder::new_current_thread().build()?.block_on(async {
/// let store = MemoryStore::new();
/// assert!(store.list(ListFilter::default()).await?.is_empty());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// # })?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Default)]
pub struct MemoryStore {
    content: Arc<Mutex<Content>>,
    /// Notified of each new request.
    requested: Arc<Notify>,
}

#[derive(Default)]
struct Content {
    /// Boxed, since a map has room for many more than it holds.
    sagas: SagaMap<Box<StoredSaga>>,
    requests: HashMap<Uuid, (Request, Option<Answer>)>,
}

impl Content {
    fn records(&self) -> impl Iterator<Item = &SagaRecord> {
        self.sagas.values().map(|stored| &stored.record)
    }

    fn answer(&mut self, request: Uuid, given: Answer) {
        if let Some((_, answer @ None)) = self.requests.get_mut(&request) {
            *answer = Some(given);
        }
    }

    fn requests_of(&self, saga: &SagaId) -> RequestsWithAnswers {
        let of = self.requests.values().filter(|(request, _)| request.saga == *saga);
        let mut of = of.cloned().collect::<Vec<_>>();
        of.sort_unstable_by_key(|(request, _)| (request.at, request.id));
        of
    }

    fn claim(&mut self, worker: &WorkerId, sagas: Vec<SagaId>) -> Vec<SagaRecord> {
        let mut claimed = Vec::with_capacity(sagas.len());
        for id in sagas {
            if let Some(stored) = self.sagas.get_mut(&id) {
                stored.record.claim(worker);
                claimed.push(stored.record.clone());
            }
        }
        claimed
    }

    fn remove(&mut self, id: &SagaId) {
        self.sagas.remove(id);
        self.requests.retain(|_, (request, _)| request.saga != *id);
    }
}

impl MemoryStore {
    /// Creates an empty store.
    pub fn new() -> Self {
        Self::default()
    }

    fn content(&self) -> MutexGuard<'_, Content> {
        // Every method completes its checks before it writes, so a panic leaves nothing half done.
        self.content.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn create_now(&self, saga: NewSaga) -> Result<Created, StoreError> {
        saga.check().map_err(failed)?;
        let NewSaga { record, entries } = saga;
        match self.content().sagas.entry(record.id.clone()) {
            Entry::Occupied(there) => Ok(Created::Exists(Box::new(there.get().record.clone()))),
            Entry::Vacant(place) => {
                place.insert(Box::new(StoredSaga { record, entries }));
                Ok(Created::New)
            }
        }
    }

    fn append_now(&self, append: Append) -> Result<(), StoreError> {
        append.check().map_err(failed)?;
        let mut content = self.content();
        let Some(stored) = content.sagas.get_mut(&append.saga) else {
            return Err(StoreError::NotFound { saga: append.saga });
        };
        append.apply_to(&mut stored.record)?;
        // there may be very many sagas whose logs do not grow any more, so none has much more room than it needs
        let entries = &mut stored.entries;
        if entries.capacity() - entries.len() < append.entries.len() {
            entries.reserve_exact(append.entries.len().max(entries.len() / 2));
        }
        entries.extend(append.entries);
        for (request, answer) in append.answers {
            content.answer(request, answer);
        }
        Ok(())
    }

    fn claim_now(
        &self,
        worker: &WorkerId,
        fingerprints: &[String],
        limit: usize,
    ) -> Vec<SagaRecord> {
        let mut content = self.content();
        let free = SagaRecord::claimable(content.records(), worker, fingerprints, limit);
        content.claim(worker, free)
    }

    fn suspend_now(&self, suspension: &Suspension) -> Result<(), StoreError> {
        match self.content().sagas.get_mut(&suspension.saga) {
            Some(stored) => stored.record.suspend(suspension),
            None => Err(StoreError::NotFound { saga: suspension.saga.clone() }),
        }
    }

    fn claim_due_now(
        &self,
        worker: &WorkerId,
        fingerprints: &[String],
        now: Timestamp,
        limit: usize,
    ) -> Vec<SagaRecord> {
        let mut content = self.content();
        let due = SagaRecord::due(content.records(), fingerprints, now, limit);
        content.claim(worker, due)
    }

    fn release_now(&self, worker: &WorkerId) {
        for stored in self.content().sagas.values_mut() {
            stored.record.release(worker);
        }
    }

    fn delete_now(&self, id: &SagaId) -> Result<bool, StoreError> {
        let mut content = self.content();
        let Some(stored) = content.sagas.get(id) else {
            return Ok(false);
        };
        if stored.record.is_held() {
            return Err(StoreError::Fenced { saga: id.clone() });
        }
        content.remove(id);
        Ok(true)
    }

    fn take_now(&self, worker: &WorkerId, id: &SagaId) -> Option<SagaRecord> {
        let mut content = self.content();
        let record = &mut content.sagas.get_mut(id)?.record;
        record.take(worker);
        Some(record.clone())
    }

    fn purge_now(&self, purge: &Purge) -> u64 {
        let mut content = self.content();
        let waiting = content.requests.values().filter(|(_, answer)| answer.is_none());
        let asked = waiting.map(|(request, _)| &request.saga).collect::<BTreeSet<_>>();
        let old = purge.select(content.records(), |id| asked.contains(id));
        old.iter().for_each(|id| content.remove(id));
        old.len() as u64
    }

    fn request_now(&self, request: Request) -> Result<(), StoreError> {
        let mut content = self.content();
        if !content.sagas.contains_key(&request.saga) {
            return Err(StoreError::NotFound { saga: request.saga });
        }
        content.requests.entry(request.id).or_insert((request, None));
        drop(content);
        self.requested.notify_waiters();
        Ok(())
    }

    fn requests_now(&self, limit: usize) -> Vec<Request> {
        let content = self.content();
        let mut waiting: Vec<&Request> = content
            .requests
            .values()
            .filter_map(|(request, answer)| answer.is_none().then_some(request))
            .collect();
        waiting.sort_unstable_by_key(|request| (request.at, request.id));
        waiting.into_iter().take(limit).cloned().collect()
    }
}

impl fmt::Debug for MemoryStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MemoryStore").field("sagas", &self.content().sagas.len()).finish()
    }
}

impl Store for MemoryStore {
    fn create(&self, saga: NewSaga) -> BoxFuture<'_, Result<Created, StoreError>> {
        Box::pin(async move { self.create_now(saga) })
    }

    fn append(&self, append: Append) -> BoxFuture<'_, Result<(), StoreError>> {
        // nothing happens before the future is polled: who wraps a store relies on it
        Box::pin(async move { self.append_now(append) })
    }

    fn load(&self, id: &SagaId) -> BoxFuture<'_, Result<Option<StoredSaga>, StoreError>> {
        let id = id.clone();
        Box::pin(async move {
            Ok(self.content().sagas.get(&id).map(|stored| StoredSaga::clone(stored)))
        })
    }

    fn list(&self, filter: ListFilter) -> BoxFuture<'_, Result<Vec<SagaRecord>, StoreError>> {
        Box::pin(async move { Ok(filter.select(self.content().records())) })
    }

    fn versions(&self) -> BoxFuture<'_, Result<Vec<SagaVersion>, StoreError>> {
        Box::pin(async move { Ok(SagaVersion::select(self.content().records())) })
    }

    fn counts(&self) -> BoxFuture<'_, Result<Vec<VersionCounts>, StoreError>> {
        Box::pin(async move { Ok(VersionCounts::select(self.content().records())) })
    }

    fn claim(
        &self,
        worker: &WorkerId,
        fingerprints: &[String],
        limit: usize,
    ) -> BoxFuture<'_, Result<Vec<SagaRecord>, StoreError>> {
        let (worker, fingerprints) = (worker.clone(), fingerprints.to_vec());
        Box::pin(async move { Ok(self.claim_now(&worker, &fingerprints, limit)) })
    }

    fn suspend(&self, suspension: Suspension) -> BoxFuture<'_, Result<(), StoreError>> {
        Box::pin(async move { self.suspend_now(&suspension) })
    }

    fn claim_due(
        &self,
        worker: &WorkerId,
        fingerprints: &[String],
        now: Timestamp,
        limit: usize,
    ) -> BoxFuture<'_, Result<Vec<SagaRecord>, StoreError>> {
        let (worker, fingerprints) = (worker.clone(), fingerprints.to_vec());
        Box::pin(async move { Ok(self.claim_due_now(&worker, &fingerprints, now, limit)) })
    }

    fn next_due(
        &self,
        fingerprints: &[String],
    ) -> BoxFuture<'_, Result<Option<Timestamp>, StoreError>> {
        let fingerprints = fingerprints.to_vec();
        Box::pin(async move { Ok(SagaRecord::next_due(self.content().records(), &fingerprints)) })
    }

    fn release(&self, worker: &WorkerId) -> BoxFuture<'_, Result<(), StoreError>> {
        let worker = worker.clone();
        Box::pin(async move {
            self.release_now(&worker);
            Ok(())
        })
    }

    fn delete(&self, id: &SagaId) -> BoxFuture<'_, Result<bool, StoreError>> {
        let id = id.clone();
        Box::pin(async move { self.delete_now(&id) })
    }

    fn take(
        &self,
        worker: &WorkerId,
        id: &SagaId,
    ) -> BoxFuture<'_, Result<Option<SagaRecord>, StoreError>> {
        let (worker, id) = (worker.clone(), id.clone());
        Box::pin(async move { Ok(self.take_now(&worker, &id)) })
    }

    fn purge(&self, purge: Purge) -> BoxFuture<'_, Result<u64, StoreError>> {
        Box::pin(async move { Ok(self.purge_now(&purge)) })
    }

    fn request(&self, request: Request) -> BoxFuture<'_, Result<(), StoreError>> {
        Box::pin(async move { self.request_now(request) })
    }

    fn requests(
        &self,
        _worker: &WorkerId,
        limit: usize,
    ) -> BoxFuture<'_, Result<Vec<Request>, StoreError>> {
        Box::pin(async move { Ok(self.requests_now(limit)) })
    }

    fn requests_of(&self, saga: &SagaId) -> BoxFuture<'_, Result<RequestsWithAnswers, StoreError>> {
        let saga = saga.clone();
        Box::pin(async move { Ok(self.content().requests_of(&saga)) })
    }

    fn requested(&self) -> Option<BoxFuture<'static, ()>> {
        Some(Box::pin(self.requested.clone().notified_owned()))
    }

    fn answer(
        &self,
        _: &WorkerId,
        request: Uuid,
        answer: Answer,
    ) -> BoxFuture<'_, Result<(), StoreError>> {
        Box::pin(async move {
            self.content().answer(request, answer);
            Ok(())
        })
    }

    fn answer_to(&self, request: Uuid) -> BoxFuture<'_, Result<Option<Answer>, StoreError>> {
        Box::pin(async move {
            Ok(self.content().requests.get(&request).and_then(|(_, answer)| answer.clone()))
        })
    }
}

fn failed(why: String) -> StoreError {
    StoreError::Failed { store: "the memory store".to_string(), why }
}
