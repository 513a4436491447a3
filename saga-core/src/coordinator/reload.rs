//! Sagas that stopped because the store failed. What they had under way is dropped, for nobody knows what of it
//! is in the log; once the store works again they are claimed and loaded anew, and go on from there.

use std::collections::BTreeSet;
use std::pin::pin;
use std::sync::{Arc, MutexGuard, PoisonError};
use std::time::Duration;

use futures_util::future::{Either, select};
use tokio::sync::mpsc;

use super::CoordinatorInner;
use super::recovery::Loaded;
use super::running::SagaTask;
use crate::driver::{Asked, Control};
use crate::error::{OperateError, SagaError};
use crate::log::{SagaId, Uuid};
use crate::store::{SagaRecord, StoreError};

/// How long a saga waits before the store is asked again; twice as long each time, until the saga gets on.
pub(super) const FIRST: Duration = Duration::from_millis(100);
const LONGEST: Duration = Duration::from_secs(60);

/// The time before the next try.
pub(super) struct Backoff(Duration);

impl Backoff {
    pub(super) fn new() -> Self {
        Self(FIRST)
    }

    fn next(&mut self) -> Duration {
        let now = self.0;
        self.0 = (now * 2).min(LONGEST);
        now
    }
}

/// Does something while the saga's machine does not run. What is asked meanwhile is handed over; a shutdown is
/// heard, and must be looked for afterwards.
pub(super) async fn while_listening<T>(
    control: &mut mpsc::UnboundedReceiver<Control>,
    mut asked: impl FnMut(Asked),
    work: impl Future<Output = T>,
) -> T {
    let mut work = pin!(work);
    loop {
        let order = match select(work, pin!(control.recv())).await {
            Either::Left((done, _)) => return done,
            Either::Right((order, rest)) => {
                work = rest;
                order
            }
        };
        match order {
            Some(Control::Operate(request)) => asked(request),
            Some(Control::Stop(heard)) => drop(heard.send(())),
            Some(Control::Drain) => {}
            // its place in the list is taken back: nothing more is asked
            None => return work.await,
        }
    }
}

/// On the list of those that wait, as long as it is there.
struct WaitingForStore<'a, C> {
    inner: &'a CoordinatorInner<C>,
    id: &'a SagaId,
}

impl<'a, C> WaitingForStore<'a, C> {
    fn begin(inner: &'a CoordinatorInner<C>, id: &'a SagaId) -> Self {
        inner.waiting().insert(id.clone());
        Self { inner, id }
    }
}

impl<C> Drop for WaitingForStore<'_, C> {
    fn drop(&mut self) {
        self.inner.waiting().remove(self.id);
    }
}

impl<C: Send + Sync + 'static> SagaTask<C> {
    /// WaitingForStore until the store works again, and loads the saga. What is asked meanwhile is answered with the error.
    pub(super) async fn reload(
        &self,
        mut error: StoreError,
        pause: &mut Backoff,
        control: &mut mpsc::UnboundedReceiver<Control>,
    ) -> Result<Loaded<C>, SagaError> {
        let (inner, id) = (self.inner(), self.id());
        let _waits = WaitingForStore::begin(inner, id);
        loop {
            let after = pause.next();
            let saga = inner.running().get(id).map(|running| running.name.clone());
            tracing::warn!(
                target: "saga_core", %id, saga, why = %error,
                "the store failed: the saga stops, and goes on once it works again; next try in {after:?}"
            );
            let told = SagaError::Store { saga: id.clone(), source: error };
            let tell = |asked: Asked| drop(asked.answer.send(Err(told.clone())));
            let again = async {
                if !inner.pauses(after).await {
                    return Err(SagaError::ShutDown { saga: id.clone() });
                }
                let loaded = inner.take_again(self).await;
                if loaded.is_ok() || !inner.is_closing() {
                    return loaded;
                }
                Err(SagaError::ShutDown { saga: id.clone() })
            };
            match while_listening(control, tell, again).await {
                Err(SagaError::Store { source, .. }) if inner.goes_on_after(&source) => {
                    error = source
                }
                loaded => return loaded,
            }
        }
    }
}

impl<C> CoordinatorInner<C> {
    fn waiting(&self) -> MutexGuard<'_, BTreeSet<SagaId>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<C: Send + Sync + 'static> CoordinatorInner<C> {
    /// The sagas that wait for the store.
    pub(super) fn those_waiting(&self) -> Vec<SagaId> {
        self.waiting().iter().cloned().collect()
    }

    /// True if a saga that stopped for this goes on in this process.
    pub(super) fn goes_on_after(&self, error: &StoreError) -> bool {
        self.env.reloads && error.may_pass() && !self.is_closing()
    }

    /// False if a shutdown came before the time was over.
    async fn pauses(&self, time: Duration) -> bool {
        select(pin!(tokio::time::sleep(time)), pin!(self.closed())).await;
        !self.is_closing()
    }

    /// Loads a saga that this process ran before, with a new epoch: a write that is still on its way is fenced.
    pub(super) async fn take_again(&self, task: &SagaTask<C>) -> Result<Loaded<C>, SagaError> {
        let id = task.id();
        let failed = |source| SagaError::Store { saga: id.clone(), source };
        let missing = || failed(StoreError::NotFound { saga: id.clone() });
        let there = self.env.store.load(id).await.map_err(failed)?.ok_or_else(missing)?.record;
        let others = there.owner.as_ref().is_some_and(|owner| *owner != self.env.worker);
        if others {
            return Err(SagaError::LostOwnership { saga: id.clone() });
        }
        let Some(definition) = self.definition_of(&there) else { return Err(missing()) };
        let taken = self.env.store.take(&self.env.worker, id).await;
        self.env.store_health.note(&taken);
        let taken = taken.map_err(failed)?;
        let record = taken.ok_or_else(|| SagaError::LostOwnership { saga: id.clone() })?;
        self.load(record, definition, task.track.clone(), LoadReason::Again).await
    }

    /// A saga of this process whose creation failed, or seemed to, and that is in the store all the same.
    pub(super) fn is_left_alone(&self, there: &SagaRecord) -> bool {
        let ours = there.owner.as_ref() == Some(&self.env.worker);
        self.env.reloads && ours && !there.status.is_ended() && there.parked_reason.is_none()
    }

    /// Looks whether a saga is in the store whose creation failed: a commit that failed may be in. If so, it
    /// runs, for nobody else would do it before the next `build`.
    pub(super) fn look_after(self: &Arc<Self>, id: SagaId, run_key: Uuid) {
        let inner = self.clone();
        self.tasks.spawn(async move {
            let mut pause = Backoff::new();
            while inner.pauses(pause.next()).await {
                match inner.env.store.load(&id).await {
                    Err(error) if error.may_pass() => {}
                    Ok(Some(stored))
                        if stored.record.run_key == run_key
                            && inner.is_left_alone(&stored.record) =>
                    {
                        match inner.wake(&id, None).await {
                            Err(OperateError::Store(error)) if error.may_pass() => {}
                            // another error has been said by its task
                            _ => return,
                        }
                    }
                    Ok(_) | Err(_) => return,
                }
            }
        });
    }
}

/// Why a saga is loaded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum LoadReason {
    /// It was claimed: the process that ran it may have died.
    Claimed,
    /// This process ran it before, or an operator has asked for it.
    Again,
}
