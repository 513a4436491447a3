//! A coordinator of a single saga, for an executor: it claims nothing, and resumes no other saga.

use std::sync::Arc;

use tokio::sync::watch;

use super::definitions::{Definition, Definitions};
use super::running::same_input;
use super::stored::StoredError;
use super::task_tracker::TaskTracker;
use super::{Coordinator, CoordinatorInner, SagaHandle};
use crate::action::ActionRegistry;
use crate::clock::Clock;
use crate::dag::SagaDag;
use crate::driver::{CallLimits, Environment, Observers, Snapshot, StoreHealth};
use crate::error::{OperateError, RuntimeError, SagaError, StartError};
use crate::limits::Limits;
use crate::log::SagaId;
use crate::machine::Config;
use crate::panics::note_places;
use crate::store::{Store, StoreError, WorkerId};

/// Nothing restarts a process that runs one saga by hand, so its crashes are not counted.
const NO_CRASH_LIMIT: u32 = u32::MAX;

impl<C: Send + Sync + 'static> Coordinator<C> {
    pub(crate) fn for_single_saga(
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
            call_limits: CallLimits::default(),
            observers: Observers::new(),
            store_health: StoreHealth::default(),
            closing: watch::channel(false).0,
            // whoever runs the saga by hand is told, and may run it again
            reloads: false,
            snapshot: Some(snapshot),
        };
        Ok(Self::with_call_limit(tasks, Arc::new(env), saga, 1))
    }

    /// The same coordinator, with this many calls at once.
    pub(crate) fn with_max_concurrency(&self, saga: &SagaDag<C>, calls: usize) -> Self {
        Self::with_call_limit(self.inner.tasks.clone(), self.inner.env.clone(), saga, calls)
    }

    fn with_call_limit(
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

    /// Starts the saga, or resumes it if it is in the store and has not ended; a handle to it either way.
    pub(crate) async fn start_or_resume(
        &self,
        id: &SagaId,
        saga: &SagaDag<C>,
    ) -> Result<SagaHandle<serde_json::Value>, SagaError> {
        let record = match self.inner.stored(id).await {
            Ok(stored) => stored.saga.record,
            Err(StoredError::Store(StoreError::NotFound { .. })) => {
                return Ok(self.saga_dag(saga.clone()).id(id.as_str()).start().await?);
            }
            Err(error) => return Err(error.into()),
        };
        let existing = (&*record.name, &record.params);
        same_input(id, existing, (saga.saga_name().as_str(), &saga.params))?;
        if !record.status.is_ended() {
            let woken = self.inner.wake(id, None).await;
            let (running, _) = woken.map_err(|error| why_not_resumed(id, error))?;
            return Ok(SagaHandle::new(id.clone(), running.progress().clone(), &self.inner));
        }
        let missing = || StartError::from(StoreError::NotFound { saga: id.clone() });
        Ok(self.inner.find(id).await?.ok_or_else(missing)?)
    }
}

/// Why a saga cannot be resumed.
fn why_not_resumed(id: &SagaId, error: OperateError) -> SagaError {
    if let OperateError::Store(source) = error {
        return SagaError::Store { saga: id.clone(), source };
    }
    SagaError::NotRunning { saga: id.clone(), why: error.to_string() }
}
