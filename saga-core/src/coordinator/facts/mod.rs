//! What operators are shown: which sagas there are, which of them need a human, and all facts about one of them. It is all
//! read from the store, wherever the sagas run, and nothing is written.
//!
//! | module | what it answers |
//! |---|---|
//! | `summary` | which sagas there are: a list with filters, a page at a time |
//! | `fleet` | how many there are of each name and version, in each state |
//! | `needs_human` | which of them wait for somebody |
//! | `checkup` | whether the store works, and somebody runs its sagas |
//! | `saga_facts`, `nodes`, `attempts` | what is known about one saga |
//! | `why` | the one fact that it waits for |
//! | `predict`, `prediction` | what a request would write |
//! | `audit` | what operators have asked of it |
//! | `position` | how far one of them has come |

mod attempts;
mod audit;
mod checkup;
#[cfg(feature = "metrics")]
mod described;
mod fleet;
#[cfg(feature = "metrics")]
mod gauges;
mod needs_human;
mod needs_human_cursor;
mod nodes;
mod position;
mod predict;
mod prediction;
mod saga_facts;
mod summary;
mod why;
mod words;

use std::collections::BTreeSet;
use std::sync::Arc;

use futures_util::future::BoxFuture;

use super::CoordinatorInner;
use super::operator::Operator;
use crate::ambient::system_time;
use crate::error::OperateError;
use crate::log::{SagaId, Timestamp};
use crate::store::{CurrentWorker, LeaseTerms, SagaRecord, Store, Worker, WorkerId};

pub use attempts::ExecutionRecord;
pub(crate) use attempts::trace;
pub use audit::{AuditOutcome, AuditRecord};
pub use checkup::{Check, Checkup, CheckupOptions, DiskSpace, Finding, Level};
#[cfg(feature = "metrics")]
pub(super) use described::describe;
pub use fleet::{Fleet, FleetVersion};
#[cfg(feature = "metrics")]
pub use gauges::FleetGauges;
pub use needs_human::{HumanReason, NeedsHuman, NeedsHumanFilter, NeedsHumanPage};
pub use needs_human_cursor::{InvalidCursor, NeedsHumanCursor};
pub use nodes::{CallFacts, KeptEffect, NodeFacts, RetryFacts, WaitFacts};
pub use prediction::{PredictedEntry, Prediction};
pub use saga_facts::{OwnerFacts, SagaFacts};
pub use summary::{SagaFilter, SagaSummary};
pub use why::{WaitsFor, Why};

/// Where facts are read, and what is known there about workers.
pub(super) struct Reader<'a> {
    pub(super) store: &'a dyn Store,
    /// The coordinator of this process, if the operator has one.
    pub(super) home: Option<&'a Arc<CoordinatorInner>>,
    pub(super) now: Timestamp,
    workers: Vec<Worker>,
    lease: Option<LeaseTerms>,
    /// Who runs the sagas of a store with one worker at a time, seen from another process.
    current: CurrentWorker,
    /// The sagas that the coordinator of this process could not load.
    unreadable: BTreeSet<SagaId>,
}

impl<'a> Reader<'a> {
    pub(super) async fn new(
        store: &'a dyn Store,
        home: Option<&'a Arc<CoordinatorInner>>,
    ) -> Result<Self, OperateError> {
        let now = match home {
            Some(home) => home.env.clock.now(),
            None => now(),
        };
        let workers = match home {
            Some(home) => home.workers().await?,
            None => store.workers().await?,
        };
        let lease = store.lease_terms();
        let current = match (home, lease) {
            (None, None) => store.current_worker().await?,
            (Some(_), _) | (_, Some(_)) => CurrentWorker::Unknown,
        };
        let unreadable = home.map(|home| home.unreadable()).unwrap_or_default();
        let unreadable = unreadable.into_iter().collect();
        Ok(Self { store, home, now, workers, lease, current, unreadable })
    }

    /// Whether the worker that owns a saga is alive; `None` if that cannot be told: the store has one worker at a time,
    /// which is another process, and has not said who it is.
    fn is_alive(&self, owner: &WorkerId) -> Option<bool> {
        match &self.current {
            _ if self.lease.is_some() || self.home.is_some() => {
                Some(self.workers.iter().any(|worker| worker.id == *owner))
            }
            CurrentWorker::Absent => Some(false),
            CurrentWorker::Present(Some(current)) => Some(current == owner),
            CurrentWorker::Present(None) | CurrentWorker::Unknown => None,
        }
    }

    /// True if nobody is going on with the saga, because it has no owner or one that is gone.
    fn is_orphaned(&self, record: &SagaRecord) -> bool {
        record.owner.as_ref().is_none_or(|owner| self.is_alive(owner) == Some(false))
    }

    /// True if the program that would run the saga does not know its definition. That is this program; or, seen from another
    /// process, the only worker of the store, which takes everything that it knows before it says who it is.
    fn is_unknown(&self, record: &SagaRecord) -> bool {
        match (self.home, &self.current) {
            (Some(home), _) => home.definition_of(record).is_none(),
            (None, CurrentWorker::Present(Some(current))) => record.owner.as_ref() != Some(current),
            (
                None,
                CurrentWorker::Present(None) | CurrentWorker::Absent | CurrentWorker::Unknown,
            ) => false,
        }
    }
}

/// The time of the system clock.
pub(super) fn now() -> Timestamp {
    let at = system_time().duration_since(std::time::UNIX_EPOCH);
    Timestamp(0).after(at.unwrap_or_default())
}

/// How an operator reads facts. The futures are boxed, so that their code is part of this crate, and not of each program.
pub(super) type Facts<'a, T> = BoxFuture<'a, Result<T, OperateError>>;

impl Operator {
    /// The time by which it is told how long ago something was: that of the coordinator's clock, or of the system's for an operator
    /// that is attached to a store.
    ///
    /// ```
    /// use saga_core::prelude::*;
    /// # saga! { Stamp<()>() -> u64 { let at = now {}; at } }
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let sec = Coordinator::builder(()).saga::<Stamp>().build().await?;
    /// sec.run(Stamp {}).await?;
    /// let alice = sec.operator("alice");
    /// let sagas = alice.list(Default::default()).await?;
    /// assert!(sagas[0].created_at <= alice.now());
    /// # Ok(()) }
    /// ```
    pub fn now(&self) -> Timestamp {
        self.home().map_or_else(now, |home| home.env.clock.now())
    }

    /// Reads something, on the coordinator's runtime if there is one.
    fn read<'a, T: Send + 'a>(
        &'a self,
        read: impl for<'r> FnOnce(&'r Reader<'a>) -> Facts<'r, T> + Send + 'a,
    ) -> Facts<'a, T> {
        let (store, home) = (self.store(), self.home());
        let read = async move {
            let reader = Reader::new(store, home).await?;
            read(&reader).await
        };
        match home {
            Some(home) => Box::pin(home.tasks.at_home(read)),
            None => Box::pin(read),
        }
    }
}
