//! Building a coordinator.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use super::Coordinator;
use super::definitions::Definition;
use super::migration::{Migration, MigrationOutlook, in_lines};
#[cfg(feature = "testing")]
use super::setup::BuildDefinition;
use super::setup::Setup;
use super::versions::{Listed, UnknownVersions};
use crate::action::{ActionRegistry, RegistryError};
#[cfg(feature = "fault-injection")]
use crate::ambient::Gate;
use crate::context::AnyContext;
use crate::dag::DagError;
#[cfg(feature = "testing")]
use crate::driver::CallFaults;
use crate::error::{MissingTransactions, RuntimeError};
use crate::limits::{LONGEST_WAIT, Limits};
use crate::store::{SagaVersion, Store, StoreError};
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
    /// The store has unfinished sagas whose definition this program does not know, and it was told to
    /// [refuse](UnknownVersions::Refuse) that. Nothing was done to any saga.
    #[error(
        "{}; register these definitions with `CoordinatorBuilder::old_saga`, or allow this with \
         `UnknownVersions::Warn`",
        Listed(versions)
    )]
    UnknownVersions {
        /// Which definitions, and how many unfinished sagas each has.
        versions: Vec<SagaVersion>,
    },
    /// A migration does not say everything that must be said about its two versions.
    #[error("the migration of `{saga}` from version {from} to version {to}:{}", in_lines(problems))]
    Migration {
        /// The saga's name.
        saga: String,
        /// The old version.
        from: u32,
        /// The new version.
        to: u32,
        /// What is wrong, each in a sentence that says what to do.
        problems: Vec<String>,
    },
    /// An action is a transaction of a database in which the store does not keep the log.
    #[error(transparent)]
    Transactions(#[from] MissingTransactions),
    /// The store failed while unfinished sagas were claimed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

fn definition<S: Saga>(max_nodes: usize) -> Result<Definition, BuildError> {
    let definition = Definition::of::<S>(max_nodes);
    definition.map_err(|source| BuildError::Dag { saga: S::NAME, source })
}

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
    pub(super) setup: Setup,
}

impl<C: Send + Sync + 'static> CoordinatorBuilder<C> {
    pub(crate) fn new(context: Arc<C>) -> Self {
        Self { context, setup: Setup::new() }
    }

    /// Does this to the calls of the coordinator, given what was done to them so far.
    #[cfg(feature = "testing")]
    pub(crate) fn faults(
        mut self,
        faults: impl FnOnce(Option<Arc<dyn CallFaults>>) -> Arc<dyn CallFaults>,
    ) -> Self {
        self.setup.faults = Some(faults(self.setup.faults.take()));
        self
    }

    /// The sagas that are registered, and for each whether it is not started any more.
    #[cfg(feature = "testing")]
    pub(crate) fn definitions(&self) -> Vec<(Result<Definition, String>, bool)> {
        let build = |saga: &BuildDefinition| {
            saga(self.setup.limits.max_nodes).map_err(|error| error.to_string())
        };
        let current = self.setup.sagas.iter().map(|saga| (build(saga), false));
        let old = self.setup.old_sagas.iter().map(|saga| (build(saga), true));
        let migrated = self.setup.migrations.iter().map(|(saga, ..)| (build(saga), true));
        current.chain(old).chain(migrated).collect()
    }

    /// Where logs are kept; by default in a [`MemoryStore`](crate::store::MemoryStore), which does not survive a crash.
    pub fn store(mut self, store: impl Store) -> Self {
        self.setup.store = Some(Arc::new(store));
        self
    }

    /// Registers a saga and all of its actions.
    pub fn saga<S: Saga<Context = C>>(mut self) -> Self {
        self.setup.sagas.push(definition::<S>);
        self
    }

    /// Registers an old version of a saga, beside the current one of the same name or without one: its unfinished sagas are
    /// resumed, and operators can steer them, but none is started any more. Once
    /// [`list`](Coordinator::list) shows no unfinished saga of it, it can be removed from the program.
    ///
    /// Its actions are registered as well. An action that has changed since keeps its old code under its old `rev`.
    ///
    /// ```
    /// use saga_core::prelude::*;
    /// use saga_core::StartError;
    ///
    /// #[saga_action(no_undo)]
    /// async fn ship(order: &str) -> Result<String, String> { Ok(format!("shipped {order}")) }
    ///
    /// mod v1 {
    ///     use super::ship;
    ///     use saga_core::prelude::*;
    ///     saga! { pub(crate) Order<()>(order: String) -> String { ship { order } } }
    /// }
    ///
    /// saga! {
    ///     #[version = 2]
    ///     Order<()>(order: String) -> String {
    ///         let parcel = ship { order };
    ///         let _shipped_at = now {};
    ///         parcel
    ///     }
    /// }
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let sec = Coordinator::builder(()).saga::<Order>().old_saga::<v1::Order>().build().await?;
    /// assert_eq!(sec.run(Order { order: "7".into() }).await?, "shipped 7");
    /// let refused = sec.saga(v1::Order { order: "8".into() }).start().await;
    /// assert!(matches!(refused, Err(StartError::OldVersion { version: 1, .. })));
    /// # Ok(()) }
    /// ```
    pub fn old_saga<S: Saga<Context = C>>(mut self) -> Self {
        self.setup.old_sagas.push(definition::<S>);
        self
    }

    /// Registers a migration: unfinished sagas of its old version go on under the new one, if what they have done fits it; see
    /// [`Migration`]. The old version is registered as with [`old_saga`](Self::old_saga); register the new one with
    /// [`saga`](Self::saga).
    pub fn migrate<Old, New>(mut self, migration: Migration<Old, New>) -> Self
    where
        Old: Saga<Context = C>,
        // a migration is between sagas of one context, and one error is enough
        New: Saga,
    {
        let migration = (definition::<Old> as _, definition::<New> as _, migration.into_any());
        self.setup.migrations.push(migration);
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

    /// What [`build`](Self::build) does if the store has unfinished sagas whose definition this program does not know, such as
    /// those of the program that was deployed before; by default it [warns](UnknownVersions::Warn).
    ///
    /// ```
    /// use saga_core::prelude::*;
    /// use saga_core::{BuildError, UnknownVersions};
    /// # use saga_core::store::MemoryStore;
    /// # #[saga_action(no_undo)]
    /// # async fn wait() -> Result<(), String> { std::future::pending().await }
    /// # mod old { use saga_core::prelude::*; use super::wait; saga! { pub(crate) Order<()>() { wait {}; } } }
    /// # saga! { Order<()>() { let _id = new_uuid {}; wait {}; } }
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let store = MemoryStore::new();
    /// # let before = Coordinator::builder(()).store(store.clone()).saga::<old::Order>().build().await?;
    /// # before.saga(old::Order {}).start().await?;
    /// # before.shutdown(std::time::Duration::ZERO).await?;
    /// let sec = Coordinator::builder(()).store(store).saga::<Order>(); // it has changed since
    /// let built = sec.unknown_versions(UnknownVersions::Refuse).build().await;
    /// assert!(matches!(built, Err(BuildError::UnknownVersions { .. })));
    /// # Ok(()) }
    /// ```
    pub fn unknown_versions(mut self, unknown: UnknownVersions) -> Self {
        self.setup.unknown_versions = unknown;
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

    /// The coordinator belongs to a simulated process: its tasks are polled only while that runs.
    #[cfg(feature = "fault-injection")]
    #[doc(hidden)]
    pub fn simulated(mut self, process: Arc<dyn Gate>) -> Self {
        self.setup.gate = Some(process);
        self
    }

    /// What the [migrations](Self::migrate) of this program would do to the sagas in the store, instead of building the
    /// coordinator: how many sagas are eligible, which are not, and why. Nothing is claimed or written, so the program that runs
    /// the sagas now may go on meanwhile, if the store can be opened by two.
    ///
    /// # Errors
    /// [`BuildError`] as from [`build`](Self::build), as far as definitions, migrations and the store are concerned.
    pub async fn preview_migrations(self) -> Result<Vec<MigrationOutlook>, BuildError> {
        self.setup.preview_migrations().await
    }

    /// Builds the coordinator, which resumes every unfinished saga in the store whose definition it knows.
    ///
    /// Call it inside a tokio runtime with time enabled. The sagas run on that runtime for as long as it exists.
    /// They may be started and steered from anywhere: from another runtime, or from a thread without one. (A
    /// `current_thread` runtime runs them only while a thread is inside its `block_on`.)
    ///
    /// # Errors
    /// [`BuildError`] if two sagas or two actions have the same name, if [`max_calls_of`](Self::max_calls_of) or
    /// [`max_calls_of_everywhere`](Self::max_calls_of_everywhere) names no action, if the runtime cannot run sagas, if the
    /// store fails, or if it has sagas of [unknown versions](Self::unknown_versions) and that is refused.
    pub async fn build(self) -> Result<Coordinator<C>, BuildError> {
        let inner = self.setup.build(AnyContext::new(self.context.clone())).await?;
        Ok(Coordinator { inner, context: self.context })
    }
}
