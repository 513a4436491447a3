//! The methods of [`Store`](crate::store::Store), each sent to the store's thread.

use futures_util::future::BoxFuture;
use uuid::Uuid;

use super::super::worker_lock::WorkerLock;
use super::super::{
    Append, Created, CurrentWorker, ListFilter, NewSaga, Purge, ReadableSaga, RequestsWithAnswers,
    SagaRecord, SagaVersion, Store, StoreError, StoredSaga, Suspension, VersionCounts, WorkerId,
};
use super::directory::LOCK;
use super::group_commit::LogWrite;
use super::log_writer::LogWriter;
use super::{FileStore, WriteReply};
use crate::log::{Answer, Request, SagaId, Timestamp};

impl Store for FileStore {
    fn create(&self, saga: NewSaga) -> BoxFuture<'_, Result<Created, StoreError>> {
        self.write(LogWrite::Create(saga), WriteReply::Create)
    }

    fn append(&self, append: Append) -> BoxFuture<'_, Result<(), StoreError>> {
        self.write(LogWrite::Append(append), WriteReply::Append)
    }

    fn load(&self, id: &SagaId) -> BoxFuture<'_, Result<Option<StoredSaga>, StoreError>> {
        let id = id.clone();
        self.run(move |files| files.load(&id))
    }

    fn load_readable(&self, id: &SagaId) -> BoxFuture<'_, Result<ReadableSaga, StoreError>> {
        let id = id.clone();
        self.run(move |files| files.load_readable(&id))
    }

    fn list(&self, filter: ListFilter) -> BoxFuture<'_, Result<Vec<SagaRecord>, StoreError>> {
        self.run(move |files| files.select(|records| filter.select(records)))
    }

    fn versions(&self) -> BoxFuture<'_, Result<Vec<SagaVersion>, StoreError>> {
        self.run(|files| files.select(|records| SagaVersion::select(records)))
    }

    fn counts(&self) -> BoxFuture<'_, Result<Vec<VersionCounts>, StoreError>> {
        self.run(|files| files.select(|records| VersionCounts::select(records)))
    }

    fn current_worker(&self) -> BoxFuture<'_, Result<CurrentWorker, StoreError>> {
        self.run(move |files| Ok(WorkerLock::holder(&files.directory.path(LOCK))))
    }

    fn claim(
        &self,
        worker: &WorkerId,
        fingerprints: &[String],
        limit: usize,
    ) -> BoxFuture<'_, Result<Vec<SagaRecord>, StoreError>> {
        let (worker, fingerprints) = (worker.clone(), fingerprints.to_vec());
        self.run(move |files| files.worker()?.claim(&worker, &fingerprints, limit))
    }

    fn suspend(&self, suspension: Suspension) -> BoxFuture<'_, Result<(), StoreError>> {
        self.run(move |files| files.worker()?.suspend(&suspension))
    }

    fn claim_due(
        &self,
        worker: &WorkerId,
        fingerprints: &[String],
        now: Timestamp,
        limit: usize,
    ) -> BoxFuture<'_, Result<Vec<SagaRecord>, StoreError>> {
        let (worker, fingerprints) = (worker.clone(), fingerprints.to_vec());
        self.run(move |files| files.worker()?.claim_due(&worker, &fingerprints, now, limit))
    }

    fn next_due(
        &self,
        fingerprints: &[String],
    ) -> BoxFuture<'_, Result<Option<Timestamp>, StoreError>> {
        let fingerprints = fingerprints.to_vec();
        self.run(move |files| files.select(|records| SagaRecord::next_due(records, &fingerprints)))
    }

    fn release(&self, worker: &WorkerId) -> BoxFuture<'_, Result<(), StoreError>> {
        let worker = worker.clone();
        self.run(move |files| files.worker()?.release(&worker))
    }

    fn close(&self) -> BoxFuture<'_, Result<(), StoreError>> {
        self.run(|files| {
            files.worker = None;
            Ok(())
        })
    }

    fn reopen(&self) -> BoxFuture<'_, Result<(), StoreError>> {
        self.run(|files| {
            if files.worker.is_none() && !files.attached {
                files.worker = Some(LogWriter::open(files.directory.clone())?);
            }
            Ok(())
        })
    }

    fn take(
        &self,
        worker: &WorkerId,
        id: &SagaId,
    ) -> BoxFuture<'_, Result<Option<SagaRecord>, StoreError>> {
        let (worker, id) = (worker.clone(), id.clone());
        self.run(move |files| files.worker()?.take(&worker, &id))
    }

    fn delete(&self, id: &SagaId) -> BoxFuture<'_, Result<bool, StoreError>> {
        let id = id.clone();
        self.run(move |files| files.worker()?.delete(&id))
    }

    fn purge(&self, purge: Purge) -> BoxFuture<'_, Result<u64, StoreError>> {
        self.run(move |files| files.worker()?.purge(&purge))
    }

    fn request(&self, request: Request) -> BoxFuture<'_, Result<(), StoreError>> {
        self.run(move |files| files.directory.request(request))
    }

    fn requests(
        &self,
        _worker: &WorkerId,
        limit: usize,
    ) -> BoxFuture<'_, Result<Vec<Request>, StoreError>> {
        self.run(move |files| files.requests(limit))
    }

    fn requests_of(&self, saga: &SagaId) -> BoxFuture<'_, Result<RequestsWithAnswers, StoreError>> {
        let saga = saga.clone();
        self.run(move |files| files.directory.requests_of(&saga))
    }

    fn answer(
        &self,
        _: &WorkerId,
        request: Uuid,
        answer: Answer,
    ) -> BoxFuture<'_, Result<(), StoreError>> {
        self.run(move |files| files.worker()?.answer(request, answer))
    }

    fn answer_to(&self, request: Uuid) -> BoxFuture<'_, Result<Option<Answer>, StoreError>> {
        self.run(move |files| files.directory.answer_to(request))
    }
}
