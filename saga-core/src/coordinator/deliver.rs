//! Bringing a request to its saga. A saga that is at rest in the store is woken for that.

use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::{BoxFuture, Either, select};

use super::CoordinatorInner;
use super::attached::{answer_left_for, leave};
use super::operator::Deliver;
use super::reload::{LoadReason, while_listening};
use super::request_turns::{InStore, Place};
use super::running::{Admission, RunningSaga};
use crate::driver::{
    Control, Creation, Heard, HeldAnswer, PendingRequest, before_telling_of_shutdown,
};
use crate::error::{OperateError, SagaError};
use crate::log::{Answer, Command, Refusal, Request, SagaId};
use crate::store::{Store, StoreError};

/// How long a request to a saga of another process waits for its answer: longer than it takes until another worker has
/// taken over the sagas of one that has died.
const OTHERS_PATIENCE: Duration = Duration::from_secs(60);

/// What has become of a request that has had its turn: what is asked later cannot come before it any more.
pub(super) enum Brought {
    Answered(Answer),
    /// It is in the log, and its answer may take long. If it was brought by waking the saga, this is the saga.
    Held(HeldAnswer, Option<Arc<RunningSaga>>),
}

/// The sagas of a coordinator in this process.
pub(super) struct OwnSagas(pub(super) Arc<CoordinatorInner>);

impl Deliver for OwnSagas {
    fn store(&self) -> &Arc<dyn Store> {
        &self.0.env.store
    }

    fn home(&self) -> Option<&Arc<CoordinatorInner>> {
        Some(&self.0)
    }

    fn deliver(&self, request: Request) -> BoxFuture<'_, Result<Answer, OperateError>> {
        let inner = self.0.clone();
        Box::pin(async move {
            let answer = inner.tasks.at_home(inner.deliver_in_turn(request)).await;
            if let Err(OperateError::ShutDown) = answer {
                before_telling_of_shutdown().await;
            }
            answer
        })
    }
}

impl CoordinatorInner {
    /// Brings a request to its saga once those have been brought there that were made before it, and waits for the answer.
    async fn deliver_in_turn(self: &Arc<Self>, request: Request) -> Result<Answer, OperateError> {
        let place = self.request_turns.place(&request.saga);
        let turn = place.turn().await;
        let brought = match self.is_one_of_many() {
            true => match self.bring_to_any(&request, &place).await? {
                Either::Left(brought) => brought,
                Either::Right(_in_store) => {
                    drop(turn);
                    return self.until_answered(&request).await;
                }
            },
            false => self.bring_to_own(&request).await?,
        };
        drop(turn);
        self.answer_to_brought(request, brought).await
    }

    /// Leaves a request in the store, where the worker finds it that runs the saga, or any worker if none does.
    async fn leave_for_other<'a>(
        &self,
        request: &Request,
        place: &'a Place<'_>,
    ) -> Result<Either<Brought, InStore<'a>>, OperateError> {
        if self.is_closing() {
            return Err(OperateError::ShutDown);
        }
        // an earlier one that is on its way may change what the saga would answer
        if !place.follows_others()
            && let Some(answer) = self.refused_by_its_end(request).await?
        {
            return Ok(Either::Left(Brought::Answered(answer)));
        }
        let in_store = place.in_store();
        let left = leave(&*self.env.store, request.clone());
        match select(pin!(left), pin!(self.closed())).await {
            Either::Left((left, _)) => left.map(|()| Either::Right(in_store)),
            Either::Right(_) => Err(OperateError::ShutDown),
        }
    }

    /// Waits for the answer to a request that is in the store.
    async fn until_answered(&self, request: &Request) -> Result<Answer, OperateError> {
        let answer = answer_left_for(&*self.env.store, request, OTHERS_PATIENCE);
        match select(pin!(answer), pin!(self.closed())).await {
            Either::Left((answer, _)) => answer,
            Either::Right(_) => Err(OperateError::ShutDown),
        }
    }

    /// What every worker would answer because the saga has ended. There may be none that knows the saga.
    async fn refused_by_its_end(&self, request: &Request) -> Result<Option<Answer>, StoreError> {
        let needs_a_live_saga = match request.command {
            Command::Cancel { .. } | Command::Pause | Command::Inject { .. } => true,
            Command::Resume
            | Command::Step
            | Command::RetryUndo { .. }
            | Command::RetryAll
            | Command::Resolve { .. }
            | Command::Rollback { .. }
            | Command::Retry { .. }
            | Command::Decide { .. }
            | Command::Unpark => false,
            // it may be one that the saga had before it ended
            Command::Signal { .. } => false,
        };
        if !needs_a_live_saga {
            return Ok(None);
        }
        let positions = self.env.store.positions(vec![request.saga.clone()]).await?;
        let status = positions.into_iter().flatten().next().map(|position| position.status);
        let ended = status.filter(|status| status.is_ended());
        Ok(ended.map(|status| Answer::Refused(Refusal::AlreadyEnded { status })))
    }

    /// Brings a request to a saga of a shared store. Which process runs it, only the store knows.
    async fn bring_to_any<'a>(
        self: &Arc<Self>,
        request: &Request,
        place: &'a Place<'_>,
    ) -> Result<Either<Brought, InStore<'a>>, OperateError> {
        let is_here = self.running().contains_key(&request.saga);
        if is_here && !place.follows_others() {
            match self.bring(request).await {
                // another process has it, which this one did not know
                Err(error) if error.is_of_another_worker() => {}
                brought => return brought.map(Either::Left),
            }
        }
        self.leave_for_other(request, place).await
    }

    /// Brings a request to a saga that no other process runs.
    async fn bring_to_own(self: &Arc<Self>, request: &Request) -> Result<Brought, OperateError> {
        self.begin_lease().await?;
        self.bring(request).await
    }

    /// Sends a request to its saga, waking the saga if it is at rest, and waits until it is answered or held.
    pub(super) async fn bring(
        self: &Arc<Self>,
        request: &Request,
    ) -> Result<Brought, OperateError> {
        let saga = &request.saga;
        loop {
            if self.is_closing() {
                return Err(OperateError::ShutDown);
            }
            let (pending, answer) = PendingRequest::new(request.clone());
            let running = self.running().get(saga).cloned();
            let (running, woken) = match running {
                Some(running) => {
                    if let Some(Creation::Failed(_)) | None = running.link.creation().await {
                        // it may be in the store all the same, if only the store's answer was lost
                        self.until_gone(saga, &running).await;
                        continue;
                    }
                    // a task that is about to end does not read this any more; the loop then wakes the saga
                    running.link.send(Control::Request(pending));
                    (running, false)
                }
                None => self.wake(saga, Some(pending)).await?,
            };
            match answer.heard().await {
                Some(Heard::Answered(answer)) => {
                    return answer.map(Brought::Answered).map_err(not_carried_out);
                }
                Some(Heard::Held(answer)) => {
                    return Ok(Brought::Held(answer, woken.then_some(running)));
                }
                None if woken => return Err(self.not_answered(saga, &running).await),
                None => self.until_gone(saga, &running).await,
            }
        }
    }

    /// Waits for the answer to a request that was brought to its saga.
    pub(super) async fn answer_to_brought(
        self: &Arc<Self>,
        request: Request,
        mut brought: Brought,
    ) -> Result<Answer, OperateError> {
        loop {
            let (answer, woken) = match brought {
                Brought::Answered(answer) => return Ok(answer),
                Brought::Held(answer, woken) => (answer.answer().await, woken),
            };
            match (answer, woken) {
                (Some(answer), _) => return answer.map_err(not_carried_out),
                (None, Some(running)) => {
                    return Err(self.not_answered(&request.saga, &running).await);
                }
                // its task ended; it is in the log, so that its place there stays the same
                (None, None) => brought = self.bring(&request).await?,
            }
        }
    }

    /// Why a saga that was woken ended its task without an answer.
    async fn not_answered(&self, saga: &SagaId, running: &RunningSaga) -> OperateError {
        match self.tasks.check() {
            Err(error) => error.into(),
            Ok(()) => not_carried_out(running.why_unanswered(saga.clone()).await),
        }
    }

    /// Runs a saga that is at rest in the store, to carry out a request and whatever follows from it. False
    /// if the saga was running by then, and was sent the request.
    pub(super) async fn wake(
        self: &Arc<Self>,
        id: &SagaId,
        request: Option<PendingRequest>,
    ) -> Result<(Arc<RunningSaga>, bool), OperateError> {
        let found = self.stored(id).await?;
        found.definition()?;
        let record = &found.saga.record;
        let waited = record.suspended;
        let input = (&record.name, &record.params, &record.fingerprint);
        let (running, task) = match self.admit(id, input, Some(record.status)) {
            Admission::AlreadyRunning(running) => {
                // another request has woken it
                if let Some(request) = request {
                    running.link.send(Control::Request(request));
                }
                return Ok((running, false));
            }
            Admission::Admitted(running, task) => (running, task),
        };
        // a shutdown that began meanwhile does not know of this saga
        if self.is_closing() {
            return Err(OperateError::ShutDown);
        }
        let (inner, id) = (self.clone(), id.clone());
        self.tasks.spawn(async move {
            let mut requests = request.into_iter().collect::<Vec<_>>();
            let load = async {
                let _place = inner.places_to_load(1).await;
                let taken = inner.take(&id).await?;
                if waited {
                    inner.waker.note_taken();
                }
                if inner.is_closing() {
                    // the shutdown releases it with all others
                    return Err(SagaError::ShutDown { saga: id.clone() });
                }
                let record = taken.ok_or_else(|| {
                    let source = StoreError::NotFound { saga: id.clone() };
                    SagaError::Store { saga: id.clone(), source }
                })?;
                inner.resume(record, task.driver_link(), LoadReason::Again).await
            };
            let loaded = while_listening(&task.saga().link, |new| requests.push(new), load).await;
            let requests = inner.unanswered(&id, requests).await;
            task.run(loaded, requests).await;
        });
        Ok((running, true))
    }

    /// Those of these requests to a saga that this process has taken which no other worker has answered. One that was listed
    /// before the saga was taken may have been; from then on no other worker can.
    async fn unanswered(
        &self,
        saga: &SagaId,
        requests: Vec<PendingRequest>,
    ) -> Vec<PendingRequest> {
        if !self.is_one_of_many() {
            return requests;
        }
        let mut unanswered = Vec::new();
        for request in requests {
            match self.env.store.answer_to(request.id()).await {
                Ok(None) => unanswered.push(request),
                Ok(Some(answer)) => request.answer(Ok(answer)),
                Err(source) => request.answer(Err(SagaError::Store { saga: saga.clone(), source })),
            }
        }
        unanswered
    }
}

/// Why a saga did not carry out a request.
pub(super) fn not_carried_out(source: SagaError) -> OperateError {
    if let SagaError::ShutDown { .. } = source {
        return OperateError::ShutDown;
    }
    OperateError::NotCarriedOut { source: Box::new(source) }
}
