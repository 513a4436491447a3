//! The sagas that this process runs. Each has two ends: a [`RunningSaga`] in the list, through which others
//! reach it, and a [`SagaTask`], which the task that runs it holds.

use std::any::Any;
use std::collections::hash_map::Entry;
use std::panic::AssertUnwindSafe;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};

use futures_util::FutureExt;
use tracing::Instrument;

use super::CoordinatorInner;
use super::handle::AnyHandle;
use super::reload::{Backoff, while_listening};
use crate::context::{CallHome, TransactionRequest};
use crate::driver::{
    Control, Creation, Driver, DriverLink, Leaving, PendingRequest, ProgressChannel, RunEnd,
    TaskLink,
};
use crate::error::{SagaError, StartError};
use crate::log::{Payload, SagaId, SagaStatus};
use crate::panics;
use crate::store::StoreError;

/// A saga that this process runs, as others see it.
pub(super) struct RunningSaga {
    pub(super) name: Arc<str>,
    /// Those that it was admitted with, or has since its migration.
    params: Mutex<Payload>,
    /// Of the definition that it was admitted with.
    fingerprint: Arc<str>,
    /// Which run of the saga in this process this is.
    pub(super) run: u64,
    /// The connection to its task.
    pub(super) link: TaskLink,
    coordinator: Weak<CoordinatorInner>,
}

impl RunningSaga {
    /// What handles see.
    pub(super) fn progress(&self) -> &Arc<ProgressChannel> {
        self.link.progress()
    }

    fn params(&self) -> Payload {
        self.params.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The answer to a start with this name and these parameters.
    pub(super) async fn handle(
        &self,
        id: SagaId,
        input: (&str, &Payload),
        inner: &Arc<CoordinatorInner>,
    ) -> Result<AnyHandle, StartError> {
        match self.link.creation().await {
            Some(Creation::New) => {
                let existing = (&*self.name, &self.params(), &*self.fingerprint);
                inner.definitions.same_input(&id, existing, input)?;
            }
            Some(Creation::Exists(found)) => {
                // of a version that this program does not know, the parameters may be others, too
                inner.check_goes_on(&found).await?;
                let existing = (&*found.name, &found.params, &*found.fingerprint);
                inner.definitions.same_input(&id, existing, input)?;
            }
            Some(Creation::Failed(error)) => return Err(error.into()),
            None => return Err(self.why_not_created(id, inner)),
        }
        Ok(AnyHandle::new(id, self.progress().clone(), inner))
    }

    /// Why the task ended before the saga was in the store.
    fn why_not_created(&self, saga: SagaId, inner: &CoordinatorInner) -> StartError {
        match self.progress().result().as_deref() {
            // it panicked
            Some(Err(SagaError::NotRunning { why, .. })) => {
                StartError::Corrupt { saga, why: why.clone() }
            }
            _ => inner.tasks.check().err().map_or(StartError::ShutDown, StartError::Runtime),
        }
    }

    /// Why the task stopped without answering a request.
    pub(super) async fn why_unanswered(&self, saga: SagaId) -> SagaError {
        match self.progress().end_of_run(self.run).await.as_deref() {
            Some(Err(error)) => error.clone(),
            _ => SagaError::NotRunning { saga, why: "it has just stopped; ask again".to_string() },
        }
    }
}

impl CallHome for RunningSaga {
    fn send(&self, request: TransactionRequest) {
        self.link.send(Control::Transaction(request));
    }

    fn coordinator(&self) -> Option<Arc<dyn Any + Send + Sync>> {
        Some(self.coordinator.upgrade()?)
    }
}

/// The end that the saga's task holds. However the task ends, dropping it takes the saga off the list.
pub(super) struct SagaTask {
    pub(super) inner: Arc<CoordinatorInner>,
    pub(super) saga: Arc<RunningSaga>,
    /// True once the saga goes on without this task, so that its handles still wait: another process runs it, or it waits in the
    /// store for its time.
    pub(super) goes_on: AtomicBool,
}

impl Drop for SagaTask {
    fn drop(&mut self) {
        if !self.goes_on.load(Ordering::Relaxed) || self.inner.is_closing() {
            // this changes nothing unless the runtime dropped the task
            self.fail(SagaError::ShutDown { saga: self.id().clone() });
        }
        self.saga.link.end();
        self.inner.running().remove(self.id());
        self.inner.left.notify_waiters();
    }
}

/// What the task does next.
pub(super) enum AfterRun {
    /// This process is done with the saga.
    Done,
    /// Run it, and carry out these requests.
    Loaded(Box<Driver>, Vec<PendingRequest>),
    /// The store failed, and may recover. True if the saga had made progress.
    StoreFailed(Box<(StoreError, bool)>),
    /// The saga only waits: it leaves memory.
    Leaves(Box<Leaving>),
    /// The saga stopped or cannot be loaded, and these requests wait for an answer.
    Failed(Box<(SagaError, Vec<PendingRequest>)>),
    /// The saga of this id belongs to this process and does not run: load and run it.
    TakeOver,
    /// The id was taken by another saga: show how far that has come.
    LookInStore,
}

impl AfterRun {
    pub(super) fn failed(error: SagaError, requests: Vec<PendingRequest>) -> Self {
        Self::Failed(Box::new((error, requests)))
    }
}

/// Whether a saga could be put on the list.
pub(super) enum Admission {
    /// It is on the list already.
    AlreadyRunning(Arc<RunningSaga>),
    /// It is on the list now, and the caller must spawn its task.
    Admitted(Arc<RunningSaga>, SagaTask),
}

impl CoordinatorInner {
    /// Puts a saga on the list; `stored` is its status if it is in the store. The check and the entry share
    /// one lock: of two starts with one id, the second finds the first.
    pub(super) fn admit(
        self: &Arc<Self>,
        id: &SagaId,
        (name, params, fingerprint): (&Arc<str>, &Payload, &Arc<str>),
        stored: Option<SagaStatus>,
    ) -> Admission {
        let mut list = self.running();
        let place = match list.entry(id.clone()) {
            Entry::Occupied(running) => return Admission::AlreadyRunning(running.get().clone()),
            Entry::Vacant(place) => place,
        };
        let progress = self.progress.of(id);
        let run = progress.begin_run();
        if let Some(status) = stored {
            progress.running(status);
        }
        let link = TaskLink::new(progress, stored.is_some());
        let (name, params) = (name.clone(), Mutex::new(params.clone()));
        let fingerprint = fingerprint.clone();
        let coordinator = Arc::downgrade(self);
        let running = Arc::new(RunningSaga { name, params, fingerprint, run, link, coordinator });
        place.insert(running.clone());
        let goes_on = AtomicBool::new(false);
        let task = SagaTask { inner: self.clone(), saga: running.clone(), goes_on };
        Admission::Admitted(running, task)
    }
}

impl SagaTask {
    pub(super) fn inner(&self) -> &Arc<CoordinatorInner> {
        &self.inner
    }

    pub(super) fn id(&self) -> &SagaId {
        self.saga.progress().id()
    }

    /// What others see of the saga.
    pub(super) fn saga(&self) -> &RunningSaga {
        &self.saga
    }

    /// What a driver needs of this run.
    pub(super) fn driver_link(&self) -> DriverLink {
        // in two steps, since it is unsized
        let saga: Weak<RunningSaga> = Arc::downgrade(&self.saga);
        DriverLink { progress: self.saga.progress().clone(), home: saga }
    }

    /// Tells whoever awaits the saga why this process does not run it any more.
    pub(super) fn fail(&self, error: SagaError) {
        self.saga.progress().fail(error);
    }
}

impl SagaTask {
    /// Runs the saga until this process is done with it. Each time that the store fails and may recover,
    /// the saga is loaded again.
    ///
    /// There may be very many sagas that only wait, so the future has room for a saga that runs, and no more:
    /// what is rare is boxed.
    pub(super) fn run(
        self,
        loaded: Result<Box<Driver>, SagaError>,
        requests: Vec<PendingRequest>,
    ) -> impl Future<Output = ()> + Send + 'static {
        let mut next = match loaded {
            Ok(driver) => AfterRun::Loaded(driver, requests),
            Err(error) => AfterRun::failed(error, requests),
        };
        async move {
            let mut backoff = Backoff::new();
            loop {
                next = match next {
                    // the message of a shutdown that began while the saga was loaded may be gone by now
                    AfterRun::Loaded(driver, requests) if !self.inner.is_closing() => {
                        let ended = self.run_once(driver, requests).await;
                        self.after_run(ended)
                    }
                    AfterRun::Loaded(_, requests) => {
                        AfterRun::failed(SagaError::ShutDown { saga: self.id().clone() }, requests)
                    }
                    AfterRun::StoreFailed(failed) => {
                        let (error, made_progress) = *failed;
                        if made_progress {
                            backoff = Backoff::new();
                        }
                        let error = SagaError::Store { saga: self.id().clone(), source: error };
                        AfterRun::failed(error, Vec::new())
                    }
                    AfterRun::Leaves(leaving) => Box::pin(self.leave_memory(*leaving)).await,
                    AfterRun::TakeOver => Box::pin(self.take_over()).await,
                    AfterRun::LookInStore => {
                        Box::pin(self.look_in_store()).await;
                        AfterRun::Done
                    }
                    AfterRun::Failed(failed) => {
                        let (error, requests) = *failed;
                        Box::pin(self.after_failure(error, requests, &mut backoff)).await
                    }
                    AfterRun::Done => return,
                }
            }
        }
    }

    /// Runs the driver until it stops; the error is a panic.
    fn run_once(
        &self,
        driver: Box<Driver>,
        requests: Vec<PendingRequest>,
    ) -> impl Future<Output = Result<RunEnd, Box<dyn Any + Send>>> + Send {
        if let Some(params) = driver.params() {
            // a migration may have changed them
            self.saga.params.lock().unwrap_or_else(PoisonError::into_inner).clone_from(params);
        }
        let span = driver.span(self.id());
        let run = driver.run(requests, &self.saga.link).instrument(span);
        AssertUnwindSafe(run).catch_unwind()
    }

    /// What the task does after the driver has stopped.
    fn after_run(&self, ended: Result<RunEnd, Box<dyn Any + Send>>) -> AfterRun {
        match ended {
            Ok(RunEnd::Done) => {}
            Ok(RunEnd::Lost) => {
                let error = SagaError::LostOwnership { saga: self.id().clone() };
                return AfterRun::failed(error, Vec::new());
            }
            Ok(RunEnd::OnlyWaits(leaving)) => return AfterRun::Leaves(leaving),
            // the next load migrates it
            Ok(RunEnd::Settled) => return AfterRun::TakeOver,
            Ok(RunEnd::StoreFailed { error, made_progress }) => {
                return AfterRun::StoreFailed(Box::new((error, made_progress)));
            }
            Ok(RunEnd::NotCreated { error, run_key }) => {
                if self.inner.reloads_after(&error) {
                    self.inner.strays.note();
                    self.inner.run_if_created(self.id().clone(), run_key);
                }
            }
            Ok(RunEnd::Exists(found)) if self.inner.is_abandoned(&found) => {
                self.saga.progress().running(found.status);
                self.saga.link.set_creation(Creation::Exists(found));
                return AfterRun::TakeOver;
            }
            Ok(RunEnd::Exists(found)) => {
                self.saga.link.set_creation(Creation::Exists(found));
                return AfterRun::LookInStore;
            }
            Err(panic) => {
                // a user's value can panic when it is dropped
                let why = format!("a panic stopped it: {}", panics::message(panic));
                self.fail(SagaError::NotRunning { saga: self.id().clone(), why });
            }
        }
        AfterRun::Done
    }

    /// Loads a saga of this process that does not run.
    async fn take_over(&self) -> AfterRun {
        let mut requests = Vec::new();
        let keep = |request| requests.push(request);
        let taken = self.inner.take_again(self);
        match while_listening(&self.saga.link, keep, taken).await {
            Ok(driver) => AfterRun::Loaded(driver, requests),
            Err(error) => AfterRun::failed(error, requests),
        }
    }

    /// The saga stopped, or could not be loaded: loads it again if that may help, and otherwise gives it up.
    async fn after_failure(
        &self,
        error: SagaError,
        requests: Vec<PendingRequest>,
        backoff: &mut Backoff,
    ) -> AfterRun {
        for request in requests {
            request.answer(Err(error.clone()));
        }
        if let SagaError::Store { source, .. } = &error
            && self.inner.reloads_after(source)
        {
            return match self.reload(source.clone(), backoff).await {
                Ok(driver) => AfterRun::Loaded(driver, Vec::new()),
                Err(error) => AfterRun::failed(error, Vec::new()),
            };
        }
        let waits = |source: &StoreError| self.inner.env.reloads && source.may_pass();
        if let SagaError::Store { saga, source } = &error
            && waits(source)
            && self.inner.is_closing()
        {
            // without the shutdown it would have waited for the store
            self.give_up(SagaError::ShutDown { saga: saga.clone() }).await;
        } else {
            self.give_up(error).await;
        }
        AfterRun::Done
    }
}
