//! The methods of [`Store`](crate::store::Store), each sent to one of the store's threads.

use std::collections::HashSet;
use std::sync::atomic::Ordering;

use futures_util::future::BoxFuture;
use uuid::Uuid;

use super::super::worker_lock::WorkerLock;
use super::super::{
    Append, Created, CurrentWorker, DatabaseKind, ListFilter, NewSaga, Purge, ReadableSaga,
    RequestsWithAnswers, SagaRecord, SagaVersion, Store, StoreError, StoredSaga, Suspension,
    TransactionWork, VersionCounts, WorkerId,
};
use super::database::Database;
use super::reads::Loads;
use super::requests::{self, RequestRow};
use super::rows::{self, AppendRow, NewSagaRow, SuspensionRow};
use super::transaction_job::TransactionJob;
use super::write_job::SqliteError;
use super::{SqliteStore, claims, database_file, reads, writes};
use crate::log::{Answer, Request, SagaId, Timestamp};

impl SqliteStore {
    /// Loads so many sagas with one read.
    fn load_all(
        &self,
        count: usize,
        load: impl FnOnce(&Database) -> Result<Loads, SqliteError> + Send + 'static,
    ) -> BoxFuture<'_, Vec<Result<Option<StoredSaga>, StoreError>>> {
        Box::pin(async move {
            match self.inner.reader.read(load).await {
                Ok(loaded) => loaded
                    .into_iter()
                    .map(|loaded| loaded.map_err(|e| e.of(&self.inner.place)))
                    .collect(),
                Err(e) => vec![Err(e); count],
            }
        })
    }
}

// Jobs must not own a clone of the store, because dropping the last clone joins the threads.
impl Store for SqliteStore {
    fn create(&self, saga: NewSaga) -> BoxFuture<'_, Result<Created, StoreError>> {
        Box::pin(async move {
            let created = {
                let writer = self.writer()?;
                let new = NewSagaRow::new(saga).map_err(|why| self.refused(why))?;
                writer.write(move |conn, tally| writes::create(conn, &new, tally))
            };
            created.await
        })
    }

    fn append(&self, append: Append) -> BoxFuture<'_, Result<(), StoreError>> {
        Box::pin(async move {
            // what is written is not kept in the future while it waits
            let appended = {
                let writer = self.writer()?;
                let row = AppendRow::new(append).map_err(|why| self.refused(why))?;
                writer.write(move |conn, tally| writes::append(conn, &row, tally))
            };
            appended.await
        })
    }

    fn has_transactions(&self, database: DatabaseKind) -> bool {
        database == DatabaseKind::Sqlite
    }

    fn append_with(
        &self,
        append: Append,
        work: TransactionWork,
    ) -> BoxFuture<'_, Result<(), StoreError>> {
        Box::pin(async move {
            let writer = self.writer()?;
            let work = work.into_sqlite().ok_or(StoreError::NoTransactions)?;
            let (job, answer) =
                TransactionJob::new(append, work).map_err(|why| self.refused(why))?;
            writer.write_transaction(job, answer).await
        })
    }

    fn load(&self, id: &SagaId) -> BoxFuture<'_, Result<Option<StoredSaga>, StoreError>> {
        let id = id.clone();
        Box::pin(self.inner.reader.read(move |conn| reads::load(conn, &id)))
    }

    fn load_readable(&self, id: &SagaId) -> BoxFuture<'_, Result<ReadableSaga, StoreError>> {
        let id = id.clone();
        Box::pin(self.inner.reader.read(move |conn| reads::load_readable(conn, &id)))
    }

    fn load_many(
        &self,
        ids: Vec<SagaId>,
    ) -> BoxFuture<'_, Vec<Result<Option<StoredSaga>, StoreError>>> {
        let count = ids.len();
        self.load_all(count, move |conn| reads::load_many(conn, &ids))
    }

    fn load_claimed(
        &self,
        claimed: Vec<SagaRecord>,
    ) -> BoxFuture<'_, Vec<Result<Option<StoredSaga>, StoreError>>> {
        let count = claimed.len();
        self.load_all(count, move |conn| reads::load_claimed(conn, claimed))
    }

    fn list(&self, filter: ListFilter) -> BoxFuture<'_, Result<Vec<SagaRecord>, StoreError>> {
        Box::pin(self.inner.reader.read(move |conn| reads::list(conn, &filter)))
    }

    fn versions(&self) -> BoxFuture<'_, Result<Vec<SagaVersion>, StoreError>> {
        Box::pin(self.inner.reader.read(reads::versions))
    }

    fn counts(&self) -> BoxFuture<'_, Result<Vec<VersionCounts>, StoreError>> {
        Box::pin(self.inner.reader.read(reads::counts))
    }

    fn current_worker(&self) -> BoxFuture<'_, Result<CurrentWorker, StoreError>> {
        let lock_file = self.inner.lock_file.clone();
        Box::pin(self.inner.reader.read(move |_| Ok(WorkerLock::holder(&lock_file))))
    }

    fn claim(
        &self,
        worker: &WorkerId,
        fingerprints: &[String],
        limit: usize,
    ) -> BoxFuture<'_, Result<Vec<SagaRecord>, StoreError>> {
        let (worker, signature) = (worker.clone(), worker.clone());
        let fingerprints = fingerprints.iter().cloned().collect::<HashSet<_>>();
        Box::pin(async move {
            let writer = self.writer()?;
            let lock_file = self.inner.lock_file.clone();
            let claim =
                writer.write(move |conn, _| claims::claim(conn, &worker, &fingerprints, limit));
            let claimed = claim.await?;
            // what is left then, it does not know
            if claimed.len() < limit {
                WorkerLock::sign(&lock_file, &signature);
            }
            Ok(claimed)
        })
    }

    fn suspend(&self, suspension: Suspension) -> BoxFuture<'_, Result<(), StoreError>> {
        Box::pin(async move {
            let row = SuspensionRow::new(suspension).map_err(|why| self.refused(why))?;
            self.writer()?.write(move |conn, _| claims::suspend(conn, &row)).await
        })
    }

    fn claim_due(
        &self,
        worker: &WorkerId,
        fingerprints: &[String],
        now: Timestamp,
        limit: usize,
    ) -> BoxFuture<'_, Result<Vec<SagaRecord>, StoreError>> {
        let (worker, now) = (worker.clone(), rows::due_time(now));
        let fingerprints = fingerprints.iter().cloned().collect::<HashSet<_>>();
        Box::pin(async move {
            let writer = self.writer()?;
            writer
                .write(move |conn, _| claims::claim_due(conn, &worker, &fingerprints, now, limit))
                .await
        })
    }

    fn next_due(
        &self,
        fingerprints: &[String],
    ) -> BoxFuture<'_, Result<Option<Timestamp>, StoreError>> {
        let fingerprints = fingerprints.iter().cloned().collect::<HashSet<_>>();
        Box::pin(self.inner.reader.read(move |conn| claims::next_due(conn, &fingerprints)))
    }

    fn release(&self, worker: &WorkerId) -> BoxFuture<'_, Result<(), StoreError>> {
        let worker = worker.clone();
        Box::pin(async move {
            self.writer()?.write(move |conn, _| claims::release(conn, &worker)).await
        })
    }

    fn close(&self) -> BoxFuture<'_, Result<(), StoreError>> {
        self.inner.reading_only.store(true, Ordering::Release);
        Box::pin(self.inner.writer.close())
    }

    fn reopen(&self) -> BoxFuture<'_, Result<(), StoreError>> {
        Box::pin(async {
            let closed = self.inner.reading_only.load(Ordering::Acquire);
            let Some((path, resolved)) = self.inner.lock_paths.as_ref().filter(|_| closed) else {
                return Ok(());
            };
            self.inner.writer.reopen(database_file::lock(path, resolved)?).await?;
            self.inner.reading_only.store(false, Ordering::Release);
            Ok(())
        })
    }

    fn delete(&self, id: &SagaId) -> BoxFuture<'_, Result<bool, StoreError>> {
        let id = id.clone();
        Box::pin(
            async move { self.writer()?.write(move |conn, _| writes::delete(conn, &id)).await },
        )
    }

    fn take(
        &self,
        worker: &WorkerId,
        id: &SagaId,
    ) -> BoxFuture<'_, Result<Option<SagaRecord>, StoreError>> {
        let (worker, id) = (worker.clone(), id.clone());
        Box::pin(async move {
            self.writer()?.write(move |conn, _| claims::take(conn, &worker, &id)).await
        })
    }

    fn purge(&self, purge: Purge) -> BoxFuture<'_, Result<u64, StoreError>> {
        let before = rows::bound(purge.ended_before);
        Box::pin(async move {
            self.writer()?.write(move |conn, _| writes::purge(conn, &purge, before)).await
        })
    }

    fn request(&self, request: Request) -> BoxFuture<'_, Result<(), StoreError>> {
        Box::pin(async move {
            let row = RequestRow::new(request).map_err(|why| self.refused(why))?;
            self.inner.writer.write_request(move |conn, _| requests::insert(conn, &row)).await
        })
    }

    fn requests(
        &self,
        _worker: &WorkerId,
        limit: usize,
    ) -> BoxFuture<'_, Result<Vec<Request>, StoreError>> {
        Box::pin(self.inner.reader.read(move |conn| requests::waiting(conn, limit)))
    }

    fn answer(
        &self,
        _: &WorkerId,
        request: Uuid,
        answer: Answer,
    ) -> BoxFuture<'_, Result<(), StoreError>> {
        Box::pin(async move {
            let writer = self.writer()?;
            let answer = requests::encode(&answer).map_err(|why| self.refused(why))?;
            let id = request.to_string();
            writer.write(move |conn, _| Ok(requests::answer(conn, &id, &answer)?)).await
        })
    }

    fn requests_of(&self, saga: &SagaId) -> BoxFuture<'_, Result<RequestsWithAnswers, StoreError>> {
        let saga = saga.clone();
        Box::pin(self.inner.reader.read(move |conn| requests::of_saga(conn, &saga)))
    }

    fn answer_to(&self, request: Uuid) -> BoxFuture<'_, Result<Option<Answer>, StoreError>> {
        Box::pin(self.inner.reader.read(move |conn| requests::answer_to(conn, request)))
    }
}
