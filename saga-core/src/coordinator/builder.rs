//! Building a coordinator.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use futures_util::future::BoxFuture;
use tokio::sync::watch;

use super::definitions::{Definition, Definitions};
use super::task_tracker::TaskTracker;
use super::{Coordinator, CoordinatorInner};
use crate::action::{ActionRegistry, AnyRegistry, RegistryError};
use crate::clock::{Clock, Wall};
use crate::context::AnyContext;
use crate::dag::DagError;
#[cfg(feature = "testing")]
use crate::driver::CallFaults;
use crate::driver::{CallLimits, Environment, Lease, Observers, StoreHealth};
use crate::error::RuntimeError;
use crate::limits::{LONGEST_WAIT, Limits};
use crate::machine::Config;
use crate::panics::note_places;
use crate::store::{MemoryStore, Store, StoreError, WorkerId};
use crate::typed::Saga;

/// Why a coordinator could not be built.
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum BuildError {
    /// Two sagas or two actions have the same name.
    #[error(transparent)]
    Registry(#[from] RegistryError),
    /// A saga's definition is not a DAG.
    #[error("saga `{saga}`: {source}")]
    Dag {
        /// The saga's name.
        saga: &'static str,
        /// What is wrong with it.
        source: DagError,
    },
    /// There is no tokio runtime that sagas could run on.
    #[error(transparent)]
    Runtime(#[from] RuntimeError),
    /// The store failed while unfinished sagas were claimed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Builds the DAG of a saga, with at most this many nodes.
type BuildDefinition = fn(usize) -> Result<Definition, BuildError>;

/// Collects what a [`Coordinator`] needs.
///
/// ```
/// use saga_core::prelude::*;
/// use saga_core::Limits;
/// # use std::time::Duration;
/// # #[saga_action(no_undo)]
/// # async fn greet(name: &str) -> Result<String, String> {
/// #     if name.is_empty() { Err("nobody is there".into()) } else { Ok(format!("hello {name}")) }
/// # }
/// # saga! { Greet<()>(name: String) -> String { greet { name } } }
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let sec = Coordinator::builder(())
///     .saga::<Greet>()
///     .limits(Limits::default().max_payload(64 * 1024))
///     .max_concurrency(8)
///     .abandon_after(Duration::from_secs(5))
///     .build()
///     .await?;
/// assert_eq!(sec.run(Greet { name: "Ada".into() }).await?, "hello Ada");
/// # Ok(()) }
/// ```
pub struct CoordinatorBuilder<C> {
    context: Arc<C>,
    setup: Setup,
}

/// What a builder has collected besides the context.
struct Setup {
    store: Option<Arc<dyn Store>>,
    actions: AnyRegistry,
    /// Each is built once the limits are known.
    sagas: Vec<BuildDefinition>,
    config: Config,
    limits: Limits,
    call_limits: CallLimits,
    crash_limit: u32,
    wall_clock: Option<Box<Wall>>,
    #[cfg(feature = "testing")]
    faults: Option<Arc<dyn CallFaults>>,
}

impl<C: Send + Sync + 'static> CoordinatorBuilder<C> {
    pub(crate) fn new(context: Arc<C>) -> Self {
        Self { context, setup: Setup::new() }
    }

    /// Does this to the calls of the coordinator.
    #[cfg(feature = "testing")]
    pub(crate) fn faults(mut self, faults: Arc<dyn CallFaults>) -> Self {
        self.setup.faults = Some(faults);
        self
    }

    /// Where logs are kept; by default in a [`MemoryStore`], which does not survive a crash.
    pub fn store(mut self, store: impl Store) -> Self {
        self.setup.store = Some(Arc::new(store));
        self
    }

    /// Registers a saga and all of its actions.
    pub fn saga<S: Saga<Context = C>>(mut self) -> Self {
        self.setup.sagas.push(|max_nodes| {
            let definition = Definition::of::<S>(max_nodes);
            definition.map_err(|source| BuildError::Dag { saga: S::NAME, source })
        });
        self
    }

    /// Registers actions for DAGs that are built at run time.
    pub fn actions(mut self, actions: ActionRegistry<C>) -> Self {
        self.setup.actions = actions.any().clone();
        self
    }

    /// Limits on the size of sagas and values.
    pub fn limits(mut self, limits: Limits) -> Self {
        self.setup.limits = limits;
        self
    }

    /// How many calls of one saga may be in flight; by default any number. With 1, nodes run in topological
    /// order (ties in order of declaration), and undos in exactly the reverse order.
    pub fn max_concurrency(mut self, calls: usize) -> Self {
        self.setup.config.max_concurrency = Some(calls.max(1));
        self
    }

    /// How many calls of all sagas of this process together may be in flight; by default any number. A node that waits for
    /// a permit has not started, so it has nothing to undo.
    ///
    /// Sagas that wait take turns, one call each, so that a saga with many calls does not delay the others. An action
    /// that awaits another saga keeps its permit meanwhile; if that saga waits for this very permit, the wait ends
    /// with [`SagaError::WaitsForItself`](crate::SagaError::WaitsForItself).
    pub fn max_calls(mut self, calls: usize) -> Self {
        self.setup.call_limits.limit_all(calls);
        self
    }

    /// How many calls of the action with this name, and of its undo, may be in flight in all sagas of this process together;
    /// by default any number. For services with limited capacity. It must be an action of a registered saga,
    /// or be [registered](Self::actions) itself. For a limit over all processes that share a store, see
    /// [`max_calls_of_everywhere`](Self::max_calls_of_everywhere).
    pub fn max_calls_of(mut self, action: impl Into<String>, calls: usize) -> Self {
        self.setup.call_limits.limit_action(action.into(), calls);
        self
    }

    /// How many calls of the action with this name, and of its undo, may be in flight in all processes that share the store
    /// together; by default any number. For services that must be protected from all of them. Both limits can be set for
    /// an action.
    ///
    /// With a store that one process uses at a time, this is [`max_calls_of`](Self::max_calls_of). With a `PostgresStore`
    /// the processes divide the calls between them: each may have an equal part under way, and what some do not
    /// need is for the others. That is agreed upon in the store, a few times a second at most and not for each call. A process
    /// that needs calls has its part within a second or so; where there are more processes than calls, they take turns. What
    /// a process held that has died is free when its lease has ended.
    ///
    /// There are never more calls than that in processes that are alive. A process that was suspended for longer than its
    /// lease may still have the calls in flight that it had begun before. If processes have different limits, as while a new
    /// version is deployed, the smallest of those that call the action counts; a process without this limit is not counted. An
    /// action that awaits another saga keeps its permit meanwhile; if that saga waits for a permit that such calls in *other*
    /// processes hold, the wait ends with the timeout of the call.
    ///
    /// ```
    /// use saga_core::prelude::*;
    ///
    /// #[saga_action(no_undo)]
    /// async fn charge_card(cents: &u32) -> Result<u32, String> { Ok(*cents) }
    ///
    /// saga! { Pay<()>(cents: u32) -> u32 { charge_card { cents } } }
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let sec = Coordinator::builder(())
    ///     .saga::<Pay>()
    ///     .max_calls_of("charge_card", 5) // of this process
    ///     .max_calls_of_everywhere("charge_card", 20) // of all processes
    ///     .build()
    ///     .await?;
    /// assert_eq!(sec.run(Pay { cents: 950 }).await?, 950);
    /// # Ok(()) }
    /// ```
    pub fn max_calls_of_everywhere(mut self, action: impl Into<String>, calls: usize) -> Self {
        self.setup.call_limits.limit_everywhere(action.into(), calls);
        self
    }

    /// How many crashes of the process must count against a saga before it is parked instead of being run
    /// again; by default 3, at least 1.
    ///
    /// A crash counts against a saga if the process died within 20 ms after a call of that saga began, while
    /// it was the only saga being watched and had resumed at a random moment. So kills from outside park
    /// nothing, however often they happen: they rarely hit that moment several times in a row. The first few
    /// crashes only narrow down which saga to watch, and do not count. A saga that takes longer to kill its
    /// process is watched for longer, up to 5 s, and more crashes must count: twice the limit for up to
    /// 80 ms, three times for 320 ms, and so on. Progress resets the count, and a saga that was waiting for its
    /// time, or for the end of a [`shutdown`](Coordinator::shutdown), is not a suspect.
    ///
    /// A saga that was running at a crash may resume up to one second later in the next process; one that was
    /// running at many crashes in a row, each time for 320 ms or longer, up to ten. All others resume at once.
    pub fn crash_limit(mut self, crashes: u32) -> Self {
        self.setup.crash_limit = crashes.max(1);
        self
    }

    /// How long an action may run on after its saga began to roll back, before it is dropped and left in doubt;
    /// by default 30 s, at most 100 years.
    pub fn abandon_after(mut self, after: Duration) -> Self {
        self.setup.config.abandon_after = after.min(LONGEST_WAIT);
        self
    }

    /// Replaces the system's clock (or tokio's, where a test has paused that), for tests of what happens when
    /// the clock is set. It gives the times in logs and records, and applies to deadlines and to
    /// [`purge`](Coordinator::purge), but not to the timeouts of calls.
    ///
    /// ```
    /// use std::sync::Arc;
    /// use std::sync::atomic::{AtomicU64, Ordering};
    /// use std::time::{Duration, SystemTime};
    ///
    /// use saga_core::prelude::*;
    ///
    /// #[saga_action(no_undo, timeout = "10m")]
    /// async fn wait() -> Result<(), String> { std::future::pending().await }
    ///
    /// saga! { Wait<()>() { wait {}; } }
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let ahead = Arc::new(AtomicU64::new(0));
    /// let clock = ahead.clone();
    /// let clock = move || SystemTime::now() + Duration::from_secs(clock.load(Ordering::SeqCst));
    /// let sec = Coordinator::builder(()).saga::<Wait>().wall_clock(clock);
    /// let sec = sec.abandon_after(Duration::ZERO).build().await?;
    /// let saga = sec.saga(Wait {}).deadline(Duration::from_secs(3600)).start().await?;
    /// ahead.store(3600, Ordering::SeqCst);
    /// assert!(matches!(saga.await, Err(SagaError::RolledBack(_))), "its deadline has passed");
    /// # Ok(()) }
    /// ```
    pub fn wall_clock(mut self, now: impl Fn() -> SystemTime + Send + Sync + 'static) -> Self {
        self.setup.wall_clock = Some(Box::new(now));
        self
    }

    /// Builds the coordinator, which resumes every unfinished saga in the store whose definition it knows.
    ///
    /// Call it inside a tokio runtime with time enabled. The sagas run on that runtime for as long as it exists.
    /// They may be started and steered from anywhere: from another runtime, or from a thread without one. (A
    /// `current_thread` runtime runs them only while a thread is inside its `block_on`.)
    ///
    /// # Errors
    /// [`BuildError`] if two sagas or two actions have the same name, if [`max_calls_of`](Self::max_calls_of) or
    /// [`max_calls_of_everywhere`](Self::max_calls_of_everywhere) names no action, if the runtime cannot run sagas, or the
    /// store fails.
    pub async fn build(self) -> Result<Coordinator<C>, BuildError> {
        let inner = self.setup.build(AnyContext::new(self.context.clone())).await?;
        Ok(Coordinator { inner, context: self.context })
    }
}

impl Setup {
    fn new() -> Self {
        Self {
            store: None,
            actions: AnyRegistry::default(),
            sagas: Vec::new(),
            config: Config::default(),
            limits: Limits::default(),
            call_limits: CallLimits::default(),
            crash_limit: 3,
            wall_clock: None,
            #[cfg(feature = "testing")]
            faults: None,
        }
    }

    /// The future is boxed here, so that its code is part of this crate, and not of each program.
    fn build(
        self,
        user: AnyContext,
    ) -> BoxFuture<'static, Result<Arc<CoordinatorInner>, BuildError>> {
        Box::pin(async move {
            note_places();
            let tasks = TaskTracker::here()?;
            let mut definitions = Definitions::new(self.actions);
            for saga in self.sagas {
                definitions.add(saga(self.limits.max_nodes)?)?;
            }
            for action in self.call_limits.actions() {
                definitions.check_name(&action)?;
            }
            let store = self.store.unwrap_or_else(|| Arc::new(MemoryStore::new()));
            let env = Environment {
                user: Arc::new(user),
                lease: store.lease_terms().map(Lease::new),
                store,
                worker: WorkerId::generate(),
                clock: Arc::new(Clock::new(self.wall_clock)),
                limits: self.limits,
                call_limits: self.call_limits,
                observers: Observers::new(),
                store_health: StoreHealth::default(),
                closing: watch::channel(false).0,
                reloads: true,
                snapshot: None,
                #[cfg(feature = "testing")]
                faults: self.faults,
            };
            if env.lease.is_none() {
                env.call_limits.limit_only_worker();
            }
            let config = Config { permits: !env.call_limits.is_empty(), ..self.config };
            let mut inner =
                CoordinatorInner::new(tasks, Arc::new(env), config, definitions, self.crash_limit);
            inner.env.store.reopen().await?;
            inner.renew().await?;
            inner.check_shared_limits().await?;
            inner.unknown = inner.learn_versions().await?;
            let inner = Arc::new(inner);
            // what a shared store has is claimed in turns with its other workers
            if inner.env.lease.is_none() {
                inner.recover().await?;
            }
            inner.share_store();
            inner.poll_requests();
            Ok(inner)
        })
    }
}
