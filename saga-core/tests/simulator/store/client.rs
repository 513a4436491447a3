//! The store as one process sees it.

use std::pin::Pin;
use std::sync::OnceLock;

use saga_core::SagaId;
use saga_core::log::{Timestamp, Uuid};
use saga_core::operator::{Answer, Request};
use saga_core::store::{
    Append, Created, DatabaseKind, LeaseTerms, ListFilter, NewSaga, Position, Purge, SagaRecord,
    SagaVersion, ShareChange, SharedCalls, Store, StoreError, StoredSaga, Suspension,
    TransactionWork, WorkerId,
};
use tokio::time::Instant;

use super::medium::Medium;
use super::network::{Network, Weight};
use crate::process::Process;

/// The way of one process to the store.
pub(crate) struct Client {
    network: Network,
    process: Process,
    /// Which worker it is, once that is known.
    worker: OnceLock<WorkerId>,
}

type Reply<'a, T> = Pin<Box<dyn Future<Output = Result<T, StoreError>> + Send + 'a>>;

impl Client {
    pub(crate) fn new(network: Network, process: Process) -> Self {
        Self { network, process, worker: OnceLock::new() }
    }

    fn ask<T: Send + 'static>(
        &self,
        weight: Weight,
        what: &'static str,
        apply: impl FnOnce(&Medium) -> Result<T, StoreError> + Send + 'static,
    ) -> Reply<'_, T> {
        Box::pin(self.network.ask(&self.process, weight, what, apply))
    }
}

impl Store for Client {
    fn create(&self, saga: NewSaga) -> Reply<'_, Created> {
        let process = self.process.id();
        self.ask(Weight::Write, "create", move |medium| medium.create(saga, process))
    }

    fn append(&self, append: Append) -> Reply<'_, ()> {
        let process = self.process.id();
        let weight = match append.change.definition {
            Some(_) => Weight::Migration,
            None => Weight::Write,
        };
        self.ask(weight, "append", move |medium| medium.append(append, process))
    }

    fn has_transactions(&self, database: DatabaseKind) -> bool {
        database == DatabaseKind::Sqlite
    }

    fn append_with(&self, append: Append, work: TransactionWork) -> Reply<'_, ()> {
        let process = self.process.id();
        self.ask(Weight::Write, "append_with", move |medium| {
            medium.append_with(append, work, process)
        })
    }

    fn load(&self, id: &SagaId) -> Reply<'_, Option<StoredSaga>> {
        let id = id.clone();
        self.ask(Weight::Other, "load", move |medium| Ok(medium.peek(&id)))
    }

    fn list(&self, filter: ListFilter) -> Reply<'_, Vec<SagaRecord>> {
        self.ask(Weight::Other, "list", move |medium| Ok(medium.list(&filter)))
    }

    fn versions(&self) -> Reply<'_, Vec<SagaVersion>> {
        self.ask(Weight::Poll, "versions", |medium| Ok(medium.versions()))
    }

    fn lease_terms(&self) -> Option<LeaseTerms> {
        self.network.medium.terms
    }

    fn renew(&self, worker: &WorkerId) -> Reply<'_, ()> {
        let worker = self.worker.get_or_init(|| worker.clone()).clone();
        let until = self.lease_terms().map(|terms| Instant::now() + terms.duration);
        let renewed = self.ask(Weight::Poll, "renew", move |medium| {
            medium.renew(&worker);
            Ok(())
        });
        Box::pin(async move {
            renewed.await?;
            until.into_iter().for_each(|until| self.process.renewed(until));
            Ok(())
        })
    }

    fn call_shares(&self, actions: Vec<String>) -> Reply<'_, SharedCalls> {
        self.ask(Weight::Poll, "call_shares", move |medium| Ok(medium.call_shares(&actions)))
    }

    fn change_call_shares(&self, change: ShareChange) -> Reply<'_, bool> {
        self.ask(Weight::Other, "change_call_shares", move |medium| {
            Ok(medium.change_call_shares(change))
        })
    }

    fn positions(&self, ids: Vec<SagaId>) -> Reply<'_, Vec<Option<Position>>> {
        self.ask(Weight::Poll, "positions", move |medium| {
            let position = |id| medium.record(id).map(|record| Position::of(&record));
            Ok(ids.iter().map(position).collect())
        })
    }

    fn claim(
        &self,
        worker: &WorkerId,
        fingerprints: &[String],
        limit: usize,
    ) -> Reply<'_, Vec<SagaRecord>> {
        let (worker, fingerprints) = (worker.clone(), fingerprints.to_vec());
        self.ask(Weight::Poll, "claim", move |medium| {
            Ok(medium.claim(&worker, &fingerprints, limit))
        })
    }

    fn suspend(&self, suspension: Suspension) -> Reply<'_, ()> {
        self.ask(Weight::Write, "suspend", move |medium| medium.suspend(&suspension))
    }

    fn claim_due(
        &self,
        worker: &WorkerId,
        fingerprints: &[String],
        now: Timestamp,
        limit: usize,
    ) -> Reply<'_, Vec<SagaRecord>> {
        let (worker, fingerprints) = (worker.clone(), fingerprints.to_vec());
        self.ask(Weight::Poll, "claim_due", move |medium| {
            Ok(medium.claim_due(&worker, &fingerprints, now, limit))
        })
    }

    fn next_due(&self, fingerprints: &[String]) -> Reply<'_, Option<Timestamp>> {
        let fingerprints = fingerprints.to_vec();
        self.ask(Weight::Poll, "next_due", move |medium| Ok(medium.next_due(&fingerprints)))
    }

    fn owned(&self, worker: &WorkerId) -> Reply<'_, Vec<SagaId>> {
        let worker = worker.clone();
        self.ask(Weight::Poll, "owned", move |medium| Ok(medium.owned(&worker)))
    }

    fn release(&self, worker: &WorkerId) -> Reply<'_, ()> {
        let worker = worker.clone();
        self.process.gives_up_its_lease();
        self.ask(Weight::Other, "release", move |medium| {
            medium.release(&worker);
            Ok(())
        })
    }

    fn take(&self, worker: &WorkerId, id: &SagaId) -> Reply<'_, Option<SagaRecord>> {
        let (worker, id) = (worker.clone(), id.clone());
        self.ask(Weight::Other, "take", move |medium| medium.take(&worker, &id))
    }

    fn delete(&self, id: &SagaId) -> Reply<'_, bool> {
        panic!("nobody deletes {id}")
    }

    fn purge(&self, purge: Purge) -> Reply<'_, u64> {
        panic!("nobody purges {purge:?}")
    }

    fn request(&self, request: Request) -> Reply<'_, ()> {
        self.ask(Weight::Other, "request", |medium| medium.request(request))
    }

    fn requests(&self, worker: &WorkerId, limit: usize) -> Reply<'_, Vec<Request>> {
        let worker = worker.clone();
        self.ask(Weight::Poll, "requests", move |medium| Ok(medium.requests(&worker, limit)))
    }

    fn answer(&self, worker: &WorkerId, request: Uuid, answer: Answer) -> Reply<'_, ()> {
        let worker = worker.clone();
        self.ask(Weight::Other, "answer", move |medium| medium.answer(&worker, request, answer))
    }

    fn answer_to(&self, request: Uuid) -> Reply<'_, Option<Answer>> {
        self.ask(Weight::Poll, "answer_to", move |medium| Ok(medium.answer_to(request)))
    }
}
