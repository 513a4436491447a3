//! The methods of [`Store`](crate::store::Store), each run on the store's thread.

use futures_util::future::BoxFuture;
use tokio::sync::oneshot;
use uuid::Uuid;

use super::appends::{AppendJob, AppendRow};
use super::creates::{CreateJob, NewSagaRow};
use super::{PostgresStore, call_shares, claims, due, reads, removals, requests, runtime};
use crate::log::{Answer, Request, SagaId, Timestamp};
use crate::store::{
    Append, Created, DatabaseKind, LeaseTerms, ListFilter, NewSaga, Position, Purge, ReadableSaga,
    RequestsWithAnswers, SagaRecord, SagaVersion, ShareChange, SharedCalls, Store, StoreError,
    StoredSaga, Suspension, TransactionWork, VersionCounts, Worker, WorkerId,
};

impl PostgresStore {
    fn refused(&self, why: String) -> StoreError {
        self.inner.database.failed(why)
    }

    async fn answered<T>(
        &self,
        answer: oneshot::Receiver<Result<T, StoreError>>,
    ) -> Result<T, StoreError> {
        answer.await.unwrap_or_else(|_| Err(self.inner.database.failed(runtime::GONE)))
    }
}

impl Store for PostgresStore {
    fn create(&self, saga: NewSaga) -> BoxFuture<'_, Result<Created, StoreError>> {
        Box::pin(async move {
            if let Some(owner) = &saga.record.owner {
                self.introduce(owner).await?;
            }
            let row = NewSagaRow::new(saga).map_err(|why| self.refused(why))?;
            let (reply, answer) = oneshot::channel();
            self.inner.creates.write(CreateJob { row, reply });
            self.answered(answer).await
        })
    }

    fn append(&self, append: Append) -> BoxFuture<'_, Result<(), StoreError>> {
        Box::pin(async move {
            let row = AppendRow::new(append).map_err(|why| self.refused(why))?;
            let (reply, answer) = oneshot::channel();
            self.inner.appends.write(AppendJob { row, reply });
            self.answered(answer).await
        })
    }

    fn has_transactions(&self, database: DatabaseKind) -> bool {
        database == DatabaseKind::Postgres
    }

    fn append_with(
        &self,
        append: Append,
        work: TransactionWork,
    ) -> BoxFuture<'_, Result<(), StoreError>> {
        let Some(work) = work.into_postgres() else {
            return Box::pin(async { Err(StoreError::NoTransactions) });
        };
        let (database, transactions) =
            (self.inner.database.clone(), self.inner.transactions.clone());
        let done = self
            .inner
            .runtime
            .run(async move { transactions.commit(&database, append, work).await });
        Box::pin(async move {
            done.await.unwrap_or_else(|| Err(self.inner.database.failed(runtime::GONE)))
        })
    }

    fn load(&self, id: &SagaId) -> BoxFuture<'_, Result<Option<StoredSaga>, StoreError>> {
        let ids = vec![id.clone()];
        Box::pin(async move { self.load_many(ids).await.into_iter().next().unwrap_or(Ok(None)) })
    }

    fn load_readable(&self, id: &SagaId) -> BoxFuture<'_, Result<ReadableSaga, StoreError>> {
        let id = id.clone();
        self.run(move |connection| {
            let id = id.clone();
            Box::pin(async move { reads::load_readable(connection, &id).await })
        })
    }

    fn load_many(
        &self,
        ids: Vec<SagaId>,
    ) -> BoxFuture<'_, Vec<Result<Option<StoredSaga>, StoreError>>> {
        let count = ids.len();
        let loaded = self.run(move |connection| {
            let ids = ids.clone();
            Box::pin(async move { reads::load_many(connection, &ids).await })
        });
        Box::pin(async move { loaded.await.unwrap_or_else(|error| vec![Err(error); count]) })
    }

    fn list(&self, filter: ListFilter) -> BoxFuture<'_, Result<Vec<SagaRecord>, StoreError>> {
        self.run(move |connection| {
            let filter = filter.clone();
            Box::pin(async move { reads::list(connection, &filter).await })
        })
    }

    fn versions(&self) -> BoxFuture<'_, Result<Vec<SagaVersion>, StoreError>> {
        self.run(|connection| Box::pin(async move { reads::versions(connection).await }))
    }

    fn counts(&self) -> BoxFuture<'_, Result<Vec<VersionCounts>, StoreError>> {
        self.run(|connection| Box::pin(async move { reads::counts(connection).await }))
    }

    fn lease_terms(&self) -> Option<LeaseTerms> {
        Some(self.inner.terms)
    }

    fn renew(&self, worker: &WorkerId) -> BoxFuture<'_, Result<(), StoreError>> {
        let (worker, lease) = (worker.clone(), self.inner.terms.duration);
        let known = worker.clone();
        // a connection that hangs must not use up the lease
        let limit = self.inner.terms.renew_every;
        let renewed = self.run(move |connection| {
            let worker = worker.clone();
            Box::pin(async move { claims::renew(connection, &worker, lease, limit).await })
        });
        Box::pin(async move {
            renewed.await?;
            self.introduced().insert(known);
            Ok(())
        })
    }

    fn workers(&self) -> BoxFuture<'_, Result<Vec<Worker>, StoreError>> {
        self.run(|connection| Box::pin(async move { claims::workers(connection).await }))
    }

    fn call_shares(&self, actions: Vec<String>) -> BoxFuture<'_, Result<SharedCalls, StoreError>> {
        self.run(move |connection| {
            let actions = actions.clone();
            Box::pin(async move { call_shares::read(connection, &actions).await })
        })
    }

    fn change_call_shares(&self, change: ShareChange) -> BoxFuture<'_, Result<bool, StoreError>> {
        // If a try was committed although it seemed to fail, the next one says that somebody has changed the shares
        // since, and the caller reads them again.
        self.run(move |connection| {
            let change = change.clone();
            Box::pin(async move { call_shares::change(connection, &change).await })
        })
    }

    fn positions(
        &self,
        ids: Vec<SagaId>,
    ) -> BoxFuture<'_, Result<Vec<Option<Position>>, StoreError>> {
        self.run(move |connection| {
            let ids = ids.clone();
            Box::pin(async move { reads::positions(connection, &ids).await })
        })
    }

    fn claim(
        &self,
        worker: &WorkerId,
        fingerprints: &[String],
        limit: usize,
    ) -> BoxFuture<'_, Result<Vec<SagaRecord>, StoreError>> {
        let (worker, fingerprints) = (worker.clone(), fingerprints.to_vec());
        // Once. If a try has claimed something and its reply was lost, another one would not return that: the caller must
        // know that it has to look for it.
        self.run_once(move |connection| {
            Box::pin(async move { claims::claim(connection, &worker, &fingerprints, limit).await })
        })
    }

    fn owned(&self, worker: &WorkerId) -> BoxFuture<'_, Result<Vec<SagaId>, StoreError>> {
        let worker = worker.clone();
        self.run(move |connection| {
            let worker = worker.clone();
            Box::pin(async move { claims::owned(connection, &worker).await })
        })
    }

    fn suspend(&self, suspension: Suspension) -> BoxFuture<'_, Result<(), StoreError>> {
        self.run(move |connection| {
            let suspension = suspension.clone();
            Box::pin(async move { due::suspend(connection, &suspension).await })
        })
    }

    fn claim_due(
        &self,
        worker: &WorkerId,
        fingerprints: &[String],
        now: Timestamp,
        limit: usize,
    ) -> BoxFuture<'_, Result<Vec<SagaRecord>, StoreError>> {
        let (worker, fingerprints) = (worker.clone(), fingerprints.to_vec());
        // once, as with claims
        self.run_once(move |connection| {
            Box::pin(
                async move { due::claim_due(connection, &worker, &fingerprints, now, limit).await },
            )
        })
    }

    fn next_due(
        &self,
        fingerprints: &[String],
    ) -> BoxFuture<'_, Result<Option<Timestamp>, StoreError>> {
        let fingerprints = fingerprints.to_vec();
        self.run(move |connection| {
            let fingerprints = fingerprints.clone();
            Box::pin(async move { due::next_due(connection, &fingerprints).await })
        })
    }

    fn release(&self, worker: &WorkerId) -> BoxFuture<'_, Result<(), StoreError>> {
        let released = worker.clone();
        let worker = worker.clone();
        let release = self.run(move |connection| {
            let worker = worker.clone();
            Box::pin(async move { claims::release(connection, &worker).await })
        });
        Box::pin(async move {
            self.introduced().remove(&released);
            release.await
        })
    }

    fn close(&self) -> BoxFuture<'_, Result<(), StoreError>> {
        let (appends, creates) = (self.inner.appends.clone(), self.inner.creates.clone());
        let transactions = self.inner.transactions.clone();
        let idle = self.inner.runtime.run(async move {
            transactions.idle().await;
            appends.idle().await;
            creates.idle().await;
        });
        Box::pin(async move { idle.await.ok_or_else(|| self.inner.database.failed(runtime::GONE)) })
    }

    fn take(
        &self,
        worker: &WorkerId,
        id: &SagaId,
    ) -> BoxFuture<'_, Result<Option<SagaRecord>, StoreError>> {
        let (worker, id) = (worker.clone(), id.clone());
        Box::pin(async move {
            self.introduce(&worker).await?;
            let take = self.run(move |connection| {
                let (worker, id) = (worker.clone(), id.clone());
                Box::pin(async move { claims::take(connection, &worker, &id).await })
            });
            take.await
        })
    }

    fn delete(&self, id: &SagaId) -> BoxFuture<'_, Result<bool, StoreError>> {
        let id = id.clone();
        self.run(move |connection| {
            let id = id.clone();
            Box::pin(async move { removals::delete(connection, &id).await })
        })
    }

    fn purge(&self, purge: Purge) -> BoxFuture<'_, Result<u64, StoreError>> {
        self.run(move |connection| {
            let purge = purge.clone();
            Box::pin(async move {
                let removed = removals::purge(connection, &purge).await?;
                removals::retire_versions(connection).await?;
                Ok(removed)
            })
        })
    }

    fn request(&self, request: Request) -> BoxFuture<'_, Result<(), StoreError>> {
        self.run(move |connection| {
            let request = request.clone();
            Box::pin(async move { requests::insert(connection, &request).await })
        })
    }

    fn requests(
        &self,
        worker: &WorkerId,
        limit: usize,
    ) -> BoxFuture<'_, Result<Vec<Request>, StoreError>> {
        let worker = worker.clone();
        self.run(move |connection| {
            let worker = worker.clone();
            Box::pin(async move { requests::waiting(connection, &worker, limit).await })
        })
    }

    fn answer(
        &self,
        worker: &WorkerId,
        request: Uuid,
        answer: Answer,
    ) -> BoxFuture<'_, Result<(), StoreError>> {
        let worker = worker.clone();
        self.run(move |connection| {
            let (worker, answer) = (worker.clone(), answer.clone());
            Box::pin(async move { requests::answer(connection, &worker, request, &answer).await })
        })
    }

    fn requests_of(&self, saga: &SagaId) -> BoxFuture<'_, Result<RequestsWithAnswers, StoreError>> {
        let saga = saga.clone();
        self.run(move |connection| {
            let saga = saga.clone();
            Box::pin(async move { requests::of_saga(connection, &saga).await })
        })
    }

    fn answer_to(&self, request: Uuid) -> BoxFuture<'_, Result<Option<Answer>, StoreError>> {
        self.run(move |connection| {
            Box::pin(async move { requests::answer_to(connection, request).await })
        })
    }
}
