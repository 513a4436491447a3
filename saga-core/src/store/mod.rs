//! Where logs are kept.
//!
//! A [`Store`] keeps one record and one log for each saga. Its only write to a log is *compare and
//! append*: the entries go in only if the caller still owns the saga (same worker, same epoch) and
//! has seen all of it (same next sequence number). So a process that was declared dead and comes
//! back cannot write a line.

mod dense;
mod error;
mod memory;
mod record;
#[cfg(feature = "sqlite")]
mod sqlite;

use futures_util::future::BoxFuture;
use uuid::Uuid;

use crate::log::{Answer, Entry, Payload, Request, SagaId, SagaStatus, Timestamp};

pub use error::StoreError;
pub use memory::MemoryStore;
pub use record::{Created, NewSaga, SagaRecord, SagaVersion, StoredSaga, WorkerId};
#[cfg(feature = "sqlite")]
pub use sqlite::{SqliteStats, SqliteStore};

/// One compare-and-append.
#[derive(Debug, Clone)]
pub struct Append {
    /// Which saga.
    pub saga: SagaId,
    /// Who writes; must be the owner.
    pub owner: WorkerId,
    /// The writer's epoch; must be the saga's.
    pub epoch: u64,
    /// The sequence number of the first entry; must be the saga's next.
    pub expected_next_seq: u64,
    /// At least one entry, with sequence numbers dense from `expected_next_seq`.
    pub entries: Vec<Entry>,
    /// What else changes in the saga's record.
    pub change: RecordChange,
    /// Requests that are answered by this, in the same transaction; those that do not wait any more,
    /// or never did, are passed over.
    pub answers: Vec<(Uuid, Answer)>,
}

/// What an append changes in the saga's record, in the same transaction.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RecordChange {
    /// The new status.
    pub status: SagaStatus,
    /// When the saga wants to go on, if it waits.
    pub wake_at: Option<Timestamp>,
    /// The error that it ended with; `None` leaves what is there.
    pub error: Option<String>,
    /// A snapshot of the context; `None` leaves what is there.
    pub context: Option<Payload>,
    /// The new pause, if it changed.
    pub paused: Option<bool>,
    /// The new reason to be parked (`Some(None)`: not parked any more), if it changed.
    pub parked_reason: Option<Option<String>>,
    /// True if one of the entries is an outcome, which ends a series of crashes: `attempts`
    /// becomes 1.
    pub progress: bool,
}

impl RecordChange {
    /// A new status and nothing else.
    pub fn status(status: SagaStatus) -> Self {
        Self {
            status,
            wake_at: None,
            error: None,
            context: None,
            paused: None,
            parked_reason: None,
            progress: false,
        }
    }
}

/// Which sagas [`Store::list`] shows: those that fit all that is set. Ordered by id.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ListFilter {
    /// Only these statuses; empty: any.
    pub statuses: Vec<SagaStatus>,
    /// Only this saga name.
    pub name: Option<String>,
    /// Only those created after this moment.
    pub created_after: Option<Timestamp>,
    /// Only those created before this moment.
    pub created_before: Option<Timestamp>,
    /// Only ids after this one: the next page.
    pub after: Option<SagaId>,
    /// At most so many; 0: 100.
    pub limit: usize,
}

impl ListFilter {
    fn page_size(&self) -> usize {
        if self.limit == 0 { 100 } else { self.limit }
    }
}

/// Which sagas [`Store::purge`] removes: those that have ended, and fit all of this.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Purge {
    /// Only those that ended before this moment.
    pub ended_before: Timestamp,
    /// Only those that ended like this; empty: completed and rolled back. A status that is no end
    /// removes nothing.
    pub statuses: Vec<SagaStatus>,
    /// At most so many; 0: none. What is left is for the next call, so that no call holds up other
    /// writes for long.
    pub limit: usize,
}

impl Purge {
    /// The ends that it removes, each once.
    fn ends(&self) -> Vec<SagaStatus> {
        if self.statuses.is_empty() {
            return vec![SagaStatus::Completed, SagaStatus::RolledBack];
        }
        let mut ends: Vec<_> = self.statuses.iter().copied().filter(|s| s.is_ended()).collect();
        ends.sort_unstable();
        ends.dedup();
        ends
    }
}

/// Keeps sagas and their logs. Object-safe; all methods may be called at the same time.
///
/// A returned `Ok` of `create` and `append` means *durable*, whatever that is for this store. After
/// an error nothing of the call is in, but for one: after [`StoreError::Failed`] it may be, if it
/// was the commit that failed. The caller then stops, and whoever loads the saga sees what is in.
///
/// A future that is dropped before it is ready may have done its work or not. What does not depend
/// on the store's content (entries without a gap, numbers that fit) is checked first, and is
/// [`StoreError::Failed`] too.
pub trait Store: Send + Sync + 'static {
    /// Puts a saga and its first entries in, in one transaction, unless its id is taken.
    fn create(&self, saga: NewSaga) -> BoxFuture<'_, Result<Created, StoreError>>;

    /// Compare and append. [`StoreError::Fenced`] if owner, epoch or next sequence number differ,
    /// [`StoreError::NotFound`] if the saga was deleted. The record's `updated_at` becomes the last
    /// entry's time.
    fn append(&self, append: Append) -> BoxFuture<'_, Result<(), StoreError>>;

    /// A saga with all of its log, if there is one.
    fn load(&self, id: &SagaId) -> BoxFuture<'_, Result<Option<StoredSaga>, StoreError>>;

    /// The records that fit the filter, by id.
    fn list(&self, filter: ListFilter) -> BoxFuture<'_, Result<Vec<SagaRecord>, StoreError>>;

    /// The definitions of all unfinished sagas, by name and fingerprint; the DAG is that of the
    /// saga with the lowest id.
    fn versions(&self) -> BoxFuture<'_, Result<Vec<SagaVersion>, StoreError>>;

    /// Makes `worker` the owner of up to `limit` unfinished sagas that have none (or, in a store
    /// with one worker at a time, had another), whose fingerprint is one of `fingerprints`, with
    /// the next epoch and one more `attempts`. Sagas that are paused or parked stay where they are.
    /// Returns the records of those claimed, oldest first.
    fn claim(
        &self,
        worker: &WorkerId,
        fingerprints: &[String],
        limit: usize,
    ) -> BoxFuture<'_, Result<Vec<SagaRecord>, StoreError>>;

    /// The sagas that `worker` owns and that have not ended have no owner any more and count no
    /// crash.
    fn release(&self, worker: &WorkerId) -> BoxFuture<'_, Result<(), StoreError>>;

    /// Makes `worker` the owner of this one saga with the next epoch, whatever it is doing (paused,
    /// parked or ended too) and whoever owned it; `attempts` stays. `None` if there is no such saga.
    ///
    /// For a worker that carries out a request. In a store with several workers at a time it must
    /// leave a saga alone whose owner is alive.
    fn take(
        &self,
        worker: &WorkerId,
        id: &SagaId,
    ) -> BoxFuture<'_, Result<Option<SagaRecord>, StoreError>>;

    /// Removes a saga with its log and requests; false if there is none. [`StoreError::Fenced`] while a worker
    /// owns it and it has not ended.
    fn delete(&self, id: &SagaId) -> BoxFuture<'_, Result<bool, StoreError>>;

    /// Removes sagas that ended long ago, with their logs and requests, and says how many.
    fn purge(&self, purge: Purge) -> BoxFuture<'_, Result<u64, StoreError>>;

    /// Leaves a request for whoever runs its saga. [`StoreError::NotFound`] if there is no such
    /// saga. A request that is there already stays as it is, with its answer.
    fn request(&self, request: Request) -> BoxFuture<'_, Result<(), StoreError>>;

    /// The requests that wait for an answer and that `worker` may carry out (in a store with one
    /// worker: all), by their time and then their id. One that this version cannot read is left to
    /// a later version.
    fn requests(
        &self,
        worker: &WorkerId,
        limit: usize,
    ) -> BoxFuture<'_, Result<Vec<Request>, StoreError>>;

    /// Answers a waiting request that leaves no entry in the log. No effect if it does not wait.
    fn answer(&self, request: Uuid, answer: Answer) -> BoxFuture<'_, Result<(), StoreError>>;

    /// The answer to a request; `None` while it waits, and if there is no such request.
    fn answer_to(&self, request: Uuid) -> BoxFuture<'_, Result<Option<Answer>, StoreError>>;
}
