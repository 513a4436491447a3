//! The sagas that this process runs: a list of them, and the two ends of each.

use std::panic::AssertUnwindSafe;
use std::pin::pin;
use std::sync::{Arc, Mutex, PoisonError};

use futures_util::FutureExt;
use futures_util::future::{Either, select};
use tokio::sync::{mpsc, oneshot, watch};
use tracing::Instrument;

use super::recovery::Loaded;
use super::reload::{Backoff, while_listening};
use super::{CoordinatorInner, SagaHandle};
use crate::driver::{Asked, Control, Creation, ProgressChannel, Reply, RunEnd, SagaProgress};
use crate::error::{SagaError, StartError};
use crate::json;
use crate::log::{NodePath, Payload, SagaId, SagaStatus};
use crate::panics;
use crate::store::StoreError;

/// A saga that this process runs, as others see it.
#[derive(Clone)]
pub(super) struct RunningSaga {
    pub(super) name: String,
    params: Payload,
    creation: watch::Receiver<Option<Creation>>,
    pub(super) track: Arc<ProgressChannel>,
    /// Which life of the saga this is.
    life: u64,
    pub(super) control: mpsc::UnboundedSender<Control>,
    cut: Arc<Mutex<Vec<NodePath>>>,
}

impl RunningSaga {
    /// Waits until a saga that is being created is in the store, or is not going to be.
    pub(super) async fn created(&mut self) -> Option<Creation> {
        self.creation.wait_for(Option::is_some).await.ok()?.clone()
    }

    /// The answer to a start with this input.
    pub(super) async fn handle<S, C: Send + Sync + 'static>(
        mut self,
        id: SagaId,
        input: (&str, &Payload),
        inner: &Arc<CoordinatorInner<C>>,
    ) -> Result<SagaHandle<S>, StartError> {
        match self.created().await {
            Some(Creation::New) => same_input(&id, (&self.name, &self.params), input)?,
            Some(Creation::Exists(there)) => same_input(&id, (&there.name, &there.params), input)?,
            Some(Creation::Failed(error)) => return Err(error.into()),
            None => return Err(self.why_not_begun(id, inner)),
        }
        Ok(SagaHandle::new(id, self.track, inner))
    }

    /// Why its task ended before the saga was in the store.
    fn why_not_begun<C>(&self, saga: SagaId, inner: &CoordinatorInner<C>) -> StartError {
        match self.track.outcome().as_deref() {
            // a panic
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

    /// The answer to what its task was asked; none if the task ended without one.
    pub(super) async fn answer(&self, mut answer: oneshot::Receiver<Reply>) -> Option<Reply> {
        // a message that crosses the end of the task may stay in the channel, and its answer with it
        match select(&mut answer, pin!(self.control.closed())).await {
            Either::Left((answer, _)) => answer.ok(),
            Either::Right(_) => answer.try_recv().ok(),
        }
    }

    /// Why it stopped without having done what it was asked.
    pub(super) async fn why_not(self, saga: SagaId) -> SagaError {
        match self.track.ended_in(self.life).await.as_deref() {
            Some(Err(error)) => error.clone(),
            _ => SagaError::NotRunning { saga, why: "it has just stopped; ask again".to_string() },
        }
    }

    /// The nodes that a stop cut off.
    pub(super) fn cut(&self) -> Vec<NodePath> {
        self.cut.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// The end that the saga's task holds. However the task ends, the saga then leaves the list.
pub(super) struct SagaTask<C> {
    inner: Arc<CoordinatorInner<C>>,
    id: SagaId,
    creation: watch::Sender<Option<Creation>>,
    pub(super) track: Arc<ProgressChannel>,
    life: u64,
    cut: Arc<Mutex<Vec<NodePath>>>,
}

impl<C> Drop for SagaTask<C> {
    fn drop(&mut self) {
        // nothing, unless the runtime dropped the saga's task
        self.track.fail(SagaError::ShutDown { saga: self.id.clone() });
        self.inner.running().remove(&self.id);
        self.inner.left.notify_waiters();
    }
}

/// What follows when a saga has stopped.
enum Next {
    /// This process is done with it.
    Nothing,
    /// The store failed for a while.
    Reload(StoreError),
    /// It was there already, and this process is the one to run it.
    TakeUp,
}

/// What a look for a place in the list found.
pub(super) enum Admission<C> {
    /// The saga is there already.
    AlreadyRunning(RunningSaga),
    /// It is now, with this end and these control for its task.
    Admitted(RunningSaga, SagaTask<C>, mpsc::UnboundedReceiver<Control>),
}

impl<C> CoordinatorInner<C> {
    /// Puts a saga on the list; `there`: where it stands, if it is in the store. One lock for the look and
    /// the entry: of two starts of one id, one finds the other.
    pub(super) fn enter(
        self: &Arc<Self>,
        id: &SagaId,
        (name, params): (&str, &Payload),
        there: Option<SagaStatus>,
    ) -> Admission<C> {
        let mut list = self.running();
        if let Some(there) = list.get(id) {
            return Admission::AlreadyRunning(there.clone());
        }
        let (control, receiver) = mpsc::unbounded_channel();
        let cut = Arc::default();
        let track = self.tracks.of(id);
        let life = track.enter();
        if let Some(status) = there {
            track.begin(status);
        }
        let task = SagaTask {
            inner: self.clone(),
            id: id.clone(),
            creation: watch::channel(there.map(|_| Creation::New)).0,
            track: track.clone(),
            life,
            cut: Arc::clone(&cut),
        };
        let running = RunningSaga {
            name: name.to_string(),
            params: params.clone(),
            creation: task.creation.subscribe(),
            track,
            life,
            control,
            cut,
        };
        list.insert(id.clone(), running.clone());
        Admission::Admitted(running, task, receiver)
    }
}

impl<C: Send + Sync + 'static> SagaTask<C> {
    /// Runs the saga as long as this process does; each time that the store fails for a while, it is loaded
    /// again.
    pub(super) async fn run_until_released(
        self,
        mut loaded: Result<Loaded<C>, SagaError>,
        mut asked: Vec<Asked>,
        mut control: mpsc::UnboundedReceiver<Control>,
    ) {
        let mut pause = Backoff::new();
        loop {
            let failed = match loaded {
                // a shutdown that came while it was loaded may have been heard already
                Ok(_) if self.inner.is_closing() => SagaError::ShutDown { saga: self.id.clone() },
                Ok(ready) => {
                    let asked_now = std::mem::take(&mut asked);
                    match self.run(ready, asked_now, &mut control, &mut pause).await {
                        Next::Nothing => return,
                        Next::Reload(source) => SagaError::Store { saga: self.id.clone(), source },
                        Next::TakeUp => {
                            let taken = self.inner.take_again(&self);
                            loaded =
                                while_listening(&mut control, |new| asked.push(new), taken).await;
                            continue;
                        }
                    }
                }
                Err(error) => error,
            };
            for asked in asked.drain(..) {
                // whoever asked may have gone away
                let _ = asked.answer.send(Err(failed.clone()));
            }
            match failed {
                SagaError::Store { source, .. } if self.inner.goes_on_after(&source) => {
                    loaded = self.reload(source, &mut pause, &mut control).await;
                }
                error => return self.leave(error).await,
            }
        }
    }

    /// Runs the saga once.
    async fn run(
        &self,
        Loaded { driver, first }: Loaded<C>,
        asked: Vec<Asked>,
        control: &mut mpsc::UnboundedReceiver<Control>,
        pause: &mut Backoff,
    ) -> Next {
        let run_key = driver.run.run_key;
        let span = tracing::info_span!(target: "saga_core", "saga", id = %self.id);
        let run = driver.run(first, asked, &self.creation, control).instrument(span);
        let ran = AssertUnwindSafe(run).catch_unwind().await;
        match ran {
            Ok(RunEnd::Through { cut }) => {
                *self.cut.lock().unwrap_or_else(PoisonError::into_inner) = cut;
            }
            Ok(RunEnd::StoreFailed { error, got_on }) => {
                if got_on {
                    *pause = Backoff::new();
                }
                return Next::Reload(error);
            }
            Ok(RunEnd::NotCreated(error)) => {
                if self.inner.goes_on_after(&error) {
                    self.inner.look_after(self.id.clone(), run_key);
                }
            }
            Ok(RunEnd::Exists(there)) if self.inner.is_left_alone(&there) => {
                self.track.begin(there.status);
                self.creation.send_replace(Some(Creation::Exists(there)));
                return Next::TakeUp;
            }
            Ok(RunEnd::Exists(there)) => {
                self.creation.send_replace(Some(Creation::Exists(there)));
                let there = self.inner.at_rest(&self.id).await;
                let over =
                    |error: StartError| SagaProgress::over(self.track.status(), Err(error.into()));
                let progress = there.map_or_else(over, |(_, progress)| progress);
                self.track.rest(self.life, progress);
            }
            Err(panic) => {
                // a value of the user's can panic where it is dropped
                let why = format!("a panic stopped it: {}", panics::message(panic));
                self.fail(SagaError::NotRunning { saga: self.id.clone(), why });
            }
        }
        Next::Nothing
    }

    pub(super) fn inner(&self) -> &Arc<CoordinatorInner<C>> {
        &self.inner
    }

    pub(super) fn id(&self) -> &SagaId {
        &self.id
    }

    /// The saga does not go on in this process, but may have ended in another one.
    async fn leave(self, error: SagaError) {
        if let SagaError::LostOwnership { .. } = error
            && let Ok((_, progress)) = self.inner.at_rest(&self.id).await
            && progress.status.is_ended()
        {
            self.track.rest(self.life, progress);
        }
        if let SagaError::Corrupt { .. } | SagaError::Parked { .. } = error {
            let (id, running) = (&self.id, self.inner.running().get(&self.id).cloned());
            let saga = running.map(|running| running.name);
            tracing::warn!(target: "saga_core", %id, saga, why = %error, "it cannot be loaded");
        }
        self.fail(error);
    }

    /// The saga does not go on in this process.
    pub(super) fn fail(&self, error: SagaError) {
        self.track.fail(error);
    }
}

/// Parameters are compared as JSON: spaces and the order of fields don't matter.
pub(super) fn same_input(
    id: &SagaId,
    (existing, there): (&str, &Payload),
    (requested, new): (&str, &Payload),
) -> Result<(), StartError> {
    let differs = match existing == requested {
        true => match json::difference(there.as_bytes(), new.as_bytes()) {
            None => return Ok(()),
            Some(path) => Some(json::show(&path)),
        },
        false => None,
    };
    let (existing, requested) = (existing.to_string(), requested.to_string());
    Err(StartError::IdConflict { saga: id.clone(), existing, requested, differs })
}
