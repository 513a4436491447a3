//! The workers of a store that several processes share, and how far sagas of other workers have come.

use std::time::Duration;

use super::{SagaRecord, WorkerId};
use crate::log::{SagaStatus, Timestamp};

/// On what terms the workers of a shared store lease their sagas, from
/// [`Store::lease_terms`](super::Store::lease_terms).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct LeaseTerms {
    /// How long a worker is alive after it last renewed its lease. Its sagas are taken over after that.
    pub duration: Duration,
    /// How often a worker renews its lease.
    pub renew_every: Duration,
    /// How often a worker looks for sagas to take over, and for news of sagas of other workers.
    pub poll_every: Duration,
}

impl LeaseTerms {
    /// A lease of this duration. It is renewed five times in that time; sagas to take over are looked for every second.
    pub fn new(duration: Duration) -> Self {
        Self { duration, renew_every: duration / 5, poll_every: Duration::from_secs(1) }
    }
}

/// A process that runs sagas on a store, from [`Store::workers`](super::Store::workers) and
/// [`Coordinator::workers`](crate::Coordinator::workers).
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Worker {
    /// Its id, which is new for each start of the process.
    pub id: WorkerId,
    /// When it started.
    pub since: Timestamp,
    /// Until when it is alive unless it renews its lease. `None` in a store with one worker at a time.
    pub lease_until: Option<Timestamp>,
    /// How many unfinished sagas it owns.
    pub sagas: u64,
}

impl Worker {
    /// A worker with these properties.
    pub fn new(id: WorkerId, since: Timestamp, lease_until: Option<Timestamp>, sagas: u64) -> Self {
        Self { id, since, lease_until, sagas }
    }
}

/// The worker of a store with one worker at a time, as other processes see it, from
/// [`Store::current_worker`](super::Store::current_worker).
///
/// ```
/// use saga_core::store::{CurrentWorker, SqliteStore, Store};
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let directory = tempfile::tempdir()?;
/// # let path = directory.path().join("shop.db");
/// let worker = SqliteStore::open(&path)?;
/// let attached = SqliteStore::attach(&path)?;
/// assert_eq!(attached.current_worker().await?, CurrentWorker::Present(None));
/// drop(worker);
/// assert_eq!(attached.current_worker().await?, CurrentWorker::Absent);
/// # Ok(()) }
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CurrentWorker {
    /// It cannot be told whether there is one.
    Unknown,
    /// No process has the store open as its worker.
    Absent,
    /// A process has, under this id; `None` if it has claimed no sagas yet.
    Present(Option<WorkerId>),
}

/// How far a saga has come, from [`Store::positions`](super::Store::positions).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Position {
    /// The saga's status.
    pub status: SagaStatus,
    /// The sequence number of the next entry.
    pub next_seq: u64,
    /// True if the saga is parked and waits for an operator.
    pub parked: bool,
}

impl Position {
    /// The position of a saga with this record.
    pub fn of(record: &SagaRecord) -> Self {
        let SagaRecord { status, next_seq, parked_reason, .. } = record;
        Self { status: *status, next_seq: *next_seq, parked: parked_reason.is_some() }
    }
}
