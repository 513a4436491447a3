//! A coordinator of one saga, for an executor: it claims nothing by itself, and goes on with its own saga
//! only.

use std::sync::Arc;

use tokio::sync::watch;

use super::definitions::{Definition, Definitions};
use super::running::same_input;
use super::task_tracker::TaskTracker;
use super::{Coordinator, CoordinatorInner, SagaHandle};
use crate::action::ActionRegistry;
use crate::clock::Clock;
use crate::dag::SagaDag;
use crate::driver::{Bounds, Environment, Observers, Snapshot, StoreHealth};
use crate::error::{OperateError, RuntimeError, SagaError, StartError};
use crate::limits::Limits;
use crate::log::SagaId;
use crate::machine::Config;
use crate::panics::note_places;
use crate::store::{Store, StoreError, WorkerId};

/// A process that runs one saga by hand is not restarted by itself, so its crashes are not counted.
const NO_CRASH_LIMIT: u32 = u32::MAX;

impl<C: Send + Sync + 'static> Coordinator<C> {
    pub(crate) fn of_one(
        saga: &SagaDag<C>,
        context: C,
        store: Arc<dyn Store>,
        snapshot: Snapshot<C>,
    ) -> Result<Self, RuntimeError> {
        note_places();
        let tasks = TaskTracker::here()?;
        let env = Environment {
            user: Arc::new(context),
            store,
            worker: WorkerId::generate(),
            clock: Arc::new(Clock::new(None)),
            limits: Limits::default(),
            bounds: Bounds::default(),
            observers: Observers::new(),
            store_health: StoreHealth::default(),
            closing: watch::channel(false).0,
            // whoever runs it by hand is told, and may do it again
            reloads: false,
            snapshot: Some(snapshot),
        };
        Ok(Self::of_one_in(tasks, Arc::new(env), saga, 1))
    }

    /// The same coordinator with room for so many calls at once.
    pub(crate) fn with_room(&self, saga: &SagaDag<C>, calls: usize) -> Self {
        Self::of_one_in(self.inner.tasks.clone(), self.inner.env.clone(), saga, calls)
    }

    fn of_one_in(
        tasks: TaskTracker,
        env: Arc<Environment<C>>,
        saga: &SagaDag<C>,
        calls: usize,
    ) -> Self {
        let config = Config { max_concurrency: Some(calls.max(1)), ..Config::default() };
        let definitions = Definitions::new(ActionRegistry::new());
        definitions.remember(Definition::dynamic(saga.dag().clone()));
        let inner = CoordinatorInner::new(tasks, env, config, definitions, NO_CRASH_LIMIT);
        Self { inner: Arc::new(inner) }
    }

    /// Its context.
    pub(crate) fn user_context(&self) -> &Arc<C> {
        &self.inner.env.user
    }

    /// Starts the saga, or goes on with it if it is in the store and has not ended; a handle either way.
    pub(crate) async fn go_on(
        &self,
        id: &SagaId,
        saga: &SagaDag<C>,
    ) -> Result<SagaHandle<serde_json::Value>, SagaError> {
        let Some(stored) = self.inner.env.store.load(id).await.map_err(StartError::from)? else {
            return Ok(self.saga_dag(saga.clone()).id(id.as_str()).start().await?);
        };
        let record = &stored.record;
        let there = (record.name.as_str(), &record.params);
        same_input(id, there, (saga.saga_name().as_str(), &saga.params))?;
        if !record.status.is_ended() {
            let (running, _) = self.inner.wake(id, None).await.map_err(|error| why(id, error))?;
            return Ok(SagaHandle::new(id.clone(), running.track, &self.inner));
        }
        let missing = || StartError::from(StoreError::NotFound { saga: id.clone() });
        Ok(self.inner.find(id).await?.ok_or_else(missing)?)
    }
}

/// Why a saga cannot be woken.
fn why(id: &SagaId, error: OperateError) -> SagaError {
    match error {
        OperateError::Store(source) => SagaError::Store { saga: id.clone(), source },
        other => SagaError::NotRunning { saga: id.clone(), why: other.to_string() },
    }
}
