//! The saga execution coordinator (SEC): many sagas at once, on one store.
//!
//! A coordinator starts sagas and runs each as a task of its own (`start`, `running`). When it is
//! [built](CoordinatorBuilder::build), it claims and resumes everything that an earlier process left unfinished (`recovery`,
//! `crash_loop`); while it runs, it reloads sagas whose store failed for a while (`reload`), and wakes those that have left memory
//! to wait, when their time comes (`waker`). It answers questions about sagas
//! from the store (`stored`, `find`, `inspect`, `facts`, `outcome`), and brings operators' requests to their sagas (`operator`,
//! `deliver`, `attached`, `request_poller`). How one saga is run is the business of the driver.

mod attached;
mod builder;
mod crash_loop;
mod definitions;
mod deliver;
pub(crate) mod facts;
mod find;
mod follow;
mod from_actions;
mod handle;
mod health;
pub(crate) mod inspect;
mod letting_go;
mod loads;
mod migration;
mod node_action;
mod node_key;
pub(crate) mod operator;
mod outcome;
mod purge;
mod recovery;
mod reload;
mod request_lanes;
mod request_poller;
mod request_turns;
mod running;
mod same_input;
mod setup;
mod shared_limits;
mod shared_store;
mod shutdown;
pub(crate) mod signal;
mod single_saga;
mod start;
mod stored;
mod strays;
mod task_tracker;
mod versions;
mod waker;

use std::collections::BTreeSet;
use std::fmt;
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures_util::future::BoxFuture;
use tokio::sync::Notify;

use self::request_poller::RequestPoller;
use self::request_turns::RequestTurns;
use crate::ambient::watch;
use crate::dag::SagaDag;
pub use crate::driver::LimitedAction;
use crate::driver::{Environment, Events, ProgressChannels};
use crate::error::{SagaError, StartError};
use crate::log::{SagaId, SagaMap, SagaStatus, Timestamp};
use crate::machine::Config;
use crate::store::{ListFilter, SagaRecord, SagaVersion, StoreError, Worker, WorkerId};
use crate::typed::Saga;
pub use builder::{BuildError, CoordinatorBuilder};
#[cfg(feature = "testing")]
pub(crate) use definitions::Definition;
use definitions::Definitions;
pub(crate) use definitions::check_transactions;
use follow::Followed;
pub use from_actions::{ActionStart, CalledOff};
use handle::AnyHandle;
pub use handle::{SagaFuture, SagaHandle, SagaType};
pub use health::Health;
pub(crate) use inspect::SagaView;
use loads::Loads;
pub use migration::{Migration, MigrationOutlook};
#[cfg(feature = "testing")]
pub(crate) use node_action::node_without_action;
pub use node_key::NodeKey;
pub(crate) use operator::Operator;
pub use outcome::Outcome;
use running::RunningSaga;
use shared_store::SharedStoreTasks;
pub use shutdown::ShutdownReport;
pub use start::SagaStart;
use start::{AnyStart, StartRequest};
use strays::StrayEvents;
use task_tracker::TaskTracker;
pub use versions::UnknownVersions;
use waker::Waker;

/// Runs sagas with a context `C`: the clients and pools that their actions use.
///
/// Cheap to clone; all clones are the same coordinator. Dropping it stops nothing: its sagas run on, and those that wait are woken,
/// until they or the runtime end. [`shutdown`](Self::shutdown) hands them over in good order.
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
    inner: Arc<CoordinatorInner>,
    context: Arc<C>,
}

impl<C> Clone for Coordinator<C> {
    fn clone(&self) -> Self {
        Self { inner: self.inner.clone(), context: self.context.clone() }
    }
}

struct CoordinatorInner {
    tasks: TaskTracker,
    env: Arc<Environment>,
    config: Arc<Config>,
    definitions: Definitions,
    running: Mutex<SagaMap<Arc<RunningSaga>>>,
    /// What handles see.
    progress: ProgressChannels,
    /// Running sagas that stopped because their store failed.
    waiting_for_store: Mutex<BTreeSet<SagaId>>,
    /// Notified when a saga leaves `running`.
    left: Notify,
    /// True once the store was closed.
    closed: tokio::sync::Mutex<bool>,
    request_poller: RequestPoller,
    request_turns: RequestTurns,
    shared_store: SharedStoreTasks,
    /// Sagas that other processes run, and that somebody here has a handle to.
    followed: Followed,
    strays: StrayEvents,
    loads: Loads,
    waker: Waker,
    /// True if the lease could not be renewed the last time.
    renewal_failed: AtomicBool,
    /// How often the lease could be renewed again after that.
    store_is_back: watch::Sender<u64>,
    /// When the coordinator was made.
    since: Timestamp,
    /// Definitions that this program does not know.
    unknown: Mutex<Vec<SagaVersion>>,
    /// Sagas that could not be loaded because what is stored of them is corrupt.
    unreadable: Mutex<BTreeSet<SagaId>>,
    crash_limit: u32,
}

impl<C: Send + Sync + 'static> Coordinator<C> {
    /// A builder; the context is shared by all actions.
    pub fn builder(context: C) -> CoordinatorBuilder<C> {
        CoordinatorBuilder::new(Arc::new(context))
    }

    /// The context that the coordinator was built with, and that its actions share.
    ///
    /// ```
    /// use saga_core::prelude::*;
    ///
    /// struct Agency { name: String }
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let sec = Coordinator::builder(Agency { name: "Cosmos".into() }).build().await?;
    /// assert_eq!(sec.context().name, "Cosmos");
    /// # Ok(()) }
    /// ```
    pub fn context(&self) -> &Arc<C> {
        &self.context
    }

    /// Runs a saga under a new id, and returns its output. Each call runs another saga.
    ///
    /// Dropping the future does not stop the saga.
    ///
    /// # Errors
    /// [`SagaError`] says how it ended, or why it did not start.
    pub async fn run<S: Saga<Context = C>>(&self, saga: S) -> Result<S::Output, SagaError> {
        self.saga(saga).start().await?.await
    }

    /// Prepares a saga: `sec.saga(BookTrip { trip }).id("order-42").start().await?`.
    pub fn saga<S: Saga<Context = C>>(&self, saga: S) -> SagaStart<C, S> {
        SagaStart::new(AnyStart::new(self.inner.clone(), StartRequest::typed(saga)))
    }

    /// Prepares a saga whose DAG was built at run time. All of its actions must be registered with
    /// [`actions`](CoordinatorBuilder::actions), so that another process can resume it.
    pub fn saga_dag(&self, saga: SagaDag<C>) -> SagaStart<C, serde_json::Value> {
        let request = StartRequest::dynamic(saga.dag.any(), &saga.params);
        SagaStart::new(AnyStart::new(self.inner.clone(), request))
    }

    /// A handle to the saga with this id, running or ended, if there is one: `sec.get::<BookTrip>("order-42")`, or
    /// `sec.get::<serde_json::Value>(..)`, which fits every saga.
    ///
    /// # Errors
    /// [`StartError::IdConflict`] if the id belongs to another kind of saga, [`StartError::InvalidId`],
    /// [`StartError::UnknownVersion`], [`StartError::Store`], [`StartError::Corrupt`].
    pub async fn get<S: SagaType>(&self, id: &str) -> Result<Option<SagaHandle<S>>, StartError> {
        Ok(self.inner.get(id, S::NAME).await?.map(SagaHandle::of_any))
    }

    /// Definitions of unfinished sagas in the store that this program does not know. Their sagas stay untouched
    /// until a program that knows them builds a coordinator. `build` logs a warning for each of them; see
    /// [`CoordinatorBuilder::unknown_versions`].
    ///
    /// With a store that several processes share, this is looked up every few seconds, and other processes may know them.
    pub fn unknown_versions(&self) -> Vec<SagaVersion> {
        self.inner.unknown_versions()
    }

    /// The events of all sagas of this coordinator from now on, entry by entry as they become durable.
    pub fn events(&self) -> Events {
        self.inner.env.observers.events(None)
    }

    /// The records of the sagas in the store that match the filter, ordered by id, a page at a time.
    ///
    /// # Errors
    /// The store's error.
    pub async fn list(&self, filter: ListFilter) -> Result<Vec<SagaRecord>, StoreError> {
        self.inner.list(filter).await
    }

    /// What the [migrations](CoordinatorBuilder::migrate) of this program will do to the unfinished sagas that still have an old
    /// version: which are migrated when they are next taken up, and which go on as they are, and why. It loads each of them.
    ///
    /// # Errors
    /// The store's error.
    pub async fn migrations(&self) -> Result<Vec<MigrationOutlook>, StoreError> {
        self.inner.migrations_at_home().await
    }

    /// The id of this coordinator as a worker, as it stands in the records of its sagas and in [`workers`](Self::workers).
    pub fn worker_id(&self) -> &WorkerId {
        &self.inner.env.worker
    }

    /// The workers that run sagas on this coordinator's store and are alive: since when, and how many unfinished sagas each
    /// owns. With a store that has one worker at a time, that is this one.
    ///
    /// ```
    /// use saga_core::prelude::*;
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let sec = Coordinator::builder(()).build().await?;
    /// for worker in sec.workers().await? {
    ///     println!("{}: {} sagas", worker.id, worker.sagas);
    /// }
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    /// The store's error.
    pub async fn workers(&self) -> Result<Vec<Worker>, StoreError> {
        self.inner.workers_at_home().await
    }

    /// Removes sagas that ended longer ago than this from the store, with their logs, and returns how many.
    /// `statuses` says which: sagas that ended with one of these statuses; if it is empty, sagas that
    /// completed or were rolled back. A saga that has not ended is never removed, nor one to which an
    /// operator's request has no answer yet. The id of a removed saga can be used again.
    ///
    /// # Errors
    /// The store's error; sagas that were removed before it stay removed.
    pub async fn purge(
        &self,
        older_than: Duration,
        statuses: &[SagaStatus],
    ) -> Result<u64, StoreError> {
        self.inner.purge(older_than, statuses).await
    }
}

/// What a [`Coordinator`] is besides the type of its context. What programs await is boxed here, so that its code is
/// part of this crate, and not of each program.
impl CoordinatorInner {
    fn get<'a>(
        self: &'a Arc<Self>,
        id: &'a str,
        requested: Option<&'static str>,
    ) -> BoxFuture<'a, Result<Option<AnyHandle>, StartError>> {
        Box::pin(async move {
            let id: SagaId = id.parse()?;
            self.tasks.at_home(self.find(&id, requested)).await
        })
    }

    fn migrations_at_home(&self) -> BoxFuture<'_, Result<Vec<MigrationOutlook>, StoreError>> {
        Box::pin(self.tasks.at_home(self.migrations()))
    }

    fn workers_at_home(&self) -> BoxFuture<'_, Result<Vec<Worker>, StoreError>> {
        Box::pin(self.tasks.at_home(self.workers()))
    }

    fn list(&self, filter: ListFilter) -> BoxFuture<'_, Result<Vec<SagaRecord>, StoreError>> {
        Box::pin(self.tasks.at_home(self.env.store.list(filter)))
    }

    fn new(
        tasks: TaskTracker,
        env: Arc<Environment>,
        config: Config,
        definitions: Definitions,
        crash_limit: u32,
    ) -> Self {
        Self {
            since: env.clock.now(),
            tasks,
            env,
            config: config.into(),
            definitions,
            running: Mutex::default(),
            progress: ProgressChannels::default(),
            waiting_for_store: Mutex::default(),
            left: Notify::new(),
            closed: tokio::sync::Mutex::new(false),
            request_poller: RequestPoller::default(),
            request_turns: RequestTurns::default(),
            shared_store: SharedStoreTasks::default(),
            followed: Followed::default(),
            strays: StrayEvents::default(),
            loads: Loads::default(),
            waker: Waker::default(),
            renewal_failed: AtomicBool::new(false),
            store_is_back: watch::channel(0).0,
            unknown: Mutex::default(),
            unreadable: Mutex::default(),
            crash_limit,
        }
    }

    /// The list of running sagas.
    fn running(&self) -> std::sync::MutexGuard<'_, SagaMap<Arc<RunningSaga>>> {
        self.running.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn is_closing(&self) -> bool {
        *self.env.closing.borrow()
    }

    /// Waits until a shutdown begins.
    async fn closed(&self) {
        // this cannot fail, since the sender is here
        let _ = self.env.closing.subscribe().wait_for(|closing| *closing).await;
    }

    async fn until_idle(&self) {
        self.until(|running| running.is_empty()).await;
    }

    /// Waits until this run of the saga is over; another one may have begun by then.
    async fn until_gone(&self, id: &SagaId, run: &Arc<RunningSaga>) {
        self.until(|list| !list.get(id).is_some_and(|now| Arc::ptr_eq(now, run))).await;
    }

    async fn until(&self, is: impl Fn(&SagaMap<Arc<RunningSaga>>) -> bool) {
        loop {
            let left = self.left.notified();
            tokio::pin!(left);
            // registers now, so that nothing is missed before the await
            left.as_mut().enable();
            if is(&self.running()) {
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
