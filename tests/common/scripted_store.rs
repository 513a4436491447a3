//! A store in memory that waits or fails at whichever calls a test chooses. It may be one that several workers share.

use std::collections::BTreeMap;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::time::{SystemTime, UNIX_EPOCH};

use saga_core::SagaId;
use saga_core::log::{Timestamp, Uuid};
use saga_core::operator::Request;
use saga_core::store::{
    Append, CallShares, Created, LeaseTerms, ListFilter, MemoryStore, NewSaga, Purge, SagaRecord,
    SagaVersion, ShareChange, SharedCalls, Store, StoreError, StoredSaga, Suspension, WorkerId,
};

use super::leases::Leases;

/// A call of the store.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Call {
    Create(String),
    /// The saga, and the kinds of the entries.
    Append(String, Vec<&'static str>),
    Load(String),
    Claim,
    /// The worker.
    Renew(String),
    Release,
    Close,
    Take(String),
    Requests,
    ReadShares,
    ChangeShares,
    Other,
}

type StoreFuture<'a, T> = Pin<Box<dyn Future<Output = Result<T, StoreError>> + Send + 'a>>;
type Hook = dyn Fn(&Call) -> Option<StoreFuture<'static, ()>> + Send + Sync;

/// Keeps sagas in memory, and records all calls.
#[derive(Clone, Default)]
pub(crate) struct ScriptedStore {
    pub(crate) memory: MemoryStore,
    hook: Arc<Mutex<Option<Arc<Hook>>>>,
    late_hook: Arc<Mutex<Option<Arc<Hook>>>>,
    calls: Arc<Mutex<Vec<Call>>>,
    leases: Option<Arc<Leases>>,
    shares: Arc<Mutex<BTreeMap<String, CallShares>>>,
}

impl ScriptedStore {
    /// Creates a store that several workers share.
    pub(crate) fn leased(terms: LeaseTerms) -> Self {
        Self { leases: Some(Arc::new(Leases::new(terms))), ..Self::default() }
    }

    /// True while a worker is alive.
    pub(crate) fn is_alive(&self, worker: &WorkerId) -> bool {
        self.leases.as_ref().is_none_or(|leases| leases.is_alive(worker))
    }

    /// What the workers hold of the calls of an action.
    pub(crate) fn held(&self, action: &str) -> Vec<u32> {
        let shares = self.shares.lock().unwrap();
        let shares = shares.get(action).map(|there| there.shares.clone()).unwrap_or_default();
        shares.iter().map(|share| share.held).collect()
    }

    /// Runs a hook before each call from now on. If the hook fails, so does the call.
    pub(crate) fn before(
        &self,
        hook: impl Fn(&Call) -> Option<StoreFuture<'static, ()>> + Send + Sync + 'static,
    ) {
        *self.hook.lock().unwrap() = Some(Arc::new(hook));
    }

    /// Runs a hook after each call that has succeeded, from now on: what it has done is not told before the hook ends.
    pub(crate) fn after(
        &self,
        hook: impl Fn(&Call) -> Option<StoreFuture<'static, ()>> + Send + Sync + 'static,
    ) {
        *self.late_hook.lock().unwrap() = Some(Arc::new(hook));
    }

    /// Removes the hooks.
    pub(crate) fn heal(&self) {
        *self.hook.lock().unwrap() = None;
        *self.late_hook.lock().unwrap() = None;
    }

    /// Returns all calls so far.
    pub(crate) fn calls(&self) -> Vec<Call> {
        self.calls.lock().unwrap().clone()
    }

    /// Returns how many other clones of the store exist.
    pub(crate) fn others(&self) -> usize {
        Arc::strong_count(&self.calls) - 1
    }

    fn call<'a, T: Send + 'a>(
        &'a self,
        call: Call,
        then: StoreFuture<'a, T>,
    ) -> StoreFuture<'a, T> {
        self.calls.lock().unwrap().push(call.clone());
        let hook = self.hook.lock().unwrap().clone();
        let before = hook.and_then(|hook| hook(&call));
        Box::pin(async move {
            if let Some(before) = before {
                before.await?;
            }
            let result = then.await?;
            let hook = self.late_hook.lock().unwrap().clone();
            if let Some(after) = hook.and_then(|hook| hook(&call)) {
                after.await?;
            }
            Ok(result)
        })
    }

    /// The owner of a saga that has not ended, if that is another worker, and alive.
    async fn other_owner(&self, id: &SagaId, worker: &WorkerId) -> Option<WorkerId> {
        let leases = self.leases.as_ref()?;
        let record = self.memory.load(id).await.ok()??.record;
        record.owner.filter(|owner| owner != worker && leases.is_alive(owner))
    }

    async fn all_records(&self) -> Vec<SagaRecord> {
        let mut all = Vec::<SagaRecord>::new();
        loop {
            let after = all.last().map(|record| record.id.clone());
            let page = self.memory.list(ListFilter { after, ..ListFilter::default() }).await;
            match page {
                Ok(page) if !page.is_empty() => all.extend(page),
                _ => return all,
            }
        }
    }

    /// True if a worker may claim sagas. Memory gives it those of all others, so that it must wait until no other worker
    /// that is alive has any.
    async fn may_claim(&self, worker: &WorkerId) -> bool {
        let Some(leases) = &self.leases else { return true };
        let others = leases.others(worker);
        let is_free = |record: &SagaRecord| {
            record.status.is_ended() || !record.owner.as_ref().is_some_and(|o| others.contains(o))
        };
        leases.is_alive(worker)
            && (others.is_empty() || self.all_records().await.iter().all(is_free))
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
        let (worker, of) = (worker.clone(), of.to_vec());
        let claim = async move {
            match self.may_claim(&worker).await {
                true => self.memory.claim(&worker, &of, limit).await,
                false => Ok(Vec::new()),
            }
        };
        self.call(Call::Claim, Box::pin(claim))
    }
    fn lease_terms(&self) -> Option<LeaseTerms> {
        self.leases.as_ref().map(|leases| leases.terms)
    }
    fn renew(&self, worker: &WorkerId) -> StoreFuture<'_, ()> {
        let (id, worker) = (worker.as_str().to_string(), worker.clone());
        let renew = async move {
            if let Some(leases) = &self.leases {
                leases.renew(worker);
            }
            Ok(())
        };
        self.call(Call::Renew(id), Box::pin(renew))
    }
    fn call_shares(&self, actions: Vec<String>) -> StoreFuture<'_, SharedCalls> {
        let read = async move {
            let alive = self.leases.as_ref().map(|leases| leases.alive()).unwrap_or_default();
            let shares = self.shares.lock().unwrap();
            let actions = actions.iter().map(|action| shares.get(action).cloned());
            let actions = actions.map(Option::unwrap_or_default).collect();
            let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
            Ok(SharedCalls { now: Timestamp(now.as_millis() as u64), alive, actions })
        };
        self.call(Call::ReadShares, Box::pin(read))
    }
    fn change_call_shares(&self, change: ShareChange) -> StoreFuture<'_, bool> {
        let make = async move {
            let mut shares = self.shares.lock().unwrap();
            Ok(shares.entry(change.action.clone()).or_default().change(change))
        };
        self.call(Call::ChangeShares, Box::pin(make))
    }
    fn owned(&self, worker: &WorkerId) -> StoreFuture<'_, Vec<SagaId>> {
        let worker = worker.clone();
        let owned = async move {
            let mut records = self.all_records().await;
            records.retain(|record| {
                let is_at_rest = record.status.is_ended() || record.parked_reason.is_some();
                record.owner.as_ref() == Some(&worker) && !is_at_rest
            });
            Ok(records.into_iter().map(|record| record.id).collect())
        };
        self.call(Call::Other, Box::pin(owned))
    }
    fn suspend(&self, suspension: Suspension) -> StoreFuture<'_, ()> {
        self.call(Call::Other, self.memory.suspend(suspension))
    }

    fn claim_due(
        &self,
        worker: &WorkerId,
        fingerprints: &[String],
        now: Timestamp,
        limit: usize,
    ) -> StoreFuture<'_, Vec<SagaRecord>> {
        self.call(Call::Other, self.memory.claim_due(worker, fingerprints, now, limit))
    }

    fn next_due(&self, fingerprints: &[String]) -> StoreFuture<'_, Option<Timestamp>> {
        self.call(Call::Other, self.memory.next_due(fingerprints))
    }

    fn release(&self, worker: &WorkerId) -> StoreFuture<'_, ()> {
        let worker = worker.clone();
        let release = async move {
            if let Some(leases) = &self.leases {
                leases.end(&worker);
            }
            self.memory.release(&worker).await
        };
        self.call(Call::Release, Box::pin(release))
    }
    fn close(&self) -> StoreFuture<'_, ()> {
        self.call(Call::Close, self.memory.close())
    }
    fn take(&self, worker: &WorkerId, id: &SagaId) -> StoreFuture<'_, Option<SagaRecord>> {
        let (worker, saga) = (worker.clone(), id.clone());
        let take = async move {
            match self.other_owner(&saga, &worker).await {
                Some(_) => Err(StoreError::Fenced { saga }),
                None => self.memory.take(&worker, &saga).await,
            }
        };
        self.call(Call::Take(id.to_string()), Box::pin(take))
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
        let worker = worker.clone();
        let requests = async move {
            let mut mine = Vec::new();
            for request in self.memory.requests(&worker, usize::MAX).await? {
                if self.other_owner(&request.saga, &worker).await.is_none() {
                    mine.push(request);
                }
            }
            mine.truncate(limit);
            Ok(mine)
        };
        self.call(Call::Requests, Box::pin(requests))
    }
    fn answer(
        &self,
        worker: &WorkerId,
        request: Uuid,
        answer: saga_core::operator::Answer,
    ) -> StoreFuture<'_, ()> {
        self.call(Call::Other, self.memory.answer(worker, request, answer))
    }
    fn answer_to(&self, request: Uuid) -> StoreFuture<'_, Option<saga_core::operator::Answer>> {
        self.call(Call::Other, self.memory.answer_to(request))
    }
}
