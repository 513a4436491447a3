//! What stores keep, and hand out again.

use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::log::{Entry, Payload, SagaId, SagaStatus, Timestamp};

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
/// [`Store::append`](super::Store::append), [`Store::claim`](super::Store::claim) and [`Store::release`](super::Store::release).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SagaRecord {
    /// The user's id.
    pub id: SagaId,
    /// A random key of this run: the root of all idempotency keys. Stored as `birth`.
    #[serde(rename = "birth")]
    pub run_key: uuid::Uuid,
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

impl SagaRecord {
    /// A saga that a worker begins now, for the first time: it runs, without entries, under a new run_key
    /// id. What is empty is set before it is stored.
    pub fn new(id: SagaId, name: impl Into<String>, owner: WorkerId, now: Timestamp) -> Self {
        Self {
            id,
            run_key: uuid::Uuid::new_v4(),
            name: name.into(),
            fingerprint: String::new(),
            params: Payload::default(),
            dag: Payload::default(),
            created_at: now,
            status: SagaStatus::Running,
            owner: Some(owner),
            epoch: 1,
            next_seq: 1,
            attempts: 1,
            wake_at: None,
            deadline: None,
            paused: false,
            parked_reason: None,
            error: None,
            context: None,
            updated_at: now,
        }
    }

    /// What [`Store::claim`](super::Store::claim) does: a new owner, the next epoch, one more of `attempts`.
    pub fn claim(&mut self, worker: &WorkerId) {
        self.take(worker);
        self.attempts = self.attempts.saturating_add(1);
    }

    /// What [`Store::take`](super::Store::take) does: a new owner and the next epoch.
    pub fn take(&mut self, worker: &WorkerId) {
        self.owner = Some(worker.clone());
        self.epoch = self.epoch.saturating_add(1);
    }

    /// What [`Store::release`](super::Store::release) does, if `worker` owns it and it has not ended; true if so.
    pub fn release(&mut self, worker: &WorkerId) -> bool {
        let released = self.owner.as_ref() == Some(worker) && !self.status.is_ended();
        if released {
            self.owner = None;
            self.attempts = 0;
        }
        released
    }

    /// True while [`Store::delete`](super::Store::delete) must leave it alone: a worker owns it, and it has not ended.
    pub fn is_held(&self) -> bool {
        self.owner.is_some() && !self.status.is_ended()
    }
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

/// What became of a [`Store::create`](super::Store::create).
#[derive(Debug, Clone)]
pub enum Created {
    /// It is in.
    New,
    /// A saga with this id was there already, and is untouched. The caller compares the inputs.
    Exists(Box<SagaRecord>),
}

/// A saga and all of its log.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
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
