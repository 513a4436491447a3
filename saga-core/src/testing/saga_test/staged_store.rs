//! A store in memory that outlives the processes of a run, and in which they die.

use std::future::pending;
use std::sync::Arc;

use futures_util::future::BoxFuture;

#[cfg(feature = "sqlite")]
use super::database::Database;
use super::stage::Stage;
use crate::log::{Answer, Entry, Request, SagaId, Timestamp, Uuid};
use crate::panics;
#[cfg(feature = "sqlite")]
use crate::store::TransactionWork;
use crate::store::{
    Append, Created, DatabaseKind, ListFilter, MemoryStore, NewSaga, Purge, SagaRecord,
    SagaVersion, Store, StoreError, StoredSaga, Suspension, VersionCounts, WorkerId,
};

/// What is checked whenever something has become durable.
pub(super) type Always = Arc<dyn Fn() + Send + Sync>;

#[derive(Clone)]
pub(super) struct StagedStore {
    pub(super) memory: MemoryStore,
    pub(super) stage: Arc<Stage>,
    pub(super) always: Option<Always>,
    /// The user's tables, if the test has some.
    #[cfg(feature = "sqlite")]
    pub(super) database: Option<Arc<Database>>,
}

/// What is wrong with a test whose actions need tables.
#[cfg(feature = "sqlite")]
const NO_TABLES: &str = "an action calls `cx.transaction`, and this test has no tables; create them with `SagaTest::sqlite`";
#[cfg(feature = "sqlite")]
const NO_POSTGRES: &str = "an action calls `cx.postgres_transaction`, and a `SagaTest` has no PostgreSQL; test this saga in a \
                           coordinator with a `PostgresStore`";

impl StagedStore {
    #[cfg(feature = "sqlite")]
    fn no_transactions(&self, why: &str) -> StoreError {
        self.stage.seen().violation.get_or_insert_with(|| why.to_string());
        StoreError::NoTransactions
    }

    /// Something is durable now. Does not return if the process dies.
    async fn appended(&self, number: usize, saga: &SagaId, entries: &[Entry]) {
        let goes_on = self.stage.appended(number, saga, entries);
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
    async fn begins(&self, saga: &SagaId, entries: &[Entry]) -> usize {
        match self.stage.append_begins(saga, entries) {
            Some(number) => number,
            None => pending().await,
        }
    }
}

impl Store for StagedStore {
    fn create(&self, saga: NewSaga) -> BoxFuture<'_, Result<Created, StoreError>> {
        Box::pin(async move {
            let (id, entries) = (saga.record.id.clone(), saga.entries.clone());
            let number = self.begins(&id, &entries).await;
            let created = self.memory.create(saga).await?;
            if matches!(created, Created::New) {
                self.appended(number, &id, &entries).await;
            }
            Ok(created)
        })
    }

    fn append(&self, append: Append) -> BoxFuture<'_, Result<(), StoreError>> {
        Box::pin(async move {
            let (id, entries) = (append.saga.clone(), append.entries.clone());
            let number = self.begins(&id, &entries).await;
            self.memory.append(append).await?;
            self.appended(number, &id, &entries).await;
            Ok(())
        })
    }

    /// A test without the tables that an action needs finds that out when the action is called, unless that is mocked.
    fn has_transactions(&self, _database: DatabaseKind) -> bool {
        true
    }

    #[cfg(feature = "sqlite")]
    fn append_with(
        &self,
        append: Append,
        work: TransactionWork,
    ) -> BoxFuture<'_, Result<(), StoreError>> {
        Box::pin(async move {
            let (database, work) = match (&self.database, work.into_sqlite()) {
                (Some(database), Some(work)) => (database, work),
                (_, None) => return Err(self.no_transactions(NO_POSTGRES)),
                (None, Some(_)) => return Err(self.no_transactions(NO_TABLES)),
            };
            let (id, entries) = (append.saga.clone(), append.entries.clone());
            let number = self.begins(&id, &entries).await;
            database.append_with(&self.memory, append, work)?;
            self.appended(number, &id, &entries).await;
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

    fn counts(&self) -> BoxFuture<'_, Result<Vec<VersionCounts>, StoreError>> {
        self.memory.counts()
    }

    fn claim(
        &self,
        worker: &WorkerId,
        fingerprints: &[String],
        limit: usize,
    ) -> BoxFuture<'_, Result<Vec<SagaRecord>, StoreError>> {
        self.memory.claim(worker, fingerprints, limit)
    }

    fn suspend(&self, suspension: Suspension) -> BoxFuture<'_, Result<(), StoreError>> {
        self.memory.suspend(suspension)
    }

    fn claim_due(
        &self,
        worker: &WorkerId,
        fingerprints: &[String],
        now: Timestamp,
        limit: usize,
    ) -> BoxFuture<'_, Result<Vec<SagaRecord>, StoreError>> {
        self.memory.claim_due(worker, fingerprints, now, limit)
    }

    fn next_due(
        &self,
        fingerprints: &[String],
    ) -> BoxFuture<'_, Result<Option<Timestamp>, StoreError>> {
        self.memory.next_due(fingerprints)
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

    fn answer(
        &self,
        worker: &WorkerId,
        request: Uuid,
        answer: Answer,
    ) -> BoxFuture<'_, Result<(), StoreError>> {
        self.memory.answer(worker, request, answer)
    }

    fn answer_to(&self, request: Uuid) -> BoxFuture<'_, Result<Option<Answer>, StoreError>> {
        self.memory.answer_to(request)
    }
}
