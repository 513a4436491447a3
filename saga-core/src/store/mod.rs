//! Where logs are kept.
//!
//! A [`Store`] keeps one record and one log for each saga. Its only write to a log is *compare and
//! append*: the entries go in only if the caller still owns the saga (same worker, same epoch) and
//! has seen all of it (same next sequence number). So a process that was declared dead and comes
//! back cannot write a line.
//!
//! | store | for |
//! |---|---|
//! | [`MemoryStore`] | tests, and sagas that need not outlive their process |
//! | [`FileStore`] | small tools; a log that can be read with `cat` |
//! | `SqliteStore` (feature `sqlite`) | the default: one process, a file beside it |
//!
#![doc = include_str!("../../docs/custom-store.md")]

mod append;
mod encoded;
mod error;
mod file;
mod io_thread;
mod memory;
mod open_files;
mod payload_codec;
mod queries;
mod record;
#[cfg(feature = "sqlite")]
mod sqlite;
mod transaction_work;
mod worker_lock;

use futures_util::future::BoxFuture;
use uuid::Uuid;

use crate::log::{Answer, Request, SagaId};

/// The SQLite that [`SqliteStore`] and `saga_core::barrier` use.
#[cfg(feature = "sqlite")]
pub use ::rusqlite;
pub use append::{Append, RecordChange};
pub use encoded::EncodedStore;
pub use error::StoreError;
pub(crate) use error::corrupt;
pub use file::FileStore;
pub use memory::MemoryStore;
pub use payload_codec::{Aad, CodecError, PayloadCodec, PayloadKind};
pub use queries::{ListFilter, Purge};
pub use record::{Created, NewSaga, SagaRecord, SagaVersion, StoredSaga, WorkerId};
#[cfg(feature = "sqlite")]
pub use sqlite::{SqliteStats, SqliteStore};
#[cfg(feature = "sqlite")]
pub use transaction_work::SqliteWork;
pub use transaction_work::TransactionWork;

/// Keeps sagas and their logs. Object-safe; all methods may be called at the same time.
///
/// A returned `Ok` of `create` and `append` means *durable*, whatever that is for this store. After
/// an error nothing of the call is in, but for two: after [`StoreError::Failed`] and
/// [`StoreError::Closed`] it may be, if it was the commit that failed. The caller then stops, and whoever
/// loads the saga sees what is in. After `Failed` that is the caller itself, a while later; a store that
/// will not work before it is opened again answers `Closed`.
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

    /// [`append`](Self::append), with rows of the caller's in the same transaction: both are in, or
    /// neither is. The work runs at most once, and not at all if the append is refused.
    ///
    /// The default answers [`StoreError::NoTransactions`], and so does a store that is given the work of
    /// another kind of database.
    fn append_with(
        &self,
        append: Append,
        work: TransactionWork,
    ) -> BoxFuture<'_, Result<(), StoreError>> {
        let _ = (append, work);
        Box::pin(async { Err(StoreError::NoTransactions) })
    }

    /// A saga with all of its log, if there is one.
    fn load(&self, id: &SagaId) -> BoxFuture<'_, Result<Option<StoredSaga>, StoreError>>;

    /// The records that fit the filter, by id.
    fn list(&self, filter: ListFilter) -> BoxFuture<'_, Result<Vec<SagaRecord>, StoreError>>;

    /// The definitions of all unfinished sagas, by name and fingerprint; the DAG is that of the
    /// saga with the lowest id.
    fn versions(&self) -> BoxFuture<'_, Result<Vec<SagaVersion>, StoreError>>;

    /// Makes `worker` the owner of up to `limit` unfinished sagas that have none (or, in a store
    /// with one worker at a time, had another), whose fingerprint is one of `fingerprints`, with
    /// the next epoch and one more `attempts`. Sagas that are parked stay where they are; those
    /// that are paused don't, for their deadlines go on. Returns the records of those claimed, oldest
    /// first.
    fn claim(
        &self,
        worker: &WorkerId,
        fingerprints: &[String],
        limit: usize,
    ) -> BoxFuture<'_, Result<Vec<SagaRecord>, StoreError>>;

    /// The unfinished sagas that `worker` owns have no owner any more, and count no crash.
    fn release(&self, worker: &WorkerId) -> BoxFuture<'_, Result<(), StoreError>>;

    /// The worker is done: what was written before is durable, its lock (if the store has one) is released
    /// when this returns, and every later write of a worker's is refused. Reading, and leaving requests, goes
    /// on. Clones of the store are closed with it, until [`reopen`](Self::reopen).
    ///
    /// The default does nothing, for stores that another worker can open at any time.
    fn close(&self) -> BoxFuture<'_, Result<(), StoreError>> {
        Box::pin(async { Ok(()) })
    }

    /// A coordinator begins to use the store: one that was [closed](Self::close) is opened again, as if it were new.
    /// [`StoreError::InUse`] if another worker has opened it meanwhile. Nothing happens to one that is not closed.
    ///
    /// The default does nothing, for stores that are never closed.
    fn reopen(&self) -> BoxFuture<'_, Result<(), StoreError>> {
        Box::pin(async { Ok(()) })
    }

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

    /// Removes a saga with its log and requests; false if there is none. [`StoreError::Fenced`]
    /// while a worker owns it and it has not ended.
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

    /// Ready when a request has come in since this was called.
    ///
    /// The default says `None`, for a store that another process can reach: then requests are looked for
    /// several times a second. One that only this process can reach says how to wait for them.
    fn requested(&self) -> Option<BoxFuture<'static, ()>> {
        None
    }

    /// Answers a waiting request that leaves no entry in the log. No effect if it does not wait.
    fn answer(&self, request: Uuid, answer: Answer) -> BoxFuture<'_, Result<(), StoreError>>;

    /// The answer to a request; `None` while it waits, and if there is no such request.
    fn answer_to(&self, request: Uuid) -> BoxFuture<'_, Result<Option<Answer>, StoreError>>;
}
