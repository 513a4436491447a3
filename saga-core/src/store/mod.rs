//! Stores: where records, logs and operators' requests are kept.
//!
//! A [`Store`] keeps one record and one log for each saga. The only way to write to a log is *compare and
//! append*: the entries are accepted only if the caller still owns the saga (same worker, same epoch) and
//! has seen all of its log (same next sequence number). A process that was declared dead and comes back
//! therefore cannot write a single entry.
//!
//! | store | use it for |
//! |---|---|
//! | [`MemoryStore`] | the default of a coordinator: tests, and sagas that need not outlive their process |
//! | [`FileStore`] | small tools, and logs that you can read with `cat` |
//! | `SqliteStore` (feature `sqlite`) | services: one process with a local database file |
//! | `PostgresStore` (feature `postgres`) | services: any number of processes that share a database |
//!
//! [`EncodedStore`] wraps any of them and encodes every payload, for encryption above all.
//!
#![doc = include_str!("../../docs/custom-store.md")]

mod append;
mod call_shares;
mod counts;
mod defaults;
mod encoded;
mod error;
mod export;
mod file;
mod io_thread;
#[cfg_attr(not(feature = "fault-injection"), allow(unreachable_pub))]
mod lease_times;
#[cfg(any(feature = "sqlite", feature = "postgres"))]
mod log_rows;
mod memory;
mod open_files;
mod payload_codec;
#[cfg(feature = "postgres")]
mod postgres;
mod queries;
mod record;
#[cfg(feature = "sqlite")]
mod sqlite;
#[cfg(any(feature = "sqlite", feature = "postgres"))]
mod table_prefix;
mod transaction_work;
mod worker_lock;
mod workers;

use futures_util::future::BoxFuture;
use uuid::Uuid;

use crate::log::{Answer, Request, SagaId, Timestamp};

/// The `rusqlite` that [`SqliteStore`] and `saga_core::barrier` use, re-exported so that versions match.
#[cfg(feature = "sqlite")]
pub use ::rusqlite;
/// The `tokio_postgres` that [`PostgresStore`] and `saga_core::barrier::postgres` use, re-exported so that versions match.
#[cfg(feature = "postgres")]
pub use ::tokio_postgres;
pub use append::{Append, NewDefinition, RecordChange};
pub use call_shares::{CallShare, CallShares, ShareChange, SharedCalls};
pub use counts::{StateCount, VersionCounts};
pub use encoded::EncodedStore;
pub use error::StoreError;
pub(crate) use error::corrupt;
pub use export::ImportError;
pub(crate) use export::export;
pub use file::FileStore;
// the model check of this repository explores it
pub use crate::policy::DatabaseKind;
#[doc(hidden)]
#[cfg(feature = "fault-injection")]
pub use lease_times::LeaseTimes;
#[cfg(not(feature = "fault-injection"))]
pub(crate) use lease_times::LeaseTimes;
pub use memory::MemoryStore;
pub use payload_codec::{Aad, CodecError, PayloadCodec, PayloadKind};
#[cfg(feature = "postgres")]
pub use postgres::{PostgresOptions, PostgresStore};
pub use queries::{ListFilter, Purge};
pub use record::ReadableSaga;
pub use record::{Created, NewSaga, SagaRecord, SagaVersion, StoredSaga, Suspension, WorkerId};
#[cfg(feature = "sqlite")]
pub use sqlite::{SqliteStats, SqliteStore};
#[cfg(feature = "postgres")]
pub use transaction_work::PostgresWork;
#[cfg(feature = "sqlite")]
pub use transaction_work::SqliteWork;
pub use transaction_work::TransactionWork;
pub use workers::{CurrentWorker, LeaseTerms, Position, Worker};

/// Operators' requests, each with its answer if it has one.
pub type RequestsWithAnswers = Vec<(Request, Option<Answer>)>;

/// Keeps sagas and their logs. The trait is object-safe, and all methods may be called concurrently.
///
/// When `create` or `append` returns `Ok`, the write is *durable*, whatever that means for the store. When a
/// call returns an error, it has written nothing, with two exceptions: after [`StoreError::Failed`] and
/// [`StoreError::Closed`] the write may have taken effect, because it may have been the commit that failed.
/// The caller then stops running the saga, and whoever loads it next sees what was written. After `Failed`
/// the caller itself loads the saga again after a while; `Closed` means that the store will not work until
/// it is opened again.
///
/// If a returned future is dropped before it completes, the write may or may not have happened. Arguments
/// are checked first (entries without gaps, numbers within range); a bad argument is [`StoreError::Failed`]
/// as well.
pub trait Store: Send + Sync + 'static {
    /// Creates a saga with its first entries, in one transaction, unless its id is taken.
    fn create(&self, saga: NewSaga) -> BoxFuture<'_, Result<Created, StoreError>>;

    /// Appends entries and changes the record, if the caller still owns the saga and has seen its whole log.
    /// The record's `updated_at` becomes the time of the last entry.
    ///
    /// If the change has a [definition](RecordChange::definition), the saga goes on under it: from then on every call that
    /// reads the record, counts the sagas of a version, or claims by fingerprints finds the saga under the new definition,
    /// and no longer under the one before. Other sagas of either definition stay as they are.
    ///
    /// Fails with [`StoreError::Fenced`] if the owner, the epoch or the next sequence number differs, and with
    /// [`StoreError::NotFound`] if the saga was deleted.
    fn append(&self, append: Append) -> BoxFuture<'_, Result<(), StoreError>>;

    /// Like [`append`](Self::append), but also runs `work` in the same transaction, so that either both take
    /// effect or neither does. The work runs at most once, and not at all if the append is refused.
    ///
    /// The default returns [`StoreError::NoTransactions`], and so does a store that is given work for a
    /// different kind of database. A store that can do it says so in [`has_transactions`](Self::has_transactions).
    fn append_with(
        &self,
        append: Append,
        work: TransactionWork,
    ) -> BoxFuture<'_, Result<(), StoreError>> {
        let _ = (append, work);
        Box::pin(async { Err(StoreError::NoTransactions) })
    }

    /// True if [`append_with`](Self::append_with) takes work for this kind of database. A coordinator refuses sagas with an
    /// action that is a transaction of a database which its store does not have. The default is false.
    fn has_transactions(&self, database: DatabaseKind) -> bool {
        let _ = database;
        false
    }

    /// The name of the store's type, for messages.
    fn type_name(&self) -> &'static str {
        defaults::type_name::<Self>()
    }

    /// Loads a saga with its whole log; `None` if there is no such saga.
    fn load(&self, id: &SagaId) -> BoxFuture<'_, Result<Option<StoredSaga>, StoreError>>;

    /// Loads what can be read of a saga that exists: its log up to the first entry that is corrupt, and what is wrong with that.
    /// The default fails as [`load`](Self::load) does.
    fn load_readable(&self, id: &SagaId) -> BoxFuture<'_, Result<ReadableSaga, StoreError>> {
        Box::pin(defaults::load_readable(self, id.clone()))
    }

    /// Loads several sagas. Returns one result for each id, in the same order.
    ///
    /// The default [loads](Self::load) one after the other. A coordinator that is built resumes sagas by hundreds, so a
    /// store where each call takes a while does better.
    fn load_many(
        &self,
        ids: Vec<SagaId>,
    ) -> BoxFuture<'_, Vec<Result<Option<StoredSaga>, StoreError>>> {
        Box::pin(defaults::load_many(self, ids))
    }

    /// Loads sagas that this worker has claimed, given as [`claim`](Self::claim) returned them. Returns one result for each, in
    /// the same order: what [`load`](Self::load) would return.
    ///
    /// A store can save reading a record that has not changed since it was claimed. The default [loads](Self::load_many)
    /// all of them anew.
    fn load_claimed(
        &self,
        claimed: Vec<SagaRecord>,
    ) -> BoxFuture<'_, Vec<Result<Option<StoredSaga>, StoreError>>> {
        self.load_many(claimed.into_iter().map(|record| record.id).collect())
    }

    /// Returns the records that match the filter, ordered by id.
    fn list(&self, filter: ListFilter) -> BoxFuture<'_, Result<Vec<SagaRecord>, StoreError>>;

    /// Returns the current definitions of all unfinished sagas, grouped by name and fingerprint. The DAG of a group is
    /// that of one of its sagas.
    fn versions(&self) -> BoxFuture<'_, Result<Vec<SagaVersion>, StoreError>>;

    /// Returns how many sagas there are, by name, fingerprint and [state](SagaRecord::listed_state), ordered by name and
    /// fingerprint. The DAG of a group is that of one of its sagas.
    ///
    /// The default [lists](Self::list) all sagas. A store that can count without reading every record does better.
    fn counts(&self) -> BoxFuture<'_, Result<Vec<VersionCounts>, StoreError>> {
        Box::pin(defaults::counts(self))
    }

    /// On what terms workers lease their sagas; `None`, the default, for a store with one worker at a time.
    ///
    /// If a store has several workers at a time, each proves that it is alive by [renewing](Self::renew) its lease.
    /// When the lease of a worker has ended, by the store's clock, others may [claim](Self::claim) its sagas.
    fn lease_terms(&self) -> Option<LeaseTerms> {
        None
    }

    /// Begins or renews the lease of a worker. From then on it is alive for
    /// [`LeaseTerms::duration`](LeaseTerms::duration), by the store's clock. A coordinator gives up a call that takes longer
    /// than that, and asks again.
    ///
    /// The default does nothing, which suits stores with one worker at a time.
    fn renew(&self, worker: &WorkerId) -> BoxFuture<'_, Result<(), StoreError>> {
        let _ = worker;
        Box::pin(async { Ok(()) })
    }

    /// Returns the workers that are alive, longest first.
    ///
    /// The default returns none, which suits stores with one worker at a time.
    fn workers(&self) -> BoxFuture<'_, Result<Vec<Worker>, StoreError>> {
        Box::pin(async { Ok(Vec::new()) })
    }

    /// Returns whether a process has the store open as its worker, in a store with one worker at a time. A store that keeps
    /// this says which worker it is once that one has [claimed](Self::claim) sagas, so that it can be seen which sagas it has not
    /// taken.
    ///
    /// The default cannot tell.
    fn current_worker(&self) -> BoxFuture<'_, Result<CurrentWorker, StoreError>> {
        Box::pin(async { Ok(CurrentWorker::Unknown) })
    }

    /// Returns how workers divide the calls of these actions between them, for
    /// [`max_calls_of_everywhere`](crate::CoordinatorBuilder::max_calls_of_everywhere).
    ///
    /// The default fails with [`StoreError::NoCallShares`]. A store with one worker at a time is never asked.
    fn call_shares(&self, actions: Vec<String>) -> BoxFuture<'_, Result<SharedCalls, StoreError>> {
        let _ = actions;
        Box::pin(async { Err(StoreError::NoCallShares) })
    }

    /// Changes how workers divide the calls of an action, after which their version is greater by one, and returns true.
    /// Does nothing and returns false if the version is not the one that was read.
    ///
    /// The default fails with [`StoreError::NoCallShares`].
    fn change_call_shares(&self, change: ShareChange) -> BoxFuture<'_, Result<bool, StoreError>> {
        let _ = change;
        Box::pin(async { Err(StoreError::NoCallShares) })
    }

    /// Returns how far sagas have come, in the order of their ids; `None` for a saga that does not exist. A coordinator
    /// asks this several times a second about sagas of other workers that somebody waits for.
    ///
    /// The default [loads](Self::load_many) them.
    fn positions(
        &self,
        ids: Vec<SagaId>,
    ) -> BoxFuture<'_, Result<Vec<Option<Position>>, StoreError>> {
        Box::pin(defaults::positions(self, ids))
    }

    /// Makes `worker` the owner of up to `limit` unfinished sagas whose fingerprint is one of `fingerprints`
    /// and that have no owner, or one that is not alive (in a store with one worker at a time: no owner, or another
    /// one). Each claimed saga gets the next epoch, and its `attempts` grows by one. Parked and
    /// [suspended](SagaRecord::suspended) sagas are skipped; paused
    /// ones are not, because their deadlines keep running. Returns the claimed records, oldest first.
    ///
    /// When sagas of one worker that has died are claimed by others at the same time, each saga is claimed by one of
    /// them. A store with [leases](Self::lease_terms) lets only workers that are alive claim sagas.
    fn claim(
        &self,
        worker: &WorkerId,
        fingerprints: &[String],
        limit: usize,
    ) -> BoxFuture<'_, Result<Vec<SagaRecord>, StoreError>>;

    /// Gives up a saga that has nothing to do until a time comes, or until somebody asks something of it. From then on it is
    /// [suspended](SagaRecord::suspended): it has no owner, its `attempts` are 0, and its `wake_at` is the given one. Its log
    /// stays as it is.
    ///
    /// Fails with [`StoreError::Fenced`] if the owner, the epoch or the next sequence number differs, or if the saga has ended,
    /// and with [`StoreError::NotFound`] if it was deleted.
    fn suspend(&self, suspension: Suspension) -> BoxFuture<'_, Result<(), StoreError>>;

    /// Makes `worker` the owner of up to `limit` sagas that are [suspended](SagaRecord::suspended), whose fingerprint is one of
    /// `fingerprints`, and whose `wake_at` is not later than `now`; those that are parked are skipped. From then on they are
    /// not suspended. Each gets the next epoch, and its `attempts` grows by one. Returns the claimed records, ordered by
    /// their `wake_at`.
    ///
    /// When several workers ask at the same time, each saga is claimed by one of them. A store with
    /// [leases](Self::lease_terms) lets only workers that are alive claim sagas.
    fn claim_due(
        &self,
        worker: &WorkerId,
        fingerprints: &[String],
        now: Timestamp,
        limit: usize,
    ) -> BoxFuture<'_, Result<Vec<SagaRecord>, StoreError>>;

    /// Returns the earliest `wake_at` of the sagas that [`claim_due`](Self::claim_due) will find; `None` if there are none.
    fn next_due(
        &self,
        fingerprints: &[String],
    ) -> BoxFuture<'_, Result<Option<Timestamp>, StoreError>>;

    /// Returns the ids of the sagas that `worker` owns and that are neither parked nor ended. A coordinator asks this
    /// after a [claim](Self::claim) or another call that has failed and may have taken effect all the same, and runs
    /// what it does not run yet.
    ///
    /// The default [lists](Self::list) all unfinished sagas.
    fn owned(&self, worker: &WorkerId) -> BoxFuture<'_, Result<Vec<SagaId>, StoreError>> {
        Box::pin(defaults::owned(self, worker.clone()))
    }

    /// Gives up ownership of all unfinished sagas that `worker` owns, and resets their `attempts` to 0, because
    /// a release is not a crash.
    fn release(&self, worker: &WorkerId) -> BoxFuture<'_, Result<(), StoreError>>;

    /// Closes the store for its worker. When this returns, everything written before is durable, the worker's
    /// lock (if the store has one) is released, and the store refuses every write that only a worker may make.
    /// Reads and new requests still work. All clones of the store are closed together, until
    /// [`reopen`](Self::reopen).
    ///
    /// The default does nothing, which suits stores that another worker can open at any time.
    fn close(&self) -> BoxFuture<'_, Result<(), StoreError>> {
        Box::pin(async { Ok(()) })
    }

    /// Opens a store again that was [closed](Self::close), for a new coordinator; does nothing if it is open.
    /// Fails with [`StoreError::InUse`] if another worker has opened it in the meantime.
    ///
    /// The default does nothing, which suits stores that are never closed.
    fn reopen(&self) -> BoxFuture<'_, Result<(), StoreError>> {
        Box::pin(async { Ok(()) })
    }

    /// Makes `worker` the owner of this one saga, with the next epoch, so that it can carry out an operator's
    /// request. The saga's state (even paused, parked, suspended or ended) and its previous owner do not matter, and
    /// `attempts` does not change. Returns `None` if there is no such saga.
    ///
    /// A store with [leases](Self::lease_terms) does not take a saga from another worker that is alive, but fails with
    /// [`StoreError::Fenced`].
    fn take(
        &self,
        worker: &WorkerId,
        id: &SagaId,
    ) -> BoxFuture<'_, Result<Option<SagaRecord>, StoreError>>;

    /// Removes a saga with its log and its requests; returns false if there is no such saga. Fails with
    /// [`StoreError::Fenced`] while a worker owns the saga and it has not ended.
    fn delete(&self, id: &SagaId) -> BoxFuture<'_, Result<bool, StoreError>>;

    /// Removes old ended sagas, with their logs and requests, and returns how many it removed. A saga stays while a request
    /// to it has no answer.
    fn purge(&self, purge: Purge) -> BoxFuture<'_, Result<u64, StoreError>>;

    /// Stores an operator's request for the worker that owns the saga. Fails with [`StoreError::NotFound`] if
    /// there is no such saga. If a request with this id exists, it and its answer stay as they are.
    fn request(&self, request: Request) -> BoxFuture<'_, Result<(), StoreError>>;

    /// Returns up to `limit` requests that are unanswered at one moment, so that none is missing that was stored before another one
    /// of them, ordered by time and then by id: in a store with one worker at a time
    /// all of them, in a store with [leases](Self::lease_terms) the requests to sagas that `worker` owns, and to sagas
    /// that no worker owns that is alive. A request that this version cannot decode is skipped; a newer version may have
    /// left it.
    fn requests(
        &self,
        worker: &WorkerId,
        limit: usize,
    ) -> BoxFuture<'_, Result<Vec<Request>, StoreError>>;

    /// Returns a future that completes when a request arrives after this call.
    ///
    /// The default returns `None`, for stores that other processes can write to: the coordinator then polls
    /// for requests several times a second. A store that only this process can reach returns a future instead.
    fn requested(&self) -> Option<BoxFuture<'static, ()>> {
        None
    }

    /// Returns the requests that were left for a saga, with their answers, ordered by time and then by id. A request that
    /// this version cannot decode is skipped.
    ///
    /// The default returns none, for stores that do not keep requests once they are answered.
    fn requests_of(&self, saga: &SagaId) -> BoxFuture<'_, Result<RequestsWithAnswers, StoreError>> {
        let _ = saga;
        Box::pin(async { Ok(Vec::new()) })
    }

    /// Answers a request without writing to the log, as this worker. Does nothing if the request does not exist or has been
    /// answered.
    ///
    /// A store with [leases](Self::lease_terms) fails with [`StoreError::Fenced`] if another worker owns the saga, unless that
    /// one is dead and this one is alive: what this one knows of the saga may be out of date, and the owner may grant what
    /// this one would refuse.
    fn answer(
        &self,
        worker: &WorkerId,
        request: Uuid,
        answer: Answer,
    ) -> BoxFuture<'_, Result<(), StoreError>>;

    /// Returns the answer to a request; `None` if it has not been answered, or does not exist.
    fn answer_to(&self, request: Uuid) -> BoxFuture<'_, Result<Option<Answer>, StoreError>>;
}
