//! Where logs are kept.
//!
//! A [`Store`] keeps one record and one log for each saga. Its only write to a log is *compare and
//! append*: the entries go in only if the caller still owns the saga (same worker, same epoch) and
//! has seen all of it (same next sequence number). So a process that was declared dead and comes
//! back cannot write a line.

mod codec;
mod dense;
mod encoded;
mod memory;
#[cfg(feature = "sqlite")]
mod sqlite;
mod work;

use std::fmt;
use std::sync::Arc;

use futures_util::future::BoxFuture;
use serde::{Deserialize, Serialize};

use crate::log::{Entry, Payload, SagaId, SagaStatus, Timestamp};

/// The SQLite that [`SqliteStore`] and `saga_core::barrier` use.
#[cfg(feature = "sqlite")]
pub use ::rusqlite;
pub use codec::{Aad, CodecError, PayloadCodec, PayloadKind};
pub use encoded::EncodedStore;
pub use memory::MemoryStore;
#[cfg(feature = "sqlite")]
pub use sqlite::{SqliteStats, SqliteStore};
#[cfg(feature = "sqlite")]
pub use work::SqliteWork;
pub use work::Work;

/// One start of a process that runs sagas. A new one at each start, so that a restarted process
/// never takes itself for its former life.
#[derive(Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct WorkerId(Arc<str>);

impl WorkerId {
    /// A new id.
    pub fn generate() -> Self {
        Self(uuid::Uuid::now_v7().to_string().into())
    }

    /// The id as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl From<&str> for WorkerId {
    fn from(s: &str) -> Self {
        Self(s.into())
    }
}

impl fmt::Display for WorkerId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for WorkerId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "WorkerId({})", self.0)
    }
}

/// What a store knows of a saga beside its log. Everything but the first group changes only through
/// [`Store::append`], [`Store::claim`] and [`Store::release`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SagaRecord {
    /// The user's id.
    pub id: SagaId,
    /// Random for each run.
    pub birth: uuid::Uuid,
    /// The saga's durable name.
    pub name: String,
    /// The shape of the DAG that the run was started with.
    pub fingerprint: String,
    /// The encoded parameters.
    pub params: Payload,
    /// The DAG as JSON: what a reader shows, and what a saga built at run time is rebuilt from.
    pub dag: Payload,
    /// When it was created.
    pub created_at: Timestamp,

    /// What it is doing.
    pub status: SagaStatus,
    /// The worker that runs it, if one does.
    pub owner: Option<WorkerId>,
    /// Counts the claims; the creator's is 1.
    pub epoch: u64,
    /// The sequence number of the next entry.
    pub next_seq: u64,
    /// Claims since the last outcome, without a release (see the crash-loop rule).
    pub attempts: u32,
    /// When a waiting saga wants to go on.
    pub wake_at: Option<Timestamp>,
    /// When the saga must have ended.
    pub deadline: Option<Timestamp>,
    /// True while an operator holds it.
    pub paused: bool,
    /// Why it waits for a human, if it does.
    pub parked_reason: Option<String>,
    /// The message of the error that it ended with.
    pub error: Option<String>,
    /// The last snapshot of a mutable context, for executors that have one.
    pub context: Option<Payload>,
    /// When its log last grew.
    pub updated_at: Timestamp,
}

/// A saga to be created, with the first entries of its log.
#[derive(Debug, Clone)]
pub struct NewSaga {
    /// The record: `owner` and `epoch` (1) are the creator's, `next_seq` is 1 + the number of
    /// entries.
    pub record: SagaRecord,
    /// `created`, and what starts at once.
    pub entries: Vec<Entry>,
}

/// What became of a [`Store::create`].
#[derive(Debug, Clone)]
pub enum Created {
    /// It is in.
    New,
    /// A saga with this id was there already, and is untouched. The caller compares the inputs.
    Exists(Box<SagaRecord>),
}

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

/// A saga and all of its log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredSaga {
    /// Its record.
    pub record: SagaRecord,
    /// Its log, from entry 1 on.
    pub entries: Vec<Entry>,
}

/// A definition that unfinished sagas were started with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SagaVersion {
    /// The saga's durable name.
    pub name: String,
    /// The shape of its DAG.
    pub fingerprint: String,
    /// The DAG as JSON.
    pub dag: Payload,
    /// How many unfinished sagas were started with it.
    pub unfinished: u64,
}

/// Why a store did not do it. No variant carries a payload or a password.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum StoreError {
    /// Another worker owns the saga now, or the log has grown: this process must let go of it.
    #[error("saga {saga}: this worker no longer owns it")]
    Fenced {
        /// Which saga.
        saga: SagaId,
    },
    /// There is no such saga.
    #[error("there is no saga {saga}")]
    NotFound {
        /// The id asked for.
        saga: SagaId,
    },
    /// What is stored cannot be right.
    #[error("saga {saga}: its log is corrupt at entry {seq}: {why}")]
    Corrupt {
        /// Which saga.
        saga: SagaId,
        /// Where; 0 is the record itself.
        seq: u64,
        /// What is wrong.
        why: String,
    },
    /// Another process runs its sagas on this store.
    #[error("{store} is in use by another worker; one process at a time runs sagas on it")]
    InUse {
        /// Which store.
        store: String,
    },
    /// The store was written by a newer version of this library.
    #[error("{store} was written by schema {found}, this program knows {known}; upgrade it")]
    NewerSchema {
        /// Which store.
        store: String,
        /// What is there.
        found: u32,
        /// What this version writes.
        known: u32,
    },
    /// The saga's payloads need a key that the [`PayloadCodec`] does not have.
    #[error("saga {saga}: the payload codec does not have the key {key_id:?}; give it that key")]
    UnknownKey {
        /// Which saga.
        saga: SagaId,
        /// Which key.
        key_id: String,
    },
    /// The caller's own part of an append did not go through, and nothing of either is in.
    #[error("saga {saga}: the transaction was rolled back: {why}")]
    RolledBack {
        /// Which saga.
        saga: SagaId,
        /// Why.
        why: String,
    },
    /// The store has no database that could hold the caller's rows, too.
    #[error(
        "the store has no transactions of its own; keep the log in a `SqliteStore` whose file also has \
         the tables that the action writes"
    )]
    NoTransactions,
    /// The store cannot keep what it is given (disk full, I/O error, connection lost).
    #[error("{store}: {why}")]
    Failed {
        /// Which store.
        store: String,
        /// What it said.
        why: String,
    },
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

    /// [`append`](Self::append), with rows of the caller's in the same transaction: both are in, or
    /// neither is. The work runs at most once, and not at all if the append is refused.
    ///
    /// The default answers [`StoreError::NoTransactions`], and so does a store that is given the work of
    /// another kind of database.
    fn append_with(&self, append: Append, work: Work) -> BoxFuture<'_, Result<(), StoreError>> {
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
    /// the next epoch and one more `attempts`. Sagas that are paused or parked stay where they are.
    /// Returns the records of those claimed, oldest first.
    fn claim(
        &self,
        worker: &WorkerId,
        fingerprints: &[String],
        limit: usize,
    ) -> BoxFuture<'_, Result<Vec<SagaRecord>, StoreError>>;

    /// The sagas that `worker` owns have no owner any more and count no crash.
    fn release(&self, worker: &WorkerId) -> BoxFuture<'_, Result<(), StoreError>>;

    /// Removes a saga and its log; false if there is none. [`StoreError::Fenced`] while a worker
    /// owns it and it has not ended.
    fn delete(&self, id: &SagaId) -> BoxFuture<'_, Result<bool, StoreError>>;
}
