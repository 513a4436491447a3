//! What a store keeps of a saga: its record and its log.

use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::StoreError;
use crate::ambient::{random_uuid, uuid_by_time};
use crate::log::{Entry, Halted, ListedState, Payload, SagaId, SagaStatus, Timestamp};
use crate::planted::{Mistake, planted};

/// Identifies one run of a worker process. Each start generates a new id, so that a restarted process never
/// mistakes its predecessor's sagas for its own.
#[derive(Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct WorkerId(Arc<str>);

impl WorkerId {
    /// Generates a new id.
    pub fn generate() -> Self {
        Self(uuid_by_time().to_string().into())
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

/// What a store keeps of a saga besides its log. The first group of fields never changes, except for the saga's
/// definition (`fingerprint`, `params` and `dag`): when a saga is migrated, an append brings a
/// [`NewDefinition`](super::NewDefinition). The others change only through [`Store::append`](super::Store::append), [`Store::claim`](super::Store::claim),
/// [`Store::claim_due`](super::Store::claim_due), [`Store::take`](super::Store::take), [`Store::suspend`](super::Store::suspend) and [`Store::release`](super::Store::release).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SagaRecord {
    /// The saga's id, chosen by the user.
    pub id: SagaId,
    /// A random key of this run, from which all idempotency keys are derived. Stored as `birth`.
    #[serde(rename = "birth")]
    pub run_key: uuid::Uuid,
    /// The saga's durable name.
    pub name: Arc<str>,
    /// The fingerprint of the saga's DAG.
    pub fingerprint: Arc<str>,
    /// The encoded parameters.
    pub params: Payload,
    /// The DAG as JSON, for display and to rebuild sagas whose DAG was built at run time.
    pub dag: Payload,
    /// When the saga was created.
    pub created_at: Timestamp,

    /// The saga's status.
    pub status: SagaStatus,
    /// The worker that owns the saga, if any.
    pub owner: Option<WorkerId>,
    /// Grows with each change of owner; the creator's epoch is 1.
    pub epoch: u64,
    /// The sequence number of the next entry.
    pub next_seq: u64,
    /// How many times the saga was claimed since an action or undo last finished, for the detection of crash
    /// loops. A release resets it.
    pub attempts: u32,
    /// When a waiting saga should continue.
    pub wake_at: Option<Timestamp>,
    /// True if the saga has nothing to do until `wake_at`, or until somebody asks something of it, and no worker keeps it in
    /// memory. It has no owner; [`Store::claim`](super::Store::claim) skips it, and
    /// [`Store::claim_due`](super::Store::claim_due) finds it when its time has come.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub suspended: bool,
    /// When the saga's deadline expires.
    pub deadline: Option<Timestamp>,
    /// True while an operator has paused the saga.
    pub paused: bool,
    /// Why the saga is parked and waits for an operator, if it is.
    pub parked_reason: Option<String>,
    /// Why the saga did not complete, once it has ended without; if it is stuck, first what has failed for good.
    pub error: Option<String>,
    /// The last snapshot of the mutable context, for executors that have one.
    pub context: Option<Payload>,
    /// The time of the last entry in the log.
    pub updated_at: Timestamp,
}

impl SagaRecord {
    /// Returns the record of a new running saga without entries, with a new run key. Set the fields that are
    /// left empty (fingerprint, parameters, DAG) before you store it.
    pub fn new(id: SagaId, name: impl Into<Arc<str>>, owner: WorkerId, now: Timestamp) -> Self {
        Self::of_run(id, random_uuid(), name.into(), owner, now)
    }

    /// The same with a run key that is given.
    pub(crate) fn of_run(
        id: SagaId,
        run_key: uuid::Uuid,
        name: Arc<str>,
        owner: WorkerId,
        now: Timestamp,
    ) -> Self {
        Self {
            id,
            run_key,
            name,
            fingerprint: Arc::default(),
            params: Payload::default(),
            dag: Payload::default(),
            created_at: now,
            status: SagaStatus::Running,
            owner: Some(owner),
            epoch: 1,
            next_seq: 1,
            attempts: 1,
            wake_at: None,
            suspended: false,
            deadline: None,
            paused: false,
            parked_reason: None,
            error: None,
            context: None,
            updated_at: now,
        }
    }

    /// Changes the record as [`Store::claim`](super::Store::claim) and [`Store::claim_due`](super::Store::claim_due) do: a new
    /// owner, the next epoch, and one more attempt. A saga that was suspended is not any more.
    pub fn claim(&mut self, worker: &WorkerId) {
        self.take(worker);
        self.attempts = self.attempts.saturating_add(1);
    }

    /// Changes the record as [`Store::take`](super::Store::take) does: a new owner and the next epoch. A saga
    /// that was suspended is not any more.
    pub fn take(&mut self, worker: &WorkerId) {
        self.owner = Some(worker.clone());
        self.suspended = false;
        self.epoch = self.epoch.saturating_add(u64::from(!planted(Mistake::EpochNotRaised)));
    }

    /// Changes the record as [`Store::release`](super::Store::release) does, if `worker` owns the saga and it
    /// has not ended; returns whether it did.
    pub fn release(&mut self, worker: &WorkerId) -> bool {
        let released = self.owner.as_ref() == Some(worker) && !self.status.is_ended();
        if released {
            self.owner = None;
            self.attempts = if planted(Mistake::ReleaseKeepsAttempts) { self.attempts } else { 0 };
        }
        released
    }

    /// Changes the record as [`Store::suspend`](super::Store::suspend) does: no owner, and no crashes counted.
    ///
    /// # Errors
    /// Returns [`StoreError::Fenced`] if the owner, the epoch or the next sequence number differs, or if the saga has ended;
    /// the record is then unchanged.
    pub fn suspend(&mut self, suspension: &Suspension) -> Result<(), StoreError> {
        let Suspension { saga, owner, epoch, next_seq, wake_at } = suspension;
        let lost = self.owner.as_ref() != Some(owner) || self.epoch != *epoch;
        if lost || self.next_seq != *next_seq || self.status.is_ended() {
            return Err(StoreError::Fenced { saga: saga.clone() });
        }
        self.owner = None;
        self.suspended = true;
        self.wake_at = *wake_at;
        self.attempts = 0;
        Ok(())
    }

    /// What the saga is doing, as lists show it.
    pub fn listed_state(&self) -> ListedState {
        let halted = Halted {
            parked: self.parked_reason.is_some(),
            paused: self.paused,
            suspended: self.suspended,
        };
        ListedState::of(self.status, halted)
    }

    /// True while [`Store::delete`](super::Store::delete) must refuse to delete the saga: a worker owns it, and
    /// it has not ended.
    pub fn is_held(&self) -> bool {
        self.owner.is_some() && !self.status.is_ended()
    }
}

/// A saga that its owner gives up because it has nothing to do; see [`Store::suspend`](super::Store::suspend).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Suspension {
    /// The saga.
    pub saga: SagaId,
    /// The worker that owns it.
    pub owner: WorkerId,
    /// The epoch under which the worker owns it.
    pub epoch: u64,
    /// The sequence number of the next entry: the worker has seen all of the log.
    pub next_seq: u64,
    /// When the saga should continue; `None` if it only waits for somebody.
    pub wake_at: Option<Timestamp>,
}

/// A saga to be created, with the first entries of its log.
#[derive(Debug, Clone)]
pub struct NewSaga {
    /// The record. `owner` is the creator, `epoch` is 1, and `next_seq` is the number of entries plus 1.
    pub record: SagaRecord,
    /// The first entries: `created`, and `started` for each node that is ready at once.
    pub entries: Vec<Entry>,
}

/// The result of [`Store::create`](super::Store::create).
#[derive(Debug, Clone)]
pub enum Created {
    /// The saga was created.
    New,
    /// A saga with this id exists and was not changed. The caller compares the inputs.
    Exists(Box<SagaRecord>),
}

/// A saga with its whole log.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StoredSaga {
    /// The saga's record.
    pub record: SagaRecord,
    /// The saga's log, from entry 1 on.
    pub entries: Vec<Entry>,
}

/// A definition that unfinished sagas have: the one that they were started with, or migrated to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SagaVersion {
    /// The saga's durable name.
    pub name: String,
    /// The fingerprint of its DAG.
    pub fingerprint: String,
    /// The DAG as JSON.
    pub dag: Payload,
    /// How many unfinished sagas have it.
    pub unfinished: u64,
    /// When one of the oldest of them was created.
    pub oldest: Timestamp,
}

/// What can be read of a saga, from [`Store::load_readable`](super::Store::load_readable).
#[derive(Debug, Clone)]
pub struct ReadableSaga {
    /// The saga with its log, up to the first entry that is corrupt.
    pub saga: StoredSaga,
    /// What is wrong with that entry; `None` if the log is whole.
    pub damage: Option<StoreError>,
}

impl ReadableSaga {
    /// A saga with its whole log.
    pub fn whole(saga: StoredSaga) -> Self {
        Self { saga, damage: None }
    }
}
