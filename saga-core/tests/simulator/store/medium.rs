//! What is durable, whatever becomes of the processes, and the rules for it. The rules about a record are the library's own
//! ([`Append::apply_to`], [`SagaRecord::claim`] and so on), as in every store that keeps records in memory.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use saga_core::SagaId;
use saga_core::log::{Entry, Timestamp, Uuid};
use saga_core::operator::{Answer, Request};
use saga_core::store::{
    Append, CallShares, Created, LeaseTerms, ListFilter, NewSaga, SagaRecord, SagaVersion,
    ShareChange, SharedCalls, StoreError, StoredSaga, Suspension, WorkerId,
};

use super::clock::StoreClock;
use super::rows::Rows;
use crate::sagas::{Version, Versions};
use crate::trace::Trace;

/// The durable content of the store. Clones are the same content.
#[derive(Clone)]
pub(crate) struct Medium {
    content: Arc<Mutex<Content>>,
    pub(super) rows: Arc<Rows>,
    pub(super) clock: StoreClock,
    /// On what terms workers share the store, if they do.
    pub(super) terms: Option<LeaseTerms>,
    pub(super) trace: Trace,
}

#[derive(Default)]
struct Content {
    sagas: BTreeMap<SagaId, StoredSaga>,
    requests: BTreeMap<Uuid, (Request, Option<Answer>)>,
    leases: BTreeMap<String, (WorkerId, Duration)>,
    shares: BTreeMap<String, CallShares>,
    /// True once a worker has looked at the shares when the lease of another had ended.
    has_told_of_an_end: bool,
    written: Vec<Written>,
    /// Which definition each saga has had, from which entry on.
    definitions: BTreeMap<SagaId, Vec<(u64, Arc<str>)>>,
}

/// One durable write to a log.
#[derive(Debug, Clone)]
pub(crate) struct Written {
    pub(crate) saga: SagaId,
    pub(crate) worker: WorkerId,
    /// The process that has written it.
    pub(crate) process: u32,
    pub(crate) epoch: u64,
    pub(crate) first_seq: u64,
    pub(crate) entries: Vec<Entry>,
}

impl Content {
    fn is_alive(&self, worker: &WorkerId, now: Duration) -> bool {
        self.leases.get(worker.as_str()).is_some_and(|(_, until)| *until > now)
    }

    fn records(&self) -> impl Iterator<Item = &SagaRecord> {
        self.sagas.values().map(|saga| &saga.record)
    }

    fn answer(&mut self, request: Uuid, given: Answer) {
        if let Some((_, answer @ None)) = self.requests.get_mut(&request) {
            *answer = Some(given);
        }
    }
}

fn failed(why: String) -> StoreError {
    StoreError::Failed { store: "the simulated store".to_string(), why }
}

impl Medium {
    pub(crate) fn new(terms: Option<LeaseTerms>, clock: StoreClock, trace: Trace) -> Self {
        Self { content: Arc::default(), rows: Arc::default(), clock, terms, trace }
    }

    fn content(&self) -> MutexGuard<'_, Content> {
        self.content.lock().unwrap()
    }

    /// True if several workers may share it.
    pub(crate) fn is_shared(&self) -> bool {
        self.terms.is_some()
    }

    /// What is durable of a saga now.
    pub(crate) fn peek(&self, id: &SagaId) -> Option<StoredSaga> {
        self.content().sagas.get(id).cloned()
    }

    /// How many entries of a saga are durable now.
    pub(crate) fn durable(&self, id: &SagaId) -> u64 {
        self.content().sagas.get(id).map_or(0, |saga| saga.entries.len() as u64)
    }

    /// The records of all sagas.
    pub(crate) fn all(&self) -> Vec<SagaRecord> {
        self.content().records().cloned().collect()
    }

    /// The record of a saga.
    pub(crate) fn record(&self, id: &SagaId) -> Option<SagaRecord> {
        self.content().sagas.get(id).map(|saga| saga.record.clone())
    }

    /// Which version a saga had, or has, when it comes to this entry; none if that is another saga's definition.
    pub(crate) fn version_at(&self, id: &SagaId, seq: u64, versions: &Versions) -> Option<Version> {
        let content = self.content();
        let (_, fingerprint) =
            content.definitions.get(id)?.iter().rfind(|(from, _)| *from <= seq)?;
        versions.with_fingerprint(fingerprint)
    }

    /// Sets the clock of the store forward, or back.
    pub(crate) fn set_clock(&self, by: i64) {
        self.clock.set(by);
    }

    /// True if a lease may have ended here before its process could know, so that others were given its parts of limits.
    pub(crate) fn may_have_given_too_much(&self) -> bool {
        self.clock.was_ahead() && self.content().has_told_of_an_end
    }

    /// All writes, in their order.
    pub(crate) fn written(&self) -> Vec<Written> {
        self.content().written.clone()
    }

    /// The requests that nobody has answered.
    pub(crate) fn unanswered(&self) -> Vec<Request> {
        let content = self.content();
        let open = content.requests.values().filter(|(_, answer)| answer.is_none());
        open.map(|(request, _)| request.clone()).collect()
    }

    pub(super) fn create(&self, saga: NewSaga, process: u32) -> Result<Created, StoreError> {
        saga.check().map_err(failed)?;
        let mut content = self.content();
        if let Some(there) = content.sagas.get(&saga.record.id) {
            return Ok(Created::Exists(Box::new(there.record.clone())));
        }
        let NewSaga { record, entries } = saga;
        let worker = record.owner.clone().unwrap();
        let (id, epoch) = (record.id.clone(), record.epoch);
        let (saga, entries_too) = (id.clone(), entries.clone());
        let written = Written { saga, worker, process, epoch, first_seq: 1, entries: entries_too };
        let definition = (1, Arc::from(&*record.fingerprint));
        content.definitions.insert(id.clone(), vec![definition]);
        self.note(&written);
        content.written.push(written);
        content.sagas.insert(id, StoredSaga { record, entries });
        Ok(Created::New)
    }

    pub(super) fn append(&self, append: Append, process: u32) -> Result<(), StoreError> {
        append.check().map_err(failed)?;
        let mut content = self.content();
        let Some(saga) = content.sagas.get_mut(&append.saga) else {
            return Err(StoreError::NotFound { saga: append.saga });
        };
        if let Err(error) = append.apply_to(&mut saga.record) {
            self.trace.count("an append is fenced");
            self.trace.note(|| {
                format!("the store fences an append of {} to {}", append.owner, append.saga)
            });
            return Err(error);
        }
        saga.entries.extend(append.entries.iter().cloned());
        let Append { saga, owner, epoch, expected_next_seq, entries, answers, change } = append;
        if let Some(new) = change.definition {
            let definitions = content.definitions.entry(saga.clone()).or_default();
            definitions.push((expected_next_seq, Arc::from(&*new.fingerprint)));
        }
        for (request, answer) in answers {
            content.answer(request, answer);
        }
        let first_seq = expected_next_seq;
        let written = Written { saga, worker: owner, process, epoch, first_seq, entries };
        self.note(&written);
        content.written.push(written);
        Ok(())
    }

    fn note(&self, written: &Written) {
        for entry in &written.entries {
            self.trace.count(entry.kind.name());
        }
        self.trace.note(|| {
            let kinds = written.entries.iter().map(|entry| match &entry.kind {
                saga_core::log::EntryKind::Saga(_) => entry.kind.name().to_string(),
                saga_core::log::EntryKind::Node { node, .. } => {
                    format!("{} {node}", entry.kind.name())
                }
            });
            let kinds = kinds.collect::<Vec<_>>().join(", ");
            let Written { saga, epoch, first_seq, .. } = written;
            format!("durable: {saga} {first_seq} (epoch {epoch}): {kinds}")
        });
    }

    pub(super) fn list(&self, filter: &ListFilter) -> Vec<SagaRecord> {
        filter.select(self.content().records())
    }

    pub(super) fn versions(&self) -> Vec<SagaVersion> {
        SagaVersion::select(self.content().records())
    }

    pub(super) fn renew(&self, worker: &WorkerId) {
        let Some(terms) = self.terms else { return };
        let until = self.clock.now() + terms.duration;
        self.content().leases.insert(worker.as_str().to_string(), (worker.clone(), until));
    }

    /// The workers that are alive.
    pub(super) fn alive(&self) -> Vec<WorkerId> {
        let (now, content) = (self.clock.now(), self.content());
        let alive = content.leases.values().filter(|(_, until)| *until > now);
        alive.map(|(worker, _)| worker.clone()).collect()
    }

    pub(super) fn claim(
        &self,
        worker: &WorkerId,
        fingerprints: &[String],
        limit: usize,
    ) -> Vec<SagaRecord> {
        let (now, mut content) = (self.clock.now(), self.content());
        if self.terms.is_some() && !content.is_alive(worker, now) {
            return Vec::new();
        }
        let mut free = SagaRecord::claimable(content.records(), worker, fingerprints, usize::MAX);
        if self.terms.is_some() {
            free.retain(|id| {
                let owner = content.sagas[id].record.owner.as_ref();
                !owner.is_some_and(|owner| content.is_alive(owner, now))
            });
        }
        free.truncate(limit);
        let claimed = free.iter().map(|id| {
            let record = &mut content.sagas.get_mut(id).unwrap().record;
            let from_another = record.owner.is_some();
            record.claim(worker);
            self.trace.count(if from_another { "a takeover" } else { "a claim" });
            self.trace.note(|| format!("{worker} claims {id} (epoch {})", record.epoch));
            record.clone()
        });
        claimed.collect()
    }

    pub(super) fn owned(&self, worker: &WorkerId) -> Vec<SagaId> {
        let is_owned = |record: &&SagaRecord| {
            let is_at_rest = record.status.is_ended() || record.parked_reason.is_some();
            record.owner.as_ref() == Some(worker) && !is_at_rest
        };
        self.content().records().filter(is_owned).map(|record| record.id.clone()).collect()
    }

    pub(super) fn suspend(&self, suspension: &Suspension) -> Result<(), StoreError> {
        let mut content = self.content();
        let Some(saga) = content.sagas.get_mut(&suspension.saga) else {
            return Err(StoreError::NotFound { saga: suspension.saga.clone() });
        };
        saga.record.suspend(suspension)?;
        self.trace.count("a suspension");
        self.trace.note(|| format!("{} suspends {}", suspension.owner, suspension.saga));
        Ok(())
    }

    pub(super) fn claim_due(
        &self,
        worker: &WorkerId,
        fingerprints: &[String],
        until: Timestamp,
        limit: usize,
    ) -> Vec<SagaRecord> {
        let (now, mut content) = (self.clock.now(), self.content());
        if self.terms.is_some() && !content.is_alive(worker, now) {
            return Vec::new();
        }
        let due = SagaRecord::due(content.records(), fingerprints, until, limit);
        let claimed = due.into_iter().map(|id| {
            let record = &mut content.sagas.get_mut(&id).unwrap().record;
            record.claim(worker);
            self.trace.count("a claim of a due saga");
            self.trace
                .note(|| format!("{worker} claims {id}, which is due (epoch {})", record.epoch));
            record.clone()
        });
        claimed.collect()
    }

    pub(super) fn next_due(&self, fingerprints: &[String]) -> Option<Timestamp> {
        SagaRecord::next_due(self.content().records(), fingerprints)
    }

    pub(super) fn release(&self, worker: &WorkerId) {
        let mut content = self.content();
        content.leases.remove(worker.as_str());
        for saga in content.sagas.values_mut() {
            if saga.record.release(worker) {
                self.trace.count("a release");
                self.trace.note(|| format!("{worker} releases {}", saga.record.id));
            }
        }
    }

    pub(super) fn take(
        &self,
        worker: &WorkerId,
        id: &SagaId,
    ) -> Result<Option<SagaRecord>, StoreError> {
        let (now, mut content) = (self.clock.now(), self.content());
        let Some(saga) = content.sagas.get(id) else { return Ok(None) };
        let owner = saga.record.owner.as_ref().filter(|owner| *owner != worker);
        if self.terms.is_some() && owner.is_some_and(|owner| content.is_alive(owner, now)) {
            return Err(StoreError::Fenced { saga: id.clone() });
        }
        let record = &mut content.sagas.get_mut(id).unwrap().record;
        record.take(worker);
        self.trace.note(|| format!("{worker} takes {id} (epoch {})", record.epoch));
        Ok(Some(record.clone()))
    }

    pub(super) fn request(&self, request: Request) -> Result<(), StoreError> {
        let mut content = self.content();
        if !content.sagas.contains_key(&request.saga) {
            return Err(StoreError::NotFound { saga: request.saga });
        }
        content.requests.entry(request.id).or_insert((request, None));
        Ok(())
    }

    pub(super) fn requests(&self, worker: &WorkerId, limit: usize) -> Vec<Request> {
        let (now, content) = (self.clock.now(), self.content());
        let is_of_another = |request: &Request| {
            let owner =
                content.sagas.get(&request.saga).and_then(|saga| saga.record.owner.as_ref());
            let owner = owner.filter(|owner| *owner != worker);
            self.terms.is_some() && owner.is_some_and(|owner| content.is_alive(owner, now))
        };
        let open = content.requests.values().filter(|(_, answer)| answer.is_none());
        let open = open.map(|(request, _)| request).filter(|request| !is_of_another(request));
        let mut open = open.cloned().collect::<Vec<_>>();
        open.sort_unstable_by_key(|request| (request.at, request.id));
        open.truncate(limit);
        open
    }

    pub(super) fn answer(
        &self,
        worker: &WorkerId,
        request: Uuid,
        answer: Answer,
    ) -> Result<(), StoreError> {
        let (now, mut content) = (self.clock.now(), self.content());
        let asked = content.requests.get(&request).map(|(request, _)| request.saga.clone());
        if let Some(saga) = asked.filter(|_| self.terms.is_some()) {
            let owner = content.sagas.get(&saga).and_then(|saga| saga.record.owner.as_ref());
            let is_of_another = owner.is_some_and(|owner| {
                let may = content.is_alive(worker, now) && !content.is_alive(owner, now);
                owner != worker && !may
            });
            if is_of_another {
                self.trace.count("a fenced answer");
                return Err(StoreError::Fenced { saga });
            }
        }
        content.answer(request, answer);
        Ok(())
    }

    pub(super) fn answer_to(&self, request: Uuid) -> Option<Answer> {
        self.content().requests.get(&request).and_then(|(_, answer)| answer.clone())
    }

    pub(super) fn call_shares(&self, actions: &[String]) -> SharedCalls {
        let alive = self.alive();
        let mut content = self.content();
        content.has_told_of_an_end |= alive.len() < content.leases.len();
        let actions = actions.iter().map(|action| content.shares.get(action).cloned());
        let actions = actions.map(Option::unwrap_or_default).collect();
        let now = u64::try_from(self.clock.now().as_millis()).unwrap();
        SharedCalls { now: Timestamp(now), alive, actions }
    }

    pub(super) fn change_call_shares(&self, change: ShareChange) -> bool {
        self.content().shares.entry(change.action.clone()).or_default().change(change)
    }
}
