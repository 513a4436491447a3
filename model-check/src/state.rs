//! The whole system at one moment: the store, two workers, the calls under way, and the receivers.

use std::fmt;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;

use saga_core::SagaStatus;
use saga_core::log::Entry;
use saga_core::machine::{Machine, VertexId};
use saga_core::store::{Append, LeaseTimes, SagaRecord, WorkerId};

use crate::receiver::Receiver;
use crate::setup::Budget;

/// A rule that a step has broken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Broken {
    /// Two workers have written different entries at one place of the log, or one has read a log that is none.
    TwoHistories,
    /// An entry that the store acknowledged is not in the log.
    LostEntry,
    /// A call has begun whose entry is not in the log.
    CallWithoutRecord,
    /// A call has begun although another worker had taken the saga over.
    CallWithoutOwnership,
    /// The store has refused an append of the worker that owns the saga.
    OwnerRefused,
    /// A saga has completed, and an effect is there twice or not at all.
    NotEachEffectOnce,
    /// A saga was rolled back, and an effect is there, or more was removed than there was.
    NotRolledBack,
    /// A saga is stuck, although its receivers refuse nothing.
    Stuck,
    /// Nothing can happen any more, and the saga has not ended.
    NeverEnds,
}

impl fmt::Display for Broken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::TwoHistories => "The log of the saga has two histories:",
            Self::LostEntry => "An entry that the store acknowledged is not in the log:",
            Self::CallWithoutRecord => "A call has begun whose entry is not in the log:",
            Self::CallWithoutOwnership => {
                "A worker begins a call although another one has taken the saga over:"
            }
            Self::OwnerRefused => {
                "The owner of the saga is refused, stops, and nobody else may take the saga over:"
            }
            Self::NotEachEffectOnce => "The saga has completed, and an effect is there twice:",
            Self::NotRolledBack => {
                "The saga is rolled back, and an effect is there, or more was removed than there was:"
            }
            Self::Stuck => "The saga is stuck, and there is nothing to be done about it:",
            Self::NeverEnds => "The saga never ends:",
        })
    }
}

/// One state.
#[derive(Debug, Clone)]
pub(crate) struct State {
    pub(crate) record: SagaRecord,
    pub(crate) log: Arc<Vec<Entry>>,
    /// A hash of the log.
    pub(crate) log_hash: u64,
    /// Appends that nobody waits for, and that may still reach the store.
    pub(crate) strays: Vec<Arc<Written>>,
    pub(crate) workers: [Worker; 2],
    pub(crate) calls: Vec<Call>,
    pub(crate) receivers: Vec<Receiver>,
    /// The time by the store's clock.
    pub(crate) now: u64,
    pub(crate) left: Budget,
    pub(crate) broken: Option<Broken>,
}

/// A process that runs sagas, or one that has died and may start again.
#[derive(Debug, Clone)]
pub(crate) struct Worker {
    pub(crate) is_alive: bool,
    /// How often it was started.
    pub(crate) starts: u8,
    pub(crate) id: WorkerId,
    pub(crate) run: Run,
    pub(crate) lease: LeaseTimes,
    /// Until when it is alive, by the store's clock.
    pub(crate) stored_until: u64,
    /// When it asked for a renewal that the store has granted and that it does not know of yet.
    pub(crate) asked: Option<u64>,
    /// By how much its clock is behind.
    pub(crate) lag: u64,
}

/// What a worker does about the saga.
#[derive(Debug, Clone)]
pub(crate) enum Run {
    Nothing,
    /// Its run has stopped, and it takes the saga again as soon as it may.
    Again,
    /// It has made the saga its own, and loads it next.
    Claimed {
        epoch: u64,
    },
    Running(Box<Running>),
}

/// A machine, and what it waits for.
#[derive(Debug, Clone)]
pub(crate) struct Running {
    pub(crate) machine: Machine,
    pub(crate) epoch: u64,
    pub(crate) pending: Option<Pending>,
    /// The term of the lease in which the store was asked for the last append.
    pub(crate) asked_in: u64,
    /// A hash of what the machine was told since it last heard of an append, or was made. The machine is a function of its
    /// log, of the calls under way, and of this.
    pub(crate) told: u64,
}

/// An append that a worker waits for.
#[derive(Debug, Clone)]
pub(crate) struct Pending {
    pub(crate) written: Arc<Written>,
    pub(crate) phase: Phase,
    /// True if it is tried again, because a reply was lost.
    pub(crate) is_retry: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Phase {
    Asked,
    Written,
    Refused,
}

/// An append, and a hash of its entries.
#[derive(Debug, Clone)]
pub(crate) struct Written {
    pub(crate) append: Append,
    pub(crate) hash: u64,
}

impl Written {
    pub(crate) fn new(append: Append) -> Self {
        let hash = append.entries.iter().fold(0, told);
        Self { append, hash }
    }
}

/// A call on its way.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Call {
    pub(crate) node: usize,
    pub(crate) undo: bool,
    pub(crate) worker: usize,
    pub(crate) vertex: VertexId,
    /// Epoch and sequence number.
    pub(crate) token: (u64, u64),
    pub(crate) way: Way,
    /// True as long as its caller waits for the answer.
    pub(crate) is_awaited: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Way {
    Sent,
    /// Its receiver, which handles several calls at a time, has read this and not acted yet.
    Reading(Receiver),
}

/// A hash of a sequence of events or entries, one further.
pub(crate) fn told(before: u64, what: &impl std::fmt::Debug) -> u64 {
    let mut hasher = DefaultHasher::new();
    before.hash(&mut hasher);
    format!("{what:?}").hash(&mut hasher);
    hasher.finish()
}

impl State {
    /// How the saga has ended, as the log says.
    pub(crate) fn end(&self) -> Option<SagaStatus> {
        self.record.status.is_ended().then_some(self.record.status)
    }

    /// The time by the clock of a worker.
    pub(crate) fn clock(&self, worker: usize) -> u64 {
        self.now.saturating_sub(self.workers[worker].lag)
    }

    /// The worker that owns the saga, dead or alive.
    pub(crate) fn owner(&self) -> Option<usize> {
        (0..2).find(|worker| self.record.owner.as_ref() == Some(&self.workers[*worker].id))
    }

    /// True if the saga belongs to this worker under this epoch.
    pub(crate) fn is_owned(&self, worker: usize, epoch: u64) -> bool {
        self.owner() == Some(worker) && self.record.epoch == epoch
    }

    pub(crate) fn is_parked(&self) -> bool {
        self.record.parked_reason.is_some()
    }
}

/// What everything that follows depends on. Two states with one hash are one state, for stateright as well.
impl Hash for State {
    fn hash<H: Hasher>(&self, hasher: &mut H) {
        let Self { record, log: _, log_hash, strays, workers, calls, receivers, now, left, broken } =
            self;
        let owner = record.owner.as_ref().map(WorkerId::as_str);
        (owner, record.epoch, record.next_seq, log_hash, self.is_parked()).hash(hasher);
        strays.iter().for_each(|stray| stray.hash.hash(hasher));
        for Worker { is_alive, starts, id: _, run, lease, stored_until, asked, lag } in workers {
            let left = |until: u64| until.saturating_sub(*now);
            (is_alive, starts, left(*stored_until), lag).hash(hasher);
            // a term is only compared with the one in which an append was asked for
            let lease = |asked_in: u64| {
                (left(lease.until), asked.map(|asked| now - asked), asked_in == lease.begun)
            };
            match run {
                Run::Nothing => 0.hash(hasher),
                Run::Again => 1.hash(hasher),
                Run::Claimed { epoch } => (2, epoch, lease(0)).hash(hasher),
                Run::Running(run) => {
                    let pending = run.pending.as_ref();
                    let pending = pending.map(|p| (p.written.hash, p.phase, p.is_retry));
                    (3, run.epoch, run.told, pending, lease(run.asked_in)).hash(hasher);
                }
            }
        }
        (calls, receivers, left, broken).hash(hasher);
    }
}

impl PartialEq for State {
    fn eq(&self, other: &Self) -> bool {
        let hash = |state: &Self| {
            let mut hasher = DefaultHasher::new();
            state.hash(&mut hasher);
            hasher.finish()
        };
        hash(self) == hash(other)
    }
}
