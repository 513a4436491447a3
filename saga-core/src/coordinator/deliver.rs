//! Bringing a request to its saga. A saga that is at rest in the store is woken for that.

use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::{BoxFuture, Either, select};

use super::CoordinatorInner;
use super::attached::AttachedStore;
use super::operator::Deliver;
use super::reload::{LoadReason, while_listening};
use super::running::{Admission, RunningSaga};
use crate::driver::{Control, Creation, PendingRequest, before_telling_of_shutdown};
use crate::error::{OperateError, SagaError};
use crate::log::{Answer, Command, Refusal, Request, SagaId};
use crate::store::{Store, StoreError};

/// How long a request to a saga of another process waits for its answer: longer than it takes until another worker has
/// taken over the sagas of one that has died.
const OTHERS_PATIENCE: Duration = Duration::from_secs(60);

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
            let answer = match inner.is_one_of_many() {
                true => inner.tasks.at_home(inner.deliver_to_any(request)).await,
                false => inner.tasks.at_home(inner.deliver_to_own(request)).await,
            };
            if let Err(OperateError::ShutDown) = answer {
                before_telling_of_shutdown().await;
            }
            answer
        })
    }
}

impl CoordinatorInner {
    /// Leaves a request in the store, where the worker finds it that runs the saga, or any worker if none does.
    async fn deliver_to_other(&self, request: Request) -> Result<Answer, OperateError> {
        if self.is_closing() {
            return Err(OperateError::ShutDown);
        }
        if let Some(answer) = self.refused_by_its_end(&request).await? {
            return Ok(answer);
        }
        let store = AttachedStore { store: self.env.store.clone(), patience: OTHERS_PATIENCE };
        match select(store.deliver(request), pin!(self.closed())).await {
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
    async fn deliver_to_any(self: &Arc<Self>, request: Request) -> Result<Answer, OperateError> {
        let is_here = self.running().contains_key(&request.saga);
        if is_here {
            match self.deliver(request.clone()).await {
                // another process has it, which this one did not know
                Err(error) if error.is_of_another_worker() => {}
                answer => return answer,
            }
        }
        self.deliver_to_other(request).await
    }

    /// Brings a request to a saga that no other process runs.
    async fn deliver_to_own(self: &Arc<Self>, request: Request) -> Result<Answer, OperateError> {
        self.begin_lease().await?;
        self.deliver(request).await
    }

    /// Sends a request to its saga, waking the saga if it is at rest, and waits for the answer.
    pub(super) async fn deliver(
        self: &Arc<Self>,
        request: Request,
    ) -> Result<Answer, OperateError> {
        let saga = request.saga.clone();
        loop {
            if self.is_closing() {
                return Err(OperateError::ShutDown);
            }
            let (pending, answered) = PendingRequest::new(request.clone());
            let running = self.running().get(&saga).cloned();
            match running {
                Some(running) => {
                    if let Some(Creation::Failed(_)) | None = running.link.creation().await {
                        return Err(OperateError::NotFound { saga });
                    }
                    // a task that is about to end does not read this any more; the loop then wakes the saga
                    running.link.send(Control::Request(pending));
                    if let Ok(answer) = answered.await {
                        return answer.map_err(not_carried_out);
                    }
                    self.until_gone(&saga, &running).await;
                }
                None => {
                    let (running, woken) = self.wake(&saga, Some(pending)).await?;
                    match answered.await {
                        Ok(answer) => return answer.map_err(not_carried_out),
                        Err(_) if woken => {
                            self.tasks.check()?;
                            return Err(not_carried_out(running.why_unanswered(saga).await));
                        }
                        Err(_) => self.until_gone(&saga, &running).await,
                    }
                }
            }
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
