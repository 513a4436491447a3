//! The sagas that this process runs. Each has two ends: a [`RunningSaga`] in the list, through which others
//! reach it, and a [`SagaTask`], which the task that runs it holds.

use std::panic::AssertUnwindSafe;
use std::pin::pin;
use std::sync::{Arc, Mutex, PoisonError};

use futures_util::FutureExt;
use futures_util::future::{Either, select};
use tokio::sync::{mpsc, oneshot, watch};
use tracing::Instrument;

use super::reload::{Backoff, while_listening};
use super::{CoordinatorInner, SagaHandle};
use crate::driver::{
    Control, Creation, Driver, PendingRequest, ProgressChannel, RequestResult, RunEnd, SagaProgress,
};
use crate::error::{SagaError, StartError};
use crate::json;
use crate::log::{NodePath, Payload, SagaId, SagaStatus};
use crate::panics;
use crate::store::StoreError;

/// A saga that this process runs, as others see it.
#[derive(Clone)]
pub(super) struct RunningSaga {
    pub(super) name: Arc<str>,
    params: Payload,
    creation: watch::Receiver<Option<Creation>>,
    pub(super) progress: Arc<ProgressChannel>,
    /// Which run of the saga in this process this is.
    run: u64,
    pub(super) control: mpsc::UnboundedSender<Control>,
    interrupted: Arc<Mutex<Vec<NodePath>>>,
}

impl RunningSaga {
    /// Waits until a saga that is being created is in the store, or is known not to be.
    pub(super) async fn created(&mut self) -> Option<Creation> {
        self.creation.wait_for(Option::is_some).await.ok()?.clone()
    }

    /// The answer to a start with this name and these parameters.
    pub(super) async fn handle<S, C: Send + Sync + 'static>(
        mut self,
        id: SagaId,
        input: (&str, &Payload),
        inner: &Arc<CoordinatorInner<C>>,
    ) -> Result<SagaHandle<S>, StartError> {
        match self.created().await {
            Some(Creation::New) => same_input(&id, (&self.name, &self.params), input)?,
            Some(Creation::Exists(found)) => {
                same_input(&id, (&found.name, &found.params), input)?;
            }
            Some(Creation::Failed(error)) => return Err(error.into()),
            None => return Err(self.why_not_created(id, inner)),
        }
        Ok(SagaHandle::new(id, self.progress, inner))
    }

    /// Why the task ended before the saga was in the store.
    fn why_not_created<C>(&self, saga: SagaId, inner: &CoordinatorInner<C>) -> StartError {
        match self.progress.result().as_deref() {
            // it panicked
            Some(Err(SagaError::NotRunning { why, .. })) => {
                StartError::Corrupt { saga, why: why.clone() }
            }
            _ => inner.tasks.check().err().map_or(StartError::ShutDown, StartError::Runtime),
        }
    }

    /// True if both are the same run of the saga.
    pub(super) fn is(&self, other: &Self) -> bool {
        self.control.same_channel(&other.control)
    }

    /// The answer to a request that its task was sent; `None` if the task ended without one.
    pub(super) async fn answer(
        &self,
        mut answer: oneshot::Receiver<RequestResult>,
    ) -> Option<RequestResult> {
        // a message that is sent while the task ends may stay in the channel, and the sender of its answer with it
        match select(&mut answer, pin!(self.control.closed())).await {
            Either::Left((answer, _)) => answer.ok(),
            Either::Right(_) => answer.try_recv().ok(),
        }
    }

    /// Why the task stopped without answering a request.
    pub(super) async fn why_unanswered(self, saga: SagaId) -> SagaError {
        match self.progress.end_of_run(self.run).await.as_deref() {
            Some(Err(error)) => error.clone(),
            _ => SagaError::NotRunning { saga, why: "it has just stopped; ask again".to_string() },
        }
    }

    /// The nodes whose calls a shutdown interrupted.
    pub(super) fn interrupted(&self) -> Vec<NodePath> {
        self.interrupted.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// The end that the saga's task holds. However the task ends, dropping it takes the saga off the list.
pub(super) struct SagaTask<C> {
    inner: Arc<CoordinatorInner<C>>,
    id: SagaId,
    creation: watch::Sender<Option<Creation>>,
    progress: Arc<ProgressChannel>,
    run: u64,
    interrupted: Arc<Mutex<Vec<NodePath>>>,
}

impl<C> Drop for SagaTask<C> {
    fn drop(&mut self) {
        // this changes nothing unless the runtime dropped the task
        self.progress.fail(SagaError::ShutDown { saga: self.id.clone() });
        self.inner.running().remove(&self.id);
        self.inner.left.notify_waiters();
    }
}

/// What the task does after its driver has stopped.
enum AfterRun {
    /// This process is done with the saga.
    Done,
    /// The store failed, and may recover: load the saga again.
    Reload(StoreError),
    /// The id was taken by a saga of this process that is not running: run that one.
    TakeOver,
}

/// Whether a saga could be put on the list.
pub(super) enum Admission<C> {
    /// It is on the list already.
    AlreadyRunning(RunningSaga),
    /// It is on the list now, and the caller must spawn its task.
    Admitted(RunningSaga, SagaTask<C>, mpsc::UnboundedReceiver<Control>),
}

impl<C> CoordinatorInner<C> {
    /// Puts a saga on the list; `stored` is its status if it is in the store. The check and the entry share
    /// one lock: of two starts with one id, the second finds the first.
    pub(super) fn admit(
        self: &Arc<Self>,
        id: &SagaId,
        (name, params): (&Arc<str>, &Payload),
        stored: Option<SagaStatus>,
    ) -> Admission<C> {
        let mut list = self.running();
        if let Some(running) = list.get(id) {
            return Admission::AlreadyRunning(running.clone());
        }
        let (control, receiver) = mpsc::unbounded_channel();
        let interrupted = Arc::default();
        let progress = self.progress.of(id);
        let run = progress.begin_run();
        if let Some(status) = stored {
            progress.running(status);
        }
        let task = SagaTask {
            inner: self.clone(),
            id: id.clone(),
            creation: watch::channel(stored.map(|_| Creation::New)).0,
            progress: progress.clone(),
            run,
            interrupted: Arc::clone(&interrupted),
        };
        let running = RunningSaga {
            name: name.clone(),
            params: params.clone(),
            creation: task.creation.subscribe(),
            progress,
            run,
            control,
            interrupted,
        };
        list.insert(id.clone(), running.clone());
        Admission::Admitted(running, task, receiver)
    }
}

impl<C: Send + Sync + 'static> SagaTask<C> {
    pub(super) fn inner(&self) -> &Arc<CoordinatorInner<C>> {
        &self.inner
    }

    pub(super) fn id(&self) -> &SagaId {
        &self.id
    }

    pub(super) fn progress(&self) -> Arc<ProgressChannel> {
        self.progress.clone()
    }

    /// Runs the saga until this process is done with it. Each time that the store fails and may recover,
    /// the saga is loaded again.
    pub(super) async fn run(
        self,
        mut loaded: Result<Driver<C>, SagaError>,
        mut requests: Vec<PendingRequest>,
        mut control: mpsc::UnboundedReceiver<Control>,
    ) {
        let mut backoff = Backoff::new();
        loop {
            let failed = match loaded {
                // the message of a shutdown that began while the saga was loaded may be gone by now
                Ok(_) if self.inner.is_closing() => SagaError::ShutDown { saga: self.id.clone() },
                Ok(driver) => {
                    let requests_now = std::mem::take(&mut requests);
                    match self.run_once(driver, requests_now, &mut control, &mut backoff).await {
                        AfterRun::Done => return,
                        AfterRun::Reload(source) => {
                            SagaError::Store { saga: self.id.clone(), source }
                        }
                        AfterRun::TakeOver => {
                            let taken = self.inner.take_again(&self);
                            let keep = |request| requests.push(request);
                            loaded = while_listening(&mut control, keep, taken).await;
                            continue;
                        }
                    }
                }
                Err(error) => error,
            };
            for request in requests.drain(..) {
                request.answer(Err(failed.clone()));
            }
            if let SagaError::Store { source, .. } = &failed
                && self.inner.reloads_after(source)
            {
                loaded = self.reload(source.clone(), &mut backoff, &mut control).await;
            } else {
                return self.give_up(failed).await;
            }
        }
    }

    /// Runs the driver until it stops.
    async fn run_once(
        &self,
        driver: Driver<C>,
        requests: Vec<PendingRequest>,
        control: &mut mpsc::UnboundedReceiver<Control>,
        backoff: &mut Backoff,
    ) -> AfterRun {
        let run_key = driver.run_key();
        let span = tracing::info_span!(target: "saga_core", "saga", id = %self.id);
        let run = driver.run(requests, &self.creation, control).instrument(span);
        match AssertUnwindSafe(run).catch_unwind().await {
            Ok(RunEnd::Done { interrupted }) => {
                *self.interrupted.lock().unwrap_or_else(PoisonError::into_inner) = interrupted;
            }
            Ok(RunEnd::StoreFailed { error, made_progress }) => {
                if made_progress {
                    *backoff = Backoff::new();
                }
                return AfterRun::Reload(error);
            }
            Ok(RunEnd::NotCreated(error)) => {
                if self.inner.reloads_after(&error) {
                    self.inner.run_if_created(self.id.clone(), run_key);
                }
            }
            Ok(RunEnd::Exists(found)) if self.inner.is_abandoned(&found) => {
                self.progress.running(found.status);
                self.creation.send_replace(Some(Creation::Exists(found)));
                return AfterRun::TakeOver;
            }
            Ok(RunEnd::Exists(found)) => {
                self.creation.send_replace(Some(Creation::Exists(found)));
                let progress = match self.inner.progress_in_store(&self.id).await {
                    Ok((_, progress)) => progress,
                    Err(error) => SagaProgress::over(self.progress.status(), Err(error.into())),
                };
                self.progress.found_in_store(self.run, progress);
            }
            Err(panic) => {
                // a user's value can panic when it is dropped
                let why = format!("a panic stopped it: {}", panics::message(panic));
                self.fail(SagaError::NotRunning { saga: self.id.clone(), why });
            }
        }
        AfterRun::Done
    }

    /// Ends the task of a saga that cannot be loaded. Another process may have ended the saga by now.
    async fn give_up(self, error: SagaError) {
        if let SagaError::LostOwnership { .. } = error
            && let Ok((_, progress)) = self.inner.progress_in_store(&self.id).await
            && progress.status.is_ended()
        {
            self.progress.found_in_store(self.run, progress);
        }
        if let SagaError::Corrupt { .. } | SagaError::Parked { .. } = error {
            let (id, running) = (&self.id, self.inner.running().get(&self.id).cloned());
            let saga = running.as_ref().map(|running| &*running.name);
            tracing::warn!(target: "saga_core", %id, saga, why = %error, "it cannot be loaded");
        }
        self.fail(error);
    }

    /// Tells whoever awaits the saga why this process does not run it any more.
    pub(super) fn fail(&self, error: SagaError) {
        self.progress.fail(error);
    }
}

/// Checks that a saga was started with the requested name and parameters. Parameters are compared as JSON:
/// whitespace and the order of fields do not matter.
pub(super) fn same_input(
    id: &SagaId,
    (existing, existing_params): (&str, &Payload),
    (requested, requested_params): (&str, &Payload),
) -> Result<(), StartError> {
    let differs = match existing == requested {
        true => match json::difference(existing_params.as_bytes(), requested_params.as_bytes()) {
            None => return Ok(()),
            Some(path) => Some(json::show(&path)),
        },
        false => None,
    };
    let (existing, requested) = (existing.to_string(), requested.to_string());
    Err(StartError::IdConflict { saga: id.clone(), existing, requested, differs })
}
