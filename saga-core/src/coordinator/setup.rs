//! What a builder has collected, and how a coordinator is made of it.

use std::sync::Arc;

use futures_util::future::BoxFuture;

use super::CoordinatorInner;
use super::builder::BuildError;
use super::definitions::{Definition, Definitions};
use super::migration::{AnyMigration, MigrationOutlook, outlook};
use super::task_tracker::TaskTracker;
use super::versions::UnknownVersions;
use crate::action::AnyRegistry;
#[cfg(feature = "fault-injection")]
use crate::ambient::Gate;
use crate::ambient::watch;
use crate::clock::{Clock, Wall};
use crate::context::AnyContext;
#[cfg(feature = "fault-injection")]
use crate::dag::AnyDag;
#[cfg(feature = "testing")]
use crate::driver::CallFaults;
use crate::driver::{CallLimits, Environment, Lease, Observers, StoreHealth};
use crate::limits::Limits;
use crate::machine::Config;
use crate::panics::note_places;
use crate::store::{MemoryStore, Store, WorkerId};

/// Builds the DAG of a saga, with at most this many nodes.
pub(super) type BuildDefinition = fn(usize) -> Result<Definition, BuildError>;

/// Adds a migration, and the old version of its saga.
fn migrate(
    definitions: &mut Definitions,
    old: Definition,
    new: Definition,
    migration: AnyMigration,
) -> Result<(), BuildError> {
    definitions.add_old(old.clone())?;
    let saga = new.dag.name().to_string();
    let (from, to) = (old.dag.version(), new.dag.version());
    definitions.add_migration(migration, old, new).map_err(|problems| BuildError::Migration {
        saga,
        from,
        to,
        problems,
    })
}

/// What a builder has collected besides the context.
pub(super) struct Setup {
    pub(super) store: Option<Arc<dyn Store>>,
    pub(super) actions: AnyRegistry,
    /// Each is built once the limits are known.
    pub(super) sagas: Vec<BuildDefinition>,
    /// Those that are not started any more.
    pub(super) old_sagas: Vec<BuildDefinition>,
    /// Each with how its two versions are built.
    pub(super) migrations: Vec<(BuildDefinition, BuildDefinition, AnyMigration)>,
    /// Between DAGs that were built at run time.
    #[cfg(feature = "fault-injection")]
    pub(super) dag_migrations: Vec<(Arc<AnyDag>, Arc<AnyDag>, AnyMigration)>,
    pub(super) config: Config,
    pub(super) limits: Limits,
    pub(super) call_limits: CallLimits,
    pub(super) crash_limit: u32,
    pub(super) unknown_versions: UnknownVersions,
    pub(super) wall_clock: Option<Box<Wall>>,
    #[cfg(feature = "fault-injection")]
    pub(super) gate: Option<Arc<dyn Gate>>,
    #[cfg(feature = "testing")]
    pub(super) faults: Option<Arc<dyn CallFaults>>,
}

impl Setup {
    pub(super) fn new() -> Self {
        Self {
            store: None,
            actions: AnyRegistry::default(),
            sagas: Vec::new(),
            old_sagas: Vec::new(),
            migrations: Vec::new(),
            #[cfg(feature = "fault-injection")]
            dag_migrations: Vec::new(),
            config: Config::default(),
            limits: Limits::default(),
            call_limits: CallLimits::default(),
            crash_limit: 3,
            unknown_versions: UnknownVersions::default(),
            wall_clock: None,
            #[cfg(feature = "fault-injection")]
            gate: None,
            #[cfg(feature = "testing")]
            faults: None,
        }
    }

    /// The sagas, their old versions and the migrations between them.
    fn definitions(&mut self) -> Result<Definitions, BuildError> {
        let mut definitions = Definitions::new(std::mem::take(&mut self.actions));
        let max_nodes = self.limits.max_nodes;
        for saga in &self.sagas {
            definitions.add(saga(max_nodes)?)?;
        }
        for saga in &self.old_sagas {
            definitions.add_old(saga(max_nodes)?)?;
        }
        for (old, new, migration) in std::mem::take(&mut self.migrations) {
            let (old, new) = (old(max_nodes)?, new(max_nodes)?);
            migrate(&mut definitions, old, new, migration)?;
        }
        #[cfg(feature = "fault-injection")]
        for (old, new, migration) in std::mem::take(&mut self.dag_migrations) {
            let (old, new) = (Definition::dynamic(old), Definition::dynamic(new));
            definitions.add_old(new.clone())?;
            migrate(&mut definitions, old, new, migration)?;
        }
        Ok(definitions)
    }

    /// What the migrations would do. Nothing is claimed or written.
    pub(super) fn preview_migrations(
        mut self,
    ) -> BoxFuture<'static, Result<Vec<MigrationOutlook>, BuildError>> {
        Box::pin(async move {
            let definitions = self.definitions()?;
            let store = self.store.unwrap_or_else(|| Arc::new(MemoryStore::new()));
            Ok(outlook(&*store, &definitions, &self.limits).await?)
        })
    }

    /// The future is boxed here, so that its code is part of this crate, and not of each program.
    pub(super) fn build(
        mut self,
        user: AnyContext,
    ) -> BoxFuture<'static, Result<Arc<CoordinatorInner>, BuildError>> {
        Box::pin(async move {
            note_places();
            #[cfg(feature = "metrics")]
            super::facts::describe();
            let definitions = self.definitions()?;
            let tasks = TaskTracker::here()?;
            #[cfg(feature = "fault-injection")]
            let tasks = tasks.within(self.gate);
            for action in self.call_limits.actions() {
                definitions.check_name(&action)?;
            }
            let store = self.store.unwrap_or_else(|| Arc::new(MemoryStore::new()));
            definitions.check_transactions(&*store)?;
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
            let inner =
                CoordinatorInner::new(tasks, Arc::new(env), config, definitions, self.crash_limit);
            inner.env.store.reopen().await?;
            inner.renew().await?;
            inner.check_shared_limits().await?;
            inner.learn_versions().await?;
            let versions = inner.unknown_versions();
            match self.unknown_versions {
                UnknownVersions::Refuse if !versions.is_empty() => {
                    return Err(BuildError::UnknownVersions { versions });
                }
                UnknownVersions::Refuse | UnknownVersions::Warn => inner.warn_of_unknown_versions(),
            }
            let inner = Arc::new(inner);
            // what a shared store has is claimed in turns with its other workers
            if inner.env.lease.is_none() {
                inner.recover().await?;
            }
            inner.share_store();
            inner.poll_requests();
            inner.wake_sagas();
            Ok(inner)
        })
    }
}
