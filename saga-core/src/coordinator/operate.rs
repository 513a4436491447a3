//! Operators at work: requests for sagas that run here, that rest in the store, or that another process
//! runs.

use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::{BoxFuture, Either, select};
use tokio::sync::oneshot;

use super::reload::{LoadReason, while_listening};
use super::request_poller::POLL_INTERVAL;
use super::running::{Admission, RunningSaga};
use super::task_tracker::TaskTracker;
use super::{Coordinator, CoordinatorInner};
use crate::clock::real_pause;
use crate::driver::{Asked, Control, Creation, before_telling_of_shutdown};
use crate::error::{OperateError, SagaError};
use crate::log::{Answer, Command, Decision, Fault, NodePath, Request, SagaId, Timestamp, Uuid};
use crate::store::{Store, StoreError};

/// Steers sagas from outside: cancels, pauses, and mends those that are stuck. Every request and what
/// became of it is in the saga's log, with the operator's name.
///
/// One that comes from [`Coordinator::operator`] acts at once. One that is [attached](Self::attach) to a
/// store leaves its requests there for the process that runs the sagas, and waits for the answer.
///
/// All of its methods fail with [`OperateError`]; one that the saga refuses says why.
///
/// ```
/// use saga_core::prelude::*;
/// # use std::time::Duration;
///
/// #[saga_action(no_undo)]
/// async fn ship(cx: &ActionContext<()>) -> Result<String, String> {
///     tokio::select! {
///         () = cx.cancelled() => Err("called off".into()),
///         () = tokio::time::sleep(Duration::from_secs(3600)) => Ok("shipped".into()),
///     }
/// }
/// saga! { Order<()>() -> String { ship {} } }
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let sec = Coordinator::builder(()).saga::<Order>().build().await?;
/// let order = sec.saga(Order {}).id("order-42").start().await?;
/// sec.operator("alice").cancel("order-42", "the customer changed their mind").await?;
/// assert!(matches!(order.await, Err(SagaError::RolledBack(_))));
/// # Ok(()) }
/// ```
#[derive(Clone)]
pub struct Operator {
    by: String,
    target: Arc<dyn OperatorTarget>,
}

/// Where requests go.
trait OperatorTarget: Send + Sync {
    fn operate(&self, request: Request) -> BoxFuture<'_, Result<Answer, OperateError>>;
}

impl Operator {
    /// An operator of sagas that another process runs on this store: a command line tool, say.
    /// `store` may be one that is attached for reading and requests only. Waits up to `patience` for an
    /// answer; a request that is not answered by then stays, and is carried out once a process runs the
    /// saga.
    pub fn attach(store: impl Store, by: impl Into<String>, patience: Duration) -> Self {
        Self { by: by.into(), target: Arc::new(Remote { store: Arc::new(store), patience }) }
    }

    /// Unwinds a saga that has not ended, also one that is paused (its undos then wait for the end of the
    /// pause) or parked (it then goes on). Held while the pivot is in flight.
    ///
    /// # Errors
    /// Refused if it has ended, is past its pivot, or is parked because nobody knows whether it is.
    pub async fn cancel(
        &self,
        id: &str,
        reason: impl Into<String>,
    ) -> Result<Answer, OperateError> {
        self.ask(id, Command::Cancel { reason: reason.into() }).await
    }

    /// Starts no new node and no new undo of a saga; what runs goes on, and so does its deadline: one that
    /// passes unwinds the saga, whose undos then wait for the end of the pause.
    ///
    /// # Errors
    /// Refused if it has ended.
    pub async fn pause(&self, id: &str) -> Result<Answer, OperateError> {
        self.ask(id, Command::Pause).await
    }

    /// Ends a pause.
    ///
    /// # Errors
    /// Refused if it is not paused.
    pub async fn resume(&self, id: &str) -> Result<Answer, OperateError> {
        self.ask(id, Command::Resume).await
    }

    /// Starts one node or undo of a paused saga.
    ///
    /// # Errors
    /// Refused if it is not paused, or nothing is ready to start.
    pub async fn step(&self, id: &str) -> Result<Answer, OperateError> {
        self.ask(id, Command::Step).await
    }

    /// Tries the failed undo of a stuck saga's node again; where nobody knows whether the action took
    /// effect, the action first.
    ///
    /// # Errors
    /// Refused if that undo has not failed, or something of the saga is in flight.
    pub async fn retry_undo(
        &self,
        id: &str,
        node: impl Into<NodePath>,
    ) -> Result<Answer, OperateError> {
        self.ask(id, Command::RetryUndo { node: node.into() }).await
    }

    /// Tries all failed undos of a stuck saga again.
    ///
    /// # Errors
    /// As [`retry_undo`](Self::retry_undo).
    pub async fn retry_all(&self, id: &str) -> Result<Answer, OperateError> {
        self.ask(id, Command::RetryAll).await
    }

    /// Says that a human took care of the effect that a failed undo left, also at the receiver.
    ///
    /// # Errors
    /// As [`retry_undo`](Self::retry_undo).
    pub async fn resolve(
        &self,
        id: &str,
        node: impl Into<NodePath>,
        note: impl Into<String>,
    ) -> Result<Answer, OperateError> {
        self.ask(id, Command::Resolve { node: node.into(), note: note.into() }).await
    }

    /// Unwinds a saga that has completed. One that is rolled back already stays as it is.
    ///
    /// # Errors
    /// Refused if it has not ended, is stuck, or is past its pivot.
    pub async fn rollback(
        &self,
        id: &str,
        reason: impl Into<String>,
    ) -> Result<Answer, OperateError> {
        self.ask(id, Command::Rollback { reason: reason.into() }).await
    }

    /// Tries the node again that failed behind the pivot and made the saga stuck.
    ///
    /// # Errors
    /// Refused if that is not so.
    pub async fn retry(&self, id: &str, node: impl Into<NodePath>) -> Result<Answer, OperateError> {
        self.ask(id, Command::Retry { node: node.into() }).await
    }

    /// Says how a pivot in doubt ended, whose saga is parked for that, and goes on with the saga.
    ///
    /// Or says what the output of a node is that this program cannot read, in the form that it can. The saga
    /// stays parked, for there may be more of them: [`unpark`](Self::unpark) goes on when all can be read.
    ///
    /// # Errors
    /// Refused if the node is neither, or the output is none of this node.
    pub async fn decide(
        &self,
        id: &str,
        node: impl Into<NodePath>,
        decision: Decision,
        note: impl Into<String>,
    ) -> Result<Answer, OperateError> {
        let (node, note) = (node.into(), note.into());
        self.ask(id, Command::Decide { node, decision, note }).await
    }

    /// Goes on with a parked saga.
    ///
    /// # Errors
    /// Refused if it is not parked, or if a stored value is of a type that this program does not read.
    pub async fn unpark(&self, id: &str) -> Result<Answer, OperateError> {
        self.ask(id, Command::Unpark).await
    }

    /// Puts a fault into a node, for a test. It stays with the saga, also through a crash.
    ///
    /// # Errors
    /// Refused if the saga has ended or has no such node.
    pub async fn inject(
        &self,
        id: &str,
        node: impl Into<NodePath>,
        fault: Fault,
    ) -> Result<Answer, OperateError> {
        self.ask(id, Command::Inject { node: node.into(), fault }).await
    }

    async fn ask(&self, id: &str, command: Command) -> Result<Answer, OperateError> {
        let saga: SagaId = id.parse()?;
        let at = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
        let at = Timestamp(0).after(at.unwrap_or_default());
        let by = self.by.clone();
        let request = Request { id: Uuid::now_v7(), saga: saga.clone(), command, by, at };
        match self.target.operate(request).await? {
            Answer::Refused(refusal) => Err(OperateError::Refused { saga, refusal }),
            answer => Ok(answer),
        }
    }
}

impl std::fmt::Debug for Operator {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Operator").field("by", &self.by).finish_non_exhaustive()
    }
}

/// Sagas of another process.
struct Remote {
    store: Arc<dyn Store>,
    patience: Duration,
}

impl Remote {
    /// A wait by the clock of who answers.
    async fn pause(&self, time: Duration) {
        match self.store.requested() {
            Some(_) => tokio::time::sleep(time).await,
            None => real_pause(time).await,
        }
    }
}

impl OperatorTarget for Remote {
    fn operate(&self, request: Request) -> BoxFuture<'_, Result<Answer, OperateError>> {
        Box::pin(async move {
            // waiting takes one
            TaskTracker::here()?;
            let (id, saga) = (request.id, request.saga.clone());
            match self.store.request(request).await {
                Err(StoreError::NotFound { saga }) => return Err(OperateError::NotFound { saga }),
                other => other?,
            }
            let answer = async {
                loop {
                    if let Some(answer) = self.store.answer_to(id).await? {
                        return Ok(answer);
                    }
                    self.pause(POLL_INTERVAL / 4).await;
                }
            };
            match select(pin!(answer), pin!(self.pause(self.patience))).await {
                Either::Left((answer, _)) => answer,
                Either::Right(_) => Err(OperateError::Unanswered { saga, after: self.patience }),
            }
        })
    }
}

/// Sagas of this process.
struct Local<C>(Arc<CoordinatorInner<C>>);

impl<C: Send + Sync + 'static> OperatorTarget for Local<C> {
    fn operate(&self, request: Request) -> BoxFuture<'_, Result<Answer, OperateError>> {
        let inner = self.0.clone();
        Box::pin(async move {
            let answer = inner.tasks.at_home(inner.operate(request)).await;
            if let Err(OperateError::ShutDown) = answer {
                before_telling_of_shutdown().await;
            }
            answer
        })
    }
}

impl<C: Send + Sync + 'static> Coordinator<C> {
    /// Steers the sagas of this coordinator, and those that rest in its store; `by` is the name that goes
    /// into the log.
    pub fn operator(&self, by: impl Into<String>) -> Operator {
        Operator { by: by.into(), target: Arc::new(Local(self.inner.clone())) }
    }
}

impl<C: Send + Sync + 'static> CoordinatorInner<C> {
    /// Brings a request to its saga, waking it if it rests, and waits for the answer.
    pub(super) async fn operate(
        self: &Arc<Self>,
        request: Request,
    ) -> Result<Answer, OperateError> {
        loop {
            if self.is_closing() {
                return Err(OperateError::ShutDown);
            }
            let (answer, answered) = oneshot::channel();
            let Request { id, by, command, .. } = request.clone();
            let asked = Asked { id, by, command, answer };
            let running = self.running().get(&request.saga).cloned();
            match running {
                Some(mut running) => {
                    if let Some(Creation::Failed(_)) | None = running.created().await {
                        return Err(OperateError::NotFound { saga: request.saga });
                    }
                    // one that is about to go hears nothing any more, and is woken below
                    let _ = running.control.send(Control::Operate(asked));
                    if let Some(answer) = running.answer(answered).await {
                        return answer.map_err(not_carried_out);
                    }
                    self.until_gone(&request.saga, &running).await;
                }
                None => {
                    let (running, woken) = self.wake(&request.saga, Some(asked)).await?;
                    match running.answer(answered).await {
                        Some(answer) => return answer.map_err(not_carried_out),
                        None if woken => {
                            self.tasks.check()?;
                            return Err(not_carried_out(running.why_not(request.saga).await));
                        }
                        None => self.until_gone(&request.saga, &running).await,
                    }
                }
            }
        }
    }

    /// Runs a saga that rests in the store, to do what was asked and what follows from it. False if it
    /// was running by then, and has been asked.
    pub(super) async fn wake(
        self: &Arc<Self>,
        id: &SagaId,
        asked: Option<Asked>,
    ) -> Result<(RunningSaga, bool), OperateError> {
        let stored = self.env.store.load(id).await?;
        let record = stored.ok_or_else(|| OperateError::NotFound { saga: id.clone() })?.record;
        let definition = self.definition_of(&record).ok_or_else(|| {
            let (saga, name) = (id.clone(), record.name.clone());
            OperateError::UnknownVersion { saga, name }
        })?;
        let input = (record.name.as_str(), &record.params);
        let entered = self.enter(id, input, Some(record.status));
        let (running, task, mut control) = match entered {
            Admission::AlreadyRunning(running) => {
                // woken by another request: it takes this one as well
                if let Some(asked) = asked {
                    let _ = running.control.send(Control::Operate(asked));
                }
                return Ok((running, false));
            }
            Admission::Admitted(running, task, control) => (running, task, control),
        };
        // a shutdown that has begun meanwhile does not know of it
        if self.is_closing() {
            return Err(OperateError::ShutDown);
        }
        let (inner, id) = (self.clone(), id.clone());
        self.tasks.spawn(async move {
            let mut asked = asked.into_iter().collect::<Vec<_>>();
            let shut_down = || SagaError::ShutDown { saga: id.clone() };
            let failed = |source| SagaError::Store { saga: id.clone(), source };
            let load = async {
                let taken = inner.env.store.take(&inner.env.worker, &id).await;
                inner.env.store_health.note(&taken);
                let taken = taken.map_err(failed)?;
                if inner.is_closing() {
                    // it is released with all others
                    return Err(shut_down());
                }
                let missing = || failed(StoreError::NotFound { saga: id.clone() });
                let record = taken.ok_or_else(missing)?;
                inner.load(record, definition, task.track.clone(), LoadReason::Again).await
            };
            let loaded = while_listening(&mut control, |new| asked.push(new), load).await;
            task.run_until_released(loaded, asked, control).await;
        });
        Ok((running, true))
    }
}

/// Why a saga did not do what it was asked.
fn not_carried_out(source: SagaError) -> OperateError {
    match source {
        SagaError::ShutDown { .. } => OperateError::ShutDown,
        source => OperateError::NotCarriedOut { source: Box::new(source) },
    }
}
