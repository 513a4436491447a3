//! Starting a saga: it is checked, then made durable by one write, then run.

use std::any::TypeId;
use std::borrow::Cow;
use std::marker::PhantomData;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use futures_util::future::BoxFuture;

use super::definitions::{Definition, check_transactions};
use super::handle::{AnyHandle, SagaType};
use super::node_action::check_fault;
use super::running::{Admission, RunningSaga};
use super::{CoordinatorInner, SagaHandle};
use crate::ambient::random_uuid;
use crate::dag::AnyDag;
use crate::driver::{Driver, NewRun, PendingRequest, before_telling_of_shutdown};
use crate::error::{ActionError, StartError};
use crate::limits::LONGEST_WAIT;
use crate::log::{Command, Fault, NodePath, Payload, Request, SagaId, Timestamp};
use crate::typed::Saga;
use crate::value::ActionOutput;

/// Which saga to start, and with which parameters.
#[derive(Clone)]
pub(super) struct StartRequest {
    name: Cow<'static, str>,
    /// The type of a saga that is one.
    ty: Option<TypeId>,
    params: Result<ActionOutput, ActionError>,
    /// The DAG of a saga that was built at run time.
    dag: Option<Arc<AnyDag>>,
}

impl StartRequest {
    pub(super) fn typed<S: Saga>(saga: S) -> Self {
        let (name, ty) = (S::NAME.into(), Some(TypeId::of::<S>()));
        Self { name, ty, params: ActionOutput::new(saga), dag: None }
    }

    /// The name of the saga.
    pub(super) fn name(&self) -> &str {
        &self.name
    }

    pub(super) fn dynamic(dag: &Arc<AnyDag>, params: &Payload) -> Self {
        let params = ActionOutput::decode::<serde_json::Value>(params);
        Self { name: dag.name().to_string().into(), ty: None, params, dag: Some(dag.clone()) }
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
    any: AnyStart,
    saga: PhantomData<fn(C) -> S>,
}

/// The same for sagas of any type.
pub(super) struct AnyStart {
    inner: Arc<CoordinatorInner>,
    request: StartRequest,
    id: Option<String>,
    deadline: Option<When>,
    starts: Option<When>,
    /// Faults that a test injects.
    faults: Vec<(NodePath, Fault)>,
}

/// When a saga starts, or must have ended.
enum When {
    After(Duration),
    At(SystemTime),
}

impl When {
    fn time(&self, from: Timestamp) -> Timestamp {
        match self {
            Self::After(after) => from.after(*after),
            Self::At(time) => {
                Timestamp(0).after(time.duration_since(UNIX_EPOCH).unwrap_or_default())
            }
        }
    }
}

impl<C: Send + Sync + 'static, S: SagaType> SagaStart<C, S> {
    pub(super) fn new(any: AnyStart) -> Self {
        Self { any, saga: PhantomData }
    }

    /// The saga's id: 1–128 bytes of `[A-Za-z0-9._:-]`; by default a new UUIDv7. Starting the same saga with
    /// the same parameters and the same id again returns a handle to the existing saga.
    ///
    /// Parameters are compared in their stored form, JSON: numbers by their digits, objects regardless of
    /// the order of their fields, lists in order. So two equal `HashSet`s may differ, since each iterates in an
    /// order of its own: use a `BTreeSet` or a sorted `Vec`. A `HashMap` is fine, since its keys become fields.
    pub fn id(mut self, id: impl Into<String>) -> Self {
        self.any.id = Some(id.into());
        self
    }

    /// Rolls the saga back if it has neither ended nor passed its pivot this long after its start; at most
    /// 100 years. The log keeps the deadline as a time by the wall clock. A paused saga rolls back too, but
    /// its undos wait for the end of the pause; a parked saga rolls back once it is unparked. While the
    /// pivot is in flight or in doubt, the deadline waits until its outcome is known.
    pub fn deadline(mut self, after: Duration) -> Self {
        self.any.deadline = Some(When::After(after));
        self
    }

    /// Rolls the saga back if it has neither ended nor passed its pivot at this time by the wall clock, at
    /// most 100 years ahead; otherwise like [`deadline`](Self::deadline).
    pub fn deadline_at(mut self, time: SystemTime) -> Self {
        self.any.deadline = Some(When::At(time));
        self
    }

    /// Starts the saga at this time by the wall clock, at most 100 years ahead; a time that is over means at once.
    ///
    /// When [`start`](Self::start) returns, the saga is durable, and until its time comes it is a row of the store: any process that
    /// knows its definition starts it then. It has an id and a handle, keeps the [events](crate::Coordinator::signal)
    /// that come before it starts, and can be cancelled. A [`deadline`](Self::deadline) counts from its start. If a saga with this id
    /// exists already, that one keeps its own time.
    ///
    /// ```
    /// use std::time::{Duration, SystemTime};
    /// use saga_core::prelude::*;
    /// # #[saga_action(no_undo)]
    /// # async fn send(to: &str) -> Result<String, String> { Ok(format!("reminded {to}")) }
    /// saga! { Remind<()>(who: String) -> String { send { to: who } } }
    /// # #[tokio::main(flavor = "current_thread", start_paused = true)]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let sec = Coordinator::builder(()).saga::<Remind>().build().await?;
    /// let remind = |who: &str| sec.saga(Remind { who: who.into() });
    ///
    /// let tomorrow = Duration::from_secs(24 * 3600);
    /// let ada = remind("Ada").after(tomorrow).start().await?;
    /// assert_eq!(ada.await?, "reminded Ada");
    ///
    /// let bob = remind("Bob").id("bob").at(SystemTime::now() + 7 * tomorrow).start().await?;
    /// sec.operator("ann").cancel("bob", "he knows").await?;
    /// assert!(matches!(bob.await, Err(SagaError::RolledBack(_))));
    /// # Ok(()) }
    /// ```
    pub fn at(mut self, time: SystemTime) -> Self {
        self.any.starts = Some(When::At(time));
        self
    }

    /// Starts the saga this long from now, by the wall clock; otherwise like [`at`](Self::at).
    pub fn after(mut self, time: Duration) -> Self {
        self.any.starts = Some(When::After(time));
        self
    }

    /// Injects a fault into a node, for a test. It is there before the first node starts, and stays with the saga, even
    /// through a crash. A saga with this id that exists already does not get it.
    ///
    /// ```
    /// use saga_core::operator::Fault;
    /// use saga_core::prelude::*;
    /// # #[saga_action(no_undo)]
    /// # async fn greet(name: &str) -> Result<String, String> { Ok(format!("hello {name}")) }
    /// # saga! { Greet<()>(name: String) -> String { greet { name } } }
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let sec = Coordinator::builder(()).saga::<Greet>().build().await?;
    /// let start = sec.saga(Greet { name: "Ada".into() }).inject("greet", Fault::Error);
    /// let error = start.start().await?.await.unwrap_err();
    /// assert!(error.to_string().ends_with("rolled back: node `greet`: error injected"), "{error}");
    /// # Ok(()) }
    /// ```
    pub fn inject(mut self, node: impl Into<NodePath>, fault: Fault) -> Self {
        self.any.faults.push((node.into(), fault));
        self
    }

    /// Starts the saga. When this returns, the saga is durable and will run to its end, whatever happens to
    /// this process; `start` does not wait for that end. Dropping the future does not stop the saga.
    ///
    /// It may be called from anywhere, even outside a tokio runtime: the saga runs on the runtime that the
    /// coordinator was built on.
    ///
    /// # Errors
    /// [`StartError`]; nothing was written.
    pub async fn start(self) -> Result<SagaHandle<S>, StartError> {
        self.any.start().await.map(SagaHandle::of_any)
    }
}

impl AnyStart {
    pub(super) fn new(inner: Arc<CoordinatorInner>, request: StartRequest) -> Self {
        Self { inner, request, id: None, deadline: None, starts: None, faults: Vec::new() }
    }

    pub(super) fn with_id(self, id: &SagaId) -> Self {
        Self { id: Some(id.as_str().to_string()), ..self }
    }

    pub(super) fn with_deadline(self, after: Option<Duration>) -> Self {
        Self { deadline: after.map(When::After), ..self }
    }

    /// Starts the saga. The future is boxed here, so that its code is part of this crate, and not of each program.
    pub(super) fn start(self) -> BoxFuture<'static, Result<AnyHandle, StartError>> {
        Box::pin(async move {
            let inner = self.inner.clone();
            let started = inner.tasks.at_home(self.begin()).await;
            if let Err(StartError::ShutDown) = started {
                before_telling_of_shutdown().await;
            }
            started
        })
    }

    /// What is large about a start is made in functions that do not wait, so that the future has no room for it.
    async fn begin(self) -> Result<AnyHandle, StartError> {
        let inner = self.inner.clone();
        let (mut new, deadline, faults) = self.checked()?;
        if let Some(deadline) = deadline {
            new.deadline = Some(Box::pin(inner.checked(deadline, &new)).await?);
        }
        let started = inner.start(new, faults)?;
        let input = (&*started.name, &started.params);
        started.running.handle(started.id, input, &inner).await
    }

    /// The saga that is to be started, without its deadline, which is not checked yet.
    fn checked(self) -> Result<(NewRun, Option<When>, Vec<PendingRequest>), StartError> {
        let inner = self.inner;
        inner.tasks.check()?;
        if inner.is_closing() {
            return Err(StartError::ShutDown);
        }
        let run_key = inner.env.new_run_key(self.id.as_deref());
        let id = match self.id {
            Some(id) => id.parse::<SagaId>()?,
            None => SagaId::of_run(run_key),
        };
        let definition = inner.requested_definition(&self.request)?;
        let StartRequest { name, params, .. } = self.request;
        let refused = |why| StartError::Params { saga: name.into(), why };
        let params = match params {
            Ok(params) => params,
            Err(error) => return Err(refused(error.to_string())),
        };
        let max = inner.env.limits.max_payload;
        if params.payload.len() > max {
            let size = params.payload.len();
            let why = format!(
                "they have {size} bytes, more than the limit of {max}; raise `Limits::max_payload`"
            );
            return Err(refused(why));
        }
        let dag = definition.dag;
        let inject = |(node, fault)| {
            check_fault(&dag, &node)?;
            let (by, at) = ("a test".to_string(), inner.env.clock.now());
            let command = Command::Inject { node, fault };
            let request = Request { id: random_uuid(), saga: id.clone(), command, by, at };
            // nobody waits for the answer: what would be refused was refused above
            Ok(PendingRequest::new(request).0)
        };
        let faults = self.faults.into_iter().map(inject).collect::<Result<_, StartError>>()?;
        let now = inner.env.clock.now();
        let starts_at = self.starts.map(|starts| starts.time(now)).filter(|at| *at > now);
        if starts_at.is_some_and(|at| at > now.after(LONGEST_WAIT)) {
            return Err(StartError::StartTooFar { saga: dag.name().to_string() });
        }
        let new = NewRun { id, run_key, dag, params, deadline: None, starts_at };
        Ok((new, self.deadline, faults))
    }
}

/// A saga that this process runs now, perhaps because of an earlier start, and what was asked for.
struct Started {
    running: Arc<RunningSaga>,
    id: SagaId,
    name: Arc<str>,
    params: Payload,
}

impl CoordinatorInner {
    /// The definition of the requested saga, if it and all of its actions are registered.
    fn requested_definition(&self, request: &StartRequest) -> Result<Definition, StartError> {
        match &request.dag {
            Some(dag) => {
                self.definitions.check_actions(dag)?;
                check_transactions(dag, &*self.env.store)?;
                Ok(Definition::dynamic(dag.clone()))
            }
            None => {
                let saga = || request.name.to_string();
                let named = self.definitions.named(&request.name);
                if let Some(definition) = named.filter(|definition| definition.ty == request.ty) {
                    return Ok(definition.clone());
                }
                let old = request.ty.and_then(|ty| self.definitions.old_version(ty));
                if let Some(version) = old {
                    return Err(StartError::OldVersion { saga: saga(), version });
                }
                if let Some(other) = named {
                    let registered = other.dag.place().to_string();
                    return Err(StartError::OtherSaga { saga: saga(), registered });
                }
                let known = self.definitions.names();
                Err(StartError::SagaNotRegistered { saga: saga(), known })
            }
        }
    }

    /// The time of a deadline that a saga can be started with.
    async fn checked(
        self: &Arc<Self>,
        deadline: When,
        new: &NewRun,
    ) -> Result<Timestamp, StartError> {
        let now = self.env.clock.now();
        let starts_at = new.starts_at.unwrap_or(now).max(now);
        let saga = || new.dag.name().to_string();
        let (by_clock, deadline) = (matches!(deadline, When::At(_)), deadline.time(starts_at));
        // an existing saga was started in time
        if by_clock && deadline <= starts_at && self.find(&new.id, None).await?.is_none() {
            return Err(match deadline <= now {
                true => StartError::DeadlinePassed { saga: saga() },
                false => StartError::DeadlineBeforeStart { saga: saga() },
            });
        }
        if deadline > starts_at.after(LONGEST_WAIT) {
            return Err(StartError::DeadlineTooFar { saga: saga() });
        }
        Ok(deadline)
    }

    fn start(
        self: &Arc<Self>,
        new: NewRun,
        requests: Vec<PendingRequest>,
    ) -> Result<Started, StartError> {
        let (id, name) = (new.id.clone(), new.dag.name().shared());
        let params = new.params.payload.clone();
        let fingerprint = new.dag.shared_fingerprint().clone();
        let running = match self.admit(&id, (&name, &params, &fingerprint), None) {
            Admission::AlreadyRunning(running) => running,
            Admission::Admitted(..) if self.is_closing() => return Err(StartError::ShutDown),
            Admission::Admitted(running, task) => {
                let link = task.driver_link();
                let driver = Driver::create(self.env.clone(), new, &self.config, link);
                // a task of its own: the caller may drop its future at any time
                self.tasks.spawn(task.run(Ok(Box::new(driver)), requests));
                running
            }
        };
        Ok(Started { running, id, name, params })
    }
}
