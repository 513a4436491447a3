//! Sagas that stopped because their store failed.
//!
//! What such a saga had in flight is dropped, since it is not known how much of it is in the log. Once the store
//! works again, the saga is taken over under a new epoch, loaded, and resumes from its log.

use std::collections::BTreeSet;
use std::pin::pin;
use std::sync::{Arc, MutexGuard, PoisonError};
use std::time::Duration;

use super::CoordinatorInner;
use super::running::SagaTask;
use super::stored::{StoredError, read};
use crate::ambient::watch;
use crate::driver::{Control, Driver, PendingRequest, TaskLink};
use crate::error::{OperateError, SagaError};
use crate::log::{SagaId, Uuid};
use crate::store::{SagaRecord, StoreError};
use futures_util::future::{Either, select};

/// How long a saga waits before it tries the store again; twice as long each time, until it makes progress.
pub(super) const FIRST: Duration = Duration::from_millis(100);
const LONGEST: Duration = Duration::from_secs(60);

/// The time before the next try, as the number of tries so far: every task has one.
pub(super) struct Backoff(u8);

impl Backoff {
    pub(super) fn new() -> Self {
        Self(0)
    }

    pub(super) fn next(&mut self) -> Duration {
        let doubled = FIRST.saturating_mul(1 << self.0.min(16));
        self.0 = self.0.saturating_add(1);
        doubled.min(LONGEST)
    }
}

/// Does something while the saga's driver does not run. Requests that arrive meanwhile are passed on. A
/// shutdown is acknowledged; the caller must check for it afterwards.
pub(super) async fn while_listening<T>(
    link: &TaskLink,
    mut requested: impl FnMut(PendingRequest),
    work: impl Future<Output = T>,
) -> T {
    let mut work = pin!(work);
    loop {
        // messages come first, so that none that is there is left behind
        let message = match select(pin!(link.message()), work).await {
            Either::Left((message, rest)) => {
                work = rest;
                message
            }
            Either::Right((done, _)) => return done,
        };
        match message {
            Control::Request(request) => requested(request),
            Control::Stop(acknowledge) => drop(acknowledge.send(())),
            // the calls of an earlier driver are gone
            Control::Drain | Control::LeaseEnded | Control::Transaction(_) => {}
        }
    }
}

/// Keeps a saga in the list of sagas that wait for the store, until it is dropped.
struct WaitingForStore<'a> {
    inner: &'a CoordinatorInner,
    id: &'a SagaId,
}

impl<'a> WaitingForStore<'a> {
    fn begin(inner: &'a CoordinatorInner, id: &'a SagaId) -> Self {
        inner.waiting_for_store().insert(id.clone());
        Self { inner, id }
    }
}

impl Drop for WaitingForStore<'_> {
    fn drop(&mut self) {
        self.inner.waiting_for_store().remove(self.id);
    }
}

impl SagaTask {
    /// Waits until the store works again, and loads the saga. Requests that arrive meanwhile are answered
    /// with the error.
    pub(super) async fn reload(
        &self,
        mut error: StoreError,
        backoff: &mut Backoff,
    ) -> Result<Box<Driver>, SagaError> {
        let (inner, id) = (self.inner(), self.id());
        let _waiting = WaitingForStore::begin(inner, id);
        let mut is_back = inner.store_is_back.subscribe();
        loop {
            let after = backoff.next();
            let saga = &*self.saga().name;
            tracing::warn!(
                target: "saga_core", %id, saga, why = %error,
                "the store failed: the saga stops, and resumes once the store works again; next try in {after:?}"
            );
            let reply = SagaError::Store { saga: id.clone(), source: error };
            let refuse = |request: PendingRequest| request.answer(Err(reply.clone()));
            let again = async {
                if inner.until_next_try(after, &mut is_back).await {
                    *backoff = Backoff::new();
                }
                let may_run = !inner.is_closing() && inner.lease_unless_closing().await;
                let place = inner.places_to_load(1).await.filter(|_| may_run);
                let Some(_place) = place else {
                    return Err(SagaError::ShutDown { saga: id.clone() });
                };
                let loaded = inner.take_again(self).await;
                if loaded.is_ok() || !inner.is_closing() {
                    return loaded;
                }
                Err(SagaError::ShutDown { saga: id.clone() })
            };
            match while_listening(&self.saga().link, refuse, again).await {
                Err(SagaError::Store { source, .. }) if inner.reloads_after(&source) => {
                    error = source
                }
                loaded => return loaded,
            }
        }
    }
}

impl CoordinatorInner {
    fn waiting_for_store(&self) -> MutexGuard<'_, BTreeSet<SagaId>> {
        self.waiting_for_store.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl CoordinatorInner {
    /// The sagas that wait for the store.
    pub(super) fn sagas_waiting_for_store(&self) -> Vec<SagaId> {
        self.waiting_for_store().iter().cloned().collect()
    }

    /// True if a saga that stopped with this error is loaded again by this process.
    pub(super) fn reloads_after(&self, error: &StoreError) -> bool {
        self.env.reloads && error.may_pass() && !self.is_closing()
    }

    /// Sleeps; false if a shutdown came first.
    async fn sleep_unless_closing(&self, time: Duration) -> bool {
        select(pin!(tokio::time::sleep(time)), pin!(self.closed())).await;
        !self.is_closing()
    }

    /// Waits before the store is tried again; true if that ended early, because a shared store works again since the last
    /// try began.
    async fn until_next_try(&self, after: Duration, is_back: &mut watch::Receiver<u64>) -> bool {
        let wait = pin!(self.sleep_unless_closing(after));
        matches!(select(wait, pin!(is_back.changed())).await, Either::Right(_))
    }

    /// Waits until this process may run sagas of a shared store; false if a shutdown came first.
    async fn lease_unless_closing(&self) -> bool {
        if let Some(lease) = &self.env.lease {
            select(pin!(lease.held()), pin!(self.closed())).await;
        }
        !self.is_closing()
    }

    /// Loads a saga that this process ran before. The new epoch fences a write that is still on its way.
    pub(super) async fn take_again(&self, task: &SagaTask) -> Result<Box<Driver>, SagaError> {
        let id = task.id();
        // a shared store takes no saga from another worker that is alive; others do, and so are asked first
        if self.env.lease.is_none() {
            let failed = |error: StoredError| error.while_resuming(id);
            let read = self.read_unless_closing(id).await?;
            let found = self.with_definition(read).map_err(failed)?;
            let owner = found.saga.record.owner.as_ref();
            if owner.is_some_and(|owner| *owner != self.env.worker) {
                return Err(SagaError::LostOwnership { saga: id.clone() });
            }
            found.definition().map_err(failed)?;
        }
        let taken = self.take(id).await?;
        let record = taken.ok_or_else(|| SagaError::LostOwnership { saga: id.clone() })?;
        self.resume(record, task.driver_link(), LoadReason::Again).await
    }

    /// Takes a saga over from whichever process owns it; `None` if the store has none.
    pub(super) async fn take(&self, id: &SagaId) -> Result<Option<SagaRecord>, SagaError> {
        let taken = self.env.store.take(&self.env.worker, id).await;
        // in a shared store, that this write succeeds says little about others; a renewal of the lease tells later
        if taken.is_err() || !self.is_one_of_many() {
            self.env.store_health.note(&taken);
        }
        taken.map_err(|source| {
            let saga = id.clone();
            if let StoreError::Fenced { .. } = source {
                return SagaError::LostOwnership { saga };
            }
            SagaError::Store { saga, source }
        })
    }

    /// True for a saga of this process that is not running: it is in the store, although its creation failed or
    /// seemed to fail.
    pub(super) fn is_abandoned(&self, record: &SagaRecord) -> bool {
        let ours = record.owner.as_ref() == Some(&self.env.worker);
        self.env.reloads && ours && !record.status.is_ended() && record.parked_reason.is_none()
    }

    /// Runs a saga whose creation failed, if it turns out to be in the store: a commit that reported an error
    /// may have succeeded, and nothing else would run the saga before the next `build`.
    pub(super) fn run_if_created(self: &Arc<Self>, id: SagaId, run_key: Uuid) {
        let inner = self.clone();
        self.tasks.spawn(async move {
            let mut backoff = Backoff::new();
            while inner.sleep_unless_closing(backoff.next()).await {
                match read(&*inner.env.store, &id).await {
                    Err(error) if error.may_pass() => {}
                    Ok(found)
                        if found.record.run_key == run_key && inner.is_abandoned(&found.record) =>
                    {
                        match inner.wake(&id, None).await {
                            Err(OperateError::Store(error)) if error.may_pass() => {}
                            // its task has reported any other error
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
    /// This process ran it before, or an operator asked for it.
    Again,
}
