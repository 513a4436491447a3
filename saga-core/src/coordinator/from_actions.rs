//! Sagas that the actions of other sagas start, and that their undos call off.

use std::fmt;
use std::future::pending;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::BoxFuture;

use super::CoordinatorInner;
use super::reload::Backoff;
use super::start::{AnyStart, StartRequest};
use crate::context::{ActionContext, ContextInner, Transactions};
use crate::driver::before_telling_of_shutdown;
use crate::error::{BoxError, OperateError, SagaError, StartError, UndoError};
use crate::log::{Command, Refusal, SagaId, SagaStatus, Uuid};
use crate::typed::Saga;

/// A saga that an action is about to start: see [`ActionContext::start`].
#[must_use = "a saga starts when this is awaited"]
pub struct ActionStart {
    coordinator: Option<Arc<CoordinatorInner>>,
    request: StartRequest,
    id: Result<SagaId, StartError>,
    deadline: Option<Duration>,
    in_transaction: bool,
}

/// What has become of a saga that another one has called off: see [`ActionContext::rollback`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum CalledOff {
    /// There is no such saga: it was not started, or was removed since.
    NotFound,
    /// It is rolled back, now or since long ago.
    RolledBack,
    /// It had completed before it could be cancelled, and stays so.
    Completed,
}

impl<C: Send + Sync + 'static> ActionContext<C> {
    /// Starts another saga. It is detached: this returns its id once it is in the store, and does not wait for its end.
    ///
    /// A repeated attempt finds the saga that an earlier one has started, also after a crash, because its id is derived from the
    /// [key](Self::action_key) of the action and from how many sagas the attempt has started before. So start the same sagas in
    /// the same order each time, or give each an [id](ActionStart::id) of your own.
    ///
    /// The undo decides what becomes of it: [`rollback`](Self::rollback), for example. Let it take the output, which is the
    /// id: if it is not known whether the saga was started, the action is then repeated first, and finds or starts it. An undo is
    /// not called after a plain error, so starting should be all that the action does.
    ///
    /// ```
    /// use saga_core::prelude::*;
    ///
    /// #[saga_action(no_undo)]
    /// async fn pack(order: u64) -> Result<String, String> { Ok(format!("parcel {order}")) }
    /// saga! { Ship<()>(order: u64) -> String { pack { order: *order } } }
    ///
    /// #[saga_action(undo = call_off(output))]
    /// async fn ship(cx: &ActionContext<()>, order: u64) -> Result<SagaId, StartError> {
    ///     cx.start(Ship { order }).await
    /// }
    /// async fn call_off(cx: &ActionContext<()>, shipment: &SagaId) -> Result<(), UndoError> {
    ///     cx.rollback(shipment).await.map(drop)
    /// }
    /// saga! { Order<()>(order: u64) -> SagaId { ship { order: *order } } }
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let sec = Coordinator::builder(()).saga::<Order>().saga::<Ship>().build().await?;
    /// let shipment = sec.run(Order { order: 7 }).await?;
    /// let shipment = sec.get::<Ship>(shipment.as_str()).await?.ok_or("it was started")?;
    /// assert_eq!(shipment.await?, "parcel 7");
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    /// As [`SagaStart::start`](super::SagaStart::start); [`StartError::NoCoordinator`] where there is none. As long as the store fails and may
    /// recover, this tries again, like the saga of the action itself. It does not return once a shutdown has begun: the call is
    /// then repeated by the next process, as all calls that a shutdown interrupts.
    pub fn start<S: Saga<Context = C>>(&self, saga: S) -> ActionStart {
        let number = self.inner.call.starts.next();
        ActionStart {
            coordinator: self.inner.coordinator(),
            request: StartRequest::typed(saga),
            id: Ok(self.started_id(number)),
            deadline: None,
            in_transaction: self.inner.call.transactions == Transactions::Within,
        }
    }

    /// The id of a saga that this node's action starts, or would start: of the first one for 0, and so on. For undos without the
    /// output of the action.
    pub fn started_id(&self, number: u32) -> SagaId {
        let name = format!("start\n{number}");
        SagaId::of_uuid(Uuid::new_v5(&self.action_key(), name.as_bytes()))
    }

    /// Sees to it that no effect of another saga remains, and waits until that is so: the saga is cancelled if it has not ended,
    /// and rolled back if it has completed. Says what has become of it. If that has happened before, nothing more happens.
    ///
    /// It is mostly called in the undo of the action that has [started](Self::start) that saga. While it waits, it counts as a
    /// call in flight. Give the undo enough time: with `undo_timeout`, or with `undo_retry(forever)`, since a further attempt
    /// waits for the same rollback. The undos of a paused saga wait until it is resumed.
    ///
    /// ```
    /// use saga_core::coordinator::CalledOff;
    /// use saga_core::prelude::*;
    /// # use std::sync::Mutex;
    ///
    /// #[saga_action(undo = unpack())]
    /// async fn pack(cx: &ActionContext<Mutex<u32>>) -> Result<(), String> { *cx.lock().unwrap() += 1; Ok(()) }
    /// async fn unpack(cx: &ActionContext<Mutex<u32>>) -> Result<(), String> { *cx.lock().unwrap() -= 1; Ok(()) }
    /// saga! { Ship<Mutex<u32>>() { pack {}; } }
    ///
    /// #[saga_action(undo = call_off(output))]
    /// async fn ship(cx: &ActionContext<Mutex<u32>>) -> Result<SagaId, StartError> {
    ///     cx.start(Ship {}).await
    /// }
    /// async fn call_off(cx: &ActionContext<Mutex<u32>>, shipment: &SagaId) -> Result<(), UndoError> {
    ///     assert_eq!(cx.rollback(shipment).await?, CalledOff::RolledBack);
    ///     Ok(())
    /// }
    /// saga! {
    ///     Order<Mutex<u32>>() {
    ///         let _shipment = ship {};
    ///         let _check = fail_if { condition: true, message: "it cannot be paid" };
    ///     }
    /// }
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let sec = Coordinator::builder(Mutex::new(0)).saga::<Order>().saga::<Ship>().build().await?;
    /// assert!(matches!(sec.run(Order {}).await, Err(SagaError::RolledBack(_))));
    /// assert_eq!(*sec.context().lock().unwrap(), 0);
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    /// A permanent one, which needs an operator: the saga is past its pivot, or is stuck. Retryable ones: it is parked, this
    /// program does not know it, or it waits for this very call. As to the store and a shutdown: as [`start`](Self::start).
    pub fn rollback(
        &self,
        id: impl AsRef<str>,
    ) -> BoxFuture<'static, Result<CalledOff, UndoError>> {
        call_off(&self.inner, id.as_ref(), true)
    }

    /// Cancels another saga if it has not ended, and waits until it is rolled back. One that has completed stays so. Otherwise
    /// like [`rollback`](Self::rollback).
    ///
    /// # Errors
    /// As [`rollback`](Self::rollback).
    pub fn cancel(&self, id: impl AsRef<str>) -> BoxFuture<'static, Result<CalledOff, UndoError>> {
        call_off(&self.inner, id.as_ref(), false)
    }
}

impl ContextInner {
    /// The coordinator of the call.
    fn coordinator(&self) -> Option<Arc<CoordinatorInner>> {
        let coordinator = self.run.home.upgrade()?.coordinator()?;
        let coordinator = coordinator.downcast::<CoordinatorInner>().ok()?;
        // an executor runs one saga
        coordinator.env.snapshot.is_none().then_some(coordinator)
    }
}

impl ActionStart {
    /// An id of your own, instead of the one that is derived from the action's key. The same saga with the same parameters and
    /// this id is found, whoever has started it.
    pub fn id(mut self, id: impl AsRef<str>) -> Self {
        self.id = id.as_ref().parse().map_err(StartError::InvalidId);
        self
    }

    /// Rolls the saga back if it has not ended this long after its start: see
    /// [`SagaStart::deadline`](super::SagaStart::deadline).
    pub fn deadline(mut self, after: Duration) -> Self {
        self.deadline = Some(after);
        self
    }

    async fn start(self) -> Result<SagaId, StartError> {
        if self.in_transaction {
            return Err(StartError::InTransaction { saga: self.request.name().to_string() });
        }
        let no_coordinator = || StartError::NoCoordinator { saga: self.request.name().to_string() };
        let coordinator = self.coordinator.ok_or_else(no_coordinator)?;
        let id = self.id?;
        let mut backoff = Backoff::new();
        loop {
            let start = AnyStart::new(coordinator.clone(), self.request.clone()).with_id(&id);
            match start.with_deadline(self.deadline).start().await {
                Ok(_) => return Ok(id),
                Err(StartError::ShutDown) => interrupted().await,
                // nobody knows whether it is there: an error would be taken for a failure without effect
                Err(StartError::Store(error)) if error.may_pass() => {
                    tokio::time::sleep(backoff.next()).await;
                }
                Err(error) => return Err(error),
            }
        }
    }
}

impl IntoFuture for ActionStart {
    type Output = Result<SagaId, StartError>;
    type IntoFuture = BoxFuture<'static, Self::Output>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(self.start())
    }
}

impl fmt::Debug for ActionStart {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (saga, id) = (self.request.name(), &self.id);
        f.debug_struct("ActionStart").field("saga", &saga).field("id", id).finish_non_exhaustive()
    }
}

/// A shutdown has begun. The call ends here without an outcome.
async fn interrupted() {
    before_telling_of_shutdown().await;
    // in a task of the user's own, which ends with the runtime
    pending().await
}

/// Why a saga is not called off yet.
enum NotYet {
    /// Something else happened to it meanwhile, or the store fails: ask again.
    Again,
    ShutDown,
    /// The call fails.
    Fails(Box<UndoError>),
}

impl NotYet {
    fn permanent(why: String) -> Self {
        Self::Fails(Box::new(UndoError::permanent(why)))
    }

    fn retryable(error: impl Into<BoxError>) -> Self {
        Self::Fails(Box::new(UndoError::from_error(error)))
    }
}

fn call_off(
    call: &ContextInner,
    id: &str,
    completed_too: bool,
) -> BoxFuture<'static, Result<CalledOff, UndoError>> {
    let coordinator = call.coordinator();
    let (by, id) = (call.run.id.clone(), id.parse::<SagaId>());
    let in_transaction = call.call.transactions == Transactions::Within;
    Box::pin(async move {
        let id = id.map_err(|error| UndoError::permanent(error.to_string()))?;
        if in_transaction {
            let why = "it would have to write to the log, which waits for this transaction";
            let why = format!("saga {id} cannot be called off within a transaction: {why}");
            return Err(UndoError::permanent(why));
        }
        let no_coordinator = || {
            let why = "there is no coordinator, only an executor or a unit test that runs this saga by hand";
            UndoError::permanent(format!("saga {id} cannot be called off here: {why}"))
        };
        let coordinator = coordinator.ok_or_else(no_coordinator)?;
        let mut backoff = Backoff::new();
        loop {
            match coordinator.call_off(&by, &id, completed_too).await {
                Ok(called_off) => return Ok(called_off),
                Err(NotYet::Again) => tokio::time::sleep(backoff.next()).await,
                Err(NotYet::ShutDown) => interrupted().await,
                Err(NotYet::Fails(error)) => return Err(*error),
            }
        }
    })
}

impl CoordinatorInner {
    async fn call_off(
        self: &Arc<Self>,
        by: &SagaId,
        id: &SagaId,
        completed_too: bool,
    ) -> Result<CalledOff, NotYet> {
        let found = self.tasks.at_home(self.find(id, None)).await.map_err(not_found)?;
        let Some(saga) = found else { return Ok(CalledOff::NotFound) };
        let reason = format!("saga {by} has called it off");
        let command = match saga.status() {
            SagaStatus::RolledBack => return Ok(CalledOff::RolledBack),
            SagaStatus::Completed if !completed_too => return Ok(CalledOff::Completed),
            SagaStatus::Completed => Command::Rollback { reason },
            SagaStatus::Stuck => return Err(stuck(id)),
            SagaStatus::Running | SagaStatus::Failed | SagaStatus::RollingBack => {
                Command::Cancel { reason }
            }
        };
        let operator = self.operator(format!("saga {by}"));
        operator.ask(id.as_str(), command).await.map_err(not_granted)?;
        // it may be another run of it by now
        let found = self.tasks.at_home(self.find(id, None)).await.map_err(not_found)?;
        let saga = found.ok_or(NotYet::Again)?;
        let ended = saga.ended().await.map_err(NotYet::retryable)?;
        match &*ended {
            // it has completed meanwhile
            Ok(_) => Err(NotYet::Again),
            Err(SagaError::RolledBack(_)) => Ok(CalledOff::RolledBack),
            Err(SagaError::Stuck(_)) => Err(stuck(id)),
            Err(SagaError::ShutDown { .. }) => Err(NotYet::ShutDown),
            Err(SagaError::LostOwnership { .. }) => Err(NotYet::Again),
            Err(SagaError::Store { source, .. }) if source.may_pass() => Err(NotYet::Again),
            Err(error) => Err(NotYet::retryable(error.clone())),
        }
    }
}

fn stuck(id: &SagaId) -> NotYet {
    let why = "what remains of it needs an operator; afterwards, retry this undo";
    NotYet::permanent(format!("saga {id} is stuck: {why}"))
}

fn not_found(error: StartError) -> NotYet {
    if let StartError::ShutDown = error {
        return NotYet::ShutDown;
    }
    let may_pass = matches!(&error, StartError::Store(source) if source.may_pass());
    if may_pass { NotYet::Again } else { NotYet::retryable(error) }
}

fn not_granted(error: OperateError) -> NotYet {
    if let OperateError::ShutDown = error {
        return NotYet::ShutDown;
    }
    if let OperateError::Refused { saga, refusal: refusal @ Refusal::PastPivot { .. } } = &error {
        return NotYet::permanent(format!("saga {saga}: {refusal}"));
    }
    // it has changed since it was looked at
    let has_changed = matches!(
        error,
        OperateError::Refused {
            refusal: Refusal::AlreadyEnded { .. } | Refusal::NotEnded { .. },
            ..
        } | OperateError::Unanswered { .. }
            | OperateError::NotFound { .. }
    );
    match has_changed || error.may_pass() || error.is_of_another_worker() {
        true => NotYet::Again,
        false => NotYet::retryable(error),
    }
}
