//! Starting a saga: checks first, then one durable write, then it runs.

use std::marker::PhantomData;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use super::definitions::Definition;
use super::handle::SagaType;
use super::recovery::Loaded;
use super::running::{Admission, SagaTask};
use super::{Coordinator, CoordinatorInner, SagaHandle};
use crate::context::{CancelSignal, RunInfo};
use crate::dag::SagaDag;
use crate::driver::{Driver, Values, before_telling_of_shutdown};
use crate::error::{ActionError, StartError};
use crate::limits::LONGEST_WAIT;
use crate::log::{SagaId, Timestamp};
use crate::machine::{Config, Event, Machine};
use crate::store::SagaRecord;
use crate::typed::Saga;
use crate::value::ActionOutput;

/// What is to be started.
pub(super) struct StartRequest<C> {
    name: String,
    params: Result<ActionOutput, ActionError>,
    /// The DAG of a saga that was built at run time.
    dag: Option<SagaDag<C>>,
}

impl<C: Send + Sync + 'static> StartRequest<C> {
    pub(super) fn typed<S: Saga<Context = C>>(saga: S) -> Self {
        Self { name: S::NAME.to_string(), params: ActionOutput::new(saga), dag: None }
    }

    pub(super) fn dynamic(saga: SagaDag<C>) -> Self {
        let params = ActionOutput::decode::<serde_json::Value>(&saga.params);
        Self { name: saga.saga_name().to_string(), params, dag: Some(saga) }
    }
}

/// A saga that is about to be started.
///
/// ```
/// use saga_core::prelude::*;
/// use saga_core::StartError;
/// # use std::time::Duration;
/// # #[saga_action(no_undo)]
/// # async fn greet(name: &str) -> Result<String, String> {
/// #     if name.is_empty() { Err("nobody is there".into()) } else { Ok(format!("hello {name}")) }
/// # }
/// # saga! { Greet<()>(name: String) -> String { greet { name } } }
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let sec = Coordinator::builder(()).saga::<Greet>().build().await?;
/// let start = |name: &str| sec.saga(Greet { name: name.into() }).id("greet-1");
/// let handle = start("Ada").deadline(Duration::from_secs(60)).start().await?;
/// assert_eq!(handle.await?, "hello Ada");
/// assert_eq!(start("Ada").start().await?.await?, "hello Ada", "the same one");
/// assert!(matches!(start("Bob").start().await, Err(StartError::IdConflict { .. })));
/// # Ok(()) }
/// ```
#[must_use = "a saga starts with `.start().await`"]
pub struct SagaStart<C, S> {
    coordinator: Coordinator<C>,
    request: StartRequest<C>,
    id: Option<String>,
    deadline: Option<Deadline>,
    saga: PhantomData<fn() -> S>,
}

/// When a saga must have ended.
enum Deadline {
    After(Duration),
    At(SystemTime),
}

impl<C: Send + Sync + 'static, S: SagaType> SagaStart<C, S> {
    pub(super) fn new(coordinator: Coordinator<C>, request: StartRequest<C>) -> Self {
        Self { coordinator, request, id: None, deadline: None, saga: PhantomData }
    }

    /// The saga's id: 1–128 bytes of `[A-Za-z0-9._:-]`; default a new UUIDv7. Starting the same saga with
    /// the same parameters under the same id again gives a handle of the one that is there.
    ///
    /// Parameters are compared as they are stored, as JSON: numbers by their digits, objects without regard to
    /// the order of their fields, lists in order. So a `HashSet` is not the same parameter twice, since it comes
    /// in another order each time: take a `BTreeSet`, or a sorted `Vec`. A `HashMap` is, since its keys are fields.
    pub fn id(self, id: impl Into<String>) -> Self {
        Self { id: Some(id.into()), ..self }
    }

    /// Unwinds the saga if it has not ended so long after its start (nor passed its pivot): at most 100
    /// years. What is kept is the time by the wall clock at which that is. A saga that is paused by then
    /// unwinds too, and its undos wait for the end of the pause; one that is parked unwinds when it is
    /// unparked. A pivot that is in flight or in doubt holds the deadline until it is known how it ended.
    pub fn deadline(self, after: Duration) -> Self {
        Self { deadline: Some(Deadline::After(after)), ..self }
    }

    /// Unwinds the saga if it has not ended by then (nor passed its pivot), by the wall clock: at most 100
    /// years ahead; otherwise as [`deadline`](Self::deadline).
    pub fn deadline_at(self, time: SystemTime) -> Self {
        Self { deadline: Some(Deadline::At(time)), ..self }
    }

    /// Starts it. When this returns, the saga is durable and will end, whatever happens to this process;
    /// it does not wait for that end. Dropping the future does not drop the saga.
    ///
    /// It may be called from anywhere, also outside of a tokio runtime: the saga runs on the one that the
    /// coordinator was built on.
    ///
    /// # Errors
    /// [`StartError`]: nothing was written.
    pub async fn start(self) -> Result<SagaHandle<S>, StartError> {
        let tasks = self.coordinator.inner.tasks.clone();
        let started = tasks.at_home(self.begin()).await;
        if let Err(StartError::ShutDown) = started {
            before_telling_of_shutdown().await;
        }
        started
    }

    async fn begin(self) -> Result<SagaHandle<S>, StartError> {
        let inner = self.coordinator.inner;
        inner.tasks.check()?;
        if inner.is_closing() {
            return Err(StartError::ShutDown);
        }
        let id = match self.id {
            Some(id) => id.parse::<SagaId>()?,
            None => SagaId::generate(),
        };
        let definition = inner.definition(&self.request)?;
        let saga = self.request.name;
        let params = self
            .request
            .params
            .map_err(|e| StartError::Params { saga: saga.clone(), why: e.to_string() })?;
        let max = inner.env.limits.max_payload;
        if params.payload.len() > max {
            let size = params.payload.len();
            let why = format!(
                "they have {size} bytes, more than the limit of {max}; raise `Limits::max_payload`"
            );
            return Err(StartError::Params { saga, why });
        }
        let now = inner.env.clock.now();
        let deadline = match self.deadline {
            None => None,
            Some(Deadline::After(after)) => Some(now.after(after)),
            Some(Deadline::At(time)) => {
                let since = time.duration_since(UNIX_EPOCH).unwrap_or_default();
                let deadline = Timestamp(0).after(since);
                let past = deadline <= now;
                // a saga that is there was started in time
                if past && inner.find::<serde_json::Value>(&id).await?.is_none() {
                    return Err(StartError::DeadlinePassed { saga });
                }
                Some(deadline)
            }
        };
        if deadline.is_some_and(|deadline| deadline > now.after(LONGEST_WAIT)) {
            return Err(StartError::DeadlineTooFar { saga });
        }
        let input = Input { params, deadline };
        inner.start(id, definition, input).await
    }
}

/// What a saga is started with.
struct Input {
    params: ActionOutput,
    deadline: Option<Timestamp>,
}

impl<C: Send + Sync + 'static> CoordinatorInner<C> {
    /// The definition of what was asked for, if everything about it is registered.
    fn definition(&self, request: &StartRequest<C>) -> Result<Definition<C>, StartError> {
        match &request.dag {
            Some(saga) => {
                self.definitions.check_actions(&saga.dag)?;
                Ok(Definition::dynamic(saga.dag.clone()))
            }
            None => self.definitions.named(&request.name).cloned().ok_or_else(|| {
                let known = self.definitions.names();
                StartError::SagaNotRegistered { saga: request.name.clone(), known }
            }),
        }
    }

    async fn start<S: SagaType>(
        self: Arc<Self>,
        id: SagaId,
        definition: Definition<C>,
        given: Input,
    ) -> Result<SagaHandle<S>, StartError> {
        let name = definition.dag.name().to_string();
        let params = given.params.payload.clone();
        let input = (name.as_str(), &params);
        let (running, task, control) = match self.enter(&id, input, None) {
            Admission::AlreadyRunning(there) => return there.handle(id, input, &self).await,
            Admission::Admitted(running, task, control) => (running, task, control),
        };
        if self.is_closing() {
            return Err(StartError::ShutDown);
        }
        let driver = self.create(&id, definition, given, &task);
        // a task of its own: who started it may go away at any time
        self.tasks.spawn(async move {
            let first = vec![Event::Created { run_key: driver.run.run_key }];
            task.run_until_released(Ok(Loaded { driver, first }), Vec::new(), control).await;
        });
        running.handle(id, input, &self).await
    }

    /// What runs a new saga, which is not in the store yet.
    fn create(
        &self,
        id: &SagaId,
        definition: Definition<C>,
        given: Input,
        task: &SagaTask<C>,
    ) -> Driver<C> {
        let now = self.env.clock.now();
        let dag = &definition.dag;
        let record = SagaRecord {
            fingerprint: dag.fingerprint().to_string(),
            params: given.params.payload.clone(),
            dag: dag.to_json_text().into_bytes().into(),
            deadline: given.deadline,
            ..SagaRecord::new(id.clone(), dag.name().as_str(), self.env.worker.clone(), now)
        };
        let config = Config { deadline: given.deadline, ..self.config };
        Driver {
            env: self.env.clone(),
            machine: Machine::new(dag.plan().clone(), config, 1),
            values: Values::new(dag.clone(), dag.frame(given.params), self.env.limits.max_width),
            run: Arc::new(RunInfo {
                id: id.clone(),
                run_key: record.run_key,
                cancel: CancelSignal::default(),
            }),
            epoch: 1,
            new: Some(record),
            track: task.track.clone(),
            lead: self.env.clock.lead(),
        }
    }
}
