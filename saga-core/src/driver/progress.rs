//! The progress of each saga, as handles and event streams see it: one channel for each saga, shared by all of
//! its runs in this process. A saga that an operator rolls back after its end, or unparks, is still the saga
//! that an older handle belongs to.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use tokio::sync::Notify;

use crate::error::SagaError;
use crate::log::{SagaId, SagaMap, SagaStatus};
use crate::value::ActionOutput;

/// How a saga ended; `None` represents the output `()`.
pub(crate) type SagaResult = Result<Option<ActionOutput>, SagaError>;

/// The progress of a saga.
#[derive(Debug, Clone)]
pub(crate) struct SagaProgress {
    pub(crate) status: SagaStatus,
    /// Set once this process is done with the saga, until it runs the saga again.
    pub(crate) result: Option<Arc<SagaResult>>,
    /// How often this process has run the saga.
    run: u64,
}

impl SagaProgress {
    /// This process does not run the saga.
    pub(crate) fn over(status: SagaStatus, result: SagaResult) -> Self {
        Self { status, result: Some(Arc::new(result)), run: 0 }
    }

    /// The saga goes on without a task of this process: another process of a shared store runs it, or it waits in the store for
    /// its time.
    pub(crate) fn elsewhere(status: SagaStatus) -> Self {
        Self { status, result: None, run: 0 }
    }

    /// True once the saga has ended, or this process does not run sagas any more.
    fn is_last(&self) -> bool {
        self.is_shut_down() || self.result.is_some() && self.status.is_ended()
    }

    fn is_shut_down(&self) -> bool {
        matches!(self.result.as_deref(), Some(Err(SagaError::ShutDown { .. })))
    }
}

type AllChannels = Arc<Mutex<SagaMap<Weak<ProgressChannel>>>>;

/// The channels of all sagas that run here or that somebody has a handle to.
#[derive(Default)]
pub(crate) struct ProgressChannels(AllChannels);

impl ProgressChannels {
    /// The channel of this saga.
    pub(crate) fn of(&self, id: &SagaId) -> Arc<ProgressChannel> {
        let mut all = lock(&self.0);
        let place = all.entry(id.clone()).or_default();
        if let Some(channel) = place.upgrade() {
            return channel;
        }
        let progress = SagaProgress { status: SagaStatus::Running, result: None, run: 0 };
        let (id, progress) = (id.clone(), Mutex::new(progress));
        let all_channels = self.0.clone();
        let channel = ProgressChannel { id, progress, changed: Notify::new(), all: all_channels };
        let channel = Arc::new(channel);
        *place = Arc::downgrade(&channel);
        channel
    }
}

impl ProgressChannels {
    /// The channels of all sagas of which no result is known.
    pub(crate) fn without_result(&self) -> Vec<Arc<ProgressChannel>> {
        // one that is dropped meanwhile locks the list itself
        let all = lock(&self.0).values().filter_map(Weak::upgrade).collect::<Vec<_>>();
        all.into_iter().filter(|channel| channel.result().is_none()).collect()
    }
}

/// The channel of one saga. The task that runs the saga holds it, and so do its handles.
pub(crate) struct ProgressChannel {
    id: SagaId,
    progress: Mutex<SagaProgress>,
    changed: Notify,
    all: AllChannels,
}

impl Drop for ProgressChannel {
    fn drop(&mut self) {
        // another channel may have taken its place
        lock(&self.all).remove_if(&self.id, |channel| channel.strong_count() == 0);
    }
}

impl ProgressChannel {
    pub(crate) fn id(&self) -> &SagaId {
        &self.id
    }

    /// Notified when the progress has changed.
    pub(super) fn changed(&self) -> &Notify {
        &self.changed
    }

    /// Changes the progress, and tells those who wait if this says so.
    fn change(&self, change: impl FnOnce(&mut SagaProgress) -> bool) {
        // an earlier result drops values of the user's, which must not happen under the lock
        let (changed, _before) = {
            let mut progress = lock(&self.progress);
            let before = progress.result.clone();
            (change(&mut progress), before)
        };
        if changed {
            self.changed.notify_waiters();
        }
    }

    /// This process is about to run the saga. Returns the number of this run.
    pub(crate) fn begin_run(&self) -> u64 {
        let mut run = 0;
        self.change(|progress| {
            progress.run += 1;
            run = progress.run;
            true
        });
        run
    }

    /// The saga is running now; an earlier result does not count any more.
    pub(crate) fn running(&self, status: SagaStatus) {
        self.change(|progress| {
            (progress.status, progress.result) = (status, None);
            true
        });
    }

    /// The saga has this status now.
    pub(crate) fn report(&self, status: SagaStatus) {
        self.change(|progress| std::mem::replace(&mut progress.status, status) != status);
    }

    /// This process is done with the saga. `status` is the new status, if it has changed.
    pub(crate) fn finish(&self, status: Option<SagaStatus>, result: SagaResult) {
        self.change(|progress| {
            progress.status = status.unwrap_or(progress.status);
            progress.result = Some(Arc::new(result));
            true
        });
    }

    /// The same for a failure, unless a result was reported already.
    pub(crate) fn fail(&self, error: SagaError) {
        self.change(|progress| {
            let open = progress.result.is_none();
            if open {
                progress.result = Some(Arc::new(Err(error)));
            }
            open
        });
    }

    /// The progress that the store has recorded, read after run number `run` had begun. False if it is out of
    /// date.
    pub(crate) fn found_in_store(&self, run: u64, found: SagaProgress) -> bool {
        let mut current = false;
        self.change(|progress| {
            current = progress.run == run;
            // a process that was shut down reports only once that it does not run the saga
            let news = current && (found.status.is_ended() || !progress.is_shut_down());
            if news {
                *progress = SagaProgress { run, ..found };
            }
            news
        });
        current
    }

    /// The number of the current run, or of the last one.
    pub(crate) fn current_run(&self) -> u64 {
        lock(&self.progress).run
    }

    pub(crate) fn status(&self) -> SagaStatus {
        lock(&self.progress).status
    }

    /// How the last run ended, if it has ended.
    pub(crate) fn result(&self) -> Option<Arc<SagaResult>> {
        lock(&self.progress).result.clone()
    }

    /// True if a shutdown ended the last run.
    pub(crate) fn is_shut_down(&self) -> bool {
        lock(&self.progress).is_shut_down()
    }

    /// Waits until this process does not run the saga (any more).
    pub(crate) async fn ended(&self) -> Arc<SagaResult> {
        let result = self.until(|progress| progress.result.is_some()).await.result;
        result.unwrap_or_else(|| Arc::new(Err(SagaError::ShutDown { saga: self.id.clone() })))
    }

    /// Waits for the end of a run. `None` if another run has begun since.
    pub(crate) async fn end_of_run(&self, run: u64) -> Option<Arc<SagaResult>> {
        let over = |progress: &SagaProgress| progress.run != run || progress.result.is_some();
        let progress = self.until(over).await;
        progress.result.filter(|_| progress.run == run)
    }

    /// Waits until the saga has ended, or this process does not run sagas any more.
    pub(crate) async fn last(&self) {
        self.until(SagaProgress::is_last).await;
    }

    async fn until(&self, is: impl Fn(&SagaProgress) -> bool) -> SagaProgress {
        loop {
            // made before the check, it misses nothing
            let changed = self.changed.notified();
            {
                let progress = lock(&self.progress);
                if is(&progress) {
                    return progress.clone();
                }
            }
            changed.await;
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
    fn a_saga_has_one_channel_as_long_as_somebody_holds_it() {
        let channels = ProgressChannels::default();
        let (a, again, b) = (channels.of(&id("a")), channels.of(&id("a")), channels.of(&id("b")));
        assert!(Arc::ptr_eq(&a, &again) && !Arc::ptr_eq(&a, &b));
        drop((a, b));
        assert_eq!(lock(&channels.0).keys().collect::<Vec<_>>(), [&id("a")]);
        drop(again);
        assert!(lock(&channels.0).is_empty());
    }

    #[test]
    fn what_was_read_before_a_run_began_is_out_of_date() {
        let channel = ProgressChannels::default().of(&id("a"));
        let ended = || SagaProgress::over(SagaStatus::Completed, Ok(None));
        let read = channel.current_run();
        channel.begin_run();
        channel.running(SagaStatus::Running);
        assert!(!channel.found_in_store(read, ended()));
        assert_eq!(channel.status(), SagaStatus::Running);
        channel.finish(Some(SagaStatus::RolledBack), Ok(None));
        assert!(!channel.found_in_store(read, ended()));
        assert_eq!(channel.status(), SagaStatus::RolledBack);
        assert!(channel.found_in_store(channel.current_run(), ended()));
        assert_eq!(channel.status(), SagaStatus::Completed);
    }
}
