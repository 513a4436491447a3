//! A coordinator of a single saga, for an executor: it claims nothing, and resumes no other saga. On a store that several
//! processes share, it has a lease like any other worker, so that nobody else takes its saga over while it lives.

use std::sync::Arc;

use futures_util::future::BoxFuture;

use super::definitions::{Definition, Definitions};
use super::handle::AnyHandle;
use super::start::{AnyStart, StartRequest};
use super::stored::StoredError;
use super::task_tracker::TaskTracker;
use super::{Coordinator, CoordinatorInner, SagaHandle};
use crate::action::AnyRegistry;
use crate::ambient::watch;
use crate::clock::Clock;
use crate::context::AnyContext;
use crate::dag::{AnyDag, SagaDag};
use crate::driver::{CallLimits, Environment, Lease, Observers, Snapshot, StoreHealth};
use crate::error::{OperateError, RuntimeError, SagaError, StartError};
use crate::limits::Limits;
use crate::log::{Payload, SagaId};
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
        snapshot: Snapshot,
    ) -> Result<Self, RuntimeError> {
        let context = Arc::new(context);
        let user = AnyContext::new(context.clone());
        let inner = CoordinatorInner::for_single_saga(saga.dag.any(), user, store, snapshot)?;
        Ok(Self { inner, context })
    }

    /// The same coordinator, with this many calls at once.
    pub(crate) fn with_max_concurrency(&self, saga: &SagaDag<C>, calls: usize) -> Self {
        let (tasks, env) = (self.inner.tasks.clone(), self.inner.env.clone());
        let inner = CoordinatorInner::with_call_limit(tasks, env, saga.dag.any(), calls);
        Self { inner, context: self.context.clone() }
    }

    /// Starts the saga, or resumes it if it is in the store and has not ended; a handle to it either way.
    pub(crate) async fn start_or_resume(
        &self,
        id: &SagaId,
        saga: &SagaDag<C>,
    ) -> Result<SagaHandle<serde_json::Value>, SagaError> {
        let handle = self.inner.start_or_resume(id, saga.dag.any(), &saga.params).await?;
        Ok(SagaHandle::of_any(handle))
    }
}

impl CoordinatorInner {
    fn for_single_saga(
        dag: &Arc<AnyDag>,
        user: AnyContext,
        store: Arc<dyn Store>,
        snapshot: Snapshot,
    ) -> Result<Arc<Self>, RuntimeError> {
        note_places();
        let tasks = TaskTracker::here()?;
        let env = Environment {
            user: Arc::new(user),
            lease: store.lease_terms().map(Lease::new),
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
            #[cfg(feature = "testing")]
            faults: None,
        };
        Ok(Self::with_call_limit(tasks, Arc::new(env), dag, 1))
    }

    fn with_call_limit(
        tasks: TaskTracker,
        env: Arc<Environment>,
        dag: &Arc<AnyDag>,
        calls: usize,
    ) -> Arc<Self> {
        let config = Config { max_concurrency: Some(calls.max(1)), ..Config::default() };
        let definitions = Definitions::new(AnyRegistry::default());
        definitions.remember(Definition::dynamic(dag.clone()));
        Arc::new(Self::new(tasks, env, config, definitions, NO_CRASH_LIMIT))
    }

    /// The future is boxed here, so that its code is part of this crate, and not of each program.
    fn start_or_resume<'a>(
        self: &'a Arc<Self>,
        id: &'a SagaId,
        dag: &'a Arc<AnyDag>,
        params: &'a Payload,
    ) -> BoxFuture<'a, Result<AnyHandle, SagaError>> {
        Box::pin(async move {
            let failed = |source| SagaError::Store { saga: id.clone(), source };
            self.begin_lease().await.map_err(failed)?;
            let record = match self.stored(id).await {
                Ok(stored) => stored.saga.record,
                Err(StoredError::Store(StoreError::NotFound { .. })) => {
                    let request = StartRequest::dynamic(dag, params);
                    return Ok(AnyStart::new(self.clone(), request).with_id(id).start().await?);
                }
                Err(error) => return Err(error.into()),
            };
            let existing = (&*record.name, &record.params, &*record.fingerprint);
            self.definitions.same_input(id, existing, (dag.name().as_str(), params))?;
            if !record.status.is_ended() {
                let woken = self.wake(id, None).await;
                let (running, _) = woken.map_err(|error| why_not_resumed(id, error))?;
                return Ok(AnyHandle::new(id.clone(), running.progress().clone(), self));
            }
            let missing = || StartError::from(StoreError::NotFound { saga: id.clone() });
            Ok(self.find(id, None).await?.ok_or_else(missing)?)
        })
    }
}

/// Why a saga cannot be resumed.
fn why_not_resumed(id: &SagaId, error: OperateError) -> SagaError {
    if let OperateError::Store(source) = error {
        return SagaError::Store { saga: id.clone(), source };
    }
    SagaError::NotRunning { saga: id.clone(), why: error.to_string() }
}
