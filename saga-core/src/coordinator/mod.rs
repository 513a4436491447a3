//! The saga execution coordinator (SEC): many sagas at once on one store.
//!
//! A coordinator starts sagas, runs each as a task of its own, and on [`build`](CoordinatorBuilder::build)
//! goes on with everything that an earlier process left unfinished.

mod builder;
mod crash_loop;
mod definitions;
mod find;
mod handle;
mod health;
pub(crate) mod inspect;
pub(crate) mod operate;
mod outcome;
mod recovery;
mod reload;
mod request_poller;
mod running;
mod shutdown;
mod single_saga;
mod start;
mod task_tracker;

use std::collections::{BTreeSet, HashMap};
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;

use self::request_poller::RequestPoller;
use crate::dag::SagaDag;
use crate::driver::{Environment, Events, ProgressChannels};
use crate::error::{SagaError, StartError};
use crate::log::{SagaId, SagaStatus, Timestamp};
use crate::machine::Config;
use crate::store::{ListFilter, Purge, SagaRecord, SagaVersion, StoreError};
use crate::typed::Saga;
pub use builder::{BuildError, CoordinatorBuilder};
use definitions::Definitions;
pub use handle::{SagaFuture, SagaHandle, SagaType};
pub use health::Health;
pub(crate) use inspect::SagaView;
pub(crate) use operate::Operator;
pub use outcome::{NodeKey, Outcome};
use running::RunningSaga;
pub use shutdown::ShutdownReport;
pub use start::SagaStart;
use start::StartRequest;
use task_tracker::TaskTracker;

/// How many sagas a purge removes in one go, so that it holds up no other write for long.
const PURGE: usize = 500;

/// Runs sagas over a context `C`: the clients and pools that their actions use.
///
/// Cheap to clone; all clones are the same coordinator. Dropping it stops nothing: its sagas go on until
/// they end or the runtime does. [`shutdown`](Self::shutdown) hands them over in good order.
///
/// ```
/// use saga_core::prelude::*;
///
/// #[saga_action(no_undo)]
/// async fn greet(name: &str) -> Result<String, String> { Ok(format!("hello {name}")) }
///
/// saga! {
///     Greet<()>(name: String) -> String {
///         greet { name }
///     }
/// }
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let sec = Coordinator::builder(()).saga::<Greet>().build().await?;
/// assert_eq!(sec.run(Greet { name: "Ada".into() }).await?, "hello Ada");
/// # Ok(()) }
/// ```
pub struct Coordinator<C> {
    inner: Arc<CoordinatorInner<C>>,
}

impl<C> Clone for Coordinator<C> {
    fn clone(&self) -> Self {
        Self { inner: self.inner.clone() }
    }
}

struct CoordinatorInner<C> {
    tasks: TaskTracker,
    env: Arc<Environment<C>>,
    config: Config,
    definitions: Definitions<C>,
    running: Mutex<HashMap<SagaId, RunningSaga>>,
    /// What handles look at.
    tracks: ProgressChannels,
    /// Those of them whose store has failed.
    waiting: Mutex<BTreeSet<SagaId>>,
    /// Notified when a saga leaves `live`.
    left: Notify,
    /// True once the store was let go of.
    closed: tokio::sync::Mutex<bool>,
    looking: RequestPoller,
    unknown: Vec<SagaVersion>,
    crash_limit: u32,
}

impl<C: Send + Sync + 'static> Coordinator<C> {
    /// A builder; the context is shared by all actions.
    pub fn builder(context: C) -> CoordinatorBuilder<C> {
        CoordinatorBuilder::new(context)
    }

    /// Runs a saga under a new id, another one at each call, and returns its output.
    ///
    /// Dropping the future does not drop the saga.
    ///
    /// # Errors
    /// [`SagaError`] says how it ended, or why it did not start.
    pub async fn run<S: Saga<Context = C>>(&self, saga: S) -> Result<S::Output, SagaError> {
        self.saga(saga).start().await?.await
    }

    /// Prepares a saga: `sec.saga(BookTrip { trip }).id("order-42").start().await?`.
    pub fn saga<S: Saga<Context = C>>(&self, saga: S) -> SagaStart<C, S> {
        SagaStart::new(self.clone(), StartRequest::typed(saga))
    }

    /// Prepares a saga whose DAG was built at run time. All of its actions must be registered with
    /// [`actions`](CoordinatorBuilder::actions), so that another process can go on with it.
    pub fn saga_dag(&self, saga: SagaDag<C>) -> SagaStart<C, serde_json::Value> {
        SagaStart::new(self.clone(), StartRequest::dynamic(saga))
    }

    /// The saga with this id, running or ended, if there is one: `sec.get::<BookTrip>("order-42")`, or
    /// `sec.get::<serde_json::Value>(..)`, which fits every saga.
    ///
    /// # Errors
    /// [`StartError::IdConflict`] if it is another saga, [`StartError::InvalidId`],
    /// [`StartError::UnknownVersion`], [`StartError::Store`], [`StartError::Corrupt`].
    pub async fn get<S: SagaType>(&self, id: &str) -> Result<Option<SagaHandle<S>>, StartError> {
        let id: SagaId = id.parse()?;
        self.inner.tasks.at_home(self.inner.find(&id)).await
    }

    /// Definitions that unfinished sagas in the store were started with and that this program does not
    /// know: they stay untouched until a program comes that does.
    pub fn unknown_versions(&self) -> &[SagaVersion] {
        &self.inner.unknown
    }

    /// What all sagas of this coordinator do from now on, entry by entry as they become durable.
    pub fn events(&self) -> Events {
        self.inner.env.observers.events(None)
    }

    /// The records of the sagas in the store that fit the filter, by id, a page at a time.
    ///
    /// # Errors
    /// The store's.
    pub async fn list(&self, filter: ListFilter) -> Result<Vec<SagaRecord>, StoreError> {
        self.inner.tasks.at_home(self.inner.env.store.list(filter)).await
    }

    /// Removes sagas from the store that ended longer ago than this, with their logs, and says how many.
    /// `statuses`: how they ended; none given: completed and rolled back. Others are never removed, and
    /// an id whose saga was removed can be used anew.
    ///
    /// # Errors
    /// The store's; what was removed until then stays removed.
    pub async fn purge(
        &self,
        older_than: Duration,
        statuses: &[SagaStatus],
    ) -> Result<u64, StoreError> {
        let age = u64::try_from(older_than.as_millis()).unwrap_or(u64::MAX);
        let ended_before = Timestamp(self.inner.env.clock.now().0.saturating_sub(age));
        let purge = Purge { ended_before, statuses: statuses.to_vec(), limit: PURGE };
        let mut removed = 0;
        loop {
            let batch = self.inner.env.store.purge(purge.clone());
            let batch = self.inner.tasks.at_home(batch).await?;
            removed += batch;
            if batch < PURGE as u64 {
                return Ok(removed);
            }
        }
    }
}

impl<C> CoordinatorInner<C> {
    fn new(
        tasks: TaskTracker,
        env: Arc<Environment<C>>,
        config: Config,
        definitions: Definitions<C>,
        crash_limit: u32,
    ) -> Self {
        Self {
            tasks,
            env,
            config,
            definitions,
            running: Mutex::new(HashMap::new()),
            tracks: ProgressChannels::default(),
            waiting: Mutex::default(),
            left: Notify::new(),
            closed: tokio::sync::Mutex::new(false),
            looking: RequestPoller::default(),
            unknown: Vec::new(),
            crash_limit,
        }
    }

    fn running(&self) -> std::sync::MutexGuard<'_, HashMap<SagaId, RunningSaga>> {
        self.running.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn is_closing(&self) -> bool {
        *self.env.closing.borrow()
    }

    /// Waits until a shutdown begins.
    async fn closed(&self) {
        // the sender is here
        let _ = self.env.closing.subscribe().wait_for(|closing| *closing).await;
    }

    async fn until_idle(&self) {
        self.until(HashMap::is_empty).await;
    }

    /// Until this run of the saga has left; another one may have begun by then.
    async fn until_gone(&self, id: &SagaId, run: &RunningSaga) {
        self.until(|running| !running.get(id).is_some_and(|now| now.is(run))).await;
    }

    async fn until(&self, there: impl Fn(&HashMap<SagaId, RunningSaga>) -> bool) {
        loop {
            let left = self.left.notified();
            tokio::pin!(left);
            // counts from here on, so that nothing is missed before the await
            left.as_mut().enable();
            if there(&self.running()) {
                return;
            }
            left.await;
        }
    }
}

impl<C> fmt::Debug for Coordinator<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Coordinator")
            .field("worker", &self.inner.env.worker)
            .field("running", &self.inner.running().len())
            .finish_non_exhaustive()
    }
}
