//! Health: whether a coordinator can do its work.

use std::fmt;
use std::sync::PoisonError;

use super::{Coordinator, CoordinatorInner, LimitedAction};
use crate::error::{RuntimeError, SagaError};
use crate::log::SagaId;
use crate::store::StoreError;

/// Whether a coordinator can do its work, as far as it knows without asking its store: it judges by the store's
/// last answer. For health checks and alarms.
///
/// `Display` shows it as a sentence.
///
/// ```
/// use saga_core::prelude::*;
/// # #[saga_action(no_undo)]
/// # async fn greet(name: &str) -> Result<String, String> { Ok(format!("hello {name}")) }
/// # saga! { Greet<()>(name: String) -> String { greet { name } } }
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let sec = Coordinator::builder(()).saga::<Greet>().build().await?;
/// sec.run(Greet { name: "Ada".into() }).await?;
/// let health = sec.health();
/// assert!(health.is_good());
/// assert_eq!(health.to_string(), "good; 0 sagas run");
/// # Ok(()) }
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Health {
    /// Why the last write failed; `None` if it succeeded.
    pub store: Option<StoreError>,
    /// The sagas that stopped because the store failed. They resume by themselves once it works again, and
    /// whoever awaits them need not do anything.
    pub waiting: Vec<SagaId>,
    /// Unfinished sagas that this coordinator could not go on with, because what is stored of them cannot be understood.
    /// [`Operator::why`](crate::operator::Operator::why) says what is wrong with one.
    pub unreadable: Vec<SagaId>,
    /// How many sagas this coordinator runs, including sagas that wait for the store. A saga that only
    /// waits ([`wait_for`](crate::builtin::wait_for)) has left memory, and is not one of them.
    pub running: usize,
    /// The actions whose calls are limited, by [`max_calls_of`](crate::CoordinatorBuilder::max_calls_of) or
    /// [`max_calls_of_everywhere`](crate::CoordinatorBuilder::max_calls_of_everywhere), and how many of them wait.
    pub limited: Vec<LimitedAction>,
    /// True once a shutdown has begun.
    pub shut_down: bool,
    /// [`RuntimeError::Gone`] if the runtime is gone.
    pub runtime: Option<RuntimeError>,
}

impl Health {
    /// True if nothing is wrong and sagas can be started.
    pub fn is_good(&self) -> bool {
        self.store.is_none() && self.waiting.is_empty() && !self.shut_down && self.runtime.is_none()
    }

    /// True if this does not get better by itself: the store must be opened again, or the coordinator was shut
    /// down or has lost its runtime. Its sagas resume when a coordinator is next built.
    pub fn needs_restart(&self) -> bool {
        let closed = matches!(self.store, Some(StoreError::Closed { .. }));
        closed || self.shut_down || self.runtime.is_some()
    }
}

impl fmt::Display for Health {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (&self.runtime, self.shut_down, &self.store) {
            (Some(error), ..) => write!(f, "{error}")?,
            (None, true, _) => write!(f, "shut down")?,
            (None, false, Some(error)) => write!(f, "the store fails: {error}")?,
            (None, false, None) if self.waiting.is_empty() => write!(f, "good")?,
            (None, false, None) => write!(f, "the store works again")?,
        }
        let sagas = |n: usize| if n == 1 { "saga" } else { "sagas" };
        let runs = if self.running == 1 { "runs" } else { "run" };
        write!(f, "; {} {} {runs}", self.running, sagas(self.running))?;
        match self.waiting.len() {
            0 => Ok(()),
            n => write!(f, ", of which {n} wait for the store"),
        }
    }
}

impl<C: Send + Sync + 'static> Coordinator<C> {
    /// Whether the coordinator can do its work now. Answers at once.
    pub fn health(&self) -> Health {
        self.inner.health()
    }
}

impl CoordinatorInner {
    /// Notes that a saga could not be loaded, if the reason is that its log is corrupt.
    pub(super) fn note_unreadable(&self, id: &SagaId, error: &SagaError) {
        let SagaError::Corrupt { .. } = error else { return };
        self.unreadable.lock().unwrap_or_else(PoisonError::into_inner).insert(id.clone());
    }

    /// Notes that a saga could be loaded.
    pub(super) fn note_readable(&self, id: &SagaId) {
        self.unreadable.lock().unwrap_or_else(PoisonError::into_inner).remove(id);
    }

    /// The sagas that could not be loaded because their logs are corrupt.
    pub(super) fn unreadable(&self) -> Vec<SagaId> {
        let found = self.unreadable.lock().unwrap_or_else(PoisonError::into_inner);
        found.iter().cloned().collect()
    }

    fn health(&self) -> Health {
        Health {
            store: self.env.store_health.error(),
            waiting: self.sagas_waiting_for_store(),
            unreadable: self.unreadable(),
            running: self.running().len(),
            limited: self.env.call_limits.limited(),
            shut_down: self.is_closing(),
            runtime: self.tasks.check().err(),
        }
    }
}
