//! Sagas in memory: for tests, and for sagas that need not outlive their process.

use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use futures_util::future::BoxFuture;

use uuid::Uuid;

use super::{
    Append, Created, ListFilter, NewSaga, Purge, RecordChange, SagaRecord, SagaVersion, Store,
    StoreError, StoredSaga, WorkerId, dense,
};
use crate::log::{Answer, Request, SagaId};

/// A store that forgets everything when its last clone is dropped. Clones share their content.
///
/// Like the embedded stores it has one worker at a time: a claim takes over what another worker
/// owned, and that worker's next append is fenced.
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
}

#[derive(Default)]
struct Content {
    sagas: HashMap<SagaId, StoredSaga>,
    requests: HashMap<Uuid, (Request, Option<Answer>)>,
}

impl Content {
    fn answer(&mut self, request: Uuid, given: Answer) {
        if let Some((_, answer @ None)) = self.requests.get_mut(&request) {
            *answer = Some(given);
        }
    }

    fn remove(&mut self, id: &SagaId) {
        self.sagas.remove(id);
        self.requests.retain(|_, (request, _)| request.saga != *id);
    }
}

impl MemoryStore {
    /// An empty store.
    pub fn new() -> Self {
        Self::default()
    }

    fn content(&self) -> MutexGuard<'_, Content> {
        // Every method checks first and writes after: a panic elsewhere leaves nothing half done.
        self.content.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn create_now(&self, saga: NewSaga) -> Result<Created, StoreError> {
        dense::new_saga(&saga).map_err(failed)?;
        let sagas = &mut self.content().sagas;
        if let Some(there) = sagas.get(&saga.record.id) {
            return Ok(Created::Exists(Box::new(there.record.clone())));
        }
        let NewSaga { record, entries } = saga;
        sagas.insert(record.id.clone(), StoredSaga { record, entries });
        Ok(Created::New)
    }

    fn append_now(&self, append: Append) -> Result<(), StoreError> {
        let Append { saga, owner, epoch, expected_next_seq, entries, change, answers } = append;
        let next_seq = dense::next_seq(&saga, expected_next_seq, &entries).map_err(failed)?;
        let mut content = self.content();
        let Some(stored) = content.sagas.get_mut(&saga) else {
            return Err(StoreError::NotFound { saga });
        };
        let record = &mut stored.record;
        if record.owner.as_ref() != Some(&owner)
            || record.epoch != epoch
            || record.next_seq != expected_next_seq
        {
            return Err(StoreError::Fenced { saga });
        }
        record.next_seq = next_seq;
        if let Some(last) = entries.last() {
            record.updated_at = last.at;
        }
        apply(change, record);
        stored.entries.extend(entries);
        for (request, answer) in answers {
            content.answer(request, answer);
        }
        Ok(())
    }

    fn list_now(&self, filter: &ListFilter) -> Vec<SagaRecord> {
        let sagas = &self.content().sagas;
        let mut fitting: Vec<&SagaRecord> = sagas
            .values()
            .map(|stored| &stored.record)
            .filter(|r| filter.statuses.is_empty() || filter.statuses.contains(&r.status))
            .filter(|r| filter.name.as_ref().is_none_or(|name| *name == r.name))
            .filter(|r| filter.created_after.is_none_or(|after| r.created_at > after))
            .filter(|r| filter.created_before.is_none_or(|before| r.created_at < before))
            .filter(|r| filter.after.as_ref().is_none_or(|after| r.id > *after))
            .collect();
        fitting.sort_unstable_by_key(|r| &r.id);
        fitting.into_iter().take(filter.page_size()).cloned().collect()
    }

    fn versions_now(&self) -> Vec<SagaVersion> {
        let sagas = &self.content().sagas;
        let mut versions = BTreeMap::<(&str, &str), (u64, &SagaRecord)>::new();
        for record in sagas.values().map(|s| &s.record).filter(|r| !r.status.is_ended()) {
            let key = (record.name.as_str(), record.fingerprint.as_str());
            let (unfinished, first) = versions.entry(key).or_insert((0, record));
            *unfinished += 1;
            if record.id < first.id {
                *first = record;
            }
        }
        versions
            .into_iter()
            .map(|((name, fingerprint), (unfinished, first))| SagaVersion {
                name: name.to_string(),
                fingerprint: fingerprint.to_string(),
                dag: first.dag.clone(),
                unfinished,
            })
            .collect()
    }

    fn claim_now(
        &self,
        worker: &WorkerId,
        fingerprints: &[String],
        limit: usize,
    ) -> Vec<SagaRecord> {
        let sagas = &mut self.content().sagas;
        let mut free: Vec<&mut SagaRecord> = sagas
            .values_mut()
            .map(|stored| &mut stored.record)
            .filter(|r| !r.status.is_ended() && !r.paused && r.parked_reason.is_none())
            .filter(|r| r.owner.as_ref() != Some(worker))
            .filter(|r| fingerprints.contains(&r.fingerprint))
            .collect();
        free.sort_unstable_by(|a, b| (a.created_at, &a.id).cmp(&(b.created_at, &b.id)));
        free.into_iter()
            .take(limit)
            .map(|record| {
                record.owner = Some(worker.clone());
                record.epoch += 1;
                record.attempts = record.attempts.saturating_add(1);
                record.clone()
            })
            .collect()
    }

    fn release_now(&self, worker: &WorkerId) {
        let sagas = &mut self.content().sagas;
        let owned = sagas.values_mut().map(|stored| &mut stored.record);
        let released = owned.filter(|r| r.owner.as_ref() == Some(worker) && !r.status.is_ended());
        for record in released {
            record.owner = None;
            record.attempts = 0;
        }
    }

    fn delete_now(&self, id: &SagaId) -> Result<bool, StoreError> {
        let mut content = self.content();
        let Some(stored) = content.sagas.get(id) else {
            return Ok(false);
        };
        if stored.record.owner.is_some() && !stored.record.status.is_ended() {
            return Err(StoreError::Fenced { saga: id.clone() });
        }
        content.remove(id);
        Ok(true)
    }

    fn take_now(&self, worker: &WorkerId, id: &SagaId) -> Option<SagaRecord> {
        let mut content = self.content();
        let record = &mut content.sagas.get_mut(id)?.record;
        record.owner = Some(worker.clone());
        record.epoch += 1;
        Some(record.clone())
    }

    fn purge_now(&self, purge: &Purge) -> u64 {
        let ends = purge.ends();
        let mut content = self.content();
        let old: Vec<SagaId> = content
            .sagas
            .values()
            .map(|stored| &stored.record)
            .filter(|r| ends.contains(&r.status) && r.updated_at < purge.ended_before)
            .map(|r| r.id.clone())
            .take(purge.limit)
            .collect();
        old.iter().for_each(|id| content.remove(id));
        old.len() as u64
    }

    fn request_now(&self, request: Request) -> Result<(), StoreError> {
        let mut content = self.content();
        if !content.sagas.contains_key(&request.saga) {
            return Err(StoreError::NotFound { saga: request.saga });
        }
        content.requests.entry(request.id).or_insert((request, None));
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
        Box::pin(async move { self.append_now(append) })
    }

    fn load(&self, id: &SagaId) -> BoxFuture<'_, Result<Option<StoredSaga>, StoreError>> {
        let id = id.clone();
        Box::pin(async move { Ok(self.content().sagas.get(&id).cloned()) })
    }

    fn list(&self, filter: ListFilter) -> BoxFuture<'_, Result<Vec<SagaRecord>, StoreError>> {
        Box::pin(async move { Ok(self.list_now(&filter)) })
    }

    fn versions(&self) -> BoxFuture<'_, Result<Vec<SagaVersion>, StoreError>> {
        Box::pin(async move { Ok(self.versions_now()) })
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

    fn answer(&self, request: Uuid, answer: Answer) -> BoxFuture<'_, Result<(), StoreError>> {
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

fn apply(change: RecordChange, record: &mut SagaRecord) {
    let RecordChange { status, wake_at, error, context, paused, parked_reason, progress } = change;
    record.status = status;
    record.wake_at = wake_at;
    if error.is_some() {
        record.error = error;
    }
    if context.is_some() {
        record.context = context;
    }
    if let Some(paused) = paused {
        record.paused = paused;
    }
    if let Some(parked_reason) = parked_reason {
        record.parked_reason = parked_reason;
    }
    if progress {
        record.attempts = 1;
    }
}

fn failed(why: String) -> StoreError {
    StoreError::Failed { store: "the memory store".to_string(), why }
}
