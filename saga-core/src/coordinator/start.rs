//! Starting a saga: checks first, then one durable write, then it runs.

use std::marker::PhantomData;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::{mpsc, oneshot, watch};

use super::definitions::Definition;
use super::{Coordinator, Inner, Live, SagaHandle};
use crate::action::{ActionData, Value, encode};
use crate::context::{CancelSignal, Frame, RunInfo};
use crate::dag::SagaDag;
use crate::definition::Saga;
use crate::driver::{Creation, Driver, Progress, Ran, Values};
use crate::error::{ActionError, StartError};
use crate::log::{Payload, SagaId, SagaStatus, Uuid};
use crate::machine::{Event, Machine};
use crate::store::SagaRecord;

/// What is to be started.
pub(super) struct Request<C> {
    name: String,
    params: Result<(Value, Payload), ActionError>,
    /// The DAG of a saga that was built at run time.
    dag: Option<SagaDag<C>>,
}

impl<C: Send + Sync + 'static> Request<C> {
    pub(super) fn typed<S: Saga<Context = C>>(saga: S) -> Self {
        let params =
            crate::action::encode_data(&saga).map(|payload| (Arc::new(saga) as Value, payload));
        Self { name: S::NAME.to_string(), params, dag: None }
    }

    pub(super) fn dynamic(saga: SagaDag<C>) -> Self {
        let params = crate::action::decode::<serde_json::Value>(&saga.params)
            .map(|value| (Arc::new(value) as Value, saga.params.clone()));
        Self { name: saga.saga_name().to_string(), params, dag: Some(saga) }
    }
}

/// A saga that is about to be started.
#[must_use = "a saga starts with `.start().await`"]
pub struct Start<C, O> {
    coordinator: Coordinator<C>,
    request: Request<C>,
    id: Option<String>,
    output: PhantomData<fn() -> O>,
}

impl<C: Send + Sync + 'static, O: ActionData> Start<C, O> {
    pub(super) fn new(coordinator: Coordinator<C>, request: Request<C>) -> Self {
        Self { coordinator, request, id: None, output: PhantomData }
    }

    /// The saga's id: 1–128 bytes of `[A-Za-z0-9._:-]`; default a new UUIDv7. Starting the same saga with
    /// the same parameters under the same id again gives a handle of the one that is there.
    pub fn id(self, id: impl Into<String>) -> Self {
        Self { id: Some(id.into()), ..self }
    }

    /// Starts it. When this returns, the saga is durable and will end, whatever happens to this process;
    /// it does not wait for that end. Dropping the future does not drop the saga.
    ///
    /// # Errors
    /// [`StartError`]: nothing was written.
    pub async fn start(self) -> Result<SagaHandle<O>, StartError> {
        let inner = self.coordinator.inner;
        if inner.is_closing() {
            return Err(StartError::ShutDown);
        }
        let id = match self.id {
            Some(id) => id.parse::<SagaId>()?,
            None => SagaId::generate(),
        };
        let definition = inner.definition(&self.request)?;
        let saga = self.request.name;
        let (value, payload) = self
            .request
            .params
            .map_err(|e| StartError::Params { saga: saga.clone(), why: e.to_string() })?;
        let max = inner.env.limits.max_payload;
        if payload.len() > max {
            let why = format!("they have {} bytes, more than the limit of {max}", payload.len());
            return Err(StartError::Params { saga, why });
        }
        inner.start(id, definition, value, payload).await
    }
}

impl<C: Send + Sync + 'static> Inner<C> {
    /// The definition of what was asked for, if everything about it is registered.
    fn definition(&self, request: &Request<C>) -> Result<Definition<C>, StartError> {
        match &request.dag {
            Some(saga) => {
                self.definitions.check_actions(&saga.dag)?;
                let definition = Definition::dynamic(saga.dag.clone());
                self.definitions.remember(definition.clone());
                Ok(definition)
            }
            None => self.definitions.named(&request.name).cloned().ok_or_else(|| {
                let known = self.definitions.names();
                StartError::SagaNotRegistered { saga: request.name.clone(), known }
            }),
        }
    }

    async fn start<O: ActionData>(
        self: Arc<Self>,
        id: SagaId,
        definition: Definition<C>,
        value: Value,
        params: Payload,
    ) -> Result<SagaHandle<O>, StartError> {
        let name = definition.dag.name().to_string();
        let (progress, watcher) = watch::channel(running());
        let (control, orders) = mpsc::unbounded_channel();
        let cut = Arc::new(Mutex::new(Vec::new()));
        {
            // one lock for the look and the entry: of two starts of one id, one finds the other
            let mut live = self.live();
            if let Some(there) = live.get(&id) {
                same_input(&id, (&there.name, &there.params), (&name, &params))?;
                return Ok(SagaHandle::new(id, there.progress.clone()));
            }
            let (params, progress, cut) = (params.clone(), watcher.clone(), cut.clone());
            live.insert(id.clone(), Live { name: name.clone(), params, progress, control, cut });
        }
        if self.is_closing() {
            self.leave(&id);
            return Err(StartError::ShutDown);
        }
        let now = self.env.clock.now();
        let dag = &definition.dag;
        let record = SagaRecord {
            id: id.clone(),
            birth: Uuid::new_v4(),
            name: name.clone(),
            fingerprint: dag.fingerprint().to_string(),
            params: params.clone(),
            dag: encode(&dag.to_json()).unwrap_or_default(),
            created_at: now,
            status: SagaStatus::Running,
            owner: Some(self.env.worker.clone()),
            epoch: 1,
            next_seq: 1,
            attempts: 1,
            wake_at: None,
            deadline: None,
            paused: false,
            parked_reason: None,
            error: None,
            context: None,
            updated_at: now,
        };
        let birth = record.birth;
        let driver = Driver {
            env: self.env.clone(),
            machine: Machine::new(dag.plan().clone(), self.config, 1),
            values: Values::new(Frame::new(dag.clone(), value, params.clone())),
            run: Arc::new(RunInfo { id: id.clone(), birth, cancel: CancelSignal::default() }),
            epoch: 1,
            new: Some(record),
            control: orders,
            progress,
        };
        let (created, creation) = oneshot::channel();
        let (inner, handles) = (self.clone(), driver.progress.clone());
        // a task of its own: who started it may go away at any time
        tokio::spawn(async move {
            let id = driver.id().clone();
            // however the task ends, the saga leaves the list of the living
            let _leave = Leave { inner: inner.clone(), id: id.clone() };
            match driver.run(Event::Created { birth }, Some(created)).await {
                Ran::Through { cut: nodes } => {
                    *cut.lock().unwrap_or_else(PoisonError::into_inner) = nodes;
                }
                Ran::Exists => {
                    let there = inner.at_rest(&id).await;
                    let there = there.unwrap_or_else(|error| Progress::over(Err(error.into())));
                    handles.send_replace(there);
                }
            }
        });
        match creation.await {
            Ok(Creation::New) => Ok(SagaHandle::new(id, watcher)),
            Ok(Creation::Failed(error)) => Err(error.into()),
            Ok(Creation::Exists(there)) => {
                same_input(&id, (&there.name, &there.params), (&name, &params))?;
                Ok(SagaHandle::new(id, watcher))
            }
            Err(_) => Err(StartError::ShutDown),
        }
    }

    pub(super) fn leave(&self, id: &SagaId) {
        self.live().remove(id);
        self.left.notify_waiters();
    }
}

/// Takes a saga off the list when its task ends.
pub(super) struct Leave<C: Send + Sync + 'static> {
    pub(super) inner: Arc<Inner<C>>,
    pub(super) id: SagaId,
}

impl<C: Send + Sync + 'static> Drop for Leave<C> {
    fn drop(&mut self) {
        self.inner.leave(&self.id);
    }
}

pub(super) fn running() -> Progress {
    Progress { status: SagaStatus::Running, outcome: None }
}

/// Parameters are compared as values: spaces and the order of fields don't matter.
fn same_input(
    id: &SagaId,
    (existing, there): (&str, &Payload),
    (requested, new): (&str, &Payload),
) -> Result<(), StartError> {
    let value = |p: &Payload| serde_json::from_slice::<serde_json::Value>(p.as_bytes()).ok();
    if existing == requested && (there == new || value(there) == value(new)) {
        return Ok(());
    }
    let (existing, requested) = (existing.to_string(), requested.to_string());
    Err(StartError::IdConflict { saga: id.clone(), existing, requested })
}
