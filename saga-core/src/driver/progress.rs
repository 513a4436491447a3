//! What handles and events look at: one channel a saga, which its lives in this process share. A saga that
//! was rolled back after its end, or unparked, is still the one that an older handle is of.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use tokio::sync::watch;

use crate::error::SagaError;
use crate::log::{SagaId, SagaStatus};
use crate::value::ActionOutput;

/// How a saga ended; an output that is `None` stands for `()`.
pub(crate) type SagaResult = Result<Option<ActionOutput>, SagaError>;

/// How a saga stands.
#[derive(Debug, Clone)]
pub(crate) struct SagaProgress {
    pub(crate) status: SagaStatus,
    /// There once this process is done with the saga, until it takes it up again.
    pub(crate) outcome: Option<Arc<SagaResult>>,
    /// How often this process has taken it up.
    life: u64,
}

impl SagaProgress {
    /// This process does not run the saga.
    pub(crate) fn over(status: SagaStatus, outcome: SagaResult) -> Self {
        Self { status, outcome: Some(Arc::new(outcome)), life: 0 }
    }

    /// True once the saga has ended, or this process runs no sagas any more.
    fn is_last(&self) -> bool {
        self.is_shut_down() || self.outcome.is_some() && self.status.is_ended()
    }

    fn is_shut_down(&self) -> bool {
        matches!(self.outcome.as_deref(), Some(Err(SagaError::ShutDown { .. })))
    }
}

type All = Arc<Mutex<HashMap<SagaId, Weak<ProgressChannel>>>>;

/// The channels of those sagas that somebody looks at or that run.
#[derive(Default)]
pub(crate) struct ProgressChannels(All);

impl ProgressChannels {
    /// The channel of this saga.
    pub(crate) fn of(&self, id: &SagaId) -> Arc<ProgressChannel> {
        let mut all = lock(&self.0);
        if let Some(track) = all.get(id).and_then(Weak::upgrade) {
            return track;
        }
        let progress = SagaProgress { status: SagaStatus::Running, outcome: None, life: 0 };
        let (id, progress) = (id.clone(), watch::channel(progress).0);
        let track = Arc::new(ProgressChannel { id, progress, all: self.0.clone() });
        all.insert(track.id.clone(), Arc::downgrade(&track));
        track
    }
}

/// The channel of one saga. Kept by those who look and by the task that runs the saga.
pub(crate) struct ProgressChannel {
    id: SagaId,
    progress: watch::Sender<SagaProgress>,
    all: All,
}

impl Drop for ProgressChannel {
    fn drop(&mut self) {
        let mut all = lock(&self.all);
        // another one may have taken its place
        if all.get(&self.id).is_some_and(|track| track.strong_count() == 0) {
            all.remove(&self.id);
        }
    }
}

impl ProgressChannel {
    /// This process is about to run the saga. Returns the number of this life.
    pub(crate) fn enter(&self) -> u64 {
        let mut life = 0;
        self.progress.send_modify(|progress| {
            progress.life += 1;
            life = progress.life;
        });
        life
    }

    /// It runs now, so how it stood before does not count any more.
    pub(crate) fn begin(&self, status: SagaStatus) {
        self.progress.send_modify(|progress| (progress.status, progress.outcome) = (status, None));
    }

    pub(crate) fn report(&self, status: SagaStatus) {
        self.progress
            .send_if_modified(|progress| std::mem::replace(&mut progress.status, status) != status);
    }

    /// This process is done with the saga. `status`: where it is now, if that has changed.
    pub(crate) fn end(&self, status: Option<SagaStatus>, outcome: SagaResult) {
        self.progress.send_modify(|progress| {
            progress.status = status.unwrap_or(progress.status);
            progress.outcome = Some(Arc::new(outcome));
        });
    }

    /// The same, unless that has been said already.
    pub(crate) fn fail(&self, error: SagaError) {
        self.progress.send_if_modified(|progress| {
            let open = progress.outcome.is_none();
            if open {
                progress.outcome = Some(Arc::new(Err(error)));
            }
            open
        });
    }

    /// How the saga stands in the store, as it was read after life number `life` had begun. False if that
    /// is out of date.
    pub(crate) fn rest(&self, life: u64, found: SagaProgress) -> bool {
        let mut fits = false;
        self.progress.send_if_modified(|progress| {
            fits = progress.life == life;
            // those who look are not told twice why a process that runs nothing does not run it
            let news = fits && (found.status.is_ended() || !progress.is_shut_down());
            if news {
                *progress = SagaProgress { life, ..found };
            }
            news
        });
        fits
    }

    pub(crate) fn life(&self) -> u64 {
        self.progress.borrow().life
    }

    pub(crate) fn status(&self) -> SagaStatus {
        self.progress.borrow().status
    }

    /// How its last life ended, if it has.
    pub(crate) fn outcome(&self) -> Option<Arc<SagaResult>> {
        self.progress.borrow().outcome.clone()
    }

    /// True if a shutdown ended its last life.
    pub(crate) fn is_shut_down(&self) -> bool {
        self.progress.borrow().is_shut_down()
    }

    /// Waits until this process does not run the saga (any more).
    pub(crate) async fn ended(&self) -> Arc<SagaResult> {
        let outcome = self.until(|progress| progress.outcome.is_some()).await.outcome;
        outcome.unwrap_or_else(|| Arc::new(Err(SagaError::ShutDown { saga: self.id.clone() })))
    }

    /// Waits for the end of this life. None if another one has begun since.
    pub(crate) async fn ended_in(&self, life: u64) -> Option<Arc<SagaResult>> {
        let over = |progress: &SagaProgress| progress.life != life || progress.outcome.is_some();
        let progress = self.until(over).await;
        progress.outcome.filter(|_| progress.life == life)
    }

    /// Waits until the saga has ended, or this process runs no sagas any more.
    pub(crate) async fn last(&self) {
        self.until(SagaProgress::is_last).await;
    }

    async fn until(&self, is: impl FnMut(&SagaProgress) -> bool) -> SagaProgress {
        let mut progress = self.progress.subscribe();
        match progress.wait_for(is).await {
            Ok(progress) => progress.clone(),
            // never: the sending end is here
            Err(_) => self.progress.borrow().clone(),
        }
    }
}

impl std::fmt::Debug for ProgressChannel {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ProgressChannel").field("id", &self.id).finish_non_exhaustive()
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(id: &str) -> SagaId {
        id.parse().unwrap()
    }

    #[test]
    fn a_saga_has_one_channel_as_long_as_somebody_looks() {
        let tracks = ProgressChannels::default();
        let (a, again, b) = (tracks.of(&id("a")), tracks.of(&id("a")), tracks.of(&id("b")));
        assert!(Arc::ptr_eq(&a, &again) && !Arc::ptr_eq(&a, &b));
        drop((a, b));
        assert_eq!(lock(&tracks.0).keys().collect::<Vec<_>>(), [&id("a")]);
        drop(again);
        assert!(lock(&tracks.0).is_empty());
    }

    #[test]
    fn what_was_read_before_a_life_began_is_out_of_date() {
        let track = ProgressChannels::default().of(&id("a"));
        let ended = || SagaProgress::over(SagaStatus::Completed, Ok(None));
        let read = track.life();
        track.enter();
        track.begin(SagaStatus::Running);
        assert!(!track.rest(read, ended()));
        assert_eq!(track.status(), SagaStatus::Running);
        track.end(Some(SagaStatus::RolledBack), Ok(None));
        assert!(!track.rest(read, ended()));
        assert_eq!(track.status(), SagaStatus::RolledBack);
        assert!(track.rest(track.life(), ended()));
        assert_eq!(track.status(), SagaStatus::Completed);
    }
}
